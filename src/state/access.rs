//! How the stores of a vault are reached, where another device said so.

use super::codec::{Reader, Writer};
use crate::keychain::KeychainError;
use crypto_backends::{Key, SecretBytes};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Credentials by the name of the variable that would hold them.
pub type Credentials = Vec<(String, SecretBytes)>;
/// Gets credentials out of the keychain.
pub type FetchCredentials = Arc<dyn Fn() -> Result<Credentials, KeychainError> + Send + Sync>;

/// Credentials that the keychain has, in an item of its own for each time that they were put there.
#[derive(Clone)]
pub struct InKeychain {
    /// Gets them.
    pub fetch: FetchCredentials,
    /// Random, and nowhere but here: without it nothing finds the item, and nothing opens it.
    pub(super) salt: Arc<Key>,
}

/// What a device was given in its pairing to reach the vault's stores.
#[derive(Default)]
pub struct Access {
    /// Where the person said that the vault is, until the pairing has ended.
    pub url: Option<String>,
    /// Which store it is that has this URL, by its id in the roster: a push-only device cannot read the roster's URLs.
    pub ids: BTreeMap<String, [u8; 16]>,
    /// Settings by the URL of the store. Not secret.
    pub settings: BTreeMap<String, BTreeMap<String, String>>,
    /// URL of the store that the credentials are for: they go to no other.
    pub credentials_for: Option<String>,
    /// Those that are kept here, and not in the keychain.
    pub credentials: Credentials,
    /// The credentials are in the keychain. Who needs them asks: others never wait for it.
    pub in_keychain: Option<InKeychain>,
}

/// Where a device keeps the credentials that came with its pairing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeptIn {
    /// The platform's keychain.
    Keychain,
    /// A sealed file of the local state.
    State,
}

impl KeptIn {
    /// For people.
    pub fn text(self) -> &'static str {
        match self {
            Self::Keychain => "in the keychain",
            Self::State => "in the state folder",
        }
    }
}

impl Access {
    /// Where the credentials are. None: there are none.
    pub fn kept_in(&self) -> Option<KeptIn> {
        match &self.in_keychain {
            Some(_) => Some(KeptIn::Keychain),
            None => (!self.credentials.is_empty()).then_some(KeptIn::State),
        }
    }

    pub(super) fn encode(&self) -> SecretBytes {
        let mut out = Writer::new();
        out.string(self.url.as_deref().unwrap_or_default().as_bytes());
        out.number(self.settings.len() as u64);
        for (url, settings) in &self.settings {
            out.string(url.as_bytes()).number(settings.len() as u64);
            for (name, value) in settings {
                out.string(name.as_bytes()).string(value.as_bytes());
            }
        }
        out.number(self.ids.len() as u64);
        for (url, id) in &self.ids {
            out.string(url.as_bytes()).fixed(id);
        }
        out.string(self.credentials_for.as_deref().unwrap_or_default().as_bytes());
        write_credentials(&mut out, &self.credentials);
        if let Some(InKeychain { salt, .. }) = &self.in_keychain {
            out.fixed(&[IN_KEYCHAIN]).fixed(salt.expose());
        }
        out.finish()
    }

    /// `in_keychain` is told the salt, and the store that the credentials are for.
    pub(super) fn parse(bytes: &[u8], in_keychain: impl FnOnce(Key, Option<&str>) -> InKeychain) -> Option<Self> {
        let mut reader = Reader::new(bytes);
        let url = Some(text(&mut reader)?).filter(|url| !url.is_empty());
        let mut access = Self { url, ..Self::default() };
        for _ in 0..reader.count(8 + 8)? {
            let url = text(&mut reader)?;
            let mut settings = BTreeMap::new();
            for _ in 0..reader.count(8 + 8)? {
                settings.insert(text(&mut reader)?, text(&mut reader)?);
            }
            access.settings.insert(url, settings);
        }
        for _ in 0..reader.count(8 + 16)? {
            access.ids.insert(text(&mut reader)?, reader.fixed()?);
        }
        access.credentials_for = Some(text(&mut reader)?).filter(|url| !url.is_empty());
        access.credentials = read_credentials(&mut reader)?;
        if !reader.is_empty() {
            (reader.fixed()? == [IN_KEYCHAIN]).then_some(())?;
            let salt = Key::from_slice(reader.take(32)?).ok()?;
            access.in_keychain = Some(in_keychain(salt, access.credentials_for.as_deref()));
        }
        reader.end()?;
        Some(access)
    }
}

pub(super) fn write_credentials(out: &mut Writer, credentials: &Credentials) {
    out.number(credentials.len() as u64);
    for (name, value) in credentials {
        out.string(name.as_bytes()).string(value.expose());
    }
}

pub(super) fn read_credentials(reader: &mut Reader<'_>) -> Option<Credentials> {
    let mut credentials = Credentials::new();
    for _ in 0..reader.count(8 + 8)? {
        credentials.push((text(reader)?, SecretBytes::new(reader.string()?.to_vec())));
    }
    Some(credentials)
}

fn text(reader: &mut Reader<'_>) -> Option<String> {
    String::from_utf8(reader.string()?.to_vec()).ok()
}

/// Behind everything else, where there is something in the keychain.
const IN_KEYCHAIN: u8 = 1;
