//! Reading a pack: its head, its tail, single segments, or all of it.

use std::sync::Arc;

use crypto_backends::{Key, Provider};
use vault_format::frame::TRAILER_SLOT;
use vault_format::header::{COMMIT_LEN, HEADER_LEN};
use vault_format::pack::{Footer, FooterChunk, Trailer, trailer_frame_len};
use vault_format::{Expected, FormatError, Header, ObjectType, Scope, Suite, limits, sizes};

use super::{PackError, Part};
use crate::stage::frame::{ObjectKeys, Opener};
use crate::stage::id::IdKeys;

/// The opened beginning of a pack: everything that is needed to open its frames.
pub struct PackHead {
    pub(super) header: Header,
    pub(super) keys: Arc<ObjectKeys>,
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

pub(super) fn open_segment<'a>(
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

pub(super) fn check_ids(slot: u32, mut plain: &[u8], chunks: &[FooterChunk], ids: &IdKeys) -> Result<(), PackError> {
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

pub(super) fn is_tree(header: &Header) -> bool {
    header.object_type == ObjectType::TreePack
}
