//! Folders by path: opened component by component, never through a symbolic link, the recent ones kept open.
use std::collections::{HashMap, HashSet};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Arc, OnceLock};

use rustix::fs::{Dir, Mode, OFlags};
use rustix::io::Errno;
use vault_format::Kind;

use super::error::{RawPath, TargetError};
use super::meta::{Meta, Seen, kind_of};
use super::{Shared, lock};

/// An open folder below the target.
#[derive(Debug)]
pub(super) struct Folder {
    fd: OwnedFd,
    /// Device and inode.
    pub(super) id: (u64, u64),
    /// Set once something is to be written here: whether nothing was inside before this run.
    fresh: OnceLock<bool>,
}

impl Folder {
    pub(super) fn new(fd: OwnedFd) -> Result<Self, Errno> {
        let id = Seen::of_fd(&fd)?.id;
        Ok(Self { fd, id, fresh: OnceLock::new() })
    }

    /// Whether nothing was inside before this run, so that whatever is inside now was made by it.
    pub(super) fn is_fresh(&self) -> bool {
        self.fresh.get().copied().unwrap_or(false)
    }

    /// Names and kinds, sorted by raw bytes.
    pub(super) fn list(&self) -> Result<Vec<(Vec<u8>, Kind)>, Errno> {
        let mut names = Vec::new();
        for item in Dir::read_from(&self.fd)? {
            let item = item?;
            let name = item.file_name().to_bytes();
            if name == b"." || name == b".." {
                continue;
            }
            let kind = match item.file_type() {
                rustix::fs::FileType::Unknown => match Seen::at(&self.fd, name)? {
                    Some(seen) => seen.kind,
                    None => continue,
                },
                kind => kind_of(kind),
            };
            names.push((name.to_vec(), kind));
        }
        names.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
        Ok(names)
    }

    pub(super) fn is_empty(&self) -> Result<bool, Errno> {
        for item in Dir::read_from(&self.fd)? {
            if !matches!(item?.file_name().to_bytes(), b"." | b"..") {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

impl AsFd for Folder {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// The open folders by path, and when each was last used.
#[derive(Debug, Default)]
pub(super) struct Cache {
    open: HashMap<Vec<u8>, (Arc<Folder>, u64)>,
    clock: u64,
}

impl Cache {
    fn get(&mut self, path: &[u8]) -> Option<Arc<Folder>> {
        self.clock += 1;
        let (folder, used) = self.open.get_mut(path)?;
        *used = self.clock;
        Some(folder.clone())
    }

    fn put(&mut self, path: &[u8], folder: Arc<Folder>) {
        if self.open.len() >= OPEN_FOLDERS
            && let Some(oldest) = self.open.iter().min_by_key(|(_, (_, used))| *used).map(|(path, _)| path.clone())
        {
            self.open.remove(&oldest);
        }
        self.clock += 1;
        self.open.insert(path.to_vec(), (folder, self.clock));
    }
}

/// What this run has made. Grows with the folders, and with the files written into folders that had content before.
#[derive(Debug, Default)]
pub(super) struct Made {
    pub(super) folders: HashMap<Vec<u8>, FolderState>,
    /// Device and inode of everything above, to notice two names for one thing.
    ids: HashSet<(u64, u64)>,
}

#[derive(Debug)]
pub(super) struct FolderState {
    /// Made by this run, or empty before it.
    fresh: bool,
    /// Made by this run.
    pub(super) made: bool,
    /// To be set when everything inside is done.
    pub(super) meta: Option<Box<Meta>>,
}

impl Made {
    pub(super) fn has(&self, seen: &Seen) -> bool {
        self.ids.contains(&seen.id)
    }

    /// Files with several names are left out: their names share one inode rightly.
    pub(super) fn claim(&mut self, seen: &Seen) {
        if seen.links < 2 {
            self.ids.insert(seen.id);
        }
    }

    pub(super) fn release(&mut self, id: (u64, u64)) {
        self.ids.remove(&id);
    }
}

impl Shared {
    /// The folder at `path`, made with its parents where missing.
    pub(super) fn make_folder(&self, path: &[u8]) -> Result<Arc<Folder>, TargetError> {
        self.walk(path, true)?.ok_or_else(|| TargetError::io(path, "make the folder", Errno::NOENT))
    }

    /// The folder at `path` if it is there. Remembers nothing about it.
    pub(super) fn find_folder(&self, path: &[u8]) -> Result<Option<Arc<Folder>>, TargetError> {
        self.walk(path, false)
    }

    /// Whether nothing was in the folder before this run wrote into it.
    pub(super) fn was_fresh(&self, path: &[u8]) -> bool {
        lock(&self.made).folders.get(path).is_some_and(|state| state.fresh)
    }

    /// Forgets open folders at and below a path that now means something else.
    pub(super) fn forget_folders(&self, path: &[u8]) {
        lock(&self.cache).open.retain(|open, _| {
            !(open.starts_with(path) && (path.is_empty() || open.len() == path.len() || open[path.len()] == b'/'))
        });
    }

    fn walk(&self, path: &[u8], make: bool) -> Result<Option<Arc<Folder>>, TargetError> {
        // One walk at a time: nobody sees a folder that another thread has made but not yet noted.
        let mut cache = lock(&self.cache);
        if let Some(folder) = cache.get(path) {
            if make {
                self.note(&folder, path, false)?;
            }
            return Ok(Some(folder));
        }
        let mut done = path.len();
        let mut folder = loop {
            done = path[..done].iter().rposition(|&byte| byte == b'/').unwrap_or(0);
            if done == 0 {
                break match &self.root {
                    Some(root) => root.clone(),
                    None => return Ok(None),
                };
            }
            if let Some(folder) = cache.get(&path[..done]) {
                break folder;
            }
        };
        if make {
            self.note(&folder, &path[..done], false)?;
        }
        while done < path.len() {
            let start = if done == 0 { 0 } else { done + 1 };
            done = path[start..].iter().position(|&byte| byte == b'/').map_or(path.len(), |at| start + at);
            let here = &path[..done];
            let Some((child, made)) = self.step(&folder, &path[start..done], here, path, make)? else {
                return Ok(None);
            };
            if make {
                self.note(&child, here, made)?;
            }
            folder = Arc::new(child);
            cache.put(here, folder.clone());
        }
        Ok(Some(folder))
    }

    /// Opens one component. Returns whether it was made for that.
    fn step(
        &self,
        parent: &Folder,
        name: &[u8],
        here: &[u8],
        path: &[u8],
        make: bool,
    ) -> Result<Option<(Folder, bool)>, TargetError> {
        let mut made = false;
        loop {
            match rustix::fs::openat(parent, name, FOLDER, Mode::empty()) {
                Ok(fd) => {
                    let folder = Folder::new(fd).map_err(|error| TargetError::io(here, "open the folder", error))?;
                    return Ok(Some((folder, made)));
                }
                Err(Errno::NOENT) if !make => return Ok(None),
                Err(Errno::NOENT) if !made => match rustix::fs::mkdirat(parent, name, PRIVATE) {
                    Ok(()) => made = true,
                    Err(Errno::EXIST) => {}
                    Err(error) => return Err(TargetError::io(here, "make the folder", error)),
                },
                Err(Errno::NOTDIR | Errno::LOOP | Errno::MLINK) => {
                    let link = Seen::at(parent, name).ok().flatten().is_some_and(|seen| seen.kind == Kind::Symlink);
                    return Err(match link {
                        true => TargetError::ThroughSymlink { path: path.into(), link: here.into() },
                        false => TargetError::FileInTheWay { path: path.into(), file: here.into() },
                    });
                }
                Err(error) => return Err(TargetError::io(here, "open the folder", error)),
            }
        }
    }

    /// Notes a folder into which this run is going to write.
    pub(super) fn note(&self, folder: &Folder, path: &[u8], made: bool) -> Result<(), TargetError> {
        if folder.fresh.get().is_some() {
            return Ok(());
        }
        let mut run = lock(&self.made);
        let fresh = match run.folders.get(path) {
            Some(state) => state.fresh,
            None if !made && run.ids.contains(&folder.id) => {
                return Err(TargetError::Collision { path: path.into() });
            }
            None => {
                let fresh =
                    made || folder.is_empty().map_err(|error| TargetError::io(path, "list the folder", error))?;
                run.ids.insert(folder.id);
                run.folders.insert(path.to_vec(), FolderState { fresh, made, meta: None });
                fresh
            }
        };
        folder.fresh.get_or_init(|| fresh);
        Ok(())
    }
}

/// Splits a path into its folder and its name.
pub(super) fn split(path: &[u8]) -> (&[u8], &[u8]) {
    match path.iter().rposition(|&byte| byte == b'/') {
        Some(at) => (&path[..at], &path[at + 1..]),
        None => (&[], path),
    }
}

/// Joins two paths, each of which may be empty, and checks the outcome: no manifest is trusted to name only what is below.
pub(super) fn join(base: &[u8], path: &[u8]) -> Result<Vec<u8>, TargetError> {
    let mut full = Vec::with_capacity(base.len() + 1 + path.len());
    full.extend_from_slice(base);
    if !base.is_empty() && !path.is_empty() {
        full.push(b'/');
    }
    full.extend_from_slice(path);
    let what = if full.is_empty() {
        None
    } else if full.contains(&0) {
        Some("a name contains a NUL byte")
    } else {
        full.split(|&byte| byte == b'/').find_map(|name| match name {
            b"" => Some("a name is empty or the path absolute"),
            b"." | b".." => Some("a name is `.` or `..`"),
            _ => None,
        })
    };
    match what {
        Some(what) => Err(TargetError::BadPath { path: RawPath(full), what }),
        None => Ok(full),
    }
}

const FOLDER: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);
/// Folders are private until their own metadata is set, last of all.
pub(super) const PRIVATE: Mode = Mode::RWXU;
/// Far below the usual limit of 1,024 descriptors, deep enough for most trees.
const OPEN_FOLDERS: usize = 96;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_paths_are_refused() {
        for path in ["..", "a/../b", ".", "./a", "a/.", "/etc/passwd", "a//b", "a/", "a\0b", "../../x"] {
            assert!(matches!(join(b"base", path.as_bytes()), Err(TargetError::BadPath { .. })), "{path:?}");
            assert!(matches!(join(b"", path.as_bytes()), Err(TargetError::BadPath { .. })), "{path:?}");
            assert!(matches!(join(path.as_bytes(), b"x"), Err(TargetError::BadPath { .. })), "{path:?}");
        }
        assert_eq!(join(b"a/b", b"c/..d").unwrap(), b"a/b/c/..d");
        assert_eq!(join(b"a", b"").unwrap(), b"a");
        assert_eq!(join(b"", b"").unwrap(), b"");
    }

    #[test]
    fn splits_at_the_last_slash() {
        assert_eq!(split(b"a/b/c"), (&b"a/b"[..], &b"c"[..]));
        assert_eq!(split(b"c"), (&b""[..], &b"c"[..]));
    }
}
