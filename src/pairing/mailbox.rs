//! Flights as objects of a store, where both can put and list (SPEC section 18.5).

use std::collections::BTreeSet;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use bytes::Bytes;
use vault_format::name::mail_prefix;
use vault_format::pairing::{Step, mail_object, parse_mail};
use vault_format::{ObjectName, limits};

use super::via::{News, Source, Teller, Way};
use super::{HostError, Session};
use crate::Trouble;
use crate::store::{Store, StoreError};
use crate::sync::lock;

/// The mailbox as one of the two uses it: a thread looks for what is new.
pub(super) struct Mailbox {
    shared: Arc<Shared>,
    /// What this side put there last, and has had no answer to.
    unanswered: Option<ObjectName>,
    thread: Option<thread::JoinHandle<()>>,
}

/// A flight that was found.
#[derive(Clone)]
pub(super) struct Letter {
    /// Which of the sessions.
    session: usize,
    pub(super) session_id: [u8; 16],
    name: ObjectName,
    /// Its sender has presigned URLs only.
    pub(super) presigned: bool,
}

struct Shared {
    store: Store,
    sessions: Vec<Session>,
    side: Side,
    teller: Teller,
    state: Mutex<State>,
    changed: Condvar,
}

/// Whose mailbox it is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    Sponsor,
    Joiner,
}

struct State {
    wanted: Step,
    ended: bool,
    /// A joiner's first flight.
    hello: Option<ObjectName>,
    /// What was put last for a joiner with signed URLs, and the step.
    shown: Option<(Step, ObjectName, Bytes)>,
    /// Sessions in which one such joiner was answered. There is one place for each step, so a second one is not.
    taken: BTreeSet<usize>,
}

/// What was looked at: by its name, and where a name says nothing of the bytes by their hash.
type Seen = BTreeSet<(ObjectName, Option<[u8; 32]>)>;

impl Mailbox {
    pub(super) fn new(store: Store, sessions: Vec<Session>, side: Side, teller: Teller) -> Self {
        let wanted = if side == Side::Sponsor { Step::Hello } else { Step::Offer };
        let state = Mutex::new(State { wanted, ended: false, hello: None, shown: None, taken: BTreeSet::new() });
        let shared = Arc::new(Shared { store, sessions, side, teller, state, changed: Condvar::new() });
        Self { shared, unanswered: None, thread: None }
    }

    /// Begins to look, after putting a first flight there, if there is one, and not before `pause` is over.
    pub(super) fn start(&mut self, pause: Duration, hello: Option<&[u8]>) -> std::io::Result<()> {
        let shared = Arc::clone(&self.shared);
        let hello = hello.map(<[u8]>::to_vec);
        let run = move || {
            if shared.wait(shared.wanted(), pause) || !shared.knock(hello.as_deref()) {
                return;
            }
            shared.look_on();
        };
        self.thread = Some(thread::Builder::new().name("pair mailbox".into()).spawn(run)?);
        Ok(())
    }

    /// What is looked for from now on.
    pub(super) fn want(&mut self, step: Step) {
        lock(&self.shared.state).wanted = step;
        self.shared.changed.notify_all();
    }

    /// The last flight was answered.
    pub(super) fn answered(&mut self) {
        self.unanswered = None;
    }

    /// Puts a flight there, for whoever sent that letter.
    pub(super) fn send(&mut self, to: &Letter, step: Step, flight: &[u8]) -> Result<(), StoreError> {
        self.unanswered = Some(self.shared.put(to.session, to.presigned, step, flight)?);
        Ok(())
    }

    /// Looks no more, and leaves everything as it is.
    pub(super) fn stop(&self) {
        lock(&self.shared.state).ended = true;
        self.shared.changed.notify_all();
    }

    /// Takes away what nobody needs any more. Best effort: what is left is noise.
    pub(super) fn end(mut self, last: Option<&Letter>) {
        self.stop();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
        let shared = &self.shared;
        match (shared.side, last) {
            (Side::Sponsor, _) => {
                // The last word is not deleted before it was read: a joiner that can deletes it itself.
                if let Some(name) = &self.unanswered {
                    shared.wait_until_gone(name);
                }
                shared.clear();
            }
            // Read: the sponsor sees by it that it need not wait any more, and takes away the rest.
            (Side::Joiner, Some(last)) => drop(shared.store.delete(&last.name)),
            // Nobody answered, so nobody else takes it away.
            (Side::Joiner, None) => {
                let hello = lock(&shared.state).hello.take();
                if let Some(hello) = hello {
                    let _ = shared.store.delete(&hello);
                }
            }
        }
    }
}

impl Shared {
    fn wanted(&self) -> Step {
        lock(&self.state).wanted
    }

    /// Waits until `pause` is over or another step is wanted. Whether it has ended.
    fn wait(&self, step: Step, pause: Duration) -> bool {
        let state = lock(&self.state);
        let waiting = |state: &mut State| !state.ended && state.wanted == step;
        let waited = self.changed.wait_timeout_while(state, pause, waiting);
        waited.unwrap_or_else(PoisonError::into_inner).0.ended
    }

    /// A joiner's first flight.
    fn knock(&self, hello: Option<&[u8]>) -> bool {
        let Some(hello) = hello else { return true };
        match self.put(0, false, Step::Hello, hello) {
            Ok(name) => {
                lock(&self.state).hello = Some(name);
                true
            }
            Err(error) => {
                let _ = self.teller.send(News::Lost(Way::Mail, error.into()));
                false
            }
        }
    }

    fn put(&self, number: usize, presigned: bool, step: Step, flight: &[u8]) -> Result<ObjectName, StoreError> {
        let session = &self.sessions[number];
        let malformed = |error: HostError| StoreError::Other { at: self.store.label().to_owned(), source: error };
        let stored = mail_object(session.suite(), flight).map_err(|error| malformed(error.into()))?;
        let stored = Bytes::from(stored);
        if !presigned {
            let name = session.mail_name(step, &stored);
            self.store.put(&name, stored)?;
            return Ok(name);
        }
        let name = session.presigned_name(step);
        self.store.put_over(&name, stored.clone())?;
        let mut state = lock(&self.state);
        state.taken.insert(number);
        state.shown = Some((step, name, stored));
        Ok(name)
    }

    /// Puts a flight back that somebody has written over, or deleted, before the joiner could have read it.
    fn keep_shown(&self) {
        let (wanted, shown) = {
            let state = lock(&self.state);
            (state.wanted, state.shown.clone())
        };
        if let Some((_, name, stored)) = shown.filter(|(step, ..)| step.number() + 1 == wanted.number()) {
            let there = self.store.get_unverified(&name);
            let is_there = there.as_ref().is_ok_and(|there| *there == stored);
            if !is_there && !matches!(there, Err(ref error) if error.is_transient()) {
                let _ = self.store.put_over(&name, stored);
            }
        }
    }

    fn look_on(&self) {
        let mut seen = Seen::new();
        let mut pause = SHORT;
        loop {
            let step = self.wanted();
            match self.look(step, &mut seen) {
                Ok(found) => pause = if found { SHORT } else { (pause * 2).min(LONG) },
                Err(error) => {
                    let _ = self.teller.send(News::Lost(Way::Mail, error));
                    return;
                }
            }
            if self.wait(step, pause) {
                return;
            }
            self.keep_shown();
            if self.wanted() != step {
                pause = SHORT;
            }
        }
    }

    /// Whether there was anything new.
    fn look(&self, wanted: Step, seen: &mut Seen) -> Result<bool, HostError> {
        let mut found = false;
        for (number, session) in self.sessions.iter().enumerate() {
            let here = session.id();
            for object in self.store.list(&mail_prefix(here))?.objects {
                let ObjectName::Mail { n, .. } = object.name else { continue };
                let Some(step) = Step::from_number(n) else { continue };
                let presigned = object.name == session.presigned_name(step);
                // Who is here has a credential, and so gets its answers elsewhere.
                if presigned && self.side == Side::Joiner {
                    continue;
                }
                // A sponsor always looks for first flights: whoever comes too late is told, where there is a place to tell it.
                let late = self.side == Side::Sponsor && step == Step::Hello && !(presigned && self.is_taken(number));
                // Of this session and kind: who fills the mailbox of the ticket does not fill that of the words, and who has the
                // presigned URLs and no credential fills nothing but their names.
                let of_step = |(name, bytes): &&(ObjectName, Option<_>)| matches!(name, ObjectName::Mail { session, n: other, .. } if *session == here && *other == n && bytes.is_some() == presigned);
                if (step != wanted && !late)
                    || object.size > limits::MAIL_STORED as u64
                    || seen.contains(&(object.name, None))
                    || seen.iter().filter(of_step).count() >= limits::PAIR_CANDIDATES
                {
                    continue;
                }
                if !presigned {
                    seen.insert((object.name, None));
                }
                let Some(stored) = self.fetch(session, &object.name, presigned)? else { continue };
                // What is there now may be another one than before.
                if presigned && !seen.insert((object.name, Some(session.hash(&stored)))) {
                    continue;
                }
                let Ok(flight) = parse_mail(session.suite(), &stored) else { continue };
                let from = Source::Mail(Letter { session: number, session_id: here, name: object.name, presigned });
                found = true;
                if self.teller.send(News::Flight { from, step, flight: flight.to_vec() }).is_err() {
                    return Ok(found);
                }
            }
        }
        Ok(found)
    }

    fn is_taken(&self, session: usize) -> bool {
        lock(&self.state).taken.contains(&session)
    }

    /// An object, unless it is none or gone.
    fn fetch(&self, session: &Session, name: &ObjectName, presigned: bool) -> Result<Option<Bytes>, StoreError> {
        let got = match presigned {
            true => self.store.get_unverified(name),
            false => self.store.get(name, &|bytes| session.hash(bytes)),
        };
        match got {
            Ok(bytes) => Ok(Some(bytes)),
            Err(StoreError::NotFound { .. }) => Ok(None),
            Err(error) if error.trouble() == Trouble::Integrity => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn wait_until_gone(&self, name: &ObjectName) {
        let until = Instant::now() + LINGER;
        let mut pause = SHORT;
        while Instant::now() < until && matches!(self.store.exists(name), Ok(true)) {
            thread::sleep(pause);
            pause = (pause * 2).min(LONG);
        }
    }

    fn clear(&self) {
        for session in &self.sessions {
            let Ok(listing) = self.store.list(&mail_prefix(session.id())) else { continue };
            for object in listing.objects.iter().take(CLEARED) {
                let _ = self.store.delete(&object.name);
            }
        }
    }
}

/// How long to wait before looking again: at first, and at last.
const SHORT: Duration = Duration::from_millis(100);
const LONG: Duration = Duration::from_secs(1);
/// How long the last word stays for a joiner that cannot delete.
const LINGER: Duration = Duration::from_secs(8);
/// Most that is deleted of a mailbox: more was not put there by the two.
const CLEARED: usize = 1024;

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, sync_channel};

    use crypto_backends::SecretBytes;
    use crypto_backends::rustcrypto::provider;

    use super::*;
    use crate::store::{OpenMode, StoreOptions, StoreUrl};

    fn sponsors(name: &str) -> (Shared, Receiver<News>) {
        let url = StoreUrl::parse(&format!("memory://mailbox-{name}")).expect("a URL");
        let store = Store::open(&url, &StoreOptions::default(), OpenMode::Create).expect("a store");
        let sessions = vec![Session::new(provider(), SecretBytes::new(vec![7; 32]), None)];
        let (teller, news) = sync_channel(4 * limits::PAIR_CANDIDATES);
        let mailbox = Mailbox::new(store, sessions, Side::Sponsor, teller);
        (Arc::into_inner(mailbox.shared).expect("no thread yet"), news)
    }

    fn mail(content: u8) -> Bytes {
        mail_object(provider().suite, &[content; 100]).expect("it fits").into()
    }

    /// Who came, and by which way.
    fn came(news: &Receiver<News>) -> Vec<(Vec<u8>, Way)> {
        let flight = |news| match news {
            News::Flight { from, flight, .. } => (flight, from.way().0),
            _ => panic!("no flight"),
        };
        news.try_iter().map(flight).collect()
    }

    const MANY: u8 = limits::PAIR_CANDIDATES as u8 + 6;

    #[test]
    fn junk_by_signed_urls_leaves_who_has_a_credential() {
        let (shared, news) = sponsors("signed");
        let session = &shared.sessions[0];
        let mut seen = Seen::new();
        for number in 0..MANY {
            shared.store.put_over(&session.presigned_name(Step::Hello), mail(number)).expect("put");
            shared.look(Step::Hello, &mut seen).expect("looked");
        }
        let junk = came(&news);
        assert!(junk.len() == limits::PAIR_CANDIDATES && junk.iter().all(|(_, way)| *way == Way::Signed));
        shared.store.put(&session.mail_name(Step::Hello, &mail(200)), mail(200)).expect("put");
        shared.look(Step::Hello, &mut seen).expect("looked");
        assert!(
            came(&news) == [(vec![200; 100], Way::Mail)],
            "the one with a credential is not seen, or shares a door"
        );
    }

    #[test]
    fn junk_with_a_credential_leaves_who_has_signed_urls() {
        let (shared, news) = sponsors("ordinary");
        let session = &shared.sessions[0];
        let mut seen = Seen::new();
        for number in 0..MANY {
            shared.store.put(&session.mail_name(Step::Hello, &mail(number)), mail(number)).expect("put");
        }
        shared.look(Step::Hello, &mut seen).expect("looked");
        assert_eq!(came(&news).len(), limits::PAIR_CANDIDATES);
        shared.store.put_over(&session.presigned_name(Step::Hello), mail(200)).expect("put");
        shared.look(Step::Hello, &mut seen).expect("looked");
        assert!(
            came(&news) == [(vec![200; 100], Way::Signed)],
            "the one with signed URLs is not seen, or shares a door"
        );
    }
}
