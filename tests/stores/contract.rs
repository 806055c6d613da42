//! The contract of all stores, on every server. Credentials come from the environment, so each runs in a process of
//! its own: this program again.

use crate::place::{Kind, Place};
use std::hash::{DefaultHasher, Hasher};
use std::process::Command;
use zvault::store::{OpenMode, Store, StoreOptions, StoreUrl, contract};

#[test]
fn s3() {
    keeps_it(&Place::new(Kind::S3));
    keeps_it(&Place::new(Kind::S3).below("a/prefix"));
}

#[test]
fn azure() {
    keeps_it(&Place::new(Kind::Azure));
    keeps_it(&Place::new(Kind::Azure).below("a/prefix"));
}

#[test]
fn google() {
    keeps_it(&Place::new(Kind::Gcs));
    keeps_it(&Place::new(Kind::Gcs).below("a/prefix"));
}

fn keeps_it(place: &Place) {
    // Names that begin like the prefix of the store, and are not below it.
    place.put("zzz", b"a stranger");
    place.put("a/prefixes/zv1/r/x", b"a neighbour");
    let mut command = Command::new(std::env::current_exe().expect("this program"));
    command.args(["--ignored", "--exact", "contract::of_the_environment"]);
    command.env(URL, &place.url).env(OPTIONS, place.all_options().join("\n")).envs(place.secrets.iter().cloned());
    let output = command.output().expect("it starts");
    let text = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
    assert_eq!(place.names(), ["a/prefixes/zv1/r/x", "zzz"]);
}

#[test]
#[ignore = "run by the others with a store in the environment"]
fn of_the_environment() {
    let variable = |name| std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set"));
    let mut options = StoreOptions::default();
    for option in variable(OPTIONS).lines() {
        options.set(option).expect("an option");
    }
    let url = StoreUrl::parse(&variable(URL)).expect("a URL");
    let store = Store::open(&url, &options, OpenMode::Create).expect("it opens");
    contract::run(&store, &hash);
}

/// Stands for the suite's hash.
fn hash(bytes: &[u8]) -> [u8; 32] {
    let mut out = [0; 32];
    for (n, part) in out.chunks_exact_mut(8).enumerate() {
        let mut hasher = DefaultHasher::new();
        hasher.write_usize(n);
        hasher.write(bytes);
        part.copy_from_slice(&hasher.finish().to_be_bytes());
    }
    out
}

const URL: &str = "STORES_TEST_URL";
const OPTIONS: &str = "STORES_TEST_OPTIONS";
