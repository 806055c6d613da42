//! Objects of one frame and blobs (SPEC sections 5.1 to 5.4).
use crypto_backends::{Key, Provider, SecretBytes};
use vault_format::frame::{ONLY_SLOT, TEXT_HEAD, overhead};
use vault_format::header::COMMIT_LEN;
use vault_format::{Codec, FormatError, Header, Purpose, sizes};

use super::frame::{ObjectKeys, Opener, SealError};
use super::segment::Compressor;

/// The DEK of an object sealed in mode 1: `key` is the one that SPEC 5.1 names for its type and domain, `header` all bytes before the commitment.
pub fn dek(provider: &Provider, key: &Key, header: &[u8], salt: &[u8; 32]) -> Key {
    let label = Purpose::Dek.label(provider.suite);
    provider.kdf.derive(label, key.expose(), salt, &[&provider.hash.hash(&[header])])
}

/// The DEK of a pack sealed in mode 2: `shared` came out of the KEM, `psk` is `P_kem` of the push-only device.
pub fn sealed_dek(provider: &Provider, shared: &Key, psk: &Key, header: &[u8]) -> Key {
    let label = Purpose::SealedDek.label(provider.suite);
    provider.kdf.derive(label, shared.expose(), psk.expose(), &[&provider.hash.hash(&[header])])
}

/// An object of one frame: header, `extra` (a chain part), commitment, frame. With the `reserve` bytes of a signature that the caller appends, it
/// has a size of SPEC section 13. `level` compresses the body where that makes the object smaller.
pub fn seal_object(
    provider: &'static Provider,
    header: &Header,
    extra: &[u8],
    dek: &Key,
    body: &[u8],
    level: Option<i32>,
    reserve: usize,
) -> Result<Vec<u8>, SealError> {
    let clear = [&header.encode()[..], extra].concat();
    let plain_len = u32::try_from(body.len())
        .map_err(|_| FormatError::Limit { what: "plain length", limit: u64::from(u32::MAX) })?;
    let mut compressor = Compressor::new(level)?;
    let total = |body: &[u8]| {
        let least = clear.len() + COMMIT_LEN + overhead(provider.suite) + TEXT_HEAD + body.len();
        sizes::class(least + reserve) - reserve
    };
    // What makes the object no smaller only makes it harder to compress together with others (SPEC section 10.5).
    let (codec, body) = match compressor.compress(body)? {
        (Codec::Zstd, packed) if total(packed) < total(body) => (Codec::Zstd, packed),
        _ => (Codec::Stored, body),
    };
    let keys = ObjectKeys::new(provider, dek, provider.hash.hash(&[&clear]), header.object_type as u8);
    let total = total(body);

    let mut out = Vec::with_capacity(total + reserve);
    out.extend_from_slice(&clear);
    out.extend_from_slice(&keys.commit());
    let text_len = total - out.len() - overhead(provider.suite);
    keys.seal_frame(ONLY_SLOT, true, codec, plain_len, body, text_len, &mut out)?;
    Ok(out)
}

/// The body of what `seal_object` made. `object` comes without signature; `header_len` counts everything before the commitment.
/// That header, writer and signature are the expected ones is the caller's to check before.
pub fn open_object(
    provider: &'static Provider,
    object: &[u8],
    header_len: usize,
    dek: &Key,
    max_plain: usize,
) -> Result<Vec<u8>, SealError> {
    let header = Header::parse(object)?;
    let (clear, sealed) = object.split_at_checked(header_len).ok_or(FormatError::Truncated { what: "header" })?;
    let (commit, frame) = sealed.split_at_checked(COMMIT_LEN).ok_or(FormatError::Truncated { what: "commitment" })?;
    let keys = ObjectKeys::new(provider, dek, provider.hash.hash(&[clear]), header.object_type as u8);
    keys.check_commit(commit)?;
    let mut body = Vec::new();
    keys.open_frame(ONLY_SLOT, true, frame, max_plain, &mut body)?;
    Ok(body)
}

/// A blob of SPEC section 5.4, never compressed: its body is padded to a text of `text_len` bytes, or not at all if that is 0.
/// `context` is the whole of it, `blob_type` its type byte.
pub fn seal_blob(
    provider: &'static Provider,
    blob_type: u8,
    context: &[u8],
    dek: &Key,
    body: &[u8],
    text_len: usize,
) -> Result<Vec<u8>, SealError> {
    let plain_len = u32::try_from(body.len())
        .map_err(|_| FormatError::Limit { what: "plain length", limit: u64::from(u32::MAX) })?;
    let text_len = if text_len == 0 { TEXT_HEAD + body.len() } else { text_len };
    let keys = ObjectKeys::new(provider, dek, provider.hash.hash(&[context]), blob_type);
    let mut out = keys.commit().to_vec();
    keys.seal_frame(ONLY_SLOT, true, Codec::Stored, plain_len, body, text_len, &mut out)?;
    Ok(out)
}

/// The body of a blob. Nothing follows from its opening but that it was sealed under this key and context.
pub fn open_blob(
    provider: &'static Provider,
    blob_type: u8,
    context: &[u8],
    dek: &Key,
    blob: &[u8],
) -> Result<SecretBytes, SealError> {
    let keys = ObjectKeys::new(provider, dek, provider.hash.hash(&[context]), blob_type);
    let (commit, frame) = blob.split_at_checked(COMMIT_LEN).ok_or(FormatError::Truncated { what: "commitment" })?;
    keys.check_commit(commit)?;
    let mut opener = Opener::new();
    let body = opener.open(&keys, ONLY_SLOT, true, frame, blob.len())?;
    Ok(SecretBytes::new(body.to_vec()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stage::testing::{random_bytes, text_bytes};
    use crypto_backends::rustcrypto::provider;
    use std::collections::BTreeMap;
    use vault_format::labels::Purpose;
    use vault_format::{DeviceId, Domain, EpochId, Mode, ObjectType, Suite, VaultId};

    fn header(object_type: ObjectType) -> Header {
        Header {
            suite: Suite::Default,
            object_type,
            mode: Mode::Symmetric,
            vault: VaultId([1; 32]),
            epoch: EpochId([2; 16]),
            domain: Domain::SHARED,
            writer: DeviceId([3; 16]),
            salt: [4; 32],
        }
    }

    fn key() -> Key {
        Key::new([8; 32])
    }

    /// What an implementation of its own has sealed, from the secrets down. Sealing has no vectors: nonces are random.
    #[test]
    fn sealed_vectors_of_suite_2_open() {
        let provider = crypto_backends::rustcrypto::provider_of(Suite::Fips);
        let derive = |purpose: Purpose, secret: &[u8], salt: &[u8], context: &[&[u8]]| {
            provider.kdf.derive(purpose.label(Suite::Fips), secret, salt, context)
        };
        for name in ["symmetric", "to-the-epoch"] {
            let path = format!("{}/vault-format/testdata/v1/sealed/{name}.txt", env!("CARGO_MANIFEST_DIR"));
            let text = std::fs::read_to_string(path).expect("a vector");
            let fields: BTreeMap<&str, &str> = text.lines().filter_map(|line| line.split_once(": ")).collect();
            let hex = |field: &str| hex::decode(fields[field]).expect("hex");
            let object = hex("object");
            let header_len = fields["header len"].parse().expect("a number");
            let header = Header::parse(&object).expect("a header");
            let hash = provider.hash.hash(&[&object[..header_len]]);
            let dek = if header.mode == Mode::Sealed {
                let psk = derive(Purpose::PusherKemPsk, &hex("pusher secret"), &[], &[]);
                let shared = provider.kem.decapsulate(&hex("epoch key"), &object[120..header_len]).expect("a secret");
                derive(Purpose::SealedDek, shared.expose(), psk.expose(), &[&hash])
            } else {
                let key = derive(Purpose::Index, &hex("epoch secret"), &[], &[]);
                derive(Purpose::Dek, key.expose(), &header.salt, &[&hash])
            };
            assert_eq!(dek.expose()[..], hex("dek"), "{name}");
            let body = hex("body");
            assert_eq!(open_object(provider, &object, header_len, &dek, body.len()).expect("opens"), body, "{name}");
            for at in (0..object.len()).step_by(7) {
                let mut bad = object.clone();
                bad[at] ^= 1;
                assert!(open_object(provider, &bad, header_len, &dek, body.len()).is_err(), "{name} {at}");
            }
        }
    }

    #[test]
    fn objects_round_trip_in_a_size_of_the_table() {
        for len in [0, 1, 3000, 200_000, 5_000_000] {
            for (body, level) in
                [(text_bytes(1, len), Some(3)), (random_bytes(2, len), Some(3)), (random_bytes(3, len), None)]
            {
                for (extra, reserve) in [(vec![], 0), (random_bytes(4, 44), 3373)] {
                    let object =
                        seal_object(provider(), &header(ObjectType::Entry), &extra, &key(), &body, level, reserve)
                            .expect("seals");
                    assert!(sizes::is_class(object.len() + reserve), "{}", object.len());
                    let open = |max| open_object(provider(), &object, 120 + extra.len(), &key(), max);
                    assert_eq!(open(len).expect("opens"), body);
                    if len > 0 {
                        assert!(matches!(open(len - 1), Err(SealError::Format(FormatError::Limit { .. }))));
                    }
                }
            }
        }
    }

    #[test]
    fn every_changed_byte_of_an_object_is_refused() {
        let extra = [7; 44];
        let good =
            seal_object(provider(), &header(ObjectType::Entry), &extra, &key(), b"body", None, 0).expect("seals");
        assert!(open_object(provider(), &good, 164, &key(), 100).is_ok());
        for at in (0..500).chain(good.len() - 100..good.len()) {
            let mut bad = good.clone();
            bad[at] ^= 1;
            let error = open_object(provider(), &bad, 164, &key(), 100).expect_err("changed");
            match at {
                // Magic to mode may fail as such; everything else of the header is committed to.
                0..8 => assert!(matches!(error, SealError::Format(_) | SealError::Commitment), "{at}: {error}"),
                8..196 => assert!(matches!(error, SealError::Commitment), "{at}: {error}"),
                _ => assert!(matches!(error, SealError::Tag { slot: 0 }), "{at}: {error}"),
            }
        }
        assert!(matches!(open_object(provider(), &good, 164, &Key::new([9; 32]), 100), Err(SealError::Commitment)));
        assert!(matches!(open_object(provider(), &good, 163, &key(), 100), Err(SealError::Commitment)));
        assert!(matches!(
            open_object(provider(), &good[..good.len() - 1], 164, &key(), 100),
            Err(SealError::Tag { .. })
        ));
        for len in [0, 119, 163, 195, 196, 250] {
            assert!(
                matches!(open_object(provider(), &good[..len], 164, &key(), 100), Err(SealError::Format(_))),
                "{len}"
            );
        }
        let longer = [&good[..], &[0]].concat();
        assert!(matches!(open_object(provider(), &longer, 164, &key(), 100), Err(SealError::Tag { .. })));
    }

    #[test]
    fn keys_of_objects_depend_on_header_and_salt() {
        let header = header(ObjectType::Delta).encode();
        let by_the_book =
            provider().kdf.derive("zvault v1 01 dek", key().expose(), &[4; 32], &[&provider().hash.hash(&[&header])]);
        assert!(dek(provider(), &key(), &header, &[4; 32]).ct_eq(&by_the_book));
        assert!(!dek(provider(), &key(), &header, &[5; 32]).ct_eq(&by_the_book));
        assert!(!dek(provider(), &key(), &header[1..], &[4; 32]).ct_eq(&by_the_book));
        let psk = Key::new([4; 32]);
        let sealed = sealed_dek(provider(), &key(), &psk, &header);
        assert!(!sealed.ct_eq(&by_the_book));
        assert!(!sealed.ct_eq(&sealed_dek(provider(), &key(), &key(), &header)));
    }

    #[test]
    fn blobs_round_trip_and_bind_type_and_context() {
        for (text_len, len) in [(0, 32 + 72 + 9 + 6), (8192 - 32 - 72, 8192)] {
            let blob = seal_blob(provider(), 17, b"context", &key(), b"secret", text_len).expect("seals");
            assert_eq!(blob.len(), len);
            let open = |blob_type, context: &[u8], key: &Key, blob: &[u8]| {
                open_blob(provider(), blob_type, context, key, blob)
            };
            assert_eq!(open(17, b"context", &key(), &blob).expect("opens").expose(), b"secret");
            assert!(matches!(open(18, b"context", &key(), &blob), Err(SealError::Tag { .. })));
            assert!(matches!(open(17, b"contexT", &key(), &blob), Err(SealError::Commitment)));
            assert!(matches!(open(17, b"context", &Key::new([9; 32]), &blob), Err(SealError::Commitment)));
            assert!(matches!(open(17, b"context", &key(), &blob[..31]), Err(SealError::Format(_))));
            for at in 0..blob.len() {
                let mut bad = blob.clone();
                bad[at] ^= 0x80;
                assert!(open(17, b"context", &key(), &bad).is_err(), "{at}");
            }
        }
        assert!(seal_blob(provider(), 16, b"", &key(), b"secret", 14).is_err(), "does not fit");
    }
}
