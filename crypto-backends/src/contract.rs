//! The parts of a suite (SPEC section 3). Each names one job; a backend implements all of them.
use crate::{CryptoError, FipsStatus, Key, SecretBytes};

/// Authenticated encryption, in place. Makes its own nonces: no caller can repeat or choose one.
pub trait Aead: Send + Sync {
    /// Turns the plaintext in `buf` into ciphertext of the same length.
    /// After an error `buf` holds nothing that may be stored.
    fn seal(&self, key: &Key, aad: &[u8], buf: &mut [u8]) -> Result<Sealed, CryptoError>;

    /// Turns the ciphertext in `buf` into plaintext. If it is not authentic ([`CryptoError::NotAuthentic`]),
    /// no plaintext was made, and `buf` holds the ciphertext or zeros. The nonce has [`Aead::nonce_len`] bytes.
    fn open(&self, key: &Key, nonce: &[u8], aad: &[u8], buf: &mut [u8], tag: &[u8; 16]) -> Result<(), CryptoError>;

    /// Makes the ciphertext again that [`Aead::seal`] made of the plaintext in `buf`, under the nonce and with the tag that it had:
    /// to compare it with a hash that somebody signed. Another tag than that one is [`CryptoError::NotAuthentic`]. What comes out is
    /// never stored or sent. The nonce has [`Aead::nonce_len`] bytes.
    fn seal_again(
        &self,
        key: &Key,
        nonce: &[u8],
        aad: &[u8],
        buf: &mut [u8],
        tag: &[u8; 16],
    ) -> Result<(), CryptoError>;

    /// Bytes of a nonce, at most [`Nonce::MAX`].
    fn nonce_len(&self) -> usize;

    /// How far this implementation is validated.
    fn fips(&self) -> FipsStatus {
        FipsStatus::Unvalidated
    }
}

/// What [`Aead::seal`] made besides the ciphertext. Both are stored in clear.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sealed {
    /// Fresh for every call.
    pub nonce: Nonce,
    /// Poly1305 (RFC 8439 section 2.5) and GCM (SP 800-38D section 5.2.1.2) tags, both uncut.
    pub tag: [u8; 16],
}

/// A nonce of the suite's length.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Nonce {
    bytes: [u8; Self::MAX],
    len: u8,
}

impl Nonce {
    /// The longest nonce of any suite: XChaCha20 (draft-irtf-cfrg-xchacha-03 section 2.3).
    pub const MAX: usize = 24;

    /// A nonce of at most [`Nonce::MAX`] bytes: for backends, right after drawing it.
    pub fn from_slice(nonce: &[u8]) -> Result<Self, CryptoError> {
        let mut bytes = [0; Self::MAX];
        let len = nonce.len();
        bytes
            .get_mut(..len)
            .ok_or(CryptoError::Length { what: "nonce", expected: "24 or fewer", actual: len })?
            .copy_from_slice(nonce);
        Ok(Self { bytes, len: len as u8 })
    }

    /// The bytes as they are stored.
    pub fn as_slice(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }
}

/// The hash of names: collision resistant, without a key. Single-threaded for every length.
pub trait Hash: Send + Sync {
    /// The hash of the concatenation of `parts`. Where parts vary in length, the caller frames them.
    fn hash(&self, parts: &[&[u8]]) -> [u8; 32];

    /// How far this implementation is validated.
    fn fips(&self) -> FipsStatus {
        FipsStatus::Unvalidated
    }
}

/// The hash of ids and `syn`: collision resistant even when the key is known, and a MAC.
pub trait KeyedHash: Send + Sync {
    /// The keyed hash of the concatenation of `parts`. Where parts vary in length, the caller frames them.
    fn keyed_hash(&self, key: &Key, parts: &[&[u8]]) -> [u8; 32];

    /// How far this implementation is validated.
    fn fips(&self) -> FipsStatus {
        FipsStatus::Unvalidated
    }
}

/// Keys from keys. Not for passphrases. A label has one use (SPEC section 3.1).
pub trait Kdf: Send + Sync {
    /// 32 bytes that depend on everything given. The parts of `context` are framed here.
    fn derive(&self, label: &'static str, secret: &[u8], salt: &[u8], context: &[&[u8]]) -> Key;

    /// Fills `out`, at most [`EXPAND_MAX`] bytes, without a salt: tables, not keys.
    ///
    /// # Panics
    /// If `out` is longer; its length is the caller's constant, never data.
    fn expand(&self, label: &'static str, secret: &[u8], context: &[&[u8]], out: &mut [u8]);

    /// How far this implementation is validated.
    fn fips(&self) -> FipsStatus {
        FipsStatus::Unvalidated
    }
}

/// Keys from passphrases: slow on purpose.
pub trait PasswordKdf: Send + Sync {
    /// The key of a slot. Checks the parameters as [`PasswordKdf::check_open`] does, before any work.
    /// `salt` is 8 bytes or more (RFC 9106 section 3.1; slots have 32), `passphrase` 1 to 1,024 bytes, NFC.
    fn derive(&self, params: &PasswordParams, salt: &[u8], passphrase: &[u8]) -> Result<Key, CryptoError>;

    /// What a new slot costs on a machine with `memory_bytes` of memory in all; never below the floor.
    fn fit(&self, memory_bytes: u64) -> PasswordParams;

    /// What a new slot costs where memory is scarce and the user said so.
    fn fit_low_memory(&self) -> PasswordParams;

    /// Whether a new slot may have these parameters.
    fn check_create(&self, params: &PasswordParams) -> Result<(), CryptoError>;

    /// Whether a new slot may have these parameters after the user asked for low memory.
    fn check_create_low_memory(&self, params: &PasswordParams) -> Result<(), CryptoError>;

    /// Whether a slot found in a vault is worth trying: neither weak nor made to stall this machine.
    fn check_open(&self, params: &PasswordParams) -> Result<(), CryptoError>;

    /// How far this implementation is validated.
    fn fips(&self) -> FipsStatus {
        FipsStatus::Unvalidated
    }
}

/// What a passphrase costs whoever guesses it; stored in the slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PasswordParams {
    /// Argon2id version 1.3 (RFC 9106).
    Argon2id {
        /// Memory in KiB.
        m_kib: u32,
        /// Passes over it.
        t: u32,
        /// Lanes.
        p: u32,
    },
    /// PBKDF2-HMAC-SHA-256 (SP 800-132).
    Pbkdf2 {
        /// HMAC calls.
        rounds: u32,
    },
}

/// Key encapsulation: a secret that only the holder of a key pair can learn.
/// Every function refuses wrong lengths and malformed keys.
pub trait Kem: Send + Sync {
    /// A fresh pair: secret key and public key. Never derived from other keys.
    fn generate(&self) -> Result<(SecretBytes, Vec<u8>), CryptoError>;

    /// A fresh shared secret and the ciphertext that carries it: ciphertext, secret.
    fn encapsulate(&self, public: &[u8]) -> Result<(Vec<u8>, Key), CryptoError>;

    /// The shared secret in `ct`. A changed ciphertext usually gives *another* secret and no error
    /// (implicit rejection, FIPS 203 section 6.3): what is sealed under it then does not open.
    fn decapsulate(&self, secret: &[u8], ct: &[u8]) -> Result<Key, CryptoError>;

    /// Bytes of a public key.
    fn public_len(&self) -> usize;

    /// Bytes of a ciphertext.
    fn ct_len(&self) -> usize;

    /// Bytes of a secret key.
    fn secret_len(&self) -> usize;

    /// How far this implementation is validated.
    fn fips(&self) -> FipsStatus {
        FipsStatus::Unvalidated
    }
}

/// Diffie-Hellman, as a part of the handshake of pairing (SPEC section 18.3). What it gives is no key: the handshake makes one of it.
/// Every function refuses wrong lengths and malformed keys.
pub trait KeyAgreement: Send + Sync {
    /// A fresh pair: secret key and public key.
    fn generate(&self) -> Result<(SecretBytes, Vec<u8>), CryptoError>;

    /// The public key of a secret one.
    fn public(&self, secret: &[u8]) -> Result<Vec<u8>, CryptoError>;

    /// What both sides get. Refuses public keys with which it would not depend on the secret one.
    fn agree(&self, secret: &[u8], public: &[u8]) -> Result<Key, CryptoError>;

    /// Bytes of a public key.
    fn public_len(&self) -> usize;

    /// Bytes of a secret key.
    fn secret_len(&self) -> usize;

    /// How far this implementation is validated.
    fn fips(&self) -> FipsStatus {
        FipsStatus::Unvalidated
    }
}

/// Signatures by two algorithms over the same message: forging one needs both broken.
pub trait Signatures: Send + Sync {
    /// A fresh pair: secret key and public key.
    fn generate(&self) -> Result<(SecretBytes, Vec<u8>), CryptoError>;

    /// Both signatures. Signing twice may give different bytes.
    fn sign(&self, secret: &[u8], message: &[u8]) -> Result<Vec<u8>, CryptoError>;

    /// Succeeds only if both signatures are valid.
    fn verify(&self, public: &[u8], message: &[u8], signature: &[u8]) -> Result<(), CryptoError>;

    /// Bytes of a public key.
    fn public_len(&self) -> usize;

    /// Bytes of a signature.
    fn signature_len(&self) -> usize;

    /// Bytes of a secret key.
    fn secret_len(&self) -> usize;

    /// How far this implementation is validated.
    fn fips(&self) -> FipsStatus {
        FipsStatus::Unvalidated
    }
}

/// Randomness fit for keys.
pub trait Random: Send + Sync {
    /// Fills `buf` or fails; after an error `buf` is not to be used.
    fn fill(&self, buf: &mut [u8]) -> Result<(), CryptoError>;

    /// How far this implementation is validated.
    fn fips(&self) -> FipsStatus {
        FipsStatus::Unvalidated
    }
}

/// The longest [`Kdf::expand`] of any suite: 255 blocks of HKDF-SHA-256 (RFC 5869 section 2.3).
pub const EXPAND_MAX: usize = 255 * 32;
