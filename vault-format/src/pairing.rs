//! What two devices say to each other while one takes the other in (SPEC section 18).

use crate::blob;
use crate::cbor::{MapWriter, Reader, Writer};
use crate::error::FormatError;
use crate::fields::{device, identity, not_empty, required, write_identities};
use crate::genesis::GENESIS_MAX;
use crate::header::{HEADER_LEN, Header, Mode, ObjectType};
use crate::ids::{DeviceId, Domain, EpochId, Identity, VaultId};
use crate::limits;
use crate::read::{Reader as Bytes, at_most, put_lp, zeros};
use crate::roster::Capabilities;
use crate::suite::Suite;

/// A flight's place in a pairing. The joiner sends those of even number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Step {
    /// The joiner's first message: it has the secret.
    Hello = 0,
    /// The sponsor's offer.
    Offer = 1,
    /// The joiner's keys.
    Join = 2,
    /// The sponsor's gift.
    Welcome = 3,
    /// The joiner has everything on its disk.
    Ready = 4,
    /// The roster record is written.
    Done = 5,
}

/// What one says to the other: the plaintext of a flight.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// What the sponsor has to offer.
    Offer(Offer),
    /// Who the joiner is going to be.
    Join(Join),
    /// What a member needs to know.
    Welcome(Welcome),
    /// Everything is on the joiner's disk; shows that the sealed part of the welcome was opened.
    Ready([u8; 32]),
    /// The roster has this record.
    Done(Identity),
    /// It ends here.
    Refused(Reason),
}

/// What the sponsor has to offer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offer {
    /// The vault.
    pub vault: VaultId,
    /// What the vault id is the hash of.
    pub genesis: Vec<u8>,
    /// The roster's heads when the pairing began: a set, not empty.
    pub heads: Vec<Identity>,
    /// What the joiner is to be able to do.
    pub capabilities: Capabilities,
    /// Whole seconds since 1970.
    pub expires: u64,
    /// Who will sign the roster record.
    pub sponsor: DeviceId,
}

/// Who the joiner is going to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Join {
    /// The hash of vault and keys.
    pub device: DeviceId,
    /// Of the suite's length.
    pub verify_key: Vec<u8>,
    /// Of the suite's length.
    pub kem_key: Vec<u8>,
    /// As the joiner has it: to be cleaned before anybody looks at it.
    pub name: String,
    /// Over [`join_message`], by both algorithms.
    pub signature: Vec<u8>,
}

/// What a member needs to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Welcome {
    /// `KEM ciphertext | blob`; a [`WelcomeSecrets`] is inside.
    pub sealed: Vec<u8>,
    /// Where the vault is: a set by id.
    pub stores: Vec<StorePlace>,
    /// The roster's heads as the sponsor sees them: a set, not empty.
    pub roster_heads: Vec<Identity>,
    /// Heads of the logs as the sponsor sees them: a set.
    pub log_heads: Vec<LogHead>,
    /// As in the offer.
    pub capabilities: Capabilities,
}

/// Where one of the vault's stores is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct StorePlace {
    /// As in the roster.
    pub id: [u8; 16],
    /// Its lists decide.
    pub primary: bool,
    /// Where.
    pub url: String,
    /// Not secret: a set by name.
    pub settings: Vec<(String, String)>,
}

/// A head of a device's log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LogHead {
    /// Whose log.
    pub device: DeviceId,
    /// Its number.
    pub seq: u64,
    /// What it is known by.
    pub identity: Identity,
}

/// What is sealed once more in a welcome. Holds secrets: the caller wipes them.
pub struct WelcomeSecrets {
    /// The joiner's `W`.
    pub w: [u8; 32],
    /// For the stores, by name: a set.
    pub credentials: Vec<(String, Vec<u8>)>,
}

/// Why one of them ends it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reason {
    /// The person at the other device said no.
    Declined,
    /// It was cancelled.
    Cancelled,
    /// It took too long.
    Expired,
    /// Another device joined with this secret.
    Used,
    /// The sponsor may not add such a device.
    NotAllowed,
    /// The offer is for another vault than the ticket.
    OtherVault,
    /// The joiner did not prove that the keys are its own.
    NotProven,
    /// The other device could not do its part.
    Failed,
    /// One of a newer version.
    Unknown(u8),
}

impl Step {
    /// Every step, in order.
    pub const ALL: [Self; 6] = [Self::Hello, Self::Offer, Self::Join, Self::Welcome, Self::Ready, Self::Done];

    /// The step of this number.
    pub fn from_number(n: u8) -> Option<Self> {
        Self::ALL.get(usize::from(n)).copied()
    }

    /// Its number: `n` in the name of a mailbox object.
    pub const fn number(self) -> u8 {
        self as u8
    }

    /// Whether the joiner sends it.
    pub const fn is_joiners(self) -> bool {
        self.number().is_multiple_of(2)
    }
}

impl Message {
    /// The bytes. Refuses what `parse` would refuse, and what no flight holds.
    pub fn encode(&self, suite: Suite) -> Result<Vec<u8>, FormatError> {
        let mut writer = Writer::new();
        writer.array(2);
        writer.uint(self.kind());
        writer.map(|map| match self {
            Self::Offer(offer) => offer.write(map),
            Self::Join(join) => join.write(map),
            Self::Welcome(welcome) => welcome.write(map),
            Self::Ready(proof) => map.field(0, |w| w.bytes(proof)),
            Self::Done(record) => map.field(0, |w| w.bytes(&record.0)),
            Self::Refused(reason) => map.field(0, |w| w.uint(reason.code())),
        });
        let bytes = writer.finish();
        Self::parse(&bytes, suite)?;
        Ok(bytes)
    }

    /// Reads all of `bytes`.
    pub fn parse(bytes: &[u8], suite: Suite) -> Result<Self, FormatError> {
        const WHAT: &str = "message of a pairing";
        at_most(bytes.len(), limits::FLIGHT, WHAT)?;
        let mut reader = Reader::new(bytes);
        let kind = reader.variant(WHAT)?;
        let message = reader.tuple(WHAT, 2, |r| {
            r.u64(WHAT)?;
            Ok(match kind {
                OFFER => Self::Offer(Offer::read(r)?),
                JOIN => Self::Join(Join::read(r, suite)?),
                WELCOME => Self::Welcome(Welcome::read(r, suite)?),
                READY => Self::Ready(only(r, |r| r.array_of("proof"))?),
                DONE => Self::Done(Identity(only(r, |r| r.array_of("identity of the record"))?)),
                REFUSED => Self::Refused(Reason::from_code(only(r, |r| r.u8("reason"))?)),
                other => return Err(FormatError::NewerFormat { field: WHAT, value: other }),
            })
        })?;
        reader.end(WHAT)?;
        Ok(message)
    }

    fn kind(&self) -> u64 {
        match self {
            Self::Offer(_) => OFFER,
            Self::Join(_) => JOIN,
            Self::Welcome(_) => WELCOME,
            Self::Ready(_) => READY,
            Self::Done(_) => DONE,
            Self::Refused(_) => REFUSED,
        }
    }
}

impl Offer {
    fn write(&self, map: &mut MapWriter<'_>) {
        map.field(0, |w| w.bytes(&self.vault.0));
        map.field(2, |w| w.bytes(&self.genesis));
        map.field(4, |w| write_identities(w, &self.heads));
        map.field(6, |w| w.uint(self.capabilities.bits()));
        map.field(8, |w| w.uint(self.expires));
        map.field(10, |w| w.bytes(&self.sponsor.0));
    }

    fn read(r: &mut Reader<'_>) -> Result<Self, FormatError> {
        const WHAT: &str = "offer";
        let (mut vault, mut genesis, mut heads) = (None, None, None);
        let (mut capabilities, mut expires, mut sponsor) = (None, None, None);
        r.map(WHAT, |r, key| {
            match key {
                0 => vault = Some(VaultId(r.array_of("vault id")?)),
                2 => genesis = Some(r.bytes("genesis", GENESIS_MAX)?.to_vec()),
                4 => heads = Some(read_heads(r)?),
                6 => capabilities = Some(read_capabilities(r)?),
                8 => expires = Some(r.u64("expiry")?),
                10 => sponsor = Some(device(r)?),
                _ => r.unknown(WHAT, key)?,
            }
            Ok(())
        })?;
        Ok(Self {
            vault: required(vault, "vault id")?,
            genesis: required(genesis, "genesis")?,
            heads: required(heads, "roster heads")?,
            capabilities: required(capabilities, "capabilities")?,
            expires: required(expires, "expiry")?,
            sponsor: required(sponsor, "sponsor")?,
        })
    }
}

impl Join {
    fn write(&self, map: &mut MapWriter<'_>) {
        map.field(0, |w| w.bytes(&self.device.0));
        map.field(2, |w| w.bytes(&self.verify_key));
        map.field(4, |w| w.bytes(&self.kem_key));
        map.field(6, |w| w.text(&self.name));
        map.field(8, |w| w.bytes(&self.signature));
    }

    fn read(r: &mut Reader<'_>, suite: Suite) -> Result<Self, FormatError> {
        const WHAT: &str = "join";
        let (mut id, mut verify_key, mut kem_key, mut name, mut signature) = (None, None, None, None, None);
        r.map(WHAT, |r, key| {
            match key {
                0 => id = Some(device(r)?),
                2 => verify_key = Some(r.bytes_of("verification key", suite.public_key_len())?.to_vec()),
                4 => kem_key = Some(r.bytes_of("KEM key", suite.kem_public_len())?.to_vec()),
                6 => name = Some(read_text(r, "device name", limits::LABEL)?),
                8 => signature = Some(r.bytes_of("signature", suite.signature_len())?.to_vec()),
                _ => r.unknown(WHAT, key)?,
            }
            Ok(())
        })?;
        Ok(Self {
            device: required(id, "device id")?,
            verify_key: required(verify_key, "verification key")?,
            kem_key: required(kem_key, "KEM key")?,
            name: required(name, "device name")?,
            signature: required(signature, "signature")?,
        })
    }
}

impl Welcome {
    fn write(&self, map: &mut MapWriter<'_>) {
        map.field(0, |w| w.bytes(&self.sealed));
        optional(map, 2, &self.stores, |w, store| {
            w.array(4);
            w.bytes(&store.id);
            w.uint(store.primary);
            w.text(&store.url);
            w.list(&store.settings, write_setting);
        });
        map.field(4, |w| write_identities(w, &self.roster_heads));
        optional(map, 6, &self.log_heads, |w, head| {
            w.array(3);
            w.bytes(&head.device.0);
            w.uint(head.seq);
            w.bytes(&head.identity.0);
        });
        map.field(8, |w| w.uint(self.capabilities.bits()));
    }

    fn read(r: &mut Reader<'_>, suite: Suite) -> Result<Self, FormatError> {
        const WHAT: &str = "welcome";
        let (mut sealed, mut roster_heads, mut capabilities) = (None, None, None);
        let (mut stores, mut log_heads) = (Vec::new(), Vec::new());
        r.map(WHAT, |r, key| {
            match key {
                0 => {
                    let field = r.bytes("sealed part of a welcome", limits::FLIGHT)?;
                    blob::split_box(suite, field)?;
                    sealed = Some(field.to_vec());
                }
                2 => stores = not_empty(read_stores(r)?)?,
                4 => roster_heads = Some(read_heads(r)?),
                6 => log_heads = not_empty(r.ascending("log heads", limits::WELCOME_LOG_HEADS, read_log_head)?)?,
                8 => capabilities = Some(read_capabilities(r)?),
                _ => r.unknown(WHAT, key)?,
            }
            Ok(())
        })?;
        Ok(Self {
            sealed: required(sealed, "sealed part of a welcome")?,
            stores,
            roster_heads: required(roster_heads, "roster heads")?,
            log_heads,
            capabilities: required(capabilities, "capabilities")?,
        })
    }
}

impl WelcomeSecrets {
    /// The bytes. Refuses what `parse` would refuse.
    pub fn encode(&self) -> Result<Vec<u8>, FormatError> {
        // Checked by hand: reading it again would leave copies of the secrets.
        const WHAT: &str = "credentials";
        at_most(self.credentials.len(), limits::PAIR_NAMED, WHAT)?;
        for (name, value) in &self.credentials {
            at_most(name.len(), limits::PAIR_NAME, WHAT)?;
            at_most(value.len(), limits::CREDENTIAL, WHAT)?;
            if name.is_empty() {
                return Err(FormatError::Invalid { what: WHAT });
            }
        }
        if !self.credentials.is_sorted_by(|a, b| a.0 < b.0) {
            return Err(FormatError::Order { what: WHAT });
        }
        let mut writer = Writer::new();
        writer.map(|map| {
            map.field(0, |w| w.bytes(&self.w));
            optional(map, 2, &self.credentials, |w, (name, value)| {
                w.array(2);
                w.text(name);
                w.bytes(value);
            });
        });
        Ok(writer.finish())
    }

    /// Reads all of `bytes`.
    pub fn parse(bytes: &[u8]) -> Result<Self, FormatError> {
        const WHAT: &str = "sealed part of a welcome";
        at_most(bytes.len(), limits::FLIGHT, WHAT)?;
        let mut reader = Reader::new(bytes);
        let (mut w, mut credentials) = (None, Vec::new());
        reader.map(WHAT, |r, key| {
            match key {
                0 => w = Some(r.array_of("device secret")?),
                2 => {
                    credentials = not_empty(read_named("credentials", r, |r| {
                        Ok(r.bytes("credential", limits::CREDENTIAL)?.to_vec())
                    })?)?;
                }
                _ => r.unknown(WHAT, key)?,
            }
            Ok(())
        })?;
        reader.end(WHAT)?;
        Ok(Self { w: required(w, "device secret")?, credentials })
    }
}

impl Reason {
    /// Its number.
    pub const fn code(self) -> u8 {
        match self {
            Self::Declined => 1,
            Self::Cancelled => 2,
            Self::Expired => 3,
            Self::Used => 4,
            Self::NotAllowed => 5,
            Self::OtherVault => 6,
            Self::NotProven => 7,
            Self::Failed => 8,
            Self::Unknown(code) => code,
        }
    }

    /// The reason of this number.
    pub const fn from_code(code: u8) -> Self {
        match code {
            1 => Self::Declined,
            2 => Self::Cancelled,
            3 => Self::Expired,
            4 => Self::Used,
            5 => Self::NotAllowed,
            6 => Self::OtherVault,
            7 => Self::NotProven,
            8 => Self::Failed,
            other => Self::Unknown(other),
        }
    }
}

/// What both sides know before they begin. `extras` is the hash of a ticket's extras; words have none.
pub fn prologue(suite: Suite, session: &[u8; 16], extras: Option<&[u8; 32]>) -> Vec<u8> {
    let mut out = b"zvault pair v1".to_vec();
    out.push(suite.byte());
    out.extend_from_slice(session);
    out.extend_from_slice(extras.map_or(&[][..], |hash| &hash[..]));
    out
}

/// What a joiner signs; `handshake` is the hash after message 2.
pub fn join_message(
    handshake: &[u8; 32],
    vault: &VaultId,
    capabilities: Capabilities,
    verify_key: &[u8],
    kem_key: &[u8],
    name: &str,
) -> Vec<u8> {
    let mut out = b"zvault join".to_vec();
    out.extend_from_slice(handshake);
    out.extend_from_slice(&vault.0);
    out.push(capabilities.bits());
    put_lp(&mut out, verify_key);
    put_lp(&mut out, kem_key);
    put_lp(&mut out, name.as_bytes());
    out
}

/// What the fingerprint that two people compare is the hash of.
pub fn fingerprint_input(handshake: &[u8; 32], vault: &VaultId, verify_key: &[u8], kem_key: &[u8]) -> Vec<u8> {
    let mut out = b"zvault v1 pair fingerprint".to_vec();
    out.extend_from_slice(handshake);
    out.extend_from_slice(&vault.0);
    put_lp(&mut out, verify_key);
    put_lp(&mut out, kem_key);
    out
}

/// A mailbox object: a flight in a coat that is the same for every pairing.
///
/// ```text
/// header (type 7, mode 3, all ids and the salt zero) | body_len u32 | flight | zeros
/// ```
pub fn mail_object(suite: Suite, flight: &[u8]) -> Result<Vec<u8>, FormatError> {
    at_most(flight.len(), limits::FLIGHT, MAIL)?;
    let mut out = mail_header(suite).encode().to_vec();
    out.extend_from_slice(&(flight.len() as u32).to_le_bytes());
    out.extend_from_slice(flight);
    out.resize(out.len().next_multiple_of(MAIL_STEP), 0);
    Ok(out)
}

/// The flight in a mailbox object.
pub fn parse_mail(suite: Suite, stored: &[u8]) -> Result<&[u8], FormatError> {
    at_most(stored.len(), limits::MAIL_STORED, MAIL)?;
    if Header::parse(stored)? != mail_header(suite) {
        return Err(FormatError::Mismatch { field: "header of a mailbox message" });
    }
    let mut reader = Bytes::new(stored);
    reader.take(HEADER_LEN, MAIL)?;
    let len = at_most(reader.u32(MAIL)? as usize, limits::FLIGHT, MAIL)?;
    let flight = reader.take(len, MAIL)?;
    zeros(reader.take(reader.left(), MAIL)?, "padding of a mailbox message")?;
    if stored.len() != (HEADER_LEN + 4 + len).next_multiple_of(MAIL_STEP) {
        return Err(FormatError::NotCanonical { what: MAIL });
    }
    Ok(flight)
}

fn mail_header(suite: Suite) -> Header {
    Header {
        suite,
        object_type: ObjectType::Mail,
        mode: Mode::Clear,
        vault: VaultId([0; 32]),
        epoch: EpochId::NONE,
        domain: Domain::SHARED,
        writer: DeviceId([0; 16]),
        salt: [0; 32],
    }
}

pub(crate) fn optional<T>(map: &mut MapWriter<'_>, key: u64, items: &[T], write: impl FnMut(&mut Writer, &T)) {
    if !items.is_empty() {
        map.field(key, |w| w.list(items, write));
    }
}

pub(crate) fn write_setting(w: &mut Writer, (name, value): &(String, String)) {
    w.array(2);
    w.text(name);
    w.text(value);
}

/// A map with the key 0 and no other that this version knows.
fn only<'a, T>(r: &mut Reader<'a>, read: impl Fn(&mut Reader<'a>) -> Result<T, FormatError>) -> Result<T, FormatError> {
    const WHAT: &str = "message of a pairing";
    let mut value = None;
    r.map(WHAT, |r, key| {
        match key {
            0 => value = Some(read(r)?),
            _ => r.unknown(WHAT, key)?,
        }
        Ok(())
    })?;
    required(value, WHAT)
}

pub(crate) fn read_text(r: &mut Reader<'_>, what: &'static str, max: usize) -> Result<String, FormatError> {
    match r.text(what, max)? {
        "" => Err(FormatError::Invalid { what }),
        text => Ok(text.to_owned()),
    }
}

fn read_named<'a, T>(
    what: &'static str,
    r: &mut Reader<'a>,
    value: impl Fn(&mut Reader<'a>) -> Result<T, FormatError>,
) -> Result<Vec<(String, T)>, FormatError> {
    let items = r.list(what, limits::PAIR_NAMED, |r| {
        r.tuple(what, 2, |r| Ok((read_text(r, what, limits::PAIR_NAME)?, value(r)?)))
    })?;
    if !items.is_sorted_by(|a, b| a.0 < b.0) {
        return Err(FormatError::Order { what });
    }
    Ok(items)
}

pub(crate) fn read_settings(r: &mut Reader<'_>) -> Result<Vec<(String, String)>, FormatError> {
    read_named("settings of a store", r, |r| Ok(r.text("setting of a store", limits::STORE_SETTING)?.to_owned()))
}

fn read_stores(r: &mut Reader<'_>) -> Result<Vec<StorePlace>, FormatError> {
    let stores = r.list("stores", limits::WELCOME_STORES, |r| {
        r.tuple("store", 4, |r| {
            Ok(StorePlace {
                id: r.array_of("store id")?,
                primary: r.flag("primary")?,
                url: read_text(r, "URL of a store", limits::STORE_URL)?,
                settings: read_settings(r)?,
            })
        })
    })?;
    if !stores.is_sorted_by(|a, b| a.id < b.id) {
        return Err(FormatError::Order { what: "stores" });
    }
    Ok(stores)
}

fn read_log_head(r: &mut Reader<'_>) -> Result<LogHead, FormatError> {
    r.tuple("log head", 3, |r| {
        Ok(LogHead { device: device(r)?, seq: r.u64("number of an entry")?, identity: identity(r, "log head")? })
    })
}

fn read_heads(r: &mut Reader<'_>) -> Result<Vec<Identity>, FormatError> {
    const WHAT: &str = "roster heads";
    not_empty(r.ascending(WHAT, limits::RECORD_PARENTS, |r| identity(r, WHAT))?)
}

fn read_capabilities(r: &mut Reader<'_>) -> Result<Capabilities, FormatError> {
    Capabilities::from_bits(r.u8("capabilities")?)
}

const OFFER: u64 = 1;
const JOIN: u64 = 2;
const WELCOME: u64 = 3;
const READY: u64 = 4;
const DONE: u64 = 5;
const REFUSED: u64 = 6;
const MAIL: &str = "mailbox message";
/// Sizes of mailbox objects are multiples of this (SPEC section 18.5).
const MAIL_STEP: usize = 8 << 10;
