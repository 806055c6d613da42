//! An exported history: what a third party verifies (SPEC section 19).

use crate::error::FormatError;
use crate::ids::VaultId;
use crate::limits;
use crate::read::{self, Reader};
use crate::suite::Suite;

/// The file, taken apart. Nothing in it is verified.
///
/// ```text
/// "ZVHI" | major u8 | suite u8 | reserved 2 | vault id 32 | records | entries
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HistoryFile<'a> {
    /// Of everything in it.
    pub suite: Suite,
    /// The vault that it says it is of.
    pub vault: VaultId,
    /// Roster records, as they are stored.
    pub records: Vec<&'a [u8]>,
    /// Log entries.
    pub entries: Vec<HistoryEntry<'a>>,
}

/// A log entry in the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HistoryEntry<'a> {
    /// As it is stored.
    pub stored: &'a [u8],
    /// The key of its body, 32 bytes, if it is sealed and the exporter had it.
    pub dek: Option<&'a [u8; 32]>,
}

impl<'a> HistoryFile<'a> {
    /// The inverse of [`HistoryFile::parse`].
    pub fn encode(&self) -> Result<Vec<u8>, FormatError> {
        let mut out = Vec::new();
        out.extend_from_slice(MAGIC);
        out.extend_from_slice(&[MAJOR, self.suite.byte(), 0, 0]);
        out.extend_from_slice(&self.vault.0);
        put_len(&mut out, self.records.len())?;
        for record in &self.records {
            put_object(&mut out, record, limits::RECORD_STORED)?;
        }
        put_len(&mut out, self.entries.len())?;
        for HistoryEntry { stored, dek } in &self.entries {
            put_object(&mut out, stored, limits::ENTRY_STORED)?;
            out.push(u8::from(dek.is_some()));
            dek.iter().for_each(|dek| out.extend_from_slice(&dek[..]));
        }
        read::at_most(out.len(), limits::HISTORY, WHAT)?;
        Ok(out)
    }

    /// Takes a file apart.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, FormatError> {
        read::at_most(bytes.len(), limits::HISTORY, WHAT)?;
        let mut reader = Reader::new(bytes);
        if reader.array(WHAT)? != *MAGIC {
            return Err(FormatError::Invalid { what: "magic of a history" });
        }
        let [major, suite, reserved @ ..] = reader.array::<4>(WHAT)?;
        if major != MAJOR {
            return Err(FormatError::NewerFormat { field: "version of a history", value: u64::from(major) });
        }
        let suite =
            Suite::from_byte(suite).ok_or(FormatError::NewerFormat { field: "suite", value: u64::from(suite) })?;
        if reserved != [0, 0] {
            return Err(FormatError::NotZero { what: "reserved bytes of a history" });
        }
        let vault = VaultId(reader.array(WHAT)?);
        let mut records = Vec::new();
        for _ in 0..count(&mut reader, 4)? {
            records.push(object(&mut reader, limits::RECORD_STORED)?);
        }
        let mut entries = Vec::new();
        for _ in 0..count(&mut reader, 5)? {
            let stored = object(&mut reader, limits::ENTRY_STORED)?;
            let dek = match reader.u8(WHAT)? {
                0 => None,
                1 => Some(reader.take(32, WHAT)?.first_chunk().expect("32 bytes")),
                _ => return Err(FormatError::Invalid { what: "mark of a key" }),
            };
            entries.push(HistoryEntry { stored, dek });
        }
        match reader.left() {
            0 => Ok(Self { suite, vault, records, entries }),
            _ => Err(FormatError::Trailing { what: WHAT }),
        }
    }
}

fn count(reader: &mut Reader<'_>, least: usize) -> Result<u32, FormatError> {
    let count = reader.u32(WHAT)?;
    reader.room(count as usize, least, WHAT)?;
    Ok(count)
}

fn object<'a>(reader: &mut Reader<'a>, limit: usize) -> Result<&'a [u8], FormatError> {
    let len = reader.u32(WHAT)? as usize;
    read::at_most(len, limit, WHAT)?;
    reader.take(len, WHAT)
}

fn put_len(out: &mut Vec<u8>, len: usize) -> Result<(), FormatError> {
    read::at_most(len, limits::HISTORY, WHAT)?;
    out.extend_from_slice(&(len as u32).to_le_bytes());
    Ok(())
}

fn put_object(out: &mut Vec<u8>, stored: &[u8], limit: usize) -> Result<(), FormatError> {
    read::at_most(stored.len(), limit, WHAT)?;
    put_len(out, stored.len())?;
    out.extend_from_slice(stored);
    Ok(())
}

const MAGIC: &[u8; 4] = b"ZVHI";
const MAJOR: u8 = 1;
const WHAT: &str = "history";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_encoded_is_parsed_and_nothing_else() {
        let entry = |dek| HistoryEntry { stored: b"entry", dek };
        let file = HistoryFile {
            suite: Suite::Default,
            vault: VaultId([7; 32]),
            records: vec![b"record", b""],
            entries: vec![entry(None), entry(Some(&[9; 32]))],
        };
        let bytes = file.encode().expect("encoded");
        assert_eq!(HistoryFile::parse(&bytes), Ok(file));
        for at in 0..bytes.len() {
            assert!(HistoryFile::parse(&bytes[..at]).is_err(), "{at}");
        }
        for (at, byte) in [(0, b'X'), (4, 2), (5, 9), (6, 1), (43, 0xff), (47, 0xff), (bytes.len() - 33, 2)] {
            let mut wrong = bytes.clone();
            wrong[at] = byte;
            assert!(HistoryFile::parse(&wrong).is_err(), "{at}");
        }
        assert!(HistoryFile::parse(&[&bytes[..], b"x"].concat()).is_err());
    }
}
