//! Lists: the chunks of one file as a tree by position (SPEC section 9.5).

use std::sync::Arc;

use crypto_backends::Provider;
use vault_format::list::{ListNode, encode_list, parse_list};
use vault_format::pack::ChunkType;
use vault_format::{ChunkId, Chunking, limits};

use super::read::TreeError;
use super::{ChunkSource, CutKeys, NodeSink, cuts};

/// Where a list begins: what `Content::List` of an entry says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ListRoot {
    /// 0: `root` is the only chunk. d > 0: a list node of level d - 1.
    pub depth: u8,
    /// Id of the chunk or node.
    pub root: ChunkId,
}

/// Builds the list of content-defined chunks.
pub struct ContentList {
    provider: &'static Provider,
    cut_keys: Arc<CutKeys>,
    levels: Vec<ContentLevel>,
}

struct ContentLevel {
    /// The node ends here, if anything follows: an only item is the root itself.
    ends: bool,
    items: Vec<(ChunkId, u64)>,
    finished: u64,
}

impl ContentList {
    /// An empty list.
    pub fn new(provider: &'static Provider, cut_keys: Arc<CutKeys>) -> Self {
        Self { provider, cut_keys, levels: Vec::new() }
    }

    /// Adds the next chunk of the file.
    pub fn push<S: NodeSink>(&mut self, id: ChunkId, len: u64, sink: &S) -> Result<(), S::Error> {
        self.add(0, (id, len), sink)
    }

    /// Finishes the open nodes; None if the file has no chunk.
    pub fn finish<S: NodeSink>(mut self, sink: &S) -> Result<Option<ListRoot>, S::Error> {
        let mut level = 0;
        while level < self.levels.len() {
            let open = &self.levels[level];
            if open.finished == 0 && open.items.len() == 1 {
                return Ok(Some(ListRoot { depth: level as u8, root: open.items[0].0 }));
            }
            if !open.items.is_empty() {
                self.end(level, sink)?;
            }
            level += 1;
        }
        Ok(None)
    }

    fn add<S: NodeSink>(&mut self, level: usize, item: (ChunkId, u64), sink: &S) -> Result<(), S::Error> {
        if self.levels.len() == level {
            self.levels.push(ContentLevel { ends: false, items: Vec::new(), finished: 0 });
        }
        if self.levels[level].ends {
            self.end(level, sink)?;
        }
        let open = &mut self.levels[level];
        let hash = self.provider.keyed_hash.keyed_hash(self.cut_keys.at(level), &[&item.0.0]);
        open.items.push(item);
        open.ends = cuts(&hash, CUT_BITS) || open.items.len() >= limits::CONTENT_LIST_ITEMS;
        Ok(())
    }

    fn end<S: NodeSink>(&mut self, level: usize, sink: &S) -> Result<(), S::Error> {
        let open = &mut self.levels[level];
        open.finished += 1;
        open.ends = false;
        let items = std::mem::take(&mut open.items);
        let bytes = items.iter().map(|(_, len)| len).sum();
        let id = sink.put(ChunkType::List, &encode_list(level as u8, &ListNode::Content(items))?)?;
        self.add(level + 1, (id, bytes), sink)
    }
}

/// Builds the list of chunks of one fixed size: 16 items a node, at every level.
#[derive(Default)]
pub struct FixedList {
    levels: Vec<(Vec<ChunkId>, u64)>,
}

impl FixedList {
    /// Adds the next chunk.
    pub fn push<S: NodeSink>(&mut self, id: ChunkId, sink: &S) -> Result<(), S::Error> {
        self.add(0, id, sink)
    }

    /// Finishes the open nodes; None if the file has no chunk.
    pub fn finish<S: NodeSink>(mut self, sink: &S) -> Result<Option<ListRoot>, S::Error> {
        let mut level = 0;
        while level < self.levels.len() {
            let (items, finished) = &self.levels[level];
            if *finished == 0 && items.len() == 1 {
                return Ok(Some(ListRoot { depth: level as u8, root: items[0] }));
            }
            if !items.is_empty() {
                self.end(level, sink)?;
            }
            level += 1;
        }
        Ok(None)
    }

    fn add<S: NodeSink>(&mut self, level: usize, id: ChunkId, sink: &S) -> Result<(), S::Error> {
        if self.levels.len() == level {
            self.levels.push((Vec::new(), 0));
        }
        self.levels[level].0.push(id);
        if self.levels[level].0.len() >= limits::FIXED_LIST_ITEMS {
            self.end(level, sink)?;
        }
        Ok(())
    }

    fn end<S: NodeSink>(&mut self, level: usize, sink: &S) -> Result<(), S::Error> {
        let (items, finished) = &mut self.levels[level];
        *finished += 1;
        let items = std::mem::take(items);
        let id = sink.put(ChunkType::List, &encode_list(level as u8, &ListNode::Fixed(items))?)?;
        self.add(level + 1, id, sink)
    }
}

/// Walks the chunks of a list in order: yields (offset in the content, id, length).
///
/// `size` is the content's length, without holes. Lengths must add up to it exactly.
pub fn walk_list<'a, C: ChunkSource>(
    chunks: &'a C,
    chunking: Chunking,
    root: ListRoot,
    size: u64,
) -> Result<ListWalk<'a, C>, TreeError> {
    if root.depth > limits::TREE_LEVEL || (size == 0) {
        return Err(TreeError::Invalid("the depth or size of a list"));
    }
    if let Chunking::Fixed(chunk) = chunking
        && (chunk == 0 || chunk as usize > limits::FILE_CHUNK)
    {
        return Err(TreeError::Invalid("the chunk size of a list"));
    }
    Ok(ListWalk {
        chunks,
        chunking,
        size,
        offset: 0,
        stack: vec![Frame { level: root.depth, items: vec![(root.root, Some(size))], next: 0 }],
    })
}

/// An iterator over the chunks of one file.
pub struct ListWalk<'a, C: ChunkSource> {
    chunks: &'a C,
    chunking: Chunking,
    size: u64,
    offset: u64,
    stack: Vec<Frame>,
}

/// Items still to visit. `level` 0: they are chunks of the file; k > 0: list nodes of level k - 1.
struct Frame {
    level: u8,
    /// With the length that the parent promised, where lists carry lengths.
    items: Vec<(ChunkId, Option<u64>)>,
    next: usize,
}

impl<C: ChunkSource> Iterator for ListWalk<'_, C> {
    type Item = Result<(u64, ChunkId, u32), TreeError>;

    fn next(&mut self) -> Option<Self::Item> {
        let step = self.step();
        if matches!(step, Some(Err(_))) {
            self.stack.clear();
            self.offset = self.size;
        }
        step
    }
}

impl<C: ChunkSource> ListWalk<'_, C> {
    fn step(&mut self) -> Option<Result<(u64, ChunkId, u32), TreeError>> {
        loop {
            let Some(frame) = self.stack.last_mut() else {
                // Too short: the promise of the entry is not kept.
                return (self.offset < self.size).then(|| Err(TreeError::Invalid("the length of a list")));
            };
            let Some(&(id, promised)) = frame.items.get(frame.next) else {
                self.stack.pop();
                continue;
            };
            frame.next += 1;
            let level = frame.level;
            if level == 0 {
                return Some(self.chunk(id, promised));
            }
            match self.children(&id, level - 1, promised) {
                Ok(items) => self.stack.push(Frame { level: level - 1, items, next: 0 }),
                Err(error) => return Some(Err(error)),
            }
        }
    }

    fn chunk(&mut self, id: ChunkId, promised: Option<u64>) -> Result<(u64, ChunkId, u32), TreeError> {
        let left = self.size - self.offset;
        let len = match self.chunking {
            Chunking::Fixed(chunk) => u64::from(chunk).min(left),
            Chunking::ContentDefined => promised.unwrap_or(0),
        };
        if len == 0 || len > left || len > limits::FILE_CHUNK as u64 {
            return Err(TreeError::Invalid("the length of a chunk in a list"));
        }
        let offset = self.offset;
        self.offset += len;
        Ok((offset, id, len as u32))
    }

    fn children(
        &self,
        id: &ChunkId,
        level: u8,
        promised: Option<u64>,
    ) -> Result<Vec<(ChunkId, Option<u64>)>, TreeError> {
        let plain = self.chunks.get(id, ChunkType::List).map_err(TreeError::chunk)?;
        match (parse_list(&plain, level)?, self.chunking) {
            (ListNode::Fixed(ids), Chunking::Fixed(_)) => Ok(ids.into_iter().map(|id| (id, None)).collect()),
            (ListNode::Content(items), Chunking::ContentDefined) => {
                let sum = items.iter().try_fold(0u64, |sum, (_, len)| sum.checked_add(*len));
                if promised.is_some() && sum != promised {
                    return Err(TreeError::Invalid("the sum of a list node"));
                }
                Ok(items.into_iter().map(|(id, len)| (id, Some(len))).collect())
            }
            _ => Err(TreeError::Invalid("the kind of a list node")),
        }
    }
}

/// SPEC 9.2: one chunk in 16 ends its list node.
const CUT_BITS: u32 = 4;

#[cfg(test)]
mod tests {
    use super::*;
    use crypto_backends::{Key, rustcrypto};
    use vault_format::FormatError;

    struct Count(std::cell::Cell<usize>);

    impl NodeSink for Count {
        type Error = FormatError;
        fn put(&self, _: ChunkType, plain: &[u8]) -> Result<ChunkId, FormatError> {
            self.0.set(self.0.get() + 1);
            Ok(ChunkId(rustcrypto::provider().hash.hash(&[plain])))
        }
    }

    #[test]
    fn an_only_chunk_is_the_root_wherever_nodes_end() {
        let keys = Arc::new(CutKeys::new(|level| Key::new([level; 32])));
        for n in 0..200u8 {
            let sink = Count(std::cell::Cell::new(0));
            let mut list = ContentList::new(rustcrypto::provider(), Arc::clone(&keys));
            let id = ChunkId([n; 32]);
            list.push(id, 10, &sink).expect("counts");
            assert_eq!(list.finish(&sink), Ok(Some(ListRoot { depth: 0, root: id })));
            assert_eq!(sink.0.get(), 0, "no node");
        }
        // Some of these end a node after the first of two, and the root has two children all the same.
        for n in 0..200u8 {
            let sink = Count(std::cell::Cell::new(0));
            let mut list = ContentList::new(rustcrypto::provider(), Arc::clone(&keys));
            list.push(ChunkId([n; 32]), 10, &sink).expect("counts");
            list.push(ChunkId([n ^ 255; 32]), 10, &sink).expect("counts");
            let root = list.finish(&sink).expect("counts").expect("a root");
            assert!(root.depth >= 1);
            assert_eq!(sink.0.get(), 2 * usize::from(root.depth) - 1, "two nodes a level, one at the top");
        }
    }
}
