//! Roster records as the store has them, read once: a record never changes, so one that is known is not fetched again. Nor is what
//! was found to be none, which anybody who can write to the store can plant: it would be fetched by everybody at each opening.
//!
//! ```text
//! "RECS" 2 | version of the program, u8 length before it | count u32 | (n u32 | hash 32 | 0 or 1 u8 | parent 32)... |
//! (n u32 | hash 32 | len u32 | bytes)...
//! ```
//!
//! First the names of what is none: 0 for ever, 1 unless that parent comes. What one version refuses the next may know, so those of
//! another version say nothing. The file is sealed under the state key, and what is in it is compared with its name like anything
//! from the store.

use std::collections::{BTreeMap, HashMap, HashSet};

use crypto_backends::{Provider, SecretBytes};
use vault_format::name::{ObjectName, roster_prefix};
use vault_format::roster::{Capabilities, Op, Record, RecordObject};
use vault_format::{DeviceId, Identity, ObjectHash, VaultId, limits};

use super::VaultError;
use super::elsewhere::Elsewhere;
use crate::log::Log;
use crate::parallel;
use crate::roster::{Ignored, IgnoredWhy, Roster, Sieve};
use crate::store::{Listed, Listing, Store, StoreError};

/// The records of a vault, in the order of their names.
#[derive(Default)]
pub(super) struct Records {
    records: Vec<(ObjectName, Vec<u8>)>,
    /// What is no record, and is not fetched; with the parent without which it is none.
    refused: BTreeMap<ObjectName, Option<Identity>>,
    /// Some of that was found out by this run.
    has_learned: bool,
    /// Which vault they are of, if that is known.
    vault: Option<VaultId>,
}

impl Records {
    /// A record that this run has written.
    pub(super) fn one(name: ObjectName, bytes: Vec<u8>) -> Self {
        Self { records: vec![(name, bytes)], ..Self::default() }
    }

    /// Those of one vault: everything else is noise.
    pub(super) fn of(self, vault: Option<VaultId>) -> Self {
        Self { vault, ..self }
    }

    /// The same objects, nothing judged.
    pub(super) fn as_read(&self) -> Self {
        Self { records: self.records.clone(), vault: self.vault, ..Self::default() }
    }

    /// Looks at everything again.
    pub(super) fn forget_refused(&mut self) {
        self.refused.clear();
    }

    /// Objects that are no records, of which nothing is kept but their names.
    pub(super) fn refused(&self) -> impl ExactSizeIterator<Item = &ObjectName> {
        self.refused.keys()
    }

    /// All objects of a listing of the roster's prefix, and what is damaged from another store that has it whole.
    pub(super) fn fetch_whole(
        provider: &Provider,
        store: &Store,
        listing: &Listing,
        known: &Self,
        elsewhere: &Elsewhere<'_>,
    ) -> Result<Self, VaultError> {
        Self::fetch(provider, store, listing, known)?.mended(provider, store, listing, elsewhere)
    }

    /// The same of what was fetched already.
    pub(super) fn mended(
        mut self,
        provider: &Provider,
        store: &Store,
        listing: &Listing,
        elsewhere: &Elsewhere<'_>,
    ) -> Result<Self, VaultError> {
        if self.mend(provider, elsewhere) {
            // What follows a damaged record was taken for none.
            let mut again = Self::fetch(provider, store, listing, &self)?;
            again.mend(provider, elsewhere);
            again.has_learned |= self.has_learned;
            return Ok(again);
        }
        Ok(self)
    }

    /// All objects of a listing of the roster's prefix. Those that are in `known` are taken from there.
    ///
    /// Who cannot sign fills nobody's memory: as soon as there is much that is new, each record is verified as it comes, and what
    /// is none is dropped. Whoever could ever sign for the vault can write records that everybody has to know.
    pub(super) fn fetch(
        provider: &Provider,
        store: &Store,
        listing: &Listing,
        known: &Self,
    ) -> Result<Self, VaultError> {
        let mut found = Self { vault: known.vault, ..Self::default() };
        let refused = listed(listing).filter_map(|object| Some((object.name, *known.refused.get(&object.name)?)));
        found.refused = refused.collect();
        let objects: Vec<Listed> = listed(listing).filter(|object| !found.refused.contains_key(&object.name)).collect();
        let new = objects.iter().filter(|object| !known.has(&object.name)).map(|object| object.size).sum::<u64>();
        let get = |name: &ObjectName| match known.find(provider, name) {
            Some(record) => Ok((*name, record.to_vec())),
            None => match store.get_unverified(name) {
                Ok(bytes) => Ok::<_, VaultError>((*name, bytes.to_vec())),
                // A name that is listed and not there is a record that is damaged: of an empty one, the hash does not fit.
                Err(StoreError::NotFound { .. }) => Ok((*name, Vec::new())),
                Err(error) => Err(error.into()),
            },
        };
        if new <= AT_ONCE && found.refused.values().all(Option::is_none) {
            found.records = parallel::map(&objects, parallel::REQUESTS, |object| get(&object.name))?;
            return Ok(found);
        }
        let mut sieve = Sieve::new(known.vault);
        let mut left = objects;
        while !left.is_empty() {
            for some in batches(&left) {
                for (name, bytes) in parallel::map(some, parallel::REQUESTS, |object| get(&object.name))? {
                    found.sift(provider, &mut sieve, name, bytes);
                }
            }
            // Their parents have come: they are records after all, or something else is wrong with them.
            let has_come =
                |name: &ObjectName| found.refused.get(name).is_some_and(|p| p.is_some_and(|p| sieve.knows(&p)));
            left = listed(listing).filter(|object| has_come(&object.name)).collect();
            left.iter().for_each(|object| _ = found.refused.remove(&object.name));
        }
        found.records.sort_unstable();
        found.has_learned = found.refused.iter().any(|one| known.refused.get(one.0) != Some(one.1));
        Ok(found)
    }

    /// Keeps a record, and of anything else the name.
    fn sift(&mut self, provider: &Provider, sieve: &mut Sieve, name: ObjectName, bytes: Vec<u8>) {
        match sieve.take(provider, &name, &bytes) {
            Ok(()) => self.records.push((name, bytes)),
            // Another store may have it whole.
            Err(IgnoredWhy::Hash) => self.records.push((name, Vec::new())),
            Err(why) => self.refuse(&Ignored { name, why }),
        }
    }

    fn refuse(&mut self, ignored: &Ignored) {
        if self.refused.len() < MOST_REFUSED {
            match ignored.why {
                IgnoredWhy::Parent(parent) => _ = self.refused.insert(ignored.name, Some(parent)),
                _ if ignored.is_final() => _ = self.refused.insert(ignored.name, None),
                _ => {}
            }
        }
    }

    /// Whether something that is no record is to be remembered, and is not yet; `ignored` by the roster that was built of these.
    pub(super) fn learns_from(&self, ignored: &[Ignored]) -> bool {
        let is_kept = |one: &Ignored| one.is_final() || matches!(one.why, IgnoredWhy::Parent(_));
        let is_new = |one: &Ignored| is_kept(one) && !self.refused.contains_key(&one.name);
        self.has_learned || self.refused.len() < MOST_REFUSED && ignored.iter().any(is_new)
    }

    /// Takes what is damaged from another store that has it whole. Whether there was something.
    fn mend(&mut self, provider: &Provider, elsewhere: &Elsewhere<'_>) -> bool {
        let mut is_mended = false;
        for (name, bytes) in &mut self.records {
            if !is_sound(provider, name, bytes)
                && let Some(whole) = elsewhere.get_from_others(name, &|bytes| provider.hash.hash(&[bytes]))
            {
                *bytes = whole.to_vec();
                is_mended = true;
            }
        }
        is_mended
    }

    /// Adds the sound records that others are.
    pub(super) fn add(&mut self, provider: &Provider, others: &Self) {
        let sound = others.records.iter().filter(|(name, bytes)| is_sound(provider, name, bytes));
        let missing = sound.filter(|(name, _)| self.find(provider, name).is_none()).cloned();
        let missing: Vec<_> = missing.collect();
        self.records.retain(|(name, _)| !missing.iter().any(|(other, _)| other == name));
        self.records.extend(missing);
        self.records.sort_unstable();
    }

    /// Lists them again, if entries name records that were written since. What was there before stays.
    pub(super) fn catch_up(&mut self, provider: &Provider, store: &Store, log: &Log) -> Result<bool, VaultError> {
        if !log.hearsay().iter().any(|hearsay| hearsay.is_record) {
            return Ok(false);
        }
        let mut again = Self::fetch(provider, store, &store.list(&roster_prefix())?, self)?;
        again.add(provider, self);
        let is_new = again.records.len() > self.records.len();
        *self = again;
        Ok(is_new)
    }

    /// What a vault's roster is built from.
    pub(super) fn all(&self) -> &[(ObjectName, Vec<u8>)] {
        &self.records
    }

    /// What a device was added to do, as these say without proof: decides which lists are asked for at once, and nothing else.
    pub(super) fn claimed_capabilities(&self, device: DeviceId) -> Option<Capabilities> {
        self.records.iter().find_map(|(_, bytes)| {
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
        let names = listed(listing).map(|object| object.name).filter(|name| !self.refused.contains_key(name));
        self.records.iter().map(|(name, _)| *name).eq(names)
            && self.records.iter().all(|(name, bytes)| is_sound(provider, name, bytes))
    }

    /// The sound ones, for the local state, but for what the roster of them `ignored`: of that the names. First, and whatever
    /// room they take, those that are `needed` to know what counts: whoever had a key once can write void ones without end.
    pub(super) fn pack(&self, provider: &Provider, ignored: &[Ignored], needed: &[Identity]) -> SecretBytes {
        let mut none = Self { refused: self.refused.clone(), ..Self::default() };
        ignored.iter().for_each(|one| none.refuse(one));
        let mut out = MAGIC.to_vec();
        let version = env!("CARGO_PKG_VERSION");
        out.push(version.len() as u8);
        out.extend_from_slice(version.as_bytes());
        out.extend_from_slice(&(none.refused.len() as u32).to_le_bytes());
        for (name, parent) in &none.refused {
            let ObjectName::Roster { n, hash } = name else { continue };
            out.extend_from_slice(&n.to_le_bytes());
            out.extend_from_slice(&hash.0);
            out.push(u8::from(parent.is_some()));
            out.extend_from_slice(&parent.map_or([0; 32], |parent| parent.0));
        }
        let identity = |bytes: &[u8]| {
            let signed = RecordObject::parse(bytes).ok()?.signed_len;
            Some(Identity(provider.hash.hash(&[&bytes[..signed]])))
        };
        let places: HashMap<&Identity, usize> = needed.iter().zip(0..).collect();
        let place = |bytes: &[u8]| identity(bytes).and_then(|identity| places.get(&identity).copied());
        let is_ignored: HashSet<&ObjectName> = ignored.iter().map(|one| &one.name).collect();
        let sound = self.records.iter().filter(|(name, bytes)| is_sound(provider, name, bytes));
        let mut records: Vec<_> = sound
            .filter(|(name, _)| !is_ignored.contains(name))
            .map(|(name, bytes)| (place(bytes).unwrap_or(usize::MAX), name, bytes))
            .collect();
        records.sort_by_key(|(place, ..)| *place);
        for (place, name, bytes) in records {
            let ObjectName::Roster { n, hash } = name else { continue };
            let most = if place < usize::MAX { MAX_NEEDED } else { MAX_LEN };
            if out.len() + bytes.len() < most {
                out.extend_from_slice(&n.to_le_bytes());
                out.extend_from_slice(&hash.0);
                out.extend_from_slice(&(bytes.len() as u32).to_le_bytes());
                out.extend_from_slice(bytes);
            }
        }
        SecretBytes::new(out)
    }

    /// The same of a roster, together with records that another run has `kept` and this one does not know.
    pub(super) fn pack_with(&self, provider: &'static Provider, roster: &Roster, kept: Option<Self>) -> SecretBytes {
        match kept {
            None => self.pack(provider, &roster.ignored, &roster.needed()),
            Some(mut all) => {
                all.add(provider, self);
                all.refused = self.refused.clone();
                let of_all = Roster::build(provider, &all.records, Some(roster.vault));
                let needed = of_all.map_or_else(|_| roster.needed(), |of_all| of_all.needed());
                all.pack(provider, &roster.ignored, &needed)
            }
        }
    }

    /// What `pack` wrote; none if it is anything else.
    pub(super) fn unpack(bytes: &[u8]) -> Self {
        unpack_all(bytes).unwrap_or_default()
    }

    fn has(&self, name: &ObjectName) -> bool {
        self.records.binary_search_by_key(name, |(name, _)| *name).is_ok()
    }

    /// One of them, if it is sound.
    pub(super) fn find(&self, provider: &Provider, name: &ObjectName) -> Option<&[u8]> {
        let at = self.records.binary_search_by_key(name, |(name, _)| *name).ok()?;
        let bytes = &self.records[at].1;
        is_sound(provider, name, bytes).then_some(bytes)
    }
}

fn listed(listing: &Listing) -> impl Iterator<Item = Listed> {
    listing.objects.iter().filter(|object| object.size <= limits::RECORD_STORED as u64).cloned()
}

/// Pieces of about so many bytes as are fetched at once.
fn batches(objects: &[Listed]) -> impl Iterator<Item = &[Listed]> {
    let mut sum = 0;
    objects.chunk_by(move |one, _| {
        sum += one.size;
        let goes_on = sum < AT_ONCE;
        sum *= u64::from(goes_on);
        goes_on
    })
}

fn is_sound(provider: &Provider, name: &ObjectName, bytes: &[u8]) -> bool {
    provider.hash.hash(&[bytes]) == name.hash().0
}

fn unpack_all(bytes: &[u8]) -> Option<Records> {
    let mut rest = bytes.strip_prefix(MAGIC)?;
    let mut found = Records::default();
    let (len, after) = rest.split_first()?;
    let (version, after) = after.split_at_checked(usize::from(*len))?;
    let (count, after) = after.split_first_chunk()?;
    rest = after;
    for _ in 0..u32::from_le_bytes(*count) {
        let (n, after) = rest.split_first_chunk()?;
        let (hash, after) = after.split_first_chunk()?;
        let (has_parent, after) = after.split_first()?;
        let (parent, after) = after.split_first_chunk()?;
        rest = after;
        if version == env!("CARGO_PKG_VERSION").as_bytes() {
            let name = ObjectName::Roster { n: u32::from_le_bytes(*n), hash: ObjectHash(*hash) };
            found.refused.insert(name, (*has_parent == 1).then_some(Identity(*parent)));
        }
    }
    while !rest.is_empty() {
        found.records.push(unpack_one(&mut rest)?);
    }
    found.records.sort_unstable();
    Some(found)
}

fn unpack_one(rest: &mut &[u8]) -> Option<(ObjectName, Vec<u8>)> {
    let (n, after) = rest.split_first_chunk()?;
    let (hash, after) = after.split_first_chunk()?;
    let (len, after) = after.split_first_chunk()?;
    let (bytes, after) = after.split_at_checked(u32::from_le_bytes(*len) as usize)?;
    *rest = after;
    Some((ObjectName::Roster { n: u32::from_le_bytes(*n), hash: ObjectHash(*hash) }, bytes.to_vec()))
}

const MAGIC: &[u8] = b"RECS\x02";
/// Bytes of new records that are fetched before any is looked at: a hundred times what a vault of many devices has.
const AT_ONCE: u64 = 16 << 20;
/// Whoever plants more makes others fetch more: bounded by what the store lets him write.
const MOST_REFUSED: usize = 10_000;
const MAX_LEN: usize = 16 << 20;
/// Of what it takes to know what counts: what a file of the local state has room for.
const MAX_NEEDED: usize = 60 << 20;

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use super::*;
    use crate::keys::{DeviceKeys, Passphrase};
    use crate::roster::{Roster, sign};
    use crate::state::Home;
    use crate::store::faults::Meter;
    use crate::vault::{InitOptions, OpenOptions, Other, Purpose, StoreConfig, UnlockSecret, Vault};
    use crypto_backends::rustcrypto::{lower_kdf_floors_for_tests, provider};
    use object_store::memory::InMemory;

    #[test]
    fn what_was_packed_comes_back_and_nothing_else() {
        let record = |n: u32, bytes: &[u8]| {
            (ObjectName::Roster { n, hash: ObjectHash(provider().hash.hash(&[bytes])) }, bytes.to_vec())
        };
        let of = |records| Records { records, ..Records::default() };
        let mut records = of(vec![record(0, b"first"), record(1, b""), record(2, b"third")]);
        records.refused = [(record(3, b"3").0, None), (record(4, b"4").0, Some(Identity([4; 32])))].into();
        let ignored = [
            Ignored { name: record(5, b"5").0, why: IgnoredWhy::Signature },
            Ignored { name: record(6, b"6").0, why: IgnoredWhy::Hash },
        ];
        let packed = records.pack(provider(), &ignored, &[]);
        let again = Records::unpack(packed.expose());
        assert_eq!(again.records, records.records);
        records.refused.insert(record(5, b"5").0, None);
        assert_eq!(again.refused, records.refused);
        for at in 0..packed.expose().len() {
            assert!(Records::unpack(&packed.expose()[..at]).records.len() < 3);
        }
        let mut newer = packed.expose().to_vec();
        newer[MAGIC.len() + 1] ^= 1;
        let newer = Records::unpack(&newer);
        assert!(newer.records == records.records && newer.refused.is_empty());
        let mut damaged = of(vec![record(0, b"first")]);
        damaged.records[0].1[0] ^= 1;
        assert!(Records::unpack(damaged.pack(provider(), &[], &[]).expose()).records.is_empty());
        assert!(damaged.find(provider(), &damaged.records[0].0).is_none());
    }

    /// Noise that anybody can plant: little of it, which is found out when the roster is built, and more than is kept.
    #[test]
    fn noise_is_fetched_once() {
        lower_kdf_floors_for_tests();
        for large in [0, 40] {
            let folder = tempfile::tempdir().expect("a folder");
            let meter = Meter::new(Duration::ZERO);
            let objects = meter.wrap(Arc::new(InMemory::new()));
            let store = || Store::from_object_store(objects.clone(), URL).expect("a store");
            let home = Arc::new(Home::open(folder.path()).expect("a home"));
            let passphrase = || Passphrase::new("correct horse").expect("a passphrase");
            Vault::init_on(store(), URL.into(), InitOptions::new(URL, &home, "one", passphrase())).expect("a vault");
            let open = |purpose| {
                let state = home.vaults().expect("listed").first().map(|id| home.device(*id).expect("read"));
                let mut unlock = |_: &str| Ok(UnlockSecret::Passphrase(passphrase()));
                let mut options = OpenOptions::new(URL, &home, "one", &mut unlock);
                options.purpose = purpose;
                Vault::open_on(store(), URL.into(), state, options).expect("opens")
            };
            let vault = open(Purpose::Read);
            let add = |parents: Vec<Identity>, n| {
                let DeviceKeys { id, verify_key, kem_key, .. } =
                    DeviceKeys::generate(provider(), vault.id()).expect("keys");
                let (time, boxes, capabilities) = (crate::now(), Vec::new(), Capabilities::READ);
                let ops = vec![Op::Add { id, verify_key, kem_key, capabilities, slot: None, handshake: None }];
                let record = Record { genesis: None, time, parents, n, ops, epoch: None, boxes, private: None };
                let record = sign(provider(), vault.device_keys(), &record).expect("signed");
                let signed_len = RecordObject::parse(&record.bytes).expect("a record").signed_len;
                let identity = Identity(provider().hash.hash(&[&record.bytes[..signed_len]]));
                (record, identity)
            };
            let plant = |n: u32, bytes: Vec<u8>| {
                let hash = ObjectHash(provider().hash.hash(&[&bytes]));
                store().put(&ObjectName::Roster { n, hash }, bytes.into()).expect("put");
            };
            let (parents, n) = vault.roster().next_place(vault.device_id());
            let (parent, its_identity) = add(parents.clone(), n);
            let (child, _) = add(vec![its_identity], n + 1);
            let (mut forged, _) = add(parents, n);
            *forged.bytes.last_mut().expect("a signature") ^= 1;
            plant(n, forged.bytes);
            plant(n + 1, child.bytes);
            for k in 0..5 + large {
                let len = if large == 0 { 4096 } else { limits::RECORD_STORED };
                plant(k, [k.to_le_bytes().to_vec(), vec![7; len - 4]].concat());
            }
            let _ = meter.take();
            let first = open(Purpose::Read);
            assert_eq!(meter.take().gets, 7 + u64::from(large));
            assert_eq!(first.roster().heads, vault.roster().heads);
            let kept = first.records.records.iter().map(|(_, bytes)| bytes.len() as u64).sum::<u64>();
            assert!(kept < AT_ONCE, "{kept}");
            for _ in 0..2 {
                let again = open(Purpose::Read);
                assert_eq!((meter.take().gets, again.roster().heads.len()), (0, 1));
                assert_eq!(again.records.refused().len(), 7 + large as usize);
            }
            // A check looks at all of it; and what lacked its parent is a record once that has come.
            drop(open(Purpose::Check));
            assert_eq!(meter.take().gets, 7 + u64::from(large));
            store().put(&parent.name, parent.bytes.into()).expect("put");
            let whole = open(Purpose::Read);
            assert_eq!(meter.take().gets, 2);
            assert_eq!(
                (whole.roster().devices.len(), whole.roster().heads.len()),
                (vault.roster().devices.len() + 2, 1)
            );
            open(Purpose::Read);
            assert_eq!(meter.take().gets, 0);
        }
    }

    /// An orphan that anybody with an old key has planted makes everybody look at each record as it comes, and one whose parent is
    /// damaged is none: until another store has mended that.
    #[test]
    fn what_follows_a_mended_record_is_a_record() {
        lower_kdf_floors_for_tests();
        let folder = tempfile::tempdir().expect("a folder");
        let store = |objects: &Arc<InMemory>| Store::from_object_store(objects.clone(), URL).expect("a store");
        let objects = [Arc::new(InMemory::new()), Arc::new(InMemory::new())];
        let home = Arc::new(Home::open(folder.path()).expect("a home"));
        let passphrase = Passphrase::new("correct horse").expect("a passphrase");
        let options = InitOptions::new(URL, &home, "one", passphrase);
        let vault = Vault::init_on(store(&objects[0]), URL.into(), options).expect("a vault").vault;
        let write = |parents: Vec<Identity>, n| {
            let (time, boxes) = (crate::now(), Vec::new());
            let ops = vec![Op::Setting { key: format!("{n}"), value: Vec::new() }];
            let record = Record { genesis: None, time, parents, n, ops, epoch: None, boxes, private: None };
            let record = sign(provider(), vault.device_keys(), &record).expect("signed");
            let signed_len = RecordObject::parse(&record.bytes).expect("a record").signed_len;
            let identity = Identity(provider().hash.hash(&[&record.bytes[..signed_len]]));
            (record, identity)
        };
        let (parents, n) = vault.roster().next_place(vault.device_id());
        let (parent, its_identity) = write(parents, n);
        let (child, last) = write(vec![its_identity], n + 1);
        let (grandchild, newest) = write(vec![last], n + 2);
        let (orphan, _) = write(vec![Identity([7; 32])], 9);
        let put =
            |at: usize, name: &ObjectName, bytes: Vec<u8>| store(&objects[at]).put(name, bytes.into()).expect("put");
        let mut damaged = parent.bytes.clone();
        damaged[200] ^= 1;
        put(0, &parent.name, damaged);
        put(1, &parent.name, parent.bytes.clone());
        let mut child_damaged = child.bytes.clone();
        child_damaged[200] ^= 1;
        put(0, &child.name, child_damaged);
        put(1, &child.name, child.bytes.clone());
        for record in [&grandchild, &orphan] {
            put(0, &record.name, record.bytes.clone());
        }
        let mut known = Records::default().of(Some(vault.id()));
        known.refused.insert(orphan.name, Some(Identity([7; 32])));
        let first = store(&objects[0]);
        let listing = first.list(&roster_prefix()).expect("listed");
        let others = [Other::opened(StoreConfig::unnamed(URL), store(&objects[1]))];
        let elsewhere = Elsewhere::new(&first, &others);
        let mut once = Records::fetch(provider(), &first, &listing, &known).expect("fetched");
        assert!(once.mend(provider(), &elsewhere));
        let roster = Roster::build(provider(), once.all(), Some(vault.id())).expect("a roster");
        assert!(roster.knows(last) && !roster.knows(newest), "looking once is not enough");
        let records = Records::fetch_whole(provider(), &first, &listing, &known, &elsewhere).expect("fetched");
        let roster = Roster::build(provider(), records.all(), Some(vault.id())).expect("a roster");
        assert_eq!(roster.heads, [newest]);
        assert_eq!(records.refused().collect::<Vec<_>>(), [&orphan.name]);
    }

    const URL: &str = "memory://records";

    #[test]
    fn batches_are_bounded() {
        let sizes = [1, AT_ONCE, 1, 1, AT_ONCE - 2, 1, 5];
        let name = |n| ObjectName::Roster { n, hash: ObjectHash([0; 32]) };
        let objects: Vec<Listed> =
            sizes.iter().zip(0..).map(|(size, n)| Listed { name: name(n), size: *size }).collect();
        let lengths: Vec<usize> = batches(&objects).map(<[Listed]>::len).collect();
        assert_eq!(lengths, [2, 3, 2]);
    }
}
