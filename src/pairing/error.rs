//! How a pairing can end, one variant for each end.

use crypto_backends::CryptoError;
use vault_format::{
    FormatError, VaultId,
    ids::DeviceId,
    pairing::{Reason, Step},
    roster::Capabilities,
};

use super::{ChannelError, HostError, PairWordsError, TicketError};
use crate::Trouble;
use crate::roster::capability_names;
use crate::stage::SealError;
use crate::store::SignedUrlError;

/// How a pairing ends without a new member.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PairError {
    /// The ticket is none, or over.
    #[error(transparent)]
    Ticket(#[from] TicketError),
    /// The words are none.
    #[error(transparent)]
    Words(#[from] PairWordsError),
    /// The sponsor may not add anybody.
    #[error("device {sponsor:.8} may not add devices to the vault")]
    MayNotInvite {
        /// The sponsor.
        sponsor: DeviceId,
    },
    /// The sponsor may not hand this on.
    #[error("device {sponsor:.8} may hand on {}, and was asked for {}", capability_names(*.allowed), capability_names(*.asked))]
    MayNotGrant {
        /// The sponsor.
        sponsor: DeviceId,
        /// What was asked for.
        asked: Capabilities,
        /// What it may hand on.
        allowed: Capabilities,
    },
    /// Nobody came with the right secret before the ticket ended.
    #[error("nobody joined in time{}", turned_away(*.junk))]
    Expired {
        /// Attempts that did not have the secret.
        junk: usize,
    },
    /// Nobody answered the joiner.
    #[error("no device answered to this ticket")]
    NoAnswer,
    /// Whoever answered does not know the joiner's secret, or hung up.
    #[error("the other device did not take this ticket")]
    NotAccepted,
    /// Another device was quicker.
    #[error("this ticket was used already, by another device")]
    Used,
    /// Somebody stopped it here.
    #[error("interrupted")]
    Cancelled,
    /// The person here said no.
    #[error("device {name:?} was not added")]
    Declined {
        /// What it called itself.
        name: String,
    },
    /// The other device said that it ends, and why.
    #[error("{}", refusal(*.0))]
    Refused(Reason),
    /// The other device went silent.
    #[error("the other device was there and went silent, {}", waiting_for(*.step))]
    PeerLost {
        /// What was waited for.
        step: Step,
    },
    /// The other device hung up.
    #[error("the other device stopped in the middle, {}", waiting_for(*.step))]
    PeerStopped {
        /// What was waited for.
        step: Step,
    },
    /// Something came in the right place that is not what the other device sent.
    #[error("messages were changed on their way, {}", waiting_for(*.step))]
    Tampered {
        /// What was waited for.
        step: Step,
        /// How many came that are not authentic.
        junk: usize,
    },
    /// More came that is not authentic than anybody looks at.
    #[error("{junk} messages came that are not from the other device, {}", waiting_for(*.step))]
    TooMuchJunk {
        /// What was waited for.
        step: Step,
        /// How many.
        junk: usize,
    },
    /// Authentic, and not what belongs here.
    #[error("the other device does not follow the protocol, {}", waiting_for(*.step))]
    Protocol {
        /// What was waited for.
        step: Step,
        /// What is wrong, if it is the form.
        #[source]
        source: Option<FormatError>,
    },
    /// The offer is for another vault than the ticket.
    #[error("the other device offers {what} than the ticket says")]
    OtherVault {
        /// What differs.
        what: &'static str,
    },
    /// The joiner's keys are not its own, or not made in this session.
    #[error("the new device did not prove that its keys are its own")]
    NotProven,
    /// The joiner gets something else than it was offered.
    #[error("this device was given {}, and offered {}", capability_names(*.given), capability_names(*.offered))]
    CapabilitiesDiffer {
        /// What it was offered.
        offered: Capabilities,
        /// What the welcome or the record gives.
        given: Capabilities,
    },
    /// A record adds the joiner that does not come from its pairing.
    #[error("device {by:.8} added this device to the vault, in another pairing than its own")]
    AddedOtherwise {
        /// Who signed it.
        by: DeviceId,
    },
    /// The joiner was revoked before it saw itself.
    #[error("this device was revoked before its first use")]
    Revoked,
    /// The roster is that of another vault.
    #[error("the store shows vault {found} instead of vault {expected}")]
    OtherRoster {
        /// Joined.
        expected: VaultId,
        /// Shown.
        found: VaultId,
    },
    /// A suite that this build cannot pair.
    #[error("this build of zvault cannot pair devices of a vault of suite {suite:#04x}")]
    Suite {
        /// The suite.
        suite: u8,
    },
    /// The signed URLs of the ticket are none.
    #[error("the ticket's signed URLs cannot be used")]
    Signed(#[source] SignedUrlError),
    /// The channel failed.
    #[error(transparent)]
    Channel(ChannelError),
    /// The joiner's state could not be kept.
    #[error("cannot keep what the other device gave")]
    Keep(#[source] HostError),
    /// The sponsor could not put together what the joiner needs.
    #[error("cannot put together what the new device needs")]
    Gift(#[source] HostError),
    /// The roster record was not written.
    #[error("cannot add the new device to the roster")]
    Admit(#[source] HostError),
    /// What was to be sent does not fit.
    #[error("a message of the pairing does not fit the format")]
    Format(#[from] FormatError),
    /// No randomness, or a malformed key.
    #[error(transparent)]
    Crypto(#[from] CryptoError),
    /// Sealing failed.
    #[error(transparent)]
    Seal(#[from] SealError),
}

impl PairError {
    /// What kind of trouble this is.
    pub fn trouble(&self) -> Trouble {
        match self {
            Self::Ticket(_) | Self::Words(_) | Self::Signed(_) => Trouble::Usage,
            Self::MayNotInvite { .. } | Self::MayNotGrant { .. } | Self::Declined { .. } | Self::Revoked => {
                Trouble::NotAllowed
            }
            Self::Refused(Reason::Declined | Reason::NotAllowed) => Trouble::NotAllowed,
            Self::NotAccepted | Self::Used | Self::Refused(Reason::Used) => Trouble::WrongKey,
            Self::Cancelled => Trouble::Interrupted,
            Self::Tampered { .. }
            | Self::TooMuchJunk { .. }
            | Self::OtherVault { .. }
            | Self::NotProven
            | Self::CapabilitiesDiffer { .. }
            | Self::AddedOtherwise { .. }
            | Self::OtherRoster { .. } => Trouble::Integrity,
            Self::Suite { .. } => Trouble::NoVault,
            Self::Channel(_) => Trouble::Storage,
            Self::Expired { .. }
            | Self::NoAnswer
            | Self::Refused(_)
            | Self::PeerLost { .. }
            | Self::PeerStopped { .. }
            | Self::Protocol { .. }
            | Self::Keep(_)
            | Self::Gift(_)
            | Self::Admit(_)
            | Self::Format(_)
            | Self::Crypto(_)
            | Self::Seal(_) => Trouble::Failed,
        }
    }

    /// What to do about it.
    pub fn hints(&self) -> Vec<String> {
        let again = "run `zvault pair` again on the device that invites, and use the new ticket";
        let hint = match self {
            Self::Ticket(error) => return error.hints(),
            Self::Signed(error) => return error.hints(),
            Self::Channel(ChannelError::Failed(error)) => {
                return error.downcast_ref::<SignedUrlError>().map(SignedUrlError::hints).unwrap_or_default();
            }
            Self::MayNotInvite { .. } => {
                "pair from a device with the capability pair or admin: `zvault devices` lists them"
            }
            Self::MayNotGrant { .. } => "ask for less with --grant, or pair from an admin's device",
            Self::Expired { junk: 1.. } => {
                "if it was your device, it had another ticket: use the one that was shown last"
            }
            Self::NoAnswer => {
                "is `zvault pair` still waiting on the other device, and do both reach the same network or store?"
            }
            Self::NotAccepted => {
                "it was mistyped, used already or is over: get a new one with `zvault pair` on the other device"
            }
            Self::Used => "if that was not you, revoke the other device now: `zvault devices`; then pair again",
            Self::Refused(Reason::Declined) => "compare name and fingerprint with the person at the other device",
            Self::Tampered { .. } | Self::TooMuchJunk { .. } => {
                "somebody is on the way between the two: try another network, or the vault's storage with --via"
            }
            Self::OtherVault { .. } | Self::NotProven => "do not use this ticket again; find out who made it",
            Self::CapabilitiesDiffer { .. } | Self::AddedOtherwise { .. } => {
                "have this device revoked, and pair again with another sponsor"
            }
            Self::Suite { .. } => "use a build of zvault with this suite, or a newer version",
            Self::Expired { .. }
            | Self::Refused(_)
            | Self::PeerLost { .. }
            | Self::PeerStopped { .. }
            | Self::Protocol { .. }
            | Self::Revoked => again,
            Self::Words(_)
            | Self::Cancelled
            | Self::Declined { .. }
            | Self::OtherRoster { .. }
            | Self::Channel(_)
            | Self::Keep(_)
            | Self::Gift(_)
            | Self::Admit(_)
            | Self::Format(_)
            | Self::Crypto(_)
            | Self::Seal(_) => return Vec::new(),
        };
        vec![hint.into()]
    }
}

fn turned_away(junk: usize) -> String {
    match junk {
        0 => String::new(),
        1 => "; one attempt came with a wrong ticket".into(),
        more => format!("; {more} attempts came with a wrong ticket"),
    }
}

fn waiting_for(step: Step) -> &'static str {
    match step {
        Step::Hello => "before it said anything",
        Step::Offer => "before its offer",
        Step::Join => "before it sent its keys",
        Step::Welcome => "before it let this device in",
        Step::Ready => "before it had kept what it was given",
        Step::Done => "before it said that the roster is written",
    }
}

fn refusal(reason: Reason) -> String {
    match reason {
        Reason::Declined => "the person at the other device said no".into(),
        Reason::Cancelled => "the pairing was cancelled on the other device".into(),
        Reason::Expired => "the other device waited too long and gave up".into(),
        Reason::Used => "this ticket was used already, by another device".into(),
        Reason::NotAllowed => "the other device may no longer add this one".into(),
        Reason::OtherVault => "the other device's ticket is for another vault".into(),
        Reason::NotProven => "the other device does not believe that this device's keys are its own".into(),
        Reason::Failed => "the other device failed to do its part; it says there what happened".into(),
        Reason::Unknown(code) => format!("the other device ended the pairing, for reason {code}"),
    }
}
