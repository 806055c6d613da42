//! The work of the CPU between a source and the store: cut, name, compress, seal, open, fill packs (SPEC sections 5 to 7 and 9.6).
//!
//! Plain functions on the caller's thread: no I/O, no threads. A worker keeps its own `Compressor`, `SegmentSealer` and `Opener`, whose
//! buffers are reused, and takes one segment through all of it:
//!
//! ```text
//! Chunker -> IdKeys -> SegmentBuilder -> CompressedSegment -> Ticket -> SegmentSealer -> SealedSegment -> PackWriter -> FullPack
//! ```
//!
//! A `SealedSegment` exists only after its frame was opened again and every id recomputed, and a pack takes nothing else.
mod again;
mod chunk;
mod frame;
mod id;
mod object;
mod pack;
mod segment;
#[cfg(test)]
pub(crate) mod testing;

pub(crate) use again::EntryAgain;
pub use chunk::{Chunker, MAX_CHUNK};
pub use frame::{ObjectKeys, Opener, SealError};
pub use id::{IdKeyCache, IdKeys, chunk_id};
pub use object::{dek, open_blob, open_object, seal_blob, seal_object, sealed_dek};
pub use pack::{
    FullPack, PackError, PackHead, PackKeys, PackWriter, Part, SealedSegment, SegmentSealer, Tail, Ticket, verify_pack,
};
pub use segment::{CompressedSegment, Compressor, SegmentBuilder};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn workers_may_be_threads() {
        fn shared<T: Send + Sync>() {}
        fn moved<T: Send>() {}
        shared::<ObjectKeys>();
        shared::<Chunker>();
        shared::<IdKeys>();
        shared::<IdKeyCache>();
        shared::<PackHead>();
        moved::<PackWriter>();
        moved::<Ticket>();
        moved::<Compressor>();
        moved::<SegmentSealer>();
        moved::<Opener>();
    }
}
