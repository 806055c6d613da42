//! The operations of a record.

use super::{Capabilities, Slot};
use crate::cbor::{Reader, Writer};
use crate::error::FormatError;
use crate::fields::{device, identity};
use crate::ids::{DeviceId, Identity};
use crate::suite::Suite;

/// One operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Op {
    /// Adds a device.
    Add {
        /// The hash of its keys.
        id: DeviceId,
        /// Of the suite's length.
        verify_key: Vec<u8>,
        /// Of the suite's length.
        kem_key: Vec<u8>,
        /// What it may do.
        capabilities: Capabilities,
        /// For a virtual device: how a passphrase or words open its keys.
        slot: Option<Slot>,
        /// The hash of the pairing's handshake.
        handshake: Option<[u8; 32]>,
    },
    /// Adds capabilities to a device.
    Grant {
        /// The device.
        id: DeviceId,
        /// What it may do from now on, too.
        capabilities: Capabilities,
    },
    /// Ends a device, for ever.
    Revoke {
        /// The device.
        id: DeviceId,
        /// The last entry of its log that counts.
        last: Option<Identity>,
    },
    /// Describes a store.
    Store {
        /// Random.
        id: [u8; 16],
        /// What sort of store: a registry that only programs read.
        kind: u8,
        /// The store whose lists decide.
        primary: bool,
        /// What `init` found out about it: bits.
        verdict: u32,
    },
    /// Features that a program must know: unions, which only grow.
    Flags {
        /// To read.
        read: Vec<String>,
        /// To write.
        write: Vec<String>,
        /// To collect.
        prune: Vec<String>,
    },
    /// Another root, signed by root.
    NewRoot {
        /// Of the suite's length.
        verify_key: Vec<u8>,
    },
    /// A value of the whole vault.
    Setting {
        /// Printable ASCII.
        key: String,
        /// As the key says.
        value: Vec<u8>,
    },
    /// Takes a store off the list, unless it is the primary then.
    RemoveStore {
        /// Which one.
        id: [u8; 16],
    },
    /// An operation of a newer version: leaves the vault read-only for this one.
    Unknown {
        /// Its number.
        code: u64,
        /// The whole operation, as CBOR.
        bytes: Vec<u8>,
    },
}

impl Op {
    pub(super) fn write(&self, w: &mut Writer) {
        match self {
            Self::Add { id, verify_key, kem_key, capabilities, slot, handshake } => {
                w.array(7);
                w.uint(ADD);
                w.bytes(&id.0);
                w.bytes(verify_key);
                w.bytes(kem_key);
                w.uint(capabilities.0);
                match slot {
                    Some(slot) => slot.write(w),
                    None => w.null(),
                }
                w.bytes_or_null(handshake.as_ref().map(AsRef::as_ref));
            }
            Self::Grant { id, capabilities } => {
                w.array(3);
                w.uint(GRANT);
                w.bytes(&id.0);
                w.uint(capabilities.0);
            }
            Self::Revoke { id, last } => {
                w.array(3);
                w.uint(REVOKE);
                w.bytes(&id.0);
                w.bytes_or_null(last.as_ref().map(AsRef::as_ref));
            }
            Self::Store { id, kind, primary, verdict } => {
                w.array(5);
                w.uint(STORE);
                w.bytes(id);
                w.uint(*kind);
                w.uint(*primary);
                w.uint(*verdict);
            }
            Self::Flags { read, write, prune } => {
                w.array(4);
                w.uint(FLAGS);
                for names in [read, write, prune] {
                    w.set(names, |w, name| w.text(name));
                }
            }
            Self::NewRoot { verify_key } => {
                w.array(2);
                w.uint(NEW_ROOT);
                w.bytes(verify_key);
            }
            Self::Setting { key, value } => {
                w.array(3);
                w.uint(SETTING);
                w.text(key);
                w.bytes(value);
            }
            Self::RemoveStore { id } => {
                w.array(2);
                w.uint(REMOVE_STORE);
                w.bytes(id);
            }
            Self::Unknown { bytes, .. } => w.raw(bytes),
        }
    }

    pub(super) fn read(r: &mut Reader, suite: Suite) -> Result<Self, FormatError> {
        const WHAT: &str = "operation";
        let code = r.variant(WHAT)?;
        Ok(match code {
            ADD => r.tuple(WHAT, 7, |r| {
                r.u64(WHAT)?;
                Ok(Self::Add {
                    id: device(r)?,
                    verify_key: verify_key(r, suite)?,
                    kem_key: r.bytes_of("KEM key", suite.kem_public_len())?.to_vec(),
                    capabilities: Capabilities::read(r)?,
                    slot: r.nullable(Slot::read)?,
                    handshake: r.nullable(|r| r.array_of("hash of the handshake"))?,
                })
            })?,
            GRANT => r.tuple(WHAT, 3, |r| {
                r.u64(WHAT)?;
                Ok(Self::Grant { id: device(r)?, capabilities: Capabilities::read(r)? })
            })?,
            REVOKE => r.tuple(WHAT, 3, |r| {
                r.u64(WHAT)?;
                Ok(Self::Revoke { id: device(r)?, last: r.nullable(|r| identity(r, "last adopted identity"))? })
            })?,
            STORE => r.tuple(WHAT, 5, |r| {
                r.u64(WHAT)?;
                Ok(Self::Store {
                    id: r.array_of("store id")?,
                    kind: r.u8("store kind")?,
                    primary: r.flag("primary")?,
                    verdict: r.u32("store verdict")?,
                })
            })?,
            FLAGS => r.tuple(WHAT, 4, |r| {
                r.u64(WHAT)?;
                Ok(Self::Flags { read: read_flags(r)?, write: read_flags(r)?, prune: read_flags(r)? })
            })?,
            NEW_ROOT => r.tuple(WHAT, 2, |r| {
                r.u64(WHAT)?;
                Ok(Self::NewRoot { verify_key: verify_key(r, suite)? })
            })?,
            SETTING => r.tuple(WHAT, 3, |r| {
                r.u64(WHAT)?;
                Ok(Self::Setting { key: ascii(r, "setting")?, value: r.bytes("setting", SETTING_VALUE)?.to_vec() })
            })?,
            REMOVE_STORE => r.tuple(WHAT, 2, |r| {
                r.u64(WHAT)?;
                Ok(Self::RemoveStore { id: r.array_of("store id")? })
            })?,
            code => Self::Unknown { code, bytes: r.raw(WHAT)?.to_vec() },
        })
    }
}

fn verify_key(r: &mut Reader, suite: Suite) -> Result<Vec<u8>, FormatError> {
    r.bytes_of("verification key", suite.public_key_len()).map(<[u8]>::to_vec)
}

fn read_flags(r: &mut Reader) -> Result<Vec<String>, FormatError> {
    r.ascending("feature flags", FEATURES, |r| ascii(r, "feature flag"))
}

/// A name of printable ASCII without spaces.
fn ascii(r: &mut Reader, what: &'static str) -> Result<String, FormatError> {
    let text = r.text(what, ASCII_NAME)?;
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(FormatError::Invalid { what });
    }
    Ok(text.to_owned())
}

/// Names in each of the three sets of feature flags of an operation.
pub const FEATURES: usize = 256;
/// Bytes of a feature's name or of a setting's key.
pub const ASCII_NAME: usize = 64;
/// Bytes of a setting's value.
pub const SETTING_VALUE: usize = 4096;

const ADD: u64 = 1;
const GRANT: u64 = 2;
const REVOKE: u64 = 3;
const STORE: u64 = 4;
const FLAGS: u64 = 5;
const NEW_ROOT: u64 = 6;
const SETTING: u64 = 7;
pub(super) const REMOVE_STORE: u64 = 9;
