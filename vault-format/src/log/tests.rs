//! Entries and bodies of every kind: they round-trip, have one encoding and keep their limits.

use super::*;
use crate::entry::Time;
use crate::error::FormatError;
use crate::fields::NANOS;
use crate::header::{Header, Mode, ObjectType};
use crate::ids::{ChunkId, DeviceId, Domain, EpochId, Identity, ObjectHash, Scope, VaultId};
use crate::limits;
use crate::name::PackName;
use crate::suite::Suite;
use proptest::collection::{btree_map, btree_set, vec};
use proptest::option;
use proptest::prelude::*;
use std::collections::BTreeMap;

fn ids<const N: usize, T>(make: fn([u8; N]) -> T) -> impl Strategy<Value = T>
where
    T: std::fmt::Debug,
{
    // Few different bytes, so that ids that share a start occur.
    (0..4u8, 0..3u8).prop_map(move |(first, last)| {
        let mut bytes = [first; N];
        bytes[N - 1] = last;
        make(bytes)
    })
}

fn set<T: Ord + std::fmt::Debug>(item: impl Strategy<Value = T>) -> impl Strategy<Value = Vec<T>> {
    btree_set(item, 0..4).prop_map(|set| set.into_iter().collect())
}

fn heads() -> impl Strategy<Value = Heads> {
    let identities = btree_set(ids(Identity), 1..4);
    btree_map(ids(DeviceId), identities.prop_map(|set| set.into_iter().collect()), 0..3)
}

fn checkpoint_parts() -> impl Strategy<Value = CheckpointPart> {
    (ids(ObjectHash), 0..4224u32, any::<u32>()).prop_map(|(hash, kib, entries)| CheckpointPart { hash, kib, entries })
}

fn packs() -> impl Strategy<Value = Vec<PackName>> {
    set((any::<bool>(), ids(DeviceId), ids(ObjectHash)).prop_map(|(tree, device, hash)| PackName {
        tree,
        device,
        hash,
    }))
}

fn sources() -> impl Strategy<Value = SourceRecord> {
    let root = option::of(ids(ChunkId));
    (vec(any::<u8>(), 1..20), 0..3u8, ids(Scope), ids(Domain), root, 0..=12u8, 0..3u8, any::<[u64; 3]>()).prop_map(
        |(label, kind, scope, domain, root, level, outcome, [entries, bytes, missed])| SourceRecord {
            label,
            kind: [SourceKind::Path, SourceKind::Stdin, SourceKind::Command][usize::from(kind)],
            scope,
            domain,
            root,
            level,
            outcome: match (root, outcome) {
                (None, _) | (_, 2) => Outcome::Failed,
                (_, 1) => Outcome::Partial,
                _ => Outcome::Complete,
            },
            entries,
            bytes,
            missed: missed % 3,
        },
    )
}

fn snapshots() -> impl Strategy<Value = Snapshot> {
    let stats = option::of(any::<[u64; 9]>().prop_map(|values| {
        let mut stats = SnapshotStats::default();
        for (field, value) in stats.fields().into_iter().zip(values) {
            *field = value % 1000;
        }
        stats
    }));
    (vec(sources(), 1..4), ".{0,9}", ".{0,9}", vec(".{0,9}", 0..4), ".{0,9}", option::of(ids(Identity)), stats)
        .prop_map(|(sources, host, user, tags, program, parent, stats)| Snapshot {
            sources,
            host,
            user,
            tags,
            program,
            parent,
            stats,
        })
}

fn payloads() -> impl Strategy<Value = Payload> {
    let entry_refs = set((ids(DeviceId), any::<u64>(), ids(Identity)).prop_map(|(device, seq, identity)| EntryRef {
        device,
        seq,
        identity,
    }));
    let index = set((any::<bool>(), ids(DeviceId), ids(ObjectHash)).prop_map(|(shard, device, hash)| IndexName {
        shard,
        device,
        hash,
    }));
    let entries = set((ids(DeviceId), any::<u64>(), ids(ObjectHash)).prop_map(|(device, seq, hash)| EntryName {
        device,
        seq,
        hash,
    }));
    let parts = set((ids(DeviceId), ids(ObjectHash)).prop_map(|(device, hash)| PartName { device, hash }));
    let losses = set((ids(DeviceId), ids(Identity), any::<u64>(), option::of(ids(Identity)), any::<u64>())
        .prop_map(|(device, pinned, pinned_seq, now, now_seq)| Accepted { device, pinned, pinned_seq, now, now_seq }));
    prop_oneof![
        snapshots().prop_map(Payload::Snapshot),
        entry_refs.prop_map(Payload::Forget),
        (set(checkpoint_parts()), heads())
            .prop_map(|(parts, frontier)| Payload::Checkpoint(Checkpoint { parts, frontier })),
        packs().prop_map(Payload::Condemn),
        (ids(Identity), heads()).prop_map(|(condemn, frontier)| Payload::Fence { condemn, frontier }),
        (ids(Identity), heads(), packs(), index, entries, parts).prop_map(
            |(condemn, frontier, packs, index, entries, parts)| {
                Payload::Final(Final { condemn, frontier, packs, index, entries, parts })
            }
        ),
        Just(Payload::Progress),
        losses.prop_map(Payload::Accept),
        (ids(Domain), set(ids(ObjectHash)), heads())
            .prop_map(|(domain, shards, frontier)| { Payload::Index(IndexSet { domain, shards, frontier }) }),
        Just(Payload::Merge),
    ]
}

fn bodies() -> impl Strategy<Value = Body> {
    let time = (any::<i64>(), 0..NANOS).prop_map(|(secs, nanos)| Time { secs, nanos });
    let roster_heads = btree_set(ids(Identity), 1..4).prop_map(|set| set.into_iter().collect());
    let other_heads = btree_map(ids(DeviceId), ids(Identity), 0..3);
    let deltas = set((ids(ObjectHash), any::<u32>()));
    let kinds = (any::<bool>(), any::<bool>(), any::<[u16; 2]>());
    (time, roster_heads, other_heads, heads(), deltas, payloads(), kinds).prop_map(
        |(time, roster_heads, other_heads, seen, deltas, payload, (data, trees, ends))| {
            let part =
                DeltaPart { data: data || !trees, trees, first: ends[0].min(ends[1]), last: ends[0].max(ends[1]) };
            let parts = deltas.iter().step_by(2).map(|(hash, _)| (*hash, part)).collect();
            Body { time, roster_heads, other_heads, seen, deltas, parts, payload }
        },
    )
}

proptest! {
    #[test]
    fn bodies_round_trip(body in bodies()) {
        let bytes = body.encode().expect("a good body");
        prop_assert_eq!(Body::parse(&bytes), Ok(body));
    }

    /// A changed byte gives an error or another body, which is written as it was read.
    #[test]
    fn bodies_have_one_encoding(body in bodies(), at: prop::sample::Index, byte: u8) {
        let mut bytes = body.encode().expect("a good body");
        let at = at.index(bytes.len());
        prop_assume!(bytes[at] != byte);
        bytes[at] = byte;
        if let Ok(other) = Body::parse(&bytes) {
            prop_assert_ne!(&other, &body);
        }
    }

    #[test]
    fn sets_are_written_in_order(mut body in bodies()) {
        let bytes = body.encode();
        body.roster_heads.reverse();
        body.deltas.reverse();
        prop_assert_eq!(body.encode(), bytes);
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes: Vec<u8>) {
        let _ = Body::parse(&bytes);
        let _ = EntryObject::parse(&bytes, Suite::Default);
    }
}

fn body(payload: Payload) -> Body {
    Body {
        time: Time::default(),
        roster_heads: vec![Identity([1; 32])],
        other_heads: BTreeMap::new(),
        seen: Heads::new(),
        deltas: Vec::new(),
        parts: BTreeMap::new(),
        payload,
    }
}

fn header(mode: Mode) -> Header {
    Header {
        suite: Suite::Default,
        object_type: ObjectType::Entry,
        mode,
        vault: VaultId([1; 32]),
        epoch: EpochId([2; 16]),
        domain: Domain::SHARED,
        writer: DeviceId([3; 16]),
        salt: [4; 32],
    }
}

#[test]
fn what_cannot_be_read_is_not_written() {
    let no_heads = Body { roster_heads: Vec::new(), ..body(Payload::Merge) };
    assert_eq!(no_heads.encode(), Err(FormatError::Invalid { what: "roster heads" }));
    let late = Body { time: Time { secs: 0, nanos: NANOS }, ..body(Payload::Merge) };
    assert_eq!(late.encode(), Err(FormatError::Invalid { what: "time" }));
    let twice = Body { deltas: vec![(ObjectHash([1; 32]), 1); 2], ..body(Payload::Merge) };
    assert_eq!(twice.encode(), Err(FormatError::Order { what: "deltas" }));
    assert!(body(Payload::Unknown(11)).encode().is_err());
    let pack = |n: u32| PackName {
        tree: false,
        device: DeviceId([0; 16]),
        hash: ObjectHash(std::array::from_fn(|at| n.to_be_bytes()[at % 4])),
    };
    let giant = body(Payload::Condemn((0..4000).map(pack).collect()));
    assert!(matches!(giant.encode(), Err(FormatError::Limit { .. })));
}

#[test]
fn kinds_go_with_one_mode() {
    let clear = body(Payload::Condemn(Vec::new())).encode().expect("a body");
    let sealed = body(Payload::Merge).encode().expect("a body");
    let object = |mode| {
        let mut stored = entry_prefix(&header(mode), 1, &[]);
        stored.resize(8192, 0);
        EntryObject::parse(&stored, Suite::Default).expect("an entry")
    };
    let wrong = Err(FormatError::Mismatch { field: "mode" });
    assert!(object(Mode::Clear).body(&clear).is_ok());
    assert_eq!(object(Mode::Clear).body(&sealed), wrong);
    assert!(object(Mode::Symmetric).body(&sealed).is_ok());
    assert_eq!(object(Mode::Symmetric).body(&clear), wrong);
}

#[test]
fn entries_over_their_limit_are_refused() {
    let stored = vec![0; limits::ENTRY_STORED + 1];
    let refused = EntryObject::parse(&stored, Suite::Default);
    assert!(matches!(refused, Err(FormatError::Limit { .. })));
    let refused = Body::parse(&stored[..limits::ENTRY_BODY + 1]);
    assert!(matches!(refused, Err(FormatError::Limit { .. })));
}
