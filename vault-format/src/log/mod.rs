//! Log entries: the stored object and the body in it (SPEC sections 10.1 to 10.3).

use crate::cbor::{Reader, Writer};
use crate::entry::Time;
use crate::error::FormatError;
use crate::frame;
use crate::header::{COMMIT_LEN, HEADER_LEN, Header, Mode, ObjectType};
use crate::ids::{ChunkId, DeviceId, Domain, Identity, ObjectHash, Scope};
use crate::limits;
use crate::name::{ObjectName, PackName};
use crate::read;
use crate::signed::{clear_body, signed_len};
use crate::suite::Suite;
use std::collections::BTreeMap;
use std::ops::Range;

/// A stored log entry, taken apart. Ranges are into the stored bytes.
///
/// ```text
/// header | seq u64 | prev_count u8 | reserved 3 | prev 32 x prev_count | content | signature
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EntryObject {
    /// The first 120 bytes.
    pub header: Header,
    /// Position in the device's log: above the greatest of `prev`'s, from 1 on; by 1, unless entries were lost.
    pub seq: u64,
    /// The open heads of the device's own log that this entry follows, ascending.
    pub prev: Vec<Identity>,
    /// Bytes of header and chain part: `header` in the formulas of SPEC section 5.
    pub prefix_len: usize,
    /// What lies between prefix and signature.
    pub content: EntryContent,
    /// Bytes before the signature; their hash is the entry's identity.
    pub signed_len: usize,
    /// The signature: the rest.
    pub signature: Range<usize>,
}

/// What an entry holds, by the mode of its header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EntryContent {
    /// Mode 1: the body is the plaintext of the frame.
    Sealed {
        /// 32 bytes.
        commit: Range<usize>,
        /// One frame, slot 0, last.
        frame: Range<usize>,
    },
    /// Mode 3.
    Clear {
        /// The body.
        body: Range<usize>,
    },
}

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

/// Heads of logs: a set for each device, at least one and at most 64.
pub type Heads = BTreeMap<DeviceId, Vec<Identity>>;

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

/// What a push saved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// At least one.
    pub sources: Vec<SourceRecord>,
    /// Name of the machine; may be empty.
    pub host: String,
    /// Name of the user; may be empty.
    pub user: String,
    /// In the user's order.
    pub tags: Vec<String>,
    /// Program and version; may be empty.
    pub program: String,
    /// The entry of the snapshot that this one was compared with.
    pub parent: Option<Identity>,
    /// What the push did.
    pub stats: Option<SnapshotStats>,
}

/// One source of a snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceRecord {
    /// Absolute path of the root, or file name of a stream, raw bytes, never empty.
    pub label: Vec<u8>,
    /// Where the bytes came from.
    pub kind: SourceKind,
    /// With whom chunks are shared.
    pub scope: Scope,
    /// With which devices chunks are shared.
    pub domain: Domain,
    /// The root of the manifest; `None` only when the source failed.
    pub root: Option<ChunkId>,
    /// The level of the root.
    pub level: u8,
    /// How it went.
    pub outcome: Outcome,
    /// Entries in the manifest.
    pub entries: u64,
    /// Sum of the sizes of all entries, in bytes.
    pub bytes: u64,
    /// Entries that could not be captured.
    pub missed: u64,
}

/// Where a source's bytes came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum SourceKind {
    /// A path.
    Path = 0,
    /// Standard input.
    Stdin = 1,
    /// The output of a command.
    Command = 2,
}

/// How a source's capture ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Outcome {
    /// Everything was captured.
    Complete = 0,
    /// Some entries were not.
    Partial = 1,
    /// Nothing was.
    Failed = 2,
}

/// What a push did. Bytes where nothing else is said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SnapshotStats {
    /// Files that the parent did not have.
    pub files_new: u64,
    /// Files that differ from the parent's.
    pub files_changed: u64,
    /// Files as in the parent.
    pub files_unmodified: u64,
    /// Folders that the parent did not have.
    pub dirs_new: u64,
    /// Folders that differ from the parent's.
    pub dirs_changed: u64,
    /// Folders as in the parent.
    pub dirs_unmodified: u64,
    /// Plain bytes that were new to the vault.
    pub data_added: u64,
    /// Bytes of packs that were stored.
    pub data_added_packed: u64,
    /// Milliseconds.
    pub duration_ms: u64,
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

/// Header and chain part: what a writer seals or clears a body after.
pub fn entry_prefix(header: &Header, seq: u64, prev: &[Identity]) -> Vec<u8> {
    let mut prev = prev.to_vec();
    prev.sort_unstable();
    let mut out = header.encode().to_vec();
    out.extend_from_slice(&seq.to_le_bytes());
    out.extend([prev.len() as u8, 0, 0, 0]);
    out.extend(prev.iter().flat_map(|identity| identity.0));
    out
}

impl EntryObject {
    /// Takes a stored entry apart. Neither signature nor seal is verified, nor the size's class.
    pub fn parse(stored: &[u8], suite: Suite) -> Result<Self, FormatError> {
        const WHAT: &str = "log entry";
        read::at_most(stored.len(), limits::ENTRY_STORED, WHAT)?;
        let header = Header::parse(stored)?;
        if header.suite != suite {
            return Err(FormatError::Mismatch { field: "suite" });
        }
        if header.object_type != ObjectType::Entry {
            return Err(FormatError::Mismatch { field: "object type" });
        }
        let signed_len = signed_len(stored, suite, WHAT)?;
        let signed = &stored[..signed_len];
        let (seq, prev) = parse_chain(signed)?;
        let prefix_len = HEADER_LEN + CHAIN_HEAD + prev.len() * Identity::LEN;
        let content = if header.mode == Mode::Clear {
            let body = clear_body(signed, prefix_len, limits::ENTRY_BODY, WHAT)?;
            EntryContent::Clear { body }
        } else {
            let frame = prefix_len + COMMIT_LEN..signed_len;
            if frame.len() < frame::overhead(suite) + frame::TEXT_HEAD {
                return Err(FormatError::Truncated { what: WHAT });
            }
            EntryContent::Sealed { commit: prefix_len..frame.start, frame }
        };
        Ok(Self { header, seq, prev, prefix_len, content, signed_len, signature: signed_len..stored.len() })
    }

    /// Reads the body, clear or opened, and refuses a kind that does not go with the header's mode.
    pub fn body(&self, bytes: &[u8]) -> Result<Body, FormatError> {
        Body::parse_in(self.header.mode, bytes)
    }
}

fn parse_chain(signed: &[u8]) -> Result<(u64, Vec<Identity>), FormatError> {
    const WHAT: &str = "chain part";
    let mut reader = read::Reader::new(signed);
    reader.take(HEADER_LEN, WHAT)?;
    let seq = u64::from_le_bytes(reader.array(WHAT)?);
    let [count, reserved @ ..] = reader.array::<4>(WHAT)?;
    if let Some(byte) = reserved.into_iter().find(|byte| *byte != 0) {
        return Err(FormatError::NewerFormat { field: "reserved byte of the chain part", value: u64::from(byte) });
    }
    read::at_most(usize::from(count), limits::ENTRY_PREV, "predecessors")?;
    let prev = (0..count).map(|_| reader.array(WHAT).map(Identity)).collect::<Result<Vec<_>, _>>()?;
    check_chain(seq, &prev)?;
    Ok((seq, prev))
}

/// Refuses a number and predecessors that no entry has.
pub(crate) fn check_chain(seq: u64, prev: &[Identity]) -> Result<(), FormatError> {
    if !prev.is_sorted_by(|a, b| a < b) {
        return Err(FormatError::Order { what: "predecessors" });
    }
    // Above that of a predecessor, which is at least 1. Without one it is 1, unless all before it was lost.
    if seq == 0 || (!prev.is_empty() && seq < 2) {
        return Err(FormatError::Invalid { what: "seq" });
    }
    Ok(())
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

    fn write(&self, w: &mut Writer) {
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
            Self::Index(set) => w.map(|map| {
                map.field(0, |w| w.bytes(&set.domain.0));
                map.field(2, |w| w.set(&set.shards, |w, hash| w.bytes(&hash.0)));
                map.field(4, |w| write_heads(w, &set.frontier));
            }),
            Self::Progress | Self::Merge | Self::Unknown(_) => w.null(), // have no payload key
        }
    }

    fn read(r: &mut Reader, kind: EntryKind) -> Result<Self, FormatError> {
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

    fn payload_key(self) -> Option<u64> {
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

    fn bare_payload(self) -> Option<Payload> {
        match self {
            Self::Progress => Some(Payload::Progress),
            Self::Merge => Some(Payload::Merge),
            Self::Unknown(byte) => Some(Payload::Unknown(byte)),
            _ => None,
        }
    }
}

impl Snapshot {
    fn write(&self, w: &mut Writer) {
        w.map(|map| {
            map.field(0, |w| w.list(&self.sources, |w, source| source.write(w)));
            for (key, text) in [(1, &self.host), (3, &self.user)] {
                if !text.is_empty() {
                    map.field(key, |w| w.text(text));
                }
            }
            if !self.tags.is_empty() {
                map.field(5, |w| w.list(&self.tags, |w, tag| w.text(tag)));
            }
            if !self.program.is_empty() {
                map.field(7, |w| w.text(&self.program));
            }
            if let Some(parent) = self.parent {
                map.field(9, |w| w.bytes(&parent.0));
            }
            if let Some(stats) = &self.stats {
                map.field(11, |w| stats.write(w));
            }
        });
    }

    fn read(r: &mut Reader) -> Result<Self, FormatError> {
        const WHAT: &str = "snapshot";
        let mut snapshot = Self {
            sources: Vec::new(),
            host: String::new(),
            user: String::new(),
            tags: Vec::new(),
            program: String::new(),
            parent: None,
            stats: None,
        };
        r.map(WHAT, |r, key| {
            match key {
                0 => snapshot.sources = r.list("sources", limits::SOURCES, SourceRecord::read)?,
                1 => snapshot.host = label(r, "host")?,
                3 => snapshot.user = label(r, "user")?,
                5 => {
                    let tag = |r: &mut Reader| r.text("tag", limits::TAG).map(str::to_owned);
                    snapshot.tags = not_empty(r.list("tags", limits::TAGS, tag)?)?;
                }
                7 => snapshot.program = label(r, "program version")?,
                9 => snapshot.parent = Some(identity(r, "parent")?),
                11 => snapshot.stats = Some(SnapshotStats::read(r)?),
                _ => r.unknown(WHAT, key)?,
            }
            Ok(())
        })?;
        if snapshot.sources.is_empty() {
            return Err(FormatError::Invalid { what: "sources" });
        }
        Ok(snapshot)
    }
}

impl SourceRecord {
    fn write(&self, w: &mut Writer) {
        w.map(|map| {
            map.field(0, |w| w.bytes(&self.label));
            if self.missed > 0 {
                map.field(1, |w| w.uint(self.missed));
            }
            map.field(2, |w| w.uint(self.kind as u8));
            map.field(4, |w| w.bytes(&self.scope.0));
            map.field(6, |w| w.bytes(&self.domain.0));
            map.field(8, |w| w.bytes_or_null(self.root.as_ref().map(AsRef::as_ref)));
            map.field(10, |w| w.uint(self.level));
            map.field(12, |w| w.uint(self.outcome as u8));
            map.field(14, |w| w.uint(self.entries));
            map.field(16, |w| w.uint(self.bytes));
        });
    }

    fn read(r: &mut Reader) -> Result<Self, FormatError> {
        const WHAT: &str = "source";
        let (mut label, mut kind, mut scope, mut domain) = (None, None, None, None);
        let (mut root, mut level, mut outcome) = (None, None, None);
        let (mut entries, mut bytes, mut missed) = (None, None, 0);
        r.map(WHAT, |r, key| {
            match key {
                0 => label = Some(r.bytes("label of a source", limits::PATH)?.to_vec()),
                1 => missed = not_zero(r.u64("missed entries")?)?,
                2 => kind = Some(read_source_kind(r)?),
                4 => scope = Some(Scope(r.array_of("scope")?)),
                6 => domain = Some(Domain(r.array_of("domain")?)),
                8 => root = Some(r.nullable(|r| r.array_of("root").map(ChunkId))?),
                10 => level = Some(r.uint("level", u64::from(limits::TREE_LEVEL))? as u8),
                12 => outcome = Some(read_outcome(r)?),
                14 => entries = Some(r.u64("number of entries")?),
                16 => bytes = Some(r.u64("sum of sizes")?),
                _ => r.unknown(WHAT, key)?,
            }
            Ok(())
        })?;
        let source = Self {
            label: required(label, "label of a source")?,
            kind: required(kind, "source kind")?,
            scope: required(scope, "scope")?,
            domain: required(domain, "domain")?,
            root: required(root, "root")?,
            level: required(level, "level")?,
            outcome: required(outcome, "outcome")?,
            entries: required(entries, "number of entries")?,
            bytes: required(bytes, "sum of sizes")?,
            missed,
        };
        if source.label.is_empty() {
            return Err(FormatError::Invalid { what: "label of a source" });
        }
        if source.root.is_none() && source.outcome != Outcome::Failed {
            return Err(FormatError::Invalid { what: "outcome of a source without a root" });
        }
        Ok(source)
    }
}

fn read_source_kind(r: &mut Reader) -> Result<SourceKind, FormatError> {
    match r.u64("source kind")? {
        0 => Ok(SourceKind::Path),
        1 => Ok(SourceKind::Stdin),
        2 => Ok(SourceKind::Command),
        value => Err(FormatError::NewerFormat { field: "source kind", value }),
    }
}

fn read_outcome(r: &mut Reader) -> Result<Outcome, FormatError> {
    match r.u64("outcome")? {
        0 => Ok(Outcome::Complete),
        1 => Ok(Outcome::Partial),
        2 => Ok(Outcome::Failed),
        value => Err(FormatError::NewerFormat { field: "outcome", value }),
    }
}

impl SnapshotStats {
    /// Keys are odd: a reader that does not know a number loses nothing.
    fn write(&self, w: &mut Writer) {
        let mut copy = *self;
        w.map(|map| {
            for (at, value) in copy.fields().into_iter().enumerate() {
                if *value > 0 {
                    map.field(2 * at as u64 + 1, |w| w.uint(*value));
                }
            }
        });
    }

    fn read(r: &mut Reader) -> Result<Self, FormatError> {
        const WHAT: &str = "statistics";
        let mut stats = Self::default();
        let mut fields = stats.fields();
        r.map(WHAT, |r, key| {
            let known = usize::try_from(key / 2).ok().and_then(|at| fields.get_mut(at));
            match known {
                Some(field) if key % 2 == 1 => **field = not_zero(r.u64(WHAT)?)?,
                _ => r.unknown(WHAT, key)?,
            }
            Ok(())
        })?;
        Ok(stats)
    }

    /// In the order of their keys 1, 3, 5, ...
    fn fields(&mut self) -> [&mut u64; 9] {
        [
            &mut self.files_new,
            &mut self.files_changed,
            &mut self.files_unmodified,
            &mut self.dirs_new,
            &mut self.dirs_changed,
            &mut self.dirs_unmodified,
            &mut self.data_added,
            &mut self.data_added_packed,
            &mut self.duration_ms,
        ]
    }
}

impl Final {
    fn write(&self, w: &mut Writer) {
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

    fn read(r: &mut Reader) -> Result<Self, FormatError> {
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

impl Checkpoint {
    fn write(&self, w: &mut Writer) {
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

    fn read(r: &mut Reader) -> Result<Self, FormatError> {
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

impl IndexSet {
    fn read(r: &mut Reader) -> Result<Self, FormatError> {
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

pub(crate) fn write_time(w: &mut Writer, time: Time) {
    w.array(2);
    w.int(time.secs);
    w.uint(time.nanos);
}

pub(crate) fn read_time(r: &mut Reader) -> Result<Time, FormatError> {
    r.tuple("time", 2, |r| {
        let secs = r.i64("time")?;
        let nanos = r.u32("time")?;
        if nanos >= NANOS {
            return Err(FormatError::Invalid { what: "time" });
        }
        Ok(Time { secs, nanos })
    })
}

pub(crate) fn identity(r: &mut Reader, what: &'static str) -> Result<Identity, FormatError> {
    r.array_of(what).map(Identity)
}

pub(crate) fn device(r: &mut Reader) -> Result<DeviceId, FormatError> {
    r.array_of("device id").map(DeviceId)
}

pub(crate) fn required<T>(value: Option<T>, what: &'static str) -> Result<T, FormatError> {
    value.ok_or(FormatError::Invalid { what })
}

/// An optional collection is left out when it is empty, so that there is one way to say nothing.
pub(crate) fn not_empty<T>(items: T) -> Result<T, FormatError>
where
    for<'a> &'a T: IntoIterator,
{
    let empty = (&items).into_iter().next().is_none();
    if empty {
        return Err(FormatError::NotCanonical { what: "empty optional field" });
    }
    Ok(items)
}

fn not_zero(value: u64) -> Result<u64, FormatError> {
    match value {
        0 => Err(FormatError::NotCanonical { what: "empty optional field" }),
        value => Ok(value),
    }
}

fn label(r: &mut Reader, what: &'static str) -> Result<String, FormatError> {
    let text = r.text(what, limits::LABEL)?;
    not_zero(text.len() as u64)?;
    Ok(text.to_owned())
}

pub(crate) fn write_identities(w: &mut Writer, identities: &[Identity]) {
    w.set(identities, |w, identity| w.bytes(&identity.0));
}

/// A set of identities, at least one.
fn read_identities(r: &mut Reader, what: &'static str) -> Result<Vec<Identity>, FormatError> {
    let identities = r.ascending(what, usize::MAX, |r| identity(r, what))?;
    if identities.is_empty() {
        return Err(FormatError::Invalid { what });
    }
    Ok(identities)
}

fn write_heads(w: &mut Writer, heads: &Heads) {
    w.map_by(heads, |w, identities| write_identities(w, identities));
}

fn read_heads(r: &mut Reader, what: &'static str) -> Result<Heads, FormatError> {
    r.map_by(what, DeviceId, |r| {
        let identities = r.ascending(what, limits::ENTRY_HEADS, |r| identity(r, what))?;
        if identities.is_empty() {
            return Err(FormatError::Invalid { what });
        }
        Ok(identities)
    })
}

fn write_delta(w: &mut Writer, (hash, kib): &(ObjectHash, u32)) {
    w.array(2);
    w.bytes(&hash.0);
    w.uint(*kib);
}

fn read_delta(r: &mut Reader) -> Result<(ObjectHash, u32), FormatError> {
    r.tuple("delta", 2, |r| Ok((ObjectHash(r.array_of("delta")?), r.u32("delta")?)))
}

fn write_part(w: &mut Writer, part: &DeltaPart) {
    w.array(3);
    w.uint(u8::from(part.data) | u8::from(part.trees) << 1);
    w.uint(part.first);
    w.uint(part.last);
}

fn read_part(r: &mut Reader) -> Result<DeltaPart, FormatError> {
    const WHAT: &str = "parts";
    let (kinds, first, last) =
        r.tuple(WHAT, 3, |r| Ok((r.u8(WHAT)?, r.uint(WHAT, 0xffff)? as u16, r.uint(WHAT, 0xffff)? as u16)))?;
    if !(1..=3).contains(&kinds) || first > last {
        return Err(FormatError::Invalid { what: WHAT });
    }
    Ok(DeltaPart { data: kinds & 1 != 0, trees: kinds & 2 != 0, first, last })
}

fn write_packs(w: &mut Writer, packs: &[PackName]) {
    w.set(packs, |w, pack| {
        w.array(3);
        w.uint(pack.tree);
        w.bytes(&pack.device.0);
        w.bytes(&pack.hash.0);
    });
}

fn read_packs(r: &mut Reader) -> Result<Vec<PackName>, FormatError> {
    r.ascending("packs", usize::MAX, |r| {
        r.tuple("pack", 3, |r| {
            Ok(PackName { tree: r.flag("pack")?, device: device(r)?, hash: ObjectHash(r.array_of("pack")?) })
        })
    })
}

/// Bytes of the chain part without `prev`.
const CHAIN_HEAD: usize = 8 + 4;
/// Kinds from here on may be skipped by whoever does not know them.
const SKIPPABLE: u8 = 128;
/// Nanoseconds of a second.
const NANOS: u32 = 1_000_000_000;
const WHAT: &str = "body of a log entry";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::{EpochId, VaultId};
    use proptest::collection::{btree_map, btree_set, vec};
    use proptest::option;
    use proptest::prelude::*;

    fn ids<const N: usize, T>(make: fn([u8; N]) -> T) -> impl Strategy<Value = T>
    where
        T: std::fmt::Debug,
    {
        // Few different bytes, so that ids that share a start occur.
        (0..4u8, 0..3u8).prop_map(move |(first, last)| {
            let mut bytes = [first; N];
            bytes[N - 1] = last;
            make(bytes)
        })
    }

    fn set<T: Ord + std::fmt::Debug>(item: impl Strategy<Value = T>) -> impl Strategy<Value = Vec<T>> {
        btree_set(item, 0..4).prop_map(|set| set.into_iter().collect())
    }

    fn heads() -> impl Strategy<Value = Heads> {
        let identities = btree_set(ids(Identity), 1..4);
        btree_map(ids(DeviceId), identities.prop_map(|set| set.into_iter().collect()), 0..3)
    }

    fn checkpoint_parts() -> impl Strategy<Value = CheckpointPart> {
        (ids(ObjectHash), 0..4224u32, any::<u32>()).prop_map(|(hash, kib, entries)| CheckpointPart {
            hash,
            kib,
            entries,
        })
    }

    fn packs() -> impl Strategy<Value = Vec<PackName>> {
        set((any::<bool>(), ids(DeviceId), ids(ObjectHash)).prop_map(|(tree, device, hash)| PackName {
            tree,
            device,
            hash,
        }))
    }

    fn sources() -> impl Strategy<Value = SourceRecord> {
        let root = option::of(ids(ChunkId));
        (vec(any::<u8>(), 1..20), 0..3u8, ids(Scope), ids(Domain), root, 0..=12u8, 0..3u8, any::<[u64; 3]>()).prop_map(
            |(label, kind, scope, domain, root, level, outcome, [entries, bytes, missed])| SourceRecord {
                label,
                kind: [SourceKind::Path, SourceKind::Stdin, SourceKind::Command][usize::from(kind)],
                scope,
                domain,
                root,
                level,
                outcome: match (root, outcome) {
                    (None, _) | (_, 2) => Outcome::Failed,
                    (_, 1) => Outcome::Partial,
                    _ => Outcome::Complete,
                },
                entries,
                bytes,
                missed: missed % 3,
            },
        )
    }

    fn snapshots() -> impl Strategy<Value = Snapshot> {
        let stats = option::of(any::<[u64; 9]>().prop_map(|values| {
            let mut stats = SnapshotStats::default();
            for (field, value) in stats.fields().into_iter().zip(values) {
                *field = value % 1000;
            }
            stats
        }));
        (vec(sources(), 1..4), ".{0,9}", ".{0,9}", vec(".{0,9}", 0..4), ".{0,9}", option::of(ids(Identity)), stats)
            .prop_map(|(sources, host, user, tags, program, parent, stats)| Snapshot {
                sources,
                host,
                user,
                tags,
                program,
                parent,
                stats,
            })
    }

    fn payloads() -> impl Strategy<Value = Payload> {
        let entry_refs = set((ids(DeviceId), any::<u64>(), ids(Identity))
            .prop_map(|(device, seq, identity)| EntryRef { device, seq, identity }));
        let index = set((any::<bool>(), ids(DeviceId), ids(ObjectHash)).prop_map(|(shard, device, hash)| IndexName {
            shard,
            device,
            hash,
        }));
        let entries = set((ids(DeviceId), any::<u64>(), ids(ObjectHash)).prop_map(|(device, seq, hash)| EntryName {
            device,
            seq,
            hash,
        }));
        let parts = set((ids(DeviceId), ids(ObjectHash)).prop_map(|(device, hash)| PartName { device, hash }));
        let losses =
            set((ids(DeviceId), ids(Identity), any::<u64>(), option::of(ids(Identity)), any::<u64>()).prop_map(
                |(device, pinned, pinned_seq, now, now_seq)| Accepted { device, pinned, pinned_seq, now, now_seq },
            ));
        prop_oneof![
            snapshots().prop_map(Payload::Snapshot),
            entry_refs.prop_map(Payload::Forget),
            (set(checkpoint_parts()), heads())
                .prop_map(|(parts, frontier)| Payload::Checkpoint(Checkpoint { parts, frontier })),
            packs().prop_map(Payload::Condemn),
            (ids(Identity), heads()).prop_map(|(condemn, frontier)| Payload::Fence { condemn, frontier }),
            (ids(Identity), heads(), packs(), index, entries, parts).prop_map(
                |(condemn, frontier, packs, index, entries, parts)| {
                    Payload::Final(Final { condemn, frontier, packs, index, entries, parts })
                }
            ),
            Just(Payload::Progress),
            losses.prop_map(Payload::Accept),
            (ids(Domain), set(ids(ObjectHash)), heads())
                .prop_map(|(domain, shards, frontier)| { Payload::Index(IndexSet { domain, shards, frontier }) }),
            Just(Payload::Merge),
        ]
    }

    fn bodies() -> impl Strategy<Value = Body> {
        let time = (any::<i64>(), 0..NANOS).prop_map(|(secs, nanos)| Time { secs, nanos });
        let roster_heads = btree_set(ids(Identity), 1..4).prop_map(|set| set.into_iter().collect());
        let other_heads = btree_map(ids(DeviceId), ids(Identity), 0..3);
        let deltas = set((ids(ObjectHash), any::<u32>()));
        let kinds = (any::<bool>(), any::<bool>(), any::<[u16; 2]>());
        (time, roster_heads, other_heads, heads(), deltas, payloads(), kinds).prop_map(
            |(time, roster_heads, other_heads, seen, deltas, payload, (data, trees, ends))| {
                let part =
                    DeltaPart { data: data || !trees, trees, first: ends[0].min(ends[1]), last: ends[0].max(ends[1]) };
                let parts = deltas.iter().step_by(2).map(|(hash, _)| (*hash, part)).collect();
                Body { time, roster_heads, other_heads, seen, deltas, parts, payload }
            },
        )
    }

    proptest! {
        #[test]
        fn bodies_round_trip(body in bodies()) {
            let bytes = body.encode().expect("a good body");
            prop_assert_eq!(Body::parse(&bytes), Ok(body));
        }

        /// A changed byte gives an error or another body, which is written as it was read.
        #[test]
        fn bodies_have_one_encoding(body in bodies(), at: prop::sample::Index, byte: u8) {
            let mut bytes = body.encode().expect("a good body");
            let at = at.index(bytes.len());
            prop_assume!(bytes[at] != byte);
            bytes[at] = byte;
            if let Ok(other) = Body::parse(&bytes) {
                prop_assert_ne!(&other, &body);
            }
        }

        #[test]
        fn sets_are_written_in_order(mut body in bodies()) {
            let bytes = body.encode();
            body.roster_heads.reverse();
            body.deltas.reverse();
            prop_assert_eq!(body.encode(), bytes);
        }

        #[test]
        fn arbitrary_bytes_never_panic(bytes: Vec<u8>) {
            let _ = Body::parse(&bytes);
            let _ = EntryObject::parse(&bytes, Suite::Default);
        }
    }

    fn body(payload: Payload) -> Body {
        Body {
            time: Time::default(),
            roster_heads: vec![Identity([1; 32])],
            other_heads: BTreeMap::new(),
            seen: Heads::new(),
            deltas: Vec::new(),
            parts: BTreeMap::new(),
            payload,
        }
    }

    fn header(mode: Mode) -> Header {
        Header {
            suite: Suite::Default,
            object_type: ObjectType::Entry,
            mode,
            vault: VaultId([1; 32]),
            epoch: EpochId([2; 16]),
            domain: Domain::SHARED,
            writer: DeviceId([3; 16]),
            salt: [4; 32],
        }
    }

    #[test]
    fn what_cannot_be_read_is_not_written() {
        let no_heads = Body { roster_heads: Vec::new(), ..body(Payload::Merge) };
        assert_eq!(no_heads.encode(), Err(FormatError::Invalid { what: "roster heads" }));
        let late = Body { time: Time { secs: 0, nanos: NANOS }, ..body(Payload::Merge) };
        assert_eq!(late.encode(), Err(FormatError::Invalid { what: "time" }));
        let twice = Body { deltas: vec![(ObjectHash([1; 32]), 1); 2], ..body(Payload::Merge) };
        assert_eq!(twice.encode(), Err(FormatError::Order { what: "deltas" }));
        assert!(body(Payload::Unknown(11)).encode().is_err());
        let pack = |n: u32| PackName {
            tree: false,
            device: DeviceId([0; 16]),
            hash: ObjectHash(std::array::from_fn(|at| n.to_be_bytes()[at % 4])),
        };
        let giant = body(Payload::Condemn((0..4000).map(pack).collect()));
        assert!(matches!(giant.encode(), Err(FormatError::Limit { .. })));
    }

    #[test]
    fn kinds_go_with_one_mode() {
        let clear = body(Payload::Condemn(Vec::new())).encode().expect("a body");
        let sealed = body(Payload::Merge).encode().expect("a body");
        let object = |mode| {
            let mut stored = entry_prefix(&header(mode), 1, &[]);
            stored.resize(8192, 0);
            EntryObject::parse(&stored, Suite::Default).expect("an entry")
        };
        let wrong = Err(FormatError::Mismatch { field: "mode" });
        assert!(object(Mode::Clear).body(&clear).is_ok());
        assert_eq!(object(Mode::Clear).body(&sealed), wrong);
        assert!(object(Mode::Symmetric).body(&sealed).is_ok());
        assert_eq!(object(Mode::Symmetric).body(&clear), wrong);
    }

    #[test]
    fn kinds_keep_their_numbers() {
        for byte in 0..=255 {
            assert_eq!(EntryKind::from_byte(byte).byte(), byte);
        }
        assert!(EntryKind::from_byte(127).blocks_collection());
        assert!(!EntryKind::from_byte(128).blocks_collection());
        assert!(!EntryKind::Merge.blocks_collection());
    }

    #[test]
    fn entries_over_their_limit_are_refused() {
        let stored = vec![0; limits::ENTRY_STORED + 1];
        let refused = EntryObject::parse(&stored, Suite::Default);
        assert!(matches!(refused, Err(FormatError::Limit { .. })));
        let refused = Body::parse(&stored[..limits::ENTRY_BODY + 1]);
        assert!(matches!(refused, Err(FormatError::Limit { .. })));
    }
}
