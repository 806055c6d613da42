//! Lowering the passphrase floors holds for a whole process, so it has one to itself.
#![cfg(debug_assertions)]
use crypto_backends::{CryptoError, PasswordParams, Suite, rustcrypto};

#[test]
fn floors_are_lowered_only_after_asking() {
    let password = rustcrypto::provider().password;
    let cheap = PasswordParams::Argon2id { m_kib: 64, t: 1, p: 1 };
    let derive = || password.derive(&cheap, &[1; 32], b"test passphrase");

    assert!(matches!(password.check_create(&cheap), Err(CryptoError::WeakPassword { .. })));
    assert!(matches!(derive(), Err(CryptoError::WeakPassword { .. })));
    assert_ne!(password.fit(0), cheap);

    let pbkdf2 = rustcrypto::provider_of(Suite::Fips).password;
    let once = PasswordParams::Pbkdf2 { rounds: 1 };
    assert!(matches!(pbkdf2.check_open(&once), Err(CryptoError::WeakPassword { .. })));

    rustcrypto::lower_kdf_floors_for_tests();
    password.check_create(&cheap).unwrap();
    password.check_create_low_memory(&cheap).unwrap();
    assert_eq!([password.fit(1 << 40), password.fit_low_memory()], [cheap; 2]);
    assert!(derive().unwrap().ct_eq(&derive().unwrap()));

    pbkdf2.check_create(&once).unwrap();
    assert_eq!([pbkdf2.fit(1 << 40), pbkdf2.fit_low_memory()], [once; 2]);
    pbkdf2.derive(&once, &[1; 32], b"test passphrase").unwrap();
    assert!(pbkdf2.derive(&once, &[1; 32], b"thirteenbytes").is_err());

    // Limits are not lowered: hostile slots stay hostile.
    let lanes = PasswordParams::Argon2id { m_kib: 64, t: 1, p: 2 };
    assert!(matches!(password.check_open(&lanes), Err(CryptoError::ExcessivePassword { .. })));
    let free = PasswordParams::Argon2id { m_kib: 63, t: 1, p: 1 };
    assert!(matches!(password.check_open(&free), Err(CryptoError::WeakPassword { .. })));
}
