//! What a device may do.

use crate::cbor::Reader;
use crate::error::FormatError;
use std::ops::BitOr;

/// What a device may do: bits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Capabilities(pub(super) u8);

impl Capabilities {
    /// Nothing.
    pub const NONE: Self = Self(0);
    /// Open everything.
    pub const READ: Self = Self(1);
    /// Write snapshots.
    pub const PUSH: Self = Self(2);
    /// Forget and collect. Implies `READ`.
    pub const PRUNE: Self = Self(4);
    /// Change the roster. Implies `READ`.
    pub const ADMIN: Self = Self(8);
    /// Add devices. Implies `READ`.
    pub const PAIR: Self = Self(16);
    /// All of them.
    pub const ALL: Self = Self(31);

    /// The capabilities of these bits. Refuses bits that this version does not know, and any that implies `READ` without it.
    pub fn from_bits(bits: u8) -> Result<Self, FormatError> {
        const WHAT: &str = "capabilities";
        if bits & !Self::ALL.0 != 0 {
            return Err(FormatError::NewerFormat { field: WHAT, value: u64::from(bits) });
        }
        let needs_read = (Self::PRUNE | Self::ADMIN | Self::PAIR).0;
        if bits & needs_read != 0 && bits & Self::READ.0 == 0 {
            return Err(FormatError::Invalid { what: WHAT });
        }
        Ok(Self(bits))
    }

    /// The bits.
    pub const fn bits(self) -> u8 {
        self.0
    }

    /// Whether all of `other` are among these.
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// These and `other`.
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether the device may push and not read.
    pub const fn is_push_only(self) -> bool {
        !self.contains(Self::READ)
    }

    pub(super) fn read(r: &mut Reader) -> Result<Self, FormatError> {
        Self::from_bits(r.u8("capabilities")?)
    }
}

impl BitOr for Capabilities {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        self.union(other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn capabilities_imply_read() {
        let all = Capabilities::ALL;
        assert!(all.contains(Capabilities::PAIR) && !all.is_push_only());
        assert!(Capabilities::PUSH.is_push_only() && !Capabilities::PUSH.contains(Capabilities::READ));
        assert_eq!(Capabilities::READ | Capabilities::PUSH, Capabilities::from_bits(3).expect("known bits"));
        for lone in [Capabilities::PRUNE, Capabilities::ADMIN, Capabilities::PAIR] {
            assert!(Capabilities::from_bits(lone.bits()).is_err());
            assert!(Capabilities::from_bits((lone | Capabilities::READ).bits()).is_ok());
        }
    }
}
