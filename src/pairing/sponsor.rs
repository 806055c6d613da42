//! The side that takes a device in (SPEC section 18).

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crypto_backends::{CryptoError, Key, Provider, SecretBytes, ct_eq};
use vault_format::{
    ObjectName, Time,
    ids::{DeviceId, Identity, VaultId},
    pairing::{Join, LogHead, Message, Offer, Reason, Step, StorePlace, Welcome},
    roster::Capabilities,
    ticket::Extras,
};
use zeroize::Zeroizing;

use super::message::{self, UNEXPECTED};
use super::noise::{Handshake, Transport};
use super::ticket::{new_secret, roster_hash};
use super::{
    Channel, ChannelError, HostError, PATIENCE, PairError, PairWords, Session, Ticket, clean_name, fingerprint,
};
use crate::roster::Roster;
use crate::watch::Watch;

/// What a sponsor invites to.
pub struct InviteOptions<'a> {
    /// The vault's roster as the sponsor sees it.
    pub roster: &'a Roster,
    /// Who invites: it signs the record.
    pub sponsor: DeviceId,
    /// What the new device is to be able to do.
    pub capabilities: Capabilities,
    /// How long the ticket is good for.
    pub lifetime: Duration,
    /// What time it is: for the expiry that people see.
    pub now: Time,
    /// Whether to make 12 words beside the ticket.
    pub words: bool,
}

/// Where the joiner finds the sponsor: what the ticket says of it.
#[derive(Clone, Default)]
pub struct Places {
    /// Where the sponsor listens, best first.
    pub addresses: Vec<SocketAddr>,
    /// The store with the mailbox.
    pub store: Option<String>,
    /// The sponsor answers on the local network.
    pub mdns: bool,
    /// One for each step, in order; or none.
    pub presigned: Vec<String>,
    /// Of the store, not secret.
    pub settings: Vec<(String, String)>,
}

/// A ticket, words, and what they are good for: once, and until they expire.
pub struct Invitation {
    ticket: Ticket,
    words: Option<PairWords>,
    offer: Offer,
    deadline: Instant,
    provider: &'static Provider,
}

impl Invitation {
    /// Makes the secrets. `places` is told the names of mailbox objects that can be presigned, one for each step.
    pub fn new(
        provider: &'static Provider,
        options: &InviteOptions<'_>,
        places: impl FnOnce(&[ObjectName]) -> Places,
    ) -> Result<Self, PairError> {
        let InviteOptions { roster, sponsor, capabilities, lifetime, now, words } = *options;
        let allowed = roster.may_grant(sponsor);
        if allowed == Capabilities::NONE {
            return Err(PairError::MayNotInvite { sponsor });
        }
        if capabilities == Capabilities::NONE || !allowed.contains(capabilities) {
            return Err(PairError::MayNotGrant { sponsor, asked: capabilities, allowed });
        }
        let expires = u64::try_from(now.secs).unwrap_or(0).saturating_add(lifetime.as_secs());
        let heads = roster.next_place(sponsor).0;
        let secret = new_secret(provider)?;
        // The names follow from the secret alone, the ticket's session from the places as well.
        let named = Session::new(provider, SecretBytes::new(secret.expose().to_vec()), None);
        let Places { addresses, store, mdns, presigned, mut settings } =
            places(&Step::ALL.map(|step| named.presigned_name(step)));
        settings.sort();
        let roster_hash = roster_hash(provider, &heads);
        let vault = roster.vault;
        let extras = Extras { vault, roster: roster_hash, expires, addresses, store, mdns, presigned, settings };
        Ok(Self {
            ticket: Ticket::new(provider.suite, secret, extras)?,
            words: if words { Some(PairWords::generate(provider)?) } else { None },
            offer: Offer { vault, genesis: roster.genesis.clone(), heads, capabilities, expires, sponsor },
            deadline: Instant::now() + lifetime,
            provider,
        })
    }

    /// To be shown, as text and as a QR code.
    pub fn ticket(&self) -> &Ticket {
        &self.ticket
    }

    /// To be shown, for whoever has to type.
    pub fn words(&self) -> Option<&PairWords> {
        self.words.as_ref()
    }

    /// Where joiners may turn up: by ticket, and by words.
    pub fn sessions(&self) -> Vec<Session> {
        let by_words = self.words.as_ref().map(|words| words.session(self.provider));
        [self.ticket.session(self.provider)].into_iter().chain(by_words).collect()
    }

    /// Until when somebody may turn up.
    pub fn deadline(&self) -> Instant {
        self.deadline
    }
}

/// Who wants to join, as far as it is proven: it has the secret, and the keys.
#[derive(Clone, Debug)]
pub struct JoinRequest {
    /// What it will be known by.
    pub device: DeviceId,
    /// What it calls itself, as it may be shown.
    pub name: String,
    /// Both devices show it.
    pub fingerprint: String,
    /// What it is to be able to do.
    pub capabilities: Capabilities,
    /// It typed the words.
    pub by_words: bool,
}

/// What a new member is given.
#[derive(Default)]
pub struct Gift {
    /// Where the vault is.
    pub stores: Vec<StorePlace>,
    /// The newest that the sponsor has seen of each log: the joiner's first pins.
    pub log_heads: Vec<LogHead>,
    /// The roster's heads as the sponsor sees them now.
    pub roster_heads: Vec<Identity>,
    /// For the stores, by name; only if the person said so.
    pub credentials: Vec<(String, SecretBytes)>,
}

/// What the roster record is to say: the arguments of [`crate::roster::admit`].
pub struct Admission {
    /// The device.
    pub device: DeviceId,
    /// Verifies what it signs.
    pub verify_key: Vec<u8>,
    /// Seals to it.
    pub kem_key: Vec<u8>,
    /// Its `W`.
    pub w: Key,
    /// What it is called.
    pub name: String,
    /// What it may do.
    pub capabilities: Capabilities,
    /// The hash of the handshake.
    pub handshake: [u8; 32],
}

/// The sponsor's surroundings.
pub trait SponsorHost {
    /// Shows name and fingerprint to a person, and asks.
    fn confirm(&mut self, request: &JoinRequest) -> bool;

    /// Puts together what the new device needs.
    fn gift(&mut self, request: &JoinRequest) -> Result<Gift, HostError>;

    /// Writes the roster record. Called only when the new device has everything on its disk.
    fn admit(&mut self, admission: &Admission) -> Result<Identity, HostError>;
}

/// A pairing that ended well.
#[derive(Clone, Debug)]
pub struct Sponsored {
    /// Who joined.
    pub request: JoinRequest,
    /// The record that says so.
    pub record: Identity,
    /// Whether the new device could be told; if not, it finds out by itself.
    pub told: bool,
}

/// Waits for one joiner and takes it in. Whatever happens, the secrets of the invitation are gone afterwards.
pub fn sponsor(
    invitation: Invitation,
    channel: &mut dyn Channel,
    host: &mut dyn SponsorHost,
    watch: &Watch<'_>,
) -> Result<Sponsored, PairError> {
    let result = Run { invitation: &invitation, channel, watch }.run(host);
    channel.close();
    result
}

struct Run<'a> {
    invitation: &'a Invitation,
    channel: &'a mut dyn Channel,
    watch: &'a Watch<'a>,
}

/// Makes the next message of a handshake or session.
type Write<'a> = dyn FnMut(&[u8]) -> Result<Vec<u8>, CryptoError> + 'a;

/// A session in which somebody has shown the secret.
struct Met {
    handshake: Handshake,
    /// The first flight that counted.
    hello: Vec<u8>,
    by_words: bool,
}

impl Run<'_> {
    fn run(&mut self, host: &mut dyn SponsorHost) -> Result<Sponsored, PairError> {
        let sessions = self.invitation.sessions();
        let Met { mut handshake, hello, by_words } = self.meet(&sessions)?;
        let offer = Message::Offer(self.invitation.offer.clone());
        let flight = handshake.write(&self.encode(&offer)?)?;
        let hash = handshake.hash();
        self.send(Step::Offer, &flight)?;

        let join = self.join(&mut handshake, &sessions, &hello)?;
        let request = match self.decide(&join, &hash, by_words, host) {
            Ok(request) => request,
            Err((reason, error)) => {
                self.refuse(&mut |payload| handshake.write(payload), Step::Welcome, reason);
                return Err(error);
            }
        };
        let (welcome, w) = match self.welcome(&join, &hash, &request, host) {
            Ok(welcome) => welcome,
            Err(error) => {
                self.refuse(&mut |payload| handshake.write(payload), Step::Welcome, Reason::Failed);
                return Err(error);
            }
        };
        let flight = match handshake.write(&welcome) {
            Ok(flight) => flight,
            // It has grown too long: what the joiner is told fits all the same.
            Err(error) => {
                self.refuse(&mut |payload| handshake.write(payload), Step::Welcome, Reason::Failed);
                return Err(error.into());
            }
        };
        self.send(Step::Welcome, &flight)?;

        let mut transport = handshake.finish()?;
        let proof = message::proof(self.invitation.provider, &w, &hash);
        if let Err(error) = self.ready(&mut transport, &sessions, &hello, &proof) {
            // There will be no record any more: the joiner, if it hears this, forgets what it kept.
            let reason = match error {
                PairError::Cancelled => Reason::Cancelled,
                PairError::NotProven => Reason::NotProven,
                _ => Reason::Expired,
            };
            self.refuse(&mut |payload| transport.write(payload), Step::Done, reason);
            return Err(error);
        }
        let admission = Admission {
            device: join.device,
            verify_key: join.verify_key,
            kem_key: join.kem_key,
            w,
            name: request.name.clone(),
            capabilities: request.capabilities,
            handshake: self.invitation.provider.hash.hash(&[&hash]),
        };
        let record = match host.admit(&admission) {
            Ok(record) => record,
            Err(error) => {
                self.refuse(&mut |payload| transport.write(payload), Step::Done, Reason::Failed);
                return Err(PairError::Admit(error));
            }
        };
        // It is a member now, whether it hears of it or not.
        let flight = transport.write(&self.encode(&Message::Done(record))?)?;
        let told = self.channel.send(Step::Done, &flight, self.watch).is_ok();
        Ok(Sponsored { request, record, told })
    }

    /// The first authentic first message on any of the sessions.
    fn meet(&mut self, sessions: &[Session]) -> Result<Met, PairError> {
        let deadline = self.invitation.deadline;
        let mut junk = 0;
        loop {
            let flight = match self.receive(Step::Hello, deadline) {
                Ok(flight) => flight,
                Err(ChannelError::TimedOut) => return Err(PairError::Expired { junk }),
                Err(error) => return Err(lost(error, Step::Hello, junk)),
            };
            // The clock decides, however late a channel gives up.
            if Instant::now() >= deadline {
                return Err(PairError::Expired { junk });
            }
            for (i, session) in sessions.iter().enumerate() {
                let mut handshake = Handshake::sponsor(self.invitation.provider, session)?;
                if handshake.read(&flight).is_ok_and(|payload| payload.is_empty()) {
                    return Ok(Met { handshake, hello: flight, by_words: i > 0 });
                }
            }
            junk += 1;
            if !self.channel.reject() {
                return Err(PairError::TooMuchJunk { step: Step::Hello, junk });
            }
        }
    }

    fn join(&mut self, handshake: &mut Handshake, sessions: &[Session], hello: &[u8]) -> Result<Join, PairError> {
        let read = |flight: &[u8]| handshake.read(flight).ok();
        match self.await_message(Step::Join, sessions, hello, read)? {
            Message::Join(join) => Ok(join),
            Message::Refused(reason) => Err(PairError::Refused(reason)),
            _ => Err(PairError::Protocol { step: Step::Join, source: Some(UNEXPECTED) }),
        }
    }

    fn ready(
        &mut self,
        transport: &mut Transport,
        sessions: &[Session],
        hello: &[u8],
        proof: &Key,
    ) -> Result<(), PairError> {
        let read = |flight: &[u8]| transport.read(flight).ok();
        match self.await_message(Step::Ready, sessions, hello, read)? {
            Message::Ready(shown) if ct_eq(&shown, proof.expose()) => Ok(()),
            Message::Ready(_) => Err(PairError::NotProven),
            Message::Refused(reason) => Err(PairError::Refused(reason)),
            _ => Err(PairError::Protocol { step: Step::Ready, source: Some(UNEXPECTED) }),
        }
    }

    /// The message of a step, past whatever else turns up.
    fn await_message(
        &mut self,
        step: Step,
        sessions: &[Session],
        hello: &[u8],
        mut read: impl FnMut(&[u8]) -> Option<Zeroizing<Vec<u8>>>,
    ) -> Result<Message, PairError> {
        let until = Instant::now() + PATIENCE;
        let mut junk = 0;
        loop {
            let flight = self.receive(step, until).map_err(|error| lost(error, step, junk))?;
            if let Some(payload) = read(&flight) {
                return Message::parse(&payload, self.invitation.provider.suite)
                    .map_err(|source| PairError::Protocol { step, source: Some(source) });
            }
            // A repetition is no attack, and who comes too late is none. All the same nobody is answered for ever.
            let is_harmless = flight == hello || self.turn_away(&flight, sessions)?;
            junk += usize::from(!is_harmless);
            if !self.channel.reject() {
                return Err(PairError::TooMuchJunk { step, junk });
            }
        }
    }

    /// Tells a second joiner that it comes too late, if `flight` is from one.
    fn turn_away(&mut self, flight: &[u8], sessions: &[Session]) -> Result<bool, PairError> {
        for session in sessions {
            let mut handshake = Handshake::sponsor(self.invitation.provider, session)?;
            if handshake.read(flight).is_ok() {
                self.refuse(&mut |payload| handshake.write(payload), Step::Offer, Reason::Used);
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Whether the joiner may come in. An error comes with what the joiner is told.
    fn decide(
        &self,
        join: &Join,
        hash: &[u8; 32],
        by_words: bool,
        host: &mut dyn SponsorHost,
    ) -> Result<JoinRequest, (Reason, PairError)> {
        let Offer { vault, capabilities, .. } = self.invitation.offer;
        let provider = self.invitation.provider;
        message::check_join(provider, join, vault, hash, capabilities)
            .map_err(|_| (Reason::NotProven, PairError::NotProven))?;
        let request = JoinRequest {
            device: join.device,
            name: clean_name(&join.name),
            fingerprint: fingerprint(provider, hash, vault, &join.verify_key, &join.kem_key),
            capabilities,
            by_words,
        };
        let confirmed = host.confirm(&request);
        if self.watch.stopped() {
            return Err((Reason::Cancelled, PairError::Cancelled));
        }
        if !confirmed {
            return Err((Reason::Declined, PairError::Declined { name: request.name }));
        }
        Ok(request)
    }

    fn welcome(
        &self,
        join: &Join,
        hash: &[u8; 32],
        request: &JoinRequest,
        host: &mut dyn SponsorHost,
    ) -> Result<(Vec<u8>, Key), PairError> {
        let provider = self.invitation.provider;
        let Gift { mut stores, mut log_heads, mut roster_heads, credentials } =
            host.gift(request).map_err(PairError::Gift)?;
        stores.sort();
        log_heads.sort();
        roster_heads.sort();
        let w = Key::random(provider.random)?;
        let sealed = message::seal_secrets(provider, self.vault(), hash, join, &w, &credentials)?;
        let capabilities = request.capabilities;
        let welcome = Message::Welcome(Welcome { sealed, stores, roster_heads, log_heads, capabilities });
        Ok((self.encode(&welcome)?, w))
    }

    fn vault(&self) -> VaultId {
        self.invitation.offer.vault
    }

    fn encode(&self, message: &Message) -> Result<Vec<u8>, PairError> {
        Ok(message.encode(self.invitation.provider.suite)?)
    }

    fn send(&mut self, step: Step, flight: &[u8]) -> Result<(), PairError> {
        self.channel.send(step, flight, self.watch).map_err(|error| lost(error, step, 0))
    }

    /// Says why it ends, if anybody still listens.
    fn refuse(&mut self, write: &mut Write<'_>, step: Step, reason: Reason) {
        let flight = self.encode(&Message::Refused(reason)).ok().and_then(|payload| write(&payload).ok());
        if let Some(flight) = flight {
            // The watch may be stopped: that is what is to be told.
            let _ = self.channel.send(step, &flight, &Watch::new());
        }
    }

    fn receive(&mut self, step: Step, until: Instant) -> Result<Vec<u8>, ChannelError> {
        if self.watch.stopped() {
            return Err(ChannelError::Stopped);
        }
        self.channel.receive(step, until, self.watch)
    }
}

/// How it ends when the channel gives nothing more, after the two have met.
pub(super) fn lost(error: ChannelError, step: Step, junk: usize) -> PairError {
    match (error, junk) {
        (ChannelError::TimedOut | ChannelError::Closed, 1..) => PairError::Tampered { step, junk },
        (ChannelError::TimedOut, 0) => PairError::PeerLost { step },
        (ChannelError::Closed, 0) => PairError::PeerStopped { step },
        (error, _) => channel_error(error),
    }
}

pub(super) fn channel_error(error: ChannelError) -> PairError {
    match error {
        ChannelError::Stopped => PairError::Cancelled,
        error => PairError::Channel(error),
    }
}

#[cfg(test)]
impl Invitation {
    /// A sponsor that has a secret which it should not have.
    pub(super) fn replace_ticket(&mut self, ticket: Ticket) {
        self.ticket = ticket;
    }
}
