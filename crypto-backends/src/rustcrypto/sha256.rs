//! SHA-256 (FIPS 180-4) and HMAC-SHA-256 (FIPS 198-1).
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256 as Hasher};

use crate::Key;
use crate::contract::{Hash, KeyedHash};

pub(crate) struct Sha256;

impl Hash for Sha256 {
    fn hash(&self, parts: &[&[u8]]) -> [u8; 32] {
        let mut hasher = Hasher::new();
        for part in parts {
            hasher.update(part);
        }
        hasher.finalize().into()
    }
}

impl KeyedHash for Sha256 {
    fn keyed_hash(&self, key: &Key, parts: &[&[u8]]) -> [u8; 32] {
        let mut mac = Hmac::<Hasher>::new_from_slice(key.expose()).expect("HMAC takes keys of every length");
        for part in parts {
            mac.update(part);
        }
        mac.finalize().into_bytes().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::known_answers;

    #[test]
    fn known_answers_under_keys_of_every_length() {
        let mac = |key: &[u8], message: &[u8]| {
            let mac = Hmac::<Hasher>::new_from_slice(key).unwrap().chain_update(message);
            mac.finalize().into_bytes().to_vec()
        };
        assert_eq!(known_answers::below::hmac_sha256(&Sha256, mac), 13);
    }

    #[test]
    fn parts_are_concatenated() {
        let text: Vec<u8> = (0..5000_u32).map(|i| (i % 251) as u8).collect();
        let key = Key::new([9; 32]);
        for cut in [0, 1, 63, 64, 65, 5000] {
            let (head, tail) = text.split_at(cut);
            assert_eq!(Sha256.hash(&[&text]), Sha256.hash(&[head, tail]));
            assert_eq!(Sha256.keyed_hash(&key, &[&text]), Sha256.keyed_hash(&key, &[head, &[], tail]));
        }
        assert_eq!(Sha256.hash(&[]), Sha256.hash(&[b""]));
        assert_eq!(Sha256.keyed_hash(&key, &[]), Sha256.keyed_hash(&key, &[b""]));
    }

    #[test]
    fn the_key_and_the_mode_count() {
        let hash = Sha256.keyed_hash(&Key::new([9; 32]), &[b"text"]);
        assert_ne!(hash, Sha256.keyed_hash(&Key::new([8; 32]), &[b"text"]));
        assert_ne!(hash, Sha256.hash(&[b"text"]));
    }
}
