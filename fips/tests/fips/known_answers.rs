//! The cases of crypto-backends/testdata that every backend of the suite must pass.
use std::num::NonZeroU32;

use aws_lc_rs::pbkdf2;
use crypto_backends::testing::known_answers::{cases, run};

use crate::{module, other};

#[test]
fn all_of_the_suite() {
    assert_eq!(run(module()), run(other()));
    assert_eq!(run(module()), 114 + 32);
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
    assert_eq!(cases.len(), 16);
    assert!(with_key > 0);
}

#[test]
fn ml_kem_alone() {
    let cases = cases("02/primitives/ml_kem_decaps");
    for case in cases.iter().filter(|case| case.has("dk")) {
        let opened = module().ml_kem.decapsulate(&case.hex("dk"), &case.hex("ciphertext"));
        assert_eq!(opened.is_err(), case.refuses(), "{}", case.name);
        if let Ok(key) = opened {
            assert_eq!(key.expose()[..], case.hex("shared"), "{}", case.name);
        }
    }
}

#[test]
fn p256_key_agreement() {
    let cases = cases("02/primitives/p256");
    for case in &cases {
        let it = module().agreement;
        if case.has("own") {
            assert_eq!(it.public(&case.hex("scalar")).unwrap(), case.hex("own"), "{}", case.name);
        }
        let shared = it.agree(&case.hex("scalar"), &case.hex("point"));
        assert_eq!(shared.is_err(), case.refuses(), "{}", case.name);
        if let Ok(shared) = shared {
            assert_eq!(shared.expose()[..], case.hex("shared"), "{}", case.name);
        }
    }
    assert_eq!(cases.len(), 41);
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
    assert_eq!(cases.len(), 9);
}

/// Below our floors, so below the contract.
#[test]
fn pbkdf2() {
    let cases = cases("02/primitives/pbkdf2");
    for case in &cases {
        let expected = case.hex("out");
        let mut out = vec![0; expected.len()];
        let rounds = NonZeroU32::new(case.number("rounds")).unwrap();
        pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA256, rounds, &case.hex("salt"), &case.hex("passphrase"), &mut out);
        assert_eq!(out, expected, "{}", case.name);
    }
    assert_eq!(cases.len(), 17);
}
