//! What can go wrong with a store, by meaning.

use super::cloud::CredentialError;
use super::options::OptionError;
use super::transport::CallError;
use super::transport::reply::{ENDLESS, Failure, Reply};
use crate::Trouble;
use std::{error::Error, fmt, io};
use vault_format::name::ObjectName;

/// A store that did not do what it was asked. `at` is the store and, where there is one, the object in it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// There is no such object, folder or bucket.
    #[error("{at}: not found")]
    NotFound {
        /// Where.
        at: String,
    },
    /// The store does not answer, or not as a store: try again later.
    #[error("{at}: the store cannot be reached")]
    Unreachable {
        /// Where.
        at: String,
        /// What the store said.
        source: BoxError,
    },
    /// The store cannot be written to.
    #[error("{at}: the store is read-only")]
    ReadOnly {
        /// Where.
        at: String,
        /// What the store said.
        source: BoxError,
    },
    /// The store does not know the credentials, or not with this secret.
    #[error("{at}: the store does not accept the credentials")]
    WrongCredentials {
        /// Where.
        at: String,
        /// What the store said.
        source: BoxError,
    },
    /// The credentials were good for a limited time.
    #[error("{at}: the credentials have expired")]
    ExpiredCredentials {
        /// Where.
        at: String,
        /// What the store said.
        source: BoxError,
    },
    /// Requests are signed with the time, and the store's is another.
    #[error("{at}: this machine's clock is {}", apart(*.seconds))]
    ClockSkew {
        /// Where.
        at: String,
        /// By how much this machine's clock is ahead; 0 if the store does not say.
        seconds: i64,
    },
    /// There is no such bucket or container.
    #[error("{at}: there is no such bucket or container")]
    NoBucket {
        /// Where.
        at: String,
        /// What the store said.
        source: BoxError,
    },
    /// The bucket is in another region than requests are made for.
    #[error("{at}: the bucket is in {}", .expected.as_deref().map_or_else(|| "another region".into(), |region| format!("the region {region}")))]
    WrongRegion {
        /// Where.
        at: String,
        /// Where it is, if the store says so.
        expected: Option<String>,
    },
    /// Whoever answers cannot be trusted to be the store.
    #[error("{at}: no secure connection: {why}")]
    Tls {
        /// Where.
        at: String,
        /// What is wrong.
        why: String,
    },
    /// Credentials and requests would cross the network unencrypted.
    #[error("{at}: plain HTTP to another machine is not allowed")]
    PlainHttp {
        /// Where.
        at: String,
    },
    /// Something answers that is no store: a proxy, the login page of a network, a web server.
    #[error("{at}: no store answers there, but {what}")]
    NotAStore {
        /// Where.
        at: String,
        /// What answers.
        what: String,
    },
    /// The way to the store leads through a proxy, which does not let anybody through.
    #[error("{at}: the proxy wants a user name and a password, or others than it was given")]
    ProxyLogin {
        /// Where.
        at: String,
    },
    /// The object is in cold storage, and has to be brought back before it can be read.
    #[error("{at}: in cold storage")]
    Archived {
        /// Where.
        at: String,
        /// What the store said.
        source: BoxError,
    },
    /// The credential does not allow it.
    #[error("{at}: permission denied")]
    PermissionDenied {
        /// Where.
        at: String,
        /// What the store said.
        source: BoxError,
    },
    /// The store, or the quota in it, is full.
    #[error("{at}: no space left")]
    NoSpace {
        /// Where.
        at: String,
        /// What the store said.
        source: BoxError,
    },
    /// The bytes under a name are not those that the name stands for.
    #[error("{at}: damaged: {what}")]
    Damaged {
        /// Where.
        at: String,
        /// The object.
        name: ObjectName,
        /// How that was seen.
        what: &'static str,
    },
    /// The object is over the limit of its kind (SPEC section 12), and was not fetched.
    #[error("{at}: {size} bytes, over the limit of {limit}")]
    TooLarge {
        /// Where.
        at: String,
        /// Bytes that the store says it has.
        size: u64,
        /// The most it may have.
        limit: u64,
    },
    /// What it lists is no listing: it does not end.
    #[error("{at}: the listing does not end: {what}")]
    Listing {
        /// Where.
        at: String,
        /// How that was seen.
        what: &'static str,
    },
    /// A delta was to be stored that names a pack of which the store has not confirmed that it has it.
    #[error("{at}: names a pack that is not stored")]
    OutOfOrder {
        /// Where.
        at: String,
    },
    /// An option that this store does not have, or whose value makes no sense.
    #[error("{at}: {source}")]
    Option {
        /// Where.
        at: String,
        /// What is wrong.
        source: OptionError,
    },
    /// There is no credential to ask the store with.
    #[error("{at}: {source}")]
    Credential {
        /// Where.
        at: String,
        /// Why there is none.
        source: CredentialError,
    },
    /// Anything else.
    #[error("{at}: the store failed")]
    Other {
        /// Where.
        at: String,
        /// What the store said.
        source: BoxError,
    },
}

/// An error of whichever library talks to the store.
pub type BoxError = Box<dyn Error + Send + Sync>;

impl StoreError {
    /// Whether the same request may succeed later without anybody doing anything.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Unreachable { .. })
    }

    /// What kind of trouble this is.
    pub fn trouble(&self) -> Trouble {
        match self {
            Self::Damaged { .. } | Self::TooLarge { .. } | Self::Listing { .. } => Trouble::Integrity,
            Self::OutOfOrder { .. } => Trouble::Failed,
            Self::Option { .. } => Trouble::Usage,
            Self::PermissionDenied { .. } => Trouble::NotAllowed,
            _ => Trouble::Storage,
        }
    }

    /// What to do about it.
    pub fn hints(&self) -> Vec<String> {
        let hint = match self {
            Self::NotFound { .. } => "look at the URL again; a disk may not be mounted",
            Self::Unreachable { .. } => "try again later",
            Self::ReadOnly { .. } => "reading works; to push, make the storage writable",
            Self::WrongCredentials { .. } => {
                "look at the access key and its secret; 'zvault doctor' says which were used"
            }
            Self::ExpiredCredentials { .. } => "get new ones, for instance by logging in again, and repeat the command",
            Self::ClockSkew { .. } => "set the clock right; requests are signed with the time",
            Self::NoBucket { .. } => "look at the URL again, or create the bucket; zvault never does",
            Self::WrongRegion { .. } => "set the region with -o region=...",
            Self::Tls { .. } => {
                "for a certificate of your own authority, use --ca-cert; look at the clock and the URL, too"
            }
            Self::PlainHttp { .. } => "use https, or allow it with -o allow-http=true in a network that you trust",
            Self::NotAStore { .. } => "look at the endpoint and the proxy settings, or log in to the network first",
            Self::ProxyLogin { .. } => "write them into HTTPS_PROXY or HTTP_PROXY: http://NAME:PASSWORD@HOST:PORT",
            Self::Archived { .. } => "have the storage bring it back, wait until it has, and repeat the command",
            Self::PermissionDenied { .. } => {
                "look at the permissions of the storage and what its policies allow these credentials"
            }
            Self::NoSpace { .. } => "make room; what was stored so far is found again by the next push",
            Self::Credential { source, .. } => return source.hints(),
            Self::Listing { .. } => {
                "do not trust this store with a vault, and look at what lies between it and this machine"
            }
            Self::Damaged { .. } => "'zvault check' tells what else is damaged and which files suffer",
            _ => return Vec::new(),
        };
        vec![hint.into()]
    }

    /// Sorts what the object store library reports. `AlreadyExists` never gets here: a write decides it.
    pub(super) fn sort(at: String, error: object_store::Error) -> Self {
        use object_store::Error as E;
        if let Some(failure) = CallError::find(&error) {
            let reply = Reply { failure: Some(failure.clone()), ..Reply::default() };
            return Self::sort_failure(at, failure, &reply);
        }
        match error {
            E::NotFound { .. } => Self::NotFound { at },
            E::PermissionDenied { source, .. } => Self::PermissionDenied { at, source },
            E::Unauthenticated { source, .. } => match source.downcast() {
                Ok(source) => Self::Credential { at, source: *source },
                Err(source) => Self::WrongCredentials { at, source },
            },
            error => Self::sort_io(at, error.into()),
        }
    }

    /// Sorts a failure by what the transport saw of it, which says more than the library does.
    pub(super) fn sort_reply(at: String, error: object_store::Error, reply: &Reply) -> Self {
        let said = || BoxError::from(Said(reply).to_string());
        if matches!(&error, object_store::Error::Unauthenticated { source, .. } if source.is::<CredentialError>()) {
            // The reply, if there is one, is that of whoever gives out credentials.
            return match Self::sort(at, error) {
                Self::Credential { at, source: CredentialError::Failed { credential, .. } }
                    if reply.status.is_some() =>
                {
                    Self::Credential { at, source: CredentialError::Failed { credential, source: said() } }
                }
                error => error,
            };
        }
        if let Some(failure) = &reply.failure.as_ref().filter(|failure| **failure != Failure::Garbled) {
            return Self::sort_failure(at, failure, reply);
        }
        // A provider of credentials says more than the last one that it asked.
        let is_own =
            matches!(&error, object_store::Error::Unauthenticated { source, .. } if source.is::<CredentialError>());
        let Some(status) = reply.status.filter(|_| !is_own) else { return Self::sort(at, error) };
        // Deletions in bulk succeed, and their errors are inside.
        let inside = if (200..300).contains(&status) { bulk_code(&error) } else { None };
        let code = reply.code.as_deref().or(inside.as_deref()).unwrap_or_default();
        let is_refusal = matches!(status, 400 | 401 | 403);
        match reply.ahead {
            _ if code == "RequestTimeTooSkewed" => {
                return Self::ClockSkew { at, seconds: reply.ahead.unwrap_or(0) };
            }
            // Not all say what is wrong. Clouds allow for 5 to 15 minutes.
            Some(seconds) if is_refusal && seconds.abs() > SKEW => return Self::ClockSkew { at, seconds },
            _ => {}
        }
        let message = reply.message.as_deref().unwrap_or_default().to_ascii_lowercase();
        let has_expired = message.contains("expired") || message.contains("specified time frame");
        match code {
            "ExpiredToken" | "ExpiredTokenException" | "TokenRefreshRequired" | "RequestExpired" => {
                Self::ExpiredCredentials { at, source: said() }
            }
            "AuthenticationFailed" | "InvalidAuthenticationInfo" | "InvalidToken" | "invalid_grant" if has_expired => {
                Self::ExpiredCredentials { at, source: said() }
            }
            // Azure says so of a network that is not allowed in, and its emulator of a wrong signature.
            "AuthorizationFailure" if message.contains("failed to authenticate") => {
                Self::WrongCredentials { at, source: said() }
            }
            code if reply.is_of_credentials
                && (300..500).contains(&status)
                && !matches!(status, 408 | 425 | 429)
                && !TRANSIENT.contains(&code) =>
            {
                Self::WrongCredentials { at, source: said() }
            }
            code if WRONG_CREDENTIALS.contains(&code) => Self::WrongCredentials { at, source: said() },
            code if WRONG_REGION.contains(&code) => Self::WrongRegion { at, expected: reply.region.clone() },
            code if means_no_bucket(code) => Self::NoBucket { at, source: said() },
            code if NOT_ALLOWED.contains(&code) => Self::PermissionDenied { at, source: said() },
            code if FULL.contains(&code) => Self::NoSpace { at, source: said() },
            code if TRANSIENT.contains(&code) => Self::Unreachable { at, source: said() },
            "InvalidObjectState" | "BlobArchived" | "BlobBeingRehydrated" => Self::Archived { at, source: said() },
            _ => Self::sort_status(at, status, error, reply),
        }
    }

    fn sort_failure(at: String, failure: &Failure, reply: &Reply) -> Self {
        match failure {
            Failure::Tls(why) => Self::Tls { at, why: why.clone() },
            Failure::Proxy(why) => Self::NotAStore { at, what: format!("a proxy: {why}") },
            Failure::ProxyLogin => Self::ProxyLogin { at },
            Failure::PlainHttp => Self::PlainHttp { at },
            Failure::NoMetadata => Self::WrongCredentials { at, source: Said(reply).to_string().into() },
            Failure::Endless => Self::Listing { at, what: ENDLESS },
            Failure::Garbled | Failure::Other => Self::Other { at, source: Said(reply).to_string().into() },
            Failure::Dns
            | Failure::Refused
            | Failure::ConnectTimeout
            | Failure::Broken
            | Failure::Stalled
            | Failure::TooSlow
            | Failure::Checksum => Self::Unreachable { at, source: Said(reply).to_string().into() },
        }
    }

    /// The store has no word for it that is known here.
    fn sort_status(at: String, status: u16, error: object_store::Error, reply: &Reply) -> Self {
        let source = || Said(reply).to_string().into();
        match status {
            408 | 425 | 429 | 500 | 502..=504 => Self::Unreachable { at, source: source() },
            407 => Self::ProxyLogin { at },
            511 => Self::NotAStore { at, what: "a network that wants a login".into() },
            _ if reply.html => Self::NotAStore { at, what: "a web page".into() },
            301 | 307 if reply.region.is_some() || reply.location.is_none() => {
                Self::WrongRegion { at, expected: reply.region.clone() }
            }
            300..=399 => Self::NotAStore { at, what: "something that leads elsewhere".into() },
            401 => Self::WrongCredentials { at, source: source() },
            403 => Self::PermissionDenied { at, source: source() },
            404 | 410 => Self::NotFound { at },
            507 => Self::NoSpace { at, source: source() },
            // Azure's reply to a batch of deletions tells of each inside.
            200..=299 if matches!(error, object_store::Error::NotFound { .. }) => Self::NotFound { at },
            // The library's complaint about a success: nothing of a request is in it.
            200..=299 if reply.failure.is_none() => Self::Other { at, source: error.into() },
            _ => Self::Other { at, source: source() },
        }
    }

    /// Sorts by the operating system's error in the chain of sources.
    pub(super) fn sort_io(at: String, source: BoxError) -> Self {
        use io::ErrorKind as K;
        match io_error(source.as_ref()).map(io::Error::kind) {
            Some(K::NotFound) => Self::NotFound { at },
            Some(K::StorageFull | K::QuotaExceeded) => Self::NoSpace { at, source },
            Some(K::ReadOnlyFilesystem) => Self::ReadOnly { at, source },
            Some(K::PermissionDenied) => Self::PermissionDenied { at, source },
            Some(
                K::TimedOut
                | K::ConnectionRefused
                | K::ConnectionReset
                | K::ConnectionAborted
                | K::NotConnected
                | K::BrokenPipe
                | K::HostUnreachable
                | K::NetworkUnreachable
                | K::NetworkDown
                | K::StaleNetworkFileHandle
                | K::Interrupted
                | K::UnexpectedEof,
            ) => Self::Unreachable { at, source },
            // The system's word for an unknown host has no kind.
            _ if crate::chain(source.as_ref()).contains("failed to lookup address") => Self::Unreachable { at, source },
            _ => Self::Other { at, source },
        }
    }
}

/// Whether this is a word for that there is no such bucket.
pub(super) fn means_no_bucket(code: &str) -> bool {
    NO_BUCKET.contains(&code)
}

/// The store's word in what the library says of a deletion in bulk.
fn bulk_code(error: &object_store::Error) -> Option<String> {
    let text = crate::chain(error);
    let (_, code) = text.rsplit_once("(code: ")?;
    Some(code.split(')').next()?.to_owned())
}

/// A reply in words.
pub(super) struct Said<'a>(pub(super) &'a Reply);

impl fmt::Display for Said<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Reply { status, code, message, failure, .. } = self.0;
        match (failure, status) {
            (Some(failure), _) => write!(f, "{failure}"),
            (None, Some(status)) => {
                write!(f, "it answered {status}")?;
                if let Some(code) = code {
                    write!(f, " ({code})")?;
                }
                match message {
                    // What was signed is of use to nobody.
                    Some(text) if code.as_deref() != Some("SignatureDoesNotMatch") && !text.is_empty() => {
                        let end = text.char_indices().nth(200).map_or(text.len(), |(at, _)| at);
                        write!(f, ": {}", text[..end].lines().next().unwrap_or_default())
                    }
                    _ => Ok(()),
                }
            }
            (None, None) => f.write_str("it did not answer"),
        }
    }
}

fn apart(seconds: i64) -> String {
    let minutes = seconds.unsigned_abs().div_ceil(60);
    match seconds {
        0 => "too far from the store's".into(),
        1.. => format!("{minutes} minutes ahead of the store's"),
        _ => format!("{minutes} minutes behind the store's"),
    }
}

/// The operating system's error behind `error`.
pub(super) fn io_error<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a io::Error> {
    match error.downcast_ref() {
        Some(error) => Some(error),
        None => error.source().and_then(io_error),
    }
}

/// Seconds of difference that some store refuses.
const SKEW: i64 = 10 * 60;

// What S3 and those that speak it, GCS, Azure and the services that give out tokens call it.
const WRONG_CREDENTIALS: [&str; 24] = [
    "AuthFailure",
    "AuthenticationFailed",
    "AuthenticationRequired",
    "CredentialsNotSupported",
    "InvalidAccessKeyId",
    "InvalidAuthenticationInfo",
    "InvalidClientTokenId",
    "InvalidCredentials",
    "InvalidIdentityToken",
    "InvalidSecurity",
    "InvalidToken",
    "MissingAuthenticationToken",
    "MissingSecurityHeader",
    "NoAuthenticationInformation",
    "NotSignedUp",
    "SignatureDoesNotMatch",
    "UNAUTHENTICATED",
    "Unauthorized",
    "UnrecognizedClientException",
    "access_denied",
    "invalid_client",
    "invalid_grant",
    "invalid_request",
    "unauthorized_client",
];
const WRONG_REGION: [&str; 4] =
    ["AuthorizationHeaderMalformed", "IllegalLocationConstraintException", "PermanentRedirect", "TemporaryRedirect"];
const NO_BUCKET: [&str; 6] = [
    "ContainerBeingDeleted",
    "ContainerNotFound",
    "FilesystemNotFound",
    "InvalidBucketName",
    "NoSuchBucket",
    "NoSuchContainer",
];
const NOT_ALLOWED: [&str; 19] = [
    "AccessDenied",
    "AccountIsDisabled",
    "AccountProblem",
    "AllAccessDisabled",
    "AuthorizationFailure",
    "AuthorizationPermissionMismatch",
    "AuthorizationProtocolMismatch",
    "AuthorizationResourceTypeMismatch",
    "AuthorizationServiceMismatch",
    "AuthorizationSourceIPMismatch",
    "BlobImmutableDueToPolicy",
    "InsufficientAccountPermissions",
    "KeyBasedAuthenticationNotPermitted",
    "MethodNotAllowed",
    "ObjectLocked",
    "PERMISSION_DENIED",
    "PublicAccessNotPermitted",
    "UserProjectAccessDenied",
    "UserProjectAccountProblem",
];
const FULL: [&str; 7] = [
    "AccountQuotaExceeded",
    "BucketQuotaExceeded",
    "InsufficientStorage",
    "QuotaExceeded",
    "StorageFull",
    "XMinioAdminBucketQuotaExceeded",
    "XMinioStorageFull",
];
/// Those about checksums mean that bytes were spoilt on the way.
const TRANSIENT: [&str; 23] = [
    "BadDigest",
    "ConditionalRequestConflict",
    "CrcMismatch",
    "IDPCommunicationError",
    "IncompleteBody",
    "InternalError",
    "InvalidDigest",
    "Md5Mismatch",
    "OperationAborted",
    "OperationTimedOut",
    "RateLimitExceeded",
    "RequestLimitExceeded",
    "RequestThrottled",
    "RequestTimeout",
    "ServerBusy",
    "ServiceUnavailable",
    "SlowDown",
    "SlowDownRead",
    "SlowDownWrite",
    "Throttling",
    "ThrottlingException",
    "TooManyRequests",
    "XAmzContentSHA256Mismatch",
];

#[cfg(test)]
mod tests {
    use super::*;

    fn wrapped(raw: i32) -> object_store::Error {
        object_store::Error::Generic { store: "test", source: Box::new(io::Error::from_raw_os_error(raw)) }
    }

    /// Numbers of Linux and macOS alike, but for quota.
    #[test]
    fn errors_are_sorted_by_the_cause_in_their_chain() {
        let sorted = |raw| StoreError::sort("x".into(), wrapped(raw));
        assert!(matches!(sorted(28), StoreError::NoSpace { .. }), "ENOSPC");
        #[cfg(target_os = "linux")]
        assert!(matches!(sorted(122), StoreError::NoSpace { .. }), "EDQUOT");
        assert!(matches!(sorted(30), StoreError::ReadOnly { .. }), "EROFS");
        assert!(matches!(sorted(13), StoreError::PermissionDenied { .. }), "EACCES");
        assert!(matches!(sorted(2), StoreError::NotFound { .. }), "ENOENT");
        assert!(matches!(sorted(5), StoreError::Other { .. }), "EIO");
        assert!(!sorted(28).is_transient());
    }
}
