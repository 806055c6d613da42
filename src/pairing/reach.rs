//! How a joiner finds its sponsor: at addresses, on the local network and in the store, all at once. Who answers first counts.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use vault_format::pairing::Step;

use super::mailbox::{Letter, Mailbox, Side};
use super::mdns::Search;
use super::signed::SignedMail;
use super::tcp::Connection;
use super::via::{Junk, NEWS, News, Source, TICK, Teller, Way};
use super::{Channel, ChannelError, HostError, Session};
use crate::store::{SignedUrls, Store};
use crate::sync::lock;
use crate::watch::Watch;

/// Where a joiner looks for its sponsor.
#[derive(Default)]
pub struct ReachOptions {
    /// Where it may listen: of the ticket, or typed.
    pub addresses: Vec<SocketAddr>,
    /// It may say on the local network where it listens.
    pub mdns: bool,
    /// Holds the mailbox.
    pub store: Option<Store>,
    /// Those of the ticket, where it has some: the mailbox without a credential.
    pub signed: Option<SignedUrls>,
}

/// The joiner's side of all ways at once. It ends when it is closed or dropped.
pub struct Reach {
    session: [u8; 16],
    news: Receiver<News>,
    callers: Arc<Callers>,
    mailbox: Option<Mailbox>,
    signed: Option<SignedMail>,
    addresses: Vec<SocketAddr>,
    search: Option<Search>,
    /// When it is too late for a first answer.
    answer_by: Option<Instant>,
    asked: Option<Step>,
    last: Option<Source>,
    /// Who sent what was believed.
    peer: Option<Source>,
    /// Somebody took a connection and hung up.
    turned_away: bool,
    junk: Junk,
    lost: Option<HostError>,
}

/// Those who connect, one thread for each address.
struct Callers {
    session: [u8; 16],
    teller: Teller,
    state: Mutex<Calls>,
}

#[derive(Default)]
struct Calls {
    tried: BTreeSet<SocketAddr>,
    open: Vec<Arc<Connection>>,
    /// Threads that still connect or read.
    under_way: usize,
    ended: bool,
}

impl Reach {
    /// Does nothing yet: the first flight is what makes it knock at all doors.
    pub fn new(session: Session, options: ReachOptions) -> Self {
        let ReachOptions { addresses, mdns, store, signed } = options;
        let (teller, news) = sync_channel(NEWS);
        let id = session.id();
        let mut lost = None;
        let mut search = None;
        if mdns {
            match Search::start(&session) {
                Ok(started) => search = Some(started),
                Err(error) => lost = Some(error.into()),
            }
        }
        let signed = signed.map(|urls| SignedMail::new(urls, &session, teller.clone()));
        let mailbox = store.map(|store| Mailbox::new(store, vec![session], Side::Joiner, teller.clone()));
        let callers = Arc::new(Callers { session: id, teller, state: Mutex::default() });
        Self {
            session: id,
            news,
            callers,
            mailbox,
            signed,
            addresses,
            search,
            answer_by: None,
            asked: None,
            last: None,
            peer: None,
            turned_away: false,
            junk: Junk::default(),
            lost,
        }
    }

    /// Knocks at all doors.
    fn knock(&mut self, hello: &[u8]) -> Result<(), ChannelError> {
        let failed = |error: std::io::Error| ChannelError::Failed(error.into());
        let hello: Arc<[u8]> = hello.into();
        for address in &self.addresses {
            self.callers.call(*address, &hello).map_err(failed)?;
        }
        // The network is quicker, and leaves nothing anywhere.
        let pause = if self.addresses.is_empty() && self.search.is_none() { Duration::ZERO } else { HEAD_START };
        if let Some(search) = self.search.take() {
            self.callers.search(search, &hello).map_err(failed)?;
        }
        if let Some(mailbox) = &mut self.mailbox {
            mailbox.start(pause, Some(&hello)).map_err(failed)?;
        }
        if let Some(signed) = &self.signed {
            signed.start(pause, &hello).map_err(failed)?;
        }
        self.answer_by = Some(Instant::now() + ANSWER);
        Ok(())
    }

    /// Whether nobody can answer any more.
    fn is_over(&self) -> bool {
        self.mailbox.is_none() && self.signed.is_none() && lock(&self.callers.state).under_way == 0
    }

    /// Only who was believed is listened to from here on.
    fn settle(&mut self, peer: Source) {
        let connection = match &peer {
            Source::Tcp { connection, .. } => Some(connection),
            Source::Mail(_) | Source::Signed(_) => None,
        };
        self.callers.end(connection);
        // What is in a mailbox, the sponsor takes away.
        if !matches!(peer, Source::Mail(_))
            && let Some(mailbox) = self.mailbox.take()
        {
            mailbox.stop();
        }
        if !matches!(peer, Source::Signed(_)) {
            self.signed = None;
        }
        self.peer = Some(peer);
    }

    fn letter(&self) -> Option<&Letter> {
        match self.last.as_ref().or(self.peer.as_ref()) {
            Some(Source::Mail(letter)) => Some(letter),
            _ => None,
        }
    }
}

impl Channel for Reach {
    fn send(&mut self, step: Step, flight: &[u8], _: &Watch<'_>) -> Result<(), ChannelError> {
        if step == Step::Hello {
            return self.knock(flight);
        }
        if let Some(last) = self.last.take() {
            self.settle(last);
        }
        match (&self.peer, &mut self.mailbox) {
            (Some(Source::Signed(_)), _) => match &self.signed {
                Some(signed) => signed.send(step, flight).map_err(ChannelError::Failed),
                None => Err(ChannelError::Closed),
            },
            (Some(Source::Tcp { connection, .. }), _) => {
                connection.send(&self.session, step, flight).map_err(|_| ChannelError::Closed)
            }
            (Some(Source::Mail(letter)), Some(mailbox)) => {
                mailbox.send(letter, step, flight).map_err(|error| ChannelError::Failed(error.into()))
            }
            _ => Err(ChannelError::Closed),
        }
    }

    fn receive(&mut self, step: Step, until: Instant, watch: &Watch<'_>) -> Result<Vec<u8>, ChannelError> {
        match self.last.take() {
            Some(last) if self.asked == Some(step) => last.drop_it(),
            Some(last) => self.settle(last),
            None => {}
        }
        self.asked = Some(step);
        if let Some(mailbox) = &mut self.mailbox {
            mailbox.want(step);
        }
        if let Some(signed) = &self.signed {
            signed.want(step);
        }
        loop {
            if watch.stopped() {
                return Err(ChannelError::Stopped);
            }
            let until = match self.answer_by {
                Some(answer_by) if self.peer.is_none() => until.min(answer_by),
                _ => until,
            };
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                let hung_up = self.peer.is_none() && self.turned_away;
                return Err(if hung_up { ChannelError::Closed } else { ChannelError::TimedOut });
            }
            match self.news.recv_timeout(left.min(TICK)) {
                Ok(News::Flight { from, step: said, flight }) if said == step => {
                    self.last = Some(from);
                    return Ok(flight);
                }
                Ok(News::Flight { from, .. }) => from.drop_it(),
                Ok(News::Gone(connection)) => match &self.peer {
                    Some(peer) if peer.is_connection(&connection) => return Err(ChannelError::Closed),
                    Some(_) => {}
                    None => {
                        self.turned_away = true;
                        // Whoever was found did not want it. Perhaps another one does, and that is soon known.
                        if self.mailbox.is_none() && self.signed.is_none() {
                            self.answer_by = self.answer_by.map(|by| by.min(Instant::now() + OTHERS));
                        }
                    }
                },
                Ok(News::Lost(way, error)) if self.peer.as_ref().is_some_and(|peer| peer.way().0 == way) => {
                    return Err(ChannelError::Failed(error));
                }
                Ok(News::Lost(way, error)) => {
                    self.lost = Some(error);
                    match way {
                        Way::Signed => self.signed = None,
                        _ => self.mailbox = None,
                    }
                }
                // Not before everything that was told is read.
                Err(RecvTimeoutError::Timeout) if self.peer.is_none() && self.is_over() => {
                    return Err(match self.lost.take() {
                        _ if self.turned_away => ChannelError::Closed,
                        Some(error) => ChannelError::Failed(error),
                        None => ChannelError::TimedOut,
                    });
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return Err(ChannelError::Closed),
            }
        }
    }

    fn reject(&mut self) -> bool {
        let (Some(last), Some(step)) = (&self.last, self.asked) else { return true };
        let (way, session) = last.way();
        self.junk.count((way, session, step));
        let is_open = |way| !self.junk.is_shut(&(way, session, step));
        match &self.peer {
            Some(peer) => is_open(peer.way().0),
            None => {
                let calls = lock(&self.callers.state).under_way > 0;
                (calls && is_open(Way::Tcp))
                    || (self.mailbox.is_some() && is_open(Way::Mail))
                    || (self.signed.is_some() && is_open(Way::Signed))
            }
        }
    }

    fn close(&mut self) {
        let letter = self.letter().cloned();
        // Whoever would tell must not wait for somebody who reads.
        let (_, nobody) = sync_channel(0);
        self.news = nobody;
        self.callers.end(None);
        self.signed = None;
        if let Some(mailbox) = self.mailbox.take() {
            mailbox.end(letter.as_ref());
        }
    }
}

impl Drop for Reach {
    fn drop(&mut self) {
        self.close();
    }
}

impl Callers {
    /// Connects to an address, once, and says hello there.
    fn call(self: &Arc<Self>, address: SocketAddr, hello: &Arc<[u8]>) -> std::io::Result<()> {
        {
            let mut calls = lock(&self.state);
            if calls.ended || calls.tried.len() >= CALLS || !calls.tried.insert(address) {
                return Ok(());
            }
            calls.under_way += 1;
        }
        let (callers, hello) = (Arc::clone(self), Arc::clone(hello));
        let call = move || {
            callers.talk(&address, &hello);
            lock(&callers.state).under_way -= 1;
        };
        thread::Builder::new().name("pair caller".into()).spawn(call).map(drop)
    }

    /// Calls whoever is found on the local network, until it is over.
    fn search(self: &Arc<Self>, search: Search, hello: &Arc<[u8]>) -> std::io::Result<()> {
        lock(&self.state).under_way += 1;
        let (callers, hello) = (Arc::clone(self), Arc::clone(hello));
        let find = move || {
            while !lock(&callers.state).ended
                && let Some(found) = search.next(TICK)
            {
                for address in found {
                    let _ = callers.call(address, &hello);
                }
            }
            lock(&callers.state).under_way -= 1;
        };
        thread::Builder::new().name("pair search".into()).spawn(find).map(drop)
    }

    fn talk(&self, address: &SocketAddr, hello: &[u8]) {
        let Ok(connection) = Connection::open(address) else { return };
        {
            let mut calls = lock(&self.state);
            if calls.ended {
                return;
            }
            calls.open.push(Arc::clone(&connection));
        }
        if connection.send(&self.session, Step::Hello, hello).is_ok() {
            connection.tell_all(&[self.session], None, &self.teller);
        }
    }

    /// Hangs up everywhere but there, and calls nobody any more.
    fn end(&self, but: Option<&Arc<Connection>>) {
        let mut calls = lock(&self.state);
        calls.ended = true;
        calls.open.retain(|open| {
            let stays = but.is_some_and(|but| Arc::ptr_eq(open, but));
            if !stays {
                open.hang_up();
            }
            stays
        });
    }
}

/// How much earlier the network is tried than the store.
const HEAD_START: Duration = Duration::from_millis(500);
/// How long to wait for a first answer: a sponsor is there before its ticket is.
const ANSWER: Duration = Duration::from_secs(60);
/// How long to wait for others when one has hung up.
const OTHERS: Duration = Duration::from_secs(3);
/// Addresses that are tried: those of a ticket, and what is found on the local network.
const CALLS: usize = 24;
