//! Going on without what a store has lost, once a person has said so: it is written down for everybody (rule L-6).

use std::collections::{BTreeMap, BTreeSet};

use vault_format::log::{Accepted, Payload};
use vault_format::{DeviceId, Identity};

use super::access::logs_of;
use super::{Vault, VaultError};
use crate::log::Missing;
use crate::state::{LogPin, Pins};
use crate::store::StoreError;

impl Vault {
    /// Refuses what depends on everybody's logs while a reader reports entries that the store does not show (rule L-3).
    pub(crate) fn check_hearsay(&self) -> Result<(), VaultError> {
        match self.log.hearsay().first() {
            None => Ok(()),
            Some(first) if first.is_record => {
                Err(VaultError::RecordWithheld { by: self.name_of(first.by), seq: first.seq, record: first.head })
            }
            Some(first) => Err(VaultError::Hearsay {
                by: self.name_of(first.by),
                seq: first.seq,
                about: self.name_of(first.about),
                head: first.head,
            }),
        }
    }

    /// What the logs say that people should know: whom not to believe, what nobody shows, and twins of this machine.
    pub(super) fn tell_trust(&mut self, pins: &Pins) {
        let mut warnings = Vec::new();
        for (device, suspicion) in self.log.suspicions() {
            warnings.push(format!(
                "device {} ({device:.8}) is not believed: {suspicion}; its snapshots stay, and count neither as the latest nor as what is stored",
                self.name_of(*device)
            ));
        }
        let (records, hearsay): (Vec<_>, Vec<_>) = self.log.hearsay().iter().partition(|hearsay| hearsay.is_record);
        if let Some(first) = records.first() {
            warnings.push(format!(
                "entry {} of device {} goes by a roster record ({:.8}) that the store does not show, perhaps a revocation: the store withholds it, or the device lies",
                first.seq,
                self.name_of(first.by),
                first.head
            ));
        }
        if let Some(first) = hearsay.first() {
            warnings.push(format!(
                "entry {} of device {} names {} of device {} ({:.8}) that the store does not show: the store withholds it, or the device lies",
                first.seq,
                self.name_of(first.by),
                if hearsay.len() == 1 { "an entry".to_owned() } else { format!("one of {} entries, here", hearsay.len()) },
                self.name_of(first.about),
                first.head
            ));
        }
        for (by, loss) in self.log.adopted() {
            warnings.push(format!(
                "device {} has accepted for everybody that entries of device {} up to {} ({:.8}) are lost",
                self.name_of(*by),
                self.name_of(loss.device),
                loss.pinned_seq,
                loss.pinned
            ));
        }
        if self.has_a_twin(pins) {
            warnings.push(
                "the log of this device has entries that this machine has not written: it was restored from an older state, or another machine uses this device's identity; if so, pair that one"
                    .into(),
            );
        }
        for device in self.log.devices().filter(|device| self.log.heads(*device).len() > 1) {
            self.notes.push(format!(
                "the log of device {} ({device:.8}) has several ends, which its next entry brings together",
                self.name_of(device)
            ));
        }
        self.warnings.extend(warnings);
    }

    pub(super) fn tell_put_back(&mut self, count: usize) {
        self.warnings.push(format!("{} of this device that the store had lost were put back", entries(count)));
    }

    /// After an opening that was to go on whatever is lost: puts back what is known, and writes down what is not.
    pub(super) fn go_on(&mut self, put_back: usize, roster: bool) -> Result<(), VaultError> {
        let lost = self.log.lost().len() + self.log.hearsay().len() + self.own_gaps().len();
        if lost + put_back == 0 && !roster {
            return Ok(());
        }
        if self.ephemeral {
            self.warnings.push(format!("{} lost; this run goes on, and nothing is written down", entries(lost)));
            return Ok(());
        }
        let done = match roster {
            true => self.tell(&self.store.clone()).and_then(|()| self.accept_rollback()),
            false => self.accept_rollback(),
        };
        if roster && done.is_ok() {
            self.warnings.push("roster records that the store had lost were put back".into());
        }
        match done {
            Ok(0) => {}
            Ok(lost) => self.warnings.push(format!(
                "{} lost, which was accepted: this device's log says so, and it goes by what the store shows",
                entries(lost)
            )),
            Err(VaultError::Store(error @ (StoreError::ReadOnly { .. } | StoreError::PermissionDenied { .. }))) => {
                // What this device has seen stays what it has seen.
                self.behind = Some(lost as u64);
                let why = crate::chain(&error);
                self.warnings.push(format!(
                    "{} lost; this run goes on, and nothing could be written down: {why}",
                    entries(lost)
                ));
            }
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// Takes the store as it is: what this device has seen and it does not show is lost.
    pub(super) fn accept_pins(&mut self) -> Result<(), VaultError> {
        self.pinned = self.home.pins(self.id())?;
        let pins = &self.pinned.logs;
        let only = logs_of(&self.roster, self.device.id);
        let pins = pins.iter().filter(|(device, _)| only.as_ref().is_none_or(|only| only.contains(device)));
        let lost = pins.flat_map(|(device, heads)| heads.iter().map(move |pin| (*device, *pin)));
        let lost: Vec<_> = lost.filter(|(_, pin)| self.log.get(&pin.identity).is_none()).collect();
        self.accept(lost)
    }

    /// Of a push-only device a gap in its log is no evidence against the store for others: it is for itself to give up.
    fn own_gaps(&self) -> Vec<(u64, Identity)> {
        if self.is_push_only() { self.log.gaps(self.device.id) } else { Vec::new() }
    }

    /// The same for what was missing when the logs were read, and for what others report and nobody shows.
    pub(super) fn accept_rollback(&mut self) -> Result<usize, VaultError> {
        let mut lost: BTreeMap<Identity, (DeviceId, LogPin)> = BTreeMap::new();
        let mut add = |device, seq, identity| {
            lost.insert(identity, (device, LogPin { seq, identity }));
        };
        self.log.lost().iter().for_each(|Missing { device, seq, identity, .. }| add(*device, *seq, *identity));
        self.log.hearsay().iter().for_each(|hearsay| add(hearsay.about, 0, hearsay.head));
        self.own_gaps().into_iter().for_each(|(seq, identity)| add(self.device.id, seq, identity));
        let count = lost.len();
        self.accept(lost.into_values().collect())?;
        Ok(count)
    }

    /// First what was lost, for everybody, and then nothing here knows of it any more: interrupted in between, the same command
    /// goes on. Claims rest on a store that had more.
    fn accept(&mut self, lost: Vec<(DeviceId, LogPin)>) -> Result<(), VaultError> {
        if self.ephemeral {
            return Ok(());
        }
        if self.lock.is_none() {
            self.lock = Some(self.home.lock(self.id())?);
        }
        let own = lost.iter().filter(|(device, _)| *device == self.device.id);
        self.lost_end = own.map(|(_, pin)| pin.seq).max().unwrap_or(0);
        let losses: BTreeSet<_> = lost
            .into_iter()
            .map(|(device, pin)| {
                let now = self.log.heads(device).first().and_then(|head| self.log.get(head));
                let (now, now_seq) = (now.map(|entry| entry.identity), now.map_or(0, |entry| entry.seq));
                (device, pin.identity, pin.seq, now, now_seq)
            })
            .collect();
        let losses: Vec<Accepted> = losses
            .into_iter()
            .map(|(device, pinned, pinned_seq, now, now_seq)| Accepted { device, pinned, pinned_seq, now, now_seq })
            .collect();
        for losses in losses.chunks(LOSSES) {
            self.append(Payload::Accept(losses.to_vec()))?;
        }
        if !losses.is_empty() {
            self.refresh()?;
        }
        self.lost_end = 0;
        self.behind = None;
        self.pin()?;
        self.drop_claims()
    }
}

fn entries(count: usize) -> String {
    if count == 1 { "1 log entry".into() } else { format!("{count} log entries") }
}

/// Losses in one entry, of 110 bytes each: half of what a body may have.
const LOSSES: usize = 800;
