//! Trees of chunks: the manifest of a source, sorted by path, and the lists of its files, by position (SPEC section 9).
//!
//! Builders turn a stream of entries or chunk ids into nodes of canonical shape; readers walk them back, trusting nothing
//! but the root id that a signed entry names.
mod list;
mod read;
mod tree;

pub use list::{ContentList, FixedList, ListRoot, ListWalk, walk_list};
pub use read::{LeafWalk, Part, TreeError, TreeRoot, is_within, parent_of};
pub use tree::{ManifestBuilder, OwnerNames};

use crypto_backends::Key;
use vault_format::{ChunkId, FormatError, limits, pack::ChunkType};

/// Takes the plaintext of a node, gives it an id, and sees to it that it is stored.
pub trait NodeSink {
    /// Why a node could not be taken.
    type Error: From<FormatError>;
    /// Stores `plain`, unless the vault has it already.
    fn put(&self, chunk_type: ChunkType, plain: &[u8]) -> Result<ChunkId, Self::Error>;
}

/// Gives the verified plaintext of a chunk.
pub trait ChunkSource {
    /// Why a chunk could not be had.
    type Error: std::error::Error + Send + Sync + 'static;
    /// The plaintext of `id`, its id recomputed.
    fn get(&self, id: &ChunkId, chunk_type: ChunkType) -> Result<bytes::Bytes, Self::Error>;
}

/// The keys that decide where nodes end, one a level (SPEC section 3.1, `cut`).
pub struct CutKeys(Vec<Key>);

impl CutKeys {
    /// The keys of one tree: `derive` gives that of a level.
    pub fn new(derive: impl Fn(u8) -> Key) -> Self {
        Self((0..=limits::TREE_LEVEL + 1).map(derive).collect())
    }

    /// The key of a level. Trees never grow beyond the last: 12 levels of 32 items hold more than there is.
    fn at(&self, level: usize) -> &Key {
        &self.0[level.min(self.0.len() - 1)]
    }
}

/// The low `bits` bits of the keyed hash of `key` are zero: the node ends after this item.
fn cuts(hash: &[u8; 32], bits: u32) -> bool {
    let head = u64::from_le_bytes(hash[..8].try_into().expect("a hash has 32 bytes"));
    head & ((1 << bits) - 1) == 0
}
