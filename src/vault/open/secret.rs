//! Opening a vault with a passphrase or words, on a machine that is no device of it and may become one.

use bytes::Bytes;
use vault_format::name::{ObjectName, roster_prefix};
use vault_format::roster::Capabilities;

use super::{OpenOptions, Purpose, UnlockSecret, check_readable, follows};
use crate::keys::SlotSecret;
use crate::log::{Local, Log, LogError, LogListing};
use crate::roster::{EnrollOptions, Roster, RosterError, UnlockError, enroll, unlock};
use crate::state::{DeviceState, Pins};
use crate::store::{Store, StoreError};
use crate::vault::access::{Access, logs_of};
use crate::vault::elsewhere::Elsewhere;
use crate::vault::records::Records;
use crate::vault::shown::Shown;
use crate::vault::{Other, Reading, StoreConfig, Vault, VaultError};

impl Vault {
    pub(super) fn open_with_secret(
        store: Store,
        url: String,
        (place, others): (StoreConfig, Vec<Other>),
        options: OpenOptions<'_>,
    ) -> Result<Self, VaultError> {
        let elsewhere = Elsewhere::new(&store, &others);
        let mut shown = Shown::read(&store, &store.list(&roster_prefix())?, Some(&elsewhere), options.vault)?;
        // Nobody is asked for a passphrase where there is no vault.
        match std::mem::replace(&mut shown[0].roster, Err(RosterError::NotAVault)) {
            Ok(_) | Err(RosterError::TwoVaults { .. }) => {}
            Err(error @ RosterError::NotAVault) => {
                // Records and no beginning: there was one.
                return Err(match shown[0].records.all().first() {
                    Some((name, _)) => VaultError::NoBeginning { url, example: name.to_path() },
                    None => VaultError::NoVault { url, error },
                });
            }
            Err(error) => return Err(VaultError::NoVault { url, error }),
        }
        let secret = options.unlock.unlock(&url).map_err(VaultError::Secret)?;
        let slot = match &secret {
            UnlockSecret::Passphrase(passphrase) => SlotSecret::Passphrase(passphrase),
            UnlockSecret::Words(words) => SlotSecret::Words(words),
        };
        let mut tried = shown.into_iter().map(|Shown { provider, records, .. }| {
            let unlocked = unlock(provider, records.all(), options.vault, slot);
            unlocked.map(|unlocked| (provider, records, unlocked))
        });
        let first = tried.next().expect("there is one");
        // Whoever writes to the store can put the beginning of a vault of the other suite beside ours.
        let (provider, mut records, unlocked) = match first {
            Err(error) => tried.find_map(Result::ok).ok_or(error)?,
            opened => opened?,
        };
        let mut roster = unlocked.roster;
        check_readable(&roster)?;
        if let Some(head) = options.seen.iter().find(|head| !roster.knows(**head)) {
            return Err(VaultError::RosterRolledBack { head: *head });
        }
        let mut keys = Access::open(provider, &roster, &unlocked.device)?;
        let only = logs_of(&roster, unlocked.device.id);
        let logs = LogListing::read_whole(&store, only.as_ref())?;
        let accept = options.accept_rollback;
        // A store that follows another one has records before the entries that they adopt.
        let lagging = (options.accept_loss || follows(&roster, &keys, &place)).then_some(&[][..]);
        let reading = Reading { provider, roster: &roster, keys: &keys, own: unlocked.device.id };
        let get = |name: &ObjectName| elsewhere.get(name, &|bytes| provider.hash.hash(&[bytes]));
        let checkpoints = if options.purpose == Purpose::Check { None } else { reading.checkpoints() };
        let local = Local { accept, lagging, checkpoints, ..Local::default() };
        let mut log = match Log::read(&get, &reading, logs, local) {
            Err(LogError::Missing(missing)) if options.purpose == Purpose::Read && !others.is_empty() => {
                let all = elsewhere.list_logs(LogListing::read_whole(&store, only.as_ref())?, only.as_ref());
                let log = Log::read(&get, &reading, all, Local::default())?;
                elsewhere
                    .note(format!("{} log entries that the store does not show were read from others", missing.len()));
                log
            }
            log => log?,
        };
        // Another device may have written between one listing and another, records too.
        if records.catch_up(provider, &store, &log)? {
            let id = roster.vault;
            roster = Roster::build(provider, records.all(), Some(id))
                .map_err(|error| VaultError::NoVault { url: url.clone(), error })?;
            check_readable(&roster)?;
            keys = Access::open(provider, &roster, &unlocked.device)?;
        }
        let reading = Reading { provider, roster: &roster, keys: &keys, own: unlocked.device.id };
        if !log.hearsay().is_empty() {
            let known = log.to_known();
            log = Log::read(
                &get,
                &reading,
                LogListing::read_whole(&store, only.as_ref())?,
                Local { known, accept, lagging, ..Local::default() },
            )?;
        }
        let notes = elsewhere.into_notes();
        let mut vault = Self::assemble(
            provider,
            store,
            url,
            records,
            roster,
            keys,
            unlocked.device,
            options.device_name.clone(),
            options.home,
            options.cache,
            log,
        );
        vault.ephemeral = true;
        vault.notes.extend(notes);
        (vault.place, vault.others) = (place, others);
        let newest = vault.snapshots().last().map(|snapshot| crate::time_text(snapshot.time));
        vault.notes.push(format!(
            "this machine sees the vault for the first time and cannot know of anything newer than what the store shows: {}",
            newest.map_or("no snapshots".into(), |time| format!("as of {time}"))
        ));
        if options.enroll {
            match vault.check_primary().and_then(|()| vault.enroll(&options.device_name)) {
                Ok(()) => {}
                Err(error @ VaultError::NotPrimary { .. }) => {
                    vault.notes.push(format!("this machine did not become a device of the vault: {error}"));
                }
                Err(VaultError::Store(error @ (StoreError::ReadOnly { .. } | StoreError::PermissionDenied { .. }))) => {
                    vault.notes.push(format!(
                        "this machine could not become a device of the vault, the passphrase was used for this run only: {}",
                        crate::chain(&error)
                    ));
                }
                Err(error) => return Err(error),
            }
        }
        vault.tell_trust(&Pins::default());
        if accept {
            vault.go_on(0, false)?;
        }
        Ok(vault)
    }

    /// Makes this machine a device of the vault, with all that the slot may hand on.
    fn enroll(&mut self, name: &str) -> Result<(), VaultError> {
        let capabilities = self.roster.may_grant(self.device.id);
        if capabilities == Capabilities::NONE {
            return Ok(());
        }
        let enrolled = enroll(
            self.provider,
            &self.roster,
            self.reader_keys("add devices")?,
            &self.device,
            &EnrollOptions { name, capabilities, time: crate::now() },
        )?;
        let state = DeviceState { keys: enrolled.device.duplicate(), url: self.url.clone(), name: name.to_owned() };
        // A read-only store is noticed before the state is written, a crash in between leaves a device that nobody holds.
        self.store.put(&enrolled.record.name, Bytes::from(enrolled.record.bytes.clone()))?;
        self.home.set_device(self.provider, &state)?;
        let listing = self.store.list(&roster_prefix())?;
        self.records = Records::fetch(self.provider, &self.store, &listing, &self.records)?;
        self.roster = Roster::build(self.provider, self.records.all(), Some(self.roster.vault))
            .map_err(|error| VaultError::NoVault { url: self.url.clone(), error })?;
        self.keys = Access::open(self.provider, &self.roster, &enrolled.device)?;
        self.domain = self.keys.own_domain();
        self.device = enrolled.device;
        self.ephemeral = false;
        self.enrolled_now = true;
        self.pin()
    }
}

impl VaultError {
    /// Whether another secret may open the vault.
    pub fn is_wrong_secret(&self) -> bool {
        matches!(self, Self::Unlock(UnlockError::WrongSecret(_)))
    }
}
