//! Opening a vault as a device of it: what the store shows is held against what this machine has seen.

use std::sync::Mutex;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use vault_format::name::{ObjectName, roster_prefix};

use super::{OpenOptions, Purpose, check_readable, follows, pinned};
use crate::log::{Known, Local, Log, LogError, LogListing, Missing, Refused, Saved};
use crate::parallel;
use crate::roster::{Roster, RosterError};
use crate::state::DeviceState;
use crate::store::Store;
use crate::vault::access::{Access, logs_of};
use crate::vault::elsewhere::Elsewhere;
use crate::vault::records::Records;
use crate::vault::{Other, Reading, StoreConfig, Vault, VaultError, claims, own, packs, stores};

impl Vault {
    pub(super) fn open_as_device(
        store: Store,
        url: String,
        (mut place, others): (StoreConfig, Vec<Other>),
        state: DeviceState,
        options: &OpenOptions<'_>,
    ) -> Result<Self, VaultError> {
        let id = state.keys.vault;
        // Before anything is listed: what another push of this device writes until then is seen, and none writes after.
        let (lock, listed) = match options.purpose {
            Purpose::Push => (Some(options.home.lock(id)?), Some(Instant::now())),
            Purpose::Read | Purpose::Check => (None, None),
        };
        let pins = options.home.pins(id)?;
        let provider = options.home.provider(id)?;
        let old = options.home.roster_cache(id).map_or_else(Records::default, |plain| Records::unpack(plain.expose()));
        let mut old = old.of(Some(id));
        if options.purpose == Purpose::Check {
            old.forget_refused();
        }
        // Whose logs this device may list, the roster says. That of a reader does not change, so both are listed at once.
        let reads_all = old.claimed_capabilities(state.keys.id).is_some_and(|known| !known.is_push_only());
        // A folder is listed whole, whatever is known.
        let (listed_whole, (saved, mut known)) = match reads_all && store.folder().is_some() {
            true => parallel::both(|| Some(LogListing::read_whole(&store, None)), || Saved::load(options.home, id)),
            false => (None, Saved::load(options.home, id)),
        };
        let mut ends = match options.purpose {
            Purpose::Check => Known::default(),
            // From its beginning each log is listed as often as packs are: what is gone there took tables and snapshots with it.
            Purpose::Push if !claims::is_fresh(options.home.claims(id).as_ref()) => Known::default(),
            _ if options.accept_rollback => Known::default(),
            Purpose::Read | Purpose::Push => Known::of(known.iter().map(|entry| &**entry)),
        };
        let (roster, logs) = match reads_all {
            true => {
                let read_logs = || listed_whole.unwrap_or_else(|| LogListing::read(&store, None, &ends));
                let (roster, logs) = parallel::both(|| store.list(&roster_prefix()), read_logs);
                (roster, Some(logs))
            }
            false => (store.list(&roster_prefix()), None),
        };
        let elsewhere = Elsewhere::new(&store, &others);
        let mut records = Records::fetch_whole(provider, &store, &roster?, &old, &elsewhere)?;
        let mut roster = match Roster::build(provider, records.all(), Some(id)) {
            Ok(roster) => roster,
            // An empty folder is a disk that is not there. Records that are none any more are evidence.
            Err(RosterError::NotAVault) if !records.all().is_empty() && !pins.roster_heads.is_empty() => {
                return Err(VaultError::RosterRolledBack { head: pins.roster_heads[0] });
            }
            Err(error) => return Err(VaultError::NoVault { url, error }),
        };
        let unknown = |roster: &Roster| pins.roster_heads.iter().copied().find(|head| !roster.knows(*head));
        let rolled_back = unknown(&roster);
        if rolled_back.is_some() {
            // What this machine has kept of the roster counts, wherever it is read from: a revocation stays one.
            records.add(provider, &old);
            roster = Roster::build(provider, records.all(), Some(id))
                .map_err(|error| VaultError::NoVault { url: url.clone(), error })?;
            // What was kept is lost, or is not all of it. A store that lacks a revocation is believed by nobody.
            if let Some(head) = unknown(&roster) {
                return Err(VaultError::RosterRolledBack { head });
            }
        }
        check_readable(&roster)?;
        let mut keys = Access::open(provider, &roster, &state.keys)?;
        if place.id.is_none() && keys.is_push_only() {
            place.id = options.home.access(id)?.ids.get(&place.plain_url()).copied();
        }
        let only = logs_of(&roster, state.keys.id);
        let follows = options.accept_loss || follows(&roster, &keys, &place);
        let accept = options.accept_rollback && !follows;
        if accept && roster.stores.len() > 1 {
            // What a store has lost that only may be the primary is nobody's loss.
            stores::check_primary_in(&roster, &keys, &place, &url)?;
        }
        if let Some(head) = rolled_back.filter(|_| !follows && !accept) {
            return Err(VaultError::RosterRolledBack { head });
        }
        let own = state.keys.id;
        let reading = Reading { provider, roster: &roster, keys: &keys, own };
        let lagging = follows.then_some(&[][..]);
        let pinned = pinned(&pins, only.as_ref());
        let logs = match logs {
            Some(logs) if only.is_none() => logs?,
            _ => {
                if only.is_none() && known.iter().any(|entry| entry.is_for_others()) {
                    // It could only push then, and reads everything now.
                    (known, ends) = (Vec::new(), Known::default());
                }
                LogListing::read(&store, only.as_ref(), &ends)?
            }
        };
        let refused = match options.purpose {
            Purpose::Check => Refused::default(),
            _ => options.home.refused(id).map_or_else(Refused::default, |plain| Refused::unpack(plain.expose())),
        };
        let known_again = || {
            let entries = Saved::load(options.home, id).1;
            entries.into_iter().filter(|entry| only.is_some() || !entry.is_for_others()).collect()
        };
        let get = |name: &ObjectName| elsewhere.get(name, &|bytes| provider.hash.hash(&[bytes]));
        // A check looks at everything itself.
        let checkpoints = if options.purpose == Purpose::Check { None } else { reading.checkpoints() };
        let local = |known, accept| Local {
            known,
            pins: &pinned,
            refused: refused.clone(),
            accept,
            lagging,
            checkpoints,
            ..Local::default()
        };
        let mut first = Log::read(&get, &reading, logs, local(known, accept));
        // What a push-only device lacks of its own log stops nobody, and would make it doubt itself.
        let lacks_own = |log: &Log| only.is_some() && !log.gaps(own).is_empty();
        if first.as_ref().map_or_else(LogError::may_be_new, lacks_own) && !follows {
            let logs = LogListing::read_whole(&store, only.as_ref())?;
            first = Log::read(&get, &reading, logs, local(known_again(), accept));
        }
        let (mut log, behind) = match first {
            Err(LogError::Missing(_)) if follows => {
                let (log, behind) = Log::read_lagging(
                    &get,
                    &reading,
                    LogListing::read_whole(&store, only.as_ref())?,
                    known_again(),
                    &pinned,
                    refused.clone(),
                )?;
                (log, Some(behind))
            }
            Err(LogError::Missing(missing)) if options.purpose == Purpose::Read && !others.is_empty() => {
                // Another store may still show what this one does not.
                let all = LogListing::read_whole(&store, only.as_ref())?;
                let all = elsewhere.list_logs(all, only.as_ref());
                let log = Log::read(&get, &reading, all, local(known_again(), false))?;
                elsewhere.note(format!(
                    "{} log entries that the store no longer shows were read from others",
                    missing.len()
                ));
                (log, None)
            }
            log => (log?, None),
        };
        let behind = behind.or(rolled_back.filter(|_| !accept).map(|_| 0));
        let adopted = !log.adopted().is_empty();
        let lacks_unfounded = log.lacks_unfounded();
        let own_adopted = !follows && log.adopted().iter().any(|(_, loss)| loss.device == own);
        let mut put_back = 0;
        if own_adopted {
            // What an admin has given up this machine may still have; if not, what it wrote had numbers all the same.
            own::remember_end(options.home, provider, id, pins.logs.get(&own))?;
        }
        if own_adopted || !log.lost().is_empty() {
            put_back = own::put_back(options.home, id, &store, own, &log)?;
        }
        // Another device may have written between one listing and another, records too.
        if records.catch_up(provider, &store, &log)? {
            roster = Roster::build(provider, records.all(), Some(id))
                .map_err(|error| VaultError::NoVault { url: url.clone(), error })?;
            check_readable(&roster)?;
            keys = Access::open(provider, &roster, &state.keys)?;
            if logs_of(&roster, own).is_some() != only.is_some() {
                return Err(VaultError::RightsChanged);
            }
        }
        let reading = Reading { provider, roster: &roster, keys: &keys, own };
        if put_back > 0 || !log.hearsay().is_empty() || log.lost().iter().any(Missing::may_be_new) {
            let known = if log.lost().is_empty() { log.to_known() } else { known_again() };
            log = Log::read(
                &get,
                &reading,
                LogListing::read_whole(&store, only.as_ref())?,
                Local {
                    known,
                    pins: &pinned,
                    refused: refused.clone(),
                    accept: accept || follows,
                    lagging,
                    checkpoints: if options.purpose == Purpose::Check { None } else { reading.checkpoints() },
                    ..Local::default()
                },
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
            state.keys,
            state.name,
            options.home,
            options.cache,
            log,
        );
        (vault.lock, vault.listed, vault.saved) = (lock, listed, Mutex::new(saved));
        vault.notes.extend(notes);
        if let Some(behind) = behind {
            vault.notes.push(match behind {
                0 => format!("the store {} is behind what this machine has seen of the vault", place.name),
                1 => format!("the store {} is 1 entry behind what this machine has seen of the vault", place.name),
                n => format!("the store {} is {n} entries behind what this machine has seen of the vault", place.name),
            });
        }
        (vault.place, vault.others, vault.behind) = (place, others, behind);
        vault.pinned = pins.clone();
        // What another store than the primary has does not count as the primary's.
        vault.is_borrowed = AtomicBool::new(follows);
        vault.tell_trust(&pins);
        if lacks_unfounded {
            vault.warnings.push(
                "entries count no longer that were added with rights which the roster does not give any more; what may rely on them is stored again by the next push"
                    .into(),
            );
        }
        if adopted || lacks_unfounded {
            // A store that has lost entries may have lost packs as well.
            vault.drop_claims()?;
        }
        if put_back > 0 {
            vault.tell_put_back(put_back);
        }
        if accept {
            vault.go_on(put_back, rolled_back.is_some())?;
        }
        if options.purpose == Purpose::Check {
            vault.tree_packs = packs::TreePacks::new(None);
        }
        vault.pin()?;
        if options.purpose != Purpose::Check {
            vault.settle();
        }
        Ok(vault)
    }
}
