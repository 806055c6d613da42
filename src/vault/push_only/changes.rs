//! Push-only devices while the vault changes around them: they are given more, and epochs come and go.

use super::attacks::{clear_header, put_clear};
use super::flow::fill;
use super::*;
use crate::check::{CheckOptions, ReadData, check};
use crate::stage::testing::random_bytes;
use vault_format::Domain;
use vault_format::log::Payload;

/// What it pushed before it was given `read` is of its own domain and stays what it was, for itself as well.
#[test]
fn granted_read_it_reads_what_it_pushed_before() {
    let world = World::new();
    fill(&world, PUSHER);
    let before = world.push(PUSHER).snapshot.expect("a snapshot");
    world.enroll("another");
    world.write("another", "file", &random_bytes(9, 300_000));
    world.push("another");
    grant(&world, PUSHER, Capabilities::READ | Capabilities::PRUNE);

    let mut granted = world.open(PUSHER);
    assert!(!granted.is_push_only());
    let found = granted.resolve(&info_of(&granted, before).short()).expect("found");
    let out = world.folder.path().join("its own");
    let report = restore(&granted, &RestoreOptions::new(found, out.clone()), &Watch::new()).expect("restores");
    assert_eq!((report.problems, report.damaged), (0, 0));
    let source = world.source(PUSHER);
    assert!(same(&source, &out.join(source.strip_prefix("/").expect("absolute"))));

    // It pushes to the domain of readers now: nothing of its own domain is relied on there, and nothing is stored twice after.
    let (first, _) = push_source(&mut granted, &source).expect("pushes");
    assert!(first.data_chunks > 0);
    let (second, notes) = push_source(&mut granted, &source).expect("pushes");
    assert_eq!((second.data_chunks, second.tree_chunks, second.files_new), (0, 0, 0), "{notes:?}");
    for snapshot in [before, first.snapshot.expect("a snapshot"), second.snapshot.expect("a snapshot")] {
        world.restores(PUSHER, snapshot);
    }
    let vault = world.open(READER);
    let report = check(&vault, &CheckOptions { read_data: ReadData::All }, &Watch::new()).expect("checks");
    assert!(report.damaged.is_empty() && report.notes.is_empty(), "{:?} {:?}", report.damaged, report.notes);
    assert!(report.junk.is_empty() && vault.log.suspicions().is_empty(), "{:?}", report.junk);
    drop(vault);

    // A device that may still only push reads the log of this one, which may collect, and goes on.
    let other = world.push("another");
    assert_eq!((other.data_chunks, other.tree_chunks), (0, 0));
    let vault = world.open("another");
    assert_eq!(vault.log.of(granted.device_id()).count(), granted.log.of(granted.device_id()).count());
    assert!(vault.log.suspicions().is_empty() && vault.log.junk().is_empty(), "{:?}", vault.log.junk());
}

/// It tells nothing that its keys do not give it: a domain of somebody else's is none of its own, before and after.
#[test]
fn granted_read_it_writes_to_no_domain_of_others() {
    let world = World::new();
    let other = world.enroll("another");
    grant(&world, PUSHER, Capabilities::READ);
    let granted = world.open(PUSHER);
    let own = granted.device_id();
    for (domain, count) in [(other.into(), 0), (Domain::SHARED, 1), (own.into(), 2)] {
        put_clear(&granted, &clear_header(&granted, own, domain), own, Payload::Progress);
        assert_eq!(world.open(READER).log.of(own).count(), count, "{domain}");
    }
}

/// The revocation of a reader begins an epoch: push-only devices go on under it, and what they pushed before stays readable.
#[test]
fn epochs_change_under_push_only_devices() {
    let world = World::new();
    fill(&world, PUSHER);
    let before = world.push(PUSHER).snapshot.expect("a snapshot");
    // Who may read takes an epoch along.
    let gone = world.enroll("another");
    grant(&world, "another", Capabilities::READ);
    let old = world.open(PUSHER).keys.current();
    // One push is under way, from before the revocation, and one comes after it.
    let mut under_way = world.try_open(PUSHER, world.store(), Purpose::Push).expect("opens");
    let mut reader = world.open(READER);
    reader.revoke(gone, None).expect("revoked");
    world.write(PUSHER, "new", &random_bytes(12, 200_000));
    let (during, _) = push_source(&mut under_way, &world.source(PUSHER)).expect("pushes");
    assert_eq!((during.data_chunks > 0, during.files_new), (true, 1));
    drop(under_way);
    world.restores(PUSHER, during.snapshot.expect("a snapshot"));
    world.write(PUSHER, "newer", &random_bytes(13, 200_000));
    let after = world.push(PUSHER);
    assert_eq!(after.files_new, 1);
    assert_ne!(world.open(PUSHER).keys.current(), old);
    world.restores(PUSHER, after.snapshot.expect("a snapshot"));
    let vault = world.open(READER);
    let found = vault.resolve(&info_of(&vault, before).short()).expect("found");
    let report = restore(&vault, &RestoreOptions::new(found, world.folder.path().join("first")), &Watch::new());
    assert_eq!(report.expect("restores").problems, 0);
    let report = check(&vault, &CheckOptions { read_data: ReadData::All }, &Watch::new()).expect("checks");
    assert!(report.damaged.is_empty() && report.junk.is_empty(), "{:?} {:?}", report.damaged, report.junk);
    // The one that was revoked is told so.
    world.write("another", "file", b"content");
    world.try_push("another").expect_err("revoked");
}

fn grant(world: &World, name: &str, more: Capabilities) {
    let device = world.open(name).device_id();
    world.open(READER).grant(device, more, None).expect("granted");
}
