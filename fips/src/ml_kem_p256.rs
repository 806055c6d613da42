//! ML-KEM-768 (FIPS 203) with P-256 (SP 800-56A), combined by HKDF-SHA-256 (SPEC section 3.2).
//!
//! ```text
//! secret      0  2400 ML-KEM decapsulation key, expanded    2400  32 P-256 scalar, big-endian
//! public      0  1184 ML-KEM encapsulation key              1184  65 P-256 point, uncompressed
//! ciphertext  0  1088 ML-KEM ciphertext                     1088  65 ephemeral P-256 point, uncompressed
//! ```
use aws_lc_rs::kem::{DecapsulationKey, EncapsulationKey, ML_KEM_768};
use crypto_backends::{CryptoError, FipsStatus, Kdf, Kem, Key, SecretBytes, Suite};
use vault_format::labels::Purpose;
use zeroize::Zeroizing;

use crate::CERTIFIED;
use crate::hkdf::HkdfSha256;
use crate::module::p256::{KeyPair, POINT_LEN, Point, SCALAR_LEN};

pub(crate) struct MlKem768P256;

impl Kem for MlKem768P256 {
    fn generate(&self) -> Result<(SecretBytes, Vec<u8>), CryptoError> {
        let ml_kem = DecapsulationKey::generate(&ML_KEM_768).map_err(|_| NO_PAIR)?;
        let p256 = KeyPair::generate().ok_or(NO_PAIR)?;
        let expanded = ml_kem.key_bytes().map_err(|_| NO_PAIR)?;
        let encapsulation = ml_kem.encapsulation_key().and_then(|key| key.key_bytes()).map_err(|_| NO_PAIR)?;
        let mut scalar = Zeroizing::new([0; SCALAR_LEN]);
        p256.write_scalar(&mut scalar).ok_or(NO_PAIR)?;

        let mut secret = Vec::with_capacity(SECRET_LEN);
        secret.extend_from_slice(expanded.as_ref());
        secret.extend_from_slice(&scalar[..]);
        Ok((SecretBytes::new(secret), [encapsulation.as_ref(), &p256.point().ok_or(NO_PAIR)?].concat()))
    }

    fn encapsulate(&self, public: &[u8]) -> Result<(Vec<u8>, Key), CryptoError> {
        if public.len() != PUBLIC_LEN {
            return Err(wrong_len("KEM public key", "1249", public));
        }
        const MALFORMED: CryptoError = CryptoError::Malformed("KEM public key");
        const FAILED: CryptoError = CryptoError::Module("encapsulate a secret");
        let (ml_kem, theirs) = public.split_at(ML_KEM_PUBLIC_LEN);
        if !is_below_modulus(ml_kem) {
            return Err(MALFORMED);
        }
        let ml_kem = EncapsulationKey::new(&ML_KEM_768, ml_kem).map_err(|_| MALFORMED)?;
        let theirs = Point::read(theirs).ok_or(MALFORMED)?;

        let (ml_kem_ct, ml_kem_shared) = ml_kem.encapsulate().map_err(|_| FAILED)?;
        let ephemeral = KeyPair::generate().ok_or(FAILED)?;
        let ct = [ml_kem_ct.as_ref(), &ephemeral.point().ok_or(FAILED)?].concat();
        let key = combine(ml_kem_shared.as_ref(), &ephemeral, &theirs, &ct, public).ok_or(FAILED)?;
        Ok((ct, key))
    }

    fn decapsulate(&self, secret: &[u8], ct: &[u8]) -> Result<Key, CryptoError> {
        if ct.len() != CT_LEN {
            return Err(wrong_len("KEM ciphertext", "1153", ct));
        }
        const MALFORMED: CryptoError = CryptoError::Malformed("KEM secret key");
        let (expanded, p256) = secret
            .split_first_chunk::<ML_KEM_SECRET_LEN>()
            .and_then(|(expanded, p256)| Some((expanded, <&[u8; SCALAR_LEN]>::try_from(p256).ok()?)))
            .ok_or_else(|| wrong_len("KEM secret key", "2432", secret))?;
        let encapsulation = &expanded[ML_KEM_PUBLIC];
        if !is_below_modulus(encapsulation) {
            return Err(MALFORMED);
        }
        let ml_kem = DecapsulationKey::new(&ML_KEM_768, expanded).map_err(|_| MALFORMED)?;
        let p256 = KeyPair::import(p256).ok_or(MALFORMED)?;

        let (ml_kem_ct, theirs) = ct.split_at(ML_KEM_CT_LEN);
        let theirs = Point::read(theirs).ok_or(CryptoError::Malformed("KEM ciphertext"))?;
        // All lengths are right, so the module refuses for one reason: the hash check of FIPS 203 section 7.3.
        let ml_kem_shared = ml_kem.decapsulate(ml_kem_ct.into()).map_err(|_| MALFORMED)?;
        const FAILED: CryptoError = CryptoError::Module("decapsulate a secret");
        let public = [encapsulation, &p256.point().ok_or(FAILED)?].concat();
        combine(ml_kem_shared.as_ref(), &p256, &theirs, ct, &public).ok_or(FAILED)
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

/// The secret of ML-KEM comes first: the form of a hybrid secret in SP 800-56C section 2. Ciphertext and public key are mixed in, so
/// that the result is bound to both halves of both, whatever one algorithm alone promises.
fn combine(ml_kem: &[u8], ours: &KeyPair, theirs: &Point, ct: &[u8], public: &[u8]) -> Option<Key> {
    let mut z = Zeroizing::new([0; 64]);
    let (first, second) = z.split_at_mut(32);
    first.copy_from_slice(ml_kem);
    ours.agree(theirs, second.try_into().ok()?)?;
    Some(HkdfSha256.derive(Purpose::Kem.label(Suite::Fips), &z[..], &[], &[ct, public]))
}

/// FIPS 203 section 7.2: each coefficient, 12 bits of little-endian pairs, is below q. The module checks it when it encapsulates, and
/// not in a decapsulation key.
fn is_below_modulus(encapsulation: &[u8]) -> bool {
    let (coefficients, _seed) = encapsulation.split_at(ML_KEM_PUBLIC_LEN - 32);
    coefficients.chunks_exact(3).all(|pair| {
        let [a, b, c] = [pair[0], pair[1], pair[2]].map(u16::from);
        (a | (b & 15) << 8) < Q && (b >> 4 | c << 4) < Q
    })
}

fn wrong_len(what: &'static str, expected: &'static str, actual: &[u8]) -> CryptoError {
    CryptoError::Length { what, expected, actual: actual.len() }
}

const NO_PAIR: CryptoError = CryptoError::Module("generate a key pair");

/// FIPS 203 table 3, section 2.4 and algorithm 16: the encapsulation key is inside the decapsulation key.
const ML_KEM_PUBLIC_LEN: usize = 1184;
const ML_KEM_CT_LEN: usize = 1088;
const ML_KEM_SECRET_LEN: usize = 2400;
const ML_KEM_PUBLIC: std::ops::Range<usize> = 1152..1152 + ML_KEM_PUBLIC_LEN;
const Q: u16 = 3329;

const PUBLIC_LEN: usize = ML_KEM_PUBLIC_LEN + POINT_LEN;
const CT_LEN: usize = ML_KEM_CT_LEN + POINT_LEN;
const SECRET_LEN: usize = ML_KEM_SECRET_LEN + SCALAR_LEN;
