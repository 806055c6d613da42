//! Leaves: entries in path order, and the names of their owners.

use super::entry::{check_entry, put_entry, read_entry};
use super::owners::{OwnerNames, OwnerSet};
use super::path::{check_path, check_step, put_path, read_path};
use super::{NODE_HEAD, NodeKind, Owner, put_head, read_head};
use crate::entry::Entry;
use crate::error::FormatError;
use crate::limits;
use crate::read::at_most;

/// Writes one leaf after the other, and keeps its buffers between them.
#[derive(Default)]
pub struct LeafEncoder {
    entries: Vec<u8>,
    count: usize,
    last_path: Vec<u8>,
    users: OwnerSet,
    groups: OwnerSet,
}

impl LeafEncoder {
    /// An encoder without entries.
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends an entry. One that `parse_leaf` would refuse is refused here, and leaves the encoder as it was.
    pub fn push(&mut self, entry: &Entry) -> Result<(), FormatError> {
        at_most(self.count + 1, limits::LEAF_ENTRIES, "entries of a leaf")?;
        let shared = self.last_path.iter().zip(&entry.path).take_while(|(a, b)| a == b).count();
        if self.count > 0 {
            check_step(&self.last_path, shared, &entry.path[shared..])?;
        }
        check_path(&entry.path, shared)?;
        check_entry(entry)?;

        put_path(&mut self.entries, shared, &entry.path);
        put_entry(&mut self.entries, entry);
        self.count += 1;
        self.last_path.truncate(shared);
        self.last_path.extend_from_slice(&entry.path[shared..]);
        self.users.insert(entry.uid);
        self.groups.insert(entry.gid);
        Ok(())
    }

    /// Bytes of the entries so far: what SPEC section 9.2 compares with its 256 KiB.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is no entry yet. Such a leaf must not be finished: no reader accepts it.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Number of entries so far.
    pub fn count(&self) -> usize {
        self.count
    }

    /// Whether the leaf must end here, wherever its last path is.
    pub fn is_full(&self) -> bool {
        self.count >= limits::LEAF_ENTRIES || self.len() >= limits::NODE_TARGET
    }

    /// The leaf, with the names that `owners` knows for the ids in it. The encoder is empty afterwards.
    pub fn finish(&mut self, owners: &dyn Fn(Owner) -> Option<String>) -> Vec<u8> {
        let users = self.users.names(|id| owners(Owner::User(id)));
        let groups = self.groups.names(|id| owners(Owner::Group(id)));
        let mut out = Vec::with_capacity(NODE_HEAD + users.len() + groups.len() + self.entries.len());
        put_head(&mut out, NodeKind::Leaf, 0, self.count);
        out.extend_from_slice(&users);
        out.extend_from_slice(&groups);
        out.extend_from_slice(&self.entries);
        self.entries.clear();
        self.count = 0;
        self.last_path.clear();
        self.users.clear();
        self.groups.clear();
        out
    }
}

/// A leaf that was checked by itself. The walker checks what goes beyond one node: that the first path comes after
/// the last one of the leaf before, and that every entry's parent is a folder of the same manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leaf {
    /// Names of user ids, ascending.
    pub users: Vec<(u32, Vec<u8>)>,
    /// Names of group ids, ascending.
    pub groups: Vec<(u32, Vec<u8>)>,
    /// Strictly ascending by path; at least one.
    pub entries: Vec<Entry>,
}

/// Reads a leaf.
pub fn parse_leaf(bytes: &[u8]) -> Result<Leaf, FormatError> {
    let (mut reader, count) = read_head(bytes, NodeKind::Leaf, 0, limits::LEAF_ENTRIES)?;
    let mut users = OwnerNames::read(&mut reader, count)?;
    let mut groups = OwnerNames::read(&mut reader, count)?;
    reader.room(count, MIN_ENTRY, "entry")?;
    let mut entries: Vec<Entry> = Vec::with_capacity(count);
    for _ in 0..count {
        let path = read_path(&mut reader, entries.last().map(|entry| &entry.path[..]))?;
        let entry = read_entry(&mut reader, path)?;
        users.mark(entry.uid);
        groups.mark(entry.gid);
        entries.push(entry);
    }
    reader.end("leaf")?;
    Ok(Leaf { users: users.all_used()?, groups: groups.all_used()?, entries })
}

/// Bytes of the shortest entry: bounds what is allocated for a count.
const MIN_ENTRY: usize = 22;
