//! What the ways between the two have in common: who sent something, and what is told to whoever waits.

use std::sync::Arc;
use std::sync::mpsc::SyncSender;
use std::time::Duration;

use vault_format::pairing::Step;

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
    Lost(HostError),
}

/// Where news go. Whoever sends waits when nobody reads, so that nothing piles up.
pub(super) type Teller = SyncSender<News>;

impl Source {
    pub(super) fn is_connection(&self, other: &Arc<Connection>) -> bool {
        matches!(self, Self::Tcp { connection, .. } if Arc::ptr_eq(connection, other))
    }

    /// It was not the other device: nothing more is wanted from there. An object in the mailbox is never looked at twice anyway.
    pub(super) fn drop_it(&self) {
        if let Self::Tcp { connection, .. } = self {
            connection.hang_up();
        }
    }
}

/// News that wait to be read: a flight has up to 64 KiB.
pub(super) const NEWS: usize = 32;
/// How often whoever waits looks whether it is to stop.
pub(super) const TICK: Duration = Duration::from_millis(50);
