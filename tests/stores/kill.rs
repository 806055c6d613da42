//! Killed at any moment, with two devices at work: every snapshot that was reported as done restores.

use crate::machine::noise;
use crate::place::{Kind, Place};
use crate::runner::{World, tree};
use crate::servers::proxy::Proxy;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Child;
use std::thread;
use std::time::{Duration, Instant};

#[test]
fn of_two_devices_that_push_and_are_killed() {
    killed(20);
}

/// `cargo test --test stores killed_two_hundred_times -- --ignored`
#[test]
#[ignore = "takes minutes"]
fn killed_two_hundred_times() {
    killed(200);
}

fn killed(kills: u32) {
    let direct = Place::new(Kind::S3);
    let proxy = Proxy::to(direct.address());
    let place = direct.through(&proxy);
    // So that a push has a middle.
    proxy.latency(Duration::from_millis(10));
    let first = World::new();
    direct.run(&first, ["init"]).expect_code(0);
    let worlds = [first, World::new()];
    let done: Vec<_> = thread::scope(|scope| {
        let place = &place;
        let threads: Vec<_> = worlds
            .iter()
            .enumerate()
            .map(|(at, world)| scope.spawn(move || one(place, world, at as u64, kills / 2)))
            .collect();
        threads.into_iter().map(|thread| thread.join().expect("no panic")).collect()
    });
    for (world, (killed, done)) in worlds.iter().zip(&done) {
        assert!(*killed > kills / 8, "only {killed} pushes were killed before their end");
        for (id, expected) in done {
            let part = format!("{id}:{}", world.path("data").to_str().expect("UTF-8"));
            direct.run(world, ["restore", &part, "-t", id]).expect_code(0);
            assert!(tree(&world.path(id)) == *expected, "{id} differs");
        }
        direct.run(world, ["check", "--read-data"]).expect_code(0);
    }
}

type Done = Vec<(String, BTreeMap<PathBuf, Vec<u8>>)>;

/// One device that pushes and is killed, over and over; the snapshots that were reported as done.
fn one(place: &Place, world: &World, seed: u64, kills: u32) -> (u32, Done) {
    for at in 0..3 {
        world.write(&format!("data/large{at}"), noise(1 << 20, seed * 100 + at));
    }
    let mut done = Vec::new();
    let push = |done: &mut Done| {
        let ran = place.run(world, ["push", "data", "--json"]).expect_code(0);
        done.push((ran.last_json()["snapshot_id"].as_str().expect("an id").to_owned(), tree(&world.path("data"))));
    };
    push(&mut done);
    world.write("data/changed", noise(300_000, seed));
    let began = Instant::now();
    push(&mut done);
    let whole = began.elapsed();
    let mut moments = noise(kills as usize * 2, 7 + seed).into_iter();
    let mut killed = 0;
    for round in 0..kills {
        world.write("data/changed", noise(300_000, 1000 * (seed + 1) + u64::from(round)));
        let share = u32::from(u16::from_le_bytes([moments.next().unwrap_or(0), moments.next().unwrap_or(0)]));
        let mut child = place.command(world, ["push", "data", "--json"]).spawn().expect("it starts");
        thread::sleep(whole * share / 65_536);
        kill(&mut child);
        let output = child.wait_with_output().expect("it ends");
        match output.status.code() {
            None => killed += 1,
            Some(code) => {
                let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
                assert_eq!(code, 0, "{err}");
                let document = crate::runner::json_lines(&out).pop().expect("a line");
                done.push((document["snapshot_id"].as_str().expect("an id").to_owned(), tree(&world.path("data"))));
            }
        }
        if round % 4 == 3 {
            push(&mut done);
        }
    }
    push(&mut done);
    (killed, done)
}

fn kill(child: &mut Child) {
    // It may have ended on its own.
    let _ = child.kill();
}
