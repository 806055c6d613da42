//! Packs by whoever has nothing but what everybody sees: the public key of the epoch stands in the roster.

use super::flow::fill;
use super::*;
use crate::check::{CheckOptions, ReadData, check};
use crate::stage::testing::text_bytes;
use crate::stage::{Compressor, PackKeys, PackWriter, SegmentBuilder, SegmentSealer};
use crypto_backends::Key;
use vault_format::pack::ChunkType;
use vault_format::{Header, Mode, ObjectHash, ObjectType, PackName, Scope};

/// That the vault's key opens a ciphertext says nothing of who made it. Without the secret of the device whose name it bears a
/// pack opens for nobody, and no entry names it: it is noise, whosever it claims to be.
#[test]
fn packs_planted_under_the_public_key() {
    let world = World::new();
    fill(&world, PUSHER);
    let snapshot = world.push(PUSHER).snapshot.expect("a snapshot");
    let (reader, pusher) = (world.open(READER), world.open(PUSHER));
    let epoch = reader.roster.epochs.last().expect("an epoch");
    // The chunks are even the right ones: what the device would store next, and what it has stored.
    let ids = pusher.domain_keys().id_keys(Scope::VAULT);
    let content = text_bytes(77, 600_000);
    let mut planted = Vec::new();
    for object_type in [ObjectType::DataPack, ObjectType::TreePack] {
        for writer in [pusher.device_id(), reader.device_id()] {
            let header = Header {
                suite: reader.suite(),
                object_type,
                mode: Mode::Sealed,
                vault: reader.id(),
                epoch: epoch.id,
                domain: writer.into(),
                writer,
                salt: [0; 32],
            };
            let keys = PackKeys::sealed(reader.provider, header, &epoch.public, &Key::new([0; 32])).expect("keys");
            let mut pack = PackWriter::new(keys).expect("a pack");
            let kind = if object_type == ObjectType::TreePack { ChunkType::List } else { ChunkType::File };
            let mut segment = SegmentBuilder::new(Scope::VAULT);
            for chunk in content.chunks(100_000) {
                segment.push(ids.id(kind, chunk), kind, chunk);
            }
            let mut compressor = Compressor::new(None).expect("a level");
            let compressed = segment.compress(&mut compressor).expect("compresses");
            let ticket = pack.reserve(&compressed).expect("room");
            let mut sealer = SegmentSealer::new();
            pack.fill(sealer.seal(ticket, &compressed, &ids).expect("sealed")).expect("filled");
            let bytes = pack.finish(false).expect("a pack").bytes;
            let hash = ObjectHash(reader.hash(&bytes));
            let name = PackName { tree: object_type == ObjectType::TreePack, device: writer, hash };
            world.store().put(&name.into(), bytes.clone().into()).expect("planted");
            planted.push((name, bytes));
        }
    }
    for (name, bytes) in &planted {
        assert!(reader.open_head(name, bytes).is_err(), "opened though nobody of the vault sealed it");
    }
    drop((reader, pusher));

    // Nobody relies on it, and nothing changes but what check tells of.
    let again = world.push(PUSHER);
    assert_eq!((again.data_chunks, again.tree_chunks), (0, 0));
    world.restores(PUSHER, snapshot);
    world.write(PUSHER, "next", &content[..100_000]);
    let next = world.push(PUSHER);
    assert_eq!(next.files_new, 1);
    world.restores(PUSHER, next.snapshot.expect("a snapshot"));
    let report = check(&world.open(READER), &CheckOptions { read_data: ReadData::All }, &Watch::new()).expect("checks");
    for (name, _) in &planted {
        let path = ObjectName::Pack(*name).to_path();
        let told = report.junk.iter().chain(&report.notes).any(|line| line.contains(&path));
        let blamed = report.damaged.iter().any(|damage| damage.object.contains(&path));
        assert!(told || !blamed, "{path}: {:?} {:?}", report.damaged, report.junk);
    }
    assert!(report.damaged.is_empty(), "{:?}", report.damaged);
}
