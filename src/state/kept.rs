//! Credentials of a pairing: in the platform's keychain where there is one, else in the sealed file `access`.
//!
//! The keychain gets them sealed under the state key, for one vault and one store. So items cannot be exchanged, who has the
//! keychain alone has nothing, and who has the disk alone has no credential: keys of a vault, and nothing to open with them.

use super::access::{Access, Credentials, FetchCredentials, read_credentials, write_credentials};
use super::codec::{Reader, Writer};
use super::{Home, StateError, file};
use crate::keychain::{Item, Keychain, KeychainError};
use crypto_backends::{Key, Provider, SecretBytes, rustcrypto};
use std::path::PathBuf;
use std::sync::Arc;
use vault_format::ids::VaultId;

/// What a keychain is used for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum KeychainUse {
    /// What is kept from now on goes there, if it answers at once.
    #[default]
    Auto,
    /// Nothing stays there: what is read from it moves to the local state.
    Off,
}

/// The keychain of a home, if it has one.
#[derive(Clone, Default)]
pub(super) struct Keychains {
    keychain: Option<Arc<dyn Keychain>>,
    usage: KeychainUse,
}

impl Keychains {
    fn get(&self) -> Result<&dyn Keychain, KeychainError> {
        self.keychain.as_deref().ok_or(KeychainError::Absent(None))
    }
}

impl Home {
    /// With a keychain for credentials. Nothing is asked of it before it is needed.
    #[must_use]
    pub fn with_keychain(mut self, keychain: Option<Arc<dyn Keychain>>, usage: KeychainUse) -> Self {
        self.keychains = Keychains { keychain, usage };
        self
    }

    /// Keeps credentials for a store, in the keychain or in `access` itself, and changes the rest of that too. `Some`: why not in
    /// the keychain.
    pub fn keep_credentials(
        &self,
        provider: &'static Provider,
        vault: VaultId,
        store: Option<&str>,
        credentials: Credentials,
        change: impl FnOnce(&mut Access),
    ) -> Result<Option<KeychainError>, StateError> {
        let store = store.filter(|_| !credentials.is_empty());
        let put = match credentials.is_empty() {
            true => Ok(None),
            false => self.put(provider, vault, store.unwrap_or_default(), &credentials)?.map(Some),
        };
        let written = self.update_access(provider, vault, |access| {
            change(access);
            access.credentials_for = store.map(str::to_owned);
            (access.credentials, access.in_keychain) = match &put {
                Ok(kept) => (Vec::new(), kept.clone()),
                Err(_) => (credentials, None),
            };
        });
        if let (Err(_), Ok(Some(_))) = (&written, &put) {
            let _ = self.keychains.get().and_then(|keychain| keychain.remove(&item(&self.key, vault)));
        }
        written.map(|()| put.err())
    }

    fn put(
        &self,
        provider: &'static Provider,
        vault: VaultId,
        store: &str,
        credentials: &Credentials,
    ) -> Result<Result<FetchCredentials, KeychainError>, StateError> {
        if self.keychains.usage == KeychainUse::Off {
            return Ok(Err(KeychainError::Off));
        }
        let mut plain = Writer::new();
        plain.string(store.as_bytes());
        write_credentials(&mut plain, credentials);
        let item = item(&self.key, vault);
        let sealed = file::seal_bytes(provider, &self.key, &place(vault, &item), 1, &plain.finish())?;
        // In letters: not every keychain takes bytes.
        let put = self.keychains.get().and_then(|keychain| keychain.put(&item, &hex::encode(sealed)));
        Ok(put.map(|()| self.fetch_credentials(vault)))
    }

    /// Gets the credentials of a vault out of the keychain, whenever that is.
    pub(super) fn fetch_credentials(&self, vault: VaultId) -> FetchCredentials {
        // A home of its own: it may be asked when this one is gone.
        let home = Home { root: self.root.clone(), key: self.key.clone(), keychains: self.keychains.clone() };
        Arc::new(move || home.fetch(vault))
    }

    fn fetch(&self, vault: VaultId) -> Result<Credentials, KeychainError> {
        let item = item(&self.key, vault);
        let keychain = self.keychains.get()?;
        let damaged = || KeychainError::Damaged { account: item.account.clone() };
        let not_moved = |error: StateError| KeychainError::NotMoved(error.into());
        let Some(value) = keychain.get(&item)? else {
            // Another run may have moved them just now.
            let access = self.access(vault).map_err(not_moved)?;
            return match access.in_keychain {
                None if !access.credentials.is_empty() => Ok(access.credentials),
                _ => Err(KeychainError::Missing { account: item.account }),
            };
        };
        let bytes = hex::decode(value).map_err(|_| damaged())?;
        let (provider, plain) = file::open_bytes(&self.key, &place(vault, &item), &bytes).map_err(|_| damaged())?;
        let (store, credentials) = parse(plain.expose()).ok_or_else(damaged)?;
        let access = self.access(vault).map_err(not_moved)?;
        if access.credentials_for.as_deref().unwrap_or_default() != store {
            return Err(damaged());
        }
        let moves = |access: &mut Access| {
            let is_there = access.in_keychain.take().is_some();
            if is_there {
                access.credentials = copy(&credentials);
            }
            is_there
        };
        if self.keychains.usage == KeychainUse::Off && self.update_access(provider, vault, moves).map_err(not_moved)? {
            // It opens nothing that the state folder does not open now.
            let _ = keychain.remove(&item);
        }
        Ok(credentials)
    }

    /// Forgets how the vault's stores are reached, with what the keychain has of it.
    pub fn clear_access(&self, vault: VaultId) -> Result<(), StateError> {
        let _ = self.forget_in_keychain(vault);
        self.remove(vault, "access")
    }

    /// Takes out of the keychain what it has of a vault. Who has nothing there asks nothing.
    pub(super) fn forget_in_keychain(&self, vault: VaultId) -> Option<KeychainError> {
        let may_be_there = match self.access(vault) {
            Ok(access) => access.in_keychain.is_some(),
            Err(_) => self.keychains.keychain.is_some(),
        };
        let remove = || self.keychains.get()?.remove(&item(&self.key, vault));
        may_be_there.then(remove)?.err()
    }
}

/// One for each vault and each state folder: two of them on one machine are two devices.
fn item(key: &Key, vault: VaultId) -> Item {
    let provider = rustcrypto::provider();
    let home = provider.kdf.derive(LABEL, key.expose(), &[], &[&vault.0]);
    Item {
        account: format!("{vault}.{}", hex::encode(&home.expose()[..8])),
        label: format!("zvault: storage credentials, vault {:.8}", vault.to_string()),
    }
}

fn place(vault: VaultId, item: &Item) -> file::Place<'static> {
    file::Place { path: PathBuf::from(&item.account), name: "keychain", vault }
}

fn parse(plain: &[u8]) -> Option<(String, Credentials)> {
    let mut reader = Reader::new(plain);
    let store = String::from_utf8(reader.string()?.to_vec()).ok()?;
    let credentials = read_credentials(&mut reader)?;
    reader.end()?;
    Some((store, credentials))
}

fn copy(credentials: &Credentials) -> Credentials {
    credentials.iter().map(|(name, value)| (name.clone(), SecretBytes::new(value.expose().to_vec()))).collect()
}

const LABEL: &str = "zvault v1 keychain item";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keychain::testing::InMemory;
    use crate::state::KeptIn;
    use std::fs;
    use std::path::Path;

    const SECRET: &[u8] = b"canary-secret-key";

    fn provider() -> &'static Provider {
        rustcrypto::provider()
    }

    fn open(path: &Path, keychain: &Arc<InMemory>, usage: KeychainUse) -> Home {
        Home::open(path).expect("a home").with_keychain(Some(keychain.clone()), usage)
    }

    fn credentials(n: u8) -> Credentials {
        vec![("AWS_SECRET_ACCESS_KEY".to_owned(), SecretBytes::new([SECRET, &[b'0' + n]].concat()))]
    }

    fn keep(home: &Home, n: u8) -> Option<KeychainError> {
        keep_for(home, n, &format!("s3://bucket{n}/vault"), credentials(n))
    }

    fn keep_for(home: &Home, n: u8, store: &str, credentials: Credentials) -> Option<KeychainError> {
        home.keep_credentials(provider(), VaultId([n; 32]), Some(store), credentials, |_| {}).expect("kept")
    }

    fn fetch(home: &Home, n: u8) -> Result<Vec<u8>, KeychainError> {
        let access = home.access(VaultId([n; 32])).expect("read");
        let fetched = match &access.in_keychain {
            Some(fetch) => fetch()?,
            None => access.credentials,
        };
        Ok(fetched[0].1.expose().to_vec())
    }

    fn kept_in(home: &Home, n: u8) -> Option<KeptIn> {
        home.access(VaultId([n; 32])).expect("read").kept_in()
    }

    #[test]
    fn credentials_are_in_the_keychain_and_not_in_the_folder() {
        let (folder, keychain) = (tempfile::tempdir().expect("a folder"), Arc::new(InMemory::default()));
        let home = open(folder.path(), &keychain, KeychainUse::Auto);
        assert!(keep(&home, 1).is_none(), "it could not");
        assert_eq!(kept_in(&home, 1), Some(KeptIn::Keychain));
        let again = open(folder.path(), &keychain, KeychainUse::Auto);
        assert!(again.access(VaultId([1; 32])).expect("read").credentials.is_empty());
        assert_eq!(fetch(&again, 1).expect("fetched"), [SECRET, b"1"].concat());
        // Neither place has enough for itself: the keychain's own is sealed under the key of the folder.
        let items = keychain.items.lock().expect("items").clone();
        let value = items.values().next().expect("an item");
        assert!(!value.contains(&hex::encode(SECRET)) && !format!("{items:?}").contains("canary"));
        let alone = Home::open(folder.path()).expect("a home");
        assert!(matches!(fetch(&alone, 1), Err(KeychainError::Absent(_))), "a program without a keychain");
    }

    #[test]
    fn what_the_keychain_does_not_take_is_in_the_folder() {
        let (folder, keychain) = (tempfile::tempdir().expect("a folder"), Arc::new(InMemory::default()));
        let home = open(folder.path(), &keychain, KeychainUse::Auto);
        keychain.lock(true);
        assert!(matches!(keep(&home, 1), Some(KeychainError::Locked)));
        let without = Home::open(folder.path()).expect("a home");
        assert!(matches!(keep(&without, 2), Some(KeychainError::Absent(_))));
        let off = open(folder.path(), &keychain, KeychainUse::Off);
        let asked = *keychain.asked.lock().expect("a number");
        assert!(matches!(keep(&off, 3), Some(KeychainError::Off)));
        for n in [1, 2, 3] {
            assert_eq!(kept_in(&home, n), Some(KeptIn::State));
            assert_eq!(fetch(&home, n).expect("read"), [SECRET, &[b'0' + n]].concat());
        }
        assert_eq!(*keychain.asked.lock().expect("a number"), asked, "what is not there is not asked for");
    }

    #[test]
    fn who_has_no_credentials_asks_no_keychain() {
        let (folder, keychain) = (tempfile::tempdir().expect("a folder"), Arc::new(InMemory::default()));
        let home = open(folder.path(), &keychain, KeychainUse::Auto);
        keep_for(&home, 1, "s3://bucket/vault", Vec::new());
        assert_eq!(kept_in(&home, 1), None);
        assert!(home.forget(VaultId([1; 32])).expect("forgotten").is_none());
        assert_eq!(*keychain.asked.lock().expect("a number"), 0);
    }

    #[test]
    fn a_locked_keychain_and_a_deleted_item_are_told_apart() {
        let (folder, keychain) = (tempfile::tempdir().expect("a folder"), Arc::new(InMemory::default()));
        let home = open(folder.path(), &keychain, KeychainUse::Auto);
        keep(&home, 1);
        keychain.lock(true);
        let locked = fetch(&home, 1).expect_err("locked");
        assert!(matches!(locked, KeychainError::Locked));
        assert!(locked.hints().iter().any(|hint| hint.contains("ZVAULT_KEYCHAIN=off")), "{:?}", locked.hints());
        keychain.lock(false);
        let account = keychain.accounts().remove(0);
        keychain.items.lock().expect("items").clear();
        let missing = fetch(&home, 1).expect_err("deleted");
        assert!(missing.to_string().contains(&account), "{missing}");
        assert!(missing.hints().iter().any(|hint| hint.contains("pair again")), "{:?}", missing.hints());
    }

    #[test]
    fn two_vaults_two_stores_and_two_homes_do_not_mix() {
        let (one, two) = (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
        let keychain = Arc::new(InMemory::default());
        let (first, second) =
            (open(one.path(), &keychain, KeychainUse::Auto), open(two.path(), &keychain, KeychainUse::Auto));
        for (home, n) in [(&first, 1), (&first, 2), (&second, 1)] {
            assert!(keep(home, n).is_none());
        }
        assert_eq!(keychain.accounts().len(), 3);
        // Every one in the place of every other.
        let accounts = keychain.accounts();
        let good = keychain.items.lock().expect("items").clone();
        for from in &accounts {
            for to in accounts.iter().filter(|to| *to != from) {
                keychain.items.lock().expect("items").insert(to.clone(), good[from].clone());
                let fails = [(&first, 1), (&first, 2), (&second, 1)]
                    .into_iter()
                    .filter(|(home, n)| matches!(fetch(home, *n), Err(KeychainError::Damaged { .. })));
                assert_eq!(fails.count(), 1, "{from} as {to}");
                *keychain.items.lock().expect("items") = good.clone();
            }
        }
        // The store of the same vault is another one now.
        let elsewhere = |access: &mut Access| access.credentials_for = Some("s3://elsewhere/vault".to_owned());
        first.update_access(provider(), VaultId([1; 32]), elsewhere).expect("written");
        assert!(matches!(fetch(&first, 1), Err(KeychainError::Damaged { .. })));
        // Forgetting one leaves the others.
        assert!(first.forget(VaultId([2; 32])).expect("forgotten").is_none());
        assert_eq!(keychain.accounts().len(), 2);
        assert_eq!(fetch(&second, 1).expect("fetched"), [SECRET, b"1"].concat());
    }

    #[test]
    fn forgetting_says_what_a_locked_keychain_still_has() {
        let (folder, keychain) = (tempfile::tempdir().expect("a folder"), Arc::new(InMemory::default()));
        let home = open(folder.path(), &keychain, KeychainUse::Auto);
        keep(&home, 1);
        keychain.lock(true);
        assert!(matches!(home.forget(VaultId([1; 32])).expect("forgotten"), Some(KeychainError::Locked)));
        assert!(home.vaults().expect("listed").is_empty(), "the rest is gone");
        keychain.lock(false);
        // State that cannot be read may have had something there.
        keep(&home, 1);
        fs::write(folder.path().join("vaults").join(VaultId([1; 32]).to_string()).join("access"), "x")
            .expect("written");
        assert!(home.forget(VaultId([1; 32])).expect("forgotten").is_none());
        assert!(keychain.accounts().is_empty());
    }

    #[test]
    fn who_wants_no_keychain_moves_out_of_it_once() {
        let (folder, keychain) = (tempfile::tempdir().expect("a folder"), Arc::new(InMemory::default()));
        let home = open(folder.path(), &keychain, KeychainUse::Auto);
        keep(&home, 1);
        let off = open(folder.path(), &keychain, KeychainUse::Off);
        let early = off.access(VaultId([1; 32])).expect("read").in_keychain.expect("in the keychain");
        keychain.lock(true);
        assert!(matches!(fetch(&off, 1), Err(KeychainError::Locked)));
        assert_eq!(kept_in(&off, 1), Some(KeptIn::Keychain), "nothing is lost by trying");
        keychain.lock(false);
        assert_eq!(fetch(&off, 1).expect("fetched"), [SECRET, b"1"].concat());
        assert_eq!(kept_in(&home, 1), Some(KeptIn::State));
        assert!(keychain.accounts().is_empty());
        // A run beside it that had looked before.
        assert_eq!(early().expect("read")[0].1.expose(), [SECRET, b"1"].concat());
        keychain.lock(true);
        assert_eq!(fetch(&home, 1).expect("read"), [SECRET, b"1"].concat());
        assert!(home.forget(VaultId([1; 32])).expect("forgotten").is_none(), "nothing is there to delete");
    }

    #[test]
    fn what_others_do_with_the_rest_of_the_state_leaves_the_keychain_in_it() {
        let (folder, keychain) = (tempfile::tempdir().expect("a folder"), Arc::new(InMemory::default()));
        let home = open(folder.path(), &keychain, KeychainUse::Auto);
        keep(&home, 1);
        let typed = |access: &mut Access| access.url = Some("s3://bucket1/vault".to_owned());
        home.update_access(provider(), VaultId([1; 32]), typed).expect("written");
        let access = home.access(VaultId([1; 32])).expect("read");
        assert_eq!(kept_in(&home, 1), Some(KeptIn::Keychain));
        let bytes = access.encode();
        let none = || -> FetchCredentials { Arc::new(|| Err(KeychainError::Locked)) };
        assert!(Access::parse(bytes.expose(), none).expect("whole").in_keychain.is_some());
        let cut = Access::parse(&bytes.expose()[..bytes.expose().len() - 1], none).expect("of a version before this");
        assert!(cut.in_keychain.is_none());
        assert!(Access::parse(&[bytes.expose(), &[1]].concat(), none).is_none());
    }
}
