//! Entries, without their paths.

use crate::entry::{Capture, Chunking, Content, Entry, Kind, Time};
use crate::error::FormatError;
use crate::limits;
use crate::read::{Reader, at_most, put_lp, put_varint, put_zigzag};

pub(super) fn put_entry(out: &mut Vec<u8>, entry: &Entry) {
    out.push(entry.kind as u8 | capture_code(&entry.capture) << 4);
    put_varint(out, u64::from(entry.mode));
    put_varint(out, u64::from(entry.uid));
    put_varint(out, u64::from(entry.gid));
    put_time(out, entry.mtime);
    put_time(out, entry.ctime);
    put_varint(out, entry.inode);
    put_varint(out, entry.device);
    put_varint(out, u64::from(entry.links));
    put_varint(out, entry.size);
    put_content(out, &entry.content);
    put_options(out, entry);
}

pub(super) fn read_entry(reader: &mut Reader<'_>, path: Vec<u8>) -> Result<Entry, FormatError> {
    let code = reader.u8("kind")?;
    let kind = Kind::from_byte(code & 15)
        .ok_or(FormatError::NewerFormat { field: "entry kind", value: u64::from(code & 15) })?;
    let capture = match code >> 4 {
        0 => Capture::Plain,
        1 => Capture::Changed,
        2 => Capture::Sqlite { page_size: 0, wal: None }, // filled in by the options
        3 => Capture::SqliteFallback,
        other => {
            return Err(FormatError::NewerFormat { field: "capture", value: u64::from(other) });
        }
    };
    let mut entry = Entry {
        path,
        kind,
        mode: reader.varint_u32("mode")?,
        uid: reader.varint_u32("uid")?,
        gid: reader.varint_u32("gid")?,
        mtime: read_time(reader)?,
        ctime: read_time(reader)?,
        inode: reader.varint("inode")?,
        device: reader.varint("device")?,
        links: reader.varint_u32("links")?,
        size: reader.varint("size")?,
        content: read_content(reader)?,
        holes: Vec::new(),
        target: Vec::new(),
        rdev: 0,
        xattrs: Vec::new(),
        capture,
    };
    read_options(reader, &mut entry)?;
    check_entry(&entry)?;
    Ok(entry)
}

fn put_time(out: &mut Vec<u8>, time: Time) {
    put_zigzag(out, time.secs);
    out.extend_from_slice(&time.nanos.to_le_bytes());
}

fn read_time(reader: &mut Reader<'_>) -> Result<Time, FormatError> {
    Ok(Time { secs: reader.zigzag("time")?, nanos: reader.u32("time")? })
}

fn capture_code(capture: &Capture) -> u8 {
    match capture {
        Capture::Plain => 0,
        Capture::Changed => 1,
        Capture::Sqlite { .. } => 2,
        Capture::SqliteFallback => 3,
    }
}

fn put_content(out: &mut Vec<u8>, content: &Content) {
    match content {
        Content::Empty => out.push(0),
        Content::Inline(bytes) => {
            out.push(1);
            put_lp(out, bytes);
        }
        Content::List { chunking, depth, root } => {
            match chunking {
                Chunking::ContentDefined => out.push(2),
                Chunking::Fixed(chunk_size) => {
                    out.push(3);
                    out.extend_from_slice(&chunk_size.to_le_bytes());
                }
            }
            out.push(*depth);
            out.extend_from_slice(root);
        }
    }
}

fn read_content(reader: &mut Reader<'_>) -> Result<Content, FormatError> {
    let chunking = match reader.u8("content")? {
        0 => return Ok(Content::Empty),
        1 => {
            return Ok(Content::Inline(reader.lp(limits::INLINE_BYTES, "inline content")?.to_vec()));
        }
        2 => Chunking::ContentDefined,
        3 => Chunking::Fixed(reader.u32("content")?),
        other => {
            return Err(FormatError::NewerFormat { field: "content", value: u64::from(other) });
        }
    };
    Ok(Content::List { chunking, depth: reader.u8("content")?, root: reader.array("content")? })
}

fn put_options(out: &mut Vec<u8>, entry: &Entry) {
    out.push(options(entry));
    if !entry.holes.is_empty() {
        put_varint(out, entry.holes.len() as u64);
        let mut end = 0;
        for &(offset, len) in &entry.holes {
            put_varint(out, offset - end);
            put_varint(out, len);
            end = offset + len;
        }
    }
    if !entry.xattrs.is_empty() {
        put_varint(out, entry.xattrs.len() as u64);
        for (name, value) in &entry.xattrs {
            put_lp(out, name);
            put_lp(out, value);
        }
    }
    if let Capture::Sqlite { page_size, wal } = entry.capture {
        out.extend_from_slice(&page_size.to_le_bytes());
        out.push(u8::from(wal.is_some()));
        if let Some((size, time)) = wal {
            put_varint(out, size);
            put_time(out, time);
        }
    }
    if entry.kind == Kind::Symlink {
        put_lp(out, &entry.target);
    }
    if entry.kind.is_device() {
        put_varint(out, entry.rdev);
    }
}

fn read_options(reader: &mut Reader<'_>, entry: &mut Entry) -> Result<(), FormatError> {
    let found = reader.u8("options")?;
    if found & !OPTIONS != 0 {
        return Err(FormatError::NewerFormat { field: "options", value: u64::from(found) });
    }
    if found & HAS_HOLES != 0 {
        entry.holes = read_holes(reader)?;
    }
    if found & HAS_XATTRS != 0 {
        entry.xattrs = read_xattrs(reader)?;
    }
    // An option without its reason, or without content, would be a second way to write the same entry.
    if found != options(entry) {
        return Err(FormatError::Invalid { what: "options" });
    }
    if let Capture::Sqlite { page_size, wal } = &mut entry.capture {
        *page_size = reader.u32("page size")?;
        *wal = match reader.u8("has_wal")? {
            0 => None,
            1 => Some((reader.varint("size of the WAL")?, read_time(reader)?)),
            other => {
                return Err(FormatError::NewerFormat { field: "has_wal", value: u64::from(other) });
            }
        };
    }
    if entry.kind == Kind::Symlink {
        entry.target = reader.lp(limits::TARGET, "target")?.to_vec();
    }
    if entry.kind.is_device() {
        entry.rdev = reader.varint("rdev")?;
    }
    Ok(())
}

fn options(entry: &Entry) -> u8 {
    let flag = |on: bool, bit: u8| if on { bit } else { 0 };
    flag(!entry.holes.is_empty(), HAS_HOLES)
        | flag(!entry.xattrs.is_empty(), HAS_XATTRS)
        | flag(matches!(entry.capture, Capture::Sqlite { .. }), HAS_SQLITE)
        | flag(entry.kind == Kind::Symlink, HAS_TARGET)
        | flag(entry.kind.is_device(), HAS_RDEV)
}

fn read_holes(reader: &mut Reader<'_>) -> Result<Vec<(u64, u64)>, FormatError> {
    const OVERFLOW: FormatError = FormatError::Invalid { what: "holes" };
    let count = reader.varint_to(limits::HOLES as u64, "holes")? as usize;
    reader.room(count, 2, "holes")?;
    let mut holes = Vec::with_capacity(count);
    let mut end = 0u64;
    for _ in 0..count {
        let offset = end.checked_add(reader.varint("holes")?).ok_or(OVERFLOW)?;
        let len = reader.varint("holes")?;
        end = offset.checked_add(len).ok_or(OVERFLOW)?;
        holes.push((offset, len));
    }
    Ok(holes)
}

fn read_xattrs(reader: &mut Reader<'_>) -> Result<Vec<Xattr>, FormatError> {
    let count = reader.varint_to(limits::XATTRS as u64, "extended attributes")? as usize;
    reader.room(count, 3, "extended attributes")?;
    let mut xattrs = Vec::with_capacity(count);
    let mut left = limits::XATTR_VALUES;
    for _ in 0..count {
        let name = reader.lp(limits::XATTR_NAME, "name of an extended attribute")?;
        let value = reader.lp(limits::XATTR_VALUE, "value of an extended attribute")?;
        left = left
            .checked_sub(value.len())
            .ok_or(FormatError::Limit { what: "values of extended attributes", limit: limits::XATTR_VALUES as u64 })?;
        xattrs.push((name.to_vec(), value.to_vec()));
    }
    Ok(xattrs)
}

/// Name and value.
type Xattr = (Vec<u8>, Vec<u8>);

/// Everything that an entry alone can be checked for, its path aside. One place for reader and writer.
pub(super) fn check_entry(entry: &Entry) -> Result<(), FormatError> {
    let invalid = |what| Err(FormatError::Invalid { what });
    if entry.mode > MODE_BITS {
        return invalid("mode");
    }
    if entry.mtime.nanos >= NANOS || entry.ctime.nanos >= NANOS {
        return invalid("nanoseconds");
    }
    if entry.kind == Kind::File {
        check_content(entry)?;
    } else if entry.size > 0
        || entry.content != Content::Empty
        || !entry.holes.is_empty()
        || entry.capture != Capture::Plain
    {
        return invalid("content of something that is not a file");
    }
    if entry.kind == Kind::Symlink {
        at_most(entry.target.len(), limits::TARGET, "target")?;
    }
    if (entry.kind == Kind::Symlink) == entry.target.is_empty() || entry.target.contains(&0) {
        return invalid("target");
    }
    if entry.rdev != 0 && !entry.kind.is_device() {
        return invalid("rdev");
    }
    if !entry.xattrs.is_empty() {
        check_xattrs(&entry.xattrs)?;
    }
    if let Capture::Sqlite { page_size, wal } = entry.capture {
        // https://www.sqlite.org/fileformat2.html section 1.3.2
        if !page_size.is_power_of_two() || !(512..=65_536).contains(&page_size) {
            return invalid("page size");
        }
        if wal.is_some_and(|(_, time)| time.nanos >= NANOS) {
            return invalid("nanoseconds");
        }
    }
    Ok(())
}

fn check_content(entry: &Entry) -> Result<(), FormatError> {
    let invalid = |what| Err(FormatError::Invalid { what });
    at_most(entry.holes.len(), limits::HOLES, "holes")?;
    let (mut end, mut stored) = (0, entry.size);
    for (at, &(offset, len)) in entry.holes.iter().enumerate() {
        let touches = at > 0 && offset == end;
        let ends = offset.checked_add(len).filter(|ends| *ends <= entry.size);
        let Some(ends) = ends.filter(|_| offset >= end && !touches && len > 0) else {
            return invalid("holes");
        };
        (end, stored) = (ends, stored - len);
    }
    let inline = limits::INLINE_BYTES as u64;
    match &entry.content {
        Content::Empty if stored == 0 => Ok(()),
        Content::Inline(bytes) if stored > 0 && stored <= inline && bytes.len() as u64 == stored => Ok(()),
        Content::List { chunking, depth, .. } if stored > inline => check_depth(*chunking, *depth, stored),
        _ => invalid("form of the content for its length"),
    }
}

fn check_depth(chunking: Chunking, depth: u8, stored: u64) -> Result<(), FormatError> {
    at_most(usize::from(depth), usize::from(limits::TREE_LEVEL) + 1, "depth of a list")?;
    let fits = match chunking {
        Chunking::ContentDefined => depth > 0 || stored <= limits::FILE_CHUNK as u64,
        Chunking::Fixed(chunk_size) => {
            if chunk_size == 0 {
                return Err(FormatError::Invalid { what: "chunk size" });
            }
            at_most(chunk_size as usize, limits::FILE_CHUNK, "chunk size")?;
            depth == fixed_depth(stored.div_ceil(u64::from(chunk_size)))
        }
    };
    if fits { Ok(()) } else { Err(FormatError::Invalid { what: "depth of a list" }) }
}

/// The depth of a list of so many fixed chunks: the smallest d with 16^d >= chunks.
pub fn fixed_depth(chunks: u64) -> u8 {
    let (mut depth, mut left) = (0, chunks);
    while left > 1 {
        left = left.div_ceil(limits::FIXED_LIST_ITEMS as u64);
        depth += 1;
    }
    depth
}

fn check_xattrs(xattrs: &[Xattr]) -> Result<(), FormatError> {
    at_most(xattrs.len(), limits::XATTRS, "extended attributes")?;
    for (name, value) in xattrs {
        if name.is_empty() || name.contains(&0) {
            return Err(FormatError::Invalid { what: "name of an extended attribute" });
        }
        at_most(name.len(), limits::XATTR_NAME, "name of an extended attribute")?;
        at_most(value.len(), limits::XATTR_VALUE, "value of an extended attribute")?;
    }
    at_most(xattrs.iter().map(|(_, value)| value.len()).sum(), limits::XATTR_VALUES, "values of extended attributes")?;
    if !xattrs.is_sorted_by(|(a, _), (b, _)| a < b) {
        return Err(FormatError::Order { what: "extended attributes" });
    }
    Ok(())
}

/// `st_mode & 0o7777`
pub(super) const MODE_BITS: u32 = 0o7777;
pub(super) const NANOS: u32 = 1_000_000_000;

const HAS_HOLES: u8 = 1;
const HAS_XATTRS: u8 = 2;
const HAS_SQLITE: u8 = 4;
const HAS_TARGET: u8 = 8;
const HAS_RDEV: u8 = 16;
const OPTIONS: u8 = HAS_HOLES | HAS_XATTRS | HAS_SQLITE | HAS_TARGET | HAS_RDEV;
