//! Builds the manifest of one source: leaves of entries, and nodes above them.

use crypto_backends::Provider;
use vault_format::manifest::{LeafEncoder, NodeItem, Owner, encode_node};
use vault_format::pack::ChunkType;
use vault_format::{ChunkId, Entry, Kind, limits};

use super::{CutKeys, NodeSink, TreeRoot, cuts};

/// Looks up the name of an owner for a leaf's table.
pub type OwnerNames<'a> = dyn Fn(Owner) -> Option<String> + 'a;

/// Builds a manifest from entries in path order.
pub struct ManifestBuilder<'a, S: NodeSink> {
    provider: &'static Provider,
    cut_keys: &'a CutKeys,
    owners: &'a OwnerNames<'a>,
    sink: &'a S,
    leaf: LeafEncoder,
    leaf_bytes: u64,
    last_path: Vec<u8>,
    levels: Vec<Level>,
    entries: u64,
    bytes: u64,
}

/// The open node of one level above the leaves.
struct Level {
    items: Vec<NodeItem>,
    /// Nodes of this level that are finished.
    finished: u64,
}

impl<'a, S: NodeSink> ManifestBuilder<'a, S> {
    /// An empty manifest.
    pub fn new(
        provider: &'static Provider,
        cut_keys: &'a CutKeys,
        owners: &'a OwnerNames<'a>,
        sink: &'a S,
    ) -> Self {
        Self {
            provider,
            cut_keys,
            owners,
            sink,
            leaf: LeafEncoder::new(),
            leaf_bytes: 0,
            last_path: Vec::new(),
            levels: Vec::new(),
            entries: 0,
            bytes: 0,
        }
    }

    /// Adds the next entry. Entries come in strict path order.
    pub fn push(&mut self, entry: &Entry) -> Result<(), S::Error> {
        self.leaf.push(entry);
        self.entries += 1;
        self.bytes += entry_bytes(entry);
        self.leaf_bytes += entry_bytes(entry);
        self.last_path.clear();
        self.last_path.extend_from_slice(&entry.path);
        let hash = self.provider.keyed_hash.keyed_hash(self.cut_keys.at(0), &[&entry.path]);
        if cuts(&hash, LEAF_CUT_BITS)
            || self.leaf.count() >= limits::LEAF_ENTRIES
            || self.leaf.len() >= limits::NODE_TARGET
        {
            self.end_leaf()?;
        }
        Ok(())
    }

    /// Finishes all open nodes and gives the root; None if there was no entry.
    pub fn finish(mut self) -> Result<Option<TreeRoot>, S::Error> {
        if self.entries == 0 {
            return Ok(None);
        }
        if self.leaf.count() > 0 {
            self.end_leaf()?;
        }
        let mut level = 0;
        loop {
            let open = &mut self.levels[level];
            if open.finished == 0 && open.items.len() == 1 {
                let item = open.items.remove(0);
                return Ok(Some(TreeRoot { id: item.id, level: level as u8, entries: self.entries, bytes: self.bytes }));
            }
            if !open.items.is_empty() {
                self.end_node(level)?;
            }
            level += 1;
        }
    }

    fn end_leaf(&mut self) -> Result<(), S::Error> {
        let count = self.leaf.count() as u64;
        let leaf = std::mem::replace(&mut self.leaf, LeafEncoder::new());
        let plain = leaf.finish(self.owners);
        let id = self.sink.put(ChunkType::Leaf, &plain)?;
        let item = NodeItem {
            last_path: self.last_path.clone(),
            id,
            entries: count,
            bytes: std::mem::take(&mut self.leaf_bytes),
        };
        self.add(0, item)
    }

    /// Adds an item to the open node of the level above `below`.
    fn add(&mut self, below: usize, item: NodeItem) -> Result<(), S::Error> {
        if self.levels.len() == below {
            self.levels.push(Level { items: Vec::new(), finished: 0 });
        }
        let level = &mut self.levels[below];
        let hash = self.provider.keyed_hash.keyed_hash(self.cut_keys.at(below + 1), &[&item.last_path]);
        level.items.push(item);
        if cuts(&hash, NODE_CUT_BITS) || level.items.len() >= limits::NODE_ITEMS || node_is_long(below, &level.items) {
            self.end_node(below)?;
        }
        Ok(())
    }

    fn end_node(&mut self, below: usize) -> Result<(), S::Error> {
        let level = &mut self.levels[below];
        let items = std::mem::take(&mut level.items);
        level.finished += 1;
        let plain = encode_node(below as u8 + 1, &items);
        let id = self.sink.put(ChunkType::Node, &plain)?;
        let last_path = items.last().expect("a node that ends has items").last_path.clone();
        let item = NodeItem {
            last_path,
            id,
            entries: items.iter().map(|i| i.entries).sum(),
            bytes: items.iter().map(|i| i.bytes).sum(),
        };
        self.add(below + 1, item)
    }
}

/// What an entry adds to the byte sums of the tree: the size of files, nothing for the rest.
pub(super) fn entry_bytes(entry: &Entry) -> u64 {
    if entry.kind == Kind::File { entry.size } else { 0 }
}

/// The encoded node has reached the byte limit. Encoded only when it might have.
fn node_is_long(below: usize, items: &[NodeItem]) -> bool {
    let most: usize = items.iter().map(|item| item.last_path.len() + 64).sum();
    most >= limits::NODE_TARGET && encode_node(below as u8 + 1, items).len() >= limits::NODE_TARGET
}

/// SPEC 9.2: one entry in 256 ends its leaf, one item in 32 its node.
const LEAF_CUT_BITS: u32 = 8;
const NODE_CUT_BITS: u32 = 5;

/// Names the id of a root, for messages.
impl std::fmt::Display for TreeRoot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let id: &ChunkId = &self.id;
        write!(f, "{id} (level {})", self.level)
    }
}
