//! The one named exception: ML-DSA-65 (FIPS 204) from the crate `ml-dsa`, outside of every module.
//!
//! Module 3 of AWS-LC has no ML-DSA, and suite `0x02` wants both signatures valid, so that a log cannot be forged later. Nothing is
//! claimed for this half: it is a second check beside an approved one, and takes nothing away from that. The path of this file is
//! what a check of the binary and a security policy can list; everything else in this crate is a service of the module.
use std::sync::{Arc, Mutex, PoisonError};

use crypto_backends::{CryptoError, Random};
use ml_dsa::signature::rand_core::{TryCryptoRng, TryRng};
use ml_dsa::{EncodedVerifyingKey, Keypair, MlDsa65 as Parameters, SignatureEncoding, SigningKey, VerifyingKey};
use zeroize::Zeroizing;

/// FIPS 204 table 2, ML-DSA-65; the secret is the seed of algorithm 6.
pub(crate) const SEED_LEN: usize = 32;
pub(crate) const PUBLIC_LEN: usize = 1952;
pub(crate) const SIGNATURE_LEN: usize = 3309;

pub(crate) fn public_key(seed: &[u8; SEED_LEN]) -> [u8; PUBLIC_LEN] {
    SigningKey::<Parameters>::from_seed(seed.into()).verifying_key().encode().into()
}

/// The hedged variant with an empty context (FIPS 204 section 3.4 and algorithm 2).
pub(crate) fn sign(
    seed: &[u8; SEED_LEN],
    message: &[u8],
    random: &dyn Random,
) -> Result<[u8; SIGNATURE_LEN], CryptoError> {
    let mut hedge = Hedge(Zeroizing::new([0; 32]));
    random.fill(hedge.0.as_mut_slice())?;
    let signature = SigningKey::<Parameters>::from_seed(seed.into())
        .expanded_key()
        .sign_randomized(message, &[], &mut hedge)
        .map_err(|_| CryptoError::Malformed("signing key"))?;
    Ok(signature.to_bytes().into())
}

/// Verifies, and keeps the keys that it verified with, the last one used first: a log has thousands of entries of few devices.
pub(crate) struct MlDsa65 {
    known: Mutex<Vec<Arc<Known>>>,
}

struct Known {
    public: Vec<u8>,
    key: VerifyingKey<Parameters>,
}

impl MlDsa65 {
    pub(crate) const fn new() -> Self {
        Self { known: Mutex::new(Vec::new()) }
    }

    pub(crate) fn verify(&self, public: &[u8], message: &[u8], signature: &[u8]) -> Result<(), CryptoError> {
        let known = self.known(public)?;
        let signature = ml_dsa::Signature::<Parameters>::try_from(signature).map_err(|_| CryptoError::BadSignature)?;
        // FIPS 204 algorithm 3 with an empty context.
        let valid = known.key.verify_with_context(message, &[], &signature);
        if valid { Ok(()) } else { Err(CryptoError::BadSignature) }
    }

    fn known(&self, public: &[u8]) -> Result<Arc<Known>, CryptoError> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(at) = known.iter().position(|it| it.public == public) {
            known[..=at].rotate_right(1);
            return Ok(Arc::clone(&known[0]));
        }
        drop(known);
        let encoded: &EncodedVerifyingKey<Parameters> = public.try_into().map_err(|_| CryptoError::BadSignature)?;
        let fresh = Arc::new(Known { public: public.to_vec(), key: VerifyingKey::decode(encoded) });
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.insert(0, Arc::clone(&fresh));
        known.truncate(KNOWN);
        Ok(fresh)
    }
}

/// 45 KB each. The logs of more devices than this are read one after another.
const KNOWN: usize = 32;

/// The 32 random bytes of one hedged signature (FIPS 204 algorithm 2, step 5), drawn before signing begins, so that the crate cannot
/// meet a failing source.
struct Hedge(Zeroizing<[u8; 32]>);

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

#[cfg(all(test, debug_assertions))]
mod tests {
    use crypto_backends::testing::{Replay, known_answers};

    use super::*;

    #[test]
    fn known_answers() {
        let public = |seed: &[u8]| public_key(seed.try_into().unwrap()).to_vec();
        #[expect(deprecated, reason = "NIST's vectors have expanded keys")]
        let sign = |expanded: &[u8], message: &[u8], context: &[u8], rnd: &[u8]| {
            let key = ml_dsa::ExpandedSigningKey::<Parameters>::from_expanded(expanded.try_into().unwrap());
            let mut hedge = Hedge(Zeroizing::new(rnd.try_into().unwrap()));
            key.sign_randomized(message, context, &mut hedge).unwrap().to_bytes().to_vec()
        };
        let verify = |public: &[u8], message: &[u8], context: &[u8], signature: &[u8]| {
            let key = VerifyingKey::<Parameters>::decode(public.try_into().unwrap());
            let signature = ml_dsa::Signature::<Parameters>::try_from(signature);
            signature.is_ok_and(|signature| key.verify_with_context(message, context, &signature))
        };
        assert_eq!(known_answers::below::ml_dsa_65(public, sign, verify), 7 + 14);
    }

    #[test]
    fn signatures_are_hedged_and_failing_randomness_is_an_error() {
        let random = Replay::new((0..64).collect());
        let (seed, verifier) = ([7; SEED_LEN], MlDsa65::new());
        let [a, b] = [(); 2].map(|()| sign(&seed, b"message", &random).unwrap());
        assert_ne!(a, b);
        for signature in [a, b] {
            verifier.verify(&public_key(&seed), b"message", &signature).unwrap();
            verifier.verify(&public_key(&seed), b"messagE", &signature).unwrap_err();
        }
        assert!(matches!(sign(&seed, b"message", &random), Err(CryptoError::Random(_))));
    }

    #[test]
    fn keys_that_are_known_verify_as_new_ones_do() {
        let verifier = MlDsa65::new();
        let pairs: Vec<_> = (0..KNOWN as u8 + 2)
            .map(|at| {
                let seed = [at; SEED_LEN];
                (public_key(&seed), sign(&seed, b"message", &crate::random::Drbg).unwrap())
            })
            .collect();
        for round in 0..2 {
            for (at, (public, signature)) in pairs.iter().enumerate() {
                verifier.verify(public, b"message", signature).unwrap();
                let (other, _) = &pairs[(at + 1) % pairs.len()];
                assert!(verifier.verify(other, b"message", signature).is_err(), "{round} {at}");
            }
        }
        assert_eq!(verifier.known.lock().unwrap().len(), KNOWN);
    }
}
