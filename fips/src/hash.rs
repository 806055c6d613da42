//! SHA-256 (FIPS 180-4) and HMAC-SHA-256 (FIPS 198-1).
use aws_lc_rs::{digest, hmac};
use crypto_backends::{FipsStatus, Hash, Key, KeyedHash};

use crate::CERTIFIED;

pub(crate) struct Sha256;

impl Hash for Sha256 {
    fn hash(&self, parts: &[&[u8]]) -> [u8; 32] {
        let mut hasher = digest::Context::new(&digest::SHA256);
        for part in parts {
            hasher.update(part);
        }
        hasher.finish().as_ref().try_into().expect("SHA-256 has 32 bytes")
    }

    fn fips(&self) -> FipsStatus {
        CERTIFIED
    }
}

impl KeyedHash for Sha256 {
    fn keyed_hash(&self, key: &Key, parts: &[&[u8]]) -> [u8; 32] {
        let mut mac = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, key.expose()));
        for part in parts {
            mac.update(part);
        }
        mac.sign().as_ref().try_into().expect("HMAC-SHA-256 has 32 bytes")
    }

    fn fips(&self) -> FipsStatus {
        CERTIFIED
    }
}
