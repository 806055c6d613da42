//! Where sealed segments go: one open pack for data, one for trees, and full ones to the store.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard};

use crossbeam_channel::Sender;

use super::PushError;
use super::spare::Spare;
use crate::stage::IdKeys;
use crate::stage::{CompressedSegment, SegmentBuilder};
use crate::stage::{FullPack, PackWriter, SegmentSealer, Ticket};
use crate::sync::lock;

/// Makes the writer of a fresh pack: a new salt and so a new key each time.
pub(super) type NewPack<'a> = dyn Fn(bool, Vec<u8>) -> Result<PackWriter, PushError> + Sync + 'a;

/// Seals a pack that is about to be stored anew if its epoch has ended.
pub(super) type RenewPack<'a> = dyn Fn(bool, PackWriter) -> Result<PackWriter, PushError> + Sync + 'a;

/// The open packs of a push.
pub(super) struct Packs<'a> {
    new_pack: &'a NewPack<'a>,
    renew_pack: &'a RenewPack<'a>,
    /// Buffers of packs that are stored: reused, so that the process holds a few of them and no more.
    spare: &'a Spare,
    lanes: [Mutex<Option<Arc<OpenPack>>>; 2],
    /// None in a dry run: segments are counted and dropped.
    uploads: Option<Sender<FullPack>>,
    /// What was added, counted as chunks are placed.
    pub(super) added: Added,
}

/// Counters of what a push adds to the vault.
#[derive(Default)]
pub(super) struct Added {
    pub(super) data_chunks: AtomicU64,
    pub(super) tree_chunks: AtomicU64,
    /// Plain bytes.
    pub(super) plain: AtomicU64,
    /// Compressed and sealed bytes.
    pub(super) packed: AtomicU64,
}

/// A pack that takes segments from several workers at once.
struct OpenPack {
    state: Mutex<OpenState>,
}

struct OpenState {
    /// Taken when the pack is finished.
    writer: Option<PackWriter>,
    /// Reserved slots whose frames are still being sealed.
    sealing: usize,
    /// No more segments: whoever fills the last slot finishes the pack.
    closed: bool,
}

impl<'a> Packs<'a> {
    pub(super) fn new(
        new_pack: &'a NewPack<'a>,
        renew_pack: &'a RenewPack<'a>,
        spare: &'a Spare,
        uploads: Option<Sender<FullPack>>,
    ) -> Self {
        Self {
            new_pack,
            renew_pack,
            spare,
            lanes: [Mutex::new(None), Mutex::new(None)],
            uploads,
            added: Added::default(),
        }
    }

    /// Seals a segment into the open pack of its kind, opens it again and recomputes every id, and only then lets it count.
    pub(super) fn place(
        &self,
        tree: bool,
        segment: &CompressedSegment<'_>,
        ids: &IdKeys,
        sealer: &mut SegmentSealer,
    ) -> Result<(), PushError> {
        let chunks = if tree { &self.added.tree_chunks } else { &self.added.data_chunks };
        chunks.fetch_add(segment.chunks.len() as u64, Relaxed);
        self.added.plain.fetch_add(u64::from(segment.plain_len), Relaxed);
        self.added.packed.fetch_add(segment.body.len() as u64, Relaxed);
        if self.uploads.is_none() {
            return Ok(());
        }
        let (pack, ticket) = self.reserve(tree, segment)?;
        let sealed = sealer.seal(ticket, segment, ids)?;
        let mut state = lock(&pack.state);
        state.writer.as_mut().expect("a pack is finished only when all its slots are filled").fill(sealed)?;
        state.sealing -= 1;
        self.finish_if_done(tree, state)
    }

    /// Data that does not compress fills a pack to the last chunk: takes as much off the front of `segment` as the open
    /// pack still holds, if that is not all of it.
    pub(super) fn split_to_fit(&self, tree: bool, segment: &mut SegmentBuilder) -> Option<SegmentBuilder> {
        let lane = lock(&self.lanes[usize::from(tree)]);
        let state = lock(&lane.as_ref()?.state);
        let writer = state.writer.as_ref()?;
        if segment.plain_len() <= writer.room(segment.chunks().len()) {
            return None;
        }
        segment.split_off_front(|chunks| writer.room(chunks))
    }

    /// Whether anything was added.
    pub(super) fn has_added(&self) -> bool {
        self.added.data_chunks.load(Relaxed) + self.added.tree_chunks.load(Relaxed) > 0
    }

    /// What was added in all.
    pub(super) fn into_added(self) -> Added {
        self.added
    }

    /// Finishes the open packs, as the last of their kind.
    pub(super) fn finish(&self) -> Result<(), PushError> {
        for (tree, lane) in [false, true].into_iter().zip(&self.lanes) {
            if let Some(pack) = lock(lane).take() {
                let writer = lock(&pack.state).writer.take().expect("an open pack has its writer");
                self.upload((self.renew_pack)(tree, writer)?.finish(false)?)?;
            }
        }
        Ok(())
    }

    fn reserve(&self, tree: bool, segment: &CompressedSegment<'_>) -> Result<(Arc<OpenPack>, Ticket), PushError> {
        let mut lane = lock(&self.lanes[usize::from(tree)]);
        loop {
            if lane.is_none() {
                let writer = (self.new_pack)(tree, self.spare.take())?;
                let state = OpenState { writer: Some(writer), sealing: 0, closed: false };
                *lane = Some(Arc::new(OpenPack { state: Mutex::new(state) }));
            }
            let pack = Arc::clone(lane.as_ref().expect("just made"));
            let mut state = lock(&pack.state);
            let writer = state.writer.as_mut().expect("an open pack has its writer");
            if let Some(ticket) = writer.reserve(segment) {
                state.sealing += 1;
                drop(state);
                return Ok((pack, ticket));
            }
            state.closed = true;
            *lane = None;
            self.finish_if_done(tree, state)?;
        }
    }

    fn finish_if_done(&self, tree: bool, mut state: MutexGuard<'_, OpenState>) -> Result<(), PushError> {
        if !state.closed || state.sealing > 0 {
            return Ok(());
        }
        let Some(writer) = state.writer.take() else { return Ok(()) };
        drop(state);
        self.upload((self.renew_pack)(tree, writer)?.finish(true)?)
    }

    fn upload(&self, pack: FullPack) -> Result<(), PushError> {
        let uploads = self.uploads.as_ref().expect("a dry run has no packs");
        // The uploader hangs up only after an error of its own, which is the one that is reported.
        uploads.send(pack).map_err(|_| PushError::Stopped)
    }
}
