//! ML-KEM-768 (FIPS 203) with P-256 (SP 800-56A), combined by HKDF-SHA-256 (SPEC section 3.2).
//!
//! ```text
//! secret      0  2400 ML-KEM decapsulation key, expanded    2400  32 P-256 scalar, big-endian
//! public      0  1184 ML-KEM encapsulation key              1184  65 P-256 point, uncompressed
//! ciphertext  0  1088 ML-KEM ciphertext                     1088  65 ephemeral P-256 point, uncompressed
//! ```

use zeroize::Zeroizing;

use super::hkdf::HkdfSha256;
use super::ml_kem::{self, MlKem768};
use super::p256::{self, P256};
use crate::contract::{Kdf, Kem, KeyAgreement, Random};
use crate::error::CryptoError;
use crate::{Key, SecretBytes, Suite};
use vault_format::labels::Purpose;

pub(crate) struct MlKem768P256 {
    /// Where seeds, scalars and messages come from.
    pub(crate) random: &'static dyn Random,
}

impl MlKem768P256 {
    fn halves(&self) -> (MlKem768, P256) {
        (MlKem768 { random: self.random }, P256 { random: self.random })
    }
}

impl Kem for MlKem768P256 {
    fn generate(&self) -> Result<(SecretBytes, Vec<u8>), CryptoError> {
        let (ml_kem, p256) = self.halves();
        let (ml_kem_secret, ml_kem_public) = ml_kem.generate()?;
        let (scalar, point) = p256.generate()?;
        let secret = SecretBytes::new([ml_kem_secret.expose(), scalar.expose()].concat());
        Ok((secret, [ml_kem_public, point].concat()))
    }

    fn encapsulate(&self, public: &[u8]) -> Result<(Vec<u8>, Key), CryptoError> {
        if public.len() != PUBLIC_LEN {
            return Err(wrong_len("KEM public key", "1249", public));
        }
        let (ml_kem, p256) = self.halves();
        let (ml_kem_public, point) = public.split_at(ml_kem::PUBLIC_LEN);
        let of_whole = |error| named(error, "KEM public key");
        let (ml_kem_ct, ml_kem_shared) = ml_kem.encapsulate(ml_kem_public).map_err(of_whole)?;
        let (scalar, ephemeral) = p256.generate()?;
        let p256_shared = p256.agree(scalar.expose(), point).map_err(of_whole)?;
        let ct = [ml_kem_ct, ephemeral].concat();
        let key = combine(&ml_kem_shared, &p256_shared, &ct, public);
        Ok((ct, key))
    }

    fn decapsulate(&self, secret: &[u8], ct: &[u8]) -> Result<Key, CryptoError> {
        if ct.len() != CT_LEN {
            return Err(wrong_len("KEM ciphertext", "1153", ct));
        }
        let too_short = || wrong_len("KEM secret key", "2432", secret);
        let (ml_kem_secret, scalar) = secret.split_first_chunk().ok_or_else(too_short)?;
        if scalar.len() != p256::SECRET_LEN {
            return Err(too_short());
        }
        let (ml_kem, p256) = self.halves();
        let (ml_kem_ct, point) = ct.split_at(ml_kem::CT_LEN);
        let of_secret = |error| named(error, "KEM secret key");
        let ml_kem_shared = ml_kem.decapsulate(ml_kem_secret, ml_kem_ct).map_err(of_secret)?;
        let own = p256.public(scalar).map_err(of_secret)?;
        let p256_shared = p256.agree(scalar, point).map_err(|error| named(error, "KEM ciphertext"))?;
        let public = [ml_kem::public_within(ml_kem_secret), &own].concat();
        Ok(combine(&ml_kem_shared, &p256_shared, ct, &public))
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

/// An error of a half, as one of the whole.
fn named(error: CryptoError, whole: &'static str) -> CryptoError {
    match error {
        CryptoError::Malformed(_) => CryptoError::Malformed(whole),
        error => error,
    }
}

/// The secret of ML-KEM comes first: the form of a hybrid secret in SP 800-56C section 2. Ciphertext and public key are mixed in, so
/// that the result is bound to both halves of both, whatever one algorithm alone promises.
fn combine(ml_kem: &Key, p256: &Key, ct: &[u8], public: &[u8]) -> Key {
    let mut z = Zeroizing::new([0; 64]);
    z[..32].copy_from_slice(ml_kem.expose());
    z[32..].copy_from_slice(p256.expose());
    HkdfSha256.derive(Purpose::Kem.label(Suite::Fips), &z[..], &[], &[ct, public])
}

fn wrong_len(what: &'static str, expected: &'static str, actual: &[u8]) -> CryptoError {
    CryptoError::Length { what, expected, actual: actual.len() }
}

const PUBLIC_LEN: usize = ml_kem::PUBLIC_LEN + p256::POINT_LEN;
const CT_LEN: usize = ml_kem::CT_LEN + p256::POINT_LEN;
const SECRET_LEN: usize = ml_kem::SECRET_LEN + p256::SECRET_LEN;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rustcrypto::provider_of;
    use crate::testing::Replay;

    fn kem() -> &'static dyn Kem {
        provider_of(Suite::Fips).kem
    }

    #[test]
    fn lengths_are_those_of_the_format() {
        let kem = kem();
        let (secret, public) = kem.generate().unwrap();
        let (ct, key) = kem.encapsulate(&public).unwrap();
        assert_eq!((secret.expose().len(), public.len(), ct.len()), (2432, 1249, 1153));
        assert_eq!((kem.secret_len(), kem.public_len(), kem.ct_len()), (2432, 1249, 1153));
        assert_eq!((kem.public_len(), kem.ct_len()), (Suite::Fips.kem_public_len(), Suite::Fips.kem_ct_len()));
        assert!(key.ct_eq(&kem.decapsulate(secret.expose(), &ct).unwrap()));
    }

    #[test]
    fn changed_ciphertexts_and_other_keys_give_another_secret() {
        let kem = kem();
        let (secret, public) = kem.generate().unwrap();
        let (ct, key) = kem.encapsulate(&public).unwrap();
        for at in [0, 500, 1087] {
            let mut changed = ct.clone();
            changed[at] ^= 1;
            assert!(!kem.decapsulate(secret.expose(), &changed).unwrap().ct_eq(&key), "byte {at}");
        }
        // The other half of another ciphertext is a point too.
        let (other, _) = kem.encapsulate(&public).unwrap();
        for mixed in [[&ct[..1088], &other[1088..]].concat(), [&other[..1088], &ct[1088..]].concat()] {
            assert!(!kem.decapsulate(secret.expose(), &mixed).unwrap().ct_eq(&key));
        }
        let (stranger, _) = kem.generate().unwrap();
        for mixed in [
            stranger.expose().to_vec(),
            [&secret.expose()[..2400], &stranger.expose()[2400..]].concat(),
            [&stranger.expose()[..2400], &secret.expose()[2400..]].concat(),
        ] {
            assert!(!kem.decapsulate(&mixed, &ct).unwrap().ct_eq(&key));
        }
        assert!(!kem.encapsulate(&public).unwrap().1.ct_eq(&key));
    }

    /// FIPS 203 section 6.3: whoever changes the ciphertext gets a secret that follows from z, the same each time.
    #[test]
    fn rejection_is_implicit_and_repeats() {
        let kem = kem();
        let (secret, public) = kem.generate().unwrap();
        let (mut ct, _) = kem.encapsulate(&public).unwrap();
        ct[7] ^= 1;
        let rejected = kem.decapsulate(secret.expose(), &ct).unwrap();
        assert!(rejected.ct_eq(&kem.decapsulate(secret.expose(), &ct).unwrap()));
        let mut other_z = secret.expose().to_vec();
        other_z[2399] ^= 1;
        assert!(!rejected.ct_eq(&kem.decapsulate(&other_z, &ct).unwrap()));
    }

    #[test]
    fn wrong_lengths_and_malformed_keys_are_refused() {
        let kem = kem();
        let (secret, public) = kem.generate().unwrap();
        let (ct, _) = kem.encapsulate(&public).unwrap();
        let long = |bytes: &[u8]| [bytes, &[0]].concat();
        for bad in [&[], &public[1..], &long(&public)] {
            assert!(matches!(kem.encapsulate(bad), Err(CryptoError::Length { .. })));
        }
        for bad in [&[], &ct[1..], &long(&ct)] {
            assert!(matches!(kem.decapsulate(secret.expose(), bad), Err(CryptoError::Length { .. })));
        }
        for bad in [&[], &secret.expose()[1..], &long(secret.expose())] {
            assert!(matches!(kem.decapsulate(bad, &ct), Err(CryptoError::Length { .. })));
        }
        // Twelve bits of ones are no number below q = 3329 (FIPS 203 section 7.2).
        let mut over = public.clone();
        over[..3].fill(0xff);
        assert!(matches!(kem.encapsulate(&over), Err(CryptoError::Malformed(_))));
        for first in [0, 2, 3, 5, 6, 7] {
            let (mut key, mut text) = (public.clone(), ct.clone());
            (key[1184], text[1088]) = (first, first);
            assert!(matches!(kem.encapsulate(&key), Err(CryptoError::Malformed("KEM public key"))));
            let refused = kem.decapsulate(secret.expose(), &text);
            assert!(matches!(refused, Err(CryptoError::Malformed("KEM ciphertext"))));
        }
    }

    #[test]
    fn failing_randomness_is_an_error() {
        let (_, public) = kem().generate().unwrap();
        for len in [0, 31, 63] {
            let kem = with(vec![1; len]);
            assert!(matches!(kem.generate(), Err(CryptoError::Random(_))), "{len}");
            assert!(matches!(with(vec![1; len]).encapsulate(&public), Err(CryptoError::Random(_))), "{len}");
        }
        // Above the order of the curve each time (FIPS 186-5 appendix A.2.2).
        assert!(matches!(with(vec![0xff; 64 + p256::TRIES * 32]).generate(), Err(CryptoError::Random(_))));
    }

    #[test]
    fn scalars_are_drawn_again() {
        let stream = [vec![7; 64], vec![0xff; 32], vec![0; 32], vec![9; 32]].concat();
        let (secret, _) = with(stream).generate().unwrap();
        assert_eq!(secret.expose()[2400..], [9; 32]);
    }

    /// The halves have known answers of their own; this is how they are put together.
    #[test]
    fn both_halves_are_in_it_in_their_order() {
        let kem = with([vec![7; 64], vec![9; 32], vec![5; 32], vec![3; 32]].concat());
        let (secret, public) = kem.generate().unwrap();
        let (ct, key) = kem.encapsulate(&public).unwrap();
        let (ml_kem, p256) = kem.halves();
        let ml_kem_shared = ml_kem.decapsulate(&secret.expose()[..2400], &ct[..1088]).unwrap();
        let p256_shared = p256.agree(&[9; 32], &ct[1088..]).unwrap();
        assert_eq!(ct[1088..], p256.public(&[3; 32]).unwrap());
        assert_eq!(public[1184..], p256.public(&[9; 32]).unwrap());
        let z = [&ml_kem_shared.expose()[..], p256_shared.expose()].concat();
        let label = Purpose::Kem.label(Suite::Fips);
        assert!(key.ct_eq(&HkdfSha256.derive(label, &z, &[], &[&ct, &public])));
    }

    fn with(stream: Vec<u8>) -> MlKem768P256 {
        MlKem768P256 { random: Box::leak(Box::new(Replay::new(stream))) }
    }
}
