//! What this program computes with. The default one has the RustCrypto backend in its library; the one that is built in `fips/`
//! stands on a validated module, and on nothing if that does not work.

use crate::error::CommandError;
use crypto_backends::Module;
use zvault::store::TlsParameters;

/// Before anything is computed.
#[cfg(not(feature = "fips"))]
#[allow(clippy::unnecessary_wraps)] // the other one can fail
pub(crate) fn install() -> Result<(), CommandError> {
    Ok(())
}

#[cfg(feature = "fips")]
const _: () = assert!(!crypto_backends::HAS_RUSTCRYPTO, "the FIPS program has no other backend");

#[cfg(feature = "fips")]
pub(crate) fn install() -> Result<(), CommandError> {
    let failed = |error: &dyn std::error::Error| {
        CommandError::new(zvault::Trouble::Failed, "the FIPS module does not work, and nothing was done")
            .cause(error)
            .hint("see \"Self-tests and errors\" in fips/README.md")
    };
    let backend = zvault_fips::provider().map_err(|error| failed(&error))?;
    crypto_backends::install(backend).map_err(|error| failed(&error))
}

/// The validated module that this program stands on.
pub(crate) fn module() -> Option<Module> {
    #[cfg(feature = "fips")]
    return Some(zvault_fips::MODULE);
    #[cfg(not(feature = "fips"))]
    None
}

/// What TLS to stores is made of, where that is restricted.
pub(crate) fn tls() -> Option<Result<TlsParameters, String>> {
    zvault::store::tls_parameters().map(|it| it.map_err(|error| zvault::chain(&*error)))
}
