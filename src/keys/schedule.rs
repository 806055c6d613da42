//! From the two secrets of a vault to every key that is used (SPEC sections 3.1 and 4).

use crate::stage::IdKeys;
use crypto_backends::{Key, Provider, Secret};
use vault_format::{
    ids::{DeviceId, Domain, EpochId, Scope},
    labels::Purpose,
    pack::ChunkType,
};
use zeroize::Zeroizing;

/// The keys of an epoch, as readers have them.
pub struct EpochKeys {
    /// The epoch's name, as in headers.
    pub id: EpochId,
    /// Packs of readers.
    pub data: Key,
    /// Log entries of readers.
    pub log: Key,
    /// Deltas and shards of readers.
    pub index: Key,
    secret: Key,
    provider: &'static Provider,
}

impl EpochKeys {
    /// Derives them from `E`.
    pub fn new(provider: &'static Provider, id: EpochId, secret: Key) -> Self {
        let derive = |purpose| plain(provider, purpose, &secret);
        Self {
            id,
            data: derive(Purpose::Data),
            log: derive(Purpose::Log),
            index: derive(Purpose::Index),
            secret,
            provider,
        }
    }

    /// What `device`, a push-only one, has of this epoch.
    pub fn pusher(&self, device: DeviceId) -> PusherKeys {
        let secret = self.provider.kdf.derive(
            Purpose::Pusher.label(self.provider.suite),
            self.secret.expose(),
            &[],
            &[&device.0],
        );
        PusherKeys::new(self.provider, self.id, secret)
    }

    /// `K_priv`: private parts of roster records.
    pub(crate) fn private(&self) -> Key {
        plain(self.provider, Purpose::Private, &self.secret)
    }

    /// `K_hist`: the secrets of earlier epochs.
    pub(crate) fn history(&self) -> Key {
        plain(self.provider, Purpose::History, &self.secret)
    }

    /// `K_sk`: the epoch's KEM secret.
    pub(crate) fn secret_key(&self) -> Key {
        plain(self.provider, Purpose::EpochSecretKey, &self.secret)
    }

    /// `E`, for boxes and history.
    pub(crate) fn secret(&self) -> &Key {
        &self.secret
    }
}

/// The keys of an epoch, as one push-only device has them. They open its own log and index, and no pack.
pub struct PusherKeys {
    /// The epoch's name.
    pub epoch: EpochId,
    /// Mixed into what is sealed to the epoch.
    pub kem_psk: Key,
    /// The device's log entries.
    pub log: Key,
    /// The device's deltas.
    pub index: Key,
    secret: Key,
}

impl PusherKeys {
    /// Derives them from `P(E, d)`.
    pub fn new(provider: &Provider, epoch: EpochId, secret: Key) -> Self {
        let derive = |purpose| plain(provider, purpose, &secret);
        Self {
            epoch,
            kem_psk: derive(Purpose::PusherKemPsk),
            log: derive(Purpose::PusherLog),
            index: derive(Purpose::PusherIndex),
            secret,
        }
    }

    /// `P(E, d)`, for its box.
    pub(crate) fn secret(&self) -> &Key {
        &self.secret
    }
}

/// The keys that name and cut the chunks of a domain.
pub struct DomainKeys {
    /// Whose they are.
    pub domain: Domain,
    secret: Key,
    provider: &'static Provider,
}

impl DomainKeys {
    /// Derives them from the domain root `V`.
    pub fn of_root(provider: &'static Provider, root: &Key, domain: Domain) -> Self {
        let secret = provider.kdf.derive(Purpose::Domain.label(provider.suite), root.expose(), &[], &[&domain.0]);
        Self { domain, secret, provider }
    }

    /// Takes `D(domain)`, which is all that a push-only device has.
    pub fn new(provider: &'static Provider, domain: Domain, secret: Key) -> Self {
        Self { domain, secret, provider }
    }

    /// Whether both are the keys of the same domain of the same vault.
    pub fn is_same(&self, other: &Self) -> bool {
        self.domain == other.domain && self.secret.ct_eq(&other.secret)
    }

    /// The key of the ids of one type of chunk.
    pub fn id_key(&self, scope: Scope, chunk_type: ChunkType) -> Key {
        self.derive(Purpose::Id, &[&scope.0, &[chunk_type as u8]])
    }

    /// The keys of the ids of every type of chunk.
    pub fn id_keys(&self, scope: Scope) -> IdKeys {
        IdKeys::new(self.provider, &self.secret, scope)
    }

    /// The Gear table of the chunker.
    pub fn chunker_table(&self, scope: Scope) -> Secret<2048> {
        let mut table = Zeroizing::new([0; 2048]);
        let label = Purpose::Chunker.label(self.provider.suite);
        self.provider.kdf.expand(label, self.secret.expose(), &[&scope.0], &mut table[..]);
        Secret::from_slice(&table[..]).expect("the table's own length")
    }

    /// The key that decides where the nodes of one level end.
    pub fn cut_key(&self, scope: Scope, tree: Tree, level: u8) -> Key {
        self.derive(Purpose::Cut, &[&scope.0, &[tree as u8], &[level]])
    }

    /// A second copy, wiped on its own drop.
    pub(crate) fn duplicate(&self) -> Self {
        Self { domain: self.domain, secret: self.secret.duplicate(), provider: self.provider }
    }

    /// `D(domain)`, for the box of a push-only device.
    pub(crate) fn secret(&self) -> &Key {
        &self.secret
    }

    fn derive(&self, purpose: Purpose, context: &[&[u8]]) -> Key {
        self.provider.kdf.derive(purpose.label(self.provider.suite), self.secret.expose(), &[], context)
    }
}

/// Which tree a node belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Tree {
    /// Entries by path.
    Manifest = 1,
    /// Chunks by position.
    List = 2,
}

fn plain(provider: &Provider, purpose: Purpose, secret: &Key) -> Key {
    provider.kdf.derive(purpose.label(provider.suite), secret.expose(), &[], &[])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crypto_backends::rustcrypto::provider;
    use std::collections::BTreeSet;

    #[test]
    fn every_key_is_another_one() {
        let mut seen = BTreeSet::new();
        let mut count = 0;
        let mut add = |key: &[u8]| {
            count += 1;
            seen.insert(key[..32].to_vec());
        };
        for epoch in [1, 2] {
            let keys = EpochKeys::new(provider(), EpochId([0; 16]), Key::new([epoch; 32]));
            for key in [&keys.data, &keys.log, &keys.index, &keys.private(), &keys.history(), &keys.secret_key()] {
                add(key.expose());
            }
            for device in [3, 4] {
                let pusher = keys.pusher(DeviceId([device; 16]));
                for key in [&pusher.kem_psk, &pusher.log, &pusher.index, pusher.secret()] {
                    add(key.expose());
                }
            }
        }
        for domain in [Domain::SHARED, Domain([3; 16])] {
            let keys = DomainKeys::of_root(provider(), &Key::new([1; 32]), domain);
            add(keys.secret().expose());
            for scope in [Scope::VAULT, Scope([5; 16])] {
                add(keys.chunker_table(scope).expose());
                for chunk_type in [ChunkType::File, ChunkType::List, ChunkType::Leaf, ChunkType::Node] {
                    add(keys.id_key(scope, chunk_type).expose());
                }
                for (tree, level) in [(Tree::Manifest, 0), (Tree::Manifest, 1), (Tree::List, 0), (Tree::List, 1)] {
                    add(keys.cut_key(scope, tree, level).expose());
                }
            }
        }
        assert_eq!(count, seen.len());
    }

    #[test]
    fn a_pusher_derives_what_readers_derive() {
        let epoch = EpochKeys::new(provider(), EpochId([1; 16]), Key::new([2; 32]));
        let device = DeviceId([3; 16]);
        let told = PusherKeys::new(provider(), epoch.id, epoch.pusher(device).secret().duplicate());
        assert!(told.kem_psk.ct_eq(&epoch.pusher(device).kem_psk));

        let readers = DomainKeys::of_root(provider(), &Key::new([4; 32]), device.into());
        let own = DomainKeys::new(provider(), device.into(), readers.secret().duplicate());
        assert!(own.id_key(Scope::VAULT, ChunkType::File).ct_eq(&readers.id_key(Scope::VAULT, ChunkType::File)));
    }
}
