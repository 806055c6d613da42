//! The text form of a vector, and what each structure does with its bytes.

use vault_format::checkpoint::{RecordContent, parse_part};
use vault_format::frame::{parse_text, write_text};
use vault_format::index::Table;
use vault_format::list::{ListNode, encode_list, parse_list};
use vault_format::manifest::{LeafEncoder, Owner, encode_node, parse_leaf, parse_node};
use vault_format::pack::{Footer, Trailer};
use vault_format::{Capture, Chunking, Content, Entry, FormatError, Frame, Header, ObjectName, Suite, Time, VaultId};

/// One file below `testdata`: `field: value` lines, an empty line, hex of the bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Vector {
    pub(crate) structure: String,
    /// `ok`, or the name of a `FormatError` variant.
    pub(crate) outcome: Result<(), String>,
    pub(crate) suite: u8,
    pub(crate) note: Option<String>,
    /// What the place states: the level of a node, the length of a pack.
    pub(crate) place: Option<(String, u64)>,
    /// What the bytes say, in order; only in vectors that are `ok`.
    pub(crate) fields: Vec<(String, String)>,
    pub(crate) bytes: Vec<u8>,
}

impl Vector {
    pub(crate) fn to_text(&self) -> String {
        let mut lines = vec![format!("structure: {}", self.structure)];
        lines.push(match &self.outcome {
            Ok(()) => "outcome: ok".to_owned(),
            Err(name) => format!("outcome: error: {name}"),
        });
        lines.push(format!("suite: {}", self.suite));
        lines.extend(self.note.iter().map(|note| format!("note: {note}")));
        lines.extend(self.place.iter().map(|(name, value)| format!("place: {name} {value}")));
        lines.extend(self.fields.iter().map(|(name, value)| format!("{name}: {value}")));
        lines.push(String::new());
        let digits = hex::encode(&self.bytes);
        lines.extend(digits.as_bytes().chunks(64).map(|line| String::from_utf8_lossy(line).into_owned()));
        lines.join("\n") + "\n"
    }

    pub(crate) fn from_text(text: &str) -> Option<Self> {
        let (head, digits) = text.split_once("\n\n")?;
        let mut vector = Self {
            structure: String::new(),
            outcome: Ok(()),
            suite: 0,
            note: None,
            place: None,
            fields: Vec::new(),
            bytes: hex::decode(digits.split_whitespace().collect::<String>()).ok()?,
        };
        for line in head.lines() {
            let (name, value) = line.split_once(':')?;
            let value = value.strip_prefix(' ').unwrap_or(value);
            match name {
                "structure" => vector.structure = value.to_owned(),
                "outcome" if value == "ok" => {}
                "outcome" => vector.outcome = Err(value.strip_prefix("error: ")?.to_owned()),
                "suite" => vector.suite = value.parse().ok()?,
                "note" => vector.note = Some(value.to_owned()),
                "place" => {
                    let (name, number) = value.split_once(' ')?;
                    vector.place = Some((name.to_owned(), number.parse().ok()?));
                }
                _ => vector.fields.push((name.to_owned(), value.to_owned())),
            }
        }
        Some(vector)
    }

    fn suite(&self) -> Suite {
        Suite::from_byte(self.suite).expect("the vector's suite")
    }

    fn place(&self, name: &str) -> u64 {
        self.place
            .as_ref()
            .filter(|place| place.0 == name)
            .unwrap_or_else(|| panic!("the vector lacks `place: {name}`"))
            .1
    }
}

/// What came out of a vector's bytes.
pub(crate) struct Decoded {
    pub(crate) fields: Vec<(String, String)>,
    /// The bytes, written again from what was read.
    pub(crate) again: Vec<u8>,
}

/// Reads the vector's bytes as its structure. `None`: no such structure.
pub(crate) fn decode(vector: &Vector) -> Option<Result<Decoded, FormatError>> {
    let read = match vector.structure.as_str() {
        "name" => name,
        "header" => header,
        "frame" => frame,
        "text" => text,
        "footer" => footer,
        "trailer" => trailer,
        "table" => table,
        "leaf" => leaf,
        "node" => node,
        "list" => list,
        "checkpoint" => checkpoint,
        _ => return None,
    };
    Some(read(vector))
}

fn name(vector: &Vector) -> Result<Decoded, FormatError> {
    const BAD: FormatError = FormatError::Invalid { what: "name" };
    let name = std::str::from_utf8(&vector.bytes).ok().and_then(ObjectName::parse).ok_or(BAD)?;
    let mut fields = vec![field("type", format!("{:?}", name.object_type()))];
    fields.extend(name.device().map(|device| field("device", device)));
    fields.push(field("hash", name.hash()));
    match name {
        ObjectName::Roster { n, .. } => fields.push(field("n", n)),
        ObjectName::Log { seq, .. } => fields.push(field("seq", seq)),
        ObjectName::Mail { session, n, .. } => fields.extend([field("session", hex::encode(session)), field("n", n)]),
        ObjectName::Pack(_) | ObjectName::Delta { .. } | ObjectName::Shard { .. } | ObjectName::Checkpoint { .. } => {}
    }
    Ok(Decoded { fields, again: name.to_path().into_bytes() })
}

fn checkpoint(vector: &Vector) -> Result<Decoded, FormatError> {
    let records = parse_part(&vector.bytes, vector.suite(), VaultId([0x77; 32]))?;
    let (mut fields, mut again) = (Vec::new(), Vec::new());
    for record in &records {
        let Header { mode, epoch, writer, salt, .. } = record.header;
        fields.extend([
            field("object", record.object),
            field("writer", writer),
            field("epoch", epoch),
            field("mode", format!("{mode:?}")),
            field("salt", hex::encode(salt)),
            field("seq", record.seq),
            field("prev", record.prev.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")),
            field("signed bytes", record.signed_len),
        ]);
        match record.content {
            RecordContent::Sealed { nonce, tag, codec, plain_len, body } => fields.extend([
                field("nonce", hex::encode(nonce)),
                field("tag", hex::encode(tag)),
                field("codec", format!("{codec:?}")),
                field("plain bytes", plain_len),
                field("body", hex::encode(body)),
            ]),
            RecordContent::Clear { body } => fields.push(field("body", hex::encode(body))),
        }
        record.write(&mut again);
    }
    Ok(Decoded { fields, again })
}

fn header(vector: &Vector) -> Result<Decoded, FormatError> {
    let header = Header::parse(&vector.bytes)?;
    let fields = vec![
        field("type", format!("{:?}", header.object_type)),
        field("mode", format!("{:?}", header.mode)),
        field("vault", header.vault),
        field("epoch", header.epoch),
        field("domain", header.domain),
        field("writer", header.writer),
        field("salt", hex::encode(header.salt)),
    ];
    Ok(Decoded { fields, again: header.encode().to_vec() })
}

fn frame(vector: &Vector) -> Result<Decoded, FormatError> {
    let Frame { syn, nonce, ciphertext, tag } = Frame::split(vector.suite(), &vector.bytes)?;
    let parts = [("syn", &syn[..]), ("nonce", nonce), ("ciphertext", ciphertext), ("tag", tag)];
    Ok(Decoded {
        fields: parts.iter().map(|(name, bytes)| field(name, hex::encode(bytes))).collect(),
        again: [syn, nonce, ciphertext, tag].concat(),
    })
}

fn text(vector: &Vector) -> Result<Decoded, FormatError> {
    let text = parse_text(&vector.bytes)?;
    let fields = vec![
        field("codec", format!("{:?}", text.codec)),
        field("plain_len", text.plain_len),
        field("body", hex::encode(text.body)),
    ];
    let mut again = Vec::new();
    write_text(text.codec, text.plain_len, text.body, vector.bytes.len(), &mut again)?;
    Ok(Decoded { fields, again })
}

fn footer(vector: &Vector) -> Result<Decoded, FormatError> {
    let footer = Footer::parse(&vector.bytes, vector.place("pack_len") as usize)?;
    let mut fields = Vec::new();
    for segment in &footer.segments {
        let place = format!(
            "scope={} offset={} frame_len={} plain_len={}",
            segment.scope, segment.offset, segment.frame_len, segment.plain_len
        );
        fields.push(field("segment", place));
        for chunk in &segment.chunks {
            fields.push(field("chunk", format!("id={} type={:?} length={}", chunk.id, chunk.chunk_type, chunk.len)));
        }
    }
    Ok(Decoded { fields, again: footer.encode()? })
}

fn trailer(vector: &Vector) -> Result<Decoded, FormatError> {
    let trailer = Trailer::parse(&vector.bytes, vector.suite(), vector.place("pack_len") as usize)?;
    let fields = vec![
        field("footer_offset", trailer.footer_offset),
        field("footer_len", trailer.footer_len),
        field("segment_count", trailer.segment_count),
    ];
    Ok(Decoded { fields, again: trailer.encode().to_vec() })
}

fn table(vector: &Vector) -> Result<Decoded, FormatError> {
    let table = Table::parse(&vector.bytes)?;
    let mut fields = vec![field("kind", format!("{:?}", table.kind))];
    for pack in &table.packs {
        fields.push(field("pack", format!("{} units={}", ObjectName::Pack(pack.name).to_path(), pack.size_units)));
    }
    for segment in &table.segments {
        let place =
            format!("offset={} frame_len={} plain_len={}", segment.offset, segment.frame_len, segment.plain_len);
        fields.push(field("segment", format!("pack={} slot={} {place}", segment.pack, segment.slot)));
    }
    for row in &table.rows {
        fields.push(field(
            "row",
            format!("id={} segment={} offset={} length={}", row.id, row.segment, row.offset, row.len),
        ));
    }
    Ok(Decoded { fields, again: table.encode()? })
}

fn leaf(vector: &Vector) -> Result<Decoded, FormatError> {
    let leaf = parse_leaf(&vector.bytes)?;
    let mut fields = Vec::new();
    for (kind, names) in [("user", &leaf.users), ("group", &leaf.groups)] {
        fields.extend(names.iter().map(|(id, name)| field(kind, format!("{id} {}", name.escape_ascii()))));
    }
    let mut encoder = LeafEncoder::new();
    for entry in &leaf.entries {
        fields.push(field("entry", describe(entry)));
        encoder.push(entry)?;
    }
    let name = |names: &[(u32, Vec<u8>)], id| {
        let (_, name) = names.iter().find(|(named, _)| *named == id)?;
        String::from_utf8(name.clone()).ok()
    };
    let again = encoder.finish(&|owner| match owner {
        Owner::User(id) => name(&leaf.users, id),
        Owner::Group(id) => name(&leaf.groups, id),
    });
    Ok(Decoded { fields, again })
}

fn node(vector: &Vector) -> Result<Decoded, FormatError> {
    let level = vector.place("level") as u8;
    let items = parse_node(&vector.bytes, level)?;
    let fields = items.iter().map(|item| {
        let counts = format!("entries={} bytes={}", item.entries, item.bytes);
        field("item", format!("last_path={} id={} {counts}", item.last_path.escape_ascii(), item.id))
    });
    Ok(Decoded { fields: fields.collect(), again: encode_node(level, &items)? })
}

fn list(vector: &Vector) -> Result<Decoded, FormatError> {
    let level = vector.place("level") as u8;
    let node = parse_list(&vector.bytes, level)?;
    let fields = match &node {
        ListNode::Fixed(ids) => ids.iter().map(|id| field("item", format!("id={id}"))).collect(),
        ListNode::Content(items) => {
            items.iter().map(|(id, len)| field("item", format!("id={id} length={len}"))).collect()
        }
    };
    Ok(Decoded { fields, again: encode_list(level, &node)? })
}

fn field(name: &str, value: impl ToString) -> (String, String) {
    (name.to_owned(), value.to_string())
}

fn describe(entry: &Entry) -> String {
    let time = |time: Time| format!("{}+{}ns", time.secs, time.nanos);
    let mut words = vec![
        format!("path={}", entry.path.escape_ascii()),
        format!("kind={:?}", entry.kind),
        format!("mode={:o}", entry.mode),
        format!("uid={} gid={}", entry.uid, entry.gid),
        format!("mtime={} ctime={}", time(entry.mtime), time(entry.ctime)),
        format!("inode={} device={} links={} size={}", entry.inode, entry.device, entry.links, entry.size),
    ];
    words.push(match &entry.content {
        Content::Empty => "content=empty".to_owned(),
        Content::Inline(bytes) => format!("content=inline:{}", hex::encode(bytes)),
        Content::List { chunking: Chunking::ContentDefined, depth, root } => {
            format!("content=list:{depth}:{}", hex::encode(root))
        }
        Content::List { chunking: Chunking::Fixed(size), depth, root } => {
            format!("content=fixed:{size}:{depth}:{}", hex::encode(root))
        }
    });
    words.extend(entry.holes.iter().map(|(offset, len)| format!("hole={offset}+{len}")));
    words.extend(
        entry.xattrs.iter().map(|(name, value)| format!("xattr={}:{}", name.escape_ascii(), hex::encode(value))),
    );
    words.extend((!entry.target.is_empty()).then(|| format!("target={}", entry.target.escape_ascii())));
    words.extend(entry.kind.is_device().then(|| format!("rdev={}", entry.rdev)));
    words.extend(match &entry.capture {
        Capture::Plain => None,
        Capture::Changed => Some("capture=changed".to_owned()),
        Capture::Sqlite { page_size, wal: None } => Some(format!("capture=sqlite:{page_size}")),
        Capture::Sqlite { page_size, wal: Some((size, at)) } => {
            Some(format!("capture=sqlite:{page_size}:{size}:{}", time(*at)))
        }
        Capture::SqliteFallback => Some("capture=sqlite-fallback".to_owned()),
    });
    words.join(" ")
}
