//! Options and environment in, a client of the object store library out, and the name of the credential that it uses.
//!
//! Nothing here waits for a metadata service that is not there: a credential is looked for where this machine says that
//! there is one, and only then, for a moment, at the address where virtual machines find theirs.

mod aws_container;
#[cfg(feature = "aws-profiles")]
mod aws_http;
#[cfg_attr(not(feature = "aws-profiles"), path = "no_aws_profile.rs")]
mod aws_profile;
mod azure;
mod credential;
mod gcs;
mod gcs_external;
mod s3;
mod share;

pub use credential::CredentialError;
pub use share::{KeptCredentials, settings_to_take, shared_credentials, shared_settings};

use super::options::{OptionError, StoreOptions};
use super::signed::Signing;
use super::transport::{Transport, TransportError, TransportOptions, UploadCheck};
use super::{BoxError, StoreError, StoreUrl};
use object_store::path::Path as ObjectPath;
use object_store::prefix::PrefixStore;
use object_store::{ClientOptions, ObjectStore};
use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;

/// A store that was opened.
pub(super) struct Opened {
    /// Below the prefix of the URL.
    pub(super) objects: Arc<dyn ObjectStore>,
    /// Which credential is used, in words.
    pub(super) credential: String,
    /// What that credential signs URLs with, if it can.
    pub(super) signing: Option<Signing>,
    /// The storage class of data packs, if it is not the default of the bucket.
    pub(super) pack_class: Option<String>,
    /// Whether to ask the store to refuse overwriting.
    pub(super) conditional_create: bool,
    /// What is below the client.
    pub(super) transport: Transport,
}

/// Opens a bucket. `at` is what errors call it.
pub(super) async fn open(
    url: &StoreUrl,
    options: &StoreOptions,
    environment: &Environment,
    at: &str,
) -> Result<Opened, StoreError> {
    let opened = match url {
        StoreUrl::S3(bucket) => s3::open(bucket, options, environment, at).await,
        StoreUrl::Gcs(bucket) => gcs::open(bucket, options, environment).await,
        StoreUrl::Azure(bucket) => azure::open(bucket, options, environment).await,
        StoreUrl::Folder(_) | StoreUrl::Memory(_) => {
            Err(OptionError::Needs("this store is in no bucket".into()).into())
        }
    };
    opened.map_err(|error| error.at(at))
}

/// Why a bucket cannot be opened; [`StoreError`] says where.
enum OpenError {
    Option(OptionError),
    Credential(CredentialError),
    Store(StoreError),
    Failed(BoxError),
}

impl OpenError {
    fn at(self, at: &str) -> StoreError {
        let at = at.to_owned();
        match self {
            Self::Option(source) => StoreError::Option { at, source },
            Self::Credential(source) => StoreError::Credential { at, source },
            Self::Store(error) => error,
            Self::Failed(source) => match source.downcast::<object_store::Error>() {
                Ok(error) => StoreError::sort(at, *error),
                Err(source) => StoreError::sort_io(at, source),
            },
        }
    }
}

impl From<OptionError> for OpenError {
    fn from(error: OptionError) -> Self {
        Self::Option(error)
    }
}

impl From<CredentialError> for OpenError {
    fn from(error: CredentialError) -> Self {
        Self::Credential(error)
    }
}

impl From<object_store::Error> for OpenError {
    fn from(error: object_store::Error) -> Self {
        Self::Failed(error.into())
    }
}

/// The prefix is put before every name and taken off every listed one here, and nowhere else.
fn below(prefix: &str, store: impl ObjectStore) -> Arc<dyn ObjectStore> {
    // The URL holds only what parses.
    match ObjectPath::parse(prefix) {
        Ok(prefix) if !prefix.as_ref().is_empty() => Arc::new(PrefixStore::new(store, prefix)),
        _ => Arc::new(store),
    }
}

fn transport(options: &StoreOptions, http: bool, check: UploadCheck) -> Result<Transport, OpenError> {
    let transport = Transport::new(&TransportOptions {
        ca_cert: options.ca_cert.clone(),
        limit_upload: options.limit_upload,
        limit_download: options.limit_download,
        allow_http: http,
        check,
        ..TransportOptions::default()
    });
    transport.map_err(|error| match (&options.ca_cert, error) {
        (Some(path), error @ (TransportError::CaCert { .. } | TransportError::NoCert { .. })) => {
            let (path, why) = (path.display().to_string(), crate::chain(&error));
            OptionError::Certificates { path, why }.into()
        }
        (_, error) => OpenError::Failed(error.into()),
    })
}

/// No timeouts: those of the transport know how large a request is.
pub(super) fn client_options(http: bool) -> ClientOptions {
    ClientOptions::new()
        .with_timeout_disabled()
        .with_connect_timeout_disabled()
        .with_read_timeout_disabled()
        .with_allow_http(http)
}

/// The variables of the environment.
pub(super) struct Environment {
    variables: Box<Lookup>,
    /// Some of them are what was kept, and where.
    kept: Option<share::Place>,
}

type Lookup = dyn Fn(&str) -> Option<OsString> + Send + Sync;

impl Environment {
    /// Those of the process.
    pub(super) fn of_process() -> Self {
        Self { variables: Box::new(|name| std::env::var_os(name)), kept: None }
    }

    /// These and no others.
    #[cfg(test)]
    fn of(variables: &[(&'static str, &str)]) -> Self {
        let variables: std::collections::HashMap<&str, OsString> =
            variables.iter().map(|(name, value)| (*name, OsString::from(value))).collect();
        Self { variables: Box::new(move |name| variables.get(name).cloned()), kept: None }
    }

    /// An empty variable is one that is not set.
    fn text(&self, name: &str) -> Option<String> {
        (self.variables)(name).and_then(|value| value.into_string().ok()).filter(|value| !value.is_empty())
    }

    fn path(&self, name: &str) -> Option<PathBuf> {
        (self.variables)(name).filter(|value| !value.is_empty()).map(PathBuf::from)
    }

    /// The first of several names of one thing that is set.
    fn first(&self, names: &[&'static str]) -> Option<(&'static str, String)> {
        names.iter().find_map(|name| self.text(name).map(|value| (*name, value)))
    }

    fn flag(&self, name: &str) -> bool {
        self.text(name).is_some_and(|value| matches!(value.to_ascii_lowercase().as_str(), "true" | "1" | "yes"))
    }
}

#[cfg(test)]
mod tests;
