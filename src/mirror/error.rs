//! Why a store was not copied.

use thiserror::Error;
use vault_format::VaultId;

use crate::Trouble;
use crate::roster::RosterError;
use crate::store::{StoreError, UrlError};

/// Why a store was not copied. What was copied before stays, and the next run goes on from there.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum MirrorError {
    /// The URL is none.
    #[error(transparent)]
    Url(#[from] UrlError),
    /// A store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// There is nothing to copy.
    #[error("no vault at {url}")]
    NoVault {
        /// Where.
        url: String,
        /// Why.
        #[source]
        error: RosterError,
    },
    /// This build cannot verify anything of the vault.
    #[error("the vault is of suite {suite:#04x}, which this build of zvault does not have")]
    Suite {
        /// Its number.
        suite: u8,
    },
    /// The target is taken.
    #[error("{url} holds vault {found}, and not vault {vault}")]
    OtherVault {
        /// Where.
        url: String,
        /// What is there.
        found: VaultId,
        /// What was to be copied.
        vault: VaultId,
    },
    /// The target holds something that is no vault.
    #[error("{url} is not empty and holds no vault: {example}")]
    NotEmpty {
        /// Where.
        url: String,
        /// One of the things that are there.
        example: String,
    },
    /// Both are the same place.
    #[error("{url} cannot be copied to itself")]
    Same {
        /// Where.
        url: String,
    },
    /// More is missing in the target than may be copied.
    #[error("{bytes} bytes are missing at {url}, and {limit} may be copied")]
    TooMuch {
        /// Where.
        url: String,
        /// What is missing.
        bytes: u64,
        /// The limit that was set.
        limit: u64,
    },
    /// Stopped on request.
    #[error("interrupted")]
    Interrupted,
}

impl MirrorError {
    /// What kind of trouble this is.
    pub fn trouble(&self) -> Trouble {
        match self {
            Self::Url(_) | Self::Same { .. } => Trouble::Usage,
            Self::NoVault { error: RosterError::OtherVault { .. }, .. } => Trouble::Integrity,
            Self::NoVault { .. } | Self::Suite { .. } => Trouble::NoVault,
            Self::Store(StoreError::NotFound { .. }) => Trouble::NoVault,
            Self::Store(error) => error.trouble(),
            Self::OtherVault { .. } | Self::NotEmpty { .. } | Self::TooMuch { .. } => Trouble::Failed,
            Self::Interrupted => Trouble::Interrupted,
        }
    }

    /// What to do about it.
    pub fn hints(&self) -> Vec<String> {
        let hint = match self {
            Self::Store(error) => return error.hints(),
            Self::NoVault { error: RosterError::TwoVaults { .. }, .. } => "name it with --vault",
            Self::NoVault { .. } => "look at the URL again",
            Self::Suite { .. } => "use a build of zvault with this suite, or a newer version",
            Self::OtherVault { .. } => "each store holds one vault: choose another place",
            Self::NotEmpty { .. } => "choose an empty folder or prefix, or one that does not exist yet",
            Self::TooMuch { .. } => {
                "if that is right, raise --max-bytes; if not, somebody filled the store that is copied from"
            }
            Self::Url(_) | Self::Same { .. } | Self::Interrupted => return Vec::new(),
        };
        vec![hint.into()]
    }
}
