//! Reads all logs from the store, verifies what is new, and looks for what is gone.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use bytes::Bytes;
use vault_format::log::{Body, EntryObject};
use vault_format::name::{ObjectName, logs_prefix};
use vault_format::roster::Capabilities;
use vault_format::{DeviceId, Domain, FormatError, Header, Identity, ObjectHash, Time, limits};

use super::checkpoint::{self, CheckpointReader};
use super::ids::IdMap;
use super::past::Ends;
use super::{Fault, Junk, Log, LogEntry, LogError, Missing, Refused, Unfounded};
use crate::parallel;
use crate::store::{Listed, Store, StoreError};

/// What the store lists of all logs.
pub(crate) struct LogListing {
    objects: Vec<Listed>,
    /// From which number on each device's log was listed; the logs of all others are listed whole.
    from: BTreeMap<DeviceId, u64>,
}

/// How much a device knows of all logs: decides how they are listed.
#[derive(Default)]
pub(crate) struct Known {
    entries: usize,
    /// The number of each log's oldest open head.
    ends: BTreeMap<DeviceId, u64>,
}

impl Known {
    /// What these entries are. Those that are undecided must be listed: they count for nothing here.
    pub(crate) fn of<'a>(entries: impl Iterator<Item = &'a LogEntry>) -> Self {
        let (mut count, mut ends) = (0, Ends::default());
        for entry in entries.filter(|entry| !entry.is_undecided) {
            count += 1;
            ends.add(entry);
        }
        let oldest = ends.open().filter_map(|(device, heads)| Some((device, *heads.values().min()?)));
        Self { entries: count, ends: oldest.collect() }
    }
}

impl LogListing {
    /// Lists all logs, in whichever way takes fewer requests: all of them in pages one after another, or each from its oldest
    /// open head on, all at once. The second way does not see entries before those heads; it is never used where nothing is
    /// known yet (rule A6 of the design; SPEC section 2). Of `only` some devices, each log by itself and nothing else.
    pub(crate) fn read(store: &Store, only: Option<&BTreeSet<DeviceId>>, known: &Known) -> Result<Self, StoreError> {
        if let Some(only) = only {
            return Self::read_only(store, only, known);
        }
        let pages = known.entries / PAGE + 1;
        if store.folder().is_some() || pages <= known.ends.len() + 1 {
            return Self::read_whole(store, None);
        }
        let ends: Vec<_> = known.ends.iter().map(|(device, seq)| (*device, *seq)).collect();
        let list = |(device, seq): &(DeviceId, u64)| Ok(store.list_log(*device, *seq)?.objects);
        let (devices, listed) =
            parallel::both(|| store.list_devices_with_logs(), || parallel::map(&ends, parallel::REQUESTS, list));
        let mut objects: Vec<Listed> = listed?.into_iter().flatten().collect();
        let new: Vec<_> =
            devices?.into_iter().filter(|device| !known.ends.contains_key(device)).map(|device| (device, 0)).collect();
        objects.extend(parallel::map(&new, parallel::REQUESTS, list)?.into_iter().flatten());
        Ok(Self { objects, from: known.ends.clone() })
    }

    /// Lists all logs from their beginnings.
    pub(crate) fn read_whole(store: &Store, only: Option<&BTreeSet<DeviceId>>) -> Result<Self, StoreError> {
        match only {
            Some(only) => Self::read_only(store, only, &Known::default()),
            None => Ok(Self { objects: list_whole(store)?, from: BTreeMap::new() }),
        }
    }

    /// All that was listed.
    pub(crate) fn objects(&self) -> &[Listed] {
        &self.objects
    }

    fn read_only(store: &Store, only: &BTreeSet<DeviceId>, known: &Known) -> Result<Self, StoreError> {
        let logs: Vec<_> = only.iter().map(|device| (*device, known.ends.get(device).copied().unwrap_or(0))).collect();
        let listed =
            parallel::map(&logs, parallel::REQUESTS, |(device, seq)| Ok(store.list_log(*device, *seq)?.objects))?;
        Ok(Self { objects: listed.into_iter().flatten().collect(), from: logs.into_iter().collect() })
    }

    /// What somebody says that there is.
    pub(crate) fn of(objects: Vec<Listed>) -> Self {
        Self { objects, from: BTreeMap::new() }
    }

    /// What another store lists too.
    pub(crate) fn add(&mut self, more: Self) {
        self.objects.extend(more.objects);
        self.objects.sort_unstable();
        self.objects.dedup_by_key(|object| object.name);
    }

    /// Whether an entry lies before what was listed of its log.
    fn is_before(&self, entry: &LogEntry) -> bool {
        self.from.get(&entry.device).is_some_and(|from| entry.seq < *from)
    }
}

/// All logs, in one listing while that takes few pages, and else log by log: pages come one after another, logs at once.
fn list_whole(store: &Store) -> Result<Vec<Listed>, StoreError> {
    // One that takes too long is tried in the way that goes on where it stopped.
    if store.folder().is_none()
        && let Ok(first) = store.list_in("", &logs_prefix(), None, FEW_PAGES * PAGE)
    {
        if !first.more {
            return Ok(first.objects);
        }
        let devices = store.list_devices_with_logs()?;
        let shown = first.objects.iter().filter_map(|object| object.name.device());
        // Anybody can make folders of devices that there are not, and not every store knows of folders.
        if devices.len() <= limits::MEMBERS && shown.into_iter().all(|device| devices.binary_search(&device).is_ok()) {
            let list = |device: &DeviceId| Ok::<_, StoreError>(store.list_log(*device, 0)?.objects);
            return Ok(parallel::map(&devices, parallel::REQUESTS, list)?.into_iter().flatten().collect());
        }
    }
    Ok(store.list(&logs_prefix())?.objects)
}

/// What reading logs needs to know of keys and roster; the vault answers.
pub(crate) trait LogReader {
    /// Checks header and signature of a stored entry, and opens its body.
    fn open_entry(&self, device: DeviceId, object: &EntryObject, stored: &[u8]) -> Result<Opened, Refusal>;
    /// All revoked devices.
    fn revoked(&self) -> Vec<DeviceId>;
    /// For a revoked device: its last adopted entry. None: not revoked.
    fn revoked_after(&self, device: DeviceId) -> Option<Option<Identity>>;
    /// Whether a device may write to a domain, by the roster as it is now.
    fn may_write(&self, device: DeviceId, domain: Domain) -> bool;
    /// What a device was ever given.
    fn capabilities(&self, device: DeviceId) -> Capabilities;
    /// What a device is called.
    fn name_of(&self, device: DeviceId) -> String;
    /// Who reads.
    fn own(&self) -> DeviceId;
    /// Whether the roster has this record.
    fn knows_record(&self, record: Identity) -> bool;
    /// Whether some of these roster records is newer than all of the others: who acted by the first acted by less later.
    fn roster_regresses(&self, before: &[Identity], after: &[Identity]) -> bool;
}

/// What a device brings along when it reads logs.
#[derive(Default)]
pub(crate) struct Local<'a> {
    /// Entries that were verified in an earlier run: neither fetched nor verified again, but looked for. Those that are undecided
    /// only stand for what is listed.
    pub(crate) known: Vec<Arc<LogEntry>>,
    /// Entries of this run's own: not fetched where they are listed.
    pub(crate) written: &'a [LogEntry],
    /// The heads that this device has seen, in case what it knew was lost.
    pub(crate) pins: &'a [Missing],
    /// Objects that an earlier run found to be no entries, for ever or by the roster.
    pub(crate) refused: Refused,
    /// Go on without what is missing, and say what it is ([`Log::lost`]).
    pub(crate) accept: bool,
    /// The store follows another one and may have records before the entries that they adopt. With what is known to be at that
    /// other one and not here.
    pub(crate) lagging: Option<&'a [Arc<LogEntry>]>,
    /// Old entries may be read out of checkpoints.
    pub(crate) checkpoints: Option<&'a dyn CheckpointReader>,
}

/// An entry's object that is listed and not known.
#[derive(Clone, Copy)]
pub(super) struct Unknown {
    pub(super) device: DeviceId,
    pub(super) seq: u64,
    pub(super) hash: ObjectHash,
    pub(super) size: u64,
}

impl Unknown {
    pub(super) fn place(&self) -> (DeviceId, u64) {
        (self.device, self.seq)
    }

    fn name(&self) -> ObjectName {
        let Self { device, seq, hash, .. } = *self;
        ObjectName::Log { device, seq, hash }
    }
}

/// What revocations make of the logs of revoked devices.
#[derive(Default)]
pub(super) struct Revoked {
    /// What they adopted last.
    pub(super) last: Vec<(DeviceId, Identity)>,
    /// That and what it follows, there or not.
    pub(super) past: HashSet<Identity>,
    /// What is there beside it, and its place.
    pub(super) void: HashMap<Identity, (DeviceId, u64)>,
    /// What was adopted may not have come here yet.
    pub(super) is_lagging: bool,
}

/// Gives a stored entry with the hash of its name.
pub(crate) type Get<'a> = dyn Fn(&ObjectName) -> Result<Bytes, StoreError> + Sync + 'a;

/// A verified entry's identity and body.
pub(crate) struct Opened {
    pub(crate) identity: Identity,
    pub(crate) domain: Domain,
    /// None: its writer has signed something that is none.
    pub(crate) body: Option<Body>,
    /// The bytes of its body, if it was opened and does not encode to them.
    pub(crate) raw: Option<Box<[u8]>>,
}

/// Why an object is no entry.
pub(crate) struct Refusal {
    pub(crate) reason: String,
    /// Whatever becomes of the roster, it will never be one.
    pub(crate) is_final: bool,
    /// What it would be, where nothing but the roster keeps it from being an entry: it is not withheld.
    pub(crate) unfounded: Option<Unfounded>,
}

impl Refusal {
    /// Its bytes say so.
    pub(crate) fn for_ever(reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), is_final: true, unfounded: None }
    }

    /// A later roster or another answer of the store may say otherwise.
    pub(crate) fn for_now(reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), is_final: false, unfounded: None }
    }

    /// The roster as it is now says so.
    pub(crate) fn unfounded(entry: Unfounded) -> Self {
        Self { unfounded: Some(entry), ..Self::for_now(NOT_ITS_DOMAIN) }
    }
}

impl Log {
    /// Reads all logs: fetches and verifies what is new, looks for what this device knows, and judges what does not fit.
    pub(crate) fn read(
        get: &Get<'_>,
        reader: &(dyn LogReader + Sync),
        listing: LogListing,
        local: Local<'_>,
    ) -> Result<Self, LogError> {
        let Local { known, written, pins, refused, accept, lagging, checkpoints } = local;
        let mut known: IdMap<ObjectHash, Arc<LogEntry>> =
            known.into_iter().map(|entry| (entry.object, entry)).collect();
        let mut log = Self::default();
        let (mut unknown, mut fresh) = (Vec::new(), Vec::new());
        for Listed { name, size } in &listing.objects {
            let ObjectName::Log { device, seq, hash } = *name else { continue };
            let is_here = |entry: &LogEntry| entry.object == hash && entry.device == device && entry.seq == seq;
            if known.get(&hash).is_some_and(|entry| is_here(entry))
                && let Some(entry) = known.remove(&hash)
            {
                if entry.is_undecided {
                    fresh.push(entry.identity);
                    log.insert(Arc::unwrap_or_clone(entry).into_unjudged());
                } else {
                    log.insert(entry);
                }
            } else if let Some(entry) = written.iter().find(|entry| is_here(entry)) {
                log.insert(entry.clone());
            } else if let Some(reason) = refused.reason(name) {
                let reason = reason.to_owned();
                log.junk.push(Junk { path: name.to_path(), reason, is_final: true, unfounded: None });
            } else if let Some(entry) = refused.unfounded(name).filter(|entry| !reader.may_write(device, entry.domain))
            {
                log.take_unfounded(name, *entry);
            } else if !reader.may_write(device, device.into()) {
                // Anybody can plant these, and nothing but the roster can make entries of them.
                let reason = "its device is not in the roster".to_owned();
                log.junk.push(Junk { path: name.to_path(), reason, is_final: false, unfounded: None });
            } else {
                unknown.push(Unknown { device, seq, hash, size: *size });
            }
        }
        // What this device misses, no checkpoint says to be somewhere else.
        let held: HashSet<Identity> =
            known.values().map(|entry| entry.identity).chain(pins.iter().map(|pin| pin.identity)).collect();
        // What is not listed of these is as if it had never been read.
        known.retain(|_, entry| !entry.is_undecided);
        let before: Vec<_> =
            known.values().filter(|entry| listing.is_before(entry)).map(|entry| entry.object).collect();
        for hash in before {
            known.remove(&hash).into_iter().for_each(|entry| log.insert(entry));
        }
        log.drop_unfounded(reader);
        let fetched = match checkpoints {
            Some(keys) => checkpoint::read(get, reader, keys, &log, &held, unknown)?,
            None => checkpoint::fetch_all(get, reader, unknown)?,
        };
        for (unknown, fetched) in fetched {
            match fetched {
                Ok(entry) => {
                    fresh.push(entry.identity);
                    log.insert(entry);
                }
                Err(Refusal { unfounded: Some(entry), .. }) => log.take_unfounded(&unknown.name(), entry),
                Err(Refusal { reason, is_final, unfounded: None }) => {
                    log.junk.push(Junk { path: unknown.name().to_path(), reason, is_final, unfounded: None });
                }
            }
        }
        // A known entry may be stored twice with different signatures: it is gone only if its identity is.
        let gone: HashMap<Identity, Arc<LogEntry>> = known
            .into_values()
            .filter(|entry| !log.entries.contains_key(&entry.identity))
            .map(|entry| (entry.identity, entry))
            .collect();
        let away = gone.values().chain(lagging.unwrap_or_default()).map(|entry| &**entry);
        let revoked = log.drop_void(reader, away, lagging.is_some());
        log.judge(reader, &fresh);
        let missing = log.missing(reader, &gone, pins, &revoked);
        if !missing.is_empty() && !accept {
            return Err(LogError::Missing(missing));
        }
        log.lost = missing;
        Ok(log)
    }

    /// Reads the logs of a store that follows another and lags: what it shows must be an earlier state of what this device
    /// knows, or newer; only something else is evidence against it (rule S-3). Also gives the number of known entries that
    /// it does not show.
    pub(crate) fn read_lagging(
        get: &Get<'_>,
        reader: &(dyn LogReader + Sync),
        listing: LogListing,
        known: Vec<Arc<LogEntry>>,
        pins: &[Missing],
        refused: Refused,
    ) -> Result<(Self, u64), LogError> {
        let listed: HashSet<ObjectHash> = listing.objects.iter().map(|object| object.name.hash()).collect();
        let (undecided, known): (Vec<_>, Vec<_>) = known.into_iter().partition(|entry| entry.is_undecided);
        let seen: HashMap<DeviceId, HashSet<Identity>> = known.iter().fold(HashMap::new(), |mut seen, entry| {
            seen.entry(entry.device).or_default().insert(entry.identity);
            seen
        });
        let (mut here, gone): (Vec<_>, Vec<_>) = known.into_iter().partition(|entry| listed.contains(&entry.object));
        here.extend(undecided);
        let local = Local { known: here, refused, lagging: Some(&gone), ..Local::default() };
        let log = Self::read(get, reader, listing, local)?;
        let lacking: Vec<&Missing> = pins.iter().filter(|pin| !log.entries.contains_key(&pin.identity)).collect();
        // Entries beside what this device has seen, of a log whose newest entry is not shown: another history.
        let forked = |pin: &&&Missing| {
            reader.revoked_after(pin.device).is_none()
                && log.of(pin.device).any(|entry| match seen.get(&pin.device) {
                    Some(seen) => !seen.contains(&entry.identity),
                    None => entry.seq >= pin.seq,
                })
        };
        let forks: Vec<Missing> = lacking.iter().filter(forked).map(|pin| (*pin).clone()).collect();
        if !forks.is_empty() {
            return Err(LogError::Missing(forks));
        }
        let behind = gone.iter().filter(|entry| !log.entries.contains_key(&entry.identity)).count();
        Ok((log, behind.max(lacking.len()) as u64))
    }

    /// What was verified by an earlier roster counts only by this one: who came in by a record that is void now, or was given
    /// `read` by one, has written what nobody takes who comes later.
    fn drop_unfounded(&mut self, reader: &dyn LogReader) {
        let unfounded = self.entries().filter(|entry| !reader.may_write(entry.device, entry.domain));
        let unfounded: Vec<(ObjectName, Unfounded)> = unfounded
            .map(|entry| {
                let LogEntry { device, seq, object: hash, identity, domain, .. } = *entry;
                (ObjectName::Log { device, seq, hash }, Unfounded { identity, domain })
            })
            .collect();
        for (name, entry) in unfounded {
            self.remove(&entry.identity);
            self.lacks_unfounded = true;
            self.take_unfounded(&name, entry);
        }
    }

    fn take_unfounded(&mut self, name: &ObjectName, entry: Unfounded) {
        self.unfounded.insert(entry.identity);
        let (path, reason) = (name.to_path(), NOT_ITS_DOMAIN.to_owned());
        self.junk.push(Junk { path, reason, is_final: false, unfounded: Some(entry) });
    }

    /// Entries of a revoked device that its revocation did not adopt are void. The way to those that it did leads over what is
    /// `gone`, too: nobody makes a log void by deleting its end.
    fn drop_void<'a>(
        &mut self,
        reader: &dyn LogReader,
        gone: impl Iterator<Item = &'a LogEntry>,
        is_lagging: bool,
    ) -> Revoked {
        let mut revoked = Revoked { is_lagging, ..Revoked::default() };
        let gone: HashMap<Identity, &LogEntry> = gone.map(|entry| (entry.identity, entry)).collect();
        let rebased = self.rebased(reader);
        for device in reader.revoked() {
            let Some(adopted) = reader.revoked_after(device) else { continue };
            let mut kept = HashSet::new();
            let mut open: Vec<_> = adopted.into_iter().collect();
            // Once its end is given up, what was there then stands for it.
            open.extend(
                rebased.iter().filter(|(of, last, _)| *of == device && Some(*last) == adopted).map(|(.., now)| *now),
            );
            while let Some(identity) = open.pop() {
                let entry = self.get(&identity).or_else(|| gone.get(&identity).copied());
                if kept.insert(identity)
                    && let Some(entry) = entry.filter(|entry| entry.device == device)
                {
                    open.extend(entry.prev.iter().copied());
                }
            }
            let void: Vec<_> = self
                .of(device)
                .filter(|entry| !kept.contains(&entry.identity))
                .map(|entry| (entry.identity, entry.seq))
                .collect();
            for (identity, seq) in void {
                self.remove(&identity);
                revoked.void.insert(identity, (device, seq));
            }
            revoked.last.extend(adopted.map(|last| (device, last)));
            revoked.past.extend(kept);
        }
        revoked
    }
}

/// Fetches and verifies one entry. The inner error says why it is junk.
pub(super) fn fetch(
    get: &Get<'_>,
    reader: &(dyn LogReader + Sync),
    unknown: &Unknown,
) -> Result<Result<LogEntry, Refusal>, LogError> {
    let Unknown { device, seq, hash, size } = *unknown;
    if size > limits::ENTRY_STORED as u64 {
        return Ok(Err(Refusal::for_now("larger than an entry may be")));
    }
    let stored = match get(&unknown.name()) {
        Ok(stored) => stored,
        Err(StoreError::Damaged { .. }) => return Ok(Err(Refusal::for_now("its bytes do not fit its name"))),
        Err(error) => return Err(error.into()),
    };
    Ok((|| {
        let refused = |error: FormatError| Refusal::for_ever(error.to_string());
        let suite = Header::parse(&stored).map_err(refused)?.suite;
        let object = EntryObject::parse(&stored, suite).map_err(refused)?;
        if object.seq != seq {
            return Err(Refusal::for_ever("its number is not that of its name"));
        }
        let Opened { identity, domain, body, raw } = reader.open_entry(device, &object, &stored)?;
        let fault = body.is_none().then_some(Fault::Unreadable);
        let body = body.unwrap_or_else(LogEntry::sealed_body);
        let (prev, first_seen) = (object.prev.clone(), Time { nanos: 0, ..crate::now() });
        let (object, is_undecided) = (hash, false);
        Ok(LogEntry { device, seq, identity, prev, object, domain, body, raw, first_seen, fault, is_undecided })
    })())
}

const NOT_ITS_DOMAIN: &str = "its device may not write to its domain";
/// Objects in a page of a listing, as most stores have it.
const PAGE: usize = 1000;
/// Pages that are listed one after another before it is known that there are many.
const FEW_PAGES: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::faults::Meter;
    use object_store::memory::InMemory;
    use std::sync::Arc;

    #[test]
    fn long_logs_are_listed_from_their_ends_and_short_ones_whole() {
        let meter = Meter::default();
        let store = Store::from_object_store(meter.wrap(Arc::new(InMemory::new())), "metered").expect("a store");
        let mut names = Vec::new();
        for (device, last) in [(1, 2500), (2, 3), (3, 7)] {
            for seq in 1..=last {
                let hash = ObjectHash([(seq % 251) as u8; 32]);
                names.push(ObjectName::Log { device: DeviceId([device; 16]), seq, hash });
                store.put(&names[names.len() - 1], vec![device].into()).expect("put");
            }
        }
        let known = |entries, ends: &[(u8, u64)]| Known {
            entries,
            ends: ends.iter().map(|(device, seq)| (DeviceId([*device; 16]), *seq)).collect(),
        };
        let list = |known: &Known| {
            meter.take();
            let listing = LogListing::read(&store, None, known).expect("listed");
            (listing.objects.len(), meter.take().lists)
        };
        assert_eq!(list(&known(0, &[])), (names.len(), 3), "first contact");
        assert_eq!(list(&known(900, &[(1, 900)])), (names.len(), 3), "one page, as far as is known");
        let more: Vec<_> = (1..=2500)
            .map(|seq| ObjectName::Log { device: DeviceId([4; 16]), seq, hash: ObjectHash([9; 32]) })
            .collect();
        for name in &more {
            store.put(name, vec![4].into()).expect("put");
        }
        // Of the first look four pages are read; what counts here reads all six first.
        assert_eq!(list(&known(0, &[])), (names.len() + more.len(), 6 + 1 + 3 + 1 + 1 + 3), "many pages: log by log");
        more.iter().for_each(|name| store.delete(name).expect("deleted"));
        // The end itself is listed too, and so is all of a device that is new.
        assert_eq!(list(&known(2490, &[(1, 2490)])), (11 + 3 + 7, 4));
        let known = known(5000, &[(1, 2499), (2, 3), (3, 8)]);
        assert_eq!(list(&known), (2 + 1, 4), "one for the devices, one for each log");
    }
}
