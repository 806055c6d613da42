//! Epochs, and the boxes that hold their secrets.

use crate::blob;
use crate::cbor::{Reader, Writer};
use crate::error::FormatError;
use crate::fields::{device, required};
use crate::ids::{DeviceId, EpochId};
use crate::limits;
use crate::suite::Suite;

/// A new epoch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EpochPart {
    /// Random.
    pub id: EpochId,
    /// The KEM key that push-only devices seal packs to, of the suite's length.
    pub public: Vec<u8>,
    /// Blob of the other half.
    pub secret_blob: Vec<u8>,
    /// Blob of the secrets of all earlier epochs, if there are any.
    pub history: Option<Vec<u8>>,
}

/// The secrets of an epoch for one device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BoxPart {
    /// The epoch.
    pub epoch: EpochId,
    /// The device.
    pub device: DeviceId,
    /// For a push-only device.
    pub pusher: bool,
    /// `KEM ciphertext | blob`.
    pub bytes: Vec<u8>,
}

impl EpochPart {
    pub(super) fn write(&self, w: &mut Writer) {
        w.map(|map| {
            map.field(0, |w| w.bytes(&self.id.0));
            map.field(2, |w| w.bytes(&self.public));
            map.field(4, |w| w.bytes(&self.secret_blob));
            if let Some(history) = &self.history {
                map.field(6, |w| w.bytes(history));
            }
        });
    }

    pub(super) fn read(r: &mut Reader, suite: Suite) -> Result<Self, FormatError> {
        const WHAT: &str = "epoch";
        let (mut id, mut public, mut secret_blob, mut history) = (None, None, None, None);
        r.map(WHAT, |r, key| {
            match key {
                0 => id = Some(EpochId(r.array_of("epoch id")?)),
                2 => {
                    let key = r.bytes_of("KEM key of an epoch", suite.kem_public_len())?;
                    public = Some(key.to_vec());
                }
                4 => secret_blob = Some(read_blob(r, suite)?),
                6 => history = Some(read_blob(r, suite)?),
                _ => r.unknown(WHAT, key)?,
            }
            Ok(())
        })?;
        Ok(Self {
            id: required(id, "epoch id")?,
            public: required(public, "KEM key of an epoch")?,
            secret_blob: required(secret_blob, "secret of an epoch")?,
            history,
        })
    }
}

impl BoxPart {
    pub(super) fn place(&self) -> (EpochId, DeviceId, bool) {
        (self.epoch, self.device, self.pusher)
    }

    pub(super) fn write(&self, w: &mut Writer) {
        w.array(4);
        w.bytes(&self.epoch.0);
        w.bytes(&self.device.0);
        w.uint(if self.pusher { PUSHER_BOX } else { READER_BOX });
        w.bytes(&self.bytes);
    }

    pub(super) fn read(r: &mut Reader, suite: Suite) -> Result<Self, FormatError> {
        r.tuple("box", 4, |r| {
            let epoch = EpochId(r.array_of("epoch id")?);
            let device = device(r)?;
            let pusher = match r.u64("kind of a box")? {
                READER_BOX => false,
                PUSHER_BOX => true,
                value => {
                    return Err(FormatError::NewerFormat { field: "kind of a box", value });
                }
            };
            let bytes = r.bytes("box", limits::RECORD_BODY)?;
            blob::split_box(suite, bytes)?;
            Ok(Self { epoch, device, pusher, bytes: bytes.to_vec() })
        })
    }
}

fn read_blob(r: &mut Reader, suite: Suite) -> Result<Vec<u8>, FormatError> {
    let bytes = r.bytes("blob", limits::RECORD_BODY)?;
    blob::Blob::split(suite, bytes)?;
    Ok(bytes.to_vec())
}

const READER_BOX: u64 = blob::BlobType::ReaderBox as u64;
const PUSHER_BOX: u64 = blob::BlobType::PusherBox as u64;
