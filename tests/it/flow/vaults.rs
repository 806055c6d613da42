//! One folder with vaults of several people, and what each machine finds there.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use super::machine::{as_nobody, give_away};
use crate::runner::{Ran, World, run, tree};

/// Somebody's machine: a home and a passphrase of its own, and no vault in the environment.
fn on(world: &World, who: &str, args: &[&str]) -> Command {
    let mut command = world.bare(args);
    command.env("ZVAULT_HOME", world.path(who)).env("ZVAULT_PASSPHRASE", format!("passphrase of {who}"));
    command
}

fn ran(world: &World, who: &str, args: &[&str]) -> Ran {
    run(&mut on(world, who, args))
}

/// A vault in the folder, under a name that nobody chose.
fn init(world: &World, who: &str) -> Value {
    let args = ["init", "all", "--random-name", "--device-name", who, "--json"];
    ran(world, who, &args).expect_code(0).last_json()
}

fn text(value: &Value) -> &str {
    value.as_str().expect("a text")
}

fn ids(found: &Value) -> Vec<(&str, &str)> {
    let vaults = found["vaults"].as_array().expect("vaults").iter();
    vaults.map(|vault| (text(&vault["vault_id"]), text(&vault["opened_by"]))).collect()
}

#[test]
fn two_people_three_vaults_one_folder() {
    let world = World::new();
    ran(&world, "alice", &["vaults"]).expect_code(0).expect_err("knows no vault");
    assert!(!world.path("alice").exists(), "looking makes no state");
    let (desk, bobs) = (init(&world, "alice"), init(&world, "bob"));
    // On another machine, with the same passphrase.
    let other = run(on(&world, "other", &["init", "all", "--random-name", "--json"])
        .env("ZVAULT_PASSPHRASE", "passphrase of alice"))
    .expect_code(0)
    .last_json();
    let file = world.write("letter", "to whom it may concern");
    ran(&world, "alice", &["push", file.to_str().expect("UTF-8")]).expect_code(0);

    // Names say nothing.
    let mut names: Vec<String> = fs::read_dir(world.path("all"))
        .expect("a folder")
        .map(|entry| entry.expect("read").file_name().into_string().expect("text"))
        .collect();
    names.sort();
    assert!(names.len() == 3 && names.iter().all(|name| name.len() == 32 && hex::decode(name).is_ok()), "{names:?}");
    for (path, bytes) in tree(&world.path("all")) {
        let shown = [path.to_str().expect("text").as_bytes(), &bytes].concat();
        for canary in ["alice", "bob"] {
            assert!(!shown.windows(canary.len()).any(|window| window == canary.as_bytes()), "{canary} in the store");
        }
    }

    let found = ran(&world, "alice", &["vaults", "all", "--json"]).expect_code(0).last_json();
    assert_eq!(ids(&found), [(text(&desk["id"]), "device")]);
    assert_eq!(
        (&found["others"], &found["problems"], found.get("other_vaults")),
        (&2.into(), &Value::Array(vec![]), None)
    );
    let vault = &found["vaults"][0];
    assert_eq!((&vault["url"], &vault["device_id"]), (&desk["repository"], &desk["device_id"]));
    assert_eq!((&vault["device_name"], &vault["short_id"]), (&"alice".into(), &text(&desk["id"])[..8].into()));
    let shown = ran(&world, "alice", &["vaults", "all"]).expect_code(0).expect_out("this device");
    let shown = shown.expect_out("2 other vaults").expect_out("--with-secret");
    assert!(!shown.out.contains(text(&bobs["repository"])) && !shown.out.contains(&text(&bobs["id"])[..8]));
    let shown = ran(&world, "alice", &["vaults", "all", "--all"]).expect_code(0);
    shown.expect_out(text(&bobs["repository"])).expect_out(&text(&bobs["id"])[..8]);

    let found = ran(&world, "alice", &["vaults", "all", "--with-secret", "--json"]).expect_code(0).last_json();
    let mut expected = [(text(&desk["id"]), "device"), (text(&other["id"]), "passphrase")];
    let mut both = ids(&found);
    expected.sort_unstable();
    both.sort_unstable();
    assert_eq!((&both[..], &found["others"]), (&expected[..], &1.into()));
    let found = ran(&world, "bob", &["vaults", "all", "--with-secret", "--json"]).expect_code(0).last_json();
    assert_eq!((ids(&found), &found["others"]), (vec![(text(&bobs["id"]), "device")], &2.into()));

    // A machine that has nothing but a secret, and leaves nothing behind.
    let guest = ran(&world, "guest", &["vaults", "all"]).expect_code(0).expect_out("3 other vaults");
    assert!(!guest.err.contains("passphrase"), "nobody asked to try one");
    ran(&world, "guest", &["vaults", "all", "--with-secret"]).expect_code(12).expect_err("none of 3 vaults");
    let words: Vec<&str> = bobs["recovery_words"].as_array().expect("words").iter().map(text).collect();
    world.write("words", words.join(" "));
    let args = ["vaults", "all", "--recovery-words-file", "words", "--json"];
    let found = ran(&world, "guest", &args).expect_code(0).last_json();
    assert_eq!(ids(&found), [(text(&bobs["id"]), "recovery_key")]);
    world.write("secret", "passphrase of bob\n");
    let args = ["vaults", "all", "--passphrase-file", "secret"];
    ran(&world, "guest", &args).expect_code(0).expect_out("passphrase").expect_err("tried at 3 slots");
    let nobody = |args: &[&str]| run(world.bare(args).env("ZVAULT_HOME", world.path("guest")));
    nobody(&["vaults", "all", "--with-secret"]).expect_code(2).expect_err("no terminal");
    assert!(!world.path("guest").exists());
}

#[test]
fn what_this_machine_knows_is_listed_without_any_store() {
    let world = World::new();
    let (one, two) = (init(&world, "alice"), init(&world, "alice"));
    let place = text(&two["repository"]);
    let file = world.write("letter", "to whom it may concern");
    ran(&world, "alice", &["push", "--url", place, file.to_str().expect("UTF-8")]).expect_code(0);
    fs::rename(world.path("all"), world.path("away")).expect("moved");
    let known = ran(&world, "alice", &["vaults", "--json"]).expect_code(0).last_json();
    let known = known.as_array().expect("a list");
    assert_eq!(known.len(), 2);
    for vault in known {
        let made = [&one, &two].into_iter().find(|made| made["id"] == vault["vault_id"]).expect("one of them");
        assert_eq!((&vault["url"], &vault["device_id"]), (&made["repository"], &made["device_id"]));
        assert!(vault["capabilities"].as_array().expect("some").contains(&"admin".into()));
        assert_eq!(vault.get("last_push").is_some(), vault["url"] == place, "{vault}");
    }
    // The variable names the vault of other commands; an option is meant for this one.
    let with = |args: &[&str]| run(on(&world, "alice", args).env("ZVAULT_URL", place));
    with(&["vaults"]).expect_code(0).expect_out("2 vaults").expect_out("alice").expect_out(place);
    with(&["vaults", "--url", "all"]).expect_code(10);
    with(&["vaults", "--all"]).expect_code(2).expect_err("hint: ");
    // A vault whose state is damaged does not hide the other.
    let state = world.path("alice/vaults").join(text(&one["id"])).join("device");
    fs::write(&state, "noise").expect("written");
    let ran = with(&["vaults"]).expect_code(1).expect_out(&text(&two["id"])[..8]).expect_out("cannot be read");
    ran.expect_err("device is damaged");
}

#[test]
fn what_others_planted_is_told_and_changes_no_exit_code() {
    let world = World::new();
    let ours = init(&world, "alice");
    let bobs = init(&world, "bob");
    fs::create_dir_all(world.path("all/photos")).expect("made");
    world.write("all/notes.txt", "no place");
    world.write(&format!("all/junk/zv1/r/00000000-{}", "ab".repeat(32)), "noise");
    // The beginning of the vault before somebody else's logs, and of bob's beside it.
    let beginning = |made: &Value, to: &str| {
        let from = Path::new(text(&made["repository"]).strip_prefix("file://").expect("a folder")).join("zv1/r");
        for (name, bytes) in tree(&from) {
            world.write(&format!("all/{to}/zv1/r/{}", name.to_str().expect("text")), bytes);
        }
    };
    beginning(&bobs, "mixed");
    beginning(&ours, "mixed");
    let file = world.write("letter", "to whom it may concern");
    ran(&world, "alice", &["push", file.to_str().expect("UTF-8")]).expect_code(0);
    let found = ran(&world, "alice", &["vaults", "all", "--json"]).expect_code(0);
    let found = found.expect_err("all/junk").expect_err("all/mixed").last_json();
    assert_eq!((ids(&found), &found["others"]), (vec![(text(&ours["id"]), "device")], &1.into()));
    assert_eq!(found["problems"].as_array().expect("problems").len(), 2, "{found}");
    // Many places: told, and those that are known come first.
    let ran = ran(&world, "alice", &["vaults", "all", "--limit", "1"]).expect_code(0);
    ran.expect_out("1 vault").expect_err("4 places were not looked at");
}

#[test]
fn a_known_place_that_shows_something_else() {
    let world = World::new();
    let ours = init(&world, "alice");
    let place = Path::new(text(&ours["repository"]).strip_prefix("file://").expect("a folder")).to_owned();
    let second = init(&world, "alice");
    fs::rename(&place, world.path("kept")).expect("moved");
    // Emptied, or another one in its place: the others are listed all the same.
    for exchanged in [false, true] {
        if exchanged {
            let args = ["init", place.to_str().expect("UTF-8")];
            ran(&world, "attacker", &args).expect_code(0);
        }
        let ran = ran(&world, "alice", &["vaults", "all", "--json"]).expect_code(14).expect_err(text(&ours["id"]));
        assert_eq!(ids(&ran.last_json()), [(text(&second["id"]), "device")]);
    }
}

#[test]
fn places_that_may_not_be_read() {
    let world = World::new();
    init(&world, "alice");
    let bobs = init(&world, "bob");
    give_away(&world);
    let place = Path::new(text(&bobs["repository"]).strip_prefix("file://").expect("a folder")).to_owned();
    let changed = Command::new("chmod").arg("000").arg(&place).status().expect("it starts");
    assert!(changed.success());
    let ran = run(&mut as_nobody(on(&world, "alice", &["vaults", "all"])));
    let ran = ran.expect_code(0).expect_out("1 vault").expect_err("denied");
    assert!(ran.err.contains(place.to_str().expect("UTF-8")), "{}", ran.err);
    let changed = Command::new("chmod").arg("700").arg(&place).status().expect("it starts");
    assert!(changed.success());
}

#[test]
fn another_vault_beside_those_that_are_there() {
    let world = World::with_vault();
    let inside = world.path("vault");
    let place = inside.to_str().expect("UTF-8");
    world.run(["init", place]).expect_code(1).expect_err("already").expect_err("--random-name");
    init(&world, "alice");
    ran(&world, "bob", &["init", "all"]).expect_code(1).expect_err("not empty").expect_err("--random-name");
    assert!(!world.path("all/zv1").exists(), "a folder is left where no vault was made");
    fs::create_dir(world.path("all/zv1")).expect("somebody's own");
    ran(&world, "bob", &["init", "all"]).expect_code(1).expect_err("not empty");
    fs::remove_dir(world.path("all/zv1")).expect("it is still there");
    // Below the vault of somebody else.
    let nested = ran(&world, "bob", &["init", place, "--random-name", "--json"]).expect_code(0).last_json();
    let found = ran(&world, "bob", &["vaults", place, "--json"]).expect_code(0).last_json();
    assert_eq!((ids(&found), &found["others"]), (vec![(text(&nested["id"]), "device")], &1.into()));
    // The vault itself is looked at as well as what is below it.
    let found = world.run(["vaults", place, "--json"]).expect_code(0).last_json();
    assert_eq!((ids(&found).len(), &found["others"]), (1, &1.into()));
    world.write("data/a", "a");
    world.run(["push", "data"]).expect_code(0);
    world.run(["check"]).expect_code(0);
}
