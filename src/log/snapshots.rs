//! Snapshots: finding them by what a person types.

use vault_format::log::{Outcome, Snapshot};
use vault_format::{DeviceId, Identity, Time};

/// A snapshot and what surrounds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SnapshotInfo {
    /// What it is known by.
    pub id: Identity,
    /// The device that made it.
    pub device: DeviceId,
    /// The name of that device.
    pub device_name: String,
    /// Its position in the device's log.
    pub seq: u64,
    /// When the device says it was made.
    pub time: Time,
    /// What it holds.
    pub snapshot: Snapshot,
}

/// A snapshot, or a part of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SnapshotRef {
    /// The snapshot.
    pub info: SnapshotInfo,
    /// A full path inside of it, or a path relative to its only source.
    pub path: Option<Vec<u8>>,
}

impl SnapshotInfo {
    /// The first eight hex digits of the id.
    pub fn short(&self) -> String {
        format!("{:.8}", self.id)
    }

    /// Whether some source or file is missing from it.
    pub fn partial(&self) -> bool {
        self.snapshot.sources.iter().any(|source| source.outcome != Outcome::Complete)
    }
}

/// Why a text names no snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Unresolved {
    /// There are no snapshots yet.
    None,
    /// No snapshot has this id.
    Unknown,
    /// Several do: their short ids, with enough digits.
    Ambiguous(Vec<String>),
    /// Neither `latest`, `latest~N` nor hex digits.
    Malformed,
    /// There are not so many.
    TooFar(usize),
}

/// Finds the snapshot that `text` names among `snapshots`, oldest first: `latest`, `latest~N` or the beginning of an id.
pub(crate) fn resolve<'a>(snapshots: &'a [SnapshotInfo], text: &str) -> Result<&'a SnapshotInfo, Unresolved> {
    if let Some(back) = text.strip_prefix("latest") {
        let back = match back.strip_prefix('~') {
            Some(number) => number.parse::<usize>().map_err(|_| Unresolved::Malformed)?,
            None if back.is_empty() => 0,
            None => return Err(Unresolved::Malformed),
        };
        if snapshots.is_empty() {
            return Err(Unresolved::None);
        }
        return snapshots.iter().rev().nth(back).ok_or(Unresolved::TooFar(snapshots.len()));
    }
    if text.is_empty() || text.len() > 64 || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
        return Err(Unresolved::Malformed);
    }
    let text = text.to_ascii_lowercase();
    let found: Vec<_> = snapshots.iter().filter(|snapshot| snapshot.id.to_string().starts_with(&text)).collect();
    match found[..] {
        [] => Err(if snapshots.is_empty() { Unresolved::None } else { Unresolved::Unknown }),
        [one] => Ok(one),
        _ => Err(Unresolved::Ambiguous(found.iter().map(|snapshot| format!("{:.16}", snapshot.id)).collect())),
    }
}
