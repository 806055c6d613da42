//! What the tests of the stages share.

/// The same bytes for the same seed, without structure.
pub(crate) fn random_bytes(seed: u64, len: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let words = std::iter::repeat_with(|| {
        // xorshift64*, Vigna 2016
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        state.wrapping_mul(0x2545_f491_4f6c_dd1d)
    });
    let mut bytes: Vec<u8> = words.take(len.div_ceil(8)).flat_map(u64::to_le_bytes).collect();
    bytes.truncate(len);
    bytes
}

/// Bytes that compress well and are not all the same.
pub(crate) fn text_bytes(seed: u64, len: usize) -> Vec<u8> {
    let words = ["vault ", "chunk ", "segment ", "pack ", "index ", "manifest ", "snapshot ", "\n"];
    let mut text = Vec::with_capacity(len + 16);
    for byte in random_bytes(seed, len / 4 + 1) {
        text.extend_from_slice(words[usize::from(byte) % words.len()].as_bytes());
    }
    text.truncate(len);
    text
}
