//! Reads old entries out of checkpoints, many at a time, where fetching them one by one would take long (SPEC section 10.5).
//!
//! A checkpoint is believed in nothing. Each record gives an identity, and counts if an entry of the same writer, whose signature
//! was verified, leads to it. What is left is fetched.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::mem;
use std::thread;

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
use crate::store::StoreError;

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
    let wanted = wanted(log, &unknown);
    if wanted.len() <= ENOUGH {
        return fetch_all(get, reader, unknown);
    }
    let bytes = wanted.values().map(|unknown| unknown.size).sum();
    let (parts, records, found) = Default::default();
    let fetched = Vec::new();
    let mut search = Search { get, reader, keys, log, held, wanted, parts, bytes, records, found, fetched };
    let left = search.look_for(unknown)?;
    search.take(left)
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

/// Objects that may be found in checkpoints. Where a log shows two objects in one place, a checkpoint could say of the one that it is
/// the other.
fn wanted(log: &Log, unknown: &[Unknown]) -> IdMap<ObjectHash, Unknown> {
    let mut places: IdSet<(DeviceId, u64)> = log.entries().map(|entry| (entry.device, entry.seq)).collect();
    let twice: IdSet<(DeviceId, u64)> =
        unknown.iter().map(Unknown::place).filter(|place| !places.insert(*place)).collect();
    let may_be_found =
        |unknown: &&Unknown| !twice.contains(&unknown.place()) && unknown.size <= limits::ENTRY_STORED as u64;
    unknown.iter().filter(may_be_found).map(|unknown| (unknown.hash, *unknown)).collect()
}

/// A record whose bytes come out right, whoever vouches for them.
struct Record {
    of: Unknown,
    identity: Identity,
    prev: Vec<Identity>,
    /// As it stands in its part.
    bytes: Box<[u8]>,
}

struct Search<'a> {
    get: &'a Get<'a>,
    reader: &'a (dyn LogReader + Sync),
    keys: &'a dyn CheckpointReader,
    log: &'a Log,
    held: &'a HashSet<Identity>,
    wanted: IdMap<ObjectHash, Unknown>,
    /// Looked at already.
    parts: BTreeSet<(DeviceId, ObjectHash)>,
    /// What parts may still take. They are smaller than what they spare, or spare nothing.
    bytes: u64,
    records: IdMap<Identity, Record>,
    /// How many records say that they are an object.
    found: IdMap<ObjectHash, u8>,
    fetched: Vec<Fetched>,
}

impl Search<'_> {
    /// Fetches entries, and gives where the new ones are in `fetched`.
    fn fetch(&mut self, unknown: Vec<Unknown>) -> Result<usize, LogError> {
        let from = self.fetched.len();
        self.fetched.extend(fetch_all(self.get, self.reader, unknown)?);
        Ok(from)
    }

    /// Looks for checkpoints from the ends of the logs on of all who may write some: what is fetched on the way is needed in any
    /// case. Gives what was not fetched.
    fn look_for(&mut self, unknown: Vec<Unknown>) -> Result<Vec<Unknown>, LogError> {
        let (mut writers, mut left): (BTreeMap<DeviceId, Vec<Unknown>>, Vec<Unknown>) = Default::default();
        for unknown in unknown {
            match self.may_write(unknown.device) {
                true => writers.entry(unknown.device).or_default().push(unknown),
                false => left.push(unknown),
            }
        }
        writers.values_mut().for_each(|log| log.sort_unstable_by_key(|unknown| unknown.seq));
        let mut round = FIRST_ROUND;
        while self.lacks_many() && writers.values().any(|log| !log.is_empty()) {
            let mut newest: Vec<Unknown> = Vec::new();
            for log in writers.values_mut() {
                newest.extend(log.split_off(log.len().saturating_sub(round)));
            }
            // What a checkpoint holds need not be fetched to find an older one.
            let (held, newest): (Vec<_>, Vec<_>) =
                newest.into_iter().partition(|unknown| self.found.contains_key(&unknown.hash));
            left.extend(held);
            newest.iter().for_each(|unknown| {
                self.wanted.remove(&unknown.hash);
            });
            let from = self.fetch(newest)?;
            let new = self.fetched[from..].iter().filter_map(|(_, entry)| entry.as_ref().ok());
            let named: Vec<_> = new.filter_map(parts_named).collect();
            self.open(named)?;
            round *= 2;
        }
        // Of those that are known already everything is, unless a part of the local copy was lost.
        if self.lacks_many() {
            let newest = |device: DeviceId| {
                let mut log = self.log.of(device).rev().filter(|_| self.may_write(device));
                log.find(|entry| matches!(entry.body.payload, Payload::Checkpoint(_)))
            };
            let named: Vec<_> = self.log.devices().filter_map(newest).filter_map(parts_named).collect();
            self.open(named)?;
        }
        left.extend(writers.into_values().flatten());
        Ok(left)
    }

    fn lacks_many(&self) -> bool {
        self.wanted.len() > ENOUGH + self.found.len()
    }

    fn may_write(&self, device: DeviceId) -> bool {
        self.reader.capabilities(device).contains(Capabilities::PRUNE) && self.reader.revoked_after(device).is_none()
    }

    /// Takes what is wanted out of the parts of checkpoints. A part that is not there or cannot be read is nobody's loss.
    fn open(&mut self, named: Vec<(DeviceId, Vec<CheckpointPart>)>) -> Result<(), LogError> {
        let mut new: Vec<(DeviceId, CheckpointPart)> = Vec::new();
        for (device, mut parts) in named {
            parts.retain(|part| !self.parts.contains(&(device, part.hash)));
            let size = parts.iter().map(|part| u64::from(part.kib.max(1)) * 1024).sum();
            if let Some(left) = self.bytes.checked_sub(size) {
                self.bytes = left;
                parts.retain(|part| self.parts.insert((device, part.hash)));
                new.extend(parts.into_iter().map(|part| (device, part)));
            }
        }
        for some in new.chunks(PARTS) {
            let records = parallel::map(some, PARTS, |(device, part)| {
                let stored = match (self.get)(&ObjectName::Checkpoint { device: *device, hash: part.hash }) {
                    Ok(stored) if stored.len() <= part.kib as usize * 1024 => stored,
                    Ok(_)
                    | Err(
                        StoreError::NotFound { .. }
                        | StoreError::Damaged { .. }
                        | StoreError::TooLarge { .. }
                        | StoreError::PermissionDenied { .. },
                    ) => return Ok(Vec::new()),
                    Err(error) => return Err(LogError::from(error)),
                };
                let plain = self.keys.open_part(*device, &stored);
                Ok(plain.map_or_else(Vec::new, |plain| self.records_in(&plain)))
            })?;
            for record in records.into_iter().flatten() {
                let found = self.found.entry(record.of.hash).or_default();
                if *found < RECORDS {
                    *found += 1;
                    self.records.entry(record.identity).or_insert(record);
                }
            }
        }
        Ok(())
    }

    fn records_in(&self, plain: &[u8]) -> Vec<Record> {
        let provider = self.keys.provider();
        let Ok(records) = parse_part(plain, provider.suite, self.keys.vault()) else { return Vec::new() };
        let mut again = EntryAgain::new(provider);
        let mut seen: IdSet<ObjectHash> = IdSet::default();
        let mut found = Vec::new();
        for record in &records {
            let Some(of) = self.wanted.get(&record.object) else { continue };
            let is_of = of.place() == (record.header.writer, record.seq)
                && of.size == (record.signed_len + provider.suite.signature_len()) as u64
                && self.found.get(&of.hash).is_none_or(|found| *found < RECORDS)
                && self.reader.may_write(of.device, record.header.domain);
            if !is_of || !seen.insert(of.hash) {
                continue;
            }
            if let Some(identity) = self.identity_of(record, &mut again)
                && !self.held.contains(&identity)
                && self.log.get(&identity).is_none()
            {
                let mut bytes = Vec::new();
                record.write(&mut bytes);
                found.push(Record { of: *of, identity, prev: record.prev.clone(), bytes: bytes.into() });
            }
        }
        found
    }

    fn identity_of(&self, record: &EntryRecord<'_>, again: &mut EntryAgain) -> Option<Identity> {
        let key = match record.header.mode {
            Mode::Symmetric => Some(self.keys.entry_key(record)?),
            _ => None,
        };
        let signed = again.signed(record, key.as_ref()).ok()?;
        Some(Identity(self.keys.provider().hash.hash(&[signed])))
    }

    /// Fetches what no record is of, and takes the records to which verified entries lead.
    fn take(mut self, mut left: Vec<Unknown>) -> Result<Vec<Fetched>, LogError> {
        left.retain(|unknown| !self.found.contains_key(&unknown.hash));
        let mut from = 0;
        self.fetch(left)?;
        let mut open: Vec<(DeviceId, Identity)> = self.log.entries().flat_map(prev_of).collect();
        let mut taken: Vec<Record> = Vec::new();
        let mut rest: BTreeMap<DeviceId, BTreeMap<u64, Unknown>> = BTreeMap::new();
        for hash in self.found.keys() {
            if let Some(of) = self.wanted.get(hash) {
                rest.entry(of.device).or_default().insert(of.seq, *of);
            }
        }
        let mut round = 1;
        loop {
            open.extend(self.fetched[from..].iter().filter_map(|(_, entry)| entry.as_ref().ok()).flat_map(prev_of));
            while let Some((device, identity)) = open.pop() {
                if self.records.get(&identity).is_some_and(|record| record.of.device == device)
                    && let Some(record) = self.records.remove(&identity)
                    && rest.get_mut(&device).is_some_and(|log| log.remove(&record.of.seq).is_some())
                {
                    open.extend(record.prev.iter().map(|prev| (device, *prev)));
                    taken.push(record);
                }
            }
            // Nobody vouches for these but who wrote the checkpoint. The newest of them may lead to the others.
            let mut newest = Vec::new();
            for log in rest.values_mut() {
                let first = log.keys().rev().nth(round - 1).copied().unwrap_or(0);
                newest.extend(log.split_off(&first).into_values());
            }
            if newest.is_empty() {
                break;
            }
            from = self.fetch(newest)?;
            round *= 2;
        }
        self.records = IdMap::default();
        let mut fetched = mem::take(&mut self.fetched);
        let cores = thread::available_parallelism().map_or(1, usize::from);
        let some: Vec<&[Record]> = taken.chunks(CHUNK).collect();
        let entries = parallel::map(&some, cores, |records| Ok::<_, LogError>(self.entries_of(records)))?;
        let (mut done, mut refused) = (Vec::with_capacity(taken.len()), Vec::new());
        for (record, entry) in taken.iter().zip(entries.into_iter().flatten()) {
            match entry {
                Some(entry) => done.push((record.of, Ok(entry))),
                None => refused.push(record.of),
            }
        }
        fetched.extend(done);
        // What this version does not read out of a record it may still read as it is.
        fetched.extend(fetch_all(self.get, self.reader, refused)?);
        Ok(fetched)
    }

    fn entries_of(&self, records: &[Record]) -> Vec<Option<LogEntry>> {
        let mut again = EntryAgain::new(self.keys.provider());
        records.iter().map(|record| self.entry_of(record, &mut again)).collect()
    }

    fn entry_of(&self, record: &Record, again: &mut EntryAgain) -> Option<LogEntry> {
        let parsed = parse_part(&record.bytes, self.keys.provider().suite, self.keys.vault()).ok()?;
        let parsed = parsed.into_iter().next()?;
        let body = Body::parse_in(parsed.header.mode, again.body(&parsed).ok()?).ok()?;
        if let EntryKind::Unknown(_) = body.kind() {
            return None;
        }
        let Unknown { device, seq, hash: object, .. } = record.of;
        let (identity, prev, domain) = (record.identity, parsed.prev, parsed.header.domain);
        let first_seen = Time { nanos: 0, ..crate::now() };
        let (raw, fault, is_undecided) = (None, None, false);
        Some(LogEntry { device, seq, identity, prev, object, domain, body, raw, first_seen, fault, is_undecided })
    }
}

fn prev_of(entry: &LogEntry) -> impl Iterator<Item = (DeviceId, Identity)> + '_ {
    entry.prev.iter().map(|prev| (entry.device, *prev))
}

fn parts_named(entry: &LogEntry) -> Option<(DeviceId, Vec<CheckpointPart>)> {
    match &entry.body.payload {
        Payload::Checkpoint(checkpoint) => Some((entry.device, checkpoint.parts.clone())),
        _ => None,
    }
}

/// So many entries are fetched one by one: what a good checkpoint leaves, too, of what came since it.
const ENOUGH: usize = if cfg!(test) { 24 } else { 2048 };
/// Entries of each log that are looked at first.
const FIRST_ROUND: usize = if cfg!(test) { 2 } else { 16 };
/// Records of one object that are looked at: a wrong one must not be in the way of a right one.
const RECORDS: u8 = 2;
/// Parts that are fetched and opened at the same time: each takes some 10 MiB.
const PARTS: usize = 4;
/// Records that one thread takes at a time.
const CHUNK: usize = 256;
