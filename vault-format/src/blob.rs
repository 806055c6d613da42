//! Sealed blobs inside roster records: their contexts and their split (SPEC section 5.4).
//!
//! A context is what a blob's keys and associated data hang on: `C = H(context)`.

use crate::cbor::Writer;
use crate::error::FormatError;
use crate::frame::{self, overhead};
use crate::header::COMMIT_LEN;
use crate::ids::{DeviceId, EpochId, VaultId};
use crate::limits::SLOT_BLOB;
use crate::read::put_lp;
use crate::roster::SlotKdf;
use crate::suite::Suite;

/// What a blob is: the type in its frame's key and associated data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum BlobType {
    /// The keys of a virtual device under a passphrase or words.
    Slot = 16,
    /// The secrets of an epoch for one reader.
    ReaderBox = 17,
    /// The secrets of an epoch for one push-only device.
    PusherBox = 18,
    /// Names and device secrets, for readers.
    Private = 19,
    /// The epoch's KEM secret, for readers.
    EpochSecretKey = 20,
    /// The secrets of all earlier epochs.
    History = 21,
    /// What a sponsor gives a joiner besides Noise.
    Welcome = 22,
}

/// A blob: slot 0, last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Blob<'a> {
    /// Compared before anything is opened.
    pub commit: &'a [u8; COMMIT_LEN],
    /// One frame, to the end.
    pub frame: &'a [u8],
}

impl<'a> Blob<'a> {
    /// Splits the bytes of exactly one blob.
    pub fn split(suite: Suite, bytes: &'a [u8]) -> Result<Self, FormatError> {
        if bytes.len() < min_len(suite) {
            return Err(SHORT);
        }
        let (commit, frame) = bytes.split_first_chunk().ok_or(SHORT)?;
        Ok(Self { commit, frame })
    }
}

/// Splits a box into KEM ciphertext and blob.
pub fn split_box(suite: Suite, bytes: &[u8]) -> Result<(&[u8], &[u8]), FormatError> {
    bytes.split_at_checked(suite.kem_ct_len()).filter(|(_, blob)| blob.len() >= min_len(suite)).ok_or(SHORT)
}

/// Splits a private part into salt and blob.
pub fn split_private(suite: Suite, field: &[u8]) -> Result<(&[u8; 32], &[u8]), FormatError> {
    field.split_first_chunk().filter(|(_, blob)| blob.len() >= min_len(suite)).ok_or(SHORT)
}

/// Bytes of the smallest blob: of an empty body.
pub const fn min_len(suite: Suite) -> usize {
    COMMIT_LEN + overhead(suite) + frame::TEXT_HEAD
}

/// Bytes of the text (head, body and zeros) in a slot's frame, so that the blob has `SLOT_BLOB` bytes.
pub const fn slot_text_len(suite: Suite) -> usize {
    SLOT_BLOB - COMMIT_LEN - overhead(suite)
}

/// Context of a slot. It holds no vault id: the one that counts is inside the slot.
pub fn slot_context(suite: Suite, kdf: &SlotKdf, salt: &[u8; 32], verify_key: &[u8], kem_key: &[u8]) -> Vec<u8> {
    let mut parameters = Writer::new();
    parameters.array(2);
    kdf.write(&mut parameters);
    let mut out = start(suite, BlobType::Slot);
    put_lp(&mut out, &parameters.finish());
    out.extend_from_slice(salt);
    put_lp(&mut out, verify_key);
    put_lp(&mut out, kem_key);
    out
}

/// Context of the box for one device.
pub fn box_context(
    suite: Suite,
    pusher: bool,
    vault: &VaultId,
    epoch: &EpochId,
    device: &DeviceId,
    kem_key: &[u8],
    kem_ciphertext: &[u8],
) -> Vec<u8> {
    let blob_type = if pusher { BlobType::PusherBox } else { BlobType::ReaderBox };
    let mut out = start_of_epoch(suite, blob_type, vault, epoch);
    out.extend_from_slice(&device.0);
    put_lp(&mut out, kem_key);
    put_lp(&mut out, kem_ciphertext);
    out
}

/// Context of the private part; `salt` stands before its blob.
pub fn private_context(suite: Suite, vault: &VaultId, epoch: &EpochId, salt: &[u8; 32]) -> Vec<u8> {
    let mut out = start_of_epoch(suite, BlobType::Private, vault, epoch);
    out.extend_from_slice(salt);
    out
}

/// Context of the epoch's KEM secret; `public` is its other half.
pub fn epoch_secret_context(suite: Suite, vault: &VaultId, epoch: &EpochId, public: &[u8]) -> Vec<u8> {
    let mut out = start_of_epoch(suite, BlobType::EpochSecretKey, vault, epoch);
    put_lp(&mut out, public);
    out
}

/// Context of the secrets of earlier epochs, sealed with a new one.
pub fn history_context(suite: Suite, vault: &VaultId, epoch: &EpochId) -> Vec<u8> {
    start_of_epoch(suite, BlobType::History, vault, epoch)
}

/// Context of the sealed part of a welcome; `handshake` is the hash after message 2 (SPEC section 18.4).
pub fn welcome_context(
    suite: Suite,
    vault: &VaultId,
    handshake: &[u8; 32],
    device: &DeviceId,
    kem_key: &[u8],
    kem_ciphertext: &[u8],
) -> Vec<u8> {
    let mut out = start(suite, BlobType::Welcome);
    out.extend_from_slice(&vault.0);
    out.extend_from_slice(handshake);
    out.extend_from_slice(&device.0);
    put_lp(&mut out, kem_key);
    put_lp(&mut out, kem_ciphertext);
    out
}

fn start_of_epoch(suite: Suite, blob_type: BlobType, vault: &VaultId, epoch: &EpochId) -> Vec<u8> {
    let mut out = start(suite, blob_type);
    out.extend_from_slice(&vault.0);
    out.extend_from_slice(&epoch.0);
    out
}

fn start(suite: Suite, blob_type: BlobType) -> Vec<u8> {
    let mut out = b"zvault v1 blob".to_vec();
    out.extend([suite.byte(), blob_type as u8]);
    out
}

const SHORT: FormatError = FormatError::Truncated { what: "blob" };

#[cfg(test)]
mod tests {
    use super::*;

    const VAULT: VaultId = VaultId([0xaa; 32]);
    const EPOCH: EpochId = EpochId([0xbb; 16]);

    #[test]
    fn contexts_are_those_of_spec_5_4() {
        let start = |kind: u8| [b"zvault v1 blob", &[1, kind][..]].concat();
        let epoch = |kind: u8| [&start(kind)[..], &[0xaa; 32], &[0xbb; 16]].concat();

        let kdf = SlotKdf::Argon2id { m_kib: 65_536, t: 3, p: 1 };
        // [1, [65536, 3, 1]]
        let expected = [&start(16)[..], b"\x0a\x82\x01\x83\x1a\0\x01\0\0\x03\x01", &[7; 32], b"\x02vk\x03kem"].concat();
        assert_eq!(slot_context(Suite::Default, &kdf, &[7; 32], b"vk", b"kem"), expected);

        for (pusher, kind) in [(false, 17), (true, 18)] {
            let context = box_context(Suite::Default, pusher, &VAULT, &EPOCH, &DeviceId([0xcc; 16]), b"kem", b"ct");
            assert_eq!(context, [&epoch(kind)[..], &[0xcc; 16], b"\x03kem\x02ct"].concat());
        }
        assert_eq!(private_context(Suite::Default, &VAULT, &EPOCH, &[7; 32]), [&epoch(19)[..], &[7; 32]].concat());
        assert_eq!(epoch_secret_context(Suite::Default, &VAULT, &EPOCH, b"pk"), [&epoch(20)[..], b"\x02pk"].concat());
        assert_eq!(history_context(Suite::Default, &VAULT, &EPOCH), epoch(21));
        let context = welcome_context(Suite::Default, &VAULT, &[9; 32], &DeviceId([0xcc; 16]), b"kem", b"ct");
        assert_eq!(context, [&start(22)[..], &VAULT.0, &[9; 32], &[0xcc; 16], b"\x03kem\x02ct"].concat());
        assert_eq!(history_context(Suite::Fips, &VAULT, &EPOCH)[14], 2);
    }

    #[test]
    fn blobs_split_at_fixed_places() {
        for suite in [Suite::Default, Suite::Fips] {
            let blob = vec![5; min_len(suite)];
            let split = Blob::split(suite, &blob).expect("a blob");
            assert_eq!((split.commit.len(), split.frame.len()), (32, min_len(suite) - 32));
            assert_eq!(Blob::split(suite, &blob[1..]), Err(SHORT));

            let boxed = [vec![6; suite.kem_ct_len()], blob.clone()].concat();
            assert_eq!(split_box(suite, &boxed), Ok((&boxed[..suite.kem_ct_len()], &blob[..])));
            assert_eq!(split_box(suite, &boxed[1..]), Err(SHORT));

            let private = [vec![6; 32], blob.clone()].concat();
            assert_eq!(split_private(suite, &private), Ok((&[6; 32], &blob[..])));
            assert_eq!(split_private(suite, &private[1..]), Err(SHORT));

            assert_eq!(COMMIT_LEN + overhead(suite) + slot_text_len(suite), 8192);
        }
    }
}
