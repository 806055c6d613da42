//! Objects that end in a signature: log entries and roster records (SPEC sections 10.1 and 11.2).

use crate::error::FormatError;
use crate::header::ObjectType;
use crate::ids::VaultId;
use crate::read::{Reader, zeros};
use crate::sizes;
use crate::suite::Suite;
use std::ops::Range;

/// What a device signs. `hash_of_signed` is `H` of everything before the signature: the identity of the entry or record.
pub fn signature_message(suite: Suite, object_type: ObjectType, vault: &VaultId, hash_of_signed: &[u8; 32]) -> Vec<u8> {
    let mut out = b"zvault v1 sig".to_vec();
    out.extend([suite.byte(), object_type as u8]);
    out.extend_from_slice(&vault.0);
    out.extend_from_slice(hash_of_signed);
    out
}

/// `prefix | body_len u32 | body | zeros`: a clear object without its signature, as long as makes the whole one of a size in SPEC section 13.
pub fn clear_object(prefix: Vec<u8>, body: &[u8], signature_len: usize) -> Vec<u8> {
    let len = u32::try_from(body.len()).expect("bodies are far below 4 GiB: encode() bounds them");
    let mut out = prefix;
    out.extend_from_slice(&len.to_le_bytes());
    out.extend_from_slice(body);
    let stored = sizes::class(out.len() + signature_len);
    out.resize(stored - signature_len, 0);
    out
}

/// Where the signature starts: the end of what is signed.
pub(crate) fn signed_len(stored: &[u8], suite: Suite, what: &'static str) -> Result<usize, FormatError> {
    stored.len().checked_sub(suite.signature_len()).ok_or(FormatError::Truncated { what })
}

/// Finds the body in what follows the prefix of a clear object, up to the signature. Nothing but zeros follows it.
pub(crate) fn clear_body(
    signed: &[u8],
    prefix_len: usize,
    limit: usize,
    what: &'static str,
) -> Result<Range<usize>, FormatError> {
    let mut reader = Reader::new(signed);
    reader.take(prefix_len, what)?;
    let len = reader.u32(what)? as usize;
    if len > limit {
        return Err(FormatError::Limit { what, limit: limit as u64 });
    }
    reader.take(len, what)?;
    let padding = reader.take(reader.left(), what)?;
    zeros(padding, "padding before the signature")?;
    let start = prefix_len + 4;
    Ok(start..start + len)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn clear_objects_have_a_size_class_and_give_their_body_back(prefix in 0..500usize, body in proptest::collection::vec(any::<u8>(), 0..9000)) {
            let signature_len = Suite::Default.signature_len();
            let unsigned = clear_object(vec![7; prefix], &body, signature_len);
            prop_assert!(sizes::is_class(unsigned.len() + signature_len));
            let range = clear_body(&unsigned, prefix, 9000, "object").expect("a clear object");
            prop_assert_eq!(&unsigned[range], &body[..]);
        }
    }

    #[test]
    fn the_signature_names_suite_type_and_vault() {
        let message = signature_message(Suite::Fips, ObjectType::Roster, &VaultId([3; 32]), &[4; 32]);
        assert_eq!(message, [&b"zvault v1 sig\x02\x06"[..], &[3; 32], &[4; 32]].concat());
    }
}
