//! Several runs at once.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::Stdio;

use crate::flow::machine::noise;
use crate::runner::{World, ended, run};

#[test]
fn of_two_pushes_at_once_one_is_told_to_wait() {
    let world = World::with_vault();
    world.write("data/a", noise(100_000, 1));
    let mut first = world
        .command(["push", "--stdin-filename", "x", "--json", "--progress-interval", "0.1"])
        .stdin(Stdio::piped())
        .spawn()
        .expect("it starts");
    let mut input = first.stdin.take().expect("it is piped");
    input.write_all(b"held open").expect("written");
    // It is at work once it tells of its progress.
    let mut output = BufReader::new(first.stdout.take().expect("it is piped"));
    output.read_line(&mut String::new()).expect("a line of progress");

    world.run(["push", "data"]).expect_code(11).expect_err("another run");
    world.run(["push", "data", "--json"]).expect_code(11).expect_err("\"code\":11");
    // Looking is allowed, and another device is not in the way.
    world.run(["snapshots"]).expect_code(0);
    world.run(["check"]).expect_code(0);
    let mut other = world.command(["push", "data"]);
    run(other.env("ZVAULT_HOME", world.path("other"))).expect_code(0);

    drop(input);
    let mut rest = String::new();
    output.read_to_string(&mut rest).expect("it ends");
    assert!(rest.contains("snapshot_id"), "{rest}");
    ended(first).expect_code(0);
    world.run(["push", "data"]).expect_code(0);
    let listed = world.run(["snapshots", "--json"]).expect_code(0).last_json();
    assert_eq!(listed.as_array().map(Vec::len), Some(3));
    world.run(["check", "--read-data"]).expect_code(0);
}

#[test]
fn two_devices_push_the_same_at_once() {
    let world = World::with_vault();
    for at in 0..4 {
        world.write(&format!("data/{at}"), noise(3 << 20, at));
    }
    let elsewhere = |args: &[&str]| {
        let mut command = world.command(args);
        command.env("ZVAULT_HOME", world.path("other"));
        command
    };
    run(&mut elsewhere(&["snapshots"])).expect_code(0);
    let children = [world.command(["push", "data"]), elsewhere(&["push", "data"])]
        .map(|mut command| command.spawn().expect("it starts"));
    for child in children {
        ended(child).expect_code(0);
    }
    for read in [world.command(["check", "--read-data"]), elsewhere(&["check", "--read-data"])] {
        run(&mut { read }).expect_code(0);
    }
    let listed = world.run(["snapshots", "--json"]).expect_code(0).last_json();
    assert_eq!(listed.as_array().map(Vec::len), Some(2));
}
