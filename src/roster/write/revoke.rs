//! Ending a device.

use super::{super::state::Rank, Author, NewRecord, WriteError, epoch::NewEpoch};
use std::collections::BTreeSet;
use vault_format::{
    ids::{DeviceId, EpochId, Identity},
    roster::Op,
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
    /// Members that have no box in the new epoch: whoever added them kept to itself what boxes are sealed with.
    pub left_out: Vec<DeviceId>,
}

impl Author<'_> {
    /// Revokes a device, for ever. `last` is the last entry of its log that counts.
    ///
    /// Admins reach devices, root reaches admins, and everybody may leave. What the device has read stays read; of what is
    /// pushed from now on it reads nothing, for which a new epoch starts. A push-only device reads nothing anyway.
    pub fn revoke(&self, device: DeviceId, last: Option<Identity>) -> Result<Revoked, WriteError> {
        let target = self.member(device)?;
        let mut record = self.draft()?;
        record.ops.push(Op::Revoke { id: device, last });
        self.check_someone_stays(device)?;
        let may_read = !target.capabilities.is_push_only();
        let mut epoch = None;
        if device == self.signer.id {
            // It stands alone in its record (SPEC section 11.3), and who leaves is not to know the next epoch.
            if target.rank == Rank::Root {
                return Err(WriteError::IsRoot { device });
            }
        } else {
            self.check_reaches(device)?;
            if may_read {
                epoch = self.try_epoch(&mut record, device)?;
            }
        }
        let (record, merged) = self.finish(&record)?;
        if merged.devices[&device].is_member() {
            return Err(WriteError::NoEffect);
        }
        if let Some(epoch) = &epoch {
            self.check_epoch(&merged, epoch)?;
        }
        Ok(Revoked {
            record,
            wants_epoch: may_read && epoch.is_none(),
            left_out: epoch.as_ref().map_or(Vec::new(), |epoch| epoch.left_out.clone()),
            epoch: epoch.map(|epoch| epoch.id),
        })
    }

    /// Whether the signer's rank reaches a device.
    pub(super) fn check_reaches(&self, device: DeviceId) -> Result<(), WriteError> {
        match (self.member(device)?.rank, self.admin_rank()?) {
            (Rank::Root, _) => Err(WriteError::IsRoot { device }),
            (Rank::Admin, Rank::Root) | (Rank::Device, _) => Ok(()),
            (Rank::Admin, _) => Err(WriteError::NeedsRoot { device }),
        }
    }

    /// A revocation does not wait for an epoch that somebody else must start.
    fn try_epoch(
        &self,
        record: &mut vault_format::roster::Record,
        leaving: DeviceId,
    ) -> Result<Option<NewEpoch>, WriteError> {
        match self.start_epoch(record, &BTreeSet::from([leaving]), &[]) {
            Ok(epoch) => Ok(Some(epoch)),
            Err(WriteError::HeadEpoch { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn check_someone_stays(&self, device: DeviceId) -> Result<(), WriteError> {
        let stays = |(id, member): (DeviceId, &super::super::state::Device)| id != device && member.rank >= Rank::Admin;
        if self.roster.members().any(stays) { Ok(()) } else { Err(WriteError::LastAdmin { device }) }
    }
}
