//! What all stages of one source share.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};

use crypto_backends::Provider;
use vault_format::log::SourceKind;
use vault_format::manifest::Owner;
use vault_format::{Capture, Content, Entry, FormatError, Identity, Kind, Scope};

use super::files::FileTable;
use super::options::{PushError, PushOptions, PushReport, SqliteMode, StreamOptions};
use super::packs::Added;
use super::sink::Sink;
use super::spare::Spare;
use crate::keys::Tree;
use crate::manifest::{ContentList, CutKeys, TreeRoot};
use crate::source::{
    Excludes, Found, Overlap, Owners, ProblemKind, StreamSource, Walk, WalkOptions, WalkProblem, display_path, overlap,
    sqlite,
};
use crate::stage::Chunker;
use crate::stage::Compressor;
use crate::vault::Vault;
use crate::watch::{Action, Event, Watch};

/// One source of a push, before it is read.
pub(super) struct Source {
    pub(super) label: Vec<u8>,
    pub(super) parent: Option<TreeRoot>,
    pub(super) parent_snapshot: Option<Identity>,
    /// On a push-only device, instead of the parent's manifest.
    pub(super) files: Mutex<Option<FileTable>>,
    place: Place,
}

enum Place {
    Path(PathBuf, Box<WalkOptions>),
    Stream(StreamOptions),
}

/// What a source gives when it is opened.
pub(super) enum Input {
    Walk(Box<Walk>),
    Stream(StreamSource),
}

impl PushOptions {
    /// The sources, each with its parent; refuses those that lie inside the vault or the local state.
    pub(super) fn sources(&self, vault: &Vault, watch: &Watch<'_>) -> Result<Vec<Source>, PushError> {
        if let Some(stream) = &self.stream {
            let (StreamOptions::Stdin { filename } | StreamOptions::Command { filename, .. }) = stream;
            let label = filename.as_os_str().as_encoded_bytes().to_vec();
            return Ok(vec![Source {
                label,
                parent: None,
                parent_snapshot: None,
                files: Mutex::default(),
                place: Place::Stream(stream.clone()),
            }]);
        }
        if self.paths.is_empty() {
            return Err(PushError::NoSource);
        }
        let mut protected = self.protected.clone();
        protected.extend(vault.local_folders());
        let excludes = Excludes::new(&self.excludes, &self.iexcludes, &self.exclude_files)?;
        let mut sources: Vec<Source> = Vec::new();
        for path in &self.paths {
            let root = absolute(path);
            let mut options = WalkOptions {
                excludes: excludes.clone(),
                exclude_larger_than: self.exclude_larger_than,
                one_file_system: self.one_file_system,
                exclude_caches: self.exclude_caches,
                forbidden: Vec::new(),
            };
            for folder in &protected {
                match overlap(&root, folder) {
                    Ok(Overlap::SourceInside) => {
                        return Err(PushError::SourceInside { source_path: root, protected: folder.clone() });
                    }
                    Ok(Overlap::ProtectedInside) => {
                        watch.event(Event::Note(&format!(
                            "{} belongs to zvault itself and is left out",
                            folder.display()
                        )));
                    }
                    Ok(Overlap::None) | Err(_) => {}
                }
                // A folder that cannot be looked at cannot be walked either.
                let _ = options.forbid(folder);
            }
            let label = root.as_os_str().as_encoded_bytes().to_vec();
            if sources.iter().any(|source| source.label == label) {
                continue;
            }
            let files = FileTable::of(vault, &label);
            let parent = if vault.is_push_only() { None } else { vault.parent_of(&label) };
            sources.push(Source {
                label,
                parent: parent.map(|(_, root)| root),
                parent_snapshot: files.as_ref().map(FileTable::snapshot).or(parent.map(|(id, _)| id)),
                files: Mutex::new(files),
                place: Place::Path(root, Box::new(options)),
            });
        }
        Ok(sources)
    }

    pub(super) fn workers(&self) -> usize {
        self.workers.unwrap_or_else(|| std::thread::available_parallelism().map_or(2, usize::from)).clamp(1, 64)
    }
}

impl Source {
    pub(super) fn kind(&self) -> SourceKind {
        match &self.place {
            Place::Path(..) => SourceKind::Path,
            Place::Stream(StreamOptions::Stdin { .. }) => SourceKind::Stdin,
            Place::Stream(StreamOptions::Command { .. }) => SourceKind::Command,
        }
    }

    /// Opens the source; the message says why it cannot be.
    pub(super) fn open(&self) -> Result<Input, String> {
        match &self.place {
            Place::Path(root, options) => Walk::start(root, WalkOptions::clone(options))
                .map(Box::new)
                .map(Input::Walk)
                .map_err(|error| crate::chain(&error)),
            Place::Stream(options) => {
                let stream = match options {
                    StreamOptions::Stdin { filename } => StreamSource::stdin(filename.as_os_str()),
                    StreamOptions::Command { argv, filename } => StreamSource::command(argv, filename.as_os_str()),
                };
                stream.map(Input::Stream).map_err(|error| crate::chain(&error))
            }
        }
    }
}

/// Counters over all sources.
#[derive(Default)]
pub(super) struct Counts {
    pub(super) files_new: AtomicU64,
    pub(super) files_changed: AtomicU64,
    pub(super) files_unmodified: AtomicU64,
    pub(super) dirs_new: AtomicU64,
    pub(super) dirs_changed: AtomicU64,
    pub(super) dirs_unmodified: AtomicU64,
    pub(super) others: AtomicU64,
    pub(super) databases: AtomicU64,
    problems: AtomicU64,
    files: AtomicU64,
    bytes: AtomicU64,
}

impl Counts {
    pub(super) fn report(&self, added: &Added, resumed_packs: u64) -> PushReport {
        let get = |counter: &AtomicU64| counter.load(Relaxed);
        PushReport {
            files_new: get(&self.files_new),
            files_changed: get(&self.files_changed),
            files_unmodified: get(&self.files_unmodified),
            dirs_new: get(&self.dirs_new),
            dirs_changed: get(&self.dirs_changed),
            dirs_unmodified: get(&self.dirs_unmodified),
            others: get(&self.others),
            databases: get(&self.databases),
            data_chunks: get(&added.data_chunks),
            tree_chunks: get(&added.tree_chunks),
            data_added: get(&added.plain),
            data_added_packed: get(&added.packed),
            total_files_processed: get(&self.files),
            total_bytes_processed: get(&self.bytes),
            problems: get(&self.problems),
            resumed_packs,
            ..PushReport::default()
        }
    }
}

/// What the stages of one source share.
pub(super) struct Job<'a> {
    pub(super) provider: &'static Provider,
    pub(super) sink: &'a Sink<'a>,
    pub(super) watch: &'a Watch<'a>,
    pub(super) counts: &'a Counts,
    pub(super) chunker: Chunker,
    pub(super) spare: Spare,
    pub(super) read_all: bool,
    pub(super) sqlite: bool,
    pub(super) names_entries: bool,
    /// Entries that are not in the snapshot as they should be.
    pub(super) missed: AtomicU64,
    /// The source as a whole cannot be captured.
    pub(super) failed: AtomicBool,
    pub(super) manifest_cut_keys: CutKeys,
    options: &'a PushOptions,
    vault: &'a Vault,
    label: &'a [u8],
    parent: Option<Identity>,
    list_cut_keys: Arc<CutKeys>,
    owners: Owners,
}

impl<'a> Job<'a> {
    pub(super) fn new(
        vault: &'a Vault,
        options: &'a PushOptions,
        source: &'a Source,
        sink: &'a Sink<'a>,
        counts: &'a Counts,
        watch: &'a Watch<'a>,
        scope: Scope,
    ) -> Self {
        let domain = vault.domain_keys();
        Self {
            provider: vault.provider(),
            sink,
            watch,
            counts,
            chunker: Chunker::new(domain.chunker_table(scope).expose()),
            spare: Spare::new(usize::MAX),
            read_all: options.force,
            sqlite: options.sqlite == SqliteMode::Auto,
            names_entries: watch.listens(),
            missed: AtomicU64::new(0),
            failed: AtomicBool::new(false),
            manifest_cut_keys: CutKeys::new(|level| domain.cut_key(scope, Tree::Manifest, level)),
            options,
            vault,
            label: &source.label,
            parent: source.parent_snapshot,
            list_cut_keys: Arc::new(CutKeys::new(|level| domain.cut_key(scope, Tree::List, level))),
            owners: Owners::new(),
        }
    }

    pub(super) fn stopped(&self) -> bool {
        self.watch.stopped()
    }

    pub(super) fn compressor(&self) -> Result<Compressor, PushError> {
        self.options.compression.compressor()
    }

    pub(super) fn new_list(&self) -> ContentList {
        ContentList::new(self.provider, Arc::clone(&self.list_cut_keys))
    }

    pub(super) fn owner_name(&self, owner: Owner) -> Option<String> {
        match owner {
            Owner::User(uid) => self.owners.user(uid).and_then(|name| String::from_utf8(name.to_vec()).ok()),
            Owner::Group(gid) => self.owners.group(gid).and_then(|name| String::from_utf8(name.to_vec()).ok()),
        }
    }

    /// Counts and tells what happened to a new, changed or unchanged entry.
    pub(super) fn count(&self, entry: &Entry, action: Action) {
        let counter = match (entry.kind, action) {
            (Kind::File, Action::New) => &self.counts.files_new,
            (Kind::File, Action::Unmodified) => &self.counts.files_unmodified,
            (Kind::File, _) => &self.counts.files_changed,
            (Kind::Dir, Action::New) => &self.counts.dirs_new,
            (Kind::Dir, Action::Unmodified) => &self.counts.dirs_unmodified,
            (Kind::Dir, _) => &self.counts.dirs_changed,
            _ => &self.counts.others,
        };
        counter.fetch_add(1, Relaxed);
        if self.names_entries {
            self.watch.event(Event::Entry { path: &self.full_path(&entry.path), action, size: entry.size });
        }
    }

    /// An entry is complete.
    pub(super) fn entry_done(&self, entry: &Entry) {
        self.watch.entries.fetch_add(1, Relaxed);
        if entry.kind == Kind::File {
            self.watch.files.fetch_add(1, Relaxed);
            self.counts.files.fetch_add(1, Relaxed);
            self.counts.bytes.fetch_add(entry.size, Relaxed);
        }
    }

    /// Several problems.
    pub(super) fn walk_problems(&self, problems: &[WalkProblem]) {
        problems.iter().for_each(|problem| self.walk_problem(problem));
    }

    /// Something of the source could not be read. What vanished was not there to be captured.
    pub(super) fn walk_problem(&self, problem: &WalkProblem) {
        if problem.kind == ProblemKind::Vanished {
            return self.watch.event(Event::Note(&format!(
                "{} vanished while it was read",
                display_path(&self.full_path(&problem.path))
            )));
        }
        self.missed.fetch_add(1, Relaxed);
        self.counts.problems.fetch_add(1, Relaxed);
        self.watch.problem(&self.full_path(&problem.path), &format!("{}: {}", problem.kind, problem.error));
    }

    /// A file is lost to this snapshot.
    pub(super) fn lost(&self, problem: &WalkProblem) -> Option<Entry> {
        self.walk_problem(problem);
        None
    }

    /// An entry that the format cannot hold.
    pub(super) fn refused(&self, entry: &Entry, why: &FormatError) {
        self.missed.fetch_add(1, Relaxed);
        self.counts.problems.fetch_add(1, Relaxed);
        self.watch.problem(&self.full_path(&entry.path), &format!("cannot be held by the format: {why}"));
    }

    /// The source as a whole failed.
    pub(super) fn source_failed(&self, message: &str) {
        self.failed.store(true, Relaxed);
        self.counts.problems.fetch_add(1, Relaxed);
        self.watch.problem(self.label, message);
    }

    /// A database had to be read as a file.
    pub(super) fn fell_back(&self, path: &[u8], problem: &str) {
        self.missed.fetch_add(1, Relaxed);
        self.counts.problems.fetch_add(1, Relaxed);
        let message = format!("looks like a SQLite database but was read as a plain file: {problem}");
        self.watch.problem(&self.full_path(path), &message);
    }

    /// Says so if a file did not hold still. It is in the snapshot, marked.
    pub(super) fn note_changed(&self, entry: &Entry) {
        if entry.capture == Capture::Changed {
            let path = self.full_path(&entry.path);
            self.watch.event(Event::Note(&format!("{} went on changing while it was read", display_path(&path))));
        }
    }

    /// Tables of a database that SQLite could not check without its application.
    pub(super) fn note_unchecked(&self, path: &[u8], tables: &str) {
        let path = self.full_path(path);
        self.watch.event(Event::Note(&format!("{}: captured, but not checked: {tables}", display_path(&path))));
    }

    /// Whether the content that the parent names can be relied on: always, unless a pack it may lie in is condemned or gone.
    pub(super) fn still_there(&self, content: &Content) -> bool {
        match content {
            Content::List { .. } => self.vault.parent_content_counts(self.parent),
            Content::Empty | Content::Inline(_) => true,
        }
    }

    /// Whether a database is as it was: its own file was compared, its write-ahead log is compared here.
    pub(super) fn database_unchanged(&self, capture: &Capture, found: &Found) -> bool {
        match capture {
            Capture::Sqlite { wal, .. } => self.sqlite && sqlite::wal_state(found) == *wal,
            Capture::SqliteFallback => !self.sqlite,
            Capture::Plain | Capture::Changed => true,
        }
    }

    /// The path below the source with the source's own before it.
    pub(super) fn full_path(&self, path: &[u8]) -> Vec<u8> {
        join(self.label, path)
    }
}

/// A label and a path below it.
pub(crate) fn join(label: &[u8], path: &[u8]) -> Vec<u8> {
    let mut full = label.to_vec();
    if !path.is_empty() {
        if full.last() != Some(&b'/') {
            full.push(b'/');
        }
        full.extend_from_slice(path);
    }
    full
}

/// Absolute, without `.` and `..`, symbolic links not resolved: the name that the person knows the source by.
fn absolute(path: &Path) -> PathBuf {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let mut clean = PathBuf::new();
    for part in path.components() {
        match part {
            std::path::Component::ParentDir => {
                clean.pop();
            }
            part => clean.push(part),
        }
    }
    clean
}
