//! The head of a node: that of a manifest, and that of a list.

use crate::error::FormatError;
use crate::limits;
use crate::read::{Reader, at_most};

/// The first byte of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum NodeKind {
    /// Entries of a manifest.
    Leaf = 1,
    /// Manifest nodes or leaves.
    Manifest = 2,
    /// Chunks of one size, or lists of them.
    FixedList = 3,
    /// Chunks with their lengths, or lists of them.
    ContentList = 4,
}

impl NodeKind {
    /// The kind of a node, if this version knows it.
    pub const fn from_byte(byte: u8) -> Option<Self> {
        Some(match byte {
            1 => Self::Leaf,
            2 => Self::Manifest,
            3 => Self::FixedList,
            4 => Self::ContentList,
            _ => return None,
        })
    }
}

pub(crate) fn put_head(out: &mut Vec<u8>, kind: NodeKind, level: u8, count: usize) {
    out.extend_from_slice(&[kind as u8, level]);
    out.extend_from_slice(&(count as u16).to_le_bytes());
}

/// `kind u8 | level u8 | count u16`; gives the reader of the rest, and the count.
pub(crate) fn read_head(
    bytes: &[u8],
    kind: NodeKind,
    level: u8,
    max_count: usize,
) -> Result<(Reader<'_>, usize), FormatError> {
    at_most(bytes.len(), limits::NODE, "node")?;
    let mut reader = Reader::new(bytes);
    let code = reader.u8("node")?;
    match NodeKind::from_byte(code) {
        None => {
            return Err(FormatError::NewerFormat { field: "node kind", value: u64::from(code) });
        }
        Some(found) if found != kind => return Err(FormatError::Mismatch { field: "node kind" }),
        Some(_) => {}
    }
    if reader.u8("node")? != level {
        return Err(FormatError::Mismatch { field: "node level" });
    }
    let count = usize::from(reader.u16("node")?);
    check_count(count, max_count)?;
    Ok((reader, count))
}

pub(crate) fn check_count(count: usize, limit: usize) -> Result<(), FormatError> {
    if count == 0 {
        return Err(FormatError::Invalid { what: "node without items" });
    }
    at_most(count, limit, "items of a node").map(drop)
}

/// Bytes of a node before its items.
pub const NODE_HEAD: usize = 4;
