//! A stand-in for the parts of the library that are being written. Goes away with the merge.
#![allow(dead_code, missing_docs, unreachable_pub)]
pub use zvault::{Trouble, log, push, state, target, vault, watch};

#[derive(Debug)]
pub struct Error(pub String);
impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}
impl std::error::Error for Error {}
impl Error {
    pub fn trouble(&self) -> Trouble {
        Trouble::Failed
    }
    pub fn hints(&self) -> Vec<String> {
        Vec::new()
    }
}
pub mod restore {
    use super::{Error, log::SnapshotRef, target::Overwrite, vault::Vault, watch::Watch};
    use std::{path::PathBuf, time::Duration};
    pub struct RestoreOptions {
        pub snapshot: SnapshotRef,
        pub target: PathBuf,
        pub overwrite: Overwrite,
        pub include: Vec<String>,
        pub exclude: Vec<String>,
        pub delete: bool,
        pub dry_run: bool,
        pub verify: bool,
        pub sparse: bool,
        pub owners: bool,
    }
    #[derive(Default)]
    pub struct RestoreReport {
        pub files_restored: u64,
        pub files_skipped: u64,
        pub files_deleted: u64,
        pub dirs: u64,
        pub others: u64,
        pub bytes_restored: u64,
        pub bytes_skipped: u64,
        pub problems: u64,
        pub warnings: u64,
        pub duration: Duration,
    }
    pub fn restore(_: &Vault, _: &RestoreOptions, _: &Watch<'_>) -> Result<RestoreReport, Error> {
        Err(Error("not yet".into()))
    }
}

pub mod ls {
    use super::{Error, log::SnapshotRef, vault::Vault};
    use vault_format::Entry;
    pub struct LsEntry<'a> {
        pub source_label: &'a [u8],
        pub full_path: Vec<u8>,
        pub entry: &'a Entry,
        pub user: Option<String>,
        pub group: Option<String>,
    }
    pub fn entries(
        _: &Vault,
        _: &SnapshotRef,
        _: bool,
        _: &mut dyn FnMut(&LsEntry<'_>) -> Result<(), Error>,
    ) -> Result<(), Error> {
        Err(Error("not yet".into()))
    }
}

pub mod check {
    use super::{Error, vault::Vault, watch::Watch};
    #[derive(Clone, Copy, Debug, Default, PartialEq)]
    pub enum ReadData {
        #[default]
        No,
        All,
        Subset(Subset),
    }
    #[derive(Clone, Copy, Debug, PartialEq)]
    pub enum Subset {
        Nth { n: u64, t: u64 },
        Percent(f64),
        Bytes(u64),
    }
    #[derive(Default)]
    pub struct CheckOptions {
        pub read_data: ReadData,
    }
    pub struct Damage {
        pub object: String,
        pub reason: String,
        pub files: Vec<(String, Vec<u8>)>,
        pub more_files: u64,
    }
    #[derive(Default)]
    pub struct CheckReport {
        pub objects: u64,
        pub packs: u64,
        pub packs_read: u64,
        pub bytes_read: u64,
        pub snapshots: u64,
        pub entries: u64,
        pub junk: Vec<String>,
        pub leftovers: u64,
        pub damaged: Vec<Damage>,
    }
    impl CheckReport {
        pub fn ok(&self) -> bool {
            self.damaged.is_empty()
        }
    }
    #[derive(Default)]
    pub struct KeylessReport {
        pub objects: u64,
        pub bytes_read: u64,
        pub junk: Vec<String>,
        pub damaged: Vec<Damage>,
    }
    impl KeylessReport {
        pub fn ok(&self) -> bool {
            self.damaged.is_empty()
        }
    }
    pub fn check(_: &Vault, _: &CheckOptions, _: &Watch<'_>) -> Result<CheckReport, Error> {
        Err(Error("not yet".into()))
    }
    pub fn keyless(_: &str, _: &Watch<'_>) -> Result<KeylessReport, Error> {
        Err(Error("not yet".into()))
    }
}
pub const FORMAT_MAJOR: u32 = 1;
