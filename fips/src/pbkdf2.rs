//! PBKDF2-HMAC-SHA-256 (SP 800-132).
use std::num::NonZeroU32;

use aws_lc_rs::pbkdf2::{PBKDF2_HMAC_SHA256, derive};
use crypto_backends::passphrase::pbkdf2 as rules;
use crypto_backends::{CryptoError, FipsStatus, Key, PasswordKdf, PasswordParams};

use crate::CERTIFIED;

pub(crate) struct Pbkdf2;

impl PasswordKdf for Pbkdf2 {
    fn derive(&self, params: &PasswordParams, salt: &[u8], passphrase: &[u8]) -> Result<Key, CryptoError> {
        self.check_open(params)?;
        rules::check_lengths(salt, passphrase)?;
        let none = CryptoError::WeakPassword { name: "number of rounds", value: 0, floor: 1 };
        let rounds = NonZeroU32::new(rules::rounds(params)?).ok_or(none)?;
        Key::make(|key| {
            derive(PBKDF2_HMAC_SHA256, rounds, salt, passphrase, key);
            Ok(())
        })
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

    fn fips(&self) -> FipsStatus {
        CERTIFIED
    }
}
