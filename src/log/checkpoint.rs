//! Reads old entries out of checkpoints, many at a time, where fetching them one by one would take long (SPEC section 10.5).
//!
//! A checkpoint is believed in nothing. Each record gives an identity, and counts if an entry of the same writer, whose signature
//! was verified, leads to it. What is left is fetched.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::thread;

use bytes::Bytes;
use crypto_backends::{Key, Provider};
use vault_format::checkpoint::{EntryRecord, parse_part};
use vault_format::log::{Body, CheckpointPart, EntryKind, Payload};
use vault_format::name::ObjectName;
use vault_format::roster::Capabilities;
use vault_format::{DeviceId, Identity, Mode, ObjectHash, Time, VaultId, limits};

use super::ids::{IdMap, IdSet};
use super::read::{Get, LogReader, Refusal, Unknown, fetch};
use super::{Log, LogEntry, LogError};
use crate::parallel;
use crate::stage::EntryAgain;

/// What reading checkpoints needs to know of keys; the vault answers. Only readers have them.
pub(crate) trait CheckpointReader: Sync {
    /// The backend.
    fn provider(&self) -> &'static Provider;
    /// Whose entries these are.
    fn vault(&self) -> VaultId;
    /// The plain bytes of a stored part in a device's folder.
    fn open_part(&self, device: DeviceId, stored: &[u8]) -> Option<Vec<u8>>;
    /// The key of a sealed entry; `None` if this device does not have it.
    fn entry_key(&self, record: &EntryRecord<'_>) -> Option<Key>;
}

/// An entry that was looked for in the store.
type Fetched = (Unknown, Result<LogEntry, Refusal>);
/// Where an entry is: its device and its number there.
type Place = (DeviceId, u64);

/// Fetches entries; old ones out of checkpoints, if there are many. Entries in `held` are known to this device, in one way or
/// another: no checkpoint says where these are.
pub(super) fn read(
    get: &Get<'_>,
    reader: &(dyn LogReader + Sync),
    keys: &dyn CheckpointReader,
    log: &Log,
    held: &HashSet<Identity>,
    unknown: Vec<Unknown>,
) -> Result<Vec<Fetched>, LogError> {
    if unknown.len() <= ENOUGH {
        return fetch_all(get, reader, unknown);
    }
    let mut search = Search::new(get, reader, keys, log, held, unknown);
    search.run()?;
    search.entries()
}

pub(super) fn fetch_all(
    get: &Get<'_>,
    reader: &(dyn LogReader + Sync),
    unknown: Vec<Unknown>,
) -> Result<Vec<Fetched>, LogError> {
    // Signatures are what takes time where the store is near.
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let fetched = parallel::map(&unknown, parallel::REQUESTS.max(cores), |unknown| fetch(get, reader, unknown))?;
    Ok(unknown.into_iter().zip(fetched).collect())
}

/// A record whose bytes come out right, whoever vouches for them.
struct Record {
    at: Place,
    prev: Vec<Identity>,
    /// Which part it is in, and which of its records it is.
    part: usize,
    number: usize,
}

/// A part that has records: kept as it is stored, which is a fraction of what is in it.
struct Part {
    device: DeviceId,
    stored: Bytes,
}

struct Search<'a> {
    get: &'a Get<'a>,
    reader: &'a (dyn LogReader + Sync),
    keys: &'a dyn CheckpointReader,
    log: &'a Log,
    held: &'a HashSet<Identity>,
    /// What checkpoints cannot help with.
    others: Vec<Unknown>,
    /// What is left to find or to fetch, log by log.
    left: BTreeMap<DeviceId, BTreeMap<u64, Unknown>>,
    fetched: Vec<Fetched>,
    /// Parts that were looked for.
    named: BTreeSet<(DeviceId, ObjectHash)>,
    parts: Vec<Part>,
    /// Stored and plain bytes that parts may still take: they are smaller than what they spare, or spare nothing.
    stored_bytes: u64,
    plain_bytes: AtomicU64,
    /// What the records of each writer of checkpoints were looked at for: each place once.
    tried: BTreeMap<DeviceId, IdSet<Place>>,
    records: IdMap<Identity, Record>,
    /// Places of records.
    found: IdSet<Place>,
    /// What verified entries follow and is not here yet.
    wanted: IdSet<(DeviceId, Identity)>,
    taken: Vec<(Unknown, Identity, Record)>,
}

impl<'a> Search<'a> {
    fn new(
        get: &'a Get<'a>,
        reader: &'a (dyn LogReader + Sync),
        keys: &'a dyn CheckpointReader,
        log: &'a Log,
        held: &'a HashSet<Identity>,
        unknown: Vec<Unknown>,
    ) -> Self {
        // Where a log shows two objects in one place, a checkpoint could say of the one that it is the other.
        let mut places: IdSet<Place> = log.entries().map(|entry| (entry.device, entry.seq)).collect();
        let twice: IdSet<Place> = unknown.iter().map(Unknown::place).filter(|place| !places.insert(*place)).collect();
        let (one, others): (Vec<_>, Vec<_>) = unknown
            .into_iter()
            .partition(|unknown| !twice.contains(&unknown.place()) && unknown.size <= limits::ENTRY_STORED as u64);
        let bytes: u64 = one.iter().map(|unknown| unknown.size).sum();
        let mut left: BTreeMap<DeviceId, BTreeMap<u64, Unknown>> = BTreeMap::new();
        for unknown in one {
            left.entry(unknown.device).or_default().insert(unknown.seq, unknown);
        }
        let wanted = log.entries().flat_map(prev_of).filter(|(_, prev)| log.get(prev).is_none()).collect();
        let (fetched, named, parts, tried, records, found, taken) = Default::default();
        let (stored_bytes, plain_bytes) = (bytes / SPARED, AtomicU64::new(bytes));
        Self {
            get,
            reader,
            keys,
            log,
            held,
            others,
            left,
            fetched,
            named,
            parts,
            stored_bytes,
            plain_bytes,
            tried,
            records,
            found,
            wanted,
            taken,
        }
    }

    /// Fetches from the ends of the logs on, which is needed in any case, and looks into the checkpoints that it meets, until nothing is
    /// left.
    fn run(&mut self) -> Result<(), LogError> {
        let others = std::mem::take(&mut self.others);
        self.fetch(others)?;
        let (mut round, mut again) = (1, 1);
        let (mut checkpoints, mut known) = (Vec::new(), self.known());
        loop {
            // What these hold is known too, unless a part of the local copy was lost.
            if !self.left.keys().any(|device| self.may_write(*device)) {
                checkpoints.append(&mut known);
            }
            // The newest of those that were met last first.
            while self.lacking() > ENOUGH
                && let Some((device, parts)) = checkpoints.pop()
            {
                self.open(device, parts)?;
            }
            let lacking = self.lacking();
            let batch = if lacking > ENOUGH {
                round *= 2;
                self.newest(
                    |search, place| !search.found.contains(place),
                    |search, device| if search.may_write(device) { FIRST_ROUND * round / 2 } else { round / 2 },
                )
            } else if lacking > 0 {
                self.newest(|search, place| !search.found.contains(place), |_, _| usize::MAX)
            } else {
                // Nobody vouches for what is left but who wrote the checkpoint. The newest of it may lead to the rest, and another
                // checkpoint may be right.
                again *= 2;
                self.newest(|_, _| true, |_, _| again / 2)
            };
            if batch.is_empty() {
                return Ok(());
            }
            let from = self.fetch(batch)?;
            let new = self.fetched[from..].iter().rev();
            checkpoints.extend(new.filter_map(|(_, entry)| self.parts_named(entry.as_ref().ok()?)));
            if lacking == 0
                && again > 2
                && let Some((device, parts)) = checkpoints.pop()
            {
                self.open(device, parts)?;
            }
        }
    }

    /// The newest checkpoints in what is known.
    fn known(&self) -> Vec<(DeviceId, Vec<CheckpointPart>)> {
        let newest = |device: DeviceId| {
            let mut log = self.log.of(device).rev();
            log.find(|entry| matches!(entry.body.payload, Payload::Checkpoint(_)))
        };
        self.log.devices().filter_map(newest).filter_map(|entry| self.parts_named(entry)).collect()
    }

    /// How many of what is left have no record.
    fn lacking(&self) -> usize {
        self.left.values().map(BTreeMap::len).sum::<usize>() - self.found.len()
    }

    /// The newest of each log that `counts`.
    fn newest(&self, counts: impl Fn(&Self, &Place) -> bool, most: impl Fn(&Self, DeviceId) -> usize) -> Vec<Unknown> {
        let of = |(device, log): (&DeviceId, &BTreeMap<u64, Unknown>)| {
            let some = log.values().rev().filter(|unknown| counts(self, &unknown.place()));
            some.take(most(self, *device)).copied().collect::<Vec<_>>()
        };
        self.left.iter().flat_map(of).collect()
    }

    /// Fetches entries, and gives where the new ones are in `fetched`.
    fn fetch(&mut self, unknown: Vec<Unknown>) -> Result<usize, LogError> {
        for unknown in &unknown {
            self.forget(unknown.place());
        }
        let from = self.fetched.len();
        self.fetched.extend(fetch_all(self.get, self.reader, unknown)?);
        let verified = self.fetched[from..].iter().filter_map(|(_, entry)| entry.as_ref().ok());
        let prev: Vec<_> = verified.flat_map(prev_of).collect();
        self.follow(prev);
        Ok(from)
    }

    /// What is in this place need not be looked for any more.
    fn forget(&mut self, (device, seq): Place) -> Option<Unknown> {
        self.found.remove(&(device, seq));
        let log = self.left.get_mut(&device)?;
        let unknown = log.remove(&seq);
        if log.is_empty() {
            self.left.remove(&device);
        }
        unknown
    }

    /// Takes the records to which entries lead.
    fn follow(&mut self, mut open: Vec<(DeviceId, Identity)>) {
        while let Some((device, identity)) = open.pop() {
            match self.records.get(&identity) {
                Some(record) if record.at.0 == device => {}
                _ => {
                    self.wanted.insert((device, identity));
                    continue;
                }
            }
            if let Some(record) = self.records.remove(&identity)
                && let Some(unknown) = self.forget(record.at)
            {
                open.extend(record.prev.iter().map(|prev| (device, *prev)));
                self.taken.push((unknown, identity, record));
            }
        }
    }

    fn may_write(&self, device: DeviceId) -> bool {
        self.reader.capabilities(device).contains(Capabilities::PRUNE) && self.reader.revoked_after(device).is_none()
    }

    fn parts_named(&self, entry: &LogEntry) -> Option<(DeviceId, Vec<CheckpointPart>)> {
        match &entry.body.payload {
            Payload::Checkpoint(checkpoint) if self.may_write(entry.device) => {
                Some((entry.device, checkpoint.parts.clone()))
            }
            _ => None,
        }
    }

    /// Takes records out of the parts of a checkpoint. A part that is not there or cannot be read is nobody's loss.
    fn open(&mut self, device: DeviceId, mut parts: Vec<CheckpointPart>) -> Result<(), LogError> {
        parts.retain(|part| self.named.insert((device, part.hash)));
        let size = |part: &CheckpointPart| u64::from(part.kib.max(LEAST_KIB)) * 1024;
        let Some(bytes) = self.stored_bytes.checked_sub(parts.iter().map(size).sum()) else { return Ok(()) };
        self.stored_bytes = bytes;
        for some in parts.chunks(PARTS) {
            let read = parallel::map(some, PARTS, |part| {
                let stored = match (self.get)(&ObjectName::Checkpoint { device, hash: part.hash }) {
                    Ok(stored) if stored.len() <= part.kib as usize * 1024 => stored,
                    Err(error) if error.is_transient() => return Err(LogError::from(error)),
                    _ => return Ok(None),
                };
                let Some(plain) = self.keys.open_part(device, &stored) else { return Ok(None) };
                let take = |left: u64| left.checked_sub(plain.len() as u64);
                if self.plain_bytes.fetch_update(Relaxed, Relaxed, take).is_err() {
                    return Ok(None);
                }
                Ok(Some((stored, self.records_in(device, &plain))))
            })?;
            for (stored, (tried, records)) in read.into_iter().flatten() {
                self.tried.entry(device).or_default().extend(tried);
                let part = self.parts.len();
                if !records.is_empty() {
                    self.parts.push(Part { device, stored });
                }
                for (identity, record) in records {
                    let at = record.at;
                    // It may have been taken out of a part beside this one.
                    if !self.left.get(&at.0).is_some_and(|log| log.contains_key(&at.1)) {
                        continue;
                    }
                    self.records.entry(identity).or_insert(Record { part, ..record });
                    self.found.insert(at);
                    if self.wanted.remove(&(at.0, identity)) {
                        self.follow(vec![(at.0, identity)]);
                    }
                }
            }
        }
        Ok(())
    }

    /// The places that were tried, and the records that may stand there.
    fn records_in(&self, writer: DeviceId, plain: &[u8]) -> (IdSet<Place>, Vec<(Identity, Record)>) {
        let provider = self.keys.provider();
        let (mut tried, mut found): (IdSet<Place>, Vec<_>) = Default::default();
        let Ok(records) = parse_part(plain, provider.suite, self.keys.vault()) else { return (tried, found) };
        let mut again = EntryAgain::new(provider);
        for (number, record) in records.iter().enumerate() {
            let at = (record.header.writer, record.seq);
            let Some(of) = self.left.get(&at.0).and_then(|log| log.get(&at.1)) else { continue };
            let is_of = of.hash == record.object
                && of.size == (record.signed_len + provider.suite.signature_len()) as u64
                && self.reader.may_write(of.device, record.header.domain);
            let is_tried = self.tried.get(&writer).is_some_and(|tried| tried.contains(&at));
            if !is_of || is_tried || !tried.insert(at) {
                continue;
            }
            if let Some(identity) = self.identity_of(record, &mut again)
                && !self.held.contains(&identity)
                && self.log.get(&identity).is_none()
            {
                found.push((identity, Record { at, prev: record.prev.clone(), part: 0, number }));
            }
        }
        (tried, found)
    }

    fn identity_of(&self, record: &EntryRecord<'_>, again: &mut EntryAgain) -> Option<Identity> {
        let key = match record.header.mode {
            Mode::Symmetric => Some(self.keys.entry_key(record)?),
            _ => None,
        };
        let signed = again.signed(record, key.as_ref()).ok()?;
        Some(Identity(self.keys.provider().hash.hash(&[signed])))
    }

    /// All that was fetched, and the entries of the records that were taken.
    fn entries(mut self) -> Result<Vec<Fetched>, LogError> {
        (self.records, self.found, self.wanted) = Default::default();
        let mut of_part: Vec<Vec<(Unknown, Identity, Record)>> = Vec::new();
        of_part.resize_with(self.parts.len(), Vec::new);
        for taken in std::mem::take(&mut self.taken) {
            of_part[taken.2.part].push(taken);
        }
        let cores = thread::available_parallelism().map_or(1, usize::from);
        let parts: Vec<_> = self.parts.iter().zip(&of_part).collect();
        let read = parallel::map(&parts, cores, |(part, taken)| Ok::<_, LogError>(self.entries_in(part, taken)))?;
        let (mut fetched, mut refused) = (std::mem::take(&mut self.fetched), Vec::new());
        for (unknown, entry) in read.into_iter().flatten() {
            match entry {
                Some(entry) => fetched.push((unknown, Ok(entry))),
                None => refused.push(unknown),
            }
        }
        // What this version does not read out of a record it may still read as it is.
        fetched.extend(fetch_all(self.get, self.reader, refused)?);
        Ok(fetched)
    }

    fn entries_in(&self, part: &Part, taken: &[(Unknown, Identity, Record)]) -> Vec<(Unknown, Option<LogEntry>)> {
        let provider = self.keys.provider();
        let plain = self.keys.open_part(part.device, &part.stored).unwrap_or_default();
        let records = parse_part(&plain, provider.suite, self.keys.vault()).unwrap_or_default();
        let mut again = EntryAgain::new(provider);
        let mut entry = |(unknown, identity, record): &(Unknown, Identity, Record)| {
            let of = records.get(record.number).and_then(|of| entry_of(of, *unknown, *identity, &mut again));
            (*unknown, of)
        };
        taken.iter().map(&mut entry).collect()
    }
}

/// The entry of a record that was found to be right.
fn entry_of(
    record: &EntryRecord<'_>,
    unknown: Unknown,
    identity: Identity,
    again: &mut EntryAgain,
) -> Option<LogEntry> {
    let body = Body::parse_in(record.header.mode, again.body(record).ok()?).ok()?;
    if let EntryKind::Unknown(_) = body.kind() {
        return None;
    }
    let Unknown { device, seq, hash: object, .. } = unknown;
    let (prev, domain, first_seen) = (record.prev.clone(), record.header.domain, Time { nanos: 0, ..crate::now() });
    let (raw, fault, is_undecided) = (None, None, false);
    Some(LogEntry { device, seq, identity, prev, object, domain, body, raw, first_seen, fault, is_undecided })
}

fn prev_of(entry: &LogEntry) -> impl Iterator<Item = (DeviceId, Identity)> + '_ {
    entry.prev.iter().map(|prev| (entry.device, *prev))
}

/// So many entries are fetched one by one: what a good checkpoint leaves, too, of what came since it.
const ENOUGH: usize = if cfg!(test) { 24 } else { 2048 };
/// Entries that are fetched first of the log of who may write checkpoints.
const FIRST_ROUND: usize = if cfg!(test) { 2 } else { 16 };
/// Parts that are fetched and opened at the same time: each takes some 10 MiB.
const PARTS: usize = 4;
/// A request for a part is worth this much, whatever there is.
const LEAST_KIB: u32 = if cfg!(test) { 4 } else { 256 };
/// Parts are a thirteenth of what they spare where ten devices push; somewhat more is let pass.
const SPARED: u64 = if cfg!(test) { 1 } else { 4 };
