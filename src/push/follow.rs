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
        let mut remembered = Ok(());
        match followed {
            Followed::Level { objects, bytes, compared } => {
                (outcome.objects, outcome.bytes) = (objects, bytes);
                remembered = vault.remember_level(other, vault.followed_to(), compared);
            }
            Followed::Failed(reason) => outcome.error = Some(reason),
            Followed::Behind => {
                watch.event(Event::Phase("filling other stores"));
                let cache = vault.cache_folder();
                let options = MirrorOptions { vault: Some(vault.id()), cache, ..MirrorOptions::default() };
                outcome.caught_up = true;
                let now = crate::now();
                match other.store().map_err(|error| error.0.clone()).and_then(|to| {
                    // Its own counters: this is no progress of the push.
                    mirror(vault.store(), to, &options, &Watch::new()).map_err(|error| chain(&error))
                }) {
                    Ok(report) => {
                        (outcome.objects, outcome.bytes) = (report.copied().objects, report.copied().bytes);
                        outcome.holes = report.holes();
                        // The copy began to list after this run had read the logs for the last time.
                        outcome.error = outcome.holes_text();
                        remembered = match report.holes() {
                            0 => vault.remember_level(other, vault.log_pins(), Some(now)),
                            holes => vault.remember_holes(other, holes),
                        };
                    }
                    Err(reason) => outcome.error = Some(reason),
                }
            }
        }
        if let Err(error) = remembered {
            watch.event(Event::Note(&format!("it is not remembered how far {} is: {}", outcome.name, chain(&error))));
        }
        outcomes.push(outcome);
    }
    outcomes
}
