use std::io::{BufRead, BufReader, Read, Write};
use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::runner::World;

#[test]
fn ctrl_c_ends_a_push_in_order() {
    let world = World::with_vault();
    let mut child = world
        .command(["push", "--stdin-filename", "x", "--json", "--progress-interval", "0.1"])
        .stdin(Stdio::piped())
        .spawn()
        .expect("it starts");
    let mut input = child.stdin.take().expect("it is piped");
    let feeder = std::thread::spawn(move || {
        // Until the program has ended.
        while input.write_all(&[7; 4096]).is_ok() {
            std::thread::sleep(Duration::from_millis(2));
        }
    });
    let mut output = BufReader::new(child.stdout.take().expect("it is piped"));
    let mut line = String::new();
    output.read_line(&mut line).expect("a line of progress");
    assert!(line.contains("\"status\""), "{line}");

    let pid = Pid::from_raw(i32::try_from(child.id()).expect("a small number")).expect("a process");
    kill_process(pid, Signal::INT).expect("interrupted");
    let mut rest = String::new();
    output.read_to_string(&mut rest).expect("its output ends");
    let mut errors = String::new();
    child.stderr.take().expect("it is piped").read_to_string(&mut errors).expect("its errors end");
    assert_eq!(child.wait().expect("it ends").code(), Some(130), "{errors}");
    feeder.join().expect("the feeder ends");

    assert!(errors.lines().last().is_some_and(|line| line.contains("\"code\":130")), "{errors}");
    assert_eq!(world.run(["snapshots", "--json"]).expect_code(0).out, "[]\n", "no snapshot was made");
    world.write("data/a", "a");
    world.run(["push", "data"]).expect_code(0);
    world.run(["check", "--read-data"]).expect_code(0);
}

/// A port on which nobody answers stands for a store that is far away: the wait comes before the first request.
#[test]
fn an_unattended_push_to_remote_storage_waits_and_ctrl_c_ends_it() {
    let world = World::with_vault();
    world.write("data/a", "a");
    let mut remote =
        world.command(["push", "--url", "s3://b", "-o", "endpoint=https://192.0.2.1", "--jitter", "24h", "data"]);
    remote.env("AWS_ACCESS_KEY_ID", "x").env("AWS_SECRET_ACCESS_KEY", "x");
    let mut child = remote.spawn().expect("it starts");
    let mut errors = BufReader::new(child.stderr.take().expect("it is piped"));
    let mut line = String::new();
    errors.read_line(&mut line).expect("a line");
    assert!(line.contains("before the first request"), "{line}");
    let pid = Pid::from_raw(i32::try_from(child.id()).expect("a small number")).expect("a process");
    kill_process(pid, Signal::INT).expect("interrupted");
    assert_eq!(child.wait().expect("it ends").code(), Some(130));

    // A folder is pushed to at once.
    world.run(["push", "--jitter", "24h", "data"]).expect_code(0);
}
