//! Pushes to several stores: the others follow, and catch up.

use std::fs;
use std::path::Path;

use serde_json::Value;

use super::config::{go, two_stores, write_config};
use crate::flow::look::look;
use crate::flow::machine::noise;
use crate::runner::{World, run, tree};

fn push(world: &World) -> Value {
    go(world, &["push", "data", "--json"]).expect_code(0).last_json()
}

fn level(world: &World) -> bool {
    tree(&world.path("vault/zv1")) == tree(&world.path("second/zv1"))
}

fn followed(summary: &Value) -> (u64, bool, bool) {
    let store = &summary["stores"][0];
    (store["objects"].as_u64().expect("a number"), store["caught_up"] == true, store["error"].is_string())
}

/// The newest snapshot comes back from this store alone, on a machine that has never seen it.
fn restores_from(world: &World, store: &Path) {
    let part = format!("latest:{}", world.path("data").to_str().expect("UTF-8"));
    for name in ["out", "fresh"] {
        let _ = fs::remove_dir_all(world.path(name));
    }
    let mut command = world.command(["restore", &part, "-t", "out", "--ephemeral"]);
    run(command.env("ZVAULT_HOME", world.path("fresh")).env("ZVAULT_URL", store)).expect_code(0);
    assert_eq!(look(&world.path("out")), look(&world.path("data")));
}

#[test]
fn the_second_store_follows_in_the_same_run() {
    let world = two_stores();
    // It is empty: filled by a copy. From then on it takes what the push stores.
    let (objects, caught_up, failed) = followed(&push(&world));
    assert!(caught_up && !failed && objects > 0);
    assert!(level(&world));
    world.write("data/b", noise(3_000_000, 2));
    let (objects, caught_up, failed) = followed(&push(&world));
    assert!(!caught_up && !failed && objects >= 3, "{objects}");
    assert!(level(&world));
    restores_from(&world, &world.path("second"));
    // An unchanged tree stores its entry in both, and reads nothing back.
    let (objects, caught_up, _) = followed(&push(&world));
    assert!(!caught_up && objects <= 3, "{objects}");
    assert!(level(&world));
    // Many pushes: deltas are merged on both sides.
    for n in 0..36 {
        world.write("data/c", noise(1000, 100 + n));
        push(&world);
    }
    assert!(level(&world));
    assert!(tree(&world.path("second/zv1")).keys().any(|path| path.starts_with("x")), "merged");
    restores_from(&world, &world.path("second"));
}

#[test]
fn a_store_that_is_away_catches_up() {
    let world = two_stores();
    push(&world);
    assert!(level(&world));
    fs::rename(world.path("second"), world.path("away")).expect("unplugged");
    world.write("data/b", noise(500_000, 2));
    let ran = go(&world, &["push", "data", "--quiet"]).expect_code(0);
    assert!(ran.err.contains("the store second does not have this snapshot"), "{}", ran.err);
    world.write("data/c", noise(500_000, 3));
    let (_, _, failed) = followed(&push(&world));
    assert!(failed);
    fs::rename(world.path("away"), world.path("second")).expect("plugged in");
    assert!(!level(&world));
    // Only what is missing: two pushes and this one, and not what was there.
    let there = tree(&world.path("second/zv1")).len() as u64;
    world.write("data/d", noise(500_000, 4));
    let (objects, caught_up, failed) = followed(&push(&world));
    assert!(caught_up && !failed);
    assert_eq!(objects, tree(&world.path("second/zv1")).len() as u64 - there);
    assert!(level(&world));
    restores_from(&world, &world.path("second"));
}

#[test]
fn what_another_machine_pushed_is_filled_in() {
    let world = two_stores();
    push(&world);
    // A machine without the second store in its configuration.
    world.write("data/b", noise(500_000, 2));
    let mut other = world.command(["push", "data"]);
    run(other.env("ZVAULT_HOME", world.path("other"))).expect_code(0);
    assert!(!level(&world));
    // What this machine pushes relies on it, so the second store gets both.
    let (_, caught_up, failed) = followed(&push(&world));
    assert!(caught_up && !failed);
    assert!(level(&world));
    restores_from(&world, &world.path("second"));
}

#[test]
fn a_second_store_that_is_another_vault_gets_nothing() {
    let world = two_stores();
    let other = World::with_vault();
    let _ = fs::remove_dir_all(world.path("second"));
    crate::attack::copy(&other.path("vault"), &world.path("second"));
    let before = tree(&world.path("second"));
    let summary = push(&world);
    assert!(summary["stores"][0]["error"].as_str().expect("an error").contains("holds vault"), "{summary}");
    assert_eq!(tree(&world.path("second")), before);
    // A dry run writes nowhere.
    let before = tree(&world.path("vault"));
    write_config(&world, &["vault"]);
    go(&world, &["push", "data", "-n"]).expect_code(0);
    assert_eq!(tree(&world.path("vault")), before);
}

/// Flips a bit in the middle of the largest data pack; its path and its whole bytes.
fn spoil_a_pack(world: &World) -> (std::path::PathBuf, Vec<u8>) {
    let packs = tree(&world.path("vault/zv1")).into_iter().filter(|(name, _)| name.starts_with("p"));
    let (name, whole) = packs.max_by_key(|(_, bytes)| bytes.len()).expect("a pack");
    let path = world.path("vault/zv1").join(name);
    let mut wrong = whole.clone();
    wrong[whole.len() / 2] ^= 1;
    fs::write(&path, wrong).expect("written");
    (path, whole)
}

#[test]
fn a_store_with_holes_is_not_taken_for_level() {
    let world = two_stores();
    let (path, whole) = spoil_a_pack(&world);
    // The copy goes on without it, and says so as long as it is so.
    for n in 0..2 {
        world.write("data/b", noise(50_000, n));
        let summary = push(&world);
        assert!(followed(&summary).1, "{summary}");
        assert_eq!(summary["stores"][0]["holes"], 1, "{summary}");
        go(&world, &["status"]).expect_code(0).expect_out("with holes: 1 object").expect_out("'zvault mirror'");
    }
    let ran = go(&world, &["push", "data", "--quiet"]).expect_code(0);
    assert!(ran.err.contains("holes: 1 object is") && ran.err.contains("zvault mirror"), "{}", ran.err);
    // A copy by hand finds the same, and one from a whole source ends it.
    go(&world, &["mirror"]).expect_code(14);
    go(&world, &["status"]).expect_code(0).expect_out("with holes");
    fs::write(&path, whole).expect("written");
    go(&world, &["mirror"]).expect_code(0);
    let status = go(&world, &["status", "--json"]).expect_code(0).last_json();
    assert!(status["stores"].as_array().expect("stores").iter().all(|store| store["holes"] == 0), "{status}");
    world.write("data/c", noise(50_000, 9));
    let (_, caught_up, failed) = followed(&push(&world));
    assert!(!caught_up && !failed);
    assert!(level(&world));
    restores_from(&world, &world.path("second"));
}

#[test]
fn holes_that_another_machine_left_are_found_by_listing() {
    let world = two_stores();
    let (path, whole) = spoil_a_pack(&world);
    // Somebody without keys filled the second store. Of that nothing is known here.
    run(world.bare(["mirror", "--from", "vault", "--to", "second"]).env("ZVAULT_HOME", world.path("nobody")))
        .expect_code(14);
    fs::write(&path, whole).expect("written");
    assert!(!level(&world));
    let (objects, caught_up, failed) = followed(&push(&world));
    assert!(caught_up && !failed && objects >= 1);
    assert!(level(&world));
    // Compared once: what is gone after that is for a copy to find.
    let (_, caught_up, _) = followed(&push(&world));
    assert!(!caught_up);
}
