//! What messages prove, and what is sealed in them once more (SPEC section 18.4).

use crypto_backends::{CryptoError, Key, Provider, SecretBytes};
use vault_format::{
    FormatError,
    blob::{self, BlobType},
    ids::VaultId,
    labels::Purpose,
    limits,
    pairing::{Join, WelcomeSecrets, fingerprint_input, join_message},
    roster::Capabilities,
};
use zeroize::{Zeroize, Zeroizing};

use super::ticket::base32;
use crate::keys::{DeviceKeys, device_id};
use crate::stage::{SealError, open_blob, seal_blob};

/// What both devices show while a person decides: it binds the session and every key of the new device.
pub fn fingerprint(
    provider: &Provider,
    handshake: &[u8; 32],
    vault: VaultId,
    verify_key: &[u8],
    kem_key: &[u8],
) -> String {
    let hash = provider.hash.hash(&[&fingerprint_input(handshake, &vault, verify_key, kem_key)]);
    let mut digits = String::new();
    base32(&hash, &mut digits);
    let groups: Vec<&str> = (0..GROUPS).map(|i| &digits[i * GROUP..(i + 1) * GROUP]).collect();
    groups.join("-")
}

/// A device's name as it may be shown: without characters that move the cursor, turn the direction of text, or cannot be seen.
pub fn clean_name(name: &str) -> String {
    let shown: String = name.chars().filter(|c| !is_hidden(*c)).collect();
    let mut end = shown.len().min(limits::LABEL);
    while !shown.is_char_boundary(end) {
        end -= 1;
    }
    let shown = shown[..end].trim();
    if shown.is_empty() { "unnamed".into() } else { shown.into() }
}

/// The joiner's claim: its keys, signed in this session.
pub(super) fn make_join(
    provider: &Provider,
    keys: &DeviceKeys,
    handshake: &[u8; 32],
    capabilities: Capabilities,
    name: &str,
) -> Result<Join, CryptoError> {
    let message = join_message(handshake, &keys.vault, capabilities, &keys.verify_key, &keys.kem_key, name);
    Ok(Join {
        device: keys.id,
        verify_key: keys.verify_key.clone(),
        kem_key: keys.kem_key.clone(),
        name: name.to_owned(),
        signature: provider.sign.sign(keys.signing_secret.expose(), &message)?,
    })
}

/// Whether whoever sent it has the keys, and made the claim in this session for these capabilities.
pub(super) fn check_join(
    provider: &Provider,
    join: &Join,
    vault: VaultId,
    handshake: &[u8; 32],
    capabilities: Capabilities,
) -> Result<(), CryptoError> {
    if device_id(provider, vault, &join.verify_key, &join.kem_key) != join.device {
        return Err(CryptoError::Malformed("device id"));
    }
    let message = join_message(handshake, &vault, capabilities, &join.verify_key, &join.kem_key, &join.name);
    provider.sign.verify(&join.verify_key, &message, &join.signature)
}

/// Seals the secrets of a welcome to the key that the joiner has proven to have.
pub(super) fn seal_secrets(
    provider: &'static Provider,
    vault: VaultId,
    handshake: &[u8; 32],
    join: &Join,
    w: &Key,
    credentials: &[(String, SecretBytes)],
) -> Result<Vec<u8>, SealError> {
    let mut secrets = Wiped(WelcomeSecrets {
        w: *w.expose(),
        credentials: credentials.iter().map(|(name, value)| (name.clone(), value.expose().to_vec())).collect(),
    });
    secrets.0.credentials.sort_by(|a, b| a.0.cmp(&b.0));
    let plain = Zeroizing::new(secrets.0.encode()?);
    let (ciphertext, shared) = provider.kem.encapsulate(&join.kem_key)?;
    let context = blob::welcome_context(provider.suite, &vault, handshake, &join.device, &join.kem_key, &ciphertext);
    let dek = welcome_dek(provider, &shared, handshake, &context);
    let blob = seal_blob(provider, BlobType::Welcome as u8, &context, &dek, &plain, 0)?;
    Ok([ciphertext, blob].concat())
}

/// The other way round: `W`, and credentials by name.
pub(super) fn open_secrets(
    provider: &'static Provider,
    keys: &DeviceKeys,
    handshake: &[u8; 32],
    sealed: &[u8],
) -> Result<(Key, Vec<(String, SecretBytes)>), SealError> {
    let (ciphertext, blob) = blob::split_box(provider.suite, sealed)?;
    let shared = provider.kem.decapsulate(keys.kem_secret.expose(), ciphertext)?;
    let context = blob::welcome_context(provider.suite, &keys.vault, handshake, &keys.id, &keys.kem_key, ciphertext);
    let dek = welcome_dek(provider, &shared, handshake, &context);
    let plain = open_blob(provider, BlobType::Welcome as u8, &context, &dek, blob)?;
    let mut secrets = Wiped(WelcomeSecrets::parse(plain.expose()).map_err(SealError::from)?);
    let credentials = std::mem::take(&mut secrets.0.credentials);
    Ok((Key::new(secrets.0.w), credentials.into_iter().map(|(name, v)| (name, SecretBytes::new(v))).collect()))
}

/// What only who opened the welcome can say: it proves the KEM key, as the signatures prove the signing keys.
pub(super) fn proof(provider: &Provider, w: &Key, handshake: &[u8; 32]) -> Key {
    provider.kdf.derive(Purpose::PairProof.label(provider.suite), w.expose(), handshake, &[])
}

fn welcome_dek(provider: &Provider, shared: &Key, handshake: &[u8; 32], context: &[u8]) -> Key {
    let c = provider.hash.hash(&[context]);
    provider.kdf.derive(Purpose::Welcome.label(provider.suite), shared.expose(), handshake, &[&c])
}

/// Control characters, and of the formatting ones those that change how others are shown (Unicode TR36 section 2.6).
fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180e}'
            | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}'
            | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}'
            | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

/// Secrets in a form that does not wipe itself.
struct Wiped(WelcomeSecrets);

impl Drop for Wiped {
    fn drop(&mut self) {
        self.0.w.zeroize();
        self.0.credentials.iter_mut().for_each(|(_, value)| value.zeroize());
    }
}

/// The error of a payload that does not parse, or is another than the one that belongs here.
pub(super) const UNEXPECTED: FormatError = FormatError::Mismatch { field: "kind of message" };

/// Groups of a fingerprint, and digits of a group: 150 bits.
const GROUPS: usize = 6;
const GROUP: usize = 5;
