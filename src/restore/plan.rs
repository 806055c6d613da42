//! The plan: the manifest, leaf by leaf, turned into reads of packs. Folders and links are made on the way.

use std::collections::{HashMap, VecDeque};
use std::ops::Range;
use std::sync::Arc;

use crossbeam_channel::{Receiver, Sender, bounded};
use vault_format::manifest::Leaf;
use vault_format::name::{ObjectName, PackName};
use vault_format::pack::ChunkType;
use vault_format::{ChunkId, Chunking, Content, Entry, Kind, limits};

use super::RestoreError;
use super::file::{File, Names, Orphans, Place};
use super::job::{Job, Source, may_skip};
use super::space::content_len;
use crate::ls::tree_trouble;
use crate::manifest::{ListRoot, TreeError, is_within, walk_list};
use crate::store::Store;
use crate::target::{Begin, Outcome, OwnerMap};
use crate::vault::ChunkError;
use crate::{Trouble, chain};

/// What a worker does at once.
pub(super) enum Unit<'s> {
    /// Files whose content is at hand, or that have none.
    Small(Vec<Arc<File<'s>>>),
    /// One read of a pack, and the pieces in it.
    Read(Read<'s>),
}

/// A read of a pack.
pub(super) struct Read<'s> {
    pub(super) source: &'s Source<'s>,
    pub(super) pack: PackName,
    pub(super) pack_size: u64,
    /// Whole windows.
    pub(super) range: Range<u64>,
    /// By segment and place in it.
    pub(super) pieces: Vec<Piece<'s>>,
    _window: Arc<Permit>,
}

/// A chunk, and one place where it goes.
pub(super) struct Piece<'s> {
    /// The pack, by its number in the window.
    pack: u32,
    pub(super) slot: u32,
    pub(super) offset: u32,
    pub(super) frame_len: u32,
    pub(super) plain_len: u32,
    pub(super) chunk_offset: u32,
    pub(super) len: u32,
    pub(super) id: ChunkId,
    pub(super) file: Arc<File<'s>>,
    /// Where it goes in the file's content.
    pub(super) at: u64,
}

/// Goes through manifests and sends units to the workers.
pub(super) struct Planner<'s> {
    job: &'s Job<'s>,
    units: Sender<Unit<'s>>,
    orphans: Orphans<'s>,
    window: Window<'s>,
    limit: Limit,
    small: Vec<Arc<File<'s>>>,
    permits: (Sender<()>, Receiver<()>),
}

/// The chunks that are planned and not yet sent.
#[derive(Default)]
struct Window<'s> {
    source: Option<&'s Source<'s>>,
    packs: Vec<(PackName, u64)>,
    numbers: HashMap<PackName, u32>,
    pieces: Vec<Piece<'s>>,
    files: usize,
    large: usize,
}

/// How large a window may get. The first ones are small, so that the workers have something to do soon.
struct Limit(usize);

/// That the pieces of a window are still in memory, and its files open.
pub(super) struct Permit(Receiver<()>);

impl Drop for Permit {
    fn drop(&mut self) {
        let _ = self.0.try_recv();
    }
}

impl<'s> Planner<'s> {
    pub(super) fn new(job: &'s Job<'s>, units: Sender<Unit<'s>>, orphans: Orphans<'s>) -> Self {
        let window = Window::default();
        Self { job, units, orphans, window, limit: Limit(FIRST_PIECES), small: Vec::new(), permits: bounded(WINDOWS) }
    }

    /// Plans one source. A manifest that cannot be read further is a problem; everything before it is restored.
    pub(super) fn source(&mut self, source: &'s Source<'s>) -> Result<(), RestoreError> {
        let mut walk =
            SourceWalk { place: None, names: (Vec::new(), Vec::new()), above: Vec::new(), groups: Groups::default() };
        let mut select = source.select.clone();
        for leaf in source.part.leaves() {
            self.job.go_on()?;
            let leaf = match leaf {
                Ok(leaf) => leaf,
                Err(error) if is_about_the_store(&error) => return Err(source.part.failed(error).into()),
                Err(error) => {
                    source.broken.store(true, std::sync::atomic::Ordering::Relaxed);
                    let message = format!("its list of files cannot be read any further: {}", chain(&error));
                    self.job.problem(&source.full(b""), &message, true);
                    break;
                }
            };
            let place = match walk.place_of(self.job, source, &leaf) {
                Ok(place) => place,
                Err(error) => {
                    self.job.problem(&source.full(b""), &error.to_string(), false);
                    break;
                }
            };
            for entry in leaf.entries.into_iter().filter(|entry| source.part.holds(entry)) {
                let entry = source.rebase(entry);
                let is_dir = entry.kind == Kind::Dir;
                if select.takes(&entry.path, is_dir) {
                    walk.make_above(self.job, &place, &entry.path);
                    self.entry(&mut walk, &place, entry)?;
                } else if is_dir && select.is_sparse() {
                    walk.above.retain(|folder| is_within(&folder.path, &entry.path));
                    walk.above.push(entry);
                }
            }
            self.job.tell_warnings();
        }
        self.flush()
    }

    /// Plans further names as files of their own.
    pub(super) fn alone(&mut self, names: Vec<(Place<'s>, Entry)>) -> Result<(), RestoreError> {
        for (place, entry) in names {
            self.job.go_on()?;
            self.file(&place, entry, None)?;
        }
        Ok(())
    }

    /// Sends what is left.
    pub(super) fn finish(&mut self) -> Result<(), RestoreError> {
        self.flush()
    }

    fn entry(&mut self, walk: &mut SourceWalk<'s>, place: &Place<'s>, entry: Entry) -> Result<(), RestoreError> {
        if entry.kind != Kind::File || self.job.options.dry_run {
            make(self.job, place, &entry);
            return Ok(());
        }
        let names = match walk.groups.role(&entry) {
            Role::Alone => None,
            Role::First(names) => Some(names),
            Role::Further(names) => {
                // Waiting names are as much to keep as files.
                self.window.files += 1;
                names.add(self.job, &self.orphans, place.clone(), entry);
                return Ok(());
            }
        };
        self.file(place, entry, names)
    }

    fn file(&mut self, place: &Place<'s>, entry: Entry, names: Option<Arc<Names<'s>>>) -> Result<(), RestoreError> {
        let job = self.job;
        let mut sink = None;
        if may_skip(job) && matches!(place.source.probe.begin(&entry), Ok(Begin::Settled(Outcome::Skipped(_)))) {
            match place.root.begin(&entry) {
                Ok(Begin::File(begun)) => sink = Some(begun),
                Ok(Begin::Settled(outcome)) => {
                    File::new(place.clone(), entry, None, names).settled(job, &self.orphans, outcome);
                    return Ok(());
                }
                // Told when it is tried again.
                Err(_) => {}
            }
            self.window.large += usize::from(sink.is_some());
        }
        let list = match &entry.content {
            Content::List { chunking, depth, root } => {
                Some((*chunking, ListRoot { depth: *depth, root: ChunkId(*root) }))
            }
            Content::Empty | Content::Inline(_) => None,
        };
        let file = Arc::new(File::new(place.clone(), entry, sink, names));
        let Some((chunking, root)) = list else {
            self.small.push(file);
            return if self.small.len() >= SMALL { self.send_small() } else { Ok(()) };
        };
        self.window.files += 1;
        let planned = self.pieces(&file, chunking, root);
        file.release(job, &self.orphans);
        planned?;
        if self.is_full() { self.flush() } else { Ok(()) }
    }

    /// Plans the pieces of a file. What cannot be found fails the file.
    fn pieces(&mut self, file: &Arc<File<'s>>, chunking: Chunking, root: ListRoot) -> Result<(), RestoreError> {
        let (job, source) = (self.job, file.place.source);
        let Some(size) = content_len(&file.entry) else {
            file.fail(job, &self.orphans, "its holes do not fit into its size", true);
            return Ok(());
        };
        let pieces = match walk_list(&source.part.chunks, chunking, root, size) {
            Ok(pieces) => pieces,
            Err(error) => {
                file.fail(job, &self.orphans, &chain(&error), true);
                return Ok(());
            }
        };
        let mut pieces = pieces.enumerate();
        let mut ahead = VecDeque::new();
        loop {
            if ahead.is_empty() {
                ahead.extend(pieces.by_ref().take(AHEAD));
                let ids = ahead.iter().filter_map(|(_, piece)| piece.as_ref().ok()).map(|(_, id, _)| *id);
                job.vault
                    .locate_soon(source.part.chunks.domain(), &ids.collect::<Vec<_>>())
                    .map_err(ChunkError::from)?;
            }
            let Some((number, piece)) = ahead.pop_front() else {
                return Ok(());
            };
            let (at, id, len) = match piece {
                Ok(piece) => piece,
                Err(error) if is_about_the_store(&error) => return Err(source.part.failed(error).into()),
                Err(error) => {
                    file.fail(job, &self.orphans, &chain(&error), true);
                    return Ok(());
                }
            };
            let domain = source.part.chunks.domain();
            let mut places = job.vault.locate(domain, &id, ChunkType::File).map_err(ChunkError::from)?;
            if places.iter().all(|place| place.len != len) {
                places = job.vault.locate_beyond(domain, &id, ChunkType::File).map_err(ChunkError::from)?;
            }
            let Some(place) = places.iter().find(|place| place.len == len) else {
                file.fail(job, &self.orphans, &ChunkError::Unknown(id).to_string(), true);
                return Ok(());
            };
            if number == 1 {
                self.window.large += 1;
            }
            self.window.source = Some(source);
            let pack = self.window.number(place.pack, place.pack_size);
            file.expect_piece();
            self.window.pieces.push(Piece {
                pack,
                slot: place.slot,
                offset: place.offset,
                frame_len: place.frame_len,
                plain_len: place.plain_len,
                chunk_offset: place.chunk_offset,
                len,
                id,
                file: Arc::clone(file),
                at,
            });
            if self.is_full() {
                job.go_on()?;
                self.flush()?;
                // A list can be very much longer than what is there of it.
                if file.is_settled() {
                    return Ok(());
                }
                // The file goes on in the next window, and stays open.
                self.window.large += 1;
            }
        }
    }

    fn is_full(&self) -> bool {
        let window = &self.window;
        window.pieces.len() >= self.limit.0 || window.files >= self.limit.0 / 2 || window.large >= LARGE_FILES
    }

    fn send_small(&mut self) -> Result<(), RestoreError> {
        let unit = Unit::Small(std::mem::take(&mut self.small));
        self.units.send(unit).map_err(|_| RestoreError::Panicked)
    }

    /// Sends the window to the workers, in the order of packs.
    fn flush(&mut self) -> Result<(), RestoreError> {
        if !self.small.is_empty() {
            self.send_small()?;
        }
        let Window { source, packs, mut pieces, .. } = std::mem::take(&mut self.window);
        let Some(source) = source else {
            return Ok(());
        };
        self.limit.grow();
        // At most so many windows at once: this waits until the oldest one is written.
        self.permits.0.send(()).map_err(|_| RestoreError::Panicked)?;
        let permit = Arc::new(Permit(self.permits.1.clone()));
        pieces.sort_unstable_by_key(|piece| (piece.pack, piece.slot, piece.chunk_offset, piece.id));
        let spans: Vec<_> = pieces.iter().map(|piece| (piece.pack, piece.frame())).collect();
        let mut pieces = pieces.into_iter();
        for (count, range) in cut_reads(&spans, self.job.reads.cut) {
            let pieces: Vec<_> = pieces.by_ref().take(count).collect();
            let (pack, pack_size) = packs[pieces[0].pack as usize];
            let range = range.start..range.end.min(pack_size);
            let read = Read { source, pack, pack_size, range, pieces, _window: Arc::clone(&permit) };
            self.units.send(Unit::Read(read)).map_err(|_| RestoreError::Panicked)?;
        }
        Ok(())
    }
}

impl Read<'_> {
    pub(super) fn name(&self) -> ObjectName {
        ObjectName::Pack(self.pack)
    }
}

impl Piece<'_> {
    /// Bytes of its segment in the pack.
    fn frame(&self) -> Range<u64> {
        let offset = u64::from(self.offset);
        offset..offset + u64::from(self.frame_len)
    }
}

impl Window<'_> {
    /// The number of a pack: in the order in which packs are met, which is about that in which they were written.
    fn number(&mut self, pack: PackName, size: u64) -> u32 {
        let next = self.packs.len() as u32;
        let packs = &mut self.packs;
        *self.numbers.entry(pack).or_insert_with(|| {
            packs.push((pack, size));
            next
        })
    }
}

impl Limit {
    fn grow(&mut self) {
        self.0 = (self.0 * 4).min(PIECES);
    }
}

/// What one source needs while it is walked.
struct SourceWalk<'s> {
    place: Option<Place<'s>>,
    /// The names of owners that `place` was made with.
    names: (OwnerNames, OwnerNames),
    /// Folders above the current path that were not taken, and are made if something in them is.
    above: Vec<Entry>,
    groups: Groups<'s>,
}

type OwnerNames = Vec<(u32, Vec<u8>)>;

impl<'s> SourceWalk<'s> {
    /// The place with the owners of a leaf. Kept until other names come: looking them up costs.
    fn place_of(
        &mut self,
        job: &Job<'_>,
        source: &'s Source<'s>,
        leaf: &Leaf,
    ) -> Result<Place<'s>, crate::target::TargetError> {
        let known = !job.options.owners || (&self.names.0, &self.names.1) == (&leaf.users, &leaf.groups);
        if let Some(place) = self.place.as_ref().filter(|_| known) {
            return Ok(place.clone());
        }
        let owners = match job.options.owners {
            true => {
                self.names = (leaf.users.clone(), leaf.groups.clone());
                OwnerMap::by_name(pairs(&leaf.users), pairs(&leaf.groups))
            }
            false => OwnerMap::numeric(),
        };
        let place = Place { source, root: source.root(&job.target, owners)? };
        self.place = Some(place.clone());
        Ok(place)
    }

    /// Makes the folders above an entry that is taken.
    fn make_above(&mut self, job: &Job<'_>, place: &Place<'s>, path: &[u8]) {
        for folder in self.above.drain(..) {
            if is_within(&folder.path, path) {
                make(job, place, &folder);
            }
        }
    }
}

fn pairs(names: &[(u32, Vec<u8>)]) -> impl Iterator<Item = (u32, &[u8])> {
    names.iter().map(|(id, name)| (*id, name.as_slice()))
}

/// Makes a folder, link or device; in a dry run, looks what would be done about anything.
fn make(job: &Job<'_>, place: &Place<'_>, entry: &Entry) {
    match place.root.begin(entry) {
        Ok(Begin::Settled(outcome)) => job.settled(place.source, entry, outcome),
        Ok(Begin::File(_)) => {}
        Err(error) => job.refused(place.source, entry, error),
    }
}

/// Files with several names, by device and inode.
#[derive(Default)]
struct Groups<'s>(HashMap<(u64, u64), Group<'s>>);

struct Group<'s> {
    names: Arc<Names<'s>>,
    /// A file that changed between two names is two files.
    size: u64,
    content: Content,
    /// Names still to come.
    left: u32,
}

/// What an entry is among the names of its file.
enum Role<'s> {
    Alone,
    First(Arc<Names<'s>>),
    Further(Arc<Names<'s>>),
}

impl<'s> Groups<'s> {
    fn role(&mut self, entry: &Entry) -> Role<'s> {
        if entry.links < 2 {
            return Role::Alone;
        }
        let key = (entry.device, entry.inode);
        let full = self.0.len() >= GROUPS;
        match self.0.get_mut(&key) {
            Some(group) if (group.size, &group.content) == (entry.size, &entry.content) => {
                let names = Arc::clone(&group.names);
                group.left -= 1;
                if group.left == 0 {
                    self.0.remove(&key);
                }
                Role::Further(names)
            }
            Some(_) => Role::Alone,
            // Beyond this they become files of their own: memory is bounded, whatever a manifest says.
            None if full => Role::Alone,
            None => {
                let names = Arc::new(Names::new(&entry.path));
                let group = Group {
                    names: Arc::clone(&names),
                    size: entry.size,
                    content: entry.content.clone(),
                    left: entry.links - 1,
                };
                self.0.insert(key, group);
                Role::First(names)
            }
        }
    }
}

/// How reads are cut.
#[derive(Clone, Copy)]
pub(super) struct Cut {
    /// The longest read.
    longest: u64,
    /// Bytes that nobody needs and that cost less than another request.
    gap: u64,
}

impl Cut {
    /// From a folder a read has no latency worth speaking of, and half a pack keeps the workers' memory small. Over a network
    /// a whole pack is one request, and three windows come sooner than another reply.
    pub(super) fn of(store: &Store) -> Self {
        match store.folder() {
            Some(_) => Self { longest: (limits::PACK / 2) as u64, gap: WINDOW },
            None => Self { longest: limits::PACK as u64, gap: 3 * WINDOW },
        }
    }
}

/// Cuts spans, sorted by pack and place, into reads: how many spans each takes, and the windows that hold them.
fn cut_reads(spans: &[(u32, Range<u64>)], cut: Cut) -> Vec<(usize, Range<u64>)> {
    let mut reads: Vec<(u32, usize, Range<u64>)> = Vec::new();
    for (pack, span) in spans {
        let start = span.start - span.start % WINDOW;
        let end = span.end.next_multiple_of(WINDOW);
        match reads.last_mut() {
            Some((same, count, range))
                if same == pack && start <= range.end + cut.gap && end.max(range.end) - range.start <= cut.longest =>
            {
                *count += 1;
                range.end = range.end.max(end);
            }
            _ => reads.push((*pack, 1, start..end)),
        }
    }
    reads.into_iter().map(|(_, count, range)| (count, range)).collect()
}

/// Whether what cannot be read is no damage: the store is away, or does not let us.
fn is_about_the_store(error: &TreeError) -> bool {
    matches!(tree_trouble(error), Trouble::Storage | Trouble::NotAllowed)
}

/// Pieces in a full window, twice the number of files; about 20 MiB.
const PIECES: usize = 65_536;
/// Pieces in the first window.
const FIRST_PIECES: usize = 1024;
/// Files of a window that are open at the same time at worst: some hundred descriptors below the usual limit.
const LARGE_FILES: usize = 160;
/// Chunks of a file whose tables are read at the same time.
const AHEAD: usize = 256;
/// Windows in memory: one that is written, one that is planned.
const WINDOWS: usize = 2;
/// Files without chunks that a worker gets at once.
const SMALL: usize = 128;
/// Groups of hard links that are open at the same time.
const GROUPS: usize = 1 << 18;
/// SPEC section 6: packs are read in whole windows.
const WINDOW: u64 = 1 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    const READ: u64 = 8 * MIB;
    const NEAR: Cut = Cut { longest: READ, gap: MIB };
    const FAR: Cut = Cut { longest: 16 * MIB, gap: 3 * MIB };

    fn cut(spans: &[(u32, Range<u64>)]) -> Vec<(usize, Range<u64>)> {
        let reads = cut_reads(spans, NEAR);
        assert_eq!(reads.iter().map(|(count, _)| count).sum::<usize>(), spans.len());
        for (_, range) in &reads {
            assert!(range.start % WINDOW == 0 && range.end % WINDOW == 0 && range.end - range.start <= READ);
        }
        reads
    }

    #[test]
    fn neighbours_are_read_at_once_and_far_ones_are_not() {
        assert_eq!(cut(&[]), []);
        assert_eq!(cut(&[(0, 10..20), (0, 10..20), (0, MIB - 1..MIB + 1)]), [(3, 0..2 * MIB)]);
        // One window between them is read along, two are not.
        assert_eq!(cut(&[(0, 0..10), (0, 2 * MIB..2 * MIB + 1)]), [(2, 0..3 * MIB)]);
        assert_eq!(cut(&[(0, 0..10), (0, 3 * MIB..3 * MIB + 1)]), [(1, 0..MIB), (1, 3 * MIB..4 * MIB)]);
        // Packs are objects of their own.
        assert_eq!(cut(&[(0, 0..10), (1, 0..10)]), [(1, 0..MIB), (1, 0..MIB)]);
    }

    #[test]
    fn a_whole_pack_takes_few_reads() {
        let spans: Vec<_> = (0..64).map(|n| (0, n * MIB / 4 + 300..(n + 1) * MIB / 4 + 300)).collect();
        let reads = cut(&spans);
        assert!(reads.len() <= 3, "{reads:?}");
        assert!(reads.windows(2).all(|pair| pair[1].1.start <= pair[0].1.end), "a gap: {reads:?}");
        assert_eq!(cut_reads(&spans[..60], FAR), [(60, 0..16 * MIB)]);
        let few: Vec<_> = spans.iter().step_by(16).cloned().collect();
        assert_eq!(cut_reads(&few, FAR), [(4, 0..13 * MIB)]);
        assert_eq!(cut_reads(&[spans[0].clone(), spans[40].clone()], FAR).len(), 2);
    }

    #[test]
    fn a_segment_larger_than_anything_honest_is_read_all_the_same() {
        assert_eq!(cut_reads(&[(0, 0..16 * MIB)], NEAR), [(1, 0..16 * MIB)]);
    }

    #[test]
    fn windows_begin_small_and_are_bounded() {
        let mut limit = Limit(FIRST_PIECES);
        let sizes: Vec<_> = (0..10)
            .map(|_| {
                limit.grow();
                limit.0
            })
            .collect();
        assert!(sizes.is_sorted() && sizes[0] > FIRST_PIECES);
        assert_eq!(sizes[9], PIECES);
    }

    #[test]
    fn packs_are_numbered_as_they_are_met() {
        let pack = |n| PackName {
            tree: false,
            device: vault_format::DeviceId([n; 16]),
            hash: vault_format::ObjectHash([n; 32]),
        };
        let mut window = Window::default();
        let numbers: Vec<_> = [3, 1, 3, 2, 1].into_iter().map(|n| window.number(pack(n), u64::from(n))).collect();
        assert_eq!(numbers, [0, 1, 0, 2, 1]);
        assert_eq!(window.packs, [(pack(3), 3), (pack(1), 1), (pack(2), 2)]);
    }

    fn linked(path: &str, inode: u64, links: u32, size: u64) -> Entry {
        Entry {
            path: path.into(),
            kind: Kind::File,
            mode: 0o644,
            uid: 0,
            gid: 0,
            mtime: vault_format::Time { secs: 0, nanos: 0 },
            ctime: vault_format::Time { secs: 0, nanos: 0 },
            inode,
            device: 7,
            links,
            size,
            content: Content::Empty,
            holes: Vec::new(),
            target: Vec::new(),
            rdev: 0,
            xattrs: Vec::new(),
            capture: vault_format::Capture::Plain,
        }
    }

    #[test]
    fn names_of_one_file_find_each_other() {
        let mut groups = Groups::default();
        let mut role = |entry: &Entry| match groups.role(entry) {
            Role::Alone => "alone",
            Role::First(_) => "first",
            Role::Further(_) => "further",
        };
        assert_eq!(role(&linked("a", 1, 3, 10)), "first");
        assert_eq!(role(&linked("b", 1, 3, 10)), "further");
        assert_eq!(role(&linked("c", 2, 1, 10)), "alone");
        // It changed while it was pushed: one inode, two contents.
        assert_eq!(role(&linked("d", 1, 3, 11)), "alone");
        assert_eq!(role(&linked("e", 1, 3, 10)), "further");
        assert!(groups.0.is_empty(), "a group with all its names is forgotten");
    }

    #[test]
    fn groups_are_bounded() {
        let mut groups = Groups::default();
        for inode in 0..GROUPS as u64 {
            assert!(matches!(groups.role(&linked("x", inode, 2, 0)), Role::First(_)));
        }
        assert!(matches!(groups.role(&linked("x", u64::MAX, 2, 0)), Role::Alone));
        assert!(matches!(groups.role(&linked("y", 0, 2, 0)), Role::Further(_)));
        assert!(matches!(groups.role(&linked("x", u64::MAX, 2, 0)), Role::First(_)));
    }

    #[test]
    fn a_window_is_over_when_its_permit_is_dropped() {
        let (send, receive) = bounded(WINDOWS);
        send.send(()).expect("room");
        send.send(()).expect("room");
        assert!(send.try_send(()).is_err());
        drop(Permit(receive.clone()));
        assert!(send.try_send(()).is_ok());
    }
}
