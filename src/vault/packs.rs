//! Parts of tree packs: from the local copy, from memory, or from the store in as few requests as it takes.
//!
//! The copy holds packs as the store has them, sealed, each in a file named by its hash. Nothing in it is trusted: what is read
//! from it is opened like anything from the store, and a file that does not open is deleted and the store asked.

use std::collections::{HashMap, VecDeque};
use std::fs::{self, File, FileTimes};
use std::io::{self, Write};
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use vault_format::name::{ObjectName, PackName};
use vault_format::pack::WINDOW;

use crate::store::{Store, StoreError};
use crate::sync::lock;

/// What was read of packs lately, and the folder of whole ones.
pub(super) struct TreePacks {
    /// None: no copies are kept.
    folder: Option<PathBuf>,
    limit: u64,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    files: VecDeque<(PackName, Arc<File>)>,
    /// Newest at the end.
    ranges: VecDeque<(PackName, u64, Bytes)>,
    whole: Option<(PackName, Bytes)>,
    /// How often a pack was asked for in parts.
    asked: HashMap<PackName, u32>,
    /// Bytes of all copies; unknown until the first one is written.
    used: Option<u64>,
}

/// Some bytes of a pack.
pub(super) struct Part {
    pub(super) bytes: Bytes,
    /// From the local copy: if it does not open, the store may have better.
    pub(super) local: bool,
}

impl TreePacks {
    /// With copies in `folder`, if there is one.
    pub(super) fn new(folder: Option<PathBuf>) -> Self {
        Self { folder, limit: LIMIT, state: Mutex::default() }
    }

    /// `range` of a pack of `size` bytes. `most`: the caller will need most of it, so it is fetched whole at once.
    pub(super) fn read(
        &self,
        store: &Store,
        pack: &PackName,
        size: u64,
        range: Range<u64>,
        most: bool,
    ) -> Result<Part, StoreError> {
        if let Some(part) = self.at_hand(pack, size, &range) {
            return Ok(part);
        }
        let name = ObjectName::Pack(*pack);
        let whole = {
            let mut state = lock(&self.state);
            let asked = state.asked.entry(*pack).or_default();
            *asked += 1;
            // From a folder a part costs no more than it has bytes.
            store.folder().is_none() && (most || *asked > PARTS)
        };
        if whole {
            let bytes = store.get_unverified(&name)?;
            if bytes.len() as u64 == size {
                let part = slice(&bytes, 0, &range);
                if !self.keep(pack, &bytes) {
                    lock(&self.state).whole = Some((*pack, bytes));
                }
                return part.ok_or_else(|| short(store, name));
            }
            // As it is it will not open; the error then says what is wrong.
            return slice(&bytes, 0, &range).ok_or_else(|| short(store, name));
        }
        if range.end > size {
            return Err(short(store, name));
        }
        let start = range.start - range.start % WINDOW as u64;
        let end = range.end.next_multiple_of(WINDOW as u64).min(size);
        let bytes = store.get_range(&name, start..end)?;
        let mut state = lock(&self.state);
        if state.ranges.len() == RANGES {
            state.ranges.pop_front();
        }
        state.ranges.push_back((*pack, start, bytes.clone()));
        drop(state);
        slice(&bytes, start, &range).ok_or_else(|| short(store, name))
    }

    /// The same, if it costs no request.
    pub(super) fn at_hand(&self, pack: &PackName, size: u64, range: &Range<u64>) -> Option<Part> {
        if let Some(bytes) = self.read_copy(pack, size, range) {
            return Some(Part { bytes, local: true });
        }
        let state = lock(&self.state);
        if let Some((known, bytes)) = &state.whole
            && known == pack
        {
            return slice(bytes, 0, range);
        }
        let ranges = state.ranges.iter().filter(|(known, ..)| known == pack);
        ranges.rev().find_map(|(_, start, bytes)| slice(bytes, *start, range))
    }

    /// Keeps a copy of a pack; whether it did. A folder that cannot be written to is as good as none.
    pub(super) fn keep(&self, pack: &PackName, bytes: &[u8]) -> bool {
        let folder = self.folder.as_ref().filter(|_| pack.tree);
        folder.is_some_and(|folder| self.write_copy(folder, pack, bytes).is_ok())
    }

    /// Forgets the copy of a pack: it did not open.
    pub(super) fn drop_copy(&self, pack: &PackName) {
        let mut state = lock(&self.state);
        state.files.retain(|(known, _)| known != pack);
        state.used = None;
        if let Some(folder) = &self.folder {
            let _ = fs::remove_file(path(folder, pack));
        }
    }

    fn read_copy(&self, pack: &PackName, size: u64, range: &Range<u64>) -> Option<Bytes> {
        let folder = self.folder.as_ref().filter(|_| pack.tree)?;
        let file = self.open_copy(folder, pack, size)?;
        let mut bytes = vec![0; usize::try_from(range.end.checked_sub(range.start)?).ok()?];
        match file.read_exact_at(&mut bytes, range.start) {
            Ok(()) => Some(bytes.into()),
            Err(_) => {
                self.drop_copy(pack);
                None
            }
        }
    }

    fn open_copy(&self, folder: &Path, pack: &PackName, size: u64) -> Option<Arc<File>> {
        let mut state = lock(&self.state);
        if let Some((_, file)) = state.files.iter().find(|(known, _)| known == pack) {
            return Some(Arc::clone(file));
        }
        let file = File::open(path(folder, pack)).ok()?;
        let fits = file.metadata().is_ok_and(|metadata| metadata.is_file() && metadata.len() == size);
        if !fits {
            drop(state);
            self.drop_copy(pack);
            return None;
        }
        // Those that were used last are kept longest.
        let _ = file.set_times(FileTimes::new().set_modified(SystemTime::now()));
        if state.files.len() == FILES {
            state.files.pop_front();
        }
        let file = Arc::new(file);
        state.files.push_back((*pack, Arc::clone(&file)));
        Some(file)
    }

    fn write_copy(&self, folder: &Path, pack: &PackName, bytes: &[u8]) -> io::Result<()> {
        fs::create_dir_all(folder)?;
        let place = path(folder, pack);
        if fs::symlink_metadata(&place).is_ok_and(|metadata| metadata.len() == bytes.len() as u64) {
            return Ok(());
        }
        // Not synced: a copy that a power cut has spoilt does not open.
        let mut file = tempfile::Builder::new().prefix(TEMPORARY).tempfile_in(folder)?;
        file.write_all(bytes)?;
        file.persist(&place).map_err(|error| error.error)?;
        let mut state = lock(&self.state);
        let used = match state.used {
            Some(used) => used + bytes.len() as u64,
            None => u64::MAX,
        };
        state.used = Some(if used > self.limit { evict(folder, self.limit, &place)? } else { used });
        Ok(())
    }
}

/// Deletes what was used longest ago until the rest is within the limit; gives the bytes of the rest.
fn evict(folder: &Path, limit: u64, newest: &Path) -> io::Result<u64> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let metadata = entry.metadata()?;
        let used = metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH);
        let temporary = entry.file_name().to_string_lossy().starts_with(TEMPORARY);
        if temporary && used.elapsed().is_ok_and(|age| age > ABANDONED) {
            let _ = fs::remove_file(entry.path());
        } else if metadata.is_file() {
            files.push((used, metadata.len(), entry.path()));
        }
    }
    files.sort_unstable();
    let mut sum: u64 = files.iter().map(|(_, len, _)| len).sum();
    for (_, len, path) in files {
        if sum <= limit {
            break;
        }
        if path != newest && fs::remove_file(&path).is_ok() {
            sum -= len;
        }
    }
    Ok(sum)
}

fn path(folder: &Path, pack: &PackName) -> PathBuf {
    folder.join(pack.hash.to_string())
}

fn slice(bytes: &Bytes, start: u64, range: &Range<u64>) -> Option<Part> {
    let from = usize::try_from(range.start.checked_sub(start)?).ok()?;
    let to = usize::try_from(range.end.checked_sub(start)?).ok()?;
    (from <= to && to <= bytes.len()).then(|| Part { bytes: bytes.slice(from..to), local: false })
}

fn short(store: &Store, name: ObjectName) -> StoreError {
    let at = format!("{}/{}", store.label(), name.to_path());
    StoreError::Damaged { at, name, what: "it is shorter than what is said to be in it" }
}

/// Bytes of copies that are kept for one vault.
const LIMIT: u64 = 1 << 30;
/// Parts of a pack that are fetched one by one; who needs more gets the whole.
const PARTS: u32 = 3;
/// Parts kept in memory: one or two windows each.
const RANGES: usize = 4;
const FILES: usize = 64;
const TEMPORARY: &str = ".new-";
/// A process that writes a copy is done long before.
const ABANDONED: Duration = Duration::from_secs(24 * 60 * 60);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::faults::Meter;
    use object_store::memory::InMemory;
    use vault_format::{DeviceId, ObjectHash};

    fn pack(n: u8) -> (PackName, Bytes) {
        let bytes: Vec<u8> = (0..5 * WINDOW).map(|at| (at as u8) ^ n).collect();
        (PackName { tree: true, device: DeviceId([1; 16]), hash: ObjectHash([n; 32]) }, bytes.into())
    }

    fn store(packs: &[(PackName, Bytes)]) -> (Meter, Store) {
        let meter = Meter::default();
        let store = Store::from_object_store(meter.wrap(Arc::new(InMemory::new())), "metered").expect("a store");
        for (name, bytes) in packs {
            store.put(&ObjectName::Pack(*name), bytes.clone()).expect("put");
        }
        meter.take();
        (meter, store)
    }

    #[test]
    fn windows_first_and_then_the_whole() {
        let (name, bytes) = pack(1);
        let (meter, store) = store(&[(name, bytes.clone())]);
        let packs = TreePacks::new(None);
        let size = bytes.len() as u64;
        let read = |range: Range<u64>| {
            let part = packs.read(&store, &name, size, range.clone(), false).expect("read");
            assert_eq!(part.bytes, bytes[range.start as usize..range.end as usize]);
        };
        let window = WINDOW as u64;
        read(10..20);
        read(window - 10..window);
        assert_eq!((meter.take().gets, 0), (1, 0), "one window");
        read(window..window + 1);
        read(2 * window..2 * window + 1);
        assert_eq!(meter.take().received, 2 * window);
        read(3 * window..3 * window + 1);
        assert_eq!(meter.take().received, size, "the whole");
        read(4 * window..size);
        assert_eq!(meter.take().gets, 0);
        assert!(packs.read(&store, &name, size, size - 1..size + 1, false).is_err());
    }

    #[test]
    fn copies_are_used_bounded_and_never_trusted() {
        let dir = tempfile::tempdir().expect("a folder");
        let folder = dir.path().join("packs");
        let all: Vec<_> = (0..3).map(pack).collect();
        let (meter, store) = store(&all);
        let size = all[0].1.len() as u64;
        let packs = || TreePacks { limit: 2 * size, ..TreePacks::new(Some(folder.clone())) };
        for (name, bytes) in &all {
            assert!(packs().keep(name, bytes));
        }
        let kept = || fs::read_dir(&folder).expect("listed").count();
        assert_eq!(kept(), 2, "the oldest is gone");
        let part = packs().read(&store, &all[2].0, size, 7..9, false).expect("read");
        assert!(part.local && part.bytes == all[2].1[7..9] && meter.take().gets == 0);
        // Cut, longer, or no file at all: the store is asked, and the copy made anew.
        let place = path(&folder, &all[2].0);
        for damage in 0..3 {
            match damage {
                0 => fs::write(&place, &all[2].1[..99]).expect("written"),
                1 => fs::write(&place, [&all[2].1[..], b"x"].concat()).expect("written"),
                _ => {
                    fs::remove_file(&place).expect("removed");
                    fs::create_dir(&place).expect("made");
                }
            }
            let part = packs().read(&store, &all[2].0, size, 7..9, true).expect("read");
            assert!(!part.local && part.bytes == all[2].1[7..9] && meter.take().gets == 1);
            let _ = fs::remove_dir(&place);
            packs().keep(&all[2].0, &all[2].1);
        }
        // A file in the place of the folder, as a full disk: no copy, no harm.
        fs::remove_dir_all(&folder).expect("removed");
        fs::write(&folder, b"").expect("written");
        let part = packs().read(&store, &all[1].0, size, 7..9, true).expect("read");
        assert!(!part.local && part.bytes == all[1].1[7..9]);
    }
}
