//! The inside of a pack: footer and trailer (SPEC section 6).

use crate::error::FormatError;
use crate::frame::{TEXT_HEAD, overhead};
use crate::header::{COMMIT_LEN, HEADER_LEN};
use crate::ids::{ChunkId, Scope};
use crate::limits;
use crate::read::{Reader, at_most};
use crate::suite::Suite;

/// What a chunk is; each type has id keys of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum ChunkType {
    /// A piece of a file. The only type in data packs, and never in tree packs.
    File = 1,
    /// A node of a list.
    List = 2,
    /// A manifest leaf.
    Leaf = 3,
    /// A manifest node above the leaves.
    Node = 4,
}

/// All segments and chunks of a pack, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Footer {
    /// Without gaps from the first frame on; at least one.
    pub segments: Vec<FooterSegment>,
}

/// One segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FooterSegment {
    /// The scope of its source.
    pub scope: Scope,
    /// Of its frame, from the start of the pack.
    pub offset: u32,
    /// Bytes of its frame.
    pub frame_len: u32,
    /// Bytes of all its chunks.
    pub plain_len: u32,
    /// In order; at least one.
    pub chunks: Vec<FooterChunk>,
}

/// One chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FooterChunk {
    /// Its id.
    pub id: ChunkId,
    /// What it is.
    pub chunk_type: ChunkType,
    /// Plain bytes; at least one.
    pub len: u32,
}

impl Footer {
    /// The bytes; refuses what `parse` would refuse in a pack of any length.
    pub fn encode(&self) -> Result<Vec<u8>, FormatError> {
        self.check(limits::PACK)?;
        let mut out = Vec::with_capacity(self.encoded_len());
        out.extend_from_slice(&(self.segments.len() as u32).to_le_bytes());
        for segment in &self.segments {
            out.extend_from_slice(&segment.scope.0);
            for number in [segment.offset, segment.frame_len, segment.plain_len, segment.chunks.len() as u32] {
                out.extend_from_slice(&number.to_le_bytes());
            }
            for chunk in &segment.chunks {
                out.extend_from_slice(&chunk.id.0);
                out.push(chunk.chunk_type as u8);
                out.extend_from_slice(&chunk.len.to_le_bytes()[..3]);
            }
        }
        Ok(out)
    }

    /// Bytes of the encoded footer.
    pub fn encoded_len(&self) -> usize {
        4 + self.segments.iter().map(|segment| SEGMENT_LEN + CHUNK_LEN * segment.chunks.len()).sum::<usize>()
    }

    /// Reads the plain footer of a pack of `pack_len` bytes.
    pub fn parse(bytes: &[u8], pack_len: usize) -> Result<Self, FormatError> {
        const WHAT: &str = "footer";
        at_most(bytes.len(), limits::PACK, WHAT)?;
        let mut reader = Reader::new(bytes);
        let count = at_most(reader.u32(WHAT)? as usize, limits::PACK_SEGMENTS, "segments of a pack")?;
        reader.room(count, SEGMENT_LEN, WHAT)?;
        let mut segments = Vec::with_capacity(count);
        for _ in 0..count {
            let scope = Scope(reader.array(WHAT)?);
            let (offset, frame_len, plain_len) = (reader.u32(WHAT)?, reader.u32(WHAT)?, reader.u32(WHAT)?);
            let count = at_most(reader.u32(WHAT)? as usize, limits::SEGMENT_CHUNKS, "chunks of a segment")?;
            reader.room(count, CHUNK_LEN, WHAT)?;
            let mut chunks = Vec::with_capacity(count);
            for _ in 0..count {
                let id = ChunkId(reader.array(WHAT)?);
                let code = reader.u8(WHAT)?;
                let chunk_type = ChunkType::from_byte(code)
                    .ok_or(FormatError::NewerFormat { field: "chunk type", value: u64::from(code) })?;
                chunks.push(FooterChunk { id, chunk_type, len: reader.u24(WHAT)? });
            }
            segments.push(FooterSegment { scope, offset, frame_len, plain_len, chunks });
        }
        reader.end(WHAT)?;
        let footer = Self { segments };
        footer.check(pack_len)?;
        Ok(footer)
    }

    /// Where the last segment ends and the pad frame begins; 0 without segments.
    pub fn end(&self) -> u32 {
        self.segments.last().map_or(0, |last| last.offset.saturating_add(last.frame_len))
    }

    /// Refuses a footer that does not fit the clear and sealed rest of its pack: `sealed_len` of the header, the kind of the
    /// path, the place of the footer frame that the trailer states.
    pub fn expect(&self, suite: Suite, sealed_len: usize, tree: bool, trailer: &Trailer) -> Result<(), FormatError> {
        let first = self.segments.first().ok_or(FormatError::Invalid { what: "footer without segments" })?;
        if first.offset as usize != sealed_len + COMMIT_LEN {
            return Err(FormatError::Mismatch { field: "offset of the first segment" });
        }
        if self.segments.len() != trailer.segment_count as usize {
            return Err(FormatError::Mismatch { field: "number of segments" });
        }
        if (self.end() as usize).saturating_add(min_frame_len(suite)) > trailer.footer_offset as usize {
            return Err(FormatError::Mismatch { field: "offset of the footer" });
        }
        if tree != (first.chunks.first().is_some_and(|chunk| chunk.chunk_type != ChunkType::File)) {
            return Err(FormatError::Mismatch { field: "chunk types of the pack" });
        }
        Ok(())
    }

    fn check(&self, pack_len: usize) -> Result<(), FormatError> {
        let invalid = |what| Err(FormatError::Invalid { what });
        at_most(self.segments.len(), limits::PACK_SEGMENTS, "segments of a pack")?;
        let Some(first) = self.segments.first() else {
            return invalid("footer without segments");
        };
        if (first.offset as usize) < HEADER_LEN + COMMIT_LEN {
            return invalid("offset of the first segment");
        }
        let file = first.chunks.first().is_some_and(|chunk| chunk.chunk_type == ChunkType::File);
        let mut end = first.offset as usize;
        for segment in &self.segments {
            if segment.offset as usize != end {
                return invalid("offset of a segment");
            }
            if (segment.frame_len as usize) < min_frame_len(Suite::Fips) {
                return invalid("length of a frame");
            }
            end = end.saturating_add(segment.frame_len as usize);
            if end > pack_len {
                return invalid("end of a segment");
            }
            at_most(segment.plain_len as usize, limits::SEGMENT_PLAIN, "segment")?;
            at_most(segment.chunks.len(), limits::SEGMENT_CHUNKS, "chunks of a segment")?;
            let mut plain_len = 0usize;
            for chunk in &segment.chunks {
                if (chunk.chunk_type == ChunkType::File) != file {
                    return invalid("mixture of file chunks and nodes");
                }
                at_most(chunk.len as usize, chunk.chunk_type.limit(), "chunk")?;
                if chunk.len == 0 {
                    return invalid("chunk without bytes");
                }
                plain_len = plain_len.saturating_add(chunk.len as usize);
            }
            if plain_len == 0 {
                return invalid("segment without chunks");
            }
            if plain_len != segment.plain_len as usize {
                return invalid("sum of the lengths of a segment's chunks");
            }
        }
        Ok(())
    }
}

impl ChunkType {
    /// The type of a byte, if this version knows it.
    pub const fn from_byte(byte: u8) -> Option<Self> {
        Some(match byte {
            1 => Self::File,
            2 => Self::List,
            3 => Self::Leaf,
            4 => Self::Node,
            _ => return None,
        })
    }

    /// The most bytes that a chunk of this type has.
    pub const fn limit(self) -> usize {
        match self {
            Self::File => limits::FILE_CHUNK,
            Self::List | Self::Leaf | Self::Node => limits::NODE,
        }
    }
}

/// Where the footer is: in the frame of fixed size at the very end of a pack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trailer {
    /// Of the footer frame, from the start of the pack.
    pub footer_offset: u32,
    /// Bytes of the footer frame.
    pub footer_len: u32,
    /// Segments of the pack: the footer's slot is this plus one.
    pub segment_count: u32,
}

impl Trailer {
    /// The bytes.
    pub fn encode(&self) -> [u8; TRAILER_LEN] {
        let mut out = [0; TRAILER_LEN];
        out[..4].copy_from_slice(&self.footer_offset.to_le_bytes());
        out[4..8].copy_from_slice(&self.footer_len.to_le_bytes());
        out[8..].copy_from_slice(&self.segment_count.to_le_bytes());
        out
    }

    /// Reads the plain trailer of a pack of `pack_len` bytes; the footer frame must reach from its offset to the trailer frame.
    pub fn parse(bytes: &[u8], suite: Suite, pack_len: usize) -> Result<Self, FormatError> {
        let mut reader = Reader::new(bytes);
        let trailer = Self {
            footer_offset: reader.u32("trailer")?,
            footer_len: reader.u32("trailer")?,
            segment_count: reader.u32("trailer")?,
        };
        reader.end("trailer")?;
        at_most(trailer.segment_count as usize, limits::PACK_SEGMENTS, "segments of a pack")?;
        if trailer.segment_count == 0 {
            return Err(FormatError::Invalid { what: "pack without segments" });
        }
        let before = HEADER_LEN + COMMIT_LEN + (trailer.segment_count as usize + 1) * min_frame_len(suite);
        if (trailer.footer_offset as usize) < before || (trailer.footer_len as usize) < min_frame_len(suite) {
            return Err(FormatError::Invalid { what: "place of the footer" });
        }
        let end = u64::from(trailer.footer_offset) + u64::from(trailer.footer_len) + trailer_frame_len(suite) as u64;
        if end != pack_len as u64 {
            return Err(FormatError::Invalid { what: "end of the footer" });
        }
        Ok(trailer)
    }
}

/// Bytes of the trailer's frame: the last of every pack.
pub const fn trailer_frame_len(suite: Suite) -> usize {
    overhead(suite) + TEXT_HEAD + TRAILER_LEN
}

/// Bytes of the shortest frame; a pad frame needs at least these.
pub const fn min_frame_len(suite: Suite) -> usize {
    overhead(suite) + TEXT_HEAD
}

/// Packs are read in whole windows of this many bytes, aligned to it; the last may be short.
pub const WINDOW: usize = 1 << 20;
/// Plain bytes of a trailer.
pub const TRAILER_LEN: usize = 12;
/// Bytes of a segment in a footer, without chunks.
pub const SEGMENT_LEN: usize = 32;
/// Bytes of a chunk in a footer.
pub const CHUNK_LEN: usize = 36;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::collection::vec;
    use proptest::prelude::*;

    fn footers() -> impl Strategy<Value = Footer> {
        let chunk = (any::<[u8; 32]>(), 2..=4u8, 1..=1000u32);
        let segment = (any::<[u8; 16]>(), 100..5000u32, vec(chunk, 1..20));
        (any::<bool>(), vec(segment, 1..10)).prop_map(|(tree, segments)| {
            let mut offset = 152;
            let segments = segments.into_iter().map(|(scope, frame_len, chunks)| {
                let chunks: Vec<FooterChunk> = chunks
                    .into_iter()
                    .map(|(id, code, len)| FooterChunk {
                        id: ChunkId(id),
                        chunk_type: ChunkType::from_byte(if tree { code } else { 1 }).expect("a type"),
                        len,
                    })
                    .collect();
                let plain_len = chunks.iter().map(|chunk| chunk.len).sum();
                let at = offset;
                offset += frame_len;
                FooterSegment { scope: Scope(scope), offset: at, frame_len, plain_len, chunks }
            });
            Footer { segments: segments.collect() }
        })
    }

    proptest! {
        #[test]
        fn footers_round_trip(footer in footers()) {
            let bytes = footer.encode().expect("valid");
            prop_assert_eq!(bytes.len(), footer.encoded_len());
            prop_assert_eq!(&Footer::parse(&bytes, limits::PACK), &Ok(footer.clone()));
            prop_assert!(Footer::parse(&bytes, footer.end() as usize).is_ok());
            prop_assert!(Footer::parse(&bytes, footer.end() as usize - 1).is_err());

            let tree = footer.segments[0].chunks[0].chunk_type != ChunkType::File;
            let trailer = Trailer { footer_offset: footer.end() + 81, footer_len: 4000, segment_count: footer.segments.len() as u32 };
            let pack_len = trailer.footer_offset as usize + 4000 + trailer_frame_len(Suite::Default);
            prop_assert_eq!(Trailer::parse(&trailer.encode(), Suite::Default, pack_len), Ok(trailer));
            prop_assert_eq!(footer.expect(Suite::Default, HEADER_LEN, tree, &trailer), Ok(()));
            prop_assert!(footer.expect(Suite::Default, HEADER_LEN, !tree, &trailer).is_err());
            prop_assert!(footer.expect(Suite::Default, HEADER_LEN + 1, tree, &trailer).is_err());
            let less = Trailer { footer_offset: trailer.footer_offset - 1, ..trailer };
            prop_assert!(footer.expect(Suite::Default, HEADER_LEN, tree, &less).is_err());
            let more = Trailer { segment_count: trailer.segment_count + 1, ..trailer };
            prop_assert!(footer.expect(Suite::Default, HEADER_LEN, tree, &more).is_err());
        }

        #[test]
        fn any_bytes_are_safe(bytes in vec(any::<u8>(), 0..200), count in 0..3u8) {
            let counted = [&[count, 0, 0, 0][..], &bytes].concat();
            let _ = (Footer::parse(&bytes, 1 << 20), Footer::parse(&counted, 1 << 20));
            let _ = Trailer::parse(&bytes, Suite::Default, 1 << 20);
        }
    }
}
