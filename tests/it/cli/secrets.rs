use std::fs::File;
use std::os::unix::fs::PermissionsExt;

use crate::runner::{Ran, World, run};

/// A second machine: the same vault, other local state, and no passphrase in its environment.
fn open_elsewhere(world: &World, set: &[(&str, &str)], args: &[&str]) -> Ran {
    let mut command = world.bare(["snapshots", "--ephemeral"].iter().chain(args));
    command.env("ZVAULT_URL", world.path("vault")).env("ZVAULT_HOME", world.path("elsewhere"));
    for (name, value) in set {
        command.env(name, value);
    }
    run(&mut command)
}

fn script(world: &World, name: &str, text: &str) -> String {
    let path = world.write(name, format!("#!/bin/sh\n{text}\n"));
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).expect("made executable");
    path.to_str().expect("UTF-8").to_owned()
}

#[test]
fn every_source_of_a_passphrase_opens_the_vault() {
    let world = World::with_vault();
    let file = world.write("pass phrase", "correct horse battery\n");
    let file = file.to_str().expect("UTF-8");
    let command = format!("cat '{file}'");
    for (name, value) in [
        ("ZVAULT_PASSPHRASE", "correct horse battery"),
        ("ZVAULT_PASSPHRASE_FILE", file),
        ("ZVAULT_PASSPHRASE_COMMAND", &*command),
    ] {
        open_elsewhere(&world, &[(name, value)], &[]).expect_code(0);
    }
    open_elsewhere(&world, &[], &["--passphrase-file", file]).expect_code(0);
    open_elsewhere(&world, &[], &["--passphrase-command", &command]).expect_code(0);

    let mut by_descriptor = world.bare(["snapshots", "--ephemeral", "--passphrase-fd", "0"]);
    by_descriptor.env("ZVAULT_URL", world.path("vault")).env("ZVAULT_HOME", world.path("elsewhere"));
    run(by_descriptor.stdin(File::open(file).expect("a file"))).expect_code(0);
}

#[test]
fn an_argument_wins_over_the_environment() {
    let world = World::with_vault();
    world.write("pass", "correct horse battery\n");
    let wrong = [("ZVAULT_PASSPHRASE", "wrong")];
    open_elsewhere(&world, &wrong, &["--passphrase-file", "pass"]).expect_code(0);
    open_elsewhere(&world, &wrong, &[]).expect_code(12);
}

#[test]
fn two_sources_are_one_too_many() {
    let world = World::with_vault();
    let both = [("ZVAULT_PASSPHRASE", "correct horse battery"), ("ZVAULT_PASSPHRASE_FD", "0")];
    open_elsewhere(&world, &both, &[]).expect_code(2).expect_err("ZVAULT_PASSPHRASE and ZVAULT_PASSPHRASE_FD");
}

#[test]
fn no_source_and_no_terminal() {
    let world = World::with_vault();
    open_elsewhere(&world, &[], &[]).expect_code(2).expect_err("no terminal").expect_err("--passphrase-file");
}

#[test]
fn a_failing_command_is_named_and_its_output_is_not() {
    let world = World::with_vault();
    let failing = script(&world, "failing", "echo correct horse battery; echo canary >&2; exit 7");
    let ran = open_elsewhere(&world, &[("ZVAULT_PASSPHRASE_COMMAND", &failing)], &[])
        .expect_code(1)
        .expect_err("exit status: 7");
    assert!(!ran.err.contains("horse") && !ran.err.contains("canary"), "{}", ran.err);

    for (command, code, said) in [
        ("/no/such/command", 1, "cannot be run"),
        ("printf 'open", 2, "quotes"),
        ("true", 2, "empty"),
        ("yes", 1, "no passphrase"),
        ("printf '\\377'", 2, "UTF-8"),
    ] {
        open_elsewhere(&world, &[("ZVAULT_PASSPHRASE_COMMAND", command)], &[]).expect_code(code).expect_err(said);
    }
}

#[test]
fn a_command_sees_none_of_our_variables() {
    let world = World::with_vault();
    let nosy = script(&world, "nosy", "env | grep -q ZVAULT_ && exit 9; echo correct horse battery");
    open_elsewhere(&world, &[("ZVAULT_PASSPHRASE_COMMAND", &nosy)], &[]).expect_code(0);
}

#[test]
fn bad_files_and_descriptors() {
    let world = World::with_vault();
    open_elsewhere(&world, &[("ZVAULT_PASSPHRASE_FILE", "missing")], &[]).expect_code(1).expect_err("missing");
    open_elsewhere(&world, &[("ZVAULT_PASSPHRASE_FD", "three")], &[]).expect_code(2).expect_err("number");
    open_elsewhere(&world, &[("ZVAULT_PASSPHRASE_FD", "250")], &[]).expect_code(2).expect_err("descriptor 250");
    world.write("large", vec![b'x'; 10_000]);
    open_elsewhere(&world, &[("ZVAULT_PASSPHRASE_FILE", "large")], &[]).expect_code(1).expect_err("8192");
}

#[test]
fn a_device_needs_no_passphrase() {
    let world = World::with_vault();
    world.write("data/a", "a");
    let mut push = world.bare(["push", "data"]);
    run(push.env("ZVAULT_PASSPHRASE_COMMAND", "touch asked")).expect_code(0);
    assert!(!world.path("asked").exists(), "the passphrase command was run");
}

#[test]
fn the_words_open_the_vault() {
    let world = World::new();
    let document = world.run(["init", "--json"]).expect_code(0).last_json();
    let words: Vec<&str> =
        document["recovery_words"].as_array().expect("words").iter().filter_map(|word| word.as_str()).collect();
    assert_eq!(words.len(), 24);
    world.write("words", words.join("\n"));
    open_elsewhere(&world, &[], &["--recovery-words-file", "words"]).expect_code(0);

    let mut exchanged = words.clone();
    exchanged.swap(0, 1);
    world.write("exchanged", exchanged.join(" "));
    // One order in 256 fits by chance.
    let ran = open_elsewhere(&world, &[], &["--recovery-words-file", "exchanged"]);
    assert!(ran.code == Some(12) || words[0] == words[1], "{}", ran.err);
    world.write("short", words[1..].join(" "));
    open_elsewhere(&world, &[], &["--recovery-words-file", "short"]).expect_code(12).expect_err("23");
}

#[test]
fn secrets_are_in_no_message() {
    let world = World::new();
    let mut command = world.command(["init", "-v"]);
    let ran = run(command.env("ZVAULT_PASSPHRASE", "canary-secret-words")).expect_code(0);
    assert!(!ran.out.contains("canary") && !ran.err.contains("canary"));
    open_elsewhere(&world, &[("ZVAULT_PASSPHRASE", "canary-other-words")], &[]).expect_code(12);
}
