//! A revocation that this machine has seen, and a store that shows it no longer.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use crypto_backends::rustcrypto::{lower_kdf_floors_for_tests, provider};
use object_store::ObjectStore;
use object_store::memory::InMemory;
use vault_format::name::{ObjectName, logs_prefix};
use vault_format::roster::{Capabilities, Op, Record, RecordObject};
use vault_format::{DeviceId, Identity};

use super::records::Records;
use super::{InitOptions, OpenOptions, UnlockSecret, Vault, VaultError};
use crate::Trouble;
use crate::keys::{DeviceKeys, Passphrase};
use crate::pairing::{JoinRequest, SponsorHost, Sponsoring};
use crate::recovery::Sheet;
use crate::roster::{Roster, sign};
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

/// Of records that an old key has written there may be more than a machine keeps: those that count come first.
#[test]
fn void_records_do_not_take_the_place_of_those_that_count() {
    let comes_late = |world: &World| world.record.hash().0[0] >= 0x80;
    let world = std::iter::repeat_with(World::new).find(comes_late).expect("half of them do");
    let other = world.home("other");
    let keys = other.device(other.vaults().expect("listed")[0]).expect("read").keys;
    let vault = world.open("home", false).expect("opens");
    // Beside the revocation, and before it in the order of names: large ones, and then smaller ones for what room these leave.
    let parents: Vec<_> = vault.roster().records().filter(|(.., record, _)| record.n == 1).map(|(id, ..)| id).collect();
    for (ops, hashes) in [(1024, 0..0x40), (64, 0x40..0x60), (1, 0x60..0x80)] {
        let void = |k: u32| {
            let (key, mut value) = ("x".repeat(64), vec![7; 850]);
            value[..4].copy_from_slice(&k.to_le_bytes());
            let ops = vec![Op::Setting { key, value }; ops];
            sign(provider(), &keys, &Record { n: 2, parents: parents.clone(), ops, ..empty() }).expect("signed")
        };
        for signed in (0..).map(void).filter(|signed| hashes.contains(&signed.name.hash().0[0])).take(20) {
            world.store().put(&signed.name, signed.bytes.into()).expect("put");
        }
    }
    drop(vault);
    let vault = world.open("home", false).expect("opens");
    assert_eq!(vault.roster().void.len(), 60);
    drop(vault);
    world.hide();
    world.is_revoked_in(&world.open("home", true).expect("opens"));
    // Another machine, to which all of it is new.
    world.show();
    drop(world.open("third", false).expect("enrolled"));
    world.hide();
    let third = world.open("third", true).expect("opens");
    world.is_revoked_in(&third);
}

/// Whoever may pair makes heads as it likes, and grinds their identities.
#[test]
fn ground_heads_keep_nobody_from_telling_what_an_admin_wrote() {
    let world = World::new();
    let attacker = world.open("attacker", false).expect("enrolled");
    drop(world.open("honest", false).expect("enrolled"));
    let vault = world.open("home", false).expect("opens");
    let (parents, n) = vault.roster().next_place(vault.device_id());
    let signed = |keys: &DeviceKeys, op, nanos| {
        let time = vault_format::Time { nanos, ..crate::now() };
        let record = Record { n, parents: parents.clone(), ops: vec![op], time, ..empty() };
        let signed = sign(provider(), keys, &record).expect("signed");
        (identity(&signed.bytes), signed)
    };
    let set = |nanos| signed(vault.device_keys(), Op::Setting { key: "a".into(), value: vec![1] }, nanos);
    let (admins, record) = (0..).map(set).find(|(identity, _)| identity.0[0] >= 0xc0).expect("one");
    let add = |nanos| {
        let DeviceKeys { id, verify_key, kem_key, .. } = DeviceKeys::generate(provider(), vault.id()).expect("keys");
        let add = Op::Add { id, verify_key, kem_key, capabilities: Capabilities::READ, slot: None, handshake: None };
        signed(attacker.device_keys(), add, nanos)
    };
    let ground = (0..).map(add).filter(|(identity, _)| *identity < admins).take(20);
    for (_, record) in ground.chain([(admins, record)]) {
        world.store().put(&record.name, record.bytes.into()).expect("put");
    }
    // No admin's device runs meanwhile, which would merge them.
    let mut vault = world.open("honest", false).expect("opens");
    assert_eq!((vault.roster().heads.len(), vault.roster().heads[20]), (21, admins));
    let sheet = Sheet::of(&vault);
    assert!(sheet.heads.contains(&admins) && sheet.text().parse::<Sheet>().is_ok());
    let id = attacker.device_id();
    let request = JoinRequest {
        device: id,
        name: "new".into(),
        fingerprint: String::new(),
        capabilities: Capabilities::READ,
        by_words: false,
    };
    let (configured, credentials) = (Vec::new(), Vec::new());
    let mut sponsor = Sponsoring { vault: &mut vault, configured, name: None, credentials, confirm: &mut |_| true };
    let gift = sponsor.gift(&request).map_err(|error| error.to_string()).expect("a gift");
    assert!(gift.roster_heads.contains(&admins) && gift.roster_heads.len() <= vault_format::limits::RECORD_PARENTS);
}

/// Two runs on one machine: the one that has listed first writes last.
#[test]
fn a_slower_run_takes_back_nothing_that_was_seen() {
    let world = World::new();
    let open = || world.open("home", false).expect("opens");
    let slow = open();
    let before = world.home("home").pins(slow.id()).expect("read");
    let other = world.open("new", false).expect("enrolled");
    let entry = other.append_progress_for_tests().expect("written");
    drop(open());
    let pins = || world.home("home").pins(slow.id()).expect("read");
    let newest = |pins: &crate::state::Pins| {
        let mut ends = pins.logs.get(&other.device_id()).into_iter().flatten();
        (other.roster.heads.iter().all(|head| pins.roster_heads.contains(head)), ends.any(|end| end.identity == entry))
    };
    assert!(!newest(&before).0 && newest(&pins()) == (true, true));
    for _ in 0..2 {
        slow.pin().expect("written");
        assert_eq!(newest(&pins()), (true, true));
    }
    // What it has kept of the roster has all of it, too.
    let kept = Records::unpack(world.home("home").roster_cache(slow.id()).expect("kept").expose());
    let built = Roster::build(provider(), kept.all(), Some(slow.id())).expect("a roster");
    assert_eq!(built.heads, other.roster.heads);
    // Who comes next knows how they follow each other.
    drop(open());
    assert_eq!((&pins().roster_heads, pins().logs.len()), (&other.roster.heads, 1));
    drop(slow);
    let logs = world.store().list(&logs_prefix()).expect("listed").objects;
    assert_eq!(logs.len(), 1);
    world.store().delete(&logs[0].name).expect("hidden");
    assert!(world.open("home", false).is_err_and(|error| error.trouble() == Trouble::Integrity));
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

fn identity(stored: &[u8]) -> Identity {
    let signed = RecordObject::parse(stored).expect("a record").signed_len;
    Identity(provider().hash.hash(&[&stored[..signed]]))
}

/// A record that says nothing.
fn empty() -> Record {
    let (time, parents, ops, boxes) = (crate::now(), Vec::new(), Vec::new(), Vec::new());
    Record { genesis: None, time, n: 0, parents, ops, epoch: None, boxes, private: None }
}

const URL: &str = "memory://revoked";
