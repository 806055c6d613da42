//! Verifies what a vault holds: its structure, that every snapshot can be restored, and, on request, every byte.
//!
//! The index and the packs' health come first, the snapshots last: one walk then says for every damaged object which files suffer.
mod damage;
mod data;
mod error;
mod keyless;
mod options;
mod parallel;
mod snapshots;
mod structure;
#[cfg(test)]
mod tests;

pub use damage::Damage;
pub use error::CheckError;
pub use keyless::{KeylessReport, keyless};
pub(crate) use keyless::{SignedEntry, Trust, Verdict, provider_of};
pub use options::{CheckOptions, ReadData, Subset};

use crate::Vault;
use crate::watch::{Event, Watch};
use damage::Damages;
use structure::Structure;

/// What a check found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CheckReport {
    /// Objects that the store lists.
    pub objects: u64,
    /// Packs among them.
    pub packs: u64,
    /// Packs that were read and verified whole.
    pub packs_read: u64,
    /// Bytes of objects that were read whole.
    pub bytes_read: u64,
    /// Snapshots that were walked.
    pub snapshots: u64,
    /// Entries of all those snapshots.
    pub entries: u64,
    /// Nodes of manifests and lists that were read. What snapshots share is read once.
    pub nodes: u64,
    /// Packs that no index names: an interrupted push left them, or a push goes on.
    pub unreferenced: u64,
    /// Their stored bytes.
    pub unreferenced_bytes: u64,
    /// Temporary files of interrupted writes.
    pub leftovers: u64,
    /// What is there and counts for nothing, one line each. Never an alarm: whoever can write to the store can put it there.
    pub junk: Vec<String>,
    /// What this check could not cover, one line each.
    pub notes: Vec<String>,
    /// Objects that are damaged or missing, and the files that suffer.
    pub damaged: Vec<Damage>,
}

impl CheckReport {
    /// Whether nothing is damaged.
    pub fn ok(&self) -> bool {
        self.damaged.is_empty()
    }
}

/// Checks a vault. Damage is no error: it is in the report.
///
/// Phases: "structure", "data" if packs are to be read, "snapshots". The vault was opened before the store is listed, so that a
/// push at the same time can only add objects.
pub fn check(vault: &Vault, options: &CheckOptions, watch: &Watch<'_>) -> Result<CheckReport, CheckError> {
    options.read_data.validate()?;
    vault.may_read("check what is in it")?;
    let mut report = CheckReport::default();
    let mut damages = Damages::new(watch);

    watch.event(Event::Phase("structure"));
    let mut structure = Structure::check(vault, watch, &mut report, &mut damages)?;
    if options.read_data != ReadData::No {
        watch.event(Event::Phase("data"));
        data::check(vault, options.read_data, &mut structure, watch, &mut report, &mut damages)?;
    }
    watch.event(Event::Phase("snapshots"));
    snapshots::check(vault, &structure, watch, &mut report, &mut damages)?;
    report.notes.extend(vault.take_beyond_notes());

    report.damaged = damages.finish();
    Ok(report)
}
