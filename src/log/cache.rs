//! A verified entry as bytes, for the local copy.
//!
//! ```text
//! (device 16 | seq u64 | identity 32 | object 32 | first seen i64 | is_own_domain u8 | fault u8 | prev_count u8 | prev 32... |
//!  body_len u32 | body)...
//! ```

use std::sync::Arc;

use vault_format::log::Body;
use vault_format::{DeviceId, Domain, Identity, ObjectHash, Time};

use super::{Fault, LogEntry};

/// Adds an entry to `out`. One that cannot be opened is kept without its body; one of a kind that this version does not know
/// is left out, and read again next time.
pub(super) fn pack_one(entry: &LogEntry, out: &mut Vec<u8>) {
    let body = if entry.is_sealed() { Ok(Vec::new()) } else { entry.body.encode() };
    let Ok(body) = body else { return };
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
