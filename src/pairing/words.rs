//! The secret of a pairing as 12 words, for whoever has to type it (SPEC section 18.1).

use crypto_backends::{CryptoError, Provider, Secret, Suite};
use zeroize::Zeroizing;

use super::Session;
use crate::keys::mnemonic;

/// 12 words of the English BIP-39 list: 128 bits, and a checksum that also tells the suite. They say where nothing is, so that is
/// typed as well.
pub struct PairWords {
    /// As BIP-39 has them, whatever the suite.
    words: Zeroizing<Vec<u16>>,
    suite: Suite,
}

impl PairWords {
    /// Fresh words, for a vault of the suite of `provider`.
    pub fn generate(provider: &Provider) -> Result<Self, CryptoError> {
        Self::from_entropy(&Secret::random(provider.random)?, provider.suite)
    }

    /// The words that stand for `entropy`.
    pub fn from_entropy(entropy: &Secret<16>, suite: Suite) -> Result<Self, CryptoError> {
        Ok(Self { words: mnemonic::encode(entropy.expose())?, suite })
    }

    /// Reads words as people write them: any case, any space, numbered or separated by commas.
    pub fn parse(text: &str) -> Result<Self, PairWordsError> {
        let mut words = Zeroizing::new(vec![0; COUNT]);
        let mut count = 0;
        for word in text.split(|c: char| !c.is_alphabetic()).filter(|word| !word.is_empty()) {
            count += 1;
            let Some(index) = words.get_mut(count - 1) else { continue };
            let word = Zeroizing::new(word.to_lowercase());
            *index = mnemonic::find(&word).ok_or(PairWordsError::Unknown { number: count })?;
        }
        if count != COUNT {
            return Err(PairWordsError::Count { count });
        }
        for suite in SUITES {
            let mut words = words.clone();
            words[COUNT - 1] ^= inverted(suite);
            match mnemonic::decode(&words) {
                Ok(Some(_)) => return Ok(Self { words, suite }),
                Ok(None) => {}
                Err(_) => return Err(PairWordsError::NoBackend),
            }
        }
        Err(PairWordsError::Checksum)
    }

    /// The words in order.
    pub fn iter(&self) -> impl Iterator<Item = &'static str> + '_ {
        let last = |n| if n + 1 == COUNT { inverted(self.suite) } else { 0 };
        self.words.iter().enumerate().map(move |(n, index)| mnemonic::word(index ^ last(n)))
    }

    /// The suite of the vault, which the checksum tells.
    pub fn suite(&self) -> Suite {
        self.suite
    }

    /// Where and how the two meet.
    pub fn session(&self, provider: &'static Provider) -> Session {
        let secret = mnemonic::decode(&self.words).ok().flatten();
        Session::new(provider, secret.expect("words that were made or checked are 16 bytes"), None)
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
    /// Nothing can be checked in a program without cryptography.
    #[error("this program has no cryptographic backend")]
    NoBackend,
}

/// Which bits of the last word a suite inverts.
fn inverted(suite: Suite) -> u16 {
    match suite {
        Suite::Default => 0,
        Suite::Fips => CHECKSUM_BITS,
    }
}

const SUITES: [Suite; 2] = [Suite::Default, Suite::Fips];
/// Those bits of the last word are the checksum of 128 bits. In suite 0x02 all of them are inverted.
const CHECKSUM_BITS: u16 = 0xf;
const COUNT: usize = 12;
