//! The workers: each takes a batch end to end, from open files to sealed segments.

use std::collections::BTreeMap;
use std::io;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex};

use crossbeam_channel::{Receiver, Sender, TrySendError, select};
use vault_format::{Capture, ChunkId, Chunking, Content, Entry, limits};

use super::PushError;
use super::assemble::Done;
use super::job::Job;
use super::scan::{Batch, Item, Teller};
use super::sink::Segment;
use crate::manifest::{ContentList, FixedList, ListRoot};
use crate::source::xattr::read_xattrs;
use crate::source::{
    FileReader, Found, SmallRead, SqliteCapture, Stability, StreamSource, WalkProblem, read_settled, read_small, sqlite,
};
use crate::sync::lock;
use crate::watch::Action;

/// About 1 MiB of a large file, cut into chunks.
pub(super) struct Run {
    file: Arc<LargeFile>,
    number: u64,
    data: Vec<u8>,
    /// Lengths of the chunks; they add up to `data`.
    chunks: Vec<u32>,
}

/// Takes batches and runs until both have ended, then seals what is left in its segment.
pub(super) fn work(
    job: &Job<'_>,
    batches: &Receiver<Batch>,
    runs: &Receiver<Run>,
    done: &Sender<Done>,
) -> Result<(), PushError> {
    let mut worker = Worker { job, done, segment: job.sink.segment(job.compressor()?), file: Vec::new() };
    loop {
        // Finishing what is begun comes first: it frees memory.
        if let Ok(run) = runs.try_recv() {
            worker.run(run)?;
            continue;
        }
        select! {
            recv(runs) -> run => match run {
                Ok(run) => worker.run(run)?,
                Err(_) => {
                    for batch in batches {
                        worker.batch(batch)?;
                    }
                    break;
                }
            },
            recv(batches) -> batch => match batch {
                Ok(batch) => worker.batch(batch)?,
                Err(_) => {
                    for run in runs {
                        worker.run(run)?;
                    }
                    break;
                }
            },
        }
    }
    job.sink.seal(&mut worker.segment, false)
}

struct Worker<'j, 'a> {
    job: &'j Job<'a>,
    done: &'j Sender<Done>,
    /// New chunks of this source that are not sealed yet.
    segment: Segment,
    /// The content of the small file at hand.
    file: Vec<u8>,
}

impl Worker<'_, '_> {
    fn batch(&mut self, batch: Batch) -> Result<(), PushError> {
        let mut entries = Vec::with_capacity(batch.items.len());
        for item in batch.items {
            if self.job.stopped() {
                return Err(PushError::Interrupted);
            }
            match item {
                Item::Ready(entry) => {
                    self.job.entry_done(&entry);
                    entries.push(entry);
                }
                Item::Attributes(mut found) => {
                    self.read_xattrs(&mut found);
                    self.job.entry_done(&found.entry);
                    entries.push(found.entry);
                }
                Item::Small(found) => entries.extend(self.small(*found)?),
                Item::Side(found, captured) => {
                    if !captured.wait() {
                        self.job.count(&found.entry, Action::New);
                        entries.extend(self.medium(*found)?);
                    }
                }
                Item::Large(found, runs) => return self.large(*found, batch.seq, &runs),
                Item::Stream(stream, runs) => return self.stream(*stream, batch.seq, &runs),
                Item::Database(found, captured, runs) => return self.database(*found, captured, batch.seq, &runs),
            }
        }
        self.send(Done { seq: batch.seq, entries })
    }

    /// Reads a small file in one go. None: it is not in the snapshot, and the job knows.
    fn small(&mut self, mut found: Found) -> Result<Option<Entry>, PushError> {
        self.job.watch.set_current(&found.entry.path);
        let mut problems = Vec::new();
        let read = read_small(&mut found, &mut self.file, &mut problems);
        self.job.walk_problems(&problems);
        match read {
            Ok(SmallRead::Done) => {}
            Ok(SmallRead::Grown) => return self.medium(found),
            Err(problem) => return Ok(self.job.lost(&problem)),
        }
        let file = std::mem::take(&mut self.file);
        found.entry.content = self.content(&file)?;
        self.mark_cut_database(&mut found.entry, sqlite::is_database(&file));
        self.file = file;
        self.job.watch.bytes.fetch_add(self.file.len() as u64, Relaxed);
        Ok(Some(self.finished(found)))
    }

    /// Reads a file of any size on this worker alone.
    fn medium(&mut self, mut found: Found) -> Result<Option<Entry>, PushError> {
        self.job.watch.set_current(&found.entry.path);
        let content = self.settled(&mut found, |worker, reader| {
            let mut list = worker.job.new_list();
            let (mut inline, mut database) = (None, None);
            cut_runs(
                worker.job,
                |buffer| reader.read(buffer),
                |data, chunks| {
                    let first = database.is_none();
                    database.get_or_insert_with(|| sqlite::is_database(&data));
                    if first && data.len() <= limits::INLINE_BYTES {
                        inline = Some(Content::Inline(data));
                        return Ok(());
                    }
                    for (id, len) in worker.chunks(&data, &chunks)? {
                        list.push(id, u64::from(len), worker.job.sink)?;
                    }
                    worker.job.spare.give(data);
                    Ok(())
                },
            )?;
            let root = list.finish(worker.job.sink)?;
            let content = inline.unwrap_or_else(|| listed(Chunking::ContentDefined, root));
            Ok((content, database.unwrap_or(false)))
        });
        match content {
            Ok((content, database)) => {
                found.entry.content = content;
                self.mark_cut_database(&mut found.entry, database);
                Ok(Some(self.finished(found)))
            }
            Err(ReadError::Lost(problem)) => Ok(self.job.lost(&problem)),
            Err(ReadError::Push(error)) => Err(error),
        }
    }

    /// A file with the header of a database whose length is not that of whole pages: cut off, or being copied. Databases
    /// of whole pages went through SQLite.
    fn mark_cut_database(&self, entry: &mut Entry, database: bool) {
        if database && self.job.sqlite && !entry.size.is_multiple_of(512) {
            entry.capture = Capture::SqliteFallback;
            self.job.fell_back(&entry.path, "its length is not that of whole pages");
        }
    }

    /// The entry of a file that was read, and noted as such.
    fn finished(&self, found: Found) -> Entry {
        self.job.note_changed(&found.entry);
        self.job.entry_done(&found.entry);
        found.entry
    }

    /// Runs `read` on a file, once more if it changed meanwhile, and brings the entry up to date.
    fn settled<T>(
        &mut self,
        found: &mut Found,
        mut read: impl FnMut(&mut Self, &mut FileReader) -> Result<T, ReadError>,
    ) -> Result<T, ReadError> {
        let mut problems = Vec::new();
        let result = read_settled(found, &mut problems, |reader| read(self, reader));
        self.job.walk_problems(&problems);
        result
    }

    /// The content of a small file: inline, or cut, claimed and added to the open segment.
    fn content(&mut self, data: &[u8]) -> Result<Content, PushError> {
        if data.is_empty() {
            return Ok(Content::Empty);
        }
        if data.len() <= limits::INLINE_BYTES {
            return Ok(Content::Inline(data.to_vec()));
        }
        let mut list = self.job.new_list();
        let mut rest = data;
        while !rest.is_empty() {
            let len = self.job.chunker.cut(rest, true).expect("at the end there is always a chunk");
            let (chunk, after) = rest.split_at(len);
            let id = self.chunk(chunk)?;
            list.push(id, len as u64, self.job.sink)?;
            rest = after;
        }
        Ok(listed(Chunking::ContentDefined, list.finish(self.job.sink)?))
    }

    /// Reads a large file, cuts it, and lets all workers take its runs.
    fn large(&mut self, mut found: Found, seq: u64, runs: &Sender<Run>) -> Result<(), PushError> {
        self.job.watch.set_current(&found.entry.path);
        let read = self.settled(&mut found, |worker, reader| {
            let file = Arc::new(LargeFile::new(worker.job, Chunking::ContentDefined));
            let (mut number, mut inline, mut database) = (0, None, false);
            cut_runs(
                worker.job,
                |buffer| reader.read(buffer),
                |data, chunks| {
                    database |= number == 0 && sqlite::is_database(&data);
                    // It was truncated since the walk.
                    if number == 0 && data.len() <= limits::INLINE_BYTES {
                        inline = Some(data);
                        return Ok(());
                    }
                    let run = Run { file: Arc::clone(&file), number, data, chunks };
                    number += 1;
                    worker.hand_out(run, runs)
                },
            )?;
            Ok((file, number, inline, database))
        });
        match read {
            Ok((file, number, inline, database)) => {
                self.mark_cut_database(&mut found.entry, database);
                self.job.note_changed(&found.entry);
                self.end(&file, number, inline, vec![found.entry], seq)
            }
            Err(ReadError::Lost(problem)) => {
                let entries = self.job.lost(&problem).into_iter().collect();
                self.send(Done { seq, entries })
            }
            Err(ReadError::Push(error)) => Err(error),
        }
    }

    /// Reads standard input or a command's output. A failure fails the source.
    fn stream(&mut self, mut stream: StreamSource, seq: u64, runs: &Sender<Run>) -> Result<(), PushError> {
        let file = Arc::new(LargeFile::new(self.job, Chunking::ContentDefined));
        let (mut number, mut inline) = (0, None);
        let read = cut_runs(
            self.job,
            |buffer| stream.read(buffer),
            |data, chunks| {
                if number == 0 && data.len() <= limits::INLINE_BYTES {
                    inline = Some(data);
                    return Ok(());
                }
                let run = Run { file: Arc::clone(&file), number, data, chunks };
                number += 1;
                self.hand_out(run, runs)
            },
        );
        let entries = match read {
            Ok(()) => stream.finish().map_err(|error| crate::chain(&error)),
            Err(ReadError::Lost(problem)) => Err(crate::chain(&problem)),
            Err(ReadError::Push(error)) => return Err(error),
        };
        match entries {
            Ok(entries) => {
                entries.iter().for_each(|entry| self.job.count(entry, Action::New));
                self.end(&file, number, inline, entries, seq)
            }
            Err(message) => {
                self.job.source_failed(&message);
                self.send(Done { seq, entries: Vec::new() })
            }
        }
    }

    /// Captures a database through SQLite; reads it as a file where that cannot be done.
    fn database(&mut self, found: Found, captured: Teller, seq: u64, runs: &Sender<Run>) -> Result<(), PushError> {
        self.job.watch.set_current(&found.entry.path);
        let mut attempt = 0;
        let problem = loop {
            attempt += 1;
            match self.capture(&found, seq, runs) {
                Ok(Stability::Stable) => {
                    captured.tell(true);
                    self.job.counts.databases.fetch_add(1, Relaxed);
                    return Ok(());
                }
                Ok(Stability::Changed) if attempt < ATTEMPTS => {}
                Ok(Stability::Changed) => break "it was written to without SQLite's locks".to_owned(),
                Err(DatabaseError::Push(error)) => return Err(error),
                Err(DatabaseError::NotCapturable(problem)) => break problem,
            }
        };
        // Side files are files now.
        drop(captured);
        self.job.fell_back(&found.entry.path, &problem);
        let entries = self.medium(found)?.map(|mut entry| {
            entry.capture = Capture::SqliteFallback;
            entry
        });
        self.send(Done { seq, entries: entries.into_iter().collect() })
    }

    fn capture(&mut self, found: &Found, seq: u64, runs: &Sender<Run>) -> Result<Stability, DatabaseError> {
        let mut database = SqliteCapture::open(&found.system_path()).map_err(DatabaseError::not)?;
        let chunk = database.page_size().max(DATABASE_CHUNK);
        let file = Arc::new(LargeFile::new(self.job, Chunking::Fixed(chunk)));
        let mut number = 0;
        loop {
            if self.job.stopped() {
                return Err(PushError::Interrupted.into());
            }
            let mut data = self.job.spare.take();
            data.resize(RUN_BYTES, 0);
            let mut filled = 0;
            while filled < data.len() {
                match database.read(&mut data[filled..]).map_err(DatabaseError::not)? {
                    0 => break,
                    n => filled += n,
                }
            }
            if filled == 0 {
                break;
            }
            data.truncate(filled);
            let chunks = data.chunks(chunk as usize).map(|piece| piece.len() as u32).collect();
            self.hand_out(Run { file: Arc::clone(&file), number, data, chunks }, runs)?;
            number += 1;
        }
        let mut entry = found.entry.clone();
        database.describe(&mut entry);
        let unchecked = database.unchecked().join(", ");
        if database.finish().map_err(DatabaseError::not)? == Stability::Changed {
            return Ok(Stability::Changed);
        }
        // The database is no longer open here: only now may other descriptors of it be.
        let mut found = Found { entry, dir: Arc::clone(&found.dir) };
        self.read_xattrs(&mut found);
        if !unchecked.is_empty() {
            self.job.note_unchecked(&found.entry.path, &unchecked);
        }
        self.end(&file, number, None, vec![found.entry], seq)?;
        Ok(Stability::Stable)
    }

    /// Gives a run to whoever is free; does it here when nobody is, so that readers never wait for each other.
    fn hand_out(&mut self, run: Run, runs: &Sender<Run>) -> Result<(), PushError> {
        match runs.try_send(run) {
            Ok(()) => Ok(()),
            Err(TrySendError::Full(run) | TrySendError::Disconnected(run)) => self.run(run),
        }
    }

    fn run(&mut self, run: Run) -> Result<(), PushError> {
        let ids = self.chunks(&run.data, &run.chunks)?;
        self.job.spare.give(run.data);
        match run.file.deliver(run.number, ids, self.job)? {
            Some(done) => self.send(done),
            None => Ok(()),
        }
    }

    fn chunks(&mut self, data: &[u8], lengths: &[u32]) -> Result<Vec<(ChunkId, u32)>, PushError> {
        let mut ids = Vec::with_capacity(lengths.len());
        let mut rest = data;
        for &len in lengths {
            let (chunk, after) = rest.split_at(len as usize);
            ids.push((self.chunk(chunk)?, len));
            rest = after;
        }
        self.job.watch.bytes.fetch_add(data.len() as u64, Relaxed);
        Ok(ids)
    }

    fn chunk(&mut self, data: &[u8]) -> Result<ChunkId, PushError> {
        self.job.sink.file_chunk(data, &mut self.segment)
    }

    /// Reading has ended: the last of `entries` is the file's. `inline`: all of it, if that is so little that no run was made.
    fn end(
        &mut self,
        file: &LargeFile,
        runs: u64,
        inline: Option<Vec<u8>>,
        mut entries: Vec<Entry>,
        seq: u64,
    ) -> Result<(), PushError> {
        if let (Some(bytes), Some(entry)) = (inline, entries.last_mut()) {
            self.job.watch.bytes.fetch_add(bytes.len() as u64, Relaxed);
            entry.content = Content::Inline(bytes);
            entries.iter().for_each(|entry| self.job.entry_done(entry));
            return self.send(Done { seq, entries });
        }
        match file.end(runs, entries, seq, self.job)? {
            Some(done) => self.send(done),
            None => Ok(()),
        }
    }

    fn read_xattrs(&mut self, found: &mut Found) {
        let mut problems = Vec::new();
        read_xattrs(found, &mut problems);
        self.job.walk_problems(&problems);
    }

    fn send(&mut self, done: Done) -> Result<(), PushError> {
        self.done.send(done).map_err(|_| PushError::Stopped)
    }
}

/// Why a file was not read to its end.
enum ReadError {
    /// The push as a whole cannot go on.
    Push(PushError),
    /// The file is lost to this snapshot.
    Lost(WalkProblem),
}

impl From<PushError> for ReadError {
    fn from(error: PushError) -> Self {
        Self::Push(error)
    }
}

impl From<WalkProblem> for ReadError {
    fn from(problem: WalkProblem) -> Self {
        Self::Lost(problem)
    }
}

/// Reads to the end and cuts into runs of about 1 MiB; `each` gets their data and the lengths of their chunks.
fn cut_runs(
    job: &Job<'_>,
    mut read: impl FnMut(&mut [u8]) -> io::Result<usize>,
    mut each: impl FnMut(Vec<u8>, Vec<u32>) -> Result<(), PushError>,
) -> Result<(), ReadError> {
    let mut data = job.spare.take();
    let (mut filled, mut at_end) = (0, false);
    loop {
        if job.stopped() {
            return Err(PushError::Interrupted.into());
        }
        data.resize(RUN_BYTES + limits::FILE_CHUNK, 0);
        while filled < data.len() && !at_end {
            match read(&mut data[filled..]) {
                Ok(0) => at_end = true,
                Ok(n) => filled += n,
                Err(error) => return Err(WalkProblem::reading(Vec::new(), error).into()),
            }
        }
        if filled == 0 {
            job.spare.give(data);
            return Ok(());
        }
        let mut chunks = Vec::new();
        let mut cut = 0;
        while cut < RUN_BYTES && cut < filled {
            let Some(len) = job.chunker.cut(&data[cut..filled], at_end) else { break };
            chunks.push(len as u32);
            cut += len;
        }
        let mut next = job.spare.take();
        next.clear();
        next.extend_from_slice(&data[cut..filled]);
        filled -= cut;
        data.truncate(cut);
        each(std::mem::replace(&mut data, next), chunks)?;
    }
}

enum DatabaseError {
    /// The push as a whole cannot go on.
    Push(PushError),
    /// SQLite cannot read it; as a file it may still be read.
    NotCapturable(String),
}

impl DatabaseError {
    fn not(error: impl std::fmt::Display) -> Self {
        Self::NotCapturable(error.to_string())
    }
}

impl From<PushError> for DatabaseError {
    fn from(error: PushError) -> Self {
        Self::Push(error)
    }
}

/// A large file whose runs come back in any order.
struct LargeFile {
    state: Mutex<LargeState>,
}

struct LargeState {
    list: Option<List>,
    next: u64,
    waiting: BTreeMap<u64, Vec<(ChunkId, u32)>>,
    /// Set when reading has ended: the number of runs, the entries of the batch, the file's last, and the batch.
    end: Option<(u64, Vec<Entry>, u64)>,
}

/// A list of either kind. The cut key outlives the push.
enum List {
    Content(ContentList),
    Fixed(FixedList, u32),
}

impl LargeFile {
    fn new(job: &Job<'_>, chunking: Chunking) -> Self {
        let list = match chunking {
            Chunking::ContentDefined => List::Content(job.new_list()),
            Chunking::Fixed(size) => List::Fixed(FixedList::default(), size),
        };
        let state = LargeState { list: Some(list), next: 0, waiting: BTreeMap::new(), end: None };
        Self { state: Mutex::new(state) }
    }

    /// Takes the ids of a run; gives the finished entry if it was the last to come.
    fn deliver(&self, number: u64, ids: Vec<(ChunkId, u32)>, job: &Job<'_>) -> Result<Option<Done>, PushError> {
        let mut state = lock(&self.state);
        state.waiting.insert(number, ids);
        state.advance(job)
    }

    /// Reading has ended after `runs` runs.
    fn end(&self, runs: u64, entries: Vec<Entry>, seq: u64, job: &Job<'_>) -> Result<Option<Done>, PushError> {
        let mut state = lock(&self.state);
        state.end = Some((runs, entries, seq));
        state.advance(job)
    }
}

impl LargeState {
    fn advance(&mut self, job: &Job<'_>) -> Result<Option<Done>, PushError> {
        while let Some(ids) = self.waiting.remove(&self.next) {
            self.next += 1;
            for (id, len) in ids {
                match self.list.as_mut() {
                    Some(List::Content(list)) => list.push(id, u64::from(len), job.sink)?,
                    Some(List::Fixed(list, _)) => list.push(id, job.sink)?,
                    None => {}
                }
            }
        }
        if self.end.as_ref().is_none_or(|(runs, ..)| *runs != self.next) {
            return Ok(None);
        }
        let (Some((_, mut entries, seq)), Some(list)) = (self.end.take(), self.list.take()) else { return Ok(None) };
        let content = match list {
            List::Content(list) => listed(Chunking::ContentDefined, list.finish(job.sink)?),
            List::Fixed(list, size) => listed(Chunking::Fixed(size), list.finish(job.sink)?),
        };
        if let Some(file) = entries.last_mut() {
            file.content = content;
        }
        entries.iter().for_each(|entry| job.entry_done(entry));
        Ok(Some(Done { seq, entries }))
    }
}

fn listed(chunking: Chunking, root: Option<ListRoot>) -> Content {
    match root {
        Some(ListRoot { depth, root }) => Content::List { chunking, depth, root: root.0 },
        None => Content::Empty,
    }
}

/// A database that changes while it is captured is captured once more; then it is read as a file, and marked.
const ATTEMPTS: u32 = 2;
const RUN_BYTES: usize = 1 << 20;
/// Bytes of a database's chunks, unless its pages are larger.
const DATABASE_CHUNK: u32 = 8 << 10;
