//! The last entries that this device has written, as they are stored: what the store loses of them can be put back, because
//! their names are their hashes (rule L-5), and an entry that is not among them was written by another machine.
//!
//! ```text
//! "OWNE" 1 | (seq u64 | identity 32 | object 32 | delta_count u16 | delta 32... | len u32 | bytes)...       oldest first
//! ```

use std::collections::HashSet;

use bytes::Bytes;
use crypto_backends::{Provider, SecretBytes};
use vault_format::log::EntryObject;
use vault_format::{DeviceId, Header, Identity, ObjectHash, ObjectName, VaultId, limits};

use super::{Vault, VaultError};
use crate::log::{Log, LogEntry};
use crate::state::{Home, LogPin, Pins};
use crate::store::Store;

/// An entry that this device has written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Own {
    seq: u64,
    identity: Identity,
    object: ObjectHash,
    deltas: Vec<ObjectHash>,
    bytes: Vec<u8>,
}

impl Own {
    fn prev(&self) -> Vec<Identity> {
        let suite = Header::parse(&self.bytes).map(|header| header.suite);
        let object = suite.and_then(|suite| EntryObject::parse(&self.bytes, suite));
        object.map_or_else(|_| Vec::new(), |object| object.prev)
    }
}

impl Vault {
    /// The greatest number that this machine has given to an entry, stored or not.
    pub(super) fn kept_end(&self) -> u64 {
        if self.ephemeral { 0 } else { kept(&self.home, self.id()).iter().map(|own| own.seq).max().unwrap_or(0) }
    }

    /// Keeps an entry that is about to be stored.
    pub(super) fn keep_own(&self, entry: &LogEntry, bytes: &[u8]) -> Result<(), VaultError> {
        if self.ephemeral {
            return Ok(());
        }
        let mut kept = kept(&self.home, self.id());
        kept.push(Own {
            seq: entry.seq,
            identity: entry.identity,
            object: entry.object,
            deltas: entry.body.deltas.iter().map(|(delta, _)| *delta).collect(),
            bytes: bytes.to_vec(),
        });
        let from = kept.len().saturating_sub(KEPT);
        Ok(self.home.set_own_entries(self.provider, self.id(), &pack(&kept[from..]))?)
    }

    /// Whether the log of this device has entries that this machine has not written and not seen: it was restored from an
    /// older state, or there are two of it (rule L-4).
    pub(super) fn has_a_twin(&self, pins: &Pins) -> bool {
        let own = self.device.id;
        let Some(seen) = pins.logs.get(&own) else { return false };
        let kept: HashSet<Identity> = kept(&self.home, self.id()).iter().map(|own| own.identity).collect();
        let past = self.log.past(seen.iter().map(|pin| &pin.identity));
        // Without what this machine has written nothing can be told from its own entries.
        let is_known = |entry: &LogEntry| self.log.is_in(&past, &entry.identity) || kept.contains(&entry.identity);
        !kept.is_empty() && self.log.of(own).any(|entry| !is_known(entry))
    }
}

/// Remembers that a number is used, of an entry whose bytes this machine has not kept: as one without any.
pub(super) fn remember_end(
    home: &Home,
    provider: &'static Provider,
    vault: VaultId,
    pins: Option<&Vec<LogPin>>,
) -> Result<(), VaultError> {
    let mut kept = kept(home, vault);
    let Some(end) = pins.and_then(|pins| pins.iter().max()) else { return Ok(()) };
    if kept.iter().all(|own| own.seq < end.seq) {
        let (seq, identity) = (end.seq, end.identity);
        kept.push(Own { seq, identity, object: ObjectHash([0; 32]), deltas: Vec::new(), bytes: Vec::new() });
        home.set_own_entries(provider, vault, &pack(&kept))?;
    }
    Ok(())
}

/// Puts entries of this device back that a store has lost, if all index deltas are there that they make count: without these
/// they would name what nobody can find. Gives their number.
pub(super) fn put_back(
    home: &Home,
    vault: VaultId,
    store: &Store,
    device: DeviceId,
    log: &Log,
) -> Result<usize, VaultError> {
    let lost = log.lost().iter().map(|lost| (lost.device, lost.identity));
    let adopted = log.adopted().iter().map(|(_, loss)| (loss.device, loss.pinned));
    let mut open: Vec<_> = lost.chain(adopted).filter(|(of, _)| *of == device).map(|(_, head)| head).collect();
    let mut kept = kept(home, vault);
    kept.retain(|own| !own.bytes.is_empty());
    // With each all that it follows and that is not there: an accepted loss names its newest entry only.
    let mut lost = HashSet::new();
    while let Some(identity) = open.pop() {
        if log.get(&identity).is_none() && lost.insert(identity) {
            let own = kept.iter().find(|own| own.identity == identity);
            open.extend(own.into_iter().flat_map(Own::prev));
        }
    }
    kept.retain(|own| lost.contains(&own.identity));
    for delta in kept.iter().flat_map(|own| &own.deltas) {
        if !store.exists(&ObjectName::Delta { device, hash: *delta })? {
            return Ok(0);
        }
    }
    for own in &kept {
        let name = ObjectName::Log { device, seq: own.seq, hash: own.object };
        store.put(&name, Bytes::from(own.bytes.clone()))?;
    }
    Ok(kept.len())
}

/// The object of an entry of this device, if it has kept it.
pub(super) fn kept_object(home: &Home, vault: VaultId, identity: Identity) -> Option<ObjectHash> {
    let kept = kept(home, vault).into_iter().find(|own| own.identity == identity && !own.bytes.is_empty());
    kept.map(|own| own.object)
}

fn kept(home: &Home, vault: VaultId) -> Vec<Own> {
    home.own_entries(vault).and_then(|plain| unpack(plain.expose())).unwrap_or_default()
}

fn pack(kept: &[Own]) -> SecretBytes {
    let mut out = MAGIC.to_vec();
    for Own { seq, identity, object, deltas, bytes } in kept {
        out.extend_from_slice(&seq.to_le_bytes());
        out.extend_from_slice(&identity.0);
        out.extend_from_slice(&object.0);
        out.extend_from_slice(&(deltas.len() as u16).to_le_bytes());
        deltas.iter().for_each(|delta| out.extend_from_slice(&delta.0));
        out.extend_from_slice(&(bytes.len() as u32).to_le_bytes());
        out.extend_from_slice(bytes);
    }
    SecretBytes::new(out)
}

fn unpack(bytes: &[u8]) -> Option<Vec<Own>> {
    let mut rest = bytes.strip_prefix(MAGIC)?;
    let mut kept = Vec::new();
    while !rest.is_empty() {
        let seq = u64::from_le_bytes(take(&mut rest)?);
        let (identity, object) = (Identity(take(&mut rest)?), ObjectHash(take(&mut rest)?));
        let count = u16::from_le_bytes(take(&mut rest)?);
        let deltas = (0..count).map(|_| take(&mut rest).map(ObjectHash)).collect::<Option<_>>()?;
        let len = u32::from_le_bytes(take(&mut rest)?) as usize;
        let (bytes, after) = rest.split_at_checked(len).filter(|_| len <= limits::ENTRY_STORED)?;
        rest = after;
        kept.push(Own { seq, identity, object, deltas, bytes: bytes.to_vec() });
    }
    Some(kept)
}

fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (head, after) = rest.split_first_chunk()?;
    *rest = after;
    Some(*head)
}

const MAGIC: &[u8] = b"OWNE\x01";
/// Entries of 8 KiB mostly: half a megabyte.
const KEPT: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_packed_comes_back_and_nothing_shorter() {
        let own = |n: u8| Own {
            seq: u64::from(n),
            identity: Identity([n; 32]),
            object: ObjectHash([n; 32]),
            deltas: vec![ObjectHash([n; 32]); usize::from(n)],
            bytes: vec![n; 100],
        };
        let kept = vec![own(0), own(1), own(2)];
        let packed = pack(&kept);
        assert_eq!(unpack(packed.expose()), Some(kept.clone()));
        for at in 0..packed.expose().len() {
            assert_ne!(unpack(&packed.expose()[..at]), Some(kept.clone()));
        }
    }
}
