//! The byte format of zvault vaults: bytes <-> types, as `SPEC.md` beside this crate says.
//!
//! No I/O, no async, no cryptography, no clock and no randomness.
pub mod entry;
pub mod suite;

pub use entry::{Capture, Chunking, Content, Entry, Kind, Time, path_cmp};
pub use suite::Suite;
