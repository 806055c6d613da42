//! Entries that cannot be judged yet, or that the roster does not found: fetched once, judged in each run.

use super::super::Reading;
use super::*;
use crate::log::{Local, Log, LogListing};

/// A collector with an entry and one that is not shown yet, and a reader whose entries cannot be compared without it.
struct Unshown {
    world: World,
    reader: DeviceId,
    /// The reader's entries.
    names: Vec<ObjectName>,
    collector: DeviceKeys,
    first: Identity,
    second: Forged,
}

fn unshown(second_follows: bool) -> Unshown {
    let world = World::new();
    let (collector, reader) = (world.device(COLLECTOR), world.device(Capabilities::READ));
    let first = world.forge(&collector, 1, &[], &world.body(|_| {}));
    let prev = [first.identity];
    let second = world.forge(&collector, 2, if second_follows { &prev } else { &[] }, &world.body(|_| {}));
    world.put(&first);
    let seen = |head: &Forged| world.body(|body| body.seen = [(collector.id, vec![head.identity])].into());
    let one = world.forge(&reader, 1, &[], &seen(&first));
    let two = world.forge(&reader, 2, &[one.identity], &seen(&second));
    let three = world.forge(&reader, 3, &[two.identity], &seen(&second));
    let names = [one, two, three].map(|entry| world.put(&entry)).to_vec();
    let first = first.identity;
    Unshown { reader: reader.id, names, collector, first, second, world }
}

/// How many objects it takes to open the vault again.
fn gets(world: &World, home: &str) -> u64 {
    world.meter.take();
    world.open(home);
    world.meter.take().gets
}

fn undecided(vault: &Vault) -> Vec<ObjectName> {
    let entries = vault.log().to_known().into_iter().filter(|entry| entry.is_undecided);
    entries.map(|entry| ObjectName::Log { device: entry.device, seq: entry.seq, hash: entry.object }).collect()
}

#[test]
fn what_cannot_be_judged_is_fetched_once_and_judged_when_the_rest_is_shown() {
    for follows in [true, false] {
        let Unshown { world, reader, names, second, .. } = unshown(follows);
        assert!(undecided(&world.open("home")) == names[1..] && gets(&world, "home") == 0);
        // Within one run it is not fetched either, however often the logs are read.
        world.push("home", 1);
        assert_eq!(undecided(&world.open("home")), names[1..]);
        world.put(&second);
        assert_eq!(gets(&world, "home"), 1);
        let vault = world.open("home");
        assert_eq!(undecided(&vault), []);
        let fault = vault.log().suspicions().get(&reader).and_then(|suspicion| suspicion.fault);
        assert_eq!(fault, (!follows).then_some(Fault::Seen));
        assert_eq!(gets(&world, "home"), 0);
        assert_eq!(world.open("fresh").log().suspicions(), vault.log().suspicions(), "as who reads all of it anew");
    }
}

/// A copy of what could not be judged shows nothing that the store does not.
#[test]
fn what_cannot_be_judged_is_not_there_once_the_store_lacks_it() {
    let Unshown { world, reader, names, collector, first, .. } = unshown(true);
    let vault = world.open("home");
    world.hide(&names[2..]);
    let provider = rustcrypto::provider();
    let reading = Reading { provider, roster: &vault.roster, keys: &vault.keys, own: vault.device_id() };
    let store = world.store();
    let get = |name: &ObjectName| store.get(name, &|bytes| provider.hash.hash(&[bytes]));
    let read = || {
        let known = vault.log().to_known();
        let listing = LogListing::read_whole(&store, None).expect("listed");
        Log::read(&get, &reading, listing, Local { known, ..Local::default() }).expect("read")
    };
    assert_eq!(read().of(reader).count(), 2, "not of this log, and not missed");
    // Nobody has pinned it but this machine, which has seen it and says so.
    assert!(world.refused("home").contains("mallory"));
    world.hide(&names[1..2]);
    assert_eq!(read().of(reader).count(), 1);
    assert_eq!(read().heads(collector.id), [first]);
}

#[test]
fn what_the_roster_does_not_found_is_fetched_once_and_again_when_it_does() {
    let world = World::new();
    let pusher = world.device(Capabilities::PUSH);
    let forged = World::forge_of(&world.open("home"), Domain::SHARED, &pusher, 1, &[], &world.body(|_| {}));
    let name = world.put(&forged);
    let is_junk = |vault: &Vault| {
        let junk = vault.log().junk();
        vault.log().get(&forged.identity).is_none() && matches!(junk, [only] if only.path == name.to_path())
    };
    assert_eq!(gets(&world, "home"), 1);
    assert_eq!(gets(&world, "home"), 0);
    assert!(is_junk(&world.open("home")));
    // Whoever names it is told that it is there, in each run.
    let reader = world.device(Capabilities::READ);
    world.put(&world.forge(
        &reader,
        1,
        &[],
        &world.body(|body| body.other_heads = [(pusher.id, forged.identity)].into()),
    ));
    for _ in 0..2 {
        assert!(world.open("home").log().hearsay().is_empty());
    }
    assert!(is_junk(&world.try_open("home", |options| options.purpose = Purpose::Check).expect("opens")));

    let mut vault = world.open("home");
    vault.grant(pusher.id, Capabilities::READ, None).expect("granted");
    drop(vault);
    assert_eq!(gets(&world, "home"), 1);
    let vault = world.open("home");
    assert!(vault.log().get(&forged.identity).is_some() && vault.log().junk().is_empty());
    assert_eq!(gets(&world, "home"), 0);
}

const COLLECTOR: Capabilities = Capabilities::READ.union(Capabilities::PRUNE);
