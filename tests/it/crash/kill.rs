//! Killed at any moment, and what the next run makes of it.

use std::fs;
use std::path::Path;
use std::process::Child;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::flow::look::{look, same};
use crate::flow::machine::noise;
use crate::runner::{World, ended, tree};

#[test]
fn a_push_killed_at_any_moment_leaves_a_valid_vault() {
    let world = World::with_vault();
    fill(&world);
    // How long it takes and what it stores when nobody disturbs it.
    let clean = World::with_vault();
    fill(&clean);
    let started = Instant::now();
    clean.run(["push", "data"]).expect_code(0);
    let (whole, stored_clean) = (started.elapsed(), stored(&clean));

    let mut moments = noise(KILLS * 2, 99).into_iter();
    let (mut killed, mut snapshots, mut files) = (0, 0, 5);
    for round in 0..KILLS {
        world.write("data/round", format!("{round}"));
        let share = u32::from(u16::from_le_bytes([moments.next().unwrap_or(0), moments.next().unwrap_or(0)]));
        let mut child = world.command(["push", "data"]).spawn().expect("it starts");
        // The first has more to do than those after it.
        let most = if files == 5 { whole } else { whole / 2 };
        std::thread::sleep(most * share / 65_536);
        signal(&child, Signal::KILL);
        let status = child.wait().expect("it ends");
        killed += u32::from(status.code().is_none());
        if status.success() {
            // It came to its end, so the next one gets something to do.
            world.write(&format!("data/large{}", files % 5), noise(9 << 20, 1000 + files));
            files += 1;
        }

        let ran = world.run(["check"]);
        assert_eq!(ran.code, Some(0), "check after kill {round} at {share}/65536 of {whole:?}: {}{}", ran.out, ran.err);
        let listed = world.run(["snapshots", "--json"]).expect_code(0).last_json();
        let listed = listed.as_array().expect("snapshots");
        assert!(listed.len() >= snapshots, "a snapshot is gone");
        snapshots = listed.len();
        assert!(listed.iter().all(|snapshot| snapshot["partial"] == false), "{listed:?}");
    }
    assert!(killed as usize > KILLS / 3, "only {killed} pushes were killed before their end");

    let ran = world.run(["push", "data"]).expect_code(0);
    world.run(["check", "--read-data"]).expect_code(0);
    restore(&world, "out", &[]);
    same(&look(&world.path("data")), &look(&world.path("out")));
    // What was stored is found again: at most the last pack of each round, cut short, is there twice.
    let (all, needed) = (stored(&world), stored_clean / 5 * files);
    assert!(
        all <= needed + needed / 2 + KILLS as u64 * SMALL,
        "{all} bytes stored in {KILLS} rounds with {killed} kills, {needed} are needed\n{}",
        ran.out
    );
}

#[test]
fn a_push_killed_over_and_over_gets_done() {
    let world = World::with_vault();
    fill(&world);
    // Killed once each pack is there: every round must begin where the one before ended.
    let mut before = 0;
    for round in 0..4 {
        let mut child = world.command(["push", "data"]).spawn().expect("it starts");
        let end = Instant::now() + Duration::from_secs(60);
        while packs(&world) <= before && child.try_wait().expect("a child").is_none() && Instant::now() < end {
            std::thread::sleep(Duration::from_millis(5));
        }
        signal(&child, Signal::KILL);
        let ran = ended(child);
        let now = packs(&world);
        if ran.code.is_some() {
            break;
        }
        assert!(now > before, "round {round} stored nothing new: {}", ran.err);
        before = now;
    }
    world.run(["push", "data"]).expect_code(0);
    let clean = World::with_vault();
    fill(&clean);
    clean.run(["push", "data"]).expect_code(0);
    let (all, once) = (stored(&world), stored(&clean));
    assert!(all <= once + once / 2, "{all} bytes stored after four kills, {once} by a push in one go");
    restore(&world, "out", &[]);
    same(&look(&world.path("data")), &look(&world.path("out")));
}

#[test]
fn a_push_interrupted_in_order_leaves_a_valid_vault() {
    let world = World::with_vault();
    fill(&world);
    for (sent, delay) in [(Signal::INT, 20), (Signal::TERM, 150), (Signal::INT, 300)] {
        let child = world.command(["push", "data"]).spawn().expect("it starts");
        std::thread::sleep(Duration::from_millis(delay));
        signal(&child, sent);
        let ran = ended(child);
        // Before it listens to signals, or after its end, it is not there to be asked.
        assert!(matches!(ran.code, Some(130 | 0) | None), "{:?} {}", ran.code, ran.err);
        assert!(ran.code != Some(130) || ran.err.contains("interrupted"), "{}", ran.err);
        world.run(["check"]).expect_code(0);
    }
    world.run(["push", "data"]).expect_code(0);
    restore(&world, "out", &[]);
    same(&look(&world.path("data")), &look(&world.path("out")));
}

#[test]
fn a_restore_killed_at_any_moment_is_completed_by_the_next() {
    let world = World::with_vault();
    fill(&world);
    for at in 0..300 {
        world.write(&format!("data/many/{at}"), noise(2000 + at, at as u64));
    }
    world.run(["push", "data"]).expect_code(0);
    let started = Instant::now();
    restore(&world, "clean", &[]);
    let whole = started.elapsed();
    let mut killed = 0;
    for round in 0..6u32 {
        let mut child = world.command(part(&world, "out", &["--overwrite", "if-changed"])).spawn().expect("it starts");
        std::thread::sleep(whole * (round + 1) / 7);
        signal(&child, Signal::KILL);
        killed += u32::from(child.wait().expect("it ends").code().is_none());
        if round % 2 == 0 {
            restore(&world, "out", &["--overwrite", "if-changed"]);
            // Leftovers of the killed run are not in the snapshot.
            restore(&world, "out", &["--overwrite", "if-changed", "--delete"]);
            same(&look(&world.path("data")), &look(&world.path("out")));
            fs::remove_dir_all(world.path("out")).expect("removed");
        }
    }
    assert!(killed > 0, "no restore was killed before its end");
    restore(&world, "out", &["--overwrite", "if-changed", "--delete"]);
    same(&look(&world.path("data")), &look(&world.path("out")));
}

#[test]
fn a_restore_killed_while_it_replaces_loses_no_file() {
    let world = World::with_vault();
    fill(&world);
    world.run(["push", "data"]).expect_code(0);
    let (new, out) = (tree(&world.path("data")), world.path("out"));
    for round in 0..5u64 {
        for name in new.keys() {
            world.write(&format!("out/{}", name.display()), b"old");
        }
        let mut child = world.command(part(&world, "out", &["--overwrite", "always"])).spawn().expect("it starts");
        std::thread::sleep(Duration::from_millis(40 + 40 * round));
        signal(&child, Signal::KILL);
        child.wait().expect("it ends");
        let now = tree(&out);
        for (name, content) in &new {
            let found = now.get(name).unwrap_or_else(|| panic!("{} is gone", name.display()));
            assert!(found == content || found == b"old", "{} is half written", name.display());
        }
    }
}

#[test]
fn an_interrupted_restore_leaves_nothing_half_done() {
    let world = World::with_vault();
    fill(&world);
    world.run(["push", "data"]).expect_code(0);
    let child = world.command(part(&world, "out", &[])).spawn().expect("it starts");
    std::thread::sleep(Duration::from_millis(100));
    signal(&child, Signal::INT);
    let ran = ended(child);
    assert!(matches!(ran.code, Some(130 | 0) | None), "{:?} {}", ran.code, ran.err);
    if world.path("out").exists() {
        for name in tree(&world.path("out")).into_keys() {
            assert!(world.path("data").join(&name).exists(), "{} was left behind", name.display());
        }
    }
    restore(&world, "out", &["--overwrite", "if-changed"]);
    same(&look(&world.path("data")), &look(&world.path("out")));
}

#[test]
fn an_init_killed_at_any_moment_can_be_done_again() {
    for delay in [5, 15, 25, 40, 60] {
        let world = World::new();
        let mut child = world.command(["init"]).spawn().expect("it starts");
        std::thread::sleep(Duration::from_millis(delay));
        signal(&child, Signal::KILL);
        child.wait().expect("it ends");
        let again = world.run(["init"]);
        let made = again.code == Some(1) && again.err.contains("already");
        assert!(again.code == Some(0) || made, "{}", again.err);
        world.write("data/a", "a");
        world.run(["push", "data"]).expect_code(0);
    }
}

/// Several packs of noise and some small files.
fn fill(world: &World) {
    for at in 0..5 {
        world.write(&format!("data/large{at}"), noise(9 << 20, at));
    }
    for at in 0..40 {
        world.write(&format!("data/small/{at}"), noise(at * 500, 100 + at as u64));
    }
}

fn signal(child: &Child, signal: Signal) {
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw).expect("a process");
    // It may have ended on its own.
    let _ = kill_process(pid, signal);
}

fn part(world: &World, out: &str, more: &[&str]) -> Vec<String> {
    let part = format!("latest:{}", world.path("data").to_str().expect("UTF-8"));
    ["restore", &part, "-t", out].iter().chain(more).map(|arg| (*arg).to_owned()).collect()
}

#[track_caller]
fn restore(world: &World, out: &str, more: &[&str]) {
    world.run(part(world, out, more)).expect_code(0);
}

fn packs(world: &World) -> usize {
    files(&world.path("vault/zv1/p")).len()
}

/// Bytes in packs of both kinds, and in what was left of unfinished ones.
fn stored(world: &World) -> u64 {
    ["p", "t"].iter().flat_map(|kind| files(&world.path("vault/zv1").join(kind))).sum()
}

/// Sizes of all whole files two folders down; names of unfinished ones have a sign in them.
fn files(folder: &Path) -> Vec<u64> {
    let mut sizes = Vec::new();
    for device in fs::read_dir(folder).into_iter().flatten().flatten() {
        for file in fs::read_dir(device.path()).into_iter().flatten().flatten() {
            if let (Ok(meta), false) = (file.metadata(), file.file_name().to_string_lossy().contains('#')) {
                sizes.push(meta.len());
            }
        }
    }
    sizes
}

const KILLS: usize = 20;
/// The least that a kind of object takes, times the kinds.
const SMALL: u64 = 3 << 16;
