//! Filling a pack: places, sealed segments, the end.

use std::sync::Arc;

use crypto_backends::{CryptoError, Key, Provider};
use vault_format::frame::{TRAILER_SLOT, overhead};
use vault_format::pack::{CHUNK_LEN, Footer, FooterSegment, SEGMENT_LEN, Trailer, min_frame_len, trailer_frame_len};
use vault_format::{Codec, EpochId, FormatError, Header, ObjectHash, PackName, limits, sizes};

use super::reader::{check_ids, is_tree, open_segment};
use super::{PackError, PackHead, Part, Tail};
use crate::stage::frame::{ObjectKeys, Opener, SealError};
use crate::stage::id::IdKeys;
use crate::stage::object::{dek, sealed_dek};
use crate::stage::segment::CompressedSegment;

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
    pub(super) segments: Vec<FooterSegment>,
    pub(super) filled: Vec<bool>,
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
    pub(super) fn least_len(&self) -> usize {
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

fn salted(provider: &Provider, mut header: Header) -> Result<Header, CryptoError> {
    provider.random.fill(&mut header.salt)?;
    Ok(header)
}

/// The number of segments, before their rows.
const FOOTER_HEAD: usize = 4;
