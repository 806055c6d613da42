//! How quick a push without changes is, beside a reader's. Not a test: a person runs it (docs/benchmarks.md).

use std::path::Path;
use std::time::{Duration, Instant};

use super::*;
use crate::store::{OpenMode, StoreOptions, StoreUrl};

/// ```sh
/// MEASURE_SOURCE=/usr/src/linux MEASURE_FOLDER=/dev/shm cargo test --release --lib push_only::measure -- --ignored --nocapture
/// ```
#[test]
#[ignore = "a measurement"]
fn measure() {
    let source = PathBuf::from(std::env::var_os("MEASURE_SOURCE").expect("MEASURE_SOURCE names a folder"));
    let below = std::env::var_os("MEASURE_FOLDER").map_or_else(std::env::temp_dir, PathBuf::from);
    let world = World { folder: tempfile::tempdir_in(below).expect("a folder"), ..World::new() };
    let url = world.folder.path().join("vault").to_str().expect("text").to_owned();
    let home = world.home(READER);
    let passphrase = Passphrase::new("correct horse").expect("a passphrase");
    Vault::init(InitOptions::new(&url, &home, READER, passphrase)).expect("a vault");
    world.enroll_in(&mut open(&world, READER, &url), PUSHER);
    for run in 0..RUNS + 1 {
        let [reader, pusher] = [READER, PUSHER].map(|name| timed(&world, name, &url, &source));
        let what = if run == 0 { "first push" } else { "unchanged" };
        let ratio = pusher.as_secs_f64() / reader.as_secs_f64();
        println!("{what}: reader {reader:.3?}, push-only {pusher:.3?}, ratio {ratio:.2}");
    }
}

fn open(world: &World, name: &str, url: &str) -> Vault {
    let url = StoreUrl::parse(url).expect("a URL");
    let store = Store::open(&url, &StoreOptions::default(), OpenMode::Existing).expect("a store");
    world.try_open(name, store, Purpose::Push).expect("opens")
}

/// From opening the vault to the end of the push, as the program does it.
fn timed(world: &World, name: &str, url: &str, source: &Path) -> Duration {
    let started = Instant::now();
    push_source(&mut open(world, name, url), source).expect("pushes");
    started.elapsed()
}

const RUNS: usize = 5;
