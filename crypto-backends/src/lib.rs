//! What a cryptographic suite must offer ([`contract`]), and the RustCrypto backend that offers it (`rustcrypto`, a feature).
//!
//! A backend is a [`Provider`]: one small part for each job of SPEC section 3. Callers hold a
//! `&'static Provider` and never name an algorithm.
pub mod contract;
mod error;
mod fips;
pub mod memory;
pub mod passphrase;
mod provider;
#[cfg(feature = "rustcrypto")]
pub mod rustcrypto;
mod secret;
#[cfg(any(test, debug_assertions))]
pub mod testing;

/// Whether this build has the RustCrypto backend: a program that stands on a module asserts that it has not.
pub const HAS_RUSTCRYPTO: bool = cfg!(feature = "rustcrypto");

pub use contract::{
    Aead, Hash, Kdf, Kem, KeyAgreement, KeyedHash, Nonce, PasswordKdf, PasswordParams, Random, Sealed, Signatures,
};
pub use error::CryptoError;
pub use fips::{Check, FipsStatus, Module};
pub use provider::{Backend, Provider, install, own, provider};
pub use secret::{Key, Secret, SecretBytes, ct_eq};
pub use vault_format::Suite;
