//! Packs, filled and read (SPEC section 6).
//!
//! A pack is filled in two steps, so that the lock around it is held for a copy and no longer: [`PackWriter::reserve`] gives a place,
//! a worker's [`SegmentSealer`] seals and verifies without the pack, [`PackWriter::fill`] copies the frame in.
mod error;
mod reader;
#[cfg(test)]
mod tests;
mod writer;

pub use error::{PackError, Part};
pub use reader::{PackHead, Tail, verify_pack};
pub use writer::{FullPack, PackKeys, PackWriter, SealedSegment, SegmentSealer, Ticket};
