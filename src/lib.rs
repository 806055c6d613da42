//! Snapshots of local app state.
pub mod target;
