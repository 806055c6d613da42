//! The same work on many things at once: on all cores, or on more threads than there are cores when they wait for a store.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::thread;

use crate::sync::lock;
use crate::watch::Watch;

/// Calls `work` with every item, in order, from up to `threads` threads, and gives the results in the order of the items.
/// The first error ends it.
pub(crate) fn map<T: Sync, R: Send, E: Send>(
    items: &[T],
    threads: usize,
    work: impl Fn(&T) -> Result<R, E> + Sync,
) -> Result<Vec<R>, E> {
    if items.len() < 2 || threads < 2 {
        return items.iter().map(work).collect();
    }
    let next = AtomicUsize::new(0);
    let failed = AtomicBool::new(false);
    let done = Mutex::new((Vec::with_capacity(items.len()), None));
    let run = || {
        while !failed.load(Relaxed) {
            let at = next.fetch_add(1, Relaxed);
            let Some(item) = items.get(at) else { return };
            match work(item) {
                Ok(result) => lock(&done).0.push((at, result)),
                Err(error) => {
                    lock(&done).1.get_or_insert(error);
                    failed.store(true, Relaxed);
                }
            }
        }
    };
    thread::scope(|scope| {
        for _ in 1..threads.min(items.len()) {
            scope.spawn(run);
        }
        run();
    });
    let (mut results, error) = done.into_inner().unwrap_or_else(|poisoned| poisoned.into_inner());
    if let Some(error) = error {
        return Err(error);
    }
    results.sort_unstable_by_key(|(at, _)| *at);
    Ok(results.into_iter().map(|(_, result)| result).collect())
}

/// Calls `work` with every item as [`map`] does. A request to stop ends it too, and then there is no answer.
pub(crate) fn for_each_on<T: Sync, E: Send>(
    threads: usize,
    items: &[T],
    watch: &Watch<'_>,
    work: impl Fn(&T) -> Result<(), E> + Sync,
) -> Result<Option<()>, E> {
    let done = map(items, threads, |item| match watch.stopped() {
        true => Err(None),
        false => work(item).map_err(Some),
    });
    match done {
        Err(Some(error)) => Err(error),
        Err(None) => Ok(None),
        Ok(_) => Ok((!watch.stopped()).then_some(())),
    }
}

/// Two things at once: two questions to a store that do not depend on each other.
pub(crate) fn both<A, B: Send>(a: impl FnOnce() -> A, b: impl FnOnce() -> B + Send) -> (A, B) {
    thread::scope(|scope| {
        let other = scope.spawn(b);
        let this = a();
        match other.join() {
            Ok(other) => (this, other),
            Err(panic) => std::panic::resume_unwind(panic),
        }
    })
}

/// Requests for small objects that are under way at the same time. The store may hold some of them back.
pub(crate) const REQUESTS: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_come_in_order_and_the_first_error_ends_it() {
        let items: Vec<usize> = (0..500).collect();
        let doubled = map(&items, 8, |item| Ok::<_, ()>(item * 2)).expect("nothing fails");
        assert!(doubled.iter().enumerate().all(|(at, two)| *two == at * 2) && doubled.len() == 500);
        let calls = AtomicUsize::new(0);
        let failed = map(&items, 4, |item| {
            calls.fetch_add(1, Relaxed);
            if *item == 7 { Err(*item) } else { Ok(()) }
        });
        assert_eq!(failed, Err(7));
        assert!(calls.load(Relaxed) < 500);
        assert_eq!(map(&[1], 8, |item| Ok::<_, ()>(item + 1)), Ok(vec![2]));
        assert_eq!(map(&[0u8; 0], 8, |_| Err::<(), _>(())), Ok(vec![]));
    }

    #[test]
    fn both_run() {
        assert_eq!(both(|| 1, || "2"), (1, "2"));
    }
}
