//! Which vaults of a bucket or folder are ours: names reveal neither owner nor device, so each one is looked at.
//!
//! Whoever writes there can plant anything: the public beginning of a vault, genuine slots in front of a foreign one, thousands
//! of places. A vault counts as ours only if its id is pinned on this machine, or comes from inside a slot that our secret
//! opened (rule A1); and what all of it may cost is bounded.

mod secret;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use crypto_backends::{Provider, rustcrypto};
use vault_format::name::{log_prefix, prefix, roster_prefix};
use vault_format::roster::Capabilities;
use vault_format::{DeviceId, Identity, ObjectName, VaultId, limits};

use self::secret::Limits;
use super::access::Access;
use super::open::check_readable;
use super::records::Records;
use super::{UnlockSecret, VaultError};
use crate::Trouble;
use crate::parallel;
use crate::roster::{OpenError, Roster, RosterError};
use crate::state::{DeviceState, Home, LogPin, StateError};
use crate::store::{OpenMode, PROBE_PREFIX, Store, StoreError, StoreOptions, StoreUrl};
use crate::watch::{Event, Watch};

/// Where vaults are looked for, and with what.
pub struct DiscoverOptions<'a> {
    /// A bucket, a folder, or a place in one: it and what is directly below it are looked at.
    pub url: &'a str,
    /// How the store there is spoken to.
    pub store: StoreOptions,
    /// The local state; None: this machine knows no vault.
    pub home: Option<&'a Home>,
    /// Tried at vaults that this machine does not know; None: those are counted.
    pub secret: Option<&'a UnlockSecret>,
    /// How many places are looked at.
    pub places: usize,
}

/// What was found.
#[derive(Debug, Default)]
pub struct Discovery {
    /// Vaults that are ours, by URL.
    pub vaults: Vec<FoundVault>,
    /// Vaults that nothing here opens, by URL.
    pub others: Vec<OtherVault>,
    /// Places that could not be looked at, or that show what they should not.
    pub problems: Vec<PlaceProblem>,
    /// How many places were looked at.
    pub looked_at: u64,
    /// How many were not, because there are too many.
    pub left_out: u64,
    /// Vaults at which the secret was not tried, or not to the end, because all of them together cost too much.
    pub untried: u64,
    /// Whether a secret was tried at any.
    pub tried: bool,
    /// How many slots it was tried at: each costs what a passphrase costs.
    pub tries: u64,
}

/// A vault that is ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundVault {
    /// Where it is.
    pub url: String,
    /// Which one it is.
    pub id: VaultId,
    /// What opens it.
    pub by: OpenedBy,
    /// Who this machine is in it, if it is known here.
    pub device: Option<FoundDevice>,
    /// This store lags behind what this machine has seen of the vault, as one that follows another may.
    pub behind: bool,
}

/// This machine in a vault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundDevice {
    /// Its id there.
    pub id: DeviceId,
    /// What it is called there.
    pub name: String,
    /// What it may do.
    pub capabilities: Capabilities,
}

/// What opens a vault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpenedBy {
    /// The keys of this machine.
    Device,
    /// The passphrase.
    Passphrase,
    /// The 24 words.
    Words,
}

/// A vault that nothing here opens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OtherVault {
    /// Where it is.
    pub url: String,
    /// What it says that it is; more than one if several are at one place.
    pub ids: Vec<VaultId>,
}

/// What is wrong at one place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlaceProblem {
    /// Where.
    pub url: String,
    /// What happened, for a person.
    pub message: String,
    /// What kind of trouble it is.
    pub trouble: Trouble,
    /// The vault that this machine has seen there. None: a stranger's place, of which anybody may make what they like.
    pub known: Option<VaultId>,
}

impl Discovery {
    /// What kind of trouble the whole is, if it is one. What others planted is none.
    pub fn trouble(&self) -> Option<Trouble> {
        let counts = |problem: &&PlaceProblem| problem.known.is_some() || problem.trouble == Trouble::Storage;
        let mut troubles = self.problems.iter().filter(counts).map(|problem| problem.trouble);
        let first = troubles.clone().find(|trouble| *trouble == Trouble::Integrity).or_else(|| troubles.next());
        match first {
            None if self.vaults.is_empty() && self.tried => Some(Trouble::WrongKey),
            None if self.vaults.is_empty() && self.others.is_empty() && self.problems.is_empty() => {
                Some(Trouble::NoVault)
            }
            trouble => trouble,
        }
    }
}

/// Looks for vaults at a URL. If the watch is stopped, what is given is not all.
pub fn discover(options: DiscoverOptions<'_>, watch: &Watch<'_>) -> Result<Discovery, VaultError> {
    let url = StoreUrl::parse(options.url)?;
    let store = Store::open(&url, &options.store, OpenMode::Existing)?;
    discover_on(&store, &url, options, Limits::default(), watch)
}

/// The same on a store that is open already.
fn discover_on(
    store: &Store,
    url: &StoreUrl,
    options: DiscoverOptions<'_>,
    limits: Limits,
    watch: &Watch<'_>,
) -> Result<Discovery, VaultError> {
    let provider = rustcrypto::provider();
    let (known, problems) = options.home.map_or_else(|| Ok(Default::default()), Known::read)?;
    let records = known.values().flat_map(|known| known.records.all().iter().map(|(name, _)| *name)).collect();
    let search = Search { provider, store, url, known, records, limits, watch, is_away: AtomicBool::new(false) };
    let mut found = Discovery { problems, ..Discovery::default() };
    let strangers = search.look_at_all(options.places, &mut found)?;
    match options.secret {
        Some(secret) if !strangers.is_empty() => search.try_secret(secret, strangers, &mut found),
        _ => found.others.extend(strangers.into_iter().map(|stranger| stranger.other)),
    }
    found.vaults.sort_by(|a, b| a.url.cmp(&b.url));
    found.others.sort_by(|a, b| a.url.cmp(&b.url));
    found.problems.sort_by(|a, b| a.url.cmp(&b.url));
    Ok(found)
}

/// What this machine knows of a vault.
struct Known {
    state: DeviceState,
    /// Heads of the roster that it has seen.
    heads: Vec<Identity>,
    /// The end of its own log.
    own: Vec<LogPin>,
    /// Where it has seen the vault, or a copy of it.
    places: BTreeSet<String>,
    /// Where the store is that it pushes to, as far as it knows.
    url: String,
    records: Records,
}

type KnownVaults = BTreeMap<VaultId, Known>;

impl Known {
    /// All vaults of the local state. One whose state is damaged does not hide the others.
    fn read(home: &Home) -> Result<(KnownVaults, Vec<PlaceProblem>), VaultError> {
        let (mut all, mut problems) = (KnownVaults::new(), Vec::new());
        for id in home.vaults()? {
            match Self::read_one(home, id) {
                Ok(Some(known)) => drop(all.insert(id, known)),
                Ok(None) => {}
                Err(error) => problems.push(PlaceProblem {
                    url: String::new(),
                    message: crate::chain(&error),
                    trouble: VaultError::from(error).trouble(),
                    known: Some(id),
                }),
            }
        }
        Ok((all, problems))
    }

    /// None: a vault that was never seen, since an `init` or a pairing was interrupted.
    fn read_one(home: &Home, id: VaultId) -> Result<Option<Self>, StateError> {
        let state = match home.device(id) {
            Err(StateError::UnknownVault { .. }) => return Ok(None),
            state => state?,
        };
        let pins = home.pins(id)?;
        if pins.roster_heads.is_empty() {
            return Ok(None);
        }
        let url = state.url.clone();
        let places = home.cursors(id).into_keys().chain([url.clone()]).collect();
        let own = pins.logs.get(&state.keys.id).cloned().unwrap_or_default();
        let records = home.roster_cache(id).map_or_else(Records::default, |plain| Records::unpack(plain.expose()));
        Ok(Some(Self { state, heads: pins.roster_heads, own, places, url, records }))
    }
}

/// A look at all that is at a place and below it.
struct Search<'a> {
    provider: &'static Provider,
    store: &'a Store,
    url: &'a StoreUrl,
    known: KnownVaults,
    /// Names of all records of these.
    records: HashSet<ObjectName>,
    limits: Limits,
    watch: &'a Watch<'a>,
    /// The store has stopped to answer: the rest is not waited for, one by one.
    is_away: AtomicBool,
}

/// A vault that this machine does not know.
struct Stranger {
    /// Its name below the place.
    place: String,
    other: OtherVault,
    /// All names of its roster, unless there are too many to be tried.
    names: Option<Vec<ObjectName>>,
    /// Their bytes, as the store says.
    size: u64,
}

/// What is at one place.
enum Looked {
    /// No vault.
    Nothing,
    Ours(FoundVault),
    Stranger(Stranger),
    /// Not looked at: the job was stopped, or the store is away.
    Skipped,
}

impl Search<'_> {
    /// Looks at each place. Gives the vaults that this machine does not know.
    fn look_at_all(&self, most: usize, found: &mut Discovery) -> Result<Vec<Stranger>, VaultError> {
        self.watch.event(Event::Phase("listing"));
        let listed = self.store.places()?;
        let own = prefix();
        // Where this machine has seen a vault is looked at first, also where nothing is listed any more.
        let is_known = |place: &str| !self.known_at(place).is_empty();
        let mut places: Vec<String> = Vec::new();
        if listed.contains(&own) || is_known("") {
            places.push(String::new());
        }
        let below: BTreeSet<String> = listed.into_iter().chain(self.known_below()).collect();
        let below = below.into_iter().filter(|place| *place != own && place != PROBE_PREFIX);
        let (first, rest): (Vec<String>, Vec<String>) = below.partition(|place| is_known(place));
        places.extend(first);
        let room = most.max(1).saturating_sub(places.len());
        found.left_out = rest.len().saturating_sub(room) as u64;
        places.extend(rest.into_iter().take(room));

        self.watch.event(Event::Phase("looking at each place"));
        self.watch.total_entries.store(places.len() as u64, Relaxed);
        let Ok(looked) = parallel::map(&places, parallel::REQUESTS, |place| {
            let looked = self.look_unless_away(place);
            self.watch.files.fetch_add(1, Relaxed);
            Ok::<_, std::convert::Infallible>(looked)
        });
        let mut strangers = Vec::new();
        let mut skipped = 0;
        for (place, looked) in places.iter().zip(looked) {
            found.looked_at += 1;
            match looked {
                Ok(Looked::Nothing) => {}
                Ok(Looked::Ours(vault)) => found.vaults.push(vault),
                Ok(Looked::Stranger(stranger)) => strangers.push(stranger),
                Ok(Looked::Skipped) => skipped += 1,
                Err(error) => found.problems.push(self.problem(place, &error)),
            }
        }
        found.looked_at -= skipped;
        found.left_out += skipped;
        Ok(strangers)
    }

    fn look_unless_away(&self, place: &str) -> Result<Looked, VaultError> {
        if self.watch.stopped() || self.is_away.load(Relaxed) {
            return Ok(Looked::Skipped);
        }
        let looked = self.look(place);
        if let Err(VaultError::Store(StoreError::Unreachable { .. })) = &looked
            && self.store.is_remote()
        {
            self.is_away.store(true, Relaxed);
        }
        looked
    }

    /// One list, and the few records that may be the beginning of a vault.
    fn look(&self, place: &str) -> Result<Looked, VaultError> {
        let url = self.url_of(place);
        let here = self.known_at(place);
        let roster = self.store.list_in(place, &roster_prefix(), None, NAMES)?;
        let mut records = roster.objects.iter().filter(|object| object.size <= limits::RECORD_STORED as u64);
        // They are sorted: beginnings come first. Those that this machine knows by name are not to be hidden by planted ones.
        let is_beginning = |name: &ObjectName| matches!(name, ObjectName::Roster { n: 0, .. });
        let mut beginnings: Vec<ObjectName> = records.clone().map(|o| o.name).filter(is_beginning).collect();
        beginnings.sort_by_key(|name| !self.records.contains(name));
        beginnings.truncate(BEGINNINGS);
        let mut objects = Vec::new();
        for name in beginnings {
            match self.store.get_in(place, &name) {
                Ok(bytes) => objects.push((name, bytes.to_vec())),
                Err(StoreError::NotFound { .. } | StoreError::TooLarge { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        let ids = match Roster::build(self.provider, &objects, None) {
            Ok(roster) => vec![roster.vault],
            Err(RosterError::TwoVaults { found }) => found,
            Err(RosterError::NotAVault) if !here.is_empty() => return Err(VaultError::Gone { url, vault: here[0] }),
            Err(error @ RosterError::NotAVault) => match records.next() {
                Some(_) => return Err(VaultError::NoVault { url, error }),
                None => return Ok(Looked::Nothing),
            },
            Err(error) => return Err(VaultError::NoVault { url, error }),
        };
        if let Some(id) = ids.iter().find(|id| self.known.contains_key(id)) {
            return self.look_at_ours(place, *id).map(Looked::Ours);
        }
        // Whoever has seen a vault here is not told of another one in its place.
        if let Some(pinned) = here.first() {
            let error = RosterError::OtherVault { pinned: *pinned, found: ids };
            return Err(VaultError::NoVault { url, error });
        }
        let size = records.clone().map(|object| object.size).sum();
        let names = (!roster.more).then(|| records.map(|object| object.name).collect());
        Ok(Looked::Stranger(Stranger { place: place.to_owned(), other: OtherVault { url, ids }, names, size }))
    }

    /// A place that shows the beginning of a vault that this machine knows. Its bytes are public: only who shows all that this
    /// machine has seen, or is a store that may lag, shows the vault.
    fn look_at_ours(&self, place: &str, id: VaultId) -> Result<FoundVault, VaultError> {
        let (url, known) = (self.url_of(place), &self.known[&id]);
        let roster = self.store.list_in(place, &roster_prefix(), None, OWN_NAMES)?;
        let names = roster.objects.iter().filter(|object| object.size <= limits::RECORD_STORED as u64);
        let names: Vec<ObjectName> = names.map(|object| object.name).collect();
        let objects =
            parallel::map(&names, parallel::REQUESTS, |name| match known.records.find(self.provider, name) {
                Some(bytes) => Ok((*name, bytes.to_vec())),
                None => match self.store.get_in(place, name) {
                    Ok(bytes) => Ok((*name, bytes.to_vec())),
                    Err(StoreError::NotFound { .. } | StoreError::TooLarge { .. }) => Ok((*name, Vec::new())),
                    Err(error) => Err(error),
                },
            })?;
        let roster = Roster::build(self.provider, &objects, Some(id))
            .map_err(|error| VaultError::NoVault { url: url.clone(), error })?;
        let withholds = known.heads.iter().any(|head| !roster.knows(*head));
        let own = known.state.keys.id;
        let behind = withholds || !self.shows_own_end(place, own, &known.own)?;
        if behind {
            // Where the vault was met, nothing may lag; a store that follows it may, and is known to this machine.
            if known.url == url || !known.places.contains(&url) {
                return Err(VaultError::PartialCopy { url, vault: id });
            }
        }
        check_readable(&roster)?;
        let device = roster.devices.get(&own).filter(|device| device.is_member());
        let device = device.ok_or(OpenError::Revoked { device: own })?;
        let capabilities = device.capabilities;
        Access::open(self.provider, &roster, &known.state.keys)?;
        let device = FoundDevice { id: own, name: known.state.name.clone(), capabilities };
        Ok(FoundVault { url, id, by: OpenedBy::Device, device: Some(device), behind })
    }

    /// Whether the log of this device goes as far as it was seen, by its names.
    fn shows_own_end(&self, place: &str, own: DeviceId, pins: &[LogPin]) -> Result<bool, StoreError> {
        let Some(seq) = pins.iter().map(|pin| pin.seq).max() else { return Ok(true) };
        let prefix = log_prefix(own);
        let from = format!("{prefix}/{seq:016x}");
        let listed = self.store.list_in(place, &prefix, Some(&from), NAMES.max(pins.len()))?;
        let is_end = |name: &ObjectName| matches!(name, ObjectName::Log { seq: listed, .. } if *listed >= seq);
        Ok(listed.more || listed.objects.iter().any(|object| is_end(&object.name)))
    }

    /// The vaults that this machine has seen at a place: where it met them. Copies may come and go.
    fn known_at(&self, place: &str) -> Vec<VaultId> {
        let url = self.url_of(place);
        self.known.iter().filter(|(_, known)| known.url == url).map(|(id, _)| *id).collect()
    }

    /// The names of the places directly below, at which this machine has seen a vault.
    fn known_below(&self) -> Vec<String> {
        let name = |known: &Known| {
            let name = match StoreUrl::parse(&known.url).ok()? {
                StoreUrl::Folder(path) => path.file_name()?.to_str()?.to_owned(),
                url => url.bucket()?.prefix.rsplit('/').next()?.to_owned(),
            };
            (self.url.below(&name)?.to_string() == known.url).then_some(name)
        };
        self.known.values().filter_map(name).collect()
    }

    fn url_of(&self, place: &str) -> String {
        match place {
            "" => self.url.to_string(),
            place => match self.url.below(place) {
                Some(url) => url.to_string(),
                // Nobody can name it so; it is shown, and that is all.
                None => format!("{}/{place}", self.url.to_string().trim_end_matches('/')),
            },
        }
    }

    fn problem(&self, place: &str, error: &VaultError) -> PlaceProblem {
        PlaceProblem {
            url: self.url_of(place),
            message: crate::chain(error),
            trouble: error.trouble(),
            known: self.known_at(place).first().copied(),
        }
    }
}

/// Names of a place's roster that are listed: a page of S3.
const NAMES: usize = 1000;
/// The same for a vault that this machine knows.
const OWN_NAMES: usize = 1 << 14;
/// Records at one place that may be the beginning of a vault.
const BEGINNINGS: usize = 4;
