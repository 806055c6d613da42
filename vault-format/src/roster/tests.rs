//! Records, operations and private parts round-trip, and have one encoding.

use super::op::REMOVE_STORE;
use super::*;
use crate::blob;
use crate::cbor::Writer;
use crate::entry::Time;
use crate::ids::{DeviceId, EpochId, Identity};
use crate::limits;
use crate::suite::Suite;
use proptest::collection::{btree_map, btree_set, vec};
use proptest::option;
use proptest::prelude::*;

const SUITE: Suite = Suite::Default;

fn capabilities() -> impl Strategy<Value = Capabilities> {
    (0..32u8).prop_map(|bits| Capabilities::from_bits(bits).unwrap_or(Capabilities::ALL))
}

fn slots() -> impl Strategy<Value = Slot> {
    let kdf = prop_oneof![
        any::<[u32; 3]>().prop_map(|[m_kib, t, p]| SlotKdf::Argon2id { m_kib, t, p }),
        any::<u32>().prop_map(|rounds| SlotKdf::Pbkdf2 { rounds }),
        Just(SlotKdf::Words),
        (4..=255u8, vec(any::<u64>(), 0..=8)).prop_map(|(id, parameters)| SlotKdf::Unknown { id, parameters }),
    ];
    (kdf, any::<[u8; 32]>(), any::<u8>()).prop_map(|(kdf, salt, byte)| Slot {
        kdf,
        salt,
        blob: vec![byte; limits::SLOT_BLOB],
    })
}

fn ops() -> impl Strategy<Value = Op> {
    let device = || any::<[u8; 16]>().prop_map(DeviceId);
    let names = || btree_set("[!-~]{1,64}", 0..4).prop_map(|set| set.into_iter().collect::<Vec<_>>());
    prop_oneof![
        (device(), any::<u8>(), capabilities(), option::of(slots()), option::of(any::<[u8; 32]>())).prop_map(
            |(id, byte, capabilities, slot, handshake)| Op::Add {
                id,
                verify_key: vec![byte; SUITE.public_key_len()],
                kem_key: vec![!byte; SUITE.kem_public_len()],
                capabilities,
                slot,
                handshake,
            }
        ),
        (device(), capabilities()).prop_map(|(id, capabilities)| Op::Grant { id, capabilities }),
        (device(), option::of(any::<[u8; 32]>().prop_map(Identity))).prop_map(|(id, last)| Op::Revoke { id, last }),
        (any::<[u8; 16]>(), any::<u8>(), any::<bool>(), any::<u32>())
            .prop_map(|(id, kind, primary, verdict)| Op::Store { id, kind, primary, verdict }),
        (names(), names(), names()).prop_map(|(read, write, prune)| Op::Flags { read, write, prune }),
        any::<u8>().prop_map(|byte| Op::NewRoot { verify_key: vec![byte; SUITE.public_key_len()] }),
        ("[!-~]{1,64}", vec(any::<u8>(), 0..20)).prop_map(|(key, value)| Op::Setting { key, value }),
        any::<[u8; 16]>().prop_map(|id| Op::RemoveStore { id }),
        (REMOVE_STORE + 1..u64::MAX).prop_map(|code| {
            let mut w = Writer::new();
            w.array(2);
            w.uint(code);
            w.text("of a newer version");
            Op::Unknown { code, bytes: w.finish() }
        }),
    ]
}

fn records() -> impl Strategy<Value = Record> {
    let blob = || vec(any::<u8>(), blob::min_len(SUITE)..200);
    let field = vec(any::<u8>(), 32 + blob::min_len(SUITE)..300);
    let epoch =
        (any::<[u8; 16]>(), any::<u8>(), blob(), option::of(blob())).prop_map(|(id, byte, secret_blob, history)| {
            EpochPart { id: EpochId(id), public: vec![byte; SUITE.kem_public_len()], secret_blob, history }
        });
    let boxes = btree_map((any::<[u8; 16]>(), any::<[u8; 16]>(), any::<bool>()), blob(), 0..3).prop_map(|boxes| {
        boxes
            .into_iter()
            .map(|((epoch, device, pusher), blob)| BoxPart {
                epoch: EpochId(epoch),
                device: DeviceId(device),
                pusher,
                bytes: [vec![7; SUITE.kem_ct_len()], blob].concat(),
            })
            .collect()
    });
    let parents = btree_set(any::<[u8; 32]>().prop_map(Identity), 0..=16);
    let private = option::of((any::<[u8; 16]>().prop_map(EpochId), field));
    (any::<i64>(), parents, 1..u32::MAX, vec(ops(), 0..4), option::of(epoch), boxes, private).prop_map(
        |(secs, parents, n, ops, epoch, boxes, private)| Record {
            genesis: parents.is_empty().then(|| b"a genesis".to_vec()),
            time: Time { secs, nanos: 1 },
            n: if parents.is_empty() { 0 } else { n },
            parents: parents.into_iter().collect(),
            ops,
            epoch,
            boxes,
            private,
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn records_round_trip(record in records()) {
        let bytes = record.encode(SUITE).expect("a good record");
        prop_assert_eq!(Record::parse(&bytes, SUITE), Ok(record));
    }

    #[test]
    fn records_have_one_encoding(record in records(), at: prop::sample::Index, byte: u8) {
        let mut bytes = record.encode(SUITE).expect("a good record");
        let at = at.index(bytes.len());
        prop_assume!(bytes[at] != byte);
        bytes[at] = byte;
        if let Ok(other) = Record::parse(&bytes, SUITE) {
            prop_assert_ne!(&other, &record);
        }
    }

    #[test]
    fn private_parts_round_trip(
        devices in btree_map(any::<[u8; 16]>(), (any::<[u8; 32]>(), ".{0,9}"), 0..4),
        stores in btree_map(any::<[u8; 16]>(), ".{0,9}", 0..4),
    ) {
        let part = PrivatePart {
            devices: devices.into_iter().rev().map(|(id, (w, name))| (DeviceId(id), w, name)).collect(),
            stores: stores.into_iter().rev().collect(),
        };
        let bytes = part.encode().expect("a good part");
        let mut again = PrivatePart::parse(&bytes).expect("a good part");
        again.devices.reverse();
        again.stores.reverse();
        prop_assert!(again.devices == part.devices && again.stores == part.stores);
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes: Vec<u8>) {
        let _ = Record::parse(&bytes, SUITE);
        let _ = RecordObject::parse(&bytes);
        let _ = PrivatePart::parse(&bytes);
        let _ = SlotPlain::parse(&bytes);
    }
}
