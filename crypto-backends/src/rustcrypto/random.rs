//! Randomness of the operating system.
use crate::contract::Random;
use crate::error::CryptoError;

pub(crate) struct OsRandom;

impl Random for OsRandom {
    fn fill(&self, buf: &mut [u8]) -> Result<(), CryptoError> {
        getrandom::fill(buf).map_err(|error| CryptoError::Random(error.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fills_everything_and_differs() {
        let (mut a, mut b) = ([0; 64], [0; 64]);
        OsRandom.fill(&mut a).unwrap();
        OsRandom.fill(&mut b).unwrap();
        assert_ne!(a, b);
        assert_ne!(a[..32], a[32..]);
        assert!(a.iter().any(|&byte| byte != 0) && a[60..] != [0; 4]);
    }
}
