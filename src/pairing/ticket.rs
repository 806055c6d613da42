//! The secret of a pairing, and how a person carries it: as a ticket (SPEC sections 18.1 and 18.2).

use crypto_backends::{CryptoError, Key, Provider, SecretBytes};
use vault_format::{
    FormatError, ObjectName, Suite, Time,
    ids::{Identity, ObjectHash},
    labels::Purpose,
    limits,
    pairing::{Step, prologue},
    ticket::{Extras, roster_heads_input},
};
use zeroize::Zeroizing;

/// A secret of 32 bytes with everything that a joiner needs to find the sponsor. No `Debug`, no `Clone`: whoever has it can join.
pub struct Ticket {
    /// The vault's.
    pub suite: Suite,
    /// What it says besides the secret.
    pub extras: Extras,
    secret: Key,
    /// As they are carried: the handshake depends on these bytes.
    extras_bytes: Vec<u8>,
}

impl Ticket {
    pub(super) fn new(suite: Suite, secret: Key, extras: Extras) -> Result<Self, FormatError> {
        let extras_bytes = extras.encode()?;
        Ok(Self { suite, extras, secret, extras_bytes })
    }

    /// Digits and capital letters only, which is what a QR code holds best.
    pub fn to_text(&self) -> Zeroizing<String> {
        let len = 1 + self.secret.expose().len() + self.extras_bytes.len() + CHECK;
        let mut bytes = Zeroizing::new(Vec::with_capacity(2 + len));
        bytes.extend_from_slice(&(len as u16).to_le_bytes());
        bytes.push(self.suite.byte());
        bytes.extend_from_slice(self.secret.expose());
        bytes.extend_from_slice(&self.extras_bytes);
        let check = crc(&bytes);
        bytes.extend_from_slice(&check.to_le_bytes());
        let mut text = Zeroizing::new(String::with_capacity(PREFIX.len() + 1 + bytes.len() * 8 / 5 + 1));
        text.push_str(PREFIX);
        text.push(VERSION);
        base32(&bytes, &mut text);
        text
    }

    /// Reads what was pasted, scanned or typed: any case, with hyphens and white space anywhere.
    pub fn parse(text: &str) -> Result<Self, TicketError> {
        let mut plain = Zeroizing::new(Vec::with_capacity(text.len().min(TEXT_MAX) + 1));
        for c in text.chars().filter(|c| !c.is_whitespace() && *c != '-') {
            if plain.len() == TEXT_MAX || !c.is_ascii() {
                return Err(if plain.starts_with(PREFIX.as_bytes()) {
                    TicketError::Typo
                } else {
                    TicketError::NoTicket
                });
            }
            plain.push(c.to_ascii_uppercase() as u8);
        }
        let rest = plain.strip_prefix(PREFIX.as_bytes()).ok_or(TicketError::NoTicket)?;
        let (version, digits) = rest.split_first().ok_or(TicketError::Cut)?;
        match char::from(*version) {
            VERSION => {}
            '0'..='9' => return Err(TicketError::Newer { version: char::from(*version) }),
            _ => return Err(TicketError::NoTicket),
        }
        let bytes = unbase32(digits).ok_or(TicketError::Typo)?;
        let (len, body) = bytes.split_first_chunk().ok_or(TicketError::Cut)?;
        if body.len() < usize::from(u16::from_le_bytes(*len)) {
            return Err(TicketError::Cut);
        }
        let (checked, check) = bytes.split_last_chunk().ok_or(TicketError::Cut)?;
        if body.len() != usize::from(u16::from_le_bytes(*len)) || crc(checked) != u32::from_le_bytes(*check) {
            return Err(TicketError::Typo);
        }
        let newer = |_| TicketError::Newer { version: VERSION };
        let (suite, body) = checked[2..].split_first().ok_or(TicketError::Cut)?;
        let suite = Suite::from_byte(*suite).ok_or(()).map_err(newer)?;
        let (secret, extras_bytes) = body.split_at_checked(32).ok_or(TicketError::Cut)?;
        let extras = Extras::parse(extras_bytes)?;
        let secret = Key::from_slice(secret).map_err(|_| TicketError::Cut)?;
        Ok(Self { suite, extras, secret, extras_bytes: extras_bytes.to_vec() })
    }

    /// Whether it can still be good, by this machine's clock.
    pub fn check_expiry(&self, now: Time) -> Result<(), TicketError> {
        let now = u64::try_from(now.secs).unwrap_or(0);
        match now.checked_sub(self.extras.expires) {
            Some(since @ 1..) => Err(TicketError::Expired { since }),
            _ => Ok(()),
        }
    }

    /// Where and how the two meet.
    pub fn session(&self, provider: &'static Provider) -> Session {
        let extras = provider.hash.hash(&[&self.extras_bytes]);
        let secret = SecretBytes::new(self.secret.expose().to_vec());
        Session::new(provider, secret, Some(extras))
    }
}

/// What follows from the secret of a pairing. Holds it.
pub struct Session {
    pub(super) psk: Key,
    pub(super) prologue: Vec<u8>,
    id: [u8; 16],
    secret: SecretBytes,
    provider: &'static Provider,
}

impl Session {
    pub(super) fn new(provider: &'static Provider, secret: SecretBytes, extras: Option<[u8; 32]>) -> Self {
        let psk = derive(provider, Purpose::PairPsk, &secret, &[]);
        let id =
            *derive(provider, Purpose::PairSession, &secret, &[]).expose().first_chunk().expect("32 bytes have 16");
        let prologue = prologue(provider.suite, &id, extras.as_ref());
        Self { psk, prologue, id, secret, provider }
    }

    pub(super) fn suite(&self) -> Suite {
        self.provider.suite
    }

    pub(super) fn provider(&self) -> &'static Provider {
        self.provider
    }

    /// The hash that names objects.
    pub(super) fn hash(&self, bytes: &[u8]) -> [u8; 32] {
        self.provider.hash.hash(&[bytes])
    }

    /// The name of its mailbox.
    pub fn id(&self) -> [u8; 16] {
        self.id
    }

    /// What the sponsor is called on the local network: 16 hex digits, and nothing else about vault or device.
    pub fn mdns_instance(&self) -> String {
        hex::encode(&derive(self.provider, Purpose::PairMdns, &self.secret, &[]).expose()[..8])
    }

    /// The mailbox object with these stored bytes.
    pub fn mail_name(&self, step: Step, stored: &[u8]) -> ObjectName {
        let hash = ObjectHash(self.provider.hash.hash(&[stored]));
        ObjectName::Mail { session: self.id, n: step.number(), hash }
    }

    /// The mailbox object whose name had to be known before its bytes: for presigned URLs.
    pub fn presigned_name(&self, step: Step) -> ObjectName {
        let hash = derive(self.provider, Purpose::PairPlace, &self.secret, &[&[step.number()]]);
        ObjectName::Mail { session: self.id, n: step.number(), hash: ObjectHash(*hash.expose()) }
    }
}

/// Why a text is no ticket. No variant holds a part of it: messages end up in logs.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TicketError {
    /// Something else.
    #[error("this is no ticket: tickets begin with {PREFIX}{VERSION}")]
    NoTicket,
    /// Its end is missing.
    #[error("the ticket is cut: its end is missing")]
    Cut,
    /// Not what was shown.
    #[error("the ticket is mistyped, or has something at its end that does not belong to it")]
    Typo,
    /// From a newer version of this program.
    #[error("the ticket was made by a newer version of zvault")]
    Newer {
        /// Of tickets.
        version: char,
    },
    /// Whole, and makes no sense.
    #[error("the ticket was not made by zvault")]
    Invalid(#[source] FormatError),
    /// Over, by this machine's clock.
    #[error("the ticket expired {} ago, by the clock of this machine", ago(*.since))]
    Expired {
        /// Seconds.
        since: u64,
    },
}

impl TicketError {
    /// What to do about it.
    pub fn hints(&self) -> Vec<String> {
        let hint = match self {
            Self::NoTicket => "copy everything that `zvault pair` shows on the other device, or type its 12 words",
            Self::Cut => "copy all of it: terminals break long lines, which does no harm",
            Self::Typo => "copy it instead of typing it, or type the 12 words",
            Self::Newer { .. } => "update zvault on this machine",
            Self::Invalid(_) => "do not use it; find out who made it",
            Self::Expired { .. } => {
                "look at the clocks of both machines, or run `zvault pair` again on the other device"
            }
        };
        vec![hint.into()]
    }
}

impl From<FormatError> for TicketError {
    fn from(error: FormatError) -> Self {
        match error {
            FormatError::NewerFormat { .. } => Self::Newer { version: VERSION },
            error => Self::Invalid(error),
        }
    }
}

/// What a ticket says of the roster.
pub(super) fn roster_hash(provider: &Provider, heads: &[Identity]) -> [u8; 32] {
    provider.hash.hash(&[&roster_heads_input(heads)])
}

/// The secret of a ticket.
pub(super) fn new_secret(provider: &Provider) -> Result<Key, CryptoError> {
    Key::random(provider.random)
}

fn derive(provider: &Provider, purpose: Purpose, secret: &SecretBytes, context: &[&[u8]]) -> Key {
    provider.kdf.derive(purpose.label(provider.suite), secret.expose(), &[], context)
}

fn ago(seconds: u64) -> String {
    match seconds {
        0..120 => format!("{seconds} seconds"),
        120..7200 => format!("{} minutes", seconds / 60),
        7200..172_800 => format!("{} hours", seconds / 3600),
        _ => format!("{} days", seconds / 86_400),
    }
}

fn crc(bytes: &[u8]) -> u32 {
    crc_fast::checksum(crc_fast::CrcAlgorithm::Crc32IsoHdlc, bytes) as u32
}

/// RFC 4648 section 6, without padding.
pub(super) fn base32(bytes: &[u8], out: &mut String) {
    let (mut bits, mut count) = (0u32, 0);
    for byte in bytes {
        bits = (bits << 8) | u32::from(*byte);
        count += 8;
        while count >= 5 {
            count -= 5;
            out.push(char::from(ALPHABET[(bits >> count) as usize & 31]));
        }
    }
    if count > 0 {
        out.push(char::from(ALPHABET[(bits << (5 - count)) as usize & 31]));
    }
}

/// `None`: another character, a length that no bytes have, or bits after the last byte.
fn unbase32(digits: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let mut out = Zeroizing::new(Vec::with_capacity(digits.len() * 5 / 8 + 1));
    let (mut bits, mut count) = (0u32, 0);
    for digit in digits {
        let value = match digit {
            b'A'..=b'Z' => digit - b'A',
            b'2'..=b'7' => digit - b'2' + 26,
            _ => return None,
        };
        bits = (bits << 5) | u32::from(value);
        count += 5;
        if count >= 8 {
            count -= 8;
            out.push((bits >> count) as u8);
        }
    }
    // A text that was cut ends anywhere, so what is left over is judged only where the bytes are whole.
    let whole = matches!(digits.len() % 8, 0 | 2 | 4 | 5 | 7) && bits & ((1 << count) - 1) == 0;
    let announced = out.first_chunk().map(|len| usize::from(u16::from_le_bytes(*len)));
    (whole || announced.is_none_or(|len| out.len() < 2 + len)).then_some(out)
}

const PREFIX: &str = "ZVPAIR";
const VERSION: char = '1';
const CHECK: usize = 4;
const ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
/// Characters of the longest ticket.
const TEXT_MAX: usize = 8 + (2 + 1 + 32 + limits::TICKET_EXTRAS + CHECK) * 8 / 5;

#[cfg(test)]
impl Ticket {
    /// The same secret, and something else said.
    pub(super) fn exchanged(&self, extras: Extras) -> Self {
        let secret = Key::from_slice(self.secret.expose()).expect("a key");
        Self::new(self.suite, secret, extras).expect("a ticket")
    }
}
