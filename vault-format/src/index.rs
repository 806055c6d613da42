//! Index tables: where chunks are (SPEC section 8). Deltas and shards have one layout.

use crate::error::FormatError;
use crate::frame::{TEXT_HEAD, overhead};
use crate::header::{COMMIT_LEN, HEADER_LEN};
use crate::ids::{ChunkId, DeviceId, ObjectHash};
use crate::name::PackName;
use crate::read::{Reader, at_most};
use crate::suite::Suite;
use crate::{limits, sizes};

/// What a table is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum TableKind {
    /// The chunks of one push.
    Delta = 1,
    /// Merged deltas.
    Shard = 2,
}

/// A table with its parts owned, to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    /// What it is for.
    pub kind: TableKind,
    /// Each is used by a segment.
    pub packs: Vec<PackRef>,
    /// Each is used by a row.
    pub segments: Vec<SegmentRef>,
    /// Strictly ascending by (id, segment).
    pub rows: Vec<Row>,
}

/// A pack that holds chunks of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PackRef {
    /// Its name.
    pub name: PackName,
    /// Its size in units of 64 KiB.
    pub size_units: u16,
}

/// A segment that holds chunks of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SegmentRef {
    /// Its pack: number in `Table::packs`.
    pub pack: u32,
    /// Its number in the pack: the slot of its frame.
    pub slot: u32,
    /// Of its frame in the pack.
    pub offset: u32,
    /// Bytes of its frame.
    pub frame_len: u32,
    /// Plain bytes of all its chunks.
    pub plain_len: u32,
}

/// A chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Row {
    /// Its id.
    pub id: ChunkId,
    /// Its segment: number in `Table::segments`.
    pub segment: u32,
    /// Of the chunk in the plain segment.
    pub offset: u32,
    /// Plain bytes.
    pub len: u32,
}

impl Table {
    /// The bytes; refuses what `parse` would refuse.
    pub fn encode(&self) -> Result<Vec<u8>, FormatError> {
        let len = table_len(self.packs.len(), self.segments.len(), self.rows.len());
        at_most(len, limits::INDEX_PLAIN, "table")?;
        let mut out = Vec::with_capacity(len);
        out.push(self.kind as u8);
        out.extend_from_slice(&(self.packs.len() as u32).to_le_bytes());
        for pack in &self.packs {
            out.extend_from_slice(&pack.name.device.0);
            out.push(u8::from(pack.name.tree));
            out.extend_from_slice(&pack.size_units.to_le_bytes());
            out.extend_from_slice(&pack.name.hash.0);
        }
        out.extend_from_slice(&(self.segments.len() as u32).to_le_bytes());
        for segment in &self.segments {
            out.extend_from_slice(&u24(segment.pack)?);
            out.extend_from_slice(&u24(segment.slot)?);
            for number in [segment.offset, segment.frame_len, segment.plain_len] {
                out.extend_from_slice(&number.to_le_bytes());
            }
        }
        out.extend_from_slice(&(self.rows.len() as u32).to_le_bytes());
        for row in &self.rows {
            out.extend_from_slice(&row.id.0);
            for number in [row.segment, row.offset, row.len] {
                out.extend_from_slice(&u24(number)?);
            }
        }
        TableView::parse(&out)?;
        Ok(out)
    }

    /// Reads a plain table.
    pub fn parse(bytes: &[u8]) -> Result<Self, FormatError> {
        TableView::parse(bytes).map(|view| view.to_table())
    }
}

/// A table that was checked and stays as bytes: nothing is copied.
#[derive(Clone, Copy, Debug)]
pub struct TableView<'a> {
    kind: TableKind,
    packs: &'a [[u8; PACK_LEN]],
    segments: &'a [[u8; SEGMENT_LEN]],
    rows: &'a [[u8; ROW_LEN]],
}

impl<'a> TableView<'a> {
    /// Checks everything that a table alone can be checked for. Whose packs it may name, the caller knows.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, FormatError> {
        at_most(bytes.len(), limits::INDEX_PLAIN, WHAT)?;
        let mut reader = Reader::new(bytes);
        let kind = match reader.u8(WHAT)? {
            1 => TableKind::Delta,
            2 => TableKind::Shard,
            other => {
                return Err(FormatError::NewerFormat { field: "table kind", value: u64::from(other) });
            }
        };
        let view = Self { kind, packs: reader.counted()?, segments: reader.counted()?, rows: reader.counted()? };
        reader.end(WHAT)?;
        view.check_packs()?;
        view.check_segments()?;
        view.check_rows()?;
        Ok(view)
    }

    /// What the table is for.
    pub fn kind(&self) -> TableKind {
        self.kind
    }

    /// The packs; segments name them by number.
    pub fn packs(&self) -> impl ExactSizeIterator<Item = PackRef> + use<'a> {
        self.packs.iter().map(pack_ref)
    }

    /// The segments; rows name them by number.
    pub fn segments(&self) -> impl ExactSizeIterator<Item = SegmentRef> + use<'a> {
        self.segments.iter().map(segment_ref)
    }

    /// The rows, ascending.
    pub fn rows(&self) -> impl ExactSizeIterator<Item = Row> + use<'a> {
        self.rows.iter().map(row)
    }

    /// The pack of a number that a segment of this table has.
    pub fn pack(&self, number: u32) -> Option<PackRef> {
        self.packs.get(number as usize).map(pack_ref)
    }

    /// The segment of a number that a row of this table has.
    pub fn segment(&self, number: u32) -> Option<SegmentRef> {
        self.segments.get(number as usize).map(segment_ref)
    }

    /// All rows with this id, by bisection.
    pub fn find(&self, id: &ChunkId) -> impl ExactSizeIterator<Item = Row> + use<'a> {
        let start = self.rows.partition_point(|row| row[..ChunkId::LEN] < id.0[..]);
        let rows = &self.rows[start..];
        let end = rows.iter().position(|row| row[..ChunkId::LEN] != id.0[..]).unwrap_or(rows.len());
        rows[..end].iter().map(row)
    }

    /// Copies all parts.
    pub fn to_table(&self) -> Table {
        Table {
            kind: self.kind,
            packs: self.packs().collect(),
            segments: self.segments().collect(),
            rows: self.rows().collect(),
        }
    }

    fn check_packs(&self) -> Result<(), FormatError> {
        for bytes in self.packs {
            if bytes[16] > 1 {
                return Err(FormatError::NewerFormat { field: "pack kind", value: u64::from(bytes[16]) });
            }
            if !sizes::is_pack_class(usize::from(pack_ref(bytes).size_units) * SIZE_UNIT) {
                return Err(FormatError::Invalid { what: "size of a pack" });
            }
        }
        Ok(())
    }

    fn check_segments(&self) -> Result<(), FormatError> {
        let mut used = vec![false; self.packs.len()];
        for segment in self.segments() {
            let number = segment.pack as usize;
            let pack = self.pack(segment.pack).ok_or(FormatError::Invalid { what: "pack of a segment" })?;
            used[number] = true;
            at_most(segment.slot as usize, limits::PACK_SEGMENTS - 1, "slot of a segment")?;
            at_most(segment.plain_len as usize, limits::SEGMENT_PLAIN, "segment")?;
            let end = u64::from(segment.offset) + u64::from(segment.frame_len);
            let inside = segment.offset as usize >= HEADER_LEN + COMMIT_LEN
                && end <= u64::from(pack.size_units) * SIZE_UNIT as u64;
            if !inside || (segment.frame_len as usize) < overhead(Suite::Fips) + TEXT_HEAD {
                return Err(FormatError::Invalid { what: "place of a segment" });
            }
        }
        all_used(&used, "pack without segments")
    }

    fn check_rows(&self) -> Result<(), FormatError> {
        let plain_lens: Vec<u32> = self.segments().map(|segment| segment.plain_len).collect();
        let mut used = vec![false; plain_lens.len()];
        let mut before: Option<(&[u8], u32)> = None;
        for bytes in self.rows {
            let Row { segment, offset, len, .. } = row(bytes);
            let key = (&bytes[..ChunkId::LEN], segment);
            if before.is_some_and(|before| before >= key) {
                return Err(FormatError::Order { what: "rows" });
            }
            before = Some(key);
            let plain_len =
                *plain_lens.get(segment as usize).ok_or(FormatError::Invalid { what: "segment of a row" })?;
            used[segment as usize] = true;
            at_most(len as usize, limits::CHUNK, "chunk")?;
            if len == 0 || offset + len > plain_len {
                return Err(FormatError::Invalid { what: "place of a chunk" });
            }
        }
        all_used(&used, "segment without rows")
    }
}

/// Bytes of a table with so many parts.
pub const fn table_len(packs: usize, segments: usize, rows: usize) -> usize {
    TABLE_HEAD + packs * PACK_LEN + segments * SEGMENT_LEN + rows * ROW_LEN
}

impl<'a> Reader<'a> {
    /// `count u32`, then so many things of `N` bytes.
    fn counted<const N: usize>(&mut self) -> Result<&'a [[u8; N]], FormatError> {
        let count = self.u32(WHAT)? as usize;
        self.room(count, N, WHAT)?;
        let (things, _) = self.take(count * N, WHAT)?.as_chunks();
        Ok(things)
    }
}

fn all_used(used: &[bool], what: &'static str) -> Result<(), FormatError> {
    if used.iter().all(|used| *used) { Ok(()) } else { Err(FormatError::Invalid { what }) }
}

fn pack_ref(bytes: &[u8; PACK_LEN]) -> PackRef {
    let name = PackName { tree: bytes[16] == 1, device: DeviceId(part(bytes, 0)), hash: ObjectHash(part(bytes, 19)) };
    PackRef { name, size_units: u16::from_le_bytes(part(bytes, 17)) }
}

fn segment_ref(bytes: &[u8; SEGMENT_LEN]) -> SegmentRef {
    SegmentRef {
        pack: from_u24(part(bytes, 0)),
        slot: from_u24(part(bytes, 3)),
        offset: u32::from_le_bytes(part(bytes, 6)),
        frame_len: u32::from_le_bytes(part(bytes, 10)),
        plain_len: u32::from_le_bytes(part(bytes, 14)),
    }
}

fn row(bytes: &[u8; ROW_LEN]) -> Row {
    Row {
        id: ChunkId(part(bytes, 0)),
        segment: from_u24(part(bytes, 32)),
        offset: from_u24(part(bytes, 35)),
        len: from_u24(part(bytes, 38)),
    }
}

fn part<const N: usize, const M: usize>(bytes: &[u8; M], at: usize) -> [u8; N] {
    bytes[at..at + N].try_into().expect("a range of N bytes")
}

fn from_u24([a, b, c]: [u8; 3]) -> u32 {
    u32::from_le_bytes([a, b, c, 0])
}

fn u24(value: u32) -> Result<[u8; 3], FormatError> {
    match value.to_le_bytes() {
        [a, b, c, 0] => Ok([a, b, c]),
        _ => Err(FormatError::Limit { what: "number in a table", limit: (1 << 24) - 1 }),
    }
}

/// Bytes of a pack in a table.
pub const PACK_LEN: usize = 51;
/// Bytes of a segment in a table.
pub const SEGMENT_LEN: usize = 18;
/// Bytes of a row in a table.
pub const ROW_LEN: usize = 41;
/// Bytes of a table without any parts: kind and three counts.
pub const TABLE_HEAD: usize = 13;
/// The unit of `PackRef::size_units`.
pub const SIZE_UNIT: usize = 64 << 10;

const WHAT: &str = "table";

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A valid table with `ids` spread over packs and segments.
    fn table(kind: TableKind, ids: impl IntoIterator<Item = [u8; 32]>) -> Table {
        let mut rows: Vec<Row> = ids
            .into_iter()
            .enumerate()
            .map(|(at, id)| Row { id: ChunkId(id), segment: at as u32 / 5, offset: at as u32 % 5 * 100, len: 100 })
            .collect();
        let segments = rows.last().map_or(0, |row| row.segment + 1);
        rows.sort_by_key(|row| (row.id, row.segment));
        rows.dedup_by_key(|row| (row.id, row.segment));
        Table {
            kind,
            packs: (0..segments.div_ceil(3))
                .map(|number| PackRef {
                    name: PackName {
                        tree: number % 2 == 1,
                        device: DeviceId([7; 16]),
                        hash: ObjectHash([number as u8; 32]),
                    },
                    size_units: 1,
                })
                .collect(),
            segments: (0..segments)
                .map(|number| SegmentRef {
                    pack: number / 3,
                    slot: number % 3,
                    offset: 152 + number % 3 * 1000,
                    frame_len: 1000,
                    plain_len: 500,
                })
                .collect(),
            rows,
        }
    }

    proptest! {
        #[test]
        fn tables_round_trip(shard: bool, ids in proptest::collection::hash_set(any::<[u8; 32]>(), 0..100)) {
            let table = table(if shard { TableKind::Shard } else { TableKind::Delta }, ids.iter().copied());
            let bytes = table.encode().expect("valid");
            prop_assert_eq!(bytes.len(), table_len(table.packs.len(), table.segments.len(), table.rows.len()));
            prop_assert_eq!(&Table::parse(&bytes), &Ok(table.clone()));
            let view = TableView::parse(&bytes).expect("valid");
            for row in &table.rows {
                prop_assert_eq!(view.find(&row.id).collect::<Vec<_>>(), [*row]);
                prop_assert_eq!(view.segment(row.segment), Some(table.segments[row.segment as usize]));
            }
            let absent = ChunkId([0x55; 32]);
            prop_assert_eq!(view.find(&absent).len(), usize::from(ids.contains(&absent.0)));
        }

        #[test]
        fn any_bytes_are_safe(bytes in proptest::collection::vec(any::<u8>(), 0..300), at: prop::sample::Index) {
            let _ = TableView::parse(&bytes);
            let mut near = table(TableKind::Delta, [[1; 32], [2; 32], [3; 32]]).encode().expect("valid");
            let at = at.index(near.len());
            near[at] ^= bytes.first().copied().unwrap_or(1);
            let _ = TableView::parse(&near);
        }
    }

    #[test]
    fn find_gives_all_rows_of_an_id() {
        let mut table = table(TableKind::Shard, (0..12).map(|n| [n; 32]));
        table.rows[5].id = table.rows[4].id;
        assert_eq!(table.rows[4].segment + 1, table.rows[5].segment);
        let bytes = table.encode().expect("valid");
        let view = TableView::parse(&bytes).expect("valid");
        assert_eq!(view.find(&table.rows[4].id).collect::<Vec<_>>(), table.rows[4..6]);
    }
}
