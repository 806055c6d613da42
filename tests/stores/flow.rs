//! The whole life of a vault, on every server: what comes back is what was there.

use crate::look::{look, same};
use crate::machine::noise;
use crate::place::{Kind, Place, restore_of};
use crate::runner::World;
use std::fs;

#[test]
fn s3() {
    whole(&Place::new(Kind::S3));
}

#[test]
fn s3_below_a_prefix() {
    let place = Place::new(Kind::S3);
    let (one, two) = (place.clone().below("team/laptops"), place.clone().below("team/laptop"));
    whole(&one);
    // A prefix that another begins with is another place.
    whole(&two);
    assert!(place.names().iter().all(|name| name.starts_with("team/laptop")), "{:?}", place.names());
}

#[test]
fn azure() {
    whole(&Place::new(Kind::Azure).below("backups"));
}

#[test]
fn google() {
    whole(&Place::new(Kind::Gcs).below("backups"));
}

fn whole(place: &Place) {
    let world = World::new();
    let go = |args: &[&str]| place.run(&world, args);
    go(&["push", "data"]).expect_code(10);
    // All that it tries works here, and nothing of it stays.
    go(&["doctor"]).expect_code(0).expect_out("everything is fine");
    assert!(place.names().iter().all(|name| !name.starts_with("zv1")), "{:?}", place.names());
    go(&["init"]).expect_code(0);
    fill(&world);
    let first = go(&["push", "data", "--json"]).expect_code(0).last_json();
    assert_eq!(first["files_new"], 23, "{first}");

    let before = place.names().len();
    let again = go(&["push", "data", "--json"]).expect_code(0).last_json();
    assert_eq!((&again["files_unmodified"], &again["data_added"]), (&23.into(), &0.into()), "{again}");
    assert!(place.names().len() <= before + 1, "nothing is new, and one entry tells of it");

    let first_tree = look(&world.path("data"));
    world.write("data/small/3", noise(70_000, 77));
    world.write("data/later", "later");
    fs::remove_file(world.path("data/small/4")).expect("removed");
    go(&["push", "data"]).expect_code(0);
    let listed = go(&["snapshots", "--json"]).expect_code(0).last_json();
    assert_eq!(listed.as_array().map(Vec::len), Some(3), "{listed}");
    go(&["ls", "latest"]).expect_code(0).expect_out("later");
    go(&["check"]).expect_code(0);
    go(&["check", "--read-data"]).expect_code(0);

    place.run(&world, restore_of(&world, "latest", "out")).expect_code(0);
    same(&look(&world.path("data")), &look(&world.path("out")));
    let id = first["snapshot_id"].as_str().expect("an id");
    place.run(&world, restore_of(&world, id, "first")).expect_code(0);
    same(&first_tree, &look(&world.path("first")));

    // A machine that has nothing but the URL, its credential and the passphrase; it becomes a device, and pushes.
    let on_fresh = |args: Vec<String>| {
        let mut command = place.command(&world, args);
        crate::runner::run(command.env("HOME", world.path("fresh home")))
    };
    on_fresh(restore_of(&world, "latest", "fresh")).expect_code(0);
    same(&look(&world.path("data")), &look(&world.path("fresh")));
    world.write("data/of fresh", noise(100_000, 9));
    let pushed = on_fresh(["push", "data", "--json"].map(str::to_owned).into()).expect_code(0).last_json();
    on_fresh(vec!["check".into(), "--read-data".into()]).expect_code(0);
    // For each device its own are the latest ones.
    let id = pushed["snapshot_id"].as_str().expect("an id");
    place.run(&world, restore_of(&world, id, "seen by the first")).expect_code(0);
    same(&look(&world.path("data")), &look(&world.path("seen by the first")));
}

fn fill(world: &World) {
    for at in 0..20usize {
        world.write(&format!("data/small/{at}"), noise(at * 700, at as u64));
    }
    world.write("data/text", "a line that is there again\n".repeat(20_000));
    world.write("data/empty", "");
    // More than one pack.
    world.write("data/large", noise(20 << 20, 1234));
}
