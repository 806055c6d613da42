//! Devices that come into a vault through a pairing.

use bytes::Bytes;
use crypto_backends::Provider;
use vault_format::name::roster_prefix;
use vault_format::roster::RecordObject;
use vault_format::{Identity, VaultId};

use super::records::Records;
use super::{Vault, VaultError};
use crate::roster::{AdmitOptions, Roster, RosterError, admit};
use crate::state::Access;
use crate::store::{KeptCredentials, Store, StoreOptions};

impl Vault {
    /// Sees what others did since, and that this store is the one that decides.
    pub(crate) fn refresh_to_invite(&mut self) -> Result<(), VaultError> {
        self.refresh()?;
        self.check_primary()
    }

    /// Writes the roster record that adds a device. An `Ok` means that the store shows it.
    pub(crate) fn admit(&mut self, options: &AdmitOptions<'_>) -> Result<Identity, VaultError> {
        self.refresh_to_invite()?;
        let keys = self.reader_keys("take in another device")?;
        let record = admit(self.provider, &self.roster, keys, &self.device, options)?;
        let signed_len = RecordObject::parse(&record.bytes)?.signed_len;
        let identity = Identity(self.hash(&record.bytes[..signed_len]));
        self.store.put(&record.name, Bytes::from(record.bytes))?;
        let listing = self.store.list(&roster_prefix())?;
        self.refresh_roster(&listing)?;
        self.pin()?;
        Ok(identity)
    }
}

/// The roster of a vault as a store shows it, for whoever has no more than its id.
pub(crate) fn read_roster(provider: &'static Provider, store: &Store, vault: VaultId) -> Result<Roster, VaultError> {
    let records = Records::fetch(provider, store, &store.list(&roster_prefix())?, &Records::default().of(Some(vault)))?;
    let no_vault = |error: RosterError| VaultError::NoVault { url: store.label().to_owned(), error };
    Roster::build(provider, records.all(), Some(vault)).map_err(no_vault)
}

/// Adds what this machine was told of the store at `url` to what was said about it here: that counts more.
pub fn complete(options: &mut StoreOptions, url: &str, access: &Access) {
    for (name, value) in access.settings.get(url).into_iter().flatten() {
        options.settings.entry(name.clone()).or_insert_with(|| value.clone());
    }
    // A credential goes to the store that it was given for, and to no other.
    if access.credentials_for.as_deref() == Some(url) && options.credentials == KeptCredentials::default() {
        options.credentials = match &access.in_keychain {
            Some(kept) => KeptCredentials::in_keychain(&kept.fetch),
            None => KeptCredentials::new(&access.credentials),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crypto_backends::SecretBytes;

    #[test]
    fn a_credential_goes_to_the_store_that_it_was_given_for() {
        let settings = |region: &str| [("region".to_owned(), region.to_owned())].into();
        let access = Access {
            settings: [("s3://a/v".to_owned(), settings("one")), ("s3://b/v".to_owned(), settings("two"))].into(),
            credentials_for: Some("s3://a/v".to_owned()),
            credentials: vec![("AWS_ACCESS_KEY_ID".to_owned(), SecretBytes::new(b"AKIA".to_vec()))],
            ..Access::default()
        };
        for (url, region, given) in [("s3://a/v", "one", true), ("s3://b/v", "two", false)] {
            let mut options = StoreOptions::default();
            complete(&mut options, url, &access);
            assert_eq!(options.settings["region"], region);
            assert_eq!(options.credentials != KeptCredentials::default(), given, "{url}");
        }
    }
}
