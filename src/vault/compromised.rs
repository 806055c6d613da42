//! Devices that were in somebody else's hands: whoever had them may have named something worthless as what others would store.

use std::collections::BTreeMap;

use vault_format::log::Payload;
use vault_format::{DeviceId, Identity};

use super::{RevokedDevice, UnlockSecret, Vault, VaultError};
use crate::log::LogEntry;
use crate::roster::{Rank, Standing, WriteError};
use vault_format::roster::Op;

impl Vault {
    /// Says for everybody, and for ever, that a device was in somebody else's hands. It has an effect as soon as the device is
    /// revoked. Gives the stores that could not be told.
    pub fn mark_compromised(&mut self, device: DeviceId, by: Option<&UnlockSecret>) -> Result<Vec<String>, VaultError> {
        self.refresh()?;
        if !self.roster.devices.contains_key(&device) {
            return Err(WriteError::NotAMember { device }.into());
        }
        if self.marks().contains_key(&device) {
            return Ok(Vec::new());
        }
        let record = self.author(by, |author| author.set(&format!("{SETTING}{device}"), &[1]))?;
        self.write_record(record)
    }

    /// Revokes a device that was in somebody else's hands, if so wanted with all that it added, and says that of all of them. That
    /// comes first, and counts for nothing before they are revoked: whoever is stopped in between leaves none that is revoked and
    /// relied on. A device below admin that leaves cannot say it of itself.
    pub fn revoke_compromised(
        &mut self,
        device: DeviceId,
        with_added: bool,
        by: Option<&UnlockSecret>,
    ) -> Result<RevokedDevice, VaultError> {
        self.refresh()?;
        let is_this = device == self.device.id && by.is_none();
        let mut marked: Vec<DeviceId> = if is_this && !self.is_admin() { Vec::new() } else { vec![device] };
        if with_added && !is_this {
            let is_reached = |id: &DeviceId| match self.roster.devices[id].rank {
                Rank::Device => true,
                Rank::Admin => by.is_some(),
                Rank::Root => false,
            };
            marked.extend(self.added_by(device).into_iter().filter(is_reached));
        }
        let mut not_told = Vec::new();
        for device in marked {
            not_told = self.mark_compromised(device, by)?;
        }
        let mut revoked = if with_added { self.revoke_with_added(device, by)? } else { self.revoke(device, by)? };
        // Whom it did not see then, because it came in between.
        for device in &revoked.with {
            self.mark_compromised(*device, by)?;
        }
        if revoked.not_told.is_empty() {
            revoked.not_told = not_told;
        }
        Ok(revoked)
    }

    /// Revoked devices of which that was said, and the records that say so.
    pub(super) fn compromised(&self) -> BTreeMap<DeviceId, Vec<Identity>> {
        let mut marks = self.marks();
        marks.retain(|device, _| self.roster.devices.get(device).is_some_and(|device| !device.is_member()));
        marks
    }

    /// A value that somebody writes over it takes none of them back: that could be the device itself.
    fn marks(&self) -> BTreeMap<DeviceId, Vec<Identity>> {
        let mut marks: BTreeMap<DeviceId, Vec<Identity>> = BTreeMap::new();
        if !self.roster.settings.keys().any(|key| key.starts_with(SETTING)) {
            return marks;
        }
        for (identity, _, record, standing) in self.roster.records() {
            for op in record.ops.iter().filter(|_| standing == Standing::Effective) {
                if let Op::Setting { key, .. } = op
                    && let Some(device) = key.strip_prefix(SETTING).and_then(|id| hex::decode(id).ok()?.try_into().ok())
                {
                    marks.entry(DeviceId(device)).or_default().push(identity);
                }
            }
        }
        marks
    }

    /// Whether rows that such a device has made up may be in the shards of a set: in its own, and in those of everybody who may
    /// have gone on from them before it was known. Deltas say of their writer's packs alone what is in them.
    pub(super) fn may_be_tainted(&self, set: &LogEntry, compromised: &BTreeMap<DeviceId, Vec<Identity>>) -> bool {
        let heads = &set.body.roster_heads;
        let knows = |mark: &Identity| {
            heads.iter().all(|head| self.roster.knows(*head)) && !self.roster.regresses(&[*mark], heads)
        };
        let has_merged = |device| self.log.of(device).any(|entry| matches!(entry.body.payload, Payload::Index(_)));
        compromised
            .iter()
            .any(|(device, marks)| set.device == *device || !marks.iter().any(knows) && has_merged(*device))
    }
}

/// Of the roster: what follows is the id of the device.
const SETTING: &str = "compromised.";
