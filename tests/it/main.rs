//! The one integration binary: the real program on real files.
mod cli;
mod generated;
mod runner;
