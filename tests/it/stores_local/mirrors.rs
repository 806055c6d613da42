//! `zvault mirror` on folders: no key, no passphrase, no state.

use std::fs;

use crate::flow::look::look;
use crate::flow::machine::noise;
use crate::runner::{Ran, World, run, tree};

fn mirror(world: &World, args: &[&str]) -> Ran {
    // Neither passphrase nor state of a device.
    run(world.bare(["mirror", "--from", "vault", "--to", "copy"]).args(args).env("ZVAULT_HOME", world.path("nobody")))
}

fn with_data() -> World {
    let world = World::with_vault();
    world.write("data/a", noise(300_000, 1));
    world.write("data/sub/b", "small");
    world.run(["push", "data"]).expect_code(0);
    world
}

fn part(world: &World) -> String {
    format!("latest:{}", world.path("data").to_str().expect("UTF-8"))
}

#[test]
fn a_copy_restores_like_the_original() {
    let world = with_data();
    let first = mirror(&world, &["--json"]).expect_code(0).last_json();
    let objects = tree(&world.path("vault/zv1"));
    assert_eq!(first["objects_copied"].as_u64(), Some(objects.len() as u64));
    assert_eq!(tree(&world.path("copy/zv1")), objects);

    // Everything goes on from the copy, on a machine that never saw the original.
    let fresh = |args: &[&str]| {
        run(world.command(args).env("ZVAULT_HOME", world.path("fresh")).env("ZVAULT_URL", world.path("copy")))
    };
    fs::rename(world.path("vault"), world.path("gone")).expect("moved away");
    fresh(&["restore", &part(&world), "-t", "out", "--ephemeral"]).expect_code(0);
    assert_eq!(look(&world.path("out")), look(&world.path("data")));
    fresh(&["check", "--read-data", "--ephemeral"]).expect_code(0);
    fs::rename(world.path("gone"), world.path("vault")).expect("moved back");

    // What is there is not copied again; what is new is.
    let again = mirror(&world, &["--json"]).expect_code(0).last_json();
    assert_eq!((again["objects_copied"].as_u64(), again["bytes_read"].as_u64()), (Some(0), Some(0)));
    mirror(&world, &[]).expect_code(0).expect_out("nothing is missing");
    world.write("data/c", noise(200_000, 2));
    world.run(["push", "data"]).expect_code(0);
    let more = tree(&world.path("vault/zv1")).len() - objects.len();
    let planned = mirror(&world, &["--dry-run", "--json"]).expect_code(0).last_json();
    assert_eq!(planned["objects_copied"].as_u64(), Some(more as u64));
    assert_eq!(tree(&world.path("copy/zv1")), objects, "a dry run writes nothing");
    let new = mirror(&world, &["--json"]).expect_code(0).last_json();
    assert_eq!(new["objects_copied"].as_u64(), Some(more as u64));
    assert_eq!(tree(&world.path("copy/zv1")), tree(&world.path("vault/zv1")));
}

#[test]
fn damage_is_told_and_healed() {
    let world = with_data();
    mirror(&world, &[]).expect_code(0);
    let whole = tree(&world.path("vault/zv1"));
    for (name, bytes) in &whole {
        let mut wrong = bytes.clone();
        wrong[bytes.len() / 2] ^= 1;
        fs::write(world.path("copy/zv1").join(name), &wrong).expect("written");
        mirror(&world, &["--read-data"]).expect_code(0).expect_out("replaced");
        assert_eq!(tree(&world.path("copy/zv1")), whole, "{}", name.display());

        // The source's damage does not travel, and the copy puts it right.
        fs::write(world.path("vault/zv1").join(name), &wrong).expect("written");
        fs::remove_file(world.path("copy/zv1").join(name)).expect("removed");
        let ran = mirror(&world, &["--json"]);
        assert!(matches!(ran.code, Some(10 | 14)), "{}: {}", name.display(), ran.err);
        assert!(!world.path("copy/zv1").join(name).exists(), "{}", name.display());
        fs::write(world.path("copy/zv1").join(name), bytes).expect("written");
        let back = ["mirror", "--from", "copy", "--to", "vault", "--read-data"];
        run(world.bare(back).env("ZVAULT_HOME", world.path("nobody"))).expect_code(0).expect_out("replaced");
        assert_eq!(tree(&world.path("vault/zv1")), whole, "{}", name.display());
    }
}

#[test]
fn killed_at_any_moment_it_goes_on() {
    let world = with_data();
    for n in 0..6 {
        world.write(&format!("data/more {n}"), noise(2_000_000, n));
        world.run(["push", "data"]).expect_code(0);
    }
    let whole = tree(&world.path("vault/zv1"));
    let (mut partial, mut wait) = (0, 1);
    while partial < 5 && wait < 200 {
        let _ = fs::remove_dir_all(world.path("copy"));
        let mut child = world
            .bare(["mirror", "--from", "vault", "--to", "copy"])
            .env("ZVAULT_HOME", world.path("nobody"))
            .spawn()
            .expect("it starts");
        std::thread::sleep(std::time::Duration::from_millis(wait));
        child.kill().expect("killed");
        child.wait().expect("it ends");
        wait += 4;
        let found = world.path("copy/zv1").exists().then(|| tree(&world.path("copy/zv1")).len());
        partial += usize::from(found.is_some_and(|count| count > 0 && count < whole.len()));
        // Whatever it is by now, a vault or not yet one: nothing in it is broken.
        let checked = run(world
            .command(["check", "--read-data", "--ephemeral"])
            .env("ZVAULT_URL", world.path("copy"))
            .env("ZVAULT_HOME", world.path("nobody")));
        assert!(matches!(checked.code, Some(0 | 10)), "{}{}", checked.out, checked.err);
        mirror(&world, &[]).expect_code(0);
        // Temporary files of the killed run are no objects.
        let copied: Vec<_> =
            tree(&world.path("copy/zv1")).into_iter().filter(|(name, _)| whole.contains_key(name)).collect();
        assert!(copied.into_iter().eq(whole.clone()));
    }
}

#[test]
fn places_that_make_no_sense() {
    let world = with_data();
    let other = with_data();
    let go = |args: &[&str]| run(world.bare(args).env("ZVAULT_HOME", world.path("nobody")));
    let other_vault = other.path("vault").to_str().expect("UTF-8").to_owned();
    let before = tree(&other.path("vault"));
    go(&["mirror", "--from", "vault", "--to", &other_vault]).expect_code(1).expect_err("holds vault");
    assert_eq!(tree(&other.path("vault")), before);
    world.write("photos/one.jpg", "a picture");
    go(&["mirror", "--from", "vault", "--to", "photos"]).expect_code(1).expect_err("not empty").expect_err("one.jpg");
    world.run(["stores", "add", "photos"]).expect_code(1).expect_err("not empty");
    assert!(!world.path("photos/zv1").exists(), "a folder is left where nothing was copied");
    go(&["mirror", "--from", "photos", "--to", "copy"]).expect_code(10);
    go(&["mirror", "--from", "nothing", "--to", "copy"]).expect_code(10);
    go(&["mirror", "--from", "vault", "--to", "vault"]).expect_code(2);
    go(&["mirror", "--from", "vault"]).expect_code(2).expect_err("--to");
    go(&["mirror", "--from", "vault", "--to", "copy", "--max-bytes", "10k"]).expect_code(1).expect_err("--max-bytes");
    assert!(!world.path("copy").exists(), "nothing was copied");
}
