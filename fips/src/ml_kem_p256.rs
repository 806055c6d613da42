//! ML-KEM-768 (FIPS 203) with P-256 (SP 800-56A), combined by HKDF-SHA-256 (SPEC section 3.2).
//!
//! ```text
//! secret      0  2400 ML-KEM decapsulation key, expanded    2400  32 P-256 scalar, big-endian
//! public      0  1184 ML-KEM encapsulation key              1184  65 P-256 point, uncompressed
//! ciphertext  0  1088 ML-KEM ciphertext                     1088  65 ephemeral P-256 point, uncompressed
//! ```
use crypto_backends::{CryptoError, FipsStatus, Kdf, Kem, Key, SecretBytes, Suite};
use vault_format::labels::Purpose;
use zeroize::Zeroizing;

use crate::CERTIFIED;
use crate::hkdf::HkdfSha256;
use crate::ml_kem::{self, MlKem768, public_within};
use crate::module::p256::{KeyPair, POINT_LEN, Point, SCALAR_LEN};

pub(crate) struct MlKem768P256;

impl Kem for MlKem768P256 {
    fn generate(&self) -> Result<(SecretBytes, Vec<u8>), CryptoError> {
        const FAILED: CryptoError = CryptoError::Module("generate a key pair");
        let (ml_kem, public) = MlKem768.generate()?;
        let p256 = KeyPair::generate().ok_or(FAILED)?;
        let mut scalar = Zeroizing::new([0; SCALAR_LEN]);
        p256.write_scalar(&mut scalar).ok_or(FAILED)?;
        let secret = SecretBytes::new([ml_kem.expose(), &scalar[..]].concat());
        Ok((secret, [&public[..], &p256.point().ok_or(FAILED)?].concat()))
    }

    fn encapsulate(&self, public: &[u8]) -> Result<(Vec<u8>, Key), CryptoError> {
        if public.len() != PUBLIC_LEN {
            return Err(wrong_len("KEM public key", "1249", public));
        }
        const FAILED: CryptoError = CryptoError::Module("encapsulate a secret");
        let (encapsulation, theirs) = public.split_at(ml_kem::PUBLIC_LEN);
        let theirs = Point::read(theirs).ok_or(CryptoError::Malformed("KEM public key"))?;
        let (ml_kem_ct, ml_kem_shared) =
            MlKem768.encapsulate(encapsulation).map_err(|error| named(error, "KEM public key"))?;
        let ephemeral = KeyPair::generate().ok_or(FAILED)?;
        let ct = [&ml_kem_ct[..], &ephemeral.point().ok_or(FAILED)?].concat();
        let key = combine(&ml_kem_shared, &ephemeral, &theirs, &ct, public).ok_or(FAILED)?;
        Ok((ct, key))
    }

    fn decapsulate(&self, secret: &[u8], ct: &[u8]) -> Result<Key, CryptoError> {
        if ct.len() != CT_LEN {
            return Err(wrong_len("KEM ciphertext", "1153", ct));
        }
        const WHAT: &str = "KEM secret key";
        let (expanded, scalar) = secret
            .split_first_chunk::<{ ml_kem::SECRET_LEN }>()
            .and_then(|(expanded, scalar)| Some((expanded, <&[u8; SCALAR_LEN]>::try_from(scalar).ok()?)))
            .ok_or_else(|| wrong_len(WHAT, "2432", secret))?;
        let p256 = KeyPair::import(scalar).ok_or(CryptoError::Malformed(WHAT))?;
        let (ml_kem_ct, theirs) = ct.split_at(ml_kem::CT_LEN);
        let theirs = Point::read(theirs).ok_or(CryptoError::Malformed("KEM ciphertext"))?;
        let ml_kem_shared = MlKem768.decapsulate(expanded, ml_kem_ct).map_err(|error| named(error, WHAT))?;
        const FAILED: CryptoError = CryptoError::Module("decapsulate a secret");
        let public = [&public_within(expanded)[..], &p256.point().ok_or(FAILED)?].concat();
        combine(&ml_kem_shared, &p256, &theirs, ct, &public).ok_or(FAILED)
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

/// An error of a half, as one of the whole.
fn named(error: CryptoError, whole: &'static str) -> CryptoError {
    match error {
        CryptoError::Malformed(_) => CryptoError::Malformed(whole),
        error => error,
    }
}

/// The secret of ML-KEM comes first: the form of a hybrid secret in SP 800-56C section 2. Ciphertext and public key are mixed in, so
/// that the result is bound to both halves of both, whatever one algorithm alone promises.
fn combine(ml_kem: &Key, ours: &KeyPair, theirs: &Point, ct: &[u8], public: &[u8]) -> Option<Key> {
    let mut z = Zeroizing::new([0; 64]);
    let (first, second) = z.split_at_mut(32);
    first.copy_from_slice(ml_kem.expose());
    ours.agree(theirs, second.try_into().ok()?)?;
    Some(HkdfSha256.derive(Purpose::Kem.label(Suite::Fips), &z[..], &[], &[ct, public]))
}

fn wrong_len(what: &'static str, expected: &'static str, actual: &[u8]) -> CryptoError {
    CryptoError::Length { what, expected, actual: actual.len() }
}

const PUBLIC_LEN: usize = ml_kem::PUBLIC_LEN + POINT_LEN;
const CT_LEN: usize = ml_kem::CT_LEN + POINT_LEN;
const SECRET_LEN: usize = ml_kem::SECRET_LEN + SCALAR_LEN;
