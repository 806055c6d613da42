//! Pairings that end well.

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;

use super::*;

#[test]
fn a_ticket_over_tcp() {
    let (first, second) = (sponsor(), World::new());
    let mut inviting = Inviting::start(&first, &["--via", "tcp"]);
    let ran = join(&second, &[&inviting.ticket, "--name", "second"]).expect_code(0);
    let said = ran.json();
    let kinds: Vec<_> = said.iter().map(|line| line["message_type"].as_str().expect("text")).collect();
    assert_eq!(kinds, ["waiting", "joiner", "paired"]);

    let joiner = inviting.next().expect("a joiner");
    assert_eq!((&joiner["message_type"], &joiner["device_name"]), (&"joiner".into(), &"second".into()));
    assert_eq!(joiner["fingerprint"], said[1]["fingerprint"]);
    assert_eq!(joiner["capabilities"], "read, push");
    let paired = inviting.next().expect("the end");
    assert_eq!((&paired["message_type"], &paired["told"]), (&"paired".into(), &true.into()));
    assert_eq!(paired["device_id"], said[2]["device_id"]);
    inviting.end().expect_code(0);
    assert_member(&second);
    let names = first.run(["snapshots", "--json"]).expect_code(0);
    names.expect_out("\"device_name\":\"second\"");
}

#[test]
fn words_only_over_tcp() {
    let (first, second) = (sponsor(), World::new());
    let inviting = Inviting::start(&first, &["--via", "tcp"]);
    let address = inviting.address.clone().expect("an address");
    let mut args: Vec<&str> = inviting.words.iter().map(String::as_str).collect();
    args.extend(["--address", &address]);
    join(&second, &args).expect_code(0);
    inviting.end().expect_code(0);
    assert_member(&second);
}

/// Neither side says which suite it is: the ticket tells, and so do the words.
#[test]
fn a_vault_of_suite_2() {
    for (via, by_words) in [("tcp", false), ("mailbox", false), ("tcp", true)] {
        let (first, second) = (fips_sponsor(), World::new());
        let inviting = Inviting::start(&first, &["--via", via]);
        let address = inviting.address.clone().unwrap_or_default();
        let mut args = vec![&*inviting.ticket];
        if by_words {
            args = inviting.words.iter().map(String::as_str).collect();
            args.extend(["--address", &*address]);
        }
        join(&second, &args).expect_code(0);
        inviting.end().expect_code(0);
        assert_member(&second);
        assert_eq!(mail(&first), 0, "objects are left");
        first.run(["check", "--read-data"]).expect_code(0);
        first.run(["devices"]).expect_code(0);
    }
}

#[test]
fn a_mailbox_in_a_folder() {
    let (first, second) = (sponsor(), World::new());
    let inviting = Inviting::start(&first, &["--via", "mailbox"]);
    join(&second, &[&inviting.ticket]).expect_code(0);
    inviting.end().expect_code(0);
    assert_member(&second);
    assert_eq!(mail(&first), 0, "objects are left");
}

/// What cannot be signed is told, and the ticket is good for whoever reaches the folder.
#[test]
fn a_folder_signs_nothing() {
    let (first, second) = (sponsor(), World::new());
    let inviting = Inviting::start(&first, &["--via", "mailbox", "--presign"]);
    join(&second, &[&inviting.ticket]).expect_code(0);
    inviting.end().expect_code(0).expect_err("is a folder, where there is nothing to sign");
    assert_member(&second);
}

#[test]
fn words_with_the_url_of_the_vault() {
    let (first, second) = (sponsor(), World::new());
    let inviting = Inviting::start(&first, &["--via", "mailbox"]);
    let url = first.path("vault");
    let mut args: Vec<&str> = inviting.words.iter().map(String::as_str).collect();
    args.extend(["--url", url.to_str().expect("UTF-8")]);
    join(&second, &args).expect_code(0);
    inviting.end().expect_code(0);
    assert_member(&second);
    assert_eq!(mail(&first), 0, "objects are left");
}

#[test]
fn all_ways_at_once() {
    let (first, second) = (sponsor(), World::new());
    let inviting = Inviting::start(&first, &[]);
    join(&second, &[&inviting.ticket]).expect_code(0);
    inviting.end().expect_code(0);
    assert_member(&second);
    assert_eq!(mail(&first), 0, "objects are left");
}

/// A server that is to push and nothing else, its ticket and all: it opens nothing, and the first machine restores what it has
/// pushed. Its laptop is trusted with more later.
#[test]
fn a_device_that_may_only_push() {
    let (first, server) = (sponsor(), World::new());
    let inviting = Inviting::start(&first, &["--grant", "push", "--name", "server"]);
    let said = join(&server, &[&inviting.ticket]).expect_code(0).json();
    assert_eq!(said.last().expect("the end")["capabilities"], "push", "{said:?}");
    inviting.end().expect_code(0);
    let on_server = |args: &[&str]| run(&mut server.bare(args));
    let file = server.write("data/own", "from the server");
    let folder = file.parent().expect("a folder").to_str().expect("UTF-8").to_owned();
    for _ in 0..2 {
        on_server(&["push", &folder]).expect_code(0);
    }
    for refused in
        [&["ls", "latest"][..], &["restore", "latest", "-t", "out"], &["check"], &["log"], &["pair", "--yes"]]
    {
        on_server(refused).expect_code(13).expect_err("may only push");
    }
    on_server(&["snapshots"]).expect_code(0).expect_out("data");
    on_server(&["status"]).expect_code(0);
    on_server(&["devices"]).expect_code(0).expect_out("push");
    let devices = first.run(["devices", "--json"]).expect_code(0);
    devices.expect_out("\"device_name\":\"server\"");
    first.run(["check", "--read-data"]).expect_code(0);
    let target = first.path("restored");
    first.run(["restore", "latest", "--target", target.to_str().expect("UTF-8")]).expect_code(0);
    // The latest of the first machine is its own; the server's goes by its id.
    assert!(!tree(&target).values().any(|content| content == b"from the server"));
    let list = first.run(["snapshots", "--json"]).expect_code(0).last_json();
    let theirs = list.as_array().expect("a list").iter().rfind(|one| one["device_name"] == "server").expect("one");
    let id = theirs["id"].as_str().expect("text");
    let target = first.path("of the server");
    first.run(["restore", id, "--target", target.to_str().expect("UTF-8")]).expect_code(0);
    assert!(tree(&target).values().any(|content| content == b"from the server"));

    first.run(["devices", "grant", "server", "read", "--yes"]).expect_code(0);
    on_server(&["ls", id]).expect_code(0).expect_out("own");
    let target = server.path("restored");
    on_server(&["restore", id, "-t", target.to_str().expect("UTF-8")]).expect_code(0);
    assert!(tree(&target).values().any(|content| content == b"from the server"));
    on_server(&["push", &folder]).expect_code(0);
    on_server(&["check", "--read-data"]).expect_code(0);
    first.run(["check", "--read-data"]).expect_code(0);
}

#[test]
fn five_devices() {
    let first = sponsor();
    let others: Vec<World> = (0..4).map(|_| World::new()).collect();
    for (number, other) in others.iter().enumerate() {
        let inviting = Inviting::start(&first, &["--name", &format!("device {number}")]);
        join(other, &[&inviting.ticket]).expect_code(0);
        inviting.end().expect_code(0);
        run(&mut other.bare(["ls", "latest"])).expect_code(0).expect_out("letter");
    }
    for other in &others {
        let file = other.write("data/own", "from this machine");
        run(&mut other.bare(["push".as_ref(), file.as_os_str()])).expect_code(0);
    }
    assert_eq!(records(&first), 5);
    let seen = run(&mut others[0].bare(["snapshots", "--json"])).expect_code(0).last_json();
    let names: std::collections::BTreeSet<_> =
        seen.as_array().expect("a list").iter().map(|one| one["device_id"].to_string()).collect();
    assert_eq!(names.len(), 5, "{names:?}");
}

#[test]
fn a_ticket_on_standard_input_and_its_picture() {
    let (first, second) = (sponsor(), World::new());
    for file in ["code.png", "code.svg"] {
        let inviting = Inviting::start(&first, &["--via", "tcp", "--qr", file]);
        let mode = fs::metadata(first.path(file)).expect("a picture").permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "the picture is the secret");
        if file == "code.png" {
            let mut inviting = inviting;
            inviting.child.kill().expect("it runs");
            inviting.child.wait().expect("it ends");
            continue;
        }
        let mut child = second.bare(["pair", "--json", "-"]).stdin(Stdio::piped()).spawn().expect("it starts");
        // As it was broken by whoever sent it.
        let (one, two) = inviting.ticket.split_at(70);
        let broken = format!("{one}\n  {}\n", two.to_lowercase());
        child.stdin.take().expect("it is piped").write_all(broken.as_bytes()).expect("it reads");
        ended(child).expect_code(0);
        inviting.end().expect_code(0);
    }
    assert_member(&second);
    first.run(["pair", "--json", "--yes", "--qr", "code.jpg"]).expect_code(2).expect_err(".png or .svg");
}
