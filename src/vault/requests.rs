//! How many requests each job costs, and how many of them wait for each other.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crypto_backends::rustcrypto::lower_kdf_floors_for_tests;
use object_store::memory::InMemory;
use vault_format::Domain;
use vault_format::log::IndexName;
use vault_format::name::ObjectName;
use vault_format::pack::ChunkType;

use super::{InitOptions, OpenOptions, Purpose, UnlockSecret, Vault};
use crate::check::{CheckOptions, check};
use crate::keys::Passphrase;
use crate::ls;
use crate::push::{PushOptions, PushReport, push};
use crate::restore::{RestoreOptions, restore};
use crate::stage::testing::random_bytes;
use crate::state::Home;
use crate::store::Store;
use crate::store::faults::{Meter, Metered};
use crate::watch::Watch;

/// A vault on a store that counts, and devices of it.
struct World {
    folder: tempfile::TempDir,
    meter: Meter,
    objects: Arc<dyn object_store::ObjectStore>,
}

impl World {
    fn new(delay: Duration) -> Self {
        lower_kdf_floors_for_tests();
        let folder = tempfile::tempdir().expect("a folder");
        let meter = Meter::new(delay);
        let objects = meter.wrap(Arc::new(InMemory::new()));
        let world = Self { folder, meter, objects };
        fs::create_dir(world.at("source")).expect("made");
        let home = world.home("home");
        let options = InitOptions::new(URL, &home, "one", Passphrase::new("correct horse").expect("a passphrase"));
        Vault::init_on(world.store(), URL.into(), options).expect("a vault");
        world
    }

    fn at(&self, path: &str) -> PathBuf {
        self.folder.path().join(path)
    }

    fn write(&self, name: &str, len: usize) {
        let path = self.at("source").join(name);
        fs::create_dir_all(path.parent().expect("a folder")).expect("made");
        fs::write(path, random_bytes(name.bytes().fold(7, |sum, byte| sum * 31 + u64::from(byte)), len))
            .expect("written");
    }

    fn home(&self, name: &str) -> Arc<Home> {
        Arc::new(Home::open(&self.at(name)).expect("a home"))
    }

    fn store(&self) -> Store {
        Store::from_object_store(self.objects.clone(), URL).expect("a store")
    }

    /// Opened as the device in this home, which becomes one if it is none.
    fn open(&self, home: &str, cache: Option<&str>, purpose: Purpose) -> Vault {
        let home = self.home(home);
        let state = home.vaults().expect("listed").first().map(|id| home.device(*id).expect("read"));
        let mut unlock =
            |_: &str| Passphrase::new("correct horse").map(UnlockSecret::Passphrase).map_err(|error| error.to_string());
        let mut options = OpenOptions::new(URL, &home, "another", &mut unlock);
        let cache = cache.map(|cache| self.at(cache));
        (options.cache, options.purpose) = (cache.as_deref(), purpose);
        Vault::open_on(self.store(), URL.into(), state, options).expect("opens")
    }

    fn push(&self, home: &str, cache: Option<&str>, source: &Path) -> PushReport {
        let options = PushOptions { paths: vec![source.to_owned()], host: "host".into(), ..PushOptions::default() };
        push(&mut self.open(home, cache, Purpose::Push), &options, &Watch::new()).expect("pushes")
    }

    fn restore(&self, cache: Option<&str>, what: &str) -> PathBuf {
        let target = self.at("out");
        let _ = fs::remove_dir_all(&target);
        let vault = self.open("home", cache, Purpose::Read);
        let snapshot = vault.resolve(what).expect("a snapshot");
        restore(&vault, &RestoreOptions::new(snapshot, target.clone()), &Watch::new()).expect("restores");
        target
    }

    /// What `work` costs.
    fn cost<T>(&self, work: impl FnOnce(&Self) -> T) -> (Metered, Duration) {
        self.meter.take();
        let start = Instant::now();
        work(self);
        (self.meter.take(), start.elapsed())
    }
}

#[test]
fn an_unchanged_push_costs_a_handful_of_lists_and_one_put() {
    let world = World::new(Duration::ZERO);
    world.write("file", 2000);
    world.write("folder/large", 300_000);
    let source = world.at("source");
    let mut entries = 0;
    for (home, cache) in [("home", "cache"), ("two", "cache-two"), ("three", "cache-three")] {
        let mut vault = world.open(home, Some(cache), Purpose::Push);
        let options = PushOptions { paths: vec![source.clone()], host: "host".into(), ..PushOptions::default() };
        for _ in 0..PUSHES {
            push(&mut vault, &options, &Watch::new()).expect("pushes");
        }
        entries = vault.log().entries().count();
    }
    assert_eq!(entries, 3 * PUSHES);
    // The first device has to read what the others wrote, once.
    world.push("home", Some("cache"), &source);
    let (seen, _) = world.cost(|world| world.push("home", Some("cache"), &source));
    assert_eq!((seen.lists, seen.gets, seen.heads, seen.puts, seen.deletes), (6, 0, 0, 1, 0), "{seen:?}");
    // Without its local copies it reads the newest manifest and the tables, and no more.
    let (seen, _) = world.cost(|world| world.push("home", None, &source));
    assert!(seen.lists == 6 && seen.gets <= 8 && seen.puts == 1, "{seen:?}");
    // Looking costs one list of records and one of entries.
    let (seen, _) = world.cost(|world| world.open("home", Some("cache"), Purpose::Read));
    assert_eq!((seen.lists, seen.gets, seen.heads), (2, 0, 0), "{seen:?}");
}

#[test]
fn one_small_file_without_an_index_costs_little() {
    let world = World::new(Duration::ZERO);
    for n in 0..6_000 {
        world.write(&format!("{}/{n}", n % 40), 300);
    }
    world.write("large", 5 << 20);
    let source = world.at("source");
    world.push("home", Some("cache"), &source);
    let written = world.meter.take_written();
    let deltas = written.iter().filter(|write| write.confirmed && write.path.starts_with("zv1/i/")).count();
    assert_eq!(deltas, 2, "those of trees apart from those of files");
    for (cache, most) in [(None, 8), (Some("empty"), 8), (Some("cache"), 2)] {
        let what = format!("latest:{}/7/1007", source.display());
        let mut restored = PathBuf::new();
        let (seen, _) = world.cost(|world| restored = world.restore(cache, &what));
        assert!(seen.lists == 2 && seen.gets <= most && seen.heads == 0, "{cache:?}: {seen:?}");
        assert!(seen.received < 4 << 20, "{cache:?}: {seen:?}");
        let file = fs::read(restored.join("1007")).expect("the file");
        assert_eq!(file, fs::read(source.join("7/1007")).expect("the file"));
    }
    // A device without its index finds everything all the same.
    let restored = world.restore(None, "latest").join(source.strip_prefix("/").expect("an absolute path"));
    assert_eq!(fs::read(restored.join("large")).expect("it"), fs::read(source.join("large")).expect("it"));
    assert_eq!(fs::read(restored.join("39/39")).expect("it"), fs::read(source.join("39/39")).expect("it"));
}

#[test]
fn the_tables_of_several_chunks_are_read_together() {
    let world = World::new(Duration::from_millis(300));
    for n in 0..21_000 {
        world.write(&format!("{}/{n}", n % 40), 300);
    }
    world.push("home", Some("cache"), &world.at("source"));
    let vault = world.open("home", None, Purpose::Read);
    let tables = vault.tables(Domain::SHARED).deltas.into_iter();
    let tables = tables.map(|table| vault.open_table(table).expect("opens"));
    let ids: Vec<_> = tables.filter(|table| !table.packs[0].name.tree).map(|table| table.rows[0].id).collect();
    assert!(ids.len() >= 3, "{}", ids.len());
    let (seen, _) = world.cost(|_| vault.locate_soon(Domain::SHARED, &ids).expect("looked up"));
    assert_eq!(seen.gets, ids.len() as u64, "{seen:?}");
    assert!(seen.most_at_once >= 2, "{seen:?}");
    let found = |id| !vault.locate(Domain::SHARED, id, ChunkType::File).expect("looked up").is_empty();
    let (seen, _) = world.cost(|_| assert!(ids.iter().all(found)));
    assert_eq!(seen.gets, 0, "{seen:?}");
}

#[test]
fn a_spoilt_copy_of_a_tree_is_asked_for_again() {
    let world = World::new(Duration::ZERO);
    for n in 0..3_000 {
        world.write(&format!("{}/{n}", n % 40), 100 + n % 200);
    }
    let source = world.at("source");
    world.push("home", Some("cache"), &source);
    let entries = list(&world, None);
    let id = world.home("home").vaults().expect("listed")[0];
    let folder = Home::cache_folder(&world.at("cache"), id).expect("a folder").join("packs");
    let copies = || fs::read_dir(&folder).expect("listed").map(|entry| entry.expect("an entry").path());
    assert_eq!(copies().count(), 1);
    let copy = copies().next().expect("a copy");
    let good = fs::read(&copy).expect("read");
    let (seen, _) = world.cost(|world| assert_eq!(list(world, Some("cache")), entries));
    assert_eq!(seen.gets, 0, "{seen:?}");
    let flipped = |at: usize| {
        let mut bytes = good.clone();
        bytes[at] ^= 1;
        bytes
    };
    for bytes in [flipped(10), flipped(140), flipped(5_000), good[..70_000].to_vec(), vec![0; good.len()], Vec::new()] {
        fs::write(&copy, &bytes).expect("written");
        let (seen, _) = world.cost(|world| assert_eq!(list(world, Some("cache")), entries));
        assert!(seen.gets >= 1, "{seen:?}");
        assert!(fs::read(&copy).is_ok_and(|bytes| bytes == good), "the copy is whole again");
    }
    fs::write(&copy, flipped(5_000)).expect("written");
    let report = world.push("home", Some("cache"), &source);
    assert_eq!((report.files_unmodified, report.data_chunks, report.tree_chunks), (3_000, 0, 0));
}

#[test]
fn packs_are_under_way_together_and_tables_come_after_them() {
    let world = World::new(Duration::from_millis(300));
    for n in 0..5 {
        world.write(&format!("{n}"), 16 << 20);
    }
    let (seen, _) = world.cost(|world| world.push("home", Some("cache"), &world.at("source")));
    assert!(seen.most_at_once >= 2, "{seen:?}");
    let written = world.meter.take_written();
    let vault = world.open("home", None, Purpose::Read);
    let when = |path: &str, confirmed: bool| {
        let found = written.iter().position(|write| write.path == path && write.confirmed == confirmed);
        found.unwrap_or_else(|| panic!("{path} was written"))
    };
    let mut packs = 0;
    for entry in vault.log().entries() {
        let object = ObjectName::Log { device: entry.device, seq: entry.seq, hash: entry.object };
        for (hash, _) in &entry.body.deltas {
            let delta = ObjectName::Delta { device: entry.device, hash: *hash };
            assert!(when(&delta.to_path(), true) < when(&object.to_path(), false));
            for pack in
                vault.open_table(IndexName { shard: false, device: entry.device, hash: *hash }).expect("opens").packs
            {
                packs += 1;
                assert!(when(&ObjectName::Pack(pack.name).to_path(), true) < when(&delta.to_path(), false));
            }
        }
    }
    assert!(packs >= 6, "{packs}");
}

#[test]
fn a_check_reads_the_store_and_not_the_local_copies() {
    let world = World::new(Duration::ZERO);
    for n in 0..300 {
        world.write(&format!("{n}"), 300);
    }
    world.push("home", Some("cache"), &world.at("source"));
    let trees = |name: &ObjectName| matches!(name, ObjectName::Pack(pack) if pack.tree);
    let listed = world.store().list(&vault_format::name::prefix()).expect("listed").objects;
    let name = listed.iter().map(|object| object.name).find(trees).expect("a tree pack");
    let mut bytes = world.store().get_unverified(&name).expect("read").to_vec();
    bytes[200..4000].iter_mut().for_each(|byte| *byte ^= 1);
    world.store().delete(&name).expect("deleted");
    world.store().put(&name, bytes.into()).expect("put");
    // A copy is there, and good enough for a restore.
    world.restore(Some("cache"), "latest");
    let vault = world.open("home", Some("cache"), Purpose::Check);
    let report = check(&vault, &CheckOptions::default(), &Watch::new()).expect("checks");
    assert!(report.damaged.iter().any(|damage| damage.object == name.to_path()), "{:#?}", report.damaged);
}

/// Prints what the jobs cost on a real tree: `ZVAULT_MEASURE=/usr/src/linux cargo test --lib measure -- --ignored --nocapture`.
#[test]
#[ignore = "a measurement"]
#[allow(clippy::print_stdout)]
fn measure() {
    let source = PathBuf::from(std::env::var_os("ZVAULT_MEASURE").expect("a folder to push"));
    let one = std::env::var("ZVAULT_MEASURE_FILE").unwrap_or_else(|_| "kernel/sched/core.c".into());
    let delay = std::env::var("ZVAULT_MEASURE_DELAY").map_or(50, |text| text.parse().expect("milliseconds"));
    let world = World::new(Duration::from_millis(delay));
    let show = |what: &str, (seen, time): (Metered, Duration)| {
        println!(
            "{what:32} {:6.2} s  LIST {:3} GET {:4} HEAD {:3} PUT {:3}  down {:8.2} up {:8.2} MiB  at once {}",
            time.as_secs_f64(),
            seen.lists,
            seen.gets,
            seen.heads,
            seen.puts,
            seen.received as f64 / f64::from(1 << 20),
            seen.sent as f64 / f64::from(1 << 20),
            seen.most_at_once
        );
    };
    show("first push", world.cost(|w| w.push("home", Some("cache"), &source)));
    show("unchanged", world.cost(|w| w.push("home", Some("cache"), &source)));
    show("unchanged, empty cache", world.cost(|w| w.push("home", Some("cache2"), &source)));
    show("ls of all, no cache", world.cost(|w| list(w, None)));
    show("ls of all, cache", world.cost(|w| list(w, Some("cache"))));
    let one = format!("latest:{}/{one}", source.display());
    show("one file, no cache", world.cost(|w| w.restore(None, &one)));
    show("one file, empty cache", world.cost(|w| w.restore(Some("cache3"), &one)));
    show("one file, cache", world.cost(|w| w.restore(Some("cache"), &one)));
    show("all, no cache", world.cost(|w| w.restore(None, "latest")));
    show("all, cache", world.cost(|w| w.restore(Some("cache"), "latest")));
    show(
        "check",
        world.cost(|w| check(&w.open("home", Some("cache"), Purpose::Check), &CheckOptions::default(), &Watch::new())),
    );
}

fn list(world: &World, cache: Option<&str>) -> u64 {
    let vault = world.open("home", cache, Purpose::Read);
    let snapshot = vault.resolve("latest").expect("a snapshot");
    let mut entries = 0;
    ls::entries(&vault, &snapshot, true, &mut |_| {
        entries += 1;
        Ok(())
    })
    .expect("lists");
    entries
}

const PUSHES: usize = 100;
const URL: &str = "memory://requests";
