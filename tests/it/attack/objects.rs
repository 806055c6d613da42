//! Every kind of object, flipped, cut, taken away, exchanged, replayed, and noise planted beside it.

use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::flow::look::{Item, look};
use crate::flow::machine::noise;
use crate::runner::{Ran, World, run};

#[test]
fn damaged_roster_records() {
    every_mutation("r");
}

#[test]
fn damaged_log_entries() {
    every_mutation("l");
}

#[test]
fn damaged_data_packs() {
    every_mutation("p");
}

#[test]
fn damaged_tree_packs() {
    every_mutation("t");
}

#[test]
fn damaged_index_deltas() {
    every_mutation("i");
}

/// What somebody with access to the store, and without any key, can do to one object.
#[derive(Clone, Copy, Debug)]
enum Mutation {
    /// One bit, somewhere.
    Flipped(Place),
    /// The second half is gone.
    Cut,
    /// Nothing is left but the name.
    Emptied,
    /// A byte more.
    Longer,
    Deleted,
    /// It has the name of another of its kind, and that one its name.
    Swapped,
    /// It is one of another vault, under its own name there.
    Foreign,
    /// Noise under a name that nobody gave, beside all that is there.
    Planted,
}

#[derive(Clone, Copy, Debug)]
enum Place {
    Header,
    Middle,
    End,
}

const MUTATIONS: [Mutation; 10] = [
    Mutation::Flipped(Place::Header),
    Mutation::Flipped(Place::Middle),
    Mutation::Flipped(Place::End),
    Mutation::Cut,
    Mutation::Emptied,
    Mutation::Longer,
    Mutation::Deleted,
    Mutation::Swapped,
    Mutation::Foreign,
    Mutation::Planted,
];

fn every_mutation(kind: &str) {
    let (world, other) = (made(1), made(2));
    let source = look(&world.path("data"));
    for name in ["vault", "user"] {
        copy(&world.path(name), &world.path(&format!("{name}.saved")));
    }
    for mutation in MUTATIONS {
        for fresh in [false, true] {
            let case = format!("{mutation:?} in {kind}, {}", if fresh { "fresh machine" } else { "its device" });
            apply(mutation, kind, &world, &other);
            let home = if fresh { "fresh" } else { "user/.local/state/zvault" };
            let go = |args: &[&str]| -> Ran {
                let mut command = world.command(args);
                command.env("ZVAULT_HOME", world.path(home));
                if fresh {
                    command.arg("--ephemeral").env("ZVAULT_CACHE_DIR", world.path("fresh cache"));
                }
                let ran = run(&mut command);
                assert!(!ran.err.contains("panicked"), "{case}: {args:?}: {}", ran.err);
                assert!(ran.code.is_some(), "{case}: {args:?} was killed");
                ran
            };
            let planted = matches!(mutation, Mutation::Planted | Mutation::Foreign);
            let checked = go(&["check", "--read-data"]);
            let keyless = run(world.bare(["check", "--keyless"]).env("ZVAULT_URL", world.path("vault")));
            let listed = go(&["snapshots"]);
            let restored = go(&["restore", &part(&world), "-t", "out"]);
            let pushed = go(&["push", "data"]);
            let codes = [&checked, &keyless, &listed, &restored, &pushed].map(|ran| ran.code.unwrap_or(-1));
            let all: String =
                [&checked, &keyless, &listed, &restored, &pushed].map(|ran| ran.out.clone() + &ran.err).concat();

            // Whoever has no key plants what he likes: nothing but `check` may end otherwise for it.
            if planted {
                assert_eq!(codes[2..], [0, 0, 0], "{case}: {all}");
            }
            // What is there is what was pushed, or the run said that it is not. A machine that was never here cannot know of
            // a snapshot whose entry is gone; it says as of when it sees the vault.
            let complete = right_or_absent(&source, &world.path("out"), &case);
            let older = fresh && kind == "l" && restored.err.contains("for the first time");
            assert!(complete || codes[3] != 0 || older, "{case}: the restore is incomplete and does not say so: {all}");
            let damaged = fresh && kind == "l" && !matches!(mutation, Mutation::Deleted);
            let told = codes[2] == 14 || listed.err.contains("'zvault check'");
            assert!(!damaged || told, "{case}: no word of a damaged entry: {all}");
            for (code, what) in codes.iter().zip(["check", "check --keyless", "snapshots", "restore", "push"]) {
                assert!(matches!(code, 0 | 10 | 14), "{case}: {what} ended with {code}: {all}");
            }
            if !planted {
                let gone = matches!(mutation, Mutation::Deleted);
                // Without keys nobody knows what should be there, but for logs: the next entry names the one before.
                assert_eq!(codes[1], if gone && kind != "l" { 0 } else { 14 }, "{case}: check --keyless: {all}");
                let newest = gone && fresh && matches!(kind, "l" | "r");
                assert!(
                    codes[0] == 14 || newest || fresh && kind == "r",
                    "{case}: check ended with {}: {all}",
                    codes[0]
                );
            }
            // Its device has seen the roster, and takes nothing less. Of a record that is still listed it has kept the bytes.
            if kind == "r" && !fresh && !planted {
                let rest = if matches!(mutation, Mutation::Deleted) { 14 } else { 0 };
                assert_eq!(codes, [14, codes[1], rest, rest, rest], "{case}: {all}");
            }
            // What only holds data does not keep anybody from the list of snapshots.
            if matches!(kind, "p" | "t" | "i") {
                assert_eq!(codes[2], 0, "{case}: {all}");
            }
            put_back(&world);
        }
    }
    // None of this did any harm: with the right objects back everything is there.
    world.run(["check", "--read-data"]).expect_code(0);
    world.run(["restore", &part(&world), "-t", "out"]).expect_code(0);
    assert!(right_or_absent(&source, &world.path("out"), "at the end"));
}

/// A vault with two devices, three snapshots, and several objects of each kind.
fn made(seed: u64) -> World {
    let world = World::with_vault();
    world.write("data/a", noise(300_000, seed));
    world.write("data/sub/b", "small");
    world.run(["push", "data"]).expect_code(0);
    world.write("data/sub/c", noise(90_000, seed + 10));
    world.run(["push", "data"]).expect_code(0);
    let mut second = world.command(["push", "data"]);
    world.write("data/d", noise(90_000, seed + 20));
    run(second.env("ZVAULT_HOME", world.path("second"))).expect_code(0);
    world.write("data/e", noise(90_000, seed + 30));
    world.run(["push", "data"]).expect_code(0);
    world
}

fn apply(mutation: Mutation, kind: &str, world: &World, other: &World) {
    let objects = objects(&world.path("vault"), kind);
    // Of a log, what has a successor and what has none are different cases.
    let newest = matches!(mutation, Mutation::Flipped(Place::End) | Mutation::Cut);
    let target = if newest { objects.last().expect("an object") } else { &objects[objects.len() / 2] };
    let change = |with: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = fs::read(target).expect("an object");
        with(&mut bytes);
        overwrite(target, &bytes);
    };
    match mutation {
        Mutation::Flipped(place) => change(&|bytes| {
            let at = match place {
                Place::Header => 100,
                Place::Middle => bytes.len() / 2,
                Place::End => bytes.len() - 1,
            };
            bytes[at] ^= 0x10;
        }),
        Mutation::Cut => change(&|bytes| bytes.truncate(bytes.len() / 2)),
        Mutation::Emptied => change(&Vec::clear),
        Mutation::Longer => change(&|bytes| bytes.push(0)),
        Mutation::Deleted => fs::remove_file(target).expect("removed"),
        Mutation::Swapped => {
            let second = objects.iter().find(|path| *path != target).expect("a second object");
            let (one, two) = (fs::read(target).expect("an object"), fs::read(second).expect("an object"));
            overwrite(target, &two);
            overwrite(second, &one);
        }
        Mutation::Foreign => {
            let foreign = self::objects(&other.path("vault"), kind).pop().expect("an object");
            let name = foreign.file_name().expect("a name");
            let bytes = fs::read(&foreign).expect("an object");
            overwrite(&target.with_file_name(name), &bytes);
            // And under a device that this vault has never heard of.
            if kind != "r" {
                let device = foreign.parent().and_then(Path::file_name).expect("a device");
                let folder = world.path("vault/zv1").join(kind).join(device);
                fs::create_dir_all(&folder).expect("a folder");
                overwrite(&folder.join(name), &bytes);
            }
        }
        Mutation::Planted => {
            let name = target.file_name().expect("a name").to_str().expect("UTF-8");
            let (before, hash) = name.split_at(name.len() - 64);
            let changed: String = hash.chars().rev().collect();
            overwrite(&target.with_file_name(format!("{before}{changed}")), &noise(70_000, 9));
            let far = format!("{}{changed}", before.replace('0', "7"));
            overwrite(&target.with_file_name(far), &noise(4096, 10));
            overwrite(&target.with_file_name("not a name"), b"junk");
        }
    }
}

/// Every object of a kind, by path.
fn objects(vault: &Path, kind: &str) -> Vec<PathBuf> {
    let folder = vault.join("zv1").join(kind);
    let mut objects: Vec<PathBuf> = crate::runner::tree(&folder).into_keys().map(|name| folder.join(name)).collect();
    // By number and hash, whoever wrote it.
    objects.sort_by(|a, b| a.file_name().cmp(&b.file_name()));
    objects
}

/// Whether everything is there. What is there must be what was pushed.
#[track_caller]
fn right_or_absent(source: &BTreeMap<PathBuf, Item>, out: &Path, case: &str) -> bool {
    let found = if out.exists() { look(out) } else { BTreeMap::new() };
    for (path, item) in &found {
        let wanted = source.get(path).unwrap_or_else(|| panic!("{case}: {} came out of nowhere", path.display()));
        assert!(wanted.content == item.content, "{case}: {} is wrong", path.display());
    }
    found.len() == source.len()
}

fn part(world: &World) -> String {
    // The newest of the device that made the vault; a guest sees the same one as the newest by time.
    format!("latest:{}", world.path("data").to_str().expect("UTF-8"))
}

fn overwrite(path: &Path, bytes: &[u8]) {
    if path.exists() {
        fs::set_permissions(path, Permissions::from_mode(0o600)).expect("writable");
    }
    fs::write(path, bytes).expect("written");
}

fn put_back(world: &World) {
    for name in ["vault", "user", "out", "fresh", "fresh cache"] {
        let _ = fs::remove_dir_all(world.path(name));
    }
    for name in ["vault", "user"] {
        copy(&world.path(&format!("{name}.saved")), &world.path(name));
    }
}

pub(crate) fn copy(from: &Path, to: &Path) {
    let copied = Command::new("cp").arg("-a").arg(from).arg(to).status().expect("it starts");
    assert!(copied.success(), "cannot copy {}", from.display());
}
