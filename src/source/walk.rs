//! The walk over a source: every entry with its metadata, in the order of the manifest.
//!
//! A few threads list folders and `stat` what is in them ahead of the consumer, always the first folder in path order
//! that nobody has begun; the consumer takes the listings in order and lists the next folder itself when no thread has
//! got to it. What is read ahead is bounded by the number of entries. Large folders are worked on in parts.

use std::collections::BTreeMap;
use std::ffi::{CStr, OsStr};
use std::io;
use std::ops::Range;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use rustix::fs::{FileType, readlinkat, statat};
use vault_format::entry::{Capture, Content, Entry, Kind, path_cmp};

use super::dir::{DirHandle, Meta, STAT, open_root};
use super::error::{ProblemKind, SourceError, WalkProblem};
use super::exclude::WalkOptions;

/// One entry of a source, and the folder it was found in.
#[derive(Clone, Debug)]
pub struct Found {
    /// Metadata and, for a link, its target; no content and no extended attributes yet.
    pub entry: Entry,
    /// The folder that holds the entry; for a root that is a folder, the folder itself.
    pub dir: Arc<DirHandle>,
}

impl Found {
    /// The entry's name in `dir`: "." for a root that is a folder.
    pub fn name(&self) -> &[u8] {
        match self.entry.path.rsplit(|&byte| byte == b'/').next() {
            Some(name) if !name.is_empty() => name,
            _ => self.dir.leaf().to_bytes(),
        }
    }

    /// The path as the operating system knows it, which may be too long for it.
    pub fn system_path(&self) -> PathBuf {
        let mut path = self.dir.root().to_owned();
        if !self.entry.path.is_empty() {
            path.push(OsStr::from_bytes(&self.entry.path));
        }
        path
    }
}

/// A walk in progress.
#[derive(Debug)]
pub struct Walk {
    crew: Arc<Crew>,
    threads: Vec<JoinHandle<()>>,
    /// The root's own entry, before it is yielded.
    root: Option<Found>,
    /// The folder that was yielded last, before it is entered.
    entering: Option<Arc<Task>>,
    levels: Vec<Level>,
}

impl Walk {
    /// Begins the walk. A root that is a symbolic link is not followed (unless it ends in `/`): the link is the source.
    pub fn start(root: &Path, options: WalkOptions) -> Result<Self, SourceError> {
        let failed = |error| SourceError::Root { path: root.to_owned(), error };
        let (dir, meta) = open_root(root).map_err(failed)?;
        if meta.kind == Some(Kind::Dir) && options.forbidden.contains(&(meta.device, meta.inode)) {
            return Err(SourceError::Forbidden { path: root.to_owned() });
        }
        let kind = meta.kind.ok_or_else(|| failed(io::Error::other("a kind of file that cannot be recorded")))?;
        let mut found = Found { entry: meta.entry(kind, Vec::new()), dir: Arc::clone(&dir) };
        if kind == Kind::Symlink {
            let fd = dir.fd().map_err(failed)?;
            found.entry.target = readlinkat(&*fd, dir.leaf(), Vec::new()).map_err(|e| failed(e.into()))?.into_bytes();
        }
        let crew = Arc::new(Crew {
            options,
            device: meta.device,
            board: Mutex::default(),
            work: Condvar::new(),
            done: Condvar::new(),
        });
        let mut walk = Self { crew, threads: Vec::new(), root: Some(found), entering: None, levels: Vec::new() };
        if kind == Kind::Dir {
            let job = Job::List { parent: Arc::clone(&dir), name: None };
            let task = Arc::new(Task { place: Place(Vec::new()), stage: Mutex::new(Stage::Waiting(job)) });
            walk.crew.board().pending.insert(Place(Vec::new()), Arc::clone(&task));
            walk.entering = Some(task);
            walk.hire();
        }
        Ok(walk)
    }

    /// Fewer threads than wished are no error: the consumer does what nobody else does.
    fn hire(&mut self) {
        let count = std::thread::available_parallelism().map_or(1, usize::from).min(THREADS);
        for _ in 0..count {
            let crew = Arc::clone(&self.crew);
            let thread = std::thread::Builder::new().name("walk".into()).stack_size(256 << 10);
            self.threads.extend(thread.spawn(move || crew.help()));
        }
    }
}

impl Iterator for Walk {
    type Item = Result<Found, WalkProblem>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Some(root) = self.root.take() {
            return Some(Ok(root));
        }
        loop {
            if let Some(task) = self.entering.take() {
                let part = self.crew.obtain(&task);
                if let Some(level) = part.level {
                    self.levels.push(level);
                }
                if let Some(problem) = part.problem {
                    return Some(Err(*problem));
                }
            }
            let level = self.levels.last_mut()?;
            let Some(item) = level.items.next() else {
                match level.parts.next() {
                    // The next part takes the place of this one.
                    Some(part) => {
                        let part = self.crew.obtain(&part);
                        level.items = part.level.map(|part| part.items).unwrap_or_default();
                    }
                    None => drop(self.levels.pop()),
                }
                continue;
            };
            let path = level.path_of(&item);
            let mut target = Vec::new();
            match item.extra {
                Extra::None => {}
                Extra::Link(link) => target = link.into_vec(),
                Extra::Enter(task) => self.entering = Some(task),
                Extra::Problem(kind, error) => {
                    return Some(Err(WalkProblem { path, kind, error: *error }));
                }
            }
            let mut entry = item.meta.entry(item.kind, path);
            entry.target = target;
            return Some(Ok(Found { entry, dir: Arc::clone(&level.dir) }));
        }
    }
}

impl Drop for Walk {
    fn drop(&mut self) {
        self.crew.board().closed = true;
        self.crew.work.notify_all();
        for thread in self.threads.drain(..) {
            // A thread that panicked has nothing more to say.
            let _ = thread.join();
        }
    }
}

impl Meta {
    pub(crate) fn entry(&self, kind: Kind, path: Vec<u8>) -> Entry {
        let mut entry = Entry {
            path,
            kind,
            mode: 0,
            uid: 0,
            gid: 0,
            mtime: self.mtime,
            ctime: self.ctime,
            inode: 0,
            device: 0,
            links: 0,
            size: 0,
            content: Content::Empty,
            holes: Vec::new(),
            target: Vec::new(),
            rdev: 0,
            xattrs: Vec::new(),
            capture: Capture::Plain,
        };
        self.update(&mut entry);
        entry
    }

    /// Writes a newer `stat` into an entry.
    pub(crate) fn update(&self, entry: &mut Entry) {
        entry.mode = self.mode;
        entry.uid = self.uid;
        entry.gid = self.gid;
        entry.mtime = self.mtime;
        entry.ctime = self.ctime;
        entry.inode = self.inode;
        entry.device = self.device;
        entry.links = self.links;
        entry.size = self.size;
        entry.rdev = self.rdev;
    }
}

/// The consumer's position in one folder.
#[derive(Debug)]
struct Level {
    dir: Arc<DirHandle>,
    names: Arc<Names>,
    items: std::vec::IntoIter<Item>,
    parts: std::vec::IntoIter<Arc<Task>>,
}

impl Level {
    fn path_of(&self, item: &Item) -> Vec<u8> {
        let above = self.dir.path();
        let name = self.names.get(item.name).to_bytes();
        let mut path = Vec::with_capacity(above.len() + 1 + name.len());
        path.extend_from_slice(above);
        if !above.is_empty() {
            path.push(b'/');
        }
        path.extend_from_slice(name);
        path
    }
}

/// An entry, as small as it can be kept; the consumer makes an `Entry` of it.
#[derive(Debug)]
struct Item {
    name: u32,
    kind: Kind,
    extra: Extra,
    meta: Meta,
}

#[derive(Debug)]
enum Extra {
    None,
    Link(Box<[u8]>),
    Enter(Arc<Task>),
    Problem(ProblemKind, Box<io::Error>),
}

/// A folder to be listed, or a part of a large folder to be looked at.
#[derive(Debug)]
struct Task {
    place: Place,
    /// Locked after the board, if both are.
    stage: Mutex<Stage>,
}

impl Task {
    fn swap(&self, stage: Stage) -> Stage {
        std::mem::replace(&mut *self.stage.lock().unwrap_or_else(PoisonError::into_inner), stage)
    }
}

#[derive(Debug)]
enum Stage {
    Waiting(Job),
    Running,
    Done(Part),
}

#[derive(Debug)]
enum Job {
    /// `name`: `None` for the root, which is `parent` itself.
    List {
        parent: Arc<DirHandle>,
        name: Option<Box<CStr>>,
    },
    Look {
        dir: Arc<DirHandle>,
        names: Arc<Names>,
        range: Range<u32>,
    },
}

/// What comes out of a task. Nothing is left of a folder that cannot be opened but the problem.
#[derive(Debug)]
struct Part {
    level: Option<Level>,
    problem: Option<Box<WalkProblem>>,
}

impl Part {
    fn weight(&self) -> usize {
        1 + self.level.as_ref().map_or(0, |level| level.items.len())
    }
}

/// Where in the walk a task belongs: the path of its folder, or of its first entry.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Place(Vec<u8>);

impl Ord for Place {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        path_cmp(&self.0, &other.0)
    }
}

impl PartialOrd for Place {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

/// What the threads and the consumer share.
#[derive(Debug)]
struct Crew {
    options: WalkOptions,
    /// Device of the root.
    device: u64,
    board: Mutex<Board>,
    work: Condvar,
    done: Condvar,
}

#[derive(Debug, Default)]
struct Board {
    pending: BTreeMap<Place, Arc<Task>>,
    /// Entries that are read and not yet taken.
    ahead: usize,
    idle: usize,
    consumer_waits: bool,
    closed: bool,
}

impl Board {
    fn first(&mut self) -> Option<(Arc<Task>, Job)> {
        while self.ahead < AHEAD {
            let (_, task) = self.pending.pop_first()?;
            if let Stage::Waiting(job) = task.swap(Stage::Running) {
                return Some((task, job));
            }
        }
        None
    }
}

impl Crew {
    fn board(&self) -> MutexGuard<'_, Board> {
        self.board.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A thread's life.
    fn help(&self) {
        let mut board = self.board();
        while !board.closed {
            board = match board.first() {
                Some((task, job)) => {
                    drop(board);
                    self.store(&task, job)
                }
                None => {
                    board.idle += 1;
                    board = self.work.wait(board).unwrap_or_else(PoisonError::into_inner);
                    board.idle -= 1;
                    board
                }
            };
        }
    }

    /// Runs a task ahead of the consumer.
    fn store(&self, task: &Task, job: Job) -> MutexGuard<'_, Board> {
        let (part, new) = self.run(&task.place.0, job);
        let mut board = self.publish(new);
        board.ahead += part.weight();
        task.swap(Stage::Done(part));
        if board.consumer_waits {
            self.done.notify_one();
        }
        board
    }

    /// The result of a task, for the consumer.
    fn obtain(&self, task: &Arc<Task>) -> Part {
        let mut board = self.board();
        loop {
            match task.swap(Stage::Running) {
                Stage::Waiting(job) => {
                    board.pending.remove(&task.place);
                    drop(board);
                    let (part, new) = self.run(&task.place.0, job);
                    drop(self.publish(new));
                    return part;
                }
                Stage::Done(part) => {
                    board.ahead -= part.weight();
                    self.wake(&board);
                    return part;
                }
                // A thread is at it: help with another one meanwhile.
                Stage::Running => {
                    board = match board.first() {
                        Some((other, job)) => {
                            drop(board);
                            self.store(&other, job)
                        }
                        None => {
                            board.consumer_waits = true;
                            board = self.done.wait(board).unwrap_or_else(PoisonError::into_inner);
                            board.consumer_waits = false;
                            board
                        }
                    };
                }
            }
        }
    }

    fn publish(&self, new: Vec<Arc<Task>>) -> MutexGuard<'_, Board> {
        let mut board = self.board();
        board.pending.extend(new.into_iter().map(|task| (task.place.clone(), task)));
        self.wake(&board);
        board
    }

    fn wake(&self, board: &Board) {
        if board.idle > 0 && board.ahead < AHEAD && !board.pending.is_empty() {
            if board.pending.len() > 1 { self.work.notify_all() } else { self.work.notify_one() }
        }
    }

    /// Does the work, and finds new work: subfolders, and further parts of a large folder.
    fn run(&self, place: &[u8], job: Job) -> (Part, Vec<Arc<Task>>) {
        let (parent, name) = match job {
            Job::List { parent, name } => (parent, name),
            Job::Look { dir, names, range } => {
                let (items, new) = self.look(&dir, &names, range);
                return (Part { level: Some(Level::new(dir, names, items)), problem: None }, new);
            }
        };
        let opened = match name {
            Some(name) => parent.open_child(&name, place.to_vec()),
            None => Ok(parent),
        };
        let listed = opened.and_then(|dir| dir.fd().map(|fd| (dir, fd)));
        let (dir, fd) = match listed {
            Ok(listed) => listed,
            Err(error) => {
                let problem = Some(Box::new(WalkProblem::reading(place.to_vec(), error)));
                return (Part { level: None, problem }, Vec::new());
            }
        };
        let mut names = Names::default();
        let end = names.list(&fd);
        names.sort();
        if self.options.exclude_caches && is_cache(&dir, &names) {
            names.keep_only(CACHE_TAG);
        }
        let problem = end.err().map(|error| Box::new(WalkProblem::reading(place.to_vec(), error)));
        let (dir, names) = (dir, Arc::new(names));
        let count = names.count();
        let first = count.min(PART);
        let (items, mut new) = self.look(&dir, &names, 0..first);
        let mut level = Level::new(Arc::clone(&dir), Arc::clone(&names), items);
        let parts = (first..count).step_by(PART as usize).map(|start| {
            let range = start..count.min(start.saturating_add(PART));
            let job = Job::Look { dir: Arc::clone(&dir), names: Arc::clone(&names), range };
            let place = Place(join(place, names.get(start).to_bytes()));
            Arc::new(Task { place, stage: Mutex::new(Stage::Waiting(job)) })
        });
        let parts: Vec<_> = parts.collect();
        new.extend(parts.iter().cloned());
        level.parts = parts.into_iter();
        (Part { level: Some(level), problem }, new)
    }

    /// `stat`s names of a folder.
    fn look(&self, dir: &Arc<DirHandle>, names: &Names, range: Range<u32>) -> (Vec<Item>, Vec<Arc<Task>>) {
        let mut items = Vec::with_capacity(range.len());
        let mut new = Vec::new();
        let mut path = join(dir.path(), b"");
        let above = path.len();
        let fd = dir.fd();
        for name in range {
            let text = names.get(name);
            path.truncate(above);
            path.extend_from_slice(text.to_bytes());
            let hint = names.hint(name);
            if hint != FileType::Unknown && self.excluded(&path, hint == FileType::Directory) {
                continue;
            }
            let stat = match &fd {
                Ok(fd) => statat(&**fd, text, STAT).map_err(io::Error::from),
                Err(error) => Err(io::Error::new(error.kind(), error.to_string())),
            };
            let problem = |kind, error| Item {
                name,
                kind: Kind::File,
                extra: Extra::Problem(kind, Box::new(error)),
                meta: Meta::nothing(),
            };
            let meta = match stat {
                Ok(stat) => Meta::new(&stat),
                Err(error) => {
                    let error = WalkProblem::reading(Vec::new(), error);
                    items.push(problem(error.kind, error.error));
                    continue;
                }
            };
            if hint == FileType::Unknown && self.excluded(&path, meta.kind == Some(Kind::Dir)) {
                continue;
            }
            let Some(kind) = meta.kind else {
                items.push(problem(ProblemKind::Unsupported, io::Error::other("a kind of file that nobody knows")));
                continue;
            };
            if !fits_manifest(&path) {
                items.push(problem(ProblemKind::Unsupported, io::Error::other("the path is too long")));
                continue;
            }
            let mut extra = Extra::None;
            match kind {
                Kind::File if self.options.exclude_larger_than.is_some_and(|most| meta.size > most) => {
                    continue;
                }
                Kind::Dir if self.options.forbidden.contains(&(meta.device, meta.inode)) => {
                    continue;
                }
                // Only folders are mount points that matter; on overlay file systems the devices of files differ too.
                Kind::Dir if self.options.one_file_system && meta.device != self.device => {}
                Kind::Dir => {
                    let job = Job::List { parent: Arc::clone(dir), name: Some(text.into()) };
                    let task = Task { place: Place(path.clone()), stage: Mutex::new(Stage::Waiting(job)) };
                    let task = Arc::new(task);
                    new.push(Arc::clone(&task));
                    extra = Extra::Enter(task);
                }
                Kind::Symlink => match &fd {
                    Ok(fd) => match readlinkat(&**fd, text, Vec::new()) {
                        Ok(target) => extra = Extra::Link(target.into_bytes().into()),
                        Err(error) => {
                            let error = WalkProblem::reading(Vec::new(), error);
                            items.push(problem(error.kind, error.error));
                            continue;
                        }
                    },
                    Err(_) => continue,
                },
                _ => {}
            }
            items.push(Item { name, kind, extra, meta });
        }
        (items, new)
    }

    fn excluded(&self, path: &[u8], is_dir: bool) -> bool {
        !self.options.excludes.is_empty() && self.options.excludes.excluded(path, is_dir)
    }
}

impl Level {
    fn new(dir: Arc<DirHandle>, names: Arc<Names>, items: Vec<Item>) -> Self {
        Self { dir, names, items: items.into_iter(), parts: Vec::new().into_iter() }
    }
}

impl Meta {
    fn nothing() -> Self {
        Self {
            kind: None,
            mode: 0,
            uid: 0,
            gid: 0,
            links: 0,
            mtime: vault_format::Time::default(),
            ctime: vault_format::Time::default(),
            inode: 0,
            device: 0,
            rdev: 0,
            size: 0,
            allocated: 0,
        }
    }
}

/// The names in a folder: one block of text, and 16 bytes a name.
#[derive(Debug, Default)]
struct Names {
    /// Every name with its zero byte.
    text: Vec<u8>,
    order: Vec<Name>,
}

#[derive(Clone, Copy, Debug)]
struct Name {
    /// The first bytes of the name: most comparisons end here.
    prefix: u64,
    start: u32,
    /// Without the zero byte.
    len: u16,
    /// Kind of file as the folder has it, which may be "unknown".
    hint: FileType,
}

impl Names {
    fn count(&self) -> u32 {
        u32::try_from(self.order.len()).unwrap_or(u32::MAX)
    }

    fn get(&self, at: u32) -> &CStr {
        let name = &self.order[at as usize];
        let start = name.start as usize;
        let text = &self.text[start..=start + usize::from(name.len)];
        CStr::from_bytes_with_nul(text).expect("push stores whole names")
    }

    fn hint(&self, at: u32) -> FileType {
        self.order[at as usize].hint
    }

    /// Reads the folder. After an error the names before it stay.
    #[cfg(target_os = "linux")]
    fn list(&mut self, fd: &OwnedFd) -> io::Result<()> {
        let mut space = Vec::<u8>::with_capacity(LISTING_BYTES);
        let mut entries = rustix::fs::RawDir::new(fd, space.spare_capacity_mut());
        while let Some(entry) = entries.next() {
            let entry = entry?;
            self.push(entry.file_name(), entry.file_type())?;
        }
        Ok(())
    }

    #[cfg(not(target_os = "linux"))]
    fn list(&mut self, fd: &OwnedFd) -> io::Result<()> {
        for entry in rustix::fs::Dir::read_from(fd)? {
            let entry = entry?;
            self.push(entry.file_name(), entry.file_type())?;
        }
        Ok(())
    }

    fn push(&mut self, name: &CStr, hint: FileType) -> io::Result<()> {
        let bytes = name.to_bytes();
        if bytes == b"." || bytes == b".." {
            return Ok(());
        }
        let mut prefix = [0; 8];
        let known = bytes.len().min(8);
        prefix[..known].copy_from_slice(&bytes[..known]);
        let (Ok(start), Ok(len)) = (u32::try_from(self.text.len()), u16::try_from(bytes.len())) else {
            return Err(io::Error::other("the folder holds more than 4 GiB of names"));
        };
        self.order.push(Name { prefix: u64::from_be_bytes(prefix), start, len, hint });
        self.text.extend_from_slice(name.to_bytes_with_nul());
        Ok(())
    }

    fn sort(&mut self) {
        let text = &self.text;
        let tail = |name: &Name| &text[name.start as usize..name.start as usize + usize::from(name.len)];
        self.order.sort_unstable_by(|a, b| a.prefix.cmp(&b.prefix).then_with(|| tail(a).cmp(tail(b))));
    }

    fn find(&self, name: &CStr) -> Option<usize> {
        let bytes = name.to_bytes();
        self.order
            .binary_search_by(|at| {
                let start = at.start as usize;
                self.text[start..start + usize::from(at.len)].cmp(bytes)
            })
            .ok()
    }

    fn keep_only(&mut self, name: &CStr) {
        self.order = self.find(name).map(|at| self.order[at]).into_iter().collect();
    }
}

/// Whether the folder says of itself that it holds a cache, by the rules of the Cache Directory Tagging Specification:
/// a regular file with the signature in front.
fn is_cache(dir: &Arc<DirHandle>, names: &Names) -> bool {
    if names.find(CACHE_TAG).is_none() {
        return false;
    }
    let read = || -> io::Result<bool> {
        if dir.stat(CACHE_TAG)?.kind != Some(Kind::File) {
            return Ok(false);
        }
        let file = std::fs::File::from(dir.open_file(CACHE_TAG, u32::MAX)?);
        let mut head = [0; CACHE_SIGNATURE.len()];
        io::Read::read_exact(&mut &file, &mut head)?;
        Ok(head == *CACHE_SIGNATURE)
    };
    // A tag that cannot be read excludes nothing: too much is stored rather than too little.
    read().unwrap_or(false)
}

/// Whether a manifest can hold the path. The file system sets no limit, and the path is stored with all below it.
pub(crate) fn fits_manifest(path: &[u8]) -> bool {
    // Every component but the last takes two bytes at least.
    path.len() < 2 * DEPTH || path.len() <= PATH_BYTES && path.iter().filter(|&&byte| byte == b'/').count() < DEPTH
}

fn join(above: &[u8], name: &[u8]) -> Vec<u8> {
    let mut path = Vec::with_capacity(above.len() + 1 + name.len());
    path.extend_from_slice(above);
    if !above.is_empty() {
        path.push(b'/');
    }
    path.extend_from_slice(name);
    path
}

/// Threads that list ahead; more do not help where the disk or the kernel's locks are the limit.
const THREADS: usize = 8;

/// Entries read ahead of the consumer.
const AHEAD: usize = 16_384;

/// Entries that are looked at in one go.
const PART: u32 = 4096;

/// Limits of the manifest (SPEC section 12): bytes of a path, and its components.
const PATH_BYTES: usize = 65_535;
const DEPTH: usize = 4096;

#[cfg(target_os = "linux")]
const LISTING_BYTES: usize = 64 << 10;

/// <https://bford.info/cachedir/>
const CACHE_TAG: &CStr = c"CACHEDIR.TAG";
const CACHE_SIGNATURE: &[u8; 43] = b"Signature: 8a477f597d28d172789f06886806bc55";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_fit_up_to_the_limits_of_the_manifest() {
        let deep = |levels| vec!["a"; levels].join("/");
        assert!(fits_manifest(b"") && fits_manifest(&[b'x'; PATH_BYTES]) && !fits_manifest(&[b'x'; PATH_BYTES + 1]));
        assert!(fits_manifest(deep(DEPTH).as_bytes()) && !fits_manifest(deep(DEPTH + 1).as_bytes()));
    }

    #[test]
    fn names_are_sorted_as_bytes_beyond_what_their_keys_hold() {
        let mut names = Names::default();
        for name in [c"same-start-b", c"same-start", c"\xff", c"a", c"same-start-a", c"a\x01", c"A", c"."] {
            names.push(name, FileType::Unknown).expect("few names");
        }
        names.sort();
        let sorted: Vec<_> = (0..names.count()).map(|at| names.get(at)).collect();
        assert_eq!(sorted, [c"A", c"a", c"a\x01", c"same-start", c"same-start-a", c"same-start-b", c"\xff"]);
        assert!(names.find(c"same-start-b").is_some() && names.find(c"same").is_none());
    }
}
