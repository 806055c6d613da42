//! The walk over real trees.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::Path;

use rustix::fs::{CWD, FileType, Mode, OFlags, XattrFlags, makedev, mkdirat, mknodat, openat, setxattr, unlinkat};
use vault_format::entry::{Kind, path_cmp};
use zvault::source::xattr::read_xattrs;
use zvault::source::{
    Excludes, FileReader, Found, ProblemKind, SourceError, Walk, WalkOptions, WalkProblem, read_small,
};

#[test]
fn everything_comes_once_and_in_order() {
    let temp = tempfile::tempdir().expect("temp");
    for folder in ["b", "b-", "b/c", "b/c/d", "empty", "z\u{e9}"] {
        fs::create_dir(temp.path().join(folder)).expect("folder");
    }
    for file in ["a", "b.x", "b/1", "b/c-", "b/c/x", "b/c/d/e", "b-/y", "z", "b!"] {
        fs::write(temp.path().join(file), file).expect("file");
    }
    let paths: Vec<_> = walk(temp.path()).into_iter().map(|found| text(&found)).collect();
    let expected = [
        "", "a", "b", "b/1", "b/c", "b/c/d", "b/c/d/e", "b/c/x", "b/c-", "b!", "b-", "b-/y", "b.x", "empty", "z",
        "z\u{e9}",
    ];
    assert_eq!(paths, expected);
}

#[test]
fn large_and_wide_trees_come_in_order() {
    let temp = many_files();
    // More than one part of a folder, with folders on the borders, and more entries than are read ahead.
    let mut expected = vec![String::new()];
    for n in 0..9000 {
        let name = format!("n{n:05}");
        if n % 1000 == 95 || n % 4096 == 0 {
            fs::create_dir(temp.path().join(&name)).expect("folder");
            let below = (0..3000).map(|m| format!("{name}/{m:04}"));
            expected.push(name.clone());
            expected.extend(below.inspect(|path| fs::write(temp.path().join(path), "").expect("file")));
        } else {
            fs::write(temp.path().join(&name), "").expect("file");
            expected.push(name);
        }
    }
    let found = walk(temp.path());
    assert!(found.windows(2).all(|pair| path_cmp(&pair[0].entry.path, &pair[1].entry.path).is_lt()));
    assert_eq!(found.iter().map(text).collect::<Vec<_>>(), expected);
    // A walk that is given up stops its threads.
    let mut given_up = Walk::start(temp.path(), WalkOptions::default()).expect("root");
    assert_eq!(given_up.by_ref().take(10).count(), 10);
    drop(given_up);
}

#[test]
fn metadata_is_what_the_system_says() {
    let temp = tempfile::tempdir().expect("temp");
    let at = |name: &str| temp.path().join(name);
    fs::write(at("file"), "12345").expect("file");
    fs::hard_link(at("file"), at("other name")).expect("hard link");
    fs::set_permissions(at("file"), std::os::unix::fs::PermissionsExt::from_mode(0o4751)).expect("mode");
    symlink("nowhere/../x", at("link")).expect("link");
    let found = by_path(walk(temp.path()));
    let meta = fs::symlink_metadata(at("file")).expect("stat");
    let file = &found["file"].entry;
    assert_eq!((file.kind, file.mode, file.size, file.links), (Kind::File, 0o4751, 5, 2));
    assert_eq!((file.uid, file.gid, file.inode, file.device), (meta.uid(), meta.gid(), meta.ino(), meta.dev()));
    assert_eq!((file.mtime.secs, i64::from(file.mtime.nanos)), (meta.mtime(), meta.mtime_nsec()));
    assert_eq!((file.ctime.secs, i64::from(file.ctime.nanos)), (meta.ctime(), meta.ctime_nsec()));
    let other = &found["other name"].entry;
    assert_eq!((other.inode, other.device, other.links), (file.inode, file.device, 2));
    let link = &found["link"].entry;
    assert_eq!((link.kind, link.target.as_slice()), (Kind::Symlink, &b"nowhere/../x"[..]));
    assert_eq!((found[""].entry.kind, found[""].entry.links, found[""].entry.size), (Kind::Dir, 1, 0));
}

#[test]
fn pipes_sockets_and_devices_are_recorded_and_never_opened() {
    let temp = tempfile::tempdir().expect("temp");
    let at = |name: &str| temp.path().join(name);
    let make = |name: &str, kind, device| mknodat(CWD, at(name), kind, Mode::from_raw_mode(0o600), device);
    make("pipe", FileType::Fifo, 0).expect("pipe");
    let _socket = std::os::unix::net::UnixListener::bind(at("socket")).expect("socket");
    let devices = make("null", FileType::CharacterDevice, makedev(1, 3)).is_ok()
        && make("disk", FileType::BlockDevice, makedev(7, 200)).is_ok();
    let found = by_path(walk(temp.path()));
    assert_eq!(found["pipe"].entry.kind, Kind::Fifo);
    assert_eq!(found["socket"].entry.kind, Kind::Socket);
    if devices {
        assert_eq!((found["null"].entry.kind, found["null"].entry.rdev), (Kind::CharDevice, makedev(1, 3)));
        assert_eq!((found["disk"].entry.kind, found["disk"].entry.rdev), (Kind::BlockDevice, makedev(7, 200)));
    } else {
        skipped("no right to make device files");
    }
    // The attributes are read without opening.
    for (_, mut found) in found {
        let mut problems = Vec::new();
        read_xattrs(&mut found, &mut problems);
        assert!(problems.is_empty(), "{problems:?}");
    }
}

#[test]
fn names_are_raw_bytes() {
    let temp = tempfile::tempdir().expect("temp");
    let names: [&[u8]; 5] = [b"\x01ctrl", b"new\nline", b"sp ace*?[", &[b'x'; 255], b"\xff\xfe"];
    for name in names {
        fs::write(temp.path().join(OsStr::from_bytes(name)), name).expect("file");
    }
    let mut found = walk(temp.path());
    for (mut found, name) in found.drain(1..).zip(names) {
        assert_eq!(found.entry.path, name);
        let mut content = Vec::new();
        read_small(&mut found, &mut content, &mut Vec::new()).map(drop).expect("reads");
        assert_eq!(content, name);
    }
}

#[test]
fn paths_may_be_longer_than_the_system_allows() {
    let temp = tempfile::tempdir().expect("temp");
    let name = "d".repeat(200);
    let mut folders: Vec<OwnedFd> = Vec::new();
    let folder = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let root = rustix::fs::open(temp.path(), folder, Mode::empty()).expect("root");
    // More levels than descriptors are kept.
    for _ in 0..300 {
        let above = folders.last().unwrap_or(&root);
        mkdirat(above, &name, Mode::from_raw_mode(0o700)).expect("folder");
        let below = openat(above, &name, folder, Mode::empty()).expect("folder");
        let file = openat(&below, "f", OFlags::CREATE | OFlags::WRONLY, Mode::from_raw_mode(0o600)).expect("file");
        rustix::io::write(&file, b"deep").expect("write");
        folders.push(below);
    }
    let found = walk(temp.path());
    assert_eq!(found.len(), 601);
    assert!(found.iter().any(|found| found.entry.path.len() > 60_000));
    let mut content = Vec::new();
    // From the far end, so that early folders have to be opened again.
    for mut found in found.into_iter().filter(|found| found.entry.kind == Kind::File) {
        content.clear();
        read_small(&mut found, &mut content, &mut Vec::new()).map(drop).expect("reads");
        assert_eq!(content, b"deep");
    }
    // The standard library cannot remove what it cannot name.
    while let Some(last) = folders.pop() {
        unlinkat(&last, "f", rustix::fs::AtFlags::empty()).expect("removed");
        let above = folders.last().unwrap_or(&root);
        unlinkat(above, &name, rustix::fs::AtFlags::REMOVEDIR).expect("removed");
    }
}

#[test]
fn roots_may_be_files_and_links() {
    let temp = tempfile::tempdir().expect("temp");
    let at = |name: &str| temp.path().join(name);
    fs::create_dir(at("folder")).expect("folder");
    fs::write(at("folder/file"), "content").expect("file");
    symlink("folder", at("link")).expect("link");
    let file = walk(&at("folder/file"));
    assert_eq!((file.len(), file[0].entry.kind, file[0].name()), (1, Kind::File, &b"file"[..]));
    let mut content = Vec::new();
    read_small(&mut file[0].clone(), &mut content, &mut Vec::new()).map(drop).expect("reads");
    assert_eq!(content, b"content");
    assert_eq!(file[0].system_path(), at("folder/file"));
    let link = walk(&at("link"));
    assert_eq!((link.len(), link[0].entry.kind, link[0].entry.target.as_slice()), (1, Kind::Symlink, &b"folder"[..]));
    let mut slash = at("link").into_os_string();
    slash.push("/");
    assert_eq!(walk(Path::new(&slash)).len(), 2);
    assert!(matches!(Walk::start(&at("none"), WalkOptions::default()), Err(SourceError::Root { .. })));
    assert!(walk(Path::new("src")).iter().any(|found| found.entry.path == b"lib.rs"));
}

#[test]
fn excluded_folders_are_not_entered() {
    let temp = tempfile::tempdir().expect("temp");
    for file in
        ["keep/a.log", "keep/b.txt", "keep/important.log", "cache/x", "keep/cache/y", "Photo.JPG", "big", "small"]
    {
        fs::create_dir_all(temp.path().join(file).parent().expect("folder")).expect("folder");
        fs::write(temp.path().join(file), "x").expect("file");
    }
    fs::write(temp.path().join("big"), vec![0; 1001]).expect("file");
    let excludes = Excludes::new(&["*.log", "!important.log", "/cache"], &["*.jpg"], &[]).expect("patterns");
    let options = WalkOptions { excludes, exclude_larger_than: Some(1000), ..WalkOptions::default() };
    let paths: Vec<_> = walk_with(temp.path(), options).iter().map(text).collect();
    assert_eq!(paths, ["", "keep", "keep/b.txt", "keep/cache", "keep/cache/y", "keep/important.log", "small"]);
}

#[test]
fn caches_keep_their_tag_alone() {
    let temp = tempfile::tempdir().expect("temp");
    let folder = |name: &str, tag: Option<&str>| {
        fs::create_dir(temp.path().join(name)).expect("folder");
        fs::write(temp.path().join(name).join("data"), "x").expect("file");
        if let Some(tag) = tag {
            fs::write(temp.path().join(name).join("CACHEDIR.TAG"), tag).expect("tag");
        }
    };
    let signature = "Signature: 8a477f597d28d172789f06886806bc55";
    folder("cache", Some(&format!("{signature}\n# made by a test")));
    folder("forged", Some("Signature: none"));
    folder("linked", None);
    folder("plain", None);
    symlink("../cache/CACHEDIR.TAG", temp.path().join("linked/CACHEDIR.TAG")).expect("link");
    let options = WalkOptions { exclude_caches: true, ..WalkOptions::default() };
    let paths: Vec<_> = walk_with(temp.path(), options).iter().map(text).collect();
    let expected = [
        "",
        "cache",
        "cache/CACHEDIR.TAG",
        "forged",
        "forged/CACHEDIR.TAG",
        "forged/data",
        "linked",
        "linked/CACHEDIR.TAG",
        "linked/data",
        "plain",
        "plain/data",
    ];
    assert_eq!(paths, expected);
    let options = WalkOptions { exclude_caches: true, ..WalkOptions::default() };
    assert_eq!(walk_with(&temp.path().join("cache"), options).len(), 2);
}

#[test]
fn the_vault_inside_a_source_is_left_out() {
    let temp = tempfile::tempdir().expect("temp");
    fs::create_dir_all(temp.path().join("a/vault/p")).expect("folders");
    fs::write(temp.path().join("a/file"), "x").expect("file");
    let mut options = WalkOptions::default();
    options.forbid(&temp.path().join("a/vault")).expect("stat");
    options.forbid(&temp.path().join("not yet there")).expect("nothing");
    let paths: Vec<_> = walk_with(temp.path(), options.clone()).iter().map(text).collect();
    assert_eq!(paths, ["", "a", "a/file"]);
    let inside = Walk::start(&temp.path().join("a/vault"), options);
    assert!(matches!(inside, Err(SourceError::Forbidden { .. })));
}

#[test]
fn other_file_systems_are_not_entered_when_asked() {
    let device = |path: &str| fs::metadata(path).map(|meta| meta.dev());
    let (Ok(above), Ok(below)) = (device("/dev"), device("/dev/shm")) else {
        return skipped("no /dev/shm");
    };
    if above == below {
        return skipped("/dev/shm is no file system of its own");
    }
    let file = tempfile::NamedTempFile::new_in("/dev/shm").expect("file");
    let path = file.path().strip_prefix("/dev").expect("below").as_os_str().as_bytes().to_vec();
    let found = |one_file_system, wanted: &[u8]| {
        let options = WalkOptions { one_file_system, ..WalkOptions::default() };
        let walk = Walk::start(Path::new("/dev"), options).expect("root");
        walk.flatten().any(|found| found.entry.path == wanted)
    };
    assert!(found(false, &path));
    assert!(found(true, b"shm") && !found(true, &path));
}

#[test]
fn what_vanishes_is_told_and_the_walk_goes_on() {
    let temp = many_files();
    for n in 0..400 {
        fs::create_dir(temp.path().join(format!("d{n:03}"))).expect("folder");
        for m in 0..50 {
            fs::write(temp.path().join(format!("d{n:03}/f{m:02}")), "x").expect("file");
        }
    }
    // Beyond what is read ahead.
    let mut walk = Walk::start(temp.path(), WalkOptions::default()).expect("root");
    assert!(walk.next().is_some_and(|root| root.is_ok()) && walk.next().is_some_and(|first| first.is_ok()));
    fs::remove_dir_all(temp.path().join("d399")).expect("removed");
    symlink("d000", temp.path().join("d399")).expect("link");
    fs::remove_dir_all(temp.path().join("d398")).expect("removed");
    let (mut entries, mut problems) = (0, Vec::new());
    for found in walk {
        match found {
            Ok(_) => entries += 1,
            Err(problem) => problems.push((problem.path.clone(), problem.kind)),
        }
    }
    let expected = [(b"d398".to_vec(), ProblemKind::Vanished), (b"d399".to_vec(), ProblemKind::TypeChanged)];
    assert_eq!(problems, expected);
    assert_eq!(entries, 400 - 1 + 398 * 50);
}

#[test]
fn a_folder_that_cannot_be_read_is_a_problem_of_its_own() {
    if rustix::process::geteuid().is_root() {
        return skipped("root may read everything");
    }
    let temp = tempfile::tempdir().expect("temp");
    fs::create_dir(temp.path().join("closed")).expect("folder");
    fs::write(temp.path().join("open"), "x").expect("file");
    let mode =
        |mode| fs::set_permissions(temp.path().join("closed"), std::os::unix::fs::PermissionsExt::from_mode(mode));
    mode(0).expect("mode");
    let found: Vec<_> = Walk::start(temp.path(), WalkOptions::default()).expect("root").collect();
    mode(0o700).expect("mode");
    assert_eq!(found.len(), 4);
    assert!(
        found.iter().filter_map(|found| found.as_ref().err()).all(|problem| problem.kind == ProblemKind::Unreadable)
    );
}

#[test]
fn attributes_and_acls_are_read_from_everything() {
    let temp = tempfile::tempdir().expect("temp");
    let at = |name: &str| temp.path().join(name);
    fs::write(at("file"), "x").expect("file");
    fs::create_dir(at("folder")).expect("folder");
    symlink("file", at("link")).expect("link");
    let set = |path: &str, name: &str, value: &[u8]| setxattr(at(path), name, value, XattrFlags::empty());
    if set("file", "user.b", b"two\0").is_err() {
        return skipped("no user attributes on this file system");
    }
    set("file", "user.a", &[7; 3000]).expect("attribute");
    set("file", "user.empty", b"").expect("attribute");
    set("folder", "user.f", b"folder").expect("attribute");
    let link = rustix::fs::lsetxattr(at("link"), "trusted.l", b"link", XattrFlags::empty()).is_ok();
    // Version 2; owner rw-, user 1234 r--, group r--, mask rw-, others ---.
    let acl: Vec<u8> = [(1_u16, 6_u16, u32::MAX), (2, 4, 1234), (4, 4, u32::MAX), (16, 6, u32::MAX), (32, 0, u32::MAX)]
        .iter()
        .flat_map(|(tag, rights, id)| [&tag.to_le_bytes()[..], &rights.to_le_bytes(), &id.to_le_bytes()].concat())
        .collect();
    let acl = [&2_u32.to_le_bytes()[..], &acl].concat();
    let acls = set("folder", "system.posix_acl_access", &acl).is_ok();
    let mut found = by_path(walk(temp.path()));
    let mut problems = Vec::new();
    for found in found.values_mut() {
        if found.entry.kind == Kind::File {
            FileReader::open(found).expect("opens").read_xattrs(found, &mut problems);
            let opened = found.entry.xattrs.clone();
            read_xattrs(found, &mut problems);
            assert_eq!(found.entry.xattrs, opened);
        } else {
            read_xattrs(found, &mut problems);
        }
    }
    assert!(problems.is_empty(), "{problems:?}");
    let pair = |name: &str, value: &[u8]| (name.as_bytes().to_vec(), value.to_vec());
    let own = |path: &str| {
        let all = found[path].entry.xattrs.iter().filter(|(name, _)| !name.starts_with(b"security."));
        all.cloned().collect::<Vec<_>>()
    };
    assert_eq!(own("file"), [pair("user.a", &[7; 3000]), pair("user.b", b"two\0"), pair("user.empty", b"")]);
    if acls {
        assert_eq!(own("folder"), [pair("system.posix_acl_access", &acl), pair("user.f", b"folder")]);
    } else {
        skipped("no ACLs on this file system");
    }
    if link {
        assert_eq!(own("link"), [pair("trusted.l", b"link")]);
    } else {
        skipped("no right to set attributes of links");
    }
}

#[test]
fn attributes_over_the_limit_are_left_out_and_told() {
    // Of the usual file systems only tmpfs and xfs hold so much.
    let Ok(temp) = tempfile::tempdir_in("/dev/shm") else {
        return skipped("no /dev/shm");
    };
    let path = temp.path().join("file");
    fs::write(&path, "x").expect("file");
    for name in ["user.1", "user.2", "user.3"] {
        if setxattr(&path, name, &[1; 60_000], XattrFlags::empty()).is_err() {
            return skipped("no large user attributes on /dev/shm");
        }
    }
    let mut found = walk(&path).remove(0);
    let mut problems = Vec::new();
    read_xattrs(&mut found, &mut problems);
    assert_eq!(found.entry.xattrs.iter().map(|(name, _)| name.as_slice()).collect::<Vec<_>>(), [b"user.1", b"user.2"]);
    assert_eq!(problems.iter().map(|problem| problem.kind).collect::<Vec<_>>(), [ProblemKind::XattrTooLarge]);
}

#[test]
fn descriptors_stay_few_with_many_folders_in_hand() {
    let temp = many_files();
    for n in 0..2000 {
        fs::create_dir(temp.path().join(format!("{n:04}"))).expect("folder");
        fs::write(temp.path().join(format!("{n:04}/f")), "x").expect("file");
    }
    let found = walk(temp.path());
    let here = fs::canonicalize(temp.path()).expect("path");
    let open = fs::read_dir("/proc/self/fd").map(|fds| {
        let targets = fds.flatten().filter_map(|fd| fs::read_link(fd.path()).ok());
        targets.filter(|target| target.starts_with(&here)).count()
    });
    let Ok(open) = open else {
        return skipped("no /proc");
    };
    assert!((200..=300).contains(&open), "{open}");
    let mut content = Vec::new();
    for mut found in found.into_iter().filter(|found| found.entry.kind == Kind::File) {
        read_small(&mut found, &mut content, &mut Vec::new()).map(drop).expect("reads");
        assert_eq!(content, b"x");
    }
}

#[test]
fn a_swapped_folder_does_not_lead_out_of_the_source() {
    let temp = tempfile::tempdir().expect("temp");
    let at = |name: &str| temp.path().join(name);
    fs::create_dir_all(at("source/a/b")).expect("folders");
    fs::create_dir_all(at("secret/b")).expect("folders");
    fs::write(at("source/a/b/f"), "mine").expect("file");
    fs::write(at("secret/b/f"), "secret").expect("file");
    let mut file = by_path(walk(&at("source"))).remove("a/b/f").expect("found");
    fs::rename(at("source/a"), at("source/old")).expect("moved");
    symlink("../secret", at("source/a")).expect("link");
    let mut content = Vec::new();
    // The folder's descriptor is open: it is the old one still.
    read_small(&mut file, &mut content, &mut Vec::new()).map(drop).expect("reads");
    assert_eq!(content, b"mine");
    let again = by_path(walk(&at("source")));
    assert_eq!(again["a"].entry.kind, Kind::Symlink);
    assert!(!again.contains_key("a/b"));
}

/// A folder in memory if there is one: thousands of files take long on a busy disk.
fn many_files() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).expect("temp")
}

fn walk(root: &Path) -> Vec<Found> {
    walk_with(root, WalkOptions::default())
}

fn walk_with(root: &Path, options: WalkOptions) -> Vec<Found> {
    let walk = Walk::start(root, options).expect("a root");
    walk.collect::<Result<Vec<Found>, WalkProblem>>().expect("no problems")
}

fn by_path(found: Vec<Found>) -> HashMap<String, Found> {
    found.into_iter().map(|found| (text(&found), found)).collect()
}

fn text(found: &Found) -> String {
    OsString::from(OsStr::from_bytes(&found.entry.path)).into_string().expect("a name in UTF-8")
}

#[allow(clippy::print_stderr)]
fn skipped(why: &str) {
    eprintln!("skipped: {why}");
}
