//! Which heads the next record follows, and which an entry names, where there are more than it can.

use super::{Roster, Standing};
use vault_format::{
    ids::{DeviceId, Identity},
    limits,
    roster::Op,
};

impl Roster {
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
}
