//! How many open heads of one log an entry names: who holds one key and writes thousands of them must not fill the entries of all
//! others (SPEC section 10.2).

use std::collections::{BTreeSet, HashMap};

use vault_format::log::Heads;
use vault_format::{DeviceId, Identity, limits};

use super::{Log, LogEntry};

impl Log {
    /// Heads of the logs of `collectors`: what an entry's `seen` says that follows `before` (GC-2).
    pub(crate) fn seen(&self, collectors: impl IntoIterator<Item = DeviceId>, before: &[&LogEntry]) -> Heads {
        let heads = collectors.into_iter().map(|device| {
            let named = before.iter().filter_map(|entry| entry.body.seen.get(&device)).flatten().copied();
            (device, self.named_heads(device, named))
        });
        heads.filter(|(_, heads)| !heads.is_empty()).collect()
    }

    /// All open heads of a log, or of too many as many as an entry may name: those in whose past is what was `named` before, so
    /// that it does not regress, and then the first by (seq, identity).
    fn named_heads(&self, device: DeviceId, named: impl Iterator<Item = Identity>) -> Vec<Identity> {
        let heads = self.heads(device);
        if heads.len() <= limits::ENTRY_HEADS {
            return heads;
        }
        let mut ordered: Vec<&LogEntry> = heads.iter().filter_map(|head| self.get(head)).collect();
        ordered.sort_unstable_by_key(|entry| (entry.seq, entry.identity));
        let after = self.first_head_after(&ordered);
        let needed: BTreeSet<Identity> = named.filter_map(|named| after.get(&named).copied()).collect();
        let others = ordered.iter().map(|entry| entry.identity).filter(|head| !needed.contains(head));
        let mut first: Vec<_> = needed.iter().copied().chain(others).take(limits::ENTRY_HEADS).collect();
        first.sort_unstable();
        first
    }

    /// For each entry in the past of some of these heads the first of them that has it in its past. Each entry is looked at once.
    fn first_head_after(&self, heads: &[&LogEntry]) -> HashMap<Identity, Identity> {
        let mut after = HashMap::new();
        for head in heads {
            let mut open = vec![head.identity];
            while let Some(identity) = open.pop() {
                if after.contains_key(&identity) {
                    continue;
                }
                after.insert(identity, head.identity);
                open.extend(self.get(&identity).into_iter().flat_map(|entry| entry.prev.iter().copied()));
            }
        }
        after
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use vault_format::log::{Body, Payload};
    use vault_format::{Domain, ObjectHash, Time};

    fn entry(device: DeviceId, seq: u64, n: u32, prev: Vec<Identity>, seen: Heads) -> LogEntry {
        let mut id = [device.0[0]; 32];
        id[..4].copy_from_slice(&n.to_be_bytes());
        let body = Body {
            time: Time::default(),
            roster_heads: vec![Identity([1; 32])],
            other_heads: [].into(),
            seen,
            deltas: Vec::new(),
            parts: [].into(),
            payload: Payload::Progress,
        };
        let (identity, object) = (Identity(id), ObjectHash(id));
        let domain = Domain::SHARED;
        let (raw, first_seen) = (None, Time::default());
        LogEntry {
            device,
            domain,
            seq,
            identity,
            prev,
            object,
            body,
            raw,
            first_seen,
            fault: None,
            is_undecided: false,
        }
    }

    #[test]
    fn thousands_of_heads_fit_into_an_entry_and_none_regresses() {
        let (own, forked) = (DeviceId([1; 16]), DeviceId([2; 16]));
        let mut log = Log::default();
        let mut before: Option<LogEntry> = None;
        for round in 0..5_u32 {
            // Later ones sort before earlier ones; a part of them follows what is there, and all beside each other.
            let heads = log.heads(forked);
            for n in 0..2000 {
                let prev = heads.get(n as usize).copied().filter(|_| n < 40).into_iter().collect::<Vec<_>>();
                let seq = if prev.is_empty() { u64::from(100 - round) } else { 200 + u64::from(round) };
                log.insert(entry(forked, seq, (9 - round) * 10_000 + n, prev, Heads::new()));
            }
            let seen = log.seen([forked], &before.iter().collect::<Vec<_>>());
            assert_eq!(seen[&forked].len(), limits::ENTRY_HEADS);
            assert!(seen[&forked].is_sorted());
            let lost = before
                .iter()
                .flat_map(|before| &before.body.seen[&forked])
                .filter(|old| !seen[&forked].iter().any(|new| log.is_ancestor(old, new)));
            assert_eq!(lost.count(), 0, "round {round}");
            let next = entry(own, u64::from(round) + 1, round, Vec::new(), seen);
            assert!(next.body.encode().is_ok());
            log.insert(next.clone());
            before = Some(next);
        }
    }
}
