//! Rows in memory: those of newer deltas, and those of the push that is under way.

use super::Place;
use std::collections::{HashMap, hash_map::Entry};
use vault_format::ids::ChunkId;
use vault_format::index::{PackRef, SegmentRef};
use vault_format::name::PackName;

/// A set of rows that grows.
#[derive(Debug, Default)]
pub(super) struct Rows {
    packs: Vec<PackRef>,
    pack_numbers: HashMap<PackName, u32>,
    segments: Vec<SegmentRef>,
    segment_numbers: HashMap<(u32, u32), u32>,
    /// The newest row of each id; older ones follow by `next`.
    newest: HashMap<ChunkId, u32>,
    rows: Vec<MemoryRow>,
}

/// A location of a chunk, 16 bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct MemoryRow {
    pub(super) segment: u32,
    pub(super) offset: u32,
    pub(super) len: u32,
    next: u32,
}

impl Rows {
    /// Rows, all locations counted.
    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    /// Makes room for rows of so many ids.
    pub(super) fn reserve(&mut self, ids: usize) {
        self.newest.reserve(ids);
        self.rows.reserve(ids);
    }

    pub(super) fn packs(&self) -> &[PackRef] {
        &self.packs
    }

    pub(super) fn segments(&self) -> &[SegmentRef] {
        &self.segments
    }

    /// Notes a location, once, in a segment that [`Rows::segment`] has numbered.
    pub(super) fn insert(&mut self, segment: u32, id: ChunkId, offset: u32, len: u32) {
        let number = self.rows.len() as u32;
        let mut next = NONE;
        match self.newest.entry(id) {
            Entry::Vacant(vacant) => drop(vacant.insert(number)),
            Entry::Occupied(mut newest) => {
                next = *newest.get();
                if chain(&self.rows, next).any(|row| row.segment == segment) {
                    return;
                }
                newest.insert(number);
            }
        }
        self.rows.push(MemoryRow { segment, offset, len, next });
    }

    /// The number of a segment. `segment.pack` is not looked at.
    pub(super) fn segment(&mut self, pack: &PackRef, segment: &SegmentRef) -> u32 {
        let pack_number = *self.pack_numbers.entry(pack.name).or_insert_with(|| {
            self.packs.push(*pack);
            self.packs.len() as u32 - 1
        });
        *self.segment_numbers.entry((pack_number, segment.slot)).or_insert_with(|| {
            self.segments.push(SegmentRef { pack: pack_number, ..*segment });
            self.segments.len() as u32 - 1
        })
    }

    /// The locations of a chunk, newest first.
    pub(super) fn find(&self, id: &ChunkId) -> impl Iterator<Item = &MemoryRow> {
        chain(&self.rows, self.newest.get(id).copied().unwrap_or(NONE))
    }

    pub(super) fn place(&self, row: &MemoryRow) -> Place {
        let segment = self.segments[row.segment as usize];
        Place { pack: self.packs[segment.pack as usize], segment, offset: row.offset, len: row.len }
    }

    /// All ids, ascending.
    pub(super) fn sorted_ids(&self) -> Vec<ChunkId> {
        let mut ids: Vec<ChunkId> = self.newest.keys().copied().collect();
        ids.sort_unstable();
        ids
    }
}

fn chain(rows: &[MemoryRow], first: u32) -> impl Iterator<Item = &MemoryRow> {
    std::iter::successors(rows.get(first as usize), |row| rows.get(row.next as usize))
}

/// No row has this number.
const NONE: u32 = u32::MAX;
