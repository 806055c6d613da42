//! What devices did with a vault, verified, in an order in which nothing comes before what it builds on; and the same for a
//! third party, from a file (SPEC section 19).

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, HashSet};

use bytes::Bytes;
use crypto_backends::{Key, Provider, provider};
use thiserror::Error;
use vault_format::history::{HistoryEntry, HistoryFile};
use vault_format::log::{EntryObject, Payload};
use vault_format::name::ObjectName;
use vault_format::roster::{Capabilities, Op, Record, RecordObject};
use vault_format::{DeviceId, Domain, FormatError, Identity, ObjectHash, Time, VaultId, limits};

use crate::log::{Fault, Local, Log, LogEntry, LogError, LogListing, LogReader, Opened, Refusal};
use crate::roster::{Roster, RosterError, Standing};
use crate::stage::open_object;
use crate::store::{Listed, StoreError};
use crate::vault::{EntryDek, VaultError, open_entry};
use crate::{Trouble, Vault, parallel};

/// What devices did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct History {
    /// The vault.
    pub vault: VaultId,
    /// Each after all that it builds on; what does not build on each other, by the time that devices claim.
    pub events: Vec<Event>,
    /// What is wrong beside single events: entries that are missing, what is reported and not shown.
    pub trouble: Vec<String>,
}

/// A roster record or a log entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// What it is known by.
    pub id: Identity,
    /// Who signed it.
    pub device: DeviceId,
    /// Its number, among the records or in the log of its device.
    pub number: u64,
    /// Whether it is a roster record.
    pub is_record: bool,
    /// When its device says it was.
    pub time: Time,
    /// When this device read it first, by its own clock.
    pub first_seen: Option<Time>,
    /// What was done, a word or two each.
    pub what: Vec<String>,
    /// Why it does not count, or not in full, or is not to be believed.
    pub trouble: Option<String>,
}

/// Why a file is no history.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum HistoryError {
    /// It is something else, or damaged.
    #[error("the file is no exported history")]
    Format(#[from] FormatError),
    /// This program does not have its suite.
    #[error("the file is of a suite that this program does not have")]
    Suite,
    /// It is of another vault.
    #[error("the file is of vault {found}, not of {expected}")]
    OtherVault {
        /// As the file says.
        found: VaultId,
        /// As was asked.
        expected: VaultId,
    },
    /// There is no roster in it that makes the vault.
    #[error("the file holds no roster of the vault")]
    Roster(#[from] RosterError),
    /// The logs cannot be read.
    #[error(transparent)]
    Log(#[from] LogError),
}

impl HistoryError {
    /// What kind of trouble this is.
    pub fn trouble(&self) -> Trouble {
        match self {
            Self::Suite => Trouble::Failed,
            _ => Trouble::Integrity,
        }
    }
}

impl History {
    /// The history of an opened vault.
    pub fn of(vault: &Vault) -> Self {
        Self::new(vault.roster(), vault.log(), &|device| vault.name_of(device), true)
    }

    /// Verifies an exported history: all that is in it chains from the vault id, which should come from elsewhere.
    pub fn verify(file: &[u8], expected: Option<VaultId>) -> Result<Self, HistoryError> {
        let file = HistoryFile::parse(file)?;
        if let Some(expected) = expected.filter(|expected| *expected != file.vault) {
            return Err(HistoryError::OtherVault { found: file.vault, expected });
        }
        let provider = provider(file.suite).ok_or(HistoryError::Suite)?;
        let hash = |bytes: &[u8]| ObjectHash(provider.hash.hash(&[bytes]));
        let mut records = Vec::new();
        for stored in &file.records {
            let object = RecordObject::parse(stored)?;
            let record = Record::parse(&stored[object.body], file.suite)?;
            records.push((ObjectName::Roster { n: record.n, hash: hash(stored) }, stored.to_vec()));
        }
        let roster = Roster::build(provider, &records, Some(file.vault))?;
        let mut objects = Vec::new();
        let mut entries: HashMap<ObjectHash, &HistoryEntry<'_>> = HashMap::new();
        for entry in &file.entries {
            let object = EntryObject::parse(entry.stored, file.suite)?;
            let name = ObjectName::Log { device: object.header.writer, seq: object.seq, hash: hash(entry.stored) };
            objects.push(Listed { name, size: entry.stored.len() as u64 });
            entries.insert(name.hash(), entry);
        }
        objects.sort_unstable();
        objects.dedup();
        let get = |name: &ObjectName| {
            let entry = entries.get(&name.hash()).map(|entry| Bytes::copy_from_slice(entry.stored));
            entry.ok_or_else(|| StoreError::NotFound { at: name.to_path() })
        };
        let reader = Exported { provider, roster: &roster, entries: &entries };
        let local = Local { accept: true, ..Local::default() };
        let log = Log::read(&get, &reader, LogListing::of(objects), local)?;
        let mut history = Self::new(&roster, &log, &|device| format!("{device:.8}"), false);
        let ignored = roster.ignored.iter().map(|ignored| format!("{}: {}", ignored.name.to_path(), ignored.why));
        let junk = log.junk().iter().map(|junk| format!("{}: {}", junk.path, junk.reason));
        history.trouble.extend(ignored.chain(junk));
        // Whoever may only push is no witness against a store. Here somebody chose what is in the file.
        let heard: HashSet<_> = log.hearsay().iter().map(|hearsay| hearsay.head).collect();
        let mut left_out: HashSet<Identity> = HashSet::new();
        for entry in log.entries() {
            for head in &entry.body.roster_heads {
                if !heard.contains(head) && !roster.knows(*head) && left_out.insert(*head) {
                    history.trouble.push(unknown_record(entry.seq, &format!("{:.8}", entry.device), head));
                }
            }
            if entry.is_sealed() && entry.fault.is_none() && entries[&entry.object].dek.is_some() {
                history.trouble.push(format!(
                    "the key that the file gives for entry {} of device {:.8} is not its key",
                    entry.seq, entry.device
                ));
            }
        }
        let suspects = log.suspicions().iter();
        history
            .trouble
            .extend(suspects.map(|(device, suspicion)| format!("device {device:.8} is not believed: {suspicion}")));
        Ok(history)
    }

    fn new(roster: &Roster, log: &Log, name_of: &dyn Fn(DeviceId) -> String, seen: bool) -> Self {
        let mut events = Vec::new();
        let mut after: HashMap<Identity, Vec<Identity>> = HashMap::new();
        for (id, device, record, standing) in roster.records() {
            after.insert(id, record.parents.clone());
            events.push(Event {
                id,
                device,
                number: u64::from(record.n),
                is_record: true,
                time: record.time,
                first_seen: None,
                what: record_words(record, name_of),
                trouble: standing_words(standing).map(Into::into),
            });
        }
        for entry in log.entries() {
            let body = &entry.body;
            let others = body.other_heads.values().chain(body.seen.values().flatten()).chain(&body.roster_heads);
            after.insert(entry.identity, entry.prev.iter().chain(others).copied().collect());
            let suspicion = log.suspicions().get(&entry.device);
            let here = suspicion.filter(|suspicion| suspicion.identity == entry.identity);
            let trouble = here.map(|here| format!("its device is not believed: {here}"));
            events.push(Event {
                id: entry.identity,
                device: entry.device,
                number: entry.seq,
                is_record: false,
                time: body.time,
                first_seen: seen.then_some(entry.first_seen),
                what: vec![entry_words(entry, name_of)],
                trouble: trouble.or_else(|| entry.fault.map(|fault| fault_words(fault).into())),
            });
        }
        let missing = log.lost().iter().map(|lost| {
            format!(
                "{} of device {} ({:.8}) is missing: {}",
                lost.place(),
                name_of(lost.device),
                lost.identity,
                lost.known
            )
        });
        let hearsay = log.hearsay().iter().map(|hearsay| match hearsay.is_record {
            true => unknown_record(hearsay.seq, &name_of(hearsay.by), &hearsay.head),
            false => format!(
                "entry {} of device {} names entry {:.8} of device {}, which is not shown",
                hearsay.seq,
                name_of(hearsay.by),
                hearsay.head,
                name_of(hearsay.about)
            ),
        });
        let trouble = missing.chain(hearsay).collect();
        Self { vault: roster.vault, events: in_order(events, &after), trouble }
    }
}

impl Vault {
    /// The history as a file that needs no key to be verified and read.
    pub fn export_history(&self) -> Result<Vec<u8>, VaultError> {
        let ignored = &self.roster().ignored;
        let counts = |name: &ObjectName| !ignored.iter().any(|ignored| ignored.name == *name);
        let records =
            self.stored_records().iter().filter(|(name, _)| counts(name)).map(|(_, bytes)| &bytes[..]).collect();
        let entries: Vec<&LogEntry> = self.log().entries().collect();
        let stored = parallel::map(&entries, parallel::REQUESTS, |entry| {
            let name = ObjectName::Log { device: entry.device, seq: entry.seq, hash: entry.object };
            let stored = self.store().get(&name, &|bytes| self.hash(bytes))?;
            let object = EntryObject::parse(&stored, self.suite())?;
            // A key that opens nothing would look like one that was exchanged.
            let dek = self.entry_dek(&object, &stored).filter(|dek| opens(self.provider(), &object, &stored, dek));
            Ok::<_, VaultError>((stored, dek.map(|dek| *dek.expose())))
        })?;
        let entries = stored.iter().map(|(stored, dek)| HistoryEntry { stored, dek: dek.as_ref() }).collect();
        Ok(HistoryFile { suite: self.suite(), vault: self.id(), records, entries }.encode()?)
    }
}

/// Reads the logs of an exported history.
struct Exported<'a> {
    provider: &'static Provider,
    roster: &'a Roster,
    entries: &'a HashMap<ObjectHash, &'a HistoryEntry<'a>>,
}

impl LogReader for Exported<'_> {
    fn open_entry(&self, device: DeviceId, object: &EntryObject, stored: &[u8]) -> Result<Opened, Refusal> {
        let hash = ObjectHash(self.provider.hash.hash(&[stored]));
        let dek = self.entries.get(&hash).and_then(|entry| entry.dek);
        let dek = dek.and_then(|dek| Key::from_slice(dek).ok());
        // Without its key, or with another one: neither is the device's doing.
        let dek_of = |_: Domain| match &dek {
            Some(dek) if opens(self.provider, object, stored, dek) => EntryDek::Is(dek.duplicate()),
            _ => EntryDek::NotForUs,
        };
        open_entry(self.provider, self.roster, device, object, stored, &dek_of)
    }

    fn revoked(&self) -> Vec<DeviceId> {
        self.roster.revoked()
    }

    fn revoked_after(&self, device: DeviceId) -> Option<Option<Identity>> {
        Some(self.roster.devices.get(&device)?.revocations.first()?.last)
    }

    /// Nothing is known from before.
    fn may_write(&self, _: DeviceId, _: Domain) -> bool {
        true
    }

    fn capabilities(&self, device: DeviceId) -> Capabilities {
        self.roster.devices.get(&device).map_or(Capabilities::NONE, |device| device.capabilities)
    }

    fn name_of(&self, device: DeviceId) -> String {
        format!("{device:.8}")
    }

    /// Nobody: there is no device whose own losses would be excused.
    fn own(&self) -> DeviceId {
        DeviceId([0; 16])
    }

    fn knows_record(&self, record: Identity) -> bool {
        self.roster.knows(record)
    }

    fn roster_regresses(&self, before: &[Identity], after: &[Identity]) -> bool {
        self.roster.regresses(before, after)
    }
}

/// Whether a key is that of a sealed entry.
fn opens(provider: &'static Provider, object: &EntryObject, stored: &[u8], dek: &Key) -> bool {
    open_object(provider, &stored[..object.signed_len], object.prefix_len, dek, limits::ENTRY_BODY).is_ok()
}

fn unknown_record(seq: u64, by: &str, record: &Identity) -> String {
    format!("entry {seq} of device {by} goes by roster record {record:.8}, which is not shown")
}

/// Each event after those that it builds on, as far as they are there; else by time.
fn in_order(events: Vec<Event>, after: &HashMap<Identity, Vec<Identity>>) -> Vec<Event> {
    let mut events: HashMap<Identity, Event> = events.into_iter().map(|event| (event.id, event)).collect();
    let mut open: HashMap<Identity, usize> = HashMap::new();
    let mut then: HashMap<Identity, Vec<Identity>> = HashMap::new();
    let mut ready = BinaryHeap::new();
    let key = |event: &Event| Reverse((event.time, event.id));
    for (id, event) in &events {
        let before: HashSet<&Identity> = after[id].iter().filter(|id| events.contains_key(*id)).collect();
        if before.is_empty() {
            ready.push(key(event));
        }
        open.insert(*id, before.len());
        before.into_iter().for_each(|before| then.entry(*before).or_default().push(*id));
    }
    let mut ordered = Vec::with_capacity(events.len());
    while let Some(Reverse((_, id))) = ready.pop() {
        ordered.extend(events.remove(&id));
        for next in then.remove(&id).unwrap_or_default() {
            if let Some(left) = open.get_mut(&next) {
                *left -= 1;
                if *left == 0 {
                    ready.extend(events.get(&next).map(key));
                }
            }
        }
    }
    ordered
}

fn record_words(record: &Record, name_of: &dyn Fn(DeviceId) -> String) -> Vec<String> {
    let mut words: Vec<String> = record.ops.iter().map(|op| op_words(op, name_of)).collect();
    if record.genesis.is_some() {
        words.insert(0, "made the vault".into());
    }
    if record.epoch.is_some() && record.genesis.is_none() {
        words.push("began a new epoch".into());
    }
    if words.is_empty() {
        words.push(if record.parents.len() > 1 { "merged" } else { "gave keys or names" }.into());
    }
    words
}

fn op_words(op: &Op, name_of: &dyn Fn(DeviceId) -> String) -> String {
    match op {
        Op::Add { id, slot: Some(_), .. } => format!("added a passphrase or recovery key, {}", name_of(*id)),
        Op::Add { id, handshake: Some(_), capabilities, .. } => {
            format!("paired device {} ({})", name_of(*id), may(*capabilities))
        }
        Op::Add { id, capabilities, .. } => format!("added device {} ({})", name_of(*id), may(*capabilities)),
        Op::Grant { id, capabilities } => format!("granted {} to {}", may(*capabilities), name_of(*id)),
        Op::Revoke { id, .. } => format!("revoked {}", name_of(*id)),
        Op::Store { id, primary: true, .. } => format!("made store {} the primary", hex::encode(&id[..4])),
        Op::Store { id, .. } => format!("added store {}", hex::encode(&id[..4])),
        Op::RemoveStore { id } => format!("removed store {}", hex::encode(&id[..4])),
        Op::Flags { .. } => "asked for features".into(),
        Op::NewRoot { .. } => "made another recovery key".into(),
        Op::Setting { key, .. } => format!("set {key}"),
        Op::Unknown { code, .. } => format!("did what this version does not know ({code})"),
    }
}

fn may(capabilities: Capabilities) -> String {
    let all = [
        (Capabilities::READ, "read"),
        (Capabilities::PUSH, "push"),
        (Capabilities::PRUNE, "prune"),
        (Capabilities::ADMIN, "admin"),
        (Capabilities::PAIR, "pair"),
    ];
    let has: Vec<_> = all.into_iter().filter(|(one, _)| capabilities.contains(*one)).map(|(_, name)| name).collect();
    has.join(", ")
}

fn entry_words(entry: &LogEntry, name_of: &dyn Fn(DeviceId) -> String) -> String {
    match &entry.body.payload {
        _ if entry.is_sealed() => "wrote what cannot be read".into(),
        Payload::Snapshot(snapshot) => {
            let labels: Vec<_> = snapshot.sources.iter().map(|source| String::from_utf8_lossy(&source.label)).collect();
            format!("pushed snapshot {:.8} of {}", entry.identity, labels.join(", "))
        }
        Payload::Forget(refs) => {
            let ids: Vec<_> = refs.iter().map(|one| format!("{:.8}", one.identity)).collect();
            format!("forgot {}", ids.join(", "))
        }
        Payload::Checkpoint(checkpoint) => {
            let entries: u64 = checkpoint.parts.iter().map(|part| u64::from(part.entries)).sum();
            format!("wrote a checkpoint of {entries} entries")
        }
        Payload::Condemn(packs) => format!("condemned {} packs", packs.len()),
        Payload::Fence { condemn, .. } => format!("fenced round {condemn:.8}"),
        Payload::Final(end) => format!("deleted {} packs of round {:.8}", end.packs.len(), end.condemn),
        Payload::Progress => "went on with a push".into(),
        Payload::Accept(losses) => {
            let losses: Vec<_> = losses
                .iter()
                .map(|loss| match loss.pinned_seq {
                    0 => format!("entry {:.8} of {}", loss.pinned, name_of(loss.device)),
                    last => {
                        format!(
                            "entries {} to {last} ({:.8}) of {}",
                            loss.now_seq.saturating_add(1),
                            loss.pinned,
                            name_of(loss.device)
                        )
                    }
                })
                .collect();
            format!("accepted the loss of {}", losses.join(", "))
        }
        Payload::Index(_) => "merged the index".into(),
        Payload::Merge => "merged its log".into(),
        Payload::Unknown(kind) => format!("wrote an entry of a kind that this version does not know ({kind})"),
    }
}

fn standing_words(standing: Standing) -> Option<&'static str> {
    match standing {
        Standing::Effective => None,
        Standing::RevocationsOnly => {
            Some("counts for its revocations only: its signer had left the vault, or nobody who counts had added it")
        }
        Standing::NoRight => Some("does not count: its signer had no right to it"),
        Standing::Revoked => Some("does not count: its signer was revoked"),
    }
}

fn fault_words(fault: Fault) -> &'static str {
    match fault {
        Fault::Unreadable => "it is signed, and is no entry",
        Fault::Number => "its number does not follow",
        Fault::Seen => "it has seen less than the one before it",
        Fault::Roster => "it goes by an older roster than the one before it",
        Fault::Heads => "its log has too many open ends",
    }
}
