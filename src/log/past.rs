//! What lies in the past of an entry, without walking to it: a log is one chain, or a few where a device has forked it.

use std::collections::{BTreeMap, HashMap};
use std::sync::OnceLock;

use vault_format::log::{Final, Payload};
use vault_format::{DeviceId, Identity};

use super::ids::{IdMap, IdSet};
use super::{Fault, Log, LogEntry};

/// All entries as runs in which each follows the one before it and nothing else.
pub(super) struct Chains {
    places: IdMap<Identity, Place>,
    before: Vec<Before>,
    heads: BTreeMap<DeviceId, Vec<Identity>>,
}

/// What the first entry of a chain follows.
struct Before {
    /// Whose entries the chain has: nobody else's.
    device: DeviceId,
    places: Vec<Place>,
    /// And all that these follow, once somebody has asked: of a log that was forked it is asked again and again.
    past: OnceLock<Past>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Place {
    chain: usize,
    /// From 0 on.
    at: usize,
}

/// The entries of each device that none of its other entries follows, found while entries come in any order.
#[derive(Default)]
pub(super) struct Ends {
    /// With their numbers.
    open: BTreeMap<DeviceId, BTreeMap<Identity, u64>>,
    /// What was followed before it came, or twice.
    followed: IdSet<(DeviceId, Identity)>,
}

impl Ends {
    /// Takes an entry, once.
    pub(super) fn add(&mut self, entry: &LogEntry) {
        let open = self.open.entry(entry.device).or_default();
        for prev in &entry.prev {
            if open.remove(prev).is_none() {
                self.followed.insert((entry.device, *prev));
            }
        }
        if !self.followed.contains(&(entry.device, entry.identity)) {
            open.insert(entry.identity, entry.seq);
        }
    }

    /// The entries that were not followed, with their numbers.
    pub(super) fn open(self) -> impl Iterator<Item = (DeviceId, BTreeMap<Identity, u64>)> {
        self.open.into_iter()
    }
}

/// Entries and all that they follow.
#[derive(Clone, Debug, Default)]
pub(crate) struct Past {
    /// How many entries of each chain, from its beginning.
    counts: HashMap<usize, usize>,
}

impl Past {
    /// Number of entries.
    pub(crate) fn len(&self) -> usize {
        self.counts.values().sum()
    }

    fn holds(&self, place: Place) -> bool {
        self.counts.get(&place.chain).is_some_and(|count| place.at < *count)
    }
}

impl Log {
    /// These entries and all that they follow, as far as they are there.
    pub(crate) fn past<'a>(&self, heads: impl IntoIterator<Item = &'a Identity>) -> Past {
        let chains = self.chains();
        chains.past(heads.into_iter().filter_map(|head| chains.places.get(head).copied()).collect())
    }

    /// Whether an entry that is there lies in a past.
    pub(crate) fn is_in(&self, past: &Past, identity: &Identity) -> bool {
        self.chains().places.get(identity).is_some_and(|place| past.holds(*place))
    }

    /// Whether `old` is `new` or lies in its past.
    pub(crate) fn is_ancestor(&self, old: &Identity, new: &Identity) -> bool {
        let chains = self.chains();
        match (chains.places.get(old), chains.places.get(new)) {
            (Some(old), Some(new)) => chains.is_ancestor(*old, *new),
            _ => false,
        }
    }

    /// The entries of a device that none of its other entries follows, ascending by identity.
    pub fn heads(&self, device: DeviceId) -> Vec<Identity> {
        self.chains().heads.get(&device).cloned().unwrap_or_default()
    }

    fn chains(&self) -> &Chains {
        self.chains.get_or_init(|| Chains::of(self))
    }
}

impl Chains {
    fn of(log: &Log) -> Self {
        let mut ends = Ends::default();
        log.entries().for_each(|entry| ends.add(entry));
        let heads = ends.open().map(|(device, heads)| (device, heads.keys().copied().collect())).collect();
        let places = IdMap::with_capacity_and_hasher(log.len(), Default::default());
        let mut chains = Self { places, before: Vec::new(), heads };
        let mut lens: Vec<usize> = Vec::new();
        let mut open: Vec<&LogEntry> = Vec::new();
        for entry in log.entries() {
            open.push(entry);
            // What it follows is there already, as its number is smaller. Unless its writer lies: that comes first all the same.
            while let Some(entry) = open.last() {
                let is_open = |prev: &&LogEntry| !chains.places.contains_key(&prev.identity);
                if let Some(prev) = entry.prev.iter().filter_map(|prev| log.get(prev)).find(is_open) {
                    open.push(prev);
                    continue;
                }
                if !chains.places.contains_key(&entry.identity) {
                    chains.add(entry, &mut lens);
                }
                open.pop();
            }
        }
        chains
    }

    /// Gives an entry its place, after all that it follows have theirs.
    fn add(&mut self, entry: &LogEntry, lens: &mut Vec<usize>) {
        let prev: Vec<Place> = entry.prev.iter().filter_map(|prev| self.places.get(prev).copied()).collect();
        let place = match prev[..] {
            [Place { chain, at }] if at + 1 == lens[chain] && self.before[chain].device == entry.device => {
                Place { chain, at: at + 1 }
            }
            _ => {
                self.before.push(Before { device: entry.device, places: prev, past: OnceLock::new() });
                lens.push(0);
                Place { chain: lens.len() - 1, at: 0 }
            }
        };
        lens[place.chain] += 1;
        self.places.insert(entry.identity, place);
    }

    fn past(&self, mut open: Vec<Place>) -> Past {
        let mut past = Past::default();
        while let Some(Place { chain, at }) = open.pop() {
            let count = past.counts.entry(chain).or_insert(0);
            if *count == 0 {
                open.extend(&self.before[chain].places);
            }
            *count = (at + 1).max(*count);
        }
        past
    }

    fn is_ancestor(&self, old: Place, new: Place) -> bool {
        if old.chain == new.chain {
            return old.at <= new.at;
        }
        let Before { places, past, .. } = &self.before[new.chain];
        past.get_or_init(|| self.past(places.clone())).holds(old)
    }
}

/// What one collector's finals make of entries (GC-6).
struct Finals {
    collector: DeviceId,
    /// The condemn of each, if it is there, and what the final holds of each device.
    finals: Vec<(Option<Place>, BTreeMap<DeviceId, Past>)>,
}

/// Which entries are void: made once, asked for each entry.
pub(crate) struct Void<'a> {
    chains: &'a Chains,
    finals: Vec<Finals>,
}

impl Log {
    /// Which entries are void: by themselves, or by some final of a collector that does not know them (GC-6).
    pub(crate) fn void(&self, collectors: &[DeviceId]) -> Void<'_> {
        let chains = self.chains();
        let place = |identity: &Identity| chains.places.get(identity).copied();
        let finals = collectors.iter().map(|collector| {
            let ends = self.of(*collector).filter_map(|entry| match &entry.body.payload {
                Payload::Final(end) => Some(end),
                _ => None,
            });
            let held = |end: &Final| end.frontier.iter().map(|(device, heads)| (*device, self.past(heads))).collect();
            Finals { collector: *collector, finals: ends.map(|end| (place(&end.condemn), held(end))).collect() }
        });
        Void { chains, finals: finals.filter(|of| !of.finals.is_empty()).collect() }
    }
}

impl Void<'_> {
    /// Whether it is.
    pub(crate) fn has(&self, entry: &LogEntry) -> bool {
        if entry.fault.is_some_and(Fault::is_void) {
            return true;
        }
        let place = self.chains.places.get(&entry.identity).copied();
        self.finals.iter().any(|Finals { collector, finals }| {
            let seen = entry.body.seen.get(collector).into_iter().flatten();
            // Heads of anybody else's log are no heads of this one, and could be made hard to look through.
            let seen = seen.filter_map(|head| self.chains.places.get(head).copied());
            let seen: Vec<Place> = seen.filter(|place| self.chains.before[place.chain].device == *collector).collect();
            finals.iter().any(|(condemn, held)| {
                let is_held = || {
                    let past = held.get(&entry.device);
                    place.zip(past).is_some_and(|(place, past)| past.holds(place))
                };
                let is_aware = |condemn| seen.iter().any(|seen| self.chains.is_ancestor(condemn, *seen));
                !condemn.is_some_and(is_aware) && !is_held()
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::testing::entry;

    /// As the rule says it, step by step.
    fn walks_to(log: &Log, old: &Identity, new: &Identity) -> bool {
        let Some(entry) = log.get(new) else { return false };
        log.get(old).is_some() && (old == new || entry.prev.iter().any(|prev| walks_to(log, old, prev)))
    }

    fn is_void(log: &Log, entry: &LogEntry, collectors: &[DeviceId]) -> bool {
        collectors.iter().flat_map(|device| log.of(*device)).any(|end| match &end.body.payload {
            Payload::Final(end_of) => {
                let reaches = |old, heads: Option<&Vec<Identity>>| {
                    heads.is_some_and(|heads| heads.iter().any(|head| walks_to(log, old, head)))
                };
                let is_aware = reaches(&end_of.condemn, entry.body.seen.get(&end.device));
                !is_aware && !reaches(&entry.identity, end_of.frontier.get(&entry.device))
            }
            _ => false,
        })
    }

    /// Three devices that fork and merge their logs and read each other's as `random` has it; the first two collect.
    fn some_log(mut random: impl FnMut(usize) -> usize) -> Log {
        let mut log = Log::default();
        let mut condemned: Vec<(u8, Identity)> = Vec::new();
        for n in 0..60u64 {
            let device = random(3) as u8;
            let own: Vec<Identity> = log.of(DeviceId([device; 16])).map(|entry| entry.identity).collect();
            let mut prev: Vec<Identity> = match (random(5), own.len()) {
                (_, 0) => Vec::new(),
                (0, len) => vec![own[random(len)]],
                (1, _) => log.heads(DeviceId([device; 16])),
                (_, len) => vec![own[len - 1]],
            };
            prev.sort_unstable();
            let mut heads = |log: &Log| -> vault_format::log::Heads {
                let some = (0..3).filter_map(|device| {
                    let of: Vec<_> = log.of(DeviceId([device; 16])).map(|entry| entry.identity).collect();
                    (!of.is_empty() && random(4) > 0).then(|| (DeviceId([device; 16]), vec![of[random(of.len())]]))
                });
                some.collect()
            };
            let (seen, frontier) = (heads(&log), heads(&log));
            let payload = match random(6) {
                0 if device < 2 => Payload::Condemn(Vec::new()),
                1 if device < 2 && !condemned.is_empty() => Payload::Final(Final {
                    condemn: condemned[random(condemned.len())].1,
                    frontier,
                    packs: Vec::new(),
                    index: Vec::new(),
                    entries: Vec::new(),
                    parts: Vec::new(),
                }),
                _ => Payload::Progress,
            };
            // Some lie about their number: what follows does so all the same.
            let seq = if random(8) == 0 { 1 + random(5) as u64 } else { log.next_seq(&prev) };
            let mut new = entry(device, seq, n, payload);
            (new.prev, new.body.seen) = (prev, seen);
            if let Payload::Condemn(_) = new.body.payload {
                condemned.push((device, new.identity));
            }
            log.insert(new);
        }
        log
    }

    #[test]
    fn pasts_and_void_entries_are_what_walks_find() {
        let (mut some_void, mut forks) = (0, 0);
        for seed in 1..40u64 {
            let mut state = seed;
            let log = some_log(|below| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                (state >> 33) as usize % below
            });
            let collectors = [DeviceId([0; 16]), DeviceId([1; 16])];
            let void = log.void(&collectors);
            for new in log.entries() {
                let past = log.past([&new.identity]);
                let mut count = 0;
                for old in log.entries() {
                    let is_before = walks_to(&log, &old.identity, &new.identity);
                    assert_eq!(log.is_ancestor(&old.identity, &new.identity), is_before);
                    assert_eq!(log.is_in(&past, &old.identity), is_before);
                    count += usize::from(is_before);
                }
                assert_eq!(past.len(), count);
                assert_eq!(void.has(new), is_void(&log, new, &collectors));
                some_void += usize::from(void.has(new));
            }
            for device in log.devices() {
                let follows = |head: &Identity| log.of(device).any(|entry| entry.prev.contains(head));
                let heads = log.heads(device);
                assert!(heads.is_sorted() && !heads.iter().any(follows));
                assert_eq!(log.past(&heads).len(), log.of(device).count());
                forks += usize::from(heads.len() > 1);
            }
        }
        assert!(some_void > 100 && forks > 10, "{some_void} void entries, {forks} forks");
    }

    #[test]
    fn what_is_not_there_is_in_no_past() {
        let mut log = Log::default();
        let (there, gone) = (entry(1, 1, 1, Payload::Merge), entry(1, 2, 2, Payload::Merge));
        log.insert(there.clone());
        assert!(!log.is_ancestor(&gone.identity, &gone.identity));
        assert_eq!(log.past([&gone.identity]).len(), 0);
        let mut next = gone.clone();
        next.prev = vec![there.identity];
        log.insert(next);
        assert!(log.is_ancestor(&there.identity, &gone.identity), "known once it is there");
        assert_eq!(log.heads(DeviceId([1; 16])), [gone.identity]);
        log.remove(&gone.identity);
        assert_eq!(log.heads(DeviceId([1; 16])), [there.identity]);
    }
}
