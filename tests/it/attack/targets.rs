//! Targets in which somebody laid traps.

use std::fs;
use std::os::unix::fs::symlink;

use crate::flow::look::look;
use crate::flow::machine::noise;
use crate::runner::{World, tree};

#[test]
fn a_link_on_the_way_is_never_followed() {
    for how in ["always", "if-changed", "if-newer", "never"] {
        let world = World::with_vault();
        world.write("data/dir/file", noise(70_000, 1));
        world.write("data/dir/deep/small", "small");
        world.write("data/other", "other");
        world.run(["push", "data"]).expect_code(0);
        world.write("elsewhere/file", "mine");
        world.write("elsewhere/deep/precious", "mine");
        fs::create_dir(world.path("out")).expect("a folder");
        symlink(world.path("elsewhere"), world.path("out/dir")).expect("a link");
        let before = look(&world.path("elsewhere"));
        let part = format!("latest:{}", world.path("data").to_str().expect("UTF-8"));
        let ran = world.run(["restore", &part, "-t", "out", "--overwrite", how, "--delete"]);
        assert!(look(&world.path("elsewhere")) == before, "--overwrite {how} wrote through a link: {}", ran.err);
        // The link gave way to the folder, or it is named.
        let replaced = !world.path("out/dir").is_symlink();
        assert!(replaced || ran.code == Some(1) && ran.err.contains("dir"), "{how}: {:?} {}", ran.code, ran.err);
        assert_eq!(fs::read(world.path("out/other")).expect("the rest is restored"), b"other");
        if replaced {
            assert_eq!(fs::read(world.path("out/dir/deep/small")).expect("restored"), b"small");
        }
    }
}

#[test]
fn a_link_in_the_place_of_a_file_is_replaced() {
    let world = World::with_vault();
    world.write("data/file", "pushed");
    world.run(["push", "data"]).expect_code(0);
    let precious = world.write("precious", "mine");
    fs::create_dir(world.path("out")).expect("a folder");
    symlink(&precious, world.path("out/file")).expect("a link");
    let part = format!("latest:{}", world.path("data").to_str().expect("UTF-8"));
    world.run(["restore", &part, "-t", "out", "--overwrite", "always"]).expect_code(0);
    assert_eq!(fs::read(&precious).expect("there"), b"mine");
    assert!(!world.path("out/file").is_symlink());
    assert_eq!(fs::read(world.path("out/file")).expect("restored"), b"pushed");
}

#[test]
fn a_hard_link_in_the_target_is_not_written_through() {
    let world = World::with_vault();
    world.write("data/file", "pushed, and longer than before");
    world.run(["push", "data"]).expect_code(0);
    let precious = world.write("precious", "mine");
    fs::create_dir(world.path("out")).expect("a folder");
    fs::hard_link(&precious, world.path("out/file")).expect("linked");
    let part = format!("latest:{}", world.path("data").to_str().expect("UTF-8"));
    world.run(["restore", &part, "-t", "out", "--overwrite", "always"]).expect_code(0);
    assert_eq!(fs::read(&precious).expect("there"), b"mine");
    assert_eq!(tree(&world.path("out")).into_values().next().expect("restored"), b"pushed, and longer than before");
}

#[test]
fn a_folder_in_the_place_of_a_file_stays_without_delete() {
    let world = World::with_vault();
    world.write("data/name", "pushed");
    world.write("data/other", "other");
    world.run(["push", "data"]).expect_code(0);
    world.write("out/name/precious", "mine");
    let part = format!("latest:{}", world.path("data").to_str().expect("UTF-8"));
    world
        .run(["restore", &part, "-t", "out", "--overwrite", "always"])
        .expect_code(1)
        .expect_err("a folder is in the way");
    assert_eq!(fs::read(world.path("out/name/precious")).expect("there"), b"mine");
    assert_eq!(fs::read(world.path("out/other")).expect("restored"), b"other");
    world.run(["restore", &part, "-t", "out", "--overwrite", "always", "--delete"]).expect_code(0);
    assert_eq!(fs::read(world.path("out/name")).expect("restored"), b"pushed");
}

#[test]
fn links_of_the_snapshot_lead_nowhere_during_the_restore() {
    // A source in which a link and, in an older snapshot, a folder have the same name.
    let world = World::with_vault();
    world.write("data/dir/file", "inside");
    world.run(["push", "data"]).expect_code(0);
    fs::remove_dir_all(world.path("data/dir")).expect("removed");
    world.write("elsewhere/file", "mine");
    symlink(world.path("elsewhere"), world.path("data/dir")).expect("a link");
    world.run(["push", "data"]).expect_code(0);
    let data = world.path("data");
    let data = data.to_str().expect("UTF-8");
    let newest = format!("latest:{data}");
    let older = format!("latest~1:{data}");
    world.run(["restore", &newest, "-t", "out"]).expect_code(0);
    let ran = world.run(["restore", &older, "-t", "out", "--overwrite", "always", "--delete"]);
    assert_eq!(fs::read(world.path("elsewhere/file")).expect("there"), b"mine", "{}", ran.err);
}
