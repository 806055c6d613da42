//! AES-256-GCM (SP 800-38D). Seals only under nonces that the module draws (section 8.2.2): there is no other way to seal here.
use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce as ModuleNonce, RandomizedNonceKey, UnboundKey};
use aws_lc_rs::cipher::{AES_256, DecryptingKey, DecryptionContext, UnboundCipherKey};
use crypto_backends::{Aead, CryptoError, FipsStatus, Key, Nonce, Sealed, ct_eq};
use zeroize::Zeroizing;

use crate::CERTIFIED;

pub(crate) struct Aes256Gcm;

impl Aead for Aes256Gcm {
    fn seal(&self, key: &Key, aad: &[u8], buf: &mut [u8]) -> Result<Sealed, CryptoError> {
        let key = RandomizedNonceKey::new(&AES_256_GCM, key.expose()).map_err(|_| NO_KEY)?;
        let len = buf.len();
        let sealed = key.seal_in_place_separate_tag(Aad::from(aad), buf);
        let (nonce, tag) = sealed.map_err(|_| CryptoError::TooLong(len))?;
        let tag = tag.as_ref().try_into().map_err(|_| CryptoError::Module("make a tag of 16 bytes"))?;
        Ok(Sealed { nonce: Nonce::from_slice(nonce.as_ref())?, tag })
    }

    fn open(&self, key: &Key, nonce: &[u8], aad: &[u8], buf: &mut [u8], tag: &[u8; 16]) -> Result<(), CryptoError> {
        let nonce = ModuleNonce::assume_unique_for_key(read_nonce(nonce)?);
        opening(key)?
            .open_in_place_separate_tag(nonce, Aad::from(aad), tag, buf)
            .map(|_| ())
            .map_err(|_| CryptoError::NotAuthentic)
    }

    /// Not a seal: nothing is drawn, and the tag is checked, not made. AES-256-CTR from the counter block that GCM begins with
    /// (SP 800-38D section 7.1) gives the ciphertext, and opening that gives the text again only if the tag is its own. The counter
    /// runs over 32 bits there and 128 here, which is the same below 64 GiB.
    fn seal_again(
        &self,
        key: &Key,
        nonce: &[u8],
        aad: &[u8],
        buf: &mut [u8],
        tag: &[u8; 16],
    ) -> Result<(), CryptoError> {
        let nonce = read_nonce(nonce)?;
        let len = buf.len();
        if len as u64 > GCM_TEXT_MAX {
            return Err(CryptoError::TooLong(len));
        }
        let text = Zeroizing::new(buf.to_vec());
        let mut counter = [0; 16];
        counter[..NONCE_LEN].copy_from_slice(&nonce);
        counter[15] = 2;
        // In counter mode both directions are one; only this one takes a counter block from us.
        let cipher = UnboundCipherKey::new(&AES_256, key.expose()).and_then(DecryptingKey::ctr).map_err(|_| NO_KEY)?;
        cipher
            .decrypt(buf, DecryptionContext::Iv128((&counter).into()))
            .map_err(|_| CryptoError::Module("run AES in counter mode"))?;

        let mut opened = Zeroizing::new(vec![0; len]);
        opening(key)?
            .open_separate_gather(ModuleNonce::assume_unique_for_key(nonce), Aad::from(aad), buf, tag, &mut opened)
            .map_err(|_| CryptoError::NotAuthentic)?;
        if ct_eq(&opened, &text) { Ok(()) } else { Err(CryptoError::NotAuthentic) }
    }

    fn nonce_len(&self) -> usize {
        NONCE_LEN
    }

    fn fips(&self) -> FipsStatus {
        CERTIFIED
    }
}

/// A key that opens under nonces that are given. It could also seal under them, so it does not leave this file.
fn opening(key: &Key) -> Result<LessSafeKey, CryptoError> {
    UnboundKey::new(&AES_256_GCM, key.expose()).map(LessSafeKey::new).map_err(|_| NO_KEY)
}

fn read_nonce(nonce: &[u8]) -> Result<[u8; NONCE_LEN], CryptoError> {
    nonce.try_into().map_err(|_| CryptoError::Length { what: "nonce", expected: "12", actual: nonce.len() })
}

const NO_KEY: CryptoError = CryptoError::Module("take an AES key");

/// SP 800-38D section 5.2.1.1: 2^39 - 256 bits.
const GCM_TEXT_MAX: u64 = (1 << 36) - 32;
