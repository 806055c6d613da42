//! Snapshots of local app state.
