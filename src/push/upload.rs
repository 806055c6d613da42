//! The last stage before the log: full packs to the store, and what is stored into the index.

use std::sync::atomic::Ordering::Relaxed;

use bytes::Bytes;
use crossbeam_channel::Receiver;

use super::PushError;
use super::spare::Spare;
use crate::stage;
use crate::store::FullPack;
use crate::vault::Vault;
use crate::watch::Watch;

/// Stores packs one after another, in the order in which they fill.
pub(super) struct Uploader<'a> {
    vault: &'a Vault,
    watch: &'a Watch<'a>,
}

impl<'a> Uploader<'a> {
    pub(super) fn new(vault: &'a Vault, watch: &'a Watch<'a>) -> Self {
        Self { vault, watch }
    }

    /// Runs until no more packs come. What is in no delta then is for the snapshot's entry to name.
    ///
    /// Every delta that is full before the end is named by a `progress` entry at once: what a long push has stored
    /// counts also if the push never ends, and the rows leave memory.
    pub(super) fn run(&self, packs: Receiver<stage::FullPack>, buffers: &Spare) -> Result<(), PushError> {
        for pack in packs {
            let bytes = Bytes::from(pack.bytes);
            let pack = FullPack { name: pack.name, bytes: bytes.clone(), segments: pack.segments };
            self.vault.store_pack(pack)?;
            self.watch.stored.fetch_add(bytes.len() as u64, Relaxed);
            // The store is done with it, so this is the buffer itself and no copy.
            if bytes.is_unique() {
                buffers.give(bytes.into());
            }
            if self.vault.progress_after_each_pack || self.vault.index()?.delta_is_full() {
                let deltas = self.vault.store_deltas()?;
                self.vault.append_progress(&deltas)?;
            }
        }
        Ok(())
    }
}
