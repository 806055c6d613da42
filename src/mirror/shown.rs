//! What a store shows.

use std::collections::BTreeMap;

use vault_format::ObjectName;
use vault_format::name;

use crate::store::{Listed, Store, StoreError};

/// All objects of a store but the mailbox, by name, with their stored sizes.
pub(super) struct Shown {
    pub(super) objects: BTreeMap<ObjectName, u64>,
    /// Paths that are no names.
    pub(super) strange: Vec<String>,
}

impl Shown {
    /// Logs first, packs last: whatever an entry of this listing relies on was stored before it, and is shown.
    pub(super) fn list(store: &Store) -> Result<Self, StoreError> {
        let mut shown = Self { objects: BTreeMap::new(), strange: Vec::new() };
        let prefixes = [
            name::logs_prefix(),
            name::roster_prefix(),
            name::deltas_prefix(),
            name::shards_prefix(),
            name::checkpoints_prefix(),
            name::packs_prefix(false),
            name::packs_prefix(true),
        ];
        for prefix in prefixes {
            let listing = store.list(&prefix)?;
            shown.objects.extend(listing.objects.into_iter().map(|Listed { name, size }| (name, size)));
            shown.strange.extend(listing.strange);
        }
        Ok(shown)
    }

    pub(super) fn has(&self, name: &ObjectName, size: u64) -> bool {
        self.objects.get(name) == Some(&size)
    }

    pub(super) fn records(&self) -> impl Iterator<Item = (&ObjectName, u64)> {
        let records = self.objects.iter().filter(|(name, _)| matches!(name, ObjectName::Roster { .. }));
        records.map(|(name, size)| (name, *size))
    }
}
