//! Log entries as records of checkpoints, and their signed bytes made again from these (SPEC section 10.5).

use crypto_backends::{Key, Provider};
use vault_format::checkpoint::{EntryRecord, RecordContent};
use vault_format::frame::{ONLY_SLOT, Text, overhead};
use vault_format::header::COMMIT_LEN;
use vault_format::log::{EntryContent, EntryObject};
use vault_format::{FormatError, Frame, ObjectHash, ObjectType, limits};

use super::frame::{ObjectKeys, Opener, SealError, Unpacker};

/// Makes records of entries, and entries of records. Keeps its buffers.
pub(crate) struct EntryAgain {
    provider: &'static Provider,
    opener: Opener,
    unpacker: Unpacker,
    signed: Vec<u8>,
}

impl EntryAgain {
    pub(crate) fn new(provider: &'static Provider) -> Self {
        Self { provider, opener: Opener::new(), unpacker: Unpacker::default(), signed: Vec::new() }
    }

    /// Appends the record of a stored entry, which was verified before, to a part. `dek` is the key of a sealed one.
    pub(crate) fn write_record(
        &mut self,
        object: &EntryObject,
        stored: &[u8],
        name: ObjectHash,
        dek: Option<&Key>,
        part: &mut Vec<u8>,
    ) -> Result<(), SealError> {
        let content = match &object.content {
            EntryContent::Clear { body } => RecordContent::Clear { body: &stored[body.clone()] },
            EntryContent::Sealed { commit, frame } => {
                let dek = dek.ok_or(SealError::Commitment)?;
                let keys = self.keys(dek, &stored[..object.prefix_len]);
                keys.check_commit(&stored[commit.clone()])?;
                let frame = &stored[frame.clone()];
                let Frame { nonce, tag, .. } = Frame::split(self.provider.suite, frame)?;
                let Text { codec, plain_len, body } = self.opener.open_text(&keys, ONLY_SLOT, true, frame)?;
                RecordContent::Sealed { nonce, tag, codec, plain_len, body }
            }
        };
        let EntryObject { header, seq, ref prev, signed_len, .. } = *object;
        let record = EntryRecord { object: name, header, seq, prev: prev.clone(), signed_len, content };
        record.check()?;
        record.write(part);
        Ok(())
    }

    /// The bytes before the signature of the entry that a record is of. `dek` is the key of a sealed one, which opens what comes out.
    /// What that is worth its hash says.
    pub(crate) fn signed(&mut self, record: &EntryRecord<'_>, dek: Option<&Key>) -> Result<&[u8], SealError> {
        match record.content {
            RecordContent::Clear { .. } => self.signed = record.clear_bytes().unwrap_or_default(),
            RecordContent::Sealed { nonce, tag, codec, plain_len, body } => {
                let dek = dek.ok_or(SealError::Commitment)?;
                let prefix = record.prefix();
                let keys = self.keys(dek, &prefix);
                let rest = prefix.len() + COMMIT_LEN + overhead(self.provider.suite);
                let text_len = record.signed_len.checked_sub(rest);
                let text_len = text_len.ok_or(FormatError::Truncated { what: "record of a checkpoint" })?;
                self.signed.clear();
                self.signed.extend_from_slice(&prefix);
                self.signed.extend_from_slice(&keys.commit());
                let text = (codec, plain_len, body);
                keys.append_frame_again(ONLY_SLOT, true, text, text_len, (nonce, tag), &mut self.signed)?;
            }
        }
        Ok(&self.signed)
    }

    /// The body of the entry that a record is of.
    pub(crate) fn body<'a>(&'a mut self, record: &EntryRecord<'a>) -> Result<&'a [u8], SealError> {
        match record.content {
            RecordContent::Clear { body } => Ok(body),
            RecordContent::Sealed { codec, plain_len, body, .. } => {
                self.unpacker.plain(ONLY_SLOT, &Text { codec, plain_len, body }, limits::ENTRY_BODY)
            }
        }
    }

    fn keys(&self, dek: &Key, prefix: &[u8]) -> ObjectKeys {
        ObjectKeys::new(self.provider, dek, self.provider.hash.hash(&[prefix]), ObjectType::Entry as u8)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stage::testing::{random_bytes, text_bytes};
    use crate::stage::{dek, seal_object};
    use crypto_backends::rustcrypto::provider;
    use vault_format::checkpoint::parse_part;
    use vault_format::header::HEADER_LEN;
    use vault_format::log::entry_prefix;
    use vault_format::{Codec, DeviceId, Domain, EpochId, Header, Identity, Mode, VaultId};

    const VAULT: VaultId = VaultId([1; 32]);

    fn key(prefix: &[u8], salt: &[u8; 32]) -> Key {
        dek(provider(), &Key::new([8; 32]), prefix, salt)
    }

    /// A stored entry, whose signature is no matter here.
    fn stored(seq: u64, prev: &[Identity], body: &[u8]) -> Vec<u8> {
        let header = Header {
            suite: provider().suite,
            object_type: ObjectType::Entry,
            mode: Mode::Symmetric,
            vault: VAULT,
            epoch: EpochId([2; 16]),
            domain: Domain::SHARED,
            writer: DeviceId([3; 16]),
            salt: [seq as u8; 32],
        };
        let prefix = entry_prefix(&header, seq, prev);
        let (dek, extra) = (key(&prefix, &header.salt), &prefix[HEADER_LEN..]);
        let reserve = provider().suite.signature_len();
        let mut bytes = seal_object(provider(), &header, extra, &dek, body, Some(3), reserve).expect("seals");
        bytes.resize(bytes.len() + reserve, 7);
        bytes
    }

    #[test]
    fn signed_bytes_come_back_from_records() {
        let bodies = [text_bytes(1, 50), random_bytes(1, 1500), text_bytes(2, 20_000), random_bytes(2, 190_000)];
        let mut again = EntryAgain::new(provider());
        let mut part = Vec::new();
        let mut entries = Vec::new();
        for (n, body) in bodies.iter().enumerate() {
            let prev: Vec<_> = (0..n as u8).map(|n| Identity([n; 32])).collect();
            let stored = stored(n as u64 + 1, &prev, body);
            let object = EntryObject::parse(&stored, provider().suite).expect("an entry");
            let dek = key(&stored[..object.prefix_len], &object.header.salt);
            again.write_record(&object, &stored, ObjectHash([n as u8; 32]), Some(&dek), &mut part).expect("a record");
            entries.push((stored, object));
        }
        let records = parse_part(&part, provider().suite, VAULT).expect("a part");
        let mut packed = 0;
        for (n, ((record, (stored, object)), body)) in records.iter().zip(&entries).zip(&bodies).enumerate() {
            let dek = key(&record.prefix(), &record.header.salt);
            assert_eq!(again.signed(record, Some(&dek)).expect("made"), &stored[..object.signed_len]);
            assert_eq!(again.body(record).expect("a body"), body);
            assert_eq!(record.object, ObjectHash([n as u8; 32]));
            packed += u8::from(matches!(record.content, RecordContent::Sealed { codec: Codec::Zstd, .. }));
        }
        assert_eq!(packed, 1, "only where the object becomes smaller");
    }

    #[test]
    fn any_changed_bit_of_a_record_gives_other_bytes_or_none() {
        let stored = stored(4, &[Identity([9; 32])], b"a body");
        let object = EntryObject::parse(&stored, provider().suite).expect("an entry");
        let dek = key(&stored[..object.prefix_len], &object.header.salt);
        let mut again = EntryAgain::new(provider());
        let mut part = Vec::new();
        again.write_record(&object, &stored, ObjectHash([5; 32]), Some(&dek), &mut part).expect("a record");
        // The one field that the entry does not have: its name, which the reader compares with what is listed.
        let object_at = 16 * 3 + 3 + 8 + 12..16 * 3 + 3 + 8 + 12 + 32;
        for bit in (0..part.len() * 8).filter(|bit| !object_at.contains(&(bit / 8))) {
            let mut changed = part.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            let Ok(records) = parse_part(&changed, provider().suite, VAULT) else { continue };
            for record in &records {
                let dek = key(&record.prefix(), &record.header.salt);
                let signed = again.signed(record, Some(&dek));
                assert!(
                    signed.is_err() || signed.is_ok_and(|signed| signed != &stored[..object.signed_len]),
                    "bit {bit}"
                );
            }
        }
    }
}
