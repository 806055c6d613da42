//! Device logs: what each device says, verified, in the order in which it said it (SPEC section 10).
mod bounds;
mod cache;
mod checkpoint;
mod ids;
mod parts;
mod past;
mod read;
mod refused;
mod snapshots;
mod trust;

use std::borrow::Cow;
use std::collections::{BTreeMap, HashSet};
use std::sync::{Arc, OnceLock};

use thiserror::Error;
use vault_format::log::{Accepted, Body, EntryRef, Heads, Payload};
use vault_format::name::{ObjectName, PackName};
use vault_format::{DeviceId, Domain, FormatError, Identity, ObjectHash, Time};

pub(crate) use checkpoint::CheckpointReader;
use ids::IdMap;
pub(crate) use parts::Saved;
pub(crate) use past::Past;
pub(crate) use read::{Known, Local, LogListing, LogReader, Opened, Refusal};
pub(crate) use refused::Refused;
pub use snapshots::{SnapshotInfo, SnapshotRef};
pub(crate) use snapshots::{Unresolved, resolve};
pub use trust::{Fault, Hearsay, Suspicion};

use crate::Trouble;
use crate::store::StoreError;

/// A verified entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogEntry {
    /// The writer.
    pub device: DeviceId,
    /// Its position in the writer's log.
    pub seq: u64,
    /// What it is known by.
    pub identity: Identity,
    /// The entries that it follows.
    pub prev: Vec<Identity>,
    /// Hash of the stored bytes.
    pub object: ObjectHash,
    /// In which domain it and its tables are sealed.
    pub domain: Domain,
    /// What it says.
    pub body: Body,
    /// The bytes of a body of a kind that this version does not know.
    pub(crate) raw: Option<Box<[u8]>>,
    /// When this device read it first, in whole seconds of its own clock: never compared with what devices claim.
    pub first_seen: Time,
    /// What it says against its writer.
    pub fault: Option<Fault>,
    /// It is of a copy, and could not be judged when it was read last: where the store lists it, it is judged again.
    pub(crate) is_undecided: bool,
}

impl LogEntry {
    /// The body of an entry that can be verified and not opened. A body that was read names roster heads, this one none.
    pub(crate) fn sealed_body() -> Body {
        Body {
            time: Time::default(),
            roster_heads: Vec::new(),
            other_heads: BTreeMap::new(),
            seen: Heads::new(),
            deltas: Vec::new(),
            parts: BTreeMap::new(),
            payload: Payload::Unknown(SEALED),
        }
    }

    /// The name of its object.
    pub(crate) fn name(&self) -> ObjectName {
        ObjectName::Log { device: self.device, seq: self.seq, hash: self.object }
    }

    /// The bytes of a body of a kind that this version does not know.
    pub(crate) fn raw_of(body: &Body, bytes: &[u8]) -> Option<Box<[u8]>> {
        // What could not be opened has none.
        (matches!(body.payload, Payload::Unknown(_)) && !bytes.is_empty()).then(|| bytes.into())
    }

    /// The bytes of its body, but for fields that this version does not know. None: this device could not open it.
    pub(crate) fn body_bytes(&self) -> Option<Cow<'_, [u8]>> {
        match &self.raw {
            Some(raw) => Some(Cow::Borrowed(raw)),
            None if self.is_sealed() => None,
            None => self.body.encode().ok().map(Cow::Owned),
        }
    }

    /// Whether it could not be opened: then all that is known of it is where it stands.
    pub fn is_sealed(&self) -> bool {
        self.body.roster_heads.is_empty()
    }

    /// An undecided one, as it was when it was read first.
    pub(crate) fn into_unjudged(self) -> Self {
        // Of what it says itself nothing but this is found without what it names.
        let fault = self.fault.filter(|fault| *fault == Fault::Unreadable);
        Self { fault, is_undecided: false, ..self }
    }

    /// Whether it was not for this device to open: a push-only device knows of a reader's entries only where they stand.
    pub(crate) fn is_for_others(&self) -> bool {
        self.is_sealed() && self.fault != Some(Fault::Unreadable)
    }
}

/// All logs of a vault, as far as this device can verify them.
#[derive(Default)]
pub struct Log {
    entries: IdMap<Identity, Arc<LogEntry>>,
    /// Each device's entries, by (seq, identity).
    devices: BTreeMap<DeviceId, BTreeMap<(u64, Identity), Arc<LogEntry>>>,
    /// Entries that cannot be judged yet, because the store does not show all that they name: they are kept as such, and judged
    /// in each run.
    unjudged: HashSet<Identity>,
    /// Entries that are shown and do not count by the roster as it is now: they are not lost.
    unfounded: HashSet<Identity>,
    /// Some of these counted by an earlier one.
    lacks_unfounded: bool,
    /// Objects that are no entries of this vault: never fatal.
    junk: Vec<Junk>,
    /// Devices whose logs are not what an honest device writes, with the first thing that says so.
    suspicions: BTreeMap<DeviceId, Suspicion>,
    /// Heads that readers report and that the store does not show.
    hearsay: Vec<Hearsay>,
    /// What the store should show and does not, if a person has said to go on without it.
    lost: Vec<Missing>,
    /// Losses of this device's own that an admin has accepted for everybody.
    adopted: Vec<(DeviceId, Accepted)>,
    /// What follows what, once somebody has asked.
    chains: OnceLock<past::Chains>,
}

/// An object in a log prefix that is no entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Junk {
    /// Its path in the store.
    pub path: String,
    /// What is wrong with it.
    pub reason: String,
    /// It will never be anything else: a later run need not look at it again.
    pub(crate) is_final: bool,
    /// An entry but for the roster: a later run need not look at it again before that says otherwise.
    pub(crate) unfounded: Option<Unfounded>,
}

/// What the roster is asked about an entry whose device may not write to its domain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Unfounded {
    /// What it is known by.
    pub(crate) identity: Identity,
    /// Where it says that it belongs.
    pub(crate) domain: Domain,
}

/// Something that should be in the store and is not: the store was rolled back, or somebody deleted it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Missing {
    /// The device whose entry is missing.
    pub device: DeviceId,
    /// What that device is called.
    pub name: String,
    /// Its position; 0 where that is not known.
    pub seq: u64,
    /// What it is known by.
    pub identity: Identity,
    /// How this device knows of it.
    pub known: &'static str,
    /// When this device saw it last, if it has.
    pub since: Option<Time>,
}

/// Why logs cannot be read or trusted.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum LogError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Evidence against the store.
    #[error(
        "the store no longer shows {} log entr{} that this device has seen: {}",
        .0.len(), if .0.len() == 1 { "y" } else { "ies" }, missing_list(.0)
    )]
    Missing(Vec<Missing>),
    /// An entry that was fine is damaged now.
    #[error("the log entry {path} is damaged: {reason}")]
    Damaged {
        /// Its path in the store.
        path: String,
        /// What is wrong with it.
        reason: String,
    },
    /// An entry could not be written.
    #[error("the log entry cannot be made")]
    Format(#[from] FormatError),
}

impl Missing {
    /// Which of the device's entries.
    pub(crate) fn place(&self) -> String {
        if self.seq == 0 { "an entry".into() } else { format!("entry {}", self.seq) }
    }

    /// A revocation names it, which may have been written after the logs were listed, and it before that.
    pub(crate) fn may_be_new(&self) -> bool {
        // A log that was listed from its ends on does not show what the local copy lacks.
        self.known == trust::ADOPTED || self.known == trust::GAP
    }
}

impl LogError {
    /// Logs that are listed again may show what is missing.
    pub(crate) fn may_be_new(&self) -> bool {
        matches!(self, Self::Missing(missing) if missing.iter().any(Missing::may_be_new))
    }

    /// What kind of trouble this is.
    pub fn trouble(&self) -> Trouble {
        match self {
            Self::Store(error) => error.trouble(),
            Self::Missing(_) | Self::Damaged { .. } => Trouble::Integrity,
            Self::Format(_) => Trouble::Failed,
        }
    }

    /// What to do about it.
    pub fn hints(&self) -> Vec<String> {
        match self {
            Self::Store(error) => error.hints(),
            Self::Missing(_) => vec![
                "somebody rolled the storage back or deleted from it; ask who has access, and look for a copy with these entries".into(),
                "if they are lost for good: --accept-rollback goes on without them, puts back what this device has kept, and writes down what it has not".into(),
            ],
            Self::Damaged { .. } => vec!["restore this object from a copy of the storage, then run 'zvault check'".into()],
            Self::Format(_) => Vec::new(),
        }
    }
}

impl Log {
    /// The entry with this identity.
    pub fn get(&self, identity: &Identity) -> Option<&LogEntry> {
        self.entries.get(identity).map(|entry| &**entry)
    }

    /// Number of entries.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether no device has said anything yet.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Objects that are no entries.
    pub fn junk(&self) -> &[Junk] {
        &self.junk
    }

    /// The devices with entries.
    pub fn devices(&self) -> impl Iterator<Item = DeviceId> + '_ {
        self.devices.keys().copied()
    }

    /// The entries of a device in order of (seq, identity).
    pub fn of(&self, device: DeviceId) -> impl DoubleEndedIterator<Item = &LogEntry> + Clone {
        self.devices.get(&device).into_iter().flat_map(BTreeMap::values).map(|entry| &**entry)
    }

    /// All entries, device by device.
    pub fn entries(&self) -> impl Iterator<Item = &LogEntry> + Clone {
        self.devices.keys().flat_map(|device| self.of(*device))
    }

    /// The least position that an entry after `heads` has.
    pub(crate) fn next_seq(&self, heads: &[Identity]) -> u64 {
        let last = heads.iter().filter_map(|head| self.entries.get(head)).map(|entry| entry.seq).max();
        last.unwrap_or(0).saturating_add(1)
    }

    /// Packs named in any condemn of a device in `collectors`: never to be claimed again (GC-3).
    pub(crate) fn condemned(&self, collectors: &[DeviceId]) -> HashSet<PackName> {
        let mut packs = HashSet::new();
        for entry in collectors.iter().flat_map(|device| self.of(*device)) {
            if let Payload::Condemn(names) = &entry.body.payload {
                packs.extend(names.iter().copied());
            }
        }
        packs
    }

    /// Losses that people have accepted, with the device on which they did, as far as they are losses: the head from before
    /// is not there, and the one of now is that device's, at its place.
    pub fn accepted(&self) -> Vec<(DeviceId, Accepted)> {
        let is_lost = |loss: &Accepted| {
            let now = loss.now.as_ref().map(|now| self.get(now));
            let is_at_its_place = match now {
                Some(entry) => entry.is_some_and(|entry| entry.device == loss.device && entry.seq == loss.now_seq),
                None => loss.now_seq == 0,
            };
            is_at_its_place && self.get(&loss.pinned).is_none()
        };
        let accepts = self.entries().filter_map(|entry| match &entry.body.payload {
            Payload::Accept(losses) => Some(losses.iter().map(|loss| (entry.device, *loss))),
            _ => None,
        });
        accepts.flatten().filter(|(_, loss)| is_lost(loss)).collect()
    }

    /// Snapshots that a device in `collectors` has told to forget.
    pub(crate) fn forgotten(&self, collectors: &[DeviceId]) -> HashSet<Identity> {
        let mut forgotten = HashSet::new();
        for entry in collectors.iter().flat_map(|device| self.of(*device)) {
            if let Payload::Forget(refs) = &entry.body.payload {
                forgotten.extend(refs.iter().map(|EntryRef { identity, .. }| *identity));
            }
        }
        forgotten
    }

    /// Takes a verified entry.
    pub(crate) fn insert(&mut self, entry: impl Into<Arc<LogEntry>>) {
        self.chains.take();
        let entry = entry.into();
        self.devices.entry(entry.device).or_default().insert((entry.seq, entry.identity), Arc::clone(&entry));
        self.entries.insert(entry.identity, entry);
    }

    /// All entries that have been judged.
    pub(crate) fn judged(&self) -> impl Iterator<Item = &Arc<LogEntry>> {
        self.devices.values().flat_map(BTreeMap::values).filter(|entry| !self.unjudged.contains(&entry.identity))
    }

    /// All entries, to be read into another log.
    pub(crate) fn to_known(&self) -> Vec<Arc<LogEntry>> {
        let known = |entry: &Arc<LogEntry>| match self.unjudged.contains(&entry.identity) {
            true => Arc::new(LogEntry { is_undecided: true, ..LogEntry::clone(entry) }),
            false => Arc::clone(entry),
        };
        self.devices.values().flat_map(BTreeMap::values).map(known).collect()
    }

    pub(crate) fn remove(&mut self, identity: &Identity) {
        self.chains.take();
        if let Some(entry) = self.entries.remove(identity)
            && let Some(entries) = self.devices.get_mut(&entry.device)
        {
            entries.remove(&(entry.seq, entry.identity));
        }
    }
}

fn missing_list(missing: &[Missing]) -> String {
    let mut text: Vec<_> = missing
        .iter()
        .take(4)
        .map(|m| {
            let since = m.since.map_or_else(String::new, |time| format!(", last on {}", crate::time_text(time)));
            format!("{} of device {} ({:.8}): {:.8}, {}{since}", m.place(), m.name, m.device, m.identity, m.known)
        })
        .collect();
    if missing.len() > 4 {
        text.push(format!("and {} more", missing.len() - 4));
    }
    text.join("; ")
}

/// No kind of any version: of 128 and above anybody may skip them.
const SEALED: u8 = 255;

#[cfg(test)]
pub(super) mod testing {
    use super::*;

    /// An entry without predecessors, known by `n`.
    pub(in crate::log) fn entry(device: u8, seq: u64, n: u64, payload: Payload) -> LogEntry {
        let mut identity = [device; 32];
        identity[..8].copy_from_slice(&n.to_be_bytes());
        let body = Body {
            time: Time { secs: n as i64, nanos: 0 },
            roster_heads: vec![Identity([1; 32])],
            other_heads: BTreeMap::new(),
            seen: Heads::new(),
            deltas: Vec::new(),
            parts: BTreeMap::new(),
            payload,
        };
        let (identity, object) = (Identity(identity), ObjectHash(identity));
        let (device, domain, prev) = (DeviceId([device; 16]), Domain::SHARED, Vec::new());
        let first_seen = Time::default();
        let raw = None;
        LogEntry {
            device,
            seq,
            identity,
            prev,
            object,
            domain,
            body,
            raw,
            first_seen,
            fault: None,
            is_undecided: false,
        }
    }
}
