//! Packs, filled and read (SPEC section 6).
//!
//! A pack is filled in two steps, so that the lock around it is held for a copy and no longer: [`PackWriter::reserve`] gives a place,
//! a worker's [`SegmentSealer`] seals and verifies without the pack, [`PackWriter::fill`] copies the frame in.
use std::fmt;
use std::sync::Arc;

use crypto_backends::{CryptoError, Key, Provider};
use vault_format::frame::{TRAILER_SLOT, overhead};
use vault_format::header::{COMMIT_LEN, HEADER_LEN};
use vault_format::pack::{
    CHUNK_LEN, Footer, FooterChunk, FooterSegment, SEGMENT_LEN, Trailer, min_frame_len, trailer_frame_len,
};
use vault_format::{
    ChunkId, Codec, EpochId, Expected, FormatError, Header, ObjectHash, ObjectType, PackName, Scope, Suite, limits,
    sizes,
};

use super::frame::{ObjectKeys, Opener, SealError};
use super::id::IdKeys;
use super::object::{dek, sealed_dek};
use super::segment::CompressedSegment;

/// What one pack is sealed with. Made anew for each pack.
pub struct PackKeys {
    provider: &'static Provider,
    header: Header,
    kem_ct: Vec<u8>,
    dek: Key,
}

impl PackKeys {
    /// A reader's pack (mode 1) under `K_data`. Draws the salt of `header`.
    pub fn symmetric(provider: &'static Provider, header: Header, data_key: &Key) -> Result<PackKeys, CryptoError> {
        let header = salted(provider, header)?;
        let dek = dek(provider, data_key, &header.encode(), &header.salt);
        Ok(PackKeys { provider, header, kem_ct: Vec::new(), dek })
    }

    /// A push-only device's pack (mode 2), sealed to the epoch's KEM key with the device's `P_kem`. Draws the salt of `header`.
    pub fn sealed(
        provider: &'static Provider,
        header: Header,
        epoch_public: &[u8],
        psk: &Key,
    ) -> Result<PackKeys, CryptoError> {
        let header = salted(provider, header)?;
        let (kem_ct, shared) = provider.kem.encapsulate(epoch_public)?;
        let clear = [&header.encode()[..], &kem_ct].concat();
        let dek = sealed_dek(provider, &shared, psk, &clear);
        Ok(PackKeys { provider, header, kem_ct, dek })
    }
}

/// A pack that is being filled. Its buffer has the size of a full pack from the beginning.
pub struct PackWriter {
    keys: Arc<ObjectKeys>,
    header: Header,
    bytes: Vec<u8>,
    segments: Vec<FooterSegment>,
    filled: Vec<bool>,
    footer_len: usize,
}

impl PackWriter {
    /// An empty pack.
    pub fn new(keys: PackKeys) -> Result<PackWriter, PackError> {
        PackWriter::with_buffer(keys, Vec::new())
    }

    /// An empty pack in the buffer of one that is stored by now: so a push holds a few such buffers and no more.
    pub fn with_buffer(keys: PackKeys, mut bytes: Vec<u8>) -> Result<PackWriter, PackError> {
        let PackKeys { provider, header, kem_ct, dek } = keys;
        let clear = [&header.encode()[..], &kem_ct].concat();
        // What readers would refuse, such as a mode that does not fit the domain, is not written.
        Header::parse(&clear).map_err(PackError::Header)?;
        if clear.len() != header.sealed_len() {
            return Err(PackError::Header(FormatError::Invalid { what: "length of the KEM ciphertext" }));
        }
        let c = provider.hash.hash(&[&clear]);
        let keys = Arc::new(ObjectKeys::new(provider, &dek, c, header.object_type as u8));
        bytes.clear();
        bytes.reserve_exact(sizes::PACK);
        bytes.extend_from_slice(&clear);
        bytes.extend_from_slice(&keys.commit());
        Ok(PackWriter { keys, header, bytes, segments: Vec::new(), filled: Vec::new(), footer_len: FOOTER_HEAD })
    }

    /// The longest body that a further segment of `chunks` chunks may have.
    pub fn room(&self, chunks: usize) -> usize {
        if self.segments.len() >= limits::PACK_SEGMENTS {
            return 0;
        }
        let row = chunks.saturating_mul(CHUNK_LEN).saturating_add(SEGMENT_LEN);
        let frame = min_frame_len(self.keys.provider().suite);
        sizes::PACK.saturating_sub(self.least_len().saturating_add(row).saturating_add(frame))
    }

    /// Reserves the next slot and the bytes of the segment's frame. `None`: it does not fit, and the pack is to be finished.
    pub fn reserve(&mut self, segment: &CompressedSegment<'_>) -> Option<Ticket> {
        if segment.chunks.is_empty() || segment.body.len() > self.room(segment.chunks.len()) {
            return None;
        }
        let offset = self.bytes.len();
        let frame_len = overhead(self.keys.provider().suite) + segment.text_len();
        let slot = self.segments.len() as u32;
        self.bytes.resize(offset + frame_len, 0);
        self.footer_len += SEGMENT_LEN + CHUNK_LEN * segment.chunks.len();
        self.filled.push(false);
        self.segments.push(FooterSegment {
            scope: segment.scope,
            offset: offset as u32,
            frame_len: frame_len as u32,
            plain_len: segment.plain_len,
            chunks: segment.chunks.to_vec(),
        });
        Some(Ticket { keys: Arc::clone(&self.keys), slot, offset, frame_len })
    }

    /// Copies a verified frame to its place. Any order.
    pub fn fill(&mut self, segment: SealedSegment<'_>) -> Result<(), PackError> {
        let SealedSegment { ticket, frame } = segment;
        if !Arc::ptr_eq(&ticket.keys, &self.keys) {
            return Err(PackError::ForeignTicket);
        }
        self.bytes[ticket.offset..ticket.offset + ticket.frame_len].copy_from_slice(frame);
        self.filled[ticket.slot as usize] = true;
        Ok(())
    }

    /// Whether no place was given yet.
    pub fn is_empty(&self) -> bool {
        self.segments.is_empty()
    }

    /// The epoch that it is sealed under.
    pub fn epoch(&self) -> EpochId {
        self.header.epoch
    }

    /// The same segments under other keys of the same sort: for a pack whose epoch ended before it was stored. Every frame is
    /// opened again and compared.
    pub fn reseal(mut self, keys: PackKeys) -> Result<PackWriter, PackError> {
        if let Some(slot) = self.filled.iter().position(|filled| !filled) {
            return Err(PackError::NotFilled { slot: slot as u32 });
        }
        let mut fresh = PackWriter::new(keys)?;
        let (mut old, mut new) = (Opener::new(), Opener::new());
        for (slot, segment) in self.segments.iter().enumerate() {
            let (slot, at) = (slot as u32, segment.offset as usize);
            let part = Part::Segment(slot);
            let frame = |source| PackError::Frame { part, source };
            let range = at..at + segment.frame_len as usize;
            let text = old.open_text(&self.keys, slot, false, &self.bytes[range.clone()]).map_err(frame)?;
            if fresh.bytes.len() != at {
                return Err(PackError::ForeignTicket);
            }
            let text_len = segment.frame_len as usize - overhead(self.keys.provider().suite);
            fresh
                .keys
                .seal_frame(slot, false, text.codec, text.plain_len, text.body, text_len, &mut fresh.bytes)
                .map_err(frame)?;
            let again = new.open_text(&fresh.keys, slot, false, &fresh.bytes[range]).map_err(frame)?;
            if (again.codec, again.plain_len, again.body) != (text.codec, text.plain_len, text.body) {
                return Err(frame(SealError::Syn { slot }));
            }
        }
        fresh.segments = std::mem::take(&mut self.segments);
        (fresh.filled, fresh.footer_len) = (std::mem::take(&mut self.filled), self.footer_len);
        Ok(fresh)
    }

    /// Ends the pack: at exactly 16 MiB if `full`, else, for the last of its kind in a push, at the next size of SPEC section 13.
    pub fn finish(mut self, full: bool) -> Result<FullPack, PackError> {
        if let Some(slot) = self.filled.iter().position(|filled| !filled) {
            return Err(PackError::NotFilled { slot: slot as u32 });
        }
        let provider = self.keys.provider();
        let suite = provider.suite;
        let total = if full { sizes::PACK } else { sizes::pack_class(self.least_len()) };
        let footer = Footer { segments: std::mem::take(&mut self.segments) };
        let footer_bytes = footer.encode().map_err(PackError::Footer)?;
        let footer_frame_len = min_frame_len(suite) + footer_bytes.len();
        let count = footer.segments.len() as u32;

        let pad_len = total - self.bytes.len() - footer_frame_len - trailer_frame_len(suite);
        let mut seal = |part, slot, last, plain: &[u8], frame_len| {
            let text_len = frame_len - overhead(suite);
            let len = plain.len() as u32;
            let sealed = self.keys.seal_frame(slot, last, Codec::Stored, len, plain, text_len, &mut self.bytes);
            sealed.map_err(|source| PackError::Frame { part, source })
        };
        seal(Part::Pad, count, false, &[], pad_len)?;
        let trailer = Trailer {
            footer_offset: (total - trailer_frame_len(suite) - footer_frame_len) as u32,
            footer_len: footer_frame_len as u32,
            segment_count: count,
        };
        seal(Part::Footer, count + 1, false, &footer_bytes, footer_frame_len)?;
        seal(Part::Trailer, TRAILER_SLOT, true, &trailer.encode(), trailer_frame_len(suite))?;

        // A pack whose footer does not open is as lost as one whose segments do not.
        let head = PackHead { header: self.header, keys: self.keys };
        if !matches!(head.read_tail(&mut Opener::new(), total, &self.bytes)?, Tail::Footer(read) if read == footer) {
            return Err(PackError::Footer(FormatError::Mismatch { field: "footer after sealing" }));
        }
        let name = PackName {
            tree: is_tree(&head.header),
            device: head.header.writer,
            hash: ObjectHash(provider.hash.hash(&[&self.bytes])),
        };
        Ok(FullPack { bytes: self.bytes, name, segments: footer.segments })
    }

    /// Bytes of the pack if it ended now with the shortest pad frame.
    fn least_len(&self) -> usize {
        let suite = self.keys.provider().suite;
        self.bytes.len() + 2 * min_frame_len(suite) + self.footer_len + trailer_frame_len(suite)
    }
}

/// A place in a pack, to be sealed for.
pub struct Ticket {
    keys: Arc<ObjectKeys>,
    slot: u32,
    offset: usize,
    frame_len: usize,
}

impl Ticket {
    /// The number of the segment in its pack.
    pub fn slot(&self) -> u32 {
        self.slot
    }
}

/// Seals segments and opens them again, in buffers that it keeps.
#[derive(Default)]
pub struct SegmentSealer {
    frame: Vec<u8>,
    opener: Opener,
}

impl SegmentSealer {
    /// With empty buffers.
    pub fn new() -> SegmentSealer {
        SegmentSealer::default()
    }

    /// Seals `segment`, for which `ticket` was reserved; then opens and decompresses the frame and recomputes every id, so that a fault in
    /// memory, codec or cipher is noticed while the source still exists.
    pub fn seal(
        &mut self,
        ticket: Ticket,
        segment: &CompressedSegment<'_>,
        ids: &IdKeys,
    ) -> Result<SealedSegment<'_>, PackError> {
        let Ticket { keys, slot, frame_len, .. } = &ticket;
        let part = Part::Segment(*slot);
        self.frame.clear();
        keys.seal_frame(
            *slot,
            false,
            segment.codec,
            segment.plain_len,
            segment.body,
            segment.text_len(),
            &mut self.frame,
        )
        .map_err(|source| PackError::Frame { part, source })?;
        if self.frame.len() != *frame_len {
            return Err(PackError::ForeignTicket);
        }
        let plain = open_segment(&mut self.opener, keys, *slot, &self.frame, segment.plain_len)?;
        check_ids(*slot, plain, segment.chunks, ids)?;
        Ok(SealedSegment { ticket, frame: &self.frame })
    }
}

/// A frame that was opened again after sealing, and whose chunks have their ids. Only [`SegmentSealer::seal`] makes one.
pub struct SealedSegment<'a> {
    ticket: Ticket,
    frame: &'a [u8],
}

/// A pack that is ready for the store.
pub struct FullPack {
    /// All of it.
    pub bytes: Vec<u8>,
    /// Its name in the store.
    pub name: PackName,
    /// What the index is to know.
    pub segments: Vec<FooterSegment>,
}

/// The opened beginning of a pack: everything that is needed to open its frames.
pub struct PackHead {
    header: Header,
    keys: Arc<ObjectKeys>,
}

impl PackHead {
    /// Reads the first bytes of a pack: at least [`PackHead::MAX_LEN`] of them, or the whole pack. `dek` finds the pack's key; it is given the
    /// header and all bytes before the commitment, which is checked here.
    pub fn parse(
        provider: &'static Provider,
        start: &[u8],
        expected: &Expected,
        dek: impl FnOnce(&Header, &[u8]) -> Result<Key, Box<dyn std::error::Error + Send + Sync>>,
    ) -> Result<PackHead, PackError> {
        let header = Header::parse(start).map_err(PackError::Header)?;
        header.expect(expected).map_err(PackError::Header)?;
        if !matches!(header.object_type, ObjectType::DataPack | ObjectType::TreePack) {
            return Err(PackError::Header(FormatError::Mismatch { field: "object type" }));
        }
        let truncated = PackError::Header(FormatError::Truncated { what: "header" });
        let Some((clear, commit)) = start.split_at_checked(header.sealed_len()) else {
            return Err(truncated);
        };
        let Some(commit) = commit.get(..COMMIT_LEN) else {
            return Err(truncated);
        };
        let dek = dek(&header, clear).map_err(|source| PackError::Key { epoch: header.epoch, source })?;
        let keys = ObjectKeys::new(provider, &dek, provider.hash.hash(&[clear]), header.object_type as u8);
        keys.check_commit(commit).map_err(|source| PackError::Frame { part: Part::Commitment, source })?;
        Ok(PackHead { header, keys: Arc::new(keys) })
    }

    /// The longest header with commitment of any suite and mode.
    pub const MAX_LEN: usize = HEADER_LEN + Suite::Fips.kem_ct_len() + COMMIT_LEN;

    /// The header, which is authentic.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// The keys of the pack's frames.
    pub fn keys(&self) -> &ObjectKeys {
        &self.keys
    }

    /// Reads trailer and footer of a pack of `pack_len` bytes. `tail` is any end of it; if the footer begins before, [`Tail::From`] says where.
    pub fn read_tail(&self, opener: &mut Opener, pack_len: usize, tail: &[u8]) -> Result<Tail, PackError> {
        Ok(match self.read_ends(opener, pack_len, tail)? {
            Ok((_, footer)) => Tail::Footer(footer),
            Err(from) => Tail::From(from),
        })
    }

    /// The plaintext of a segment, whose length the index or the footer states. Every chunk that is taken out of it must have its id.
    pub fn open_segment<'a>(
        &self,
        opener: &'a mut Opener,
        slot: u32,
        frame: &[u8],
        plain_len: u32,
    ) -> Result<&'a [u8], PackError> {
        open_segment(opener, &self.keys, slot, frame, plain_len)
    }
    /// The inner error is the offset from which on `tail` is needed.
    fn read_ends(
        &self,
        opener: &mut Opener,
        pack_len: usize,
        tail: &[u8],
    ) -> Result<Result<(Trailer, Footer), usize>, PackError> {
        if !sizes::is_pack_class(pack_len) {
            return Err(PackError::Size { len: pack_len });
        }
        let suite = self.keys.provider().suite;
        let frame = |part, source| PackError::Frame { part, source };
        let trailer_len = trailer_frame_len(suite);
        let Some(trailer_at) = tail.len().checked_sub(trailer_len) else {
            return Ok(Err(pack_len.saturating_sub(trailer_len)));
        };
        let plain = opener
            .open(&self.keys, TRAILER_SLOT, true, &tail[trailer_at..], trailer_len)
            .map_err(|source| frame(Part::Trailer, source))?;
        let trailer = Trailer::parse(plain, suite, pack_len).map_err(PackError::Trailer)?;

        let Some(footer_at) = trailer_at.checked_sub(trailer.footer_len as usize) else {
            return Ok(Err(trailer.footer_offset as usize));
        };
        let plain = opener
            .open(&self.keys, trailer.segment_count + 1, false, &tail[footer_at..trailer_at], limits::PACK)
            .map_err(|source| frame(Part::Footer, source))?;
        let footer = Footer::parse(plain, pack_len).map_err(PackError::Footer)?;
        footer.expect(suite, self.header.sealed_len(), is_tree(&self.header), &trailer).map_err(PackError::Footer)?;
        Ok(Ok((trailer, footer)))
    }
}

/// What an end of a pack tells.
#[derive(Debug)]
pub enum Tail {
    /// Everything about its segments.
    Footer(Footer),
    /// The end was too short: it must begin at this offset in the pack, or before.
    From(usize),
}

/// Opens everything in a pack and recomputes every id. That the name is the hash of `pack` is the caller's to check.
pub fn verify_pack(head: &PackHead, pack: &[u8], ids: &dyn Fn(Scope) -> Arc<IdKeys>) -> Result<Footer, PackError> {
    let mut opener = Opener::new();
    let Ok((trailer, footer)) = head.read_ends(&mut opener, pack.len(), pack)? else {
        return Err(PackError::Size { len: pack.len() });
    };
    for (slot, segment) in (0..).zip(&footer.segments) {
        // `Footer::parse` has checked that segments lie inside of the pack.
        let start = segment.offset as usize;
        let frame = &pack[start..start + segment.frame_len as usize];
        let plain = head.open_segment(&mut opener, slot, frame, segment.plain_len)?;
        check_ids(slot, plain, &segment.chunks, &ids(segment.scope))?;
    }
    let pad = &pack[footer.end() as usize..trailer.footer_offset as usize];
    let pad = opener
        .open(&head.keys, trailer.segment_count, false, pad, limits::PACK)
        .map_err(|source| PackError::Frame { part: Part::Pad, source })?;
    if pad.iter().any(|byte| *byte != 0) {
        return Err(PackError::Pad);
    }
    Ok(footer)
}

/// Why a pack was not made or not accepted.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PackError {
    /// The header is not one of a pack at this place.
    #[error("the pack's header is refused")]
    Header(#[source] FormatError),
    /// There is no key for the pack's header.
    #[error("no key for packs of epoch {epoch}")]
    Key {
        /// The epoch that the header names.
        epoch: EpochId,
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A part of the pack does not open, or could not be sealed.
    #[error("{part}")]
    Frame {
        /// Which.
        part: Part,
        /// Why.
        source: SealError,
    },
    /// The trailer opens and cannot be right.
    #[error("the pack's trailer is refused")]
    Trailer(#[source] FormatError),
    /// The footer opens and cannot be right.
    #[error("the pack's footer is refused")]
    Footer(#[source] FormatError),
    /// Packs have other sizes.
    #[error("no pack has {len} bytes")]
    Size {
        /// What it has.
        len: usize,
    },
    /// The pad frame opens and does not hold zeros.
    #[error("the pack's padding is not zero")]
    Pad,
    /// A segment has another plain length than footer or index say.
    #[error("segment {slot} has {found} plain bytes instead of {expected}")]
    PlainLen {
        /// The segment.
        slot: u32,
        /// What was said.
        expected: u32,
        /// What there is.
        found: usize,
    },
    /// A chunk's content does not have its id.
    #[error("chunk {id} in segment {slot} has other content")]
    ChunkId {
        /// The segment.
        slot: u32,
        /// What the footer says, or what was about to be written.
        id: ChunkId,
    },
    /// A place was reserved and never filled.
    #[error("segment {slot} was reserved and not filled")]
    NotFilled {
        /// The segment.
        slot: u32,
    },
    /// A place was reserved in another pack or for another segment.
    #[error("the place was reserved in another pack or for another segment")]
    ForeignTicket,
}

/// A part of a pack, for errors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// After the header.
    Commitment,
    /// With its slot.
    Segment(u32),
    /// Between segments and footer.
    Pad,
    /// The table of segments and chunks.
    Footer,
    /// At the very end.
    Trailer,
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Part::Commitment => write!(f, "the pack's commitment"),
            Part::Segment(slot) => write!(f, "segment {slot} of the pack"),
            Part::Pad => write!(f, "the pack's padding"),
            Part::Footer => write!(f, "the pack's footer"),
            Part::Trailer => write!(f, "the pack's trailer"),
        }
    }
}

fn open_segment<'a>(
    opener: &'a mut Opener,
    keys: &ObjectKeys,
    slot: u32,
    frame: &[u8],
    plain_len: u32,
) -> Result<&'a [u8], PackError> {
    let part = Part::Segment(slot);
    let limit = limits::SEGMENT_PLAIN;
    let plain = opener.open(keys, slot, false, frame, limit).map_err(|source| PackError::Frame { part, source })?;
    if plain.len() != plain_len as usize {
        return Err(PackError::PlainLen { slot, expected: plain_len, found: plain.len() });
    }
    Ok(plain)
}

fn check_ids(slot: u32, mut plain: &[u8], chunks: &[FooterChunk], ids: &IdKeys) -> Result<(), PackError> {
    for chunk in chunks {
        let content;
        (content, plain) =
            plain.split_at_checked(chunk.len as usize).ok_or(PackError::ChunkId { slot, id: chunk.id })?;
        if ids.id(chunk.chunk_type, content) != chunk.id {
            return Err(PackError::ChunkId { slot, id: chunk.id });
        }
    }
    Ok(())
}

fn salted(provider: &Provider, mut header: Header) -> Result<Header, CryptoError> {
    provider.random.fill(&mut header.salt)?;
    Ok(header)
}

fn is_tree(header: &Header) -> bool {
    header.object_type == ObjectType::TreePack
}

/// The number of segments, before their rows.
const FOOTER_HEAD: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stage::id::IdKeyCache;
    use crate::stage::segment::{Compressor, SegmentBuilder};
    use crate::stage::testing::{random_bytes, text_bytes};
    use crypto_backends::rustcrypto::provider;
    use std::collections::HashSet;
    use vault_format::pack::ChunkType;
    use vault_format::{DeviceId, Domain, Mode, VaultId};

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
        PackHead::parse(provider(), pack, &expected, |header, clear| {
            Ok(dek(provider(), &data_key(), clear, &header.salt))
        })
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
        assert!(add(
            &mut writer,
            &segment(Scope::VAULT, ChunkType::File, &[random_bytes(4, 3_000)]),
            None,
            Scope::VAULT
        ));
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
        assert!(add(
            &mut writer,
            &segment(Scope::VAULT, ChunkType::File, &[text_bytes(1, 100)]),
            Some(3),
            Scope::VAULT
        ));
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
                Some(PackError::Header(
                    FormatError::Mismatch { field: found } | FormatError::Invalid { what: found },
                )) => assert_eq!(found, field),
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
            assert!(
                matches!(head(&pack[..len]).err(), Some(PackError::Header(FormatError::Truncated { .. }))),
                "{len}"
            );
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
            let huge = CompressedSegment {
                scope: Scope::VAULT,
                codec: Codec::Zstd,
                plain_len: 5,
                body: &body,
                chunks: &chunk,
            };
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
            assert!(add(
                &mut writer,
                &segment(Scope::VAULT, chunk_type, &[text_bytes(1, 9000)]),
                Some(3),
                Scope::VAULT
            ));
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
        let footer =
            verify_pack(&open(&psk).expect("opens"), &pack.bytes, &|scope| cache.scope(scope)).expect("verifies");
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
}
