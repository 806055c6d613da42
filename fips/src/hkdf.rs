//! HKDF-SHA-256 (RFC 5869, SP 800-56C section 5) over framed inputs, as SPEC section 3 says.
use crypto_backends::contract::EXPAND_MAX;
use crypto_backends::{FipsStatus, Kdf, Key};

use crate::{CERTIFIED, module};

pub(crate) struct HkdfSha256;

impl Kdf for HkdfSha256 {
    fn derive(&self, label: &'static str, secret: &[u8], salt: &[u8], context: &[&[u8]]) -> Key {
        Key::make(|key| fill(label, secret, salt, context, key).ok_or(())).expect(NEVER)
    }

    fn expand(&self, label: &'static str, secret: &[u8], context: &[&[u8]], out: &mut [u8]) {
        assert!(out.len() <= EXPAND_MAX, "expand gives at most {EXPAND_MAX} bytes");
        fill(label, secret, &[], context, out).expect(NEVER);
    }

    fn fips(&self) -> FipsStatus {
        CERTIFIED
    }
}

/// Salt and info are never empty: the label stands in both. The zero after it and the lengths of what follows keep two infos from
/// being the same bytes; labels have no zeros. Info is public.
fn fill(label: &'static str, secret: &[u8], salt: &[u8], context: &[&[u8]], out: &mut [u8]) -> Option<()> {
    let mut info = [label.as_bytes(), &[0]].concat();
    for part in context {
        info.extend_from_slice(&(part.len() as u64).to_le_bytes());
        info.extend_from_slice(part);
    }
    module::hkdf_sha256(secret, if salt.is_empty() { label.as_bytes() } else { salt }, &info, out)
}

/// It allocates nothing, and lengths are the callers' constants.
const NEVER: &str = "HKDF gives at most 255 blocks, and they are not more";
