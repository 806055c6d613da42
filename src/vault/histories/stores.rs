//! A hostile store that shows each device something else, or the same thing in another order.

use super::super::Reading;
use super::*;
use crate::log::{Local, Log, LogListing};

/// What it shows one device it must show it for ever; and whatever of the one history gets into the other tells on it.
#[test]
fn a_store_that_forks_for_each_device() {
    let world = World::new();
    world.push("home", 1);
    let first = world.open("home").device_id();
    world.push("second", 2);
    world.push("home", 3);
    let seen_by_second = world.open("second").log().len();
    assert_eq!(seen_by_second, 3);

    // Two histories from here on: each sees its own pushes and none of the other's. So far nobody can know.
    let before: Vec<ObjectName> = world.logs();
    let new = |world: &World| world.logs().into_iter().filter(|name| !before.contains(name)).collect::<Vec<_>>();
    world.push("home", 4);
    let of_first = world.hide(&new(&world));
    world.push("second", 5);
    let of_second = world.hide(&new(&world));
    world.show(of_first.clone());
    world.push("home", 6);
    let of_first = [of_first, world.hide(&new(&world)[1..])].concat();
    world.hide(&of_first.iter().take(1).map(|(name, _)| *name).collect::<Vec<_>>());

    // To each the history of the other alone: what it wrote itself is gone.
    world.show(of_second.clone());
    world.refused("home");
    assert!(world.try_open("second", |_| {}).is_ok());
    world.hide(&of_second.iter().map(|(name, _)| *name).collect::<Vec<_>>());
    world.show(of_first.clone());
    world.refused("second");
    assert!(world.try_open("home", |_| {}).is_ok());

    // An entry that was written in sight of both betrays a store that goes on with one of them.
    world.show(of_second);
    world.push("second", 7);
    world.hide(&of_first.iter().map(|(name, _)| *name).collect::<Vec<_>>());
    let newcomer = world.open("never here");
    assert_eq!(newcomer.log().hearsay().len(), 1);
    assert_eq!(newcomer.log().hearsay()[0].about, first);
    assert!(warned(&newcomer, "withholds it, or the device lies"), "{:?}", newcomer.warnings());
    // What the store withholds accuses nobody who has seen it, now or later.
    assert!(newcomer.log().suspicions().is_empty(), "{:?}", newcomer.log().suspicions());
    drop(newcomer);
    world.refused("second");
    world.refused("home");

    // All of it together is one history again, and nobody has lost anything.
    world.show(of_first);
    for home in ["home", "second", "never here"] {
        let vault = world.open(home);
        assert_eq!((vault.snapshots().len(), vault.log().hearsay().len()), (7, 0), "{home}");
        assert!(vault.log().suspicions().is_empty(), "{home}");
    }
}

#[test]
fn a_store_that_reorders() {
    let world = World::new();
    for (home, seed) in [("home", 1), ("second", 2), ("home", 3), ("second", 4), ("home", 5)] {
        world.push(home, seed);
    }
    let vault = world.open("home");
    let reading = Reading { provider: vault.provider, roster: &vault.roster, keys: &vault.keys, own: vault.device.id };
    let store = world.store();
    let get = |name: &ObjectName| store.get(name, &|bytes| vault.hash(bytes));
    let mut objects = store.list(&vault_format::name::logs_prefix()).expect("listed").objects;
    for _ in 0..objects.len() {
        objects.rotate_left(1);
        for reversed in [false, true] {
            let mut shown = objects.clone();
            if reversed {
                shown.reverse();
            }
            let log = Log::read(&get, &reading, LogListing::of(shown), Local::default()).expect("one history");
            let is_same =
                |log: &Log| log.entries().map(|entry| entry.identity).eq(vault.log.entries().map(|e| e.identity));
            assert!(is_same(&log) && log.suspicions().is_empty() && log.hearsay().is_empty() && log.lost().is_empty());
        }
    }
    drop(vault);

    // Later entries before earlier ones: to whoever has seen nothing yet as well.
    let device = world.open("home").device_id();
    let mine =
        world.logs().into_iter().filter(|name| matches!(name, ObjectName::Log { device: of, .. } if *of == device));
    let mine: Vec<_> = mine.collect();
    let held_back = world.hide(&mine[..1]);
    for home in ["home", "second", "never here"] {
        world.refused(home);
    }
    world.show(held_back);
    assert_eq!(world.open("never here").snapshots().len(), 5);
}

/// What the store has lost of the roster is what its devices have kept of it.
#[test]
fn roster_records_put_back() {
    let world = World::new();
    world.push("home", 1);
    world.open("second");
    // Has seen the second machine come in.
    world.open("home");
    let roster = world.store().list(&vault_format::name::roster_prefix()).expect("listed").objects;
    let names: Vec<_> = roster.iter().map(|object| object.name).collect();
    let newest = *names.iter().max_by_key(|name| matches!(name, ObjectName::Roster { n, .. } if *n > 0)).expect("one");
    assert!(matches!(newest, ObjectName::Roster { n: 1.., .. }), "{newest:?}");
    let lost = world.hide(&[newest]);
    let said = world.refused("home");
    assert!(said.contains("roster"), "{said}");
    assert!(world.store().get_unverified(&newest).is_err(), "nothing is put back unasked");

    let vault = world.accept("home");
    assert!(warned(&vault, "roster records that the store had lost were put back"), "{:?}", vault.warnings());
    drop(vault);
    assert_eq!(world.bytes(&newest), lost[0].1);
    for home in ["home", "second", "never here"] {
        let vault = world.open(home);
        assert!(vault.warnings().is_empty(), "{home}: {:?}", vault.warnings());
    }
    world.push("second", 2);
    assert_eq!(world.open("home").snapshots().len(), 2);
}
