//! A server that may only push, beside a laptop that reads.

use super::sponsor::{push_only, records_of};
use crate::runner::{World, run, tree};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

/// A vault of a laptop, and a server that is a push-only device of it.
fn laptop_and_server() -> (World, World) {
    let (laptop, server) = (World::with_vault(), World::new());
    make_push_only(&laptop, &server);
    (laptop, server)
}

fn make_push_only(laptop: &World, server: &World) {
    let vault = laptop.path("vault");
    let names: Vec<_> = tree(&vault).into_keys().map(|path| path.to_str().expect("UTF-8").to_owned()).collect();
    let records = records_of(&names, |name| fs::read(vault.join(name)).expect("read"));
    let made = push_only(laptop, server, vault.to_str().expect("UTF-8"), &records);
    assert!(!made.collectors.contains(&made.device));
    fs::write(vault.join(made.record.name.to_path()), made.record.bytes).expect("written");
}

/// The program on the server, which knows no passphrase.
fn on_server(laptop: &World, server: &World, args: &[&str]) -> Command {
    let mut command = server.bare(args);
    command.env("ZVAULT_URL", laptop.path("vault"));
    command
}

#[test]
fn a_server_pushes_and_the_laptop_restores() {
    let (laptop, server) = laptop_and_server();
    for n in 0..50 {
        server.write(&format!("data/folder/{n}"), format!("file {n} ").repeat(1 + 97 * n));
    }
    let server_run = |args: &[&str]| run(&mut on_server(&laptop, &server, args));
    server_run(&["push", "data"]).expect_code(0);
    let again = server_run(&["push", "data", "--json"]).expect_code(0).last_json();
    assert_eq!((&again["files_unmodified"], &again["data_added"]), (&50.into(), &0.into()), "{again}");
    server_run(&["snapshots"]).expect_code(0).expect_out("data");
    server_run(&["status"]).expect_code(0);
    for args in [vec!["vaults".into()], vec!["vaults".into(), laptop.path("vault").into_os_string()]] {
        let ran = run(server.bare(&args).env("ZVAULT_URL", laptop.path("vault"))).expect_code(0).expect_out("1 vault");
        assert!(ran.out.contains("  push  ") && !ran.out.contains("read"), "{}", ran.out);
    }
    for args in [&["ls", "latest"][..], &["restore", "latest", "-t", "out"], &["check"]] {
        server_run(args).expect_code(13).expect_err("may only push").expect_err("it can push");
    }
    assert!(!server.path("out").exists());
    // Nothing that is read from the local state alone makes up for it.
    fs::remove_dir_all(server.path("user/.cache")).expect("removed");
    let again = server_run(&["push", "data", "--json"]).expect_code(0).last_json();
    assert_eq!(again["data_added"], 0, "{again}");

    laptop.run(["snapshots"]).expect_code(0).expect_out("data");
    laptop.run(["check", "--read-data"]).expect_code(0);
    let data = server.path("data");
    let part = format!("latest:{}", data.to_str().expect("UTF-8"));
    laptop.run(["restore", &part, "-t", "out"]).expect_code(0);
    assert_eq!(tree(&data), tree(&laptop.path("out")));
}

/// How quick a push without changes is, beside a reader's (docs/benchmarks.md):
///
/// ```sh
/// TMPDIR=/dev/shm MEASURE_PROGRAM=$PWD/target/release/zvault MEASURE_SOURCE=/usr/src/linux \
///     cargo test --test it measure_push_only -- --ignored --nocapture
/// ```
#[test]
#[ignore = "a measurement"]
#[allow(clippy::print_stdout)]
fn measure_push_only() {
    let path = |name| PathBuf::from(std::env::var_os(name).unwrap_or_else(|| panic!("{name} names a path")));
    let (program, source) = (path("MEASURE_PROGRAM"), path("MEASURE_SOURCE"));
    let (laptop, server) = laptop_and_server();
    let mut unchanged = [Vec::new(), Vec::new()];
    for run in 0..=RUNS {
        let times = [&laptop, &server].map(|world| timed(&program, &laptop, world, &source));
        println!("{run}: reader {:.3?}, push-only {:.3?}", times[0], times[1]);
        if run > 0 {
            unchanged.iter_mut().zip(times).for_each(|(all, time)| all.push(time));
        }
    }
    let [reader, server] = unchanged.map(|mut all| {
        all.sort_unstable();
        all[RUNS / 2].as_secs_f64()
    });
    println!("unchanged, medians: reader {reader:.3} s, push-only {server:.3} s, ratio {:.2}", server / reader);
}

fn timed(program: &Path, laptop: &World, world: &World, source: &Path) -> Duration {
    let mut command = Command::new(program);
    command.arg("push").arg(source).arg("--quiet").env_clear();
    command.env("HOME", world.path("user")).env("ZVAULT_URL", laptop.path("vault")).env("ZVAULT_JITTER", "0");
    let started = Instant::now();
    let status = command.status().expect("it starts");
    assert!(status.success(), "{status}");
    started.elapsed()
}

const RUNS: usize = 5;

/// The storage loses a server's entry before anybody has read it: what comes after it is marked, in words and in JSON.
#[test]
fn snapshots_of_a_device_that_is_not_believed_are_marked() {
    let (laptop, server) = laptop_and_server();
    laptop.write("own/file", "of the laptop");
    laptop.run(["push", "own"]).expect_code(0);
    server.write("data/one", "1");
    run(&mut on_server(&laptop, &server, &["push", "data"])).expect_code(0);
    let logs = laptop.path("vault/zv1/l");
    let before = tree(&logs);
    let server_id = run(&mut on_server(&laptop, &server, &["devices", "--json"])).expect_code(0).last_json();
    let devices = server_id["devices"].as_array().expect("a list");
    let this = devices.iter().find(|device| device["this_device"] == true).expect("this device");
    let this = this["device_id"].as_str().expect("an id");
    server.write("data/two", "2");
    run(&mut on_server(&laptop, &server, &["push", "data"])).expect_code(0);
    let marks = |laptop: &World| -> Vec<(bool, bool)> {
        let list = laptop.run(["snapshots", "--json"]).expect_code(0).last_json();
        let list = list.as_array().expect("a list").iter();
        list.map(|one| (one["device_id"] == this, one["suspect"] == true && one["suspicion"].is_string())).collect()
    };
    let lost: Vec<_> = before.keys().filter(|path| path.to_string_lossy().contains(this)).collect();
    assert!(!lost.is_empty());
    lost.iter().for_each(|path| fs::remove_file(logs.join(path)).expect("removed"));
    assert_eq!(marks(&laptop), [(false, false), (true, true)]);
    let ran = laptop.run(["snapshots"]).expect_code(0).expect_out("(of a device that is not believed)");
    assert_eq!(ran.out.matches("not believed").count(), 1, "{}", ran.out);
    assert!(laptop.run(["ls", "latest", "--json"]).expect_code(0).json()[0]["suspect"] == false);
    // Shown again, it is believed.
    lost.iter().for_each(|path| fs::write(logs.join(path), &before[*path]).expect("written"));
    assert_eq!(marks(&laptop), [(false, false), (true, false), (true, false)]);
}
