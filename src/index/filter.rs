//! "Certainly not here" for most ids that are new, in 18 bits a chunk: 16-bit binary fuse filters (Graf and Lemire,
//! 2022) over the first eight bytes of the ids.
//!
//! One filter for each range of ids, so that building one takes memory for that range only: ids are uniform.

use super::file::{Cursor, key};
use vault_format::ids::ChunkId;
use xorf::{BinaryFuse16, Descriptor, Filter};

/// The filters of a base file, by the leading bits of an id.
#[derive(Debug)]
pub(super) struct Filters {
    bits: u32,
    parts: Vec<Part>,
}

#[derive(Debug)]
enum Part {
    /// No id is in this range.
    Empty,
    /// Almost no other id passes.
    Fuse(BinaryFuse16),
    /// Could not be built, which does not happen to uniform ids: everything passes.
    All,
}

impl Filters {
    /// Whether the id may be there.
    pub(super) fn contains(&self, id: &ChunkId) -> bool {
        match &self.parts[range(self.bits, key(id))] {
            Part::Empty => false,
            Part::Fuse(filter) => filter.contains(&key(id)),
            Part::All => true,
        }
    }

    /// Reads what a [`Builder`] wrote; `None` if it is anything else.
    pub(super) fn parse(input: &mut Cursor<'_>) -> Option<Self> {
        let bits = u32::from(input.u8()?);
        if bits > MAX_BITS {
            return None;
        }
        let parts = (0..1 << bits).map(|_| Part::parse(input)).collect::<Option<_>>()?;
        Some(Self { bits, parts })
    }
}

impl Part {
    fn build(keys: &[u64]) -> Self {
        match keys.len() {
            0 => Self::Empty,
            _ => BinaryFuse16::try_from(keys).map_or(Self::All, Self::Fuse),
        }
    }

    /// `kind u8 | [seed u64 | segment length u32 | segment count length u32 | fingerprints u32 | u16...]`
    fn write(&self, out: &mut Vec<u8>) {
        let filter = match self {
            Self::Empty => return out.push(0),
            Self::All => return out.push(2),
            Self::Fuse(filter) => filter,
        };
        let Descriptor { seed, segment_length, segment_count_length, .. } = filter.descriptor;
        out.push(1);
        out.extend_from_slice(&seed.to_le_bytes());
        for number in [segment_length, segment_count_length, filter.fingerprints.len() as u32] {
            out.extend_from_slice(&number.to_le_bytes());
        }
        out.extend(filter.fingerprints.iter().flat_map(|f| f.to_le_bytes()));
    }

    fn parse(input: &mut Cursor<'_>) -> Option<Self> {
        match input.u8()? {
            0 => return Some(Self::Empty),
            2 => return Some(Self::All),
            1 => {}
            _ => return None,
        }
        let seed = input.u64()?;
        let (segment_length, segment_count_length, count) = (input.u32()?, input.u32()?, input.u32()?);
        // What the library indexes without looking: two segments beyond the last that a hash can choose.
        let sound = segment_length.is_power_of_two()
            && segment_count_length > 0
            && segment_count_length.is_multiple_of(segment_length)
            && u64::from(count) == u64::from(segment_count_length) + 2 * u64::from(segment_length);
        if !sound {
            return None;
        }
        let bytes = input.take((count as usize).checked_mul(2)?)?;
        let fingerprints = bytes.as_chunks().0.iter().map(|f| u16::from_le_bytes(*f)).collect();
        let segment_length_mask = segment_length - 1;
        let descriptor = Descriptor { seed, segment_length, segment_length_mask, segment_count_length };
        Some(Self::Fuse(BinaryFuse16 { descriptor, fingerprints }))
    }
}

/// Makes filters from ascending ids.
pub(super) struct Builder {
    bits: u32,
    range: usize,
    keys: Vec<u64>,
    out: Vec<u8>,
}

impl Builder {
    /// For about so many ids.
    pub(super) fn new(ids: u64) -> Self {
        let bits = ids.div_ceil(PART_IDS).max(1).next_power_of_two().ilog2().min(MAX_BITS);
        // In one piece: growing it would hold it three times for a moment.
        let mut out = Vec::with_capacity(64 + (ids as usize).saturating_mul(5) / 2);
        out.push(bits as u8);
        Self { bits, range: 0, keys: Vec::new(), out }
    }

    /// Adds an id, which is not less than the one before.
    pub(super) fn push(&mut self, id: &ChunkId) {
        let key = key(id);
        while self.range < range(self.bits, key) {
            self.end_range();
        }
        if self.keys.last() != Some(&key) {
            self.keys.push(key);
        }
    }

    /// What [`Filters::parse`] reads.
    pub(super) fn finish(mut self) -> Vec<u8> {
        while self.range < 1 << self.bits {
            self.end_range();
        }
        self.out
    }

    fn end_range(&mut self) {
        Part::build(&self.keys).write(&mut self.out);
        self.keys.clear();
        self.range += 1;
    }
}

fn range(bits: u32, key: u64) -> usize {
    key.checked_shr(64 - bits).unwrap_or(0) as usize
}

/// Ids of a range: building its filter takes about 7 MiB.
const PART_IDS: u64 = 1 << 18;
const MAX_BITS: u32 = 12;

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(count: u64) -> Vec<ChunkId> {
        let mut ids: Vec<ChunkId> = (0..count).map(super::super::tests::id).collect();
        ids.sort_unstable();
        ids
    }

    fn filters(ids: &[ChunkId], expected: u64) -> (Vec<u8>, Filters) {
        let mut builder = Builder::new(expected);
        ids.iter().for_each(|id| builder.push(id));
        let bytes = builder.finish();
        let filters = Filters::parse(&mut Cursor::new(&bytes)).expect("parses");
        (bytes, filters)
    }

    #[test]
    fn filters_never_lose_an_id_and_let_few_others_pass() {
        for count in [0, 1, 2, 3, 10, 1000, 50_000] {
            for expected in [count, 5_000_000] {
                let ids = ids(count);
                let (_, filters) = filters(&ids, expected);
                assert!(ids.iter().all(|id| filters.contains(id)), "{count}");
                let others = (1_000_000..1_100_000).map(super::super::tests::id);
                let passed = others.filter(|id| filters.contains(id)).count();
                assert!(passed < 12, "{passed} of 100,000 pass, {count} ids");
            }
        }
    }

    #[test]
    fn repeated_keys_and_cut_or_changed_bytes() {
        let mut same = ids(10);
        same.extend(ids(10));
        same.sort_unstable();
        let (bytes, filters) = filters(&same, 10);
        assert!(same.iter().all(|id| filters.contains(id)));
        for cut in 0..bytes.len() {
            assert!(Filters::parse(&mut Cursor::new(&bytes[..cut])).is_none(), "cut at {cut}");
        }
        for at in 0..22.min(bytes.len()) {
            let mut changed = bytes.clone();
            changed[at] ^= 0x41;
            // Whatever parses must not be indexed beyond its end.
            if let Some(filters) = Filters::parse(&mut Cursor::new(&changed)) {
                for id in &same {
                    let _ = filters.contains(id);
                }
            }
        }
    }
}
