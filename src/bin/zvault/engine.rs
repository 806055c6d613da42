//! A stand-in for the library while it is being written. Goes away with the merge.
#![allow(dead_code, missing_docs, unreachable_pub)]

pub use zvault::{Trouble, watch};

#[derive(Debug)]
pub struct Error(pub String);
impl std::fmt::Display for Error { fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result { f.write_str(&self.0) } }
impl std::error::Error for Error {}
impl Error {
    pub fn trouble(&self) -> Trouble { Trouble::Failed }
    pub fn hints(&self) -> Vec<String> { Vec::new() }
}

pub mod state {
    use super::Error;
    use std::{ffi::OsString, path::{Path, PathBuf}};
    pub struct Home;
    impl Home { pub fn open(_: &Path) -> Result<Self, Error> { Ok(Home) } }
    pub fn home_path(env: &dyn Fn(&str) -> Option<OsString>) -> Option<PathBuf> { env("HOME").map(|h| PathBuf::from(h).join(".local/state/zvault")) }
    pub fn cache_path(env: &dyn Fn(&str) -> Option<OsString>) -> Option<PathBuf> { env("HOME").map(|h| PathBuf::from(h).join(".cache/zvault")) }
}

pub mod vault {
    use super::{Error, log::*, state::Home};
    use std::path::Path;
    use vault_format::{Suite, ids::*};
    use zvault::keys::{Passphrase, Words};
    pub struct InitOptions<'a> { pub url: &'a str, pub home: &'a Home, pub passphrase: Passphrase, pub words: bool, pub device_name: String, pub low_memory: bool }
    pub struct Initialised { pub vault: Vault, pub words: Option<Words> }
    pub struct OpenOptions<'a> { pub url: Option<&'a str>, pub vault_id: Option<VaultId>, pub home: &'a Home, pub cache_dir: Option<&'a Path>, pub device_name: String, pub enroll: bool, pub unlock: &'a mut dyn Unlock }
    pub trait Unlock { fn unlock(&mut self, vault_url: &str) -> Result<UnlockSecret, Error>; }
    pub enum UnlockSecret { Passphrase(Passphrase), Words(Words) }
    pub struct Vault;
    impl Vault {
        pub fn init(_: InitOptions<'_>) -> Result<Initialised, Error> { Err(Error("not yet".into())) }
        pub fn open(o: OpenOptions<'_>) -> Result<Vault, Error> { o.unlock.unlock("x")?; Err(Error("not yet".into())) }
        pub fn id(&self) -> VaultId { VaultId([0; 32]) }
        pub fn url(&self) -> &str { "" }
        pub fn device_id(&self) -> Option<DeviceId> { None }
        pub fn device_name(&self) -> &str { "" }
        pub fn suite(&self) -> Suite { Suite::Default }
        pub fn enrolled_now(&self) -> bool { false }
        pub fn notes(&self) -> &[String] { &[] }
        pub fn snapshots(&self) -> Vec<SnapshotInfo> { Vec::new() }
        pub fn resolve(&self, _: &str) -> Result<SnapshotRef, Error> { Err(Error("not yet".into())) }
    }
}

pub mod log {
    use vault_format::{Time, ids::*, log::*};
    pub struct SnapshotInfo { pub id: Identity, pub device: DeviceId, pub device_name: String, pub seq: u64, pub time: Time, pub snapshot: Snapshot }
    impl SnapshotInfo {
        pub fn short(&self) -> String { format!("{:.8}", self.id) }
        pub fn partial(&self) -> bool { self.snapshot.sources.iter().any(|s| s.outcome != Outcome::Complete) }
    }
    pub struct SnapshotRef { pub info: SnapshotInfo, pub path: Option<Vec<u8>> }
}

pub mod push {
    use super::{Error, vault::Vault, watch::Watch};
    use std::{ffi::OsString, path::PathBuf, time::Duration};
    use vault_format::{Time, ids::*};
    #[derive(Clone, Debug, Default)]
    pub struct PushOptions {
        pub paths: Vec<PathBuf>, pub stream: Option<StreamOptions>, pub tags: Vec<String>, pub time: Option<Time>, pub host: String, pub user: String,
        pub compression: Compression, pub excludes: Vec<String>, pub iexcludes: Vec<String>, pub exclude_files: Vec<PathBuf>, pub exclude_larger_than: Option<u64>,
        pub exclude_caches: bool, pub one_file_system: bool, pub force: bool, pub dry_run: bool, pub sqlite: SqliteMode, pub protected: Vec<PathBuf>, pub workers: Option<usize>,
    }
    #[derive(Clone, Debug)]
    pub enum StreamOptions { Stdin { filename: PathBuf }, Command { argv: Vec<OsString>, filename: PathBuf } }
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub enum Compression { #[default] Auto, Off, Level(i32) }
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub enum SqliteMode { #[default] Auto, Off }
    #[derive(Clone, Debug, Default)]
    pub struct PushReport {
        pub snapshot: Option<Identity>, pub files_new: u64, pub files_changed: u64, pub files_unmodified: u64, pub dirs_new: u64, pub dirs_changed: u64, pub dirs_unmodified: u64,
        pub others: u64, pub databases: u64, pub data_chunks: u64, pub tree_chunks: u64, pub data_added: u64, pub data_added_packed: u64, pub total_files_processed: u64,
        pub total_bytes_processed: u64, pub problems: u64, pub resumed_packs: u64, pub partial: bool, pub duration: Duration,
    }
    pub fn push(_: &mut Vault, _: &PushOptions, _: &Watch<'_>) -> Result<PushReport, Error> { Err(Error("not yet".into())) }
}

pub mod target { 
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub enum Overwrite { Always, #[default] IfChanged, IfNewer, Never } 
}

pub mod restore {
    use super::{Error, log::SnapshotRef, target::Overwrite, vault::Vault, watch::Watch};
    use std::{path::PathBuf, time::Duration};
    pub struct RestoreOptions { pub snapshot: SnapshotRef, pub target: PathBuf, pub overwrite: Overwrite, pub include: Vec<String>, pub exclude: Vec<String>, pub delete: bool, pub dry_run: bool, pub verify: bool, pub sparse: bool, pub owners: bool }
    #[derive(Default)]
    pub struct RestoreReport { pub files_restored: u64, pub files_skipped: u64, pub files_deleted: u64, pub dirs: u64, pub others: u64, pub bytes_restored: u64, pub bytes_skipped: u64, pub problems: u64, pub warnings: u64, pub duration: Duration }
    pub fn restore(_: &Vault, _: &RestoreOptions, _: &Watch<'_>) -> Result<RestoreReport, Error> { Err(Error("not yet".into())) }
}

pub mod ls {
    use super::{Error, log::SnapshotRef, vault::Vault};
    use vault_format::Entry;
    pub struct LsEntry<'a> { pub source_label: &'a [u8], pub full_path: Vec<u8>, pub entry: &'a Entry, pub user: Option<String>, pub group: Option<String> }
    pub fn entries(_: &Vault, _: &SnapshotRef, _: bool, _: &mut dyn FnMut(&LsEntry<'_>) -> Result<(), Error>) -> Result<(), Error> { Err(Error("not yet".into())) }
}

pub mod check {
    use super::{Error, vault::Vault, watch::Watch};
    #[derive(Clone, Copy, Debug, Default, PartialEq)]
    pub enum ReadData { #[default] No, All, Subset(Subset) }
    #[derive(Clone, Copy, Debug, PartialEq)]
    pub enum Subset { Nth { n: u64, t: u64 }, Percent(f64), Bytes(u64) }
    #[derive(Default)]
    pub struct CheckOptions { pub read_data: ReadData }
    pub struct Damage { pub object: String, pub reason: String, pub files: Vec<(String, Vec<u8>)>, pub more_files: u64 }
    #[derive(Default)]
    pub struct CheckReport { pub objects: u64, pub packs: u64, pub packs_read: u64, pub bytes_read: u64, pub snapshots: u64, pub entries: u64, pub junk: Vec<String>, pub leftovers: u64, pub damaged: Vec<Damage> }
    impl CheckReport { pub fn ok(&self) -> bool { self.damaged.is_empty() } }
    #[derive(Default)]
    pub struct KeylessReport { pub objects: u64, pub bytes_read: u64, pub junk: Vec<String>, pub damaged: Vec<Damage> }
    impl KeylessReport { pub fn ok(&self) -> bool { self.damaged.is_empty() } }
    pub fn check(_: &Vault, _: &CheckOptions, _: &Watch<'_>) -> Result<CheckReport, Error> { Err(Error("not yet".into())) }
    pub fn keyless(_: &str, _: &Watch<'_>) -> Result<KeylessReport, Error> { Err(Error("not yet".into())) }
}
pub const FORMAT_MAJOR: u32 = 1;
