//! Names of owners and groups, looked up once per id.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::hash::Hash;
use std::os::unix::ffi::OsStrExt;
use std::sync::{Arc, Mutex, PoisonError};

/// A cache of user and group names, shared by all threads of a push.
#[derive(Default)]
pub struct Owners {
    users: Names,
    groups: Names,
}

/// An owner's name, raw bytes.
pub type OwnerName = Arc<[u8]>;

impl Owners {
    /// An empty cache.
    pub fn new() -> Self {
        Self::default()
    }

    /// The user's name, or `None` if this machine has none for the id.
    pub fn user(&self, uid: u32) -> Option<OwnerName> {
        cached(&self.users, uid, || uzers::get_user_by_uid(uid).map(|user| name(user.name())))
    }

    /// The group's name, or `None` if this machine has none for the id.
    pub fn group(&self, gid: u32) -> Option<OwnerName> {
        cached(&self.groups, gid, || uzers::get_group_by_gid(gid).map(|group| name(group.name())))
    }
}

type Names = Mutex<HashMap<u32, Option<OwnerName>>>;

fn name(name: &OsStr) -> OwnerName {
    Arc::from(name.as_bytes())
}

/// The lookup runs outside the lock: it may ask a directory server.
fn cached<K: Copy + Eq + Hash, V: Clone>(cache: &Mutex<HashMap<K, V>>, key: K, look_up: impl FnOnce() -> V) -> V {
    let known = cache.lock().unwrap_or_else(PoisonError::into_inner).get(&key).cloned();
    known.unwrap_or_else(|| {
        let found = look_up();
        cache.lock().unwrap_or_else(PoisonError::into_inner).insert(key, found.clone());
        found
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn root_has_a_name_and_a_wild_id_has_none() {
        let owners = Owners::new();
        assert_eq!(owners.user(0).as_deref(), Some(&b"root"[..]));
        assert!(owners.group(0).is_some());
        assert_eq!(owners.user(4_000_000_123), None);
        assert_eq!(owners.group(4_000_000_123), None);
    }

    #[test]
    fn an_id_is_looked_up_once() {
        let cache = Mutex::new(HashMap::new());
        assert_eq!(cached(&cache, 7, || 1), 1);
        assert_eq!(cached(&cache, 7, || 2), 1);
        assert_eq!(cached(&cache, 8, || 2), 2);
    }
}
