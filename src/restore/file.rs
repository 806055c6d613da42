//! Files while their pieces arrive, from several workers and in the order of packs.

use std::sync::atomic::{AtomicU64, Ordering::AcqRel};
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use crossbeam_channel::Sender;
use vault_format::{Content, Entry};

use super::job::{Job, Source};
use super::space::content_len;
use crate::sync::lock;
use crate::target::{Begin, FileSink, Outcome, Root, TargetError};

/// A source, and its root in the target with the owners of one leaf.
#[derive(Clone)]
pub(super) struct Place<'s> {
    pub(super) source: &'s Source<'s>,
    pub(super) root: Root,
}

/// Names of files whose first name is not there to be linked to: to be restored as files of their own.
pub(super) type Orphans<'s> = Sender<(Place<'s>, Entry)>;

/// A file to be written. Only what is whole gets its name: a sink that is dropped leaves nothing.
pub(super) struct File<'s> {
    pub(super) place: Place<'s>,
    pub(super) entry: Entry,
    /// Pieces still to come, and one more until all of them are planned.
    pending: AtomicU64,
    state: RwLock<State>,
    names: Option<Arc<Names<'s>>>,
}

enum State {
    New,
    Open(FileSink),
    /// Written, skipped or failed.
    Settled,
}

/// The further names of a file with several.
pub(super) struct Names<'s> {
    first: Vec<u8>,
    state: Mutex<NamesState<'s>>,
}

enum NamesState<'s> {
    Waiting(Vec<(Place<'s>, Entry)>),
    Ready,
    Failed,
}

impl<'s> File<'s> {
    /// A file with nothing planned. `sink`: it was begun already.
    pub(super) fn new(place: Place<'s>, entry: Entry, sink: Option<FileSink>, names: Option<Arc<Names<'s>>>) -> Self {
        let state = RwLock::new(sink.map_or(State::New, State::Open));
        Self { place, entry, pending: AtomicU64::new(1), state, names }
    }

    /// One more piece will come.
    pub(super) fn expect_piece(&self) {
        self.pending.fetch_add(1, AcqRel);
    }

    /// Writes a piece of the content. After a failure, or if the file stays as it is, nothing happens.
    pub(super) fn write(&self, job: &Job<'_>, orphans: &Orphans<'s>, offset: u64, data: &[u8]) {
        let whole = offset == 0 && content_len(&self.entry) == Some(data.len() as u64);
        loop {
            // Without the lock of it, the outcome may change the state.
            let written = match &*read(&self.state) {
                State::Open(sink) => Some(sink.write_content(offset, data)),
                State::Settled => return,
                State::New => None,
            };
            if let Some(written) = written {
                return self.check(job, orphans, written);
            }
            let mut state = write(&self.state);
            if !matches!(*state, State::New) {
                continue;
            }
            let begun = match whole {
                true => self.place.root.write_small(&self.entry, data).map(Begin::Settled),
                false => self.place.root.begin(&self.entry),
            };
            match begun {
                Ok(Begin::File(sink)) => *state = State::Open(sink),
                Ok(Begin::Settled(outcome)) => {
                    *state = State::Settled;
                    drop(state);
                    return self.settled(job, orphans, outcome);
                }
                Err(error) => {
                    drop(state);
                    return self.check(job, orphans, Err(error));
                }
            }
        }
    }

    /// Whether nothing more is written: it failed, or stays as it is.
    pub(super) fn is_settled(&self) -> bool {
        matches!(*read(&self.state), State::Settled)
    }

    /// A piece is done with, or the plan: the last one finishes the file.
    pub(super) fn release(&self, job: &Job<'_>, orphans: &Orphans<'s>) {
        if self.pending.fetch_sub(1, AcqRel) > 1 {
            return;
        }
        let finished = match std::mem::replace(&mut *write(&self.state), State::Settled) {
            State::Settled => return,
            State::Open(sink) => match &self.entry.content {
                Content::Inline(bytes) => sink.write_content(0, bytes).and_then(|()| sink.finish()).map(Outcome::Done),
                _ => sink.finish().map(Outcome::Done),
            },
            State::New => match &self.entry.content {
                Content::Inline(bytes) => self.place.root.write_small(&self.entry, bytes),
                _ => self.place.root.write_small(&self.entry, &[]),
            },
        };
        match finished {
            Ok(outcome) => self.settled(job, orphans, outcome),
            Err(error) => self.fail_names(job, orphans, |job| job.refused(self.place.source, &self.entry, error)),
        }
    }

    /// Gives the file up. What was there before stays.
    pub(super) fn fail(&self, job: &Job<'_>, orphans: &Orphans<'s>, message: &str, damaged: bool) {
        let before = std::mem::replace(&mut *write(&self.state), State::Settled);
        if !matches!(before, State::Settled) {
            drop(before);
            let path = self.place.source.full(&self.entry.path);
            self.fail_names(job, orphans, |job| job.problem(&path, message, damaged));
        }
    }

    fn check(&self, job: &Job<'_>, orphans: &Orphans<'s>, result: Result<(), TargetError>) {
        let Err(error) = result else {
            return;
        };
        let before = std::mem::replace(&mut *write(&self.state), State::Settled);
        if !matches!(before, State::Settled) {
            drop(before);
            self.fail_names(job, orphans, |job| job.refused(self.place.source, &self.entry, error));
        }
    }

    /// Tells of the failure; the other names are on their own.
    fn fail_names(&self, job: &Job<'_>, orphans: &Orphans<'s>, tell: impl FnOnce(&Job<'_>)) {
        tell(job);
        if let Some(names) = &self.names {
            let before = std::mem::replace(&mut *lock(&names.state), NamesState::Failed);
            if let NamesState::Waiting(waiting) = before {
                waiting.into_iter().for_each(|name| orphan(orphans, name));
            }
        }
    }

    pub(super) fn settled(&self, job: &Job<'_>, orphans: &Orphans<'s>, outcome: Outcome) {
        job.settled(self.place.source, &self.entry, outcome);
        if let Some(names) = &self.names {
            let before = std::mem::replace(&mut *lock(&names.state), NamesState::Ready);
            if let NamesState::Waiting(waiting) = before {
                waiting.into_iter().for_each(|(place, entry)| names.link(job, orphans, place, entry));
            }
        }
    }
}

impl<'s> Names<'s> {
    /// The names of a file whose first one is at `first`, which is still to be written.
    pub(super) fn new(first: &[u8]) -> Self {
        Self { first: first.to_vec(), state: Mutex::new(NamesState::Waiting(Vec::new())) }
    }

    /// Adds a name: made at once if the file is there, else when it is.
    pub(super) fn add(&self, job: &Job<'_>, orphans: &Orphans<'s>, place: Place<'s>, entry: Entry) {
        match &mut *lock(&self.state) {
            NamesState::Waiting(waiting) => return waiting.push((place, entry)),
            NamesState::Failed => return orphan(orphans, (place, entry)),
            NamesState::Ready => {}
        }
        self.link(job, orphans, place, entry);
    }

    fn link(&self, job: &Job<'_>, orphans: &Orphans<'s>, place: Place<'s>, entry: Entry) {
        match place.root.link(&self.first, &entry) {
            Ok(outcome) => job.settled(place.source, &entry, outcome),
            // The first name stayed as it was and is another file; or there are no links here, or no more of them.
            Err(TargetError::LinkSource { .. } | TargetError::Io { .. }) => orphan(orphans, (place, entry)),
            Err(error) => job.refused(place.source, &entry, error),
        }
    }
}

/// Nobody listens any more if everything is over: then nothing is restored anyway.
fn orphan<'s>(orphans: &Orphans<'s>, name: (Place<'s>, Entry)) {
    let _ = orphans.send(name);
}

fn read(state: &RwLock<State>) -> RwLockReadGuard<'_, State> {
    state.read().unwrap_or_else(PoisonError::into_inner)
}

fn write(state: &RwLock<State>) -> RwLockWriteGuard<'_, State> {
    state.write().unwrap_or_else(PoisonError::into_inner)
}
