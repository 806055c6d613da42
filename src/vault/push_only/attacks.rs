//! What an attacker has who has a push-only device, and what others make of what it does.

use super::flow::fill;
use super::*;
use crate::Trouble;
use crate::check::{CheckOptions, CheckReport, ReadData, check};
use crate::roster::sign;
use crate::stage::testing::random_bytes;
use crate::stage::{PackError, PackHead, PackKeys, PackWriter, dek, sealed_dek};
use crate::store::faults::Operation;
use crypto_backends::Key;
use vault_format::index::{PackRef, Row, SegmentRef, Table, TableKind};
use vault_format::log::{
    Body, Checkpoint, CheckpointPart, EntryObject, EntryRef, Final, Heads, IndexSet, Payload, entry_prefix,
};
use vault_format::name::{ObjectName, PackName, prefix};
use vault_format::roster::{Op, Record};
use vault_format::signed::clear_object;
use vault_format::{
    ChunkId, Domain, EpochId, Header, Identity, Mode, ObjectHash, ObjectType, Suite, Time, limits, sizes,
};

/// The attacker has the device's whole state, unsealed, its cache, every key that follows from them, and every object. It
/// opens no pack and finds no name of a file and nothing of what was in one.
#[test]
fn whole_state_whole_store_no_content_no_names() {
    let world = World::new();
    for (n, name) in ["canary-name-a", "canary-folder/canary-name-b", "canary-large"].iter().enumerate() {
        let content = [b"canary-content ".repeat(10 + 4000 * n), random_bytes(n as u64, 300 * n)].concat();
        world.write(PUSHER, name, &content);
    }
    world.write(PUSHER, "canary-inline", b"canary-content");
    fill(&world, PUSHER);
    world.push(PUSHER);
    world.write(PUSHER, "canary-later", &b"canary-content".repeat(5000));
    world.push(PUSHER);

    let vault = world.open(PUSHER);
    let Access::Pusher(keys) = &vault.keys else { panic!("a push-only device") };
    let plain = unsealed_state(&world, &vault);
    assert!(plain.len() > 8, "device, pins, logs, roster, claims, and what is remembered of files");
    let mut opened = 0;
    let mut all: Vec<Vec<u8>> = plain;
    for object in world.store().list(&prefix()).expect("listed").objects {
        let stored = world.store().get_unverified(&object.name).expect("read").to_vec();
        match object.name {
            ObjectName::Pack(pack) => {
                assert!(vault.open_head(&pack, &stored).is_err());
                assert_eq!(opens_by_force(&vault, keys, &pack, &stored), None);
            }
            // What it can open of its own: index and log.
            ObjectName::Delta { device, hash } if device == vault.device_id() => {
                let name = vault_format::log::IndexName { shard: false, device, hash };
                all.push(vault.open_table(name).expect("its own").encode().expect("a table"));
                opened += 1;
            }
            _ => {}
        }
        all.push(stored);
    }
    for entry in vault.log.entries().filter(|entry| !entry.is_sealed()) {
        all.push(entry.body.encode().expect("a body"));
        opened += 1;
    }
    assert!(opened >= 4);
    for file in files_below(&world.home_path(PUSHER)).into_iter().chain(files_below(&world.cache(PUSHER))) {
        all.push(fs::read(file).expect("read"));
    }
    for bytes in &all {
        for canary in [&b"canary"[..], b"small/0"] {
            assert!(!bytes.windows(canary.len()).any(|window| window == canary), "{}", String::from_utf8_lossy(canary));
        }
    }
    // The test would notice: a reader finds them.
    let reader = world.open(READER);
    let packs = world.store().list("zv1/t").expect("listed").objects;
    let found = packs.iter().any(|object| {
        let ObjectName::Pack(pack) = object.name else { return false };
        segments_of(&reader, &pack, object.size).iter().any(|plain| plain.windows(6).any(|window| window == b"canary"))
    });
    assert!(found);
}

/// Every file of the state, opened with the key beside it.
fn unsealed_state(world: &World, vault: &Vault) -> Vec<Vec<u8>> {
    let (home, id) = (world.home(PUSHER), vault.id());
    let device = home.device(id).expect("read");
    let mut plain = vec![
        device.url.into_bytes(),
        device.name.into_bytes(),
        device.keys.kem_secret.expose().to_vec(),
        device.keys.w.expose().to_vec(),
        format!("{:?}", home.pins(id).expect("read")).into_bytes(),
        format!("{:?}", home.claims(id)).into_bytes(),
        home.roster_cache(id).expect("kept").expose().to_vec(),
    ];
    assert!(home.log_parts(id) > 0);
    plain.extend((0..home.log_parts(id)).map(|n| {
        let part = home.log_part(id, n).expect("kept");
        zstd::bulk::decompress(part.expose(), 64 << 20).expect("compressed")
    }));
    assert!(home.journal(id).expect("read").is_none());
    let label = world.source(PUSHER);
    let mut files = home.files(id, label.as_os_str().as_encoded_bytes()).expect("kept");
    plain.extend((0..files.count()).map(|number| files.read(number).expect("opens").expose().to_vec()));
    plain
}

/// Whether any key that the device has, used in any way that there is, opens a pack.
fn opens_by_force(vault: &Vault, keys: &crate::roster::PusherAccess, pack: &PackName, stored: &[u8]) -> Option<usize> {
    let epoch = &keys.epochs[&keys.current.expect("an epoch")];
    let header = Header::parse(stored).expect("a header");
    let clear = &stored[..header.sealed_len()];
    let provider = vault.provider;
    // The KEM ciphertext is for the epoch; the device's own secret makes something else of it.
    let ciphertext = &clear[vault_format::header::HEADER_LEN..];
    let mut secrets = vec![
        epoch.secret().duplicate(),
        epoch.kem_psk.duplicate(),
        epoch.log.duplicate(),
        epoch.index.duplicate(),
        keys.domain.secret().duplicate(),
        vault.device.w.duplicate(),
        Key::new([0; 32]),
    ];
    secrets.extend(provider.kem.decapsulate(vault.device.kem_secret.expose(), ciphertext).ok());
    let mut tried = 0;
    for one in &secrets {
        let others = secrets.iter().map(|other| sealed_dek(provider, one, other, clear));
        let deks = others.chain([dek(provider, one, clear, &header.salt), one.duplicate()]);
        for candidate in deks {
            let expected = vault.expected_pack(pack);
            if PackHead::parse(provider, stored, &expected, |_, _| Ok(candidate)).is_ok() {
                return Some(tried);
            }
            tried += 1;
        }
    }
    None
}

fn files_below(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).expect("listed") {
        let path = entry.expect("an entry").path();
        if path.is_dir() { files.extend(files_below(&path)) } else { files.push(path) }
    }
    files
}

fn segments_of(vault: &Vault, pack: &PackName, size: u64) -> Vec<Vec<u8>> {
    let head = vault.pack_head(pack, size).expect("opens");
    let stored = vault.store.get_unverified(&ObjectName::Pack(*pack)).expect("read");
    let mut opener = crate::stage::Opener::new();
    let segments = vault.footer(pack, size).expect("a footer");
    let frames = segments.iter().enumerate().map(|(slot, segment)| {
        let frame = &stored[segment.offset as usize..][..segment.frame_len as usize];
        head.open_segment(&mut opener, slot as u32, frame, segment.plain_len).expect("opens").to_vec()
    });
    frames.collect()
}

/// Who breaks the KEM has the shared secret of every pack, and lacks what only the device and readers know.
#[test]
fn kem_broken_needs_p() {
    let world = World::new();
    fill(&world, PUSHER);
    world.push(PUSHER);
    let (reader, pusher) = (world.open(READER), world.open(PUSHER));
    let Access::Reader(keys) = &reader.keys else { panic!("a reader") };
    let Access::Pusher(own) = &pusher.keys else { panic!("a push-only device") };
    let object = world.store().list("zv1/p").expect("listed").objects[0];
    let ObjectName::Pack(pack) = object.name else { panic!("a pack") };
    let stored = world.store().get_unverified(&object.name).expect("read");
    let header = Header::parse(&stored).expect("a header");
    let clear = &stored[..header.sealed_len()];
    let secret = keys.kem_secret(header.epoch).expect("a reader has it");
    let ciphertext = &clear[vault_format::header::HEADER_LEN..];
    let shared = reader.provider.kem.decapsulate(secret.expose(), ciphertext).expect("decapsulates");
    let opens = |psk: &Key| {
        let key = sealed_dek(reader.provider, &shared, psk, clear);
        PackHead::parse(reader.provider, &stored, &reader.expected_pack(&pack), |_, _| Ok(key)).is_ok()
    };
    let other = keys.epochs[&header.epoch].pusher(DeviceId([9; 16]));
    for psk in [&Key::new([0; 32]), &other.kem_psk, &shared] {
        assert!(!opens(psk));
    }
    assert!(opens(&own.epochs[&header.epoch].kem_psk), "nothing else was missing");
}

#[test]
fn stolen_pusher_does_not_open_other_pusher() {
    let world = World::new();
    let other = world.enroll("other");
    fill(&world, PUSHER);
    fill(&world, "other");
    let first = world.push(PUSHER);
    // The same files once more: another domain, and nothing in common.
    let second = world.push("other");
    assert!(first.data_chunks > 100 && second.data_chunks > 100);
    world.restores("other", second.snapshot.expect("a snapshot"));

    let stolen = world.open(PUSHER);
    let Access::Pusher(keys) = &stolen.keys else { panic!("a push-only device") };
    let epoch = keys.current.expect("an epoch");
    assert!(stolen.keys.log_key(epoch, other.into()).is_none() && stolen.keys.index_key(epoch, other.into()).is_none());
    assert!(stolen.keys.log_key(epoch, Domain::SHARED).is_none());
    assert_eq!(stolen.snapshots().len(), 1);
    let mut looked = 0;
    for object in world.store().list(&prefix()).expect("listed").objects {
        if object.name.device() != Some(other) {
            continue;
        }
        let stored = world.store().get_unverified(&object.name).expect("read");
        let header = Header::parse(&stored).expect("a header");
        looked += 1;
        let opens = |key: &Key, len: usize, end: usize| {
            let dek = dek(stolen.provider, key, &stored[..len], &header.salt);
            crate::stage::open_object(stolen.provider, &stored[..end], len, &dek, limits::INDEX_PLAIN).is_ok()
        };
        match object.name {
            ObjectName::Pack(pack) => assert_eq!(opens_by_force(&stolen, keys, &pack, &stored), None),
            ObjectName::Log { .. } => {
                let entry = EntryObject::parse(&stored, Suite::Default).expect("an entry");
                assert!(!opens(&keys.epochs[&epoch].log, entry.prefix_len, entry.signed_len));
            }
            ObjectName::Delta { .. } => assert!(!opens(&keys.epochs[&epoch].index, header.sealed_len(), stored.len())),
            _ => {}
        }
    }
    assert!(looked >= 5, "{looked}");
}

/// Seals what a device says to be a table of its own, and stores it; gives its hash.
pub(super) fn store_table(vault: &Vault, packs: Vec<PackRef>, segments: Vec<SegmentRef>, rows: Vec<Row>) -> ObjectHash {
    let table = Table { kind: TableKind::Delta, packs, segments, rows }.encode().expect("a table");
    let (_, bytes) = vault.seal_table(ObjectType::Delta, &table).expect("sealed");
    let hash = ObjectHash(vault.hash(&bytes));
    vault.store.put(&ObjectName::Delta { device: vault.device_id(), hash }, bytes.into()).expect("put");
    hash
}

/// Writes an entry of this device.
pub(super) fn say(vault: &mut Vault, deltas: &[ObjectHash], payload: Payload) -> Identity {
    let mut deltas: Vec<_> = deltas.iter().map(|hash| (*hash, 4)).collect();
    deltas.sort_unstable();
    let body = Body {
        time: crate::now(),
        roster_heads: vault.roster.heads.clone(),
        other_heads: Default::default(),
        seen: vault.log.seen(vault.collectors(), &[]),
        deltas,
        parts: Default::default(),
        payload,
    };
    let entry = vault.seal_entry(&body).expect("an entry");
    vault.put_entry(entry).expect("stored");
    vault.refresh().expect("read again");
    vault.log.heads(vault.device_id())[0]
}

/// The reader has pushed, and so has the device, which is the attacker's from here on.
pub(super) fn honest_and_hostile() -> (World, Identity, Vault) {
    let world = World::new();
    fill(&world, READER);
    let mut reader = world.open(READER);
    let (report, _) = push_source(&mut reader, &world.source(READER)).expect("pushes");
    world.write(PUSHER, "file", &random_bytes(500, 300_000));
    world.push(PUSHER);
    let hostile = world.open(PUSHER);
    (world, report.snapshot.expect("a snapshot"), hostile)
}

/// The honest device restores, pushes without storing anything again, and finds nothing of its own damaged.
pub(super) fn honest_loses_nothing(world: &World, snapshot: Identity) -> CheckReport {
    world.restores(READER, snapshot);
    let mut reader = world.open(READER);
    let (report, notes) = push_source(&mut reader, &world.source(READER)).expect("pushes");
    assert_eq!((report.data_chunks, report.tree_chunks, report.files_new), (0, 0, 0), "{notes:?}");
    assert_eq!(report.files_unmodified, 32);
    let vault = world.open(READER);
    let options = CheckOptions { read_data: ReadData::All };
    let checked = check(&vault, &options, &Watch::new()).expect("checks");
    let own = vault.device_id().to_string();
    assert!(checked.damaged.iter().all(|damage| !damage.object.contains(&own)), "{:?}", checked.damaged);
    checked
}

#[test]
fn delta_points_into_foreign_pack() {
    let (world, snapshot, mut hostile) = honest_and_hostile();
    let reader = world.open(READER);
    let listed = world.store().list("zv1/p").expect("listed").objects;
    let theirs = listed.iter().find(|object| object.name.device() == Some(reader.device_id())).expect("a pack");
    let ObjectName::Pack(name) = theirs.name else { panic!("a pack") };
    // A pack of another, in another size than it has, said to hold what the reader's files are made of.
    let index = reader.index().expect("an index");
    let id = reader.footer(&name, theirs.size).expect("a footer")[0].chunks[0].id;
    assert_eq!(index.locate(&id).expect("looked").len(), 1);
    let segment = SegmentRef { pack: 0, slot: 0, offset: 200, frame_len: 1000, plain_len: 5000 };
    let rows = vec![Row { id, segment: 0, offset: 7, len: 100 }];
    let hash = store_table(&hostile, vec![PackRef { name, size_units: 1 }], vec![segment], rows);
    say(&mut hostile, &[hash], Payload::Progress);

    let reader = world.open(READER);
    assert_eq!(reader.index().expect("an index").locate(&id).expect("looked").len(), 1);
    let theirs = reader.index_of(hostile.device_id().into()).expect("an index");
    assert!(theirs.locate(&id).expect("looked").is_empty());
    assert!(theirs.packs().iter().all(|pack| pack.name.device == hostile.device_id()));
    let checked = honest_loses_nothing(&world, snapshot);
    assert!(checked.ok(), "{:?}", checked.damaged);
    assert!(checked.junk.iter().any(|junk| junk.contains("packs of other devices")), "{:?}", checked.junk);
}

#[test]
fn delta_without_entry_ignored() {
    let (world, snapshot, hostile) = honest_and_hostile();
    let own = PackName { tree: false, device: hostile.device_id(), hash: ObjectHash([7; 32]) };
    let segment = SegmentRef { pack: 0, slot: 0, offset: 200, frame_len: 1000, plain_len: 5000 };
    let id = ChunkId([1; 32]);
    let rows = vec![Row { id, segment: 0, offset: 0, len: 100 }];
    store_table(&hostile, vec![PackRef { name: own, size_units: 1 }], vec![segment], rows);
    for name in [READER, PUSHER] {
        let vault = world.open(name);
        let index = vault.index_of(hostile.device_id().into()).expect("an index");
        assert!(index.locate(&id).expect("looked").is_empty(), "{name}");
    }
    assert!(honest_loses_nothing(&world, snapshot).ok());
}

/// A pack, a table and an entry of the device that say they are a reader's, or sealed as a reader seals.
#[test]
fn symmetric_mode_object_from_pusher_rejected() {
    let (world, snapshot, hostile) = honest_and_hostile();
    let own = hostile.device_id();
    let Access::Pusher(keys) = &hostile.keys else { panic!("a push-only device") };
    let epoch = keys.current.expect("an epoch");
    let key = &keys.epochs[&epoch].index;
    let header = |object_type, mode, domain| Header {
        suite: Suite::Default,
        object_type,
        mode,
        vault: hostile.id(),
        epoch,
        domain,
        writer: own,
        salt: [5; 32],
    };
    // Of its own domain in mode 1: no such pack exists.
    let wrong = header(ObjectType::DataPack, Mode::Symmetric, own.into());
    assert!(Header::parse(&wrong.encode()).is_err());
    let refused = PackWriter::new(PackKeys::symmetric(hostile.provider, wrong, key).expect("keys"));
    assert!(matches!(refused, Err(PackError::Header(_))));
    // Of the shared domain: not where it stands.
    let shared = header(ObjectType::DataPack, Mode::Symmetric, Domain::SHARED);
    let keys = PackKeys::symmetric(hostile.provider, shared, key).expect("keys");
    let pack = PackWriter::new(keys).expect("a pack").finish(false).map(|pack| pack.bytes);
    let bytes = pack.unwrap_or_else(|_| [&shared.encode()[..], &vec![0; (64 << 10) - 120]].concat());
    let name = PackName { tree: false, device: own, hash: ObjectHash(hostile.hash(&bytes)) };
    world.store().put(&name.into(), bytes.clone().into()).expect("put");
    let reader = world.open(READER);
    let error = reader.open_head(&name, &bytes).err().expect("refused");
    assert!(crate::chain(&error).contains("domain"), "{}", crate::chain(&error));
    // The same of an entry, signed as it should be.
    let entry = header(ObjectType::Entry, Mode::Clear, Domain::SHARED);
    put_clear(&hostile, &entry, own, Payload::Progress);
    let vault = world.open(READER);
    assert!(vault.log.junk().iter().any(|junk| junk.reason.contains("domain")), "{:?}", vault.log.junk());
    honest_loses_nothing(&world, snapshot);
}

/// Signs an entry in clear with the attacker's key, and stores it in the log of `place`.
pub(super) fn put_clear(vault: &Vault, header: &Header, place: DeviceId, payload: Payload) {
    put_clear_body(vault, header, place, &clear_body(vault, payload));
}

pub(super) fn clear_body(vault: &Vault, payload: Payload) -> Vec<u8> {
    let body = Body {
        time: crate::now(),
        roster_heads: vault.roster.heads.clone(),
        other_heads: Default::default(),
        seen: Default::default(),
        deltas: Vec::new(),
        parts: Default::default(),
        payload,
    };
    body.encode().expect("a body")
}

pub(super) fn put_clear_body(vault: &Vault, header: &Header, place: DeviceId, body: &[u8]) {
    let provider = vault.provider;
    let heads = vault.log.heads(place);
    let seq = vault.log.next_seq(&heads);
    let mut bytes = clear_object(entry_prefix(header, seq, &heads), body, provider.suite.signature_len());
    bytes.extend(vault.device.sign_stored(provider, ObjectType::Entry, &bytes).expect("signed"));
    let name = ObjectName::Log { device: place, seq, hash: ObjectHash(vault.hash(&bytes)) };
    vault.store.put(&name, Bytes::from(bytes)).expect("put");
}

pub(super) fn clear_header(vault: &Vault, writer: DeviceId, domain: Domain) -> Header {
    let epoch = EpochId::NONE;
    let (suite, object_type, mode) = (Suite::Default, ObjectType::Entry, Mode::Clear);
    Header { suite, object_type, mode, vault: vault.id(), epoch, domain, writer, salt: [6; 32] }
}

/// It forgets, condemns, ends a collection, names index sets and checkpoints: nobody listens.
#[test]
fn checkpoint_by_pusher_ignored() {
    let (world, snapshot, mut hostile) = honest_and_hostile();
    let before = world.open(READER);
    let reader = before.device_id();
    let theirs: Vec<PackName> = before.index().expect("an index").packs().iter().map(|pack| pack.name).collect();
    let mut names = theirs.clone();
    names.sort_unstable();
    names.dedup();
    let seq = before.log.get(&snapshot).expect("there").seq;
    let part = CheckpointPart { hash: ObjectHash([3; 32]), kib: 4, entries: 9 };
    say(&mut hostile, &[], Payload::Checkpoint(Checkpoint { parts: vec![part], frontier: Heads::new() }));
    say(&mut hostile, &[], Payload::Forget(vec![EntryRef { device: reader, seq, identity: snapshot }]));
    let frontier: Heads = before.log.devices().map(|device| (device, before.log.heads(device))).collect();
    for domain in [Domain::SHARED, hostile.device_id().into()] {
        let set = IndexSet { domain, shards: vec![ObjectHash([2; 32])], frontier: frontier.clone() };
        say(&mut hostile, &[], Payload::Index(set));
    }
    let own = clear_header(&hostile, hostile.device_id(), hostile.device_id().into());
    put_clear(&hostile, &own, hostile.device_id(), Payload::Condemn(names.clone()));
    hostile.refresh().expect("read again");
    let condemn = hostile.log.heads(hostile.device_id())[0];
    let (index, entries, parts) = Default::default();
    let end = Final { condemn, frontier: Heads::new(), packs: names, index, entries, parts };
    put_clear(&hostile, &own, hostile.device_id(), Payload::Final(end));

    let after = world.open(READER);
    assert_eq!(after.log.of(hostile.device_id()).count(), 7, "they are well-formed entries of its log");
    assert!(after.log.condemned(&after.collectors()).is_empty());
    assert_eq!(after.snapshots().len(), before.snapshots().len());
    honest_loses_nothing(&world, snapshot);
    // Its own earlier snapshot is not lost by it either.
    let own = after.snapshots().iter().find(|info| info.device == hostile.device_id()).expect("there").id;
    assert_eq!(world.restore_in(&after, own).0.problems, 0);
}

#[test]
fn entries_for_others_refused() {
    let (world, snapshot, hostile) = honest_and_hostile();
    let before = world.open(READER);
    let reader = before.device_id();
    // In the reader's log: under its name with a foreign signature, and under the attacker's own name.
    for (writer, domain) in [(reader, Domain::SHARED), (hostile.device_id(), hostile.device_id().into())] {
        put_clear(&hostile, &clear_header(&hostile, writer, domain), reader, Payload::Condemn(Vec::new()));
    }
    // A record that makes it a reader.
    let (parents, n) = hostile.roster.next_place(hostile.device_id());
    let all = Capabilities::ALL;
    let ops = vec![Op::Grant { id: hostile.device_id(), capabilities: all }, Op::Revoke { id: reader, last: None }];
    let time = crate::now();
    let record = Record { genesis: None, time, parents, n, ops, epoch: None, boxes: Vec::new(), private: None };
    let record = sign(hostile.provider, &hostile.device, &record).expect("signed");
    world.store().put(&record.name, Bytes::from(record.bytes)).expect("put");

    let after = world.open(READER);
    assert_eq!(after.log.junk().len(), 2, "{:?}", after.log.junk());
    assert_eq!(after.log.of(reader).count(), before.log.of(reader).count());
    assert!(after.roster.devices[&reader].is_member());
    assert!(after.roster.devices[&hostile.device_id()].capabilities.is_push_only());
    assert_eq!(after.roster.void.len(), 1);
    honest_loses_nothing(&world, snapshot);
}

/// A snapshot that names chunks of the readers' domain: nobody looks them up there for it.
#[test]
fn snapshot_of_another_domain_is_not_read() {
    let (world, snapshot, mut hostile) = honest_and_hostile();
    let reader = world.open(READER);
    let info = info_of(&reader, snapshot);
    let forged = say(&mut hostile, &[], Payload::Snapshot(info.snapshot.clone()));
    let reader = world.open(READER);
    let found = reader.resolve(&info_of(&reader, forged).short()).expect("found");
    let out = world.folder.path().join("out");
    let error = restore(&reader, &RestoreOptions::new(found, out), &Watch::new()).expect_err("refused");
    assert_eq!(error.trouble(), Trouble::Integrity);
    let checked = check(&reader, &CheckOptions::default(), &Watch::new()).expect("checks");
    assert_eq!(checked.damaged.len(), 1, "{:?}", checked.damaged);
    honest_loses_nothing(&world, snapshot);
}

#[test]
fn snapshots_from_the_future_do_not_become_the_latest_of_others() {
    let (world, snapshot, mut hostile) = honest_and_hostile();
    let time = Some(Time { secs: 7_000_000_000, nanos: 0 });
    let options =
        PushOptions { paths: vec![world.source(PUSHER)], host: "host".into(), time, ..PushOptions::default() };
    let future = push(&mut hostile, &options, &Watch::new()).expect("pushes").snapshot.expect("a snapshot");
    let reader = world.open(READER);
    assert_eq!(reader.resolve("latest").expect("found").info.id, snapshot);
    // A machine that has none of its own goes by what readers have pushed.
    let other = world.open("another reader");
    assert_ne!(other.device_id(), reader.device_id());
    assert_eq!(other.resolve("latest").expect("found").info.id, snapshot);
    assert_eq!(other.snapshots().last().expect("a snapshot").id, future, "it is listed");
    honest_loses_nothing(&world, snapshot);
}

/// Objects over every limit are not fetched, and a thousand small ones keep nobody from working.
#[test]
fn very_large_and_very_many_objects() {
    let (world, snapshot, mut hostile) = honest_and_hostile();
    let device = hostile.device_id();
    drop(world.open(READER));
    let gets = || {
        world.faults.reset();
        let vault = world.open(READER);
        (world.faults.count(Operation::Get), vault.log.junk().len())
    };
    let (usual, junk) = gets();
    assert_eq!(junk, 0);
    for n in 0..8_u8 {
        let bytes = vec![n; limits::ENTRY_STORED + 1];
        let name = ObjectName::Log { device, seq: 1000 + u64::from(n), hash: ObjectHash(hostile.hash(&bytes)) };
        world.put_past_limits(&name, bytes);
        let bytes = vec![n; limits::RECORD_STORED + 1];
        let name = ObjectName::Roster { n: 50 + u32::from(n), hash: ObjectHash(hostile.hash(&bytes)) };
        world.put_past_limits(&name, bytes);
    }
    assert_eq!(gets(), (usual, 8), "what is too large is not fetched");

    // Tables that are too large, or not there, and a long log. Readers do not even look at them.
    let bytes = vec![9; limits::INDEX_STORED + 4096];
    let large = ObjectHash(hostile.hash(&bytes));
    world.put_past_limits(&ObjectName::Delta { device, hash: large }, bytes);
    let missing: Vec<ObjectHash> = (0..200_u8).map(|n| ObjectHash([n; 32])).chain([large]).collect();
    say(&mut hostile, &missing, Payload::Progress);
    for _ in 0..100 {
        let entry = hostile.entry(crate::now(), Payload::Progress, &[]).expect("an entry");
        hostile.put_entry(entry).expect("stored");
    }
    let junk = vec![1; sizes::PACK];
    for tree in [false, true] {
        let name = PackName { tree, device, hash: ObjectHash(hostile.hash(&junk)) };
        world.store().put(&name.into(), junk.clone().into()).expect("put");
    }
    let vault = world.open(READER);
    assert!(vault.log.of(device).count() > 100);
    let checked = honest_loses_nothing(&world, snapshot);
    assert!(!checked.ok(), "the device's own tables are missing, and that is said");
    assert!(vault.unusable_tables().is_empty());
    // What it pushed before can still be had.
    let own = vault.snapshots().iter().find(|info| info.device == device).expect("there").id;
    assert_eq!(world.restore_in(&vault, own).0.problems, 0);
}
