//! A reader in an attacker's hands, who names something worthless as what others would store.

use super::attacks::{say, store_table};
use super::*;
use crate::stage::testing::random_bytes;
use vault_format::index::{PackRef, Row, SIZE_UNIT, SegmentRef, Table, TableKind};
use vault_format::log::{Heads, IndexSet, Payload};
use vault_format::pack::ChunkType;
use vault_format::{ChunkId, Domain, ObjectHash, ObjectType, Scope};

/// Where something else is said to be the chunk with this id.
fn lie(vault: &Vault, place: ChunkId, as_if: ChunkId) -> (PackRef, SegmentRef, Row) {
    let at = vault.index().expect("an index").locate(&place).expect("looked")[0];
    let size_units = (at.pack_size / SIZE_UNIT as u64) as u16;
    let (frame_len, plain_len) = (at.frame_len, at.plain_len);
    let segment = SegmentRef { pack: 0, slot: at.slot, offset: at.offset, frame_len, plain_len };
    let row = Row { id: as_if, segment: 0, offset: at.chunk_offset, len: at.len };
    (PackRef { name: at.pack, size_units }, segment, row)
}

fn say_set(vault: &mut Vault, (pack, segment, row): (PackRef, SegmentRef, Row), frontier: Heads) {
    let table = Table { kind: TableKind::Shard, packs: vec![pack], segments: vec![segment], rows: vec![row] };
    let (_, bytes) = vault.seal_table(ObjectType::Shard, &table.encode().expect("a table")).expect("sealed");
    let hash = ObjectHash(vault.hash(&bytes));
    vault.store.put(&ObjectName::Shard { device: vault.device_id(), hash }, bytes.into()).expect("put");
    say(vault, &[], Payload::Index(IndexSet { domain: Domain::SHARED, shards: vec![hash], frontier }));
}

#[test]
fn garbage_of_a_compromised_device_is_relied_on_no_longer() {
    let world = World::new();
    let mallory = "mallory";
    world.write(mallory, "garbage", &random_bytes(9, 3000));
    let mut hostile = world.open(mallory);
    push_source(&mut hostile, &world.source(mallory)).expect("pushes");
    let device = hostile.device_id();
    world.write(READER, "kept", &random_bytes(1, 3000));
    let push = || push_source(&mut world.open(READER), &world.source(READER)).expect("pushes");
    push();
    let ids = hostile.domain_keys().id_keys(Scope::VAULT);
    let id_of = |seed| ids.id(ChunkType::File, &random_bytes(seed, 3000));

    // What the honest device would store next: by a delta, by a set, and by an honest set that goes on from that one.
    hostile.refresh().expect("read again");
    hostile.index.take();
    // The set leaves the delta with its lie to be read.
    let frontier: Heads = [(device, hostile.log.heads(device))].into();
    let (pack, segment, row) = lie(&hostile, id_of(9), id_of(2));
    let delta = store_table(&hostile, vec![pack], vec![segment], vec![row]);
    say(&mut hostile, &[delta], Payload::Progress);
    let in_set = lie(&hostile, id_of(1), id_of(3));
    say_set(&mut hostile, in_set, frontier);
    let push_new = |seeds: &[u64]| {
        for seed in seeds {
            world.write(READER, &format!("file {seed}"), &random_bytes(*seed, 3000));
        }
        push().0
    };
    // Who has read the deltas that a set covers does not read the set.
    fs::remove_dir_all(world.cache(READER)).expect("removed");
    assert_eq!(push_new(&[2, 3]).data_chunks, 0, "the attack works");
    fs::remove_dir_all(world.cache(READER)).expect("removed");
    let mut reader = world.open(READER);
    let frontier: Heads = [(device, reader.log.heads(device))].into();
    let laundered = lie(&reader, id_of(1), id_of(4));
    say_set(&mut reader, laundered, frontier);
    fs::remove_dir_all(world.cache(READER)).expect("removed");
    let report = push_new(&[4]);
    assert_eq!(report.data_chunks, 0, "it does with what others have made of it, too");
    let problems = |id| world.restore_in(&world.open("who comes later"), id).0.problems;
    assert_eq!(problems(report.snapshot.expect("a snapshot")), 3);

    // It is said, and has an effect when the device is ended.
    let mut reader = world.open(READER);
    let passphrase = unlock(URL).expect("the passphrase");
    reader.mark_compromised(device, Some(&passphrase)).expect("marked");
    // A set that it writes when it knows is still its own.
    hostile.refresh().expect("read again");
    let frontier: Heads = [(device, hostile.log.heads(device))].into();
    let in_set = lie(&hostile, id_of(1), id_of(3));
    say_set(&mut hostile, in_set, frontier);
    assert_eq!(push().0.data_chunks, 0);
    assert!(reader.compromised().is_empty(), "as long as it is a member");
    reader.refresh().expect("read again");
    reader.revoke(device, Some(&passphrase)).expect("revoked");
    assert_eq!(reader.compromised().len(), 1);
    drop(reader);
    let (report, notes) = push();
    assert_eq!(report.data_chunks, 3, "{notes:?}");
    assert!(notes.iter().any(|note| note.contains("in somebody else's hands")), "{notes:?}");
    let snapshot = report.snapshot.expect("a snapshot");
    assert_eq!(problems(snapshot), 0);
    let _ = fs::remove_dir_all(world.cache(READER));
    world.restores(READER, snapshot);

    // That is paid for once, and nothing of it is relied on later either.
    let (again, notes) = push();
    assert_eq!((again.data_chunks, again.tree_chunks, again.files_unmodified), (0, 0, 4), "{notes:?}");
    assert!(notes.iter().all(|note| !note.contains("hands")), "{notes:?}");
    world.write(READER, "garbage", &random_bytes(9, 3000));
    assert_eq!(push().0.data_chunks, 1);

    // A set by whoever knows of it counts again.
    let mut reader = world.open(READER);
    assert_eq!(reader.tables(Domain::SHARED).merged_by, None);
    let frontier: Heads = [(device, reader.log.heads(device))].into();
    let honest = lie(&reader, id_of(1), id_of(1));
    say_set(&mut reader, honest, frontier);
    assert_eq!(reader.tables(Domain::SHARED).merged_by, Some(reader.device_id()));
}
