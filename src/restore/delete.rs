//! `--delete`: removes what the snapshot does not have, inside the roots of its sources only.

use std::collections::HashSet;
use std::sync::atomic::Ordering::Relaxed;

use vault_format::{Capture, Kind};

use super::RestoreError;
use super::job::{Job, Source};
use crate::chain;
use crate::manifest::TreeError;
use crate::target::{Extra, OwnerMap, TargetError};
use crate::watch::{Action, Event};

impl Job<'_> {
    /// Finds everything first, then removes it. A source that is not whole keeps everything: what is missing from the
    /// snapshot may only be unreadable.
    pub(super) fn delete_extra(&self, sources: &[Source<'_>]) -> Result<(), RestoreError> {
        for source in sources.iter().filter(|source| !source.part.is_stream() && source.part.kind == Kind::Dir) {
            self.go_on()?;
            if !source.is_whole() {
                self.watch.event(Event::Note(&format!(
                    "nothing was deleted in {}: the snapshot does not have all of it",
                    String::from_utf8_lossy(&source.full(b""))
                )));
                continue;
            }
            match self.extras(source) {
                Ok(extras) => self.remove(source, &extras),
                Err(Stop::Over(error)) => return Err(error),
                Err(Stop::Tree(error)) => {
                    self.problem(&source.full(b""), &format!("nothing was deleted: {}", chain(&error)), true);
                }
                Err(Stop::Target(error)) => {
                    self.problem(&source.full(b""), &format!("nothing was deleted: {}", chain(&error)), false);
                }
            }
        }
        self.tell_warnings();
        Ok(())
    }

    fn extras(&self, source: &Source<'_>) -> Result<Vec<Extra>, Stop> {
        let root = source.root(&self.target, OwnerMap::numeric()).map_err(Stop::Target)?;
        let mut databases = HashSet::new();
        let keep = source.part.leaves().flat_map(|leaf| match leaf {
            Ok(leaf) => leaf.entries.into_iter().map(Ok).collect(),
            Err(error) => vec![Err(Stop::Tree(error))],
        });
        let keep = keep.filter(|entry| entry.as_ref().map_or(true, |entry| source.part.holds(entry)));
        let mut extras = root.find_extra(keep.map(|entry| {
            self.go_on().map_err(Stop::Over)?;
            let entry = source.rebase(entry?);
            if matches!(entry.capture, Capture::Sqlite { .. } | Capture::SqliteFallback) {
                databases.insert(entry.path.clone());
            }
            Ok::<_, Stop>((entry.path, entry.kind))
        }))?;
        // The files beside a database are part of it: where it was left as it is, they may hold its newest data.
        extras.retain(|extra| {
            !SIDES
                .iter()
                .any(|side| extra.path.strip_suffix(side.as_bytes()).is_some_and(|path| databases.contains(path)))
        });
        // Patterns choose what is deleted as they choose what is restored. A folder stands for all that is in it.
        extras.retain(|extra| {
            let is_dir = extra.kind == Kind::Dir;
            source.select.takes_alone(&extra.path, is_dir) && !(is_dir && source.select.leaves_out())
        });
        Ok(extras)
    }

    fn remove(&self, source: &Source<'_>, extras: &[Extra]) {
        let gone = match (self.options.dry_run, source.root(&self.target, OwnerMap::numeric())) {
            (false, Ok(root)) => root.remove_extra(extras),
            _ => extras.to_vec(),
        };
        for extra in &gone {
            self.counts.files_deleted.fetch_add(1, Relaxed);
            let path = source.full(&extra.path);
            self.watch.event(Event::Entry { path: &path, action: Action::Deleted, size: 0 });
        }
        // Why something could not be removed, the target's own warnings say.
        for extra in extras.iter().filter(|extra| !gone.contains(extra)) {
            self.problem(&source.full(&extra.path), "it could not be deleted", false);
        }
    }
}

/// Why nothing of a source is deleted.
enum Stop {
    Over(RestoreError),
    Tree(TreeError),
    Target(TargetError),
}

impl From<TargetError> for Stop {
    fn from(error: TargetError) -> Self {
        Self::Target(error)
    }
}

const SIDES: [&str; 3] = ["-wal", "-shm", "-journal"];
