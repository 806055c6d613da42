//! `zvault status`: who pushed when, and how far each store is.

use std::fs;

use serde_json::Value;

use super::config::{go, two_stores};
use crate::flow::machine::noise;
use crate::runner::World;

fn store(world: &World, name: &str) -> Value {
    let status = go(world, &["status", "--json"]).expect_code(0).last_json();
    let stores = status["stores"].as_array().expect("stores").clone();
    stores.into_iter().find(|store| store["name"] == name).expect("it is configured")
}

#[test]
fn how_far_each_store_is() {
    let world = two_stores();
    let empty = store(&world, "second");
    assert_eq!((&empty["reachable"], &empty["behind"]), (&true.into(), &1.into()), "{empty}");
    assert_eq!(store(&world, "vault")["primary"], true);
    go(&world, &["push", "data"]).expect_code(0);
    assert_eq!(store(&world, "second")["behind"], 0);
    go(&world, &["status"]).expect_code(0).expect_out("this device").expect_out("up to date");

    // Away: what was seen to is remembered, and what was pushed since counts.
    fs::rename(world.path("second"), world.path("away")).expect("unplugged");
    world.write("data/b", noise(1000, 7));
    go(&world, &["push", "data"]).expect_code(0);
    go(&world, &["push", "data"]).expect_code(0);
    let away = store(&world, "second");
    assert_eq!((&away["reachable"], &away["behind"]), (&false.into(), &2.into()), "{away}");
    assert!(away["level_at"].is_string() && away["error"].is_string(), "{away}");
    go(&world, &["status"]).expect_code(0).expect_out("cannot be reached, 2 entries behind");
    fs::rename(world.path("away"), world.path("second")).expect("plugged in");
    assert_eq!(store(&world, "second")["behind"], 2);
    go(&world, &["mirror"]).expect_code(0);
    assert_eq!(store(&world, "second")["behind"], 0);
}

#[test]
fn backups_that_stopped() {
    let world = World::with_vault();
    world.write("data/a", "a");
    world.run(["status", "--max-age", "26h"]).expect_code(1).expect_err("no snapshot");
    world.run(["push", "data", "--time", "2020-01-01T00:00:00Z"]).expect_code(0);
    world.run(["status", "--max-age", "26h"]).expect_code(1).expect_err("older");
    let old = world.run(["status", "--max-age", "26h", "--json"]).expect_code(1).last_json();
    assert_eq!(old["too_old"], true);
    world.run(["status"]).expect_code(0);
    world.run(["push", "data"]).expect_code(0);
    world.run(["status", "--max-age", "26h"]).expect_code(0);
    world.run(["status", "--max-age", "1x"]).expect_code(2);
}
