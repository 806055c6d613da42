//! The part of a body that depends on its kind, and the kinds with their numbers.

use super::collection::{read_packs, write_packs};
use super::heads::{read_heads, write_heads};
use super::{Checkpoint, Final, Heads, IndexSet, Snapshot};
use crate::cbor::{Reader, Writer};
use crate::error::FormatError;
use crate::fields::{device, identity, required};
use crate::header::Mode;
use crate::ids::{DeviceId, Identity};
use crate::name::PackName;

/// The part of a body that depends on its kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Payload {
    /// What a push saved.
    Snapshot(Snapshot),
    /// Snapshots that no longer count: a set.
    Forget(Vec<EntryRef>),
    /// Where older entries can be read many at a time.
    Checkpoint(Checkpoint),
    /// Packs that nobody may claim again: a set. Opens a round of collection.
    Condemn(Vec<PackName>),
    /// What the collector had read after it condemned.
    Fence {
        /// The round.
        condemn: Identity,
        /// All heads it had read.
        frontier: Heads,
    },
    /// What the collector is about to delete.
    Final(Final),
    /// A push that goes on: only its deltas matter.
    Progress,
    /// Losses that a human has accepted: a set.
    Accept(Vec<Accepted>),
    /// Index shards that count.
    Index(IndexSet),
    /// Several own heads become one.
    Merge,
    /// A kind of a newer version.
    Unknown(u8),
}

/// The kind of an entry, without what it is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "as the variants of Payload")]
pub enum EntryKind {
    Snapshot,
    Forget,
    Checkpoint,
    Condemn,
    Fence,
    Final,
    Progress,
    Accept,
    Index,
    Merge,
    Unknown(u8),
}

/// An entry of a log, by its place and content.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EntryRef {
    /// The device whose log it is in.
    pub device: DeviceId,
    /// Its number there.
    pub seq: u64,
    /// The hash of what is signed.
    pub identity: Identity,
}

/// A loss in one device's log that a human has accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Accepted {
    /// The device whose log lost entries.
    pub device: DeviceId,
    /// The head that was known.
    pub pinned: Identity,
    /// Its number.
    pub pinned_seq: u64,
    /// The head that is there now, if there is one.
    pub now: Option<Identity>,
    /// Its number, or 0.
    pub now_seq: u64,
}

impl Payload {
    /// The kind.
    pub fn kind(&self) -> EntryKind {
        match self {
            Self::Snapshot(_) => EntryKind::Snapshot,
            Self::Forget(_) => EntryKind::Forget,
            Self::Checkpoint(_) => EntryKind::Checkpoint,
            Self::Condemn(_) => EntryKind::Condemn,
            Self::Fence { .. } => EntryKind::Fence,
            Self::Final(_) => EntryKind::Final,
            Self::Progress => EntryKind::Progress,
            Self::Accept(_) => EntryKind::Accept,
            Self::Index(_) => EntryKind::Index,
            Self::Merge => EntryKind::Merge,
            Self::Unknown(kind) => EntryKind::Unknown(*kind),
        }
    }

    pub(super) fn write(&self, w: &mut Writer) {
        match self {
            Self::Snapshot(snapshot) => snapshot.write(w),
            Self::Forget(entries) => w.set(entries, |w, entry| {
                w.array(3);
                w.bytes(&entry.device.0);
                w.uint(entry.seq);
                w.bytes(&entry.identity.0);
            }),
            Self::Checkpoint(checkpoint) => checkpoint.write(w),
            Self::Condemn(packs) => write_packs(w, packs),
            Self::Fence { condemn, frontier } => w.map(|map| {
                map.field(0, |w| w.bytes(&condemn.0));
                map.field(2, |w| write_heads(w, frontier));
            }),
            Self::Final(last) => last.write(w),
            Self::Accept(losses) => w.set(losses, |w, loss| {
                w.array(5);
                w.bytes(&loss.device.0);
                w.bytes(&loss.pinned.0);
                w.uint(loss.pinned_seq);
                w.bytes_or_null(loss.now.as_ref().map(AsRef::as_ref));
                w.uint(loss.now_seq);
            }),
            Self::Index(set) => set.write(w),
            Self::Progress | Self::Merge | Self::Unknown(_) => w.null(), // have no payload key
        }
    }

    pub(super) fn read(r: &mut Reader, kind: EntryKind) -> Result<Self, FormatError> {
        Ok(match kind {
            EntryKind::Snapshot => Self::Snapshot(Snapshot::read(r)?),
            EntryKind::Forget => Self::Forget(r.ascending("forgotten entries", usize::MAX, |r| {
                r.tuple("forgotten entry", 3, |r| {
                    Ok(EntryRef {
                        device: device(r)?,
                        seq: r.u64("seq")?,
                        identity: identity(r, "identity of an entry")?,
                    })
                })
            })?),
            EntryKind::Checkpoint => Self::Checkpoint(Checkpoint::read(r)?),
            EntryKind::Condemn => Self::Condemn(read_packs(r)?),
            EntryKind::Fence => {
                let (mut condemn, mut frontier) = (None, None);
                r.map("fence", |r, key| {
                    match key {
                        0 => condemn = Some(identity(r, "condemn")?),
                        2 => frontier = Some(read_heads(r, "frontier")?),
                        _ => r.unknown("fence", key)?,
                    }
                    Ok(())
                })?;
                Self::Fence { condemn: required(condemn, "condemn")?, frontier: required(frontier, "frontier")? }
            }
            EntryKind::Final => Self::Final(Final::read(r)?),
            EntryKind::Accept => Self::Accept(r.ascending("accepted losses", usize::MAX, |r| {
                r.tuple("accepted loss", 5, |r| {
                    Ok(Accepted {
                        device: device(r)?,
                        pinned: identity(r, "pinned identity")?,
                        pinned_seq: r.u64("pinned seq")?,
                        now: r.nullable(|r| identity(r, "identity now"))?,
                        now_seq: r.u64("seq now")?,
                    })
                })
            })?),
            EntryKind::Index => Self::Index(IndexSet::read(r)?),
            EntryKind::Progress | EntryKind::Merge | EntryKind::Unknown(_) => {
                return Err(FormatError::Invalid { what: "payload of another kind" });
            }
        })
    }
}

impl EntryKind {
    /// The kind of this number; numbers that this version does not know are kept.
    pub fn from_byte(byte: u8) -> Self {
        match byte {
            1 => Self::Snapshot,
            2 => Self::Forget,
            3 => Self::Checkpoint,
            4 => Self::Condemn,
            5 => Self::Fence,
            6 => Self::Final,
            7 => Self::Progress,
            8 => Self::Accept,
            9 => Self::Index,
            10 => Self::Merge,
            other => Self::Unknown(other),
        }
    }

    /// The number.
    pub fn byte(self) -> u8 {
        match self {
            Self::Snapshot => 1,
            Self::Forget => 2,
            Self::Checkpoint => 3,
            Self::Condemn => 4,
            Self::Fence => 5,
            Self::Final => 6,
            Self::Progress => 7,
            Self::Accept => 8,
            Self::Index => 9,
            Self::Merge => 10,
            Self::Unknown(byte) => byte,
        }
    }

    /// How entries of this kind are stored: collection is in clear, so that devices that read no logs can follow it. `None`: not known here.
    pub fn mode(self) -> Option<Mode> {
        match self {
            Self::Condemn | Self::Fence | Self::Final => Some(Mode::Clear),
            Self::Unknown(_) => None,
            _ => Some(Mode::Symmetric),
        }
    }

    /// Whether collection and checkpoints must stop because this version does not know what the entry keeps alive.
    pub fn blocks_collection(self) -> bool {
        matches!(self, Self::Unknown(..SKIPPABLE))
    }

    pub(super) fn payload_key(self) -> Option<u64> {
        match self {
            Self::Snapshot => Some(8),
            Self::Index => Some(10),
            Self::Forget => Some(12),
            Self::Condemn | Self::Fence | Self::Final => Some(14),
            Self::Accept => Some(16),
            Self::Checkpoint => Some(18),
            Self::Progress | Self::Merge | Self::Unknown(_) => None,
        }
    }

    pub(super) fn bare_payload(self) -> Option<Payload> {
        match self {
            Self::Progress => Some(Payload::Progress),
            Self::Merge => Some(Payload::Merge),
            Self::Unknown(byte) => Some(Payload::Unknown(byte)),
            _ => None,
        }
    }
}

/// Kinds from here on may be skipped by whoever does not know them.
const SKIPPABLE: u8 = 128;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_keep_their_numbers() {
        for byte in 0..=255 {
            assert_eq!(EntryKind::from_byte(byte).byte(), byte);
        }
        assert!(EntryKind::from_byte(127).blocks_collection());
        assert!(!EntryKind::from_byte(128).blocks_collection());
        assert!(!EntryKind::Merge.blocks_collection());
    }
}
