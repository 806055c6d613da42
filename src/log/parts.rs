//! Verified entries, kept between runs: an entry is fetched and verified once.
//!
//! They lie in parts of bounded size, of which only the last one changes: a push to a vault of many thousand entries does
//! not write all of them again. A part is, compressed,
//!
//! ```text
//! "LOGS" 4 | entries (`cache.rs`)...
//! ```
//!
//! and sealed under the state key. One that cannot be read costs a fresh look at the store and nothing else.

use std::collections::HashSet;
use std::convert::Infallible;
use std::sync::Arc;
use std::thread;

use crypto_backends::{Provider, SecretBytes};
use vault_format::{Identity, VaultId};

use super::cache::{pack_one, unpack};
use super::{Log, LogEntry};
use crate::parallel;
use crate::state::{Home, StateError};

/// What the local copy holds, part by part.
#[derive(Default)]
pub(crate) struct Saved {
    parts: Vec<Part>,
}

struct Part {
    entries: Vec<Held>,
    /// Nothing is added to it any more.
    is_full: bool,
}

/// An entry in the copy.
struct Held {
    identity: Identity,
    /// Whether without its body: whoever may read more later reads it again.
    is_sealed: bool,
}

impl Held {
    fn of(entry: &LogEntry) -> Self {
        Self { identity: entry.identity, is_sealed: entry.is_sealed() }
    }

    fn is_as_in(&self, log: &Log) -> bool {
        log.get(&self.identity).is_some_and(|entry| entry.is_sealed() == self.is_sealed)
    }
}

impl Saved {
    /// Reads the local copy: all of its entries, and where they are.
    pub(crate) fn load(home: &Home, vault: VaultId) -> (Self, Vec<Arc<LogEntry>>) {
        let numbers: Vec<usize> = (0..home.log_parts(vault)).collect();
        let cores = thread::available_parallelism().map_or(1, usize::from);
        let read = |n: &usize| Ok::<_, Infallible>(home.log_part(vault, *n).and_then(|part| open_part(part.expose())));
        let Ok(read) = parallel::map(&numbers, cores, read);
        let (mut saved, mut all) = (Self::default(), Vec::new());
        // What lies behind one that is damaged may be of another time.
        for (len, entries) in read.into_iter().map_while(|part| part) {
            let held: Vec<_> = entries.iter().map(|entry| Held::of(entry)).collect();
            let is_full = is_full(held.len(), len);
            saved.parts.push(Part { entries: held, is_full });
            all.extend(entries);
        }
        (saved, all)
    }

    /// Whether the copy holds these entries and no others.
    pub(crate) fn holds(&self, log: &Log) -> bool {
        let mut count = 0;
        let is_there = |held: &Held| {
            count += 1;
            held.is_as_in(log)
        };
        self.parts.iter().flat_map(|part| &part.entries).all(is_there) && count == log.len() - log.unjudged.len()
    }

    /// Brings the copy up to `log`.
    pub(crate) fn save(
        &mut self,
        home: &Home,
        provider: &'static Provider,
        vault: VaultId,
        log: &Log,
    ) -> Result<(), StateError> {
        let stays = |part: &&Part| part.is_full && part.entries.iter().all(|held| held.is_as_in(log));
        let kept = self.parts.iter().take_while(stays).count();
        // What must not be read again goes first, the last one before the others: a copy ends where a part is missing.
        for n in (kept + 1..=self.parts.len()).rev() {
            home.remove_log_part(vault, n)?;
        }
        self.parts.truncate(kept);
        let held: HashSet<Identity> =
            self.parts.iter().flat_map(|part| &part.entries).map(|held| held.identity).collect();
        let is_new = |entry: &&LogEntry| {
            let LogEntry { identity, .. } = entry;
            !held.contains(identity) && !log.unjudged.contains(identity)
        };
        let mut rest: Vec<&LogEntry> = log.entries().filter(is_new).collect();
        // Entries name each other's heads: those of one time compress well together.
        rest.sort_by_key(|entry| (entry.body.time, entry.device, entry.seq));
        let mut part = Part { entries: Vec::new(), is_full: false };
        let mut plain = MAGIC.to_vec();
        let mut rest = rest.into_iter().peekable();
        while let Some(entry) = rest.next() {
            pack_one(entry, &mut plain);
            part.entries.push(Held::of(entry));
            part.is_full = is_full(part.entries.len(), plain.len());
            if part.is_full || rest.peek().is_none() {
                let n = self.parts.len();
                home.remove_log_part(vault, n + 1)?;
                home.set_log_part(provider, vault, n, &SecretBytes::new(compressed(&plain)))?;
                self.parts.push(std::mem::replace(&mut part, Part { entries: Vec::new(), is_full: false }));
                plain.truncate(MAGIC.len());
            }
        }
        Ok(())
    }
}

fn is_full(entries: usize, bytes: usize) -> bool {
    entries >= PART_ENTRIES || bytes >= PART_BYTES
}

fn compressed(plain: &[u8]) -> Vec<u8> {
    // Fails for want of memory only; then the part counts as damaged.
    zstd::bulk::compress(plain, LEVEL).unwrap_or_default()
}

/// The length of a part that was compressed, and its entries.
fn open_part(stored: &[u8]) -> Option<(usize, Vec<Arc<LogEntry>>)> {
    let plain = zstd::bulk::decompress(stored, MAX_PLAIN).ok()?;
    Some((plain.len(), unpack(plain.strip_prefix(MAGIC)?)?))
}

const MAGIC: &[u8] = b"LOGS\x04";
/// A push writes half a megabyte at most where entries are as small as usual.
const PART_ENTRIES: usize = 2048;
const PART_BYTES: usize = 8 << 20;
/// A part and its last entry.
const MAX_PLAIN: usize = PART_BYTES + (1 << 20);
const LEVEL: i32 = 1;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::testing::entry;
    use crypto_backends::rustcrypto::provider;
    use std::collections::BTreeMap;
    use std::fs;
    use vault_format::log::Payload;

    const VAULT: VaultId = VaultId([7; 32]);

    fn log(entries: u64) -> Log {
        let mut log = Log::default();
        (0..entries).for_each(|n| log.insert(entry((n % 3) as u8, 1 + n / 3, n, Payload::Progress)));
        log
    }

    fn loaded(home: &Home) -> (Saved, Log) {
        let (saved, entries) = Saved::load(home, VAULT);
        let mut log = Log::default();
        entries.into_iter().for_each(|entry| log.insert(entry));
        (saved, log)
    }

    fn is_same(a: &Log, b: &Log) -> bool {
        a.entries().eq(b.entries())
    }

    fn files(home: &Home) -> BTreeMap<String, Vec<u8>> {
        let files = fs::read_dir(home.path().join("vaults").join(VAULT.to_string())).expect("listed");
        let file = |file: fs::DirEntry| {
            (file.file_name().into_string().expect("a name"), fs::read(file.path()).expect("read"))
        };
        files.map(|found| file(found.expect("listed"))).collect()
    }

    #[test]
    fn only_the_last_part_is_written_again() {
        let folder = tempfile::tempdir().expect("a folder");
        let home = Home::open(folder.path()).expect("a home");
        let full = PART_ENTRIES as u64;
        let (mut saved, mut known) = loaded(&home);
        assert!(saved.holds(&known) && known.is_empty());
        for (entries, parts) in [(1, 1), (full - 1, 1), (full, 1), (full + 1, 2), (4 * full + 5, 5), (4 * full + 6, 5)]
        {
            let (all, before) = (log(entries), if known.is_empty() { BTreeMap::new() } else { files(&home) });
            assert!(!saved.holds(&all));
            saved.save(&home, provider(), VAULT, &all).expect("saved");
            assert!(saved.holds(&all));
            let after = files(&home);
            assert_eq!(after.len(), parts);
            let kept = (known.len() / PART_ENTRIES).min(before.len());
            assert_eq!(before.iter().filter(|(name, bytes)| after.get(*name) == Some(bytes)).count(), kept);
            (saved, known) = loaded(&home);
            assert!(is_same(&known, &all) && saved.holds(&all));
        }
    }

    #[test]
    fn what_is_no_longer_known_is_not_read_again() {
        let folder = tempfile::tempdir().expect("a folder");
        let home = Home::open(folder.path()).expect("a home");
        let mut all = log(5 * PART_ENTRIES as u64);
        Saved::default().save(&home, provider(), VAULT, &all).expect("saved");
        let (mut saved, _) = loaded(&home);
        let gone: Vec<_> = all.of(vault_format::DeviceId([2; 16])).map(|entry| entry.identity).collect();
        gone.iter().for_each(|identity| all.remove(identity));
        assert!(!saved.holds(&all));
        saved.save(&home, provider(), VAULT, &all).expect("saved");
        assert!(is_same(&loaded(&home).1, &all));
        assert_eq!(files(&home).len(), 4);
    }

    #[test]
    fn an_entry_that_can_be_read_since_is_kept_with_its_body() {
        let folder = tempfile::tempdir().expect("a folder");
        let home = Home::open(folder.path()).expect("a home");
        let all = log(2 * PART_ENTRIES as u64);
        let mut sealed = log(2 * PART_ENTRIES as u64);
        let first = sealed.entries().next().expect("an entry").clone();
        sealed.insert(LogEntry { body: LogEntry::sealed_body(), ..first });
        Saved::default().save(&home, provider(), VAULT, &sealed).expect("saved");
        let (mut saved, known) = loaded(&home);
        assert!(is_same(&known, &sealed) && saved.holds(&sealed) && !saved.holds(&all));
        saved.save(&home, provider(), VAULT, &all).expect("saved");
        assert!(is_same(&loaded(&home).1, &all));
    }

    #[test]
    fn what_cannot_be_judged_yet_is_not_kept() {
        let folder = tempfile::tempdir().expect("a folder");
        let home = Home::open(folder.path()).expect("a home");
        let mut all = log(PART_ENTRIES as u64);
        let open = all.entries().next().expect("an entry").identity;
        all.unjudged.insert(open);
        Saved::default().save(&home, provider(), VAULT, &all).expect("saved");
        let (saved, known) = loaded(&home);
        assert!(saved.holds(&all) && known.get(&open).is_none() && known.len() + 1 == all.len());
    }

    #[test]
    fn a_damaged_part_and_what_follows_it_is_not_known() {
        let folder = tempfile::tempdir().expect("a folder");
        let home = Home::open(folder.path()).expect("a home");
        let all = log(3 * PART_ENTRIES as u64);
        Saved::default().save(&home, provider(), VAULT, &all).expect("saved");
        let path = home.path().join("vaults").join(VAULT.to_string());
        // Sealed as another part.
        fs::copy(path.join("logs-2"), path.join("logs-1")).expect("copied");
        let (mut saved, known) = loaded(&home);
        assert_eq!(known.len(), PART_ENTRIES);
        assert!(!saved.holds(&all));
        saved.save(&home, provider(), VAULT, &all).expect("saved");
        assert!(is_same(&loaded(&home).1, &all));
        fs::remove_file(path.join("logs-0")).expect("removed");
        assert!(loaded(&home).1.is_empty());
    }
}
