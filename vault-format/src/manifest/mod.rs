//! Manifests: leaves of entries and the nodes above (SPEC sections 9.1 to 9.4).
mod entry;
mod head;
mod leaf;
mod node;
mod owners;
mod path;
#[cfg(test)]
mod tests;

pub use entry::fixed_depth;
pub use head::{NODE_HEAD, NodeKind};
pub(crate) use head::{check_count, put_head, read_head};
pub use leaf::{Leaf, LeafEncoder, parse_leaf};
pub use node::{NodeItem, encode_node, node_item_len, parse_node};
pub use owners::Owner;
