//! Extended attributes, among them ACLs (`system.posix_acl_*`).

use std::ffi::CStr;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use rustix::buffer::spare_capacity;
use rustix::fs::{fgetxattr, flistxattr, lgetxattr, llistxattr};
use rustix::io::Errno;

use super::dir::c_string;
use super::error::{ProblemKind, WalkProblem};
use super::walk::Found;

/// Reads the extended attributes of anything but an open file into the entry, without opening it. What could not be
/// taken is added to `problems`, and the entry goes on without it.
pub fn read_xattrs(found: &mut Found, problems: &mut Vec<WalkProblem>) {
    let path = || -> io::Result<_> {
        let dir = found.dir.fd()?;
        // No system call reads a link's attributes relative to a folder; this path is as good: the kernel takes
        // the folder from the descriptor.
        let prefix = format!("{DESCRIPTORS}{}/", std::os::fd::AsRawFd::as_raw_fd(&*dir));
        let path = c_string(&[prefix.as_bytes(), found.name()].concat())?;
        Ok((dir, path))
    };
    match path() {
        // The descriptor stays open while its number is in use.
        Ok((_dir, path)) => collect(found, Subject::Path(&path), problems),
        Err(error) => problems.push(unreadable(found, error)),
    }
}

/// The same for a file that is open.
pub(crate) fn read_xattrs_of(found: &mut Found, file: impl AsFd, problems: &mut Vec<WalkProblem>) {
    collect(found, Subject::File(file.as_fd()), problems);
}

#[derive(Clone, Copy)]
enum Subject<'a> {
    File(BorrowedFd<'a>),
    Path(&'a CStr),
}

impl Subject<'_> {
    fn list(self, space: &mut [u8]) -> Result<usize, Errno> {
        match self {
            Self::File(file) => flistxattr(file, space),
            Self::Path(path) => llistxattr(path, space),
        }
    }

    fn get(self, name: &CStr, value: &mut Vec<u8>) -> Result<usize, Errno> {
        match self {
            Self::File(file) => fgetxattr(file, name, spare_capacity(value)),
            Self::Path(path) => lgetxattr(path, name, spare_capacity(value)),
        }
    }
}

fn collect(found: &mut Found, subject: Subject<'_>, problems: &mut Vec<WalkProblem>) {
    found.entry.xattrs = Vec::new();
    let mut few = [0; 512];
    let mut many = Vec::new();
    let listed = match subject.list(&mut few) {
        Err(Errno::RANGE) => {
            many.resize(LIST_BYTES, 0);
            subject.list(&mut many).map(|len| &many[..len])
        }
        listed => listed.map(|len| &few[..len]),
    };
    let list = match listed {
        Ok([]) | Err(Errno::NOTSUP | Errno::NOSYS) => return,
        Ok(list) => list,
        Err(error) => return problems.push(unreadable(found, error.into())),
    };
    let mut names: Vec<&CStr> = list.split_inclusive(|&byte| byte == 0).flat_map(CStr::from_bytes_with_nul).collect();
    names.sort_unstable();
    let mut total = 0;
    for name in names {
        match value(subject, name) {
            Ok(value)
                if value.len() <= VALUE_BYTES
                    && total + value.len() <= ALL_BYTES
                    && found.entry.xattrs.len() < COUNT =>
            {
                total += value.len();
                found.entry.xattrs.push((name.to_bytes().to_vec(), value));
            }
            Ok(_) | Err(Errno::TOOBIG | Errno::RANGE) => {
                problems.push(WalkProblem::new(found.entry.path.clone(), ProblemKind::XattrTooLarge, shown(name)));
            }
            // Removed since it was listed.
            Err(Errno::NODATA) => {}
            Err(error) => {
                let error = io::Error::new(io::Error::from(error).kind(), format!("{}: {error}", shown(name)));
                problems.push(unreadable(found, error));
            }
        }
    }
}

fn value(subject: Subject<'_>, name: &CStr) -> Result<Vec<u8>, Errno> {
    for room in [256, VALUE_BYTES + 1] {
        let mut value = Vec::with_capacity(room);
        match subject.get(name, &mut value) {
            Ok(_) => {
                value.shrink_to_fit();
                return Ok(value);
            }
            Err(Errno::RANGE) => {}
            Err(error) => return Err(error),
        }
    }
    Err(Errno::RANGE)
}

fn shown(name: &CStr) -> String {
    super::display_path(name.to_bytes())
}

fn unreadable(found: &Found, error: io::Error) -> WalkProblem {
    if error.kind() == io::ErrorKind::NotFound {
        // Gone with its attributes since the walk.
        return WalkProblem::reading(found.entry.path.clone(), error);
    }
    WalkProblem { path: found.entry.path.clone(), kind: ProblemKind::XattrUnreadable, error }
}

/// Folder of this process's open descriptors.
#[cfg(target_os = "linux")]
const DESCRIPTORS: &str = "/proc/self/fd/";
#[cfg(not(target_os = "linux"))]
const DESCRIPTORS: &str = "/dev/fd/";

/// Largest value that is stored; Linux has the same limit (XATTR_SIZE_MAX).
pub const VALUE_BYTES: usize = 64 << 10;

/// Most bytes of values of one entry.
pub const ALL_BYTES: usize = 128 << 10;

/// Most attributes of one entry.
pub const COUNT: usize = 1024;

/// XATTR_LIST_MAX of Linux.
const LIST_BYTES: usize = 64 << 10;
