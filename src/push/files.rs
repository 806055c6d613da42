//! What a push-only device remembers of the files of a source: it cannot read the snapshots that it made.
//!
//! Records in path order, in sealed blocks of local state; the last block names the snapshot that they are of. A record:
//!
//! ```text
//! path 16 | state 16 | flags u8 | [depth u8 | root 32 | [chunk size u32]] | [hole count u16 | (offset u64 | length u64)...]
//!         | [page size u32 | has_wal u8 | [size u64 | secs i64 | nanos u32]]
//! ```
//!
//! `path` and `state`, which is kind, size, times and inode, are keyed hashes. So the table holds no name, and with
//! everything else that is on the device it confirms guesses and gives nothing: small content, which entries hold
//! themselves, and extended attributes are not in it, and are read again.

use crypto_backends::{Key, Provider};
use vault_format::{Capture, Chunking, Content, Entry, Identity, Time, limits};

use crate::log::SnapshotInfo;
use crate::state::{BlockReader, BlockWriter, StateError};
use crate::vault::Vault;

/// What the last push has found, asked for in about the order of paths.
pub(super) struct FileTable {
    blocks: BlockReader,
    hashes: Hashes,
    snapshot: Identity,
    /// The block at hand.
    block: Vec<u8>,
    number: usize,
    /// Where the next record is in it.
    at: usize,
    /// Made when something is not where it was: (first bytes of `path`, block, place in it), ascending. 16 bytes a file.
    index: Option<Vec<(u64, u32, u32)>>,
}

/// Writes such a table, entry by entry in path order.
pub(super) struct FileTableWriter {
    blocks: BlockWriter,
    hashes: Hashes,
    block: Vec<u8>,
}

/// What is kept of an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Kept {
    /// Its inode is as it was, and its content held still while it was read.
    pub(super) is_same: bool,
    /// None: it is not kept, and to be read again.
    pub(super) content: Option<Content>,
    pub(super) holes: Vec<(u64, u64)>,
    pub(super) capture: Capture,
    /// It has extended attributes, which are to be read again.
    pub(super) has_xattrs: bool,
}

/// Stands for paths and what inodes say.
struct Hashes {
    provider: &'static Provider,
    key: Key,
}

impl Hashes {
    fn new(vault: &Vault, label: &[u8]) -> Self {
        Self { provider: vault.provider(), key: vault.files_key(label) }
    }

    fn of(&self, parts: &[&[u8]]) -> [u8; 16] {
        *self.provider.keyed_hash.keyed_hash(&self.key, parts).first_chunk().expect("32 bytes have 16")
    }

    fn path(&self, entry: &Entry) -> [u8; 16] {
        self.of(&[b"path", &entry.path])
    }

    fn state(&self, entry: &Entry) -> [u8; 16] {
        let time = |time: Time| (time.secs.to_le_bytes(), time.nanos.to_le_bytes());
        let (mtime, ctime) = (time(entry.mtime), time(entry.ctime));
        let (size, inode) = (entry.size.to_le_bytes(), entry.inode.to_le_bytes());
        self.of(&[b"state", &[entry.kind as u8], &size, &mtime.0, &mtime.1, &ctime.0, &ctime.1, &inode])
    }
}

impl FileTable {
    /// The table of a source. None: there is none that can be relied on, which costs reading the files.
    pub(super) fn of(vault: &Vault, label: &[u8]) -> Option<Self> {
        let table = Self::open(vault.files(label)?, Hashes::new(vault, label))?;
        let is_its = |info: &SnapshotInfo| info.id == table.snapshot && info.device == vault.device_id();
        vault.snapshots().iter().any(is_its).then_some(table)
    }

    fn open(mut blocks: BlockReader, hashes: Hashes) -> Option<Self> {
        let last = blocks.count().checked_sub(1)?;
        let snapshot = Identity(blocks.read(last).ok()?.expose().try_into().ok()?);
        Some(Self { blocks, hashes, snapshot, block: Vec::new(), number: 0, at: 0, index: None })
    }

    /// The snapshot whose files these are.
    pub(super) fn snapshot(&self) -> Identity {
        self.snapshot
    }

    /// What is kept of the file at the path of `entry`, which is what the walk has found there now.
    pub(super) fn at(&mut self, entry: &Entry) -> Result<Option<Kept>, StateError> {
        let path = self.hashes.path(entry);
        if self.path_here()? != Some(path) {
            let Some((number, at)) = self.find(path)? else { return Ok(None) };
            (self.number, self.at) = (number, at);
        }
        let mut record = Reader(&self.block[self.at + 16..]);
        let before = record.0.len();
        let kept = record.kept(self.hashes.state(entry));
        self.at += 16 + before - record.0.len();
        // A record that is none is one that is not there.
        Ok(kept)
    }

    /// The path of the next record; reads the next block when this one ends.
    fn path_here(&mut self) -> Result<Option<[u8; 16]>, StateError> {
        if self.block.is_empty() {
            self.load(self.number)?;
        }
        while self.at >= self.block.len() {
            if self.number + 1 >= self.records() {
                return Ok(None);
            }
            self.load(self.number + 1)?;
        }
        Ok(self.block[self.at..].first_chunk().copied())
    }

    /// Blocks with records: the last holds none.
    fn records(&self) -> usize {
        self.blocks.count() - 1
    }

    fn load(&mut self, number: usize) -> Result<(), StateError> {
        (self.number, self.at) = (number, 0);
        self.block.clear();
        if number < self.records() {
            self.block.extend_from_slice(self.blocks.read(number)?.expose());
        }
        Ok(())
    }

    /// Block and place of a record anywhere. The block is at hand then.
    fn find(&mut self, path: [u8; 16]) -> Result<Option<(usize, usize)>, StateError> {
        if self.index.is_none() {
            self.index = Some(self.make_index()?);
        }
        let index = self.index.as_deref().unwrap_or_default();
        let wanted = first_bytes(&path);
        let from = index.partition_point(|(first, ..)| *first < wanted);
        let candidates: Vec<_> = index[from..].iter().take_while(|(first, ..)| *first == wanted).copied().collect();
        for (_, number, at) in candidates {
            let (number, at) = (number as usize, at as usize);
            let here = (self.number, self.at);
            if number != self.number {
                self.load(number)?;
            }
            if self.block[at..].first_chunk() == Some(&path) {
                return Ok(Some((number, at)));
            }
            if here.0 != self.number {
                self.load(here.0)?;
            }
            self.at = here.1;
        }
        Ok(None)
    }

    fn make_index(&mut self) -> Result<Vec<(u64, u32, u32)>, StateError> {
        let mut index = Vec::new();
        for number in 0..self.records() {
            let block = self.blocks.read(number)?;
            let mut rest = Reader(block.expose());
            while let Some(path) = rest.0.first_chunk::<16>() {
                index.push((first_bytes(path), number as u32, (block.expose().len() - rest.0.len()) as u32));
                let skipped = rest.take::<16>().and_then(|_| rest.kept([0; 16]));
                if skipped.is_none() {
                    break;
                }
            }
        }
        index.sort_unstable();
        Ok(index)
    }
}

impl FileTableWriter {
    /// Begins the table of a source.
    pub(super) fn begin(vault: &Vault, label: &[u8]) -> Result<Self, StateError> {
        Ok(Self::new(vault.new_files(label)?, Hashes::new(vault, label)))
    }

    fn new(blocks: BlockWriter, hashes: Hashes) -> Self {
        Self { blocks, hashes, block: Vec::with_capacity(BLOCK + limits::HOLES * 16) }
    }

    /// Takes an entry as it is in the snapshot.
    pub(super) fn add(&mut self, entry: &Entry) -> Result<(), StateError> {
        let out = &mut self.block;
        out.extend_from_slice(&self.hashes.path(entry));
        out.extend_from_slice(&self.hashes.state(entry));
        let content = match entry.content {
            Content::Inline(_) => NOT_KEPT,
            Content::Empty => EMPTY,
            Content::List { chunking: Chunking::ContentDefined, .. } => CONTENT_DEFINED,
            Content::List { chunking: Chunking::Fixed(_), .. } => FIXED,
        };
        let capture = match entry.capture {
            Capture::Plain => PLAIN,
            Capture::Changed => CHANGED,
            Capture::Sqlite { .. } => SQLITE,
            Capture::SqliteFallback => FALLBACK,
        };
        let xattrs = if entry.xattrs.is_empty() { 0 } else { XATTRS };
        let holes = if entry.holes.is_empty() { 0 } else { HOLES };
        out.push(content | capture | xattrs | holes);
        if let Content::List { chunking, depth, root } = &entry.content {
            out.push(*depth);
            out.extend_from_slice(root);
            if let Chunking::Fixed(size) = chunking {
                out.extend_from_slice(&size.to_le_bytes());
            }
        }
        if holes != 0 {
            out.extend_from_slice(&(entry.holes.len() as u16).to_le_bytes());
            for (offset, len) in &entry.holes {
                out.extend_from_slice(&offset.to_le_bytes());
                out.extend_from_slice(&len.to_le_bytes());
            }
        }
        if let Capture::Sqlite { page_size, wal } = &entry.capture {
            out.extend_from_slice(&page_size.to_le_bytes());
            out.push(u8::from(wal.is_some()));
            if let Some((size, time)) = wal {
                out.extend_from_slice(&size.to_le_bytes());
                out.extend_from_slice(&time.secs.to_le_bytes());
                out.extend_from_slice(&time.nanos.to_le_bytes());
            }
        }
        if self.block.len() >= BLOCK {
            self.blocks.add(&self.block)?;
            self.block.clear();
        }
        Ok(())
    }

    /// The snapshot is made: from now on this is what is remembered.
    pub(super) fn finish(mut self, snapshot: Identity) -> Result<(), StateError> {
        if !self.block.is_empty() {
            self.blocks.add(&self.block)?;
        }
        self.blocks.finish(&snapshot.0)
    }
}

/// Takes a record apart. `None`: it is none, which a sealed block never holds.
struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (head, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*head)
    }

    fn number(&mut self) -> Option<u64> {
        self.take().map(u64::from_le_bytes)
    }

    fn small(&mut self) -> Option<u32> {
        self.take().map(u32::from_le_bytes)
    }

    /// What follows the path. `state`: that of the file now.
    fn kept(&mut self, state: [u8; 16]) -> Option<Kept> {
        let is_same = self.take()? == state;
        let [flags] = self.take()?;
        let content = match flags & CONTENT {
            NOT_KEPT => None,
            EMPTY => Some(Content::Empty),
            list => {
                let [depth] = self.take()?;
                let root = self.take()?;
                let chunking = if list == FIXED { Chunking::Fixed(self.small()?) } else { Chunking::ContentDefined };
                Some(Content::List { chunking, depth, root })
            }
        };
        let count = if flags & HOLES != 0 { u16::from_le_bytes(self.take()?) } else { 0 };
        let holes = (0..count).map(|_| Some((self.number()?, self.number()?))).collect::<Option<_>>()?;
        let capture = match flags & CAPTURE {
            PLAIN => Capture::Plain,
            CHANGED => Capture::Changed,
            FALLBACK => Capture::SqliteFallback,
            _ => {
                let page_size = self.small()?;
                let wal = match self.take()? {
                    [0] => None,
                    _ => {
                        let size = self.number()?;
                        Some((size, Time { secs: i64::from_le_bytes(self.take()?), nanos: self.small()? }))
                    }
                };
                Capture::Sqlite { page_size, wal }
            }
        };
        let is_same = is_same && capture != Capture::Changed;
        Some(Kept { is_same, content, holes, capture, has_xattrs: flags & XATTRS != 0 })
    }
}

fn first_bytes(path: &[u8; 16]) -> u64 {
    u64::from_be_bytes(*path.first_chunk().expect("16 bytes have 8"))
}

/// Plain bytes of a block, a record more or less.
const BLOCK: usize = 64 << 10;

const CONTENT: u8 = 3;
const NOT_KEPT: u8 = 0;
const EMPTY: u8 = 1;
const CONTENT_DEFINED: u8 = 2;
const FIXED: u8 = 3;
const XATTRS: u8 = 1 << 2;
const HOLES: u8 = 1 << 3;
const CAPTURE: u8 = 3 << 4;
const PLAIN: u8 = 0;
const CHANGED: u8 = 1 << 4;
const SQLITE: u8 = 2 << 4;
const FALLBACK: u8 = 3 << 4;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::Home;
    use crypto_backends::rustcrypto::provider;
    use vault_format::{Kind, VaultId};

    const VAULT: VaultId = VaultId([1; 32]);

    fn hashes() -> Hashes {
        Hashes { provider: provider(), key: Key::new([3; 32]) }
    }

    fn entry(n: u64) -> Entry {
        let root = *provider().hash.hash(&[&n.to_le_bytes()]).first_chunk().expect("32 bytes");
        let wal = (n.is_multiple_of(3)).then_some((n, Time { secs: -5, nanos: 6 }));
        let (content, capture, holes) = match n % 6 {
            0 => (Content::Empty, Capture::Plain, vec![(0, n)]),
            1 => (Content::Inline(b"secret".to_vec()), Capture::Plain, vec![]),
            2 => {
                let chunking = Chunking::Fixed(65_536);
                (Content::List { chunking, depth: 2, root }, Capture::Sqlite { page_size: 4096, wal }, vec![])
            }
            3 => {
                let holes = (0..1024).map(|n| (n * 8192, 4096)).collect();
                (Content::List { chunking: Chunking::ContentDefined, depth: 0, root }, Capture::Plain, holes)
            }
            4 => {
                (Content::List { chunking: Chunking::ContentDefined, depth: 1, root }, Capture::SqliteFallback, vec![])
            }
            _ => (Content::List { chunking: Chunking::ContentDefined, depth: 1, root }, Capture::Changed, vec![]),
        };
        let xattrs = if n.is_multiple_of(4) { vec![(b"user.canary".to_vec(), b"value".to_vec())] } else { vec![] };
        Entry {
            path: format!("folder/{n:06}").into_bytes(),
            kind: Kind::File,
            mode: 0o644,
            uid: 1,
            gid: 1,
            mtime: Time { secs: n as i64, nanos: 1 },
            ctime: Time { secs: 9, nanos: n as u32 },
            inode: n,
            device: 1,
            links: 1,
            size: 1_000_000 + n,
            content,
            holes,
            target: vec![],
            rdev: 0,
            xattrs,
            capture,
        }
    }

    fn expected(n: u64, is_same: bool) -> Kept {
        let Entry { content, holes, capture, xattrs, .. } = entry(n);
        Kept {
            is_same: is_same && capture != Capture::Changed,
            content: (!matches!(content, Content::Inline(_))).then_some(content),
            holes,
            capture,
            has_xattrs: !xattrs.is_empty(),
        }
    }

    fn table(count: u64) -> (tempfile::TempDir, FileTable) {
        let folder = tempfile::tempdir().expect("a folder");
        let home = Home::open(folder.path()).expect("a home");
        let mut writer = FileTableWriter::new(home.new_files(provider(), VAULT, b"/src").expect("begun"), hashes());
        (0..count).for_each(|n| writer.add(&entry(n)).expect("added"));
        writer.finish(Identity([4; 32])).expect("finished");
        assert!(home.files(VAULT, b"/other").is_none());
        let blocks = home.files(VAULT, b"/src").expect("there");
        let table = FileTable::open(blocks, hashes()).expect("opens");
        assert_eq!(table.snapshot(), Identity([4; 32]));
        (folder, table)
    }

    #[test]
    fn what_was_added_is_found_in_order_and_out_of_it() {
        let (_folder, mut in_order) = table(3000);
        for n in 0..3000 {
            assert_eq!(in_order.at(&entry(n)).expect("read"), Some(expected(n, true)), "{n}");
        }
        assert!(in_order.index.is_none(), "what is where it was is found without an index");
        assert!(in_order.blocks.count() > 20);
        // Files came and went; and what changed is not the same.
        let (_folder, mut table) = table(3000);
        for n in (0..3000_u64).filter(|n| !n.is_multiple_of(7) && !(500..1500).contains(n)) {
            let new = Entry { path: format!("folder/{n:06}-new").into_bytes(), ..entry(n) };
            assert_eq!(table.at(&new).expect("read"), None);
            let mut now = entry(n);
            match n % 5 {
                0 => now.size += 1,
                1 => now.mtime.nanos += 1,
                2 => now.ctime.secs += 1,
                3 => now.inode += 1,
                _ => now.mode = 0o600,
            }
            assert_eq!(table.at(&now).expect("read"), Some(expected(n, n % 5 == 4)), "{n}");
        }
        assert_eq!(table.at(&entry(4)).expect("read"), Some(expected(4, true)), "before the one at hand");
        assert_eq!(table.at(&entry(3000)).expect("read"), None);
    }

    #[test]
    fn an_empty_table_knows_nothing() {
        let (_folder, mut table) = table(0);
        assert_eq!(table.at(&entry(1)).expect("read"), None);
    }

    #[test]
    fn no_record_panics() {
        let (_folder, mut table) = table(6);
        let block = table.blocks.read(0).expect("read").expose().to_vec();
        for cut in 0..block.len() {
            let _ = Reader(&block[..cut]).kept([0; 16]);
        }
        assert!(!block.windows(6).any(|window| window == b"secret" || window == b"canary" || window == b"folder"));
    }
}
