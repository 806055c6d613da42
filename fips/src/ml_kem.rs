//! ML-KEM-768 (FIPS 203) by itself: one half of the KEM, and of the handshake of pairing.
use aws_lc_rs::kem::{DecapsulationKey, EncapsulationKey, ML_KEM_768};
use crypto_backends::{CryptoError, FipsStatus, Kem, Key, SecretBytes};

use crate::CERTIFIED;

pub(crate) struct MlKem768;

impl Kem for MlKem768 {
    fn generate(&self) -> Result<(SecretBytes, Vec<u8>), CryptoError> {
        const FAILED: CryptoError = CryptoError::Module("generate a key pair");
        let key = DecapsulationKey::generate(&ML_KEM_768).map_err(|_| FAILED)?;
        let expanded = key.key_bytes().map_err(|_| FAILED)?;
        let public = key.encapsulation_key().and_then(|key| key.key_bytes()).map_err(|_| FAILED)?;
        Ok((SecretBytes::new(expanded.as_ref().to_vec()), public.as_ref().to_vec()))
    }

    fn encapsulate(&self, public: &[u8]) -> Result<(Vec<u8>, Key), CryptoError> {
        const WHAT: &str = "ML-KEM public key";
        let bytes: &[u8; PUBLIC_LEN] = public.try_into().map_err(|_| wrong_len(WHAT, "1184", public))?;
        if !is_below_modulus(bytes) {
            return Err(CryptoError::Malformed(WHAT));
        }
        let key = EncapsulationKey::new(&ML_KEM_768, bytes).map_err(|_| CryptoError::Malformed(WHAT))?;
        let (ct, shared) = key.encapsulate().map_err(|_| CryptoError::Module("encapsulate a secret"))?;
        Ok((ct.as_ref().to_vec(), Key::from_slice(shared.as_ref())?))
    }

    fn decapsulate(&self, secret: &[u8], ct: &[u8]) -> Result<Key, CryptoError> {
        const MALFORMED: CryptoError = CryptoError::Malformed("ML-KEM secret key");
        let secret: &[u8; SECRET_LEN] =
            secret.try_into().map_err(|_| wrong_len("ML-KEM secret key", "2400", secret))?;
        if ct.len() != CT_LEN {
            return Err(wrong_len("ML-KEM ciphertext", "1088", ct));
        }
        if !is_below_modulus(public_within(secret)) {
            return Err(MALFORMED);
        }
        let key = DecapsulationKey::new(&ML_KEM_768, secret).map_err(|_| MALFORMED)?;
        // All lengths are right, so the module refuses for one reason: the hash check of section 7.3.
        let shared = key.decapsulate(ct.into()).map_err(|_| MALFORMED)?;
        Key::from_slice(shared.as_ref())
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

    fn fips(&self) -> FipsStatus {
        CERTIFIED
    }
}

/// The public key that an expanded secret one has in it (algorithm 16).
pub(crate) fn public_within(secret: &[u8; SECRET_LEN]) -> &[u8; PUBLIC_LEN] {
    secret[PUBLIC_AT..].first_chunk().expect("it is inside")
}

/// Section 7.2: each coefficient, 12 bits of little-endian pairs, is below q. The module checks it when it encapsulates, and not in a
/// decapsulation key.
fn is_below_modulus(public: &[u8; PUBLIC_LEN]) -> bool {
    let (coefficients, _seed) = public.split_at(PUBLIC_LEN - 32);
    coefficients.chunks_exact(3).all(|pair| {
        let [a, b, c] = [pair[0], pair[1], pair[2]].map(u16::from);
        (a | (b & 15) << 8) < Q && (b >> 4 | c << 4) < Q
    })
}

fn wrong_len(what: &'static str, expected: &'static str, actual: &[u8]) -> CryptoError {
    CryptoError::Length { what, expected, actual: actual.len() }
}

/// FIPS 203 table 3, section 2.4 and algorithm 16.
pub(crate) const PUBLIC_LEN: usize = 1184;
pub(crate) const CT_LEN: usize = 1088;
pub(crate) const SECRET_LEN: usize = 2400;
const PUBLIC_AT: usize = 1152;
const Q: u16 = 3329;
