//! Blobs: a commitment and one frame (SPEC section 5.4). Roster records and local state are made of them.

use crate::stage::{ObjectKeys, SealError};
use crypto_backends::{Key, Provider, SecretBytes};
use vault_format::{
    frame::{ONLY_SLOT, TEXT_HEAD, overhead},
    header::COMMIT_LEN,
    Codec,
};

/// Seals `plain` under `dek`. The text is padded so that the blob has `len` bytes, where one is asked for.
pub(crate) fn seal(
    provider: &'static Provider,
    blob_type: u8,
    dek: &Key,
    context: &[u8],
    plain: &[u8],
    len: Option<usize>,
) -> Result<Vec<u8>, SealError> {
    let keys = ObjectKeys::new(provider, dek, provider.hash.hash(&[context]), blob_type);
    let around = COMMIT_LEN + overhead(provider.suite);
    let text_len = len.map_or(TEXT_HEAD + plain.len(), |len| len.saturating_sub(around));
    let plain_len = u32::try_from(plain.len()).unwrap_or(u32::MAX);
    let mut out = keys.commit().to_vec();
    keys.seal_frame(ONLY_SLOT, true, Codec::Stored, plain_len, plain, text_len, &mut out)?;
    Ok(out)
}

/// Opens a blob. [`SealError::Commitment`] means another key or another context; nothing was opened then.
pub(crate) fn open(
    provider: &'static Provider,
    blob_type: u8,
    dek: &Key,
    context: &[u8],
    blob: &[u8],
) -> Result<SecretBytes, SealError> {
    let keys = ObjectKeys::new(provider, dek, provider.hash.hash(&[context]), blob_type);
    let (commit, frame) = blob
        .split_at_checked(COMMIT_LEN)
        .ok_or(vault_format::FormatError::Truncated { what: "blob" })?;
    keys.check_commit(commit)?;
    let mut plain = Vec::with_capacity(frame.len());
    keys.open_frame(ONLY_SLOT, true, frame, frame.len(), &mut plain)?;
    Ok(SecretBytes::new(plain))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crypto_backends::rustcrypto::provider;

    #[test]
    fn blobs_bind_key_type_and_context() {
        let key = Key::new([1; 32]);
        let blob = seal(provider(), 16, &key, b"context", b"plain", Some(500)).expect("sealed");
        assert_eq!(blob.len(), 500);
        let open = |blob_type, key: u8, context: &[u8], blob: &[u8]| {
            open(provider(), blob_type, &Key::new([key; 32]), context, blob).map(|plain| plain.expose().to_vec())
        };
        assert_eq!(open(16, 1, b"context", &blob).expect("opens"), b"plain");
        assert!(open(17, 1, b"context", &blob).is_err());
        assert!(matches!(open(16, 2, b"context", &blob), Err(SealError::Commitment)));
        assert!(matches!(open(16, 1, b"contexts", &blob), Err(SealError::Commitment)));
        for at in 0..blob.len() {
            let mut changed = blob.clone();
            changed[at] ^= 1;
            assert!(open(16, 1, b"context", &changed).is_err(), "byte {at}");
            assert!(open(16, 1, b"context", &blob[..at]).is_err());
        }
        assert!(seal(provider(), 16, &key, b"context", &[0; 500], Some(500)).is_err(), "does not fit");
    }
}
