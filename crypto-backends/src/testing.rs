//! For tests of this and other crates; not in release builds.
use std::sync::Mutex;

use crate::contract::Random;
use crate::error::CryptoError;
#[cfg(feature = "rustcrypto")]
pub use with_rustcrypto::{provider, provider_of};

pub mod known_answers;

/// Randomness that repeats: what a machine has after its snapshot was restored. An error at its end.
pub struct Replay {
    stream: Vec<u8>,
    position: Mutex<usize>,
}

impl Replay {
    /// Replays `stream` from its beginning.
    pub fn new(stream: Vec<u8>) -> Self {
        Self { stream, position: Mutex::new(0) }
    }

    /// Replays `len` bytes that follow from `seed` alone.
    #[cfg(feature = "rustcrypto")]
    pub fn of_seed(seed: u64, len: usize) -> Self {
        let mut stream = vec![0; len];
        blake3::Hasher::new_derive_key("zvault testing replay")
            .update(&seed.to_le_bytes())
            .finalize_xof()
            .fill(&mut stream);
        Self::new(stream)
    }

    /// Goes back to the beginning, as a restored snapshot does.
    pub fn rewind(&self) {
        *self.position() = 0;
    }

    /// How many bytes were drawn since the beginning.
    pub fn drawn(&self) -> usize {
        *self.position()
    }

    fn position(&self) -> std::sync::MutexGuard<'_, usize> {
        self.position.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

impl Random for Replay {
    fn fill(&self, buf: &mut [u8]) -> Result<(), CryptoError> {
        let mut position = self.position();
        let end = position.checked_add(buf.len());
        let bytes = end.and_then(|end| self.stream.get(*position..end));
        buf.copy_from_slice(bytes.ok_or_else(|| CryptoError::Random("the replay ends here".into()))?);
        *position += buf.len();
        Ok(())
    }
}

#[cfg(feature = "rustcrypto")]
mod with_rustcrypto {
    use crate::contract::Random;
    use crate::rustcrypto::{
        Aes256Gcm, Argon2id, Blake3, Blake3Kdf, Ed25519WithMlDsa65, HkdfSha256, MlKem768, MlKem768P256, P256, Pbkdf2,
        Sha256, X25519, XChaCha20Poly1305, XWing,
    };
    use crate::{Backend, Provider, Suite};

    /// The backend of suite `0x01` with all its randomness from `random`. Its parts are never freed.
    pub fn provider(random: &'static dyn Random) -> Provider {
        provider_of(Suite::Default, random)
    }

    /// The backend of `suite` with all its randomness from `random`. Its parts are never freed.
    pub fn provider_of(suite: Suite, random: &'static dyn Random) -> Provider {
        match suite {
            Suite::Default => default_of(random),
            Suite::Fips => fips_of(random),
        }
    }

    const BACKEND: Backend = Backend { name: "RustCrypto", randomness: "of the test", module: None };

    fn fips_of(random: &'static dyn Random) -> Provider {
        Provider {
            suite: Suite::Fips,
            backend: BACKEND,
            aead: Box::leak(Box::new(Aes256Gcm { random })),
            hash: &Sha256,
            keyed_hash: &Sha256,
            kdf: &HkdfSha256,
            password: &Pbkdf2,
            kem: Box::leak(Box::new(MlKem768P256 { random })),
            agreement: Box::leak(Box::new(P256 { random })),
            ml_kem: Box::leak(Box::new(MlKem768 { random })),
            sign: Box::leak(Box::new(Ed25519WithMlDsa65::new(random))),
            random,
        }
    }

    fn default_of(random: &'static dyn Random) -> Provider {
        Provider {
            suite: Suite::Default,
            backend: BACKEND,
            aead: Box::leak(Box::new(XChaCha20Poly1305 { random })),
            hash: &Blake3,
            keyed_hash: &Blake3,
            kdf: &Blake3Kdf,
            password: &Argon2id,
            kem: Box::leak(Box::new(XWing { random })),
            agreement: Box::leak(Box::new(X25519 { random })),
            ml_kem: Box::leak(Box::new(MlKem768 { random })),
            sign: Box::leak(Box::new(Ed25519WithMlDsa65::new(random))),
            random,
        }
    }
}

#[cfg(all(test, feature = "rustcrypto"))]
mod tests {
    use super::*;
    use crate::Key;

    #[test]
    fn replays_after_rewinding() {
        let replay: &'static Replay = Box::leak(Box::new(Replay::of_seed(1, 1000)));
        let provider = provider(replay);
        let run = || {
            let key = Key::random(provider.random).unwrap();
            let sealed = provider.aead.seal(&key, b"", &mut [0; 10]).unwrap();
            let (_, kem) = provider.kem.generate().unwrap();
            let (ct, _) = provider.kem.encapsulate(&kem).unwrap();
            let (secret, sign) = provider.sign.generate().unwrap();
            let signature = provider.sign.sign(secret.expose(), b"message").unwrap();
            (*key.expose(), sealed, kem, ct, sign, signature)
        };
        let first = run();
        assert_eq!(replay.drawn(), 32 + 24 + 32 + 64 + 64 + 32);
        assert_ne!(first, run());
        replay.rewind();
        assert_eq!(first, run());
        assert_ne!(Replay::of_seed(1, 32).stream, Replay::of_seed(2, 32).stream);
    }

    #[test]
    fn ends_with_an_error_and_keeps_its_place() {
        let replay = Replay::new(vec![1, 2, 3]);
        let mut two = [0; 2];
        replay.fill(&mut two).unwrap();
        assert_eq!(two, [1, 2]);
        assert!(matches!(replay.fill(&mut two), Err(CryptoError::Random(_))));
        assert_eq!(two, [1, 2]);
        assert_eq!(replay.drawn(), 2);
    }
}
