//! ECDH over P-256 (SP 800-56A): the other half of the KEM of suite `0x02`, and of its handshake.
//!
//! Secret keys are scalars, big-endian; public keys are points, uncompressed (SEC 1 section 2.3.3).
use p256::elliptic_curve::sec1::ToSec1Point;
use p256::{PublicKey, SecretKey};
use zeroize::Zeroizing;

use crate::contract::{KeyAgreement, Random};
use crate::error::CryptoError;
use crate::{Key, Secret, SecretBytes};

pub(crate) struct P256 {
    /// Where scalars come from.
    pub(crate) random: &'static dyn Random,
}

impl KeyAgreement for P256 {
    /// FIPS 186-5 appendix A.2.2: drawn again until it is a scalar, which takes two tries in 2^32 cases.
    fn generate(&self) -> Result<(SecretBytes, Vec<u8>), CryptoError> {
        for _ in 0..TRIES {
            let bytes = Secret::<SECRET_LEN>::random(self.random)?;
            if let Ok(scalar) = SecretKey::from_slice(bytes.expose()) {
                return Ok((SecretBytes::new(bytes.expose().to_vec()), point_of(&scalar)));
            }
        }
        Err(CryptoError::Random("it gives no scalars of P-256".into()))
    }

    fn public(&self, secret: &[u8]) -> Result<Vec<u8>, CryptoError> {
        Ok(point_of(&read(secret)?))
    }

    fn agree(&self, secret: &[u8], public: &[u8]) -> Result<Key, CryptoError> {
        let theirs = read_point(public)?;
        let shared = read(secret)?.diffie_hellman(&theirs);
        Key::from_slice(&Zeroizing::new(<[u8; 32]>::from(*shared.raw_secret_bytes()))[..])
    }

    fn public_len(&self) -> usize {
        POINT_LEN
    }

    fn secret_len(&self) -> usize {
        SECRET_LEN
    }
}

fn read(secret: &[u8]) -> Result<SecretKey, CryptoError> {
    if secret.len() != SECRET_LEN {
        return Err(CryptoError::Length { what: "P-256 secret key", expected: "32", actual: secret.len() });
    }
    SecretKey::from_slice(secret).map_err(|_| CryptoError::Malformed("P-256 secret key"))
}

/// Full validation of SP 800-56A section 5.6.2.3.3: on the curve and not the point at infinity; the curve has no other subgroup.
/// One encoding only, else a second ciphertext would carry the same secret.
fn read_point(bytes: &[u8]) -> Result<PublicKey, CryptoError> {
    if bytes.len() != POINT_LEN {
        return Err(CryptoError::Length { what: "P-256 public key", expected: "65", actual: bytes.len() });
    }
    let point = if bytes[0] == UNCOMPRESSED { PublicKey::from_sec1_bytes(bytes).ok() } else { None };
    point.ok_or(CryptoError::Malformed("P-256 public key"))
}

fn point_of(secret: &SecretKey) -> Vec<u8> {
    secret.public_key().to_sec1_point(false).as_bytes().to_vec()
}

/// SEC 1 section 2.3.3.
const UNCOMPRESSED: u8 = 4;
pub(crate) const POINT_LEN: usize = 65;
pub(crate) const SECRET_LEN: usize = 32;

/// A source that fails so often is broken.
pub(crate) const TRIES: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rustcrypto::OsRandom;
    use crate::testing::known_answers;

    const P: P256 = P256 { random: &OsRandom };

    #[test]
    fn key_agreement() {
        assert_eq!(known_answers::below::p256(&P), 74 + 25);
    }

    #[test]
    fn wrong_lengths_and_malformed_keys_are_refused() {
        let (secret, public) = P.generate().unwrap();
        for bad in [&[][..], &[4; 33], &[4; 64], &[4; 66]] {
            assert!(matches!(P.agree(secret.expose(), bad), Err(CryptoError::Length { .. })));
            assert!(matches!(P.agree(bad, &public), Err(CryptoError::Length { .. })));
        }
        // No scalar: zero, and one that is not below the order.
        for bad in [[0; 32], [0xff; 32]] {
            assert!(matches!(P.agree(&bad, &public), Err(CryptoError::Malformed(_))));
            assert!(matches!(P.public(&bad), Err(CryptoError::Malformed(_))));
        }
        for first in [0, 2, 3, 5, 6, 7] {
            let mut other = public.clone();
            other[0] = first;
            assert!(matches!(P.agree(secret.expose(), &other), Err(CryptoError::Malformed(_))));
        }
        // Not on the curve.
        let mut other = public;
        other[64] ^= 1;
        assert!(matches!(P.agree(secret.expose(), &other), Err(CryptoError::Malformed(_))));
    }
}
