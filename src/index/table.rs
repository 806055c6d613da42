//! Tables for the vault: deltas from stored packs, shards from many small tables. Pure functions.

use std::collections::{HashMap, HashSet};
use vault_format::ids::{ChunkId, DeviceId};
use vault_format::index::{PackRef, Row, SegmentRef, Table, TableKind, table_len};
use vault_format::limits;
use vault_format::log::IndexName;
use vault_format::name::PackName;

/// A table that counts: what has to be known of it to plan a merge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TableInfo {
    /// Delta or shard, whose, and which.
    pub name: IndexName,
    /// Stored bytes.
    pub size: u64,
}

/// Which tables a merge replaces, and which shards stay in the set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MergePlan {
    /// Replaced by new shards: every delta, and small shards.
    pub merge: Vec<IndexName>,
    /// Shards that stay as they are.
    pub keep: Vec<IndexName>,
}

/// `None` while the deltas are few. Large shards are never rewritten, so that each row is written a few times in its life.
pub fn merge_plan(tables: &[TableInfo]) -> Option<MergePlan> {
    let deltas = tables.iter().filter(|table| !table.name.shard).count();
    if deltas <= MAX_DELTAS {
        return None;
    }
    let stays = |table: &&TableInfo| table.name.shard && table.size >= LARGE_SHARD;
    let (keep, merge): (Vec<_>, Vec<_>) = tables.iter().partition(stays);
    let names = |tables: Vec<&TableInfo>| tables.into_iter().map(|table| table.name).collect();
    Some(MergePlan { merge: names(merge), keep: names(keep) })
}

/// Merges tables, newest first, into shards within the limit of a table. Rows in packs that are `deleted` are left out; an id keeps
/// up to four locations, from different writers. A shard holds all rows of its packs, as long as they fit: shards split
/// by packs repeat no segment, shards split by ids would repeat almost all.
pub fn merge_tables(tables: &[Table], deleted: &HashSet<PackName>) -> Vec<Table> {
    let mut writers: HashMap<ChunkId, Writers> = HashMap::new();
    let mut order = Vec::new();
    let mut by_pack: HashMap<PackName, Vec<(PackRef, SegmentRef, Row)>> = HashMap::new();
    for table in tables {
        for row in &table.rows {
            let segment = table.segments[row.segment as usize];
            let pack = table.packs[segment.pack as usize];
            let wanted = !deleted.contains(&pack.name) && writers.entry(row.id).or_default().admit(pack.name.device);
            if wanted {
                let rows = by_pack.entry(pack.name).or_insert_with(|| {
                    order.push(pack.name);
                    Vec::new()
                });
                rows.push((pack, segment, *row));
            }
        }
    }
    let mut shards = Vec::new();
    let mut builder = TableBuilder::new(TableKind::Shard);
    for name in order {
        let mut rows = by_pack.remove(&name).unwrap_or_default();
        rows.sort_unstable_by_key(|(_, segment, row)| (segment.slot, row.offset, row.id));
        for (pack, segment, row) in rows {
            if !builder.add(&pack, &segment, row.id, row.offset, row.len) {
                shards.extend(builder.finish());
                builder = TableBuilder::new(TableKind::Shard);
                builder.add(&pack, &segment, row.id, row.offset, row.len);
            }
        }
    }
    shards.extend(builder.finish());
    shards
}

/// The writers of the locations of one id.
#[derive(Default)]
pub(super) struct Writers {
    devices: [Option<DeviceId>; MAX_LOCATIONS],
}

impl Writers {
    /// Whether a location from this device is wanted: at most four, each from another.
    pub(super) fn admit(&mut self, device: DeviceId) -> bool {
        for place in &mut self.devices {
            match place {
                Some(known) if *known == device => return false,
                Some(_) => {}
                None => {
                    *place = Some(device);
                    return true;
                }
            }
        }
        false
    }
}

/// Collects rows up to the limit of a table.
pub(super) struct TableBuilder {
    table: Table,
    packs: HashMap<PackName, u32>,
    segments: HashMap<(u32, u32), u32>,
}

impl TableBuilder {
    pub(super) fn new(kind: TableKind) -> Self {
        let table = Table { kind, packs: Vec::new(), segments: Vec::new(), rows: Vec::new() };
        Self { table, packs: HashMap::new(), segments: HashMap::new() }
    }

    /// `false`: the table is full, nothing was added. `segment.pack` is not looked at.
    pub(super) fn add(&mut self, pack: &PackRef, segment: &SegmentRef, id: ChunkId, offset: u32, len: u32) -> bool {
        let table = &mut self.table;
        let known_pack = self.packs.get(&pack.name).copied();
        let pack_number = known_pack.unwrap_or(table.packs.len() as u32);
        let known_segment = self.segments.get(&(pack_number, segment.slot)).copied();
        let segment_number = known_segment.unwrap_or(table.segments.len() as u32);
        let packs = table.packs.len() + usize::from(known_pack.is_none());
        let segments = table.segments.len() + usize::from(known_segment.is_none());
        if table_len(packs, segments, table.rows.len() + 1) > limits::INDEX_PLAIN {
            return false;
        }
        if known_pack.is_none() {
            table.packs.push(*pack);
            self.packs.insert(pack.name, pack_number);
        }
        if known_segment.is_none() {
            table.segments.push(SegmentRef { pack: pack_number, ..*segment });
            self.segments.insert((pack_number, segment.slot), segment_number);
        }
        table.rows.push(Row { id, segment: segment_number, offset, len });
        true
    }

    /// `None` if nothing was added. A chunk that a segment holds twice has one row.
    pub(super) fn finish(self) -> Option<Table> {
        let mut table = self.table;
        table.rows.sort_unstable_by_key(|row| (row.id, row.segment, row.offset));
        table.rows.dedup_by_key(|row| (row.id, row.segment));
        (!table.rows.is_empty()).then_some(table)
    }
}

/// Locations of an id that are kept.
pub const MAX_LOCATIONS: usize = 4;
/// More deltas than this are merged by whichever device sees them first.
pub const MAX_DELTAS: usize = 32;
/// The same where another device has merged the last set: its large shards would have to be written anew.
pub const MAX_DELTAS_OF_ANOTHER_SET: usize = 4 * MAX_DELTAS;
/// Stored bytes from which on a shard stays as it is.
const LARGE_SHARD: u64 = 2 << 20;
