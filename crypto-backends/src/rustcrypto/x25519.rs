//! X25519 (RFC 7748), for the handshake of pairing.
use x25519_dalek::{PublicKey, StaticSecret};

use crate::contract::{KeyAgreement, Random};
use crate::error::CryptoError;
use crate::{Key, Secret, SecretBytes};

pub(crate) struct X25519 {
    /// Where secret keys come from.
    pub(crate) random: &'static dyn Random,
}

impl KeyAgreement for X25519 {
    fn generate(&self) -> Result<(SecretBytes, Vec<u8>), CryptoError> {
        let secret = Secret::<LEN>::random(self.random)?;
        let public = self.public(secret.expose())?;
        Ok((SecretBytes::new(secret.expose().to_vec()), public))
    }

    fn public(&self, secret: &[u8]) -> Result<Vec<u8>, CryptoError> {
        Ok(PublicKey::from(&read(secret)?).as_bytes().to_vec())
    }

    /// Refuses a result of zeros (section 6.1), which is what a public key of low order gives with every other key.
    fn agree(&self, secret: &[u8], public: &[u8]) -> Result<Key, CryptoError> {
        const WHAT: &str = "X25519 public key";
        let theirs: [u8; LEN] = public.try_into().map_err(|_| wrong_len(WHAT, public))?;
        let shared = read(secret)?.diffie_hellman(&PublicKey::from(theirs));
        match shared.was_contributory() {
            true => Key::from_slice(shared.as_bytes()),
            false => Err(CryptoError::Malformed(WHAT)),
        }
    }

    fn public_len(&self) -> usize {
        LEN
    }

    fn secret_len(&self) -> usize {
        LEN
    }
}

fn read(secret: &[u8]) -> Result<StaticSecret, CryptoError> {
    let secret = Secret::<LEN>::from_slice(secret).map_err(|_| wrong_len("X25519 secret key", secret))?;
    Ok(StaticSecret::from(*secret.expose()))
}

fn wrong_len(what: &'static str, actual: &[u8]) -> CryptoError {
    CryptoError::Length { what, expected: "32", actual: actual.len() }
}

/// RFC 7748 section 5: all keys.
const LEN: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rustcrypto::provider;

    /// RFC 7748 section 5.2: the second vector, and 9 after one and 1,000 rounds.
    #[test]
    fn answers_of_the_rfc() {
        let it = provider().agreement;
        let read = |text: &str| hex::decode(text).unwrap();
        let scalar = read("4b66e9d4d1b4673c5ad22691957d6af5c11b6421e0ea01d42ca4169e7918ba0d");
        let u = read("e5210f12786811d3f4b7959d0538ae2c31dbe7106fc03c3efc4cd549c715a493");
        let expected = read("95cbde9476e8907d7aade45cb4b873f88b595a68799fa152e6f8f7647aac7957");
        assert_eq!(it.agree(&scalar, &u).unwrap().expose()[..], expected);

        let mut nine = vec![0; 32];
        nine[0] = 9;
        let (mut k, mut u) = (nine.clone(), nine);
        for round in 1..=1000 {
            let next = it.agree(&k, &u).unwrap().expose().to_vec();
            (u, k) = (k, next);
            if round == 1 {
                assert_eq!(k, read("422c8e7a6227d7bca1350b3e2bb7279f7897b87bb6854b783c60e80311ae3079"));
            }
        }
        assert_eq!(k, read("684cf59ba83309552800ef566f2f4d3c1c3887c49360e3875f2eb94d99532c51"));
    }

    #[test]
    fn both_sides_agree_and_low_order_is_refused() {
        let it = provider().agreement;
        let ((one, one_public), (two, two_public)) = (it.generate().unwrap(), it.generate().unwrap());
        let shared = it.agree(one.expose(), &two_public).unwrap();
        assert!(shared.ct_eq(&it.agree(two.expose(), &one_public).unwrap()));
        assert_eq!(it.public(one.expose()).unwrap(), one_public);
        let mut one_is_low = [0; 32];
        one_is_low[0] = 1;
        for low in [[0; 32], one_is_low] {
            assert!(matches!(it.agree(one.expose(), &low), Err(CryptoError::Malformed(_))));
        }
        for bad in [&[][..], &[7; 31], &[7; 33]] {
            assert!(matches!(it.agree(one.expose(), bad), Err(CryptoError::Length { .. })));
            assert!(matches!(it.agree(bad, &one_public), Err(CryptoError::Length { .. })));
            assert!(matches!(it.public(bad), Err(CryptoError::Length { .. })));
        }
    }
}
