//! What the module can show of itself while it runs: its own tests again, and each service once, with its own count of what was
//! approved.
use aws_lc_fips_sys as sys;
use crypto_backends::{Check, CryptoError, Key, PasswordParams, Secret};

use crate::module::{self, ed25519};
use crate::{PROVIDER, VERSION};

/// All checks, in the order of README.md's table. About a second, most of it the module's own tests and the passphrase.
pub(crate) fn run() -> Vec<Check> {
    let mut checks = module_checks();
    // What fails its own tests computes nothing.
    if checks.iter().all(|check| check.outcome.is_ok()) {
        checks.extend(operations());
    }
    checks
}

fn module_checks() -> Vec<Check> {
    let check = |name, standard, outcome| Check { name, standard, approved: None, outcome };
    let passed = |ok: bool| if ok { Ok(String::new()) } else { Err("failed".to_owned()) };
    let version = module::version();
    // SAFETY: no arguments; it hashes its own code and data.
    let integrity = unsafe { sys::BORINGSSL_integrity_test() } == 1;
    // SAFETY: no arguments; it tests itself with data of its own.
    let known_answers = unsafe { sys::BORINGSSL_self_test() } == 1;
    vec![
        check("FIPS mode", "", aws_lc_rs::try_fips_mode().map(|()| "on".into()).map_err(|_| "off".into())),
        check("version of the module", "", if version == VERSION { Ok(version) } else { Err(version) }),
        check("integrity of the module", "ISO/IEC 19790 7.10.2", passed(integrity)),
        check("known answers of the module", "ISO/IEC 19790 7.10.3", passed(known_answers)),
    ]
}

fn operations() -> Vec<Check> {
    let it = &PROVIDER;
    let key = Key::new([1; 32]);
    let mut checks = Vec::new();

    let mut text = *b"sixteen bytes...";
    let sealed = check(&mut checks, "AES-256-GCM seal, random IV", "SP 800-38D 8.2.2", 1, || {
        it.aead.seal(&key, b"aad", &mut text)
    });
    if let Some(sealed) = sealed {
        check(&mut checks, "AES-256-GCM open", "SP 800-38D 7.2", 1, || {
            it.aead.open(&key, sealed.nonce.as_slice(), b"aad", &mut text, &sealed.tag)?;
            same(&text, b"sixteen bytes...")
        });
    }
    check(&mut checks, "SHA-256", "FIPS 180-4 6.2", 1, || Ok(it.hash.hash(&[b"abc"])));
    check(&mut checks, "HMAC-SHA-256", "FIPS 198-1 4", 1, || Ok(it.keyed_hash.keyed_hash(&key, &[b"abc"])));
    check(&mut checks, "HKDF-SHA-256", "SP 800-56C 5", 1, || Ok(it.kdf.derive("self-test", b"secret", b"salt", &[])));
    check(&mut checks, "PBKDF2-HMAC-SHA-256", "SP 800-132 5.3", 1, || {
        it.password.derive(&PasswordParams::Pbkdf2 { rounds: 600_000 }, &[1; 16], b"fourteen bytes")
    });
    check(&mut checks, "CTR_DRBG, AES-256", "SP 800-90A 10.2.1", 1, || it.random.fill(&mut [0; 32]));

    let pair = check(&mut checks, "ML-KEM-768 key pair", "FIPS 203 7.1", 1, || it.ml_kem.generate());
    if let Some((secret, public)) = pair {
        let sent = check(&mut checks, "ML-KEM-768 encapsulate", "FIPS 203 7.2", 1, || it.ml_kem.encapsulate(&public));
        if let Some((ct, shared)) = sent {
            check(&mut checks, "ML-KEM-768 decapsulate", "FIPS 203 7.3", 1, || {
                same(it.ml_kem.decapsulate(secret.expose(), &ct)?.expose(), shared.expose())
            });
        }
    }
    let pair = || it.agreement.generate();
    let ours = check(&mut checks, "P-256 key pair", "FIPS 186-5 A.2.2", 1, pair);
    if let Some((secret, public)) = ours {
        // Their pair, and both sides.
        check(&mut checks, "P-256 key agreement", "SP 800-56A 5.7.1.2", 3, || {
            let (their_secret, their_public) = pair()?;
            let (shared, by_them) = (
                it.agreement.agree(secret.expose(), &their_public)?,
                it.agreement.agree(their_secret.expose(), &public)?,
            );
            same(shared.expose(), by_them.expose())
        });
    }

    let mut public = [0; ed25519::PUBLIC_LEN];
    let seed = check(&mut checks, "Ed25519 key pair", "FIPS 186-5 7.2", 1, || {
        Secret::make(|seed| {
            public = ed25519::generate(seed).ok_or(CryptoError::Module("generate a key pair"))?;
            Ok(())
        })
    });
    if let Some(seed) = seed {
        let seed = seed.expose();
        // Two: the seed is expanded by SHA-512.
        let signature = check(&mut checks, "Ed25519 sign", "FIPS 186-5 7.6", 2, || {
            ed25519::sign(seed, b"message").ok_or(CryptoError::Module("sign"))
        });
        if let Some(signature) = signature {
            check(&mut checks, "Ed25519 verify", "FIPS 186-5 7.7", 1, || {
                match ed25519::verify(&public, b"message", &signature) {
                    true => Ok(()),
                    false => Err(CryptoError::BadSignature),
                }
            });
        }
    }
    checks.push(ml_dsa());
    checks
}

/// Runs an operation, and compares how many approved services the module has counted for it.
fn check<R>(
    checks: &mut Vec<Check>,
    name: &'static str,
    standard: &'static str,
    services: u64,
    operation: impl FnOnce() -> Result<R, CryptoError>,
) -> Option<R> {
    // SAFETY: reads a counter of this thread.
    let before = unsafe { sys::FIPS_service_indicator_before_call() };
    let result = operation();
    // SAFETY: the same.
    let counted = unsafe { sys::FIPS_service_indicator_after_call() }.wrapping_sub(before);
    let approved = counted == services;
    let (result, outcome) = match result {
        Err(error) => (None, Err(error.to_string())),
        Ok(_) if !approved => {
            (None, Err(format!("the module counts {counted} approved services instead of {services}")))
        }
        Ok(result) => (Some(result), Ok(String::new())),
    };
    checks.push(Check { name, standard, approved: Some(approved), outcome });
    result
}

/// The one named exception: both signatures of a pair are made and verified, and this half is in no module.
fn ml_dsa() -> Check {
    let sign = PROVIDER.sign;
    let signed = sign.generate().and_then(|(secret, public)| {
        let signature = sign.sign(secret.expose(), b"message")?;
        sign.verify(&public, b"message", &signature)
    });
    Check {
        name: "ML-DSA-65 beside Ed25519",
        standard: "FIPS 204",
        approved: Some(false),
        outcome: match signed {
            Ok(()) => Ok("in no validated module: a second signature, for which nothing is claimed".into()),
            Err(error) => Err(error.to_string()),
        },
    }
}

fn same(a: &[u8], b: &[u8]) -> Result<(), CryptoError> {
    if a == b { Ok(()) } else { Err(CryptoError::NotAuthentic) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_passes_and_one_thing_is_excepted() {
        let checks = run();
        for check in &checks {
            assert!(check.outcome.is_ok(), "{check:?}");
        }
        let excepted: Vec<_> = checks.iter().filter(|check| check.approved == Some(false)).map(|it| it.name).collect();
        assert_eq!(excepted, ["ML-DSA-65 beside Ed25519"]);
        assert_eq!(checks.len(), 20);
    }

    /// What is not counted as often as it should be fails, and so does what is not done.
    #[test]
    fn a_wrong_count_or_an_error_fails() {
        let mut checks = Vec::new();
        assert!(check(&mut checks, "none", "", 1, || Ok(())).is_none());
        assert!(
            check(&mut checks, "two", "", 1, || Ok([PROVIDER.hash.hash(&[b"a"]), PROVIDER.hash.hash(&[b"b"])]))
                .is_none()
        );
        assert!(check(&mut checks, "error", "", 0, || Err::<(), _>(CryptoError::BadSignature)).is_none());
        for check in &checks {
            assert!(check.outcome.is_err(), "{check:?}");
        }
    }
}
