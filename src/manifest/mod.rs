//! Trees of chunks: the manifest of a source, sorted by path, and the lists of its files, by position (SPEC section 9).
//!
//! Builders turn a stream of entries or chunk ids into nodes of canonical shape; readers walk them back, trusting nothing
//! but the root id that a signed entry names.
mod list;
mod read;
mod tree;

pub use list::{FixedList, ContentList, ListRoot, ListWalk, walk_list};
pub use read::{LeafWalk, Part, TreeError, TreeRoot};
pub use tree::{ManifestBuilder, OwnerNames};

use vault_format::{ChunkId, pack::ChunkType};

/// Takes the plaintext of a node, gives it an id, and sees to it that it is stored.
pub trait NodeSink {
    /// Why a node could not be taken.
    type Error;
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

/// The low `bits` bits of the keyed hash of `key` are zero: the node ends after this item.
fn cuts(hash: &[u8; 32], bits: u32) -> bool {
    let head = u64::from_le_bytes(hash[..8].try_into().expect("a hash has 32 bytes"));
    head & ((1 << bits) - 1) == 0
}
