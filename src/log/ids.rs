//! Maps by ids and hashes. These are even already, so all that a map has to add is a secret: whoever makes entries could
//! choose among many identities for some that fall together.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher, Hasher, RandomState};

pub(super) type IdMap<K, V> = HashMap<K, V, Keyed>;
pub(super) type IdSet<K> = HashSet<K, Keyed>;

/// A few multiplications an id, where the standard library's hasher takes several rounds: logs are looked through for a
/// million heads.
#[derive(Clone, Copy)]
pub(super) struct Keyed([u64; 2]);

impl Default for Keyed {
    fn default() -> Self {
        let random = RandomState::new();
        Self([random.hash_one(0), random.hash_one(1) | 1])
    }
}

impl BuildHasher for Keyed {
    type Hasher = Mixed;

    fn build_hasher(&self) -> Mixed {
        let Self([state, key]) = *self;
        Mixed { state, key }
    }
}

pub(super) struct Mixed {
    state: u64,
    key: u64,
}

impl Hasher for Mixed {
    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.write_u64(u64::from_le_bytes(word));
        }
    }

    fn write_u64(&mut self, word: u64) {
        let product = u128::from(self.state ^ word) * u128::from(self.key);
        // Both halves, or else the high bits of a word would never reach the low ones.
        self.state = (product as u64 ^ (product >> 64) as u64).wrapping_add(self.key.rotate_left(23));
    }

    fn write_usize(&mut self, len: usize) {
        self.write_u64(len as u64);
    }

    fn finish(&self) -> u64 {
        self.state
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use vault_format::Identity;

    #[test]
    fn ids_that_differ_little_fall_apart_and_no_two_maps_agree() {
        let (one, other) = (Keyed::default(), Keyed::default());
        let ids: Vec<Identity> = (0..4096u64)
            .map(|n| {
                let mut id = [7; 32];
                // Anywhere in the id, also where only few bits differ.
                id[(n % 4) as usize * 8..][..8].copy_from_slice(&((n / 4) << (n % 50)).to_be_bytes());
                Identity(id)
            })
            .collect();
        let ids: HashSet<Identity> = ids.into_iter().collect();
        for shift in [0, 52] {
            let places: HashSet<u64> = ids.iter().map(|id| (one.hash_one(id) >> shift) & 0xfff).collect();
            // Of n balls in 4096 places so many are hit, more or less.
            let expected = 4096.0 * (1.0 - (-(ids.len() as f64) / 4096.0).exp());
            assert!((places.len() as f64) > 0.9 * expected, "{} of {}", places.len(), ids.len());
        }
        assert!(ids.iter().all(|id| one.hash_one(id) != other.hash_one(id)));
        assert!(ids.iter().all(|id| one.hash_one(id) == one.hash_one(id)));
    }
}
