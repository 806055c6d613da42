//! Nodes above leaves.

use super::path::{check_path, check_step, put_path, read_path, shared_len};
use super::{NODE_HEAD, NodeKind, check_count, put_head, read_head};
use crate::error::FormatError;
use crate::ids::ChunkId;
use crate::limits;
use crate::read::{at_most, put_varint};

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

fn varint_len(value: u64) -> usize {
    (64 - (value | 1).leading_zeros() as usize).div_ceil(7)
}

/// Bytes of the shortest item of a manifest node.
const MIN_ITEM: usize = 36;
