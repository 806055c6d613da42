//! Pushes that fail and are killed at every write, and what is left of them.

use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crypto_backends::rustcrypto::lower_kdf_floors_for_tests;
use object_store::memory::InMemory;
use vault_format::frame::Frame;
use vault_format::log::{EntryObject, Payload};
use vault_format::name::{ObjectName, PackName, prefix};
use vault_format::{ChunkId, Content, DeviceId, Identity, Kind, ObjectHash, Scope, Suite};

use super::spare::Spare;
use super::upload::Uploader;
use super::{PushError, PushOptions, PushReport, StreamOptions, push};
use crate::keys::Passphrase;
use crate::log::SnapshotInfo;
use crate::manifest::{ChunkSource, LeafWalk, ListRoot, Part, TreeRoot, walk_list};
use crate::stage::testing::{random_bytes, text_bytes};
use crate::state::Home;
use crate::store::faults::{Fault, Faults, Operation};
use crate::store::{Store, StoreOptions};
use crate::vault::{ChunkError, InitOptions, OpenOptions, Purpose, Unlock, UnlockSecret, Vault};
use crate::watch::{Event, Watch};
use vault_format::pack::ChunkType;

/// A vault on a store that fails on demand, and a source.
struct World {
    folder: tempfile::TempDir,
    faults: Faults,
    objects: Arc<dyn object_store::ObjectStore>,
    home: Arc<Home>,
}

struct Passphrases;

impl Unlock for Passphrases {
    fn unlock(&mut self, _url: &str) -> Result<UnlockSecret, String> {
        Ok(UnlockSecret::Passphrase(passphrase()))
    }
}

fn passphrase() -> Passphrase {
    Passphrase::new("correct horse").expect("a passphrase")
}

impl World {
    fn new() -> (Self, Vault) {
        lower_kdf_floors_for_tests();
        let folder = tempfile::tempdir().expect("a folder");
        let faults = Faults::new();
        let objects = faults.wrap(Arc::new(InMemory::new()));
        let home = Arc::new(Home::open(&folder.path().join("home")).expect("a home"));
        let world = Self { folder, faults, objects, home };
        fs::create_dir_all(world.source()).expect("made");
        let made = Vault::init_on(
            world.store(),
            URL.into(),
            InitOptions {
                url: URL,
                store: StoreOptions::default(),
                home: &world.home,
                passphrase: passphrase(),
                words: false,
                device_name: "tester".into(),
                low_memory: false,
                suite: Suite::Default,
                cache: Some(&world.cache()),
            },
        )
        .expect("a vault");
        world.faults.reset();
        let mut vault = made.vault;
        vault.progress_after_each_pack = true;
        (world, vault)
    }

    fn source(&self) -> PathBuf {
        self.folder.path().join("source")
    }

    fn cache(&self) -> PathBuf {
        self.folder.path().join("cache")
    }

    fn store(&self) -> Store {
        Store::from_object_store(self.objects.clone(), URL).expect("a store")
    }

    /// Opened as this machine's device, with its local copies.
    fn open(&self) -> Vault {
        let id = self.home.vaults().expect("listed")[0];
        let state = self.home.device(id).expect("read");
        let (cache, mut unlock) = (self.cache(), Passphrases);
        let options = self.open_options(Some(&cache), &mut unlock);
        let mut vault = Vault::open_on(self.store(), URL.into(), Some(state), options).expect("opens");
        vault.progress_after_each_pack = true;
        vault
    }

    /// As somebody who knows the passphrase and has nothing else: no state, no cache.
    fn open_elsewhere(&self) -> Vault {
        Vault::open_on(self.store(), URL.into(), None, self.open_options(None, &mut Passphrases)).expect("opens")
    }

    fn open_options<'a>(&'a self, cache: Option<&'a Path>, unlock: &'a mut dyn Unlock) -> OpenOptions<'a> {
        OpenOptions {
            url: Some(URL),
            store: StoreOptions::default(),
            stores: Vec::new(),
            vault: None,
            home: &self.home,
            cache,
            device_name: "other".into(),
            enroll: false,
            seen: Vec::new(),
            accept_loss: false,
            accept_rollback: false,
            purpose: Purpose::Read,
            unlock,
        }
    }

    fn options(&self) -> PushOptions {
        PushOptions { paths: vec![self.source()], host: "host".into(), workers: Some(3), ..PushOptions::default() }
    }

    fn push(&self, vault: &mut Vault) -> Result<PushReport, PushError> {
        push(vault, &self.options(), &Watch::new())
    }

    fn write(&self, name: &str, bytes: &[u8]) {
        let path = self.source().join(name);
        fs::create_dir_all(path.parent().expect("a folder")).expect("made");
        fs::write(path, bytes).expect("written");
    }

    /// Two data packs, a tree pack, inline content, lists.
    fn fill(&self) {
        for n in 0..40 {
            self.write(&format!("small/{n:02}"), &text_bytes(n, 40 * n as usize));
        }
        self.write("medium", &text_bytes(77, 600_000));
        self.write("large", &random_bytes(78, 17 << 20));
    }

    /// Every snapshot is whole, also for somebody else; gives their number.
    fn verify(&self) -> usize {
        let vault = self.open_elsewhere();
        let snapshots = vault.snapshots();
        for info in &snapshots {
            read_all(&vault, info);
        }
        snapshots.len()
    }

    /// The newest snapshot holds the source as it is on disk.
    fn verify_newest(&self, id: Identity) {
        let vault = self.open_elsewhere();
        let info = vault.snapshots().into_iter().find(|info| info.id == id).expect("the snapshot is there");
        let read = read_all(&vault, &info);
        let mut files = 0;
        let mut folders = vec![self.source()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).expect("listed") {
                let path = entry.expect("an entry").path();
                if path.is_dir() {
                    folders.push(path);
                    continue;
                }
                if path.extension().is_some_and(|end| end.as_encoded_bytes().ends_with(b"-shm")) {
                    // SQLite makes it when it looks at a database.
                    continue;
                }
                let name = path.strip_prefix(self.source()).expect("below").to_str().expect("text").to_owned();
                assert!(read.get(&name).is_some_and(|bytes| *bytes == fs::read(&path).expect("read")), "{name}");
                files += 1;
            }
        }
        assert_eq!(files, read.len());
    }
}

/// The content of all files of a snapshot, every chunk of it read back.
fn read_all(vault: &Vault, info: &SnapshotInfo) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    let chunks = vault.chunks(Scope::VAULT);
    for source in &info.snapshot.sources {
        let root = TreeRoot {
            id: source.root.expect("a root"),
            level: source.level,
            entries: source.entries,
            bytes: source.bytes,
        };
        for leaf in LeafWalk::new(&chunks, root, Part::All) {
            for entry in leaf.expect("a leaf").entries {
                let stored = entry.size - entry.holes.iter().map(|(_, len)| len).sum::<u64>();
                let bytes = match entry.content {
                    Content::Empty => Vec::new(),
                    Content::Inline(bytes) => bytes,
                    Content::List { chunking, depth, root } => {
                        let mut bytes = Vec::new();
                        for chunk in walk_list(&chunks, chunking, ListRoot { depth, root: ChunkId(root) }, stored)
                            .expect("a list")
                        {
                            let (_, id, _) = chunk.expect("a chunk");
                            bytes.extend_from_slice(&chunks.get(&id, ChunkType::File).expect("its bytes"));
                        }
                        bytes
                    }
                };
                assert_eq!(bytes.len() as u64, stored);
                if entry.kind == Kind::File {
                    files.insert(String::from_utf8(entry.path).expect("text"), bytes);
                }
            }
        }
    }
    files
}

/// How many writes an undisturbed push makes.
fn writes_of_a_push() -> u64 {
    let (world, mut vault) = World::new();
    world.fill();
    let report = world.push(&mut vault).expect("pushed");
    let writes = world.faults.count(Operation::Put);
    world.verify_newest(report.snapshot.expect("a snapshot"));
    assert!(writes >= 7, "{writes}: several packs, and more than one delta with its entry");
    writes
}

/// Fails the `n`-th write of a push for every n; what a second push of the same process and what one of the next does.
fn at_every_write(fault: Fault, same_process: bool) {
    for n in 1..=writes_of_a_push() {
        let (world, mut vault) = World::new();
        world.fill();
        world.faults.at(Operation::Put, n, fault);
        let failed = world.push(&mut vault);
        let stored = world.faults.count(Operation::Put);
        if failed.is_ok() {
            // Packs that arrive together share a delta and an entry: this time there were fewer writes.
            assert!(stored < n, "write {n}");
            continue;
        }
        // What was under way is finished: a pack, its delta and its entry, twice.
        assert!(stored <= n + 6, "write {n}: {stored} writes");
        world.faults.reset();
        let before = world.verify();
        assert!(before == 0 || fault == Fault::KillAfter || fault == Fault::LoseReply, "write {n}: half a snapshot");

        let mut vault = if same_process {
            vault
        } else {
            drop(vault);
            world.open()
        };
        let report = world.push(&mut vault).unwrap_or_else(|error| panic!("after write {n}: {error:?}"));
        world.verify_newest(report.snapshot.expect("a snapshot"));
        assert_eq!(world.verify(), before + 1);
        drop(vault);
        let again = world.push(&mut world.open()).expect("pushed");
        assert_eq!((again.data_chunks, again.files_changed, again.files_new), (0, 0, 0), "after write {n}");
        world.verify_newest(again.snapshot.expect("a snapshot"));
    }
}

#[test]
fn killed_before_every_write() {
    at_every_write(Fault::KillBefore, false);
}

#[test]
fn killed_after_every_write() {
    at_every_write(Fault::KillAfter, false);
}

#[test]
fn no_space_at_every_write() {
    at_every_write(Fault::NoSpace, false);
}

#[test]
fn failed_at_every_write_and_pushed_again_by_the_same_process() {
    at_every_write(Fault::KillBefore, true);
    at_every_write(Fault::KillAfter, true);
}

#[test]
fn interrupted_twice_and_nothing_is_stored_twice() {
    let (world, mut vault) = World::new();
    world.fill();
    // The first pack is stored, and its delta is not: only the journal knows of it. The same once more with the next.
    for n in [2, 2] {
        world.faults.at(Operation::Put, n, Fault::KillBefore);
        world.push(&mut vault).expect_err("killed");
        world.faults.reset();
        drop(vault);
        vault = world.open();
    }
    let report = world.push(&mut vault).expect("pushed");
    assert!(report.resumed_packs >= 1, "{}", report.resumed_packs);
    world.verify_newest(report.snapshot.expect("a snapshot"));
    let mut packed = HashSet::new();
    for name in objects(&world.store()) {
        if let ObjectName::Pack(pack) = name {
            let size = vault.store().head(&name).expect("asked").expect("there");
            for chunk in vault.footer(&pack, size).expect("a footer").iter().flat_map(|segment| &segment.chunks) {
                assert!(packed.insert(chunk.id), "{} is stored twice", chunk.id);
            }
        }
    }
}

#[test]
fn a_damaged_pack_of_an_interrupted_push_is_stored_again() {
    let (world, mut vault) = World::new();
    world.fill();
    world.faults.at(Operation::Put, 2, Fault::KillBefore);
    world.push(&mut vault).expect_err("killed");
    world.faults.reset();
    drop(vault);
    let mut damaged = 0;
    for name in objects(&world.store()) {
        if let ObjectName::Pack(_) = name {
            let mut bytes = world.store().get_unverified(&name).expect("read").to_vec();
            // Where neither its head nor its end is: a frame of a large file, or what fills it up.
            let middle = bytes.len() / 3;
            bytes[middle] ^= 1;
            world.store().delete(&name).expect("deleted");
            world.store().put(&name, bytes.into()).expect("put");
            damaged += 1;
        }
    }
    assert!(damaged > 0);
    let report = world.push(&mut world.open()).expect("pushed");
    assert_eq!(report.resumed_packs, 0);
    world.verify_newest(report.snapshot.expect("a snapshot"));
}

#[test]
fn an_uploader_that_panics_ends_the_push() {
    for n in 1..=3 {
        let (world, mut vault) = World::new();
        world.fill();
        world.faults.at(Operation::Put, n, Fault::Panic);
        let error = world.push(&mut vault).expect_err("panicked");
        assert!(matches!(error, PushError::Panicked), "put {n}: {error:?}");
        world.faults.reset();
        assert_eq!(world.verify(), 0, "put {n}");
        drop(vault);
        let report = world.push(&mut world.open()).expect("pushed");
        world.verify_newest(report.snapshot.expect("a snapshot"));
    }
}

/// One of three uploaders panics. Whoever waits for a buffer is told, and the others end, although packs may still come.
#[test]
fn nobody_waits_for_an_uploader_that_panicked() {
    let (world, vault) = World::new();
    world.faults.always(Operation::Put, Fault::Panic);
    // Not ended by the end of the test: what waits for ever must not keep it from failing.
    let vault: &'static Vault = Box::leak(Box::new(vault));
    let buffers: &'static Spare = Box::leak(Box::new(Spare::new(1)));
    let bytes = buffers.take();
    let (to_store, packs) = crossbeam_channel::bounded(0);
    let (told, waiting) = std::sync::mpsc::channel();
    let also = told.clone();
    std::thread::spawn(move || {
        let watch: &'static Watch<'static> = Box::leak(Box::new(Watch::new()));
        let run = || Uploader::new(vault, watch).run(packs, buffers);
        let ended = std::panic::catch_unwind(std::panic::AssertUnwindSafe(run));
        also.send(ended.is_err())
    });
    std::thread::spawn(move || {
        buffers.take();
        told.send(true)
    });
    let name = PackName { tree: false, device: vault.device_id(), hash: ObjectHash([1; 32]) };
    let pack = crate::stage::FullPack { name, bytes, segments: Vec::new() };
    to_store.send(pack).expect("somebody stores packs");
    for _ in 0..2 {
        assert!(waiting.recv_timeout(HANGS).expect("one of the two waits for ever"));
    }
}

#[test]
fn dry_run_leaves_no_claims_behind() {
    let (world, mut vault) = World::new();
    world.fill();
    let writes = world.faults.count(Operation::Put);
    let report = push(&mut vault, &PushOptions { dry_run: true, ..world.options() }, &Watch::new()).expect("ran");
    assert!(report.snapshot.is_none() && report.data_chunks > 0);
    assert_eq!(world.faults.count(Operation::Put), writes);
    let report = world.push(&mut vault).expect("pushed");
    world.verify_newest(report.snapshot.expect("a snapshot"));
}

#[test]
fn a_lost_table_is_stored_anew() {
    let (world, mut vault) = World::new();
    world.fill();
    world.push(&mut vault).expect("pushed");
    drop(vault);
    for name in objects(&world.store()) {
        if matches!(name, ObjectName::Delta { .. }) {
            world.store().delete(&name).expect("deleted");
        }
    }
    fs::remove_dir_all(world.cache()).expect("removed");
    let notes = std::sync::Mutex::new(Vec::new());
    let on_event = |event: Event<'_>| {
        if let Event::Note(note) = event {
            notes.lock().expect("no panic").push(note.to_owned());
        }
    };
    let mut vault = world.open();
    let report = push(&mut vault, &world.options(), &Watch::with_events(&on_event)).expect("pushed");
    assert!(notes.lock().expect("no panic").iter().any(|note| note.contains("stored again")));
    // Files that look unchanged as well: their chunks were in the lost tables.
    world.verify_newest(report.snapshot.expect("a snapshot"));
}

#[test]
fn short_and_empty_streams() {
    let (world, mut vault) = World::new();
    for len in [0, 1, 256, 257, 3 << 20, (3 << 20) + 1] {
        let file = world.folder.path().join("stream");
        fs::write(&file, text_bytes(5, len)).expect("written");
        let argv = vec!["cat".into(), file.clone().into()];
        let stream = StreamOptions::Command { argv, filename: "out".into() };
        let options = PushOptions { stream: Some(stream), ..PushOptions::default() };
        let report = push(&mut vault, &options, &Watch::new()).expect("pushed");
        assert!(!report.partial, "{len} bytes");
        let reader = world.open_elsewhere();
        let info = reader.snapshots().into_iter().find(|info| Some(info.id) == report.snapshot).expect("there");
        let files = read_all(&reader, &info);
        assert_eq!(files.values().collect::<Vec<_>>(), [&text_bytes(5, len)], "{len} bytes");
    }
}

#[test]
fn what_looks_like_a_database_and_is_none() {
    let (world, mut vault) = World::new();
    for n in 0..4_u64 {
        let mut bytes = b"SQLite format 3\0\x10\x00\x01\x01\x00\x40\x20\x20".to_vec();
        bytes.extend(random_bytes(n, (2 << 20) - bytes.len()));
        world.write(&format!("db{n}.sqlite"), &bytes);
        // One worker reads it in runs. Without a border in it, the first run has 1 MiB, and little is left for the second.
        world.write(&format!("db{n}.sqlite-wal"), &vec![7; (1 << 20) + 85 * n as usize]);
    }
    let report = world.push(&mut vault).expect("pushed");
    assert!(report.partial);
    world.verify_newest(report.snapshot.expect("a snapshot"));
}

#[test]
fn interrupted_pushes_end() {
    let (world, mut vault) = World::new();
    for n in 0..60_u64 {
        let path = world.source().join(format!("{n}.db"));
        fs::create_dir_all(world.source()).expect("made");
        let database = rusqlite::Connection::open(&path).expect("a database");
        database.execute_batch("CREATE TABLE t (x); INSERT INTO t VALUES (1);").expect("filled");
        drop(database);
        world.write(&format!("{n}.db-wal"), b"");
        world.write(&format!("{n}.db-journal"), b"");
    }
    for after in 0..40_u64 {
        let watch = Watch::new();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while watch.entries.load(std::sync::atomic::Ordering::Relaxed) < after * 3 {
                    std::hint::spin_loop();
                    if watch.stopped() {
                        return;
                    }
                }
                watch.stop();
            });
            let pushed = push(&mut vault, &PushOptions { force: true, ..world.options() }, &watch);
            watch.stop();
            assert!(matches!(pushed, Ok(_) | Err(PushError::Interrupted)), "{pushed:?}");
        });
    }
    world.verify();
}

#[test]
fn no_nonce_and_no_synthetic_part_repeats() {
    let (world, mut vault) = World::new();
    world.fill();
    for n in 0..4 {
        world.write(&format!("more/{n}"), &random_bytes(900 + n, 400_000));
        world.push(&mut vault).expect("pushed");
    }
    // The same content pushed into packs anew, and failures between.
    world.faults.reset();
    world.write("last", &random_bytes(999, 300_000));
    world.faults.at(Operation::Put, 2, Fault::KillBefore);
    world.push(&mut vault).expect_err("killed");
    world.faults.reset();
    world.push(&mut vault).expect("pushed");

    let (mut nonces, mut keys, mut salts, mut frames) = (HashSet::new(), HashSet::new(), HashSet::new(), 0);
    for name in objects(&world.store()) {
        let stored = vault.store().get_unverified(&name).expect("read");
        let header = vault_format::Header::parse(&stored).expect("a header");
        assert!(salts.insert(header.salt), "a salt, and with it a key, is used twice");
        let mut take = |frame: &[u8]| {
            let frame = Frame::split(Suite::Default, frame).expect("a frame");
            assert!(nonces.insert(frame.nonce.to_vec()), "{}", name.to_path());
            assert!(keys.insert((header.salt, *frame.syn)), "{}", name.to_path());
            frames += 1;
        };
        match name {
            ObjectName::Pack(pack) => {
                for segment in vault.footer(&pack, stored.len() as u64).expect("a footer") {
                    let start = segment.offset as usize;
                    take(&stored[start..start + segment.frame_len as usize]);
                }
            }
            ObjectName::Log { .. } => {
                let object = EntryObject::parse(&stored, Suite::Default).expect("an entry");
                take(&stored[object.prefix_len + 32..object.signed_len]);
            }
            ObjectName::Delta { .. } | ObjectName::Shard { .. } => take(&stored[header.sealed_len() + 32..]),
            _ => {}
        }
    }
    assert!(frames > 40, "{frames}");
}

#[test]
fn a_lost_chunk_is_an_error_and_no_panic() {
    let (world, mut vault) = World::new();
    world.fill();
    let report = world.push(&mut vault).expect("pushed");
    for name in objects(&world.store()) {
        if matches!(name, ObjectName::Pack(pack) if !pack.tree) {
            world.store().delete(&name).expect("deleted");
        }
    }
    let reader = world.open_elsewhere();
    let info = reader.snapshots().into_iter().find(|info| Some(info.id) == report.snapshot).expect("there");
    let chunks = reader.chunks(Scope::VAULT);
    let source = &info.snapshot.sources[0];
    let root = TreeRoot {
        id: source.root.expect("a root"),
        level: source.level,
        entries: source.entries,
        bytes: source.bytes,
    };
    let mut lost = 0;
    for entry in LeafWalk::new(&chunks, root, Part::All).flat_map(|leaf| leaf.expect("trees are there").entries) {
        if let Content::List { depth: 0, root, .. } = entry.content {
            assert!(matches!(chunks.get(&ChunkId(root), ChunkType::File), Err(ChunkError::Store { .. })));
            lost += 1;
        }
    }
    assert!(lost > 0);
}

#[test]
fn many_pushes_merge_their_tables() {
    let (world, mut vault) = World::new();
    let mut merged = false;
    for n in 0..20_u64 {
        world.write(&format!("{n}"), &random_bytes(n, 3000));
        let report = world.push(&mut vault).expect("pushed");
        assert_eq!((report.files_new, report.files_changed), (1, 0));
        merged |= vault.log().entries().any(|entry| matches!(entry.body.payload, Payload::Index(_)));
        if n > 16 {
            world.verify_newest(report.snapshot.expect("a snapshot"));
        }
    }
    assert!(merged);
    // With the local copy, with none, and with one that was made from shards.
    assert_eq!(world.verify(), 20);
    fs::remove_dir_all(world.cache()).expect("removed");
    drop(vault);
    world.push(&mut world.open()).expect("pushed");
    assert_eq!(world.push(&mut world.open()).expect("pushed").data_chunks, 0);
}

#[test]
fn junk_in_every_prefix_changes_nothing() {
    let (world, mut vault) = World::new();
    world.fill();
    world.push(&mut vault).expect("pushed");
    let device = vault.device_id();
    let bytes = random_bytes(5, 4096);
    for hash in [vault.hash(&bytes), [9; 32]].map(ObjectHash) {
        for name in [
            ObjectName::Log { device, seq: u64::MAX, hash },
            ObjectName::Log { device, seq: 0, hash },
            ObjectName::Log { device: DeviceId([3; 16]), seq: 1, hash },
            ObjectName::Delta { device, hash },
            ObjectName::Shard { device, hash },
            ObjectName::Pack(PackName { tree: false, device, hash }),
            ObjectName::Pack(PackName { tree: true, device, hash }),
        ] {
            world.store().put(&name, bytes.clone().into()).expect("put");
        }
    }
    // A genuine entry under another number and another device.
    let names = objects(&world.store());
    let log = names.iter().find_map(|name| match name {
        ObjectName::Log { hash, seq: 1, .. } if hash.0 != [9; 32] => Some((*name, *hash)),
        _ => None,
    });
    let (name, hash) = log.expect("an entry");
    let entry = world.store().get_unverified(&name).expect("read");
    for name in [ObjectName::Log { device, seq: 77, hash }, ObjectName::Log { device: DeviceId([3; 16]), seq: 1, hash }]
    {
        world.store().put(&name, entry.clone()).expect("put");
    }
    world.write("new", b"more");
    for mut vault in [vault, world.open()] {
        let report = world.push(&mut vault).expect("pushed");
        assert!(!report.partial);
        world.verify_newest(report.snapshot.expect("a snapshot"));
    }
}

#[test]
fn a_log_that_lost_an_entry_is_noticed() {
    let (world, mut vault) = World::new();
    world.write("one", b"1");
    world.push(&mut vault).expect("pushed");
    world.push(&mut vault).expect("pushed");
    drop(vault);
    let store = world.store();
    let logs: Vec<_> = objects(&store).into_iter().filter(|name| matches!(name, ObjectName::Log { .. })).collect();
    for name in [logs[0], logs[logs.len() / 2], logs[logs.len() - 1]] {
        let bytes = store.get_unverified(&name).expect("read");
        store.delete(&name).expect("deleted");
        let id = world.home.vaults().expect("listed")[0];
        let state = world.home.device(id).expect("read");
        let mut unlock = Passphrases;
        let options = world.open_options(None, &mut unlock);
        let error = Vault::open_on(world.store(), URL.into(), Some(state), options).err().expect("noticed");
        assert_eq!(error.trouble(), crate::Trouble::Integrity);
        store.put(&name, bytes).expect("put back");
    }
    world.push(&mut world.open()).expect("pushed");
}

#[test]
fn two_pushes_of_one_device() {
    let (world, mut vault) = World::new();
    world.write("one", b"1");
    world.push(&mut vault).expect("pushed");
    let mut other = world.open();
    let error = world.push(&mut other).expect_err("busy");
    assert_eq!(error.trouble(), crate::Trouble::Busy);
    world.push(&mut vault).expect("pushed");
    drop(vault);
    // Opened before the other's last push: its log goes on where that ended.
    world.push(&mut other).expect("pushed");
    assert_eq!(other.log().heads(other.device_id()).len(), 1);
    assert_eq!(world.verify(), 3);
}

#[test]
fn pushes_without_a_device() {
    let (world, mut vault) = World::new();
    world.fill();
    world.push(&mut vault).expect("pushed");
    let mut one = world.open_elsewhere();
    let mut two = world.open_elsewhere();
    world.write("new", &random_bytes(3, 5000));
    world.push(&mut one).expect("pushed");
    let report = world.push(&mut two).expect("pushed");
    assert_eq!(report.data_chunks, 0);
    world.verify_newest(report.snapshot.expect("a snapshot"));
    assert_eq!(world.verify(), 3);
}

fn objects(store: &Store) -> Vec<ObjectName> {
    let listing = store.list(&prefix()).expect("listed");
    assert!(listing.strange.is_empty() && listing.leftovers.is_empty());
    listing.objects.iter().map(|object| object.name).collect()
}

const URL: &str = "memory://push-tests";
/// A bound for a failing test; nothing waits for it otherwise.
const HANGS: std::time::Duration = std::time::Duration::from_secs(60);
