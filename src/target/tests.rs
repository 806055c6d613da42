//! Trees of every kind, hostile ones too, over what exists already.

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};

use rustix::io::Errno;
use vault_format::{Kind, Time};

use super::testing::*;
use super::*;

const CREATED: Outcome = Outcome::Done(Action::Create);
const REPLACED: Outcome = Outcome::Done(Action::Replace);

#[test]
fn writes_a_tree_with_metadata() {
    let place = Place::new();
    let target = place.target(Overwrite::IfChanged);
    assert!(target.is_empty().unwrap());
    let root = target.root(b"home/u", OwnerMap::numeric()).unwrap();
    let mut folder = entry(Kind::Dir, "", 0);
    folder.mode = 0o2751;
    assert_eq!(settled(root.begin(&folder).unwrap()), CREATED);
    let mut inner = entry(Kind::Dir, "in", 0);
    inner.mode = 0o500;
    inner.mtime = Time { secs: -86_400, nanos: 5 };
    assert_eq!(settled(root.begin(&inner).unwrap()), CREATED);
    assert_eq!(mode(&place.path("home/u/in")), 0o700);
    let mut old = file("in/old", 5);
    old.mtime = Time { secs: -2_000_000_000, nanos: 999_999_999 };
    old.mode = 0o466;
    assert_eq!(root.write_small(&old, b"hello").unwrap(), CREATED);
    let mut link = entry(Kind::Symlink, "in/to", 0);
    link.target = b"/nowhere/\xff".to_vec();
    link.mtime = Time { secs: -1, nanos: 1 };
    assert_eq!(settled(root.begin(&link).unwrap()), CREATED);
    target.finish_folders();
    target.sync().unwrap();

    assert_eq!(fs::read(place.path("home/u/in/old")).unwrap(), b"hello");
    assert_eq!(mtime(&place.path("home/u/in/old")), old.mtime);
    assert_eq!(mode(&place.path("home/u/in/old")), 0o466);
    assert_eq!(mtime(&place.path("home/u/in")), inner.mtime);
    assert_eq!(mode(&place.path("home/u/in")), 0o500);
    assert_eq!(mode(&place.path("home/u")), 0o2751);
    assert_eq!(mtime(&place.path("home/u")), MTIME);
    assert_eq!(fs::read_link(place.path("home/u/in/to")).unwrap().as_os_str().as_bytes(), link.target);
    assert_eq!(mtime(&place.path("home/u/in/to")), link.mtime);
    assert!(target.take_problems().is_empty());
}

#[test]
fn hostile_entries_write_nothing() {
    let place = Place::new();
    let root = root(&place.target(Overwrite::Always));
    for path in ["../x", "a/../../x", "/x", "a//x", "./x", "a\0", "x/", ".."] {
        let refused = root.write_small(&file(path, 1), b"x");
        assert!(matches!(refused, Err(TargetError::BadPath { .. })), "{path:?}");
    }
    assert!(matches!(root.begin(&file("", 1)), Err(TargetError::BadPath { .. })));
    for holes in [vec![(0, 11)], vec![(5, 2), (4, 1)], vec![(u64::MAX, 2)], vec![(3, 0)]] {
        let mut bad = file("holes", 10);
        bad.holes = holes;
        assert!(matches!(root.begin(&bad), Err(TargetError::BadEntry { .. })));
    }
    let mut huge = file("huge", 0);
    huge.size = u64::MAX;
    assert!(matches!(root.begin(&huge), Err(TargetError::BadEntry { .. })));
    assert!(matches!(root.write_small(&file("short", 3), b"xx"), Err(TargetError::BadEntry { .. })));
    assert!(place.names("").is_empty());
}

#[test]
fn links_on_the_way_are_not_followed() {
    let place = Place::new();
    fs::create_dir(place.outside()).unwrap();
    link_to(&place.outside(), place.path("link"));
    let target = place.target(Overwrite::Always);
    let root = root(&target);
    let through = |result: Result<Outcome, TargetError>| matches!(result, Err(TargetError::ThroughSymlink { .. }));
    assert!(through(root.write_small(&file("link/x", 1), b"x")));
    assert!(through(root.write_small(&file("link/deep/x", 1), b"x")));
    assert!(through(root.begin(&entry(Kind::Dir, "link", 0)).map(settled)));
    assert!(through(root.begin(&entry(Kind::Symlink, "link/y", 0)).map(settled)));
    root.write_small(&file("first", 1), b"x").unwrap();
    assert!(through(root.link(b"first", &file("link/z", 1))));
    let below = target.root(b"link", OwnerMap::numeric()).unwrap();
    assert!(through(below.write_small(&file("x", 1), b"x")));
    assert_eq!(fs::read_dir(place.outside()).unwrap().count(), 0);
    assert!(fs::symlink_metadata(place.path("link")).unwrap().is_symlink());

    // A link that the snapshot itself makes is no way out either.
    let mut out = entry(Kind::Symlink, "out", 0);
    out.target = place.outside().as_os_str().as_bytes().to_vec();
    root.begin(&out).unwrap();
    assert!(through(root.write_small(&file("out/x", 1), b"x")));
    assert_eq!(fs::read_dir(place.outside()).unwrap().count(), 0);
}

#[test]
fn a_link_in_the_place_of_a_file_is_replaced_not_written_through() {
    let place = Place::new();
    fs::write(place.outside(), "outside").unwrap();
    link_to(&place.outside(), place.path("file"));
    let root = root(&place.target(Overwrite::IfChanged));
    assert_eq!(root.write_small(&file("file", 3), b"new").unwrap(), REPLACED);
    assert_eq!(fs::read(place.outside()).unwrap(), b"outside");
    assert!(fs::symlink_metadata(place.path("file")).unwrap().is_file());
    assert_eq!(place.names(""), ["file"]);
}

#[test]
fn an_interrupted_file_leaves_what_was_there() {
    let place = Place::new();
    fs::write(place.path("old"), "old content").unwrap();
    let root = root(&place.target(Overwrite::Always));
    let replacing = sink(root.begin(&file("old", 100)).unwrap());
    replacing.write_at(0, b"half").unwrap();
    let new = sink(root.begin(&file("new", 100)).unwrap());
    new.write_at(0, b"half").unwrap();
    drop((replacing, new));
    assert_eq!(fs::read(place.path("old")).unwrap(), b"old content");
    assert_eq!(place.names(""), ["old"]);
    // And it may be tried again.
    assert_eq!(root.write_small(&file("old", 3), b"new").unwrap(), REPLACED);
    assert_eq!(fs::read(place.path("old")).unwrap(), b"new");
}

#[test]
fn other_names_of_a_replaced_file_keep_their_content() {
    let place = Place::new();
    fs::write(place.path("a"), "old").unwrap();
    fs::hard_link(place.path("a"), place.path("b")).unwrap();
    let root = root(&place.target(Overwrite::Always));
    assert_eq!(root.write_small(&file("a", 5), b"newer").unwrap(), REPLACED);
    assert_eq!(fs::read(place.path("b")).unwrap(), b"old");
    assert_eq!(root.write_small(&file("b", 4), b"more").unwrap(), REPLACED);
    assert_eq!(fs::read(place.path("a")).unwrap(), b"newer");
}

#[test]
fn overwrite_policies() {
    let older = Time { secs: MTIME.secs - 1, nanos: 0 };
    let newer = Time { secs: MTIME.secs + 1, nanos: 0 };
    let cases = [
        (Overwrite::Always, 3, MTIME, REPLACED),
        (Overwrite::IfChanged, 3, MTIME, Outcome::Skipped(SkipReason::Unchanged)),
        (Overwrite::IfChanged, 4, MTIME, REPLACED),
        (Overwrite::IfChanged, 3, older, REPLACED),
        (Overwrite::IfNewer, 4, older, Outcome::Skipped(SkipReason::NotNewer)),
        (Overwrite::IfNewer, 4, MTIME, Outcome::Skipped(SkipReason::NotNewer)),
        (Overwrite::IfNewer, 4, newer, REPLACED),
        (Overwrite::Never, 4, newer, Outcome::Skipped(SkipReason::Exists)),
    ];
    for (overwrite, size, mtime, expected) in cases {
        let place = Place::new();
        root(&place.target(Overwrite::Always)).write_small(&file("f", 3), b"old").unwrap();
        fs::write(place.path("other"), "").unwrap();
        let mut again = file("f", size);
        again.mtime = mtime;
        let planned = place.with(TargetOptions { overwrite, dry_run: true, ..TargetOptions::default() });
        let content = vec![b'n'; size];
        let plan = root(&planned).write_small(&again, &content).unwrap();
        let outcome = root(&place.target(overwrite)).write_small(&again, &content).unwrap();
        assert_eq!(outcome, expected, "{overwrite:?} {size} {mtime:?}");
        assert_eq!(plan, if expected == REPLACED { Outcome::Planned(Action::Replace) } else { expected });
        let kept = fs::read(place.path("f")).unwrap() == b"old";
        assert_eq!(kept, expected != REPLACED);
    }
}

#[test]
fn an_unchanged_file_gets_its_mode() {
    let place = Place::new();
    root(&place.target(Overwrite::Always)).write_small(&file("f", 3), b"old").unwrap();
    let mut again = file("f", 3);
    again.mode = 0o600;
    let outcome = root(&place.target(Overwrite::IfChanged)).write_small(&again, b"new").unwrap();
    assert_eq!(outcome, Outcome::Skipped(SkipReason::Unchanged));
    assert_eq!(mode(&place.path("f")), 0o600);
    assert_eq!(fs::read(place.path("f")).unwrap(), b"old");
}

#[test]
fn kinds_in_conflict() {
    let place = Place::new();
    fs::create_dir_all(place.path("folder/in")).unwrap();
    fs::write(place.path("folder/in/f"), "x").unwrap();
    fs::write(place.path("file"), "x").unwrap();
    let root_of = |delete| {
        let options = TargetOptions { overwrite: Overwrite::Always, delete, ..TargetOptions::default() };
        root(&place.with(options))
    };
    let refused = root_of(false).write_small(&file("folder", 1), b"x");
    assert!(matches!(refused, Err(TargetError::FolderInTheWay { .. })));
    assert!(place.path("folder/in/f").exists());
    let through = root_of(false).write_small(&file("file/x", 1), b"x");
    assert!(matches!(through, Err(TargetError::FileInTheWay { .. })));
    // A folder takes the place of a file, and a file that of a folder if asked.
    assert_eq!(settled(root_of(false).begin(&entry(Kind::Dir, "file", 0)).unwrap()), REPLACED);
    assert!(place.path("file").is_dir());
    assert_eq!(root_of(true).write_small(&file("folder", 1), b"x").unwrap(), REPLACED);
    assert_eq!(fs::read(place.path("folder")).unwrap(), b"x");
    assert_eq!(place.names(""), ["file", "folder"]);
}

#[test]
fn second_entry_of_one_name_is_refused() {
    for existing in [false, true] {
        let place = Place::new();
        if existing {
            fs::write(place.path("name"), "before").unwrap();
            fs::write(place.path("other"), "before").unwrap();
        }
        let root = root(&place.target(Overwrite::Always));
        // A file system that folds case answers the second name with the first file: here it is the same name.
        let first = sink(root.begin(&file("name", 5)).unwrap());
        let second = root.begin(&file("name", 6));
        assert!(matches!(second, Err(TargetError::Collision { .. })), "{existing}");
        first.write_at(0, b"first").unwrap();
        first.finish().unwrap();
        let second = root.write_small(&file("name", 6), b"second");
        assert!(matches!(second, Err(TargetError::Collision { .. })), "{existing}");
        let mut link = entry(Kind::Symlink, "name", 0);
        link.target = b"x".to_vec();
        assert!(matches!(root.begin(&link), Err(TargetError::Collision { .. })), "{existing}");
        let folder = root.begin(&entry(Kind::Dir, "name", 0));
        assert!(matches!(folder, Err(TargetError::Collision { .. })), "{existing}");
        assert_eq!(fs::read(place.path("name")).unwrap(), b"first");
    }
}

#[test]
fn hard_links() {
    let place = Place::new();
    fs::write(place.path("existing"), "before").unwrap();
    let root = root(&place.target(Overwrite::IfChanged));
    root.write_small(&file("a", 3), b"abc").unwrap();
    assert_eq!(root.link(b"a", &file("sub/b", 3)).unwrap(), CREATED);
    assert_eq!(root.link(b"a", &file("existing", 3)).unwrap(), REPLACED);
    assert_eq!(root.link(b"a", &file("existing", 3)).unwrap(), Outcome::Skipped(SkipReason::Unchanged));
    let inode = |name: &str| fs::metadata(place.path(name)).unwrap().ino();
    assert_eq!((inode("a"), inode("a")), (inode("sub/b"), inode("existing")));
    assert!(matches!(root.link(b"a", &file("c", 4)), Err(TargetError::LinkSource { .. })));
    assert!(matches!(root.link(b"missing", &file("c", 3)), Err(TargetError::LinkSource { .. })));
    assert!(matches!(root.link(b"../a", &file("c", 3)), Err(TargetError::BadPath { .. })));
    assert_eq!(place.names(""), ["a", "existing", "sub"]);
}

#[test]
fn pipes_devices_and_sockets() {
    let place = Place::new();
    let target = place.target(Overwrite::Always);
    let root = root(&target);
    let mut pipe = entry(Kind::Fifo, "pipe", 0);
    pipe.mode = 0o666;
    assert_eq!(settled(root.begin(&pipe).unwrap()), CREATED);
    assert!(fs::symlink_metadata(place.path("pipe")).unwrap().file_type().is_fifo());
    assert_eq!((mode(&place.path("pipe")), mtime(&place.path("pipe"))), (0o666, MTIME));
    let socket = root.begin(&entry(Kind::Socket, "socket", 0)).unwrap();
    assert_eq!(settled(socket), Outcome::Skipped(SkipReason::Socket));
    let mut device = entry(Kind::CharDevice, "null", 0);
    device.rdev = rustix::fs::makedev(1, 3);
    device.mode = 0o622;
    match root.begin(&device) {
        Ok(begin) => {
            assert_eq!(settled(begin), CREATED);
            assert_eq!(fs::symlink_metadata(place.path("null")).unwrap().rdev(), device.rdev);
            assert_eq!(mode(&place.path("null")), 0o622);
        }
        Err(error) => assert!(!is_root() && matches!(error, TargetError::Io { .. }), "{error}"),
    }
    assert!(target.take_problems().is_empty());
}

#[test]
fn paths_longer_than_the_system_takes() {
    let place = Place::new();
    let target = place.target(Overwrite::Always);
    let root = root(&target);
    let path = vec!["x".repeat(250); 40].join("/");
    assert_eq!(root.write_small(&file(&path, 4), b"deep").unwrap(), CREATED);
    // Folders on the way are found again, also after they fell out of the cache.
    let deep = vec!["y"; 300].join("/");
    root.write_small(&file(&deep, 4), b"deep").unwrap();
    assert_eq!(root.write_small(&file(&format!("{path}2"), 4), b"also").unwrap(), CREATED);
    let again = root.link(path.as_bytes(), &file(&format!("{path}3"), 4)).unwrap();
    assert_eq!(again, CREATED);
    target.finish_folders();
    let extras = root.find_extra::<TargetError>([Ok((Vec::new(), Kind::Dir))]).unwrap();
    assert!(extras.is_empty(), "what this run made is no extra");
    // The tree is too deep for simple removers.
    let cleaner = place.target(Overwrite::Always);
    let cleaner = super::testing::root(&cleaner);
    let extras = cleaner.find_extra::<TargetError>([Ok((Vec::new(), Kind::Dir))]).unwrap();
    assert_eq!(cleaner.remove_extra(&extras).len(), 2);
    assert!(place.names("").is_empty());
}

#[test]
fn set_id_bits_need_the_owner() {
    let place = Place::new();
    let target = place.with(TargetOptions { owners: false, ..TargetOptions::default() });
    let mut own = file("own", 1);
    own.mode = 0o6755;
    let mut foreign = own.clone();
    foreign.path = b"foreign".to_vec();
    foreign.uid += 12_345;
    root(&target).write_small(&own, b"x").unwrap();
    root(&target).write_small(&foreign, b"x").unwrap();
    assert_eq!(mode(&place.path("own")), 0o6755);
    assert_eq!(mode(&place.path("foreign")), 0o755);
    let problems = target.take_problems();
    assert_eq!(problems.len(), 1);
    assert_eq!(problems[0].path.to_string(), "foreign");
}

#[test]
fn set_id_bits_are_dropped_when_the_owner_cannot_be_set() {
    let place = Place::new();
    let target = place.with(TargetOptions { owners: true, ..TargetOptions::default() });
    let mut nobody = file("f", 1);
    nobody.mode = 0o4755;
    nobody.uid = u32::MAX;
    root(&target).write_small(&nobody, b"x").unwrap();
    assert_eq!(mode(&place.path("f")), 0o755);
    assert_eq!(target.take_problems().len(), 2);
}

#[test]
fn owners_are_restored_by_root() {
    if !is_root() {
        return;
    }
    let place = Place::new();
    let target = place.target(Overwrite::Always);
    let name: &[u8] = b"root";
    let missing: &[u8] = b"no-such-user\0";
    let owners = OwnerMap::by_name([(501, name), (502, missing)], [(20, name)]);
    let root = target.root(b"", owners).unwrap();
    for (path, uid, gid, expected) in [("named", 501, 20, (0, 0)), ("number", 502, 21, (502, 21))] {
        let mut owned = file(path, 1);
        (owned.uid, owned.gid, owned.mode) = (uid, gid, 0o4750);
        root.write_small(&owned, b"x").unwrap();
        let seen = fs::metadata(place.path(path)).unwrap();
        assert_eq!((seen.uid(), seen.gid()), expected);
        assert_eq!(mode(&place.path(path)), 0o4750);
    }
    let mut link = entry(Kind::Symlink, "link", 0);
    (link.uid, link.target) = (502, b"named".to_vec());
    root.begin(&link).unwrap();
    assert_eq!(fs::symlink_metadata(place.path("link")).unwrap().uid(), 502);
    assert_eq!(fs::metadata(place.path("named")).unwrap().uid(), 0);
    assert!(target.take_problems().is_empty());
}

#[test]
fn attributes_and_those_that_fail() {
    let place = Place::new();
    let target = place.target(Overwrite::Always);
    let mut with = file("f", 1);
    with.mode = 0o400;
    with.xattrs = vec![(b"nonsense".to_vec(), b"1".to_vec()), (b"user.note".to_vec(), b"kept\0".to_vec())];
    root(&target).write_small(&with, b"x").unwrap();
    let problems = target.take_problems();
    let unsupported = problems.iter().any(|problem| problem.what.contains("user.note"));
    assert_eq!(problems.len(), 1 + usize::from(unsupported), "{problems:?}");
    if !unsupported {
        let mut value = [0; 16];
        let len = rustix::fs::getxattr(place.path("f"), "user.note", &mut value).unwrap();
        assert_eq!(&value[..len], b"kept\0");
    }
    assert_eq!((mode(&place.path("f")), mtime(&place.path("f"))), (0o400, MTIME));
}

#[test]
fn impossible_times_are_a_problem_only() {
    let place = Place::new();
    let target = place.target(Overwrite::Always);
    let mut odd = file("f", 1);
    odd.mtime.nanos = u32::MAX;
    assert_eq!(root(&target).write_small(&odd, b"x").unwrap(), CREATED);
    assert_eq!(target.take_problems().len(), 1);
}

#[test]
fn a_dry_run_changes_nothing() {
    let place = Place::new();
    fs::write(place.path("f"), "old").unwrap();
    let dry = TargetOptions { dry_run: true, overwrite: Overwrite::Always, ..TargetOptions::default() };
    let target = place.with(dry.clone());
    let dry_root = root(&target);
    let planned = |begin: Result<Begin, TargetError>| settled(begin.unwrap());
    assert_eq!(planned(dry_root.begin(&file("f", 1))), Outcome::Planned(Action::Replace));
    assert_eq!(planned(dry_root.begin(&file("a/b/c", 1))), Outcome::Planned(Action::Create));
    assert_eq!(planned(dry_root.begin(&entry(Kind::Dir, "d", 0))), Outcome::Planned(Action::Create));
    assert_eq!(planned(dry_root.begin(&entry(Kind::Dir, "", 0))), Outcome::Planned(Action::Update));
    let keep = [Ok::<_, TargetError>((Vec::new(), Kind::Dir))];
    let extras = dry_root.find_extra(keep).unwrap();
    assert_eq!(extras, [Extra { path: b"f".to_vec(), kind: Kind::File }]);
    assert!(dry_root.remove_extra(&extras).is_empty());
    target.finish_folders();
    assert_eq!(place.names(""), ["f"]);
    let missing = Target::open(&place.path("missing/target"), dry).unwrap();
    assert!(missing.is_empty().unwrap());
    assert_eq!(root(&missing).write_small(&file("x", 1), b"x").unwrap(), Outcome::Planned(Action::Create));
    assert!(!place.path("missing").exists());
}

#[test]
fn existing_folders_follow_the_policy() {
    for (overwrite, expected, changed) in [
        (Overwrite::Always, Outcome::Done(Action::Update), true),
        (Overwrite::IfNewer, Outcome::Skipped(SkipReason::NotNewer), false),
        (Overwrite::Never, Outcome::Skipped(SkipReason::Exists), false),
    ] {
        let place = Place::new();
        fs::create_dir(place.path("d")).unwrap();
        fs::set_permissions(place.path("d"), fs::Permissions::from_mode(0o500)).unwrap();
        let target = place.target(overwrite);
        let mut folder = entry(Kind::Dir, "d", 0);
        folder.mode = 0o711;
        assert_eq!(settled(root(&target).begin(&folder).unwrap()), expected);
        target.finish_folders();
        assert_eq!(mode(&place.path("d")), if changed { 0o711 } else { 0o500 });
    }
}

#[test]
fn opens_or_makes_the_target() {
    let place = Place::new();
    let made = Target::open(&place.path("a/b"), TargetOptions::default()).unwrap();
    assert!(made.is_empty().unwrap());
    assert_eq!(mode(&place.path("a/b")), 0o700);
    fs::write(place.path("file"), "").unwrap();
    let refused = Target::open(&place.path("file"), TargetOptions::default());
    assert!(matches!(refused, Err(TargetError::Open { .. })));
}

#[test]
fn a_full_file_system_is_told_apart() {
    let place = Place::new();
    let mount = std::process::Command::new("mount")
        .args(["-t", "tmpfs", "-o", "size=64k", "none"])
        .arg(place.out())
        .stderr(std::process::Stdio::null())
        .status();
    if !mount.is_ok_and(|status| status.success()) {
        // Without the right to mount only the translation can be shown.
        assert!(matches!(TargetError::io(b"f", "write", Errno::NOSPC), TargetError::NoSpace { .. }));
        return;
    }
    let full = {
        let root = root(&place.target(Overwrite::Always));
        root.write_small(&file("f", 1 << 20), &vec![1; 1 << 20])
    };
    let left = place.names("");
    std::process::Command::new("umount").arg(place.out()).status().unwrap();
    assert!(matches!(full, Err(TargetError::NoSpace { .. })));
    assert!(left.is_empty());
}
