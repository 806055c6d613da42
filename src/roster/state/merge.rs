//! Records that count, merged into a roster: heads, devices, values, epochs.

use super::{
    Checked, Device, Epoch, Features, Graph, Ignored, Rank, Revocation, Roster, Setting, Standing, Store, Void,
    effective,
};
use crate::roster::rank::{self, Ground, Root};
use std::collections::{BTreeMap, BTreeSet};
use vault_format::{
    ids::DeviceId,
    roster::{Capabilities, Op},
};

impl Roster {
    pub(super) fn merge(graph: Graph, ignored: Vec<Ignored>) -> Self {
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
}
