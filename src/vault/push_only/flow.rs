//! What push-only devices and readers do with each other.

use super::*;
use crate::Trouble;
use crate::check::{CheckOptions, ReadData, check};
use crate::ls::entries;
use crate::stage::testing::{random_bytes, text_bytes};
use vault_format::Mode;
use vault_format::name::{ObjectName, prefix};

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
    world.write(PUSHER, "small/03", b"something else");
    let changed = world.push(PUSHER);
    assert_eq!(changed.data_chunks, 0);
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

    let options = CheckOptions { read_data: ReadData::All, ..CheckOptions::default() };
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
        if !path.ends_with("device") {
            fs::remove_file(path).expect("removed");
        }
    }
    let again = world.push(PUSHER);
    assert_eq!((again.data_chunks, again.tree_chunks), (0, 0));
    world.restores(PUSHER, again.snapshot.expect("a snapshot"));
}
