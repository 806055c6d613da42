//! Where chunks go: named, claimed, and, if new, into a segment.

use std::sync::Mutex;

use crypto_backends::{Key, Provider};
use vault_format::pack::ChunkType;
use vault_format::{ChunkId, Scope};

use super::PushError;
use super::packs::{Packs, SealBuffers, lock};
use crate::index::{Claim, Index};
use crate::keys::DomainKeys;
use crate::manifest::NodeSink;
use crate::stage::segment::{Compressor, SegmentBuilder};

/// The way of one source's chunks into the vault.
pub(super) struct Sink<'a> {
    provider: &'static Provider,
    index: &'a Index,
    packs: &'a Packs<'a>,
    scope: Scope,
    id_keys: [Key; 4],
    /// Nodes come from the manifest and from every large file: they share one open segment.
    tree: Mutex<TreeSegment>,
}

struct TreeSegment {
    segment: SegmentBuilder,
    compressor: Compressor,
    buffers: SealBuffers,
}

impl<'a> Sink<'a> {
    pub(super) fn new(
        provider: &'static Provider,
        index: &'a Index,
        packs: &'a Packs<'a>,
        domain: &DomainKeys,
        scope: Scope,
        compressor: Compressor,
    ) -> Self {
        let key = |chunk_type| domain.id_key(scope, chunk_type);
        let id_keys = [key(ChunkType::File), key(ChunkType::List), key(ChunkType::Leaf), key(ChunkType::Node)];
        let tree = TreeSegment { segment: SegmentBuilder::new(), compressor, buffers: SealBuffers::default() };
        Self { provider, index, packs, scope, id_keys, tree: Mutex::new(tree) }
    }

    pub(super) fn id_key(&self, chunk_type: ChunkType) -> &Key {
        &self.id_keys[chunk_type as usize - 1]
    }

    /// Whether the caller is to store the chunk: exactly one caller is told so, and only if the vault does not have it.
    pub(super) fn claim(&self, id: &ChunkId) -> bool {
        matches!(self.index.claim(id), Claim::Mine)
    }

    /// Compresses and seals what the builder holds, and empties it.
    pub(super) fn seal(
        &self,
        tree: bool,
        segment: &mut SegmentBuilder,
        compressor: &mut Compressor,
        buffers: &mut SealBuffers,
    ) -> Result<(), PushError> {
        while !segment.is_empty() {
            let compressed = segment.compress(compressor)?;
            // Data that does not compress fills a pack to the last chunk: what does not fit waits for the next one.
            let room = if compressed.is_stored() { self.packs.room() } else { None };
            let front = room.and_then(|room| segment.split_off_front(room));
            match front {
                Some(front) => self.packs.place(tree, self.scope, &front.stored(), self, buffers)?,
                None => {
                    let compressed = segment.compressed();
                    self.packs.place(tree, self.scope, &compressed, self, buffers)?;
                    segment.clear();
                }
            }
        }
        Ok(())
    }

    /// Seals the nodes that wait for their segment to fill.
    pub(super) fn finish(&self) -> Result<(), PushError> {
        let mut tree = lock(&self.tree);
        let TreeSegment { segment, compressor, buffers } = &mut *tree;
        self.seal(true, segment, compressor, buffers)
    }
}

impl NodeSink for Sink<'_> {
    type Error = PushError;

    fn put(&self, chunk_type: ChunkType, plain: &[u8]) -> Result<ChunkId, PushError> {
        let id = ChunkId(self.provider.keyed_hash.keyed_hash(self.id_key(chunk_type), &[plain]));
        if self.claim(&id) {
            let mut tree = lock(&self.tree);
            let TreeSegment { segment, compressor, buffers } = &mut *tree;
            segment.push(id, chunk_type, plain);
            if segment.is_full() {
                self.seal(true, segment, compressor, buffers)?;
            }
        }
        Ok(id)
    }
}
