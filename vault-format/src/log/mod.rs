//! Log entries: the stored object and the body in it (SPEC sections 10.1 to 10.3).
mod body;
mod checkpoint;
mod collection;
mod entry;
mod heads;
mod index;
mod payload;
mod snapshot;
#[cfg(test)]
mod tests;

pub use body::Body;
pub use checkpoint::{Checkpoint, CheckpointPart};
pub use collection::{EntryName, Final, PartName};
pub(crate) use entry::check_chain;
pub use entry::{EntryContent, EntryObject, entry_prefix};
pub use heads::Heads;
pub use index::{DeltaPart, IndexName, IndexSet};
pub use payload::{Accepted, EntryKind, EntryRef, Payload};
pub use snapshot::{Outcome, Snapshot, SnapshotStats, SourceKind, SourceRecord};
