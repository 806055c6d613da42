use crate::runner::{World, json_lines, run};

#[test]
fn help_and_version_end_well_and_run_nothing() {
    let world = World::new();
    for args in [&["--help"][..], &["-h"], &["push", "--help"], &["--version"], &["version"], &["version", "--json"]] {
        let mut command = world.bare(args);
        command.env("ZVAULT_PASSPHRASE_COMMAND", "touch ran");
        let ran = run(&mut command).expect_code(0);
        assert_eq!(ran.err, "");
        assert!(!ran.out.is_empty());
    }
    assert!(!world.path("ran").exists(), "the passphrase command was run");
    assert!(!world.path("user/.local").exists(), "local state was made");
    run(&mut world.bare(["--version"])).expect_out(&format!("zvault {}", env!("CARGO_PKG_VERSION")));
}

#[test]
fn options_of_stores_are_heeded_or_refused() {
    let world = World::new();
    let bucket = ["snapshots", "-r", "s3://bucket/vault"];
    for (args, said) in [
        (&["-o", "region=x"][..], "both sides"),
        (&["-o", "secret-access-key=s3cr3t"], "environment only: AWS_SECRET_ACCESS_KEY"),
        (&["-o", "regoin=x"], "S3 stores, which have endpoint, region"),
        (&["-o", "s3cr3t"], "key=value"),
        (&["-o", "sse=aes"], "AES256, aws:kms"),
        (&["-o", "endpoint=http://nas.example"], "allow-http=true"),
        (&["-o", "endpoint=https://me:s3cr3t@nas.example"], "from the environment"),
        (&["--ca-cert", "missing.pem"], "--ca-cert"),
        (&["--limit-upload", "fast"], "KiB/s"),
        (&["--parallel-requests", "0"], "1 to 256"),
    ] {
        // On both sides of the command's name, in the first case.
        let before: &[&str] = if said == "both sides" { &["-o", "path-style=true"] } else { &[] };
        let args = [before, &bucket, args].concat();
        let ran = run(&mut world.bare(&args)).expect_code(2);
        assert!(ran.err.contains(said), "{args:?}: {}", ran.err);
        assert!(!ran.err.contains("s3cr3t"), "{args:?}: {}", ran.err);
    }
    for url in ["s3://me:s3cr3t@bucket", "az://c?sig=s3cr3t"] {
        let ran = run(&mut world.bare(["snapshots", "-r", url])).expect_code(2);
        assert!(!ran.err.contains("s3cr3t"), "{}", ran.err);
    }
    let mut command = world.bare(["check", "--keyless", "-r", "s3://bucket", "-o", "region=x"]);
    let ran = run(command.env("AWS_EC2_METADATA_DISABLED", "true")).expect_code(15);
    assert!(ran.err.contains("AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (not set)"), "{}", ran.err);
}

#[test]
fn what_makes_no_sense_is_refused() {
    let world = World::new();
    for (args, said) in [
        (&[][..], "Usage: zvault"),
        (&["pusch"], "push"),
        (&["push", "--foo", "x"], "--foo"),
        (&["push"], "<PATH>"),
        (&["push", "x", "--compression", "23"], "1 to 22"),
        (&["push", "x", "--time", "yesterday"], "2026-01-31"),
        (&["push", "x", "--exclude-larger-than", "huge"], "500M"),
        (&["push", "x", "--jobs", "0"], "1..=1024"),
        (&["push", "x", "--stdin"], "--stdin"),
        (&["push", "x", "--stdin-filename", "y"], "standard input"),
        (&["push", "--stdin-from-command"], "<PATH>"),
        (&["restore"], "--target"),
        (&["restore", "-t", "x", "--overwrite", "perhaps"], "if-changed"),
        (&["check", "--read-data-subset", "6/5"], "N/T"),
        (&["check", "--read-data", "--keyless"], "cannot be used"),
        (&["snapshots", "--latest", "0"], "1.."),
        (&["pair", "--presign", "--qr", "x.png"], "cannot be used with"),
        (&["pair", "--presign", "--via", "tcp"], "--via tcp leaves out"),
        (&["pair", "ZVPAIR1AAAA", "--presign"], "is for the device that invites"),
        (&["completions", "tcsh"], "fish"),
        (&["-q", "version", "-v"], "cannot be used together"),
        (&["version", "--progress-interval", "0"], "between 0.01"),
        (&["version", "--passphrase-fd", "x"], "invalid"),
        (&["--passphrase-fd", "3", "version", "--passphrase-file", "x"], "cannot be used together"),
    ] {
        let ran = run(&mut world.bare(args)).expect_code(2).expect_err(said);
        assert_eq!(ran.out, "", "{args:?}");
    }
}

#[test]
fn errors_are_json_where_json_is_wanted() {
    let world = World::new();
    for args in [&["push", "--json"][..], &["--json", "push", "--foo"], &["init", "--json"]] {
        let ran = run(&mut world.bare(args)).expect_code(2);
        assert_eq!(ran.out, "");
        let last = json_lines(&ran.err).pop().expect("a line");
        assert_eq!((&last["message_type"], &last["code"]), (&"exit_error".into(), &2.into()), "{last}");
        assert!(last["message"].as_str().is_some_and(|message| message.len() > 10), "{last}");
    }
}

/// `backup` is what restic says.
#[test]
fn restics_words_work() {
    let world = World::new();
    let ran = run(&mut world.bare(["backup", "--repo", "nowhere", "-p", "file", "-e", "x", "-x", "-f", "-n", "."]));
    ran.expect_code(10).expect_err("no vault");
}

#[test]
fn a_closed_output_ends_quietly() {
    use std::process::Stdio;
    let world = World::new();
    // The pipe's other end is gone before the program writes.
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    let ran = run(world.bare(["completions", "bash"]).stdout(Stdio::from(writer)));
    assert_eq!((ran.code, &*ran.err), (Some(0), ""));
}

#[test]
fn a_full_output_is_a_failure() {
    let world = World::new();
    let Ok(full) = std::fs::OpenOptions::new().write(true).open("/dev/full") else { return };
    run(world.bare(["completions", "bash"]).stdout(full)).expect_code(1).expect_err("cannot write to standard output");
}

#[test]
fn words_that_nobody_sees_are_a_failure() {
    let world = World::new();
    let Ok(full) = std::fs::OpenOptions::new().write(true).open("/dev/full") else { return };
    run(world.command(["init"]).stdout(full)).expect_code(1).expect_err("standard output");
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    let world = World::new();
    run(world.command(["init", "-q"]).stdout(writer)).expect_code(1).expect_err("recovery key could not be shown");
}

#[test]
fn a_closed_output_does_not_hide_how_a_push_ended() {
    let world = World::with_vault();
    world.write("data/a", "a");
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    run(world.command(["push", "data", "missing"]).stdout(writer)).expect_code(3);
}

#[test]
fn pages_are_written_where_they_are_wanted() {
    let world = World::new();
    run(&mut world.bare(["man", "--out", "a/b"])).expect_code(0);
    assert!(world.path("a/b/zvault-push.1").is_file());
    world.write("file", "");
    run(&mut world.bare(["man", "--out", "file"])).expect_code(1).expect_err("file");
}
