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
}
