//! Nothing. See `Cargo.toml`.
