//! A file of local state that is too large to be sealed at once: blocks, each sealed by itself, read from any place.
//!
//! ```text
//! "ZVSB" | version u8, 1 | suite u8 | reserved 2 | id 16 | (length u32 | blob of SPEC section 5.4)...
//! ```
//!
//! Number, the file's random id, and whether it is the last are bound into the seal of each block: none can be left out,
//! exchanged or taken from an older file. It is not made to last: what is lost here is read anew from elsewhere.

use super::StateError;
use super::file::file_key;
use crate::stage::{SealError, open_blob, seal_blob};
use crypto_backends::{Key, Provider, SecretBytes, Suite};
use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use vault_format::ids::VaultId;

/// Writes blocks one after another. The file appears when it is finished, in the place of the one before.
pub(crate) struct BlockWriter {
    file: BufWriter<File>,
    /// Goes away unless the file is finished.
    unfinished: tempfile::TempPath,
    path: PathBuf,
    seal: Seal,
    number: u32,
}

/// Reads blocks in any order.
pub(crate) struct BlockReader {
    file: File,
    path: PathBuf,
    seal: Seal,
    /// Where each blob begins, and how long it is.
    places: Vec<(u64, u32)>,
}

/// What every block of one file is sealed with.
struct Seal {
    provider: &'static Provider,
    key: Key,
    head: [u8; HEAD_LEN],
    vault: VaultId,
}

impl BlockWriter {
    pub(super) fn create(
        provider: &'static Provider,
        key: &Key,
        vault: VaultId,
        path: PathBuf,
    ) -> Result<Self, StateError> {
        let mut head = [0; HEAD_LEN];
        head[..4].copy_from_slice(MAGIC);
        (head[4], head[5]) = (VERSION, provider.suite.byte());
        provider
            .random
            .fill(&mut head[8..])
            .map_err(|source| StateError::Seal { path: path.clone(), source: Box::new(source) })?;
        // A name that the next run writes over, should this one be killed.
        let new = path.with_extension("new");
        let file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&new);
        let written = file.map(BufWriter::new).and_then(|mut file| file.write_all(&head).map(|()| file));
        let file = written.map_err(failed("write", &path))?;
        let unfinished = tempfile::TempPath::try_from_path(new).map_err(failed("write", &path))?;
        Ok(Self {
            file,
            unfinished,
            path,
            seal: Seal { provider, key: file_key(provider, key), head, vault },
            number: 0,
        })
    }

    /// Adds a block.
    pub(crate) fn add(&mut self, plain: &[u8]) -> Result<(), StateError> {
        self.write(plain, false)
    }

    /// Adds the last block, and puts the file in its place.
    pub(crate) fn finish(mut self, plain: &[u8]) -> Result<(), StateError> {
        self.write(plain, true)?;
        // Without a sync: after a crash it may be cut, and is noticed to be.
        let flushed = self.file.into_inner().map_err(io::IntoInnerError::into_error);
        let put = flushed.and_then(|_| self.unfinished.persist(&self.path).map_err(|error| error.error));
        put.map_err(failed("write", &self.path))
    }

    fn write(&mut self, plain: &[u8], last: bool) -> Result<(), StateError> {
        let blob = self
            .seal
            .seal(self.number, last, plain)
            .map_err(|source| StateError::Seal { path: self.path.clone(), source: Box::new(source) })?;
        self.number += 1;
        let len = u32::try_from(blob.len()).unwrap_or(u32::MAX);
        let written = self.file.write_all(&len.to_le_bytes()).and_then(|()| self.file.write_all(&blob));
        written.map_err(failed("write", &self.path))
    }
}

impl BlockReader {
    /// None: there is no such file. What is cut off or none at all is an error.
    pub(super) fn open(key: &Key, vault: VaultId, path: PathBuf) -> Result<Option<Self>, StateError> {
        let mut file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed("read", &path)(error)),
        };
        let damaged = |why| StateError::Damaged { path: path.clone(), why };
        let size = file.metadata().map_err(failed("read", &path))?.len();
        let mut head = [0; HEAD_LEN];
        file.read_exact(&mut head).map_err(|_| damaged("it is too short"))?;
        let provider = Suite::from_byte(head[5]).and_then(crypto_backends::provider);
        let (true, Some(provider)) = (head[..5] == [&MAGIC[..], &[VERSION]].concat() && head[6..8] == [0, 0], provider)
        else {
            return Err(damaged("it is no file of blocks"));
        };
        let (mut places, mut at) = (Vec::new(), HEAD_LEN as u64);
        while at < size {
            let mut len = [0; 4];
            let read = file.seek(SeekFrom::Start(at)).and_then(|_| file.read_exact(&mut len));
            read.map_err(|_| damaged("it is cut off"))?;
            let len = u32::from_le_bytes(len);
            if len as usize > MAX_BLOB || at + 4 + u64::from(len) > size {
                return Err(damaged("it is cut off"));
            }
            places.push((at + 4, len));
            at += 4 + u64::from(len);
        }
        Ok(Some(Self { file, path, seal: Seal { provider, key: file_key(provider, key), head, vault }, places }))
    }

    /// How many blocks there are.
    pub(crate) fn count(&self) -> usize {
        self.places.len()
    }

    /// A block by its number.
    pub(crate) fn read(&mut self, number: usize) -> Result<SecretBytes, StateError> {
        let damaged = |why| StateError::Damaged { path: self.path.clone(), why };
        let (at, len) = *self.places.get(number).ok_or(damaged("it is cut off"))?;
        let mut blob = vec![0; len as usize];
        let read = self.file.seek(SeekFrom::Start(at)).and_then(|_| self.file.read_exact(&mut blob));
        read.map_err(failed("read", &self.path))?;
        let last = number + 1 == self.places.len();
        self.seal.open(number as u32, last, &blob).map_err(|_| damaged("its bytes changed"))
    }
}

impl Seal {
    fn seal(&self, number: u32, last: bool, plain: &[u8]) -> Result<Vec<u8>, SealError> {
        seal_blob(self.provider, BLOB_TYPE, &self.context(number, last), &self.key, plain, 0)
    }

    fn open(&self, number: u32, last: bool, blob: &[u8]) -> Result<SecretBytes, SealError> {
        open_blob(self.provider, BLOB_TYPE, &self.context(number, last), &self.key, blob)
    }

    fn context(&self, number: u32, last: bool) -> Vec<u8> {
        [b"zvault v1 state blocks", &self.head[..], &self.vault.0, &number.to_le_bytes(), &[u8::from(last)]].concat()
    }
}

fn failed(what: &'static str, path: &Path) -> impl Fn(io::Error) -> StateError {
    let path = path.to_owned();
    move |source| StateError::Io { what, path: path.clone(), source }
}

const MAGIC: &[u8; 4] = b"ZVSB";
const VERSION: u8 = 1;
const HEAD_LEN: usize = 24;
/// Beyond the blob types of the vault format, and beside that of other local state.
const BLOB_TYPE: u8 = 65;
/// No writer makes larger ones.
const MAX_BLOB: usize = 1 << 20;

#[cfg(test)]
mod tests {
    use super::*;
    use crypto_backends::rustcrypto::provider;
    use std::fs;

    #[test]
    fn blocks_come_back_in_any_order_and_nothing_else_does() {
        let folder = tempfile::tempdir().expect("a folder");
        let (path, key, vault) = (folder.path().join("blocks"), Key::new([7; 32]), VaultId([1; 32]));
        assert!(BlockReader::open(&key, vault, path.clone()).expect("looked").is_none());
        let write = |last: &[u8]| {
            let mut writer = BlockWriter::create(provider(), &key, vault, path.clone()).expect("begun");
            writer.add(b"first").expect("written");
            writer.add(b"other").expect("written");
            writer.finish(last).expect("finished");
            fs::read(&path).expect("read")
        };
        let older = write(b"older");
        let bytes = write(b"newer");
        let read = |key: &Key, vault| -> Option<Vec<Vec<u8>>> {
            let mut reader = BlockReader::open(key, vault, path.clone()).ok()??;
            let numbers = (0..reader.count()).rev();
            let blocks = numbers.map(|number| reader.read(number).ok().map(|plain| plain.expose().to_vec()));
            blocks.collect()
        };
        assert_eq!(read(&key, vault).expect("opens"), [&b"newer"[..], b"other", b"first"]);
        assert!(read(&Key::new([8; 32]), vault).is_none() && read(&key, VaultId([2; 32])).is_none());
        // Cut at a block's end, with a byte changed, or with a block of another file.
        let block = (bytes.len() - HEAD_LEN) / 3;
        for end in 0..bytes.len() {
            fs::write(&path, &bytes[..end]).expect("written");
            assert!(read(&key, vault).is_none_or(|blocks| blocks.is_empty()), "{end}");
        }
        for at in (0..bytes.len()).step_by(7) {
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            fs::write(&path, &changed).expect("written");
            assert!(read(&key, vault).is_none(), "{at}");
        }
        let mixed = [&bytes[..bytes.len() - block], &older[bytes.len() - block..]].concat();
        fs::write(&path, &mixed).expect("written");
        assert!(read(&key, vault).is_none());
    }
}
