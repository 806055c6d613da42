//! The handshake of each suite (SPEC section 18.3), through `clatter`, with what that leaves to its callers.
//!
//! `side.rs` is one side of it for any algorithms, `parts.rs` the algorithms.
mod parts;
mod side;

use clatter::crypto::cipher::ChaChaPoly;
use clatter::crypto::hash::Blake2s;
use crypto_backends::{CryptoError, Provider, Suite};
use zeroize::Zeroizing;

use super::Session;

use parts::{GcmRandomIv, MlKem768, P256, Sha256, X25519};
pub(super) use side::{NotAuthentic, Side};

#[cfg(test)]
pub(super) mod for_tests {
    pub(in crate::pairing) use super::parts::{GcmRandomIv, MlKem768, P256, Sha256, X25519, with_provider};
}

/// One side of a handshake. Reading what is not authentic leaves it as it was, so that junk can be ignored.
#[derive(Clone)]
pub(super) enum Handshake {
    Default(Box<DefaultSide>),
    Fips(Box<FipsSide>),
}

/// `Noise_hybridXXpsk0_25519+MLKEM768_ChaChaPoly_BLAKE2s`.
pub(super) type DefaultSide = Side<X25519, MlKem768, ChaChaPoly, Blake2s>;
/// `Noise_hybridXXpsk0_P256+MLKEM768_AESGCMrandomIV_SHA256`, which is no protocol of the Noise specification.
pub(super) type FipsSide = Side<P256, MlKem768, GcmRandomIv, Sha256>;

/// The session after its handshake.
pub(super) enum Transport {
    Default(side::Transport<ChaChaPoly, Blake2s>),
    Fips(side::Transport<GcmRandomIv, Sha256>),
}

impl Handshake {
    /// The joiner's side.
    pub(super) fn joiner(provider: &'static Provider, session: &Session) -> Result<Self, CryptoError> {
        Ok(match provider.suite {
            Suite::Default => Self::Default(Box::new(Side::joiner(provider, session)?)),
            Suite::Fips => Self::Fips(Box::new(Side::joiner(provider, session)?)),
        })
    }

    /// The sponsor's side.
    pub(super) fn sponsor(provider: &'static Provider, session: &Session) -> Result<Self, CryptoError> {
        Ok(match provider.suite {
            Suite::Default => Self::Default(Box::new(Side::sponsor(provider, session)?)),
            Suite::Fips => Self::Fips(Box::new(Side::sponsor(provider, session)?)),
        })
    }

    /// The next message.
    pub(super) fn write(&mut self, payload: &[u8]) -> Result<Vec<u8>, CryptoError> {
        match self {
            Self::Default(side) => side.write(payload),
            Self::Fips(side) => side.write(payload),
        }
    }

    /// The payload of the next message, if it is one.
    pub(super) fn read(&mut self, message: &[u8]) -> Result<Zeroizing<Vec<u8>>, NotAuthentic> {
        match self {
            Self::Default(side) => side.read(message),
            Self::Fips(side) => side.read(message),
        }
    }

    /// The handshake hash after the last message.
    pub(super) fn hash(&self) -> [u8; 32] {
        match self {
            Self::Default(side) => side.hash(),
            Self::Fips(side) => side.hash(),
        }
    }

    /// What follows the fourth message.
    pub(super) fn finish(self) -> Result<Transport, CryptoError> {
        Ok(match self {
            Self::Default(side) => Transport::Default(side.finish()?),
            Self::Fips(side) => Transport::Fips(side.finish()?),
        })
    }
}

impl Transport {
    /// The next message to the other side.
    pub(super) fn write(&mut self, payload: &[u8]) -> Result<Vec<u8>, CryptoError> {
        match self {
            Self::Default(transport) => transport.write(payload),
            Self::Fips(transport) => transport.write(payload),
        }
    }

    /// The next message of the other side, if it is one. The counter moves only then.
    pub(super) fn read(&mut self, message: &[u8]) -> Result<Zeroizing<Vec<u8>>, NotAuthentic> {
        match self {
            Self::Default(transport) => transport.read(message),
            Self::Fips(transport) => transport.read(message),
        }
    }
}
