//! Copies one store of a vault to another, without any key of it.
//!
//! Every object is verified before it is written: its bytes against its name, its header against its place, and the
//! signatures of records and entries against the roster. What a party without keys cannot see: whether the source shows
//! everything and its newest state, and whether a pack is of any use. Whoever can write to the source and knows the id of
//! a device can therefore plant objects that are copied; they cost space and are never trusted. [`MirrorOptions::max_bytes`]
//! is the limit on that.
//!
//! The order is what makes the target a valid vault at every moment (rule S-5): logs are listed first and stored last,
//! roster records and entries in the order in which they follow each other.
mod copy;
mod error;
mod finals;
mod meet;
mod report;
mod shown;
#[cfg(test)]
mod tests;

use std::path::Path;

use vault_format::VaultId;

pub use error::MirrorError;
pub use report::{Amount, Damaged, MirrorReport};

use crate::store::Store;
use crate::watch::{Event, Watch};
use copy::Job;
use finals::Finals;
use shown::Shown;

/// How to copy.
#[derive(Clone, Copy, Debug, Default)]
pub struct MirrorOptions<'a> {
    /// Which vault, if it is known: nothing else is copied.
    pub vault: Option<VaultId>,
    /// Count what would be copied, and write nothing.
    pub dry_run: bool,
    /// Read all of the target as well, and replace what is damaged.
    pub read_data: bool,
    /// Refuse to copy more bytes than this.
    pub max_bytes: Option<u64>,
    /// Where to remember which entries are no records of collection; read again each time if None.
    pub cache: Option<&'a Path>,
}

/// Makes `to` hold what `from` holds: copies what is missing, replaces what is damaged, and deletes nothing but what a
/// device with `prune` has signed that it deletes and the source no longer has. What `to` has beyond that stays.
pub fn mirror(
    from: &Store,
    to: &Store,
    options: &MirrorOptions<'_>,
    watch: &Watch<'_>,
) -> Result<MirrorReport, MirrorError> {
    watch.event(Event::Phase("listing"));
    let (source, target) = (Shown::list(from)?, Shown::list(to)?);
    let met = meet::meet(from, to, &source, &target, options.vault)?;
    let mut job = Job::new(from, to, source, target, met, options, watch);
    let finals = if job.needs_finals() { Finals::read(&job)? } else { Finals::default() };
    job.plan(&finals)?;
    if !options.dry_run {
        watch.event(Event::Phase("copying"));
        job.copy()?;
        if options.read_data {
            watch.event(Event::Phase("reading"));
            job.read_target()?;
        }
        job.delete(&finals)?;
    }
    Ok(job.finish())
}
