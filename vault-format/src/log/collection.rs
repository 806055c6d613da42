//! What a collector is about to delete, and the names of it.

use super::heads::{read_heads, write_heads};
use super::{Heads, IndexName};
use crate::cbor::{Reader, Writer};
use crate::error::FormatError;
use crate::fields::{device, identity, not_empty, required};
use crate::ids::{DeviceId, Identity, ObjectHash};
use crate::name::{ObjectName, PackName};

/// What a collector is about to delete.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Final {
    /// The round.
    pub condemn: Identity,
    /// All heads the collector had read: other entries that do not know the round are void.
    pub frontier: Heads,
    /// Packs: a subset of the condemned ones.
    pub packs: Vec<PackName>,
    /// Index deltas and shards that newer shards replace: a set.
    pub index: Vec<IndexName>,
    /// Log entries: a set.
    pub entries: Vec<EntryName>,
    /// Parts of checkpoints that newer ones replace: a set.
    pub parts: Vec<PartName>,
}

/// The name of a stored part of a checkpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PartName {
    /// The writer.
    pub device: DeviceId,
    /// The hash of the stored bytes.
    pub hash: ObjectHash,
}

/// The name of a stored log entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EntryName {
    /// The writer.
    pub device: DeviceId,
    /// Its number.
    pub seq: u64,
    /// The hash of the stored bytes, signature included.
    pub hash: ObjectHash,
}

impl Final {
    pub(super) fn write(&self, w: &mut Writer) {
        w.map(|map| {
            map.field(0, |w| w.bytes(&self.condemn.0));
            map.field(2, |w| write_heads(w, &self.frontier));
            map.field(4, |w| write_packs(w, &self.packs));
            if !self.index.is_empty() {
                map.field(6, |w| {
                    w.set(&self.index, |w, name| {
                        w.array(3);
                        w.uint(name.shard);
                        w.bytes(&name.device.0);
                        w.bytes(&name.hash.0);
                    });
                });
            }
            if !self.entries.is_empty() {
                map.field(8, |w| {
                    w.set(&self.entries, |w, name| {
                        w.array(3);
                        w.bytes(&name.device.0);
                        w.uint(name.seq);
                        w.bytes(&name.hash.0);
                    });
                });
            }
            if !self.parts.is_empty() {
                map.field(10, |w| {
                    w.set(&self.parts, |w, part| {
                        w.array(2);
                        w.bytes(&part.device.0);
                        w.bytes(&part.hash.0);
                    });
                });
            }
        });
    }

    pub(super) fn read(r: &mut Reader) -> Result<Self, FormatError> {
        const WHAT: &str = "final";
        let (mut condemn, mut frontier, mut packs) = (None, None, None);
        let (mut index, mut entries, mut parts) = (Vec::new(), Vec::new(), Vec::new());
        r.map(WHAT, |r, key| {
            match key {
                0 => condemn = Some(identity(r, "condemn")?),
                2 => frontier = Some(read_heads(r, "frontier")?),
                4 => packs = Some(read_packs(r)?),
                6 => {
                    index = not_empty(r.ascending("index objects", usize::MAX, |r| {
                        r.tuple("index object", 3, |r| {
                            Ok(IndexName {
                                shard: r.flag("index object")?,
                                device: device(r)?,
                                hash: ObjectHash(r.array_of("index object")?),
                            })
                        })
                    })?)?;
                }
                8 => {
                    entries = not_empty(r.ascending("log entries", usize::MAX, |r| {
                        r.tuple("log entry", 3, |r| {
                            Ok(EntryName {
                                device: device(r)?,
                                seq: r.u64("log entry")?,
                                hash: ObjectHash(r.array_of("log entry")?),
                            })
                        })
                    })?)?;
                }
                10 => {
                    const PART: &str = "part of a checkpoint";
                    parts = not_empty(r.ascending("parts of checkpoints", usize::MAX, |r| {
                        r.tuple(PART, 2, |r| Ok(PartName { device: device(r)?, hash: ObjectHash(r.array_of(PART)?) }))
                    })?)?;
                }
                _ => r.unknown(WHAT, key)?,
            }
            Ok(())
        })?;
        Ok(Self {
            condemn: required(condemn, "condemn")?,
            frontier: required(frontier, "frontier")?,
            packs: required(packs, "packs")?,
            index,
            entries,
            parts,
        })
    }
}

impl From<PartName> for ObjectName {
    fn from(PartName { device, hash }: PartName) -> Self {
        Self::Checkpoint { device, hash }
    }
}

impl From<EntryName> for ObjectName {
    fn from(EntryName { device, seq, hash }: EntryName) -> Self {
        Self::Log { device, seq, hash }
    }
}

pub(super) fn write_packs(w: &mut Writer, packs: &[PackName]) {
    w.set(packs, |w, pack| {
        w.array(3);
        w.uint(pack.tree);
        w.bytes(&pack.device.0);
        w.bytes(&pack.hash.0);
    });
}

pub(super) fn read_packs(r: &mut Reader) -> Result<Vec<PackName>, FormatError> {
    r.ascending("packs", usize::MAX, |r| {
        r.tuple("pack", 3, |r| {
            Ok(PackName { tree: r.flag("pack")?, device: device(r)?, hash: ObjectHash(r.array_of("pack")?) })
        })
    })
}
