//! Where a sponsor can be met: on the network and in the store, for its ticket and its words, all at once.

use std::net::TcpListener;
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::time::{Duration, Instant};

use vault_format::pairing::Step;

use super::mailbox::{Mailbox, Side};
use super::mdns::Announced;
use super::tcp::Listener;
use super::via::{Junk, NEWS, News, Source, TICK, Way};
use super::{Channel, ChannelError, HostError, Invitation, Session};
use crate::store::Store;
use crate::watch::Watch;

/// Where a sponsor is to be met.
#[derive(Default)]
pub struct ListenOptions<'a> {
    /// Takes connections ([`super::bind`]).
    pub socket: Option<TcpListener>,
    /// Says on the local network where that is.
    pub mdns: bool,
    /// Holds the mailbox.
    pub store: Option<Store>,
    /// Is told why one of several ways cannot be used.
    pub on_lost: Option<&'a dyn Fn(&HostError)>,
}

/// The sponsor's side of all ways at once. It ends when it is closed or dropped.
pub struct Listen<'a> {
    news: Receiver<News>,
    announced: Option<Announced>,
    listener: Option<Listener>,
    mailbox: Option<Mailbox>,
    /// What was asked for last, and who sent what came.
    asked: Option<Step>,
    last: Option<(Source, Step)>,
    /// Who sent what was believed.
    peer: Option<Source>,
    sessions: Vec<[u8; 16]>,
    /// The session whose ticket has signed URLs.
    signed: Option<[u8; 16]>,
    junk: Junk,
    on_lost: Option<&'a dyn Fn(&HostError)>,
}

impl<'a> Listen<'a> {
    /// Begins to listen for whoever has the ticket or the words of an invitation.
    pub fn start(invitation: &Invitation, options: ListenOptions<'a>) -> Result<Self, ChannelError> {
        let ListenOptions { socket, mdns, store, on_lost } = options;
        let failed = |error: std::io::Error| ChannelError::Failed(error.into());
        let (teller, news) = sync_channel(NEWS);
        let mut announced = None;
        if let Some(socket) = socket.as_ref().filter(|_| mdns) {
            match Announced::start(&invitation.sessions(), socket.local_addr().map_err(failed)?) {
                Ok(started) => announced = Some(started),
                Err(error) => drop(on_lost.map(|tell| tell(&error.into()))),
            }
        }
        let sessions: Vec<_> = invitation.sessions().iter().map(Session::id).collect();
        let start = |socket| Listener::start(socket, sessions.clone(), teller.clone());
        let listener = socket.map(start).transpose().map_err(failed)?;
        let mut mailbox = store.map(|store| Mailbox::new(store, invitation.sessions(), Side::Sponsor, teller.clone()));
        if let Some(mailbox) = &mut mailbox {
            mailbox.start(Duration::ZERO, None).map_err(failed)?;
        }
        let has_signed = mailbox.is_some() && !invitation.ticket().extras.presigned.is_empty();
        // That of the ticket is the first; words carry no URLs.
        let signed = sessions.first().copied().filter(|_| has_signed);
        let (asked, last, peer, junk) = (None, None, None, Junk::default());
        Ok(Self { news, announced, listener, mailbox, asked, last, peer, sessions, signed, junk, on_lost })
    }

    /// Whether a flight is one to look at: first ones of anybody, who else is told of being late; others of who was believed.
    fn is_wanted(&self, from: &Source, said: Step) -> bool {
        let (way, session) = from.way();
        if self.junk.is_shut(&(way, session, said)) {
            return false;
        }
        let is_peer = match (&self.peer, from) {
            (None, _) => true,
            (Some(Source::Tcp { session: other, .. }), Source::Tcp { connection, .. }) => {
                session == *other && self.peer.as_ref().is_some_and(|peer| peer.is_connection(connection))
            }
            (Some(peer), from) => peer.way() == from.way(),
        };
        said == Step::Hello || (self.asked == Some(said) && is_peer)
    }

    fn lost(&mut self, error: HostError) -> Result<(), ChannelError> {
        // The mailbox. With a listener there is another way, unless the other device uses this one.
        if self.listener.is_none() || matches!(self.peer, Some(Source::Mail(_))) {
            return Err(ChannelError::Failed(error));
        }
        if let Some(tell) = self.on_lost {
            tell(&error);
        }
        Ok(())
    }
}

impl Channel for Listen<'_> {
    fn send(&mut self, step: Step, flight: &[u8], _: &Watch<'_>) -> Result<(), ChannelError> {
        match (self.last.as_ref().map(|(source, _)| source), &mut self.mailbox) {
            (Some(Source::Tcp { connection, session }), _) => {
                connection.send(session, step, flight).map_err(|_| ChannelError::Closed)
            }
            (Some(Source::Mail(letter)), Some(mailbox)) => {
                mailbox.send(letter, step, flight).map_err(|error| ChannelError::Failed(error.into()))
            }
            _ => Err(ChannelError::Closed),
        }
    }

    fn receive(&mut self, step: Step, until: Instant, watch: &Watch<'_>) -> Result<Vec<u8>, ChannelError> {
        match self.last.take() {
            Some((last, _)) if self.asked == Some(step) => last.drop_it(),
            Some((last, _)) => self.peer = Some(last),
            None => {}
        }
        self.asked = Some(step);
        if let Some(mailbox) = &mut self.mailbox {
            mailbox.want(step);
        }
        loop {
            if watch.stopped() {
                return Err(ChannelError::Stopped);
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(ChannelError::TimedOut);
            }
            match self.news.recv_timeout(left.min(TICK)) {
                // First flights always: whoever comes too late is told so.
                Ok(News::Flight { from, step: said, flight }) if self.is_wanted(&from, said) => {
                    if let (Source::Mail(_), Some(mailbox)) = (&from, &mut self.mailbox) {
                        mailbox.answered();
                    }
                    self.last = Some((from, said));
                    return Ok(flight);
                }
                Ok(News::Flight { from, .. }) => from.drop_it(),
                Ok(News::Gone(connection)) => {
                    if self.peer.as_ref().is_some_and(|peer| peer.is_connection(&connection)) {
                        return Err(ChannelError::Closed);
                    }
                }
                Ok(News::Lost(_, error)) => self.lost(error)?,
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return Err(ChannelError::Closed),
            }
        }
    }

    fn reject(&mut self) -> bool {
        let Some((from, said)) = &self.last else { return true };
        let (way, session) = from.way();
        self.junk.count((way, session, *said));
        let is_open = |(way, session): (Way, [u8; 16]), step| !self.junk.is_shut(&(way, session, step));
        match (self.asked, &self.peer) {
            (Some(step), Some(peer)) => is_open(peer.way(), step),
            _ => {
                let ways = [(Way::Tcp, self.listener.is_some()), (Way::Mail, self.mailbox.is_some())];
                let mut ways = ways.into_iter().filter(|(_, there)| *there).map(|(way, _)| way);
                ways.any(|way| self.sessions.iter().any(|session| is_open((way, *session), Step::Hello)))
                    || self.signed.is_some_and(|session| is_open((Way::Signed, session), Step::Hello))
            }
        }
    }

    fn close(&mut self) {
        self.announced = None;
        self.listener = None;
        if let Some(mailbox) = self.mailbox.take() {
            // Whoever would tell must not wait for somebody who reads.
            let (_, nobody) = sync_channel(0);
            self.news = nobody;
            mailbox.end(None);
        }
    }
}

impl Drop for Listen<'_> {
    fn drop(&mut self) {
        self.close();
    }
}
