//! Snapshots of local app state in an encrypted, deduplicated vault, on storage that is never trusted.
pub mod keys;
mod trouble;
pub mod watch;

pub use trouble::Trouble;
