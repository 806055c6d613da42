//! What the ways between the two have in common: who sent something, and what is told to whoever waits.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::mpsc::SyncSender;
use std::time::Duration;

use vault_format::{limits, pairing::Step};

use super::HostError;
use super::mailbox::Letter;
use super::tcp::Connection;

/// Where something came from, and so where an answer goes.
#[derive(Clone)]
pub(super) enum Source {
    /// A connection, and the session that it says it is about.
    Tcp { connection: Arc<Connection>, session: [u8; 16] },
    /// An object in the mailbox.
    Mail(Letter),
    /// An object behind a signed URL, of this session.
    Signed([u8; 16]),
}

/// What happened on one of the ways.
pub(super) enum News {
    /// Something came that has the form of a flight.
    Flight {
        /// Who sent it.
        from: Source,
        /// Which one it says that it is.
        step: Step,
        /// Its bytes.
        flight: Vec<u8>,
    },
    /// Nothing more comes from there.
    Gone(Arc<Connection>),
    /// A way that there is no more, or never was.
    Lost(Way, HostError),
}

/// Where news go. Whoever sends waits when nobody reads, so that nothing piles up.
pub(super) type Teller = SyncSender<News>;

impl Source {
    pub(super) fn is_connection(&self, other: &Arc<Connection>) -> bool {
        matches!(self, Self::Tcp { connection, .. } if Arc::ptr_eq(connection, other))
    }

    /// The way, and the session that it is about.
    pub(super) fn way(&self) -> (Way, [u8; 16]) {
        match self {
            Self::Tcp { session, .. } => (Way::Tcp, *session),
            Self::Mail(letter) if letter.presigned => (Way::Signed, letter.session_id),
            Self::Mail(letter) => (Way::Mail, letter.session_id),
            Self::Signed(session) => (Way::Signed, *session),
        }
    }

    /// It was not the other device: nothing more is wanted from there. An object in the mailbox is never looked at twice anyway.
    pub(super) fn drop_it(&self) {
        if let Self::Tcp { connection, .. } = self {
            connection.hang_up();
        }
    }
}

/// What came that is not the other device's, by way, session and step: who floods one of them shuts that one, and nobody else's.
#[derive(Default)]
pub(super) struct Junk(BTreeMap<Door, usize>);

/// Where flights of one step come in.
pub(super) type Door = (Way, [u8; 16], Step);

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Way {
    Tcp,
    Mail,
    Signed,
}

impl Junk {
    pub(super) fn count(&mut self, door: Door) {
        *self.0.entry(door).or_default() += 1;
    }

    pub(super) fn is_shut(&self, door: &Door) -> bool {
        self.0.get(door).is_some_and(|count| *count >= limits::PAIR_CANDIDATES)
    }
}

/// News that wait to be read: a flight has up to 64 KiB.
pub(super) const NEWS: usize = 32;
/// How often whoever waits looks whether it is to stop.
pub(super) const TICK: Duration = Duration::from_millis(50);
