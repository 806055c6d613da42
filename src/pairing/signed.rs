//! A joiner without any credential: flights as objects that it puts and gets by signed URLs of its ticket (SPEC section 18.5).

use std::collections::BTreeSet;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use bytes::Bytes;
use crypto_backends::Provider;
use vault_format::pairing::{Step, mail_object, parse_mail};
use vault_format::{ObjectName, limits};

use super::via::{News, Source, Teller, Way};
use super::{HostError, Invite, PairError, Session};
use crate::store::{Access, PASSING, SignedUrlError, SignedUrls, StoreOptions};
use crate::sync::lock;

/// What is to be signed for an invitation, given the names of its mailbox objects: a joiner puts flights of even steps and gets the others.
pub fn signing(names: &[ObjectName]) -> Vec<(Access, ObjectName)> {
    names.iter().enumerate().map(|(n, name)| (if n % 2 == 0 { Access::Put } else { Access::Get }, *name)).collect()
}

/// The signed URLs of a ticket, if it has some.
pub fn signed_urls(invite: &Invite, options: &StoreOptions) -> Result<Option<SignedUrls>, PairError> {
    let Some(extras) = invite.extras().filter(|extras| !extras.presigned.is_empty()) else { return Ok(None) };
    let session = invite.session()?;
    let names = Step::ALL.map(|step| session.presigned_name(step));
    let opened = SignedUrls::open(&extras.presigned, &names, extras.expires, options);
    opened.map(Some).map_err(PairError::Signed)
}

/// The mailbox as such a joiner uses it: a thread asks for the next flight. It ends when this is dropped.
pub(super) struct SignedMail(Arc<Shared>);

struct Shared {
    urls: SignedUrls,
    session: [u8; 16],
    provider: &'static Provider,
    teller: Teller,
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    wanted: Step,
    ended: bool,
    /// The flight that was put last.
    put: Option<(Step, Bytes)>,
}

impl SignedMail {
    pub(super) fn new(urls: SignedUrls, session: &Session, teller: Teller) -> Self {
        let state = Mutex::new(State { wanted: Step::Offer, ended: false, put: None });
        let (provider, session) = (session.provider(), session.id());
        Self(Arc::new(Shared { urls, session, provider, teller, state, changed: Condvar::new() }))
    }

    /// Begins, after putting the first flight there, and not before `pause` is over.
    pub(super) fn start(&self, pause: Duration, hello: &[u8]) -> std::io::Result<()> {
        let (shared, hello) = (Arc::clone(&self.0), hello.to_vec());
        let run = move || {
            if shared.wait(Step::Offer, pause) {
                return;
            }
            if let Err(error) = shared.put(Step::Hello, &hello).and_then(|()| shared.look_on()) {
                let _ = shared.teller.send(News::Lost(Way::Signed, error));
            }
        };
        thread::Builder::new().name("pair signed mail".into()).spawn(run).map(drop)
    }

    /// What is asked for from now on.
    pub(super) fn want(&self, step: Step) {
        lock(&self.0.state).wanted = step;
        self.0.changed.notify_all();
    }

    /// Puts a flight there.
    pub(super) fn send(&self, step: Step, flight: &[u8]) -> Result<(), HostError> {
        self.0.put(step, flight)
    }
}

impl Drop for SignedMail {
    /// What is in the mailbox, the sponsor takes away: these URLs do not delete.
    fn drop(&mut self) {
        lock(&self.0.state).ended = true;
        self.0.changed.notify_all();
    }
}

impl Shared {
    fn put(&self, step: Step, flight: &[u8]) -> Result<(), HostError> {
        let stored = Bytes::from(mail_object(self.provider.suite, flight)?);
        self.urls.put(usize::from(step.number()), &stored, &|| lock(&self.state).ended)?;
        lock(&self.state).put = Some((step, stored));
        Ok(())
    }

    /// Waits until `pause` is over or another step is wanted. Whether it has ended.
    fn wait(&self, step: Step, pause: Duration) -> bool {
        let waiting = |state: &mut State| !state.ended && state.wanted == step;
        let waited = self.changed.wait_timeout_while(lock(&self.state), pause, waiting);
        waited.unwrap_or_else(PoisonError::into_inner).0.ended
    }

    /// Until it has ended, or the URLs are good for nothing any more.
    fn look_on(&self) -> Result<(), HostError> {
        let mut seen = BTreeSet::new();
        let (mut pause, mut again) = (SHORT, AGAIN);
        let mut put_at = Instant::now();
        let mut failing: Option<Instant> = None;
        loop {
            let step = lock(&self.state).wanted;
            match self.look(step, &mut seen) {
                Ok(found) => {
                    failing = None;
                    pause = if found { SHORT } else { (pause * 2).min(LONG) };
                }
                Err(SignedUrlError::Passing { .. }) if failing.get_or_insert_with(Instant::now).elapsed() < PASSING => {
                    pause = LONG;
                }
                Err(error) => return Err(error.into()),
            }
            if put_at.elapsed() >= again {
                self.put_again(step);
                (put_at, again) = (Instant::now(), (again * 2).min(AT_LAST));
            }
            if self.wait(step, pause) {
                return Ok(());
            }
            if lock(&self.state).wanted != step {
                (pause, again, put_at) = (SHORT, AGAIN, Instant::now());
            }
        }
    }

    /// Whether there was anything new.
    fn look(&self, step: Step, seen: &mut BTreeSet<(Step, [u8; 32])>) -> Result<bool, SignedUrlError> {
        let Some(stored) = self.urls.get(usize::from(step.number()))? else { return Ok(false) };
        // The name says nothing of the bytes, and somebody may have written over what was there.
        if seen.iter().filter(|(other, _)| *other == step).count() >= limits::PAIR_CANDIDATES
            || !seen.insert((step, self.provider.hash.hash(&[&stored])))
        {
            return Ok(false);
        }
        let Ok(flight) = parse_mail(self.provider.suite, &stored) else { return Ok(false) };
        let from = Source::Signed(self.session);
        let _ = self.teller.send(News::Flight { from, step, flight: flight.to_vec() });
        Ok(true)
    }

    /// Nothing was answered yet: somebody may have written over what this side has put there, which it cannot see.
    fn put_again(&self, wanted: Step) {
        let put = lock(&self.state).put.clone();
        if let Some((step, stored)) = put.filter(|(step, _)| step.number() + 1 == wanted.number()) {
            let _ = self.urls.put_once(usize::from(step.number()), stored);
        }
    }
}

/// How long to wait before asking again: at first, and at last.
const SHORT: Duration = Duration::from_millis(100);
const LONG: Duration = Duration::from_secs(1);
/// How long to wait for an answer before a flight is put there again: at first, and at last.
const AGAIN: Duration = Duration::from_secs(3);
const AT_LAST: Duration = Duration::from_secs(30);
