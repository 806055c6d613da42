//! Handles of folders: open what is in them without ever using a full path.
//!
//! Everything is opened relative to a folder's descriptor, without following symbolic links below the root: paths may
//! be longer than the system's limit, and nobody can lead the reader out of the source by swapping a folder for a link.

use std::collections::VecDeque;
use std::ffi::{CStr, OsStr};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use rustix::fs::{AtFlags, Mode, OFlags, openat, statat};
use rustix::io::Errno;
use vault_format::entry::{Kind, Time};

/// A folder of a source. Its descriptor is closed when too many are open, and opened again when it is needed.
#[derive(Debug)]
pub struct DirHandle {
    tree: Arc<Tree>,
    path: Vec<u8>,
    fd: Mutex<Option<Arc<OwnedFd>>>,
}

impl DirHandle {
    /// Path of the folder below the root of the source; empty for the root.
    pub fn path(&self) -> &[u8] {
        &self.path
    }

    /// The folder's descriptor.
    pub(crate) fn fd(self: &Arc<Self>) -> io::Result<Arc<OwnedFd>> {
        if self.path.is_empty() {
            return Ok(Arc::clone(&self.tree.base));
        }
        if let Some(fd) = &*self.slot() {
            return Ok(Arc::clone(fd));
        }
        let fd = Arc::new(open_beneath(self.tree.base.as_fd(), &self.path)?);
        self.keep(&fd);
        Ok(fd)
    }

    /// Opens the folder `name`; `path` is its path below the root.
    pub(crate) fn open_child(self: &Arc<Self>, name: &CStr, path: Vec<u8>) -> io::Result<Arc<Self>> {
        let parent = self.fd()?;
        let fd = Arc::new(openat(&*parent, name, FOLDER, Mode::empty())?);
        let child = Arc::new(Self { tree: Arc::clone(&self.tree), path, fd: Mutex::new(None) });
        child.keep(&fd);
        Ok(child)
    }

    /// Opens a file of the folder for reading. `owner` is the file's user id, which decides whether its access time
    /// may be left alone.
    pub(crate) fn open_file(self: &Arc<Self>, name: &CStr, owner: u32) -> io::Result<OwnedFd> {
        let dir = self.fd()?;
        // Non-blocking, for a pipe may have taken the file's place.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        if self.tree.euid == 0 || self.tree.euid == owner {
            match openat(&*dir, name, flags | NOATIME, Mode::empty()) {
                Err(Errno::PERM) => {}
                opened => return Ok(opened?),
            }
        }
        Ok(openat(&*dir, name, flags, Mode::empty())?)
    }

    /// `stat` of something in the folder, links not followed.
    pub(crate) fn stat(self: &Arc<Self>, name: &CStr) -> io::Result<Meta> {
        let dir = self.fd()?;
        Ok(Meta::new(&statat(&*dir, name, STAT)?))
    }

    /// Name of the root inside the folder that `base` is: "." for a folder.
    pub(crate) fn leaf(&self) -> &CStr {
        &self.tree.leaf
    }

    /// The root as the caller named it.
    pub(crate) fn root(&self) -> &Path {
        &self.tree.root
    }

    fn slot(&self) -> std::sync::MutexGuard<'_, Option<Arc<OwnedFd>>> {
        self.fd.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps the descriptor, and closes the oldest of others when there are too many.
    fn keep(self: &Arc<Self>, fd: &Arc<OwnedFd>) {
        *self.slot() = Some(Arc::clone(fd));
        let mut open = self.tree.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.push_back(Arc::downgrade(self));
        while open.len() > OPEN_FOLDERS {
            if let Some(oldest) = open.pop_front().and_then(|handle| handle.upgrade()) {
                oldest.slot().take();
            }
        }
    }
}

/// What a source's folders have in common.
#[derive(Debug)]
struct Tree {
    root: PathBuf,
    base: Arc<OwnedFd>,
    leaf: Box<CStr>,
    euid: u32,
    open: Mutex<VecDeque<Weak<DirHandle>>>,
}

/// Opens the root of a source: its handle and what it is.
///
/// The handle of a root folder is the folder itself; for anything else it is the folder around it. A symbolic link
/// is not followed, unless the path ends in `/`.
pub(crate) fn open_root(root: &Path) -> io::Result<(Arc<DirHandle>, Meta)> {
    let (around, last) = short_end(root)?;
    let meta = Meta::new(&statat(&around, &*last, STAT)?);
    let (base, leaf, meta) = if meta.kind == Some(Kind::Dir) {
        let fd = openat(&around, &*last, FOLDER, Mode::empty())?;
        let meta = Meta::new(&rustix::fs::fstat(&fd)?);
        (fd, c".".into(), meta)
    } else {
        let name = root.file_name().ok_or(Errno::INVAL)?;
        let folder = Path::new(OsStr::from_bytes(&last)).parent().filter(|folder| !folder.as_os_str().is_empty());
        let fd = match folder {
            Some(folder) => openat(&around, folder, PASSAGE, Mode::empty())?,
            None => around,
        };
        (fd, c_string(name.as_bytes())?, meta)
    };
    let tree = Tree {
        root: root.to_owned(),
        base: Arc::new(base),
        leaf,
        euid: rustix::process::geteuid().as_raw(),
        open: Mutex::default(),
    };
    let handle = DirHandle { tree: Arc::new(tree), path: Vec::new(), fd: Mutex::new(None) };
    Ok((Arc::new(handle), meta))
}

/// What `stat` says about an object, in the manifest's types.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Meta {
    /// `None`: a kind that no manifest knows.
    pub(crate) kind: Option<Kind>,
    pub(crate) mode: u32,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    pub(crate) links: u32,
    pub(crate) mtime: Time,
    pub(crate) ctime: Time,
    pub(crate) inode: u64,
    pub(crate) device: u64,
    pub(crate) rdev: u64,
    pub(crate) size: u64,
    /// Bytes that are allocated on disk.
    pub(crate) allocated: u64,
}

impl Meta {
    // The field types of `stat` differ between systems.
    #[allow(clippy::unnecessary_cast, clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    pub(crate) fn new(stat: &rustix::fs::Stat) -> Self {
        use rustix::fs::FileType;
        let kind = match FileType::from_raw_mode(stat.st_mode as _) {
            FileType::RegularFile => Some(Kind::File),
            FileType::Directory => Some(Kind::Dir),
            FileType::Symlink => Some(Kind::Symlink),
            FileType::Fifo => Some(Kind::Fifo),
            FileType::Socket => Some(Kind::Socket),
            FileType::CharacterDevice => Some(Kind::CharDevice),
            FileType::BlockDevice => Some(Kind::BlockDevice),
            FileType::Unknown => None,
        };
        let device_file = matches!(kind, Some(Kind::CharDevice | Kind::BlockDevice));
        Self {
            kind,
            mode: stat.st_mode as u32 & 0o7777,
            uid: stat.st_uid,
            gid: stat.st_gid,
            // The links of a folder are its subfolders on some file systems.
            links: if kind == Some(Kind::Dir) { 1 } else { u32::try_from(stat.st_nlink).unwrap_or(u32::MAX).max(1) },
            mtime: Time { secs: stat.st_mtime as i64, nanos: stat.st_mtime_nsec as u32 },
            ctime: Time { secs: stat.st_ctime as i64, nanos: stat.st_ctime_nsec as u32 },
            inode: stat.st_ino as u64,
            device: stat.st_dev as u64,
            rdev: if device_file { stat.st_rdev as u64 } else { 0 },
            // Only the size of a file means something: that of a folder depends on its history.
            size: if kind == Some(Kind::File) { stat.st_size as u64 } else { 0 },
            allocated: (stat.st_blocks as u64).saturating_mul(512),
        }
    }

    /// Whether the content may differ from what it was at `before`.
    pub(crate) fn differs(&self, before: &Self) -> bool {
        (self.inode, self.device, self.size, self.mtime, self.ctime)
            != (before.inode, before.device, before.size, before.mtime, before.ctime)
    }
}

/// `bytes` as the system wants them.
pub(crate) fn c_string(bytes: &[u8]) -> io::Result<Box<CStr>> {
    std::ffi::CString::new(bytes).map(Into::into).map_err(|_| Errno::INVAL.into())
}

/// Opens the folder `path` below `base`, no link followed.
fn open_beneath(base: impl AsFd, path: &[u8]) -> io::Result<OwnedFd> {
    let mut at: Option<OwnedFd> = None;
    for (piece, last) in pieces(path) {
        let from = at.as_ref().map_or(base.as_fd(), AsFd::as_fd);
        let flags = if last { FOLDER } else { PASSAGE | OFlags::NOFOLLOW };
        at = Some(open_piece(from, piece, flags)?);
    }
    at.ok_or_else(|| Errno::INVAL.into())
}

#[cfg(target_os = "linux")]
fn open_piece(from: impl AsFd, piece: &[u8], flags: OFlags) -> io::Result<OwnedFd> {
    use rustix::fs::{ResolveFlags, openat2};
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
    match openat2(from.as_fd(), piece, flags, Mode::empty(), resolve) {
        // An old kernel, or a sandbox that does not know the call.
        Err(Errno::NOSYS | Errno::PERM | Errno::AGAIN) => open_steps(from, piece, flags),
        opened => Ok(opened?),
    }
}

#[cfg(not(target_os = "linux"))]
fn open_piece(from: impl AsFd, piece: &[u8], flags: OFlags) -> io::Result<OwnedFd> {
    open_steps(from, piece, flags)
}

/// One component after the other.
fn open_steps(from: impl AsFd, piece: &[u8], flags: OFlags) -> io::Result<OwnedFd> {
    let mut at: Option<OwnedFd> = None;
    let mut names = piece.split(|&byte| byte == b'/').peekable();
    while let Some(name) = names.next() {
        let from = at.as_ref().map_or(from.as_fd(), AsFd::as_fd);
        let flags = if names.peek().is_some() { PASSAGE | OFlags::NOFOLLOW } else { flags };
        at = Some(openat(from, name, flags, Mode::empty())?);
    }
    at.ok_or_else(|| Errno::INVAL.into())
}

/// Cuts a path at `/` into pieces that the system takes, each with whether it is the last.
fn pieces(path: &[u8]) -> impl Iterator<Item = (&[u8], bool)> {
    let mut rest = Some(path);
    std::iter::from_fn(move || {
        let path = rest?;
        let cut = if path.len() <= PIECE_BYTES {
            None
        } else {
            let before = path[..PIECE_BYTES].iter().rposition(|&byte| byte == b'/').filter(|&at| at > 0);
            before.or_else(|| path[1..].iter().position(|&byte| byte == b'/').map(|at| at + 1))
        };
        // A piece that began with a doubled slash would be an absolute path.
        rest = cut.map(|at| relative(&path[at + 1..]));
        Some((cut.map_or(path, |at| &path[..at]), cut.is_none()))
    })
}

fn relative(path: &[u8]) -> &[u8] {
    match path.iter().position(|&byte| byte != b'/') {
        Some(start) => &path[start..],
        None => b".",
    }
}

/// A root path may be longer than what the system takes: the folder of its last piece, and that piece.
/// Links on the way are followed, for the caller named them.
fn short_end(root: &Path) -> io::Result<(OwnedFd, Vec<u8>)> {
    let path = root.as_os_str().as_bytes();
    let (mut at, path) = match path.strip_prefix(b"/") {
        Some(b"") => (rustix::fs::open("/", PASSAGE, Mode::empty())?, &b"."[..]),
        Some(below) if path.len() > PIECE_BYTES => (rustix::fs::open("/", PASSAGE, Mode::empty())?, relative(below)),
        _ => (rustix::fs::open(".", PASSAGE, Mode::empty())?, path),
    };
    for (piece, last) in pieces(path) {
        if last {
            return Ok((at, piece.to_vec()));
        }
        at = openat(&at, piece, PASSAGE, Mode::empty())?;
    }
    Err(Errno::INVAL.into())
}

/// A folder to be listed.
const FOLDER: OFlags =
    OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::NONBLOCK).union(OFlags::CLOEXEC);

/// A folder to be passed through: it need not be readable.
#[cfg(target_os = "linux")]
const PASSAGE: OFlags = OFlags::PATH.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);
#[cfg(not(target_os = "linux"))]
const PASSAGE: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

#[cfg(target_os = "linux")]
const NOATIME: OFlags = OFlags::NOATIME;
#[cfg(not(target_os = "linux"))]
const NOATIME: OFlags = OFlags::empty();

/// An automount that nobody has entered stays asleep.
#[cfg(target_os = "linux")]
pub(crate) const STAT: AtFlags = AtFlags::SYMLINK_NOFOLLOW.union(AtFlags::NO_AUTOMOUNT);
#[cfg(not(target_os = "linux"))]
pub(crate) const STAT: AtFlags = AtFlags::SYMLINK_NOFOLLOW;

/// Descriptors kept open for folders; the usual limit of a process is 1,024.
const OPEN_FOLDERS: usize = 256;

/// Below PATH_MAX of every system (1,024 on macOS, 4,096 on Linux).
const PIECE_BYTES: usize = 1000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_join_to_the_path() {
        let name = "n".repeat(250);
        let path = vec![name.as_str(); 40].join("/").into_bytes();
        let cut: Vec<_> = pieces(&path).collect();
        assert!(cut.len() > 8 && cut.iter().all(|(piece, _)| piece.len() <= PIECE_BYTES));
        assert!(cut.iter().rev().skip(1).all(|(_, last)| !last) && cut[cut.len() - 1].1);
        assert_eq!(cut.iter().map(|(piece, _)| *piece).collect::<Vec<_>>().join(&b'/'), path);
        assert_eq!(pieces(b"a/b").collect::<Vec<_>>(), [(&b"a/b"[..], true)]);
    }

    #[test]
    fn a_link_on_the_way_is_not_followed() {
        let temp = tempfile::tempdir().expect("temp");
        std::fs::create_dir_all(temp.path().join("real/in")).expect("folders");
        std::os::unix::fs::symlink("real", temp.path().join("link")).expect("link");
        let (root, _) = open_root(temp.path()).expect("root");
        let base = root.fd().expect("base");
        assert!(open_beneath(&*base, b"real/in").is_ok());
        assert!(open_beneath(&*base, b"link/in").is_err());
        assert!(open_beneath(&*base, b"link").is_err());
        assert!(open_steps(&*base, b"real/in", FOLDER).is_ok());
        assert!(open_steps(&*base, b"link/in", FOLDER).is_err());
        assert!(open_steps(&*base, b"link", FOLDER).is_err());
    }

    #[test]
    fn evicted_folders_are_opened_again() {
        let temp = tempfile::tempdir().expect("temp");
        let count = OPEN_FOLDERS + 50;
        for n in 0..count {
            std::fs::create_dir(temp.path().join(format!("d{n}"))).expect("folder");
            std::fs::write(temp.path().join(format!("d{n}/f")), "x").expect("file");
        }
        let (root, _) = open_root(temp.path()).expect("root");
        let open =
            |n: usize| root.open_child(&c_string(format!("d{n}").as_bytes()).expect("name"), format!("d{n}").into());
        let handles: Vec<_> = (0..count).map(|n| open(n).expect("opens")).collect();
        assert_eq!(handles.iter().filter(|handle| handle.slot().is_some()).count(), OPEN_FOLDERS);
        assert!(handles[0].slot().is_none());
        assert!(handles.iter().all(|handle| handle.open_file(c"f", 0).is_ok()));
        assert_eq!(handles.iter().filter(|handle| handle.slot().is_some()).count(), OPEN_FOLDERS);
    }
}
