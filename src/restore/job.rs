//! One restore: where it goes, what it has done so far, and what its threads tell each other.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

use crossbeam_channel::{bounded, unbounded};
use vault_format::{Entry, Kind};

use super::file::Orphans;
use super::plan::{Cut, Planner};
use super::select::Select;
use super::{RestoreError, RestoreOptions, RestoreReport, fetch};
use crate::ls::{SourcePart, full_path};
use crate::sync::lock;
use crate::target::{
    self, Outcome, Overwrite, OwnerMap, RawPath, Root, SkipReason, Target, TargetError, TargetOptions,
};
use crate::vault::{ChunkError, Vault};
use crate::watch::{Action, Event, Watch};

/// A restore under way, shared by its threads.
pub(super) struct Job<'a> {
    pub(super) vault: &'a Vault,
    pub(super) options: &'a RestoreOptions,
    pub(super) watch: &'a Watch<'a>,
    pub(super) target: Target,
    /// The same folder, looked at only.
    probe: Target,
    /// How packs are read, and how much of them is in memory.
    pub(super) reads: Reads,
    /// Something was in the target before: files may be skipped.
    pub(super) occupied: bool,
    pub(super) counts: Counts,
    /// Full paths of what is not to be verified, where that is asked for.
    unverified: Option<Mutex<HashSet<Vec<u8>>>>,
    /// Why everything ends.
    failure: Mutex<Option<RestoreError>>,
    failed: AtomicBool,
}

/// How packs are read.
pub(super) struct Reads {
    pub(super) cut: Cut,
    in_use: Mutex<u64>,
    given: Condvar,
}

/// That so many bytes of packs may be in memory.
pub(super) struct Room<'r>(&'r Reads, u64);

impl Reads {
    /// Waits until there is room for `bytes` more.
    pub(super) fn room(&self, bytes: u64) -> Room<'_> {
        let full = |in_use: &mut u64| *in_use > 0 && *in_use + bytes > READS;
        let in_use = lock(&self.in_use);
        let mut in_use = self.given.wait_while(in_use, full).unwrap_or_else(PoisonError::into_inner);
        *in_use += bytes;
        Room(self, bytes)
    }
}

impl Drop for Room<'_> {
    fn drop(&mut self) {
        *lock(&self.0.in_use) -= self.1;
        self.0.given.notify_all();
    }
}

/// One source, or the part of it that is restored.
pub(super) struct Source<'v> {
    pub(super) part: SourcePart<'v>,
    /// Where the part goes below the target.
    base: Vec<u8>,
    pub(super) select: Select,
    /// Tells what would become of an entry.
    pub(super) probe: Root,
    /// Its manifest could not be read to the end.
    pub(super) broken: AtomicBool,
}

/// What was done so far.
#[derive(Default)]
pub(super) struct Counts {
    files_restored: AtomicU64,
    files_skipped: AtomicU64,
    pub(super) files_deleted: AtomicU64,
    pub(super) files_verified: AtomicU64,
    dirs: AtomicU64,
    others: AtomicU64,
    bytes_restored: AtomicU64,
    bytes_skipped: AtomicU64,
    problems: AtomicU64,
    damaged: AtomicU64,
    warnings: AtomicU64,
    replaced: AtomicU64,
}

impl<'a> Job<'a> {
    pub(super) fn open(
        vault: &'a Vault,
        options: &'a RestoreOptions,
        watch: &'a Watch<'a>,
    ) -> Result<Self, RestoreError> {
        // Before anything is made: a pattern that is none must not leave an empty folder behind.
        Select::new(b"/", &options.include, &options.exclude)?;
        let open = |dry_run| {
            let how = TargetOptions {
                overwrite: options.overwrite,
                owners: options.owners,
                dry_run,
                sparse: options.sparse,
                delete: options.delete,
            };
            Target::open(&options.target, how).map_err(RestoreError::Target)
        };
        // The one that only looks does not make the folder: nothing exists before the space was checked.
        let probe = open(true)?;
        let occupied = !probe.is_empty().map_err(RestoreError::Target)?;
        Ok(Self {
            vault,
            options,
            watch,
            target: open(options.dry_run)?,
            probe,
            reads: Reads { cut: Cut::of(vault.store()), in_use: Mutex::default(), given: Condvar::new() },
            occupied,
            counts: Counts::default(),
            unverified: (options.verify && !options.dry_run).then(Mutex::default),
            failure: Mutex::default(),
            failed: AtomicBool::new(false),
        })
    }

    /// The sources with their places. Names that cannot be one are problems.
    pub(super) fn sources(&self, parts: Vec<SourcePart<'a>>) -> Result<Vec<Source<'a>>, RestoreError> {
        let options = self.options;
        let whole =
            parts.iter().all(|part| part.top.is_empty()) && options.include.is_empty() && options.exclude.is_empty();
        if whole {
            // All of it will be needed: many requests at once, and not one by one.
            self.vault.index().map_err(ChunkError::from)?;
            let sum =
                |of: fn(&SourcePart<'_>) -> u64| parts.iter().fold(0, |sum: u64, part| sum.saturating_add(of(part)));
            self.watch.total_entries.store(sum(|part| part.record.entries), Relaxed);
            self.watch.total_bytes.store(sum(|part| part.record.bytes), Relaxed);
        }
        let mut sources = Vec::new();
        for part in parts {
            let root = full_path(part.record, &part.top);
            if part.tree.is_none() {
                let text = String::from_utf8_lossy(&root).into_owned();
                self.watch.event(Event::Note(&format!(
                    "{text} could not be read when it was pushed: the snapshot has nothing of it"
                )));
                continue;
            }
            let mut base = part.below.clone();
            if base.is_empty() && part.kind != Kind::Dir {
                base = root.rsplit(|&byte| byte == b'/').next().unwrap_or_default().to_vec();
            }
            let select = Select::new(&root, &options.include, &options.exclude)?;
            match self.probe.root(&base, OwnerMap::numeric()) {
                Ok(probe) => sources.push(Source { part, base, select, probe, broken: AtomicBool::new(false) }),
                Err(error) => self.problem(&root, &error.to_string(), false),
            }
        }
        Ok(sources)
    }

    /// Writes everything but the metadata of folders.
    pub(super) fn write<'s>(&'s self, sources: &'s [Source<'s>]) -> Result<(), RestoreError> {
        let (orphan_in, orphan_out) = unbounded();
        self.pipeline(orphan_in, |planner| sources.iter().try_for_each(|source| planner.source(source)))?;
        // Other names of files that stayed as they were, or failed: now they are files of their own.
        let alone: Vec<_> = orphan_out.try_iter().collect();
        if alone.is_empty() {
            return Ok(());
        }
        self.pipeline(unbounded().0, |planner| planner.alone(alone))
    }

    /// A planner on this thread, workers on others.
    fn pipeline<'s>(
        &'s self,
        orphans: Orphans<'s>,
        plan: impl FnOnce(&mut Planner<'s>) -> Result<(), RestoreError>,
    ) -> Result<(), RestoreError> {
        let workers = self.workers();
        std::thread::scope(|scope| {
            let (unit_in, unit_out) = bounded(workers);
            let threads: Vec<_> = (0..workers)
                .map(|_| {
                    let (units, orphans) = (unit_out.clone(), orphans.clone());
                    scope.spawn(move || fetch::work(self, &units, &orphans))
                })
                .collect();
            drop(unit_out);
            let mut planner = Planner::new(self, unit_in, orphans);
            let planned = plan(&mut planner).and_then(|()| planner.finish());
            drop(planner);
            // All of them, before anything is said: they write files.
            let panicked = threads.into_iter().filter_map(|thread| thread.join().err()).count() > 0;
            if panicked {
                return Err(RestoreError::Panicked);
            }
            // A worker's failure comes before what the planner made of it.
            lock(&self.failure).take().map_or(planned, Err)?;
            self.go_on()
        })
    }

    pub(super) fn workers(&self) -> usize {
        let cores = std::thread::available_parallelism().map_or(1, usize::from).min(WORKERS);
        // Most of them wait for replies where there is a way to go.
        if self.vault.store().folder().is_some() { cores } else { cores.max(FAR_WORKERS) }
    }

    /// Ends everything: the first reason is the one that is told.
    pub(super) fn abort(&self, error: RestoreError) {
        lock(&self.failure).get_or_insert(error);
        self.failed.store(true, Relaxed);
    }

    pub(super) fn is_over(&self) -> bool {
        self.failed.load(Relaxed) || self.watch.stopped()
    }

    /// An error if everything is to end.
    pub(super) fn go_on(&self) -> Result<(), RestoreError> {
        match self.is_over() {
            true => Err(lock(&self.failure).take().unwrap_or(RestoreError::Interrupted)),
            false => Ok(()),
        }
    }

    /// Counts an entry that is dealt with.
    pub(super) fn settled(&self, source: &Source<'_>, entry: &Entry, outcome: Outcome) {
        let counts = &self.counts;
        let add = |counter: &AtomicU64, number: u64| counter.fetch_add(number, Relaxed);
        let file = entry.kind == Kind::File;
        add(&self.watch.entries, 1);
        if file {
            add(&self.watch.files, 1);
            add(&self.watch.bytes, entry.size);
        }
        let action = match outcome {
            Outcome::Done(action) | Outcome::Planned(action) => {
                let (counter, size) = match entry.kind {
                    Kind::File => (&counts.files_restored, entry.size),
                    Kind::Dir => (&counts.dirs, 0),
                    _ => (&counts.others, 0),
                };
                add(counter, 1);
                add(&counts.bytes_restored, size);
                if action == target::Action::Replace {
                    add(&counts.replaced, 1);
                }
                Action::Restored
            }
            Outcome::Skipped(reason) => {
                if file {
                    add(&counts.files_skipped, 1);
                    add(&counts.bytes_skipped, entry.size);
                    if reason != SkipReason::Unchanged {
                        self.leave_unverified(&source.full(&entry.path));
                    }
                }
                Action::Skipped
            }
        };
        if self.watch.listens() {
            let path = source.full(&entry.path);
            self.watch.event(Event::Entry { path: &path, action, size: entry.size });
        }
    }

    /// Tells of an entry that cannot be restored. `damaged`: it is the vault's fault.
    pub(super) fn problem(&self, path: &[u8], message: &str, damaged: bool) {
        self.counts.problems.fetch_add(1, Relaxed);
        self.counts.damaged.fetch_add(u64::from(damaged), Relaxed);
        self.leave_unverified(path);
        self.watch.problem(path, message);
    }

    /// Tells of an entry that the target refused; a full target ends everything.
    pub(super) fn refused(&self, source: &Source<'_>, entry: &Entry, error: TargetError) {
        if let TargetError::NoSpace { path } = error {
            return self.abort(RestoreError::Full { path });
        }
        self.watch.entries.fetch_add(1, Relaxed);
        self.problem(&source.full(&entry.path), &source.reason(&entry.path, &error), false);
    }

    /// Passes on what the target could not do short of the content.
    pub(super) fn tell_warnings(&self) {
        for problem in self.target.take_problems() {
            self.counts.warnings.fetch_add(1, Relaxed);
            self.watch.event(Event::Note(&problem.to_string()));
        }
    }

    pub(super) fn finish_folders(&self, sources: &[Source<'_>]) -> Result<(), RestoreError> {
        self.target.finish_folders();
        self.tell_warnings();
        // What was replaced is gone: its successor must survive a power cut. What is new can be restored again.
        if self.counts.replaced.load(Relaxed) > 0
            && !self.options.dry_run
            && let Err(error) = self.target.sync()
        {
            let root = sources.first().map(|source| source.full(b"")).unwrap_or_default();
            match error {
                TargetError::NoSpace { path } => return Err(RestoreError::Full { path }),
                error => self.problem(&root, &error.to_string(), false),
            }
        }
        Ok(())
    }

    pub(super) fn is_unverified(&self, path: &[u8]) -> bool {
        self.unverified.as_ref().is_some_and(|paths| lock(paths).contains(path))
    }

    fn leave_unverified(&self, path: &[u8]) {
        if let Some(paths) = &self.unverified {
            lock(paths).insert(path.to_vec());
        }
    }

    pub(super) fn report(&self, duration: Duration) -> RestoreReport {
        let counts = &self.counts;
        let get = |counter: &AtomicU64| counter.load(Relaxed);
        RestoreReport {
            files_restored: get(&counts.files_restored),
            files_skipped: get(&counts.files_skipped),
            files_deleted: get(&counts.files_deleted),
            dirs: get(&counts.dirs),
            others: get(&counts.others),
            bytes_restored: get(&counts.bytes_restored),
            bytes_skipped: get(&counts.bytes_skipped),
            problems: get(&counts.problems),
            damaged: get(&counts.damaged),
            warnings: get(&counts.warnings),
            files_verified: get(&counts.files_verified),
            duration,
        }
    }
}

impl Source<'_> {
    /// The entry with its path below the part's own place.
    pub(super) fn rebase(&self, mut entry: Entry) -> Entry {
        if !self.part.top.is_empty() {
            let rest = (self.part.top.len() + 1).min(entry.path.len());
            entry.path.drain(..rest);
        }
        entry
    }

    /// The full path, in the source, of an entry whose path is rebased.
    pub(super) fn full(&self, path: &[u8]) -> Vec<u8> {
        full_path(self.part.record, &join(&self.part.top, path))
    }

    /// Where an entry goes below the target.
    pub(super) fn below_target(&self, path: &[u8]) -> Vec<u8> {
        join(&self.base, path)
    }

    /// The place below the target, with owners as the names in a leaf say.
    pub(super) fn root(&self, target: &Target, owners: OwnerMap) -> Result<Root, TargetError> {
        target.root(&self.base, owners)
    }

    /// Why the target refused, without the path, which is told apart from it.
    pub(super) fn reason(&self, path: &[u8], error: &TargetError) -> String {
        let text = error.to_string();
        let named = format!("{}: ", RawPath(self.below_target(path)));
        text.strip_prefix(&named).map(str::to_owned).unwrap_or(text)
    }

    /// Whether everything in the source was captured and read: then what is not in it was not there.
    pub(super) fn is_whole(&self) -> bool {
        self.part.record.missed == 0 && !self.broken.load(Relaxed)
    }
}

fn join(top: &[u8], path: &[u8]) -> Vec<u8> {
    match (top.is_empty(), path.is_empty()) {
        (true, _) => path.to_vec(),
        (_, true) => top.to_vec(),
        _ => [top, b"/", path].concat(),
    }
}

/// Whether files here are to be looked at before their content is fetched.
pub(super) fn may_skip(job: &Job<'_>) -> bool {
    job.occupied && job.options.overwrite != Overwrite::Always
}

/// More threads only wait for the disk; each may hold a whole read.
const WORKERS: usize = 16;
/// Workers where the store is far: each has one request under way, or one read that it writes out.
const FAR_WORKERS: usize = 6;
/// Bytes of packs in memory at one time, over all workers: three whole packs.
const READS: u64 = 48 << 20;
