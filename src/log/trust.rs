//! What a log says against its own device, and what devices say of others that nobody shows (rules L-2, L-3, L-6).
//!
//! What is missing is evidence against the store, and stops everybody. What a device has signed and no honest one would is
//! evidence against that device alone, or else whoever holds one key would stop all the others.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;
use std::sync::{Arc, OnceLock};

use vault_format::log::{Accepted, Payload};
use vault_format::roster::Capabilities;
use vault_format::{DeviceId, Identity, limits};

use super::read::Revoked;
use super::{Log, LogEntry, LogReader, Missing};

/// What an entry says against its writer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It is signed, and what is in it is no entry.
    Unreadable,
    /// Its number does not follow from its predecessors.
    Number,
    /// It has seen less of a collector's log than its predecessor.
    Seen,
    /// It goes by an older roster than its predecessor.
    Roster,
    /// Its log has more open heads than others can name. Of the log, and of no entry.
    Heads,
}

/// Why a device's entries do not count for others, though they are listed and can be restored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Suspicion {
    /// The entry that says so.
    pub seq: u64,
    /// What it is known by.
    pub identity: Identity,
    /// What is wrong with it; None: the entry before it is not shown.
    pub fault: Option<Fault>,
}

/// A head that a device reports of another one's log, or of the roster, and that the store does not show: it withholds it, or the
/// device lies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hearsay {
    /// Who reports it.
    pub by: DeviceId,
    /// In which entry.
    pub seq: u64,
    /// Whose log it is of; of the roster, who reports it.
    pub about: DeviceId,
    /// The head.
    pub head: Identity,
    /// It is of the roster.
    pub is_record: bool,
}

impl Fault {
    /// Whether the entry itself counts for nothing.
    pub(crate) fn is_void(self) -> bool {
        matches!(self, Self::Unreadable | Self::Number | Self::Seen)
    }

    pub(super) fn number(self) -> u8 {
        match self {
            Self::Unreadable => 1,
            Self::Number => 2,
            Self::Seen => 3,
            Self::Roster => 4,
            Self::Heads => 5,
        }
    }

    pub(super) fn from_number(number: u8) -> Option<Self> {
        [Self::Unreadable, Self::Number, Self::Seen, Self::Roster].into_iter().find(|fault| fault.number() == number)
    }
}

impl fmt::Display for Suspicion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { seq, identity, fault } = self;
        match fault {
            None => write!(
                f,
                "its entry {seq} ({identity:.8}) follows one that the store does not show: the store withholds it, or the device lies"
            ),
            Some(Fault::Unreadable) => write!(f, "it has signed as its entry {seq} ({identity:.8}) what is none"),
            Some(Fault::Number) => write!(f, "the number of its entry {seq} ({identity:.8}) does not follow"),
            Some(Fault::Seen) => write!(f, "its entry {seq} ({identity:.8}) has seen less than the one before it"),
            Some(Fault::Roster) => {
                write!(f, "its entry {seq} ({identity:.8}) goes by an older roster than the one before it")
            }
            Some(Fault::Heads) => {
                write!(f, "its log has more than {} open ends, up to entry {seq} ({identity:.8})", limits::ENTRY_HEADS)
            }
        }
    }
}

impl Log {
    /// Devices whose logs are not what an honest device writes. Their entries are listed and can be restored, and do not
    /// count for others: not as the latest, and not as what is stored already.
    pub fn suspicions(&self) -> &BTreeMap<DeviceId, Suspicion> {
        &self.suspicions
    }

    /// Whether a device's entries count for others.
    pub(crate) fn is_suspect(&self, device: DeviceId) -> bool {
        self.suspicions.contains_key(&device)
    }

    /// Heads that readers report and that the store does not show.
    pub fn hearsay(&self) -> &[Hearsay] {
        &self.hearsay
    }

    /// Whether entries were taken out that counted by an earlier roster.
    pub(crate) fn lacks_unfounded(&self) -> bool {
        self.lacks_unfounded
    }

    /// What the store should show and does not, of a log that was read to go on without it.
    pub(crate) fn lost(&self) -> &[Missing] {
        &self.lost
    }

    /// Losses that this device would have noticed and that an admin has accepted for everybody, with that admin's device.
    pub(crate) fn adopted(&self) -> &[(DeviceId, Accepted)] {
        &self.adopted
    }

    /// Judges entries that were read now for the first time by what they say themselves.
    pub(super) fn judge(&mut self, reader: &dyn LogReader, fresh: &[Identity]) {
        let new = fresh.iter().filter_map(|identity| self.get(identity)).filter(|entry| entry.fault.is_none());
        let verdicts: Vec<_> = new.map(|entry| (entry.identity, self.verdict(reader, entry))).collect();
        for (identity, verdict) in verdicts {
            match (verdict, self.get(&identity)) {
                (Verdict::Fault(fault), Some(entry)) => {
                    let entry = LogEntry { fault: Some(fault), ..entry.clone() };
                    // Its place among the others stays what it is.
                    let chains = self.chains.take();
                    self.insert(entry);
                    self.chains = chains.map(OnceLock::from).unwrap_or_default();
                }
                (Verdict::Open, _) => drop(self.unjudged.insert(identity)),
                _ => {}
            }
        }
        // A log counts as known up to one of these and no further: it is listed again from there on.
        let mut from: BTreeMap<DeviceId, u64> = BTreeMap::new();
        for entry in self.unjudged.iter().filter_map(|identity| self.get(identity)) {
            let first = from.entry(entry.device).or_insert(entry.seq);
            *first = entry.seq.min(*first);
        }
        let after = |(device, seq): (&DeviceId, &u64)| {
            self.of(*device).filter(|entry| entry.seq >= *seq).map(|entry| entry.identity).collect::<Vec<_>>()
        };
        let later: Vec<_> = from.iter().flat_map(after).collect();
        self.unjudged.extend(later);
    }

    /// What is missing and nobody has accepted, and at the same time whom and what not to believe.
    ///
    /// `gone` are entries that this device has read before and that are not shown.
    pub(super) fn missing(
        &mut self,
        reader: &dyn LogReader,
        gone: &HashMap<Identity, Arc<LogEntry>>,
        pins: &[Missing],
        revoked: &Revoked,
    ) -> Vec<Missing> {
        // Of a revoked device nobody misses what is void.
        let counts = |device, identity| reader.revoked_after(device).is_none() || revoked.past.contains(identity);
        let accepts = self.accepts();
        let own = reader.own();
        let is_admin = |by: DeviceId| reader.capabilities(by).contains(Capabilities::ADMIN);
        // An accepted head stands for all that was lost with it.
        let mut accepted: HashSet<Identity> = HashSet::new();
        let mut open: Vec<_> = Vec::new();
        for (by, loss) in accepts.iter().filter(|(by, _)| *by == own || is_admin(*by)) {
            // What was there then must be there still: a second, deeper loss is another one.
            let stands = match loss.now {
                Some(now) => {
                    let place = self.get(&now).map(|now| (now.device, now.seq));
                    place.or_else(|| revoked.void.get(&now).copied()) == Some((loss.device, loss.now_seq))
                }
                None => loss.now_seq == 0,
            };
            let fits =
                |lost: &LogEntry| lost.device == loss.device && (lost.seq == loss.pinned_seq || loss.pinned_seq == 0);
            if !stands || !gone.get(&loss.pinned).is_none_or(|lost| fits(lost)) {
                continue;
            }
            open.push(loss.pinned);
            let is_news = gone.contains_key(&loss.pinned) || pins.iter().any(|pin| pin.identity == loss.pinned);
            if is_news && *by != own && !self.entries.contains_key(&loss.pinned) {
                self.adopted.push((*by, *loss));
            }
        }
        while let Some(identity) = open.pop() {
            if accepted.insert(identity)
                && let Some(entry) = gone.get(&identity)
            {
                open.extend(entry.prev.iter().copied());
            }
        }
        let mut missing: BTreeMap<Identity, Missing> = BTreeMap::new();
        let is_there = |log: &Self, identity: &Identity| {
            log.entries.contains_key(identity) || log.unfounded.contains(identity) || accepted.contains(identity)
        };
        for pin in pins {
            if !is_there(self, &pin.identity) && counts(pin.device, &pin.identity) {
                missing.insert(pin.identity, Missing { name: reader.name_of(pin.device), ..pin.clone() });
            }
        }
        for entry in gone.values() {
            if !is_there(self, &entry.identity) && counts(entry.device, &entry.identity) {
                let since = pins.iter().filter(|pin| pin.device == entry.device).find_map(|pin| pin.since);
                missing.entry(entry.identity).or_insert_with(|| Missing {
                    device: entry.device,
                    name: reader.name_of(entry.device),
                    seq: entry.seq,
                    identity: entry.identity,
                    known: "read before",
                    since,
                });
            }
        }
        for (device, last) in revoked.last.iter().filter(|_| !revoked.is_lagging) {
            if !is_there(self, last) {
                missing.entry(*last).or_insert_with(|| Missing {
                    device: *device,
                    name: reader.name_of(*device),
                    seq: 0,
                    identity: *last,
                    known: ADOPTED,
                    since: None,
                });
            }
        }
        self.suspect(reader, &accepts, &accepted, &mut missing);
        self.hear(reader, &accepted);
        let mut missing: Vec<_> = missing.into_values().collect();
        missing.sort_by_key(|missing| (missing.device, missing.seq, missing.identity));
        missing
    }

    /// Faults, and gaps: an entry whose predecessor is not shown. If its writer may read, nobody can be sure of what else the
    /// store withholds, and it is missing for everybody. A push-only device does no more than hurt itself.
    fn suspect(
        &mut self,
        reader: &dyn LogReader,
        accepts: &[(DeviceId, Accepted)],
        accepted: &HashSet<Identity>,
        missing: &mut BTreeMap<Identity, Missing>,
    ) {
        let mut suspicions = BTreeMap::new();
        for device in self.devices() {
            let heads = self.heads(device);
            let last = heads.iter().filter_map(|head| self.get(head)).max_by_key(|entry| (entry.seq, entry.identity));
            if let Some(LogEntry { seq, identity, .. }) = last.filter(|_| heads.len() > limits::ENTRY_HEADS) {
                let suspicion = Suspicion { seq: *seq, identity: *identity, fault: Some(Fault::Heads) };
                suspicions.insert(device, suspicion);
            }
        }
        for entry in self.entries() {
            let device = entry.device;
            let suspicion = |fault| Suspicion { seq: entry.seq, identity: entry.identity, fault };
            if entry.fault.is_some() {
                suspicions.entry(device).or_insert_with(|| suspicion(entry.fault));
            }
            for prev in
                entry.prev.iter().filter(|prev| !self.entries.contains_key(*prev) && !self.unfounded.contains(*prev))
            {
                // What a device says it has lost of its own log hides nothing of anybody else's.
                let said = |(by, loss): &(DeviceId, Accepted)| *by == device && loss.pinned == *prev;
                if accepted.contains(prev) || accepts.iter().any(said) {
                    continue;
                }
                // What it wrote before it was given `read` is of its own domain, and stays its own affair.
                if !reader.capabilities(device).contains(Capabilities::READ) || !entry.domain.is_shared() {
                    suspicions.entry(device).or_insert_with(|| suspicion(None));
                    continue;
                }
                missing.entry(*prev).or_insert_with(|| Missing {
                    device,
                    name: reader.name_of(device),
                    seq: entry.seq.saturating_sub(1),
                    identity: *prev,
                    known: GAP,
                    since: None,
                });
            }
        }
        self.suspicions = suspicions;
    }

    /// What readers report and nobody shows. Push-only devices report nothing that counts.
    fn hear(&mut self, reader: &dyn LogReader, accepted: &HashSet<Identity>) {
        let mut heard: BTreeMap<Identity, Hearsay> = BTreeMap::new();
        let mut known: HashSet<Identity> = HashSet::new();
        for entry in self.entries() {
            for head in &entry.body.roster_heads {
                if known.contains(head) || accepted.contains(head) || heard.contains_key(head) {
                    continue;
                }
                if reader.knows_record(*head) {
                    known.insert(*head);
                } else if self.counts_as_witness(reader, entry) {
                    let (by, about) = (entry.device, entry.device);
                    heard.insert(*head, Hearsay { by, seq: entry.seq, about, head: *head, is_record: true });
                }
            }
            for (about, head) in &entry.body.other_heads {
                if self.entries.contains_key(head)
                    || self.unfounded.contains(head)
                    || accepted.contains(head)
                    || heard.contains_key(head)
                {
                    continue;
                }
                let counts = self.counts_as_witness(reader, entry)
                    && reader.capabilities(*about) != Capabilities::NONE
                    && reader.revoked_after(*about).is_none();
                if counts {
                    let (by, about) = (entry.device, *about);
                    heard.insert(*head, Hearsay { by, seq: entry.seq, about, head: *head, is_record: false });
                }
            }
        }
        self.hearsay = heard.into_values().collect();
    }

    fn counts_as_witness(&self, reader: &dyn LogReader, entry: &LogEntry) -> bool {
        reader.capabilities(entry.device).contains(Capabilities::READ)
            && entry.domain.is_shared()
            && !self.is_suspect(entry.device)
    }

    /// Of which log which entry was given up, and which one was there then, by whoever may say so for this device.
    pub(super) fn rebased(&self, reader: &dyn LogReader) -> Vec<(DeviceId, Identity, Identity)> {
        let may = |by: DeviceId| {
            let is_admin = reader.capabilities(by).contains(Capabilities::ADMIN) && reader.revoked_after(by).is_none();
            by == reader.own() || is_admin
        };
        let accepts = self.accepts().into_iter().filter(|(by, _)| may(*by));
        accepts.filter_map(|(_, loss)| Some((loss.device, loss.pinned, loss.now?))).collect()
    }

    /// Entries that the log of a push-only device names and that nobody shows, which it has not given up: (number at most,
    /// identity). They stop nobody, and make it suspect until it does.
    pub(crate) fn gaps(&self, device: DeviceId) -> Vec<(u64, Identity)> {
        let accepts = self.accepts();
        let is_open = |prev: &Identity| {
            !self.entries.contains_key(prev) && !accepts.iter().any(|(by, loss)| *by == device && loss.pinned == *prev)
        };
        let named =
            self.of(device).flat_map(|entry| entry.prev.iter().map(|prev| (entry.seq.saturating_sub(1), *prev)));
        named.filter(|(_, prev)| is_open(prev)).collect()
    }

    /// All that devices have accepted, whether it is lost or not.
    fn accepts(&self) -> Vec<(DeviceId, Accepted)> {
        let accepts =
            self.entries().filter(|entry| entry.fault.is_none()).filter_map(|entry| match &entry.body.payload {
                Payload::Accept(losses) => Some(losses.iter().map(|loss| (entry.device, *loss))),
                _ => None,
            });
        accepts.flatten().collect()
    }

    fn verdict(&self, reader: &dyn LogReader, entry: &LogEntry) -> Verdict {
        let before: Vec<&LogEntry> = entry.prev.iter().filter_map(|prev| self.get(prev)).collect();
        // Numbers are left out after a loss, and never used twice.
        if entry.seq < self.next_seq(&entry.prev) {
            return Verdict::Fault(Fault::Number);
        }
        // Of what is not for this device to open it knows the place and nothing else.
        if entry.is_sealed() {
            return Verdict::None;
        }
        let before: Vec<_> = before.into_iter().filter(|before| !before.is_sealed()).collect();
        let mut is_open = false;
        for before in &before {
            match self.has_seen_less(reader, before, entry) {
                Some(true) => return Verdict::Fault(Fault::Seen),
                Some(false) => {}
                None => is_open = true,
            }
        }
        let older = |before: &&LogEntry| reader.roster_regresses(&before.body.roster_heads, &entry.body.roster_heads);
        match before.iter().any(older) {
            true => Verdict::Fault(Fault::Roster),
            false if is_open => Verdict::Open,
            false => Verdict::None,
        }
    }

    /// Whether an entry has not seen what its predecessor had seen of a collector's log. What is lost cannot be compared, and
    /// after an accepted loss the log goes on beside it.
    ///
    /// Only of those that may collect, or might: of anybody else it means nothing, and its writer could make it endless work.
    /// None: the store does not show all that lies between, or else whoever withholds entries would accuse all who have seen
    /// them. Who names heads that never were gains nothing: an entry that is not aware of a condemn is void by its final.
    fn has_seen_less(&self, reader: &dyn LogReader, before: &LogEntry, entry: &LogEntry) -> Option<bool> {
        let may = |device: DeviceId, what| reader.capabilities(device).contains(what);
        let collectors = before.body.seen.iter().filter(|(device, _)| may(**device, Capabilities::PRUNE));
        let rebased = |collector: DeviceId| {
            let counts = |by: DeviceId| by == entry.device || may(by, Capabilities::ADMIN);
            self.accepts().iter().any(|(by, loss)| loss.device == collector && counts(*by))
        };
        let mut is_open = false;
        for (collector, heads) in collectors {
            let now = entry.body.seen.get(collector).map_or(&[][..], Vec::as_slice);
            // Heads of anybody else's log say nothing of this one, and could be made hard to look through.
            let of_it = |head: &&Identity| self.get(head).is_none_or(|entry| entry.device == *collector);
            let now = &now.iter().filter(of_it).copied().collect::<Vec<_>>()[..];
            for head in heads.iter().filter(|head| self.get(head).is_some() && !now.contains(head)) {
                if now.iter().any(|new| self.is_ancestor(head, new)) || rebased(*collector) {
                    continue;
                }
                match self.shows_past(head, now) {
                    true => return Some(true),
                    false => is_open = true,
                }
            }
        }
        if is_open { None } else { Some(false) }
    }

    /// Whether everything is shown that lies between an entry and these heads of the same log.
    fn shows_past(&self, old: &Identity, heads: &[Identity]) -> bool {
        let from = self.get(old).map_or(0, |entry| entry.seq);
        let (mut open, mut seen) = (heads.to_vec(), HashSet::new());
        while let Some(identity) = open.pop() {
            let Some(entry) = self.get(&identity) else { return false };
            if entry.seq > from && seen.insert(identity) {
                open.extend(entry.prev.iter().copied());
            }
        }
        true
    }
}

/// What an entry says against its writer.
enum Verdict {
    None,
    Fault(Fault),
    /// That cannot be told yet.
    Open,
}

/// How an entry is known that another one follows.
pub(super) const GAP: &str = "named by the entry after it";
/// How an entry is known that a revocation names.
pub(super) const ADOPTED: &str = "adopted when its device was revoked";
