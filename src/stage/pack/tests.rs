//! What goes in comes out, and every byte, place and lie in between is noticed.

use std::collections::HashSet;

use crypto_backends::Key;
use crypto_backends::rustcrypto::provider;
use vault_format::frame::overhead;
use vault_format::header::HEADER_LEN;
use vault_format::pack::{ChunkType, Footer, FooterChunk, min_frame_len, trailer_frame_len};
use vault_format::{
    ChunkId, Codec, DeviceId, Domain, EpochId, Expected, FormatError, Header, Mode, ObjectType, Scope, Suite, VaultId,
    sizes,
};

use super::*;
use crate::stage::frame::{Opener, SealError};
use crate::stage::id::IdKeyCache;
use crate::stage::object::{dek, sealed_dek};
use crate::stage::segment::{CompressedSegment, Compressor, SegmentBuilder};
use crate::stage::testing::{random_bytes, text_bytes};

fn header(object_type: ObjectType, mode: Mode) -> Header {
    let writer = DeviceId([3; 16]);
    Header {
        suite: Suite::Default,
        object_type,
        mode,
        vault: VaultId([1; 32]),
        epoch: EpochId([2; 16]),
        domain: if mode == Mode::Sealed { writer.into() } else { Domain::SHARED },
        writer,
        salt: [0; 32],
    }
}

fn expected(header: &Header) -> Expected {
    Expected {
        suite: header.suite,
        object_type: header.object_type,
        vault: header.vault,
        writer: Some(header.writer),
        domain: Some(header.domain),
        mode: Some(header.mode),
    }
}

fn data_key() -> Key {
    Key::new([6; 32])
}

fn ids() -> IdKeyCache {
    IdKeyCache::new(provider(), Key::new([7; 32]))
}

fn writer() -> PackWriter {
    let keys = PackKeys::symmetric(provider(), header(ObjectType::DataPack, Mode::Symmetric), &data_key());
    PackWriter::new(keys.expect("keys")).expect("a pack")
}

fn head(pack: &[u8]) -> Result<PackHead, PackError> {
    let expected = expected(&header(ObjectType::DataPack, Mode::Symmetric));
    PackHead::parse(provider(), pack, &expected, |header, clear| Ok(dek(provider(), &data_key(), clear, &header.salt)))
}

fn verify(pack: &[u8]) -> Result<Footer, PackError> {
    let cache = ids();
    verify_pack(&head(pack)?, pack, &|scope| cache.scope(scope))
}

fn segment(scope: Scope, chunk_type: ChunkType, chunks: &[Vec<u8>]) -> SegmentBuilder {
    let keys = ids().scope(scope);
    let mut segment = SegmentBuilder::new(scope);
    for chunk in chunks {
        segment.push(keys.id(chunk_type, chunk), chunk_type, chunk);
    }
    segment
}

/// Reserves, seals, verifies and fills; false if there is no room.
fn add(writer: &mut PackWriter, segment: &SegmentBuilder, level: Option<i32>, scope: Scope) -> bool {
    let mut compressor = Compressor::new(level).expect("a level");
    let compressed = segment.compress(&mut compressor).expect("compresses");
    let Some(ticket) = writer.reserve(&compressed) else {
        return false;
    };
    let mut sealer = SegmentSealer::new();
    let sealed = sealer.seal(ticket, &compressed, &ids().scope(scope)).expect("seals and verifies");
    writer.fill(sealed).expect("its own ticket");
    true
}

fn small_pack() -> FullPack {
    let mut writer = writer();
    let other = Scope([9; 16]);
    assert!(add(
        &mut writer,
        &segment(Scope::VAULT, ChunkType::File, &[text_bytes(1, 40_000), text_bytes(2, 5)]),
        Some(3),
        Scope::VAULT
    ));
    assert!(add(&mut writer, &segment(other, ChunkType::File, &[random_bytes(3, 3_000)]), Some(3), other));
    assert!(add(&mut writer, &segment(Scope::VAULT, ChunkType::File, &[random_bytes(4, 3_000)]), None, Scope::VAULT));
    writer.finish(false).expect("a pack")
}

#[test]
fn what_goes_in_comes_out() {
    let pack = small_pack();
    assert_eq!(pack.bytes.len(), 64 << 10);
    assert_eq!(pack.name.hash.0, provider().hash.hash(&[&pack.bytes]));
    assert_eq!((pack.name.tree, pack.name.device), (false, DeviceId([3; 16])));
    assert_eq!(verify(&pack.bytes).expect("verifies").segments, pack.segments);

    let head = head(&pack.bytes).expect("opens");
    assert!(head.header().salt != [0; 32], "the salt was drawn");
    let mut opener = Opener::new();
    let segment = &pack.segments[0];
    let frame = &pack.bytes[segment.offset as usize..][..segment.frame_len as usize];
    let plain = head.open_segment(&mut opener, 0, frame, segment.plain_len).expect("opens");
    assert_eq!(plain, [text_bytes(1, 40_000), text_bytes(2, 5)].concat());
    assert!(matches!(
        head.open_segment(&mut opener, 0, frame, 40_004),
        Err(PackError::PlainLen { slot: 0, expected: 40_004, found: 40_005 })
    ));
    assert!(matches!(
        head.open_segment(&mut opener, 1, frame, 40_005),
        Err(PackError::Frame { part: Part::Segment(1), source: SealError::Tag { slot: 1 } })
    ));
}

#[test]
fn buffers_are_used_again() {
    let pack = small_pack();
    let buffer = pack.bytes.as_ptr();
    let keys = PackKeys::symmetric(provider(), header(ObjectType::DataPack, Mode::Symmetric), &data_key());
    let mut writer = PackWriter::with_buffer(keys.expect("keys"), pack.bytes).expect("a pack");
    assert!(add(&mut writer, &segment(Scope::VAULT, ChunkType::File, &[text_bytes(1, 100)]), Some(3), Scope::VAULT));
    let again = writer.finish(true).expect("a pack");
    assert_eq!((again.bytes.as_ptr(), again.bytes.len()), (buffer, sizes::PACK));
    assert_eq!(verify(&again.bytes).expect("verifies").segments, again.segments);
}

#[test]
fn the_tail_says_what_it_lacks() {
    let pack = small_pack().bytes;
    let head = head(&pack).expect("opens");
    let mut opener = Opener::new();
    let mut from = pack.len();
    let footer = loop {
        match head.read_tail(&mut opener, pack.len(), &pack[from..]).expect("opens") {
            Tail::Footer(footer) => break footer,
            Tail::From(more) => {
                assert!(more < from);
                from = more;
            }
        }
    };
    assert_eq!(footer, verify(&pack).expect("verifies"));
    assert!(matches!(head.read_tail(&mut opener, pack.len() - 1, &pack), Err(PackError::Size { .. })));
    assert!(head.read_tail(&mut opener, pack.len() * 2, &pack).is_err());
}

#[test]
fn every_byte_is_bound() {
    let pack = small_pack();
    let segments_end = pack.segments.last().map_or(0, |last| last.offset + last.frame_len) as usize;
    let trailer_at = pack.bytes.len() - trailer_frame_len(Suite::Default);
    let footer_at =
        trailer_at - min_frame_len(Suite::Default) - (Footer { segments: pack.segments.clone() }).encoded_len();
    // Every byte of what is clear, the ends of every frame (syn, nonce, head of the text; tag), samples of the long rest.
    let mut places: HashSet<usize> =
        (0..160).chain(trailer_at..pack.bytes.len()).chain((0..pack.bytes.len()).step_by(997)).collect();
    for border in
        pack.segments.iter().map(|segment| segment.offset as usize).chain([segments_end, footer_at, trailer_at])
    {
        places.extend(border - 20..border + 75);
    }
    for at in places {
        let mut bad = pack.bytes.clone();
        bad[at] ^= 0x10;
        let error = verify(&bad).err().unwrap_or_else(|| panic!("byte {at} is not bound"));
        let part = |wanted: Part| matches!(&error, PackError::Frame { part, source: SealError::Tag { .. } } if *part == wanted);
        let right = match at {
            0..40 | 56..88 => matches!(error, PackError::Header(_)),
            // Epoch and salt, which no place demands, and the commitment itself.
            40..56 | 88..152 => {
                matches!(error, PackError::Frame { part: Part::Commitment, source: SealError::Commitment })
            }
            _ if at >= trailer_at => part(Part::Trailer),
            _ if at >= footer_at => part(Part::Footer),
            _ if at >= segments_end => part(Part::Pad),
            _ => pack
                .segments
                .iter()
                .rposition(|segment| segment.offset as usize <= at)
                .is_some_and(|slot| part(Part::Segment(slot as u32))),
        };
        assert!(right, "byte {at}: {error:?}");
    }
}

#[test]
fn header_fields_are_refused_by_name() {
    let pack = small_pack().bytes;
    for (at, value, field) in [
        (5, 2, "suite"),
        (6, 2, "object type"),
        (8, 99, "vault id"),
        (56, 99, "mode of this type and domain"),
        (72, 99, "writer"),
        (7, 3, "mode of this type and domain"),
    ] {
        let mut bad = pack.clone();
        bad[at] = value;
        match head(&bad).err() {
            Some(PackError::Header(FormatError::Mismatch { field: found } | FormatError::Invalid { what: found })) => {
                assert_eq!(found, field)
            }
            other => panic!("{field}: {other:?}"),
        }
    }
    for (at, field) in [(4, "major"), (5, "suite"), (6, "object type"), (7, "mode")] {
        let mut bad = pack.clone();
        bad[at] = 9;
        assert!(
            matches!(head(&bad).err(), Some(PackError::Header(FormatError::NewerFormat { field: found, value: 9 })) if found == field)
        );
    }
    let no_key =
        PackHead::parse(provider(), &pack, &expected(&header(ObjectType::DataPack, Mode::Symmetric)), |_, _| {
            Err("unknown".into())
        });
    assert!(matches!(no_key.err(), Some(PackError::Key { epoch: EpochId([2, ..]), .. })));
    for len in [0, 119, 120, 151] {
        assert!(matches!(head(&pack[..len]).err(), Some(PackError::Header(FormatError::Truncated { .. }))), "{len}");
    }
    assert!(head(&pack[..PackHead::MAX_LEN]).is_ok());
}

#[test]
fn parts_of_packs_cannot_be_exchanged() {
    let one = small_pack();
    let two = small_pack();
    assert_ne!(one.name, two.name, "a salt of its own");
    assert_eq!(one.bytes.len(), two.bytes.len());
    let trailer_at = one.bytes.len() - trailer_frame_len(Suite::Default);
    let footer_at =
        trailer_at - min_frame_len(Suite::Default) - (Footer { segments: one.segments.clone() }).encoded_len();
    let mix = |range: std::ops::Range<usize>| {
        let mut mixed = one.bytes.clone();
        mixed[range.clone()].copy_from_slice(&two.bytes[range]);
        verify(&mixed).expect_err("mixed")
    };
    assert!(matches!(mix(trailer_at..one.bytes.len()), PackError::Frame { part: Part::Trailer, .. }));
    assert!(matches!(mix(footer_at..trailer_at), PackError::Frame { part: Part::Footer, .. }));
    assert!(matches!(mix(footer_at..one.bytes.len()), PackError::Frame { part: Part::Trailer, .. }));
    let last = &one.segments[2];
    let pad_at = (last.offset + last.frame_len) as usize;
    assert!(matches!(mix(pad_at..footer_at), PackError::Frame { part: Part::Pad, .. }));
    assert!(matches!(mix(0..152), PackError::Frame { part: Part::Trailer, .. }));

    // Segments 1 and 2 have frames of one length.
    let (a, b) = (&one.segments[1], &one.segments[2]);
    assert_eq!(a.frame_len, b.frame_len);
    let mut swapped = one.bytes.clone();
    swapped[a.offset as usize..(b.offset + b.frame_len) as usize].rotate_left(a.frame_len as usize);
    assert!(matches!(
        verify(&swapped),
        Err(PackError::Frame { part: Part::Segment(1), source: SealError::Tag { slot: 1 } })
    ));

    assert!(matches!(verify(&one.bytes[..one.bytes.len() - 1]), Err(PackError::Size { .. })));
    let longer = [&one.bytes[..], &one.bytes].concat();
    assert!(matches!(verify(&longer), Err(PackError::Trailer(_))));
    assert!(matches!(
        verify(&[&one.bytes[..], &[0; 64 << 10]].concat()),
        Err(PackError::Frame { part: Part::Trailer, .. })
    ));
}

#[test]
fn a_sealed_lie_is_refused_too() {
    // Whoever has the keys can seal a wrong id, a wrong length, or something in the padding.
    let wrong_id = |writer: &mut PackWriter| writer.segments[0].chunks[0].id = ChunkId([0; 32]);
    let swapped = |writer: &mut PackWriter| writer.segments[0].chunks.swap(0, 1);
    let other_scope = |writer: &mut PackWriter| writer.segments[0].scope = Scope([1; 16]);
    let longer = |writer: &mut PackWriter| {
        writer.segments[0].chunks[0].len += 1;
        writer.segments[0].plain_len += 1;
    };
    let gap = |writer: &mut PackWriter| writer.segments[0].frame_len -= 1;
    let build = |lie: &dyn Fn(&mut PackWriter)| {
        let mut writer = writer();
        assert!(add(
            &mut writer,
            &segment(Scope::VAULT, ChunkType::File, &[random_bytes(1, 50), random_bytes(2, 60)]),
            None,
            Scope::VAULT
        ));
        lie(&mut writer);
        verify(&writer.finish(false).expect("a pack").bytes).expect_err("a lie")
    };
    assert!(matches!(build(&wrong_id), PackError::ChunkId { slot: 0, id: ChunkId([0, ..]) }));
    assert!(matches!(build(&swapped), PackError::ChunkId { slot: 0, .. }));
    assert!(matches!(build(&other_scope), PackError::ChunkId { slot: 0, .. }));
    assert!(matches!(build(&longer), PackError::PlainLen { slot: 0, expected: 111, found: 110 }));
    assert!(matches!(build(&gap), PackError::Frame { part: Part::Segment(0), .. }));

    let honest = small_pack();
    let head = head(&honest.bytes).expect("opens");
    let last = &honest.segments[2];
    let trailer_len = trailer_frame_len(Suite::Default);
    let pad_at = (last.offset + last.frame_len) as usize;
    let footer_at = honest.bytes.len()
        - trailer_len
        - min_frame_len(Suite::Default)
        - (Footer { segments: honest.segments.clone() }).encoded_len();
    let mut bad = honest.bytes[..pad_at].to_vec();
    let text_len = footer_at - pad_at - overhead(Suite::Default);
    head.keys().seal_frame(3, false, Codec::Stored, 1, &[1], text_len, &mut bad).expect("seals");
    bad.extend_from_slice(&honest.bytes[footer_at..]);
    assert!(matches!(verify(&bad), Err(PackError::Pad)));
}

#[test]
fn faults_between_cutting_and_sealing_are_noticed() {
    let mut chunks = segment(Scope::VAULT, ChunkType::File, &[random_bytes(1, 5000)]);
    chunks.push(ChunkId([1; 32]), ChunkType::File, b"not its id");
    let mut off = Compressor::new(None).expect("off");
    let compressed = chunks.compress(&mut off).expect("stored");
    let mut writer = writer();
    let ticket = writer.reserve(&compressed).expect("room");
    let error = SegmentSealer::new().seal(ticket, &compressed, &ids().scope(Scope::VAULT)).err();
    assert!(matches!(error, Some(PackError::ChunkId { slot: 0, id: ChunkId([1, ..]) })));
    assert!(matches!(writer.finish(false).err(), Some(PackError::NotFilled { slot: 0 })));
}

#[test]
fn places_belong_to_one_pack_and_one_segment() {
    let (small, large) = (
        segment(Scope::VAULT, ChunkType::File, &[vec![1; 10]]),
        segment(Scope::VAULT, ChunkType::File, &[vec![1; 11]]),
    );
    let (mut a, mut b) = (Compressor::new(None).expect("off"), Compressor::new(None).expect("off"));
    let (small, large) = (small.compress(&mut a).expect("stored"), large.compress(&mut b).expect("stored"));
    let (mut one, mut two) = (writer(), writer());
    let keys = ids().scope(Scope::VAULT);
    let mut sealer = SegmentSealer::new();
    let sealed = sealer.seal(one.reserve(&small).expect("room"), &small, &keys).expect("seals");
    assert!(two.reserve(&small).is_some());
    assert!(matches!(two.fill(sealed), Err(PackError::ForeignTicket)));
    assert!(matches!(
        sealer.seal(one.reserve(&large).expect("room"), &small, &keys).err(),
        Some(PackError::ForeignTicket)
    ));
}

#[test]
fn full_packs_have_exactly_16_mib_and_others_a_size_of_the_table() {
    let noise = random_bytes(1, 2_000_000);
    for (segments, chunk) in [(1, 1), (1, 12_000), (1, 125_000), (9, 125_000), (99, 140_000)] {
        for full in [false, true] {
            let mut writer = writer();
            for start in 0..segments {
                let chunks: Vec<Vec<u8>> = (0..8).map(|n| noise[start + n * chunk..][..chunk].to_vec()).collect();
                let mut chunks = segment(Scope::VAULT, ChunkType::File, &chunks);
                if !add(&mut writer, &chunks, None, Scope::VAULT) {
                    // Data that does not compress fills a pack up to less than one chunk.
                    let front = chunks.split_off_front(|count| writer.room(count)).expect("some fit");
                    assert!(add(&mut writer, &front, None, Scope::VAULT));
                    assert!(writer.room(1) < chunk);
                    break;
                }
            }
            let pack = writer.finish(full).expect("a pack");
            assert!(sizes::is_pack_class(pack.bytes.len()));
            assert_eq!(pack.bytes.len() == 16 << 20, full || segments == 99);
            assert_eq!(verify(&pack.bytes).expect("verifies").segments, pack.segments);
        }
    }
}

#[test]
fn room_is_exact() {
    for missing in [0, 1] {
        let mut writer = writer();
        assert!(add(&mut writer, &segment(Scope::VAULT, ChunkType::File, &[vec![1; 100]]), None, Scope::VAULT));
        // Not a segment that readers accept: only its length counts here.
        let body = vec![7; writer.room(1) + missing];
        let chunk = [FooterChunk { id: ChunkId([1; 32]), chunk_type: ChunkType::File, len: 5 }];
        let huge =
            CompressedSegment { scope: Scope::VAULT, codec: Codec::Zstd, plain_len: 5, body: &body, chunks: &chunk };
        assert_eq!(writer.reserve(&huge).is_some(), missing == 0);
        if missing == 0 {
            assert_eq!((writer.room(0), writer.least_len()), (0, sizes::PACK));
            writer.filled.fill(true);
            let pack = writer.finish(true).expect("a pack with the shortest padding");
            assert_eq!(pack.bytes.len(), sizes::PACK);
        }
    }
}

#[test]
fn packs_are_sealed_to_the_epoch_by_push_only_devices() {
    let (secret, public) = provider().kem.generate().expect("a pair");
    let psk = Key::new([5; 32]);
    let header = header(ObjectType::TreePack, Mode::Sealed);
    let keys = PackKeys::sealed(provider(), header, &public, &psk).expect("keys");
    let mut writer = PackWriter::new(keys).expect("a pack");
    for chunk_type in [ChunkType::List, ChunkType::Leaf, ChunkType::Node] {
        assert!(add(&mut writer, &segment(Scope::VAULT, chunk_type, &[text_bytes(1, 9000)]), Some(3), Scope::VAULT));
    }
    let pack = writer.finish(false).expect("a pack");
    assert!(pack.name.tree);
    let open = |psk: &Key| {
        PackHead::parse(provider(), &pack.bytes, &expected(&header), |header, clear| {
            let shared = provider().kem.decapsulate(secret.expose(), &clear[HEADER_LEN..])?;
            assert_eq!(header.mode, Mode::Sealed);
            Ok(sealed_dek(provider(), &shared, psk, clear))
        })
    };
    let cache = ids();
    let footer = verify_pack(&open(&psk).expect("opens"), &pack.bytes, &|scope| cache.scope(scope)).expect("verifies");
    assert_eq!(footer.segments, pack.segments);
    assert!(
        matches!(open(&Key::new([4; 32])).err(), Some(PackError::Frame { part: Part::Commitment, .. })),
        "the KEM alone opens nothing"
    );
}

#[test]
fn what_readers_would_refuse_is_not_written() {
    let sealed_for_readers = Header { domain: Domain::SHARED, ..header(ObjectType::DataPack, Mode::Sealed) };
    let keys = PackKeys::symmetric(provider(), sealed_for_readers, &data_key()).expect("keys");
    assert!(matches!(PackWriter::new(keys).err(), Some(PackError::Header(_))));
    assert!(matches!(writer().finish(false).err(), Some(PackError::Footer(_))), "no segments");
    let mut wrong_kind = writer();
    assert!(add(&mut wrong_kind, &segment(Scope::VAULT, ChunkType::Leaf, &[vec![1; 10]]), None, Scope::VAULT));
    assert!(matches!(wrong_kind.finish(false).err(), Some(PackError::Footer(_))), "nodes in a data pack");
}
