//! A limit on bytes per second that many requests share.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// A token bucket that holds an eighth of a second.
#[derive(Debug)]
pub(super) struct Limit {
    rate: u64,
    /// When everything that was taken so far is paid for.
    paid: Mutex<Instant>,
}

impl Limit {
    /// `rate` is in bytes per second.
    pub(super) fn new(rate: u64) -> Self {
        Self { rate: rate.max(1), paid: Mutex::new(before(Instant::now())) }
    }

    /// Takes `bytes`, and tells how long to wait before they may be moved.
    pub(super) fn take(&self, bytes: usize) -> Duration {
        let cost = Duration::from_secs_f64(bytes as f64 / self.rate as f64);
        let now = Instant::now();
        let mut paid = self.paid.lock().unwrap_or_else(PoisonError::into_inner);
        *paid = (*paid).max(before(now)) + cost;
        paid.saturating_duration_since(now)
    }

    /// Bytes to move at a time, so that the flow is even.
    pub(super) fn piece(&self) -> usize {
        (self.rate / 16).clamp(1 << 10, super::body::PIECE as u64) as usize
    }
}

/// The moment from which on nothing was moved if the bucket is full now.
fn before(now: Instant) -> Instant {
    now.checked_sub(BURST).unwrap_or(now)
}

const BURST: Duration = Duration::from_millis(125);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_taken_beyond_the_burst_is_waited_for() {
        let limit = Limit::new(1 << 20);
        assert_eq!(limit.take(1 << 16), Duration::ZERO, "within the burst");
        let wait = limit.take(1 << 20).as_secs_f64();
        assert!((0.9..1.1).contains(&wait), "{wait}");
        let wait = limit.take(1 << 20).as_secs_f64();
        assert!((1.8..2.1).contains(&wait), "{wait}: all requests share it");
        assert_eq!([Limit::new(0).piece(), Limit::new(160_000).piece()], [1 << 10, 10_000]);
    }
}
