//! What is known of an entry from the last push: from the parent's manifest, or, where nothing can be read back, from a table.

use vault_format::{Capture, Content, Entry, path_cmp};

use super::files::FileTable;
use super::job::Job;
use crate::manifest::{ChunkSource, LeafWalk};
use crate::watch::Event;

/// Asked in ascending path order.
pub(super) enum Parent<'a, C: ChunkSource> {
    /// A reader's, who reads its last snapshot.
    Manifest(Box<ParentEntries<'a, C>>),
    /// That of a push-only device, if it has one.
    Table(Option<Box<FileTable>>),
}

/// An entry as it was in the last snapshot.
pub(super) struct Before {
    /// Same content as far as the file system tells: size, both times and the inode; and it held still.
    pub(super) is_same: bool,
    /// None: it must be read again.
    pub(super) content: Option<Content>,
    pub(super) holes: Vec<(u64, u64)>,
    pub(super) capture: Capture,
    /// None: they must be read again.
    pub(super) xattrs: Option<Vec<(Vec<u8>, Vec<u8>)>>,
}

impl<C: ChunkSource> Parent<'_, C> {
    /// The entry at the path of `found`. What cannot be read on counts as ended: files are read again.
    pub(super) fn at(&mut self, found: &Entry, job: &Job<'_>) -> Option<Before> {
        match self {
            Self::Manifest(entries) => entries.at(&found.path, job).map(|old| Before {
                is_same: same_inode_state(&old, found),
                content: Some(old.content),
                holes: old.holes,
                capture: old.capture,
                xattrs: Some(old.xattrs),
            }),
            Self::Table(table) => {
                let kept = match table.as_mut()?.at(found) {
                    Ok(kept) => kept?,
                    Err(error) => {
                        *table = None;
                        job.watch.event(Event::Note(&format!(
                            "what this device remembers of the files cannot be read on, all from here are read again: {error}"
                        )));
                        return None;
                    }
                };
                let xattrs = (!kept.has_xattrs).then(Vec::new);
                let (is_same, content, holes, capture) = (kept.is_same, kept.content, kept.holes, kept.capture);
                Some(Before { is_same, content, holes, capture, xattrs })
            }
        }
    }
}

/// The entries of a manifest.
pub(super) struct ParentEntries<'a, C: ChunkSource> {
    leaves: Option<LeafWalk<'a, C>>,
    entries: std::vec::IntoIter<Entry>,
    next: Option<Entry>,
}

impl<'a, C: ChunkSource> ParentEntries<'a, C> {
    pub(super) fn new(leaves: Option<LeafWalk<'a, C>>) -> Self {
        Self { leaves, entries: Vec::new().into_iter(), next: None }
    }

    fn at(&mut self, path: &[u8], job: &Job<'_>) -> Option<Entry> {
        loop {
            if self.next.is_none() {
                self.next = self.entries.next();
            }
            match &self.next {
                Some(entry) if entry.path == path => return self.next.take(),
                Some(entry) if path_cmp(&entry.path, path).is_gt() => return None,
                Some(_) => self.next = None,
                None => match self.leaves.as_mut()?.next() {
                    Some(Ok(leaf)) => self.entries = leaf.entries.into_iter(),
                    Some(Err(error)) => {
                        self.leaves = None;
                        job.watch.event(Event::Note(&format!(
                            "the parent snapshot cannot be read on, all files from here are read again: {error}"
                        )));
                    }
                    None => self.leaves = None,
                },
            }
        }
    }
}

fn same_inode_state(old: &Entry, new: &Entry) -> bool {
    old.kind == new.kind
        && old.size == new.size
        && old.mtime == new.mtime
        && old.ctime == new.ctime
        && old.inode == new.inode
        && old.capture != Capture::Changed
}
