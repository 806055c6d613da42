//! The index of an opened vault: which tables count, and reading them.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Mutex;
use std::sync::atomic::Ordering::Relaxed;

use vault_format::index::Table;
use vault_format::log::{DeltaPart, Heads, IndexSet, Payload};
use vault_format::name::ObjectName;
use vault_format::pack::ChunkType;
use vault_format::{ChunkId, DeviceId, Domain, Header, Identity, ObjectHash, ObjectType, limits};

use super::{Vault, VaultError};
use crate::index::{Index, Location, Tags};
use crate::log::LogEntry;
use crate::parallel;
use crate::stage::{dek, open_object};
use crate::store::StoreError;
use crate::sync::lock;

/// The tables that count for the shared domain (SPEC section 8).
pub(crate) struct Tables {
    /// Shards of the set with the greatest frontier, with the device that merged them.
    pub(crate) shards: Vec<(DeviceId, ObjectHash)>,
    /// Deltas that the set does not cover, in the order of their entries.
    pub(crate) deltas: Vec<(DeviceId, ObjectHash)>,
    /// Deltas that it does.
    pub(crate) covered: HashSet<ObjectHash>,
    /// The same with their writers.
    pub(crate) covered_deltas: Vec<(DeviceId, ObjectHash)>,
}

/// The index, as far as it is in memory or in the local copy, and what is not in it yet.
pub(super) struct Loaded {
    index: Index,
    state: Mutex<LoadState>,
}

struct LoadState {
    /// In the order in which they are taken in.
    pending: Vec<Pending>,
    /// The deltas that the shards were merged from: wanted if one of these is lost.
    covered: Vec<Pending>,
}

/// A table that counts and is not in the index yet.
#[derive(Clone, Copy)]
struct Pending {
    shard: bool,
    device: DeviceId,
    hash: ObjectHash,
    /// About how large it is.
    kib: u32,
    part: Option<DeltaPart>,
}

impl Pending {
    fn shard(device: DeviceId, hash: ObjectHash) -> Self {
        Self { shard: true, device, hash, kib: limits::INDEX_STORED as u32 / 1024, part: None }
    }

    fn delta(device: DeviceId, hash: ObjectHash, parts: &HashMap<ObjectHash, (u32, Option<DeltaPart>)>) -> Self {
        let (kib, part) = parts.get(&hash).copied().unwrap_or_default();
        // What an entry says of sizes is not to be relied on.
        Self { shard: false, device, hash, kib: kib.clamp(1, limits::INDEX_STORED as u32 / 1024), part }
    }

    /// What it is: a device may name a table of another as its own.
    fn key(&self) -> (bool, DeviceId, ObjectHash) {
        (self.shard, self.device, self.hash)
    }
}

impl Vault {
    /// Where the chunks of the shared domain are: all that is in tables that count. Loaded when it is first needed.
    pub(crate) fn index(&self) -> Result<&Index, VaultError> {
        let loaded = self.loaded()?;
        while self.load(loaded, |_| true, TABLES)? {}
        Ok(&loaded.index)
    }

    /// Where a chunk is. Reads no more tables than it takes to find it: those first that can hold it by what their entries say.
    pub(crate) fn locate(&self, id: &ChunkId, chunk_type: ChunkType) -> Result<Vec<Location>, VaultError> {
        let loaded = self.loaded()?;
        let trees = chunk_type != ChunkType::File;
        loop {
            let places = loaded.index.locate(id)?;
            let may_hold = |table: &Pending| table.part.is_none_or(|part| part.may_hold(id, trees));
            if !places.is_empty() || !self.load(loaded, may_hold, FIRST_TABLES)? {
                // A hint may be wrong, a table is not.
                return if places.is_empty() { Ok(self.index()?.locate(id)?) } else { Ok(places) };
            }
        }
    }

    /// The tables that count.
    pub(crate) fn tables(&self) -> Tables {
        let collectors = self.collectors();
        let shared = |device: &DeviceId| self.domain_of(*device).is_shared();
        let entries: Vec<&LogEntry> = self.log.entries().filter(|entry| shared(&entry.device)).collect();
        let set = entries
            .iter()
            .filter(|entry| !self.log.is_void(entry, &collectors))
            .filter_map(|entry| match &entry.body.payload {
                Payload::Index(set) if set.domain == Domain::SHARED => {
                    Some((self.covered_by(&set.frontier), entry, set))
                }
                _ => None,
            })
            .max_by_key(|(covered, entry, _)| (covered.len(), entry.identity));
        let (within, shards): (HashSet<Identity>, Vec<_>) = match set {
            Some((within, entry, IndexSet { shards, .. })) => {
                (within, shards.iter().map(|hash| (entry.device, *hash)).collect())
            }
            None => Default::default(),
        };
        let (mut deltas, mut covered, mut seen) = (Vec::new(), HashSet::new(), HashSet::new());
        let mut covered_deltas = Vec::new();
        for entry in entries {
            for (hash, _) in &entry.body.deltas {
                if within.contains(&entry.identity) {
                    if covered.insert(*hash) {
                        covered_deltas.push((entry.device, *hash));
                    }
                } else if seen.insert((entry.device, *hash)) {
                    deltas.push((entry.device, *hash));
                }
            }
        }
        Tables { shards, deltas, covered, covered_deltas }
    }

    /// What entries say of the deltas that they name.
    fn parts(&self) -> HashMap<ObjectHash, (u32, Option<DeltaPart>)> {
        let deltas = self.log.entries().flat_map(|entry| {
            entry.body.deltas.iter().map(|(hash, kib)| (*hash, (*kib, entry.body.parts.get(hash).copied())))
        });
        deltas.collect()
    }

    /// Fetches a delta that an entry names, or a shard that a set names, and opens it.
    pub(crate) fn open_table(&self, shard: bool, device: DeviceId, hash: ObjectHash) -> Result<Table, VaultError> {
        let (name, object_type) = match shard {
            true => (ObjectName::Shard { device, hash }, ObjectType::Shard),
            false => (ObjectName::Delta { device, hash }, ObjectType::Delta),
        };
        let bad = |reason: String| VaultError::Table { path: name.to_path(), reason };
        let stored =
            self.store.get(&name, &|bytes| self.provider.hash.hash(&[bytes])).map_err(|error| match error {
                StoreError::NotFound { .. } | StoreError::Damaged { .. } | StoreError::TooLarge { .. } => {
                    bad(crate::chain(&error))
                }
                // A store that does not answer says nothing about the table.
                error => error.into(),
            })?;
        self.parse_table(name, object_type, device, &stored)
    }

    fn parse_table(
        &self,
        name: ObjectName,
        object_type: ObjectType,
        device: DeviceId,
        stored: &[u8],
    ) -> Result<Table, VaultError> {
        let bad = |reason: String| VaultError::Table { path: name.to_path(), reason };
        if stored.len() > limits::INDEX_STORED {
            return Err(bad("it is larger than a table may be".into()));
        }
        let header = Header::parse(stored).map_err(|error| bad(error.to_string()))?;
        header.expect(&self.expected(object_type, device)).map_err(|error| bad(error.to_string()))?;
        let epoch = self.epoch(header.epoch)?;
        let pusher;
        let key = if header.domain.is_shared() {
            &epoch.index
        } else {
            pusher = epoch.pusher(device);
            &pusher.index
        };
        let clear = &stored[..header.sealed_len()];
        let dek = dek(self.provider, key, clear, &header.salt);
        let plain = open_object(self.provider, stored, clear.len(), &dek, limits::INDEX_PLAIN)
            .map_err(|error| bad(crate::chain(&error)))?;
        Table::parse(&plain).map_err(|error| bad(error.to_string()))
    }

    /// Tables that entries name and that are missing or damaged. Their chunks are stored anew by a push, and cannot be read.
    pub fn unusable_tables(&self) -> Vec<String> {
        lock(&self.unusable_tables).clone()
    }

    /// One bad table, of whichever device, does not keep all others from being used. None: it is noted.
    fn usable_table(&self, shard: bool, device: DeviceId, hash: ObjectHash) -> Result<Option<Table>, VaultError> {
        let error = match self.open_table(shard, device, hash) {
            Ok(table) => return Ok(Some(table)),
            Err(error) => error,
        };
        // Who pushes relies on what the primary has: a chunk that only another store locates is stored again.
        if self.lock.is_none() && self.has_others() {
            let (name, object_type) = match shard {
                true => (ObjectName::Shard { device, hash }, ObjectType::Shard),
                false => (ObjectName::Delta { device, hash }, ObjectType::Delta),
            };
            let stored = self.table_elsewhere(&name);
            if let Some(Ok(table)) = stored.map(|stored| self.parse_table(name, object_type, device, &stored)) {
                self.is_borrowed.store(true, Relaxed);
                return Ok(Some(table));
            }
        }
        match error {
            error @ (VaultError::Table { .. } | VaultError::NoEpoch { .. }) => {
                lock(&self.unusable_tables).push(crate::chain(&error));
                Ok(None)
            }
            error => Err(error),
        }
    }

    /// All tables that any entry names or named.
    fn named_tables(&self) -> HashSet<ObjectHash> {
        let mut named = HashSet::new();
        for entry in self.log.entries().filter(|entry| self.domain_of(entry.device).is_shared()) {
            named.extend(entry.body.deltas.iter().map(|(hash, _)| *hash));
            if let Payload::Index(set) = &entry.body.payload {
                named.extend(set.shards.iter().copied());
            }
        }
        named
    }

    fn loaded(&self) -> Result<&Loaded, VaultError> {
        if let Some(loaded) = self.index.get() {
            return Ok(loaded);
        }
        let loaded = self.load_copy();
        Ok(self.index.get_or_init(|| loaded))
    }

    /// The local copy, and which tables it lacks.
    fn load_copy(&self) -> Loaded {
        let tags = Tags { vault: self.id(), domain: Domain::SHARED, store: self.store_tag() };
        let folder = self.cache.as_ref().map(|cache| cache.join("index"));
        let (mut index, _) = Index::load(folder.as_deref(), tags.clone());
        let tables = self.tables();
        let named = self.named_tables();
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
        let known = index.covered();
        let parts = self.parts();
        let mut pending = Vec::new();
        // What a set covers is in here by its deltas or by its shards; a fresh copy takes the shards.
        if !tables.covered.iter().all(|hash| known.contains(hash)) {
            let table = |(device, hash): &(DeviceId, ObjectHash)| Pending::shard(*device, *hash);
            pending.extend(tables.shards.iter().filter(|(_, hash)| !known.contains(hash)).map(table));
        }
        let table = |(device, hash): &(DeviceId, ObjectHash)| Pending::delta(*device, *hash, &parts);
        pending.extend(tables.deltas.iter().filter(|(_, hash)| !known.contains(hash)).map(table));
        let covered = tables.covered_deltas.iter().map(table).collect();
        index.set_condemned(self.log.condemned(&self.collectors()));
        Loaded { index, state: Mutex::new(LoadState { pending, covered }) }
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
        let tables = parallel::map(&chosen, parallel::REQUESTS, |table| {
            self.usable_table(table.shard, table.device, table.hash)
        })?;
        let mut lost_shard = false;
        for (Pending { shard, device, hash, .. }, table) in chosen.iter().zip(tables) {
            match table {
                Some(table) => drop(loaded.index.absorb(*hash, &table, (!shard).then_some(*device))?),
                None => lost_shard |= shard,
            }
        }
        state.pending.retain(|table| !chosen.iter().any(|done| done.key() == table.key()));
        if lost_shard {
            // A set that has lost a shard says less than the deltas it was merged from, as far as these are still there.
            let covered = std::mem::take(&mut state.covered);
            state.pending.extend(covered);
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

    /// Identities of all entries in the past of a frontier, itself included.
    fn covered_by(&self, frontier: &Heads) -> HashSet<Identity> {
        let mut covered = HashSet::new();
        let mut open: Vec<_> = frontier.values().flatten().copied().collect();
        while let Some(identity) = open.pop() {
            if let Some(entry) = self.log.get(&identity)
                && covered.insert(identity)
            {
                open.extend(entry.prev.iter().copied());
            }
        }
        covered
    }

    /// Claims are good for one store only (rule S-4).
    pub(super) fn store_tag(&self) -> [u8; 16] {
        let primary: BTreeMap<_, _> = self.roster.stores.iter().filter(|(_, store)| store.primary).collect();
        primary.keys().next().map_or([0; 16], |id| **id)
    }
}

/// KiB of tables that are fetched and taken in at once.
const TABLES: u32 = 32 << 10;
/// The same while one chunk is looked for.
const FIRST_TABLES: u32 = 1 << 10;
