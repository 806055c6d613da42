//! A verified entry as bytes, for the local copy.
//!
//! ```text
//! (device 16 | seq u64 | identity 32 | object 32 | first seen i64 | is_own_domain u8 | fault u8 | is_undecided u8 |
//!  prev_count u8 | prev 32... | body_len u32 | body)...
//! ```

use std::sync::Arc;

use vault_format::log::Body;
use vault_format::{DeviceId, Domain, Identity, ObjectHash, Time};

use super::{Fault, LogEntry};

/// Adds an entry to `out`. One that could not be opened is kept without its body, and one of a kind that this version does not
/// know with the bytes that it has.
pub(super) fn pack_one(entry: &LogEntry, is_undecided: bool, out: &mut Vec<u8>) {
    out.extend_from_slice(&entry.device.0);
    out.extend_from_slice(&entry.seq.to_le_bytes());
    out.extend_from_slice(&entry.identity.0);
    out.extend_from_slice(&entry.object.0);
    out.extend_from_slice(&entry.first_seen.secs.to_le_bytes());
    out.push(u8::from(!entry.domain.is_shared()));
    out.push(entry.fault.map_or(0, Fault::number));
    out.push(u8::from(is_undecided));
    out.push(entry.prev.len() as u8);
    entry.prev.iter().for_each(|prev| out.extend_from_slice(&prev.0));
    let body = entry.body_bytes().unwrap_or_default();
    out.extend_from_slice(&(body.len() as u32).to_le_bytes());
    out.extend_from_slice(&body);
}

/// All entries in `rest`. None: they are not what `pack_one` wrote.
pub(super) fn unpack(mut rest: &[u8]) -> Option<Vec<Arc<LogEntry>>> {
    let mut entries = Vec::new();
    while !rest.is_empty() {
        entries.push(Arc::new(unpack_one(&mut rest)?));
    }
    Some(entries)
}

fn unpack_one(rest: &mut &[u8]) -> Option<LogEntry> {
    let device = DeviceId(take(rest)?);
    let seq = u64::from_le_bytes(take(rest)?);
    let identity = Identity(take(rest)?);
    let object = ObjectHash(take(rest)?);
    let first_seen = Time { secs: i64::from_le_bytes(take(rest)?), nanos: 0 };
    let domain = match take(rest)? {
        [0] => Domain::SHARED,
        [_] => device.into(),
    };
    let fault = match take(rest)? {
        [0] => None,
        [number] => Some(Fault::from_number(number)?),
    };
    let is_undecided = take(rest)? != [0];
    let [count] = take(rest)?;
    let prev = (0..count).map(|_| take(rest).map(Identity)).collect::<Option<_>>()?;
    let len = u32::from_le_bytes(take(rest)?) as usize;
    let (bytes, after) = rest.split_at_checked(len)?;
    *rest = after;
    let body = if bytes.is_empty() { LogEntry::sealed_body() } else { Body::parse(bytes).ok()? };
    let raw = LogEntry::raw_of(&body, bytes);
    Some(LogEntry { device, seq, identity, prev, object, domain, body, raw, first_seen, fault, is_undecided })
}

fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (head, after) = rest.split_first_chunk()?;
    *rest = after;
    Some(*head)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::testing::entry;
    use vault_format::log::Payload;

    /// A body's bytes with one more field, which this version does not know.
    fn with_field(mut bytes: Vec<u8>, key: u8) -> Vec<u8> {
        bytes[0] += 1;
        bytes.extend([0x18, key, 0x07]);
        bytes
    }

    fn read(n: u64, bytes: &[u8]) -> LogEntry {
        let body = Body::parse(bytes).expect("a body");
        let raw = LogEntry::raw_of(&body, bytes);
        LogEntry { body, raw, ..entry(1, n, n, Payload::Merge) }
    }

    #[test]
    fn what_this_version_does_not_know_comes_back_as_it_was_sealed() {
        let plain = entry(1, 1, 1, Payload::Progress).body.encode().expect("encoded");
        let mut newer_kind = plain.clone();
        // The map's head, key 0, and the kind as one byte more.
        newer_kind.splice(2..3, [0x18, 200]);
        let bodies = [
            (plain.clone(), false),
            (with_field(plain, 99), false),
            (newer_kind.clone(), true),
            (with_field(newer_kind, 98), true),
        ];
        let entries: Vec<LogEntry> = (1..).zip(&bodies).map(|(n, (bytes, _))| read(n, bytes)).collect();
        let mut packed = Vec::new();
        entries.iter().for_each(|entry| pack_one(entry, entry.is_undecided, &mut packed));
        let again = unpack(&packed).expect("unpacked");
        assert!(again.iter().map(|entry| &**entry).eq(&entries));
        for (entry, (bytes, is_raw)) in again.iter().zip(&bodies) {
            assert_eq!(entry.raw.is_some(), *is_raw);
            assert!(!is_raw || entry.body_bytes().as_deref() == Some(&bytes[..]));
        }
        assert!((1..packed.len()).all(|at| unpack(&packed[..at]).is_none_or(|some| some.len() < entries.len())));
    }
}
