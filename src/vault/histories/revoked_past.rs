//! A store that deletes what a revocation has adopted of the revoked device's log: that would make the whole log void.

use super::super::Reading;
use super::*;
use crate::log::{Local, Log, LogListing};

/// A machine that has pushed three times and is revoked after that. Gives its entries' names.
fn revoked(world: &World) -> Vec<ObjectName> {
    world.push("home", 1);
    let second = world.open("second").device_id();
    for seed in 2..5 {
        world.push("second", seed);
    }
    // Has seen it all, the revocation not yet.
    world.open("third");
    let mut vault = world.open("home");
    let report = vault.revoke(second, None).expect("revoked");
    assert_eq!(report.last.map(|(_, seq)| seq), Some(3));
    let of_second = |name: &ObjectName| matches!(name, ObjectName::Log { device, .. } if *device == second);
    world.logs().into_iter().filter(of_second).collect()
}

#[test]
fn last_adopted_entry_deleted() {
    let world = World::new();
    let mine = revoked(&world);
    assert_eq!(world.open("fresh").snapshots().len(), 4);
    world.hide(&mine[2..]);
    for home in ["home", "third", "fresh"] {
        world.refused(home);
    }
    let never = world.refused("never here");
    assert!(never.contains("adopted when its device was revoked"), "{never}");
    // A person goes on without it, and what else was adopted stays.
    world.accept("home");
    for home in ["home", "never here", "third"] {
        assert_eq!(world.open(home).snapshots().len(), 3, "{home}");
    }
}

#[test]
fn adopted_entry_in_the_middle_deleted() {
    let world = World::new();
    let mine = revoked(&world);
    world.hide(&mine[1..2]);
    for home in ["home", "third", "never here"] {
        world.refused(home);
    }
}

#[test]
fn adopted_entry_left_out_of_an_export() {
    let world = World::new();
    let mine = revoked(&world);
    let vault = world.open("home");
    let file = vault.export_history().expect("exported");
    assert_eq!(History::verify(&file, Some(vault.id())).expect("verified").trouble, Vec::<String>::new());
    for gone in &mine[1..] {
        let bytes = world.bytes(gone);
        let mut parsed = HistoryFile::parse(&file).expect("parsed");
        parsed.entries.retain(|entry| entry.stored != &bytes[..]);
        let read = History::verify(&parsed.encode().expect("encoded"), Some(vault.id())).expect("read");
        assert!(read.trouble.iter().any(|trouble| trouble.contains("is missing")), "{:?}", read.trouble);
    }
}

/// What is void is nobody's loss.
#[test]
fn void_entry_of_a_revoked_device_deleted() {
    let world = World::new();
    let mallory = world.device(Capabilities::READ);
    let first = world.forge(&mallory, 1, &[], &world.body(|_| {}));
    world.put(&first);
    let after = world.forge(&mallory, 2, &[first.identity], &world.body(|_| {}));
    world.open("home").revoke(mallory.id, None).expect("revoked");
    let name = world.put(&after);
    for home in ["home", "fresh"] {
        assert_eq!(world.open(home).log().of(mallory.id).count(), 1, "{home}");
    }
    world.hide(&[name]);
    for home in ["home", "fresh", "never here"] {
        let vault = world.open(home);
        assert!(vault.warnings().is_empty(), "{home}: {:?}", vault.warnings());
    }
}

/// A store that follows another one has the revocation, and not yet what it adopted.
#[test]
fn adopted_entries_that_have_not_come_to_a_lagging_store() {
    let world = World::new();
    let mine = revoked(&world);
    let vault = world.open("home");
    let provider = rustcrypto::provider();
    let reading = Reading { provider, roster: &vault.roster, keys: &vault.keys, own: vault.device_id() };
    let store = world.store();
    let get = |name: &ObjectName| store.get(name, &|bytes| provider.hash.hash(&[bytes]));
    world.hide(&mine[1..]);
    let listing = || LogListing::read_whole(&store, None).expect("listed");
    // Nothing is known beside what it shows.
    let lagging = Some(&[][..]);
    assert!(Log::read(&get, &reading, listing(), Local { lagging, ..Local::default() }).is_ok());
    assert!(Log::read(&get, &reading, listing(), Local::default()).is_err(), "of the primary");
    // This machine knows the rest, and with it that what is there is not void.
    let known = vault.log().to_known();
    let pins = super::super::open::pinned(&vault.home.pins(vault.id()).expect("read"), None);
    let (log, behind) =
        Log::read_lagging(&get, &reading, listing(), known, &pins, Default::default()).expect("it lags");
    let ObjectName::Log { device, .. } = mine[0] else { panic!("an entry") };
    assert_eq!((behind, log.of(device).count()), (2, 1));
    // At first contact, too.
    let refused = |accept_loss| world.try_open("new", |options| options.accept_loss = accept_loss).err();
    assert!(refused(false).is_some_and(|error| error.trouble() == Trouble::Integrity));
    assert!(refused(true).is_none());
}
