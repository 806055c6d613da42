//! The first stage: merges the walk of a source with what is known from the last push, and hands out work in path order.

use std::collections::VecDeque;
use std::sync::Arc;

use crossbeam_channel::Sender;
use vault_format::{Capture, Entry, Kind};

use super::PushError;
use super::assemble::Order;
use super::job::{Input, Job};
use super::parent::{Before, Parent};
use super::worker::Run;
use crate::manifest::ChunkSource;
use crate::source::sqlite;
use crate::source::{FileReader, Found, StreamSource};
use crate::sync::lock;
use crate::watch::Action;

/// A run of entries of about 1 MiB of content, in path order.
pub(super) struct Batch {
    /// Position among the batches of this source.
    pub(super) seq: u64,
    pub(super) items: Vec<Item>,
}

/// One entry on its way through the push.
#[allow(clippy::large_enum_variant)] // most items are `Ready`: a million boxes would cost more than the space
pub(super) enum Item {
    /// Nothing to read.
    Ready(Entry),
    /// Only its extended attributes are to be read.
    Attributes(Box<Found>),
    /// A small file, read and cut by one worker.
    Small(Box<Found>),
    /// The side file of a database: left out if the database was captured.
    Side(Box<Found>, Arc<Captured>),
    /// A large file, alone in its batch: read by one worker, its runs taken by all.
    Large(Box<Found>, Sender<Run>),
    /// A database, alone in its batch.
    Database(Box<Found>, Teller, Sender<Run>),
    /// Standard input or a command's output, alone in its batch.
    Stream(Box<StreamSource>, Sender<Run>),
}

/// Whether a database was captured through SQLite: told once, waited for by its side files.
#[derive(Default)]
pub(super) struct Captured {
    state: std::sync::Mutex<Option<bool>>,
    told: std::sync::Condvar,
}

impl Captured {
    fn tell(&self, captured: bool) {
        lock(&self.state).get_or_insert(captured);
        self.told.notify_all();
    }

    /// Waits for the database's worker, which began earlier and waits for nobody.
    pub(super) fn wait(&self) -> bool {
        let mut state = lock(&self.state);
        loop {
            if let Some(captured) = *state {
                return captured;
            }
            state = self.told.wait(state).unwrap_or_else(std::sync::PoisonError::into_inner);
        }
    }
}

/// The duty to tell. Dropped with a batch that nobody gets to, or by a worker that ends early, it tells that the database
/// was not captured: side files that wait for it hold a worker.
pub(super) struct Teller(Arc<Captured>);

impl Teller {
    pub(super) fn tell(&self, captured: bool) {
        self.0.tell(captured);
    }
}

impl Drop for Teller {
    fn drop(&mut self) {
        self.0.tell(false);
    }
}

/// Scans one source. Returns when everything is handed out.
pub(super) fn scan<C: ChunkSource>(
    job: &Job<'_>,
    input: Input,
    mut parent: Parent<'_, C>,
    batches: &Sender<Batch>,
    runs: Sender<Run>,
    order: &Order,
) -> Result<(), PushError> {
    let mut out = Batches { seq: 0, items: Vec::new(), bytes: 0, batches, order };
    let walk = match input {
        Input::Walk(walk) => walk,
        Input::Stream(stream) => return out.alone(Item::Stream(Box::new(stream), runs)),
    };
    // Databases of the folder that is being scanned: (path, outcome). Side files come soon after them.
    let mut databases: VecDeque<(Vec<u8>, Arc<Captured>)> = VecDeque::new();

    for found in walk {
        if job.stopped() {
            return Err(PushError::Interrupted);
        }
        let found = match found {
            Ok(found) => found,
            Err(problem) => {
                job.walk_problem(&problem);
                continue;
            }
        };
        let entry = &found.entry;
        let before = parent.at(entry, job);
        let unchanged = !job.read_all && before.as_ref().is_some_and(|old| old.is_same);
        let action = match &before {
            None => Action::New,
            Some(_) if unchanged => Action::Unmodified,
            Some(_) => Action::Changed,
        };
        let side_of = (entry.kind == Kind::File)
            .then(|| sqlite::side_file_of(&entry.path))
            .flatten()
            .and_then(|database| databases.iter().find(|(path, _)| path == database))
            .map(|(_, captured)| Arc::clone(captured));

        if entry.kind != Kind::File {
            job.count(entry, action);
            match (before, unchanged) {
                (Some(old), true) if old.xattrs.is_some() => out.add(carry_over(found, old), 0)?,
                _ if entry.kind == Kind::Dir || entry.kind == Kind::Symlink => {
                    out.add(Item::Attributes(Box::new(found)), 0)?;
                }
                _ => out.add(Item::Ready(found.entry), 0)?,
            }
            continue;
        }
        if job.sqlite && side_of.is_none() && !unchanged && is_write_ahead_log(&found) {
            // Its database does not look like one: encrypted by the application.
            let database = sqlite::side_file_of(&entry.path).unwrap_or(&entry.path);
            job.fell_back(database, "it has a write-ahead log, but no header of a database: encrypted or damaged");
        }
        if let Some(captured) = side_of {
            out.add(Item::Side(Box::new(found), captured), entry_weight(SMALL))?;
            continue;
        }
        if let (Some(old), true) = (&before, unchanged)
            && let Some(content) = &old.content
            && job.still_there(content)
            && job.database_unchanged(&old.capture, &found)
        {
            if matches!(old.capture, Capture::Sqlite { .. }) {
                let captured = Arc::new(Captured::default());
                captured.tell(true);
                remember(&mut databases, entry.path.clone(), captured);
            }
            job.count(entry, action);
            let old = before.expect("just seen");
            out.add(carry_over(found, old), 0)?;
            continue;
        }
        // A database whose own file is unchanged may have changed in its log. What is read again because it is not kept has not.
        let is_kept = before.is_none_or(|old| old.content.is_some());
        let action = if action == Action::Unmodified && is_kept { Action::Changed } else { action };
        job.count(entry, action);
        if job.sqlite && looks_like_database(&found) {
            let captured = Arc::new(Captured::default());
            remember(&mut databases, entry.path.clone(), Arc::clone(&captured));
            out.alone(Item::Database(Box::new(found), Teller(captured), runs.clone()))?;
        } else if entry.size > SMALL {
            out.alone(Item::Large(Box::new(found), runs.clone()))?;
        } else {
            let weight = entry_weight(entry.size);
            out.add(Item::Small(Box::new(found)), weight)?;
        }
    }
    out.flush()
}

/// Whether the file begins like a SQLite database. Only files of whole 512-byte pages are opened for it. The reader is
/// closed again before a worker captures the file: see `source::sqlite` on POSIX locks.
fn looks_like_database(found: &Found) -> bool {
    if found.entry.size == 0 || !found.entry.size.is_multiple_of(512) {
        return false;
    }
    begins(found, sqlite::HEADER_BYTES).is_some_and(|head| sqlite::is_database(&head))
}

/// The first bytes of a file, at most `len`.
fn begins(found: &Found, len: usize) -> Option<Vec<u8>> {
    let mut head = vec![0; len];
    let mut filled = 0;
    let mut reader = FileReader::open(&mut found.clone()).ok()?;
    while filled < len {
        match reader.read(&mut head[filled..]).ok()? {
            0 => break,
            n => filled += n,
        }
    }
    head.truncate(filled);
    Some(head)
}

/// Whether the file is the write-ahead log of a SQLite database: those begin in clear also where the database is encrypted.
fn is_write_ahead_log(found: &Found) -> bool {
    found.entry.path.ends_with(b"-wal")
        && found.entry.size > 32
        && begins(found, 4).is_some_and(|head| matches!(head[..], [0x37, 0x7f, 0x06, 0x82 | 0x83]))
}

/// What the walk says, with what was read last time. Attributes that are not kept are still to be read.
fn carry_over(mut found: Found, old: Before) -> Item {
    let entry = &mut found.entry;
    entry.content = old.content.unwrap_or_default();
    (entry.holes, entry.capture) = (old.holes, old.capture);
    match old.xattrs {
        Some(xattrs) => {
            entry.xattrs = xattrs;
            Item::Ready(found.entry)
        }
        None => Item::Attributes(Box::new(found)),
    }
}

fn remember(databases: &mut VecDeque<(Vec<u8>, Arc<Captured>)>, path: Vec<u8>, captured: Arc<Captured>) {
    // Between a database and its side files only names of the form `<database>[ !"#$%&'()*+,-]...` can sort.
    if databases.len() == REMEMBERED_DATABASES {
        databases.pop_front();
    }
    databases.push_back((path, captured));
}

fn entry_weight(size: u64) -> usize {
    // Content only: a batch of new files should make one segment, so that neighbours are compressed together.
    size.min(SMALL) as usize
}

/// Collects items into batches.
struct Batches<'a> {
    seq: u64,
    items: Vec<Item>,
    bytes: usize,
    batches: &'a Sender<Batch>,
    order: &'a Order,
}

impl Batches<'_> {
    fn add(&mut self, item: Item, bytes: usize) -> Result<(), PushError> {
        self.items.push(item);
        self.bytes += bytes;
        if self.bytes >= BATCH_BYTES || self.items.len() >= BATCH_ITEMS { self.flush() } else { Ok(()) }
    }

    fn alone(&mut self, item: Item) -> Result<(), PushError> {
        self.flush()?;
        self.items.push(item);
        self.flush()
    }

    fn flush(&mut self) -> Result<(), PushError> {
        if self.items.is_empty() {
            return Ok(());
        }
        let items = std::mem::replace(&mut self.items, Vec::with_capacity(BATCH_ITEMS));
        self.bytes = 0;
        self.order.wait_for_room(self.seq)?;
        let batch = Batch { seq: self.seq, items };
        self.seq += 1;
        self.batches.send(batch).map_err(|_| PushError::Stopped)
    }
}

/// Files up to this many bytes are read by one worker.
const SMALL: u64 = 1 << 20;
const BATCH_BYTES: usize = 1 << 20;
const BATCH_ITEMS: usize = 512;
const REMEMBERED_DATABASES: usize = 64;
