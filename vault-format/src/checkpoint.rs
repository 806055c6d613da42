//! The parts of checkpoints: log entries without their signatures, many in one object (SPEC section 10.5).

use crate::error::FormatError;
use crate::frame::{self, Codec, TEXT_HEAD};
use crate::header::{COMMIT_LEN, HEADER_LEN, Header, Mode, ObjectType};
use crate::ids::{DeviceId, Domain, EpochId, Identity, ObjectHash, VaultId};
use crate::limits;
use crate::log::{check_chain, entry_prefix};
use crate::read::{Reader, at_most};
use crate::suite::{Suite, TAG_LEN};

/// All that it takes to make the signed bytes of a stored log entry again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EntryRecord<'a> {
    /// The hash of the stored bytes, signature included: with device and `seq` the name of the object.
    pub object: ObjectHash,
    /// Of the entry.
    pub header: Header,
    /// Its place in the log.
    pub seq: u64,
    /// The entries that it follows, ascending.
    pub prev: Vec<Identity>,
    /// Bytes before the signature.
    pub signed_len: usize,
    /// What it holds.
    pub content: RecordContent<'a>,
}

/// What an entry holds, by the mode of its header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RecordContent<'a> {
    /// Mode 1: the text of the frame, and of the sealed one what no key gives.
    Sealed {
        /// Of the suite's length.
        nonce: &'a [u8],
        /// Over ciphertext and place.
        tag: &'a [u8; TAG_LEN],
        /// How the body is compressed.
        codec: Codec,
        /// Bytes of the body after decompression.
        plain_len: u32,
        /// As it stands in the text.
        body: &'a [u8],
    },
    /// Mode 3.
    Clear {
        /// The body.
        body: &'a [u8],
    },
}

impl EntryRecord<'_> {
    /// The bytes of header and chain part.
    pub fn prefix(&self) -> Vec<u8> {
        entry_prefix(&self.header, self.seq, &self.prev)
    }

    /// Appends the record to a part. What `parse_part` would refuse must not be written: [`EntryRecord::check`].
    pub fn write(&self, out: &mut Vec<u8>) {
        let (codec, plain_len, body) = match self.content {
            RecordContent::Sealed { codec, plain_len, body, .. } => (codec as u8, plain_len, body),
            RecordContent::Clear { body } => (Codec::Stored as u8, body.len() as u32, body),
        };
        out.extend_from_slice(&self.header.writer.0);
        out.extend_from_slice(&self.header.epoch.0);
        out.extend_from_slice(&self.header.domain.0);
        out.extend([self.header.mode as u8, self.prev.len() as u8, codec]);
        out.extend_from_slice(&self.seq.to_le_bytes());
        for number in [self.signed_len as u32, plain_len, body.len() as u32] {
            out.extend_from_slice(&number.to_le_bytes());
        }
        out.extend_from_slice(&self.object.0);
        out.extend_from_slice(&self.header.salt);
        out.extend(self.prev.iter().flat_map(|prev| prev.0));
        if let RecordContent::Sealed { nonce, tag, .. } = self.content {
            out.extend_from_slice(nonce);
            out.extend_from_slice(tag);
        }
        out.extend_from_slice(body);
    }

    /// Refuses what no stored entry can be.
    pub fn check(&self) -> Result<(), FormatError> {
        let Self { header, seq, prev, signed_len, content, .. } = self;
        at_most(prev.len(), limits::ENTRY_PREV, "predecessors")?;
        check_chain(*seq, prev)?;
        at_most(*signed_len, limits::ENTRY_STORED - header.suite.signature_len(), WHAT)?;
        let prefix = HEADER_LEN + CHAIN_HEAD + prev.len() * Identity::LEN;
        let (least, mode) = match content {
            RecordContent::Sealed { nonce, codec, plain_len, body, .. } => {
                if nonce.len() != header.suite.nonce_len() {
                    return Err(FormatError::Invalid { what: "nonce" });
                }
                at_most(*plain_len as usize, limits::ENTRY_BODY, WHAT)?;
                if *codec == Codec::Stored && *plain_len as usize != body.len() {
                    return Err(FormatError::Invalid { what: "length of a stored body" });
                }
                (prefix + COMMIT_LEN + frame::overhead(header.suite) + TEXT_HEAD + body.len(), Mode::Symmetric)
            }
            RecordContent::Clear { body } => {
                at_most(body.len(), limits::ENTRY_BODY, WHAT)?;
                (prefix + 4 + body.len(), Mode::Clear)
            }
        };
        if header.mode != mode || header.object_type != ObjectType::Entry {
            return Err(FormatError::Mismatch { field: "mode" });
        }
        // What does not fit, and what would be read back as something else.
        if least > *signed_len {
            return Err(FormatError::Truncated { what: WHAT });
        }
        Ok(())
    }

    /// The bytes before the signature, of an entry in clear; `None` of a sealed one.
    pub fn clear_bytes(&self) -> Option<Vec<u8>> {
        let RecordContent::Clear { body } = self.content else { return None };
        let mut out = self.prefix();
        out.reserve(self.signed_len.saturating_sub(out.len()));
        out.extend_from_slice(&(body.len() as u32).to_le_bytes());
        out.extend_from_slice(body);
        out.resize(self.signed_len, 0);
        Some(out)
    }
}

/// Reads a plain part of a checkpoint of a vault: records, one after another.
pub fn parse_part(bytes: &[u8], suite: Suite, vault: VaultId) -> Result<Vec<EntryRecord<'_>>, FormatError> {
    at_most(bytes.len(), limits::INDEX_PLAIN, "part of a checkpoint")?;
    let mut reader = Reader::new(bytes);
    let mut records = Vec::new();
    while reader.left() > 0 {
        records.push(read_record(&mut reader, suite, vault)?);
    }
    Ok(records)
}

fn read_record<'a>(reader: &mut Reader<'a>, suite: Suite, vault: VaultId) -> Result<EntryRecord<'a>, FormatError> {
    let writer = DeviceId(reader.array(WHAT)?);
    let epoch = EpochId(reader.array(WHAT)?);
    let domain = Domain(reader.array(WHAT)?);
    let [mode, prev_count, codec] = reader.array(WHAT)?;
    let newer = |field, value: u8| FormatError::NewerFormat { field, value: u64::from(value) };
    let mode = Mode::from_byte(mode).ok_or(newer("mode", mode))?;
    let codec = match codec {
        0 => Codec::Stored,
        1 if mode == Mode::Symmetric => Codec::Zstd,
        other => return Err(newer("codec", other)),
    };
    let seq = u64::from_le_bytes(reader.array(WHAT)?);
    let signed_len = reader.u32(WHAT)? as usize;
    let plain_len = reader.u32(WHAT)?;
    let body_len = reader.u32(WHAT)? as usize;
    let object = ObjectHash(reader.array(WHAT)?);
    let salt = reader.array(WHAT)?;
    at_most(usize::from(prev_count), limits::ENTRY_PREV, "predecessors")?;
    let prev = (0..prev_count).map(|_| reader.array(WHAT).map(Identity)).collect::<Result<Vec<_>, _>>()?;
    let header = Header { suite, object_type: ObjectType::Entry, mode, vault, epoch, domain, writer, salt };
    let content = match mode {
        Mode::Symmetric => {
            let nonce = reader.take(suite.nonce_len(), WHAT)?;
            let (tag, _) =
                reader.take(TAG_LEN, WHAT)?.split_first_chunk().ok_or(FormatError::Truncated { what: WHAT })?;
            RecordContent::Sealed { nonce, tag, codec, plain_len, body: reader.take(body_len, WHAT)? }
        }
        Mode::Clear if plain_len as usize != body_len => {
            return Err(FormatError::Invalid { what: "length of a stored body" });
        }
        Mode::Clear => RecordContent::Clear { body: reader.take(body_len, WHAT)? },
        Mode::Sealed => return Err(FormatError::Mismatch { field: "mode" }),
    };
    let record = EntryRecord { object, header, seq, prev, signed_len, content };
    record.check()?;
    Ok(record)
}

/// Bytes of the chain part without `prev`.
const CHAIN_HEAD: usize = 8 + 4;
const WHAT: &str = "record of a checkpoint";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::{EntryContent, EntryObject};
    use crate::signed::clear_object;
    use proptest::prelude::*;

    const VAULT: VaultId = VaultId([7; 32]);

    fn header(mode: Mode) -> Header {
        Header {
            suite: Suite::Default,
            object_type: ObjectType::Entry,
            mode,
            vault: VAULT,
            epoch: if mode == Mode::Clear { EpochId::NONE } else { EpochId([2; 16]) },
            domain: Domain::SHARED,
            writer: DeviceId([3; 16]),
            salt: [4; 32],
        }
    }

    fn record<'a>(body: &'a [u8], sealed: bool) -> EntryRecord<'a> {
        let content = match sealed {
            true => {
                RecordContent::Sealed { nonce: &[5; 24], tag: &[6; TAG_LEN], codec: Codec::Zstd, plain_len: 1000, body }
            }
            false => RecordContent::Clear { body },
        };
        EntryRecord {
            object: ObjectHash([1; 32]),
            header: header(if sealed { Mode::Symmetric } else { Mode::Clear }),
            seq: 3,
            prev: vec![Identity([8; 32]), Identity([9; 32])],
            signed_len: 4096,
            content,
        }
    }

    fn part(records: &[EntryRecord<'_>]) -> Vec<u8> {
        let mut out = Vec::new();
        records.iter().for_each(|record| record.write(&mut out));
        out
    }

    fn parse(bytes: &[u8]) -> Result<Vec<EntryRecord<'_>>, FormatError> {
        parse_part(bytes, Suite::Default, VAULT)
    }

    proptest! {
        #[test]
        fn parts_round_trip(bodies in proptest::collection::vec((proptest::collection::vec(any::<u8>(), 0..300), any::<bool>()), 0..9)) {
            let records: Vec<_> = bodies.iter().map(|(body, sealed)| record(body, *sealed)).collect();
            prop_assert!(records.iter().all(|record| record.check().is_ok()));
            let part = part(&records);
            prop_assert_eq!(parse(&part).expect("a part"), records);
        }

        #[test]
        fn arbitrary_bytes_never_panic(bytes: Vec<u8>, at in 0..400usize, byte: u8) {
            let _ = parse(&bytes);
            let mut changed = part(&[record(&bytes, true), record(&bytes, false)]);
            let end = changed.len();
            changed[at % end] = byte;
            let _ = parse(&changed).map(|records| records.iter().map(EntryRecord::clear_bytes).collect::<Vec<_>>());
            let _ = parse(&changed[..at.min(end)]);
        }
    }

    #[test]
    fn what_no_entry_can_be_is_refused() {
        let body = [9; 50];
        let good = record(&body, true);
        assert!(parse(&part(std::slice::from_ref(&good))).is_ok());
        let bad = [
            EntryRecord { seq: 0, ..good.clone() },
            EntryRecord { seq: 1, ..good.clone() },
            EntryRecord { prev: vec![Identity([9; 32]), Identity([8; 32])], ..good.clone() },
            EntryRecord { prev: vec![Identity([9; 32]); 2], ..good.clone() },
            EntryRecord { prev: (0..9).map(|n| Identity([n; 32])).collect(), ..good.clone() },
            EntryRecord { signed_len: 300, ..good.clone() },
            EntryRecord { signed_len: limits::ENTRY_STORED, ..good.clone() },
            EntryRecord {
                content: RecordContent::Sealed {
                    nonce: &[5; 24],
                    tag: &[6; TAG_LEN],
                    codec: Codec::Stored,
                    plain_len: 51,
                    body: &body,
                },
                ..good.clone()
            },
            EntryRecord { header: header(Mode::Clear), ..good },
        ];
        for (n, bad) in bad.iter().enumerate() {
            assert!(bad.check().is_err(), "{n}");
            assert!(parse(&part(std::slice::from_ref(bad))).is_err(), "{n}");
        }
    }

    #[test]
    fn an_entry_in_clear_comes_back_byte_for_byte() {
        let mut record = record(b"\xa0", false);
        let signed = clear_object(record.prefix(), b"\xa0", Suite::Default.signature_len());
        record.signed_len = signed.len();
        assert_eq!(record.clear_bytes().expect("in clear"), signed);
        let stored = [&signed[..], &vec![1; Suite::Default.signature_len()]].concat();
        let object = EntryObject::parse(&stored, Suite::Default).expect("an entry");
        assert_eq!((object.seq, &object.prev, object.header), (record.seq, &record.prev, record.header));
        assert!(matches!(object.content, EntryContent::Clear { body } if stored[body.clone()] == b"\xa0"[..]));
    }
}
