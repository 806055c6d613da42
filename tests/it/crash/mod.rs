//! Ends in the middle: killed, interrupted, out of room, two at once.
mod busy;
mod full;
mod kill;
