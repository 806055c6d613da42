//! No room: in the store, in the target, for local state.

use std::fs;

use crate::flow::look::{look, same};
use crate::flow::machine::{Disk, noise};
use crate::runner::{World, run, tree};

#[test]
fn a_store_that_is_full_in_the_middle_of_a_push() {
    let world = World::new();
    let Some(disk) = Disk::new(&world.path("vault"), "24m") else { return };
    world.run(["init"]).expect_code(0);
    world.write("data/first", noise(1 << 20, 1));
    world.run(["push", "data"]).expect_code(0);
    for at in 0..5 {
        world.write(&format!("data/large{at}"), noise(9 << 20, 10 + at));
    }
    for _ in 0..2 {
        let ran = world.run(["push", "data"]).expect_code(15).expect_err("hint: ");
        assert!(ran.err.contains("space") || ran.err.contains("full"), "{}", ran.err);
        // What was there is there, also while there is no room.
        world.run(["check", "--read-data"]).expect_code(0);
        let listed = world.run(["snapshots", "--json"]).expect_code(0).last_json();
        assert_eq!(listed.as_array().map(Vec::len), Some(1));
        fs::remove_dir_all(world.path("old")).unwrap_or(());
        world.run(["restore", "-t", "old"]).expect_code(0);
    }
    disk.change("size=200m");
    world.run(["push", "data"]).expect_code(0).expect_out("found 1 pack of an interrupted push again");
    let part = format!("latest:{}", world.path("data").to_str().expect("UTF-8"));
    world.run(["restore", &part, "-t", "out"]).expect_code(0);
    same(&look(&world.path("data")), &look(&world.path("out")));
    world.run(["check", "--read-data"]).expect_code(0);
}

#[test]
fn a_store_without_room_for_a_vault() {
    let world = World::new();
    let Some(disk) = Disk::new(&world.path("vault"), "16k") else { return };
    let ran = world.run(["init"]).expect_code(15);
    assert!(ran.err.contains("space") || ran.err.contains("full"), "{}", ran.err);
    assert!(!ran.out.contains("ready"), "{}", ran.out);
    disk.change("size=10m");
    world.run(["init"]).expect_code(0);
}

#[test]
fn a_target_that_is_full() {
    let world = World::with_vault();
    for at in 0..4 {
        world.write(&format!("data/{at}"), noise(3 << 20, at));
    }
    world.run(["push", "data"]).expect_code(0);
    let Some(disk) = Disk::new(&world.path("out"), "7m") else { return };
    world.run(["restore", "-t", "out"]).expect_code(15).expect_err("free");
    assert!(tree(&world.path("out")).is_empty(), "what does not fit is not begun");
    disk.change("size=100m");
    let part = format!("latest:{}", world.path("data").to_str().expect("UTF-8"));
    world.run(["restore", &part, "-t", "out"]).expect_code(0);
    assert_eq!(tree(&world.path("out")).len(), 4);
}

#[test]
fn no_room_for_local_state() {
    let world = World::with_vault();
    world.write("data/a", noise(2 << 20, 1));
    let Some(disk) = Disk::new(&world.path("small"), "1m") else { return };
    let go = |args: &[&str]| {
        let mut command = world.command(args);
        run(command.env("ZVAULT_HOME", world.path("small/home")).env("ZVAULT_CACHE_DIR", world.path("small/cache")))
    };
    go(&["snapshots"]).expect_code(0);
    fs::write(world.path("small/filler"), noise(2 << 20, 2)).expect_err("it is full");
    let ran = go(&["push", "data"]);
    assert!(!ran.err.contains("panicked") && ran.code != Some(14), "{:?} {}", ran.code, ran.err);
    // Whatever it could do: the vault is a vault, and with room everything goes on.
    world.run(["check", "--read-data"]).expect_code(0);
    fs::remove_file(world.path("small/filler")).expect("removed");
    go(&["push", "data"]).expect_code(0);
    go(&["check", "--read-data"]).expect_code(0);
    disk.change("size=2m");
}
