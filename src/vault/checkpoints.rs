//! Writes checkpoints: from then on nobody fetches the entries in them one by one (SPEC section 10.5).

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::atomic::Ordering::Relaxed;

use bytes::Bytes;
use crypto_backends::{Key, Provider};
use vault_format::checkpoint::parse_part;
use vault_format::log::{Checkpoint, CheckpointPart, EntryKind, EntryObject, Heads, Payload};
use vault_format::name::{ObjectName, checkpoint_prefix};
use vault_format::roster::Capabilities;
use vault_format::{
    DeviceId, Domain, EpochId, Expected, FormatError, Header, Identity, Mode, ObjectHash, ObjectType, VaultId, limits,
};

use super::{Vault, VaultError};
use crate::log::{CheckpointReader, LogEntry};
use crate::parallel;
use crate::stage::{EntryAgain, SealError, dek, open_object, seal_object};

impl Vault {
    /// Writes a checkpoint if enough entries are in none. Whoever may not, or knows of trouble, does not.
    pub(crate) fn write_checkpoint(&mut self) -> Result<bool, VaultError> {
        self.write_checkpoint_after(EVERY)
    }

    pub(super) fn write_checkpoint_after(&mut self, every: usize) -> Result<bool, VaultError> {
        let may = !self.ephemeral && !self.is_push_only() && self.roster.features.prune.is_empty();
        let is_sound = self.behind.is_none() && !self.is_borrowed.load(Relaxed) && self.log.hearsay().is_empty();
        if !may || !is_sound || !self.may_checkpoint(self.device.id) {
            return Ok(false);
        }
        let Some(checkpoint) = self.next_checkpoint(every)? else { return Ok(false) };
        self.append(Payload::Checkpoint(checkpoint))?;
        self.refresh()?;
        self.pin()?;
        Ok(true)
    }

    fn may_checkpoint(&self, device: DeviceId) -> bool {
        let known = self.roster.devices.get(&device);
        known.is_some_and(|known| known.is_member() && known.capabilities.contains(Capabilities::PRUNE))
            && !self.log.is_suspect(device)
    }

    pub(super) fn newest_checkpoint(&self, device: DeviceId) -> Option<&Checkpoint> {
        self.log.of(device).rev().find_map(|entry| match &entry.body.payload {
            Payload::Checkpoint(checkpoint) => Some(checkpoint),
            _ => None,
        })
    }

    /// A checkpoint that is due. What another device says that its own holds makes it wait, and nothing else.
    fn next_checkpoint(&self, every: usize) -> Result<Option<Checkpoint>, VaultError> {
        let own = self.device.id;
        let none = Checkpoint { parts: Vec::new(), frontier: Heads::new() };
        let mut base = self.newest_checkpoint(own).unwrap_or(&none);
        let mut missing = self.missing_in(base);
        let held_by_another = || {
            let others = self.log.devices().filter(|device| *device != own && self.may_checkpoint(*device));
            others.filter_map(|device| self.newest_checkpoint(device)).any(|other| self.missing_in(other).len() < every)
        };
        if missing.len() < every || (missing.len() < PATIENCE * every && held_by_another()) {
            return Ok(None);
        }
        if !self.has_parts(base)? {
            (base, missing) = (&none, self.missing_in(&none));
        }
        let (mut new, frontier) = self.cut(missing, &base.frontier, MOST_ENTRIES);
        // Of a log that cannot be cut there may be many for ever. More parts could not be named, and the rest is read one by one.
        if new.len() < every || base.parts.len() + MOST_PARTS > limits::CHECKPOINT_PARTS {
            return Ok(None);
        }
        // Entries name each other's heads: those of one time compress well together.
        new.sort_by_key(|entry| (entry.body.time, entry.device, entry.seq));
        let (tails, parts): (Vec<CheckpointPart>, Vec<_>) =
            base.parts.iter().copied().partition(|part| part.kib < FULL_KIB);
        let mut writer = PartWriter { vault: self, plain: Vec::new(), entries: 0, parts };
        for tail in tails {
            writer.append_part(tail)?;
        }
        for batch in new.chunks(BATCH) {
            let records = parallel::map(batch, parallel::REQUESTS, |entry| self.record_of(entry))?;
            for record in records.into_iter().flatten() {
                writer.append(&record)?;
            }
        }
        Ok(Some(Checkpoint { parts: writer.finish()?, frontier }))
    }

    /// Entries that are not in a checkpoint and could be, log by log, in the order of their numbers.
    pub(super) fn missing_in(&self, checkpoint: &Checkpoint) -> Vec<&LogEntry> {
        let mut missing = Vec::new();
        for device in self.log.devices() {
            // A log with more ends than can be named is read one by one.
            if self.log.is_suspect(device) || self.log.heads(device).len() > limits::ENTRY_HEADS {
                continue;
            }
            let past = self.log.past(checkpoint.frontier.get(&device).into_iter().flatten());
            let is_missing = |entry: &&LogEntry| !self.log.is_in(&past, &entry.identity);
            missing.extend(self.log.of(device).filter(is_missing));
        }
        missing
    }

    /// Whether the store shows all parts, so that their entries need no others.
    fn has_parts(&self, checkpoint: &Checkpoint) -> Result<bool, VaultError> {
        if checkpoint.parts.is_empty() {
            return Ok(true);
        }
        let listed: HashSet<ObjectName> =
            self.store.list(&checkpoint_prefix(self.device.id))?.objects.into_iter().map(|part| part.name).collect();
        Ok(checkpoint.parts.iter().all(|part| listed.contains(&self.part_name(part))))
    }

    fn part_name(&self, part: &CheckpointPart) -> ObjectName {
        ObjectName::Checkpoint { device: self.device.id, hash: part.hash }
    }

    /// At most `most` of these, the oldest of each log, and the frontier that goes with them.
    pub(super) fn cut<'a>(&self, missing: Vec<&'a LogEntry>, old: &Heads, most: usize) -> (Vec<&'a LogEntry>, Heads) {
        let mut frontier = old.clone();
        let mut of: BTreeMap<DeviceId, Vec<&LogEntry>> = BTreeMap::new();
        missing.into_iter().for_each(|entry| of.entry(entry.device).or_default().push(entry));
        let (mut taken, mut room) = (Vec::new(), most);
        for (device, entries) in of {
            let mut ends: BTreeSet<Identity> = old.get(&device).into_iter().flatten().copied().collect();
            let (mut some, mut count, mut records) = (Vec::new(), 0, 0);
            // An entry comes after those that it follows: the number of one that lies would make its device suspect. Somewhere in
            // between a log may have more ends than can be named.
            for (n, entry) in entries.iter().enumerate() {
                records += usize::from(may_hold(entry));
                if records > room {
                    break;
                }
                entry.prev.iter().for_each(|prev| {
                    ends.remove(prev);
                });
                ends.insert(entry.identity);
                if ends.len() <= limits::ENTRY_HEADS {
                    (some, count) = (ends.iter().copied().collect(), n + 1);
                }
            }
            if count > 0 {
                frontier.insert(device, some);
                let held = entries[..count].iter().filter(|entry| may_hold(entry));
                taken.extend(held.copied());
            }
            room = most.saturating_sub(taken.len());
        }
        (taken, frontier)
    }

    /// The record of an entry as it is in the store; `None` if it is not, or not as it was.
    pub(super) fn record_of(&self, entry: &LogEntry) -> Result<Option<Vec<u8>>, VaultError> {
        let Some(stored) = self.get_if_whole(&entry.name())? else { return Ok(None) };
        let Ok(object) = EntryObject::parse(&stored, self.suite()) else { return Ok(None) };
        if Identity(self.hash(&stored[..object.signed_len])) != entry.identity {
            return Ok(None);
        }
        let dek = match object.header.mode {
            Mode::Clear => None,
            _ => self.entry_dek(&object, &stored),
        };
        let mut record = Vec::new();
        let mut again = EntryAgain::new(self.provider);
        let written = again.write_record(&object, &stored, entry.object, dek.as_ref(), &mut record);
        Ok(written.is_ok().then_some(record))
    }

    /// The plain bytes of an own part; `None` if it is not there or damaged.
    pub(super) fn plain_part(&self, part: &CheckpointPart) -> Result<Option<Vec<u8>>, VaultError> {
        let stored = self.get_if_whole(&self.part_name(part))?;
        Ok(stored.and_then(|stored| self.reading().open_part(self.device.id, &stored)))
    }

    fn get_if_whole(&self, name: &ObjectName) -> Result<Option<Bytes>, VaultError> {
        match self.store.get(name, &|bytes| self.provider.hash.hash(&[bytes])) {
            Ok(stored) => Ok(Some(stored)),
            Err(error) if error.is_transient() => Err(error.into()),
            Err(_) => Ok(None),
        }
    }

    pub(super) fn seal_part(&self, plain: &[u8]) -> Result<Vec<u8>, VaultError> {
        self.with_epoch(|sealing| {
            let header = self.header(ObjectType::Checkpoint, sealing.epoch, Mode::Symmetric)?;
            let dek = dek(self.provider, &sealing.log(header.domain)?, &header.encode(), &header.salt);
            Ok(seal_object(self.provider, &header, &[], &dek, plain, Some(PART_LEVEL), 0)?)
        })
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
    /// Takes in what a small part holds. One that cannot be read stays as it is.
    fn append_part(&mut self, part: CheckpointPart) -> Result<(), VaultError> {
        let plain = self.vault.plain_part(&part)?;
        let records = plain.as_ref().and_then(|plain| parse_part(plain, self.vault.suite(), self.vault.id()).ok());
        let Some(records) = records else {
            self.parts.push(part);
            return Ok(());
        };
        for record in records {
            let mut bytes = Vec::new();
            record.write(&mut bytes);
            self.append(&bytes)?;
        }
        Ok(())
    }

    fn append(&mut self, record: &[u8]) -> Result<(), VaultError> {
        if self.plain.len() + record.len() > limits::INDEX_PLAIN {
            self.store()?;
        }
        self.plain.extend_from_slice(record);
        self.entries += 1;
        Ok(())
    }

    fn store(&mut self) -> Result<(), VaultError> {
        let Self { vault, plain, entries, parts } = self;
        if plain.is_empty() {
            return Ok(());
        }
        let bytes = Bytes::from(vault.seal_part(plain)?);
        let (hash, kib) = (ObjectHash(vault.hash(&bytes)), bytes.len().div_ceil(1024) as u32);
        let part = CheckpointPart { hash, kib, entries: *entries };
        let name = vault.part_name(&part);
        vault.store.put(&name, bytes.clone())?;
        vault.follow(name, &bytes);
        parts.push(part);
        plain.clear();
        *entries = 0;
        Ok(())
    }

    fn finish(mut self) -> Result<Vec<CheckpointPart>, VaultError> {
        self.store()?;
        self.parts.sort_unstable();
        Ok(self.parts)
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
    let is_void = entry.fault.is_some_and(|fault| fault.is_void());
    !entry.is_sealed() && !is_void && !matches!(entry.body.kind(), EntryKind::Unknown(_))
}

/// Entries after which a new checkpoint is written: what whoever has nothing fetches one by one.
const EVERY: usize = 1000;
/// So many times more where another device's checkpoint says that it holds them.
const PATIENCE: usize = 4;
/// Entries that one push takes into checkpoints: a vault that has none yet gets there in steps.
const MOST_ENTRIES: usize = 4096;
/// Parts that these take at most: one holds 20 entries as large as they may be.
const MOST_PARTS: usize = MOST_ENTRIES.div_ceil(20);
/// Entries that are fetched before what they give is written.
const BATCH: usize = 512;
/// A part of this size stays as it is; smaller ones are written again, together with what is new.
const FULL_KIB: u32 = 512;
/// Bodies repeat each other's heads.
const PART_LEVEL: i32 = 3;
