//! Snapshots of local app state in an encrypted, deduplicated vault, on storage that is never trusted.
pub mod index;
pub mod keys;
pub mod manifest;
pub mod roster;
pub mod source;
pub mod stage;
pub mod state;
pub mod store;
mod sync;
pub mod target;
mod trouble;
pub mod watch;

pub use trouble::Trouble;
