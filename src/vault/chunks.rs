//! Chunks of an opened vault, read back: located, fetched, opened, and their ids recomputed.

use std::collections::{HashMap, VecDeque};
use std::ops::Range;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use thiserror::Error;
use vault_format::name::{ObjectName, PackName};
use vault_format::pack::{ChunkType, FooterSegment};
use vault_format::{ChunkId, Domain, Scope};

use super::{Vault, VaultError};
use crate::Trouble;
use crate::index::{IndexError, Location};
use crate::keys::DomainKeys;
use crate::manifest::ChunkSource;
use crate::parallel;
use crate::stage::IdKeys;
use crate::stage::Opener;
use crate::stage::{PackError, PackHead, Tail};
use crate::store::StoreError;
use crate::sync::lock;

/// Why a chunk cannot be had.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ChunkError {
    /// No index names it.
    #[error("chunk {0:.16} is in no index of the vault")]
    Unknown(ChunkId),
    /// Its pack cannot be read.
    #[error("the pack {pack} cannot be read")]
    Store {
        /// Path of the pack.
        pack: String,
        /// Why.
        #[source]
        error: StoreError,
    },
    /// Its pack is damaged.
    #[error("the pack {pack} is damaged")]
    Damaged {
        /// Path of the pack.
        pack: String,
        /// How.
        #[source]
        error: PackError,
    },
    /// What is stored in its place is another chunk.
    #[error("the pack {pack} holds something else in the place of chunk {id:.16}")]
    Swapped {
        /// Path of the pack.
        pack: String,
        /// The chunk.
        id: ChunkId,
    },
    /// The local copy of the index is damaged.
    #[error(transparent)]
    Index(#[from] IndexError),
    /// The keys of the pack's epoch are missing.
    #[error(transparent)]
    Vault(#[from] VaultError),
}

impl ChunkError {
    /// Whether it may be over in a moment.
    pub(super) fn is_passing(&self) -> bool {
        matches!(self, Self::Store { error, .. } if error.is_transient())
    }

    /// What kind of trouble this is.
    pub fn trouble(&self) -> Trouble {
        match self {
            Self::Store { error, .. } if !matches!(error, StoreError::NotFound { .. }) => error.trouble(),
            Self::Vault(error) => error.trouble(),
            Self::Index(_) => Trouble::Failed,
            _ => Trouble::Integrity,
        }
    }

    /// Path of the pack that is to blame, if one is.
    pub fn pack(&self) -> Option<&str> {
        match self {
            Self::Store { pack, .. } | Self::Damaged { pack, .. } | Self::Swapped { pack, .. } => Some(pack),
            _ => None,
        }
    }
}

/// The chunks of a source, in its domain and scope.
pub(crate) struct Chunks<'a> {
    vault: &'a Vault,
    domain: Domain,
    ids: IdKeys,
    /// Most of the tree will be read: its packs are fetched whole.
    most: bool,
    /// What the store does not give is read from another one.
    elsewhere: bool,
    /// What no table that counts knows is looked for in the others.
    beyond: bool,
    state: Mutex<State>,
}

/// How far a chunk is looked for.
#[derive(Clone, Copy)]
enum Search {
    /// As many tables as it takes to find a place.
    Needed,
    /// All that count.
    Counting,
    /// All that there are.
    Beyond,
}

#[derive(Default)]
struct State {
    opener: Opener,
    /// Segments opened last, newest at the end.
    segments: VecDeque<((PackName, u32), Bytes)>,
}

/// The opened beginnings of packs, shared by all readers of a run.
#[derive(Default)]
pub(crate) struct PackHeads(Mutex<HashMap<PackName, Arc<PackHead>>>);

impl<'a> Chunks<'a> {
    pub(super) fn new(vault: &'a Vault, domain: &DomainKeys, scope: Scope) -> Self {
        let (domain, ids) = (domain.domain, domain.id_keys(scope));
        Self { vault, domain, ids, most: false, elsewhere: true, beyond: true, state: Mutex::default() }
    }

    /// The same for somebody who reads most of a tree.
    pub(crate) fn most(self) -> Self {
        Self { most: true, ..self }
    }

    /// The same for somebody who wants to know what this store has.
    pub(crate) fn only_here(self) -> Self {
        Self { elsewhere: false, ..self }
    }

    /// The same for a push, which goes on from what it reads.
    pub(crate) fn only_counting(self) -> Self {
        Self { beyond: false, ..self }
    }

    /// The domain in which ids are looked up.
    pub(crate) fn domain(&self) -> Domain {
        self.domain
    }

    /// The keys of this source's ids.
    pub(crate) fn ids(&self) -> &IdKeys {
        &self.ids
    }

    fn read(&self, id: &ChunkId, chunk_type: ChunkType) -> Result<Bytes, ChunkError> {
        let mut last = ChunkError::Unknown(*id);
        let mut tried = Vec::new();
        for search in [Search::Needed, Search::Counting, Search::Beyond] {
            if !tried.is_empty() && last.trouble() != Trouble::Integrity {
                break;
            }
            let places = match search {
                Search::Needed => self.vault.locate(self.domain, id, chunk_type)?,
                // Where it should be it is not: tables that were not needed so far may know of another copy.
                Search::Counting => self.vault.index_of(self.domain)?.locate(id)?,
                Search::Beyond if !self.beyond => break,
                Search::Beyond => self.vault.locate_beyond(self.domain, id, chunk_type)?,
            };
            for place in places {
                if tried.contains(&place) {
                    continue;
                }
                match self.read_at(&place, id, chunk_type) {
                    Ok(bytes) => return Ok(bytes),
                    Err(error) => last = error,
                }
                tried.push(place);
            }
        }
        Err(last)
    }

    fn read_at(&self, place: &Location, id: &ChunkId, chunk_type: ChunkType) -> Result<Bytes, ChunkError> {
        let mut state = lock(&self.state);
        let key = (place.pack, place.slot);
        let known = state.segments.iter().position(|(known, _)| *known == key);
        let segment = match known {
            Some(at) => state.segments[at].1.clone(),
            None => {
                let segment = match self.elsewhere {
                    true => self.vault.segment_here_or_elsewhere(&mut state.opener, place, self.most)?,
                    false => self.vault.read_segment(&mut state.opener, place, self.most)?,
                };
                if state.segments.len() == SEGMENTS {
                    state.segments.pop_front();
                }
                state.segments.push_back((key, segment.clone()));
                segment
            }
        };
        drop(state);
        let range = place.chunk_offset as usize..(place.chunk_offset + place.len) as usize;
        let swapped = || ChunkError::Swapped { pack: path_of(&place.pack), id: *id };
        if range.end > segment.len() {
            return Err(swapped());
        }
        let chunk = segment.slice(range);
        if self.ids.id(chunk_type, &chunk) != *id {
            return Err(swapped());
        }
        Ok(chunk)
    }
}

impl ChunkSource for Chunks<'_> {
    type Error = ChunkError;

    fn get(&self, id: &ChunkId, chunk_type: ChunkType) -> Result<Bytes, ChunkError> {
        self.read(id, chunk_type)
    }
}

impl Vault {
    /// The plain bytes of a segment.
    pub(super) fn read_segment(&self, opener: &mut Opener, place: &Location, most: bool) -> Result<Bytes, ChunkError> {
        match self.try_segment(opener, place, most) {
            // The local copy is spoilt, and not the vault.
            Err((_, true)) => {
                self.tree_packs.drop_copy(&place.pack);
                self.try_segment(opener, place, most)
            }
            result => result,
        }
        .map_err(|(error, _)| error)
    }

    /// The error says whether the local copy is to blame.
    fn try_segment(&self, opener: &mut Opener, place: &Location, most: bool) -> Result<Bytes, (ChunkError, bool)> {
        let range = u64::from(place.offset)..u64::from(place.offset) + u64::from(place.frame_len);
        let frame = || self.tree_packs.read(self.store(), &place.pack, place.pack_size, range, most);
        let start = self.head_range(place.pack_size);
        let known = lock(&self.heads.0).get(&place.pack).cloned();
        let (frame, head) = match known {
            Some(head) => (frame(), Ok((head, false))),
            // With the whole pack, or its first window, the beginning comes along.
            None if most || start.end > u64::from(place.offset) => {
                (frame(), self.find_head(&place.pack, place.pack_size))
            }
            None => parallel::both(frame, || self.find_head(&place.pack, place.pack_size)),
        };
        let frame = frame.map_err(|error| (ChunkError::Store { pack: path_of(&place.pack), error }, false))?;
        let (head, local_head) = head?;
        let plain = head
            .open_segment(opener, place.slot, &frame.bytes, place.plain_len)
            .map_err(|error| (ChunkError::Damaged { pack: path_of(&place.pack), error }, frame.local || local_head))?;
        Ok(Bytes::copy_from_slice(plain))
    }

    /// The opened beginning of a pack: its header checked against its place, its commitment against its key.
    pub(crate) fn pack_head(&self, pack: &PackName, size: u64) -> Result<Arc<PackHead>, ChunkError> {
        let head = match self.find_head(pack, size) {
            Err((_, true)) => {
                self.tree_packs.drop_copy(pack);
                self.find_head(pack, size)
            }
            result => result,
        };
        head.map(|(head, _)| head).map_err(|(error, _)| error)
    }

    /// The error says whether the local copy is to blame, and so does the second value.
    fn find_head(&self, pack: &PackName, size: u64) -> Result<(Arc<PackHead>, bool), (ChunkError, bool)> {
        if let Some(head) = lock(&self.heads.0).get(pack) {
            return Ok((Arc::clone(head), false));
        }
        let range = self.head_range(size);
        let (start, local) = match self.tree_packs.at_hand(pack, size, &range) {
            Some(part) => (part.bytes, part.local),
            // As long for every pack of a suite, so that it tells nothing (SPEC section 6).
            None => {
                let name = ObjectName::Pack(*pack);
                let read = self.store().get_range(&name, range);
                (read.map_err(|error| (ChunkError::Store { pack: name.to_path(), error }, false))?, false)
            }
        };
        let head = self.take_head(pack, &start).map_err(|error| (error, local))?;
        Ok((head, local))
    }

    fn head_range(&self, size: u64) -> Range<u64> {
        0..(PackHead::MAX_LEN as u64).min(size)
    }

    /// The same, from bytes that were read already; remembered.
    pub(crate) fn take_head(&self, pack: &PackName, start: &[u8]) -> Result<Arc<PackHead>, ChunkError> {
        let head = Arc::new(self.open_head(pack, start)?);
        lock(&self.heads.0).insert(*pack, Arc::clone(&head));
        Ok(head)
    }

    /// The same, from bytes that were read already.
    pub(crate) fn open_head(&self, pack: &PackName, start: &[u8]) -> Result<PackHead, ChunkError> {
        PackHead::parse(self.provider(), start, &self.expected_pack(pack), |header, clear| {
            self.pack_dek(header, clear).map_err(Into::into)
        })
        .map_err(|error| ChunkError::Damaged { pack: path_of(pack), error })
    }
}

impl Vault {
    /// What a pack's own footer says is in it.
    pub(crate) fn footer(&self, pack: &PackName, size: u64) -> Result<Vec<FooterSegment>, ChunkError> {
        let head = self.pack_head(pack, size)?;
        let name = ObjectName::Pack(*pack);
        let mut from = size.saturating_sub(TAIL);
        loop {
            let tail = self
                .store()
                .get_windows(&name, from, size - from, size)
                .map_err(|error| ChunkError::Store { pack: name.to_path(), error })?;
            let read = head
                .read_tail(&mut Opener::new(), size as usize, &tail)
                .map_err(|error| ChunkError::Damaged { pack: name.to_path(), error })?;
            match read {
                Tail::Footer(footer) => return Ok(footer.segments),
                Tail::From(earlier) => from = earlier as u64,
            }
        }
    }
}

pub(crate) fn path_of(pack: &PackName) -> String {
    ObjectName::Pack(*pack).to_path()
}

/// Most footers lie in the last window.
const TAIL: u64 = vault_format::pack::WINDOW as u64;
/// Opened segments kept: a manifest is read in order, but a tree's levels alternate.
const SEGMENTS: usize = 6;
