//! What a place shows that this machine has never seen: of which suite the vault there is, only its records say.

use crypto_backends::{Provider, Suite, provider};
use vault_format::header::SUITE_AT;
use vault_format::ids::VaultId;
use vault_format::name::ObjectName;

use super::VaultError;
use super::elsewhere::Elsewhere;
use super::records::Records;
use crate::roster::{Roster, RosterError};
use crate::store::{Listing, Store};

/// The records of a place as one suite reads them. By another suite no object has the hash of its name.
pub(super) struct Shown {
    pub(super) provider: &'static Provider,
    pub(super) records: Records,
    /// What they make up; without a vault that is pinned this is no trust at all.
    pub(super) roster: Result<Roster, RosterError>,
}

/// All suites of this build.
pub(super) fn providers() -> impl Iterator<Item = &'static Provider> {
    [Suite::Default, Suite::Fips].into_iter().filter_map(provider)
}

impl Shown {
    /// Reads a roster. More than one is given if there are beginnings of both suites, which only a person's secret or a pinned
    /// id can tell apart; where nothing begins, what the first suite makes of it.
    pub(super) fn read(
        store: &Store,
        listing: &Listing,
        elsewhere: Option<&Elsewhere<'_>>,
        vault: Option<VaultId>,
    ) -> Result<Vec<Self>, VaultError> {
        let mut all: Vec<Self> = Vec::new();
        let mut read: Option<Records> = None;
        for provider in providers() {
            let records = match &read {
                // Of what is much, only what is sound by the suite that was asked for is kept.
                Some(records) if beginnings(records).any(<[u8]>::is_empty) => {
                    Records::fetch(provider, store, listing, &Records::default().of(vault))?
                }
                Some(records) => records.as_read(),
                None => Records::fetch(provider, store, listing, &Records::default().of(vault))?,
            };
            let first = read.get_or_insert_with(|| records.as_read());
            let says = |bytes: &[u8]| bytes.get(SUITE_AT).is_none_or(|suite| *suite == provider.suite.byte());
            let is_claimed = beginnings(first).any(says);
            if !is_claimed && !all.is_empty() {
                continue;
            }
            let records = match elsewhere.filter(|_| is_claimed) {
                Some(elsewhere) => records.mended(provider, store, listing, elsewhere)?,
                None => records,
            };
            let roster = Roster::build(provider, records.all(), vault);
            all.push(Self { provider, records, roster });
        }
        if all.iter().any(Self::is_vault) {
            all.retain(Self::is_vault);
        }
        // A vault that is not the one that was asked for does not stand in for it.
        if all.iter().any(|shown| shown.roster.is_ok()) && vault.is_some() {
            all.retain(|shown| shown.roster.is_ok());
        }
        Ok(all)
    }

    fn is_vault(&self) -> bool {
        use RosterError::{NewerFormat, NotAVault, Suite};
        !matches!(self.roster, Err(NotAVault | NewerFormat { .. } | Suite { .. }))
    }

    /// All vaults that begin here.
    pub(super) fn vaults(&self) -> Vec<VaultId> {
        match &self.roster {
            Ok(roster) => vec![roster.vault],
            Err(RosterError::TwoVaults { found } | RosterError::OtherVault { found, .. }) => found.clone(),
            Err(_) => Vec::new(),
        }
    }
}

fn beginnings(records: &Records) -> impl Iterator<Item = &[u8]> {
    let first = records.all().iter().filter(|(name, _)| matches!(name, ObjectName::Roster { n: 0, .. }));
    first.map(|(_, bytes)| &bytes[..])
}
