//! Randomness of the module: CTR_DRBG with AES-256 (SP 800-90A).
use crypto_backends::{CryptoError, FipsStatus, Random};

use crate::CERTIFIED;

pub(crate) struct Drbg;

impl Random for Drbg {
    fn fill(&self, buf: &mut [u8]) -> Result<(), CryptoError> {
        aws_lc_rs::rand::fill(buf).map_err(|error| CryptoError::Random(error.into()))
    }

    fn fips(&self) -> FipsStatus {
        CERTIFIED
    }
}
