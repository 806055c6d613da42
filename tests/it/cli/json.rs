use serde_json::Value;

use crate::runner::{World, json_lines};

/// The names of an object's fields.
fn fields(document: &Value) -> Vec<&str> {
    document.as_object().expect("an object").keys().map(String::as_str).collect()
}

#[track_caller]
fn has(document: &Value, names: &[&str]) {
    for name in names {
        assert!(document.get(name).is_some(), "no {name} in {:?}", fields(document));
    }
}

#[test]
fn every_document_has_the_fields_that_restic_gives_it() {
    let world = World::new();
    world.write("data/a", "a");
    world.write("data/sub/b", vec![b'b'; 100_000]);

    let init = world.run(["init", "--json"]).expect_code(0).last_json();
    assert_eq!(init["message_type"], "initialized");
    has(&init, &["id", "repository", "device_id", "device_name", "recovery_words"]);

    let ran = world.run(["push", "--json", "--tag", "one,two", "--host", "h", "data"]).expect_code(0);
    assert_eq!(ran.err, "");
    let push = ran.last_json();
    assert_eq!(push["message_type"], "summary");
    has(&push, &["files_new", "files_changed", "files_unmodified", "dirs_new", "dirs_changed", "dirs_unmodified"]);
    has(&push, &["data_blobs", "tree_blobs", "data_added", "data_added_packed", "total_duration"]);
    assert_eq!((&push["files_new"], &push["total_files_processed"]), (&2.into(), &2.into()));
    assert_eq!(push["total_bytes_processed"], 100_001);
    let sent = |document: &Value| document["requests"]["put"]["sent"].as_u64().expect("bytes");
    assert!(push["requests"]["put"]["requests"].as_u64().is_some_and(|puts| puts >= 3), "packs, a delta, an entry");
    assert!(sent(&push) >= push["data_added_packed"].as_u64().expect("bytes"), "{push}");
    assert_eq!(push["retries"], 0);
    let id = push["snapshot_id"].as_str().expect("an id");
    assert_eq!(id.len(), 64);

    let snapshots = world.run(["snapshots", "--json"]).expect_code(0).last_json();
    let [snapshot] = &snapshots.as_array().expect("an array")[..] else { panic!("one snapshot: {snapshots}") };
    has(snapshot, &["username", "program_version", "summary"]);
    assert_eq!((&snapshot["id"], &snapshot["short_id"]), (&id.into(), &id[..8].into()));
    assert_eq!((&snapshot["hostname"], &snapshot["tags"]), (&"h".into(), &vec!["one", "two"].into()));
    assert_eq!(snapshot["paths"], Value::from(vec![world.path("data").to_str().expect("UTF-8")]));
    assert_eq!(snapshot["partial"], false);
    let time = snapshot["time"].as_str().expect("a time");
    time.parse::<jiff::Timestamp>().expect("RFC 3339");

    let listed = world.run(["ls", "--json"]).expect_code(0).json();
    assert_eq!((&listed[0]["struct_type"], &listed[0]["id"]), (&"snapshot".into(), &id.into()));
    let nodes = &listed[1..];
    assert!(nodes.iter().all(|node| node["struct_type"] == "node"));
    let file = nodes.iter().find(|node| node["name"] == "b").expect("the file");
    has(file, &["path", "uid", "gid", "mode", "permissions", "mtime"]);
    assert_eq!((&file["type"], &file["size"]), (&"file".into(), &100_000.into()));

    let restore = world.run(["restore", "--json", "-t", "out"]).expect_code(0).last_json();
    assert_eq!(restore["message_type"], "summary");
    has(&restore, &["seconds_elapsed", "files_skipped", "files_deleted", "total_files", "total_bytes"]);
    assert_eq!((&restore["files_restored"], &restore["bytes_restored"]), (&2.into(), &100_001.into()));

    assert!(restore["requests"]["get"]["received"].as_u64().is_some_and(|bytes| bytes > 0), "{restore}");
    assert_eq!(sent(&restore), 0);

    let check = world.run(["check", "--json", "--read-data"]).expect_code(0).last_json();
    assert_eq!((&check["message_type"], &check["num_errors"]), (&"summary".into(), &0.into()));
    let keyless = world.run(["check", "--json", "--keyless"]).expect_code(0).last_json();
    assert_eq!(keyless["num_errors"], 0);
    for document in [&check, &keyless] {
        assert!(document["requests"]["list"]["requests"].as_u64().is_some_and(|lists| lists > 0), "{document}");
    }
}

#[test]
fn a_dry_run_says_so() {
    let world = World::with_vault();
    world.write("data/a", "a");
    let push = world.run(["push", "--json", "--dry-run", "data"]).expect_code(0).last_json();
    assert_eq!((&push["dry_run"], push.get("snapshot_id")), (&true.into(), None));
    assert_eq!(push["requests"]["put"]["requests"], 0, "what a dry run asks for is counted, and it stores nothing");
    assert_eq!(world.run(["snapshots", "--json"]).expect_code(0).out, "[]\n");
}

#[test]
fn entries_are_told_when_asked_for() {
    let world = World::with_vault();
    world.write("data/a", "a");
    let lines = world.run(["push", "--json", "-v", "data"]).expect_code(0).json();
    let entry = lines
        .iter()
        .find(|line| line["item"].as_str().is_some_and(|item| item.ends_with("/a")))
        .expect("a line for the file");
    assert_eq!(entry["message_type"], "verbose_status");
    assert_eq!((&entry["action"], &entry["data_size"]), (&"new".into(), &1.into()));
}

#[test]
fn problems_are_json_too() {
    let world = World::with_vault();
    world.write("data/a", "a");
    let ran = world.run(["push", "--json", "data", "missing"]).expect_code(3);
    let error = json_lines(&ran.err).into_iter().find(|line| line["message_type"] == "error").expect("an error");
    assert!(error["item"].as_str().is_some_and(|item| item.ends_with("missing")), "{error}");
    assert_eq!(error["during"], "archival");
    assert_eq!(ran.last_json()["partial"], true);
}
