//! Manifests: leaves of entries and the nodes above (SPEC sections 9.1 to 9.4).

use crate::entry::{Capture, Chunking, Content, Entry, Kind, Time, path_rank};
use crate::error::FormatError;
use crate::ids::ChunkId;
use crate::limits;
use crate::read::{Reader, at_most, put_lp, put_varint, put_zigzag};

/// Writes one leaf after the other, and keeps its buffers between them.
#[derive(Default)]
pub struct LeafEncoder {
    entries: Vec<u8>,
    count: usize,
    last_path: Vec<u8>,
    users: OwnerSet,
    groups: OwnerSet,
}

/// An id that a name may exist for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Owner {
    /// A user id.
    User(u32),
    /// A group id.
    Group(u32),
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

/// One child of a manifest node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeItem {
    /// The path of the last entry below the child.
    pub last_path: Vec<u8>,
    /// The child.
    pub id: ChunkId,
    /// Number of entries below it.
    pub entries: u64,
    /// Sum of the sizes of the entries below it.
    pub bytes: u64,
}

/// Writes a node of level 1 to 12; refuses what `parse_node` would refuse.
pub fn encode_node(level: u8, items: &[NodeItem]) -> Result<Vec<u8>, FormatError> {
    check_level(level)?;
    check_count(items.len(), limits::NODE_ITEMS)?;
    check_totals(items)?;
    let mut out = Vec::with_capacity(NODE_HEAD + items.iter().map(|item| item.last_path.len() + 50).sum::<usize>());
    put_head(&mut out, NodeKind::Manifest, level, items.len());
    let mut before: Option<&[u8]> = None;
    for item in items {
        let shared = shared_len(before, &item.last_path);
        if let Some(before) = before {
            check_step(before, shared, &item.last_path[shared..])?;
        }
        check_path(&item.last_path, shared)?;
        put_path(&mut out, shared, &item.last_path);
        out.extend_from_slice(&item.id.0);
        put_varint(&mut out, item.entries);
        put_varint(&mut out, item.bytes);
        before = Some(&item.last_path);
    }
    at_most(out.len(), limits::NODE, "node")?;
    Ok(out)
}

/// Bytes of an item after one with the path `before`: their sum is what SPEC section 9.2 compares with its 256 KiB.
pub fn node_item_len(before: Option<&[u8]>, item: &NodeItem) -> usize {
    let shared = shared_len(before, &item.last_path);
    let rest = item.last_path.len() - shared;
    varint_len(shared as u64)
        + varint_len(rest as u64)
        + rest
        + ChunkId::LEN
        + varint_len(item.entries)
        + varint_len(item.bytes)
}

/// Reads a node whose level its parent, or the snapshot, has stated.
pub fn parse_node(bytes: &[u8], expected_level: u8) -> Result<Vec<NodeItem>, FormatError> {
    check_level(expected_level)?;
    let (mut reader, count) = read_head(bytes, NodeKind::Manifest, expected_level, limits::NODE_ITEMS)?;
    reader.room(count, MIN_ITEM, "item")?;
    let mut items: Vec<NodeItem> = Vec::with_capacity(count);
    for _ in 0..count {
        items.push(NodeItem {
            last_path: read_path(&mut reader, items.last().map(|item| &item.last_path[..]))?,
            id: ChunkId(reader.array("item")?),
            entries: reader.varint("number of entries")?,
            bytes: reader.varint("number of bytes")?,
        });
    }
    reader.end("node")?;
    check_totals(&items)?;
    Ok(items)
}

/// The first byte of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum NodeKind {
    /// Entries of a manifest.
    Leaf = 1,
    /// Manifest nodes or leaves.
    Manifest = 2,
    /// Chunks of one size, or lists of them.
    FixedList = 3,
    /// Chunks with their lengths, or lists of them.
    ContentList = 4,
}

impl NodeKind {
    /// The kind of a node, if this version knows it.
    pub const fn from_byte(byte: u8) -> Option<Self> {
        Some(match byte {
            1 => Self::Leaf,
            2 => Self::Manifest,
            3 => Self::FixedList,
            4 => Self::ContentList,
            _ => return None,
        })
    }
}

pub(crate) fn put_head(out: &mut Vec<u8>, kind: NodeKind, level: u8, count: usize) {
    out.extend_from_slice(&[kind as u8, level]);
    out.extend_from_slice(&(count as u16).to_le_bytes());
}

/// `kind u8 | level u8 | count u16`; gives the reader of the rest, and the count.
pub(crate) fn read_head(
    bytes: &[u8],
    kind: NodeKind,
    level: u8,
    max_count: usize,
) -> Result<(Reader<'_>, usize), FormatError> {
    at_most(bytes.len(), limits::NODE, "node")?;
    let mut reader = Reader::new(bytes);
    let code = reader.u8("node")?;
    match NodeKind::from_byte(code) {
        None => {
            return Err(FormatError::NewerFormat { field: "node kind", value: u64::from(code) });
        }
        Some(found) if found != kind => return Err(FormatError::Mismatch { field: "node kind" }),
        Some(_) => {}
    }
    if reader.u8("node")? != level {
        return Err(FormatError::Mismatch { field: "node level" });
    }
    let count = usize::from(reader.u16("node")?);
    check_count(count, max_count)?;
    Ok((reader, count))
}

pub(crate) fn check_count(count: usize, limit: usize) -> Result<(), FormatError> {
    if count == 0 {
        return Err(FormatError::Invalid { what: "node without items" });
    }
    at_most(count, limit, "items of a node").map(drop)
}

fn check_level(level: u8) -> Result<(), FormatError> {
    if level == 0 {
        return Err(FormatError::Invalid { what: "level of a manifest node" });
    }
    at_most(usize::from(level), usize::from(limits::TREE_LEVEL), "level of a node").map(drop)
}

fn check_totals(items: &[NodeItem]) -> Result<(), FormatError> {
    let (mut entries, mut bytes) = (0u64, 0u64);
    for item in items {
        if item.entries == 0 {
            return Err(FormatError::Invalid { what: "number of entries" });
        }
        entries = entries.checked_add(item.entries).ok_or(FormatError::Invalid { what: "sum of entries" })?;
        bytes = bytes.checked_add(item.bytes).ok_or(FormatError::Invalid { what: "sum of bytes" })?;
    }
    Ok(())
}

// Paths: what is shared with the path before is left out, and always as much as there is.

fn shared_len(before: Option<&[u8]>, path: &[u8]) -> usize {
    before.map_or(0, |before| before.iter().zip(path).take_while(|(a, b)| a == b).count())
}

fn put_path(out: &mut Vec<u8>, shared: usize, path: &[u8]) {
    put_varint(out, shared as u64);
    put_lp(out, &path[shared..]);
}

fn read_path(reader: &mut Reader<'_>, before: Option<&[u8]>) -> Result<Vec<u8>, FormatError> {
    let shared = reader.varint_to(limits::PATH as u64, "path")? as usize;
    let rest = reader.lp(limits::PATH, "path")?;
    match before {
        Some(before) => check_step(before, shared, rest)?,
        None if shared > 0 => {
            return Err(FormatError::Invalid { what: "shared part of a path" });
        }
        None => {}
    }
    let mut path = Vec::with_capacity(shared + rest.len());
    path.extend_from_slice(&before.unwrap_or_default()[..shared]);
    path.extend_from_slice(rest);
    check_path(&path, shared)?;
    Ok(path)
}

/// The order of two paths of one node, and that `shared` is all they have in common: only the first differing byte counts.
fn check_step(before: &[u8], shared: usize, rest: &[u8]) -> Result<(), FormatError> {
    if shared > before.len() {
        return Err(FormatError::Invalid { what: "shared part of a path" });
    }
    match (before.get(shared), rest.first()) {
        (None, Some(_)) => Ok(()), // longer
        (Some(old), Some(new)) if old == new => Err(FormatError::NotCanonical { what: "shared part of a path" }),
        (Some(old), Some(new)) if path_rank(*old) < path_rank(*new) => Ok(()),
        _ => Err(FormatError::Order { what: "paths" }),
    }
}

/// Checks the components of a path, the first `checked` bytes of which belong to a path that was checked before.
fn check_path(path: &[u8], checked: usize) -> Result<(), FormatError> {
    at_most(path.len(), limits::PATH, "path")?;
    if path.is_empty() {
        return Ok(()); // the root
    }
    let from = path[..checked].iter().rposition(|byte| *byte == b'/').map_or(0, |slash| slash + 1);
    for component in path[from..].split(|byte| *byte == b'/') {
        if matches!(component, b"" | b"." | b"..") || component.contains(&0) {
            return Err(FormatError::Invalid { what: "component of a path" });
        }
        at_most(component.len(), limits::COMPONENT, "component of a path")?;
    }
    if path.len() >= 2 * limits::DEPTH {
        at_most(path.iter().filter(|byte| **byte == b'/').count() + 1, limits::DEPTH, "depth of a path")?;
    }
    Ok(())
}

// Entries, without their paths.

fn put_entry(out: &mut Vec<u8>, entry: &Entry) {
    out.push(entry.kind as u8 | capture_code(&entry.capture) << 4);
    put_varint(out, u64::from(entry.mode));
    put_varint(out, u64::from(entry.uid));
    put_varint(out, u64::from(entry.gid));
    put_time(out, entry.mtime);
    put_time(out, entry.ctime);
    put_varint(out, entry.inode);
    put_varint(out, entry.device);
    put_varint(out, u64::from(entry.links));
    put_varint(out, entry.size);
    put_content(out, &entry.content);
    put_options(out, entry);
}

fn read_entry(reader: &mut Reader<'_>, path: Vec<u8>) -> Result<Entry, FormatError> {
    let code = reader.u8("kind")?;
    let kind = Kind::from_byte(code & 15)
        .ok_or(FormatError::NewerFormat { field: "entry kind", value: u64::from(code & 15) })?;
    let capture = match code >> 4 {
        0 => Capture::Plain,
        1 => Capture::Changed,
        2 => Capture::Sqlite { page_size: 0, wal: None }, // filled in by the options
        3 => Capture::SqliteFallback,
        other => {
            return Err(FormatError::NewerFormat { field: "capture", value: u64::from(other) });
        }
    };
    let mut entry = Entry {
        path,
        kind,
        mode: reader.varint_u32("mode")?,
        uid: reader.varint_u32("uid")?,
        gid: reader.varint_u32("gid")?,
        mtime: read_time(reader)?,
        ctime: read_time(reader)?,
        inode: reader.varint("inode")?,
        device: reader.varint("device")?,
        links: reader.varint_u32("links")?,
        size: reader.varint("size")?,
        content: read_content(reader)?,
        holes: Vec::new(),
        target: Vec::new(),
        rdev: 0,
        xattrs: Vec::new(),
        capture,
    };
    read_options(reader, &mut entry)?;
    check_entry(&entry)?;
    Ok(entry)
}

fn put_time(out: &mut Vec<u8>, time: Time) {
    put_zigzag(out, time.secs);
    out.extend_from_slice(&time.nanos.to_le_bytes());
}

fn read_time(reader: &mut Reader<'_>) -> Result<Time, FormatError> {
    Ok(Time { secs: reader.zigzag("time")?, nanos: reader.u32("time")? })
}

fn capture_code(capture: &Capture) -> u8 {
    match capture {
        Capture::Plain => 0,
        Capture::Changed => 1,
        Capture::Sqlite { .. } => 2,
        Capture::SqliteFallback => 3,
    }
}

fn put_content(out: &mut Vec<u8>, content: &Content) {
    match content {
        Content::Empty => out.push(0),
        Content::Inline(bytes) => {
            out.push(1);
            put_lp(out, bytes);
        }
        Content::List { chunking, depth, root } => {
            match chunking {
                Chunking::ContentDefined => out.push(2),
                Chunking::Fixed(chunk_size) => {
                    out.push(3);
                    out.extend_from_slice(&chunk_size.to_le_bytes());
                }
            }
            out.push(*depth);
            out.extend_from_slice(root);
        }
    }
}

fn read_content(reader: &mut Reader<'_>) -> Result<Content, FormatError> {
    let chunking = match reader.u8("content")? {
        0 => return Ok(Content::Empty),
        1 => {
            return Ok(Content::Inline(reader.lp(limits::INLINE_BYTES, "inline content")?.to_vec()));
        }
        2 => Chunking::ContentDefined,
        3 => Chunking::Fixed(reader.u32("content")?),
        other => {
            return Err(FormatError::NewerFormat { field: "content", value: u64::from(other) });
        }
    };
    Ok(Content::List { chunking, depth: reader.u8("content")?, root: reader.array("content")? })
}

fn put_options(out: &mut Vec<u8>, entry: &Entry) {
    out.push(options(entry));
    if !entry.holes.is_empty() {
        put_varint(out, entry.holes.len() as u64);
        let mut end = 0;
        for &(offset, len) in &entry.holes {
            put_varint(out, offset - end);
            put_varint(out, len);
            end = offset + len;
        }
    }
    if !entry.xattrs.is_empty() {
        put_varint(out, entry.xattrs.len() as u64);
        for (name, value) in &entry.xattrs {
            put_lp(out, name);
            put_lp(out, value);
        }
    }
    if let Capture::Sqlite { page_size, wal } = entry.capture {
        out.extend_from_slice(&page_size.to_le_bytes());
        out.push(u8::from(wal.is_some()));
        if let Some((size, time)) = wal {
            put_varint(out, size);
            put_time(out, time);
        }
    }
    if entry.kind == Kind::Symlink {
        put_lp(out, &entry.target);
    }
    if entry.kind.is_device() {
        put_varint(out, entry.rdev);
    }
}

fn read_options(reader: &mut Reader<'_>, entry: &mut Entry) -> Result<(), FormatError> {
    let found = reader.u8("options")?;
    if found & !OPTIONS != 0 {
        return Err(FormatError::NewerFormat { field: "options", value: u64::from(found) });
    }
    if found & HAS_HOLES != 0 {
        entry.holes = read_holes(reader)?;
    }
    if found & HAS_XATTRS != 0 {
        entry.xattrs = read_xattrs(reader)?;
    }
    // An option without its reason, or without content, would be a second way to write the same entry.
    if found != options(entry) {
        return Err(FormatError::Invalid { what: "options" });
    }
    if let Capture::Sqlite { page_size, wal } = &mut entry.capture {
        *page_size = reader.u32("page size")?;
        *wal = match reader.u8("has_wal")? {
            0 => None,
            1 => Some((reader.varint("size of the WAL")?, read_time(reader)?)),
            other => {
                return Err(FormatError::NewerFormat { field: "has_wal", value: u64::from(other) });
            }
        };
    }
    if entry.kind == Kind::Symlink {
        entry.target = reader.lp(limits::TARGET, "target")?.to_vec();
    }
    if entry.kind.is_device() {
        entry.rdev = reader.varint("rdev")?;
    }
    Ok(())
}

fn options(entry: &Entry) -> u8 {
    let flag = |on: bool, bit: u8| if on { bit } else { 0 };
    flag(!entry.holes.is_empty(), HAS_HOLES)
        | flag(!entry.xattrs.is_empty(), HAS_XATTRS)
        | flag(matches!(entry.capture, Capture::Sqlite { .. }), HAS_SQLITE)
        | flag(entry.kind == Kind::Symlink, HAS_TARGET)
        | flag(entry.kind.is_device(), HAS_RDEV)
}

fn read_holes(reader: &mut Reader<'_>) -> Result<Vec<(u64, u64)>, FormatError> {
    const OVERFLOW: FormatError = FormatError::Invalid { what: "holes" };
    let count = reader.varint_to(limits::HOLES as u64, "holes")? as usize;
    reader.room(count, 2, "holes")?;
    let mut holes = Vec::with_capacity(count);
    let mut end = 0u64;
    for _ in 0..count {
        let offset = end.checked_add(reader.varint("holes")?).ok_or(OVERFLOW)?;
        let len = reader.varint("holes")?;
        end = offset.checked_add(len).ok_or(OVERFLOW)?;
        holes.push((offset, len));
    }
    Ok(holes)
}

fn read_xattrs(reader: &mut Reader<'_>) -> Result<Vec<Xattr>, FormatError> {
    let count = reader.varint_to(limits::XATTRS as u64, "extended attributes")? as usize;
    reader.room(count, 3, "extended attributes")?;
    let mut xattrs = Vec::with_capacity(count);
    let mut left = limits::XATTR_VALUES;
    for _ in 0..count {
        let name = reader.lp(limits::XATTR_NAME, "name of an extended attribute")?;
        let value = reader.lp(limits::XATTR_VALUE, "value of an extended attribute")?;
        left = left
            .checked_sub(value.len())
            .ok_or(FormatError::Limit { what: "values of extended attributes", limit: limits::XATTR_VALUES as u64 })?;
        xattrs.push((name.to_vec(), value.to_vec()));
    }
    Ok(xattrs)
}

/// Name and value.
type Xattr = (Vec<u8>, Vec<u8>);

/// Everything that an entry alone can be checked for, its path aside. One place for reader and writer.
fn check_entry(entry: &Entry) -> Result<(), FormatError> {
    let invalid = |what| Err(FormatError::Invalid { what });
    if entry.mode > MODE_BITS {
        return invalid("mode");
    }
    if entry.mtime.nanos >= NANOS || entry.ctime.nanos >= NANOS {
        return invalid("nanoseconds");
    }
    if entry.kind == Kind::File {
        check_content(entry)?;
    } else if entry.size > 0
        || entry.content != Content::Empty
        || !entry.holes.is_empty()
        || entry.capture != Capture::Plain
    {
        return invalid("content of something that is not a file");
    }
    if entry.kind == Kind::Symlink {
        at_most(entry.target.len(), limits::TARGET, "target")?;
    }
    if (entry.kind == Kind::Symlink) == entry.target.is_empty() || entry.target.contains(&0) {
        return invalid("target");
    }
    if entry.rdev != 0 && !entry.kind.is_device() {
        return invalid("rdev");
    }
    if !entry.xattrs.is_empty() {
        check_xattrs(&entry.xattrs)?;
    }
    if let Capture::Sqlite { page_size, wal } = entry.capture {
        // https://www.sqlite.org/fileformat2.html section 1.3.2
        if !page_size.is_power_of_two() || !(512..=65_536).contains(&page_size) {
            return invalid("page size");
        }
        if wal.is_some_and(|(_, time)| time.nanos >= NANOS) {
            return invalid("nanoseconds");
        }
    }
    Ok(())
}

fn check_content(entry: &Entry) -> Result<(), FormatError> {
    let invalid = |what| Err(FormatError::Invalid { what });
    at_most(entry.holes.len(), limits::HOLES, "holes")?;
    let (mut end, mut stored) = (0, entry.size);
    for (at, &(offset, len)) in entry.holes.iter().enumerate() {
        let touches = at > 0 && offset == end;
        let ends = offset.checked_add(len).filter(|ends| *ends <= entry.size);
        let Some(ends) = ends.filter(|_| offset >= end && !touches && len > 0) else {
            return invalid("holes");
        };
        (end, stored) = (ends, stored - len);
    }
    let inline = limits::INLINE_BYTES as u64;
    match &entry.content {
        Content::Empty if stored == 0 => Ok(()),
        Content::Inline(bytes) if stored > 0 && stored <= inline && bytes.len() as u64 == stored => Ok(()),
        Content::List { chunking, depth, .. } if stored > inline => check_depth(*chunking, *depth, stored),
        _ => invalid("form of the content for its length"),
    }
}

fn check_depth(chunking: Chunking, depth: u8, stored: u64) -> Result<(), FormatError> {
    at_most(usize::from(depth), usize::from(limits::TREE_LEVEL) + 1, "depth of a list")?;
    let fits = match chunking {
        Chunking::ContentDefined => depth > 0 || stored <= limits::FILE_CHUNK as u64,
        Chunking::Fixed(chunk_size) => {
            if chunk_size == 0 {
                return Err(FormatError::Invalid { what: "chunk size" });
            }
            at_most(chunk_size as usize, limits::FILE_CHUNK, "chunk size")?;
            depth == fixed_depth(stored.div_ceil(u64::from(chunk_size)))
        }
    };
    if fits { Ok(()) } else { Err(FormatError::Invalid { what: "depth of a list" }) }
}

/// The depth of a list of so many fixed chunks: the smallest d with 16^d >= chunks.
pub fn fixed_depth(chunks: u64) -> u8 {
    let (mut depth, mut left) = (0, chunks);
    while left > 1 {
        left = left.div_ceil(limits::FIXED_LIST_ITEMS as u64);
        depth += 1;
    }
    depth
}

fn check_xattrs(xattrs: &[Xattr]) -> Result<(), FormatError> {
    at_most(xattrs.len(), limits::XATTRS, "extended attributes")?;
    for (name, value) in xattrs {
        if name.is_empty() || name.contains(&0) {
            return Err(FormatError::Invalid { what: "name of an extended attribute" });
        }
        at_most(name.len(), limits::XATTR_NAME, "name of an extended attribute")?;
        at_most(value.len(), limits::XATTR_VALUE, "value of an extended attribute")?;
    }
    at_most(xattrs.iter().map(|(_, value)| value.len()).sum(), limits::XATTR_VALUES, "values of extended attributes")?;
    if !xattrs.is_sorted_by(|(a, _), (b, _)| a < b) {
        return Err(FormatError::Order { what: "extended attributes" });
    }
    Ok(())
}

// Owners: a node has few, and neighbours mostly share one, so the id of the entry before is looked at first.

#[derive(Default)]
struct OwnerSet {
    ids: Vec<u32>,
    last: Option<u32>,
}

impl OwnerSet {
    fn insert(&mut self, id: u32) {
        if self.last != Some(id) {
            self.last = Some(id);
            if let Err(at) = self.ids.binary_search(&id) {
                self.ids.insert(at, id);
            }
        }
    }

    /// `count varint | (id varint | lp(name))...`; names that a reader would refuse, or that go past the limit, are left out.
    fn names(&self, name: impl Fn(u32) -> Option<String>) -> Vec<u8> {
        let (mut count, mut names) = (0, Vec::new());
        for &id in &self.ids {
            let name = name(id).filter(|name| !name.is_empty() && name.len() <= limits::OWNER_NAME);
            let before = names.len();
            if let Some(name) = name {
                put_varint(&mut names, u64::from(id));
                put_lp(&mut names, name.as_bytes());
                count += 1;
            }
            if names.len() > limits::OWNERS {
                names.truncate(before);
                count -= 1;
                break;
            }
        }
        let mut out = Vec::with_capacity(names.len() + 2);
        put_varint(&mut out, count);
        out.extend_from_slice(&names);
        out
    }

    fn clear(&mut self) {
        self.ids.clear();
        self.last = None;
    }
}

struct OwnerNames {
    names: Vec<(u32, Vec<u8>)>,
    used: Vec<bool>,
    last: Option<u32>,
}

impl OwnerNames {
    fn read(reader: &mut Reader<'_>, entries: usize) -> Result<Self, FormatError> {
        const WHAT: &str = "owner names";
        let count = reader.varint_to(entries as u64, WHAT)? as usize;
        reader.room(count, 3, WHAT)?;
        let left = reader.left();
        let mut names: Vec<(u32, Vec<u8>)> = Vec::with_capacity(count);
        for _ in 0..count {
            let id = reader.varint_u32("owner")?;
            let name = reader.lp(limits::OWNER_NAME, "owner name")?;
            at_most(left - reader.left(), limits::OWNERS, WHAT)?;
            if name.is_empty() {
                return Err(FormatError::Invalid { what: "owner name" });
            }
            if names.last().is_some_and(|(before, _)| *before >= id) {
                return Err(FormatError::Order { what: "owners" });
            }
            names.push((id, name.to_vec()));
        }
        Ok(Self { names, used: vec![false; count], last: None })
    }

    fn mark(&mut self, id: u32) {
        if self.last != Some(id) {
            self.last = Some(id);
            if let Ok(at) = self.names.binary_search_by_key(&id, |(id, _)| *id) {
                self.used[at] = true;
            }
        }
    }

    fn all_used(self) -> Result<Vec<(u32, Vec<u8>)>, FormatError> {
        if self.used.iter().all(|used| *used) {
            Ok(self.names)
        } else {
            Err(FormatError::Invalid { what: "owner that no entry has" })
        }
    }
}

fn varint_len(value: u64) -> usize {
    (64 - (value | 1).leading_zeros() as usize).div_ceil(7)
}

/// Bytes of a node before its items.
pub const NODE_HEAD: usize = 4;
/// `st_mode & 0o7777`
const MODE_BITS: u32 = 0o7777;
const NANOS: u32 = 1_000_000_000;
/// Bytes of the shortest entry: bounds what is allocated for a count.
const MIN_ENTRY: usize = 22;
/// Bytes of the shortest item of a manifest node.
const MIN_ITEM: usize = 36;

const HAS_HOLES: u8 = 1;
const HAS_XATTRS: u8 = 2;
const HAS_SQLITE: u8 = 4;
const HAS_TARGET: u8 = 8;
const HAS_RDEV: u8 = 16;
const OPTIONS: u8 = HAS_HOLES | HAS_XATTRS | HAS_SQLITE | HAS_TARGET | HAS_RDEV;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entry::path_cmp;
    use proptest::collection::{btree_set, vec};
    use proptest::prelude::*;

    fn times() -> impl Strategy<Value = Time> {
        (any::<i64>(), 0..NANOS).prop_map(|(secs, nanos)| Time { secs, nanos })
    }

    /// Content that fits its length, the holes, and the size.
    fn contents() -> impl Strategy<Value = (Content, Vec<(u64, u64)>, u64)> {
        let list = (any::<[u8; 32]>(), 257..1u64 << 40, prop_oneof![Just(0), 1..=524_288u32], 1..=13u8).prop_map(
            |(root, stored, chunk_size, depth)| {
                let (chunking, depth) = match chunk_size {
                    0 => (Chunking::ContentDefined, depth),
                    size => (Chunking::Fixed(size), fixed_depth(stored.div_ceil(u64::from(size)))),
                };
                (Content::List { chunking, depth, root }, stored)
            },
        );
        let content = prop_oneof![
            Just((Content::Empty, 0)),
            vec(any::<u8>(), 1..=256).prop_map(|bytes| (Content::Inline(bytes.clone()), bytes.len() as u64)),
            list,
        ];
        (content, vec((1..1u64 << 30, 1..1u64 << 30), 0..4), any::<bool>()).prop_map(
            |((content, stored), gaps, at_start)| {
                let (mut holes, mut end, mut data) = (Vec::new(), 0, 0);
                for (at, (gap, len)) in gaps.into_iter().enumerate() {
                    let gap = if at == 0 && at_start { 0 } else { gap.min(stored - data) };
                    if gap == 0 && at > 0 {
                        break; // no content left to part two holes
                    }
                    holes.push((end + gap, len));
                    data += gap;
                    end += gap + len;
                }
                let size = stored + holes.iter().map(|(_, len)| len).sum::<u64>();
                (content, holes, size)
            },
        )
    }

    fn entries() -> impl Strategy<Value = Entry> {
        let numbers = (0..=MODE_BITS, 0..4u32, any::<u32>(), any::<u64>(), any::<u64>(), any::<u32>(), any::<u64>());
        let bytes = (vec(1..=255u8, 1..50), btree_set(vec(1..=255u8, 1..9), 0..3));
        let capture = (0..4, 9..=16u32, proptest::option::of((any::<u64>(), times())));
        (0..7u8, numbers, times(), times(), contents(), bytes, capture).prop_map(
            |(code, numbers, mtime, ctime, content, bytes, capture)| {
                let kind = Kind::from_byte(code).expect("a kind");
                let file = kind == Kind::File;
                let (content, holes, size) = if file { content } else { Default::default() };
                let (mode, uid, gid, inode, device, links, rdev) = numbers;
                Entry {
                    path: Vec::new(),
                    kind,
                    mode,
                    uid,
                    gid,
                    mtime,
                    ctime,
                    inode,
                    device,
                    links,
                    size,
                    content,
                    holes,
                    target: if kind == Kind::Symlink { bytes.0 } else { Vec::new() },
                    rdev: if kind.is_device() { rdev } else { 0 },
                    xattrs: bytes.1.into_iter().map(|name| (name, b"value".to_vec())).collect(),
                    capture: match capture.0 {
                        _ if !file => Capture::Plain,
                        0 => Capture::Plain,
                        1 => Capture::Changed,
                        2 => Capture::Sqlite { page_size: 1 << capture.1, wal: capture.2 },
                        _ => Capture::SqliteFallback,
                    },
                }
            },
        )
    }

    fn paths(max: usize) -> impl Strategy<Value = Vec<Vec<u8>>> {
        btree_set("([ab!]{1,3}(/[ab!]{1,3}){0,4})?", 1..max).prop_map(|paths| {
            let mut paths: Vec<Vec<u8>> = paths.into_iter().map(String::into_bytes).collect();
            paths.sort_by(|a, b| path_cmp(a, b));
            paths
        })
    }

    fn owner(owner: Owner) -> Option<String> {
        match owner {
            Owner::User(id) => (id != 1).then(|| format!("user{id}")),
            Owner::Group(id) => (id % 2 == 0).then(|| format!("group{id}")),
        }
    }

    proptest! {
        #[test]
        fn leaves_round_trip(paths in paths(20), entries in vec(entries(), 20)) {
            let entries: Vec<Entry> = paths.into_iter().zip(entries).map(|(path, entry)| Entry { path, ..entry }).collect();
            let mut encoder = LeafEncoder::new();
            for entry in &entries {
                prop_assert_eq!(encoder.push(entry), Ok(()));
            }
            prop_assert_eq!(encoder.count(), entries.len());
            let entries_len = encoder.len();
            let bytes = encoder.finish(&owner);
            let leaf = parse_leaf(&bytes);
            prop_assert_eq!(leaf.as_ref().map(|leaf| &leaf.entries), Ok(&entries));
            let users: std::collections::BTreeSet<u32> = entries.iter().map(|entry| entry.uid).filter(|id| *id != 1).collect();
            let named = leaf.expect("checked").users;
            prop_assert_eq!(named, users.into_iter().map(|id| (id, format!("user{id}").into_bytes())).collect::<Vec<_>>());
            prop_assert!(encoder.is_empty());
            prop_assert_eq!(encoder.len(), 0);

            // The buffers are used again, without a trace of the first leaf.
            for entry in &entries {
                prop_assert_eq!(encoder.push(entry), Ok(()));
            }
            prop_assert_eq!(encoder.finish(&owner), bytes);
            prop_assert!(entries_len > 0);
        }

        /// The order of a node is that of `path_cmp`, whatever is shared.
        #[test]
        fn leaves_ascend(a in "([ab!]{1,2}(/[ab!]{1,2}){0,2})?", b in "([ab!]{1,2}(/[ab!]{1,2}){0,2})?") {
            let mut encoder = LeafEncoder::new();
            encoder.push(&folder(a.as_bytes())).expect("the first entry");
            let len = encoder.len();
            let second = encoder.push(&folder(b.as_bytes()));
            prop_assert_eq!(second.is_ok(), path_cmp(a.as_bytes(), b.as_bytes()).is_lt());
            prop_assert!(second.is_ok() || encoder.len() == len);
        }

        #[test]
        fn nodes_round_trip(paths in paths(20), numbers in vec((any::<[u8; 32]>(), 1..1u64 << 50, 0..1u64 << 50), 20), level in 1..=12u8) {
            let items: Vec<NodeItem> = paths
                .into_iter()
                .zip(numbers)
                .map(|(last_path, (id, entries, bytes))| NodeItem { last_path, id: ChunkId(id), entries, bytes })
                .collect();
            let bytes = encode_node(level, &items).expect("valid");
            let before = |at: usize| at.checked_sub(1).map(|at| &items[at].last_path[..]);
            let sum: usize = items.iter().enumerate().map(|(at, item)| node_item_len(before(at), item)).sum();
            prop_assert_eq!(bytes.len(), NODE_HEAD + sum);
            prop_assert_eq!(parse_node(&bytes, level), Ok(items));
        }

        /// What parses is written back to the same bytes: there is one way to write a leaf.
        #[test]
        fn leaves_have_one_form(entries in vec(entries(), 1..4), at: prop::sample::Index, byte: u8) {
            let mut encoder = LeafEncoder::new();
            for (number, entry) in entries.into_iter().enumerate() {
                encoder.push(&Entry { path: format!("p{number}").into_bytes(), ..entry }).expect("valid");
            }
            let mut bytes = encoder.finish(&owner);
            let at = at.index(bytes.len());
            bytes[at] = byte;
            if let Ok(leaf) = parse_leaf(&bytes) {
                for entry in &leaf.entries {
                    encoder.push(entry).expect("parsed");
                }
                let name = |names: &[(u32, Vec<u8>)], id| {
                    names.iter().find(|(named, _)| *named == id).map(|(_, name)| name.clone())
                };
                // Names that are not UTF-8 cannot come from the encoder.
                let utf8 = leaf.users.iter().chain(&leaf.groups).all(|(_, name)| std::str::from_utf8(name).is_ok());
                let again = encoder.finish(&|owner| String::from_utf8(match owner {
                    Owner::User(id) => name(&leaf.users, id)?,
                    Owner::Group(id) => name(&leaf.groups, id)?,
                }).ok());
                prop_assert!(!utf8 || again == bytes);
            }
        }

        #[test]
        fn any_bytes_are_safe(kind in 1..3u8, level in 0..2u8, count in 0..5u8, bytes in vec(any::<u8>(), 0..150)) {
            let bytes = [&[kind, level, count, 0][..], &bytes].concat();
            let _ = (parse_leaf(&bytes), parse_node(&bytes, level));
        }
    }

    #[test]
    fn fixed_depth_is_the_smallest_that_holds_all() {
        for (chunks, depth) in
            [(0, 0), (1, 0), (2, 1), (16, 1), (17, 2), (256, 2), (257, 3), (1 << 52, 13), ((1 << 52) + 1, 14)]
        {
            assert_eq!(fixed_depth(chunks), depth, "{chunks}");
        }
    }

    #[test]
    fn owner_names_stay_in_their_limit() {
        let mut encoder = LeafEncoder::new();
        for number in 0..1000u32 {
            encoder.push(&Entry { uid: number, ..folder(format!("{number:04}").as_bytes()) }).expect("valid");
        }
        let leaf = parse_leaf(&encoder.finish(&|_| Some("n".repeat(255)))).expect("within the limit");
        assert!(leaf.users.len() > 250 && leaf.users.len() < 257);
        assert_eq!((leaf.groups.len(), leaf.entries.len()), (1, 1000));

        encoder.push(&folder(b"")).expect("valid");
        let leaf = parse_leaf(&encoder.finish(&|_| Some("n".repeat(256)))).expect("left out");
        assert!(leaf.users.is_empty());
    }

    fn folder(path: &[u8]) -> Entry {
        Entry {
            path: path.to_vec(),
            kind: Kind::Dir,
            mode: 0o755,
            uid: 0,
            gid: 0,
            mtime: Time::default(),
            ctime: Time::default(),
            inode: 0,
            device: 0,
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
}
