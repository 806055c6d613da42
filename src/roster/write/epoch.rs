//! New epochs, and merging what was written at once (the design's ).

use super::{
    super::state::{Device, Roster},
    Author, MEMBERS, NewRecord, WriteError, random,
};
use crate::keys::{DeviceKeys, EpochKeys, boxes};
use crypto_backends::Key;
use std::collections::BTreeSet;
use vault_format::{
    ids::{DeviceId, EpochId},
    roster::{BoxPart, Capabilities, Record},
};

/// A record that puts in order what several wrote at once.
#[derive(Debug)]
pub struct Merged {
    /// Follows all heads.
    pub record: NewRecord,
    /// The epoch that it starts, because there was no clean one.
    pub epoch: Option<EpochId>,
    /// Devices that got keys which they lacked.
    pub given: Vec<DeviceId>,
    /// Members that got none: whoever added them kept to itself what their boxes are sealed with.
    pub left_out: Vec<DeviceId>,
}

/// An epoch on its way into a record.
pub(super) struct NewEpoch {
    pub(super) id: EpochId,
    /// Members without a box in it.
    pub(super) left_out: Vec<DeviceId>,
}

impl Author<'_> {
    /// Merges several heads into one, starts a clean epoch if there is none, and gives keys to who was added meanwhile.
    /// None: there is nothing to do.
    pub fn merge(&self) -> Result<Option<Merged>, WriteError> {
        self.admin_rank()?;
        let mut record = self.draft()?;
        let mut epoch = None;
        if self.roster.current_epoch.is_none() {
            match self.start_epoch(&mut record, &BTreeSet::new(), &[]) {
                Ok(started) => epoch = Some(started),
                // The heads can be merged all the same; who has all keys starts the epoch.
                // Nor does it wait until there is room for all boxes.
                Err(WriteError::HeadEpoch { .. } | WriteError::TooManyDevices) if self.roster.heads.len() > 1 => {}
                Err(error) => return Err(error),
            }
        }
        let mut given = BTreeSet::new();
        let mut left_out = epoch.as_ref().map_or(Vec::new(), |epoch| epoch.left_out.clone());
        if epoch.is_none() {
            for head in self.known_heads() {
                for device in self.roster.without_box(head.id) {
                    match self.seal_box(head, device) {
                        Ok(part) => {
                            record.boxes.push(part);
                            given.insert(device);
                        }
                        Err(error) if self.is_its_own_fault(device, &error) => left_out.push(device),
                        Err(error) => return Err(error),
                    }
                }
            }
        }
        if self.roster.heads.len() < 2 && epoch.is_none() && given.is_empty() {
            return Ok(None);
        }
        let (record, merged) = self.finish(&record)?;
        if let Some(epoch) = &epoch {
            self.check_epoch(&merged, epoch)?;
        }
        Ok(Some(Merged { record, epoch: epoch.map(|epoch| epoch.id), given: given.into_iter().collect(), left_out }))
    }

    /// Starts an epoch in `record` for every member but those `leaving`, and for who joins with the same record.
    pub(super) fn start_epoch(
        &self,
        record: &mut Record,
        leaving: &BTreeSet<DeviceId>,
        joining: &[DeviceKeys],
    ) -> Result<NewEpoch, WriteError> {
        // A history without the keys of a head would cut off all that was pushed under it.
        let mut heads = self.roster.epochs.iter().filter(|epoch| epoch.is_head);
        if heads.any(|head| !self.keys.epochs.contains_key(&head.id)) {
            return Err(WriteError::HeadEpoch { signer: self.signer.id });
        }
        let mut members = self.who_stays(record)?;
        members.retain(|id| !leaving.contains(id));
        if members.len() + joining.len() > MEMBERS {
            return Err(WriteError::TooManyDevices);
        }
        let epoch = EpochKeys::new(self.provider, EpochId(random(self.provider)?), Key::random(self.provider.random)?);
        let mut left_out = Vec::new();
        for device in members {
            match self.seal_box(&epoch, device) {
                Ok(part) => record.boxes.push(part),
                // One that nobody can seal to must not keep another one in.
                Err(error) if self.is_its_own_fault(device, &error) => left_out.push(device),
                Err(error) => return Err(error),
            }
        }
        for device in joining {
            record.boxes.push(self.seal_box_to(&epoch, &device.recipient(), false)?);
        }
        let earlier: Vec<&EpochKeys> = self.keys.epochs.values().collect();
        record.epoch = Some(boxes::seal_epoch(self.provider, self.roster.vault, &epoch, &earlier)?);
        Ok(NewEpoch { id: epoch.id, left_out })
    }

    /// Whether the epoch is the one that everybody uses, and its author opens it and all before it.
    pub(super) fn check_epoch(&self, merged: &Roster, epoch: &NewEpoch) -> Result<(), WriteError> {
        // Of more heads than the record follows, what is void now may make others count: whom they add or give another sort of
        // box, nobody could know, and the next merge seals to them.
        let was_there = |id: &DeviceId| match (self.roster.devices.get(id), merged.devices.get(id)) {
            (Some(old), Some(new)) => {
                old.is_member() && old.capabilities.is_push_only() == new.capabilities.is_push_only()
            }
            _ => false,
        };
        let mut lacking = merged.without_box(epoch.id).into_iter().filter(was_there);
        if merged.current_epoch != Some(epoch.id) || lacking.any(|id| !epoch.left_out.contains(&id)) {
            return Err(WriteError::NoEffect);
        }
        // A virtual device that replaces itself is no member any more and opens nothing.
        if !merged.devices.get(&self.signer.id).is_some_and(Device::is_member) {
            return Ok(());
        }
        let keys = self.open(merged)?;
        let has_all = self.keys.epochs.keys().all(|id| keys.epochs.contains_key(id));
        if keys.current != Some(epoch.id) || !has_all { Err(WriteError::NoEffect) } else { Ok(()) }
    }

    /// The box of an epoch for a member, as its capabilities ask for.
    pub(super) fn seal_box(&self, epoch: &EpochKeys, device: DeviceId) -> Result<BoxPart, WriteError> {
        self.seal_box_as(epoch, device, self.member(device)?.capabilities)
    }

    /// The same for capabilities that it is about to have.
    pub(super) fn seal_box_as(
        &self,
        epoch: &EpochKeys,
        device: DeviceId,
        capabilities: Capabilities,
    ) -> Result<BoxPart, WriteError> {
        let to = boxes::Recipient { id: device, kem_key: &self.member(device)?.kem_key, w: self.secret_of(device)? };
        self.seal_box_to(epoch, &to, capabilities.is_push_only())
    }

    /// Whether no box can be made because of what was written down for the device: no `W`, or a KEM key that is none. The
    /// author's own box has no such excuse.
    fn is_its_own_fault(&self, device: DeviceId, error: &WriteError) -> bool {
        let is_about_it = matches!(error, WriteError::NoSecret { .. } | WriteError::Seal(_) | WriteError::Crypto(_));
        is_about_it && device != self.signer.id
    }

    pub(super) fn seal_box_to(
        &self,
        epoch: &EpochKeys,
        to: &boxes::Recipient<'_>,
        pusher: bool,
    ) -> Result<BoxPart, WriteError> {
        let seal = if pusher { boxes::seal_pusher_box } else { boxes::seal_reader_box };
        Ok(seal(self.provider, self.roster.vault, to, epoch, &self.keys.domain_root)?)
    }
}
