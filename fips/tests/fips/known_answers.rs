//! The cases of crypto-backends/testdata that every backend of the suite must pass. What of them needs what this crate keeps to
//! itself (HKDF without framing, ML-KEM from seeds, the DRBG with given entropy, ML-DSA alone) is tested where that is.
use std::num::NonZeroU32;

use aws_lc_rs::cipher::{
    AES_256, DecryptingKey, DecryptionContext, EncryptingKey, EncryptionContext, UnboundCipherKey,
};
use aws_lc_rs::{hmac, pbkdf2};
use crypto_backends::testing::known_answers::{below, cases, run};

use crate::{module, other};

#[test]
fn all_of_the_suite() {
    assert_eq!(run(module()), run(other()));
    assert_eq!(run(module()), 160 + 43);
}

/// Cases of ML-KEM alone: a half of P-256 is put beside them, and the other backend's answer is the expected one.
#[test]
fn ml_kem_decapsulation() {
    let (p256, _) = other().kem.generate().unwrap();
    let (_, ephemeral) = other().kem.generate().unwrap();
    let cases = cases("02/primitives/ml_kem_decaps");
    let mut with_key = 0;
    for case in cases.iter().filter(|case| case.has("dk")) {
        let secret = [&case.hex("dk"), &p256.expose()[2400..]].concat();
        let ct = [&case.hex("ciphertext"), &ephemeral[1184..]].concat();
        let [ours, theirs] = [module(), other()].map(|provider| provider.kem.decapsulate(&secret, &ct));
        assert_eq!(ours.is_err(), case.refuses(), "{}", case.name);
        assert_eq!(ours.is_err(), theirs.is_err(), "{}", case.name);
        if let (Ok(ours), Ok(theirs)) = (ours, theirs) {
            assert!(ours.ct_eq(&theirs), "{}", case.name);
        }
        with_key += 1;
    }
    assert_eq!(with_key, 20);
}

#[test]
fn p256() {
    assert_eq!(below::p256(module().agreement), 74 + 25);
}

#[test]
fn ed25519_keys() {
    assert_eq!(below::ed25519_keys(module().sign), 4);
}

#[test]
fn hmac_under_keys_of_every_length() {
    let mac =
        |key: &[u8], message: &[u8]| hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), message).as_ref().to_vec();
    assert_eq!(below::hmac_sha256(module().keyed_hash, mac), 13);
}

/// What `seal_again` runs, with counters of the vectors' own. The other backend has no counter mode by itself.
#[test]
fn aes_256_in_counter_mode() {
    let cases = cases("02/primitives/aes_ctr");
    for case in &cases {
        let key = || UnboundCipherKey::new(&AES_256, &case.hex("key")).unwrap();
        let counter: [u8; 16] = case.hex("counter").try_into().unwrap();
        let (plain, cipher) = (case.hex("plaintext"), case.hex("ciphertext"));
        let mut text = cipher.clone();
        let decrypting = DecryptingKey::ctr(key()).unwrap();
        decrypting.decrypt(&mut text, DecryptionContext::Iv128((&counter).into())).unwrap();
        assert_eq!(text, plain, "{}", case.name);
        let encrypting = EncryptingKey::ctr(key()).unwrap();
        encrypting.less_safe_encrypt(&mut text, EncryptionContext::Iv128((&counter).into())).unwrap();
        assert_eq!(text, cipher, "{}", case.name);
    }
    assert_eq!(cases.len(), 5);
}

/// The module draws its own message, so that only what is refused can be compared.
#[test]
fn ml_kem_encapsulation_keys() {
    let (_, public) = other().kem.generate().unwrap();
    let cases = cases("02/primitives/ml_kem_encaps");
    for case in &cases {
        let made = module().kem.encapsulate(&[&case.hex("ek"), &public[1184..]].concat());
        assert_eq!(made.is_err(), case.refuses(), "{}", case.name);
    }
    assert_eq!(cases.len(), 15);
}

/// Below our floors, so below the contract.
#[test]
fn pbkdf2_hmac_sha256() {
    let derive = |passphrase: &[u8], salt: &[u8], rounds: u32, out: &mut [u8]| {
        let rounds = NonZeroU32::new(rounds).unwrap();
        pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA256, rounds, salt, passphrase, out);
    };
    assert_eq!(below::pbkdf2_hmac_sha256(derive), 17);
}
