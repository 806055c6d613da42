//! What a push may rely on: packs that the primary lists.
//!
//! Claims come from tables, which log entries name. That the packs are still there is the store's word, and a store can
//! lose what it has confirmed. So packs are listed when there is reason to, and once a week without any (rule S-4).

use std::collections::{BTreeSet, HashMap, HashSet};

use vault_format::index::SIZE_UNIT;
use vault_format::log::IndexName;
use vault_format::name::{delta_prefix, deltas_prefix, pack_prefix, packs_prefix, shards_prefix};
use vault_format::{DeviceId, Identity, ObjectName, PackName};

use super::{Vault, VaultError};
use crate::parallel;
use crate::state::Claims;
use crate::sync::lock;

/// What a push cannot rely on any more, and could until now.
#[derive(Debug, Default)]
pub(crate) struct Losses {
    /// Packs that the store does not list.
    pub(crate) packs: u64,
    /// Tables that cannot be opened, and why.
    pub(crate) tables: Vec<String>,
    /// Devices that were in somebody else's hands, by their names.
    pub(crate) devices: Vec<String>,
}

impl Vault {
    /// Bars claims to packs that the store does not list, and tells what was lost since the last push.
    ///
    /// What the last listing showed is relied on for a week, as long as it was of the store that is the primary, and
    /// roster and logs still have what they had then: after a change of the primary, an accepted loss or a restored state
    /// the packs are listed again.
    pub(crate) fn check_claims(&mut self, remember: bool) -> Result<Losses, VaultError> {
        let known = if self.ephemeral { None } else { self.home.claims(self.id()) };
        let compromised: BTreeSet<DeviceId> = match self.is_push_only() {
            // It relies on nobody else.
            true => BTreeSet::new(),
            false => self.compromised().into_keys().collect(),
        };
        let is_new = |device: &&DeviceId| known.as_ref().is_none_or(|known| !known.compromised.contains(device));
        let devices: Vec<String> = compromised.iter().filter(is_new).map(|device| self.name_of(*device)).collect();
        if !devices.is_empty() {
            // The copy has rows of its sets.
            self.forget_index();
        }
        let (mut claims, packs) = match known.as_ref().filter(|known| self.still_holds(known)) {
            Some(known) => (known.clone(), 0),
            None => {
                self.look_for_tables()?;
                self.list_packs(known.clone())?
            }
        };
        let tables = self.note_lost_tables(&mut claims)?;
        if !devices.is_empty() {
            claims.own_seq = self.own_last();
        }
        claims.compromised = compromised;
        if remember && !self.ephemeral && known.as_ref() != Some(&claims) {
            self.home.set_claims(self.provider, self.id(), &claims)?;
        }
        let mut barred = self.log.condemned(&self.collectors());
        barred.extend(claims.gone.iter().copied());
        // What a suspect device says is stored may not be.
        let is_doubtful = |device| self.log.is_suspect(device) || claims.compromised.contains(&device);
        if !self.log.suspicions().is_empty() || !claims.compromised.is_empty() {
            let packs = self.index()?.packs().into_iter().map(|pack| pack.name);
            barred.extend(packs.filter(|pack| pack.device != self.device.id && is_doubtful(pack.device)));
        }
        self.index()?.set_condemned(barred);
        *lock(&self.claims) = claims;
        Ok(Losses { packs, tables, devices })
    }

    /// What snapshots of before took from a table that is lost nobody else finds. Later ones do without it for as long as it stays
    /// lost, so it is paid for once; one that was back meanwhile is lost anew.
    fn note_lost_tables(&self, claims: &mut Claims) -> Result<Vec<String>, VaultError> {
        // All that count are opened, or are in the local copy.
        let covered = self.index()?.covered();
        claims.lost.retain(|name| !covered.contains(name));
        let lost = lock(&self.unusable_tables).lost(|device| self.domain_of(device) == self.domain.domain);
        let new: Vec<String> =
            lost.iter().filter(|(name, _)| !claims.lost.contains(name)).map(|(_, why)| why.clone()).collect();
        if !new.is_empty() {
            claims.own_seq = self.own_last();
        }
        claims.lost.extend(lost.into_keys());
        Ok(new)
    }

    /// The next push lists the packs, whatever the last one has seen, and carries nothing over from snapshots of before: where
    /// entries are lost, packs and tables may be (rule S-4).
    pub(super) fn drop_claims(&self) -> Result<(), VaultError> {
        let claims = Claims { own_seq: self.own_last(), ..Claims::default() };
        Ok(self.home.set_claims(self.provider, self.id(), &claims)?)
    }

    fn own_last(&self) -> u64 {
        self.log.of(self.device.id).map(|entry| entry.seq).max().unwrap_or(0)
    }

    /// A local copy of the index goes on with rows of tables that the store no longer has, and nobody else finds what they
    /// name. Without the copy they are lost tables like any other: what they named is stored again.
    fn look_for_tables(&mut self) -> Result<(), VaultError> {
        let prefixes = match self.is_push_only() {
            true => vec![delta_prefix(self.device.id)],
            false => vec![deltas_prefix(), shards_prefix()],
        };
        let listed =
            parallel::map(&prefixes, parallel::REQUESTS, |prefix| Ok::<_, VaultError>(self.store.list(prefix)?))?;
        let there: HashSet<ObjectName> =
            listed.into_iter().flat_map(|listing| listing.objects).map(|object| object.name).collect();
        let tables = self.tables(self.domain.domain);
        let covered = self.index()?.covered();
        let is_lost = |name: &IndexName| !there.contains(&ObjectName::from(*name));
        let mut counting = tables.deltas.iter().chain(&tables.shards);
        // Who has the rows of a delta never reads the shards that a set has put in its place.
        let set_is_lost = tables.set.iter().any(is_lost);
        if counting.any(|name| covered.contains(name) && is_lost(name))
            || set_is_lost && tables.covered.iter().any(|name| covered.contains(name) && is_lost(name))
        {
            self.forget_index();
        }
        Ok(())
    }

    /// Whether the content that a parent's entry names may be relied on without claiming it anew: only while nothing is
    /// condemned, because a cached manifest does not say in which packs its chunks lie (SPEC 10.4, rule 4c), nor which tables
    /// name them, and if no pack has gone and no table was lost since.
    pub(crate) fn parent_content_counts(&self, parent: Option<Identity>) -> bool {
        let is_newer = |own_seq| {
            let parent = parent.and_then(|parent| self.log.get(&parent));
            parent.is_some_and(|parent| parent.seq > own_seq)
        };
        let claims = lock(&self.claims);
        self.log.condemned(&self.collectors()).is_empty()
            && (claims.own_seq == 0 || is_newer(claims.own_seq))
            // With a gap in its own log a device cannot know which of its tables the others have.
            && !self.log.is_suspect(self.device.id)
    }

    fn still_holds(&self, claims: &Claims) -> bool {
        claims.store == self.store_tag()
            && claims.domain == self.domain.domain.0
            && is_fresh(Some(claims))
            && claims.roster_heads.iter().all(|head| self.roster.knows(*head))
            && claims.collectors.iter().all(|head| self.log.get(head).is_some())
    }

    /// Which packs of the index the store lists as they should be; and how many that were not known to be gone are.
    fn list_packs(&self, before: Option<Claims>) -> Result<(Claims, u64), VaultError> {
        let index = self.index()?;
        let listed = crate::now();
        // A push-only device relies on its own packs and no others.
        let prefix = |tree| match self.is_push_only() {
            true => pack_prefix(tree, self.device.id),
            false => packs_prefix(tree),
        };
        let (trees, data) = parallel::both(|| self.store.list(&prefix(true)), || self.store.list(&prefix(false)));
        let mut there = HashMap::new();
        for object in trees?.objects.into_iter().chain(data?.objects) {
            if let ObjectName::Pack(pack) = object.name {
                there.insert(pack, object.size);
            }
        }
        let condemned = self.log.condemned(&self.collectors());
        let named = index.packs().into_iter().filter(|pack| !condemned.contains(&pack.name));
        let gone: BTreeSet<PackName> = named
            .filter(|pack| {
                let size = there.get(&pack.name).map(|size| size.div_ceil(SIZE_UNIT as u64));
                size != Some(u64::from(pack.size_units))
            })
            .map(|pack| pack.name)
            .collect();
        let own_seq = before.as_ref().map_or(0, |before| before.own_seq);
        let is_same = |before: &Claims| before.store == self.store_tag() && before.domain == self.domain.domain.0;
        let (known, lost) = before.filter(is_same).map_or_else(Default::default, |before| (before.gone, before.lost));
        let new = gone.difference(&known).count() as u64;
        let end = self.own_last();
        let claims = Claims {
            store: self.store_tag(),
            domain: self.domain.domain.0,
            listed,
            roster_heads: self.roster.heads.clone(),
            collectors: self.collectors().iter().flat_map(|device| self.log.heads(*device)).collect(),
            gone,
            lost,
            compromised: BTreeSet::new(),
            own_seq: if new > 0 { end } else { own_seq },
        };
        Ok((claims, new))
    }
}

/// Whether the last listing is young enough to be relied on.
pub(super) fn is_fresh(claims: Option<&Claims>) -> bool {
    claims.is_some_and(|claims| (0..LISTED).contains(&crate::now().secs.saturating_sub(claims.listed.secs)))
}

/// Seconds for which a listing of the packs is relied on.
pub(super) const LISTED: i64 = 7 * 86_400;
