//! What a push saved.

use crate::cbor::{Reader, Writer};
use crate::error::FormatError;
use crate::fields::{identity, label, not_empty, not_zero, required};
use crate::ids::{ChunkId, Domain, Identity, Scope};
use crate::limits;

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

impl Snapshot {
    pub(super) fn write(&self, w: &mut Writer) {
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

    pub(super) fn read(r: &mut Reader) -> Result<Self, FormatError> {
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
    pub(super) fn fields(&mut self) -> [&mut u64; 9] {
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
