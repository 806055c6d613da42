//! One vault: who is in it.
pub mod rank;
