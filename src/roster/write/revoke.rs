//! Ending a device.

use super::{
    super::state::{Device, Rank},
    Author, NewRecord, WriteError,
    epoch::NewEpoch,
};
use std::collections::BTreeSet;
use vault_format::{
    ids::{DeviceId, EpochId, Identity},
    roster::{Op, Record},
};

/// A revocation that is ready to be stored.
#[derive(Debug)]
pub struct Revoked {
    /// The record.
    pub record: NewRecord,
    /// The epoch that it starts: the device opens nothing that is sealed under it.
    pub epoch: Option<EpochId>,
    /// The device may read, and another admin's device must start the new epoch: this one has not the keys of all heads, or is
    /// the one that leaves. Until then nobody pushes.
    pub wants_epoch: bool,
    /// No epoch has begun because those who stay do not fit into one: more of them must be revoked before anybody pushes.
    pub no_room: bool,
    /// What else was revoked by the same record.
    pub with: Vec<DeviceId>,
    /// Members that have no box in the new epoch: whoever added them kept to itself what boxes are sealed with.
    pub left_out: Vec<DeviceId>,
}

impl Author<'_> {
    /// Revokes a device, for ever. `last` is the last entry of its log that counts.
    ///
    /// Admins reach devices, root reaches admins, and everybody may leave. What the device has read stays read; of what is
    /// pushed from now on it reads nothing, for which a new epoch starts. A push-only device reads nothing anyway.
    /// Who is no member is revoked once more: what it writes with its old key, and this has not seen, counts for nothing.
    pub fn revoke(&self, device: DeviceId, last: Option<Identity>) -> Result<Revoked, WriteError> {
        self.revoke_with(device, last, &[])
    }

    /// The same for a device together with others, such as those that it added. Of these, whoever the signer does not reach
    /// stays; and whatever one record has no room for.
    pub fn revoke_with(
        &self,
        device: DeviceId,
        last: Option<Identity>,
        others: &[(DeviceId, Option<Identity>)],
    ) -> Result<Revoked, WriteError> {
        let mut record = self.draft()?;
        let mut leaving = BTreeSet::from([device]);
        record.ops.push(Op::Revoke { id: device, last });
        if device == self.signer.id {
            // It stands alone in its record (SPEC section 11.3), and who leaves is not to know the next epoch.
            if self.member(device)?.rank == Rank::Root {
                return Err(WriteError::IsRoot { device });
            }
        } else {
            self.check_reaches(device)?;
            for (id, last) in others {
                let is_reached = *id != self.signer.id && self.check_reaches(*id).is_ok();
                if record.ops.len() < REVOKED_AT_ONCE && is_reached && leaving.insert(*id) {
                    record.ops.push(Op::Revoke { id: *id, last: *last });
                }
            }
        }
        self.check_someone_stays(device, &leaving)?;
        let may_read =
            leaving.iter().any(|id| self.member(*id).is_ok_and(|target| !target.capabilities.is_push_only()));
        let (mut epoch, mut no_room) = (None, false);
        if device != self.signer.id && may_read {
            (epoch, no_room) = self.try_epoch(&mut record, &leaving)?;
        }
        let (record, merged) = self.finish(&record)?;
        // Of more heads than the record follows, some may have gone with what it revokes.
        if leaving.iter().any(|id| merged.devices.get(id).is_some_and(Device::is_member)) {
            return Err(WriteError::NoEffect);
        }
        if let Some(epoch) = &epoch {
            self.check_epoch(&merged, epoch)?;
        }
        leaving.remove(&device);
        Ok(Revoked {
            record,
            wants_epoch: may_read && epoch.is_none(),
            no_room,
            with: leaving.into_iter().collect(),
            left_out: epoch.as_ref().map_or(Vec::new(), |epoch| epoch.left_out.clone()),
            epoch: epoch.map(|epoch| epoch.id),
        })
    }

    /// Whether the signer's rank reaches a device.
    pub(super) fn check_reaches(&self, device: DeviceId) -> Result<(), WriteError> {
        let own = self.admin_rank()?;
        let Some(known) = self.roster.devices.get(&device).filter(|known| known.is_member()) else {
            return self.check_reaches_outside(device, own);
        };
        match (known.rank, own) {
            (Rank::Root, _) => Err(WriteError::IsRoot { device }),
            (Rank::Admin, Rank::Root) | (Rank::Device, _) => Ok(()),
            (Rank::Admin, _) => Err(WriteError::NeedsRoot { device }),
        }
    }

    /// The same for who is no member: its key still revokes devices if an admin's word stands behind it, until root has ended it,
    /// and who has left can do so again with another past, until somebody above it has ended it.
    fn check_reaches_outside(&self, device: DeviceId, own: Rank) -> Result<(), WriteError> {
        let known = self.roster.devices.get(&device);
        let has_left = known.is_some_and(|known| known.has_left(device));
        match own {
            Rank::Root if self.roster.has_keys(device) && !self.roster.is_ended(device) => Ok(()),
            Rank::Admin if has_left && !self.roster.is_ended(device) => match known.map(|known| known.rank) {
                Some(Rank::Device) => Ok(()),
                _ => Err(WriteError::NeedsRoot { device }),
            },
            _ => Err(WriteError::NotAMember { device }),
        }
    }

    /// A revocation does not wait for an epoch that somebody else must start, or that has no room for all who stay.
    fn try_epoch(
        &self,
        record: &mut Record,
        leaving: &BTreeSet<DeviceId>,
    ) -> Result<(Option<NewEpoch>, bool), WriteError> {
        match self.start_epoch(record, leaving, &[]) {
            Ok(epoch) => Ok((Some(epoch), false)),
            Err(WriteError::HeadEpoch { .. }) => Ok((None, false)),
            Err(WriteError::TooManyDevices) => Ok((None, true)),
            Err(error) => Err(error),
        }
    }

    fn check_someone_stays(&self, device: DeviceId, leaving: &BTreeSet<DeviceId>) -> Result<(), WriteError> {
        let stays = |(id, member): (DeviceId, &Device)| !leaving.contains(&id) && member.rank >= Rank::Admin;
        if self.roster.members().any(stays) { Ok(()) } else { Err(WriteError::LastAdmin { device }) }
    }
}

/// Of the 1,024 operations that a record may have (SPEC section 12): the boxes of an epoch want room as well.
const REVOKED_AT_ONCE: usize = 512;
