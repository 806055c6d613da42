//! Places that show the beginning of a vault of this machine. Its bytes are public, and so are the names of all its objects
//! for whoever can list them: a copy of it is anybody's, with anything below it.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Mutex;

use crypto_backends::Provider;
use vault_format::name::{log_prefix, roster_prefix};
use vault_format::{DeviceId, Identity, ObjectName, VaultId, limits};

use super::secret::Limits;
use super::{FoundDevice, FoundVault, Looked, NAMES, OpenedBy, PlaceProblem, Search};
use crate::log::Saved;
use crate::parallel;
use crate::roster::{OpenError, Roster};
use crate::state::{DeviceState, Home, LogPin, StateError};
use crate::store::{FirstNames, Listed, StoreError};
use crate::sync::lock;
use crate::vault::VaultError;
use crate::vault::access::Access;
use crate::vault::open::check_readable;
use crate::vault::own::kept_object;
use crate::vault::records::Records;

/// What this machine knows of a vault.
pub(super) struct Known {
    state: DeviceState,
    /// The backend of its suite.
    pub(super) provider: &'static Provider,
    /// Heads of the roster that it has seen.
    heads: Vec<Identity>,
    /// The end of its own log.
    end: Option<End>,
    /// Where it has seen the vault, or a copy of it.
    places: BTreeSet<String>,
    /// Where the store is that it pushes to, as far as it knows.
    pub(super) url: String,
    pub(super) records: Records,
}

/// The newest entry of this device.
struct End {
    seq: u64,
    /// Its object. None: this machine has not kept what it was, and knows its number only.
    name: Option<ObjectName>,
}

pub(super) type KnownVaults = BTreeMap<VaultId, Known>;

impl Known {
    /// All vaults of the local state. One whose state is damaged does not hide the others.
    pub(super) fn read(home: &Home) -> Result<(KnownVaults, Vec<PlaceProblem>), VaultError> {
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
        let pin = pins.logs.get(&state.keys.id).into_iter().flatten().max();
        let end = pin.map(|pin| End { seq: pin.seq, name: object_of(home, id, state.keys.id, pin) });
        let records = home.roster_cache(id).map_or_else(Records::default, |plain| Records::unpack(plain.expose()));
        let provider = home.provider(id)?;
        Ok(Some(Self { state, provider, heads: pins.roster_heads, end, places, url, records }))
    }
}

/// The object of an entry of this device: as it wrote it, or as it has read it.
fn object_of(home: &Home, vault: VaultId, device: DeviceId, pin: &LogPin) -> Option<ObjectName> {
    let read = || {
        let (_, entries) = Saved::load(home, vault);
        entries.into_iter().find(|entry| entry.identity == pin.identity).map(|entry| entry.object)
    };
    let hash = kept_object(home, vault, pin.identity).or_else(read)?;
    Some(ObjectName::Log { device, seq: pin.seq, hash })
}

/// Records and bytes that are left to be read.
pub(super) struct Pot(Mutex<(usize, u64)>);

impl Pot {
    pub(super) fn new(limits: &Limits) -> Self {
        Self(Mutex::new((limits.records, limits.bytes)))
    }

    /// Takes all of it or nothing.
    fn take(&self, objects: &[&Listed]) -> bool {
        let mut left = lock(&self.0);
        let after = left
            .0
            .checked_sub(objects.len())
            .zip(objects.iter().try_fold(left.1, |left, object| left.checked_sub(object.size)));
        after.map(|after| *left = after).is_some()
    }
}

impl Search<'_> {
    /// Only who shows all that this machine has seen, or is a store that may lag, shows the vault. `first` are the first names
    /// of its roster.
    pub(super) fn look_at_ours(&self, place: &str, id: VaultId, first: FirstNames) -> Result<Looked, VaultError> {
        let (url, known) = (self.url_of(place), &self.known[&id]);
        let (is_home, is_known) = (known.url == url, known.url == url || known.places.contains(&url));
        let kept = known.records.all();
        let most = if is_known { OWN_NAMES } else { NAMES + kept.len() };
        let roster = if first.more { self.store.list_in(place, &roster_prefix(), None, most)? } else { first };
        let shown: Vec<&Listed> =
            roster.objects.iter().filter(|object| object.size <= limits::RECORD_STORED as u64).collect();
        // Where the vault was met, nothing may lag; a store that follows it may, and is known to this machine. Of anything else
        // no byte is read before its names say that it is all there.
        let may_lag = is_known && !is_home;
        let names: HashSet<&ObjectName> = shown.iter().map(|object| &object.name).collect();
        if !is_known && kept.iter().any(|(name, _)| !names.contains(name)) {
            return Err(VaultError::PartialCopy { url, vault: id });
        }
        let shows_end = self.shows_own_end(place, known, is_known)?;
        if !shows_end && !may_lag {
            return Err(VaultError::PartialCopy { url, vault: id });
        }
        // With no end of a log to be shown, a record says more than its name.
        if !is_known && known.end.is_none() && !self.shows_newest(place, known)? {
            return Err(VaultError::PartialCopy { url, vault: id });
        }
        let new: Vec<&Listed> =
            shown.iter().filter(|object| known.records.find(known.provider, &object.name).is_none()).copied().collect();
        let pot = is_known.then(|| Pot::new(&self.limits));
        if !is_known && roster.more || !pot.as_ref().unwrap_or(&self.copies).take(&new) {
            return Err(VaultError::TooMuchRead { url });
        }
        let fetched = parallel::map(&new, parallel::REQUESTS, |object| {
            if self.watch.stopped() {
                return Ok((object.name, Vec::new()));
            }
            match self.store.get_in(place, &object.name) {
                // More than was listed is not paid for.
                Ok(bytes) if bytes.len() as u64 <= object.size => Ok((object.name, bytes.to_vec())),
                Ok(_) | Err(StoreError::NotFound { .. } | StoreError::TooLarge { .. }) => Ok((object.name, Vec::new())),
                Err(error) => Err(error),
            }
        })?;
        if self.watch.stopped() {
            return Ok(Looked::Skipped);
        }
        let seen = kept.iter().filter(|(name, _)| names.contains(name)).cloned();
        let objects: Vec<_> = seen.chain(fetched).collect();
        let roster = Roster::build(known.provider, &objects, Some(id))
            .map_err(|error| VaultError::NoVault { url: url.clone(), error })?;
        let withholds = known.heads.iter().any(|head| !roster.knows(*head));
        if withholds && !may_lag {
            return Err(VaultError::PartialCopy { url, vault: id });
        }
        check_readable(&roster)?;
        let own = known.state.keys.id;
        let device = roster.devices.get(&own).filter(|device| device.is_member());
        let device = device.ok_or(OpenError::Revoked { device: own })?;
        let capabilities = device.capabilities;
        Access::open(known.provider, &roster, &known.state.keys)?;
        let device = FoundDevice { id: own, name: known.state.name.clone(), capabilities };
        let behind = withholds || !shows_end;
        Ok(Looked::Ours(FoundVault { url, id, by: OpenedBy::Device, device: Some(device), behind }))
    }

    /// Whether the newest record that this machine has kept is there, bytes and all.
    fn shows_newest(&self, place: &str, known: &Known) -> Result<bool, StoreError> {
        let Some((name, _)) = known.records.all().iter().max_by_key(|(name, _)| *name) else { return Ok(false) };
        match self.store.get_in(place, name) {
            Ok(bytes) => Ok(known.provider.hash.hash(&[&bytes]) == name.hash().0),
            Err(StoreError::NotFound { .. } | StoreError::TooLarge { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Whether the log of this device goes as far as it was seen. A number is anybody's: what counts is the object.
    fn shows_own_end(&self, place: &str, known: &Known, is_known: bool) -> Result<bool, StoreError> {
        let Some(end) = &known.end else { return Ok(true) };
        if let Some(name) = &end.name {
            return match self.store.get_in(place, name) {
                // Damage where the vault is known is for a check to tell.
                Ok(bytes) => Ok(is_known || known.provider.hash.hash(&[&bytes]) == name.hash().0),
                Err(StoreError::NotFound { .. } | StoreError::TooLarge { .. }) => Ok(false),
                Err(error) => Err(error),
            };
        }
        if !is_known {
            return Ok(false);
        }
        let prefix = log_prefix(known.state.keys.id);
        let from = format!("{prefix}/{:016x}", end.seq);
        let listed = self.store.list_in(place, &prefix, Some(&from), NAMES)?;
        let is_end = |name: &ObjectName| matches!(name, ObjectName::Log { seq, .. } if *seq >= end.seq);
        Ok(listed.more || listed.objects.iter().any(|object| is_end(&object.name)))
    }
}

/// Names of a roster that are listed where this machine has seen it.
const OWN_NAMES: usize = 1 << 14;
