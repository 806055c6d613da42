//! What push-only devices and readers do with each other.

use super::attacks::{clear_header, put_clear};
use super::*;
use crate::Trouble;
use crate::check::{CheckOptions, ReadData, check};
use crate::ls::entries;
use crate::stage::testing::{random_bytes, text_bytes};
use vault_format::log::Payload;
use vault_format::name::{ObjectName, prefix};
use vault_format::{Domain, Mode};

/// Small and large files, lists, inline content and folders.
pub(super) fn fill(world: &World, name: &str) {
    for n in 0..30 {
        world.write(name, &format!("small/{n:02}"), &text_bytes(n, 40 * n as usize));
    }
    world.write(name, "medium", &text_bytes(77, 600_000));
    world.write(name, "large", &random_bytes(78, 17 << 20));
}

#[test]
fn a_push_only_device_pushes_and_a_reader_restores() {
    let world = World::new();
    fill(&world, PUSHER);
    let first = world.push(PUSHER);
    assert_eq!((first.files_new, first.problems, first.partial), (32, 0, false));
    world.restores(PUSHER, first.snapshot.expect("a snapshot"));

    // Nothing changed: nothing is stored, and what is read again is what the device keeps no copy of.
    let again = world.push(PUSHER);
    assert_eq!((again.data_chunks, again.tree_chunks), (0, 0));
    assert_eq!((again.files_unmodified, again.files_new, again.files_changed), (32, 0, 0));
    world.write(PUSHER, "small/03", b"something else");
    let changed = world.push(PUSHER);
    assert_eq!((changed.data_chunks, changed.files_new, changed.files_changed), (0, 0, 1));
    world.restores(PUSHER, changed.snapshot.expect("a snapshot"));

    // Readers go on as before, beside it.
    fill(&world, READER);
    let mut reader = world.open(READER);
    let (report, notes) = push_source(&mut reader, &world.source(READER)).expect("pushes");
    assert!(report.data_chunks > 0, "chunks of another domain are not relied on: {notes:?}");
    world.restores(READER, report.snapshot.expect("a snapshot"));
    assert_eq!(world.push(PUSHER).data_chunks, 0);
}

#[test]
fn readers_list_and_check_what_it_pushed() {
    let world = World::new();
    fill(&world, PUSHER);
    let snapshot = world.push(PUSHER).snapshot.expect("a snapshot");
    let reader = world.open(READER);
    let info = info_of(&reader, snapshot);
    assert_eq!(info.device_name, PUSHER);
    let found = reader.resolve(&info.short()).expect("found");
    let mut names = Vec::new();
    entries(&reader, &found, true, &mut |entry| {
        names.push(entry.full_path.clone());
        Ok(())
    })
    .expect("listed");
    assert_eq!(names.len(), 2 + 32);

    let options = CheckOptions { read_data: ReadData::All };
    let report = check(&reader, &options, &Watch::new()).expect("checks");
    assert!(report.damaged.is_empty() && report.notes.is_empty(), "{:?} {:?}", report.damaged, report.notes);
    assert!(report.packs_read >= 3 && report.junk.is_empty(), "{:?}", report.junk);

    // Damage to its packs is found, and so is which of its files suffer.
    for object in world.store().list(&prefix()).expect("listed").objects {
        if matches!(object.name, ObjectName::Pack(pack) if !pack.tree) {
            world.store().delete(&object.name).expect("deleted");
        }
    }
    let report = check(&world.open(READER), &CheckOptions::default(), &Watch::new()).expect("checks");
    assert!(!report.damaged.is_empty());
}

#[test]
fn a_push_only_device_is_told_what_it_cannot_do() {
    let world = World::new();
    fill(&world, PUSHER);
    let snapshot = world.push(PUSHER).snapshot.expect("a snapshot");
    let vault = world.open(PUSHER);
    // Its own snapshots it can list.
    assert_eq!(vault.snapshots().iter().map(|info| info.id).collect::<Vec<_>>(), [snapshot]);
    assert_eq!((vault.is_push_only(), vault.snapshots()[0].device_name.as_str()), (true, PUSHER));
    let found = vault.resolve("latest").expect("found");
    let error = entries(&vault, &found, true, &mut |_| Ok(())).expect_err("it cannot read");
    assert_eq!(error.trouble(), Trouble::NotAllowed);
    assert!(error.to_string().contains("may only push") && !error.hints().is_empty(), "{error}");
    let out = world.folder.path().join("out");
    let error = restore(&vault, &RestoreOptions::new(found, out.clone()), &Watch::new()).expect_err("it cannot read");
    assert_eq!(error.trouble(), Trouble::NotAllowed);
    assert!(!out.exists(), "nothing is made for a restore that cannot be");
    let error = check(&vault, &CheckOptions::default(), &Watch::new()).expect_err("it cannot read");
    assert_eq!(error.trouble(), Trouble::NotAllowed);
}

#[test]
fn everything_it_stores_is_sealed_as_its_place_demands() {
    let world = World::new();
    fill(&world, PUSHER);
    world.push(PUSHER);
    let own = world.open(PUSHER).device_id();
    let mut packs = 0;
    for object in world.store().list(&prefix()).expect("listed").objects {
        if object.name.device() != Some(own) {
            continue;
        }
        let stored = world.store().get_unverified(&object.name).expect("read");
        let header = vault_format::Header::parse(&stored).expect("a header");
        let sealed = matches!(object.name, ObjectName::Pack(_));
        packs += usize::from(sealed);
        assert_eq!(header.mode, if sealed { Mode::Sealed } else { Mode::Symmetric });
        assert_eq!((header.writer, header.domain), (own, own.into()));
    }
    assert!(packs >= 3, "{packs}");
}

#[test]
fn cache_deleted_no_reupload() {
    let world = World::new();
    fill(&world, PUSHER);
    world.push(PUSHER);
    fs::remove_dir_all(world.cache(PUSHER)).expect("removed");
    let again = world.push(PUSHER);
    assert_eq!((again.data_chunks, again.tree_chunks), (0, 0));
    world.restores(PUSHER, again.snapshot.expect("a snapshot"));

    // The same if all is lost but the device's keys.
    fs::remove_dir_all(world.cache(PUSHER)).expect("removed");
    let home = world.home(PUSHER);
    let folder = home.path().join("vaults").join(home.vaults().expect("listed")[0].to_string());
    for entry in fs::read_dir(&folder).expect("listed") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            fs::remove_dir_all(path).expect("removed");
        } else if !path.ends_with("device") {
            fs::remove_file(path).expect("removed");
        }
    }
    let again = world.push(PUSHER);
    assert_eq!((again.data_chunks, again.tree_chunks), (0, 0));
    world.restores(PUSHER, again.snapshot.expect("a snapshot"));
}

/// What did not change is not read, but for what the device keeps no copy of.
#[test]
fn unchanged_files_are_not_read() {
    let world = World::new();
    fill(&world, PUSHER);
    let inline: u64 = (0..30).map(|n| 40 * n).filter(|len| *len <= 256).sum();
    // Holes, and a database with a write-ahead log that is open.
    let sparse = fs::File::create(world.source(PUSHER).join("sparse")).expect("made");
    std::os::unix::fs::FileExt::write_all_at(&sparse, &random_bytes(5, 70_000), 1 << 20).expect("written");
    sparse.set_len(4 << 20).expect("longer");
    let database = rusqlite::Connection::open(world.source(PUSHER).join("a.db")).expect("a database");
    database
        .execute_batch("PRAGMA journal_mode = WAL; CREATE TABLE t (x); INSERT INTO t VALUES (randomblob(300000));")
        .expect("filled");
    let bytes_read = |name: &str| {
        let mut vault = world.open(name);
        let watch = Watch::new();
        let options = PushOptions { paths: vec![world.source(PUSHER)], host: "h".into(), ..PushOptions::default() };
        let report = push(&mut vault, &options, &watch).expect("pushes");
        (report, watch.bytes.load(std::sync::atomic::Ordering::Relaxed))
    };
    let (first, read) = bytes_read(PUSHER);
    assert!(read > 17 << 20);
    let checked = |report: &PushReport| {
        let vault = world.open(READER);
        let (restored, _) = world.restore_in(&vault, report.snapshot.expect("a snapshot"));
        assert_eq!((restored.problems, restored.files_restored), (0, 34));
    };
    checked(&first);
    for _ in 0..2 {
        let (report, read) = bytes_read(PUSHER);
        // The database's own length differs from its capture's while its log is not written back, for a reader as well.
        assert!(read <= inline + 400_000, "{read}");
        assert_eq!((report.data_chunks, report.files_new), (0, 0));
        checked(&report);
    }

    // One came, one went, one changed.
    world.write(PUSHER, "aaa", &random_bytes(6, 1000));
    fs::remove_file(world.source(PUSHER).join("medium")).expect("removed");
    world.write(PUSHER, "small/29", &random_bytes(7, 2000));
    let (report, read) = bytes_read(PUSHER);
    assert!(read <= inline + 403_000, "{read}");
    assert_eq!((report.data_chunks, report.files_new), (2, 1));
    checked(&report);

    // A table that is damaged, lost, or of a snapshot that is not there: everything is read, and nothing stored again.
    let folder = world.files_folder(PUSHER);
    let table = fs::read_dir(&folder).expect("listed").next().expect("a table").expect("an entry").path();
    let bytes = fs::read(&table).expect("read");
    for spoilt in [&bytes[..bytes.len() / 2], &[], &[&bytes[..bytes.len() - 1], b"x"].concat()] {
        fs::write(&table, spoilt).expect("written");
        let (report, read) = bytes_read(PUSHER);
        assert!(read > 17 << 20);
        assert_eq!(report.data_chunks, 0);
    }
    checked(&bytes_read(PUSHER).0);
}

/// Attributes are not kept either: they are read again, and the content is not.
#[test]
fn attributes_come_along() {
    let world = World::new();
    world.write(PUSHER, "file", &random_bytes(1, 100_000));
    let path = world.source(PUSHER).join("file");
    if rustix::fs::setxattr(&path, "user.colour", b"green", rustix::fs::XattrFlags::empty()).is_err() {
        return;
    }
    world.push(PUSHER);
    let second = world.push(PUSHER);
    assert_eq!((second.files_unmodified, second.data_chunks, second.tree_chunks), (1, 0, 0));
    let vault = world.open(READER);
    let found = vault.resolve(&info_of(&vault, second.snapshot.expect("a snapshot")).short()).expect("found");
    let mut attributes = Vec::new();
    entries(&vault, &found, true, &mut |entry| {
        attributes.extend(entry.entry.xattrs.clone());
        Ok(())
    })
    .expect("listed");
    assert!(attributes.contains(&(b"user.colour".to_vec(), b"green".to_vec())), "{attributes:?}");
}

/// What no entry names yet is stored again, and it is never much: the push writes down how far it has come.
#[test]
fn an_interrupted_push_goes_on_from_its_progress() {
    let world = World::new();
    for n in 0..4 {
        world.write(PUSHER, &format!("{n}"), &random_bytes(n, 17 << 20));
    }
    let mut vault = world.try_open(PUSHER, world.store(), Purpose::Push).expect("opens");
    vault.progress_after_each_pack = true;
    world.faults.reset();
    // Pack, delta and entry of the first packs; the next one is not stored.
    world.faults.at(crate::store::faults::Operation::Put, 8, crate::store::faults::Fault::KillBefore);
    push_source(&mut vault, &world.source(PUSHER)).expect_err("killed");
    world.faults.reset();
    drop(vault);
    assert!(world.open(READER).snapshots().is_empty());
    let report = world.push(PUSHER);
    let whole = (68 << 20) as u64;
    assert!(report.data_added < whole - (16 << 20) && report.data_added > 0, "{}", report.data_added);
    world.restores(PUSHER, report.snapshot.expect("a snapshot"));
}

/// A push-only device knows of a reader's entries that they are there, and of its collections what it must.
#[test]
fn what_a_collector_condemns_is_not_relied_on() {
    let world = World::new();
    fill(&world, PUSHER);
    fill(&world, READER);
    let first = world.push(PUSHER);
    let mut reader = world.open(READER);
    for _ in 0..3 {
        push_source(&mut reader, &world.source(READER)).expect("pushes");
    }
    let vault = world.open(PUSHER);
    let theirs: Vec<_> = vault.log.of(reader.device_id()).collect();
    assert!(theirs.len() >= 3 && theirs.iter().all(|entry| entry.is_sealed()));
    // They are verified once.
    drop(vault);
    world.faults.reset();
    drop(world.open(PUSHER));
    assert_eq!(world.faults.count(crate::store::faults::Operation::Get), 0);

    let second = world.push(PUSHER);
    let packs: Vec<_> = world.store().list("zv1/p").expect("listed").objects;
    let own = world.open(PUSHER).device_id();
    let condemned = packs.iter().find_map(|object| match object.name {
        ObjectName::Pack(pack) if pack.device == own => Some(pack),
        _ => None,
    });
    let header = clear_header(&reader, reader.device_id(), Domain::SHARED);
    reader.refresh().expect("read again");
    put_clear(&reader, &header, reader.device_id(), Payload::Condemn(vec![condemned.expect("a pack")]));

    let third = world.push(PUSHER);
    assert!(first.data_chunks > 100 && second.data_chunks == 0 && third.data_chunks > 0);
    let vault = world.open(PUSHER);
    let newest = vault.log.get(&third.snapshot.expect("a snapshot")).expect("there");
    let heads = vault.log.heads(reader.device_id());
    assert_eq!(newest.body.seen.get(&reader.device_id()), Some(&heads), "it says what it has seen");
    assert!(newest.body.other_heads.is_empty());
    world.store().delete(&condemned.expect("a pack").into()).expect("deleted");
    world.restores(PUSHER, third.snapshot.expect("a snapshot"));
}
