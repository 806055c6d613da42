//! What is done where something exists already.

use std::os::fd::AsFd;

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use vault_format::{Capture, Entry, Kind};

use super::folder::{Folder, split};
use super::meta::{Meta, Seen};
use super::{Action, Outcome, Overwrite, Root, SET_METADATA, SkipReason, TargetError, sqlite};

pub(super) enum Verdict {
    Skip(SkipReason),
    Replace { folder: bool },
}

impl Root {
    /// What the options say about something that exists. Not for two folders.
    pub(super) fn decide(
        &self,
        folder: &Folder,
        name: &[u8],
        seen: &Seen,
        entry: &Entry,
        path: &[u8],
    ) -> Result<Verdict, TargetError> {
        let options = &self.shared.options;
        let over_folder = seen.kind == Kind::Dir;
        Ok(match options.overwrite {
            Overwrite::Never => Verdict::Skip(SkipReason::Exists),
            Overwrite::IfNewer if entry.mtime <= seen.mtime => Verdict::Skip(SkipReason::NotNewer),
            Overwrite::IfChanged if looks_same(folder, name, seen, entry) => Verdict::Skip(SkipReason::Unchanged),
            // The root of a source is no place to empty: something is odd if it was a folder and is none now.
            _ if over_folder && (!options.delete || entry.path.is_empty()) => {
                return Err(TargetError::FolderInTheWay { path: path.into() });
            }
            _ => Verdict::Replace { folder: over_folder },
        })
    }

    /// What a real run would do.
    pub(super) fn plan(&self, entry: &Entry, path: &[u8]) -> Result<Outcome, TargetError> {
        let (folder_path, name) = split(path);
        let looked = |error| TargetError::io(path, "look at it", error);
        let seen = if name.is_empty() {
            self.shared.root.as_deref().map(Seen::of_fd).transpose().map_err(looked)?.map(|seen| (None, seen))
        } else {
            match self.shared.find_folder(folder_path) {
                Ok(None) => None,
                Ok(Some(folder)) => Seen::at(&*folder, name).map_err(looked)?.map(|seen| (Some(folder), seen)),
                Err(error) => return Err(error),
            }
        };
        let Some((folder, seen)) = seen else {
            return Ok(Outcome::Planned(Action::Create));
        };
        if entry.kind == Kind::Dir && seen.kind == Kind::Dir {
            return Ok(match self.shared.options.overwrite {
                Overwrite::Never => Outcome::Skipped(SkipReason::Exists),
                Overwrite::IfNewer if entry.mtime <= seen.mtime => Outcome::Skipped(SkipReason::NotNewer),
                _ => Outcome::Planned(Action::Update),
            });
        }
        let Some(folder) = folder else {
            return Ok(Outcome::Planned(Action::Update));
        };
        if entry.kind == Kind::Dir && seen.kind == Kind::Symlink {
            return Err(TargetError::ThroughSymlink { path: path.into(), link: path.into() });
        }
        Ok(match self.decide(&folder, name, &seen, entry, path)? {
            Verdict::Skip(reason) => Outcome::Skipped(reason),
            Verdict::Replace { .. } => Outcome::Planned(Action::Replace),
        })
    }

    /// Brings the metadata of a file up to date whose content is right. False if that would reach other names of it: then
    /// it is to be replaced.
    pub(super) fn refresh(&self, folder: &Folder, name: &[u8], seen: &Seen, entry: &Entry, path: &[u8]) -> bool {
        let meta = Meta::of(entry, &self.owners);
        let owner_same = (meta.uid, meta.gid) == (seen.uid, seen.gid);
        let keeps_owner = owner_same || !self.shared.options.owners;
        let mode = if owner_same || self.shared.options.owners { meta.mode } else { meta.mode & 0o1777 };
        if keeps_owner && mode == seen.mode {
            return true;
        }
        if seen.links > 1 || matches!(entry.capture, Capture::Sqlite { .. }) {
            return false;
        }
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        match rustix::fs::openat(folder, name, flags, Mode::empty()) {
            Ok(fd) if Seen::of_fd(&fd).is_ok_and(|now| now.id == seen.id) => {
                self.shared.set_metadata(fd.as_fd(), seen, &meta, path);
            }
            Ok(_) => self.shared.problem(path, SET_METADATA, Errno::STALE),
            Err(error) => self.shared.problem(path, SET_METADATA, error),
        }
        true
    }
}

/// Whether what exists can be taken for the entry without reading it.
pub(super) fn looks_same(folder: &Folder, name: &[u8], seen: &Seen, entry: &Entry) -> bool {
    seen.kind == entry.kind
        && match entry.kind {
            Kind::File => {
                let database = matches!(entry.capture, Capture::Sqlite { .. });
                (seen.size, seen.mtime) == (entry.size, entry.mtime) && !(database && sqlite::has_pending(folder, name))
            }
            Kind::Symlink => rustix::fs::readlinkat(folder, name, Vec::new())
                .is_ok_and(|target| target.as_bytes() == entry.target.as_slice()),
            Kind::CharDevice | Kind::BlockDevice => seen.rdev == entry.rdev,
            Kind::Fifo | Kind::Socket | Kind::Dir => true,
        }
}
