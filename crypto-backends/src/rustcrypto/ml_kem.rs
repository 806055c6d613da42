//! ML-KEM-768 (FIPS 203) by itself: one half of the KEM of suite `0x02`, and of the handshakes of both.
//!
//! Secret keys are expanded and not seeds because validated modules take no seeds; what is imported is checked (section 7.3).
#![expect(deprecated, reason = "seeds are the better form of a key, and one that modules do not take")]

use ml_kem::ml_kem_768::Ciphertext;
use ml_kem::{Decapsulate, DecapsulationKey768, EncapsulationKey768, ExpandedKeyEncoding, KeyExport};
use zeroize::Zeroize;

use crate::contract::{Kem, Random};
use crate::error::CryptoError;
use crate::{Key, Secret, SecretBytes};

pub(crate) struct MlKem768 {
    /// Where seeds and messages come from.
    pub(crate) random: &'static dyn Random,
}

impl Kem for MlKem768 {
    fn generate(&self) -> Result<(SecretBytes, Vec<u8>), CryptoError> {
        let seed = Secret::<SEED_LEN>::random(self.random)?;
        let key = DecapsulationKey768::from_seed((*seed.expose()).into());
        let mut expanded = key.to_expanded_bytes();
        let secret = SecretBytes::new(expanded.to_vec());
        expanded.as_mut_slice().zeroize();
        Ok((secret, key.encapsulation_key().to_bytes().to_vec()))
    }

    fn encapsulate(&self, public: &[u8]) -> Result<(Vec<u8>, Key), CryptoError> {
        let bytes = public.try_into().map_err(|_| wrong_len("ML-KEM public key", "1184", public))?;
        // Includes the modulus check of section 7.2.
        let key = EncapsulationKey768::new(bytes).map_err(|_| CryptoError::Malformed("ML-KEM public key"))?;
        let m = Secret::<32>::random(self.random)?;
        let (ct, mut shared) = key.encapsulate_deterministic(m.expose().into());
        let secret = Key::from_slice(&shared);
        shared.as_mut_slice().zeroize();
        Ok((ct.to_vec(), secret?))
    }

    fn decapsulate(&self, secret: &[u8], ct: &[u8]) -> Result<Key, CryptoError> {
        let bytes = secret.try_into().map_err(|_| wrong_len("ML-KEM secret key", "2400", secret))?;
        let ct: &Ciphertext = ct.try_into().map_err(|_| wrong_len("ML-KEM ciphertext", "1088", ct))?;
        // The hash check of section 7.3, and the modulus check of the public key inside.
        let key = DecapsulationKey768::from_expanded_bytes(bytes);
        let mut shared = key.map_err(|_| CryptoError::Malformed("ML-KEM secret key"))?.decapsulate(ct);
        let key = Key::from_slice(&shared);
        shared.as_mut_slice().zeroize();
        key
    }

    fn public_len(&self) -> usize {
        PUBLIC_LEN
    }

    fn ct_len(&self) -> usize {
        CT_LEN
    }

    fn secret_len(&self) -> usize {
        SECRET_LEN
    }
}

/// The public key that an expanded secret one has in it (algorithm 16).
pub(crate) fn public_within(secret: &[u8; SECRET_LEN]) -> &[u8] {
    &secret[PUBLIC_AT..][..PUBLIC_LEN]
}

fn wrong_len(what: &'static str, expected: &'static str, actual: &[u8]) -> CryptoError {
    CryptoError::Length { what, expected, actual: actual.len() }
}

/// FIPS 203 table 3, and section 7.1: d and z.
pub(crate) const PUBLIC_LEN: usize = 1184;
pub(crate) const CT_LEN: usize = 1088;
pub(crate) const SECRET_LEN: usize = 2400;
const SEED_LEN: usize = 64;
const PUBLIC_AT: usize = 1152;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rustcrypto::OsRandom;
    use crate::testing::{Replay, known_answers};

    #[test]
    fn known_answers() {
        let from_seed = |seed: &[u8]| with(seed.to_vec()).generate().unwrap();
        let encapsulate = |m: &[u8], ek: &[u8]| with(m.to_vec()).encapsulate(ek).unwrap();
        let os = MlKem768 { random: &OsRandom };
        assert_eq!(known_answers::below::ml_kem_768(&os, from_seed, encapsulate), 7 + 15 + 27);
    }

    #[test]
    fn the_public_key_within() {
        let (secret, public) = with(vec![1; 64]).generate().unwrap();
        assert_eq!(public_within(secret.expose().try_into().unwrap()), public);
    }

    #[test]
    fn wrong_lengths_are_refused() {
        let kem = with(vec![1; 96]);
        let (secret, public) = kem.generate().unwrap();
        let (ct, _) = kem.encapsulate(&public).unwrap();
        for bad in [&[][..], &[7; 1087], &[7; 1185], &[7; 2399]] {
            assert!(matches!(kem.encapsulate(bad), Err(CryptoError::Length { .. })));
            assert!(matches!(kem.decapsulate(bad, &ct), Err(CryptoError::Length { .. })));
            assert!(matches!(kem.decapsulate(secret.expose(), bad), Err(CryptoError::Length { .. })));
        }
    }

    fn with(stream: Vec<u8>) -> MlKem768 {
        MlKem768 { random: Box::leak(Box::new(Replay::new(stream))) }
    }
}
