//! The folder of local state.

use super::kept::Keychains;
use super::{Access, BlockReader, BlockWriter, Claims, Cursors, DeviceState, Pins, StateError, file};
use crate::keychain::KeychainError;
use crypto_backends::{Key, Provider, SecretBytes};
use rustix::fs::{FlockOperation, flock};
use std::{
    ffi::OsString,
    fs::{self, DirBuilder, File, OpenOptions, Permissions},
    io,
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
    sync::Arc,
};
use vault_format::ids::VaultId;

/// `ZVAULT_HOME`, opened: mode 0700, everything secret in it sealed under `state.key`.
///
/// The state key lies beside what it seals, so **a device relies on disk encryption**: if it is stolen switched off and
/// without disk encryption, it counts as compromised (SPEC section 16). The seal keeps names and URLs out of clear text,
/// keeps files from being exchanged, and leaves one place where a platform's key store can take over.
pub struct Home {
    pub(super) root: PathBuf,
    pub(super) key: Arc<Key>,
    /// For what belongs to no vault.
    pub(super) own: &'static Provider,
    pub(super) keychains: Keychains,
}

impl Home {
    /// Opens the folder, or makes it. Takes rights away from others; refuses a folder in which others could have planted something.
    pub fn open(path: &Path) -> Result<Self, StateError> {
        make_private(path)?;
        check_private(path)?;
        let key_path = path.join("state.key");
        let failed = |source| StateError::Seal { path: key_path.clone(), source: Box::new(source) };
        let own = crypto_backends::own().map_err(failed)?;
        if !key_path.exists() {
            let key = Key::random(own.random).map_err(failed)?;
            file::write_new(&key_path, key.expose())?;
        }
        check_private(&key_path)?;
        let bytes = file::read(&key_path, 33)?.map(SecretBytes::new);
        let key = bytes.and_then(|bytes| Key::from_slice(bytes.expose()).ok());
        let key = key.ok_or(StateError::Damaged { path: key_path, why: "a state key has 32 bytes" })?;
        Ok(Self { root: path.to_owned(), key: Arc::new(key), own, keychains: Keychains::default() })
    }

    /// The folder itself.
    pub fn path(&self) -> &Path {
        &self.root
    }

    /// The vaults in which this device has a folder, by id.
    pub fn vaults(&self) -> Result<Vec<VaultId>, StateError> {
        let path = self.root.join("vaults");
        let failed = |source| StateError::Io { what: "list", path: path.clone(), source };
        let entries = match fs::read_dir(&path) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(failed(error)),
        };
        let mut ids = Vec::new();
        for entry in entries {
            let entry = entry.map_err(failed)?;
            let Some(id) = entry.file_name().to_str().and_then(|name| name.parse::<VaultId>().ok()) else { continue };
            // What a process leaves that was killed before its first file had its name is none.
            let mut files = fs::read_dir(entry.path()).map_err(failed)?;
            let is_file = |name: &OsString| name != "lock" && !name.as_encoded_bytes().starts_with(b".");
            if files.any(|file| file.is_ok_and(|file| is_file(&file.file_name()))) {
                ids.push(id);
            }
        }
        ids.sort();
        Ok(ids)
    }

    /// The vault that this device knows at `url`. The spelling is the caller's business: the same one finds it again.
    ///
    /// A vault whose state is damaged does not hide the others; if none of them is the one, its error is the answer.
    pub fn find(&self, url: &str) -> Result<Option<VaultId>, StateError> {
        let mut damaged = None;
        for vault in self.vaults()? {
            match self.device(vault) {
                Ok(device) if device.url == url => return Ok(Some(vault)),
                Ok(_) | Err(StateError::UnknownVault { .. }) => {}
                Err(error) => damaged = Some(error),
            }
        }
        damaged.map_or(Ok(None), Err)
    }

    /// The vault that commands use unless told otherwise: the one that was set, else the only one there is.
    pub fn default_vault(&self) -> Result<Option<VaultId>, StateError> {
        let path = self.root.join("default");
        if let Some(bytes) = file::read(&path, 66)? {
            let id = std::str::from_utf8(&bytes).ok().and_then(|text| text.trim_end().parse().ok());
            return id.map(Some).ok_or(StateError::Damaged { path, why: "it holds no vault id" });
        }
        let vaults = self.vaults()?;
        Ok(if let [only] = vaults[..] { Some(only) } else { None })
    }

    /// Sets the vault that commands use unless told otherwise.
    pub fn set_default_vault(&self, vault: VaultId) -> Result<(), StateError> {
        file::write_atomically(&self.root.join("default"), format!("{vault}\n").as_bytes())
    }

    /// Holds the vault for one run; the system lets go of it when the process ends, however it ends.
    pub fn lock(&self, vault: VaultId) -> Result<VaultLock, StateError> {
        let path = self.folder(vault)?.join("lock");
        let failed = |source| StateError::Io { what: "lock", path: path.clone(), source };
        let file = OpenOptions::new().create(true).append(true).mode(0o600).open(&path).map_err(failed)?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(VaultLock { _file: file }),
            Err(rustix::io::Errno::WOULDBLOCK) => Err(StateError::VaultBusy { path }),
            Err(error) => Err(failed(error.into())),
        }
    }

    /// Who this device is in the vault.
    pub fn device(&self, vault: VaultId) -> Result<DeviceState, StateError> {
        let place = self.place(vault, "device");
        let (provider, plain) = file::open(&self.key, &place)?.ok_or(StateError::UnknownVault { vault })?;
        DeviceState::parse(provider, vault, plain.expose())
            .ok_or(StateError::Damaged { path: place.path, why: "its fields are cut off" })
    }

    /// The backend of the vault's suite: it sealed what this device must not forget of the vault.
    pub fn provider(&self, vault: VaultId) -> Result<&'static Provider, StateError> {
        for name in ["device", "joining"] {
            if let Some((provider, _)) = file::open(&self.key, &self.place(vault, name))? {
                return Ok(provider);
            }
        }
        Err(StateError::UnknownVault { vault })
    }

    /// Remembers who this device is in the vault of its keys.
    pub fn set_device(&self, provider: &'static Provider, device: &DeviceState) -> Result<(), StateError> {
        self.write(provider, device.keys.vault, "device", &device.encode())
    }

    /// What this device was given in a pairing whose end it has not seen.
    pub fn joining(&self, vault: VaultId) -> Result<Option<SecretBytes>, StateError> {
        Ok(file::open(&self.key, &self.place(vault, "joining"))?.map(|(_, plain)| plain))
    }

    /// Keeps what this device was given, until it sees itself in the roster.
    pub fn set_joining(
        &self,
        provider: &'static Provider,
        vault: VaultId,
        given: &SecretBytes,
    ) -> Result<(), StateError> {
        self.write(provider, vault, "joining", given)
    }

    /// This device is a member.
    pub fn clear_joining(&self, vault: VaultId) -> Result<(), StateError> {
        self.remove(vault, "joining")
    }

    /// How the vault's stores are reached, as far as another device said so.
    pub fn access(&self, vault: VaultId) -> Result<Access, StateError> {
        let place = self.place(vault, "access");
        match file::open(&self.key, &place)? {
            None => Ok(Access::default()),
            Some((_, plain)) => Access::parse(plain.expose(), |salt, store| self.in_keychain(vault, salt, store))
                .ok_or(StateError::Damaged { path: place.path, why: "its fields are cut off" }),
        }
    }

    /// Reads how the vault's stores are reached, changes it, and writes it if something changed. No other run writes in between,
    /// so what it has moved out of the keychain, or into it, is not undone.
    pub fn update_access<T>(
        &self,
        provider: &'static Provider,
        vault: VaultId,
        change: impl FnOnce(&mut Access) -> T,
    ) -> Result<T, StateError> {
        let _lock = self.wait_for(vault, ".access", FlockOperation::LockExclusive)?;
        let mut access = self.access(vault)?;
        let before = access.encode();
        let done = change(&mut access);
        let after = access.encode();
        if !after.ct_eq(&before) {
            self.write(provider, vault, "access", &after)?;
        }
        Ok(done)
    }

    /// What this device has seen of the vault; nothing at first.
    pub fn pins(&self, vault: VaultId) -> Result<Pins, StateError> {
        let place = self.place(vault, "pins");
        match file::open(&self.key, &place)? {
            None => Ok(Pins::default()),
            Some((_, plain)) => Pins::parse(plain.expose())
                .ok_or(StateError::Damaged { path: place.path, why: "its fields are cut off" }),
        }
    }

    /// Remembers what this device has seen.
    pub fn set_pins(&self, provider: &'static Provider, vault: VaultId, pins: &Pins) -> Result<(), StateError> {
        self.write(provider, vault, "pins", &pins.encode())
    }

    /// What the last push wrote down for the next one, if it did not end well.
    pub fn journal(&self, vault: VaultId) -> Result<Option<SecretBytes>, StateError> {
        Ok(file::open(&self.key, &self.place(vault, "journal"))?.map(|(_, plain)| plain))
    }

    /// Writes down what the next push must know if this one is interrupted.
    pub fn set_journal(
        &self,
        provider: &'static Provider,
        vault: VaultId,
        journal: &SecretBytes,
    ) -> Result<(), StateError> {
        self.write(provider, vault, "journal", journal)
    }

    /// Held while the local copy of the vault's logs is written, or all of its parts are read: runs that only read hold no other
    /// lock. Waits for whoever holds it.
    pub(crate) fn lock_copy(&self, vault: VaultId, is_writing: bool) -> Result<VaultLock, StateError> {
        let how = if is_writing { FlockOperation::LockExclusive } else { FlockOperation::LockShared };
        self.wait_for(vault, ".copy", how)
    }

    /// For moments, and never for the length of a run.
    fn wait_for(&self, vault: VaultId, name: &str, how: FlockOperation) -> Result<VaultLock, StateError> {
        let path = self.folder(vault)?.join(name);
        let failed = |source| StateError::Io { what: "lock", path: path.clone(), source };
        let file = OpenOptions::new().create(true).append(true).mode(0o600).open(&path).map_err(failed)?;
        rustix::io::retry_on_intr(|| flock(&file, how)).map_err(|error| failed(error.into()))?;
        Ok(VaultLock { _file: file })
    }

    /// Number of parts of the local copy of the vault's logs.
    pub(crate) fn log_parts(&self, vault: VaultId) -> usize {
        (0..).take_while(|n| self.place(vault, &log_part(*n)).path.exists()).count()
    }

    /// A part of the entries of the vault's logs that were verified before; none if it cannot be read: then they are verified
    /// again.
    pub(crate) fn log_part(&self, vault: VaultId, n: usize) -> Option<SecretBytes> {
        file::open(&self.key, &self.place(vault, &log_part(n))).ok().flatten().map(|(_, plain)| plain)
    }

    /// Which write made a part; none: there is no such part.
    pub(crate) fn log_part_stamp(&self, vault: VaultId, n: usize) -> Option<PartStamp> {
        let data = fs::metadata(self.place(vault, &log_part(n)).path).ok()?;
        Some(PartStamp([data.ino() as i64, data.len() as i64, data.mtime(), data.mtime_nsec()]))
    }

    /// Keeps a part of the entries that were verified.
    pub(crate) fn set_log_part(
        &self,
        provider: &'static Provider,
        vault: VaultId,
        n: usize,
        entries: &SecretBytes,
    ) -> Result<(), StateError> {
        self.write(provider, vault, &log_part(n), entries)
    }

    /// Forgets a part, if it is there.
    pub(crate) fn remove_log_part(&self, vault: VaultId, n: usize) -> Result<(), StateError> {
        self.remove(vault, &log_part(n))
    }

    /// Objects of the vault's logs that were refused before; none if they cannot be read: then they are looked at again.
    pub(crate) fn refused(&self, vault: VaultId) -> Option<SecretBytes> {
        file::open(&self.key, &self.place(vault, "refused")).ok().flatten().map(|(_, plain)| plain)
    }

    /// Keeps what was refused.
    pub(crate) fn set_refused(
        &self,
        provider: &'static Provider,
        vault: VaultId,
        refused: &SecretBytes,
    ) -> Result<(), StateError> {
        self.write(provider, vault, "refused", refused)
    }

    /// The last entries that this device has written; none if they cannot be read: then they cannot be put back.
    pub(crate) fn own_entries(&self, vault: VaultId) -> Option<SecretBytes> {
        file::open(&self.key, &self.place(vault, "own")).ok().flatten().map(|(_, plain)| plain)
    }

    /// Keeps the last entries that this device has written.
    pub(crate) fn set_own_entries(
        &self,
        provider: &'static Provider,
        vault: VaultId,
        entries: &SecretBytes,
    ) -> Result<(), StateError> {
        self.write(provider, vault, "own", entries)
    }

    /// The roster records that were read before; none if they cannot be read: then the store is asked again.
    pub(crate) fn roster_cache(&self, vault: VaultId) -> Option<SecretBytes> {
        file::open(&self.key, &self.place(vault, "roster")).ok().flatten().map(|(_, plain)| plain)
    }

    /// Keeps the roster records that were read.
    pub(crate) fn set_roster_cache(
        &self,
        provider: &'static Provider,
        vault: VaultId,
        records: &SecretBytes,
    ) -> Result<(), StateError> {
        self.write(provider, vault, "roster", records)
    }

    /// How far each store has followed; nothing is known if that cannot be read: then the stores are asked.
    pub fn cursors(&self, vault: VaultId) -> Cursors {
        let plain = file::open(&self.key, &self.place(vault, "stores")).ok().flatten();
        plain.and_then(|(_, plain)| super::cursors::parse(plain.expose())).unwrap_or_default()
    }

    /// Remembers how far each store has followed.
    pub fn set_cursors(
        &self,
        provider: &'static Provider,
        vault: VaultId,
        cursors: &Cursors,
    ) -> Result<(), StateError> {
        self.write(provider, vault, "stores", &super::cursors::encode(cursors))
    }

    /// What claims rest on; None if that is not known: then the packs are listed.
    pub fn claims(&self, vault: VaultId) -> Option<Claims> {
        let (_, plain) = file::open(&self.key, &self.place(vault, "claims")).ok().flatten()?;
        super::claims::parse(plain.expose())
    }

    /// Remembers what claims rest on.
    pub fn set_claims(&self, provider: &'static Provider, vault: VaultId, claims: &Claims) -> Result<(), StateError> {
        self.write(provider, vault, "claims", &super::claims::encode(claims))
    }

    /// Remembers how a copy to a store ended that no opened vault made: `holes` objects were not to be had whole. After one
    /// that was complete, the next push looks for itself.
    pub fn remember_copy(&self, vault: VaultId, url: &str, holes: u64) -> Result<(), StateError> {
        // A push that is under way writes there too. Waited for it is not: its own end says more than this.
        let _lock = self.lock(vault).ok();
        let mut cursors = self.cursors(vault);
        let known = cursors.get(url).map_or(0, |cursor| cursor.holes);
        if known == 0 && holes == 0 {
            return Ok(());
        }
        let cursor = cursors.entry(url.to_owned()).or_default();
        (cursor.holes, cursor.compared) = (holes, None);
        self.set_cursors(self.provider(vault)?, vault, &cursors)
    }

    /// What the files of a source were like when they were pushed last; None if nothing is known.
    pub(crate) fn files(&self, vault: VaultId, label: &[u8]) -> Option<BlockReader> {
        BlockReader::open(&self.key, vault, self.files_path(vault, label)).ok().flatten()
    }

    /// Begins to write that anew.
    pub(crate) fn new_files(
        &self,
        provider: &'static Provider,
        vault: VaultId,
        label: &[u8],
    ) -> Result<BlockWriter, StateError> {
        let path = self.files_path(vault, label);
        make_private(path.parent().unwrap_or(&self.root))?;
        BlockWriter::create(provider, &self.key, vault, path)
    }

    /// Stands for paths in it, and is in this folder only: who has nothing else learns no name from what is written there.
    pub(crate) fn files_key(&self, provider: &Provider, vault: VaultId, label: &[u8]) -> Key {
        provider.kdf.derive(FILES_LABEL, self.key.expose(), &[], &[&vault.0, label])
    }

    fn files_path(&self, vault: VaultId, label: &[u8]) -> PathBuf {
        // The name of a source is in no name of a file.
        let hash = self.own.keyed_hash.keyed_hash(&self.files_key(self.own, vault, label), &[b"name"]);
        self.root.join("vaults").join(vault.to_string()).join("files").join(hex::encode(&hash[..16]))
    }

    /// The push ended well.
    pub fn clear_journal(&self, vault: VaultId) -> Result<(), StateError> {
        self.remove(vault, "journal")
    }

    /// Forgets the vault and this device's keys in it, for ever, with what the keychain has of it. `Some`: all but that, and why.
    /// It opens with nothing that is left: its salt is forgotten with the rest. If the salt cannot be read, the keychain is not
    /// asked, since nothing says which item it is.
    pub fn forget(&self, vault: VaultId) -> Result<Option<KeychainError>, StateError> {
        let left = self.forget_in_keychain(vault);
        if self.default_vault()? == Some(vault) {
            let path = self.root.join("default");
            match fs::remove_file(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(StateError::Io { what: "remove", path, source: error });
                }
                _ => {}
            }
        }
        let path = self.root.join("vaults").join(vault.to_string());
        match fs::remove_dir_all(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(StateError::Io { what: "remove", path, source: error })
            }
            _ => Ok(left),
        }
    }

    /// The folder of caches of a vault, made with mode 0700 below `cache` (see [`cache_path`]). Whatever is in it may vanish.
    pub fn cache_folder(cache: &Path, vault: VaultId) -> Result<PathBuf, StateError> {
        make_private(cache)?;
        let path = cache.join(vault.to_string());
        make_private(&path)?;
        check_private(&path)?;
        Ok(path)
    }

    fn write(
        &self,
        provider: &'static Provider,
        vault: VaultId,
        name: &str,
        plain: &SecretBytes,
    ) -> Result<(), StateError> {
        self.folder(vault)?;
        file::seal(provider, &self.key, &self.place(vault, name), plain)
    }

    pub(super) fn remove(&self, vault: VaultId, name: &str) -> Result<(), StateError> {
        let path = self.place(vault, name).path;
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(StateError::Io { what: "remove", path, source: error })
            }
            _ => Ok(()),
        }
    }

    pub(super) fn place<'a>(&self, vault: VaultId, name: &'a str) -> file::Place<'a> {
        file::Place { path: self.root.join("vaults").join(vault.to_string()).join(name), name, vault }
    }

    fn folder(&self, vault: VaultId) -> Result<PathBuf, StateError> {
        let path = self.root.join("vaults").join(vault.to_string());
        make_private(&path)?;
        Ok(path)
    }
}

fn log_part(n: usize) -> String {
    format!("logs-{n}")
}

/// Tells a part of the local copy from what another run has put in its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PartStamp([i64; 4]);

/// Held while a run writes to a vault.
#[derive(Debug)]
pub struct VaultLock {
    _file: File,
}

/// Where local state is: `ZVAULT_HOME`, else the platform's folder for it. `env` looks up an environment variable.
pub fn home_path(env: &dyn Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    platform_path(
        env,
        "ZVAULT_HOME",
        "XDG_STATE_HOME",
        if cfg!(target_os = "macos") { "Library/Application Support" } else { ".local/state" },
    )
}

/// Where caches are: `ZVAULT_CACHE_DIR`, else the platform's folder for them.
pub fn cache_path(env: &dyn Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    platform_path(
        env,
        "ZVAULT_CACHE_DIR",
        "XDG_CACHE_HOME",
        if cfg!(target_os = "macos") { "Library/Caches" } else { ".cache" },
    )
}

fn platform_path(env: &dyn Fn(&str) -> Option<OsString>, own: &str, xdg: &str, below_home: &str) -> Option<PathBuf> {
    let set = |name: &str| env(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    // The XDG specification: a relative path is to be ignored.
    let base = || set(xdg).filter(|path| path.is_absolute()).or_else(|| Some(set("HOME")?.join(below_home)));
    set(own).or_else(|| Some(base()?.join("zvault")))
}

/// Makes a folder and those above it, mode 0700, unless they are there.
fn make_private(path: &Path) -> Result<(), StateError> {
    DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(|source| StateError::Io {
        what: "make",
        path: path.to_owned(),
        source,
    })
}

/// Ours, and nobody else's to read or write.
fn check_private(path: &Path) -> Result<(), StateError> {
    let failed = |what| move |source| StateError::Io { what, path: path.to_owned(), source };
    let meta = fs::metadata(path).map_err(failed("look at"))?;
    let refused = |why| Err(StateError::Unsafe { path: path.to_owned(), why });
    if meta.uid() != rustix::process::geteuid().as_raw() {
        return refused("it belongs to another user; choose another folder with ZVAULT_HOME, or run as its owner");
    }
    let mode = meta.permissions().mode();
    if mode & 0o077 == 0 {
        return Ok(());
    }
    let empty = || fs::read_dir(path).map(|mut entries| entries.next().is_none());
    if mode & 0o022 != 0 && !(meta.is_dir() && empty().map_err(failed("list"))?) {
        return refused(
            "others can write to it, so what is in it may not be yours; look at it, then take that away with chmod go-rwx",
        );
    }
    fs::set_permissions(path, Permissions::from_mode(mode & 0o700)).map_err(failed("change the mode of"))
}

const FILES_LABEL: &str = "zvault v1 local file table";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::DeviceKeys;
    use crate::state::LogPin;
    use crypto_backends::rustcrypto::provider;
    use std::collections::BTreeMap;
    use vault_format::Time;
    use vault_format::ids::{DeviceId, Identity};

    const URL: &str = "file:///srv/canary-url/vault";
    const NAME: &str = "canary-device-name";

    struct Fixture {
        _folder: tempfile::TempDir,
        path: PathBuf,
        home: Home,
    }

    fn fixture() -> Fixture {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("state/zvault");
        let home = Home::open(&path).expect("a home");
        Fixture { _folder: folder, path, home }
    }

    fn device(vault: u8) -> DeviceState {
        let keys = DeviceKeys::generate(provider(), VaultId([vault; 32])).expect("a device");
        DeviceState { keys, url: format!("{URL}{vault}"), name: NAME.into() }
    }

    fn pins() -> Pins {
        Pins {
            roster_heads: vec![Identity([1; 32]), Identity([2; 32])],
            logs: BTreeMap::from([
                (DeviceId([3; 16]), vec![LogPin { seq: 9, identity: Identity([4; 32]) }]),
                (DeviceId([5; 16]), vec![]),
            ]),
            seen: BTreeMap::from([(DeviceId([3; 16]), Time { secs: 7, nanos: 0 })]),
        }
    }

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).expect("is there").permissions().mode() & 0o777
    }

    #[test]
    fn remembers() {
        let f = fixture();
        let (one, two) = (device(1), device(2));
        assert!(matches!(f.home.device(VaultId([1; 32])), Err(StateError::UnknownVault { .. })));
        f.home.set_device(provider(), &one).expect("written");
        assert_eq!(f.home.default_vault().expect("read"), Some(VaultId([1; 32])), "the only one");
        f.home.set_device(provider(), &two).expect("written");
        assert_eq!(f.home.default_vault().expect("read"), None);
        f.home.set_default_vault(VaultId([2; 32])).expect("written");

        let again = Home::open(&f.path).expect("a home");
        assert_eq!(again.vaults().expect("listed"), [VaultId([1; 32]), VaultId([2; 32])]);
        assert_eq!(again.default_vault().expect("read"), Some(VaultId([2; 32])));
        assert_eq!(again.find(&two.url).expect("found"), Some(VaultId([2; 32])));
        assert_eq!(again.find("file:///elsewhere").expect("not found"), None);
        let read = again.device(VaultId([1; 32])).expect("read");
        assert_eq!((read.keys.id, &*read.url, &*read.name), (one.keys.id, &*one.url, NAME));
        assert!(read.keys.signing_secret.ct_eq(&one.keys.signing_secret));
        assert!(read.keys.kem_secret.ct_eq(&one.keys.kem_secret) && read.keys.w.ct_eq(&one.keys.w));

        again.forget(VaultId([2; 32])).expect("forgotten");
        assert_eq!(again.vaults().expect("listed"), [VaultId([1; 32])]);
        assert_eq!(again.default_vault().expect("read"), Some(VaultId([1; 32])));
    }

    #[test]
    fn pins_and_journal() {
        let f = fixture();
        let vault = VaultId([1; 32]);
        assert_eq!(f.home.pins(vault).expect("none yet"), Pins::default());
        assert!(f.home.journal(vault).expect("none yet").is_none());
        f.home.clear_journal(vault).expect("nothing to clear");
        f.home.set_pins(provider(), vault, &pins()).expect("written");
        f.home.set_journal(provider(), vault, &SecretBytes::new(b"half a push".to_vec())).expect("written");
        assert_eq!(f.home.pins(vault).expect("read"), pins());
        assert_eq!(f.home.journal(vault).expect("read").expect("there").expose(), b"half a push");
        f.home.clear_journal(vault).expect("cleared");
        assert!(f.home.journal(vault).expect("none").is_none());
    }

    #[test]
    fn nothing_in_clear_but_vault_ids() {
        let f = fixture();
        let device = device(1);
        f.home.set_device(provider(), &device).expect("written");
        f.home.set_pins(provider(), VaultId([1; 32]), &pins()).expect("written");
        f.home
            .set_journal(provider(), VaultId([1; 32]), &SecretBytes::new(b"canary-journal".to_vec()))
            .expect("written");
        f.home.set_default_vault(VaultId([1; 32])).expect("written");
        let canaries: [&[u8]; 6] = [
            b"canary",
            &device.keys.id.0,
            device.keys.signing_secret.expose(),
            &device.keys.kem_secret.expose()[..16],
            device.keys.w.expose(),
            &[4; 32],
        ];
        let mut files = 0;
        let mut folders = vec![f.path.clone()];
        while let Some(folder) = folders.pop() {
            assert_eq!(mode(&folder), 0o700, "{}", folder.display());
            for entry in fs::read_dir(&folder).expect("listed") {
                let path = entry.expect("an entry").path();
                if path.is_dir() {
                    folders.push(path);
                    continue;
                }
                files += 1;
                assert_eq!(mode(&path), 0o600, "{}", path.display());
                let mut bytes = fs::read(&path).expect("read");
                bytes.extend_from_slice(path.to_string_lossy().as_bytes());
                for canary in canaries {
                    assert!(!bytes.windows(canary.len()).any(|w| w == canary), "{}", path.display());
                }
            }
        }
        assert_eq!(files, 5);
    }

    #[test]
    fn damaged_cut_and_foreign_files_are_refused() {
        let f = fixture();
        f.home.set_device(provider(), &device(1)).expect("written");
        f.home.set_device(provider(), &device(2)).expect("written");
        f.home.set_pins(provider(), VaultId([1; 32]), &pins()).expect("written");
        let path = |vault: u8, name: &str| f.path.join("vaults").join(VaultId([vault; 32]).to_string()).join(name);
        let good = fs::read(path(1, "device")).expect("read");

        let damaged = |bytes: &[u8]| {
            fs::write(path(1, "device"), bytes).expect("written");
            matches!(f.home.device(VaultId([1; 32])), Err(StateError::Damaged { .. } | StateError::Newer { .. }))
        };
        for at in (0..good.len()).step_by(97).chain(0..64).chain([good.len() - 1]) {
            let mut changed = good.clone();
            changed[at] ^= 1;
            assert!(damaged(&changed), "byte {at}");
            assert!(damaged(&good[..at]), "cut at {at}");
        }
        assert!(damaged(&fs::read(path(2, "device")).expect("read")), "another vault's file");
        assert!(damaged(&fs::read(path(1, "pins")).expect("read")), "another file of the same vault");
        let error = f.home.device(VaultId([1; 32])).err().expect("an error").to_string();
        assert!(error.contains("passphrase"), "{error}");
        assert_eq!(f.home.find(&format!("{URL}2")).expect("the other one is found"), Some(VaultId([2; 32])));
        assert!(f.home.find("file:///elsewhere").is_err(), "it could have been the damaged one");

        // A home with another state key, or with none that can be one.
        fs::write(path(1, "device"), &good).expect("written");
        fs::write(f.path.join("state.key"), [9; 32]).expect("written");
        let other = Home::open(&f.path).expect("a home");
        assert!(matches!(other.device(VaultId([1; 32])), Err(StateError::Damaged { .. })));
        fs::write(f.path.join("state.key"), [9; 31]).expect("written");
        assert!(matches!(Home::open(&f.path), Err(StateError::Damaged { .. })));
    }

    #[test]
    fn newer_files_are_named_so() {
        let f = fixture();
        f.home.set_device(provider(), &device(1)).expect("written");
        let path = f.path.join("vaults").join(VaultId([1; 32]).to_string()).join("device");
        let mut bytes = fs::read(&path).expect("read");
        bytes[4] = 2;
        fs::write(&path, bytes).expect("written");
        assert!(matches!(f.home.device(VaultId([1; 32])), Err(StateError::Newer { .. })));
    }

    #[test]
    fn every_write_has_its_number() {
        let f = fixture();
        let path = f.path.join("vaults").join(VaultId([1; 32]).to_string()).join("pins");
        let mut seen = Vec::new();
        for _ in 0..3 {
            f.home.set_pins(provider(), VaultId([1; 32]), &pins()).expect("written");
            seen.push(fs::read(&path).expect("read"));
        }
        assert_eq!(seen.iter().map(|bytes| bytes[8]).collect::<Vec<_>>(), [1, 2, 3]);
        assert_ne!(seen[0][16..48], seen[1][16..48]);
        // The number is bound into the seal.
        let swapped = [&seen[2][..16], &seen[1][16..]].concat();
        fs::write(&path, swapped).expect("written");
        assert!(matches!(f.home.pins(VaultId([1; 32])), Err(StateError::Damaged { .. })));
    }

    #[test]
    fn two_runs_of_one_device() {
        let f = fixture();
        let vault = VaultId([1; 32]);
        let held = f.home.lock(vault).expect("free");
        let other = Home::open(&f.path).expect("a home");
        let error = other.lock(vault).expect_err("busy");
        assert!(matches!(error, StateError::VaultBusy { .. }));
        other.lock(VaultId([2; 32])).expect("another vault is free");
        drop(held);
        other.lock(vault).expect("free again");
    }

    #[test]
    fn takes_rights_away_from_others() {
        let f = fixture();
        fs::set_permissions(&f.path, Permissions::from_mode(0o755)).expect("changed");
        Home::open(&f.path).expect("readable by others: fixed");
        assert_eq!(mode(&f.path), 0o700);

        fs::set_permissions(&f.path, Permissions::from_mode(0o777)).expect("changed");
        assert!(matches!(Home::open(&f.path), Err(StateError::Unsafe { .. })), "others may have planted a key");
        fs::set_permissions(&f.path, Permissions::from_mode(0o700)).expect("changed");
        fs::set_permissions(f.path.join("state.key"), Permissions::from_mode(0o644)).expect("changed");
        Home::open(&f.path).expect("fixed");
        assert_eq!(mode(&f.path.join("state.key")), 0o600);

        let empty = f.path.join("empty");
        fs::create_dir(&empty).expect("made");
        fs::set_permissions(&empty, Permissions::from_mode(0o775)).expect("changed");
        Home::open(&empty).expect("nothing can have been planted");
        assert_eq!(mode(&empty), 0o700);
    }

    #[test]
    fn refuses_what_belongs_to_another_user() {
        // Root can give a folder away; for everybody else "/" is another user's.
        let folder = tempfile::tempdir().expect("a folder");
        let given = folder.path().join("given");
        fs::create_dir(&given).expect("made");
        let foreign = match std::os::unix::fs::chown(&given, Some(4711), None) {
            Ok(()) => given,
            Err(_) => PathBuf::from("/"),
        };
        let error = Home::open(&foreign).err().expect("refused");
        assert!(matches!(error, StateError::Unsafe { .. }));
        assert!(error.to_string().contains("another user"));
    }

    #[test]
    fn paths_of_the_platform() {
        let env = |pairs: &'static [(&'static str, &'static str)]| {
            move |name: &str| pairs.iter().find(|(n, _)| *n == name).map(|(_, value)| OsString::from(value))
        };
        assert_eq!(home_path(&env(&[("ZVAULT_HOME", "/z"), ("HOME", "/h")])), Some("/z".into()));
        assert_eq!(home_path(&env(&[("XDG_STATE_HOME", "/s"), ("HOME", "/h")])), Some("/s/zvault".into()));
        assert_eq!(cache_path(&env(&[("ZVAULT_CACHE_DIR", ""), ("XDG_CACHE_HOME", "/c")])), Some("/c/zvault".into()));
        let relative = home_path(&env(&[("XDG_STATE_HOME", "s"), ("HOME", "/h")])).expect("a path");
        assert!(relative.starts_with("/h"));
        assert_eq!(home_path(&env(&[])), None);
    }

    #[test]
    fn cache_folders_are_private() {
        let f = fixture();
        let path = Home::cache_folder(&f.path.join("cache"), VaultId([1; 32])).expect("made");
        assert_eq!(mode(&path), 0o700);
    }
}
