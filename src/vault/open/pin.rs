//! What this device has seen of a vault: kept, so that no store can show it less.

use std::collections::{BTreeMap, BTreeSet};

use crypto_backends::SecretBytes;
use vault_format::{DeviceId, Time};

use crate::log::{Missing, Refused};
use crate::state::{LogPin, Pins};
use crate::sync::lock;
use crate::vault::access::logs_of;
use crate::vault::records::Records;
use crate::vault::{Vault, VaultError};

impl Vault {
    /// Remembers what this device has seen: the store cannot show it less from now on.
    pub(in crate::vault) fn pin(&self) -> Result<(), VaultError> {
        if self.ephemeral {
            return Ok(());
        }
        let refused = Refused::of(&self.log);
        if self.home.refused(self.id()).map_or_else(Refused::default, |known| Refused::unpack(known.expose()))
            != refused
        {
            self.home.set_refused(self.provider, self.id(), &SecretBytes::new(refused.pack()))?;
        }
        // A store that is behind does not make this machine forget what it has seen.
        if self.behind.is_some() {
            return Ok(());
        }
        let mut logs = self.log_pins();
        let known = self.home.pins(self.id())?;
        let mut seen = BTreeMap::new();
        if let Some(only) = logs_of(&self.roster, self.device.id) {
            // What it was told in its pairing of logs that it does not read: one day it may.
            let others = known.logs.iter().filter(|(device, _)| !only.contains(device));
            logs.extend(others.map(|(device, heads)| (*device, heads.clone())));
            seen.clone_from(&known.seen);
        }
        let now = Time { nanos: 0, ..crate::now() };
        let is_old = |device: DeviceId| {
            known.seen.get(&device).is_none_or(|time| !(0..AN_HOUR).contains(&(now.secs - time.secs)))
        };
        let is_news = known.roster_heads != self.roster.heads
            || known.logs != logs
            || self.records.learns_from(&self.roster.ignored);
        let mut saved = lock(&self.saved);
        let is_new = !saved.holds(&self.log);
        if is_new || is_news || self.log.devices().any(is_old) || self.home.roster_cache(self.id()).is_none() {
            seen.extend(self.log.devices().map(|device| (device, now)));
            let mut pins = Pins { roster_heads: self.roster.heads.clone(), logs, seen };
            // Runs that only read hold no other lock.
            let _lock = self.home.lock_copy(self.id(), true)?;
            // A run that has listed later may have been faster: what it has seen stays.
            let later = self.home.pins(self.id())?.without(&self.pinned);
            pins.keep(&later, |record| self.roster.knows(*record), |entry| self.log.get(entry).is_some());
            let kept = match later.roster_heads.iter().all(|head| self.roster.knows(*head)) {
                true => None,
                false => self.home.roster_cache(self.id()).map(|plain| Records::unpack(plain.expose())),
            };
            // Pins come last: what is pinned is in these copies.
            // Noise that anybody can plant must not take the place of records.
            let records = self.records.pack_with(self.provider, &self.roster, kept);
            self.home.set_roster_cache(self.provider, self.id(), &records)?;
            if is_new {
                saved.save(&self.home, self.provider, self.id(), &self.log)?;
            }
            self.home.set_pins(self.provider, self.id(), &pins)?;
        }
        Ok(())
    }

    /// The heads of all logs.
    pub(crate) fn log_pins(&self) -> BTreeMap<DeviceId, Vec<LogPin>> {
        let heads = |device| {
            let pin = |identity| self.log.get(&identity).map(|entry| LogPin { seq: entry.seq, identity });
            self.log.heads(device).into_iter().filter_map(pin).collect()
        };
        self.log.devices().map(|device| (device, heads(device))).collect()
    }
}

/// What this device has seen of the logs that it reads: of `only` some devices, or of all.
pub(in crate::vault) fn pinned(pins: &Pins, only: Option<&BTreeSet<DeviceId>>) -> Vec<Missing> {
    let reads = |device: &DeviceId| only.is_none_or(|only| only.contains(device));
    let logs = pins.logs.iter().filter(|(device, _)| reads(device));
    let heads = logs.flat_map(|(device, heads)| heads.iter().map(move |pin| (*device, pin)));
    let missing = |(device, pin): (DeviceId, &LogPin)| Missing {
        device,
        name: String::new(),
        seq: pin.seq,
        identity: pin.identity,
        known: "seen by this device",
        since: pins.seen.get(&device).copied(),
    };
    heads.map(missing).collect()
}

/// Seconds after which it is noted again that a log was seen as it is.
const AN_HOUR: i64 = 3600;
