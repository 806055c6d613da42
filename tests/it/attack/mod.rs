//! A store that lies, and files that lie in wait.
mod histories;
mod objects;
mod targets;
mod vaults;

pub(crate) use objects::copy;
