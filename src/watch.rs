//! How a long job tells what it is doing, and is told to stop.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};

/// Shared between a job and whoever watches it: counters to poll, events as they happen, and a stop flag.
#[derive(Default)]
pub struct Watch<'a> {
    /// Entries done so far: files, folders, links.
    pub entries: AtomicU64,
    /// Regular files done so far.
    pub files: AtomicU64,
    /// Bytes of content done so far.
    pub bytes: AtomicU64,
    /// Entries in all, as far as known; 0 if not.
    pub total_entries: AtomicU64,
    /// Bytes in all, as far as known; 0 if not.
    pub total_bytes: AtomicU64,
    /// Bytes written to or read from the store.
    pub stored: AtomicU64,
    stop: AtomicBool,
    current: Mutex<Vec<u8>>,
    on_event: Option<&'a (dyn Fn(Event<'_>) + Sync)>,
    skips_entries: bool,
}

/// Something that happened in a job. Paths are raw bytes.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Event<'a> {
    /// A file, or what happened to it, could not be captured, restored or verified; the job goes on.
    Problem {
        /// What it is about.
        path: &'a [u8],
        /// What happened.
        message: &'a str,
    },
    /// An entry was dealt with.
    Entry {
        /// Its full path.
        path: &'a [u8],
        /// What was done.
        action: Action,
        /// Its size in bytes.
        size: u64,
    },
    /// Something that the person should know and that is no problem.
    Note(&'a str),
    /// The job entered another phase: "scanning", "uploading", ...
    Phase(&'static str),
}

/// What was done with an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Not in the parent snapshot.
    New,
    /// Differs from the parent snapshot.
    Changed,
    /// As in the parent snapshot.
    Unmodified,
    /// Written to the target.
    Restored,
    /// Left as it was in the target.
    Skipped,
    /// Removed from the target.
    Deleted,
}

impl<'a> Watch<'a> {
    /// A watch that nobody looks at.
    pub fn new() -> Self {
        Self::default()
    }

    /// A watch whose events go to `on_event`, from any thread.
    pub fn with_events(on_event: &'a (dyn Fn(Event<'_>) + Sync)) -> Self {
        Self { on_event: Some(on_event), ..Self::default() }
    }

    /// The same without `Event::Entry`, which costs a little for every entry.
    pub fn without_entries(self) -> Self {
        Self { skips_entries: true, ..self }
    }

    /// Asks the job to end at the next safe point.
    pub fn stop(&self) {
        self.stop.store(true, Relaxed);
    }

    /// Whether the job was asked to end.
    pub fn stopped(&self) -> bool {
        self.stop.load(Relaxed)
    }

    /// The path that is being worked on.
    pub fn current(&self) -> Vec<u8> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn event(&self, event: Event<'_>) {
        if let Some(on_event) = self.on_event {
            on_event(event);
        }
    }

    /// Whether anybody listens to single entries: then it is worth naming them.
    pub(crate) fn listens(&self) -> bool {
        self.on_event.is_some() && !self.skips_entries
    }

    pub(crate) fn problem(&self, path: &[u8], message: &str) {
        self.event(Event::Problem { path, message });
    }

    pub(crate) fn set_current(&self, path: &[u8]) {
        // Progress may miss a path; the job never waits for it.
        if let Ok(mut current) = self.current.try_lock() {
            current.clear();
            current.extend_from_slice(path);
        }
    }
}
