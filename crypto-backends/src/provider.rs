//! A backend of one suite, as a struct of its parts.
use std::sync::OnceLock;

use vault_format::Suite;

use crate::contract::{Aead, Hash, Kdf, Kem, KeyAgreement, KeyedHash, PasswordKdf, Random, Signatures};
use crate::{CryptoError, FipsStatus, Module};

/// The backend of `suite` in this program, if it has one.
pub fn provider(suite: Suite) -> Option<&'static Provider> {
    let installed = INSTALLED.get().copied().filter(|installed| installed.suite == suite);
    #[cfg(feature = "rustcrypto")]
    let installed = installed.or(Some(crate::rustcrypto::provider_of(suite)));
    installed
}

/// The backend for what belongs to no vault: randomness, and what a device keeps for itself.
pub fn own() -> Result<&'static Provider, CryptoError> {
    provider(Suite::Default).or_else(|| provider(Suite::Fips)).ok_or(CryptoError::NoBackend)
}

/// Gives a suite its backend for as long as the program runs: for programs that bring one. Before anything else, and once.
pub fn install(backend: &'static Provider) -> Result<(), CryptoError> {
    INSTALLED.set(backend).map_err(|_| CryptoError::TwoBackends)
}

static INSTALLED: OnceLock<&'static Provider> = OnceLock::new();

/// Where the parts of a provider are from.
#[derive(Clone, Copy, Debug)]
pub struct Backend {
    /// For people.
    pub name: &'static str,
    /// What the randomness is, for people.
    pub randomness: &'static str,
    /// The module below, if it is a validated one.
    pub module: Option<Module>,
}

/// Everything a vault of one suite needs. Fields are public so that tests can exchange a part.
#[derive(Clone, Copy)]
pub struct Provider {
    /// The suite that these parts make up.
    pub suite: Suite,
    /// Where they are from.
    pub backend: Backend,
    /// Seals frames and blobs.
    pub aead: &'static dyn Aead,
    /// Names objects.
    pub hash: &'static dyn Hash,
    /// Makes ids and `syn`.
    pub keyed_hash: &'static dyn KeyedHash,
    /// Derives keys from keys.
    pub kdf: &'static dyn Kdf,
    /// Derives keys from passphrases.
    pub password: &'static dyn PasswordKdf,
    /// Seals to devices and epochs.
    pub kem: &'static dyn Kem,
    /// One half of what a handshake exchanges, beside ML-KEM.
    pub agreement: &'static dyn KeyAgreement,
    /// The other half: ML-KEM-768 alone, with expanded secret keys (FIPS 203 section 7.3).
    pub ml_kem: &'static dyn Kem,
    /// Signs entries and roster records.
    pub sign: &'static dyn Signatures,
    /// Makes salts, ids and secrets.
    pub random: &'static dyn Random,
}

impl Provider {
    /// The validation of the weakest part.
    pub fn fips(&self) -> FipsStatus {
        // Exhaustive, so that a part that is added and forgotten here does not compile.
        let Self { suite: _, backend: _, aead, hash, keyed_hash, kdf, password, kem, agreement, ml_kem, sign, random } =
            self;
        aead.fips()
            .min(hash.fips())
            .min(keyed_hash.fips())
            .min(kdf.fips())
            .min(password.fips())
            .min(kem.fips())
            .min(agreement.fips())
            .min(ml_kem.fips())
            .min(sign.fips())
            .min(random.fips())
    }
}

#[cfg(all(test, not(feature = "rustcrypto")))]
mod tests_without_backend {
    use super::*;

    #[test]
    fn no_suite_has_a_backend() {
        assert!(provider(Suite::Default).is_none() && provider(Suite::Fips).is_none());
    }
}

#[cfg(all(test, feature = "rustcrypto"))]
mod tests {
    use super::*;
    use crate::contract::{Nonce, PasswordParams, Sealed};
    use crate::rustcrypto::{self, provider as real};
    use crate::{CryptoError, Key, SecretBytes};

    #[test]
    fn the_weakest_part_decides() {
        let certified = FipsStatus::Certified { certificate: "1" };
        assert!(FipsStatus::Unvalidated < FipsStatus::Pending && FipsStatus::Pending < certified);
        assert_eq!(stated([certified; 10]).fips(), certified);
        for weak in [FipsStatus::Unvalidated, FipsStatus::Pending] {
            for part in 0..10 {
                let mut statuses = [certified; 10];
                statuses[part] = weak;
                assert_eq!(stated(statuses).fips(), weak, "part {part}");
            }
        }
        assert_eq!(rustcrypto::provider().fips(), FipsStatus::Unvalidated);
    }

    #[test]
    fn suites_of_this_build() {
        assert_eq!(provider(Suite::Default).map(|it| it.suite), Some(Suite::Default));
        assert_eq!(provider(Suite::Fips).map(|it| it.suite), Some(Suite::Fips));
    }

    fn stated(statuses: [FipsStatus; 10]) -> Provider {
        let [aead, hash, keyed_hash, kdf, password, kem, agreement, ml_kem, sign, random] =
            statuses.map(|status| &*Box::leak(Box::new(Stated(status))));
        let backend = Backend { name: "stated", randomness: "stated", module: None };
        Provider {
            suite: Suite::Fips,
            backend,
            aead,
            hash,
            keyed_hash,
            kdf,
            password,
            kem,
            agreement,
            ml_kem,
            sign,
            random,
        }
    }

    /// A part that has a status and forwards everything else to the default backend.
    struct Stated(FipsStatus);

    impl Aead for Stated {
        fn seal(&self, key: &Key, aad: &[u8], buf: &mut [u8]) -> Result<Sealed, CryptoError> {
            real().aead.seal(key, aad, buf)
        }
        fn open(&self, key: &Key, nonce: &[u8], aad: &[u8], buf: &mut [u8], tag: &[u8; 16]) -> Result<(), CryptoError> {
            real().aead.open(key, nonce, aad, buf, tag)
        }
        fn seal_again(
            &self,
            key: &Key,
            nonce: &[u8],
            aad: &[u8],
            buf: &mut [u8],
            tag: &[u8; 16],
        ) -> Result<(), CryptoError> {
            real().aead.seal_again(key, nonce, aad, buf, tag)
        }
        fn nonce_len(&self) -> usize {
            Nonce::MAX
        }
        fn fips(&self) -> FipsStatus {
            self.0
        }
    }
    impl Hash for Stated {
        fn hash(&self, parts: &[&[u8]]) -> [u8; 32] {
            real().hash.hash(parts)
        }
        fn fips(&self) -> FipsStatus {
            self.0
        }
    }
    impl KeyedHash for Stated {
        fn keyed_hash(&self, key: &Key, parts: &[&[u8]]) -> [u8; 32] {
            real().keyed_hash.keyed_hash(key, parts)
        }
        fn fips(&self) -> FipsStatus {
            self.0
        }
    }
    impl Kdf for Stated {
        fn derive(&self, label: &'static str, secret: &[u8], salt: &[u8], context: &[&[u8]]) -> Key {
            real().kdf.derive(label, secret, salt, context)
        }
        fn expand(&self, label: &'static str, secret: &[u8], context: &[&[u8]], out: &mut [u8]) {
            real().kdf.expand(label, secret, context, out)
        }
        fn fips(&self) -> FipsStatus {
            self.0
        }
    }
    impl PasswordKdf for Stated {
        fn derive(&self, params: &PasswordParams, salt: &[u8], passphrase: &[u8]) -> Result<Key, CryptoError> {
            real().password.derive(params, salt, passphrase)
        }
        fn fit(&self, memory_bytes: u64) -> PasswordParams {
            real().password.fit(memory_bytes)
        }
        fn fit_low_memory(&self) -> PasswordParams {
            real().password.fit_low_memory()
        }
        fn check_create(&self, params: &PasswordParams) -> Result<(), CryptoError> {
            real().password.check_create(params)
        }
        fn check_create_low_memory(&self, params: &PasswordParams) -> Result<(), CryptoError> {
            real().password.check_create_low_memory(params)
        }
        fn check_open(&self, params: &PasswordParams) -> Result<(), CryptoError> {
            real().password.check_open(params)
        }
        fn fips(&self) -> FipsStatus {
            self.0
        }
    }
    impl Kem for Stated {
        fn generate(&self) -> Result<(SecretBytes, Vec<u8>), CryptoError> {
            real().kem.generate()
        }
        fn encapsulate(&self, public: &[u8]) -> Result<(Vec<u8>, Key), CryptoError> {
            real().kem.encapsulate(public)
        }
        fn decapsulate(&self, secret: &[u8], ct: &[u8]) -> Result<Key, CryptoError> {
            real().kem.decapsulate(secret, ct)
        }
        fn public_len(&self) -> usize {
            real().kem.public_len()
        }
        fn ct_len(&self) -> usize {
            real().kem.ct_len()
        }
        fn secret_len(&self) -> usize {
            real().kem.secret_len()
        }
        fn fips(&self) -> FipsStatus {
            self.0
        }
    }
    impl KeyAgreement for Stated {
        fn generate(&self) -> Result<(SecretBytes, Vec<u8>), CryptoError> {
            real().agreement.generate()
        }
        fn public(&self, secret: &[u8]) -> Result<Vec<u8>, CryptoError> {
            real().agreement.public(secret)
        }
        fn agree(&self, secret: &[u8], public: &[u8]) -> Result<Key, CryptoError> {
            real().agreement.agree(secret, public)
        }
        fn public_len(&self) -> usize {
            real().agreement.public_len()
        }
        fn secret_len(&self) -> usize {
            real().agreement.secret_len()
        }
        fn fips(&self) -> FipsStatus {
            self.0
        }
    }
    impl Signatures for Stated {
        fn generate(&self) -> Result<(SecretBytes, Vec<u8>), CryptoError> {
            real().sign.generate()
        }
        fn sign(&self, secret: &[u8], message: &[u8]) -> Result<Vec<u8>, CryptoError> {
            real().sign.sign(secret, message)
        }
        fn verify(&self, public: &[u8], message: &[u8], signature: &[u8]) -> Result<(), CryptoError> {
            real().sign.verify(public, message, signature)
        }
        fn public_len(&self) -> usize {
            real().sign.public_len()
        }
        fn signature_len(&self) -> usize {
            real().sign.signature_len()
        }
        fn secret_len(&self) -> usize {
            real().sign.secret_len()
        }
        fn fips(&self) -> FipsStatus {
            self.0
        }
    }
    impl Random for Stated {
        fn fill(&self, buf: &mut [u8]) -> Result<(), CryptoError> {
            real().random.fill(buf)
        }
        fn fips(&self) -> FipsStatus {
            self.0
        }
    }
}
