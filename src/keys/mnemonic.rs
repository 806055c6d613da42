//! Secrets as words of the English list of BIP-39. The list is the crate's; the checksum is made by the backend's SHA-256, so
//! that a secret passes through no implementation that a program did not choose.

use crypto_backends::{CryptoError, SecretBytes, Suite, provider};
use zeroize::Zeroizing;

/// The words that stand for `secret`, as places in the list. One word for each 32 bits of three words, and their checksum: 12 for
/// 16 bytes, 24 for 32.
pub(crate) fn encode(secret: &[u8]) -> Result<Zeroizing<Vec<u16>>, CryptoError> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(secret.len() + 1));
    bytes.extend_from_slice(secret);
    bytes.push(checksum(secret)?);
    let words = secret.len() * 3 / 4;
    let bit = |at: usize| u16::from(bytes[at / 8] >> (7 - at % 8) & 1);
    let word = |n: usize| (n * BITS..(n + 1) * BITS).fold(0, |word, at| word << 1 | bit(at));
    Ok(Zeroizing::new((0..words).map(word).collect()))
}

/// The secret that words stand for. `None`: their checksum is another.
pub(crate) fn decode(words: &[u16]) -> Result<Option<SecretBytes>, CryptoError> {
    let mut bytes = Zeroizing::new(vec![0; words.len() * 4 / 3 + 1]);
    for (n, word) in words.iter().enumerate() {
        for i in 0..BITS {
            let at = n * BITS + i;
            bytes[at / 8] |= ((word >> (BITS - 1 - i) & 1) as u8) << (7 - at % 8);
        }
    }
    let stated = bytes.pop().unwrap_or_default();
    let bits = words.len() / 3;
    let made = checksum(&bytes)? & !0xffu8.checked_shr(bits as u32).unwrap_or(0);
    Ok((made == stated).then(|| SecretBytes::new(bytes.to_vec())))
}

/// A word of the list.
pub(crate) fn word(index: u16) -> &'static str {
    LANGUAGE.word_list()[usize::from(index)]
}

/// Where a word is in the list.
pub(crate) fn find(word: &str) -> Option<u16> {
    LANGUAGE.find_word(word)
}

/// Its first bits follow the secret: one for each 32 of it.
fn checksum(secret: &[u8]) -> Result<u8, CryptoError> {
    let sha256 = provider(Suite::Fips).ok_or(CryptoError::NoBackend)?.hash;
    Ok(sha256.hash(&[secret])[0])
}

const LANGUAGE: bip39::Language = bip39::Language::English;
/// Of a word.
const BITS: usize = 11;

#[cfg(test)]
mod tests {
    use super::*;

    /// The words of the crate that the list is from, for secrets of both lengths.
    #[test]
    fn as_the_crate_has_them() {
        for n in 0..64u8 {
            for len in [16, 32] {
                let secret: Vec<u8> =
                    (0..len).map(|i| n.wrapping_mul(37).wrapping_add(u8::wrapping_mul(i, 91))).collect();
                let expected = bip39::Mnemonic::from_entropy_in(LANGUAGE, &secret).expect("a length of BIP-39");
                let words = encode(&secret).expect("a backend");
                assert!(words.iter().copied().map(word).eq(expected.words()), "{secret:?}");
                assert_eq!(decode(&words).expect("a backend").expect("fits").expose(), secret);
            }
        }
    }

    #[test]
    fn one_bit_of_the_checksum() {
        for len in [16, 32] {
            let words = encode(&vec![7; len]).expect("a backend");
            for bit in 0..len / 4 {
                let mut words = words.clone();
                *words.last_mut().expect("words") ^= 1 << bit;
                assert!(decode(&words).expect("a backend").is_none(), "{len} {bit}");
            }
        }
    }
}
