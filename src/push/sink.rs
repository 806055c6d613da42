//! Where chunks go: named, claimed, and, if new, into a segment.

use std::sync::Mutex;

use vault_format::pack::ChunkType;
use vault_format::{ChunkId, Codec};

use super::PushError;
use super::packs::Packs;
use crate::index::{Claim, Index};
use crate::manifest::NodeSink;
use crate::stage::IdKeys;
use crate::stage::SegmentSealer;
use crate::stage::{Compressor, SegmentBuilder};
use crate::sync::lock;

/// The way of one source's chunks into the vault.
pub(super) struct Sink<'a> {
    index: &'a Index,
    packs: &'a Packs<'a>,
    ids: IdKeys,
    /// Leaves of the manifest and lists of large files share one open segment: who reads a leaf reads lists of its files.
    tree: Mutex<Segment>,
    /// The nodes above have their own: they are few, and every reader begins with them.
    nodes: Mutex<Segment>,
}

/// New chunks of one source that are not sealed yet, and what it takes to seal them.
pub(super) struct Segment {
    builder: SegmentBuilder,
    compressor: Compressor,
    sealer: SegmentSealer,
}

impl<'a> Sink<'a> {
    pub(super) fn new(index: &'a Index, packs: &'a Packs<'a>, ids: IdKeys, compressors: [Compressor; 2]) -> Self {
        let [tree, nodes] = compressors.map(|compressor| Mutex::new(Segment::new(&ids, compressor)));
        Self { index, packs, tree, nodes, ids }
    }

    /// An empty segment of this source.
    pub(super) fn segment(&self, compressor: Compressor) -> Segment {
        Segment::new(&self.ids, compressor)
    }

    /// Names a chunk of a file; takes it into `segment` if the vault does not have it.
    pub(super) fn file_chunk(&self, data: &[u8], segment: &mut Segment) -> Result<ChunkId, PushError> {
        self.put_into(ChunkType::File, data, segment)
    }

    /// Compresses and seals all that the segment holds.
    pub(super) fn seal(&self, segment: &mut Segment, tree: bool) -> Result<(), PushError> {
        while !segment.builder.is_empty() {
            self.seal_front(segment, tree)?;
        }
        Ok(())
    }

    /// Seals the segment. Data that does not compress fills a pack to the last chunk: what does not fit stays behind.
    fn seal_front(&self, segment: &mut Segment, tree: bool) -> Result<(), PushError> {
        let Segment { builder, compressor, sealer } = segment;
        let compressed = builder.compress(compressor)?;
        if compressed.codec == Codec::Zstd {
            self.packs.place(tree, &compressed, &self.ids, sealer)?;
        } else if let Some(front) = self.packs.split_to_fit(tree, builder) {
            return self.packs.place(tree, &front.stored(), &self.ids, sealer);
        } else {
            self.packs.place(tree, &builder.stored(), &self.ids, sealer)?;
        }
        builder.clear();
        Ok(())
    }

    /// Seals the nodes that wait for their segment to fill.
    pub(super) fn finish(&self) -> Result<(), PushError> {
        self.seal(&mut lock(&self.tree), true)?;
        self.seal(&mut lock(&self.nodes), true)
    }

    /// Exactly one caller is told to store a chunk, and only if the vault does not have it.
    fn put_into(&self, chunk_type: ChunkType, plain: &[u8], segment: &mut Segment) -> Result<ChunkId, PushError> {
        let id = self.ids.id(chunk_type, plain);
        if matches!(self.index.claim(id, chunk_type), Claim::Mine(_)) {
            segment.builder.push(id, chunk_type, plain);
            while segment.builder.is_full() {
                self.seal_front(segment, chunk_type != ChunkType::File)?;
            }
        }
        Ok(id)
    }
}

impl Segment {
    fn new(ids: &IdKeys, compressor: Compressor) -> Self {
        Self { builder: SegmentBuilder::new(ids.scope()), compressor, sealer: SegmentSealer::new() }
    }
}

impl NodeSink for Sink<'_> {
    type Error = PushError;

    fn put(&self, chunk_type: ChunkType, plain: &[u8]) -> Result<ChunkId, PushError> {
        let segment = if chunk_type == ChunkType::Node { &self.nodes } else { &self.tree };
        self.put_into(chunk_type, plain, &mut lock(segment))
    }
}
