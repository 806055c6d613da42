//! Buffers that are used again: a push holds a few large ones and no more, however much it pushes.

use std::sync::Mutex;

use crate::sync::lock;

/// Buffers that are free again.
#[derive(Default)]
pub(super) struct Spare(Mutex<Vec<Vec<u8>>>);

impl Spare {
    pub(super) fn take(&self) -> Vec<u8> {
        lock(&self.0).pop().unwrap_or_default()
    }

    pub(super) fn give(&self, buffer: Vec<u8>) {
        let mut spare = lock(&self.0);
        if spare.len() < SPARE_BUFFERS {
            spare.push(buffer);
        }
    }
}

/// More than these go back to the system.
const SPARE_BUFFERS: usize = 4;
