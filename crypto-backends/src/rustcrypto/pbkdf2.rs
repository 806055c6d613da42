//! PBKDF2-HMAC-SHA-256 (SP 800-132).
use sha2::Sha256;

use crate::Key;
use crate::contract::{PasswordKdf, PasswordParams};
use crate::error::CryptoError;
use crate::passphrase::pbkdf2 as rules;

pub(crate) struct Pbkdf2;

impl PasswordKdf for Pbkdf2 {
    fn derive(&self, params: &PasswordParams, salt: &[u8], passphrase: &[u8]) -> Result<Key, CryptoError> {
        self.check_open(params)?;
        rules::check_lengths(salt, passphrase)?;
        let mut key = Key::zeroed();
        pbkdf2::pbkdf2_hmac::<Sha256>(passphrase, salt, rules::rounds(params)?, key.expose_mut());
        Ok(key)
    }

    fn fit(&self, _memory_bytes: u64) -> PasswordParams {
        rules::fit()
    }

    fn fit_low_memory(&self) -> PasswordParams {
        rules::fit()
    }

    fn check_create(&self, params: &PasswordParams) -> Result<(), CryptoError> {
        rules::check(params)
    }

    fn check_create_low_memory(&self, params: &PasswordParams) -> Result<(), CryptoError> {
        rules::check(params)
    }

    fn check_open(&self, params: &PasswordParams) -> Result<(), CryptoError> {
        rules::check(params)
    }
}

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
        let derive = |passphrase: &[u8], salt: &[u8], rounds: u32, out: &mut [u8]| {
            pbkdf2::pbkdf2_hmac::<Sha256>(passphrase, salt, rounds, out);
        };
        assert_eq!(known_answers::below::pbkdf2_hmac_sha256(derive), 17);
    }
}
