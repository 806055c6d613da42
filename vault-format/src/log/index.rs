//! What an entry says of the index: deltas, the chunks that they can hold, shards.

use super::Heads;
use super::heads::{read_heads, write_heads};
use crate::cbor::{Reader, Writer};
use crate::error::FormatError;
use crate::fields::required;
use crate::ids::{ChunkId, DeviceId, Domain, ObjectHash};
use crate::name::ObjectName;

/// Which chunks an index delta can hold: lets a reader of few files fetch a small part of a large index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeltaPart {
    /// Chunks in data packs.
    pub data: bool,
    /// Chunks in tree packs.
    pub trees: bool,
    /// The first two bytes of every id, as a big-endian number, are this at least.
    pub first: u16,
    /// And this at most.
    pub last: u16,
}

impl DeltaPart {
    /// Whether the delta can hold a chunk.
    pub fn may_hold(&self, id: &ChunkId, in_tree: bool) -> bool {
        let kind = if in_tree { self.trees } else { self.data };
        kind && (self.first..=self.last).contains(&Self::prefix(id))
    }

    /// What ranges are of.
    pub fn prefix(id: &ChunkId) -> u16 {
        u16::from_be_bytes([id.0[0], id.0[1]])
    }
}

/// The name of a stored index object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IndexName {
    /// A shard, not a delta.
    pub shard: bool,
    /// The writer.
    pub device: DeviceId,
    /// The hash of the stored bytes.
    pub hash: ObjectHash,
}

/// Index shards that count together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IndexSet {
    /// Whose chunks they locate.
    pub domain: Domain,
    /// The shards: a set.
    pub shards: Vec<ObjectHash>,
    /// Heads of the log entries whose deltas they cover.
    pub frontier: Heads,
}

impl IndexSet {
    pub(super) fn write(&self, w: &mut Writer) {
        w.map(|map| {
            map.field(0, |w| w.bytes(&self.domain.0));
            map.field(2, |w| w.set(&self.shards, |w, hash| w.bytes(&hash.0)));
            map.field(4, |w| write_heads(w, &self.frontier));
        });
    }

    pub(super) fn read(r: &mut Reader) -> Result<Self, FormatError> {
        const WHAT: &str = "index set";
        let (mut domain, mut shards, mut frontier) = (None, None, None);
        r.map(WHAT, |r, key| {
            match key {
                0 => domain = Some(Domain(r.array_of("domain")?)),
                2 => {
                    let hash = |r: &mut Reader| r.array_of("shards").map(ObjectHash);
                    shards = Some(r.ascending("shards", usize::MAX, hash)?);
                }
                4 => frontier = Some(read_heads(r, "frontier")?),
                _ => r.unknown(WHAT, key)?,
            }
            Ok(())
        })?;
        Ok(Self {
            domain: required(domain, "domain")?,
            shards: required(shards, "shards")?,
            frontier: required(frontier, "frontier")?,
        })
    }
}

impl From<IndexName> for ObjectName {
    fn from(IndexName { shard, device, hash }: IndexName) -> Self {
        if shard { Self::Shard { device, hash } } else { Self::Delta { device, hash } }
    }
}

pub(super) fn write_delta(w: &mut Writer, (hash, kib): &(ObjectHash, u32)) {
    w.array(2);
    w.bytes(&hash.0);
    w.uint(*kib);
}

pub(super) fn read_delta(r: &mut Reader) -> Result<(ObjectHash, u32), FormatError> {
    r.tuple("delta", 2, |r| Ok((ObjectHash(r.array_of("delta")?), r.u32("delta")?)))
}

pub(super) fn write_part(w: &mut Writer, part: &DeltaPart) {
    w.array(3);
    w.uint(u8::from(part.data) | u8::from(part.trees) << 1);
    w.uint(part.first);
    w.uint(part.last);
}

pub(super) fn read_part(r: &mut Reader) -> Result<DeltaPart, FormatError> {
    const WHAT: &str = "parts";
    let (kinds, first, last) =
        r.tuple(WHAT, 3, |r| Ok((r.u8(WHAT)?, r.uint(WHAT, 0xffff)? as u16, r.uint(WHAT, 0xffff)? as u16)))?;
    if !(1..=3).contains(&kinds) || first > last {
        return Err(FormatError::Invalid { what: WHAT });
    }
    Ok(DeltaPart { data: kinds & 1 != 0, trees: kinds & 2 != 0, first, last })
}
