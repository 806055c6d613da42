//! How far each store of a vault is.

use std::collections::HashSet;

use vault_format::{Identity, ObjectName, Time};

use super::access::logs_of;
use super::{Other, StoreConfig, Vault};
use crate::log::LogListing;
use crate::parallel;
use crate::store::{Store, StoreError};

/// A configured store, as it is now.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct StoreStatus {
    /// What the configuration calls it.
    pub name: String,
    /// Where it is.
    pub url: String,
    /// The roster says that it is the primary.
    pub primary: bool,
    /// Why it cannot be asked, if it cannot.
    pub unreachable: Option<String>,
    /// Log entries that are known and that it lacks: as of now, or, if it cannot be asked, as of `seen`. None: nobody knows.
    pub behind: Option<u64>,
    /// Log entries that only it has.
    pub extra: u64,
    /// When this device last saw to it that it has everything.
    pub seen: Option<Time>,
    /// Objects that it lacks although it has the entries, as far as this device knows: they were damaged or missing where
    /// it was filled from.
    pub holes: u64,
}

impl Vault {
    /// All configured stores. Those that can be reached are asked for their logs.
    pub fn store_status(&self) -> Vec<StoreStatus> {
        let cursors = self.cursors();
        let primary = self.roster.primary_store();
        let is_primary = |config: &StoreConfig| match self.roster.stores.len() {
            // A vault with one store may be reached under another URL than it was made at.
            0 | 1 => std::ptr::eq(config, &self.place),
            _ => self.id_of(config).is_some_and(|id| primary == Some(id)),
        };
        let mut all = vec![StoreStatus {
            name: self.place.name.clone(),
            url: self.url.clone(),
            primary: is_primary(&self.place),
            unreachable: None,
            behind: Some(self.behind.unwrap_or(0)),
            extra: 0,
            seen: None,
            holes: 0,
        }];
        let others: Vec<&Other> = self.others.iter().collect();
        let asked = parallel::map(&others, parallel::REQUESTS, |other| {
            let cursor = cursors.get(&other.config.plain_url());
            let answer = other.store().map_err(|error| error.0.clone());
            let answer = answer.and_then(|store| self.compare_logs(store).map_err(|error| crate::chain(&error)));
            let (unreachable, behind, extra) = match answer {
                Ok((behind, extra)) => (None, Some(behind), extra),
                Err(reason) => {
                    let cursor = cursor.filter(|cursor| cursor.level.is_some());
                    let heads = cursor.map(|cursor| cursor.logs.values().flatten().map(|pin| pin.identity));
                    (Some(reason), heads.map(|heads| self.newer_than(heads.collect())), 0)
                }
            };
            Ok::<_, std::convert::Infallible>(StoreStatus {
                name: other.config.name.clone(),
                url: other.config.plain_url(),
                primary: is_primary(&other.config),
                unreachable,
                behind,
                extra,
                seen: cursor.and_then(|cursor| cursor.level),
                holes: cursor.map_or(0, |cursor| cursor.holes),
            })
        });
        let Ok(asked) = asked;
        all.extend(asked);
        all
    }

    /// Entries that are known and that a store does not list, and those of known devices that only it lists.
    fn compare_logs(&self, store: &Store) -> Result<(u64, u64), StoreError> {
        let listing = LogListing::read_whole(store, logs_of(&self.roster, self.device.id).as_ref())?;
        let listed: HashSet<ObjectName> = listing.objects().iter().map(|object| object.name).collect();
        let known: HashSet<ObjectName> = self
            .log
            .entries()
            .map(|entry| ObjectName::Log { device: entry.device, seq: entry.seq, hash: entry.object })
            .collect();
        let counts = |name: &&ObjectName| name.device().is_some_and(|id| self.roster.devices.contains_key(&id));
        let junk: HashSet<&str> = self.log.junk().iter().map(|junk| &*junk.path).collect();
        let extra = listed.difference(&known).filter(counts).filter(|name| !junk.contains(&*name.to_path()));
        Ok((known.difference(&listed).count() as u64, extra.count() as u64))
    }

    /// Entries that are not in the past of these heads.
    fn newer_than(&self, heads: Vec<Identity>) -> u64 {
        (self.log.len() - self.log.past(&heads).len()) as u64
    }
}
