//! Locks that outlive a panic elsewhere, and the same work on many things.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::watch::Watch;

/// Locks, also if another thread panicked while it held the lock: that thread ends its job, and this one must not hang.
pub(crate) fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Calls `work` with every item, in order, from several threads. The first error ends it; so does a request to stop, and
/// then there is no answer.
pub(crate) fn for_each_on<T: Sync, E: Send>(
    threads: usize,
    items: &[T],
    watch: &Watch<'_>,
    work: impl Fn(&T) -> Result<(), E> + Sync,
) -> Result<Option<()>, E> {
    let next = AtomicUsize::new(0);
    let failed = AtomicBool::new(false);
    let error = Mutex::new(None);
    std::thread::scope(|scope| {
        for _ in 0..threads.min(items.len()) {
            scope.spawn(|| {
                while !watch.stopped() && !failed.load(Relaxed) {
                    let Some(item) = items.get(next.fetch_add(1, Relaxed)) else { return };
                    if let Err(this) = work(item) {
                        lock(&error).get_or_insert(this);
                        failed.store(true, Relaxed);
                    }
                }
            });
        }
    });
    let error = lock(&error).take();
    match error {
        Some(error) => Err(error),
        None => Ok((!watch.stopped()).then_some(())),
    }
}
