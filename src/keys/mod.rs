//! Every key of a vault: where it comes from, and what it opens (SPEC sections 3 and 4).

mod device;
mod passphrase;
mod schedule;
mod words;

pub use device::{DeviceKeys, KeyPairs, device_id, verify_stored};
pub use passphrase::{Passphrase, PassphraseError};
pub use schedule::{DomainKeys, EpochKeys, PusherKeys, Tree};
pub use words::{Words, WordsError};
