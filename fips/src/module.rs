//! The module: whether it is the right one, and the few of its services that `aws-lc-rs` does not offer, or offers in a way
//! that leaves secrets in memory. All `unsafe` code of this crate is here and below.
use std::ffi::CStr;
use std::ptr::NonNull;

use aws_lc_fips_sys as sys;

pub(crate) mod ed25519;
pub(crate) mod p256;

#[cfg(not(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64"))))]
compile_error!("only the static module of Linux on x86-64 and AArch64 was looked at; see README.md");

/// What the module says of itself: the version on its certificates.
pub const VERSION: &str = "AWS-LC FIPS 3.1.0";

/// The certificate of the static module. The same version as a shared library has #5298.
pub const CERTIFICATE: &str = "5314";

/// Why there is no provider.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FipsError {
    /// The library that is linked was not built as a FIPS module.
    #[error("the cryptographic library is not in FIPS mode")]
    NotFips,
    /// Another version than the one with the certificate.
    #[error("the cryptographic module is {found:?} instead of {VERSION:?}")]
    OtherVersion {
        /// What it calls itself.
        found: String,
    },
    /// One of the module's self-tests failed.
    #[error("the self-tests of the cryptographic module failed")]
    SelfTest,
}

/// Integrity and most known answers were tested when the process started; a module that fails there ends the process. Here all of
/// them run again, with those that the module puts off until an algorithm is used.
pub(crate) fn check() -> Result<(), FipsError> {
    aws_lc_rs::try_fips_mode().map_err(|_| FipsError::NotFips)?;
    is_validated(&version())?;
    // SAFETY: no arguments; tests itself with data of its own.
    if unsafe { sys::BORINGSSL_integrity_test() != 1 || sys::BORINGSSL_self_test() != 1 } {
        return Err(FipsError::SelfTest);
    }
    Ok(())
}

fn is_validated(version: &str) -> Result<(), FipsError> {
    if version == VERSION { Ok(()) } else { Err(FipsError::OtherVersion { found: version.to_owned() }) }
}

pub(crate) fn version() -> String {
    // SAFETY: a string literal of the module's, which lives as long as the process.
    unsafe { CStr::from_ptr(sys::awslc_version_string()) }.to_string_lossy().into_owned()
}

/// HKDF-SHA-256, extract and expand as one service. Not that of `aws-lc-rs`, which keeps a copy of the salt that it does not
/// wipe: two of our salts are secrets (SPEC section 3.1, `box` and `sealed dek`).
pub(crate) fn hkdf_sha256(secret: &[u8], salt: &[u8], info: &[u8], out: &mut [u8]) -> Option<()> {
    assert!(!salt.is_empty() && !info.is_empty(), "approved only with salt and info");
    // SAFETY: each pointer with the length of its slice; the digest is a constant of the module's.
    let done = unsafe {
        sys::HKDF(
            out.as_mut_ptr(),
            out.len(),
            sys::EVP_sha256(),
            secret.as_ptr(),
            secret.len(),
            salt.as_ptr(),
            salt.len(),
            info.as_ptr(),
            info.len(),
        )
    };
    (done == 1).then_some(())
}

/// Something of the module's that is freed, and so wiped, at its end.
struct Owned<T> {
    at: NonNull<T>,
    free: unsafe extern "C" fn(*mut T),
}

impl<T> Owned<T> {
    fn new(at: *mut T, free: unsafe extern "C" fn(*mut T)) -> Option<Self> {
        NonNull::new(at).map(|at| Self { at, free })
    }

    fn ptr(&self) -> *mut T {
        self.at.as_ptr()
    }
}

impl<T> Drop for Owned<T> {
    fn drop(&mut self) {
        // SAFETY: it came from the function that belongs to `free`, and nobody else frees it.
        unsafe { (self.free)(self.ptr()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_right_module_is_linked_and_others_are_refused() {
        check().unwrap();
        assert_eq!(version(), VERSION);
        for other in ["AWS-LC 3.1.0", "AWS-LC FIPS 3.0.0", "AWS-LC FIPS 3.6.0", "AWS-LC FIPS 4.0.0", ""] {
            assert_eq!(is_validated(other), Err(FipsError::OtherVersion { found: other.to_owned() }));
        }
    }

    #[test]
    #[should_panic(expected = "approved only with")]
    fn hkdf_without_info_is_a_bug() {
        hkdf_sha256(b"secret", b"salt", b"", &mut [0; 32]);
    }

    #[test]
    fn hkdf_keeps_to_its_limit() {
        assert!(hkdf_sha256(b"secret", b"salt", b"info", &mut [0; 255 * 32]).is_some());
        assert!(hkdf_sha256(b"secret", b"salt", b"info", &mut [0; 255 * 32 + 1]).is_none());
    }
}

/// Known answers of what the module does with given randomness, and of HKDF without our framing. No such thing is outside of tests.
#[cfg(all(test, debug_assertions))]
mod known_answers {
    use std::ptr::null_mut;

    use crypto_backends::testing::known_answers::{below, cases};
    use crypto_backends::{Key, SecretBytes};

    use super::*;
    use crate::ml_kem::{CT_LEN, MlKem768, PUBLIC_LEN, SECRET_LEN};

    #[test]
    fn hkdf() {
        let derive = |secret: &[u8], salt: &[u8], info: &[u8], out: &mut [u8]| {
            if salt.is_empty() || info.is_empty() { None } else { hkdf_sha256(secret, salt, info, out) }
        };
        assert_eq!(below::hkdf_sha256(derive), 13);
    }

    #[test]
    fn ml_kem() {
        assert_eq!(below::ml_kem_768(&MlKem768, from_seed, encapsulate), 7 + 15 + 27);
    }

    fn from_seed(seed: &[u8]) -> (SecretBytes, Vec<u8>) {
        let (mut secret, mut public) = (vec![0; SECRET_LEN], vec![0; PUBLIC_LEN]);
        let (mut secret_len, mut public_len, mut seed_len) = (SECRET_LEN, PUBLIC_LEN, seed.len());
        let mut pair = null_mut();
        // SAFETY: constants of the module's, and no engine.
        let context = unsafe { sys::EVP_PKEY_CTX_new_id(sys::EVP_PKEY_KEM, null_mut()) };
        let context = Owned::new(context, sys::EVP_PKEY_CTX_free).unwrap();
        // SAFETY: the context exists; the seed has the length that is given; a null asks for a new pair, which the `Owned` frees.
        let made = unsafe {
            sys::EVP_PKEY_CTX_kem_set_params(context.ptr(), sys::NID_MLKEM768) == 1
                && sys::EVP_PKEY_keygen_init(context.ptr()) == 1
                && sys::EVP_PKEY_keygen_deterministic(context.ptr(), &mut pair, seed.as_ptr(), &mut seed_len) == 1
        };
        let pair = Owned::new(pair, sys::EVP_PKEY_free).filter(|_| made).unwrap();
        // SAFETY: both buffers have room for the lengths that are given.
        let read = unsafe {
            sys::EVP_PKEY_get_raw_private_key(pair.ptr(), secret.as_mut_ptr(), &mut secret_len) == 1
                && sys::EVP_PKEY_get_raw_public_key(pair.ptr(), public.as_mut_ptr(), &mut public_len) == 1
        };
        assert!(read && (secret_len, public_len, seed_len) == (SECRET_LEN, PUBLIC_LEN, 64));
        (SecretBytes::new(secret), public)
    }

    fn encapsulate(m: &[u8], public: &[u8]) -> (Vec<u8>, Key) {
        let (mut ct, mut shared) = (vec![0; CT_LEN], [0; 32]);
        let (mut ct_len, mut shared_len, mut m_len) = (ct.len(), shared.len(), m.len());
        // SAFETY: `public` has the length that is given.
        let key = unsafe { sys::EVP_PKEY_kem_new_raw_public_key(sys::NID_MLKEM768, public.as_ptr(), public.len()) };
        let key = Owned::new(key, sys::EVP_PKEY_free).unwrap();
        // SAFETY: the key exists, and the context keeps it alive.
        let context = unsafe { sys::EVP_PKEY_CTX_new(key.ptr(), null_mut()) };
        let context = Owned::new(context, sys::EVP_PKEY_CTX_free).unwrap();
        // SAFETY: all buffers have the lengths that are given.
        let done = unsafe {
            sys::EVP_PKEY_encapsulate_deterministic(
                context.ptr(),
                ct.as_mut_ptr(),
                &mut ct_len,
                shared.as_mut_ptr(),
                &mut shared_len,
                m.as_ptr(),
                &mut m_len,
            )
        };
        assert!(done == 1 && (ct_len, shared_len, m_len) == (CT_LEN, 32, 32));
        (ct, Key::new(shared))
    }

    /// As the test says: seeded, seeded again, and the second output counts.
    #[test]
    fn ctr_drbg() {
        let cases = cases("02/primitives/ctr_drbg");
        for case in &cases {
            let personalization = case.hex("personalization");
            let mut out = vec![0; case.hex("out").len()];
            // SAFETY: the entropy has the 48 bytes that the module reads, and what follows the length that is given.
            let drbg = unsafe {
                sys::CTR_DRBG_new(entropy(&case.hex("entropy")), personalization.as_ptr(), personalization.len())
            };
            let drbg = Owned::new(drbg, sys::CTR_DRBG_free).unwrap();
            let additional = case.hex("reseed_additional");
            // SAFETY: the same, and the generator exists.
            let reseeded = unsafe {
                sys::CTR_DRBG_reseed(
                    drbg.ptr(),
                    entropy(&case.hex("reseed_entropy")),
                    additional.as_ptr(),
                    additional.len(),
                )
            };
            assert_eq!(reseeded, 1, "{}", case.name);
            for additional in ["additional0", "additional1"].map(|field| case.hex(field)) {
                // SAFETY: the generator exists, and both buffers have the lengths that are given.
                let made = unsafe {
                    sys::CTR_DRBG_generate(
                        drbg.ptr(),
                        out.as_mut_ptr(),
                        out.len(),
                        additional.as_ptr(),
                        additional.len(),
                    )
                };
                assert_eq!(made, 1, "{}", case.name);
            }
            assert_eq!(out, case.hex("out"), "{}", case.name);
        }
        assert_eq!(cases.len(), 2);
    }

    fn entropy(bytes: &[u8]) -> *const u8 {
        assert_eq!(bytes.len(), 48);
        bytes.as_ptr()
    }
}
