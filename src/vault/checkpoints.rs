//! Writes checkpoints: from then on nobody fetches the entries in them one by one (SPEC section 10.5).

use std::collections::{BTreeMap, HashSet};

use bytes::Bytes;
use crypto_backends::{Key, Provider};
use vault_format::checkpoint::parse_part;
use vault_format::log::{Checkpoint, CheckpointPart, EntryKind, EntryObject, Heads, Payload};
use vault_format::name::ObjectName;
use vault_format::roster::Capabilities;
use vault_format::{
    DeviceId, Domain, EpochId, Expected, FormatError, Header, Identity, Mode, ObjectHash, ObjectType, VaultId, limits,
};

use super::{Vault, VaultError};
use crate::log::{CheckpointReader, LogEntry};
use crate::parallel;
use crate::stage::{EntryAgain, SealError, dek, open_object, seal_object};
use crate::store::StoreError;

/// A checkpoint in somebody's log, and what it leaves to do.
struct Base<'a> {
    entry: Option<&'a LogEntry>,
    parts: &'a [CheckpointPart],
    /// What lies before the new frontier and not before its own.
    missing: Vec<&'a LogEntry>,
}

impl Vault {
    /// Writes a checkpoint if enough entries are in none. Whoever may not, or knows of trouble, does not.
    pub(crate) fn write_checkpoint(&mut self) -> Result<bool, VaultError> {
        self.write_checkpoint_of(EVERY)
    }

    pub(super) fn write_checkpoint_of(&mut self, every: usize) -> Result<bool, VaultError> {
        let own = self.device.id;
        let may = !self.is_push_only() && self.may_checkpoint(own) && self.roster.features.prune.is_empty();
        if !may || self.behind.is_some() || !self.log.hearsay().is_empty() {
            return Ok(false);
        }
        let Some((parts, frontier)) = self.next_checkpoint(every)? else { return Ok(false) };
        self.append(Payload::Checkpoint(Checkpoint { parts, frontier }))?;
        self.refresh()?;
        self.pin()?;
        Ok(true)
    }

    fn may_checkpoint(&self, device: DeviceId) -> bool {
        let known = self.roster.devices.get(&device);
        known.is_some_and(|known| known.is_member() && known.capabilities.contains(Capabilities::PRUNE))
            && !self.log.is_suspect(device)
    }

    /// The parts and the frontier of a checkpoint that is due.
    fn next_checkpoint(&self, every: usize) -> Result<Option<(Vec<CheckpointPart>, Heads)>, VaultError> {
        let mut bases = self.bases();
        bases.sort_by_key(|base| base.missing.len());
        let due = |base: &Base<'_>| {
            let is_own = base.entry.is_none_or(|entry| entry.device == self.device.id);
            // Who wrote the last one goes on: others have to look through its parts first.
            base.missing.len() >= if is_own { every } else { every + every / 2 }
        };
        if bases.first().is_none_or(|base| !due(base)) {
            return Ok(None);
        }
        for base in bases {
            if self.holds_what_it_says(&base)? {
                return self.build_on(base);
            }
        }
        Ok(None)
    }

    /// Everybody's newest checkpoint, and none at all.
    fn bases(&self) -> Vec<Base<'_>> {
        let none = Heads::new();
        let newest = |device: DeviceId| {
            self.log.of(device).rev().find_map(|entry| match &entry.body.payload {
                Payload::Checkpoint(checkpoint) => Some((entry, checkpoint)),
                _ => None,
            })
        };
        let writers = self.log.devices().filter(|device| self.may_checkpoint(*device));
        let mut bases: Vec<_> = writers
            .filter_map(newest)
            .map(|(entry, checkpoint)| Base {
                entry: Some(entry),
                parts: &checkpoint.parts,
                missing: self.between(&checkpoint.frontier),
            })
            .collect();
        bases.push(Base { entry: None, parts: &[], missing: self.between(&none) });
        bases
    }

    /// Entries that the ends of logs lead to, that are not before `frontier`, and that a checkpoint may hold.
    fn between(&self, frontier: &Heads) -> Vec<&LogEntry> {
        let mut between = Vec::new();
        for device in self.log.devices().filter(|device| !self.log.is_suspect(*device)) {
            let none = Vec::new();
            let old = frontier.get(&device).unwrap_or(&none);
            let (past, heads) = (self.log.past(old), self.log.heads(device));
            if heads.len() > limits::ENTRY_HEADS {
                continue;
            }
            let heads: HashSet<Identity> = heads.into_iter().collect();
            let is_new = |entry: &&LogEntry| {
                let LogEntry { identity, .. } = entry;
                let is_held = self.log.is_in(&past, identity) && !old.contains(identity);
                !is_held && !heads.contains(identity)
            };
            between.extend(self.log.of(device).filter(is_new));
        }
        between
    }

    /// Whether all parts that this device has not used itself hold what it has verified itself.
    fn holds_what_it_says(&self, base: &Base<'_>) -> Result<bool, VaultError> {
        let own = self.log.of(self.device.id).filter_map(|entry| match &entry.body.payload {
            Payload::Checkpoint(checkpoint) => Some(&checkpoint.parts),
            _ => None,
        });
        let known: HashSet<&CheckpointPart> = own.flatten().collect();
        let new: Vec<_> = base.parts.iter().filter(|part| !known.contains(part)).collect();
        if new.is_empty() {
            return Ok(true);
        }
        let read = parallel::map(&new, PARTS, |part| self.names_in(part))?;
        let Some(names) = read.into_iter().collect::<Option<Vec<_>>>() else { return Ok(false) };
        let names: HashSet<Identity> = names.into_iter().flatten().collect();
        // And what is in none of them is said to be: of those that it knew already it looked through all.
        let missing: HashSet<Identity> = base.missing.iter().map(|entry| entry.identity).collect();
        let mut known_parts = base.parts.iter().filter(|part| known.contains(part));
        if known_parts.next().is_some() {
            return Ok(true);
        }
        let none = Heads::new();
        let all = self.between(&none);
        Ok(all
            .iter()
            .all(|entry| missing.contains(&entry.identity) || names.contains(&entry.identity) || !may_hold(entry)))
    }

    /// The entries in a part, if it can be read and each is one that this device has verified.
    fn names_in(&self, part: &CheckpointPart) -> Result<Option<Vec<Identity>>, VaultError> {
        let Some(plain) = self.plain_part(part)? else { return Ok(None) };
        let Ok(records) = parse_part(&plain, self.suite(), self.id()) else { return Ok(None) };
        let reading = self.reading();
        let mut again = EntryAgain::new(self.provider);
        let mut names = Vec::with_capacity(records.len());
        for record in &records {
            let key = match record.header.mode {
                Mode::Symmetric => reading.entry_key(record),
                _ => None,
            };
            let Ok(signed) = again.signed(record, key.as_ref()) else { return Ok(None) };
            let identity = Identity(self.hash(signed));
            let is_known = self.log.get(&identity).is_some_and(|entry| entry.object == record.object);
            if !is_known {
                return Ok(None);
            }
            names.push(identity);
        }
        Ok(Some(names))
    }

    /// The plain bytes of a part; `None` if it is not there or damaged.
    pub(super) fn plain_part(&self, part: &CheckpointPart) -> Result<Option<Vec<u8>>, VaultError> {
        let name = ObjectName::Checkpoint { device: part.device, hash: part.hash };
        match self.store.get(&name, &|bytes| self.provider.hash.hash(&[bytes])) {
            Ok(stored) => Ok(self.reading().open_part(part, &stored)),
            Err(StoreError::NotFound { .. } | StoreError::Damaged { .. } | StoreError::TooLarge { .. }) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    fn build_on(&self, base: Base<'_>) -> Result<Option<(Vec<CheckpointPart>, Heads)>, VaultError> {
        let none = Heads::new();
        let old = match base.entry.map(|entry| &entry.body.payload) {
            Some(Payload::Checkpoint(checkpoint)) => &checkpoint.frontier,
            _ => &none,
        };
        let (mut new, frontier) = self.cut(base.missing, old);
        if new.is_empty() {
            return Ok(None);
        }
        // Entries name each other's heads: those of one time compress well together.
        new.sort_by_key(|entry| (entry.body.time, entry.device, entry.seq));
        let (tails, mut parts): (Vec<CheckpointPart>, Vec<_>) =
            base.parts.iter().copied().partition(|part| part.kib < FULL_KIB);
        let mut writer = PartWriter { vault: self, plain: Vec::new(), entries: 0, parts: Vec::new() };
        for tail in tails {
            match self.plain_part(&tail)? {
                // A part counts its entries for people only, so what is in there is counted anew.
                Some(plain) => match parse_part(&plain, self.suite(), self.id()) {
                    Ok(records) => writer.append(&plain, records.len() as u32)?,
                    Err(_) => parts.push(tail),
                },
                None => parts.push(tail),
            }
        }
        for batch in new.chunks(BATCH) {
            for record in parallel::map(batch, parallel::REQUESTS, |entry| self.record_of(entry))?.into_iter().flatten()
            {
                writer.append(&record, 1)?;
            }
        }
        parts.extend(writer.finish()?);
        parts.sort_unstable();
        Ok((parts.len() <= limits::CHECKPOINT_PARTS).then_some((parts, frontier)))
    }

    /// No more than one push does, and the frontier that goes with it.
    fn cut<'a>(&self, missing: Vec<&'a LogEntry>, old: &Heads) -> (Vec<&'a LogEntry>, Heads) {
        let mut frontier = old.clone();
        let mut of: BTreeMap<DeviceId, Vec<&LogEntry>> = BTreeMap::new();
        missing.into_iter().for_each(|entry| of.entry(entry.device).or_default().push(entry));
        let (mut taken, mut room) = (Vec::new(), MOST);
        for (device, entries) in of {
            let is_chain = entries.is_sorted_by(|a, b| b.prev == [a.identity]);
            // What is no chain cannot be cut, and comes first or when there is room.
            if entries.len() <= room || (!is_chain && taken.is_empty()) {
                frontier.insert(device, self.log.heads(device));
                room = room.saturating_sub(entries.len());
                taken.extend(entries);
            } else if is_chain && room > 0 {
                frontier.insert(device, vec![entries[room].identity]);
                taken.extend_from_slice(&entries[..room]);
                room = 0;
            }
        }
        taken.retain(|entry| may_hold(entry));
        (taken, frontier)
    }

    /// The record of an entry as it is in the store; `None` if it is not, or not as it was.
    pub(super) fn record_of(&self, entry: &LogEntry) -> Result<Option<Vec<u8>>, VaultError> {
        let stored = match self.store.get(&entry.name(), &|bytes| self.provider.hash.hash(&[bytes])) {
            Ok(stored) => stored,
            Err(StoreError::NotFound { .. } | StoreError::Damaged { .. }) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let object = EntryObject::parse(&stored, self.suite())?;
        if Identity(self.hash(&stored[..object.signed_len])) != entry.identity {
            return Ok(None);
        }
        let dek = match object.header.mode {
            Mode::Clear => None,
            _ => self.entry_dek(&object, &stored),
        };
        let mut record = Vec::new();
        let written =
            EntryAgain::new(self.provider).write_record(&object, &stored, entry.object, dek.as_ref(), &mut record);
        Ok(written.is_ok().then_some(record))
    }
}

/// Collects records into parts of bounded size.
struct PartWriter<'a> {
    vault: &'a Vault,
    plain: Vec<u8>,
    entries: u32,
    parts: Vec<CheckpointPart>,
}

impl PartWriter<'_> {
    fn append(&mut self, records: &[u8], entries: u32) -> Result<(), VaultError> {
        if self.plain.len() + records.len() > limits::INDEX_PLAIN {
            self.store()?;
        }
        self.plain.extend_from_slice(records);
        self.entries += entries;
        Ok(())
    }

    fn store(&mut self) -> Result<(), VaultError> {
        let Self { vault, plain, entries, parts } = self;
        if plain.is_empty() {
            return Ok(());
        }
        let bytes = vault.seal_part(plain)?;
        let (device, hash) = (vault.device.id, ObjectHash(vault.hash(&bytes)));
        let (name, bytes) = (ObjectName::Checkpoint { device, hash }, Bytes::from(bytes));
        let kib = bytes.len().div_ceil(1024) as u32;
        vault.store.put(&name, bytes.clone())?;
        vault.follow(name, &bytes);
        parts.push(CheckpointPart { device, hash, kib, entries: *entries });
        plain.clear();
        *entries = 0;
        Ok(())
    }

    fn finish(mut self) -> Result<Vec<CheckpointPart>, VaultError> {
        self.store()?;
        Ok(self.parts)
    }
}

impl Vault {
    pub(super) fn seal_part(&self, plain: &[u8]) -> Result<Vec<u8>, VaultError> {
        self.with_epoch(|sealing| {
            let header = self.header(ObjectType::Checkpoint, sealing.epoch, Mode::Symmetric)?;
            let dek = dek(self.provider, &sealing.log(header.domain)?, &header.encode(), &header.salt);
            Ok(seal_object(self.provider, &header, &[], &dek, plain, Some(PART_LEVEL), 0)?)
        })
    }
}

/// The plain bytes of a part in a device's folder. `key` gives the key of an epoch's log.
pub(super) fn open_part(
    provider: &'static Provider,
    vault: VaultId,
    device: DeviceId,
    key: &dyn Fn(EpochId) -> Option<Key>,
    stored: &[u8],
) -> Result<Vec<u8>, SealError> {
    let header = Header::parse(stored)?;
    header.expect(&Expected {
        suite: provider.suite,
        object_type: ObjectType::Checkpoint,
        vault,
        writer: Some(device),
        domain: Some(Domain::SHARED),
        mode: Some(Mode::Symmetric),
    })?;
    let key = key(header.epoch).ok_or(FormatError::Mismatch { field: "epoch" })?;
    let clear = &stored[..header.sealed_len()];
    let dek = dek(provider, &key, clear, &header.salt);
    open_object(provider, stored, clear.len(), &dek, limits::INDEX_PLAIN)
}

/// Whether a checkpoint holds an entry: what this device knows whole.
fn may_hold(entry: &LogEntry) -> bool {
    !entry.is_sealed()
        && !entry.fault.is_some_and(|fault| fault.is_void())
        && !matches!(entry.body.kind(), EntryKind::Unknown(_))
}

/// Entries after which a new checkpoint is written: what whoever has nothing fetches one by one.
const EVERY: usize = 1000;
/// Entries that one push takes into checkpoints: a vault that has none yet gets there in steps.
const MOST: usize = 4096;
/// Entries that are fetched before what they give is written.
const BATCH: usize = 512;
/// A part of this size stays as it is; smaller ones are written again, together with what is new.
const FULL_KIB: u32 = 512;
/// Parts that are looked through at the same time.
const PARTS: usize = 4;
/// Bodies repeat each other's heads.
const PART_LEVEL: i32 = 3;
