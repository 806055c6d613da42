//! What the clones of a target share, and how something new is put in the place of what is there.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustix::fs::AtFlags;
use rustix::io::Errno;

use super::folder::{Cache, Folder, Made, join, split};
use super::meta::Seen;
use super::{TargetError, TargetOptions, TargetProblem};

/// What the clones of a target share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) options: TargetOptions,
    /// Effective user and group.
    pub(super) me: (u32, u32),
    /// The target's real path, for SQLite, which opens by path.
    pub(super) place: PathBuf,
    /// `None` in a dry run into a folder that does not exist.
    pub(super) root: Option<Arc<Folder>>,
    pub(super) cache: Mutex<Cache>,
    pub(super) made: Mutex<Made>,
    pub(super) problems: Mutex<Vec<TargetProblem>>,
    pub(super) temps: AtomicU64,
}

impl Shared {
    pub(super) fn problem(&self, path: &[u8], what: impl Into<String>, error: impl Into<std::io::Error>) {
        lock(&self.problems).push(TargetProblem { path: path.into(), what: what.into(), error: error.into() });
    }

    /// Makes something under a name beside its final one.
    pub(super) fn make_beside<T>(
        &self,
        path: &[u8],
        doing: &'static str,
        make: impl Fn(&[u8]) -> Result<T, Errno>,
    ) -> Result<(Vec<u8>, T), TargetError> {
        for _ in 0..TEMP_TRIES {
            let temp = self.temp_name();
            match make(&temp) {
                Ok(made) => return Ok((temp, made)),
                Err(Errno::EXIST | Errno::ISDIR | Errno::NOTEMPTY) => {}
                Err(error) => return Err(TargetError::io(path, doing, error)),
            }
        }
        Err(TargetError::io(path, doing, Errno::EXIST))
    }

    pub(super) fn temp_name(&self) -> Vec<u8> {
        let number = self.temps.fetch_add(1, Ordering::Relaxed);
        // The clock keeps apart what an earlier process of the same id left behind.
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |time| time.as_nanos());
        format!(".zvault-restore-{:x}-{now:x}-{number:x}", std::process::id()).into_bytes()
    }

    /// Renames what was made beside over what is there.
    pub(super) fn put_in_place(
        &self,
        folder: &Folder,
        temp: &[u8],
        path: &[u8],
        over_folder: bool,
    ) -> Result<(), TargetError> {
        let (folder_path, name) = split(path);
        let rename = |from: &[u8], to: &[u8]| rustix::fs::renameat(folder, from, folder, to);
        let failed = |error| {
            let _ = rustix::fs::unlinkat(folder, temp, AtFlags::empty());
            TargetError::io(path, "put the new file in place", error)
        };
        if !over_folder {
            return rename(temp, name).map_err(failed);
        }
        self.forget_folders(path);
        let aside = self.temp_name();
        rename(name, &aside).map_err(failed)?;
        if let Err(error) = rename(temp, name) {
            let _ = rename(&aside, name);
            return Err(failed(error));
        }
        self.remove_tree(&join(folder_path, &aside)?)
    }

    /// Two entries that lead to one thing: the first one stays.
    pub(super) fn refuse_collision(&self, folder: &Folder, seen: &Seen, path: &[u8]) -> Result<(), TargetError> {
        if folder.is_fresh() || lock(&self.made).has(seen) {
            return Err(TargetError::Collision { path: path.into() });
        }
        Ok(())
    }

    /// Remembers what was just made in a folder that had content before; in a fresh one everything is ours anyway.
    pub(super) fn claim(&self, folder: &Folder, name: &[u8]) {
        if !folder.is_fresh()
            && let Ok(Some(seen)) = Seen::at(folder, name)
        {
            lock(&self.made).claim(&seen);
        }
    }
}

/// Nothing here leaves its data half-changed when it panics, so a poisoned lock is as good as any.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

const TEMP_TRIES: u32 = 16;
