//! The last stage before the log: full packs to the store, and what is stored into the index.

use std::sync::Mutex;
use std::sync::atomic::Ordering::Relaxed;

use bytes::Bytes;
use crossbeam_channel::{Receiver, Sender, bounded, select};

use super::PushError;
use super::spare::Spare;
use crate::stage;
use crate::store::{FullPack, Store};
use crate::sync::lock;
use crate::vault::Vault;
use crate::watch::Watch;

/// Stores packs, several at once: a link with a long way to the other end stays full.
pub(super) struct Uploader<'a> {
    vault: &'a Vault,
    watch: &'a Watch<'a>,
    /// Held by whoever writes deltas and the entry that names them: one after another.
    progress: Mutex<()>,
}

impl<'a> Uploader<'a> {
    pub(super) fn new(vault: &'a Vault, watch: &'a Watch<'a>) -> Self {
        Self { vault, watch, progress: Mutex::default() }
    }

    /// Runs until no more packs come. What is in no delta then is for the snapshot's entry to name. The first error ends it;
    /// what is under way then is stored all the same, and found by the next push.
    pub(super) fn run(&self, packs: Receiver<stage::FullPack>, buffers: &Spare) -> Result<(), PushError> {
        let (alive, stop) = bounded::<()>(0);
        let failure = Mutex::new((None, Some(alive)));
        std::thread::scope(|scope| {
            for _ in 0..at_once(self.vault.store()) {
                let (packs, stop) = (packs.clone(), stop.clone());
                let failure = &failure;
                scope.spawn(move || self.store_all(&packs, &stop, buffers, failure));
            }
        });
        // Whoever waits for a buffer or hands over a pack must not wait for uploaders that are gone.
        drop(packs);
        match lock(&failure).0.take() {
            Some(error) => Err(error),
            None => Ok(()),
        }
    }

    fn store_all(
        &self,
        packs: &Receiver<stage::FullPack>,
        stop: &Receiver<()>,
        buffers: &Spare,
        failure: &Mutex<(Option<PushError>, Option<Sender<()>>)>,
    ) {
        let _end = EndOnPanic(buffers, failure);
        loop {
            let pack = select! {
                recv(packs) -> pack => pack,
                recv(stop) -> _ => return,
            };
            let Ok(pack) = pack else { return };
            if let Err(error) = self.store(pack, buffers) {
                buffers.end();
                let mut failure = lock(failure);
                failure.0.get_or_insert(error);
                failure.1 = None;
                return;
            }
        }
    }

    /// Every delta that is full before the end is named by a `progress` entry at once: what a long push has stored
    /// counts also if the push never ends, and the rows leave memory.
    fn store(&self, pack: stage::FullPack, buffers: &Spare) -> Result<(), PushError> {
        let bytes = Bytes::from(pack.bytes);
        let pack = FullPack { name: pack.name, bytes: bytes.clone(), segments: pack.segments };
        self.vault.store_pack(pack)?;
        self.watch.stored.fetch_add(bytes.len() as u64, Relaxed);
        // The store is done with it, so this is the buffer itself and no copy.
        buffers.give(if bytes.is_unique() { bytes.into() } else { Vec::new() });
        if self.vault.is_time_for_progress()? {
            let _one = lock(&self.progress);
            // Another may have done it while this one waited.
            if self.vault.is_time_for_progress()? {
                self.vault.look_at_roster()?;
                let deltas = self.vault.store_deltas()?;
                self.vault.append_progress(&deltas)?;
            }
        }
        Ok(())
    }
}

/// A thread that panics leaves nobody waiting for it.
struct EndOnPanic<'a>(&'a Spare, &'a Mutex<(Option<PushError>, Option<Sender<()>>)>);

impl Drop for EndOnPanic<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.end();
            lock(self.1).1 = None;
        }
    }
}

/// Packs under way at the same time. From a folder more would only wait for the disk.
pub(super) fn at_once(store: &Store) -> usize {
    if store.folder().is_some() { FOLDER_UPLOADS } else { UPLOADS }
}

/// 16 MiB each: with one open pack for data and one for trees they are most of a push's memory.
const UPLOADS: usize = 3;
const FOLDER_UPLOADS: usize = 1;
