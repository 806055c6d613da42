//! An opened vault: its store, its roster, the keys that this device has, its logs and its index.
mod accept;
mod access;
mod checkpoints;
mod chunks;
mod claims;
mod compromised;
mod discover;
mod elsewhere;
mod error;
mod follow;
#[cfg(test)]
mod histories;
mod index;
mod known;
#[cfg(test)]
mod long_logs;
mod members;
#[cfg(test)]
mod members_tests;
mod now;
mod open;
mod own;
mod packs;
mod pairing;
#[cfg(test)]
mod push_only;
mod records;
#[cfg(test)]
mod requests;
#[cfg(test)]
mod revoked;
#[cfg(test)]
mod several;
mod shown;
mod status;
mod stores;
#[cfg(test)]
mod suites;
#[cfg(test)]
mod tables;
mod write;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

use bytes::Bytes;
use crypto_backends::{Key, Provider};
use vault_format::checkpoint::EntryRecord;
use vault_format::log::{EntryContent, EntryObject, IndexName, Payload, Snapshot, SourceRecord};
use vault_format::roster::Capabilities;
use vault_format::{
    DeviceId, Domain, EpochId, Expected, FormatError, Header, Identity, Mode, ObjectName, ObjectType, PackName, Scope,
    Suite, VaultId,
};

pub use chunks::ChunkError;
pub(crate) use chunks::Chunks;
pub use discover::{DiscoverOptions, Discovery, FoundDevice, FoundVault, OpenedBy, OtherVault, PlaceProblem, discover};
pub use error::VaultError;
pub(crate) use follow::Followed;
pub(crate) use index::Loaded;
pub use known::{KnownState, KnownVault, known_vaults};
pub use members::{
    DeviceInfo, DeviceKind, NewWords, ReplacedSlot, RevokedDevice, RevokedInfo, VoidEntry, WithheldEntry,
};
pub use open::{InitOptions, Initialised, OpenOptions, Purpose, Unlock, UnlockSecret};
pub use pairing::complete;
pub(crate) use pairing::read_roster;
pub use status::StoreStatus;
pub(crate) use stores::{Level, Other};
pub use stores::{StoreConfig, StoreInfo, StoreTraffic, parse_store_id, store_id_text};

use crate::keys::{DeviceKeys, DomainKeys, verify_stored};
use crate::log::{
    CheckpointReader, Log, LogEntry, LogReader, Opened, Refusal, Saved, SnapshotInfo, SnapshotRef, Unfounded,
    Unresolved, resolve,
};
use crate::manifest::TreeRoot;
use crate::roster::Roster;
use crate::stage::{dek, open_object};
use crate::state::{Claims, Home, LogPin, Pins, VaultLock};
use crate::store::Store;
use access::Access;

/// An opened vault.
pub struct Vault {
    provider: &'static Provider,
    store: Store,
    url: String,
    /// How the configuration names that store.
    place: StoreConfig,
    /// The other stores that the configuration has.
    others: Vec<Other>,
    /// Those that take what a push stores, while it goes on.
    followers: Mutex<Vec<follow::Follower>>,
    /// Heads of the logs when these began to follow.
    followed_from: Mutex<BTreeMap<DeviceId, Vec<LogPin>>>,
    /// How long a push waits for one of these, in all.
    pub(crate) follow_patience: Duration,
    /// The stores before this one in the configuration cannot be used.
    is_away: bool,
    /// Entries that this machine has seen and the store does not show: it follows the primary, and lags.
    behind: Option<u64>,
    /// Other stores that gave what this one did not, not yet told.
    told_elsewhere: Mutex<BTreeSet<String>>,
    last_elsewhere: Mutex<Option<(PackName, Bytes)>>,
    is_lost: AtomicBool,
    /// How long is gone on with where no store gives what is read: each of them is asked for a short time only.
    outage: Duration,
    /// Some of the index comes from another store.
    is_borrowed: AtomicBool,
    records: records::Records,
    roster: Roster,
    keys: Access,
    /// What a push seals under since the roster has changed under it.
    now: Mutex<now::Now>,
    packs_under: Mutex<now::PacksUnder>,
    /// The domain that this device pushes to.
    domain: DomainKeys,
    /// Who this run acts as: the device of this machine, or a virtual one in an ephemeral run.
    device: DeviceKeys,
    device_name: String,
    ephemeral: bool,
    enrolled_now: bool,
    home: Arc<Home>,
    lock: Option<VaultLock>,
    cache: Option<PathBuf>,
    log: Log,
    /// What this machine had seen when this run began: it is in roster and log, or is given up.
    pinned: Pins,
    /// When roster and logs were listed last, if this run held the vault then and has not pushed since.
    listed: Option<Instant>,
    /// Of the domain that this device pushes to.
    index: OnceLock<Arc<index::Loaded>>,
    /// Of other domains, each when it is first needed.
    other_indexes: Mutex<BTreeMap<Domain, Arc<index::Loaded>>>,
    /// What readers look through where these leave a chunk out.
    beyond: Mutex<index::Beyond>,
    /// Tables that entries of the log name, by their hashes, once they are needed.
    named_by_hash: OnceLock<Vec<IndexName>>,
    /// How often all of them were gathered.
    #[cfg(test)]
    named_tables_made: std::sync::atomic::AtomicU64,
    /// What claims of this push rest on.
    claims: Mutex<Claims>,
    /// The end of this device's own log, once this run has written to it: (identity, seq).
    own_end: Mutex<Option<(Identity, u64)>>,
    /// What this run has written to its log: it need not be read back.
    written: Mutex<Vec<LogEntry>>,
    /// The last number of this device's own log that the store has lost: its next entry goes on from there.
    lost_end: u64,
    /// What the local copy of the logs holds.
    saved: Mutex<Saved>,
    /// Packs that no entry names yet, as the journal on disk has them.
    journal: Mutex<Vec<u8>>,
    heads: chunks::PackHeads,
    tree_packs: packs::TreePacks,
    /// Tables that the index could not be filled from.
    unusable_tables: Mutex<index::Unusable>,
    notes: Vec<String>,
    warnings: Vec<String>,
    /// For tests of what lies between progress entries: they have a few packs only.
    pub(crate) progress_after_each_pack: bool,
}

impl Vault {
    /// The vault.
    pub fn id(&self) -> VaultId {
        self.roster.vault
    }

    /// Where it is.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Whether its storage is on another machine, or may be.
    pub fn is_remote(&self) -> bool {
        self.store.is_remote()
    }

    /// Its suite, for life.
    pub fn suite(&self) -> Suite {
        self.provider.suite
    }

    /// Who this run acts as.
    pub fn device_id(&self) -> DeviceId {
        self.device.id
    }

    /// What that device is called.
    pub fn device_name(&self) -> &str {
        &self.device_name
    }

    /// Whether this machine became a device of the vault in this run.
    pub fn enrolled_now(&self) -> bool {
        self.enrolled_now
    }

    /// Whether the passphrase or words were used for this run only.
    pub fn is_ephemeral(&self) -> bool {
        self.ephemeral
    }

    /// What the person should be told once.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// What the person should see to, each time until it is so no more.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// Who is in the vault.
    pub fn roster(&self) -> &Roster {
        &self.roster
    }

    /// What devices have said.
    pub fn log(&self) -> &Log {
        &self.log
    }

    /// All snapshots that were not forgotten, oldest first by the time that their devices claim.
    pub fn snapshots(&self) -> Vec<SnapshotInfo> {
        let live = self.live_snapshots(self.log.entries());
        let mut snapshots: Vec<_> = live
            .map(|(entry, snapshot)| SnapshotInfo {
                id: entry.identity,
                device: entry.device,
                device_name: self.name_of(entry.device),
                seq: entry.seq,
                time: entry.body.time,
                snapshot: snapshot.clone(),
            })
            .collect();
        snapshots.sort_by_key(|snapshot| (snapshot.time, snapshot.device, snapshot.seq));
        snapshots
    }

    /// Those among these entries that are snapshots, and neither forgotten nor void.
    fn live_snapshots<'a>(
        &'a self,
        entries: impl Iterator<Item = &'a LogEntry>,
    ) -> impl Iterator<Item = (&'a LogEntry, &'a Snapshot)> {
        let collectors = self.collectors();
        let (forgotten, void) = (self.log.forgotten(&collectors), self.log.void(&collectors));
        entries.filter_map(move |entry| match &entry.body.payload {
            Payload::Snapshot(snapshot) if !forgotten.contains(&entry.identity) && !void.has(entry) => {
                Some((entry, snapshot))
            }
            _ => None,
        })
    }

    /// Finds what a person named: `latest`, `latest~2`, the beginning of an id, each with `:PATH` behind it or not.
    ///
    /// `latest` goes by this device's own log first, then by the times that other devices claim, those of readers before those of
    /// push-only devices: a clock that lies on one device does not hide the snapshots of another.
    pub fn resolve(&self, text: &str) -> Result<SnapshotRef, VaultError> {
        let (id, path) = match text.split_once(':') {
            Some((id, path)) => (id, Some(path.as_bytes().to_vec()).filter(|path| !path.is_empty())),
            None => (text, None),
        };
        let mut snapshots = self.snapshots();
        // By their ids those of a suspect device can be had.
        if id.starts_with("latest") {
            snapshots.retain(|info| info.device == self.device.id || !self.log.is_suspect(info.device));
        }
        snapshots.sort_by_key(|snapshot| {
            let own = snapshot.device == self.device.id;
            let reads = self.domain_of(snapshot.device).is_shared();
            (own, reads, if own { snapshot.seq } else { 0 }, snapshot.time, snapshot.seq)
        });
        let found = resolve(&snapshots, id).map_err(|reason| match (reason, self.log.junk().len()) {
            (Unresolved::None, unread @ 1..) => VaultError::Unread(unread),
            (reason, _) => VaultError::snapshot(id, reason),
        })?;
        Ok(SnapshotRef { info: found.clone(), path })
    }

    /// What devices are called: only readers know.
    pub fn name_of(&self, device: DeviceId) -> String {
        match self.keys.device_name(device) {
            Some(name) => name.to_owned(),
            None if device == self.device.id => self.device_name.clone(),
            None => format!("{device:.8}"),
        }
    }

    /// Hash that names objects.
    pub(crate) fn hash(&self, bytes: &[u8]) -> [u8; 32] {
        self.provider.hash.hash(&[bytes])
    }

    pub(crate) fn provider(&self) -> &'static Provider {
        self.provider
    }

    pub(crate) fn store(&self) -> &Store {
        &self.store
    }

    /// The records of the roster as they are stored.
    pub(crate) fn stored_records(&self) -> &[(ObjectName, Vec<u8>)] {
        self.records.all()
    }

    /// Objects below the roster's prefix that are no records, of which nothing was kept.
    pub(crate) fn refused_records(&self) -> impl Iterator<Item = &ObjectName> {
        self.records.refused()
    }

    /// The key of one sealed entry.
    pub(crate) fn entry_dek(&self, object: &EntryObject, stored: &[u8]) -> Option<Key> {
        match entry_dek(self.provider, &self.keys, object.header.domain, object, stored) {
            EntryDek::Is(dek) => Some(dek),
            EntryDek::NotForUs | EntryDek::Unknown => None,
        }
    }

    /// Whether the bytes of an entry's object are this entry's, signature and all.
    pub(crate) fn is_stored_as(&self, entry: &LogEntry, stored: &[u8]) -> bool {
        let Ok(object) = EntryObject::parse(stored, self.suite()) else { return false };
        let Some(device) = self.roster.devices.get(&entry.device) else { return false };
        let (signed, signature) = (&stored[..object.signed_len], &stored[object.signature]);
        Identity(self.hash(signed)) == entry.identity
            && verify_stored(self.provider, ObjectType::Entry, self.id(), &device.verify_key, signed, signature).is_ok()
    }

    fn reading(&self) -> Reading<'_> {
        Reading { provider: self.provider, roster: &self.roster, keys: &self.keys, own: self.device.id }
    }

    /// For tests that sign what no command writes yet.
    #[cfg(test)]
    pub(crate) fn device_keys(&self) -> &DeviceKeys {
        &self.device
    }

    pub(crate) fn domain_keys(&self) -> &DomainKeys {
        &self.domain
    }

    /// Reads chunks of this device's own domain.
    pub(crate) fn chunks(&self, scope: Scope) -> Chunks<'_> {
        Chunks::new(self, &self.domain, scope)
    }

    /// Reads the chunks of a source in a snapshot of `device`: in its own domain, or in the shared one if it reads.
    pub(crate) fn chunks_of(&self, device: DeviceId, source: &SourceRecord) -> Result<Chunks<'_>, VaultError> {
        let keys = self.reader_keys("read snapshots")?;
        if !access::may_write(&self.roster, device, source.domain) {
            return Err(VaultError::ForeignDomain { device });
        }
        Ok(Chunks::new(self, &keys.domain(source.domain), source.scope))
    }

    /// Where local copies of this vault are kept.
    pub(crate) fn cache_folder(&self) -> Option<&Path> {
        self.cache.as_deref()
    }

    /// Folders of this machine that belong to zvault: never inside a source.
    pub(crate) fn local_folders(&self) -> Vec<PathBuf> {
        let mut folders = vec![self.home.path().to_owned()];
        folders.extend(self.cache.clone());
        folders.extend(self.store.folder().map(Path::to_owned));
        let others = self.others.iter().filter_map(|other| other.store().ok()?.folder());
        folders.extend(others.map(Path::to_owned));
        folders
    }

    /// The newest snapshot of this device that holds a readable source with this label.
    ///
    /// Only its own: what counts as unchanged is taken from the parent without being read, so another device could plant
    /// content for files whose size, times and inode it can guess.
    pub(crate) fn parent_of(&self, label: &[u8]) -> Option<(Identity, TreeRoot)> {
        let mut newest_first = self.live_snapshots(self.log.of(self.device.id).rev());
        newest_first.find_map(|(entry, snapshot)| {
            let source = snapshot.sources.iter().find(|source| {
                source.label == label && source.scope == Scope::VAULT && source.domain == self.domain.domain
            })?;
            let root = TreeRoot { id: source.root?, level: source.level, entries: source.entries, bytes: source.bytes };
            Some((entry.identity, root))
        })
    }

    /// Every device that holds or held `prune`: they may condemn and forget.
    pub(crate) fn collectors(&self) -> Vec<DeviceId> {
        access::collectors(&self.roster).collect()
    }

    /// What the header of a pack must say, given its place. Of a device that reads it says in which of two domains it is; the
    /// keys follow ([`Vault::pack_dek`]).
    pub(crate) fn expected_pack(&self, pack: &PackName) -> Expected {
        self.expected(access::pack_type(pack.tree), pack.device)
    }

    fn expected(&self, object_type: ObjectType, writer: DeviceId) -> Expected {
        Expected {
            suite: self.provider.suite,
            object_type,
            vault: self.id(),
            writer: Some(writer),
            domain: Some(self.domain_of(writer)).filter(|domain| !domain.is_shared()),
            mode: None,
        }
    }

    /// The domain in which a device writes.
    pub(crate) fn domain_of(&self, device: DeviceId) -> Domain {
        access::domain_of(&self.roster, device)
    }

    /// The key of a pack's frames.
    pub(crate) fn pack_dek(&self, header: &Header, clear: &[u8]) -> Result<Key, VaultError> {
        self.check_domain(header)?;
        if header.mode != Mode::Symmetric {
            return self.sealed_pack_dek(header, clear);
        }
        let epoch = self.epoch(header.epoch)?;
        Ok(dek(self.provider, &epoch.data, clear, &header.salt))
    }

    /// Whether its writer may write to the domain that a header names.
    fn check_domain(&self, header: &Header) -> Result<(), FormatError> {
        match access::may_write(&self.roster, header.writer, header.domain) {
            true => Ok(()),
            false => Err(FormatError::Mismatch { field: "domain" }),
        }
    }

    fn sealed_pack_dek(&self, header: &Header, clear: &[u8]) -> Result<Key, VaultError> {
        let epoch = self.epoch(header.epoch)?;
        let secret = self.reader_keys("open packs")?.kem_secret(header.epoch);
        let secret = secret.ok_or(VaultError::NoEpoch { epoch: header.epoch })?;
        let shared = self.provider.kem.decapsulate(secret.expose(), &clear[vault_format::header::HEADER_LEN..])?;
        let psk = epoch.pusher(header.writer).kem_psk;
        Ok(crate::stage::sealed_dek(self.provider, &shared, &psk, clear))
    }

    fn epoch(&self, id: EpochId) -> Result<&crate::keys::EpochKeys, VaultError> {
        self.reader_keys("open packs")?.epochs.get(&id).ok_or(VaultError::NoEpoch { epoch: id })
    }
}

/// Reads logs with a roster and keys, before there is a vault and after.
struct Reading<'a> {
    provider: &'static Provider,
    roster: &'a Roster,
    keys: &'a Access,
    own: DeviceId,
}

impl Reading<'_> {
    /// Checkpoints are for readers.
    fn checkpoints(&self) -> Option<&dyn CheckpointReader> {
        (!self.keys.is_push_only()).then_some(self)
    }
}

impl LogReader for Reading<'_> {
    fn open_entry(&self, device: DeviceId, object: &EntryObject, stored: &[u8]) -> Result<Opened, Refusal> {
        let dek_of = |domain| entry_dek(self.provider, self.keys, domain, object, stored);
        open_entry(self.provider, self.roster, device, object, stored, &dek_of)
    }

    fn revoked(&self) -> Vec<DeviceId> {
        // Of logs that it does not read a push-only device misses nothing.
        let only = access::logs_of(self.roster, self.own);
        let reads = |device: &DeviceId| only.as_ref().is_none_or(|only| only.contains(device));
        self.roster.revoked().into_iter().filter(reads).collect()
    }

    fn revoked_after(&self, device: DeviceId) -> Option<Option<Identity>> {
        let device = self.roster.devices.get(&device)?;
        device.revocations.first().map(|revocation| revocation.last)
    }

    fn may_write(&self, device: DeviceId, domain: Domain) -> bool {
        access::may_write(self.roster, device, domain)
    }

    fn capabilities(&self, device: DeviceId) -> Capabilities {
        self.roster.devices.get(&device).map_or(Capabilities::NONE, |device| device.capabilities)
    }

    fn name_of(&self, device: DeviceId) -> String {
        self.keys.device_name(device).map_or_else(|| format!("{device:.8}"), str::to_owned)
    }

    fn own(&self) -> DeviceId {
        self.own
    }

    fn knows_record(&self, record: Identity) -> bool {
        self.roster.knows(record)
    }

    fn roster_regresses(&self, before: &[Identity], after: &[Identity]) -> bool {
        self.roster.regresses(before, after)
    }
}

impl CheckpointReader for Reading<'_> {
    fn provider(&self) -> &'static Provider {
        self.provider
    }

    fn vault(&self) -> VaultId {
        self.roster.vault
    }

    fn open_part(&self, device: DeviceId, stored: &[u8]) -> Option<Vec<u8>> {
        let key = |epoch| self.keys.log_key(epoch, Domain::SHARED);
        checkpoints::open_part(self.provider, self.roster.vault, device, &key, stored).ok()
    }

    fn entry_key(&self, record: &EntryRecord<'_>) -> Option<Key> {
        let key = self.keys.log_key(record.header.epoch, record.header.domain)?;
        Some(dek(self.provider, &key, &record.prefix(), &record.header.salt))
    }
}

/// Header, signature, seal, in this order: nothing unsigned is opened. `dek_of` gives the key of a sealed entry in a domain.
pub(crate) fn open_entry(
    provider: &'static Provider,
    roster: &Roster,
    device: DeviceId,
    object: &EntryObject,
    stored: &[u8],
    dek_of: &dyn Fn(Domain) -> EntryDek,
) -> Result<Opened, Refusal> {
    let not_now = |reason: &str| Refusal::for_now(reason);
    let member = roster.devices.get(&device).ok_or_else(|| not_now("its device is not in the roster"))?;
    let domain = object.header.domain;
    if !access::may_write(roster, device, domain) {
        // Whoever names it is told that it is there: its hash says so, whoever wrote it.
        let identity = Identity(provider.hash.hash(&[&stored[..object.signed_len]]));
        return Err(Refusal::unfounded(Unfounded { identity, domain }));
    }
    let expected = Expected {
        suite: provider.suite,
        object_type: ObjectType::Entry,
        vault: roster.vault,
        writer: Some(device),
        domain: None,
        mode: None,
    };
    object.header.expect(&expected).map_err(|error| not_now(&error.to_string()))?;
    let signed = &stored[..object.signed_len];
    verify_stored(
        provider,
        ObjectType::Entry,
        roster.vault,
        &member.verify_key,
        signed,
        &stored[object.signature.clone()],
    )
    .map_err(|_| Refusal::for_ever("its signature is not that of its device"))?;
    // From here on its device has signed what it is.
    let identity = Identity(provider.hash.hash(&[signed]));
    let plain;
    let body = match &object.content {
        EntryContent::Clear { body } => &stored[body.clone()],
        EntryContent::Sealed { .. } => {
            let dek = match dek_of(domain) {
                EntryDek::Is(dek) => dek,
                EntryDek::NotForUs => {
                    return Ok(Opened { identity, domain, body: Some(LogEntry::sealed_body()), raw: None });
                }
                EntryDek::Unknown => return Err(not_now("its epoch is unknown to this device")),
            };
            match open_object(provider, signed, object.prefix_len, &dek, vault_format::limits::ENTRY_BODY) {
                Ok(opened) => plain = opened,
                Err(_) => return Ok(Opened { identity, domain, body: None, raw: None }),
            }
            &plain
        }
    };
    let read = object.body(body).ok();
    let raw = read.as_ref().and_then(|read| LogEntry::raw_of(read, body));
    Ok(Opened { identity, domain, body: read, raw })
}

/// What a reader of logs has for a sealed entry.
pub(crate) enum EntryDek {
    /// The key of this entry, of no other.
    Is(Key),
    /// Its signature and its place can be verified, and what it says is not for this reader: a push-only device's view of a
    /// reader's log.
    NotForUs,
    /// It should have the key and does not.
    Unknown,
}

/// The key of one sealed entry: of no other, and it opens nothing but what the entry commits to.
fn entry_dek(
    provider: &'static Provider,
    keys: &Access,
    domain: Domain,
    object: &EntryObject,
    stored: &[u8],
) -> EntryDek {
    if keys.is_push_only() && domain != keys.own_domain().domain {
        return EntryDek::NotForUs;
    }
    match keys.log_key(object.header.epoch, domain) {
        Some(key) => EntryDek::Is(dek(provider, &key, &stored[..object.prefix_len], &object.header.salt)),
        None => EntryDek::Unknown,
    }
}
