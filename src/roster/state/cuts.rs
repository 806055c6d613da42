//! What a revocation has to have seen, beside the heads, to reach whom it revokes.

use super::{Device, Rank, Roster, Standing};
use crate::roster::rank::Act;
use std::collections::{BTreeMap, BTreeSet};
use vault_format::{
    ids::{DeviceId, Identity},
    limits,
    roster::Capabilities,
};

impl Roster {
    /// The place of a record that revokes `targets`: it follows the heads among `parents`, and names revocations, too, where it
    /// would have seen a gift that makes one of the targets an admin, and nothing that makes this gift void. Whoever gave it has
    /// left, and with its key one can leave once more in a record that has seen the gift and is the head in the place of the
    /// first. None: there is no such gift.
    pub(crate) fn place_to_reach(
        &self,
        targets: &BTreeSet<DeviceId>,
        parents: &[Identity],
    ) -> Option<(Vec<Identity>, u32)> {
        let mut gifts = self.void_gifts(targets);
        // Who was made an admin by void gifts alone is none without them: otherwise such devices could be so many, each with a
        // revocation of its own, that the one which counts is never named.
        gifts.retain(|i| self.is_by_real_admin(*i));
        if gifts.is_empty() {
            return None;
        }
        let signers: BTreeSet<DeviceId> = gifts.iter().map(|i| self.person(self.graph.nodes[*i].signer)).collect();
        let revocations = self.revocations_of(&signers);
        let is_parent = |i: &usize| parents.contains(&self.graph.records[*i].identity);
        let (heads, others): (Vec<usize>, Vec<usize>) =
            (0..self.graph.records.len()).filter(is_parent).partition(|i| self.is_head(*i));
        let mut chosen = heads;
        let before = chosen.len();
        while chosen.len() < limits::RECORD_PARENTS {
            let Some(best) = self.cuts_most(&gifts, &revocations, &chosen) else { break };
            chosen.push(best);
        }
        if chosen.len() == before {
            return None;
        }
        let room = limits::RECORD_PARENTS - chosen.len();
        chosen.extend(others.into_iter().rev().take(room));
        Some(self.place(chosen))
    }

    /// Void records that give admin to one of the targets, or to somebody who gives it on in another: later ones first.
    fn void_gifts(&self, targets: &BTreeSet<DeviceId>) -> Vec<usize> {
        let (mut suspects, mut gifts) = (targets.clone(), Vec::new());
        for (i, node) in self.graph.nodes.iter().enumerate().rev() {
            let is_gift = |act: &Act| match act {
                Act::Add(id, given) | Act::Grant(id, given) => {
                    given.contains(Capabilities::ADMIN) && suspects.contains(id)
                }
                Act::Revoke(_) | Act::NewRoot(_) | Act::Administer => false,
            };
            if self.standing[i] != Standing::Effective && node.acts.iter().any(is_gift) {
                gifts.push(i);
                suspects.insert(node.signer);
            }
        }
        gifts
    }

    /// Whether records that count make the signer of a record an admin, whether or not it still is a member.
    fn is_by_real_admin(&self, i: usize) -> bool {
        let signer = self.graph.nodes[i].signer;
        let is_admin = |device: &Device| device.rank >= Rank::Admin;
        self.graph.founders.contains(&signer) || self.devices.get(&signer).is_some_and(is_admin)
    }

    /// All founders are judged as one.
    fn person(&self, device: DeviceId) -> DeviceId {
        let founders = &self.graph.founders;
        founders.first().filter(|_| founders.contains(&device)).copied().unwrap_or(device)
    }

    /// Where the devices were revoked.
    fn revocations_of(&self, devices: &BTreeSet<DeviceId>) -> BTreeMap<DeviceId, BTreeSet<usize>> {
        let mut revocations: BTreeMap<DeviceId, BTreeSet<usize>> = BTreeMap::new();
        for (i, node) in self.graph.nodes.iter().enumerate() {
            if matches!(self.standing[i], Standing::NoRight | Standing::Revoked) {
                continue;
            }
            for act in &node.acts {
                if let Act::Revoke(id) = act
                    && devices.contains(&self.person(*id))
                {
                    revocations.entry(self.person(*id)).or_default().insert(i);
                }
            }
        }
        revocations
    }

    /// Of the revocations that `chosen` have not seen, the one that cuts the most gifts that they have seen uncut; of several the
    /// first.
    fn cuts_most(
        &self,
        gifts: &[usize],
        revocations: &BTreeMap<DeviceId, BTreeSet<usize>>,
        chosen: &[usize],
    ) -> Option<usize> {
        let is_seen = |i: usize| chosen.iter().any(|parent| self.is_or_sees(*parent, i));
        let mut counts: BTreeMap<usize, usize> = BTreeMap::new();
        let of_signer =
            |gift: usize| revocations.get(&self.person(self.graph.nodes[gift].signer)).into_iter().flatten().copied();
        let (seen, unseen): (BTreeSet<usize>, BTreeSet<usize>) =
            revocations.values().flatten().copied().partition(|i| is_seen(*i));
        for gift in gifts.iter().copied().filter(|gift| is_seen(*gift)) {
            let cuts = |by: &usize| *by != gift && !self.is_or_sees(*by, gift);
            if of_signer(gift).filter(|by| seen.contains(by)).any(|by| cuts(&by)) {
                continue;
            }
            for by in of_signer(gift).filter(|by| unseen.contains(by) && cuts(by)) {
                *counts.entry(by).or_default() += 1;
            }
        }
        counts.into_iter().rev().max_by_key(|(_, count)| *count).map(|(by, _)| by)
    }
}
