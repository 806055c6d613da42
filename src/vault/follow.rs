//! Stores that follow the primary while a push goes on: what it stores goes to them too, in the same order.
//!
//! Only a store that has everything the push relies on may follow. Any other is filled by a copy afterwards.

use std::thread::JoinHandle;
use std::time::Duration;

use bytes::Bytes;
use crossbeam_channel::{Receiver, SendTimeoutError, Sender, bounded};
use vault_format::ObjectName;

use super::{Other, Vault};
use crate::chain;
use crate::parallel;
use crate::store::Store;
use crate::sync::lock;

/// One of the other stores, while a push goes on.
pub(super) struct Follower {
    other: usize,
    state: State,
}

enum State {
    /// Takes what the push stores.
    Level(Sender<(ObjectName, Bytes)>, JoinHandle<Followed>),
    /// There already.
    Ended(Followed),
}

/// How a store has followed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Followed {
    /// It has everything that the push stored.
    Level {
        /// Objects that were stored.
        objects: u64,
        /// Their bytes.
        bytes: u64,
    },
    /// It lacks something from before: a copy is to fill it.
    Behind,
    /// It cannot be reached, or stopped taking objects.
    Failed(String),
}

impl Vault {
    /// Looks which other stores can follow. What is stored from here on goes to them.
    pub(crate) fn start_following(&self) {
        let others: Vec<(usize, &Other)> = self.others.iter().enumerate().collect();
        let started = parallel::map(&others, parallel::REQUESTS, |(number, other)| {
            let state = match other.store().map_err(|error| error.0.clone()).and_then(|store| {
                let level = self.is_level(store).map_err(|error| chain(&error))?;
                Ok((store.clone(), level))
            }) {
                Ok((store, true)) => {
                    let (sender, receiver) = bounded(WAITING);
                    State::Level(sender, std::thread::spawn(move || take(&store, &receiver)))
                }
                Ok((_, false)) => State::Ended(Followed::Behind),
                Err(reason) => State::Ended(Followed::Failed(reason)),
            };
            Ok::<_, std::convert::Infallible>(Follower { other: *number, state })
        });
        let Ok(started) = started;
        *lock(&self.followers) = started;
    }

    /// The primary has stored this: so do those that follow, in the order of these calls.
    pub(super) fn follow(&self, name: ObjectName, bytes: &Bytes) {
        for follower in &mut *lock(&self.followers) {
            if let State::Level(sender, _) = &follower.state {
                match sender.send_timeout((name, bytes.clone()), PATIENCE) {
                    // A store that has failed takes nothing any more; its end says why.
                    Ok(()) | Err(SendTimeoutError::Disconnected(_)) => {}
                    // The push does not wait for a store that is not needed for it.
                    Err(SendTimeoutError::Timeout(_)) => {
                        let reason = format!("it took nothing for {} seconds", PATIENCE.as_secs());
                        follower.state = State::Ended(Followed::Failed(reason));
                    }
                }
            }
        }
    }

    /// Whether anybody follows, so that bytes are worth keeping.
    pub(super) fn has_followers(&self) -> bool {
        lock(&self.followers).iter().any(|follower| matches!(follower.state, State::Level(..)))
    }

    /// Waits until the others have taken everything, and tells how each of them ended.
    pub(crate) fn finish_following(&self) -> Vec<(&Other, Followed)> {
        let followers = std::mem::take(&mut *lock(&self.followers));
        let end = |follower: Follower| {
            let followed = match follower.state {
                State::Ended(followed) => followed,
                State::Level(sender, thread) => {
                    drop(sender);
                    thread.join().unwrap_or_else(|_| Followed::Failed("a thread ended unexpectedly".into()))
                }
            };
            (&self.others[follower.other], followed)
        };
        followers.into_iter().map(end).collect()
    }
}

/// One after another, in order: a store that is cut off at any point is a valid vault.
fn take(store: &Store, objects: &Receiver<(ObjectName, Bytes)>) -> Followed {
    let (mut count, mut sum) = (0, 0);
    for (name, bytes) in objects {
        let size = bytes.len() as u64;
        if let Err(error) = store.put(&name, bytes) {
            return Followed::Failed(chain(&error));
        }
        count += 1;
        sum += size;
    }
    Followed::Level { objects: count, bytes: sum }
}

/// Objects that wait for one store: each may be a pack of 16 MiB.
const WAITING: usize = 2;
/// How long a push waits for a store that follows.
const PATIENCE: Duration = Duration::from_secs(60);
