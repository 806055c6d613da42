//! What the program is for, on the hardest files there are.
mod canaries;
mod devices;
pub(crate) mod look;
pub(crate) mod machine;
mod machines;
mod push_only;
mod recovery;
mod restores;
mod rich;
mod sources;
mod sponsor;
mod sqlite;
mod suites;
mod vaults;
