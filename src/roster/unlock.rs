//! First contact: a URL, and a passphrase or words. The store may show anything (SPEC section 11.4).

use super::state::{FoundSlot, OpenError, Roster, RosterError};
use crate::keys::{DeviceKeys, OpenedSlot, SlotError, SlotSecret, open_slot, params_of};
use crypto_backends::{PasswordParams, Provider};
use vault_format::{
    ObjectName,
    ids::{DeviceId, Identity, VaultId},
    limits::{SLOTS_TRIED, WORD_SLOTS_TRIED},
    roster::Slot,
};

/// A vault that the secret itself vouches for.
pub struct Unlocked {
    /// Built for the vault id from inside the slot.
    pub roster: Roster,
    /// The virtual device of the slot.
    pub device: DeviceKeys,
}

/// Opens a vault with a passphrase or words.
///
/// Which vault that is, only the inside of a slot says: whoever writes to the store can put genuine slots beside a roster of
/// their own. So the slot is opened first, and then the roster is built again for the vault named inside it.
pub fn unlock(
    provider: &'static Provider,
    objects: &[(ObjectName, Vec<u8>)],
    pinned: Option<VaultId>,
    secret: SlotSecret<'_>,
) -> Result<Unlocked, UnlockError> {
    let slot = open_any(provider, &shown(provider, objects, pinned)?, secret)?;
    bind(provider, objects, pinned, &slot)
}

/// Slots that a secret may open, in the order in which they are tried: for whoever decides how many tries all vaults of a
/// place are worth. What they open is to be bound to the same objects.
pub(crate) fn attempts(
    provider: &'static Provider,
    objects: &[(ObjectName, Vec<u8>)],
    secret: SlotSecret<'_>,
) -> Result<Vec<Attempt>, UnlockError> {
    let shown = shown(provider, objects, None)?;
    let attempt = |found: FoundSlot<'_>| Attempt {
        verify_key: found.verify_key.to_vec(),
        kem_key: found.kem_key.to_vec(),
        slot: found.slot.clone(),
    };
    Ok(fitting(&shown, secret).map(attempt).collect())
}

/// A slot, apart from the roster that it stood in.
pub(crate) struct Attempt {
    verify_key: Vec<u8>,
    kem_key: Vec<u8>,
    slot: Slot,
}

impl Attempt {
    /// Costs [`Attempt::work`].
    pub(crate) fn open(&self, provider: &'static Provider, secret: SlotSecret<'_>) -> Result<OpenedSlot, SlotError> {
        open_slot(provider, &self.slot, &self.verify_key, &self.kem_key, secret)
    }

    /// How much memory the password function goes over, in KiB times passes: about what it costs. `Err`: it would be refused
    /// before anything is done.
    pub(crate) fn work(&self, provider: &Provider) -> Result<u64, SlotError> {
        let Some(params) = params_of(&self.slot.kdf) else { return Ok(0) };
        provider.password.check_open(&params)?;
        Ok(match params {
            PasswordParams::Argon2id { m_kib, t, .. } => u64::from(m_kib) * u64::from(t),
            // About 1 KiB of memory costs as much as one call of HMAC.
            PasswordParams::Pbkdf2 { rounds } => u64::from(rounds),
        })
    }

    /// The same for a copy of this slot, wherever it stands.
    pub(crate) fn fingerprint(&self, provider: &Provider) -> [u8; 32] {
        let kdf = format!("{:?}", self.slot.kdf);
        let parts = [kdf.as_bytes(), &self.slot.salt, &self.slot.blob, &self.verify_key, &self.kem_key];
        let hashes: Vec<[u8; 32]> = parts.iter().map(|part| provider.hash.hash(&[part])).collect();
        provider.hash.hash(&[&hashes.concat()])
    }
}

/// Builds the roster again for the vault that a slot names inside, and rejects everything else.
pub(crate) fn bind(
    provider: &'static Provider,
    objects: &[(ObjectName, Vec<u8>)],
    pinned: Option<VaultId>,
    slot: &OpenedSlot,
) -> Result<Unlocked, UnlockError> {
    if let Some(pinned) = pinned.filter(|pinned| *pinned != slot.vault) {
        return Err(UnlockError::OtherVault { inside: slot.vault, shown: pinned });
    }
    let roster = Roster::build(provider, objects, Some(slot.vault)).map_err(|error| match error {
        RosterError::OtherVault { pinned, found } => {
            UnlockError::OtherVault { inside: pinned, shown: found.first().copied().unwrap_or(pinned) }
        }
        other => other.into(),
    })?;
    if let Some(head) = slot.heads.iter().find(|head| !roster.knows(**head)) {
        return Err(UnlockError::Withheld { head: *head });
    }
    match roster.devices.get(&slot.device.id) {
        Some(device) if device.is_member() => Ok(Unlocked { roster, device: slot.device.duplicate() }),
        Some(_) => Err(OpenError::Revoked { device: slot.device.id }.into()),
        None => Err(UnlockError::Void { device: slot.device.id }),
    }
}

/// Why a passphrase or words did not open a vault.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UnlockError {
    /// What the store shows is no roster.
    #[error(transparent)]
    Roster(#[from] RosterError),
    /// The virtual device is no member.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// No slot takes this sort of secret.
    #[error("the vault has no slot for {0}")]
    NoSlot(&'static str),
    /// None of the slots opens.
    #[error("wrong {0}")]
    WrongSecret(&'static str),
    /// The only slots for this secret could not be tried.
    #[error("the vault's slot cannot be opened here")]
    Slot(#[source] SlotError),
    /// The genuine slot stands in a foreign roster: the store, or somebody who writes to it, exchanged the vault.
    #[error(
        "the store shows vault {shown}, and this passphrase or recovery key belongs to vault {inside}: the store was tampered with"
    )]
    OtherVault {
        /// Named inside the slot.
        inside: VaultId,
        /// What the store shows.
        shown: VaultId,
    },
    /// The roster is older than the slot.
    #[error("the store withholds roster record {head}, which the slot was made after: it shows an older state")]
    Withheld {
        /// The identity of the record.
        head: Identity,
    },
    /// The vault's own roster does not have this slot.
    #[error("the slot of device {device} is not part of the vault's roster")]
    Void {
        /// The virtual device.
        device: DeviceId,
    },
}

fn open_any(provider: &'static Provider, shown: &[Roster], secret: SlotSecret<'_>) -> Result<OpenedSlot, UnlockError> {
    let sort = match secret {
        SlotSecret::Passphrase(_) => "passphrase",
        SlotSecret::Words(_) => "recovery key",
    };
    let (mut wrong, mut unusable) = (false, None);
    for found in fitting(shown, secret) {
        match open_slot(provider, found.slot, found.verify_key, found.kem_key, secret) {
            Ok(opened) => return Ok(opened),
            Err(SlotError::WrongSecret) => wrong = true,
            Err(error) => unusable = Some(error),
        }
    }
    Err(match unusable {
        Some(error) => UnlockError::Slot(error),
        None if wrong => UnlockError::WrongSecret(sort),
        None => UnlockError::NoSlot(sort),
    })
}

/// The rosters of all vaults that these objects may be.
fn shown(
    provider: &'static Provider,
    objects: &[(ObjectName, Vec<u8>)],
    pinned: Option<VaultId>,
) -> Result<Vec<Roster>, UnlockError> {
    match Roster::build(provider, objects, pinned) {
        Ok(roster) => Ok(vec![roster]),
        // The slot can tell which of them is ours.
        Err(RosterError::TwoVaults { found }) => {
            let build = |id| Roster::build(provider, objects, Some(id));
            Ok(found.into_iter().take(VAULTS_TRIED).map(build).collect::<Result<_, _>>()?)
        }
        Err(error) => Err(error.into()),
    }
}

fn fitting<'a>(shown: &'a [Roster], secret: SlotSecret<'a>) -> impl Iterator<Item = FoundSlot<'a>> {
    // Words cost next to nothing to try. In each vault by itself: one with many slots beside ours must not use up the tries.
    let tries = if matches!(secret, SlotSecret::Words(_)) { WORD_SLOTS_TRIED } else { SLOTS_TRIED };
    shown.iter().flat_map(move |roster| {
        let mut slots = roster.slots();
        slots.retain(|found| secret.fits(found.slot));
        slots.truncate(tries);
        slots
    })
}

/// Each needs at least one slot to be of any use here.
const VAULTS_TRIED: usize = SLOTS_TRIED;
