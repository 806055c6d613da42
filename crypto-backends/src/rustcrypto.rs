//! Suite `0x01` from the RustCrypto, dalek and BLAKE3 crates: no C, no validated module.
use crate::{Provider, Suite};

mod aead;
mod hash;
mod kdf;
mod kem;
mod password;
mod random;
mod sign;

#[cfg(debug_assertions)]
#[doc(hidden)]
pub use password::lower_kdf_floors_for_tests;

#[cfg(any(test, debug_assertions))]
pub(crate) use {aead::XChaCha20Poly1305, kem::XWing, sign::Ed25519WithMlDsa65};

pub(crate) use {hash::Blake3, kdf::Blake3Kdf, password::Argon2id, random::OsRandom};

/// The backend of suite `0x01`.
pub fn provider() -> &'static Provider {
    &PROVIDER
}

static SIGN: sign::Ed25519WithMlDsa65 = sign::Ed25519WithMlDsa65::new(&OsRandom);

static PROVIDER: Provider = Provider {
    suite: Suite::Default,
    aead: &aead::XChaCha20Poly1305 { random: &OsRandom },
    hash: &Blake3,
    keyed_hash: &Blake3,
    kdf: &Blake3Kdf,
    password: &Argon2id,
    kem: &kem::XWing { random: &OsRandom },
    sign: &SIGN,
    random: &OsRandom,
};
