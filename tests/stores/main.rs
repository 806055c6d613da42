//! The program and its library on real servers, and on a network that misbehaves.
mod servers;
mod suite;
