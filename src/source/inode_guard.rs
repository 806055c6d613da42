//! One reader at a time for an inode that SQLite may be capturing.
//!
//! POSIX locks belong to the process: closing *any* descriptor of a database drops the locks that SQLite holds on it,
//! and the capture would be torn. A file with one name has one worker; a file with several names may be read under
//! one of them while it is captured under another. So captures and readers of files with several links take this.

use std::collections::HashSet;
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Holds an inode until it is dropped.
#[derive(Debug)]
pub(crate) struct InodeGuard(Inode);

/// Device and inode number.
pub(crate) type Inode = (u64, u64);

impl InodeGuard {
    /// Waits until nobody in this process holds the inode, at most `wait`.
    pub(crate) fn acquire(inode: Inode, wait: Duration) -> Option<Self> {
        let end = Instant::now() + wait;
        let mut held = HELD.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            let known = held.get_or_insert_default();
            if known.insert(inode) {
                return Some(Self(inode));
            }
            let left = end.checked_duration_since(Instant::now())?;
            held = FREED.wait_timeout(held, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

impl Drop for InodeGuard {
    fn drop(&mut self) {
        let mut held = HELD.lock().unwrap_or_else(PoisonError::into_inner);
        held.get_or_insert_default().remove(&self.0);
        FREED.notify_all();
    }
}

static HELD: Mutex<Option<HashSet<Inode>>> = Mutex::new(None);
static FREED: Condvar = Condvar::new();

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_waits_for_the_first() {
        let inode = (u64::MAX, 1);
        let first = InodeGuard::acquire(inode, Duration::ZERO).expect("free");
        assert!(InodeGuard::acquire(inode, Duration::from_millis(5)).is_none());
        assert!(InodeGuard::acquire((u64::MAX, 2), Duration::ZERO).is_some());
        let second = std::thread::spawn(move || InodeGuard::acquire(inode, Duration::from_secs(20)).is_some());
        drop(first);
        assert!(second.join().expect("no panic"));
    }
}
