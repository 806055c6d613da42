//! The work itself: what is missing, in the order that keeps the target a valid vault.

use std::collections::{BTreeMap, HashSet};
use std::sync::Mutex;
use std::sync::atomic::Ordering::Relaxed;

use bytes::Bytes;
use vault_format::{DeviceId, Identity, ObjectName};

use super::finals::Finals;
use super::meet::{Met, is_damage};
use super::shown::Shown;
use super::{Damaged, MirrorError, MirrorOptions, MirrorReport};
use crate::chain;
use crate::check::{Trust, Verdict};
use crate::parallel::for_each_on;
use crate::roster::Roster;
use crate::store::{Store, StoreError};
use crate::sync::lock;
use crate::watch::Watch;

/// One copy, from listing to report.
pub(super) struct Job<'a> {
    from: &'a Store,
    to: &'a Store,
    pub(super) source: Shown,
    pub(super) target: Shown,
    met: Met,
    pub(super) options: &'a MirrorOptions<'a>,
    pub(super) watch: &'a Watch<'a>,
    report: Mutex<MirrorReport>,
    /// What is to be copied, with its size, each list in its order.
    packs: Vec<Item>,
    tables: Vec<Item>,
    logs: BTreeMap<DeviceId, Vec<Item>>,
    records: Vec<Item>,
    shortened: std::collections::BTreeSet<DeviceId>,
    stored: Mutex<HashSet<ObjectName>>,
}

/// An object to be copied.
#[derive(Clone, Copy)]
struct Item {
    name: ObjectName,
    size: u64,
    /// The target has other bytes under its name.
    replaces: bool,
}

impl<'a> Job<'a> {
    pub(super) fn new(
        from: &'a Store,
        to: &'a Store,
        source: Shown,
        target: Shown,
        met: Met,
        options: &'a MirrorOptions<'a>,
        watch: &'a Watch<'a>,
    ) -> Self {
        let report = MirrorReport { vault: Some(met.vault), ..MirrorReport::default() };
        Self {
            from,
            to,
            source,
            target,
            met,
            options,
            watch,
            report: Mutex::new(report),
            packs: Vec::new(),
            tables: Vec::new(),
            logs: BTreeMap::new(),
            records: Vec::new(),
            shortened: Default::default(),
            stored: Mutex::default(),
        }
    }

    pub(super) fn trust(&self) -> &Trust {
        &self.met.trust
    }

    pub(super) fn roster(&self) -> &Roster {
        self.met.trust.roster()
    }

    /// Whether it matters what was deleted: only where the stores differ in more than records.
    pub(super) fn needs_finals(&self) -> bool {
        let is_record = |name: &ObjectName| matches!(name, ObjectName::Roster { .. });
        let differs = |one: &Shown, other: &Shown| {
            one.objects.keys().any(|name| !is_record(name) && self.known(name) && !other.objects.contains_key(name))
        };
        differs(&self.source, &self.target) || differs(&self.target, &self.source)
    }

    /// Decides what is to be copied.
    pub(super) fn plan(&mut self, finals: &Finals) -> Result<(), MirrorError> {
        let mut report = std::mem::take(&mut *lock(&self.report));
        for path in self.source.strange.iter().chain(&self.target.strange) {
            report.ignore(format!("{path}: not the name of an object"));
        }
        self.plan_records(&mut report);
        let mut unknown: BTreeMap<DeviceId, u64> = BTreeMap::new();
        for (name, size) in &self.source.objects {
            let (Some(device), size) = (name.device(), *size) else { continue };
            if !self.known(name) {
                *unknown.entry(device).or_default() += 1;
                continue;
            }
            let there = self.target.objects.get(name);
            if there == Some(&size) {
                report.present += 1;
                continue;
            }
            if size > name.limit() {
                report.ignore(format!("{}: {size} bytes, over the limit of its kind", name.to_path()));
                continue;
            }
            if finals.names(name).is_some() {
                report.ignore(format!("{}: a collection has deleted it", name.to_path()));
                continue;
            }
            let item = Item { name: *name, size, replaces: there.is_some() };
            match name {
                ObjectName::Log { device, .. } => self.logs.entry(*device).or_default().push(item),
                ObjectName::Pack(_) => self.packs.push(item),
                _ => self.tables.push(item),
            }
        }
        for (device, count) in unknown {
            report.ignore(format!("{count} objects of device {device:.8}, which is not in the roster"));
        }
        for name in self.target.objects.keys().filter(|name| !self.source.objects.contains_key(name)) {
            if finals.names(name).is_none() && !matches!(name, ObjectName::Roster { .. }) {
                report.extra += 1;
                report.extra_entries += u64::from(matches!(name, ObjectName::Log { .. }));
            }
        }
        self.shortened.clone_from(&finals.shortened);
        let items = || self.records.iter().chain(&self.packs).chain(&self.tables).chain(self.logs.values().flatten());
        let bytes: u64 = items().map(|item| item.size).sum();
        if let Some(limit) = self.options.max_bytes.filter(|limit| bytes > *limit) {
            return Err(MirrorError::TooMuch { url: self.to.label().to_owned(), bytes, limit });
        }
        if self.options.dry_run {
            for item in items() {
                match item.replaces {
                    true => report.healed.add(item.size),
                    false => report.copied_one(&item.name, item.size),
                }
            }
            for (_, size) in self.deletable(finals) {
                report.deleted.add(size);
            }
        }
        let read: u64 = if self.options.read_data { self.target.objects.values().sum() } else { 0 };
        self.watch.total_entries.store(items().count() as u64, Relaxed);
        self.watch.total_bytes.store(bytes + read, Relaxed);
        *lock(&self.report) = report;
        Ok(())
    }

    fn plan_records(&mut self, report: &mut MirrorReport) {
        for ignored in &self.met.ignored {
            let path = ignored.name.to_path();
            match is_damage(ignored) {
                true => report.damaged.push(Damaged {
                    store: self.from.label().to_owned(),
                    object: path,
                    reason: ignored.why.to_string(),
                }),
                false => report.ignore(format!("{path}: {}", ignored.why)),
            }
        }
        for (name, bytes) in &self.met.records {
            let size = bytes.len() as u64;
            match self.target.objects.get(name) {
                Some(there) if *there == size => report.present += 1,
                there => self.records.push(Item { name: *name, size, replaces: there.is_some() }),
            }
        }
    }

    /// Copies packs, then what names them, then records, and logs last (rule S-5).
    pub(super) fn copy(&self) -> Result<(), MirrorError> {
        self.each(LARGE, &self.packs, |item| self.copy_one(item))?;
        self.each(SMALL, &self.tables, |item| self.copy_one(item))?;
        for item in &self.records {
            if self.watch.stopped() {
                return Err(MirrorError::Interrupted);
            }
            self.write(item, Bytes::copy_from_slice(&self.met.records[&item.name]))?;
        }
        let logs: Vec<_> = self.logs.iter().collect();
        self.each(SMALL, &logs, |(device, items)| self.copy_log(**device, items))
    }

    /// Reads what was in the target before, and replaces what is damaged.
    pub(super) fn read_target(&self) -> Result<(), MirrorError> {
        let fits = |name: &ObjectName, size: u64| match self.source.objects.get(name) {
            Some(at_source) => *at_source == size,
            None => true,
        };
        let names = self.target.objects.iter().filter(|(name, size)| {
            let counts = self.known(name) || self.met.records.contains_key(name);
            counts && fits(name, **size)
        });
        let items: Vec<_> = names.map(|(name, size)| Item { name: *name, size: *size, replaces: true }).collect();
        self.each(LARGE, &items, |item| {
            self.watch.set_current(item.name.to_path().as_bytes());
            match self.to.get(&item.name, &self.hash()) {
                Ok(_) => {}
                Err(StoreError::Damaged { .. } | StoreError::TooLarge { .. }) => self.heal(item, true)?,
                Err(StoreError::NotFound { .. }) => self.heal(item, false)?,
                Err(error) => return Err(error.into()),
            }
            lock(&self.report).bytes_read += item.size;
            self.progress(item.size);
            Ok(())
        })
    }

    /// Deletes in the target what a `final` names that is stored there, and what the source no longer has.
    pub(super) fn delete(&self, finals: &Finals) -> Result<(), MirrorError> {
        for (name, size) in self.deletable(finals) {
            let named_by = finals.names(&name).expect("it is deletable because a final names it");
            if self.target.objects.contains_key(named_by) || lock(&self.stored).contains(named_by) {
                self.to.delete(&name)?;
                lock(&self.report).deleted.add(size);
            }
        }
        Ok(())
    }

    pub(super) fn finish(self) -> MirrorReport {
        let mut report = std::mem::take(&mut *lock(&self.report));
        report.damaged.sort();
        report.damaged.dedup();
        report
    }

    /// The bytes of an object from the source, or else from the target, with the hash of its name.
    pub(super) fn read_either(&self, name: &ObjectName) -> Result<Option<(Bytes, &Store)>, MirrorError> {
        for (shown, store) in [(&self.source, self.from), (&self.target, self.to)] {
            if !shown.objects.contains_key(name) {
                continue;
            }
            match store.get(name, &self.hash()) {
                Ok(bytes) => return Ok(Some((bytes, store))),
                Err(StoreError::NotFound { .. } | StoreError::Damaged { .. } | StoreError::TooLarge { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(None)
    }

    fn deletable<'f>(&'f self, finals: &'f Finals) -> impl Iterator<Item = (ObjectName, u64)> + 'f {
        let gone = |(name, _): &(&ObjectName, &u64)| !self.source.objects.contains_key(name);
        let named = self.target.objects.iter().filter(gone).filter(|(name, _)| finals.names(name).is_some());
        named.map(|(name, size)| (*name, *size))
    }

    fn copy_one(&self, item: &Item) -> Result<(), MirrorError> {
        let Some(bytes) = self.read_source(item)? else { return Ok(()) };
        match self.trust().judge_bytes(&item.name, &bytes) {
            Verdict::Good | Verdict::Entry(_) => self.write(item, bytes)?,
            Verdict::Junk(reason) | Verdict::Damaged(reason) => {
                lock(&self.report).ignore(format!("{}: {reason}", item.name.to_path()));
            }
        }
        Ok(())
    }

    /// Entries of one device, each after those that it follows.
    fn copy_log(&self, device: DeviceId, items: &[Item]) -> Result<(), MirrorError> {
        let mut chain = Chain { job: self, device, known: HashSet::new(), read_below: None };
        for item in items {
            if self.watch.stopped() {
                return Ok(());
            }
            let Some(bytes) = self.read_source(item)? else { continue };
            let entry = match self.trust().judge_bytes(&item.name, &bytes) {
                Verdict::Entry(entry) => entry,
                Verdict::Junk(reason) | Verdict::Damaged(reason) => {
                    lock(&self.report).ignore(format!("{}: {reason}", item.name.to_path()));
                    continue;
                }
                Verdict::Good => continue,
            };
            if self.shortened.contains(&device) || chain.holds(&entry.prev, entry.seq)? {
                self.write(item, bytes)?;
                chain.known.insert(entry.identity);
            } else {
                lock(&self.report).held_back += 1;
            }
        }
        Ok(())
    }

    /// The bytes of an object of the source; None if they are not to be had, which is reported.
    fn read_source(&self, item: &Item) -> Result<Option<Bytes>, MirrorError> {
        self.watch.set_current(item.name.to_path().as_bytes());
        match self.from.get(&item.name, &self.hash()) {
            Ok(bytes) => Ok(Some(bytes)),
            // Perhaps it was deleted while this runs; the next copy knows. Until then the target is not complete.
            Err(StoreError::NotFound { .. }) => {
                self.damaged(self.from, &item.name, "it is listed and not there".into());
                Ok(None)
            }
            Err(error @ (StoreError::Damaged { .. } | StoreError::TooLarge { .. })) => {
                self.damaged(self.from, &item.name, what(&error));
                Ok(None)
            }
            Err(error) => Err(error.into()),
        }
    }

    fn write(&self, item: &Item, bytes: Bytes) -> Result<(), MirrorError> {
        let size = bytes.len() as u64;
        let written = match item.replaces {
            true => self.to.heal(&item.name, bytes, &self.hash()).map(|()| true),
            false => match self.to.put(&item.name, bytes.clone()) {
                // Somebody else stored it meanwhile, and badly.
                Err(StoreError::Damaged { .. }) => self.to.heal(&item.name, bytes, &self.hash()).map(|()| true),
                result => result.map(|_| false),
            },
        };
        let healed = match written {
            Ok(healed) => healed,
            Err(error @ (StoreError::PermissionDenied { .. } | StoreError::ReadOnly { .. })) if item.replaces => {
                self.damaged(self.to, &item.name, format!("it cannot be replaced: {}", chain(&error)));
                return Ok(());
            }
            Err(error) => return Err(error.into()),
        };
        lock(&self.stored).insert(item.name);
        let mut report = lock(&self.report);
        match healed {
            true => report.healed.add(size),
            false => report.copied_one(&item.name, size),
        }
        drop(report);
        self.watch.files.fetch_add(1, Relaxed);
        self.watch.stored.fetch_add(size, Relaxed);
        self.progress(size);
        Ok(())
    }

    /// Puts an object of the target right, from the source if it has it.
    fn heal(&self, item: &Item, replaces: bool) -> Result<(), MirrorError> {
        let bytes = match self.met.records.get(&item.name) {
            Some(bytes) => Some(Bytes::copy_from_slice(bytes)),
            None if self.source.objects.contains_key(&item.name) => self.read_source(item)?,
            None => None,
        };
        match bytes {
            Some(bytes) => self.write(&Item { replaces, ..*item }, bytes),
            None => {
                self.damaged(self.to, &item.name, "its bytes do not have the hash in its name".into());
                Ok(())
            }
        }
    }

    fn damaged(&self, store: &Store, name: &ObjectName, reason: String) {
        let object = name.to_path();
        self.watch.problem(format!("{}/{object}", store.label()).as_bytes(), &reason);
        lock(&self.report).damaged.push(Damaged { store: store.label().to_owned(), object, reason });
    }

    /// Whether the name is of a device that the roster knows. Anybody can make up others.
    fn known(&self, name: &ObjectName) -> bool {
        name.device().is_some_and(|device| self.roster().devices.contains_key(&device))
    }

    fn hash(&self) -> impl Fn(&[u8]) -> [u8; 32] + '_ {
        |bytes| self.met.trust.provider.hash.hash(&[bytes])
    }

    fn progress(&self, bytes: u64) {
        self.watch.bytes.fetch_add(bytes, Relaxed);
    }

    pub(super) fn each<T: Sync>(
        &self,
        threads: usize,
        items: &[T],
        work: impl Fn(&T) -> Result<(), MirrorError> + Sync,
    ) -> Result<(), MirrorError> {
        for_each_on(threads, items, self.watch, work)?.ok_or(MirrorError::Interrupted)
    }
}

/// Which entries of a device's log the target holds, as far as it was necessary to look.
struct Chain<'j, 'a> {
    job: &'j Job<'a>,
    device: DeviceId,
    known: HashSet<Identity>,
    /// Entries of the target from this number on were read.
    read_below: Option<u64>,
}

impl Chain<'_, '_> {
    /// Whether all of these are stored in the target. Names do not say which entry they are, so the last few are read, and
    /// all of them only if the entry follows an old one.
    fn holds(&mut self, prev: &[Identity], seq: u64) -> Result<bool, MirrorError> {
        for from in [seq.saturating_sub(NEAR), 0] {
            if prev.iter().all(|identity| self.known.contains(identity)) {
                return Ok(true);
            }
            self.read_from(from, seq)?;
        }
        Ok(prev.iter().all(|identity| self.known.contains(identity)))
    }

    fn read_from(&mut self, from: u64, to: u64) -> Result<(), MirrorError> {
        let to = self.read_below.unwrap_or(to);
        let there: Vec<ObjectName> = self
            .job
            .target
            .objects
            .keys()
            .filter(|name| matches!(name, ObjectName::Log { device, seq, .. } if *device == self.device && (from..to).contains(seq)))
            .copied()
            .collect();
        for name in there {
            if let Some((bytes, _)) = self.job.read_either(&name)?
                && let Verdict::Entry(entry) = self.job.trust().judge_bytes(&name, &bytes)
            {
                self.known.insert(entry.identity);
            }
        }
        self.read_below = Some(from);
        Ok(())
    }
}

/// What an error says of an object, without where it is.
fn what(error: &StoreError) -> String {
    match error {
        StoreError::Damaged { what, .. } => (*what).to_owned(),
        StoreError::TooLarge { size, limit, .. } => format!("it has {size} bytes, over the limit of {limit}"),
        error => chain(error),
    }
}

/// Packs at one time: each is up to 16 MiB in memory.
const LARGE: usize = 4;
/// Small objects at one time.
pub(super) const SMALL: usize = 8;
/// Entries of the target that are read to find what a new one follows.
const NEAR: u64 = 4;
