//! BLAKE3 as a hash and as a keyed hash (BLAKE3 paper, section 2.3: the modes `hash` and `keyed_hash`).
use zeroize::Zeroize;

use crate::Key;
use crate::contract::{Hash, KeyedHash};

pub(crate) struct Blake3;

impl Hash for Blake3 {
    fn hash(&self, parts: &[&[u8]]) -> [u8; 32] {
        if let [part] = parts {
            return blake3::hash(part).into();
        }
        let mut hasher = blake3::Hasher::new();
        for part in parts {
            hasher.update(part);
        }
        hasher.finalize().into()
    }
}

impl KeyedHash for Blake3 {
    fn keyed_hash(&self, key: &Key, parts: &[&[u8]]) -> [u8; 32] {
        if let [part] = parts {
            return blake3::keyed_hash(key.expose(), part).into();
        }
        let len = parts.iter().map(|part| part.len()).sum();
        if len <= SMALL {
            // A hasher that takes part after part has 2 KiB of state, which is as much work as the hash itself.
            let mut joined = [0; SMALL];
            let mut rest = &mut joined[..];
            for part in parts {
                let (here, after) = rest.split_at_mut(part.len());
                here.copy_from_slice(part);
                rest = after;
            }
            let hash = blake3::keyed_hash(key.expose(), &joined[..len]).into();
            joined[..len].zeroize();
            return hash;
        }
        let mut hasher = blake3::Hasher::new_keyed(key.expose());
        for part in parts {
            hasher.update(part);
        }
        let hash = hasher.finalize().into();
        hasher.zeroize();
        hash
    }
}

/// Names of objects, records, and paths of files mostly.
const SMALL: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_concatenated() {
        let text: Vec<u8> = (0..5000_u32).map(|i| (i % 251) as u8).collect();
        let key = Key::new([9; 32]);
        for cut in [0, 1, 64, 1024, 1025, 5000] {
            let (head, tail) = text.split_at(cut);
            assert_eq!(Blake3.hash(&[&text]), Blake3.hash(&[head, tail]));
            assert_eq!(Blake3.keyed_hash(&key, &[&text]), Blake3.keyed_hash(&key, &[head, &[], tail]));
        }
        for len in [1, 2, SMALL - 1, SMALL, SMALL + 1] {
            let (head, tail) = text[..len].split_at(len / 2);
            assert_eq!(Blake3.keyed_hash(&key, &[&text[..len]]), Blake3.keyed_hash(&key, &[head, tail]), "{len}");
        }
        assert_eq!(Blake3.hash(&[]), Blake3.hash(&[b""]));
        assert_eq!(Blake3.keyed_hash(&key, &[]), Blake3.keyed_hash(&key, &[b""]));
    }

    #[test]
    fn the_key_and_the_mode_count() {
        let hash = Blake3.keyed_hash(&Key::new([9; 32]), &[b"text"]);
        assert_ne!(hash, Blake3.keyed_hash(&Key::new([8; 32]), &[b"text"]));
        assert_ne!(hash, Blake3.hash(&[b"text"]));
    }
}
