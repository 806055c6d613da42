//! The end of a push on the other stores: those that could not follow are filled from the primary.

use super::options::StoreOutcome;
use crate::chain;
use crate::mirror::{MirrorOptions, mirror};
use crate::vault::{Followed, Vault};
use crate::watch::{Event, Watch};

/// Sees to it that the other stores have what the primary has. The snapshot is made: nothing here makes the push fail.
pub(super) fn finish(vault: &Vault, watch: &Watch<'_>) -> Vec<StoreOutcome> {
    let mut outcomes = Vec::new();
    for (other, followed) in vault.finish_following() {
        let mut outcome = StoreOutcome { name: other.config.name.clone(), ..StoreOutcome::default() };
        match followed {
            Followed::Level { objects, bytes } => (outcome.objects, outcome.bytes) = (objects, bytes),
            Followed::Failed(reason) => outcome.error = Some(reason),
            Followed::Behind => {
                watch.event(Event::Phase("filling other stores"));
                let cache = vault.cache_folder();
                let options = MirrorOptions { vault: Some(vault.id()), cache, ..MirrorOptions::default() };
                outcome.caught_up = true;
                match other.store().map_err(|error| error.0.clone()).and_then(|to| {
                    // Its own counters: this is no progress of the push.
                    mirror(vault.store(), to, &options, &Watch::new()).map_err(|error| chain(&error))
                }) {
                    Ok(report) => {
                        (outcome.objects, outcome.bytes) = (report.copied().objects, report.copied().bytes);
                        if !report.complete() {
                            let damaged = report.damaged.len();
                            outcome.error =
                                Some(format!("{damaged} objects of the primary are damaged and were not copied"));
                        }
                    }
                    Err(reason) => outcome.error = Some(reason),
                }
            }
        }
        if outcome.error.is_none()
            && let Err(error) = vault.remember_level(other)
        {
            watch.event(Event::Note(&format!("it is not remembered how far {} is: {}", outcome.name, chain(&error))));
        }
        outcomes.push(outcome);
    }
    outcomes
}
