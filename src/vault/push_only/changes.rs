//! Push-only devices while the vault changes around them: they are given more, and epochs come and go.

use super::attacks::{clear_body, clear_header, put_clear, put_clear_body, say};
use super::flow::fill;
use super::*;
use crate::check::{CheckOptions, ReadData, check};
use crate::stage::testing::random_bytes;
use vault_format::log::{EntryKind, Payload};
use vault_format::{Domain, ObjectHash};

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

/// Behind a local copy of the log nothing is asked for again, but once a week, and where there is no copy.
#[test]
fn a_gap_in_its_own_log_makes_a_pusher_read_everything() {
    let world = World::new();
    fill(&world, PUSHER);
    // No reader looks meanwhile: to one who has seen the entry that is lost below, that is the store's doing.
    let try_push = || push_source(&mut world.try_open(PUSHER, world.store(), Purpose::Push)?, &world.source(PUSHER));
    let push = || try_push().expect("pushes").0;
    push();
    world.write(PUSHER, "new", &random_bytes(14, 400_000));
    push();
    push();
    let own = world.open(PUSHER).device_id();
    let mut entries: Vec<ObjectName> =
        world.store().list("zv1/l").expect("listed").objects.into_iter().map(|o| o.name).collect();
    entries.retain(|name| name.device() == Some(own));
    // The second entry named what came new; the last one is still there.
    world.store().delete(&entries[1]).expect("deleted");
    a_week_later(&world);
    let error = try_push().expect_err("noticed");
    assert_eq!(error.trouble(), crate::Trouble::Integrity, "{error}");

    // Without a copy of its log it sees a gap of its own making, perhaps, and relies on nothing of before.
    let id = world.home(PUSHER).vaults().expect("listed")[0];
    let folder = world.home(PUSHER).path().join("vaults").join(id.to_string());
    fs::remove_file(folder.join("pins")).expect("removed");
    world.home(PUSHER).remove_log_part(id, 0).expect("removed");
    let report = push();
    assert!(report.data_chunks > 0, "what no entry names is stored again");
    world.restores(PUSHER, report.snapshot.expect("a snapshot"));
    // A person goes on: once more everything is read, and not after that.
    let home = world.home(PUSHER);
    let state = home.device(id).expect("read");
    let mut unlock = unlock;
    let mut options = OpenOptions::new(URL, &home, PUSHER, &mut unlock);
    options.accept_rollback = true;
    drop(Vault::open_on(world.store(), URL.into(), Some(state), options).expect("goes on"));
    push();
    let last = push();
    assert_eq!((last.data_chunks, last.files_unmodified), (0, 33));
    world.restores(PUSHER, last.snapshot.expect("a snapshot"));
}

#[test]
fn a_lost_delta_is_noticed_behind_a_local_copy() {
    for name in [PUSHER, READER] {
        let world = World::new();
        fill(&world, name);
        let push = |world: &World| match name {
            PUSHER => world.push(PUSHER),
            _ => push_source(&mut world.open(READER), &world.source(READER)).expect("pushes").0,
        };
        push(&world);
        for object in world.store().list("zv1/i").expect("listed").objects {
            world.store().delete(&object.name).expect("deleted");
        }
        a_week_later_for(&world, name);
        let report = push(&world);
        assert!(report.data_chunks > 0, "{name}: what nobody else can find is stored again");
        fs::remove_dir_all(world.cache(READER)).expect("removed");
        world.restores(name, report.snapshot.expect("a snapshot"));
        let again = push(&world);
        assert_eq!((again.data_chunks, again.files_unmodified), (0, 32), "{name}");
    }
}

/// What was in it is stored again; after that it is one of the things that are not there, as a lost pack is.
#[test]
fn a_lost_delta_is_paid_for_once() {
    for name in [PUSHER, READER] {
        let world = World::new();
        fill(&world, name);
        let push = |store: Store| {
            let mut vault = world.try_open(name, store, Purpose::Push).expect("opens");
            let watch = Watch::new();
            let options = PushOptions { paths: vec![world.source(name)], host: "h".into(), ..PushOptions::default() };
            let report = push(&mut vault, &options, &watch).expect("pushes");
            (report, watch.bytes.load(std::sync::atomic::Ordering::Relaxed))
        };
        let all = push(world.store()).1;
        assert!(all > 17 << 20, "{name}: {all}");
        let (_, little) = push(world.store());
        assert!(little < 10_000, "{name}: {little}");
        for object in world.store().list("zv1/i").expect("listed").objects {
            world.store().delete(&object.name).expect("deleted");
        }
        a_week_later_for(&world, name);
        let (paid, read) = push(world.store());
        assert!(paid.data_chunks > 100 && paid.tree_chunks > 0, "{name}: {}", paid.data_chunks);
        assert_eq!(read, all, "{name}");
        let snapshot = paid.snapshot.expect("a snapshot");
        for n in 0..3 {
            // With the local copy, without it, and when everything was listed again.
            match n {
                1 => fs::remove_dir_all(world.cache(name)).expect("removed"),
                2 => a_week_later_for(&world, name),
                _ => {}
            }
            let (again, read) = push(world.store());
            assert_eq!((again.data_chunks, again.files_unmodified, read), (0, 32, little), "{name} {n}");
        }
        let _ = fs::remove_dir_all(world.cache(READER));
        world.restores(name, snapshot);
    }
}

/// The same for one that nobody ever had: a reader's word, which may concern everybody's chunks.
#[test]
fn a_made_up_delta_is_paid_for_once() {
    let world = World::new();
    fill(&world, READER);
    let push = || {
        let mut vault = world.try_open(READER, world.store(), Purpose::Push).expect("opens");
        let watch = Watch::new();
        let options = PushOptions { paths: vec![world.source(READER)], host: "h".into(), ..PushOptions::default() };
        let report = push(&mut vault, &options, &watch).expect("pushes");
        let reads_all = watch.bytes.load(std::sync::atomic::Ordering::Relaxed) > 17 << 20;
        (report.data_chunks > 0, reads_all)
    };
    assert_eq!([push(), push()], [(true, true), (false, false)]);
    for n in 0..2 {
        say(&mut world.open("another reader"), &[ObjectHash([n; 32])], Payload::Progress);
        assert_eq!([push(), push(), push()], [(false, true), (false, false), (false, false)]);
    }
    // Who has forgotten what it knew of it pays again.
    world
        .home(READER)
        .set_claims(rustcrypto::provider(), world.open(READER).id(), &Default::default())
        .expect("written");
    assert_eq!([push(), push()], [(false, true), (false, false)]);
}

/// It was back for a while, and what was pushed then relies on it.
#[test]
fn a_delta_that_is_lost_twice_is_paid_for_twice() {
    let world = World::new();
    let other = "another reader";
    world.write(READER, "file", &random_bytes(1, 300_000));
    push_source(&mut world.open(READER), &world.source(READER)).expect("pushes");
    world.write(other, "other file", &random_bytes(2, 3_000));
    let push = || push_source(&mut world.open(other), &world.source(other)).expect("pushes").0;
    push();
    let reader = world.open(READER).device_id();
    let deltas = world.store().list("zv1/i").expect("listed").objects;
    let delta = deltas.iter().find(|object| object.name.device() == Some(reader)).expect("a delta").name;
    let bytes = world.store().get_unverified(&delta).expect("read");
    let lose = || {
        world.store().delete(&delta).expect("lost");
        a_week_later_for(&world, other);
    };
    lose();
    assert_eq!(push().data_chunks, 0, "nothing of it was relied on");
    world.store().put(&delta, bytes).expect("back");
    world.write(other, "file", &random_bytes(1, 300_000));
    assert_eq!(push().data_chunks, 0, "it is relied on");
    lose();
    let report = push();
    assert!(report.data_chunks > 0, "what nobody else can find is stored again");
    fs::remove_dir_all(world.cache(READER)).expect("removed");
    world.restores(other, report.snapshot.expect("a snapshot"));
    let again = push();
    assert_eq!((again.data_chunks, again.files_unmodified), (0, 2));
}

/// It is not in the local copy, which cannot hold it, and a log that is listed from its end on does not show it either.
#[test]
fn an_entry_of_a_later_version_in_a_long_log_is_no_alarm() {
    let world = World::new();
    world.write(PUSHER, "file", &random_bytes(1, 3_000));
    let mut reader = world.open(READER);
    let header = clear_header(&reader, reader.device_id(), Domain::SHARED);
    let mut body = clear_body(&reader, Payload::Progress);
    assert_eq!(body[1..3], [0, EntryKind::Progress.byte()], "key and kind come first");
    body[2] = 23;
    assert!(matches!(EntryKind::from_byte(23), EntryKind::Unknown(_)));
    put_clear_body(&reader, &header, reader.device_id(), &body);
    reader.refresh().expect("read again");
    say(&mut reader, &[], Payload::Progress);
    assert_eq!(reader.log.of(reader.device_id()).count(), 2);
    // A push-only device lists each log from its end on, as everybody does with long ones.
    for n in 0..3 {
        let (report, notes) = world.try_push(PUSHER).expect("no alarm");
        assert_eq!(report.files_new, u64::from(n == 0), "{notes:?}");
        let vault = world.open(PUSHER);
        assert_eq!(vault.log.of(reader.device_id()).count(), 2);
        assert!(vault.warnings().is_empty() && vault.log.suspicions().is_empty(), "{:?}", vault.warnings());
    }
}

/// What a store hid for a while, or a version before this one could not read, it has not; and its log is listed from its end on.
#[test]
fn what_it_lacks_of_its_own_log_a_pusher_looks_for() {
    for hidden in [0, 1] {
        let world = World::new();
        world.write(PUSHER, "file", &random_bytes(1, 3_000));
        for _ in 0..3 {
            world.push(PUSHER);
        }
        let own = world.open(PUSHER).device_id();
        let entries = world.store().list("zv1/l").expect("listed").objects.into_iter().map(|object| object.name);
        let hidden = entries.filter(|name| name.device() == Some(own)).nth(hidden).expect("an entry");
        let bytes = world.store().get_unverified(&hidden).expect("read");
        world.store().delete(&hidden).expect("hidden");
        let id = world.home(PUSHER).vaults().expect("listed")[0];
        world.home(PUSHER).remove_log_part(id, 0).expect("removed");
        assert_eq!(world.open(PUSHER).log.suspicions().len(), 1);
        world.store().put(&hidden, bytes).expect("shown");
        let vault = world.open(PUSHER);
        assert_eq!((vault.log.of(own).count(), vault.log.suspicions().len()), (3, 0));
        assert!(vault.warnings().is_empty(), "{:?}", vault.warnings());
        drop(vault);
        let (report, notes) = world.try_push(PUSHER).expect("pushes");
        assert_eq!((report.files_unmodified, report.data_chunks), (1, 0), "{notes:?}");
    }
}

/// What a bad admin gave counts for nobody once root has ended it, for those who had read it before as well.
#[test]
fn a_voided_grant_takes_its_entries_out_of_every_cache() {
    let world = World::new();
    world.write(PUSHER, "file", &random_bytes(1, 300_000));
    fill(&world, READER);
    push_source(&mut world.open(READER), &world.source(READER)).expect("pushes");
    let mut vault = world.open(READER);
    let admin = world.enroll("admin");
    vault.refresh().expect("read again");
    vault.grant(admin, Capabilities::ALL, None).expect("granted");
    let device = world.open(PUSHER).device_id();
    let mut bad = world.open("admin");
    bad.grant(device, Capabilities::READ, None).expect("granted");
    let mut granted = world.open(PUSHER);
    let (report, _) = push_source(&mut granted, &world.source(PUSHER)).expect("pushes");
    let snapshot = report.snapshot.expect("a snapshot");
    // Read, and kept, by whoever was there: the honest reader's pushes rely on it.
    let other = world.open("another reader");
    assert!(other.log.get(&snapshot).is_some());
    drop(other);
    // It relies on what the device has stored: the same files.
    let push_same =
        |world: &World| push_source(&mut world.open("another reader"), &world.source(PUSHER)).expect("pushes").0;
    assert_eq!(push_same(&world).data_chunks, 0);
    // Whoever ends the bad admin has not seen what it did.
    let records = world.store().list("zv1/r").expect("listed").objects;
    let grant = records.iter().find(|object| {
        let stored = world.store().get_unverified(&object.name).expect("read");
        vault_format::Header::parse(&stored).expect("a header").writer == admin
    });
    let grant = grant.expect("its record").name;
    let bytes = world.store().get_unverified(&grant).expect("read");
    world.store().delete(&grant).expect("hidden");
    vault.revoke(admin, Some(&unlock(URL).expect("the passphrase"))).expect("revoked");
    world.store().put(&grant, bytes).expect("shown again");
    for name in ["another reader", READER, "who comes later"] {
        let vault = world.open(name);
        assert!(vault.log.get(&snapshot).is_none(), "{name}");
        assert!(vault.snapshots().iter().all(|info| info.device != device), "{name}");
        assert!(vault.tables(Domain::SHARED).deltas.iter().all(|table| table.device != device), "{name}");
    }
    // An admin's next run begins a clean epoch. What relied on them is stored again, and whoever comes later can restore it.
    drop((vault, bad, granted));
    // Nobody withholds what is shown and does not count.
    let admin = world.open(READER);
    assert!(admin.log.hearsay().is_empty(), "{:?}", admin.log.hearsay());
    drop(admin);
    let again = push_same(&world);
    assert!(again.data_chunks > 0);
    let found =
        world.open("who comes later").resolve(&info_of(&world.open(READER), again.snapshot.expect("one")).short());
    let out = world.folder.path().join("out again");
    let later = world.open("who comes later");
    let report = restore(&later, &RestoreOptions::new(found.expect("found"), out), &Watch::new()).expect("restores");
    assert_eq!((report.problems, report.damaged), (0, 0));
}

/// One device's word from when it could harm itself alone stays that.
#[test]
fn a_gap_from_before_the_grant_stays_the_devices_own() {
    let world = World::new();
    world.write(PUSHER, "file", &random_bytes(1, 3_000));
    for _ in 0..3 {
        push_source(&mut world.open(PUSHER), &world.source(PUSHER)).expect("pushes");
    }
    let own = world.open(PUSHER).device_id();
    let mut entries: Vec<ObjectName> =
        world.store().list("zv1/l").expect("listed").objects.into_iter().map(|o| o.name).collect();
    entries.retain(|name| name.device() == Some(own));
    world.store().delete(&entries[1]).expect("deleted");
    let vault = world.open("never here");
    assert_eq!(vault.log.suspicions().len(), 1);
    drop(vault);
    world.open(READER).grant(own, Capabilities::READ, None).expect("granted");
    for name in [READER, "never here", "who comes later"] {
        assert_eq!(world.open(name).log.suspicions().len(), 1, "{name}");
    }
}

/// Packs of the shared domain are not among those that it listed as a push-only device.
#[test]
fn granted_read_lists_shared_packs_before_it_relies_on_them() {
    let world = World::new();
    fill(&world, READER);
    fill(&world, PUSHER);
    push_source(&mut world.open(READER), &world.source(READER)).expect("pushes");
    world.push(PUSHER);
    grant(&world, PUSHER, Capabilities::READ);
    for object in world.store().list("zv1/p").expect("listed").objects {
        let is_readers = object.name.device() == Some(world.open(READER).device_id());
        if is_readers && matches!(object.name, ObjectName::Pack(pack) if !pack.tree) {
            world.store().delete(&object.name).expect("lost");
        }
    }
    let (report, _) = push_source(&mut world.open(PUSHER), &world.source(PUSHER)).expect("pushes");
    assert!(report.data_chunks > 100, "{}", report.data_chunks);
    world.restores(PUSHER, report.snapshot.expect("a snapshot"));
}

fn a_week_later(world: &World) {
    a_week_later_for(world, PUSHER);
}

/// The packs were listed too long ago.
fn a_week_later_for(world: &World, name: &str) {
    let home = world.home(name);
    let id = home.vaults().expect("listed")[0];
    let claims = home.claims(id).expect("kept");
    let listed = vault_format::Time { secs: claims.listed.secs - crate::vault::claims::LISTED - 1, nanos: 0 };
    let older = crate::state::Claims { listed, ..claims };
    home.set_claims(rustcrypto::provider(), id, &older).expect("written");
}
