//! What can go wrong in a part. No variant carries secret bytes.

/// Why a cryptographic operation failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CryptoError {
    /// The operating system gave no randomness; nothing was made.
    #[error("no randomness from the operating system")]
    Random(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// An input has a length that its algorithm does not know. Lengths in bytes.
    #[error("{what} has {actual} bytes instead of {expected}")]
    Length {
        /// The input, as a noun: "nonce", "public key".
        what: &'static str,
        /// What the algorithm takes, in words where it is a range.
        expected: &'static str,
        /// What was given.
        actual: usize,
    },
    /// More bytes than one AEAD call may take.
    #[error("{0} bytes are too many for one seal")]
    TooLong(usize),
    /// Wrong key, or nonce, associated data, text or tag were changed. The text stays unopened.
    #[error("not authentic: wrong key, or changed bytes")]
    NotAuthentic,
    /// A public key, secret key or ciphertext of the right length that encodes nothing valid.
    #[error("{0} is malformed")]
    Malformed(&'static str),
    /// The backend's module did not do what it was asked, for reasons that have nothing to do with the data: no memory, an error state.
    #[error("the cryptographic module did not {0}")]
    Module(&'static str),
    /// This program has no backend at all: it is built without one, and none was installed.
    #[error("this program has no cryptographic backend")]
    NoBackend,
    /// A program brings one backend, once.
    #[error("a cryptographic backend is installed already")]
    TwoBackends,
    /// One of the signatures, or both, are not valid for this key and message.
    #[error("the signature is not valid")]
    BadSignature,
    /// The parameters belong to the passphrase function of another suite.
    #[error("{0} does not belong to this suite")]
    ForeignPasswordKdf(&'static str),
    /// A passphrase parameter below its floor: whoever reads the slot could guess too fast.
    #[error("passphrase parameter {name} is {value}, below the floor of {floor}")]
    WeakPassword {
        /// The parameter with its unit.
        name: &'static str,
        /// What was given.
        value: u64,
        /// The least that is accepted.
        floor: u64,
    },
    /// A passphrase parameter above its limit: a hostile slot must not stall this machine.
    #[error("passphrase parameter {name} is {value}, above the limit of {limit}")]
    ExcessivePassword {
        /// The parameter with its unit.
        name: &'static str,
        /// What was given.
        value: u64,
        /// The most that is accepted.
        limit: u64,
    },
    /// The passphrase function needs more memory than this machine has free. Bytes.
    #[error(
        "the passphrase needs {} MiB of memory and {} MiB are available: close programs, or open the vault on a larger machine",
        needed >> 20,
        available >> 20
    )]
    Memory {
        /// What the parameters ask for.
        needed: u64,
        /// What the machine could give now; 0 if the allocation itself failed.
        available: u64,
    },
}
