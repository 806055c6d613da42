//! One device takes another in: messages, order of commit and checks (SPEC section 18). How flights travel is a [`Channel`]'s business.
//!
//! The sponsor makes an [`Invitation`], shows its ticket and words, and runs [`sponsor`]; the joiner reads what it was given into an
//! [`Invite`] and runs [`join`]. Both are plain blocking code. What they need from their surroundings they ask a host for.
mod error;
mod host;
mod joiner;
mod listen;
mod mailbox;
mod mdns;
mod message;
mod noise;
mod reach;
mod signed;
mod sponsor;
mod tcp;
mod ticket;
mod via;
mod words;

use std::error::Error;
use std::time::{Duration, Instant};

use crate::watch::Watch;

pub use error::PairError;
pub use host::{
    AlreadyMember, FinishError, Finished, InviteError, KeepAt, Sponsoring, finish, invite, is_member, settings_to_tell,
    unfinished,
};
pub use joiner::{Invite, JoinOptions, Joined, JoinerHost, Meeting, Membership, join};
pub use listen::{Listen, ListenOptions};
pub use message::{clean_name, fingerprint};
pub use reach::{Reach, ReachOptions};
pub use signed::{signed_urls, signing};
pub use sponsor::{Admission, Gift, Invitation, InviteOptions, JoinRequest, Places, SponsorHost, Sponsored, sponsor};
pub use tcp::{addresses, bind};
pub use ticket::{Session, Ticket, TicketError};
pub use vault_format::pairing::{LogHead, Reason, Step, StorePlace};
pub use words::{PairWords, PairWordsError};

/// Carries flights between the two. It knows nothing of what is in them, and nothing that it delivers is believed.
pub trait Channel {
    /// Hands over the flight of a step. That it left says nothing about whether it arrived.
    ///
    /// A sponsor answers whoever sent what [`receive`](Self::receive) returned last: a listener with several connections sends it there.
    fn send(&mut self, step: Step, flight: &[u8], watch: &Watch<'_>) -> Result<(), ChannelError>;

    /// The next flight that may be the one of this step. The first that is authentic counts, so being asked for the same step again means
    /// that the last one was not it: a listener drops whoever sent it.
    ///
    /// After the first step a sponsor's channel may also return first flights of others, who then are told that they come too late.
    /// Returns [`ChannelError::TimedOut`] when `until` has passed, and [`ChannelError::Stopped`] soon after the watch was stopped.
    fn receive(&mut self, step: Step, until: Instant, watch: &Watch<'_>) -> Result<Vec<u8>, ChannelError>;

    /// What [`receive`](Self::receive) returned last was not the other device's. It counts against the way and the session by which it
    /// came, and one with too much of it is shut alone. Returns whether what is waited for may still come.
    fn reject(&mut self) -> bool;

    /// It is over, well or not: nothing is sent or asked any more, and what was left in the store can go.
    fn close(&mut self);
}

/// Why a flight did not get through.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ChannelError {
    /// Nothing came in time.
    #[error("nothing came in time")]
    TimedOut,
    /// The other side ended it.
    #[error("the other device closed the connection")]
    Closed,
    /// The watch was stopped.
    #[error("interrupted")]
    Stopped,
    /// The network or the store failed.
    #[error("cannot reach the other device")]
    Failed(#[source] HostError),
}

/// What went wrong in a host's part.
pub type HostError = Box<dyn Error + Send + Sync>;

/// How long a ticket is good for, unless somebody says otherwise.
pub const LIFETIME: Duration = Duration::from_secs(10 * 60);

/// How long each waits for the other's next flight once they have found each other, where no person has to decide.
pub const PATIENCE: Duration = Duration::from_secs(2 * 60);

#[cfg(test)]
mod tests;

/// The same once more, in a vault of suite `0x02`.
#[cfg(test)]
#[path = "tests/mod.rs"]
#[expect(clippy::duplicate_mod, reason = "which suite a test is of follows from the name of its module")]
mod tests_of_fips;
