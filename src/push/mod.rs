//! The push: `scan -> read, chunk, id, claim, compress, seal and verify -> pack -> store -> index -> log entry`.
//!
//! One direction, bounded queues, memory independent of the data's size. An interruption at any point leaves a valid
//! vault, and what was stored by then is found by the next push.
mod assemble;
mod files;
mod follow;
mod job;
mod options;
mod packs;
mod parent;
mod scan;
mod sink;
mod spare;
mod upload;
mod worker;

use std::sync::atomic::Ordering::Relaxed;
use std::time::Instant;

use crossbeam_channel::bounded;
use vault_format::log::{Outcome, Snapshot, SourceKind, SourceRecord};
use vault_format::{Entry, Scope};

pub use options::{Compression, PushError, PushOptions, PushReport, SqliteMode, StoreOutcome, StreamOptions};

use crate::manifest::{LeafWalk, ManifestBuilder, Part, TreeRoot};
use crate::state::StateError;
use crate::sync::lock;
use crate::vault::Vault;
use crate::watch::{Event, Watch};
use files::FileTableWriter;
use job::{Job, Source};
use packs::Packs;
use parent::{Parent, ParentEntries};
use sink::Sink;
use upload::Uploader;

/// Takes a snapshot of the sources in `options`. One snapshot, with one source record for each path.
pub fn push(vault: &mut Vault, options: &PushOptions, watch: &Watch<'_>) -> Result<PushReport, PushError> {
    let started = Instant::now();
    // First, because it reads the logs again: a parent may have been forgotten since the vault was opened.
    vault.may_push()?;
    let sources = options.sources(vault, watch)?;
    vault.index()?;
    let losses = vault.check_claims(!options.dry_run)?;
    if losses.packs > 0 {
        watch.event(Event::Note(&gone_text(losses.packs)));
    }
    for device in &losses.devices {
        watch.event(Event::Note(&format!(
            "device {device} was in somebody else's hands: what it had stored is not relied on, and is stored again as far as it is in the sources"
        )));
    }
    note_some(&losses.tables, "what it named is stored again", watch);
    note_some(&vault.misnamed_tables(), "it counts for that device alone", watch);
    if !options.dry_run {
        vault.start_following();
    }
    let resumed = if options.dry_run { 0 } else { vault.find_interrupted()? };

    // The open packs and those under way: the bound on memory, also where the store is slow.
    let buffers = spare::Spare::new(upload::at_once(vault.store()) + OPEN_PACKS);
    let uploader = Uploader::new(vault, watch);
    let counts = job::Counts::default();
    let (mut records, mut tables) = (Vec::new(), Vec::new());
    let added = std::thread::scope(|scope| {
        // Handed over, not queued: each pack that waits is 16 MiB.
        let (to_store, full_packs) = bounded(0);
        let new_pack = |tree, buffer| Ok(vault.new_pack(tree, buffer)?);
        let renew_pack = |tree, pack| Ok(vault.renew_pack(tree, pack)?);
        let packs = Packs::new(&new_pack, &renew_pack, &buffers, (!options.dry_run).then_some(to_store));
        let uploads = scope.spawn(|| uploader.run(full_packs, &buffers));
        let captured = sources.iter().try_for_each(|source| {
            let (record, table) = capture(vault, options, source, &packs, &counts, watch)?;
            records.push(record);
            tables.extend(table);
            Ok(())
        });
        let finished = captured.and_then(|()| {
            // The last packs, the index and the entry are sealed under the epoch of now (rule A16).
            if !options.dry_run && packs.has_added() {
                vault.look_at_roster()?;
            }
            packs.finish()
        });
        let added = packs.into_added();
        // The uploader's own error is the cause of every `Stopped` before it.
        let uploaded = uploads.join().unwrap_or(Err(PushError::Panicked));
        match (finished, uploaded) {
            (Err(PushError::Stopped), Err(error)) | (Err(error), _) | (Ok(()), Err(error)) => Err(error),
            (Ok(()), Ok(())) => Ok(added),
        }
    })?;

    let mut report = counts.report(&added, resumed);
    report.partial = records.iter().any(|record: &SourceRecord| record.outcome != Outcome::Complete);
    report.duration = started.elapsed();
    if !options.dry_run {
        if records.iter().all(|record| record.root.is_none()) {
            return Err(PushError::NothingCaptured);
        }
        let snapshot = Snapshot {
            sources: records,
            host: options.host.clone(),
            user: options.user.clone(),
            tags: options.tags.clone(),
            program: crate::PROGRAM.to_owned(),
            parent: sources.first().and_then(|source| source.parent_snapshot),
            stats: Some(report.stats()),
        };
        watch.event(Event::Phase("writing the snapshot"));
        let time = options.time.unwrap_or_else(crate::now);
        let deltas = vault.store_deltas()?;
        let snapshot = vault.append_snapshot(time, snapshot, deltas)?;
        report.snapshot = Some(snapshot);
        for table in tables {
            if let Err(error) = table.finish(snapshot) {
                watch.event(Event::Note(&not_remembered(&error)));
            }
        }
        report.packs_under_ended_epoch = vault.packs_under_ended_epochs();
        if report.packs_under_ended_epoch > 0 {
            let packs = report.packs_under_ended_epoch;
            watch.event(Event::Note(&format!(
                "a device was revoked meanwhile: {packs} packs were sealed under the epoch that ended, and it can read them if it can read the storage"
            )));
        }
        // The snapshot is made. Tables that are not merged cost the next run some time, and it tries again.
        if let Err(error) = vault.merge_deltas() {
            watch.event(Event::Note(&format!("the index was not merged: {}", crate::chain(&error))));
        }
        // Nor does it matter if others go on reading entries one by one.
        if let Err(error) = vault.write_checkpoint() {
            watch.event(Event::Note(&format!("no checkpoint was written: {}", crate::chain(&error))));
        }
        report.stores = follow::finish(vault, watch);
    }
    Ok(report)
}

/// Captures one source into packs, and says what the snapshot says about it.
fn capture(
    vault: &Vault,
    options: &PushOptions,
    source: &Source,
    packs: &Packs<'_>,
    counts: &job::Counts,
    watch: &Watch<'_>,
) -> Result<(SourceRecord, Option<FileTableWriter>), PushError> {
    let scope = Scope::VAULT;
    let domain = vault.domain_keys();
    let compressors = [options.compression.compressor()?, options.compression.compressor()?];
    let sink = Sink::new(vault.index()?, packs, domain.id_keys(scope), compressors);
    let job = Job::new(vault, options, source, &sink, counts, watch, scope);
    let mut table = Remembered::begin(vault, options, source);
    let root = run_stages(vault, options, source, &sink, &job, &mut table)?;
    sink.finish()?;
    let root = root.filter(|_| !job.failed.load(Relaxed));
    let table = table.end(watch).filter(|_| root.is_some());
    let missed = job.missed.load(Relaxed);
    let record = SourceRecord {
        label: source.label.clone(),
        kind: source.kind(),
        scope,
        domain: domain.domain,
        root: root.map(|root| root.id),
        level: root.map_or(0, |root| root.level),
        outcome: match (root, missed) {
            (None, _) => Outcome::Failed,
            (Some(_), 0) => Outcome::Complete,
            (Some(_), _) => Outcome::Partial,
        },
        entries: root.map_or(0, |root| root.entries),
        bytes: root.map_or(0, |root| root.bytes),
        missed,
    };
    Ok((record, table))
}

fn not_remembered(error: &StateError) -> String {
    format!("this device cannot remember the files, and reads all of them next time: {}", crate::chain(error))
}

/// What a push-only device writes down of a source for its next push. That it cannot fails no push.
struct Remembered(Option<Result<FileTableWriter, StateError>>);

impl Remembered {
    fn begin(vault: &Vault, options: &PushOptions, source: &Source) -> Self {
        let wanted = vault.is_push_only() && !options.dry_run && source.kind() == SourceKind::Path;
        Self(wanted.then(|| FileTableWriter::begin(vault, &source.label)))
    }

    fn add(&mut self, entry: &Entry) {
        if let Some(Ok(table)) = &mut self.0
            && let Err(error) = table.add(entry)
        {
            self.0 = Some(Err(error));
        }
    }

    fn end(self, watch: &Watch<'_>) -> Option<FileTableWriter> {
        self.0?.inspect_err(|error| watch.event(Event::Note(&not_remembered(error)))).ok()
    }
}

/// The first of what may be very many.
fn note_some(tables: &[String], so: &str, watch: &Watch<'_>) {
    for table in tables.iter().take(TOLD_TABLES) {
        watch.event(Event::Note(&format!("{table}; {so}")));
    }
    if let Some(more @ 1..) = tables.len().checked_sub(TOLD_TABLES) {
        let tables = if more == 1 { "table" } else { "tables" };
        watch.event(Event::Note(&format!("{more} more index {tables} like these: {so}")));
    }
}

/// What a push says of packs that the index names and the store has lost.
fn gone_text(gone: u64) -> String {
    let (packs, them) = if gone == 1 { ("1 pack is", "it") } else { (&*format!("{gone} packs are"), "them") };
    format!(
        "{packs} gone from the store: what was in {them} and is still in the sources is stored again; 'zvault check' tells what else is lost"
    )
}

/// The stages of one source: a scanner, workers, and the manifest built on this thread.
fn run_stages(
    vault: &Vault,
    options: &PushOptions,
    source: &Source,
    sink: &Sink<'_>,
    job: &Job<'_>,
    table: &mut Remembered,
) -> Result<Option<TreeRoot>, PushError> {
    let input = match source.open() {
        Ok(input) => input,
        Err(message) => {
            job.source_failed(&message);
            return Ok(None);
        }
    };
    let reader = vault.chunks(Scope::VAULT).most().only_here().only_counting();
    let parent = match vault.is_push_only() {
        true => Parent::Table(lock(&source.files).take().map(Box::new)),
        false => {
            let leaves = source.parent.map(|root| LeafWalk::new(&reader, root, Part::All));
            Parent::Manifest(Box::new(ParentEntries::new(leaves)))
        }
    };
    let order = assemble::Order::default();
    let names = |owner| job.owner_name(owner);
    let manifest = ManifestBuilder::new(vault.provider(), &job.manifest_cut_keys, &names, sink);
    let workers = options.workers();

    std::thread::scope(|scope| {
        let (batch_in, batch_out) = bounded(2 * workers);
        let (run_in, run_out) = bounded(workers);
        let (done_in, done_out) = bounded(2 * workers);
        let order = &order;
        let scanner = scope.spawn(move || {
            let stop = order.stop_unless_disarmed();
            scan::scan(job, input, parent, &batch_in, run_in, order).inspect(|()| stop.disarm())
        });
        let crew: Vec<_> = (0..workers)
            .map(|_| {
                let (batches, runs, done) = (batch_out.clone(), run_out.clone(), done_in.clone());
                scope.spawn(move || {
                    let stop = order.stop_unless_disarmed();
                    worker::work(job, &batches, &runs, &done).inspect(|()| stop.disarm())
                })
            })
            .collect();
        drop((batch_out, run_out, done_in));
        let stop = order.stop_unless_disarmed();
        let root = assemble::assemble(job, &done_out, order, manifest, &mut |entry| table.add(entry))
            .inspect(|_| stop.disarm());
        drop((stop, done_out));
        let mut results = vec![scanner.join().unwrap_or(Err(PushError::Panicked))];
        results.extend(crew.into_iter().map(|worker| worker.join().unwrap_or(Err(PushError::Panicked))));
        first_cause(results).and(root)
    })
}

/// The error that began it: `Stopped` only says that another stage had ended.
fn first_cause(results: Vec<Result<(), PushError>>) -> Result<(), PushError> {
    let mut stopped = Ok(());
    for result in results {
        match result {
            Err(PushError::Stopped) => stopped = Err(PushError::Stopped),
            Err(error) => return Err(error),
            Ok(()) => {}
        }
    }
    stopped
}

/// One for data, one for trees.
const OPEN_PACKS: usize = 2;
/// Index tables of which a push says each by its name what is wrong with it.
const TOLD_TABLES: usize = 5;

#[cfg(test)]
mod tests;
