//! The names of things: fixed-length byte strings, one type each, so that none is taken for another.

use crate::error::FormatError;
use std::{fmt, str::FromStr};

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident $len:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub [u8; $len]);

        impl $name {
            /// Bytes of this kind of name.
            pub const LEN: usize = $len;
        }

        impl fmt::Display for $name {
            /// Lower-case hex.
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(hex(&self.0, &mut [0; 2 * $len]))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self)
            }
        }

        impl FromStr for $name {
            type Err = FormatError;

            /// Lower-case hex of the full length, and nothing else.
            fn from_str(text: &str) -> Result<Self, FormatError> {
                unhex(text.as_bytes()).map(Self).ok_or(FormatError::Invalid { what: stringify!($name) })
            }
        }

        impl AsRef<[u8]> for $name {
            fn as_ref(&self) -> &[u8] {
                &self.0
            }
        }
    )*};
}

ids! {
    /// A vault: the hash of its genesis (SPEC section 11.1).
    VaultId 32;
    /// A device: cut from the hash of the vault and its public keys (SPEC section 11.1).
    DeviceId 16;
    /// A generation of data keys: random. Zero in roster records.
    EpochId 16;
    /// The set of devices that share chunk ids (SPEC section 1).
    Domain 16;
    /// The dedup scope of a source (SPEC section 7).
    Scope 16;
    /// A chunk: the keyed hash of its plaintext.
    ChunkId 32;
    /// A stored object: the hash of all of its bytes. The last part of its name.
    ObjectHash 32;
    /// A log entry or roster record: the hash of everything before its signature (SPEC section 10.1).
    Identity 32;
}

impl Domain {
    /// The domain of all readers.
    pub const SHARED: Self = Self([0; 16]);

    /// Whether this is the domain of all readers, and not that of one push-only device.
    pub fn is_shared(&self) -> bool {
        *self == Self::SHARED
    }
}

impl From<DeviceId> for Domain {
    /// The domain of a push-only device.
    fn from(device: DeviceId) -> Self {
        Self(device.0)
    }
}

impl Scope {
    /// Dedup across the vault's sources.
    pub const VAULT: Self = Self([0; 16]);
}

impl EpochId {
    /// In the headers of roster records, which belong to no epoch.
    pub const NONE: Self = Self([0; 16]);
}

pub(crate) fn hex<'a>(bytes: &[u8], out: &'a mut [u8]) -> &'a str {
    for (pair, byte) in out.chunks_exact_mut(2).zip(bytes) {
        pair[0] = DIGITS[usize::from(byte >> 4)];
        pair[1] = DIGITS[usize::from(byte & 15)];
    }
    std::str::from_utf8(out).expect("hex digits are ASCII")
}

pub(crate) fn unhex<const N: usize>(text: &[u8]) -> Option<[u8; N]> {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    if text.len() != 2 * N {
        return None;
    }
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(text.chunks_exact(2)) {
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Some(bytes)
}

const DIGITS: &[u8; 16] = b"0123456789abcdef";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_lower_hex_of_the_full_length() {
        let device = DeviceId(*b"\x00\x01\x9f\xffdevice ident");
        let text = "00019fff646576696365206964656e74";
        assert_eq!(device.to_string(), text);
        assert_eq!(format!("{device:?}"), format!("DeviceId({text})"));
        assert_eq!(text.parse(), Ok(device));
        for bad in ["", "0", &text[1..], &text.to_uppercase(), &format!("{text}0"), &text.replace('6', "g")] {
            assert!(bad.parse::<DeviceId>().is_err(), "{bad}");
        }
        assert!(!Domain::from(device).is_shared());
        assert!(Domain::SHARED.is_shared());
    }
}
