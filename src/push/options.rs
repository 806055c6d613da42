//! What a push is asked to do, what it reports, and why it fails.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use thiserror::Error;
use vault_format::log::SnapshotStats;
use vault_format::{FormatError, Identity, Time};

use crate::Trouble;
use crate::source::{ExcludeError, SourceError};
use crate::stage::{Compressor, PackError, SealError};
use crate::store::StoreError;
use crate::vault::VaultError;

/// What to push, and how.
#[derive(Clone, Debug, Default)]
pub struct PushOptions {
    /// Files and folders; each becomes a source of its own.
    pub paths: Vec<PathBuf>,
    /// A stream to push as one file.
    pub stream: Option<StreamOptions>,
    /// Tags of the snapshot.
    pub tags: Vec<String>,
    /// Time of the snapshot; now if None.
    pub time: Option<Time>,
    /// Host name of the snapshot.
    pub host: String,
    /// User name of the snapshot.
    pub user: String,
    /// How hard to compress.
    pub compression: Compression,
    /// Patterns in gitignore syntax of what to leave out.
    pub excludes: Vec<String>,
    /// The same, without regard to case.
    pub iexcludes: Vec<String>,
    /// Files with such patterns.
    pub exclude_files: Vec<PathBuf>,
    /// Leaves out files of more bytes than this.
    pub exclude_larger_than: Option<u64>,
    /// Leaves out folders with a `CACHEDIR.TAG`.
    pub exclude_caches: bool,
    /// Stays on the file system of each source's root.
    pub one_file_system: bool,
    /// Reads every file again, also those that look unchanged.
    pub force: bool,
    /// Reads, but writes nothing to the vault.
    pub dry_run: bool,
    /// What to do with SQLite databases.
    pub sqlite: SqliteMode,
    /// Folders that must never be inside a source: local state, caches. The vault's own folder is always one.
    pub protected: Vec<PathBuf>,
    /// Workers; as many as there are cores if None.
    pub workers: Option<usize>,
}

/// A stream that is pushed as one file.
#[derive(Clone, Debug)]
pub enum StreamOptions {
    /// Standard input.
    Stdin {
        /// Name of the file in the snapshot.
        filename: PathBuf,
    },
    /// What a command prints. It is run without a shell; if it fails, the source fails.
    Command {
        /// Program and arguments.
        argv: Vec<OsString>,
        /// Name of the file in the snapshot.
        filename: PathBuf,
    },
}

/// How hard to compress: zstd levels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Compression {
    /// Level 3.
    #[default]
    Auto,
    /// Not at all.
    Off,
    /// A level from 1 to 22.
    Level(i32),
}

impl Compression {
    pub(super) fn compressor(self) -> Result<Compressor, PushError> {
        Ok(Compressor::new(match self {
            Self::Auto => Some(3),
            Self::Off => None,
            Self::Level(level) => Some(level.clamp(1, 22)),
        })?)
    }
}

/// What to do with SQLite databases among the files.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SqliteMode {
    /// Capture them through SQLite under one read transaction.
    #[default]
    Auto,
    /// Read them as plain files. A database in use is then not a backup.
    Off,
}

/// What a push did.
#[derive(Clone, Debug, Default)]
pub struct PushReport {
    /// The snapshot; None in a dry run.
    pub snapshot: Option<Identity>,
    /// Files that the parent snapshot does not have.
    pub files_new: u64,
    /// Files that differ from the parent snapshot.
    pub files_changed: u64,
    /// Files that do not.
    pub files_unmodified: u64,
    /// Folders that the parent snapshot does not have.
    pub dirs_new: u64,
    /// Folders whose metadata differs.
    pub dirs_changed: u64,
    /// Folders whose metadata does not differ.
    pub dirs_unmodified: u64,
    /// Links, pipes, sockets and devices.
    pub others: u64,
    /// Databases captured through SQLite in this push.
    pub databases: u64,
    /// Chunks of files that the vault did not have.
    pub data_chunks: u64,
    /// Nodes that the vault did not have.
    pub tree_chunks: u64,
    /// Bytes of these before compression.
    pub data_added: u64,
    /// Bytes of these after compression.
    pub data_added_packed: u64,
    /// Files in the snapshot.
    pub total_files_processed: u64,
    /// Bytes in the snapshot.
    pub total_bytes_processed: u64,
    /// Files or attributes that are not in the snapshot as they should be.
    pub problems: u64,
    /// Packs of an interrupted push that were found again.
    pub resumed_packs: u64,
    /// Packs that were stored before a device was revoked, under the epoch that ended with it.
    pub packs_under_ended_epoch: u64,
    /// Some source or file is missing from the snapshot.
    pub partial: bool,
    /// How long it took.
    pub duration: Duration,
    /// How the stores beside the primary have followed.
    pub stores: Vec<StoreOutcome>,
}

/// How a store beside the primary has followed. None of this makes a push fail.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StoreOutcome {
    /// What the configuration calls it.
    pub name: String,
    /// Objects that were stored there.
    pub objects: u64,
    /// Their bytes.
    pub bytes: u64,
    /// It lacked something from before, and was filled from the primary.
    pub caught_up: bool,
    /// Objects that were damaged or missing in the primary when it was filled: it has the entries and not these.
    pub holes: u64,
    /// Why it does not have everything.
    pub error: Option<String>,
}

impl StoreOutcome {
    /// What is wrong with a store that has holes, and what to do.
    pub(super) fn holes_text(&self) -> Option<String> {
        let objects = match self.holes {
            0 => return None,
            1 => "1 object is".to_owned(),
            holes => format!("{holes} objects are"),
        };
        Some(format!(
            "it has holes: {objects} damaged or missing in the primary; 'zvault check --read-data' names them, and once they are whole again 'zvault mirror' fills the holes"
        ))
    }
}

impl PushReport {
    pub(super) fn stats(&self) -> SnapshotStats {
        SnapshotStats {
            files_new: self.files_new,
            files_changed: self.files_changed,
            files_unmodified: self.files_unmodified,
            dirs_new: self.dirs_new,
            dirs_changed: self.dirs_changed,
            dirs_unmodified: self.dirs_unmodified,
            data_added: self.data_added,
            data_added_packed: self.data_added_packed,
            duration_ms: self.duration.as_millis() as u64,
        }
    }
}

/// Why a push failed. Nothing that was in the vault before is harmed, and nothing partial counts.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum PushError {
    /// No paths and no stream.
    #[error("there is nothing to push: name a file or folder")]
    NoSource,
    /// Not one source could be read.
    #[error("no source could be captured, so no snapshot was made")]
    NothingCaptured,
    /// A source is inside the vault, the state or the cache.
    #[error("{} lies inside {}, which belongs to zvault itself", source_path.display(), protected.display())]
    SourceInside {
        /// The source.
        source_path: PathBuf,
        /// The folder of the vault, the state or the cache.
        protected: PathBuf,
    },
    /// A pattern of what to leave out is malformed.
    #[error(transparent)]
    Exclude(#[from] ExcludeError),
    /// A source's name is not one.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// The vault refused.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Sealing failed.
    #[error("a segment could not be sealed")]
    Seal(#[from] SealError),
    /// A node of a tree could not be written.
    #[error("the snapshot would hold something that the format does not allow")]
    Format(#[from] FormatError),
    /// A pack could not be made.
    #[error("a pack could not be made")]
    Pack(#[source] PackError),
    /// What was sealed did not open to what it was made from.
    #[error(
        "a sealed segment does not open to what went into it: the memory or the processor of this machine makes mistakes"
    )]
    BadMemory,
    /// Stopped on request.
    #[error("interrupted; what was stored so far is found again by the next push")]
    Interrupted,
    /// Another stage ended first; never reported.
    #[error("another stage of the push had ended")]
    Stopped,
    /// A stage panicked.
    #[error("a stage of the push ended unexpectedly; please report this")]
    Panicked,
}

impl From<PackError> for PushError {
    fn from(error: PackError) -> Self {
        match error {
            PackError::ChunkId { .. } | PackError::Frame { .. } => Self::BadMemory,
            error => Self::Pack(error),
        }
    }
}

impl PushError {
    /// What kind of trouble this is.
    pub fn trouble(&self) -> Trouble {
        match self {
            Self::NoSource | Self::Exclude(_) | Self::SourceInside { .. } => Trouble::Usage,
            Self::Vault(error) => error.trouble(),
            Self::Store(error) => error.trouble(),
            Self::Interrupted => Trouble::Interrupted,
            Self::NothingCaptured
            | Self::Source(_)
            | Self::Seal(_)
            | Self::Format(_)
            | Self::Pack(_)
            | Self::BadMemory
            | Self::Stopped
            | Self::Panicked => Trouble::Failed,
        }
    }

    /// What to do about it.
    pub fn hints(&self) -> Vec<String> {
        match self {
            Self::SourceInside { .. } => vec!["choose a source outside, or keep the vault elsewhere".into()],
            Self::BadMemory => {
                vec!["nothing wrong was stored; test the memory of this machine before you push again".into()]
            }
            Self::Vault(error) => error.hints(),
            Self::Store(error) => error.hints(),
            _ => Vec::new(),
        }
    }
}
