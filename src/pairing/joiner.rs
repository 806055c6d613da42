//! The side that is taken in (SPEC section 18).

use std::time::Instant;

use crypto_backends::{Key, Provider, SecretBytes, provider};
use vault_format::{
    Time,
    genesis::{Genesis, vault_id_input},
    ids::{DeviceId, Identity, VaultId},
    pairing::{LogHead, Message, Offer, Reason, Step, StorePlace, Welcome},
    roster::Capabilities,
    ticket::Extras,
};
use zeroize::Zeroizing;

use super::message::{self, UNEXPECTED};
use super::noise::{Handshake, Transport};
use super::sponsor::{channel_error, lost};
use super::ticket::roster_hash;
use super::{Channel, ChannelError, HostError, PATIENCE, PairError, PairWords, Session, Ticket, fingerprint};
use crate::keys::DeviceKeys;
use crate::roster::Roster;
use crate::state::codec::{Reader, Writer};
use crate::watch::Watch;

/// What a joiner was given by a person.
pub enum Invite {
    /// Pasted or scanned.
    Ticket(Box<Ticket>),
    /// Typed.
    Words(PairWords),
}

impl Invite {
    /// Reads a ticket or words, whichever it looks like.
    pub fn parse(text: &str) -> Result<Self, PairError> {
        let begins_like_a_ticket = text.trim_start().get(..2).is_some_and(|start| start.eq_ignore_ascii_case("ZV"));
        let words = text.split(|c: char| !c.is_alphabetic()).filter(|word| !word.is_empty()).count();
        if begins_like_a_ticket || words < 2 {
            return Ok(Self::Ticket(Box::new(Ticket::parse(text)?)));
        }
        Ok(Self::Words(PairWords::parse(text)?))
    }

    /// What the ticket says besides its secret; words say nothing.
    pub fn extras(&self) -> Option<&Extras> {
        match self {
            Self::Ticket(ticket) => Some(&ticket.extras),
            Self::Words(_) => None,
        }
    }

    /// Where the two meet.
    pub fn session(&self) -> Result<Session, PairError> {
        Ok(match self {
            Self::Ticket(ticket) => ticket.session(self.provider()?),
            Self::Words(words) => words.session(self.provider()?),
        })
    }

    fn provider(&self) -> Result<&'static Provider, PairError> {
        let suite = match self {
            Self::Ticket(ticket) => ticket.suite,
            Self::Words(words) => words.suite(),
        };
        provider(suite).ok_or(PairError::Suite { suite: suite.byte() })
    }
}

/// How a device joins.
pub struct JoinOptions<'a> {
    /// What it is called: not empty.
    pub name: &'a str,
    /// What time it is, for the expiry of the ticket.
    pub now: Time,
    /// Until when the other device, and the person there, may take their time.
    pub deadline: Instant,
}

/// Whom the joiner has met: to be shown while a person at the other device decides.
#[derive(Clone, Debug)]
pub struct Meeting {
    /// The vault.
    pub vault: VaultId,
    /// The other device.
    pub sponsor: DeviceId,
    /// What this device is going to be.
    pub device: DeviceId,
    /// What it is going to be able to do.
    pub capabilities: Capabilities,
    /// Both devices show it.
    pub fingerprint: String,
}

/// The joiner's surroundings.
pub trait JoinerHost {
    /// Shows the fingerprint.
    fn met(&mut self, meeting: &Meeting);

    /// Writes everything to disk, and returns when it would survive a crash: the vault counts as joined and not yet seen in its roster.
    fn keep(&mut self, joined: &Joined) -> Result<(), HostError>;

    /// Takes back what [`keep`](Self::keep) wrote: the other device said that there will be no record.
    fn forget(&mut self);
}

/// A device that is about to be a member, with all that it was given. It is one when [`Joined::membership`] says so.
pub struct Joined {
    /// The vault's suite.
    pub provider: &'static Provider,
    /// Its keys, with the `W` that the sponsor made.
    pub keys: DeviceKeys,
    /// What it is called.
    pub name: String,
    /// Who will have signed the record.
    pub sponsor: DeviceId,
    /// What the record will give.
    pub capabilities: Capabilities,
    /// The hash of the handshake, as in the record.
    pub handshake: [u8; 32],
    /// Where the vault is.
    pub stores: Vec<StorePlace>,
    /// The roster's heads that the sponsor has seen: pins.
    pub roster_heads: Vec<Identity>,
    /// The heads of the logs that the sponsor has seen: pins.
    pub log_heads: Vec<LogHead>,
    /// For the stores, by name. Kept apart from the rest where the platform has a better place.
    pub credentials: Vec<(String, SecretBytes)>,
    /// The record, if the sponsor could still tell.
    pub record: Option<Identity>,
}

/// What makes a device a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Membership {
    /// The record that added it.
    pub record: Identity,
}

impl Joined {
    /// Whether the roster has the record that was agreed upon. `None`: not yet. Anything else in its place is an error.
    pub fn membership(&self, roster: &Roster) -> Result<Option<Membership>, PairError> {
        if roster.vault != self.keys.vault {
            return Err(PairError::OtherRoster { expected: self.keys.vault, found: roster.vault });
        }
        if roster.devices.get(&self.keys.id).is_some_and(|device| !device.revocations.is_empty()) {
            return Err(PairError::Revoked);
        }
        let additions = roster.additions(self.keys.id);
        let agreed = additions.iter().find(|a| a.by == self.sponsor && a.handshake == Some(self.handshake));
        match (agreed, additions.first()) {
            (Some(agreed), _) if agreed.capabilities == self.capabilities => {
                Ok(Some(Membership { record: agreed.record }))
            }
            (Some(agreed), _) => {
                Err(PairError::CapabilitiesDiffer { offered: self.capabilities, given: agreed.capabilities })
            }
            (None, Some(other)) => Err(PairError::AddedOtherwise { by: other.by }),
            (None, None) => Ok(None),
        }
    }

    /// For the local state, which seals it.
    pub fn encode(&self) -> SecretBytes {
        self.encode_with(&self.credentials)
    }

    /// The same for who keeps the credentials elsewhere.
    pub(super) fn encode_without_credentials(&self) -> SecretBytes {
        self.encode_with(&[])
    }

    fn encode_with(&self, credentials: &[(String, SecretBytes)]) -> SecretBytes {
        let mut out = Writer::new();
        out.fixed(&[VERSION, self.capabilities.bits()])
            .fixed(&self.keys.vault.0)
            .string(&self.keys.verify_key)
            .string(&self.keys.kem_key)
            .string(self.keys.signing_secret.expose())
            .string(self.keys.kem_secret.expose())
            .fixed(self.keys.w.expose())
            .string(self.name.as_bytes())
            .fixed(&self.sponsor.0)
            .fixed(&self.handshake)
            .number(self.stores.len() as u64);
        for store in &self.stores {
            out.fixed(&store.id).fixed(&[u8::from(store.primary)]).string(store.url.as_bytes());
            out.number(store.settings.len() as u64);
            for (name, value) in &store.settings {
                out.string(name.as_bytes()).string(value.as_bytes());
            }
        }
        out.number(self.roster_heads.len() as u64);
        for head in &self.roster_heads {
            out.fixed(&head.0);
        }
        out.number(self.log_heads.len() as u64);
        for head in &self.log_heads {
            out.fixed(&head.device.0).number(head.seq).fixed(&head.identity.0);
        }
        out.number(credentials.len() as u64);
        for (name, value) in credentials {
            out.string(name.as_bytes()).string(value.expose());
        }
        out.number(u64::from(self.record.is_some()));
        if let Some(record) = &self.record {
            out.fixed(&record.0);
        }
        out.finish()
    }

    /// The other way round. `None`: it is damaged, or of another version.
    pub fn parse(provider: &'static Provider, bytes: &[u8]) -> Option<Self> {
        let text = |r: &mut Reader<'_>| String::from_utf8(r.string()?.to_vec()).ok();
        let secret = |r: &mut Reader<'_>| Some(SecretBytes::new(r.string()?.to_vec()));
        let mut r = Reader::new(bytes);
        let [VERSION, capabilities] = r.fixed()? else { return None };
        let capabilities = Capabilities::from_bits(capabilities).ok()?;
        let vault = VaultId(r.fixed()?);
        let (verify_key, kem_key) = (r.string()?.to_vec(), r.string()?.to_vec());
        let (signing_secret, kem_secret) = (secret(&mut r)?, secret(&mut r)?);
        let w = Key::from_slice(r.take(32)?).ok()?;
        let keys = DeviceKeys::from_parts(provider, vault, verify_key, kem_key, signing_secret, kem_secret, w);
        let name = text(&mut r)?;
        let (sponsor, handshake) = (DeviceId(r.fixed()?), r.fixed()?);
        let mut stores = Vec::new();
        for _ in 0..r.count(16 + 1 + 8 + 8)? {
            let (id, [primary], url) = (r.fixed()?, r.fixed()?, text(&mut r)?);
            let mut settings = Vec::new();
            for _ in 0..r.count(8 + 8)? {
                settings.push((text(&mut r)?, text(&mut r)?));
            }
            stores.push(StorePlace { id, primary: primary == 1, url, settings });
        }
        let mut roster_heads = Vec::new();
        for _ in 0..r.count(32)? {
            roster_heads.push(Identity(r.fixed()?));
        }
        let mut log_heads = Vec::new();
        for _ in 0..r.count(16 + 8 + 32)? {
            let (device, seq) = (DeviceId(r.fixed()?), r.number()?);
            log_heads.push(LogHead { device, seq, identity: Identity(r.fixed()?) });
        }
        let mut credentials = Vec::new();
        for _ in 0..r.count(8 + 8)? {
            credentials.push((text(&mut r)?, secret(&mut r)?));
        }
        let record = match r.number()? {
            0 => None,
            _ => Some(Identity(r.fixed()?)),
        };
        r.end()?;
        Some(Self {
            provider,
            keys,
            name,
            sponsor,
            capabilities,
            handshake,
            stores,
            roster_heads,
            log_heads,
            credentials,
            record,
        })
    }
}

/// Joins. After an `Ok` the device waits to see itself in the roster, also after a crash: [`Joined::membership`].
///
/// An error before [`JoinerHost::keep`] leaves nothing anywhere. Two errors after it leave what was kept, because the record may be
/// written all the same: [`PairError::Cancelled`], and [`Reason::Failed`] from the sponsor.
pub fn join(
    invite: &Invite,
    options: &JoinOptions<'_>,
    channel: &mut dyn Channel,
    host: &mut dyn JoinerHost,
    watch: &Watch<'_>,
) -> Result<Joined, PairError> {
    let result = start(invite, options, channel, watch).and_then(|mut run| run.run(host));
    channel.close();
    result
}

fn start<'a>(
    invite: &'a Invite,
    options: &'a JoinOptions<'a>,
    channel: &'a mut dyn Channel,
    watch: &'a Watch<'a>,
) -> Result<Run<'a>, PairError> {
    if let Invite::Ticket(ticket) = invite {
        ticket.check_expiry(options.now)?;
    }
    let provider = invite.provider()?;
    let handshake = Handshake::joiner(provider, &invite.session()?)?;
    Ok(Run { provider, handshake, extras: invite.extras(), options, channel, watch })
}

struct Run<'a> {
    provider: &'static Provider,
    handshake: Handshake,
    extras: Option<&'a Extras>,
    options: &'a JoinOptions<'a>,
    channel: &'a mut dyn Channel,
    watch: &'a Watch<'a>,
}

impl Run<'_> {
    fn run(&mut self, host: &mut dyn JoinerHost) -> Result<Joined, PairError> {
        let hello = self.handshake.write(&[])?;
        self.channel.send(Step::Hello, &hello, self.watch).map_err(|error| match error {
            ChannelError::TimedOut | ChannelError::Closed => PairError::NoAnswer,
            error => channel_error(error),
        })?;
        let offer = self.offer()?;
        let hash = self.handshake.hash();
        if let Err(error) = self.check_offer(&offer) {
            self.refuse(Step::Join, Reason::OtherVault);
            return Err(error);
        }
        if self.watch.stopped() {
            self.refuse(Step::Join, Reason::Cancelled);
            return Err(PairError::Cancelled);
        }

        let mut keys = DeviceKeys::generate(self.provider, offer.vault)?;
        let join = message::make_join(self.provider, &keys, &hash, offer.capabilities, self.options.name)?;
        let flight = self.handshake.write(&self.encode(&Message::Join(join))?)?;
        self.send(Step::Join, &flight)?;
        host.met(&Meeting {
            vault: offer.vault,
            sponsor: offer.sponsor,
            device: keys.id,
            capabilities: offer.capabilities,
            fingerprint: fingerprint(self.provider, &hash, offer.vault, &keys.verify_key, &keys.kem_key),
        });

        let Welcome { sealed, stores, roster_heads, log_heads, capabilities } = self.welcome()?;
        let mut transport = self.handshake.finish()?;
        if capabilities != offer.capabilities {
            self.refuse_in(&mut transport, Reason::Failed);
            return Err(PairError::CapabilitiesDiffer { offered: offer.capabilities, given: capabilities });
        }
        let (w, credentials) = match message::open_secrets(self.provider, &keys, &hash, &sealed) {
            Ok(opened) => opened,
            Err(error) => {
                self.refuse_in(&mut transport, Reason::Failed);
                return Err(error.into());
            }
        };
        keys.w = w;
        let mut joined = Joined {
            provider: self.provider,
            keys,
            name: super::clean_name(self.options.name),
            sponsor: offer.sponsor,
            capabilities,
            handshake: self.provider.hash.hash(&[&hash]),
            stores,
            roster_heads,
            log_heads,
            credentials,
            record: None,
        };
        if self.watch.stopped() {
            self.refuse_in(&mut transport, Reason::Cancelled);
            return Err(PairError::Cancelled);
        }
        if let Err(error) = host.keep(&joined) {
            host.forget();
            self.refuse_in(&mut transport, Reason::Failed);
            return Err(PairError::Keep(error));
        }
        let proof = message::proof(self.provider, &joined.keys.w, &hash);
        let flight = transport.write(&self.encode(&Message::Ready(*proof.expose()))?)?;
        // From here on the sponsor may write the record, so silence is no reason to forget. Where ready cannot be sent because the
        // sponsor hung up, its reason may have arrived all the same.
        let _ = self.channel.send(Step::Ready, &flight, self.watch);
        joined.record = self.done(&mut transport, host)?;
        Ok(joined)
    }

    fn offer(&mut self) -> Result<Offer, PairError> {
        let mut junk = 0;
        loop {
            let flight = match self.receive(Step::Offer, self.options.deadline) {
                Ok(flight) => flight,
                Err(ChannelError::TimedOut) if junk == 0 => return Err(PairError::NoAnswer),
                Err(ChannelError::TimedOut | ChannelError::Closed) => return Err(PairError::NotAccepted),
                Err(error) => return Err(channel_error(error)),
            };
            if let Ok(payload) = self.handshake.read(&flight) {
                return match self.parse(Step::Offer, &payload)? {
                    Message::Offer(offer) => Ok(offer),
                    Message::Refused(Reason::Used) => Err(PairError::Used),
                    Message::Refused(reason) => Err(PairError::Refused(reason)),
                    _ => Err(PairError::Protocol { step: Step::Offer, source: Some(UNEXPECTED) }),
                };
            }
            junk += 1;
            if !self.channel.reject() {
                return Err(PairError::TooMuchJunk { step: Step::Offer, junk });
            }
        }
    }

    fn check_offer(&self, offer: &Offer) -> Result<(), PairError> {
        let other = |what| Err(PairError::OtherVault { what });
        let suite = Genesis::parse(&offer.genesis).map(|genesis| genesis.suite);
        if suite != Ok(self.provider.suite)
            || self.provider.hash.hash(&[&vault_id_input(&offer.genesis)]) != offer.vault.0
        {
            return Err(PairError::OtherVault { what: "a vault with another beginning" });
        }
        let Some(extras) = self.extras else { return Ok(()) };
        if offer.vault != extras.vault {
            return other("another vault");
        }
        if roster_hash(self.provider, &offer.heads) != extras.roster {
            return other("another state of the vault");
        }
        if offer.expires != extras.expires {
            return other("another expiry");
        }
        Ok(())
    }

    fn welcome(&mut self) -> Result<Welcome, PairError> {
        let step = Step::Welcome;
        let mut handshake = self.handshake.clone();
        let payload = self.await_payload(step, self.options.deadline, |flight| handshake.read(flight).ok())?;
        self.handshake = handshake;
        match self.parse(step, &payload)? {
            Message::Welcome(welcome) => Ok(welcome),
            Message::Refused(reason) => Err(PairError::Refused(reason)),
            _ => Err(PairError::Protocol { step, source: Some(UNEXPECTED) }),
        }
    }

    /// The record, if the sponsor can still tell.
    fn done(&mut self, transport: &mut Transport, host: &mut dyn JoinerHost) -> Result<Option<Identity>, PairError> {
        let step = Step::Done;
        // Longer than the sponsor waits for ready, so that it is the sponsor who gives up, and says so.
        let until = Instant::now() + 2 * PATIENCE;
        let payload = match self.await_payload(step, until, |flight| transport.read(flight).ok()) {
            Ok(payload) => payload,
            Err(PairError::Cancelled) => return Err(PairError::Cancelled),
            Err(_) => return Ok(None),
        };
        match self.parse(step, &payload) {
            Ok(Message::Done(record)) => Ok(Some(record)),
            Ok(Message::Refused(reason)) => {
                // The sponsor failed at writing: what a store says has failed is sometimes there.
                if reason != Reason::Failed {
                    host.forget();
                }
                Err(PairError::Refused(reason))
            }
            _ => Ok(None),
        }
    }

    /// The payload of a step, past whatever else turns up.
    fn await_payload(
        &mut self,
        step: Step,
        until: Instant,
        mut read: impl FnMut(&[u8]) -> Option<Zeroizing<Vec<u8>>>,
    ) -> Result<Zeroizing<Vec<u8>>, PairError> {
        let mut junk = 0;
        loop {
            let flight = self.receive(step, until).map_err(|error| lost(error, step, junk))?;
            if let Some(payload) = read(&flight) {
                return Ok(payload);
            }
            junk += 1;
            if !self.channel.reject() {
                return Err(PairError::TooMuchJunk { step, junk });
            }
        }
    }

    fn parse(&self, step: Step, payload: &[u8]) -> Result<Message, PairError> {
        Message::parse(payload, self.provider.suite)
            .map_err(|source| PairError::Protocol { step, source: Some(source) })
    }

    fn encode(&self, message: &Message) -> Result<Vec<u8>, PairError> {
        Ok(message.encode(self.provider.suite)?)
    }

    fn send(&mut self, step: Step, flight: &[u8]) -> Result<(), PairError> {
        self.channel.send(step, flight, self.watch).map_err(|error| lost(error, step, 0))
    }

    /// Says in the handshake why it ends, if anybody still listens.
    fn refuse(&mut self, step: Step, reason: Reason) {
        let payload = Message::Refused(reason).encode(self.provider.suite);
        if let Some(flight) = payload.ok().and_then(|payload| self.handshake.write(&payload).ok()) {
            // The watch may be stopped: that is what is to be told.
            let _ = self.channel.send(step, &flight, &Watch::new());
        }
    }

    /// The same after the handshake, in place of ready.
    fn refuse_in(&mut self, transport: &mut Transport, reason: Reason) {
        let payload = Message::Refused(reason).encode(self.provider.suite);
        if let Some(flight) = payload.ok().and_then(|payload| transport.write(&payload).ok()) {
            let _ = self.channel.send(Step::Ready, &flight, &Watch::new());
        }
    }

    fn receive(&mut self, step: Step, until: Instant) -> Result<Vec<u8>, ChannelError> {
        if self.watch.stopped() {
            return Err(ChannelError::Stopped);
        }
        self.channel.receive(step, until, self.watch)
    }
}

/// Of the encoded form.
const VERSION: u8 = 1;
