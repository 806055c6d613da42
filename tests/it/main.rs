//! The one integration binary: the real program on real files.
mod attack;
mod cli;
mod crash;
mod flow;
mod generated;
mod pairing;
mod release;
mod runner;
mod stores_local;
mod terminal;
mod two_programs;
