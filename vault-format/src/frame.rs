//! Frames: what the AEAD seals, and the text inside (SPEC section 5.2).

use crate::error::FormatError;
use crate::read::{Reader, at_most, zeros};
use crate::suite::{Suite, TAG_LEN};

/// Bytes that a frame adds to its text.
pub const fn overhead(suite: Suite) -> usize {
    SYN_LEN + suite.nonce_len() + TAG_LEN
}

/// The parts of a sealed frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    /// Keyed hash of slot and text: makes the frame's key depend on its content.
    pub syn: &'a [u8; SYN_LEN],
    /// Of the suite's length.
    pub nonce: &'a [u8],
    /// As long as the text.
    pub ciphertext: &'a [u8],
    /// Over ciphertext and place.
    pub tag: &'a [u8; TAG_LEN],
}

impl<'a> Frame<'a> {
    /// Splits the bytes of exactly one frame. A frame has at least the head of a text in it.
    pub fn split(suite: Suite, bytes: &'a [u8]) -> Result<Self, FormatError> {
        const SHORT: FormatError = FormatError::Truncated { what: "frame" };
        let (syn, rest) = bytes.split_first_chunk().ok_or(SHORT)?;
        let (nonce, rest) = rest.split_at_checked(suite.nonce_len()).ok_or(SHORT)?;
        let (ciphertext, tag) = rest.split_last_chunk().ok_or(SHORT)?;
        if ciphertext.len() < TEXT_HEAD {
            return Err(SHORT);
        }
        Ok(Self { syn, nonce, ciphertext, tag })
    }
}

/// How the body of a text is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Codec {
    /// Not at all.
    Stored = 0,
    /// One zstd frame that states its content size.
    Zstd = 1,
}

/// What a frame seals: a body, and zeros up to any length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Text<'a> {
    /// How the body is compressed.
    pub codec: Codec,
    /// Bytes of the body after decompression. The caller bounds it by the limit of the place.
    pub plain_len: u32,
    /// As stored.
    pub body: &'a [u8],
}

/// Appends a text of `text_len` bytes in all. Refuses a body that does not fit, or a stored one that is not `plain_len` long.
pub fn write_text(
    codec: Codec,
    plain_len: u32,
    body: &[u8],
    text_len: usize,
    out: &mut Vec<u8>,
) -> Result<(), FormatError> {
    if text_len < TEXT_HEAD {
        return Err(FormatError::Truncated { what: "text" });
    }
    at_most(body.len(), (text_len - TEXT_HEAD).min(u32::MAX as usize), "body")?;
    let body_len = body.len() as u32;
    check_stored(codec, body_len, plain_len)?;
    let end = out.len() + text_len;
    out.reserve(text_len);
    out.push(codec as u8);
    out.extend_from_slice(&body_len.to_le_bytes());
    out.extend_from_slice(&plain_len.to_le_bytes());
    out.extend_from_slice(body);
    out.resize(end, 0);
    Ok(())
}

/// Reads an opened text; everything after the body must be zero.
pub fn parse_text(text: &[u8]) -> Result<Text<'_>, FormatError> {
    let mut reader = Reader::new(text);
    let codec = match reader.u8("text")? {
        0 => Codec::Stored,
        1 => Codec::Zstd,
        other => {
            return Err(FormatError::NewerFormat { field: "codec", value: u64::from(other) });
        }
    };
    let body_len = reader.u32("text")?;
    let plain_len = reader.u32("text")?;
    check_stored(codec, body_len, plain_len)?;
    let body = reader.take(body_len as usize, "body")?;
    zeros(reader.take(reader.left(), "padding")?, "padding")?;
    Ok(Text { codec, plain_len, body })
}

fn check_stored(codec: Codec, body_len: u32, plain_len: u32) -> Result<(), FormatError> {
    if codec == Codec::Stored && body_len != plain_len {
        return Err(FormatError::Invalid { what: "length of a stored body" });
    }
    Ok(())
}

/// Bytes of the synthetic part.
pub const SYN_LEN: usize = 32;
/// Bytes of a text before its body.
pub const TEXT_HEAD: usize = 9;
/// The slot of the only frame of an object that is not a pack.
pub const ONLY_SLOT: u32 = 0;
/// The slot of a pack's trailer.
pub const TRAILER_SLOT: u32 = u32::MAX;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn frames_split_where_the_suite_says() {
        for (suite, len) in [(Suite::Default, 72), (Suite::Fips, 60)] {
            assert_eq!(overhead(suite), len);
            let bytes: Vec<u8> = (0..len as u8 + 9).collect();
            let frame = Frame::split(suite, &bytes).expect("the shortest frame");
            assert_eq!([&frame.syn[..], frame.nonce, frame.ciphertext, frame.tag].concat(), bytes);
            assert_eq!(frame.ciphertext.len(), TEXT_HEAD);
            for end in 0..bytes.len() {
                assert_eq!(Frame::split(suite, &bytes[..end]), Err(FormatError::Truncated { what: "frame" }));
            }
        }
    }

    #[test]
    fn writing_refuses_what_does_not_fit() {
        let mut out = Vec::new();
        assert!(write_text(Codec::Stored, 3, b"abc", 11, &mut out).is_err());
        assert!(write_text(Codec::Stored, 4, b"abc", 12, &mut out).is_err());
        assert!(write_text(Codec::Stored, 0, b"", 8, &mut out).is_err());
        assert!(out.is_empty());
    }

    proptest! {
        #[test]
        fn texts_round_trip(zstd: bool, body in proptest::collection::vec(any::<u8>(), 0..2000), pad in 0..2000usize, plain: u32) {
            let codec = if zstd { Codec::Zstd } else { Codec::Stored };
            let plain_len = if zstd { plain } else { body.len() as u32 };
            let mut out = b"before".to_vec();
            write_text(codec, plain_len, &body, TEXT_HEAD + body.len() + pad, &mut out).expect("fits");
            prop_assert_eq!(parse_text(&out[6..]), Ok(Text { codec, plain_len, body: &body }));
            if pad > 0 {
                *out.last_mut().expect("padding") = 1;
                prop_assert_eq!(parse_text(&out[6..]), Err(FormatError::NotZero { what: "padding" }));
            }
        }
    }
}
