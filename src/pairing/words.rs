//! The secret of a pairing as 12 words, for whoever has to type it (SPEC section 18.1).

use crypto_backends::{CryptoError, Provider, Random, Secret, SecretBytes};
use zeroize::Zeroizing;

use super::Session;

/// 12 words of the English BIP-39 list: 128 bits and a checksum. They say where nothing is, so that is typed as well.
pub struct PairWords(bip39::Mnemonic);

impl PairWords {
    /// Fresh words.
    pub fn generate(random: &dyn Random) -> Result<Self, CryptoError> {
        Ok(Self::from_entropy(&Secret::random(random)?))
    }

    /// The words that stand for `entropy`.
    pub fn from_entropy(entropy: &Secret<16>) -> Self {
        Self(bip39::Mnemonic::from_entropy_in(LANGUAGE, entropy.expose()).expect("BIP-39 takes 16 bytes"))
    }

    /// Reads words as people write them: any case, any space, numbered or separated by commas.
    pub fn parse(text: &str) -> Result<Self, PairWordsError> {
        let mut normal = Zeroizing::new(String::with_capacity(COUNT * (LONGEST + 1)));
        let mut count = 0;
        for word in text.split(|c: char| !c.is_alphabetic()).filter(|word| !word.is_empty()) {
            count += 1;
            if count > COUNT {
                continue;
            }
            let word = Zeroizing::new(word.to_lowercase());
            if LANGUAGE.find_word(&word).is_none() {
                return Err(PairWordsError::Unknown { number: count });
            }
            if !normal.is_empty() {
                normal.push(' ');
            }
            normal.push_str(&word);
        }
        if count != COUNT {
            return Err(PairWordsError::Count { count });
        }
        let words = bip39::Mnemonic::parse_in_normalized(LANGUAGE, &normal).map_err(|_| PairWordsError::Checksum)?;
        Ok(Self(words))
    }

    /// The words in order.
    pub fn iter(&self) -> impl Iterator<Item = &'static str> + '_ {
        self.0.words()
    }

    /// Where and how the two meet.
    pub fn session(&self, provider: &'static Provider) -> Session {
        let (bytes, len) = self.0.to_entropy_array();
        let bytes = Zeroizing::new(bytes);
        Session::new(provider, SecretBytes::new(bytes[..len].to_vec()), None)
    }
}

/// Why a text is not the 12 words of a pairing. No variant holds a word: messages end up in logs.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PairWordsError {
    /// Not 12.
    #[error("a pairing has 12 words, these are {count}")]
    Count {
        /// How many there are.
        count: usize,
    },
    /// Not a word of the list.
    #[error("word {number} is not a word of the list: check its spelling")]
    Unknown {
        /// Counted from 1.
        number: usize,
    },
    /// All words exist, and do not belong together.
    #[error("the words do not fit together: one of them is wrong, or two are exchanged")]
    Checksum,
}

const LANGUAGE: bip39::Language = bip39::Language::English;
const COUNT: usize = 12;
/// Letters of the longest word of the list.
const LONGEST: usize = 8;
