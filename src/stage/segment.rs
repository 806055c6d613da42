//! Segments: the unit of compression and encryption (SPEC section 6).
use vault_format::frame::TEXT_HEAD;
use vault_format::pack::{ChunkType, FooterChunk};
use vault_format::{ChunkId, Codec, Scope, limits};
use zstd::zstd_safe::{CCtx, CParameter, compress_bound};

use super::frame::SealError;

/// Collects the chunks of one source, in order, until they make a segment.
pub struct SegmentBuilder {
    scope: Scope,
    plain: Vec<u8>,
    chunks: Vec<FooterChunk>,
}

impl SegmentBuilder {
    /// For the chunks of one source. Two sources never share a segment: its compressed length would tell one about the other.
    pub fn new(scope: Scope) -> SegmentBuilder {
        SegmentBuilder { scope, plain: Vec::new(), chunks: Vec::new() }
    }

    /// Appends a chunk of at most `ChunkType::limit` bytes. Not to an already full segment: see [`SegmentBuilder::is_full`].
    pub fn push(&mut self, id: ChunkId, chunk_type: ChunkType, data: &[u8]) {
        debug_assert!(!self.is_full() && data.len() <= chunk_type.limit());
        self.plain.extend_from_slice(data);
        self.chunks.push(FooterChunk { id, chunk_type, len: data.len() as u32 });
    }

    /// Whether the segment ends here: it has its target length, or as many chunks as may be.
    pub fn is_full(&self) -> bool {
        self.plain.len() >= limits::SEGMENT_TARGET || self.chunks.len() >= limits::SEGMENT_CHUNKS
    }

    /// Bytes of all chunks.
    pub fn plain_len(&self) -> usize {
        self.plain.len()
    }

    /// Whether there is no chunk.
    pub fn is_empty(&self) -> bool {
        self.chunks.is_empty()
    }

    /// The chunks, in order.
    pub fn chunks(&self) -> &[FooterChunk] {
        &self.chunks
    }

    /// Empties the segment, keeps its buffers.
    pub fn clear(&mut self) {
        self.plain.clear();
        self.chunks.clear();
    }

    /// Empties the segment for the chunks of another source.
    pub fn restart(&mut self, scope: Scope) {
        self.scope = scope;
        self.clear();
    }

    /// Compresses everything at once, or says that it does not pay.
    pub fn compress<'a>(&'a self, compressor: &'a mut Compressor) -> Result<CompressedSegment<'a>, SealError> {
        let (codec, body) = compressor.compress(&self.plain)?;
        Ok(CompressedSegment {
            scope: self.scope,
            codec,
            plain_len: self.plain.len() as u32,
            body,
            chunks: &self.chunks,
        })
    }

    /// Everything as it is: for chunks that are known not to compress.
    pub fn stored(&self) -> CompressedSegment<'_> {
        CompressedSegment {
            scope: self.scope,
            codec: Codec::Stored,
            plain_len: self.plain.len() as u32,
            body: &self.plain,
            chunks: &self.chunks,
        }
    }

    /// Takes as many chunks off the front as fit stored into `room` bytes each of which a further chunk makes smaller by its footer row:
    /// what fills the rest of a pack with data that does not compress. `None` if not even the first fits, or all of them do.
    pub fn split_off_front(&mut self, room: impl Fn(usize) -> usize) -> Option<SegmentBuilder> {
        let (mut count, mut len) = (0, 0);
        for chunk in &self.chunks {
            let longer = len + chunk.len as usize;
            if longer > room(count + 1) {
                break;
            }
            (count, len) = (count + 1, longer);
        }
        if count == 0 || count == self.chunks.len() {
            return None;
        }
        let front = SegmentBuilder {
            scope: self.scope,
            plain: self.plain.drain(..len).collect(),
            chunks: self.chunks.drain(..count).collect(),
        };
        Some(front)
    }
}

/// A segment that is ready to be sealed.
#[derive(Clone, Copy)]
pub struct CompressedSegment<'a> {
    /// Of its source.
    pub scope: Scope,
    /// Of `body`.
    pub codec: Codec,
    /// Bytes of all chunks.
    pub plain_len: u32,
    /// What the frame holds.
    pub body: &'a [u8],
    /// In order.
    pub chunks: &'a [FooterChunk],
}

impl CompressedSegment<'_> {
    /// Bytes of the frame's text; segments are not padded.
    pub fn text_len(&self) -> usize {
        TEXT_HEAD + self.body.len()
    }
}

/// Compresses with tables and a buffer that it keeps.
pub struct Compressor {
    zstd: Option<CCtx<'static>>,
    probe: Probe,
    body: Vec<u8>,
}

/// Tells by samples whether data compresses.
struct Probe {
    zstd: CCtx<'static>,
    body: Vec<u8>,
}

impl Probe {
    fn new() -> Result<Probe, SealError> {
        Ok(Probe { zstd: context(1)?, body: Vec::new() })
    }

    /// Whether one of the samples saves a 32nd.
    fn finds_something(&mut self, plain: &[u8]) -> Result<bool, SealError> {
        for sample in 0..SAMPLES {
            let at = (plain.len() - SAMPLE) / (SAMPLES - 1) * sample;
            self.body.clear();
            self.body.reserve(compress_bound(SAMPLE));
            let result = self.zstd.compress2(&mut self.body, &plain[at..at + SAMPLE]);
            result.map_err(|code| SealError::Compress { why: zstd::zstd_safe::get_error_name(code) })?;
            if self.body.len() + SAMPLE / 32 < SAMPLE {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

impl Compressor {
    /// `None` never compresses; levels are 1 to 22.
    pub fn new(level: Option<i32>) -> Result<Compressor, SealError> {
        let zstd = level.map(context).transpose()?;
        Ok(Compressor { zstd, probe: Probe::new()?, body: Vec::new() })
    }

    /// The body to store and its codec: compressed where that saves at least a 64th.
    pub fn compress<'a>(&'a mut self, plain: &'a [u8]) -> Result<(Codec, &'a [u8]), SealError> {
        let Some(zstd) = &mut self.zstd else {
            return Ok((Codec::Stored, plain));
        };
        // Random, encrypted and compressed data is told by a few samples, at a twentieth of the cost of trying it all.
        if plain.len() >= PROBED && !self.probe.finds_something(plain)? {
            return Ok((Codec::Stored, plain));
        }
        self.body.clear();
        self.body.reserve(compress_bound(plain.len()));
        let result = zstd.compress2(&mut self.body, plain);
        result.map_err(|code| SealError::Compress { why: zstd::zstd_safe::get_error_name(code) })?;
        if self.body.len() + plain.len() / 64 >= plain.len() {
            return Ok((Codec::Stored, plain));
        }
        Ok((Codec::Zstd, &self.body))
    }
}

fn context(level: i32) -> Result<CCtx<'static>, SealError> {
    if !(1..=22).contains(&level) {
        return Err(SealError::Compress { why: "levels are 1 to 22" });
    }
    let mut zstd = CCtx::try_create().ok_or(SealError::Memory)?;
    for parameter in [
        CParameter::CompressionLevel(level),
        // Readers refuse more (SPEC section 5.2); shorter inputs get less by themselves.
        CParameter::WindowLog(21),
        CParameter::ContentSizeFlag(true),
        CParameter::ChecksumFlag(false),
        CParameter::DictIdFlag(false),
    ] {
        let set = zstd.set_parameter(parameter);
        set.map_err(|code| SealError::Compress { why: zstd::zstd_safe::get_error_name(code) })?;
    }
    Ok(zstd)
}

/// Plain bytes from which on samples are taken.
const PROBED: usize = 256 << 10;
const SAMPLES: usize = 6;
const SAMPLE: usize = 8 << 10;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stage::testing::{random_bytes, text_bytes};

    fn segment(chunks: &[&[u8]]) -> SegmentBuilder {
        let mut segment = SegmentBuilder::new(Scope([5; 16]));
        for (n, chunk) in chunks.iter().enumerate() {
            segment.push(ChunkId([n as u8; 32]), ChunkType::File, chunk);
        }
        segment
    }

    #[test]
    fn is_full_at_the_target_and_never_over_the_limit() {
        let chunk = vec![0; limits::FILE_CHUNK];
        let mut segment = segment(&[&chunk]);
        assert!(!segment.is_full());
        segment.push(ChunkId([1; 32]), ChunkType::File, &chunk[..chunk.len() - 1]);
        assert!(!segment.is_full());
        segment.push(ChunkId([1; 32]), ChunkType::File, &chunk);
        assert!(segment.is_full() && segment.plain_len() <= limits::SEGMENT_PLAIN);
        segment.clear();
        assert!(segment.is_empty() && segment.plain_len() == 0);
    }

    #[test]
    fn compresses_only_where_it_saves() {
        let (text, noise) = (text_bytes(1, 300_000), random_bytes(1, 300_000));
        for level in [1, 3, 22] {
            let mut compressor = Compressor::new(Some(level)).expect("a level");
            // Twice: the context is reused.
            for _ in 0..2 {
                let segment = segment(&[&text]);
                let compressed = segment.compress(&mut compressor).expect("compresses");
                assert_eq!((compressed.codec, compressed.plain_len), (Codec::Zstd, 300_000));
                assert!(compressed.body.len() < 150_000);
                assert_eq!(compressor.compress(&noise).expect("compresses"), (Codec::Stored, &noise[..]));
            }
            // One byte in 70 saved is not enough.
            let mixed = [&noise[..], &[0; 4_000]].concat();
            assert_eq!(compressor.compress(&mixed).expect("compresses").0, Codec::Stored);
            assert_eq!(compressor.compress(&[]).expect("compresses"), (Codec::Stored, &[][..]));
        }
        let mut off = Compressor::new(None).expect("off");
        assert_eq!(off.compress(&text).expect("stored"), (Codec::Stored, &text[..]));
        for level in [-1, 0, 23] {
            assert!(matches!(Compressor::new(Some(level)), Err(SealError::Compress { .. })));
        }
    }

    #[test]
    fn splits_at_the_last_border_that_fits() {
        let chunks: Vec<Vec<u8>> = (0..4).map(|n| random_bytes(n, 1000)).collect();
        let whole = || segment(&chunks.iter().map(Vec::as_slice).collect::<Vec<_>>());
        assert!(whole().split_off_front(|_| 999).is_none());
        assert!(whole().split_off_front(|_| 4000).is_none());
        // Room shrinks by a row for every chunk.
        assert_eq!(whole().split_off_front(|n| 3100 - 36 * n).expect("two or three").chunks.len(), 2);
        let mut rest = whole();
        let front = rest.split_off_front(|n| 3108 - 36 * n).expect("three");
        assert_eq!((front.chunks.len(), rest.chunks.len()), (3, 1));
        assert_eq!([front.plain, rest.plain].concat(), whole().plain);
        assert_eq!([front.chunks, rest.chunks].concat(), whole().chunks);
    }
}
