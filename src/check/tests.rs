//! A small vault, harmed in every way, and what the check says of it.

use super::*;
use crate::keys::Passphrase;
use crate::push::{PushOptions, push};
use crate::state::Home;
use crate::store::StoreOptions;
use crate::vault::{InitOptions, OpenOptions, Purpose, Unlock, UnlockSecret};
use crypto_backends::rustcrypto::{lower_kdf_floors_for_tests, provider};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use vault_format::{ObjectName, Suite};

/// A vault with two snapshots of a folder: the second has one more file.
struct World {
    dir: tempfile::TempDir,
    home: Arc<Home>,
    vault: Vault,
}

struct Silent;

impl Unlock for Silent {
    fn unlock(&mut self, _: &str) -> Result<UnlockSecret, String> {
        Err("nobody is asked in these tests".into())
    }
}

impl World {
    fn new() -> Self {
        lower_kdf_floors_for_tests();
        let dir = tempfile::tempdir().expect("folder");
        let source = dir.path().join("source");
        fs::create_dir_all(source.join("sub/deep")).expect("mkdir");
        fs::write(source.join("a.bin"), random(3 << 20)).expect("write");
        fs::write(source.join("b.bin"), random(3 << 20)).expect("write");
        fs::write(source.join("empty"), "").expect("write");
        fs::write(source.join("inline"), "a few bytes").expect("write");
        for n in 0..700 {
            fs::write(source.join(format!("sub/deep/{n:04}")), format!("{n}").repeat(200)).expect("write");
        }
        let home = Arc::new(Home::open(&dir.path().join("home")).expect("home"));
        let url = dir.path().join("vault");
        let vault = Vault::init(InitOptions {
            url: url.to_str().expect("UTF-8"),
            store: StoreOptions::default(),
            home: &home,
            passphrase: Passphrase::new("correct horse").expect("passphrase"),
            words: true,
            device_name: "test".into(),
            low_memory: true,
            suite: Suite::Default,
            cache: None,
        });
        let mut world = Self { dir, home, vault: vault.expect("init").vault };
        world.push();
        fs::write(world.source().join("c.bin"), random(200_000)).expect("write");
        world.push();
        world
    }

    fn source(&self) -> PathBuf {
        self.dir.path().join("source")
    }

    fn push(&mut self) {
        let options = PushOptions { paths: vec![self.source()], host: "host".into(), ..PushOptions::default() };
        push(&mut self.vault, &options, &Watch::new()).expect("push");
    }

    /// As another process would open it: without anything in memory.
    fn reopen(&mut self) {
        let url = self.vault.url().to_owned();
        self.vault = Vault::open(OpenOptions {
            url: Some(&url),
            store: StoreOptions::default(),
            stores: Vec::new(),
            vault: None,
            home: &self.home,
            cache: None,
            device_name: "test".into(),
            enroll: true,
            seen: Vec::new(),
            accept_loss: false,
            accept_rollback: false,
            purpose: Purpose::Read,
            unlock: &mut Silent,
        })
        .expect("open");
    }

    fn check(&self, read_data: ReadData) -> CheckReport {
        check(&self.vault, &CheckOptions { read_data }, &Watch::new()).expect("check")
    }

    fn keyless(&self) -> KeylessReport {
        keyless(self.vault.url(), &StoreOptions::default(), &Watch::new()).expect("keyless")
    }

    fn path(&self, object: &str) -> PathBuf {
        self.dir.path().join("vault").join(object)
    }

    /// Objects whose paths begin so, oldest first.
    fn objects(&self, prefix: &str) -> Vec<String> {
        let listing = self.vault.store().list(&vault_format::name::prefix()).expect("list");
        let paths = listing.objects.iter().map(|object| object.name.to_path());
        let mut paths: Vec<_> = paths.filter(|path| path.starts_with(prefix)).collect();
        paths.sort_by_key(|path| fs::metadata(self.path(path)).and_then(|m| m.modified()).expect("metadata"));
        paths
    }

    fn write(&self, object: &str, bytes: &[u8]) {
        let path = self.path(object);
        fs::create_dir_all(path.parent().expect("parent")).expect("mkdir");
        let _ = fs::remove_file(&path);
        fs::write(path, bytes).expect("write");
    }

    fn read(&self, object: &str) -> Vec<u8> {
        fs::read(self.path(object)).expect("read")
    }

    fn flip(&self, object: &str, at: usize) {
        let mut bytes = self.read(object);
        bytes[at] ^= 1;
        self.write(object, &bytes);
    }

    fn full(&self, file: &str) -> Vec<u8> {
        self.source().join(file).into_os_string().into_encoded_bytes()
    }
}

fn random(len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    provider().random.fill(&mut bytes).expect("random");
    bytes
}

fn names(damage: &Damage) -> BTreeSet<&[u8]> {
    damage.files.iter().map(|(_, path)| &path[..]).collect()
}

fn only(report: &CheckReport) -> &Damage {
    assert!(!report.ok());
    assert_eq!(report.damaged.len(), 1, "{:#?}", report.damaged);
    &report.damaged[0]
}

#[test]
fn a_healthy_vault_is_healthy_and_every_object_is_counted() {
    let mut world = World::new();
    world.reopen();
    for read_data in [ReadData::No, ReadData::All] {
        let report = world.check(read_data);
        assert!(report.ok(), "{:#?}", report.damaged);
        assert_eq!(report.junk, [""; 0]);
        assert_eq!(report.notes, [""; 0]);
        assert_eq!(report.objects as usize, world.objects("zv1/").len());
        assert_eq!(report.packs as usize, world.objects("zv1/p/").len() + world.objects("zv1/t/").len());
        assert_eq!(report.packs_read, if read_data == ReadData::All { report.packs } else { 0 });
        assert_eq!((report.snapshots, report.unreferenced, report.leftovers), (2, 0, 0));
        assert_eq!(report.entries, 707 + 708, "root, two folders, and files");
        if read_data == ReadData::All {
            let bytes: u64 = world.objects("zv1/").iter().map(|path| world.read(path).len() as u64).sum();
            assert_eq!(report.bytes_read, bytes);
        }
    }
    let report = world.keyless();
    assert!(report.ok(), "{:#?}", report.damaged);
    assert_eq!(report.junk, [""; 0]);
    assert_eq!(report.vault, Some(world.vault.id()));
    assert_eq!((report.geneses, report.entries), (1, world.objects("zv1/l/").len() as u64));
    assert_eq!(report.records as usize, world.objects("zv1/r/").len());
    assert_eq!(report.objects as usize, world.objects("zv1/").len());
}

#[test]
fn what_several_snapshots_share_is_walked_once() {
    let mut world = World::new();
    let before = world.check(ReadData::No);
    assert!(before.nodes > 5);
    world.push();
    world.push();
    let after = world.check(ReadData::No);
    assert_eq!((after.snapshots, after.entries), (4, before.entries + 2 * 708));
    assert_eq!(after.nodes, before.nodes);
}

#[test]
fn one_flipped_byte_in_any_object_is_found_with_and_without_keys() {
    let world = World::new();
    for object in world.objects("zv1/") {
        let good = world.read(&object);
        for at in [0, 5, 60, 125, good.len() / 2, good.len() - 1] {
            world.flip(&object, at);
            let report = world.check(ReadData::All);
            let found: Vec<_> = report.damaged.iter().map(|damage| &damage.object).collect();
            assert_eq!(found, [&object], "byte {at}");
            let report = world.keyless();
            let found: Vec<_> = report.damaged.iter().map(|damage| &damage.object).collect();
            assert!(found.contains(&&object), "byte {at} of {object}: {found:?}");
            world.write(&object, &good);
        }
    }
    assert!(world.check(ReadData::All).ok());
}

#[test]
fn a_truncated_or_missing_object_is_found() {
    let world = World::new();
    for object in world.objects("zv1/") {
        let good = world.read(&object);
        world.write(&object, &good[..good.len() - 4096]);
        assert!(world.check(ReadData::All).damaged.iter().any(|damage| damage.object == object), "{object} truncated");
        assert!(world.keyless().damaged.iter().any(|damage| damage.object == object), "{object} truncated");
        fs::remove_file(world.path(&object)).expect("remove");
        if ["zv1/p/", "zv1/t/", "zv1/i/"].iter().any(|prefix| object.starts_with(prefix)) {
            let report = world.check(ReadData::No);
            let damage = report.damaged.iter().find(|damage| damage.object == object).expect(&object);
            assert!(damage.reason.contains("missing"), "{}", damage.reason);
        }
        world.write(&object, &good);
    }
}

#[test]
fn only_files_in_the_damaged_segment_suffer() {
    let mut world = World::new();
    world.reopen();
    let packs = world.objects("zv1/p/");
    let (first, second) = (&packs[0], &packs[1]);
    let good = world.read(first);
    let (a, b, c) = (world.full("a.bin"), world.full("b.bin"), world.full("c.bin"));
    let mut of_one_file = 0;
    for at in (64 << 10..6 << 20).step_by(512 << 10) {
        world.flip(first, at);
        assert!(world.check(ReadData::No).ok(), "nobody looked");
        let report = world.check(ReadData::All);
        let damage = only(&report);
        assert!(damage.reason.contains("hash in its name") && damage.reason.contains("segment"), "{}", damage.reason);
        let named = names(damage);
        assert!(!named.is_empty() && !named.contains(&c[..]), "{named:?}");
        assert_eq!((damage.files.len() as u64 + damage.more_files) % 2, 0, "in both snapshots");
        of_one_file += usize::from(named == BTreeSet::from([&a[..]]) || named == BTreeSet::from([&b[..]]));
        world.write(first, &good);
    }
    // Which segments hold parts of two files depends on which worker came first; no order mixes all of them.
    assert!(of_one_file > 0, "every damage named more than one large file");

    // The padding is nobody's, and damaged all the same.
    let padded = world.read(second);
    world.flip(second, padded.len() * 7 / 8);
    let report = world.check(ReadData::All);
    assert_eq!(only(&report).files, []);
    world.write(second, &padded);

    fs::remove_file(world.path(second)).expect("remove");
    let report = world.check(ReadData::No);
    let newest = world.vault.snapshots()[1].short();
    assert_eq!(only(&report).files, [(newest, c)], "not in the first snapshot");
}

#[test]
fn many_files_of_one_missing_pack_are_counted() {
    let world = World::new();
    let first = &world.objects("zv1/p/")[0];
    fs::remove_file(world.path(first)).expect("remove");
    let report = world.check(ReadData::No);
    let damage = only(&report);
    assert_eq!(damage.files.len(), 20);
    // 702 files of each snapshot; those of up to 256 bytes are in their entries.
    assert!((2 * 690..=2 * 702).contains(&(20 + damage.more_files)), "{}", damage.more_files);
}

#[test]
fn exchanged_packs_are_found_and_their_files_named() {
    let world = World::new();
    let packs = world.objects("zv1/p/");
    let (first, second) = (world.read(&packs[0]), world.read(&packs[1]));
    world.write(&packs[0], &second);
    world.write(&packs[1], &first);
    let report = world.check(ReadData::All);
    let found: BTreeSet<_> = report.damaged.iter().map(|damage| damage.object.as_str()).collect();
    assert_eq!(found, BTreeSet::from([packs[0].as_str(), packs[1].as_str()]));
    let of_second = report.damaged.iter().find(|damage| damage.object == packs[1]).expect("found");
    assert_eq!(names(of_second), BTreeSet::from([&world.full("c.bin")[..]]));
    let found: Vec<_> = world.keyless().damaged.into_iter().map(|damage| damage.object).collect();
    assert_eq!(found.len(), 2);
}

#[test]
fn a_lost_part_of_the_tree_is_named_as_a_range() {
    let mut world = World::new();
    // The tree of the first push, which the second relies on for all that did not change.
    let root = world.vault.snapshots()[0].snapshot.sources[0].root.expect("a root");
    let places = world.vault.index().expect("index").locate(&root).expect("locates");
    let first = ObjectName::Pack(places[0].pack).to_path();
    fs::remove_file(world.path(&first)).expect("remove");
    world.reopen();
    let report = world.check(ReadData::No);
    let damage = report.damaged.iter().find(|damage| damage.object == first).expect("found");
    let total: u64 = damage.files.len() as u64 + damage.more_files;
    assert!(total >= 707, "{total}");
    let ranges: Vec<_> = damage.files.iter().filter(|(_, path)| path.starts_with(b"everything ")).collect();
    let oldest = world.vault.snapshots()[0].short();
    let all = [&b"everything in "[..], &world.source().into_os_string().into_encoded_bytes()].concat();
    assert!(
        ranges.contains(&&(oldest, all)),
        "{ranges:?} of {:?}",
        damage.files.iter().map(|(s, p)| (s, String::from_utf8_lossy(p))).collect::<Vec<_>>()
    );
    let snapshots: BTreeSet<_> = damage.files.iter().map(|(snapshot, _)| snapshot.as_str()).collect();
    assert_eq!(snapshots.len(), 2, "both snapshots rely on it: {:?}", damage.files);
}

#[test]
fn without_a_table_of_the_index_the_files_that_need_it_are_named() {
    let mut world = World::new();
    // That of the first push, by far the larger one.
    let first = world.objects("zv1/i/").into_iter().max_by_key(|path| world.read(path).len()).expect("a delta");
    fs::remove_file(world.path(&first)).expect("remove");
    world.reopen();
    let report = world.check(ReadData::No);
    let damage = report.damaged.iter().find(|damage| damage.object == first).expect("found");
    // As single files where the tree can still be read, as ranges where it cannot: which, the random cuts decide.
    let total = damage.files.len() as u64 + damage.more_files;
    assert!(total >= 700, "{total}");
}

#[test]
fn what_anybody_can_put_there_is_told_and_no_damage() {
    let world = World::new();
    let device = world.vault.device_id();
    let mut planted = Vec::new();
    for prefix in ["zv1/l/DEV/00000000000000ff-", "zv1/p/DEV/", "zv1/t/DEV/", "zv1/i/DEV/", "zv1/r/00000009-"] {
        let mut bytes = random(64 << 10);
        // Where a header has its suite: no header, no say.
        bytes[5] = 2;
        let hash = vault_format::ObjectHash(provider().hash.hash(&[&bytes]));
        let path = format!("{}{hash}", prefix.replace("DEV", &device.to_string()));
        assert!(ObjectName::parse(&path).is_some());
        world.write(&path, &bytes);
        planted.push(path);
    }
    world.write("zv1/r/readme.txt", b"hello");
    world.write(&format!("{}#1", planted[1]), b"half");
    let mut world = world;
    world.reopen();
    let report = world.check(ReadData::All);
    assert!(report.ok(), "{:#?}", report.damaged);
    assert_eq!((report.unreferenced, report.unreferenced_bytes, report.leftovers), (2, 128 << 10, 1));
    let told = |junk: &[String], path: &str| junk.iter().any(|line| line.starts_with(path));
    for path in
        planted.iter().filter(|path| !path.starts_with("zv1/i/")).map(String::as_str).chain(["zv1/r/readme.txt"])
    {
        assert!(told(&report.junk, path), "{path} in {:#?}", report.junk);
    }
    let report = world.keyless();
    assert!(report.ok(), "{:#?}", report.damaged);
    for path in planted.iter().map(String::as_str).chain(["zv1/r/readme.txt"]) {
        assert!(told(&report.junk, path), "{path} in {:#?}", report.junk);
    }
}

#[test]
fn without_keys_a_deleted_entry_shows_if_its_successor_is_there() {
    let world = World::new();
    let entries = world.objects("zv1/l/");
    let good = world.read(&entries[0]);
    fs::remove_file(world.path(&entries[0])).expect("remove");
    let report = world.keyless();
    assert_eq!(report.damaged.len(), 1);
    assert!(report.damaged[0].reason.contains("missing"), "{}", report.damaged[0].reason);
    world.write(&entries[0], &good);

    // A signature of nobody: the name fits the bytes, and the entry counts for nothing.
    let last = entries.last().expect("entries");
    let mut forged = world.read(last);
    let end = forged.len() - 1;
    forged[end] ^= 1;
    let hash = vault_format::ObjectHash(provider().hash.hash(&[&forged]));
    let path = format!("{}{hash}", &last[..last.len() - 64]);
    world.write(&path, &forged);
    let report = world.keyless();
    assert!(report.ok());
    assert!(report.junk.iter().any(|line| line.starts_with(&path) && line.contains("signature")), "{:?}", report.junk);
}

#[test]
fn a_place_without_a_vault_is_said_to_be_one() {
    let dir = tempfile::tempdir().expect("folder");
    let at = |path: &Path| keyless(path.to_str().expect("UTF-8"), &StoreOptions::default(), &Watch::new());
    assert!(matches!(at(dir.path()), Err(CheckError::NoVault { .. })));
    assert!(matches!(at(&dir.path().join("missing")), Err(CheckError::NoVault { .. })));
    assert!(matches!(keyless("", &StoreOptions::default(), &Watch::new()), Err(CheckError::Url(_))));
}

#[test]
fn a_check_can_be_stopped_and_parts_add_up() {
    let world = World::new();
    let watch = Watch::new();
    watch.stop();
    assert!(matches!(check(&world.vault, &CheckOptions::default(), &watch), Err(CheckError::Interrupted)));
    assert!(matches!(keyless(world.vault.url(), &StoreOptions::default(), &watch), Err(CheckError::Interrupted)));
    let read = |n| world.check(ReadData::Subset(Subset::Nth { n, t: 3 })).packs_read;
    assert_eq!(read(1) + read(2) + read(3), world.check(ReadData::No).packs);
    assert_eq!(world.check(ReadData::Subset(Subset::Bytes(1))).packs_read, 1);
    let nonsense = CheckOptions { read_data: ReadData::Subset(Subset::Percent(0.0)) };
    assert!(matches!(check(&world.vault, &nonsense, &Watch::new()), Err(CheckError::Subset(_))));
}

#[test]
fn progress_reaches_its_totals() {
    use std::sync::Mutex;
    use std::sync::atomic::Ordering::Relaxed;
    let world = World::new();
    let phases = Mutex::new(Vec::new());
    let on_event = |event: Event<'_>| {
        if let Event::Phase(phase) = event {
            phases.lock().expect("no panic").push(phase);
        }
    };
    let watch = Watch::with_events(&on_event);
    check(&world.vault, &CheckOptions { read_data: ReadData::All }, &watch).expect("check");
    assert_eq!(watch.bytes.load(Relaxed), watch.total_bytes.load(Relaxed));
    assert_eq!(watch.entries.load(Relaxed), watch.total_entries.load(Relaxed));
    assert_eq!(*phases.lock().expect("no panic"), ["structure", "data", "snapshots"]);
}
