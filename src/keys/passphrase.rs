//! What a person types or a file holds (SPEC section 11.4).

use crypto_backends::{SecretBytes, Suite};
use unicode_normalization::UnicodeNormalization;
use zeroize::Zeroizing;

/// A passphrase as the password function takes it: UTF-8 in NFC, so that every keyboard and file system spells it the same.
pub struct Passphrase(SecretBytes);

impl Passphrase {
    /// Takes what was typed, as it is.
    pub fn new(typed: &str) -> Result<Self, PassphraseError> {
        // Decomposed text is at most three times as long; room for all of it, so that growing leaves no copies behind.
        let mut normal = Zeroizing::new(String::with_capacity(3 * typed.len().min(MAX_LEN) + 4));
        for c in typed.nfc() {
            if normal.len() + c.len_utf8() > MAX_LEN {
                return Err(PassphraseError::TooLong);
            }
            normal.push(c);
        }
        if normal.is_empty() {
            return Err(PassphraseError::Empty);
        }
        Ok(Self(SecretBytes::new(std::mem::take(&mut *normal).into_bytes())))
    }

    /// Takes what a file, a descriptor or a command gave: one final line break is removed, and nothing else.
    pub fn from_output(bytes: &[u8]) -> Result<Self, PassphraseError> {
        let text = std::str::from_utf8(bytes).map_err(|_| PassphraseError::NotUtf8)?;
        let text = text.strip_suffix('\n').map_or(text, |line| line.strip_suffix('\r').unwrap_or(line));
        Self::new(text)
    }

    /// Refuses what a new slot of `suite` does not take.
    pub fn check_create(&self, suite: Suite) -> Result<(), PassphraseError> {
        match suite {
            Suite::Fips if self.expose().len() < FIPS_MIN_LEN => Err(PassphraseError::TooShort { least: FIPS_MIN_LEN }),
            Suite::Default | Suite::Fips => Ok(()),
        }
    }

    pub(crate) fn expose(&self) -> &[u8] {
        self.0.expose()
    }
}

/// Why something is no passphrase.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum PassphraseError {
    /// No bytes at all.
    #[error("the passphrase is empty")]
    Empty,
    /// Over the limit of the format.
    #[error("the passphrase is longer than {MAX_LEN} bytes")]
    TooLong,
    /// Below what the suite takes.
    #[error("a passphrase of this suite has at least {least} bytes")]
    TooShort {
        /// In bytes, after normalisation.
        least: usize,
    },
    /// Not text.
    #[error("the passphrase is not valid UTF-8")]
    NotUtf8,
}

/// Bytes, after normalisation (SPEC section 11.4).
const MAX_LEN: usize = 1024;
/// SP 800-132 and the module's own limit for PBKDF2.
const FIPS_MIN_LEN: usize = 14;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_normalised() {
        let composed = Passphrase::new("caf\u{e9}").expect("a passphrase");
        let decomposed = Passphrase::new("cafe\u{301}").expect("a passphrase");
        assert_eq!(composed.expose(), decomposed.expose());
        assert_eq!(composed.expose(), "caf\u{e9}".as_bytes());
    }

    #[test]
    fn one_line_break_is_removed_and_nothing_else() {
        for (given, kept) in
            [("a b", "a b"), (" a\n", " a"), ("a\r\n", "a"), ("a\n\n", "a\n"), ("a\r", "a\r"), ("a \n", "a ")]
        {
            assert_eq!(Passphrase::from_output(given.as_bytes()).expect("a passphrase").expose(), kept.as_bytes());
        }
        assert_eq!(Passphrase::new("a\n").expect("typed").expose(), b"a\n");
    }

    #[test]
    fn limits() {
        assert_eq!(Passphrase::new("").err(), Some(PassphraseError::Empty));
        assert_eq!(Passphrase::from_output(b"\n").err(), Some(PassphraseError::Empty));
        assert_eq!(Passphrase::from_output(b"\xff").err(), Some(PassphraseError::NotUtf8));
        assert!(Passphrase::new(&"a".repeat(1024)).is_ok());
        assert_eq!(Passphrase::new(&"a".repeat(1025)).err(), Some(PassphraseError::TooLong));
        assert!(Passphrase::new(&"e\u{301}".repeat(512)).is_ok(), "the limit counts normalised bytes");
        let short = Passphrase::new("thirteen byte").expect("a passphrase");
        assert_eq!(short.check_create(Suite::Default), Ok(()));
        assert_eq!(short.check_create(Suite::Fips), Err(PassphraseError::TooShort { least: 14 }));
        assert_eq!(Passphrase::new("fourteen bytes").expect("a passphrase").check_create(Suite::Fips), Ok(()));
    }
}
