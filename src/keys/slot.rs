//! Slots: the keys of a virtual device under a passphrase or 24 words (SPEC section 11.4).

use super::{DeviceKeys, Passphrase, PassphraseError, Words};
use crate::stage::{SealError, open_blob, seal_blob};
use crypto_backends::{CryptoError, Key, PasswordParams, Provider, SecretBytes};
use vault_format::{
    FormatError,
    blob::{self, BlobType},
    genesis::{Genesis, vault_id_input},
    ids::{Identity, VaultId},
    labels::Purpose,
    roster::{Slot, SlotKdf, SlotPlain},
};
use zeroize::{Zeroize, Zeroizing};

/// What opens a slot.
#[derive(Clone, Copy)]
pub enum SlotSecret<'a> {
    /// A slot with a password function.
    Passphrase(&'a Passphrase),
    /// A slot of words.
    Words(&'a Words),
}

impl SlotSecret<'_> {
    /// Whether this is the right sort of secret for the slot.
    pub fn fits(&self, slot: &Slot) -> bool {
        match (self, &slot.kdf) {
            (Self::Words(_), SlotKdf::Words) => true,
            (Self::Passphrase(_), SlotKdf::Argon2id { .. } | SlotKdf::Pbkdf2 { .. }) => true,
            (Self::Words(_) | Self::Passphrase(_), _) => false,
        }
    }
}

/// With what a new slot is sealed.
#[derive(Clone, Copy)]
pub enum NewSlot<'a> {
    /// A passphrase; `low_memory` permits the lower floor, for machines that cannot afford the other.
    Passphrase {
        /// What opens it.
        passphrase: &'a Passphrase,
        /// The cost of every guess.
        params: PasswordParams,
        /// Permits the lower floor.
        low_memory: bool,
    },
    /// The words of a recovery key.
    Words(&'a Words),
}

/// What was inside a slot: the only statement about a vault's id that a passphrase or words vouch for.
pub struct OpenedSlot {
    /// The vault; everything that does not chain to it is to be rejected.
    pub vault: VaultId,
    /// The bytes that it is the hash of.
    pub genesis: Vec<u8>,
    /// Roster heads when the slot was made: a store that does not show them hides something.
    pub heads: Vec<Identity>,
    /// The virtual device.
    pub device: DeviceKeys,
}

/// Seals the keys of a virtual device.
pub fn seal_slot(
    provider: &'static Provider,
    secret: NewSlot<'_>,
    device: &DeviceKeys,
    genesis: &[u8],
    heads: &[Identity],
) -> Result<Slot, SlotError> {
    let mut salt = [0; 32];
    provider.random.fill(&mut salt)?;
    let (kdf, key) = match secret {
        NewSlot::Words(words) => (SlotKdf::Words, words.entropy()),
        NewSlot::Passphrase { passphrase, params, low_memory } => {
            passphrase.check_create(provider.suite)?;
            if low_memory {
                provider.password.check_create_low_memory(&params)?;
            } else {
                provider.password.check_create(&params)?;
            }
            (kdf_of(params), provider.password.derive(&params, &salt, passphrase.expose())?)
        }
    };
    let mut plain = SlotPlain {
        vault: device.vault,
        genesis: genesis.to_vec(),
        heads: heads.to_vec(),
        w: *device.w.expose(),
        signing_secret: device.signing_secret.expose().to_vec(),
        kem_secret: device.kem_secret.expose().to_vec(),
    };
    let encoded = plain.encode(provider.suite).map(Zeroizing::new);
    wipe(&mut plain);
    let context = blob::slot_context(provider.suite, &kdf, &salt, &device.verify_key, &device.kem_key);
    let dek = slot_dek(provider, &key, &salt, &context);
    let text_len = blob::slot_text_len(provider.suite);
    let blob = seal_blob(provider, BlobType::Slot as u8, &context, &dek, &encoded?, text_len)?;
    Ok(Slot { kdf, salt, blob })
}

/// Opens the slot of the virtual device with these public keys. What is inside proves its own vault id; that the slot stood in a
/// record of some vault proves nothing.
///
/// The record's hash has been verified, so a slot that does not open has the wrong secret: damage would have shown before.
pub fn open_slot(
    provider: &'static Provider,
    slot: &Slot,
    verify_key: &[u8],
    kem_key: &[u8],
    secret: SlotSecret<'_>,
) -> Result<OpenedSlot, SlotError> {
    let key = match (secret, &slot.kdf) {
        (SlotSecret::Words(words), SlotKdf::Words) => words.entropy(),
        (SlotSecret::Passphrase(passphrase), kdf) => {
            let params = params_of(kdf).ok_or(SlotError::OtherSecret)?;
            provider.password.check_open(&params)?;
            // One that no slot of the suite can be made with opens none.
            passphrase.check_create(provider.suite).map_err(|_| SlotError::WrongSecret)?;
            provider.password.derive(&params, &slot.salt, passphrase.expose())?
        }
        (SlotSecret::Words(_), _) => return Err(SlotError::OtherSecret),
    };
    let context = blob::slot_context(provider.suite, &slot.kdf, &slot.salt, verify_key, kem_key);
    let dek = slot_dek(provider, &key, &slot.salt, &context);
    let plain = open_blob(provider, BlobType::Slot as u8, &context, &dek, &slot.blob).map_err(|error| match error {
        SealError::Commitment => SlotError::WrongSecret,
        other => SlotError::Seal(other),
    })?;
    let mut plain = SlotPlain::parse(plain.expose())?;
    let opened = take_out(provider, &mut plain, verify_key, kem_key);
    wipe(&mut plain);
    opened
}

/// Why a slot was not made or not opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SlotError {
    /// Another passphrase, or other words.
    #[error("wrong passphrase or recovery key")]
    WrongSecret,
    /// Words for a passphrase slot, or the other way round, or a slot of a newer version.
    #[error("this slot takes another sort of secret")]
    OtherSecret,
    /// The passphrase is none of this suite.
    #[error(transparent)]
    Passphrase(#[from] PassphraseError),
    /// Parameters too weak or too costly, too little memory, no randomness.
    #[error(transparent)]
    Crypto(#[from] CryptoError),
    /// What is inside has the wrong form.
    #[error("the slot is malformed inside")]
    Format(#[from] FormatError),
    /// The vault id inside is not that of the genesis inside.
    #[error("the slot names a vault that its genesis is not")]
    Inconsistent,
    /// Sealing failed, or a frame is not what its commitment promised.
    #[error(transparent)]
    Seal(#[from] SealError),
}

/// The parameters of a slot, if a passphrase opens it.
pub fn params_of(kdf: &SlotKdf) -> Option<PasswordParams> {
    match *kdf {
        SlotKdf::Argon2id { m_kib, t, p } => Some(PasswordParams::Argon2id { m_kib, t, p }),
        SlotKdf::Pbkdf2 { rounds } => Some(PasswordParams::Pbkdf2 { rounds }),
        SlotKdf::Words | SlotKdf::Unknown { .. } => None,
    }
}

fn kdf_of(params: PasswordParams) -> SlotKdf {
    match params {
        PasswordParams::Argon2id { m_kib, t, p } => SlotKdf::Argon2id { m_kib, t, p },
        PasswordParams::Pbkdf2 { rounds } => SlotKdf::Pbkdf2 { rounds },
    }
}

fn slot_dek(provider: &Provider, key: &Key, salt: &[u8; 32], context: &[u8]) -> Key {
    let c = provider.hash.hash(&[context]);
    provider.kdf.derive(Purpose::Slot.label(provider.suite), key.expose(), salt, &[&c])
}

fn take_out(
    provider: &Provider,
    plain: &mut SlotPlain,
    verify_key: &[u8],
    kem_key: &[u8],
) -> Result<OpenedSlot, SlotError> {
    let genesis = std::mem::take(&mut plain.genesis);
    let suite = Genesis::parse(&genesis)?.suite;
    if plain.vault.0 != provider.hash.hash(&[&vault_id_input(&genesis)]) || suite != provider.suite {
        return Err(SlotError::Inconsistent);
    }
    let device = DeviceKeys::from_parts(
        provider,
        plain.vault,
        verify_key.to_vec(),
        kem_key.to_vec(),
        SecretBytes::new(std::mem::take(&mut plain.signing_secret)),
        SecretBytes::new(std::mem::take(&mut plain.kem_secret)),
        Key::new(plain.w),
    );
    Ok(OpenedSlot { vault: plain.vault, genesis, heads: std::mem::take(&mut plain.heads), device })
}

fn wipe(plain: &mut SlotPlain) {
    plain.w.zeroize();
    plain.signing_secret.zeroize();
    plain.kem_secret.zeroize();
}

#[cfg(test)]
mod tests {
    use super::*;
    use crypto_backends::{
        Suite,
        rustcrypto::{lower_kdf_floors_for_tests, provider},
    };
    use vault_format::limits::SLOT_BLOB;

    fn virtual_device() -> (DeviceKeys, Vec<u8>) {
        let pairs = super::super::KeyPairs::generate(provider()).expect("keys");
        let genesis =
            Genesis { suite: Suite::Default, random: [1; 32], founder: pairs.verify_key.clone(), root: None }.encode();
        let vault = VaultId(provider().hash.hash(&[&vault_id_input(&genesis)]));
        (pairs.bind(provider(), vault).expect("a device"), genesis)
    }

    fn passphrase(text: &str) -> Passphrase {
        Passphrase::new(text).expect("a passphrase")
    }

    fn open(slot: &Slot, device: &DeviceKeys, secret: SlotSecret<'_>) -> Result<OpenedSlot, SlotError> {
        open_slot(provider(), slot, &device.verify_key, &device.kem_key, secret)
    }

    #[test]
    fn passphrase_slots() {
        lower_kdf_floors_for_tests();
        let (device, genesis) = virtual_device();
        let right = passphrase("caf\u{e9}");
        let new = NewSlot::Passphrase { passphrase: &right, params: provider().password.fit(0), low_memory: false };
        let slot = seal_slot(provider(), new, &device, &genesis, &[Identity([3; 32])]).expect("sealed");
        assert_eq!(slot.blob.len(), SLOT_BLOB);

        let opened = open(&slot, &device, SlotSecret::Passphrase(&passphrase("cafe\u{301}")))
            .map_err(|e| e.to_string())
            .expect("opens");
        assert_eq!((opened.vault, opened.device.id, &opened.genesis), (device.vault, device.id, &genesis));
        assert_eq!(opened.heads, [Identity([3; 32])]);
        assert!(opened.device.w.ct_eq(&device.w) && opened.device.kem_secret.ct_eq(&device.kem_secret));

        assert!(matches!(
            open(&slot, &device, SlotSecret::Passphrase(&passphrase("cafe"))),
            Err(SlotError::WrongSecret)
        ));
        let words = Words::from_entropy(&Key::new([1; 32])).expect("a backend");
        assert!(matches!(open(&slot, &device, SlotSecret::Words(&words)), Err(SlotError::OtherSecret)));
        // Parameters and public keys are bound.
        let (other, _) = virtual_device();
        assert!(matches!(open(&slot, &other, SlotSecret::Passphrase(&right)), Err(SlotError::WrongSecret)));
        let salted = Slot { salt: [0; 32], ..slot.clone() };
        assert!(matches!(open(&salted, &device, SlotSecret::Passphrase(&right)), Err(SlotError::WrongSecret)));
    }

    #[test]
    fn word_slots() {
        let (device, genesis) = virtual_device();
        let words = Words::generate(provider().random).expect("words");
        let slot = seal_slot(provider(), NewSlot::Words(&words), &device, &genesis, &[]).expect("sealed");
        let again = Words::parse(&words.iter().collect::<Vec<_>>().join(" ")).expect("the same words");
        assert_eq!(
            open(&slot, &device, SlotSecret::Words(&again)).map_err(|e| e.to_string()).expect("opens").device.id,
            device.id
        );
        let others = Words::generate(provider().random).expect("words");
        assert!(matches!(open(&slot, &device, SlotSecret::Words(&others)), Err(SlotError::WrongSecret)));
        assert!(matches!(open(&slot, &device, SlotSecret::Passphrase(&passphrase("p"))), Err(SlotError::OtherSecret)));
    }

    #[test]
    fn weak_kdf_params_refused_on_create_and_open() {
        let (device, genesis) = virtual_device();
        let passphrase = passphrase("passphrase");
        let words = Words::from_entropy(&Key::new([1; 32])).expect("a backend");
        let slot = seal_slot(provider(), NewSlot::Words(&words), &device, &genesis, &[]).expect("sealed");
        // Below every floor, also the one that tests may use.
        for (m_kib, t, p) in [(1, 3, 1), (65_536, 0, 1), (65_536, 3, 0), (65_536, 3, 2)] {
            for low_memory in [false, true] {
                let new = NewSlot::Passphrase {
                    passphrase: &passphrase,
                    params: PasswordParams::Argon2id { m_kib, t, p },
                    low_memory,
                };
                assert!(matches!(seal_slot(provider(), new, &device, &genesis, &[]), Err(SlotError::Crypto(_))));
            }
            let weak = Slot { kdf: SlotKdf::Argon2id { m_kib, t, p }, ..slot.clone() };
            assert!(matches!(open(&weak, &device, SlotSecret::Passphrase(&passphrase)), Err(SlotError::Crypto(_))));
        }
        let foreign = Slot { kdf: SlotKdf::Pbkdf2 { rounds: 600_000 }, ..slot };
        assert!(matches!(open(&foreign, &device, SlotSecret::Passphrase(&passphrase)), Err(SlotError::Crypto(_))));
    }

    #[test]
    fn giant_kdf_params_refused() {
        let (device, genesis) = virtual_device();
        let passphrase = passphrase("passphrase");
        let words = Words::from_entropy(&Key::new([1; 32])).expect("a backend");
        let slot = seal_slot(provider(), NewSlot::Words(&words), &device, &genesis, &[]).expect("sealed");
        for (m_kib, t) in [(u32::MAX, 3), (4 * 1024 * 1024 + 1, 3), (65_536, 65), (65_536, u32::MAX)] {
            let giant = Slot { kdf: SlotKdf::Argon2id { m_kib, t, p: 1 }, ..slot.clone() };
            let error = open(&giant, &device, SlotSecret::Passphrase(&passphrase)).err().expect("refused");
            assert!(matches!(error, SlotError::Crypto(CryptoError::ExcessivePassword { .. })), "{error}");
        }
    }
}
