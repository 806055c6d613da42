//! Heads of logs.

use crate::cbor::{Reader, Writer};
use crate::error::FormatError;
use crate::fields::{identity, write_identities};
use crate::ids::{DeviceId, Identity};
use crate::limits;
use std::collections::BTreeMap;

/// Heads of logs: a set for each device, at least one and at most 64.
pub type Heads = BTreeMap<DeviceId, Vec<Identity>>;

pub(super) fn write_heads(w: &mut Writer, heads: &Heads) {
    w.map_by(heads, |w, identities| write_identities(w, identities));
}

pub(super) fn read_heads(r: &mut Reader, what: &'static str) -> Result<Heads, FormatError> {
    r.map_by(what, DeviceId, |r| {
        let identities = r.ascending(what, limits::ENTRY_HEADS, |r| identity(r, what))?;
        if identities.is_empty() {
            return Err(FormatError::Invalid { what });
        }
        Ok(identities)
    })
}
