//! Several stores for one vault, all of them folders.
mod config;
mod follow;
mod mirrors;
mod reads;
mod status;
