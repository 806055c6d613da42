//! Which store a vault is opened from: the one that is named or known, or the next where that one cannot be used.

use std::time::Duration;

use vault_format::VaultId;
use vault_format::name::roster_prefix;

use super::{OpenOptions, Purpose};
use crate::Trouble;
use crate::log::LogError;
use crate::roster::RosterError;
use crate::state::{DeviceState, Home};
use crate::store::{OpenMode, RETRY_MAX_TIME, Store, StoreError, StoreUrl};
use crate::vault::pairing::complete;
use crate::vault::shown::Shown;
use crate::vault::{StoreConfig, Vault, VaultError};

impl Vault {
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

impl VaultError {
    /// Whether the store is to blame, and another one may do: it cannot be reached, or shows nothing at all.
    fn is_away(&self) -> bool {
        match self {
            Self::Store(error) | Self::Log(LogError::Store(error)) => !matches!(error.trouble(), Trouble::Integrity),
            Self::NoVault { error: RosterError::NotAVault | RosterError::Suite { .. }, .. }
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
}

/// How long a store is waited for that does not answer, where others may.
const FAIL_OVER: Duration = Duration::from_secs(15);
