//! Each stage by itself, and a whole segment through all of them, on one core. Bars: chunk 2.5 GB/s, seal 1.7 GB/s.
use std::hint::black_box;
use std::time::Duration;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use crypto_backends::Key;
use crypto_backends::rustcrypto::provider;
use vault_format::pack::ChunkType;
use vault_format::{Codec, DeviceId, Domain, EpochId, Header, Mode, ObjectType, Scope, Suite, VaultId};
use zvault::stage::{
    Chunker, Compressor, IdKeys, ObjectKeys, Opener, PackKeys, PackWriter, SegmentBuilder, SegmentSealer,
};

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(20).warm_up_time(Duration::from_millis(500)).measurement_time(Duration::from_secs(2));
    targets = chunk, id, compress, seal, verify, pack, whole
}
criterion_main!(benches);

fn chunk(c: &mut Criterion) {
    let (data, chunker) = (random_bytes(16 << 20), chunker());
    let mut group = c.benchmark_group("chunk");
    group.throughput(Throughput::Bytes(data.len() as u64));
    group.bench_function("random", |b| b.iter(|| cut_all(&chunker, black_box(&data)).len()));
}

fn id(c: &mut Criterion) {
    let (data, ids) = (random_bytes(128 << 10), ids());
    let mut group = c.benchmark_group("id");
    for len in [1 << 10, 16 << 10, 128 << 10] {
        group.throughput(Throughput::Bytes(len as u64));
        group.bench_with_input(BenchmarkId::from_parameter(len), &data[..len], |b, data| {
            b.iter(|| ids.id(ChunkType::File, black_box(data)));
        });
    }
}

fn compress(c: &mut Criterion) {
    let mut group = c.benchmark_group("compress");
    for (name, data) in [("random", random_bytes(1 << 20)), ("text", text_bytes(1 << 20))] {
        group.throughput(Throughput::Bytes(data.len() as u64));
        for level in [1, 3] {
            let mut compressor = Compressor::new(Some(level)).expect("a level");
            group.bench_with_input(BenchmarkId::new(name, level), &data, |b, data| {
                b.iter(|| compressor.compress(black_box(data)).expect("compresses").1.len());
            });
        }
    }
}

fn seal(c: &mut Criterion) {
    let (data, keys) = (random_bytes(1 << 20), object_keys());
    let mut frame = Vec::new();
    let mut group = c.benchmark_group("seal");
    group.throughput(Throughput::Bytes(data.len() as u64));
    group.bench_function("1 MiB", |b| b.iter(|| seal_into(&keys, black_box(&data), &mut frame)));
}

fn verify(c: &mut Criterion) {
    let (data, keys, ids) = (random_bytes(1 << 20), object_keys(), ids());
    let (mut frame, mut opener) = (Vec::new(), Opener::new());
    seal_into(&keys, &data, &mut frame);
    let mut group = c.benchmark_group("verify");
    group.throughput(Throughput::Bytes(data.len() as u64));
    group.bench_function("open", |b| {
        b.iter(|| opener.open(&keys, 0, false, black_box(&frame), 1 << 20).expect("opens").len());
    });
    group.bench_function("open and id", |b| {
        b.iter(|| {
            let plain = opener.open(&keys, 0, false, black_box(&frame), 1 << 20).expect("opens");
            plain.chunks(128 << 10).map(|chunk| ids.id(ChunkType::File, chunk).0[0]).max()
        });
    });
}

/// A full pack, from compressed segments on: sealing, verifying, copying, footer, name.
fn pack(c: &mut Criterion) {
    let (segment, ids) = (segment(&random_bytes(1 << 20)), ids());
    let mut compressor = Compressor::new(None).expect("off");
    let segment = segment.compress(&mut compressor).expect("stored");
    let (mut sealer, mut buffer) = (SegmentSealer::new(), Vec::new());
    let mut group = c.benchmark_group("pack");
    group.throughput(Throughput::Bytes(15 << 20));
    group.bench_function("full", |b| {
        b.iter(|| {
            let mut writer = PackWriter::with_buffer(pack_keys(), std::mem::take(&mut buffer)).expect("a pack");
            while let Some(ticket) = writer.reserve(&segment) {
                let sealed = sealer.seal(ticket, &segment, &ids).expect("seals");
                writer.fill(sealed).expect("fills");
            }
            buffer = writer.finish(true).expect("a pack").bytes;
        });
    });
}

/// Everything that a worker does for 1 MiB of a large file; every 15th time also the end of a pack.
fn whole_segment(data: &[u8], worker: &mut Worker) -> usize {
    let mut builder = SegmentBuilder::new(Scope::VAULT);
    std::mem::swap(&mut builder, &mut worker.builder);
    builder.clear();
    for chunk in cut_all(&worker.chunker, data) {
        builder.push(worker.ids.id(ChunkType::File, chunk), ChunkType::File, chunk);
    }
    let compressed = builder.compress(&mut worker.compressor).expect("compresses");
    let ticket = match worker.writer.reserve(&compressed) {
        Some(ticket) => ticket,
        None => {
            let full = std::mem::replace(&mut worker.writer, PackWriter::new(pack_keys()).expect("a pack"));
            let bytes = full.finish(true).expect("a pack").bytes;
            worker.writer = PackWriter::with_buffer(pack_keys(), bytes).expect("a pack");
            worker.writer.reserve(&compressed).expect("room")
        }
    };
    let sealed = worker.sealer.seal(ticket, &compressed, &worker.ids).expect("seals");
    worker.writer.fill(sealed).expect("fills");
    worker.builder = builder;
    data.len()
}

fn whole(c: &mut Criterion) {
    let mut group = c.benchmark_group("segment");
    for (name, data) in [("random", random_bytes(1 << 20)), ("text", text_bytes(1 << 20))] {
        group.throughput(Throughput::Bytes(data.len() as u64));
        let mut worker = Worker {
            chunker: chunker(),
            ids: ids(),
            builder: SegmentBuilder::new(Scope::VAULT),
            compressor: Compressor::new(Some(3)).expect("a level"),
            sealer: SegmentSealer::new(),
            writer: PackWriter::new(pack_keys()).expect("a pack"),
        };
        group.bench_with_input(BenchmarkId::new("whole, zstd 3", name), &data, |b, data| {
            b.iter(|| whole_segment(black_box(data), &mut worker));
        });
    }
}

struct Worker {
    chunker: Chunker,
    ids: IdKeys,
    builder: SegmentBuilder,
    compressor: Compressor,
    sealer: SegmentSealer,
    writer: PackWriter,
}

fn segment(data: &[u8]) -> SegmentBuilder {
    let (mut segment, ids) = (SegmentBuilder::new(Scope::VAULT), ids());
    for chunk in data.chunks(128 << 10) {
        segment.push(ids.id(ChunkType::File, chunk), ChunkType::File, chunk);
    }
    segment
}

fn cut_all<'a>(chunker: &Chunker, mut data: &'a [u8]) -> Vec<&'a [u8]> {
    let mut chunks = Vec::new();
    while let Some(len) = chunker.cut(data, true) {
        let chunk;
        (chunk, data) = data.split_at(len);
        chunks.push(chunk);
    }
    chunks
}

fn seal_into(keys: &ObjectKeys, data: &[u8], frame: &mut Vec<u8>) {
    frame.clear();
    keys.seal_frame(0, false, Codec::Stored, data.len() as u32, data, data.len() + 9, frame).expect("seals");
}

fn chunker() -> Chunker {
    Chunker::new(random_bytes(2048).as_slice().try_into().expect("2048 bytes"))
}

fn ids() -> IdKeys {
    IdKeys::new(provider(), &Key::new([1; 32]), Scope::VAULT)
}

fn object_keys() -> ObjectKeys {
    ObjectKeys::new(provider(), &Key::new([1; 32]), [2; 32], 1)
}

fn pack_keys() -> PackKeys {
    let header = Header {
        suite: Suite::Default,
        object_type: ObjectType::DataPack,
        mode: Mode::Symmetric,
        vault: VaultId([1; 32]),
        epoch: EpochId([2; 16]),
        domain: Domain::SHARED,
        writer: DeviceId([3; 16]),
        salt: [0; 32],
    };
    PackKeys::symmetric(provider(), header, &Key::new([1; 32])).expect("keys")
}

fn random_bytes(len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    provider().random.fill(&mut bytes).expect("randomness");
    bytes
}

/// Words at random: compresses to about a third.
fn text_bytes(len: usize) -> Vec<u8> {
    let noise = random_bytes(len);
    let words: Vec<&[u8]> = noise[..4096].chunks(5).collect();
    let mut text = Vec::with_capacity(len + 8);
    for pair in noise[4096..].chunks_exact(2) {
        text.extend_from_slice(words[usize::from(u16::from_le_bytes([pair[0], pair[1]])) % words.len()]);
        text.push(b' ');
        if text.len() >= len {
            break;
        }
    }
    text.truncate(len);
    text
}
