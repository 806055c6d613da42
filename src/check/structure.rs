//! What the store lists, against what roster, logs and index say should be there.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Mutex;
use std::sync::atomic::Ordering::Relaxed;

use vault_format::index::{SIZE_UNIT, Table, TableKind};
use vault_format::log::{IndexName, Payload};
use vault_format::name::{ObjectName, PackName, prefix};
use vault_format::roster::Capabilities;
use vault_format::{DeviceId, sizes};

use super::damage::{DamageNumber, Damages};
use super::{CheckError, CheckReport, parallel};
use crate::Vault;
use crate::log::LogEntry;
use crate::roster::{IgnoredWhy, Standing};
use crate::store::{Listed, Listing, StoreError};
use crate::sync::lock;
use crate::vault::VaultError;
use crate::watch::Watch;

/// What the later phases need to know.
pub(super) struct Structure {
    /// The packs that some table names.
    pub(super) packs: HashMap<PackName, PackState>,
    /// Packs that are listed and that no table names.
    pub(super) unindexed: Vec<(PackName, u64)>,
    /// The tables that can be opened.
    pub(super) tables: Vec<IndexName>,
    /// Writers of damaged or missing tables, and the first of these.
    pub(super) lost_tables: BTreeMap<DeviceId, DamageNumber>,
}

/// A pack that some table names.
#[derive(Debug, Default)]
pub(super) struct PackState {
    /// Stored bytes, as listed; 0 if it is not there.
    pub(super) size: u64,
    /// The tables that name it: numbers in `Structure::tables`.
    pub(super) tables: Vec<u32>,
    /// Set if something is wrong with it.
    pub(super) damage: Option<DamageNumber>,
    /// Nothing in it can be relied on.
    pub(super) all_lost: bool,
    /// These segments cannot be read.
    pub(super) lost_slots: BTreeSet<u32>,
}

impl PackState {
    /// Whose fault it is if a segment cannot be relied on.
    pub(super) fn lost(&self, slot: u32) -> Option<DamageNumber> {
        self.damage.filter(|_| self.all_lost || self.lost_slots.contains(&slot))
    }
}

impl Structure {
    /// Whether a device wrote a pack, or a table of the device says what is in it.
    pub(super) fn is_of(&self, pack: &PackName, device: DeviceId) -> bool {
        let tables = self.packs.get(pack).map_or(&[][..], |state| &state.tables);
        pack.device == device || tables.iter().any(|table| self.tables[*table as usize].device == device)
    }

    pub(super) fn check(
        vault: &Vault,
        watch: &Watch<'_>,
        report: &mut CheckReport,
        damages: &mut Damages<'_>,
    ) -> Result<Self, CheckError> {
        let listing = vault.store().list(&prefix())?;
        report_listing(vault, &listing, report);
        let listed: HashMap<ObjectName, u64> =
            listing.objects.iter().map(|object| (object.name, object.size)).collect();

        let said = Said::by(vault, &listed);
        let small = |object: &&Listed| !matches!(object.name, ObjectName::Pack(_));
        watch.total_bytes.store(listing.objects.iter().filter(small).map(|object| object.size).sum(), Relaxed);
        check_names(vault, &listing, &said, watch, report, damages)?;
        report_junk(vault, report, damages);
        // A vault that was not opened for a check may know its oldest entries from an earlier run only.
        for entry in vault.log().entries() {
            let name = entry.name();
            if !listed.contains_key(&name) {
                damages.add(&name.to_path(), "this device has read it, and it is gone");
            }
        }

        let mut structure =
            Self { packs: HashMap::new(), unindexed: Vec::new(), tables: Vec::new(), lost_tables: BTreeMap::new() };
        for table in &said.tables {
            if watch.stopped() {
                return Err(CheckError::Interrupted);
            }
            structure.take_table(vault, *table, &listed, watch, report, damages)?;
        }
        structure.check_packs(&listing, &listed, &said.deleted_packs, report, damages);
        Ok(structure)
    }

    /// Opens a table and notes its packs.
    fn take_table(
        &mut self,
        vault: &Vault,
        name: IndexName,
        listed: &HashMap<ObjectName, u64>,
        watch: &Watch<'_>,
        report: &mut CheckReport,
        damages: &mut Damages<'_>,
    ) -> Result<(), CheckError> {
        let path = ObjectName::from(name).to_path();
        let Some(size) = listed.get(&ObjectName::from(name)) else {
            if misnamed(vault, name, listed, report) {
                return Ok(());
            }
            vault.note_missing(name);
            let group = format!("index tables of device {}", name.device);
            let number = damages.add_missing(group, &path, "an entry names it and it is missing");
            self.lost_tables.entry(name.device).or_insert(number);
            return Ok(());
        };
        let table = match vault.open_table(name) {
            Ok(table) => table,
            Err(VaultError::Table { .. }) if misnamed(vault, name, listed, report) => return Ok(()),
            Err(VaultError::Table { reason, .. }) => {
                let number = damages.add(&path, &reason);
                self.lost_tables.entry(name.device).or_insert(number);
                return Ok(());
            }
            Err(error) => return Err(error.into()),
        };
        watch.bytes.fetch_add(*size, Relaxed);
        report.bytes_read += size;
        if !fits(vault, name, &table) {
            report.junk.push(format!("{path}: names packs of other devices; those rows do not count"));
        }
        let number = self.tables.len() as u32;
        self.tables.push(name);
        // What a device says of other devices' packs is no reason to doubt these.
        let anywhere = points_anywhere(vault, name);
        for pack in table.packs.iter().filter(|pack| anywhere || pack.name.device == name.device) {
            let state = self.packs.entry(pack.name).or_default();
            state.tables.push(number);
            let said = u64::from(pack.size_units) * SIZE_UNIT as u64;
            let Some(&size) = listed.get(&ObjectName::Pack(pack.name)) else { continue };
            state.size = size;
            if size != said && state.damage.is_none() {
                let reason = format!("it has {size} bytes, and {said} by the index");
                state.damage = Some(damages.add(&path_of(&pack.name), &reason));
                state.all_lost = true;
            }
        }
        Ok(())
    }

    /// Missing packs, and packs that no table names.
    fn check_packs(
        &mut self,
        listing: &Listing,
        listed: &HashMap<ObjectName, u64>,
        deleted: &HashSet<PackName>,
        report: &mut CheckReport,
        damages: &mut Damages<'_>,
    ) {
        let mut missing: Vec<_> = self
            .packs
            .iter()
            .filter(|(name, _)| !listed.contains_key(&ObjectName::Pack(**name)) && !deleted.contains(name))
            .map(|(name, _)| *name)
            .collect();
        missing.sort_unstable();
        for name in missing {
            let state = self.packs.entry(name).or_default();
            let group = format!("packs of device {}", name.device);
            let number = damages.add_missing(group, &path_of(&name), "the index names it and it is missing");
            state.damage = Some(number);
            state.all_lost = true;
        }
        for Listed { name, size } in &listing.objects {
            let ObjectName::Pack(pack) = name else { continue };
            report.packs += 1;
            if !self.packs.contains_key(pack) {
                report.unreferenced += 1;
                report.unreferenced_bytes += size;
                self.unindexed.push((*pack, *size));
                if !usize::try_from(*size).is_ok_and(sizes::is_pack_class) {
                    report.junk.push(format!("{}: no pack has {size} bytes", name.to_path()));
                }
            }
        }
    }
}

/// What the logs say of other objects.
struct Said {
    /// Tables that entries name and no collection deleted.
    tables: Vec<IndexName>,
    /// Packs that a collection deleted.
    deleted_packs: HashSet<PackName>,
}

impl Said {
    fn by(vault: &Vault, listed: &HashMap<ObjectName, u64>) -> Self {
        let (mut deleted_packs, mut deleted_tables) = (HashSet::new(), HashSet::new());
        for collector in vault.collectors() {
            for entry in vault.log().of(collector) {
                if let Payload::Final(end) = &entry.body.payload {
                    deleted_packs.extend(end.packs.iter().copied());
                    deleted_tables.extend(end.index.iter().copied());
                }
            }
        }
        let mut tables = BTreeSet::new();
        for entry in vault.log().entries() {
            let device = entry.device;
            tables.extend(entry.body.deltas.iter().map(|(hash, _)| IndexName { shard: false, device, hash: *hash }));
            if let Payload::Index(set) = &entry.body.payload {
                tables.extend(set.shards.iter().map(|hash| IndexName { shard: true, device, hash: *hash }));
            }
        }
        tables.retain(|table| !deleted_tables.contains(table) || listed.contains_key(&ObjectName::from(*table)));
        Self { tables: tables.into_iter().collect(), deleted_packs }
    }
}

pub(super) fn path_of(pack: &PackName) -> String {
    ObjectName::Pack(*pack).to_path()
}

fn report_listing(vault: &Vault, listing: &Listing, report: &mut CheckReport) {
    report.objects = listing.objects.len() as u64;
    report.leftovers = listing.leftovers.len() as u64;
    report.junk.extend(listing.strange.iter().map(|path| format!("{path}: not the name of an object")));
    for Listed { name, size } in &listing.objects {
        let unknown = name.device().filter(|device| !vault.roster().devices.contains_key(device));
        if let Some(device) = unknown {
            report.junk.push(format!("{}: device {device:.8} is not in the roster", name.to_path()));
        }
        if !matches!(name, ObjectName::Pack(_)) && !usize::try_from(*size).is_ok_and(sizes::is_class) {
            report.junk.push(format!("{}: no object of this kind has {size} bytes", name.to_path()));
        }
    }
}

/// Reads every object that is neither a pack nor a table to be opened, and compares it with its name. What was verified when the
/// vault was opened may have been verified in an earlier run.
fn check_names(
    vault: &Vault,
    listing: &Listing,
    said: &Said,
    watch: &Watch<'_>,
    report: &mut CheckReport,
    damages: &mut Damages<'_>,
) -> Result<(), CheckError> {
    let opened: HashSet<ObjectName> = said.tables.iter().map(|table| ObjectName::from(*table)).collect();
    let others: Vec<_> = listing
        .objects
        .iter()
        .filter(|object| !matches!(object.name, ObjectName::Pack(_)) && !opened.contains(&object.name))
        .collect();
    // Of entries that were verified in an earlier run, or came out of a checkpoint, the object may be another one by now.
    let entries: HashMap<ObjectName, &LogEntry> = vault.log().entries().map(|entry| (entry.name(), entry)).collect();
    let bad = Mutex::new(Vec::new());
    let read = Mutex::new(0);
    parallel::for_each(&others, watch, |object| {
        match vault.store().get(&object.name, &|bytes| vault.hash(bytes)) {
            Ok(bytes) => {
                *lock(&read) += bytes.len() as u64;
                watch.bytes.fetch_add(object.size, Relaxed);
                watch.stored.fetch_add(object.size, Relaxed);
                if entries.get(&object.name).is_some_and(|entry| !vault.is_stored_as(entry, &bytes)) {
                    lock(&bad).push((object.name, "it is not the entry that is known in its place".to_owned()));
                }
            }
            Err(StoreError::Damaged { what, .. }) => lock(&bad).push((object.name, what.to_owned())),
            // Mail is deleted when it was read.
            Err(StoreError::NotFound { .. }) if matches!(object.name, ObjectName::Mail { .. }) => {}
            Err(StoreError::NotFound { .. }) => lock(&bad).push((object.name, "it is gone".to_owned())),
            Err(StoreError::TooLarge { size, limit, .. }) => {
                lock(&bad).push((object.name, format!("it has {size} bytes, over the limit of {limit}")));
            }
            Err(error) => return Err(error.into()),
        }
        Ok(())
    })?;
    report.bytes_read += *lock(&read);
    let mut bad = std::mem::take(&mut *lock(&bad));
    bad.sort_unstable();
    for (name, reason) in bad {
        damages.add(&name.to_path(), &reason);
    }
    Ok(())
}

/// What opening the vault did not accept, unless it is known to be damaged.
fn report_junk(vault: &Vault, report: &mut CheckReport, damages: &Damages<'_>) {
    let roster = vault.roster();
    let ignored = roster.ignored.iter().filter(|ignored| !matches!(ignored.why, IgnoredWhy::Hash));
    let mut junk: Vec<_> = ignored.map(|ignored| (ignored.name.to_path(), ignored.why.to_string())).collect();
    junk.extend(vault.refused_records().map(|name| (name.to_path(), "it is no record of the vault".to_owned())));
    junk.extend(vault.log().junk().iter().map(|junk| (junk.path.clone(), junk.reason.clone())));
    junk.retain(|(path, _)| damages.find(path).is_none());
    report.junk.extend(junk.into_iter().map(|(path, reason)| format!("{path}: {reason}")));
    for void in &roster.void {
        let what = match void.standing {
            Standing::Effective => continue,
            Standing::RevocationsOnly => {
                "counts for its revocations only: its signer had left the vault, or nobody who counts had added it"
            }
            Standing::NoRight => "does not count: its signer had no right to it",
            Standing::Revoked => "does not count: its signer was revoked",
        };
        report.junk.push(format!("roster record {} ({:.8}) {what}", void.n, void.identity));
    }
}

/// Whether a table is of another device than the one that names it, and was never this one's: nothing of it is lost.
fn misnamed(vault: &Vault, name: IndexName, listed: &HashMap<ObjectName, u64>, report: &mut CheckReport) -> bool {
    let is_there = |other: &IndexName| listed.contains_key(&ObjectName::from(*other));
    let Some(owner) = vault.owner_of(&name, is_there) else { return false };
    let path = ObjectName::from(name).to_path();
    report.junk.push(format!("{path}: an entry names it, and it is a table of device {owner:.8}"));
    true
}

/// Whether rows of a table point only where they may (SPEC section 8).
fn fits(vault: &Vault, name: IndexName, table: &Table) -> bool {
    let kind = if name.shard { TableKind::Shard } else { TableKind::Delta };
    table.kind == kind
        && (points_anywhere(vault, name) || table.packs.iter().all(|pack| pack.name.device == name.device))
}

/// Whether rows may point into packs of any device: in shards of a device that may read.
fn points_anywhere(vault: &Vault, name: IndexName) -> bool {
    let writer = vault.roster().devices.get(&name.device);
    name.shard && writer.is_some_and(|device| device.capabilities.contains(Capabilities::READ))
}
