//! Credentials of a pairing: in the platform's keychain where there is one, else in the sealed file `access`.
//!
//! The keychain gets them sealed for one vault and one store, under a key of the state key and of a salt that is in `access`
//! alone. So items cannot be exchanged, who has the keychain alone has nothing, and when `access` is forgotten the item is
//! worth nothing, wherever it was left. Who has the state folder alone has no credential. Who has the whole disk has the
//! keychain's file too, which is as good as the password that it is encrypted under.

use super::access::{Access, Credentials, InKeychain, KeptIn, read_credentials, write_credentials};
use super::codec::{Reader, Writer};
use super::{Home, StateError, file};
use crate::keychain::{Item, Keychain, KeychainError};
use crypto_backends::{Key, Provider, SecretBytes};
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
    left: Option<TellLeft>,
}

/// Is told of an item that could not be taken out, and why.
type TellLeft = Arc<dyn Fn(&Item, &KeychainError) + Send + Sync>;

impl Keychains {
    fn get(&self) -> Result<&dyn Keychain, KeychainError> {
        self.keychain.as_deref().ok_or(KeychainError::Absent(None))
    }
}

impl Home {
    /// With a keychain for credentials. Nothing is asked of it before it is needed.
    #[must_use]
    pub fn with_keychain(mut self, keychain: Option<Arc<dyn Keychain>>, usage: KeychainUse) -> Self {
        (self.keychains.keychain, self.keychains.usage) = (keychain, usage);
        self
    }

    /// `tell` gets items that nothing names or opens any more and that could not be taken out of the keychain.
    #[must_use]
    pub fn with_left_items(mut self, tell: impl Fn(&Item, &KeychainError) + Send + Sync + 'static) -> Self {
        self.keychains.left = Some(Arc::new(tell));
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
            false => self.put(provider, vault, store, &credentials)?.map(Some),
        };
        let old = self.update_access(provider, vault, |access| {
            let old = access.in_keychain.take();
            change(access);
            access.credentials_for = store.map(str::to_owned);
            (access.credentials, access.in_keychain) = match &put {
                Ok(kept) => (Vec::new(), kept.clone()),
                Err(_) => (credentials, None),
            };
            old
        });
        // Which of the two nothing names now.
        let unnamed = old.as_ref().map_or(put.as_ref().ok().and_then(Option::as_ref), Option::as_ref);
        if let Some(InKeychain { salt, .. }) = unnamed {
            self.remove_item(&self.sealed_item(vault, salt).item);
        }
        old.map(|_| put.err())
    }

    fn put(
        &self,
        provider: &'static Provider,
        vault: VaultId,
        store: Option<&str>,
        credentials: &Credentials,
    ) -> Result<Result<InKeychain, KeychainError>, StateError> {
        if self.keychains.usage == KeychainUse::Off {
            return Ok(Err(KeychainError::Off));
        }
        let failed = |source| StateError::Seal { path: self.place(vault, "access").path, source: Box::new(source) };
        let salt = Key::random(provider.random).map_err(failed)?;
        let SealedItem { item, key } = self.sealed_item(vault, &salt);
        let mut plain = Writer::new();
        plain.string(store.unwrap_or_default().as_bytes());
        write_credentials(&mut plain, credentials);
        let sealed = file::seal_bytes(provider, &key, &place(vault, &item), 1, &plain.finish())?;
        // In letters: not every keychain takes bytes.
        let put = self.keychains.get().and_then(|keychain| keychain.put(&item, &hex::encode(sealed)));
        Ok(put.map(|()| self.in_keychain(vault, salt, store)))
    }

    /// Credentials of a vault that are in the keychain, whenever they are asked for: for the store that they are for now.
    pub(super) fn in_keychain(&self, vault: VaultId, salt: Key, store: Option<&str>) -> InKeychain {
        // A home of its own: it may be asked when this one is gone.
        let home =
            Home { root: self.root.clone(), key: self.key.clone(), own: self.own, keychains: self.keychains.clone() };
        let (salt, store) = (Arc::new(salt), store.unwrap_or_default().to_owned());
        let asked_with = salt.clone();
        InKeychain { fetch: Arc::new(move || home.fetch(vault, &asked_with, &store)), salt }
    }

    fn fetch(&self, vault: VaultId, salt: &Key, store: &str) -> Result<Credentials, KeychainError> {
        let SealedItem { item, key } = self.sealed_item(vault, salt);
        let keychain = self.keychains.get()?;
        let damaged = || KeychainError::Damaged { account: item.account.clone() };
        let not_moved = |error: StateError| KeychainError::NotMoved(error.into());
        let Some(value) = keychain.get(&item)? else {
            // Another run may have moved them just now.
            let access = self.access(vault).map_err(not_moved)?;
            let is_same_store = access.credentials_for.as_deref().unwrap_or_default() == store;
            return match access.kept_in() {
                Some(KeptIn::State) if is_same_store => Ok(access.credentials),
                _ => Err(KeychainError::Missing { account: item.account }),
            };
        };
        let bytes = hex::decode(value).map_err(|_| damaged())?;
        let (provider, plain) = file::open_bytes(&key, &place(vault, &item), &bytes).map_err(|_| damaged())?;
        let (put_for, credentials) = parse(plain.expose()).ok_or_else(damaged)?;
        if put_for != store {
            return Err(damaged());
        }
        let moves = |access: &mut Access| {
            let is_there = access.in_keychain.take_if(|kept| kept.salt.ct_eq(salt)).is_some();
            if is_there {
                access.credentials = copy(&credentials);
            }
            is_there
        };
        if self.keychains.usage == KeychainUse::Off && self.update_access(provider, vault, moves).map_err(not_moved)? {
            self.remove_item(&item);
        }
        Ok(credentials)
    }

    /// Forgets how the vault's stores are reached, with what the keychain has of it.
    pub fn clear_access(&self, vault: VaultId) -> Result<(), StateError> {
        if let Ok(Access { in_keychain: Some(InKeychain { salt, .. }), .. }) = self.access(vault) {
            self.remove_item(&self.sealed_item(vault, &salt).item);
        }
        self.remove(vault, "access")
    }

    /// Takes out of the keychain what it has of a vault. Who has nothing there asks nothing.
    pub(super) fn forget_in_keychain(&self, vault: VaultId) -> Option<KeychainError> {
        let InKeychain { salt, .. } = self.access(vault).ok()?.in_keychain?;
        let keychain = self.keychains.get();
        keychain.and_then(|keychain| keychain.remove(&self.sealed_item(vault, &salt).item)).err()
    }

    /// Takes out what nothing names any more, and so nothing opens. That it stays is no failure.
    fn remove_item(&self, item: &Item) {
        if let Err(error) = self.keychains.get().and_then(|keychain| keychain.remove(item))
            && let Some(tell) = &self.keychains.left
        {
            tell(item, &error);
        }
    }

    /// Name and sealing key come from the state key and the salt together, in the KDF under labels of their own. So there is one
    /// item for each vault, each state folder and each time that credentials were put there: two folders on one machine are two
    /// devices, and what an earlier pairing has left is not taken for the current one.
    fn sealed_item(&self, vault: VaultId, salt: &Key) -> SealedItem {
        let derive = |label| self.own.kdf.derive(label, self.key.expose(), salt.expose(), &[&vault.0]);
        let item = Item {
            account: format!("{vault}.{}", hex::encode(&derive(ACCOUNT_LABEL).expose()[..8])),
            label: format!("zvault: storage credentials, vault {:.8}", vault.to_string()),
        };
        SealedItem { item, key: derive(KEY_LABEL) }
    }
}

struct SealedItem {
    item: Item,
    key: Key,
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

const ACCOUNT_LABEL: &str = "zvault v1 keychain account";
const KEY_LABEL: &str = "zvault v1 keychain item";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keychain::testing::InMemory;
    use crate::state::KeptIn;
    use crypto_backends::rustcrypto;
    use std::fs;
    use std::path::Path;
    use std::sync::Mutex;

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
            Some(kept) => (kept.fetch)()?,
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
        // Of state that cannot be read nothing says which item it had.
        keep(&home, 1);
        fs::write(folder.path().join("vaults").join(VaultId([1; 32]).to_string()).join("access"), "x")
            .expect("written");
        assert!(home.forget(VaultId([1; 32])).expect("forgotten").is_none());
        assert!(home.vaults().expect("listed").is_empty());
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
        assert_eq!((early.fetch)().expect("read")[0].1.expose(), [SECRET, b"1"].concat());
        keychain.lock(true);
        assert_eq!(fetch(&home, 1).expect("read"), [SECRET, b"1"].concat());
        assert!(home.forget(VaultId([1; 32])).expect("forgotten").is_none(), "nothing is there to delete");
    }

    #[test]
    fn what_an_earlier_pairing_left_is_not_taken_for_the_current_one() {
        let (folder, keychain) = (tempfile::tempdir().expect("a folder"), Arc::new(InMemory::default()));
        let home = open(folder.path(), &keychain, KeychainUse::Auto);
        keep(&home, 1);
        keychain.lock(true);
        assert!(home.forget(VaultId([1; 32])).expect("forgotten").is_some(), "the item stays");
        keychain.lock(false);
        let left = keychain.items.lock().expect("items").clone();
        assert!(keep_for(&home, 1, "s3://bucket1/vault", credentials(2)).is_none());
        keychain.items.lock().expect("items").extend(left.clone());
        assert_eq!(fetch(&home, 1).expect("fetched"), [SECRET, b"2"].concat());
        // Also not where the current one is gone, or under its name.
        let current = keychain.accounts().into_iter().find(|account| !left.contains_key(account)).expect("an item");
        *keychain.items.lock().expect("items") = left.clone();
        assert!(matches!(fetch(&home, 1), Err(KeychainError::Missing { .. })));
        keychain.items.lock().expect("items").insert(current, left.into_values().next().expect("an item"));
        assert!(matches!(fetch(&home, 1), Err(KeychainError::Damaged { .. })));
    }

    #[test]
    fn who_asks_for_one_store_does_not_get_the_credentials_of_another() {
        let (folder, keychain) = (tempfile::tempdir().expect("a folder"), Arc::new(InMemory::default()));
        let vault = VaultId([1; 32]);
        let home = open(folder.path(), &keychain, KeychainUse::Auto);
        keep(&home, 1);
        let early = home.access(vault).expect("read").in_keychain.expect("in the keychain");
        // Meanwhile another run keeps others for another store, here and not in the keychain.
        let off = open(folder.path(), &keychain, KeychainUse::Off);
        keep_for(&off, 1, "s3://elsewhere/vault", credentials(2));
        assert_eq!(keychain.accounts(), Vec::<String>::new(), "what nothing names any more");
        assert!(matches!((early.fetch)(), Err(KeychainError::Missing { .. })));
        assert_eq!(fetch(&home, 1).expect("read"), [SECRET, b"2"].concat());
    }

    #[test]
    fn several_runs_change_how_stores_are_reached_and_none_undoes_another() {
        let folder = tempfile::tempdir().expect("a folder");
        let vault = VaultId([1; 32]);
        drop(Home::open(folder.path()).expect("a home"));
        let change = |n: u8| {
            let home = Home::open(folder.path()).expect("a home");
            for i in 0..8 {
                let adds = |access: &mut Access| access.ids.insert(format!("s3://{n}/{i}"), [n; 16]);
                home.update_access(provider(), vault, adds).expect("written");
            }
        };
        std::thread::scope(|scope| (0..4).for_each(|n| drop(scope.spawn(move || change(n)))));
        let home = Home::open(folder.path()).expect("a home");
        assert_eq!(home.access(vault).expect("read").ids.len(), 32);
        assert!(home.clear_access(vault).is_ok() && home.vaults().expect("listed").is_empty());
        home.update_access(provider(), vault, |access| access.url = None).expect("nothing to write");
        assert!(home.vaults().expect("listed").is_empty(), "nothing has changed");
    }

    #[test]
    fn an_item_that_could_not_be_taken_out_is_told_and_opens_with_nothing() {
        let (folder, keychain) = (tempfile::tempdir().expect("a folder"), Arc::new(InMemory::default()));
        let home = open(folder.path(), &keychain, KeychainUse::Auto);
        keep(&home, 1);
        let told = Arc::new(Mutex::new(Vec::new()));
        let tells = told.clone();
        let off = open(folder.path(), &keychain, KeychainUse::Off).with_left_items(move |item, error| {
            tells.lock().expect("a list").push(format!("{}: {error}", item.account))
        });
        *keychain.keeps.lock().expect("a lock") = true;
        assert_eq!(fetch(&off, 1).expect("fetched"), [SECRET, b"1"].concat(), "it is no failure");
        let left = keychain.accounts();
        assert_eq!((left.len(), told.lock().expect("a list").len()), (1, 1));
        assert!(told.lock().expect("a list")[0].contains(&left[0]));
        assert_eq!(kept_in(&home, 1), Some(KeptIn::State));
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
        let parse = |bytes: &[u8]| {
            let in_keychain = |salt: Key, _: Option<&str>| InKeychain {
                fetch: Arc::new(|| Err(KeychainError::Locked)),
                salt: Arc::new(salt),
            };
            Access::parse(bytes, in_keychain)
        };
        let len = bytes.expose().len();
        let salt = parse(bytes.expose()).expect("whole").in_keychain.expect("in the keychain").salt;
        assert!(bytes.expose().ends_with(salt.expose()));
        assert!(parse(&bytes.expose()[..len - 33]).expect("without").in_keychain.is_none());
        for cut in len - 32..len {
            assert!(parse(&bytes.expose()[..cut]).is_none(), "cut at {cut}");
        }
        assert!(parse(&[bytes.expose(), &[1]].concat()).is_none());
    }
}
