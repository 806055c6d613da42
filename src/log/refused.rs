//! Objects below `l/` that are no entries, and never will be or not by the roster as it is: fetched once, however often they are
//! listed (rule L-2).
//!
//! ```text
//! "REFU" 2 | version of the program, u8 length before it | (device 16 | seq u64 | object 32 | why)...
//! why = 0 | reason, u8 length before it        for ever
//!       1 | identity 32 | domain 16            as long as its device may not write to this domain
//! ```
//!
//! What one version refuses the next may know, so a file of another version says nothing.

use std::collections::HashMap;

use vault_format::{DeviceId, Domain, Identity, ObjectHash, ObjectName};

use super::{Junk, Log, Unfounded};

/// What an earlier run refused, and why.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Refused(HashMap<ObjectName, Why>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Why {
    ForEver(String),
    Unfounded(Unfounded),
}

impl Refused {
    /// Why an object was refused for ever, if it was.
    pub(super) fn reason(&self, name: &ObjectName) -> Option<&str> {
        match self.0.get(name)? {
            Why::ForEver(reason) => Some(reason),
            Why::Unfounded(_) => None,
        }
    }

    /// The entry that an object would be if the roster allowed it.
    pub(super) fn unfounded(&self, name: &ObjectName) -> Option<&Unfounded> {
        match self.0.get(name)? {
            Why::ForEver(_) => None,
            Why::Unfounded(entry) => Some(entry),
        }
    }

    /// What a log refused.
    pub(crate) fn of(log: &Log) -> Self {
        let why = |junk: &Junk| match junk.unfounded {
            Some(entry) => Some(Why::Unfounded(entry)),
            None => junk.is_final.then(|| Why::ForEver(junk.reason.clone())),
        };
        let named = log.junk().iter().filter_map(|junk| Some((ObjectName::parse(&junk.path)?, why(junk)?)));
        Self(named.take(MOST).collect())
    }

    pub(crate) fn pack(&self) -> Vec<u8> {
        let mut out = MAGIC.to_vec();
        push_text(&mut out, env!("CARGO_PKG_VERSION"));
        for (name, why) in &self.0 {
            let ObjectName::Log { device, seq, hash } = name else { continue };
            out.extend_from_slice(&device.0);
            out.extend_from_slice(&seq.to_le_bytes());
            out.extend_from_slice(&hash.0);
            match why {
                Why::ForEver(reason) => {
                    out.push(0);
                    push_text(&mut out, reason);
                }
                Why::Unfounded(Unfounded { identity, domain }) => {
                    out.push(1);
                    out.extend_from_slice(&identity.0);
                    out.extend_from_slice(&domain.0);
                }
            }
        }
        out
    }

    /// What `pack` wrote; nothing if it is anything else.
    pub(crate) fn unpack(bytes: &[u8]) -> Self {
        Self(parse(bytes).unwrap_or_default())
    }
}

fn parse(bytes: &[u8]) -> Option<HashMap<ObjectName, Why>> {
    let mut rest = bytes.strip_prefix(MAGIC)?;
    let mut refused = HashMap::new();
    if take_text(&mut rest)? != env!("CARGO_PKG_VERSION") {
        return None;
    }
    while !rest.is_empty() {
        let (device, after) = rest.split_first_chunk()?;
        let (seq, after) = after.split_first_chunk()?;
        let (hash, after) = after.split_first_chunk()?;
        let (why, after) = after.split_first()?;
        rest = after;
        let name =
            ObjectName::Log { device: DeviceId(*device), seq: u64::from_le_bytes(*seq), hash: ObjectHash(*hash) };
        let why = match why {
            0 => Why::ForEver(take_text(&mut rest)?.to_owned()),
            1 => {
                let (identity, after) = rest.split_first_chunk()?;
                let (domain, after) = after.split_first_chunk()?;
                rest = after;
                Why::Unfounded(Unfounded { identity: Identity(*identity), domain: Domain(*domain) })
            }
            _ => return None,
        };
        refused.insert(name, why);
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

const MAGIC: &[u8] = b"REFU\x02";
/// Whoever plants more makes others fetch more: bounded by what the store lets him write.
const MOST: usize = 10_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_packed_comes_back_and_nothing_else() {
        let name = |n| ObjectName::Log { device: DeviceId([n; 16]), seq: u64::MAX, hash: ObjectHash([n; 32]) };
        let unfounded = Unfounded { identity: Identity([8; 32]), domain: Domain([9; 16]) };
        let for_ever = |text: &str| Why::ForEver(text.to_owned());
        let all = [(name(1), for_ever("no entry")), (name(2), for_ever(&"ä".repeat(200)))];
        let mut refused = Refused(all.into());
        refused.0.insert(name(4), Why::Unfounded(unfounded));
        let packed = refused.pack();
        let again = Refused::unpack(&packed);
        assert_eq!(again.reason(&name(1)), Some("no entry"));
        assert_eq!(again.reason(&name(2)).map(str::len), Some(254), "cut between two letters");
        assert_eq!((again.reason(&name(3)), again.reason(&name(4))), (None, None));
        assert_eq!((again.unfounded(&name(4)), again.unfounded(&name(1))), (Some(&unfounded), None));
        for at in 0..packed.len() {
            assert!(Refused::unpack(&packed[..at]).0.len() < 3);
        }
        let mut newer = packed;
        newer[MAGIC.len() + 1] ^= 1;
        assert_eq!(Refused::unpack(&newer), Refused::default());
    }
}
