//! Devices that name tables which are not theirs, and what the others make of it.

use std::fs;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use crypto_backends::rustcrypto::lower_kdf_floors_for_tests;
use object_store::memory::InMemory;
use vault_format::log::{Body, Heads, IndexSet, Payload};
use vault_format::name::ObjectName;
use vault_format::{DeviceId, Domain, ObjectHash};

use super::{InitOptions, OpenOptions, Purpose, UnlockSecret, Vault};
use crate::check::{CheckOptions, check};
use crate::index::MAX_DELTAS_OF_ANOTHER_SET;
use crate::keys::Passphrase;
use crate::push::{PushOptions, PushReport, push};
use crate::restore::{RestoreOptions, restore};
use crate::stage::testing::random_bytes;
use crate::state::Home;
use crate::store::Store;
use crate::sync::lock;
use crate::watch::{Event, Watch};

/// A vault of two devices: an honest one, and one that says what is not so.
struct World {
    folder: tempfile::TempDir,
    objects: Arc<InMemory>,
    files: u64,
}

impl World {
    fn new() -> Self {
        lower_kdf_floors_for_tests();
        let world =
            Self { folder: tempfile::tempdir().expect("a folder"), objects: Arc::new(InMemory::new()), files: 0 };
        let home = world.home(HONEST);
        let options = InitOptions::new(URL, &home, HONEST, Passphrase::new("correct horse").expect("a passphrase"));
        Vault::init_on(world.store(), URL.into(), options).expect("a vault");
        fs::create_dir(world.source()).expect("made");
        world
    }

    fn home(&self, name: &str) -> Arc<Home> {
        Arc::new(Home::open(&self.folder.path().join(name)).expect("a home"))
    }

    fn source(&self) -> PathBuf {
        self.folder.path().join("source")
    }

    fn store(&self) -> Store {
        Store::from_object_store(self.objects.clone(), URL).expect("a store")
    }

    /// As the device in this home, which becomes one if it is none; with its local copies or without any.
    fn open(&self, home: &str, cached: bool) -> Vault {
        self.open_as(home, cached, Purpose::Read)
    }

    fn open_for(&self, home: &str, purpose: Purpose) -> Vault {
        self.open_as(home, false, purpose)
    }

    fn open_as(&self, home: &str, cached: bool, purpose: Purpose) -> Vault {
        let at = self.home(home);
        let state = at.vaults().expect("listed").first().map(|id| at.device(*id).expect("read"));
        let mut unlock =
            |_: &str| Passphrase::new("correct horse").map(UnlockSecret::Passphrase).map_err(|error| error.to_string());
        let cache = self.folder.path().join(format!("cache of {home}"));
        let mut options = OpenOptions::new(URL, &at, home, &mut unlock);
        (options.cache, options.purpose) = (cached.then_some(&*cache), purpose);
        Vault::open_on(self.store(), URL.into(), state, options).expect("opens")
    }

    /// Pushes one more file; gives what the push said as well.
    fn push(&mut self, vault: &mut Vault) -> (PushReport, Vec<String>) {
        self.files += 1;
        fs::write(self.source().join(format!("{}", self.files)), random_bytes(self.files, 3000)).expect("written");
        let notes = Mutex::new(Vec::new());
        let on_event = |event: Event<'_>| {
            if let Event::Note(note) = event {
                notes.lock().expect("no panic").push(note.to_owned());
            }
        };
        let options = PushOptions { paths: vec![self.source()], host: "host".into(), ..PushOptions::default() };
        let report = push(vault, &options, &Watch::with_events(&on_event)).expect("pushes");
        (report, notes.into_inner().expect("no panic"))
    }

    /// Everything in the newest snapshot comes back, for a device with local copies and for one without.
    fn restores(&self) {
        for cached in [true, false] {
            let vault = self.open(HONEST, cached);
            let target = self.folder.path().join("out");
            let _ = fs::remove_dir_all(&target);
            let newest = vault.snapshots().into_iter().max_by_key(|info| info.snapshot.sources[0].entries);
            let snapshot = vault.resolve(&newest.expect("a snapshot").short()).expect("found");
            let report =
                restore(&vault, &RestoreOptions::new(snapshot, target), &Watch::new()).expect("everything is there");
            assert_eq!((report.problems, report.files_restored), (0, self.files));
        }
    }
}

#[test]
fn table_named_by_two_devices() {
    let mut world = World::new();
    let mut honest = world.open(HONEST, true);
    for _ in 0..4 {
        world.push(&mut honest);
    }
    let mut hostile = world.open(HOSTILE, false);
    world.push(&mut hostile);
    let theirs = deltas_of(&hostile, honest.device_id());
    assert_eq!(theirs.len(), 4);
    // Two are said to be its own, a third is even there under its name, and one is said to be a shard.
    let (own, copied) = (hostile.device_id(), theirs[2]);
    let bytes = world.store().get_unverified(&ObjectName::Delta { device: honest.device_id(), hash: copied });
    world.store().put(&ObjectName::Delta { device: own, hash: copied }, bytes.expect("read")).expect("put");
    say(&mut hostile, &theirs[..3], Payload::Progress);
    say_set(&mut hostile, vec![theirs[3]]);
    world.restores();

    // With local copies and without: nothing is stored again, what did not change is not read, and it is told whose fault it is.
    drop(honest);
    for (cached, new) in [(false, 2), (true, 1)] {
        let mut vault = world.open(HONEST, cached);
        let (report, notes) = world.push(&mut vault);
        // The file that the hostile device pushed is new to this one, and its chunk is there.
        assert_eq!((report.files_new, report.files_changed, report.data_chunks), (new, 0, 1), "{notes:?}");
        assert!(vault.parent_content_counts(report.snapshot));
        assert_eq!(vault.unusable_tables(), [""; 0]);
        let misnamed = format!("device {own:.8} names index table");
        assert!(notes.iter().filter(|note| note.starts_with(&misnamed)).count() >= 4, "{notes:?}");
    }

    let mut honest = world.open(HONEST, true);
    // Merging goes on, and covers everything: of the hostile device as well what is its own.
    merge(&mut world, &mut honest);
    let merger = honest.device_id();
    let set = newest_set(&honest, merger);
    assert!(set.frontier.contains_key(&own) && !set.shards.is_empty());
    world.restores();

    // Shards of another are not its own either, and its set does not take the place of the other.
    let mut hostile = world.open(HOSTILE, false);
    say_set(&mut hostile, set.shards.clone());
    let fresh = world.open(HONEST, false);
    fresh.index().expect("loaded");
    assert_eq!(fresh.tables(Domain::SHARED).merged_by, Some(merger));
    let latest = fresh.resolve("latest").expect("a snapshot").info.id;
    assert!(fresh.parent_content_counts(Some(latest)));
    world.restores();
    merge(&mut world, &mut honest);
    world.restores();

    let vault = world.open(HONEST, false);
    let report = check(&vault, &CheckOptions::default(), &Watch::new()).expect("checks");
    assert_eq!(report.damaged.len(), 0, "{:#?}", report.damaged);
    let shown = report.junk.iter().filter(|line| line.contains(&format!("is a table of device {merger:.8}"))).count();
    assert_eq!(shown, 4 + set.shards.len(), "{:#?}", report.junk);
}

/// A reader says that nothing is all there is to know: what the deltas hold that it stands for is read all the same.
#[test]
fn a_set_of_nothing_hides_no_chunk_from_who_reads() {
    let mut world = World::new();
    let mut honest = world.open(HONEST, true);
    world.push(&mut honest);
    world.push(&mut honest);
    let mut hostile = world.open(HOSTILE, false);
    say_set(&mut hostile, vec![]);
    let own = hostile.device_id();
    world.restores();

    for purpose in [Purpose::Read, Purpose::Check] {
        let mut fresh = world.open_for("fresh", purpose);
        fresh.index().expect("loaded");
        assert_eq!(fresh.tables(Domain::SHARED).merged_by, Some(own));
        let report = check(&fresh, &CheckOptions::default(), &Watch::new()).expect("checks");
        assert_eq!(report.damaged.len(), 0, "{:#?}", report.damaged);
        // It is told once whose set it is.
        let about = format!("hostile ({own:.8}) has merged");
        assert!(report.notes.iter().any(|note| note.contains(&about)), "{:?}", report.notes);
        assert_eq!(fresh.take_beyond_notes(), [""; 0]);
        // And who has seen what is there does not push as if it counted.
        let (report, _) = world.push(&mut fresh);
        assert_eq!(report.data_chunks, world.files, "{purpose:?}");
        say_set(&mut hostile, vec![]);
    }
    // One that lost some of its rows, beside what is in no delta that counts.
    merge(&mut world, &mut honest);
    let set = newest_set(&honest, honest.device_id());
    say_set(&mut hostile, vec![]);
    assert!(!set.shards.is_empty());
    for hash in deltas_of(&honest, honest.device_id()) {
        let _ = world.store().delete(&ObjectName::Delta { device: honest.device_id(), hash });
    }
    world.restores();
}

#[test]
fn a_lost_delta_holds_back_its_own_device_alone() {
    let mut world = World::new();
    let (mut honest, mut hostile) = (world.open(HONEST, true), world.open(HOSTILE, false));
    world.push(&mut honest);
    say(&mut hostile, &[ObjectHash([7; 32])], Payload::Progress);
    world.push(&mut hostile);
    let later = *deltas_of(&hostile, hostile.device_id()).last().expect("a delta");
    merge(&mut world, &mut honest);
    let own = honest.device_id();
    let set = newest_set(&honest, own);
    assert!(set.frontier.contains_key(&own) && !set.frontier.contains_key(&hostile.device_id()));
    // What cannot be found now may be found again: neither it nor what came after it is forgotten.
    let deltas: Vec<_> = honest.tables(Domain::SHARED).deltas.iter().map(|name| name.hash).collect();
    assert!(deltas.contains(&ObjectHash([7; 32])) && deltas.contains(&later), "{deltas:?}");
    world.restores();
    // And the next merge does not wait for them, nor is there one at every push.
    let sets = sets_of(&honest).len();
    world.push(&mut honest);
    assert_eq!(sets_of(&honest).len(), sets);
    merge(&mut world, &mut honest);
}

#[test]
fn a_set_that_lost_a_shard_leaves_the_one_before() {
    let mut world = World::new();
    let mut honest = world.open(HONEST, true);
    merge(&mut world, &mut honest);
    world.push(&mut honest);
    let mut hostile = world.open(HOSTILE, false);
    say_set(&mut hostile, vec![ObjectHash([7; 32])]);
    world.restores();
    let fresh = world.open(HONEST, false);
    fresh.index().expect("loaded");
    assert_eq!(fresh.tables(Domain::SHARED).merged_by, Some(honest.device_id()));
    merge(&mut world, &mut honest);
    // An honest one as well: its deltas are still there.
    for (device, set) in sets_of(&honest) {
        for hash in set.shards {
            world.store().delete(&ObjectName::Shard { device, hash }).expect("deleted");
        }
    }
    world.restores();
    merge(&mut world, &mut honest);
    world.restores();
}

/// Many ends of one log do not keep others from merging: what their tables say stays where it is.
#[test]
fn a_log_with_more_ends_than_a_set_names() {
    let mut world = World::new();
    let (mut honest, mut hostile) = (world.open(HONEST, true), world.open(HOSTILE, false));
    world.push(&mut honest);
    world.push(&mut hostile);
    let end = *lock(&hostile.own_end);
    let theirs = deltas_of(&hostile, hostile.device_id());
    for _ in 0..=vault_format::limits::ENTRY_HEADS {
        *lock(&hostile.own_end) = end;
        hostile.append(Payload::Progress).expect("written");
    }
    merge(&mut world, &mut honest);
    let set = newest_set(&honest, honest.device_id());
    assert!(!set.frontier.contains_key(&hostile.device_id()));
    let left: Vec<_> = honest.tables(Domain::SHARED).deltas.iter().map(|name| name.hash).collect();
    assert!(theirs.iter().all(|delta| left.contains(delta)));
    world.restores();
}

/// Who has the rows of merged deltas by these does not read the shards that replaced them.
#[test]
fn lost_shards_are_noticed_by_who_read_the_deltas() {
    let mut world = World::new();
    let mut honest = world.open(HONEST, true);
    merge(&mut world, &mut honest);
    let own = honest.device_id();
    let covered = deltas_of(&honest, own);
    let set = newest_set(&honest, own);
    for hash in &set.shards {
        world.store().delete(&ObjectName::Shard { device: own, hash: *hash }).expect("lost");
    }
    // The deltas say as much.
    a_week_later(&world, &honest);
    let new = world.push(&mut honest).0.data_chunks;
    assert_eq!(new, 1);
    for hash in covered {
        world.store().delete(&ObjectName::Delta { device: own, hash }).expect("lost");
    }
    a_week_later(&world, &honest);
    let (report, notes) = world.push(&mut honest);
    assert_eq!(report.data_chunks, world.files - new, "what was lost, and the new one: {notes:?}");
    world.restores();
    a_week_later(&world, &honest);
    assert_eq!(world.push(&mut honest).0.data_chunks, 1);
    world.restores();
}

/// Each of them costs the device that names it 36 bytes.
#[test]
fn many_lost_tables_are_told_in_a_few_lines() {
    let mut world = World::new();
    let (mut honest, mut hostile) = (world.open(HONEST, true), world.open(HOSTILE, false));
    world.push(&mut honest);
    let theirs = deltas_of(&honest, honest.device_id());
    let lost: Vec<_> = (0..100).map(|n| ObjectHash([n; 32])).collect();
    say(&mut hostile, &lost, Payload::Progress);
    say(&mut hostile, &theirs, Payload::Progress);
    let (_, notes) = world.push(&mut honest);
    let about_lost = notes.iter().filter(|note| note.contains("stored again")).count();
    assert!((2..10).contains(&about_lost), "{notes:?}");
    assert!(notes.iter().any(|note| note.starts_with("95 more")), "{notes:?}");
    assert!(notes.iter().any(|note| note.contains("counts for that device alone")), "{notes:?}");
    // Once: that they are lost stays so.
    let (_, notes) = world.push(&mut honest);
    assert!(notes.iter().all(|note| !note.contains("stored again")), "{notes:?}");
}

fn newest_set(vault: &Vault, of: DeviceId) -> IndexSet {
    sets_of(vault).into_iter().rfind(|(device, _)| *device == of).expect("a set").1
}

/// Pushes until this device has merged the tables once more.
fn merge(world: &mut World, vault: &mut Vault) {
    let own = vault.device_id();
    let sets = |vault: &Vault| sets_of(vault).iter().filter(|(device, _)| *device == own).count();
    let before = sets(vault);
    for _ in 0..=MAX_DELTAS_OF_ANOTHER_SET + 8 {
        world.push(vault);
        if sets(vault) > before {
            return;
        }
    }
    panic!("nothing was merged");
}

/// Packs and tables were listed too long ago.
fn a_week_later(world: &World, vault: &Vault) {
    let home = world.home(HONEST);
    let mut claims = home.claims(vault.id()).expect("kept");
    claims.listed.secs -= super::claims::LISTED + 1;
    home.set_claims(vault.provider, vault.id(), &claims).expect("written");
}

/// Writes an entry that names these deltas.
fn say(vault: &mut Vault, deltas: &[ObjectHash], payload: Payload) {
    let mut deltas: Vec<_> = deltas.iter().map(|hash| (*hash, 4)).collect();
    deltas.sort_unstable();
    let body = Body {
        time: crate::now(),
        roster_heads: vault.roster.heads.clone(),
        other_heads: Default::default(),
        seen: vault.log.seen(vault.collectors(), &[]),
        deltas,
        parts: Default::default(),
        payload,
    };
    let entry = vault.seal_entry(&body).expect("an entry");
    vault.put_entry(entry).expect("stored");
    vault.refresh().expect("read again");
}

/// Says that these shards are all there is to know of everything.
fn say_set(vault: &mut Vault, mut shards: Vec<ObjectHash>) {
    vault.refresh().expect("read again");
    shards.sort_unstable();
    let frontier: Heads = vault.log.devices().map(|device| (device, vault.log.heads(device))).collect();
    say(vault, &[], Payload::Index(IndexSet { domain: Domain::SHARED, shards, frontier }));
}

fn deltas_of(vault: &Vault, device: DeviceId) -> Vec<ObjectHash> {
    vault.log.of(device).flat_map(|entry| entry.body.deltas.iter().map(|(hash, _)| *hash)).collect()
}

fn sets_of(vault: &Vault) -> Vec<(DeviceId, IndexSet)> {
    let sets = vault.log.entries().filter_map(|entry| match &entry.body.payload {
        Payload::Index(set) => Some((entry.device, set.clone())),
        _ => None,
    });
    sets.collect()
}

const URL: &str = "memory://tables";
const HONEST: &str = "honest";
const HOSTILE: &str = "hostile";
