//! Reading one regular file.
//!
//! A file may change while it is read. The rule: read it; if `finish` says that it changed, read it once more from the
//! start; if it changed again, keep what the second reading gave and mark the entry `Capture::Changed`. `read_small`
//! and `read_settled` do just that; whoever drives `FileReader` alone has to.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::io;
use std::os::fd::OwnedFd;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustix::buffer::spare_capacity;
use rustix::fs::{SeekFrom, fstat, seek};
use rustix::io::{Errno, pread};
use vault_format::entry::{Capture, Entry, Kind, Time};

use super::dir::{Meta, c_string};
use super::error::{ProblemKind, WalkProblem};
use super::inode_guard::InodeGuard;
use super::walk::Found;
use super::xattr::read_xattrs_of;

/// An open file that yields its bytes in order, without its holes.
#[derive(Debug)]
pub struct FileReader {
    // Closed before the guard lets the next one in.
    fd: OwnedFd,
    before: Meta,
    holes: Vec<(u64, u64)>,
    /// Holes that are behind `at`.
    passed: usize,
    at: u64,
    /// Where reading stops: the size when the file was opened, or where it ended early.
    end: u64,
    _guard: Option<InodeGuard>,
}

impl FileReader {
    /// Opens the file, brings the entry's metadata up to date, and finds the holes.
    pub fn open(found: &mut Found) -> Result<Self, WalkProblem> {
        let mut reader = Self::open_whole(found)?;
        let Meta { size, allocated, .. } = reader.before;
        if allocated < size {
            let holes = find_holes(&reader.fd, size);
            reader.holes = holes.map_err(|error| WalkProblem::reading(found.entry.path.clone(), error))?;
        }
        found.entry.holes.clone_from(&reader.holes);
        Ok(reader)
    }

    /// The next bytes between holes; 0 at the end. No more than the file had when it was opened: what is appended
    /// meanwhile belongs to the next snapshot.
    pub fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        while let Some(&(start, len)) = self.holes.get(self.passed) {
            if self.at < start {
                break;
            }
            self.at = start + len;
            self.passed += 1;
        }
        let stop = self.holes.get(self.passed).map_or(self.end, |&(start, _)| start.min(self.end));
        let left = usize::try_from(stop.saturating_sub(self.at)).unwrap_or(usize::MAX).min(buf.len());
        if left == 0 {
            return Ok(0);
        }
        let len = retry(|| pread(&self.fd, &mut buf[..left], self.at))?;
        if len == 0 {
            // It was truncated. `finish` sees it, too.
            self.end = self.at;
        }
        self.at += len as u64;
        Ok(len)
    }

    /// Reads the extended attributes and ACLs into the entry.
    pub fn read_xattrs(&self, found: &mut Found, problems: &mut Vec<WalkProblem>) {
        read_xattrs_of(found, &self.fd, problems);
    }

    /// Says whether what was read is what the file held at one moment. Size and holes of the entry become those of
    /// what was read, so that entry and content fit together in any case.
    pub fn finish(self, entry: &mut Entry) -> io::Result<Stability> {
        let after = Meta::new(&fstat(&self.fd)?);
        entry.size = self.end;
        entry.holes = self.holes;
        entry.holes.retain(|&(start, len)| start + len <= self.end);
        Ok(Stability::of(after.differs(&self.before) || self.end != self.before.size))
    }

    fn open_whole(found: &mut Found) -> Result<Self, WalkProblem> {
        let entry = &found.entry;
        let problem = |error: io::Error| WalkProblem::reading(entry.path.clone(), error);
        // Another name of this file may be under capture: see `inode_guard`.
        let guard = (entry.links > 1).then(|| InodeGuard::acquire((entry.device, entry.inode), A_LONG_TIME)).flatten();
        let opened = c_string(found.name()).and_then(|name| found.dir.open_file(&name, entry.uid));
        let fd = opened.map_err(|error| match Errno::from_io_error(&error) {
            // A socket has taken its place.
            Some(Errno::NXIO) => changed_type(entry),
            _ => problem(error),
        })?;
        let mut before = Meta::new(&fstat(&fd).map_err(|error| problem(error.into()))?);
        if before.kind != Some(Kind::File) {
            return Err(changed_type(entry));
        }
        before.update(&mut found.entry);
        if let Some(rest) = rest_of_tick(found.entry.ctime) {
            std::thread::sleep(rest);
            let problem = |error: Errno| WalkProblem::reading(found.entry.path.clone(), error);
            before = Meta::new(&fstat(&fd).map_err(problem)?);
            before.update(&mut found.entry);
        }
        let end = before.size;
        Ok(Self { fd, before, holes: Vec::new(), passed: 0, at: 0, end, _guard: guard })
    }
}

/// Whether a file stayed as it was while it was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Stability {
    /// Nothing changed between the first and the last byte.
    Stable,
    /// It was written to, truncated or touched: read it again.
    Changed,
}

impl Stability {
    pub(crate) fn of(changed: bool) -> Self {
        if changed { Self::Changed } else { Self::Stable }
    }
}

/// Reads a file with `read`, and once more if it changed meanwhile. Sets everything in the entry but its content,
/// `Capture::Changed` included; `read` is called with a reader at the start of the file, and must read it to the end.
pub fn read_settled<T, E: From<WalkProblem>>(
    found: &mut Found,
    problems: &mut Vec<WalkProblem>,
    mut read: impl FnMut(&mut FileReader) -> Result<T, E>,
) -> Result<T, E> {
    let mut again = false;
    loop {
        let mut reader = FileReader::open(found)?;
        let result = read(&mut reader)?;
        let so_far = problems.len();
        reader.read_xattrs(found, problems);
        let finished = reader.finish(&mut found.entry);
        let stability = finished.map_err(|error| WalkProblem::reading(found.entry.path.clone(), error))?;
        found.entry.capture = match stability {
            Stability::Stable => Capture::Plain,
            Stability::Changed if again => Capture::Changed,
            Stability::Changed => {
                again = true;
                problems.truncate(so_far);
                continue;
            }
        };
        return Ok(result);
    }
}

/// Reads a small file whole into `content` (cleared first), with its extended attributes, in six system calls; and
/// once more if it changed meanwhile. Holes are read as zeros.
pub fn read_small(
    found: &mut Found,
    content: &mut Vec<u8>,
    problems: &mut Vec<WalkProblem>,
) -> Result<SmallRead, WalkProblem> {
    let mut again = false;
    loop {
        let mut reader = FileReader::open_whole(found)?;
        if reader.end > SMALL_BYTES {
            return Ok(SmallRead::Grown);
        }
        let so_far = problems.len();
        let failed = |found: &Found, error| WalkProblem::reading(found.entry.path.clone(), error);
        reader.read_all(content).map_err(|error| failed(found, error))?;
        reader.read_xattrs(found, problems);
        let stability = reader.finish(&mut found.entry).map_err(|error| failed(found, error))?;
        found.entry.capture = match stability {
            Stability::Stable => Capture::Plain,
            Stability::Changed if again => Capture::Changed,
            Stability::Changed => {
                again = true;
                problems.truncate(so_far);
                continue;
            }
        };
        return Ok(SmallRead::Done);
    }
}

/// What became of a file that was small in the walk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum SmallRead {
    /// The content is there.
    Done,
    /// It has grown over `SMALL_BYTES`: use a `FileReader`.
    Grown,
}

impl FileReader {
    fn read_all(&mut self, content: &mut Vec<u8>) -> io::Result<()> {
        content.clear();
        let size = usize::try_from(self.end).unwrap_or(usize::MAX);
        content.reserve_exact(size);
        while content.len() < size {
            // The capacity may be larger than asked for; what is read beyond the size is cut off below.
            let at = content.len() as u64;
            let len = retry(|| pread(&self.fd, spare_capacity(content), at))?;
            if len == 0 {
                self.end = at;
                break;
            }
        }
        content.truncate(size);
        Ok(())
    }
}

/// What is left of the tick of the kernel's clock in which a file was changed. A change in the same tick as the one before
/// leaves no trace in the times: a file that is read meanwhile would look unchanged to `finish`, and to every later push.
fn rest_of_tick(ctime: Time) -> Option<Duration> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).ok()?;
    let ctime = Duration::new(u64::try_from(ctime.secs).ok()?, ctime.nanos);
    TICK.checked_sub(now.checked_sub(ctime)?).filter(|rest| !rest.is_zero())
}

fn changed_type(entry: &Entry) -> WalkProblem {
    WalkProblem::new(entry.path.clone(), ProblemKind::TypeChanged, "it is no regular file any more")
}

fn retry<T>(mut call: impl FnMut() -> Result<T, Errno>) -> Result<T, Errno> {
    loop {
        match call() {
            Err(Errno::INTR) => {}
            done => return done,
        }
    }
}

/// The largest holes of a file, at most `HOLES` of them; smaller ones count as data and are read as zeros.
fn find_holes(fd: &OwnedFd, size: u64) -> io::Result<Vec<(u64, u64)>> {
    // The smallest one is on top.
    let mut largest = BinaryHeap::new();
    let mut at = 0;
    while at < size {
        let data = match seek(fd, SeekFrom::Data(at)) {
            Ok(data) => data.min(size),
            // No data behind `at`.
            Err(Errno::NXIO) => size,
            // This file system has no idea of holes.
            Err(Errno::INVAL | Errno::NOTSUP) => break,
            Err(error) => return Err(error.into()),
        };
        if data > at {
            largest.push(Reverse((data - at, at)));
            if largest.len() > HOLES {
                largest.pop();
            }
        }
        if data >= size {
            break;
        }
        at = match seek(fd, SeekFrom::Hole(data)) {
            // It was truncated meanwhile.
            Err(Errno::NXIO) => break,
            // Always forward, whatever the file system says.
            hole => hole?.max(data + 1),
        };
    }
    let mut holes: Vec<_> = largest.into_iter().map(|Reverse((len, start))| (start, len)).collect();
    holes.sort_unstable();
    // Holes that touch: the file changed between two questions.
    holes.dedup_by(|next, hole| {
        let touch = next.0 <= hole.0 + hole.1;
        if touch {
            hole.1 = next.0 + next.1 - hole.0;
        }
        touch
    });
    Ok(holes)
}

/// Files up to this size may be read with `read_small`.
pub const SMALL_BYTES: u64 = 64 << 10;

/// Most holes of an entry.
pub const HOLES: usize = 1024;

/// A capture that holds the file ends at some time; a deadlock ends here.
const A_LONG_TIME: Duration = Duration::from_secs(3600);
/// The longest tick of Linux: 100 Hz.
const TICK: Duration = Duration::from_millis(10);

#[cfg(test)]
mod tests {
    use std::fs::{self, File};
    use std::os::unix::fs::FileExt;
    use std::path::Path;

    use super::*;
    use crate::source::{Walk, WalkOptions};

    fn found(root: &Path) -> Found {
        Walk::start(root, WalkOptions::default()).expect("root").next().expect("one entry").expect("readable")
    }

    fn drain(reader: &mut FileReader, step: usize) -> Vec<u8> {
        let mut content = Vec::new();
        let mut buf = vec![0; step];
        loop {
            match reader.read(&mut buf).expect("reads") {
                0 => return content,
                len => content.extend_from_slice(&buf[..len]),
            }
        }
    }

    #[test]
    fn files_of_all_sizes_come_back() {
        let temp = tempfile::tempdir().expect("temp");
        let path = temp.path().join("f");
        for size in [0, 1, 4095, 4096, 65_536, 65_537, 300_000] {
            let bytes: Vec<u8> = (0..size).map(|n: u32| (n % 251) as u8).collect();
            fs::write(&path, &bytes).expect("file");
            let mut found = found(&path);
            let mut reader = FileReader::open(&mut found).expect("opens");
            assert_eq!(drain(&mut reader, 10_000), bytes);
            assert_eq!(reader.finish(&mut found.entry).expect("stat"), Stability::Stable);
            assert_eq!((found.entry.size, found.entry.holes.len()), (u64::from(size), 0));
            let mut content = b"old".to_vec();
            let small = read_small(&mut found, &mut content, &mut Vec::new()).expect("reads");
            if u64::from(size) > SMALL_BYTES {
                assert_eq!(small, SmallRead::Grown);
            } else {
                assert_eq!((small, content), (SmallRead::Done, bytes));
            }
        }
    }

    #[test]
    fn a_file_that_changes_is_read_twice_and_marked() {
        let temp = tempfile::tempdir().expect("temp");
        let path = temp.path().join("f");
        fs::write(&path, vec![1; 1000]).expect("file");
        let mut found = found(&path);
        // Appended to between the first and the second reading: the second one is whole.
        let mut times = 0;
        let once = read_settled::<_, WalkProblem>(&mut found, &mut Vec::new(), |reader| {
            times += 1;
            let content = drain(reader, 300);
            if times == 1 {
                fs::write(&path, vec![2; 2000]).expect("file");
            }
            Ok(content)
        });
        assert_eq!((once.expect("reads"), times), (vec![2; 2000], 2));
        assert_eq!((&found.entry.capture, found.entry.size), (&Capture::Plain, 2000));
        // Truncated every time: what was read counts.
        let mut size = 2000;
        let cut = read_settled::<_, WalkProblem>(&mut found, &mut Vec::new(), |reader| {
            size -= 500;
            File::options().write(true).open(&path).expect("file").set_len(size).expect("shorter");
            Ok(drain(reader, 300))
        });
        assert_eq!(cut.expect("reads"), vec![2; 1000]);
        assert_eq!((&found.entry.capture, found.entry.size), (&Capture::Changed, 1000));
    }

    #[test]
    fn a_change_after_reading_has_another_time() {
        let temp = tempfile::tempdir().expect("temp");
        let path = temp.path().join("f");
        for n in 0..8 {
            fs::write(&path, [n; 100]).expect("file");
            let mut found = found(&path);
            let mut content = Vec::new();
            let read = read_small(&mut found, &mut content, &mut Vec::new()).expect("reads");
            assert_eq!(read, SmallRead::Done);
            // At once, with the same size.
            fs::write(&path, [n + 1; 100]).expect("file");
            let mut later = found.clone();
            let reader = FileReader::open(&mut later).expect("opens");
            drop(reader);
            assert_eq!(content, [n; 100]);
            assert_ne!(found.entry.ctime, later.entry.ctime);
        }
        // Kernels with times of finer grain pass the above in any case.
        let ago = |millis| {
            let time =
                SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970") - Duration::from_millis(millis);
            Time { secs: time.as_secs() as i64, nanos: time.subsec_nanos() }
        };
        assert!(rest_of_tick(ago(0)).is_some_and(|rest| rest <= TICK));
        assert_eq!(rest_of_tick(ago(11)), None);
        assert_eq!(rest_of_tick(Time { secs: i64::MAX, nanos: 0 }), None);
        assert_eq!(rest_of_tick(Time { secs: -1, nanos: 0 }), None);
    }

    #[test]
    fn what_is_appended_while_reading_is_left_for_the_next_snapshot() {
        let temp = tempfile::tempdir().expect("temp");
        let path = temp.path().join("log");
        fs::write(&path, vec![1; 1000]).expect("file");
        let mut found = found(&path);
        let mut reader = FileReader::open(&mut found).expect("opens");
        File::options().append(true).open(&path).and_then(|file| file.write_at(b"more", 1000)).expect("appends");
        assert_eq!(drain(&mut reader, 64).len(), 1000);
        assert_eq!(reader.finish(&mut found.entry).expect("stat"), Stability::Changed);
        assert_eq!(found.entry.size, 1000);
    }

    #[test]
    fn a_file_that_became_something_else_is_a_problem() {
        let temp = tempfile::tempdir().expect("temp");
        let path = temp.path().join("f");
        let fifo = || {
            let mode = rustix::fs::Mode::from_raw_mode(0o600);
            rustix::fs::mknodat(rustix::fs::CWD, &path, rustix::fs::FileType::Fifo, mode, 0).expect("pipe");
        };
        let folder = || fs::create_dir(&path).expect("folder");
        let link = || std::os::unix::fs::symlink("/etc/passwd", &path).expect("link");
        let socket = || drop(std::os::unix::net::UnixListener::bind(&path).expect("socket"));
        for other in [&fifo as &dyn Fn(), &folder, &link, &socket] {
            fs::write(&path, "x").expect("file");
            let mut found = found(&path);
            fs::remove_file(&path).expect("removed");
            other();
            assert_eq!(FileReader::open(&mut found).expect_err("no file").kind, ProblemKind::TypeChanged);
            fs::remove_file(&path).or_else(|_| fs::remove_dir(&path)).expect("removed");
        }
        fs::write(&path, "x").expect("file");
        let mut found = found(&path);
        fs::remove_file(&path).expect("removed");
        assert_eq!(FileReader::open(&mut found).expect_err("no file").kind, ProblemKind::Vanished);
    }

    #[test]
    fn holes_are_skipped_and_joined_with_the_data_make_the_file() {
        let temp = tempfile::tempdir().expect("temp");
        let path = temp.path().join("sparse");
        let file = File::create(&path).expect("file");
        file.set_len(64 << 20).expect("sparse");
        file.write_at(b"middle", 32 << 20).expect("data");
        let mut found = found(&path);
        let mut reader = FileReader::open(&mut found).expect("opens");
        let data = drain(&mut reader, 1 << 20);
        assert_eq!(reader.finish(&mut found.entry).expect("stat"), Stability::Stable);
        let holes = &found.entry.holes;
        if holes.is_empty() {
            eprintln_skip("this file system has no holes");
            return;
        }
        assert_eq!((holes.len(), holes[0].0), (2, 0));
        assert_eq!(holes.iter().map(|hole| hole.1).sum::<u64>() + data.len() as u64, 64 << 20);
        assert_eq!(holes[1].0 + holes[1].1, 64 << 20);
        assert_eq!(&data[(32 << 20) - usize::try_from(holes[0].1).expect("small")..][..6], b"middle");
    }

    #[test]
    fn too_many_holes_are_read_as_zeros() {
        let temp = tempfile::tempdir().expect("temp");
        let path = temp.path().join("sparse");
        let file = File::create(&path).expect("file");
        let (count, step) = (HOLES as u64 + 200, 64 << 10);
        // The first ones are twice as large: the smaller ones are given up.
        let place = |n: u64| {
            if n < 100 { (n + 1) * 2 * step } else { 200 * step + (n - 99) * step }
        };
        for n in 0..count {
            file.write_at(&[7], place(n)).expect("data");
        }
        let mut found = found(&path);
        let mut reader = FileReader::open(&mut found).expect("opens");
        let data = drain(&mut reader, 1 << 20);
        assert_eq!(reader.finish(&mut found.entry).expect("stat"), Stability::Stable);
        let holes = &found.entry.holes;
        if holes.is_empty() {
            eprintln_skip("this file system has no holes");
            return;
        }
        assert_eq!(holes.len(), HOLES);
        assert!(holes.windows(2).all(|pair| pair[0].0 + pair[0].1 < pair[1].0));
        assert_eq!(holes.iter().filter(|hole| hole.1 > step).count(), 100);
        assert_eq!(holes.iter().map(|hole| hole.1).sum::<u64>() + data.len() as u64, found.entry.size);
        assert_eq!(data.iter().filter(|&&byte| byte == 7).count() as u64, count);
    }

    #[allow(clippy::print_stderr)]
    fn eprintln_skip(why: &str) {
        eprintln!("skipped: {why}");
    }
}
