//! How the stores of a vault are reached, where another device said so.

use super::codec::{Reader, Writer};
use crypto_backends::SecretBytes;
use std::collections::BTreeMap;

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
    /// Credentials by the name of the variable that would hold them.
    pub credentials: Vec<(String, SecretBytes)>,
}

impl Access {
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
        out.number(self.credentials.len() as u64);
        for (name, value) in &self.credentials {
            out.string(name.as_bytes()).string(value.expose());
        }
        out.finish()
    }

    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        let text = |r: &mut Reader<'_>| String::from_utf8(r.string()?.to_vec()).ok();
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
        for _ in 0..reader.count(8 + 8)? {
            access.credentials.push((text(&mut reader)?, SecretBytes::new(reader.string()?.to_vec())));
        }
        reader.end()?;
        Some(access)
    }
}
