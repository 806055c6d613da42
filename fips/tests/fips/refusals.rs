//! Wrong lengths and changed input are errors, never panics, and the same ones as with the other backend.
use crypto_backends::{CryptoError, FipsStatus, Key, PasswordKdf, PasswordParams};

use crate::{module, other};

const TEXT: &[u8] = b"one frame of a pack";
const AAD: &[u8] = b"header and slot";

#[test]
fn any_flipped_bit_of_a_frame() {
    let key = Key::random(module().random).unwrap();
    let mut ciphertext = TEXT.to_vec();
    let sealed = module().aead.seal(&key, AAD, &mut ciphertext).unwrap();
    assert_ne!(ciphertext, TEXT);
    let fields = [key.expose().as_slice(), sealed.nonce.as_slice(), AAD, &ciphertext, &sealed.tag];
    open(fields.map(<[u8]>::to_vec)).unwrap();
    for changed in 0..fields.len() {
        for bit in 0..fields[changed].len() * 8 {
            let mut fields = fields.map(<[u8]>::to_vec);
            fields[changed][bit / 8] ^= 1 << (bit % 8);
            assert!(matches!(open(fields), Err(CryptoError::NotAuthentic)), "field {changed} bit {bit}");
        }
    }
}

/// What was refused leaves nothing behind: neither text nor a part of it.
fn open([key, nonce, aad, mut text, tag]: [Vec<u8>; 5]) -> Result<(), CryptoError> {
    let key = Key::from_slice(&key)?;
    let opened = module().aead.open(&key, &nonce, &aad, &mut text, &tag.try_into().unwrap());
    assert_eq!(text, if opened.is_ok() { TEXT.to_vec() } else { vec![0; TEXT.len()] });
    opened
}

#[test]
fn nonces_of_other_lengths() {
    let key = Key::random(module().random).unwrap();
    let mut text = TEXT.to_vec();
    let sealed = module().aead.seal(&key, AAD, &mut text).unwrap();
    let nonce = [sealed.nonce.as_slice(), &[0; 12]].concat();
    for len in [0, 8, 11, 13, 16, 24] {
        let refused = module().aead.open(&key, &nonce[..len], AAD, &mut text, &sealed.tag);
        assert!(matches!(refused, Err(CryptoError::Length { actual, .. }) if actual == len));
        let refused = module().aead.seal_again(&key, &nonce[..len], AAD, &mut text, &sealed.tag);
        assert!(matches!(refused, Err(CryptoError::Length { actual, .. }) if actual == len));
    }
    module().aead.open(&key, sealed.nonce.as_slice(), AAD, &mut text, &sealed.tag).unwrap();
    assert_eq!(text, TEXT);
    module().aead.open(&key, sealed.nonce.as_slice(), AAD, &mut [], &sealed.tag).unwrap_err();
}

#[test]
fn texts_that_were_not_sealed_so() {
    let key = Key::random(module().random).unwrap();
    let sealed = module().aead.seal(&key, AAD, &mut TEXT.to_vec()).unwrap();
    let nonce = sealed.nonce.as_slice();
    let mut other_tag = sealed.tag;
    other_tag[15] ^= 1;
    let changed = [TEXT, b"s"].concat();
    for (text, aad, tag) in [(TEXT, AAD, &other_tag), (TEXT, b"", &sealed.tag), (&changed[1..], AAD, &sealed.tag)] {
        let refused = module().aead.seal_again(&key, nonce, aad, &mut text.to_vec(), tag);
        assert!(matches!(refused, Err(CryptoError::NotAuthentic)));
    }
    let sealed = module().aead.seal(&key, AAD, &mut []).unwrap();
    for (tag, fine) in [(&sealed.tag, true), (&other_tag, false)] {
        let again = module().aead.seal_again(&key, sealed.nonce.as_slice(), AAD, &mut [], tag);
        assert_eq!(again.is_ok(), fine, "an empty text");
    }
}

#[test]
fn kem_inputs() {
    let kem = module().kem;
    let (secret, public) = kem.generate().unwrap();
    let (ct, key) = kem.encapsulate(&public).unwrap();
    let long = |bytes: &[u8]| [bytes, &[0]].concat();
    for bad in [&[], &public[1..], &long(&public)] {
        assert!(matches!(kem.encapsulate(bad), Err(CryptoError::Length { .. })));
    }
    for bad in [&[], &ct[1..], &long(&ct)] {
        assert!(matches!(kem.decapsulate(secret.expose(), bad), Err(CryptoError::Length { .. })));
    }
    for bad in [&[], &secret.expose()[1..], &secret.expose()[..2400], &long(secret.expose())] {
        assert!(matches!(kem.decapsulate(bad, &ct), Err(CryptoError::Length { .. })));
    }
    for first in [0, 2, 3, 5, 6, 7] {
        let (mut public, mut ct) = (public.clone(), ct.clone());
        (public[1184], ct[1088]) = (first, first);
        assert!(matches!(kem.encapsulate(&public), Err(CryptoError::Malformed("KEM public key"))));
        assert!(matches!(kem.decapsulate(secret.expose(), &ct), Err(CryptoError::Malformed("KEM ciphertext"))));
    }
    // FIPS 203 section 7.2 (the largest coefficient is 3,328, alone and in a pair) and section 7.3 (the hash of the public key).
    for (pair, refused) in
        [([0xff, 0xff, 0xff], true), ([0x01, 0x0d, 0], true), ([0, 0x10, 0xd0], true), ([0, 0x0d, 0xd0], false)]
    {
        let mut public = public.clone();
        public[..3].copy_from_slice(&pair);
        let made = kem.encapsulate(&public);
        assert_eq!(matches!(made, Err(CryptoError::Malformed(_))), refused, "{pair:?}");
        assert_eq!(made.is_err(), refused, "{pair:?}");
        assert_eq!(other().kem.encapsulate(&public).is_err(), refused, "{pair:?}");
    }
    for at in [1152, 2335, 2336, 2367] {
        let mut secret = secret.expose().to_vec();
        secret[at] ^= 1;
        assert!(matches!(kem.decapsulate(&secret, &ct), Err(CryptoError::Malformed("KEM secret key"))), "byte {at}");
    }
    for at in [0, 500, 1087] {
        let mut ct = ct.clone();
        ct[at] ^= 1;
        assert!(!kem.decapsulate(secret.expose(), &ct).unwrap().ct_eq(&key), "byte {at}");
    }
    for scalar in [[0; 32], [0xff; 32]] {
        let secret = [&secret.expose()[..2400], &scalar].concat();
        assert!(matches!(kem.decapsulate(&secret, &ct), Err(CryptoError::Malformed("KEM secret key"))));
    }
}

#[test]
fn signatures() {
    let sign = module().sign;
    let message = b"zvault v1 sig and the rest";
    let (secret, public) = sign.generate().unwrap();
    let (stranger, stranger_public) = sign.generate().unwrap();
    let good = sign.sign(secret.expose(), message).unwrap();
    let strange = sign.sign(stranger.expose(), message).unwrap();
    sign.verify(&public, message, &good).unwrap();
    for (public, signature) in [
        (&public, &[&strange[..64], &good[64..]].concat()),
        (&public, &[&good[..64], &strange[64..]].concat()),
        (&[&stranger_public[..32], &public[32..]].concat(), &good),
        (&[&public[..32], &stranger_public[32..]].concat(), &good),
    ] {
        assert!(matches!(sign.verify(public, message, signature), Err(CryptoError::BadSignature)));
    }
    // All bits of the Ed25519 half, one bit in every 13th byte of the other.
    for bit in (0..64 * 8).chain((64 * 8..good.len() * 8).step_by(13 * 8 + 1)) {
        let mut bad = good.clone();
        bad[bit / 8] ^= 1 << (bit % 8);
        assert!(sign.verify(&public, message, &bad).is_err(), "signature bit {bit}");
    }
    for bit in (0..32 * 8).chain((32 * 8..public.len() * 8).step_by(13 * 8 + 1)) {
        let mut bad = public.clone();
        bad[bit / 8] ^= 1 << (bit % 8);
        assert!(sign.verify(&bad, message, &good).is_err(), "key bit {bit}");
    }
    let long = |bytes: &[u8]| [bytes, &[0]].concat();
    for bad in [&[], &good[1..], &good[..64], &long(&good)] {
        assert!(matches!(sign.verify(&public, message, bad), Err(CryptoError::Length { .. })));
    }
    for bad in [&[], &public[1..], &public[..32], &long(&public)] {
        assert!(matches!(sign.verify(bad, message, &good), Err(CryptoError::Length { .. })));
    }
    for bad in [&[], &secret.expose()[1..], &secret.expose()[..32], &long(secret.expose())] {
        assert!(matches!(sign.sign(bad, message), Err(CryptoError::Length { .. })));
    }
}

#[test]
fn passphrases_and_their_parameters() {
    let params = |rounds| PasswordParams::Pbkdf2 { rounds };
    let derive = |rounds, salt: usize, passphrase: usize| {
        module().password.derive(&params(rounds), &vec![1; salt], &vec![b'x'; passphrase])
    };
    for (salt, passphrase) in [(15, 20), (0, 20), (32, 13), (32, 0), (32, 1025)] {
        assert!(matches!(derive(600_000, salt, passphrase), Err(CryptoError::Length { .. })));
    }
    for rounds in [0, 1, 1000, 599_999] {
        assert!(matches!(derive(rounds, 32, 20), Err(CryptoError::WeakPassword { .. })));
        same(rounds, |password, params| matches!(password.check_open(params), Err(CryptoError::WeakPassword { .. })));
    }
    for rounds in [100_000_001, u32::MAX] {
        assert!(matches!(derive(rounds, 32, 20), Err(CryptoError::ExcessivePassword { .. })));
        same(rounds, |password, params| password.check_create(params).is_err());
    }
    for rounds in [600_000, 100_000_000] {
        same(rounds, |password, params| password.check_create_low_memory(params).is_ok());
    }
    let foreign = PasswordParams::Argon2id { m_kib: 65536, t: 3, p: 1 };
    assert!(matches!(module().password.check_open(&foreign), Err(CryptoError::ForeignPasswordKdf(_))));
    assert!(matches!(
        module().password.derive(&foreign, &[1; 32], &[b'x'; 20]),
        Err(CryptoError::ForeignPasswordKdf(_))
    ));
}

fn same(rounds: u32, holds: fn(&dyn PasswordKdf, &PasswordParams) -> bool) {
    for provider in [module(), other()] {
        assert!(holds(provider.password, &PasswordParams::Pbkdf2 { rounds }), "{rounds}");
    }
}

#[test]
#[should_panic(expected = "at most 8160 bytes")]
fn expand_keeps_to_the_limit() {
    module().kdf.expand("zvault v1 02 test", b"secret", &[], &mut [0; 255 * 32 + 1]);
}

/// One exception, and it speaks for the whole.
#[test]
fn statuses() {
    let it = module();
    let certified = FipsStatus::Certified { certificate: "5314" };
    let parts = [
        it.aead.fips(),
        it.hash.fips(),
        it.keyed_hash.fips(),
        it.kdf.fips(),
        it.password.fips(),
        it.kem.fips(),
        it.agreement.fips(),
        it.ml_kem.fips(),
        it.random.fips(),
    ];
    assert_eq!(parts, [certified; 9]);
    assert_eq!((it.sign.fips(), it.fips()), (FipsStatus::Unvalidated, FipsStatus::Unvalidated));
    assert_eq!(other().fips(), FipsStatus::Unvalidated);
}
