//! Making a vault, and opening one.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

use bytes::Bytes;
use crypto_backends::{Provider, SecretBytes, memory, provider};
use vault_format::name::{ObjectName, prefix, roster_prefix};
use vault_format::roster::Capabilities;
use vault_format::{DeviceId, Identity, Suite, Time, VaultId};

use super::access::{Access, logs_of};
use super::elsewhere::Elsewhere;
use super::pairing::complete;
use super::records::Records;
use super::shown::Shown;
use super::stores::{id_in, kind_number};
use super::{Other, Reading, StoreConfig, Vault, VaultError};
use crate::Trouble;
use crate::keys::{DeviceKeys, Passphrase, SlotSecret, Words};
use crate::log::{Known, Local, Log, LogError, LogListing, Missing, Refused, Saved};
use crate::parallel;
use crate::roster::{EnrollOptions, FoundingOptions, Roster, RosterError, UnlockError, enroll, found, unlock};
use crate::state::{DeviceState, Home, LogPin, Pins};
use crate::store::{Listing, OpenMode, RETRY_MAX_TIME, Store, StoreError, StoreOptions, StoreUrl, StoreVerdict};
use crate::sync::lock;

/// What a new vault is made with.
pub struct InitOptions<'a> {
    /// Where: an empty folder or one that does not exist yet, or a bucket, or an empty place in one.
    pub url: &'a str,
    /// How the store there is spoken to.
    pub store: StoreOptions,
    /// The local state.
    pub home: &'a Arc<Home>,
    /// Opens the vault on other machines.
    pub passphrase: Passphrase,
    /// Whether to make a recovery key of 24 words.
    pub words: bool,
    /// What this machine is called.
    pub device_name: String,
    /// Passphrase parameters for machines with little memory.
    pub low_memory: bool,
    /// With which algorithms, for as long as there is the vault.
    pub suite: Suite,
    /// Where local copies are kept; none if None.
    pub cache: Option<&'a Path>,
}

impl<'a> InitOptions<'a> {
    /// A vault at `url`, without recovery words and local copies.
    pub fn new(url: &'a str, home: &'a Arc<Home>, device_name: &str, passphrase: Passphrase) -> Self {
        let device_name = device_name.to_owned();
        let store = StoreOptions::default();
        let suite = Suite::Default;
        Self { url, store, home, passphrase, words: false, device_name, low_memory: false, suite, cache: None }
    }
}

impl<'a> OpenOptions<'a> {
    /// The vault at `url`; this machine becomes a device of it. No local copies.
    pub fn new(url: &'a str, home: &'a Arc<Home>, device_name: &str, unlock: &'a mut dyn Unlock) -> Self {
        let device_name = device_name.to_owned();
        Self {
            url: Some(url),
            store: StoreOptions::default(),
            stores: Vec::new(),
            vault: None,
            home,
            cache: None,
            device_name,
            enroll: true,
            seen: Vec::new(),
            purpose: Purpose::Read,
            accept_loss: false,
            accept_rollback: false,
            unlock,
        }
    }
}

impl<F: FnMut(&str) -> Result<UnlockSecret, String>> Unlock for F {
    fn unlock(&mut self, url: &str) -> Result<UnlockSecret, String> {
        self(url)
    }
}

/// A new vault.
pub struct Initialised {
    /// The vault, opened.
    pub vault: Vault,
    /// The recovery key, to be shown once.
    pub words: Option<Words>,
}

/// How a vault is opened.
pub struct OpenOptions<'a> {
    /// Where it is; the only vault that this machine knows if None.
    pub url: Option<&'a str>,
    /// How the store there is spoken to.
    pub store: StoreOptions,
    /// All stores of the vault, the primary first, where they are configured; used if there is no `url`.
    pub stores: Vec<StoreConfig>,
    /// Which one, if several may be there.
    pub vault: Option<VaultId>,
    /// The local state.
    pub home: &'a Arc<Home>,
    /// Where local copies are kept; none if None.
    pub cache: Option<&'a Path>,
    /// What this machine is called if it becomes a device of the vault.
    pub device_name: String,
    /// Whether this machine becomes a device of the vault if it is none.
    pub enroll: bool,
    /// Roster records that somebody has seen, such as those on a recovery sheet: a store that lacks one of them shows an
    /// older state, and is refused.
    pub seen: Vec<Identity>,
    /// What it is opened for: spares requests.
    pub purpose: Purpose,
    /// Take what the store shows for what there is, also if this machine has seen more, as long as it is an earlier state
    /// of the same vault.
    pub accept_loss: bool,
    /// Go on without what the store has lost: what this machine has kept of it is put back, and the rest is written down in
    /// its log as lost (rule L-6). A store beside the primary only lags, and nothing is accepted there.
    pub accept_rollback: bool,
    /// Asked for a passphrase or words only if this machine is no device of the vault.
    pub unlock: &'a mut dyn Unlock,
}

/// What a vault is opened for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Purpose {
    /// Anything.
    #[default]
    Read,
    /// A push, soon: holds the vault from before its logs are read, so that they need not be read again.
    Push,
    /// A check: reads all logs from their beginnings, also where the ends would do.
    Check,
}

/// Gives the secret that opens a vault on a machine that is no device of it.
pub trait Unlock {
    /// The secret for the vault at `url`. The error is a message for a person.
    fn unlock(&mut self, url: &str) -> Result<UnlockSecret, String>;
}

/// What opens a vault without a device.
pub enum UnlockSecret {
    /// A passphrase.
    Passphrase(Passphrase),
    /// The 24 words of the recovery key.
    Words(Words),
}

impl Vault {
    /// Makes a vault. Two at one place at once: both are noticed, and this one is taken back (SPEC 11.3).
    pub fn init(options: InitOptions<'_>) -> Result<Initialised, VaultError> {
        let url = StoreUrl::parse(options.url)?;
        let store = Store::open(&url, &options.store, OpenMode::Create)?;
        Self::init_on(store.clone(), url.to_string(), options).inspect_err(|_| store.unmake())
    }

    /// The same on a store that is open already.
    pub(crate) fn init_on(store: Store, label: String, options: InitOptions<'_>) -> Result<Initialised, VaultError> {
        let provider = provider(options.suite).ok_or(VaultError::Suite(options.suite.byte()))?;
        let strangers = store.strangers()?;
        let listing = store.list(&prefix())?;
        let mut roster = listing.clone();
        roster.objects.retain(|object| matches!(object.name, ObjectName::Roster { .. }));
        let shown = Shown::read(&store, &roster, None, None)?.swap_remove(0);
        match shown.roster {
            Err(RosterError::NotAVault)
                if strangers.is_empty() && listing.objects.is_empty() && listing.strange.is_empty() => {}
            Err(RosterError::NotAVault) => {
                let example = listing.objects.first().map(|object| object.name.to_path());
                let example = example.or(listing.strange.first().cloned()).or(strangers.first().cloned());
                let example = example.unwrap_or_default();
                return Err(VaultError::NotEmpty { url: label, example });
            }
            Ok(roster) => return Err(VaultError::Exists { url: label, found: roster.vault }),
            Err(RosterError::TwoVaults { found }) => return Err(VaultError::Exists { url: label, found: found[0] }),
            Err(error) => return Err(VaultError::NoVault { url: label, error }),
        }
        forget_unfinished(options.home, &label)?;
        options.passphrase.check_create(options.suite)?;
        let params = if options.low_memory {
            provider.password.fit_low_memory()
        } else {
            provider.password.fit(memory::total().unwrap_or(0))
        };
        let verdict = try_store(provider, &store)?;
        let founded = found(
            provider,
            &FoundingOptions {
                passphrase: &options.passphrase,
                password_params: params,
                low_memory: options.low_memory,
                words: options.words,
                device_name: &options.device_name,
                store_url: &label,
                store_kind: kind_number(&StoreUrl::parse(options.url)?),
                store_verdict: verdict.map_or(0, |verdict| verdict.bits()),
                time: crate::now(),
            },
        )?;
        // Keys first: a vault whose only device forgot its keys is a vault that only the passphrase opens.
        let state =
            DeviceState { keys: founded.device.duplicate(), url: label.clone(), name: options.device_name.clone() };
        options.home.set_device(provider, &state)?;
        let stored = store.put(&founded.record.name, Bytes::from(founded.record.bytes.clone()));
        let own = Records::one(founded.record.name, founded.record.bytes.clone());
        let alone = stored.map_err(VaultError::from).and_then(|_| {
            let again = Records::fetch(provider, &store, &store.list(&roster_prefix())?, &own)?;
            Ok(!matches!(Roster::build(provider, again.all(), None), Err(RosterError::TwoVaults { .. })))
        });
        match alone {
            Ok(true) => {}
            trouble => {
                let _ = options.home.forget(founded.vault);
                if let Ok(false) = trouble {
                    store.delete(&founded.record.name)?;
                }
                return Err(trouble.err().unwrap_or(VaultError::Race { url: label }));
            }
        }
        let mut vault = Self::assemble(
            provider,
            store,
            label,
            own,
            founded.roster,
            Access::Reader(founded.keys),
            founded.device,
            options.device_name,
            options.home,
            options.cache,
            Log::default(),
        );
        vault.notes.extend(verdict.and_then(|verdict| verdict.warning()));
        vault.pin()?;
        Ok(Initialised { vault, words: founded.words })
    }

    /// Opens a vault with the keys of this machine, or, on a machine that is no device of it, with a passphrase or words.
    pub fn open(mut options: OpenOptions<'_>) -> Result<Self, VaultError> {
        let home = options.home;
        let mut places = std::mem::take(&mut options.stores);
        let mut configured = places.clone();
        if let Some(url) = options.url {
            // One that is named is the only one, with what the configuration says of it.
            let named = StoreUrl::parse(url)?.to_string();
            places.retain(|place| place.plain_url() == named);
            places.truncate(1);
            if places.is_empty() {
                places.push(StoreConfig { options: options.store.clone(), ..StoreConfig::unnamed(url) });
                configured.clone_from(&places);
            }
        }
        let known = match options.vault {
            Some(vault) if home.vaults()?.contains(&vault) => Some(vault),
            Some(_) => None,
            None if places.is_empty() => Some(match home.default_vault()? {
                Some(vault) => vault,
                None if home.vaults()?.is_empty() => return Err(VaultError::WhichVault("none")),
                None => return Err(VaultError::WhichVault("several")),
            }),
            // A device remembers where it first met the vault; another store of it may have become the primary since.
            None => {
                let mut known = None;
                for place in &configured {
                    known = known.or(home.find(&StoreUrl::parse(&place.url)?.to_string())?);
                }
                known
            }
        };
        if let (true, Some(known)) = (places.is_empty(), known) {
            let url = home.device(known)?.url;
            places.push(StoreConfig { options: options.store.clone(), ..StoreConfig::unnamed(&url) });
        }
        if places.is_empty() {
            return Err(VaultError::WhichVault("none"));
        }
        if let Some(known) = known {
            let access = home.access(known)?;
            for place in &mut places {
                let url = place.plain_url();
                complete(&mut place.options, &url, &access);
            }
        }
        // Who only reads does not wait minutes for one store while others may answer.
        let hurried = options.purpose == Purpose::Read && places.len() > 1;
        let patient = hurried.then(|| places.clone());
        let outage = match places[0].options.retry_max_time {
            None if hurried => RETRY_MAX_TIME,
            _ => Duration::ZERO,
        };
        if hurried {
            for place in &mut places {
                place.options.retry_max_time.get_or_insert(FAIL_OVER);
            }
        }
        match (Self::open_first(&places, known, &mut options), patient) {
            (Ok(mut vault), _) => {
                vault.outage = outage;
                Ok(vault)
            }
            // None of them answers: perhaps the network is gone for a moment.
            (Err(error), Some(patient)) if error.is_passing() => {
                Self::open_first(&patient[..1], known, &mut options).map_err(|_| error)
            }
            (opened, _) => opened,
        }
    }

    /// Opens the vault from the first of these stores that can be used.
    fn open_first(
        places: &[StoreConfig],
        known: Option<VaultId>,
        options: &mut OpenOptions<'_>,
    ) -> Result<Self, VaultError> {
        options.stores = places.to_vec();
        let mut away: Option<VaultError> = None;
        for (number, place) in places.iter().enumerate() {
            let is_last = number + 1 == places.len();
            match Self::open_place(place, known, options, away.is_some()) {
                Ok(mut vault) => {
                    if let Some(error) = away {
                        let why = crate::chain(&error);
                        let note =
                            format!("the store {} cannot be used: {why}; reading from {}", places[0].name, place.name);
                        vault.notes.insert(0, note);
                        vault.is_away = true;
                    }
                    return Ok(vault);
                }
                // What is pushed must reach the primary; what is read may come from the next one.
                Err(error) if !error.is_away() => return Err(error),
                Err(error) if options.purpose == Purpose::Push || is_last => return Err(away.unwrap_or(error)),
                Err(error) => drop(away.get_or_insert(error)),
            }
        }
        Err(VaultError::WhichVault("none"))
    }

    /// Opens the vault from one of its stores. `away`: because those before it cannot be used.
    fn open_place(
        place: &StoreConfig,
        known: Option<VaultId>,
        options: &mut OpenOptions<'_>,
        away: bool,
    ) -> Result<Self, VaultError> {
        let home = options.home;
        let url = StoreUrl::parse(&place.url)?;
        let label = url.to_string();
        // Whoever has seen the vault there is not told that there is none.
        let seen = match known {
            Some(vault) if has_seen(home, vault, &label)? => Some(vault),
            _ => None,
        };
        let store = Store::open(&url, &place.options, OpenMode::Existing).map_err(|error| match error {
            error @ StoreError::NotFound { .. } => match seen {
                Some(vault) => VaultError::Away { url: label.clone(), vault, error },
                None => VaultError::NoVault { url: label.clone(), error: RosterError::NotAVault },
            },
            error => error.into(),
        })?;
        let state = match known {
            Some(vault) => Some(home.device(vault)?),
            None => met_elsewhere(&store, home)?,
        };
        let options = OpenOptions {
            url: options.url,
            store: options.store.clone(),
            stores: options.stores.clone(),
            vault: options.vault,
            home,
            cache: options.cache,
            device_name: options.device_name.clone(),
            // Who joins says so to the primary.
            enroll: options.enroll && !away,
            seen: options.seen.clone(),
            purpose: options.purpose,
            accept_loss: options.accept_loss || away,
            accept_rollback: options.accept_rollback && !away,
            unlock: &mut *options.unlock,
        };
        Self::open_on(store, label.clone(), state, options).map_err(|error| match (error, seen) {
            // A bucket that is not there says so when it is listed.
            (VaultError::Store(error @ StoreError::NotFound { .. }), Some(vault)) => {
                VaultError::Away { url: label, vault, error }
            }
            (VaultError::NoVault { error: RosterError::NotAVault, .. }, Some(vault)) => {
                VaultError::Gone { url: label, vault }
            }
            (error, _) => error,
        })
    }

    /// The same on a store that is open already, as the device in `state`, or with a secret.
    pub(crate) fn open_on(
        store: Store,
        label: String,
        state: Option<DeviceState>,
        options: OpenOptions<'_>,
    ) -> Result<Self, VaultError> {
        let is_here = |place: &&StoreConfig| place.plain_url() == label;
        let place = options.stores.iter().find(is_here).cloned();
        let others = options.stores.iter().filter(|place| !is_here(place)).cloned().map(Other::new).collect();
        let places = (place.unwrap_or_else(|| StoreConfig::unnamed(&label)), others);
        match state {
            Some(state) => Self::open_as_device(store, label, places, state, &options),
            None => Self::open_with_secret(store, label, places, options),
        }
    }

    fn open_as_device(
        store: Store,
        url: String,
        (mut place, others): (StoreConfig, Vec<Other>),
        state: DeviceState,
        options: &OpenOptions<'_>,
    ) -> Result<Self, VaultError> {
        let id = state.keys.vault;
        // Before anything is listed: what another push of this device writes until then is seen, and none writes after.
        let (lock, listed) = match options.purpose {
            Purpose::Push => (Some(options.home.lock(id)?), Some(Instant::now())),
            Purpose::Read | Purpose::Check => (None, None),
        };
        let pins = options.home.pins(id)?;
        let provider = options.home.provider(id)?;
        let old = options.home.roster_cache(id).map_or_else(Records::default, |plain| Records::unpack(plain.expose()));
        let mut old = old.of(Some(id));
        if options.purpose == Purpose::Check {
            old.forget_refused();
        }
        // Whose logs this device may list, the roster says. That of a reader does not change, so both are listed at once.
        let reads_all = old.claimed_capabilities(state.keys.id).is_some_and(|known| !known.is_push_only());
        // A folder is listed whole, whatever is known.
        let (listed_whole, (saved, mut known)) = match reads_all && store.folder().is_some() {
            true => parallel::both(|| Some(LogListing::read_whole(&store, None)), || Saved::load(options.home, id)),
            false => (None, Saved::load(options.home, id)),
        };
        let mut ends = match options.purpose {
            Purpose::Check => Known::default(),
            // From its beginning each log is listed as often as packs are: what is gone there took tables and snapshots with it.
            Purpose::Push if !super::claims::is_fresh(options.home.claims(id).as_ref()) => Known::default(),
            _ if options.accept_rollback => Known::default(),
            Purpose::Read | Purpose::Push => Known::of(known.iter().map(|entry| &**entry)),
        };
        let (roster, logs) = match reads_all {
            true => {
                let read_logs = || listed_whole.unwrap_or_else(|| LogListing::read(&store, None, &ends));
                let (roster, logs) = parallel::both(|| store.list(&roster_prefix()), read_logs);
                (roster, Some(logs))
            }
            false => (store.list(&roster_prefix()), None),
        };
        let elsewhere = Elsewhere::new(&store, &others);
        let mut records = Records::fetch(provider, &store, &roster?, &old)?;
        records.mend(provider, &elsewhere);
        let mut roster = match Roster::build(provider, records.all(), Some(id)) {
            Ok(roster) => roster,
            // An empty folder is a disk that is not there. Records that are none any more are evidence.
            Err(RosterError::NotAVault) if !records.all().is_empty() && !pins.roster_heads.is_empty() => {
                return Err(VaultError::RosterRolledBack { head: pins.roster_heads[0] });
            }
            Err(error) => return Err(VaultError::NoVault { url, error }),
        };
        let unknown = |roster: &Roster| pins.roster_heads.iter().copied().find(|head| !roster.knows(*head));
        let rolled_back = unknown(&roster);
        if rolled_back.is_some() {
            // What this machine has kept of the roster counts, wherever it is read from: a revocation stays one.
            records.add(provider, &old);
            roster = Roster::build(provider, records.all(), Some(id))
                .map_err(|error| VaultError::NoVault { url: url.clone(), error })?;
            // What was kept is lost, or is not all of it. A store that lacks a revocation is believed by nobody.
            if let Some(head) = unknown(&roster) {
                return Err(VaultError::RosterRolledBack { head });
            }
        }
        check_readable(&roster)?;
        let mut keys = Access::open(provider, &roster, &state.keys)?;
        if place.id.is_none() && keys.is_push_only() {
            place.id = options.home.access(id)?.ids.get(&place.plain_url()).copied();
        }
        let only = logs_of(&roster, state.keys.id);
        let follows = options.accept_loss || follows(&roster, &keys, &place);
        let accept = options.accept_rollback && !follows;
        if accept && roster.stores.len() > 1 {
            // What a store has lost that only may be the primary is nobody's loss.
            super::stores::check_primary_in(&roster, &keys, &place, &url)?;
        }
        if let Some(head) = rolled_back.filter(|_| !follows && !accept) {
            return Err(VaultError::RosterRolledBack { head });
        }
        let own = state.keys.id;
        let reading = Reading { provider, roster: &roster, keys: &keys, own };
        let lagging = follows.then_some(&[][..]);
        let pinned = pinned(&pins, only.as_ref());
        let logs = match logs {
            Some(logs) if only.is_none() => logs?,
            _ => {
                if only.is_none() && known.iter().any(|entry| entry.is_for_others()) {
                    // It could only push then, and reads everything now.
                    (known, ends) = (Vec::new(), Known::default());
                }
                LogListing::read(&store, only.as_ref(), &ends)?
            }
        };
        let refused = match options.purpose {
            Purpose::Check => Refused::default(),
            _ => options.home.refused(id).map_or_else(Refused::default, |plain| Refused::unpack(plain.expose())),
        };
        let known_again = || {
            let entries = Saved::load(options.home, id).1;
            entries.into_iter().filter(|entry| only.is_some() || !entry.is_for_others()).collect()
        };
        let get = |name: &ObjectName| elsewhere.get(name, &|bytes| provider.hash.hash(&[bytes]));
        // A check looks at everything itself.
        let checkpoints = if options.purpose == Purpose::Check { None } else { reading.checkpoints() };
        let local = |known, accept| Local {
            known,
            pins: &pinned,
            refused: refused.clone(),
            accept,
            lagging,
            checkpoints,
            ..Local::default()
        };
        let mut first = Log::read(&get, &reading, logs, local(known, accept));
        if first.as_ref().is_err_and(LogError::may_be_new) && !follows {
            let logs = LogListing::read_whole(&store, only.as_ref())?;
            first = Log::read(&get, &reading, logs, local(known_again(), accept));
        }
        let (mut log, behind) = match first {
            Err(LogError::Missing(_)) if follows => {
                let (log, behind) = Log::read_lagging(
                    &get,
                    &reading,
                    LogListing::read_whole(&store, only.as_ref())?,
                    known_again(),
                    &pinned,
                )?;
                (log, Some(behind))
            }
            Err(LogError::Missing(missing)) if options.purpose == Purpose::Read && !others.is_empty() => {
                // Another store may still show what this one does not.
                let all = LogListing::read_whole(&store, only.as_ref())?;
                let all = elsewhere.list_logs(all, only.as_ref());
                let log = Log::read(&get, &reading, all, local(known_again(), false))?;
                elsewhere.note(format!(
                    "{} log entries that the store no longer shows were read from others",
                    missing.len()
                ));
                (log, None)
            }
            log => (log?, None),
        };
        let behind = behind.or(rolled_back.filter(|_| !accept).map(|_| 0));
        let adopted = !log.adopted().is_empty();
        let lacks_unfounded = log.lacks_unfounded();
        let own_adopted = !follows && log.adopted().iter().any(|(_, loss)| loss.device == own);
        let mut put_back = 0;
        if own_adopted {
            // What an admin has given up this machine may still have; if not, what it wrote had numbers all the same.
            super::own::remember_end(options.home, provider, id, pins.logs.get(&own))?;
        }
        if own_adopted || !log.lost().is_empty() {
            put_back = super::own::put_back(options.home, id, &store, own, &log)?;
        }
        // Another device may have written between one listing and another, records too.
        if records.catch_up(provider, &store, &log)? {
            roster = Roster::build(provider, records.all(), Some(id))
                .map_err(|error| VaultError::NoVault { url: url.clone(), error })?;
            check_readable(&roster)?;
            keys = Access::open(provider, &roster, &state.keys)?;
            if logs_of(&roster, own).is_some() != only.is_some() {
                return Err(VaultError::RightsChanged);
            }
        }
        let reading = Reading { provider, roster: &roster, keys: &keys, own };
        if put_back > 0 || !log.hearsay().is_empty() || log.lost().iter().any(Missing::may_be_new) {
            let known = if log.lost().is_empty() { log.to_known() } else { known_again() };
            log = Log::read(
                &get,
                &reading,
                LogListing::read_whole(&store, only.as_ref())?,
                Local {
                    known,
                    pins: &pinned,
                    refused: refused.clone(),
                    accept: accept || follows,
                    lagging,
                    checkpoints: if options.purpose == Purpose::Check { None } else { reading.checkpoints() },
                    ..Local::default()
                },
            )?;
        }
        let notes = elsewhere.into_notes();
        let mut vault = Self::assemble(
            provider,
            store,
            url,
            records,
            roster,
            keys,
            state.keys,
            state.name,
            options.home,
            options.cache,
            log,
        );
        (vault.lock, vault.listed, vault.saved) = (lock, listed, Mutex::new(saved));
        vault.notes.extend(notes);
        if let Some(behind) = behind {
            vault.notes.push(match behind {
                0 => format!("the store {} is behind what this machine has seen of the vault", place.name),
                1 => format!("the store {} is 1 entry behind what this machine has seen of the vault", place.name),
                n => format!("the store {} is {n} entries behind what this machine has seen of the vault", place.name),
            });
        }
        (vault.place, vault.others, vault.behind) = (place, others, behind);
        // What another store than the primary has does not count as the primary's.
        vault.is_borrowed = AtomicBool::new(follows);
        vault.tell_trust(&pins);
        if lacks_unfounded {
            vault.warnings.push(
                "entries count no longer that were added with rights which the roster does not give any more; what may rely on them is stored again by the next push"
                    .into(),
            );
        }
        if adopted || lacks_unfounded {
            // A store that has lost entries may have lost packs as well.
            vault.drop_claims()?;
        }
        if put_back > 0 {
            vault.tell_put_back(put_back);
        }
        if accept {
            vault.go_on(put_back, rolled_back.is_some())?;
        }
        if options.purpose == Purpose::Check {
            vault.tree_packs = super::packs::TreePacks::new(None);
        }
        vault.pin()?;
        if options.purpose != Purpose::Check {
            vault.settle();
        }
        Ok(vault)
    }

    fn open_with_secret(
        store: Store,
        url: String,
        (place, others): (StoreConfig, Vec<Other>),
        options: OpenOptions<'_>,
    ) -> Result<Self, VaultError> {
        let elsewhere = Elsewhere::new(&store, &others);
        let mut shown = Shown::read(&store, &store.list(&roster_prefix())?, Some(&elsewhere), options.vault)?;
        // Nobody is asked for a passphrase where there is no vault.
        match std::mem::replace(&mut shown[0].roster, Err(RosterError::NotAVault)) {
            Ok(_) | Err(RosterError::TwoVaults { .. }) => {}
            Err(error @ RosterError::NotAVault) => {
                // Records and no beginning: there was one.
                return Err(match shown[0].records.all().first() {
                    Some((name, _)) => VaultError::NoBeginning { url, example: name.to_path() },
                    None => VaultError::NoVault { url, error },
                });
            }
            Err(error) => return Err(VaultError::NoVault { url, error }),
        }
        let secret = options.unlock.unlock(&url).map_err(VaultError::Secret)?;
        let slot = match &secret {
            UnlockSecret::Passphrase(passphrase) => SlotSecret::Passphrase(passphrase),
            UnlockSecret::Words(words) => SlotSecret::Words(words),
        };
        let mut tried = shown.into_iter().map(|Shown { provider, records, .. }| {
            let unlocked = unlock(provider, records.all(), options.vault, slot);
            unlocked.map(|unlocked| (provider, records, unlocked))
        });
        let first = tried.next().expect("there is one");
        // Whoever writes to the store can put the beginning of a vault of the other suite beside ours.
        let (provider, mut records, unlocked) = match first {
            Err(error) => tried.find_map(Result::ok).ok_or(error)?,
            opened => opened?,
        };
        let mut roster = unlocked.roster;
        check_readable(&roster)?;
        if let Some(head) = options.seen.iter().find(|head| !roster.knows(**head)) {
            return Err(VaultError::RosterRolledBack { head: *head });
        }
        let mut keys = Access::open(provider, &roster, &unlocked.device)?;
        let only = logs_of(&roster, unlocked.device.id);
        let logs = LogListing::read_whole(&store, only.as_ref())?;
        let accept = options.accept_rollback;
        // A store that follows another one has records before the entries that they adopt.
        let lagging = (options.accept_loss || follows(&roster, &keys, &place)).then_some(&[][..]);
        let reading = Reading { provider, roster: &roster, keys: &keys, own: unlocked.device.id };
        let get = |name: &ObjectName| elsewhere.get(name, &|bytes| provider.hash.hash(&[bytes]));
        let checkpoints = if options.purpose == Purpose::Check { None } else { reading.checkpoints() };
        let local = Local { accept, lagging, checkpoints, ..Local::default() };
        let mut log = match Log::read(&get, &reading, logs, local) {
            Err(LogError::Missing(missing)) if options.purpose == Purpose::Read && !others.is_empty() => {
                let all = elsewhere.list_logs(LogListing::read_whole(&store, only.as_ref())?, only.as_ref());
                let log = Log::read(&get, &reading, all, Local::default())?;
                elsewhere
                    .note(format!("{} log entries that the store does not show were read from others", missing.len()));
                log
            }
            log => log?,
        };
        // Another device may have written between one listing and another, records too.
        if records.catch_up(provider, &store, &log)? {
            let id = roster.vault;
            roster = Roster::build(provider, records.all(), Some(id))
                .map_err(|error| VaultError::NoVault { url: url.clone(), error })?;
            check_readable(&roster)?;
            keys = Access::open(provider, &roster, &unlocked.device)?;
        }
        let reading = Reading { provider, roster: &roster, keys: &keys, own: unlocked.device.id };
        if !log.hearsay().is_empty() {
            let known = log.to_known();
            log = Log::read(
                &get,
                &reading,
                LogListing::read_whole(&store, only.as_ref())?,
                Local { known, accept, lagging, ..Local::default() },
            )?;
        }
        let notes = elsewhere.into_notes();
        let mut vault = Self::assemble(
            provider,
            store,
            url,
            records,
            roster,
            keys,
            unlocked.device,
            options.device_name.clone(),
            options.home,
            options.cache,
            log,
        );
        vault.ephemeral = true;
        vault.notes.extend(notes);
        (vault.place, vault.others) = (place, others);
        let newest = vault.snapshots().last().map(|snapshot| crate::time_text(snapshot.time));
        vault.notes.push(format!(
            "this machine sees the vault for the first time and cannot know of anything newer than what the store shows: {}",
            newest.map_or("no snapshots".into(), |time| format!("as of {time}"))
        ));
        if options.enroll {
            match vault.check_primary().and_then(|()| vault.enroll(&options.device_name)) {
                Ok(()) => {}
                Err(error @ VaultError::NotPrimary { .. }) => {
                    vault.notes.push(format!("this machine did not become a device of the vault: {error}"));
                }
                Err(VaultError::Store(error @ (StoreError::ReadOnly { .. } | StoreError::PermissionDenied { .. }))) => {
                    vault.notes.push(format!(
                        "this machine could not become a device of the vault, the passphrase was used for this run only: {}",
                        crate::chain(&error)
                    ));
                }
                Err(error) => return Err(error),
            }
        }
        vault.tell_trust(&Pins::default());
        if accept {
            vault.go_on(0, false)?;
        }
        Ok(vault)
    }

    /// Makes this machine a device of the vault, with all that the slot may hand on.
    fn enroll(&mut self, name: &str) -> Result<(), VaultError> {
        let capabilities = self.roster.may_grant(self.device.id);
        if capabilities == Capabilities::NONE {
            return Ok(());
        }
        let enrolled = enroll(
            self.provider,
            &self.roster,
            self.reader_keys("add devices")?,
            &self.device,
            &EnrollOptions { name, capabilities, time: crate::now() },
        )?;
        let state = DeviceState { keys: enrolled.device.duplicate(), url: self.url.clone(), name: name.to_owned() };
        // A read-only store is noticed before the state is written, a crash in between leaves a device that nobody holds.
        self.store.put(&enrolled.record.name, Bytes::from(enrolled.record.bytes.clone()))?;
        self.home.set_device(self.provider, &state)?;
        let listing = self.store.list(&roster_prefix())?;
        self.records = Records::fetch(self.provider, &self.store, &listing, &self.records)?;
        self.roster = Roster::build(self.provider, self.records.all(), Some(self.roster.vault))
            .map_err(|error| VaultError::NoVault { url: self.url.clone(), error })?;
        self.keys = Access::open(self.provider, &self.roster, &enrolled.device)?;
        self.domain = self.keys.own_domain();
        self.device = enrolled.device;
        self.ephemeral = false;
        self.enrolled_now = true;
        self.pin()
    }

    #[allow(clippy::too_many_arguments)] // the parts of a vault, put together in one place
    fn assemble(
        provider: &'static Provider,
        store: Store,
        url: String,
        records: Records,
        roster: Roster,
        keys: Access,
        device: DeviceKeys,
        device_name: String,
        home: &Arc<Home>,
        cache: Option<&Path>,
        log: Log,
    ) -> Self {
        let mut notes = Vec::new();
        if !roster.void.is_empty() {
            notes.push(format!("{} roster records do not count; 'zvault devices' names them", roster.void.len()));
        }
        if !keys.disputed().is_empty() {
            notes.push(format!(
                "{} roster records have other keys for this device than an admin's, and were not believed",
                keys.disputed().len()
            ));
        }
        if roster.settings.values().any(|setting| !setting.lost.is_empty()) {
            notes.push("two admins changed the same setting at once; 'zvault devices' shows what was lost".into());
        }
        if roster.root_is_frozen {
            notes.push("two recovery keys were made at the same moment, and neither of them counts as one".into());
        }
        // Noise that anybody can plant, or a snapshot that is lost: only a check tells them apart.
        let unread = roster.ignored.len() + records.refused().len() + log.junk().len();
        if unread > 0 {
            let objects = if unread == 1 {
                "object that is no record or entry"
            } else {
                "objects that are no records or entries"
            };
            notes.push(format!(
                "the vault holds {unread} {objects} of its devices; 'zvault check' names what is damaged"
            ));
        }
        let id = roster.vault;
        let cache = cache.and_then(|cache| match Home::cache_folder(cache, id) {
            Ok(folder) => Some(folder),
            Err(error) => {
                notes.push(format!("no local copies are kept: {}", crate::chain(&error)));
                None
            }
        });
        let domain = keys.own_domain();
        let place = StoreConfig::unnamed(&url);
        // A copy beside a folder would only take space.
        let copies = cache.as_ref().filter(|_| store.folder().is_none()).map(|cache| cache.join("packs"));
        Self {
            provider,
            store,
            url,
            place,
            others: Vec::new(),
            followers: Mutex::default(),
            followed_from: Mutex::default(),
            follow_patience: super::follow::PATIENCE,
            is_away: false,
            behind: None,
            told_elsewhere: Mutex::default(),
            last_elsewhere: Mutex::default(),
            is_lost: AtomicBool::new(false),
            outage: Duration::ZERO,
            is_borrowed: AtomicBool::new(false),
            records,
            roster,
            keys,
            now: Mutex::default(),
            packs_under: Mutex::default(),
            domain,
            device,
            device_name,
            ephemeral: false,
            enrolled_now: false,
            home: Arc::clone(home),
            lock: None,
            cache,
            log,
            listed: None,
            index: OnceLock::new(),
            other_indexes: Mutex::default(),
            named_by_hash: OnceLock::new(),
            #[cfg(test)]
            named_tables_made: Default::default(),
            claims: Mutex::default(),
            own_end: Mutex::default(),
            written: Mutex::default(),
            lost_end: 0,
            saved: Mutex::default(),
            journal: Mutex::default(),
            heads: super::chunks::PackHeads::default(),
            tree_packs: super::packs::TreePacks::new(copies),
            unusable_tables: Mutex::default(),
            progress_after_each_pack: false,
            notes,
            warnings: Vec::new(),
        }
    }

    /// Remembers what this device has seen: the store cannot show it less from now on.
    pub(super) fn pin(&self) -> Result<(), VaultError> {
        // A store that is behind does not make this machine forget what it has seen.
        if self.ephemeral || self.behind.is_some() {
            return Ok(());
        }
        let mut logs = self.log_pins();
        let known = self.home.pins(self.id())?;
        let mut seen = BTreeMap::new();
        if let Some(only) = logs_of(&self.roster, self.device.id) {
            // What it was told in its pairing of logs that it does not read: one day it may.
            let others = known.logs.iter().filter(|(device, _)| !only.contains(device));
            logs.extend(others.map(|(device, heads)| (*device, heads.clone())));
            seen.clone_from(&known.seen);
        }
        let now = Time { nanos: 0, ..crate::now() };
        let is_old = |device: DeviceId| {
            known.seen.get(&device).is_none_or(|time| !(0..AN_HOUR).contains(&(now.secs - time.secs)))
        };
        let is_news = known.roster_heads != self.roster.heads
            || known.logs != logs
            || self.records.learns_from(&self.roster.ignored);
        let refused = Refused::of(&self.log);
        if self.home.refused(self.id()).map_or_else(Refused::default, |known| Refused::unpack(known.expose()))
            != refused
        {
            self.home.set_refused(self.provider, self.id(), &SecretBytes::new(refused.pack()))?;
        }
        let mut saved = lock(&self.saved);
        let is_new = !saved.holds(&self.log);
        if is_new || is_news || self.log.devices().any(is_old) || self.home.roster_cache(self.id()).is_none() {
            seen.extend(self.log.devices().map(|device| (device, now)));
            let pins = Pins { roster_heads: self.roster.heads.clone(), logs, seen };
            // Runs that only read hold no other lock.
            let _lock = self.home.lock_copy(self.id(), true)?;
            // Pins come last: what is pinned is in these copies.
            // Noise that anybody can plant must not take the place of records.
            let records = self.records.pack(self.provider, &self.roster.ignored);
            self.home.set_roster_cache(self.provider, self.id(), &records)?;
            if is_new {
                saved.save(&self.home, self.provider, self.id(), &self.log)?;
            }
            self.home.set_pins(self.provider, self.id(), &pins)?;
        }
        Ok(())
    }

    /// The heads of all logs.
    pub(crate) fn log_pins(&self) -> BTreeMap<DeviceId, Vec<LogPin>> {
        let heads = |device| {
            let pin = |identity| self.log.get(&identity).map(|entry| LogPin { seq: entry.seq, identity });
            self.log.heads(device).into_iter().filter_map(pin).collect()
        };
        self.log.devices().map(|device| (device, heads(device))).collect()
    }

    /// Reads roster and logs again: what other devices did since. Costs two lists at once, and what is new.
    pub(super) fn refresh(&mut self) -> Result<(), VaultError> {
        self.refresh_once()?;
        // A record may have been written between the two listings, and after it an entry that names it.
        if self.log.hearsay().iter().any(|hearsay| hearsay.is_record) {
            self.refresh_once()?;
        }
        Ok(())
    }

    fn refresh_once(&mut self) -> Result<(), VaultError> {
        let known = Known::of(self.log.judged().map(|entry| &**entry));
        let only = logs_of(&self.roster, self.device.id);
        let read_logs = || LogListing::read(&self.store, only.as_ref(), &known);
        let (roster, mut logs) = parallel::both(|| self.store.list(&roster_prefix()), read_logs);
        let roster = roster?;
        if !self.records.are_those_of(self.provider, &roster) {
            self.refresh_roster(&roster)?;
            let now = logs_of(&self.roster, self.device.id);
            if now != only {
                // Who may condemn what this device relies on is new to it.
                logs = LogListing::read(&self.store, now.as_ref(), &known);
            }
        }
        let known = self.log.to_known();
        let (roster, own) = (&self.roster, self.device.id);
        let reading = self.reading();
        let get = |name: &ObjectName| self.store.get(name, &|bytes| self.provider.hash.hash(&[bytes]));
        let refused = Refused::of(&self.log);
        let written = lock(&self.written);
        let lags = self.behind.is_some() || self.is_borrowed.load(Relaxed);
        let lagging = lags.then_some(&[][..]);
        let checkpoints = reading.checkpoints();
        let local =
            |known, refused| Local { known, written: &written, refused, lagging, checkpoints, ..Local::default() };
        let mut log = Log::read(&get, &reading, logs?, local(known, refused));
        if log.as_ref().is_err_and(LogError::may_be_new) {
            let known = self.log.to_known();
            let again = LogListing::read_whole(&self.store, logs_of(roster, own).as_ref())?;
            log = Log::read(&get, &reading, again, local(known, Refused::of(&self.log)));
        }
        let log = log?;
        drop(written);
        self.log = log;
        self.named_by_hash.take();
        Ok(())
    }

    pub(super) fn refresh_roster(&mut self, listing: &Listing) -> Result<(), VaultError> {
        let records = Records::fetch(self.provider, &self.store, listing, &self.records)?;
        let roster = self.build_newer(&records)?;
        // Who has left may say so in more records than the heads show.
        if roster.heads != self.roster.heads || roster.void != self.roster.void {
            check_readable(&roster)?;
            let keys = Access::open(self.provider, &roster, &self.device)?;
            if keys.is_push_only() != self.keys.is_push_only() {
                // What this run has made is of another domain.
                return Err(VaultError::RightsChanged);
            }
            self.keys = keys;
        }
        self.follow_records(&records);
        (self.roster, self.records) = (roster, records);
        self.is_now();
        Ok(())
    }

    /// The roster of these records, which has all heads that this run has seen.
    pub(super) fn build_newer(&self, records: &Records) -> Result<Roster, VaultError> {
        let roster = Roster::build(self.provider, records.all(), Some(self.id()))
            .map_err(|error| VaultError::NoVault { url: self.url.clone(), error })?;
        let seen = self.heads_now();
        match self.roster.heads.iter().chain(&seen).find(|head| !roster.knows(**head)) {
            Some(head) => Err(VaultError::RosterRolledBack { head: *head }),
            None => Ok(roster),
        }
    }
}

/// The heads that this device has seen.
/// What this device has seen of the logs that it reads: of `only` some devices, or of all.
pub(super) fn pinned(pins: &Pins, only: Option<&BTreeSet<DeviceId>>) -> Vec<Missing> {
    let reads = |device: &DeviceId| only.is_none_or(|only| only.contains(device));
    let logs = pins.logs.iter().filter(|(device, _)| reads(device));
    let heads = logs.flat_map(|(device, heads)| heads.iter().map(move |pin| (*device, pin)));
    let missing = |(device, pin): (DeviceId, &LogPin)| Missing {
        device,
        name: String::new(),
        seq: pin.seq,
        identity: pin.identity,
        known: "seen by this device",
        since: pins.seen.get(&device).copied(),
    };
    heads.map(missing).collect()
}

/// Whether the roster says that another store is the primary: this one may lag behind it, and that is no rollback (rule
/// S-3).
fn follows(roster: &Roster, keys: &Access, place: &StoreConfig) -> bool {
    let id = id_in(roster, keys, place);
    id.is_some() && roster.stores.len() > 1 && id != roster.primary_store()
}

/// What a store on a network does, for the roster. A folder is what the file system is. A credential that may not write
/// beside the vault is no reason not to make one.
pub(super) fn try_store(provider: &Provider, store: &Store) -> Result<Option<StoreVerdict>, VaultError> {
    if !store.is_remote() {
        return Ok(None);
    }
    let mut nonce = [0; 8];
    provider.random.fill(&mut nonce)?;
    match store.verdict(nonce) {
        Ok(verdict) => Ok(Some(verdict)),
        Err(StoreError::PermissionDenied { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Forgets what an interrupted `init` left in the local state: keys of a vault that was never stored. A vault that this
/// machine has seen at the same place is another matter.
fn forget_unfinished(home: &Home, url: &str) -> Result<(), VaultError> {
    for vault in home.vaults()? {
        if home.device(vault).is_ok_and(|state| state.url == url) {
            if !home.pins(vault)?.roster_heads.is_empty() {
                return Err(VaultError::Known { url: url.to_owned(), vault });
            }
            home.forget(vault)?;
        }
    }
    Ok(())
}

/// Whether this machine has seen the vault at this place: where it met it, or where it has seen to a copy.
fn has_seen(home: &Home, vault: VaultId, url: &str) -> Result<bool, VaultError> {
    let is_here = home.device(vault)?.url == url || home.cursors(vault).contains_key(url);
    Ok(is_here && !home.pins(vault)?.roster_heads.is_empty())
}

/// Who this machine is in the vault at a place where it has never been: its id says that it is a vault that is known.
fn met_elsewhere(store: &Store, home: &Home) -> Result<Option<DeviceState>, VaultError> {
    let known = home.vaults()?;
    if known.is_empty() {
        return Ok(None);
    }
    let shown = Shown::read(store, &store.list(&roster_prefix())?, None, None)?;
    let found = shown.iter().flat_map(Shown::vaults);
    let mut ours = found.filter(|vault| known.contains(vault));
    match (ours.next(), ours.next()) {
        (Some(vault), None) => Ok(home.device(vault).ok()),
        _ => Ok(None),
    }
}

/// Whether this version knows all that it takes to read the vault.
pub(super) fn check_readable(roster: &Roster) -> Result<(), VaultError> {
    let unknown: Vec<_> = roster.features.read.iter().cloned().collect();
    if unknown.is_empty() { Ok(()) } else { Err(VaultError::Features(unknown.join(", "))) }
}

impl VaultError {
    /// Whether the store is to blame, and another one may do: it cannot be reached, or shows nothing at all.
    fn is_away(&self) -> bool {
        match self {
            Self::Store(error) | Self::Log(LogError::Store(error)) => !matches!(error.trouble(), Trouble::Integrity),
            Self::NoVault { error: RosterError::NotAVault, .. }
            | Self::NoBeginning { .. }
            | Self::Gone { .. }
            | Self::Away { .. } => true,
            _ => false,
        }
    }

    /// Whether it may be over in a moment.
    fn is_passing(&self) -> bool {
        matches!(self, Self::Store(error) | Self::Log(LogError::Store(error)) if error.is_transient())
    }

    /// Whether another secret may open the vault.
    pub fn is_wrong_secret(&self) -> bool {
        matches!(self, Self::Unlock(UnlockError::WrongSecret(_)))
    }
}

/// How long a store is waited for that does not answer, where others may.
const FAIL_OVER: Duration = Duration::from_secs(15);

/// Seconds after which it is noted again that a log was seen as it is.
const AN_HOUR: i64 = 3600;
