//! What a snapshot holds, listed; and which parts of which sources `snapshot:path` means.

use std::io;

use thiserror::Error;
use vault_format::log::{SourceKind, SourceRecord};
use vault_format::{Entry, Kind};

use crate::Trouble;
use crate::log::SnapshotRef;
use crate::manifest::{LeafWalk, Part, TreeError, TreeRoot, is_within, parent_of};
use crate::target::RawPath;
use crate::vault::{ChunkError, Chunks, Vault, VaultError};

/// One entry of a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LsEntry<'a> {
    /// The source that it belongs to: an absolute path, or the file name of a stream.
    pub source_label: &'a [u8],
    /// Its full path.
    pub full_path: Vec<u8>,
    /// What the manifest says; its path is relative to the source.
    pub entry: &'a Entry,
    /// Name of the owner on the machine that it comes from.
    pub user: Option<String>,
    /// Name of the group there.
    pub group: Option<String>,
}

/// Why a snapshot could not be listed.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum LsError {
    /// The path is not in the snapshot.
    #[error("{path} is not in the snapshot {snapshot}")]
    NoSuchPath {
        /// The path as asked for.
        path: RawPath,
        /// The snapshot.
        snapshot: String,
    },
    /// This device cannot read the snapshot.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// The manifest of a source cannot be read.
    #[error("the list of files of {source_label} cannot be read")]
    Tree {
        /// The source.
        source_label: RawPath,
        /// Why.
        #[source]
        error: TreeError,
    },
    /// The receiver of the listing failed.
    #[error("the listing could not be written")]
    Output(#[source] io::Error),
}

impl LsError {
    /// What kind of trouble this is.
    pub fn trouble(&self) -> Trouble {
        match self {
            Self::NoSuchPath { .. } => Trouble::Usage,
            Self::Vault(error) => error.trouble(),
            Self::Tree { error, .. } => tree_trouble(error),
            Self::Output(_) => Trouble::Failed,
        }
    }

    /// What to do about it.
    pub fn hints(&self) -> Vec<String> {
        match self {
            Self::NoSuchPath { .. } => vec!["`zvault ls` shows the paths of a snapshot".into()],
            Self::Vault(error) => error.hints(),
            Self::Tree { .. } => vec!["`zvault check` tells what is damaged".into()],
            Self::Output(_) => Vec::new(),
        }
    }
}

/// Gives the entries of a snapshot in path order, source by source: all of them, or without `recursive` only the part's
/// beginning and what lies directly in it. Reads only the part of the manifest that is needed.
pub fn entries(
    vault: &Vault,
    snapshot: &SnapshotRef,
    recursive: bool,
    f: &mut dyn FnMut(&LsEntry<'_>) -> io::Result<()>,
) -> Result<(), LsError> {
    for part in parts(vault, snapshot)? {
        for leaf in part.leaves() {
            let leaf = leaf.map_err(|error| part.failed(error))?;
            let shown = |entry: &Entry| recursive || entry.path == part.top || parent_of(&entry.path) == part.top;
            for entry in leaf.entries.iter().filter(|entry| part.holds(entry) && shown(entry)) {
                let entry = LsEntry {
                    source_label: &part.record.label,
                    full_path: full_path(part.record, &entry.path),
                    entry,
                    user: name_of(&leaf.users, entry.uid),
                    group: name_of(&leaf.groups, entry.gid),
                };
                f(&entry).map_err(LsError::Output)?;
            }
        }
    }
    Ok(())
}

/// A part of one source of a snapshot.
pub(crate) struct SourcePart<'v> {
    pub(crate) record: &'v SourceRecord,
    pub(crate) chunks: Chunks<'v>,
    /// `None`: the source failed when it was pushed, and has nothing.
    pub(crate) tree: Option<TreeRoot>,
    /// Where the part begins, below the source's root. Empty: all of the source.
    pub(crate) top: Vec<u8>,
    /// Where it lies below the path that was asked for, without a `/` before it.
    pub(crate) below: Vec<u8>,
    /// What is at `top`.
    pub(crate) kind: Kind,
}

impl<'v> SourcePart<'v> {
    /// Walks the leaves that hold the part, and maybe a little more: see [`SourcePart::holds`].
    pub(crate) fn leaves(&self) -> impl Iterator<Item = Result<vault_format::manifest::Leaf, TreeError>> {
        let part = match self.top.is_empty() {
            true => Part::All,
            false => Part::Below(self.top.clone()),
        };
        self.tree.map(|tree| LeafWalk::new(&self.chunks, tree, part)).into_iter().flatten()
    }

    /// Whether an entry belongs to the part. The folder around the file of a stream is nobody's.
    pub(crate) fn holds(&self, entry: &Entry) -> bool {
        is_within(&self.top, &entry.path) && !(self.is_stream() && entry.path.is_empty())
    }

    pub(crate) fn is_stream(&self) -> bool {
        self.record.kind != SourceKind::Path
    }

    pub(crate) fn failed(&self, error: TreeError) -> LsError {
        LsError::Tree { source_label: RawPath(self.record.label.clone()), error }
    }

    /// What is at `top`, if something is.
    fn look(&self) -> Result<Option<Kind>, LsError> {
        for leaf in self.leaves() {
            let leaf = leaf.map_err(|error| self.failed(error))?;
            if let Some(entry) = leaf.entries.iter().find(|entry| is_within(&self.top, &entry.path)) {
                return Ok((entry.path == self.top).then_some(entry.kind));
            }
        }
        Ok(None)
    }
}

/// What `snapshot` means: all sources, or what lies at and below its path.
pub(crate) fn parts<'v>(vault: &'v Vault, snapshot: &'v SnapshotRef) -> Result<Vec<SourcePart<'v>>, LsError> {
    let sources = &snapshot.info.snapshot.sources;
    let part = |at: &Place| -> Result<SourcePart<'v>, LsError> {
        let record = &sources[at.source];
        let tree =
            record.root.map(|id| TreeRoot { id, level: record.level, entries: record.entries, bytes: record.bytes });
        let (top, below) = (at.top.clone(), at.below.clone());
        let chunks = vault.chunks_of(snapshot.info.device, record)?;
        let chunks = if top.is_empty() { chunks.most() } else { chunks };
        Ok(SourcePart { record, chunks, tree, top, below, kind: Kind::Dir })
    };
    let bases: Vec<_> = sources.iter().map(base_of).collect();
    let wanted = snapshot.path.as_deref().unwrap_or_default();
    for places in candidates(&bases, wanted) {
        let mut found = Vec::new();
        for place in &places {
            let mut part = part(place)?;
            match part.look() {
                Ok(Some(kind)) => part.kind = kind,
                // A source is there, even if nothing in it can be read.
                _ if part.top.is_empty() => {}
                Ok(None) => continue,
                Err(error) => return Err(error),
            }
            found.push(part);
        }
        if !found.is_empty() {
            return Ok(found);
        }
    }
    Err(LsError::NoSuchPath { path: RawPath(wanted.to_vec()), snapshot: snapshot.info.short() })
}

/// The path that people know an entry by.
pub(crate) fn full_path(record: &SourceRecord, path: &[u8]) -> Vec<u8> {
    let mut full = vec![b'/'];
    full.extend_from_slice(&base_of(record));
    if !path.is_empty() {
        if full.len() > 1 {
            full.push(b'/');
        }
        full.extend_from_slice(path);
    }
    full
}

/// What kind of trouble an unreadable manifest is.
pub(crate) fn tree_trouble(error: &TreeError) -> Trouble {
    match error {
        TreeError::Chunk(error) => error.downcast_ref::<ChunkError>().map_or(Trouble::Integrity, ChunkError::trouble),
        _ => Trouble::Integrity,
    }
}

/// Where a path may be found: a source, the path below its root, and where that root lies below the path.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Place {
    source: usize,
    top: Vec<u8>,
    below: Vec<u8>,
}

/// The root of a source below `/`. The files of streams lie in `/` itself.
fn base_of(record: &SourceRecord) -> Vec<u8> {
    match record.kind {
        SourceKind::Path => {
            let start = record.label.iter().position(|&byte| byte != b'/').unwrap_or(record.label.len());
            let end = record.label.iter().rposition(|&byte| byte != b'/').map_or(start, |at| at + 1);
            record.label[start..end].to_vec()
        }
        SourceKind::Stdin | SourceKind::Command => Vec::new(),
    }
}

/// Sets of places, each to be tried if nothing was found in those before it.
fn candidates(bases: &[Vec<u8>], wanted: &[u8]) -> Vec<Vec<Place>> {
    let mut sets = Vec::new();
    let names: Vec<_> = wanted.split(|&byte| byte == b'/').filter(|name| !matches!(*name, b"" | b".")).collect();
    let path = names.join(&b'/');
    if !wanted.starts_with(b"/") && !path.is_empty() && bases.len() == 1 {
        sets.push(vec![Place { source: 0, top: path.clone(), below: Vec::new() }]);
    }
    // The innermost source first: of nested ones it has the path for certain.
    let mut around: Vec<_> = (0..bases.len()).filter(|&source| is_within(&bases[source], &path)).collect();
    around.sort_by_key(|&source| std::cmp::Reverse(bases[source].len()));
    let mut inside: Vec<_> = (0..bases.len()).filter(|&source| is_within(&path, &bases[source])).collect();
    match path.is_empty() {
        true => around.clear(),
        false => inside.retain(|&source| bases[source] != path),
    }
    let inner = |source: usize| after(&bases[source], &path);
    // Files of several streams, and a source and a stream, may share a folder: they are told apart by looking.
    for source in around {
        sets.push(vec![Place { source, top: inner(source), below: Vec::new() }]);
    }
    if !inside.is_empty() {
        let place = |source: usize| Place { source, top: Vec::new(), below: after(&path, &bases[source]) };
        sets.push(inside.into_iter().map(place).collect());
    }
    sets
}

/// The rest of `path` below `top`.
fn after(top: &[u8], path: &[u8]) -> Vec<u8> {
    match top.is_empty() {
        true => path.to_vec(),
        false => path.get(top.len() + 1..).unwrap_or_default().to_vec(),
    }
}

fn name_of(names: &[(u32, Vec<u8>)], id: u32) -> Option<String> {
    let at = names.binary_search_by_key(&id, |(id, _)| *id).ok()?;
    Some(String::from_utf8_lossy(&names[at].1).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sets(bases: &[&str], wanted: &str) -> Vec<Vec<(usize, String, String)>> {
        let bases: Vec<_> = bases.iter().map(|base| base.as_bytes().to_vec()).collect();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
        let show = |place: Place| (place.source, text(place.top), text(place.below));
        candidates(&bases, wanted.as_bytes()).into_iter().map(|set| set.into_iter().map(show).collect()).collect()
    }

    fn place(source: usize, top: &str, below: &str) -> (usize, String, String) {
        (source, top.into(), below.into())
    }

    #[test]
    fn no_path_and_the_root_mean_everything() {
        for wanted in ["", "/", "//", "/."] {
            let all = vec![place(0, "", "home/me/app"), place(1, "", "srv")];
            assert_eq!(sets(&["home/me/app", "srv"], wanted), [all], "{wanted:?}");
        }
        assert_eq!(sets(&[""], ""), [[place(0, "", "")]]);
    }

    #[test]
    fn full_paths_are_found_in_their_source() {
        assert_eq!(sets(&["home/me/app", "srv"], "/home/me/app/db/x"), [[place(0, "db/x", "")]]);
        assert_eq!(sets(&["home/me/app", "srv"], "/home/me/app/"), [[place(0, "", "")]]);
        assert_eq!(sets(&["home/me/app"], "/home/me/app2"), Vec::<Vec<_>>::new());
        assert_eq!(sets(&[""], "/etc/hosts"), [[place(0, "etc/hosts", "")]]);
    }

    #[test]
    fn nested_sources_are_tried_from_the_inside() {
        let found = sets(&["home", "home/me", "home/me/x"], "/home/me/x");
        assert_eq!(found, [[place(2, "", "")], [place(1, "x", "")], [place(0, "me/x", "")]]);
        let found = sets(&["", "home/me/x"], "/home");
        assert_eq!(found, [[place(0, "home", "")], [place(1, "", "me/x")]]);
    }

    #[test]
    fn folders_above_sources_hold_them() {
        let found = sets(&["home/me/a", "home/me/b", "srv"], "/home");
        assert_eq!(found, [[place(0, "", "me/a"), place(1, "", "me/b")]]);
    }

    #[test]
    fn relative_paths_need_one_source() {
        assert_eq!(sets(&["home/me"], "x/y"), [[place(0, "x/y", "")]]);
        assert_eq!(sets(&["home/me"], "home/me/x"), [[place(0, "home/me/x", "")], [place(0, "x", "")]]);
        assert_eq!(sets(&["home/me", "srv"], "x/y"), Vec::<Vec<_>>::new());
        assert_eq!(sets(&[""], "dump.sql"), [[place(0, "dump.sql", "")], [place(0, "dump.sql", "")]]);
    }

    #[test]
    fn names_of_owners_come_from_the_leaf() {
        let names = [(0, b"root".to_vec()), (1000, b"me\xff".to_vec())];
        assert_eq!(name_of(&names, 0).as_deref(), Some("root"));
        assert_eq!(name_of(&names, 1000).as_deref(), Some("me\u{fffd}"));
        assert_eq!(name_of(&names, 5), None);
    }
}
