//! Owners, modes, times and extended attributes: read from the file system, and put back.
use std::collections::HashMap;
use std::ffi::OsStr;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::ffi::OsStrExt;

use rustix::fs::{AtFlags, Gid, Mode, OFlags, Stat, Timespec, Timestamps, Uid, XattrFlags};
use rustix::io::Errno;
use vault_format::{Entry, Kind, Time};

use super::Shared;

/// The local ids of the owners that a snapshot names. As tar does it: the name's local id where the name exists, else
/// the number as recorded.
#[derive(Clone, Debug, Default)]
pub struct OwnerMap {
    users: HashMap<u32, u32>,
    groups: HashMap<u32, u32>,
}

impl OwnerMap {
    /// Every id stands for itself.
    pub fn numeric() -> Self {
        Self::default()
    }

    /// Looks up the names of a snapshot, given as (id, name). Only root can give files away, so for anybody else this is
    /// [`OwnerMap::numeric`].
    pub fn by_name<'a>(
        users: impl IntoIterator<Item = (u32, &'a [u8])>,
        groups: impl IntoIterator<Item = (u32, &'a [u8])>,
    ) -> Self {
        if !rustix::process::geteuid().is_root() {
            return Self::numeric();
        }
        let user = |name: &[u8]| uzers::get_user_by_name(OsStr::from_bytes(name)).map(|user| user.uid());
        let group = |name: &[u8]| uzers::get_group_by_name(OsStr::from_bytes(name)).map(|group| group.gid());
        Self {
            users: users.into_iter().filter_map(|(id, name)| Some((id, user(lookable(name)?)?))).collect(),
            groups: groups.into_iter().filter_map(|(id, name)| Some((id, group(lookable(name)?)?))).collect(),
        }
    }

    fn user(&self, id: u32) -> u32 {
        *self.users.get(&id).unwrap_or(&id)
    }

    fn group(&self, id: u32) -> u32 {
        *self.groups.get(&id).unwrap_or(&id)
    }
}

/// The metadata to be put on one object. Owner ids are local ones.
#[derive(Clone, Debug)]
pub(super) struct Meta {
    pub(super) mode: u32,
    pub(super) uid: u32,
    pub(super) gid: u32,
    pub(super) mtime: Time,
    pub(super) xattrs: Vec<(Vec<u8>, Vec<u8>)>,
}

impl Meta {
    pub(super) fn of(entry: &Entry, owners: &OwnerMap) -> Self {
        Self {
            mode: entry.mode & 0o7777,
            uid: owners.user(entry.uid),
            gid: owners.group(entry.gid),
            mtime: entry.mtime,
            xattrs: entry.xattrs.clone(),
        }
    }
}

/// What `stat` says, in the types of a manifest.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seen {
    pub(super) kind: Kind,
    pub(super) mode: u32,
    pub(super) uid: u32,
    pub(super) gid: u32,
    pub(super) size: u64,
    pub(super) mtime: Time,
    pub(super) rdev: u64,
    pub(super) links: u64,
    /// Device and inode.
    pub(super) id: (u64, u64),
}

impl Seen {
    // The types of `Stat` differ between platforms.
    #[allow(clippy::unnecessary_cast)]
    pub(super) fn of(stat: &Stat) -> Self {
        Self {
            kind: kind_of(rustix::fs::FileType::from_raw_mode(stat.st_mode as _)),
            mode: stat.st_mode as u32 & 0o7777,
            uid: stat.st_uid as u32,
            gid: stat.st_gid as u32,
            size: stat.st_size as u64,
            mtime: Time { secs: stat.st_mtime as i64, nanos: stat.st_mtime_nsec as u32 },
            rdev: stat.st_rdev as u64,
            links: stat.st_nlink as u64,
            id: (stat.st_dev as u64, stat.st_ino as u64),
        }
    }

    pub(super) fn at(folder: impl AsFd, name: &[u8]) -> Result<Option<Self>, Errno> {
        match rustix::fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => Ok(Some(Self::of(&stat))),
            Err(Errno::NOENT) => Ok(None),
            Err(error) => Err(error),
        }
    }

    pub(super) fn of_fd(fd: impl AsFd) -> Result<Self, Errno> {
        rustix::fs::fstat(fd).map(|stat| Self::of(&stat))
    }
}

/// A `readdir` type the file system does not tell counts as a file; callers that care ask `stat`.
pub(super) fn kind_of(kind: rustix::fs::FileType) -> Kind {
    use rustix::fs::FileType;
    match kind {
        FileType::Directory => Kind::Dir,
        FileType::Symlink => Kind::Symlink,
        FileType::Fifo => Kind::Fifo,
        FileType::Socket => Kind::Socket,
        FileType::CharacterDevice => Kind::CharDevice,
        FileType::BlockDevice => Kind::BlockDevice,
        _ => Kind::File,
    }
}

impl Shared {
    /// Whether the owner of a new file must be changed before it may have its final mode.
    pub(super) fn gives_away(&self, entry: &Entry, owners: &OwnerMap) -> bool {
        self.options.owners && (owners.user(entry.uid), owners.group(entry.gid)) != self.me
    }

    /// Puts metadata on an open file or folder: owner first (it clears set-id bits and capabilities), then attributes
    /// (an ACL changes the mode), then mode, and times last. Nothing here fails: see [`super::TargetProblem`].
    pub(super) fn set_metadata(&self, fd: BorrowedFd<'_>, seen: &Seen, meta: &Meta, path: &[u8]) {
        let (changed, owned) = self.set_owner(seen, meta, path, |uid, gid| rustix::fs::fchown(fd, uid, gid));
        for (name, value) in &meta.xattrs {
            if let Err(error) = rustix::fs::fsetxattr(fd, name.as_slice(), value, XattrFlags::empty()) {
                self.problem(path, format!("set the attribute {}", name.escape_ascii()), error);
            }
        }
        let mode = self.allowed_mode(meta.mode, owned, path);
        if (changed || !meta.xattrs.is_empty() || mode != seen.mode)
            && let Err(error) = rustix::fs::fchmod(fd, Mode::from_raw_mode(mode as _))
        {
            self.problem(path, "set the mode", error);
        }
        if let Some(times) = self.times(meta.mtime, path)
            && let Err(error) = rustix::fs::futimens(fd, &times)
        {
            self.problem(path, "set the time", error);
        }
    }

    /// The same for what must not be opened: symbolic links, pipes and devices, just made as `name` in `folder`.
    pub(super) fn set_metadata_at(&self, folder: BorrowedFd<'_>, name: &[u8], meta: &Meta, path: &[u8]) {
        let seen = match Seen::at(folder, name) {
            Ok(Some(seen)) => seen,
            Ok(None) => return self.problem(path, "set metadata", Errno::NOENT),
            Err(error) => return self.problem(path, "set metadata", error),
        };
        let (changed, owned) = self.set_owner(&seen, meta, path, |uid, gid| {
            rustix::fs::chownat(folder, name, uid, gid, AtFlags::SYMLINK_NOFOLLOW)
        });
        let mode = self.allowed_mode(meta.mode, owned, path);
        let set_mode = seen.kind != Kind::Symlink && (changed || mode != seen.mode);
        if (set_mode || !meta.xattrs.is_empty())
            && let Err(error) = set_unopened(folder, name, &seen, set_mode.then_some(mode), &meta.xattrs)
        {
            self.problem(path, "set mode and attributes", error);
        }
        if let Some(times) = self.times(meta.mtime, path)
            && let Err(error) = rustix::fs::utimensat(folder, name, &times, AtFlags::SYMLINK_NOFOLLOW)
        {
            self.problem(path, "set the time", error);
        }
    }

    /// Returns whether the owner was changed, and whether it is now the one recorded.
    fn set_owner(
        &self,
        seen: &Seen,
        meta: &Meta,
        path: &[u8],
        chown: impl FnOnce(Option<Uid>, Option<Gid>) -> Result<(), Errno>,
    ) -> (bool, bool) {
        if (seen.uid, seen.gid) == (meta.uid, meta.gid) {
            return (false, true);
        }
        if !self.options.owners {
            return (false, false);
        }
        // -1 means "leave as it is" to the kernel and is nobody's id.
        let result = if meta.uid == u32::MAX || meta.gid == u32::MAX {
            Err(Errno::INVAL)
        } else {
            chown(Some(Uid::from_raw(meta.uid)), Some(Gid::from_raw(meta.gid)))
        };
        if let Err(error) = result {
            self.problem(path, format!("set the owner {}:{}", meta.uid, meta.gid), error);
        }
        (true, result.is_ok())
    }

    /// A set-id bit on a file of another owner would lend that owner's rights to the content.
    fn allowed_mode(&self, mode: u32, owned: bool, path: &[u8]) -> u32 {
        if owned || mode & SET_ID == 0 {
            return mode;
        }
        self.problem(path, "set the set-id bits without the owner", Errno::PERM);
        mode & !SET_ID
    }

    fn times(&self, mtime: Time, path: &[u8]) -> Option<Timestamps> {
        // Nanoseconds beyond the second are special commands to the kernel.
        if mtime.nanos >= 1_000_000_000 {
            self.problem(path, "set the time", Errno::INVAL);
            return None;
        }
        Some(Timestamps {
            last_access: Timespec { tv_sec: 0, tv_nsec: rustix::fs::UTIME_OMIT as _ },
            last_modification: Timespec { tv_sec: mtime.secs, tv_nsec: mtime.nanos as _ },
        })
    }
}

/// Reaches the inode through a path-only descriptor: opening a pipe or a device would act on it, and there is no `lchmod`.
#[cfg(target_os = "linux")]
fn set_unopened(
    folder: BorrowedFd<'_>,
    name: &[u8],
    seen: &Seen,
    mode: Option<u32>,
    xattrs: &[(Vec<u8>, Vec<u8>)],
) -> Result<(), Errno> {
    use std::os::fd::AsRawFd;
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let fd = rustix::fs::openat(folder, name, flags, Mode::empty())?;
    if Seen::of_fd(&fd)?.id != seen.id {
        return Err(Errno::STALE);
    }
    let inode = format!("/proc/self/fd/{}", fd.as_raw_fd());
    for (name, value) in xattrs {
        rustix::fs::setxattr(&inode, name.as_slice(), value, XattrFlags::empty())?;
    }
    mode.map_or(Ok(()), |mode| {
        rustix::fs::chmodat(rustix::fs::CWD, &inode, Mode::from_raw_mode(mode), AtFlags::empty())
    })
}

#[cfg(not(target_os = "linux"))]
fn set_unopened(
    folder: BorrowedFd<'_>,
    name: &[u8],
    _seen: &Seen,
    mode: Option<u32>,
    xattrs: &[(Vec<u8>, Vec<u8>)],
) -> Result<(), Errno> {
    if let Some(mode) = mode {
        rustix::fs::chmodat(folder, name, Mode::from_raw_mode(mode as _), AtFlags::SYMLINK_NOFOLLOW)?;
    }
    if xattrs.is_empty() { Ok(()) } else { Err(Errno::NOTSUP) }
}

/// Names with a NUL would panic on their way to the C library.
fn lookable(name: &[u8]) -> Option<&[u8]> {
    (!name.is_empty() && !name.contains(&0)).then_some(name)
}

const SET_ID: u32 = 0o6000;
