//! The algorithms of the handshakes, each from the backend of the suite. `clatter` wants types that know everything by themselves, so
//! the backend is where [`with_provider`] has put it.

use std::cell::Cell;

use clatter::KeyPair;
use clatter::bytearray::{ByteArray, HeapArray, SensitiveByteArray};
use clatter::error::{CipherError, CipherResult, DhError, DhResult, KemError, KemResult};
use clatter::rand_core::{CryptoRng, Error as RngError, RngCore};
use clatter::traits::{Cipher, CryptoComponent, Dh, Hash, Kem, Rng};
use crypto_backends::{CryptoError, Key, Provider};
use zeroize::Zeroizing;

/// Runs `work` with the parts of a backend. If its randomness fails on the way, nothing that was made counts.
pub(in crate::pairing) fn with_provider<T>(
    provider: &'static Provider,
    work: impl FnOnce() -> T,
) -> Result<T, CryptoError> {
    PROVIDER.set(Some(provider));
    FAILED.set(None);
    let result = work();
    PROVIDER.set(None);
    match FAILED.take() {
        Some(error) => Err(error),
        None => Ok(result),
    }
}

thread_local! {
    static PROVIDER: Cell<Option<&'static Provider>> = const { Cell::new(None) };
    static FAILED: Cell<Option<CryptoError>> = const { Cell::new(None) };
}

fn provider() -> &'static Provider {
    PROVIDER.get().expect("handshakes run within `with_provider`")
}

/// What came of a part. A source of randomness that fails is remembered, and told apart from what the other side has sent.
fn checked<T>(made: Result<T, CryptoError>) -> Option<T> {
    match made {
        Ok(made) => Some(made),
        Err(error) => {
            if matches!(error, CryptoError::Random(_)) {
                FAILED.set(Some(error));
            }
            None
        }
    }
}

/// An array of what a backend gave, if it has the length.
fn array<A: ByteArray>(bytes: &[u8]) -> Option<A> {
    (bytes.len() == A::LENGTH).then(|| A::from_slice(bytes))
}

/// Diffie-Hellman of suite `0x01`: X25519 (RFC 7748).
#[cfg(feature = "rustcrypto")]
#[derive(Clone)]
pub(in crate::pairing) struct X25519;

/// Diffie-Hellman of suite `0x02`: ECDH over P-256 (SP 800-56A), points uncompressed.
#[derive(Clone)]
pub(in crate::pairing) struct P256;

macro_rules! agreement {
    ($part:ty, $name:literal, $public:literal) => {
        impl CryptoComponent for $part {
            fn name() -> &'static str {
                $name
            }
        }

        impl Dh for $part {
            type PrivateKey = SensitiveByteArray<[u8; 32]>;
            type PubKey = [u8; $public];
            type Output = SensitiveByteArray<[u8; 32]>;

            fn genkey_rng<R: Rng>(_: &mut R) -> DhResult<KeyPair<Self::PubKey, Self::PrivateKey>> {
                let (secret, public) = checked(provider().agreement.generate()).ok_or(DH_FAILED)?;
                let (public, secret) = (array(&public), array(secret.expose()));
                Ok(KeyPair::new(public.ok_or(DH_FAILED)?, secret.ok_or(DH_FAILED)?))
            }

            fn pubkey(secret: &Self::PrivateKey) -> Self::PubKey {
                let public = provider().agreement.public(secret.as_slice());
                public.ok().and_then(|public| array(&public)).expect("a key that was generated has a public one")
            }

            fn dh(secret: &Self::PrivateKey, public: &Self::PubKey) -> DhResult<Self::Output> {
                let shared = checked(provider().agreement.agree(secret.as_slice(), public)).ok_or(DH_FAILED)?;
                Ok(Self::Output::new(*shared.expose()))
            }
        }
    };
}

#[cfg(feature = "rustcrypto")]
agreement!(X25519, "25519", 32);
agreement!(P256, "P256", 65);

/// The only error that there is.
const DH_FAILED: DhError = DhError::KeyGeneration;

/// ML-KEM-768 (FIPS 203). The checks of sections 7.2 and 7.3 are the backend's.
#[derive(Clone)]
pub(in crate::pairing) struct MlKem768;

impl CryptoComponent for MlKem768 {
    fn name() -> &'static str {
        "MLKEM768"
    }
}

impl Kem for MlKem768 {
    type SecretKey = SensitiveByteArray<HeapArray<2400>>;
    type PubKey = HeapArray<1184>;
    type Ct = HeapArray<1088>;
    type Ss = SensitiveByteArray<[u8; 32]>;

    fn genkey_rng<R: Rng>(_: &mut R) -> KemResult<KeyPair<Self::PubKey, Self::SecretKey>> {
        let (secret, public) = checked(provider().ml_kem.generate()).ok_or(KemError::KeyGeneration)?;
        let (public, secret) = (array(&public), array(secret.expose()));
        Ok(KeyPair::new(public.ok_or(KemError::KeyGeneration)?, secret.ok_or(KemError::KeyGeneration)?))
    }

    fn encapsulate<R: Rng>(public: &[u8], _: &mut R) -> KemResult<(Self::Ct, Self::Ss)> {
        let (ct, shared) = checked(provider().ml_kem.encapsulate(public)).ok_or(KemError::Input)?;
        Ok((array(&ct).ok_or(KemError::Encapsulation)?, Self::Ss::new(*shared.expose())))
    }

    fn decapsulate(ct: &[u8], secret: &[u8]) -> KemResult<Self::Ss> {
        let shared = checked(provider().ml_kem.decapsulate(secret, ct)).ok_or(KemError::Input)?;
        Ok(Self::Ss::new(*shared.expose()))
    }
}

/// The cipher of suite `0x02`: its AEAD, which makes a random IV for each message, because validated modules seal with no other. The
/// counter of Noise is authenticated in place of being the IV: `ciphertext | tag 16 | IV 12`.
#[derive(Clone)]
pub(in crate::pairing) struct GcmRandomIv;

impl GcmRandomIv {
    fn associated(counter: u64, ad: &[u8]) -> Vec<u8> {
        [&counter.to_le_bytes(), ad].concat()
    }

    fn seal(key: &<Self as Cipher>::Key, counter: u64, ad: &[u8], text: &mut [u8], end: &mut [u8]) -> CipherResult<()> {
        const FAILED: CipherError = CipherError::Encrypt;
        let key = Key::from_slice(key.as_slice()).map_err(|_| FAILED)?;
        let sealed = checked(provider().aead.seal(&key, &Self::associated(counter, ad), text)).ok_or(FAILED)?;
        let (tag, iv) = end.split_at_mut(TAG);
        if sealed.nonce.as_slice().len() != iv.len() {
            return Err(FAILED);
        }
        tag.copy_from_slice(&sealed.tag);
        iv.copy_from_slice(sealed.nonce.as_slice());
        Ok(())
    }

    fn unseal(key: &<Self as Cipher>::Key, counter: u64, ad: &[u8], text: &mut [u8], end: &[u8]) -> CipherResult<()> {
        const FAILED: CipherError = CipherError::Decrypt;
        let (tag, iv) = end.split_first_chunk::<TAG>().filter(|(_, iv)| iv.len() == IV).ok_or(FAILED)?;
        let key = Key::from_slice(key.as_slice()).map_err(|_| FAILED)?;
        checked(provider().aead.open(&key, iv, &Self::associated(counter, ad), text, tag)).ok_or(FAILED)
    }
}

impl CryptoComponent for GcmRandomIv {
    fn name() -> &'static str {
        "AESGCMrandomIV"
    }
}

impl Cipher for GcmRandomIv {
    type Key = SensitiveByteArray<[u8; 32]>;

    fn tag_len() -> usize {
        TAG + IV
    }

    fn encrypt(key: &Self::Key, counter: u64, ad: &[u8], plaintext: &[u8], out: &mut [u8]) -> CipherResult<()> {
        let (text, end) = out.split_at_mut_checked(plaintext.len()).ok_or(CipherError::Encrypt)?;
        text.copy_from_slice(plaintext);
        Self::seal(key, counter, ad, text, end)
    }

    fn encrypt_in_place(
        key: &Self::Key,
        counter: u64,
        ad: &[u8],
        in_out: &mut [u8],
        plaintext_len: usize,
    ) -> CipherResult<usize> {
        let len = plaintext_len + Self::tag_len();
        let out = in_out.get_mut(..len).ok_or(CipherError::Encrypt)?;
        let (text, end) = out.split_at_mut(plaintext_len);
        Self::seal(key, counter, ad, text, end).map(|()| len)
    }

    fn decrypt(key: &Self::Key, counter: u64, ad: &[u8], ciphertext: &[u8], out: &mut [u8]) -> CipherResult<()> {
        let (text, end) = ciphertext.split_at_checked(out.len()).ok_or(CipherError::Decrypt)?;
        out.copy_from_slice(text);
        Self::unseal(key, counter, ad, out, end)
    }

    fn decrypt_in_place(
        key: &Self::Key,
        counter: u64,
        ad: &[u8],
        in_out: &mut [u8],
        ciphertext_len: usize,
    ) -> CipherResult<usize> {
        let len = ciphertext_len.checked_sub(Self::tag_len()).ok_or(CipherError::Decrypt)?;
        let (text, end) = in_out.get_mut(..ciphertext_len).ok_or(CipherError::Decrypt)?.split_at_mut(len);
        Self::unseal(key, counter, ad, text, end).map(|()| len)
    }

    /// Not a part of this protocol: it would make a key of a ciphertext, and this one has an IV in it.
    fn rekey(_: &Self::Key) -> CipherResult<Self::Key> {
        Err(CipherError::Encrypt)
    }
}

/// Tag of GCM (SP 800-38D), and its IV.
const TAG: usize = 16;
const IV: usize = 12;

/// The hash of suite `0x02`, and its HMAC (FIPS 180-4, FIPS 198-1). Of a handshake it hashes some kilobytes.
#[derive(Clone, Default)]
pub(in crate::pairing) struct Sha256(Zeroizing<Vec<u8>>);

impl CryptoComponent for Sha256 {
    fn name() -> &'static str {
        "SHA256"
    }
}

impl Hash for Sha256 {
    type Block = [u8; 64];
    type Output = SensitiveByteArray<[u8; 32]>;

    fn input(&mut self, data: &[u8]) {
        // What grew in place would leave copies behind.
        let mut all = Vec::with_capacity(self.0.len() + data.len());
        all.extend_from_slice(&self.0);
        all.extend_from_slice(data);
        self.0 = Zeroizing::new(all);
    }

    fn result(self) -> Self::Output {
        Self::Output::new(provider().hash.hash(&[&self.0]))
    }

    /// All keys of this protocol are chaining keys, or made of one.
    fn hmac_many(key: &[u8], data: &[&[u8]]) -> Self::Output {
        let key = Key::from_slice(key).expect("keys of the handshake have the length of its hash");
        Self::Output::new(provider().keyed_hash.keyed_hash(&key, data))
    }
}

/// The backend's randomness, where `clatter` wants a type that makes itself. Only within [`with_provider`].
#[derive(Clone, Default)]
pub(super) struct SessionRandom;

impl RngCore for SessionRandom {
    fn next_u32(&mut self) -> u32 {
        let mut bytes = [0; 4];
        self.fill_bytes(&mut bytes);
        u32::from_le_bytes(bytes)
    }

    fn next_u64(&mut self) -> u64 {
        let mut bytes = [0; 8];
        self.fill_bytes(&mut bytes);
        u64::from_le_bytes(bytes)
    }

    fn fill_bytes(&mut self, out: &mut [u8]) {
        if let Err(error) = provider().random.fill(out) {
            out.fill(0);
            FAILED.set(Some(error));
        }
    }

    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), RngError> {
        self.fill_bytes(out);
        Ok(())
    }
}

impl CryptoRng for SessionRandom {}
