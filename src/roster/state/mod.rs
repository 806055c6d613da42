//! A vault's membership as all well-formed records together make it.
mod cuts;
mod heads;
mod merge;
mod open;
mod view;

use super::{
    graph::{self, Checked, Graph, Ignored, IgnoredWhy},
    rank::{self, Standing},
};
use crypto_backends::{Provider, Suite};
use std::collections::{BTreeMap, BTreeSet};
use vault_format::{
    FormatError, Header, ObjectName, ObjectType,
    ids::{DeviceId, EpochId, Identity, VaultId},
    limits,
    roster::{Capabilities, Op},
};

pub use open::{FoundSlot, OpenError, PusherAccess, ReaderKeys};
pub use view::{Device, Epoch, Features, Rank, Revocation, Setting, Store, StoreId, Void};

/// The merged state of a roster: a function of the set of its well-formed records.
pub struct Roster {
    /// The vault.
    pub vault: VaultId,
    /// The bytes that the vault id is the hash of.
    pub genesis: Vec<u8>,
    /// The newest records that count; more than one until somebody with `admin` or `pair` writes the next.
    pub heads: Vec<Identity>,
    /// Every device that was ever added by a record that counts, virtual and revoked ones too.
    pub devices: BTreeMap<DeviceId, Device>,
    /// Every epoch, in the order (n, identity) of its record.
    pub epochs: Vec<Epoch>,
    /// The epoch that pushes use. `None`: all heads were sealed to somebody who was revoked since, and pushing stops.
    pub current_epoch: Option<EpochId>,
    /// Features that a program must know.
    pub features: Features,
    /// Some record holds an operation that this version does not know: the vault is read-only for it.
    pub has_unknown_operations: bool,
    /// Two new roots were named with no order between them: nobody is root.
    pub root_is_frozen: bool,
    /// Where the vault is; URLs are for readers ([`ReaderKeys::store_urls`]).
    pub stores: BTreeMap<StoreId, Store>,
    /// Values of the whole vault.
    pub settings: BTreeMap<String, Setting>,
    /// Well-formed records that do not count, or not in all they say.
    pub void: Vec<Void>,
    /// Objects that are no well-formed records of this vault.
    pub ignored: Vec<Ignored>,
    pub(super) graph: Graph,
    pub(super) standing: Vec<Standing>,
    /// The devices that are root: one, but where the founder made two.
    roots: BTreeSet<DeviceId>,
    /// Records of devices that have left which an admin's next record is to name, or they may become void.
    unkept: Vec<usize>,
    /// The record whose word on a device counts: the first by an admin that adds it, or the first of all.
    adding: BTreeMap<DeviceId, usize>,
}

impl Roster {
    /// Merges what a store shows below its roster prefix.
    ///
    /// Without a `pinned` id this trusts whatever vault is there, which is no trust at all: see [`super::unlock`] for first contact.
    pub fn build(
        provider: &'static Provider,
        objects: &[(ObjectName, Vec<u8>)],
        pinned: Option<VaultId>,
    ) -> Result<Self, RosterError> {
        let (parsed, mut ignored) = graph::parse(provider, objects);
        let found = graph::vaults(provider, &parsed);
        let vault = match (pinned, found.len()) {
            (Some(pinned), _) if found.contains(&pinned) => pinned,
            (Some(pinned), 1..) => return Err(RosterError::OtherVault { pinned, found: found.into_iter().collect() }),
            // Whoever knows a vault is told that it is not here.
            (Some(_), 0) => return Err(nothing_here(&ignored)),
            (None, 0) => return Err(of_another_suite(objects).unwrap_or_else(|| nothing_here(&ignored))),
            (None, 1) => *found.first().expect("there is one"),
            (None, _) => return Err(RosterError::TwoVaults { found: found.into_iter().collect() }),
        };
        let graph = graph::verify(provider, vault, parsed, &mut ignored).ok_or_else(|| nothing_here(&ignored))?;
        Ok(Self::merge(graph, ignored))
    }

    /// The vaults that these may be the beginning of, and nothing else of them: what they say is not judged.
    pub(crate) fn vaults(
        provider: &Provider,
        objects: &[(ObjectName, Vec<u8>)],
    ) -> Result<BTreeSet<VaultId>, RosterError> {
        let (parsed, ignored) = graph::parse(provider, objects);
        let found = graph::vaults(provider, &parsed);
        match found.is_empty() {
            true => Err(of_another_suite(objects).unwrap_or_else(|| nothing_here(&ignored))),
            false => Ok(found),
        }
    }

    /// Whether a record is among those that are well formed. A pinned head that is not was withheld by the store.
    pub fn knows(&self, record: Identity) -> bool {
        self.graph.records.iter().any(|r| r.identity == record)
    }

    /// All devices that were revoked.
    pub(crate) fn revoked(&self) -> Vec<DeviceId> {
        let revoked = self.devices.iter().filter(|(_, device)| !device.revocations.is_empty());
        revoked.map(|(id, _)| *id).collect()
    }

    /// Whether root has revoked the device: nothing that root has not seen counts of it.
    pub fn is_ended(&self, device: DeviceId) -> bool {
        let is_revoked = |op: &Op| matches!(op, Op::Revoke { id, .. } if *id == device);
        let by_root = effective(&self.graph, &self.standing).filter(|record| self.roots.contains(&record.signer));
        by_root.flat_map(|record| &record.record.ops).any(is_revoked)
    }

    /// Whether some record adds a device, whether it counts or not.
    pub(super) fn has_keys(&self, device: DeviceId) -> bool {
        self.graph.keys.contains_key(&device)
    }

    /// What the first record that adds it says of a device that is in no record that counts, with all that it was ever given:
    /// what its key can do yet may rest on any of that.
    pub(crate) fn outside(&self, device: DeviceId) -> Option<Device> {
        let mut found: Option<Device> = None;
        let mut all = Capabilities::NONE;
        for record in &self.graph.records {
            for op in &record.record.ops {
                match op {
                    Op::Add { id, verify_key, kem_key, capabilities, slot, .. } if *id == device => {
                        all = all | *capabilities;
                        found.get_or_insert_with(|| Device {
                            verify_key: verify_key.clone(),
                            kem_key: kem_key.clone(),
                            capabilities: Capabilities::NONE,
                            rank: Rank::Device,
                            slot: slot.clone(),
                            added_n: record.n,
                            added: record.record.time,
                            added_by: record.signer,
                            revocations: Vec::new(),
                        });
                    }
                    Op::Grant { id, capabilities } if *id == device => all = all | *capabilities,
                    _ => {}
                }
            }
        }
        let rank = if all.contains(Capabilities::ADMIN) { Rank::Admin } else { Rank::Device };
        found.map(|found| Device { capabilities: all, rank, ..found })
    }

    /// How many records that count are neither among these nor in the past of one of them.
    pub fn records_after(&self, known: &[Identity]) -> u64 {
        let places = (0..self.graph.records.len()).filter(|i| known.contains(&self.graph.records[*i].identity));
        let places: Vec<usize> = places.collect();
        let is_after = |i: &usize| !places.iter().any(|place| place == i || self.graph.pasts.sees(*place, *i));
        (0..self.standing.len()).filter(|i| self.standing[*i] == Standing::Effective).filter(is_after).count() as u64
    }

    /// Whether some of the records `before` that count is neither one of `after` nor in their past. Of records that are not
    /// known nothing can be said.
    pub(crate) fn regresses(&self, before: &[Identity], after: &[Identity]) -> bool {
        if before == after {
            return false;
        }
        let place = |id: &Identity| self.graph.records.iter().position(|r| r.identity == *id);
        let Some(after) = after.iter().map(place).collect::<Option<Vec<_>>>() else { return false };
        let is_past = |old: usize| after.iter().any(|new| *new == old || self.graph.pasts.sees(*new, old));
        let counts = |i: &usize| self.standing[*i] == Standing::Effective;
        before.iter().filter_map(place).filter(counts).any(|old| !is_past(old))
    }

    /// The names of the records that it takes to know all that counts, the first ones first: each after what it follows. What is
    /// void is among them only as something that others follow.
    pub(crate) fn needed(&self) -> Vec<Identity> {
        let place: BTreeMap<Identity, usize> =
            self.graph.records.iter().enumerate().map(|(i, record)| (record.identity, i)).collect();
        let counting = (0..self.standing.len()).filter(|i| self.standing[*i] == Standing::Effective);
        let heads = self.heads.iter().filter_map(|head| place.get(head).copied());
        let (mut needed, mut taken) = (Vec::new(), vec![false; self.standing.len()]);
        for end in counting.chain(heads) {
            let (mut past, mut open) = (Vec::new(), vec![end]);
            while let Some(i) = open.pop() {
                if !std::mem::replace(&mut taken[i], true) {
                    past.push(i);
                    let parents = &self.graph.records[i].record.parents;
                    open.extend(parents.iter().filter_map(|parent| place.get(parent).copied()));
                }
            }
            past.sort_unstable();
            needed.extend(past.into_iter().map(|i| self.graph.records[i].identity));
        }
        needed
    }

    /// All well-formed records, parents first: identity, signer, what it says, and how far it counts.
    pub(crate) fn records(
        &self,
    ) -> impl Iterator<Item = (Identity, DeviceId, &vault_format::roster::Record, Standing)> {
        let records = self.graph.records.iter().zip(&self.standing);
        records.map(|(checked, standing)| (checked.identity, checked.signer, &checked.record, *standing))
    }

    /// The store whose lists decide (rule S-1).
    pub fn primary_store(&self) -> Option<StoreId> {
        self.stores.iter().find(|(_, store)| store.primary).map(|(id, _)| *id)
    }

    /// The members: devices that are not revoked.
    pub fn members(&self) -> impl Iterator<Item = (DeviceId, &Device)> {
        self.devices.iter().filter(|(_, device)| device.is_member()).map(|(id, device)| (*id, device))
    }

    /// What `device` may hand on to a device that it adds.
    pub fn may_grant(&self, device: DeviceId) -> Capabilities {
        match self.devices.get(&device).filter(|device| device.is_member()) {
            None => Capabilities::NONE,
            Some(device) if device.rank >= Rank::Admin => Capabilities::ALL,
            Some(device) if device.capabilities.contains(Capabilities::PAIR) => rank::by_pairing(device.capabilities),
            Some(_) => Capabilities::NONE,
        }
    }

    fn is_by_admin(&self, record: &Checked) -> bool {
        self.devices.get(&record.signer).is_some_and(|device| device.rank >= Rank::Admin)
    }
}

/// Why what a store shows is no roster.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RosterError {
    /// No record 0 that its founder signed.
    #[error("there is no vault here")]
    NotAVault,
    /// Records 0 of several vaults, and none of them is pinned.
    #[error("there is more than one vault here: {}; say which one is yours by its id", list(found))]
    TwoVaults {
        /// All of them.
        found: Vec<VaultId>,
    },
    /// The pinned vault is not among those that are here.
    #[error("the store shows vault {} instead of vault {pinned}", list(found))]
    OtherVault {
        /// The vault that this device knows.
        pinned: VaultId,
        /// What the store shows.
        found: Vec<VaultId>,
    },
    /// What is here begins in a suite of which this program has no backend.
    #[error("the vault there is of suite {suite:#04x}, which this program does not have")]
    Suite {
        /// Its number.
        suite: u8,
    },
    /// Only records of a newer version are here.
    #[error("the vault has a newer format than this version of zvault knows: update it")]
    NewerFormat {
        /// What this version does not know.
        source: FormatError,
    },
}

pub(super) fn effective<'a>(graph: &'a Graph, standing: &'a [Standing]) -> impl Iterator<Item = &'a Checked> {
    graph.records.iter().zip(standing).filter(|(_, s)| **s == Standing::Effective).map(|(record, _)| record)
}

/// The suite of what stands where vaults begin, if this program has none of the suites that records here say they are of. One that
/// it has is a vault that is damaged: anybody can put the beginning of another one beside it.
fn of_another_suite(objects: &[(ObjectName, Vec<u8>)]) -> Option<RosterError> {
    let suites = suites_of(objects);
    if suites.is_empty() || suites.iter().any(|suite| crypto_backends::provider(*suite).is_some()) {
        return None;
    }
    let begins = objects.iter().any(|(name, _)| matches!(name, ObjectName::Roster { n: 0, .. }));
    begins.then(|| RosterError::Suite { suite: suites[0].byte() })
}

/// What the headers of records say.
pub(crate) fn suites_of(objects: &[(ObjectName, Vec<u8>)]) -> Vec<Suite> {
    let records = objects.iter().filter_map(|(_, bytes)| Header::parse(bytes).ok());
    let mut suites: Vec<_> =
        records.filter(|header| header.object_type == ObjectType::Roster).map(|header| header.suite).collect();
    suites.sort_unstable_by_key(|suite| suite.byte());
    suites.dedup();
    suites
}

/// Newer records are a reason to update only where no older ones are: anybody can plant a byte.
fn nothing_here(ignored: &[Ignored]) -> RosterError {
    let newer = ignored.iter().find_map(|ignored| match &ignored.why {
        IgnoredWhy::Format(error @ FormatError::NewerFormat { .. }) => Some(error.clone()),
        _ => None,
    });
    newer.map_or(RosterError::NotAVault, |source| RosterError::NewerFormat { source })
}

fn list(ids: &[VaultId]) -> String {
    ids.iter().take(limits::SLOTS_TRIED).map(ToString::to_string).collect::<Vec<_>>().join(", ")
}
