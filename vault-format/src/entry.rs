//! What a manifest says about one file, folder or link (SPEC section 9.3).

/// Nanosecond time since 1970-01-01T00:00:00Z. `nanos` is below 1,000,000,000 also before the epoch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Time {
    /// Whole seconds, rounded down.
    pub secs: i64,
    /// Nanoseconds after `secs`.
    pub nanos: u32,
}

/// The kind of a file system object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Kind {
    /// A regular file.
    File = 0,
    /// A folder.
    Dir = 1,
    /// A symbolic link; its target is `Entry::target`.
    Symlink = 2,
    /// A named pipe: recorded, never read.
    Fifo = 3,
    /// A Unix socket: recorded, never read.
    Socket = 4,
    /// A character device with `Entry::rdev`: recorded, never read.
    CharDevice = 5,
    /// A block device with `Entry::rdev`: recorded, never read.
    BlockDevice = 6,
}

/// How a file's content was cut into chunks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Chunking {
    /// Borders by content; every list item carries its chunk's length.
    ContentDefined,
    /// Every chunk but the last has this many bytes (SQLite databases).
    Fixed(u32),
}

/// Where the bytes of a regular file are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Content {
    /// Nothing: not a regular file, or an empty one.
    #[default]
    Empty,
    /// At most `limits::INLINE_BYTES` bytes, in the entry itself.
    Inline(Vec<u8>),
    /// A list of chunks.
    List {
        /// How the chunks were cut.
        chunking: Chunking,
        /// 0: `root` is the id of the only chunk. d > 0: `root` is the id of a list node of level d - 1.
        depth: u8,
        /// The id of the chunk or list node.
        root: [u8; 32],
    },
}

/// How the content came to be read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Capture {
    /// Read as a file.
    #[default]
    Plain,
    /// Read as a file that went on changing while it was read.
    Changed,
    /// Captured through SQLite under one read transaction, and checked.
    Sqlite {
        /// Bytes of a database page.
        page_size: u32,
        /// Size and modification time of the `-wal` file before the capture, if there was one.
        wal: Option<(u64, Time)>,
    },
    /// Looks like a SQLite database, but had to be read as a file (encrypted, damaged).
    SqliteFallback,
}

/// One object of a source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Path below the source's root, `/` between components, raw bytes. Empty: the root itself.
    pub path: Vec<u8>,
    /// What it is.
    pub kind: Kind,
    /// Permission bits with set-id and sticky bits: `st_mode & 0o7777`.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Last modification.
    pub mtime: Time,
    /// Last change of the inode: tells whether a file must be read again, never restored.
    pub ctime: Time,
    /// Inode number: same purpose, and groups hard links together with `device`.
    pub inode: u64,
    /// Device number of the file system.
    pub device: u64,
    /// Number of hard links; 1 unless the file has several names.
    pub links: u32,
    /// Size in bytes, holes included.
    pub size: u64,
    /// Where the bytes are. Without the holes.
    pub content: Content,
    /// Holes as (offset, length), ascending, not touching. Content is what lies between them.
    pub holes: Vec<(u64, u64)>,
    /// Target of a symbolic link.
    pub target: Vec<u8>,
    /// Device number of a character or block device.
    pub rdev: u64,
    /// Extended attributes (name, value), ascending by name; ACLs are the `system.posix_acl_*` ones.
    pub xattrs: Vec<(Vec<u8>, Vec<u8>)>,
    /// How the content was read.
    pub capture: Capture,
}

impl Kind {
    /// The kind of the low bits of an entry's kind byte, if this version knows it.
    pub const fn from_byte(byte: u8) -> Option<Self> {
        Some(match byte {
            0 => Self::File,
            1 => Self::Dir,
            2 => Self::Symlink,
            3 => Self::Fifo,
            4 => Self::Socket,
            5 => Self::CharDevice,
            6 => Self::BlockDevice,
            _ => return None,
        })
    }

    /// Whether entries of this kind have an `rdev`.
    pub const fn is_device(self) -> bool {
        matches!(self, Self::CharDevice | Self::BlockDevice)
    }
}

/// Compares two paths component by component, components as raw bytes: `/` sorts before every other byte.
pub fn path_cmp(a: &[u8], b: &[u8]) -> std::cmp::Ordering {
    let split = a.iter().zip(b).position(|(x, y)| x != y);
    match split {
        Some(at) => path_rank(a[at]).cmp(&path_rank(b[at])),
        None => a.len().cmp(&b.len()),
    }
}

/// Where a byte of a path sorts.
pub(crate) fn path_rank(byte: u8) -> u16 {
    if byte == b'/' { 0 } else { u16::from(byte) + 1 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn folders_stand_right_before_what_is_in_them() {
        let sorted: [&[u8]; 8] = [b"", b"a", b"a/b", b"a/b/c", b"a/b!", b"a!", b"a!/b", b"ab"];
        assert!(sorted.is_sorted_by(|a, b| path_cmp(a, b).is_lt()));
    }

    proptest! {
        #[test]
        fn order_is_that_of_components(a in "[a!/.]{0,9}", b in "[a!/.]{0,9}") {
            let (a, b) = (a.as_bytes(), b.as_bytes());
            let components = |path: &[u8]| path.split(|byte| *byte == b'/').map(<[u8]>::to_vec).collect::<Vec<_>>();
            // The empty path has no component; `split` gives it an empty one, which sorts before all others as well.
            prop_assert_eq!(path_cmp(a, b), components(a).cmp(&components(b)));
        }
    }
}
