//! What a device has seen of a vault, so that a store cannot show it less.

use super::codec::{Reader, Writer};
use crypto_backends::SecretBytes;
use std::collections::BTreeMap;
use vault_format::Time;
use vault_format::ids::{DeviceId, Identity};

/// The newest state of a vault that this device has verified.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pins {
    /// Heads of the roster.
    pub roster_heads: Vec<Identity>,
    /// Heads of each device's log, its own among them. More than one: the device forked its log.
    pub logs: BTreeMap<DeviceId, Vec<LogPin>>,
    /// When this device saw the heads of a log last, to within an hour, by its own clock.
    pub seen: BTreeMap<DeviceId, Time>,
}

/// A head of a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LogPin {
    /// Its number in the log.
    pub seq: u64,
    /// Its identity.
    pub identity: Identity,
}

impl Pins {
    /// What of this was not there `before`.
    pub(crate) fn without(mut self, before: &Self) -> Self {
        self.roster_heads.retain(|head| !before.roster_heads.contains(head));
        self.logs.iter_mut().for_each(|(device, heads)| {
            heads.retain(|head| before.logs.get(device).is_none_or(|before| !before.contains(head)));
        });
        self.logs.retain(|_, heads| !heads.is_empty());
        self
    }

    /// Adds heads that another run has seen and this one does not know. Those that it does know are heads, or older than its own.
    pub(crate) fn keep(
        &mut self,
        others: &Self,
        knows_record: impl Fn(&Identity) -> bool,
        knows_entry: impl Fn(&Identity) -> bool,
    ) {
        let heads = others.roster_heads.iter().filter(|head| !knows_record(head));
        self.roster_heads.extend(heads);
        for (device, heads) in &others.logs {
            for head in heads.iter().filter(|head| !knows_entry(&head.identity)) {
                let own = self.logs.entry(*device).or_default();
                if !own.contains(head) {
                    own.push(*head);
                }
                if let Some(time) = others.seen.get(device) {
                    self.seen.insert(*device, *time);
                }
            }
        }
    }

    pub(super) fn encode(&self) -> SecretBytes {
        let mut out = Writer::new();
        out.number(self.roster_heads.len() as u64);
        for head in &self.roster_heads {
            out.fixed(&head.0);
        }
        out.number(self.logs.len() as u64);
        for (device, heads) in &self.logs {
            out.fixed(&device.0).number(heads.len() as u64);
            for head in heads {
                out.number(head.seq).fixed(&head.identity.0);
            }
        }
        out.number(self.seen.len() as u64);
        for (device, time) in &self.seen {
            out.fixed(&device.0).number(time.secs.max(0) as u64);
        }
        out.finish()
    }

    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(bytes);
        let mut pins = Self::default();
        for _ in 0..reader.count(32)? {
            pins.roster_heads.push(Identity(reader.fixed()?));
        }
        for _ in 0..reader.count(16 + 8)? {
            let device = DeviceId(reader.fixed()?);
            let mut heads = Vec::new();
            for _ in 0..reader.count(8 + 32)? {
                heads.push(LogPin { seq: reader.number()?, identity: Identity(reader.fixed()?) });
            }
            pins.logs.insert(device, heads);
        }
        // Earlier versions end here.
        if reader.is_empty() {
            return Some(pins);
        }
        for _ in 0..reader.count(16 + 8)? {
            let device = DeviceId(reader.fixed()?);
            pins.seen.insert(device, Time { secs: reader.number()?.min(i64::MAX as u64) as i64, nanos: 0 });
        }
        reader.end()?;
        Some(pins)
    }
}
