//! Why a pack was not made or not accepted, and where.

use std::fmt;

use vault_format::{ChunkId, EpochId, FormatError};

use crate::stage::frame::SealError;

/// Why a pack was not made or not accepted.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PackError {
    /// The header is not one of a pack at this place.
    #[error("the pack's header is refused")]
    Header(#[source] FormatError),
    /// There is no key for the pack's header.
    #[error("no key for packs of epoch {epoch}")]
    Key {
        /// The epoch that the header names.
        epoch: EpochId,
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A part of the pack does not open, or could not be sealed.
    #[error("{part}")]
    Frame {
        /// Which.
        part: Part,
        /// Why.
        source: SealError,
    },
    /// The trailer opens and cannot be right.
    #[error("the pack's trailer is refused")]
    Trailer(#[source] FormatError),
    /// The footer opens and cannot be right.
    #[error("the pack's footer is refused")]
    Footer(#[source] FormatError),
    /// Packs have other sizes.
    #[error("no pack has {len} bytes")]
    Size {
        /// What it has.
        len: usize,
    },
    /// The pad frame opens and does not hold zeros.
    #[error("the pack's padding is not zero")]
    Pad,
    /// A segment has another plain length than footer or index say.
    #[error("segment {slot} has {found} plain bytes instead of {expected}")]
    PlainLen {
        /// The segment.
        slot: u32,
        /// What was said.
        expected: u32,
        /// What there is.
        found: usize,
    },
    /// A chunk's content does not have its id.
    #[error("chunk {id} in segment {slot} has other content")]
    ChunkId {
        /// The segment.
        slot: u32,
        /// What the footer says, or what was about to be written.
        id: ChunkId,
    },
    /// A place was reserved and never filled.
    #[error("segment {slot} was reserved and not filled")]
    NotFilled {
        /// The segment.
        slot: u32,
    },
    /// A place was reserved in another pack or for another segment.
    #[error("the place was reserved in another pack or for another segment")]
    ForeignTicket,
}

/// A part of a pack, for errors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// After the header.
    Commitment,
    /// With its slot.
    Segment(u32),
    /// Between segments and footer.
    Pad,
    /// The table of segments and chunks.
    Footer,
    /// At the very end.
    Trailer,
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Part::Commitment => write!(f, "the pack's commitment"),
            Part::Segment(slot) => write!(f, "segment {slot} of the pack"),
            Part::Pad => write!(f, "the pack's padding"),
            Part::Footer => write!(f, "the pack's footer"),
            Part::Trailer => write!(f, "the pack's trailer"),
        }
    }
}
