//! The large file of the local copy: rows sorted by id, read where they lie.
//!
//! ```text
//! block 0      head: what and whose this is, counts, length and checksum of the tail
//! blocks       rows       id 32 | segment u32 | offset u24 | len u24           97 to a block, ascending by id
//! blocks       segments   pack u32 | slot u32 | offset u32 | frame_len u32 | plain_len u32
//! tail         packs 51 bytes each | covered tables 49 each | first key of each block of rows u64 each | filters
//! ```
//!
//! The tail is in memory, 27 MiB for 10 million chunks; a lookup that passes the filter reads one block of rows.

use super::file::{
    Block, BlockWriter, Cursor, PACK_LEN, ROOM, TABLE_LEN, checksum, key, part, read_block, scan, seal_block,
    write_pack, write_table,
};
use super::filter::{Builder, Filters};
use super::memory::Rows;
use super::table::{MAX_LOCATIONS, Writers};
use super::{IndexError, Place, Tags};
use std::collections::{BTreeSet, HashMap, HashSet};
use std::fs::File;
use std::io::{BufWriter, Seek, SeekFrom, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;
use vault_format::ids::ChunkId;
use vault_format::index::{PackRef, SegmentRef};
use vault_format::log::IndexName;
use vault_format::name::PackName;

/// An open base file.
#[derive(Debug)]
pub(super) struct Base {
    file: File,
    head: Head,
    packs: Vec<PackRef>,
    covered: BTreeSet<IndexName>,
    /// The key of the first row of each block.
    fences: Vec<u64>,
    filters: Filters,
}

/// A row as it is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct BaseRow {
    pub(super) id: ChunkId,
    pub(super) segment: u32,
    pub(super) offset: u32,
    pub(super) len: u32,
}

#[derive(Clone, Debug)]
struct Head {
    tags: Tags,
    rows: u64,
    segments: u64,
    packs: u64,
    covered: u64,
    tail_len: u64,
    tail_sum: u64,
}

impl Base {
    /// Opens a file; `None` if there is none, or one of another vault, domain or store.
    pub(super) fn open(path: &Path, tags: &Tags) -> Result<Option<Self>, IndexError> {
        let file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(IndexError::from_read(error)),
        };
        let head = Head::parse(&read_block(&file, 0)?).ok_or(DAMAGED_HEAD)?;
        if head.tags != *tags {
            return Ok(None);
        }
        let len = file.metadata().map_err(IndexError::from_read)?.len();
        if head.tail_start().checked_add(head.tail_len) != Some(len) {
            return Err(DAMAGED_HEAD);
        }
        let mut tail = vec![0; head.tail_len as usize];
        file.read_exact_at(&mut tail, head.tail_start()).map_err(IndexError::from_read)?;
        if checksum(head.tail_start(), &tail) != head.tail_sum {
            return Err(DAMAGED_TAIL);
        }
        Self::with_tail(file, head, &tail).ok_or(DAMAGED_TAIL).map(Some)
    }

    /// Rows, all locations counted.
    pub(super) fn len(&self) -> u64 {
        self.head.rows
    }

    /// Packs that rows are in, or were.
    pub(super) fn packs(&self) -> &[PackRef] {
        &self.packs
    }

    pub(super) fn covered(&self) -> &BTreeSet<IndexName> {
        &self.covered
    }

    /// The locations of a chunk.
    pub(super) fn find(&self, id: &ChunkId) -> Result<Vec<BaseRow>, IndexError> {
        let mut found = Vec::new();
        if !self.filters.contains(id) {
            return Ok(found);
        }
        let key = key(id);
        let first = self.fences.partition_point(|fence| *fence < key).saturating_sub(1);
        let candidates = self.fences[first..].iter().take_while(|fence| **fence <= key).count();
        for number in first..first + candidates {
            let block = read_block(&self.file, 1 + number as u64)?;
            let count = (self.head.rows - number as u64 * ROWS_PER_BLOCK).min(ROWS_PER_BLOCK);
            let rows = &block[..ROOM].as_chunks::<ROW_LEN>().0[..count as usize];
            let start = rows.partition_point(|row| row[..ChunkId::LEN] < id.0[..]);
            let same = rows[start..].iter().map(BaseRow::parse).take_while(|row| row.id == *id);
            found.extend(same);
        }
        Ok(found)
    }

    pub(super) fn place(&self, row: &BaseRow) -> Result<Place, IndexError> {
        let number = u64::from(row.segment);
        let block = read_block(&self.file, self.head.segments_start() + number / SEGMENTS_PER_BLOCK)?;
        let segments = block[..ROOM].as_chunks::<SEGMENT_LEN>().0;
        let segment = parse_segment(&segments[(number % SEGMENTS_PER_BLOCK) as usize]);
        let pack = *self.packs.get(segment.pack as usize).ok_or(DAMAGED_TAIL)?;
        Ok(Place { pack, segment, offset: row.offset, len: row.len })
    }

    fn with_tail(file: File, head: Head, tail: &[u8]) -> Option<Self> {
        let mut cursor = Cursor::new(tail);
        let packs = cursor.many(head.packs, PACK_LEN, Cursor::pack)?;
        let covered = cursor.many(head.covered, TABLE_LEN, Cursor::table)?.into_iter().collect();
        let fences = cursor.many(head.rows.div_ceil(ROWS_PER_BLOCK), 8, Cursor::u64)?;
        let filters = Filters::parse(&mut cursor)?;
        cursor.is_at_end().then_some(Self { file, head, packs, covered, fences, filters })
    }

    /// Calls `each` for every row, ascending by id.
    pub(super) fn rows(&self, mut each: impl FnMut(BaseRow) -> Result<(), IndexError>) -> Result<(), IndexError> {
        scan::<ROW_LEN>(&self.file, 1, self.head.rows, |row| each(BaseRow::parse(row)))
    }

    fn segments(&self, mut each: impl FnMut(SegmentRef) -> Result<(), IndexError>) -> Result<(), IndexError> {
        let start = self.head.segments_start();
        scan::<SEGMENT_LEN>(&self.file, start, self.head.segments, |segment| each(parse_segment(segment)))
    }
}

impl BaseRow {
    fn parse(bytes: &[u8; ROW_LEN]) -> Self {
        let u24 = |at: usize| u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], 0]);
        let segment = u32::from_le_bytes(part(&bytes[32..]));
        Self { id: ChunkId(part(bytes)), segment, offset: u24(36), len: u24(39) }
    }

    fn bytes(&self) -> [u8; ROW_LEN] {
        let mut bytes = [0; ROW_LEN];
        bytes[..32].copy_from_slice(&self.id.0);
        bytes[32..36].copy_from_slice(&self.segment.to_le_bytes());
        bytes[36..39].copy_from_slice(&self.offset.to_le_bytes()[..3]);
        bytes[39..].copy_from_slice(&self.len.to_le_bytes()[..3]);
        bytes
    }
}

impl Head {
    fn parse(block: &Block) -> Option<Self> {
        let mut cursor = Cursor::new(&block[..ROOM]);
        if cursor.take(MAGIC.len())? != MAGIC {
            return None;
        }
        let tags = Tags::parse(&mut cursor)?;
        let (rows, segments, packs) = (cursor.u64()?, cursor.u64()?, cursor.u64()?);
        let (covered, tail_len, tail_sum) = (cursor.u64()?, cursor.u64()?, cursor.u64()?);
        // Numbers of rows and segments are 32 bits wide in the file.
        let sound = rows <= u64::from(u32::MAX) && segments <= u64::from(u32::MAX);
        sound.then_some(Self { tags, rows, segments, packs, covered, tail_len, tail_sum })
    }

    fn block(&self) -> Block {
        let mut bytes = MAGIC.to_vec();
        self.tags.write(&mut bytes);
        for number in [self.rows, self.segments, self.packs, self.covered, self.tail_len, self.tail_sum] {
            bytes.extend_from_slice(&number.to_le_bytes());
        }
        let mut block = [0; super::file::BLOCK];
        block[..bytes.len()].copy_from_slice(&bytes);
        seal_block(&mut block, 0);
        block
    }

    /// Number of the first block of segments.
    fn segments_start(&self) -> u64 {
        1 + self.rows.div_ceil(ROWS_PER_BLOCK)
    }

    /// Offset of the tail in bytes.
    fn tail_start(&self) -> u64 {
        (self.segments_start() + self.segments.div_ceil(SEGMENTS_PER_BLOCK)) * super::file::BLOCK as u64
    }
}

/// Merges a base file and rows in memory into a new base file at `path`, and opens it. The old one stays open and whole
/// for whoever reads it, this process or another. Rows in `deleted` packs are left out, those in `condemned` ones only
/// where the same writer has another. Memory does not grow with the rows, but by 8 bytes for each segment.
pub(super) fn merge(
    path: &Path,
    tags: &Tags,
    old: Option<&Base>,
    new: &Rows,
    covered: &BTreeSet<IndexName>,
    condemned: &HashSet<PackName>,
    deleted: &HashSet<PackName>,
) -> Result<Base, IndexError> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(folder).map_err(IndexError::from_write)?;
    let mut merge = Merge::new(file.as_file_mut(), old, new, condemned, deleted)?;
    merge.all_rows(old)?;
    merge.finish(tags, old, covered)?;
    file.persist(path).map_err(|e| IndexError::from_write(e.error))?;
    Base::open(path, tags)?.ok_or(DAMAGED_HEAD)
}

struct Merge<'a> {
    out: BufWriter<&'a mut File>,
    new: &'a Rows,
    condemned: &'a HashSet<PackName>,
    deleted: &'a HashSet<PackName>,
    packs: Vec<PackRef>,
    /// Pack and slot of each old segment, by its number, which it keeps.
    old_segments: Vec<(u32, u32)>,
    /// Number in the new file of each pack and each segment in memory; segments get theirs when first used.
    pack_numbers: Vec<u32>,
    segment_numbers: Vec<Option<u32>>,
    added_segments: Vec<SegmentRef>,
    filters: Builder,
    fences: Vec<u64>,
    row_blocks: BlockWriter,
    rows: u64,
}

impl<'a> Merge<'a> {
    fn new(
        file: &'a mut File,
        old: Option<&Base>,
        new: &'a Rows,
        condemned: &'a HashSet<PackName>,
        deleted: &'a HashSet<PackName>,
    ) -> Result<Self, IndexError> {
        let mut packs = old.map(|old| old.packs.clone()).unwrap_or_default();
        let mut known: HashMap<PackName, u32> = packs.iter().map(|pack| pack.name).zip(0..).collect();
        let number = |pack: &PackRef| {
            *known.entry(pack.name).or_insert_with(|| {
                packs.push(*pack);
                packs.len() as u32 - 1
            })
        };
        let pack_numbers = new.packs().iter().map(number).collect();
        let mut old_segments = Vec::new();
        if let Some(old) = old {
            old_segments.reserve_exact(old.head.segments as usize);
            old.segments(|segment| {
                if segment.pack as usize >= old.packs.len() {
                    return Err(DAMAGED_TAIL);
                }
                old_segments.push((segment.pack, segment.slot));
                Ok(())
            })?;
        }
        let rows = old.map_or(0, |old| old.head.rows) + new.len() as u64;
        let mut out = BufWriter::with_capacity(WRITE_BUFFER, file);
        out.write_all(&[0; super::file::BLOCK]).map_err(IndexError::from_write)?;
        Ok(Self {
            out,
            new,
            condemned,
            deleted,
            packs,
            old_segments,
            pack_numbers,
            segment_numbers: vec![None; new.segments().len()],
            added_segments: Vec::new(),
            filters: Builder::new(rows),
            fences: Vec::new(),
            row_blocks: BlockWriter::new(1),
            rows: 0,
        })
    }

    fn all_rows(&mut self, old: Option<&Base>) -> Result<(), IndexError> {
        let ids = self.new.sorted_ids();
        let mut ids = ids.into_iter().peekable();
        let mut group: Vec<BaseRow> = Vec::new();
        if let Some(old) = old {
            old.rows(|row| {
                if group.first().is_some_and(|first| first.id != row.id) {
                    self.old_group(&mut group, &mut ids)?;
                }
                group.push(row);
                Ok(())
            })?;
        }
        if !group.is_empty() {
            self.old_group(&mut group, &mut ids)?;
        }
        ids.try_for_each(|id| self.one_id(id, &[]))
    }

    /// An id of the old file, after all smaller ones in memory.
    fn old_group(
        &mut self,
        group: &mut Vec<BaseRow>,
        ids: &mut std::iter::Peekable<std::vec::IntoIter<ChunkId>>,
    ) -> Result<(), IndexError> {
        let id = group[0].id;
        while let Some(smaller) = ids.next_if(|next| *next < id) {
            self.one_id(smaller, &[])?;
        }
        ids.next_if_eq(&id);
        self.one_id(id, group)?;
        group.clear();
        Ok(())
    }

    /// Newest first, of each writer one, condemned ones last.
    fn one_id(&mut self, id: ChunkId, old: &[BaseRow]) -> Result<(), IndexError> {
        let new = self.new;
        let mut candidates: Vec<(u32, Source)> = Vec::with_capacity(old.len() + 1);
        for row in new.find(&id) {
            let pack = self.pack_numbers[new.segments()[row.segment as usize].pack as usize];
            candidates.push((pack, Source::New(row.segment, row.offset, row.len)));
        }
        for row in old {
            let (pack, slot) = *self.old_segments.get(row.segment as usize).ok_or(DAMAGED_TAIL)?;
            candidates.push((pack, Source::Old(row.segment, slot, row.offset, row.len)));
        }
        let name = |candidate: &(u32, Source)| self.packs[candidate.0 as usize].name;
        if !self.deleted.is_empty() {
            candidates.retain(|candidate| !self.deleted.contains(&name(candidate)));
        }
        if candidates.len() > 1 {
            // A location known from both sides stays with the segment that the file has already.
            let in_file: Vec<(u32, u32)> =
                candidates.iter().filter_map(|(pack, s)| Some((*pack, s.old_slot()?))).collect();
            candidates.retain(|(pack, source)| match source {
                Source::New(segment, ..) => !in_file.contains(&(*pack, new.segments()[*segment as usize].slot)),
                Source::Old(..) => true,
            });
            candidates.sort_by_key(|candidate| self.condemned.contains(&name(candidate)));
            let mut writers = Writers::default();
            candidates.retain(|candidate| writers.admit(name(candidate).device));
            candidates.truncate(MAX_LOCATIONS);
        }
        for (_, source) in candidates {
            let row = match source {
                Source::Old(segment, _, offset, len) => BaseRow { id, segment, offset, len },
                Source::New(segment, offset, len) => BaseRow { id, segment: self.added(segment), offset, len },
            };
            self.push(&row).map_err(IndexError::from_write)?;
        }
        Ok(())
    }

    fn added(&mut self, segment: u32) -> u32 {
        let next = (self.old_segments.len() + self.added_segments.len()) as u32;
        let number = &mut self.segment_numbers[segment as usize];
        *number.get_or_insert_with(|| {
            let segment = self.new.segments()[segment as usize];
            let pack = self.pack_numbers[segment.pack as usize];
            self.added_segments.push(SegmentRef { pack, ..segment });
            next
        })
    }

    fn push(&mut self, row: &BaseRow) -> std::io::Result<()> {
        if self.rows.is_multiple_of(ROWS_PER_BLOCK) {
            self.fences.push(key(&row.id));
        }
        self.filters.push(&row.id);
        self.rows += 1;
        self.row_blocks.push(&mut self.out, &row.bytes())
    }

    fn finish(mut self, tags: &Tags, old: Option<&Base>, covered: &BTreeSet<IndexName>) -> Result<(), IndexError> {
        self.row_blocks.finish(&mut self.out).map_err(IndexError::from_write)?;
        let filters = self.filters.finish();
        let lens = PACK_LEN * self.packs.len() + TABLE_LEN * covered.len() + 8 * self.fences.len();
        let mut tail = Vec::with_capacity(lens + filters.len());
        self.packs.iter().for_each(|pack| write_pack(pack, &mut tail));
        covered.iter().for_each(|name| write_table(name, &mut tail));
        self.fences.iter().for_each(|fence| tail.extend_from_slice(&fence.to_le_bytes()));
        tail.extend_from_slice(&filters);
        drop(filters);
        let mut head = Head {
            tags: tags.clone(),
            rows: self.rows,
            segments: (self.old_segments.len() + self.added_segments.len()) as u64,
            packs: self.packs.len() as u64,
            covered: covered.len() as u64,
            tail_len: tail.len() as u64,
            tail_sum: 0,
        };
        head.tail_sum = checksum(head.tail_start(), &tail);

        let (mut out, mut blocks) = (self.out, BlockWriter::new(head.segments_start()));
        let mut push =
            |segment: &SegmentRef| blocks.push(&mut out, &segment_bytes(segment)).map_err(IndexError::from_write);
        if let Some(old) = old {
            old.segments(|segment| push(&segment))?;
        }
        self.added_segments.iter().try_for_each(&mut push)?;
        let mut end = || {
            blocks.finish(&mut out)?;
            out.write_all(&tail)?;
            out.seek(SeekFrom::Start(0))?;
            out.write_all(&head.block())?;
            out.flush()
        };
        end().map_err(IndexError::from_write)
    }
}

/// Where a row comes from: segment, [slot,] offset, length.
enum Source {
    Old(u32, u32, u32, u32),
    New(u32, u32, u32),
}

impl Source {
    fn old_slot(&self) -> Option<u32> {
        match self {
            Self::Old(_, slot, ..) => Some(*slot),
            Self::New(..) => None,
        }
    }
}

fn parse_segment(bytes: &[u8; SEGMENT_LEN]) -> SegmentRef {
    let [pack, slot, offset, frame_len, plain_len] = std::array::from_fn(|n| u32::from_le_bytes(part(&bytes[4 * n..])));
    SegmentRef { pack, slot, offset, frame_len, plain_len }
}

fn segment_bytes(segment: &SegmentRef) -> [u8; SEGMENT_LEN] {
    let SegmentRef { pack, slot, offset, frame_len, plain_len } = *segment;
    let mut bytes = [0; SEGMENT_LEN];
    for (four, number) in bytes.as_chunks_mut().0.iter_mut().zip([pack, slot, offset, frame_len, plain_len]) {
        *four = number.to_le_bytes();
    }
    bytes
}

const MAGIC: &[u8; 8] = b"zvindex2";
const ROW_LEN: usize = 42;
const ROWS_PER_BLOCK: u64 = (ROOM / ROW_LEN) as u64;
const SEGMENT_LEN: usize = 20;
const SEGMENTS_PER_BLOCK: u64 = (ROOM / SEGMENT_LEN) as u64;
const WRITE_BUFFER: usize = 256 << 10;
const DAMAGED_HEAD: IndexError = IndexError::Damaged { what: "its head" };
const DAMAGED_TAIL: IndexError = IndexError::Damaged { what: "its packs and filters" };
