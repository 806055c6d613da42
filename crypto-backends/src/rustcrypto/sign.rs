//! Ed25519 (RFC 8032) and ML-DSA-65 (FIPS 204) over the same message.
//!
//! ```text
//! secret     0  32 Ed25519 seed    32   32 ML-DSA seed xi
//! public     0  32 Ed25519 point   32 1952 ML-DSA key
//! signature  0  64 Ed25519 R, S    64 3309 ML-DSA signature
//! ```
use std::sync::{Arc, Mutex, PoisonError};

use ed25519_dalek::Signer;
use ml_dsa::signature::rand_core::{TryCryptoRng, TryRng};
use ml_dsa::{EncodedVerifyingKey, Keypair, MlDsa65, SignatureEncoding};
use zeroize::Zeroizing;

use crate::contract::{Random, Signatures};
use crate::error::CryptoError;
use crate::{Secret, SecretBytes};

pub(crate) struct Ed25519WithMlDsa65 {
    /// Where seeds and the hedge of ML-DSA come from.
    random: &'static dyn Random,
    /// Keys that signatures were verified with, the last one used first. A log has thousands of entries of few devices, and
    /// expanding the ML-DSA key anew for each was a quarter of reading a long log for the first time.
    known: Mutex<Vec<Arc<VerifyingKeys>>>,
}

/// A public key, ready to verify with.
struct VerifyingKeys {
    public: Vec<u8>,
    ed25519: ed25519_dalek::VerifyingKey,
    ml_dsa: ml_dsa::VerifyingKey<MlDsa65>,
}

impl Ed25519WithMlDsa65 {
    pub(crate) const fn new(random: &'static dyn Random) -> Self {
        Self { random, known: Mutex::new(Vec::new()) }
    }

    fn verifying_keys(&self, public: &[u8]) -> Result<Arc<VerifyingKeys>, CryptoError> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(at) = known.iter().position(|keys| keys.public == public) {
            known[..=at].rotate_right(1);
            return Ok(Arc::clone(&known[0]));
        }
        drop(known);
        let keys = Arc::new(VerifyingKeys::of(public)?);
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.insert(0, Arc::clone(&keys));
        known.truncate(KNOWN);
        Ok(keys)
    }
}

impl VerifyingKeys {
    fn of(public: &[u8]) -> Result<Self, CryptoError> {
        let (ed25519, ml_dsa) = public.split_at_checked(ED25519_PUBLIC_LEN).ok_or(CryptoError::BadSignature)?;
        let ml_dsa: &EncodedVerifyingKey<MlDsa65> = ml_dsa.try_into().map_err(|_| CryptoError::BadSignature)?;
        Ok(Self {
            public: public.to_vec(),
            ed25519: ed25519_key(ed25519)?,
            ml_dsa: ml_dsa::VerifyingKey::decode(ml_dsa),
        })
    }
}

impl Signatures for Ed25519WithMlDsa65 {
    fn generate(&self) -> Result<(SecretBytes, Vec<u8>), CryptoError> {
        let secret = Secret::<SECRET_LEN>::random(self.random)?;
        let (ed25519, ml_dsa) = signing_keys(secret.expose())?;
        let mut public = ed25519.verifying_key().to_bytes().to_vec();
        public.extend_from_slice(&ml_dsa.verifying_key().encode());
        Ok((SecretBytes::new(secret.expose().to_vec()), public))
    }

    fn sign(&self, secret: &[u8], message: &[u8]) -> Result<Vec<u8>, CryptoError> {
        let (ed25519, ml_dsa) = signing_keys(secret)?;
        let mut hedge = Hedge::draw(self.random)?;
        let mut signature = ed25519.sign(message).to_bytes().to_vec();
        // The hedged variant with an empty context (FIPS 204 section 3.4 and algorithm 2).
        let ml_dsa = ml_dsa
            .expanded_key()
            .sign_randomized(message, &[], &mut hedge)
            .map_err(|_| CryptoError::Malformed("signing key"))?;
        signature.extend_from_slice(&ml_dsa.to_bytes());
        Ok(signature)
    }

    fn verify(&self, public: &[u8], message: &[u8], signature: &[u8]) -> Result<(), CryptoError> {
        if public.len() != PUBLIC_LEN {
            return Err(wrong_len("verification key", "1984", public));
        }
        if signature.len() != SIGNATURE_LEN {
            return Err(wrong_len("signature", "3373", signature));
        }
        let keys = self.verifying_keys(public)?;
        let (ed25519_signature, ml_dsa_signature) = signature.split_at(ED25519_SIGNATURE_LEN);
        verify_ed25519(&keys.ed25519, message, ed25519_signature)?;
        verify_ml_dsa(&keys.ml_dsa, message, ml_dsa_signature)
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
}

fn signing_keys(secret: &[u8]) -> Result<(ed25519_dalek::SigningKey, ml_dsa::SigningKey<MlDsa65>), CryptoError> {
    let wrong_len = || wrong_len("signing key", "64", secret);
    let (ed25519, ml_dsa) = secret.split_at_checked(ED25519_SEED_LEN).ok_or_else(wrong_len)?;
    Ok((
        ed25519_dalek::SigningKey::from_bytes(ed25519.try_into().map_err(|_| wrong_len())?),
        ml_dsa::SigningKey::from_seed(ml_dsa.try_into().map_err(|_| wrong_len())?),
    ))
}

/// Strict, so that from a valid signature nobody but the signer makes a second one (SPEC section 3): `S < L`
/// (RFC 8032 section 5.1.7), small-order keys and `R` refused, the cofactorless equation with `R` compared as bytes.
fn verify_ed25519(public: &ed25519_dalek::VerifyingKey, message: &[u8], signature: &[u8]) -> Result<(), CryptoError> {
    let bad = |_| CryptoError::BadSignature;
    let signature = ed25519_dalek::Signature::from_slice(signature).map_err(bad)?;
    public.verify_strict(message, &signature).map_err(bad)
}

/// The crate decodes keys by the looser ZIP 215, so canonical form is checked here.
fn ed25519_key(public: &[u8]) -> Result<ed25519_dalek::VerifyingKey, CryptoError> {
    let public: &[u8; 32] = public.try_into().map_err(|_| CryptoError::BadSignature)?;
    if !is_canonical_y(public) {
        return Err(CryptoError::BadSignature);
    }
    ed25519_dalek::VerifyingKey::from_bytes(public).map_err(|_| CryptoError::BadSignature)
}

/// Whether the y coordinate is below p = 2^255 - 19 (RFC 8032 section 5.1.3 step 1). The other non-canonical
/// form, the sign bit of x = 0, has small order and is refused as such.
fn is_canonical_y(point: &[u8; 32]) -> bool {
    let middle = point[1..31].iter().all(|&byte| byte == 0xff);
    !(point[31] & 0x7f == 0x7f && middle && point[0] >= 0xed)
}

fn verify_ml_dsa(public: &ml_dsa::VerifyingKey<MlDsa65>, message: &[u8], signature: &[u8]) -> Result<(), CryptoError> {
    let signature = ml_dsa::Signature::<MlDsa65>::try_from(signature).map_err(|_| CryptoError::BadSignature)?;
    // FIPS 204 algorithm 3 with an empty context.
    if public.verify_with_context(message, &[], &signature) { Ok(()) } else { Err(CryptoError::BadSignature) }
}

fn wrong_len(what: &'static str, expected: &'static str, actual: &[u8]) -> CryptoError {
    CryptoError::Length { what, expected, actual: actual.len() }
}

/// The 32 random bytes of one hedged ML-DSA signature (FIPS 204 algorithm 2, step 5), drawn before signing
/// begins, so that the crate cannot meet a failing source.
struct Hedge(Zeroizing<[u8; 32]>);

impl Hedge {
    fn draw(random: &dyn Random) -> Result<Self, CryptoError> {
        let mut bytes = Zeroizing::new([0; 32]);
        random.fill(bytes.as_mut_slice())?;
        Ok(Self(bytes))
    }
}

impl TryRng for Hedge {
    type Error = Exhausted;

    fn try_next_u32(&mut self) -> Result<u32, Exhausted> {
        Err(Exhausted)
    }

    fn try_next_u64(&mut self) -> Result<u64, Exhausted> {
        Err(Exhausted)
    }

    fn try_fill_bytes(&mut self, dst: &mut [u8]) -> Result<(), Exhausted> {
        if dst.len() != self.0.len() {
            return Err(Exhausted);
        }
        dst.copy_from_slice(self.0.as_slice());
        Ok(())
    }
}

impl TryCryptoRng for Hedge {}

/// ML-DSA asked for other randomness than its one hedge.
#[derive(Debug, thiserror::Error)]
#[error("one hedge is 32 bytes")]
struct Exhausted;

/// RFC 8032 section 5.1.5 and 5.1.6.
const ED25519_SEED_LEN: usize = 32;
const ED25519_PUBLIC_LEN: usize = 32;
const ED25519_SIGNATURE_LEN: usize = 64;

/// FIPS 204 table 2, ML-DSA-65; the secret is the seed of algorithm 6.
const ML_DSA_SEED_LEN: usize = 32;
const ML_DSA_PUBLIC_LEN: usize = 1952;
const ML_DSA_SIGNATURE_LEN: usize = 3309;

/// 45 KB each. The logs of more devices than this are read one after another.
const KNOWN: usize = 32;

const SECRET_LEN: usize = ED25519_SEED_LEN + ML_DSA_SEED_LEN;
const PUBLIC_LEN: usize = ED25519_PUBLIC_LEN + ML_DSA_PUBLIC_LEN;
const SIGNATURE_LEN: usize = ED25519_SIGNATURE_LEN + ML_DSA_SIGNATURE_LEN;

#[cfg(test)]
mod tests {
    use shake::{ExtendableOutput, Shake128, Update, XofReader};

    use super::*;
    use crate::rustcrypto::provider;
    use crate::testing::{Replay, known_answers};

    const MESSAGE: &[u8] = b"zvault v1 sig and the rest";

    #[test]
    fn both_signatures_must_be_valid() {
        let sign = provider().sign;
        let (secret, public) = sign.generate().unwrap();
        let (stranger, stranger_public) = sign.generate().unwrap();
        let good = sign.sign(secret.expose(), MESSAGE).unwrap();
        let other = sign.sign(stranger.expose(), MESSAGE).unwrap();
        sign.verify(&public, MESSAGE, &good).unwrap();
        sign.verify(&stranger_public, MESSAGE, &other).unwrap();

        let [ed25519_bad, ml_dsa_bad] = [[&other[..64], &good[64..]].concat(), [&good[..64], &other[64..]].concat()];
        let [ed25519_key_bad, ml_dsa_key_bad] =
            [[&stranger_public[..32], &public[32..]].concat(), [&public[..32], &stranger_public[32..]].concat()];
        for (public, signature) in [
            (&public, &ed25519_bad),
            (&public, &ml_dsa_bad),
            (&public, &other),
            (&ed25519_key_bad, &good),
            (&ml_dsa_key_bad, &good),
        ] {
            let refused = sign.verify(public, MESSAGE, signature);
            assert!(matches!(refused, Err(CryptoError::BadSignature)));
        }
        sign.verify(&public, b"another message", &good).unwrap_err();
        sign.verify(&public, b"", &good).unwrap_err();
    }

    #[test]
    fn keys_that_are_known_verify_as_new_ones_do() {
        let sign = Ed25519WithMlDsa65::new(&crate::rustcrypto::OsRandom);
        let pairs: Vec<_> = (0..KNOWN + 3).map(|_| sign.generate().unwrap()).collect();
        let signatures: Vec<_> = pairs.iter().map(|(secret, _)| sign.sign(secret.expose(), MESSAGE).unwrap()).collect();
        for round in 0..2 {
            for (at, ((_, public), signature)) in pairs.iter().zip(&signatures).enumerate() {
                let other = &signatures[(at + 1) % signatures.len()];
                assert!(sign.verify(public, MESSAGE, other).is_err(), "{round} {at}");
                sign.verify(public, MESSAGE, signature).unwrap();
                sign.verify(&pairs[0].1, MESSAGE, &signatures[0]).unwrap();
            }
        }
        let known = sign.known.lock().unwrap();
        assert_eq!(known.len(), KNOWN);
        assert_eq!(known[0].public, pairs[0].1, "the last one used");
    }

    #[test]
    fn flipped_bits_are_refused() {
        let sign = provider().sign;
        let (secret, public) = sign.generate().unwrap();
        let good = sign.sign(secret.expose(), MESSAGE).unwrap();
        // All bits of the Ed25519 half, one bit in every 13th byte of the other.
        for bit in (0..64 * 8).chain((64 * 8..good.len() * 8).step_by(13 * 8 + 1)) {
            let mut bad = good.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            assert!(sign.verify(&public, MESSAGE, &bad).is_err(), "signature bit {bit}");
        }
        for bit in (0..32 * 8).chain((32 * 8..public.len() * 8).step_by(13 * 8 + 1)) {
            let mut bad = public.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            assert!(sign.verify(&bad, MESSAGE, &good).is_err(), "key bit {bit}");
        }
    }

    #[test]
    fn wrong_lengths_are_refused() {
        let sign = provider().sign;
        let (secret, public) = sign.generate().unwrap();
        let good = sign.sign(secret.expose(), MESSAGE).unwrap();
        assert_eq!((secret.expose().len(), public.len(), good.len()), (64, 1984, 3373));
        assert_eq!((sign.secret_len(), sign.public_len(), sign.signature_len()), (64, 1984, 3373));
        let long = |bytes: &[u8]| [bytes, &[0]].concat();
        for bad in [&[], &good[1..], &good[..64], &long(&good)] {
            let refused = sign.verify(&public, MESSAGE, bad);
            assert!(matches!(refused, Err(CryptoError::Length { .. })));
        }
        for bad in [&[], &public[1..], &public[..32], &long(&public)] {
            assert!(matches!(sign.verify(bad, MESSAGE, &good), Err(CryptoError::Length { .. })));
        }
        for bad in [&[], &secret.expose()[1..], &secret.expose()[..32], &long(secret.expose())] {
            assert!(matches!(sign.sign(bad, MESSAGE), Err(CryptoError::Length { .. })));
        }
    }

    #[test]
    fn s_plus_l_is_refused() {
        let sign = provider().sign;
        let (secret, public) = sign.generate().unwrap();
        let mut signature = sign.sign(secret.expose(), MESSAGE).unwrap();
        let mut carry = 0;
        for (s, l) in signature[32..64].iter_mut().zip(L) {
            carry += u16::from(*s) + u16::from(l);
            *s = carry as u8;
            carry >>= 8;
        }
        assert_eq!(carry, 0, "S + L < 2^254");
        let refused = sign.verify(&public, MESSAGE, &signature);
        assert!(matches!(refused, Err(CryptoError::BadSignature)));
    }

    /// RFC 8032 section 5.1: L = 2^252 + 27742317777372353535851937790883648493.
    const L: [u8; 32] = [
        0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, 0, 0, 0, 0, 0,
        0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
    ];

    #[test]
    fn non_canonical_keys_are_refused() {
        let point = |low: u8, high: u8| {
            let mut point = [0xff; 32];
            (point[0], point[31]) = (low, high);
            point
        };
        // p - 1 is the last canonical y; p to 2^255 - 1 are not, with either sign.
        for high in [0x7f, 0xff] {
            assert!(is_canonical_y(&point(0xec, high)));
            for low in 0xed..=0xff {
                assert!(!is_canonical_y(&point(low, high)));
            }
        }
        assert!(is_canonical_y(&[0; 32]));
        assert!(is_canonical_y(&point(0xff, 0x7e)));
        let mut hole = point(0xff, 0x7f);
        hole[17] = 0xfe;
        assert!(is_canonical_y(&hole));
    }

    /// FIPS 204 algorithm 21: unused places of the hint are zero and its indices grow, else a second encoding
    /// of the same signature would be valid too.
    #[test]
    fn other_encodings_of_the_hint_are_refused() {
        let sign = provider().sign;
        let (secret, public) = sign.generate().unwrap();
        let (omega, k) = (55, 6);
        let mut tried = [false; 2];
        while tried != [true; 2] {
            let good = sign.sign(secret.expose(), MESSAGE).unwrap();
            let hint = good.len() - (omega + k);
            let used = usize::from(good[good.len() - 1]);
            if used < omega {
                let mut padded = good.clone();
                padded[hint + used] = 1;
                assert!(sign.verify(&public, MESSAGE, &padded).is_err());
                tried[0] = true;
            }
            if good[hint + omega] >= 2 {
                let mut swapped = good.clone();
                swapped.swap(hint, hint + 1);
                assert!(sign.verify(&public, MESSAGE, &swapped).is_err());
                tried[1] = true;
            }
        }
    }

    #[test]
    fn ml_dsa_is_hedged_and_failing_randomness_is_an_error() {
        let sign = provider().sign;
        let (secret, public) = sign.generate().unwrap();
        let [a, b] = [(); 2].map(|()| sign.sign(secret.expose(), MESSAGE).unwrap());
        assert_eq!(a[..64], b[..64]);
        assert_ne!(a[64..], b[64..]);
        sign.verify(&public, MESSAGE, &a).unwrap();
        sign.verify(&public, MESSAGE, &b).unwrap();

        let empty = Ed25519WithMlDsa65::new(replay(vec![0; 31]));
        assert!(matches!(empty.generate(), Err(CryptoError::Random(_))));
        assert!(matches!(empty.sign(secret.expose(), MESSAGE), Err(CryptoError::Random(_))));
    }

    #[test]
    fn ml_dsa_known_answers() {
        let public = |seed: &[u8]| {
            let sign = Ed25519WithMlDsa65::new(replay([&[0; 32], seed].concat()));
            sign.generate().unwrap().1[32..].to_vec()
        };
        #[expect(deprecated, reason = "NIST's vectors have expanded keys")]
        let sign = |expanded: &[u8], message: &[u8], context: &[u8], rnd: &[u8]| {
            let key = ml_dsa::ExpandedSigningKey::<MlDsa65>::from_expanded(expanded.try_into().unwrap());
            let mut hedge = Hedge::draw(replay(rnd.to_vec())).unwrap();
            key.sign_randomized(message, context, &mut hedge).unwrap().to_bytes().to_vec()
        };
        let verify = |public: &[u8], message: &[u8], context: &[u8], signature: &[u8]| {
            let key = ml_dsa::VerifyingKey::<MlDsa65>::decode(public.try_into().unwrap());
            let signature = ml_dsa::Signature::<MlDsa65>::try_from(signature);
            signature.is_ok_and(|signature| key.verify_with_context(message, context, &signature))
        };
        assert_eq!(known_answers::below::ml_dsa_65(public, sign, verify), 7 + 14);
    }

    #[test]
    fn ed25519_keys() {
        assert_eq!(known_answers::below::ed25519_keys(provider().sign), 4);
        for case in known_answers::cases("ed25519_keys") {
            assert_eq!(ed25519_key(&case.hex("public")).is_err(), case.refuses(), "{}", case.name);
        }
    }

    /// C2SP CCTV, ML-DSA/accumulated, ML-DSA-65 with 100 iterations: keys and deterministic signatures,
    /// which are hedged ones whose hedge is zero (FIPS 204 algorithm 2, step 5).
    #[test]
    fn accumulated_ml_dsa_vectors() {
        let mut seeds = Shake128::default().finalize_xof();
        let mut accumulated = Shake128::default();
        for _ in 0..100 {
            let mut stream = vec![0; 96];
            seeds.read(&mut stream[32..64]);
            let sign = Ed25519WithMlDsa65::new(replay(stream));
            let (secret, public) = sign.generate().unwrap();
            let signature = sign.sign(secret.expose(), b"").unwrap();
            sign.verify(&public, b"", &signature).unwrap();
            accumulated.update(&public[32..]);
            accumulated.update(&signature[64..]);
        }
        let mut result = [0; 32];
        accumulated.finalize_xof().read(&mut result);
        assert_eq!(hex::encode(result), "8358a1843220194417cadbc2651295cd8fc65125b5a5c1a239a16dc8b57ca199");
    }

    fn replay(stream: Vec<u8>) -> &'static Replay {
        Box::leak(Box::new(Replay::new(stream)))
    }
}
