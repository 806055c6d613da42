//! Passphrases and recovery keys: virtual devices, whose keys are in the roster under a secret of a person (SPEC 11.4).

use super::{
    super::state::{Device, Rank},
    Author, Member, NewRecord, PASSPHRASE, WriteError, check_room,
    grant::check_name,
};
use crate::keys::{DeviceKeys, NewSlot, seal_slot};
use std::collections::BTreeSet;
use vault_format::{
    ids::{DeviceId, EpochId, Identity},
    limits,
    roster::{Capabilities, Op, Slot, SlotKdf},
};

/// A passphrase or recovery key to be added.
#[derive(Clone, Copy)]
pub struct SlotOptions<'a> {
    /// What opens it.
    pub secret: NewSlot<'a>,
    /// What it is called in lists.
    pub name: &'a str,
}

/// A passphrase or recovery key that opens the vault as soon as the record is stored.
#[derive(Debug)]
pub struct Slotted {
    /// The record.
    pub record: NewRecord,
    /// The virtual device.
    pub device: DeviceId,
    /// The epoch that the record starts, if it ends another slot.
    pub epoch: Option<EpochId>,
    /// Members that have no box in that epoch.
    pub left_out: Vec<DeviceId>,
}

impl Author<'_> {
    /// Adds a passphrase. It enrols machines and does not change the roster.
    pub fn add_slot(&self, options: &SlotOptions<'_>) -> Result<Slotted, WriteError> {
        check_name(options.name)?;
        check_room(self.roster, 1)?;
        let allowed = self.roster.may_grant(self.signer.id);
        if !allowed.contains(PASSPHRASE) {
            return Err(WriteError::NotAllowed { signer: self.signer.id, asked: PASSPHRASE, allowed });
        }
        let is_like = |slot: &Slot| matches!(slot.kdf, SlotKdf::Words) == matches!(options.secret, NewSlot::Words(_));
        let alike = self.roster.members().filter(|(_, member)| member.slot.as_ref().is_some_and(is_like));
        if alike.count() >= limits::SLOTS_TRIED {
            return Err(WriteError::TooManySlots);
        }
        let mut record = self.draft()?;
        let keys = DeviceKeys::generate(self.provider, self.roster.vault)?;
        let member = self.virtual_device(&keys, PASSPHRASE, options)?;
        record.ops.push(member.add());
        for epoch in self.known_heads() {
            record.boxes.push(self.seal_box_to(epoch, &keys.recipient(), false)?);
        }
        self.seal_devices(&mut record, vec![member.secret()])?;
        let (record, merged) = self.finish(&record)?;
        merged.open_as(self.provider, &keys)?;
        Ok(Slotted { record, device: keys.id, epoch: None, left_out: Vec::new() })
    }

    /// Puts another secret in the place of one: a new virtual device, the revocation of the old one, and a new epoch, all in
    /// one record. The old secret opens what was pushed until now, for ever. Root is followed by a new root, and only itself
    /// can say so. `beside`: a passphrase that is added in the same record.
    pub fn replace_slot(
        &self,
        old: DeviceId,
        last: Option<Identity>,
        options: &SlotOptions<'_>,
        beside: Option<&SlotOptions<'_>>,
    ) -> Result<Slotted, WriteError> {
        check_name(options.name)?;
        let known = self.slot_of(old)?;
        let is_root = known.rank == Rank::Root;
        if !is_root {
            self.check_reaches(old)?;
        } else if self.signer.id != old {
            return Err(WriteError::NeedsRoot { device: old });
        }
        let mut record = self.draft()?;
        let keys = DeviceKeys::generate(self.provider, self.roster.vault)?;
        let member = self.virtual_device(&keys, known.capabilities, options)?;
        record.ops.push(member.add());
        if is_root {
            record.ops.push(Op::NewRoot { verify_key: keys.verify_key.clone() });
        }
        record.ops.push(Op::Revoke { id: old, last });
        let mut joining = vec![keys.duplicate()];
        let mut secrets = vec![member.secret()];
        if let Some(options) = beside {
            let keys = DeviceKeys::generate(self.provider, self.roster.vault)?;
            let member = self.virtual_device(&keys, PASSPHRASE, options)?;
            record.ops.push(member.add());
            secrets.push(member.secret());
            joining.push(keys);
        }
        let epoch = self.start_epoch(&mut record, &BTreeSet::from([old]), &joining)?;
        self.seal_devices(&mut record, secrets)?;
        let (record, merged) = self.finish(&record)?;
        self.check_epoch(&merged, &epoch)?;
        let opened = merged.open_as(self.provider, &keys)?;
        let has_all = self.keys.epochs.keys().all(|id| opened.epochs.contains_key(id));
        if !has_all
            || merged.devices.get(&old).is_some_and(Device::is_member)
            || merged.devices.get(&keys.id).is_none_or(|new| new.rank != known.rank)
        {
            return Err(WriteError::NoEffect);
        }
        Ok(Slotted { record, device: keys.id, epoch: Some(epoch.id), left_out: epoch.left_out })
    }

    /// Ends a passphrase, if another secret stays.
    pub fn remove_slot(&self, device: DeviceId, last: Option<Identity>) -> Result<super::Revoked, WriteError> {
        self.slot_of(device)?;
        let others = self.roster.members().filter(|(id, member)| *id != device && member.slot.is_some());
        if others.count() == 0 {
            return Err(WriteError::LastSlot { device });
        }
        self.revoke(device, last)
    }

    fn slot_of(&self, device: DeviceId) -> Result<&Device, WriteError> {
        let known = self.member(device)?;
        if known.slot.is_none() { Err(WriteError::WrongSort { device, is_slot: false }) } else { Ok(known) }
    }

    fn virtual_device<'n>(
        &self,
        keys: &DeviceKeys,
        capabilities: Capabilities,
        options: &SlotOptions<'n>,
    ) -> Result<Member<'n>, WriteError> {
        let slot = seal_slot(self.provider, options.secret, keys, &self.roster.genesis, &self.heads_for_slot())?;
        Ok(Member::new(keys.duplicate(), capabilities, options.name, Some(slot)))
    }
}
