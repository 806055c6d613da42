//! `--verify`: reads the restored files again and compares every chunk with its id.

use std::os::fd::OwnedFd;
use std::sync::atomic::Ordering::Relaxed;

use crossbeam_channel::bounded;
use rustix::fs::{Mode, OFlags, openat};
use rustix::io::{Errno, pread, retry_on_intr};
use vault_format::pack::ChunkType;
use vault_format::{ChunkId, Content, Entry, Kind};

use super::RestoreError;
use super::job::{Job, Source};
use super::space::content_len;
use crate::chain;
use crate::manifest::{ListRoot, walk_list};

impl Job<'_> {
    /// Compares all files that are as the snapshot has them, or should be: not those that were skipped for another
    /// reason, and not those that failed.
    pub(super) fn verify(&self, sources: &[Source<'_>]) -> Result<(), RestoreError> {
        let folder = rustix::fs::open(&self.options.target, FOLDER.difference(OFlags::NOFOLLOW), Mode::empty());
        let folder = match folder {
            Ok(folder) => folder,
            Err(error) => {
                let message = format!("the target cannot be verified: {error}");
                self.problem(&sources.first().map(|source| source.full(b"")).unwrap_or_default(), &message, false);
                return Ok(());
            }
        };
        let workers = self.workers();
        std::thread::scope(|scope| {
            let (batch_in, batch_out) = bounded::<(&Source<'_>, Vec<Entry>)>(workers);
            for _ in 0..workers {
                let (batches, folder) = (batch_out.clone(), &folder);
                scope.spawn(move || {
                    let mut buffer = Vec::new();
                    for (source, entries) in batches {
                        for entry in entries {
                            if !self.is_over() {
                                self.verify_file(source, &entry, folder, &mut buffer);
                            }
                        }
                    }
                });
            }
            drop(batch_out);
            for source in sources {
                let mut select = source.select.clone();
                // Where a manifest ends early was told by the restore.
                for leaf in source.part.leaves().map_while(Result::ok) {
                    self.go_on()?;
                    let entries = leaf.entries.into_iter().filter(|entry| source.part.holds(entry));
                    let entries = entries.map(|entry| source.rebase(entry));
                    let files: Vec<_> = entries
                        .filter(|entry| select.takes(&entry.path, entry.kind == Kind::Dir) && entry.kind == Kind::File)
                        .collect();
                    batch_in.send((source, files)).map_err(|_| RestoreError::Panicked)?;
                }
            }
            Ok::<_, RestoreError>(())
        })?;
        self.go_on()
    }

    fn verify_file(&self, source: &Source<'_>, entry: &Entry, folder: &OwnedFd, buffer: &mut Vec<u8>) {
        let path = source.full(&entry.path);
        if self.is_unverified(&path) {
            return;
        }
        self.watch.set_current(&path);
        match compare(source, entry, folder, buffer) {
            Ok(()) => {
                self.counts.files_verified.fetch_add(1, Relaxed);
            }
            Err(message) => self.problem(&path, &message, false),
        }
    }
}

fn compare(source: &Source<'_>, entry: &Entry, folder: &OwnedFd, buffer: &mut Vec<u8>) -> Result<(), String> {
    let told = |error: Errno| format!("it cannot be verified: {error}");
    let file = open_below(folder, &source.below_target(&entry.path)).map_err(told)?;
    let size = rustix::fs::fstat(&file).map_err(told)?.st_size;
    if u64::try_from(size) != Ok(entry.size) {
        return Err(format!("it has {size} bytes, {} were restored", entry.size));
    }
    let differs = || "its content is not what was restored".to_owned();
    match &entry.content {
        Content::Empty => Ok(()),
        Content::Inline(bytes) => {
            read_content(&file, entry, 0, bytes.len(), buffer).map_err(told)?;
            if buffer == bytes { Ok(()) } else { Err(differs()) }
        }
        Content::List { chunking, depth, root } => {
            let chunks = &source.part.chunks;
            let root = ListRoot { depth: *depth, root: ChunkId(*root) };
            let pieces = walk_list(chunks, *chunking, root, content_len(entry).unwrap_or(0));
            for piece in pieces.map_err(|error| chain(&error))? {
                let (at, id, len) = piece.map_err(|error| chain(&error))?;
                read_content(&file, entry, at, len as usize, buffer).map_err(told)?;
                if chunks.ids().id(ChunkType::File, buffer) != id {
                    return Err(differs());
                }
            }
            Ok(())
        }
    }
}

/// Opens a file without following any link.
fn open_below(folder: &OwnedFd, path: &[u8]) -> Result<OwnedFd, Errno> {
    let mut names = path.split(|&byte| byte == b'/');
    let last = names.next_back().unwrap_or_default();
    let mut here: Option<OwnedFd> = None;
    for name in names {
        here = Some(openat(here.as_ref().unwrap_or(folder), name, FOLDER, Mode::empty())?);
    }
    openat(here.as_ref().unwrap_or(folder), last, FILE, Mode::empty())
}

/// Reads `len` bytes from `at` of the content, which is the file without its holes.
fn read_content(file: &OwnedFd, entry: &Entry, at: u64, len: usize, buffer: &mut Vec<u8>) -> Result<(), Errno> {
    buffer.resize(len, 0);
    let mut done = 0;
    while done < len {
        let (offset, run) = place_of(entry, at + done as u64);
        let end = len.min(done.saturating_add(usize::try_from(run).unwrap_or(usize::MAX)));
        let read = retry_on_intr(|| pread(file, &mut buffer[done..end], offset))?;
        if read == 0 {
            return Err(Errno::IO);
        }
        done += read;
    }
    Ok(())
}

/// Where a byte of the content is in the file, and how many follow it before the next hole.
fn place_of(entry: &Entry, at: u64) -> (u64, u64) {
    let mut offset = at;
    for &(start, len) in &entry.holes {
        if start > offset {
            return (offset, start - offset);
        }
        offset = offset.saturating_add(len);
    }
    (offset, u64::MAX)
}

const FOLDER: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);
const FILE: OFlags = OFlags::RDONLY.union(OFlags::NOFOLLOW).union(OFlags::NONBLOCK).union(OFlags::CLOEXEC);

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{FileExt, symlink};

    #[test]
    fn content_lies_between_the_holes() {
        let holes = [(0, 100), (150, 50)];
        let mut entry = crate::restore::tests::entry("f");
        entry.holes = holes.to_vec();
        entry.size = 300;
        assert_eq!(place_of(&entry, 0), (100, 50));
        assert_eq!(place_of(&entry, 49), (149, 1));
        assert_eq!(place_of(&entry, 50), (200, u64::MAX));
        let folder = tempfile::tempdir().expect("a temporary folder");
        let file = std::fs::File::create_new(folder.path().join("f")).expect("a file");
        file.set_len(300).expect("its size");
        file.write_at(&[7; 50], 100).expect("written");
        file.write_at(&[8; 100], 200).expect("written");
        let here = rustix::fs::open(folder.path(), FOLDER, Mode::empty()).expect("the folder");
        let mut buffer = Vec::new();
        let opened = open_below(&here, b"f").expect("the file");
        read_content(&opened, &entry, 10, 100, &mut buffer).expect("read");
        assert_eq!(buffer, [[7; 40].as_slice(), &[8; 60]].concat());
        assert!(read_content(&opened, &entry, 100, 51, &mut buffer).is_err(), "beyond the end");
    }

    #[test]
    fn links_are_not_followed() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let at = |name: &str| folder.path().join(name);
        std::fs::create_dir(at("real")).expect("a folder");
        std::fs::write(at("real/f"), "x").expect("a file");
        symlink("real", at("way")).expect("a link");
        symlink("real/f", at("f")).expect("a link");
        let here = rustix::fs::open(folder.path(), FOLDER, Mode::empty()).expect("the folder");
        assert!(open_below(&here, b"real/f").is_ok());
        assert!(open_below(&here, b"way/f").is_err() && open_below(&here, b"f").is_err());
    }
}
