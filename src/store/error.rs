//! What can go wrong with a store, by meaning.

use super::cloud::CredentialError;
use super::options::OptionError;
use crate::Trouble;
use std::{error::Error, io};
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
            Self::Damaged { .. } | Self::TooLarge { .. } => Trouble::Integrity,
            Self::OutOfOrder { .. } => Trouble::Failed,
            Self::Option { .. } => Trouble::Usage,
            _ => Trouble::Storage,
        }
    }

    /// What to do about it.
    pub fn hints(&self) -> Vec<String> {
        let hint = match self {
            Self::NotFound { .. } => "look at the URL again; a disk may not be mounted",
            Self::Unreachable { .. } => "try again later",
            Self::ReadOnly { .. } => "reading works; to push, make the storage writable",
            Self::PermissionDenied { .. } => "look at the permissions of the storage",
            Self::NoSpace { .. } => "make room; what was stored so far is found again by the next push",
            Self::Credential { source, .. } => return source.hints(),
            Self::Damaged { .. } => "'zvault check' tells what else is damaged and which files suffer",
            _ => return Vec::new(),
        };
        vec![hint.into()]
    }

    /// Sorts what the object store library reports. `AlreadyExists` never gets here: a write decides it.
    pub(super) fn sort(at: String, error: object_store::Error) -> Self {
        use object_store::Error as E;
        match error {
            E::NotFound { .. } => Self::NotFound { at },
            E::PermissionDenied { source, .. } | E::Unauthenticated { source, .. } => {
                Self::PermissionDenied { at, source }
            }
            error => Self::sort_io(at, error.into()),
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
            _ => Self::Other { at, source },
        }
    }
}

/// The operating system's error behind `error`.
pub(super) fn io_error<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a io::Error> {
    match error.downcast_ref() {
        Some(error) => Some(error),
        None => error.source().and_then(io_error),
    }
}

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
