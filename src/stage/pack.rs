//! Packs, filled and read (SPEC section 6).
//!
//! A pack is filled in two steps, so that the lock around it is held for a copy and no longer: [`PackWriter::reserve`] gives a place,
//! a worker's [`SegmentSealer`] seals and verifies without the pack, [`PackWriter::fill`] copies the frame in.
use std::fmt;
use std::sync::Arc;

use crypto_backends::{CryptoError, Key, Provider};
use vault_format::frame::{TRAILER_SLOT, overhead};
use vault_format::header::{COMMIT_LEN, HEADER_LEN};
use vault_format::pack::{CHUNK_LEN, Footer, FooterChunk, FooterSegment, SEGMENT_LEN, Trailer, min_frame_len, trailer_frame_len};
use vault_format::{
    ChunkId, Codec, EpochId, Expected, FormatError, Header, ObjectHash, ObjectType, PackName, Scope, Suite, limits, sizes,
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
        let PackKeys { provider, header, kem_ct, dek } = keys;
        let clear = [&header.encode()[..], &kem_ct].concat();
        // What readers would refuse, such as a mode that does not fit the domain, is not written.
        Header::parse(&clear).map_err(PackError::Header)?;
        if clear.len() != header.sealed_len() {
            return Err(PackError::Header(FormatError::Invalid { what: "length of the KEM ciphertext" }));
        }
        let c = provider.hash.hash(&[&clear]);
        let keys = Arc::new(ObjectKeys::new(provider, &dek, c, header.object_type as u8));
        let mut bytes = Vec::with_capacity(sizes::PACK);
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
        let first = self.header.sealed_len() + COMMIT_LEN;
        let head = PackHead { header: self.header, keys: self.keys, first };
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
        keys.seal_frame(*slot, false, segment.codec, segment.plain_len, segment.body, segment.text_len(), &mut self.frame)
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
    first: usize,
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
        Ok(PackHead { first: clear.len() + COMMIT_LEN, header, keys: Arc::new(keys) })
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
        footer
            .expect(suite, self.header.sealed_len(), is_tree(&self.header), &trailer)
            .map_err(PackError::Footer)?;
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
pub fn verify_pack(
    head: &PackHead,
    pack: &[u8],
    ids: &dyn Fn(Scope) -> Arc<IdKeys>,
) -> Result<Footer, PackError> {
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
        (content, plain) = plain.split_at_checked(chunk.len as usize).ok_or(PackError::ChunkId { slot, id: chunk.id })?;
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
