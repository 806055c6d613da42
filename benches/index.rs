//! The index of a million chunks (`ROWS=10000000`: of ten million): loading, looking up, claiming, merging; and what it
//! keeps in memory.
#![allow(clippy::print_stderr, missing_docs)]

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use std::collections::HashSet;
use std::hint::black_box;
use std::path::Path;
use std::time::Instant;
use vault_format::ids::{ChunkId, DeviceId, Domain, ObjectHash, VaultId};
use vault_format::index::{PackRef, Row, SegmentRef, Table, TableKind};
use vault_format::log::IndexName;
use vault_format::name::PackName;
use vault_format::pack::ChunkType;
use zvault::index::{Claim, Index, Tags};

fn index(c: &mut Criterion) {
    let rows: u64 = std::env::var("ROWS").ok().and_then(|rows| rows.parse().ok()).unwrap_or(1_000_000);
    let dir = tempfile::tempdir().expect("a temporary folder");
    build(dir.path(), rows);

    let before = resident_kib();
    let start = Instant::now();
    let index = load(dir.path());
    eprintln!("{rows} rows: loaded in {:?}, {} KiB more resident", start.elapsed(), resident_kib() - before);

    let mut n = 0;
    let mut next = move || {
        n = (n + 7_919) % rows;
        n
    };
    let name = |what: &str| format!("{what} of {rows}");
    c.bench_function(&name("locate a known chunk"), |b| b.iter(|| black_box(index.locate(&id(next())))));
    c.bench_function(&name("locate an unknown chunk"), |b| b.iter(|| black_box(index.locate(&id(rows + next())))));
    c.bench_function(&name("claim a known chunk"), |b| b.iter(|| index.claim(id(next()), ChunkType::File)));
    c.bench_function(&name("claim and abandon a new chunk"), |b| {
        b.iter(|| match index.claim(id(rows + next()), ChunkType::File) {
            Claim::Mine(ticket) => index.abandon(ticket),
            other => panic!("{other:?}"),
        });
    });
    c.bench_function(&name("load"), |b| b.iter(|| load(dir.path())));
    index.set_condemned(HashSet::from([pack(1).name]));
    c.bench_function(&name("claim a known chunk, with condemned packs"), |b| {
        b.iter(|| index.claim(id(next()), ChunkType::File));
    });

    let mut group = c.benchmark_group("merge");
    group.sample_size(10);
    group.bench_function(name("20,000 into a copy"), |b| {
        let prepare = || {
            let copy = tempfile::tempdir().expect("a temporary folder");
            std::fs::copy(dir.path().join("base.rows"), copy.path().join("base.rows")).expect("copy");
            let index = load(copy.path());
            index.absorb(shard(99), &table(rows, 20_000)).expect("absorb");
            (copy, index)
        };
        b.iter_batched(
            prepare,
            |(copy, index)| {
                index.save().expect("save");
                (copy, index)
            },
            BatchSize::PerIteration,
        );
    });
}

fn build(folder: &Path, rows: u64) {
    let index = load(folder);
    let start = Instant::now();
    let mut first = 0;
    while first < rows {
        let count = ROWS_PER_TABLE.min(rows - first);
        index.absorb(shard(first), &table(first, count)).expect("absorb");
        first += count;
    }
    index.save().expect("save");
    eprintln!("{rows} rows: absorbed and saved in {:?}, {} KiB resident at most", start.elapsed(), peak_kib());
}

fn load(folder: &Path) -> Index {
    let tags = Tags { vault: VaultId([1; 32]), domain: Domain::SHARED, store: [0; 16] };
    let (index, trouble) = Index::load(Some(folder), tags);
    assert!(trouble.is_none(), "{trouble:?}");
    index
}

/// Eight chunks to a segment, sixteen segments to a pack: chunks of 128 KiB.
fn table(first: u64, count: u64) -> Table {
    let segments: Vec<SegmentRef> = (0..count.div_ceil(8) as u32)
        .map(|n| SegmentRef {
            pack: n / 16,
            slot: n % 16,
            offset: 152 + (n % 16) * (1 << 19),
            frame_len: 1 << 19,
            plain_len: 1 << 20,
        })
        .collect();
    let packs = (0..segments.len().div_ceil(16) as u64).map(|n| pack(first / 128 + n)).collect();
    let mut rows: Vec<Row> = (0..count)
        .map(|n| Row {
            id: id(first + n),
            segment: (n / 8) as u32,
            offset: (n % 8) as u32 * (128 << 10),
            len: 128 << 10,
        })
        .collect();
    rows.sort_unstable_by_key(|row| row.id);
    Table { kind: TableKind::Shard, packs, segments, rows }
}

fn pack(n: u64) -> PackRef {
    PackRef { name: PackName { tree: false, device: DeviceId([1; 16]), hash: hash(n ^ (1 << 60)) }, size_units: 256 }
}

fn hash(n: u64) -> ObjectHash {
    ObjectHash(id(n ^ (1 << 61)).0)
}

fn shard(n: u64) -> IndexName {
    IndexName { shard: true, device: DeviceId([1; 16]), hash: hash(n) }
}

fn id(n: u64) -> ChunkId {
    let mut state = n;
    let mut bytes = [0; 32];
    for eight in bytes.as_chunks_mut::<8>().0 {
        state = xorf::splitmix64(&mut state);
        *eight = state.to_be_bytes();
    }
    ChunkId(bytes)
}

fn resident_kib() -> i64 {
    status("VmRSS:")
}

fn peak_kib() -> i64 {
    status("VmHWM:")
}

/// A number of KiB from the kernel's account of this process; 0 where there is none.
fn status(field: &str) -> i64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(field)).unwrap_or_default();
    line.trim().trim_end_matches(" kB").parse().unwrap_or(0)
}

const ROWS_PER_TABLE: u64 = 80_000;

criterion_group!(benches, index);
criterion_main!(benches);
