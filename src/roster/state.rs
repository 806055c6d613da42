//! A vault's membership as all well-formed records together make it.

use super::{
    graph::{self, Checked, Graph, Ignored, IgnoredWhy},
    rank::{self, Ground, Root, Standing},
};
use crate::keys::{DeviceKeys, DomainKeys, EpochKeys, PusherKeys, boxes};
use crypto_backends::{Key, Provider, SecretBytes};
use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
};
use vault_format::{
    FormatError, ObjectName,
    entry::Time,
    ids::{DeviceId, Domain, EpochId, Identity, VaultId},
    limits,
    roster::{BoxPart, Capabilities, EpochPart, Op, Slot},
};

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
    /// The record whose word on a device counts: the first by an admin that adds it, or the first of all.
    adding: BTreeMap<DeviceId, usize>,
}

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
    part: EpochPart,
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

/// A slot that somebody may have the secret of.
pub struct FoundSlot<'a> {
    /// The id that the roster gives the virtual device.
    pub device: DeviceId,
    /// Part of what the slot is bound to.
    pub verify_key: &'a [u8],
    /// The same.
    pub kem_key: &'a [u8],
    /// The slot.
    pub slot: &'a Slot,
}

/// What a reader has opened.
pub struct ReaderKeys {
    /// Every epoch that the device can open, the earlier ones by their history.
    pub epochs: BTreeMap<EpochId, EpochKeys>,
    /// The epoch that pushes use, if the device has it.
    pub current: Option<EpochId>,
    /// `V`: names and cuts the chunks of every domain.
    pub domain_root: Key,
    /// Records with boxes for the device that hold another `V`: they were not believed.
    pub disputed: BTreeSet<Identity>,
    /// What devices are called.
    pub device_names: BTreeMap<DeviceId, String>,
    /// Where the vault is.
    pub store_urls: BTreeMap<[u8; 16], String>,
    pub(super) secrets: BTreeMap<DeviceId, Key>,
    kem_secrets: BTreeMap<EpochId, SecretBytes>,
    provider: &'static Provider,
}

/// What a push-only device has opened.
pub struct PusherAccess {
    /// Its keys of every epoch that it has a box of.
    pub epochs: BTreeMap<EpochId, PusherKeys>,
    /// The epoch that pushes use, if the device has it.
    pub current: Option<EpochId>,
    /// Names and cuts its chunks.
    pub domain: DomainKeys,
    /// Records with boxes for the device that hold other domain keys: they were not believed.
    pub disputed: BTreeSet<Identity>,
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
            (_, 0) => return Err(nothing_here(&ignored)),
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
        if found.is_empty() { Err(nothing_here(&ignored)) } else { Ok(found) }
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

    /// Slots of members, in the order in which they are tried: root's, those of admins, those that record 0 or an admin added,
    /// those of the lowest record. Whoever has `pair` adds as many as it likes, and none of them comes before the vault's own.
    /// Read **before** there is any trust: what a slot's owner may believe is what is inside of it.
    pub fn slots(&self) -> Vec<FoundSlot<'_>> {
        let by_admin = |device: &Device| self.devices.get(&device.added_by).is_some_and(|by| by.rank >= Rank::Admin);
        let mut members: Vec<_> = self.members().filter(|(_, device)| device.slot.is_some()).collect();
        members.sort_by_key(|(id, device)| {
            (Reverse(device.rank), device.added_n != 0, !by_admin(device), device.added_n, *id)
        });
        members
            .into_iter()
            .filter_map(|(id, device)| {
                let slot = device.slot.as_ref()?;
                Some(FoundSlot { device: id, verify_key: &device.verify_key, kem_key: &device.kem_key, slot })
            })
            .collect()
    }

    /// Opens everything that a reader has.
    pub fn open_as(&self, provider: &'static Provider, device: &DeviceKeys) -> Result<ReaderKeys, OpenError> {
        self.check_member(device.id)?;
        let mut domain_root: Option<Key> = None;
        let mut disputed = BTreeSet::new();
        let mut failed = None;
        let mut opened = OpenedEpochs::default();
        for (record, part) in self.boxes_for(device.id, false) {
            match boxes::open_reader_box(provider, device, part) {
                Ok((epoch, root)) => {
                    let is_known = opened.epochs.contains_key(&epoch.id);
                    if (self.accept(provider, epoch, &mut opened) || is_known)
                        && !domain_root.get_or_insert_with(|| Key::new(*root.expose())).ct_eq(&root)
                    {
                        disputed.insert(record.identity);
                    }
                }
                Err(error) => failed = Some(error),
            }
        }
        let Some(domain_root) = domain_root else {
            return Err(match failed {
                Some(source) => OpenError::Box { device: device.id, source: Box::new(source) },
                None => OpenError::NotAReader { device: device.id },
            });
        };
        self.add_history(provider, &mut opened);
        let OpenedEpochs { epochs, kem_secrets } = opened;
        let current = self.current_epoch.filter(|id| epochs.contains_key(id));
        let mut keys = ReaderKeys {
            epochs,
            current,
            domain_root,
            disputed,
            device_names: BTreeMap::new(),
            store_urls: BTreeMap::new(),
            secrets: BTreeMap::new(),
            kem_secrets,
            provider,
        };
        self.read_private_parts(provider, &mut keys);
        Ok(keys)
    }

    /// Opens everything that a push-only device has.
    pub fn open_as_pusher(&self, provider: &'static Provider, device: &DeviceKeys) -> Result<PusherAccess, OpenError> {
        self.check_member(device.id)?;
        let mut opened: Option<DomainKeys> = None;
        let mut disputed = BTreeSet::new();
        let mut failed = None;
        let mut epochs = BTreeMap::new();
        for (record, part) in self.boxes_for(device.id, true) {
            match boxes::open_pusher_box(provider, device, part) {
                Ok((keys, domain)) => {
                    match &opened {
                        Some(first) if !first.is_same(&domain) => {
                            disputed.insert(record.identity);
                            continue;
                        }
                        Some(_) => {}
                        None => opened = Some(domain),
                    }
                    epochs.entry(keys.epoch).or_insert(keys);
                }
                Err(error) => failed = Some(error),
            }
        }
        match (opened, failed) {
            (Some(domain), _) => {
                let current = self.current_epoch.filter(|id| epochs.contains_key(id));
                Ok(PusherAccess { epochs, current, domain, disputed })
            }
            (None, Some(source)) => Err(OpenError::Box { device: device.id, source: Box::new(source) }),
            (None, None) => Err(OpenError::NotAPusher { device: device.id }),
        }
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

    /// Parents and number of the next record by `signer`. Of more heads than a record can follow, first those that the signer's
    /// rights come from: what a record has not seen does not speak for its signer.
    pub(crate) fn next_place(&self, signer: DeviceId) -> (Vec<Identity>, u32) {
        let heads = self.head_places();
        let mut chosen = Vec::new();
        if heads.len() > limits::RECORD_PARENTS {
            self.follow_rights(signer, &heads, &mut chosen);
            self.follow_admins(&heads, &mut chosen);
            chosen.truncate(limits::RECORD_PARENTS);
        }
        self.fill(chosen, &heads, limits::RECORD_PARENTS)
    }

    /// Heads that an entry names which follows others: about so many. What was named `before` is in their past, since an entry goes
    /// by no older roster than the one before it, and so is all that admins wrote: no store leaves out a revocation unnoticed.
    pub(crate) fn heads_to_name(&self, before: &[Identity], most: usize) -> Vec<Identity> {
        let heads = self.head_places();
        let mut chosen = Vec::new();
        if heads.len() > most {
            let before = self.graph.records.iter().enumerate().filter(|(_, record)| before.contains(&record.identity));
            let counting = before.map(|(i, _)| i).filter(|i| self.standing[*i] == Standing::Effective);
            counting.for_each(|old| self.follow(old, &heads, &mut chosen));
            self.follow_admins(&heads, &mut chosen);
        }
        self.fill(chosen, &heads, most).0
    }

    /// The heads, those with the greatest (n, identity) first.
    fn head_places(&self) -> Vec<usize> {
        let is_head = |i: &usize| self.heads.binary_search(&self.graph.records[*i].identity).is_ok();
        (0..self.graph.records.len()).rev().filter(is_head).collect()
    }

    /// Chooses heads in whose past is all that admins wrote: few, since admins follow each other, while whoever may pair can make as
    /// many as it likes, behind those of admins too.
    fn follow_admins(&self, heads: &[usize], chosen: &mut Vec<usize>) {
        let mut last: Vec<usize> = Vec::new();
        for (i, record) in self.graph.records.iter().enumerate().rev() {
            let is_admins = self.standing[i] == Standing::Effective && self.is_by_admin(record);
            if is_admins && !last.iter().any(|later| self.is_or_sees(*later, i)) {
                last.push(i);
                self.follow(i, heads, chosen);
            }
        }
    }

    /// Chooses a head that has seen a record, unless there is one.
    fn follow(&self, record: usize, heads: &[usize], chosen: &mut Vec<usize>) {
        if !chosen.iter().any(|head| self.is_or_sees(*head, record)) {
            chosen.extend(heads.iter().find(|head| self.is_or_sees(**head, record)));
        }
    }

    /// Chooses heads in whose past is all that gives `signer` its rights. Each brings at least one of eight bits, so they are fewer
    /// than a record can follow.
    fn follow_rights(&self, signer: DeviceId, heads: &[usize], chosen: &mut Vec<usize>) {
        const ADDED: u16 = 1 << 8;
        // An admin's authority does not rest on what others add.
        const ADDED_BY_ADMIN: u16 = 1 << 9;
        const NEW_ROOT: u16 = 1 << 10;
        let mut rights: Vec<(usize, u16)> = Vec::new();
        let counting = (0..self.standing.len()).filter(|i| self.standing[*i] == Standing::Effective);
        for (i, record) in counting.map(|i| (i, &self.graph.records[i])) {
            let added = if self.is_by_admin(record) { ADDED | ADDED_BY_ADMIN } else { ADDED };
            let bits = record.record.ops.iter().fold(0, |bits, op| match op {
                Op::Add { id, capabilities, .. } if *id == signer => bits | added | u16::from(capabilities.bits()),
                Op::Grant { id, capabilities } if *id == signer => bits | u16::from(capabilities.bits()),
                Op::NewRoot { .. } if self.roots.contains(&signer) => bits | NEW_ROOT,
                _ => bits,
            });
            if bits & NEW_ROOT != 0 {
                // They follow each other, and the last one counts.
                rights.iter_mut().for_each(|(_, bits)| *bits &= !NEW_ROOT);
            }
            if bits != 0 {
                rights.push((i, bits));
            }
        }
        let brings = |head: usize| {
            let seen = rights.iter().filter(|(i, _)| self.is_or_sees(head, *i));
            seen.fold(0, |all, (_, bits)| all | bits)
        };
        let brought: Vec<u16> = heads.iter().map(|head| brings(*head)).collect();
        let mut missing = brought.iter().fold(0, |all, bits| all | bits);
        while missing != 0 {
            // The first of the best: `max_by_key` takes the last.
            let best = (0..heads.len()).rev().max_by_key(|k| (brought[*k] & missing).count_ones());
            let Some(best) = best else { break };
            chosen.push(heads[best]);
            missing &= !brought[best];
        }
    }

    /// What was chosen, and of `heads` the first of the others, up to so many; and the number of a record that follows them.
    fn fill(&self, mut chosen: Vec<usize>, heads: &[usize], most: usize) -> (Vec<Identity>, u32) {
        for head in heads {
            if chosen.len() < most && !chosen.contains(head) {
                chosen.push(*head);
            }
        }
        let n = chosen.iter().map(|i| self.graph.records[*i].n + 1).max().unwrap_or(0);
        let mut identities: Vec<Identity> = chosen.iter().map(|i| self.graph.records[*i].identity).collect();
        identities.sort_unstable();
        (identities, n)
    }

    fn is_or_sees(&self, i: usize, j: usize) -> bool {
        i == j || self.graph.pasts.sees(i, j)
    }

    /// Members without the box of an epoch that their capabilities ask for: they were added beside it.
    pub(super) fn without_box(&self, epoch: EpochId) -> Vec<DeviceId> {
        let has_box = |id: DeviceId, device: &Device| {
            let pusher = device.capabilities.is_push_only();
            self.boxes_for(id, pusher).any(|(_, part)| part.epoch == epoch)
        };
        self.members().filter(|(id, device)| !has_box(*id, device)).map(|(id, _)| id).collect()
    }

    fn merge(graph: Graph, ignored: Vec<Ignored>) -> Self {
        let ground = Ground {
            founders: graph.founders.clone(),
            root: graph.root,
            roots: graph.roots.clone(),
            reserved: graph.reserved.clone(),
            keys: graph.keys.clone(),
        };
        let verdict = rank::evaluate(&ground, &graph.nodes, &graph.pasts);
        let mut roster = Self {
            vault: graph.vault,
            genesis: graph.genesis.clone(),
            heads: Vec::new(),
            devices: BTreeMap::new(),
            epochs: Vec::new(),
            current_epoch: None,
            features: Features::default(),
            has_unknown_operations: false,
            root_is_frozen: verdict.root == Root::Frozen,
            stores: BTreeMap::new(),
            settings: BTreeMap::new(),
            void: Vec::new(),
            ignored,
            graph,
            standing: verdict.standing,
            roots: match verdict.root {
                Root::Key(key) => {
                    verdict.roots.iter().copied().filter(|id| ground.keys.get(id) == Some(&key)).collect()
                }
                Root::None | Root::Frozen => BTreeSet::new(),
            },
            adding: BTreeMap::new(),
        };
        roster.merge_heads(&verdict.devices, &verdict.revocations);
        roster.merge_devices(&verdict.devices, &verdict.revocations);
        roster.merge_values();
        roster.merge_epochs();
        roster
    }

    /// Of records that count for nothing but their revocations, the first that revokes a device of the vault is a head as well: a
    /// store is not to leave it out unnoticed. Others change little, and whoever has left can write them without end.
    fn merge_heads(&mut self, given: &BTreeMap<DeviceId, Capabilities>, revocations: &[(DeviceId, usize)]) {
        let mut first: BTreeMap<DeviceId, usize> = BTreeMap::new();
        for (target, i) in revocations.iter().filter(|(target, _)| given.contains_key(target)) {
            first.entry(*target).and_modify(|first| *first = *i.min(first)).or_insert(*i);
        }
        let first: BTreeSet<usize> = first.into_values().collect();
        let counts = |i: &usize| match self.standing[*i] {
            Standing::Effective => true,
            Standing::RevocationsOnly => first.contains(i),
            Standing::NoRight | Standing::Revoked => false,
        };
        let counting: Vec<usize> = (0..self.standing.len()).filter(counts).collect();
        let is_head = |i: &&usize| !counting.iter().any(|j| self.graph.pasts.sees(*j, **i));
        self.heads = counting.iter().filter(is_head).map(|i| self.graph.records[*i].identity).collect();
        self.heads.sort();
        for (record, standing) in self.graph.records.iter().zip(&self.standing) {
            if *standing != Standing::Effective {
                let Checked { identity, n, signer, .. } = *record;
                self.void.push(Void { identity, n, signer, standing: *standing });
            }
        }
    }

    fn merge_devices(&mut self, given: &BTreeMap<DeviceId, Capabilities>, revocations: &[(DeviceId, usize)]) {
        // Anybody with `pair` may have added it at the same time: a later statement of theirs replaces nothing.
        let rank_of = |roster: &Self, id: DeviceId| {
            let capabilities = given.get(&id).copied().unwrap_or(Capabilities::NONE);
            if roster.roots.contains(&id) {
                Rank::Root
            } else if roster.graph.founders.contains(&id) || capabilities.contains(Capabilities::ADMIN) {
                Rank::Admin
            } else {
                Rank::Device
            }
        };
        let mut adding: BTreeMap<DeviceId, (bool, usize)> = BTreeMap::new();
        for (i, record) in self.graph.records.iter().enumerate() {
            if self.standing[i] != Standing::Effective {
                continue;
            }
            let by_admin = rank_of(self, record.signer) >= Rank::Admin;
            for op in &record.record.ops {
                if let Op::Add { id, .. } = op {
                    let first = adding.entry(*id).or_insert((by_admin, i));
                    if by_admin && !first.0 {
                        *first = (by_admin, i);
                    }
                }
            }
        }
        self.adding = adding.into_iter().map(|(id, (_, i))| (id, i)).collect();
        for (id, i) in &self.adding {
            let record = &self.graph.records[*i];
            let add = record.record.ops.iter().find_map(|op| match op {
                Op::Add { id: added, verify_key, kem_key, slot, .. } if added == id => {
                    Some((verify_key, kem_key, slot))
                }
                _ => None,
            });
            let Some((verify_key, kem_key, slot)) = add else { continue };
            let device = Device {
                verify_key: verify_key.clone(),
                kem_key: kem_key.clone(),
                capabilities: given.get(id).copied().unwrap_or(Capabilities::NONE),
                rank: rank_of(self, *id),
                slot: slot.clone(),
                added_n: record.n,
                added: record.record.time,
                added_by: record.signer,
                revocations: Vec::new(),
            };
            self.devices.insert(*id, device);
        }
        // A record may say the same a thousand times.
        let mut seen = BTreeSet::new();
        for (target, i) in revocations {
            let record = &self.graph.records[*i];
            let Some(device) = self.devices.get_mut(target) else { continue };
            for op in &record.record.ops {
                if let Op::Revoke { id, last } = op
                    && id == target
                {
                    let Checked { identity, signer, record, .. } = record;
                    let revocation = Revocation { record: *identity, last: *last, by: *signer, time: record.time };
                    if seen.insert((*target, *identity, *last)) {
                        device.revocations.push(revocation);
                    }
                }
            }
        }
    }

    fn merge_values(&mut self) {
        let mut written: BTreeMap<&str, Vec<(usize, &Vec<u8>)>> = BTreeMap::new();
        for (i, record) in self.graph.records.iter().enumerate() {
            if self.standing[i] != Standing::Effective {
                continue;
            }
            for op in &record.record.ops {
                match op {
                    Op::Store { id, kind, primary, verdict } => {
                        if *primary {
                            // One decides: the last that was named, also when two admins named one each.
                            self.stores.values_mut().for_each(|store| store.primary = false);
                        }
                        self.stores.insert(*id, Store { kind: *kind, primary: *primary, verdict: *verdict });
                    }
                    // The one that decides stays, whoever removes it.
                    Op::RemoveStore { id } => self.stores.retain(|known, store| known != id || store.primary),
                    Op::Flags { read, write, prune } => {
                        self.features.read.extend(read.iter().cloned());
                        self.features.write.extend(write.iter().cloned());
                        self.features.prune.extend(prune.iter().cloned());
                    }
                    Op::Setting { key, value } => written.entry(key).or_default().push((i, value)),
                    Op::Unknown { .. } => self.has_unknown_operations = true,
                    Op::Add { .. } | Op::Grant { .. } | Op::Revoke { .. } | Op::NewRoot { .. } => {}
                }
            }
        }
        for (key, values) in written {
            let Some((winner, value)) = values.last().copied() else { continue };
            let lost = |(i, other): &&(usize, &Vec<u8>)| {
                // Overwritten by somebody who had seen it is not lost.
                *other != value && !values.iter().any(|(j, _)| self.graph.pasts.sees(*j, *i)) && *i != winner
            };
            let lost = values.iter().filter(lost).map(|(_, other)| (*other).clone()).collect();
            self.settings.insert(key.to_owned(), Setting { value: value.clone(), lost });
        }
    }

    fn merge_epochs(&mut self) {
        let with_epoch =
            |i: &usize| self.standing[*i] == Standing::Effective && self.graph.records[*i].record.epoch.is_some();
        let places: Vec<usize> = (0..self.standing.len()).filter(with_epoch).collect();
        for i in &places {
            let record = &self.graph.records[*i];
            let Some(part) = record.record.epoch.clone() else { continue };
            if self.epochs.iter().any(|epoch| epoch.id == part.id) {
                continue;
            }
            let readers = effective(&self.graph, &self.standing)
                .flat_map(|r| &r.record.boxes)
                .filter(|b| b.epoch == part.id && !b.pusher)
                .map(|b| b.device);
            // Whoever was added by a record that is void since has the keys all the same.
            let is_clean = readers.map(|id| self.devices.get(&id)).all(|device| device.is_some_and(Device::is_member));
            let is_head = !places.iter().any(|j| self.graph.pasts.sees(*j, *i));
            self.epochs.push(Epoch { id: part.id, public: part.public.clone(), n: record.n, is_head, is_clean, part });
        }
        self.current_epoch =
            self.epochs.iter().rev().find(|epoch| epoch.is_head && epoch.is_clean).map(|epoch| epoch.id);
    }

    fn check_member(&self, device: DeviceId) -> Result<(), OpenError> {
        match self.devices.get(&device) {
            None => Err(OpenError::NotAMember { device }),
            Some(found) if !found.is_member() => Err(OpenError::Revoked { device }),
            Some(_) => Ok(()),
        }
    }

    /// The device's boxes in records that count: those of admins first, then those of the record that added it. Anybody else's
    /// are none, or whoever has `pair` could put keys of their own in the place of the vault's.
    fn boxes_for(&self, device: DeviceId, pusher: bool) -> impl Iterator<Item = (&Checked, &BoxPart)> {
        let adding = self.adding.get(&device).copied();
        let counting = move |by_admin: bool| {
            let records = self.graph.records.iter().enumerate();
            records.filter(move |(i, record)| {
                self.standing[*i] == Standing::Effective
                    && self.is_by_admin(record) == by_admin
                    && (by_admin || Some(*i) == adding)
            })
        };
        counting(true)
            .chain(counting(false))
            .flat_map(|(_, record)| record.record.boxes.iter().map(move |part| (record, part)))
            .filter(move |(_, part)| part.device == device && part.pusher == pusher)
    }

    fn is_by_admin(&self, record: &Checked) -> bool {
        self.devices.get(&record.signer).is_some_and(|device| device.rank >= Rank::Admin)
    }

    /// Every history holds all epochs before it; what one of them lacks, another may have.
    fn add_history(&self, provider: &'static Provider, opened: &mut OpenedEpochs) {
        for epoch in self.epochs.iter().rev() {
            let (Some(keys), Some(history)) = (opened.epochs.get(&epoch.id), &epoch.part.history) else { continue };
            for old in boxes::open_history(provider, self.vault, keys, history).unwrap_or_default() {
                self.accept(provider, old, opened);
            }
        }
    }

    /// Takes the keys of an epoch if they open what its own record sealed under them, so that nobody can slip in others.
    fn accept(&self, provider: &'static Provider, keys: EpochKeys, opened: &mut OpenedEpochs) -> bool {
        if opened.epochs.contains_key(&keys.id) {
            return false;
        }
        let Some(epoch) = self.epochs.iter().find(|epoch| epoch.id == keys.id) else { return false };
        let Ok(secret) = boxes::open_epoch_secret(provider, self.vault, &keys, &epoch.part) else { return false };
        opened.kem_secrets.insert(keys.id, secret);
        opened.epochs.insert(keys.id, keys);
        true
    }

    /// A device's name and `W` come from an admin, or else from the record that added it.
    fn read_private_parts(&self, provider: &'static Provider, keys: &mut ReaderKeys) {
        let mut by_admins = BTreeSet::new();
        for (i, record) in self.graph.records.iter().enumerate() {
            if self.standing[i] != Standing::Effective {
                continue;
            }
            let Some((epoch, field)) = &record.record.private else { continue };
            let Some(epoch) = keys.epochs.get(epoch) else { continue };
            let Ok(part) = boxes::open_private(provider, self.vault, epoch, field) else { continue };
            let by_admin = self.is_by_admin(record);
            for (id, w, name) in &part.0.devices {
                let is_adding = self.adding.get(id) == Some(&i);
                if by_admin || is_adding && !by_admins.contains(id) {
                    keys.secrets.insert(*id, Key::new(*w));
                    keys.device_names.insert(*id, name.clone());
                }
                if by_admin {
                    by_admins.insert(*id);
                }
            }
            if by_admin {
                keys.store_urls.extend(part.0.stores.iter().cloned());
            }
        }
    }
}

impl Device {
    /// Whether the device that has this `id` is no member any more, and nobody but itself says so.
    pub fn has_left(&self, id: DeviceId) -> bool {
        !self.is_member() && self.revocations.iter().all(|revocation| revocation.by == id)
    }

    /// Whether nobody has revoked it.
    pub fn is_member(&self) -> bool {
        self.revocations.is_empty()
    }
}

impl ReaderKeys {
    /// The keys of the epoch that pushes use.
    pub fn current_epoch(&self) -> Option<&EpochKeys> {
        self.epochs.get(&self.current?)
    }

    /// The keys of a domain's chunk ids and borders.
    pub fn domain(&self, domain: Domain) -> DomainKeys {
        DomainKeys::of_root(self.provider, &self.domain_root, domain)
    }

    /// Opens packs that push-only devices sealed to an epoch.
    pub fn kem_secret(&self, epoch: EpochId) -> Option<&SecretBytes> {
        self.kem_secrets.get(&epoch)
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
    /// Only records of a newer version are here.
    #[error("the vault has a newer format than this version of zvault knows: update it")]
    NewerFormat {
        /// What this version does not know.
        source: FormatError,
    },
}

/// Why a device cannot open a vault.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// Nobody added it.
    #[error("device {device} is not in the vault's roster")]
    NotAMember {
        /// The device.
        device: DeviceId,
    },
    /// Somebody revoked it.
    #[error("device {device} was revoked")]
    Revoked {
        /// The device.
        device: DeviceId,
    },
    /// It has no box with keys to read.
    #[error("device {device} may not read the vault")]
    NotAReader {
        /// The device.
        device: DeviceId,
    },
    /// It has no box of a push-only device.
    #[error("device {device} is not a push-only device of the vault")]
    NotAPusher {
        /// The device.
        device: DeviceId,
    },
    /// None of its boxes opens.
    #[error("the keys that the roster holds for device {device} do not open")]
    Box {
        /// The device.
        device: DeviceId,
        /// What the last one said.
        source: Box<crate::stage::SealError>,
    },
}

#[derive(Default)]
struct OpenedEpochs {
    epochs: BTreeMap<EpochId, EpochKeys>,
    kem_secrets: BTreeMap<EpochId, SecretBytes>,
}

pub(super) fn effective<'a>(graph: &'a Graph, standing: &'a [Standing]) -> impl Iterator<Item = &'a Checked> {
    graph.records.iter().zip(standing).filter(|(_, s)| **s == Standing::Effective).map(|(record, _)| record)
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
