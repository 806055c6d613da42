//! Adding a device by its public keys: what a sponsor writes at the end of a pairing (SPEC section 18.4).

use super::{
    ReaderKeys, Roster,
    state::{Rank, effective},
    write::{NewRecord, WriteError, as_name, check_room, check_writable, sign},
};
use crate::keys::{
    DeviceKeys, EpochKeys,
    boxes::{self, Private, Recipient},
    device_id,
};
use crypto_backends::{Key, Provider};
use vault_format::{
    entry::Time,
    ids::{DeviceId, Identity},
    roster::{Capabilities, Op, PrivatePart, Record},
};

/// A device that runs elsewhere, and has proven to its sponsor that these keys are its own.
pub struct AdmitOptions<'a> {
    /// Verifies what it signs.
    pub verify_key: &'a [u8],
    /// Seals to it.
    pub kem_key: &'a [u8],
    /// Its `W`, which it got from the sponsor and not through the roster.
    pub w: &'a Key,
    /// What it is called.
    pub name: &'a str,
    /// What it may do: among [`Roster::may_grant`] of the signer.
    pub capabilities: Capabilities,
    /// The hash of the pairing's handshake.
    pub handshake: Option<[u8; 32]>,
    /// What time it is, claimed to everybody.
    pub time: Time,
}

/// How a device came into the vault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Addition {
    /// The record.
    pub record: Identity,
    /// Who signed it.
    pub by: DeviceId,
    /// What it gives: what a device has is the union of all that counts.
    pub capabilities: Capabilities,
    /// The hash of the pairing's handshake, if there was one.
    pub handshake: Option<[u8; 32]>,
}

/// The record that adds a device which has its keys already.
pub fn admit(
    provider: &'static Provider,
    roster: &Roster,
    keys: &ReaderKeys,
    signer: &DeviceKeys,
    options: &AdmitOptions<'_>,
) -> Result<NewRecord, WriteError> {
    check_writable(roster)?;
    let AdmitOptions { verify_key, kem_key, w, name, capabilities, handshake, time } = *options;
    let allowed = roster.may_grant(signer.id);
    if !allowed.contains(capabilities) || capabilities == Capabilities::NONE {
        return Err(WriteError::NotAllowed { signer: signer.id, asked: capabilities, allowed });
    }
    check_room(roster, 1)?;
    let id = device_id(provider, roster.vault, verify_key, kem_key);
    // Such a record is void, unless an admin writes it (SPEC section 11.3).
    let is_admin = roster.devices.get(&signer.id).is_some_and(|device| device.rank >= Rank::Admin);
    if roster.devices.contains_key(&id) && !is_admin {
        return Err(WriteError::NothingNew { device: id });
    }
    // One history does not hold the epochs of another branch, so the device gets every head that the signer has.
    let heads: Vec<&EpochKeys> =
        roster.epochs.iter().filter(|epoch| epoch.is_head).filter_map(|epoch| keys.epochs.get(&epoch.id)).collect();
    let newest = keys.current_epoch().or(heads.last().copied()).ok_or(WriteError::NoEpoch)?;
    let to = Recipient { id, kem_key, w };
    let seal = if capabilities.is_push_only() { boxes::seal_pusher_box } else { boxes::seal_reader_box };
    let seal_box = |epoch: &&EpochKeys| seal(provider, roster.vault, &to, epoch, &keys.domain_root);
    let secret = (id, *w.expose(), as_name(name));
    let private = Private(PrivatePart { devices: vec![secret], stores: Vec::new() });
    let (parents, n) = roster.next_place(signer.id);
    let add =
        Op::Add { id, verify_key: verify_key.to_vec(), kem_key: kem_key.to_vec(), capabilities, slot: None, handshake };
    let record = Record {
        genesis: None,
        time,
        parents,
        n,
        ops: vec![add],
        epoch: None,
        boxes: heads.iter().map(seal_box).collect::<Result<_, _>>()?,
        private: Some(boxes::seal_private(provider, roster.vault, newest, &private.0)?),
    };
    sign(provider, signer, &record)
}

impl Roster {
    /// The records that count and add `device`, in the order in which they apply.
    pub fn additions(&self, device: DeviceId) -> Vec<Addition> {
        let mut found = Vec::new();
        for checked in effective(&self.graph, &self.standing) {
            for op in &checked.record.ops {
                if let Op::Add { id, capabilities, handshake, .. } = op
                    && *id == device
                {
                    let (capabilities, handshake) = (*capabilities, *handshake);
                    found.push(Addition { record: checked.identity, by: checked.signer, capabilities, handshake });
                }
            }
        }
        found
    }
}
