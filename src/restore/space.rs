//! Whether the target has room, before anything is written.

use std::collections::HashSet;
use std::path::Path;

use vault_format::{Entry, Kind};

use super::RestoreError;
use super::job::{Job, Source};
use crate::target::{Action, Begin, Outcome};

impl Job<'_> {
    /// Compares what is to be written with what is free. The exact sum is made only where the declared one does not fit:
    /// it costs a walk of the manifest.
    pub(super) fn check_space(&self, sources: &[Source<'_>]) -> Result<(), RestoreError> {
        let Some(available) = free_space(&self.options.target) else {
            return Ok(());
        };
        let declared = sources.iter().fold(0u64, |sum, source| sum.saturating_add(source.part.record.bytes));
        if declared <= available {
            return Ok(());
        }
        let needed = self.needed(sources)?;
        if needed <= available {
            return Ok(());
        }
        Err(RestoreError::NoRoom { path: self.options.target.clone(), needed, available })
    }

    /// Bytes of content of the files that are not there yet, hard links counted once.
    fn needed(&self, sources: &[Source<'_>]) -> Result<u64, RestoreError> {
        let mut needed = 0u64;
        for source in sources {
            let mut links = HashSet::new();
            let mut select = source.select.clone();
            // A manifest that ends early is reported by the restore itself.
            for leaf in source.part.leaves().map_while(Result::ok) {
                self.go_on()?;
                for entry in leaf.entries.into_iter().filter(|entry| source.part.holds(entry)) {
                    let entry = source.rebase(entry);
                    if !select.takes(&entry.path, entry.kind == Kind::Dir) || entry.kind != Kind::File {
                        continue;
                    }
                    if entry.links > 1 && links.len() < LINKS && !links.insert((entry.device, entry.inode)) {
                        continue;
                    }
                    if let Ok(Begin::Settled(Outcome::Planned(Action::Create))) = source.probe.begin(&entry) {
                        needed = needed.saturating_add(content_len(&entry).unwrap_or(0));
                    }
                }
            }
        }
        Ok(needed)
    }
}

/// Bytes of a file without its holes; `None` if the entry contradicts itself.
pub(super) fn content_len(entry: &Entry) -> Option<u64> {
    entry.holes.iter().try_fold(entry.size, |left, (_, len)| left.checked_sub(*len))
}

/// Bytes free for this user on the file system of `path`, or of the first folder above it that exists.
fn free_space(path: &Path) -> Option<u64> {
    let path = std::path::absolute(path).ok()?;
    let stat = path.ancestors().find_map(|path| rustix::fs::statvfs(path).ok())?;
    let blocks = match rustix::process::geteuid().is_root() {
        true => stat.f_bfree,
        false => stat.f_bavail,
    };
    Some(blocks.saturating_mul(stat.f_frsize))
}

/// Hard-linked files that are told apart; beyond them, the sum is too large by some.
const LINKS: usize = 1 << 18;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn space_is_found_for_folders_that_do_not_exist_yet() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let here = free_space(folder.path()).expect("free space");
        assert!(here > 0);
        assert!(free_space(&folder.path().join("not/yet")).is_some());
    }
}
