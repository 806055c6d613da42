//! Vaults of suite `0x02` beside those of `0x01`: the same machine, the same places.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use crypto_backends::rustcrypto::lower_kdf_floors_for_tests;
use object_store::ObjectStore;
use object_store::memory::InMemory;
use vault_format::name::prefix;
use vault_format::roster::Capabilities;
use vault_format::{ObjectName, Suite};

use super::{InitOptions, OpenOptions, Purpose, UnlockSecret, Vault, VaultError};
use crate::check::{CheckOptions, ReadData, check};
use crate::keys::{Passphrase, PassphraseError, Words};
use crate::push::{PushOptions, push};
use crate::restore::{RestoreOptions, restore};
use crate::roster::{EnrollOptions, enroll};
use crate::state::{DeviceState, Home};
use crate::store::Store;
use crate::watch::Watch;

struct World {
    folder: tempfile::TempDir,
    objects: Arc<dyn ObjectStore>,
}

impl World {
    fn new() -> Self {
        lower_kdf_floors_for_tests();
        let world = Self { folder: tempfile::tempdir().expect("a folder"), objects: Arc::new(InMemory::new()) };
        fs::create_dir(world.at("source")).expect("made");
        fs::write(world.at("source/letter"), [7; 30_000]).expect("written");
        world
    }

    fn at(&self, path: &str) -> PathBuf {
        self.folder.path().join(path)
    }

    fn home(&self, name: &str) -> Arc<Home> {
        Arc::new(Home::open(&self.at(name)).expect("a home"))
    }

    fn store(&self) -> Store {
        Store::from_object_store(Arc::clone(&self.objects), URL).expect("a store")
    }

    fn init(&self, home: &str, suite: Suite, typed: &str) -> Result<(Vault, Words), VaultError> {
        let home = self.home(home);
        let options = InitOptions { words: true, suite, ..InitOptions::new(URL, &home, "one", passphrase(typed)) };
        Vault::init_on(self.store(), URL.into(), options).map(|made| (made.vault, made.words.expect("words")))
    }

    /// Opens the vault as the device in this home, which becomes one by the secret if it is none.
    fn open(&self, home: &str, purpose: Purpose, secret: &dyn Fn() -> UnlockSecret) -> Result<Vault, VaultError> {
        let home = self.home(home);
        let state = home.vaults().expect("listed").first().map(|id| home.device(*id).expect("read"));
        let mut unlock = |_: &str| Ok(secret());
        let mut options = OpenOptions::new(URL, &home, "another", &mut unlock);
        options.purpose = purpose;
        Vault::open_on(self.store(), URL.into(), state, options)
    }

    fn push(&self, vault: &mut Vault) {
        let options = PushOptions { paths: vec![self.at("source")], host: "host".into(), ..PushOptions::default() };
        push(vault, &options, &Watch::new()).expect("pushed");
    }

    /// Reads all of it, and restores the newest snapshot.
    fn prove(&self, home: &str, snapshot: &str) {
        let vault = self.open(home, Purpose::Check, &NOT_NEEDED).expect("opens by its keys");
        let report = check(&vault, &CheckOptions { read_data: ReadData::All }, &Watch::new()).expect("checks");
        assert!(report.ok(), "{home}: {:?}", report.damaged);
        drop(vault);
        let vault = self.open(home, Purpose::Read, &NOT_NEEDED).expect("opens by its keys");
        let target = self.at(&format!("target of {home}"));
        let snapshot = vault.resolve(snapshot).expect("a snapshot");
        restore(&vault, &RestoreOptions::new(snapshot, target.clone()), &Watch::new()).expect("restored");
        let restored = target.join(self.at("source/letter").strip_prefix("/").expect("absolute"));
        assert_eq!(fs::read(restored).expect("restored"), [7; 30_000], "{home}");
    }

    /// All objects, and the suites that their headers name.
    fn objects(&self) -> Vec<(ObjectName, Vec<u8>)> {
        let store = self.store();
        let names = store.list(&prefix()).expect("listed").objects.into_iter().map(|object| object.name);
        names.map(|name| (name, store.get_unverified(&name).expect("read").to_vec())).collect()
    }
}

#[test]
fn a_vault_of_suite_2_is_opened_by_keys_passphrase_and_words() {
    let world = World::new();
    let refused = world.init("home", Suite::Fips, SHORT).err().expect("13 bytes are too few");
    assert!(matches!(refused, VaultError::Passphrase(PassphraseError::TooShort { least: 14 })), "{refused}");
    let (mut vault, words) = world.init("home", Suite::Fips, LONG).expect("a vault");
    world.push(&mut vault);
    drop(vault);
    let objects = world.objects();
    assert!(objects.len() > 4 && objects.iter().all(|(_, bytes)| bytes[5] == 2));

    let mut vault = world.open("home", Purpose::Push, &NOT_NEEDED).expect("opens by its keys");
    fs::write(world.at("source/more"), [8; 5000]).expect("written");
    world.push(&mut vault);
    drop(vault);
    let by_passphrase = || UnlockSecret::Passphrase(passphrase(LONG));
    drop(world.open("by passphrase", Purpose::Read, &by_passphrase).expect("opens"));
    let by_words = || UnlockSecret::Words(Words::from_entropy(&words.entropy()).expect("a backend"));
    drop(world.open("by words", Purpose::Read, &by_words).expect("opens"));
    for home in ["home", "by passphrase", "by words"] {
        world.prove(home, "latest");
    }
    for wrong in [SHORT, "correct horse batterY"] {
        let error = world.open("stranger", Purpose::Read, &|| UnlockSecret::Passphrase(passphrase(wrong))).err();
        assert!(error.expect("it is another").is_wrong_secret(), "{wrong}");
    }
}

/// Its packs are sealed to the epoch: the KEM of the suite, mode 2.
#[test]
fn a_push_only_device_of_suite_2() {
    let world = World::new();
    let (vault, _) = world.init("home", Suite::Fips, LONG).expect("a vault");
    let keys = vault.reader_keys("add devices").expect("a reader");
    let options = EnrollOptions { name: "server", capabilities: Capabilities::PUSH, time: crate::now() };
    let provider = vault.provider();
    let enrolled = enroll(provider, &vault.roster, keys, &vault.device, &options).expect("a record");
    vault.store.put(&enrolled.record.name, enrolled.record.bytes.into()).expect("stored");
    let state = DeviceState { keys: enrolled.device, url: URL.into(), name: "server".into() };
    world.home("server").set_device(provider, &state).expect("written");
    drop(vault);

    let mut server = world.open("server", Purpose::Push, &NOT_NEEDED).expect("opens by its keys");
    let device = server.device_id();
    world.push(&mut server);
    drop(server);
    let sealed: Vec<_> = world.objects().into_iter().filter(|(_, bytes)| bytes[7] == 2).collect();
    assert!(!sealed.is_empty() && sealed.iter().all(|(name, _)| name.device() == Some(device)));
    // The only snapshot there is; "latest" is of this device first.
    let vault = world.open("home", Purpose::Read, &NOT_NEEDED).expect("opens by its keys");
    let id = vault.snapshots()[0].short();
    drop(vault);
    world.prove("home", &id);
}

#[test]
fn nothing_is_made_where_a_vault_of_the_other_suite_is() {
    for (there, new) in [(Suite::Default, Suite::Fips), (Suite::Fips, Suite::Default)] {
        let world = World::new();
        let (vault, _) = world.init("home", there, LONG).expect("a vault");
        let refused = world.init("another", new, LONG).err().expect("there is one");
        assert!(matches!(refused, VaultError::Exists { found, .. } if found == vault.id()), "{refused}");
    }
}

/// Whoever writes to the store can put the whole of another vault beside ours.
#[test]
fn a_vault_of_the_other_suite_in_the_same_place_hides_ours_from_nobody() {
    for (ours, theirs) in [(Suite::Default, Suite::Fips), (Suite::Fips, Suite::Default)] {
        let (world, attacker) = (World::new(), World::new());
        let (mut vault, words) = world.init("home", ours, LONG).expect("a vault");
        world.push(&mut vault);
        let id = vault.id();
        drop(vault);
        let (mut foreign, _) = attacker.init("home", theirs, "the attacker's own").expect("a vault");
        attacker.push(&mut foreign);
        drop(foreign);
        for (name, bytes) in attacker.objects() {
            world.store().put(&name, bytes.into()).expect("planted");
        }
        let by_passphrase = || UnlockSecret::Passphrase(passphrase(LONG));
        let by_words = || UnlockSecret::Words(Words::from_entropy(&words.entropy()).expect("a backend"));
        assert_eq!(world.open("by passphrase", Purpose::Read, &by_passphrase).expect("opens").id(), id);
        assert_eq!(world.open("by words", Purpose::Read, &by_words).expect("opens").id(), id);
        assert_eq!(world.open("home", Purpose::Read, &NOT_NEEDED).expect("opens").id(), id);
    }
}

fn passphrase(typed: &str) -> Passphrase {
    Passphrase::new(typed).expect("a passphrase")
}

const NOT_NEEDED: fn() -> UnlockSecret = || panic!("a device was asked for a secret");
const LONG: &str = "correct horse battery";
const SHORT: &str = "correct horse";
const URL: &str = "memory://suites";
