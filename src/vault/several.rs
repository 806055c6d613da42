//! Stores beside the primary, from inside: what a person cannot wait for.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use crossbeam_channel::bounded;
use crypto_backends::rustcrypto::{self, lower_kdf_floors_for_tests};
use object_store::ObjectStore;
use object_store::memory::InMemory;
use vault_format::log::{Accepted, Payload};
use vault_format::name::packs_prefix;
use vault_format::{DeviceId, Identity, ObjectHash, ObjectName};

use super::claims::LISTED;
use super::follow::{Follower, State};
use super::{Followed, InitOptions, OpenOptions, Other, Purpose, StoreConfig, UnlockSecret, Vault};
use crate::keys::Passphrase;
use crate::mirror::{MirrorOptions, mirror};
use crate::push::{PushOptions, PushReport, push};
use crate::restore::{RestoreOptions, restore};
use crate::stage::testing::random_bytes;
use crate::state::{Claims, Home};
use crate::store::Store;
use crate::store::faults::Meter;
use crate::sync::lock;
use crate::watch::Watch;

/// A vault on two stores in memory.
struct World {
    folder: tempfile::TempDir,
    objects: [Arc<dyn ObjectStore>; 2],
}

impl World {
    fn new() -> Self {
        lower_kdf_floors_for_tests();
        let objects: [Arc<dyn ObjectStore>; 2] = [Arc::new(InMemory::new()), Arc::new(InMemory::new())];
        let world = Self { folder: tempfile::tempdir().expect("a folder"), objects };
        fs::create_dir(world.source()).expect("made");
        let home = world.home("home");
        let options = InitOptions::new(URLS[0], &home, "one", passphrase());
        Vault::init_on(world.store(0), URLS[0].into(), options).expect("a vault");
        world
    }

    fn source(&self) -> PathBuf {
        self.folder.path().join("source")
    }

    fn home(&self, name: &str) -> Arc<Home> {
        Arc::new(Home::open(&self.folder.path().join(name)).expect("a home"))
    }

    fn store(&self, n: usize) -> Store {
        Store::from_object_store(self.objects[n].clone(), URLS[n]).expect("a store")
    }

    /// Opened from the first store as the device in this home, which becomes one if it is none; the other one beside it.
    fn open(&self, home: &str, purpose: Purpose) -> Vault {
        let mut vault = self.open_with(0, home, purpose, false);
        vault.others = vec![Other::opened(StoreConfig::unnamed(URLS[1]), self.store(1))];
        vault
    }

    /// Opened from one store alone.
    fn open_at(&self, n: usize, home: &str, accept_loss: bool) -> Vault {
        self.open_with(n, home, Purpose::Read, accept_loss)
    }

    fn open_with(&self, n: usize, home: &str, purpose: Purpose, accept_loss: bool) -> Vault {
        let home = self.home(home);
        let state = home.vaults().expect("listed").first().map(|id| home.device(*id).expect("read"));
        let mut unlock = |_: &str| Ok(UnlockSecret::Passphrase(passphrase()));
        let mut options = OpenOptions::new(URLS[n], &home, "another", &mut unlock);
        (options.purpose, options.accept_loss) = (purpose, accept_loss);
        Vault::open_on(self.store(n), URLS[n].into(), state, options).expect("opens")
    }

    fn push(&self, vault: &mut Vault, seed: u64) -> PushReport {
        // One chunk.
        fs::write(self.source().join(format!("file {seed}")), random_bytes(seed, 10_000)).expect("written");
        let options =
            PushOptions { paths: vec![self.source()], host: "host".into(), workers: Some(1), ..PushOptions::default() };
        push(vault, &options, &Watch::new()).expect("pushed")
    }
}

fn passphrase() -> Passphrase {
    Passphrase::new("correct horse").expect("a passphrase")
}

fn some_object(n: u8) -> (ObjectName, Bytes) {
    (ObjectName::Roster { n: 1, hash: ObjectHash([n; 32]) }, Bytes::from(vec![n; 10]))
}

#[test]
fn what_others_pushed_meanwhile_does_not_count_as_followed() {
    let world = World::new();
    let mut vault = world.open("home", Purpose::Push);
    world.push(&mut vault, 1);
    drop(vault);
    let mut vault = world.open("home", Purpose::Push);
    vault.may_push().expect("it may");
    vault.start_following();
    let mut other = world.open("other", Purpose::Read);
    other.others.clear();
    world.push(&mut other, 2);
    let theirs = other.device_id();
    vault.refresh().expect("read");
    assert!(vault.log_pins().contains_key(&theirs), "the end of the push knows of it");
    assert!(!vault.followed_to().contains_key(&theirs), "the second store does not have it");
    assert_eq!(vault.followed_to(), *lock(&vault.followed_from));
    vault.finish_following();

    // What this run wrote is there.
    let report = world.push(&mut vault, 3);
    let own = vault.followed_to()[&vault.device_id()].clone();
    assert_eq!(own.first().map(|pin| pin.identity), report.snapshot);
}

#[test]
fn a_slow_store_falls_behind_and_the_push_does_not_wait() {
    let world = World::new();
    let mut vault = world.open("home", Purpose::Push);
    vault.follow_patience = Duration::from_millis(5);
    let (sender, receiver) = bounded(1);
    let (go, gone) = bounded::<()>(0);
    let thread = std::thread::spawn(move || {
        // Takes nothing until it is told to.
        let _ = gone.recv();
        let objects = receiver.into_iter().count() as u64;
        Followed::Level { compared: None, objects, bytes: 0 }
    });
    let state = State::Level { sender, thread, patience: vault.follow_patience };
    *lock(&vault.followers) = vec![Follower { other: 0, state }];
    let (name, bytes) = some_object(1);
    vault.follow(name, &bytes);
    assert!(vault.has_followers(), "its queue had room");
    vault.follow(name, &bytes);
    assert!(!vault.has_followers(), "it is waited for no longer");
    vault.follow(name, &bytes);
    drop(go);
    let ended = vault.finish_following();
    assert_eq!(ended.iter().map(|(_, followed)| followed.clone()).collect::<Vec<_>>(), [Followed::Behind]);
}

#[test]
fn waits_for_a_store_add_up() {
    let world = World::new();
    let vault = world.open("home", Purpose::Read);
    let (sender, receiver) = bounded(100);
    let thread = std::thread::spawn(move || Followed::Failed(receiver.into_iter().count().to_string()));
    let state = State::Level { sender, thread, patience: vault.follow_patience };
    *lock(&vault.followers) = vec![Follower { other: 0, state }];
    let left = || match &lock(&vault.followers)[0].state {
        State::Level { patience, .. } => *patience,
        _ => panic!("it follows"),
    };
    let mut before = left();
    for n in 0..3 {
        let (name, bytes) = some_object(n);
        vault.follow(name, &bytes);
        assert!(left() < before, "no time passes for nothing");
        before = left();
    }
    assert_eq!(vault.finish_following()[0].1, Followed::Failed("3".into()));
}

/// The data packs of the primary.
fn data_packs(world: &World) -> Vec<ObjectName> {
    world.store(0).list(&packs_prefix(false)).expect("listed").objects.into_iter().map(|object| object.name).collect()
}

/// All of the newest snapshot comes back from the primary alone.
fn restores(world: &World) {
    let mut vault = world.open("fresh", Purpose::Read);
    vault.others.clear();
    let target = world.folder.path().join("out");
    let _ = fs::remove_dir_all(&target);
    let snapshot = vault.resolve("latest").expect("a snapshot");
    let report = restore(&vault, &RestoreOptions::new(snapshot, target), &Watch::new()).expect("restores");
    assert_eq!(report.problems, 0);
}

#[test]
fn packs_that_the_store_has_lost_are_stored_again() {
    let world = World::new();
    let mut vault = world.open("home", Purpose::Push);
    vault.others.clear();
    world.push(&mut vault, 1);
    let lost = data_packs(&world);
    for pack in &lost {
        world.store(0).delete(pack).expect("deleted");
    }
    // Listed today already.
    assert_eq!(world.push(&mut vault, 2).data_chunks, 1);

    let id = vault.id();
    let set = |change: &dyn Fn(&mut Claims)| {
        let home = world.home("home");
        let mut claims = home.claims(id).expect("remembered");
        change(&mut claims);
        home.set_claims(rustcrypto::provider(), id, &claims).expect("written");
    };
    set(&|claims| claims.listed.secs -= LISTED);
    let report = world.push(&mut vault, 3);
    assert_eq!(report.data_chunks, 2, "the lost one, and the new one");
    restores(&world);
    // Known from now on: neither claimed, nor a reason to read everything again.
    assert_eq!(world.home("home").claims(id).expect("remembered").gone.len(), lost.len());
    assert!(vault.parent_content_counts(report.snapshot));
    assert_eq!(world.push(&mut vault, 4).data_chunks, 1);

    // A state that knows more than the store shows was restored, or the store was: listed again.
    let changes: [&dyn Fn(&mut Claims); 4] = [
        &|claims| claims.roster_heads.push(Identity([9; 32])),
        &|claims| claims.collectors.push(Identity([9; 32])),
        &|claims| claims.store = [9; 16],
        // A clock that was set back.
        &|claims| claims.listed.secs += LISTED,
    ];
    for (n, change) in changes.into_iter().enumerate() {
        let newest = data_packs(&world).pop().expect("a pack");
        world.store(0).delete(&newest).expect("deleted");
        set(change);
        let report = world.push(&mut vault, 10 + n as u64);
        assert!(report.data_chunks >= 2, "{n}: what was lost, and the new one");
        restores(&world);
    }
}

#[test]
fn an_accepted_loss_is_in_the_log() {
    let world = World::new();
    let mut vault = world.open("home", Purpose::Push);
    world.push(&mut vault, 1);
    let kept = vault.log_pins()[&vault.device_id()][0];
    vault.add_store(&StoreConfig::unnamed(URLS[1])).expect("added");
    mirror(&world.store(0), &world.store(1), &MirrorOptions::default(), &Watch::new()).expect("copied");
    vault.others.clear();
    world.push(&mut vault, 2);
    let lost = vault.log_pins()[&vault.device_id()][0];
    assert!(vault.log().accepted().is_empty());
    let device = vault.device_id();
    drop(vault);

    let mut vault = world.open_at(1, "home", true);
    assert!(vault.behind().is_some());
    vault.make_primary(true).expect("it is the primary");
    let loss =
        Accepted { device, pinned: lost.identity, pinned_seq: lost.seq, now: Some(kept.identity), now_seq: kept.seq };
    assert_eq!(vault.log().accepted(), [(device, loss)]);
    assert_eq!(vault.behind(), None);
    drop(vault);
    // Everybody reads it; said once it is not said again.
    let mut vault = world.open_at(1, "home", true);
    assert_eq!((vault.behind(), vault.log().accepted().len()), (None, 1));
    vault.make_primary(true).expect("it is the primary");
    assert_eq!(vault.log().accepted().len(), 1);
    assert_eq!(world.open_at(1, "fresh", false).log().accepted(), [(device, loss)]);

    // What is not lost, or not as it is said, is no loss.
    let lies = [
        Accepted { pinned: kept.identity, ..loss },
        Accepted { now_seq: kept.seq + 1, ..loss },
        Accepted { device: DeviceId([9; 16]), ..loss },
        Accepted { now: None, now_seq: 7, ..loss },
    ];
    vault.append(Payload::Accept(lies.to_vec())).expect("written");
    vault.refresh().expect("read");
    assert_eq!(vault.log().accepted(), [(device, loss)]);
}

/// What is no entry is fetched once, from a store that is behind as well.
#[test]
fn a_store_that_lags_is_asked_once_for_what_is_no_entry() {
    let world = World::new();
    let mut vault = world.open("home", Purpose::Push);
    world.push(&mut vault, 1);
    mirror(&world.store(0), &world.store(1), &MirrorOptions::default(), &Watch::new()).expect("copied");
    vault.others.clear();
    world.push(&mut vault, 2);
    let device = vault.device_id();
    drop(vault);
    let meter = Meter::default();
    let metered = || Store::from_object_store(meter.wrap(world.objects[1].clone()), URLS[1]).expect("a store");
    for n in 0..10 {
        let bytes = vec![n; 4096];
        let hash = ObjectHash(rustcrypto::provider().hash.hash(&[&bytes]));
        world.store(1).put(&ObjectName::Log { device, seq: 5, hash }, bytes.into()).expect("put");
    }
    for is_first in [true, false, false] {
        let home = world.home("home");
        let state = home.device(home.vaults().expect("listed")[0]).expect("read");
        let mut unlock = |_: &str| Ok(UnlockSecret::Passphrase(passphrase()));
        let mut options = OpenOptions::new(URLS[1], &home, "another", &mut unlock);
        (options.purpose, options.accept_loss) = (Purpose::Read, true);
        let vault = Vault::open_on(metered(), URLS[1].into(), Some(state), options).expect("opens");
        assert!(vault.behind().is_some());
        assert_eq!(meter.take().gets > 0, is_first);
    }
}

const URLS: [&str; 2] = ["memory://several-one", "memory://several-two"];
