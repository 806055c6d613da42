use std::fs;

use rustix::fs::{FlockOperation, flock};

use crate::runner::{World, run, tree};

#[test]
fn no_vault_there() {
    let world = World::new();
    world.write("data/a", "a");
    world.run(["push", "data"]).expect_code(10).expect_err("no vault").expect_err("zvault init");
    fs::create_dir(world.path("vault")).expect("an empty folder");
    world.run(["snapshots"]).expect_code(10);
    world.write("vault/zv1/notes.txt", "not a vault");
    world.run(["snapshots"]).expect_code(10);
    world.run(["check", "--keyless"]).expect_code(10);
    world.run(["init"]).expect_code(1).expect_err("not empty");
    assert_eq!(tree(&world.path("vault")).len(), 1, "what was there is untouched");
}

#[test]
fn no_vault_named() {
    let world = World::new();
    for args in [&["snapshots"][..], &["init"], &["check", "--keyless"]] {
        run(&mut world.bare(args)).expect_code(2).expect_err("ZVAULT_URL");
    }
    run(world.bare(["snapshots"]).env("ZVAULT_URL", "s4://bucket")).expect_code(2).expect_err("s4");
}

#[test]
fn a_vault_is_made_once() {
    let world = World::with_vault();
    let before = tree(&world.path("vault"));
    world.run(["init"]).expect_code(1).expect_err("already");
    assert_eq!(tree(&world.path("vault")), before);
}

#[test]
fn wrong_passphrase() {
    let world = World::with_vault();
    let before = tree(&world.path("vault"));
    let mut command = world.command(["snapshots"]);
    command.env("ZVAULT_PASSPHRASE", "wrong").env("ZVAULT_HOME", world.path("elsewhere"));
    run(&mut command).expect_code(12);
    assert_eq!(tree(&world.path("vault")), before);
}

#[test]
fn another_run_is_at_work() {
    let world = World::with_vault();
    world.write("data/a", "a");
    let vaults = world.path("user/.local/state/zvault/vaults");
    let vault = fs::read_dir(vaults).expect("vaults").next().expect("a vault").expect("an entry").path();
    let lock = fs::OpenOptions::new().create(true).append(true).open(vault.join("lock")).expect("the lock");
    flock(&lock, FlockOperation::LockExclusive).expect("locked");
    world.run(["push", "data"]).expect_code(11).expect_err("another run");
    world.run(["snapshots"]).expect_code(0);
    drop(lock);
    world.run(["push", "data"]).expect_code(0);
}

#[test]
fn unknown_and_ambiguous_snapshots() {
    let world = World::with_vault();
    world.run(["restore", "-t", "out"]).expect_code(2).expect_err("no snapshots yet");
    for at in 0..17 {
        world.write("data/a", format!("{at}"));
        world.run(["push", "data"]).expect_code(0);
    }
    for (name, said) in [
        ("ffffffffffffffff", "no snapshot"),
        ("latest~17", "17"),
        ("newest", "latest"),
        ("latest~x", "latest"),
        (":x", "latest"),
    ] {
        world.run(["ls", name]).expect_code(2).expect_err(said);
        world.run(["restore", name, "-t", "out"]).expect_code(2).expect_err(said);
    }
    assert!(!world.path("out").exists(), "nothing was made");

    // Of 17 ids two begin with the same digit.
    let all = world.run(["snapshots", "--json"]).expect_code(0).last_json();
    let mut firsts: Vec<char> =
        all.as_array().expect("an array").iter().filter_map(|s| s["id"].as_str()?.chars().next()).collect();
    firsts.sort_unstable();
    let twice = firsts.windows(2).find(|pair| pair[0] == pair[1]).expect("seventeen into sixteen")[0];
    world.run(["ls", &twice.to_string()]).expect_code(2).expect_err("several");
}

#[test]
fn paths_that_are_not_in_the_snapshot() {
    let world = World::with_vault();
    world.write("data/a", "a");
    world.run(["push", "data"]).expect_code(0);
    for path in ["/no/such/path", "no/such/path"] {
        let ran = world.run(["restore", &format!("latest:{path}"), "-t", "out"]).expect_err("no/such/path");
        assert_ne!(ran.code, Some(0));
        assert_ne!(world.run(["ls", &format!("latest:{path}")]).code, Some(0));
    }
}

#[test]
fn a_target_that_is_not_empty() {
    let world = World::with_vault();
    world.write("data/a", "new");
    world.run(["push", "data"]).expect_code(0);
    world.run(["restore", "-t", "out"]).expect_code(0);
    let (restored, _) = tree(&world.path("out")).pop_first().expect("the file");
    let file = world.path("out").join(restored);
    fs::write(&file, "mine, and longer").expect("written");
    fs::write(world.path("out/other"), "mine too").expect("written");
    let before = tree(&world.path("out"));

    world.run(["restore", "-t", "out"]).expect_code(2).expect_err("not empty").expect_err("--overwrite");
    assert_eq!(tree(&world.path("out")), before);
    world.run(["restore", "-t", "out", "--overwrite", "never"]).expect_code(0);
    assert_eq!(tree(&world.path("out")), before);
    world.run(["restore", "-t", "out", "--overwrite", "always", "--dry-run"]).expect_code(0);
    assert_eq!(tree(&world.path("out")), before);
    world.run(["restore", "-t", "out", "--overwrite", "if-changed"]).expect_code(0);
    assert_eq!(fs::read(&file).expect("there"), b"new");
    assert_eq!(fs::read(world.path("out/other")).expect("there"), b"mine too", "not in the snapshot, not touched");

    world.write("file", "x");
    world.run(["restore", "-t", "file"]).expect_code(2).expect_err("not a folder");
}

#[test]
fn sources_that_do_not_exist() {
    let world = World::with_vault();
    world.write("data/a", "a");
    world.run(["push", "data", "missing"]).expect_code(3).expect_err("missing").expect_err("incomplete");
    world.run(["snapshots"]).expect_code(0).expect_out("incomplete");
    let ran = world.run(["push", "missing"]);
    assert_eq!(ran.code, Some(1), "{}", ran.err);
    assert_eq!(world.run(["snapshots", "--json"]).expect_code(0).last_json().as_array().map(Vec::len), Some(1));
}

#[test]
fn the_vault_is_no_source_of_itself() {
    let world = World::with_vault();
    world.run(["push", "vault"]).expect_code(2).expect_err("belongs to zvault");
}

#[test]
fn damage_is_named() {
    let world = World::with_vault();
    let noise: Vec<u8> = (0..200_000u32).flat_map(|at| at.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
    world.write("data/noise", noise);
    world.run(["push", "data"]).expect_code(0);
    let files = tree(&world.path("vault"));
    let (name, bytes) = files.iter().max_by_key(|(_, bytes)| bytes.len()).expect("a pack");
    let path = world.path("vault").join(name);
    let mut changed = bytes.clone();
    changed[5000] ^= 1;
    make_writable(&path);
    fs::write(&path, &changed).expect("damaged");

    let ran = world.run(["check", "--read-data"]).expect_code(14).expect_out("damaged: ").expect_out("noise");
    assert!(ran.err.contains("the vault is damaged"), "{}", ran.err);
    world.run(["check", "--keyless"]).expect_code(14).expect_out("damaged: ");
    let json = world.run(["check", "--read-data", "--json"]).expect_code(14).last_json();
    assert!(json["num_errors"].as_u64().is_some_and(|count| count > 0), "{json}");
    assert!(json["damaged"][0]["files"].to_string().contains("noise"), "{json}");
    assert_ne!(world.run(["restore", "-t", "out"]).code, Some(0));

    fs::write(&path, bytes).expect("repaired");
    world.write("vault/zv1/thumbs.db", "junk");
    world.run(["check", "--read-data"]).expect_code(0).expect_err("thumbs.db");
}

#[test]
fn errors_say_what_and_what_to_do() {
    let world = World::new();
    let ran = world.run(["snapshots"]).expect_code(10);
    let lines: Vec<&str> = ran.err.lines().collect();
    assert!(lines[0].starts_with("zvault: ") && lines[0].contains("vault"), "{}", ran.err);
    assert!(lines.last().is_some_and(|line| line.starts_with("hint: ")), "{}", ran.err);
    assert_eq!(ran.out, "");
}

fn make_writable(path: &std::path::Path) {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).expect("writable");
}
