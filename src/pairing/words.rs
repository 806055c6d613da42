//! The secret of a pairing as 12 words, for whoever has to type it (SPEC section 18.1).

use crypto_backends::{CryptoError, Provider, Secret, SecretBytes, Suite};
use zeroize::Zeroizing;

use super::Session;

/// 12 words of the English BIP-39 list: 128 bits, and a checksum that also tells the suite. They say where nothing is, so that is
/// typed as well.
pub struct PairWords {
    words: bip39::Mnemonic,
    suite: Suite,
}

impl PairWords {
    /// Fresh words, for a vault of the suite of `provider`.
    pub fn generate(provider: &Provider) -> Result<Self, CryptoError> {
        Ok(Self::from_entropy(&Secret::random(provider.random)?, provider.suite))
    }

    /// The words that stand for `entropy`.
    pub fn from_entropy(entropy: &Secret<16>, suite: Suite) -> Self {
        let words = bip39::Mnemonic::from_entropy_in(LANGUAGE, entropy.expose()).expect("BIP-39 takes 16 bytes");
        Self { words, suite }
    }

    /// Reads words as people write them: any case, any space, numbered or separated by commas.
    pub fn parse(text: &str) -> Result<Self, PairWordsError> {
        let mut indices = Zeroizing::new([0; COUNT]);
        let mut count = 0;
        for word in text.split(|c: char| !c.is_alphabetic()).filter(|word| !word.is_empty()) {
            count += 1;
            let Some(index) = indices.get_mut(count - 1) else { continue };
            let word = Zeroizing::new(word.to_lowercase());
            *index = LANGUAGE.find_word(&word).ok_or(PairWordsError::Unknown { number: count })?;
        }
        if count != COUNT {
            return Err(PairWordsError::Count { count });
        }
        let fit = SUITES.into_iter().find_map(|suite| {
            let words = bip39::Mnemonic::parse_in_normalized(LANGUAGE, &text_of(&indices, suite)).ok()?;
            Some(Self { words, suite })
        });
        fit.ok_or(PairWordsError::Checksum)
    }

    /// The words in order.
    pub fn iter(&self) -> impl Iterator<Item = &'static str> + '_ {
        let indices = self.words.word_indices().enumerate();
        indices.map(|(i, index)| LANGUAGE.word_list()[index ^ inverted(i, self.suite)])
    }

    /// The suite of the vault, which the checksum tells.
    pub fn suite(&self) -> Suite {
        self.suite
    }

    /// Where and how the two meet.
    pub fn session(&self, provider: &'static Provider) -> Session {
        let (bytes, len) = self.words.to_entropy_array();
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

/// Which bits of the index of a word a suite inverts.
fn inverted(word: usize, suite: Suite) -> usize {
    if word + 1 == COUNT && suite == Suite::Fips { CHECKSUM_BITS } else { 0 }
}

/// The words as BIP-39 has them, if those that were typed are of this suite.
fn text_of(indices: &[u16; COUNT], suite: Suite) -> Zeroizing<String> {
    let mut text = Zeroizing::new(String::with_capacity(COUNT * (LONGEST + 1)));
    for (i, index) in indices.iter().enumerate() {
        if i > 0 {
            text.push(' ');
        }
        text.push_str(LANGUAGE.word_list()[usize::from(*index) ^ inverted(i, suite)]);
    }
    text
}

const SUITES: [Suite; 2] = [Suite::Default, Suite::Fips];
/// Those bits of the last word are the checksum of 128 bits. In suite 0x02 all of them are inverted.
const CHECKSUM_BITS: usize = 0xf;
const LANGUAGE: bip39::Language = bip39::Language::English;
const COUNT: usize = 12;
/// Letters of the longest word of the list.
const LONGEST: usize = 8;
