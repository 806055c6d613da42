//! Everything is lost but paper and the storage.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use super::devices::with_words;
use super::look::{look, same};
use super::machine::noise;
use crate::runner::{World, run};

#[test]
fn a_lost_last_device_with_paper_and_storage() {
    let world = World::new();
    let words = with_words(&world);
    world.write("data/a", noise(300_000, 1));
    world.write("data/b", "b");
    world.run(["push", "data"]).expect_code(0);
    let document = world.run(["recovery", "print", "--json"]).expect_code(0).last_json();
    let sheet = document["qr_text"].as_str().expect("a text").to_owned();
    assert_eq!(document["roster_heads"].as_array().expect("heads").len(), 1);
    world.run(["push", "data"]).expect_code(0);
    fs::remove_dir_all(world.path("user")).expect("lost");
    fs::create_dir(world.path("user")).expect("a new home");

    let recover = |args: &[&str]| {
        let mut command = world.bare(["recovery", "restore"].iter().chain(args));
        run(command.arg("--recovery-words-file").arg(&words))
    };
    // Another vault, or an older state, is not even joined.
    let vault = world.path("vault");
    let place = vault.to_str().expect("UTF-8");
    let parts: Vec<&str> = sheet.splitn(5, ':').collect();
    let with = |at: usize, text: String| {
        let mut parts: Vec<String> = parts.iter().map(|part| (*part).to_owned()).collect();
        parts[at] = text;
        parts.join(":")
    };
    let records = || fs::read_dir(world.path("vault/zv1/r")).expect("a roster").count();
    let before = records();
    recover(&[place, "--sheet", &with(1, "ab".repeat(32))]).expect_code(14);
    recover(&[place, "--sheet", &with(3, "cd".repeat(32))]).expect_code(14).expect_err("seen before");
    recover(&[place, "--sheet", "no sheet"]).expect_code(2).expect_err("QR code");
    assert_eq!(records(), before);

    let ran = recover(&[place, "--sheet", &sheet, "--device-name", "new"]).expect_code(0);
    ran.expect_out("an admin").expect_out("same vault").expect_out("newer than your sheet");
    // From here on it needs nothing.
    let here = |args: &[&str]| run(world.bare(args).env("ZVAULT_URL", &vault));
    let part = format!("latest:{}", world.path("data").to_str().expect("UTF-8"));
    here(&["restore", &part, "-t", "out"]).expect_code(0);
    same(&look(&world.path("data")), &look(&world.path("out")));
    here(&["push", "data"]).expect_code(0);
    here(&["check", "--read-data"]).expect_code(0);
    recover(&[place]).expect_code(0).expect_out("was a device of the vault already").expect_out("not compared");
}

#[test]
fn sheets_for_paper() {
    let world = World::new();
    let document = world.run(["init", "--json", "--recovery-sheet", "sheet.html"]).expect_code(0).last_json();
    let words: Vec<String> = document["recovery_words"]
        .as_array()
        .expect("words")
        .iter()
        .map(|word| word.as_str().expect("a word").to_owned())
        .collect();
    let page = fs::read_to_string(world.path("sheet.html")).expect("a page");
    assert!(words.iter().all(|word| page.contains(&format!("<li>{word}</li>"))));
    let mode = fs::metadata(world.path("sheet.html")).expect("a page").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    // Later without words, with them if they are there, and never over something else.
    world.run(["recovery", "print", "--html", "sheet.html"]).expect_code(1);
    world.run(["recovery", "print", "--html", "plain.html"]).expect_code(0);
    let page = fs::read_to_string(world.path("plain.html")).expect("a page");
    assert!(!page.contains(&format!("<li>{}</li>", words[0])) && page.contains("______"));
    let id = document["id"].as_str().expect("an id");
    assert!(page.contains(id) && page.contains("<svg "));
    let file = world.write("words", words.join(" "));
    let mut with_words = world.command(["recovery", "print", "--svg", "full.svg", "--with-words"]);
    run(with_words.arg("--recovery-words-file").arg(&file)).expect_code(0);
    let page = fs::read_to_string(world.path("full.svg")).expect("a page");
    assert!(words.iter().all(|word| page.contains(word.as_str())));
    let other = world.write("other words", "abandon ".repeat(23) + "art");
    let mut wrong = world.command(["recovery", "print", "--svg", "wrong.svg", "--with-words"]);
    run(wrong.arg("--recovery-words-file").arg(other)).expect_code(12);
    assert!(!world.path("wrong.svg").exists());
    world.run(["recovery", "print", "--with-words"]).expect_code(2);
    world.run(["recovery", "print"]).expect_code(0).expect_out(id).expect_out("zvault recovery restore");
    world.run(["init", "elsewhere", "--recovery-sheet", "sheet.txt"]).expect_code(2).expect_err(".html or .svg");
}

#[test]
fn new_words_for_old_ones() {
    let world = World::new();
    let old = with_words(&world);
    let with = |args: &[&str], words: &str| {
        run(world.command(args).arg("--recovery-words-file").arg(words).env("ZVAULT_HOME", world.path("fresh")))
    };
    let mut new = world.command(["recovery", "new", "--yes", "--json", "--recovery-sheet", "new.svg"]);
    let document = run(new.arg("--recovery-words-file").arg(&old)).expect_code(0).last_json();
    let words: Vec<&str> =
        document["recovery_words"].as_array().expect("words").iter().filter_map(|word| word.as_str()).collect();
    let page = fs::read_to_string(world.path("new.svg")).expect("a page");
    assert!(words.iter().all(|word| page.contains(word)));
    with(&["snapshots"], &old).expect_code(12);
    let new = world.write("new words", words.join(" ")).to_str().expect("UTF-8").to_owned();
    with(&["snapshots"], &new).expect_code(0);
    world.write("data/a", "a");
    world.run(["push", "data"]).expect_code(0);
    world.run(["check"]).expect_code(0);
}

#[test]
fn words_for_a_vault_that_was_made_without() {
    let world = World::new();
    world.run(["init", "--no-recovery-key"]).expect_code(0);
    // The passphrase is root there, and is in the environment.
    let document = world.run(["recovery", "new", "--yes", "--json"]).expect_code(0).last_json();
    let words: Vec<&str> =
        document["recovery_words"].as_array().expect("words").iter().filter_map(|word| word.as_str()).collect();
    let file = world.write("words", words.join(" "));
    let mut joined = world.command(["devices", "--json"]);
    joined.env("ZVAULT_HOME", world.path("fresh")).arg("--recovery-words-file").arg(&file);
    let devices = run(&mut joined).expect_code(0).last_json();
    let ranks: Vec<&str> = devices["devices"]
        .as_array()
        .expect("devices")
        .iter()
        .filter(|device| device.get("revoked").is_none() && device["kind"] != "machine")
        .filter_map(|device| device["rank"].as_str())
        .collect();
    assert_eq!(ranks.len(), 2);
    assert!(ranks.contains(&"root") && ranks.contains(&"device"), "{ranks:?}");
    // The passphrase still enrols machines.
    run(world.command(["snapshots"]).env("ZVAULT_HOME", world.path("third"))).expect_code(0);
}
