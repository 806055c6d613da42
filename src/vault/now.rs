//! What a push seals under: the epoch of the roster as it is now, not as it was when the push began (rule A16).
//!
//! The workers of a push share the vault and cannot change it, so what they must know of a newer roster is kept beside it.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use vault_format::name::roster_prefix;
use vault_format::roster::Capabilities;
use vault_format::{EpochId, Header, Identity, ObjectName};

use super::access::{Access, Sealing};
use super::records::Records;
use super::{Vault, VaultError};
use crate::roster::Roster;
use crate::store::Listing;
use crate::sync::lock;

/// What was found since the roster was read.
#[derive(Default)]
pub(super) struct Now {
    /// The roster's listing, if it showed anything new.
    listing: Option<Listing>,
    newer: Option<Arc<Newer>>,
    /// New records that the stores which follow have got from this run.
    told: Vec<ObjectName>,
}

/// The end of a newer roster.
struct Newer {
    keys: Access,
    roster: Roster,
}

/// Packs that were stored under each epoch by this run.
#[derive(Default)]
pub(super) struct PacksUnder(BTreeMap<EpochId, u64>);

impl PacksUnder {
    pub(super) fn count(&mut self, pack: &[u8]) {
        if let Ok(header) = Header::parse(pack) {
            *self.0.entry(header.epoch).or_default() += 1;
        }
    }
}

impl Vault {
    /// Lists the roster again. If somebody has changed it, what is sealed from here on is sealed under its epoch; if this
    /// device was revoked, nothing is.
    pub(crate) fn look_at_roster(&self) -> Result<(), VaultError> {
        let listing = self.store.list(&roster_prefix())?;
        if self.records.are_those_of(self.provider, &listing) || lock(&self.now).listing.as_ref() == Some(&listing) {
            return Ok(());
        }
        let records = Records::fetch(self.provider, &self.store, &listing, &self.records)?;
        let roster = self.build_newer(&records)?;
        let keys = Access::open(self.provider, &roster, &self.device)?;
        if keys.is_push_only() != self.is_push_only() {
            // What this run has made is of another domain.
            return Err(VaultError::RightsChanged);
        }
        if !roster.devices[&self.device.id].capabilities.contains(Capabilities::PUSH) {
            return Err(VaultError::NotAllowed { device: self.device.id, what: "push" });
        }
        Sealing::of(&keys, &roster).ok_or(VaultError::NoCleanEpoch)?;
        let newer = Some(Arc::new(Newer { keys, roster }));
        self.follow_records(&records);
        let mut now = lock(&self.now);
        (now.listing, now.newer) = (Some(listing), newer);
        Ok(())
    }

    /// Stores that follow get new records before anything that relies on them.
    pub(super) fn follow_records(&self, records: &Records) {
        if !self.has_followers() {
            return;
        }
        for (name, bytes) in records.all() {
            let known =
                self.records.all().iter().any(|(known, _)| known == name) || lock(&self.now).told.contains(name);
            if !known && self.hash(bytes) == name.hash().0 {
                self.follow(*name, &Bytes::copy_from_slice(bytes));
                lock(&self.now).told.push(*name);
            }
        }
    }

    /// The roster itself is as new as anything that was seen.
    pub(super) fn is_now(&mut self) {
        let told = std::mem::take(&mut lock(&self.now).told);
        *lock(&self.now) = Now { told, ..Now::default() };
    }

    /// The epoch that everything is sealed under now.
    pub(crate) fn epoch_now(&self) -> Option<EpochId> {
        let now = lock(&self.now);
        now.newer.as_ref().map_or_else(|| self.keys.current(), |newer| newer.keys.current())
    }

    /// Seals something under that epoch.
    pub(super) fn with_epoch<T>(
        &self,
        seal: impl FnOnce(&Sealing<'_>) -> Result<T, VaultError>,
    ) -> Result<T, VaultError> {
        let newer = lock(&self.now).newer.clone();
        let (keys, roster) = newer.as_ref().map_or((&self.keys, &self.roster), |newer| (&newer.keys, &newer.roster));
        seal(&Sealing::of(keys, roster).ok_or(VaultError::NoCleanEpoch)?)
    }

    /// The roster's heads as this run has seen them last.
    pub(super) fn heads_now(&self) -> Vec<Identity> {
        self.with_roster_now(|roster| roster.heads.clone())
    }

    /// The roster as this run has seen it last.
    pub(super) fn with_roster_now<T>(&self, read: impl FnOnce(&Roster) -> T) -> T {
        let newer = lock(&self.now).newer.clone();
        read(newer.as_ref().map_or(&self.roster, |newer| &newer.roster))
    }

    /// Packs of this run that are sealed under an epoch that has ended since.
    pub(crate) fn packs_under_ended_epochs(&self) -> u64 {
        let now = self.epoch_now();
        lock(&self.packs_under).0.iter().filter(|(epoch, _)| Some(**epoch) != now).map(|(_, packs)| packs).sum()
    }
}
