//! Packs, read whole: name, header, commitment, every frame, padding, every id, and what the index says of them.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex};

use vault_format::index::{SegmentRef, Table};
use vault_format::log::IndexName;
use vault_format::name::{ObjectName, PackName};
use vault_format::pack::Footer;
use vault_format::{ChunkId, Domain, Scope};

use super::damage::Damages;
use super::parallel::{self, workers};
use super::structure::{Structure, path_of};
use super::{CheckError, CheckReport, ReadData};
use crate::roster::ReaderKeys;
use crate::stage::{IdKeys, Opener, PackError, PackHead, verify_pack};
use crate::store::StoreError;
use crate::sync::lock;
use crate::vault::ChunkError;
use crate::watch::Watch;
use crate::{Vault, chain};

/// Reads the packs that `read_data` names and notes in `structure` what cannot be relied on.
pub(super) fn check(
    vault: &Vault,
    read_data: ReadData,
    structure: &mut Structure,
    watch: &Watch<'_>,
    report: &mut CheckReport,
    damages: &mut Damages<'_>,
) -> Result<(), CheckError> {
    let indexed = structure.packs.iter().filter(|(_, state)| state.size > 0).map(|(name, state)| (*name, state.size));
    let mut packs: Vec<_> = indexed.chain(structure.unindexed.iter().copied()).collect();
    if let ReadData::OfDevice(device) = read_data {
        packs.retain(|(name, _)| structure.is_of(name, device));
    }
    packs.sort_unstable();
    let mut packs = read_data.choose(packs, vault.provider().random)?;
    // Packs of one table one after another: its rows are needed for all of them.
    packs.sort_by_key(|(name, _)| {
        let table = structure.packs.get(name).and_then(|state| state.tables.first().copied());
        (table.unwrap_or(u32::MAX), *name)
    });
    let before = watch.bytes.load(Relaxed);
    watch.total_bytes.store(before + packs.iter().map(|(_, size)| size).sum::<u64>(), Relaxed);

    let reader = Reader {
        vault,
        keys: vault.reader_keys("check packs")?,
        structure,
        tables: Mutex::default(),
        ids: Mutex::default(),
    };
    let findings = Mutex::new(Vec::new());
    let read = Mutex::new((0, 0));
    parallel::for_each(&packs, watch, |(name, size)| {
        watch.set_current(path_of(name).as_bytes());
        let finding = match vault.store().get_unverified(&ObjectName::Pack(*name)) {
            Ok(bytes) => {
                let mut read = lock(&read);
                read.0 += 1;
                read.1 += bytes.len() as u64;
                drop(read);
                reader.verify(name, &bytes)?
            }
            Err(StoreError::NotFound { .. }) => Some(Finding::lost(name, "it is gone".into())),
            Err(error @ (StoreError::Damaged { .. } | StoreError::TooLarge { .. })) => {
                Some(Finding::lost(name, chain(&error)))
            }
            Err(error) => return Err(error.into()),
        };
        lock(&findings).extend(finding);
        watch.bytes.fetch_add(*size, Relaxed);
        watch.stored.fetch_add(*size, Relaxed);
        Ok(())
    })?;
    (report.packs_read, _) = *lock(&read);
    report.bytes_read += lock(&read).1;

    let mut findings = std::mem::take(&mut *lock(&findings));
    findings.sort_by_key(|finding| finding.pack);
    for finding in findings {
        finding.note(structure, report, damages);
    }
    Ok(())
}

/// What is wrong with a pack.
struct Finding {
    pack: PackName,
    /// Of the pack itself.
    reason: Option<String>,
    all_lost: bool,
    lost_slots: BTreeSet<u32>,
    /// The pack is as its writer made it, and wrong: it was never a good one.
    foreign: bool,
    /// Tables that say something else than the pack, and the segments that they say it of.
    wrong_tables: Vec<(IndexName, BTreeSet<u32>)>,
}

impl Finding {
    fn sound(name: &PackName) -> Self {
        Self {
            pack: *name,
            reason: None,
            all_lost: false,
            lost_slots: BTreeSet::new(),
            foreign: false,
            wrong_tables: Vec::new(),
        }
    }

    fn lost(name: &PackName, reason: String) -> Self {
        Self { reason: Some(reason), all_lost: true, ..Self::sound(name) }
    }

    fn note(self, structure: &mut Structure, report: &mut CheckReport, damages: &mut Damages<'_>) {
        let path = path_of(&self.pack);
        let state = structure.packs.get_mut(&self.pack);
        if let Some(reason) = self.reason {
            if state.is_none() && self.foreign {
                // Nothing relies on it, and anybody can put such a thing there.
                report.junk.push(format!("{path}: {reason}"));
                return;
            }
            let number = damages.add(&path, &reason);
            if let Some(state) = state {
                state.damage.get_or_insert(number);
                state.all_lost |= self.all_lost;
                state.lost_slots.extend(self.lost_slots);
            }
            return;
        }
        for (table, slots) in self.wrong_tables {
            let reason = format!("it says of {path} what is not so");
            let number = damages.add(&ObjectName::from(table).to_path(), &reason);
            if let Some(state) = structure.packs.get_mut(&self.pack) {
                state.damage.get_or_insert(number);
                state.lost_slots.extend(slots);
            }
        }
    }
}

struct Reader<'a> {
    vault: &'a Vault,
    keys: &'a ReaderKeys,
    structure: &'a Structure,
    tables: Mutex<VecDeque<(u32, Arc<TableRows>)>>,
    ids: Mutex<HashMap<(Domain, Scope), Arc<IdKeys>>>,
}

/// The rows of a table, by pack.
type TableRows = HashMap<PackName, Vec<RowPlace>>;

/// A row with its segment.
#[derive(Clone, Copy)]
struct RowPlace {
    id: ChunkId,
    offset: u32,
    len: u32,
    segment: SegmentRef,
}

impl Reader<'_> {
    /// `None`: everything is right.
    fn verify(&self, name: &PackName, bytes: &[u8]) -> Result<Option<Finding>, CheckError> {
        let intact = self.vault.hash(bytes) == name.hash.0;
        let said = |error: &PackError| if intact { chain(error) } else { format!("{WRONG_HASH}; {}", chain(error)) };
        let head = match self.vault.open_head(name, bytes) {
            Ok(head) => head,
            Err(ChunkError::Damaged { error, .. }) => {
                return Ok(Some(Finding { foreign: intact, ..Finding::lost(name, said(&error)) }));
            }
            Err(error) => return Err(error.into()),
        };
        let tables = self.structure.packs.get(name).map_or(&[][..], |state| &state.tables);
        let domain = head.header().domain;
        match verify_pack(&head, bytes, &|scope| self.ids(domain, scope)) {
            Ok(footer) if intact => self.compare(name, &footer, tables),
            // Every byte is sealed: this is another pack of the same writer, whole, in the wrong place.
            Ok(_) => Ok(Some(Finding::lost(name, format!("{WRONG_HASH}; it is another pack")))),
            Err(error) => {
                let mut lost_slots = self.lost_slots(&head, name, bytes, tables)?;
                if let PackError::ChunkId { slot, .. } = error {
                    lost_slots.insert(slot);
                }
                let reason = said(&error);
                Ok(Some(Finding { all_lost: false, lost_slots, foreign: intact, ..Finding::lost(name, reason) }))
            }
        }
    }

    /// Looks for rows of the index that the pack does not bear out.
    fn compare(&self, name: &PackName, footer: &Footer, tables: &[u32]) -> Result<Option<Finding>, CheckError> {
        let mut chunks = HashMap::new();
        for (slot, segment) in (0u32..).zip(&footer.segments) {
            let mut offset = 0;
            for chunk in &segment.chunks {
                chunks.insert((slot, offset), (chunk.id, chunk.len));
                offset += chunk.len;
            }
        }
        let holds = |row: &RowPlace| {
            let SegmentRef { slot, offset, frame_len, plain_len, .. } = row.segment;
            let segment = footer.segments.get(slot as usize);
            segment.is_some_and(|s| (s.offset, s.frame_len, s.plain_len) == (offset, frame_len, plain_len))
                && chunks.get(&(slot, row.offset)) == Some(&(row.id, row.len))
        };
        let mut wrong_tables = Vec::new();
        for number in tables {
            let rows = self.rows(*number)?;
            let wrong = rows.get(name).into_iter().flatten().filter(|row| !holds(row));
            let slots: BTreeSet<_> = wrong.map(|row| row.segment.slot).collect();
            if !slots.is_empty() {
                wrong_tables.push((self.structure.tables[*number as usize], slots));
            }
        }
        Ok((!wrong_tables.is_empty()).then(|| Finding { wrong_tables, ..Finding::sound(name) }))
    }

    /// The segments, of those that the index knows, that do not open.
    fn lost_slots(
        &self,
        head: &PackHead,
        name: &PackName,
        bytes: &[u8],
        tables: &[u32],
    ) -> Result<BTreeSet<u32>, CheckError> {
        let mut segments = BTreeMap::new();
        for number in tables {
            let rows = self.rows(*number)?;
            segments.extend(rows.get(name).into_iter().flatten().map(|row| (row.segment.slot, row.segment)));
        }
        let mut opener = Opener::new();
        let mut opens = |segment: &SegmentRef| {
            let start = segment.offset as usize;
            bytes
                .get(start..start.saturating_add(segment.frame_len as usize))
                .is_some_and(|frame| head.open_segment(&mut opener, segment.slot, frame, segment.plain_len).is_ok())
        };
        Ok(segments.values().filter(|segment| !opens(segment)).map(|segment| segment.slot).collect())
    }

    fn rows(&self, number: u32) -> Result<Arc<TableRows>, CheckError> {
        if let Some((_, rows)) = lock(&self.tables).iter().find(|(known, _)| *known == number) {
            return Ok(Arc::clone(rows));
        }
        let name = self.structure.tables[number as usize];
        let rows = Arc::new(by_pack(&self.vault.open_table(name)?));
        let mut tables = lock(&self.tables);
        if tables.len() > workers() {
            tables.pop_front();
        }
        tables.push_back((number, Arc::clone(&rows)));
        Ok(rows)
    }

    fn ids(&self, domain: Domain, scope: Scope) -> Arc<IdKeys> {
        let mut ids = lock(&self.ids);
        if ids.len() > MAX_SCOPES {
            ids.clear();
        }
        Arc::clone(ids.entry((domain, scope)).or_insert_with(|| Arc::new(self.keys.domain(domain).id_keys(scope))))
    }
}

fn by_pack(table: &Table) -> TableRows {
    let mut rows = TableRows::new();
    for row in &table.rows {
        let segment = table.segments[row.segment as usize];
        let pack = table.packs[segment.pack as usize].name;
        rows.entry(pack).or_default().push(RowPlace { id: row.id, offset: row.offset, len: row.len, segment });
    }
    rows
}

const WRONG_HASH: &str = "its bytes do not have the hash in its name";
/// A hostile footer may name a new scope in every segment.
const MAX_SCOPES: usize = 4 * vault_format::limits::SOURCES;
