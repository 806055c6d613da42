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
        it.run(all).expect_code(10).expect_err("suite 0x01");
    }
    let inviting = Inviting::start(&other, &["--via", "tcp"]);
    join(&it, &[&inviting.ticket]).expect_code(10).expect_err("suite 0x01");
    inviting.stop();
    it.run(["init", "--suite", "default"]).expect_code(10).expect_err("suite 0x01");
    assert!(!it.path("vault").exists() && !it.path("out").exists() && !it.path("copy").exists());
    assert_eq!(look(&vault), before);
}

/// Whoever can create objects puts beginnings of a vault of suite 1 beside one of suite 2. What was an alarm stays one, and what was
/// whole is whole.
#[test]
#[ignore = "needs the FIPS program: scripts/fips"]
fn planted_beginnings_of_suite_1() {
    let (owner, other) = (with_fips_vault(fips()), default());
    other.run(["init"]).expect_code(0);
    let (_, foreign) = tree(&other.path("vault/zv1/r")).pop_first().expect("a record");
    let vault = owner.path("vault").to_str().expect("UTF-8").to_owned();
    let plant = |place: &str| {
        for n in 0..6 {
            let name = format!("{place}/zv1/r/00000000-{:064x}", n * 0x1111);
            owner.write(&name, &foreign);
        }
    };
    let devices = owner.run(["devices", "--json"]).expect_code(0).last_json();
    let device = devices["devices"][0]["device_id"].as_str().expect("an id").to_owned();
    owner.run(["devices", "rename", &device, "again"]).expect_code(0);
    owner.run(["mirror", "--to", "copy"]).expect_code(0);
    owner.run(["mirror", "--to", "headless"]).expect_code(0);
    plant("vault");
    for args in [&["snapshots"][..], &["ls", "latest"], &["doctor", "--no-write"]] {
        owner.run(args).expect_code(0);
    }
    for args in [&["snapshots"][..], &["restore", "latest", "-t", "out"]] {
        let fresh = fips();
        let mut all = vec!["--url", &vault];
        all.extend(args);
        fresh.run(all).expect_code(0);
    }
    let ran = owner.run(["check", "--keyless"]);
    assert_ne!(ran.code, Some(10), "{}", ran.err);
    // What was planted is reported there, too, and everything else copied.
    let ran = owner.run(["mirror", "--to", "after"]);
    assert_ne!(ran.code, Some(10), "{}", ran.err);
    let after = owner.path("after").to_str().expect("UTF-8").to_owned();
    fips().run(["--url", &after, "check", "--read-data"]).expect_code(0);

    // Without its first record the vault is damaged, whatever is put in its place; a whole store beside it serves.
    let records = tree(&owner.path("headless/zv1/r"));
    let first = records.keys().find(|name| name.to_string_lossy().starts_with("00000000-")).expect("a beginning");
    assert!(records.len() > 1, "there is a second record");
    fs::remove_file(owner.path("headless/zv1/r").join(first)).expect("removed");
    let headless = owner.path("headless").to_str().expect("UTF-8").to_owned();
    fips().run(["--url", &headless, "snapshots"]).expect_code(14);
    plant("headless");
    fips().run(["--url", &headless, "snapshots"]).expect_code(14).expect_err("damaged or gone");
    fips().run(["--url", &headless, "check", "--keyless"]).expect_code(14);
    let fresh = fips();
    let copy = owner.path("copy").to_str().expect("UTF-8").to_owned();
    let config =
        format!("[[store]]\nname = \"first\"\nurl = {headless:?}\n\n[[store]]\nname = \"second\"\nurl = {copy:?}\n");
    let config = fresh.write("zvault.toml", config);
    let mut command = fresh.bare(["--config", config.to_str().expect("UTF-8"), "snapshots"]);
    run(command.env("ZVAULT_PASSPHRASE", "correct horse battery")).expect_code(0).expect_out("letter");
    // Only such records, and nothing of ours: that is a vault of suite 1.
    plant("nothing");
    let nothing = owner.path("nothing").to_str().expect("UTF-8").to_owned();
    fips().run(["--url", &nothing, "snapshots"]).expect_code(10).expect_err("suite 0x01");
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
        ["certificate #5314", "approved AES-256-GCM", "excepted ML-DSA-65", "secp256r1MLKEM768", "all 25 checks"]
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
