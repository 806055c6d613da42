//! What a person does after the storage was rolled back, and what a third party can verify.

use std::fs;

use vault_format::history::HistoryFile;

use super::copy;
use crate::flow::machine::noise;
use crate::runner::{World, run};

#[test]
fn a_rollback_is_accepted_and_everybody_can_read_that() {
    let world = World::with_vault();
    world.write("data/a", noise(100_000, 1));
    world.run(["push", "data"]).expect_code(0);
    copy(&world.path("vault"), &world.path("older"));
    world.write("data/b", noise(100_000, 2));
    world.run(["push", "data"]).expect_code(0);
    fs::remove_dir_all(world.path("vault")).expect("removed");
    fs::rename(world.path("older"), world.path("vault")).expect("moved");

    let ran = world.run(["snapshots"]).expect_code(14).expect_err("--accept-rollback");
    assert!(ran.err.contains("seen by this device, last on"), "{}", ran.err);
    world.run(["snapshots", "--accept-rollback"]).expect_code(0).expect_err("lost, which was accepted");
    // Said once.
    let ran = world.run(["snapshots"]).expect_code(0).expect_out("1 snapshot");
    assert!(!ran.err.contains("lost"), "{}", ran.err);
    world.run(["push", "data"]).expect_code(0);
    world.run(["check", "--read-data"]).expect_code(0);
    world.run(["log"]).expect_code(0).expect_out("made the vault").expect_out("accepted the loss of entries");
    let events = world.run(["log", "--json"]).expect_code(0).last_json();
    assert_eq!(events["events"].as_array().expect("events").len(), 1 + 1 + 1 + 1, "{events}");
    assert!(events["events"][1]["first_seen"].is_string(), "{events}");
    world.run(["log", "--device", "nobody"]).expect_code(2);
    assert_eq!(world.run(["log", "--since", "2099-01-01"]).expect_code(0).out, "");

    // Without a vault, a home or a key.
    world.run(["log", "export", "history.zvh"]).expect_code(0);
    world.run(["log", "export", "history.zvh"]).expect_code(1);
    let id = events["vault_id"].as_str().expect("an id").to_owned();
    let third = World::new();
    fs::copy(world.path("history.zvh"), third.path("history.zvh")).expect("copied");
    let verify = |args: &[&str]| run(third.bare(["log", "verify", "history.zvh"]).args(args));
    verify(&["--vault", &id]).expect_code(0).expect_out("accepted the loss of entries").expect_out("pushed snapshot");
    verify(&[]).expect_code(0).expect_err("compare that with --vault");
    verify(&["--vault", &"0".repeat(64)]).expect_code(14).expect_err(&id);
    // The key of another entry: the file's fault, in words and in JSON.
    let exported = fs::read(third.path("history.zvh")).expect("read");
    let mut parsed = HistoryFile::parse(&exported).expect("parsed");
    parsed.entries[0].dek = Some(&[7; 32]);
    fs::write(third.path("history.zvh"), parsed.encode().expect("encoded")).expect("written");
    verify(&["--vault", &id]).expect_code(14).expect_err("is not its key");
    let json = verify(&["--vault", &id, "--json"]).expect_code(14).last_json();
    assert_eq!(json["trouble"].as_array().expect("a list").len(), 1, "{json}");
    fs::write(third.path("history.zvh"), &exported).expect("written");
    let mut bytes = exported;
    let middle = bytes.len() - 3000;
    bytes[middle] ^= 1;
    fs::write(third.path("history.zvh"), &bytes).expect("written");
    verify(&["--vault", &id]).expect_code(14);
    fs::write(third.path("history.zvh"), b"something else").expect("written");
    verify(&["--vault", &id]).expect_code(14).expect_err("no exported history");
}
