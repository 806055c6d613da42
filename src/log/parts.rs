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
use crate::state::{Home, PartStamp, StateError};

/// What the local copy holds, part by part.
#[derive(Default)]
pub(crate) struct Saved {
    parts: Vec<Part>,
}

#[derive(Default)]
struct Part {
    entries: Vec<Held>,
    /// Nothing is added to it any more.
    is_full: bool,
    /// Of the file that it was read from or written to.
    stamp: Option<PartStamp>,
}

/// An entry in the copy.
struct Held {
    identity: Identity,
    /// Whether without its body: whoever may read more later reads it again.
    is_sealed: bool,
    is_undecided: bool,
}

impl Held {
    fn of(entry: &LogEntry, is_undecided: bool) -> Self {
        Self { identity: entry.identity, is_sealed: entry.is_sealed(), is_undecided }
    }

    fn is_as_in(&self, log: &Log) -> bool {
        log.get(&self.identity).is_some_and(|entry| entry.is_sealed() == self.is_sealed)
            && log.unjudged.contains(&self.identity) == self.is_undecided
    }
}

impl Saved {
    /// Reads the local copy: all of its entries, and where they are.
    pub(crate) fn load(home: &Home, vault: VaultId) -> (Self, Vec<Arc<LogEntry>>) {
        // Without the lock, parts of two runs lead to another look at the store and nothing else.
        let _lock = (home.log_parts(vault) > 0).then(|| home.lock_copy(vault, false).ok());
        let numbers: Vec<usize> = (0..home.log_parts(vault)).collect();
        let cores = thread::available_parallelism().map_or(1, usize::from);
        let read = |n: &usize| {
            let stamp = home.log_part_stamp(vault, *n);
            let part = home.log_part(vault, *n).and_then(|part| open_part(part.expose()));
            Ok::<_, Infallible>(part.map(|(len, entries)| (stamp, len, entries)))
        };
        let Ok(read) = parallel::map(&numbers, cores, read);
        let (mut saved, mut all) = (Self::default(), Vec::new());
        // What lies behind one that is damaged may be of another time.
        for (stamp, len, entries) in read.into_iter().map_while(|part| part) {
            let held: Vec<_> = entries.iter().map(|entry| Held::of(entry, entry.is_undecided)).collect();
            let is_full = is_full(held.len(), len);
            saved.parts.push(Part { entries: held, is_full, stamp });
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
        self.parts.iter().flat_map(|part| &part.entries).all(is_there) && count == log.len()
    }

    /// Brings the copy up to `log`, under [`Home::lock_copy`].
    pub(crate) fn save(
        &mut self,
        home: &Home,
        provider: &'static Provider,
        vault: VaultId,
        log: &Log,
    ) -> Result<(), StateError> {
        let stays = |(n, part): &(usize, &Part)| {
            // Another run may have saved since this one has read the copy.
            let is_ours = part.stamp.is_some() && part.stamp == home.log_part_stamp(vault, *n);
            is_ours && part.is_full && part.entries.iter().all(|held| held.is_as_in(log))
        };
        let kept = self.parts.iter().enumerate().take_while(stays).count();
        // What must not be read again goes first, the last one before the others: a copy ends where a part is missing.
        for n in (kept + 1..=self.parts.len().max(home.log_parts(vault))).rev() {
            home.remove_log_part(vault, n)?;
        }
        self.parts.truncate(kept);
        let held: HashSet<Identity> =
            self.parts.iter().flat_map(|part| &part.entries).map(|held| held.identity).collect();
        let mut rest: Vec<&LogEntry> = log.entries().filter(|entry| !held.contains(&entry.identity)).collect();
        let is_undecided = |entry: &LogEntry| log.unjudged.contains(&entry.identity);
        // Entries name each other's heads: those of one time compress well together. What may change comes last.
        rest.sort_by_key(|entry| (is_undecided(entry), entry.body.time, entry.device, entry.seq));
        let mut part = Part::default();
        let mut plain = MAGIC.to_vec();
        let mut rest = rest.into_iter().peekable();
        while let Some(entry) = rest.next() {
            pack_one(entry, is_undecided(entry), &mut plain);
            part.entries.push(Held::of(entry, is_undecided(entry)));
            part.is_full = is_full(part.entries.len(), plain.len());
            if part.is_full || rest.peek().is_none() {
                let n = self.parts.len();
                home.remove_log_part(vault, n + 1)?;
                home.set_log_part(provider, vault, n, &SecretBytes::new(compressed(&plain)))?;
                part.stamp = home.log_part_stamp(vault, n);
                self.parts.push(std::mem::take(&mut part));
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
        let files = files.map(|found| file(found.expect("listed")));
        files.filter(|(name, _)| name.starts_with("logs-")).collect()
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
    fn runs_that_save_one_after_the_other_do_not_mix_their_parts() {
        let folder = tempfile::tempdir().expect("a folder");
        let home = Home::open(folder.path()).expect("a home");
        let full = PART_ENTRIES as u64;
        let base = log(2 * full + 5);
        Saved::default().save(&home, provider(), VAULT, &base).expect("saved");
        let ((mut one, mut ones), (mut other, _)) = (loaded(&home), loaded(&home));
        // One takes an entry for void that the other still believes, and so all parts change.
        let first = ones.of(vault_format::DeviceId([0; 16])).next().expect("an entry").identity;
        ones.remove(&first);
        one.save(&home, provider(), VAULT, &ones).expect("saved");
        let others = log(3 * full);
        other.save(&home, provider(), VAULT, &others).expect("saved");
        let (again, known) = loaded(&home);
        assert!(is_same(&known, &others) && again.holds(&others));
    }

    #[test]
    fn runs_that_read_and_save_at_once_see_one_copy_or_the_other() {
        let folder = tempfile::tempdir().expect("a folder");
        let home = Home::open(folder.path()).expect("a home");
        let logs = [log(2 * PART_ENTRIES as u64 + 1), log(3 * PART_ENTRIES as u64 + 1)];
        let save = |log: &Log| {
            let _lock = home.lock_copy(VAULT, true).expect("locked");
            Saved::default().save(&home, provider(), VAULT, log).expect("saved");
        };
        save(&logs[0]);
        thread::scope(|scope| {
            let runs = logs.each_ref().map(|log| scope.spawn(|| (0..4).for_each(|_| save(log))));
            while runs.iter().any(|run| !run.is_finished()) {
                let known = loaded(&home).1;
                assert!(logs.iter().any(|log| is_same(log, &known)), "{} entries", known.len());
            }
        });
    }

    #[test]
    fn an_entry_of_a_kind_that_this_version_does_not_know_is_kept() {
        let folder = tempfile::tempdir().expect("a folder");
        let home = Home::open(folder.path()).expect("a home");
        let mut all = log(10);
        let mut bytes = entry(1, 99, 99, Payload::Progress).body.encode().expect("encoded");
        bytes.splice(2..3, [0x18, 200]);
        all.insert(LogEntry { raw: Some(bytes.into()), ..entry(1, 99, 99, Payload::Unknown(200)) });
        Saved::default().save(&home, provider(), VAULT, &all).expect("saved");
        let (saved, known) = loaded(&home);
        assert!(is_same(&known, &all) && saved.holds(&all) && known.len() == 11);
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
    fn what_cannot_be_judged_yet_is_kept_as_such() {
        let folder = tempfile::tempdir().expect("a folder");
        let home = Home::open(folder.path()).expect("a home");
        let mut all = log(PART_ENTRIES as u64);
        let open = all.entries().next().expect("an entry").identity;
        all.unjudged.insert(open);
        Saved::default().save(&home, provider(), VAULT, &all).expect("saved");
        let (mut saved, known) = loaded(&home);
        let undecided: Vec<_> =
            known.entries().filter(|entry| entry.is_undecided).map(|entry| entry.identity).collect();
        assert!(saved.holds(&all) && undecided == [open] && known.len() == all.len());
        all.unjudged.clear();
        assert!(!saved.holds(&all));
        saved.save(&home, provider(), VAULT, &all).expect("saved");
        assert!(loaded(&home).1.entries().eq(all.entries()));
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
