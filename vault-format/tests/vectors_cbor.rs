//! The vectors of the CBOR half: every file below `testdata/v1/<folder>` must give the outcome that it names.
//!
//! ```text
//! structure: <name>
//! outcome: ok | error: <variant of FormatError>
//! suite: 2            where it is not 1
//! field: <text>       what the error's message names
//! reencode: no        of an ok one that this version does not write
//! note: <why>
//!
//! <hex>
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use vault_format::cbor::Reader;
use vault_format::genesis::Genesis;
use vault_format::history::HistoryFile;
use vault_format::log::{Body, EntryContent, EntryObject, entry_prefix};
use vault_format::pairing::{Message, WelcomeSecrets, mail_object, parse_mail};
use vault_format::roster::{PrivatePart, Record, RecordObject, SlotPlain, record_unsigned};
use vault_format::signed::clear_object;
use vault_format::ticket::Extras;
use vault_format::{FormatError, Suite};

#[test]
fn every_vector_gives_its_outcome() {
    let mut outcomes: BTreeMap<String, BTreeSet<bool>> = BTreeMap::new();
    let mut failures = Vec::new();
    for folder in FOLDERS {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/v1").join(folder);
        for file in std::fs::read_dir(&folder).expect("a folder of vectors") {
            let path = file.expect("an entry of the folder").path();
            let vector = Vector::read(&path);
            if let Err(wrong) = vector.check() {
                failures.push(format!("{}: {wrong}", path.display()));
            }
            let seen = outcomes.entry(vector.structure).or_default();
            seen.insert(vector.error.is_none());
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    let both = BTreeSet::from([false, true]);
    let all = STRUCTURES.map(|name| (name.to_owned(), both.clone()));
    assert_eq!(outcomes, BTreeMap::from(all), "every structure has good and bad vectors");
}

struct Vector {
    structure: String,
    error: Option<String>,
    suite: Suite,
    field: Option<String>,
    reencode: bool,
    bytes: Vec<u8>,
}

impl Vector {
    fn read(path: &Path) -> Self {
        let text = std::fs::read_to_string(path).expect("a vector");
        let (head, hex) = text.split_once("\n\n").expect("an empty line before the hex");
        let mut lines: BTreeMap<_, _> = head.lines().filter_map(|line| line.split_once(": ")).collect();
        let vector = Self {
            structure: lines.remove("structure").expect("a structure").to_owned(),
            error: match lines.remove("outcome").expect("an outcome") {
                "ok" => None,
                error => Some(error.strip_prefix("error: ").expect("ok or error").to_owned()),
            },
            suite: match lines.remove("suite") {
                None => Suite::Default,
                Some("2") => Suite::Fips,
                Some(other) => panic!("suite {other} in {path:?}"),
            },
            field: lines.remove("field").map(str::to_owned),
            reencode: lines.remove("reencode") != Some("no"),
            bytes: hex::decode(hex.split_whitespace().collect::<String>()).expect("hex"),
        };
        lines.remove("note");
        assert!(lines.is_empty(), "unknown lines in {path:?}: {lines:?}");
        vector
    }

    /// What is wrong, if anything is.
    fn check(&self) -> Result<(), String> {
        match (parse(&self.structure, self.suite, &self.bytes), &self.error) {
            (Ok(again), None) if (again.as_ref() == Some(&self.bytes)) == self.reencode => Ok(()),
            (Ok(_), None) if self.reencode => Err("is written differently".to_owned()),
            (Ok(_), None) => Err("is written the same".to_owned()),
            (Err(error), Some(expected)) => {
                let field = self.field.as_deref().unwrap_or_default();
                if error.name() == expected && error.to_string().contains(field) {
                    Ok(())
                } else {
                    Err(format!("should be {expected} of {field}, is {error:?}"))
                }
            }
            (Ok(_), Some(expected)) => Err(format!("should be {expected}, is read")),
            (Err(error), None) => Err(format!("should be read, is {error:?}")),
        }
    }
}

/// Reads `bytes`, and gives what is written for the value; `None` if this version does not write it.
fn parse(structure: &str, suite: Suite, bytes: &[u8]) -> Result<Option<Vec<u8>>, FormatError> {
    Ok(match structure {
        "cbor" => {
            let mut reader = Reader::new(bytes);
            let value = reader.raw("v")?.to_vec();
            reader.end("v")?;
            Some(value)
        }
        "genesis" => Some(Genesis::parse(bytes)?.encode()),
        "history" => HistoryFile::parse(bytes)?.encode().ok(),
        "log body" => Body::parse(bytes)?.encode().ok(),
        "log object" => {
            let object = EntryObject::parse(bytes, suite)?;
            let prefix = entry_prefix(&object.header, object.seq, &object.prev);
            assert_eq!(prefix.len(), object.prefix_len);
            Some(match object.content {
                EntryContent::Clear { body } => {
                    let unsigned = clear_object(prefix, &bytes[body], suite.signature_len());
                    signed(unsigned, bytes, object.signed_len)
                }
                EntryContent::Sealed { commit, frame } => {
                    [&prefix, &bytes[commit], &bytes[frame], &bytes[object.signature]].concat()
                }
            })
        }
        "roster body" => Record::parse(bytes, suite)?.encode(suite).ok(),
        "roster object" => {
            let object = RecordObject::parse(bytes)?;
            let unsigned = record_unsigned(&object.header, &bytes[object.body]);
            Some(signed(unsigned, bytes, object.signed_len))
        }
        "slot" => Some(SlotPlain::parse(bytes)?.encode(suite)?),
        "ticket extras" => Extras::parse(bytes)?.encode().ok(),
        "pairing message" => Message::parse(bytes, suite)?.encode(suite).ok(),
        "welcome secrets" => WelcomeSecrets::parse(bytes)?.encode().ok(),
        "mail object" => mail_object(suite, parse_mail(suite, bytes)?).ok(),
        "private" => Some(PrivatePart::parse(bytes)?.encode()?),
        other => panic!("no structure {other}"),
    })
}

fn signed(unsigned: Vec<u8>, stored: &[u8], signed_len: usize) -> Vec<u8> {
    [&unsigned, &stored[signed_len..]].concat()
}

const FOLDERS: [&str; 9] = ["cbor", "extras", "genesis", "history", "log", "pairing", "private", "roster", "slot"];
const STRUCTURES: [&str; 13] = [
    "cbor",
    "genesis",
    "history",
    "log body",
    "log object",
    "mail object",
    "pairing message",
    "private",
    "roster body",
    "roster object",
    "slot",
    "ticket extras",
    "welcome secrets",
];
