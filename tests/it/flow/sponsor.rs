//! Makes push-only devices, as pairing does: with the library, from the state of a machine that may add devices.

use crate::runner::World;
use std::path::PathBuf;
use vault_format::ObjectName;
use vault_format::roster::Capabilities;
use zvault::VaultId;
use zvault::roster::{EnrollOptions, NewRecord, Roster, enroll};
use zvault::state::{DeviceState, Home};
use zvault::store::StoreUrl;

/// A push-only device as the roster knows it.
pub(crate) struct PushOnly {
    /// Its id, 32 hex digits.
    pub(crate) device: String,
    /// Those of devices that may collect.
    pub(crate) collectors: Vec<String>,
    /// To be stored: then it is a device.
    pub(crate) record: NewRecord,
}

/// Makes `machine` a push-only device of the vault at `url`, whose roster `records` are. `sponsor` adds it.
pub(crate) fn push_only(sponsor: &World, machine: &World, url: &str, records: &[(ObjectName, Vec<u8>)]) -> PushOnly {
    let provider = crate::runner::provider();
    let home = home_of(sponsor);
    let id: VaultId = home.vaults().expect("listed")[0];
    let signer = home.device(id).expect("read").keys;
    let roster = Roster::build(provider, records, Some(id)).expect("a roster");
    let keys = roster.open_as(provider, &signer).expect("a reader");
    let options = EnrollOptions { name: "server", capabilities: Capabilities::PUSH, time: zvault::now() };
    let enrolled = enroll(provider, &roster, &keys, &signer, &options).expect("a record");
    let collects = |id: &vault_format::DeviceId| roster.devices[id].capabilities.contains(Capabilities::PRUNE);
    let collectors = roster.devices.keys().filter(|id| collects(id)).map(ToString::to_string).collect();
    let device = enrolled.device.id.to_string();
    let url = StoreUrl::parse(url).expect("a URL").to_string();
    let state = DeviceState { keys: enrolled.device, url, name: "server".into() };
    home_of(machine).set_device(provider, &state).expect("written");
    PushOnly { device, collectors, record: enrolled.record }
}

/// The names below a folder or bucket that are roster records.
pub(crate) fn records_of(names: &[String], get: impl Fn(&str) -> Vec<u8>) -> Vec<(ObjectName, Vec<u8>)> {
    let named = names.iter().filter_map(|name| Some((ObjectName::parse(name)?, name)));
    let records = named.filter(|(name, _)| matches!(name, ObjectName::Roster { .. }));
    records.map(|(name, path)| (name, get(path))).collect()
}

fn home_of(world: &World) -> Home {
    let path: PathBuf = world.path("user/.local/state/zvault");
    Home::open(&path).expect("a home")
}
