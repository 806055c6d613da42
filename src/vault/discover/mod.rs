//! Which vaults of a bucket or folder are ours: names reveal neither owner nor device, so each one is looked at.
//!
//! Whoever writes there can plant anything: the public beginning of a vault, genuine slots in front of a foreign one, thousands
//! of places. A vault counts as ours only if its id is pinned on this machine, or comes from inside a slot that our secret
//! opened (rule A1); and what all of it may cost is bounded.

mod ours;
mod secret;
#[cfg(test)]
mod tests;

use std::collections::{BTreeSet, HashSet};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use crypto_backends::Provider;
use vault_format::name::{prefix, roster_prefix};
use vault_format::roster::Capabilities;
use vault_format::{DeviceId, ObjectName, VaultId, limits};

use self::ours::{Known, KnownVaults, Pot};
use self::secret::Limits;
use super::{UnlockSecret, VaultError, shown};
use crate::Trouble;
use crate::parallel;
use crate::roster::{Roster, RosterError};
use crate::state::Home;
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
    let (known, problems) = options.home.map_or_else(|| Ok(Default::default()), Known::read)?;
    let records = known.values().flat_map(|known| known.records.all().iter().map(|(name, _)| *name)).collect();
    let copies = Pot::new(&limits);
    let search = Search { store, url, known, records, limits, copies, watch, is_away: AtomicBool::new(false) };
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

/// A look at all that is at a place and below it.
struct Search<'a> {
    store: &'a Store,
    url: &'a StoreUrl,
    known: KnownVaults,
    /// Names of all records of these.
    records: HashSet<ObjectName>,
    limits: Limits,
    /// What is left for places that show a vault of this machine where it has not seen it.
    copies: Pot,
    watch: &'a Watch<'a>,
    /// The store has stopped to answer: the rest is not waited for, one by one.
    is_away: AtomicBool,
}

/// A vault that this machine does not know.
struct Stranger {
    /// Its name below the place.
    place: String,
    other: OtherVault,
    /// The suites of which it may be.
    providers: Vec<&'static Provider>,
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
            let kept = self.known.values().find_map(|known| known.records.find(known.provider, &name));
            if let Some(bytes) = kept {
                objects.push((name, bytes.to_vec()));
                continue;
            }
            match self.store.get_in(place, &name) {
                Ok(bytes) => objects.push((name, bytes.to_vec())),
                Err(StoreError::NotFound { .. } | StoreError::TooLarge { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        let (mut providers, mut ids, mut failed) = (Vec::new(), BTreeSet::new(), None);
        for provider in shown::providers() {
            match Roster::vaults(provider, &objects) {
                Ok(found) => {
                    providers.push(provider);
                    ids.extend(found);
                }
                Err(error) => failed = failed.or(Some(error)),
            }
        }
        let ids: Vec<VaultId> = ids.into_iter().collect();
        match failed.filter(|_| ids.is_empty()).map_or(Ok(()), Err) {
            Ok(()) => {}
            Err(RosterError::NotAVault | RosterError::Suite { .. }) if !here.is_empty() => {
                return Err(VaultError::Gone { url, vault: here[0] });
            }
            Err(error @ RosterError::NotAVault) => match records.next() {
                Some(_) => return Err(VaultError::NoVault { url, error }),
                None => return Ok(Looked::Nothing),
            },
            Err(error) => return Err(VaultError::NoVault { url, error }),
        };
        if let Some(id) = ids.iter().find(|id| self.known.contains_key(id)) {
            return self.look_at_ours(place, *id, roster);
        }
        // Whoever has seen a vault here is not told of another one in its place.
        if let Some(pinned) = here.first() {
            let error = RosterError::OtherVault { pinned: *pinned, found: ids };
            return Err(VaultError::NoVault { url, error });
        }
        let size = records.clone().map(|object| object.size).sum();
        let names = (!roster.more).then(|| records.map(|object| object.name).collect());
        let other = OtherVault { url, ids };
        Ok(Looked::Stranger(Stranger { place: place.to_owned(), other, providers, names, size }))
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
/// Records at one place that may be the beginning of a vault.
const BEGINNINGS: usize = 4;
