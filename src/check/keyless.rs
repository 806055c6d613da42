//! What can be said of a vault without any key of it.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Mutex;
use std::sync::atomic::Ordering::Relaxed;

use crypto_backends::{Provider, provider};
use vault_format::log::{EntryContent, EntryObject, Payload};
use vault_format::name::{ObjectName, PackName, prefix, roster_prefix};
use vault_format::{DeviceId, Expected, FormatError, Header, Identity, ObjectType, Suite, VaultId, limits, sizes};

use super::damage::{Damage, Damages};
use super::{CheckError, parallel};
use crate::chain;
use crate::keys::verify_stored;
use crate::roster::{IgnoredWhy, Roster, RosterError, suites_of};
use crate::store::{Listed, OpenMode, Store, StoreError, StoreOptions, StoreUrl};
use crate::sync::lock;
use crate::vault::StoreTraffic;
use crate::watch::{Event, Watch};

/// What a check without keys found: whether everything that is there is what its name says, and who signed it.
///
/// It cannot tell whether everything is there. A pack that is missing, or a whole history that was rolled back to an older state,
/// looks like a vault that never had it: only a device that knows the vault and can read its index sees the difference. The one thing
/// that shows is an entry whose signed successor is still there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct KeylessReport {
    /// The vault, as its signed genesis says. Whether it is yours, only you know.
    pub vault: Option<VaultId>,
    /// Vaults whose genesis is here: 1, unless somebody planted another.
    pub geneses: u64,
    /// Devices in the roster, virtual ones included.
    pub devices: u64,
    /// Objects that the store lists.
    pub objects: u64,
    /// Packs among them.
    pub packs: u64,
    /// Index objects among them.
    pub index_objects: u64,
    /// Log entries whose signature is that of their device.
    pub entries: u64,
    /// Roster records that are well formed and signed, void ones included.
    pub records: u64,
    /// Bytes that were read.
    pub bytes_read: u64,
    /// What was asked of the store.
    pub traffic: StoreTraffic,
    /// Temporary files of interrupted writes.
    pub leftovers: u64,
    /// What is there and counts for nothing, or cannot be judged, one line each.
    pub junk: Vec<String>,
    /// Objects whose bytes are not those of their names, and entries that are missing.
    pub damaged: Vec<Damage>,
}

impl KeylessReport {
    /// Whether nothing is damaged.
    pub fn ok(&self) -> bool {
        self.damaged.is_empty()
    }
}

/// Verifies the bytes of every object at `url`, which is opened with `options`, against its name, its header against its place, and the signatures of roster and logs,
/// without any key. One phase: "objects".
pub fn keyless(url: &str, options: &StoreOptions, watch: &Watch<'_>) -> Result<KeylessReport, CheckError> {
    let url = StoreUrl::parse(url)?;
    let label = url.to_string();
    let store = Store::open(&url, options, OpenMode::Existing).map_err(|error| match error {
        StoreError::NotFound { .. } => CheckError::NoVault { url: label.clone() },
        error => error.into(),
    })?;
    let report = check_store(&store, watch)?;
    Ok(KeylessReport { traffic: StoreTraffic::of(&label, &store), ..report })
}

pub(super) fn check_store(store: &Store, watch: &Watch<'_>) -> Result<KeylessReport, CheckError> {
    watch.event(Event::Phase("objects"));
    let listing = store.list(&prefix())?;
    if listing.objects.is_empty() {
        return Err(CheckError::NoVault { url: store.label().to_owned() });
    }
    watch.total_bytes.store(listing.objects.iter().map(|object| object.size).sum(), Relaxed);
    let mut report = KeylessReport {
        objects: listing.objects.len() as u64,
        leftovers: listing.leftovers.len() as u64,
        junk: listing.strange.iter().map(|path| format!("{path}: not the name of an object")).collect(),
        ..KeylessReport::default()
    };
    let mut damages = Damages::new(watch);

    let trust = Trust::read(store, &mut report, &mut damages)?;
    let findings = Mutex::new(Findings::default());
    parallel::for_each(&listing.objects, watch, |object| {
        watch.set_current(object.name.to_path().as_bytes());
        let verdict = trust.judge(store, object)?;
        lock(&findings).take(object, verdict);
        watch.bytes.fetch_add(object.size, Relaxed);
        watch.stored.fetch_add(object.size, Relaxed);
        Ok(())
    })?;
    let findings = std::mem::take(&mut *lock(&findings));
    findings.report(&mut report, &mut damages);
    report.damaged = damages.finish();
    Ok(report)
}

/// Whom to believe: the roster, as far as it can be read.
pub(crate) struct Trust {
    suite: Suite,
    pub(crate) provider: &'static Provider,
    /// `None` if there is no genesis, or more than one.
    roster: Option<Roster>,
    vaults: BTreeSet<VaultId>,
}

/// What is known of an object after it was read.
pub(crate) enum Verdict {
    /// Nothing is wrong with it.
    Good,
    /// A log entry, signed by its device.
    Entry(Box<SignedEntry>),
    /// Its bytes are not those of its name.
    Damaged(String),
    /// Its bytes are those of its name, and it counts for nothing, or cannot be judged.
    Junk(String),
}

pub(crate) struct SignedEntry {
    pub(crate) device: DeviceId,
    pub(crate) seq: u64,
    pub(crate) identity: Identity,
    pub(crate) prev: Vec<Identity>,
    /// What it says, where that is not sealed: records of collection.
    pub(crate) clear: Option<Payload>,
}

#[derive(Default)]
struct Findings {
    bytes: u64,
    packs: u64,
    index_objects: u64,
    entries: Vec<SignedEntry>,
    junk: Vec<String>,
    damaged: Vec<(ObjectName, String)>,
}

impl Trust {
    /// Judges by a roster that was read already.
    pub(crate) fn of(provider: &'static Provider, roster: Roster) -> Self {
        Self { suite: provider.suite, provider, vaults: BTreeSet::from([roster.vault]), roster: Some(roster) }
    }

    /// The roster. There is one for everybody outside of this module.
    pub(crate) fn roster(&self) -> &Roster {
        self.roster.as_ref().expect("made from a roster")
    }

    fn read(store: &Store, report: &mut KeylessReport, damages: &mut Damages<'_>) -> Result<Self, CheckError> {
        let mut records = Vec::new();
        for Listed { name, size } in store.list(&roster_prefix())?.objects {
            if size <= limits::RECORD_STORED as u64 {
                records.push((name, store.get_unverified(&name)?.to_vec()));
            }
        }
        let provider = provider_of(&records).map_err(|suite| CheckError::Suite { suite })?;

        let (roster, vaults) = match Roster::build(provider, &records, None) {
            Ok(roster) => (Some(roster), BTreeSet::new()),
            Err(RosterError::TwoVaults { found }) => {
                report.junk.push(format!("{}: genesis records of {} vaults", roster_prefix(), found.len()));
                (None, found.into_iter().collect())
            }
            Err(error) => {
                damages.add(&roster_prefix(), &format!("no vault can be made out: {}", chain(&error)));
                (None, BTreeSet::new())
            }
        };
        let vaults = roster.as_ref().map_or(vaults, |roster| BTreeSet::from([roster.vault]));
        report.geneses = vaults.len() as u64;
        if let Some(roster) = &roster {
            report.vault = Some(roster.vault);
            report.devices = roster.devices.len() as u64;
            let ignored = roster.ignored.iter().filter(|ignored| !matches!(ignored.why, IgnoredWhy::Hash));
            report.junk.extend(ignored.map(|ignored| format!("{}: {}", ignored.name.to_path(), ignored.why)));
            report.records = records.len() as u64 - roster.ignored.len() as u64;
        }
        Ok(Self { suite: provider.suite, provider, roster, vaults })
    }

    fn judge(&self, store: &Store, object: &Listed) -> Result<Verdict, CheckError> {
        let Listed { name, .. } = object;
        let stored = match store.get(name, &|bytes| self.provider.hash.hash(&[bytes])) {
            Ok(stored) => stored,
            Err(StoreError::Damaged { what, .. }) => return Ok(Verdict::Damaged(what.to_owned())),
            Err(StoreError::TooLarge { size, limit, .. }) => {
                return Ok(Verdict::Damaged(format!("it has {size} bytes, over the limit of {limit}")));
            }
            // Whoever may delete may do so while this runs.
            Err(StoreError::NotFound { .. }) => return Ok(Verdict::Junk("it is gone".into())),
            Err(error) => return Err(error.into()),
        };
        Ok(self.judge_bytes(name, &stored))
    }

    /// What is to be said of bytes that have the hash of their name.
    pub(crate) fn judge_bytes(&self, name: &ObjectName, stored: &[u8]) -> Verdict {
        let size_fits = match name {
            ObjectName::Pack(_) => sizes::is_pack_class(stored.len()),
            _ => sizes::is_class(stored.len()),
        };
        if !size_fits {
            return Verdict::Junk(format!("no object of its kind has {} bytes", stored.len()));
        }
        let header = match self.header(name, stored) {
            Ok(header) => header,
            Err(error) => return Verdict::Junk(error.to_string()),
        };
        if !self.vaults.is_empty() && !self.vaults.contains(&header.vault) {
            return Verdict::Junk(format!("it belongs to vault {}", header.vault));
        }
        match (name, &self.roster) {
            (ObjectName::Log { device, seq, .. }, Some(roster)) => self
                .entry(roster, *device, *seq, stored)
                .map_or_else(Verdict::Junk, |entry| Verdict::Entry(Box::new(entry))),
            (_, Some(roster)) => match name.device().filter(|device| !roster.devices.contains_key(device)) {
                Some(device) => Verdict::Junk(format!("device {device:.8} is not in the roster")),
                None => Verdict::Good,
            },
            (_, None) => Verdict::Good,
        }
    }

    /// What a header must say by the object's place. Which vault is looked at by the caller.
    fn header(&self, name: &ObjectName, stored: &[u8]) -> Result<Header, FormatError> {
        let header = Header::parse(stored)?;
        header.expect(&Expected {
            suite: self.suite,
            object_type: name.object_type(),
            vault: header.vault,
            writer: name.device(),
            domain: None,
            mode: None,
        })?;
        Ok(header)
    }

    /// The error says why an entry counts for nothing.
    fn entry(&self, roster: &Roster, device: DeviceId, seq: u64, stored: &[u8]) -> Result<SignedEntry, String> {
        let object = EntryObject::parse(stored, self.suite).map_err(|error| error.to_string())?;
        if object.seq != seq {
            return Err("its number is not that of its name".into());
        }
        let known = roster.devices.get(&device).ok_or_else(|| format!("device {device:.8} is not in the roster"))?;
        let (signed, signature) = (&stored[..object.signed_len], &stored[object.signature.clone()]);
        verify_stored(self.provider, ObjectType::Entry, roster.vault, &known.verify_key, signed, signature)
            .map_err(|_| "its signature is not that of its device")?;
        let clear = match &object.content {
            EntryContent::Clear { body } => object.body(&stored[body.clone()]).ok().map(|body| body.payload),
            EntryContent::Sealed { .. } => None,
        };
        let identity = Identity(self.provider.hash.hash(&[signed]));
        Ok(SignedEntry { device, seq, identity, prev: object.prev, clear })
    }
}

impl SignedEntry {
    /// Devices of whose logs a collection says that it deleted entries.
    fn deleted_of(&self) -> impl Iterator<Item = DeviceId> + '_ {
        let entries = match &self.clear {
            Some(Payload::Final(end)) => &*end.entries,
            _ => &[],
        };
        entries.iter().map(|entry| entry.device)
    }
}

/// The backend of the suite of most records that have the hash that is their name: a flipped byte in one header does not decide
/// for the vault, nor do records of a suite that this program does not have, beside which there may be anything. The number of
/// such a suite, if all records are of it.
pub(crate) fn provider_of(records: &[(ObjectName, Vec<u8>)]) -> Result<&'static Provider, u8> {
    let said = suites_of(records);
    let ours: Vec<_> = ALL_SUITES.into_iter().filter_map(provider).collect();
    let is_whole = |provider: &Provider, name: &ObjectName, bytes: &[u8]| {
        Header::parse(bytes)
            .is_ok_and(|header| header.suite == provider.suite && header.object_type == ObjectType::Roster)
            && provider.hash.hash(&[bytes]) == name.hash().0
    };
    let count = |provider: &Provider| records.iter().filter(|(name, bytes)| is_whole(provider, name, bytes)).count();
    // Of two with as many the first.
    let most = ours.iter().rev().map(|provider| (count(provider), *provider)).max_by_key(|(count, _)| *count);
    if let Some((1.., provider)) = most {
        return Ok(provider);
    }
    let claimed = ours.iter().find(|provider| said.contains(&provider.suite));
    match (claimed.or(ours.first().filter(|_| said.is_empty())), said.first()) {
        (Some(provider), _) => Ok(provider),
        (None, suite) => Err(suite.map_or(0, |suite| suite.byte())),
    }
}

const ALL_SUITES: [Suite; 2] = [Suite::Default, Suite::Fips];

impl Findings {
    fn take(&mut self, object: &Listed, verdict: Verdict) {
        self.bytes += object.size;
        match object.name {
            ObjectName::Pack(PackName { .. }) => self.packs += 1,
            ObjectName::Delta { .. } | ObjectName::Shard { .. } => self.index_objects += 1,
            ObjectName::Log { .. }
            | ObjectName::Roster { .. }
            | ObjectName::Mail { .. }
            | ObjectName::Checkpoint { .. } => {}
        }
        match verdict {
            Verdict::Good => {}
            Verdict::Entry(entry) => self.entries.push(*entry),
            Verdict::Damaged(reason) => self.damaged.push((object.name, reason)),
            Verdict::Junk(reason) => self.junk.push(format!("{}: {reason}", object.name.to_path())),
        }
    }

    fn report(mut self, report: &mut KeylessReport, damages: &mut Damages<'_>) {
        self.damaged.sort_unstable();
        for (name, reason) in &self.damaged {
            damages.add(&name.to_path(), reason);
        }
        for (device, seq, identity) in self.missing_entries() {
            let path = format!("{}/{seq:016x}-?", vault_format::name::log_prefix(device));
            damages.add(&path, &format!("the entry {identity:.16} is missing: the signed entry after it names it"));
        }
        self.junk.sort_unstable();
        self.junk.dedup();
        report.junk.extend(self.junk);
        // What is wrong with a record, the roster has said in other words.
        let mut seen = HashSet::new();
        report.junk.retain(|line| {
            let path = line.split_once(": ").map_or(line.as_str(), |(path, _)| path);
            !path.starts_with("zv1/r/") || seen.insert(path.to_owned())
        });
        report.bytes_read = self.bytes;
        report.packs = self.packs;
        report.index_objects = self.index_objects;
        report.entries = self.entries.len() as u64;
    }

    /// Predecessors that are not there, unless a collection says that it deleted entries of that log.
    fn missing_entries(&self) -> BTreeSet<(DeviceId, u64, Identity)> {
        let present: HashMap<Identity, u64> = self.entries.iter().map(|entry| (entry.identity, entry.seq)).collect();
        let deleted: HashSet<DeviceId> = self.entries.iter().flat_map(SignedEntry::deleted_of).collect();
        let logs = self.entries.iter().filter(|entry| !deleted.contains(&entry.device));
        logs.flat_map(|entry| entry.prev.iter().map(move |prev| (entry.device, entry.seq - 1, *prev)))
            .filter(|(_, _, identity)| !present.contains_key(identity))
            .collect()
    }
}
