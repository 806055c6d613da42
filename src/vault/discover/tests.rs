//! Many vaults of many people in one bucket, and what attackers make of it (rule A1).

mod attacks;

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use crypto_backends::rustcrypto::{lower_kdf_floors_for_tests, provider};
use object_store::memory::InMemory;
use object_store::path::Path as ObjectPath;
use object_store::prefix::PrefixStore;
use object_store::{ObjectStore, ObjectStoreExt};
use vault_format::genesis::Genesis;
use vault_format::roster::{Op, Record, SlotKdf};
use vault_format::{Identity, Suite};

use super::*;
use crate::keys::{Passphrase, Words, device_id};
use crate::push::{PushOptions, push};
use crate::roster::{NewRecord, sign};
use crate::store::faults::{Fault, Faults, Meter, Operation};
use crate::vault::{InitOptions, OpenOptions, Vault};

type Objects = Vec<(ObjectName, Vec<u8>)>;

/// A bucket, and machines.
struct World {
    folder: tempfile::TempDir,
    meter: Meter,
    faults: Faults,
    objects: Arc<dyn ObjectStore>,
}

impl World {
    fn new() -> Self {
        lower_kdf_floors_for_tests();
        let (meter, faults) = (Meter::new(Duration::ZERO), Faults::new());
        let objects = meter.wrap(faults.wrap(Arc::new(InMemory::new())));
        Self { folder: tempfile::tempdir().expect("a folder"), meter, faults, objects }
    }

    fn at(&self, path: &str) -> PathBuf {
        self.folder.path().join(path)
    }

    fn home(&self, name: &str) -> Arc<Home> {
        Arc::new(Home::open(&self.at(name)).expect("a home"))
    }

    fn store(&self, place: &str) -> Store {
        let prefix = ObjectPath::parse(place).expect("a place");
        let objects = Arc::new(PrefixStore::new(Arc::clone(&self.objects), prefix));
        Store::from_object_store(objects, &format!("{BUCKET}/{place}")).expect("a store")
    }

    fn init(&self, home: &str, place: &str, passphrase: &str) -> (Vault, Option<Words>) {
        let (home, url) = (self.home(home), format!("{BUCKET}/{place}"));
        let passphrase = Passphrase::new(passphrase).expect("a passphrase");
        let options = InitOptions { words: true, ..InitOptions::new(&url, &home, "device", passphrase) };
        let made = Vault::init_on(self.store(place), url.clone(), options).expect("a vault");
        (made.vault, made.words)
    }

    /// Writes a snapshot, so that this machine has a log.
    fn push(&self, vault: &mut Vault) {
        let source = self.at("source");
        fs::create_dir_all(&source).expect("made");
        let count = fs::read_dir(&source).expect("a folder").count();
        fs::write(source.join(count.to_string()), [7; 3000]).expect("written");
        let options = PushOptions { paths: vec![source], host: "host".into(), ..PushOptions::default() };
        push(vault, &options, &Watch::new()).expect("pushed");
    }

    /// The roster at a place.
    fn roster(&self, place: &str) -> Objects {
        let store = self.store(place);
        let listing = store.list(&roster_prefix()).expect("listed");
        let names = listing.objects.iter().map(|object| object.name);
        names.map(|name| (name, store.get_unverified(&name).expect("read").to_vec())).collect()
    }

    fn plant(&self, place: &str, objects: &Objects) {
        let store = self.store(place);
        for (name, bytes) in objects {
            store.put(name, Bytes::from(bytes.clone())).expect("planted");
        }
    }

    /// Copies all objects of a place.
    fn copy(&self, from: &str, to: &str) {
        let (from, to) = (self.store(from), self.store(to));
        for object in from.list(&prefix()).expect("listed").objects {
            to.put(&object.name, from.get_unverified(&object.name).expect("read")).expect("written");
        }
    }

    fn delete(&self, place: &str) {
        let store = self.store(place);
        for object in store.list(&prefix()).expect("listed").objects {
            store.delete(&object.name).expect("deleted");
        }
    }

    fn discover(&self, home: Option<&str>, secret: Option<&UnlockSecret>) -> Discovery {
        self.discover_within(home, secret, Limits::default(), 1000).expect("listed")
    }

    fn discover_within(
        &self,
        home: Option<&str>,
        secret: Option<&UnlockSecret>,
        limits: Limits,
        places: usize,
    ) -> Result<Discovery, VaultError> {
        let home = home.map(|home| self.home(home));
        let store = Store::from_object_store(Arc::clone(&self.objects), BUCKET).expect("a store");
        let options =
            DiscoverOptions { url: BUCKET, store: StoreOptions::default(), home: home.as_deref(), secret, places };
        discover_on(&store, &StoreUrl::parse(BUCKET).expect("a URL"), options, limits, &Watch::new())
    }
}

/// The attacker has its own vault, and puts the victim's genuine slots into it. Without fault, seen by itself.
fn foreign_with_slots(world: &World, place: &str, genuine: &Objects) -> VaultId {
    let (vault, _) = world.init("attacker", place, "the attacker's own");
    let genuine = Roster::build(provider(), genuine, None).expect("a roster");
    let shown = Roster::build(provider(), &world.roster(place), None).expect("a roster");
    let (parents, n) = shown.next_place(vault.device_id());
    let ops = genuine.slots().into_iter().map(|found| Op::Add {
        id: device_id(provider(), vault.id(), found.verify_key, found.kem_key),
        verify_key: found.verify_key.to_vec(),
        kem_key: found.kem_key.to_vec(),
        capabilities: Capabilities::ALL,
        slot: Some(found.slot.clone()),
        handshake: None,
    });
    let record = record(parents, n, ops.collect());
    let NewRecord { name, bytes, .. } = sign(provider(), vault.device_keys(), &record).expect("signed");
    world.plant(place, &vec![(name, bytes)]);
    let shown = Roster::build(provider(), &world.roster(place), None).expect("a roster");
    assert_eq!(shown.void.len(), 0);
    assert!(genuine.slots().iter().all(|slot| shown.slots().iter().any(|other| other.slot == slot.slot)));
    vault.id()
}

fn record(parents: Vec<Identity>, n: u32, ops: Vec<Op>) -> Record {
    let time = vault_format::Time { secs: 1_790_000_000, nanos: 0 };
    Record { genesis: None, time, parents, n, ops, epoch: None, boxes: Vec::new(), private: None }
}

fn passphrase(text: &str) -> UnlockSecret {
    UnlockSecret::Passphrase(Passphrase::new(text).expect("a passphrase"))
}

fn places(found: &Discovery) -> Vec<(&str, OpenedBy)> {
    let place = |url| str::strip_prefix(url, BUCKET).expect("in the bucket").trim_start_matches('/');
    found.vaults.iter().map(|vault| (place(&*vault.url), vault.by)).collect()
}

fn problem<'a>(found: &'a Discovery, place: &str) -> &'a PlaceProblem {
    let url = format!("{BUCKET}/{place}");
    found.problems.iter().find(|problem| problem.url == url).unwrap_or_else(|| panic!("no problem in {found:#?}"))
}

#[test]
fn vaults_lists_only_pinned_or_slot_bound() {
    let world = World::new();
    let (mut ours, _) = world.init("alice", "ours", "of the office");
    world.push(&mut ours);
    let (by_passphrase, words) = world.init("elsewhere", "by-passphrase", "correct horse");
    let words = words.expect("words");
    let (stranger, _) = world.init("bob", "strangers", "of somebody else");
    // Genuine slots of a vault that is ours, in front of the attacker's.
    let slots = world.roster("by-passphrase");
    let foreign = foreign_with_slots(&world, "foreign", &slots);
    // The public beginning of our own vault, and of one that a passphrase opens, by themselves and before the attacker's.
    let genesis = |place: &str| -> Objects {
        world.roster(place).into_iter().filter(|(name, _)| matches!(name, ObjectName::Roster { n: 0, .. })).collect()
    };
    world.plant("genesis", &genesis("ours"));
    world.init("attacker", "beside", "the attacker's own");
    world.plant("beside", &genesis("ours"));
    // A vault with our name in it, which its founder did not sign.
    let (name, bytes) = genesis("ours").remove(0);
    let mut forged = bytes;
    let last = forged.len() - 1;
    forged[last] ^= 1;
    let hash = vault_format::ObjectHash(provider().hash.hash(&[&forged]));
    let ObjectName::Roster { n, .. } = name else { panic!("a record") };
    world.plant("forged", &vec![(ObjectName::Roster { n, hash }, forged)]);

    let found = world.discover(Some("alice"), None);
    assert_eq!(places(&found), [("ours", OpenedBy::Device)], "{found:#?}");
    assert_eq!((found.vaults[0].id, found.vaults[0].behind), (ours.id(), false));
    assert_eq!(found.vaults[0].device.as_ref().expect("a device").id, ours.device_id());
    let others: Vec<_> = found.others.iter().flat_map(|other| other.ids.clone()).collect();
    for other in [by_passphrase.id(), stranger.id(), foreign] {
        assert!(others.contains(&other), "{found:#?}");
    }
    // The founder's record is all that a vault with one device has: only the log tells that it is a part.
    for place in ["genesis", "beside"] {
        let problem = problem(&found, place);
        assert!(problem.message.contains("less of vault"), "{}", problem.message);
        assert_eq!((problem.known, found.trouble()), (None, None), "planted by anybody, and no alarm of ours");
    }
    assert!(problem(&found, "forged").message.contains("no vault"));

    for (secret, by) in
        [(passphrase("correct horse"), OpenedBy::Passphrase), (UnlockSecret::Words(words), OpenedBy::Words)]
    {
        let found = world.discover(Some("alice"), Some(&secret));
        assert_eq!(places(&found), [("by-passphrase", by), ("ours", OpenedBy::Device)], "{found:#?}");
        assert_eq!(found.vaults[0].id, by_passphrase.id());
        assert!(found.others.iter().any(|other| other.ids == [foreign]), "{found:#?}");
        assert!(problem(&found, "foreign").message.contains("tampered"), "{found:#?}");
        // On a machine that knows nothing, the beginning of our vault says nothing either.
        let found = world.discover(None, Some(&secret));
        assert_eq!(places(&found), [("by-passphrase", by)], "{found:#?}");
    }
    assert!(world.discover(None, None).vaults.is_empty());
}

#[test]
fn a_slot_in_front_of_a_thousand_vaults_is_tried_once() {
    let world = World::new();
    let (_genuine, _) = world.init("alice", "genuine", "correct horse");
    foreign_with_slots(&world, "x0", &world.roster("genuine"));
    for n in 1..40 {
        world.copy("x0", &format!("x{n}"));
    }
    let found = world.discover(None, Some(&passphrase("correct horse")));
    assert_eq!(places(&found), [("genuine", OpenedBy::Passphrase)]);
    // The genuine one, and the attacker's own.
    assert!(found.tries <= 2, "{} tries", found.tries);
    assert_eq!((found.others.len(), found.problems.len(), found.untried), (40, 40, 0));
    assert_eq!(found.trouble(), None);
}

#[test]
fn what_strangers_may_cost_is_bounded() {
    let world = World::new();
    world.init("alice", "a", "correct horse");
    for n in 0..12 {
        world.init("bob", &format!("b{n}"), "of somebody else");
    }
    let secret = passphrase("correct horse");
    let search = |limits| world.discover_within(None, Some(&secret), limits, 1000).expect("listed");
    let all = search(Limits::default());
    assert_eq!((places(&all).len(), all.tries, all.untried), (1, 13, 0));
    let slot = Roster::build(provider(), &world.roster("a"), None).expect("a roster");
    let cost = match slot.slots().iter().find(|found| found.slot.kdf != SlotKdf::Words).expect("a slot").slot.kdf {
        SlotKdf::Argon2id { m_kib, t, .. } => u64::from(m_kib) * u64::from(t),
        _ => panic!("another function"),
    };
    let few = search(Limits { work: 3 * cost, ..Limits::default() });
    assert_eq!((few.tries, few.untried, few.vaults.len() + few.others.len()), (3, 10, 13));
    // Records and bytes are bounded before anything is read of them.
    world.meter.take();
    let none = search(Limits { records: 0, ..Limits::default() });
    assert_eq!((none.tries, none.untried, none.others.len()), (0, 13, 13));
    assert_eq!(world.meter.take().gets, 13, "the beginnings only");
    let size = world.roster("a")[0].1.len() as u64;
    let some = search(Limits { bytes: 5 * size, ..Limits::default() });
    assert!(some.tries <= 5 && some.untried >= 8, "{some:#?}");
}

#[test]
fn a_place_costs_a_list_and_a_few_reads_and_thousands_are_left_out() {
    let world = World::new();
    world.init("alice", "ours", "correct horse");
    // Not one of them is a vault.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
    runtime.block_on(async {
        for n in 0..3000 {
            let path = ObjectPath::from(format!("a{n:04}/x"));
            world.objects.put(&path, Bytes::from_static(b"x").into()).await.expect("planted");
        }
    });
    world.meter.take();
    let found = world.discover_within(Some("alice"), None, Limits::default(), 50).expect("listed");
    let cost = world.meter.take();
    // What this machine knows comes before all that is planted, wherever its name is in the order.
    assert_eq!(places(&found), [("ours", OpenedBy::Device)]);
    assert_eq!((found.looked_at, found.left_out), (50, 2951));
    assert!(cost.lists <= 50 + 4 + 4 && cost.gets <= 4, "{cost:?}");

    // Thousands of records that may be the beginning: a page of names, and four of them.
    let junk = |n: u32| {
        let bytes = n.to_le_bytes().to_vec();
        (ObjectName::Roster { n: 0, hash: vault_format::ObjectHash(provider().hash.hash(&[&bytes])) }, bytes)
    };
    world.plant("ours", &(0..400).map(junk).collect());
    world.plant("strange", &(0..2500).map(junk).collect());
    world.meter.take();
    let found = world.discover_within(None, Some(&passphrase("correct horse")), Limits::default(), 3).expect("listed");
    assert!(found.vaults.is_empty() && world.meter.take().gets <= 4);
    let found = world.discover_within(Some("alice"), None, Limits::default(), 1).expect("listed");
    assert_eq!(places(&found), [("ours", OpenedBy::Device)], "what is known by name is read first: {found:#?}");
}

#[test]
fn weak_and_giant_slots_are_refused_and_cost_nothing() {
    let world = World::new();
    let (vault, _) = world.init("attacker", "x", "the attacker's own");
    let shown = Roster::build(provider(), &world.roster("x"), None).expect("a roster");
    let genuine = shown.slots().into_iter().find(|found| found.slot.kdf != SlotKdf::Words).expect("a slot");
    let own = genuine.device;
    for kdf in [
        SlotKdf::Argon2id { m_kib: u32::MAX, t: 3, p: 1 },
        SlotKdf::Argon2id { m_kib: 65_536, t: u32::MAX, p: 1 },
        SlotKdf::Argon2id { m_kib: 1, t: 0, p: 1 },
        SlotKdf::Pbkdf2 { rounds: u32::MAX },
    ] {
        let shown = Roster::build(provider(), &world.roster("x"), None).expect("a roster");
        let (parents, n) = shown.next_place(vault.device_id());
        let keys = crate::keys::DeviceKeys::generate(provider(), vault.id()).expect("keys");
        let slot = vault_format::roster::Slot { kdf, ..genuine.slot.clone() };
        let add = Op::Add {
            id: keys.id,
            verify_key: keys.verify_key.clone(),
            kem_key: keys.kem_key.clone(),
            capabilities: Capabilities::READ,
            slot: Some(slot),
            handshake: None,
        };
        let signed = sign(provider(), vault.device_keys(), &record(parents, n, vec![add])).expect("signed");
        world.plant("x", &vec![(signed.name, signed.bytes)]);
    }
    let shown = Roster::build(provider(), &world.roster("x"), None).expect("a roster");
    assert!(shown.slots().len() >= 5 && shown.slots().iter().any(|found| found.device == own), "{}", shown.void.len());
    let found = world.discover(None, Some(&passphrase("correct horse")));
    assert_eq!((found.tries, found.others.len()), (1, 1), "{found:#?}");
    assert!(problem(&found, "x").message.contains("cannot be opened here"), "{found:#?}");
    assert_eq!(found.trouble(), Some(Trouble::WrongKey));
}

#[test]
fn another_vault_where_one_is_known_is_an_alarm() {
    let world = World::new();
    let (mut ours, _) = world.init("alice", "ours", "correct horse");
    world.push(&mut ours);
    world.copy("ours", "older");
    world.push(&mut ours);
    assert_eq!(places(&world.discover(Some("alice"), None)).len(), 1, "an older copy is not the vault");

    // Older than it was.
    world.copy("ours", "kept");
    world.delete("ours");
    world.copy("older", "ours");
    let found = world.discover(Some("alice"), None);
    assert_eq!(places(&found), [("kept", OpenedBy::Device)], "a whole copy is one, wherever it is: {found:#?}");
    assert_eq!((problem(&found, "ours").known, found.trouble()), (Some(ours.id()), Some(Trouble::Integrity)));
    // Another one, with the same passphrase.
    world.delete("ours");
    world.init("attacker", "ours", "correct horse");
    let found = world.discover(Some("alice"), Some(&passphrase("correct horse")));
    assert_eq!(places(&found), [("kept", OpenedBy::Device)], "{found:#?}");
    assert_eq!((problem(&found, "ours").known, found.trouble()), (Some(ours.id()), Some(Trouble::Integrity)));
    // Nothing at all: it is not listed any more, and looked for all the same.
    world.delete("ours");
    let found = world.discover(Some("alice"), None);
    assert_eq!((problem(&found, "ours").known, found.trouble()), (Some(ours.id()), Some(Trouble::Integrity)));
}

#[test]
fn one_place_that_fails_does_not_stop_the_list() {
    let world = World::new();
    for (home, place) in [("alice", "a"), ("alice", "c"), ("bob", "b")] {
        world.init(home, place, "correct horse");
    }
    // The first list is of all places, the second of one of them: which one, the threads decide.
    world.faults.reset();
    world.faults.at(Operation::List, 2, Fault::NoSpace);
    let found = world.discover(Some("alice"), None);
    assert_eq!(found.vaults.len() + found.others.len() + found.problems.len(), 3, "{found:#?}");
    assert_eq!((found.problems.len(), found.trouble()), (1, Some(Trouble::Storage)));
    // A store that cannot be listed is an error, and not one without vaults.
    world.faults.always(Operation::List, Fault::Fail);
    assert!(matches!(
        world.discover_within(Some("alice"), None, Limits::default(), 1000),
        Err(VaultError::Store(StoreError::Unreachable { .. }))
    ));
    world.faults.reset();
    assert_eq!(world.discover(Some("alice"), None).vaults.len(), 2);
}

#[test]
fn a_revoked_device_opens_nothing() {
    let world = World::new();
    world.init("alice", "ours", "correct horse");
    let home = world.home("second");
    let mut unlock = |_: &str| Ok(passphrase("correct horse"));
    let url = format!("{BUCKET}/ours");
    let second =
        Vault::open_on(world.store("ours"), url.clone(), None, OpenOptions::new(&url, &home, "x", &mut unlock));
    let second = second.expect("opens").device_id();
    assert_eq!(places(&world.discover(Some("second"), None)), [("ours", OpenedBy::Device)]);
    let alice = world.home("alice");
    let id = alice.vaults().expect("listed")[0];
    let state = alice.device(id).expect("read");
    let mut first =
        Vault::open_on(world.store("ours"), url.clone(), Some(state), OpenOptions::new(&url, &alice, "x", &mut unlock))
            .expect("opens");
    first.revoke(second, None).expect("revoked");
    let found = world.discover(Some("second"), None);
    assert!(found.vaults.is_empty() && problem(&found, "ours").message.contains("revoked"), "{found:#?}");
    assert_eq!(found.trouble(), Some(Trouble::NotAllowed));
    assert_eq!(world.discover(Some("alice"), None).vaults.len(), 1);
}

/// Rule B12: what a store shows of two vaults of one machine says nothing of their having anything in common.
#[test]
fn vaults_of_one_machine_have_nothing_in_common() {
    let world = World::new();
    let mut ours = Vec::new();
    for place in ["4f1d", "b09e"] {
        let (mut vault, _) = world.init("alice", place, "correct horse");
        world.push(&mut vault);
        ours.push((place, vault));
    }
    assert_ne!(ours[0].1.device_id(), ours[1].1.device_id());
    let shown = |place: &str| -> Vec<u8> {
        let store = world.store(place);
        let all = store.list(&prefix()).expect("listed").objects.into_iter();
        all.flat_map(|object| {
            let bytes = store.get_unverified(&object.name).expect("read");
            [object.name.to_path().into_bytes(), bytes.to_vec()].concat()
        })
        .collect()
    };
    // What looks random: structure and padding have few different bytes.
    let random = |window: &&[u8]| window.iter().collect::<BTreeSet<_>>().len() >= 20;
    let one = shown("4f1d");
    let one: std::collections::HashSet<&[u8]> = one.windows(24).filter(random).collect();
    let two = shown("b09e");
    assert!(one.len() > 10_000);
    assert!(!two.windows(24).filter(random).any(|window| one.contains(window)));
    // Genesis is what a vault begins with in clear.
    let genesis = |place: &str| {
        let roster = world.roster(place);
        let object = vault_format::roster::RecordObject::parse(&roster[0].1).expect("a record");
        let record = Record::parse(&roster[0].1[object.body], provider().suite).expect("a record");
        Genesis::parse(&record.genesis.expect("a genesis")).expect("a genesis")
    };
    assert_ne!(genesis("4f1d").founder, genesis("b09e").founder);
}

const BUCKET: &str = "s3://bucket";

#[test]
fn vaults_of_both_suites_are_found() {
    let world = World::new();
    let (ours, theirs) = ("correct horse battery", "somebody else's");
    let make = |home: &str, place: &str, suite, typed: &str| {
        let (home, url) = (world.home(home), format!("{BUCKET}/{place}"));
        let secret = Passphrase::new(typed).expect("a passphrase");
        let options = InitOptions { suite, ..InitOptions::new(&url, &home, "device", secret) };
        let mut vault = Vault::init_on(world.store(place), url.clone(), options).expect("a vault").vault;
        world.push(&mut vault);
        vault.id()
    };
    let one = make("home", "a", Suite::Default, ours);
    let two = make("home", "b", Suite::Fips, ours);
    make("attacker", "c", Suite::Fips, theirs);
    // A whole vault of the other suite beside ours hides it from nobody.
    make("attacker", "d", Suite::Default, theirs);
    let planted = world.roster("d");
    world.plant("b", &planted);

    let known = world.discover(Some("home"), None);
    assert_eq!(known.vaults.iter().map(|vault| vault.id).collect::<Vec<_>>(), [one, two], "{:?}", known.problems);
    assert!(known.vaults.iter().all(|vault| vault.by == OpenedBy::Device && vault.device.is_some()));
    assert_eq!((known.others.len(), known.problems.len()), (2, 0), "{:?}", known.problems);
    let tried = world.discover(None, Some(&passphrase(ours)));
    assert_eq!(tried.vaults.iter().map(|vault| vault.id).collect::<Vec<_>>(), [one, two], "{:?}", tried.problems);
    assert_eq!((tried.others.len(), tried.problems.len()), (2, 0), "{:?}", tried.problems);
}
