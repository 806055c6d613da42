//! A file while its bytes arrive, from several threads and in any order.
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

use rustix::fs::AtFlags;
use vault_format::Entry;

use super::error::{RawPath, TargetError};
use super::folder::{Folder, split};
use super::meta::{Meta, Seen};
use super::{Action, Root, Shared, lock, sqlite};

/// A file that waits for its bytes. Dropped without [`FileSink::finish`] it is removed, and what was there before stays.
#[derive(Debug)]
pub struct FileSink {
    shared: Arc<Shared>,
    folder: Arc<Folder>,
    fd: OwnedFd,
    path: Vec<u8>,
    /// The name beside, unless the file was made under its own name.
    beside: Option<(Vec<u8>, Beside)>,
    layout: Layout,
    meta: Meta,
    settled: bool,
}

/// Where a file that was written beside goes.
#[derive(Debug)]
pub(super) struct Beside {
    pub(super) action: Action,
    pub(super) over_folder: bool,
    pub(super) database: bool,
    /// What the file is to replace: device and inode.
    pub(super) old: Option<(u64, u64)>,
}

/// The size of a file, and the runs of content between its holes.
#[derive(Debug)]
pub(super) struct Layout {
    size: u64,
    runs: Vec<Run>,
    sparse: bool,
}

#[derive(Clone, Copy, Debug)]
struct Run {
    /// Where the run starts in the content, which has no holes.
    content: u64,
    /// Where it starts in the file.
    offset: u64,
    len: u64,
}

impl FileSink {
    /// Writes bytes that belong at `offset` of the file, holes counted.
    pub fn write_at(&self, offset: u64, data: &[u8]) -> Result<(), TargetError> {
        if offset.checked_add(data.len() as u64).is_none_or(|end| end > self.layout.size) {
            return Err(self.bad("content goes beyond the end of the file"));
        }
        if !self.layout.sparse {
            return self.put(offset, data);
        }
        let mut pending = 0;
        let mut at = 0;
        while at < data.len() {
            let in_block = ((offset + at as u64) % ZEROS.len() as u64) as usize;
            let end = data.len().min(at + ZEROS.len() - in_block);
            if data[at..end] == ZEROS[..end - at] {
                self.put(offset + pending as u64, &data[pending..at])?;
                pending = end;
            }
            at = end;
        }
        self.put(offset + pending as u64, &data[pending..])
    }

    /// Writes bytes that belong at `offset` of the content, which is the file without its holes.
    pub fn write_content(&self, offset: u64, data: &[u8]) -> Result<(), TargetError> {
        let mut offset = offset;
        let mut data = data;
        let mut next = self.layout.runs.partition_point(|run| run.content + run.len <= offset);
        while !data.is_empty() {
            let Some(run) = self.layout.runs.get(next) else {
                return Err(self.bad("content goes beyond the end of the file"));
            };
            let inside = offset - run.content;
            let (now, rest) = data.split_at(data.len().min(usize::try_from(run.len - inside).unwrap_or(usize::MAX)));
            self.write_at(run.offset + inside, now)?;
            offset += now.len() as u64;
            data = rest;
            next += 1;
        }
        Ok(())
    }

    /// Sets size and metadata and puts the file in its place. All writes must be done.
    pub fn finish(mut self) -> Result<Action, TargetError> {
        let failed = |error| TargetError::io(&self.path, "finish the file", error);
        let seen = Seen::of_fd(&self.fd).map_err(failed)?;
        if seen.size != self.layout.size {
            rustix::fs::ftruncate(&self.fd, self.layout.size).map_err(failed)?;
        }
        let action = match &self.beside {
            None => {
                self.shared.set_metadata(self.fd.as_fd(), &seen, &self.meta, &self.path);
                Action::Create
            }
            Some((temp, place)) if place.database => {
                rustix::fs::fsync(&self.fd).map_err(failed)?;
                sqlite::check_copy(&self.shared, &self.folder, temp, &self.path)?;
                self.shared.set_metadata(self.fd.as_fd(), &seen, &self.meta, &self.path);
                rustix::fs::fsync(&self.fd).map_err(failed)?;
                sqlite::swap(&self.shared, &self.folder, temp, &self.path, place)?;
                place.action
            }
            Some((temp, place)) => {
                self.shared.set_metadata(self.fd.as_fd(), &seen, &self.meta, &self.path);
                self.shared.put_in_place(&self.folder, temp, &self.path, place.over_folder)?;
                place.action
            }
        };
        self.settled = true;
        // The file system may give the number of the old inode to the next file.
        if let Some((_, Beside { old: Some(old), .. })) = &self.beside {
            lock(&self.shared.made).release(*old);
        }
        Ok(action)
    }

    /// The path below the target.
    pub fn path(&self) -> &[u8] {
        &self.path
    }

    pub(super) fn start(
        root: &Root,
        folder: Arc<Folder>,
        fd: OwnedFd,
        path: Vec<u8>,
        beside: Option<(Vec<u8>, Beside)>,
        layout: Layout,
        entry: &Entry,
    ) -> Result<Self, TargetError> {
        let mut sink = Self {
            shared: root.shared.clone(),
            folder,
            fd,
            path,
            beside,
            layout,
            meta: Meta::of(entry, &root.owners),
            settled: false,
        };
        if !sink.folder.is_fresh() {
            let seen = Seen::of_fd(&sink.fd).map_err(|error| TargetError::io(&sink.path, "look at the file", error))?;
            lock(&sink.shared.made).claim(&seen);
        }
        sink.layout.sparse |= sink.shared.options.sparse;
        if sink.layout.sparse {
            // The size first: blocks at the end may never be written.
            rustix::fs::ftruncate(&sink.fd, sink.layout.size)
                .map_err(|error| TargetError::io(&sink.path, "set the size", error))?;
        }
        Ok(sink)
    }

    fn put(&self, mut offset: u64, mut data: &[u8]) -> Result<(), TargetError> {
        while !data.is_empty() {
            let count = rustix::io::retry_on_intr(|| rustix::io::pwrite(&self.fd, data, offset))
                .map_err(|error| TargetError::io(&self.path, "write", error))?;
            if count == 0 {
                return Err(TargetError::io(&self.path, "write", rustix::io::Errno::IO));
            }
            offset += count as u64;
            data = &data[count..];
        }
        Ok(())
    }

    fn bad(&self, what: &'static str) -> TargetError {
        TargetError::BadEntry { path: self.path.as_slice().into(), what }
    }
}

impl Drop for FileSink {
    fn drop(&mut self) {
        if self.settled {
            return;
        }
        let name = match &self.beside {
            Some((temp, _)) => temp,
            None => split(&self.path).1,
        };
        let Ok(ours) = Seen::of_fd(&self.fd) else {
            return;
        };
        // Only what we made: somebody may have put another file there meanwhile.
        if let Ok(Some(there)) = Seen::at(&*self.folder, name)
            && ours.id == there.id
        {
            let _ = rustix::fs::unlinkat(&*self.folder, name, AtFlags::empty());
        }
        // The entry may be tried again.
        let mut made = lock(&self.shared.made);
        made.release(ours.id);
        if let Some((_, Beside { old: Some(old), .. })) = &self.beside {
            made.release(*old);
        }
    }
}

impl Layout {
    /// Refuses holes that overlap, touch nothing or lie outside the file.
    pub(super) fn of(entry: &Entry, path: &[u8]) -> Result<Self, TargetError> {
        let bad = |what| TargetError::BadEntry { path: RawPath(path.to_vec()), what };
        // The kernel counts offsets with a sign.
        if entry.size > i64::MAX as u64 {
            return Err(bad("the size is beyond any file"));
        }
        let mut runs = Vec::with_capacity(entry.holes.len() + 1);
        let (mut content, mut offset) = (0, 0);
        for &(start, len) in &entry.holes {
            let end = start.checked_add(len).filter(|&end| len > 0 && start >= offset && end <= entry.size);
            let end = end.ok_or_else(|| bad("its holes are out of order or outside the file"))?;
            if start > offset {
                runs.push(Run { content, offset, len: start - offset });
                content += start - offset;
            }
            offset = end;
        }
        if entry.size > offset {
            runs.push(Run { content, offset, len: entry.size - offset });
        }
        Ok(Self { size: entry.size, runs, sparse: !entry.holes.is_empty() })
    }
}

/// One block of most file systems.
static ZEROS: [u8; 4096] = [0; 4096];

#[cfg(test)]
mod tests {
    use super::super::testing::*;
    use super::super::*;
    use std::fs;
    use std::os::unix::fs::MetadataExt;

    #[test]
    fn threads_write_out_of_order() {
        let place = Place::new();
        let sink = sink(root(&place.target(Overwrite::Always)).begin(&file("f", 800_000)).unwrap());
        std::thread::scope(|scope| {
            for thread in 0..4_u64 {
                let sink = &sink;
                scope.spawn(move || {
                    for piece in (0..8).rev() {
                        let number = piece * 4 + thread;
                        sink.write_at(number * 25_000, &[number as u8 + 1; 25_000]).unwrap();
                    }
                });
            }
        });
        assert_eq!(sink.finish().unwrap(), Action::Create);
        let content = fs::read(place.path("f")).unwrap();
        assert_eq!(content.len(), 800_000);
        assert!(content.chunks(25_000).enumerate().all(|(number, piece)| piece == [number as u8 + 1; 25_000]));
    }

    #[test]
    fn nothing_is_written_beyond_the_end() {
        let place = Place::new();
        let sink = sink(root(&place.target(Overwrite::Always)).begin(&file("f", 10)).unwrap());
        for (offset, len) in [(8, 3), (10, 1), (u64::MAX, 1), (11, 0)] {
            assert!(matches!(sink.write_at(offset, &vec![1; len]), Err(TargetError::BadEntry { .. })));
            if len > 0 {
                assert!(matches!(sink.write_content(offset, &vec![1; len]), Err(TargetError::BadEntry { .. })));
            }
        }
        sink.write_at(8, b"ab").unwrap();
        sink.finish().unwrap();
        assert_eq!(fs::read(place.path("f")).unwrap(), b"\0\0\0\0\0\0\0\0ab");
    }

    #[test]
    fn holes_stay_holes() {
        const MIB: u64 = 1 << 20;
        let place = Place::new();
        let mut sparse = file("f", (64 * MIB) as usize);
        sparse.holes = vec![(100, 32 * MIB), (40 * MIB, 24 * MIB)];
        let sink = sink(root(&place.target(Overwrite::Always)).begin(&sparse).unwrap());
        // 8 MiB - 100 of content after the first hole, mostly zeros.
        let mut content = vec![0; (8 * MIB) as usize];
        content[..100].fill(7);
        content[100] = 8;
        *content.last_mut().unwrap() = 9;
        let (first, second) = content.split_at(5000);
        sink.write_content(5000, second).unwrap();
        sink.write_content(0, first).unwrap();
        sink.finish().unwrap();
        let seen = fs::metadata(place.path("f")).unwrap();
        assert_eq!(seen.len(), 64 * MIB);
        assert!(seen.blocks() * 512 < 128 * 1024, "{} blocks", seen.blocks());
        let back = fs::read(place.path("f")).unwrap();
        let start = 100 + 32 * MIB as usize;
        assert!(back[..100].iter().all(|&byte| byte == 7));
        assert_eq!((back[start], back[40 * MIB as usize - 1]), (8, 9));
        assert_eq!(back.iter().filter(|&&byte| byte != 0).count(), 102);
    }

    #[test]
    fn zero_blocks_are_left_out_when_asked() {
        for sparse in [false, true] {
            let place = Place::new();
            let target = place.with(TargetOptions { sparse, ..TargetOptions::default() });
            let mut content = vec![0; 1 << 20];
            content[700_001] = 1;
            root(&target).write_small(&file("f", content.len()), &content).unwrap();
            assert_eq!(fs::read(place.path("f")).unwrap(), content);
            let blocks = fs::metadata(place.path("f")).unwrap().blocks() * 512;
            assert_eq!(blocks < 64 * 1024, sparse, "{blocks}");
        }
    }
}
