//! How TLS is set up: by the HTTP client, or in the FIPS program here, where it is looked at before it is used.

use super::TransportError;
use crate::store::BoxError;
use rustls::pki_types::CertificateDer;

#[cfg(feature = "fips")]
pub(super) use approved::set_up;

/// What TLS to a store is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsParameters {
    /// Newest first.
    pub versions: Vec<String>,
    /// In the order in which they are offered.
    pub cipher_suites: Vec<String>,
    /// The same.
    pub groups: Vec<String>,
}

/// What this program offers to stores, if it offers approved parameters only. An error: it would offer nothing, because the
/// module below is not in FIPS mode.
pub fn tls_parameters() -> Option<Result<TlsParameters, BoxError>> {
    #[cfg(feature = "fips")]
    return Some(approved::parameters().map_err(Into::into));
    #[cfg(not(feature = "fips"))]
    None
}

/// Trusts these certificates beside the system's.
#[cfg(not(feature = "fips"))]
pub(super) fn set_up(
    builder: reqwest::ClientBuilder,
    trusted: Vec<CertificateDer<'static>>,
) -> Result<reqwest::ClientBuilder, TransportError> {
    if trusted.is_empty() {
        return Ok(builder);
    }
    let trusted: Result<Vec<_>, _> = trusted.iter().map(|der| reqwest::Certificate::from_der(der)).collect();
    Ok(builder.tls_certs_merge(trusted?))
}

#[cfg(feature = "fips")]
mod approved {
    use super::*;
    use rustls::crypto::CryptoProvider;
    use rustls::crypto::aws_lc_rs::{default_provider, kx_group};
    use rustls::{ClientConfig, ConfigBuilder, RootCertStore, SupportedProtocolVersion, WantsVerifier, version};
    use rustls_platform_verifier::Verifier;
    use std::sync::Arc;

    /// Trusts these certificates beside the system's.
    pub(in super::super) fn set_up(
        builder: reqwest::ClientBuilder,
        trusted: Vec<CertificateDer<'static>>,
    ) -> Result<reqwest::ClientBuilder, TransportError> {
        Ok(builder.tls_backend_preconfigured(config(trusted)?))
    }

    /// What is offered does not depend on whom the system trusts.
    pub(super) fn parameters() -> Result<TlsParameters, TransportError> {
        let config = builder()?.with_root_certificates(RootCertStore::empty()).with_no_client_auth();
        let config = in_fips_mode(config)?;
        let provider = config.crypto_provider();
        Ok(TlsParameters {
            versions: VERSIONS.iter().map(|it| format!("{:?}", it.version).replace("v1_", " 1.")).collect(),
            cipher_suites: provider.cipher_suites.iter().map(|it| format!("{:?}", it.suite())).collect(),
            groups: provider.kx_groups.iter().map(|it| format!("{:?}", it.name())).collect(),
        })
    }

    fn config(trusted: Vec<CertificateDer<'static>>) -> Result<ClientConfig, TransportError> {
        let builder = builder()?;
        let verifier = Verifier::new_with_extra_roots(trusted, builder.crypto_provider().clone())?;
        // That of reqwest, too: what the system trusts, and these.
        let builder = builder.dangerous().with_custom_certificate_verifier(Arc::new(verifier));
        in_fips_mode(builder.with_no_client_auth())
    }

    fn builder() -> Result<ConfigBuilder<ClientConfig, WantsVerifier>, TransportError> {
        // In the hybrid group both halves are approved; in that with X25519 one is not.
        let kx_groups = vec![kx_group::SECP256R1MLKEM768, kx_group::SECP256R1, kx_group::SECP384R1];
        let provider = CryptoProvider { kx_groups, ..default_provider() };
        Ok(ClientConfig::builder_with_provider(Arc::new(provider)).with_protocol_versions(VERSIONS)?)
    }

    /// Suites, groups, signatures, randomness, and for TLS 1.2 the extended master secret (FIPS 140-3 IG D.Q).
    fn in_fips_mode(config: ClientConfig) -> Result<ClientConfig, TransportError> {
        if config.fips() { Ok(config) } else { Err(TransportError::NotFips) }
    }

    static VERSIONS: &[&SupportedProtocolVersion] = &[&version::TLS13, &version::TLS12];
}
