//! Credentials: how long to wait for one, and what to say where there is none.

use super::client_options;
use crate::keychain::KeychainError;
use crate::store::BoxError;
use crate::store::error::io_error;
use crate::store::transport::Transport;
use crate::store::transport::traffic::Kind;
use async_trait::async_trait;
use bytes::Bytes;
use http_body_util::{BodyExt, Limited};
use object_store::client::{CredentialProvider, HttpConnector, HttpError, HttpErrorKind, HttpRequestBody};
use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tokio::sync::Mutex;

/// Why there is no credential. Holds none.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CredentialError {
    /// Nothing says who this machine is.
    #[error("no credential for {kind} was found; looked for {}", looked.join("; "))]
    Missing {
        /// The kind of store.
        kind: &'static str,
        /// Where a credential may be, and why there was none.
        looked: Vec<String>,
    },
    /// One half of a credential.
    #[error("{set} is set, and {missing} is not")]
    Incomplete {
        /// What there is.
        set: &'static str,
        /// What belongs to it.
        missing: &'static str,
    },
    /// There is one, and it cannot be used.
    #[error("{credential} gives no credential")]
    Failed {
        /// Which one, in words.
        credential: String,
        /// Why.
        #[source]
        source: BoxError,
    },
    /// The answer takes too long.
    #[error("{credential} gives no credential: no answer in {seconds} s")]
    Slow {
        /// Which one, in words.
        credential: String,
        /// How long it was waited for.
        seconds: u64,
    },
    /// It came with the pairing, and the keychain has it.
    #[error("the credential from the pairing is in the keychain")]
    Keychain(#[source] KeychainError),
}

impl CredentialError {
    /// What to do about it.
    pub fn hints(&self) -> Vec<String> {
        let hint = match self {
            Self::Keychain(error) => return error.hints(),
            Self::Missing { kind: "S3", .. } => {
                "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or name a profile with -o profile=NAME or AWS_PROFILE"
            }
            Self::Missing { kind: "GCS", .. } => {
                "set GOOGLE_APPLICATION_CREDENTIALS to the file of a key, or run 'gcloud auth application-default login'"
            }
            Self::Missing { kind: "Azure", .. } => {
                "set AZURE_STORAGE_ACCOUNT_KEY or AZURE_STORAGE_SAS_TOKEN, or run 'az login' and use -o use-cli=true"
            }
            Self::Failed { source, .. } if says_sso(source.as_ref()) => {
                "log in again with 'aws sso login', for the profile that is used here"
            }
            Self::Slow { .. } => "try again, or use another credential",
            _ => return Vec::new(),
        };
        vec![hint.into()]
    }
}

/// Gives what another provider gives, in time, and says which one it was when it fails.
pub(super) struct Named<T> {
    inner: Arc<dyn CredentialProvider<Credential = T>>,
    name: String,
    within: Duration,
}

impl<T: Send + Sync + 'static> Named<T> {
    pub(super) fn new(
        inner: Arc<dyn CredentialProvider<Credential = T>>,
        name: impl Into<String>,
        within: Duration,
    ) -> Arc<Self> {
        Arc::new(Self { inner, name: name.into(), within })
    }

    /// Asks for the credential now, so that what is wrong with it is known before anything else is tried.
    pub(super) async fn check(&self) -> Result<(), CredentialError> {
        self.fetch().await.map(drop)
    }

    async fn fetch(&self) -> Result<Arc<T>, CredentialError> {
        match tokio::time::timeout(self.within, self.inner.get_credential()).await {
            Ok(Ok(credential)) => Ok(credential),
            Ok(Err(error)) => {
                // Layers that name the library, and not what happened.
                let source = match error {
                    object_store::Error::Generic { source, .. } => source,
                    object_store::Error::Unauthenticated { source, .. } => source,
                    error => error.into(),
                };
                Err(CredentialError::Failed { credential: self.name.clone(), source })
            }
            Err(_) => Err(CredentialError::Slow { credential: self.name.clone(), seconds: self.within.as_secs() }),
        }
    }
}

#[async_trait]
impl<T: Send + Sync + 'static> CredentialProvider for Named<T> {
    type Credential = T;

    async fn get_credential(&self) -> object_store::Result<Arc<T>> {
        self.fetch().await.map_err(|error| match error {
            // Whoever repeats requests sees that this one is worth it.
            CredentialError::Failed { credential, source } if is_network(source.as_ref()) => {
                object_store::Error::Generic {
                    store: "credential",
                    source: CredentialError::Failed { credential, source }.into(),
                }
            }
            CredentialError::Slow { .. } => object_store::Error::Generic {
                store: "credential",
                source: std::io::Error::new(std::io::ErrorKind::TimedOut, error).into(),
            },
            error => object_store::Error::Unauthenticated { path: String::new(), source: error.into() },
        })
    }
}

impl<T> fmt::Debug for Named<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Named").field("name", &self.name).finish_non_exhaustive()
    }
}

/// What a provider gave, until shortly before it expires.
pub(super) struct Cache<T>(Mutex<Option<(Arc<T>, Option<SystemTime>)>>);

impl<T> Cache<T> {
    /// What there is, or what `fetch` gives with the time when it expires.
    pub(super) async fn get<E>(
        &self,
        fetch: impl Future<Output = Result<(T, Option<SystemTime>), E>>,
    ) -> Result<Arc<T>, E> {
        // Held while asking: a second login at the same moment helps nobody.
        let mut last = self.0.lock().await;
        let left = |expires: Option<SystemTime>| match expires {
            Some(expires) => expires.duration_since(SystemTime::now()).unwrap_or_default(),
            None => Duration::MAX,
        };
        if let Some((credential, _)) = last.as_ref().filter(|(_, expires)| left(*expires) > EARLY) {
            return Ok(credential.clone());
        }
        match (fetch.await, &*last) {
            (Ok((credential, expires)), _) => {
                let credential = Arc::new(credential);
                *last = Some((credential.clone(), expires));
                Ok(credential)
            }
            // What there is still works for a while.
            (Err(_), Some((credential, expires))) if !left(*expires).is_zero() => Ok(credential.clone()),
            (Err(error), _) => Err(error),
        }
    }
}

impl<T> Default for Cache<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

/// A request to a service that gives out credentials: it counts as one, and its reply is whole and not large.
pub(super) async fn ask(
    transport: &Transport,
    request: http::Request<Bytes>,
) -> Result<http::Response<Bytes>, HttpError> {
    let other = |error: BoxError| HttpError::new_boxed(HttpErrorKind::Unknown, error);
    let (mut head, body) = request.into_parts();
    head.extensions.insert(Kind::Other);
    let client = transport.connect(&client_options(false)).map_err(|error| other(error.into()))?;
    let reply = client.execute(http::Request::from_parts(head, HttpRequestBody::from(body))).await?;
    let (head, body) = reply.into_parts();
    let body = Limited::new(body, MAX_REPLY).collect().await;
    let body = body.map_err(|error| error.downcast::<HttpError>().map_or_else(other, |error| *error))?;
    Ok(http::Response::from_parts(head, body.to_bytes()))
}

/// In a few words, for the list of what was looked at.
pub(super) fn why_not(error: &CredentialError) -> String {
    match error {
        CredentialError::Slow { seconds, .. } => format!("no answer in {seconds} s"),
        CredentialError::Failed { source, .. } if is_network(source.as_ref()) => "no answer".to_owned(),
        // The end of the story: what comes before names addresses and times.
        error => crate::chain(error).rsplit(" - ").next().unwrap_or_default().to_owned(),
    }
}

/// Whether nobody said no: the network, or the server's mood.
fn is_network(error: &(dyn Error + 'static)) -> bool {
    if let Some(error) = error.downcast_ref::<HttpError>() {
        return matches!(error.kind(), HttpErrorKind::Connect | HttpErrorKind::Timeout | HttpErrorKind::Interrupted);
    }
    io_error(error).is_some_and(|error| {
        use std::io::ErrorKind as K;
        matches!(
            error.kind(),
            K::TimedOut
                | K::ConnectionRefused
                | K::ConnectionReset
                | K::ConnectionAborted
                | K::HostUnreachable
                | K::NetworkUnreachable
                | K::NetworkDown
                | K::UnexpectedEof
        )
    }) || error.source().is_some_and(is_network)
}

fn says_sso(error: &(dyn Error + 'static)) -> bool {
    let text = error.to_string().to_ascii_lowercase();
    text.contains("sso") || error.source().is_some_and(says_sso)
}

/// What a metadata service gets: it is on this machine or it is not there.
pub(super) const METADATA_WAIT: Duration = Duration::from_secs(2);

/// What everything else gets: a program may ask a person, a login service may be far away.
pub(super) const LOGIN_WAIT: Duration = Duration::from_secs(60);

/// How long before it expires a credential is replaced.
const EARLY: Duration = Duration::from_secs(300);

/// Credentials have a few kilobytes.
const MAX_REPLY: usize = 1 << 20;
