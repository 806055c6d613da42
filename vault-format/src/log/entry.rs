//! A stored log entry: header, chain part, body, signature.

use super::Body;
use crate::error::FormatError;
use crate::frame;
use crate::header::{COMMIT_LEN, HEADER_LEN, Header, Mode, ObjectType};
use crate::ids::Identity;
use crate::limits;
use crate::read;
use crate::signed::{clear_body, signed_len};
use crate::suite::Suite;
use std::ops::Range;

/// A stored log entry, taken apart. Ranges are into the stored bytes.
///
/// ```text
/// header | seq u64 | prev_count u8 | reserved 3 | prev 32 x prev_count | content | signature
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EntryObject {
    /// The first 120 bytes.
    pub header: Header,
    /// Position in the device's log: above the greatest of `prev`'s, from 1 on; by 1, unless entries were lost.
    pub seq: u64,
    /// The open heads of the device's own log that this entry follows, ascending.
    pub prev: Vec<Identity>,
    /// Bytes of header and chain part: `header` in the formulas of SPEC section 5.
    pub prefix_len: usize,
    /// What lies between prefix and signature.
    pub content: EntryContent,
    /// Bytes before the signature; their hash is the entry's identity.
    pub signed_len: usize,
    /// The signature: the rest.
    pub signature: Range<usize>,
}

/// What an entry holds, by the mode of its header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EntryContent {
    /// Mode 1: the body is the plaintext of the frame.
    Sealed {
        /// 32 bytes.
        commit: Range<usize>,
        /// One frame, slot 0, last.
        frame: Range<usize>,
    },
    /// Mode 3.
    Clear {
        /// The body.
        body: Range<usize>,
    },
}

/// Header and chain part: what a writer seals or clears a body after.
pub fn entry_prefix(header: &Header, seq: u64, prev: &[Identity]) -> Vec<u8> {
    let mut prev = prev.to_vec();
    prev.sort_unstable();
    let mut out = header.encode().to_vec();
    out.extend_from_slice(&seq.to_le_bytes());
    out.extend([prev.len() as u8, 0, 0, 0]);
    out.extend(prev.iter().flat_map(|identity| identity.0));
    out
}

impl EntryObject {
    /// Takes a stored entry apart. Neither signature nor seal is verified, nor the size's class.
    pub fn parse(stored: &[u8], suite: Suite) -> Result<Self, FormatError> {
        const WHAT: &str = "log entry";
        read::at_most(stored.len(), limits::ENTRY_STORED, WHAT)?;
        let header = Header::parse(stored)?;
        if header.suite != suite {
            return Err(FormatError::Mismatch { field: "suite" });
        }
        if header.object_type != ObjectType::Entry {
            return Err(FormatError::Mismatch { field: "object type" });
        }
        let signed_len = signed_len(stored, suite, WHAT)?;
        let signed = &stored[..signed_len];
        let (seq, prev) = parse_chain(signed)?;
        let prefix_len = HEADER_LEN + CHAIN_HEAD + prev.len() * Identity::LEN;
        let content = if header.mode == Mode::Clear {
            let body = clear_body(signed, prefix_len, limits::ENTRY_BODY, WHAT)?;
            EntryContent::Clear { body }
        } else {
            let frame = prefix_len + COMMIT_LEN..signed_len;
            if frame.len() < frame::overhead(suite) + frame::TEXT_HEAD {
                return Err(FormatError::Truncated { what: WHAT });
            }
            EntryContent::Sealed { commit: prefix_len..frame.start, frame }
        };
        Ok(Self { header, seq, prev, prefix_len, content, signed_len, signature: signed_len..stored.len() })
    }

    /// Reads the body, clear or opened, and refuses a kind that does not go with the header's mode.
    pub fn body(&self, bytes: &[u8]) -> Result<Body, FormatError> {
        Body::parse_in(self.header.mode, bytes)
    }
}

fn parse_chain(signed: &[u8]) -> Result<(u64, Vec<Identity>), FormatError> {
    const WHAT: &str = "chain part";
    let mut reader = read::Reader::new(signed);
    reader.take(HEADER_LEN, WHAT)?;
    let seq = u64::from_le_bytes(reader.array(WHAT)?);
    let [count, reserved @ ..] = reader.array::<4>(WHAT)?;
    if let Some(byte) = reserved.into_iter().find(|byte| *byte != 0) {
        return Err(FormatError::NewerFormat { field: "reserved byte of the chain part", value: u64::from(byte) });
    }
    read::at_most(usize::from(count), limits::ENTRY_PREV, "predecessors")?;
    let prev = (0..count).map(|_| reader.array(WHAT).map(Identity)).collect::<Result<Vec<_>, _>>()?;
    check_chain(seq, &prev)?;
    Ok((seq, prev))
}

/// Refuses a number and predecessors that no entry has.
pub(crate) fn check_chain(seq: u64, prev: &[Identity]) -> Result<(), FormatError> {
    if !prev.is_sorted_by(|a, b| a < b) {
        return Err(FormatError::Order { what: "predecessors" });
    }
    // Above that of a predecessor, which is at least 1. Without one it is 1, unless all before it was lost.
    if seq == 0 || (!prev.is_empty() && seq < 2) {
        return Err(FormatError::Invalid { what: "seq" });
    }
    Ok(())
}

/// Bytes of the chain part without `prev`.
const CHAIN_HEAD: usize = 8 + 4;
