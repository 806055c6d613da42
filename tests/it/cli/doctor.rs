use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;

use crate::runner::{World, run, tree};

#[test]
fn a_folder_with_a_vault_is_fine_and_untouched() {
    let world = World::with_vault();
    let before = tree(&world.path("vault"));
    let ran = world.run(["doctor"]).expect_code(0).expect_out("everything is fine");
    for probe in ["version", "state", "list", "read", "write", "parts", "clock", "consistency", "create", "delete"] {
        assert!(ran.out.contains(&format!("ok       {probe}")), "{probe} in\n{}", ran.out);
    }
    assert_eq!(ran.err, "");
    assert_eq!(tree(&world.path("vault")), before, "nothing is left behind");
    // Without a URL it is the vault that this machine knows, and its device is named in full for policies.
    let ran = run(&mut world.bare(["doctor", "--json"])).expect_code(0);
    let document = ran.last_json();
    let [store] = &document["stores"].as_array().expect("stores")[..] else { panic!("one store: {document}") };
    assert_eq!((&document["num_errors"], &store["conditional_create"]), (&0.into(), &"honoured".into()));
    let vault = document["findings"].as_array().expect("findings").iter().find(|f| f["probe"] == "vault").expect("one");
    let said = vault["message"].as_str().expect("text");
    assert_eq!(said.rsplit(' ').next().map(str::len), Some(32), "{said}");
}

#[test]
fn nothing_is_written_where_nothing_is_to_be() {
    let world = World::with_vault();
    let before = tree(&world.path("vault"));
    world.run(["doctor", "--no-write"]).expect_code(0).expect_out("skipped  write");
    assert_eq!(tree(&world.path("vault")), before);
}

#[test]
fn what_is_wrong_is_said_with_what_to_do() {
    let world = World::with_vault();
    let ran = world.run(["doctor", "--url", "nowhere"]).expect_code(15).expect_out("failed   open");
    assert!(ran.out.contains("1 test failed"), "{}", ran.out);
    assert!(!world.path("nowhere").exists());

    let home = world.path("user/.local/state/zvault");
    fs::set_permissions(&home, Permissions::from_mode(0o755)).expect("opened to others");
    world.run(["doctor"]).expect_code(1).expect_out("failed   state").expect_out("chmod");
    let mode = fs::metadata(&home).expect("the state").permissions().mode();
    assert_eq!(mode & 0o777, 0o755, "only looked at");

    let quiet = world.run(["doctor", "--quiet"]).expect_code(1);
    assert!(quiet.out.lines().next().is_some_and(|line| line.starts_with("failed")), "{}", quiet.out);
    let json = world.run(["doctor", "--json"]).expect_code(1).last_json();
    assert_eq!(json["num_errors"], 1);
}

#[test]
fn all_stores_of_the_configuration_are_looked_at() {
    let world = World::with_vault();
    fs::create_dir(world.path("second")).expect("a folder");
    let store = |name: &str| format!("[[store]]\nname = {name:?}\nurl = {:?}\n", world.path(name));
    world.write("zvault.toml", store("vault") + &store("second"));
    let document = run(&mut world.bare(["doctor", "--json", "--config", "zvault.toml"])).expect_code(0).last_json();
    let stores = document["stores"].as_array().expect("stores");
    let places: Vec<_> = stores.iter().filter_map(|store| store["repository"].as_str()).collect();
    assert_eq!(places.len(), 2, "{document}");
    assert!(places[0].ends_with("/vault") && places[1].ends_with("/second"), "{places:?}");
}

#[test]
fn without_any_vault_only_the_machine_is_looked_at() {
    let world = World::new();
    run(&mut world.bare(["doctor"])).expect_code(0).expect_out("skipped  open");
    assert!(!world.path("user/.local").exists(), "nothing was made");
    run(&mut world.bare(["doctor", "--url", "s4://x"])).expect_code(2);
}
