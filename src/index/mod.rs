//! Chunk to location, for one domain of one vault; and the one place where dedup is decided, [`Index::claim`].
//!
//! Three layers, looked at newest first: rows of this push, which no log entry names yet; rows of newer deltas, in
//! memory; and a large sorted file. The last two are a local copy of the vault's tables, and hold ids and names of
//! packs, nothing of what is in them. A copy that is damaged is dropped: the vault has everything that is in it.

mod base;
mod file;
mod filter;
mod memory;
mod recent;
mod table;

pub use table::{MAX_DELTAS, MAX_DELTAS_OF_ANOTHER_SET, MAX_LOCATIONS, MergePlan, TableInfo, merge_plan, merge_tables};

use crate::store::{PackReceipt, StoredDelta, StoredPack};
use base::Base;
use file::Cursor;
use memory::Rows;
use std::collections::{BTreeSet, HashSet, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::{fs, io};
use table::TableBuilder;
use vault_format::ids::{ChunkId, DeviceId, Domain, VaultId};
use vault_format::index::{PackRef, SIZE_UNIT, SegmentRef, Table, TableKind};
use vault_format::log::{DeltaPart, IndexName};
use vault_format::name::PackName;
use vault_format::pack::{ChunkType, FooterSegment};

/// Where the chunks of one domain are. Shared by all workers of a push; every method takes `&self`.
#[derive(Debug)]
pub struct Index {
    tags: Tags,
    folder: Option<PathBuf>,
    layers: RwLock<Layers>,
    /// Chunks that a worker of this push has claimed and that are not stored yet.
    claims: Vec<Mutex<HashSet<ChunkId>>>,
    queue: Mutex<Queue>,
    damaged: AtomicBool,
}

/// Whose chunks an index holds. The local copy of another vault, domain or store is never taken for this one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tags {
    /// The vault.
    pub vault: VaultId,
    /// The domain: ids are looked up only within it.
    pub domain: Domain,
    /// The store: another one may lack packs that this one has.
    pub store: [u8; 16],
}

/// Who is to store a chunk.
#[derive(Debug)]
pub enum Claim {
    /// Nobody: it is in the vault.
    Known,
    /// The caller, who now holds the only ticket for it.
    Mine(ClaimTicket),
    /// Another worker of this push: it is in the vault once all packs of the push are stored.
    Pending,
}

/// The duty to store a chunk: it goes into a pack, or back by [`Index::abandon`].
#[derive(Debug, PartialEq, Eq)]
#[must_use = "a claimed chunk that is not stored is missing from the vault"]
pub struct ClaimTicket {
    id: ChunkId,
    chunk_type: ChunkType,
}

impl ClaimTicket {
    /// The chunk.
    pub fn id(&self) -> ChunkId {
        self.id
    }

    /// What it is: decides between data and tree packs.
    pub fn chunk_type(&self) -> ChunkType {
        self.chunk_type
    }
}

/// Where a chunk is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Location {
    /// The pack.
    pub pack: PackName,
    /// Its stored bytes.
    pub pack_size: u64,
    /// The segment's number in the pack.
    pub slot: u32,
    /// Of the segment's frame in the pack.
    pub offset: u32,
    /// Bytes of the segment's frame.
    pub frame_len: u32,
    /// Plain bytes of the segment.
    pub plain_len: u32,
    /// Of the chunk in the plain segment.
    pub chunk_offset: u32,
    /// Plain bytes of the chunk.
    pub len: u32,
}

/// Rows that no log entry names yet, to be sealed, stored and named. Names stored packs only: it can be made from
/// [`StoredPack`]s alone.
#[derive(Debug)]
pub struct Delta {
    table: Table,
    packs: Vec<PackReceipt>,
    part: Option<DeltaPart>,
}

impl Delta {
    /// The table, within the limit of its size.
    pub fn table(&self) -> &Table {
        &self.table
    }

    /// The packs that it names, as [`Store::put_delta`](crate::store::Store::put_delta) wants them.
    pub fn packs(&self) -> &[PackReceipt] {
        &self.packs
    }

    /// What it can hold, if it is one of several that were made together.
    pub fn part(&self) -> Option<DeltaPart> {
        self.part
    }
}

/// What is wrong with the local copy. Never with the vault.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IndexError {
    /// It is not what was written. Load the index anew: it will be empty, and filled from the vault.
    #[error("the local copy of the index is damaged: {what}")]
    Damaged {
        /// The part that is.
        what: &'static str,
    },
    /// It cannot be read.
    #[error("the local copy of the index cannot be read")]
    Read(#[source] io::Error),
    /// It cannot be written: the next push will read more from the vault.
    #[error("the local copy of the index cannot be written")]
    Write(#[source] io::Error),
}

impl Index {
    /// Opens the local copy in `folder`; without one, with a damaged one, or one of another vault, the index starts empty.
    /// The caller absorbs what [`Index::covered`] lacks. The second value says what was wrong, for a message.
    pub fn load(folder: Option<&Path>, tags: Tags) -> (Self, Option<IndexError>) {
        let (mut layers, mut trouble) = (Layers::default(), None);
        if let Some(folder) = folder {
            let (base, recent) = (folder.join(BASE), folder.join(RECENT));
            match Base::open(&base, &tags) {
                Ok(base) => layers.base = base,
                Err(error) => trouble = Some(drop_copy(&base, error)),
            }
            match recent::load(&recent, &tags) {
                Ok(loaded) => (layers.recent, layers.recent_covered) = loaded.unwrap_or_default(),
                Err(error) => trouble = Some(drop_copy(&recent, error)),
            }
        }
        let index = Self {
            tags,
            folder: folder.map(Path::to_owned),
            layers: RwLock::new(layers),
            claims: (0..CLAIM_SHARDS).map(|_| Mutex::default()).collect(),
            queue: Mutex::default(),
            damaged: AtomicBool::new(false),
        };
        (index, trouble)
    }

    /// The deltas and shards whose rows are in here.
    pub fn covered(&self) -> BTreeSet<IndexName> {
        self.read().covered()
    }

    /// Locations in the index. A location that two layers hold counts twice.
    pub fn len(&self) -> u64 {
        let layers = self.read();
        layers.base.as_ref().map_or(0, Base::len) + (layers.recent.len() + layers.own.len()) as u64
    }

    /// Whether nothing is in the index.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether the local copy turned out to be damaged since it was loaded. A push goes on: what cannot be read is stored again.
    pub fn is_damaged(&self) -> bool {
        self.damaged.load(Relaxed)
    }

    /// Adds the rows of a table that counts (SPEC section 8). Those of a delta may only point into packs of its writer, those
    /// of a shard of a device with `read` anywhere. Returns how many rows were refused for that.
    pub fn absorb(&self, name: IndexName, table: &Table) -> Result<u64, IndexError> {
        self.take_in(name, table, (!name.shard).then_some(name.device))
    }

    fn take_in(&self, name: IndexName, table: &Table, writer: Option<DeviceId>) -> Result<u64, IndexError> {
        let mut layers = self.write();
        let refused = layers.add_table(table, writer);
        layers.recent_covered.insert(name);
        if self.folder.is_some() && layers.recent.len() > layers.merge_rows() {
            self.merge(&mut layers)?;
        }
        Ok(refused)
    }

    /// What a log entry now names of this push: from here on its rows are kept in the local copy.
    pub fn absorb_own(&self, stored: &StoredDelta, delta: &Delta) -> Result<(), IndexError> {
        let name = IndexName { shard: false, device: stored.device(), hash: stored.hash() };
        self.take_in(name, &delta.table, None)?;
        let mut queue = lock(&self.queue);
        queue.unnamed = queue.unnamed.saturating_sub(1);
        if queue.unnamed == 0 && queue.packs.is_empty() {
            self.write().own = Rows::default();
        }
        Ok(())
    }

    /// Packs that an authentic condemn names: a chunk that is in no others is claimable (SPEC section 10.4, rule 3).
    pub fn set_condemned(&self, packs: HashSet<PackName>) {
        self.write().condemned = packs;
    }

    /// All packs that rows of tables or of this push are in, and some that none is in any more.
    pub fn packs(&self) -> Vec<PackRef> {
        let layers = self.read();
        let base = layers.base.iter().flat_map(Base::packs);
        base.chain(layers.recent.packs()).chain(layers.own.packs()).copied().collect()
    }

    /// Packs that are gone from the store: as if they were in no table.
    pub fn set_deleted(&self, packs: HashSet<PackName>) {
        self.write().deleted = packs;
    }

    /// Decides who stores a chunk. Exactly one worker of a push gets [`Claim::Mine`] for a chunk.
    pub fn claim(&self, id: ChunkId, chunk_type: ChunkType) -> Claim {
        let mut claims = lock(self.claims_of(&id));
        if claims.contains(&id) {
            return Claim::Pending;
        }
        // With the claims locked: what was pending a moment ago is in the layers by now, or pending still.
        if self.is_known(&id) {
            return Claim::Known;
        }
        claims.insert(id);
        Claim::Mine(ClaimTicket { id, chunk_type })
    }

    /// Gives a claim back, so that another worker may have it.
    pub fn abandon(&self, ticket: ClaimTicket) {
        lock(self.claims_of(&ticket.id)).remove(&ticket.id);
    }

    /// Claimed chunks that are not stored. A snapshot may be written only when there are none.
    pub fn pending(&self) -> usize {
        self.claims.iter().map(|claims| lock(claims).len()).sum()
    }

    /// A pack is stored: its chunks are known from now on, and are in a delta to come.
    pub fn stored(&self, pack: &StoredPack) {
        let reference = pack_ref(&pack.receipt());
        {
            // One step with the queue: `absorb_own` forgets these rows only when the queue is empty.
            let mut queue = lock(&self.queue);
            let mut layers = self.write();
            for_each_chunk(pack.segments(), |segment, id, offset, len| {
                let segment = layers.own.segment(&reference, segment);
                layers.own.insert(segment, id, offset, len);
            });
            queue.packs.push_back(Queued::new(pack));
        }
        for chunk in pack.segments().iter().flat_map(|segment| &segment.chunks) {
            lock(self.claims_of(&chunk.id)).remove(&chunk.id);
        }
    }

    /// Whether the rows that wait for a delta would about fill one: then it is time to write it.
    pub fn delta_is_full(&self) -> bool {
        let waiting = lock(&self.queue);
        let chunks: usize = waiting.packs.iter().map(Queued::rows).sum();
        chunks >= DELTA_ROWS
    }

    /// Packs that were stored since the last delta.
    pub fn unnamed_packs(&self) -> usize {
        lock(&self.queue).packs.len()
    }

    /// The rows of packs that were stored since the last delta, as many as fit into one; `None` when there are none.
    pub fn take_delta(&self) -> Option<Delta> {
        let mut queue = lock(&self.queue);
        let mut builder = TableBuilder::new(TableKind::Delta);
        let mut packs = Vec::new();
        while let Some(pack) = queue.packs.front_mut() {
            let before = pack.next;
            let all = pack.add_to(&mut builder);
            if pack.next != before {
                packs.push(pack.receipt);
            }
            if !all {
                break;
            }
            queue.packs.pop_front();
        }
        let table = builder.finish()?;
        queue.unnamed += 1;
        Some(Delta { table, packs, part: None })
    }

    /// All rows of packs that were stored since the last delta. Many are cut into deltas that a reader of one file can tell
    /// apart: those of tree packs, and those of data packs by ranges of ids (SPEC section 8).
    pub fn take_deltas(&self) -> Vec<Delta> {
        let packs: Vec<Queued> = {
            let mut queue = lock(&self.queue);
            let rows: usize = queue.packs.iter().map(Queued::rows).sum();
            if rows < PART_ROWS / 2 {
                drop(queue);
                return std::iter::from_fn(|| self.take_delta()).collect();
            }
            // Not named yet from here on: what is stored meanwhile must not make anybody forget these rows.
            queue.unnamed += 1;
            queue.packs.drain(..).collect()
        };
        let (trees, data): (Vec<Queued>, Vec<Queued>) = packs.into_iter().partition(|pack| pack.receipt.name().tree);
        let mut deltas = cut(&trees, 1, true);
        let rows: usize = data.iter().map(Queued::rows).sum();
        let segments: usize = data.iter().map(Queued::segments).sum();
        // Every part repeats the segments that its rows are in.
        let parts = rows.div_ceil(PART_ROWS).min(rows / (PART_SEGMENT_ROWS * segments.max(1))).max(1);
        deltas.extend(cut(&data, parts, false));
        let mut queue = lock(&self.queue);
        queue.unnamed = queue.unnamed + deltas.len() - 1;
        deltas
    }

    /// Where a chunk is: newest first, condemned packs last, up to [`MAX_LOCATIONS`].
    pub fn locate(&self, id: &ChunkId) -> Result<Vec<Location>, IndexError> {
        let mut places = self.read().places(id).inspect_err(|_| self.damaged.store(true, Relaxed))?;
        places.truncate(MAX_LOCATIONS);
        Ok(places.iter().map(Place::location).collect())
    }

    /// Writes the local copy. Rows of this push that no log entry names are not in it: nobody else would find them.
    pub fn save(&self) -> Result<(), IndexError> {
        let Some(folder) = &self.folder else {
            return Ok(());
        };
        if self.is_damaged() {
            drop_copy(&folder.join(BASE), IndexError::Damaged { what: "a block" });
            drop_copy(&folder.join(RECENT), IndexError::Damaged { what: "a block" });
            return Ok(());
        }
        fs::create_dir_all(folder).map_err(IndexError::Write)?;
        let mut layers = self.write();
        if layers.recent.len() > (layers.growth() / 4).clamp(RECENT_ROWS, MERGE_ROWS) {
            return self.merge(&mut layers);
        }
        recent::save(&folder.join(RECENT), &self.tags, &layers.recent, &layers.recent_covered)
    }

    fn is_known(&self, id: &ChunkId) -> bool {
        let known = self.read().is_known(id);
        known.unwrap_or_else(|_| {
            self.damaged.store(true, Relaxed);
            false
        })
    }

    /// Moves the recent rows into a new base file. On an error everything stays as it was.
    fn merge(&self, layers: &mut Layers) -> Result<(), IndexError> {
        let Some(folder) = &self.folder else {
            return Ok(());
        };
        fs::create_dir_all(folder).map_err(IndexError::Write)?;
        let Layers { base, recent, condemned, deleted, .. } = &*layers;
        let path = folder.join(BASE);
        let merged = base::merge(&path, &self.tags, base.as_ref(), recent, &layers.covered(), condemned, deleted);
        let merged = merged.inspect_err(|error| {
            if matches!(error, IndexError::Damaged { .. }) {
                self.damaged.store(true, Relaxed);
            }
        })?;
        layers.base = Some(merged);
        layers.recent = Rows::default();
        layers.recent_covered.clear();
        match fs::remove_file(folder.join(RECENT)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(IndexError::Write(error)),
            _ => Ok(()),
        }
    }

    fn claims_of(&self, id: &ChunkId) -> &Mutex<HashSet<ChunkId>> {
        &self.claims[usize::from(id.0[0]) % CLAIM_SHARDS]
    }

    fn read(&self) -> RwLockReadGuard<'_, Layers> {
        self.layers.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Layers> {
        self.layers.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl IndexError {
    fn from_read(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::UnexpectedEof => Self::Damaged { what: "it is too short" },
            _ => Self::Read(error),
        }
    }

    fn from_write(error: io::Error) -> Self {
        Self::Write(error)
    }
}

impl Tags {
    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.vault.0);
        out.extend_from_slice(&self.domain.0);
        out.extend_from_slice(&self.store);
    }

    fn parse(cursor: &mut Cursor<'_>) -> Option<Self> {
        let (vault, domain, store) = (VaultId(cursor.array()?), Domain(cursor.array()?), cursor.array()?);
        Some(Self { vault, domain, store })
    }
}

#[derive(Debug, Default)]
struct Layers {
    base: Option<Base>,
    /// Rows of tables that count and that the base lacks, and those tables.
    recent: Rows,
    recent_covered: BTreeSet<IndexName>,
    /// Rows of this push.
    own: Rows,
    condemned: HashSet<PackName>,
    deleted: HashSet<PackName>,
}

impl Layers {
    /// Rows in memory that are worth rewriting the base for.
    fn growth(&self) -> usize {
        self.base.as_ref().map_or(0, Base::len) as usize / 16
    }

    /// Rows in memory that are merged at once.
    fn merge_rows(&self) -> usize {
        self.growth().clamp(MERGE_ROWS, 4 * MERGE_ROWS)
    }

    fn covered(&self) -> BTreeSet<IndexName> {
        let base = self.base.iter().flat_map(Base::covered);
        base.chain(&self.recent_covered).copied().collect()
    }

    fn add_table(&mut self, table: &Table, writer: Option<DeviceId>) -> u64 {
        let mut refused = 0;
        // For each pack: not refused, not deleted.
        let packs: Vec<(bool, bool)> = table
            .packs
            .iter()
            .map(|pack| {
                let own = writer.is_none_or(|writer| writer == pack.name.device);
                (own, !self.deleted.contains(&pack.name))
            })
            .collect();
        let mut numbers: Vec<Option<u32>> = vec![None; table.segments.len()];
        for row in &table.rows {
            let segment = &table.segments[row.segment as usize];
            match packs[segment.pack as usize] {
                (false, _) => refused += 1,
                (true, false) => {}
                (true, true) => {
                    let pack = &table.packs[segment.pack as usize];
                    let number =
                        *numbers[row.segment as usize].get_or_insert_with(|| self.recent.segment(pack, segment));
                    self.recent.insert(number, row.id, row.offset, row.len);
                }
            }
        }
        refused
    }

    fn is_known(&self, id: &ChunkId) -> Result<bool, IndexError> {
        let barred = |pack: &PackRef| self.condemned.contains(&pack.name) || self.deleted.contains(&pack.name);
        let counts = |rows: &Rows| rows.find(id).any(|row| !barred(&rows.place(row).pack));
        if counts(&self.own) || counts(&self.recent) {
            return Ok(true);
        }
        let Some(base) = &self.base else {
            return Ok(false);
        };
        let rows = base.find(id)?;
        if self.condemned.is_empty() && self.deleted.is_empty() {
            return Ok(!rows.is_empty());
        }
        for row in &rows {
            if !barred(&base.place(row)?.pack) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn places(&self, id: &ChunkId) -> Result<Vec<Place>, IndexError> {
        let mut places: Vec<Place> = Vec::new();
        let mut add = |place: Place| {
            let known = places.iter().any(|p| (p.pack.name, p.segment.slot) == (place.pack.name, place.segment.slot));
            if !known && !self.deleted.contains(&place.pack.name) {
                places.push(place);
            }
        };
        for rows in [&self.own, &self.recent] {
            rows.find(id).for_each(|row| add(rows.place(row)));
        }
        if let Some(base) = &self.base {
            for row in base.find(id)? {
                add(base.place(&row)?);
            }
        }
        places.sort_by_key(|place| self.condemned.contains(&place.pack.name));
        Ok(places)
    }
}

/// A location in any layer.
#[derive(Clone, Copy, Debug)]
struct Place {
    pack: PackRef,
    segment: SegmentRef,
    offset: u32,
    len: u32,
}

impl Place {
    fn location(&self) -> Location {
        Location {
            pack: self.pack.name,
            pack_size: u64::from(self.pack.size_units) * SIZE_UNIT as u64,
            slot: self.segment.slot,
            offset: self.segment.offset,
            frame_len: self.segment.frame_len,
            plain_len: self.segment.plain_len,
            chunk_offset: self.offset,
            len: self.len,
        }
    }
}

/// Stored packs whose rows are in no delta yet.
#[derive(Debug, Default)]
struct Queue {
    packs: VecDeque<Queued>,
    /// Deltas that were taken and that no log entry names yet.
    unnamed: usize,
}

#[derive(Debug)]
struct Queued {
    receipt: PackReceipt,
    rows: Vec<QueuedRow>,
    next: usize,
}

/// Segment, chunk, its offset and length.
type QueuedRow = (SegmentRef, ChunkId, u32, u32);

impl Queued {
    fn new(pack: &StoredPack) -> Self {
        let receipt = pack.receipt();
        let mut rows = Vec::new();
        for_each_chunk(pack.segments(), |segment, id, offset, len| {
            rows.push((*segment, id, offset, len));
        });
        Self { receipt, rows, next: 0 }
    }

    /// Segments of the rows that still wait.
    fn segments(&self) -> usize {
        self.rows[self.next..].chunk_by(|a, b| a.0.slot == b.0.slot).count()
    }

    /// Rows that still wait.
    fn rows(&self) -> usize {
        self.rows.len() - self.next
    }

    /// Adds the rows that fit; `false` if some did not.
    fn add_to(&mut self, builder: &mut TableBuilder) -> bool {
        let pack = pack_ref(&self.receipt);
        for (segment, id, offset, len) in &self.rows[self.next..] {
            if !builder.add(&pack, segment, *id, *offset, *len) {
                return false;
            }
            self.next += 1;
        }
        true
    }
}

/// Deltas of all rows of these packs, in `parts` ranges of ids of about the same number of rows.
fn cut(packs: &[Queued], parts: usize, trees: bool) -> Vec<Delta> {
    let mut rows: Vec<_> =
        packs.iter().flat_map(|pack| pack.rows[pack.next..].iter().map(move |row| (pack, row))).collect();
    rows.sort_by_key(|(_, (_, id, ..))| *id);
    let mut deltas = Vec::new();
    for part in rows.chunks(rows.len().div_ceil(parts).max(1)) {
        let mut rest = part;
        while !rest.is_empty() {
            let mut builder = TableBuilder::new(TableKind::Delta);
            let fits = |(pack, (segment, id, offset, len)): &(&Queued, &QueuedRow)| {
                builder.add(&pack_ref(&pack.receipt), segment, *id, *offset, *len)
            };
            let taken = rest.iter().map(fits).take_while(|fits| *fits).count();
            let (these, left) = rest.split_at(taken);
            rest = left;
            let (Some(table), Some((_, first)), Some((_, last))) = (builder.finish(), these.first(), these.last())
            else {
                break;
            };
            let named: HashSet<PackName> = table.packs.iter().map(|pack| pack.name).collect();
            let packs = packs.iter().map(|pack| pack.receipt).filter(|pack| named.contains(&pack.name())).collect();
            let (first, last) = (DeltaPart::prefix(&first.1), DeltaPart::prefix(&last.1));
            let part = DeltaPart { data: !trees, trees, first, last };
            deltas.push(Delta { table, packs, part: Some(part) });
        }
    }
    deltas
}

/// Calls `each` with the segment, the chunk's id, its offset in the segment, and its length.
fn for_each_chunk(segments: &[FooterSegment], mut each: impl FnMut(&SegmentRef, ChunkId, u32, u32)) {
    for (segment, slot) in segments.iter().zip(0..) {
        let FooterSegment { offset, frame_len, plain_len, .. } = *segment;
        let reference = SegmentRef { pack: 0, slot, offset, frame_len, plain_len };
        let mut chunk_offset = 0;
        for chunk in &segment.chunks {
            each(&reference, chunk.id, chunk_offset, chunk.len);
            chunk_offset = chunk.len.saturating_add(chunk_offset);
        }
    }
}

fn pack_ref(receipt: &PackReceipt) -> PackRef {
    let size_units = receipt.size().div_ceil(SIZE_UNIT as u64) as u16;
    PackRef { name: receipt.name(), size_units }
}

/// Deletes a file that is of no use; that it could not be deleted changes nothing.
fn drop_copy(path: &Path, error: IndexError) -> IndexError {
    let _ = fs::remove_file(path);
    error
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A delta of 4 MiB holds about 98,000 rows.
const DELTA_ROWS: usize = 80_000;
/// Rows of a delta that is one of several; half as many are one delta.
const PART_ROWS: usize = 10_000;
/// Rows that every part has for each segment on average, at least.
const PART_SEGMENT_ROWS: usize = 8;
/// The large file.
const BASE: &str = "base.rows";
/// The small file.
const RECENT: &str = "recent.rows";
/// Workers that claim different chunks seldom wait for each other.
const CLAIM_SHARDS: usize = 64;
/// Rows in memory, about 10 MiB, from which on they are merged at once; four times as many beside a very large base.
const MERGE_ROWS: usize = 100_000;
/// Rows that stay in the small file however small the large one is: reading them takes about a millisecond.
const RECENT_ROWS: usize = 16_384;

#[cfg(test)]
mod tests;
