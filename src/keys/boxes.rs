//! What roster records carry for those who may read: boxes, private parts, epoch secrets (SPEC section 5.4).
//!
//! Plain texts: a reader's box is `epoch id | E | V`, a pusher's is `epoch id | P(E, d) | D(d)`, a history is `(epoch id | E)...`,
//! an epoch's secret is the KEM secret as it is.

use super::{DeviceKeys, DomainKeys, EpochKeys, PusherKeys};
use crate::stage::{SealError, open_blob, seal_blob};
use crypto_backends::{Key, Provider, SecretBytes};
use vault_format::{
    FormatError,
    blob::{self, BlobType},
    ids::{DeviceId, Domain, EpochId, VaultId},
    labels::Purpose,
    roster::{BoxPart, EpochPart, PrivatePart},
};
use zeroize::{Zeroize, Zeroizing};

/// To whom a box is sealed.
pub(crate) struct Recipient<'a> {
    pub(crate) id: DeviceId,
    pub(crate) kem_key: &'a [u8],
    pub(crate) w: &'a Key,
}

impl DeviceKeys {
    pub(crate) fn recipient(&self) -> Recipient<'_> {
        Recipient { id: self.id, kem_key: &self.kem_key, w: &self.w }
    }
}

/// `E` and `V` for a reader.
pub(crate) fn seal_reader_box(
    provider: &'static Provider,
    vault: VaultId,
    to: &Recipient<'_>,
    epoch: &EpochKeys,
    domain_root: &Key,
) -> Result<BoxPart, SealError> {
    seal_box(provider, vault, to, epoch.id, false, epoch.secret(), domain_root)
}

/// The other way round. That it opens proves nothing about who sealed it.
pub(crate) fn open_reader_box(
    provider: &'static Provider,
    device: &DeviceKeys,
    part: &BoxPart,
) -> Result<(EpochKeys, Key), SealError> {
    let (secret, domain_root) = open_box(provider, device, part, false)?;
    Ok((EpochKeys::new(provider, part.epoch, secret), domain_root))
}

/// `P` and `D` for a push-only device.
pub(crate) fn seal_pusher_box(
    provider: &'static Provider,
    vault: VaultId,
    to: &Recipient<'_>,
    epoch: &EpochKeys,
    domain_root: &Key,
) -> Result<BoxPart, SealError> {
    let domain = DomainKeys::of_root(provider, domain_root, Domain::from(to.id));
    seal_box(provider, vault, to, epoch.id, true, epoch.pusher(to.id).secret(), domain.secret())
}

/// The other way round.
pub(crate) fn open_pusher_box(
    provider: &'static Provider,
    device: &DeviceKeys,
    part: &BoxPart,
) -> Result<(PusherKeys, DomainKeys), SealError> {
    let (secret, domain) = open_box(provider, device, part, true)?;
    Ok((PusherKeys::new(provider, part.epoch, secret), DomainKeys::new(provider, device.id.into(), domain)))
}

/// A new epoch's part of a record: its KEM pair, and the secrets of the epochs before it.
pub(crate) fn seal_epoch(
    provider: &'static Provider,
    vault: VaultId,
    epoch: &EpochKeys,
    earlier: &[&EpochKeys],
) -> Result<EpochPart, SealError> {
    let (kem_secret, public) = provider.kem.generate()?;
    let context = blob::epoch_secret_context(provider.suite, &vault, &epoch.id, &public);
    let dek = dek(provider, &epoch.secret_key(), &epoch.id.0, &context);
    let secret_blob = seal_blob(provider, BlobType::EpochSecretKey as u8, &context, &dek, kem_secret.expose(), 0)?;
    let history = if earlier.is_empty() { None } else { Some(seal_history(provider, vault, epoch, earlier)?) };
    Ok(EpochPart { id: epoch.id, public, secret_blob, history })
}

/// The epoch's KEM secret. That it opens also proves that `epoch` holds the secret its record was made with.
pub(crate) fn open_epoch_secret(
    provider: &'static Provider,
    vault: VaultId,
    epoch: &EpochKeys,
    part: &EpochPart,
) -> Result<SecretBytes, SealError> {
    let context = blob::epoch_secret_context(provider.suite, &vault, &part.id, &part.public);
    let dek = dek(provider, &epoch.secret_key(), &part.id.0, &context);
    open_blob(provider, BlobType::EpochSecretKey as u8, &context, &dek, &part.secret_blob)
}

/// All epochs before `epoch`.
pub(crate) fn open_history(
    provider: &'static Provider,
    vault: VaultId,
    epoch: &EpochKeys,
    history: &[u8],
) -> Result<Vec<EpochKeys>, SealError> {
    let context = blob::history_context(provider.suite, &vault, &epoch.id);
    let dek = dek(provider, &epoch.history(), &epoch.id.0, &context);
    let plain = open_blob(provider, BlobType::History as u8, &context, &dek, history)?;
    let (items, []) = plain.expose().as_chunks::<ITEM>() else {
        return Err(FormatError::Truncated { what: "history" }.into());
    };
    let epoch = |item: &[u8; ITEM]| {
        let (id, secret) = item.split_first_chunk::<16>().expect("an item has 48 bytes");
        Ok(EpochKeys::new(provider, EpochId(*id), Key::from_slice(secret)?))
    };
    items.iter().map(epoch).collect()
}

/// Names, URLs and `W`s for readers.
pub(crate) fn seal_private(
    provider: &'static Provider,
    vault: VaultId,
    epoch: &EpochKeys,
    part: &PrivatePart,
) -> Result<(EpochId, Vec<u8>), SealError> {
    let mut salt = [0; 32];
    provider.random.fill(&mut salt)?;
    let plain = Zeroizing::new(part.encode()?);
    let context = blob::private_context(provider.suite, &vault, &epoch.id, &salt);
    let dek = dek(provider, &epoch.private(), &salt, &context);
    let blob = seal_blob(provider, BlobType::Private as u8, &context, &dek, &plain, 0)?;
    Ok((epoch.id, [&salt[..], &blob].concat()))
}

/// The other way round.
pub(crate) fn open_private(
    provider: &'static Provider,
    vault: VaultId,
    epoch: &EpochKeys,
    field: &[u8],
) -> Result<Private, SealError> {
    let (salt, blob) = blob::split_private(provider.suite, field)?;
    let context = blob::private_context(provider.suite, &vault, &epoch.id, salt);
    let dek = dek(provider, &epoch.private(), salt, &context);
    let plain = open_blob(provider, BlobType::Private as u8, &context, &dek, blob)?;
    Ok(Private(PrivatePart::parse(plain.expose())?))
}

/// A private part that is wiped at its end.
pub(crate) struct Private(pub(crate) PrivatePart);

impl Drop for Private {
    fn drop(&mut self) {
        self.0.devices.iter_mut().for_each(|(_, w, _)| w.zeroize());
    }
}

fn seal_history(
    provider: &'static Provider,
    vault: VaultId,
    epoch: &EpochKeys,
    earlier: &[&EpochKeys],
) -> Result<Vec<u8>, SealError> {
    let mut plain = Zeroizing::new(Vec::with_capacity(ITEM * earlier.len()));
    for old in earlier {
        plain.extend_from_slice(&old.id.0);
        plain.extend_from_slice(old.secret().expose());
    }
    let context = blob::history_context(provider.suite, &vault, &epoch.id);
    let dek = dek(provider, &epoch.history(), &epoch.id.0, &context);
    seal_blob(provider, BlobType::History as u8, &context, &dek, &plain, 0)
}

fn seal_box(
    provider: &'static Provider,
    vault: VaultId,
    to: &Recipient<'_>,
    epoch: EpochId,
    pusher: bool,
    first: &Key,
    second: &Key,
) -> Result<BoxPart, SealError> {
    let (ciphertext, shared) = provider.kem.encapsulate(to.kem_key)?;
    let context = blob::box_context(provider.suite, pusher, &vault, &epoch, &to.id, to.kem_key, &ciphertext);
    let mut plain = Zeroizing::new(Vec::with_capacity(BOX));
    plain.extend_from_slice(&epoch.0);
    plain.extend_from_slice(first.expose());
    plain.extend_from_slice(second.expose());
    let dek = box_dek(provider, &shared, to.w, &context);
    let blob = seal_blob(provider, box_type(pusher), &context, &dek, &plain, 0)?;
    Ok(BoxPart { epoch, device: to.id, pusher, bytes: [ciphertext, blob].concat() })
}

fn open_box(
    provider: &'static Provider,
    device: &DeviceKeys,
    part: &BoxPart,
    pusher: bool,
) -> Result<(Key, Key), SealError> {
    let (ciphertext, blob) = blob::split_box(provider.suite, &part.bytes)?;
    let shared = provider.kem.decapsulate(device.kem_secret.expose(), ciphertext)?;
    let context =
        blob::box_context(provider.suite, pusher, &device.vault, &part.epoch, &device.id, &device.kem_key, ciphertext);
    let dek = box_dek(provider, &shared, &device.w, &context);
    let plain = open_blob(provider, box_type(pusher), &context, &dek, blob)?;
    let invalid = FormatError::Invalid { what: "box" };
    let plain: &[u8; BOX] = plain.expose().try_into().map_err(|_| invalid.clone())?;
    if plain[..16] != part.epoch.0 {
        return Err(invalid.into());
    }
    Ok((Key::from_slice(&plain[16..48])?, Key::from_slice(&plain[48..])?))
}

fn box_type(pusher: bool) -> u8 {
    if pusher { BlobType::PusherBox as u8 } else { BlobType::ReaderBox as u8 }
}

fn box_dek(provider: &Provider, shared: &Key, w: &Key, context: &[u8]) -> Key {
    let c = provider.hash.hash(&[context]);
    provider.kdf.derive(Purpose::Box.label(provider.suite), shared.expose(), w.expose(), &[&c])
}

fn dek(provider: &Provider, key: &Key, salt: &[u8], context: &[u8]) -> Key {
    let c = provider.hash.hash(&[context]);
    provider.kdf.derive(Purpose::Dek.label(provider.suite), key.expose(), salt, &[&c])
}

/// Bytes of an epoch in a history.
const ITEM: usize = 16 + 32;
/// Bytes in a box.
const BOX: usize = 16 + 32 + 32;

#[cfg(test)]
mod tests {
    use super::*;
    use crypto_backends::rustcrypto::provider;

    const VAULT: VaultId = VaultId([1; 32]);

    fn device() -> DeviceKeys {
        DeviceKeys::generate(provider(), VAULT).expect("a device")
    }

    fn epoch(n: u8) -> EpochKeys {
        EpochKeys::new(provider(), EpochId([n; 16]), Key::new([n; 32]))
    }

    #[test]
    fn reader_boxes() {
        let (reader, other, root) = (device(), device(), Key::new([9; 32]));
        let part = seal_reader_box(provider(), VAULT, &reader.recipient(), &epoch(1), &root).expect("sealed");
        let (keys, v) = open_reader_box(provider(), &reader, &part).map_err(|e| e.to_string()).expect("opens");
        assert!(keys.secret().ct_eq(epoch(1).secret()) && v.ct_eq(&root));
        assert!(open_reader_box(provider(), &other, &part).is_err());
        assert!(open_pusher_box(provider(), &reader, &BoxPart { pusher: true, ..part.clone() }).is_err());
        assert!(open_reader_box(provider(), &reader, &BoxPart { epoch: EpochId([2; 16]), ..part.clone() }).is_err());
        for at in [0, 500, 1119, 1120, 1151, 1152, part.bytes.len() - 1] {
            let mut changed = part.clone();
            changed.bytes[at] ^= 1;
            assert!(open_reader_box(provider(), &reader, &changed).is_err(), "byte {at}");
        }
    }

    /// The recorder has every object and breaks the KEM: it has the device's KEM secret, and so every shared secret. It lacks `W`.
    #[test]
    fn all_objects_plus_broken_kem_reads_nothing() {
        let reader = device();
        let part =
            seal_reader_box(provider(), VAULT, &reader.recipient(), &epoch(1), &Key::new([9; 32])).expect("sealed");
        let mut broken = reader.duplicate();
        broken.w = Key::new([0; 32]);
        assert!(matches!(open_reader_box(provider(), &broken, &part), Err(SealError::Commitment)));
        broken.w = reader.w.duplicate();
        assert!(open_reader_box(provider(), &broken, &part).is_ok(), "nothing else was missing");
    }

    #[test]
    fn stolen_pusher_does_not_open_other_pusher() {
        let (one, two, root) = (device(), device(), Key::new([9; 32]));
        let part = seal_pusher_box(provider(), VAULT, &one.recipient(), &epoch(1), &root).expect("sealed");
        let (keys, domain) = open_pusher_box(provider(), &one, &part).map_err(|e| e.to_string()).expect("opens");
        assert!(keys.secret().ct_eq(epoch(1).pusher(one.id).secret()));
        assert!(!keys.secret().ct_eq(epoch(1).pusher(two.id).secret()));
        assert!(domain.secret().ct_eq(DomainKeys::of_root(provider(), &root, one.id.into()).secret()));
        assert!(open_pusher_box(provider(), &two, &part).is_err());
    }

    #[test]
    fn epochs_and_their_history() {
        let part = seal_epoch(provider(), VAULT, &epoch(3), &[&epoch(1), &epoch(2)]).expect("sealed");
        let secret = open_epoch_secret(provider(), VAULT, &epoch(3), &part).map_err(|e| e.to_string()).expect("opens");
        let (ciphertext, shared) = provider().kem.encapsulate(&part.public).expect("sealed");
        assert!(provider().kem.decapsulate(secret.expose(), &ciphertext).expect("opens").ct_eq(&shared));
        let wrong = EpochKeys::new(provider(), EpochId([3; 16]), Key::new([4; 32]));
        assert!(open_epoch_secret(provider(), VAULT, &wrong, &part).is_err());
        assert!(open_epoch_secret(provider(), VaultId([2; 32]), &epoch(3), &part).is_err());

        let history = part.history.expect("there is a past");
        let earlier = open_history(provider(), VAULT, &epoch(3), &history).map_err(|e| e.to_string()).expect("opens");
        assert_eq!(earlier.iter().map(|e| e.id.0[0]).collect::<Vec<_>>(), [1, 2]);
        assert!(earlier[1].data.ct_eq(&epoch(2).data));
        assert!(open_history(provider(), VAULT, &wrong, &history).is_err());
        assert!(seal_epoch(provider(), VAULT, &epoch(3), &[]).expect("sealed").history.is_none());
    }

    #[test]
    fn private_parts() {
        let part = PrivatePart { devices: vec![(DeviceId([1; 16]), [2; 32], "name".into())], stores: vec![] };
        let (id, field) = seal_private(provider(), VAULT, &epoch(1), &part).expect("sealed");
        assert_eq!(id, epoch(1).id);
        let opened = open_private(provider(), VAULT, &epoch(1), &field).map_err(|e| e.to_string()).expect("opens");
        assert_eq!(opened.0.devices, part.devices);
        assert!(open_private(provider(), VAULT, &epoch(2), &field).is_err());
    }
}
