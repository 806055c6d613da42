//! What a pairing needs of a vault on the one side and of a home on the other.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crypto_backends::SecretBytes;
use vault_format::ObjectName;
use vault_format::ids::{Identity, VaultId};
use vault_format::limits;
use vault_format::pairing::{LogHead, StorePlace};
use vault_format::roster::Capabilities;

use super::{
    Admission, Gift, HostError, Invitation, InviteOptions, JoinRequest, Joined, JoinerHost, Meeting, Membership,
    PairError, Places, SponsorHost,
};
use crate::keychain::KeychainError;
use crate::roster::AdmitOptions;
use crate::state::{Access, Credentials, DeviceState, Home, KeptIn, LogPin, Pins, StateError};
use crate::store::{OpenMode, Store, StoreOptions, StoreUrl, settings_to_take, shared_settings};
use crate::vault::{StoreConfig, Vault, VaultError, complete, read_roster};
use crate::watch::Watch;

/// Makes an invitation to a vault, as the device that has it open. `places` gets the names that can be presigned.
pub fn invite(
    vault: &mut Vault,
    capabilities: Capabilities,
    lifetime: Duration,
    places: impl FnOnce(&[ObjectName]) -> Places,
) -> Result<Invitation, InviteError> {
    vault.refresh_to_invite()?;
    let sponsor = vault.device_id();
    let options =
        InviteOptions { roster: vault.roster(), sponsor, capabilities, lifetime, now: crate::now(), words: true };
    Ok(Invitation::new(vault.provider(), &options, places)?)
}

/// Why there is no invitation.
#[derive(Debug, thiserror::Error)]
pub enum InviteError {
    /// The vault is not as it should be.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// It is, and this device may not.
    #[error(transparent)]
    Pair(#[from] PairError),
}

/// A sponsor that has its vault open.
pub struct Sponsoring<'a> {
    /// The vault.
    pub vault: &'a mut Vault,
    /// All its stores as this machine is configured to reach them.
    pub configured: Vec<StoreConfig>,
    /// What the new device is to be called, if not what it calls itself.
    pub name: Option<String>,
    /// For the stores, if the person said so.
    pub credentials: Vec<(String, SecretBytes)>,
    /// Asks a person.
    pub confirm: &'a mut dyn FnMut(&JoinRequest) -> bool,
}

impl SponsorHost for Sponsoring<'_> {
    fn confirm(&mut self, request: &JoinRequest) -> bool {
        (self.confirm)(request)
    }

    fn gift(&mut self, _: &JoinRequest) -> Result<Gift, HostError> {
        self.vault.refresh_to_invite()?;
        let (roster, own) = (self.vault.roster(), self.vault.device_id());
        let roster_heads = roster.next_place(own).0;
        let head = |(device, pins): (_, Vec<LogPin>)| {
            let LogPin { seq, identity } = *pins.first()?;
            Some(LogHead { device, seq, identity })
        };
        // Whoever may pair adds devices without end, and chooses their ids.
        let mut pins: Vec<_> = self.vault.log_pins().into_iter().collect();
        pins.sort_by_key(|(id, _)| (*id != own, Reverse(roster.devices.get(id).map(|device| device.rank))));
        let log_heads = pins.into_iter().filter_map(head).take(limits::WELCOME_LOG_HEADS).collect();
        Ok(Gift { stores: self.stores(), log_heads, roster_heads, credentials: std::mem::take(&mut self.credentials) })
    }

    fn admit(&mut self, admission: &Admission) -> Result<Identity, HostError> {
        let Admission { verify_key, kem_key, w, name, capabilities, handshake, .. } = admission;
        let name = self.name.as_deref().unwrap_or(name);
        let (capabilities, handshake) = (*capabilities, Some(*handshake));
        let options = AdmitOptions { verify_key, kem_key, w, name, capabilities, handshake, time: crate::now() };
        Ok(self.vault.admit(&options)?)
    }
}

impl Sponsoring<'_> {
    /// The vault's stores, with what is not secret of how this machine reaches them.
    fn stores(&self) -> Vec<StorePlace> {
        let stores = self.vault.stores().into_iter().filter_map(|store| {
            let known = self.configured.iter().find(|config| self.vault.id_of(config) == Some(store.id));
            let url = known.map(StoreConfig::plain_url).or(store.url)?;
            let here = self.vault.place();
            let options =
                known.or((self.vault.id_of(here) == Some(store.id)).then_some(here)).map(|config| &config.options);
            let parsed = StoreUrl::parse(&url).ok()?;
            let settings = options.map(|options| settings_to_tell(&parsed, options)).unwrap_or_default();
            (url.len() <= limits::STORE_URL).then_some(StorePlace {
                id: store.id,
                primary: store.primary,
                url,
                settings,
            })
        });
        stores.take(limits::WELCOME_STORES).collect()
    }
}

/// The settings of a store that fit.
pub fn settings_to_tell(url: &StoreUrl, options: &StoreOptions) -> Vec<(String, String)> {
    let fits =
        |(name, value): &(String, String)| name.len() <= limits::PAIR_NAME && value.len() <= limits::STORE_SETTING;
    shared_settings(url, options).into_iter().filter(fits).take(limits::PAIR_NAMED).collect()
}

/// A joiner with a home that takes what it is given.
pub struct KeepAt<'a> {
    home: &'a Home,
    url: Option<String>,
    met: &'a mut dyn FnMut(&Meeting),
    endpoint: &'a mut dyn FnMut(&str) -> Result<(), HostError>,
    kept: Option<VaultId>,
    not_in_keychain: Option<KeychainError>,
}

impl<'a> KeepAt<'a> {
    /// `url`: where this machine reaches the vault, if the person said so. `met` shows whom it has met. `endpoint` is asked
    /// whether requests, with the credentials of this machine, may go to a server that the other device names.
    pub fn new(
        home: &'a Home,
        url: Option<String>,
        met: &'a mut dyn FnMut(&Meeting),
        endpoint: &'a mut dyn FnMut(&str) -> Result<(), HostError>,
    ) -> Self {
        Self { home, url, met, endpoint, kept: None, not_in_keychain: None }
    }

    /// Why the credentials that came are kept in the local state.
    pub fn not_in_keychain(&self) -> Option<&KeychainError> {
        self.not_in_keychain.as_ref()
    }
}

impl JoinerHost for KeepAt<'_> {
    fn met(&mut self, meeting: &Meeting) {
        (self.met)(meeting);
    }

    fn keep(&mut self, joined: &Joined) -> Result<(), HostError> {
        let vault = joined.keys.vault;
        if is_member(self.home, vault) {
            return Err(AlreadyMember(vault).into());
        }
        let take =
            |store: &StorePlace| -> BTreeMap<String, String> { settings_to_take(&store.settings).cloned().collect() };
        for endpoint in joined.stores.iter().filter_map(|store| take(store).remove("endpoint")) {
            (self.endpoint)(&endpoint)?;
        }
        // Whatever of the following fails: nothing of it stays.
        self.kept = Some(vault);
        let provider = joined.provider;
        // Of an earlier pairing that did not end.
        self.home.clear_access(vault)?;
        self.home.set_joining(provider, vault, &joined.encode_without_credentials())?;
        // Where the person said that the vault is, also after a crash.
        let mut access = Access::default();
        for store in &joined.stores {
            access.settings.insert(store.url.clone(), take(store));
        }
        if let (Some(url), Some(primary)) = (&self.url, joined.stores.iter().find(|store| store.primary)) {
            // The same store under another name.
            access.settings.entry(url.clone()).or_insert_with(|| take(primary));
        }
        access.url.clone_from(&self.url);
        let store = place(joined, &access).and_then(|url| Some(StoreUrl::parse(url).ok()?.to_string()));
        let credentials = copy(&joined.credentials);
        let change = |kept: &mut Access| *kept = access;
        self.not_in_keychain = self.home.keep_credentials(provider, vault, store.as_deref(), credentials, change)?;
        Ok(())
    }

    fn forget(&mut self) {
        if let Some(vault) = self.kept.take() {
            let _ = self.home.forget(vault);
        }
    }
}

/// Where a device that joined finds the vault.
fn place<'a>(joined: &'a Joined, access: &'a Access) -> Option<&'a str> {
    let told = joined.stores.iter().find(|store| store.primary).or(joined.stores.first());
    access.url.as_deref().or(told.map(|place| &*place.url))
}

fn copy(credentials: &Credentials) -> Credentials {
    credentials.iter().map(|(name, value)| (name.clone(), SecretBytes::new(value.expose().to_vec()))).collect()
}

/// This machine needs no pairing.
#[derive(Debug, thiserror::Error)]
#[error("this machine is a device of vault {0} already")]
pub struct AlreadyMember(pub VaultId);

/// Whether this machine is a device of the vault.
pub fn is_member(home: &Home, vault: VaultId) -> bool {
    !matches!(home.device(vault), Err(StateError::UnknownVault { .. }))
}

/// The vaults that this machine was taken into and has not seen itself in.
pub fn unfinished(home: &Home) -> Result<Vec<VaultId>, StateError> {
    let mut found = Vec::new();
    for vault in home.vaults()? {
        if home.joining(vault)?.is_some() {
            found.push(vault);
        }
    }
    Ok(found)
}

/// Looks whether the vault's roster has this machine by now, and if so makes it an ordinary device of it.
///
/// `patience`: how long to look again and again, where the sponsor could not say that it is done.
pub fn finish(
    home: &Home,
    vault: VaultId,
    store: &dyn Fn(&str) -> StoreOptions,
    patience: Duration,
    watch: &Watch<'_>,
) -> Result<Finished, FinishError> {
    let provider = home.provider(vault)?;
    let given = home.joining(vault)?.ok_or(StateError::UnknownVault { vault })?;
    let joined = Joined::parse(provider, given.expose()).ok_or(FinishError::Damaged { vault })?;
    let mut access = home.access(vault)?;
    let url = place(&joined, &access).ok_or(FinishError::NoStore)?;
    let parsed = StoreUrl::parse(url).map_err(VaultError::from)?;
    if !joined.credentials.is_empty() {
        // Of a version that had them there until now.
        let credentials = copy(&joined.credentials);
        home.keep_credentials(provider, vault, Some(&parsed.to_string()), credentials, |_| {})?;
        access = home.access(vault)?;
    }
    let mut options = store(&parsed.to_string());
    complete(&mut options, &parsed.to_string(), &access);
    let known =
        joined.stores.iter().filter_map(|place| Some((StoreUrl::parse(&place.url).ok()?.to_string(), place.id)));
    let ids = known.collect();
    let opened = Store::open(&parsed, &options, OpenMode::Existing).map_err(VaultError::from)?;
    let until = Instant::now() + patience;
    let mut pause = FIRST_PAUSE;
    let membership = loop {
        let roster = read_roster(provider, &opened, vault)?;
        match joined.membership(&roster)? {
            Some(membership) => break membership,
            None if Instant::now() + pause >= until || watch.stopped() => return Err(FinishError::NotYet { vault }),
            None => std::thread::sleep(pause),
        }
        pause = (2 * pause).min(LAST_PAUSE);
    };
    let pins = Pins {
        roster_heads: joined.roster_heads.clone(),
        logs: joined
            .log_heads
            .iter()
            .map(|head| (head.device, vec![LogPin { seq: head.seq, identity: head.identity }]))
            .collect::<BTreeMap<_, _>>(),
        seen: joined.log_heads.iter().map(|head| (head.device, crate::now())).collect(),
    };
    let Joined { keys, name, capabilities, stores, .. } = joined;
    let device = keys.id;
    // Pins first: a device without them would believe anything.
    home.set_pins(provider, vault, &pins)?;
    let url = parsed.to_string();
    // Opening the store may have moved the credentials.
    let credentials = home.update_access(provider, vault, |access| {
        access.ids = ids;
        access.kept_in()
    })?;
    home.set_device(provider, &DeviceState { keys, url: url.clone(), name: name.clone() })?;
    home.update_access(provider, vault, |access| access.url = None)?;
    home.clear_joining(vault)?;
    Ok(Finished { vault, device, name, url, capabilities, membership, stores, credentials })
}

/// A device that has seen itself in the roster.
#[derive(Clone, Debug)]
pub struct Finished {
    /// The vault.
    pub vault: VaultId,
    /// This device.
    pub device: vault_format::DeviceId,
    /// What it is called.
    pub name: String,
    /// Where it reaches the vault.
    pub url: String,
    /// What it may do.
    pub capabilities: Capabilities,
    /// The record that says so.
    pub membership: Membership,
    /// All stores of the vault.
    pub stores: Vec<StorePlace>,
    /// Where it keeps the credentials that it was given, if it was given any.
    pub credentials: Option<KeptIn>,
}

/// Why a device that was taken in is none yet.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FinishError {
    /// The roster does not have it yet.
    #[error("this machine has all it needs of vault {vault}, and the vault's roster does not have it yet")]
    NotYet {
        /// The vault.
        vault: VaultId,
    },
    /// Nobody said where the vault is.
    #[error("the other device did not say where the vault is")]
    NoStore,
    /// The state is damaged.
    #[error("what this machine was given of vault {vault} is damaged")]
    Damaged {
        /// The vault.
        vault: VaultId,
    },
    /// The roster says something else than was agreed.
    #[error(transparent)]
    Pair(#[from] PairError),
    /// The vault cannot be read.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// The state cannot be read or written.
    #[error(transparent)]
    State(#[from] StateError),
}

const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LAST_PAUSE: Duration = Duration::from_secs(2);
