//! The cases of this version: good bytes, and every way in which one value of them can be bad. Written with plain pieces of bytes, not with
//! the encoders, which refuse most of them.

use super::codec::{Vector, decode};
use std::slice::from_ref;

/// Names and vectors; names are unique within a structure.
pub(crate) fn all() -> Vec<(String, Vector)> {
    let mut cases = Cases::default();
    names(&mut cases);
    headers(&mut cases);
    frames(&mut cases);
    texts(&mut cases);
    footers(&mut cases);
    trailers(&mut cases);
    tables(&mut cases);
    leaves(&mut cases);
    leaf_paths(&mut cases);
    leaf_contents(&mut cases);
    leaf_options(&mut cases);
    leaf_owners(&mut cases);
    nodes(&mut cases);
    lists(&mut cases);
    checkpoints(&mut cases);
    cases.all
}

#[derive(Default)]
struct Cases {
    structure: &'static str,
    suite: u8,
    place: Option<(String, u64)>,
    all: Vec<(String, Vector)>,
}

impl Cases {
    fn of(&mut self, structure: &'static str, suite: u8, place: Option<(&str, u64)>) {
        self.structure = structure;
        self.suite = suite;
        self.place = place.map(|(name, value)| (name.to_owned(), value));
    }

    fn ok(&mut self, name: &str, bytes: Vec<u8>) {
        self.push(name, Ok(()), bytes);
        // The fields are for readers of the file, and change under review: see the diff that writing them again gives.
        let vector = &mut self.all.last_mut().expect("just pushed").1;
        if let Some(Ok(decoded)) = decode(vector) {
            vector.fields = decoded.fields;
        }
    }

    fn bad(&mut self, name: &str, error: &str, bytes: Vec<u8>) {
        self.push(name, Err(error.to_owned()), bytes);
    }

    fn push(&mut self, name: &str, outcome: Result<(), String>, bytes: Vec<u8>) {
        let (structure, place) = (self.structure.to_owned(), self.place.clone());
        let taken = self.all.iter().any(|(taken, vector)| taken == name && vector.structure == structure);
        assert!(!taken, "two cases {structure}/{name}");
        let note = name.replace('-', " ");
        let vector =
            Vector { structure, outcome, suite: self.suite, note: Some(note), place, fields: Vec::new(), bytes };
        self.all.push((name.to_owned(), vector));
    }
}

fn names(cases: &mut Cases) {
    cases.of("name", 1, None);
    let (device, hash) = ("0123456789abcdef".repeat(2), "fedcba9876543210".repeat(4));
    let good = [
        ("roster", format!("zv1/r/0000000a-{hash}")),
        ("log", format!("zv1/l/{device}/00000000ffffffff-{hash}")),
        ("data-pack", format!("zv1/p/{device}/{hash}")),
        ("tree-pack", format!("zv1/t/{device}/{hash}")),
        ("delta", format!("zv1/i/{device}/{hash}")),
        ("shard", format!("zv1/x/{device}/{hash}")),
        ("checkpoint", format!("zv1/c/{device}/{hash}")),
        ("mail", format!("zv1/m/{device}/03-{hash}")),
    ];
    for (name, path) in &good {
        cases.ok(name, path.clone().into_bytes());
        cases.bad(&format!("{name}-upper-case"), "Invalid", path.to_uppercase().replace("ZV1/", "zv1/").into_bytes());
        cases.bad(&format!("{name}-short-hash"), "Invalid", path.as_bytes()[..path.len() - 1].to_vec());
        cases.bad(&format!("{name}-long-hash"), "Invalid", format!("{path}0").into_bytes());
        cases.bad(&format!("{name}-extension"), "Invalid", format!("{path}.tmp").into_bytes());
    }
    let pack = &good[2].1;
    for (name, path) in [
        ("empty", String::new()),
        ("folder", "zv1/p/".to_owned()),
        ("other-version", pack.replace("zv1", "zv2")),
        ("unknown-kind", pack.replace("/p/", "/q/")),
        ("leading-slash", format!("/{pack}")),
        ("trailing-slash", format!("{pack}/")),
        ("double-slash", pack.replace("/p/", "/p//")),
        ("dots", pack.replace("/p/", "/p/../p/")),
        ("not-hex", pack.replace('a', "g")),
        ("pack-without-device", format!("zv1/p/{hash}")),
        ("pack-short-device", pack.replace(&device, &device[1..])),
        ("log-short-seq", good[1].1.replace("/00", "/0")),
        ("log-without-dash", good[1].1.replace('-', "_")),
        ("roster-with-device", format!("zv1/r/{device}/0000000a-{hash}")),
        ("mail-long-number", good[7].1.replace("/03", "/003")),
        ("line-break", format!("{pack}\n")),
    ] {
        cases.bad(name, "Invalid", path.into_bytes());
    }
    cases.bad("not-utf-8", "Invalid", [pack.as_bytes(), &[0xff]].concat());
}

fn headers(cases: &mut Cases) {
    let header = |suite: u8, object_type: u8, mode: u8, domain: u8| {
        let head = [&b"ZVLT"[..], &[1, suite, object_type, mode]].concat();
        [&head[..], &[0x11; 32], &[0x22; 16], &[domain; 16], &[0x44; 16], &[0x55; 32]].concat()
    };
    let roster = with(&header(1, 6, 3, 0), 40, &[0; 16]);
    for suite in [1, 2] {
        cases.of("header", suite, None);
        for (name, object_type, mode, domain) in [
            ("data-pack", 1, 1, 0),
            ("data-pack-sealed", 1, 2, 0x33),
            ("tree-pack", 2, 1, 0),
            ("tree-pack-sealed", 2, 2, 0x33),
            ("delta", 3, 1, 0x33),
            ("shard", 4, 1, 0),
            ("entry", 5, 1, 0),
            ("entry-clear", 5, 3, 0),
            ("mail", 7, 3, 0),
            ("checkpoint", 8, 1, 0),
        ] {
            cases.ok(&format!("{name}-suite-{suite}"), header(suite, object_type, mode, domain));
        }
        cases.ok(&format!("roster-suite-{suite}"), with(&roster, 5, &[suite]));
    }
    cases.of("header", 1, None);
    let good = header(1, 1, 1, 0);
    cases.bad("empty", "Truncated", Vec::new());
    cases.bad("short", "Truncated", good[..119].to_vec());
    cases.bad("magic", "Invalid", with(&good, 0, b"ZVLS"));
    cases.bad("major", "NewerFormat", with(&good, 4, &[2]));
    cases.bad("suite", "NewerFormat", with(&good, 5, &[3]));
    cases.bad("type-zero", "NewerFormat", with(&good, 6, &[0]));
    cases.bad("type", "NewerFormat", with(&good, 6, &[9]));
    cases.bad("mode-zero", "NewerFormat", with(&good, 7, &[0]));
    cases.bad("mode", "NewerFormat", with(&good, 7, &[4]));
    for (name, object_type, mode, domain) in [
        ("pack-of-readers-sealed", 1, 2, 0),
        ("pack-of-a-pusher-symmetric", 1, 1, 0x33),
        ("pack-clear", 2, 3, 0),
        ("delta-sealed", 3, 2, 0x33),
        ("delta-clear", 3, 3, 0),
        ("shard-clear", 4, 3, 0),
        ("entry-sealed", 5, 2, 0),
        ("roster-with-epoch", 6, 3, 0),
        ("mail-symmetric", 7, 1, 0),
        ("checkpoint-clear", 8, 3, 0),
        ("checkpoint-sealed", 8, 2, 0x33),
        ("checkpoint-of-a-pusher", 8, 1, 0x33),
    ] {
        cases.bad(name, "Invalid", header(1, object_type, mode, domain));
    }
    cases.bad("roster-symmetric", "Invalid", with(&roster, 7, &[1]));
    cases.bad("roster-with-domain", "Invalid", with(&roster, 56, &[1]));
}

fn checkpoints(cases: &mut Cases) {
    let record = |numbers: [u8; 3], seq: u64, lens: [u32; 3], rest: &[&[u8]]| {
        let lens = lens.map(u32::to_le_bytes).concat();
        let ids = [[0x33; 16], [0x22; 16], [0; 16]].concat();
        [&ids[..], &numbers, &seq.to_le_bytes(), &lens, &[0x11; 32], &[0x55; 32], &rest.concat()].concat()
    };
    let (one, two, tag, body): (&[u8], &[u8], &[u8], &[u8]) = (&[1; 32], &[2; 32], &[6; 16], b"body");
    for (suite, nonce) in [(1, &[5; 24][..]), (2, &[5; 12][..])] {
        cases.of("checkpoint", suite, None);
        let stored = record([1, 1, 0], 2, [723, 4, 4], &[one, nonce, tag, body]);
        cases.ok(&format!("stored-suite-{suite}"), stored.clone());
        let zstd = record([1, 2, 1], 7, [4819, 1000, 4], &[one, two, nonce, tag, body]);
        cases.ok(&format!("zstd-suite-{suite}"), zstd.clone());
        let clear = record([3, 0, 0], 1, [723, 4, 4], &[body]);
        cases.ok(&format!("clear-suite-{suite}"), clear.clone());
        cases.ok(&format!("three-suite-{suite}"), [stored, zstd, clear].concat());
    }
    cases.of("checkpoint", 1, None);
    let nonce: &[u8] = &[5; 24];
    let good = record([1, 1, 0], 2, [723, 4, 4], &[one, nonce, tag, body]);
    cases.ok("empty", Vec::new());
    for (name, at) in
        [("cut-in-body", good.len() - 1), ("cut-in-tag", good.len() - 5), ("cut-in-prev", 150), ("cut", 40)]
    {
        cases.bad(name, "Truncated", good[..at].to_vec());
    }
    cases.bad("mode-zero", "NewerFormat", with(&good, 48, &[0]));
    cases.bad("mode-sealed", "Mismatch", with(&good, 48, &[2]));
    cases.bad("nine-predecessors", "Limit", with(&good, 49, &[9]));
    cases.bad("codec", "NewerFormat", with(&good, 50, &[2]));
    cases.bad("seq-zero", "Invalid", with(&good, 51, &[0]));
    cases.bad("seq-one-with-predecessor", "Invalid", with(&good, 51, &[1]));
    cases.bad("too-long", "Limit", record([1, 1, 0], 2, [256 << 10, 4, 4], &[one, nonce, tag, body]));
    cases.bad("body-too-long", "Truncated", record([1, 1, 0], 2, [280, 4, 4], &[one, nonce, tag, body]));
    cases.bad("huge-body", "Truncated", record([1, 1, 0], 2, [723, 4, u32::MAX], &[one, nonce, tag, body]));
    cases.bad("huge-plain", "Limit", record([1, 1, 1], 2, [723, u32::MAX, 4], &[one, nonce, tag, body]));
    cases.bad("stored-of-another-length", "Invalid", record([1, 1, 0], 2, [723, 5, 4], &[one, nonce, tag, body]));
    cases.bad("clear-of-another-length", "Invalid", record([3, 0, 0], 1, [723, 5, 4], &[body]));
    cases.bad("clear-compressed", "NewerFormat", record([3, 0, 1], 1, [723, 4, 4], &[body]));
    cases.bad("predecessors-in-disorder", "Order", record([1, 2, 0], 2, [723, 4, 4], &[two, one, nonce, tag, body]));
    cases.bad("predecessor-twice", "Order", record([1, 2, 0], 2, [723, 4, 4], &[one, one, nonce, tag, body]));
}

fn frames(cases: &mut Cases) {
    for (suite, overhead) in [(1, 72), (2, 60)] {
        cases.of("frame", suite, None);
        let frame: Vec<u8> = (0..overhead + 20).collect();
        let least = usize::from(overhead) + 9;
        cases.ok(&format!("frame-suite-{suite}"), frame.clone());
        cases.ok(&format!("shortest-suite-{suite}"), frame[..least].to_vec());
        cases.bad(&format!("text-without-head-suite-{suite}"), "Truncated", frame[..least - 1].to_vec());
        cases.bad(&format!("without-text-suite-{suite}"), "Truncated", frame[..usize::from(overhead)].to_vec());
        cases.bad(&format!("short-syn-suite-{suite}"), "Truncated", frame[..31].to_vec());
        cases.bad(&format!("empty-suite-{suite}"), "Truncated", Vec::new());
    }
}

fn texts(cases: &mut Cases) {
    cases.of("text", 1, None);
    let text = |codec: u8, body_len: u32, plain_len: u32, rest: &[u8]| {
        [&[codec][..], &body_len.to_le_bytes(), &plain_len.to_le_bytes(), rest].concat()
    };
    cases.ok("stored", text(0, 5, 5, b"hello"));
    cases.ok("stored-padded", text(0, 5, 5, b"hello\0\0\0"));
    cases.ok("zstd", text(1, 5, 1000, b"12345\0"));
    cases.ok("pad-frame", text(0, 0, 0, &[0; 100]));
    cases.ok("without-body", text(0, 0, 0, b""));
    cases.bad("empty", "Truncated", Vec::new());
    cases.bad("short-head", "Truncated", text(0, 0, 0, b"")[..8].to_vec());
    cases.bad("short-body", "Truncated", text(0, 5, 5, b"hell"));
    cases.bad("huge-body", "Truncated", text(1, u32::MAX, 5, b"hell"));
    cases.bad("codec", "NewerFormat", text(2, 5, 5, b"hello"));
    cases.bad("stored-shorter", "Invalid", text(0, 5, 6, b"hello"));
    cases.bad("stored-longer", "Invalid", text(0, 5, 4, b"hello"));
    cases.bad("padding-first", "NotZero", text(0, 5, 5, b"hello\x01\0"));
    cases.bad("padding-last", "NotZero", text(0, 5, 5, &[b"hello", &[0; 600][..], &[0x80]].concat()));
}

fn footers(cases: &mut Cases) {
    cases.of("footer", 1, Some(("pack_len", 65_536)));
    let chunk = |id: u8, kind: u8, len: u32| [&[id; 32][..], &[kind], &len.to_le_bytes()[..3]].concat();
    let segment = |offset: u32, frame_len: u32, plain_len: u32, chunks: &[Vec<u8>]| {
        let numbers = [offset, frame_len, plain_len, chunks.len() as u32].map(u32::to_le_bytes).concat();
        [&[7; 16][..], &numbers, &chunks.concat()].concat()
    };
    let footer = |segments: &[Vec<u8>]| [&(segments.len() as u32).to_le_bytes()[..], &segments.concat()].concat();
    let first = segment(152, 1000, 3000, &[chunk(1, 1, 1000), chunk(2, 1, 2000)]);
    let second = segment(1152, 500, 400, &[chunk(3, 1, 400)]);
    let good = footer(&[first.clone(), second.clone()]);
    cases.ok("data", good.clone());
    cases.ok("tree", footer(&[segment(152, 1000, 6, &[chunk(1, 2, 1), chunk(2, 3, 2), chunk(3, 4, 3)])]));
    cases.ok("sealed", footer(&[segment(1272, 1000, 6, &[chunk(1, 1, 6)])]));
    cases.ok("to-the-end", footer(&[segment(152, 65_384, 524_288, &[chunk(1, 1, 524_288)])]));
    cases.ok("same-chunk-twice", footer(&[segment(152, 1000, 6, &[chunk(1, 1, 3), chunk(1, 1, 3)])]));

    cases.bad("empty", "Truncated", Vec::new());
    cases.bad("short", "Truncated", good[..good.len() - 1].to_vec());
    cases.bad("trailing", "Trailing", [&good[..], &[0]].concat());
    cases.bad("no-segments", "Invalid", footer(&[]));
    cases.bad("one-segment-too-many-counted", "Truncated", with(&good, 0, &[3]));
    cases.bad("segments-not-in-the-bytes", "Truncated", with(&good, 0, &65_536u32.to_le_bytes()));
    cases.bad("segments-over-limit", "Limit", with(&good, 0, &65_537u32.to_le_bytes()));
    cases.bad("chunks-not-in-the-bytes", "Truncated", with(&good, 32, &262_144u32.to_le_bytes()));
    cases.bad("chunks-over-limit", "Limit", with(&good, 32, &262_145u32.to_le_bytes()));
    cases.bad("first-offset-in-header", "Invalid", footer(&[segment(151, 1000, 6, &[chunk(1, 1, 6)])]));
    cases.bad("gap", "Invalid", footer(&[first.clone(), segment(1153, 500, 400, &[chunk(3, 1, 400)])]));
    cases.bad("overlap", "Invalid", footer(&[first.clone(), segment(1151, 500, 400, &[chunk(3, 1, 400)])]));
    cases.bad("past-the-pack", "Invalid", footer(&[segment(152, 65_385, 6, &[chunk(1, 1, 6)])]));
    cases.bad("offset-overflow", "Invalid", footer(&[segment(152, u32::MAX, 6, &[chunk(1, 1, 6)])]));
    cases.bad("frame-too-short", "Invalid", footer(&[segment(152, 68, 6, &[chunk(1, 1, 6)])]));
    cases.bad("no-chunks", "Invalid", footer(&[segment(152, 1000, 0, &[])]));
    cases.bad("empty-chunk", "Invalid", footer(&[segment(152, 1000, 6, &[chunk(1, 1, 6), chunk(2, 1, 0)])]));
    cases.bad("sum-too-small", "Invalid", footer(&[segment(152, 1000, 7, &[chunk(1, 1, 6)])]));
    cases.bad("sum-too-large", "Invalid", footer(&[segment(152, 1000, 5, &[chunk(1, 1, 6)])]));
    cases.bad("file-chunk-over-limit", "Limit", footer(&[segment(152, 1000, 524_289, &[chunk(1, 1, 524_289)])]));
    cases.bad("node-over-limit", "Limit", footer(&[segment(152, 1000, 1_048_577, &[chunk(1, 3, 1_048_577)])]));
    let nodes: Vec<_> = (0..3).map(|id| chunk(id, 3, 1 << 20)).collect();
    cases.bad("segment-over-limit", "Limit", footer(&[segment(152, 1000, 3 << 20, &nodes)]));
    cases.bad("chunk-type-zero", "NewerFormat", footer(&[segment(152, 1000, 6, &[chunk(1, 0, 6)])]));
    cases.bad("chunk-type", "NewerFormat", footer(&[segment(152, 1000, 6, &[chunk(1, 5, 6)])]));
    cases.bad("mixture-in-segment", "Invalid", footer(&[segment(152, 1000, 6, &[chunk(1, 1, 3), chunk(1, 2, 3)])]));
    cases.bad("mixture-of-segments", "Invalid", footer(&[first, segment(1152, 500, 400, &[chunk(3, 2, 400)])]));
}

fn trailers(cases: &mut Cases) {
    let trailer = |offset: u32, len: u32, count: u32| [offset, len, count].map(u32::to_le_bytes).concat();
    for (suite, frame) in [(1u8, 93), (2, 81)] {
        cases.of("trailer", suite, Some(("pack_len", 65_536)));
        let end = 65_536 - frame;
        let least = frame - 12; // of a frame
        cases.ok(&format!("trailer-suite-{suite}"), trailer(end - 1000, 1000, 3));
        cases.ok(&format!("shortest-footer-suite-{suite}"), trailer(end - least, least, 1));
        let first = 152 + 2 * least;
        cases.ok(&format!("earliest-footer-suite-{suite}"), trailer(first, end - first, 1));
        cases.bad(&format!("footer-before-the-pad-suite-{suite}"), "Invalid", trailer(first - 1, end - first + 1, 1));
        cases.bad(&format!("footer-too-short-suite-{suite}"), "Invalid", trailer(end - least + 1, least - 1, 1));
        cases.bad(&format!("gap-suite-{suite}"), "Invalid", trailer(end - 1001, 1000, 3));
        cases.bad(&format!("overlap-suite-{suite}"), "Invalid", trailer(end - 999, 1000, 3));
    }
    cases.of("trailer", 1, Some(("pack_len", 65_536)));
    let good = trailer(65_536 - 93 - 1000, 1000, 3);
    cases.bad("short", "Truncated", good[..11].to_vec());
    cases.bad("trailing", "Trailing", [&good[..], &[0]].concat());
    cases.bad("no-segments", "Invalid", with(&good, 8, &[0]));
    cases.bad("segments-not-in-the-pack", "Invalid", with(&good, 8, &65_536u32.to_le_bytes()));
    cases.bad("segments-over-limit", "Limit", with(&good, 8, &65_537u32.to_le_bytes()));
    cases.bad("overflow", "Invalid", trailer(u32::MAX, u32::MAX, 3));
}

fn tables(cases: &mut Cases) {
    cases.of("table", 1, None);
    let pack = |name: u8, tree: u8, units: u16| [&[9; 16][..], &[tree], &units.to_le_bytes(), &[name; 32]].concat();
    let u24 = |number: u32| number.to_le_bytes()[..3].to_vec();
    let segment =
        |pack: u32, slot: u32, place: [u32; 3]| [u24(pack), u24(slot), place.map(u32::to_le_bytes).concat()].concat();
    let row =
        |id: u8, segment: u32, offset: u32, len: u32| [vec![id; 32], u24(segment), u24(offset), u24(len)].concat();
    let counted = |things: &[Vec<u8>]| [&(things.len() as u32).to_le_bytes()[..], &things.concat()].concat();
    let table = |kind: u8, packs: &[Vec<u8>], segments: &[Vec<u8>], rows: &[Vec<u8>]| {
        [vec![kind], counted(packs), counted(segments), counted(rows)].concat()
    };
    let packs = [pack(1, 0, 256), pack(2, 1, 1)];
    let segments =
        [segment(0, 0, [152, 1000, 500]), segment(0, 65_535, [1152, 1000, 500]), segment(1, 0, [152, 65_384, 2 << 20])];
    let rows = [row(1, 2, 0, 1 << 20), row(2, 0, 0, 500), row(2, 1, 0, 500), row(3, 1, 499, 1)];
    let good = table(1, &packs, &segments, &rows);
    cases.ok("delta", good.clone());
    cases.ok("shard", table(2, &packs, &segments, &rows));
    cases.ok("without-rows", table(1, &[], &[], &[]));

    cases.bad("empty", "Truncated", Vec::new());
    cases.bad("short", "Truncated", good[..good.len() - 1].to_vec());
    cases.bad("trailing", "Trailing", [&good[..], &[0]].concat());
    cases.bad("kind-zero", "NewerFormat", with(&good, 0, &[0]));
    cases.bad("kind", "NewerFormat", with(&good, 0, &[3]));
    cases.bad("packs-not-in-the-bytes", "Truncated", with(&good, 1, &u32::MAX.to_le_bytes()));
    cases.bad("segments-not-in-the-bytes", "Truncated", with(&good, 5 + 2 * 51, &u32::MAX.to_le_bytes()));
    cases.bad("rows-not-in-the-bytes", "Truncated", with(&good, 9 + 2 * 51 + 3 * 18, &u32::MAX.to_le_bytes()));
    let of = |pack: Vec<u8>, segment: Vec<u8>, row: Vec<u8>| table(1, &[pack], &[segment], &[row]);
    let (one_pack, one_segment, one_row) = (pack(1, 0, 1), segment(0, 0, [152, 1000, 500]), row(1, 0, 0, 500));
    cases.bad("pack-kind", "NewerFormat", of(pack(1, 2, 1), one_segment.clone(), one_row.clone()));
    for (name, units) in [("pack-size-zero", 0), ("pack-size-no-class", 34 * 2 + 1), ("pack-size-over-limit", 257)] {
        cases.bad(name, "Invalid", of(pack(1, 0, units), one_segment.clone(), one_row.clone()));
    }
    cases.bad("pack-unused", "Invalid", table(1, &packs, from_ref(&one_segment), from_ref(&one_row)));
    let place = |place: [u32; 3]| of(one_pack.clone(), segment(0, 0, place), one_row.clone());
    cases.bad(
        "segment-pack-unknown",
        "Invalid",
        of(one_pack.clone(), segment(1, 0, [152, 1000, 500]), one_row.clone()),
    );
    cases.bad(
        "segment-slot-over-limit",
        "Limit",
        of(one_pack.clone(), segment(0, 65_536, [152, 1000, 500]), one_row.clone()),
    );
    cases.bad("segment-in-header", "Invalid", place([151, 1000, 500]));
    cases.bad("segment-past-the-pack", "Invalid", place([152, 65_385, 500]));
    cases.bad("segment-overflow", "Invalid", place([u32::MAX, u32::MAX, 500]));
    cases.bad("segment-frame-too-short", "Invalid", place([152, 68, 500]));
    cases.bad("segment-over-limit", "Limit", place([152, 1000, (2 << 20) + 1]));
    cases.bad("segment-unused", "Invalid", table(1, &packs, &segments, &rows[..2]));
    let a_row = |row: Vec<u8>| of(one_pack.clone(), one_segment.clone(), row);
    cases.bad("row-segment-unknown", "Invalid", a_row(row(1, 1, 0, 500)));
    cases.bad("row-empty", "Invalid", a_row(row(1, 0, 0, 0)));
    cases.bad("row-past-the-segment", "Invalid", a_row(row(1, 0, 1, 500)));
    cases.bad(
        "row-over-limit",
        "Limit",
        table(1, &packs[1..], &[segment(0, 0, [152, 1000, 2 << 20])], &[row(1, 0, 0, (1 << 20) + 1)]),
    );
    let sorted = |rows: &[Vec<u8>]| table(1, &packs, &segments, rows);
    cases.bad("rows-equal", "Order", sorted(&[rows[0].clone(), rows[1].clone(), rows[1].clone(), rows[3].clone()]));
    cases.bad("rows-by-segment-descending", "Order", sorted(&[rows[0].clone(), rows[2].clone(), rows[1].clone()]));
    cases.bad("rows-by-id-descending", "Order", sorted(&[rows[1].clone(), rows[0].clone(), rows[2].clone()]));
}

/// An entry in pieces: a plain empty file, unless changed.
#[derive(Clone)]
struct RawEntry {
    shared: Vec<u8>,
    rest: Vec<u8>,
    kind: u8,
    mode: Vec<u8>,
    uid: Vec<u8>,
    gid: Vec<u8>,
    mtime: Vec<u8>,
    ctime: Vec<u8>,
    numbers: Vec<u8>,
    size: Vec<u8>,
    content: Vec<u8>,
    options: Vec<u8>,
}

const FILE: u8 = 0;
const FOLDER: u8 = 1;
const SYMLINK: u8 = 2;
const SQLITE: u8 = 0x20;

impl RawEntry {
    fn new(shared: u64, rest: &[u8], kind: u8) -> Self {
        Self {
            shared: varint(shared),
            rest: lp(rest),
            kind,
            mode: varint(0o644),
            uid: varint(1000),
            gid: varint(100),
            mtime: time(1_700_000_000, 123_456_789),
            ctime: time(-1, 999_999_999),
            numbers: [varint(u64::MAX), varint(64_768), varint(1)].concat(),
            size: varint(0),
            content: vec![0],
            options: vec![0],
        }
    }

    fn bytes(&self) -> Vec<u8> {
        let Self { shared, rest, kind, mode, uid, gid, mtime, ctime, numbers, size, content, options } = self.clone();
        [shared, rest, vec![kind], mode, uid, gid, mtime, ctime, numbers, size, content, options].concat()
    }
}

fn leaf_of(entries: &[RawEntry]) -> Vec<u8> {
    leaf_with_owners(entries, &[0], &[0])
}

fn leaf_with_owners(entries: &[RawEntry], users: &[u8], groups: &[u8]) -> Vec<u8> {
    let entries: Vec<u8> = entries.iter().flat_map(RawEntry::bytes).collect();
    [&head(1, 0, 1), users, groups, &entries].concat()
}

/// A leaf of one changed entry.
fn one(kind: u8, change: impl Fn(&mut RawEntry)) -> Vec<u8> {
    let mut entry = RawEntry::new(0, b"a", kind);
    change(&mut entry);
    leaf_of(&[entry])
}

fn counted(entries: &[RawEntry]) -> Vec<u8> {
    with(&leaf_of(entries), 2, &(entries.len() as u16).to_le_bytes())
}

fn leaves(cases: &mut Cases) {
    cases.of("leaf", 1, None);
    let entry = |kind| RawEntry::new(0, b"a", kind);
    let good = leaf_of(&[entry(FILE)]);
    cases.ok("one-file", good.clone());
    cases.ok("root-only", leaf_of(&[RawEntry::new(0, b"", FOLDER)]));
    let shortest = one(FOLDER, |entry| {
        entry.rest = lp(b"");
        for field in [&mut entry.mode, &mut entry.uid, &mut entry.gid] {
            *field = vec![0];
        }
        (entry.mtime, entry.ctime, entry.numbers) = (time(0, 0), time(0, 0), vec![0; 3]);
    });
    cases.ok("shortest-entry", shortest);
    for (name, kind) in [("fifo", 3), ("socket", 4)] {
        cases.ok(name, leaf_of(&[entry(kind)]));
    }
    cases.ok("changed-while-read", leaf_of(&[entry(0x10)]));
    cases.ok("sqlite-read-as-a-file", leaf_of(&[entry(0x30)]));
    cases.ok(
        "greatest-numbers",
        one(FILE, |entry| {
            entry.mode = varint(0o7777);
            entry.uid = varint(u32::MAX.into());
            entry.gid = varint(u32::MAX.into());
            entry.mtime = time(i64::MAX, 999_999_999);
            entry.ctime = time(i64::MIN, 0);
            entry.numbers = [varint(u64::MAX), varint(u64::MAX), varint(u32::MAX.into())].concat();
        }),
    );

    cases.bad("empty", "Truncated", Vec::new());
    cases.bad("short", "Truncated", good[..good.len() - 1].to_vec());
    cases.bad("trailing", "Trailing", [&good[..], &[0]].concat());
    cases.bad("node-kind-unknown", "NewerFormat", with(&good, 0, &[5]));
    cases.bad("node-kind-other", "Mismatch", with(&good, 0, &[2]));
    cases.bad("level", "Mismatch", with(&good, 1, &[1]));
    cases.bad("no-entries", "Invalid", [head(1, 0, 0), vec![0, 0]].concat());
    cases.bad("entries-not-in-the-bytes", "Truncated", with(&good, 2, &4096u16.to_le_bytes()));
    cases.bad("entries-over-limit", "Limit", with(&good, 2, &4097u16.to_le_bytes()));
    cases.bad("kind", "NewerFormat", leaf_of(&[entry(7)]));
    cases.bad("capture", "NewerFormat", leaf_of(&[entry(0x40)]));
    cases.bad("capture-of-a-folder", "Invalid", leaf_of(&[entry(0x11)]));
    cases.bad("mode-over-limit", "Invalid", one(FILE, |entry| entry.mode = varint(0o10000)));
    cases.bad("uid-over-limit", "Limit", one(FILE, |entry| entry.uid = varint(1 << 32)));
    cases.bad("gid-over-limit", "Limit", one(FILE, |entry| entry.gid = varint(1 << 32)));
    cases.bad("links-over-limit", "Limit", one(FILE, |entry| entry.numbers = [vec![0, 0], varint(1 << 32)].concat()));
    cases.bad("mtime-nanoseconds", "Invalid", one(FILE, |entry| entry.mtime = time(0, 1_000_000_000)));
    cases.bad("ctime-nanoseconds", "Invalid", one(FILE, |entry| entry.ctime = time(0, 1_000_000_000)));
    cases.bad("varint-with-superfluous-byte", "NotCanonical", one(FILE, |entry| entry.mode = vec![0x80, 0]));
    cases.bad("varint-over-64-bits", "NotCanonical", one(FILE, |entry| entry.size = [&[0xff; 9][..], &[2]].concat()));
}

fn leaf_paths(cases: &mut Cases) {
    let folder = |shared: u64, rest: &[u8]| RawEntry::new(shared, rest, FOLDER);
    let path = |rest: &[u8]| leaf_of(&[folder(0, rest)]);
    let two = |first: &[u8], shared: u64, rest: &[u8]| counted(&[folder(0, first), folder(shared, rest)]);
    cases.ok(
        "tree",
        counted(&[
            folder(0, b""),
            folder(0, b"a"),
            folder(1, b"/b"),
            folder(3, b"/c"),
            folder(3, b"!"),
            folder(1, b"!"),
        ]),
    );
    cases.ok("path-bytes", path(b"caf\xe9 \n\xff/\xc3\xa9"));
    cases.ok("dots-inside", path(b"..a/.b/..."));
    cases.ok("longest-component", path(&[b'x'; 4095]));
    cases.ok("longest-path", path(&[[b'x'; 4095].as_slice(); 16].join(&b'/')));
    cases.ok("deepest-path", path(&[b"x".as_slice(); 4096].join(&b'/')));
    cases.bad("component-over-limit", "Limit", path(&[b'x'; 4096]));
    cases.bad("path-over-limit", "Limit", path(&[&[[b'x'; 4095].as_slice(); 16].join(&b'/')[..], b"/"].concat()));
    cases.bad("path-over-limit-by-sharing", "Limit", two(&[[b'x'; 4095].as_slice(); 16].join(&b'/'), 65_535, b"/y"));
    cases.bad("depth-over-limit", "Limit", path(&[b"x".as_slice(); 4097].join(&b'/')));
    for (name, bytes) in [
        ("path-leading-slash", &b"/a"[..]),
        ("path-trailing-slash", b"a/"),
        ("path-double-slash", b"a//b"),
        ("path-only-slash", b"/"),
        ("path-dot", b"."),
        ("path-dot-inside", b"a/./b"),
        ("path-dots", b".."),
        ("path-dots-first", b"../a"),
        ("path-dots-last", b"a/.."),
        ("path-nul", b"a\0b"),
    ] {
        cases.bad(name, "Invalid", path(bytes));
    }
    cases.bad("path-dots-across-the-shared-part", "Invalid", two(b"a/.", 3, b"."));
    cases.bad("path-dots-completed-by-the-rest", "Invalid", two(b"a/.!", 3, b"."));
    cases.bad("path-trailing-slash-after-the-shared-part", "Invalid", two(b"a", 1, b"/"));
    cases.bad("shared-in-the-first-entry", "Invalid", leaf_of(&[folder(1, b"a")]));
    cases.bad("shared-longer-than-before", "Invalid", two(b"a", 2, b"b"));
    cases.bad("shared-less-than-there-is", "NotCanonical", two(b"ab", 1, b"bc"));
    cases.bad("path-equal", "Order", two(b"ab", 2, b""));
    cases.bad("path-cut", "Order", two(b"ab", 1, b""));
    cases.bad("path-descending", "Order", two(b"ab", 1, b"a"));
    cases.bad("slash-sorts-lowest", "Order", two(b"a!", 1, b"/b"));
    cases.bad("root-second", "Order", two(b"a", 0, b""));
    cases.bad("rest-not-in-the-bytes", "Truncated", one(FILE, |entry| entry.rest = varint(65_535)));
    cases.bad("rest-over-limit", "Limit", one(FILE, |entry| entry.rest = varint(65_536)));
}

fn leaf_contents(cases: &mut Cases) {
    let content =
        |size: u64, content: Vec<u8>| one(FILE, |entry| (entry.size, entry.content) = (varint(size), content.clone()));
    let inline = |len: usize| [vec![1], lp(&vec![0x61; len])].concat();
    let list = |depth: u8| [&[2, depth][..], &[0x77; 32]].concat();
    let fixed = |chunk_size: u32, depth: u8| [&[3][..], &chunk_size.to_le_bytes(), &[depth], &[0x77; 32]].concat();
    cases.ok("inline-shortest", content(1, inline(1)));
    cases.ok("inline-longest", content(256, inline(256)));
    cases.ok("one-chunk-shortest", content(257, list(0)));
    cases.ok("one-chunk-longest", content(524_288, list(0)));
    cases.ok("list", content(524_289, list(1)));
    cases.ok("list-deepest", content(u64::MAX, list(13)));
    cases.ok("fixed-one-chunk", content(4096, fixed(4096, 0)));
    cases.ok("fixed-16-chunks", content(65_536, fixed(4096, 1)));
    cases.ok("fixed-17-chunks", content(65_537, fixed(4096, 2)));
    cases.ok("fixed-deepest", content(1 << 52, fixed(1, 13)));

    cases.bad("content-unknown", "NewerFormat", content(0, vec![4]));
    cases.bad("content-missing", "Invalid", content(1, vec![0]));
    cases.bad("inline-without-bytes", "Invalid", content(0, inline(0)));
    cases.bad("inline-shorter-than-size", "Invalid", content(3, inline(2)));
    cases.bad("inline-longer-than-size", "Invalid", content(1, inline(2)));
    cases.bad("inline-over-limit", "Limit", content(257, inline(257)));
    cases.bad("chunk-of-what-fits-inline", "Invalid", content(256, list(0)));
    cases.bad("chunk-of-nothing", "Invalid", content(0, list(0)));
    cases.bad("one-chunk-too-long", "Invalid", content(524_289, list(0)));
    cases.bad("list-depth-over-limit", "Limit", content(u64::MAX, list(14)));
    cases.bad("fixed-size-zero", "Invalid", content(4096, fixed(0, 0)));
    cases.bad("fixed-size-over-limit", "Limit", content(4096, fixed(524_289, 0)));
    cases.bad("fixed-too-flat", "Invalid", content(4097, fixed(4096, 0)));
    cases.bad("fixed-too-deep", "Invalid", content(4096, fixed(4096, 1)));
    cases.bad("fixed-depth-over-limit", "Limit", content(u64::MAX, fixed(1, 14)));
    cases.bad("fixed-more-than-the-deepest", "Invalid", content((1 << 52) + 1, fixed(1, 13)));
    for (name, kind) in [("folder", FOLDER), ("fifo", 3), ("socket", 4)] {
        cases.bad(&format!("{name}-with-size"), "Invalid", one(kind, |entry| entry.size = varint(1)));
        cases.bad(&format!("{name}-with-content"), "Invalid", one(kind, |entry| entry.content = inline(1)));
    }
}

fn leaf_options(cases: &mut Cases) {
    let options = |kind: u8, options: Vec<u8>| one(kind, |entry| entry.options = options.clone());
    let file = |size: u64, content: Vec<u8>, holes: &[(u64, u64)]| {
        let gaps: Vec<u8> = holes.iter().flat_map(|(gap, len)| [varint(*gap), varint(*len)].concat()).collect();
        one(FILE, |entry| {
            (entry.size, entry.content) = (varint(size), content.clone());
            entry.options = [vec![1], varint(holes.len() as u64), gaps.clone()].concat();
        })
    };
    let inline = |len: usize| [vec![1], lp(&vec![0x61; len])].concat();
    cases.ok("only-a-hole", file(1 << 40, vec![0], &[(0, 1 << 40)]));
    cases.ok("hole-at-the-end", file(110, inline(10), &[(10, 100)]));
    cases.ok("two-holes", file(210, inline(10), &[(0, 100), (10, 100)]));
    cases.ok(
        "most-holes",
        file(2304, [&[2, 0][..], &[0x77; 32]].concat(), &[&[(2, 1); 256][..], &[(1, 1); 768]].concat()),
    );
    cases.bad("holes-none", "Invalid", file(10, inline(10), &[]));
    cases.bad("hole-without-length", "Invalid", file(10, inline(10), &[(5, 0)]));
    cases.bad("hole-past-the-end", "Invalid", file(110, inline(10), &[(11, 100)]));
    cases.bad("holes-touching", "Invalid", file(210, inline(10), &[(10, 100), (0, 100)]));
    cases.bad("hole-overflow", "Invalid", file(u64::MAX, inline(10), &[(2, u64::MAX)]));
    cases.bad("hole-offset-overflow", "Invalid", file(u64::MAX, inline(10), &[(1, 1), (u64::MAX, 1)]));
    cases.bad("content-where-a-hole-is", "Invalid", file(110, inline(11), &[(10, 100)]));
    cases.bad("holes-not-in-the-bytes", "Truncated", options(FILE, vec![1, 3]));
    cases.bad("holes-over-limit", "Limit", options(FILE, [vec![1], varint(1025)].concat()));
    cases.bad("holes-of-a-folder", "Invalid", options(FOLDER, vec![1, 1, 0, 1]));

    let xattrs = |xattrs: &[(&[u8], &[u8])]| {
        let pairs: Vec<u8> = xattrs.iter().flat_map(|(name, value)| [lp(name), lp(value)].concat()).collect();
        options(FOLDER, [vec![2], varint(xattrs.len() as u64), pairs].concat())
    };
    cases.ok("xattrs", xattrs(&[(b"security.selinux", b"label\0"), (b"user.a", b""), (b"user.b", b"\xff")]));
    cases.ok("xattr-longest-name", xattrs(&[(&[b'n'; 255], b"v")]));
    cases.ok("xattr-longest-values", xattrs(&[(b"a", &[0; 65_536]), (b"b", &[0; 65_536])]));
    cases.bad("xattrs-none", "Invalid", xattrs(&[]));
    cases.bad("xattrs-equal", "Order", xattrs(&[(b"a", b"1"), (b"a", b"2")]));
    cases.bad("xattrs-descending", "Order", xattrs(&[(b"b", b"1"), (b"a", b"2")]));
    cases.bad("xattr-without-name", "Invalid", xattrs(&[(b"", b"1")]));
    cases.bad("xattr-name-with-nul", "Invalid", xattrs(&[(b"a\0", b"1")]));
    cases.bad("xattr-name-over-limit", "Limit", xattrs(&[(&[b'n'; 256], b"v")]));
    cases.bad("xattr-value-over-limit", "Limit", xattrs(&[(b"a", &[0; 65_537])]));
    cases.bad("xattr-values-over-limit", "Limit", xattrs(&[(b"a", &[0; 65_536]), (b"b", &[0; 65_536]), (b"c", b"1")]));
    cases.bad("xattrs-not-in-the-bytes", "Truncated", options(FOLDER, vec![2, 3, 1]));
    cases.bad("xattrs-over-limit", "Limit", options(FOLDER, [vec![2], varint(1025)].concat()));

    let sqlite = |page_size: u32, rest: &[u8]| options(SQLITE, [&[4][..], &page_size.to_le_bytes(), rest].concat());
    let wal = [vec![1], varint(4_120_032), time(1_700_000_000, 5)].concat();
    cases.ok("sqlite", sqlite(4096, &[0]));
    cases.ok("sqlite-with-wal", sqlite(65_536, &wal));
    cases.bad("sqlite-page-size", "Invalid", sqlite(4097, &[0]));
    cases.bad("sqlite-page-size-too-small", "Invalid", sqlite(256, &[0]));
    cases.bad("sqlite-page-size-too-large", "Invalid", sqlite(131_072, &[0]));
    cases.bad("sqlite-page-size-zero", "Invalid", sqlite(0, &[0]));
    cases.bad("sqlite-has-wal", "NewerFormat", sqlite(4096, &[2]));
    cases.bad("sqlite-wal-nanoseconds", "Invalid", sqlite(4096, &[vec![1, 0], time(0, 1_000_000_000)].concat()));
    cases.bad("sqlite-option-missing", "Invalid", options(SQLITE, vec![0]));
    cases.bad("sqlite-option-of-a-plain-file", "Invalid", options(FILE, vec![4, 0, 16, 0, 0, 0]));
    cases.bad("sqlite-folder", "Invalid", options(SQLITE | FOLDER, vec![4, 0, 16, 0, 0, 0]));

    let target = |target: &[u8]| options(SYMLINK, [vec![8], lp(target)].concat());
    cases.ok("symlink", target(b"../somewhere/\xff"));
    cases.ok("symlink-longest", target(&[b't'; 65_535]));
    cases.bad("symlink-without-target", "Invalid", options(SYMLINK, vec![0]));
    cases.bad("symlink-to-nothing", "Invalid", target(b""));
    cases.bad("symlink-with-nul", "Invalid", target(b"a\0"));
    cases.bad("symlink-over-limit", "Limit", target(&[b't'; 65_536]));
    cases.bad(
        "symlink-with-size",
        "Invalid",
        one(SYMLINK, |entry| (entry.size, entry.options) = (vec![1], vec![8, 1, b't'])),
    );
    cases.bad("target-of-a-file", "Invalid", options(FILE, [vec![8], lp(b"a")].concat()));

    for (name, kind) in [("character-device", 5), ("block-device", 6)] {
        cases.ok(name, options(kind, vec![16, 0x83, 0x0a]));
        cases.bad(&format!("{name}-without-rdev"), "Invalid", options(kind, vec![0]));
    }
    cases.ok("device-zero", options(5, vec![16, 0]));
    cases.bad("rdev-of-a-file", "Invalid", options(FILE, vec![16, 1]));
    cases.bad("options-unknown", "NewerFormat", options(FILE, vec![32]));
    cases.ok(
        "holes-and-xattrs",
        one(FILE, |entry| {
            entry.size = varint(100);
            entry.options = [&[3, 1, 0, 100, 1][..], &lp(b"user.a"), &lp(b"1")].concat();
        }),
    );
}

fn leaf_owners(cases: &mut Cases) {
    let mut second = RawEntry::new(0, b"b", FILE);
    second.uid = varint(0);
    let owners = |users: &[u8], groups: &[u8]| {
        let entries = [RawEntry::new(0, b"a", FILE), second.clone()];
        with(&leaf_with_owners(&entries, users, groups), 2, &[2])
    };
    let names = |names: &[(u64, &[u8])]| {
        let pairs: Vec<u8> = names.iter().flat_map(|(id, name)| [varint(*id), lp(name)].concat()).collect();
        [varint(names.len() as u64), pairs].concat()
    };
    cases.ok("owners", owners(&names(&[(0, b"root"), (1000, b"ann")]), &names(&[(100, b"users")])));
    cases.ok("owners-without-a-name", owners(&names(&[(1000, b"ann")]), &[0]));
    cases.ok("owner-longest-name", owners(&names(&[(1000, &[b'n'; 255])]), &[0]));
    cases.bad("owner-name-over-limit", "Limit", owners(&names(&[(1000, &[b'n'; 256])]), &[0]));
    cases.bad("owner-without-bytes", "Invalid", owners(&names(&[(1000, b"")]), &[0]));
    cases.bad("owners-equal", "Order", owners(&names(&[(1000, b"a"), (1000, b"b")]), &[0]));
    cases.bad("owners-descending", "Order", owners(&names(&[(1000, b"a"), (0, b"b")]), &[0]));
    cases.bad("owner-unused", "Invalid", owners(&names(&[(1, b"a")]), &[0]));
    cases.bad("group-unused", "Invalid", owners(&[0], &names(&[(1000, b"a")])));
    cases.bad("owner-over-limit", "Limit", owners(&names(&[(1 << 32, b"a")]), &[0]));
    cases.bad("owners-more-than-entries", "Limit", owners(&names(&[(0, b"a"), (1, b"b"), (1000, b"c")]), &[0]));
    cases.bad("owners-not-in-the-bytes", "Truncated", [head(1, 0, 4096), varint(4096), vec![0; 100]].concat());
}

fn nodes(cases: &mut Cases) {
    let item = |shared: u64, rest: &[u8], entries: u64, bytes: u64| {
        [varint(shared), lp(rest), vec![0x66; 32], varint(entries), varint(bytes)].concat()
    };
    let node = |level: u8, items: &[Vec<u8>]| [head(2, level, items.len() as u16), items.concat()].concat();
    let items = [item(0, b"a/b", 256, 1 << 30), item(2, b"c", 1, 0), item(0, b"z", 3000, 12)];
    for level in [1, 12] {
        cases.of("node", 1, Some(("level", level)));
        cases.ok(&format!("level-{level}"), node(level as u8, &items));
    }
    cases.of("node", 1, Some(("level", 1)));
    let good = node(1, &items);
    let many = |count: u16| {
        let names: Vec<String> = (0..count).map(|number| format!("{number:03}")).collect();
        let shared = |at: usize| {
            if at == 0 { 0 } else { names[at].bytes().zip(names[at - 1].bytes()).take_while(|(a, b)| a == b).count() }
        };
        let items: Vec<_> =
            (0..names.len()).map(|at| item(shared(at) as u64, &names[at].as_bytes()[shared(at)..], 1, 1)).collect();
        node(1, &items)
    };
    cases.ok("one-item", node(1, &items[..1]));
    cases.ok("root-alone-below-the-first-item", node(1, &[item(0, b"", 1, 0), item(0, b"a", 2, 5)]));
    cases.ok("most-items", many(256));
    cases.ok("greatest-numbers", node(1, &[item(0, b"a", u64::MAX, u64::MAX)]));
    cases.bad("items-over-limit", "Limit", many(257));
    cases.bad("empty", "Truncated", Vec::new());
    cases.bad("short", "Truncated", good[..good.len() - 1].to_vec());
    cases.bad("trailing", "Trailing", [&good[..], &[0]].concat());
    cases.bad("no-items", "Invalid", node(1, &[]));
    cases.bad("items-not-in-the-bytes", "Truncated", with(&good, 2, &256u16.to_le_bytes()));
    cases.bad("kind-unknown", "NewerFormat", with(&good, 0, &[5]));
    cases.bad("kind-other", "Mismatch", with(&good, 0, &[4]));
    cases.bad("level-other", "Mismatch", with(&good, 1, &[2]));
    cases.bad("no-entries", "Invalid", node(1, &[item(0, b"a", 0, 0)]));
    cases.bad("entries-overflow", "Invalid", node(1, &[item(0, b"a", u64::MAX, 0), item(0, b"b", 1, 0)]));
    cases.bad("bytes-overflow", "Invalid", node(1, &[item(0, b"a", 1, u64::MAX), item(0, b"b", 1, 1)]));
    cases.bad("path-equal", "Order", node(1, &[item(0, b"ab", 1, 1), item(2, b"", 1, 1)]));
    cases.bad("path-descending", "Order", node(1, &[item(0, b"ab", 1, 1), item(1, b"a", 1, 1)]));
    cases.bad("slash-sorts-lowest", "Order", node(1, &[item(0, b"a!", 1, 1), item(1, b"/b", 1, 1)]));
    cases.bad("shared-less-than-there-is", "NotCanonical", node(1, &[item(0, b"ab", 1, 1), item(1, b"bc", 1, 1)]));
    cases.bad("shared-in-the-first-item", "Invalid", node(1, &[item(1, b"ab", 1, 1)]));
    cases.bad("shared-longer-than-before", "Invalid", node(1, &[item(0, b"a", 1, 1), item(2, b"b", 1, 1)]));
    cases.bad("path-dots", "Invalid", node(1, &[item(0, b"a/..", 1, 1)]));
    cases.bad("path-nul", "Invalid", node(1, &[item(0, b"a\0", 1, 1)]));
    cases.bad("path-over-limit", "Limit", node(1, &[item(0, &[[b'x'; 4095].as_slice(); 17].join(&b'/'), 1, 1)]));
    let long = with_component(&[b'x'; 4096]);
    cases.bad("component-over-limit", "Limit", node(1, &[item(0, &long, 1, 1)]));
    cases.bad("varint-with-superfluous-byte", "NotCanonical", [&good[..good.len() - 1], &[0x8c, 0]].concat());
    for (level, error) in [(0, "Invalid"), (13, "Limit")] {
        cases.of("node", 1, Some(("level", level)));
        cases.bad(&format!("level-{level}"), error, node(level as u8, &items));
    }
}

fn with_component(component: &[u8]) -> Vec<u8> {
    [b"a/", component].concat()
}

fn lists(cases: &mut Cases) {
    let fixed = |level: u8, count: u16| {
        let ids: Vec<u8> = (0..count).flat_map(|id| [id as u8; 32]).collect();
        [head(3, level, count), ids].concat()
    };
    let content = |level: u8, lens: &[u64]| {
        let items: Vec<u8> = lens.iter().flat_map(|len| [vec![0x66; 32], varint(*len)].concat()).collect();
        [head(4, level, lens.len() as u16), items].concat()
    };
    for level in [0, 12] {
        cases.of("list", 1, Some(("level", level)));
        cases.ok(&format!("fixed-level-{level}"), fixed(level as u8, 3));
        cases.ok(&format!("content-level-{level}"), content(level as u8, &[1, 300, 524_288]));
    }
    cases.of("list", 1, Some(("level", 13)));
    cases.bad("fixed-level-over-limit", "Limit", fixed(13, 3));
    cases.bad("content-level-over-limit", "Limit", content(13, &[1]));
    cases.of("list", 1, Some(("level", 1)));
    cases.ok("lengths-below-the-children", content(1, &[524_289, 1 << 62]));
    cases.bad("sum-overflow", "Invalid", content(1, &[u64::MAX, 1]));
    cases.bad("level-other", "Mismatch", content(0, &[1]));
    cases.of("list", 1, Some(("level", 0)));
    cases.ok("fixed-most-items", fixed(0, 16));
    cases.ok("content-most-items", content(0, &[1000; 64]));
    cases.ok("fixed-one-item", fixed(0, 1));
    cases.ok("content-one-item", content(0, &[1]));
    cases.bad("fixed-over-limit", "Limit", fixed(0, 17));
    cases.bad("content-over-limit", "Limit", content(0, &[1000; 65]));
    cases.bad("fixed-no-items", "Invalid", fixed(0, 0));
    cases.bad("content-no-items", "Invalid", content(0, &[]));
    cases.bad("empty", "Truncated", Vec::new());
    cases.bad("fixed-short", "Truncated", fixed(0, 2)[..67].to_vec());
    cases.bad("content-short", "Truncated", content(0, &[1, 1])[..69].to_vec());
    cases.bad("fixed-trailing", "Trailing", [fixed(0, 2), vec![0]].concat());
    cases.bad("content-trailing", "Trailing", [content(0, &[1]), vec![0]].concat());
    cases.bad("kind-unknown", "NewerFormat", with(&content(0, &[1]), 0, &[5]));
    cases.bad("kind-other", "Mismatch", with(&content(0, &[1]), 0, &[2]));
    cases.bad("length-zero", "Invalid", content(0, &[1, 0]));
    cases.bad("chunk-over-limit", "Limit", content(0, &[524_289]));
    cases.bad("varint-with-superfluous-byte", "NotCanonical", [&content(0, &[1])[..36], &[0x81, 0]].concat());
}

fn head(kind: u8, level: u8, count: u16) -> Vec<u8> {
    [&[kind, level][..], &count.to_le_bytes()].concat()
}

fn with(bytes: &[u8], at: usize, new: &[u8]) -> Vec<u8> {
    [&bytes[..at], new, &bytes[at + new.len()..]].concat()
}

fn varint(mut value: u64) -> Vec<u8> {
    let mut out = Vec::new();
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
    out
}

fn lp(bytes: &[u8]) -> Vec<u8> {
    [&varint(bytes.len() as u64), bytes].concat()
}

fn time(secs: i64, nanos: u32) -> Vec<u8> {
    [&varint(((secs << 1) ^ (secs >> 63)) as u64)[..], &nanos.to_le_bytes()].concat()
}
