//! The contract of all stores, on every server. Credentials come from the environment, so each runs in a process of
//! its own: this program again.

use crate::place::{Kind, Place};
use crate::runner::World;
use crate::servers::account::account;
use bytes::Bytes;
use std::hash::{DefaultHasher, Hasher};
use std::process::Command;
use std::time::Duration;
use vault_format::ObjectName;
use vault_format::ids::ObjectHash;
use zvault::store::{Access, OpenMode, SignError, SignedUrlError, SignedUrls, Store, StoreOptions, StoreUrl, contract};

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

#[test]
fn google_by_a_key() {
    let keys = World::new();
    let key = keys.write("key.json", account().file());
    let mut place = Place::new(Kind::Gcs).below("a/prefix");
    place.secrets = vec![("GOOGLE_APPLICATION_CREDENTIALS", key.to_str().expect("UTF-8").to_owned())];
    keeps_it(&place);
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
    // The servers of the tests have no TLS.
    options.set("allow-http=true").expect("an option");
    signed(&store, &options);
}

/// What URLs do that the store has signed: each its own, for a time. Each server here checks that.
fn signed(store: &Store, options: &StoreOptions) {
    let names: Vec<_> = (0..2).map(|n| ObjectName::Mail { session: [7; 16], n, hash: ObjectHash([n; 32]) }).collect();
    let sign = |access: [Access; 2], seconds| {
        let wanted: Vec<_> = access.into_iter().zip(names.iter().copied()).collect();
        store.sign(&wanted, Duration::from_secs(seconds))
    };
    let urls = match sign([Access::Put, Access::Put], 600) {
        Err(SignError::NoKey { .. }) => {
            return assert_eq!(store.credential(), Some("GOOGLE_ACCESS_TOKEN of the environment"));
        }
        urls => urls.expect("URLs"),
    };
    let open = |urls: &[String]| SignedUrls::open(urls, &names, NEVER, options).expect("URLs");
    let bytes = Bytes::from_static(b"a flight");
    let put = |urls: &[String]| open(urls).put_once(0, Bytes::from_static(b"a flight"));
    assert_eq!(open(&sign([Access::Get, Access::Get], 600).expect("URLs")).get(0).expect("asked"), None);
    put(&urls).expect("put");
    put(&urls).expect("put over it");
    assert!(!store.exists(&names[1]).expect("asked"));
    let reads = sign([Access::Get, Access::Get], 600).expect("URLs");
    assert_eq!(open(&reads).get(0).expect("asked"), Some(bytes.clone()));
    assert_eq!(open(&reads).get(1).expect("asked"), None);

    assert!(matches!(put(&reads), Err(SignedUrlError::Refused { .. })), "who may read writes");
    let other = [urls[1].clone(), urls[0].clone()];
    assert!(SignedUrls::open(&other, &names, NEVER, options).is_err(), "one object by the signature of another");
    let flipped = |url: &String| {
        let at = url.find("ignature=").map_or_else(|| url.find("sig=").expect("signed") + 4, |at| at + 9);
        let digit = if url.as_bytes()[at] == b'a' { "b" } else { "a" };
        [&url[..at], digit, &url[at + 1..]].concat()
    };
    let forged: Vec<_> = urls.iter().map(flipped).collect();
    assert!(matches!(put(&forged), Err(SignedUrlError::Refused { .. })), "a forged signature writes");
    let short = sign([Access::Put, Access::Put], 1).expect("URLs");
    std::thread::sleep(Duration::from_secs(3));
    let opened = SignedUrls::open(&short, &names, zvault::now().secs.unsigned_abs() - 2, options).expect("URLs");
    let error = opened.put_once(0, bytes).expect_err("an old signature writes");
    assert!(matches!(error, SignedUrlError::Expired { .. }), "{error}");
    // Whose clock is behind is told by all but Azurite, which says no more than that it refuses.
    let is_told = matches!(put(&short), Err(SignedUrlError::Expired { .. }));
    assert!(is_told || store.label().starts_with("az://"));
    store.delete(&names[0]).expect("deleted");
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

const NEVER: u64 = u64::MAX;
const URL: &str = "STORES_TEST_URL";
const OPTIONS: &str = "STORES_TEST_OPTIONS";
