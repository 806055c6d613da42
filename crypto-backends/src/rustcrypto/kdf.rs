//! BLAKE3 `derive_key` (BLAKE3 paper, section 2.3) over framed inputs, as SPEC section 3 says.
use zeroize::Zeroize;

use crate::Key;
use crate::contract::{EXPAND_MAX, Kdf};

pub(crate) struct Blake3Kdf;

impl Kdf for Blake3Kdf {
    fn derive(&self, label: &'static str, secret: &[u8], salt: &[u8], context: &[&[u8]]) -> Key {
        let mut key = Key::zeroed();
        fill(label, secret, salt, context, key.expose_mut());
        key
    }

    fn expand(&self, label: &'static str, secret: &[u8], context: &[&[u8]], out: &mut [u8]) {
        // BLAKE3 could give more, but then suite 0x02 could not serve the same caller.
        assert!(out.len() <= EXPAND_MAX, "expand gives at most {EXPAND_MAX} bytes");
        fill(label, secret, &[], context, out);
    }
}

/// Every variable-length input is framed by its length, so that no two inputs give the same material.
fn fill(label: &'static str, secret: &[u8], salt: &[u8], context: &[&[u8]], out: &mut [u8]) {
    let mut hasher = blake3::Hasher::new_derive_key(label);
    for part in [secret, salt].iter().chain(context) {
        hasher.update(&(part.len() as u64).to_le_bytes());
        hasher.update(part);
    }
    let mut output = hasher.finalize_xof();
    output.fill(out);
    output.zeroize();
    hasher.zeroize();
}

#[cfg(test)]
mod tests {
    use super::*;

    const LABEL: &str = "zvault v1 01 test";

    #[test]
    fn material_is_as_the_spec_says() {
        let mut material = Vec::new();
        for part in [b"secret".as_slice(), b"salt", b"one", b"", b"three"] {
            material.extend((part.len() as u64).to_le_bytes());
            material.extend(part);
        }
        let key = Blake3Kdf.derive(LABEL, b"secret", b"salt", &[b"one", b"", b"three"]);
        assert_eq!(*key.expose(), blake3::derive_key(LABEL, &material));
    }

    #[test]
    fn every_input_counts_and_borders_count() {
        type Inputs = (&'static str, &'static [u8], &'static [u8], &'static [&'static [u8]]);
        let inputs: [Inputs; 10] = [
            (LABEL, b"secret", b"salt", &[b"ab"]),
            ("zvault v1 01 other", b"secret", b"salt", &[b"ab"]),
            (LABEL, b"secreT", b"salt", &[b"ab"]),
            (LABEL, b"secret", b"salT", &[b"ab"]),
            (LABEL, b"secrets", b"alt", &[b"ab"]),
            (LABEL, b"secret", b"salt", &[b"a", b"b"]),
            (LABEL, b"secret", b"salt", &[b"ab", b""]),
            (LABEL, b"secret", b"salt", &[]),
            (LABEL, b"secret", b"", &[b"ab"]),
            (LABEL, b"secret", b"", &[b"salt", b"ab"]),
        ];
        let keys =
            inputs.map(|(label, secret, salt, context)| *Blake3Kdf.derive(label, secret, salt, context).expose());
        for (i, a) in keys.iter().enumerate() {
            assert!(keys[..i].iter().all(|b| a != b), "input {i}");
        }
    }

    #[test]
    fn expand_is_one_stream() {
        let mut long = [0; EXPAND_MAX];
        let mut short = [0; 100];
        Blake3Kdf.expand(LABEL, b"secret", &[b"scope"], &mut long);
        Blake3Kdf.expand(LABEL, b"secret", &[b"scope"], &mut short);
        assert_eq!(long[..100], short);
        assert_eq!(short[..32], *Blake3Kdf.derive(LABEL, b"secret", b"", &[b"scope"]).expose());
        assert!(long.chunks(32).zip(long.chunks(32).skip(1)).all(|(a, b)| a != b));
    }

    #[test]
    #[should_panic(expected = "at most 8160 bytes")]
    fn expand_keeps_to_the_limit_of_both_suites() {
        Blake3Kdf.expand(LABEL, b"secret", &[], &mut [0; EXPAND_MAX + 1]);
    }

    /// BLAKE3's own vectors, below our framing: `derive_key` and its extended output.
    #[test]
    fn official_derive_key_vectors() {
        let context = "BLAKE3 2019-12-27 16:29:52 test vectors context";
        for (len, expected) in DERIVE_KEY {
            let input: Vec<u8> = (0..len).map(|i| (i % 251) as u8).collect();
            let expected = hex::decode(expected).unwrap();
            let mut out = vec![0; expected.len()];
            blake3::Hasher::new_derive_key(context).update(&input).finalize_xof().fill(&mut out);
            assert_eq!(out, expected, "{len} bytes");
        }
    }

    /// BLAKE3-team/BLAKE3, test_vectors/test_vectors.json, field `derive_key`; the first in full.
    const DERIVE_KEY: [(usize, &str); 4] = [
        (
            0,
            "2cc39783c223154fea8dfb7c1b1660f2ac2dcbd1c1de8277b0b0dd39b7e50d7d905630c8be290dfcf3e6842f13bddd57\
             3c098c3f17361f1f206b8cad9d088aa4a3f746752c6b0ce6a83b0da81d59649257cdf8eb3e9f7d4998e41021fac119de\
             efb896224ac99f860011f73609e6e0e4540f93b273e56547dfd3aa1a035ba6689d89a0",
        ),
        (1, "b3e2e340a117a499c6cf2398a19ee0d29cca2bb7404c73063382693bf66cb06c"),
        (1025, "effaa245f065fbf82ac186839a249707c3bddf6d3fdda22d1b95a3c970379bcb"),
        (102400, "4652cff7a3f385a6103b5c260fc1593e13c778dbe608efb092fe7ee69df6e9c6"),
    ];
}
