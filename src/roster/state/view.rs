//! What everybody sees in a roster: devices, epochs, features, stores, settings, records that do not count.

use super::Standing;
use std::collections::BTreeSet;
use vault_format::{
    entry::Time,
    ids::{DeviceId, EpochId, Identity},
    roster::{Capabilities, EpochPart, Slot},
};

/// A device, real or virtual.
#[derive(Clone, Debug)]
pub struct Device {
    /// Verifies what it signs.
    pub verify_key: Vec<u8>,
    /// Seals to it.
    pub kem_key: Vec<u8>,
    /// Everything it was given.
    pub capabilities: Capabilities,
    /// Whom it can revoke, and who can revoke it.
    pub rank: Rank,
    /// For a virtual device: how its keys are opened.
    pub slot: Option<Slot>,
    /// The number of the first record that added it.
    pub added_n: u32,
    /// When that was, as its signer says.
    pub added: Time,
    /// Who signed it.
    pub added_by: DeviceId,
    /// Empty: it is a member.
    pub revocations: Vec<Revocation>,
}

impl Device {
    /// Whether nobody has revoked it.
    pub fn is_member(&self) -> bool {
        self.revocations.is_empty()
    }

    /// Whether the device that has this `id` is no member any more, and nobody but itself says so.
    pub fn has_left(&self, id: DeviceId) -> bool {
        !self.is_member() && self.revocations.iter().all(|revocation| revocation.by == id)
    }
}

/// Ranks in ascending order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rank {
    /// Everybody else.
    Device,
    /// The founder, and those who were given `admin`.
    Admin,
    /// The key in the genesis, or the one that replaced it.
    Root,
}

/// An effective revocation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Revocation {
    /// The record.
    pub record: Identity,
    /// The last entry of the device's log that counts, as far as the revoker knew.
    pub last: Option<Identity>,
    /// Who signed it.
    pub by: DeviceId,
    /// When that was, as its signer says.
    pub time: Time,
}

/// An epoch, as everybody sees it.
#[derive(Clone, Debug)]
pub struct Epoch {
    /// Its name.
    pub id: EpochId,
    /// What push-only devices seal packs to.
    pub public: Vec<u8>,
    /// The number of its record.
    pub n: u32,
    /// No other epoch has seen it.
    pub is_head: bool,
    /// All readers that it was sealed to are members.
    pub is_clean: bool,
    pub(super) part: EpochPart,
}

/// Names of features. Sets only grow.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Features {
    /// Needed to read.
    pub read: BTreeSet<String>,
    /// Needed to write.
    pub write: BTreeSet<String>,
    /// Needed to forget and collect.
    pub prune: BTreeSet<String>,
}

/// What a store is known by in the roster: random.
pub type StoreId = [u8; 16];

/// A store, as everybody sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Store {
    /// What sort of store.
    pub kind: u8,
    /// Its lists decide.
    pub primary: bool,
    /// What was found out about it.
    pub verdict: u32,
}

/// A value of the whole vault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    /// The greatest (n, identity) wins.
    pub value: Vec<u8>,
    /// Values that lost against one that had not seen them.
    pub lost: Vec<Vec<u8>>,
}

/// A record that does not count in full.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Void {
    /// The record.
    pub identity: Identity,
    /// Its number.
    pub n: u32,
    /// Who signed it.
    pub signer: DeviceId,
    /// Why it does not count.
    pub standing: Standing,
}
