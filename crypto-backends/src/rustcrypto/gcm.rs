//! AES-256-GCM (SP 800-38D) with 96-bit random nonces.
//!
//! A key may seal 2^32 times with random nonces (SP 800-38D section 8.3); here a key seals one content, since every frame's key
//! depends on what is in it (SPEC section 5.2).
use aes_gcm::{AeadInOut, Aes256Gcm as Cipher, KeyInit};

use crate::Key;
use crate::contract::{Aead, Nonce, Random, Sealed};
use crate::ct_eq;
use crate::error::CryptoError;

pub(crate) struct Aes256Gcm {
    /// Where nonces come from.
    pub(crate) random: &'static dyn Random,
}

impl Aead for Aes256Gcm {
    fn seal(&self, key: &Key, aad: &[u8], buf: &mut [u8]) -> Result<Sealed, CryptoError> {
        let mut nonce = [0; NONCE_LEN];
        self.random.fill(&mut nonce)?;
        let len = buf.len();
        let tag = Cipher::new(key.expose().into())
            .encrypt_inout_detached(&nonce.into(), aad, buf.into())
            .map_err(|_| CryptoError::TooLong(len))?;
        Ok(Sealed { nonce: Nonce::from_slice(&nonce)?, tag: tag.into() })
    }

    fn open(&self, key: &Key, nonce: &[u8], aad: &[u8], buf: &mut [u8], tag: &[u8; 16]) -> Result<(), CryptoError> {
        Cipher::new(key.expose().into())
            .decrypt_inout_detached(read_nonce(nonce)?, aad, buf.into(), tag.into())
            .map_err(|_| CryptoError::NotAuthentic)
    }

    fn seal_again(
        &self,
        key: &Key,
        nonce: &[u8],
        aad: &[u8],
        buf: &mut [u8],
        tag: &[u8; 16],
    ) -> Result<(), CryptoError> {
        let len = buf.len();
        let made = Cipher::new(key.expose().into())
            .encrypt_inout_detached(read_nonce(nonce)?, aad, buf.into())
            .map_err(|_| CryptoError::TooLong(len))?;
        if ct_eq(&made, tag) { Ok(()) } else { Err(CryptoError::NotAuthentic) }
    }

    fn nonce_len(&self) -> usize {
        NONCE_LEN
    }
}

fn read_nonce(nonce: &[u8]) -> Result<&aes_gcm::Nonce<aes_gcm::aead::consts::U12>, CryptoError> {
    nonce.try_into().map_err(|_| CryptoError::Length { what: "nonce", expected: "12", actual: nonce.len() })
}

/// SP 800-38D section 8.2.2: 96 bits.
const NONCE_LEN: usize = 12;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Suite;
    use crate::rustcrypto::{OsRandom, provider_of};
    use crate::testing::Replay;

    const TEXT: &[u8] = b"one frame of a pack";
    const AAD: &[u8] = b"header and slot";

    #[test]
    fn any_flipped_bit_is_refused() {
        let aead = provider_of(Suite::Fips).aead;
        let key = Key::random(&OsRandom).unwrap();
        let mut sealed_text = TEXT.to_vec();
        let sealed = aead.seal(&key, AAD, &mut sealed_text).unwrap();
        assert_ne!(sealed_text, TEXT);

        let fields = [key.expose().as_slice(), sealed.nonce.as_slice(), AAD, &sealed_text, &sealed.tag];
        open(fields.map(<[u8]>::to_vec)).unwrap();
        for changed in 0..fields.len() {
            for bit in 0..fields[changed].len() * 8 {
                let mut fields = fields.map(<[u8]>::to_vec);
                fields[changed][bit / 8] ^= 1 << (bit % 8);
                assert!(matches!(open(fields), Err(CryptoError::NotAuthentic)), "field {changed} bit {bit}");
            }
        }
    }

    fn open([key, nonce, aad, mut text, tag]: [Vec<u8>; 5]) -> Result<(), CryptoError> {
        let before = text.clone();
        let key = Key::from_slice(&key)?;
        let opened = provider_of(Suite::Fips).aead.open(&key, &nonce, &aad, &mut text, &tag.try_into().unwrap());
        assert_eq!(text, if opened.is_ok() { TEXT } else { &before });
        opened
    }

    #[test]
    fn wrong_lengths_are_refused() {
        let aead = provider_of(Suite::Fips).aead;
        let key = Key::random(&OsRandom).unwrap();
        let mut text = TEXT.to_vec();
        let sealed = aead.seal(&key, AAD, &mut text).unwrap();
        let nonce = [sealed.nonce.as_slice(), &[0; 12]].concat();
        for len in [0, 8, 11, 13, 16, 24] {
            let refused = aead.open(&key, &nonce[..len], AAD, &mut text, &sealed.tag);
            assert!(matches!(refused, Err(CryptoError::Length { actual, .. }) if actual == len));
        }
        let cut = text.len() - 1;
        aead.open(&key, sealed.nonce.as_slice(), AAD, &mut text[..cut], &sealed.tag).unwrap_err();
        aead.open(&key, sealed.nonce.as_slice(), AAD, &mut [], &sealed.tag).unwrap_err();
        aead.open(&key, sealed.nonce.as_slice(), AAD, &mut text, &sealed.tag).unwrap();
        assert_eq!(text, TEXT);
    }

    #[test]
    fn the_same_ciphertext_comes_out_again() {
        let aead = provider_of(Suite::Fips).aead;
        let key = Key::random(&OsRandom).unwrap();
        for len in [0, 1, 63, 64, 65, 5000] {
            let text = vec![7; len];
            let mut sealed_text = text.clone();
            let sealed = aead.seal(&key, AAD, &mut sealed_text).unwrap();
            let mut again = text.clone();
            let nonce = sealed.nonce.as_slice();
            aead.seal_again(&key, nonce, AAD, &mut again, &sealed.tag).unwrap();
            assert_eq!(again, sealed_text);
            let refused = aead.seal_again(&key, &nonce[1..], AAD, &mut again, &sealed.tag);
            assert!(matches!(refused, Err(CryptoError::Length { actual: 11, .. })));
            let mut other = sealed.tag;
            other[15] ^= 1;
            for (aad, tag) in [(AAD, &other), (b"", &sealed.tag)] {
                let refused = aead.seal_again(&key, nonce, aad, &mut text.clone(), tag);
                assert!(matches!(refused, Err(CryptoError::NotAuthentic)));
            }
        }
    }

    #[test]
    fn empty_texts_are_sealed_too() {
        let aead = provider_of(Suite::Fips).aead;
        let key = Key::random(&OsRandom).unwrap();
        let sealed = aead.seal(&key, AAD, &mut []).unwrap();
        aead.open(&key, sealed.nonce.as_slice(), AAD, &mut [], &sealed.tag).unwrap();
        aead.open(&key, sealed.nonce.as_slice(), b"", &mut [], &sealed.tag).unwrap_err();
    }

    #[test]
    fn nonces_are_drawn_and_failing_randomness_is_an_error() {
        let random: &'static Replay = Box::leak(Box::new(Replay::new((0..24).collect())));
        let aead = Aes256Gcm { random };
        let key = Key::new([1; 32]);
        let mut nonces = Vec::new();
        for _ in 0..2 {
            nonces.extend(aead.seal(&key, AAD, &mut TEXT.to_vec()).unwrap().nonce.as_slice().to_vec());
        }
        assert_eq!(nonces, (0..24).collect::<Vec<u8>>());

        let mut text = TEXT.to_vec();
        let refused = aead.seal(&key, AAD, &mut text);
        assert!(matches!(refused, Err(CryptoError::Random(_))));
        assert_eq!(text, TEXT);
    }
}
