//! What the store of a vault does not give, or gives damaged, read from another one.

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Instant;

use bytes::Bytes;
use vault_format::DeviceId;
use vault_format::name::{ObjectName, PackName};

use super::{ChunkError, Other, Vault};
use crate::index::Location;
use crate::log::LogListing;
use crate::stage::Opener;
use crate::store::{HashFn, Store, StoreError};
use crate::sync::lock;

/// A store, and others that are asked for what it does not give, while the vault is being opened.
pub(super) struct Elsewhere<'a> {
    store: &'a Store,
    others: &'a [Other],
    notes: Mutex<Vec<String>>,
    found: Mutex<BTreeSet<String>>,
}

impl<'a> Elsewhere<'a> {
    pub(super) fn new(store: &'a Store, others: &'a [Other]) -> Self {
        Self { store, others, notes: Mutex::default(), found: Mutex::default() }
    }

    /// A whole object with the hash of its name, from whichever store has it. The error is that of the first.
    pub(super) fn get(&self, name: &ObjectName, hash: HashFn<'_>) -> Result<Bytes, StoreError> {
        let error = match self.store.get(name, hash) {
            Ok(bytes) => return Ok(bytes),
            // A checkpoint that is not to be had costs requests, and asking everybody for it would cost more.
            Err(error) if matches!(name, ObjectName::Checkpoint { .. }) => return Err(error),
            Err(error) => error,
        };
        self.get_from_others(name, hash).ok_or(error)
    }

    pub(super) fn get_from_others(&self, name: &ObjectName, hash: HashFn<'_>) -> Option<Bytes> {
        let (bytes, from) = find(self.others, name, hash)?;
        lock(&self.found).insert(from);
        Some(bytes)
    }

    /// What any of the stores lists. One that cannot be asked adds nothing.
    pub(super) fn list_logs(&self, mut listing: LogListing, only: Option<&BTreeSet<DeviceId>>) -> LogListing {
        for store in self.others.iter().filter_map(|other| other.store().ok()) {
            if let Ok(more) = LogListing::read_whole(store, only) {
                listing.add(more);
            }
        }
        listing
    }

    pub(super) fn note(&self, note: String) {
        lock(&self.notes).push(note);
    }

    /// What the person should be told, once for all objects.
    pub(super) fn into_notes(self) -> Vec<String> {
        let mut notes = std::mem::take(&mut *lock(&self.notes));
        let found = std::mem::take(&mut *lock(&self.found));
        notes.extend(found.into_iter().map(|from| told(self.store.label(), &from)));
        notes
    }
}

impl Vault {
    /// The plain bytes of a segment, from whichever store gives them. The error is that of the first.
    pub(super) fn segment_here_or_elsewhere(
        &self,
        opener: &mut Opener,
        place: &Location,
        most: bool,
    ) -> Result<Bytes, ChunkError> {
        let began = Instant::now();
        loop {
            // Each request to a store that is away takes its time to fail.
            if self.is_lost()
                && let Some(bytes) = self.segment_elsewhere(opener, place)
            {
                return Ok(bytes);
            }
            let error = match self.read_segment(opener, place, most) {
                Ok(bytes) => return Ok(bytes),
                Err(error) => error,
            };
            let was_lost = self.is_lost();
            self.note_loss(&error);
            if !was_lost && let Some(bytes) = self.segment_elsewhere(opener, place) {
                return Ok(bytes);
            }
            if !error.is_passing() || began.elapsed() >= self.outage || self.store.is_given_up() {
                return Err(error);
            }
        }
    }

    /// Whether the store went away while it was read, and others are asked first.
    pub(crate) fn is_lost(&self) -> bool {
        self.has_others() && self.is_lost.load(Relaxed)
    }

    /// Notes that the store has gone away, if this says so.
    pub(crate) fn note_loss(&self, error: &ChunkError) {
        if error.is_passing() {
            self.is_lost.store(true, Relaxed);
        }
    }

    /// The plain bytes of a segment from another store, which is asked for the whole pack: that can be verified, and is kept
    /// for the next segment. None: no other store has the pack as it should be.
    fn segment_elsewhere(&self, opener: &mut Opener, place: &Location) -> Option<Bytes> {
        let pack = self.pack_elsewhere(&place.pack)?;
        let head = self.open_head(&place.pack, &pack).ok()?;
        let start = place.offset as usize;
        let frame = pack.get(start..start.checked_add(place.frame_len as usize)?)?;
        head.open_segment(opener, place.slot, frame, place.plain_len).ok().map(Bytes::copy_from_slice)
    }

    /// A table from another store.
    pub(super) fn table_elsewhere(&self, name: &ObjectName) -> Option<Bytes> {
        let (bytes, from) = find(&self.others, name, &|bytes| self.hash(bytes))?;
        self.tell_elsewhere(from);
        Some(bytes)
    }

    /// Stores that helped out since the last call, one line each.
    pub fn take_elsewhere_notes(&self) -> Vec<String> {
        let told = std::mem::take(&mut *lock(&self.told_elsewhere));
        told.into_iter().map(|from| self::told(self.store.label(), &from)).collect()
    }

    /// Whether other stores may have what this one does not give.
    pub(crate) fn has_others(&self) -> bool {
        !self.others.is_empty()
    }

    fn pack_elsewhere(&self, pack: &PackName) -> Option<Bytes> {
        if let Some((known, bytes)) = &*lock(&self.last_elsewhere)
            && known == pack
        {
            return Some(bytes.clone());
        }
        let (bytes, from) = find(&self.others, &ObjectName::Pack(*pack), &|bytes| self.hash(bytes))?;
        self.tell_elsewhere(from);
        *lock(&self.last_elsewhere) = Some((*pack, bytes.clone()));
        Some(bytes)
    }

    fn tell_elsewhere(&self, from: String) {
        lock(&self.told_elsewhere).insert(from);
    }
}

/// An object from the first of these stores that has it as it should be, and the store's name.
fn find(others: &[Other], name: &ObjectName, hash: HashFn<'_>) -> Option<(Bytes, String)> {
    others.iter().find_map(|other| {
        let bytes = other.store().ok()?.get(name, hash).ok()?;
        Some((bytes, other.config.name.clone()))
    })
}

fn told(store: &str, from: &str) -> String {
    format!(
        "objects that {store} does not give, or gives damaged, were read from {from}: 'zvault mirror --read-data' puts them right"
    )
}
