//! The suites of SPEC section 3: one fixed set of algorithms each, for the life of a vault.

/// A fixed set of algorithms. A vault has one for life; its number is in every header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Suite {
    /// XChaCha20-Poly1305, BLAKE3, Argon2id, X-Wing, Ed25519 with ML-DSA-65.
    Default = 0x01,
    /// AES-256-GCM, HMAC-SHA-256, PBKDF2, ML-KEM-768 with P-256, Ed25519 with ML-DSA-65.
    Fips = 0x02,
}

impl Suite {
    /// The suite of a header byte, if this version knows it.
    pub const fn from_byte(byte: u8) -> Option<Self> {
        match byte {
            0x01 => Some(Self::Default),
            0x02 => Some(Self::Fips),
            _ => None,
        }
    }

    /// The header byte.
    pub const fn byte(self) -> u8 {
        self as u8
    }

    /// Bytes of an AEAD nonce: 24 for XChaCha20-Poly1305, 12 for AES-256-GCM (SP 800-38D 8.2.2).
    pub const fn nonce_len(self) -> usize {
        match self {
            Self::Default => 24,
            Self::Fips => 12,
        }
    }

    /// Bytes of a KEM ciphertext: X-Wing 1120 (draft-connolly-cfrg-xwing-kem section 5.5),
    /// ML-KEM-768 with an uncompressed P-256 point 1153 (FIPS 203 table 3; SEC 1 2.3.3).
    pub const fn kem_ct_len(self) -> usize {
        match self {
            Self::Default => 1120,
            Self::Fips => 1153,
        }
    }

    /// Bytes of a KEM public key: X-Wing 1216 (draft-connolly-cfrg-xwing-kem section 5.2),
    /// ML-KEM-768 with an uncompressed P-256 point 1249 (FIPS 203 table 3; SEC 1 2.3.3).
    pub const fn kem_public_len(self) -> usize {
        match self {
            Self::Default => 1216,
            Self::Fips => 1184 + 65,
        }
    }

    /// Bytes of a public verification key: Ed25519 32 (RFC 8032 section 5.1.5) and ML-DSA-65 1952 (FIPS 204 table 2).
    pub const fn public_key_len(self) -> usize {
        32 + 1952
    }

    /// Bytes of a signature: Ed25519 64 (RFC 8032 section 5.1.6) and ML-DSA-65 3309 (FIPS 204 table 2).
    pub const fn signature_len(self) -> usize {
        64 + 3309
    }
}

/// Bytes of an AEAD tag in every suite.
pub const TAG_LEN: usize = 16;
/// Bytes of every hash, keyed hash, commitment and symmetric key in every suite.
pub const HASH_LEN: usize = 32;
