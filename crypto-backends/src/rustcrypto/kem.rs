//! X-Wing: ML-KEM-768 with X25519 (draft-connolly-cfrg-xwing-kem).
//!
//! **All-zero X25519 results.** A low-order X25519 half makes `ss_X` zero whatever the other key is. The draft
//! takes the bare `X25519` function, for which aborting is a MAY (RFC 7748 section 6.1); the IETF means to fix
//! one behaviour and has not published it; the crate offers both. We refuse on decapsulation: honest senders never
//! make such a ciphertext, and what is valid must not change with a crate version. It costs no security either
//! way, as ML-KEM still holds and the combiner hashes `ct_X` and `pk_X`. Encapsulation does not look at the
//! recipient's X25519 half: whoever registers a low-order key gets boxes that it cannot open.
use x_wing::{DecapsulationKeyRejectNonContrib, Decapsulator, EncapsulationKey, KeyExport, TryDecapsulate};
use zeroize::Zeroize;

use crate::contract::{Kem, Random};
use crate::error::CryptoError;
use crate::{Key, Secret, SecretBytes};

pub(crate) struct XWing {
    /// Where seeds come from.
    pub(crate) random: &'static dyn Random,
}

impl Kem for XWing {
    fn generate(&self) -> Result<(SecretBytes, Vec<u8>), CryptoError> {
        let seed = Secret::<SECRET_LEN>::random(self.random)?;
        let public = DecapsulationKeyRejectNonContrib::from(*seed.expose()).encapsulation_key().to_bytes();
        Ok((SecretBytes::new(seed.expose().to_vec()), public.to_vec()))
    }

    fn encapsulate(&self, public: &[u8]) -> Result<(Vec<u8>, Key), CryptoError> {
        if public.len() != PUBLIC_LEN {
            return Err(wrong_len("KEM public key", "1216", public));
        }
        // Includes the modulus check of FIPS 203 section 7.2.
        let public = EncapsulationKey::try_from(public).map_err(|_| CryptoError::Malformed("KEM public key"))?;
        let eseed = Secret::<ESEED_LEN>::random(self.random)?;
        let (ct, mut shared) = public.encapsulate_deterministic(eseed.expose().into());
        let key = Key::from_slice(&shared);
        shared.as_mut_slice().zeroize();
        Ok((ct.to_vec(), key?))
    }

    fn decapsulate(&self, secret: &[u8], ct: &[u8]) -> Result<Key, CryptoError> {
        let secret: &[u8; SECRET_LEN] = secret.try_into().map_err(|_| wrong_len("KEM secret key", "32", secret))?;
        let ct: &x_wing::Ciphertext = ct.try_into().map_err(|_| wrong_len("KEM ciphertext", "1120", ct))?;
        let mut shared = DecapsulationKeyRejectNonContrib::from(*secret)
            .try_decapsulate(ct)
            .map_err(|_| CryptoError::Malformed("KEM ciphertext"))?;
        let key = Key::from_slice(&shared);
        shared.as_mut_slice().zeroize();
        key
    }

    fn public_len(&self) -> usize {
        PUBLIC_LEN
    }

    fn ct_len(&self) -> usize {
        CT_LEN
    }

    fn secret_len(&self) -> usize {
        SECRET_LEN
    }
}

fn wrong_len(what: &'static str, expected: &'static str, actual: &[u8]) -> CryptoError {
    CryptoError::Length { what, expected, actual: actual.len() }
}

/// draft-connolly-cfrg-xwing-kem section 5.2: ML-KEM-768 1184 and X25519 32; a ciphertext is 1088 and 32;
/// the secret key is the seed of both; encapsulation takes 32 random bytes for each.
const PUBLIC_LEN: usize = x_wing::ENCAPSULATION_KEY_SIZE;
const CT_LEN: usize = x_wing::CIPHERTEXT_SIZE;
const SECRET_LEN: usize = x_wing::DECAPSULATION_KEY_SIZE;
const ESEED_LEN: usize = x_wing::ENCAPSULATION_RANDOMNESS_SIZE;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rustcrypto::provider;
    use crate::testing::{Replay, known_answers};
    use vault_format::Suite;

    #[test]
    fn lengths_are_those_of_the_format() {
        let kem = provider().kem;
        let (secret, public) = kem.generate().unwrap();
        let (ct, key) = kem.encapsulate(&public).unwrap();
        assert_eq!((secret.expose().len(), public.len(), ct.len()), (32, 1216, 1120));
        assert_eq!((kem.secret_len(), kem.public_len(), kem.ct_len()), (32, 1216, 1120));
        assert_eq!(kem.ct_len(), Suite::Default.kem_ct_len());
        assert!(key.ct_eq(&kem.decapsulate(secret.expose(), &ct).unwrap()));
    }

    #[test]
    fn changed_ciphertexts_and_other_keys_give_another_secret() {
        let kem = provider().kem;
        let (secret, public) = kem.generate().unwrap();
        let (ct, key) = kem.encapsulate(&public).unwrap();
        for at in [0, 500, 1087, 1088, 1100, 1118] {
            let mut changed = ct.clone();
            changed[at] ^= 1;
            let other = kem.decapsulate(secret.expose(), &changed);
            assert!(!other.is_ok_and(|other| other.ct_eq(&key)), "byte {at}");
        }
        let (stranger, _) = kem.generate().unwrap();
        assert!(!kem.decapsulate(stranger.expose(), &ct).unwrap().ct_eq(&key));
        assert!(!kem.encapsulate(&public).unwrap().1.ct_eq(&key));
    }

    #[test]
    fn wrong_lengths_and_malformed_keys_are_refused() {
        let kem = provider().kem;
        let (secret, public) = kem.generate().unwrap();
        let (ct, _) = kem.encapsulate(&public).unwrap();
        let long = |bytes: &[u8]| [bytes, &[0]].concat();
        for bad in [&[], &public[1..], &long(&public)] {
            assert!(matches!(kem.encapsulate(bad), Err(CryptoError::Length { .. })));
        }
        for bad in [&[], &ct[1..], &long(&ct)] {
            let refused = kem.decapsulate(secret.expose(), bad);
            assert!(matches!(refused, Err(CryptoError::Length { .. })));
        }
        for bad in [&[], &secret.expose()[1..], &long(secret.expose())] {
            assert!(matches!(kem.decapsulate(bad, &ct), Err(CryptoError::Length { .. })));
        }
        // Twelve bits of ones are no number below q = 3329 (FIPS 203 section 7.2).
        let mut over = public.clone();
        over[..3].fill(0xff);
        assert!(matches!(kem.encapsulate(&over), Err(CryptoError::Malformed(_))));
    }

    #[test]
    fn all_zero_x25519_results_are_refused() {
        let kem = provider().kem;
        let (secret, public) = kem.generate().unwrap();
        let (ct, _) = kem.encapsulate(&public).unwrap();
        // u = 0 and u = 1 have low order (RFC 7748 section 6.1).
        for u in [0, 1] {
            let mut low = ct.clone();
            low[1088..].fill(0);
            low[1088] = u;
            let refused = kem.decapsulate(secret.expose(), &low);
            assert!(matches!(refused, Err(CryptoError::Malformed(_))), "u = {u}");
        }
    }

    #[test]
    fn failing_randomness_is_an_error() {
        let empty: &'static Replay = Box::leak(Box::new(Replay::new(vec![0; 31])));
        let kem = XWing { random: empty };
        assert!(matches!(kem.generate(), Err(CryptoError::Random(_))));
        let (_, public) = provider().kem.generate().unwrap();
        assert!(matches!(kem.encapsulate(&public), Err(CryptoError::Random(_))));
    }

    /// Generation and encapsulation need the draft's own randomness; decapsulation runs for every backend.
    #[test]
    fn draft_vectors_with_their_randomness() {
        let cases = known_answers::cases("01/kem");
        for case in &cases {
            let stream = [case.hex("seed"), case.hex("eseed")].concat();
            let kem = XWing { random: Box::leak(Box::new(Replay::new(stream))) };
            let (secret, public) = kem.generate().unwrap();
            assert_eq!(secret.expose(), case.hex("secret"), "{}", case.name);
            assert_eq!(public, case.hex("public"), "{}", case.name);
            let (ct, key) = kem.encapsulate(&public).unwrap();
            assert_eq!(ct, case.hex("ciphertext"), "{}", case.name);
            assert_eq!(key.expose().as_slice(), case.hex("shared"), "{}", case.name);
        }
        assert_eq!(cases.len(), 3);
    }
}
