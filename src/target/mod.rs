//! Writes a restored tree into a folder. Knows nothing of vaults: entries and bytes come in, files come out.
//!
//! Manifests are hostile: a path is checked name by name, every folder is opened relative to its parent and never through
//! a symbolic link, and nothing is written through an existing name. Where nothing exists a file is made at once under
//! its name; where something exists it is written beside and renamed, so the old one lives until the new one is whole.
//!
//! The order of a restore: [`Root::begin`] or [`Root::write_small`] for every entry in `path_cmp` order, [`FileSink`]s as
//! their bytes arrive, [`Root::link`] once the first name is finished, [`Root::remove_extra`], and at last
//! [`Target::finish_folders`].
mod delete;
mod error;
mod folder;
mod meta;
mod sink;
mod sqlite;
#[cfg(test)]
mod testing;

use std::os::fd::AsFd;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustix::fs::{AtFlags, FileType, Mode, OFlags};
use rustix::io::Errno;
use vault_format::{Capture, Entry, Kind, path_cmp};

pub use delete::Extra;
pub use error::{RawPath, TargetError, TargetProblem};
pub use meta::OwnerMap;
pub use sink::FileSink;

use folder::{Cache, Folder, Made, PRIVATE, join, split};
use meta::{Meta, Seen};

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

/// The place of one source below a target. Clones are the same place; all methods may be called from several threads.
#[derive(Clone, Debug)]
pub struct Root {
    shared: Arc<Shared>,
    base: Arc<[u8]>,
    owners: Arc<OwnerMap>,
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

    /// Brings the metadata of a file up to date whose content is right. False if that would reach other names of it: then
    /// it is to be replaced.
    fn refresh(&self, folder: &Folder, name: &[u8], seen: &Seen, entry: &Entry, path: &[u8]) -> bool {
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

    /// What a real run would do.
    fn plan(&self, entry: &Entry, path: &[u8]) -> Result<Outcome, TargetError> {
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

    /// What the options say about something that exists. Not for two folders.
    fn decide(
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
}

/// What the clones of a target share.
#[derive(Debug)]
struct Shared {
    options: TargetOptions,
    /// Effective user and group.
    me: (u32, u32),
    /// The target's real path, for SQLite, which opens by path.
    place: PathBuf,
    /// `None` in a dry run into a folder that does not exist.
    root: Option<Arc<Folder>>,
    cache: Mutex<Cache>,
    made: Mutex<Made>,
    problems: Mutex<Vec<TargetProblem>>,
    temps: AtomicU64,
}

impl Shared {
    fn problem(&self, path: &[u8], what: impl Into<String>, error: impl Into<std::io::Error>) {
        lock(&self.problems).push(TargetProblem { path: path.into(), what: what.into(), error: error.into() });
    }

    /// Makes something under a name beside its final one.
    fn make_beside<T>(
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

    fn temp_name(&self) -> Vec<u8> {
        let number = self.temps.fetch_add(1, Ordering::Relaxed);
        // The clock keeps apart what an earlier process of the same id left behind.
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |time| time.as_nanos());
        format!(".zvault-restore-{:x}-{now:x}-{number:x}", std::process::id()).into_bytes()
    }

    /// Renames what was made beside over what is there.
    fn put_in_place(&self, folder: &Folder, temp: &[u8], path: &[u8], over_folder: bool) -> Result<(), TargetError> {
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
    fn refuse_collision(&self, folder: &Folder, seen: &Seen, path: &[u8]) -> Result<(), TargetError> {
        if folder.is_fresh() || lock(&self.made).has(seen) {
            return Err(TargetError::Collision { path: path.into() });
        }
        Ok(())
    }

    /// Remembers what was just made in a folder that had content before; in a fresh one everything is ours anyway.
    fn claim(&self, folder: &Folder, name: &[u8]) {
        if !folder.is_fresh()
            && let Ok(Some(seen)) = Seen::at(folder, name)
        {
            lock(&self.made).claim(&seen);
        }
    }
}

enum Verdict {
    Skip(SkipReason),
    Replace { folder: bool },
}

/// Whether what exists can be taken for the entry without reading it.
fn looks_same(folder: &Folder, name: &[u8], seen: &Seen, entry: &Entry) -> bool {
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

/// Nothing here leaves its data half-changed when it panics, so a poisoned lock is as good as any.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

const NEW_FILE: OFlags =
    OFlags::WRONLY.union(OFlags::CREATE).union(OFlags::EXCL).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);
const PRIVATE_FILE: Mode = Mode::RUSR.union(Mode::WUSR);
const SET_METADATA: &str = "set metadata";
const TEMP_TRIES: u32 = 16;

#[cfg(test)]
mod tests {
    use super::testing::*;
    use super::*;
    use std::fs;
    use std::os::unix::ffi::OsStrExt;
    use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
    use vault_format::Time;

    const CREATED: Outcome = Outcome::Done(Action::Create);
    const REPLACED: Outcome = Outcome::Done(Action::Replace);

    #[test]
    fn writes_a_tree_with_metadata() {
        let place = Place::new();
        let target = place.target(Overwrite::IfChanged);
        assert!(target.is_empty().unwrap());
        let root = target.root(b"home/u", OwnerMap::numeric()).unwrap();
        let mut folder = entry(Kind::Dir, "", 0);
        folder.mode = 0o2751;
        assert_eq!(settled(root.begin(&folder).unwrap()), CREATED);
        let mut inner = entry(Kind::Dir, "in", 0);
        inner.mode = 0o500;
        inner.mtime = Time { secs: -86_400, nanos: 5 };
        assert_eq!(settled(root.begin(&inner).unwrap()), CREATED);
        assert_eq!(mode(&place.path("home/u/in")), 0o700);
        let mut old = file("in/old", 5);
        old.mtime = Time { secs: -2_000_000_000, nanos: 999_999_999 };
        old.mode = 0o466;
        assert_eq!(root.write_small(&old, b"hello").unwrap(), CREATED);
        let mut link = entry(Kind::Symlink, "in/to", 0);
        link.target = b"/nowhere/\xff".to_vec();
        link.mtime = Time { secs: -1, nanos: 1 };
        assert_eq!(settled(root.begin(&link).unwrap()), CREATED);
        target.finish_folders();
        target.sync().unwrap();

        assert_eq!(fs::read(place.path("home/u/in/old")).unwrap(), b"hello");
        assert_eq!(mtime(&place.path("home/u/in/old")), old.mtime);
        assert_eq!(mode(&place.path("home/u/in/old")), 0o466);
        assert_eq!(mtime(&place.path("home/u/in")), inner.mtime);
        assert_eq!(mode(&place.path("home/u/in")), 0o500);
        assert_eq!(mode(&place.path("home/u")), 0o2751);
        assert_eq!(mtime(&place.path("home/u")), MTIME);
        assert_eq!(fs::read_link(place.path("home/u/in/to")).unwrap().as_os_str().as_bytes(), link.target);
        assert_eq!(mtime(&place.path("home/u/in/to")), link.mtime);
        assert!(target.take_problems().is_empty());
    }

    #[test]
    fn hostile_entries_write_nothing() {
        let place = Place::new();
        let root = root(&place.target(Overwrite::Always));
        for path in ["../x", "a/../../x", "/x", "a//x", "./x", "a\0", "x/", ".."] {
            let refused = root.write_small(&file(path, 1), b"x");
            assert!(matches!(refused, Err(TargetError::BadPath { .. })), "{path:?}");
        }
        assert!(matches!(root.begin(&file("", 1)), Err(TargetError::BadPath { .. })));
        for holes in [vec![(0, 11)], vec![(5, 2), (4, 1)], vec![(u64::MAX, 2)], vec![(3, 0)]] {
            let mut bad = file("holes", 10);
            bad.holes = holes;
            assert!(matches!(root.begin(&bad), Err(TargetError::BadEntry { .. })));
        }
        let mut huge = file("huge", 0);
        huge.size = u64::MAX;
        assert!(matches!(root.begin(&huge), Err(TargetError::BadEntry { .. })));
        assert!(matches!(root.write_small(&file("short", 3), b"xx"), Err(TargetError::BadEntry { .. })));
        assert!(place.names("").is_empty());
    }

    #[test]
    fn links_on_the_way_are_not_followed() {
        let place = Place::new();
        fs::create_dir(place.outside()).unwrap();
        link_to(&place.outside(), place.path("link"));
        let target = place.target(Overwrite::Always);
        let root = root(&target);
        let through = |result: Result<Outcome, TargetError>| matches!(result, Err(TargetError::ThroughSymlink { .. }));
        assert!(through(root.write_small(&file("link/x", 1), b"x")));
        assert!(through(root.write_small(&file("link/deep/x", 1), b"x")));
        assert!(through(root.begin(&entry(Kind::Dir, "link", 0)).map(settled)));
        assert!(through(root.begin(&entry(Kind::Symlink, "link/y", 0)).map(settled)));
        root.write_small(&file("first", 1), b"x").unwrap();
        assert!(through(root.link(b"first", &file("link/z", 1))));
        let below = target.root(b"link", OwnerMap::numeric()).unwrap();
        assert!(through(below.write_small(&file("x", 1), b"x")));
        assert_eq!(fs::read_dir(place.outside()).unwrap().count(), 0);
        assert!(fs::symlink_metadata(place.path("link")).unwrap().is_symlink());

        // A link that the snapshot itself makes is no way out either.
        let mut out = entry(Kind::Symlink, "out", 0);
        out.target = place.outside().as_os_str().as_bytes().to_vec();
        root.begin(&out).unwrap();
        assert!(through(root.write_small(&file("out/x", 1), b"x")));
        assert_eq!(fs::read_dir(place.outside()).unwrap().count(), 0);
    }

    #[test]
    fn a_link_in_the_place_of_a_file_is_replaced_not_written_through() {
        let place = Place::new();
        fs::write(place.outside(), "outside").unwrap();
        link_to(&place.outside(), place.path("file"));
        let root = root(&place.target(Overwrite::IfChanged));
        assert_eq!(root.write_small(&file("file", 3), b"new").unwrap(), REPLACED);
        assert_eq!(fs::read(place.outside()).unwrap(), b"outside");
        assert!(fs::symlink_metadata(place.path("file")).unwrap().is_file());
        assert_eq!(place.names(""), ["file"]);
    }

    #[test]
    fn an_interrupted_file_leaves_what_was_there() {
        let place = Place::new();
        fs::write(place.path("old"), "old content").unwrap();
        let root = root(&place.target(Overwrite::Always));
        let replacing = sink(root.begin(&file("old", 100)).unwrap());
        replacing.write_at(0, b"half").unwrap();
        let new = sink(root.begin(&file("new", 100)).unwrap());
        new.write_at(0, b"half").unwrap();
        drop((replacing, new));
        assert_eq!(fs::read(place.path("old")).unwrap(), b"old content");
        assert_eq!(place.names(""), ["old"]);
        // And it may be tried again.
        assert_eq!(root.write_small(&file("old", 3), b"new").unwrap(), REPLACED);
        assert_eq!(fs::read(place.path("old")).unwrap(), b"new");
    }

    #[test]
    fn other_names_of_a_replaced_file_keep_their_content() {
        let place = Place::new();
        fs::write(place.path("a"), "old").unwrap();
        fs::hard_link(place.path("a"), place.path("b")).unwrap();
        let root = root(&place.target(Overwrite::Always));
        assert_eq!(root.write_small(&file("a", 5), b"newer").unwrap(), REPLACED);
        assert_eq!(fs::read(place.path("b")).unwrap(), b"old");
        assert_eq!(root.write_small(&file("b", 4), b"more").unwrap(), REPLACED);
        assert_eq!(fs::read(place.path("a")).unwrap(), b"newer");
    }

    #[test]
    fn overwrite_policies() {
        let older = Time { secs: MTIME.secs - 1, nanos: 0 };
        let newer = Time { secs: MTIME.secs + 1, nanos: 0 };
        let cases = [
            (Overwrite::Always, 3, MTIME, REPLACED),
            (Overwrite::IfChanged, 3, MTIME, Outcome::Skipped(SkipReason::Unchanged)),
            (Overwrite::IfChanged, 4, MTIME, REPLACED),
            (Overwrite::IfChanged, 3, older, REPLACED),
            (Overwrite::IfNewer, 4, older, Outcome::Skipped(SkipReason::NotNewer)),
            (Overwrite::IfNewer, 4, MTIME, Outcome::Skipped(SkipReason::NotNewer)),
            (Overwrite::IfNewer, 4, newer, REPLACED),
            (Overwrite::Never, 4, newer, Outcome::Skipped(SkipReason::Exists)),
        ];
        for (overwrite, size, mtime, expected) in cases {
            let place = Place::new();
            root(&place.target(Overwrite::Always)).write_small(&file("f", 3), b"old").unwrap();
            fs::write(place.path("other"), "").unwrap();
            let mut again = file("f", size);
            again.mtime = mtime;
            let planned = place.with(TargetOptions { overwrite, dry_run: true, ..TargetOptions::default() });
            let content = vec![b'n'; size];
            let plan = root(&planned).write_small(&again, &content).unwrap();
            let outcome = root(&place.target(overwrite)).write_small(&again, &content).unwrap();
            assert_eq!(outcome, expected, "{overwrite:?} {size} {mtime:?}");
            assert_eq!(plan, if expected == REPLACED { Outcome::Planned(Action::Replace) } else { expected });
            let kept = fs::read(place.path("f")).unwrap() == b"old";
            assert_eq!(kept, expected != REPLACED);
        }
    }

    #[test]
    fn an_unchanged_file_gets_its_mode() {
        let place = Place::new();
        root(&place.target(Overwrite::Always)).write_small(&file("f", 3), b"old").unwrap();
        let mut again = file("f", 3);
        again.mode = 0o600;
        let outcome = root(&place.target(Overwrite::IfChanged)).write_small(&again, b"new").unwrap();
        assert_eq!(outcome, Outcome::Skipped(SkipReason::Unchanged));
        assert_eq!(mode(&place.path("f")), 0o600);
        assert_eq!(fs::read(place.path("f")).unwrap(), b"old");
    }

    #[test]
    fn kinds_in_conflict() {
        let place = Place::new();
        fs::create_dir_all(place.path("folder/in")).unwrap();
        fs::write(place.path("folder/in/f"), "x").unwrap();
        fs::write(place.path("file"), "x").unwrap();
        let root_of = |delete| {
            let options = TargetOptions { overwrite: Overwrite::Always, delete, ..TargetOptions::default() };
            root(&place.with(options))
        };
        let refused = root_of(false).write_small(&file("folder", 1), b"x");
        assert!(matches!(refused, Err(TargetError::FolderInTheWay { .. })));
        assert!(place.path("folder/in/f").exists());
        let through = root_of(false).write_small(&file("file/x", 1), b"x");
        assert!(matches!(through, Err(TargetError::FileInTheWay { .. })));
        // A folder takes the place of a file, and a file that of a folder if asked.
        assert_eq!(settled(root_of(false).begin(&entry(Kind::Dir, "file", 0)).unwrap()), REPLACED);
        assert!(place.path("file").is_dir());
        assert_eq!(root_of(true).write_small(&file("folder", 1), b"x").unwrap(), REPLACED);
        assert_eq!(fs::read(place.path("folder")).unwrap(), b"x");
        assert_eq!(place.names(""), ["file", "folder"]);
    }

    #[test]
    fn second_entry_of_one_name_is_refused() {
        for existing in [false, true] {
            let place = Place::new();
            if existing {
                fs::write(place.path("name"), "before").unwrap();
                fs::write(place.path("other"), "before").unwrap();
            }
            let root = root(&place.target(Overwrite::Always));
            // A file system that folds case answers the second name with the first file: here it is the same name.
            let first = sink(root.begin(&file("name", 5)).unwrap());
            let second = root.begin(&file("name", 6));
            assert!(matches!(second, Err(TargetError::Collision { .. })), "{existing}");
            first.write_at(0, b"first").unwrap();
            first.finish().unwrap();
            let second = root.write_small(&file("name", 6), b"second");
            assert!(matches!(second, Err(TargetError::Collision { .. })), "{existing}");
            let mut link = entry(Kind::Symlink, "name", 0);
            link.target = b"x".to_vec();
            assert!(matches!(root.begin(&link), Err(TargetError::Collision { .. })), "{existing}");
            let folder = root.begin(&entry(Kind::Dir, "name", 0));
            assert!(matches!(folder, Err(TargetError::Collision { .. })), "{existing}");
            assert_eq!(fs::read(place.path("name")).unwrap(), b"first");
        }
    }

    #[test]
    fn hard_links() {
        let place = Place::new();
        fs::write(place.path("existing"), "before").unwrap();
        let root = root(&place.target(Overwrite::IfChanged));
        root.write_small(&file("a", 3), b"abc").unwrap();
        assert_eq!(root.link(b"a", &file("sub/b", 3)).unwrap(), CREATED);
        assert_eq!(root.link(b"a", &file("existing", 3)).unwrap(), REPLACED);
        assert_eq!(root.link(b"a", &file("existing", 3)).unwrap(), Outcome::Skipped(SkipReason::Unchanged));
        let inode = |name: &str| fs::metadata(place.path(name)).unwrap().ino();
        assert_eq!((inode("a"), inode("a")), (inode("sub/b"), inode("existing")));
        assert!(matches!(root.link(b"a", &file("c", 4)), Err(TargetError::LinkSource { .. })));
        assert!(matches!(root.link(b"missing", &file("c", 3)), Err(TargetError::LinkSource { .. })));
        assert!(matches!(root.link(b"../a", &file("c", 3)), Err(TargetError::BadPath { .. })));
        assert_eq!(place.names(""), ["a", "existing", "sub"]);
    }

    #[test]
    fn pipes_devices_and_sockets() {
        let place = Place::new();
        let target = place.target(Overwrite::Always);
        let root = root(&target);
        let mut pipe = entry(Kind::Fifo, "pipe", 0);
        pipe.mode = 0o666;
        assert_eq!(settled(root.begin(&pipe).unwrap()), CREATED);
        assert!(fs::symlink_metadata(place.path("pipe")).unwrap().file_type().is_fifo());
        assert_eq!((mode(&place.path("pipe")), mtime(&place.path("pipe"))), (0o666, MTIME));
        let socket = root.begin(&entry(Kind::Socket, "socket", 0)).unwrap();
        assert_eq!(settled(socket), Outcome::Skipped(SkipReason::Socket));
        let mut device = entry(Kind::CharDevice, "null", 0);
        device.rdev = rustix::fs::makedev(1, 3);
        device.mode = 0o622;
        match root.begin(&device) {
            Ok(begin) => {
                assert_eq!(settled(begin), CREATED);
                assert_eq!(fs::symlink_metadata(place.path("null")).unwrap().rdev(), device.rdev);
                assert_eq!(mode(&place.path("null")), 0o622);
            }
            Err(error) => assert!(!is_root() && matches!(error, TargetError::Io { .. }), "{error}"),
        }
        assert!(target.take_problems().is_empty());
    }

    #[test]
    fn paths_longer_than_the_system_takes() {
        let place = Place::new();
        let target = place.target(Overwrite::Always);
        let root = root(&target);
        let path = vec!["x".repeat(250); 40].join("/");
        assert_eq!(root.write_small(&file(&path, 4), b"deep").unwrap(), CREATED);
        // Folders on the way are found again, also after they fell out of the cache.
        let deep = vec!["y"; 300].join("/");
        root.write_small(&file(&deep, 4), b"deep").unwrap();
        assert_eq!(root.write_small(&file(&format!("{path}2"), 4), b"also").unwrap(), CREATED);
        let again = root.link(path.as_bytes(), &file(&format!("{path}3"), 4)).unwrap();
        assert_eq!(again, CREATED);
        target.finish_folders();
        let extras = root.find_extra::<TargetError>([Ok((Vec::new(), Kind::Dir))]).unwrap();
        assert!(extras.is_empty(), "what this run made is no extra");
        // The tree is too deep for simple removers.
        let cleaner = place.target(Overwrite::Always);
        let cleaner = super::testing::root(&cleaner);
        let extras = cleaner.find_extra::<TargetError>([Ok((Vec::new(), Kind::Dir))]).unwrap();
        assert_eq!(cleaner.remove_extra(&extras).len(), 2);
        assert!(place.names("").is_empty());
    }

    #[test]
    fn set_id_bits_need_the_owner() {
        let place = Place::new();
        let target = place.with(TargetOptions { owners: false, ..TargetOptions::default() });
        let mut own = file("own", 1);
        own.mode = 0o6755;
        let mut foreign = own.clone();
        foreign.path = b"foreign".to_vec();
        foreign.uid += 12_345;
        root(&target).write_small(&own, b"x").unwrap();
        root(&target).write_small(&foreign, b"x").unwrap();
        assert_eq!(mode(&place.path("own")), 0o6755);
        assert_eq!(mode(&place.path("foreign")), 0o755);
        let problems = target.take_problems();
        assert_eq!(problems.len(), 1);
        assert_eq!(problems[0].path.to_string(), "foreign");
    }

    #[test]
    fn set_id_bits_are_dropped_when_the_owner_cannot_be_set() {
        let place = Place::new();
        let target = place.with(TargetOptions { owners: true, ..TargetOptions::default() });
        let mut nobody = file("f", 1);
        nobody.mode = 0o4755;
        nobody.uid = u32::MAX;
        root(&target).write_small(&nobody, b"x").unwrap();
        assert_eq!(mode(&place.path("f")), 0o755);
        assert_eq!(target.take_problems().len(), 2);
    }

    #[test]
    fn owners_are_restored_by_root() {
        if !is_root() {
            return;
        }
        let place = Place::new();
        let target = place.target(Overwrite::Always);
        let name: &[u8] = b"root";
        let missing: &[u8] = b"no-such-user\0";
        let owners = OwnerMap::by_name([(501, name), (502, missing)], [(20, name)]);
        let root = target.root(b"", owners).unwrap();
        for (path, uid, gid, expected) in [("named", 501, 20, (0, 0)), ("number", 502, 21, (502, 21))] {
            let mut owned = file(path, 1);
            (owned.uid, owned.gid, owned.mode) = (uid, gid, 0o4750);
            root.write_small(&owned, b"x").unwrap();
            let seen = fs::metadata(place.path(path)).unwrap();
            assert_eq!((seen.uid(), seen.gid()), expected);
            assert_eq!(mode(&place.path(path)), 0o4750);
        }
        let mut link = entry(Kind::Symlink, "link", 0);
        (link.uid, link.target) = (502, b"named".to_vec());
        root.begin(&link).unwrap();
        assert_eq!(fs::symlink_metadata(place.path("link")).unwrap().uid(), 502);
        assert_eq!(fs::metadata(place.path("named")).unwrap().uid(), 0);
        assert!(target.take_problems().is_empty());
    }

    #[test]
    fn attributes_and_those_that_fail() {
        let place = Place::new();
        let target = place.target(Overwrite::Always);
        let mut with = file("f", 1);
        with.mode = 0o400;
        with.xattrs = vec![(b"nonsense".to_vec(), b"1".to_vec()), (b"user.note".to_vec(), b"kept\0".to_vec())];
        root(&target).write_small(&with, b"x").unwrap();
        let problems = target.take_problems();
        let unsupported = problems.iter().any(|problem| problem.what.contains("user.note"));
        assert_eq!(problems.len(), 1 + usize::from(unsupported), "{problems:?}");
        if !unsupported {
            let mut value = [0; 16];
            let len = rustix::fs::getxattr(place.path("f"), "user.note", &mut value).unwrap();
            assert_eq!(&value[..len], b"kept\0");
        }
        assert_eq!((mode(&place.path("f")), mtime(&place.path("f"))), (0o400, MTIME));
    }

    #[test]
    fn impossible_times_are_a_problem_only() {
        let place = Place::new();
        let target = place.target(Overwrite::Always);
        let mut odd = file("f", 1);
        odd.mtime.nanos = u32::MAX;
        assert_eq!(root(&target).write_small(&odd, b"x").unwrap(), CREATED);
        assert_eq!(target.take_problems().len(), 1);
    }

    #[test]
    fn a_dry_run_changes_nothing() {
        let place = Place::new();
        fs::write(place.path("f"), "old").unwrap();
        let dry = TargetOptions { dry_run: true, overwrite: Overwrite::Always, ..TargetOptions::default() };
        let target = place.with(dry.clone());
        let dry_root = root(&target);
        let planned = |begin: Result<Begin, TargetError>| settled(begin.unwrap());
        assert_eq!(planned(dry_root.begin(&file("f", 1))), Outcome::Planned(Action::Replace));
        assert_eq!(planned(dry_root.begin(&file("a/b/c", 1))), Outcome::Planned(Action::Create));
        assert_eq!(planned(dry_root.begin(&entry(Kind::Dir, "d", 0))), Outcome::Planned(Action::Create));
        assert_eq!(planned(dry_root.begin(&entry(Kind::Dir, "", 0))), Outcome::Planned(Action::Update));
        let keep = [Ok::<_, TargetError>((Vec::new(), Kind::Dir))];
        let extras = dry_root.find_extra(keep).unwrap();
        assert_eq!(extras, [Extra { path: b"f".to_vec(), kind: Kind::File }]);
        assert!(dry_root.remove_extra(&extras).is_empty());
        target.finish_folders();
        assert_eq!(place.names(""), ["f"]);
        let missing = Target::open(&place.path("missing/target"), dry).unwrap();
        assert!(missing.is_empty().unwrap());
        assert_eq!(root(&missing).write_small(&file("x", 1), b"x").unwrap(), Outcome::Planned(Action::Create));
        assert!(!place.path("missing").exists());
    }

    #[test]
    fn existing_folders_follow_the_policy() {
        for (overwrite, expected, changed) in [
            (Overwrite::Always, Outcome::Done(Action::Update), true),
            (Overwrite::IfNewer, Outcome::Skipped(SkipReason::NotNewer), false),
            (Overwrite::Never, Outcome::Skipped(SkipReason::Exists), false),
        ] {
            let place = Place::new();
            fs::create_dir(place.path("d")).unwrap();
            fs::set_permissions(place.path("d"), fs::Permissions::from_mode(0o500)).unwrap();
            let target = place.target(overwrite);
            let mut folder = entry(Kind::Dir, "d", 0);
            folder.mode = 0o711;
            assert_eq!(settled(root(&target).begin(&folder).unwrap()), expected);
            target.finish_folders();
            assert_eq!(mode(&place.path("d")), if changed { 0o711 } else { 0o500 });
        }
    }

    #[test]
    fn opens_or_makes_the_target() {
        let place = Place::new();
        let made = Target::open(&place.path("a/b"), TargetOptions::default()).unwrap();
        assert!(made.is_empty().unwrap());
        assert_eq!(mode(&place.path("a/b")), 0o700);
        fs::write(place.path("file"), "").unwrap();
        let refused = Target::open(&place.path("file"), TargetOptions::default());
        assert!(matches!(refused, Err(TargetError::Open { .. })));
    }

    #[test]
    fn a_full_file_system_is_told_apart() {
        let place = Place::new();
        let mount = std::process::Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=64k", "none"])
            .arg(place.out())
            .stderr(std::process::Stdio::null())
            .status();
        if !mount.is_ok_and(|status| status.success()) {
            // Without the right to mount only the translation can be shown.
            assert!(matches!(TargetError::io(b"f", "write", Errno::NOSPC), TargetError::NoSpace { .. }));
            return;
        }
        let full = {
            let root = root(&place.target(Overwrite::Always));
            root.write_small(&file("f", 1 << 20), &vec![1; 1 << 20])
        };
        let left = place.names("");
        std::process::Command::new("umount").arg(place.out()).status().unwrap();
        assert!(matches!(full, Err(TargetError::NoSpace { .. })));
        assert!(left.is_empty());
    }
}
