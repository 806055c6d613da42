//! One side of a handshake, for any algorithms.

use clatter::bytearray::ByteArray;
use clatter::handshakepattern::noise_hybrid_xx;
use clatter::traits::{Cipher, Dh, Handshaker, Hash, Kem};
use clatter::transportstate::TransportState;
use clatter::{HybridHandshakeCore, HybridHandshakeParams};
use crypto_backends::{CryptoError, Provider};
use vault_format::limits;
use zeroize::Zeroizing;

use super::parts::{SessionRandom, with_provider};

/// One side of a handshake, whatever its algorithms.
pub(in crate::pairing) trait Exchange {
    /// The next message.
    fn write(&mut self, payload: &[u8]) -> Result<Vec<u8>, CryptoError>;
    /// The payload of the next message, if it is one. Otherwise nothing has changed, so that junk can be ignored.
    fn read(&mut self, message: &[u8]) -> Result<Zeroizing<Vec<u8>>, NotAuthentic>;
    /// The handshake hash after the last message.
    fn hash(&self) -> [u8; 32];
    /// What follows the fourth message.
    fn finish(&self) -> Result<Box<dyn Messages>, CryptoError>;
    /// The same side at the same point.
    fn copy(&self) -> Box<dyn Exchange>;
}

/// The session after its handshake.
pub(in crate::pairing) trait Messages {
    /// The next message to the other side.
    fn write(&mut self, payload: &[u8]) -> Result<Vec<u8>, CryptoError>;
    /// The next message of the other side, if it is one. The counter moves only then.
    fn read(&mut self, message: &[u8]) -> Result<Zeroizing<Vec<u8>>, NotAuthentic>;
}

/// A message that is not from the other side of this session.
#[derive(Debug)]
pub(in crate::pairing) struct NotAuthentic;

/// One side of a handshake with these algorithms.
#[derive(Clone)]
pub(in crate::pairing) struct Side<D: Dh, K: Kem, C: Cipher, H: Hash> {
    state: HybridHandshakeCore<D, K, K, C, H, SessionRandom>,
    provider: &'static Provider,
}

struct Session<C: Cipher, H: Hash> {
    state: TransportState<C, H>,
    provider: &'static Provider,
}

impl<D: Dh, K: Kem, C: Cipher, H: Hash> Side<D, K, C, H> {
    pub(in crate::pairing) fn new(
        provider: &'static Provider,
        session: &super::Session,
        joiner: bool,
    ) -> Result<Self, CryptoError> {
        let state = with_provider(provider, || {
            let dh = D::genkey_rng(&mut SessionRandom).ok()?;
            let kem = K::genkey_rng(&mut SessionRandom).ok()?;
            let pattern = noise_hybrid_xx().add_psks(&[0], PATTERN);
            let params =
                HybridHandshakeParams::new(pattern, joiner).with_prologue(&session.prologue).with_s(dh).with_s_kem(kem);
            HybridHandshakeCore::new(params).ok()
        })?;
        let mut state = state.ok_or(CryptoError::Malformed("keys of a handshake"))?;
        state.push_psk(session.psk.expose());
        Ok(Self { state, provider })
    }
}

impl<D, K, C, H> Exchange for Side<D, K, C, H>
where
    D: Dh + 'static,
    K: Kem + 'static,
    C: Cipher + 'static,
    H: Hash + 'static,
{
    fn write(&mut self, payload: &[u8]) -> Result<Vec<u8>, CryptoError> {
        const FAILED: CryptoError = CryptoError::Malformed("message of a handshake");
        // `clatter` panics above 65,535 bytes.
        let len = payload.len() + self.state.get_next_message_overhead().map_err(|_| FAILED)?;
        if len > limits::FLIGHT {
            return Err(FAILED);
        }
        let mut out = vec![0; len];
        let state = &mut self.state;
        let written = with_provider(self.provider, || state.write_message(payload, &mut out))?.map_err(|_| FAILED)?;
        out.truncate(written);
        Ok(out)
    }

    fn read(&mut self, message: &[u8]) -> Result<Zeroizing<Vec<u8>>, NotAuthentic> {
        if message.len() > limits::FLIGHT {
            return Err(NotAuthentic);
        }
        // A failed message spoils the state, so it is tried on a copy.
        let mut state = self.state.clone();
        let mut out = Zeroizing::new(vec![0; message.len()]);
        let read = with_provider(self.provider, || state.read_message(message, &mut out));
        let len = read.ok().and_then(Result::ok).ok_or(NotAuthentic)?;
        out.truncate(len);
        self.state = state;
        Ok(out)
    }

    fn hash(&self) -> [u8; 32] {
        self.state.get_state().get_hash().as_slice().try_into().expect("both hashes have 32 bytes")
    }

    fn finish(&self) -> Result<Box<dyn Messages>, CryptoError> {
        let state = with_provider(self.provider, || self.state.clone().finalize())?;
        let state = state.map_err(|_| CryptoError::Malformed("handshake that has not ended"))?;
        Ok(Box::new(Session { state, provider: self.provider }))
    }

    fn copy(&self) -> Box<dyn Exchange> {
        Box::new(self.clone())
    }
}

impl<C: Cipher, H: Hash> Messages for Session<C, H> {
    fn write(&mut self, payload: &[u8]) -> Result<Vec<u8>, CryptoError> {
        const FAILED: CryptoError = CryptoError::Malformed("message of a session");
        if payload.len() + C::tag_len() > limits::FLIGHT {
            return Err(FAILED);
        }
        with_provider(self.provider, || self.state.send_vec(payload))?.map_err(|_| FAILED)
    }

    fn read(&mut self, message: &[u8]) -> Result<Zeroizing<Vec<u8>>, NotAuthentic> {
        if message.len() < C::tag_len() || message.len() > limits::FLIGHT {
            return Err(NotAuthentic);
        }
        let read = with_provider(self.provider, || self.state.receive_vec(message)).map_err(|_| NotAuthentic)?;
        read.map(Zeroizing::new).map_err(|_| NotAuthentic)
    }
}

/// The name in the protocol's name. A name of its own for every order of tokens.
const PATTERN: &str = "hybridXXpsk0";
