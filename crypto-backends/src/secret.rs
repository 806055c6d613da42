//! Secret bytes: wiped on drop, never printed, never copied by accident, compared in constant time.
use subtle::ConstantTimeEq;
use zeroize::{Zeroize, Zeroizing};

use crate::contract::Random;
use crate::error::CryptoError;

/// A symmetric key of any part.
pub type Key = Secret<32>;

/// `N` secret bytes. Boxed, so that moving it leaves no copies on the stack.
///
/// No `Debug`, `Clone` or `PartialEq` on purpose: a copy is made in plain sight by [`Secret::duplicate`].
pub struct Secret<const N: usize>(Box<Zeroizing<[u8; N]>>);

impl<const N: usize> Secret<N> {
    /// Takes the bytes over. The caller's own array, if it is used again, is the caller's to wipe.
    pub fn new(mut bytes: [u8; N]) -> Self {
        let mut secret = Self::zeroed();
        secret.0.copy_from_slice(&bytes);
        bytes.zeroize();
        secret
    }

    /// Copies exactly `N` bytes, or fails with [`CryptoError::Length`].
    pub fn from_slice(bytes: &[u8]) -> Result<Self, CryptoError> {
        if bytes.len() != N {
            return Err(CryptoError::Length { what: "secret", expected: "its fixed number of", actual: bytes.len() });
        }
        let mut secret = Self::zeroed();
        secret.0.copy_from_slice(bytes);
        Ok(secret)
    }

    /// `N` fresh random bytes.
    pub fn random(random: &dyn Random) -> Result<Self, CryptoError> {
        let mut secret = Self::zeroed();
        random.fill(secret.0.as_mut_slice())?;
        Ok(secret)
    }

    /// `N` bytes that `make` writes over zeros, or its error: for backends, which leave no copy so.
    pub fn make<E>(make: impl FnOnce(&mut [u8; N]) -> Result<(), E>) -> Result<Self, E> {
        let mut secret = Self::zeroed();
        make(secret.expose_mut())?;
        Ok(secret)
    }

    /// The bytes. Do not copy them into anything that is not wiped.
    pub fn expose(&self) -> &[u8; N] {
        &self.0
    }

    /// Whether both are equal, in time that does not depend on the bytes.
    pub fn ct_eq(&self, other: &Self) -> bool {
        ct_eq(self.expose(), other.expose())
    }

    /// A second copy, wiped on its own drop.
    pub fn duplicate(&self) -> Self {
        let mut copy = Self::zeroed();
        copy.0.copy_from_slice(self.expose());
        copy
    }

    /// To be filled in place; never leaves this crate, since zeros are no secret.
    pub(crate) fn zeroed() -> Self {
        Self(Box::new(Zeroizing::new([0; N])))
    }

    pub(crate) fn expose_mut(&mut self) -> &mut [u8; N] {
        &mut self.0
    }
}

/// Secret bytes of a length known only at run time.
pub struct SecretBytes(Zeroizing<Vec<u8>>);

impl SecretBytes {
    /// Takes the vector over. Whoever grew it must have reserved its room first: growing leaves copies.
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// The bytes. Do not copy them into anything that is not wiped.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }

    /// Whether both are equal, in time that depends on the lengths only.
    pub fn ct_eq(&self, other: &Self) -> bool {
        ct_eq(self.expose(), other.expose())
    }

    /// A second copy, wiped on its own drop.
    pub fn duplicate(&self) -> Self {
        Self::new(self.expose().to_vec())
    }
}

/// Whether two strings of bytes are equal, in time that depends on their lengths only: for commitments and `syn`.
pub fn ct_eq(a: &[u8], b: &[u8]) -> bool {
    a.ct_eq(b).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn compares_and_copies() {
        let a = Secret::new([7; 32]);
        assert!(a.ct_eq(&a.duplicate()));
        assert!(!a.ct_eq(&Secret::new([8; 32])));
        assert_eq!(Secret::<3>::from_slice(&[1, 2, 3]).ok().map(|it| *it.expose()), Some([1, 2, 3]));
        assert!(Secret::<3>::from_slice(&[1, 2]).is_err());
        assert!(Secret::<3>::from_slice(&[1, 2, 3, 4]).is_err());
        let made = Secret::<2>::make(|bytes| {
            bytes[1] = 9;
            Ok::<_, ()>(())
        });
        assert_eq!(made.map(|it| *it.expose()), Ok([0, 9]));
        assert!(matches!(Secret::<2>::make(|_| Err(7)), Err(7)));

        let long = SecretBytes::new(vec![1, 2, 3]);
        assert!(long.ct_eq(&long.duplicate()));
        assert!(!long.ct_eq(&SecretBytes::new(vec![1, 2])));
        assert!(!long.ct_eq(&SecretBytes::new(vec![1, 2, 4])));
    }
}
