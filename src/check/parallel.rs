//! The same work on many objects, on all cores, until somebody stops it.

use std::thread;

use super::CheckError;
use crate::parallel::for_each_on;
use crate::watch::Watch;

/// Calls `work` with every item, in order, from several threads. The first error, or a request to stop, ends it.
pub(super) fn for_each<T: Sync>(
    items: &[T],
    watch: &Watch<'_>,
    work: impl Fn(&T) -> Result<(), CheckError> + Sync,
) -> Result<(), CheckError> {
    for_each_on(workers(), items, watch, work)?.ok_or(CheckError::Interrupted)
}

/// Threads: each holds one pack of up to 16 MiB.
pub(super) fn workers() -> usize {
    thread::available_parallelism().map_or(2, usize::from).clamp(2, MAX_WORKERS)
}

const MAX_WORKERS: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

    #[test]
    fn every_item_has_its_turn_unless_one_fails_or_somebody_stops() {
        let items: Vec<usize> = (0..500).collect();
        let sum = AtomicUsize::new(0);
        let add = |item: &usize| {
            sum.fetch_add(*item, Relaxed);
            Ok(())
        };
        for_each(&items, &Watch::new(), add).expect("nothing fails");
        assert_eq!(sum.load(Relaxed), 499 * 250);

        let fails = |item: &usize| if *item == 7 { Err(CheckError::Subset("7")) } else { Ok(()) };
        assert!(matches!(for_each(&items, &Watch::new(), fails), Err(CheckError::Subset("7"))));

        let watch = Watch::new();
        let stops = |_: &usize| {
            watch.stop();
            Ok(())
        };
        assert!(matches!(for_each(&items, &watch, stops), Err(CheckError::Interrupted)));
    }
}
