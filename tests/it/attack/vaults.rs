//! Whole vaults that are not what they were: older, exchanged, of a later version, two at one place.

use std::fs;
use std::path::Path;

use super::objects::copy;
use crate::flow::look::{look, same};
use crate::flow::machine::noise;
use crate::runner::{World, run, tree};

#[test]
fn a_store_that_was_rolled_back() {
    let world = World::with_vault();
    world.write("data/a", noise(100_000, 1));
    world.run(["push", "data"]).expect_code(0);
    let mut other = world.command(["snapshots"]);
    run(other.env("ZVAULT_HOME", world.path("other"))).expect_code(0);
    copy(&world.path("vault"), &world.path("older"));
    copy(&world.path("user"), &world.path("older user"));
    world.write("data/b", noise(100_000, 2));
    world.run(["push", "data"]).expect_code(0);
    exchange(&world, "older");

    let before = look(&world.path("vault"));
    for args in [&["snapshots"][..], &["push", "data"], &["restore", "-t", "out"], &["check"], &["ls"]] {
        let ran = world.run(args);
        assert_eq!(ran.code, Some(14), "{args:?}: {}", ran.err);
        assert!(ran.err.contains("no longer shows") && ran.err.contains("hint: "), "{args:?}: {}", ran.err);
    }
    assert!(!world.path("out").exists());
    assert!(look(&world.path("vault")) == before, "the store was written to");
    // Who has not seen more cannot know.
    let mut other = world.command(["snapshots"]);
    run(other.env("ZVAULT_HOME", world.path("other"))).expect_code(0).expect_out("1 snapshot");
    // Local caches are not what it hangs on.
    fs::remove_dir_all(world.path("user/.cache")).expect("removed");
    world.run(["snapshots"]).expect_code(14);
}

#[test]
fn a_store_from_before_a_device_was_added() {
    let world = World::with_vault();
    copy(&world.path("vault"), &world.path("older"));
    let mut other = world.command(["snapshots"]);
    run(other.env("ZVAULT_HOME", world.path("other"))).expect_code(0);
    world.run(["snapshots"]).expect_code(0);
    exchange(&world, "older");
    world.run(["snapshots"]).expect_code(14).expect_err("roster");
    let mut other = world.command(["snapshots"]);
    let ran = run(other.env("ZVAULT_HOME", world.path("other")));
    assert!(matches!(ran.code, Some(13 | 14)), "{:?} {}", ran.code, ran.err);
}

#[test]
fn another_vault_with_the_same_passphrase() {
    let world = World::with_vault();
    world.write("data/a", noise(100_000, 1));
    world.run(["push", "data"]).expect_code(0);
    let rogue = World::with_vault();
    rogue.write("data/a", "poison");
    rogue.run(["push", "data"]).expect_code(0);
    fs::rename(world.path("vault"), world.path("genuine")).expect("moved");
    copy(&rogue.path("vault"), &world.path("vault"));

    let before = look(&world.path("vault"));
    for args in [&["snapshots"][..], &["push", "data"], &["restore", "-t", "out"], &["check"]] {
        world.run(args).expect_code(14).expect_err("instead of vault");
    }
    assert!(look(&world.path("vault")) == before && !world.path("out").exists());
    exchange(&world, "genuine");
    world.run(["push", "data"]).expect_code(0);
}

#[test]
fn two_vaults_at_one_place() {
    let world = World::with_vault();
    world.write("data/a", noise(100_000, 1));
    world.run(["push", "data"]).expect_code(0);
    let rogue = World::new();
    run(rogue.command(["init"]).env("ZVAULT_PASSPHRASE", "of the attacker")).expect_code(0);
    rogue.write("data/a", "poison");
    rogue.run(["push", "data"]).expect_code(0);
    for (name, bytes) in tree(&rogue.path("vault")) {
        let path = world.path("vault").join(name);
        fs::create_dir_all(path.parent().expect("a folder")).expect("folders");
        fs::write(path, bytes).expect("written");
    }
    // Its own device knows which one is its vault.
    world.run(["push", "data"]).expect_code(0);
    // A fresh machine takes the one that its passphrase opens, and nothing else is asked of it.
    let part = format!("latest:{}", world.path("data").to_str().expect("UTF-8"));
    let mut fresh = world.command(["restore", &part, "-t", "out"]);
    run(fresh.env("ZVAULT_HOME", world.path("fresh"))).expect_code(0);
    same(&look(&world.path("data")), &look(&world.path("out")));
    let mut wrong = world.command(["snapshots"]);
    run(wrong.env("ZVAULT_HOME", world.path("wrong")).env("ZVAULT_PASSPHRASE", "neither")).expect_code(12);
    world.run(["init"]).expect_code(1).expect_err("already");
}

#[test]
fn a_vault_of_a_newer_format() {
    let world = World::with_vault();
    let (name, mut bytes) = tree(&world.path("vault/zv1/r")).pop_first().expect("the only record");
    bytes[4] = 2;
    fs::remove_file(world.path("vault/zv1/r").join(name)).expect("removed");
    let hash = crate::runner::provider().hash.hash(&[&bytes]);
    world.write(&format!("vault/zv1/r/00000000-{}", hex::encode(hash)), &bytes);
    let before = look(&world.path("vault"));
    let mut fresh = world.command(["snapshots"]);
    run(fresh.env("ZVAULT_HOME", world.path("fresh"))).expect_code(10).expect_err("newer").expect_err("update zvault");
    for args in [&["snapshots"][..], &["push", "data"], &["check"], &["restore", "-t", "out"]] {
        world.run(args).expect_code(10).expect_err("newer").expect_err("update zvault");
    }
    let ran = world.run(["init"]).expect_err("newer");
    assert_ne!(ran.code, Some(0));
    assert!(look(&world.path("vault")) == before, "the store was written to");
}

#[test]
fn a_vault_that_is_gone() {
    let world = World::with_vault();
    world.write("data/a", noise(100_000, 1));
    world.run(["push", "data"]).expect_code(0);
    let id = vault_id(&world);
    let place = world.path("vault").to_str().expect("UTF-8").to_owned();
    fs::rename(world.path("vault"), world.path("away")).expect("moved");
    for args in [&["snapshots"][..], &["push", "data"], &["restore", "-t", "out"]] {
        let ran = world.run(args).expect_code(15).expect_err("hint: ");
        assert!(ran.err.contains(&id) && ran.err.contains(&place), "{}", ran.err);
    }
    // Who was never here knows of none.
    let fresh = |args: &[&str]| run(world.command(args).env("ZVAULT_HOME", world.path("fresh")));
    fresh(&["snapshots"]).expect_code(10).expect_err("hint: ");
    // An empty folder in its place: a disk that is not mounted. Nothing is begun anew in it.
    fs::create_dir(world.path("vault")).expect("a folder");
    for args in [&["snapshots"][..], &["push", "data"], &["restore", "-t", "out"]] {
        let ran = world.run(args).expect_code(14).expect_err("hint: ").expect_err("less than was seen");
        assert!(ran.err.contains(&id) && ran.err.contains(&place), "{}", ran.err);
    }
    fresh(&["snapshots"]).expect_code(10).expect_err("hint: ");
    assert!(tree(&world.path("vault")).is_empty() && !world.path("out").exists());
    exchange(&world, "away");
    world.run(["push", "data"]).expect_code(0);
}

/// As a store shows them that flips a bit in what it lists: each digit of a record's name is another one.
#[test]
fn roster_names_with_a_flipped_bit() {
    let world = World::with_vault();
    world.write("data/a", noise(100_000, 1));
    world.run(["push", "data"]).expect_code(0);
    let record = tree(&world.path("vault/zv1/r")).into_keys().next().expect("a record");
    let name = record.to_str().expect("a name").to_owned();
    for at in [0, 7, 9, 20, name.len() - 1] {
        let mut flipped = name.clone().into_bytes();
        flipped[at] ^= 1;
        let flipped = String::from_utf8(flipped).expect("text");
        fs::rename(world.path("vault/zv1/r").join(&name), world.path("vault/zv1/r").join(&flipped)).expect("renamed");
        // Without the local copy of the records as well.
        for copy in [true, false] {
            let kept = world.path(&format!("user/.local/state/zvault/vaults/{}/roster", vault_id(&world)));
            let bytes = fs::read(&kept).expect("kept");
            if !copy {
                fs::remove_file(&kept).expect("removed");
            }
            for args in [&["snapshots"][..], &["push", "data"], &["check"]] {
                world.run(args).expect_code(14).expect_err("hint: ");
            }
            fs::write(&kept, bytes).expect("written");
        }
        fs::rename(world.path("vault/zv1/r").join(&flipped), world.path("vault/zv1/r").join(&name)).expect("renamed");
    }
    world.run(["push", "data"]).expect_code(0);
}

#[test]
fn a_clock_that_was_set_back() {
    let world = World::with_vault();
    for (content, time) in
        [("first", None), ("second", Some("2001-01-01T00:00:00Z")), ("third", Some("2000-01-01T00:00:00Z"))]
    {
        world.write("data/a", content);
        let mut args = vec!["push", "data"];
        args.extend(time.into_iter().flat_map(|time| ["--time", time]));
        world.run(args).expect_code(0);
    }
    // What this device did last is the latest, whatever it claims.
    let part = format!("latest:{}", world.path("data").to_str().expect("UTF-8"));
    world.run(["restore", &part, "-t", "out"]).expect_code(0);
    same(&look(&world.path("data")), &look(&world.path("out")));
    // A clock that runs ahead on another device does not hide them.
    world.write("data/a", "from the future");
    let mut other = world.command(["push", "data", "--time", "2099-01-01T00:00:00Z"]);
    run(other.env("ZVAULT_HOME", world.path("other"))).expect_code(0);
    world.write("data/a", "third");
    world.run(["restore", &part, "-t", "again"]).expect_code(0);
    assert_eq!(fs::read(world.path("again/a")).expect("restored"), b"third");
}

/// The vault that this machine knows.
fn vault_id(world: &World) -> String {
    let mut vaults = fs::read_dir(world.path("user/.local/state/zvault/vaults")).expect("listed");
    vaults.next().expect("one").expect("read").file_name().into_string().expect("text")
}

/// Puts what is in `name` in the place of the vault.
fn exchange(world: &World, name: &str) {
    let vault: &Path = &world.path("vault");
    fs::remove_dir_all(vault).expect("removed");
    fs::rename(world.path(name), vault).expect("moved");
}
