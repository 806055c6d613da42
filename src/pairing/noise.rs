//! The handshake: Noise hybridXXpsk0 with X25519 and ML-KEM-768 (SPEC section 18.3), through `clatter`, with what that leaves to its callers.

use std::cell::Cell;

use clatter::bytearray::{ByteArray, HeapArray, SensitiveByteArray};
use clatter::crypto::cipher::ChaChaPoly;
use clatter::crypto::hash::Blake2s;
use clatter::error::{DhError, DhResult, KemError, KemResult};
use clatter::handshakepattern::noise_hybrid_xx;
use clatter::rand_core::{CryptoRng, Error as RngError, RngCore};
use clatter::traits::{CryptoComponent, Dh, Handshaker, Kem, Rng};
use clatter::transportstate::TransportState;
use clatter::{HybridHandshakeCore, HybridHandshakeParams, KeyPair};
use crypto_backends::{CryptoError, Provider, Random};
use ml_kem::ml_kem_768::Ciphertext;
use ml_kem::{Decapsulate, DecapsulationKey768, EncapsulationKey768, KeyExport};
use vault_format::limits;
use x25519_dalek::{PublicKey, StaticSecret};
use zeroize::{Zeroize, Zeroizing};

use super::Session;

/// One side of a handshake. Reading what is not authentic leaves it as it was, so that junk can be ignored.
#[derive(Clone)]
pub(super) struct Handshake<D: Dh = StrictX25519, K: Kem = StrictMlKem> {
    state: HybridHandshakeCore<D, K, K, ChaChaPoly, Blake2s, SessionRandom>,
    random: &'static dyn Random,
}

/// The session after its handshake.
pub(super) struct Transport(TransportState<ChaChaPoly, Blake2s>);

/// A message that is not from the other side of this session.
#[derive(Debug)]
pub(super) struct NotAuthentic;

impl<D: Dh, K: Kem> Handshake<D, K> {
    /// The joiner's side.
    pub(super) fn joiner(provider: &'static Provider, session: &Session) -> Result<Self, CryptoError> {
        Self::new(provider, session, true)
    }

    /// The sponsor's side.
    pub(super) fn sponsor(provider: &'static Provider, session: &Session) -> Result<Self, CryptoError> {
        Self::new(provider, session, false)
    }

    fn new(provider: &'static Provider, session: &Session, joiner: bool) -> Result<Self, CryptoError> {
        let random = provider.random;
        let state = with_random(random, || {
            let dh = D::genkey_rng(&mut SessionRandom).ok()?;
            let kem = K::genkey_rng(&mut SessionRandom).ok()?;
            let pattern = noise_hybrid_xx().add_psks(&[0], PATTERN);
            let params =
                HybridHandshakeParams::new(pattern, joiner).with_prologue(&session.prologue).with_s(dh).with_s_kem(kem);
            HybridHandshakeCore::new(params).ok()
        })?;
        let mut state = state.ok_or(CryptoError::Malformed("keys of a handshake"))?;
        state.push_psk(session.psk.expose());
        Ok(Self { state, random })
    }

    /// The next message.
    pub(super) fn write(&mut self, payload: &[u8]) -> Result<Vec<u8>, CryptoError> {
        const FAILED: CryptoError = CryptoError::Malformed("message of a handshake");
        // `clatter` panics above 65,535 bytes.
        let len = payload.len() + self.state.get_next_message_overhead().map_err(|_| FAILED)?;
        if len > limits::FLIGHT {
            return Err(FAILED);
        }
        let mut out = vec![0; len];
        let state = &mut self.state;
        let written = with_random(self.random, || state.write_message(payload, &mut out))?.map_err(|_| FAILED)?;
        out.truncate(written);
        Ok(out)
    }

    /// The payload of the next message, if it is one.
    pub(super) fn read(&mut self, message: &[u8]) -> Result<Zeroizing<Vec<u8>>, NotAuthentic> {
        if message.len() > limits::FLIGHT {
            return Err(NotAuthentic);
        }
        // A failed message spoils the state, so it is tried on a copy.
        let mut state = self.state.clone();
        let mut out = Zeroizing::new(vec![0; message.len()]);
        let read = with_random(self.random, || state.read_message(message, &mut out));
        let len = read.ok().and_then(Result::ok).ok_or(NotAuthentic)?;
        out.truncate(len);
        self.state = state;
        Ok(out)
    }

    /// The handshake hash after the last message.
    pub(super) fn hash(&self) -> [u8; 32] {
        self.state.get_state().get_hash().as_slice().try_into().expect("BLAKE2s has 32 bytes")
    }

    /// What follows the fourth message.
    pub(super) fn finish(self) -> Result<Transport, CryptoError> {
        let transport = self.state.finalize().map_err(|_| CryptoError::Malformed("handshake that has not ended"))?;
        Ok(Transport(transport))
    }
}

impl Transport {
    /// The next message to the other side.
    pub(super) fn write(&mut self, payload: &[u8]) -> Result<Vec<u8>, CryptoError> {
        const FAILED: CryptoError = CryptoError::Malformed("message of a session");
        if payload.len() + TAG > limits::FLIGHT {
            return Err(FAILED);
        }
        self.0.send_vec(payload).map_err(|_| FAILED)
    }

    /// The next message of the other side, if it is one. The counter moves only then.
    pub(super) fn read(&mut self, message: &[u8]) -> Result<Zeroizing<Vec<u8>>, NotAuthentic> {
        if message.len() < TAG || message.len() > limits::FLIGHT {
            return Err(NotAuthentic);
        }
        self.0.receive_vec(message).map(Zeroizing::new).map_err(|_| NotAuthentic)
    }
}

/// X25519 (RFC 7748). Refuses a result of zeros (section 6.1), which is what a public key of low order gives with every other key.
#[derive(Clone)]
pub(super) struct StrictX25519;

impl CryptoComponent for StrictX25519 {
    fn name() -> &'static str {
        "25519"
    }
}

impl Dh for StrictX25519 {
    type PrivateKey = SensitiveByteArray<[u8; 32]>;
    type PubKey = [u8; 32];
    type Output = SensitiveByteArray<[u8; 32]>;

    fn genkey_rng<R: Rng>(rng: &mut R) -> DhResult<KeyPair<Self::PubKey, Self::PrivateKey>> {
        let mut secret = Self::PrivateKey::new_zero();
        rng.fill_bytes(secret.as_mut());
        Ok(KeyPair::new(Self::pubkey(&secret), secret))
    }

    fn pubkey(secret: &Self::PrivateKey) -> Self::PubKey {
        *PublicKey::from(&StaticSecret::from(**secret)).as_bytes()
    }

    fn dh(secret: &Self::PrivateKey, public: &Self::PubKey) -> DhResult<Self::Output> {
        let shared = StaticSecret::from(**secret).diffie_hellman(&PublicKey::from(*public));
        match shared.was_contributory() {
            true => Ok(Self::Output::new(*shared.as_bytes())),
            false => Err(DhError::KeyGeneration), // the only error there is
        }
    }
}

/// ML-KEM-768 (FIPS 203). Secret keys are seeds; the check of the encapsulation key (section 7.2) is in its constructor.
///
/// Not the one of `clatter`, whose version of the crate does not build beside the one that X-Wing needs.
#[derive(Clone)]
pub(super) struct StrictMlKem;

impl CryptoComponent for StrictMlKem {
    fn name() -> &'static str {
        "MLKEM768"
    }
}

impl Kem for StrictMlKem {
    type SecretKey = SensitiveByteArray<[u8; 64]>;
    type PubKey = HeapArray<1184>;
    type Ct = HeapArray<1088>;
    type Ss = SensitiveByteArray<[u8; 32]>;

    fn genkey_rng<R: Rng>(rng: &mut R) -> KemResult<KeyPair<Self::PubKey, Self::SecretKey>> {
        let mut seed = Self::SecretKey::new_zero();
        rng.fill_bytes(seed.as_mut());
        let public = DecapsulationKey768::from_seed((*seed).into()).encapsulation_key().to_bytes();
        Ok(KeyPair::new(Self::PubKey::from_slice(&public), seed))
    }

    fn encapsulate<R: Rng>(public: &[u8], rng: &mut R) -> KemResult<(Self::Ct, Self::Ss)> {
        let public = public.try_into().map_err(|_| KemError::Input)?;
        let public = EncapsulationKey768::new(public).map_err(|_| KemError::Input)?;
        let mut m = Zeroizing::new([0; 32]);
        rng.fill_bytes(&mut m[..]);
        let (ct, mut shared) = public.encapsulate_deterministic((&*m).into());
        let result = (Self::Ct::from_slice(&ct), Self::Ss::from_slice(&shared));
        shared.as_mut_slice().zeroize();
        Ok(result)
    }

    fn decapsulate(ct: &[u8], seed: &[u8]) -> KemResult<Self::Ss> {
        let seed: Zeroizing<[u8; 64]> = Zeroizing::new(seed.try_into().map_err(|_| KemError::Input)?);
        let ct: &Ciphertext = ct.try_into().map_err(|_| KemError::Input)?;
        let mut shared = DecapsulationKey768::from_seed((*seed).into()).decapsulate(ct);
        let result = Self::Ss::from_slice(&shared);
        shared.as_mut_slice().zeroize();
        Ok(result)
    }
}

/// The provider's randomness, where `clatter` wants a type that makes itself. Only within [`with_random`].
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
        // A failure is remembered: `with_random` throws away what was made from it.
        let source = SOURCE.get().ok_or(CryptoError::Random("no source".into()));
        if let Err(error) = source.and_then(|source| source.fill(out)) {
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

/// Runs `work` with `random` for [`SessionRandom`]. If that fails on the way, nothing that was made counts.
fn with_random<T>(random: &'static dyn Random, work: impl FnOnce() -> T) -> Result<T, CryptoError> {
    SOURCE.set(Some(random));
    FAILED.set(None);
    let result = work();
    SOURCE.set(None);
    match FAILED.take() {
        Some(error) => Err(error),
        None => Ok(result),
    }
}

thread_local! {
    static SOURCE: Cell<Option<&'static dyn Random>> = const { Cell::new(None) };
    static FAILED: Cell<Option<CryptoError>> = const { Cell::new(None) };
}

/// The name in the protocol's name. A name of its own for every order of tokens.
const PATTERN: &str = "hybridXXpsk0";
/// Poly1305 (RFC 8439 section 2.5).
const TAG: usize = 16;
