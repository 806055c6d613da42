//! The module counts the approved services that were used, by thread (FIPS 140-3 IG 2.4.C). Every operation is one or several of
//! them, and none of ours is missing from the count.
use aws_lc_fips_sys::{FIPS_service_indicator_after_call, FIPS_service_indicator_before_call};
use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use crypto_backends::{Key, PasswordParams};

use crate::module;

fn approved<R>(operation: impl FnOnce() -> R) -> (R, u64) {
    // SAFETY: reads a counter of this thread.
    let before = unsafe { FIPS_service_indicator_before_call() };
    let result = operation();
    // SAFETY: the same.
    let after = unsafe { FIPS_service_indicator_after_call() };
    (result, after - before)
}

#[test]
fn sealing() {
    let key = Key::new([1; 32]);
    let mut buf = [7; 100];
    let (sealed, services) = approved(|| module().aead.seal(&key, b"aad", &mut buf).unwrap());
    assert_eq!(services, 1, "GCM under the module's own nonce");
    let (nonce, tag) = (sealed.nonce.as_slice(), sealed.tag);
    let (opened, services) = approved(|| module().aead.open(&key, nonce, b"aad", &mut buf, &tag));
    assert_eq!((opened.is_ok(), services), (true, 1), "GCM opens");
    let (made, services) = approved(|| module().aead.seal_again(&key, nonce, b"aad", &mut buf, &tag));
    assert_eq!((made.is_ok(), services), (true, 2), "CTR, GCM opens");
    buf[0] ^= 1;
    let (opened, services) = approved(|| module().aead.open(&key, nonce, b"aad", &mut buf, &tag));
    assert_eq!((opened.is_ok(), services), (false, 0), "refused");
}

/// What this crate does not do, and why: the same cipher under a nonce of the caller's is not approved.
#[test]
fn the_indicator_can_say_no() {
    let key = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &[1; 32]).unwrap());
    let nonce = Nonce::assume_unique_for_key([2; 12]);
    let (sealed, services) = approved(|| key.seal_in_place_separate_tag(nonce, Aad::empty(), &mut [7; 100]));
    assert_eq!((sealed.is_ok(), services), (true, 0));
}

#[test]
fn hashes_keys_and_randomness() {
    let key = Key::new([1; 32]);
    let it = module();
    assert_eq!(approved(|| it.hash.hash(&[b"a", b"b"])).1, 1, "SHA-256");
    assert_eq!(approved(|| it.keyed_hash.keyed_hash(&key, &[b"a", b"b"])).1, 1, "HMAC");
    for (salt, context) in [(&b""[..], &[][..]), (b"salt", &[&b"context"[..]])] {
        assert_eq!(approved(|| it.kdf.derive("zvault v1 02 test", b"secret", salt, context)).1, 1, "HKDF");
    }
    assert_eq!(approved(|| it.kdf.expand("zvault v1 02 test", b"secret", &[], &mut [0; 2048])).1, 1, "HKDF");
    assert_eq!(approved(|| it.random.fill(&mut [0; 100]).unwrap()).1, 1, "DRBG");
    let params = PasswordParams::Pbkdf2 { rounds: 600_000 };
    let derived = approved(|| it.password.derive(&params, &[1; 16], b"fourteen bytes").unwrap());
    assert_eq!(derived.1, 1, "PBKDF2");
}

#[test]
fn encapsulating() {
    let kem = module().kem;
    let ((secret, public), services) = approved(|| kem.generate().unwrap());
    assert_eq!(services, 2, "a pair of ML-KEM, a pair of P-256");
    let ((ct, _), services) = approved(|| kem.encapsulate(&public).unwrap());
    assert_eq!(services, 4, "ML-KEM encapsulates, a pair of P-256, ECDH, HKDF");
    let (_, services) = approved(|| kem.decapsulate(secret.expose(), &ct).unwrap());
    assert_eq!(services, 3, "ML-KEM decapsulates, ECDH, HKDF");
}

/// What the handshake of pairing takes of the module.
#[test]
fn exchanging() {
    let (ml_kem, p256) = (module().ml_kem, module().agreement);
    let ((secret, public), services) = approved(|| ml_kem.generate().unwrap());
    assert_eq!(services, 1, "a pair of ML-KEM");
    let ((ct, _), services) = approved(|| ml_kem.encapsulate(&public).unwrap());
    assert_eq!(services, 1, "ML-KEM encapsulates");
    let (_, services) = approved(|| ml_kem.decapsulate(secret.expose(), &ct).unwrap());
    assert_eq!(services, 1, "ML-KEM decapsulates");
    let ((secret, public), services) = approved(|| p256.generate().unwrap());
    assert_eq!(services, 1, "a pair of P-256");
    let (_, services) = approved(|| p256.agree(secret.expose(), &public).unwrap());
    assert_eq!(services, 1, "ECDH");
}

/// One service each of Ed25519, and the DRBG for the exception, which itself is no service.
#[test]
fn signing() {
    let sign = module().sign;
    let ((secret, public), services) = approved(|| sign.generate().unwrap());
    assert_eq!(services, 2, "a pair of Ed25519, DRBG");
    let (signature, services) = approved(|| sign.sign(secret.expose(), b"message").unwrap());
    assert_eq!(services, 3, "SHA-512 of the seed, Ed25519 signs, DRBG");
    let (verified, services) = approved(|| sign.verify(&public, b"message", &signature));
    assert_eq!((verified.is_ok(), services), (true, 1), "Ed25519 verifies");
}
