//! The passes in which records are judged: what root stands behind, then admins, then everybody else.

use std::collections::{BTreeMap, BTreeSet};

use vault_format::{ids::DeviceId, roster::Capabilities};

use super::{Act, Ground, KeyTag, Node, Pasts, Root, Standing, by_pairing};

pub(super) struct Judge<'a> {
    ground: &'a Ground,
    nodes: &'a [Node],
    pasts: &'a Pasts,
    /// Where each device was given something: one gift for each record, whatever it repeats.
    pub(super) gifts: BTreeMap<DeviceId, Vec<Gift>>,
    /// The key that each record names as root.
    new_roots: Vec<Option<KeyTag>>,
    /// Who has which key.
    holders: BTreeMap<KeyTag, Vec<DeviceId>>,
    /// Who was added as root.
    pub(super) roots: BTreeSet<DeviceId>,
}

/// What a record gives a device.
pub(super) struct Gift {
    at: usize,
    capabilities: Capabilities,
    /// How often it adds it.
    adds: usize,
}

/// Where whoever was revoked, was: founders are one.
struct Cuts(BTreeMap<DeviceId, Vec<usize>>);

/// Departures of devices below admin, and which records they do not cut.
struct Departures {
    cuts: Cuts,
    kept: Vec<bool>,
}

impl<'a> Judge<'a> {
    pub(super) fn new(ground: &'a Ground, nodes: &'a [Node], pasts: &'a Pasts) -> Self {
        let mut gifts: BTreeMap<DeviceId, Vec<Gift>> = BTreeMap::new();
        for (at, node) in nodes.iter().enumerate() {
            for act in &node.acts {
                let (id, capabilities, adds) = match act {
                    Act::Add(id, capabilities) => (*id, *capabilities, 1),
                    Act::Grant(id, capabilities) => (*id, *capabilities, 0),
                    Act::Revoke(_) | Act::NewRoot(_) | Act::Administer => continue,
                };
                let gifts = gifts.entry(id).or_default();
                match gifts.last_mut().filter(|gift| gift.at == at) {
                    Some(gift) => {
                        gift.capabilities = gift.capabilities.union(capabilities);
                        gift.adds += adds;
                    }
                    None => gifts.push(Gift { at, capabilities, adds }),
                }
            }
        }
        let mut holders: BTreeMap<KeyTag, Vec<DeviceId>> = BTreeMap::new();
        for (id, key) in &ground.keys {
            holders.entry(*key).or_default().push(*id);
        }
        let new_roots = nodes.iter().map(new_root).collect();
        Self { ground, nodes, pasts, gifts, new_roots, holders, roots: ground.roots.clone() }
    }

    /// A new root is the device that its own record adds.
    pub(super) fn add_roots(&mut self, by_root: &[bool]) {
        for (i, node) in self.nodes.iter().enumerate().filter(|(i, _)| by_root[*i]) {
            let Some(key) = self.new_roots[i] else { continue };
            for act in &node.acts {
                if let Act::Add(id, _) = act
                    && self.key(*id) == Some(key)
                {
                    self.roots.insert(*id);
                }
            }
        }
    }

    /// Which records root stands behind, and who is root now.
    pub(super) fn root_pass(&self) -> (Vec<bool>, Root) {
        let mut by_root = vec![false; self.nodes.len()];
        let mut named: Vec<(usize, KeyTag)> = Vec::new();
        for (i, node) in self.nodes.iter().enumerate() {
            by_root[i] = self.root_for(&named, |t| self.pasts.sees(i, t))
                == self.key(node.signer).map_or(Root::None, Root::Key)
                && self.key(node.signer).is_some();
            if by_root[i]
                && let Some(key) = self.new_roots[i]
            {
                named.push((i, key));
            }
        }
        // Beside a new root, the old one is no longer root; two new roots with no order between them leave none.
        for (i, ok) in by_root.iter_mut().enumerate() {
            *ok &= named.iter().all(|(t, _)| self.pasts.comparable(i, *t));
        }
        let left: Vec<(DeviceId, usize)> =
            self.revocations(&by_root).into_iter().filter(|(target, i)| *target == self.nodes[*i].signer).collect();
        let (leaves, cuts) = (self.at(&left), self.cuts(&left));
        for (i, ok) in by_root.iter_mut().enumerate() {
            *ok &= leaves[i] || !self.cut(i, &cuts);
        }
        (by_root, self.root_for(&named, |_| true))
    }

    /// The root key after those `named` that `counts` lets through: that of the only one which none of the others has seen.
    /// They are in order, so the last is such a one, and so is whichever it has not seen.
    pub(super) fn root_for(&self, named: &[(usize, KeyTag)], counts: impl Fn(usize) -> bool) -> Root {
        let mut known = named.iter().rev().filter(|(t, _)| counts(*t));
        match known.next() {
            None => self.ground.root.map_or(Root::None, Root::Key),
            Some((last, key)) if known.all(|(t, _)| self.pasts.sees(*last, *t)) => Root::Key(*key),
            Some(_) => Root::Frozen,
        }
    }

    /// Which records an admin's authority stands behind (or root's), looking at nothing but root's revocations.
    pub(super) fn admin_pass(&self, by_root: &[bool], root_revocations: &[(DeviceId, usize)]) -> Vec<bool> {
        let mut ok = vec![false; self.nodes.len()];
        let cuts = self.cuts(root_revocations);
        let named = |i: usize| Some((i, self.new_roots[i].filter(|_| by_root[i])?));
        let named: Vec<(usize, KeyTag)> = (0..self.nodes.len()).filter_map(named).collect();
        for (i, node) in self.nodes.iter().enumerate() {
            ok[i] = by_root[i]
                || (self.has_authority(node.signer, i, &ok)
                    && !self.cut(i, &cuts)
                    && self.within_admin(i, &named, by_root, &ok));
        }
        ok
    }

    /// Whether record `i` does only what an admin may: no new root, no revocation of another admin or of root.
    ///
    /// Who is one is judged by all that counts in the past of `i`, revocations and departures included: otherwise whoever has
    /// left, or was revoked, could make anybody an admin that nobody reaches. Whoever signs is judged by `ok`, without regard
    /// to those, so that no revocation is undone.
    fn within_admin(&self, i: usize, named: &[(usize, KeyTag)], by_root: &[bool], ok: &[bool]) -> bool {
        // Whoever signs may repeat an act without end: each device is looked at once.
        let targets: BTreeSet<DeviceId> = self.revoked_in(i).filter(|target| *target != self.nodes[i].signer).collect();
        if self.new_roots[i].is_some() || self.has_root(&targets, i, named) {
            return false;
        }
        let doubtful: Vec<DeviceId> = targets.into_iter().filter(|target| self.has_authority(*target, i, ok)).collect();
        if doubtful.is_empty() || doubtful.iter().any(|target| self.ground.founders.contains(target)) {
            return doubtful.is_empty();
        }
        let seen = |marks: &[bool]| (0..i).map(|j| marks[j] && self.pasts.sees(i, j)).collect::<Vec<bool>>();
        let (standing, _) = self.passes_within(i, &seen(by_root), &seen(ok));
        let effective: Vec<bool> = standing.iter().map(|s| *s == Standing::Effective).collect();
        !doubtful.iter().any(|target| self.has_authority(*target, i, &effective))
    }

    /// What counts of all records, and the revocations that do, once it is known which have root or admins behind them.
    pub(super) fn all_passes(&self, by_root: &[bool], by_admin: &[bool]) -> (Vec<Standing>, Vec<(DeviceId, usize)>) {
        self.passes(by_root, by_admin, &vec![true; self.nodes.len()])
    }

    /// The same of the past of record `i` alone.
    fn passes_within(&self, i: usize, by_root: &[bool], by_admin: &[bool]) -> (Vec<Standing>, Vec<(DeviceId, usize)>) {
        self.passes(by_root, by_admin, &(0..i).map(|j| self.pasts.sees(i, j)).collect::<Vec<bool>>())
    }

    fn passes(&self, by_root: &[bool], by_admin: &[bool], known: &[bool]) -> (Vec<Standing>, Vec<(DeviceId, usize)>) {
        // A revocation by an admin stays, even when another admin's departure voids the rest of its record.
        let mut revocations = self.revocations(by_admin);
        let left = self.departures(by_admin, &revocations, known);
        let none = Departures { cuts: Cuts(BTreeMap::new()), kept: vec![false; known.len()] };
        let departures = match left.is_empty() {
            true => none,
            false => {
                let before = self.last_pass(by_root, by_admin, known, &revocations, &none);
                Departures { cuts: self.cuts(&left), kept: self.kept(by_admin, &before, &left) }
            }
        };
        let admins = revocations.clone();
        revocations.extend(left);
        (self.last_pass(by_root, by_admin, known, &admins, &departures), revocations)
    }

    /// Which records a departure does not cut: what an admin had seen that had seen no departure of that
    /// device. A device that nobody has revoked chooses freely what its departure has seen, and must not take along whom it
    /// added; nor may it add others afterwards, to be seen by an admin who knows that it has left. An admin is one here even
    /// without what departures make void, so that none of them hangs on another.
    fn kept(&self, by_admin: &[bool], before: &[Standing], left: &[(DeviceId, usize)]) -> Vec<bool> {
        let effective: Vec<bool> = before.iter().map(|s| *s == Standing::Effective).collect();
        let is_admins =
            |j: &usize| by_admin[*j] && effective[*j] && self.is_admin(self.nodes[*j].signer, *j, &effective);
        let admins: Vec<usize> = (0..before.len()).filter(is_admins).collect();
        let unaware_of = |places: &Vec<usize>| -> Vec<usize> {
            let is_unaware = |j: &&usize| !places.iter().any(|k| self.pasts.sees(**j, *k));
            admins.iter().filter(is_unaware).copied().collect()
        };
        let unaware: BTreeMap<DeviceId, Vec<usize>> =
            self.cuts(left).0.iter().map(|(device, places)| (*device, unaware_of(places))).collect();
        let is_kept = |i: usize| {
            let unaware = unaware.get(&self.person(self.nodes[i].signer));
            unaware.is_some_and(|unaware| unaware.iter().any(|j| self.pasts.sees(*j, i)))
        };
        (0..before.len()).map(is_kept).collect()
    }

    /// Devices below admin that revoked themselves, in a record that does nothing else. An earlier revocation comes first:
    /// a revoked device cannot choose a past that voids more than its revocation did.
    fn departures(
        &self,
        by_admin: &[bool],
        revocations: &[(DeviceId, usize)],
        known: &[bool],
    ) -> Vec<(DeviceId, usize)> {
        let cuts = self.cuts(revocations);
        (0..known.len())
            .filter(|i| known[*i] && !by_admin[*i] && self.is_departure(*i) && !self.cut(*i, &cuts))
            .map(|i| (self.nodes[i].signer, i))
            .collect()
    }

    /// What is not `known` is not there.
    fn last_pass(
        &self,
        by_root: &[bool],
        by_admin: &[bool],
        known: &[bool],
        revocations: &[(DeviceId, usize)],
        departures: &Departures,
    ) -> Vec<Standing> {
        let mut effective = vec![false; known.len()];
        let mut standing = Vec::with_capacity(known.len());
        let (mut revokes, cuts) = (self.at(revocations), self.cuts(revocations));
        departures.cuts.0.values().flatten().for_each(|i| revokes[*i] = true);
        for (i, node) in self.nodes.iter().enumerate().take(known.len()) {
            if !known[i] {
                standing.push(Standing::NoRight);
                continue;
            }
            let as_admin = by_admin[i] && self.is_admin(node.signer, i, &effective);
            let allowed =
                as_admin || self.is_departure_of_a_member(i, &effective) || self.within_pairing(i, &effective);
            let is_cut = self.cut(i, &cuts) || !departures.kept[i] && self.cut(i, &departures.cuts);
            let verdict = match (by_root[i], is_cut) {
                (true, _) => Standing::Effective,
                (false, false) if allowed => Standing::Effective,
                (false, _) if revokes[i] => Standing::RevocationsOnly,
                (false, true) => Standing::Revoked,
                (false, false) => Standing::NoRight,
            };
            effective[i] = verdict == Standing::Effective;
            standing.push(verdict);
        }
        standing
    }

    /// Whether record `i` only adds devices that its signer, a device with `pair`, may add.
    fn within_pairing(&self, i: usize, ok: &[bool]) -> bool {
        let node = &self.nodes[i];
        let Some(own) = self.capabilities(node.signer, &|j| self.pasts.sees(i, j) && ok[j]) else { return false };
        own.contains(Capabilities::PAIR)
            && !node.acts.is_empty()
            && node.acts.iter().all(|act| match act {
                Act::Add(id, given) => by_pairing(own).contains(*given) && self.is_new(*id, i, ok),
                Act::Grant(..) | Act::Revoke(_) | Act::NewRoot(_) | Act::Administer => false,
            })
    }

    /// Whether record `i` adds a device of which its past has nothing: neither its id, nor its verification key. Otherwise
    /// whoever has `pair` could put other keys, boxes and names in the place of those that a member has.
    fn is_new(&self, device: DeviceId, i: usize, ok: &[bool]) -> bool {
        let Some(key) = self.key(device) else { return false };
        let seen = |id: &DeviceId| {
            let mut adds = self.gifts.get(id).into_iter().flatten().filter(|gift| gift.adds > 0);
            adds.any(|gift| match gift.at {
                at if at == i => gift.adds > usize::from(*id == device),
                at => self.pasts.sees(i, at) && ok[at],
            })
        };
        !self.ground.reserved.contains(&key) && !self.holders.get(&key).into_iter().flatten().any(seen)
    }

    fn is_departure(&self, i: usize) -> bool {
        let node = &self.nodes[i];
        !node.acts.is_empty()
            && node.acts.iter().all(|act| matches!(act, Act::Revoke(target) if *target == node.signer))
    }

    /// Otherwise whoever was revoked could add devices without end, and each that leaves would write a record that counts.
    fn is_departure_of_a_member(&self, i: usize, ok: &[bool]) -> bool {
        self.is_departure(i) && self.capabilities(self.nodes[i].signer, &|j| self.pasts.sees(i, j) && ok[j]).is_some()
    }

    fn is_admin(&self, device: DeviceId, i: usize, ok: &[bool]) -> bool {
        self.ground.founders.contains(&device)
            || self
                .capabilities(device, &|j| self.pasts.sees(i, j) && ok[j])
                .is_some_and(|own| own.contains(Capabilities::ADMIN))
    }

    /// The same among records of admins and of root alone: a grant by one of them is as good as an add. Whoever was paired by a
    /// device and made an admin later would else be none; that it is a member the last pass looks at.
    fn has_authority(&self, device: DeviceId, i: usize, ok: &[bool]) -> bool {
        let given =
            self.gifts.get(&device).into_iter().flatten().filter(|gift| self.pasts.sees(i, gift.at) && ok[gift.at]);
        let given = given.fold(Capabilities::NONE, |all, gift| all.union(gift.capabilities));
        self.ground.founders.contains(&device) || given.contains(Capabilities::ADMIN)
    }

    /// Whether one of the devices is root, as record `i` has seen it.
    fn has_root(&self, devices: &BTreeSet<DeviceId>, i: usize, named: &[(usize, KeyTag)]) -> bool {
        let mut keys = devices.intersection(&self.roots).filter_map(|id| self.key(*id)).peekable();
        if keys.peek().is_none() {
            return false;
        }
        let root = self.root_for(named, |t| self.pasts.sees(i, t));
        keys.any(|key| root == Root::Key(key))
    }

    /// What a device was given by records that count; nothing unless one of them added it.
    pub(super) fn capabilities(&self, device: DeviceId, counts: &dyn Fn(usize) -> bool) -> Option<Capabilities> {
        let (mut all, mut is_added) = (Capabilities::NONE, false);
        for gift in self.gifts.get(&device)?.iter().filter(|gift| counts(gift.at)) {
            all = all.union(gift.capabilities);
            is_added |= gift.adds > 0;
        }
        is_added.then_some(all)
    }

    /// Target and record, each pair once.
    pub(super) fn revocations(&self, ok: &[bool]) -> Vec<(DeviceId, usize)> {
        let targets = |i: usize| {
            let targets: BTreeSet<DeviceId> = self.revoked_in(i).collect();
            targets.into_iter().map(move |target| (target, i))
        };
        (0..ok.len()).filter(|i| ok[*i]).flat_map(targets).collect()
    }

    fn revoked_in(&self, i: usize) -> impl Iterator<Item = DeviceId> {
        self.nodes[i].acts.iter().filter_map(|act| match act {
            Act::Revoke(target) => Some(*target),
            Act::Add(..) | Act::Grant(..) | Act::NewRoot(_) | Act::Administer => None,
        })
    }

    /// Which records are those of `revocations`.
    fn at(&self, revocations: &[(DeviceId, usize)]) -> Vec<bool> {
        let mut at = vec![false; self.nodes.len()];
        revocations.iter().for_each(|(_, i)| at[*i] = true);
        at
    }

    fn cuts(&self, revocations: &[(DeviceId, usize)]) -> Cuts {
        let mut cuts = Cuts(BTreeMap::new());
        for (target, i) in revocations {
            cuts.0.entry(self.person(*target)).or_default().push(*i);
        }
        cuts
    }

    /// Whether a revocation of the signer of `i` had not seen `i`.
    fn cut(&self, i: usize, cuts: &Cuts) -> bool {
        let of_signer = cuts.0.get(&self.person(self.nodes[i].signer));
        of_signer.into_iter().flatten().any(|v| *v != i && !self.pasts.sees(*v, i))
    }

    /// All founders are judged as one.
    fn person(&self, device: DeviceId) -> DeviceId {
        let founders = &self.ground.founders;
        founders.first().filter(|_| founders.contains(&device)).copied().unwrap_or(device)
    }

    fn key(&self, device: DeviceId) -> Option<KeyTag> {
        self.ground.keys.get(&device).copied()
    }
}

fn new_root(node: &Node) -> Option<KeyTag> {
    node.acts.iter().rev().find_map(|act| match act {
        Act::NewRoot(key) => Some(*key),
        Act::Add(..) | Act::Grant(..) | Act::Revoke(_) | Act::Administer => None,
    })
}
