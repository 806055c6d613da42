//! What is below the parts of a suite: the cases of `testdata/02/primitives/`, `ml_dsa_keygen/`, `ml_dsa_sign/` and `ed25519_keys/`,
//! where our labels, floors and randomness are not in the way. A backend's tests hand in its own service.
//!
//! Each function returns how many cases there were, and panics with the name of the case if an answer differs.
use super::{Case, cases};
use crate::contract::{Kem, KeyAgreement, KeyedHash, Signatures};
use crate::{Key, SecretBytes};

/// HMAC-SHA-256 under keys of every length: `mac` of a key and a message.
///
/// # Panics
/// If an answer differs.
pub fn hmac_sha256(keyed: &dyn KeyedHash, mac: impl Fn(&[u8], &[u8]) -> Vec<u8>) -> usize {
    each("02/primitives/hmac", |case| {
        let (mut key, message, expected) = (case.hex("key"), case.hex("message"), case.hex("mac"));
        assert_eq!(mac(&key, &message)[..expected.len()], expected, "{}", case.name);
        if key.len() <= 32 {
            // FIPS 198-1 section 4 does it with every key that is shorter than a block.
            key.resize(32, 0);
            let key = Key::from_slice(&key).expect("32 bytes");
            assert_eq!(keyed.keyed_hash(&key, &[&message])[..expected.len()], expected, "{}", case.name);
        }
    })
}

/// HKDF-SHA-256: `derive` of secret, salt and info. What gives `None` has no such service for these inputs, and is not counted.
///
/// # Panics
/// If an answer differs.
pub fn hkdf_sha256(derive: impl Fn(&[u8], &[u8], &[u8], &mut [u8]) -> Option<()>) -> usize {
    let mut done = 0;
    each("02/primitives/hkdf", |case| {
        let expected = case.hex("out");
        let mut out = vec![0; expected.len()];
        if derive(&case.hex("secret"), &case.hex("salt"), &case.hex("info"), &mut out).is_some() {
            assert_eq!(out, expected, "{}", case.name);
            done += 1;
        }
    });
    done
}

/// PBKDF2-HMAC-SHA-256 below our floors: `derive` of passphrase, salt and rounds.
///
/// # Panics
/// If an answer differs.
pub fn pbkdf2_hmac_sha256(derive: impl Fn(&[u8], &[u8], u32, &mut [u8])) -> usize {
    each("02/primitives/pbkdf2", |case| {
        let expected = case.hex("out");
        let mut out = vec![0; expected.len()];
        derive(&case.hex("passphrase"), &case.hex("salt"), case.number("rounds"), &mut out);
        assert_eq!(out, expected, "{}", case.name);
    })
}

/// ECDH on P-256, the keys of scalars, and which public keys are refused.
///
/// # Panics
/// If an answer differs.
pub fn p256(it: &dyn KeyAgreement) -> usize {
    let agreed = each("02/primitives/p256", |case| {
        if case.has("own") {
            assert_eq!(it.public(&case.hex("scalar")).unwrap(), case.hex("own"), "{}", case.name);
        }
        let shared = it.agree(&case.hex("scalar"), &case.hex("point"));
        assert_eq!(shared.is_err(), case.refuses(), "{}", case.name);
        if let Ok(shared) = shared {
            assert_eq!(shared.expose()[..], case.hex("shared"), "{}", case.name);
        }
    });
    let (fresh, _) = it.generate().expect("a fresh pair");
    agreed
        + each("02/primitives/p256_public", |case| {
            assert_eq!(it.agree(fresh.expose(), &case.hex("point")).is_err(), case.refuses(), "{}", case.name);
            if case.has("scalar") {
                assert_eq!(it.public(&case.hex("scalar")).unwrap(), case.hex("point"), "{}", case.name);
            }
        })
}

/// ML-KEM-768: `from_seed` gives both keys of d and z, secret one first; `encapsulate` ciphertext and secret of the message m for a
/// valid public key. What keys are refused, `it` is asked: the module's interface that takes m has no such check.
///
/// # Panics
/// If an answer differs.
pub fn ml_kem_768(
    it: &dyn Kem,
    from_seed: impl Fn(&[u8]) -> (SecretBytes, Vec<u8>),
    encapsulate: impl Fn(&[u8], &[u8]) -> (Vec<u8>, Key),
) -> usize {
    let made = each("02/primitives/ml_kem_keygen", |case| {
        let (secret, public) = from_seed(&case.hex("seed"));
        assert_eq!(secret.expose(), case.hex("dk"), "{}", case.name);
        assert_eq!(public, case.hex("ek"), "{}", case.name);
    });
    let sent = each("02/primitives/ml_kem_encaps", |case| {
        assert_eq!(it.encapsulate(&case.hex("ek")).is_err(), case.refuses(), "{}", case.name);
        if !case.refuses() {
            let (ct, key) = encapsulate(&case.hex("m"), &case.hex("ek"));
            assert_eq!(ct, case.hex("ciphertext"), "{}", case.name);
            assert_eq!(key.expose()[..], case.hex("shared"), "{}", case.name);
        }
        if case.has("dk") {
            decapsulates(it, case, &case.hex("dk"));
        }
    });
    let opened = each("02/primitives/ml_kem_decaps", |case| match case.has("seed") {
        true => decapsulates(it, case, from_seed(&case.hex("seed")).0.expose()),
        false => decapsulates(it, case, &case.hex("dk")),
    });
    made + sent + opened
}

fn decapsulates(it: &dyn Kem, case: &Case, secret: &[u8]) {
    let opened = it.decapsulate(secret, &case.hex("ciphertext"));
    assert_eq!(opened.is_err(), case.refuses(), "{}", case.name);
    if let Ok(key) = opened {
        assert_eq!(key.expose()[..], case.hex("shared"), "{}", case.name);
    }
}

/// Public keys of Ed25519, with the seeds that they were made of. What is no point is made of a key by a change, so that the
/// signature of its seed must not verify.
///
/// # Panics
/// If an answer differs.
pub fn ed25519_keys(it: &dyn Signatures) -> usize {
    let (secret, public) = it.generate().expect("a fresh pair");
    each("ed25519_keys", |case| {
        // The other half of both is the fresh one.
        let secret = [&case.hex("seed"), &secret.expose()[32..]].concat();
        let public = [&case.hex("public"), &public[32..]].concat();
        let signature = it.sign(&secret, b"message").expect("a signature");
        assert_eq!(it.verify(&public, b"message", &signature).is_err(), case.refuses(), "{}", case.name);
    })
}

/// ML-DSA-65: `public` of a seed; `sign` with an expanded key, a message, a context and randomness; `verify` with a public key, a
/// message, a context and a signature. Our own contexts are empty.
///
/// # Panics
/// If an answer differs.
pub fn ml_dsa_65(
    public: impl Fn(&[u8]) -> Vec<u8>,
    sign: impl Fn(&[u8], &[u8], &[u8], &[u8]) -> Vec<u8>,
    verify: impl Fn(&[u8], &[u8], &[u8], &[u8]) -> bool,
) -> usize {
    let made = each("ml_dsa_keygen", |case| assert_eq!(public(&case.hex("seed")), case.hex("public"), "{}", case.name));
    made + each("ml_dsa_sign", |case| {
        let (message, context, signature) = (case.hex("message"), case.hex("context"), case.hex("signature"));
        if case.has("expanded") {
            let signed = sign(&case.hex("expanded"), &message, &context, &case.hex("rnd"));
            assert_eq!(signed, signature, "{}", case.name);
        }
        let valid = verify(&case.hex("public"), &message, &context, &signature);
        assert_eq!(valid, !case.refuses(), "{}", case.name);
    })
}

fn each(part: &str, mut check: impl FnMut(&Case)) -> usize {
    let cases = cases(part);
    assert!(!cases.is_empty(), "no cases for {part}");
    cases.iter().for_each(&mut check);
    cases.len()
}
