//! A stored record and its body.

use super::{BoxPart, EpochPart, Op, ascending};
use crate::blob;
use crate::cbor::{Reader, Writer};
use crate::entry::Time;
use crate::error::FormatError;
use crate::fields::{identity, not_empty, read_time, required, write_identities, write_time};
use crate::genesis::GENESIS_MAX;
use crate::header::{HEADER_LEN, Header, ObjectType};
use crate::ids::{EpochId, Identity};
use crate::limits;
use crate::read;
use crate::signed::{clear_body, clear_object, signed_len};
use crate::suite::Suite;
use std::ops::Range;

/// A stored roster record, taken apart. Ranges are into the stored bytes.
///
/// ```text
/// header (writer: the signer) | body_len u32 | body | zeros | signature
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordObject {
    /// The first 120 bytes.
    pub header: Header,
    /// The body.
    pub body: Range<usize>,
    /// Bytes before the signature; their hash is the record's identity.
    pub signed_len: usize,
    /// The signature: the rest.
    pub signature: Range<usize>,
}

/// What a record says: a CBOR map.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// In record 0 only: the genesis, verbatim.
    pub genesis: Option<Vec<u8>>,
    /// When the signer says it was; trusted by nobody.
    pub time: Time,
    /// Identities of the records that this one follows: a set, empty in record 0 only.
    pub parents: Vec<Identity>,
    /// 1 + the greatest of the parents'; 0 in record 0.
    pub n: u32,
    /// In the order in which they apply.
    pub ops: Vec<Op>,
    /// A new epoch.
    pub epoch: Option<EpochPart>,
    /// Secrets of epochs for devices, ascending by (epoch, device, pusher).
    pub boxes: Vec<BoxPart>,
    /// The epoch whose key seals it, and `salt | blob`.
    pub private: Option<(EpochId, Vec<u8>)>,
}

/// A record without its signature: `body` is an encoded [`Record`].
pub fn record_unsigned(header: &Header, body: &[u8]) -> Vec<u8> {
    clear_object(header.encode().to_vec(), body, header.suite.signature_len())
}

impl RecordObject {
    /// Takes a stored record apart. Neither the signature is verified, nor the size's class.
    pub fn parse(stored: &[u8]) -> Result<Self, FormatError> {
        const WHAT: &str = "roster record";
        read::at_most(stored.len(), limits::RECORD_STORED, WHAT)?;
        let header = Header::parse(stored)?;
        if header.object_type != ObjectType::Roster {
            return Err(FormatError::Mismatch { field: "object type" });
        }
        let signed_len = signed_len(stored, header.suite, WHAT)?;
        let body = clear_body(&stored[..signed_len], HEADER_LEN, limits::RECORD_BODY, WHAT)?;
        Ok(Self { header, body, signed_len, signature: signed_len..stored.len() })
    }
}

impl Record {
    /// The bytes. Refuses what `parse` would refuse.
    pub fn encode(&self, suite: Suite) -> Result<Vec<u8>, FormatError> {
        let mut writer = Writer::new();
        writer.map(|map| {
            if let Some(genesis) = &self.genesis {
                map.field(0, |w| w.bytes(genesis));
            }
            map.field(1, |w| write_time(w, self.time));
            map.field(2, |w| write_identities(w, &self.parents));
            map.field(4, |w| w.uint(self.n));
            if !self.ops.is_empty() {
                map.field(6, |w| w.list(&self.ops, |w, op| op.write(w)));
            }
            if let Some(epoch) = &self.epoch {
                map.field(8, |w| epoch.write(w));
            }
            if !self.boxes.is_empty() {
                let mut boxes: Vec<_> = self.boxes.iter().collect();
                boxes.sort_by_key(|part| part.place());
                map.field(10, |w| w.list(boxes, |w, part| part.write(w)));
            }
            if let Some((epoch, field)) = &self.private {
                map.field(12, |w| {
                    w.array(2);
                    w.bytes(&epoch.0);
                    w.bytes(field);
                });
            }
        });
        let bytes = writer.finish();
        Self::parse(&bytes, suite)?;
        Ok(bytes)
    }

    /// Reads all of `bytes`.
    pub fn parse(bytes: &[u8], suite: Suite) -> Result<Self, FormatError> {
        const WHAT: &str = "body of a roster record";
        read::at_most(bytes.len(), limits::RECORD_BODY, WHAT)?;
        let mut reader = Reader::new(bytes);
        let (mut genesis, mut time, mut parents, mut n) = (None, None, None, None);
        let (mut ops, mut epoch, mut boxes, mut private) = (Vec::new(), None, Vec::new(), None);
        reader.map(WHAT, |r, key| {
            match key {
                0 => genesis = Some(r.bytes("genesis", GENESIS_MAX)?.to_vec()),
                1 => time = Some(read_time(r)?),
                2 => {
                    let parent = |r: &mut Reader| identity(r, "parents");
                    parents = Some(r.ascending("parents", limits::RECORD_PARENTS, parent)?);
                }
                4 => n = Some(r.u32("number of a record")?),
                6 => {
                    let op = |r: &mut Reader| Op::read(r, suite);
                    ops = not_empty(r.list("operations", limits::RECORD_OPERATIONS, op)?)?;
                }
                8 => epoch = Some(EpochPart::read(r, suite)?),
                10 => boxes = not_empty(read_boxes(r, suite)?)?,
                12 => {
                    private = Some(r.tuple("private part", 2, |r| {
                        let epoch = EpochId(r.array_of("epoch id")?);
                        let field = r.bytes("private part", limits::RECORD_BODY)?;
                        blob::split_private(suite, field)?;
                        Ok((epoch, field.to_vec()))
                    })?);
                }
                _ => r.unknown(WHAT, key)?,
            }
            Ok(())
        })?;
        reader.end(WHAT)?;
        let record = Self {
            genesis,
            time: required(time, "time of a record")?,
            parents: required(parents, "parents")?,
            n: required(n, "number of a record")?,
            ops,
            epoch,
            boxes,
            private,
        };
        let first = record.n == 0;
        if record.genesis.is_some() != first {
            return Err(FormatError::Invalid { what: "genesis of a record" });
        }
        if record.parents.is_empty() != first {
            return Err(FormatError::Invalid { what: "parents" });
        }
        Ok(record)
    }
}

fn read_boxes(r: &mut Reader, suite: Suite) -> Result<Vec<BoxPart>, FormatError> {
    let boxes = r.list("boxes", usize::MAX, |r| BoxPart::read(r, suite))?;
    ascending(boxes.iter().map(BoxPart::place), "boxes")?;
    Ok(boxes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::{DeviceId, Domain, VaultId};
    use crate::{Mode, sizes};

    const SUITE: Suite = Suite::Default;

    #[test]
    fn records_are_stored_in_a_size_class() {
        let header = Header {
            suite: SUITE,
            object_type: ObjectType::Roster,
            mode: Mode::Clear,
            vault: VaultId([1; 32]),
            epoch: EpochId::NONE,
            domain: Domain::SHARED,
            writer: DeviceId([3; 16]),
            salt: [4; 32],
        };
        let mut stored = record_unsigned(&header, b"body");
        let signed = stored.len();
        stored.resize(signed + SUITE.signature_len(), 9);
        assert!(sizes::is_class(stored.len()));
        let object = RecordObject::parse(&stored).expect("a record");
        assert_eq!((object.header, object.signed_len), (header, signed));
        assert_eq!(&stored[object.body], b"body");
        assert!(matches!(RecordObject::parse(&vec![0; limits::RECORD_STORED + 1]), Err(FormatError::Limit { .. })));
    }
}
