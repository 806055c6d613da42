//! The keys of one device, and what it signs (SPEC sections 10.1 and 11.1).

use crypto_backends::{CryptoError, Key, Provider, SecretBytes};
use vault_format::{
    genesis::device_id_input,
    header::ObjectType,
    ids::{DeviceId, VaultId},
    signed::signature_message,
};

/// Key pairs that are not yet bound to a vault: those of a founder, whose verification key goes into the genesis.
pub struct KeyPairs {
    /// Verifies what the device signs.
    pub verify_key: Vec<u8>,
    /// Seals to the device.
    pub kem_key: Vec<u8>,
    signing_secret: SecretBytes,
    kem_secret: SecretBytes,
}

impl KeyPairs {
    /// Generated, never derived.
    pub fn generate(provider: &Provider) -> Result<Self, CryptoError> {
        let (signing_secret, verify_key) = provider.sign.generate()?;
        let (kem_secret, kem_key) = provider.kem.generate()?;
        Ok(Self { verify_key, kem_key, signing_secret, kem_secret })
    }

    /// The device that these keys are in `vault`, with a fresh `W`.
    pub fn bind(self, provider: &Provider, vault: VaultId) -> Result<DeviceKeys, CryptoError> {
        let w = Key::random(provider.random)?;
        Ok(DeviceKeys::from_parts(
            provider,
            vault,
            self.verify_key,
            self.kem_key,
            self.signing_secret,
            self.kem_secret,
            w,
        ))
    }
}

/// Everything that makes a device, real or virtual.
pub struct DeviceKeys {
    /// The vault it belongs to: another vault gets other keys.
    pub vault: VaultId,
    /// Its name, which follows from vault and public keys.
    pub id: DeviceId,
    /// Verifies what it signs.
    pub verify_key: Vec<u8>,
    /// Seals to it.
    pub kem_key: Vec<u8>,
    pub(crate) signing_secret: SecretBytes,
    pub(crate) kem_secret: SecretBytes,
    /// Mixed into every box for this device; never travels under the KEM alone.
    pub(crate) w: Key,
}

impl DeviceKeys {
    /// A new device of `vault`.
    pub fn generate(provider: &Provider, vault: VaultId) -> Result<Self, CryptoError> {
        KeyPairs::generate(provider)?.bind(provider, vault)
    }

    pub(crate) fn from_parts(
        provider: &Provider,
        vault: VaultId,
        verify_key: Vec<u8>,
        kem_key: Vec<u8>,
        signing_secret: SecretBytes,
        kem_secret: SecretBytes,
        w: Key,
    ) -> Self {
        let id = device_id(provider, vault, &verify_key, &kem_key);
        Self { vault, id, verify_key, kem_key, signing_secret, kem_secret, w }
    }

    /// The signature that follows `unsigned`, the bytes of an object as they will be stored.
    pub fn sign_stored(
        &self,
        provider: &Provider,
        object_type: ObjectType,
        unsigned: &[u8],
    ) -> Result<Vec<u8>, CryptoError> {
        let message = signed_message(provider, object_type, self.vault, unsigned);
        provider.sign.sign(self.signing_secret.expose(), &message)
    }

    /// A second copy, wiped on its own drop.
    pub fn duplicate(&self) -> Self {
        Self {
            vault: self.vault,
            id: self.id,
            verify_key: self.verify_key.clone(),
            kem_key: self.kem_key.clone(),
            signing_secret: self.signing_secret.duplicate(),
            kem_secret: self.kem_secret.duplicate(),
            w: self.w.duplicate(),
        }
    }
}

/// Whether the owner of `verify_key` signed these stored bytes, of this type, for this vault.
pub fn verify_stored(
    provider: &Provider,
    object_type: ObjectType,
    vault: VaultId,
    verify_key: &[u8],
    unsigned: &[u8],
    signature: &[u8],
) -> Result<(), CryptoError> {
    provider.sign.verify(verify_key, &signed_message(provider, object_type, vault, unsigned), signature)
}

/// SPEC section 11.1.
pub fn device_id(provider: &Provider, vault: VaultId, verify_key: &[u8], kem_key: &[u8]) -> DeviceId {
    let hash = provider.hash.hash(&[&device_id_input(&vault, verify_key, kem_key)]);
    DeviceId(*hash.first_chunk().expect("32 bytes have 16"))
}

fn signed_message(provider: &Provider, object_type: ObjectType, vault: VaultId, unsigned: &[u8]) -> Vec<u8> {
    signature_message(provider.suite, object_type, &vault, &provider.hash.hash(&[unsigned]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crypto_backends::rustcrypto::provider;

    #[test]
    fn signatures_bind_type_vault_and_bytes() {
        let p = provider();
        let device = DeviceKeys::generate(p, VaultId([1; 32])).expect("a device");
        let signature = device.sign_stored(p, ObjectType::Entry, b"bytes").expect("a signature");
        let verify = |object_type, vault, key: &[u8], bytes: &[u8]| {
            verify_stored(p, object_type, VaultId([vault; 32]), key, bytes, &signature).is_ok()
        };
        assert!(verify(ObjectType::Entry, 1, &device.verify_key, b"bytes"));
        assert!(!verify(ObjectType::Roster, 1, &device.verify_key, b"bytes"));
        assert!(!verify(ObjectType::Entry, 2, &device.verify_key, b"bytes"));
        assert!(!verify(ObjectType::Entry, 1, &device.verify_key, b"other"));
        let other = DeviceKeys::generate(p, VaultId([1; 32])).expect("a device");
        assert!(!verify(ObjectType::Entry, 1, &other.verify_key, b"bytes"));
    }

    #[test]
    fn ids_follow_from_vault_and_keys() {
        let p = provider();
        let device = DeviceKeys::generate(p, VaultId([1; 32])).expect("a device");
        assert_eq!(device.id, device_id(p, VaultId([1; 32]), &device.verify_key, &device.kem_key));
        assert_ne!(device.id, device_id(p, VaultId([2; 32]), &device.verify_key, &device.kem_key));
        // The lengths keep the border between the keys.
        assert_ne!(device_id(p, VaultId([1; 32]), b"ab", b"c"), device_id(p, VaultId([1; 32]), b"a", b"bc"));
    }
}
