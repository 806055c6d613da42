//! The handshake of each suite (SPEC section 18.3), through `clatter`, with what that leaves to its callers.
//!
//! `side.rs` is one side of it for any algorithms, `parts.rs` the algorithms.
mod parts;
mod side;

use crypto_backends::{CryptoError, Provider, Suite};
use zeroize::Zeroizing;

use super::Session;
use parts::{GcmRandomIv, MlKem768, P256, Sha256};

pub(super) use side::{NotAuthentic, Side};

/// One side of a handshake. Reading what is not authentic leaves it as it was, so that junk can be ignored.
pub(super) struct Handshake(Box<dyn side::Exchange>);

/// The session after its handshake.
pub(super) struct Transport(Box<dyn side::Messages>);

/// `Noise_hybridXXpsk0_25519+MLKEM768_ChaChaPoly_BLAKE2s`.
#[cfg(feature = "rustcrypto")]
type DefaultSide = Side<parts::X25519, MlKem768, clatter::crypto::cipher::ChaChaPoly, clatter::crypto::hash::Blake2s>;

/// `Noise_hybridXXpsk0_P256+MLKEM768_AESGCMrandomIV_SHA256`, which is no protocol of the Noise specification.
type FipsSide = Side<P256, MlKem768, GcmRandomIv, Sha256>;

impl Handshake {
    /// The joiner's side.
    pub(super) fn joiner(provider: &'static Provider, session: &Session) -> Result<Self, CryptoError> {
        Self::new(provider, session, true)
    }

    /// The sponsor's side.
    pub(super) fn sponsor(provider: &'static Provider, session: &Session) -> Result<Self, CryptoError> {
        Self::new(provider, session, false)
    }

    fn new(provider: &'static Provider, session: &Session, joiner: bool) -> Result<Self, CryptoError> {
        match provider.suite {
            #[cfg(feature = "rustcrypto")]
            Suite::Default => Ok(Self(Box::new(DefaultSide::new(provider, session, joiner)?))),
            #[cfg(not(feature = "rustcrypto"))]
            Suite::Default => Err(CryptoError::NoBackend),
            Suite::Fips => Ok(Self(Box::new(FipsSide::new(provider, session, joiner)?))),
        }
    }

    /// The next message.
    pub(super) fn write(&mut self, payload: &[u8]) -> Result<Vec<u8>, CryptoError> {
        self.0.write(payload)
    }

    /// The payload of the next message, if it is one.
    pub(super) fn read(&mut self, message: &[u8]) -> Result<Zeroizing<Vec<u8>>, NotAuthentic> {
        self.0.read(message)
    }

    /// The handshake hash after the last message.
    pub(super) fn hash(&self) -> [u8; 32] {
        self.0.hash()
    }

    /// What follows the fourth message.
    pub(super) fn finish(&self) -> Result<Transport, CryptoError> {
        self.0.finish().map(Transport)
    }
}

impl Clone for Handshake {
    fn clone(&self) -> Self {
        Self(self.0.copy())
    }
}

impl Transport {
    /// The next message to the other side.
    pub(super) fn write(&mut self, payload: &[u8]) -> Result<Vec<u8>, CryptoError> {
        self.0.write(payload)
    }

    /// The next message of the other side, if it is one. The counter moves only then.
    pub(super) fn read(&mut self, message: &[u8]) -> Result<Zeroizing<Vec<u8>>, NotAuthentic> {
        self.0.read(message)
    }
}

#[cfg(test)]
pub(super) mod for_tests {
    pub(in crate::pairing) use super::parts::{GcmRandomIv, MlKem768, P256, Sha256, X25519, with_provider};
    pub(in crate::pairing) use super::side::Exchange;
}
