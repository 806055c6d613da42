//! Attacks on logs, and accidents that look like some: named after what they do.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use crypto_backends::rustcrypto::{self, lower_kdf_floors_for_tests};
use object_store::ObjectStore;
use object_store::memory::InMemory;
use vault_format::header::HEADER_LEN;
use vault_format::history::HistoryFile;
use vault_format::log::{Body, EntryObject, Heads, Payload, entry_prefix};
use vault_format::roster::Capabilities;
use vault_format::{DeviceId, Domain, Header, Identity, Mode, ObjectHash, ObjectName, ObjectType};

use super::{InitOptions, OpenOptions, Purpose, UnlockSecret, Vault, VaultError};
use crate::Trouble;
use crate::history::History;
use crate::keys::{DeviceKeys, Passphrase};
use crate::log::Fault;
use crate::push::{PushOptions, PushReport, push};
use crate::roster::{EnrollOptions, enroll};
use crate::stage::testing::random_bytes;
use crate::stage::{dek, seal_object};
use crate::state::Home;
use crate::store::Store;
use crate::store::faults::Meter;
use crate::watch::Watch;

mod adopted;
mod checkpoints;
mod forks;
mod left_out;
mod revoked_past;
mod stores;
mod undecided;

/// A vault in memory, and homes of machines that know it.
struct World {
    folder: tempfile::TempDir,
    objects: Arc<dyn ObjectStore>,
    meter: Meter,
}

impl World {
    fn new() -> Self {
        lower_kdf_floors_for_tests();
        let meter = Meter::new(Duration::ZERO);
        let objects = meter.wrap(Arc::new(InMemory::new()));
        let world = Self { folder: tempfile::tempdir().expect("a folder"), objects, meter };
        fs::create_dir(world.source()).expect("made");
        let home = world.home("home");
        // With words, so that who joins by the passphrase is no admin.
        let options = InitOptions { words: true, ..InitOptions::new(URL, &home, "one", passphrase()) };
        Vault::init_on(world.store(), URL.into(), options).expect("a vault");
        world
    }

    fn source(&self) -> PathBuf {
        self.folder.path().join("source")
    }

    fn home(&self, name: &str) -> Arc<Home> {
        Arc::new(Home::open(&self.folder.path().join(name)).expect("a home"))
    }

    /// A second machine with all that the first one has.
    fn clone_home(&self, from: &str, to: &str) {
        copy(&self.folder.path().join(from), &self.folder.path().join(to));
    }

    fn store(&self) -> Store {
        Store::from_object_store(self.objects.clone(), URL).expect("a store")
    }

    fn try_open(&self, home: &str, change: impl FnOnce(&mut OpenOptions<'_>)) -> Result<Vault, VaultError> {
        let home = self.home(home);
        let state = home.vaults().expect("listed").first().map(|id| home.device(*id).expect("read"));
        let mut unlock = |_: &str| Ok(UnlockSecret::Passphrase(passphrase()));
        let mut options = OpenOptions::new(URL, &home, "another", &mut unlock);
        change(&mut options);
        Vault::open_on(self.store(), URL.into(), state, options)
    }

    fn open(&self, home: &str) -> Vault {
        self.try_open(home, |_| {}).expect("opens")
    }

    fn accept(&self, home: &str) -> Vault {
        self.try_open(home, |options| options.accept_rollback = true).expect("opens")
    }

    /// What the person is told who opens the vault, and how it ends.
    fn refused(&self, home: &str) -> String {
        let error = self.try_open(home, |_| {}).err().expect("refused");
        assert_eq!(error.trouble(), Trouble::Integrity, "{error}");
        assert!(error.hints().iter().any(|hint| hint.contains("--accept-rollback")), "{:?}", error.hints());
        crate::chain(&error)
    }

    fn push(&self, home: &str, seed: u64) -> PushReport {
        let mut vault = self.try_open(home, |options| options.purpose = Purpose::Push).expect("opens");
        fs::write(self.source().join(format!("file {seed}")), random_bytes(seed, 10_000)).expect("written");
        let options =
            PushOptions { paths: vec![self.source()], host: "host".into(), workers: Some(1), ..PushOptions::default() };
        push(&mut vault, &options, &Watch::new()).expect("pushed")
    }

    fn logs(&self) -> Vec<ObjectName> {
        let listing = self.store().list(&vault_format::name::logs_prefix()).expect("listed");
        listing.objects.into_iter().map(|object| object.name).collect()
    }

    fn bytes(&self, name: &ObjectName) -> Vec<u8> {
        self.store().get_unverified(name).expect("read").to_vec()
    }

    /// Takes objects away, and gives them to be put back.
    fn hide(&self, names: &[ObjectName]) -> Vec<(ObjectName, Vec<u8>)> {
        let hidden: Vec<_> = names.iter().map(|name| (*name, self.bytes(name))).collect();
        names.iter().for_each(|name| self.store().delete(name).expect("deleted"));
        hidden
    }

    fn show(&self, hidden: Vec<(ObjectName, Vec<u8>)>) {
        for (name, bytes) in hidden {
            self.store().put(&name, bytes.into()).expect("stored");
        }
    }

    /// A device whose keys are the attacker's.
    fn device(&self, capabilities: Capabilities) -> DeviceKeys {
        let vault = self.open("home");
        let options = EnrollOptions { name: "mallory", capabilities, time: crate::now() };
        let enrolled = enroll(
            rustcrypto::provider(),
            &vault.roster,
            vault.reader_keys("test").expect("a reader"),
            &vault.device,
            &options,
        );
        let enrolled = enrolled.expect("a device");
        vault.store.put(&enrolled.record.name, enrolled.record.bytes.into()).expect("stored");
        enrolled.device
    }

    /// An entry as its device signs it, whatever is in it.
    fn forge(&self, device: &DeviceKeys, seq: u64, prev: &[Identity], body: &[u8]) -> Forged {
        Self::forge_in(&self.open("home"), device, seq, prev, body)
    }

    fn forge_in(vault: &Vault, device: &DeviceKeys, seq: u64, prev: &[Identity], body: &[u8]) -> Forged {
        let is_push_only = vault.roster.devices[&device.id].capabilities.is_push_only();
        let domain = if is_push_only { device.id.into() } else { Domain::SHARED };
        Self::forge_of(vault, domain, device, seq, prev, body)
    }

    /// Of any domain, whatever its device may do.
    fn forge_of(
        vault: &Vault,
        domain: Domain,
        device: &DeviceKeys,
        seq: u64,
        prev: &[Identity],
        body: &[u8],
    ) -> Forged {
        let epoch = vault.reader_keys("test").expect("a reader").current_epoch().expect("an epoch");
        let pusher = epoch.pusher(device.id);
        let key = if domain.is_shared() { &epoch.log } else { &pusher.log };
        let header = Header {
            suite: vault.suite(),
            object_type: ObjectType::Entry,
            mode: Mode::Symmetric,
            vault: vault.id(),
            epoch: epoch.id,
            domain,
            writer: device.id,
            salt: [seq as u8; 32],
        };
        let prefix = entry_prefix(&header, seq, prev);
        let dek = dek(vault.provider, key, &prefix, &header.salt);
        let reserve = vault.provider.suite.signature_len();
        let mut bytes =
            seal_object(vault.provider, &header, &prefix[HEADER_LEN..], &dek, body, None, reserve).expect("sealed");
        let identity = Identity(vault.hash(&bytes));
        let signature = device.sign_stored(vault.provider, ObjectType::Entry, &bytes).expect("signed");
        bytes.extend_from_slice(&signature);
        Forged { device: device.id, seq, identity, bytes }
    }

    fn body(&self, change: impl FnOnce(&mut Body)) -> Vec<u8> {
        let vault = self.open("home");
        let mut body = Body {
            time: crate::now(),
            roster_heads: vault.roster.heads.clone(),
            other_heads: [].into(),
            seen: Heads::new(),
            deltas: Vec::new(),
            parts: [].into(),
            payload: Payload::Progress,
        };
        change(&mut body);
        body.encode().expect("a body")
    }

    fn put(&self, entry: &Forged) -> ObjectName {
        let hash = ObjectHash(rustcrypto::provider().hash.hash(&[&entry.bytes]));
        let name = ObjectName::Log { device: entry.device, seq: entry.seq, hash };
        self.store().put(&name, Bytes::from(entry.bytes.clone())).expect("stored");
        name
    }
}

struct Forged {
    device: DeviceId,
    seq: u64,
    identity: Identity,
    bytes: Vec<u8>,
}

fn passphrase() -> Passphrase {
    Passphrase::new("correct horse").expect("a passphrase")
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("made");
    for entry in fs::read_dir(from).expect("listed") {
        let path = entry.expect("read").path();
        let to = to.join(path.file_name().expect("a name"));
        if path.is_dir() {
            copy(&path, &to);
        } else {
            fs::copy(&path, &to).expect("copied");
        }
    }
}

fn warned(vault: &Vault, of: &str) -> bool {
    vault.warnings().iter().any(|warning| warning.contains(of))
}

#[test]
fn junk_with_max_seq() {
    let world = World::new();
    world.push("home", 1);
    let device = world.open("home").device_id();
    let noise = Forged { device, seq: u64::MAX, identity: Identity([0; 32]), bytes: random_bytes(7, 8192) };
    let stranger = Forged { device: DeviceId([9; 16]), ..world.forge(&world.device(Capabilities::PUSH), 1, &[], b"") };
    for junk in [&noise, &stranger] {
        world.put(junk);
    }
    // A name that its bytes do not fit.
    let name = ObjectName::Log { device, seq: 5, hash: ObjectHash([5; 32]) };
    world.store().put(&name, Bytes::from_static(b"nothing")).expect("stored");
    assert_eq!(world.open("home").log().junk().len(), 3);
    world.push("home", 2);
    assert_eq!(world.open("home").log().heads(device).len(), 1);
    assert_eq!(world.open("fresh").snapshots().len(), 2);

    // What is noise for ever is fetched once, what nobody of the vault wrote never, and what may be a bad answer is asked for
    // twice.
    world.meter.take();
    let vault = world.open("home");
    assert_eq!((vault.log().junk().len(), world.meter.take().gets), (3, 2));
}

/// Anybody can plant them, and nothing but the roster can make entries of them.
#[test]
fn entries_of_strangers_are_not_fetched() {
    let world = World::new();
    world.push("home", 1);
    // Is one itself as long as the roster does not show it.
    let second = world.open("second").device_id();
    let records = world.store().list(&vault_format::name::roster_prefix()).expect("listed").objects;
    let record = records.iter().map(|object| object.name).max_by_key(|name| match name {
        ObjectName::Roster { n, .. } => *n,
        _ => 0,
    });
    world.push("second", 2);
    let hidden = world.hide(&[record.expect("a record")]);
    let gets = |home: &str| {
        world.meter.take();
        let vault = world.open(home);
        (world.meter.take().gets, vault.log().junk().len(), vault.log().of(second).count())
    };
    assert_eq!(gets("home"), (0, 1, 0));
    for n in 0..50 {
        let (device, bytes) = (DeviceId([n; 16]), random_bytes(n.into(), 8192));
        world.put(&Forged { device, seq: 1 + u64::from(n), identity: Identity([0; 32]), bytes });
    }
    assert_eq!([gets("home"), gets("home")], [(0, 51, 0); 2]);
    let fresh = gets("fresh").0;
    assert!(fresh < 20, "{fresh} of them for the roster and one entry");
    // Once it is known who it is, what it wrote is read.
    world.show(hidden);
    let (gets, junk, entries) = gets("home");
    assert!(gets < 10 && (junk, entries) == (50, 1), "{gets} {junk} {entries}");
}

#[test]
fn ed25519_s_plus_l() {
    let world = World::new();
    world.push("home", 1);
    let name = world.logs()[0];
    let ObjectName::Log { device, seq, .. } = name else { panic!("an entry") };
    let mut bytes = world.bytes(&name);
    let at = bytes.len() - world.open("home").suite().signature_len() + 32;
    let mut carry = 0;
    for (byte, l) in bytes[at..at + 32].iter_mut().zip(L) {
        let sum = u16::from(*byte) + u16::from(l) + carry;
        (*byte, carry) = (sum as u8, sum >> 8);
    }
    world.put(&Forged { device, seq, identity: Identity([0; 32]), bytes });
    for home in ["home", "fresh"] {
        let vault = world.open(home);
        assert_eq!((vault.log().len(), vault.log().junk().len()), (1, 1), "{home}");
    }
}

#[test]
fn one_valid_signature_of_two_is_none() {
    let world = World::new();
    let mallory = world.device(Capabilities::ALL);
    let genuine = world.forge(&mallory, 1, &[], &world.body(|_| {}));
    let start = genuine.bytes.len() - world.open("home").suite().signature_len();
    for at in [start, start + 70] {
        let mut bytes = genuine.bytes.clone();
        bytes[at] ^= 1;
        world.put(&Forged { bytes, ..genuine });
    }
    let vault = world.open("home");
    assert_eq!((vault.log().len(), vault.log().junk().len()), (0, 2));
    world.put(&genuine);
    assert_eq!(world.open("home").log().len(), 1);
}

#[test]
fn resigned_same_entry_is_same() {
    let world = World::new();
    world.push("home", 1);
    let name = world.logs()[0];
    let ObjectName::Log { device, seq, .. } = name else { panic!("an entry") };
    let vault = world.open("home");
    let mut bytes = world.bytes(&name);
    bytes.truncate(bytes.len() - vault.suite().signature_len());
    let signature = vault.device_keys().sign_stored(vault.provider, ObjectType::Entry, &bytes).expect("signed");
    bytes.extend_from_slice(&signature);
    let again = world.put(&Forged { device, seq, identity: Identity([0; 32]), bytes });
    assert_ne!(again, name);
    for home in ["home", "fresh"] {
        let vault = world.open(home);
        assert_eq!((vault.log().len(), vault.log().junk().len(), vault.log().heads(device).len()), (1, 0, 1), "{home}");
    }
    // Either of them is as good as the other.
    world.hide(&[name]);
    world.push("home", 2);
    assert_eq!(world.open("fresh").snapshots().len(), 2);
}

#[test]
fn lying_heads() {
    let world = World::new();
    world.push("home", 1);
    let device = world.open("home").device_id();
    let lie = world.body(|body| body.other_heads = [(device, Identity([7; 32]))].into());
    // Of a push-only device it counts for nothing.
    let pusher = world.device(Capabilities::PUSH);
    world.put(&world.forge(&pusher, 1, &[], &lie));
    let vault = world.open("home");
    assert!(vault.log().hearsay().is_empty() && vault.warnings().is_empty(), "{:?}", vault.warnings());

    let reader = world.device(Capabilities::READ);
    world.put(&world.forge(&reader, 1, &[], &lie));
    for home in ["home", "fresh"] {
        let mut vault = world.open(home);
        assert_eq!(vault.log().hearsay().len(), 1);
        assert!(warned(&vault, "withholds it, or the device lies"), "{:?}", vault.warnings());
        let error = vault.remove_store([9; 16]).expect_err("refused");
        assert_eq!(error.trouble(), Trouble::Integrity, "{error}");
        drop(vault);
        world.push(home, 2);
    }
    // A person says that it is a lie, or lost: told to all, since an admin does.
    world.accept("home");
    for home in ["home", "fresh", "another"] {
        assert!(world.open(home).log().hearsay().is_empty(), "{home}");
    }
}

#[test]
fn equivocating_pusher_does_not_stop_others() {
    let world = World::new();
    world.push("home", 1);
    let pusher = world.device(Capabilities::PUSH);
    let body = |n| world.body(|body| body.time.secs += n);
    let one = world.forge(&pusher, 1, &[], &body(1));
    world.put(&one);
    world.put(&world.forge(&pusher, 1, &[], &body(2)));
    let vault = world.open("home");
    assert_eq!(vault.log().heads(pusher.id).len(), 2);
    assert!(vault.notes().iter().any(|note| note.contains("several ends")), "{:?}", vault.notes());
    // It names a predecessor that nobody has seen, a number that does not follow, and no entry at all.
    let next = world.forge(&pusher, 2, &[one.identity], &body(5));
    world.put(&next);
    for (n, forged) in [
        world.forge(&pusher, 9, &[Identity([8; 32])], &body(3)),
        world.forge(&pusher, 2, &[next.identity], &body(4)),
        world.forge(&pusher, 3, &[next.identity], b"no body"),
    ]
    .iter()
    .enumerate()
    {
        let name = world.put(forged);
        for home in ["home", "fresh"] {
            let vault = world.open(home);
            let expected = [None, Some(Fault::Number), Some(Fault::Unreadable)][n];
            assert_eq!(vault.log().suspicions()[&pusher.id].fault, expected, "{home}");
            assert!(warned(&vault, "is not believed"), "{:?}", vault.warnings());
            assert!(vault.log().get(&forged.identity).is_some());
            world.push(home, 10 + n as u64);
        }
        // Without this its device is as good as any: the next case stands alone.
        world.hide(&[name]);
        for home in ["home", "fresh"] {
            world.accept(home);
            assert!(world.open(home).log().suspicions().is_empty());
        }
    }
}

#[test]
fn a_gap_in_a_readers_log_stops_everybody() {
    let world = World::new();
    let reader = world.device(Capabilities::READ);
    let first = world.forge(&reader, 1, &[], &world.body(|_| {}));
    world.put(&world.forge(&reader, 2, &[first.identity], &world.body(|_| {})));
    for home in ["home", "fresh"] {
        let said = world.refused(home);
        assert!(said.contains("mallory") && said.contains("named by the entry after it"), "{said}");
    }
    world.put(&first);
    assert!(world.open("home").warnings().is_empty());
}

#[test]
fn who_sees_less_than_before_is_not_believed() {
    let world = World::new();
    world.push("home", 1);
    let vault = world.open("home");
    let device = vault.device_id();
    let early = vault.log().heads(device);
    world.push("home", 2);
    let late = world.open("home").log().heads(device);
    let reader = world.device(Capabilities::READ);
    let seen = |heads: &[Identity]| world.body(|body| body.seen = [(device, heads.to_vec())].into());
    let first = world.forge(&reader, 1, &[], &seen(&late));
    world.put(&first);
    assert!(world.open("home").log().suspicions().is_empty());
    let second = world.forge(&reader, 2, &[first.identity], &seen(&early));
    world.put(&second);
    let vault = world.open("home");
    assert_eq!(vault.log().suspicions()[&reader.id].fault, Some(Fault::Seen));
    assert!(vault.log().void(&[]).has(vault.log().get(&second.identity).expect("an entry")));

    // By an older roster than before: the first record, after the one that added it.
    let reader = world.device(Capabilities::READ);
    let first = world.forge(&reader, 1, &[], &world.body(|_| {}));
    world.put(&first);
    let first_record = world.store().list(&vault_format::name::roster_prefix()).expect("listed").objects[0].name;
    let stored = world.bytes(&first_record);
    let genesis = Identity(vault.hash(&stored[..stored.len() - vault.suite().signature_len()]));
    world.put(&world.forge(&reader, 2, &[first.identity], &world.body(|body| body.roster_heads = vec![genesis])));
    assert_eq!(world.open("home").log().suspicions()[&reader.id].fault, Some(Fault::Roster));
}

#[test]
fn vm_snapshot_restored_heals() {
    let world = World::new();
    world.push("home", 1);
    world.clone_home("home", "image");
    world.push("home", 2);
    // The machine is restored from its image, and goes on.
    let vault = world.open("image");
    assert!(warned(&vault, "restored from an older state"), "{:?}", vault.warnings());
    let device = vault.device_id();
    drop(vault);
    world.push("image", 3);
    let vault = world.open("image");
    assert!(vault.warnings().is_empty(), "{:?}", vault.warnings());
    assert_eq!((vault.log().heads(device).len(), vault.snapshots().len()), (1, 3));
    assert_eq!(world.open("fresh").snapshots().len(), 3);
}

#[test]
fn two_live_clones_both_push() {
    let world = World::new();
    world.push("home", 1);
    world.clone_home("home", "clone");
    for n in 0..3 {
        for (home, seed) in [("home", 10 + n), ("clone", 20 + n)] {
            if n > 0 || home == "clone" {
                let vault = world.open(home);
                assert!(warned(&vault, "another machine uses this device's identity"), "{home} {n}");
                // Told each time, as long as it has not pushed.
                world.push(home, seed);
                assert!(world.open(home).warnings().is_empty());
            } else {
                world.push(home, seed);
            }
        }
    }
    let vault = world.open("fresh");
    assert_eq!((vault.snapshots().len(), vault.log().suspicions().len()), (7, 0));
    // At the same moment: neither sees the other's entry, and the next one brings them together.
    let device = world.open("home").device_id();
    let before = world.logs();
    world.push("home", 30);
    let late: Vec<_> = world.logs().into_iter().filter(|name| !before.contains(name)).collect();
    let hidden = world.hide(&late);
    world.push("clone", 31);
    world.show(hidden);
    assert_eq!(world.open("home").log().heads(device).len(), 2);
    world.push("home", 32);
    let vault = world.open("fresh");
    assert_eq!((vault.log().heads(device).len(), vault.snapshots().len()), (1, 10));
}

#[test]
fn lost_own_entries_put_back() {
    let world = World::new();
    world.push("home", 1);
    world.push("home", 2);
    let before = world.logs();
    let vault = world.open("home");
    let id = vault.id();
    drop(vault);
    let lost = world.hide(&before[1..]);
    let said = world.refused("home");
    assert!(said.contains("one") && said.contains("seen by this device, last on"), "{said}");
    let vault = world.accept("home");
    assert!(warned(&vault, "were put back"), "{:?}", vault.warnings());
    assert!(vault.log().accepted().is_empty(), "nothing is lost");
    drop(vault);
    assert_eq!(world.logs(), before);
    assert_eq!((lost.len(), world.open("home").snapshots().len()), (before.len() - 1, 2));

    // Not if what they make count is lost as well: that is a loss, and is said to be one.
    let deltas = world.store().list(&vault_format::name::deltas_prefix()).expect("listed");
    deltas.objects.iter().for_each(|delta| world.store().delete(&delta.name).expect("deleted"));
    world.hide(&before[1..]);
    let vault = world.accept("home");
    assert!(!warned(&vault, "were put back"), "{:?}", vault.warnings());
    assert_eq!(vault.log().accepted().len(), before.len() - 1);
    assert_eq!(world.home("home").vaults().expect("listed"), [id]);
}

#[test]
fn seq_not_reused_after_accept() {
    let world = World::new();
    world.push("home", 1);
    world.clone_home("home", "before");
    world.push("home", 2);
    world.push("home", 3);
    let seq_of = |name: &ObjectName| match name {
        ObjectName::Log { seq, .. } => *seq,
        _ => panic!("no entry"),
    };
    let all = world.logs();
    let last = all.iter().map(seq_of).max().expect("some");
    // Everything of the last two pushes is gone, and so is what this device has kept of them.
    let lost = world.hide(&all[1..]);
    let home = world.home("home");
    let id = home.vaults().expect("listed")[0];
    home.set_own_entries(rustcrypto::provider(), id, &crypto_backends::SecretBytes::new(Vec::new())).expect("written");
    world.refused("home");
    let vault = world.accept("home");
    assert!(warned(&vault, "lost, which was accepted"), "{:?}", vault.warnings());
    drop(vault);
    let new: Vec<_> = world.logs().into_iter().filter(|name| !all.contains(name)).collect();
    assert_eq!(new.iter().map(seq_of).collect::<Vec<_>>(), [last + 1]);
    // Said once: here it is known, and everybody else can read it.
    world.push("home", 4);
    let vault = world.open("fresh");
    assert_eq!((vault.snapshots().len(), vault.log().accepted().len()), (2, 2));
    assert!(vault.warnings().is_empty(), "{:?}", vault.warnings());
    drop(vault);
    // The old image of the machine, which is an admin's own, takes it as said too.
    assert!(world.open("before").log().lost().is_empty());
    // They turn up again: nothing has their numbers.
    world.show(lost);
    let vault = world.open("fresh");
    let mut seqs: Vec<_> = vault.log().of(vault.log().devices().next().expect("one")).map(|entry| entry.seq).collect();
    seqs.dedup();
    assert_eq!((seqs.len(), vault.snapshots().len()), (vault.log().len(), 4));
    let device = world.open("home").device_id();
    assert_eq!(vault.log().heads(device).len(), 2);
    world.push("home", 5);
    assert_eq!(world.open("fresh").log().heads(device).len(), 1);
}

#[test]
fn what_an_admin_accepts_others_adopt() {
    let world = World::new();
    world.push("home", 1);
    world.push("second", 2);
    // Known to both.
    world.open("home");
    let second = world.open("second").device_id();
    let of_second = |name: &ObjectName| matches!(name, ObjectName::Log { device, .. } if *device == second);
    world.push("second", 3);
    world.open("home");
    let mine: Vec<_> = world.logs().into_iter().filter(of_second).collect();
    world.push("third", 4);
    world.hide(&mine[1..]);
    for home in ["home", "second", "third"] {
        world.refused(home);
    }
    // One that is no admin speaks for itself alone.
    world.accept("third");
    world.open("third");
    assert!(world.refused("home").contains("seen by this device"));
    world.accept("home");
    let vault = world.open("second");
    // It still has what it wrote itself.
    assert!(warned(&vault, "were put back"), "{:?}", vault.warnings());
    drop(vault);
    assert!(world.open("second").warnings().is_empty(), "told once");
    world.push("second", 5);
    assert!(world.open("fresh").warnings().is_empty());
}

#[test]
fn an_accepted_loss_excuses_no_deeper_one() {
    let world = World::new();
    world.push("home", 1);
    for seed in 2..5 {
        world.push("second", seed);
    }
    world.push("third", 5);
    world.open("home");
    let second = world.open("second").device_id();
    let of_second = |name: &ObjectName| matches!(name, ObjectName::Log { device, .. } if *device == second);
    let mine: Vec<_> = world.logs().into_iter().filter(of_second).collect();
    world.hide(&mine[2..]);
    world.accept("home");
    // What the third machine would have taken for the loss that was accepted.
    world.hide(&mine[1..2]);
    for home in ["third", "home"] {
        world.refused(home);
    }
}

#[test]
fn an_exported_history_is_verified_without_any_key() {
    let world = World::new();
    world.push("home", 1);
    world.push("second", 2);
    let mallory = world.device(Capabilities::PUSH);
    world.put(&world.forge(&mallory, 1, &[], &world.body(|_| {})));
    let vault = world.open("home");
    let (id, own) = (vault.id(), History::of(&vault));
    let file = vault.export_history().expect("exported");
    let read = History::verify(&file, Some(id)).expect("verified");
    assert!(read.trouble.is_empty(), "{:?}", read.trouble);
    let ids = |history: &History| history.events.iter().map(|event| event.id).collect::<Vec<_>>();
    assert_eq!(ids(&read), ids(&own));
    let said = |what: &str| read.events.iter().filter(|event| event.what.iter().any(|w| w.contains(what))).count();
    assert_eq!((said("made the vault"), said("pushed snapshot"), said("went on"), said("added device")), (1, 2, 1, 3));
    assert_eq!(read.events[0].what[0], "made the vault");

    // Another vault's id, and any change of what is in it: noticed, and never a panic.
    assert!(History::verify(&file, Some(vault_format::VaultId([1; 32]))).is_err());
    for at in (0..file.len()).step_by(file.len() / 300) {
        let mut changed = file.clone();
        changed[at] ^= 1;
        if let Ok(read) = History::verify(&changed, Some(id)) {
            let doubts = read.events.iter().any(|event| event.trouble.is_some());
            assert!(doubts || !read.trouble.is_empty(), "byte {at} of {}", file.len());
        }
    }
    // An entry in the middle is left out: its successor names it.
    world.push("home", 3);
    let file = world.open("home").export_history().expect("exported");
    let mut parsed = HistoryFile::parse(&file).expect("parsed");
    let first = parsed.entries.iter().position(|entry| {
        let object = EntryObject::parse(entry.stored, vault.suite()).expect("an entry");
        object.header.writer == vault.device_id() && object.seq == 1
    });
    parsed.entries.remove(first.expect("there"));
    let read = History::verify(&parsed.encode().expect("encoded"), Some(id)).expect("read");
    assert!(read.trouble.iter().any(|trouble| trouble.contains("is missing")), "{:?}", read.trouble);
}

const URL: &str = "memory://histories";
/// The order of the base point (RFC 8032 section 5.1), little-endian.
const L: [u8; 32] = [
    0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, 0, 0, 0, 0, 0, 0,
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
];
