//! What must be nowhere: plaintext in the store, secrets in a child process.

use std::fs;
use std::path::{Path, PathBuf};

use super::machine::{as_nobody, give_away, noise};
use crate::runner::{World, run, tree};

#[test]
fn store_holds_no_plaintext_canaries() {
    let world = World::new();
    let vault = world.path("canary-url/vault");
    fs::create_dir(world.path("canary-url")).expect("a folder");
    let text = "canary-content: compressible, and again. ".repeat(2000);
    world.write("canary-folder/canary-sub/canary-file", &text);
    world.write("canary-folder/canary-small", "canary-inline");
    world.write("canary-folder/canary-large", [noise(600_000, 1), b"canary-noise".to_vec()].concat());
    std::os::unix::fs::symlink("canary-target", world.path("canary-folder/canary-link")).expect("a link");
    let database = world.path("canary-folder/canary.db");
    let connection = rusqlite::Connection::open(&database).expect("a database");
    connection
        .execute_batch("create table canary_table (x); insert into canary_table values ('canary-row')")
        .expect("made");
    drop(connection);
    give_away(&world);
    let go = |args: &[&str]| {
        let mut command = as_nobody(world.command(args));
        command.env("ZVAULT_URL", &vault).env("ZVAULT_PASSPHRASE", "canary-passphrase");
        command
    };
    if !go(&["version"]).output().is_ok_and(|output| output.status.success()) {
        return super::machine::skip("the program cannot be run as somebody else");
    }
    run(&mut go(&["init", "--device-name", "canary-device"])).expect_code(0);
    let push = ["push", "canary-folder", "--host", "canary-host", "--tag", "canary-tag"];
    run(&mut go(&push)).expect_code(0);
    world.write("canary-folder/canary-new", "canary-content");
    run(&mut go(&push)).expect_code(0);
    run(&mut go(&["push", "--stdin-from-command", "--stdin-filename", "canary-stream", "--", "echo", "canary-output"]))
        .expect_code(0);
    let mut second = go(&["push", "canary-folder"]);
    run(second.env("ZVAULT_HOME", world.path("second"))).expect_code(0);
    run(&mut go(&["check", "--read-data"])).expect_code(0);

    let user = uzers::get_user_by_uid(if super::machine::is_root() { 65_534 } else { uzers::get_current_uid() })
        .map_or_else(String::new, |user| user.name().to_string_lossy().into_owned());
    let host = gethostname::gethostname().to_string_lossy().into_owned();
    let mut canaries = vec!["canary".to_owned(), "CANARY".to_owned(), hex::encode("canary")];
    // Shorter ones are found in noise by chance.
    canaries.extend([user, host].into_iter().filter(|name| name.len() >= 6));
    let looked = assert_free_of(&vault, &canaries);
    assert!(looked > 10, "only {looked} objects");

    // This machine knows its vault, its device and itself; of what was pushed it keeps nothing in clear.
    let of_files =
        ["content", "folder", "sub", "file", "small", "inline", "large", "noise", "link", "target", "row", "new"]
            .iter()
            .chain(&["stream", "output", "passphrase", "tag", "_table", ".db"])
            .map(|end| if end.starts_with(['_', '.']) { format!("canary{end}") } else { format!("canary-{end}") })
            .collect::<Vec<_>>();
    for home in ["user", "second"] {
        let looked = assert_free_of(&world.path(home), &of_files);
        assert!(looked > 2, "only {looked} files of state");
    }
}

#[test]
fn a_pushed_command_sees_no_secret() {
    let world = World::with_vault();
    let script = "env; tr '\\0' '\\n' < /proc/self/cmdline; tr '\\0' ' ' < /proc/$PPID/cmdline; ls /proc/self/fd";
    world.run(["push", "--stdin-from-command", "--stdin-filename", "seen", "--", "sh", "-c", script]).expect_code(0);
    world.run(["restore", "-t", "out"]).expect_code(0);
    let seen = tree(&world.path("out")).into_values().next().expect("the output");
    let seen = String::from_utf8(seen).expect("text");
    assert!(seen.contains("PATH=") && seen.contains("push"), "{seen}");
    assert!(!seen.contains("correct horse battery") && !seen.contains("ZVAULT_"), "{seen}");
}

#[test]
fn state_is_for_its_owner_only() {
    use std::os::unix::fs::MetadataExt;
    let world = World::with_vault();
    world.write("data/a", noise(300_000, 1));
    world.run(["push", "data"]).expect_code(0);
    for folder in ["user/.local/state/zvault", "user/.cache/zvault"] {
        let mode = world.path(folder).metadata().expect("a folder").mode();
        assert_eq!(mode & 0o077, 0, "{folder} is open to others: {mode:o}");
    }
}

/// Looks into every file below a folder, and at its name.
#[track_caller]
fn assert_free_of(folder: &Path, canaries: &[String]) -> usize {
    let files = tree(folder);
    let has = |hay: &[u8], canary: &str| hay.windows(canary.len()).any(|part| part == canary.as_bytes());
    for (name, bytes) in &files {
        for canary in canaries {
            let place: PathBuf = folder.join(name);
            assert!(!has(name.as_os_str().as_encoded_bytes(), canary), "{canary} is in the name {}", place.display());
            assert!(!has(bytes, canary), "{canary} is in {}", place.display());
        }
    }
    files.len()
}
