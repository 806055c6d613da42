//! Ed25519 from the module, and ML-DSA-65 from outside of it, over the same message: both must verify.
//!
//! ```text
//! secret     0  32 Ed25519 seed    32   32 ML-DSA seed xi
//! public     0  32 Ed25519 point   32 1952 ML-DSA key
//! signature  0  64 Ed25519 R, S    64 3309 ML-DSA signature
//! ```
use crypto_backends::{CryptoError, FipsStatus, Secret, SecretBytes, Signatures};

use crate::module::ed25519;
use crate::random::Drbg;
use crate::unvalidated_ml_dsa::{self as ml_dsa, MlDsa65};

pub(crate) struct Ed25519WithMlDsa65 {
    ml_dsa: MlDsa65,
}

pub(crate) static SIGN: Ed25519WithMlDsa65 = Ed25519WithMlDsa65 { ml_dsa: MlDsa65::new() };

impl Signatures for Ed25519WithMlDsa65 {
    fn generate(&self) -> Result<(SecretBytes, Vec<u8>), CryptoError> {
        let mut ed25519 = [0; ed25519::PUBLIC_LEN];
        let first = Secret::make(|seed| {
            ed25519 = ed25519::generate(seed).ok_or(CryptoError::Module("generate a key pair"))?;
            Ok(())
        })?;
        let second = Secret::random(&Drbg)?;
        let mut secret = Vec::with_capacity(SECRET_LEN);
        secret.extend_from_slice(first.expose());
        secret.extend_from_slice(second.expose());
        Ok((SecretBytes::new(secret), [&ed25519[..], &ml_dsa::public_key(second.expose())].concat()))
    }

    fn sign(&self, secret: &[u8], message: &[u8]) -> Result<Vec<u8>, CryptoError> {
        let (first, second) = secret
            .split_first_chunk()
            .and_then(|(first, second)| Some((first, second.try_into().ok()?)))
            .ok_or_else(|| wrong_len("signing key", "64", secret))?;
        let ed25519 = ed25519::sign(first, message).ok_or(CryptoError::Module("sign"))?;
        Ok([&ed25519[..], &ml_dsa::sign(second, message, &Drbg)?].concat())
    }

    fn verify(&self, public: &[u8], message: &[u8], signature: &[u8]) -> Result<(), CryptoError> {
        if public.len() != PUBLIC_LEN {
            return Err(wrong_len("verification key", "1984", public));
        }
        if signature.len() != SIGNATURE_LEN {
            return Err(wrong_len("signature", "3373", signature));
        }
        let split = || Some((public.split_first_chunk()?, signature.split_first_chunk()?));
        let ((ed25519, ml_dsa), (first, second)) = split().ok_or(CryptoError::BadSignature)?;
        if !verify_strictly(ed25519, message, first) {
            return Err(CryptoError::BadSignature);
        }
        self.ml_dsa.verify(ml_dsa, message, second)
    }

    fn public_len(&self) -> usize {
        PUBLIC_LEN
    }

    fn signature_len(&self) -> usize {
        SIGNATURE_LEN
    }

    fn secret_len(&self) -> usize {
        SECRET_LEN
    }

    /// That of its weaker half, for which nothing is claimed.
    fn fips(&self) -> FipsStatus {
        FipsStatus::Unvalidated
    }
}

/// Strict, so that from a valid signature nobody but the signer makes a second one (SPEC section 3). The module refuses `S >= L`, but
/// takes keys and `R` of small order; points that are not canonical may depend on its code for the CPU. Both are judged here.
fn verify_strictly(
    public: &[u8; ed25519::PUBLIC_LEN],
    message: &[u8],
    signature: &[u8; ed25519::SIGNATURE_LEN],
) -> bool {
    let r = signature.first_chunk().expect("R is the first half");
    is_acceptable(public) && is_acceptable(r) && ed25519::verify(public, message, signature)
}

fn is_acceptable(point: &[u8; 32]) -> bool {
    is_canonical(point) && !has_small_order(point)
}

/// Whether the y coordinate is below p = 2^255 - 19 (RFC 8032 section 5.1.3 step 1).
fn is_canonical(point: &[u8; 32]) -> bool {
    let middle = point[1..31].iter().all(|&byte| byte == 0xff);
    !(point[31] & 0x7f == 0x7f && middle && point[0] >= 0xed)
}

/// Whether it is one of the eight points whose order divides 8. The sign of x does not count: with a point its negative is one of
/// them. Of a y that is not below p nothing is said.
fn has_small_order(point: &[u8; 32]) -> bool {
    let mut y = *point;
    y[31] &= 0x7f;
    SMALL_ORDER.contains(&y)
}

/// The y coordinates: 1 (order 1), -1 (2), 0 (4), and the two of order 8, which are each other's negative.
const SMALL_ORDER: [[u8; 32]; 5] = {
    let one = {
        let mut y = [0; 32];
        y[0] = 1;
        y
    };
    let minus_one = {
        let mut y = [0xff; 32];
        (y[0], y[31]) = (0xec, 0x7f);
        y
    };
    [one, minus_one, [0; 32], EIGHTH, negative(&EIGHTH)]
};

const EIGHTH: [u8; 32] = [
    0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef, 0x98, 0xf0, 0xd5, 0xdf, 0xac,
    0x05, 0xd3, 0xc6, 0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53, 0xfc, 0x05,
];

/// p - y, for 0 < y < p.
const fn negative(y: &[u8; 32]) -> [u8; 32] {
    let mut p = [0xff; 32];
    (p[0], p[31]) = (0xed, 0x7f);
    let mut borrow = 0;
    let mut at = 0;
    while at < 32 {
        let difference = p[at] as i16 - y[at] as i16 - borrow;
        borrow = (difference < 0) as i16;
        p[at] = difference as u8;
        at += 1;
    }
    p
}

fn wrong_len(what: &'static str, expected: &'static str, actual: &[u8]) -> CryptoError {
    CryptoError::Length { what, expected, actual: actual.len() }
}

const SECRET_LEN: usize = ed25519::SEED_LEN + ml_dsa::SEED_LEN;
const PUBLIC_LEN: usize = ed25519::PUBLIC_LEN + ml_dsa::PUBLIC_LEN;
const SIGNATURE_LEN: usize = ed25519::SIGNATURE_LEN + ml_dsa::SIGNATURE_LEN;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_orders_and_forms() {
        let (_, public) = SIGN.generate().unwrap();
        let fresh: [u8; 32] = public[..32].try_into().unwrap();
        assert!(is_acceptable(&fresh));
        for y in SMALL_ORDER {
            for sign in [0, 0x80] {
                let mut point = y;
                point[31] |= sign;
                assert!(has_small_order(&point) && is_canonical(&point) && !is_acceptable(&point));
                point[1] ^= 1;
                assert!(is_acceptable(&point));
            }
        }
        assert_eq!(SMALL_ORDER[4][..4], [0xc7, 0x17, 0x6a, 0x70]);
        for (low, canonical) in [(0xec, true), (0xed, false), (0xff, false)] {
            let mut point = [0xff; 32];
            point[0] = low;
            for high in [0xff, 0x7f] {
                point[31] = high;
                assert_eq!(is_canonical(&point), canonical);
                // p - 1 has order 2, and every other one of these is not canonical.
                assert!(!is_acceptable(&point));
            }
            point[17] = 0xfe;
            assert!(is_acceptable(&point));
        }
    }
}
