//! Who writes a record, and what is checked before anybody else sees it.

use super::{super::rank::Standing, super::state::*, MEMBERS, NewRecord, WriteError, check_writable, sign};
use crate::keys::{DeviceKeys, boxes};
use crypto_backends::{Key, Provider};
use std::collections::{BTreeMap, BTreeSet};
use vault_format::{
    ObjectName,
    entry::Time,
    ids::{DeviceId, Identity},
    limits,
    roster::{Op, PrivatePart, Record, RecordObject},
};

/// A member that writes the next record, on top of all heads.
///
/// Whatever it writes is added to the roster it was written for and judged there like anything from the store: a record that
/// would not count, or not do what it was made for, is never stored.
#[derive(Clone, Copy)]
pub struct Author<'a> {
    /// Its suite.
    pub provider: &'static Provider,
    /// What `roster` was built from.
    pub objects: &'a [(ObjectName, Vec<u8>)],
    /// The vault's members.
    pub roster: &'a Roster,
    /// What the signer opens.
    pub keys: &'a ReaderKeys,
    /// Who signs.
    pub signer: &'a DeviceKeys,
    /// What time it is, claimed to everybody.
    pub time: Time,
}

impl<'a> Author<'a> {
    /// An empty record in its place.
    pub(super) fn draft(&self) -> Result<Record, WriteError> {
        check_writable(self.roster)?;
        let (parents, n) = self.roster.next_place(self.signer.id);
        let time = self.time;
        Ok(Record { genesis: None, time, parents, n, ops: Vec::new(), epoch: None, boxes: Vec::new(), private: None })
    }

    /// A device that is no more and no less than a member.
    pub(super) fn member(&self, device: DeviceId) -> Result<&'a Device, WriteError> {
        let known = self.roster.devices.get(&device).filter(|known| known.is_member());
        known.ok_or(WriteError::NotAMember { device })
    }

    /// The signer's rank, if it is that of an admin at least.
    pub(super) fn admin_rank(&self) -> Result<Rank, WriteError> {
        let signer = self.signer.id;
        match self.roster.devices.get(&signer) {
            Some(device) if device.is_member() && device.rank >= Rank::Admin => Ok(device.rank),
            _ => Err(WriteError::NotAdmin { signer }),
        }
    }

    /// Seals names and secrets of devices under the newest key that all remaining readers have.
    pub(super) fn seal_devices(
        &self,
        record: &mut Record,
        devices: Vec<(DeviceId, [u8; 32], String)>,
    ) -> Result<(), WriteError> {
        let epoch = self.keys.current_epoch().or(self.known_heads().last().copied()).ok_or(WriteError::NoEpoch)?;
        let private = boxes::Private(PrivatePart { devices, stores: Vec::new() });
        record.private = Some(boxes::seal_private(self.provider, self.roster.vault, epoch, &private.0)?);
        Ok(())
    }

    /// What boxes for a device are sealed with.
    pub(super) fn secret_of(&self, device: DeviceId) -> Result<&'a Key, WriteError> {
        // What others say of it never keeps the author from its own box.
        if device == self.signer.id {
            return Ok(&self.signer.w);
        }
        self.keys.secrets.get(&device).ok_or(WriteError::NoSecret { device })
    }

    /// Signs the record, and judges it as everybody else will.
    pub(super) fn finish(&self, record: &Record) -> Result<(NewRecord, Roster), WriteError> {
        let written = sign(self.provider, self.signer, record)?;
        let mut objects = self.objects.to_vec();
        objects.push((written.name, written.bytes.clone()));
        let roster = Roster::build(self.provider, &objects, Some(self.roster.vault))?;
        let identity = identity_of(self.provider, &written.bytes)?;
        let follows_all = record.parents.len() == self.roster.heads.len();
        let is_head = if follows_all { roster.heads == [identity] } else { roster.heads.contains(&identity) };
        let counts = roster.knows(identity) && !roster.void.iter().any(|void| void.identity == identity);
        if !is_head || !counts || self.voids_others(record, &roster) {
            return Err(WriteError::NoEffect);
        }
        // Somebody else may have added too many: whoever takes some away must not be stopped by that.
        let members = roster.members().count();
        if members > MEMBERS && members > self.roster.members().count() {
            return Err(WriteError::TooManyDevices);
        }
        Ok((written, roster))
    }

    /// Whether other records become void, and not because their signers are revoked here, or had their rights from records that
    /// are void for that. Of more heads than a record can follow it has not seen all that who is revoked has written, and nobody
    /// is to keep from being revoked by writing much.
    fn voids_others(&self, record: &Record, roster: &Roster) -> bool {
        let revoked = record.ops.iter().filter_map(|op| match op {
            Op::Revoke { id, .. } => Some(*id),
            _ => None,
        });
        let mut without: BTreeSet<DeviceId> = revoked.collect();
        let known: BTreeSet<Identity> = self.roster.void.iter().map(|void| void.identity).collect();
        // Parents come first.
        for (identity, signer, record, standing) in roster.records() {
            if standing == Standing::Effective || known.contains(&identity) {
                continue;
            }
            // What one that may pair adds may be nothing new any more, because what counted less before counts now.
            let is_admin = self.roster.devices.get(&signer).is_some_and(|known| known.rank >= Rank::Admin);
            if is_admin && !without.contains(&signer) {
                return true;
            }
            without.extend(record.ops.iter().filter_map(|op| match op {
                Op::Add { id, .. } | Op::Grant { id, .. } => Some(*id),
                _ => None,
            }));
        }
        false
    }

    /// The members that there still are once `record` is stored: what the revoked have added in heads that it does not follow goes
    /// with them.
    pub(super) fn who_stays(&self, record: &Record) -> Result<Vec<DeviceId>, WriteError> {
        let members = self.roster.members().map(|(id, _)| id);
        if self.roster.heads.len() <= limits::RECORD_PARENTS {
            return Ok(members.collect());
        }
        let (_, merged) = self.finish(record)?;
        Ok(members.filter(|id| merged.devices.get(id).is_some_and(Device::is_member)).collect())
    }

    /// Keys of the head epochs that the signer has, oldest first.
    pub(super) fn known_heads(&self) -> Vec<&'a crate::keys::EpochKeys> {
        let heads = self.roster.epochs.iter().filter(|epoch| epoch.is_head);
        heads.filter_map(|epoch| self.keys.epochs.get(&epoch.id)).collect()
    }

    /// What the signer opens once its record is stored.
    pub(super) fn open(&self, roster: &Roster) -> Result<ReaderKeys, WriteError> {
        Ok(roster.open_as(self.provider, self.signer)?)
    }

    /// Heads that a new slot vouches for: what it was made after, nobody can withhold from its owner.
    pub(super) fn heads_for_slot(&self) -> Vec<Identity> {
        self.roster.next_place(self.signer.id).0
    }

    /// The names of devices, for a private part.
    pub(super) fn names(&self) -> &'a BTreeMap<DeviceId, String> {
        &self.keys.device_names
    }
}

fn identity_of(provider: &Provider, stored: &[u8]) -> Result<Identity, WriteError> {
    let object = RecordObject::parse(stored)?;
    Ok(Identity(provider.hash.hash(&[&stored[..object.signed_len]])))
}
