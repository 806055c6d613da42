//! First contact: a URL, and a passphrase or words. The store may show anything (SPEC section 11.4).

use super::state::{OpenError, Roster, RosterError};
use crate::keys::{DeviceKeys, OpenedSlot, SlotError, SlotSecret, open_slot};
use crypto_backends::Provider;
use vault_format::{
    ObjectName,
    ids::{DeviceId, Identity, VaultId},
    limits::{SLOTS_TRIED, WORD_SLOTS_TRIED},
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
    let shown = match Roster::build(provider, objects, pinned) {
        Ok(roster) => vec![roster],
        // The slot can tell which of them is ours.
        Err(RosterError::TwoVaults { found }) => {
            let build = |id| Roster::build(provider, objects, Some(id));
            found.into_iter().take(VAULTS_TRIED).map(build).collect::<Result<_, _>>()?
        }
        Err(error) => return Err(error.into()),
    };
    let slot = open_any(provider, &shown, secret)?;
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
        Some(device) if device.is_member() => Ok(Unlocked { roster, device: slot.device }),
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
    // Words cost next to nothing to try. In each vault by itself: one with many slots beside ours must not use up the tries.
    let tries = if matches!(secret, SlotSecret::Words(_)) { WORD_SLOTS_TRIED } else { SLOTS_TRIED };
    let slots = shown.iter().flat_map(|roster| {
        let mut slots = roster.slots();
        slots.retain(|found| secret.fits(found.slot));
        slots.truncate(tries);
        slots
    });
    let (mut wrong, mut unusable) = (false, None);
    for found in slots {
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

/// Each needs at least one slot to be of any use here.
const VAULTS_TRIED: usize = SLOTS_TRIED;
