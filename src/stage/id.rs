//! The names of chunks (SPEC section 7).
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use crypto_backends::{Key, Provider};
use vault_format::pack::ChunkType;
use vault_format::{ChunkId, Purpose, Scope};

/// The id of a chunk under the key of its domain, scope and type.
pub fn chunk_id(provider: &Provider, key: &Key, data: &[u8]) -> ChunkId {
    ChunkId(provider.keyed_hash.keyed_hash(key, &[data]))
}

/// The id keys of one domain and scope, one for each type of chunk.
pub struct IdKeys {
    provider: &'static Provider,
    scope: Scope,
    keys: [Key; 4],
}

impl IdKeys {
    /// Derives them from the domain's key `D`.
    pub fn new(provider: &'static Provider, domain_key: &Key, scope: Scope) -> IdKeys {
        let label = Purpose::Id.label(provider.suite);
        let keys = TYPES
            .map(|chunk_type| provider.kdf.derive(label, domain_key.expose(), &[], &[&scope.0, &[chunk_type as u8]]));
        IdKeys { provider, scope, keys }
    }

    /// The id of `data` as a chunk of this type.
    pub fn id(&self, chunk_type: ChunkType, data: &[u8]) -> ChunkId {
        chunk_id(self.provider, &self.keys[chunk_type as usize - 1], data)
    }

    /// The scope that the ids are good for.
    pub fn scope(&self) -> Scope {
        self.scope
    }
}

/// The id keys of one domain, derived when a scope is first seen. Shared by workers.
pub struct IdKeyCache {
    provider: &'static Provider,
    domain_key: Key,
    scopes: Mutex<HashMap<Scope, Arc<IdKeys>>>,
}

impl IdKeyCache {
    /// For the domain whose key `D` this is.
    pub fn new(provider: &'static Provider, domain_key: Key) -> IdKeyCache {
        IdKeyCache { provider, domain_key, scopes: Mutex::default() }
    }

    /// The keys of a scope.
    pub fn scope(&self, scope: Scope) -> Arc<IdKeys> {
        let mut scopes = self.scopes.lock().unwrap_or_else(PoisonError::into_inner);
        if scopes.len() >= MAX_SCOPES {
            scopes.clear();
        }
        let derive = || Arc::new(IdKeys::new(self.provider, &self.domain_key, scope));
        Arc::clone(scopes.entry(scope).or_insert_with(derive))
    }
}

/// In the order of their codes, which begin at 1.
const TYPES: [ChunkType; 4] = [ChunkType::File, ChunkType::List, ChunkType::Leaf, ChunkType::Node];
/// A hostile footer may name a new scope in every segment; four times the sources of a snapshot are plenty.
const MAX_SCOPES: usize = 4 * vault_format::limits::SOURCES;

#[cfg(test)]
mod tests {
    use super::*;
    use crypto_backends::rustcrypto::provider;
    use std::collections::HashSet;

    #[test]
    fn ids_differ_by_domain_scope_and_type() {
        let mut seen = HashSet::new();
        for domain in [[1; 32], [2; 32]] {
            for scope in [Scope::VAULT, Scope([9; 16])] {
                let keys = IdKeys::new(provider(), &Key::new(domain), scope);
                for chunk_type in TYPES {
                    assert!(seen.insert(keys.id(chunk_type, b"the same bytes")));
                    assert_eq!(TYPES[chunk_type as usize - 1], chunk_type);
                }
            }
        }
        assert_eq!(seen.len(), 16);
    }

    #[test]
    fn ids_are_those_of_the_specification() {
        let key = provider().kdf.derive("zvault v1 01 id", &[1; 32], &[], &[&[9; 16], &[3]]);
        let id = ChunkId(provider().keyed_hash.keyed_hash(&key, &[b"data"]));
        assert_eq!(IdKeys::new(provider(), &Key::new([1; 32]), Scope([9; 16])).id(ChunkType::Leaf, b"data"), id);
        assert_eq!(chunk_id(provider(), &key, b"data"), id);
    }

    #[test]
    fn the_cache_is_bounded_and_gives_the_right_keys() {
        let cache = IdKeyCache::new(provider(), Key::new([1; 32]));
        for n in 0..=MAX_SCOPES as u32 {
            let mut scope = [0; 16];
            scope[..4].copy_from_slice(&n.to_le_bytes());
            assert_eq!(cache.scope(Scope(scope)).scope(), Scope(scope));
        }
        assert!(cache.scopes.lock().expect("no panic").len() <= MAX_SCOPES);
        let direct = IdKeys::new(provider(), &Key::new([1; 32]), Scope([7; 16]));
        for _ in 0..2 {
            assert_eq!(cache.scope(Scope([7; 16])).id(ChunkType::File, b"x"), direct.id(ChunkType::File, b"x"));
        }
    }
}
