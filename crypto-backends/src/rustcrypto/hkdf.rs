//! HKDF-SHA-256 (RFC 5869, SP 800-56C section 5) over framed inputs, as SPEC section 3 says.
use hkdf::Hkdf;
use sha2::Sha256;
use zeroize::Zeroize;

use crate::Key;
use crate::contract::{EXPAND_MAX, Kdf};

pub(crate) struct HkdfSha256;

impl Kdf for HkdfSha256 {
    fn derive(&self, label: &'static str, secret: &[u8], salt: &[u8], context: &[&[u8]]) -> Key {
        let mut key = Key::zeroed();
        fill(label, secret, salt, context, key.expose_mut());
        key
    }

    fn expand(&self, label: &'static str, secret: &[u8], context: &[&[u8]], out: &mut [u8]) {
        assert!(out.len() <= EXPAND_MAX, "expand gives at most {EXPAND_MAX} bytes");
        fill(label, secret, &[], context, out);
    }
}

/// Salt and info are never empty: the label stands in both. The zero after it and the lengths of what follows keep two infos from
/// being the same bytes; labels have no zeros.
fn fill(label: &'static str, secret: &[u8], salt: &[u8], context: &[&[u8]], out: &mut [u8]) {
    let lens: Vec<[u8; 8]> = context.iter().map(|part| (part.len() as u64).to_le_bytes()).collect();
    let mut info: Vec<&[u8]> = vec![label.as_bytes(), &[0]];
    for (len, part) in lens.iter().zip(context) {
        info.extend([&len[..], part]);
    }
    hkdf_sha256(secret, if salt.is_empty() { label.as_bytes() } else { salt }, &info, out);
}

fn hkdf_sha256(secret: &[u8], salt: &[u8], info: &[&[u8]], out: &mut [u8]) {
    let (mut prk, hkdf) = Hkdf::<Sha256>::extract(Some(salt), secret);
    prk.as_mut_slice().zeroize();
    hkdf.expand_multi_info(info, out).expect("at most 255 blocks: the callers' constants");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::known_answers;

    const LABEL: &str = "zvault v1 02 test";

    #[test]
    fn every_input_counts_and_borders_count() {
        type Inputs = (&'static str, &'static [u8], &'static [u8], &'static [&'static [u8]]);
        let inputs: [Inputs; 9] = [
            (LABEL, b"secret", b"salt", &[b"ab"]),
            ("zvault v1 02 other", b"secret", b"salt", &[b"ab"]),
            (LABEL, b"secreT", b"salt", &[b"ab"]),
            (LABEL, b"secret", b"salT", &[b"ab"]),
            (LABEL, b"secret", b"salt", &[b"a", b"b"]),
            (LABEL, b"secret", b"salt", &[b"ab", b""]),
            (LABEL, b"secret", b"salt", &[]),
            (LABEL, b"secret", b"", &[b"ab"]),
            (LABEL, b"secret", b"", &[b"salt", b"ab"]),
        ];
        let keys =
            inputs.map(|(label, secret, salt, context)| *HkdfSha256.derive(label, secret, salt, context).expose());
        for (i, a) in keys.iter().enumerate() {
            assert!(keys[..i].iter().all(|b| a != b), "input {i}");
        }
    }

    #[test]
    fn expand_is_one_stream() {
        let mut long = [0; EXPAND_MAX];
        let mut short = [0; 100];
        HkdfSha256.expand(LABEL, b"secret", &[b"scope"], &mut long);
        HkdfSha256.expand(LABEL, b"secret", &[b"scope"], &mut short);
        assert_eq!(long[..100], short);
        assert_eq!(short[..32], *HkdfSha256.derive(LABEL, b"secret", b"", &[b"scope"]).expose());
        assert!(long.chunks(32).zip(long.chunks(32).skip(1)).all(|(a, b)| a != b));
    }

    #[test]
    #[should_panic(expected = "at most 8160 bytes")]
    fn expand_keeps_to_the_limit() {
        HkdfSha256.expand(LABEL, b"secret", &[], &mut [0; EXPAND_MAX + 1]);
    }

    #[test]
    fn known_answers_below_our_framing() {
        let derive = |secret: &[u8], salt: &[u8], info: &[u8], out: &mut [u8]| {
            hkdf_sha256(secret, salt, &[info], out);
            Some(())
        };
        assert_eq!(known_answers::below::hkdf_sha256(derive), 21);
    }
}
