//! The devices of a vault, and what admins change about them.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use vault_format::log::Payload;
use vault_format::name::roster_prefix;
use vault_format::roster::{Capabilities, SlotKdf};
use vault_format::{DeviceId, EpochId, Identity, Time, limits};

use super::{Vault, VaultError};
use crate::keys::{DeviceKeys, NewSlot, Passphrase, SlotSecret, Words};
use crate::log::LogEntry;
use crate::roster::{Author, Device, NewRecord, Rank, ReaderKeys, Revoked, SlotOptions, Slotted, WriteError, unlock};
use crate::store::Store;
use crate::vault::UnlockSecret;

/// A device as people are shown it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceInfo {
    /// Its id.
    pub id: DeviceId,
    /// What it is called; None: only whoever added it knows.
    pub name: Option<String>,
    /// A machine, or the secret of a person.
    pub kind: DeviceKind,
    /// What it may do.
    pub capabilities: Capabilities,
    /// Whom it reaches.
    pub rank: Rank,
    /// This run acts as it.
    pub is_this: bool,
    /// When it was added, as whoever added it says.
    pub added: Time,
    /// Who added it.
    pub added_by: DeviceId,
    /// Its newest snapshot, by its own log.
    pub last_push: Option<Time>,
    /// Its newest entry of any kind.
    pub last_seen: Option<Time>,
    /// Who revoked it, and when: it is no member any more.
    pub revoked: Option<RevokedInfo>,
}

/// Who revoked a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RevokedInfo {
    /// Who signed it.
    pub by: DeviceId,
    /// When, as that one says.
    pub time: Time,
}

/// What a member of the roster is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeviceKind {
    /// A machine with keys of its own.
    Machine,
    /// A passphrase.
    Passphrase,
    /// 24 words.
    RecoveryKey,
}

/// A device that was just revoked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RevokedDevice {
    /// What it was.
    pub device: DeviceInfo,
    /// The last entry of its log that counts.
    pub last: Option<(Identity, u64)>,
    /// Entries of its log that count no longer.
    pub void: Vec<VoidEntry>,
    /// Entries of its log that others say they have seen, and that the store does not show.
    pub withheld: Vec<WithheldEntry>,
    /// The epoch that begins.
    pub epoch: Option<EpochId>,
    /// Nobody pushes until an admin's device has started an epoch.
    pub wants_epoch: bool,
    /// Those who stay do not fit into an epoch: more of them must be revoked before anybody pushes.
    pub no_room: bool,
    /// What was revoked together with it.
    pub with: Vec<DeviceId>,
    /// Members that cannot open the new epoch: whoever added them did not say how to seal to them.
    pub left_out: Vec<DeviceId>,
    /// Members that it had added: they stay.
    pub added: Vec<DeviceId>,
    /// Other stores that could not be told, and why; and what the keychain has kept of this machine, if it was revoked.
    pub not_told: Vec<String>,
}

/// A passphrase or recovery key in the place of another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplacedSlot {
    /// The new virtual device.
    pub device: DeviceId,
    /// Members that came in by the old secret, and those that they added: they stay, and read what is pushed from now on.
    pub added: Vec<DeviceId>,
    /// Other stores that could not be told, and why.
    pub not_told: Vec<String>,
}

/// New words that are not in force yet: to be shown before anything is written.
pub struct NewWords<'a> {
    /// The vault as it is without them.
    pub vault: &'a Vault,
    /// The words.
    pub words: &'a Words,
    /// Their virtual device.
    pub device: DeviceId,
    /// As in [`ReplacedSlot`].
    pub added: &'a [DeviceId],
}

/// An entry that a revocation made void.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VoidEntry {
    /// Which.
    pub identity: Identity,
    /// Its number.
    pub seq: u64,
    /// When it was written, as its writer says.
    pub time: Time,
    /// Whether a snapshot is lost with it.
    pub is_snapshot: bool,
}

/// An entry that somebody has seen and the store does not show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WithheldEntry {
    /// Who says so.
    pub seen_by: DeviceId,
    /// Which.
    pub identity: Identity,
}

impl Vault {
    /// All devices that the vault ever had: members first, by their names.
    pub fn devices(&self) -> Vec<DeviceInfo> {
        let mut all: Vec<_> = self.roster.devices.iter().map(|(id, device)| self.device_info(*id, device)).collect();
        all.sort_by(|a, b| {
            (a.revoked.is_some(), a.kind != DeviceKind::Machine, &a.name, a.id).cmp(&(
                b.revoked.is_some(),
                b.kind != DeviceKind::Machine,
                &b.name,
                b.id,
            ))
        });
        all
    }

    /// The device that a person named: by its name, or by the beginning of its id. Members only, unless there is none. A name
    /// that is the beginning of another one's id means neither of them; a whole id is one.
    pub fn find_device(&self, text: &str) -> Result<DeviceInfo, VaultError> {
        let (members, gone): (Vec<_>, Vec<_>) = self.devices().into_iter().partition(|device| device.revoked.is_none());
        for candidates in [members, gone] {
            let found: Vec<_> = candidates.iter().filter(|device| device.goes_by(text)).collect();
            let is_whole = |device: &&DeviceInfo| device.id.to_string() == text.to_ascii_lowercase();
            if let Some(device) = candidates.iter().find(is_whole) {
                return Ok(device.clone());
            }
            match found[..] {
                [] => {}
                [device] => return Ok(device.clone()),
                _ => {
                    let ids: Vec<_> = found.iter().map(|device| format!("{:.12}", device.id)).collect();
                    return Err(VaultError::WhichDevice { text: text.to_owned(), found: ids.join(", ") });
                }
            }
        }
        // By nothing less than its id: anybody who may pair can make any number of them.
        let outside = text.parse().ok().and_then(|id| self.any_device(id));
        outside.ok_or_else(|| VaultError::UnknownDevice { text: text.to_owned() })
    }

    /// Whether the device of this run may change the roster.
    pub fn is_admin(&self) -> bool {
        self.roster.devices.get(&self.device.id).is_some_and(|device| device.is_member() && device.rank >= Rank::Admin)
    }

    /// Calls a device something else. `by`: a secret whose owner signs, instead of this machine's device.
    pub fn rename_device(
        &mut self,
        device: DeviceId,
        name: &str,
        by: Option<&UnlockSecret>,
    ) -> Result<Vec<String>, VaultError> {
        let record = self.author(by, |author| author.rename(device, name))?;
        self.write_record(record)
    }

    /// Gives a device more capabilities.
    pub fn grant(
        &mut self,
        device: DeviceId,
        more: Capabilities,
        by: Option<&UnlockSecret>,
    ) -> Result<Vec<String>, VaultError> {
        let record = self.author(by, |author| author.grant(device, more))?;
        self.write_record(record)
    }

    /// Ends a device. The last entry of its log that counts is the newest that anybody has seen.
    pub fn revoke(&mut self, device: DeviceId, by: Option<&UnlockSecret>) -> Result<RevokedDevice, VaultError> {
        self.revoke_with(device, false, by, |author, last, _| author.revoke(device, last))
    }

    /// Ends a device together with those that it added, and those that they did: whoever had it may have made them.
    pub fn revoke_with_added(
        &mut self,
        device: DeviceId,
        by: Option<&UnlockSecret>,
    ) -> Result<RevokedDevice, VaultError> {
        self.revoke_with(device, true, by, |author, last, others| author.revoke_with(device, last, others))
    }

    /// Ends a passphrase.
    pub fn remove_slot(&mut self, device: DeviceId, by: Option<&UnlockSecret>) -> Result<RevokedDevice, VaultError> {
        self.revoke_with(device, false, by, |author, last, _| author.remove_slot(device, last))
    }

    /// Adds a passphrase. Gives its id, and the stores that could not be told.
    pub fn add_slot(
        &mut self,
        passphrase: &Passphrase,
        low_memory: bool,
        name: &str,
        by: Option<&UnlockSecret>,
    ) -> Result<(DeviceId, Vec<String>), VaultError> {
        let options = SlotOptions { secret: self.new_slot(passphrase, low_memory), name };
        let slotted = self.author(by, |author| author.add_slot(&options))?;
        Ok((slotted.device, self.write_record(slotted.record)?))
    }

    /// Puts another passphrase in the place of one: what the old one opens stays open to it, and nothing newer is.
    pub fn change_slot(
        &mut self,
        old: DeviceId,
        passphrase: &Passphrase,
        low_memory: bool,
        by: Option<&UnlockSecret>,
    ) -> Result<ReplacedSlot, VaultError> {
        let name = self.keys.device_name(old).unwrap_or("passphrase").to_owned();
        let options = SlotOptions { secret: self.new_slot(passphrase, low_memory), name: &name };
        let (slotted, added) = self.replace(old, &options, None, by)?;
        self.write_slot(old, slotted, added)
    }

    /// Makes new words of the recovery key, signed by whoever is root: the old words, or, where a vault has none, the
    /// passphrase. That one stays, as a passphrase beside words is.
    ///
    /// `show` has them on paper, or wherever they are to be, before the record that ends the old ones is stored: a vault must
    /// never have a recovery key that nobody has seen. If it fails, nothing has changed but that heads may be followed by others.
    pub fn new_recovery_words(
        &mut self,
        root: &UnlockSecret,
        low_memory: bool,
        show: &mut dyn FnMut(&NewWords<'_>) -> Result<(), String>,
    ) -> Result<ReplacedSlot, VaultError> {
        let root_id = self.root_device().ok_or(VaultError::NoRoot)?;
        let words = Words::generate(self.provider.random)?;
        let options = SlotOptions { secret: NewSlot::Words(&words), name: "recovery key" };
        let (slotted, added) = match root {
            UnlockSecret::Words(_) => self.replace(root_id, &options, None, Some(root))?,
            UnlockSecret::Passphrase(passphrase) => {
                let kept = SlotOptions { secret: self.new_slot(passphrase, low_memory), name: "passphrase" };
                self.replace(root_id, &options, Some(&kept), Some(root))?
            }
        };
        show(&NewWords { vault: self, words: &words, device: slotted.device, added: &added })
            .map_err(VaultError::WordsNotShown)?;
        self.write_slot(root_id, slotted, added).map_err(|error| VaultError::WordsInDoubt(Box::new(error)))
    }

    /// The virtual device that is root, if there is one.
    pub fn root_device(&self) -> Option<DeviceId> {
        self.roster.members().find(|(_, device)| device.rank == Rank::Root).map(|(id, _)| id)
    }

    /// Whether a secret opens the vault now.
    pub fn check_secret(&self, secret: &UnlockSecret) -> Result<(), VaultError> {
        self.unlocked(secret).map(|_| ())
    }

    /// Where the vault's primary store is, for those who have nothing but what is written down.
    pub fn public_url(&self) -> &str {
        let primary = self.roster.primary_store().and_then(|id| self.keys.store_url(&id));
        primary.unwrap_or(&self.url)
    }

    /// Merges what admins wrote at once, starts an epoch if there is no clean one, and gives keys to who lacks them: whoever
    /// has `admin` and runs next does it (rule R-7). That it cannot is told and stops nothing.
    pub(super) fn settle(&mut self) {
        if self.ephemeral || self.behind.is_some() || self.is_away || !self.is_admin() || self.check_primary().is_err()
        {
            return;
        }
        // Said already, and not twice.
        if self.check_hearsay().is_err() {
            return;
        }
        for _ in 0..MERGES {
            let told = match self.author(None, |author| author.merge()) {
                Ok(None) => return,
                Ok(Some(merged)) => self.write_record(merged.record),
                Err(error) => Err(error),
            };
            if let Err(error) = told {
                self.notes.push(format!("the vault's devices could not be put in order: {}", crate::chain(&error)));
                return;
            }
        }
    }

    /// Follows all heads in records of their own before one that ends somebody, where that one could not: what it has not seen of
    /// the revoked, other devices among it, it ends as well. Whoever may pair can go on writing heads, and stops nobody.
    fn gather(&mut self, by: Option<&UnlockSecret>) -> Result<(), VaultError> {
        let by = by.filter(|_| !self.is_admin());
        // Of more members than fit into an epoch those go that a record has not seen.
        if self.roster.members().count() > limits::MEMBERS {
            return Ok(());
        }
        for _ in 0..GATHERED {
            if self.roster.heads.len() <= limits::RECORD_PARENTS {
                return Ok(());
            }
            let Ok(Some(record)) = self.author(by, |author| author.gather()) else { break };
            self.write_record(record)?;
        }
        // It may have taken minutes, in which honest devices have pushed.
        self.refresh()
    }

    fn revoke_with(
        &mut self,
        device: DeviceId,
        with_added: bool,
        by: Option<&UnlockSecret>,
        write: impl FnOnce(&Author<'_>, Option<Identity>, &[(DeviceId, Option<Identity>)]) -> Result<Revoked, WriteError>,
    ) -> Result<RevokedDevice, VaultError> {
        // What it wrote until now counts, as far as anybody has seen it.
        self.refresh()?;
        self.gather(by)?;
        let info = self.any_device(device).ok_or(WriteError::NotAMember { device })?;
        let (last, withheld) = self.last_of(device);
        let mut added = self.added_by(device);
        let others = if with_added { self.with_last(&added) } else { Vec::new() };
        let mut revoked = self.author(by, |author| write(author, last.map(|entry| entry.identity), &others))?;
        let last = last.map(|entry| (entry.identity, entry.seq));
        let before: Vec<VoidEntry> = self.log.of(device).map(VoidEntry::of).collect();
        let is_this = device == self.device.id;
        let not_told = if is_this {
            // From here on this machine is a stranger: it forgets keys that open nothing new.
            let bytes = Bytes::from(revoked.record.bytes);
            self.store.put(&revoked.record.name, bytes.clone())?;
            let left = self.home.forget(self.id())?;
            let mut not_told = self.tell_others(|store| {
                store.put(&revoked.record.name, bytes.clone())?;
                Ok(())
            });
            not_told.extend(left.map(|error| {
                format!(
                    "this machine's storage credentials could not be deleted from the keychain: {}",
                    crate::chain(&error)
                )
            }));
            not_told
        } else {
            let mut not_told = self.write_record(revoked.record)?;
            if self.roster.devices.get(&device).is_some_and(Device::is_member) {
                return Err(WriteError::NoEffect.into());
            }
            // One record has no room for more of them than a vault has members.
            loop {
                // Those whose adds have become void with it do not stay.
                added.retain(|id| self.roster.devices.get(id).is_some_and(Device::is_member));
                let is_reached =
                    |id: &DeviceId| self.roster.devices.get(id).is_some_and(|known| known.rank == Rank::Device);
                let rest: Vec<DeviceId> = added.iter().copied().filter(is_reached).collect();
                let others = if with_added { self.with_last(&rest) } else { Vec::new() };
                let Some(((id, last), others)) = others.split_first() else { break };
                let more = self.author(by, |author| author.revoke_with(*id, *last, others))?;
                revoked.with.push(*id);
                revoked.with.extend(more.with);
                (revoked.epoch, revoked.wants_epoch) = (more.epoch.or(revoked.epoch), more.wants_epoch);
                (revoked.no_room, revoked.left_out) = (more.no_room, more.left_out);
                not_told = self.write_record(more.record)?;
            }
            self.refresh()?;
            not_told
        };
        added.retain(|id| !revoked.with.contains(id));
        let void = before.into_iter().filter(|entry| self.log.get(&entry.identity).is_none()).collect();
        Ok(RevokedDevice {
            device: info,
            last,
            void,
            withheld,
            epoch: revoked.epoch,
            wants_epoch: revoked.wants_epoch,
            no_room: revoked.no_room,
            with: revoked.with,
            left_out: revoked.left_out,
            added,
            not_told,
        })
    }

    /// Devices with the newest entries of their logs.
    fn with_last(&self, devices: &[DeviceId]) -> Vec<(DeviceId, Option<Identity>)> {
        devices.iter().map(|id| (*id, self.last_of(*id).0.map(|entry| entry.identity))).collect()
    }

    /// What puts a slot in the place of another, and who came in by the old one.
    fn replace(
        &mut self,
        old: DeviceId,
        options: &SlotOptions<'_>,
        beside: Option<&SlotOptions<'_>>,
        by: Option<&UnlockSecret>,
    ) -> Result<(Slotted, Vec<DeviceId>), VaultError> {
        self.refresh()?;
        self.gather(by)?;
        let last = self.last_of(old).0.map(|entry| entry.identity);
        let slotted = self.author(by, |author| author.replace_slot(old, last, options, beside))?;
        Ok((slotted, self.added_by(old)))
    }

    fn write_slot(
        &mut self,
        old: DeviceId,
        slotted: Slotted,
        added: Vec<DeviceId>,
    ) -> Result<ReplacedSlot, VaultError> {
        let not_told = self.write_record(slotted.record)?;
        // Who acts as the secret that was just replaced has nothing more to read.
        if self.device.id != old {
            self.refresh()?;
        }
        Ok(ReplacedSlot { device: slotted.device, added, not_told })
    }

    fn new_slot<'p>(&self, passphrase: &'p Passphrase, low_memory: bool) -> NewSlot<'p> {
        let password = self.provider.password;
        let params = if low_memory {
            password.fit_low_memory()
        } else {
            password.fit(crypto_backends::memory::total().unwrap_or(0))
        };
        NewSlot::Passphrase { passphrase, params, low_memory }
    }

    /// Whoever signs: this run's device, or the virtual one of a secret.
    pub(super) fn author<T>(
        &self,
        by: Option<&UnlockSecret>,
        write: impl FnOnce(&Author<'_>) -> Result<T, WriteError>,
    ) -> Result<T, VaultError> {
        self.check_primary()?;
        self.check_hearsay()?;
        let as_virtual: Option<(DeviceKeys, ReaderKeys)> = match by {
            None => None,
            Some(secret) => {
                let device = self.unlocked(secret)?;
                let keys = self.roster.open_as(self.provider, &device)?;
                Some((device, keys))
            }
        };
        let (signer, keys) = match &as_virtual {
            Some((device, keys)) => (device, keys),
            None => (&self.device, self.reader_keys("change who is in the vault")?),
        };
        let author = Author {
            provider: self.provider,
            objects: self.records.all(),
            roster: &self.roster,
            keys,
            signer,
            time: crate::now(),
        };
        Ok(write(&author)?)
    }

    fn unlocked(&self, secret: &UnlockSecret) -> Result<DeviceKeys, VaultError> {
        let slot = match secret {
            UnlockSecret::Passphrase(passphrase) => SlotSecret::Passphrase(passphrase),
            UnlockSecret::Words(words) => SlotSecret::Words(words),
        };
        Ok(unlock(self.provider, self.records.all(), Some(self.id()), slot)?.device)
    }

    /// Stores a record and takes it in, here and, as far as they can be reached, in the other stores. Gives those that could
    /// not be told.
    pub(super) fn write_record(&mut self, record: NewRecord) -> Result<Vec<String>, VaultError> {
        self.store.put(&record.name, Bytes::from(record.bytes))?;
        let listing = self.store.list(&roster_prefix())?;
        match self.refresh_roster(&listing) {
            // The record ends the very device that this run acts as.
            Err(VaultError::Open(_)) if self.ephemeral => {}
            told => told?,
        }
        self.pin()?;
        Ok(self.tell_others(|store| self.tell(store)))
    }

    /// Gives the other stores that could not be told.
    fn tell_others(&self, tell: impl Fn(&Store) -> Result<(), VaultError>) -> Vec<String> {
        let failed = self.others.iter().filter_map(|other| {
            let told = match other.store() {
                Ok(store) => tell(store).map_err(|error| crate::chain(&error)),
                Err(error) => Err(error.0.clone()),
            };
            let reason = told.err()?;
            Some(format!("{} was not told, and 'zvault mirror' will: {reason}", other.config.name))
        });
        failed.collect()
    }

    /// The newest entry of a device's log, and what others say they have seen of it and the store does not show.
    fn last_of(&self, device: DeviceId) -> (Option<&LogEntry>, Vec<WithheldEntry>) {
        let heads = self.log.heads(device);
        let last = heads.iter().filter_map(|head| self.log.get(head)).max_by_key(|entry| (entry.seq, entry.identity));
        let mut withheld = BTreeMap::new();
        for entry in self.log.entries() {
            if let Some(head) = entry.body.other_heads.get(&device)
                && self.log.get(head).is_none()
            {
                withheld.entry(*head).or_insert(entry.device);
            }
        }
        let withheld = withheld.into_iter().map(|(identity, seen_by)| WithheldEntry { seen_by, identity }).collect();
        (last, withheld)
    }

    /// Members that a device has added, and those that they have added.
    pub(super) fn added_by(&self, device: DeviceId) -> Vec<DeviceId> {
        let (mut found, mut open) = (BTreeSet::new(), vec![device]);
        while let Some(sponsor) = open.pop() {
            for (id, member) in self.roster.members() {
                if member.added_by == sponsor && id != device && id != sponsor && found.insert(id) {
                    open.push(id);
                }
            }
        }
        found.into_iter().collect()
    }

    /// A device of the vault, or one that is in no record that counts: its key may do harm yet.
    fn any_device(&self, id: DeviceId) -> Option<DeviceInfo> {
        match self.roster.devices.get(&id) {
            Some(device) => Some(self.device_info(id, device)),
            None => Some(self.device_info(id, &self.roster.outside(id)?)),
        }
    }

    fn device_info(&self, id: DeviceId, device: &Device) -> DeviceInfo {
        let is_push = |entry: &&LogEntry| matches!(entry.body.payload, Payload::Snapshot(_));
        let kind = match device.slot.as_ref().map(|slot| &slot.kdf) {
            None => DeviceKind::Machine,
            Some(SlotKdf::Words) => DeviceKind::RecoveryKey,
            Some(_) => DeviceKind::Passphrase,
        };
        DeviceInfo {
            id,
            name: self.keys.device_name(id).map(str::to_owned),
            kind,
            capabilities: device.capabilities,
            rank: device.rank,
            is_this: id == self.device.id,
            added: device.added,
            added_by: device.added_by,
            last_push: self.log.of(id).rev().find(is_push).map(|entry| entry.body.time),
            last_seen: self.log.of(id).next_back().map(|entry| entry.body.time),
            revoked: device.revocations.first().map(|revoked| RevokedInfo { by: revoked.by, time: revoked.time }),
        }
    }
}

impl DeviceInfo {
    /// Whether a person may mean it: by its name, or by the beginning of its id.
    pub fn goes_by(&self, text: &str) -> bool {
        let by_id = !text.is_empty() && self.id.to_string().starts_with(&text.to_ascii_lowercase());
        by_id || self.name.as_deref() == Some(text)
    }
}

impl VoidEntry {
    fn of(entry: &LogEntry) -> Self {
        let is_snapshot = matches!(entry.body.payload, Payload::Snapshot(_));
        Self { identity: entry.identity, seq: entry.seq, time: entry.body.time, is_snapshot }
    }
}

/// Heads beyond what one record can follow, and admins that write at the same moment.
const MERGES: usize = 4;
/// Records that follow heads before somebody is ended: each follows 16 of them, and there are fifteen less.
const GATHERED: usize = 64;
