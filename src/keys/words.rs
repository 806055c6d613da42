//! The 24 words of the recovery key: 256 bits for a slot, never keys themselves (SPEC section 11.4).

use super::mnemonic;
use crypto_backends::{CryptoError, Key, Random};
use zeroize::Zeroizing;

/// 24 words of the English BIP-39 list.
pub struct Words(Zeroizing<Vec<u16>>);

impl Words {
    /// Fresh words.
    pub fn generate(random: &dyn Random) -> Result<Self, CryptoError> {
        Self::from_entropy(&Key::random(random)?)
    }

    /// The words that stand for `entropy`.
    pub fn from_entropy(entropy: &Key) -> Result<Self, CryptoError> {
        Ok(Self(mnemonic::encode(entropy.expose())?))
    }

    /// Reads words as people write them: any case, any space, numbered or separated by commas.
    pub fn parse(text: &str) -> Result<Self, WordsError> {
        let mut words = Zeroizing::new(vec![0; COUNT]);
        let mut count = 0;
        for word in text.split(|c: char| !c.is_alphabetic()).filter(|word| !word.is_empty()) {
            count += 1;
            let word = Zeroizing::new(word.to_lowercase());
            let index = mnemonic::find(&word).ok_or(WordsError::Unknown { number: count })?;
            if let Some(place) = words.get_mut(count - 1) {
                *place = index;
            }
        }
        if count != COUNT {
            return Err(WordsError::Count { count });
        }
        match mnemonic::decode(&words) {
            Ok(Some(_)) => Ok(Self(words)),
            Ok(None) => Err(WordsError::Checksum),
            Err(_) => Err(WordsError::NoBackend),
        }
    }

    /// The words in order, to be shown once and written down.
    pub fn iter(&self) -> impl Iterator<Item = &'static str> + '_ {
        self.0.iter().map(|index| mnemonic::word(*index))
    }

    /// The 32 bytes that the words stand for.
    pub fn entropy(&self) -> Key {
        let entropy = mnemonic::decode(&self.0).ok().flatten();
        let entropy = entropy.and_then(|entropy| Key::from_slice(entropy.expose()).ok());
        entropy.expect("words that were made or checked are 32 bytes")
    }
}

/// Why a text is not a recovery key. No variant holds a word: messages end up in logs.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum WordsError {
    /// Not 24.
    #[error("a recovery key has 24 words, these are {count}")]
    Count {
        /// How many there are.
        count: usize,
    },
    /// Not a word of the list.
    #[error("word {number} is not a word of the recovery list: check its spelling")]
    Unknown {
        /// Counted from 1.
        number: usize,
    },
    /// All words exist, and do not belong together.
    #[error("the words do not fit together: one of them is wrong, or two are exchanged")]
    Checksum,
    /// Nothing can be checked in a program without cryptography.
    #[error("this program has no cryptographic backend")]
    NoBackend,
}

const COUNT: usize = 24;

#[cfg(test)]
mod tests {
    use super::*;

    /// BIP-39's own vectors for 256 bits.
    #[test]
    fn known_words() {
        for (entropy, first, last) in
            [([0u8; 32], "abandon", "art"), ([0x7f; 32], "legal", "title"), ([0xff; 32], "zoo", "vote")]
        {
            let words = Words::from_entropy(&Key::new(entropy)).expect("a backend");
            let list: Vec<_> = words.iter().collect();
            assert_eq!((list.len(), list[0], list[23]), (24, first, last));
            assert_eq!(Words::parse(&list.join(" ")).expect("words").entropy().expose(), &entropy);
        }
    }

    #[test]
    fn tolerates_how_people_write() {
        let words: Vec<_> = Words::from_entropy(&Key::new([0x7f; 32])).expect("a backend").iter().collect();
        let numbered: String =
            words.iter().enumerate().map(|(i, w)| format!("{:2}. {}\t\r\n", i + 1, w.to_uppercase())).collect();
        for text in [numbered, format!("  {},\n", words.join(",  "))] {
            assert_eq!(Words::parse(&text).map_err(|e| e.to_string()).expect("words").entropy().expose(), &[0x7f; 32]);
        }
    }

    #[test]
    fn says_what_is_wrong() {
        let mut words = vec!["abandon"; 23];
        words.push("art");
        assert_eq!(Words::parse(&words[1..].join(" ")).err(), Some(WordsError::Count { count: 23 }));
        assert_eq!(Words::parse("").err(), Some(WordsError::Count { count: 0 }));
        words.swap(0, 23);
        assert_eq!(Words::parse(&words.join(" ")).err(), Some(WordsError::Checksum));
        words[6] = "abandom";
        assert_eq!(Words::parse(&words.join(" ")).err(), Some(WordsError::Unknown { number: 7 }));
    }
}
