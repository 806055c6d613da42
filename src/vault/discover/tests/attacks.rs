//! Work that others choose: rosters that are made to be judged for hours, and copies of what is public of our vaults.

use std::time::Instant;

use vault_format::ObjectHash;

use super::*;

/// A vault of the attacker, with records of these operations one after the other.
fn chain(world: &World, place: &str, records: Vec<Vec<Op>>) {
    let (vault, _) = world.init("attacker", place, "the attacker's own");
    let shown = Roster::build(provider(), &world.roster(place), None).expect("a roster");
    let (mut parents, mut n) = shown.next_place(vault.device_id());
    let mut objects = Vec::new();
    for ops in records {
        let signed = sign(provider(), vault.device_keys(), &record(parents, n, ops)).expect("signed");
        (parents, n) = (vec![identity(&signed)], n + 1);
        objects.push((signed.name, signed.bytes));
    }
    world.plant(place, &objects);
}

fn identity(signed: &NewRecord) -> Identity {
    let object = vault_format::roster::RecordObject::parse(&signed.bytes).expect("a record");
    Identity(provider().hash.hash(&[&signed.bytes[..object.signed_len]]))
}

/// Names of records, and nothing in them.
fn junk_records(count: u32) -> Objects {
    let junk = |n: u32| {
        let bytes = [n.to_le_bytes().to_vec(), vec![0; 4092]].concat();
        (ObjectName::Roster { n: 1 + n, hash: ObjectHash(provider().hash.hash(&[&bytes])) }, bytes)
    };
    (0..count).map(junk).collect()
}

/// A vault with a log, and with a record behind its first.
fn ours(world: &World) -> Vault {
    let (mut vault, _) = world.init("alice", "ours", "correct horse");
    world.push(&mut vault);
    let url = format!("{BUCKET}/ours");
    for name in ["second", "alice"] {
        let home = world.home(name);
        let mut unlock = |_: &str| Ok(passphrase("correct horse"));
        let state = (name == "alice").then(|| home.device(vault.id()).expect("read"));
        let options = OpenOptions::new(&url, &home, "x", &mut unlock);
        Vault::open_on(world.store("ours"), url.clone(), state, options).expect("opens");
    }
    assert_eq!(world.roster("ours").len(), 2);
    vault
}

#[test]
fn a_strangers_roster_costs_no_more_than_its_records() {
    let world = World::new();
    world.init("alice", "genuine", "correct horse");
    let target = DeviceId([7; 16]);
    let grants = vec![Op::Grant { id: target, capabilities: Capabilities::READ }; 1024];
    let revocations = vec![Op::Revoke { id: target, last: None }; 1024];
    chain(&world, "many-operations", vec![grants.clone(), grants.clone(), grants, revocations.clone(), revocations]);
    let root = Op::NewRoot { verify_key: world.init("attacker", "x", "another").0.device_keys().verify_key.clone() };
    chain(&world, "many-records", vec![vec![root]; 520]);

    let secret = passphrase("correct horse");
    let begun = Instant::now();
    let found = world.discover(None, Some(&secret));
    assert!(begun.elapsed() < Duration::from_secs(60), "{:?}", begun.elapsed());
    assert_eq!(places(&found), [("genuine", OpenedBy::Passphrase)], "{found:#?}");
    // The attacker's small one is tried; what takes long to judge is counted, and nothing else.
    assert_eq!((found.tries, found.untried, found.others.len()), (2, 2, 3), "{found:#?}");
    assert!(found.problems.is_empty());
    // What many small ones have is one budget.
    let limits = Limits { operations: 7, ..Limits::default() };
    let few = world.discover_within(None, Some(&secret), limits, 1000).expect("listed");
    assert!(few.tries < 2 && few.untried >= 3, "{few:#?}");
}

#[test]
fn what_a_record_repeats_is_merged_once() {
    let world = World::new();
    let last = |n: u16| Some(Identity([n.to_le_bytes(); 16].concat().try_into().expect("32 bytes")));
    let add = |keys: &crate::keys::DeviceKeys| Op::Add {
        id: keys.id,
        verify_key: keys.verify_key.clone(),
        kem_key: keys.kem_key.clone(),
        capabilities: Capabilities::READ,
        slot: None,
        handshake: None,
    };
    let (vault, _) = world.init("attacker", "x", "the attacker's own");
    let keys = crate::keys::DeviceKeys::generate(provider(), vault.id()).expect("keys");
    let shown = Roster::build(provider(), &world.roster("x"), None).expect("a roster");
    let (mut parents, mut n) = shown.next_place(vault.device_id());
    let revocations: Vec<Op> = (0..1024).map(|n| Op::Revoke { id: keys.id, last: last(n) }).collect();
    for ops in [vec![add(&keys)], revocations.clone(), revocations.clone(), revocations.clone(), revocations] {
        let signed = sign(provider(), vault.device_keys(), &record(parents, n, ops)).expect("signed");
        (parents, n) = (vec![identity(&signed)], n + 1);
        world.plant("x", &vec![(signed.name, signed.bytes)]);
    }
    let objects = world.roster("x");
    let begun = Instant::now();
    let roster = Roster::build(provider(), &objects, None).expect("a roster");
    assert_eq!(roster.devices[&keys.id].revocations.len(), 4 * 1024, "each says where the log ends");
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
}

#[test]
fn copies_of_our_beginning_cost_a_list() {
    let world = World::new();
    let ours = ours(&world);
    let all = world.roster("ours");
    for n in 0..5 {
        world.plant(&format!("beginning{n}"), &vec![all[0].clone()]);
        world.plant(&format!("beginning{n}"), &junk_records(50));
    }
    world.meter.take();
    let found = world.discover(Some("alice"), None);
    let cost = world.meter.take();
    assert_eq!(places(&found), [("ours", OpenedBy::Device)], "{found:#?}");
    assert_eq!(found.problems.len(), 5);
    assert!(found.problems.iter().all(|problem| problem.message.contains("less of vault")), "{found:#?}");
    assert!(cost.gets <= 1, "the end of our own log, where it is: {cost:?}");
    assert!(cost.lists <= 7, "{cost:?}");

    // All that is public, but for the log: its end is looked for, and nothing else is read.
    for n in 0..5 {
        world.plant(&format!("beginning{n}"), &all);
    }
    world.meter.take();
    let found = world.discover(Some("alice"), None);
    let cost = world.meter.take();
    assert_eq!((found.vaults.len(), found.problems.len()), (1, 5));
    assert!(cost.gets <= 6, "{cost:?}");

    // Whole copies, with more below them: what is read of all of them is bounded. One with nothing more costs nothing.
    for n in 0..5 {
        world.copy("ours", &format!("beginning{n}"));
    }
    world.copy("ours", "kept");
    world.meter.take();
    let found = world.discover_within(Some("alice"), None, limits_of(60), 1000).expect("listed");
    let cost = world.meter.take();
    assert_eq!((found.vaults.len(), found.problems.len()), (3, 4), "{found:#?}");
    assert!(found.vaults.iter().any(|vault| vault.url.ends_with("kept")));
    assert!(found.problems.iter().all(|problem| problem.message.contains("more than is read")), "{found:#?}");
    assert_eq!(found.trouble(), None, "planted by anybody, and no alarm of ours");
    assert!(cost.gets <= 7 + 50, "{cost:?}");
    let limits = Limits { bytes: 100 * 4096, ..Limits::default() };
    let found = world.discover_within(Some("alice"), None, limits, 1000).expect("listed");
    assert_eq!((found.vaults.len(), found.problems.len()), (4, 3), "{found:#?}");

    // Where the vault is known there is a bound as well, which no copy uses up.
    world.plant("ours", &junk_records(50));
    let found = world.discover_within(Some("alice"), None, limits_of(60), 1000).expect("listed");
    assert!(found.vaults.iter().any(|vault| vault.url.ends_with("ours")), "{found:#?}");
    let found = world.discover_within(Some("alice"), None, limits_of(49), 1000).expect("listed");
    assert_eq!(problem(&found, "ours").known, Some(ours.id()));
}

fn limits_of(records: usize) -> Limits {
    Limits { records, ..Limits::default() }
}

#[test]
fn a_made_up_name_is_no_end_of_our_log() {
    let world = World::new();
    let ours = ours(&world);
    let own = ours.device_id();
    let junk = b"made up".to_vec();
    let hash = ObjectHash(provider().hash.hash(&[&junk]));
    for (place, seq) in [("same-number", 1), ("great-number", u64::MAX)] {
        world.plant(place, &world.roster("ours"));
        world.plant(place, &vec![(ObjectName::Log { device: own, seq, hash }, junk.clone())]);
    }
    // The name is what anybody sees who can list.
    world.plant("same-name", &world.roster("ours"));
    let store = world.store("ours");
    let log = store.list(&vault_format::name::log_prefix(own)).expect("listed").objects;
    let path = ObjectPath::from(format!("same-name/{}", log.last().expect("an entry").name.to_path()));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
    runtime.block_on(world.objects.put(&path, Bytes::from(junk).into())).expect("planted");
    world.copy("ours", "whole");

    let found = world.discover(Some("alice"), None);
    assert_eq!(places(&found), [("ours", OpenedBy::Device), ("whole", OpenedBy::Device)], "{found:#?}");
    for place in ["same-number", "great-number", "same-name"] {
        assert!(problem(&found, place).message.contains("less of vault"), "{place}: {found:#?}");
    }
    // Without a copy of its own entry a machine knows it from what it has read; without that too, it believes numbers where
    // it has met the vault, and nowhere else.
    let home = world.home("alice");
    let nothing = || crypto_backends::SecretBytes::new(Vec::new());
    home.set_own_entries(provider(), ours.id(), &nothing()).expect("written");
    assert_eq!(places(&world.discover(Some("alice"), None)).len(), 2);
    home.remove_log_part(ours.id(), 0).expect("removed");
    assert_eq!(places(&world.discover(Some("alice"), None)), [("ours", OpenedBy::Device)]);
}
