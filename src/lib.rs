//! Snapshots of local app state.

pub mod keys;
pub mod roster;
pub mod stage;
pub mod state;
