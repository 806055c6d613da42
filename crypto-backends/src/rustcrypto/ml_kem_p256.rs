//! ML-KEM-768 (FIPS 203) with P-256 (SP 800-56A), combined by HKDF-SHA-256 (SPEC section 3.2).
//!
//! ```text
//! secret      0  2400 ML-KEM decapsulation key, expanded    2400  32 P-256 scalar, big-endian
//! public      0  1184 ML-KEM encapsulation key              1184  65 P-256 point, uncompressed
//! ciphertext  0  1088 ML-KEM ciphertext                     1088  65 ephemeral P-256 point, uncompressed
//! ```
//!
//! The ML-KEM key is stored expanded and not as its seed because validated modules take no seeds; what is imported is checked
//! (FIPS 203 section 7.3).
#![expect(deprecated, reason = "seeds are the better form of a key, and one that modules do not take")]

use ml_kem::ml_kem_768::Ciphertext;
use ml_kem::{Decapsulate, DecapsulationKey768, EncapsulationKey768, ExpandedKeyEncoding, KeyExport};
use p256::elliptic_curve::sec1::ToSec1Point;
use vault_format::labels::Purpose;
use zeroize::{Zeroize, Zeroizing};

use super::hkdf::HkdfSha256;
use crate::contract::{Kdf, Kem, Random};
use crate::error::CryptoError;
use crate::{Key, Secret, SecretBytes, Suite};

pub(crate) struct MlKem768P256 {
    /// Where seeds, scalars and messages come from.
    pub(crate) random: &'static dyn Random,
}

impl Kem for MlKem768P256 {
    fn generate(&self) -> Result<(SecretBytes, Vec<u8>), CryptoError> {
        let seed = Secret::<SEED_LEN>::random(self.random)?;
        let ml_kem = DecapsulationKey768::from_seed((*seed.expose()).into());
        let p256 = random_scalar(self.random)?;

        let mut secret = Vec::with_capacity(SECRET_LEN);
        let mut expanded = ml_kem.to_expanded_bytes();
        secret.extend_from_slice(&expanded);
        expanded.as_mut_slice().zeroize();
        secret.extend_from_slice(&Zeroizing::new(<[u8; 32]>::from(p256.to_bytes()))[..]);
        Ok((SecretBytes::new(secret), public_key(&ml_kem, &p256)))
    }

    fn encapsulate(&self, public: &[u8]) -> Result<(Vec<u8>, Key), CryptoError> {
        if public.len() != PUBLIC_LEN {
            return Err(wrong_len("KEM public key", "1249", public));
        }
        const MALFORMED: CryptoError = CryptoError::Malformed("KEM public key");
        let (ml_kem, theirs) = public.split_at(ML_KEM_PUBLIC_LEN);
        // Includes the modulus check of FIPS 203 section 7.2.
        let ml_kem = ml_kem.try_into().map_err(|_| MALFORMED)?;
        let ml_kem = EncapsulationKey768::new(ml_kem).map_err(|_| MALFORMED)?;
        let theirs = read_point(theirs).ok_or(MALFORMED)?;

        let m = Secret::<32>::random(self.random)?;
        let ephemeral = random_scalar(self.random)?;
        let (ml_kem_ct, mut ml_kem_shared) = ml_kem.encapsulate_deterministic(m.expose().into());
        let ct = [&ml_kem_ct, ephemeral.public_key().to_sec1_point(false).as_bytes()].concat();
        let p256_shared = ephemeral.diffie_hellman(&theirs);
        let key = combine(&ml_kem_shared, p256_shared.raw_secret_bytes(), &ct, public);
        ml_kem_shared.as_mut_slice().zeroize();
        Ok((ct, key))
    }

    fn decapsulate(&self, secret: &[u8], ct: &[u8]) -> Result<Key, CryptoError> {
        if secret.len() != SECRET_LEN {
            return Err(wrong_len("KEM secret key", "2432", secret));
        }
        if ct.len() != CT_LEN {
            return Err(wrong_len("KEM ciphertext", "1153", ct));
        }
        const MALFORMED: CryptoError = CryptoError::Malformed("KEM secret key");
        let (ml_kem, p256) = secret.split_at(ML_KEM_SECRET_LEN);
        // The hash check of FIPS 203 section 7.3, and the modulus check of the public key inside.
        let ml_kem = ml_kem.try_into().map_err(|_| MALFORMED)?;
        let ml_kem = DecapsulationKey768::from_expanded_bytes(ml_kem).map_err(|_| MALFORMED)?;
        let p256 = p256::SecretKey::from_slice(p256).map_err(|_| MALFORMED)?;

        let (ml_kem_ct, theirs) = ct.split_at(ML_KEM_CT_LEN);
        let ml_kem_ct: &Ciphertext = ml_kem_ct.try_into().map_err(|_| CryptoError::Malformed("KEM ciphertext"))?;
        let theirs = read_point(theirs).ok_or(CryptoError::Malformed("KEM ciphertext"))?;
        let mut ml_kem_shared = ml_kem.decapsulate(ml_kem_ct);
        let p256_shared = p256.diffie_hellman(&theirs);
        let key = combine(&ml_kem_shared, p256_shared.raw_secret_bytes(), ct, &public_key(&ml_kem, &p256));
        ml_kem_shared.as_mut_slice().zeroize();
        Ok(key)
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

/// The secret of ML-KEM comes first: the form of a hybrid secret in SP 800-56C section 2. Ciphertext and public key are mixed in, so
/// that the result is bound to both halves of both, whatever one algorithm alone promises.
fn combine(ml_kem: &[u8], p256: &[u8], ct: &[u8], public: &[u8]) -> Key {
    let mut z = Zeroizing::new([0; 64]);
    z[..32].copy_from_slice(ml_kem);
    z[32..].copy_from_slice(p256);
    HkdfSha256.derive(Purpose::Kem.label(Suite::Fips), &z[..], &[], &[ct, public])
}

fn public_key(ml_kem: &DecapsulationKey768, p256: &p256::SecretKey) -> Vec<u8> {
    [&ml_kem.encapsulation_key().to_bytes()[..], p256.public_key().to_sec1_point(false).as_bytes()].concat()
}

/// Full validation of SP 800-56A section 5.6.2.3.3: on the curve and not the point at infinity; the curve has no other subgroup.
/// One encoding only, else a second ciphertext would carry the same secret.
fn read_point(bytes: &[u8]) -> Option<p256::PublicKey> {
    match bytes {
        [UNCOMPRESSED, ..] => p256::PublicKey::from_sec1_bytes(bytes).ok(),
        _ => None,
    }
}

/// FIPS 186-5 appendix A.2.2: drawn again until it is one, which takes two tries in 2^32 cases.
fn random_scalar(random: &dyn Random) -> Result<p256::SecretKey, CryptoError> {
    for _ in 0..TRIES {
        let bytes = Secret::<32>::random(random)?;
        if let Ok(scalar) = p256::SecretKey::from_slice(bytes.expose()) {
            return Ok(scalar);
        }
    }
    Err(CryptoError::Random("it gives no scalars of P-256".into()))
}

fn wrong_len(what: &'static str, expected: &'static str, actual: &[u8]) -> CryptoError {
    CryptoError::Length { what, expected, actual: actual.len() }
}

/// FIPS 203 table 3, and section 7.1: d and z.
const ML_KEM_PUBLIC_LEN: usize = 1184;
const ML_KEM_CT_LEN: usize = 1088;
const ML_KEM_SECRET_LEN: usize = 2400;
const SEED_LEN: usize = 64;

/// SEC 1 section 2.3.3.
const UNCOMPRESSED: u8 = 4;
const POINT_LEN: usize = 65;

const PUBLIC_LEN: usize = ML_KEM_PUBLIC_LEN + POINT_LEN;
const CT_LEN: usize = ML_KEM_CT_LEN + POINT_LEN;
const SECRET_LEN: usize = ML_KEM_SECRET_LEN + 32;

/// A source that fails so often is broken.
const TRIES: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rustcrypto::provider_of;
    use crate::testing::{Replay, known_answers};

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
        assert!(matches!(with(vec![0xff; 64 + TRIES * 32]).generate(), Err(CryptoError::Random(_))));
    }

    #[test]
    fn scalars_are_drawn_again() {
        let stream = [vec![7; 64], vec![0xff; 32], vec![0; 32], vec![9; 32]].concat();
        let (secret, _) = with(stream).generate().unwrap();
        assert_eq!(secret.expose()[2400..], [9; 32]);
    }

    #[test]
    fn ml_kem_key_generation() {
        let cases = known_answers::cases("02/primitives/ml_kem_keygen");
        for case in &cases {
            let (secret, public) = with([case.hex("seed"), vec![1; 32]].concat()).generate().unwrap();
            assert_eq!(secret.expose()[..2400], case.hex("dk"), "{}", case.name);
            assert_eq!(public[..1184], case.hex("ek"), "{}", case.name);
        }
        assert_eq!(cases.len(), 3);
    }

    #[test]
    fn ml_kem_encapsulation() {
        let p256 = p256::SecretKey::from_slice(&[2; 32]).unwrap();
        let point = p256.public_key().to_sec1_point(false);
        let ephemeral = p256::SecretKey::from_slice(&[3; 32]).unwrap().public_key();
        let cases = known_answers::cases("02/primitives/ml_kem_encaps");
        for case in &cases {
            let kem = with([case.hex("m"), vec![3; 32]].concat());
            let public = [&case.hex("ek"), point.as_bytes()].concat();
            let made = kem.encapsulate(&public);
            assert_eq!(made.is_err(), case.refuses(), "{}", case.name);
            if let Ok((ct, key)) = made {
                assert_eq!(ct[..1088], case.hex("ciphertext"), "{}", case.name);
                assert_eq!(&ct[1088..], ephemeral.to_sec1_point(false).as_bytes());
                let shared = p256.diffie_hellman(&ephemeral);
                let expected = combine(&case.hex("shared"), shared.raw_secret_bytes(), &ct, &public);
                assert!(key.ct_eq(&expected), "{}", case.name);
            }
        }
        assert_eq!(cases.len(), 9);
    }

    #[test]
    fn ml_kem_decapsulation() {
        let p256 = p256::SecretKey::from_slice(&[2; 32]).unwrap();
        let point = p256.public_key();
        let cases = known_answers::cases("02/primitives/ml_kem_decaps");
        for case in &cases {
            let dk = match case.has("seed") {
                true => DecapsulationKey768::from_seed(case.hex("seed")[..].try_into().unwrap())
                    .to_expanded_bytes()
                    .to_vec(),
                false => case.hex("dk"),
            };
            let ct = [&case.hex("ciphertext"), point.to_sec1_point(false).as_bytes()].concat();
            let opened = kem().decapsulate(&[&dk[..], &[2; 32]].concat(), &ct);
            assert_eq!(opened.is_err(), case.refuses(), "{}", case.name);
            if let Ok(key) = opened {
                let public = [&dk[1152..2336], point.to_sec1_point(false).as_bytes()].concat();
                let shared = p256.diffie_hellman(&point);
                let expected = combine(&case.hex("shared"), shared.raw_secret_bytes(), &ct, &public);
                assert!(key.ct_eq(&expected), "{}", case.name);
            }
        }
        assert_eq!(cases.len(), 16);
    }

    #[test]
    fn p256_key_agreement() {
        let cases = known_answers::cases("02/primitives/p256");
        for case in &cases {
            let scalar = p256::SecretKey::from_slice(&case.hex("scalar")).unwrap();
            if case.has("own") {
                assert_eq!(scalar.public_key().to_sec1_point(false).as_bytes(), case.hex("own"), "{}", case.name);
            }
            let shared = read_point(&case.hex("point")).map(|point| scalar.diffie_hellman(&point));
            assert_eq!(shared.is_none(), case.refuses(), "{}", case.name);
            if let Some(shared) = shared {
                assert_eq!(shared.raw_secret_bytes()[..], case.hex("shared"), "{}", case.name);
            }
        }
        assert_eq!(cases.len(), 41);
    }

    fn with(stream: Vec<u8>) -> MlKem768P256 {
        MlKem768P256 { random: Box::leak(Box::new(Replay::new(stream))) }
    }
}
