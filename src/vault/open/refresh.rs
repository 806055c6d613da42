//! Reading roster and logs of an opened vault again.

use std::sync::atomic::Ordering::Relaxed;

use vault_format::name::{ObjectName, roster_prefix};

use super::check_readable;
use crate::log::{Known, Local, Log, LogError, LogListing, Refused};
use crate::parallel;
use crate::roster::Roster;
use crate::store::Listing;
use crate::sync::lock;
use crate::vault::access::{Access, logs_of};
use crate::vault::records::Records;
use crate::vault::{Vault, VaultError};

impl Vault {
    /// Reads roster and logs again: what other devices did since. Costs two lists at once, and what is new.
    pub(in crate::vault) fn refresh(&mut self) -> Result<(), VaultError> {
        self.refresh_once()?;
        // A record may have been written between the two listings, and after it an entry that names it.
        if self.log.hearsay().iter().any(|hearsay| hearsay.is_record) {
            self.refresh_once()?;
        }
        Ok(())
    }

    fn refresh_once(&mut self) -> Result<(), VaultError> {
        let known = Known::of(self.log.judged().map(|entry| &**entry));
        let only = logs_of(&self.roster, self.device.id);
        let read_logs = || LogListing::read(&self.store, only.as_ref(), &known);
        let (roster, mut logs) = parallel::both(|| self.store.list(&roster_prefix()), read_logs);
        let roster = roster?;
        if !self.records.are_those_of(self.provider, &roster) {
            self.refresh_roster(&roster)?;
            let now = logs_of(&self.roster, self.device.id);
            if now != only {
                // Who may condemn what this device relies on is new to it.
                logs = LogListing::read(&self.store, now.as_ref(), &known);
            }
        }
        let known = self.log.to_known();
        let (roster, own) = (&self.roster, self.device.id);
        let reading = self.reading();
        let get = |name: &ObjectName| self.store.get(name, &|bytes| self.provider.hash.hash(&[bytes]));
        let refused = Refused::of(&self.log);
        let written = lock(&self.written);
        let lags = self.behind.is_some() || self.is_borrowed.load(Relaxed);
        let lagging = lags.then_some(&[][..]);
        let checkpoints = reading.checkpoints();
        let local =
            |known, refused| Local { known, written: &written, refused, lagging, checkpoints, ..Local::default() };
        let mut log = Log::read(&get, &reading, logs?, local(known, refused));
        if log.as_ref().is_err_and(LogError::may_be_new) {
            let known = self.log.to_known();
            let again = LogListing::read_whole(&self.store, logs_of(roster, own).as_ref())?;
            log = Log::read(&get, &reading, again, local(known, Refused::of(&self.log)));
        }
        let log = log?;
        drop(written);
        self.log = log;
        self.named_by_hash.take();
        Ok(())
    }

    pub(in crate::vault) fn refresh_roster(&mut self, listing: &Listing) -> Result<(), VaultError> {
        let records = Records::fetch(self.provider, &self.store, listing, &self.records)?;
        let roster = self.build_newer(&records)?;
        // Who has left may say so in more records than the heads show.
        if roster.heads != self.roster.heads || roster.void != self.roster.void {
            check_readable(&roster)?;
            let keys = Access::open(self.provider, &roster, &self.device)?;
            if keys.is_push_only() != self.keys.is_push_only() {
                // What this run has made is of another domain.
                return Err(VaultError::RightsChanged);
            }
            self.keys = keys;
        }
        self.follow_records(&records);
        (self.roster, self.records) = (roster, records);
        self.is_now();
        Ok(())
    }

    /// The roster of these records, which has all heads that this run has seen.
    pub(in crate::vault) fn build_newer(&self, records: &Records) -> Result<Roster, VaultError> {
        let roster = Roster::build(self.provider, records.all(), Some(self.id()))
            .map_err(|error| VaultError::NoVault { url: self.url.clone(), error })?;
        let seen = self.heads_now();
        match self.roster.heads.iter().chain(&seen).find(|head| !roster.knows(**head)) {
            Some(head) => Err(VaultError::RosterRolledBack { head: *head }),
            None => Ok(roster),
        }
    }
}
