//! Suite `0x02` on the FIPS module of AWS-LC: the parts of [`crypto_backends::contract`], and nothing else.
//!
//! [`provider`] is the only way in, and it is shut unless the module that is linked is the one that has the certificate and its
//! self-tests pass. What is claimed, and what is not, is in README.md.
use std::sync::OnceLock;

use crypto_backends::{Backend, FipsStatus, Module, Provider, Suite};

mod aead;
mod hash;
mod hkdf;
mod ml_kem;
mod ml_kem_p256;
mod module;
mod p256;
mod pbkdf2;
mod random;
mod self_test;
mod sign;
mod unvalidated_ml_dsa;

pub use module::{CERTIFICATE, FipsError, VERSION};

/// The backend of suite `0x02`, if the module works. It is asked once in a process: a module does not get better.
pub fn provider() -> Result<&'static Provider, FipsError> {
    static CHECKED: OnceLock<Result<(), FipsError>> = OnceLock::new();
    CHECKED.get_or_init(module::check).clone()?;
    Ok(&PROVIDER)
}

/// The module, for who wants to know why there is no [`provider`].
pub const MODULE: Module = Module { name: VERSION, certificate: CERTIFICATE, self_test: self_test::run };

static PROVIDER: Provider = Provider {
    suite: Suite::Fips,
    backend: Backend { name: "AWS-LC", randomness: "CTR_DRBG with AES-256", module: Some(MODULE) },
    aead: &aead::Aes256Gcm,
    hash: &hash::Sha256,
    keyed_hash: &hash::Sha256,
    kdf: &hkdf::HkdfSha256,
    password: &pbkdf2::Pbkdf2,
    kem: &ml_kem_p256::MlKem768P256,
    agreement: &p256::P256,
    ml_kem: &ml_kem::MlKem768,
    sign: &sign::SIGN,
    random: &random::Drbg,
};

/// Of parts that are services of the module and of nothing else.
const CERTIFIED: FipsStatus = FipsStatus::Certified { certificate: CERTIFICATE };
