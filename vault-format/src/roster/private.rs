//! The part of a record that only readers see.

use super::ascending;
use crate::cbor::{Reader, Writer};
use crate::error::FormatError;
use crate::fields::{device, not_empty};
use crate::ids::DeviceId;
use crate::limits;
use crate::read;

/// What only readers see of a record: the plaintext of its private part. Holds secrets.
#[derive(Default)]
pub struct PrivatePart {
    /// Device, its secret `W`, its name; a set by device.
    pub devices: Vec<(DeviceId, [u8; 32], String)>,
    /// Store, its URL; a set by store.
    pub stores: Vec<([u8; 16], String)>,
}

impl PrivatePart {
    /// The bytes. Refuses what `parse` would refuse.
    pub fn encode(&self) -> Result<Vec<u8>, FormatError> {
        let mut devices: Vec<_> = self.devices.iter().collect();
        devices.sort_by_key(|(id, ..)| *id);
        let mut stores: Vec<_> = self.stores.iter().collect();
        stores.sort_by_key(|(id, _)| *id);
        ascending(devices.iter().map(|(id, ..)| *id), "devices")?;
        ascending(stores.iter().map(|(id, _)| *id), "stores")?;
        for (_, _, name) in &devices {
            read::at_most(name.len(), DEVICE_NAME, "name of a device")?;
        }
        for (_, url) in &stores {
            read::at_most(url.len(), STORE_URL, "URL of a store")?;
        }
        let mut writer = Writer::new();
        writer.map(|map| {
            if !devices.is_empty() {
                map.field(0, |w| {
                    w.list(devices, |w, (id, secret, name)| {
                        w.array(3);
                        w.bytes(&id.0);
                        w.bytes(secret);
                        w.text(name);
                    });
                });
            }
            if !stores.is_empty() {
                map.field(2, |w| {
                    w.list(stores, |w, (id, url)| {
                        w.array(2);
                        w.bytes(id);
                        w.text(url);
                    });
                });
            }
        });
        Ok(writer.finish())
    }

    /// Reads all of `bytes`.
    pub fn parse(bytes: &[u8]) -> Result<Self, FormatError> {
        const WHAT: &str = "private part";
        read::at_most(bytes.len(), limits::RECORD_BODY, WHAT)?;
        let mut reader = Reader::new(bytes);
        let mut part = Self::default();
        reader.map(WHAT, |r, key| {
            match key {
                0 => {
                    part.devices = not_empty(r.list("devices", usize::MAX, |r| {
                        r.tuple("device", 3, |r| {
                            let id = device(r)?;
                            let secret = r.array_of("secret of a device")?;
                            let name = r.text("name of a device", DEVICE_NAME)?;
                            Ok((id, secret, name.to_owned()))
                        })
                    })?)?;
                }
                2 => {
                    part.stores = not_empty(r.list("stores", usize::MAX, |r| {
                        r.tuple("store", 2, |r| {
                            let id = r.array_of("store id")?;
                            Ok((id, r.text("URL of a store", STORE_URL)?.to_owned()))
                        })
                    })?)?;
                }
                _ => r.unknown(WHAT, key)?,
            }
            Ok(())
        })?;
        reader.end(WHAT)?;
        ascending(part.devices.iter().map(|(id, ..)| *id), "devices")?;
        ascending(part.stores.iter().map(|(id, _)| *id), "stores")?;
        Ok(part)
    }
}

/// Bytes of a device's name.
pub const DEVICE_NAME: usize = 255;
/// Bytes of a store's URL.
pub const STORE_URL: usize = 4096;
