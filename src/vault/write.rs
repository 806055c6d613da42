//! Writing to a vault in the one order that is safe: packs, then their index, then the entry that names it.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use bytes::Bytes;
use crypto_backends::SecretBytes;
use vault_format::index::Table;
use vault_format::log::{Body, Heads, IndexName, IndexSet, Payload, Snapshot, entry_prefix};
use vault_format::name::{ObjectName, PackName, shards_prefix};
use vault_format::roster::Capabilities;
use vault_format::{DeviceId, Domain, EpochId, Header, Identity, Mode, ObjectHash, ObjectType, Time, limits, sizes};

use super::index::Tables;
use super::now::PacksUnder;
use super::{Vault, VaultError, access};
use crate::Trouble;
use crate::index::{Delta, MAX_DELTAS, MAX_DELTAS_OF_ANOTHER_SET, TableInfo, merge_plan, merge_tables};
use crate::log::LogEntry;
use crate::parallel;
use crate::stage::{PackKeys, PackWriter};
use crate::stage::{dek, seal_object};
use crate::store::{FullPack, StoreError, StoredDelta, StoredPack};
use crate::sync::lock;

impl Vault {
    /// Checks that this device may push, and holds the vault for this run: two pushes of one device do not run at once.
    pub(crate) fn may_push(&mut self) -> Result<(), VaultError> {
        self.check_pusher()?;
        if self.lock.is_none() && !self.ephemeral {
            self.lock = Some(self.home.lock(self.id())?);
        }
        // What others wrote until now, and what a push before this one wrote whose reply was lost. A vault that was opened for
        // this push has just read it.
        if self.listed.take().is_none_or(|at| at.elapsed() > FRESH) {
            self.refresh()?;
        }
        *lock(&self.own_end) = None;
        // Claims, rows and condemned packs of an earlier push or of before the refresh count no longer.
        self.index.take();
        lock(&self.other_indexes).clear();
        *lock(&self.beyond) = Default::default();
        *lock(&self.unusable_tables) = Default::default();
        lock(&self.journal).clear();
        *lock(&self.packs_under) = PacksUnder::default();
        self.settle();
        self.check_push()
    }

    fn check_push(&self) -> Result<(), VaultError> {
        self.check_pusher()?;
        self.keys.current().map(|_| ()).ok_or(VaultError::NoCleanEpoch)
    }

    fn check_pusher(&self) -> Result<(), VaultError> {
        let device = self.roster.devices.get(&self.device.id);
        let unknown: Vec<_> = self.roster.features.write.iter().cloned().collect();
        if !unknown.is_empty() || self.roster.has_unknown_operations {
            return Err(VaultError::Features(unknown.join(", ")));
        }
        match device {
            Some(device) if device.is_member() && device.capabilities.contains(Capabilities::PUSH) => {}
            _ => return Err(VaultError::NotAllowed { device: self.device.id, what: "push" }),
        }
        self.check_primary()
    }

    /// A fresh pack of this device under the current epoch.
    pub(crate) fn new_pack(&self, tree: bool, buffer: Vec<u8>) -> Result<PackWriter, VaultError> {
        Ok(PackWriter::with_buffer(self.pack_keys(tree)?, buffer)?)
    }

    /// A pack that is about to be stored, under the epoch of now if the one that it was begun under has ended.
    pub(crate) fn renew_pack(&self, tree: bool, pack: PackWriter) -> Result<PackWriter, VaultError> {
        if Some(pack.epoch()) == self.epoch_now() {
            return Ok(pack);
        }
        Ok(pack.reseal(self.pack_keys(tree)?)?)
    }

    fn pack_keys(&self, tree: bool) -> Result<PackKeys, VaultError> {
        let mode = if self.is_push_only() { Mode::Sealed } else { Mode::Symmetric };
        self.with_epoch(|sealing| {
            let header = self.header(access::pack_type(tree), sealing.epoch, mode)?;
            sealing.pack(self.provider, header)
        })
    }

    /// Stores a pack and takes its chunks into the index. The journal names it until an entry does, and does so before it
    /// is stored: a push that is killed in between would leave a pack that nobody ever finds.
    pub(crate) fn store_pack(&self, pack: FullPack) -> Result<StoredPack, VaultError> {
        self.note_in_journal(pack.name)?;
        lock(&self.packs_under).count(&pack.bytes);
        let bytes = (pack.name.tree || self.has_followers()).then(|| pack.bytes.clone());
        let stored = self.store.put_pack(pack)?;
        if let Some(bytes) = bytes {
            if stored.name().tree && !self.is_push_only() {
                self.tree_packs.keep(&stored.name(), &bytes);
            }
            self.follow(stored.name().into(), &bytes);
        }
        self.index()?.stored(&stored);
        Ok(stored)
    }

    /// Seals and stores index deltas of all packs that were stored since the last ones. They count once an entry names them.
    pub(crate) fn store_deltas(&self) -> Result<Vec<NewDelta>, VaultError> {
        self.put_deltas(self.index()?.take_deltas())
    }

    fn put_deltas(&self, deltas: Vec<Delta>) -> Result<Vec<NewDelta>, VaultError> {
        let stored = parallel::map(&deltas, TABLES, |delta| {
            let (epoch, bytes) = self.seal_table(ObjectType::Delta, &delta.table().encode()?)?;
            let hash = ObjectHash(self.provider.hash.hash(&[&bytes]));
            let bytes = Bytes::from(bytes);
            let stored = self.store.put_delta(self.device.id, hash, bytes.clone(), delta.packs())?;
            self.follow(ObjectName::Delta { device: self.device.id, hash }, &bytes);
            Ok::<_, VaultError>((epoch, stored))
        })?;
        Ok(stored.into_iter().zip(deltas).map(|((epoch, stored), delta)| NewDelta { stored, delta, epoch }).collect())
    }

    /// Tables that were sealed under an epoch that has ended since are sealed and stored again: who was revoked with it is not
    /// to learn which chunks there are. What was stored is named by nothing.
    fn renew_deltas(&self, deltas: Vec<NewDelta>) -> Result<Vec<NewDelta>, VaultError> {
        let now = self.epoch_now();
        let (kept, ended): (Vec<_>, Vec<_>) = deltas.into_iter().partition(|delta| Some(delta.epoch) == now);
        let renewed = self.put_deltas(ended.into_iter().map(|delta| delta.delta).collect())?;
        Ok(kept.into_iter().chain(renewed).collect())
    }

    /// Whether what was stored is to count from now on, before the push ends: when a delta would be full, and on a push-only device
    /// sooner, because what is stored and not named is stored again by the push after an interrupted one.
    pub(crate) fn is_time_for_progress(&self) -> Result<bool, VaultError> {
        let index = self.index()?;
        let most = if self.is_push_only() { UNNAMED_PACKS } else { usize::MAX };
        Ok(self.progress_after_each_pack || index.delta_is_full() || index.unnamed_packs() >= most)
    }

    /// Says that a push has come so far: what it stored counts from now on, whether it ends or not (GC-9).
    pub(crate) fn append_progress(&self, deltas: &[NewDelta]) -> Result<(), VaultError> {
        if !deltas.is_empty() {
            let entry = self.entry(crate::now(), Payload::Progress, deltas)?;
            self.put_entry(entry)?;
            self.named(deltas)?;
            self.strike_from_journal(deltas)?;
        }
        Ok(())
    }

    /// An entry of no use, by a device that does not look whether it may.
    #[cfg(test)]
    pub(crate) fn append_progress_for_tests(&self) -> Result<Identity, VaultError> {
        let entry = self.entry(crate::now(), Payload::Progress, &[])?;
        let identity = entry.entry.identity;
        self.put_entry(entry)?;
        Ok(identity)
    }

    /// An entry names these deltas: only now may the local copy hold their rows. A row that is in there and in no delta
    /// that counts is a chunk that the next push relies on and nobody else can find.
    fn named(&self, deltas: &[NewDelta]) -> Result<(), VaultError> {
        for NewDelta { stored, delta, .. } in deltas {
            self.index()?.absorb_own(stored, delta)?;
        }
        Ok(())
    }

    /// An entry names these packs now. Others are on their way, and stay in the journal.
    fn strike_from_journal(&self, deltas: &[NewDelta]) -> Result<(), VaultError> {
        if !self.has_journal() {
            return Ok(());
        }
        let named: HashSet<_> =
            deltas.iter().flat_map(|delta| delta.delta.packs()).map(|pack| journal_line(&pack.name())).collect();
        let mut journal = lock(&self.journal);
        let left: Vec<_> = journal.as_chunks::<JOURNAL_LINE>().0.iter().filter(|line| !named.contains(*line)).collect();
        *journal = left.into_iter().flatten().copied().collect();
        if journal.is_empty() {
            return Ok(self.home.clear_journal(self.id())?);
        }
        Ok(self.home.set_journal(self.provider, self.id(), &SecretBytes::new(journal.clone()))?)
    }

    fn clear_journal(&self) -> Result<(), VaultError> {
        if !self.has_journal() {
            return Ok(());
        }
        lock(&self.journal).clear();
        Ok(self.home.clear_journal(self.id())?)
    }

    /// Writes the snapshot's entry, last of all. Reads everybody's logs again before and after (SPEC 10.4, rule 4).
    pub(crate) fn append_snapshot(
        &mut self,
        time: Time,
        snapshot: Snapshot,
        deltas: Vec<NewDelta>,
    ) -> Result<Identity, VaultError> {
        let unstored = self.index()?.pending();
        if unstored > 0 {
            return Err(VaultError::Unstored(unstored));
        }
        let condemned = self.log.condemned(&self.collectors());
        self.refresh()?;
        self.check_push()?;
        // Relied on with what was known at the start; a condemn since then may name any of it.
        if self.log.condemned(&self.collectors()) != condemned {
            return Err(VaultError::Collected);
        }
        let deltas = &self.renew_deltas(deltas)?[..];
        let entry = self.entry(time, Payload::Snapshot(snapshot), deltas)?;
        let identity = entry.entry.identity;
        self.put_entry(entry)?;
        self.refresh()?;
        let written = self.log.get(&identity).ok_or(VaultError::Collected)?;
        let fenced =
            self.collectors().iter().flat_map(|device| self.log.of(*device)).any(|fence| match &fence.body.payload {
                Payload::Fence { condemn, frontier } => {
                    let seen = written.body.seen.get(&fence.device).map_or(&[][..], Vec::as_slice);
                    let aware = seen.iter().any(|head| self.log.is_ancestor(condemn, head));
                    let held = frontier
                        .get(&written.device)
                        .is_some_and(|heads| heads.iter().any(|head| self.log.is_ancestor(&identity, head)));
                    !aware && !held
                }
                _ => false,
            });
        if fenced {
            return Err(VaultError::Collected);
        }
        self.clear_journal()?;
        self.pin()?;
        if let Err(error) = self.named(deltas).and_then(|()| Ok(self.index()?.save()?)) {
            self.notes.push(crate::chain(&error));
        }
        Ok(identity)
    }

    /// Merges index deltas into shards when there are too many, in a bounded piece: what was merged before stays as it is.
    pub(crate) fn merge_deltas(&mut self) -> Result<bool, VaultError> {
        // An entry that names shards counts only from a device that may read.
        if self.is_push_only() {
            return Ok(false);
        }
        // A table that cannot be opened is noted, and is no part of the next attempt.
        let (frontier, plan, merge) = loop {
            let tables = self.tables(Domain::SHARED);
            let (frontier, deltas) = self.mergeable(&tables);
            // Whoever merges rewrites what others have merged: who did it last goes on, as long as that is soon.
            let other = tables.merged_by.is_some_and(|device| device != self.device.id);
            if deltas.len() <= if other { MAX_DELTAS_OF_ANOTHER_SET } else { MAX_DELTAS } {
                return Ok(false);
            }
            let Some(plan) = merge_plan(&self.table_infos(&tables, &deltas)?) else { return Ok(false) };
            let opened = parallel::map(&plan.merge, parallel::REQUESTS, |name| {
                let Some(mut table) = self.table_to_merge(*name)? else { return Ok(None) };
                if !name.shard {
                    // A shard may point anywhere, a delta only into its writer's packs: merging does not launder it.
                    let Table { packs, segments, rows, .. } = &mut table;
                    rows.retain(|row| packs[segments[row.segment as usize].pack as usize].name.device == name.device);
                }
                Ok::<_, VaultError>(Some(table))
            })?;
            if let Some(merge) = opened.into_iter().collect::<Option<Vec<_>>>() {
                break (frontier, plan, merge);
            }
        };
        let merged = merge_tables(&merge, &Default::default());
        drop(merge);
        let stored = parallel::map(&merged, TABLES, |table| {
            let (_, bytes) = self.seal_table(ObjectType::Shard, &table.encode()?)?;
            let hash = ObjectHash(self.provider.hash.hash(&[&bytes]));
            let (name, bytes) = (ObjectName::Shard { device: self.device.id, hash }, Bytes::from(bytes));
            self.store.put(&name, bytes.clone())?;
            self.follow(name, &bytes);
            Ok::<_, VaultError>(hash)
        })?;
        let mut shards: Vec<ObjectHash> = plan.keep.iter().map(|name| name.hash).chain(stored).collect();
        shards.sort_unstable();
        let set = IndexSet { domain: Domain::SHARED, shards, frontier };
        let entry = self.entry(crate::now(), Payload::Index(set), &[])?;
        self.put_entry(entry)?;
        self.refresh()?;
        self.pin()?;
        Ok(true)
    }

    /// What a merge is planned with: deltas, and the shards that count, newest first: of two places of a chunk by one writer the
    /// later counts, the earlier may be condemned.
    fn table_infos(&self, tables: &Tables, deltas: &[IndexName]) -> Result<Vec<TableInfo>, VaultError> {
        // Sizes of shards decide which of them stay; deltas are all merged. A set names shards of its own device only.
        let is_own = |name: &IndexName| name.device == self.device.id;
        let mut sizes: HashMap<ObjectName, u64> = HashMap::new();
        if tables.shards.iter().any(is_own) {
            let listing = self.store.list(&shards_prefix())?;
            sizes.extend(listing.objects.into_iter().map(|shard| (shard.name, shard.size)));
        }
        let shard = |name: &IndexName| {
            let size = if is_own(name) { sizes.get(&(*name).into()).copied().unwrap_or(0) } else { 0 };
            TableInfo { name: *name, size }
        };
        let deltas = deltas.iter().rev().map(|name| TableInfo { name: *name, size: 0 });
        Ok(deltas.chain(tables.shards.iter().rev().map(shard)).collect())
    }

    /// Takes packs of an interrupted push into the index again. Their own footers say what they hold.
    pub(crate) fn find_interrupted(&self) -> Result<u64, VaultError> {
        if !self.has_journal() {
            return Ok(0);
        }
        let Some(journal) = self.home.journal(self.id())? else { return Ok(0) };
        let condemned = self.log.condemned(&self.collectors());
        let lines: Vec<(&[u8; JOURNAL_LINE], PackName)> = journal
            .expose()
            .as_chunks()
            .0
            .iter()
            .map(|line| {
                let hash = ObjectHash(*line[1..].first_chunk().expect("a line has 33 bytes"));
                (line, PackName { tree: line[0] == 1, device: self.device.id, hash })
            })
            .filter(|(_, name)| !condemned.contains(name))
            .collect();
        let packs = parallel::map(&lines, FOUND_PACKS, |(_, name)| self.look_at_pack(name))?;
        let mut found = 0;
        for ((line, _), pack) in lines.into_iter().zip(packs) {
            // Not there: it was stored by a push that ended otherwise than it thought, or somebody deleted it.
            let Some(pack) = pack else { continue };
            let mut new = false;
            for chunk in pack.segments().iter().flat_map(|s| &s.chunks) {
                new |= self.index()?.locate(&chunk.id)?.is_empty();
            }
            if new {
                if self.has_followers() {
                    let name = ObjectName::Pack(pack.name());
                    let Ok(bytes) = self.store.get(&name, &|bytes| self.provider.hash.hash(&[bytes])) else { continue };
                    self.follow(name, &bytes);
                }
                self.index()?.stored(&pack);
                // Stays in the journal until an entry names it: this push may be interrupted as well.
                lock(&self.journal).extend_from_slice(line);
                found += 1;
            }
        }
        Ok(found)
    }

    /// What a pack of an interrupted push holds; `None` if it is not there, or not as it was written.
    ///
    /// What is claimed from here on must be there to the last byte, so the whole pack is compared with its name. That all
    /// stores refuse what has arrived damaged cannot be relied on: Azure stores first and tells afterwards, and others do not
    /// look at checksums. Whoever was killed in between has never heard of it.
    fn look_at_pack(&self, name: &PackName) -> Result<Option<StoredPack>, VaultError> {
        let object = ObjectName::Pack(*name);
        let Some(size) = self.store.head(&object)? else { return Ok(None) };
        if !usize::try_from(size).is_ok_and(sizes::is_pack_class) {
            return Ok(None);
        }
        match self.store.get(&object, &|bytes| self.provider.hash.hash(&[bytes])) {
            Ok(_) => {}
            Err(error) if error.trouble() == Trouble::Integrity => return Ok(None),
            Err(StoreError::NotFound { .. }) => return Ok(None),
            // A store that does not answer says nothing about the pack, which stays in the journal.
            Err(error) => return Err(error.into()),
        }
        let Ok(segments) = self.footer(name, size) else { return Ok(None) };
        Ok(Some(self.store.confirm_pack(*name, size, segments)?))
    }

    /// What the next push finds by its name it must open: a push-only device has nothing of a pack that no entry names, which is
    /// why it writes `progress` more often ([`Self::is_time_for_progress`]).
    fn has_journal(&self) -> bool {
        !self.ephemeral && !self.is_push_only()
    }

    /// Written whole for each pack, which is quadratic only until the next `progress` entry: a delta is full at 80,000 rows, and
    /// chunks of 128 KiB on average make 125 of them a pack, 16 MiB. So the journal names about 640 packs in 21 KB at most,
    /// and 10,000 packs, 160 GB, cost 103 MB of it, 0.06 %.
    fn note_in_journal(&self, pack: PackName) -> Result<(), VaultError> {
        if !self.has_journal() {
            return Ok(());
        }
        let mut journal = lock(&self.journal);
        journal.extend_from_slice(&journal_line(&pack));
        Ok(self.home.set_journal(self.provider, self.id(), &SecretBytes::new(journal.clone()))?)
    }

    pub(super) fn seal_table(&self, object_type: ObjectType, plain: &[u8]) -> Result<(EpochId, Vec<u8>), VaultError> {
        self.with_epoch(|sealing| {
            let header = self.header(object_type, sealing.epoch, Mode::Symmetric)?;
            let dek = dek(self.provider, &sealing.index(header.domain)?, &header.encode(), &header.salt);
            // Ids do not compress.
            Ok((sealing.epoch, seal_object(self.provider, &header, &[], &dek, plain, None, 0)?))
        })
    }

    pub(super) fn header(&self, object_type: ObjectType, epoch: EpochId, mode: Mode) -> Result<Header, VaultError> {
        let mut salt = [0; 32];
        self.provider.random.fill(&mut salt)?;
        let writer: DeviceId = self.device.id;
        let domain = self.domain.domain;
        Ok(Header { suite: self.provider.suite, object_type, mode, vault: self.id(), epoch, domain, writer, salt })
    }

    /// Seals and signs an entry that follows all open heads of this device's log.
    pub(super) fn entry(&self, time: Time, payload: Payload, deltas: &[NewDelta]) -> Result<NewEntry, VaultError> {
        // What a push-only device says of others counts for nobody.
        let others = self.log.devices().filter(|device| *device != self.device.id && !self.is_push_only());
        let body = Body {
            time,
            roster_heads: self.roster_heads(),
            other_heads: others
                .filter_map(|device| self.log.heads(device).first().map(|head| (device, *head)))
                .filter(|(device, head)| self.last_reported(*device) != Some(*head))
                .collect(),
            seen: self.seen(),
            deltas: deltas.iter().map(|delta| (delta.stored.hash(), delta.stored.kib())).collect(),
            parts: deltas.iter().filter_map(|delta| Some((delta.stored.hash(), delta.delta.part()?))).collect(),
            payload,
        };
        self.seal_entry(&body)
    }

    /// What this device has read of collectors' logs, no less than what its next entry follows.
    fn seen(&self) -> Heads {
        self.with_before(|before| self.log.seen(self.collectors(), before))
    }

    /// The roster's heads, or of too many as many as an entry may name, none of them older than those of the entries before.
    fn roster_heads(&self) -> Vec<Identity> {
        let named = |before: &[&LogEntry]| before.iter().flat_map(|entry| entry.body.roster_heads.clone()).collect();
        let before: Vec<Identity> = self.with_before(named);
        self.with_roster_now(|roster| roster.heads_to_name(&before, limits::ENTRY_HEADS))
    }

    /// The entries that this device's next one follows.
    fn with_before<T>(&self, read: impl FnOnce(&[&LogEntry]) -> T) -> T {
        let written = lock(&self.written);
        let before: Vec<Identity> = match *lock(&self.own_end) {
            Some((identity, _)) => vec![identity],
            None => self.log.heads(self.device.id),
        };
        let entry = |id: &Identity| written.iter().find(|entry| entry.identity == *id).or_else(|| self.log.get(id));
        let before: Vec<&LogEntry> = before.iter().take(limits::ENTRY_PREV).filter_map(entry).collect();
        read(&before)
    }

    pub(super) fn seal_entry(&self, body: &Body) -> Result<NewEntry, VaultError> {
        let (prev, seq) = match *lock(&self.own_end) {
            Some((identity, seq)) => (vec![identity], seq + 1),
            None => {
                let mut prev = self.log.heads(self.device.id);
                prev.truncate(limits::ENTRY_PREV);
                // What was lost had numbers too, whoever has accepted that (rule L-5).
                let last = self.lost_end.max(self.kept_end());
                let seq = self.log.next_seq(&prev).max(last.saturating_add(1));
                (prev, seq)
            }
        };
        let plain = body.encode()?;
        let mut bytes = self.with_epoch(|sealing| {
            let header = self.header(ObjectType::Entry, sealing.epoch, Mode::Symmetric)?;
            let prefix = entry_prefix(&header, seq, &prev);
            let dek = dek(self.provider, &sealing.log(header.domain)?, &prefix, &header.salt);
            let extra = &prefix[vault_format::header::HEADER_LEN..];
            let reserve = self.provider.suite.signature_len();
            Ok(seal_object(self.provider, &header, extra, &dek, &plain, Some(ENTRY_LEVEL), reserve)?)
        })?;
        let identity = Identity(self.provider.hash.hash(&[&bytes]));
        let signature = self.device.sign_stored(self.provider, ObjectType::Entry, &bytes)?;
        bytes.extend_from_slice(&signature);
        let hash = ObjectHash(self.provider.hash.hash(&[&bytes]));
        let name = ObjectName::Log { device: self.device.id, seq, hash };
        // As everybody else reads it.
        let body = Body::parse(&plain)?;
        let raw = LogEntry::raw_of(&body, &plain);
        let first_seen = Time { nanos: 0, ..crate::now() };
        let (device, domain) = (self.device.id, self.domain.domain);
        let (object, fault, is_undecided) = (hash, None, false);
        let entry =
            LogEntry { device, seq, identity, prev, object, domain, body, raw, first_seen, fault, is_undecided };
        Ok(NewEntry { name, entry, bytes })
    }

    /// Writes an entry that names nothing of this run.
    pub(super) fn append(&self, payload: Payload) -> Result<(), VaultError> {
        let entry = self.entry(crate::now(), payload, &[])?;
        self.put_entry(entry)
    }

    pub(super) fn put_entry(&self, entry: NewEntry) -> Result<(), VaultError> {
        // First of all: what is stored and not known here would be another machine's.
        self.keep_own(&entry.entry, &entry.bytes)?;
        let bytes = Bytes::from(entry.bytes);
        self.store.put(&entry.name, bytes.clone())?;
        self.follow(entry.name, &bytes);
        *lock(&self.own_end) = Some((entry.entry.identity, entry.entry.seq));
        lock(&self.written).push(entry.entry);
        Ok(())
    }

    /// The head of another device that this device's log names last.
    fn last_reported(&self, device: DeviceId) -> Option<Identity> {
        self.log.of(self.device.id).rev().find_map(|entry| entry.body.other_heads.get(&device).copied())
    }
}

/// A delta that is stored and that no entry names yet.
pub(crate) struct NewDelta {
    stored: StoredDelta,
    delta: Delta,
    /// What it is sealed under.
    epoch: EpochId,
}

/// An entry that is ready to be stored.
pub(super) struct NewEntry {
    name: ObjectName,
    entry: LogEntry,
    bytes: Vec<u8>,
}

impl From<StoreError> for super::ChunkError {
    fn from(error: StoreError) -> Self {
        Self::Vault(error.into())
    }
}

fn journal_line(pack: &PackName) -> [u8; JOURNAL_LINE] {
    let mut line = [u8::from(pack.tree); JOURNAL_LINE];
    line[1..].copy_from_slice(&pack.hash.0);
    line
}

/// Packs that an interrupted push of a push-only device may have stored in vain: 512 MiB. Each time costs a delta and an entry,
/// of 16 KiB or more together.
const UNNAMED_PACKS: usize = 32;
/// A kind byte and a hash.
const JOURNAL_LINE: usize = 33;
/// Bodies are small text and numbers.
const ENTRY_LEVEL: i32 = 3;
/// How long ago roster and logs may have been listed when a push begins. They are listed again before its entry.
const FRESH: Duration = Duration::from_secs(60);
/// Tables that are sealed and stored at the same time: each is up to 4 MiB.
const TABLES: usize = 4;
/// Packs of an interrupted push that are looked at at the same time; from a folder they are read whole.
const FOUND_PACKS: usize = 3;

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use crypto_backends::rustcrypto::{lower_kdf_floors_for_tests, provider};
    use object_store::ObjectStore;
    use object_store::memory::InMemory;
    use vault_format::roster::{Op, Record};

    use super::*;
    use crate::keys::{DeviceKeys, Passphrase};
    use crate::roster::sign;
    use crate::state::Home;
    use crate::store::Store;
    use crate::vault::{InitOptions, OpenOptions, UnlockSecret};

    /// A device with `pair` that adds others beside each other without end: it fills nobody's entries.
    #[test]
    fn roster_heads_without_end_fill_no_entry() {
        lower_kdf_floors_for_tests();
        let folder = tempfile::tempdir().expect("a folder");
        let objects: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
        let store = || Store::from_object_store(objects.clone(), URL).expect("a store");
        let home = |name: &str| Arc::new(Home::open(&folder.path().join(name)).expect("a home"));
        let open = |name: &str| {
            let home = home(name);
            let state = home.vaults().expect("listed").first().map(|id| home.device(*id).expect("read"));
            let passphrase = || Passphrase::new("correct horse").map_err(|error| error.to_string());
            let mut unlock = |_: &str| passphrase().map(UnlockSecret::Passphrase);
            let options = OpenOptions::new(URL, &home, "attacker", &mut unlock);
            Vault::open_on(store(), URL.into(), state, options).expect("opens")
        };
        let first = home("home");
        let mut options = InitOptions::new(URL, &first, "one", Passphrase::new("correct horse").expect("a passphrase"));
        options.words = true;
        Vault::init_on(store(), URL.into(), options).expect("a vault");
        let attacker = open("attacker");
        let mut vault = open("home");
        let (parents, n) = attacker.roster.next_place(attacker.device_id());
        let mut last: Vec<Identity> = Vec::new();
        for round in 0..3 {
            for _ in 0..70 {
                let DeviceKeys { id, verify_key, kem_key, .. } =
                    DeviceKeys::generate(provider(), vault.id()).expect("keys");
                let (capabilities, time) = (Capabilities::READ, crate::now());
                let add = Op::Add { id, verify_key, kem_key, capabilities, slot: None, handshake: None };
                let (parents, boxes) = (parents.clone(), Vec::new());
                let record =
                    Record { genesis: None, time, parents, n, ops: vec![add], epoch: None, boxes, private: None };
                let record = sign(provider(), &attacker.device, &record).expect("signed");
                store().put(&record.name, record.bytes.into()).expect("stored");
            }
            vault.refresh().expect("read again");
            assert_eq!(vault.roster.heads.len(), 70 * (round + 1));
            let entry = vault.append_progress_for_tests().expect("written");
            vault.refresh().expect("read again");
            let named = vault.log.get(&entry).expect("it is there").body.roster_heads.clone();
            assert_eq!(named.len(), limits::ENTRY_HEADS);
            assert!(!vault.roster.regresses(&last, &named));
            last = named;
        }
        // Nor does anybody suspect who writes so.
        assert!(vault.log.suspicions().is_empty() && open("home").log.suspicions().is_empty());
    }

    const URL: &str = "memory://heads";
}
