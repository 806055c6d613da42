//! Why a check ended early.

use crypto_backends::CryptoError;
use thiserror::Error;

use crate::Trouble;
use crate::index::IndexError;
use crate::store::{StoreError, UrlError};
use crate::vault::{ChunkError, VaultError};

/// Why a check ended early. Damage is no error: it is in the report.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum CheckError {
    /// The URL is none.
    #[error(transparent)]
    Url(#[from] UrlError),
    /// The subset makes no sense.
    #[error("no such subset of the data: {0}")]
    Subset(&'static str),
    /// Nothing of a vault is there.
    #[error("no vault at {url}")]
    NoVault {
        /// Where.
        url: String,
    },
    /// This build cannot verify anything of the vault.
    #[error("the vault is of suite {suite:#04x}, which this build of zvault does not have")]
    Suite {
        /// Its number.
        suite: u8,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The vault cannot be read.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// The local copy of the index failed.
    #[error(transparent)]
    Index(#[from] IndexError),
    /// A chunk cannot be read, and that is not the fault of what is stored.
    #[error(transparent)]
    Chunk(#[from] ChunkError),
    /// Cryptography failed.
    #[error("a cryptographic operation failed")]
    Crypto(#[from] CryptoError),
    /// Stopped on request.
    #[error("interrupted")]
    Interrupted,
}

impl CheckError {
    /// What kind of trouble this is.
    pub fn trouble(&self) -> Trouble {
        match self {
            Self::Url(_) | Self::Subset(_) => Trouble::Usage,
            Self::NoVault { .. } | Self::Suite { .. } => Trouble::NoVault,
            Self::Store(error) => error.trouble(),
            Self::Vault(error) => error.trouble(),
            Self::Chunk(error) => error.trouble(),
            Self::Index(_) | Self::Crypto(_) => Trouble::Failed,
            Self::Interrupted => Trouble::Interrupted,
        }
    }

    /// What to do about it.
    pub fn hints(&self) -> Vec<String> {
        match self {
            Self::Url(_) => vec![
                "a folder is named by its path or file:///path, a bucket as s3://bucket/prefix, gs:// or az://".into(),
            ],
            Self::Subset(_) => vec!["say 2/7, 5% or 10G".into()],
            Self::NoVault { .. } => vec!["look at the URL again".into()],
            Self::Suite { .. } => vec!["use a build of zvault with this suite, or a newer version".into()],
            Self::Store(error) => error.hints(),
            Self::Vault(error) => error.hints(),
            Self::Index(_) => vec!["the vault is not harmed: remove the cache folder and run the check again".into()],
            Self::Chunk(_) | Self::Crypto(_) | Self::Interrupted => Vec::new(),
        }
    }
}
