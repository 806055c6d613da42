//! Leaves and nodes round-trip, ascend, and have one form.

use super::entry::{MODE_BITS, NANOS};
use super::*;
use crate::entry::{Capture, Chunking, Content, Entry, Kind, Time, path_cmp};
use crate::ids::ChunkId;
use proptest::collection::{btree_set, vec};
use proptest::prelude::*;

fn times() -> impl Strategy<Value = Time> {
    (any::<i64>(), 0..NANOS).prop_map(|(secs, nanos)| Time { secs, nanos })
}

/// Content that fits its length, the holes, and the size.
fn contents() -> impl Strategy<Value = (Content, Vec<(u64, u64)>, u64)> {
    let list = (any::<[u8; 32]>(), 257..1u64 << 40, prop_oneof![Just(0), 1..=524_288u32], 1..=13u8).prop_map(
        |(root, stored, chunk_size, depth)| {
            let (chunking, depth) = match chunk_size {
                0 => (Chunking::ContentDefined, depth),
                size => (Chunking::Fixed(size), fixed_depth(stored.div_ceil(u64::from(size)))),
            };
            (Content::List { chunking, depth, root }, stored)
        },
    );
    let content = prop_oneof![
        Just((Content::Empty, 0)),
        vec(any::<u8>(), 1..=256).prop_map(|bytes| (Content::Inline(bytes.clone()), bytes.len() as u64)),
        list,
    ];
    (content, vec((1..1u64 << 30, 1..1u64 << 30), 0..4), any::<bool>()).prop_map(
        |((content, stored), gaps, at_start)| {
            let (mut holes, mut end, mut data) = (Vec::new(), 0, 0);
            for (at, (gap, len)) in gaps.into_iter().enumerate() {
                let gap = if at == 0 && at_start { 0 } else { gap.min(stored - data) };
                if gap == 0 && at > 0 {
                    break; // no content left to part two holes
                }
                holes.push((end + gap, len));
                data += gap;
                end += gap + len;
            }
            let size = stored + holes.iter().map(|(_, len)| len).sum::<u64>();
            (content, holes, size)
        },
    )
}

fn entries() -> impl Strategy<Value = Entry> {
    let numbers = (0..=MODE_BITS, 0..4u32, any::<u32>(), any::<u64>(), any::<u64>(), any::<u32>(), any::<u64>());
    let bytes = (vec(1..=255u8, 1..50), btree_set(vec(1..=255u8, 1..9), 0..3));
    let capture = (0..4, 9..=16u32, proptest::option::of((any::<u64>(), times())));
    (0..7u8, numbers, times(), times(), contents(), bytes, capture).prop_map(
        |(code, numbers, mtime, ctime, content, bytes, capture)| {
            let kind = Kind::from_byte(code).expect("a kind");
            let file = kind == Kind::File;
            let (content, holes, size) = if file { content } else { Default::default() };
            let (mode, uid, gid, inode, device, links, rdev) = numbers;
            Entry {
                path: Vec::new(),
                kind,
                mode,
                uid,
                gid,
                mtime,
                ctime,
                inode,
                device,
                links,
                size,
                content,
                holes,
                target: if kind == Kind::Symlink { bytes.0 } else { Vec::new() },
                rdev: if kind.is_device() { rdev } else { 0 },
                xattrs: bytes.1.into_iter().map(|name| (name, b"value".to_vec())).collect(),
                capture: match capture.0 {
                    _ if !file => Capture::Plain,
                    0 => Capture::Plain,
                    1 => Capture::Changed,
                    2 => Capture::Sqlite { page_size: 1 << capture.1, wal: capture.2 },
                    _ => Capture::SqliteFallback,
                },
            }
        },
    )
}

fn paths(max: usize) -> impl Strategy<Value = Vec<Vec<u8>>> {
    btree_set("([ab!]{1,3}(/[ab!]{1,3}){0,4})?", 1..max).prop_map(|paths| {
        let mut paths: Vec<Vec<u8>> = paths.into_iter().map(String::into_bytes).collect();
        paths.sort_by(|a, b| path_cmp(a, b));
        paths
    })
}

fn owner(owner: Owner) -> Option<String> {
    match owner {
        Owner::User(id) => (id != 1).then(|| format!("user{id}")),
        Owner::Group(id) => (id % 2 == 0).then(|| format!("group{id}")),
    }
}

proptest! {
    #[test]
    fn leaves_round_trip(paths in paths(20), entries in vec(entries(), 20)) {
        let entries: Vec<Entry> = paths.into_iter().zip(entries).map(|(path, entry)| Entry { path, ..entry }).collect();
        let mut encoder = LeafEncoder::new();
        for entry in &entries {
            prop_assert_eq!(encoder.push(entry), Ok(()));
        }
        prop_assert_eq!(encoder.count(), entries.len());
        let entries_len = encoder.len();
        let bytes = encoder.finish(&owner);
        let leaf = parse_leaf(&bytes);
        prop_assert_eq!(leaf.as_ref().map(|leaf| &leaf.entries), Ok(&entries));
        let users: std::collections::BTreeSet<u32> = entries.iter().map(|entry| entry.uid).filter(|id| *id != 1).collect();
        let named = leaf.expect("checked").users;
        prop_assert_eq!(named, users.into_iter().map(|id| (id, format!("user{id}").into_bytes())).collect::<Vec<_>>());
        prop_assert!(encoder.is_empty());
        prop_assert_eq!(encoder.len(), 0);

        // The buffers are used again, without a trace of the first leaf.
        for entry in &entries {
            prop_assert_eq!(encoder.push(entry), Ok(()));
        }
        prop_assert_eq!(encoder.finish(&owner), bytes);
        prop_assert!(entries_len > 0);
    }

    /// The order of a node is that of `path_cmp`, whatever is shared.
    #[test]
    fn leaves_ascend(a in "([ab!]{1,2}(/[ab!]{1,2}){0,2})?", b in "([ab!]{1,2}(/[ab!]{1,2}){0,2})?") {
        let mut encoder = LeafEncoder::new();
        encoder.push(&folder(a.as_bytes())).expect("the first entry");
        let len = encoder.len();
        let second = encoder.push(&folder(b.as_bytes()));
        prop_assert_eq!(second.is_ok(), path_cmp(a.as_bytes(), b.as_bytes()).is_lt());
        prop_assert!(second.is_ok() || encoder.len() == len);
    }

    #[test]
    fn nodes_round_trip(paths in paths(20), numbers in vec((any::<[u8; 32]>(), 1..1u64 << 50, 0..1u64 << 50), 20), level in 1..=12u8) {
        let items: Vec<NodeItem> = paths
            .into_iter()
            .zip(numbers)
            .map(|(last_path, (id, entries, bytes))| NodeItem { last_path, id: ChunkId(id), entries, bytes })
            .collect();
        let bytes = encode_node(level, &items).expect("valid");
        let before = |at: usize| at.checked_sub(1).map(|at| &items[at].last_path[..]);
        let sum: usize = items.iter().enumerate().map(|(at, item)| node_item_len(before(at), item)).sum();
        prop_assert_eq!(bytes.len(), NODE_HEAD + sum);
        prop_assert_eq!(parse_node(&bytes, level), Ok(items));
    }

    /// What parses is written back to the same bytes: there is one way to write a leaf.
    #[test]
    fn leaves_have_one_form(entries in vec(entries(), 1..4), at: prop::sample::Index, byte: u8) {
        let mut encoder = LeafEncoder::new();
        for (number, entry) in entries.into_iter().enumerate() {
            encoder.push(&Entry { path: format!("p{number}").into_bytes(), ..entry }).expect("valid");
        }
        let mut bytes = encoder.finish(&owner);
        let at = at.index(bytes.len());
        bytes[at] = byte;
        if let Ok(leaf) = parse_leaf(&bytes) {
            for entry in &leaf.entries {
                encoder.push(entry).expect("parsed");
            }
            let name = |names: &[(u32, Vec<u8>)], id| {
                names.iter().find(|(named, _)| *named == id).map(|(_, name)| name.clone())
            };
            // Names that are not UTF-8 cannot come from the encoder.
            let utf8 = leaf.users.iter().chain(&leaf.groups).all(|(_, name)| std::str::from_utf8(name).is_ok());
            let again = encoder.finish(&|owner| String::from_utf8(match owner {
                Owner::User(id) => name(&leaf.users, id)?,
                Owner::Group(id) => name(&leaf.groups, id)?,
            }).ok());
            prop_assert!(!utf8 || again == bytes);
        }
    }

    #[test]
    fn any_bytes_are_safe(kind in 1..3u8, level in 0..2u8, count in 0..5u8, bytes in vec(any::<u8>(), 0..150)) {
        let bytes = [&[kind, level, count, 0][..], &bytes].concat();
        let _ = (parse_leaf(&bytes), parse_node(&bytes, level));
    }
}

#[test]
fn fixed_depth_is_the_smallest_that_holds_all() {
    for (chunks, depth) in
        [(0, 0), (1, 0), (2, 1), (16, 1), (17, 2), (256, 2), (257, 3), (1 << 52, 13), ((1 << 52) + 1, 14)]
    {
        assert_eq!(fixed_depth(chunks), depth, "{chunks}");
    }
}

#[test]
fn owner_names_stay_in_their_limit() {
    let mut encoder = LeafEncoder::new();
    for number in 0..1000u32 {
        encoder.push(&Entry { uid: number, ..folder(format!("{number:04}").as_bytes()) }).expect("valid");
    }
    let leaf = parse_leaf(&encoder.finish(&|_| Some("n".repeat(255)))).expect("within the limit");
    assert!(leaf.users.len() > 250 && leaf.users.len() < 257);
    assert_eq!((leaf.groups.len(), leaf.entries.len()), (1, 1000));

    encoder.push(&folder(b"")).expect("valid");
    let leaf = parse_leaf(&encoder.finish(&|_| Some("n".repeat(256)))).expect("left out");
    assert!(leaf.users.is_empty());
}

fn folder(path: &[u8]) -> Entry {
    Entry {
        path: path.to_vec(),
        kind: Kind::Dir,
        mode: 0o755,
        uid: 0,
        gid: 0,
        mtime: Time::default(),
        ctime: Time::default(),
        inode: 0,
        device: 0,
        links: 1,
        size: 0,
        content: Content::Empty,
        holes: Vec::new(),
        target: Vec::new(),
        rdev: 0,
        xattrs: Vec::new(),
        capture: Capture::Plain,
    }
}
