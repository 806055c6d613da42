//! Buffers that are used again: a push holds a few large ones and no more, however much it pushes and however slow the store is.

use std::sync::{Condvar, Mutex, PoisonError};

use crate::sync::lock;

/// Buffers that are free again.
pub(super) struct Spare {
    state: Mutex<State>,
    given: Condvar,
    /// Buffers in use at one time.
    limit: usize,
}

#[derive(Default)]
struct State {
    free: Vec<Vec<u8>>,
    in_use: usize,
    ended: bool,
}

impl Spare {
    /// With up to `limit` buffers in use at one time.
    pub(super) fn new(limit: usize) -> Self {
        Self { state: Mutex::default(), given: Condvar::new(), limit }
    }

    /// Waits while too many are in use.
    pub(super) fn take(&self) -> Vec<u8> {
        let wait = |state: &mut State| state.in_use >= self.limit && !state.ended;
        let state = lock(&self.state);
        let mut state = self.given.wait_while(state, wait).unwrap_or_else(PoisonError::into_inner);
        state.in_use += 1;
        state.free.pop().unwrap_or_default()
    }

    pub(super) fn give(&self, buffer: Vec<u8>) {
        let mut state = lock(&self.state);
        state.in_use = state.in_use.saturating_sub(1);
        if buffer.capacity() > 0 && state.free.len() < SPARE_BUFFERS {
            state.free.push(buffer);
        }
        drop(state);
        self.given.notify_one();
    }

    /// Nobody waits from here on: everything is about to end.
    pub(super) fn end(&self) {
        lock(&self.state).ended = true;
        self.given.notify_all();
    }
}

/// More than these go back to the system.
const SPARE_BUFFERS: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

    #[test]
    fn no_more_are_in_use_than_may_be_and_nobody_waits_at_the_end() {
        let spare = Spare::new(2);
        let (in_use, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
        std::thread::scope(|scope| {
            for _ in 0..6 {
                scope.spawn(|| {
                    for _ in 0..50 {
                        let mut buffer = spare.take();
                        most.fetch_max(in_use.fetch_add(1, SeqCst) + 1, SeqCst);
                        buffer.push(1);
                        std::thread::yield_now();
                        in_use.fetch_sub(1, SeqCst);
                        spare.give(buffer);
                    }
                });
            }
        });
        assert!(most.load(SeqCst) <= 2);
        let held = [spare.take(), spare.take()];
        std::thread::scope(|scope| {
            let waits = scope.spawn(|| spare.take());
            spare.end();
            waits.join().expect("it went on");
        });
        drop(held);
    }
}
