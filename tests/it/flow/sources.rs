//! Sources that are in nobody's hand: streams, files that grow, files that cannot be read.

use std::fs::{self, OpenOptions, Permissions};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use super::look::{look, same};
use super::machine::{as_nobody, give_away, is_root, noise};
use crate::runner::{World, run, tree};

#[test]
fn standard_input_of_several_megabytes() {
    let world = World::with_vault();
    let dump = noise(5_000_001, 6);
    for name in ["first", "again"] {
        world.run_with(["push", "--stdin", "--stdin-filename", "dump"], &dump).expect_code(0);
        world.run(["restore", "-t", name]).expect_code(0);
        assert!(tree(&world.path(name)).into_values().eq([dump.clone()]), "{name}");
    }
    world.run_with(["push", "--stdin"], b"").expect_code(0);
    world.run(["restore", "-t", "empty"]).expect_code(0);
    assert!(tree(&world.path("empty")).into_values().eq([Vec::<u8>::new()]));
}

#[test]
fn a_failing_command_makes_no_snapshot() {
    let world = World::with_vault();
    let count = || world.run(["snapshots", "--json"]).expect_code(0).last_json().as_array().map(Vec::len);
    world.run(["push", "--stdin-from-command", "--stdin-filename", "d", "--", "echo", "good"]).expect_code(0);
    for (script, said) in [
        ("yes half a dump | head -c 3000000; exit 3", "3"),
        ("exit 1", "1"),
        ("echo half; kill -9 $$", "signal"),
    ] {
        let command = ["push", "--stdin-from-command", "--stdin-filename", "d", "--", "sh", "-c", script];
        let ran = world.run(command).expect_err(said);
        assert_eq!(ran.code, Some(1), "{}", ran.err);
        assert!(!ran.out.contains("saved"), "{}", ran.out);
        assert_eq!(count(), Some(1));
    }
    let missing = ["push", "--stdin-from-command", "--stdin-filename", "d", "--", "/no/such/command"];
    world.run(missing).expect_code(1).expect_err("/no/such/command");
    world.run(["check", "--read-data"]).expect_code(0);
    world.run(["restore", "-t", "out"]).expect_code(0);
    assert!(tree(&world.path("out")).into_values().eq([b"good\n".to_vec()]));
}

#[test]
fn a_file_that_grows_while_it_is_read() {
    let world = World::with_vault();
    world.write("data/still", "still");
    let path = world.write("data/log", noise(2 << 20, 7));
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut file = OpenOptions::new().append(true).open(&path).expect("the file");
            let mut at = 0u64;
            while !stop.load(Relaxed) && at < 1_000_000 {
                file.write_all(&at.to_le_bytes()).expect("appended");
                at += 1;
            }
        });
        let ended: Vec<_> = (0..3).map(|_| world.run(["push", "data"])).collect();
        stop.store(true, Relaxed);
        for ran in ended {
            ran.expect_code(0);
        }
    });
    let end = fs::read(&path).expect("the file");
    for (at, name) in ["latest", "latest~1", "latest~2"].iter().enumerate() {
        let out = format!("out{at}");
        let part = format!("{name}:{}", world.path("data").to_str().expect("UTF-8"));
        world.run(["restore", &part, "-t", &out]).expect_code(0);
        let restored = fs::read(world.path(&format!("{out}/log"))).expect("restored");
        assert!(restored.len() >= 2 << 20 && end.starts_with(&restored), "{} bytes", restored.len());
        assert_eq!(fs::read(world.path(&format!("{out}/still"))).expect("restored"), b"still");
    }
    world.run(["check", "--read-data"]).expect_code(0);
}

#[test]
fn files_that_vanish_while_they_are_read() {
    let world = World::with_vault();
    for at in 0..300 {
        world.write(&format!("data/stays/{at}"), format!("{at}"));
    }
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Relaxed) {
                for at in 0..50 {
                    world.write(&format!("data/comes and goes/{at}"), noise(3000, at));
                }
                let _ = fs::remove_dir_all(world.path("data/comes and goes"));
            }
        });
        let ended: Vec<_> = (0..4).map(|_| world.run(["push", "data"])).collect();
        stop.store(true, Relaxed);
        for ran in ended {
            // What vanished was not there.
            ran.expect_code(0);
        }
    });
    let part = format!("latest:{}/stays", world.path("data").to_str().expect("UTF-8"));
    world.run(["restore", &part, "-t", "out"]).expect_code(0);
    same(&look(&world.path("data/stays")), &look(&world.path("out")));
}

#[test]
fn what_cannot_be_read_is_named_and_the_rest_is_there() {
    let world = World::with_vault();
    world.write("data/open", "o");
    let file = world.write("data/shut file", "s");
    world.write("data/shut folder/inside", "i");
    fs::set_permissions(file, Permissions::from_mode(0o000)).expect("changed");
    fs::set_permissions(world.path("data/shut folder"), Permissions::from_mode(0o000)).expect("changed");
    give_away(&world);
    if is_root() && !as_nobody(world.command(["version"])).output().is_ok_and(|out| out.status.success()) {
        return super::machine::skip("the program cannot be run as somebody else");
    }
    let ran = run(&mut as_nobody(world.command(["push", "data"])));
    let ran = ran.expect_code(3).expect_err("shut file").expect_err("shut folder").expect_err("incomplete");
    assert!(ran.out.contains("saved"), "{}", ran.out);
    run(&mut as_nobody(world.command(["snapshots"]))).expect_code(0).expect_out("incomplete");
    let json = run(&mut as_nobody(world.command(["snapshots", "--json"]))).expect_code(0).last_json();
    assert_eq!((&json[0]["sources"][0]["outcome"], &json[0]["sources"][0]["missed"]), (&"partial".into(), &2.into()));

    let part = format!("latest:{}", world.path("data").to_str().expect("UTF-8"));
    run(&mut as_nobody(world.command(["restore", &part, "-t", "out"]))).expect_code(0);
    assert_eq!(fs::read(world.path("out/open")).expect("restored"), b"o");
    assert!(!world.path("out/shut file").exists());
    fs::set_permissions(world.path("data/shut folder"), Permissions::from_mode(0o700)).expect("changed");
}
