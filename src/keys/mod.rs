//! Every key of a vault: where it comes from, and what it opens (SPEC sections 3, 4, 5.4 and 11.4).

pub(crate) mod boxes;
mod device;
pub(crate) mod mnemonic;
mod passphrase;
mod schedule;
mod slot;
mod words;

pub use device::{DeviceKeys, KeyPairs, device_id, verify_stored};
pub use passphrase::{Passphrase, PassphraseError};
pub use schedule::{DomainKeys, EpochKeys, PusherKeys, Tree};
pub use slot::{NewSlot, OpenedSlot, SlotError, SlotSecret, open_slot, params_of, seal_slot};
pub use words::{Words, WordsError};
