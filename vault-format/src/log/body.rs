//! The body of a log entry: what all kinds have in common, and the payload.

use super::heads::{read_heads, write_heads};
use super::index::{read_delta, read_part, write_delta, write_part};
use super::{DeltaPart, EntryKind, Heads, Payload};
use crate::cbor::{Reader, Writer};
use crate::entry::Time;
use crate::error::FormatError;
use crate::fields::{identity, not_empty, read_identities, read_time, required, write_identities, write_time};
use crate::header::Mode;
use crate::ids::{DeviceId, Identity, ObjectHash};
use crate::limits;
use crate::read;
use std::collections::BTreeMap;

/// What an entry says: a CBOR map.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Body {
    /// When the writer says it was; trusted by nobody.
    pub time: Time,
    /// Heads of the roster that the writer acted by: a set, at least one.
    pub roster_heads: Vec<Identity>,
    /// Heads of other devices that changed since this device's previous entry.
    pub other_heads: BTreeMap<DeviceId, Identity>,
    /// For every device that holds or held `prune`: heads of its log that this device has read, all if they are not too many.
    pub seen: Heads,
    /// Index deltas that this entry makes count, with their sizes in KiB: a set.
    pub deltas: Vec<(ObjectHash, u32)>,
    /// Of some of these deltas: which chunks they can hold. A hint, never a reason to take a chunk for missing.
    pub parts: BTreeMap<ObjectHash, DeltaPart>,
    /// What kind of entry it is, and what it is about.
    pub payload: Payload,
}

impl Body {
    /// The kind of the payload.
    pub fn kind(&self) -> EntryKind {
        self.payload.kind()
    }

    /// The bytes. Refuses what `parse` would refuse, and a payload of an unknown kind.
    pub fn encode(&self) -> Result<Vec<u8>, FormatError> {
        if let Payload::Unknown(_) = self.payload {
            return Err(FormatError::Invalid { what: "kind of an entry to write" });
        }
        let mut writer = Writer::new();
        writer.map(|map| {
            map.field(0, |w| w.uint(self.kind().byte()));
            map.field(1, |w| write_time(w, self.time));
            map.field(2, |w| write_identities(w, &self.roster_heads));
            if !self.other_heads.is_empty() {
                map.field(3, |w| w.map_by(&self.other_heads, |w, head| w.bytes(&head.0)));
            }
            if !self.seen.is_empty() {
                map.field(4, |w| write_heads(w, &self.seen));
            }
            if !self.deltas.is_empty() {
                map.field(6, |w| w.set(&self.deltas, write_delta));
            }
            if !self.parts.is_empty() {
                map.field(7, |w| w.map_by(&self.parts, write_part));
            }
            if let Some(key) = self.kind().payload_key() {
                map.field(key, |w| self.payload.write(w));
            }
        });
        let bytes = writer.finish();
        Self::parse(&bytes)?;
        Ok(bytes)
    }

    /// Reads the body of an entry in this mode, and refuses a kind that does not go with it.
    pub fn parse_in(mode: Mode, bytes: &[u8]) -> Result<Self, FormatError> {
        let body = Self::parse(bytes)?;
        match body.kind().mode() {
            Some(other) if other != mode => Err(FormatError::Mismatch { field: "mode" }),
            _ => Ok(body),
        }
    }

    /// Reads all of `bytes`.
    pub fn parse(bytes: &[u8]) -> Result<Self, FormatError> {
        read::at_most(bytes.len(), limits::ENTRY_BODY, "body of a log entry")?;
        let mut reader = Reader::new(bytes);
        let (mut kind, mut time, mut roster_heads) = (None, None, None);
        let (mut other_heads, mut seen, mut deltas) = (BTreeMap::new(), Heads::new(), Vec::new());
        let (mut parts, mut payload) = (BTreeMap::new(), None);
        reader.map(WHAT, |r, key| {
            match (key, kind) {
                (0, _) => kind = Some(EntryKind::from_byte(r.u8("kind of an entry")?)),
                (1, _) => time = Some(read_time(r)?),
                (2, _) => roster_heads = Some(read_identities(r, "roster heads")?),
                (3, _) => {
                    other_heads = not_empty(r.map_by("heads", DeviceId, |r| identity(r, "heads"))?)?;
                }
                (4, _) => seen = not_empty(read_heads(r, "seen")?)?,
                (6, _) => deltas = not_empty(r.ascending("deltas", usize::MAX, read_delta)?)?,
                (7, Some(known)) if !matches!(known, EntryKind::Unknown(_)) => {
                    parts = not_empty(r.map_by("parts", ObjectHash, read_part)?)?;
                }
                // What a newer kind carries, only a newer version knows.
                (_, Some(EntryKind::Unknown(_))) => r.skip(WHAT)?,
                (key, Some(kind)) if kind.payload_key() == Some(key) => {
                    payload = Some(Payload::read(r, kind)?);
                }
                (8 | 10 | 12 | 14 | 16 | 18, _) => {
                    return Err(FormatError::Invalid { what: "payload of another kind" });
                }
                _ => r.unknown(WHAT, key)?,
            }
            Ok(())
        })?;
        reader.end(WHAT)?;
        let kind = required(kind, "kind of an entry")?;
        let payload = payload.or(kind.bare_payload());
        if parts.keys().any(|hash| !deltas.iter().any(|(delta, _)| delta == hash)) {
            return Err(FormatError::Invalid { what: "parts" });
        }
        Ok(Self {
            time: required(time, "time of an entry")?,
            roster_heads: required(roster_heads, "roster heads")?,
            other_heads,
            seen,
            deltas,
            parts,
            payload: required(payload, "payload of an entry")?,
        })
    }
}

const WHAT: &str = "body of a log entry";
