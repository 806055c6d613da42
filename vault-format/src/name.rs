//! The names of stored objects (SPEC section 2). What is not one of these is never used as a path.

use crate::header::ObjectType;
use crate::ids::{DeviceId, ObjectHash, hex, unhex};
use crate::limits;

/// The name of an object under the vault's prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ObjectName {
    /// A roster record.
    Roster {
        /// 1 + the greatest number of its parents.
        n: u32,
        /// Of the stored bytes.
        hash: ObjectHash,
    },
    /// A log entry.
    Log {
        /// The device whose log it is.
        device: DeviceId,
        /// 1 + the greatest number of its predecessors.
        seq: u64,
        /// Of the stored bytes.
        hash: ObjectHash,
    },
    /// A data or tree pack.
    Pack(PackName),
    /// An index delta.
    Delta {
        /// The writer.
        device: DeviceId,
        /// Of the stored bytes.
        hash: ObjectHash,
    },
    /// An index shard.
    Shard {
        /// The writer.
        device: DeviceId,
        /// Of the stored bytes.
        hash: ObjectHash,
    },
    /// A part of a checkpoint.
    Checkpoint {
        /// The writer.
        device: DeviceId,
        /// Of the stored bytes.
        hash: ObjectHash,
    },
    /// A pairing message.
    Mail {
        /// Random, of the pairing.
        session: [u8; 16],
        /// Number of the message.
        n: u8,
        /// Of the stored bytes.
        hash: ObjectHash,
    },
}

/// The name of a pack.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PackName {
    /// Holds nodes, not file chunks.
    pub tree: bool,
    /// The writer.
    pub device: DeviceId,
    /// Of the stored bytes.
    pub hash: ObjectHash,
}

impl ObjectName {
    /// The path under the vault's prefix.
    pub fn to_path(&self) -> String {
        match *self {
            Self::Roster { n, hash } => format!("zv1/r/{n:08x}-{hash}"),
            Self::Log { device, seq, hash } => format!("zv1/l/{device}/{seq:016x}-{hash}"),
            Self::Pack(PackName { tree, device, hash }) => {
                format!("zv1/{}/{device}/{hash}", if tree { 't' } else { 'p' })
            }
            Self::Delta { device, hash } => format!("zv1/i/{device}/{hash}"),
            Self::Shard { device, hash } => format!("zv1/x/{device}/{hash}"),
            Self::Checkpoint { device, hash } => format!("zv1/c/{device}/{hash}"),
            Self::Mail { session, n, hash } => {
                format!("zv1/m/{}/{n:02x}-{hash}", hex(&session, &mut [0; 32]))
            }
        }
    }

    /// The name that has this path, byte for byte; `None` for anything else.
    pub fn parse(path: &str) -> Option<Self> {
        let (kind, rest) = path.as_bytes().strip_prefix(b"zv1/")?.split_first_chunk::<2>()?;
        Some(match kind {
            b"r/" => {
                let (n, hash) = numbered(rest)?;
                Self::Roster { n: u32::from_be_bytes(n), hash }
            }
            b"l/" => {
                let (device, rest) = folder(rest)?;
                let (seq, hash) = numbered(rest)?;
                Self::Log { device: DeviceId(device), seq: u64::from_be_bytes(seq), hash }
            }
            b"m/" => {
                let (session, rest) = folder(rest)?;
                let ([n], hash) = numbered(rest)?;
                Self::Mail { session, n, hash }
            }
            b"p/" | b"t/" | b"i/" | b"x/" | b"c/" => {
                let (device, rest) = folder(rest)?;
                let (device, hash) = (DeviceId(device), ObjectHash(unhex(rest)?));
                match kind[0] {
                    b'i' => Self::Delta { device, hash },
                    b'x' => Self::Shard { device, hash },
                    b'c' => Self::Checkpoint { device, hash },
                    kind => Self::Pack(PackName { tree: kind == b't', device, hash }),
                }
            }
            _ => return None,
        })
    }

    /// The hash of the object's stored bytes.
    pub fn hash(&self) -> ObjectHash {
        match *self {
            Self::Roster { hash, .. }
            | Self::Log { hash, .. }
            | Self::Delta { hash, .. }
            | Self::Shard { hash, .. }
            | Self::Checkpoint { hash, .. }
            | Self::Mail { hash, .. } => hash,
            Self::Pack(pack) => pack.hash,
        }
    }

    /// The most bytes that an object of this kind has (SPEC section 12).
    pub fn limit(&self) -> u64 {
        let limit = match self {
            Self::Pack(_) => limits::PACK,
            Self::Delta { .. } | Self::Shard { .. } | Self::Checkpoint { .. } => limits::INDEX_STORED,
            Self::Log { .. } => limits::ENTRY_STORED,
            Self::Roster { .. } => limits::RECORD_STORED,
            Self::Mail { .. } => limits::MAIL_STORED,
        };
        limit as u64
    }

    /// The device of the path; roster records and mail have none.
    pub fn device(&self) -> Option<DeviceId> {
        match *self {
            Self::Log { device, .. }
            | Self::Delta { device, .. }
            | Self::Shard { device, .. }
            | Self::Checkpoint { device, .. } => Some(device),
            Self::Pack(pack) => Some(pack.device),
            Self::Roster { .. } | Self::Mail { .. } => None,
        }
    }

    /// The type that the header of the object must have.
    pub fn object_type(&self) -> ObjectType {
        match self {
            Self::Roster { .. } => ObjectType::Roster,
            Self::Log { .. } => ObjectType::Entry,
            Self::Pack(PackName { tree: false, .. }) => ObjectType::DataPack,
            Self::Pack(PackName { tree: true, .. }) => ObjectType::TreePack,
            Self::Delta { .. } => ObjectType::Delta,
            Self::Shard { .. } => ObjectType::Shard,
            Self::Checkpoint { .. } => ObjectType::Checkpoint,
            Self::Mail { .. } => ObjectType::Mail,
        }
    }
}

impl From<PackName> for ObjectName {
    fn from(name: PackName) -> Self {
        Self::Pack(name)
    }
}

/// The folder of everything. Folders have no `/` at the end.
pub fn prefix() -> String {
    "zv1".to_owned()
}

/// The folder of the roster records.
pub fn roster_prefix() -> String {
    "zv1/r".to_owned()
}

/// The folder of the logs of all devices.
pub fn logs_prefix() -> String {
    "zv1/l".to_owned()
}

/// The folder of one device's log.
pub fn log_prefix(device: DeviceId) -> String {
    format!("zv1/l/{device}")
}

/// The folder of the tree or data packs of all devices.
pub fn packs_prefix(tree: bool) -> String {
    if tree { "zv1/t" } else { "zv1/p" }.to_owned()
}

/// The folder of one device's tree or data packs.
pub fn pack_prefix(tree: bool, device: DeviceId) -> String {
    format!("{}/{device}", packs_prefix(tree))
}

/// The folder of the index deltas of all devices.
pub fn deltas_prefix() -> String {
    "zv1/i".to_owned()
}

/// The folder of one device's index deltas.
pub fn delta_prefix(device: DeviceId) -> String {
    format!("zv1/i/{device}")
}

/// The folder of the index shards of all devices.
pub fn shards_prefix() -> String {
    "zv1/x".to_owned()
}

/// The folder of one device's index shards.
pub fn shard_prefix(device: DeviceId) -> String {
    format!("zv1/x/{device}")
}

/// The folder of the parts of checkpoints of all devices.
pub fn checkpoints_prefix() -> String {
    "zv1/c".to_owned()
}

/// The folder of the parts of one device's checkpoints.
pub fn checkpoint_prefix(device: DeviceId) -> String {
    format!("zv1/c/{device}")
}

/// The folder of one pairing's messages.
pub fn mail_prefix(session: [u8; 16]) -> String {
    format!("zv1/m/{}", hex(&session, &mut [0; 32]))
}

/// `<32 digits>/<rest>`
fn folder(path: &[u8]) -> Option<([u8; 16], &[u8])> {
    let (folder, rest) = path.split_at_checked(32)?;
    Some((unhex(folder)?, rest.strip_prefix(b"/")?))
}

/// `<2 N digits>-<hash>`
fn numbered<const N: usize>(file: &[u8]) -> Option<([u8; N], ObjectHash)> {
    let (number, rest) = file.split_at_checked(2 * N)?;
    Some((unhex(number)?, ObjectHash(unhex(rest.strip_prefix(b"-")?)?)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn names() -> impl Strategy<Value = ObjectName> {
        (0..8, any::<[u8; 16]>(), any::<[u8; 32]>(), any::<u64>()).prop_map(|(kind, sixteen, hash, number)| {
            let (device, hash) = (DeviceId(sixteen), ObjectHash(hash));
            match kind {
                0 => ObjectName::Roster { n: number as u32, hash },
                1 => ObjectName::Log { device, seq: number, hash },
                2 | 3 => ObjectName::Pack(PackName { tree: kind == 3, device, hash }),
                4 => ObjectName::Delta { device, hash },
                5 => ObjectName::Shard { device, hash },
                6 => ObjectName::Checkpoint { device, hash },
                _ => ObjectName::Mail { session: sixteen, n: number as u8, hash },
            }
        })
    }

    proptest! {
        #[test]
        fn names_round_trip(name in names()) {
            prop_assert_eq!(ObjectName::parse(&name.to_path()), Some(name));
            let folder = match name {
                ObjectName::Roster { .. } => roster_prefix(),
                ObjectName::Log { device, .. } => log_prefix(device),
                ObjectName::Pack(pack) => pack_prefix(pack.tree, pack.device),
                ObjectName::Delta { device, .. } => delta_prefix(device),
                ObjectName::Shard { device, .. } => shard_prefix(device),
                ObjectName::Checkpoint { device, .. } => checkpoint_prefix(device),
                ObjectName::Mail { session, .. } => mail_prefix(session),
            };
            let inside = name.to_path().starts_with(&format!("{folder}/"));
            prop_assert!(inside);
        }

        /// One changed byte gives another name or none, never the same.
        #[test]
        fn names_have_one_spelling(name in names(), at: prop::sample::Index, byte in 0..128u8) {
            let path = name.to_path();
            let mut other = path.clone().into_bytes();
            other[at.index(path.len())] = byte;
            let other = String::from_utf8(other).expect("ASCII");
            match ObjectName::parse(&other) {
                Some(parsed) => prop_assert_eq!(parsed.to_path(), other),
                None => prop_assert_ne!(path, other),
            }
        }

        #[test]
        fn any_text_is_safe(text in "(zv1/[rlptixcm]/)?.{0,120}") {
            let _ = ObjectName::parse(&text);
        }
    }
}
