//! The small file of the local copy: rows of deltas that came after the last merge, so that a push of a few chunks does
//! not rewrite the large file. Read whole, and correct beside any version of the large file.
//!
//! ```text
//! magic 8 | tags 64 | packs u64 | segments u64 | rows u64 | covered u64
//! packs 51 each | segments 20 each | rows 44 each: id | segment u32 | offset u32 | len u32 | covered tables 49 each | checksum u64
//! ```

use super::file::{Cursor, PACK_LEN, TABLE_LEN, checksum, part, write_pack, write_table};
use super::memory::Rows;
use super::{IndexError, Tags};
use std::collections::BTreeSet;
use std::io::Write;
use std::path::Path;
use vault_format::ids::ChunkId;
use vault_format::index::SegmentRef;
use vault_format::log::IndexName;

/// Reads the file; `None` if there is none, or one of another vault, domain or store.
pub(super) fn load(path: &Path, tags: &Tags) -> Result<Option<(Rows, BTreeSet<IndexName>)>, IndexError> {
    let bytes = match std::fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(IndexError::from_read(error)),
    };
    let (body, sum) = bytes.split_last_chunk().ok_or(DAMAGED)?;
    if checksum(0, body) != u64::from_le_bytes(*sum) {
        return Err(DAMAGED);
    }
    let mut cursor = Cursor::new(body);
    if cursor.take(MAGIC.len()) != Some(MAGIC) {
        return Err(DAMAGED);
    }
    match Tags::parse(&mut cursor) {
        Some(stored) if stored == *tags => parse(&mut cursor).ok_or(DAMAGED).map(Some),
        Some(_) => Ok(None),
        None => Err(DAMAGED),
    }
}

/// Writes the file in place of the one before.
pub(super) fn save(path: &Path, tags: &Tags, rows: &Rows, covered: &BTreeSet<IndexName>) -> Result<(), IndexError> {
    let mut out = MAGIC.to_vec();
    tags.write(&mut out);
    for count in [rows.packs().len(), rows.segments().len(), rows.len(), covered.len()] {
        out.extend_from_slice(&(count as u64).to_le_bytes());
    }
    rows.packs().iter().for_each(|pack| write_pack(pack, &mut out));
    for segment in rows.segments() {
        for number in [segment.pack, segment.slot, segment.offset, segment.frame_len, segment.plain_len] {
            out.extend_from_slice(&number.to_le_bytes());
        }
    }
    for id in rows.sorted_ids() {
        // Oldest first, so that reading them in order makes the same chain.
        let mut chain: Vec<_> = rows.find(&id).collect();
        chain.reverse();
        for row in chain {
            out.extend_from_slice(&id.0);
            for number in [row.segment, row.offset, row.len] {
                out.extend_from_slice(&number.to_le_bytes());
            }
        }
    }
    covered.iter().for_each(|name| write_table(name, &mut out));
    out.extend_from_slice(&checksum(0, &out).to_le_bytes());
    let write = || {
        let mut file = tempfile::NamedTempFile::new_in(path.parent().unwrap_or(Path::new(".")))?;
        file.write_all(&out)?;
        file.persist(path).map_err(|e| e.error)
    };
    write().map(drop).map_err(IndexError::from_write)
}

fn parse(cursor: &mut Cursor<'_>) -> Option<(Rows, BTreeSet<IndexName>)> {
    let (packs, segments, rows, covered) = (cursor.u64()?, cursor.u64()?, cursor.u64()?, cursor.u64()?);
    let packs = cursor.many(packs, PACK_LEN, Cursor::pack)?;
    let segments = cursor.many(segments, 20, |cursor| {
        let [pack, slot, offset, frame_len, plain_len] = numbers(cursor)?;
        Some(SegmentRef { pack, slot, offset, frame_len, plain_len })
    })?;
    let mut result = Rows::default();
    let number = |segment: &SegmentRef| Some(result.segment(packs.get(segment.pack as usize)?, segment));
    let segments: Vec<u32> = segments.iter().map(number).collect::<Option<_>>()?;
    let rows = cursor.many(rows, 44, |cursor| Some((ChunkId(cursor.array()?), numbers(cursor)?)))?;
    result.reserve(rows.len());
    for (id, [segment, offset, len]) in rows {
        result.insert(*segments.get(segment as usize)?, id, offset, len);
    }
    let covered = cursor.many(covered, TABLE_LEN, Cursor::table)?.into_iter().collect();
    cursor.is_at_end().then_some((result, covered))
}

fn numbers<const N: usize>(cursor: &mut Cursor<'_>) -> Option<[u32; N]> {
    let bytes = cursor.take(4 * N)?;
    Some(std::array::from_fn(|n| u32::from_le_bytes(part(&bytes[4 * n..]))))
}

const MAGIC: &[u8; 8] = b"zvrecen2";
const DAMAGED: IndexError = IndexError::Damaged { what: "its newest rows" };
