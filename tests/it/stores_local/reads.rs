//! Reads from several stores: object by object, and from the next one when the first is away.

use std::fs;
use std::path::{Path, PathBuf};

use super::config::{go, two_stores, write_config};
use crate::attack::copy;
use crate::flow::look::look;
use crate::flow::machine::noise;
use crate::runner::{Ran, World, run, tree};

/// Two stores with the same, several snapshots, and objects of all kinds, shards included.
fn level_stores() -> World {
    let world = two_stores();
    for n in 0..4 {
        world.write(&format!("data/sub/{n}"), noise(90_000, 10 + n));
        go(&world, &["push", "data"]).expect_code(0);
    }
    assert_eq!(tree(&world.path("second/zv1")), tree(&world.path("vault/zv1")));
    world
}

fn restore(world: &World) -> Ran {
    let _ = fs::remove_dir_all(world.path("out"));
    let part = format!("latest:{}", world.path("data").to_str().expect("UTF-8"));
    go(world, &["restore", &part, "-t", "out"])
}

/// The same on a machine that has nothing but the configuration and the passphrase.
fn restore_fresh(world: &World) -> Ran {
    for name in ["out", "fresh"] {
        let _ = fs::remove_dir_all(world.path(name));
    }
    let part = format!("latest:{}", world.path("data").to_str().expect("UTF-8"));
    let config = world.path("user/.local/state/zvault/zvault.toml");
    let mut command = world.command(["restore", &part, "-t", "out", "--ephemeral", "--config"]);
    run(command
        .arg(config)
        .env_remove("ZVAULT_URL")
        .env("ZVAULT_HOME", world.path("fresh"))
        .env("ZVAULT_CACHE_DIR", world.path("fresh")))
}

fn same(world: &World, case: &str) {
    assert!(look(&world.path("out")) == look(&world.path("data")), "{case}");
}

fn objects(world: &World) -> Vec<PathBuf> {
    tree(&world.path("vault/zv1")).into_keys().collect()
}

#[test]
fn a_flipped_byte_in_any_object_changes_nothing() {
    let world = level_stores();
    copy(&world.path("user"), &world.path("user.saved"));
    let mut trees = 0;
    for name in objects(&world) {
        let path = world.path("vault/zv1").join(&name);
        let whole = fs::read(&path).expect("an object");
        let mut wrong = whole.clone();
        wrong[whole.len() / 2] ^= 1;
        for bytes in [Some(wrong), None] {
            let case = format!("{} {}", name.display(), if bytes.is_some() { "flipped" } else { "gone" });
            match &bytes {
                Some(bytes) => fs::write(&path, bytes).expect("written"),
                None => fs::remove_file(&path).expect("removed"),
            }
            let is_record = name.starts_with("r");
            // Nothing but the stores to go by: everything is read again, from wherever it is whole.
            let _ = fs::remove_dir_all(world.path("user/.cache"));
            let ran = restore(&world);
            // A record that is gone is evidence against the store, for a machine that has seen it.
            if bytes.is_none() && is_record {
                ran.expect_code(14);
            } else {
                let ran = ran.expect_code(0);
                same(&world, &case);
                // Not every tree pack is of use for the newest snapshot; every data pack is.
                let helped = ran.err.contains("second");
                assert!(helped || !name.starts_with("p"), "{case}: {}", ran.err);
                trees += u32::from(helped && name.starts_with("t"));
            }
            let ran = restore_fresh(&world);
            assert_eq!(ran.code, Some(0), "{case}: {}", ran.err);
            // The newest entry alone is gone: nobody who was never here can know of it.
            if bytes.is_some() || !name.starts_with("l") {
                same(&world, &format!("fresh machine, {case}"));
            }
            fs::write(&path, &whole).expect("written");
            let _ = fs::remove_dir_all(world.path("user"));
            copy(&world.path("user.saved"), &world.path("user"));
        }
    }
    assert!(trees > 0);
    go(&world, &["check", "--read-data"]).expect_code(0);
}

#[test]
fn a_check_still_tells_and_a_copy_heals() {
    let world = level_stores();
    for name in objects(&world).into_iter().filter(|name| !name.starts_with("r") && !name.starts_with("l")) {
        let path = world.path("vault/zv1").join(&name);
        let whole = fs::read(&path).expect("an object");
        let mut wrong = whole.clone();
        wrong[whole.len() / 2] ^= 1;
        fs::write(&path, wrong).expect("written");
        go(&world, &["check", "--read-data"])
            .expect_code(14)
            .expect_out(name.file_name().and_then(|n| n.to_str()).expect("UTF-8"));
        go(&world, &["mirror", "--from", "second", "--to", "vault", "--read-data"])
            .expect_code(0)
            .expect_out("replaced");
        assert!(fs::read(&path).expect("an object") == whole, "{}", name.display());
    }
}

#[test]
fn the_primary_is_away_and_the_second_is_read() {
    let world = level_stores();
    for emptied in [false, true] {
        fs::rename(world.path("vault"), world.path("away")).expect("unplugged");
        if emptied {
            // The folder that a disk is mounted on is still there.
            fs::create_dir(world.path("vault")).expect("made");
        }
        let ran = restore(&world).expect_code(0).expect_err("reading from second");
        assert!(!ran.err.contains("behind"), "{}", ran.err);
        same(&world, "the primary is away");
        go(&world, &["snapshots"]).expect_code(0).expect_out("5 snapshots").expect_err("reading from second");
        go(&world, &["ls", "latest"]).expect_code(0).expect_out("sub/3");
        go(&world, &["check"]).expect_code(0).expect_err("reading from second");
        restore_fresh(&world).expect_code(0);
        same(&world, "the primary is away, fresh machine");
        // A push must reach the primary.
        let before = tree(&world.path("second"));
        let pushed = go(&world, &["push", "data"]);
        assert_eq!(pushed.code, Some(if emptied { 14 } else { 15 }), "{}", pushed.err);
        assert_eq!(tree(&world.path("second")), before);
        if emptied {
            fs::remove_dir(world.path("vault")).expect("nothing was put there");
        }
        fs::rename(world.path("away"), world.path("vault")).expect("plugged in");
    }
    // Nothing was forgotten meanwhile.
    go(&world, &["push", "data"]).expect_code(0);
    go(&world, &["check", "--read-data"]).expect_code(0);
}

#[test]
fn lagging_mirror_is_lag() {
    let world = level_stores();
    copy(&world.path("second"), &world.path("second.old"));
    world.write("data/new", noise(50_000, 99));
    go(&world, &["push", "data"]).expect_code(0);
    // Another device joins, so that the roster goes on too.
    run(world.command(["push", "data"]).env("ZVAULT_HOME", world.path("other"))).expect_code(0);
    go(&world, &["push", "data"]).expect_code(0);
    fs::remove_dir_all(world.path("second")).expect("removed");
    copy(&world.path("second.old"), &world.path("second"));

    let second = |args: &[&str]| run(world.command(args).env("ZVAULT_URL", world.path("second")));
    second(&["snapshots"]).expect_code(0).expect_out("5 snapshots").expect_err("entries behind");
    fs::rename(world.path("vault"), world.path("away")).expect("unplugged");
    let ran = restore(&world).expect_code(0);
    assert!(ran.err.contains("entries behind") && ran.err.contains("reading from second"), "{}", ran.err);
    fs::remove_file(world.path("data/new")).expect("removed");
    assert_eq!(
        look(&world.path("out")).keys().collect::<Vec<_>>(),
        look(&world.path("data")).keys().collect::<Vec<_>>()
    );
    fs::rename(world.path("away"), world.path("vault")).expect("plugged in");
    // What was seen stays seen: a primary that shows so little is rolled back.
    copy(&world.path("vault"), &world.path("vault.new"));
    fs::remove_dir_all(world.path("vault")).expect("removed");
    copy(&world.path("second.old"), &world.path("vault"));
    go(&world, &["snapshots"]).expect_code(14);
    fs::remove_dir_all(world.path("vault")).expect("removed");
    copy(&world.path("vault.new"), &world.path("vault"));
    go(&world, &["push", "data"]).expect_code(0);
    second(&["snapshots"]).expect_code(0);
}

#[test]
fn a_mirror_with_another_history_is_an_alarm() {
    let world = level_stores();
    copy(&world.path("vault"), &world.path("old"));
    copy(&world.path("user"), &world.path("user.old"));
    // This machine goes on.
    world.write("data/mine", noise(50_000, 99));
    go(&world, &["push", "data"]).expect_code(0);
    copy(&world.path("user"), &world.path("user.mine"));
    // The same device, from an image, writes another history into an old copy of the vault.
    for (from, to) in [("user.old", "user"), ("old", "vault")] {
        let _ = fs::remove_dir_all(world.path(to));
        copy(&world.path(from), &world.path(to));
    }
    write_config(&world, &["vault"]);
    run(&mut world.command(["push", "data", "--tag", "other"])).expect_code(0);
    // That is what the second store shows.
    fs::remove_dir_all(world.path("second")).expect("removed");
    fs::rename(world.path("vault"), world.path("second")).expect("moved");
    let _ = fs::remove_dir_all(world.path("user"));
    copy(&world.path("user.mine"), &world.path("user"));
    go(&world, &["snapshots"]).expect_code(14);
    restore(&world).expect_code(14);
}

#[test]
fn a_primary_that_is_lost_is_replaced() {
    let world = level_stores();
    copy(&world.path("second"), &world.path("second.old"));
    world.write("data/lost", noise(700_000, 99));
    go(&world, &["push", "data"]).expect_code(0);
    fs::remove_dir_all(world.path("second")).expect("removed");
    copy(&world.path("second.old"), &world.path("second"));
    fs::remove_dir_all(world.path("vault")).expect("the disk broke");

    // What only the primary had is lost, and nobody loses it without saying so.
    go(&world, &["stores", "primary", "second"]).expect_code(14).expect_err("--accept-loss");
    go(&world, &["stores", "primary", "second", "--accept-loss"]).expect_code(0);
    write_config(&world, &["second"]);
    // Claims of the lost store do not count: what it alone had is stored again.
    let pushed = go(&world, &["push", "data", "--json"]).expect_code(0).last_json();
    assert!(pushed["data_added"].as_u64().is_some_and(|added| added > 690_000), "{pushed}");
    restore(&world).expect_code(0);
    same(&world, "from the new primary");
    go(&world, &["check", "--read-data"]).expect_code(0);
    assert!(!Path::new(&world.path("vault")).exists());
}

#[test]
fn a_new_primary_with_a_hole_is_not_claimed_to_be_whole() {
    let world = level_stores();
    // The second store has lost the largest pack; nobody has noticed.
    let packs = tree(&world.path("second/zv1")).into_iter().filter(|(name, _)| name.starts_with("p"));
    let (lost, _) = packs.max_by_key(|(_, bytes)| bytes.len()).expect("a pack");
    fs::remove_file(world.path("second/zv1").join(lost)).expect("removed");
    fs::remove_dir_all(world.path("vault")).expect("the disk broke");
    go(&world, &["stores", "primary", "second"]).expect_code(0);
    write_config(&world, &["second"]);
    let pushed = go(&world, &["push", "data"]).expect_code(0);
    assert!(pushed.err.contains("1 pack is gone from the store"), "{}", pushed.err);
    restore(&world).expect_code(0);
    same(&world, "from the new primary");
    // That is said once, and all is as it was.
    let again = go(&world, &["push", "data", "--json"]).expect_code(0);
    assert!(!again.err.contains("gone"), "{}", again.err);
    let summary = again.last_json();
    assert_eq!(summary["files_unmodified"], summary["total_files_processed"], "{summary}");
}

/// What the second store says of chunks counts while it is read, and not for the next push to the first.
#[test]
fn rows_of_another_store_are_not_kept() {
    for is_away in [false, true] {
        let world = level_stores();
        let delta = objects(&world).into_iter().find(|name| name.starts_with("i")).expect("a delta");
        let path = world.path("vault/zv1").join(&delta);
        let whole = fs::read(&path).expect("a delta");
        fs::remove_file(&path).expect("removed");
        fs::remove_dir_all(world.path("user/.cache")).expect("removed");
        if is_away {
            fs::rename(world.path("vault"), world.path("away")).expect("moved");
        }
        restore(&world).expect_code(0).expect_err("second");
        same(&world, "read from the second store");
        if is_away {
            fs::rename(world.path("away"), world.path("vault")).expect("moved");
        }
        world.write("data/new", noise(1000, 99));
        go(&world, &["push", "data"]).expect_code(0).expect_err("is stored again");
        // The first store alone is enough.
        fs::rename(world.path("second"), world.path("gone")).expect("moved");
        restore_fresh(&world).expect_code(0);
        same(&world, "from the first store");
        fs::write(&path, whole).expect("written");
    }
}
