//! Objects below `l/` that are no entries and never will be: fetched once, however often they are listed (rule L-2).
//!
//! ```text
//! "REFU" 1 | version of the program, u8 length before it | (device 16 | seq u64 | object 32 | reason, u8 length before it)...
//! ```
//!
//! What one version refuses the next may know, so a file of another version says nothing.

use std::collections::HashMap;

use vault_format::{DeviceId, ObjectHash, ObjectName};

use super::{Junk, Log};

/// What an earlier run refused for ever, and why.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Refused(HashMap<ObjectName, String>);

impl Refused {
    /// Why an object was refused, if it was.
    pub(super) fn reason(&self, name: &ObjectName) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// What a log refused.
    pub(crate) fn of(log: &Log) -> Self {
        let last = log.junk().iter().filter(|junk| junk.is_final).take(MOST);
        let named = last.filter_map(|Junk { path, reason, .. }| Some((ObjectName::parse(path)?, reason.clone())));
        Self(named.collect())
    }

    pub(crate) fn pack(&self) -> Vec<u8> {
        let mut out = MAGIC.to_vec();
        push_text(&mut out, env!("CARGO_PKG_VERSION"));
        for (name, reason) in &self.0 {
            let ObjectName::Log { device, seq, hash } = name else { continue };
            out.extend_from_slice(&device.0);
            out.extend_from_slice(&seq.to_le_bytes());
            out.extend_from_slice(&hash.0);
            push_text(&mut out, reason);
        }
        out
    }

    /// What `pack` wrote; nothing if it is anything else.
    pub(crate) fn unpack(bytes: &[u8]) -> Self {
        Self(parse(bytes).unwrap_or_default())
    }
}

fn parse(bytes: &[u8]) -> Option<HashMap<ObjectName, String>> {
    let mut rest = bytes.strip_prefix(MAGIC)?;
    let mut refused = HashMap::new();
    if take_text(&mut rest)? != env!("CARGO_PKG_VERSION") {
        return None;
    }
    while !rest.is_empty() {
        let (device, after) = rest.split_first_chunk()?;
        let (seq, after) = after.split_first_chunk()?;
        let (hash, after) = after.split_first_chunk()?;
        rest = after;
        let name =
            ObjectName::Log { device: DeviceId(*device), seq: u64::from_le_bytes(*seq), hash: ObjectHash(*hash) };
        refused.insert(name, take_text(&mut rest)?.to_owned());
    }
    Some(refused)
}

fn push_text(out: &mut Vec<u8>, text: &str) {
    let end = (0..=text.len().min(255)).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
    out.push(end as u8);
    out.extend_from_slice(&text.as_bytes()[..end]);
}

fn take_text<'a>(rest: &mut &'a [u8]) -> Option<&'a str> {
    let (len, after) = rest.split_first()?;
    let (text, after) = after.split_at_checked(usize::from(*len))?;
    *rest = after;
    std::str::from_utf8(text).ok()
}

const MAGIC: &[u8] = b"REFU\x01";
/// Whoever plants more makes others fetch more: bounded by what the store lets him write.
const MOST: usize = 10_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_packed_comes_back_and_nothing_else() {
        let name = |n| ObjectName::Log { device: DeviceId([n; 16]), seq: u64::MAX, hash: ObjectHash([n; 32]) };
        let refused = Refused([(name(1), "no entry".to_owned()), (name(2), "ä".repeat(200))].into());
        let packed = refused.pack();
        let again = Refused::unpack(&packed);
        assert_eq!(again.reason(&name(1)), Some("no entry"));
        assert_eq!(again.reason(&name(2)).map(str::len), Some(254), "cut between two letters");
        assert_eq!(again.reason(&name(3)), None);
        for at in 0..packed.len() {
            assert!(Refused::unpack(&packed[..at]).0.len() < 2);
        }
        let mut newer = packed;
        newer[MAGIC.len() + 1] ^= 1;
        assert_eq!(Refused::unpack(&newer), Refused::default());
    }
}
