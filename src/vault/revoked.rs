//! A revocation that this machine has seen, and a store that shows it no longer.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use crypto_backends::rustcrypto::{lower_kdf_floors_for_tests, provider};
use object_store::ObjectStore;
use object_store::memory::InMemory;
use vault_format::DeviceId;
use vault_format::name::ObjectName;
use vault_format::roster::{Op, Record};

use super::{InitOptions, OpenOptions, UnlockSecret, Vault, VaultError};
use crate::Trouble;
use crate::keys::Passphrase;
use crate::roster::sign;
use crate::state::Home;
use crate::store::Store;
use crate::store::faults::{Fault, Faults, Operation};

/// A vault in which this machine has seen that another device was revoked.
struct World {
    folder: tempfile::TempDir,
    faults: Faults,
    objects: Arc<dyn ObjectStore>,
    revoked: DeviceId,
    record: ObjectName,
    bytes: Vec<u8>,
}

impl World {
    fn new() -> Self {
        lower_kdf_floors_for_tests();
        let folder = tempfile::tempdir().expect("a folder");
        let record = ObjectName::Roster { n: 0, hash: vault_format::ObjectHash([0; 32]) };
        let faults = Faults::new();
        let objects = faults.wrap(Arc::new(InMemory::new()));
        let mut world = Self { folder, faults, objects, revoked: DeviceId([0; 16]), record, bytes: Vec::new() };
        let home = world.home("home");
        let mut options = InitOptions::new(URL, &home, "one", Passphrase::new("correct horse").expect("a passphrase"));
        // Without words the passphrase is above the device that made the vault.
        options.words = true;
        Vault::init_on(world.store(), URL.into(), options).expect("a vault");
        world.revoked = world.open("other", false).expect("enrolled").device_id();
        let vault = world.open("home", false).expect("opens");
        let (parents, n) = vault.roster().next_place(vault.device_id());
        let ops = vec![Op::Revoke { id: world.revoked, last: None }];
        let record = Record {
            genesis: None,
            time: crate::now(),
            n,
            parents,
            ops,
            epoch: None,
            boxes: Vec::new(),
            private: None,
        };
        let record = sign(provider(), vault.device_keys(), &record).expect("signed");
        (world.record, world.bytes) = (record.name, record.bytes);
        world.show();
        world.is_revoked_in(&world.open("home", false).expect("opens"));
        world
    }

    fn home(&self, name: &str) -> Arc<Home> {
        Arc::new(Home::open(&self.folder.path().join(name)).expect("a home"))
    }

    fn store(&self) -> Store {
        Store::from_object_store(self.objects.clone(), URL).expect("a store")
    }

    fn show(&self) {
        self.store().put(&self.record, self.bytes.clone().into()).expect("stored");
    }

    fn hide(&self) {
        self.store().delete(&self.record).expect("deleted");
    }

    /// What this machine has kept of the roster.
    fn kept(&self) -> PathBuf {
        let home = self.home("home");
        let vault = home.vaults().expect("listed")[0];
        home.path().join("vaults").join(vault.to_string()).join("roster")
    }

    fn open(&self, home: &str, accept_loss: bool) -> Result<Vault, VaultError> {
        let home = self.home(home);
        let state = home.vaults().expect("listed").first().map(|id| home.device(*id).expect("read"));
        let mut unlock =
            |_: &str| Passphrase::new("correct horse").map(UnlockSecret::Passphrase).map_err(|error| error.to_string());
        let mut options = OpenOptions::new(URL, &home, "other", &mut unlock);
        options.accept_loss = accept_loss;
        Vault::open_on(self.store(), URL.into(), state, options)
    }

    fn is_revoked_in(&self, vault: &Vault) {
        let roster = vault.roster();
        assert!(!roster.devices[&self.revoked].is_member(), "{:?} {:?}", roster.ignored, roster.void);
    }
}

#[test]
fn a_revocation_that_was_seen_stays_one() {
    let world = World::new();
    let alarm = |accept_loss| {
        let error = world.open("home", accept_loss).err().expect("the store shows less than was seen");
        assert!(matches!(error, VaultError::RosterRolledBack { .. }), "{error:?}");
        assert_eq!(error.trouble(), Trouble::Integrity);
    };
    // With what this machine has kept, a store that may lag is read, and the device stays revoked.
    world.hide();
    alarm(false);
    world.is_revoked_in(&world.open("home", true).expect("opens"));
    // Without it nobody believes that store.
    let kept = fs::read(world.kept()).expect("kept");
    fs::remove_file(world.kept()).expect("removed");
    alarm(false);
    alarm(true);
    assert!(!world.kept().exists());
    // The same with what was kept before the revocation, and with something else in its place.
    for bytes in [&kept[..kept.len() - 1], b""] {
        fs::write(world.kept(), bytes).expect("written");
        alarm(true);
    }
    fs::remove_file(world.kept()).expect("removed");
    // Once the store shows it again, it is kept again.
    world.show();
    world.is_revoked_in(&world.open("home", false).expect("opens"));
    world.hide();
    world.is_revoked_in(&world.open("home", true).expect("opens"));
}

#[test]
fn noise_does_not_take_the_place_of_records() {
    let world = World::new();
    // Anybody who can write to the store can plant these, and they sort before the revocation.
    // Large ones, and small ones for what room these leave.
    for n in 0..440_u32 {
        let mut bytes = vec![n as u8; if n < 40 { vault_format::limits::RECORD_STORED } else { 3000 }];
        bytes[..4].copy_from_slice(&n.to_le_bytes());
        let hash = vault_format::ObjectHash(provider().hash.hash(&[&bytes]));
        world.store().put(&ObjectName::Roster { n: 0, hash }, bytes.into()).expect("put");
    }
    fs::remove_file(world.kept()).expect("removed");
    world.is_revoked_in(&world.open("home", false).expect("opens"));
    world.hide();
    world.is_revoked_in(&world.open("home", true).expect("opens"));
}

#[test]
fn a_listing_of_names_that_are_not_there() {
    let world = World::new();
    world.faults.always(Operation::List, Fault::FlipBit);
    for kept in [true, false] {
        if !kept {
            fs::remove_file(world.kept()).expect("removed");
        }
        let error = world.open("home", false).err().expect("no record is there");
        assert_eq!(error.trouble(), Trouble::Integrity, "{error:?}");
    }
    // Who was never here is not told to make a vault where there is what is left of one.
    let error = world.open("fresh", false).err().expect("no record is there");
    assert!(matches!(error, VaultError::NoBeginning { .. }), "{error:?}");
    world.faults.reset();
    world.is_revoked_in(&world.open("home", false).expect("opens"));
}

const URL: &str = "memory://revoked";
