//! The stores of a vault: which there are, which of them decides, and those beside the primary.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use bytes::Bytes;
use vault_format::name::{deltas_prefix, logs_prefix, packs_prefix, roster_prefix, shards_prefix};
use vault_format::{DeviceId, Identity, ObjectName, Time};

use super::access::Access;
use super::open::try_store;
use super::{Vault, VaultError};
use crate::log::LogEntry;
use crate::parallel;
use crate::roster::Store as StoreRecord;
use crate::roster::{Roster, StoreChange, StoreId, change_stores, new_store_id};
use crate::state::{Cursor, Cursors, LogPin};
use crate::store::{Listed, OpenMode, Store, StoreError, StoreOptions, StoreUrl, Traffic};

/// A store as this machine's configuration has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreConfig {
    /// What messages call it.
    pub name: String,
    /// Where it is.
    pub url: String,
    /// Its id in the roster, if the roster has it under another URL.
    pub id: Option<StoreId>,
    /// How it is spoken to.
    pub options: StoreOptions,
}

/// A store as the roster has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreInfo {
    /// Its id.
    pub id: StoreId,
    /// Where it was when it was added.
    pub url: Option<String>,
    /// Its lists decide.
    pub primary: bool,
    /// What this machine's configuration calls it, if it has it.
    pub name: Option<String>,
}

/// A store beside the one that the vault was opened from. Opened when it is first needed.
pub(crate) struct Other {
    pub(crate) config: StoreConfig,
    opened: OnceLock<Result<Store, StoreFailure>>,
}

/// Whether a store can take what a push stores.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Level {
    Yes {
        /// When listings were compared for this, if they were.
        compared: Option<Time>,
    },
    No,
}

/// What was asked of one store.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StoreTraffic {
    /// What messages call the store.
    pub name: String,
    /// Whether it is on another machine, or may be.
    pub is_remote: bool,
    /// Since it was opened.
    pub traffic: Traffic,
}

impl StoreTraffic {
    pub(crate) fn of(name: &str, store: &Store) -> Self {
        Self { name: name.to_owned(), is_remote: store.is_remote(), traffic: store.traffic() }
    }
}

/// Why a store cannot be used; kept, so that each is tried once in a run.
#[derive(Clone, Debug)]
pub(crate) struct StoreFailure(pub(crate) String);

impl Other {
    pub(crate) fn new(config: StoreConfig) -> Self {
        Self { config, opened: OnceLock::new() }
    }

    /// One that is open already.
    #[cfg(test)]
    pub(crate) fn opened(config: StoreConfig, store: Store) -> Self {
        Self { config, opened: OnceLock::from(Ok(store)) }
    }

    pub(crate) fn store(&self) -> Result<&Store, &StoreFailure> {
        let open = || {
            let url = StoreUrl::parse(&self.config.url).map_err(|error| StoreFailure(crate::chain(&error)))?;
            Store::open(&url, &self.config.options, OpenMode::Existing)
                .map_err(|error| StoreFailure(crate::chain(&error)))
        };
        self.opened.get_or_init(open).as_ref()
    }

    /// None: it was not needed.
    fn traffic(&self) -> Option<StoreTraffic> {
        Some(StoreTraffic::of(&self.config.name, self.opened.get()?.as_ref().ok()?))
    }
}

impl StoreConfig {
    /// Under the name of its URL.
    pub fn unnamed(url: &str) -> Self {
        Self { name: url.to_owned(), url: url.to_owned(), id: None, options: StoreOptions::default() }
    }

    /// Whether it is the store at this URL.
    pub fn is_at(&self, url: &str) -> bool {
        StoreUrl::parse(url).is_ok_and(|url| url.to_string() == self.plain_url())
    }

    /// The URL as the roster and the local state write it.
    pub(crate) fn plain_url(&self) -> String {
        StoreUrl::parse(&self.url).map_or_else(|_| self.url.clone(), |url| url.to_string())
    }
}

impl Vault {
    /// What was asked of each store since the vault was opened, the opening included; of the one that it was opened from first.
    pub fn traffic(&self) -> Vec<StoreTraffic> {
        let first = StoreTraffic::of(&self.place.name, &self.store);
        std::iter::once(first).chain(self.others.iter().filter_map(Other::traffic)).collect()
    }

    /// All stores that the roster names.
    pub fn stores(&self) -> Vec<StoreInfo> {
        let name_of = |id| {
            let configured = std::iter::once(&self.place).chain(self.others.iter().map(|other| &other.config));
            let mut configured = configured.filter(|config| self.id_of(config) == Some(id));
            configured.next().map(|config| config.name.clone())
        };
        let stores = self.roster.stores.iter().map(|(id, store)| StoreInfo {
            id: *id,
            url: self.keys.store_url(id).map(str::to_owned),
            primary: store.primary,
            name: name_of(*id),
        });
        stores.collect()
    }

    /// Adds a store to the roster, unless it is there already. Needs an admin. The store itself is filled by a copy.
    pub fn add_store(&mut self, config: &StoreConfig) -> Result<StoreId, VaultError> {
        self.check_hearsay()?;
        let url = StoreUrl::parse(&config.url)?;
        if let Some(id) = self.id_of(config) {
            return Ok(id);
        }
        let verdict = try_store(self.provider, &Store::open(&url, &config.options, OpenMode::Create)?)?;
        let id = new_store_id(self.provider)?;
        self.write_stores(&[StoreChange::Is {
            id,
            kind: kind_number(&url),
            primary: false,
            verdict: verdict.map_or(0, |verdict| verdict.bits()),
            url: Some(url.to_string()),
        }])?;
        Ok(id)
    }

    /// Takes a store off the roster's list: never the primary. Needs an admin. What is stored there stays.
    pub fn remove_store(&mut self, id: StoreId) -> Result<(), VaultError> {
        self.check_hearsay()?;
        let named = || self.keys.store_url(&id).map_or_else(|| store_id_text(&id), str::to_owned);
        match self.roster.stores.get(&id) {
            None => return Err(VaultError::UnknownStore { url: named() }),
            Some(store) if store.primary => return Err(VaultError::RemovesPrimary { url: named() }),
            Some(_) => {}
        }
        self.check_primary()?;
        self.write_stores(&[StoreChange::Removed(id)])
    }

    /// The id that the roster has for the store that a person means: a name of the configuration, a URL, or an id.
    pub fn store_named(&self, config: &StoreConfig) -> Option<StoreId> {
        let by_id = parse_store_id(&config.name).filter(|id| self.roster.stores.contains_key(id));
        by_id.or_else(|| self.id_of(config))
    }

    /// Makes the store that this vault was opened from the primary. Needs an admin.
    ///
    /// What devices claim of the earlier primary does not count for this one: their local copies of the index are tagged
    /// with the store, and made anew (rule S-4). If this machine has seen more of the vault than the store shows, that is
    /// lost: with `accept_loss` it is forgotten, and without it nothing is changed.
    pub fn make_primary(&mut self, accept_loss: bool) -> Result<(), VaultError> {
        let id = self.id_of(&self.place).ok_or_else(|| VaultError::UnknownStore { url: self.url.clone() })?;
        let known = self.roster.stores[&id];
        if let Some(entries) = self.behind.filter(|_| !accept_loss) {
            return Err(VaultError::Behind { url: self.url.clone(), entries });
        }
        // A store that lags shows less of some logs than of others.
        if self.behind.is_none() {
            self.check_hearsay()?;
        }
        // The records that only this machine still has are stored again: a revocation stays one.
        self.tell(&self.store.clone())?;
        if !known.primary {
            let StoreRecord { kind, verdict, .. } = known;
            self.write_stores(&[StoreChange::Is { id, kind, primary: true, verdict, url: None }])?;
        }
        if self.behind.is_some() {
            self.accept_pins()?;
        }
        Ok(())
    }

    /// Names of objects, records and entries, that `earlier` shows and this vault's store does not: what would be lost if
    /// this one became the primary now.
    pub fn lacks(&self, earlier: &Store) -> Result<u64, VaultError> {
        let mut lacks = 0;
        for prefix in [roster_prefix(), logs_prefix()] {
            let (here, there) = (self.store.list(&prefix)?, earlier.list(&prefix)?);
            let counts = |name: &ObjectName| name.device().is_none_or(|id| self.roster.devices.contains_key(&id));
            let there = there.objects.iter().filter(|object| counts(&object.name));
            lacks += there.filter(|object| here.objects.binary_search(object).is_err()).count() as u64;
        }
        Ok(lacks)
    }

    /// Copies the roster to another store: what was just decided counts there too.
    pub fn tell(&self, other: &Store) -> Result<(), VaultError> {
        for (name, bytes) in self.records.all() {
            if self.hash(bytes) == name.hash().0 && !other.exists(name)? {
                other.put(name, Bytes::copy_from_slice(bytes))?;
            }
        }
        Ok(())
    }

    /// The store that this vault was opened from, as the configuration has it.
    pub fn place(&self) -> &StoreConfig {
        &self.place
    }

    /// How many entries that this machine has seen the store does not show, if it is behind.
    pub fn behind(&self) -> Option<u64> {
        self.behind
    }

    /// The roster decides which store is the primary. Where it names one only, there is nothing to be mistaken about.
    pub(super) fn check_primary(&self) -> Result<(), VaultError> {
        match self.roster.stores.len() < 2 && !self.is_away {
            true => Ok(()),
            false => check_primary_in(&self.roster, &self.keys, &self.place, &self.url),
        }
    }

    /// The id that the roster has for a configured store.
    pub(crate) fn id_of(&self, config: &StoreConfig) -> Option<StoreId> {
        id_in(&self.roster, &self.keys, config)
    }

    /// Whether a store has everything that this run has read from the primary: then what this run stores can go to it at
    /// once. It has an entry only if it has all that the entry relies on, so the heads speak for the rest, with one
    /// exception: a copy of a source with damage has the entries and not all of their packs. Which packs an entry relies on
    /// is sealed, so a copy without keys cannot leave out the entry. A copy that this machine made or asked for is
    /// remembered with its holes; those of others are found by comparing listings, the first time and once a week.
    pub(crate) fn is_level(&self, other: &Store, cursor: Option<&Cursor>) -> Result<Level, StoreError> {
        if cursor.is_some_and(|cursor| cursor.holes > 0) || !self.has_heads(other)? {
            return Ok(Level::No);
        }
        let is_fresh = |time: Time| (0..COMPARED).contains(&crate::now().secs.saturating_sub(time.secs));
        if cursor.and_then(|cursor| cursor.compared).is_some_and(is_fresh) {
            return Ok(Level::Yes { compared: None });
        }
        let now = crate::now();
        Ok(if self.has_all_objects(other)? { Level::Yes { compared: Some(now) } } else { Level::No })
    }

    /// Whether a store lists all packs and tables that the primary lists, in their sizes.
    fn has_all_objects(&self, other: &Store) -> Result<bool, StoreError> {
        let counts = |name: &ObjectName| name.device().is_some_and(|id| self.roster.devices.contains_key(&id));
        for prefix in [deltas_prefix(), shards_prefix(), packs_prefix(true), packs_prefix(false)] {
            let (here, there) = parallel::both(|| self.store.list(&prefix), || other.list(&prefix));
            let (here, there) = (here?, there?.objects);
            let mut here = here.objects.iter().filter(|object| counts(&object.name));
            if !here.all(|object| there.binary_search(object).is_ok()) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn has_heads(&self, other: &Store) -> Result<bool, StoreError> {
        let there = other.list(&roster_prefix())?.objects;
        let sound = |(name, bytes): &&(ObjectName, Vec<u8>)| self.hash(bytes) == name.hash().0;
        let has = |name: &ObjectName, size| there.binary_search(&Listed { name: *name, size }).is_ok();
        if !self.records.all().iter().filter(sound).all(|(name, bytes)| has(name, bytes.len() as u64)) {
            return Ok(false);
        }
        for head in self.log.devices().flat_map(|device| self.log.heads(device)) {
            if let Some(name) = self.entry_name(&head)
                && !other.exists(&name)?
            {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// The name under which an entry is stored.
    pub(crate) fn entry_name(&self, identity: &Identity) -> Option<ObjectName> {
        self.log.get(identity).map(LogEntry::name)
    }

    /// What this device remembers of the other stores.
    pub(crate) fn cursors(&self) -> Cursors {
        if self.ephemeral { Cursors::default() } else { self.home.cursors(self.id()) }
    }

    /// A store has everything in the past of these heads.
    pub(crate) fn remember_level(
        &self,
        other: &Other,
        logs: BTreeMap<DeviceId, Vec<LogPin>>,
        compared: Option<Time>,
    ) -> Result<(), VaultError> {
        self.remember(other, |cursor| {
            (cursor.level, cursor.logs, cursor.holes) = (Some(crate::now()), logs, 0);
            cursor.compared = compared.or(cursor.compared);
        })
    }

    /// A store was filled, and these many objects were not to be had whole.
    pub(crate) fn remember_holes(&self, other: &Other, holes: u64) -> Result<(), VaultError> {
        self.remember(other, |cursor| (cursor.holes, cursor.compared) = (holes, None))
    }

    fn remember(&self, other: &Other, change: impl FnOnce(&mut Cursor)) -> Result<(), VaultError> {
        if self.ephemeral {
            return Ok(());
        }
        let mut cursors = self.cursors();
        change(cursors.entry(other.config.plain_url()).or_default());
        Ok(self.home.set_cursors(self.provider, self.id(), &cursors)?)
    }

    fn write_stores(&mut self, changes: &[StoreChange]) -> Result<(), VaultError> {
        let keys = self.reader_keys("change the vault's stores")?;
        let record = change_stores(self.provider, &self.roster, keys, &self.device, changes, crate::now())?;
        self.store.put(&record.name, Bytes::from(record.bytes))?;
        let listing = self.store.list(&roster_prefix())?;
        self.refresh_roster(&listing)?;
        self.pin()
    }
}

/// The id that a roster has for a configured store: the one that was said, or that of its URL.
pub(super) fn id_in(roster: &Roster, keys: &Access, config: &StoreConfig) -> Option<StoreId> {
    let by_url = || keys.store_at(&config.plain_url(), |id| roster.stores.contains_key(id));
    config.id.or_else(by_url).filter(|id| roster.stores.contains_key(id))
}

/// The same before there is a vault.
pub(super) fn check_primary_in(
    roster: &Roster,
    keys: &Access,
    place: &StoreConfig,
    url: &str,
) -> Result<(), VaultError> {
    match roster.primary_store() {
        Some(primary) if id_in(roster, keys, place) != Some(primary) => Err(VaultError::NotPrimary {
            url: url.to_owned(),
            primary: keys.store_url(&primary).unwrap_or("another store").to_owned(),
            id: store_id_text(&primary),
        }),
        _ => Ok(()),
    }
}

/// An id of a store in hex.
pub fn store_id_text(id: &StoreId) -> String {
    hex::encode(id)
}

/// The inverse of [`store_id_text`].
pub fn parse_store_id(text: &str) -> Option<StoreId> {
    let mut id = [0; 16];
    hex::decode_to_slice(text, &mut id).ok()?;
    Some(id)
}

/// How the roster names a kind of store (SPEC section 11.2): it only informs.
pub(super) fn kind_number(url: &StoreUrl) -> u8 {
    match url.kind() {
        "folder" => 1,
        "S3" => 2,
        "GCS" => 3,
        "Azure" => 4,
        _ => 0,
    }
}

/// Seconds after which the listing of a store is compared again.
const COMPARED: i64 = 7 * 86_400;
