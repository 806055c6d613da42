//! Machines that have nothing but the URL and a secret, and stores that take nothing.

use std::fs;
use std::process::Command;

use super::look::{look, same};
use super::machine::{Disk, as_nobody, give_away, noise};
use crate::runner::{Ran, World, run};

#[test]
fn a_fresh_machine_with_a_passphrase() {
    let world = World::with_vault();
    full_life(&world, |command| command.env("ZVAULT_PASSPHRASE", "correct horse battery"));
}

#[test]
fn a_fresh_machine_with_the_words() {
    let world = World::new();
    let document = world.run(["init", "--json"]).expect_code(0).last_json();
    let words: Vec<&str> =
        document["recovery_words"].as_array().expect("words").iter().filter_map(|word| word.as_str()).collect();
    let file = world.write("words", words.join(" ").to_uppercase());
    full_life(&world, |command| command.arg("--recovery-words-file").arg(&file));
}

#[test]
fn an_ephemeral_run_leaves_no_device_and_no_key() {
    let world = World::with_vault();
    world.write("data/a", noise(300_000, 1));
    world.run(["push", "data"]).expect_code(0);
    let records = || fs::read_dir(world.path("vault/zv1/r")).expect("a roster").count();
    let before = (look(&world.path("vault")), records());
    for args in [&["snapshots"][..], &["restore", "-t", "out"], &["check"], &["ls"]] {
        let mut command = world.command(args);
        run(command.arg("--ephemeral").env("ZVAULT_HOME", world.path("guest"))).expect_code(0);
    }
    assert_eq!((look(&world.path("vault")), records()), before, "reading wrote to the store");
    let mut again = world.bare(["snapshots"]);
    again.env("ZVAULT_HOME", world.path("guest")).env("ZVAULT_URL", world.path("vault"));
    run(&mut again).expect_code(2).expect_err("passphrase");
}

#[test]
fn a_store_that_is_read_only() {
    let world = World::new();
    let Some(disk) = Disk::new(&world.path("vault"), "64m") else { return };
    world.run(["init"]).expect_code(0);
    world.write("data/a", noise(300_000, 1));
    world.run(["push", "data"]).expect_code(0);
    disk.change("ro");
    read_only_store(&world, 15, |command| command);
    // A fresh machine reads, and is told that it could not become a device.
    let mut fresh = world.command(["snapshots"]);
    run(fresh.env("ZVAULT_HOME", world.path("fresh"))).expect_code(0).expect_err("could not become a device");
    disk.change("rw");
    world.run(["push", "data"]).expect_code(0);
}

#[test]
fn a_store_that_belongs_to_somebody_else() {
    let world = World::with_vault();
    world.write("data/a", noise(300_000, 1));
    world.run(["push", "data"]).expect_code(0);
    give_away(&world);
    let changed = Command::new("chmod").args(["-R", "a-w"]).arg(world.path("vault")).status().expect("it starts");
    assert!(changed.success());
    read_only_store(&world, 13, as_nobody);
    let changed = Command::new("chmod").args(["-R", "u+w"]).arg(world.path("vault")).status().expect("it starts");
    assert!(changed.success());
}

/// Everything that reads works, a push says why it does not.
fn read_only_store(world: &World, code: i32, through: impl Fn(Command) -> Command) {
    let go = |args: &[&str]| run(&mut through(world.command(args)));
    let before = look(&world.path("vault"));
    world.write("data/b", noise(300_000, 2));
    let ran = go(&["push", "data"]);
    assert_eq!(ran.code, Some(code), "{}", ran.err);
    let said = ran.err.to_lowercase();
    assert!(said.contains("read-only") || said.contains("permission denied"), "{}", ran.err);
    go(&["snapshots"]).expect_code(0).expect_out("1 snapshot");
    go(&["check", "--read-data"]).expect_code(0);
    go(&["restore", "-t", "out"]).expect_code(0);
    assert_eq!(look(&world.path("vault")), before);
}

/// A machine opens a vault with a secret, reads it, pushes, and needs no secret any more.
fn full_life<'c>(world: &'c World, with_secret: impl Fn(&mut Command) -> &mut Command + 'c) {
    world.write("data/a", noise(300_000, 1));
    world.write("data/b", "b");
    world.run(["push", "data"]).expect_code(0);
    let on_fresh = |args: &[&str], secret: bool| -> Ran {
        let mut command = world.bare(args);
        command.env("HOME", world.path("fresh home")).env("ZVAULT_URL", world.path("vault"));
        if secret {
            with_secret(&mut command);
        }
        run(&mut command)
    };
    let part = format!("latest:{}", world.path("data").to_str().expect("UTF-8"));
    on_fresh(&["restore", &part, "-t", "first"], false).expect_code(2);
    on_fresh(&["restore", &part, "-t", "first"], true).expect_code(0).expect_err("is now a device of the vault");
    same(&look(&world.path("data")), &look(&world.path("first")));

    world.write("data/c", noise(300_000, 3));
    let pushed = on_fresh(&["push", "data", "--json"], false).expect_code(0).last_json();
    // What another device says of a file is not taken for granted: it is read, and found in the vault.
    assert_eq!(pushed["files_new"], 3, "{pushed}");
    assert!(pushed["data_added"].as_u64().is_some_and(|added| added < 320_000), "{pushed}");
    on_fresh(&["check", "--read-data"], false).expect_code(0);
    // The first machine sees what the second did, and the other way round.
    let newest = world.run(["snapshots", "--json"]).expect_code(0).last_json();
    let newest = newest.as_array().expect("snapshots").last().expect("a snapshot");
    assert_eq!(newest["id"], pushed["snapshot_id"]);
    let id = newest["id"].as_str().expect("an id");
    let of_second = format!("{id}:{}", world.path("data").to_str().expect("UTF-8"));
    world.run(["restore", &of_second, "-t", "second"]).expect_code(0);
    same(&look(&world.path("data")), &look(&world.path("second")));
}
