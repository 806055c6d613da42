//! Where sealed segments go: one open pack for data, one for trees, and full ones to the store.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crossbeam_channel::Sender;
use crypto_backends::{Key, Provider};
use vault_format::pack::ChunkType;
use vault_format::{ChunkId, Scope};

use super::PushError;
use crate::stage::frame::ObjectKeys;
use crate::stage::pack::{FullPack, PackWriter};
use crate::stage::segment::CompressedSegment;

/// Makes the writer of a fresh pack: a new salt and so a new key each time.
pub(super) type NewPack<'a> = dyn Fn(bool) -> Result<PackWriter, PushError> + Sync + 'a;

/// The open packs of a push.
pub(super) struct Packs<'a> {
    provider: &'static Provider,
    new_pack: &'a NewPack<'a>,
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
    keys: Arc<ObjectKeys>,
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

/// The buffers of one worker for sealing and verifying.
#[derive(Default)]
pub(super) struct SealBuffers {
    frame: Vec<u8>,
    plain: Vec<u8>,
}

impl<'a> Packs<'a> {
    pub(super) fn new(
        provider: &'static Provider,
        new_pack: &'a NewPack<'a>,
        uploads: Option<Sender<FullPack>>,
    ) -> Self {
        Self { provider, new_pack, lanes: [Mutex::new(None), Mutex::new(None)], uploads, added: Added::default() }
    }

    /// Seals a segment into the open pack of its kind, opens it again and recomputes every id, and only then lets it count.
    pub(super) fn place(
        &self,
        tree: bool,
        scope: Scope,
        segment: &CompressedSegment<'_>,
        id_key: &dyn Fn(ChunkType) -> &'a Key,
        buffers: &mut SealBuffers,
    ) -> Result<(), PushError> {
        let chunks = if tree { &self.added.tree_chunks } else { &self.added.data_chunks };
        chunks.fetch_add(segment.chunks.len() as u64, Relaxed);
        self.added.plain.fetch_add(segment.plain_len as u64, Relaxed);
        self.added.packed.fetch_add(segment.body.len() as u64, Relaxed);
        if self.uploads.is_none() {
            return Ok(());
        }
        let (pack, ticket) = self.reserve(tree, scope, segment)?;
        buffers.frame.clear();
        pack.keys.seal_frame(
            ticket.slot,
            false,
            segment.codec,
            segment.plain_len,
            segment.body,
            vault_format::frame::TEXT_HEAD + segment.body.len(),
            &mut buffers.frame,
        )?;
        self.verify(&pack, ticket.slot, segment, id_key, buffers)?;
        let mut state = lock(&pack.state);
        let writer = state.writer.as_mut().expect("a pack is finished only when all its slots are filled");
        writer.fill(ticket, &buffers.frame);
        state.sealing -= 1;
        self.finish_if_done(state)
    }

    /// Finishes the open packs, as the last of their kind.
    pub(super) fn finish(&self) -> Result<(), PushError> {
        for lane in &self.lanes {
            if let Some(pack) = lock(lane).take() {
                let writer = lock(&pack.state).writer.take().expect("an open pack has its writer");
                self.upload(writer.finish(false)?)?;
            }
        }
        Ok(())
    }

    /// How many bytes a segment's body may have to fit into the open data pack; None if there is none.
    pub(super) fn room(&self) -> Option<usize> {
        let lane = lock(&self.lanes[0]);
        let pack = lane.as_ref()?;
        lock(&pack.state).writer.as_ref().map(PackWriter::room)
    }

    fn reserve(
        &self,
        tree: bool,
        scope: Scope,
        segment: &CompressedSegment<'_>,
    ) -> Result<(Arc<OpenPack>, crate::stage::pack::Ticket), PushError> {
        let mut lane = lock(&self.lanes[usize::from(tree)]);
        loop {
            if lane.is_none() {
                let writer = (self.new_pack)(tree)?;
                let keys = writer.keys();
                let state = OpenState { writer: Some(writer), sealing: 0, closed: false };
                *lane = Some(Arc::new(OpenPack { keys, state: Mutex::new(state) }));
            }
            let pack = Arc::clone(lane.as_ref().expect("just made"));
            let mut state = lock(&pack.state);
            let writer = state.writer.as_mut().expect("an open pack has its writer");
            if let Some(ticket) = writer.reserve(scope, segment) {
                state.sealing += 1;
                drop(state);
                return Ok((pack, ticket));
            }
            state.closed = true;
            *lane = None;
            self.finish_if_done(state)?;
        }
    }

    fn finish_if_done(&self, mut state: MutexGuard<'_, OpenState>) -> Result<(), PushError> {
        if !state.closed || state.sealing > 0 {
            return Ok(());
        }
        let Some(writer) = state.writer.take() else { return Ok(()) };
        drop(state);
        self.upload(writer.finish(true)?)
    }

    fn upload(&self, pack: FullPack) -> Result<(), PushError> {
        let uploads = self.uploads.as_ref().expect("a dry run has no packs");
        // The uploader hangs up only after an error of its own, which is the one that is reported.
        uploads.send(pack).map_err(|_| PushError::Stopped)
    }

    /// Bad memory and compressor bugs are the commonest corruption: what was sealed must open to the same ids.
    fn verify(
        &self,
        pack: &OpenPack,
        slot: u32,
        segment: &CompressedSegment<'_>,
        id_key: &dyn Fn(ChunkType) -> &'a Key,
        buffers: &mut SealBuffers,
    ) -> Result<(), PushError> {
        buffers.plain.clear();
        pack.keys.open_frame(slot, false, &buffers.frame, segment.plain_len, &mut buffers.plain)?;
        let mut at = 0;
        for chunk in segment.chunks {
            let plain = &buffers.plain[at..at + chunk.len as usize];
            at += chunk.len as usize;
            let id = self.provider.keyed_hash.keyed_hash(id_key(chunk.chunk_type), &[plain]);
            if ChunkId(id) != chunk.id {
                return Err(PushError::BadMemory);
            }
        }
        Ok(())
    }
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A panicking worker ends the push anyway; the others must not hang or panic because of it.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
