use super::*;
use crate::store::{FullPack, OpenMode, Store, StoreOptions, StoreUrl};
use bytes::Bytes;
use proptest::prelude::*;
use std::collections::{BTreeMap, HashMap};
use std::os::unix::fs::FileExt;
use std::sync::atomic::AtomicUsize;
use vault_format::ids::{ObjectHash, Scope};
use vault_format::index::Row;
use vault_format::pack::FooterChunk;

/// An id like any other: uniform.
pub(super) fn id(n: u64) -> ChunkId {
    let mut state = n;
    let mut bytes = [0; 32];
    for eight in bytes.as_chunks_mut::<8>().0 {
        state = xorf::splitmix64(&mut state);
        *eight = state.to_be_bytes();
    }
    ChunkId(bytes)
}

fn tags() -> Tags {
    Tags { vault: VaultId([1; 32]), domain: Domain::SHARED, store: [3; 16] }
}

fn device(n: u8) -> DeviceId {
    DeviceId([n; 16])
}

fn pack_name(device_number: u8, n: u32) -> PackName {
    let mut hash = [0; 32];
    hash[..4].copy_from_slice(&n.to_le_bytes());
    PackName { tree: false, device: device(device_number), hash: ObjectHash(hash) }
}

fn hash(n: u64) -> ObjectHash {
    ObjectHash(id(n ^ 0xabcd_0000_0000).0)
}

/// Its rows may point anywhere.
fn shard_name(n: u64) -> IndexName {
    IndexName { shard: true, device: device(9), hash: hash(n) }
}

/// Of device 1.
fn delta_name(n: u64) -> IndexName {
    IndexName { shard: false, device: device(1), hash: hash(n) }
}

/// A table whose rows are `(id, pack)`, eight chunks to a segment.
fn table(kind: TableKind, rows: &[(u64, PackName)]) -> Table {
    let mut builder = TableBuilder::new(kind);
    let mut counts: HashMap<PackName, u32> = HashMap::new();
    for (n, name) in rows {
        let count = counts.entry(*name).or_default();
        let (slot, place) = (*count / 8, *count % 8);
        *count += 1;
        let segment = SegmentRef { pack: 0, slot, offset: 152 + slot * 1000, frame_len: 1000, plain_len: 8 * 4096 };
        let pack = PackRef { name: *name, size_units: 256 };
        assert!(builder.add(&pack, &segment, id(*n), place * 4096, 4096));
    }
    builder.finish().expect("rows")
}

fn load(folder: &Path) -> Index {
    let (index, trouble) = Index::load(Some(folder), tags());
    assert!(trouble.is_none(), "{trouble:?}");
    index
}

fn packs_of(index: &Index, n: u64) -> Vec<PackName> {
    index.locate(&id(n)).expect("locate").into_iter().map(|location| location.pack).collect()
}

fn memory_store(name: &str) -> Store {
    Store::open(&StoreUrl::Memory(format!("index/{name}")), &StoreOptions::default(), OpenMode::Create).expect("open")
}

/// Stores a pack with these chunks, in segments of `per_segment`.
fn stored_pack(store: &Store, name: PackName, ids: &[ChunkId], per_segment: usize) -> StoredPack {
    let segments = ids.chunks(per_segment).zip(0..).map(|(ids, slot)| FooterSegment {
        scope: Scope::VAULT,
        offset: 152 + slot * 100,
        frame_len: 100,
        plain_len: 10 * ids.len() as u32,
        chunks: ids.iter().map(|id| FooterChunk { id: *id, chunk_type: ChunkType::File, len: 10 }).collect(),
    });
    let pack = FullPack { name, segments: segments.collect(), bytes: Bytes::from(vec![0; 16 << 20]) };
    store.put_pack(pack).expect("put")
}

#[test]
fn a_push_claims_stores_and_names() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let store = memory_store("push");
    let index = load(dir.path());
    let ids: Vec<ChunkId> = (0..100).map(id).collect();
    let mut tickets = Vec::new();
    for id in &ids {
        let Claim::Mine(ticket) = index.claim(*id, ChunkType::File) else {
            panic!("the index is empty");
        };
        tickets.push(ticket);
        assert!(matches!(index.claim(*id, ChunkType::File), Claim::Pending));
    }
    assert_eq!(index.pending(), 100);
    index.abandon(tickets.pop().expect("a ticket"));
    assert!(matches!(index.claim(ids[99], ChunkType::File), Claim::Mine(_)));
    assert!(index.take_delta().is_none());

    let name = pack_name(1, 1);
    index.stored(&stored_pack(&store, name, &ids, 8));
    assert_eq!(index.pending(), 0);
    assert!(ids.iter().all(|id| matches!(index.claim(*id, ChunkType::File), Claim::Known)));
    let expected = Location {
        pack: name,
        pack_size: 16 << 20,
        slot: 2,
        offset: 352,
        frame_len: 100,
        plain_len: 80,
        chunk_offset: 10,
        len: 10,
    };
    assert_eq!(index.locate(&ids[17]).expect("locate"), [expected]);

    // Not named by an entry: nobody else would find it, so it is not kept.
    index.save().expect("save");
    assert!(load(dir.path()).is_empty());

    let delta = index.take_delta().expect("a delta");
    assert!(index.take_delta().is_none());
    assert_eq!(delta.table().rows.len(), 100);
    delta.table().encode().expect("a valid table");
    let bytes = Bytes::from(vec![0; 8192]);
    let stored = store.put_delta(device(1), hash(1), bytes, delta.packs()).expect("put");
    index.absorb_own(&stored, &delta).expect("absorb");
    assert_eq!(index.len(), 100, "rows of this push are rows of a delta now");
    index.save().expect("save");
    let again = load(dir.path());
    assert_eq!(again.covered(), [delta_name(1)].into());
    assert_eq!(again.locate(&ids[17]).expect("locate"), [expected]);
    assert!(matches!(again.claim(ids[3], ChunkType::File), Claim::Known));
}

#[test]
fn exactly_one_worker_gets_a_chunk() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let store = memory_store("race");
    let index = load(dir.path());
    let known: Vec<_> = (0..500).map(|n| (n, pack_name(2, 1))).collect();
    index.absorb(shard_name(1), &table(TableKind::Delta, &known)).expect("absorb");
    let (mine, stored_packs) = (AtomicUsize::new(0), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for worker in 0..8_u32 {
            let (index, store, mine, stored_packs) = (&index, &store, &mine, &stored_packs);
            scope.spawn(move || {
                let mut held = Vec::new();
                for n in 0..4000 {
                    match index.claim(id(n), ChunkType::File) {
                        Claim::Known | Claim::Pending => {}
                        Claim::Mine(ticket) => {
                            assert!(n >= 500);
                            held.push(ticket.id());
                        }
                    }
                    // Packs are stored and deltas named while others claim.
                    if held.len() == 50 || n == 3999 && !held.is_empty() {
                        mine.fetch_add(held.len(), Relaxed);
                        let number = stored_packs.fetch_add(1, Relaxed) as u32;
                        let name = pack_name(worker as u8 + 10, number);
                        index.stored(&stored_pack(store, name, &held, 8));
                        held.clear();
                        if let Some(delta) = index.take_delta() {
                            let receipts: Vec<_> =
                                delta.packs().iter().filter(|p| p.name().device == name.device).copied().collect();
                            if let Ok(stored) =
                                store.put_delta(name.device, hash(1000 + u64::from(number)), Bytes::new(), &receipts)
                            {
                                index.absorb_own(&stored, &delta).expect("absorb");
                            }
                        }
                    }
                }
            });
        }
    });
    assert_eq!(mine.load(Relaxed), 3500);
    assert_eq!(index.pending(), 0);
    assert!((0..4000).all(|n| packs_of(&index, n).len() == 1));
}

#[test]
fn condemned_packs_are_claimed_anew_and_deleted_ones_are_gone() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let (old, other, new) = (pack_name(1, 1), pack_name(2, 2), pack_name(1, 3));
    for in_base in [false, true] {
        let index = load(dir.path());
        let rows: Vec<_> = (0..20).map(|n| (n, old)).collect();
        index.absorb(shard_name(1), &table(TableKind::Delta, &rows)).expect("absorb");
        let rows: Vec<_> = (0..10).map(|n| (n, other)).collect();
        index.absorb(shard_name(2), &table(TableKind::Delta, &rows)).expect("absorb");
        if in_base {
            index.merge(&mut index.write()).expect("merge");
        }
        index.set_condemned([old].into());
        assert!(matches!(index.claim(id(3), ChunkType::File), Claim::Known), "also in another pack");
        assert_eq!(packs_of(&index, 3), [other, old], "condemned last");
        assert!(matches!(index.claim(id(13), ChunkType::File), Claim::Mine(_)));
        assert_eq!(packs_of(&index, 13), [old], "while it is there it can be read");
        index.stored(&stored_pack(&memory_store("condemned"), new, &[id(13)], 1));
        assert!(matches!(index.claim(id(13), ChunkType::File), Claim::Known));
        assert_eq!(packs_of(&index, 13), [new, old]);

        let rows = [(13, new)];
        index.absorb(delta_name(3), &table(TableKind::Delta, &rows)).expect("absorb");
        index.merge(&mut index.write()).expect("merge");
        assert_eq!(packs_of(&index, 13), [new], "of one writer the one that stays");
        index.set_deleted([old].into());
        assert!(packs_of(&index, 15).is_empty());
        assert!(matches!(index.claim(id(15), ChunkType::File), Claim::Mine(_)));
        index.merge(&mut index.write()).expect("merge");
        index.set_deleted(HashSet::new());
        assert!(packs_of(&index, 15).is_empty(), "dropped from the file");
        assert_eq!(packs_of(&index, 3), [other]);
        fs::remove_file(dir.path().join(BASE)).expect("remove");
    }
}

#[test]
fn rows_into_the_packs_of_others_are_refused() {
    let (index, _) = Index::load(None, tags());
    let rows = table(TableKind::Delta, &[(1, pack_name(1, 1)), (2, pack_name(2, 2)), (3, pack_name(1, 1))]);
    assert_eq!(index.absorb(delta_name(1), &rows).expect("absorb"), 1);
    assert!(matches!(index.claim(id(2), ChunkType::File), Claim::Mine(_)));
    assert!(matches!(index.claim(id(3), ChunkType::File), Claim::Known));
}

#[test]
fn a_delta_is_cut_at_its_limit_and_nothing_is_lost() {
    let (index, _) = Index::load(None, tags());
    let store = memory_store("large");
    // Two packs of 80,000 chunks: more than a table of 4 MiB holds, cut within a pack.
    for n in 0..2 {
        let ids: Vec<_> = (n * 80_000..(n + 1) * 80_000).map(id).collect();
        index.stored(&stored_pack(&store, pack_name(1, n as u32), &ids, 80_000));
    }
    // A chunk twice in one segment has one row.
    index.stored(&stored_pack(&store, pack_name(1, 9), &[id(1), id(1)], 2));
    let mut rows = 0;
    let mut packs = Vec::new();
    while let Some(delta) = index.take_delta() {
        let bytes = delta.table().encode().expect("a valid table");
        assert!(bytes.len() <= vault_format::limits::INDEX_PLAIN);
        let named: HashSet<_> = delta.table().packs.iter().map(|pack| pack.name).collect();
        assert_eq!(named, delta.packs().iter().map(PackReceipt::name).collect());
        rows += delta.table().rows.len();
        packs.push(named.len());
    }
    assert_eq!((rows, packs), (160_001, vec![2, 2]));
}

#[test]
fn damage_of_the_local_copy_is_noticed_everywhere() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let index = load(dir.path());
    let rows: Vec<_> = (0..1000).map(|n| (n, pack_name(1, n as u32 / 100))).collect();
    index.absorb(shard_name(1), &table(TableKind::Shard, &rows)).expect("absorb");
    index.merge(&mut index.write()).expect("merge");
    index.absorb(shard_name(2), &table(TableKind::Delta, &[(5000, pack_name(1, 99))])).expect("absorb");
    index.save().expect("save");
    let (base, recent) = (dir.path().join(BASE), dir.path().join(RECENT));
    let files = [(&base, fs::read(&base).expect("base")), (&recent, fs::read(&recent).expect("recent"))];
    let restore = || files.iter().for_each(|(path, bytes)| fs::write(path, bytes).expect("write"));

    for (path, bytes) in &files {
        for at in (0..bytes.len()).step_by(331).chain([0, bytes.len() - 1]) {
            restore();
            let file = fs::OpenOptions::new().write(true).open(path).expect("open");
            file.write_all_at(&[bytes[at] ^ 0x10], at as u64).expect("write");
            let (index, trouble) = Index::load(Some(dir.path()), tags());
            // Either seen at once, or at the latest when a chunk is looked for; a wrong answer is never given.
            let mut seen = trouble.is_some();
            for n in [0, 1, 500, 999].into_iter().chain(if seen { 0..0 } else { 0..200 }) {
                match index.locate(&id(n)) {
                    Ok(locations) if seen && locations.is_empty() => {}
                    Ok(locations) => assert_eq!(locations[0].pack, pack_name(1, n as u32 / 100)),
                    Err(IndexError::Damaged { .. }) => seen = true,
                    Err(error) => panic!("{error}"),
                }
            }
            assert!(seen, "byte {at} of {}", path.display());
        }
        for len in [0, 1, 4095, 4096, bytes.len() / 2, bytes.len() - 1] {
            restore();
            fs::write(path, &bytes[..len.min(bytes.len() - 1)]).expect("write");
            let (_, trouble) = Index::load(Some(dir.path()), tags());
            assert!(matches!(trouble, Some(IndexError::Damaged { .. })), "{len} bytes of {}", path.display());
            assert!(!path.exists(), "dropped");
        }
    }
    // Of the two files each stands alone.
    restore();
    fs::remove_file(&recent).expect("remove");
    assert_eq!(load(dir.path()).covered(), [shard_name(1)].into());
}

#[test]
fn damage_during_a_push_stores_again_and_drops_the_copy() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let index = load(dir.path());
    let rows: Vec<_> = (0..1000).map(|n| (n, pack_name(1, 1))).collect();
    index.absorb(shard_name(1), &table(TableKind::Shard, &rows)).expect("absorb");
    index.merge(&mut index.write()).expect("merge");
    let file = fs::OpenOptions::new().write(true).open(dir.path().join(BASE)).expect("open");
    file.write_all_at(&vec![0; 11 * 4096], 4096).expect("write");
    assert!(matches!(index.claim(id(7), ChunkType::File), Claim::Mine(_)));
    assert!(index.is_damaged());
    index.save().expect("save");
    assert!(load(dir.path()).is_empty());
}

#[test]
fn the_copy_of_another_vault_domain_or_store_is_not_taken() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let index = load(dir.path());
    index.absorb(shard_name(1), &table(TableKind::Delta, &[(1, pack_name(1, 1))])).expect("absorb");
    index.save().expect("save");
    index.merge(&mut index.write()).expect("merge");
    index.absorb(shard_name(2), &table(TableKind::Delta, &[(2, pack_name(1, 1))])).expect("absorb");
    index.save().expect("save");
    assert_eq!(load(dir.path()).len(), 2);
    let others = [
        Tags { vault: VaultId([9; 32]), ..tags() },
        Tags { domain: device(1).into(), ..tags() },
        Tags { store: [9; 16], ..tags() },
    ];
    for other in others {
        let (index, trouble) = Index::load(Some(dir.path()), other);
        assert!(index.is_empty() && index.covered().is_empty() && trouble.is_none());
    }
}

#[test]
fn few_small_deltas_are_left_and_large_shards_never_rewritten() {
    let info = |name, size| TableInfo { name, size };
    let mut tables: Vec<_> = (0..32).map(|n| info(delta_name(n), 4096)).collect();
    tables.push(info(shard_name(100), 4 << 20));
    tables.push(info(shard_name(101), 64 << 10));
    assert_eq!(merge_plan(&tables), None);
    tables.push(info(delta_name(33), 4 << 20));
    let plan = merge_plan(&tables).expect("33 deltas");
    assert_eq!(plan.keep, [shard_name(100)]);
    assert_eq!(plan.merge.len(), 34);
    assert!(plan.merge.contains(&shard_name(101)) && plan.merge.contains(&delta_name(33)));
}

#[test]
fn merged_shards_hold_every_chunk_once_for_each_writer() {
    let mut tables = Vec::new();
    for n in 0..40_u64 {
        let rows: Vec<_> = (n * 1000..(n + 5) * 1000).map(|c| (c, pack_name((n % 6) as u8, n as u32))).collect();
        tables.push(table(TableKind::Delta, &rows));
    }
    tables.push(table(TableKind::Shard, &[(1, pack_name(7, 900)), (2, pack_name(0, 901))]));
    let gone = pack_name(5, 5);
    let shards = merge_tables(&tables, &[gone].into());
    assert!(shards.len() > 1);
    let mut found: BTreeMap<ChunkId, Vec<PackName>> = BTreeMap::new();
    let mut segments = 0;
    for shard in &shards {
        assert_eq!(shard.kind, TableKind::Shard);
        shard.encode().expect("a valid table");
        segments += shard.segments.len();
        for row in &shard.rows {
            found.entry(row.id).or_default().push(shard.packs[shard.segments[row.segment as usize].pack as usize].name);
        }
    }
    assert!(segments <= tables.iter().map(|table| table.segments.len()).sum::<usize>() + shards.len());
    let mut wanted: BTreeMap<ChunkId, Vec<PackName>> = BTreeMap::new();
    for table in &tables {
        for Row { id, segment, .. } in &table.rows {
            let name = table.packs[table.segments[*segment as usize].pack as usize].name;
            let names = wanted.entry(*id).or_default();
            if name != gone && names.len() < MAX_LOCATIONS && names.iter().all(|n| n.device != name.device) {
                names.push(name);
            }
        }
    }
    wanted.retain(|_, names| !names.is_empty());
    for names in found.values_mut().chain(wanted.values_mut()) {
        names.sort_unstable();
    }
    assert!(found == wanted);
}

#[derive(Clone, Debug)]
enum Step {
    Absorb(Vec<(u64, u8, u32)>),
    Save,
    Merge,
    Reload,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let rows = prop::collection::vec((0..300_u64, 0..6_u8, 0..5_u32), 1..200);
    let step = prop_oneof![
        4 => rows.prop_map(Step::Absorb),
        1 => Just(Step::Save),
        1 => Just(Step::Merge),
        1 => Just(Step::Reload),
    ];
    prop::collection::vec(step, 1..12)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Whatever is absorbed, saved, merged and loaded: an id is where one of its tables says, from as many writers as a
    /// model has, and nothing else is found.
    #[test]
    fn the_index_is_a_map(steps in steps()) {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let mut index = load(dir.path());
        // What is known, and what of it a save has made last.
        let mut model: BTreeMap<u64, BTreeSet<PackName>> = BTreeMap::new();
        let (mut saved, mut covered, mut saved_covered) = (model.clone(), BTreeSet::new(), BTreeSet::new());
        for (number, step) in steps.into_iter().enumerate() {
            match step {
                Step::Absorb(rows) => {
                    let rows: BTreeSet<_> = rows.into_iter().map(|(n, device, pack)| (n, pack_name(device, pack))).collect();
                    let rows: Vec<_> = rows.into_iter().collect();
                    index.absorb(shard_name(number as u64), &table(TableKind::Delta, &rows)).expect("absorb");
                    covered.insert(shard_name(number as u64));
                    for (n, pack) in rows {
                        model.entry(n).or_default().insert(pack);
                    }
                }
                Step::Save => {
                    index.save().expect("save");
                    (saved, saved_covered) = (model.clone(), covered.clone());
                }
                Step::Merge => {
                    index.merge(&mut index.write()).expect("merge");
                    (saved, saved_covered) = (model.clone(), covered.clone());
                }
                Step::Reload => {
                    index = load(dir.path());
                    (model, covered) = (saved.clone(), saved_covered.clone());
                }
            }
            prop_assert_eq!(&index.covered(), &covered);
            for n in 0..300 {
                let (packs, wanted) = (packs_of(&index, n), model.get(&n));
                prop_assert_eq!(packs.is_empty(), wanted.is_none());
                let Some(wanted) = wanted else { continue };
                prop_assert!(packs.iter().all(|pack| wanted.contains(pack)));
                let writers: HashSet<_> = packs.iter().map(|pack| pack.device).collect();
                let all: HashSet<_> = wanted.iter().map(|pack| pack.device).collect();
                prop_assert!(!writers.is_empty() && writers.len() <= all.len() && packs.len() <= MAX_LOCATIONS);
            }
        }
        // After a merge each writer has one location, and four writers are kept.
        index.merge(&mut index.write()).expect("merge");
        for (n, wanted) in &model {
            let all: HashSet<_> = wanted.iter().map(|pack| pack.device).collect();
            let packs = packs_of(&index, *n);
            let writers: HashSet<_> = packs.iter().map(|pack| pack.device).collect();
            prop_assert_eq!(packs.len(), writers.len());
            prop_assert_eq!(packs.len(), all.len().min(MAX_LOCATIONS));
        }
    }
}
