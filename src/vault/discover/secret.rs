//! Trying a passphrase or words at vaults that this machine does not know. What opens a slot says which vault it is of, and
//! everything else has to chain to that; what it costs is bounded for all vaults of a place together.

use std::collections::{BTreeMap, HashMap};
use std::sync::Mutex;
use std::sync::atomic::Ordering::Relaxed;

use crypto_backends::Provider;
use vault_format::{ObjectName, VaultId};

use super::{Discovery, FoundVault, OpenedBy, OtherVault, Search, Stranger};
use crate::keys::{OpenedSlot, SlotError, SlotSecret};
use crate::parallel;
use crate::roster::{Attempt, UnlockError, Weight, attempts, bind, weight};
use crate::store::StoreError;
use crate::sync::lock;
use crate::vault::open::check_readable;
use crate::vault::{UnlockSecret, VaultError};
use crate::watch::Event;

impl Search<'_> {
    /// Tries a secret at vaults that this machine does not know, one after the other, the cheapest tries first, until it has
    /// cost enough.
    pub(super) fn try_secret(&self, secret: &UnlockSecret, mut strangers: Vec<Stranger>, found: &mut Discovery) {
        let (secret, by) = match secret {
            UnlockSecret::Passphrase(passphrase) => (SlotSecret::Passphrase(passphrase), OpenedBy::Passphrase),
            UnlockSecret::Words(words) => (SlotSecret::Words(words), OpenedBy::Words),
        };
        found.tried = true;
        self.watch.event(Event::Phase("reading rosters"));
        strangers.sort_by(|a, b| a.size.cmp(&b.size).then_with(|| a.place.cmp(&b.place)));
        let mut candidates = self.fetch(strangers, found);
        let mut queue = Vec::new();
        let mut operations = self.limits.operations;
        for (at, candidate) in candidates.iter_mut().enumerate() {
            // Whoever made it chose what judging it costs, before any slot is tried.
            let weights = candidate.providers.iter().map(|provider| weight(provider, &candidate.objects));
            let weight = weights.reduce(Weight::and).unwrap_or_default();
            if self.watch.stopped()
                || weight.records > self.limits.records_each
                || weight.operations > self.limits.operations_each.min(operations)
            {
                candidate.untried = true;
                continue;
            }
            operations -= weight.operations;
            for provider in candidate.providers.clone() {
                match attempts(provider, &candidate.objects, secret) {
                    Ok(all) => {
                        for (round, attempt) in all.into_iter().enumerate() {
                            match attempt.work(provider) {
                                Ok(work) => queue.push(Planned { round, work, at, provider, attempt }),
                                Err(error) => candidate.refused = Some(error),
                            }
                        }
                    }
                    // What could not be read was said already.
                    Err(error) => drop(candidate.failed.get_or_insert(error.into())),
                }
            }
        }
        queue.sort_by_key(|planned| (planned.round, planned.work, planned.at));
        self.tell_cost(&queue);
        let mut tries = Tries { left: self.limits.work, made: 0, opened: HashMap::new() };
        for Planned { work, at, provider, attempt, .. } in queue {
            let candidate = &mut candidates[at];
            if candidate.vault.is_some() {
                continue;
            }
            if self.watch.stopped() {
                candidate.untried = true;
                continue;
            }
            self.watch.set_current(candidate.other.url.as_bytes());
            match tries.open(provider, &attempt, work, secret) {
                Tried::Opened(slot) => match bind(provider, &candidate.objects, None, slot) {
                    Ok(unlocked) => match check_readable(&unlocked.roster) {
                        Ok(()) => candidate.vault = Some(unlocked.roster.vault),
                        Err(error) => candidate.failed = Some(error),
                    },
                    Err(error) => candidate.failed = Some(error.into()),
                },
                Tried::Wrong => {}
                Tried::TooMuch => candidate.untried = true,
                Tried::Failed(message) => candidate.failed = Some(VaultError::Secret(message)),
            }
            self.watch.files.fetch_add(1, Relaxed);
        }
        found.tries = tries.made;
        for candidate in candidates {
            candidate.report(by, self, found);
        }
    }

    /// The rosters of strangers, as many as all together are worth, small ones first.
    fn fetch(&self, strangers: Vec<Stranger>, found: &mut Discovery) -> Vec<Candidate> {
        let (mut records, mut bytes) = (0, 0);
        let mut read = Vec::new();
        for stranger in strangers {
            let names = stranger.names.as_ref().map_or(usize::MAX, Vec::len);
            if names <= self.limits.records.saturating_sub(records)
                && stranger.size <= self.limits.bytes.saturating_sub(bytes)
            {
                (records, bytes) = (records + names, bytes + stranger.size);
                read.push(stranger);
            } else {
                found.untried += 1;
                found.others.push(stranger.other);
            }
        }
        let left = Mutex::new(self.limits.bytes);
        let fetched = parallel::map(&read, parallel::REQUESTS, |stranger| {
            let mut objects = Vec::new();
            for name in stranger.names.iter().flatten() {
                if self.watch.stopped() {
                    break;
                }
                match self.store.get_in(&stranger.place, name) {
                    Ok(bytes) => {
                        // What a listing says of sizes is what the store says.
                        let mut left = lock(&left);
                        if bytes.len() as u64 > *left {
                            return Ok((Vec::new(), Some(VaultError::TooMuchRead { url: stranger.other.url.clone() })));
                        }
                        *left -= bytes.len() as u64;
                        objects.push((*name, bytes.to_vec()));
                    }
                    Err(StoreError::NotFound { .. } | StoreError::TooLarge { .. }) => {}
                    Err(error) => return Ok((Vec::new(), Some(error.into()))),
                }
            }
            Ok::<_, std::convert::Infallible>((objects, None))
        });
        let Ok(fetched) = fetched;
        let candidate = |(stranger, (objects, failed)): (Stranger, (Vec<_>, Option<VaultError>))| Candidate {
            place: stranger.place,
            other: stranger.other,
            providers: stranger.providers,
            objects,
            failed,
            refused: None,
            untried: false,
            vault: None,
        };
        read.into_iter().zip(fetched).map(candidate).collect()
    }

    /// A passphrase takes long on purpose: the person should know before.
    fn tell_cost(&self, queue: &[Planned]) {
        let fingerprint = |planned: &Planned| (planned.attempt.fingerprint(planned.provider), planned.work);
        let different: BTreeMap<[u8; 32], u64> = queue.iter().map(fingerprint).collect();
        let work: u64 = different.values().sum::<u64>().min(self.limits.work);
        self.watch.total_entries.store(queue.len() as u64, Relaxed);
        self.watch.files.store(0, Relaxed);
        self.watch.event(Event::Phase("trying the secret"));
        if work > 0 {
            let seconds = work.div_ceil(RATE);
            let slots = different.len();
            let slots = if slots == 1 { "1 slot".into() } else { format!("{slots} slots") };
            self.watch.event(Event::Note(&format!(
                "the passphrase is tried at {slots}, one after the other; this may take about {seconds} s"
            )));
        }
    }
}

/// A stranger's vault that the secret is tried at.
struct Candidate {
    place: String,
    other: OtherVault,
    /// The suites of which it may be.
    providers: Vec<&'static Provider>,
    objects: Vec<(ObjectName, Vec<u8>)>,
    /// Why it is none of ours although it may seem so, or could not be looked into.
    failed: Option<VaultError>,
    /// A slot that is not tried, for what it would cost, or for what it is worth.
    refused: Option<SlotError>,
    untried: bool,
    /// Which one it is, as the inside of a slot says.
    vault: Option<VaultId>,
}

impl Candidate {
    fn report(self, by: OpenedBy, search: &Search<'_>, found: &mut Discovery) {
        if let Some(id) = self.vault {
            found.vaults.push(FoundVault { url: self.other.url, id, by, device: None, behind: false });
            return;
        }
        match (self.failed, self.refused) {
            (Some(error), _) => found.problems.push(search.problem(&self.place, &error)),
            (None, Some(error)) => {
                let error = VaultError::Unlock(UnlockError::Slot(error));
                found.problems.push(search.problem(&self.place, &error));
            }
            (None, None) => {}
        }
        found.untried += u64::from(self.untried);
        found.others.push(self.other);
    }
}

/// A try. All first ones come before all second ones.
struct Planned {
    round: usize,
    work: u64,
    at: usize,
    provider: &'static Provider,
    attempt: Attempt,
}

/// Tries of a secret. A slot that was copied in front of many vaults costs once.
struct Tries {
    left: u64,
    made: u64,
    opened: HashMap<[u8; 32], Result<OpenedSlot, Option<String>>>,
}

enum Tried<'a> {
    Opened(&'a OpenedSlot),
    Wrong,
    TooMuch,
    Failed(String),
}

impl Tries {
    fn open(&mut self, provider: &'static Provider, attempt: &Attempt, work: u64, secret: SlotSecret<'_>) -> Tried<'_> {
        let fingerprint = attempt.fingerprint(provider);
        if !self.opened.contains_key(&fingerprint) {
            let Some(left) = self.left.checked_sub(work) else { return Tried::TooMuch };
            (self.left, self.made) = (left, self.made + 1);
            let opened = attempt.open(provider, secret).map_err(|error| match error {
                SlotError::WrongSecret => None,
                error => Some(crate::chain(&error)),
            });
            self.opened.insert(fingerprint, opened);
        }
        match &self.opened[&fingerprint] {
            Ok(slot) => Tried::Opened(slot),
            Err(None) => Tried::Wrong,
            Err(Some(message)) => Tried::Failed(message.clone()),
        }
    }
}

/// What all strangers of a place together are worth.
pub(super) struct Limits {
    /// Records that are read to try a secret.
    pub(super) records: usize,
    /// The same in bytes.
    pub(super) bytes: u64,
    /// Operations in these that are judged.
    pub(super) operations: usize,
    /// What one of them may have: records that parse. Judging costs the square.
    pub(super) records_each: usize,
    /// The same in operations.
    pub(super) operations_each: usize,
    /// What all tries of a passphrase may cost, in KiB times passes.
    pub(super) work: u64,
}

impl Default for Limits {
    /// 340 slots of a machine with little memory, or 85 of one with much.
    fn default() -> Self {
        Self {
            records: 1 << 14,
            bytes: 128 << 20,
            operations: 1 << 16,
            records_each: 512,
            operations_each: 4096,
            work: 64 << 20,
        }
    }
}

/// KiB that Argon2id goes over in a second, about: for the person who waits.
const RATE: u64 = 1 << 20;
