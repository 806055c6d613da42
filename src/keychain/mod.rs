//! The platform's keychain: secrets that open with the login of their person, and are not in the folder that they belong to.
//!
//! Nothing here opens a window: what is locked stays locked, and that is the answer. Nothing waits for long either.

#[cfg(all(feature = "keychain", target_os = "macos"))]
mod apple;
#[cfg(all(feature = "keychain", unix, not(target_vendor = "apple")))]
mod secret_service;

use std::sync::Arc;

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// A place for secrets that is open while its person is logged in.
pub trait Keychain: Send + Sync {
    /// Puts a value there, in the place of what the item had.
    fn put(&self, item: &Item, value: &str) -> Result<(), KeychainError>;

    /// The value of an item. None: the keychain is open, and does not have it.
    fn get(&self, item: &Item) -> Result<Option<String>, KeychainError>;

    /// Takes an item out, if it is there.
    fn remove(&self, item: &Item) -> Result<(), KeychainError>;
}

/// What a value is kept under.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// Finds it again.
    pub account: String,
    /// What the platform's own program for keychains calls it.
    pub label: String,
}

/// Why a keychain did not do it. Holds no secret.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeychainError {
    /// This run has none: no desktop, no login session, or none on this platform.
    #[error("no keychain answers")]
    Absent(#[source] Option<BoxError>),
    /// The person wants none.
    #[error("ZVAULT_KEYCHAIN is off")]
    Off,
    /// It wants its person first.
    #[error("the keychain is locked, or was never set up")]
    Locked,
    /// It may be asking somebody.
    #[error("the keychain did not answer within {seconds} s")]
    Slow {
        /// How long it was waited for.
        seconds: u64,
    },
    /// Somebody deleted it there.
    #[error("the keychain has no item {account} of {SERVICE} any more")]
    Missing {
        /// The item.
        account: String,
    },
    /// It was changed there, or belongs to another state folder.
    #[error("item {account} of {SERVICE} in the keychain is not what was put there")]
    Damaged {
        /// The item.
        account: String,
    },
    /// What was read from it could not be written to the local state, where it is to be from now on.
    #[error("what the keychain has cannot be moved to the state folder")]
    NotMoved(#[source] BoxError),
    /// It is there, and failed.
    #[error("the keychain failed")]
    Failed(#[source] BoxError),
}

impl KeychainError {
    /// What to do where credentials are wanted that are in the keychain.
    pub fn hints(&self) -> Vec<String> {
        let own = "or set a credential for the storage in the environment (docs/stores.md)";
        let hints: &[&str] = match self {
            Self::Missing { .. } | Self::Damaged { .. } => &[
                "set a credential for the storage in the environment (docs/stores.md)",
                "or revoke this device on another one, remove the vault's folder in the state folder, and pair again",
            ],
            Self::NotMoved(_) => &["make the state folder writable, and try again"],
            _ => &[
                "log in to this machine's desktop, so that the keychain is unlocked, and try again",
                "for runs without a login, such as cron: run 'ZVAULT_KEYCHAIN=off zvault snapshots' once while it is \
                 unlocked; that moves the credentials to the state folder",
                own,
            ],
        };
        hints.iter().map(|hint| (*hint).to_owned()).collect()
    }
}

/// The keychain of this platform, if this build knows one. Whether it answers is seen when it is asked. On macOS the first
/// question takes from the whole process, for good, that the keychain may open windows.
pub fn platform() -> Option<Arc<dyn Keychain>> {
    #[cfg(all(feature = "keychain", unix, not(target_vendor = "apple")))]
    return Some(Arc::new(secret_service::SecretServices));
    #[cfg(all(feature = "keychain", target_os = "macos"))]
    return Some(Arc::new(apple::AppleKeychain));
    #[cfg(not(all(feature = "keychain", any(target_os = "macos", all(unix, not(target_vendor = "apple"))))))]
    None
}

/// Whose items they are.
pub const SERVICE: &str = "zvault";
/// How long a keychain is waited for: one that has to be started takes a moment, one that asks a person takes for ever.
#[cfg(feature = "keychain")]
const WAIT: std::time::Duration = std::time::Duration::from_secs(5);

#[cfg(test)]
pub(crate) mod testing {
    use super::*;
    use std::collections::BTreeMap;
    use std::sync::Mutex;

    /// A keychain in memory.
    #[derive(Default)]
    pub(crate) struct InMemory {
        pub(crate) items: Mutex<BTreeMap<String, String>>,
        pub(crate) is_locked: Mutex<bool>,
        /// Gives, and takes nothing out.
        pub(crate) keeps: Mutex<bool>,
        /// How often it was asked for anything.
        pub(crate) asked: Mutex<usize>,
    }

    impl InMemory {
        pub(crate) fn lock(&self, is_locked: bool) {
            *self.is_locked.lock().expect("a lock") = is_locked;
        }

        pub(crate) fn accounts(&self) -> Vec<String> {
            self.items.lock().expect("items").keys().cloned().collect()
        }

        fn open(&self) -> Result<std::sync::MutexGuard<'_, BTreeMap<String, String>>, KeychainError> {
            *self.asked.lock().expect("a number") += 1;
            match *self.is_locked.lock().expect("a lock") {
                true => Err(KeychainError::Locked),
                false => Ok(self.items.lock().expect("items")),
            }
        }
    }

    impl Keychain for InMemory {
        fn put(&self, item: &Item, value: &str) -> Result<(), KeychainError> {
            self.open()?.insert(item.account.clone(), value.to_owned());
            Ok(())
        }

        fn get(&self, item: &Item) -> Result<Option<String>, KeychainError> {
            Ok(self.open()?.get(&item.account).cloned())
        }

        fn remove(&self, item: &Item) -> Result<(), KeychainError> {
            let mut items = self.open()?;
            if *self.keeps.lock().expect("a lock") {
                return Err(KeychainError::Failed("it keeps what it has".into()));
            }
            items.remove(&item.account);
            Ok(())
        }
    }
}

#[cfg(all(test, feature = "keychain", unix, not(target_vendor = "apple")))]
mod tests {
    use super::*;

    /// By hand, in a session of its own (docs/pairing.md is what this is for):
    /// `dbus-run-session -- sh -c 'printf x | gnome-keyring-daemon --unlock --components=secrets && cargo test --lib a_real_keychain -- --ignored'`
    #[test]
    #[ignore = "wants an unlocked keychain of a desktop, and writes to it"]
    fn a_real_keychain_takes_gives_and_forgets() {
        let keychain = platform().expect("a keychain");
        let item = |n: u8| Item { account: format!("test.{n}"), label: format!("zvault test {n}") };
        for n in [1, 2] {
            keychain.remove(&item(n)).expect("nothing to remove");
            assert_eq!(keychain.get(&item(n)).expect("asked"), None);
            keychain.put(&item(n), "old").expect("put");
            keychain.put(&item(n), &format!("value {n}")).expect("put in its place");
        }
        assert_eq!(keychain.get(&item(1)).expect("got").as_deref(), Some("value 1"));
        keychain.remove(&item(1)).expect("removed");
        assert_eq!(keychain.get(&item(1)).expect("asked"), None);
        assert_eq!(keychain.get(&item(2)).expect("got").as_deref(), Some("value 2"), "another item");
        keychain.remove(&item(2)).expect("removed");
    }
}
