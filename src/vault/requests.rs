//! How many requests each job costs, and how many of them wait for each other.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crypto_backends::rustcrypto::lower_kdf_floors_for_tests;
use object_store::memory::InMemory;

use super::{InitOptions, OpenOptions, Purpose, UnlockSecret, Vault};
use crate::check::{CheckOptions, check};
use crate::keys::Passphrase;
use crate::ls;
use crate::push::{PushOptions, PushReport, push};
use crate::restore::{RestoreOptions, restore};
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

const URL: &str = "memory://requests";
