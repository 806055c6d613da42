//! The order of a push (SPEC section 15), carried by types that only the store can make: an index delta names only
//! packs that are stored, a log entry only deltas that are stored.

use crate::stage;
use bytes::Bytes;
use vault_format::ids::{DeviceId, ObjectHash};
use vault_format::name::PackName;
use vault_format::pack::FooterSegment;

/// A sealed and verified pack on its way to the store.
pub struct FullPack {
    /// Its name, with the hash of `bytes`.
    pub name: PackName,
    /// All of its stored bytes.
    pub bytes: Bytes,
    /// Where its chunks are: what its footer says.
    pub segments: Vec<FooterSegment>,
}

impl From<stage::FullPack> for FullPack {
    fn from(pack: stage::FullPack) -> Self {
        Self { name: pack.name, bytes: pack.bytes.into(), segments: pack.segments }
    }
}

/// A pack of which the store has confirmed that it has it. Only [`Store::put_pack`](super::Store::put_pack) makes one.
#[derive(Debug)]
pub struct StoredPack {
    receipt: PackReceipt,
    segments: Vec<FooterSegment>,
}

impl StoredPack {
    pub(super) fn new(name: PackName, size: u64, segments: Vec<FooterSegment>) -> Self {
        Self { receipt: PackReceipt { name, size }, segments }
    }

    /// The name.
    pub fn name(&self) -> PackName {
        self.receipt.name
    }

    /// Stored bytes.
    pub fn size(&self) -> u64 {
        self.receipt.size
    }

    /// What its footer says.
    pub fn segments(&self) -> &[FooterSegment] {
        &self.segments
    }

    /// That it is stored, without what is in it.
    pub fn receipt(&self) -> PackReceipt {
        self.receipt
    }
}

/// That a pack is stored. Comes from a [`StoredPack`] only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PackReceipt {
    name: PackName,
    size: u64,
}

impl PackReceipt {
    /// The name.
    pub fn name(&self) -> PackName {
        self.name
    }

    /// Stored bytes.
    pub fn size(&self) -> u64 {
        self.size
    }
}

/// An index delta of which the store has confirmed that it has it. Only
/// [`Store::put_delta`](super::Store::put_delta) makes one; a log entry takes these.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoredDelta {
    device: DeviceId,
    hash: ObjectHash,
    size: u64,
}

impl StoredDelta {
    pub(super) fn new(device: DeviceId, hash: ObjectHash, size: u64) -> Self {
        Self { device, hash, size }
    }

    /// The writer.
    pub fn device(&self) -> DeviceId {
        self.device
    }

    /// Of the stored bytes.
    pub fn hash(&self) -> ObjectHash {
        self.hash
    }

    /// Stored size in KiB, as log entries name it (SPEC section 10.2, key 6).
    pub fn kib(&self) -> u32 {
        u32::try_from(self.size.div_ceil(1024)).unwrap_or(u32::MAX)
    }
}

/// An object of any other kind of which the store has confirmed that it has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stored<N> {
    name: N,
    size: u64,
}

impl<N: Copy> Stored<N> {
    pub(super) fn new(name: N, size: u64) -> Self {
        Self { name, size }
    }

    /// The name.
    pub fn name(&self) -> N {
        self.name
    }

    /// Stored bytes.
    pub fn size(&self) -> u64 {
        self.size
    }
}
