//! Snapshots of local app state in an encrypted, deduplicated vault, on storage that is never trusted.
pub mod manifest;
pub mod source;
pub mod stage;
pub mod store;
mod trouble;
pub mod watch;

pub use trouble::Trouble;
