//! The few sizes that stored objects have (SPEC section 13), so that no size depends on a single chunk's length.

/// Bytes of a full pack.
pub const PACK: usize = crate::limits::PACK;

/// The smallest size that a pack of `len` bytes may be padded to. At most `PACK` for what fits into a pack.
pub fn pack_class(len: usize) -> usize {
    size_class(len, PACK_STEP)
}

/// The smallest size that any other object of `len` bytes may be padded to.
pub fn class(len: usize) -> usize {
    size_class(len, STEP)
}

/// Whether packs have this size.
pub fn is_pack_class(len: usize) -> bool {
    len > 0 && len <= PACK && pack_class(len) == len
}

/// Whether other objects have this size.
pub fn is_class(len: usize) -> bool {
    len > 0 && class(len) == len
}

fn size_class(len: usize, step: usize) -> usize {
    if len <= SMALL { len.max(1).next_multiple_of(step) } else { padme(len).next_multiple_of(PACK_STEP) }
}

/// Nikitin et al., "Reducing Metadata Leakage from Encrypted Files and Communication with PURBs", PETS 2019, algorithm 1.
fn padme(len: usize) -> usize {
    let exponent = len.ilog2();
    let kept = exponent.ilog2() + 1;
    len.next_multiple_of(1 << (exponent - kept))
}

/// Up to here sizes are multiples of a step, above PADME.
const SMALL: usize = 1 << 20;
/// The step of packs, and of everything above `SMALL`.
const PACK_STEP: usize = 64 << 10;
/// The step of everything else.
const STEP: usize = 4 << 10;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn classes_are_those_of_spec_13() {
        const K: usize = 1024;
        // Written out from the text: steps up to 1 MiB, then 2^(e - 5) for e = 20..=23, not below 64 KiB.
        let mut packs: Vec<usize> = (1..=16).map(|n| n * 64 * K).collect();
        for (from, to, step) in [(1024, 4096, 64), (4096, 8192, 128), (8192, 16384, 256)] {
            packs.extend((from + step..=to).step_by(step).map(|kib| kib * K));
        }
        let mut others: Vec<usize> = (1..=256).map(|n| n * 4 * K).collect();
        others.extend(packs.iter().filter(|size| **size > 1024 * K));

        for (classes, class, is) in
            [(&packs, pack_class as fn(_) -> _, is_pack_class as fn(_) -> _), (&others, super::class, is_class)]
        {
            let mut below = 0;
            for &size in classes {
                assert_eq!([class(below + 1), class(size - 1), class(size)], [size; 3]);
                assert!(is(size) && !is(size - 1) && !is(size + 1));
                below = size;
            }
            assert_eq!(below, PACK);
        }
        assert!(!is_pack_class(0) && !is_class(0) && !is_pack_class(PACK + (1 << 20)));
        assert_eq!(class(0), 4 * K);
    }

    #[test]
    fn the_largest_table_fits_its_limit() {
        let largest = crate::header::HEADER_LEN
            + 32
            + crate::frame::overhead(crate::Suite::Default)
            + crate::frame::TEXT_HEAD
            + crate::limits::INDEX_PLAIN;
        assert_eq!(class(largest), crate::limits::INDEX_STORED);
    }

    proptest! {
        #[test]
        fn classes_are_fixed_points_and_waste_little(len in 1..=PACK) {
            for (size, step) in [(pack_class(len), PACK_STEP), (class(len), STEP)] {
                prop_assert!(size >= len && size <= PACK);
                prop_assert!(size - len < step.max(len / 8));
                prop_assert!(size <= SMALL || is_class(size) && is_pack_class(size));
            }
        }
    }
}
