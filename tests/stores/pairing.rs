//! Pairing where the vault is in a bucket: through its mailbox, and with what the new device is told of the storage.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::place::{Kind, Place};
use crate::runner::{World, ended, run, tree};
use crate::servers::account::account;
use crate::servers::proxy::Proxy;

/// A device that invites and waits.
struct Inviting {
    child: Child,
    lines: BufReader<ChildStdout>,
    ticket: String,
    shown: Value,
}

impl Inviting {
    fn start(place: &Place, world: &World, args: &[&str]) -> Self {
        let all = ["pair", "--json", "--yes"].iter().chain(args);
        let mut child = place.command(world, all).spawn().expect("it starts");
        let mut lines = BufReader::new(child.stdout.take().expect("it is piped"));
        let mut line = String::new();
        lines.read_line(&mut line).expect("a line");
        let Ok(shown) = serde_json::from_str::<Value>(&line) else { panic!("no ticket: {}", ended(child).err) };
        let ticket = shown["ticket"].as_str().expect("a ticket").to_owned();
        Self { child, lines, ticket, shown }
    }

    /// All that it said, when it has ended well.
    fn end(mut self) -> String {
        let mut rest = String::new();
        self.lines.read_to_string(&mut rest).expect("UTF-8");
        let ran = ended(self.child).expect_code(0);
        rest + &ran.err
    }
}

fn sponsor(place: &Place) -> World {
    let world = World::new();
    place.run(&world, ["init"]).expect_code(0);
    let file = world.write("data/letter", "from the first machine");
    place.run(&world, ["push".as_ref(), file.as_os_str()]).expect_code(0);
    world
}

fn mail(place: &Place) -> Vec<String> {
    place.names().into_iter().filter(|name| name.contains("zv1/m/")).collect()
}

/// The joiner has a credential of its own; where the bucket is, and how it is spoken to, the ticket says.
fn through_the_mailbox(kind: Kind) {
    let place = Place::new(kind).below("backups");
    let (first, second) = (sponsor(&place), World::new());
    let inviting = Inviting::start(&place, &first, &["--via", "mailbox"]);
    let mut command = second.bare(["pair", "--json", &inviting.ticket]);
    run(command.envs(place.secrets.iter().cloned())).expect_code(0);
    inviting.end();
    assert_eq!(mail(&place), Vec::<String>::new());
    run(second.bare(["ls", "latest"]).envs(place.secrets.iter().cloned())).expect_code(0).expect_out("letter");
    // Without the credential it knows the place, and cannot get in.
    run(second.bare(["ls", "latest"]).env("AWS_EC2_METADATA_DISABLED", "true").env("NO_GCE_CHECK", "true"))
        .expect_code(15);
}

#[test]
fn mailbox_on_s3() {
    through_the_mailbox(Kind::S3);
}

#[test]
fn mailbox_on_azure() {
    through_the_mailbox(Kind::Azure);
}

#[test]
fn mailbox_on_google() {
    through_the_mailbox(Kind::Gcs);
}

/// A machine with no credential, and nobody beside it who gives one out.
fn bare(world: &World, args: &[&str]) -> Command {
    let mut command = world.bare(args);
    command.env("AWS_EC2_METADATA_DISABLED", "true").env("NO_GCE_CHECK", "true");
    command
}

/// The joiner has nothing but the ticket, and gets through the mailbox all the same.
fn presigned_mailbox_without_credentials(place: &Place) {
    let (first, second) = (sponsor(place), World::new());
    let inviting = Inviting::start(place, &first, &["--via", "mailbox", "--presign"]);
    assert!(inviting.shown["presigned"] == true && inviting.ticket.len() > 2000, "{}", inviting.ticket.len());
    // These servers have no TLS, and it is not for the ticket to say that this is right.
    let refused = run(&mut bare(&second, &["pair", "--json", &inviting.ticket])).expect_code(2);
    refused.expect_err("not encrypted").expect_err("-o allow-http=true");
    let joins = |world, ticket: &str| run(&mut bare(world, &["pair", "--json", "-o", "allow-http=true", ticket]));
    let joined = joins(&second, &inviting.ticket).expect_code(15);
    let joined = joined.expect_err("this machine is a device of the vault now, and has no credential for its storage");
    let said = inviting.end() + &joined.out + &joined.err;
    assert_eq!(mail(place), Vec::<String>::new());
    let again = run(&mut bare(&second, &["ls", "latest"])).expect_code(15);
    let said = (said + &again.out + &again.err).to_ascii_lowercase();
    assert!(!said.contains("signature=") && !said.contains("sig="), "{said}");
    // With a credential it finishes by itself.
    run(second.bare(["ls", "latest"]).envs(place.secrets.iter().cloned())).expect_code(0).expect_out("letter");

    let third = World::new();
    let inviting = Inviting::start(place, &first, &["--via", "mailbox", "--presign", "--with-credentials"]);
    joins(&third, &inviting.ticket).expect_code(0);
    inviting.end();
    run(&mut bare(&third, &["ls", "latest"])).expect_code(0).expect_out("letter");
}

#[test]
fn presigned_mailbox_on_s3() {
    presigned_mailbox_without_credentials(&Place::new(Kind::S3).below("backups"));
}

#[test]
fn presigned_mailbox_on_azure() {
    presigned_mailbox_without_credentials(&Place::new(Kind::Azure).below("backups"));
}

#[test]
fn presigned_mailbox_on_google() {
    let keys = World::new();
    let key = keys.write("key.json", account().file());
    let mut place = Place::new(Kind::Gcs).below("backups");
    place.secrets = vec![("GOOGLE_APPLICATION_CREDENTIALS", key.to_str().expect("UTF-8").to_owned())];
    presigned_mailbox_without_credentials(&place);
}

/// A token signs nothing: the ticket is one without URLs, and that is said.
#[test]
fn nothing_to_sign_with() {
    let place = Place::new(Kind::Gcs);
    let (first, second) = (sponsor(&place), World::new());
    let inviting = Inviting::start(&place, &first, &["--via", "mailbox", "--presign"]);
    assert_eq!(inviting.shown["presigned"], false);
    let mut command = second.bare(["pair", "--json", &inviting.ticket]);
    run(command.envs(place.secrets.iter().cloned())).expect_code(0);
    let said = inviting.end();
    assert!(said.contains("GOOGLE_ACCESS_TOKEN of the environment cannot sign URLs"), "{said}");
}

/// The joiner has nothing but the ticket.
fn with_credentials(kind: Kind) {
    let place = Place::new(kind);
    let (first, second) = (sponsor(&place), World::new());
    let inviting = Inviting::start(&place, &first, &["--via", "tcp", "--listen", "127.0.0.1", "--with-credentials"]);
    let joined = run(&mut second.bare(["pair", "--json", &inviting.ticket])).expect_code(0);
    assert_eq!(joined.last_json()["credentials"], true);
    let said = inviting.end() + &joined.out + &joined.err;
    let file = second.write("data/own", "from the second machine");
    let pushes = run(&mut second.bare(["push".as_ref(), file.as_os_str()])).expect_code(0);
    let looks = run(&mut second.bare(["doctor"]));
    assert!(looks.out.contains("from the pairing"), "{}", looks.out);
    run(&mut second.bare(["snapshots", "--json"])).expect_code(0).expect_out("data/letter");

    let said = said + &pushes.out + &pushes.err + &looks.out + &looks.err;
    for (name, secret) in place.secrets.iter().filter(|(name, _)| !name.ends_with("_ID")) {
        assert!(!said.contains(secret.as_str()), "{name} is in what was said");
        for (path, content) in tree(&second.path("user")) {
            let is_there = content.windows(secret.len()).any(|window| window == secret.as_bytes());
            assert!(!is_there, "{name} is in {}", path.display());
        }
    }
    // The environment counts more.
    let (name, _) = place.secrets[0];
    let wrong = run(second.bare(["ls", "latest"]).env(name, "AAAA").env("AWS_SECRET_ACCESS_KEY", "AAAA"));
    assert_ne!(wrong.code, Some(0), "what was kept was used instead of the environment");
}

#[test]
fn credentials_for_s3() {
    with_credentials(Kind::S3);
}

#[test]
fn credentials_for_azure() {
    with_credentials(Kind::Azure);
}

/// A program of a machine that has a keychain of files in the place of the platform's.
fn with_keychain(world: &World, usage: &str, args: &[&str]) -> Command {
    let mut command = bare(world, args);
    command.env("ZVAULT_KEYCHAIN", usage).env("ZVAULT_TEST_KEYCHAIN", world.path("keychain"));
    command
}

#[test]
fn credentials_go_to_the_keychain_and_come_from_there() {
    let place = Place::new(Kind::S3);
    let (first, second) = (sponsor(&place), World::new());
    let keychain = second.path("keychain");
    fs::create_dir(&keychain).expect("a keychain");
    let items =
        || fs::read_dir(&keychain).expect("listed").map(|item| item.expect("an item").path()).collect::<Vec<_>>();
    let mut said = String::new();
    let mut zvault = |usage: &str, args: &[&str]| {
        let ran = run(&mut with_keychain(&second, usage, args));
        said += &format!("{}{}", ran.out, ran.err);
        ran
    };
    let inviting = Inviting::start(&place, &first, &["--via", "tcp", "--listen", "127.0.0.1", "--with-credentials"]);
    let joined = zvault("auto", &["pair", "--json", &inviting.ticket]).expect_code(0);
    assert_eq!(joined.last_json()["credentials_in"], "keychain");
    inviting.end();
    let [item] = &items()[..] else { panic!("{:?}", items()) };
    zvault("auto", &["snapshots", "--json"]).expect_code(0).expect_out("data/letter");
    zvault("auto", &["doctor"]).expect_out("are in the keychain").expect_out("from the pairing (in the keychain)");
    zvault("auto", &["doctor", "--json", "--verbose"]).expect_out("are in the keychain");

    // Nobody is logged in.
    fs::write(keychain.join("locked"), "").expect("locked");
    let locked = zvault("auto", &["snapshots"]).expect_code(15);
    locked.expect_err("in the keychain").expect_err("locked").expect_err("ZVAULT_KEYCHAIN=off zvault snapshots");
    zvault("off", &["snapshots", "--json"]).expect_code(15).expect_err("locked");
    run(with_keychain(&second, "auto", &["snapshots"]).envs(place.secrets.iter().cloned())).expect_code(0);
    fs::remove_file(keychain.join("locked")).expect("unlocked");
    // Somebody tidied up.
    fs::rename(item, second.path("taken")).expect("deleted");
    zvault("auto", &["snapshots"]).expect_code(15).expect_err("has no item").expect_err("pair again");
    fs::rename(second.path("taken"), item).expect("back");

    // It moves, once and for all.
    zvault("off", &["snapshots"]).expect_code(0);
    assert_eq!(items(), Vec::<PathBuf>::new());
    fs::remove_dir(&keychain).expect("gone");
    zvault("auto", &["snapshots"]).expect_code(0);
    zvault("auto", &["doctor"]).expect_out("are in the state folder");

    for (name, secret) in place.secrets.iter().filter(|(name, _)| !name.ends_with("_ID")) {
        assert!(!said.contains(secret.as_str()), "{name} is in what was said");
        for (path, content) in tree(&second.path("")) {
            let is_there = content.windows(secret.len()).any(|window| window == secret.as_bytes());
            assert!(!is_there, "{name} is in {}", path.display());
        }
    }
}

#[test]
fn credentials_move_also_where_the_keychain_keeps_its_item() {
    let place = Place::new(Kind::S3);
    let (first, second) = (sponsor(&place), World::new());
    second.write("keychain/keeps", "");
    let inviting = Inviting::start(&place, &first, &["--via", "tcp", "--listen", "127.0.0.1", "--with-credentials"]);
    run(&mut with_keychain(&second, "auto", &["pair", "--json", &inviting.ticket])).expect_code(0);
    inviting.end();
    let moved = run(&mut with_keychain(&second, "off", &["snapshots"])).expect_code(0);
    moved.expect_err("stays in the keychain, where nothing opens it any more").expect_err("it keeps what it has");
    fs::remove_dir_all(second.path("keychain")).expect("gone");
    let after = run(&mut with_keychain(&second, "auto", &["snapshots"])).expect_code(0);
    assert!(!after.err.contains("keychain"), "{}", after.err);
}

#[test]
fn credentials_stay_in_the_state_folder_where_the_keychain_is_locked() {
    let place = Place::new(Kind::S3);
    let (first, second) = (sponsor(&place), World::new());
    second.write("keychain/locked", "");
    let inviting = Inviting::start(&place, &first, &["--via", "tcp", "--listen", "127.0.0.1", "--with-credentials"]);
    let joined = run(&mut with_keychain(&second, "auto", &["pair", &inviting.ticket])).expect_code(0);
    joined.expect_out("sealed in the state folder (the keychain is locked");
    inviting.end();
    run(&mut with_keychain(&second, "auto", &["ls", "latest"])).expect_code(0).expect_out("letter");
}

#[test]
fn credentials_that_are_not_there() {
    let place = Place::new(Kind::S3);
    let world = sponsor(&place);
    let mut command = place.command(&world, ["pair", "--json", "--yes", "--with-credentials"]);
    for (name, _) in &place.secrets {
        command.env_remove(name);
    }
    world.write("aws", "[default]\naws_access_key_id = a\naws_secret_access_key = b\n");
    command.env("AWS_SHARED_CREDENTIALS_FILE", world.path("aws"));
    assert_ne!(run(&mut command).code, Some(0));
}

/// Says how long a pairing takes when each request to the store takes 50 ms more: for docs/benchmarks.md.
#[test]
#[ignore = "measures"]
fn time_over_a_slow_mailbox() {
    let direct = Place::new(Kind::S3);
    let first = sponsor(&direct);
    let proxy = Proxy::to(direct.address());
    proxy.latency(Duration::from_millis(50));
    let place = direct.through(&proxy);
    for _ in 0..5 {
        let second = World::new();
        let inviting = Inviting::start(&place, &first, &["--via", "mailbox"]);
        let started = Instant::now();
        let mut command = second.bare(["pair", "--json", &inviting.ticket]);
        run(command.envs(place.secrets.iter().cloned())).expect_code(0);
        let paired = started.elapsed();
        run(second.bare(["ls", "latest"]).envs(place.secrets.iter().cloned())).expect_code(0);
        writeln!(std::io::stdout(), "paired after {paired:?}, listed after {:?}", started.elapsed()).expect("told");
        inviting.end();
    }
}
