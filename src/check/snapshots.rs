//! Walks every snapshot: each node of its manifests and lists is read, each chunk of its files located.
//!
//! Parts of a tree that were found whole are not walked again: a hundred snapshots of an unchanged folder cost what one costs.
//! Parts that suffer are, so that each snapshot's files are named. The list of a file is never walked again, whole or not: a few
//! nodes that name each other often are a list longer than anybody can walk.

use std::cmp::Ordering;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use vault_format::list::{ListNode, parse_list};
use vault_format::log::SourceRecord;
use vault_format::manifest::{NodeItem, parse_leaf, parse_node};
use vault_format::pack::ChunkType;
use vault_format::{ChunkId, Chunking, Content, DeviceId, Domain, Entry, FormatError, Kind, Scope, limits, path_cmp};

use super::damage::{DamageNumber, Damages};
use super::structure::{Structure, path_of};
use super::{CheckError, CheckReport};
use crate::log::SnapshotInfo;
use crate::manifest::{ChunkSource, parent_of};
use crate::vault::{ChunkError, Chunks, Loaded, VaultError};
use crate::watch::Watch;
use crate::{Trouble, Vault, chain};

/// Walks every snapshot that was not forgotten, newest first: first those of this device, then those of readers. What a push-only
/// device claims of the time puts nothing before them.
pub(super) fn check(
    vault: &Vault,
    structure: &Structure,
    watch: &Watch<'_>,
    report: &mut CheckReport,
    damages: &mut Damages<'_>,
) -> Result<(), CheckError> {
    let mut snapshots = vault.snapshots();
    snapshots.sort_by_key(|info| (info.device == vault.device_id(), vault.domain_of(info.device).is_shared()));
    let sources = || snapshots.iter().flat_map(|info| info.snapshot.sources.iter().map(move |source| (info, source)));
    watch.total_entries.store(sources().map(|(_, source)| source.entries).sum(), Relaxed);
    let mut walk = Walk { vault, structure, watch, damages, scopes: HashMap::new(), nodes: 0 };
    for info in snapshots.iter().rev() {
        for source in &info.snapshot.sources {
            match vault.chunks_of(info.device, source) {
                Ok(chunks) => walk.source(info, source, chunks)?,
                Err(error @ VaultError::ForeignDomain { .. }) => {
                    let number = walk.damages.add(&format!("snapshot {}", info.short()), &chain(&error));
                    walk.damages.suffers(number, &info.short(), source.label.clone(), source.entries);
                }
                Err(error) => return Err(error.into()),
            }
            report.entries += source.entries;
        }
        report.snapshots += 1;
    }
    report.nodes = walk.nodes;
    Ok(())
}

struct Walk<'a, 'd> {
    vault: &'a Vault,
    structure: &'a Structure,
    watch: &'a Watch<'a>,
    damages: &'a mut Damages<'d>,
    /// What was walked. Ids of different domains and scopes are different chunks.
    scopes: HashMap<(Domain, Scope), Known>,
    nodes: u64,
}

/// Parts of trees that were walked.
#[derive(Default)]
struct Known {
    /// Those that are whole.
    nodes: HashMap<ChunkId, Subtree>,
    /// Lists, whole and damaged.
    lists: HashMap<(ChunkId, ListPart), Hits>,
    /// How much `lists` holds: nodes, and what they suffer from.
    lists_held: usize,
}

/// What a part of a list suffers from. At most [`HITS`].
type Hits = BTreeSet<DamageNumber>;

/// What a manifest node holds, as far as its surroundings depend on it.
#[derive(PartialEq, Eq)]
struct Subtree {
    level: u8,
    entries: u64,
    bytes: u64,
    first: Box<[u8]>,
    last: Box<[u8]>,
    last_is_folder: bool,
}

/// What a list node was promised to be.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct ListPart {
    level: u8,
    bytes: u64,
    chunking: Chunking,
}

/// Where in a source the walk is.
struct Place<'a> {
    chunks: Chunks<'a>,
    index: Arc<Loaded>,
    snapshot: String,
    source: &'a SourceRecord,
    /// The path of the entry before.
    before: Option<Vec<u8>>,
    /// The folders that lead to it.
    folders: Vec<Vec<u8>>,
}

/// What an item, or the snapshot, promises of a node.
struct Promise<'a> {
    level: u8,
    id: &'a ChunkId,
    entries: u64,
    bytes: u64,
    last: Option<&'a [u8]>,
}

/// Why a node is not what was promised.
enum Fault {
    Chunk(ChunkError),
    Node(String),
}

impl Walk<'_, '_> {
    fn source(&mut self, info: &SnapshotInfo, source: &SourceRecord, chunks: Chunks<'_>) -> Result<(), CheckError> {
        let Some(root) = source.root else { return Ok(()) };
        let mut place = Place {
            index: self.vault.index_of(chunks.domain())?,
            chunks: chunks.most().only_here(),
            snapshot: info.short(),
            source,
            before: None,
            folders: Vec::new(),
        };
        let promise =
            Promise { level: source.level, id: &root, entries: source.entries, bytes: source.bytes, last: None };
        self.node(&mut place, &promise)?;
        Ok(())
    }

    /// Walks a node and everything below; whether all of it is whole.
    fn node(&mut self, place: &mut Place<'_>, promise: &Promise<'_>) -> Result<bool, CheckError> {
        if self.watch.stopped() {
            return Err(CheckError::Interrupted);
        }
        if let Some(known) = self.scopes.entry(place.scope()).or_default().nodes.get(promise.id)
            && known.is(promise)
        {
            if let Err(what) = place.enter(&known.first) {
                return self.lose(place, promise, Fault::Node(what.into()));
            }
            place.leave(known.last.to_vec(), known.last_is_folder);
            self.watch.entries.fetch_add(promise.entries, Relaxed);
            return Ok(true);
        }
        self.nodes += 1;
        if promise.level == 0 { self.leaf(place, promise) } else { self.inner(place, promise) }
    }

    fn inner(&mut self, place: &mut Place<'_>, promise: &Promise<'_>) -> Result<bool, CheckError> {
        let items = match open_node(&place.chunks, promise) {
            Ok(items) => items,
            Err(fault) => return self.lose(place, promise, fault),
        };
        let mut whole = true;
        let mut first = None;
        for item in &items {
            if place.before.as_deref().is_some_and(|before| path_cmp(before, &item.last_path) != Ordering::Less) {
                return self.lose(place, promise, Fault::Node("the order of its items is wrong".into()));
            }
            let child = Promise {
                level: promise.level - 1,
                id: &item.id,
                entries: item.entries,
                bytes: item.bytes,
                last: Some(&item.last_path),
            };
            whole &= self.node(place, &child)?;
            if whole && first.is_none() {
                let known = self.scopes.get(&place.scope()).and_then(|known| known.nodes.get(&item.id));
                first = known.map(|known| known.first.to_vec());
            }
        }
        if whole && let (Some(first), Some(last)) = (first, items.last()) {
            let last_is_folder = place.folders.last() == Some(&last.last_path);
            self.remember(place, promise, &first, &last.last_path, last_is_folder);
        }
        Ok(whole)
    }

    fn leaf(&mut self, place: &mut Place<'_>, promise: &Promise<'_>) -> Result<bool, CheckError> {
        let entries = match open_leaf(&place.chunks, promise) {
            Ok(entries) => entries,
            Err(fault) => return self.lose(place, promise, fault),
        };
        let mut whole = true;
        for entry in &entries {
            if let Err(what) = place.enter(&entry.path) {
                return self.lose(place, promise, Fault::Node(what.into()));
            }
            place.leave(entry.path.clone(), entry.kind == Kind::Dir);
            whole &= self.content(place, entry)?;
        }
        if let (Some(first), Some(last)) = (entries.first(), entries.last()) {
            self.watch.set_current(&full_path(&place.source.label, &last.path));
            if whole {
                self.remember(place, promise, &first.path, &last.path, last.kind == Kind::Dir);
            }
        }
        self.watch.entries.fetch_add(promise.entries, Relaxed);
        Ok(whole)
    }

    fn remember(&mut self, place: &Place<'_>, promise: &Promise<'_>, first: &[u8], last: &[u8], last_is_folder: bool) {
        let nodes = &mut self.scopes.entry(place.scope()).or_default().nodes;
        // Beyond the limit parts are walked again, which costs time and nothing else.
        if nodes.len() < NODES_KEPT {
            let Promise { level, id, entries, bytes, .. } = *promise;
            nodes
                .insert(*id, Subtree { level, entries, bytes, first: first.into(), last: last.into(), last_is_folder });
        }
    }

    /// A node and all below it is lost. The walk goes on behind it, where the parent says that it ends.
    fn lose(&mut self, place: &mut Place<'_>, promise: &Promise<'_>, fault: Fault) -> Result<bool, CheckError> {
        let number = match fault {
            Fault::Chunk(error) => self.blame(error)?,
            Fault::Node(what) => {
                let at = place.index.locate(promise.id)?.first().map(|place| path_of(&place.pack));
                let reason = format!("node {:.16} of a manifest: {what}", promise.id);
                self.damages.add(&at.unwrap_or_else(|| INDEX.to_owned()), &reason)
            }
        };
        let range = place.range(promise.last);
        self.damages.suffers(number, &place.snapshot, range, promise.entries);
        if let Some(last) = promise.last {
            place.jump(last);
        }
        self.watch.entries.fetch_add(promise.entries, Relaxed);
        Ok(false)
    }

    /// Whether everything that an entry's content needs is there.
    fn content(&mut self, place: &Place<'_>, entry: &Entry) -> Result<bool, CheckError> {
        let Content::List { chunking, depth, root } = &entry.content else { return Ok(true) };
        let holes = entry.holes.iter().fold(0u64, |sum, (_, len)| sum.saturating_add(*len));
        let part = ListPart { level: *depth, bytes: entry.size.saturating_sub(holes), chunking: *chunking };
        let hits = self.list(place, &ChunkId(*root), part)?;
        for number in &hits {
            let path = full_path(&place.source.label, &entry.path);
            self.damages.suffers(*number, &place.snapshot, path, 1);
        }
        Ok(hits.is_empty())
    }

    /// What is to blame for what is lost of one item of a list; `part.level` 0: a chunk of the file, k > 0: a list node of level k - 1.
    fn list(&mut self, place: &Place<'_>, id: &ChunkId, part: ListPart) -> Result<Hits, CheckError> {
        if part.level == 0 {
            return Ok(self.chunk(place, id, part.bytes)?.into_iter().collect());
        }
        if self.watch.stopped() {
            return Err(CheckError::Interrupted);
        }
        if let Some(hits) = self.scopes.get(&place.scope()).and_then(|known| known.lists.get(&(*id, part))) {
            return Ok(hits.clone());
        }
        self.nodes += 1;
        let mut hits = Hits::new();
        match open_list(&place.chunks, id, part) {
            Ok(items) => {
                for (id, bytes) in items {
                    let lost = self.list(place, &id, ListPart { level: part.level - 1, bytes, ..part })?;
                    for number in lost {
                        if hits.len() < HITS {
                            hits.insert(number);
                        }
                    }
                }
            }
            Err(Fault::Chunk(error)) => drop(hits.insert(self.blame(error)?)),
            Err(Fault::Node(what)) => {
                let at = place.index.locate(id)?.first().map(|place| path_of(&place.pack));
                let reason = format!("node {id:.16} of a list: {what}");
                hits.insert(self.damages.add(&at.unwrap_or_else(|| INDEX.to_owned()), &reason));
            }
        }
        self.scopes.entry(place.scope()).or_default().remember_list(*id, part, &hits);
        Ok(hits)
    }

    /// Whether the index knows a chunk in a pack that can be relied on; else, who is to blame.
    fn chunk(&mut self, place: &Place<'_>, id: &ChunkId, len: u64) -> Result<Option<DamageNumber>, CheckError> {
        if len == 0 || len > limits::FILE_CHUNK as u64 {
            return Ok(Some(self.damages.add(INDEX, &format!("chunk {id:.16} cannot have {len} bytes"))));
        }
        let mut lost = None;
        let mut writer = None;
        let mut wrong = None;
        for beyond in [false, true] {
            let locations = match beyond {
                false => place.index.locate(id)?,
                true => self.vault.locate_beyond(place.chunks.domain(), id, ChunkType::File)?,
            };
            for location in locations {
                match self.structure.packs.get(&location.pack) {
                    None => writer = Some(location.pack.device),
                    Some(pack) => match pack.lost(location.slot) {
                        Some(number) => lost = Some(number),
                        None if u64::from(location.len) == len => return Ok(None),
                        None => wrong = Some(location),
                    },
                }
            }
        }
        if let Some(location) = wrong {
            let reason = format!("chunk {id:.16} has {} bytes by the index and {len} by a file", location.len);
            lost = Some(self.damages.add(&path_of(&location.pack), &reason));
        }
        Ok(Some(match lost {
            Some(number) => number,
            None => self.unknown(id, writer),
        }))
    }

    /// A chunk that no table names: a lost table did.
    fn unknown(&mut self, id: &ChunkId, writer: Option<DeviceId>) -> DamageNumber {
        let lost = &self.structure.lost_tables;
        match writer.and_then(|writer| lost.get(&writer)).or(lost.values().next()) {
            Some(number) => *number,
            None => self.damages.add(INDEX, &format!("chunk {id:.16} and perhaps others are in no table")),
        }
    }

    /// What a chunk's error says of the store; an error if it says nothing of what is stored.
    fn blame(&mut self, error: ChunkError) -> Result<DamageNumber, CheckError> {
        if error.trouble() != Trouble::Integrity {
            return Err(error.into());
        }
        Ok(match (&error, error.pack()) {
            (_, Some(pack)) => {
                let pack = pack.to_owned();
                self.damages.add(&pack, &chain(&error))
            }
            (ChunkError::Unknown(id), None) => self.unknown(&id.clone(), None),
            (_, None) => self.damages.add(INDEX, &chain(&error)),
        })
    }
}

impl Known {
    fn remember_list(&mut self, id: ChunkId, part: ListPart, hits: &Hits) {
        // Begun anew when it is full: what repeats itself now is still walked once.
        if self.lists_held >= NODES_KEPT {
            self.lists.clear();
            self.lists_held = 0;
        }
        self.lists_held += 1 + hits.len();
        self.lists.insert((id, part), hits.clone());
    }
}

impl Subtree {
    fn is(&self, promise: &Promise<'_>) -> bool {
        (self.level, self.entries, self.bytes) == (promise.level, promise.entries, promise.bytes)
            && promise.last.is_none_or(|last| *last == *self.last)
    }
}

impl Place<'_> {
    /// Where ids are unique.
    fn scope(&self) -> (Domain, Scope) {
        (self.source.domain, self.source.scope)
    }

    /// Checks the path of an entry against what came before: order, and that a folder is above it.
    fn enter(&mut self, path: &[u8]) -> Result<(), &'static str> {
        if self.before.as_deref().is_some_and(|before| path_cmp(before, path) != Ordering::Less) {
            return Err("the order of its entries is wrong");
        }
        if path.is_empty() {
            self.folders.clear();
            return Ok(());
        }
        let parent = parent_of(path);
        while self.folders.last().is_some_and(|folder| folder != parent) {
            self.folders.pop();
        }
        if self.folders.is_empty() { Err("an entry has no folder above it") } else { Ok(()) }
    }

    fn leave(&mut self, path: Vec<u8>, is_folder: bool) {
        let parent = parent_of(&path);
        if !path.is_empty() && self.folders.last().is_none_or(|folder| folder != parent) {
            // Behind a part that was not walked again: all that leads to its last entry is folders.
            self.folders = ancestors(&path);
        }
        if is_folder {
            self.folders.push(path.clone());
        }
        self.before = Some(path);
    }

    /// Goes on behind a lost part that ended with `path`. What follows has its folder among those that lead there.
    fn jump(&mut self, path: &[u8]) {
        self.folders = ancestors(path);
        self.folders.push(path.to_vec());
        self.before = Some(path.to_vec());
    }

    /// Names the paths between the entry before and `last`.
    fn range(&self, last: Option<&[u8]>) -> Vec<u8> {
        let label = &self.source.label;
        let mut text = match &self.before {
            Some(before) => [b"everything after ", &full_path(label, before)[..]].concat(),
            None => [b"everything in ", &label[..]].concat(),
        };
        if let Some(last) = last {
            text.extend_from_slice(b" up to ");
            text.extend(full_path(label, last));
        }
        text
    }
}

/// Folders above an entry, from the root on.
fn ancestors(path: &[u8]) -> Vec<Vec<u8>> {
    let mut folders = Vec::new();
    let mut path = path;
    while !path.is_empty() {
        path = parent_of(path);
        folders.push(path.to_vec());
    }
    folders.reverse();
    folders
}

fn full_path(label: &[u8], path: &[u8]) -> Vec<u8> {
    if path.is_empty() {
        return label.to_vec();
    }
    let label = label.strip_suffix(b"/").unwrap_or(label);
    [label, b"/", path].concat()
}

fn open_node(chunks: &Chunks<'_>, promise: &Promise<'_>) -> Result<Vec<NodeItem>, Fault> {
    if promise.level > limits::TREE_LEVEL {
        return Err(Fault::Node("its level is too high".into()));
    }
    let plain = chunks.get(promise.id, ChunkType::Node)?;
    let items = parse_node(&plain, promise.level)?;
    let sum = |of: fn(&NodeItem) -> u64| items.iter().try_fold(0u64, |sum, item| sum.checked_add(of(item)));
    if sum(|item| item.entries) != Some(promise.entries) || sum(|item| item.bytes) != Some(promise.bytes) {
        return Err(Fault::Node("its sums are not those above it".into()));
    }
    if promise.last.is_some_and(|last| items.last().is_none_or(|item| item.last_path != last)) {
        return Err(Fault::Node("its last path is not that above it".into()));
    }
    Ok(items)
}

fn open_leaf(chunks: &Chunks<'_>, promise: &Promise<'_>) -> Result<Vec<Entry>, Fault> {
    let plain = chunks.get(promise.id, ChunkType::Leaf)?;
    let entries = parse_leaf(&plain)?.entries;
    let files = entries.iter().filter(|entry| entry.kind == Kind::File);
    let bytes = files.map(|entry| entry.size).try_fold(0u64, u64::checked_add);
    if entries.len() as u64 != promise.entries || bytes != Some(promise.bytes) {
        return Err(Fault::Node("its sums are not those above it".into()));
    }
    if promise.last.is_some_and(|last| entries.last().is_none_or(|entry| entry.path != last)) {
        return Err(Fault::Node("its last path is not that above it".into()));
    }
    Ok(entries)
}

/// The items of a list node with their bytes. `part.level` is the node's own plus one.
fn open_list(chunks: &Chunks<'_>, id: &ChunkId, part: ListPart) -> Result<Vec<(ChunkId, u64)>, Fault> {
    let wrong = |what: &str| Err(Fault::Node(what.into()));
    if part.level > limits::TREE_LEVEL + 1 || part.bytes == 0 {
        return wrong("its depth or its length is not possible");
    }
    let level = part.level - 1;
    let plain = chunks.get(id, ChunkType::List)?;
    match (parse_list(&plain, level)?, part.chunking) {
        (ListNode::Content(items), Chunking::ContentDefined) => {
            let sum = items.iter().try_fold(0u64, |sum, (_, len)| sum.checked_add(*len));
            if sum == Some(part.bytes) { Ok(items) } else { wrong("its sum is not that above it") }
        }
        (ListNode::Fixed(ids), Chunking::Fixed(chunk)) => {
            // All items but the last cover the same number of bytes, so that positions can be computed.
            let full = u64::from(chunk).saturating_mul(16u64.saturating_pow(level.into()));
            if chunk == 0 || ids.len() as u64 != part.bytes.div_ceil(full) {
                return wrong("its length is not that above it");
            }
            let bytes = (0..ids.len() as u64).map(|n| full.min(part.bytes - n * full));
            Ok(ids.into_iter().zip(bytes).collect())
        }
        _ => wrong("it is not of the kind that the file says"),
    }
}

impl From<ChunkError> for Fault {
    fn from(error: ChunkError) -> Self {
        Self::Chunk(error)
    }
}

impl From<FormatError> for Fault {
    fn from(error: FormatError) -> Self {
        Self::Node(error.to_string())
    }
}

/// What is to blame for a chunk that nothing names.
const INDEX: &str = "the index";
/// Nodes that are remembered for each scope: 256 entries each make 100 million entries, at about 150 bytes a node.
const NODES_KEPT: usize = 400_000;
/// Damaged objects that one file is named for. Who has lost more than that of one file has lost the file.
const HITS: usize = 256;
