//! Whichever backend serves it, the suite is one: each opens what the other sealed.
use crypto_backends::{Key, PasswordParams};

use crate::{module, other};

const AAD: &[u8] = b"header and slot";

#[test]
fn lengths_are_the_same() {
    let lengths = [module(), other()].map(|it| {
        let kem = [it.kem.public_len(), it.kem.ct_len(), it.kem.secret_len()];
        let sign = [it.sign.public_len(), it.sign.signature_len(), it.sign.secret_len()];
        (it.suite, it.aead.nonce_len(), kem, sign)
    });
    assert_eq!(lengths[0], lengths[1]);
}

#[test]
fn each_opens_what_the_other_sealed() {
    for (sealing, opening) in [(module(), other()), (other(), module()), (module(), module())] {
        for len in [0, 1, 15, 16, 17, 4096, 1 << 20] {
            let key = Key::random(sealing.random).unwrap();
            let text: Vec<u8> = (0..len).map(|at| (at % 251) as u8).collect();
            let mut buf = text.clone();
            let sealed = sealing.aead.seal(&key, AAD, &mut buf).unwrap();
            let ciphertext = buf.clone();
            opening.aead.open(&key, sealed.nonce.as_slice(), AAD, &mut buf, &sealed.tag).unwrap();
            assert_eq!(buf, text);
            opening.aead.seal_again(&key, sealed.nonce.as_slice(), AAD, &mut buf, &sealed.tag).unwrap();
            assert_eq!(buf, ciphertext);
        }
    }
}

#[test]
fn nonces_are_the_modules_and_new_each_time() {
    let key = Key::new([1; 32]);
    let mut nonces: Vec<_> =
        (0..64).map(|_| module().aead.seal(&key, AAD, &mut [0; 16]).unwrap().nonce.as_slice().to_vec()).collect();
    nonces.sort();
    nonces.dedup();
    assert_eq!(nonces.len(), 64);
    assert!(nonces.iter().all(|nonce| nonce.len() == 12));
}

#[test]
fn hashes_and_keys_are_the_same() {
    let text: Vec<u8> = (0..5000_u32).map(|at| (at % 251) as u8).collect();
    let key = Key::random(module().random).unwrap();
    for cut in [0, 1, 63, 64, 65, 5000] {
        let (head, tail) = text.split_at(cut);
        assert_eq!(module().hash.hash(&[head, tail]), other().hash.hash(&[&text]));
        let keyed = [(module(), [head, tail]), (other(), [&text[..], &[]])];
        let [ours, theirs] = keyed.map(|(provider, parts)| provider.keyed_hash.keyed_hash(&key, &parts));
        assert_eq!(ours, theirs);
    }
    let contexts: [&[&[u8]]; 4] = [&[], &[b""], &[b"a", b"b"], &[b"ab", &text]];
    for (context, salt) in contexts.into_iter().zip([&b""[..], b"salt", &text, b""]) {
        for secret in [&b""[..], b"secret", &text] {
            let [ours, theirs] =
                [module(), other()].map(|it| it.kdf.derive("zvault v1 02 test", secret, salt, context));
            assert!(ours.ct_eq(&theirs));
            let [ours, theirs] = [module(), other()].map(|it| {
                let mut out = vec![0; 255 * 32];
                it.kdf.expand("zvault v1 02 test", secret, context, &mut out);
                out
            });
            assert_eq!(ours, theirs);
        }
    }
}

#[test]
fn passphrases_give_the_same_key() {
    let params = PasswordParams::Pbkdf2 { rounds: 600_000 };
    for (salt, passphrase) in [(&[7; 32][..], &b"fourteen bytes"[..]), (&[1; 16], &[b'x'; 1024])] {
        let [ours, theirs] = [module(), other()].map(|it| it.password.derive(&params, salt, passphrase).unwrap());
        assert!(ours.ct_eq(&theirs));
    }
    assert_eq!(module().password.fit(1 << 40), other().password.fit(0));
    assert_eq!(module().password.fit_low_memory(), other().password.fit_low_memory());
}

#[test]
fn encapsulated_secrets_arrive() {
    for generating in [module(), other()] {
        let (secret, public) = generating.kem.generate().unwrap();
        assert_eq!((secret.expose().len(), public.len()), (2432, 1249));
        for (sending, receiving) in [(module(), other()), (other(), module()), (module(), module())] {
            let (ct, key) = sending.kem.encapsulate(&public).unwrap();
            assert_eq!(ct.len(), 1153);
            assert!(receiving.kem.decapsulate(secret.expose(), &ct).unwrap().ct_eq(&key));
            // Implicit rejection gives both the same other secret (FIPS 203 section 6.3).
            let mut changed = ct;
            changed[7] ^= 1;
            let [ours, theirs] = [module(), other()].map(|it| it.kem.decapsulate(secret.expose(), &changed).unwrap());
            assert!(ours.ct_eq(&theirs) && !ours.ct_eq(&key));
        }
    }
}

#[test]
fn both_halves_of_a_handshake_agree() {
    for generating in [module(), other()] {
        let (secret, public) = generating.ml_kem.generate().unwrap();
        let (scalar, point) = generating.agreement.generate().unwrap();
        assert_eq!((secret.expose().len(), public.len(), scalar.expose().len(), point.len()), (2400, 1184, 32, 65));
        for (sending, receiving) in [(module(), other()), (other(), module()), (module(), module())] {
            let (ct, key) = sending.ml_kem.encapsulate(&public).unwrap();
            assert!(receiving.ml_kem.decapsulate(secret.expose(), &ct).unwrap().ct_eq(&key));
            let (theirs, their_point) = sending.agreement.generate().unwrap();
            let ours = receiving.agreement.agree(scalar.expose(), &their_point).unwrap();
            assert!(ours.ct_eq(&sending.agreement.agree(theirs.expose(), &point).unwrap()));
            assert_eq!(receiving.agreement.public(theirs.expose()).unwrap(), their_point);
        }
    }
    for it in [module(), other()] {
        let parts = [it.ml_kem.public_len(), it.ml_kem.ct_len(), it.ml_kem.secret_len()];
        assert_eq!((parts, it.agreement.public_len(), it.agreement.secret_len()), ([1184, 1088, 2400], 65, 32));
    }
}

#[test]
fn each_verifies_what_the_other_signed() {
    for generating in [module(), other()] {
        let (secret, public) = generating.sign.generate().unwrap();
        assert_eq!((secret.expose().len(), public.len()), (64, 1984));
        for (signing, verifying) in [(module(), other()), (other(), module()), (module(), module())] {
            for message in [&b""[..], b"zvault v1 sig and the rest", &[9; 5000]] {
                let signature = signing.sign.sign(secret.expose(), message).unwrap();
                verifying.sign.verify(&public, message, &signature).unwrap();
                verifying.sign.verify(&public, b"another message", &signature).unwrap_err();
            }
        }
        let [ours, theirs] = [module(), other()].map(|it| it.sign.sign(secret.expose(), b"message").unwrap());
        assert_eq!(ours[..64], theirs[..64], "Ed25519 is deterministic");
    }
}
