//! What a device remembers between runs: its keys, what it has seen of each vault, and where the vaults are.
//!
//! ```text
//! state.key                 32 random bytes
//! default                   the id of the vault that commands use unless told otherwise
//! vaults/<vault id>/lock    locked by the run that writes to the vault
//! vaults/<vault id>/device  sealed: keys, name, URL
//! vaults/<vault id>/joining sealed: what this device was given in its pairing, until it sees itself in the roster
//! vaults/<vault id>/access  sealed: how the stores are reached, as the device that invited this one said
//! vaults/<vault id>/pins    sealed: the newest heads seen
//! vaults/<vault id>/logs-N  sealed: the log entries that were verified, in parts
//! vaults/<vault id>/refused sealed: objects of logs that are no entries
//! vaults/<vault id>/own     sealed: the last entries that this device has written, as they are stored
//! vaults/<vault id>/roster  sealed: the roster records that were read
//! vaults/<vault id>/stores  sealed: how far each store has followed the primary
//! vaults/<vault id>/claims  sealed: which packs the primary listed, and when
//! vaults/<vault id>/journal sealed: what an interrupted push left behind
//! vaults/<vault id>/files/  sealed: of a push-only device, what the files of each source were like when they were pushed
//! ```
//!
//! Nothing is in clear but vault ids. Credentials of a pairing are in the platform's keychain instead of `access` where there
//! is one ([`Home::keep_credentials`]), sealed under the state key and a salt that `access` has.

mod access;
mod blocks;
mod claims;
pub(crate) mod codec;
mod cursors;
mod device;
mod file;
mod home;
mod kept;
mod pins;

pub use access::{Access, Credentials, FetchCredentials, InKeychain, KeptIn};
pub(crate) use blocks::{BlockReader, BlockWriter};
pub use claims::Claims;
pub use cursors::{Cursor, Cursors};
pub use device::DeviceState;
pub(crate) use home::PartStamp;
pub use home::{Home, VaultLock, cache_path, home_path};
pub use kept::KeychainUse;
pub use pins::{LogPin, Pins};

use std::{io, path::PathBuf};
use vault_format::ids::VaultId;

/// Why local state was not read or written. Nothing was changed, unless [`StateError::Io`] says otherwise.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StateError {
    /// The operating system refused.
    #[error("cannot {what} {}", path.display())]
    Io {
        /// The verb.
        what: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Others could have read or planted what is there.
    #[error("{} is not safe for keys: {why}", path.display())]
    Unsafe {
        /// The home, or something in it.
        path: PathBuf,
        /// What is wrong, and what to do.
        why: &'static str,
    },
    /// Not what was written: cut off, changed, or from another home or another vault.
    #[error("{} is damaged or was copied from another device ({why}); {}", path.display(), remedy(path))]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What was noticed.
        why: &'static str,
    },
    /// Written by a later version.
    #[error("{} was written by a newer version of zvault: update this one", path.display())]
    Newer {
        /// The file.
        path: PathBuf,
    },
    /// Of a vault of a suite of which this program has no backend.
    #[error("{} is of a vault of suite {suite:#04x}, which this program does not have", path.display())]
    Suite {
        /// The file.
        path: PathBuf,
        /// The suite's number.
        suite: u8,
    },
    /// Another run of this device holds the vault.
    #[error("another run of this device is using the vault ({} is locked): wait for it, or stop it", path.display())]
    VaultBusy {
        /// The lock.
        path: PathBuf,
    },
    /// This device has no keys for the vault.
    #[error("this device has no keys for vault {vault}: open it once with its passphrase or recovery key")]
    UnknownVault {
        /// The vault that was asked for.
        vault: VaultId,
    },
    /// The system gave no randomness, or sealing failed.
    #[error("cannot seal {}", path.display())]
    Seal {
        /// The file that was to be written.
        path: PathBuf,
        /// What failed.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// What a user can do about a damaged file, by its name.
fn remedy(path: &std::path::Path) -> &'static str {
    match path.file_name().and_then(|name| name.to_str()) {
        Some("state.key") => {
            "remove the whole state folder, and open each vault again with its passphrase or recovery key"
        }
        Some("device") => {
            "remove the vault's folder in the state folder, and open the vault again with its passphrase or recovery key"
        }
        Some("pins") => "remove it if you trust what the store shows now: the next run takes that as seen",
        Some("journal") => "remove it: the next push finds what was stored",
        _ => "remove it",
    }
}
