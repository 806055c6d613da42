use std::os::unix::ffi::OsStringExt;

use crate::runner::{World, run, tree};

#[test]
fn push_and_restore() {
    let world = World::new();
    world.write("data/a", "first");
    world.write("data/sub/b", vec![7; 300_000]);
    world.write("data/empty", "");

    let ran = world.run(["init"]).expect_code(0).expect_out("The vault is ready").expect_out(" 24 ");
    assert_eq!(ran.err, "");
    let ran = world.run(["push", "data"]).expect_code(0).expect_out(" 3 new, ").expect_out("saved");
    assert_eq!(ran.err, "");
    world.run(["push", "data"]).expect_code(0).expect_out("3 unmodified");
    world.run(["snapshots"]).expect_code(0).expect_out("2 snapshots").expect_out("Paths");

    world.run(["restore", "latest", "--target", "out"]).expect_code(0).expect_out("restored 3 files");
    let restored = tree(&world.path("out"));
    assert_eq!(restored.len(), 3);
    for (path, content) in tree(&world.path("data")) {
        assert!(
            restored.iter().any(|(other, bytes)| other.ends_with(&path) && *bytes == content),
            "{}",
            path.display()
        );
    }

    let data = world.path("data").to_str().expect("UTF-8").to_owned();
    let listed = world.run(["ls"]).expect_code(0).expect_out(&format!("{data}/sub/b\n"));
    assert!(listed.err.starts_with("snapshot "), "{}", listed.err);
    world.run(["ls", "-l"]).expect_code(0).expect_out("300000");
    let part = world.run(["ls", &format!("latest:{data}/sub")]).expect_code(0);
    assert!(part.out.contains("/sub/b\n") && !part.out.contains("/data/a"), "{}", part.out);
    world.run(["restore", &format!("latest~1:{data}/sub"), "-t", "part"]).expect_code(0);
    assert_eq!(tree(&world.path("part")).len(), 1);

    world.run(["check"]).expect_code(0).expect_out("no errors");
    world.run(["check", "--read-data"]).expect_code(0).expect_out("no errors");
    world.run(["check", "--read-data-subset", "1/2"]).expect_code(0).expect_out("no errors");
    run(world.bare(["check", "--keyless"]).env("ZVAULT_URL", world.path("vault")))
        .expect_code(0)
        .expect_out("no errors");
}

#[test]
fn quiet_says_nothing() {
    let world = World::new();
    let words = world.run(["init", "-q"]).expect_code(0);
    assert!(words.out.contains("24") && !words.out.contains("ready"), "the words are never shown again");
    world.write("data/a", "a");
    for args in [&["push", "-q", "data"][..], &["restore", "-q", "-t", "out"], &["check", "-q"]] {
        let ran = world.run(args).expect_code(0);
        assert_eq!((&*ran.out, &*ran.err), ("", ""), "{args:?}");
    }
    assert_ne!(world.run(["snapshots", "-q"]).expect_code(0).out, "", "data is what was asked for");
}

#[test]
fn standard_input_and_commands() {
    let world = World::with_vault();
    world.run_with(["push", "--stdin-filename", "dump.sql"], b"select 1;").expect_code(0);
    world.run(["restore", "-t", "one"]).expect_code(0);
    assert_eq!(tree(&world.path("one")).into_values().collect::<Vec<_>>(), [b"select 1;"]);

    world
        .run(["push", "--stdin-from-command", "--stdin-filename", "x", "--", "printf", "from a command"])
        .expect_code(0);
    world.run(["restore", "-t", "two"]).expect_code(0);
    assert_eq!(tree(&world.path("two")).into_values().collect::<Vec<_>>(), [b"from a command"]);

    let before = world.run(["snapshots", "--json"]).expect_code(0).out;
    let ran = world.run(["push", "--stdin-from-command", "--", "sh", "-c", "echo half; exit 3"]);
    assert_ne!(ran.code, Some(0), "{}", ran.err);
    assert_eq!(world.run(["snapshots", "--json"]).expect_code(0).out, before, "half a dump is no snapshot");
}

#[test]
fn snapshots_are_filtered() {
    let world = World::with_vault();
    world.write("one/a", "a");
    world.write("two/a", "a");
    world.run(["push", "one", "--host", "h1", "--tag", "x,y", "--time", "2001-09-09 01:46:40"]).expect_code(0);
    world.run(["push", "two", "--host", "h2", "--tag", "x"]).expect_code(0);
    world.run(["push", "two", "--host", "h2"]).expect_code(0);
    let count = |args: &[&str]| {
        let all = ["snapshots", "--json"].iter().chain(args);
        world.run(all).expect_code(0).last_json().as_array().expect("an array").len()
    };
    let two = world.path("two");
    let two = two.to_str().expect("UTF-8");
    assert_eq!(count(&[]), 3);
    assert_eq!(count(&["--host", "h1"]), 1);
    assert_eq!(count(&["--tag", "x"]), 2);
    assert_eq!(count(&["--tag", "x,y"]), 1);
    assert_eq!(count(&["--tag", "y", "--tag", "x"]), 2);
    assert_eq!(count(&["--path", two]), 2);
    assert_eq!(count(&["--latest", "1"]), 2);
    world.run(["snapshots", "--compact"]).expect_code(0).expect_out("2001-09-09 01:46:40").expect_out("x,y");
    world.run(["snapshots", "--host", "h3"]).expect_code(0).expect_err("no snapshot matches");
}

#[test]
fn names_cannot_act_on_the_terminal() {
    let world = World::with_vault();
    let name = std::ffi::OsString::from_vec(b"evil\x1b[2J\nname\xff".to_vec());
    std::fs::create_dir(world.path("data")).expect("a folder");
    if std::fs::write(world.path("data").join(name), "x").is_err() {
        return; // Some file systems take UTF-8 only.
    }
    let pushed = world.run(["push", "-v", "data"]).expect_code(0);
    let listed = world.run(["ls"]).expect_code(0).expect_out("evil\\x1b[2J\\nname\\xff\n");
    for text in [&pushed.out, &pushed.err, &listed.out, &listed.err] {
        assert!(!text.contains('\x1b'), "{text}");
    }
    let nodes = world.run(["ls", "--json"]).expect_code(0).json();
    let hex = nodes.last().and_then(|node| node["path_hex"].as_str()).expect("the raw path");
    assert!(hex.ends_with("6e616d65ff"), "{hex}");
}

#[test]
fn excludes() {
    let world = World::with_vault();
    world.write("data/keep", "k");
    world.write("data/a.log", "l");
    world.write("data/B.LOG", "l");
    world.write("data/large", vec![1; 5000]);
    world.write("data/tmp/x", "x");
    world.write("patterns", "# comment\ntmp/\n");
    let args = [
        "push",
        "data",
        "-e",
        "a.log",
        "--iexclude",
        "b.log",
        "--exclude-file",
        "patterns",
        "--exclude-larger-than",
        "4k",
    ];
    let push = world.run(args.iter().chain(&["--json"])).expect_code(0).last_json();
    assert_eq!(push["total_files_processed"], 1);
    world.run(["restore", "-t", "out"]).expect_code(0);
    assert_eq!(tree(&world.path("out")).into_values().collect::<Vec<_>>(), [b"k"]);
}

#[test]
fn a_second_machine_becomes_a_device() {
    let world = World::with_vault();
    world.write("data/a", "a");
    world.run(["push", "data"]).expect_code(0);
    let elsewhere = |args: &[&str], passphrase: bool| {
        let mut command = if passphrase { world.command(args) } else { world.bare(args) };
        run(command.env("ZVAULT_URL", world.path("vault")).env("ZVAULT_HOME", world.path("elsewhere")))
    };
    elsewhere(&["snapshots", "--ephemeral"], true).expect_code(0);
    elsewhere(&["snapshots"], false).expect_code(2);
    elsewhere(&["push", "data"], true).expect_code(0).expect_err("is now a device of the vault");
    elsewhere(&["push", "data"], false).expect_code(0);
    let snapshots = world.run(["snapshots", "--json"]).expect_code(0).last_json();
    let devices: std::collections::HashSet<_> =
        snapshots.as_array().expect("an array").iter().map(|snapshot| snapshot["device_id"].to_string()).collect();
    assert_eq!(devices.len(), 2);
}
