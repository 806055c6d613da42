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
    #[cfg(debug_assertions)]
    fn hkdf_known_answers_below_our_framing() {
        let cases = crypto_backends::testing::known_answers::cases("02/primitives/hkdf");
        for case in cases.iter().filter(|case| !case.hex("salt").is_empty() && !case.hex("info").is_empty()) {
            let expected = case.hex("out");
            let mut out = vec![0; expected.len()];
            hkdf_sha256(&case.hex("secret"), &case.hex("salt"), &case.hex("info"), &mut out).unwrap();
            assert_eq!(out, expected, "{}", case.name);
        }
        assert_eq!(cases.len(), 16);
    }

    #[test]
    fn hkdf_keeps_to_its_limit() {
        assert!(hkdf_sha256(b"secret", b"salt", b"info", &mut [0; 255 * 32]).is_some());
        assert!(hkdf_sha256(b"secret", b"salt", b"info", &mut [0; 255 * 32 + 1]).is_none());
    }
}
