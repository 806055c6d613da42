//! PBKDF2-HMAC-SHA-256 (SP 800-132).
use sha2::Sha256;

use super::password::{lowered, within};
use crate::Key;
use crate::contract::{PasswordKdf, PasswordParams};
use crate::error::CryptoError;

pub(crate) struct Pbkdf2;

impl PasswordKdf for Pbkdf2 {
    fn derive(&self, params: &PasswordParams, salt: &[u8], passphrase: &[u8]) -> Result<Key, CryptoError> {
        self.check_open(params)?;
        if salt.len() < SALT_MIN {
            return Err(CryptoError::Length { what: "salt", expected: "16 or more", actual: salt.len() });
        }
        if !PASSPHRASE_LEN.contains(&passphrase.len()) {
            return Err(CryptoError::Length { what: "passphrase", expected: "14 to 1024", actual: passphrase.len() });
        }
        let mut key = Key::zeroed();
        pbkdf2::pbkdf2_hmac::<Sha256>(passphrase, salt, rounds(params)?, key.expose_mut());
        Ok(key)
    }

    /// Memory plays no part.
    fn fit(&self, _memory_bytes: u64) -> PasswordParams {
        PasswordParams::Pbkdf2 { rounds: floor(ROUNDS) }
    }

    fn fit_low_memory(&self) -> PasswordParams {
        PasswordParams::Pbkdf2 { rounds: floor(ROUNDS) }
    }

    fn check_create(&self, params: &PasswordParams) -> Result<(), CryptoError> {
        within("number of rounds", rounds(params)?, floor(ROUNDS_MIN), ROUNDS_MAX)
    }

    fn check_create_low_memory(&self, params: &PasswordParams) -> Result<(), CryptoError> {
        self.check_create(params)
    }

    fn check_open(&self, params: &PasswordParams) -> Result<(), CryptoError> {
        self.check_create(params)
    }
}

fn rounds(params: &PasswordParams) -> Result<u32, CryptoError> {
    match *params {
        PasswordParams::Pbkdf2 { rounds } => Ok(rounds),
        PasswordParams::Argon2id { .. } => Err(CryptoError::ForeignPasswordKdf("Argon2id")),
    }
}

fn floor(rounds: u32) -> u32 {
    if lowered() { 1 } else { rounds }
}

/// For a new slot: a good half of a second on a core without SHA instructions.
const ROUNDS: u32 = 1_000_000;

/// SPEC section 11.4: the OWASP Password Storage Cheat Sheet's minimum for PBKDF2-HMAC-SHA-256 (SP 800-132 section 5.2 asks for
/// 1,000), and what stalls nobody for longer than a minute.
const ROUNDS_MIN: u32 = 600_000;
const ROUNDS_MAX: u32 = 100_000_000;

/// SP 800-132 section 5.1: 128 bits.
const SALT_MIN: usize = 16;

/// SPEC section 11.4. The least is 112 bits, which modules want of every key (SP 800-131A; here of its bytes, not its entropy).
const PASSPHRASE_LEN: std::ops::RangeInclusive<usize> = 14..=1024;

// Lowering is for a whole process: its test is tests/lowered_floors.rs.
#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::known_answers;

    const fn params(rounds: u32) -> PasswordParams {
        PasswordParams::Pbkdf2 { rounds }
    }

    #[test]
    fn floors_and_limits() {
        for fine in [params(600_000), params(100_000_000), Pbkdf2.fit(0), Pbkdf2.fit(u64::MAX), Pbkdf2.fit_low_memory()]
        {
            Pbkdf2.check_create(&fine).unwrap();
            Pbkdf2.check_create_low_memory(&fine).unwrap();
            Pbkdf2.check_open(&fine).unwrap();
        }
        for weak in [params(599_999), params(0)] {
            assert!(matches!(Pbkdf2.check_create(&weak), Err(CryptoError::WeakPassword { .. })));
            assert!(matches!(Pbkdf2.check_create_low_memory(&weak), Err(CryptoError::WeakPassword { .. })));
            assert!(matches!(Pbkdf2.check_open(&weak), Err(CryptoError::WeakPassword { .. })));
            assert!(matches!(derive(&weak, 32, 20), Err(CryptoError::WeakPassword { .. })));
        }
        for hostile in [params(100_000_001), params(u32::MAX)] {
            assert!(matches!(Pbkdf2.check_open(&hostile), Err(CryptoError::ExcessivePassword { .. })));
            assert!(matches!(derive(&hostile, 32, 20), Err(CryptoError::ExcessivePassword { .. })));
        }
        let foreign = PasswordParams::Argon2id { m_kib: 65536, t: 3, p: 1 };
        assert!(matches!(Pbkdf2.check_open(&foreign), Err(CryptoError::ForeignPasswordKdf(_))));
        assert!(matches!(Pbkdf2.check_create(&foreign), Err(CryptoError::ForeignPasswordKdf(_))));
    }

    #[test]
    fn lengths_are_checked() {
        for (salt, passphrase) in [(15, 20), (0, 20), (32, 13), (32, 0), (32, 1025)] {
            assert!(matches!(derive(&params(600_000), salt, passphrase), Err(CryptoError::Length { .. })));
        }
    }

    fn derive(params: &PasswordParams, salt: usize, passphrase: usize) -> Result<Key, CryptoError> {
        Pbkdf2.derive(params, &vec![1; salt], &vec![b'x'; passphrase])
    }

    #[test]
    fn known_answers_below_our_floors() {
        let cases = known_answers::cases("02/primitives/pbkdf2");
        for case in &cases {
            let expected = case.hex("out");
            let mut out = vec![0; expected.len()];
            let passphrase = case.hex("passphrase");
            pbkdf2::pbkdf2_hmac::<Sha256>(&passphrase, &case.hex("salt"), case.number("rounds"), &mut out);
            assert_eq!(out, expected, "{}", case.name);
        }
        assert_eq!(cases.len(), 17);
    }
}
