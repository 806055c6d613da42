//! What a copy did.

use vault_format::name::PackName;
use vault_format::{ObjectName, VaultId};

/// What a copy did, or would have done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct MirrorReport {
    /// The vault.
    pub vault: Option<VaultId>,
    /// Roster records that were missing.
    pub records: Amount,
    /// Log entries that were missing.
    pub entries: Amount,
    /// Index deltas and shards that were missing.
    pub index: Amount,
    /// Tree packs that were missing.
    pub tree_packs: Amount,
    /// Data packs that were missing.
    pub data_packs: Amount,
    /// Objects of the target that were damaged and are whole again.
    pub healed: Amount,
    /// Objects of the target that a verified `final` names and the source no longer has.
    pub deleted: Amount,
    /// Objects that both had.
    pub present: u64,
    /// Objects that only the target has, and that stay.
    pub extra: u64,
    /// Log entries among these.
    pub extra_entries: u64,
    /// Entries that wait for one that is damaged or missing in the source: copied, they would be a log with a hole.
    pub held_back: u64,
    /// Bytes of the target that were read.
    pub bytes_read: u64,
    /// Objects of the source, or of the target, that are damaged and that the other one cannot heal.
    pub damaged: Vec<Damaged>,
    /// What counts for nothing and was not copied, one line each, the first hundred of them.
    pub ignored: Vec<String>,
    /// How many they are.
    pub ignored_count: u64,
}

/// A number of objects.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Amount {
    /// How many.
    pub objects: u64,
    /// Stored bytes.
    pub bytes: u64,
}

/// An object whose bytes are not those of its name, or that cannot be put right.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Damaged {
    /// The store, as errors call it.
    pub store: String,
    /// Its path in there.
    pub object: String,
    /// What is wrong.
    pub reason: String,
}

impl MirrorReport {
    /// Everything that was copied.
    pub fn copied(&self) -> Amount {
        let kinds = [self.records, self.entries, self.index, self.tree_packs, self.data_packs];
        kinds.into_iter().fold(Amount::default(), |sum, kind| Amount {
            objects: sum.objects + kind.objects,
            bytes: sum.bytes + kind.bytes,
        })
    }

    /// Whether the target now holds everything that the source shows, whole.
    pub fn complete(&self) -> bool {
        self.damaged.is_empty() && self.held_back == 0
    }

    /// What the target lacks of it, or has damaged: objects, and entries that wait for one of these.
    pub fn holes(&self) -> u64 {
        self.damaged.len() as u64 + self.held_back
    }

    pub(super) fn copied_one(&mut self, name: &ObjectName, bytes: u64) {
        let kind = match name {
            ObjectName::Roster { .. } | ObjectName::Mail { .. } => &mut self.records,
            ObjectName::Log { .. } => &mut self.entries,
            ObjectName::Delta { .. } | ObjectName::Shard { .. } | ObjectName::Checkpoint { .. } => &mut self.index,
            ObjectName::Pack(PackName { tree: true, .. }) => &mut self.tree_packs,
            ObjectName::Pack(PackName { tree: false, .. }) => &mut self.data_packs,
        };
        kind.add(bytes);
    }

    pub(super) fn ignore(&mut self, line: String) {
        self.ignored_count += 1;
        if self.ignored.len() < IGNORED_NAMED {
            self.ignored.push(line);
        }
    }
}

impl Amount {
    pub(super) fn add(&mut self, bytes: u64) {
        self.objects += 1;
        self.bytes += bytes;
    }
}

const IGNORED_NAMED: usize = 100;
