//! The vaults that this machine knows, without asking any store.

use vault_format::log::Payload;
use vault_format::roster::Capabilities;
use vault_format::{DeviceId, Time, VaultId};

use super::records::Records;
use crate::roster::Roster;
use crate::state::{DeviceState, Home, StateError};

/// A vault of the local state.
#[derive(Debug)]
pub struct KnownVault {
    /// Which one.
    pub id: VaultId,
    /// Commands use it unless told otherwise.
    pub is_default: bool,
    /// What is known of it. An error: its state cannot be read, which does not hide the others.
    pub state: Result<KnownState, StateError>,
}

/// What the local state says of a vault, as of when this machine last opened it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownState {
    /// Where this machine met it.
    pub url: String,
    /// Who this machine is there.
    pub device: DeviceId,
    /// What it is called there.
    pub device_name: String,
    /// What it may do; None: nobody knows, the copy of the roster is gone. Nothing: it was revoked.
    pub capabilities: Option<Capabilities>,
    /// When it last pushed, by its own clock.
    pub last_push: Option<Time>,
    /// It is being paired, or was when it was interrupted.
    pub joining: bool,
}

/// All vaults that this machine knows, by id.
pub fn known_vaults(home: &Home) -> Result<Vec<KnownVault>, StateError> {
    let default = home.default_vault()?;
    let known = |id| KnownVault { id, is_default: default == Some(id), state: known(home, id) };
    Ok(home.vaults()?.into_iter().map(known).collect())
}

fn known(home: &Home, id: VaultId) -> Result<KnownState, StateError> {
    let DeviceState { keys, url, name } = home.device(id)?;
    Ok(KnownState {
        url,
        device: keys.id,
        device_name: name,
        capabilities: capabilities(home, id, keys.id),
        last_push: last_push(home, id, keys.id),
        joining: home.joining(id)?.is_some(),
    })
}

fn capabilities(home: &Home, id: VaultId, device: DeviceId) -> Option<Capabilities> {
    let records = Records::unpack(home.roster_cache(id)?.expose());
    let roster = Roster::build(home.provider(id).ok()?, records.all(), Some(id)).ok()?;
    let device = roster.devices.get(&device)?;
    Some(if device.is_member() { device.capabilities } else { Capabilities::NONE })
}

fn last_push(home: &Home, id: VaultId, device: DeviceId) -> Option<Time> {
    let (_, entries) = crate::log::Saved::load(home, id);
    let own = entries.iter().filter(|entry| entry.device == device);
    let snapshots = own.filter(|entry| matches!(entry.body.payload, Payload::Snapshot(_)));
    snapshots.max_by_key(|entry| entry.seq).map(|entry| entry.body.time)
}
