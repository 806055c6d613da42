//! The program and its library on real servers, and on a network that misbehaves.
mod contract;
mod damage;
mod flow;
mod kill;
#[allow(dead_code)]
#[path = "../it/flow/look.rs"]
mod look;
#[allow(dead_code)]
#[path = "../it/flow/machine.rs"]
mod machine;
mod matrix;
mod pairing;
mod place;
mod push_only;
mod refused;
#[allow(dead_code)]
#[path = "../it/runner.rs"]
mod runner;
mod servers;
mod several;
#[allow(dead_code)]
#[path = "../it/flow/sponsor.rs"]
mod sponsor;
mod suite;
mod vaults;
