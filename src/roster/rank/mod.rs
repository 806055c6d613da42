//! Who may do what, by rank (SPEC section 11.3): the same verdict on every device, whatever the order of arrival.
//!
//! Root reaches admins, admins reach devices, and a revocation reaches strictly lower ranks only, judged in its own past.
//! There is no "first", "newest" or "lowest hash" that a revoked device could forge: what counts is what a record had seen.

mod judge;
#[cfg(test)]
mod tests;

use judge::Judge;
use std::collections::{BTreeMap, BTreeSet};
use vault_format::{ids::DeviceId, roster::Capabilities};

/// A verification key, as the graph numbers them: two devices may share one.
pub(crate) type KeyTag = usize;

/// What is fixed before any record: the keys in the genesis, and which key speaks for which device.
pub(crate) struct Ground {
    /// Who signed record 0: an admin for ever, unless root revokes it. By id, since anybody can add the founder's public key
    /// beside a KEM key of their own. More than one id: the founder forged a second record 0, and they are judged as one.
    pub(crate) founders: BTreeSet<DeviceId>,
    /// The root key of the genesis.
    pub(crate) root: Option<KeyTag>,
    /// The devices with that key in record 0; others with the same public key are not root.
    pub(crate) roots: BTreeSet<DeviceId>,
    /// The keys in the genesis: no device with `pair` adds them again.
    pub(crate) reserved: Vec<KeyTag>,
    /// A device id is a hash of its keys, so this holds whoever said it.
    pub(crate) keys: BTreeMap<DeviceId, KeyTag>,
}

/// A well-formed record, as far as ranks are concerned.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) signer: DeviceId,
    pub(crate) acts: Vec<Act>,
}

/// What a record does, as far as rights are concerned.
#[derive(Clone, Debug)]
pub(crate) enum Act {
    /// Adds a device.
    Add(DeviceId, Capabilities),
    /// Adds capabilities to a device.
    Grant(DeviceId, Capabilities),
    /// Ends a device.
    Revoke(DeviceId),
    /// Names a new root.
    NewRoot(KeyTag),
    /// Anything else that takes an admin: epochs, stores, settings, flags.
    Administer,
}

/// What counts of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// All of it.
    Effective,
    /// Its revocations, and nothing else: its signer left the vault without having seen it, or leaves a vault to which nobody
    /// who counts has added it. A revocation is never undone.
    RevocationsOnly,
    /// Nothing: the signer had no right to it, by what the record had seen.
    NoRight,
    /// Nothing: the signer is revoked, and the revocation had not seen this record.
    Revoked,
}

/// Who is root.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Root {
    /// This key.
    Key(KeyTag),
    /// Nobody: none was named.
    None,
    /// Nobody: two new roots were named with no order between them.
    Frozen,
}

/// The outcome of [`evaluate`]; vectors run parallel to the records.
#[derive(Debug)]
pub(crate) struct Verdict {
    pub(crate) standing: Vec<Standing>,
    /// Target and record of each effective revocation.
    pub(crate) revocations: Vec<(DeviceId, usize)>,
    /// Everybody added by an effective record, with the union of what it was given; also those that were revoked since.
    pub(crate) devices: BTreeMap<DeviceId, Capabilities>,
    pub(crate) root: Root,
    /// The devices that were added as root, by record 0 or the record that named their key.
    pub(crate) roots: BTreeSet<DeviceId>,
}

/// Which records each record has seen, itself not included.
#[derive(Debug, Default)]
pub(crate) struct Pasts(Vec<Vec<u64>>);

impl Pasts {
    /// Appends the next record; its parents are there already.
    pub(crate) fn push(&mut self, parents: &[usize]) {
        let mut seen = vec![0u64; self.0.len().div_ceil(64)];
        for &parent in parents {
            for (mine, theirs) in seen.iter_mut().zip(&self.0[parent]) {
                *mine |= theirs;
            }
            seen[parent / 64] |= 1 << (parent % 64);
        }
        self.0.push(seen);
    }

    /// Takes the last record away again.
    pub(crate) fn pop(&mut self) {
        self.0.pop();
    }

    /// Whether record `i` has seen record `j`.
    pub(crate) fn sees(&self, i: usize, j: usize) -> bool {
        self.0[i].get(j / 64).is_some_and(|word| word >> (j % 64) & 1 == 1)
    }

    fn comparable(&self, i: usize, j: usize) -> bool {
        i == j || self.sees(i, j) || self.sees(j, i)
    }
}

/// Judges records in the order (n, identity): root's, then the authority and the revocations of admins, then everything else.
/// `pasts` are those of `nodes`.
pub(crate) fn evaluate(ground: &Ground, nodes: &[Node], pasts: &Pasts) -> Verdict {
    let mut judge = Judge::new(ground, nodes, pasts);
    let (by_root, root) = judge.root_pass();
    judge.add_roots(&by_root);
    let root_revocations = judge.revocations(&by_root);
    let by_admin = judge.admin_pass(&by_root, &root_revocations);
    let (standing, revocations) = judge.all_passes(&by_root, &by_admin);

    let effective: Vec<bool> = standing.iter().map(|s| *s == Standing::Effective).collect();
    let devices =
        judge.gifts.keys().filter_map(|id| Some((*id, judge.capabilities(*id, &|i| effective[i])?))).collect();
    Verdict { standing, revocations, devices, root, roots: judge.roots }
}

/// What a device with `pair` and these capabilities may hand on: never admin or prune.
pub(crate) fn by_pairing(own: Capabilities) -> Capabilities {
    let handed_on = [Capabilities::READ, Capabilities::PUSH, Capabilities::PAIR];
    handed_on.into_iter().filter(|c| own.contains(*c)).fold(Capabilities::NONE, Capabilities::union)
}
