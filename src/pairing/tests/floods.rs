//! Somebody who knows the session and no secret fills one way between the two, the listener or the mailbox.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use bytes::Bytes;
use vault_format::{limits, pairing::mail_object};

use super::*;
use crate::store::{OpenMode, Store, StoreOptions, StoreUrl};

/// How the joiner comes.
#[derive(Clone, Copy)]
struct Comes {
    by_words: bool,
    by_mail: bool,
}

/// Where the attacker finds the two.
struct Place {
    address: SocketAddr,
    store: Store,
    /// That of the ticket, and that of the words.
    sessions: Vec<Session>,
}

impl Place {
    /// More than anybody looks at, each until the sponsor has hung up.
    fn flood_listener(&self, session: usize, step: Step) {
        for number in 0..MANY {
            let mut stream = TcpStream::connect(self.address).expect("it listens");
            let head = [&self.sessions[session].id()[..], &[step.number()], &100u32.to_le_bytes()].concat();
            // It may hang up in the middle.
            let _ = stream.write_all(&[&head[..], &[number; 100]].concat());
            stream.set_read_timeout(Some(Duration::from_secs(20))).expect("a timeout");
            let _ = stream.read_to_end(&mut Vec::new());
        }
    }

    fn flood_mailbox(&self, session: usize, step: Step) {
        for number in 0..MANY {
            let session = &self.sessions[session];
            let junk = mail_object(provider().suite, &[number; 100]).expect("it fits");
            self.store.put(&session.mail_name(step, &junk), Bytes::from(junk)).expect("put");
        }
        // Until the sponsor has looked: it does so each second.
        std::thread::sleep(Duration::from_millis(2500));
    }
}

/// A joiner while whose keeping something happens.
struct Keeping<'a> {
    side: JoinerSide,
    place: &'a Place,
    meanwhile: fn(&Place),
}

impl JoinerHost for Keeping<'_> {
    fn met(&mut self, meeting: &Meeting) {
        self.side.met(meeting);
    }

    fn keep(&mut self, joined: &Joined) -> Result<(), HostError> {
        (self.meanwhile)(self.place);
        self.side.keep(joined)
    }

    fn forget(&mut self) {
        self.side.forget();
    }
}

/// A sponsor on both ways, a joiner on one, and an attacker `before` that one comes and `meanwhile`. It ends well.
#[track_caller]
fn pairs(name: &str, comes: Comes, before: fn(&Place), meanwhile: fn(&Place)) {
    let vault = Vault::new();
    let invitation = vault.invite(READER);
    let invite = if comes.by_words { by_words(&invitation) } else { by_ticket(&invitation) };
    let socket = bind(Some("127.0.0.1:0".parse().expect("an address"))).expect("a port");
    let url = StoreUrl::parse(&format!("memory://floods-{name}-{}-{}", comes.by_words, comes.by_mail)).expect("a URL");
    let store = || Store::open(&url, &StoreOptions::default(), OpenMode::Create).expect("a store");
    let address = socket.local_addr().expect("an address");
    let place = Place { address, store: store(), sessions: invitation.sessions() };
    let listens_at = store();
    let mut host = SponsorSide::new(&vault);
    let mut side = Keeping { side: JoinerSide::default(), place: &place, meanwhile };
    let (sponsor, joiner) = std::thread::scope(|scope| {
        let host = &mut host;
        let sponsor = scope.spawn(move || {
            let options = ListenOptions { socket: Some(socket), store: Some(listens_at), ..ListenOptions::default() };
            let mut listen = Listen::start(&invitation, options).expect("it listens");
            super::sponsor(invitation, &mut listen, host, &Watch::new())
        });
        before(&place);
        let reach = match comes.by_mail {
            true => ReachOptions { store: Some(store()), ..ReachOptions::default() },
            false => ReachOptions { addresses: vec![address], ..ReachOptions::default() },
        };
        let mut reach = Reach::new(invite.session().expect("a session"), reach);
        let options = JoinOptions { name: NAME, now: NOW, deadline: Instant::now() + Duration::from_secs(60) };
        let joiner = join(&invite, &options, &mut reach, &mut side, &Watch::new());
        (sponsor.join().expect("the sponsor does not panic"), joiner)
    });
    Outcome { sponsor, joiner, requests: host.requests, side: side.side }.assert_member(&vault);
}

const BY_TICKET: Comes = Comes { by_words: false, by_mail: false };
const BY_WORDS: Comes = Comes { by_words: true, by_mail: false };

#[test]
fn junk_at_the_listener_leaves_the_mailbox_and_the_other_session() {
    let flood = |place: &Place| place.flood_listener(0, Step::Hello);
    pairs("listener", Comes { by_mail: true, ..BY_TICKET }, flood, |_| {});
    pairs("listener", BY_WORDS, flood, |_| {});
}

#[test]
fn junk_in_the_mailbox_leaves_the_listener_and_the_other_session() {
    let flood = |place: &Place| place.flood_mailbox(0, Step::Hello);
    pairs("mailbox", BY_TICKET, flood, |_| {});
    pairs("mailbox", Comes { by_mail: true, ..BY_WORDS }, flood, |_| {});
}

/// When the two have met, others can say what they like.
#[test]
fn junk_while_they_talk() {
    let flood = |place: &Place| {
        for step in [Step::Hello, Step::Join, Step::Ready] {
            place.flood_listener(0, step);
        }
    };
    pairs("talk", BY_TICKET, |_| {}, flood);
    pairs("talk", Comes { by_mail: true, ..BY_TICKET }, |_| {}, flood);
    let flood = |place: &Place| place.flood_mailbox(0, Step::Hello);
    pairs("mail", BY_TICKET, |_| {}, flood);
    pairs("mail", Comes { by_mail: true, ..BY_TICKET }, |_| {}, flood);
}

/// Each way and session takes so much and no more: with all of them full nobody waits for anything.
#[test]
fn junk_everywhere_is_an_end() {
    let vault = Vault::new();
    let invitation = vault.invite(READER);
    let socket = bind(Some("127.0.0.1:0".parse().expect("an address"))).expect("a port");
    let url = StoreUrl::parse("memory://floods-everywhere").expect("a URL");
    let store = Store::open(&url, &StoreOptions::default(), OpenMode::Create).expect("a store");
    let address = socket.local_addr().expect("an address");
    let place = Place { address, store: store.clone(), sessions: invitation.sessions() };
    let mut host = SponsorSide::new(&vault);
    let result = std::thread::scope(|scope| {
        let host = &mut host;
        let sponsor = scope.spawn(move || {
            let options = ListenOptions { socket: Some(socket), store: Some(store), ..ListenOptions::default() };
            let mut listen = Listen::start(&invitation, options).expect("it listens");
            super::sponsor(invitation, &mut listen, host, &Watch::new())
        });
        for session in [0, 1] {
            place.flood_mailbox(session, Step::Hello);
        }
        place.flood_listener(0, Step::Hello);
        assert!(!sponsor.is_finished());
        for _ in 0..limits::PAIR_CANDIDATES {
            let Ok(mut stream) = TcpStream::connect(address) else { break };
            let head = [&place.sessions[1].id()[..], &[0], &100u32.to_le_bytes(), &[7; 100]].concat();
            let _ = stream.write_all(&head);
            let _ = stream.read_to_end(&mut Vec::new());
        }
        sponsor.join().expect("no panic")
    });
    let most = 4 * limits::PAIR_CANDIDATES;
    assert!(matches!(result, Err(PairError::TooMuchJunk { step: Step::Hello, junk }) if junk == most), "{result:?}");
}

const MANY: u8 = limits::PAIR_CANDIDATES as u8 + 6;
