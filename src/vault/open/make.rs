//! Making a vault.

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use crypto_backends::{Provider, memory, provider};
use vault_format::Suite;
use vault_format::name::{ObjectName, prefix, roster_prefix};

use crate::keys::{Passphrase, Words};
use crate::log::Log;
use crate::roster::{FoundingOptions, Roster, RosterError, found};
use crate::state::{DeviceState, Home};
use crate::store::{OpenMode, Store, StoreError, StoreOptions, StoreUrl, StoreVerdict};
use crate::vault::access::Access;
use crate::vault::records::Records;
use crate::vault::shown::Shown;
use crate::vault::stores::kind_number;
use crate::vault::{Vault, VaultError};

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
        // That of the program, if it has one backend only.
        let suite = crypto_backends::own().map_or(Suite::Default, |own| own.suite);
        Self { url, store, home, passphrase, words: false, device_name, low_memory: false, suite, cache: None }
    }
}

/// A new vault.
pub struct Initialised {
    /// The vault, opened.
    pub vault: Vault,
    /// The recovery key, to be shown once.
    pub words: Option<Words>,
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
}

/// What a store on a network does, for the roster. A folder is what the file system is. A credential that may not write
/// beside the vault is no reason not to make one.
pub(in crate::vault) fn try_store(provider: &Provider, store: &Store) -> Result<Option<StoreVerdict>, VaultError> {
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
