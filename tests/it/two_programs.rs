//! The FIPS program beside the default one. `scripts/fips` builds it, names it in `ZVAULT_TEST_PROGRAM`, and runs these.

use std::fs;

use vault_format::{Header, Suite};

use crate::flow::look::look;
use crate::pairing::{Inviting, assert_member, join, with_fips_vault};
use crate::runner::{World, default_program, other_program, run, tree};

/// A machine with the FIPS program.
fn fips() -> World {
    World::of(&other_program().expect("ZVAULT_TEST_PROGRAM names the FIPS program"))
}

/// A machine with the default program.
fn default() -> World {
    World::of(&default_program())
}

#[test]
#[ignore = "needs the FIPS program: scripts/fips"]
fn each_opens_what_the_other_has_pushed() {
    for (first, second) in [(fips(), default()), (default(), fips())] {
        let first = with_fips_vault(first);
        let url = first.path("vault").to_str().expect("UTF-8").to_owned();
        let restored = |world: &World, snapshot: &str, name: &str, content: &[u8]| {
            let target = world.path(name);
            world.run(["--url", &url, "restore", snapshot, "-t", target.to_str().expect("UTF-8")]).expect_code(0);
            assert!(tree(&target).values().any(|found| found == content), "{name}");
        };
        restored(&second, "latest", "by passphrase", b"from the first machine");
        for (world, content) in [(&second, "from the second"), (&first, "from the first again")] {
            // With a file of 3 MB, which has chunks.
            let large: Vec<u8> = (0..3_000_000u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
            world.write("more/large", &large);
            world.write("more/letter", content);
            let pushed = world.run(["--url", &url, "push", "more", "--json"]).expect_code(0).json();
            let snapshot = pushed.last().expect("a summary")["snapshot_id"].as_str().expect("an id").to_owned();
            for reader in [&first, &second] {
                restored(reader, &snapshot, content, content.as_bytes());
                restored(reader, &snapshot, &format!("{content}, large"), &large);
            }
        }
        for world in [&first, &second] {
            world.run(["--url", &url, "check", "--read-data"]).expect_code(0);
            world.run(["--url", &url, "log"]).expect_code(0).expect_out("made the vault");
        }
        for (name, bytes) in tree(&first.path("vault")) {
            assert_eq!(Header::parse(&bytes).expect("a header").suite, Suite::Fips, "{name:?}");
        }
    }
}

#[test]
#[ignore = "needs the FIPS program: scripts/fips"]
fn they_pair() {
    for (first, second) in [(fips(), default()), (default(), fips())] {
        for via in ["tcp", "mailbox"] {
            let first = with_fips_vault(World::of(&first.program));
            let second = World::of(&second.program);
            let inviting = Inviting::start(&first, &["--via", via]);
            join(&second, &[&inviting.ticket]).expect_code(0);
            inviting.end().expect_code(0);
            assert_member(&second);
            first.run(["check", "--read-data"]).expect_code(0);
        }
    }
}

/// Neither opened nor made, and nothing of it is changed.
#[test]
#[ignore = "needs the FIPS program: scripts/fips"]
fn suite_1_is_refused() {
    let (it, other) = (fips(), default());
    other.run(["init"]).expect_code(0);
    let file = other.write("data/letter", "of suite 1");
    other.run(["push".as_ref(), file.as_os_str()]).expect_code(0);
    let vault = other.path("vault");
    let before = look(&vault);
    let url = vault.to_str().expect("UTF-8");
    it.write("data/letter", "of suite 2");
    let commands: [&[&str]; 9] = [
        &["snapshots"],
        &["ls", "latest"],
        &["push", "data"],
        &["restore", "latest", "-t", "out"],
        &["check", "--read-data"],
        &["check", "--keyless"],
        &["log"],
        &["devices"],
        &["mirror", "--from", url, "--to", "copy"],
    ];
    for args in commands {
        let mut all = vec!["--url", url];
        all.extend(args);
        let ran = it.run(all).expect_err("suite 0x01");
        assert_ne!(ran.code, Some(0), "{args:?}");
    }
    let inviting = Inviting::start(&other, &["--via", "tcp"]);
    let ran = join(&it, &[&inviting.ticket]).expect_err("suite 0x01");
    assert_ne!(ran.code, Some(0));
    inviting.stop();
    it.run(["init", "--suite", "default"]).expect_err("suite 0x01");
    assert_eq!(tree(&it.path("vault")).len(), 0);
    assert!(!it.path("out").exists() && tree(&it.path("copy")).is_empty());
    assert_eq!(look(&vault), before);
}

/// The state of a device of both programs: each leaves that of the other alone, or goes on with it.
#[test]
#[ignore = "needs the FIPS program: scripts/fips"]
fn one_machine_with_both_programs() {
    let mut world = default();
    world.run(["init"]).expect_code(0);
    world.run(["--url", "second", "init", "--suite", "fips", "--no-recovery-key"]).expect_code(0);
    world.write("data/letter", "twice");
    world.program = fips().program;
    world.run(["--url", "second", "push", "data"]).expect_code(0);
    let ran = world.run(["push", "data"]).expect_err("suite 0x01");
    assert_eq!(ran.code, Some(10));
    run(&mut world.bare(["vaults"])).expect_out("second");
    run(&mut world.bare(["doctor"])).expect_code(0).expect_out("second");
    run(&mut world.bare(["--url", "second", "status"])).expect_code(0);
    world.program = default_program();
    world.run(["--url", "second", "ls", "latest"]).expect_code(0).expect_out("letter");
    world.run(["push", "data"]).expect_code(0);
    world.run(["check", "--read-data"]).expect_code(0);
}

#[test]
#[ignore = "needs the FIPS program: scripts/fips"]
fn the_self_test() {
    let mut ran = fips().run(["fips", "self-test"]).expect_code(0);
    for words in
        ["certificate #5314", "approved AES-256-GCM", "excepted ML-DSA-65", "secp256r1MLKEM768", "all 24 checks"]
    {
        ran = ran.expect_out(words);
    }
    assert!(!ran.out.contains("failed"));
    let ran = fips().run(["fips", "self-test", "--json"]).expect_code(0);
    let report = &ran.json()[0];
    assert_eq!((&report["passed"], &report["module"]["certificate"]), (&true.into(), &"5314".into()));
    let checks = report["checks"].as_array().expect("a list");
    assert!(checks.iter().all(|check| check["passed"] == true));
    let excepted: Vec<_> =
        checks.iter().filter(|check| check["approved"] == false).map(|check| &check["name"]).collect();
    assert_eq!(excepted, ["ML-DSA-65 beside Ed25519"]);
    let program = fs::read(other_program().expect("the FIPS program")).expect("read");
    let sha256 = crypto_backends::rustcrypto::provider_of(Suite::Fips).hash.hash(&[&program]);
    assert_eq!(report["program_sha256"], hex::encode(sha256));
    fips().run(["doctor"]).expect_out("certificate #5314: 20 checks passed");
    let version = fips().run(["version", "-v"]).expect_code(0).expect_out("certificate #5314");
    assert_eq!(version.out.matches("FIPS 140-3: certificate 5314").count(), 8, "{}", version.out);
    assert!(!version.out.contains("0x01"));
}

/// Profiles of AWS are not read, and nobody gets another credential than the one that was asked for.
#[test]
#[ignore = "needs the FIPS program: scripts/fips"]
fn profiles_of_aws_are_refused() {
    let it = fips();
    it.write("user/.aws/credentials", "[work]\naws_access_key_id = canary\naws_secret_access_key = canary\n");
    let mut command = it.command(["--url", "s3://bucket/prefix", "-o", "region=us-east-1", "snapshots"]);
    let ran = run(command.env("AWS_PROFILE", "work")).expect_code(15).expect_err("does not read profiles of AWS");
    assert!(!ran.err.contains("canary"));
}
