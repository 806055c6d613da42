//! Whose vault it is, on both sides, before anything is copied.

use std::collections::BTreeMap;

use crypto_backends::Provider;
use vault_format::header::HEADER_LEN;
use vault_format::{Header, ObjectName, VaultId};

use super::MirrorError;
use super::shown::Shown;
use crate::check::{Trust, provider_of};
use crate::roster::{Ignored, IgnoredWhy, Roster, RosterError};
use crate::store::{Store, StoreError};

/// The vault, as the records of both stores together say.
pub(super) struct Met {
    pub(super) vault: VaultId,
    pub(super) trust: Trust,
    /// Records that count and may be stored, with their bytes.
    pub(super) records: BTreeMap<ObjectName, Vec<u8>>,
    /// Records of either store that do not.
    pub(super) ignored: Vec<Ignored>,
}

/// Reads the roster of both stores. A target that holds anything but this vault is refused.
pub(super) fn meet(
    from: &Store,
    to: &Store,
    source: &Shown,
    target: &Shown,
    pinned: Option<VaultId>,
) -> Result<Met, MirrorError> {
    let theirs = fetch(from, source.records().map(|(name, size)| (*name, size)))?;
    let provider = provider_of(&theirs).map_err(|suite| MirrorError::Suite { suite })?;
    let no_vault = |error| MirrorError::NoVault { url: from.label().to_owned(), error };
    // What is damaged in the source may be whole in the target.
    let whole = |(name, bytes): &(ObjectName, Vec<u8>)| provider.hash.hash(&[bytes]) == name.hash().0;
    let mut all: BTreeMap<ObjectName, Vec<u8>> = theirs.into_iter().collect();
    let missing = |(name, _): &(&ObjectName, u64)| {
        all.get(*name).is_none_or(|bytes| provider.hash.hash(&[bytes]) != name.hash().0)
    };
    let here = fetch(to, target.records().filter(missing).map(|(name, size)| (*name, size)))?;
    let vault = match pinned {
        Some(vault) => vault,
        None => build(provider, &all, None).map_err(no_vault)?.vault,
    };
    refuse_others(to, provider, vault, source, target, &all, &here)?;

    all.extend(here.into_iter().filter(whole));
    let mut roster = build(provider, &all, Some(vault)).map_err(no_vault)?;
    let ignored = std::mem::take(&mut roster.ignored);
    for one in &ignored {
        all.remove(&one.name);
    }
    Ok(Met { vault, trust: Trust::of(provider, roster), records: all, ignored })
}

/// A store holds one vault. What somebody planted beside it does not make it another's.
fn refuse_others(
    to: &Store,
    provider: &'static Provider,
    vault: VaultId,
    source: &Shown,
    target: &Shown,
    theirs: &BTreeMap<ObjectName, Vec<u8>>,
    here: &[(ObjectName, Vec<u8>)],
) -> Result<(), MirrorError> {
    let url = || to.label().to_owned();
    let shared = target.records().filter_map(|(name, _)| Some((*name, theirs.get(name)?.clone())));
    let records: BTreeMap<_, _> = here.iter().cloned().chain(shared).collect();
    let found = match build(provider, &records, None) {
        Ok(roster) => vec![roster.vault],
        Err(RosterError::TwoVaults { found }) => found,
        Err(_) => Vec::new(),
    };
    if found.contains(&vault) {
        return Ok(());
    }
    if let Some(found) = found.first() {
        return Err(MirrorError::OtherVault { url: url(), found: *found, vault });
    }
    if target.objects.is_empty() {
        return match to.strangers()?.first().or(target.strange.first()) {
            Some(example) => Err(MirrorError::NotEmpty { url: url(), example: example.clone() }),
            None => Ok(()),
        };
    }
    // A copy that was interrupted has packs and no records yet: their headers say whose they are.
    let strangers = target.objects.iter().filter(|(name, size)| !source.has(name, **size));
    for (name, size) in strangers.filter(|(_, size)| **size >= HEADER_LEN as u64).take(HEADERS) {
        let start = to.get_range(name, 0..(HEADER_LEN as u64).min(*size))?;
        if let Some(header) = Header::parse(&start).ok().filter(|header| header.vault != vault) {
            return Err(MirrorError::OtherVault { url: url(), found: header.vault, vault });
        }
    }
    Ok(())
}

fn build(
    provider: &'static Provider,
    records: &BTreeMap<ObjectName, Vec<u8>>,
    vault: Option<VaultId>,
) -> Result<Roster, RosterError> {
    let records: Vec<_> = records.iter().map(|(name, bytes)| (*name, bytes.clone())).collect();
    Roster::build(provider, &records, vault)
}

fn fetch(
    store: &Store,
    names: impl Iterator<Item = (ObjectName, u64)>,
) -> Result<Vec<(ObjectName, Vec<u8>)>, StoreError> {
    let mut records = Vec::new();
    for (name, _) in names.filter(|(name, size)| *size <= name.limit()) {
        match store.get_unverified(&name) {
            Ok(bytes) => records.push((name, bytes.to_vec())),
            Err(StoreError::NotFound { .. } | StoreError::Damaged { .. } | StoreError::TooLarge { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(records)
}

/// Whether a record is not what its name says, rather than one that counts for nothing.
pub(super) fn is_damage(ignored: &Ignored) -> bool {
    matches!(ignored.why, IgnoredWhy::Hash)
}

const HEADERS: usize = 8;
