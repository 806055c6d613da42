//! The place of one source below a target: entries come in, files, folders and links are made.

use std::os::fd::AsFd;
use std::sync::Arc;

use rustix::fs::{AtFlags, FileType, Mode, OFlags};
use rustix::io::Errno;
use vault_format::{Capture, Entry, Kind};

use super::decide::{Verdict, looks_same};
use super::folder::{Folder, PRIVATE, join, split};
use super::meta::{Meta, OwnerMap, Seen};
use super::{
    Action, Begin, FileSink, Outcome, Overwrite, RawPath, Shared, SkipReason, TargetError, lock, sink, sqlite,
};

/// The place of one source below a target. Clones are the same place; all methods may be called from several threads.
#[derive(Clone, Debug)]
pub struct Root {
    pub(super) shared: Arc<Shared>,
    pub(super) base: Arc<[u8]>,
    pub(super) owners: Arc<OwnerMap>,
}

impl Root {
    /// Starts one entry: makes folders, links, pipes and devices, decides about files. Parents missing are made.
    pub fn begin(&self, entry: &Entry) -> Result<Begin, TargetError> {
        let path = self.full(entry)?;
        match entry.kind {
            Kind::File => self.begin_file(entry, path, PRIVATE_FILE),
            Kind::Dir => self.begin_folder(entry, &path).map(Begin::Settled),
            Kind::Socket => Ok(Begin::Settled(Outcome::Skipped(SkipReason::Socket))),
            _ => self.make_special(entry, &path).map(Begin::Settled),
        }
    }

    /// Restores a regular file whose content (without its holes) is at hand. The short way for most files: open, write,
    /// set the times, close.
    pub fn write_small(&self, entry: &Entry, content: &[u8]) -> Result<Outcome, TargetError> {
        let path = self.full(entry)?;
        let holes: u64 = entry.holes.iter().fold(0, |sum, (_, len)| sum.saturating_add(*len));
        if entry.kind != Kind::File || entry.size.checked_sub(holes) != Some(content.len() as u64) {
            return Err(TargetError::BadEntry { path: RawPath(path), what: "the content has another size" });
        }
        // The final mode at once where nobody gets more from it than in the end. Attributes need write permission.
        let plain = entry.xattrs.is_empty() && !self.shared.gives_away(entry, &self.owners);
        let mode = if plain { Mode::from_raw_mode((entry.mode & 0o777) as _) } else { PRIVATE_FILE };
        match self.begin_file(entry, path, mode)? {
            Begin::Settled(outcome) => Ok(outcome),
            Begin::File(sink) => {
                sink.write_content(0, content)?;
                sink.finish().map(Outcome::Done)
            }
        }
    }

    /// Makes `entry` another name of `first`, a path below the same source that is restored and finished. If `first` was
    /// skipped and holds something else, this is [`TargetError::LinkSource`]: restore the entry as a file of its own.
    pub fn link(&self, first: &[u8], entry: &Entry) -> Result<Outcome, TargetError> {
        let shared = &*self.shared;
        let path = self.full(entry)?;
        let first = join(&self.base, first)?;
        let ((folder_path, name), (first_folder, first_name)) = (split(&path), split(&first));
        if shared.options.dry_run {
            return self.plan(entry, &path);
        }
        let other = || TargetError::LinkSource { path: path.as_slice().into(), first: first.as_slice().into() };
        let from = shared.find_folder(first_folder)?.ok_or_else(other)?;
        let seen = Seen::at(&*from, first_name)
            .map_err(|error| TargetError::io(&first, "look at the file", error))?
            .filter(|seen| seen.kind != Kind::Dir && looks_same(&from, first_name, seen, entry))
            .ok_or_else(other)?;
        let folder = shared.make_folder(folder_path)?;
        let link = |name: &[u8]| rustix::fs::linkat(&*from, first_name, &*folder, name, AtFlags::empty());
        match link(name) {
            Ok(()) => return Ok(Outcome::Done(Action::Create)),
            Err(Errno::EXIST) => {}
            Err(error) => return Err(TargetError::io(&path, "link the file", error)),
        }
        let existing = Seen::at(&*folder, name).map_err(|error| TargetError::io(&path, "look at the file", error))?;
        let mut over_folder = false;
        if let Some(existing) = existing {
            if existing.id == seen.id {
                return Ok(Outcome::Skipped(SkipReason::Unchanged));
            }
            shared.refuse_collision(&folder, &existing, &path)?;
            match self.decide(&folder, name, &existing, entry, &path)? {
                // A file of its own that looks the same is not yet a link.
                Verdict::Skip(SkipReason::Unchanged) => {}
                Verdict::Skip(reason) => return Ok(Outcome::Skipped(reason)),
                Verdict::Replace { folder } => over_folder = folder,
            }
        }
        let (temp, ()) = shared.make_beside(&path, "link the file", link)?;
        shared.put_in_place(&folder, &temp, &path, over_folder)?;
        Ok(Outcome::Done(Action::Replace))
    }

    fn full(&self, entry: &Entry) -> Result<Vec<u8>, TargetError> {
        let path = join(&self.base, &entry.path)?;
        if path.is_empty() && entry.kind != Kind::Dir {
            return Err(TargetError::BadPath { path: RawPath(path), what: "the target itself is a folder" });
        }
        Ok(path)
    }

    fn begin_folder(&self, entry: &Entry, path: &[u8]) -> Result<Outcome, TargetError> {
        let shared = &*self.shared;
        if shared.options.dry_run {
            return self.plan(entry, path);
        }
        let mut action = Action::Create;
        let folder = match shared.make_folder(path) {
            Err(TargetError::FileInTheWay { file, .. }) if file.0 == path => {
                if let Some(reason) = self.make_way(entry, path)? {
                    return Ok(Outcome::Skipped(reason));
                }
                action = Action::Replace;
                shared.make_folder(path)?
            }
            folder => folder?,
        };
        let seen = Seen::of_fd(&*folder).map_err(|error| TargetError::io(path, "look at the folder", error))?;
        let mut made = lock(&shared.made);
        let Some(state) = made.folders.get_mut(path) else {
            return Ok(Outcome::Done(action));
        };
        if !state.made && action == Action::Create {
            action = Action::Update;
            match shared.options.overwrite {
                Overwrite::Never => return Ok(Outcome::Skipped(SkipReason::Exists)),
                Overwrite::IfNewer if entry.mtime <= seen.mtime => {
                    return Ok(Outcome::Skipped(SkipReason::NotNewer));
                }
                _ => {}
            }
            // A read-only folder of an earlier restore must let this one in. Its own mode comes back at the end.
            if seen.uid == shared.me.0 && seen.mode & 0o700 != 0o700 {
                let mode = Mode::from_raw_mode((seen.mode | 0o700) as _);
                rustix::fs::fchmod(&*folder, mode)
                    .map_err(|error| TargetError::io(path, "open up the folder", error))?;
            }
        }
        state.meta = Some(Box::new(Meta::of(entry, &self.owners)));
        Ok(Outcome::Done(action))
    }

    /// Removes what stands where a folder belongs, if it may go.
    fn make_way(&self, entry: &Entry, path: &[u8]) -> Result<Option<SkipReason>, TargetError> {
        let shared = &*self.shared;
        let (folder_path, name) = split(path);
        let folder = shared.make_folder(folder_path)?;
        let Some(seen) = Seen::at(&*folder, name).map_err(|error| TargetError::io(path, "look at it", error))? else {
            return Ok(None);
        };
        shared.refuse_collision(&folder, &seen, path)?;
        if let Verdict::Skip(reason) = self.decide(&folder, name, &seen, entry, path)? {
            return Ok(Some(reason));
        }
        let failed = |error| TargetError::io(path, "make the folder", error);
        let rename = |to: &[u8]| rustix::fs::renameat(&*folder, name, &*folder, to);
        let (aside, ()) = shared.make_beside(path, "move the old file aside", rename)?;
        if let Err(error) = rustix::fs::mkdirat(&*folder, name, PRIVATE) {
            rustix::fs::renameat(&*folder, &aside, &*folder, name).map_err(failed)?;
            return Err(failed(error));
        }
        rustix::fs::unlinkat(&*folder, &aside, AtFlags::empty()).map_err(failed)?;
        Ok(None)
    }

    fn begin_file(&self, entry: &Entry, path: Vec<u8>, mode: Mode) -> Result<Begin, TargetError> {
        let shared = &*self.shared;
        let layout = sink::Layout::of(entry, &path)?;
        if shared.options.dry_run {
            return self.plan(entry, &path).map(Begin::Settled);
        }
        let (folder_path, name) = split(&path);
        let folder = shared.make_folder(folder_path)?;
        let database = matches!(entry.capture, Capture::Sqlite { .. });
        let open = |name: &[u8]| rustix::fs::openat(&*folder, name, NEW_FILE, mode);
        // A database waits beside until it is checked, even where nothing is.
        let existing = if database { Err(Errno::EXIST) } else { open(name) };
        match existing {
            Ok(fd) => {
                return FileSink::start(self, folder, fd, path, None, layout, entry).map(Begin::File);
            }
            Err(Errno::EXIST) => {}
            Err(error) => return Err(TargetError::io(&path, "make the file", error)),
        }
        let mut place = sink::Beside { action: Action::Create, over_folder: false, database, old: None };
        if let Some(seen) =
            Seen::at(&*folder, name).map_err(|error| TargetError::io(&path, "look at the file", error))?
        {
            shared.refuse_collision(&folder, &seen, &path)?;
            place.action = Action::Replace;
            match self.decide(&folder, name, &seen, entry, &path)? {
                Verdict::Skip(SkipReason::Unchanged) if !self.refresh(&folder, name, &seen, entry, &path) => {}
                Verdict::Skip(reason) => {
                    lock(&shared.made).claim(&seen);
                    return Ok(Begin::Settled(Outcome::Skipped(reason)));
                }
                Verdict::Replace { folder } => place.over_folder = folder,
            }
            if database && seen.kind == Kind::File {
                sqlite::refuse_open(shared, &folder, &path)?;
            }
            lock(&shared.made).claim(&seen);
            place.old = Some(seen.id);
        }
        let (temp, fd) = shared.make_beside(&path, "make the file", open)?;
        FileSink::start(self, folder, fd, path, Some((temp, place)), layout, entry).map(Begin::File)
    }

    fn make_special(&self, entry: &Entry, path: &[u8]) -> Result<Outcome, TargetError> {
        let shared = &*self.shared;
        if shared.options.dry_run {
            return self.plan(entry, path);
        }
        let (folder_path, name) = split(path);
        let folder = shared.make_folder(folder_path)?;
        let meta = Meta::of(entry, &self.owners);
        let make = |name: &[u8]| match entry.kind {
            Kind::Symlink => rustix::fs::symlinkat(entry.target.as_slice(), &*folder, name),
            _ => make_node(&folder, name, entry),
        };
        match make(name) {
            Ok(()) => {
                shared.set_metadata_at(folder.as_fd(), name, &meta, path);
                shared.claim(&folder, name);
                return Ok(Outcome::Done(Action::Create));
            }
            Err(Errno::EXIST) => {}
            Err(error) => return Err(TargetError::io(path, "make it", error)),
        }
        let mut over_folder = false;
        if let Some(seen) = Seen::at(&*folder, name).map_err(|error| TargetError::io(path, "look at it", error))? {
            shared.refuse_collision(&folder, &seen, path)?;
            match self.decide(&folder, name, &seen, entry, path)? {
                Verdict::Skip(reason) => {
                    lock(&shared.made).claim(&seen);
                    return Ok(Outcome::Skipped(reason));
                }
                Verdict::Replace { folder } => over_folder = folder,
            }
        }
        let (temp, ()) = shared.make_beside(path, "make it", make)?;
        shared.set_metadata_at(folder.as_fd(), &temp, &meta, path);
        shared.put_in_place(&folder, &temp, path, over_folder)?;
        shared.claim(&folder, name);
        Ok(Outcome::Done(Action::Replace))
    }
}

#[cfg(not(target_vendor = "apple"))]
fn make_node(folder: &Folder, name: &[u8], entry: &Entry) -> Result<(), Errno> {
    let kind = match entry.kind {
        Kind::Fifo => FileType::Fifo,
        Kind::CharDevice => FileType::CharacterDevice,
        Kind::BlockDevice => FileType::BlockDevice,
        _ => return Err(Errno::INVAL),
    };
    rustix::fs::mknodat(folder, name, kind, PRIVATE_FILE, entry.rdev as _)
}

#[cfg(target_vendor = "apple")]
fn make_node(_folder: &Folder, _name: &[u8], _entry: &Entry) -> Result<(), Errno> {
    Err(Errno::NOTSUP)
}

const NEW_FILE: OFlags =
    OFlags::WRONLY.union(OFlags::CREATE).union(OFlags::EXCL).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

const PRIVATE_FILE: Mode = Mode::RUSR.union(Mode::WUSR);
