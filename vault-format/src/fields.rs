//! Fields that several CBOR structures have.

use crate::cbor::{Reader, Writer};
use crate::entry::Time;
use crate::error::FormatError;
use crate::ids::{DeviceId, Identity};
use crate::limits;

pub(crate) fn write_time(w: &mut Writer, time: Time) {
    w.array(2);
    w.int(time.secs);
    w.uint(time.nanos);
}

pub(crate) fn read_time(r: &mut Reader) -> Result<Time, FormatError> {
    r.tuple("time", 2, |r| {
        let secs = r.i64("time")?;
        let nanos = r.u32("time")?;
        if nanos >= NANOS {
            return Err(FormatError::Invalid { what: "time" });
        }
        Ok(Time { secs, nanos })
    })
}

pub(crate) fn identity(r: &mut Reader, what: &'static str) -> Result<Identity, FormatError> {
    r.array_of(what).map(Identity)
}

pub(crate) fn device(r: &mut Reader) -> Result<DeviceId, FormatError> {
    r.array_of("device id").map(DeviceId)
}

pub(crate) fn required<T>(value: Option<T>, what: &'static str) -> Result<T, FormatError> {
    value.ok_or(FormatError::Invalid { what })
}

/// An optional collection is left out when it is empty, so that there is one way to say nothing.
pub(crate) fn not_empty<T>(items: T) -> Result<T, FormatError>
where
    for<'a> &'a T: IntoIterator,
{
    let empty = (&items).into_iter().next().is_none();
    if empty {
        return Err(FormatError::NotCanonical { what: "empty optional field" });
    }
    Ok(items)
}

pub(crate) fn not_zero(value: u64) -> Result<u64, FormatError> {
    match value {
        0 => Err(FormatError::NotCanonical { what: "empty optional field" }),
        value => Ok(value),
    }
}

pub(crate) fn label(r: &mut Reader, what: &'static str) -> Result<String, FormatError> {
    let text = r.text(what, limits::LABEL)?;
    not_zero(text.len() as u64)?;
    Ok(text.to_owned())
}

pub(crate) fn write_identities(w: &mut Writer, identities: &[Identity]) {
    w.set(identities, |w, identity| w.bytes(&identity.0));
}

/// A set of identities, at least one.
pub(crate) fn read_identities(r: &mut Reader, what: &'static str) -> Result<Vec<Identity>, FormatError> {
    let identities = r.ascending(what, usize::MAX, |r| identity(r, what))?;
    if identities.is_empty() {
        return Err(FormatError::Invalid { what });
    }
    Ok(identities)
}

/// Nanoseconds of a second.
pub(crate) const NANOS: u32 = 1_000_000_000;
