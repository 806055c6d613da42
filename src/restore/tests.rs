//! Whole restores, from real vaults.

use std::fs;
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use vault_format::{Capture, Content, Entry, Kind, Suite, Time};

use super::*;
use crate::keys::Passphrase;
use crate::push::{PushOptions, push};
use crate::state::Home;
use crate::store::StoreOptions;
use crate::vault::InitOptions;

/// A source, a vault and a target.
struct World {
    folder: tempfile::TempDir,
    vault: Vault,
}

impl World {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        fs::create_dir(folder.path().join("src")).expect("the source");
        let home = Arc::new(Home::open(&folder.path().join("home")).expect("a home"));
        let made = Vault::init(InitOptions {
            url: folder.path().join("vault").to_str().expect("a path"),
            store: StoreOptions::default(),
            home: &home,
            passphrase: Passphrase::new("correct horse battery").expect("a passphrase"),
            words: false,
            device_name: "test".into(),
            low_memory: true,
            suite: Suite::Default,
            cache: None,
        });
        Self { vault: made.expect("a vault").vault, folder }
    }

    fn at(&self, path: &str) -> PathBuf {
        self.folder.path().join(path)
    }

    fn file(&self, path: &str, content: &[u8]) {
        let path = self.at("src").join(path);
        fs::create_dir_all(path.parent().expect("a folder")).expect("folders");
        fs::write(path, content).expect("a file");
    }

    fn push(&mut self) {
        let options = PushOptions { paths: vec![self.at("src")], host: "here".into(), ..PushOptions::default() };
        push(&mut self.vault, &options, &Watch::new()).expect("a push");
    }

    /// The options of a restore of `latest` and what follows.
    fn options(&self, path: &str) -> RestoreOptions {
        let snapshot = self.vault.resolve(&format!("latest{path}")).expect("a snapshot");
        RestoreOptions::new(snapshot, self.at("out"))
    }

    fn restore(&self, options: &RestoreOptions) -> (RestoreReport, Vec<String>) {
        let told = Mutex::new(Vec::new());
        let tell = |event: Event<'_>| {
            if let Event::Problem { path, message } = event {
                told.lock().unwrap().push(format!("{}: {message}", String::from_utf8_lossy(path)));
            }
        };
        let report = restore(&self.vault, options, &Watch::with_events(&tell)).expect("a restore");
        (report, told.into_inner().unwrap())
    }

    /// Where the source is restored to if all of it is.
    fn restored(&self) -> PathBuf {
        let source = self.at("src").canonicalize().expect("a path");
        self.at("out").join(source.strip_prefix("/").expect("an absolute path"))
    }
}

pub(super) fn entry(path: &str) -> Entry {
    let time = Time { secs: 0, nanos: 0 };
    Entry {
        path: path.into(),
        kind: Kind::File,
        mode: 0o644,
        uid: 0,
        gid: 0,
        mtime: time,
        ctime: time,
        inode: 1,
        device: 7,
        links: 1,
        size: 0,
        content: Content::Empty,
        holes: Vec::new(),
        target: Vec::new(),
        rdev: 0,
        xattrs: Vec::new(),
        capture: Capture::Plain,
    }
}

/// Bytes that do not compress, the same for the same seed.
fn noise(len: usize, seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state as u8
    };
    (0..len).map(|_| next()).collect()
}

/// Paths below `top` with kind, mode, time and content.
fn tree(top: &Path) -> Vec<(String, u32, i64, i64, Vec<u8>)> {
    let mut found = Vec::new();
    let mut folders = vec![top.to_owned()];
    while let Some(folder) = folders.pop() {
        for item in fs::read_dir(&folder).expect("a folder") {
            let path = item.expect("an item").path();
            let meta = path.symlink_metadata().expect("metadata");
            let content = match meta.file_type() {
                kind if kind.is_symlink() => {
                    fs::read_link(&path).expect("a link").into_os_string().into_encoded_bytes()
                }
                kind if kind.is_dir() => {
                    folders.push(path.clone());
                    Vec::new()
                }
                _ => fs::read(&path).expect("a file"),
            };
            let name = path.strip_prefix(top).expect("below").to_string_lossy().into_owned();
            found.push((name, meta.mode(), meta.mtime(), meta.mtime_nsec(), content));
        }
    }
    found.sort();
    found
}

fn names(top: &Path) -> Vec<String> {
    tree(top).into_iter().map(|(name, ..)| name).collect()
}

/// A source with something of everything.
fn world() -> World {
    let world = World::new();
    for n in 0..300 {
        world.file(&format!("small/{}/{n}", n % 7), format!("number {n} {}", "x".repeat(n)).as_bytes());
    }
    world.file("empty", b"");
    world.file("tiny", b"tiny");
    world.file("large/noise", &noise(5_000_000, 1));
    world.file("large/same", &noise(5_000_000, 1));
    world.file("large/zeros", &vec![0; 3_000_000]);
    world.file("links/first", &noise(400_000, 2));
    fs::hard_link(world.at("src/links/first"), world.at("src/links/second")).expect("a link");
    fs::hard_link(world.at("src/links/first"), world.at("src/a third")).expect("a link");
    symlink("nowhere/at all", world.at("src/broken")).expect("a link");
    fs::create_dir(world.at("src/nothing")).expect("a folder");
    let sparse = fs::File::create_new(world.at("src/sparse")).expect("a file");
    sparse.set_len(20_000_000).expect("its size");
    sparse.write_at(b"in the middle", 10_000_000).expect("written");
    fs::set_permissions(world.at("src/tiny"), fs::Permissions::from_mode(0o600)).expect("its mode");
    fs::set_permissions(world.at("src/small/3"), fs::Permissions::from_mode(0o550)).expect("its mode");
    world
}

#[test]
fn everything_comes_back() {
    let mut world = world();
    world.push();
    let options = RestoreOptions { verify: true, ..world.options("") };
    let (report, problems) = world.restore(&options);
    assert_eq!(problems, Vec::<String>::new());
    assert_eq!(tree(&world.restored()), tree(&world.at("src")));
    assert_eq!((report.problems, report.warnings, report.files_skipped), (0, 0, 0));
    assert_eq!((report.files_restored, report.files_verified, report.others), (309, 309, 1));
    let inode = |name: &str| world.restored().join(name).metadata().expect("a file").ino();
    assert_eq!([inode("links/second"), inode("a third")], [inode("links/first"); 2]);
    assert!(world.restored().join("sparse").metadata().expect("a file").blocks() * 512 < 1_000_000);

    // Again: nothing to do.
    let (report, problems) = world.restore(&options);
    assert_eq!((report.files_restored, report.files_skipped, problems.len()), (0, 309, 0));
    // And repaired where it was changed.
    fs::write(world.restored().join("large/noise"), "gone").expect("written");
    fs::remove_file(world.restored().join("a third")).expect("removed");
    let (report, _) = world.restore(&options);
    // The first name is written anew, and the two others are linked to it again.
    assert_eq!((report.files_restored, report.problems), (4, 0));
    assert_eq!([inode("links/second"), inode("a third")], [inode("links/first"); 2]);
    assert_eq!(tree(&world.restored()), tree(&world.at("src")));
}

#[test]
fn a_part_goes_right_into_the_target() {
    let mut world = world();
    world.push();
    let source = world.at("src").canonicalize().expect("a path");
    let (report, _) = world.restore(&world.options(&format!(":{}/links", source.display())));
    assert_eq!(names(&world.at("out")), ["first", "second"]);
    assert_eq!(report.files_restored, 2);
    let (report, _) = world.restore(&world.options(":large/noise"));
    assert_eq!(fs::read(world.at("out/noise")).expect("a file"), noise(5_000_000, 1));
    assert_eq!((report.files_restored, report.dirs), (1, 0));
    world.restore(&world.options(":broken"));
    assert_eq!(fs::read_link(world.at("out/broken")).expect("a link"), Path::new("nowhere/at all"));
    let missing = restore(&world.vault, &world.options(":not/there"), &Watch::new()).expect_err("no such path");
    assert_eq!(missing.trouble(), Trouble::Usage);
    assert!(missing.to_string().contains("not/there is not in the snapshot"), "{missing}");
}

#[test]
fn patterns_choose_and_folders_above_are_made() {
    let mut world = world();
    world.push();
    let options = RestoreOptions {
        include: vec!["/small/3".into(), "second".into()],
        exclude: vec!["*7".into()],
        ..world.options("")
    };
    let (_, problems) = world.restore(&options);
    assert_eq!(problems, Vec::<String>::new());
    let found = names(&world.restored());
    assert!(found.contains(&"small/3/3".into()) && found.contains(&"links/second".into()), "{found:?}");
    assert!(
        !found.contains(&"small/3/17".into()) && !found.iter().any(|name| name.starts_with("small/4")),
        "{found:?}"
    );
    let mode = |name: &str| world.restored().join(name).metadata().expect("a folder").mode() & 0o7777;
    assert_eq!(mode("small"), fs::metadata(world.at("src/small")).expect("a folder").mode() & 0o7777);
    assert_eq!(mode("small/3"), 0o550);
}

#[test]
fn a_dry_run_touches_nothing() {
    let mut world = world();
    world.push();
    let options = RestoreOptions { dry_run: true, delete: true, verify: true, ..world.options("") };
    let (report, _) = world.restore(&options);
    assert!(!world.at("out").exists());
    assert_eq!((report.files_restored, report.files_deleted, report.problems), (309, 0, 0));
}

#[test]
fn delete_stays_inside_and_keeps_the_sides_of_databases() {
    let mut world = world();
    let database = rusqlite::Connection::open(world.at("src/app.db")).expect("a database");
    database.execute_batch("CREATE TABLE t(v); INSERT INTO t VALUES (1)").expect("a table");
    drop(database);
    world.push();
    world.restore(&world.options(""));
    let out = world.restored();
    fs::create_dir_all(out.join("new/deep")).expect("folders");
    fs::write(out.join("new/deep/f"), "x").expect("a file");
    fs::write(out.join("app.db-journal"), "x").expect("a file");
    fs::write(out.join("other-journal"), "x").expect("a file");
    fs::write(out.with_file_name("beside"), "x").expect("a file");
    let never = RestoreOptions { delete: true, overwrite: Overwrite::Never, ..world.options("") };
    let (report, _) = world.restore(&RestoreOptions { dry_run: true, ..never.clone() });
    assert_eq!(report.files_deleted, 2);
    assert!(out.join("new/deep/f").exists());
    let (report, problems) = world.restore(&never);
    assert_eq!((report.files_deleted, problems.len()), (2, 0), "{problems:?}");
    assert!(!out.join("new").exists() && !out.join("other-journal").exists());
    assert!(out.join("app.db-journal").exists() && out.with_file_name("beside").exists());
}

#[test]
fn damage_costs_only_the_files_that_it_hits() {
    let mut world = World::new();
    for n in 0..20 {
        world.file(&format!("f{n:02}"), &noise(900_000, n + 1));
    }
    world.push();
    let mut packs = Vec::new();
    for device in fs::read_dir(world.at("vault/zv1/p")).expect("packs") {
        packs.extend(
            fs::read_dir(device.expect("a folder").path()).expect("packs").map(|pack| pack.expect("a pack").path()),
        );
    }
    packs.sort_by_key(|pack| pack.metadata().expect("a pack").len());
    let pack = packs.pop().expect("a pack");
    let mut bytes = fs::read(&pack).expect("a pack");
    bytes[3_000_000] ^= 1;
    fs::set_permissions(&pack, fs::Permissions::from_mode(0o600)).expect("its mode");
    fs::write(&pack, bytes).expect("damaged");
    let (report, problems) = world.restore(&RestoreOptions { verify: true, ..world.options("") });
    assert!((1..=4).contains(&report.problems), "{problems:?}");
    assert_eq!((report.damaged, report.files_restored), (report.problems, 20 - report.problems));
    assert_eq!(report.files_verified, report.files_restored);
    assert!(problems.iter().all(|problem| problem.contains("is damaged")), "{problems:?}");
    let found = tree(&world.restored());
    assert_eq!(found.len() as u64, report.files_restored, "nothing is written half");
    assert!(found.iter().all(|file| tree(&world.at("src")).contains(file)));
    // The first bytes: the whole pack is lost, and the restore still ends in order.
    fs::write(&pack, b"not a pack").expect("damaged");
    fs::remove_dir_all(world.at("out")).expect("removed");
    let (report, _) = world.restore(&world.options(""));
    assert!(report.problems > 4 && report.files_restored + report.problems == 20);
}

#[test]
fn a_stop_is_heeded() {
    let mut world = world();
    world.push();
    let watch = Watch::new();
    watch.stop();
    let stopped = restore(&world.vault, &world.options(""), &watch).expect_err("stopped");
    assert_eq!(stopped.trouble(), Trouble::Interrupted);
}

#[test]
fn what_is_listed_is_what_is_there() {
    let mut world = world();
    world.push();
    let list = |path: &str, recursive| {
        let snapshot = world.vault.resolve(&format!("latest{path}")).expect("a snapshot");
        let mut paths = Vec::new();
        crate::ls::entries(&world.vault, &snapshot, recursive, &mut |entry| {
            paths.push(String::from_utf8(entry.full_path.clone()).expect("text"));
            Ok(())
        })
        .map(|()| paths)
    };
    let source = world.at("src").canonicalize().expect("a path").display().to_string();
    let all = list("", true).expect("a list");
    assert_eq!(all[0], source);
    let mut below: Vec<_> = all[1..].iter().map(|path| path[source.len() + 1..].to_owned()).collect();
    below.sort();
    assert_eq!(below, names(&world.at("src")));
    assert_eq!(
        list(":large", false).expect("a list"),
        ["", "/noise", "/same", "/zeros"].map(|end| format!("{source}/large{end}"))
    );
    assert_eq!(list(&format!(":{source}"), false).expect("a list").len(), 10);
    assert_eq!(list(":missing", true).expect_err("not there").trouble(), Trouble::Usage);
}
