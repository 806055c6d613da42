//! Where older entries can be read many at a time. The parts themselves are in `crate::checkpoint`.

use super::Heads;
use super::heads::{read_heads, write_heads};
use crate::cbor::{Reader, Writer};
use crate::error::FormatError;
use crate::fields::required;
use crate::ids::ObjectHash;
use crate::limits;

/// Where older entries can be read many at a time (SPEC section 10.5).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// The objects that hold them, all of the same writer: a set.
    pub parts: Vec<CheckpointPart>,
    /// These and what they lead to is in the parts.
    pub frontier: Heads,
}

/// A part of a checkpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CheckpointPart {
    /// The hash of the stored bytes.
    pub hash: ObjectHash,
    /// Its size.
    pub kib: u32,
    /// Number of entries in it.
    pub entries: u32,
}

impl Checkpoint {
    pub(super) fn write(&self, w: &mut Writer) {
        w.map(|map| {
            map.field(0, |w| {
                w.set(&self.parts, |w, part| {
                    w.array(3);
                    w.bytes(&part.hash.0);
                    w.uint(part.kib);
                    w.uint(part.entries);
                });
            });
            map.field(2, |w| write_heads(w, &self.frontier));
        });
    }

    pub(super) fn read(r: &mut Reader) -> Result<Self, FormatError> {
        const WHAT: &str = "checkpoint";
        const PART: &str = "part of a checkpoint";
        let (mut parts, mut frontier) = (None, None);
        let part = |r: &mut Reader| {
            r.tuple(PART, 3, |r| {
                let hash = ObjectHash(r.array_of(PART)?);
                let kib = r.uint(PART, limits::INDEX_STORED as u64 / 1024)? as u32;
                Ok(CheckpointPart { hash, kib, entries: r.u32(PART)? })
            })
        };
        r.map(WHAT, |r, key| {
            match key {
                0 => parts = Some(r.ascending(WHAT, limits::CHECKPOINT_PARTS, part)?),
                2 => frontier = Some(read_heads(r, "frontier")?),
                _ => r.unknown(WHAT, key)?,
            }
            Ok(())
        })?;
        Ok(Self { parts: required(parts, "parts of a checkpoint")?, frontier: required(frontier, "frontier")? })
    }
}
