//! Verified entries, kept between runs: an entry is fetched and verified once.
//!
//! ```text
//! "LOGS" 3 | (device 16 | seq u64 | identity 32 | object 32 | first seen i64 | is_own_domain u8 | fault u8 | prev_count u8 | prev 32... |
//!             body_len u32 | body)...
//! ```
//!
//! The file is sealed under the state key. One that cannot be read costs a fresh look at the store and nothing else.

use vault_format::log::Body;
use vault_format::{DeviceId, Domain, Identity, ObjectHash, Time};

use super::{Fault, Log, LogEntry};

impl Log {
    /// All entries as bytes.
    pub(crate) fn pack(&self) -> Vec<u8> {
        let mut out = MAGIC.to_vec();
        for entry in self.entries().filter(|entry| !self.unjudged.contains(&entry.identity)) {
            // One that cannot be opened is kept without its body; one of a kind that this version does not know is read again
            // next time.
            let body = if entry.is_sealed() { Ok(Vec::new()) } else { entry.body.encode() };
            let Ok(body) = body else { continue };
            out.extend_from_slice(&entry.device.0);
            out.extend_from_slice(&entry.seq.to_le_bytes());
            out.extend_from_slice(&entry.identity.0);
            out.extend_from_slice(&entry.object.0);
            out.extend_from_slice(&entry.first_seen.secs.to_le_bytes());
            out.push(u8::from(!entry.domain.is_shared()));
            out.push(entry.fault.map_or(0, Fault::number));
            out.push(entry.prev.len() as u8);
            entry.prev.iter().for_each(|prev| out.extend_from_slice(&prev.0));
            out.extend_from_slice(&(body.len() as u32).to_le_bytes());
            out.extend_from_slice(&body);
        }
        out
    }
}

/// The entries in `bytes`; none if they are not what `pack` wrote.
pub(crate) fn unpack(bytes: &[u8]) -> Vec<LogEntry> {
    let mut rest = bytes.strip_prefix(MAGIC).unwrap_or_default();
    let mut entries = Vec::new();
    while !rest.is_empty() {
        match unpack_one(&mut rest) {
            Some(entry) => entries.push(entry),
            None => return Vec::new(),
        }
    }
    entries
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
    let [count] = take(rest)?;
    let prev = (0..count).map(|_| take(rest).map(Identity)).collect::<Option<_>>()?;
    let len = u32::from_le_bytes(take(rest)?) as usize;
    let (body, after) = rest.split_at_checked(len)?;
    *rest = after;
    let body = if body.is_empty() { LogEntry::sealed_body() } else { Body::parse(body).ok()? };
    Some(LogEntry { device, seq, identity, prev, object, domain, body, first_seen, fault })
}

fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (head, after) = rest.split_first_chunk()?;
    *rest = after;
    Some(*head)
}

const MAGIC: &[u8] = b"LOGS\x03";
