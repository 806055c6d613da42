//! What this device can open: as a reader everything, as a push-only device what it wrote itself, and no pack.
//!
//! A push-only device has no names, no URLs and no keys of anybody else (SPEC section 4). What it does not have is `None`
//! here, in one place, and not an arm of a `match` everywhere.

use std::collections::BTreeSet;

use crypto_backends::{Key, Provider};
use vault_format::roster::Capabilities;
use vault_format::{DeviceId, Domain, EpochId, Header, Identity, ObjectType};

use super::{Vault, VaultError};
use crate::keys::{DeviceKeys, DomainKeys};
use crate::roster::{OpenError, PusherAccess, ReaderKeys, Roster, StoreId};
use crate::stage::PackKeys;
use crate::state::{BlockReader, BlockWriter, StateError};

/// What this device can open.
pub(super) enum Access {
    Reader(ReaderKeys),
    Pusher(PusherAccess),
}

impl Access {
    /// Opens what the roster holds for a device.
    pub(super) fn open(provider: &'static Provider, roster: &Roster, device: &DeviceKeys) -> Result<Self, OpenError> {
        match is_push_only(roster, device.id) {
            true => roster.open_as_pusher(provider, device).map(Self::Pusher),
            false => roster.open_as(provider, device).map(Self::Reader),
        }
    }

    /// The keys of a reader, if this is one.
    pub(super) fn reader(&self) -> Option<&ReaderKeys> {
        match self {
            Self::Reader(keys) => Some(keys),
            Self::Pusher(_) => None,
        }
    }

    pub(super) fn is_push_only(&self) -> bool {
        self.reader().is_none()
    }

    /// Roster records whose keys for this device are not those of an admin's.
    pub(super) fn disputed(&self) -> &BTreeSet<Identity> {
        match self {
            Self::Reader(keys) => &keys.disputed,
            Self::Pusher(keys) => &keys.disputed,
        }
    }

    /// The epoch that pushes use, if this device has it.
    pub(super) fn current(&self) -> Option<EpochId> {
        match self {
            Self::Reader(keys) => keys.current,
            Self::Pusher(keys) => keys.current,
        }
    }

    /// The domain that this device pushes to.
    pub(super) fn own_domain(&self) -> DomainKeys {
        match self {
            Self::Reader(keys) => keys.domain(Domain::SHARED),
            Self::Pusher(keys) => keys.domain.duplicate(),
        }
    }

    /// The key of log entries of a domain.
    pub(super) fn log_key(&self, epoch: EpochId, domain: Domain) -> Option<Key> {
        self.symmetric(epoch, domain, |keys| &keys.log, |keys| &keys.log)
    }

    /// The key of index tables of a domain.
    pub(super) fn index_key(&self, epoch: EpochId, domain: Domain) -> Option<Key> {
        self.symmetric(epoch, domain, |keys| &keys.index, |keys| &keys.index)
    }

    /// What a device is called: only readers know.
    pub(super) fn device_name(&self, device: DeviceId) -> Option<&str> {
        self.reader()?.device_names.get(&device).map(String::as_str)
    }

    /// Where a store was when it was added: only readers know.
    pub(super) fn store_url(&self, store: &StoreId) -> Option<&str> {
        self.reader()?.store_urls.get(store).map(String::as_str)
    }

    /// The store, of those that are still there, that was added at this URL.
    pub(super) fn store_at(&self, url: &str, is_there: impl Fn(&StoreId) -> bool) -> Option<StoreId> {
        let mut urls = self.reader()?.store_urls.iter().filter(|(id, _)| is_there(id));
        urls.find(|(_, known)| *known == url).map(|(id, _)| *id)
    }

    fn symmetric(
        &self,
        epoch: EpochId,
        domain: Domain,
        shared: fn(&crate::keys::EpochKeys) -> &Key,
        own: fn(&crate::keys::PusherKeys) -> &Key,
    ) -> Option<Key> {
        match self {
            Self::Reader(keys) => {
                let keys = keys.epochs.get(&epoch)?;
                let key = if domain.is_shared() {
                    shared(keys).duplicate()
                } else {
                    own(&keys.pusher(DeviceId(domain.0))).duplicate()
                };
                Some(key)
            }
            Self::Pusher(keys) if keys.domain.domain == domain => {
                keys.epochs.get(&epoch).map(|keys| own(keys).duplicate())
            }
            Self::Pusher(_) => None,
        }
    }
}

/// What this device seals with under one epoch.
pub(super) struct Sealing<'a> {
    pub(super) epoch: EpochId,
    keys: &'a Access,
    /// What a push-only device seals packs to.
    public: &'a [u8],
}

impl<'a> Sealing<'a> {
    /// Under the epoch that pushes use by this roster. None: there is no clean one that this device has.
    pub(super) fn of(keys: &'a Access, roster: &'a Roster) -> Option<Self> {
        let epoch = keys.current()?;
        let public = &roster.epochs.iter().find(|known| known.id == epoch)?.public;
        Some(Self { epoch, keys, public })
    }

    /// The key of this device's log entries.
    pub(super) fn log(&self, domain: Domain) -> Result<Key, VaultError> {
        self.keys.log_key(self.epoch, domain).ok_or(VaultError::NoCleanEpoch)
    }

    /// The key of this device's index tables.
    pub(super) fn index(&self, domain: Domain) -> Result<Key, VaultError> {
        self.keys.index_key(self.epoch, domain).ok_or(VaultError::NoCleanEpoch)
    }

    /// What a pack is sealed with. `header` is of this device's domain and this epoch, and gets a salt of its own.
    pub(super) fn pack(&self, provider: &'static Provider, header: Header) -> Result<PackKeys, VaultError> {
        Ok(match self.keys {
            Access::Reader(keys) => {
                let epoch = keys.epochs.get(&self.epoch).ok_or(VaultError::NoCleanEpoch)?;
                PackKeys::symmetric(provider, header, &epoch.data)?
            }
            Access::Pusher(keys) => {
                let epoch = keys.epochs.get(&self.epoch).ok_or(VaultError::NoCleanEpoch)?;
                PackKeys::sealed(provider, header, self.public, &epoch.kem_psk)?
            }
        })
    }
}

impl Vault {
    /// Whether this device may only push: it can open nothing that it has pushed.
    pub fn is_push_only(&self) -> bool {
        self.keys.is_push_only()
    }

    /// Checks that this device may read the vault.
    pub fn may_read(&self, what: &'static str) -> Result<(), VaultError> {
        self.reader_keys(what).map(|_| ())
    }

    /// What this device remembers of the files of a source, if it may only push.
    pub(crate) fn files(&self, label: &[u8]) -> Option<BlockReader> {
        if self.is_push_only() { self.home.files(self.id(), label) } else { None }
    }

    /// Begins to write that anew.
    pub(crate) fn new_files(&self, label: &[u8]) -> Result<BlockWriter, StateError> {
        self.home.new_files(self.provider, self.id(), label)
    }

    /// Stands for what is in there.
    pub(crate) fn files_key(&self, label: &[u8]) -> Key {
        self.home.files_key(self.provider, self.id(), label)
    }

    /// The keys of a reader, or why there are none.
    pub(crate) fn reader_keys(&self, what: &'static str) -> Result<&ReaderKeys, VaultError> {
        self.keys.reader().ok_or(VaultError::PushOnly { device: self.device.id, what })
    }
}

/// Whether a device may do nothing but push.
pub(super) fn is_push_only(roster: &Roster, device: DeviceId) -> bool {
    roster.devices.get(&device).is_some_and(|device| device.capabilities.is_push_only())
}

/// The domain in which a device writes now.
pub(super) fn domain_of(roster: &Roster, device: DeviceId) -> Domain {
    if is_push_only(roster, device) { device.into() } else { Domain::SHARED }
}

/// Whether a device may write to a domain: to its own always, because it may have been push-only once, and to the shared one if
/// it reads.
pub(super) fn may_write(roster: &Roster, device: DeviceId, domain: Domain) -> bool {
    roster.devices.contains_key(&device) && (domain == device.into() || domain == domain_of(roster, device))
}

/// Whose logs a device reads. A reader reads all of them: `None`. A push-only device reads its own and those of devices that hold
/// or held `prune`, who may condemn what it relies on; its credential need not allow more (docs/least-privilege.md).
pub(super) fn logs_of(roster: &Roster, device: DeviceId) -> Option<BTreeSet<DeviceId>> {
    is_push_only(roster, device).then(|| collectors(roster).chain([device]).collect())
}

/// Every device that holds or held `prune`.
pub(super) fn collectors(roster: &Roster) -> impl Iterator<Item = DeviceId> + '_ {
    let devices = roster.devices.iter();
    devices.filter(|(_, device)| device.capabilities.contains(Capabilities::PRUNE)).map(|(id, _)| *id)
}

/// The type of a pack's header.
pub(super) fn pack_type(tree: bool) -> ObjectType {
    if tree { ObjectType::TreePack } else { ObjectType::DataPack }
}
