//! Both suites from the RustCrypto, dalek and BLAKE3 crates: no C, no validated module.
use crate::{Backend, Provider, Suite};

mod aead;
mod gcm;
mod hash;
mod hkdf;
mod kdf;
mod kem;
mod ml_kem;
mod ml_kem_p256;
mod p256;
mod password;
mod pbkdf2;
mod random;
mod sha256;
mod sign;
mod x25519;

#[cfg(debug_assertions)]
#[doc(hidden)]
pub use crate::passphrase::lower_kdf_floors_for_tests;

#[cfg(any(test, debug_assertions))]
pub(crate) use {
    aead::XChaCha20Poly1305, gcm::Aes256Gcm, kem::XWing, ml_kem::MlKem768, ml_kem_p256::MlKem768P256, p256::P256,
    sign::Ed25519WithMlDsa65, x25519::X25519,
};

pub(crate) use {
    hash::Blake3, hkdf::HkdfSha256, kdf::Blake3Kdf, password::Argon2id, pbkdf2::Pbkdf2, random::OsRandom,
    sha256::Sha256,
};

/// The backend of `suite`.
pub fn provider_of(suite: Suite) -> &'static Provider {
    match suite {
        Suite::Default => &DEFAULT,
        Suite::Fips => &FIPS,
    }
}

/// The backend of suite `0x01`.
pub fn provider() -> &'static Provider {
    provider_of(Suite::Default)
}

static SIGN: sign::Ed25519WithMlDsa65 = sign::Ed25519WithMlDsa65::new(&OsRandom);

const BACKEND: Backend = Backend { name: "RustCrypto", randomness: "operating system", module: None };

static DEFAULT: Provider = Provider {
    suite: Suite::Default,
    backend: BACKEND,
    aead: &aead::XChaCha20Poly1305 { random: &OsRandom },
    hash: &Blake3,
    keyed_hash: &Blake3,
    kdf: &Blake3Kdf,
    password: &Argon2id,
    kem: &kem::XWing { random: &OsRandom },
    agreement: &x25519::X25519 { random: &OsRandom },
    ml_kem: &ml_kem::MlKem768 { random: &OsRandom },
    sign: &SIGN,
    random: &OsRandom,
};

static FIPS: Provider = Provider {
    suite: Suite::Fips,
    backend: BACKEND,
    aead: &gcm::Aes256Gcm { random: &OsRandom },
    hash: &Sha256,
    keyed_hash: &Sha256,
    kdf: &HkdfSha256,
    password: &Pbkdf2,
    kem: &ml_kem_p256::MlKem768P256 { random: &OsRandom },
    agreement: &p256::P256 { random: &OsRandom },
    ml_kem: &ml_kem::MlKem768 { random: &OsRandom },
    sign: &SIGN,
    random: &OsRandom,
};
