//! Two machines of one person: names, capabilities, passphrases, and the end of one of them.

use serde_json::Value;

use super::machine::noise;
use crate::runner::{Ran, World, run, tree};

/// The program on the second machine; it joins with the passphrase when it first opens the vault.
fn second(world: &World, args: &[&str]) -> Ran {
    run(world.command(args).env("ZVAULT_HOME", world.path("second")))
}

/// The only device that is a machine and not the one that runs.
fn other(world: &World) -> Value {
    let listed = world.run(["devices", "--json"]).expect_code(0).last_json();
    let devices = listed["devices"].as_array().expect("devices").clone();
    let is_other = |device: &Value| device["kind"] == "machine" && device["this_device"] == false;
    let mut others = devices.into_iter().filter(is_other);
    let other = others.next().expect("another machine");
    assert!(others.next().is_none());
    other
}

fn id(device: &Value) -> String {
    device["device_id"].as_str().expect("an id").to_owned()
}

/// A vault with words, and the file that holds them.
pub(super) fn with_words(world: &World) -> String {
    let document = world.run(["init", "--json"]).expect_code(0).last_json();
    let words: Vec<&str> =
        document["recovery_words"].as_array().expect("words").iter().filter_map(Value::as_str).collect();
    world.write("words", words.join(" ")).to_str().expect("UTF-8").to_owned()
}

#[test]
fn the_life_of_a_device() {
    let world = World::with_vault();
    world.write("data/a", noise(300_000, 1));
    world.run(["push", "data"]).expect_code(0);
    second(&world, &["push", "data"]).expect_code(0).expect_err("is now a device of the vault");
    let device = other(&world);
    let id = id(&device);
    assert_eq!((&device["rank"], device["last_push"].is_string()), (&Value::from("device"), true));

    // Named by the beginning of its id, then by its name.
    world.run(["devices", "rename", &id[..10], "desk"]).expect_code(0).expect_out("is now called desk");
    world.run(["devices"]).expect_code(0).expect_out("desk").expect_out("this device").expect_out("recovery key");
    world.run(["devices", "rename", "desk", "\u{1b}[31mred"]).expect_code(2).expect_err("control character");
    world.run(["devices", "rename", "nobody", "x"]).expect_code(2).expect_err("no device 'nobody'");
    second(&world, &["devices", "rename", "desk", "mine"]).expect_code(13);
    assert!(!device["capabilities"].as_array().expect("some").contains(&"prune".into()));
    world.run(["devices", "grant", "desk", "prune"]).expect_code(2).expect_err("--yes");
    world.run(["devices", "grant", "desk", "prune", "--yes"]).expect_code(0).expect_out("prune");
    world.run(["devices", "grant", "desk", "read,push", "--yes"]).expect_code(2).expect_err("has this already");
    world.run(["devices", "grant", "desk", "everything"]).expect_code(2);

    // Its end is asked about, said in full, and noticed by it.
    world.run(["devices", "revoke", "desk"]).expect_code(2).expect_err("--yes");
    let ran = world.run(["devices", "revoke", "desk", "--yes", "--compromised"]).expect_code(0);
    let ran = ran.expect_out("change the storage credentials").expect_out("What cannot be undone");
    ran.expect_out("a new epoch has begun").expect_out("zvault key change").expect_out("zvault check --read-data-of");
    second(&world, &["push", "data"]).expect_code(13).expect_err("was revoked");
    second(&world, &["snapshots"]).expect_code(13);
    world.run(["devices"]).expect_code(0).expect_out("revoked ");
    world.run(["devices", "revoke", "desk", "--yes"]).expect_code(2).expect_err("no member");
    // What it had pushed stays, and life goes on.
    let snapshots = world.run(["snapshots", "--json"]).expect_code(0).last_json();
    assert_eq!(snapshots.as_array().expect("a list").len(), 2);
    world.write("data/b", noise(300_000, 2));
    world.run(["push", "data"]).expect_code(0);
    world.run(["check", "--read-data"]).expect_code(0);
    // The same machine comes back as another device, with another home.
    run(world.command(["push", "data"]).env("ZVAULT_HOME", world.path("third"))).expect_code(0);
    world.run(["check"]).expect_code(0);
}

#[test]
fn an_admin_is_ended_with_the_words_only() {
    let world = World::new();
    let words = with_words(&world);
    let by_words = ["--recovery-words-file", &words];
    second(&world, &["snapshots", by_words[0], by_words[1]]).expect_code(0);
    let device = other(&world);
    assert_eq!(device["rank"], "admin");
    let id = id(&device);
    world.run(["devices", "revoke", &id, "--yes"]).expect_code(2).expect_err("--recovery-words-file");
    let ran = world.run(["devices", "revoke", &id, "--yes", "--json", by_words[0], by_words[1]]).expect_code(0);
    let document = ran.last_json();
    assert!(document["new_epoch"].is_string() && document["pushing_stopped"] == false, "{document}");
    second(&world, &["snapshots"]).expect_code(13);
}

#[test]
fn a_machine_that_leaves() {
    let world = World::with_vault();
    second(&world, &["snapshots"]).expect_code(0);
    let id = id(&other(&world));
    second(&world, &["devices", "revoke", &id, "--yes"]).expect_code(0).expect_out("on another admin's device");
    // Any command of the first machine starts a new epoch, so that others push again.
    world.write("data/a", "a");
    world.run(["push", "data"]).expect_code(0);
    second(&world, &["push", "data"]).expect_code(0).expect_err("is now a device of the vault");
    world.run(["check"]).expect_code(0);
}

#[test]
fn names_do_not_act_on_the_terminal() {
    let world = World::new();
    world.run(["init", "--device-name", "\u{1b}]0;x\u{7}red\u{202e}"]).expect_code(0);
    for args in [&["devices"][..], &["devices", "list"], &["key"]] {
        let shown = world.run(args).expect_code(0).out;
        assert!(!shown.contains(['\u{1b}', '\u{7}', '\u{202e}']), "{shown:?}");
    }
}

#[test]
fn a_passphrase_that_is_root_names_its_successor() {
    let world = World::new();
    world.run(["init", "--no-recovery-key"]).expect_code(0);
    let change = |passphrase: &str, new: &str| {
        let mut command = world.command(["key", "change"]);
        run(command.env("ZVAULT_PASSPHRASE", passphrase).env("ZVAULT_NEW_PASSPHRASE", new))
    };
    change("none", "second horse battery").expect_code(12);
    change("correct horse battery", "second horse battery").expect_code(0);
    change("correct horse battery", "third horse battery").expect_code(12);
    let fresh = |name: &str, passphrase: &str| {
        let mut command = world.command(["devices", "--json"]);
        run(command.env("ZVAULT_HOME", world.path(name)).env("ZVAULT_PASSPHRASE", passphrase))
    };
    fresh("old", "correct horse battery").expect_code(12);
    let devices = fresh("new", "second horse battery").expect_code(0).last_json();
    let root = |device: &&Value| device["rank"] == "root" && device.get("revoked").is_none();
    assert_eq!(devices["devices"].as_array().expect("devices").iter().filter(root).count(), 1);
    world.run(["key", "remove", "passphrase", "--yes"]).expect_code(13);
}

#[test]
fn passphrases_come_and_go() {
    let world = World::with_vault();
    let fresh = |name: &str, passphrase: &str| {
        run(world.command(["snapshots"]).env("ZVAULT_HOME", world.path(name)).env("ZVAULT_PASSPHRASE", passphrase))
    };
    world.run(["key", "change"]).expect_code(2).expect_err("ZVAULT_NEW_PASSPHRASE");
    let new = |args: &[&str], passphrase: &str| run(world.command(args).env("ZVAULT_NEW_PASSPHRASE", passphrase));
    new(&["key", "change"], "second horse battery").expect_code(0).expect_out("everything that was pushed until now");
    fresh("old", "correct horse battery").expect_code(12);
    fresh("new", "second horse battery").expect_code(0);
    // From a file, under a name.
    let file = world.write("third", "third horse battery\n");
    let mut add = world.command(["key", "add", "--name", "office"]);
    run(add.env("ZVAULT_NEW_PASSPHRASE_FILE", file)).expect_code(0).expect_out("office");
    fresh("office", "third horse battery").expect_code(0);
    world.run(["key"]).expect_code(0).expect_out("office").expect_out("24 words").expect_out("ended");
    new(&["key", "change"], "x").expect_code(2).expect_err("several passphrases");
    world.run(["key", "remove", "office", "--yes"]).expect_code(0).expect_out("it had added these, and they stay");
    fresh("office again", "third horse battery").expect_code(12);
    fresh("office", "none").expect_code(0);
    world.run(["key", "remove", "office", "--yes"]).expect_code(2);
    let listed = world.run(["key", "list", "--json"]).expect_code(0).last_json();
    assert_eq!(listed.as_array().expect("a list").len(), 4);
    world.run(["check"]).expect_code(0);
}

/// What one device has stored is verified, and nothing else; snapshots of all devices that suffer are named.
#[test]
fn what_a_revoked_device_stored_is_verified() {
    let world = World::with_vault();
    world.write("theirs/a", noise(300_000, 1));
    second(&world, &["push", "theirs"]).expect_code(0);
    let device = id(&other(&world));
    world.write("own/b", noise(300_000, 2));
    world.run(["push", "own"]).expect_code(0);
    // The same content: what the other one has stored is not stored again, and relied on.
    world.write("relies/c", noise(300_000, 1));
    let relies = world.run(["push", "relies", "--json"]).expect_code(0).last_json();
    assert_eq!(relies["data_added"].as_u64().map(|added| added < 100_000), Some(true), "{relies}");
    world.run(["devices", "revoke", &device, "--yes", "--compromised"]).expect_code(0);
    let check = |args: &[&str]| world.run([&["check", "--json"], args].concat());
    let all = check(&["--read-data"]).expect_code(0).last_json();
    let some = check(&["--read-data-of", &device[..10]]).expect_code(0).last_json();
    let read = |summary: &Value| summary["packs_read"].as_u64().expect("a number");
    assert!(0 < read(&some) && read(&some) < read(&all), "{} of {}", read(&some), read(&all));

    let vault = world.path("vault/zv1/p");
    let (theirs, own): (Vec<_>, Vec<_>) =
        tree(&vault).into_iter().partition(|(path, _)| path.to_string_lossy().contains(&device));
    assert!(!theirs.is_empty() && !own.is_empty());
    for (path, mut bytes) in theirs.into_iter().chain(own) {
        bytes[1_000] ^= 1;
        std::fs::write(vault.join(path), bytes).expect("written");
    }
    let found = check(&["--read-data-of", &device]).expect_code(14).last_json();
    let damaged = found["damaged"].as_array().expect("a list");
    assert!(damaged.iter().all(|one| one["object"].as_str().expect("text").contains(&device)), "{found}");
    let text = found.to_string();
    assert!(text.contains("theirs/a") && text.contains("relies/c") && !text.contains("own/b"), "{found}");
    world.run(["check", "--read-data-of", "nobody"]).expect_code(2).expect_err("no device 'nobody'");
    world.run(["check", "--read-data-of", &device, "--read-data"]).expect_code(2);
}
