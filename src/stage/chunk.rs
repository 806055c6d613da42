//! Where the content of a file ends one chunk and begins the next (SPEC section 9.6).
use zeroize::{Zeroize, ZeroizeOnDrop};

/// Chunker 1: keyed Gear with two masks.
///
/// A border depends on the bytes since the previous border and on the key alone, so the same content gives the same
/// chunks however it is read, and borders find each other again after an insertion.
pub struct Chunker {
    gear: Box<Gear>,
}

impl Chunker {
    /// Takes the 2,048 bytes of the source's `chunker` key: 256 little-endian integers.
    pub fn new(table: &[u8; 2048]) -> Chunker {
        let mut gear = Box::new(Gear([0; 256]));
        for (value, bytes) in gear.0.iter_mut().zip(table.as_chunks::<8>().0) {
            *value = u64::from_le_bytes(*bytes);
        }
        Chunker { gear }
    }

    /// Length of the first chunk of `data`, which begins at a border.
    ///
    /// `None`: no border in `data`, and more of the content may follow (`at_end` is false and `data` is shorter than
    /// [`MAX_CHUNK`]), or `data` is empty. Ask again with more; the scan starts over, so offer `MAX_CHUNK` bytes at once where possible.
    pub fn cut(&self, data: &[u8], at_end: bool) -> Option<usize> {
        let end = data.len().min(MAX_CHUNK);
        if end > MIN_CHUNK {
            let middle = end.min(NORMAL_CHUNK);
            let mut hash = 0;
            if let Some(len) = self.gear.scan(&data[MIN_CHUNK..middle], &mut hash, HARD_MASK) {
                return Some(MIN_CHUNK + len);
            }
            if let Some(len) = self.gear.scan(&data[middle..end], &mut hash, EASY_MASK) {
                return Some(middle + len);
            }
        }
        (end == MAX_CHUNK || (at_end && end > 0)).then_some(end)
    }
}

/// The largest chunk of a file, and what `Chunker::cut` never needs more than.
pub const MAX_CHUNK: usize = 512 << 10;

#[derive(Zeroize, ZeroizeOnDrop)]
struct Gear([u64; 256]);

impl Gear {
    /// Bytes up to and with the first one at which `hash & mask` is zero.
    ///
    /// Two bytes a step: `h' = (h << 2) + ((G[a] << 1) + G[b])` halves the chain of dependent operations.
    #[inline(always)]
    fn scan(&self, data: &[u8], hash: &mut u64, mask: u64) -> Option<usize> {
        let mut h = *hash;
        let (blocks, rest) = data.as_chunks::<8>();
        for (index, block) in blocks.iter().enumerate() {
            for (pair, bytes) in block.as_chunks::<2>().0.iter().enumerate() {
                let (a, b) = (self.0[usize::from(bytes[0])], self.0[usize::from(bytes[1])]);
                let first = (h << 1).wrapping_add(a);
                h = (h << 2).wrapping_add((a << 1).wrapping_add(b));
                if first & mask == 0 {
                    return Some(index * 8 + pair * 2 + 1);
                }
                if h & mask == 0 {
                    return Some(index * 8 + pair * 2 + 2);
                }
            }
        }
        for (index, byte) in rest.iter().enumerate() {
            h = (h << 1).wrapping_add(self.0[usize::from(*byte)]);
            if h & mask == 0 {
                return Some(blocks.len() * 8 + index + 1);
            }
        }
        *hash = h;
        None
    }
}

/// No border at or before this many bytes: hashing begins with the byte at this offset.
const MIN_CHUNK: usize = 32 << 10;
/// From the byte at this offset on borders are 16 times as likely.
const NORMAL_CHUNK: usize = 128 << 10;
/// The high bits, which depend on the most bytes: 19 and 15 of them.
const HARD_MASK: u64 = !0 << (64 - 19);
const EASY_MASK: u64 = !0 << (64 - 15);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stage::testing::random_bytes;
    use proptest::prelude::*;
    use std::collections::HashSet;

    /// No run of equal bytes has a border under this table: `h` after k bytes is `(g << k) - g`.
    const NO_BORDERS: [u8; 2048] = [0x55; 2048];

    fn chunker() -> Chunker {
        Chunker::new(random_bytes(99, 2048).as_slice().try_into().expect("2048 bytes"))
    }

    fn lengths(chunker: &Chunker, mut data: &[u8]) -> Vec<usize> {
        let mut all = Vec::new();
        while let Some(len) = chunker.cut(data, true) {
            all.push(len);
            data = &data[len..];
        }
        all
    }

    /// SPEC 9.6, word for word.
    fn cut_by_the_book(table: &[u8], data: &[u8]) -> usize {
        let mut h = 0_u64;
        for (offset, byte) in data.iter().enumerate() {
            if offset >= 32 * 1024 {
                let at = usize::from(*byte) * 8;
                let g = u64::from_le_bytes(table[at..at + 8].try_into().expect("8 bytes"));
                h = (h << 1).wrapping_add(g);
                let bits = if offset < 128 * 1024 { 19 } else { 15 };
                if h >> (64 - bits) == 0 {
                    return offset + 1;
                }
            }
            if offset + 1 == 512 * 1024 {
                return offset + 1;
            }
        }
        data.len()
    }

    #[test]
    fn cuts_where_the_specification_says() {
        let table = random_bytes(99, 2048);
        let (data, chunker) = (random_bytes(1, 6 << 20), chunker());
        let (mut hard, mut easy, mut rest) = (0, 0, &data[..]);
        while let Some(len) = chunker.cut(rest, true) {
            assert_eq!(len, cut_by_the_book(&table, rest));
            match len {
                0..=131_072 => hard += 1,
                _ => easy += 1,
            }
            rest = &rest[len..];
        }
        assert!(hard > 2 && easy > 20, "both masks were at work: {hard}, {easy}");
    }

    #[test]
    fn hashing_begins_at_the_minimum() {
        // The first hashed byte alone decides when its table value has 19 zero bits on top.
        let mut table = NO_BORDERS;
        table[8 * 7..8 * 8].copy_from_slice(&1_u64.to_le_bytes());
        let mut data = vec![0_u8; 100_000];
        data[MIN_CHUNK - 1] = 7;
        assert_eq!(Chunker::new(&table).cut(&data, true), Some(data.len()));
        data[MIN_CHUNK] = 7;
        assert_eq!(Chunker::new(&table).cut(&data, true), Some(MIN_CHUNK + 1));
    }

    #[test]
    fn content_without_borders_is_cut_at_the_maximum() {
        let data = vec![0_u8; 3 * MAX_CHUNK + 5];
        assert_eq!(lengths(&Chunker::new(&NO_BORDERS), &data), [MAX_CHUNK, MAX_CHUNK, MAX_CHUNK, 5]);
    }

    #[test]
    fn short_input_waits_for_more() {
        let chunker = Chunker::new(&NO_BORDERS);
        assert_eq!(chunker.cut(&[], true), None);
        assert_eq!(chunker.cut(&[0; 10], false), None);
        assert_eq!(chunker.cut(&[0; 10], true), Some(10));
        assert_eq!(chunker.cut(&vec![0; MAX_CHUNK - 1], false), None);
        assert_eq!(chunker.cut(&vec![0; MAX_CHUNK], false), Some(MAX_CHUNK));
    }

    #[test]
    fn chunks_of_random_data_are_near_128_kib() {
        let data = random_bytes(2, 12 << 20);
        let average = data.len() / lengths(&chunker(), &data).len();
        assert!((110 << 10..165 << 10).contains(&average), "{average}");
    }

    #[test]
    fn shifted_content_meets_the_same_borders_again() {
        let data = random_bytes(3, 5 << 20);
        let chunker = chunker();
        let ends = |data: &[u8], shift: usize| -> HashSet<usize> {
            lengths(&chunker, data)
                .iter()
                .scan(0, |at, len| {
                    *at += len;
                    Some(*at - shift.min(*at))
                })
                .collect()
        };
        let plain = ends(&data, 0);
        for insertion in [1, 100, 70_000] {
            let shifted = [random_bytes(4, insertion), data.clone()].concat();
            let common = ends(&shifted, insertion).intersection(&plain).count();
            assert!(common * 10 >= plain.len() * 8, "{common} of {} borders after {insertion} bytes", plain.len());
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(12))]

        #[test]
        fn borders_do_not_depend_on_how_content_is_fed(seed: u64, len in 0_usize..1_500_000, steps in prop::collection::vec(1_usize..700_000, 1..20)) {
            let (data, chunker) = (random_bytes(seed, len), chunker());
            let (mut fed, mut begin, mut end) = (Vec::new(), 0, 0);
            for step in steps.iter().cycle() {
                end = (end + step).min(data.len());
                while let Some(cut) = chunker.cut(&data[begin..end], end == data.len()) {
                    fed.push(cut);
                    begin += cut;
                }
                if end == data.len() {
                    break;
                }
            }
            prop_assert_eq!(fed, lengths(&chunker, &data));
        }
    }
}
