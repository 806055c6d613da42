//! The workers: each takes a batch end to end, from open files to sealed segments.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex};

use crossbeam_channel::{Receiver, Sender, TrySendError, select};
use vault_format::{Capture, ChunkId, Chunking, Content, Entry, Kind, limits};

use super::assemble::Done;
use super::packs::lock;
use super::scan::{Batch, Captured, Item};
use super::sink::Segment;
use super::{Job, PushError};
use crate::manifest::{ContentList, FixedList, ListRoot};
use crate::source::file::{FileReader, Stability};
use crate::source::sqlite::SqliteCapture;
use crate::source::{Found, WalkProblem, read_xattrs};

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
    let mut worker = Worker {
        job,
        done,
        segment: job.sink.segment(job.compressor()?),
        file: Vec::new(),
    };
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
                Item::Small(found) => entries.extend(self.small(*found, Capture::Plain)?),
                Item::Side(found, captured) => {
                    if !captured.wait() {
                        entries.extend(self.whole(*found)?);
                    }
                }
                Item::Large(found, runs) => return self.large(*found, Capture::Plain, batch.seq, &runs),
                Item::Database(found, captured, runs) => return self.database(*found, &captured, batch.seq, &runs),
            }
        }
        self.send(Done { seq: batch.seq, entries })
    }

    /// Reads a file of at most `SMALL` bytes whole. None: it is not in the snapshot, and the job knows.
    fn small(&mut self, mut found: Found, capture: Capture) -> Result<Option<Entry>, PushError> {
        self.job.watch.set_current(&found.entry.path);
        let mut attempt = 0;
        let stability = loop {
            let mut reader = match self.open(&mut found) {
                Ok(reader) => reader,
                Err(problem) => return Ok(self.job.lost(&problem)),
            };
            self.file.clear();
            if let Err(error) = reader.read_to_end(&mut self.file, limits::WHOLE_FILE) {
                return Ok(self.job.lost(&WalkProblem::unreadable(&found.entry.path, error)));
            }
            let stability = reader.finish();
            attempt += 1;
            if stability == Stability::Stable || attempt == ATTEMPTS {
                break stability;
            }
        };
        let mut entry = found.entry;
        entry.capture = self.job.mark(&entry.path, capture, stability);
        let holes: u64 = entry.holes.iter().map(|(_, len)| len).sum();
        entry.size = self.file.len() as u64 + holes;
        let file = std::mem::take(&mut self.file);
        entry.content = self.content(&file)?;
        self.file = file;
        self.job.entry_done(&entry);
        Ok(Some(entry))
    }

    /// Side files of databases that were not captured may be of any size; they are few, and read by one worker.
    fn whole(&mut self, mut found: Found) -> Result<Option<Entry>, PushError> {
        if found.entry.size <= super::scan::SMALL {
            return self.small(found, Capture::Plain);
        }
        let mut list = self.job.new_list();
        let streamed = self.stream(&mut found, |worker, data, chunks| {
            for (id, len) in worker.chunks(&data, &chunks)? {
                list.push(id, u64::from(len), worker.job.sink)?;
            }
            worker.job.spare.give(data);
            Ok(())
        })?;
        let (stability, length) = match streamed {
            Ok(streamed) => streamed,
            Err(problem) => return Ok(self.job.lost(&problem)),
        };
        let mut entry = found.entry;
        entry.capture = self.job.mark(&entry.path, Capture::Plain, stability);
        entry.size = length + holes(&entry);
        entry.content = listed(Chunking::ContentDefined, list.finish(self.job.sink)?);
        self.job.entry_done(&entry);
        Ok(Some(entry))
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
    fn large(&mut self, mut found: Found, capture: Capture, seq: u64, runs: &Sender<Run>) -> Result<(), PushError> {
        self.job.watch.set_current(&found.entry.path);
        let mut attempt = 0;
        loop {
            let file = Arc::new(LargeFile::new(self.job, Chunking::ContentDefined));
            let mut number = 0;
            let streamed = self.stream(&mut found, |worker, data, chunks| {
                let run = Run { file: Arc::clone(&file), number, data, chunks };
                number += 1;
                worker.hand_out(run, runs)
            })?;
            attempt += 1;
            let (stability, length) = match streamed {
                Ok(streamed) => streamed,
                Err(problem) => {
                    let entries = self.job.lost(&problem).into_iter().collect();
                    return self.send(Done { seq, entries });
                }
            };
            if stability == Stability::Changed && attempt < ATTEMPTS {
                continue;
            }
            let mut entry = found.entry;
            entry.capture = self.job.mark(&entry.path, capture, stability);
            entry.size = length + holes(&entry);
            return match file.end(number, entry, seq, self.job)? {
                Some(done) => self.send(done),
                None => Ok(()),
            };
        }
    }

    /// Captures a database through SQLite; reads it as a file where that cannot be done.
    fn database(&mut self, found: Found, captured: &Captured, seq: u64, runs: &Sender<Run>) -> Result<(), PushError> {
        self.job.watch.set_current(&found.entry.path);
        // Side files wait for the outcome: it is told also when the push ends here.
        let told = TellOnDrop(captured);
        let problem = match self.capture(&found, seq, runs) {
            Ok(()) => {
                captured.tell(true);
                return Ok(());
            }
            Err(DatabaseError::Push(error)) => return Err(error),
            Err(DatabaseError::NotCapturable(problem)) => problem,
        };
        captured.tell(false);
        drop(told);
        self.job.fell_back(&found.entry.path, &problem);
        if found.entry.size > super::scan::SMALL {
            return self.large(found, Capture::SqliteFallback, seq, runs);
        }
        let entries = self.small(found, Capture::SqliteFallback)?.into_iter().collect();
        self.send(Done { seq, entries })
    }

    fn capture(&mut self, found: &Found, seq: u64, runs: &Sender<Run>) -> Result<(), DatabaseError> {
        let mut database = SqliteCapture::open(&found.system_path()).map_err(DatabaseError::not)?;
        let mut found = Found { entry: found.entry.clone(), dir: Arc::clone(&found.dir) };
        self.read_xattrs(&mut found);
        let page_size = database.page_size();
        let chunk = page_size.max(DATABASE_CHUNK);
        let file = Arc::new(LargeFile::new(self.job, Chunking::Fixed(chunk)));
        let mut number = 0;
        let mut length = 0;
        loop {
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
            length += filled as u64;
            let chunks = data.chunks(chunk as usize).map(|piece| piece.len() as u32).collect();
            self.hand_out(Run { file: Arc::clone(&file), number, data, chunks }, runs)?;
            number += 1;
        }
        let mut entry = found.entry;
        entry.size = length;
        entry.holes.clear();
        entry.capture = Capture::Sqlite { page_size, wal: database.wal() };
        if let Some(done) = file.end(number, entry, seq, self.job)? {
            self.send(done)?;
        }
        Ok(())
    }

    /// Reads a file and cuts it into runs of about 1 MiB; `each` gets their data and the lengths of their chunks.
    fn stream(
        &mut self,
        found: &mut Found,
        mut each: impl FnMut(&mut Self, Vec<u8>, Vec<u32>) -> Result<(), PushError>,
    ) -> Result<Result<(Stability, u64), WalkProblem>, PushError> {
        let mut reader = match self.open(found) {
            Ok(reader) => reader,
            Err(problem) => return Ok(Err(problem)),
        };
        let mut data = self.job.spare.take();
        let (mut filled, mut length, mut at_end) = (0, 0, false);
        while !at_end || filled > 0 {
            if self.job.stopped() {
                return Err(PushError::Interrupted);
            }
            data.resize(RUN_BYTES + limits::FILE_CHUNK, 0);
            while filled < data.len() && !at_end {
                match reader.read(&mut data[filled..]) {
                    Ok(0) => at_end = true,
                    Ok(n) => filled += n,
                    Err(error) => return Ok(Err(WalkProblem::unreadable(&found.entry.path, error))),
                }
            }
            let mut chunks = Vec::new();
            let mut cut = 0;
            while cut < RUN_BYTES && cut < filled {
                let Some(len) = self.job.chunker.cut(&data[cut..filled], at_end) else { break };
                chunks.push(len as u32);
                cut += len;
            }
            if cut == 0 {
                continue;
            }
            let mut next = self.job.spare.take();
            next.clear();
            next.extend_from_slice(&data[cut..filled]);
            filled -= cut;
            length += cut as u64;
            data.truncate(cut);
            each(self, std::mem::replace(&mut data, next), chunks)?;
        }
        self.job.spare.give(data);
        Ok(Ok((reader.finish(), length)))
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

    fn open(&mut self, found: &mut Found) -> Result<FileReader, WalkProblem> {
        let mut problems = Vec::new();
        let reader = FileReader::open(found, &mut problems);
        problems.iter().for_each(|problem| self.job.walk_problem(problem));
        reader
    }

    fn read_xattrs(&mut self, found: &mut Found) {
        let mut problems = Vec::new();
        read_xattrs(found, &mut problems);
        problems.iter().for_each(|problem| self.job.walk_problem(problem));
    }

    fn send(&mut self, done: Done) -> Result<(), PushError> {
        self.done.send(done).map_err(|_| PushError::Stopped)
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

struct TellOnDrop<'a>(&'a Captured);

impl Drop for TellOnDrop<'_> {
    fn drop(&mut self) {
        self.0.tell(false);
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
    /// Set when reading has ended: the number of runs, the entry, and its batch.
    end: Option<(u64, Entry, u64)>,
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
    fn end(&self, runs: u64, entry: Entry, seq: u64, job: &Job<'_>) -> Result<Option<Done>, PushError> {
        let mut state = lock(&self.state);
        state.end = Some((runs, entry, seq));
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
        let (Some((_, mut entry, seq)), Some(list)) = (self.end.take(), self.list.take()) else { return Ok(None) };
        entry.content = match list {
            List::Content(list) => listed(Chunking::ContentDefined, list.finish(job.sink)?),
            List::Fixed(list, size) => listed(Chunking::Fixed(size), list.finish(job.sink)?),
        };
        job.entry_done_without_bytes(&entry);
        Ok(Some(Done { seq, entries: vec![entry] }))
    }
}

fn listed(chunking: Chunking, root: Option<ListRoot>) -> Content {
    match root {
        Some(ListRoot { depth, root }) => Content::List { chunking, depth, root: root.0 },
        None => Content::Empty,
    }
}

fn holes(entry: &Entry) -> u64 {
    entry.holes.iter().map(|(_, len)| len).sum()
}

/// A file that changes while it is read is read once more; then it is taken as it is, and marked.
const ATTEMPTS: u32 = 2;
const RUN_BYTES: usize = 1 << 20;
/// Bytes of a database's chunks, unless its pages are larger.
const DATABASE_CHUNK: u32 = 8 << 10;
