//! Snapshots of local app state.

pub mod index;
pub mod store;
