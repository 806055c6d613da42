//! What kind of trouble an error is: what a caller can do about it, and which exit code the program gives.

/// The kind of an error, across all operations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Trouble {
    /// It failed, and no other kind says why.
    Failed,
    /// The request makes no sense: an unknown snapshot, an ambiguous id, a bad path.
    Usage,
    /// There is no vault at that place, or not one that this version can read.
    NoVault,
    /// Another run of this device is at work on the vault.
    Busy,
    /// Wrong passphrase, words or key.
    WrongKey,
    /// This device, or the vault's policy, does not allow it.
    NotAllowed,
    /// Integrity or rollback alarm: something is damaged, missing, or not what it was.
    Integrity,
    /// The storage cannot be reached, read or written, or is full.
    Storage,
    /// Stopped on request.
    Interrupted,
}
