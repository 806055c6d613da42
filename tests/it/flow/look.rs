//! Looks at a folder: everything that a restore has to bring back, by path.

use std::collections::{BTreeMap, HashMap};
use std::ffi::{CStr, CString, OsStr};
use std::fs::File;
use std::io::Read;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags, Stat, fgetxattr, flistxattr, openat, readlinkat, statat};

/// One file, folder, link or whatever it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Item {
    pub(crate) kind: FileType,
    pub(crate) mode: u32,
    pub(crate) owner: (u32, u32),
    /// Seconds, which are negative before 1970, and nanoseconds.
    pub(crate) modified: (i64, i64),
    pub(crate) size: u64,
    pub(crate) device: u64,
    pub(crate) target: Vec<u8>,
    pub(crate) attributes: BTreeMap<Vec<u8>, Vec<u8>>,
    /// The first path with the same inode, if it has several names.
    pub(crate) linked: Option<PathBuf>,
    pub(crate) content: Content,
}

/// Compared by what it is, shown by how much.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Content(pub(crate) Vec<u8>);

/// A whole tree. Where a path is longer than the system takes, it goes from folder to folder.
pub(crate) fn look(folder: &Path) -> BTreeMap<PathBuf, Item> {
    let mut look = Look::default();
    let top = openat(CWD, folder, OFlags::RDONLY | OFlags::DIRECTORY, Mode::empty()).expect("a folder");
    look.folder(&top, Path::new(""));
    look.items
}

/// Fails the test unless both are the same in everything; tells the first paths where they are not.
#[track_caller]
pub(crate) fn same(source: &BTreeMap<PathBuf, Item>, restored: &BTreeMap<PathBuf, Item>) {
    let mut wrong: Vec<String> = Vec::new();
    for path in source.keys().filter(|path| !restored.contains_key(*path)) {
        wrong.push(format!("missing: {path:?}"));
    }
    for path in restored.keys().filter(|path| !source.contains_key(*path)) {
        wrong.push(format!("too much: {path:?}"));
    }
    for (path, item) in source {
        if let Some(other) = restored.get(path).filter(|other| *other != item) {
            wrong.push(format!("differs: {path:?}\n  source   {item:?}\n  restored {other:?}"));
        }
    }
    assert!(wrong.is_empty(), "{} differences, among them\n{}", wrong.len(), wrong[..wrong.len().min(8)].join("\n"));
}

/// Blocks of 512 bytes that a file takes on its disk.
pub(crate) fn blocks(path: &Path) -> u64 {
    use std::os::unix::fs::MetadataExt;
    path.metadata().expect("a file").blocks()
}

#[derive(Default)]
struct Look {
    items: BTreeMap<PathBuf, Item>,
    first_names: HashMap<(u64, u64), PathBuf>,
}

impl Look {
    fn folder(&mut self, folder: &OwnedFd, path: &Path) {
        let mut names: Vec<CString> = Dir::read_from(folder)
            .expect("it can be listed")
            .map(|entry| entry.expect("an entry").file_name().to_owned())
            .filter(|name| !matches!(name.to_bytes(), b"." | b".."))
            .collect();
        names.sort_unstable();
        for name in names {
            let path = path.join(OsStr::from_bytes(name.to_bytes()));
            let item = self.item(folder.as_fd(), &name, &path);
            let is_folder = item.kind == FileType::Directory;
            self.items.insert(path.clone(), item);
            if is_folder {
                self.folder(&open(folder.as_fd(), &name), &path);
            }
        }
    }

    #[allow(clippy::unnecessary_cast)] // the fields differ from system to system
    fn item(&mut self, folder: BorrowedFd<'_>, name: &CStr, path: &Path) -> Item {
        let stat: Stat = statat(folder, name, AtFlags::SYMLINK_NOFOLLOW).expect("it is there");
        let kind = FileType::from_raw_mode(stat.st_mode);
        let opened = matches!(kind, FileType::RegularFile | FileType::Directory).then(|| open(folder, name));
        let attributes = opened.as_ref().map(attributes).unwrap_or_default();
        let mut content = Vec::new();
        if let (FileType::RegularFile, Some(file)) = (kind, opened) {
            File::from(file).read_to_end(&mut content).expect("it can be read");
        }
        let target = match kind {
            FileType::Symlink => readlinkat(folder, name, Vec::new()).expect("a link").into_bytes(),
            _ => Vec::new(),
        };
        let linked = (stat.st_nlink > 1 && kind != FileType::Directory).then(|| {
            let inode = (stat.st_dev as u64, stat.st_ino as u64);
            self.first_names.entry(inode).or_insert_with(|| path.to_owned()).clone()
        });
        let is_device = matches!(kind, FileType::CharacterDevice | FileType::BlockDevice);
        Item {
            kind,
            mode: stat.st_mode & 0o7777,
            owner: (stat.st_uid, stat.st_gid),
            modified: (stat.st_mtime as i64, stat.st_mtime_nsec as i64),
            size: if kind == FileType::RegularFile { stat.st_size as u64 } else { 0 },
            device: if is_device { stat.st_rdev as u64 } else { 0 },
            target,
            attributes,
            linked,
            content: Content(content),
        }
    }
}

fn open(folder: BorrowedFd<'_>, name: &CStr) -> OwnedFd {
    openat(folder, name, OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK, Mode::empty()).expect("it opens")
}

fn attributes(file: &OwnedFd) -> BTreeMap<Vec<u8>, Vec<u8>> {
    let mut names = vec![0; 65_536];
    let Ok(len) = flistxattr(file, &mut names[..]) else { return BTreeMap::new() };
    names[..len]
        .split(|byte| *byte == 0)
        .filter(|name| !name.is_empty())
        .map(|name| {
            let mut value = vec![0; 65_536];
            let len = fgetxattr(file, name, &mut value[..]).expect("a value");
            value.truncate(len);
            (name.to_vec(), value)
        })
        .collect()
}

impl std::fmt::Debug for Content {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let sum = self.0.iter().fold(0u64, |sum, byte| sum.wrapping_mul(31).wrapping_add(u64::from(*byte)));
        write!(f, "{} bytes, sum {sum:x}", self.0.len())
    }
}
