//! Builds the manifest of one source: leaves of entries, and nodes above them.

use std::cmp::Ordering;

use crypto_backends::Provider;
use vault_format::manifest::{LeafEncoder, NodeItem, Owner, encode_node, node_item_len};
use vault_format::pack::ChunkType;
use vault_format::{ChunkId, Entry, FormatError, Kind, limits, path_cmp};

use super::{CutKeys, NodeSink, TreeRoot, cuts, parent_of};

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
    /// The folders that lead to the entry added last.
    folders: Vec<Vec<u8>>,
    levels: Vec<Level>,
    entries: u64,
    bytes: u64,
}

/// The open node of one level above the leaves.
#[derive(Default)]
struct Level {
    /// The node ends here, if anything follows: an only item is the root itself.
    ends: bool,
    items: Vec<NodeItem>,
    /// Bytes of the items as they will be encoded.
    len: usize,
    /// Nodes of this level that are finished.
    finished: u64,
}

impl<'a, S: NodeSink> ManifestBuilder<'a, S> {
    /// An empty manifest.
    pub fn new(provider: &'static Provider, cut_keys: &'a CutKeys, owners: &'a OwnerNames<'a>, sink: &'a S) -> Self {
        Self {
            provider,
            cut_keys,
            owners,
            sink,
            leaf: LeafEncoder::new(),
            leaf_bytes: 0,
            last_path: Vec::new(),
            folders: Vec::new(),
            levels: Vec::new(),
            entries: 0,
            bytes: 0,
        }
    }

    /// Adds the next entry. Entries come in strict path order. An entry that the format cannot hold is left out, and the
    /// reason given.
    pub fn push(&mut self, entry: &Entry) -> Result<Option<FormatError>, S::Error> {
        // A folder that was left out takes along what is below it: readers refuse an entry without its parent, and with it
        // the rest of the manifest.
        let depth = match self.depth(&entry.path) {
            Ok(depth) => depth,
            Err(refused) => return Ok(Some(refused)),
        };
        if let Err(refused) = self.leaf.push(entry) {
            return Ok(Some(refused));
        }
        self.folders.truncate(depth);
        if entry.kind == Kind::Dir {
            self.folders.push(entry.path.clone());
        }
        self.entries += 1;
        self.bytes += entry_bytes(entry);
        self.leaf_bytes += entry_bytes(entry);
        self.last_path.clear();
        self.last_path.extend_from_slice(&entry.path);
        let hash = self.provider.keyed_hash.keyed_hash(self.cut_keys.at(0), &[&entry.path]);
        if cuts(&hash, LEAF_CUT_BITS) || self.leaf.is_full() {
            self.end_leaf()?;
        }
        Ok(None)
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
                return Ok(Some(TreeRoot {
                    id: item.id,
                    level: level as u8,
                    entries: self.entries,
                    bytes: self.bytes,
                }));
            }
            if !open.items.is_empty() {
                self.end_node(level)?;
            }
            level += 1;
        }
    }

    /// How many folders lead to `path`; an error if its own is not in the manifest, or if it is not after what came before.
    fn depth(&self, path: &[u8]) -> Result<usize, FormatError> {
        if self.entries == 0 {
            return if path.is_empty() {
                Ok(0)
            } else {
                Err(FormatError::Invalid { what: "entry without its folder" })
            };
        }
        if path_cmp(&self.last_path, path) != Ordering::Less {
            return Err(FormatError::Invalid { what: "order of paths" });
        }
        let parent = parent_of(path);
        let found = self.folders.iter().rposition(|folder| folder == parent);
        found.map(|at| at + 1).ok_or(FormatError::Invalid { what: "entry without its folder" })
    }

    fn end_leaf(&mut self) -> Result<(), S::Error> {
        let count = self.leaf.count() as u64;
        let plain = self.leaf.finish(self.owners);
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
            self.levels.push(Level::default());
        }
        if self.levels[below].ends {
            self.end_node(below)?;
        }
        let level = &mut self.levels[below];
        let hash = self.provider.keyed_hash.keyed_hash(self.cut_keys.at(below + 1), &[&item.last_path]);
        level.len += node_item_len(level.items.last().map(|before| &before.last_path[..]), &item);
        level.items.push(item);
        level.ends =
            cuts(&hash, NODE_CUT_BITS) || level.items.len() >= limits::NODE_ITEMS || level.len >= limits::NODE_TARGET;
        Ok(())
    }

    fn end_node(&mut self, below: usize) -> Result<(), S::Error> {
        let level = &mut self.levels[below];
        let items = std::mem::take(&mut level.items);
        level.len = 0;
        level.ends = false;
        level.finished += 1;
        let plain = encode_node(below as u8 + 1, &items)?;
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

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::sync::Mutex;

    use bytes::Bytes;
    use crypto_backends::{Key, rustcrypto::provider};
    use vault_format::{Capture, Content, Time};

    use super::*;
    use crate::manifest::{ChunkSource, LeafWalk, Part};
    use crate::sync::lock;

    #[derive(Default)]
    struct Chunks(Mutex<HashMap<ChunkId, Bytes>>);

    impl NodeSink for Chunks {
        type Error = FormatError;

        fn put(&self, _: ChunkType, plain: &[u8]) -> Result<ChunkId, FormatError> {
            let id = ChunkId(provider().hash.hash(&[plain]));
            lock(&self.0).insert(id, Bytes::copy_from_slice(plain));
            Ok(id)
        }
    }

    impl ChunkSource for Chunks {
        type Error = std::io::Error;

        fn get(&self, id: &ChunkId, _: ChunkType) -> Result<Bytes, std::io::Error> {
            lock(&self.0).get(id).cloned().ok_or_else(|| std::io::ErrorKind::NotFound.into())
        }
    }

    fn entry(path: &str, kind: Kind) -> Entry {
        Entry {
            path: path.into(),
            kind,
            mode: 0o755,
            uid: 0,
            gid: 0,
            mtime: Time::default(),
            ctime: Time::default(),
            inode: 1,
            device: 1,
            links: 1,
            size: 0,
            content: Content::Empty,
            holes: Vec::new(),
            target: Vec::new(),
            rdev: 0,
            xattrs: Vec::new(),
            capture: Capture::Plain,
        }
    }

    #[test]
    fn a_folder_that_is_left_out_takes_along_what_is_below_it() {
        let chunks = Chunks::default();
        let keys = CutKeys::new(|_| Key::from_slice(&[7; 32]).expect("a key"));
        let names = |_| None;
        let mut manifest = ManifestBuilder::new(provider(), &keys, &names, &chunks);
        let mut bad = entry("a/bad", Kind::Dir);
        bad.mode = u32::MAX;
        let entries = [
            (entry("", Kind::Dir), true),
            (entry("a", Kind::Dir), true),
            (bad, false),
            (entry("a/bad/below", Kind::File), false),
            (entry("a/bad/folder", Kind::Dir), false),
            (entry("a/bad/folder/deep", Kind::File), false),
            (entry("a/good", Kind::File), true),
            (entry("a/good", Kind::File), false),
            (entry("b", Kind::File), true),
            (entry("b/file-above", Kind::File), false),
            (entry("a/before", Kind::File), false),
            (entry("c", Kind::File), true),
        ];
        for (entry, taken) in &entries {
            let refused = manifest.push(entry).expect("stored");
            assert_eq!(refused.is_none(), *taken, "{}", String::from_utf8_lossy(&entry.path));
        }
        let root = manifest.finish().expect("stored").expect("a root");
        let paths: Vec<_> = LeafWalk::new(&chunks, root, Part::All)
            .flat_map(|leaf| leaf.expect("readable to the end").entries)
            .map(|entry| String::from_utf8(entry.path).expect("text"))
            .collect();
        assert_eq!(paths, ["", "a", "a/good", "b", "c"]);
    }
}
