//! Lists: the chunks of one file, a tree by position (SPEC section 9.5).

use crate::error::FormatError;
use crate::ids::ChunkId;
use crate::limits;
use crate::manifest::{NODE_HEAD, NodeKind, check_count, put_head, read_head};
use crate::read::{Reader, at_most, put_varint};

/// A node of a list. Its children are chunks at level 0, list nodes above.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ListNode {
    /// Chunks of one size. At most 16 items, and 16 in all nodes of a level but the last.
    Fixed(Vec<ChunkId>),
    /// Chunks with their lengths: plain bytes of the chunk, or of all chunks below the child. At most 64 items.
    Content(Vec<(ChunkId, u64)>),
}

/// Writes a node of level 0 to 12; refuses what `parse_list` would refuse.
pub fn encode_list(level: u8, node: &ListNode) -> Result<Vec<u8>, FormatError> {
    check(level, node)?;
    let mut out = Vec::with_capacity(NODE_HEAD + limits::CONTENT_LIST_ITEMS * 40);
    match node {
        ListNode::Fixed(ids) => {
            put_head(&mut out, NodeKind::FixedList, level, ids.len());
            ids.iter().for_each(|id| out.extend_from_slice(&id.0));
        }
        ListNode::Content(items) => {
            put_head(&mut out, NodeKind::ContentList, level, items.len());
            for (id, len) in items {
                out.extend_from_slice(&id.0);
                put_varint(&mut out, *len);
            }
        }
    }
    Ok(out)
}

/// Reads a node whose level its parent, or the entry, has stated. Whether it is of the kind that the entry states, the caller checks.
pub fn parse_list(bytes: &[u8], expected_level: u8) -> Result<ListNode, FormatError> {
    let fixed = bytes.first() == Some(&(NodeKind::FixedList as u8));
    let (kind, limit) = if fixed {
        (NodeKind::FixedList, limits::FIXED_LIST_ITEMS)
    } else {
        (NodeKind::ContentList, limits::CONTENT_LIST_ITEMS)
    };
    let (mut reader, count) = read_head(bytes, kind, expected_level, limit)?;
    let id = |reader: &mut Reader<'_>| reader.array("item").map(ChunkId);
    let node = if fixed {
        ListNode::Fixed((0..count).map(|_| id(&mut reader)).collect::<Result<_, _>>()?)
    } else {
        let item = |_| Ok((id(&mut reader)?, reader.varint("length")?));
        ListNode::Content((0..count).map(item).collect::<Result<_, FormatError>>()?)
    };
    reader.end("list")?;
    check(expected_level, &node)?;
    Ok(node)
}

fn check(level: u8, node: &ListNode) -> Result<(), FormatError> {
    at_most(usize::from(level), usize::from(limits::TREE_LEVEL), "level of a node")?;
    match node {
        ListNode::Fixed(ids) => check_count(ids.len(), limits::FIXED_LIST_ITEMS),
        ListNode::Content(items) => {
            check_count(items.len(), limits::CONTENT_LIST_ITEMS)?;
            let mut sum = 0u64;
            for &(_, len) in items {
                if len == 0 {
                    return Err(FormatError::Invalid { what: "length of an item" });
                }
                if level == 0 && len > limits::FILE_CHUNK as u64 {
                    return Err(FormatError::Limit { what: "chunk", limit: limits::FILE_CHUNK as u64 });
                }
                sum = sum.checked_add(len).ok_or(FormatError::Invalid { what: "sum of lengths" })?;
            }
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::collection::vec;
    use proptest::prelude::*;

    fn nodes() -> impl Strategy<Value = ListNode> {
        prop_oneof![
            vec(any::<[u8; 32]>().prop_map(ChunkId), 1..=16).prop_map(ListNode::Fixed),
            vec((any::<[u8; 32]>().prop_map(ChunkId), 1..=524_288u64), 1..=64).prop_map(ListNode::Content),
        ]
    }

    proptest! {
        #[test]
        fn lists_round_trip(node in nodes(), level in 0..=12u8) {
            let bytes = encode_list(level, &node).expect("valid");
            prop_assert_eq!(parse_list(&bytes, level), Ok(node));
            prop_assert_eq!(parse_list(&bytes, level + 1), Err(FormatError::Mismatch { field: "node level" }));
        }

        #[test]
        fn any_bytes_are_safe(kind in 0..6u8, count in 0..5u8, bytes in vec(any::<u8>(), 0..150)) {
            let _ = parse_list(&[&[kind, 0, count, 0][..], &bytes].concat(), 0);
            let _ = parse_list(&bytes, 0);
        }
    }
}
