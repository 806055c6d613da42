//! What a push-only device says in few bytes that would keep others busy for years.

use super::attacks::{honest_and_hostile, honest_loses_nothing, say, store_table};
use super::*;
use crate::check::{CheckOptions, CheckReport, check};
use crate::stage::{Compressor, SegmentBuilder, SegmentSealer};
use crate::store::faults::Operation;
use vault_format::index::{PackRef, Row, SIZE_UNIT, SegmentRef};
use vault_format::list::{ListNode, encode_list};
use vault_format::log::{Outcome, Payload, Snapshot, SourceKind, SourceRecord};
use vault_format::manifest::LeafEncoder;
use vault_format::pack::ChunkType;
use vault_format::{
    Capture, ChunkId, Chunking, Content, Entry, Identity, Kind, ObjectHash, PackName, Scope, Time, limits,
};

/// Stores chunks of a tree in a pack, with the table that names them, and rows of a pack that is not there.
fn store_tree(vault: &Vault, chunks: &[(ChunkId, ChunkType, Vec<u8>)], nowhere: Option<ChunkId>) -> ObjectHash {
    let mut pack = vault.new_pack(true, Vec::new()).expect("a pack");
    let mut segment = SegmentBuilder::new(Scope::VAULT);
    for (id, kind, plain) in chunks {
        segment.push(*id, *kind, plain);
    }
    let mut compressor = Compressor::new(None).expect("a level");
    let compressed = segment.compress(&mut compressor).expect("compresses");
    let ticket = pack.reserve(&compressed).expect("room");
    let mut sealer = SegmentSealer::new();
    let ids = vault.domain_keys().id_keys(Scope::VAULT);
    pack.fill(sealer.seal(ticket, &compressed, &ids).expect("sealed")).expect("filled");
    let pack = pack.finish(false).expect("a pack");
    let size_units = (pack.bytes.len() / SIZE_UNIT) as u16;
    let lost = PackName { tree: false, device: vault.device_id(), hash: ObjectHash([8; 32]) };
    let mut packs = vec![PackRef { name: pack.name, size_units }];
    let mut segments = Vec::new();
    let mut rows = Vec::new();
    for (slot, segment) in pack.segments.iter().enumerate() {
        let (frame_len, plain_len) = (segment.frame_len, segment.plain_len);
        segments.push(SegmentRef { pack: 0, slot: slot as u32, offset: segment.offset, frame_len, plain_len });
        let mut offset = 0;
        for chunk in &segment.chunks {
            rows.push(Row { id: chunk.id, segment: slot as u32, offset, len: chunk.len });
            offset += chunk.len;
        }
    }
    if let Some(id) = nowhere {
        packs.push(PackRef { name: lost, size_units: 16 });
        rows.push(Row { id, segment: segments.len() as u32, offset: 0, len: 1 });
        segments.push(SegmentRef { pack: 1, slot: 0, offset: 200, frame_len: 1000, plain_len: 5000 });
    }
    packs.sort_unstable_by_key(|pack| pack.name);
    for segment in &mut segments {
        let name = if segment.pack == 0 { pack.name } else { lost };
        segment.pack = packs.iter().position(|pack| pack.name == name).expect("there") as u32;
    }
    rows.sort_unstable_by_key(|row| row.id);
    vault.store.put(&pack.name.into(), pack.bytes.into()).expect("put");
    store_table(vault, packs, segments, rows)
}

fn entry(path: &[u8], kind: Kind) -> Entry {
    Entry {
        path: path.to_vec(),
        kind,
        mode: 0o755,
        uid: 0,
        gid: 0,
        mtime: Time::default(),
        ctime: Time::default(),
        inode: 1,
        device: 1,
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

/// A snapshot of a file whose list has one node on each level, which names the one below 64 times, down to a chunk of one byte
/// that is in no table, or in a pack that is not there.
fn say_endless(vault: &mut Vault, depth: u8, in_lost_pack: bool) -> Identity {
    let ids = vault.domain_keys().id_keys(Scope::VAULT);
    let nothing = ids.id(ChunkType::File, &[depth]);
    let (mut chunks, mut below, mut size) = (Vec::new(), nothing, 1u64);
    for level in 0..depth {
        let items = vec![(below, size); limits::CONTENT_LIST_ITEMS];
        let plain = encode_list(level, &ListNode::Content(items)).expect("a node");
        (below, size) = (ids.id(ChunkType::List, &plain), size * limits::CONTENT_LIST_ITEMS as u64);
        chunks.push((below, ChunkType::List, plain));
    }
    let mut file = entry(b"file", Kind::File);
    file.size = size;
    file.content = Content::List { chunking: Chunking::ContentDefined, depth, root: below.0 };
    let mut leaf = LeafEncoder::new();
    for entry in [entry(b"", Kind::Dir), file] {
        leaf.push(&entry).expect("an entry");
    }
    let leaf = leaf.finish(&|_| None);
    let root = ids.id(ChunkType::Leaf, &leaf);
    chunks.push((root, ChunkType::Leaf, leaf));
    let table = store_tree(vault, &chunks, in_lost_pack.then_some(nothing));
    let source = SourceRecord {
        label: b"/endless".to_vec(),
        kind: SourceKind::Path,
        scope: Scope::VAULT,
        domain: vault.domain_keys().domain,
        root: Some(root),
        level: 0,
        outcome: Outcome::Complete,
        entries: 2,
        bytes: size,
        missed: 0,
    };
    let snapshot = Snapshot {
        sources: vec![source],
        host: String::new(),
        user: String::new(),
        tags: Vec::new(),
        program: String::new(),
        parent: None,
        stats: None,
    };
    say(vault, &[table], Payload::Snapshot(snapshot))
}

fn checked(world: &World) -> CheckReport {
    check(&world.open(READER), &CheckOptions::default(), &Watch::new()).expect("checks")
}

/// A dozen small objects, and a list that is longer than a life: each of its nodes is looked at once. What suffers is told.
#[test]
fn a_damaged_list_that_repeats_itself_is_walked_once() {
    for in_lost_pack in [false, true] {
        // The first would end after minutes; sizes up to 64^10 are sizes that a file can have.
        for depth in [4, 10] {
            let (world, snapshot, mut hostile) = honest_and_hostile();
            let before = checked(&world);
            assert!(before.ok());
            let endless = say_endless(&mut hostile, depth, in_lost_pack);
            let after = checked(&world);
            assert_eq!(after.nodes, before.nodes + u64::from(depth) + 1);
            let [damage] = &after.damaged[..] else { panic!("{:?}", after.damaged) };
            let short = info_of(&world.open(READER), endless).short();
            assert_eq!((&damage.files[..], damage.more_files), (&[(short, b"/endless/file".to_vec())][..], 0));
            assert_eq!(damage.object == "the index", !in_lost_pack, "{}", damage.object);
            honest_loses_nothing(&world, snapshot);
        }
    }
}

/// A restore gives a file up with what is lost of it first, and plans nothing more of it.
#[test]
fn an_endless_file_is_given_up() {
    for in_lost_pack in [false, true] {
        let (world, _, mut hostile) = honest_and_hostile();
        let endless = say_endless(&mut hostile, 4, in_lost_pack);
        let reader = world.open(READER);
        let found = reader.resolve(&info_of(&reader, endless).short()).expect("found");
        let options = RestoreOptions::new(found, world.folder.path().join("out"));
        world.faults.reset();
        let report = restore(&reader, &options, &Watch::new()).expect("restores");
        assert_eq!((report.problems, report.damaged), (1, 1));
        let gets = world.faults.count(Operation::Get);
        assert!(gets < 60, "{gets} requests, of some hundred windows");
    }
}

/// Names of tables that do not exist cost the device that signs them 36 bytes each, and others a look into one map.
#[test]
fn a_hundred_thousand_missing_tables_are_told_in_seconds() {
    let (world, snapshot, mut hostile) = honest_and_hostile();
    let device = hostile.device_id();
    for n in 0..ENTRIES {
        let name = |k: u32| ObjectHash(hostile.hash(&[n.to_be_bytes(), k.to_be_bytes()].concat()));
        let deltas: Vec<_> = (0..NAMES).map(name).collect();
        say(&mut hostile, &deltas, Payload::Progress);
    }
    let vault = world.open(READER);
    world.faults.reset();
    let made = vault.named_tables_made();
    let report = check(&vault, &CheckOptions::default(), &Watch::new()).expect("checks");
    let made = vault.named_tables_made() - made;
    assert!(made < 5, "made {made} times");
    assert!(world.faults.count(Operation::Get) < 100, "what is not listed is not asked for");
    // Told in a few lines, and whose they are.
    let named = |object: &str| object.contains(&device.to_string());
    assert_eq!(report.damaged.len(), 21, "{:?}", &report.damaged[..30]);
    assert!(report.damaged.iter().all(|damage| named(&damage.object)));
    let more = format!("{} more", ENTRIES * NAMES - 20);
    assert!(report.damaged[20].reason.starts_with(&more), "{}", report.damaged[20].reason);

    // Its own earlier snapshot needs its tables: each of those that are not there is asked for, and looked up, once.
    let made = vault.named_tables_made();
    let own = vault.snapshots().iter().find(|info| info.device == device).expect("there").id;
    assert_eq!(world.restore_in(&vault, own).0.problems, 0);
    vault.index_of(device.into()).expect("an index");
    let made = vault.named_tables_made() - made;
    assert!(made < 5, "made {made} times");
    honest_loses_nothing(&world, snapshot);
}

const ENTRIES: u32 = 20;
const NAMES: u32 = 5000;
