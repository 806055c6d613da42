//! ECDH over P-256 (SP 800-56A), for the handshake of pairing.
use crypto_backends::{CryptoError, FipsStatus, Key, KeyAgreement, SecretBytes};
use zeroize::Zeroizing;

use crate::CERTIFIED;
use crate::module::p256::{KeyPair, POINT_LEN, Point, SCALAR_LEN, SHARED_LEN};

pub(crate) struct P256;

impl KeyAgreement for P256 {
    fn generate(&self) -> Result<(SecretBytes, Vec<u8>), CryptoError> {
        const FAILED: CryptoError = CryptoError::Module("generate a key pair");
        let pair = KeyPair::generate().ok_or(FAILED)?;
        let mut scalar = Zeroizing::new([0; SCALAR_LEN]);
        pair.write_scalar(&mut scalar).ok_or(FAILED)?;
        Ok((SecretBytes::new(scalar.to_vec()), pair.point().ok_or(FAILED)?.to_vec()))
    }

    fn public(&self, secret: &[u8]) -> Result<Vec<u8>, CryptoError> {
        let point = read(secret)?.point().ok_or(CryptoError::Module("write a public key"))?;
        Ok(point.to_vec())
    }

    fn agree(&self, secret: &[u8], public: &[u8]) -> Result<Key, CryptoError> {
        const WHAT: &str = "P-256 public key";
        if public.len() != POINT_LEN {
            return Err(CryptoError::Length { what: WHAT, expected: "65", actual: public.len() });
        }
        let (ours, theirs) = (read(secret)?, Point::read(public).ok_or(CryptoError::Malformed(WHAT))?);
        let mut shared = Zeroizing::new([0; SHARED_LEN]);
        ours.agree(&theirs, &mut shared).ok_or(CryptoError::Module("agree on a secret"))?;
        Key::from_slice(&shared[..])
    }

    fn public_len(&self) -> usize {
        POINT_LEN
    }

    fn secret_len(&self) -> usize {
        SCALAR_LEN
    }

    fn fips(&self) -> FipsStatus {
        CERTIFIED
    }
}

fn read(secret: &[u8]) -> Result<KeyPair, CryptoError> {
    const WHAT: &str = "P-256 secret key";
    let wrong_len = |_| CryptoError::Length { what: WHAT, expected: "32", actual: secret.len() };
    KeyPair::import(secret.try_into().map_err(wrong_len)?).ok_or(CryptoError::Malformed(WHAT))
}
