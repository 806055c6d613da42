//! How many requests are under way at one time: as many as the store bears, found out as TCP does.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::{Semaphore, SemaphorePermit};

/// Additive growth while all is well, half as many when the store throttles or does not keep up.
pub(super) struct Gate {
    places: Semaphore,
    most: usize,
    state: Mutex<State>,
}

struct State {
    limit: f64,
    /// Places that are to be taken away when they come back.
    debt: usize,
    /// Until the first trouble, every success opens another place.
    was_throttled: bool,
    cut: Option<Instant>,
}

/// A place for one request. Dropping it gives it back, and says nothing about how it went.
pub(super) struct Place<'a> {
    gate: &'a Gate,
    permit: Option<SemaphorePermit<'a>>,
    started: Instant,
}

impl Gate {
    pub(super) fn new(most: usize) -> Self {
        let most = most.clamp(1, Semaphore::MAX_PERMITS);
        let limit = most.min(START);
        let state = State { limit: limit as f64, debt: 0, was_throttled: false, cut: None };
        Self { places: Semaphore::new(limit), most, state: Mutex::new(state) }
    }

    pub(super) async fn enter(&self) -> Place<'_> {
        let permit = self.places.acquire().await.expect("the semaphore of requests is never closed");
        Place { gate: self, permit: Some(permit), started: Instant::now() }
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, state: &mut State, limit: f64) {
        let (before, after) = (state.limit as usize, limit as usize);
        state.limit = limit;
        state.debt += before.saturating_sub(after);
        let grown = after.saturating_sub(before);
        let kept = grown.min(state.debt);
        state.debt -= kept;
        self.places.add_permits(grown - kept);
    }
}

impl Place<'_> {
    /// The request succeeded.
    pub(super) fn well(self) {
        let gate = self.gate;
        let mut state = gate.state();
        let step = if state.was_throttled { 1.0 / state.limit } else { 1.0 };
        let limit = (state.limit + step).min(gate.most as f64);
        gate.set(&mut state, limit);
    }

    /// The store throttled it, or did not keep up.
    pub(super) fn throttled(self) {
        let mut state = self.gate.state();
        // What was under way when the last cut was made says nothing new.
        if state.cut.is_some_and(|cut| self.started < cut || cut.elapsed() < CALM) {
            return;
        }
        (state.cut, state.was_throttled) = (Some(Instant::now()), true);
        let limit = (state.limit / 2.0).max(1.0);
        self.gate.set(&mut state, limit);
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let Some(permit) = self.permit.take() else { return };
        let mut state = self.gate.state();
        if state.debt > 0 {
            state.debt -= 1;
            permit.forget();
        }
    }
}

/// Requests at one time before anything is known.
const START: usize = 4;

/// Between two cuts.
const CALM: Duration = Duration::from_millis(500);

#[cfg(test)]
mod tests {
    use super::*;

    fn free(gate: &Gate) -> usize {
        gate.places.available_permits()
    }

    #[tokio::test]
    async fn it_opens_while_all_is_well_and_closes_by_half() {
        let gate = Gate::new(8);
        assert_eq!(free(&gate), 4);
        for _ in 0..20 {
            gate.enter().await.well();
        }
        assert_eq!(free(&gate), 8, "and no further");
        let mut places = Vec::new();
        for _ in 0..8 {
            places.push(gate.enter().await);
        }
        for place in places {
            place.throttled();
        }
        assert_eq!(free(&gate), 4, "one burst of trouble is one cut");
        gate.enter().await.well();
        assert_eq!(free(&gate), 4, "slowly from here on");
        for _ in 0..40 {
            gate.enter().await.well();
        }
        assert_eq!(free(&gate), 8);
    }

    #[tokio::test]
    async fn one_place_stays() {
        let gate = Gate::new(1);
        for _ in 0..3 {
            gate.enter().await.throttled();
            gate.state().cut = None;
        }
        assert_eq!(free(&gate), 1);
        drop(gate.enter().await);
        assert_eq!(free(&gate), 1);
    }
}
