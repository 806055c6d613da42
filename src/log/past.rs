//! What lies in the past of an entry, without walking to it: a log is one chain, or a few where a device has forked it.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};

use vault_format::log::{Final, Payload};
use vault_format::{DeviceId, Identity};

use super::ids::{IdMap, IdSet};
use super::{Fault, Log, LogEntry};
use crate::sync::lock;

/// All entries as runs in which each follows the one before it and nothing else.
pub(super) struct Chains {
    places: IdMap<Identity, Place>,
    before: Vec<Before>,
    heads: BTreeMap<DeviceId, Vec<Identity>>,
    recent: Mutex<Recent>,
    /// The last answer of [`Log::void`], and of which collectors it was.
    void: Mutex<Option<(Vec<DeviceId>, Void)>>,
}

/// What lies before the chains that somebody has asked for: of a log that was forked it is asked again and again. As many as
/// there are chains, each with all before it, would be the square of a log in which each entry follows two.
#[derive(Default)]
struct Recent {
    pasts: HashMap<usize, Arc<Past>>,
    cells: usize,
}

/// What the first entry of a chain follows.
struct Before {
    /// Whose entries the chain has: nobody else's.
    device: DeviceId,
    places: Vec<Place>,
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
    /// How many entries of each chain, from its beginning; of none that is not here.
    counts: Vec<u32>,
}

impl Past {
    /// Number of entries.
    pub(crate) fn len(&self) -> usize {
        self.counts.iter().map(|count| *count as usize).sum()
    }

    fn holds(&self, place: Place) -> bool {
        self.counts.get(place.chain).is_some_and(|count| place.at < *count as usize)
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
        let mut chains = Self { places, before: Vec::new(), heads, recent: Mutex::default(), void: Mutex::default() };
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
                self.before.push(Before { device: entry.device, places: prev });
                lens.push(0);
                Place { chain: lens.len() - 1, at: 0 }
            }
        };
        lens[place.chain] += 1;
        self.places.insert(entry.identity, place);
    }

    fn past(&self, mut open: Vec<Place>) -> Past {
        // A chain follows earlier ones only.
        let mut counts = vec![0; open.iter().map(|place| place.chain + 1).max().unwrap_or(0)];
        while let Some(Place { chain, at }) = open.pop() {
            if counts[chain] == 0 {
                open.extend(&self.before[chain].places);
            }
            counts[chain] = (at as u32 + 1).max(counts[chain]);
        }
        Past { counts }
    }

    fn is_ancestor(&self, old: Place, new: Place) -> bool {
        if old.chain == new.chain {
            return old.at <= new.at;
        }
        old.chain < new.chain && self.past_of(new.chain).holds(old)
    }

    #[cfg(test)]
    fn cells(&self) -> usize {
        lock(&self.recent).cells
    }

    /// All that a chain follows.
    fn past_of(&self, chain: usize) -> Arc<Past> {
        let mut recent = lock(&self.recent);
        if let Some(past) = recent.pasts.get(&chain) {
            return Arc::clone(past);
        }
        let past = Arc::new(self.past(self.before[chain].places.clone()));
        if recent.cells + past.counts.len() > RECENT_CELLS {
            *recent = Recent::default();
        }
        recent.cells += past.counts.len();
        recent.pasts.insert(chain, Arc::clone(&past));
        past
    }

    /// From which place on the entries of each chain have an entry in their past.
    fn future(&self, old: Place) -> Vec<Option<u32>> {
        let mut from = vec![None; self.before.len()];
        from[old.chain] = Some(old.at as u32);
        for chain in old.chain + 1..from.len() {
            let follows = |place: &Place| from[place.chain].is_some_and(|from| from <= place.at as u32);
            if self.before[chain].places.iter().any(follows) {
                from[chain] = Some(0);
            }
        }
        from
    }
}

/// Which entries are void: made once, asked for each entry.
#[derive(Clone)]
pub(crate) struct Void {
    by_finals: Arc<IdSet<Identity>>,
}

/// An entry that may be void.
struct Candidate<'a> {
    entry: &'a LogEntry,
    place: Place,
    /// What it has seen of one collector's log.
    seen: Vec<Place>,
}

impl Log {
    /// Which entries are void: by themselves, or by some final of a collector that does not know them (GC-6).
    ///
    /// Final by final: what all of them hold of a log with many forks would not fit into memory.
    pub(crate) fn void(&self, collectors: &[DeviceId]) -> Void {
        let chains = self.chains();
        let mut known = lock(&chains.void);
        if let Some((_, void)) = known.as_ref().filter(|(of, _)| of == collectors) {
            return void.clone();
        }
        let mut void = IdSet::default();
        for collector in collectors {
            let finals = self.of(*collector).filter_map(|entry| match &entry.body.payload {
                Payload::Final(end) => Some(end),
                _ => None,
            });
            let mut candidates = Vec::new();
            for (n, end) in finals.enumerate() {
                if n == 0 {
                    candidates = chains.candidates(self, *collector);
                }
                self.void_by(end, &candidates, &mut void);
            }
        }
        let void = Void { by_finals: Arc::new(void) };
        *known = Some((collectors.to_vec(), void.clone()));
        void
    }

    /// What is void by one final.
    fn void_by(&self, end: &Final, candidates: &[Candidate<'_>], void: &mut IdSet<Identity>) {
        let chains = self.chains();
        let aware = chains.places.get(&end.condemn).map(|condemn| chains.future(*condemn));
        let is_aware = |seen: &Place| {
            let from = aware.as_ref().and_then(|aware| aware[seen.chain]);
            from.is_some_and(|from| from <= seen.at as u32)
        };
        for candidates in candidates.chunk_by(|a, b| a.entry.device == b.entry.device) {
            let Some(Candidate { entry: LogEntry { device, .. }, .. }) = candidates.first() else { continue };
            let held = end.frontier.get(device).map(|heads| self.past(heads)).unwrap_or_default();
            let new = candidates.iter().filter(|new| !held.holds(new.place) && !new.seen.iter().any(is_aware));
            void.extend(new.map(|new| new.entry.identity));
        }
    }
}

impl Chains {
    fn candidates<'a>(&self, log: &'a Log, collector: DeviceId) -> Vec<Candidate<'a>> {
        let place = |identity: &Identity| self.places.get(identity).copied();
        // Heads of anybody else's log are no heads of this one.
        let is_of_it = |place: &Place| self.before[place.chain].device == collector;
        let candidate = |entry: &'a LogEntry| {
            let seen = entry.body.seen.get(&collector).into_iter().flatten();
            let seen = seen.filter_map(place).filter(is_of_it).collect();
            Some(Candidate { entry, place: place(&entry.identity)?, seen })
        };
        log.entries().filter_map(candidate).collect()
    }
}

impl Void {
    /// Whether it is.
    pub(crate) fn has(&self, entry: &LogEntry) -> bool {
        entry.fault.is_some_and(Fault::is_void) || self.by_finals.contains(&entry.identity)
    }
}

/// Four megabytes.
const RECENT_CELLS: usize = 1 << 20;

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

    #[test]
    fn a_ladder_of_ten_thousand_entries_fits_in_memory() {
        let (mut log, mut ladder) = (Log::default(), Vec::new());
        for n in 0..10_000_u64 {
            let mut rung = entry(1, n + 1, n, Payload::Progress);
            rung.prev = ladder.iter().rev().take(2).copied().collect();
            ladder.push(rung.identity);
            log.insert(rung);
        }
        // The collector itself has written it, and the newest of each hundred rungs is named by a final and by an entry.
        for (n, heads) in (0..).zip(ladder.chunks(100)) {
            let frontier: vault_format::log::Heads = [(DeviceId([1; 16]), vec![heads[99]])].into();
            let (condemn, packs, index, entries) = (heads[0], Vec::new(), Vec::new(), Vec::new());
            let end = Final { condemn, frontier: frontier.clone(), packs, index, entries, parts: Vec::new() };
            let mut end = entry(1, 20_000 + n, 20_000 + n, Payload::Final(end));
            end.prev = vec![heads[99]];
            log.insert(end);
            let mut aware = entry(2, n + 1, 30_000 + n, Payload::Progress);
            aware.body.seen = frontier;
            log.insert(aware);
        }
        let is_small = || log.chains().cells() <= RECENT_CELLS;
        for rung in &ladder {
            assert!(log.is_ancestor(&ladder[0], rung) && is_small(), "{} cells", log.chains().cells());
        }
        let void = log.void(&[DeviceId([1; 16])]);
        assert!(is_small());
        let some = |device| log.of(DeviceId([device; 16])).filter(|entry| void.has(entry)).count();
        // An entry knows of all condemns up to its own, and is in no frontier; of the rungs the first final holds a hundred.
        assert_eq!((some(1), some(2)), (10_000 - 100 + 100, 99));
    }
}
