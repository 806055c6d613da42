//! `zvault.toml`, and what the vault itself says of its stores.

use std::fs;

use crate::flow::look::look;
use crate::flow::machine::noise;
use crate::runner::{Ran, World, run, tree};

/// A vault whose second store is empty yet.
pub(super) fn two_stores() -> World {
    let world = World::with_vault();
    world.write("data/a", noise(300_000, 1));
    write_config(&world, &["vault", "second"]);
    go(&world, &["push", "data"]).expect_code(0);
    go(&world, &["stores", "add", "second"]).expect_code(0).expect_out("now a store");
    world
}

/// The program with the configuration, and without a URL.
pub(super) fn go(world: &World, args: &[&str]) -> Ran {
    run(world.command(args).env_remove("ZVAULT_URL"))
}

/// Stores in folders of their names, in this order.
pub(super) fn write_config(world: &World, names: &[&str]) {
    let store =
        |name: &&str| format!("[[store]]\nname = {name:?}\nurl = {:?}\n\n", world.path(name).to_str().expect("UTF-8"));
    let text: String = names.iter().map(store).collect();
    world.write("user/.local/state/zvault/zvault.toml", text);
}

#[test]
fn an_unknown_key_is_an_error() {
    let world = World::with_vault();
    let path =
        world.write("user/.local/state/zvault/zvault.toml", "[[store]]\nname = \"a\"\nurl = \"/v\"\nspeed = 9\n");
    go(&world, &["snapshots"]).expect_code(2).expect_err("line 4").expect_err("speed");
    fs::remove_file(path).expect("removed");
    go(&world, &["snapshots"]).expect_code(0);
    go(&world, &["snapshots", "--config", "nowhere.toml"]).expect_code(1).expect_err("nowhere.toml");
    let elsewhere = format!("[[store]]\nname = \"a\"\nurl = {:?}\n", world.path("vault").to_str().expect("UTF-8"));
    world.write("elsewhere.toml", elsewhere);
    go(&world, &["snapshots", "--config", "elsewhere.toml"]).expect_code(0);
    run(world.command(["snapshots"]).env_remove("ZVAULT_URL").env("ZVAULT_CONFIG", world.path("elsewhere.toml")))
        .expect_code(0);
}

#[test]
fn limits_of_all_stores_are_keys_too() {
    let world = World::with_vault();
    let config = |text: &str| drop(world.write("user/.local/state/zvault/zvault.toml", text));
    config("limit-upload = \"50M\"\nlimit-download = \"0\"\nparallel-requests = 4\nretry-max-time = \"30s\"\n");
    world.run(["snapshots"]).expect_code(0);
    config("retry-max-time = \"soon\"\n");
    world.run(["snapshots"]).expect_code(2).expect_err("zvault.toml").expect_err("retry-max-time: write a time");
    config("retry-time = \"5s\"\n");
    let ran = world.run(["snapshots"]).expect_code(2).expect_err("line 1").expect_err("retry-time");
    for known in ["limit-upload", "limit-download", "parallel-requests", "retry-max-time", "store"] {
        assert!(ran.err.contains(&format!("`{known}`")), "{known}: {}", ran.err);
    }
}

#[test]
fn requests_are_counted_for_each_store() {
    let world = two_stores();
    let ran = go(&world, &["push", "data", "--json"]).expect_code(0).last_json();
    let puts = |document: &serde_json::Value| document["requests"]["put"]["requests"].as_u64().expect("a number");
    let by_store = &ran["requests_by_store"];
    assert!(puts(&by_store["vault"]) >= 1 && puts(&by_store["second"]) >= 1, "{ran}");
    assert_eq!(puts(&ran), puts(&by_store["vault"]) + puts(&by_store["second"]), "{ran}");
    // A store that is not needed is not asked.
    let check = go(&world, &["check", "--json"]).expect_code(0).last_json();
    assert!(check.get("requests_by_store").is_none(), "{check}");
}

#[test]
fn the_roster_decides_which_store_is_the_primary() {
    let world = two_stores();
    let listed = go(&world, &["stores", "--json"]).expect_code(0).last_json();
    let listed = listed.as_array().expect("stores");
    assert_eq!(listed.len(), 2);
    let primary: Vec<_> = listed.iter().filter(|store| store["primary"] == true).map(|store| &store["name"]).collect();
    assert_eq!(primary, ["vault"]);
    go(&world, &["mirror"]).expect_code(0);
    assert_eq!(tree(&world.path("second/zv1")), tree(&world.path("vault/zv1")));

    // A configuration that disagrees, and a URL that does: nothing is pushed, everything can be read.
    let before = tree(&world.path("second"));
    write_config(&world, &["second", "vault"]);
    for args in [&["push", "data"][..], &["push", "data", "--force"]] {
        go(&world, args).expect_code(13).expect_err("primary").expect_err("zvault.toml");
    }
    run(world.command(["push", "data"]).env("ZVAULT_URL", world.path("second"))).expect_code(13);
    go(&world, &["snapshots"]).expect_code(0).expect_out("1 snapshot");
    assert_eq!(tree(&world.path("second")), before);

    // The primary under another name of the same place is the primary once its id is said.
    let id =
        listed.iter().find(|store| store["primary"] == true).expect("one")["id"].as_str().expect("an id").to_owned();
    std::os::unix::fs::symlink(world.path("vault"), world.path("mounted")).expect("a link");
    let text =
        |id: &str| format!("[[store]]\nname = \"m\"\nurl = {:?}\n{id}", world.path("mounted").to_str().expect("UTF-8"));
    world.write("user/.local/state/zvault/zvault.toml", text(""));
    go(&world, &["push", "data"]).expect_code(13).expect_err(&id);
    world.write("user/.local/state/zvault/zvault.toml", text(&format!("id = {id:?}\n")));
    go(&world, &["push", "data"]).expect_code(0);
}

#[test]
fn the_primary_is_changed_by_an_admin() {
    let world = two_stores();
    // It lacks everything: nobody could restore from it.
    go(&world, &["stores", "primary", "second"]).expect_code(10);
    go(&world, &["mirror", "--store", "second"]).expect_code(0);
    world.write("data/b", noise(100_000, 2));
    go(&world, &["push", "data"]).expect_code(0);
    let behind = go(&world, &["stores", "primary", "second"]);
    assert!(behind.code == Some(0) || behind.code == Some(14) || behind.code == Some(1), "{}", behind.err);
    go(&world, &["mirror", "--store", "second"]).expect_code(0);

    // A guest is no admin.
    let guest = |args: &[&str]| {
        run(world.command(args).env("ZVAULT_HOME", world.path("guest")).env("ZVAULT_URL", world.path("vault")))
    };
    guest(&["snapshots"]).expect_code(0);
    go(&world, &["mirror"]).expect_code(0);
    guest(&["stores", "add", "third"]).expect_code(13);

    go(&world, &["stores", "primary", "second"]).expect_code(0).expect_out("now the primary");
    go(&world, &["push", "data"]).expect_code(13).expect_err("not the vault's primary");
    write_config(&world, &["second", "vault"]);
    world.write("data/c", noise(100_000, 3));
    go(&world, &["push", "data"]).expect_code(0);
    let part = format!("latest:{}", world.path("data").to_str().expect("UTF-8"));
    fs::rename(world.path("vault"), world.path("gone")).expect("moved away");
    write_config(&world, &["second"]);
    go(&world, &["restore", &part, "-t", "out"]).expect_code(0);
    assert_eq!(look(&world.path("out")), look(&world.path("data")));
    go(&world, &["check", "--read-data"]).expect_code(0);
}

#[test]
fn a_store_is_taken_off_the_list() {
    let world = two_stores();
    go(&world, &["push", "data"]).expect_code(0);
    let listed = || go(&world, &["stores", "--json"]).expect_code(0).last_json().as_array().expect("stores").clone();
    let id_of = |name: &str| {
        let store = listed().into_iter().find(|store| store["name"] == name).expect("it is configured");
        store["id"].as_str().map(str::to_owned)
    };
    let (first, second) = (id_of("vault").expect("an id"), id_of("second").expect("an id"));
    // Not the primary, not one that there is not, and not by anybody.
    for primary in ["vault", &first] {
        go(&world, &["stores", "remove", primary]).expect_code(2).expect_err("stores primary");
    }
    go(&world, &["stores", "remove", "third"]).expect_code(2).expect_err("zvault stores");
    go(&world, &["stores", "remove", &"0".repeat(32)]).expect_code(2);
    let guest = ["stores", "remove", &second];
    run(world.command(guest).env("ZVAULT_HOME", world.path("guest"))).expect_code(13);
    assert_eq!(listed().len(), 2);

    // Lost for good, it can be removed as well.
    let before = tree(&world.path("second"));
    fs::rename(world.path("second"), world.path("away")).expect("unplugged");
    go(&world, &["stores", "remove", "second"]).expect_code(0).expect_out("zvault.toml");
    assert_eq!(tree(&world.path("away")), before);
    fs::rename(world.path("away"), world.path("second")).expect("plugged in");
    assert_eq!(id_of("second"), None);
    write_config(&world, &["vault"]);
    go(&world, &["push", "data"]).expect_code(0);
    go(&world, &["check"]).expect_code(0);
    assert_eq!(listed().len(), 1);

    // Back under an id of its own, by its id off again.
    write_config(&world, &["vault", "second"]);
    go(&world, &["stores", "add", "second"]).expect_code(0).expect_out("now a store");
    let again = id_of("second").expect("an id");
    assert_ne!(again, second);
    go(&world, &["push", "data"]).expect_code(0);
    go(&world, &["stores", "remove", &again]).expect_code(0);
    assert_eq!(id_of("second"), None);
}
