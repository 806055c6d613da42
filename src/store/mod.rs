//! Where a vault's objects are: one contract for folders and object stores.
//!
//! This is the one part of the program that is async inside. The engine is plain synchronous code, so every method
//! here blocks; only [`Store::put_in_background`] does not. Nothing that a store says is trusted: whole objects are
//! checked against the hash in their name, ranges are checked by whoever opens the seal.

mod background;
mod cloud;
#[doc(hidden)]
pub mod contract;
mod error;
#[doc(hidden)]
pub mod faults;
mod folder;
mod gate;
#[cfg(test)]
mod network_tests;
mod options;
mod order;
mod places;
mod probe;
mod request;
mod retry;
#[cfg(test)]
mod scripted;
mod signed;
mod transport;
mod url;

pub use background::Upload;
pub use cloud::{CredentialError, KeptCredentials, settings_to_take, shared_credentials, shared_settings};
pub use error::{BoxError, StoreError};
pub use options::{OptionError, StoreOptions, known_settings, parse_rate};
pub use order::{FullPack, PackReceipt, Stored, StoredDelta, StoredPack};
pub(crate) use places::FirstNames;
pub use probe::{Conditional, Created, PROBE_PREFIX, Probe, StoreVerdict};
pub use retry::Patience;
pub(crate) use signed::PASSING;
pub use signed::{Access, SignError, SignedUrlError, SignedUrls};
pub use transport::tls::{TlsParameters, tls_parameters};
pub use transport::traffic::{Requests, Traffic};
pub use url::{Bucket, StoreUrl, UrlError};

use bytes::Bytes;
use folder::Folder;
use gate::Gate;
use object_store::{ObjectStore, local::LocalFileSystem, memory::InMemory};
use retry::{Health, Pace};
use std::collections::BTreeMap;
use std::future::Future;
use std::ops::Range;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;
use tokio::{runtime::Runtime, sync::Semaphore};
use transport::Transport;
use transport::traffic::{Counters, Kind};
use vault_format::ids::{DeviceId, ObjectHash};
use vault_format::name::{self, ObjectName, PackName};
use vault_format::pack::FooterSegment;

/// For tests of the program, which must not wait long: stores that are opened later give up on a connection where
/// nothing moves for so long.
#[doc(hidden)]
pub fn shorten_stalls_for_tests(stall: std::time::Duration) {
    transport::shorten_stalls(stall);
}

/// The objects of one vault. Clones are the same store.
#[derive(Clone)]
pub struct Store(Arc<Inner>);

/// Whether the place of a store must exist.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpenMode {
    /// It must: a folder that is missing is a disk that is not plugged in.
    Existing,
    /// It is made where it does not.
    Create,
}

/// An object in a listing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Listed {
    /// Its name.
    pub name: ObjectName,
    /// Stored bytes, as the store says.
    pub size: u64,
}

/// What is below a prefix.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listing {
    /// Objects, ascending by name, each once.
    pub objects: Vec<Listed>,
    /// Paths that are no names of objects: reported, never used.
    pub strange: Vec<String>,
    /// Temporary files of writes that were interrupted: may be deleted when nobody is writing.
    pub leftovers: Vec<String>,
}

impl Store {
    /// Opens the store at `url`. A bucket must exist; it is not asked for anything yet.
    pub fn open(url: &StoreUrl, options: &StoreOptions, mode: OpenMode) -> Result<Self, StoreError> {
        let label = url.to_string();
        options.check(url.kind()).map_err(|source| StoreError::Option { at: label.clone(), source })?;
        match url {
            StoreUrl::S3(_) | StoreUrl::Gcs(_) | StoreUrl::Azure(_) => {
                let runtime = runtime().map_err(|e| StoreError::Other { at: label.clone(), source: e.into() })?;
                let environment = cloud::Environment::of_process()
                    .with_kept(url, options)
                    .map_err(|source| StoreError::Credential { at: label.clone(), source })?;
                let opened = runtime.block_on(cloud::open(url, options, &environment, &label))?;
                let remote = Remote {
                    transport: opened.transport,
                    retry_max_time: options.retry_max_time.unwrap_or(RETRY_MAX_TIME),
                    parallel_requests: options.parallel_requests.unwrap_or(PARALLEL_REQUESTS),
                    credential: opened.credential,
                    signing: opened.signing,
                    pack_class: opened.pack_class,
                    conditional_create: opened.conditional_create,
                };
                Self::remote(opened.objects, label, remote, options.patience.clone())
            }
            StoreUrl::Folder(path) => {
                let failed = |source| StoreError::sort_io(label.clone(), source);
                let folder = Folder::open(path, mode == OpenMode::Create).map_err(|e| failed(e.into()))?;
                let objects = LocalFileSystem::new_with_prefix(folder.root()).map_err(|e| failed(e.into()))?;
                Self::new(Arc::new(objects.with_fsync(true)), label, Some(folder))
            }
            StoreUrl::Memory(name) => {
                let mut stores = MEMORY.lock().unwrap_or_else(PoisonError::into_inner);
                let objects = match stores.get(name) {
                    Some(objects) => objects.clone(),
                    None if mode == OpenMode::Existing => {
                        return Err(StoreError::NotFound { at: label });
                    }
                    None => stores.entry(name.clone()).or_default().clone(),
                };
                Self::new(objects, label, None)
            }
        }
    }

    /// A store of the caller's own, such as one that fails on demand. `label` is what errors call it.
    pub fn from_object_store(objects: Arc<dyn ObjectStore>, label: &str) -> Result<Self, StoreError> {
        Self::new(objects, label.to_owned(), None)
    }

    /// Which credential is used, in words and without a secret: "profile 'work' of /home/me/.aws". `None`: none is needed.
    pub fn credential(&self) -> Option<&str> {
        self.0.remote.as_ref().map(|remote| remote.credential.as_str())
    }

    /// What errors call this store: its URL, without secrets.
    pub fn label(&self) -> &str {
        &self.0.label
    }

    /// Stores an object of a kind whose order no type carries: entries, records, shards, mail, and packs that are
    /// copied. An object that is there already with the same bytes is as good as stored.
    pub fn put(&self, name: &ObjectName, bytes: Bytes) -> Result<Stored<ObjectName>, StoreError> {
        let size = bytes.len() as u64;
        self.run(self.0.put(name, bytes))?;
        Ok(Stored::new(*name, size))
    }

    /// Stores a pack.
    pub fn put_pack(&self, pack: FullPack) -> Result<StoredPack, StoreError> {
        self.run(self.0.put_pack(pack))
    }

    /// A pack of which a listing shows that it is stored, and whose own footer says what it holds: found again after an
    /// interrupted push.
    pub fn confirm_pack(
        &self,
        name: PackName,
        size: u64,
        segments: Vec<FooterSegment>,
    ) -> Result<StoredPack, StoreError> {
        match self.head(&ObjectName::Pack(name))? {
            Some(shown) if shown == size => Ok(StoredPack::new(name, size, segments)),
            _ => Err(self.0.damaged(&ObjectName::Pack(name), "it has another size than before")),
        }
    }

    /// Takes back the empty folders that opening the store has made: nothing came of what it was opened for, and it is not
    /// to be used again.
    pub fn unmake(&self) {
        if let Some(folder) = &self.0.folder {
            folder.unmake();
        }
    }

    /// Names beside the vault's prefix in a store that is to belong to one vault; a few are enough.
    pub fn strangers(&self) -> Result<Vec<String>, StoreError> {
        if self.0.remote.is_some() {
            return self.run(self.0.strangers());
        }
        let Some(folder) = self.folder() else { return Ok(Vec::new()) };
        let failed = |error: std::io::Error| StoreError::sort_io(self.label().to_owned(), error.into());
        let mut strangers = Vec::new();
        for entry in std::fs::read_dir(folder).map_err(failed)?.take(64) {
            let name = entry.map_err(failed)?.file_name();
            // A file system of its own comes with this folder.
            if name != name::prefix().trim_end_matches('/') && name != PROBE_PREFIX && name != "lost+found" {
                strangers.push(name.to_string_lossy().into_owned());
            }
        }
        Ok(strangers)
    }

    /// Whether requests go over a network.
    pub fn is_remote(&self) -> bool {
        self.0.remote.is_some()
    }

    /// What was asked of the store so far, by this and all its clones. A folder's requests are operations on it.
    pub fn traffic(&self) -> Traffic {
        self.0.counters.read()
    }

    /// Calls `tell` with a line for people when requests fail for longer than a moment and are tried again.
    pub fn on_retry(&self, tell: impl Fn(&str) + Send + Sync + 'static) {
        self.0.health.patience().on_retry(tell);
    }

    /// Whether whoever waits has ended it: nothing is tried again.
    pub(crate) fn is_given_up(&self) -> bool {
        self.0.health.patience().is_over()
    }

    /// The folder that this store is, if it is one.
    pub fn folder(&self) -> Option<&std::path::Path> {
        self.0.folder.as_ref().map(Folder::root)
    }

    /// Starts to store a pack, and waits only while [`UPLOADS`] others are under way.
    pub fn put_in_background(&self, pack: FullPack) -> Upload {
        Upload::start(self.0.clone(), pack)
    }

    /// Stores the sealed bytes of an index delta of `device`, which names exactly these packs.
    pub fn put_delta(
        &self,
        device: DeviceId,
        hash: ObjectHash,
        bytes: Bytes,
        packs: &[PackReceipt],
    ) -> Result<StoredDelta, StoreError> {
        let name = ObjectName::Delta { device, hash };
        if packs.is_empty() || packs.iter().any(|pack| pack.name().device != device) {
            return Err(StoreError::OutOfOrder { at: self.0.at(&name) });
        }
        let size = bytes.len() as u64;
        self.run(self.0.put(&name, bytes))?;
        Ok(StoredDelta::new(device, hash, size))
    }

    /// Puts the right bytes back under a name whose object is damaged: the one permitted overwrite (SPEC section 2).
    /// `bytes` must hash to the name.
    pub fn heal(&self, name: &ObjectName, bytes: Bytes, hash: HashFn<'_>) -> Result<(), StoreError> {
        if hash(&bytes) != name.hash().0 {
            return Err(self.0.damaged(name, "the bytes to heal it with do not have its hash"));
        }
        self.run(self.0.overwrite(name, bytes))
    }

    /// Puts an object whose name says nothing of its bytes, over whatever is there: mail by signed URLs (SPEC section 18.5).
    pub(crate) fn put_over(&self, name: &ObjectName, bytes: Bytes) -> Result<(), StoreError> {
        self.run(self.0.overwrite(name, bytes))
    }

    /// A whole object, checked against its name by the hash of the vault's suite.
    pub fn get(&self, name: &ObjectName, hash: HashFn<'_>) -> Result<Bytes, StoreError> {
        let mut bytes = self.get_unverified(name)?;
        if hash(&bytes) != name.hash().0 && self.0.remote.is_some() {
            // Spoilt on the way, perhaps: of a flipped bit in a reply nobody else takes notice.
            bytes = self.get_unverified(name)?;
        }
        if hash(&bytes) != name.hash().0 {
            return Err(self.0.damaged(name, "its bytes do not have the hash in its name"));
        }
        Ok(bytes)
    }

    /// A whole object as the store gave it: for records of a vault whose suite is not known yet.
    pub fn get_unverified(&self, name: &ObjectName) -> Result<Bytes, StoreError> {
        self.run(self.0.get(name))
    }

    /// Exactly these bytes of an object, unverified.
    pub fn get_range(&self, name: &ObjectName, range: Range<u64>) -> Result<Bytes, StoreError> {
        if range.is_empty() {
            return Ok(Bytes::new());
        }
        self.run(self.0.get_range(name, range))
    }

    /// `len` bytes from `offset`, unverified, of an object of `object_size` bytes. Fetches whole aligned windows of
    /// 1 MiB, so that request sizes tell nothing of chunks (SPEC section 6).
    pub fn get_windows(&self, name: &ObjectName, offset: u64, len: u64, object_size: u64) -> Result<Bytes, StoreError> {
        let end = offset.checked_add(len).filter(|end| *end <= object_size);
        let end = end.ok_or_else(|| self.0.damaged(name, "it is shorter than what is said to be in it"))?;
        let windows = offset - offset % WINDOW..end.next_multiple_of(WINDOW).min(object_size);
        let start = (offset - windows.start) as usize;
        let bytes = self.get_range(name, windows)?;
        Ok(bytes.slice(start..start + len as usize))
    }

    /// Everything below a prefix, such as [`name::roster_prefix`]. A store that cannot list is an error and never empty.
    pub fn list(&self, prefix: &str) -> Result<Listing, StoreError> {
        self.list_from(prefix, None)
    }

    /// The entries of a device's log from `from_seq` on, siblings with that number included.
    pub fn list_log(&self, device: DeviceId, from_seq: u64) -> Result<Listing, StoreError> {
        let prefix = name::log_prefix(device);
        let offset = (from_seq > 0).then(|| format!("{prefix}/{from_seq:016x}"));
        let mut listing = self.list_from(&prefix, offset)?;
        // Stores disagree on whether the offset itself is included, and some have none at all.
        listing.objects.retain(|o| matches!(o.name, ObjectName::Log { seq, .. } if seq >= from_seq));
        Ok(listing)
    }

    /// The devices that have a log, ascending: one request, however long the logs are.
    pub fn list_devices_with_logs(&self) -> Result<Vec<DeviceId>, StoreError> {
        let prefix = name::logs_prefix();
        let folders = match &self.0.folder {
            Some(folder) => self.0.local(Kind::List, &prefix, || folder.folders(&prefix))?,
            None => self.run(self.0.folders(&prefix))?,
        };
        let mut devices: Vec<DeviceId> = folders.iter().filter_map(|folder| folder.parse().ok()).collect();
        devices.sort_unstable();
        devices.dedup();
        Ok(devices)
    }

    /// Stored bytes of an object, `None` if it is not there.
    pub fn head(&self, name: &ObjectName) -> Result<Option<u64>, StoreError> {
        match self.run(self.0.head(name)) {
            Err(StoreError::NotFound { .. }) => Ok(None),
            result => result.map(Some),
        }
    }

    /// Whether an object is there.
    pub fn exists(&self, name: &ObjectName) -> Result<bool, StoreError> {
        Ok(self.head(name)?.is_some())
    }

    /// Deletes an object. One that is not there is deleted.
    pub fn delete(&self, name: &ObjectName) -> Result<(), StoreError> {
        match self.run(self.0.delete(name)) {
            Err(StoreError::NotFound { .. }) => Ok(()),
            result => result,
        }
    }

    /// A store on the other end of a network.
    fn remote(
        objects: Arc<dyn ObjectStore>,
        label: String,
        remote: Remote,
        patience: Patience,
    ) -> Result<Self, StoreError> {
        let pace = Pace::for_time(remote.retry_max_time);
        Self::build(objects, label, None, Some(remote), pace, patience)
    }

    /// A store that is here: what fails, fails.
    fn new(objects: Arc<dyn ObjectStore>, label: String, folder: Option<Folder>) -> Result<Self, StoreError> {
        Self::build(objects, label, folder, None, Pace::for_time(Duration::ZERO), Patience::default())
    }

    fn build(
        objects: Arc<dyn ObjectStore>,
        label: String,
        folder: Option<Folder>,
        remote: Option<Remote>,
        pace: Pace,
        patience: Patience,
    ) -> Result<Self, StoreError> {
        let runtime = runtime().map_err(|e| StoreError::Other { at: label.clone(), source: e.into() })?;
        let most = remote.as_ref().map(|remote| remote.parallel_requests.max(1));
        // Packs are large: fewer at a time than requests fill a link, and memory.
        let uploads = most.map_or(UPLOADS, |most| most.div_ceil(2).max(UPLOADS));
        let creates = AtomicBool::new(remote.as_ref().is_none_or(|remote| remote.conditional_create));
        Ok(Self(Arc::new(Inner {
            objects,
            folder,
            runtime,
            uploads: Arc::new(Semaphore::new(uploads)),
            gate: most.map(Gate::new),
            health: Health::new(label.clone(), pace, patience),
            counters: remote.as_ref().map(|remote| remote.transport.counters()).unwrap_or_default(),
            remote,
            label,
            creates,
        })))
    }

    fn run<T>(&self, future: impl Future<Output = T>) -> T {
        self.0.runtime.block_on(future)
    }

    fn list_from(&self, prefix: &str, offset: Option<String>) -> Result<Listing, StoreError> {
        let mut listing = match &self.0.folder {
            Some(folder) => self.0.local(Kind::List, prefix, || folder.list(prefix))?,
            None => self.run(self.0.list(prefix, offset))?,
        };
        listing.objects.sort_unstable();
        listing.objects.dedup_by_key(|object| object.name);
        listing.strange.sort_unstable();
        listing.leftovers.sort_unstable();
        Ok(listing)
    }
}

/// The hash of the vault's suite.
pub type HashFn<'a> = &'a dyn Fn(&[u8]) -> [u8; 32];

struct Inner {
    objects: Arc<dyn ObjectStore>,
    folder: Option<Folder>,
    remote: Option<Remote>,
    label: String,
    runtime: &'static Runtime,
    uploads: Arc<Semaphore>,
    /// Where requests wait for their turn; not needed for a disk.
    gate: Option<Gate>,
    health: Health,
    /// Those of the transport, where there is one.
    counters: Arc<Counters>,
    /// Whether writes that refuse to overwrite work here: a second line only, names are unique anyway.
    creates: AtomicBool,
}

/// What a store on the other end of a network has, and a folder has not.
struct Remote {
    transport: Transport,
    /// How long a request is repeated; zero: not at all.
    retry_max_time: Duration,
    /// Requests at one time, at most.
    parallel_requests: usize,
    /// Which credential is used, in words.
    credential: String,
    /// Makes signed URLs, where that credential can.
    signing: Option<signed::Signing>,
    /// The storage class of data packs, if it is not the default of the bucket.
    pack_class: Option<String>,
    /// Whether the store is asked to refuse overwriting.
    conditional_create: bool,
}

/// One for the process, made when the first store is opened.
fn runtime() -> std::io::Result<&'static Runtime> {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    if let Some(runtime) = RUNTIME.get() {
        return Ok(runtime);
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .max_blocking_threads(8)
        .thread_name("zvault-store")
        .enable_all()
        .build()?;
    Ok(RUNTIME.get_or_init(|| runtime))
}

/// The memory stores of the process, by name.
static MEMORY: Mutex<BTreeMap<String, Arc<InMemory>>> = Mutex::new(BTreeMap::new());

/// Bytes that a read of a part fetches, and their alignment.
pub const WINDOW: u64 = 1 << 20;

/// How long a request is repeated.
pub(crate) const RETRY_MAX_TIME: Duration = Duration::from_secs(300);

/// Requests at one time.
const PARALLEL_REQUESTS: usize = 8;

/// Packs on their way to a store at one time.
pub const UPLOADS: usize = 2;

#[cfg(test)]
mod tests {
    use super::faults::{Fault, Faults, Operation};
    use super::request::refuses_create;
    use super::transport::reply::Reply;
    use super::*;
    use object_store::Error as LibraryError;
    use std::os::unix::fs::{PermissionsExt, symlink};
    use std::sync::atomic::Ordering::Relaxed;
    use std::{fs, time::Instant};
    use vault_format::name::PackName;

    /// Stands for the suite's hash.
    fn hash(bytes: &[u8]) -> [u8; 32] {
        let mut state = [0xcbf2_9ce4_8422_2325_u64, 1, 2, 3];
        for (n, byte) in bytes.iter().enumerate() {
            state[n % 4] = (state[n % 4] ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
        let mut out = [0; 32];
        for (out, state) in out.chunks_exact_mut(8).zip(state) {
            out.copy_from_slice(&state.to_le_bytes());
        }
        out
    }

    fn record(n: u32, content: &[u8]) -> (ObjectName, Bytes) {
        (ObjectName::Roster { n, hash: ObjectHash(hash(content)) }, Bytes::copy_from_slice(content))
    }

    fn folder() -> (tempfile::TempDir, Store) {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let url = StoreUrl::Folder(dir.path().join("vault"));
        let store = Store::open(&url, &StoreOptions::default(), OpenMode::Create).expect("open");
        (dir, store)
    }

    fn faulty() -> (Faults, Store) {
        let faults = Faults::new();
        let objects = faults.wrap(Arc::new(InMemory::new()));
        (faults, Store::from_object_store(objects, "faulty").expect("open"))
    }

    #[test]
    fn every_kind_of_store_keeps_the_contract() {
        let (dir, store) = folder();
        contract::run(&store, &hash);
        let plain = Arc::new(LocalFileSystem::new_with_prefix(dir.path()).expect("folder"));
        contract::run(&Store::from_object_store(plain, "library listing").expect("open"), &hash);
        let memory = StoreUrl::parse("memory://contract").expect("url");
        contract::run(&Store::open(&memory, &StoreOptions::default(), OpenMode::Create).expect("open"), &hash);
        contract::run(&faulty().1, &hash);
    }

    #[test]
    fn memory_stores_are_found_by_name_and_made_on_request() {
        let url = StoreUrl::parse("memory://by-name").expect("url");
        assert!(matches!(
            Store::open(&url, &StoreOptions::default(), OpenMode::Existing),
            Err(StoreError::NotFound { .. })
        ));
        let (name, bytes) = record(1, b"x");
        Store::open(&url, &StoreOptions::default(), OpenMode::Create).expect("open").put(&name, bytes).expect("put");
        assert!(
            Store::open(&url, &StoreOptions::default(), OpenMode::Existing)
                .expect("open")
                .exists(&name)
                .expect("exists")
        );
    }

    #[test]
    fn a_folder_is_private_and_must_exist() {
        let (dir, _store) = folder();
        let mode = |path: &str| fs::metadata(dir.path().join(path)).expect(path).permissions().mode() & 0o777;
        assert_eq!([mode("vault"), mode("vault/zv1")], [0o700, 0o700]);
        let missing = StoreUrl::Folder(dir.path().join("typo"));
        assert!(matches!(
            Store::open(&missing, &StoreOptions::default(), OpenMode::Existing),
            Err(StoreError::NotFound { .. })
        ));
        assert!(!dir.path().join("typo").exists());
        let file = dir.path().join("file");
        fs::write(&file, "x").expect("write");
        assert!(Store::open(&StoreUrl::Folder(file), &StoreOptions::default(), OpenMode::Existing).is_err());
    }

    #[test]
    fn junk_in_a_folder_is_told_apart_and_harmless() {
        use std::os::unix::ffi::OsStrExt;
        let (dir, store) = folder();
        let (name, bytes) = record(1, b"x");
        store.put(&name, bytes).expect("put");
        let zv1 = dir.path().join("vault/zv1");
        let path = dir.path().join("vault").join(name.to_path());
        fs::write(format!("{}#1", path.display()), "half").expect("write");
        fs::write(format!("{}#x", path.display()), "").expect("write");
        fs::write(zv1.join("r/.DS_Store"), "").expect("write");
        fs::write(zv1.join(std::ffi::OsStr::from_bytes(b"r/\xff")), "").expect("write");
        fs::create_dir_all(zv1.join("r/a/b/c/d")).expect("mkdir");
        fs::create_dir_all(zv1.join("l/not a device")).expect("mkdir");
        symlink("nowhere", zv1.join("broken")).expect("symlink");
        symlink("..", zv1.join("loop")).expect("symlink");
        let listing = store.list(&name::prefix()).expect("junk is never fatal");
        assert_eq!(listing.objects.len(), 1);
        assert_eq!(listing.leftovers, [format!("{}#1", name.to_path())]);
        for strange in ["zv1/broken", "zv1/r/.DS_Store", "zv1/r/\u{fffd}"] {
            assert!(listing.strange.iter().any(|s| s == strange), "{strange} in {:?}", listing.strange);
        }
        assert_eq!(store.list_devices_with_logs().expect("list"), []);
    }

    #[test]
    fn a_folder_that_is_gone_or_another_is_not_an_empty_store() {
        let (dir, store) = folder();
        let (name, bytes) = record(1, b"x");
        store.put(&name, bytes).expect("put");
        fs::rename(dir.path().join("vault"), dir.path().join("unplugged")).expect("rename");
        let gone = |what| {
            assert!(matches!(store.list(&name::prefix()), Err(StoreError::Unreachable { .. })), "{what}");
            assert!(matches!(store.list_devices_with_logs(), Err(StoreError::Unreachable { .. })), "{what}");
            assert!(matches!(store.get(&name, &hash), Err(StoreError::Unreachable { .. })), "{what}");
            assert!(matches!(store.exists(&name), Err(StoreError::Unreachable { .. })), "{what}");
        };
        gone("no folder");
        fs::create_dir(dir.path().join("vault")).expect("mkdir");
        gone("another folder");
    }

    #[test]
    fn what_the_file_system_refuses_has_a_name() {
        if rustix::process::geteuid().is_root() {
            return; // Nothing is refused to root; `sort_io` has tests of its own.
        }
        let (dir, store) = folder();
        fs::set_permissions(dir.path().join("vault/zv1"), fs::Permissions::from_mode(0o500)).expect("chmod");
        let (name, bytes) = record(1, b"x");
        assert!(matches!(store.put(&name, bytes), Err(StoreError::PermissionDenied { .. })));
        fs::set_permissions(dir.path().join("vault/zv1"), fs::Permissions::from_mode(0o700)).expect("chmod");
    }

    #[test]
    fn lost_replies_are_looked_into_and_failures_are_not_success() {
        let (faults, store) = faulty();
        let (name, bytes) = record(1, b"x");
        faults.at(Operation::Put, 1, Fault::LoseReply);
        store.put(&name, bytes.clone()).expect("it was stored");
        store.put(&name, bytes).expect("and stays so");
        faults.reset();
        let (name, bytes) = record(2, b"y");
        faults.always(Operation::Put, Fault::Fail);
        assert!(store.put(&name, bytes.clone()).expect_err("not stored").is_transient());
        faults.always(Operation::Put, Fault::NoSpace);
        assert!(matches!(store.put(&name, bytes.clone()), Err(StoreError::NoSpace { .. })));
        faults.always(Operation::Put, Fault::Truncate);
        store.put(&name, bytes.clone()).expect("the store lies");
        assert!(matches!(store.put(&name, bytes), Err(StoreError::Damaged { .. })), "and is found out");
    }

    #[test]
    fn reads_notice_damage_and_lists_never_shrink_in_silence() {
        let (faults, store) = faulty();
        let (name, bytes) = record(1, b"content");
        store.put(&name, bytes).expect("put");
        for fault in [Fault::FlipBit, Fault::Truncate] {
            faults.always(Operation::Get, fault);
            assert!(matches!(store.get(&name, &hash), Err(StoreError::Damaged { .. })), "{fault:?}");
        }
        assert!(matches!(store.get_range(&name, 0..4), Err(StoreError::Damaged { .. })), "short range");
        for fault in [Fault::Fail, Fault::Truncate, Fault::LoseReply, Fault::NoSpace] {
            faults.always(Operation::List, fault);
            assert!(store.list(&name::prefix()).is_err(), "{fault:?}");
            assert!(store.list_devices_with_logs().is_err(), "{fault:?}");
            assert!(store.list_log(DeviceId([0; 16]), 5).is_err(), "{fault:?}");
        }
        faults.reset();
        faults.freeze_lists();
        let (second, bytes) = record(2, b"later");
        store.put(&second, bytes).expect("put");
        assert!(store.exists(&second).expect("exists"));
        assert_eq!(store.list(&name::prefix()).expect("an old listing").objects.len(), 1);
        faults.at(Operation::Get, 2, Fault::KillAfter);
        assert!(store.exists(&name).is_err());
        assert!(store.list(&name::prefix()).is_err() && store.exists(&name).is_err(), "dead for good");
    }

    /// A store without conditional writes, such as a file system without hard links.
    #[test]
    fn stores_that_cannot_create_are_overwritten() {
        let (dir, store) = folder();
        store.0.creates.store(false, Relaxed);
        let (name, bytes) = record(1, b"x");
        store.put(&name, bytes.clone()).expect("put");
        store.put(&name, bytes).expect("put");
        assert!(dir.path().join("vault").join(name.to_path()).exists());
        let error = |raw| LibraryError::Generic { store: "", source: std::io::Error::from_raw_os_error(raw).into() };
        let none = Reply::default();
        assert!(refuses_create(&error(1), &none), "EPERM of link() on FAT");
        assert!(!refuses_create(&error(13), &none), "EACCES is about the folder");
        assert!(refuses_create(&LibraryError::NotImplemented { operation: "".into(), implementer: "".into() }, &none));
    }

    #[test]
    fn background_uploads_are_bounded_and_report_failures() {
        let (faults, store) = faulty();
        faults.at(Operation::Put, 2, Fault::Fail);
        let device = DeviceId([1; 16]);
        let uploads: Vec<_> = (0..8u8)
            .map(|n| {
                let bytes = Bytes::from(vec![n; 1000]);
                let name = PackName { tree: false, device, hash: ObjectHash(hash(&bytes)) };
                let upload = store.put_in_background(FullPack { name, bytes, segments: Vec::new() });
                assert!(store.0.uploads.available_permits() <= UPLOADS);
                upload
            })
            .collect();
        let failed = uploads.into_iter().map(Upload::wait).filter(Result::is_err).count();
        assert_eq!(failed, 1);
        assert_eq!(store.list(&name::prefix()).expect("list").objects.len(), 7);
    }

    #[test]
    #[ignore = "measures"]
    #[allow(clippy::print_stderr)]
    fn speed_of_a_folder() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let url = StoreUrl::Folder(dir.path().join("vault"));
        for round in 0..5u32 {
            let (name, bytes) = record(round, &[7; 4096]);
            let start = Instant::now();
            let store = Store::open(&url, &StoreOptions::default(), OpenMode::Create).expect("open");
            let opened = start.elapsed();
            store.list(&name::prefix()).expect("list");
            let listed = start.elapsed();
            store.put(&name, bytes).expect("put");
            eprintln!("open {opened:?}, + list {listed:?}, + put {:?}", start.elapsed());
        }
        let store = Store::open(&url, &StoreOptions::default(), OpenMode::Existing).expect("open");
        for n in 0..4u8 {
            let bytes = Bytes::from(vec![n; 16 << 20]);
            let name = PackName { tree: false, device: DeviceId([1; 16]), hash: ObjectHash([n; 32]) };
            let start = Instant::now();
            store.put_pack(FullPack { name, bytes, segments: Vec::new() }).expect("put");
            eprintln!("pack {:?}", start.elapsed());
        }
    }
}
