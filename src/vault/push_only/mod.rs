//! Tests of devices that may only push: what they do, what readers make of it, and what an attacker has who has one.

mod attacks;
mod changes;
mod compromised;
mod endless;
mod flow;
mod planted;
mod policy;
mod stores;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use crypto_backends::rustcrypto::{self, lower_kdf_floors_for_tests};
use object_store::ObjectStore;
use object_store::memory::InMemory;
use vault_format::roster::Capabilities;
use vault_format::{DeviceId, ObjectName};

use super::access::Access;
use super::{InitOptions, OpenOptions, Purpose, UnlockSecret, Vault, VaultError};
use crate::keys::Passphrase;
use crate::log::SnapshotInfo;
use crate::push::{PushError, PushOptions, PushReport, push};
use crate::restore::{RestoreOptions, RestoreReport, restore};
use crate::roster::{EnrollOptions, enroll};
use crate::state::{DeviceState, Home};
use crate::store::Store;
use crate::store::faults::Faults;
use crate::watch::{Event, Watch};
use policy::{Policy, PolicyStore};

/// A vault of a reader, who made it, and push-only devices; each with a home, a cache and a source of its own.
struct World {
    folder: tempfile::TempDir,
    objects: Arc<InMemory>,
    faults: Faults,
}

impl World {
    fn new() -> Self {
        lower_kdf_floors_for_tests();
        let folder = tempfile::tempdir().expect("a folder");
        let world = Self { folder, objects: Arc::new(InMemory::new()), faults: Faults::new() };
        let home = world.home(READER);
        let options = InitOptions::new(URL, &home, READER, Passphrase::new("correct horse").expect("a passphrase"));
        Vault::init_on(world.store(), URL.into(), options).expect("a vault");
        world.enroll(PUSHER);
        world
    }

    /// Makes a push-only device, as pairing does.
    fn enroll(&self, name: &str) -> DeviceId {
        let vault = self.open(READER);
        let keys = vault.reader_keys("add devices").expect("a reader");
        let options = EnrollOptions { name, capabilities: Capabilities::PUSH, time: crate::now() };
        let enrolled = enroll(rustcrypto::provider(), &vault.roster, keys, &vault.device, &options).expect("a record");
        vault.store.put(&enrolled.record.name, Bytes::from(enrolled.record.bytes)).expect("stored");
        let id = enrolled.device.id;
        let state = DeviceState { keys: enrolled.device, url: URL.into(), name: name.into() };
        self.home(name).set_device(rustcrypto::provider(), &state).expect("written");
        id
    }

    fn home(&self, name: &str) -> Arc<Home> {
        Arc::new(Home::open(&self.home_path(name)).expect("a home"))
    }

    fn home_path(&self, name: &str) -> PathBuf {
        self.folder.path().join(format!("home of {name}"))
    }

    /// Where a device remembers files.
    fn files_folder(&self, name: &str) -> PathBuf {
        let home = self.home(name);
        home.path().join("vaults").join(home.vaults().expect("listed")[0].to_string()).join("files")
    }

    fn cache(&self, name: &str) -> PathBuf {
        self.folder.path().join(format!("cache of {name}"))
    }

    fn source(&self, name: &str) -> PathBuf {
        self.folder.path().join(format!("source of {name}"))
    }

    fn write(&self, name: &str, file: &str, bytes: &[u8]) {
        let path = self.source(name).join(file);
        fs::create_dir_all(path.parent().expect("a folder")).expect("made");
        fs::write(path, bytes).expect("written");
    }

    /// The store as anybody has it who may do everything.
    fn store(&self) -> Store {
        Store::from_object_store(self.faults.wrap(self.objects.clone()), URL).expect("a store")
    }

    /// The store as this device may use it by the strictest policy.
    fn confined(&self, name: &str) -> (Store, Policy) {
        let home = self.home(name);
        let id = home.vaults().expect("listed")[0];
        let own = home.device(id).expect("read").keys.id;
        let reader = self.home(READER);
        let collector = reader.device(reader.vaults().expect("listed")[0]).expect("read").keys.id;
        // Those of passphrase and words may collect as well.
        let vault = self.open(READER);
        let policy = Policy::push_only(own, vault.collectors().into_iter().chain([collector]));
        let inner: Arc<dyn ObjectStore> = self.faults.wrap(self.objects.clone());
        let store = Arc::new(PolicyStore::new(inner, policy.clone()));
        (Store::from_object_store(store, URL).expect("a store"), policy)
    }

    fn open(&self, name: &str) -> Vault {
        self.try_open(name, self.store(), Purpose::Read).expect("opens")
    }

    fn try_open(&self, name: &str, store: Store, purpose: Purpose) -> Result<Vault, VaultError> {
        let home = self.home(name);
        let state = home.vaults().expect("listed").first().map(|id| home.device(*id).expect("read"));
        let mut unlock = unlock;
        let cache = self.cache(name);
        let mut options = OpenOptions::new(URL, &home, name, &mut unlock);
        (options.cache, options.purpose) = (Some(&*cache), purpose);
        Vault::open_on(store, URL.into(), state, options)
    }

    /// Puts an object into the store that the program itself refuses to store.
    fn put_past_limits(&self, name: &ObjectName, bytes: Vec<u8>) {
        let path = object_store::path::Path::from(name.to_path());
        let put = object_store::ObjectStoreExt::put(&*self.objects, &path, bytes.into());
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        runtime.block_on(put).expect("put");
    }

    /// Opens as this device, confined by its policy, and pushes its source.
    fn push(&self, name: &str) -> PushReport {
        self.try_push(name).expect("pushes").0
    }

    fn try_push(&self, name: &str) -> Result<(PushReport, Vec<String>), PushError> {
        let (store, policy) = self.confined(name);
        let vault = self.try_open(name, store, Purpose::Push);
        let result = push_source(&mut vault.map_err(PushError::from)?, &self.source(name));
        assert_eq!(policy.refused(), [""; 0], "a push-only device asks for nothing else");
        result
    }

    /// Restores a snapshot as the reader, and compares it with the device's source.
    fn restores(&self, name: &str, id: vault_format::Identity) {
        let vault = self.open(READER);
        let (report, out) = self.restore_in(&vault, id);
        assert_eq!((report.problems, report.damaged), (0, 0));
        let source = self.source(name);
        assert!(same(&source, &out.join(source.strip_prefix("/").expect("absolute"))));
    }

    fn restore_in(&self, vault: &Vault, id: vault_format::Identity) -> (RestoreReport, PathBuf) {
        let out = self.folder.path().join("out");
        let _ = fs::remove_dir_all(&out);
        let snapshot = vault.resolve(&info_of(vault, id).short()).expect("found");
        let report = restore(vault, &RestoreOptions::new(snapshot, out.clone()), &Watch::new());
        (report.expect("restores"), out)
    }
}

fn info_of(vault: &Vault, id: vault_format::Identity) -> SnapshotInfo {
    vault.snapshots().into_iter().find(|info| info.id == id).expect("the snapshot is there")
}

fn push_source(vault: &mut Vault, source: &Path) -> Result<(PushReport, Vec<String>), PushError> {
    let notes = Mutex::new(Vec::new());
    let on_event = |event: Event<'_>| {
        if let Event::Note(note) = event {
            notes.lock().expect("no panic").push(note.to_owned());
        }
    };
    let options = PushOptions { paths: vec![source.to_owned()], host: "host".into(), ..PushOptions::default() };
    let report = push(vault, &options, &Watch::with_events(&on_event))?;
    Ok((report, notes.into_inner().expect("no panic")))
}

fn unlock(_: &str) -> Result<UnlockSecret, String> {
    Passphrase::new("correct horse").map(UnlockSecret::Passphrase).map_err(|error| error.to_string())
}

/// Whether two folders hold the same files.
fn same(one: &Path, other: &Path) -> bool {
    let names = |folder: &Path| {
        let mut names: Vec<_> =
            fs::read_dir(folder).expect("listed").map(|entry| entry.expect("an entry").file_name()).collect();
        names.sort();
        names
    };
    names(one) == names(other)
        && names(one).iter().all(|name| {
            let (one, other) = (one.join(name), other.join(name));
            match one.is_dir() {
                true => same(&one, &other),
                false => fs::read(one).expect("read") == fs::read(other).expect("read"),
            }
        })
}

const URL: &str = "memory://push-only";
const READER: &str = "reader";
const PUSHER: &str = "pusher";
