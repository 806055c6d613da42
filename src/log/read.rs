//! Reads all logs from the store, verifies what is new, and looks for what is gone.

use std::collections::{BTreeMap, HashMap, HashSet};

use vault_format::log::{Body, EntryObject};
use vault_format::name::{ObjectName, logs_prefix};
use vault_format::{DeviceId, Identity, ObjectHash, limits};

use super::{Junk, Log, LogEntry, LogError, Missing};
use crate::store::{Listed, Store, StoreError};

/// What reading logs needs to know of keys and roster; the vault answers.
pub(crate) trait LogReader {
    /// Checks header and signature of a stored entry, and opens its body.
    fn open_entry(&self, device: DeviceId, object: &EntryObject, stored: &[u8]) -> Result<Opened, String>;
    /// Hash that names objects.
    fn hash(&self, bytes: &[u8]) -> [u8; 32];
    /// For a revoked device: its last adopted entry. None: not revoked.
    fn revoked_after(&self, device: DeviceId) -> Option<Option<Identity>>;
}

/// A verified entry's identity and body.
pub(crate) struct Opened {
    pub(crate) identity: Identity,
    pub(crate) body: Body,
}

impl Log {
    /// Reads all logs. `known` are entries that were verified in an earlier run: neither fetched nor verified again, but
    /// looked for. `pins` are the heads that this device has seen, in case what it knew was lost.
    pub(crate) fn read(
        store: &Store,
        reader: &dyn LogReader,
        known: Vec<LogEntry>,
        pins: &[Missing],
    ) -> Result<Self, LogError> {
        let listing = store.list(&logs_prefix())?;
        let mut known: HashMap<ObjectHash, LogEntry> = known.into_iter().map(|entry| (entry.object, entry)).collect();
        let mut log = Self::default();
        let mut fresh: BTreeMap<DeviceId, Vec<LogEntry>> = BTreeMap::new();
        for Listed { name, size } in listing.objects {
            let ObjectName::Log { device, seq, hash } = name else { continue };
            let here = |entry: &LogEntry| entry.device == device && entry.seq == seq;
            if known.get(&hash).is_some_and(here)
                && let Some(entry) = known.remove(&hash)
            {
                log.insert(entry);
                continue;
            }
            match fetch(store, reader, &name, device, seq, hash, size)? {
                Ok(entry) => fresh.entry(device).or_default().push(entry),
                Err(reason) => log.junk.push(Junk { path: name.to_path(), reason }),
            }
        }
        let mut unexplained = Vec::new();
        for (device, entries) in fresh {
            let lost = log.adopt(entries);
            // What a revoked device goes on to sign is no evidence against anybody.
            if reader.revoked_after(device).is_none() {
                unexplained.extend(lost);
            }
        }
        if !unexplained.is_empty() {
            return Err(LogError::Missing(unexplained));
        }
        log.drop_void(reader);
        // A known entry may be stored twice with different signatures: it is gone only if its identity is.
        let gone = known.into_values().map(|entry| Missing {
            device: entry.device,
            seq: entry.seq,
            identity: entry.identity,
            known: "read before",
        });
        let missing: Vec<_> = gone
            .chain(pins.iter().cloned())
            .filter(|missing| !log.entries.contains_key(&missing.identity))
            .filter(|missing| reader.revoked_after(missing.device).is_none())
            .collect();
        if missing.is_empty() { Ok(log) } else { Err(LogError::Missing(missing)) }
    }

    /// Takes new entries of one device whose ancestors are all there. A missing ancestor is evidence against the store:
    /// its signed successor says that it existed.
    fn adopt(&mut self, mut entries: Vec<LogEntry>) -> Vec<Missing> {
        entries.sort_by_key(|entry| entry.seq);
        let mut missing = Vec::new();
        for entry in entries {
            let lost: Vec<_> = entry.prev.iter().filter(|prev| !self.entries.contains_key(prev)).copied().collect();
            if !lost.is_empty() {
                missing.extend(lost.into_iter().map(|identity| Missing {
                    device: entry.device,
                    seq: entry.seq.saturating_sub(1),
                    identity,
                    known: "named by the entry after it",
                }));
                continue;
            }
            if entry.seq != self.next_seq(&entry.prev) {
                self.junk.push(Junk {
                    path: ObjectName::Log { device: entry.device, seq: entry.seq, hash: entry.object }.to_path(),
                    reason: "its number does not follow from its predecessors".into(),
                });
                continue;
            }
            self.insert(entry);
        }
        missing
    }

    /// Entries of a revoked device that its revocation did not adopt are void.
    fn drop_void(&mut self, reader: &dyn LogReader) {
        let devices: Vec<_> = self.devices().collect();
        for device in devices {
            let Some(adopted) = reader.revoked_after(device) else { continue };
            let mut kept = HashSet::new();
            let mut open: Vec<_> = adopted.into_iter().collect();
            while let Some(identity) = open.pop() {
                if kept.insert(identity)
                    && let Some(entry) = self.entries.get(&identity)
                {
                    open.extend(entry.prev.iter().copied());
                }
            }
            let void: Vec<_> =
                self.of(device).map(|entry| entry.identity).filter(|identity| !kept.contains(identity)).collect();
            for identity in void {
                self.remove(&identity);
            }
        }
    }
}

/// Fetches and verifies one entry. The inner error says why it is junk.
fn fetch(
    store: &Store,
    reader: &dyn LogReader,
    name: &ObjectName,
    device: DeviceId,
    seq: u64,
    hash: ObjectHash,
    size: u64,
) -> Result<Result<LogEntry, String>, LogError> {
    if size > limits::ENTRY_STORED as u64 {
        return Ok(Err("larger than an entry may be".into()));
    }
    let stored = match store.get(name, &|bytes| reader.hash(bytes)) {
        Ok(stored) => stored,
        Err(StoreError::Damaged { .. }) => return Ok(Err("its bytes do not fit its name".into())),
        Err(error) => return Err(error.into()),
    };
    Ok((|| {
        let object = EntryObject::parse(&stored, reader_suite(&stored)?).map_err(|error| error.to_string())?;
        if object.seq != seq {
            return Err("its number is not that of its name".into());
        }
        let Opened { identity, body } = reader.open_entry(device, &object, &stored)?;
        Ok(LogEntry { device, seq, identity, prev: object.prev.clone(), object: hash, body })
    })())
}

fn reader_suite(stored: &[u8]) -> Result<vault_format::Suite, String> {
    vault_format::Header::parse(stored).map(|header| header.suite).map_err(|error| error.to_string())
}
