//! Opening a vault: what is asked for, and how the parts of an opened vault are put together.
mod device;
mod fail_over;
mod make;
mod pin;
mod refresh;
mod secret;

use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use crypto_backends::Provider;
use vault_format::{Identity, VaultId};

pub(super) use make::try_store;
pub use make::{InitOptions, Initialised};
pub(super) use pin::pinned;

use super::access::Access;
use super::records::Records;
use super::stores::id_in;
use super::{Other, StoreConfig, Vault, VaultError};
use crate::keys::{DeviceKeys, Passphrase, Words};
use crate::log::Log;
use crate::roster::Roster;
use crate::state::{DeviceState, Home, Pins};
use crate::store::{Store, StoreOptions};

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

impl Vault {
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
            beyond: Mutex::default(),
            pinned: Pins::default(),
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
}

/// Whether this version knows all that it takes to read the vault.
pub(super) fn check_readable(roster: &Roster) -> Result<(), VaultError> {
    let unknown: Vec<_> = roster.features.read.iter().cloned().collect();
    if unknown.is_empty() { Ok(()) } else { Err(VaultError::Features(unknown.join(", "))) }
}

/// Whether the roster says that another store is the primary: this one may lag behind it, and that is no rollback (rule
/// S-3).
fn follows(roster: &Roster, keys: &Access, place: &StoreConfig) -> bool {
    let id = id_in(roster, keys, place);
    id.is_some() && roster.stores.len() > 1 && id != roster.primary_store()
}
