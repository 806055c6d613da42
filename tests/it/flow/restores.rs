//! Restoring parts, and into folders that hold something.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use super::look::{look, same};
use super::machine::noise;
use crate::runner::{World, tree};

#[test]
fn a_part_is_restored_without_the_rest_of_the_vault() {
    let world = World::with_vault();
    world.write("data/large", noise(3 << 20, 1));
    world.run(["push", "data"]).expect_code(0);
    let old = tree(&world.path("vault/zv1/p"));
    world.write("data/part/small", noise(100_000, 2));
    world.write("data/part/sub/smaller", noise(10_000, 3));
    world.run(["push", "data"]).expect_code(0);
    // What the part does not need is away: whoever reads it anyway fails.
    for name in old.keys() {
        fs::remove_file(world.path("vault/zv1/p").join(name)).expect("removed");
    }
    world.run(["restore", &part(&world, "data/part"), "-t", "out"]).expect_code(0).expect_out("restored 2 files");
    same(&look(&world.path("data/part")), &look(&world.path("out")));
    world.run(["restore", &part(&world, "data/part/sub/smaller"), "-t", "one"]).expect_code(0);
    same(&look(&world.path("data/part/sub")), &look(&world.path("one")));
    // And what needs it says so: an alarm, which names the file.
    world.run(["restore", "-t", "all"]).expect_code(14).expect_err("large");
}

#[test]
fn includes_and_excludes() {
    let world = World::with_vault();
    for name in ["a.txt", "b.log", "docs/a.txt", "docs/deep/c.txt", "docs/deep/d.log", "other/e.txt", "CASE.TXT"] {
        world.write(&format!("data/{name}"), name);
    }
    world.run(["push", "data"]).expect_code(0);
    let data = world.path("data").to_str().expect("UTF-8").to_owned();
    for (args, expected) in [
        (&["--include", "*.log"][..], &["b.log", "docs/deep/d.log"][..]),
        (&["--include", "docs"], &["docs/a.txt", "docs/deep/c.txt", "docs/deep/d.log"]),
        (&["--include", "docs/deep", "--exclude", "*.log"], &["docs/deep/c.txt"]),
        (&["--include", "/a.txt"], &["a.txt"]),
        (&["--exclude", "docs/", "--exclude", "*.log"], &["CASE.TXT", "a.txt", "other/e.txt"]),
        (&["--include", &format!("{data}/other")], &["other/e.txt"]),
        (&["--include", "nothing like this"], &[]),
        (&["--include", "docs/d*/c.txt", "--include", "CASE.TXT"], &["CASE.TXT", "docs/deep/c.txt"]),
    ] {
        let out = world.path("out");
        let whole = part(&world, "data");
        world.run(["restore", &whole, "-t", "out"].iter().chain(args)).expect_code(0);
        let found: Vec<PathBuf> = tree(&out).into_keys().collect();
        assert_eq!(found, expected.iter().map(PathBuf::from).collect::<Vec<_>>(), "{args:?}");
        fs::remove_dir_all(out).expect("removed");
    }
}

#[test]
fn overwrite_variants() {
    let world = World::with_vault();
    let at = |name: &str| world.path(&format!("data/{name}"));
    for name in ["same", "longer", "newer", "older", "gone", "touched"] {
        world.write(&format!("data/{name}"), "content");
        touch(&at(name), 1_000_000);
    }
    world.run(["push", "data"]).expect_code(0);
    let change = || {
        for (name, content, time) in [
            ("longer", "content and more", 1_000_000),
            ("newer", "CONTENT", 2_000_000),
            ("older", "CONTENT", 500_000),
            // Neither size nor time tells: the price of being fast.
            ("touched", "CONTENT", 1_000_000),
        ] {
            fs::write(at(name), content).expect("written");
            touch(&at(name), time);
        }
        let _ = fs::remove_file(at("gone"));
    };
    let target = at("").to_str().expect("UTF-8").to_owned();
    let whole = part(&world, "data");
    for (how, kept) in [
        ("never", &["longer", "newer", "older", "touched"][..]),
        ("if-newer", &["longer", "newer", "touched"]),
        ("if-changed", &["touched"]),
        ("always", &[]),
    ] {
        change();
        let changed = tree(&at(""));
        world.run(["restore", &whole, "-t", &target, "--overwrite", how, "--dry-run"]).expect_code(0);
        assert_eq!(tree(&at("")), changed, "a dry run with {how} wrote");
        world.run(["restore", &whole, "-t", &target, "--overwrite", how]).expect_code(0);
        for (name, content) in tree(&at("")) {
            let name = name.to_str().expect("UTF-8").to_owned();
            assert_eq!(content != b"content", kept.contains(&&*name), "--overwrite {how}: {name}");
        }
        assert_eq!(fs::read(at("gone")).expect("it is back"), b"content");
    }
}

#[test]
fn delete_stays_inside_the_roots() {
    let world = World::with_vault();
    world.write("data/one/kept", "1");
    world.write("data/two/kept", "2");
    world.run(["push", "data/one", "data/two"]).expect_code(0);
    world.run(["restore", "-t", "out"]).expect_code(0);
    let root = world.path("out").join(world.path("data").strip_prefix("/").expect("absolute"));
    let extra = ["one/extra", "one/sub/extra", "two/extra"];
    let outside = ["beside", "three/beside", "../beside", "onemore/beside"];
    for name in extra.iter().chain(&outside) {
        let path = root.join(name);
        fs::create_dir_all(path.parent().expect("a folder")).expect("folders");
        fs::write(path, "x").expect("written");
    }
    std::os::unix::fs::symlink(world.path("data/two"), root.join("one/link")).expect("a link");
    let before = tree(&world.path("out"));
    world.run(["restore", "-t", "out", "--delete", "--dry-run"]).expect_code(0).expect_out("would delete");
    assert_eq!(tree(&world.path("out")), before);

    world.run(["restore", "-t", "out", "--delete"]).expect_code(0).expect_out("deleted");
    for name in extra {
        assert!(!root.join(name).exists(), "{name} is still there");
    }
    for name in outside {
        assert!(root.join(name).exists(), "{name} was deleted, and was not in a root");
    }
    assert!(!root.join("one/link").is_symlink() && world.path("data/two/kept").exists(), "a link is no folder");

    // Only a part: nothing beside it is touched.
    fs::write(root.join("two/extra"), "x").expect("written");
    let one = part(&world, "data/one");
    world.run(["restore", &one, "-t", root.join("one").to_str().expect("UTF-8"), "--delete"]).expect_code(0);
    assert!(root.join("two/extra").exists());
}

#[test]
fn dry_runs_write_nothing() {
    let world = World::with_vault();
    world.write("data/a", noise(400_000, 4));
    let all = || -> BTreeMap<_, _> { ["vault", "data"].map(|name| (name, look(&world.path(name)))).into() };
    let before = all();
    world.run(["push", "data", "--dry-run"]).expect_code(0).expect_out("Would add").expect_out("no snapshot was saved");
    assert_eq!(all(), before);
    world.run(["push", "data"]).expect_code(0);
    let before = all();
    world.run(["restore", "-t", "out", "--dry-run"]).expect_code(0).expect_out("would restore 1 file");
    assert!(!world.path("out").exists());
    assert_eq!(all(), before);
}

/// `latest:` and the full path of something in this world.
fn part(world: &World, name: &str) -> String {
    format!("latest:{}", world.path(name).to_str().expect("UTF-8"))
}

fn touch(path: &Path, secs: u64) {
    let time = std::time::UNIX_EPOCH + std::time::Duration::from_secs(secs);
    fs::File::options().write(true).open(path).and_then(|file| file.set_modified(time)).expect("a time");
}
