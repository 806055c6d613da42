//! The index of an opened vault: which tables count, and reading them.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::io::ErrorKind;
use std::ops::Deref;
use std::path::PathBuf;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, OnceLock};

use vault_format::index::Table;
use vault_format::log::{DeltaPart, Heads, IndexName, IndexSet, Payload};
use vault_format::name::{ObjectName, deltas_prefix, shards_prefix};
use vault_format::pack::ChunkType;
use vault_format::{ChunkId, DeviceId, Domain, Header, ObjectType, limits};

use super::{Vault, VaultError};
use crate::index::{Index, Location, Tags};
use crate::log::{LogEntry, Past};
use crate::parallel;
use crate::stage::{dek, open_object};
use crate::store::StoreError;
use crate::sync::lock;

/// The tables that count for a domain (SPEC section 8).
pub(crate) struct Tables {
    /// Shards of the set with the greatest frontier of which none is lost, and what is left of greater ones.
    pub(crate) shards: Vec<IndexName>,
    /// That set, without what is left of others.
    pub(super) set: Vec<IndexName>,
    /// Who merged it.
    pub(crate) merged_by: Option<DeviceId>,
    /// The entries that it covers.
    within: Past,
    /// Deltas of other entries, in their order.
    pub(crate) deltas: Vec<IndexName>,
    /// Deltas of those entries.
    pub(super) covered: HashSet<IndexName>,
}

/// Tables that entries name and that cannot be opened, and why.
#[derive(Default)]
pub(super) struct Unusable {
    /// Missing or damaged: perhaps they come back.
    lost: BTreeMap<IndexName, String>,
    /// Tables of other devices, which the one that names them has never had.
    others: BTreeMap<IndexName, String>,
}

impl Unusable {
    fn contains(&self, name: &IndexName) -> bool {
        self.lost.contains_key(name) || self.others.contains_key(name)
    }

    /// Those of some devices that are missing or damaged, and why: what they name is not in the index.
    pub(super) fn lost(&self, concerns: impl Fn(DeviceId) -> bool) -> BTreeMap<IndexName, String> {
        let lost = self.lost.iter().filter(|(name, _)| concerns(name.device));
        lost.map(|(name, why)| (*name, why.clone())).collect()
    }
}

/// The index, as far as it is in memory or in the local copy, and what is not in it yet.
pub(crate) struct Loaded {
    domain: Domain,
    /// Which tables it is filled from.
    from: From,
    index: Index,
    state: Mutex<LoadState>,
}

impl Deref for Loaded {
    type Target = Index;

    fn deref(&self) -> &Index {
        &self.index
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum From {
    /// Those that count.
    Counting,
    /// The others that entries name, and that the store still has.
    Beyond,
}

/// What readers find in tables that do not count. Whoever may read can write a set that stands for every delta and holds none
/// of their rows.
#[derive(Default)]
pub(super) struct Beyond {
    indexes: BTreeMap<Domain, Arc<Loaded>>,
    /// Domains in which something was found there, not yet told.
    found: BTreeSet<Domain>,
}

struct LoadState {
    /// In the order in which they are taken in.
    pending: Vec<Pending>,
}

/// A table that counts and is not in the index yet.
#[derive(Clone, Copy)]
struct Pending {
    name: IndexName,
    /// About how large it is.
    kib: u32,
    part: Option<DeltaPart>,
}

impl Pending {
    fn shard(name: IndexName) -> Self {
        Self { name, kib: limits::INDEX_STORED as u32 / 1024, part: None }
    }

    fn delta(name: IndexName, parts: &HashMap<IndexName, (u32, Option<DeltaPart>)>) -> Self {
        let (kib, part) = parts.get(&name).copied().unwrap_or_default();
        // What an entry says of sizes is not to be relied on.
        Self { name, kib: kib.clamp(1, limits::INDEX_STORED as u32 / 1024), part }
    }
}

impl Vault {
    /// Where the chunks are that this device may rely on in a push: all that is in tables that count in its domain. Loaded when
    /// it is first needed.
    pub(crate) fn index(&self) -> Result<&Index, VaultError> {
        let loaded = self.own_index();
        self.load_all(loaded)?;
        Ok(&loaded.index)
    }

    /// The same for any domain. That of a push-only device takes memory only if something of it is read.
    pub(crate) fn index_of(&self, domain: Domain) -> Result<Arc<Loaded>, VaultError> {
        let loaded = self.loaded(domain);
        self.load_all(&loaded)?;
        Ok(loaded)
    }

    /// Where a chunk is. Reads no more tables than it takes to find it: those first that can hold it by what their entries say.
    pub(crate) fn locate(
        &self,
        domain: Domain,
        id: &ChunkId,
        chunk_type: ChunkType,
    ) -> Result<Vec<Location>, VaultError> {
        self.locate_in(&self.loaded(domain), id, chunk_type)
    }

    /// Where else a chunk may be, by tables that do not count: deltas that a set stands for, and other sets. For readers only,
    /// who recompute its id: a push relies on what counts.
    pub(crate) fn locate_beyond(
        &self,
        domain: Domain,
        id: &ChunkId,
        chunk_type: ChunkType,
    ) -> Result<Vec<Location>, VaultError> {
        let beyond = self.beyond(domain)?;
        let places = self.locate_in(&beyond, id, chunk_type)?;
        if !places.is_empty() {
            lock(&self.beyond).found.insert(domain);
        }
        Ok(places)
    }

    /// Whether chunks were found beyond what counts since the last call, one line each.
    pub fn take_beyond_notes(&self) -> Vec<String> {
        let found = std::mem::take(&mut lock(&self.beyond).found);
        let told = found.into_iter().map(|domain| match self.tables(domain).merged_by {
            Some(device) => format!(
                "chunks that are missing from the index, or wrong in it, were found in tables that device {} ({device:.8}) has merged: if that device may be in somebody else's hands, see 'zvault devices revoke --compromised'",
                self.name_of(device)
            ),
            None => "chunks that are missing from the index were found in tables that do not count any more".into(),
        });
        told.collect()
    }

    fn locate_in(&self, loaded: &Loaded, id: &ChunkId, chunk_type: ChunkType) -> Result<Vec<Location>, VaultError> {
        let trees = chunk_type != ChunkType::File;
        loop {
            let places = loaded.index.locate(id)?;
            let may_hold = |table: &Pending| table.part.is_none_or(|part| part.may_hold(id, trees));
            if !places.is_empty() || !self.load(loaded, may_hold, FIRST_TABLES)? {
                if !places.is_empty() {
                    return Ok(places);
                }
                // A hint may be wrong, a table is not.
                self.load_all(loaded)?;
                return Ok(loaded.index.locate(id)?);
            }
        }
    }

    /// Reads the tables that [`Vault::locate`] would read for each of these data chunks, all at the same time. What is not in
    /// them it looks for as ever.
    pub(crate) fn locate_soon(&self, domain: Domain, ids: &[ChunkId]) -> Result<(), VaultError> {
        let loaded = self.loaded(domain);
        if lock(&loaded.state).pending.is_empty() {
            return Ok(());
        }
        let mut missing = Vec::new();
        for id in ids {
            if loaded.index.locate(id)?.is_empty() {
                missing.push(*id);
            }
        }
        let mut wanted = HashSet::new();
        let state = lock(&loaded.state);
        for id in &missing {
            let mut sum = 0;
            let may_hold = |table: &&Pending| table.part.is_none_or(|part| part.may_hold(id, false));
            for table in state.pending.iter().rev().filter(may_hold) {
                sum += table.kib;
                if sum > FIRST_TABLES && sum > table.kib {
                    break;
                }
                wanted.insert(table.name);
            }
        }
        drop(state);
        self.load(&loaded, |table| wanted.contains(&table.name), TABLES).map(drop)
    }

    /// The tables that count, as far as this run knows which of them are lost.
    ///
    /// A table is known by its kind, its writer and its hash. A set names hashes, and they are of shards of its own device: who
    /// names a table of another device as its own names one that is not there.
    /// Those of push-only devices are merged by nobody yet: their deltas are all there is.
    pub(crate) fn tables(&self, domain: Domain) -> Tables {
        let collectors = self.collectors();
        let entries: Vec<&LogEntry> = self.log.entries().filter(|entry| entry.domain == domain).collect();
        let void = self.log.void(&collectors);
        let compromised = self.compromised();
        let covered = |set: &IndexSet| self.log.past(set.frontier.values().flatten());
        let mut sets: Vec<_> = entries
            .iter()
            .filter_map(|entry| match &entry.body.payload {
                Payload::Index(set)
                    if domain.is_shared()
                        && set.domain == domain
                        && !void.has(entry)
                        && !self.may_be_tainted(entry, &compromised) =>
                {
                    // Not what all of them cover: of logs with many forks that would not fit into memory.
                    Some((covered(set).len(), *entry, set))
                }
                _ => None,
            })
            .collect();
        sets.sort_by_key(|(len, entry, _)| Reverse((*len, entry.identity)));
        let unusable = lock(&self.unusable_tables);
        let (mut shards, mut set_shards, mut merged_by) = (Vec::new(), Vec::new(), None);
        let mut within = Past::default();
        for (_, entry, set) in sets {
            let named = set.shards.iter().map(|hash| IndexName { shard: true, device: entry.device, hash: *hash });
            let (lost, left): (Vec<_>, Vec<_>) = named.partition(|name| unusable.contains(name));
            shards.extend(&left);
            if lost.is_empty() {
                (set_shards, merged_by, within) = (left, Some(entry.device), covered(set));
                break;
            }
        }
        // Of two places of a chunk the later counts.
        shards.reverse();
        let (mut deltas, mut covered, mut seen) = (Vec::new(), HashSet::new(), HashSet::new());
        for entry in entries {
            for name in deltas_of(entry) {
                if self.log.is_in(&within, &entry.identity) {
                    covered.insert(name);
                } else if seen.insert(name) {
                    deltas.push(name);
                }
            }
        }
        deltas.retain(|name| !covered.contains(name));
        Tables { shards, set: set_shards, merged_by, within, deltas, covered }
    }

    /// What a set may cover and merge: all entries and their deltas, without those that name a lost delta and those that follow
    /// them. What a set covers counts no longer, and a lost delta may be found again.
    pub(super) fn mergeable(&self, tables: &Tables) -> (Heads, Vec<IndexName>) {
        let unusable = lock(&self.unusable_tables);
        let (mut frontier, mut deltas) = (Heads::new(), HashSet::new());
        for device in self.log.devices().filter(|device| self.is_shared(*device)) {
            let merge = |more: bool| {
                let (mut held, mut heads, mut named) = (HashSet::new(), BTreeSet::new(), HashSet::new());
                for entry in self.log.of(device) {
                    let is_held = !self.log.is_in(&tables.within, &entry.identity)
                        && (!more
                            || entry.prev.iter().any(|prev| held.contains(prev))
                            || deltas_of(entry).any(|name| unusable.lost.contains_key(&name)));
                    if is_held {
                        held.insert(entry.identity);
                        continue;
                    }
                    for prev in &entry.prev {
                        heads.remove(prev);
                    }
                    heads.insert(entry.identity);
                    named.extend(deltas_of(entry));
                }
                (heads, named)
            };
            let (mut heads, mut named) = merge(true);
            // A log with more open heads than a set can name: what is covered already stays so, and nothing more is.
            if heads.len() > limits::ENTRY_HEADS {
                (heads, named) = merge(false);
            }
            deltas.extend(named);
            if !heads.is_empty() {
                frontier.insert(device, heads.into_iter().collect());
            }
        }
        let wanted = |name: &&IndexName| deltas.contains(name) && !unusable.contains(name);
        (frontier, tables.deltas.iter().filter(wanted).copied().collect())
    }

    /// What entries say of the deltas that they name.
    fn parts(&self) -> HashMap<IndexName, (u32, Option<DeltaPart>)> {
        let deltas = self.log.entries().flat_map(|entry| {
            let parts = &entry.body.parts;
            let said = entry.body.deltas.iter().map(|(hash, kib)| (*kib, parts.get(hash).copied()));
            deltas_of(entry).zip(said)
        });
        deltas.collect()
    }

    /// Fetches a delta that an entry names, or a shard that a set names, and opens it.
    pub(crate) fn open_table(&self, table: IndexName) -> Result<Table, VaultError> {
        let name = ObjectName::from(table);
        let bad = |reason: String| VaultError::Table { path: name.to_path(), reason };
        let stored =
            self.store.get(&name, &|bytes| self.provider.hash.hash(&[bytes])).map_err(|error| match error {
                StoreError::NotFound { .. } | StoreError::Damaged { .. } | StoreError::TooLarge { .. } => {
                    bad(crate::chain(&error))
                }
                // A store that does not answer says nothing about the table.
                error => error.into(),
            })?;
        self.parse_table(table, &stored)
    }

    fn parse_table(&self, table: IndexName, stored: &[u8]) -> Result<Table, VaultError> {
        let (name, device) = (ObjectName::from(table), table.device);
        let object_type = if table.shard { ObjectType::Shard } else { ObjectType::Delta };
        let bad = |reason: String| VaultError::Table { path: name.to_path(), reason };
        if stored.len() > limits::INDEX_STORED {
            return Err(bad("it is larger than a table may be".into()));
        }
        let header = Header::parse(stored).map_err(|error| bad(error.to_string()))?;
        header.expect(&self.expected(object_type, device)).map_err(|error| bad(error.to_string()))?;
        self.check_domain(&header).map_err(|error| bad(error.to_string()))?;
        let key = self.keys.index_key(header.epoch, header.domain);
        let key = key.ok_or(VaultError::NoEpoch { epoch: header.epoch })?;
        let clear = &stored[..header.sealed_len()];
        let dek = dek(self.provider, &key, clear, &header.salt);
        let plain = open_object(self.provider, stored, clear.len(), &dek, limits::INDEX_PLAIN)
            .map_err(|error| bad(crate::chain(&error)))?;
        Table::parse(&plain).map_err(|error| bad(error.to_string()))
    }

    /// Tables that entries name and that are missing or damaged. Their chunks are stored anew by a push, and cannot be read.
    pub fn unusable_tables(&self) -> Vec<String> {
        lock(&self.unusable_tables).lost.values().cloned().collect()
    }

    /// Tables that a device names as its own and that are another's. They count for that one alone.
    pub fn misnamed_tables(&self) -> Vec<String> {
        lock(&self.unusable_tables).others.values().cloned().collect()
    }

    /// One bad table, of whichever device, does not keep all others from being used. None: it is noted.
    fn usable_table(&self, name: IndexName) -> Result<Option<Table>, VaultError> {
        if self.lock.is_none()
            && self.is_lost()
            && let Some(Ok(table)) = self.table_elsewhere(&name.into()).map(|stored| self.parse_table(name, &stored))
        {
            self.is_borrowed.store(true, Relaxed);
            return Ok(Some(table));
        }
        let error = match self.open_table(name) {
            Ok(table) => return Ok(Some(table)),
            Err(error) => error,
        };
        if matches!(&error, VaultError::Store(error) if error.is_transient()) {
            self.is_lost.store(true, Relaxed);
        }
        // Who pushes relies on what the primary has: a chunk that only another store locates is stored again.
        if self.lock.is_none() && self.has_others() {
            let stored = self.table_elsewhere(&name.into());
            if let Some(Ok(table)) = stored.map(|stored| self.parse_table(name, &stored)) {
                self.is_borrowed.store(true, Relaxed);
                return Ok(Some(table));
            }
        }
        self.note_unusable(name, error).map(|()| None)
    }

    /// A table of the primary, for a merge. None: it is noted.
    pub(super) fn table_to_merge(&self, name: IndexName) -> Result<Option<Table>, VaultError> {
        match self.open_table(name) {
            Ok(table) => Ok(Some(table)),
            Err(error) => self.note_unusable(name, error).map(|()| None),
        }
    }

    fn note_unusable(&self, name: IndexName, error: VaultError) -> Result<(), VaultError> {
        if !matches!(error, VaultError::Table { .. } | VaultError::NoEpoch { .. }) {
            return Err(error);
        }
        match self.owner_of(&name, |_| true) {
            Some(owner) => {
                let IndexName { device, hash, .. } = name;
                let what =
                    format!("device {device:.8} names index table {hash:.16} as its own, which is of {owner:.8}");
                lock(&self.unusable_tables).others.insert(name, what);
            }
            None => drop(lock(&self.unusable_tables).lost.insert(name, crate::chain(&error))),
        }
        Ok(())
    }

    /// A table that the store does not list: this run need not ask for it, unless another store may have it.
    pub(crate) fn note_missing(&self, name: IndexName) {
        if !self.has_others() {
            let text = format!("{}: it is missing", ObjectName::from(name).to_path());
            lock(&self.unusable_tables).lost.entry(name).or_insert(text);
        }
    }

    /// Whose a table is that is not what `name` says. Its header, and with it its hash, says so: no device can make another's
    /// table look as if it were not. Only tables that may be there are opened.
    pub(crate) fn owner_of(&self, name: &IndexName, may_be_there: impl Fn(&IndexName) -> bool) -> Option<DeviceId> {
        let named = self.named_by_hash();
        let from = named.partition_point(|other| other.hash < name.hash);
        let same = named[from..].iter().take_while(|other| other.hash == name.hash);
        let mut others = same.filter(|other| *other != name && may_be_there(other));
        others.find(|other| self.open_table(**other).is_ok()).map(|other| other.device)
    }

    /// All tables that entries name or named, by their hashes. Made once for each state of the logs: who signs a million names of
    /// tables that do not exist has each of them looked up here.
    fn named_by_hash(&self) -> &[IndexName] {
        self.named_by_hash.get_or_init(|| {
            let mut named: Vec<_> = self.named_tables(|_| true).into_iter().collect();
            named.sort_unstable_by_key(|name| (name.hash, *name));
            named
        })
    }

    /// All tables that any of these entries names or named.
    fn named_tables(&self, of: impl Fn(&LogEntry) -> bool) -> BTreeSet<IndexName> {
        #[cfg(test)]
        self.named_tables_made.fetch_add(1, Relaxed);
        let mut named = BTreeSet::new();
        for entry in self.log.entries().filter(|entry| of(entry)) {
            named.extend(deltas_of(entry));
            if let Payload::Index(set) = &entry.body.payload {
                let device = entry.device;
                named.extend(set.shards.iter().map(|hash| IndexName { shard: true, device, hash: *hash }));
            }
        }
        named
    }

    #[cfg(test)]
    pub(super) fn named_tables_made(&self) -> u64 {
        self.named_tables_made.load(Relaxed)
    }

    fn is_shared(&self, device: DeviceId) -> bool {
        self.domain_of(device).is_shared()
    }

    /// The local copy says what is not so: everything is read again.
    pub(super) fn forget_index(&mut self) {
        self.index.take();
        let removed = match (&self.cache, self.lock.is_some()) {
            (Some(cache), true) => std::fs::remove_dir_all(cache.join("index")),
            _ => Err(ErrorKind::PermissionDenied.into()),
        };
        if removed.is_err_and(|error| error.kind() != ErrorKind::NotFound) {
            // What stays there is not for this run.
            self.index = OnceLock::from(Arc::new(self.load_counting(None, self.domain.domain)));
        }
    }

    fn own_index(&self) -> &Arc<Loaded> {
        self.index.get_or_init(|| Arc::new(self.load_copy(self.domain.domain)))
    }

    fn loaded(&self, domain: Domain) -> Arc<Loaded> {
        if domain == self.domain.domain {
            return Arc::clone(self.own_index());
        }
        let mut others = lock(&self.other_indexes);
        Arc::clone(others.entry(domain).or_insert_with(|| Arc::new(self.load_copy(domain))))
    }

    fn load_all(&self, loaded: &Loaded) -> Result<(), VaultError> {
        while self.load(loaded, |_| true, TABLES)? {}
        Ok(())
    }

    /// The local copy, and which tables it lacks.
    fn load_copy(&self, domain: Domain) -> Loaded {
        let name = if domain == self.domain.domain { "index".to_owned() } else { format!("index-{domain}") };
        self.load_counting(self.cache.as_ref().map(|cache| cache.join(name)), domain)
    }

    fn load_counting(&self, folder: Option<PathBuf>, domain: Domain) -> Loaded {
        let index = self.load_from(folder, domain);
        let pending = self.pending(domain, &index);
        Loaded { domain, from: From::Counting, index, state: Mutex::new(LoadState { pending }) }
    }

    /// Made once in a run, when a chunk is not found where it should be. Each table that is named, and listed, is read once at most.
    fn beyond(&self, domain: Domain) -> Result<Arc<Loaded>, VaultError> {
        if let Some(known) = lock(&self.beyond).indexes.get(&domain) {
            return Ok(Arc::clone(known));
        }
        let counting = self.index_of(domain)?.covered();
        // Other stores may have what this one does not list.
        let listed: Option<HashSet<ObjectName>> = if self.has_others() {
            None
        } else {
            let (deltas, shards) =
                parallel::both(|| self.store.list(&deltas_prefix()), || self.store.list(&shards_prefix()));
            Some(deltas?.objects.into_iter().chain(shards?.objects).map(|object| object.name).collect())
        };
        let folder = self.cache.as_ref().map(|cache| cache.join(format!("index-beyond-{domain}")));
        let index = self.load_from(folder, domain);
        let (known, parts) = (index.covered(), self.parts());
        let unusable = lock(&self.unusable_tables);
        let pending = self.named_tables(|entry| entry.domain == domain).into_iter().filter(|name| {
            let is_there = listed.as_ref().is_none_or(|listed| listed.contains(&ObjectName::from(*name)));
            // Who may not read merges for nobody.
            is_there
                && (!name.shard || domain.is_shared())
                && !counting.contains(name)
                && !known.contains(name)
                && !unusable.contains(name)
        });
        let pending = pending.map(|name| if name.shard { Pending::shard(name) } else { Pending::delta(name, &parts) });
        let state = Mutex::new(LoadState { pending: pending.collect() });
        drop(unusable);
        let loaded = Arc::new(Loaded { domain, from: From::Beyond, index, state });
        Ok(Arc::clone(lock(&self.beyond).indexes.entry(domain).or_insert(loaded)))
    }

    fn load_from(&self, folder: Option<PathBuf>, domain: Domain) -> Index {
        let tags = Tags { vault: self.id(), domain, store: self.store_tag() };
        let (mut index, _) = Index::load(folder.as_deref(), tags.clone());
        let named = self.named_tables(|entry| entry.domain == domain);
        if index.covered().iter().any(|hash| !named.contains(hash)) {
            // Rows of a table that no entry names, or none that counts any more: to rely on them would lose data.
            if let (Some(folder), true) = (&folder, self.lock.is_some()) {
                let _ = std::fs::remove_dir_all(folder);
                index = Index::load(Some(folder), tags).0;
            } else {
                // Perhaps this run's view of the logs is older than the copy: the copy stays.
                index = Index::load(None, tags).0;
            }
        }
        index.set_condemned(self.log.condemned(&self.collectors()));
        index
    }

    /// The tables that count and that the index lacks.
    fn pending(&self, domain: Domain, index: &Index) -> Vec<Pending> {
        let (tables, known, parts) = (self.tables(domain), index.covered(), self.parts());
        let unusable = lock(&self.unusable_tables);
        let is_missing = |name: &&IndexName| !known.contains(name) && !unusable.contains(name);
        let mut pending = Vec::new();
        // What a set covers is in here by its deltas or by its shards; a fresh copy takes the shards.
        if !tables.covered.is_subset(&known.iter().copied().collect()) {
            pending.extend(tables.shards.iter().filter(is_missing).map(|name| Pending::shard(*name)));
        }
        pending.extend(tables.deltas.iter().filter(is_missing).map(|name| Pending::delta(*name, &parts)));
        pending
    }

    /// Takes up to `most` KiB of the newest tables that are `wanted` into the index; whether there were any.
    fn load(&self, loaded: &Loaded, wanted: impl Fn(&Pending) -> bool, most: u32) -> Result<bool, VaultError> {
        // One at a time: whoever waits here finds what the other one has loaded.
        let mut state = lock(&loaded.state);
        let mut sum = 0;
        let mut chosen: Vec<usize> = (0..state.pending.len()).rev().filter(|at| wanted(&state.pending[*at])).collect();
        let fit = |at: &usize| {
            let first = sum == 0;
            sum += state.pending[*at].kib;
            first || sum <= most
        };
        let count = chosen.iter().map(fit).take_while(|fits| *fits).count();
        chosen.truncate(count);
        if chosen.is_empty() {
            return Ok(false);
        }
        // In the order of their entries: of two places the later counts.
        chosen.sort_unstable();
        let chosen: Vec<Pending> = chosen.into_iter().map(|at| state.pending[at]).collect();
        let tables = parallel::map(&chosen, parallel::REQUESTS, |table| self.usable_table(table.name))?;
        let mut lost_shard = false;
        for (Pending { name, .. }, table) in chosen.iter().zip(tables) {
            match table {
                Some(table) => drop(loaded.index.absorb(*name, &table)?),
                None => lost_shard |= name.shard,
            }
        }
        let done: HashSet<IndexName> = chosen.iter().map(|table| table.name).collect();
        state.pending.retain(|table| !done.contains(&table.name));
        if lost_shard && loaded.from == From::Counting {
            // A set that has lost a shard says less than the one before it and the deltas since, as far as these are still there.
            state.pending = self.pending(loaded.domain, &loaded.index);
        }
        // A local copy holds what this store has.
        if !self.is_borrowed.load(Relaxed)
            && let Err(error) = loaded.index.save()
        {
            // The next run reads more from the vault; nothing else.
            let _ = error;
        }
        Ok(true)
    }

    /// Claims are good for one store only (rule S-4).
    pub(super) fn store_tag(&self) -> [u8; 16] {
        let primary: BTreeMap<_, _> = self.roster.stores.iter().filter(|(_, store)| store.primary).collect();
        primary.keys().next().map_or([0; 16], |id| **id)
    }
}

/// The deltas that an entry names.
fn deltas_of(entry: &LogEntry) -> impl Iterator<Item = IndexName> {
    entry.body.deltas.iter().map(|(hash, _)| IndexName { shard: false, device: entry.device, hash: *hash })
}

/// KiB of tables that are fetched and taken in at once.
const TABLES: u32 = 32 << 10;
/// The same while one chunk is looked for.
const FIRST_TABLES: u32 = 1 << 10;
