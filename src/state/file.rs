//! One file of local state: sealed, and replaced as a whole.
//!
//! ```text
//! "ZVST" | version u8, 1 | suite u8 | reserved 2 | counter u64 | blob of SPEC section 5.4
//! ```

use super::StateError;
use crate::stage::{SealError, open_blob, seal_blob};
use crypto_backends::{Key, Provider, SecretBytes, Suite};
use std::{
    fs::{self, File},
    io::{self, Read, Write},
    path::{Path, PathBuf},
};
use vault_format::ids::VaultId;

/// What a sealed file is, which is bound into its seal: no file can stand in for another.
pub(super) struct Place<'a> {
    pub(super) path: PathBuf,
    pub(super) name: &'a str,
    pub(super) vault: VaultId,
}

/// Seals and replaces. Every write has a number of its own, one above what it replaces.
pub(super) fn seal(
    provider: &'static Provider,
    key: &Key,
    place: &Place<'_>,
    plain: &SecretBytes,
) -> Result<(), StateError> {
    let counter = match read(&place.path, HEAD_LEN as u64)? {
        Some(old) => parse_head(&old).map_or(1, |(_, counter)| counter.wrapping_add(1)),
        None => 1,
    };
    write_atomically(&place.path, &seal_bytes(provider, key, place, counter, plain)?)
}

/// What a file would hold.
pub(super) fn seal_bytes(
    provider: &'static Provider,
    key: &Key,
    place: &Place<'_>,
    counter: u64,
    plain: &SecretBytes,
) -> Result<Vec<u8>, StateError> {
    let head = head(provider.suite, counter);
    let failed = |source: SealError| StateError::Seal { path: place.path.clone(), source: Box::new(source) };
    let blob = seal_blob(provider, BLOB_TYPE, &context(place, &head), &file_key(provider, key), plain.expose(), 0);
    Ok([&head[..], &blob.map_err(failed)?].concat())
}

/// Opens. `None`: there is no such file.
pub(super) fn open(key: &Key, place: &Place<'_>) -> Result<Option<(&'static Provider, SecretBytes)>, StateError> {
    let Some(bytes) = read(&place.path, MAX_LEN + 1)? else { return Ok(None) };
    open_bytes(key, place, &bytes).map(Some)
}

/// Opens what a file would hold.
pub(super) fn open_bytes(
    key: &Key,
    place: &Place<'_>,
    bytes: &[u8],
) -> Result<(&'static Provider, SecretBytes), StateError> {
    let path = &place.path;
    let damaged = |why| StateError::Damaged { path: path.clone(), why };
    if bytes.len() as u64 > MAX_LEN {
        return Err(damaged("it is too long"));
    }
    let (head, blob) = bytes.split_at_checked(HEAD_LEN).ok_or(damaged("it is too short"))?;
    if &head[..4] != MAGIC {
        return Err(damaged("it is no state file"));
    }
    let (suite, _) = parse_head(head).ok_or_else(|| StateError::Newer { path: path.clone() })?;
    let other = || StateError::Suite { path: path.clone(), suite: suite.byte() };
    let provider = crypto_backends::provider(suite).ok_or_else(other)?;
    let plain = open_blob(provider, BLOB_TYPE, &context(place, head), &file_key(provider, key), blob);
    plain.map(|plain| (provider, plain)).map_err(|error| match error {
        SealError::Commitment => damaged("it was not sealed by this device for this vault"),
        _ => damaged("its bytes changed"),
    })
}

/// Up to `limit` bytes of a file. `None`: there is no such file.
pub(super) fn read(path: &Path, limit: u64) -> Result<Option<Vec<u8>>, StateError> {
    let failed = |source| StateError::Io { what: "read", path: path.to_owned(), source };
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(error)),
    };
    let mut bytes = Vec::new();
    file.take(limit).read_to_end(&mut bytes).map_err(failed)?;
    Ok(Some(bytes))
}

/// After a crash there is the old file or the new one, never a part of either; mode 0600.
pub(super) fn write_atomically(path: &Path, bytes: &[u8]) -> Result<(), StateError> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let write = || -> io::Result<()> {
        let mut file = beside(folder)?;
        file.write_all(bytes)?;
        file.as_file().sync_all()?;
        file.persist(path).map_err(|error| error.error)?;
        sync_folder(folder)
    };
    write().map_err(|source| StateError::Io { what: "write", path: path.to_owned(), source })
}

/// Like [`write_atomically`], but leaves a file alone that another process wrote first.
pub(super) fn write_new(path: &Path, bytes: &[u8]) -> Result<(), StateError> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let write = || -> io::Result<()> {
        let mut file = beside(folder)?;
        file.write_all(bytes)?;
        file.as_file().sync_all()?;
        match file.persist_noclobber(path) {
            Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            Err(error) => Err(error.error),
            Ok(_) => sync_folder(folder),
        }
    };
    write().map_err(|source| StateError::Io { what: "write", path: path.to_owned(), source })
}

fn beside(folder: &Path) -> io::Result<tempfile::NamedTempFile> {
    // Mode 0600 from its first moment on.
    tempfile::Builder::new().prefix(".new-").tempfile_in(folder)
}

/// A rename lasts only when its folder does.
pub(super) fn sync_folder(folder: &Path) -> io::Result<()> {
    fs::File::open(folder)?.sync_all()
}

pub(super) fn file_key(provider: &Provider, key: &Key) -> Key {
    provider.kdf.derive(LABEL, key.expose(), &[], &[])
}

fn context(place: &Place<'_>, head: &[u8]) -> Vec<u8> {
    [b"zvault v1 state", head, &place.vault.0, place.name.as_bytes()].concat()
}

fn head(suite: Suite, counter: u64) -> [u8; HEAD_LEN] {
    let mut head = [0; HEAD_LEN];
    head[..4].copy_from_slice(MAGIC);
    head[4] = VERSION;
    head[5] = suite.byte();
    head[8..].copy_from_slice(&counter.to_le_bytes());
    head
}

/// `None`: not a head that this version writes.
fn parse_head(bytes: &[u8]) -> Option<(Suite, u64)> {
    let head: &[u8; HEAD_LEN] = bytes.first_chunk()?;
    let suite = Suite::from_byte(head[5])?;
    let counter = u64::from_le_bytes(*head.last_chunk()?);
    (head[..] == self::head(suite, counter)).then_some((suite, counter))
}

const MAGIC: &[u8; 4] = b"ZVST";
const VERSION: u8 = 1;
const HEAD_LEN: usize = 16;
/// Beyond the blob types of the vault format: what is sealed here never stands in a vault.
const BLOB_TYPE: u8 = 64;
const LABEL: &str = "zvault v1 local state";
/// Journals and pins of the largest vaults are far below.
const MAX_LEN: u64 = 64 << 20;
