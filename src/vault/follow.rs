//! Stores that follow the primary while a push goes on: what it stores goes to them too, in the same order.
//!
//! Only a store that has everything the push relies on may follow. Any other is filled by a copy afterwards.

use std::collections::BTreeMap;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use bytes::Bytes;
use crossbeam_channel::{Receiver, SendTimeoutError, Sender, bounded};
use vault_format::{DeviceId, ObjectName, Time};

use super::{Level, Other, Vault};
use crate::chain;
use crate::parallel;
use crate::state::LogPin;
use crate::store::Store;
use crate::sync::lock;

/// One of the other stores, while a push goes on.
pub(super) struct Follower {
    pub(super) other: usize,
    pub(super) state: State,
}

pub(super) enum State {
    /// Takes what the push stores.
    Level {
        sender: Sender<(ObjectName, Bytes)>,
        thread: JoinHandle<Followed>,
        /// How long the push may still wait for it.
        patience: Duration,
    },
    /// Was too slow: takes what it was given, and nothing more.
    Slow(JoinHandle<Followed>),
    /// There already.
    Ended(Followed),
}

/// How a store has followed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Followed {
    /// It has everything that the push stored, and all that was there before.
    Level {
        /// When its listing was compared for this, if it was.
        compared: Option<Time>,
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
        // A push-only device cannot tell whether a store has what other devices stored, and need not be allowed to ask.
        let others = if self.is_push_only() { &[] } else { &self.others[..] };
        let others: Vec<(usize, &Other)> = others.iter().enumerate().collect();
        let cursors = self.cursors();
        *lock(&self.followed_from) = self.log_pins();
        let started = parallel::map(&others, parallel::REQUESTS, |(number, other)| {
            let state = match other.store().map_err(|error| error.0.clone()).and_then(|store| {
                let cursor = cursors.get(&other.config.plain_url());
                let level = self.is_level(store, cursor).map_err(|error| chain(&error))?;
                Ok((store.clone(), level))
            }) {
                Ok((store, Level::Yes { compared })) => {
                    let (sender, receiver) = bounded(WAITING);
                    let thread = std::thread::spawn(move || take(&store, &receiver, compared));
                    State::Level { sender, thread, patience: self.follow_patience }
                }
                Ok((_, Level::No)) => State::Ended(Followed::Behind),
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
            let State::Level { sender, patience, .. } = &mut follower.state else { continue };
            let started = Instant::now();
            let sent = sender.send_timeout((name, bytes.clone()), *patience);
            *patience = patience.saturating_sub(started.elapsed());
            // A store that has failed takes nothing any more; its end says why. One that is slow does not make a push slow:
            // the waits for it add up, and then it falls behind.
            if let Err(SendTimeoutError::Timeout(_)) = sent
                && let State::Level { thread, .. } =
                    std::mem::replace(&mut follower.state, State::Ended(Followed::Behind))
            {
                follower.state = State::Slow(thread);
            }
        }
    }

    /// Whether anybody follows, so that bytes are worth keeping.
    pub(super) fn has_followers(&self) -> bool {
        lock(&self.followers).iter().any(|follower| matches!(follower.state, State::Level { .. }))
    }

    /// Heads of all logs as a store has them that has followed from beginning to end: those from before, and what this run
    /// wrote. What other devices have written meanwhile is not among it.
    pub(crate) fn followed_to(&self) -> BTreeMap<DeviceId, Vec<LogPin>> {
        let mut heads = lock(&self.followed_from).clone();
        if let Some((identity, seq)) = *lock(&self.own_end) {
            heads.insert(self.device.id, vec![LogPin { seq, identity }]);
        }
        heads
    }

    /// Waits until the others have taken everything, and tells how each of them ended.
    pub(crate) fn finish_following(&self) -> Vec<(&Other, Followed)> {
        let followers = std::mem::take(&mut *lock(&self.followers));
        let end = |follower: Follower| {
            let followed = match follower.state {
                State::Ended(followed) => followed,
                State::Level { sender, thread, .. } => {
                    drop(sender);
                    join(thread)
                }
                State::Slow(thread) => match join(thread) {
                    Followed::Level { .. } => Followed::Behind,
                    ended => ended,
                },
            };
            (&self.others[follower.other], followed)
        };
        followers.into_iter().map(end).collect()
    }
}

fn join(thread: JoinHandle<Followed>) -> Followed {
    thread.join().unwrap_or_else(|_| Followed::Failed("a thread ended unexpectedly".into()))
}

/// One after another, in order: a store that is cut off at any point is a valid vault.
fn take(store: &Store, objects: &Receiver<(ObjectName, Bytes)>, compared: Option<Time>) -> Followed {
    let (mut count, mut sum) = (0, 0);
    for (name, bytes) in objects {
        let size = bytes.len() as u64;
        if let Err(error) = store.put(&name, bytes) {
            return Followed::Failed(chain(&error));
        }
        count += 1;
        sum += size;
    }
    Followed::Level { compared, objects: count, bytes: sum }
}

/// Objects that wait for one store: each may be a pack of 16 MiB.
const WAITING: usize = 2;
/// How long a push waits for one store that follows, all its waits together.
pub(super) const PATIENCE: Duration = Duration::from_secs(60);
