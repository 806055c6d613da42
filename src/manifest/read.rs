//! Walks a manifest from its root, leaf by leaf, checking order, parents and sums.

use std::cmp::Ordering;

use thiserror::Error;
use vault_format::manifest::{Leaf, NodeItem, parse_leaf, parse_node};
use vault_format::pack::ChunkType;
use vault_format::{ChunkId, FormatError, Kind, limits, path_cmp};

use super::ChunkSource;
use super::tree::entry_bytes;

/// What a signed entry says about a manifest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TreeRoot {
    /// Id of the root: a leaf if `level` is 0, else a node.
    pub id: ChunkId,
    /// Level of the root.
    pub level: u8,
    /// Number of entries below.
    pub entries: u64,
    /// Sum of the sizes of the files below.
    pub bytes: u64,
}

/// Why a tree cannot be walked further.
#[derive(Debug, Error)]
pub enum TreeError {
    /// A chunk is missing or damaged.
    #[error("{0}")]
    Chunk(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// A node is not as the format wants it.
    #[error("a node of the tree is malformed")]
    Format(#[from] FormatError),
    /// A node contradicts its parent or the snapshot.
    #[error("{0} does not fit what was promised above it")]
    Invalid(&'static str),
}

impl TreeError {
    pub(super) fn chunk<E: std::error::Error + Send + Sync + 'static>(error: E) -> Self {
        Self::Chunk(Box::new(error))
    }
}

/// Which part of a tree to walk.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Part {
    /// All of it.
    #[default]
    All,
    /// The entry at this path, and everything below it.
    Below(Vec<u8>),
}

impl Part {
    /// Whether the entry at `path` belongs to the part.
    pub fn contains(&self, path: &[u8]) -> bool {
        match self {
            Self::All => true,
            Self::Below(top) => is_within(top, path),
        }
    }

    /// Whether a child that covers the paths after `before`, up to `last`, can hold something of the part.
    fn meets(&self, before: Option<&[u8]>, last: &[u8]) -> bool {
        match self {
            Self::All => true,
            Self::Below(top) => {
                path_cmp(last, top) != Ordering::Less
                    && before.is_none_or(|path| path_cmp(path, top) == Ordering::Less || is_within(top, path))
            }
        }
    }
}

/// Walks the leaves of a manifest in order.
pub struct LeafWalk<'a, C: ChunkSource> {
    chunks: &'a C,
    part: Part,
    stack: Vec<(u8, std::vec::IntoIter<NodeItem>)>,
    root: Option<TreeRoot>,
    /// Last path of everything before the next child, walked or skipped.
    before: Option<Vec<u8>>,
    /// The folders that lead to the entry seen last.
    folders: Vec<Vec<u8>>,
}

impl<'a, C: ChunkSource> LeafWalk<'a, C> {
    /// Begins at `root`, whose numbers come from a signed entry.
    pub fn new(chunks: &'a C, root: TreeRoot, part: Part) -> Self {
        Self { chunks, part, stack: Vec::new(), root: Some(root), before: None, folders: Vec::new() }
    }

    fn step(&mut self) -> Option<Result<Leaf, TreeError>> {
        if let Some(root) = self.root.take() {
            if root.level > limits::TREE_LEVEL {
                return Some(Err(TreeError::Invalid("the level of a manifest")));
            }
            // The root's last path is not promised by anybody.
            match self.descend(root.level, &root.id, root.entries, root.bytes, None) {
                Ok(Some(leaf)) => return Some(Ok(leaf)),
                Ok(None) => {}
                Err(error) => return Some(Err(error)),
            }
        }
        loop {
            let (level, items) = self.stack.last_mut()?;
            let level = *level;
            let Some(item) = items.next() else {
                self.stack.pop();
                continue;
            };
            if self.before.as_deref().is_some_and(|before| path_cmp(before, &item.last_path) != Ordering::Less) {
                return Some(Err(TreeError::Invalid("the order of a manifest node")));
            }
            if !self.part.meets(self.before.as_deref(), &item.last_path) {
                self.before = Some(item.last_path);
                continue;
            }
            match self.descend(level - 1, &item.id, item.entries, item.bytes, Some(&item.last_path)) {
                Ok(Some(leaf)) => return Some(Ok(leaf)),
                Ok(None) => {}
                Err(error) => return Some(Err(error)),
            }
        }
    }

    /// Opens one child: gives it if it is a leaf, puts it on the stack if not.
    fn descend(
        &mut self,
        level: u8,
        id: &ChunkId,
        entries: u64,
        bytes: u64,
        last: Option<&[u8]>,
    ) -> Result<Option<Leaf>, TreeError> {
        if level > 0 {
            let plain = self.chunks.get(id, ChunkType::Node).map_err(TreeError::chunk)?;
            let items = parse_node(&plain, level)?;
            let sum = |of: fn(&NodeItem) -> u64| items.iter().try_fold(0u64, |sum, item| sum.checked_add(of(item)));
            if sum(|i| i.entries) != Some(entries) || sum(|i| i.bytes) != Some(bytes) {
                return Err(TreeError::Invalid("the sum of a manifest node"));
            }
            if last.is_some_and(|last| items.last().is_none_or(|item| item.last_path != last)) {
                return Err(TreeError::Invalid("the last path of a manifest node"));
            }
            self.stack.push((level, items.into_iter()));
            return Ok(None);
        }
        let plain = self.chunks.get(id, ChunkType::Leaf).map_err(TreeError::chunk)?;
        let leaf = parse_leaf(&plain)?;
        let sum = leaf.entries.iter().try_fold(0u64, |sum, entry| sum.checked_add(entry_bytes(entry)));
        if leaf.entries.len() as u64 != entries || sum != Some(bytes) {
            return Err(TreeError::Invalid("the sum of a manifest leaf"));
        }
        if last.is_some_and(|last| leaf.entries.last().is_none_or(|entry| entry.path != last)) {
            return Err(TreeError::Invalid("the last path of a manifest leaf"));
        }
        self.check_paths(&leaf)?;
        self.before = leaf.entries.last().map(|entry| entry.path.clone());
        Ok(Some(leaf))
    }

    /// Order against what came before, and that every entry's parent is a folder.
    fn check_paths(&mut self, leaf: &Leaf) -> Result<(), TreeError> {
        let whole = self.part == Part::All;
        if let (Some(before), Some(first)) = (&self.before, leaf.entries.first())
            && path_cmp(before, &first.path) != Ordering::Less
        {
            return Err(TreeError::Invalid("the order of a manifest"));
        }
        for entry in &leaf.entries {
            if entry.path.is_empty() {
                self.folders.clear();
            } else if whole {
                let parent = parent_of(&entry.path);
                while self.folders.last().is_some_and(|folder| folder != parent) {
                    self.folders.pop();
                }
                if self.folders.is_empty() {
                    return Err(TreeError::Invalid("an entry without a folder above it"));
                }
            }
            if whole && entry.kind == Kind::Dir {
                self.folders.push(entry.path.clone());
            }
        }
        Ok(())
    }
}

impl<C: ChunkSource> Iterator for LeafWalk<'_, C> {
    type Item = Result<Leaf, TreeError>;

    fn next(&mut self) -> Option<Self::Item> {
        let step = self.step();
        if matches!(step, Some(Err(_))) {
            self.stack.clear();
        }
        step
    }
}

/// Whether `path` is `top` or lies below it.
pub fn is_within(top: &[u8], path: &[u8]) -> bool {
    top.is_empty() || path.strip_prefix(top).is_some_and(|rest| rest.is_empty() || rest[0] == b'/')
}

/// The path of the folder that holds `path`; empty for the entries of the root.
pub fn parent_of(path: &[u8]) -> &[u8] {
    path.iter().rposition(|&byte| byte == b'/').map_or(&[], |at| &path[..at])
}
