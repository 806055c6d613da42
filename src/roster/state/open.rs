//! What a device has in a roster: slots, boxes, the keys of epochs and what they open.

use super::{Checked, Device, Rank, Roster, Standing};
use crate::keys::{DeviceKeys, DomainKeys, EpochKeys, PusherKeys, boxes};
use crypto_backends::{Key, Provider, SecretBytes};
use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
};
use vault_format::{
    ids::{DeviceId, Domain, EpochId, Identity},
    roster::{BoxPart, Slot},
};

/// A slot that somebody may have the secret of.
pub struct FoundSlot<'a> {
    /// The id that the roster gives the virtual device.
    pub device: DeviceId,
    /// Part of what the slot is bound to.
    pub verify_key: &'a [u8],
    /// The same.
    pub kem_key: &'a [u8],
    /// The slot.
    pub slot: &'a Slot,
}

/// What a reader has opened.
pub struct ReaderKeys {
    /// Every epoch that the device can open, the earlier ones by their history.
    pub epochs: BTreeMap<EpochId, EpochKeys>,
    /// The epoch that pushes use, if the device has it.
    pub current: Option<EpochId>,
    /// `V`: names and cuts the chunks of every domain.
    pub domain_root: Key,
    /// Records with boxes for the device that hold another `V`: they were not believed.
    pub disputed: BTreeSet<Identity>,
    /// What devices are called.
    pub device_names: BTreeMap<DeviceId, String>,
    /// Where the vault is.
    pub store_urls: BTreeMap<[u8; 16], String>,
    pub(in crate::roster) secrets: BTreeMap<DeviceId, Key>,
    kem_secrets: BTreeMap<EpochId, SecretBytes>,
    provider: &'static Provider,
}

/// What a push-only device has opened.
pub struct PusherAccess {
    /// Its keys of every epoch that it has a box of.
    pub epochs: BTreeMap<EpochId, PusherKeys>,
    /// The epoch that pushes use, if the device has it.
    pub current: Option<EpochId>,
    /// Names and cuts its chunks.
    pub domain: DomainKeys,
    /// Records with boxes for the device that hold other domain keys: they were not believed.
    pub disputed: BTreeSet<Identity>,
}

impl Roster {
    /// Slots of members, in the order in which they are tried: root's, those of admins, those that record 0 or an admin added,
    /// those of the lowest record. Whoever has `pair` adds as many as it likes, and none of them comes before the vault's own.
    /// Read **before** there is any trust: what a slot's owner may believe is what is inside of it.
    pub fn slots(&self) -> Vec<FoundSlot<'_>> {
        let by_admin = |device: &Device| self.devices.get(&device.added_by).is_some_and(|by| by.rank >= Rank::Admin);
        let mut members: Vec<_> = self.members().filter(|(_, device)| device.slot.is_some()).collect();
        members.sort_by_key(|(id, device)| {
            (Reverse(device.rank), device.added_n != 0, !by_admin(device), device.added_n, *id)
        });
        members
            .into_iter()
            .filter_map(|(id, device)| {
                let slot = device.slot.as_ref()?;
                Some(FoundSlot { device: id, verify_key: &device.verify_key, kem_key: &device.kem_key, slot })
            })
            .collect()
    }

    /// Opens everything that a reader has.
    pub fn open_as(&self, provider: &'static Provider, device: &DeviceKeys) -> Result<ReaderKeys, OpenError> {
        self.check_member(device.id)?;
        let mut domain_root: Option<Key> = None;
        let mut disputed = BTreeSet::new();
        let mut failed = None;
        let mut opened = OpenedEpochs::default();
        for (record, part) in self.boxes_for(device.id, false) {
            match boxes::open_reader_box(provider, device, part) {
                Ok((epoch, root)) => {
                    let is_known = opened.epochs.contains_key(&epoch.id);
                    if (self.accept(provider, epoch, &mut opened) || is_known)
                        && !domain_root.get_or_insert_with(|| Key::new(*root.expose())).ct_eq(&root)
                    {
                        disputed.insert(record.identity);
                    }
                }
                Err(error) => failed = Some(error),
            }
        }
        let Some(domain_root) = domain_root else {
            return Err(match failed {
                Some(source) => OpenError::Box { device: device.id, source: Box::new(source) },
                None => OpenError::NotAReader { device: device.id },
            });
        };
        self.add_history(provider, &mut opened);
        let OpenedEpochs { epochs, kem_secrets } = opened;
        let current = self.current_epoch.filter(|id| epochs.contains_key(id));
        let mut keys = ReaderKeys {
            epochs,
            current,
            domain_root,
            disputed,
            device_names: BTreeMap::new(),
            store_urls: BTreeMap::new(),
            secrets: BTreeMap::new(),
            kem_secrets,
            provider,
        };
        self.read_private_parts(provider, &mut keys);
        Ok(keys)
    }

    /// Opens everything that a push-only device has.
    pub fn open_as_pusher(&self, provider: &'static Provider, device: &DeviceKeys) -> Result<PusherAccess, OpenError> {
        self.check_member(device.id)?;
        let mut opened: Option<DomainKeys> = None;
        let mut disputed = BTreeSet::new();
        let mut failed = None;
        let mut epochs = BTreeMap::new();
        for (record, part) in self.boxes_for(device.id, true) {
            match boxes::open_pusher_box(provider, device, part) {
                Ok((keys, domain)) => {
                    match &opened {
                        Some(first) if !first.is_same(&domain) => {
                            disputed.insert(record.identity);
                            continue;
                        }
                        Some(_) => {}
                        None => opened = Some(domain),
                    }
                    epochs.entry(keys.epoch).or_insert(keys);
                }
                Err(error) => failed = Some(error),
            }
        }
        match (opened, failed) {
            (Some(domain), _) => {
                let current = self.current_epoch.filter(|id| epochs.contains_key(id));
                Ok(PusherAccess { epochs, current, domain, disputed })
            }
            (None, Some(source)) => Err(OpenError::Box { device: device.id, source: Box::new(source) }),
            (None, None) => Err(OpenError::NotAPusher { device: device.id }),
        }
    }

    /// Members without the box of an epoch that their capabilities ask for: they were added beside it.
    pub(in crate::roster) fn without_box(&self, epoch: EpochId) -> Vec<DeviceId> {
        let has_box = |id: DeviceId, device: &Device| {
            let pusher = device.capabilities.is_push_only();
            self.boxes_for(id, pusher).any(|(_, part)| part.epoch == epoch)
        };
        self.members().filter(|(id, device)| !has_box(*id, device)).map(|(id, _)| id).collect()
    }

    fn check_member(&self, device: DeviceId) -> Result<(), OpenError> {
        match self.devices.get(&device) {
            None => Err(OpenError::NotAMember { device }),
            Some(found) if !found.is_member() => Err(OpenError::Revoked { device }),
            Some(_) => Ok(()),
        }
    }

    /// The device's boxes in records that count: those of admins first, then those of the record that added it. Anybody else's
    /// are none, or whoever has `pair` could put keys of their own in the place of the vault's.
    fn boxes_for(&self, device: DeviceId, pusher: bool) -> impl Iterator<Item = (&Checked, &BoxPart)> {
        let adding = self.adding.get(&device).copied();
        let counting = move |by_admin: bool| {
            let records = self.graph.records.iter().enumerate();
            records.filter(move |(i, record)| {
                self.standing[*i] == Standing::Effective
                    && self.is_by_admin(record) == by_admin
                    && (by_admin || Some(*i) == adding)
            })
        };
        counting(true)
            .chain(counting(false))
            .flat_map(|(_, record)| record.record.boxes.iter().map(move |part| (record, part)))
            .filter(move |(_, part)| part.device == device && part.pusher == pusher)
    }

    /// Every history holds all epochs before it; what one of them lacks, another may have.
    fn add_history(&self, provider: &'static Provider, opened: &mut OpenedEpochs) {
        for epoch in self.epochs.iter().rev() {
            let (Some(keys), Some(history)) = (opened.epochs.get(&epoch.id), &epoch.part.history) else { continue };
            for old in boxes::open_history(provider, self.vault, keys, history).unwrap_or_default() {
                self.accept(provider, old, opened);
            }
        }
    }

    /// Takes the keys of an epoch if they open what its own record sealed under them, so that nobody can slip in others.
    fn accept(&self, provider: &'static Provider, keys: EpochKeys, opened: &mut OpenedEpochs) -> bool {
        if opened.epochs.contains_key(&keys.id) {
            return false;
        }
        let Some(epoch) = self.epochs.iter().find(|epoch| epoch.id == keys.id) else { return false };
        let Ok(secret) = boxes::open_epoch_secret(provider, self.vault, &keys, &epoch.part) else { return false };
        opened.kem_secrets.insert(keys.id, secret);
        opened.epochs.insert(keys.id, keys);
        true
    }

    /// A device's name and `W` come from an admin, or else from the record that added it.
    fn read_private_parts(&self, provider: &'static Provider, keys: &mut ReaderKeys) {
        let mut by_admins = BTreeSet::new();
        for (i, record) in self.graph.records.iter().enumerate() {
            if self.standing[i] != Standing::Effective {
                continue;
            }
            let Some((epoch, field)) = &record.record.private else { continue };
            let Some(epoch) = keys.epochs.get(epoch) else { continue };
            let Ok(part) = boxes::open_private(provider, self.vault, epoch, field) else { continue };
            let by_admin = self.is_by_admin(record);
            for (id, w, name) in &part.0.devices {
                let is_adding = self.adding.get(id) == Some(&i);
                if by_admin || is_adding && !by_admins.contains(id) {
                    keys.secrets.insert(*id, Key::new(*w));
                    keys.device_names.insert(*id, name.clone());
                }
                if by_admin {
                    by_admins.insert(*id);
                }
            }
            if by_admin {
                keys.store_urls.extend(part.0.stores.iter().cloned());
            }
        }
    }
}

impl ReaderKeys {
    /// The keys of the epoch that pushes use.
    pub fn current_epoch(&self) -> Option<&EpochKeys> {
        self.epochs.get(&self.current?)
    }

    /// The keys of a domain's chunk ids and borders.
    pub fn domain(&self, domain: Domain) -> DomainKeys {
        DomainKeys::of_root(self.provider, &self.domain_root, domain)
    }

    /// Opens packs that push-only devices sealed to an epoch.
    pub fn kem_secret(&self, epoch: EpochId) -> Option<&SecretBytes> {
        self.kem_secrets.get(&epoch)
    }
}

/// Why a device cannot open a vault.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// Nobody added it.
    #[error("device {device} is not in the vault's roster")]
    NotAMember {
        /// The device.
        device: DeviceId,
    },
    /// Somebody revoked it.
    #[error("device {device} was revoked")]
    Revoked {
        /// The device.
        device: DeviceId,
    },
    /// It has no box with keys to read.
    #[error("device {device} may not read the vault")]
    NotAReader {
        /// The device.
        device: DeviceId,
    },
    /// It has no box of a push-only device.
    #[error("device {device} is not a push-only device of the vault")]
    NotAPusher {
        /// The device.
        device: DeviceId,
    },
    /// None of its boxes opens.
    #[error("the keys that the roster holds for device {device} do not open")]
    Box {
        /// The device.
        device: DeviceId,
        /// What the last one said.
        source: Box<crate::stage::SealError>,
    },
}

#[derive(Default)]
struct OpenedEpochs {
    epochs: BTreeMap<EpochId, EpochKeys>,
    kem_secrets: BTreeMap<EpochId, SecretBytes>,
}
