//! Writes a restored tree into a folder. Knows nothing of vaults: entries and bytes come in, files come out.
//!
//! Manifests are hostile: a path is checked name by name, every folder is opened relative to its parent and never through
//! a symbolic link, and nothing is written through an existing name. Where nothing exists a file is made at once under
//! its name; where something exists it is written beside and renamed, so the old one lives until the new one is whole.
//!
//! The order of a restore: [`Root::begin`] or [`Root::write_small`] for every entry in `path_cmp` order, [`FileSink`]s as
//! their bytes arrive, [`Root::link`] once the first name is finished, [`Root::remove_extra`], and at last
//! [`Target::finish_folders`].
mod decide;
mod delete;
mod error;
mod folder;
mod meta;
mod root;
mod shared;
mod sink;
mod sqlite;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;

use std::os::fd::AsFd;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex};

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use vault_format::path_cmp;

pub use delete::Extra;
pub use error::{RawPath, TargetError, TargetProblem};
pub use meta::OwnerMap;
pub use root::Root;
pub use sink::FileSink;

use folder::{Folder, join};
use meta::{Meta, Seen};
use shared::{Shared, lock};

/// What happens where something exists already.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Overwrite {
    /// It is replaced.
    Always,
    /// It stays if it is of the same kind and of the same size and modification time (target, device number).
    #[default]
    IfChanged,
    /// It is replaced if the entry's modification time is later.
    IfNewer,
    /// It stays.
    Never,
}

/// How a tree is written.
#[derive(Clone, Debug)]
pub struct TargetOptions {
    /// What happens where something exists already.
    pub overwrite: Overwrite,
    /// Restore owners. By default only when running as root.
    pub owners: bool,
    /// Change nothing: [`Outcome::Planned`] tells what would be done.
    pub dry_run: bool,
    /// Leave out zero blocks in all files; in files that have holes this is always done.
    pub sparse: bool,
    /// A folder may be removed where the snapshot has something else.
    pub delete: bool,
}

impl Default for TargetOptions {
    fn default() -> Self {
        Self {
            overwrite: Overwrite::default(),
            owners: rustix::process::geteuid().is_root(),
            dry_run: false,
            sparse: false,
            delete: false,
        }
    }
}

/// What became of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It was restored.
    Done(Action),
    /// It would be restored, but for the dry run.
    Planned(Action),
    /// What is there stays.
    Skipped(SkipReason),
}

/// How an entry is restored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Nothing was there.
    Create,
    /// It takes the place of something else.
    Replace,
    /// The folder is there, and gets the entry's metadata.
    Update,
}

/// Why what is there stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SkipReason {
    /// It looks the same.
    Unchanged,
    /// It is as new as the entry, or newer.
    NotNewer,
    /// Whatever exists stays.
    Exists,
    /// Sockets are made by the program that listens.
    Socket,
}

/// How an entry goes on after [`Root::begin`].
#[derive(Debug)]
pub enum Begin {
    /// Nothing more to do.
    Settled(Outcome),
    /// Bytes are expected.
    File(FileSink),
}

/// A folder that trees are restored into. Clones are the same target.
#[derive(Clone, Debug)]
pub struct Target {
    shared: Arc<Shared>,
}

impl Target {
    /// Opens the folder, and makes it with its parents (mode 0700) where missing, unless in a dry run. Symbolic links in
    /// `path` itself are the user's and are followed.
    pub fn open(path: &Path, options: TargetOptions) -> Result<Self, TargetError> {
        let failed = |source: std::io::Error| TargetError::Open { path: path.to_owned(), source };
        let exists = path.try_exists().map_err(failed)?;
        if !exists && !options.dry_run {
            std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(failed)?;
        }
        let root = if exists || !options.dry_run {
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
            let fd = rustix::fs::open(path, flags, Mode::empty()).map_err(|error| failed(error.into()))?;
            Some(Arc::new(Folder::new(fd).map_err(|error| failed(error.into()))?))
        } else {
            None
        };
        let place = if root.is_some() { path.canonicalize().map_err(failed)? } else { path.to_owned() };
        let me = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
        let shared = Shared {
            options,
            me,
            place,
            root,
            cache: Mutex::default(),
            made: Mutex::default(),
            problems: Mutex::default(),
            temps: AtomicU64::new(0),
        };
        if let Some(root) = shared.root.as_ref().filter(|_| !exists) {
            shared.note(root, b"", true)?;
        }
        Ok(Self { shared: Arc::new(shared) })
    }

    /// Whether nothing is in the folder.
    pub fn is_empty(&self) -> Result<bool, TargetError> {
        match &self.shared.root {
            Some(root) => root.is_empty().map_err(|error| TargetError::io(b"", "list the folder", error)),
            None => Ok(true),
        }
    }

    /// The place of one source: `base` is where its root goes below the target, `/` between names, empty for the target
    /// itself. Makes nothing yet. Folders above entries that never get an entry of their own are made with mode 0700.
    pub fn root(&self, base: &[u8], owners: OwnerMap) -> Result<Root, TargetError> {
        let base = join(base, b"")?;
        Ok(Root { shared: self.shared.clone(), base: base.into(), owners: Arc::new(owners) })
    }

    /// Puts the metadata on all folders begun so far, deepest first. To be called when everything inside them is done.
    pub fn finish_folders(&self) {
        let mut pending: Vec<(Vec<u8>, Box<Meta>)> = {
            let mut made = lock(&self.shared.made);
            made.folders.iter_mut().filter_map(|(path, state)| Some((path.clone(), state.meta.take()?))).collect()
        };
        pending.sort_unstable_by(|(a, _), (b, _)| path_cmp(b, a));
        for (path, meta) in pending {
            let found = self.shared.find_folder(&path).and_then(|folder| {
                let folder = folder.ok_or(Errno::NOENT).map_err(|error| TargetError::io(&path, "open it", error))?;
                let seen = Seen::of_fd(&*folder).map_err(|error| TargetError::io(&path, "look at it", error))?;
                Ok((folder, seen))
            });
            match found {
                Ok((folder, seen)) => self.shared.set_metadata(folder.as_fd(), &seen, &meta, &path),
                Err(error) => self.shared.problem(&path, SET_METADATA, std::io::Error::other(error)),
            }
        }
    }

    /// The problems since the last call. Callers with many files call this now and then.
    pub fn take_problems(&self) -> Vec<TargetProblem> {
        std::mem::take(&mut *lock(&self.shared.problems))
    }

    /// Waits until everything written is on the disk. One call for the whole tree is far cheaper than one a file.
    pub fn sync(&self) -> Result<(), TargetError> {
        let Some(root) = &self.shared.root else {
            return Ok(());
        };
        #[cfg(target_os = "linux")]
        let synced = rustix::fs::syncfs(root);
        #[cfg(not(target_os = "linux"))]
        let synced = rustix::fs::fsync(root);
        synced.map_err(|error| TargetError::io(b"", "write everything to the disk", error))
    }
}

const SET_METADATA: &str = "set metadata";
