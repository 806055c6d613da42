//! What the program is for, on the hardest files there are.
mod canaries;
mod devices;
pub(crate) mod look;
pub(crate) mod machine;
mod machines;
mod recovery;
mod restores;
mod rich;
mod sources;
mod sqlite;
