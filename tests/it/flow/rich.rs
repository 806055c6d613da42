//! A tree with everything in it that a Unix file system can hold.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::{self, File, Permissions};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, PermissionsExt, lchown, symlink};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::fs::{
    AtFlags, CWD, FileType, Mode, OFlags, Timespec, Timestamps, XattrFlags, makedev, mkdirat, mknodat, openat, setxattr,
    utimensat,
};

use super::look::{Item, blocks, look, same};
use super::machine::{is_root, noise, skip};
use crate::runner::World;

#[test]
fn a_rich_tree_comes_back_in_every_respect() {
    let world = World::with_vault();
    let data = make(&world);
    let before = look(&data);
    assert!(before.len() > 50, "{}", before.len());

    let pushed = world.run(["push", "data", "--json"]).expect_code(0).last_json();
    assert_eq!(pushed["problems"], 0, "{pushed}");
    same(&before, &look(&data)); // Reading changes nothing.
    world.run(["ls"]).expect_code(0).expect_out("kinds/socket");
    let before = without_socket(before);

    let part = format!("latest:{}", data.to_str().expect("UTF-8"));
    let ran = world.run(["restore", &part, "-t", "part", "--json"]).expect_code(0);
    assert_eq!(ran.last_json()["warnings"], 0, "{}{}", ran.out, ran.err);
    same(&before, &look(&world.path("part")));
    sparse_like(&data, &world.path("part"));

    // All of it goes below the target with its full path.
    world.run(["restore", "-t", "all", "--verify"]).expect_code(0).expect_out("verified");
    same(&before, &look(&world.path("all").join(data.strip_prefix("/").expect("absolute"))));
    world.run(["check", "--read-data"]).expect_code(0);
}

#[test]
fn a_rich_tree_that_did_not_change_costs_no_pack() {
    let world = World::with_vault();
    let data = make(&world);
    world.run(["push", "data"]).expect_code(0);
    let before = packs(&world);
    let again = world.run(["push", "data", "--json"]).expect_code(0).last_json();
    assert_eq!(packs(&world), before);
    assert_eq!((&again["files_new"], &again["files_changed"]), (&0.into(), &0.into()), "{again}");
    assert_eq!(again["data_added"], 0, "{again}");
    // Read again from the first to the last byte, and still nothing is new.
    world.run(["push", "data", "--force"]).expect_code(0);
    assert_eq!(packs(&world), before);
    let part = format!("latest:{}", data.to_str().expect("UTF-8"));
    world.run(["restore", &part, "-t", "part"]).expect_code(0);
    same(&without_socket(look(&data)), &look(&world.path("part")));
}

#[test]
fn a_rich_tree_is_restored_over_itself() {
    let world = World::with_vault();
    let data = make(&world);
    let before = look(&data);
    world.run(["push", "data"]).expect_code(0);
    let target = data.to_str().expect("UTF-8");
    let part = format!("latest:{target}");
    world.run(["restore", &part, "-t", target, "--overwrite", "always", "--delete"]).expect_code(0);
    same(&before, &look(&data));
    // Metadata is mended also where content is left alone.
    fs::set_permissions(data.join("sizes/300"), Permissions::from_mode(0o777)).expect("changed");
    fs::write(data.join("sizes/256"), "longer than it was, and newer".repeat(20)).expect("changed");
    world.run(["restore", &part, "-t", target, "--overwrite", "if-changed", "--delete"]).expect_code(0);
    same(&before, &look(&data));
}

/// Makes the tree, in `data`.
fn make(world: &World) -> PathBuf {
    let data = world.path("data");
    for name in ["sizes", "modes", "times", "links", "attributes", "names", "kinds", "owners", "empty"] {
        fs::create_dir_all(data.join(name)).expect("a folder");
    }
    for len in [0, 1, 255, 256, 257, 300, 4096, 33 << 10, 65_535, 3 << 20] {
        fs::write(data.join(format!("sizes/{len}")), noise(len, len as u64)).expect("written");
    }
    fs::write(data.join("sizes/twin"), noise(3 << 20, 3 << 20)).expect("written");
    fs::write(data.join("sizes/zeros"), vec![0; 200_000]).expect("written");

    for mode in [0o400, 0o640, 0o755, 0o1644, 0o2755, 0o4755] {
        let path = data.join(format!("modes/f{mode:o}"));
        fs::write(&path, "x").expect("written");
        fs::set_permissions(&path, Permissions::from_mode(mode)).expect("changed");
        let path = data.join(format!("modes/d{mode:o}"));
        fs::create_dir(&path).expect("a folder");
        fs::set_permissions(&path, Permissions::from_mode(mode | 0o500)).expect("changed");
    }
    symlinks_and_links(&data.join("links"));
    attributes(&data.join("attributes"));
    for name in [
        &b"not UTF-8 \xff\xfe"[..],
        b"new\nline",
        b"tab\t",
        b"-rf",
        b" ",
        b"*",
        b"\\",
        b"...",
        b"nfc \xc3\xa9",
        b"nfd e\xcc\x81",
        b"bell\x07\x1b[31m",
        &[b'n'; 255],
    ] {
        fs::write(data.join("names").join(OsStr::from_bytes(name)), name).expect("written");
    }
    deep(&data.join("names"));
    sparse(&data.join("sizes/sparse"));

    mknodat(CWD, data.join("kinds/pipe"), FileType::Fifo, Mode::from_raw_mode(0o620), 0).expect("a pipe");
    drop(UnixListener::bind(data.join("kinds/socket")).expect("a socket"));
    if is_root() {
        let device = |name, kind, number| {
            mknodat(CWD, data.join(name), kind, Mode::from_raw_mode(0o640), number).expect("a device");
        };
        device("kinds/char", FileType::CharacterDevice, makedev(1, 3));
        device("kinds/block", FileType::BlockDevice, makedev(7, 200));
        for (name, user, group) in [("a", 1234, 5678), ("b", 4_000_000_000, 1), ("c", 1, 0)] {
            let path = data.join("owners").join(name);
            fs::write(&path, name).expect("written");
            lchown(&path, Some(user), Some(group)).expect("given away");
        }
        lchown(data.join("links/dangling"), Some(77), Some(78)).expect("given away");
        lchown(data.join("empty"), Some(79), Some(80)).expect("given away");
    } else {
        skip("owners and devices take root");
    }

    // Last: making things in a folder changes its time.
    for (name, secs, nanos) in [
        ("times/now", 1_700_000_000, 123_456_789),
        ("times/zero", 0, 0),
        ("times/before 1970", -1_234_567, 987_654_321),
        ("times/one before", -1, 999_999_999),
        ("times/late", 5_000_000_000, 1),
    ] {
        fs::write(data.join(name), name).expect("written");
        touch(&data.join(name), secs, nanos);
    }
    touch(&data.join("links/dangling"), -5, 5);
    touch(&data.join("kinds/pipe"), 11, 12);
    touch(&data.join("empty"), -86_400, 42);
    touch(&data.join("times"), 1, 2);
    data
}

fn symlinks_and_links(folder: &Path) {
    symlink("no/such/place", folder.join("dangling")).expect("a link");
    symlink("../sizes", folder.join("to a folder")).expect("a link");
    symlink("/etc/passwd", folder.join("absolute")).expect("a link");
    symlink(OsStr::from_bytes(b"bad \xff name\n"), folder.join("strange")).expect("a link");
    symlink("loop", folder.join("loop")).expect("a link");
    fs::write(folder.join("first"), noise(70_000, 5)).expect("written");
    fs::create_dir(folder.join("sub")).expect("a folder");
    for name in ["second", "sub/third", "a zeroth"] {
        fs::hard_link(folder.join("first"), folder.join(name)).expect("linked");
    }
    fs::write(folder.join("small"), "inline").expect("written");
    fs::hard_link(folder.join("small"), folder.join("sub/small")).expect("linked");
    fs::write(folder.join("nothing"), "").expect("written");
    fs::hard_link(folder.join("nothing"), folder.join("nothing too")).expect("linked");
}

fn attributes(folder: &Path) {
    let path = folder.join("file");
    fs::write(&path, "x").expect("written");
    for path in [&path, &folder.to_owned()] {
        for (name, value) in [("user.plain", &b"value"[..]), ("user.bytes", &[0, 255, 1, 10]), ("user.empty", b"")] {
            if setxattr(path, name, value, XattrFlags::empty()).is_err() {
                return skip("no extended attributes here");
            }
        }
    }
    setxattr(&path, "user.large", &noise(2000, 9), XattrFlags::empty()).expect("an attribute");
    let acl = |args: &[&str]| {
        let ended = Command::new("setfacl").args(args).output();
        if !ended.is_ok_and(|output| output.status.success()) {
            skip("no access control lists here");
        }
    };
    let text = |path: &Path| path.to_str().expect("UTF-8").to_owned();
    fs::create_dir(folder.join("with default")).expect("a folder");
    acl(&["-m", "u:1234:r,g:55:rw", &text(&path)]);
    acl(&["-d", "-m", "u:1234:rwx", &text(&folder.join("with default"))]);
    fs::write(folder.join("with default/child"), "x").expect("written");
}

/// Folders in folders until the path is longer than the system takes.
fn deep(folder: &Path) {
    let mut at = openat(CWD, folder, OFlags::RDONLY, Mode::empty()).expect("a folder");
    let name = "d".repeat(200);
    for _ in 0..24 {
        mkdirat(&at, &*name, Mode::from_raw_mode(0o750)).expect("a folder");
        at = openat(&at, &*name, OFlags::RDONLY, Mode::empty()).expect("a folder");
    }
    let file = openat(&at, "file", OFlags::WRONLY | OFlags::CREATE, Mode::from_raw_mode(0o600)).expect("a file");
    File::from(file).write_all_at(&noise(40_000, 77), 0).expect("written");
}

fn sparse(path: &Path) {
    let file = File::create(path).expect("a file");
    file.set_len(16 << 20).expect("long");
    file.write_all_at(&noise(100_000, 3), 3 << 20).expect("written");
    file.write_all_at(b"an island", 9 << 20).expect("written");
}

/// A socket is in the snapshot, and made by nobody but the program that listens on it.
fn without_socket(mut items: BTreeMap<PathBuf, Item>) -> BTreeMap<PathBuf, Item> {
    assert!(items.remove(Path::new("kinds/socket")).is_some());
    items
}

/// Where it was sparse it is again.
fn sparse_like(source: &Path, restored: &Path) {
    let (was, is) = (blocks(&source.join("sizes/sparse")), blocks(&restored.join("sizes/sparse")));
    if was > 2000 {
        return skip("no sparse files here");
    }
    assert!(is <= was + 64, "{is} blocks of 512 bytes instead of {was}");
}

fn touch(path: &Path, secs: i64, nanos: i64) {
    let time = Timespec { tv_sec: secs, tv_nsec: nanos };
    let times = Timestamps { last_access: time, last_modification: time };
    utimensat(CWD, path, &times, AtFlags::SYMLINK_NOFOLLOW).expect("a time");
}

/// Names and sizes of all packs.
fn packs(world: &World) -> BTreeMap<PathBuf, Item> {
    let mut packs = look(&world.path("vault/zv1"));
    packs.retain(|path, item| {
        (path.starts_with("p") || path.starts_with("t")) && item.kind == FileType::RegularFile
    });
    packs
}
