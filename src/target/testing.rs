//! What the tests of this folder share.
use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::{Path, PathBuf};

use vault_format::{Entry, Kind, Time};

use super::*;

pub(super) struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    pub(super) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("out")).unwrap();
        Self { folder }
    }

    pub(super) fn path(&self, below: &str) -> PathBuf {
        if below.is_empty() { self.out() } else { self.out().join(below) }
    }

    pub(super) fn out(&self) -> PathBuf {
        self.folder.path().join("out")
    }

    /// Outside the target, where nothing may ever change.
    pub(super) fn outside(&self) -> PathBuf {
        self.folder.path().join("outside")
    }

    pub(super) fn target(&self, overwrite: Overwrite) -> Target {
        self.with(TargetOptions { overwrite, ..TargetOptions::default() })
    }

    pub(super) fn with(&self, options: TargetOptions) -> Target {
        Target::open(&self.out(), options).unwrap()
    }

    /// The names in the target's folder, to see that nothing temporary was left.
    pub(super) fn names(&self, below: &str) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(self.path(below))
            .unwrap()
            .map(|item| item.unwrap().file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    }
}

pub(super) fn root(target: &Target) -> Root {
    target.root(b"", OwnerMap::numeric()).unwrap()
}

pub(super) fn entry(kind: Kind, path: &str, size: usize) -> Entry {
    Entry {
        path: path.into(),
        kind,
        mode: if kind == Kind::Dir { 0o755 } else { 0o644 },
        uid: rustix::process::geteuid().as_raw(),
        gid: rustix::process::getegid().as_raw(),
        mtime: MTIME,
        ctime: MTIME,
        inode: 1,
        device: 1,
        links: 1,
        size: size as u64,
        content: vault_format::Content::Empty,
        holes: Vec::new(),
        target: Vec::new(),
        rdev: 0,
        xattrs: Vec::new(),
        capture: vault_format::Capture::Plain,
    }
}

pub(super) fn file(path: &str, size: usize) -> Entry {
    entry(Kind::File, path, size)
}

pub(super) fn sink(begin: Begin) -> FileSink {
    match begin {
        Begin::File(sink) => sink,
        Begin::Settled(outcome) => panic!("no file to write: {outcome:?}"),
    }
}

pub(super) fn settled(begin: Begin) -> Outcome {
    match begin {
        Begin::File(sink) => panic!("a file to write: {sink:?}"),
        Begin::Settled(outcome) => outcome,
    }
}

pub(super) fn mtime(path: &Path) -> Time {
    let seen = fs::symlink_metadata(path).unwrap();
    Time { secs: seen.mtime(), nanos: seen.mtime_nsec() as u32 }
}

pub(super) fn mode(path: &Path) -> u32 {
    fs::symlink_metadata(path).unwrap().mode() & 0o7777
}

pub(super) fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

pub(super) fn link_to(target: &Path, at: PathBuf) {
    symlink(target, at).unwrap();
}

pub(super) const MTIME: Time = Time { secs: 1_600_000_000, nanos: 123_456_789 };
