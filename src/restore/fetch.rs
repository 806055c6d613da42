//! The workers of a restore: reads of packs, opened segment by segment, every id recomputed.

use std::sync::atomic::Ordering::Relaxed;

use crossbeam_channel::Receiver;
use vault_format::pack::ChunkType;

use super::RestoreError;
use super::file::Orphans;
use super::job::Job;
use super::plan::{Piece, Read, Unit};
use crate::Trouble;
use crate::chain;
use crate::manifest::ChunkSource;
use crate::parallel;
use crate::stage::Opener;
use crate::vault::ChunkError;
use crate::watch::Event;

/// Works until there is nothing more to do. When everything is over the units are dropped, and so are their files.
pub(super) fn work<'s>(job: &Job<'_>, units: &Receiver<Unit<'s>>, orphans: &Orphans<'s>) {
    let mut worker = Worker { job, orphans, opener: Opener::new() };
    for unit in units {
        match unit {
            _ if job.is_over() => {}
            Unit::Small(files) => {
                for file in files {
                    job.watch.set_current(&file.entry.path);
                    file.release(job, orphans);
                }
            }
            Unit::Read(read) => worker.read(&read),
        }
    }
}

struct Worker<'w, 's> {
    job: &'w Job<'w>,
    orphans: &'w Orphans<'s>,
    opener: Opener,
}

impl<'s> Worker<'_, 's> {
    fn read(&mut self, read: &Read<'s>) {
        let job = self.job;
        if job.vault.is_lost() {
            // Each request to a store that is away may take minutes to fail; another one has the pieces.
            return self.elsewhere(read, &read.pieces, None);
        }
        let store = job.vault.store();
        let _room = job.reads.room(read.range.end - read.range.start);
        let bytes = || {
            let bytes = store.get_range(&read.name(), read.range.clone());
            bytes.map_err(|error| ChunkError::Store { pack: read.name().to_path(), error })
        };
        let found = match read.range.start {
            // The head is in these bytes, which saves a request.
            0 => bytes().and_then(|bytes| Ok((job.vault.take_head(&read.pack, &bytes)?, bytes))),
            _ => {
                let (head, bytes) = parallel::both(|| job.vault.pack_head(&read.pack, read.pack_size), bytes);
                head.and_then(|head| Ok((head, bytes?)))
            }
        };
        let (head, bytes) = match found {
            Ok(found) => found,
            Err(error) => return self.elsewhere(read, &read.pieces, Some(error)),
        };
        job.watch.stored.fetch_add(bytes.len() as u64, Relaxed);
        for segment in read.pieces.chunk_by(|a, b| a.slot == b.slot) {
            if job.is_over() {
                return;
            }
            let start = u64::from(segment[0].offset).saturating_sub(read.range.start) as usize;
            let frame = bytes.get(start..start.saturating_add(segment[0].frame_len as usize)).unwrap_or_default();
            match head.open_segment(&mut self.opener, segment[0].slot, frame, segment[0].plain_len) {
                Ok(plain) => {
                    let swapped = deliver(job, self.orphans, read, segment, plain);
                    for piece in swapped {
                        let error = ChunkError::Swapped { pack: read.name().to_path(), id: piece.id };
                        self.elsewhere(read, std::slice::from_ref(piece), Some(error));
                    }
                }
                Err(error) => {
                    let error = ChunkError::Damaged { pack: read.name().to_path(), error };
                    self.elsewhere(read, segment, Some(error));
                }
            }
        }
    }

    /// Pieces that are not to be had where they should be: other copies are tried, also in other stores, and the files given
    /// up if there are none. Without an error the store is known to be away.
    fn elsewhere(&self, read: &Read<'s>, pieces: &[Piece<'s>], error: Option<ChunkError>) {
        let job = self.job;
        let error = match error {
            Some(error @ ChunkError::Store { .. }) if job.vault.has_others() => {
                job.vault.note_loss(&error);
                None
            }
            Some(error) if is_final(&error) => return job.abort(RestoreError::from(error)),
            error => error,
        };
        let mut found = 0u64;
        for same in pieces.chunk_by(|a, b| a.id == b.id) {
            if job.is_over() {
                return;
            }
            let chunk = read.source.part.chunks.get(&same[0].id, ChunkType::File);
            match chunk {
                Ok(chunk) if chunk.len() == same[0].len as usize => {
                    found += 1;
                    same.iter().for_each(|piece| piece.file.write(job, self.orphans, piece.at, &chunk));
                }
                Ok(_) => self.give_up(same, &ChunkError::Swapped { pack: read.name().to_path(), id: same[0].id }),
                Err(error) if is_final(&error) => return job.abort(RestoreError::from(error)),
                Err(error) => self.give_up(same, &error),
            }
            same.iter().for_each(|piece| piece.file.release(job, self.orphans));
        }
        if let Some(error) = error.filter(|_| found > 0 && !job.vault.has_others()) {
            let note = format!("{}; other copies of {found} chunks were found: run `zvault check`", chain(&error));
            job.watch.event(Event::Note(&note));
        }
    }

    fn give_up(&self, pieces: &[Piece<'s>], error: &ChunkError) {
        let message = chain(error);
        pieces.iter().for_each(|piece| piece.file.fail(self.job, self.orphans, &message, true));
    }
}

/// Writes the pieces of an opened segment, and gives back those that are not what their ids say.
fn deliver<'r, 's>(
    job: &Job<'_>,
    orphans: &Orphans<'s>,
    read: &Read<'s>,
    segment: &'r [Piece<'s>],
    plain: &[u8],
) -> Vec<&'r Piece<'s>> {
    let ids = read.source.part.chunks.ids();
    let mut swapped = Vec::new();
    let place = |piece: &Piece<'_>| (piece.chunk_offset, piece.len, piece.id);
    for same in segment.chunk_by(|a, b| place(a) == place(b)) {
        let start = same[0].chunk_offset as usize;
        let chunk = plain.get(start..start.saturating_add(same[0].len as usize));
        match chunk.filter(|chunk| ids.id(ChunkType::File, chunk) == same[0].id) {
            Some(chunk) => {
                for piece in same {
                    job.watch.set_current(&piece.file.entry.path);
                    piece.file.write(job, orphans, piece.at, chunk);
                    piece.file.release(job, orphans);
                }
            }
            None => swapped.extend(same),
        }
    }
    swapped
}

/// Whether an error holds for all chunks to come: the store is away, or the keys are.
fn is_final(error: &ChunkError) -> bool {
    matches!(error.trouble(), Trouble::Storage | Trouble::WrongKey | Trouble::NotAllowed | Trouble::Interrupted)
}
