//! Reads old entries out of checkpoints, many at a time, where fetching them one by one would take long (SPEC section 10.5).
//!
//! A checkpoint is believed in nothing. Each record gives an identity, and counts if an entry of the same writer, whose signature
//! was verified, leads to it. What is left is fetched.

use std::collections::{BTreeMap, HashSet};
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

/// What reading checkpoints needs to know of keys; the vault answers. Only readers have them.
pub(crate) trait CheckpointReader: Sync {
    /// The backend.
    fn provider(&self) -> &'static Provider;
    /// Whose entries these are.
    fn vault(&self) -> VaultId;
    /// The plain bytes of a stored part.
    fn open_part(&self, part: &CheckpointPart, stored: &[u8]) -> Option<Vec<u8>>;
    /// The key of a sealed entry; `None` if this device does not have it.
    fn entry_key(&self, record: &EntryRecord<'_>) -> Option<Key>;
}

/// An entry that was looked for in the store.
type Fetched = (Unknown, Result<LogEntry, Refusal>);

/// Finds entries in checkpoints and fetches all others.
pub(super) fn read(
    get: &Get<'_>,
    reader: &(dyn LogReader + Sync),
    keys: &dyn CheckpointReader,
    log: &Log,
    unknown: Vec<Unknown>,
) -> Result<Vec<Fetched>, LogError> {
    let mut search = Search { get, reader, keys, parts: HashSet::new(), found: IdMap::default(), fetched: Vec::new() };
    let mut left = search.look_for(log, unknown)?;
    // Where two objects claim one place, both are looked at.
    let found = std::mem::take(&mut search.found);
    let mut records: IdMap<Identity, (Unknown, LogEntry)> = IdMap::default();
    left.retain(|unknown| match found.get(&unknown.hash) {
        Some(entry) => {
            records.insert(entry.identity, (*unknown, entry.clone()));
            false
        }
        None => true,
    });
    search.fetch(left)?;
    let mut fetched = search.fetched;
    let mut taken: Vec<Fetched> = Vec::with_capacity(records.len());
    let verified = fetched.iter().filter_map(|(_, entry)| entry.as_ref().ok());
    let mut open: Vec<(DeviceId, Identity)> = log.entries().chain(verified).flat_map(prev_of).collect();
    while let Some((device, identity)) = open.pop() {
        if records.get(&identity).is_some_and(|(_, entry)| entry.device == device)
            && let Some((unknown, entry)) = records.remove(&identity)
        {
            open.extend(prev_of(&entry));
            taken.push((unknown, Ok(entry)));
        }
    }
    fetched.extend(taken);
    // Nobody vouches for these but who wrote the checkpoint.
    let rest = records.into_values().map(|(unknown, _)| unknown).collect();
    fetched.extend(fetch_all(get, reader, rest)?);
    Ok(fetched)
}

fn prev_of(entry: &LogEntry) -> impl Iterator<Item = (DeviceId, Identity)> + '_ {
    entry.prev.iter().map(|prev| (entry.device, *prev))
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

struct Search<'a> {
    get: &'a Get<'a>,
    reader: &'a (dyn LogReader + Sync),
    keys: &'a dyn CheckpointReader,
    /// Looked at already.
    parts: HashSet<CheckpointPart>,
    /// Entries in parts, by the names of their objects.
    found: IdMap<ObjectHash, LogEntry>,
    fetched: Vec<Fetched>,
}

impl Search<'_> {
    fn fetch(&mut self, unknown: Vec<Unknown>) -> Result<(), LogError> {
        self.fetched.extend(fetch_all(self.get, self.reader, unknown)?);
        Ok(())
    }

    /// Looks for checkpoints from the ends of the logs on of all who may write some: what is fetched on the way is needed in any case.
    /// Gives what was not fetched.
    fn look_for(&mut self, log: &Log, unknown: Vec<Unknown>) -> Result<Vec<Unknown>, LogError> {
        let mut wanted = Wanted::of(log, &unknown);
        let known: Vec<_> = log.entries().filter_map(|entry| self.parts_named(entry)).flatten().collect();
        let (mut writers, mut left): (BTreeMap<DeviceId, Vec<Unknown>>, Vec<Unknown>) = Default::default();
        for unknown in unknown {
            match self.may_write(unknown.device) {
                true => writers.entry(unknown.device).or_default().push(unknown),
                false => left.push(unknown),
            }
        }
        writers.values_mut().for_each(|log| log.sort_unstable_by_key(|unknown| unknown.seq));
        self.open(known, &wanted)?;
        let mut round = FIRST_ROUND;
        while wanted.0.len() - self.found.len() > ENOUGH && writers.values().any(|log| !log.is_empty()) {
            let mut newest: Vec<Unknown> = Vec::new();
            for log in writers.values_mut() {
                newest.extend(log.split_off(log.len().saturating_sub(round)));
            }
            // What a checkpoint holds need not be fetched to find an older one.
            let (held, newest): (Vec<_>, Vec<_>) =
                newest.into_iter().partition(|unknown| self.found.contains_key(&unknown.hash));
            left.extend(held);
            for unknown in &newest {
                wanted.0.remove(&unknown.hash);
            }
            let from = self.fetched.len();
            self.fetch(newest)?;
            let new = self.fetched[from..].iter().filter_map(|(_, entry)| entry.as_ref().ok());
            let named: Vec<_> = new.filter_map(|entry| self.parts_named(entry)).flatten().collect();
            self.open(named, &wanted)?;
            round *= 2;
        }
        left.extend(writers.into_values().flatten());
        Ok(left)
    }

    fn may_write(&self, device: DeviceId) -> bool {
        self.reader.capabilities(device).contains(Capabilities::PRUNE) && self.reader.revoked_after(device).is_none()
    }

    fn parts_named(&self, entry: &LogEntry) -> Option<Vec<CheckpointPart>> {
        match &entry.body.payload {
            Payload::Checkpoint(checkpoint) if self.may_write(entry.device) => Some(checkpoint.parts.clone()),
            _ => None,
        }
    }

    /// Takes what is wanted out of parts. A part that cannot be had or read is nobody's loss.
    fn open(&mut self, named: Vec<CheckpointPart>, wanted: &Wanted) -> Result<(), LogError> {
        let new: Vec<_> = named.into_iter().filter(|part| self.parts.insert(*part)).take(MOST_PARTS).collect();
        let found = parallel::map(&new, PARTS, |part| {
            let stored = (self.get)(&ObjectName::Checkpoint { device: part.device, hash: part.hash }).ok();
            let plain = stored.and_then(|stored| self.keys.open_part(part, &stored));
            Ok::<_, LogError>(plain.map_or_else(Vec::new, |plain| self.entries_in(&plain, wanted)))
        })?;
        for entry in found.into_iter().flatten() {
            self.found.entry(entry.object).or_insert(entry);
        }
        Ok(())
    }

    fn entries_in(&self, plain: &[u8], wanted: &Wanted) -> Vec<LogEntry> {
        let provider = self.keys.provider();
        let Ok(records) = parse_part(plain, provider.suite, self.keys.vault()) else { return Vec::new() };
        let mut again = EntryAgain::new(provider);
        let entry = |record: &EntryRecord<'_>| {
            let place = (record.header.writer, record.seq);
            (wanted.0.get(&record.object) == Some(&place)).then_some(())?;
            self.entry_of(record, &mut again)
        };
        records.iter().filter_map(entry).collect()
    }

    /// The entry that a record gives, whoever vouches for it.
    fn entry_of(&self, record: &EntryRecord<'_>, again: &mut EntryAgain) -> Option<LogEntry> {
        let (device, domain) = (record.header.writer, record.header.domain);
        if !self.reader.may_write(device, domain) {
            return None;
        }
        let key = match record.header.mode {
            Mode::Symmetric => Some(self.keys.entry_key(record)?),
            _ => None,
        };
        let signed = again.signed(record, key.as_ref()).ok()?;
        let identity = Identity(self.keys.provider().hash.hash(&[signed]));
        let body = Body::parse_in(record.header.mode, again.body(record).ok()?).ok()?;
        if let EntryKind::Unknown(_) = body.kind() {
            return None;
        }
        let (seq, prev, object) = (record.seq, record.prev.clone(), record.object);
        let first_seen = Time { nanos: 0, ..crate::now() };
        Some(LogEntry { device, seq, identity, prev, object, domain, body, first_seen, fault: None })
    }
}

/// Objects that may be found in checkpoints, with writer and number.
struct Wanted(IdMap<ObjectHash, (DeviceId, u64)>);

impl Wanted {
    /// Where a log shows two objects in one place, a checkpoint could say of the one that it is the other.
    fn of(log: &Log, unknown: &[Unknown]) -> Self {
        let mut places: IdSet<(DeviceId, u64)> = log.entries().map(|entry| (entry.device, entry.seq)).collect();
        let twice: IdSet<(DeviceId, u64)> = unknown
            .iter()
            .map(|unknown| (unknown.device, unknown.seq))
            .filter(|place| !places.insert(*place))
            .collect();
        let wanted = unknown.iter().filter(|Unknown { device, seq, size, .. }| {
            !twice.contains(&(*device, *seq)) && *size <= limits::ENTRY_STORED as u64
        });
        Self(wanted.map(|unknown| (unknown.hash, (unknown.device, unknown.seq))).collect())
    }
}

/// So many entries are fetched one by one rather than out of a checkpoint.
pub(super) const FEW: usize = if cfg!(test) { 8 } else { 256 };
/// What a good checkpoint leaves: what came since it, and the ends of logs.
const ENOUGH: usize = if cfg!(test) { 24 } else { 2048 };
/// Entries of each device that are looked at first.
const FIRST_ROUND: usize = if cfg!(test) { 2 } else { 16 };
/// Parts that are fetched and opened at the same time: each takes some 10 MiB.
const PARTS: usize = 4;
/// Parts of one round: two gigabytes at most.
const MOST_PARTS: usize = 2 * limits::CHECKPOINT_PARTS;
