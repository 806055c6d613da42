//! Copies that fail at every write, and sources and targets that are not what they should be.

use std::fs;
use std::sync::Arc;

use bytes::Bytes;
use crypto_backends::rustcrypto::lower_kdf_floors_for_tests;
use object_store::memory::InMemory;
use vault_format::log::{Body, Final, Payload, entry_prefix};
use vault_format::name::{ObjectName, PackName, prefix};
use vault_format::signed::clear_object;
use vault_format::{DeviceId, Domain, EpochId, Header, Identity, Mode, ObjectHash, ObjectType};

use super::{MirrorError, MirrorOptions, MirrorReport, mirror};
use crate::check::{CheckOptions, ReadData, check};
use crate::keys::Passphrase;
use crate::push::{PushOptions, push};
use crate::stage::testing::random_bytes;
use crate::state::Home;
use crate::store::Store;
use crate::store::faults::{Fault, Faults, Operation};
use crate::vault::{InitOptions, OpenOptions, UnlockSecret, Vault, VaultError};
use crate::watch::Watch;

/// A vault with two snapshots in several packs, and its store.
struct World {
    folder: tempfile::TempDir,
    store: Store,
    vault: Vault,
}

fn passphrase() -> Passphrase {
    Passphrase::new("correct horse").expect("a passphrase")
}

impl World {
    fn new() -> Self {
        lower_kdf_floors_for_tests();
        let folder = tempfile::tempdir().expect("a folder");
        let home = Arc::new(Home::open(&folder.path().join("home")).expect("a home"));
        let store = empty("source");
        let options = InitOptions::new("memory://source", &home, "tester", passphrase());
        let vault = Vault::init_on(store.clone(), "memory://source".into(), options).expect("a vault").vault;
        let mut world = Self { folder, store, vault };
        world.push(1);
        world.push(2);
        world
    }

    fn push(&mut self, seed: u64) {
        let source = self.folder.path().join("source");
        fs::create_dir_all(&source).expect("made");
        fs::write(source.join(format!("file {seed}")), random_bytes(seed, 300_000)).expect("written");
        self.vault.progress_after_each_pack = true;
        let options =
            PushOptions { paths: vec![source], host: "host".into(), workers: Some(1), ..PushOptions::default() };
        push(&mut self.vault, &options, &Watch::new()).expect("pushed");
    }

    fn mirror_to(&self, to: &Store) -> Result<MirrorReport, MirrorError> {
        mirror(&self.store, to, &MirrorOptions::default(), &Watch::new())
    }

    /// Signs and stores an entry in clear.
    fn append_clear(&self, seq: u64, prev: Vec<Identity>, payload: Payload) -> (ObjectName, Identity) {
        let (provider, device) = (self.vault.provider(), self.vault.device_keys());
        let body = Body {
            time: crate::now(),
            roster_heads: self.vault.roster().heads.clone(),
            other_heads: Default::default(),
            seen: Default::default(),
            deltas: Vec::new(),
            parts: Default::default(),
            payload,
        };
        let header = Header {
            suite: provider.suite,
            object_type: ObjectType::Entry,
            mode: Mode::Clear,
            vault: self.vault.id(),
            epoch: EpochId::NONE,
            domain: Domain::SHARED,
            writer: device.id,
            salt: [seq as u8; 32],
        };
        let body = body.encode().expect("a body");
        let mut bytes = clear_object(entry_prefix(&header, seq, &prev), &body, provider.suite.signature_len());
        let identity = Identity(provider.hash.hash(&[&bytes]));
        bytes.extend(device.sign_stored(provider, ObjectType::Entry, &bytes).expect("signed"));
        let name = ObjectName::Log { device: device.id, seq, hash: ObjectHash(provider.hash.hash(&[&bytes])) };
        self.store.put(&name, Bytes::from(bytes)).expect("stored");
        (name, identity)
    }
}

fn empty(label: &str) -> Store {
    Store::from_object_store(Arc::new(InMemory::new()), label).expect("a store")
}

fn objects(store: &Store) -> Vec<(ObjectName, Bytes)> {
    let listed = store.list(&prefix()).expect("listed").objects;
    listed.iter().map(|object| (object.name, store.get_unverified(&object.name).expect("read"))).collect()
}

/// What somebody who knows the passphrase finds there: the number of snapshots, all of them whole. None: no vault yet.
fn snapshots_in(store: &Store, world: &World) -> Option<usize> {
    let home = Arc::new(Home::open(&world.folder.path().join("other home")).expect("a home"));
    let mut unlock = |_: &str| Ok(UnlockSecret::Passphrase(passphrase()));
    let mut options = OpenOptions::new("memory://copy", &home, "other", &mut unlock);
    options.enroll = false;
    match Vault::open_on(store.clone(), "memory://copy".into(), None, options) {
        Ok(vault) => {
            let report = check(&vault, &CheckOptions { read_data: ReadData::All }, &Watch::new()).expect("checked");
            assert!(report.ok(), "{:?}", report.damaged);
            Some(vault.snapshots().len())
        }
        Err(VaultError::NoVault { .. }) => None,
        Err(error) => panic!("{}", crate::chain(&error)),
    }
}

#[test]
fn copies_what_is_missing_and_nothing_else() {
    let mut world = World::new();
    let (copy, faults) = faulty();
    let report = world.mirror_to(&copy).expect("copied");
    assert!(report.complete() && report.ignored_count == 0, "{report:?}");
    assert_eq!(objects(&copy), objects(&world.store));
    assert_eq!(report.copied().objects as usize, objects(&copy).len());
    assert_eq!(snapshots_in(&copy, &world), Some(2));

    faults.reset();
    let again = world.mirror_to(&copy).expect("copied");
    assert_eq!((faults.count(Operation::Put), faults.count(Operation::Get)), (0, 0));
    assert_eq!((again.copied().objects, again.present as usize), (0, objects(&copy).len()));

    world.push(3);
    let more = objects(&world.store).len() - objects(&copy).len();
    faults.reset();
    assert_eq!(world.mirror_to(&copy).expect("copied").copied().objects as usize, more);
    assert_eq!(faults.count(Operation::Put) as usize, more);
    assert_eq!(snapshots_in(&copy, &world), Some(3));
}

#[test]
fn mirror_killed_midway_is_valid_vault() {
    let world = World::new();
    let total = objects(&world.store).len() as u64;
    assert!(total > 10, "only {total} objects");
    for n in 1..=total {
        for fault in [Fault::KillBefore, Fault::KillAfter, Fault::NoSpace, Fault::LoseReply] {
            let (copy, faults) = faulty();
            faults.at(Operation::Put, n, fault);
            let ended = world.mirror_to(&copy);
            // A lost reply is looked into, and was no failure.
            assert_eq!(ended.is_ok(), fault == Fault::LoseReply, "{fault:?} at write {n}");
            faults.reset();
            let found = snapshots_in(&copy, &world);
            assert!(found.is_none_or(|count| count <= 2));
            let report = world.mirror_to(&copy).expect("goes on");
            assert!(report.present > 0 || n == 1 || fault == Fault::KillBefore, "{report:?}");
            assert_eq!(objects(&copy), objects(&world.store), "{fault:?} at write {n}");
        }
    }
}

#[test]
fn damage_is_not_copied_and_is_healed() {
    let world = World::new();
    let copy = empty("copy");
    world.mirror_to(&copy).expect("copied");
    for (name, bytes) in objects(&world.store) {
        let mut wrong = bytes.to_vec();
        wrong[bytes.len() / 2] ^= 1;
        let cut = bytes.slice(..bytes.len() - 1);

        // In the target: another size shows in the listing, other bytes only when they are read.
        overwrite(&copy, &name, cut.clone());
        let report = world.mirror_to(&copy).expect("copied");
        assert_eq!((report.healed.objects, report.copied().objects), (1, 0), "{name:?}");
        overwrite(&copy, &name, wrong.clone().into());
        assert_eq!(world.mirror_to(&copy).expect("copied").healed.objects, 0);
        let options = MirrorOptions { read_data: true, ..MirrorOptions::default() };
        let report = mirror(&world.store, &copy, &options, &Watch::new()).expect("copied");
        assert_eq!((report.healed.objects, report.complete()), (1, true), "{name:?}");
        assert_eq!(objects(&copy), objects(&world.store));

        // In the source: what the target has stays, and an empty target does not get it.
        for bad in [wrong.into(), cut] {
            overwrite(&world.store, &name, bad);
            let options = MirrorOptions { read_data: true, ..MirrorOptions::default() };
            let vault = Some(world.vault.id());
            let kept = mirror(&world.store, &copy, &MirrorOptions { vault, ..options }, &Watch::new()).expect("copied");
            assert_eq!(kept.healed.objects, 0, "{name:?}");
            let fresh = empty("fresh");
            match world.mirror_to(&fresh) {
                Ok(report) => {
                    assert!(!report.complete(), "{name:?}: {report:?}");
                    assert!(report.damaged.iter().any(|one| one.object == name.to_path() && one.store == "source"));
                    assert!(!fresh.exists(&name).expect("looked"));
                }
                // Nobody knows whose vault it is without its first record.
                Err(error) => {
                    assert!(matches!(error, MirrorError::NoVault { .. }) && is_genesis(&name), "{error}");
                }
            }
            // What is damaged in the source is healed from the target: the other way round.
            mirror(&copy, &world.store, &MirrorOptions { read_data: true, ..options }, &Watch::new()).expect("copied");
            assert_eq!(objects(&copy), objects(&world.store), "{name:?}");
        }
    }
}

#[test]
fn a_hole_in_a_log_holds_back_what_follows() {
    let world = World::new();
    let entries: Vec<_> =
        objects(&world.store).into_iter().filter(|(name, _)| matches!(name, ObjectName::Log { .. })).collect();
    let (second, bytes) = entries[1].clone();
    world.store.delete(&second).expect("deleted");
    let copy = empty("copy");
    let report = world.mirror_to(&copy).expect("copied");
    assert_eq!((report.entries.objects, report.held_back as usize), (1, entries.len() - 2));
    assert!(!report.complete());
    snapshots_in(&copy, &world).expect("a valid vault, as far as it goes");
    world.store.put(&second, bytes).expect("stored");
    assert!(world.mirror_to(&copy).expect("copied").complete());
    assert_eq!(objects(&copy), objects(&world.store));
}

#[test]
fn planted_objects_are_not_trusted_and_capped() {
    let world = World::new();
    let provider = world.vault.provider();
    let (copy, clean) = (empty("copy"), empty("clean"));
    world.mirror_to(&clean).expect("copied");
    let plant = |bytes: Vec<u8>, name: &dyn Fn(ObjectHash) -> ObjectName| {
        let name = name(ObjectHash(provider.hash.hash(&[&bytes])));
        world.store.put(&name, bytes.into()).expect("planted");
        name
    };
    let (own, foreign) = (world.vault.device_id(), DeviceId([7; 16]));
    let pack = |device| move |hash| ObjectName::Pack(PackName { tree: false, device, hash });
    let real = objects(&world.store).into_iter().find(|(name, _)| matches!(name, ObjectName::Pack(_)));
    let real = real.expect("a pack").1.to_vec();
    // Noise with the right hash; a real pack under another device; an entry that nobody signed; another vault's header.
    let mut unsigned =
        objects(&world.store).into_iter().find(|(n, _)| matches!(n, ObjectName::Log { .. })).expect("one");
    let mut bytes = unsigned.1.to_vec();
    *bytes.last_mut().expect("a signature") ^= 1;
    unsigned.1 = bytes.into();
    let mut other = real.clone();
    other[10] ^= 1;
    let planted = [
        plant(random_bytes(9, 65_536), &pack(own)),
        plant(random_bytes(10, 65_536), &pack(foreign)),
        plant(real.clone(), &pack(foreign)),
        plant(other, &pack(own)),
        plant(unsigned.1.to_vec(), &|hash| ObjectName::Log { device: own, seq: 1, hash }),
        plant(random_bytes(11, 4096), &|hash| ObjectName::Roster { n: 9, hash }),
    ];
    let report = world.mirror_to(&copy).expect("copied");
    assert!(report.complete(), "{report:?}");
    assert!(report.ignored_count >= 5, "{:?}", report.ignored);
    for name in planted {
        assert!(!copy.exists(&name).expect("looked"), "{name:?}");
    }
    assert_eq!(objects(&copy), objects(&clean));

    // A header of this vault is no secret: what is under it is copied, and costs space, up to the limit.
    let mut noise = real;
    noise[200] ^= 1;
    let name = plant(noise, &pack(own));
    let options = MirrorOptions { max_bytes: Some(1000), ..MirrorOptions::default() };
    let error = mirror(&world.store, &copy, &options, &Watch::new()).expect_err("too much");
    assert!(matches!(error, MirrorError::TooMuch { .. }));
    assert!(!copy.exists(&name).expect("looked"));
    world.mirror_to(&copy).expect("copied");
    assert!(copy.exists(&name).expect("looked"));
    assert_eq!(snapshots_in(&copy, &world), Some(2));
}

#[test]
fn a_target_with_something_else_is_refused() {
    let (world, other) = (World::new(), World::new());
    let refused = |to: &Store| {
        let before = objects(to);
        let error = world.mirror_to(to).expect_err("refused");
        assert!(matches!(error, MirrorError::OtherVault { .. }), "{error}");
        assert_eq!(objects(to), before);
    };
    refused(&other.store);
    // A copy of the other vault that was interrupted: packs, and no records yet.
    let (partial, faults) = faulty();
    faults.at(Operation::Put, 3, Fault::KillBefore);
    other.mirror_to(&partial).expect_err("interrupted");
    faults.reset();
    refused(&partial);
    // A genesis that somebody plants beside this vault changes nothing.
    let copy = empty("copy");
    world.mirror_to(&copy).expect("copied");
    let genesis = objects(&other.store).into_iter().find(|(name, _)| is_genesis(name)).expect("a genesis");
    copy.put(&genesis.0, genesis.1).expect("planted");
    world.mirror_to(&copy).expect("copied");
}

#[test]
fn mirror_does_not_resurrect() {
    let world = World::new();
    let copy = empty("copy");
    world.mirror_to(&copy).expect("copied");
    let own = world.vault.device_id();
    let packs: Vec<_> = objects(&world.store).into_iter().filter(|(n, _)| matches!(n, ObjectName::Pack(_))).collect();
    let [(doomed, bytes), (kept, _)] = &packs[..2] else { panic!("two packs") };
    let (ObjectName::Pack(doomed_pack), ObjectName::Pack(kept_pack)) = (*doomed, *kept) else { panic!("packs") };
    let head = world.vault.log().heads(own);
    let next = world.vault.log().next_seq(&head);
    let end = |condemn, packs: &[PackName]| {
        let frontier = [(own, head.clone())].into();
        let mut packs = packs.to_vec();
        packs.sort_unstable();
        let (index, entries, parts) = Default::default();
        Payload::Final(Final { condemn, frontier, packs, index, entries, parts })
    };

    // A final that names more than its condemn counts for nothing.
    let (_, condemn) = world.append_clear(next, head.clone(), Payload::Condemn(vec![doomed_pack]));
    let (_, wrong) = world.append_clear(next + 1, vec![condemn], end(condemn, &[doomed_pack, kept_pack]));
    world.store.delete(kept).expect("deleted");
    let report = world.mirror_to(&copy).expect("copied");
    assert_eq!((report.deleted.objects, report.extra), (0, 1));
    assert!(copy.exists(kept).expect("looked"));

    // Named, but still in the source: the collector has not deleted it yet.
    world.append_clear(next + 2, vec![wrong], end(condemn, &[doomed_pack]));
    assert_eq!(world.mirror_to(&copy).expect("copied").deleted.objects, 0);
    assert!(copy.exists(doomed).expect("looked"));
    world.store.delete(doomed).expect("deleted");
    let report = world.mirror_to(&copy).expect("copied");
    assert_eq!((report.deleted.objects, report.deleted.bytes), (1, bytes.len() as u64));
    assert!(!copy.exists(doomed).expect("looked"));

    // Whoever puts it back in the source does not get it into the copy.
    world.store.put(doomed, bytes.clone()).expect("replayed");
    for cache in [None, Some(world.folder.path()), Some(world.folder.path())] {
        let options = MirrorOptions { cache, ..MirrorOptions::default() };
        let report = mirror(&world.store, &copy, &options, &Watch::new()).expect("copied");
        assert_eq!(report.copied().objects, 0, "{report:?}");
        assert!(!copy.exists(doomed).expect("looked"));
    }
}

fn faulty() -> (Store, Faults) {
    let faults = Faults::new();
    let objects = faults.wrap(Arc::new(InMemory::new()));
    (Store::from_object_store(objects, "copy").expect("a store"), faults)
}

fn is_genesis(name: &ObjectName) -> bool {
    matches!(name, ObjectName::Roster { n: 0, .. })
}

fn overwrite(store: &Store, name: &ObjectName, bytes: Bytes) {
    store.delete(name).expect("deleted");
    store.put(name, bytes).expect("stored");
}
