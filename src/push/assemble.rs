//! The last stage: brings results back into path order and builds the manifest.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::sync::{Condvar, Mutex};

use crossbeam_channel::Receiver;
use vault_format::Entry;

use super::PushError;
use super::job::Job;
use crate::manifest::{ManifestBuilder, NodeSink, TreeRoot};
use crate::sync::lock;

/// The entries of a finished batch.
pub(super) struct Done {
    pub(super) seq: u64,
    pub(super) entries: Vec<Entry>,
}

/// How far the scan may run ahead of the manifest: bounds what waits here.
#[derive(Default)]
pub(super) struct Order {
    state: Mutex<(u64, bool)>,
    moved: Condvar,
}

impl Order {
    /// Waits until batch `seq` is near enough to the manifest's end.
    pub(super) fn wait_for_room(&self, seq: u64) -> Result<(), PushError> {
        let mut state = lock(&self.state);
        loop {
            let (assembled, stopped) = *state;
            if stopped {
                return Err(PushError::Stopped);
            }
            if seq < assembled + WINDOW {
                return Ok(());
            }
            state = self.moved.wait(state).unwrap_or_else(std::sync::PoisonError::into_inner);
        }
    }

    /// Frees the scan after an error elsewhere.
    pub(super) fn stop(&self) {
        lock(&self.state).1 = true;
        self.moved.notify_all();
    }

    /// Frees the scan when it is dropped, also by a panic: nobody else would.
    pub(super) fn stop_unless_disarmed(&self) -> StopGuard<'_> {
        StopGuard { order: self, armed: Cell::new(true) }
    }

    fn advance(&self) {
        lock(&self.state).0 += 1;
        self.moved.notify_all();
    }
}

/// Stops the scan unless its stage has ended well.
pub(super) struct StopGuard<'a> {
    order: &'a Order,
    armed: Cell<bool>,
}

impl StopGuard<'_> {
    pub(super) fn disarm(&self) {
        self.armed.set(false);
    }
}

impl Drop for StopGuard<'_> {
    fn drop(&mut self) {
        if self.armed.get() {
            self.order.stop();
        }
    }
}

/// Builds the manifest from finished batches, in whatever order they come. `taken` is told each entry that is in it.
pub(super) fn assemble<S: NodeSink<Error = PushError>>(
    job: &Job<'_>,
    done: &Receiver<Done>,
    order: &Order,
    mut manifest: ManifestBuilder<'_, S>,
    taken: &mut dyn FnMut(&Entry),
) -> Result<Option<TreeRoot>, PushError> {
    let mut waiting = BTreeMap::new();
    let mut next = 0;
    for batch in done {
        waiting.insert(batch.seq, batch.entries);
        while let Some(entries) = waiting.remove(&next) {
            for entry in &entries {
                match manifest.push(entry)? {
                    Some(refused) => job.refused(entry, &refused),
                    None => taken(entry),
                }
            }
            next += 1;
            order.advance();
        }
    }
    if !waiting.is_empty() {
        // A worker ended without its batch: its error is the one to report.
        return Err(PushError::Stopped);
    }
    manifest.finish()
}

/// Batches that may be under way at once.
const WINDOW: u64 = 64;
