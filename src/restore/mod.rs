//! The restore: `manifest -> plan -> segments in pack order -> open, check every id -> files -> metadata of folders`.
//!
//! The plan goes through the manifest in windows of bounded size; workers on all cores read each segment that a window
//! needs once. Everything in a manifest is hostile: names are `target`'s to defend, and nothing is allocated by sizes
//! that a manifest declares.
mod delete;
mod fetch;
mod file;
mod job;
mod plan;
mod select;
mod space;
#[cfg(test)]
mod tests;
mod verify;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use thiserror::Error;

use crate::Trouble;
use crate::index::IndexError;
use crate::log::SnapshotRef;
use crate::ls::{LsError, parts};
use crate::source::ExcludeError;
use crate::target::{Overwrite, RawPath, TargetError};
use crate::vault::{ChunkError, Vault};
use crate::watch::{Event, Watch};
use job::Job;

/// What is restored, where to, and how.
#[derive(Clone, Debug)]
pub struct RestoreOptions {
    /// The snapshot, or the part of it. All of it goes below the target with its full path; a part goes right into the
    /// target: what is in a folder, or a file by its name.
    pub snapshot: SnapshotRef,
    /// The folder to restore into; made where missing.
    pub target: PathBuf,
    /// What happens where something exists already.
    pub overwrite: Overwrite,
    /// Restore only this, with all that is in it: patterns in gitignore syntax, relative to the root of the source (or of
    /// the part), or full paths. None: everything.
    pub include: Vec<String>,
    /// Leave this out, by the same kind of patterns.
    pub exclude: Vec<String>,
    /// Remove what the snapshot does not have, inside the roots of its sources only.
    pub delete: bool,
    /// Change nothing, only count and tell.
    pub dry_run: bool,
    /// Read everything again and compare it with the snapshot.
    pub verify: bool,
    /// Leave out blocks of zeros in all files.
    pub sparse: bool,
    /// Restore owners.
    pub owners: bool,
}

impl RestoreOptions {
    /// Everything in `snapshot`, into `target`. Owners are restored when running as root.
    pub fn new(snapshot: SnapshotRef, target: PathBuf) -> Self {
        Self {
            snapshot,
            target,
            overwrite: Overwrite::default(),
            include: Vec::new(),
            exclude: Vec::new(),
            delete: false,
            dry_run: false,
            verify: false,
            sparse: false,
            owners: rustix::process::geteuid().is_root(),
        }
    }
}

/// What a restore did; in a dry run, what it would have done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RestoreReport {
    /// Files written.
    pub files_restored: u64,
    /// Files that stay as they were in the target.
    pub files_skipped: u64,
    /// Files, folders and links removed from the target; a folder counts once.
    pub files_deleted: u64,
    /// Folders made or brought up to date.
    pub dirs: u64,
    /// Links, pipes and devices made.
    pub others: u64,
    /// Sum of the sizes of the files written.
    pub bytes_restored: u64,
    /// Sum of the sizes of the files skipped.
    pub bytes_skipped: u64,
    /// Entries that could not be restored, or differ when verified.
    pub problems: u64,
    /// Problems among them that come from damage to the vault.
    pub damaged: u64,
    /// Entries that are restored, but not with everything: an attribute or an owner could not be set.
    pub warnings: u64,
    /// Files read again and found right.
    pub files_verified: u64,
    /// How long it took.
    pub duration: Duration,
}

/// Why a restore ended. Problems of single entries do not end it: they are in the report.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RestoreError {
    /// The part that was asked for is not there, or cannot be read.
    #[error(transparent)]
    Part(#[from] LsError),
    /// A pattern is malformed.
    #[error(transparent)]
    Pattern(#[from] ExcludeError),
    /// The target cannot be opened or made.
    #[error(transparent)]
    Target(TargetError),
    /// It would not fit.
    #[error("{} has {available} bytes free, and the restore needs {needed}; nothing was written", path.display())]
    NoRoom {
        /// The target.
        path: PathBuf,
        /// Bytes of content to be written.
        needed: u64,
        /// Bytes that are free.
        available: u64,
    },
    /// It did not fit.
    #[error("{path}: the target is full; what was restored so far stays")]
    Full {
        /// The path that was being written.
        path: RawPath,
    },
    /// A chunk cannot be had for a reason that holds for all others, too.
    #[error("the vault cannot be read any more; what was restored so far stays")]
    Chunk(#[source] Box<ChunkError>),
    /// The local copy of the index cannot be read.
    #[error(transparent)]
    Index(#[from] IndexError),
    /// Stopped on request.
    #[error("interrupted; what was restored so far stays")]
    Interrupted,
    /// A worker panicked.
    #[error("a stage of the restore ended unexpectedly; please report this")]
    Panicked,
}

impl From<ChunkError> for RestoreError {
    fn from(error: ChunkError) -> Self {
        Self::Chunk(Box::new(error))
    }
}

impl RestoreError {
    /// What kind of trouble this is.
    pub fn trouble(&self) -> Trouble {
        match self {
            Self::Part(error) => error.trouble(),
            Self::Pattern(_) => Trouble::Usage,
            Self::Target(_) | Self::Index(_) | Self::Panicked => Trouble::Failed,
            Self::NoRoom { .. } | Self::Full { .. } => Trouble::Storage,
            Self::Chunk(error) => error.trouble(),
            Self::Interrupted => Trouble::Interrupted,
        }
    }

    /// What to do about it.
    pub fn hints(&self) -> Vec<String> {
        let again = "run the same restore again: files that are complete are skipped";
        match self {
            Self::Part(error) => error.hints(),
            Self::NoRoom { .. } => vec!["free some space, or restore a part with --include or snapshot:path".into()],
            Self::Full { .. } => vec![format!("free some space, then {again}")],
            Self::Chunk(_) | Self::Interrupted => vec![again.into()],
            Self::Index(_) => vec!["remove the cache folder: it is filled again from the vault".into()],
            _ => Vec::new(),
        }
    }
}

/// Restores a snapshot, or a part of one.
pub fn restore(vault: &Vault, options: &RestoreOptions, watch: &Watch<'_>) -> Result<RestoreReport, RestoreError> {
    let started = Instant::now();
    let parts = parts(vault, &options.snapshot)?;
    let job = Job::open(vault, options, watch)?;
    let sources = job.sources(parts)?;
    if !options.dry_run {
        job.check_space(&sources)?;
    }
    watch.event(Event::Phase("restoring"));
    let written = job.write(&sources);
    if written.is_ok() && options.delete {
        job.delete_extra(&sources)?;
    }
    // Also after an interruption: folders are private until they have their own metadata.
    job.finish_folders(&sources)?;
    written?;
    if options.verify && !options.dry_run {
        watch.event(Event::Phase("verifying"));
        job.verify(&sources)?;
    }
    Ok(job.report(started.elapsed()))
}
