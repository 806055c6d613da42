//! Paths in a node: what is shared with the path before is left out, and always as much as there is.

use crate::entry::path_rank;
use crate::error::FormatError;
use crate::limits;
use crate::read::{Reader, at_most, put_lp, put_varint};

pub(super) fn shared_len(before: Option<&[u8]>, path: &[u8]) -> usize {
    before.map_or(0, |before| before.iter().zip(path).take_while(|(a, b)| a == b).count())
}

pub(super) fn put_path(out: &mut Vec<u8>, shared: usize, path: &[u8]) {
    put_varint(out, shared as u64);
    put_lp(out, &path[shared..]);
}

pub(super) fn read_path(reader: &mut Reader<'_>, before: Option<&[u8]>) -> Result<Vec<u8>, FormatError> {
    let shared = reader.varint_to(limits::PATH as u64, "path")? as usize;
    let rest = reader.lp(limits::PATH, "path")?;
    match before {
        Some(before) => check_step(before, shared, rest)?,
        None if shared > 0 => {
            return Err(FormatError::Invalid { what: "shared part of a path" });
        }
        None => {}
    }
    let mut path = Vec::with_capacity(shared + rest.len());
    path.extend_from_slice(&before.unwrap_or_default()[..shared]);
    path.extend_from_slice(rest);
    check_path(&path, shared)?;
    Ok(path)
}

/// The order of two paths of one node, and that `shared` is all they have in common: only the first differing byte counts.
pub(super) fn check_step(before: &[u8], shared: usize, rest: &[u8]) -> Result<(), FormatError> {
    if shared > before.len() {
        return Err(FormatError::Invalid { what: "shared part of a path" });
    }
    match (before.get(shared), rest.first()) {
        (None, Some(_)) => Ok(()), // longer
        (Some(old), Some(new)) if old == new => Err(FormatError::NotCanonical { what: "shared part of a path" }),
        (Some(old), Some(new)) if path_rank(*old) < path_rank(*new) => Ok(()),
        _ => Err(FormatError::Order { what: "paths" }),
    }
}

/// Checks the components of a path, the first `checked` bytes of which belong to a path that was checked before.
pub(super) fn check_path(path: &[u8], checked: usize) -> Result<(), FormatError> {
    at_most(path.len(), limits::PATH, "path")?;
    if path.is_empty() {
        return Ok(()); // the root
    }
    let from = path[..checked].iter().rposition(|byte| *byte == b'/').map_or(0, |slash| slash + 1);
    for component in path[from..].split(|byte| *byte == b'/') {
        if matches!(component, b"" | b"." | b"..") || component.contains(&0) {
            return Err(FormatError::Invalid { what: "component of a path" });
        }
        at_most(component.len(), limits::COMPONENT, "component of a path")?;
    }
    if path.len() >= 2 * limits::DEPTH {
        at_most(path.iter().filter(|byte| **byte == b'/').count() + 1, limits::DEPTH, "depth of a path")?;
    }
    Ok(())
}
