//! More capabilities for a device, and other names.

use super::{super::state::Rank, Author, NAME, NewRecord, WriteError};
use vault_format::{
    ids::DeviceId,
    roster::{Capabilities, Op},
};

impl Author<'_> {
    /// Gives a device more capabilities: they are never taken away again, but with the device.
    ///
    /// One that was push-only and may read from now on gets the keys of the head epochs, and by them those of all before.
    pub fn grant(&self, device: DeviceId, more: Capabilities) -> Result<NewRecord, WriteError> {
        let known = self.member(device)?;
        self.admin_rank()?;
        if known.slot.is_some() {
            return Err(WriteError::WrongSort { device, is_slot: true });
        }
        let together = known.capabilities | more;
        if together == known.capabilities {
            return Err(WriteError::NothingNew { device });
        }
        let mut record = self.draft()?;
        // An admin's rank rests on no record of a device with `pair`: it goes when that is revoked.
        let by = self.roster.devices.get(&known.added_by);
        let again = more.contains(Capabilities::ADMIN) && by.is_none_or(|by| by.rank < Rank::Admin);
        if again {
            record.ops.push(Op::Add {
                id: device,
                verify_key: known.verify_key.clone(),
                kem_key: known.kem_key.clone(),
                capabilities: together,
                slot: None,
                handshake: None,
            });
            let name = self.names().get(&device).cloned().unwrap_or_default();
            self.seal_devices(&mut record, vec![(device, *self.secret_of(device)?.expose(), name)])?;
        } else {
            record.ops.push(Op::Grant { id: device, capabilities: more });
        }
        if again || known.capabilities.is_push_only() && !together.is_push_only() {
            for epoch in self.known_heads() {
                record.boxes.push(self.seal_box_as(epoch, device, together)?);
            }
        }
        let (record, merged) = self.finish(&record)?;
        let has_keys = merged.current_epoch.is_none_or(|epoch| !merged.without_box(epoch).contains(&device));
        if merged.devices.get(&device).is_none_or(|now| now.capabilities != together) || !has_keys {
            return Err(WriteError::NoEffect);
        }
        Ok(record)
    }

    /// Calls a device something else. Names are for readers: the greatest (n, identity) of those that an admin gave counts.
    pub fn rename(&self, device: DeviceId, name: &str) -> Result<NewRecord, WriteError> {
        self.member(device)?;
        self.admin_rank()?;
        check_name(name)?;
        if self.names().get(&device).is_some_and(|known| known == name) {
            return Err(WriteError::NothingNew { device });
        }
        let mut record = self.draft()?;
        let secret = *self.secret_of(device)?.expose();
        self.seal_devices(&mut record, vec![(device, secret, name.to_owned())])?;
        let (record, merged) = self.finish(&record)?;
        let keys = self.open(&merged)?;
        let is_called = keys.device_names.get(&device).is_some_and(|known| known == name);
        if is_called { Ok(record) } else { Err(WriteError::NoEffect) }
    }
}

/// Names are shown on terminals of other people.
pub(super) fn check_name(name: &str) -> Result<(), WriteError> {
    let fits = (1..=NAME).contains(&name.len()) && !name.chars().any(char::is_control);
    if fits && !looks_like_id(name) { Ok(()) } else { Err(WriteError::Name) }
}

/// A name that nobody takes for an id: a machine that is called `cafe` keeps that in its name.
pub(in super::super) fn as_name(name: &str) -> String {
    if looks_like_id(name) { format!("device {name}").chars().take(NAME).collect() } else { name.to_owned() }
}

/// Devices are named by the beginning of their ids, too, and one device's name is not to be that of another one's id.
fn looks_like_id(name: &str) -> bool {
    name.len() >= 4 && name.bytes().all(|c| c.is_ascii_hexdigit())
}
