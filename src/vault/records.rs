//! Roster records as the store has them, read once: a record never changes, so one that is known is not fetched again.
//!
//! ```text
//! "RECS" 1 | (n u32 | hash 32 | len u32 | bytes)...
//! ```
//!
//! The file is sealed under the state key, and what is in it is compared with its name like anything from the store.

use crypto_backends::{Provider, SecretBytes};
use vault_format::name::{ObjectName, roster_prefix};
use vault_format::roster::{Capabilities, Op, Record, RecordObject};
use vault_format::{DeviceId, ObjectHash, limits};

use super::VaultError;
use super::elsewhere::Elsewhere;
use crate::log::Log;
use crate::parallel;
use crate::store::{Listing, Store, StoreError};

/// The records of a vault, in the order of their names.
#[derive(Default)]
pub(super) struct Records(Vec<(ObjectName, Vec<u8>)>);

impl Records {
    /// A record that this run has written.
    pub(super) fn one(name: ObjectName, bytes: Vec<u8>) -> Self {
        Self(vec![(name, bytes)])
    }

    /// All objects of a listing of the roster's prefix. Those that are in `known` are taken from there.
    pub(super) fn fetch(
        provider: &Provider,
        store: &Store,
        listing: &Listing,
        known: &Self,
    ) -> Result<Self, VaultError> {
        let names: Vec<_> = names(listing).collect();
        let records = parallel::map(&names, parallel::REQUESTS, |name| match known.find(provider, name) {
            Some(record) => Ok((*name, record.to_vec())),
            None => match store.get_unverified(name) {
                Ok(bytes) => Ok::<_, VaultError>((*name, bytes.to_vec())),
                // A name that is listed and not there is a record that is damaged: of an empty one, the hash does not fit.
                Err(StoreError::NotFound { .. }) => Ok((*name, Vec::new())),
                Err(error) => Err(error.into()),
            },
        })?;
        Ok(Self(records))
    }

    /// Takes what is damaged from another store that has it whole.
    pub(super) fn mend(&mut self, provider: &Provider, elsewhere: &Elsewhere<'_>) {
        for (name, bytes) in &mut self.0 {
            if !is_sound(provider, name, bytes)
                && let Some(whole) = elsewhere.get_from_others(name, &|bytes| provider.hash.hash(&[bytes]))
            {
                *bytes = whole.to_vec();
            }
        }
    }

    /// Adds the sound records that others are.
    pub(super) fn add(&mut self, provider: &Provider, others: &Self) {
        let sound = others.0.iter().filter(|(name, bytes)| is_sound(provider, name, bytes));
        let missing = sound.filter(|(name, _)| self.find(provider, name).is_none()).cloned();
        let missing: Vec<_> = missing.collect();
        self.0.retain(|(name, _)| !missing.iter().any(|(other, _)| other == name));
        self.0.extend(missing);
        self.0.sort_unstable();
    }

    /// Lists them again, if entries name records that were written since. What was there before stays.
    pub(super) fn catch_up(&mut self, provider: &Provider, store: &Store, log: &Log) -> Result<bool, VaultError> {
        if !log.hearsay().iter().any(|hearsay| hearsay.is_record) {
            return Ok(false);
        }
        let mut again = Self::fetch(provider, store, &store.list(&roster_prefix())?, self)?;
        again.add(provider, self);
        let is_new = again.0.len() > self.0.len();
        *self = again;
        Ok(is_new)
    }

    /// What a vault's roster is built from.
    pub(super) fn all(&self) -> &[(ObjectName, Vec<u8>)] {
        &self.0
    }

    /// What a device was added to do, as these say without proof: decides which lists are asked for at once, and nothing else.
    pub(super) fn claimed_capabilities(&self, device: DeviceId) -> Option<Capabilities> {
        self.0.iter().find_map(|(_, bytes)| {
            let object = RecordObject::parse(bytes).ok()?;
            let record = Record::parse(&bytes[object.body], object.header.suite).ok()?;
            record.ops.iter().find_map(|op| match op {
                Op::Add { id, capabilities, .. } if *id == device => Some(*capabilities),
                _ => None,
            })
        })
    }

    /// Whether these are exactly the sound records that a listing shows: then there is nothing new in it.
    pub(super) fn are_those_of(&self, provider: &Provider, listing: &Listing) -> bool {
        self.0.iter().map(|(name, _)| *name).eq(names(listing))
            && self.0.iter().all(|(name, bytes)| is_sound(provider, name, bytes))
    }

    /// The sound ones of those that count, for the local state.
    pub(super) fn pack(&self, provider: &Provider, counts: &dyn Fn(&ObjectName) -> bool) -> SecretBytes {
        let mut out = MAGIC.to_vec();
        for (name, bytes) in &self.0 {
            let ObjectName::Roster { n, hash } = name else { continue };
            if counts(name) && is_sound(provider, name, bytes) && out.len() + bytes.len() < MAX_LEN {
                out.extend_from_slice(&n.to_le_bytes());
                out.extend_from_slice(&hash.0);
                out.extend_from_slice(&(bytes.len() as u32).to_le_bytes());
                out.extend_from_slice(bytes);
            }
        }
        SecretBytes::new(out)
    }

    /// What `pack` wrote; none if it is anything else.
    pub(super) fn unpack(bytes: &[u8]) -> Self {
        let mut rest = bytes.strip_prefix(MAGIC).unwrap_or_default();
        let mut records = Vec::new();
        while !rest.is_empty() {
            match unpack_one(&mut rest) {
                Some(record) => records.push(record),
                None => return Self::default(),
            }
        }
        records.sort_unstable();
        Self(records)
    }

    /// One of them, if it is sound.
    pub(super) fn find(&self, provider: &Provider, name: &ObjectName) -> Option<&[u8]> {
        let at = self.0.binary_search_by_key(name, |(name, _)| *name).ok()?;
        let bytes = &self.0[at].1;
        is_sound(provider, name, bytes).then_some(bytes)
    }
}

fn names(listing: &Listing) -> impl Iterator<Item = ObjectName> {
    listing.objects.iter().filter(|object| object.size <= limits::RECORD_STORED as u64).map(|object| object.name)
}

fn is_sound(provider: &Provider, name: &ObjectName, bytes: &[u8]) -> bool {
    provider.hash.hash(&[bytes]) == name.hash().0
}

fn unpack_one(rest: &mut &[u8]) -> Option<(ObjectName, Vec<u8>)> {
    let (n, after) = rest.split_first_chunk()?;
    let (hash, after) = after.split_first_chunk()?;
    let (len, after) = after.split_first_chunk()?;
    let (bytes, after) = after.split_at_checked(u32::from_le_bytes(*len) as usize)?;
    *rest = after;
    Some((ObjectName::Roster { n: u32::from_le_bytes(*n), hash: ObjectHash(*hash) }, bytes.to_vec()))
}

const MAGIC: &[u8] = b"RECS\x01";
const MAX_LEN: usize = 16 << 20;

#[cfg(test)]
mod tests {
    use super::*;
    use crypto_backends::rustcrypto::provider;

    #[test]
    fn what_was_packed_comes_back_and_nothing_else() {
        let record = |n: u32, bytes: &[u8]| {
            (ObjectName::Roster { n, hash: ObjectHash(provider().hash.hash(&[bytes])) }, bytes.to_vec())
        };
        let records = Records(vec![record(0, b"first"), record(1, b""), record(2, b"third")]);
        let packed = records.pack(provider(), &|_| true);
        assert_eq!(Records::unpack(packed.expose()).0, records.0);
        for at in 0..packed.expose().len() {
            assert!(Records::unpack(&packed.expose()[..at]).0.len() < 3);
        }
        let mut damaged = Records(vec![record(0, b"first")]);
        damaged.0[0].1[0] ^= 1;
        assert!(Records::unpack(damaged.pack(provider(), &|_| true).expose()).0.is_empty());
        assert!(damaged.find(provider(), &damaged.0[0].0).is_none());
    }
}
