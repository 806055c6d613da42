//! The numbers of SPEC section 12, checked before anything is allocated or fetched.

/// Bytes of a full pack: the most there may be.
pub const PACK: usize = 16 << 20;
/// Plain bytes of an index delta, a shard or a part of a checkpoint.
pub const INDEX_PLAIN: usize = 4 << 20;
/// Stored bytes of an index delta, a shard or a part of a checkpoint: the class of the largest plain table in one stored frame.
pub const INDEX_STORED: usize = (4 << 20) + (128 << 10);
/// Parts of a checkpoint, each of the size of an index shard at most.
pub const CHECKPOINT_PARTS: usize = 1024;
/// Stored bytes of a log entry.
pub const ENTRY_STORED: usize = 256 << 10;
/// Bytes of a log entry's body.
pub const ENTRY_BODY: usize = 192 << 10;
/// Stored bytes of a roster record.
pub const RECORD_STORED: usize = 1 << 20;
/// Bytes of a roster record's body.
pub const RECORD_BODY: usize = 960 << 10;
/// Stored bytes of a mailbox message.
pub const MAIL_STORED: usize = 64 << 10;
/// Plain bytes of a segment.
pub const SEGMENT_PLAIN: usize = 2 << 20;
/// Plain bytes at which a writer ends a segment after the current chunk.
pub const SEGMENT_TARGET: usize = 1 << 20;
/// Chunks in a segment.
pub const SEGMENT_CHUNKS: usize = 262_144;
/// Segments in a pack.
pub const PACK_SEGMENTS: usize = 65_536;
/// Bytes of a chunk of any type.
pub const CHUNK: usize = 1 << 20;
/// Bytes of a chunk of a file.
pub const FILE_CHUNK: usize = 512 << 10;
/// Bytes of a node of a tree.
pub const NODE: usize = 1 << 20;
/// Bytes of items after which a manifest node ends (SPEC section 9.2).
pub const NODE_TARGET: usize = 256 << 10;
/// Entries in a manifest leaf.
pub const LEAF_ENTRIES: usize = 4096;
/// Items in a manifest node.
pub const NODE_ITEMS: usize = 256;
/// Items in a node of a content-defined list.
pub const CONTENT_LIST_ITEMS: usize = 64;
/// Items in a node of a list of fixed chunks: all nodes but the last of a level are full.
pub const FIXED_LIST_ITEMS: usize = 16;
/// The greatest level of a node.
pub const TREE_LEVEL: u8 = 12;
/// Bytes of a path.
pub const PATH: usize = 65_535;
/// Bytes of a component of a path.
pub const COMPONENT: usize = 4095;
/// Components of a path.
pub const DEPTH: usize = 4096;
/// Bytes of the target of a symbolic link.
pub const TARGET: usize = 65_535;
/// Bytes of content that stand in the entry itself; more is in chunks.
pub const INLINE_BYTES: usize = 256;
/// Holes of a file.
pub const HOLES: usize = 1024;
/// Extended attributes of an entry.
pub const XATTRS: usize = 1024;
/// Bytes of the name of an extended attribute.
pub const XATTR_NAME: usize = 255;
/// Bytes of the value of an extended attribute.
pub const XATTR_VALUE: usize = 65_536;
/// Bytes of all values of the extended attributes of an entry.
pub const XATTR_VALUES: usize = 131_072;
/// Bytes of the name of an owner or group.
pub const OWNER_NAME: usize = 255;
/// Bytes of the users, and of the groups, of one leaf.
pub const OWNERS: usize = 65_536;
/// Sources of a snapshot.
pub const SOURCES: usize = 1024;
/// Tags of a snapshot.
pub const TAGS: usize = 256;
/// Bytes of a tag.
pub const TAG: usize = 255;
/// Bytes of the host name, and of the user name, of a snapshot.
pub const LABEL: usize = 255;
/// Nesting of CBOR maps and arrays.
pub const CBOR_DEPTH: usize = 8;
/// Members of a vault, virtual devices included: a record that starts an epoch holds a box for each.
pub const MEMBERS: usize = 512;
/// Parents of a roster record.
pub const RECORD_PARENTS: usize = 16;
/// Operations of a roster record.
pub const RECORD_OPERATIONS: usize = 1024;
/// Predecessors of a log entry.
pub const ENTRY_PREV: usize = 8;
/// Open heads of one log that an entry names.
pub const ENTRY_HEADS: usize = 64;
/// Slots that are tried to open a vault (SPEC section 11.4).
pub const SLOTS_TRIED: usize = 8;
/// Slots for words that are tried when a vault is opened: each costs one derivation and not a second (SPEC section 11.4).
pub const WORD_SLOTS_TRIED: usize = 64;
/// Bytes of a slot blob (SPEC section 11.4).
pub const SLOT_BLOB: usize = 8 << 10;
/// Bytes of a flight of a pairing: what a mailbox object holds beside its header and a length (SPEC section 18.5).
pub const FLIGHT: usize = MAIL_STORED - 120 - 4;
/// Bytes of what a ticket says besides its secret.
pub const TICKET_EXTRAS: usize = 16 << 10;
/// Addresses in a ticket.
pub const TICKET_ADDRESSES: usize = 8;
/// Bytes of a presigned URL.
pub const PRESIGNED_URL: usize = 2048;
/// Bytes of the URL of a store.
pub const STORE_URL: usize = 4096;
/// Settings of a store, and credentials in a welcome.
pub const PAIR_NAMED: usize = 16;
/// Bytes of the name of one of them.
pub const PAIR_NAME: usize = 64;
/// Bytes of a setting of a store in a ticket or a welcome.
pub const STORE_SETTING: usize = 1024;
/// Bytes of a credential.
pub const CREDENTIAL: usize = 4096;
/// Stores in a welcome.
pub const WELCOME_STORES: usize = 16;
/// Log heads in a welcome.
pub const WELCOME_LOG_HEADS: usize = 512;
/// Flights that a receiver looks at in one step of a pairing, on each way and in each session.
pub const PAIR_CANDIDATES: usize = 64;
/// An exported history: what a program that verifies one reads into memory.
pub const HISTORY: usize = 1 << 30;
