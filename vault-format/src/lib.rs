//! The byte format of zvault vaults: bytes <-> types, as `SPEC.md` beside this crate says.
//!
//! No I/O, no async, no cryptography, no clock and no randomness.
pub mod blob;
pub mod cbor;
pub mod checkpoint;
pub mod entry;
pub mod error;
mod fields;
pub mod frame;
pub mod genesis;
pub mod header;
pub mod history;
pub mod ids;
pub mod index;
pub mod labels;
pub mod limits;
pub mod list;
pub mod log;
pub mod manifest;
pub mod name;
pub mod pack;
pub mod pairing;
mod read;
pub mod roster;
pub mod signed;
pub mod sizes;
pub mod suite;
pub mod ticket;

pub use entry::{Capture, Chunking, Content, Entry, Kind, Time, path_cmp};
pub use error::FormatError;
pub use frame::{Codec, Frame, Text};
pub use header::{Expected, Header, Mode, ObjectType};
pub use ids::{ChunkId, DeviceId, Domain, EpochId, Identity, ObjectHash, Scope, VaultId};
pub use labels::Purpose;
pub use name::{ObjectName, PackName};
pub use suite::Suite;
