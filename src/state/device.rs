//! Who this device is in a vault.

use super::codec::{Reader, Writer};
use crate::keys::DeviceKeys;
use crypto_backends::{Key, Provider, SecretBytes};
use vault_format::ids::VaultId;

/// What a device must not forget about a vault.
pub struct DeviceState {
    /// Its keys in this vault.
    pub keys: DeviceKeys,
    /// Where the vault is.
    pub url: String,
    /// What the device is called there.
    pub name: String,
}

impl DeviceState {
    pub(super) fn encode(&self) -> SecretBytes {
        let mut out = Writer::new();
        out.string(self.url.as_bytes())
            .string(self.name.as_bytes())
            .string(&self.keys.verify_key)
            .string(&self.keys.kem_key)
            .string(self.keys.signing_secret.expose())
            .string(self.keys.kem_secret.expose())
            .fixed(self.keys.w.expose());
        out.finish()
    }

    pub(super) fn parse(provider: &Provider, vault: VaultId, bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(bytes);
        let url = String::from_utf8(reader.string()?.to_vec()).ok()?;
        let name = String::from_utf8(reader.string()?.to_vec()).ok()?;
        let (verify_key, kem_key) = (reader.string()?.to_vec(), reader.string()?.to_vec());
        let signing_secret = SecretBytes::new(reader.string()?.to_vec());
        let kem_secret = SecretBytes::new(reader.string()?.to_vec());
        let w = Key::from_slice(reader.take(32)?).ok()?;
        reader.end()?;
        let keys = DeviceKeys::from_parts(provider, vault, verify_key, kem_key, signing_secret, kem_secret, w);
        Some(Self { keys, url, name })
    }
}
