//! Why a vault cannot be made, opened or written to.

use crypto_backends::CryptoError;
use thiserror::Error;
use vault_format::{DeviceId, EpochId, FormatError, Identity, VaultId};

use crate::Trouble;
use crate::index::IndexError;
use crate::keys::{PassphraseError, SlotError};
use crate::log::{LogError, Unresolved};
use crate::roster::{OpenError, RosterError, UnlockError, WriteError};
use crate::stage::{PackError, SealError};
use crate::state::StateError;
use crate::store::{StoreError, UrlError};

/// Why a vault cannot be made, opened or written to.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum VaultError {
    /// The URL is none.
    #[error(transparent)]
    Url(#[from] UrlError),
    /// No URL was given, and this machine knows no vault or several.
    #[error("no vault was named, and this machine is a device of {0}")]
    WhichVault(&'static str),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// There is a vault already.
    #[error("there is a vault already at {url}: {found}")]
    Exists {
        /// Where.
        url: String,
        /// Its id.
        found: VaultId,
    },
    /// This machine knows a vault at the place, and the store shows none.
    #[error("this machine is a device of vault {vault} at {url}, and the storage there is empty")]
    Known {
        /// Where.
        url: String,
        /// The vault that was there.
        vault: VaultId,
    },
    /// The place of a new vault holds something else.
    #[error("{url} is not empty and holds no vault: {example}")]
    NotEmpty {
        /// Where.
        url: String,
        /// One of the things that are there.
        example: String,
    },
    /// A suite that this build has not.
    #[error("this build of zvault has no suite {0:#04x}")]
    Suite(u8),
    /// Somebody made another vault at the same place at the same moment.
    #[error("another vault was made at {url} at the same moment; this one was taken back")]
    Race {
        /// Where.
        url: String,
    },
    /// There is no vault, or not one that can be read.
    #[error("no vault at {url}")]
    NoVault {
        /// Where.
        url: String,
        /// Why.
        #[source]
        error: RosterError,
    },
    /// This machine has seen a vault at the place, and the storage there shows none.
    #[error(
        "{url} shows no vault, and this machine is a device of vault {vault} there: the store shows less than was seen"
    )]
    Gone {
        /// Where.
        url: String,
        /// The vault that was there.
        vault: VaultId,
    },
    /// This machine has seen a vault at the place, and there is no storage.
    #[error("there is no storage at {url}, where this machine is a device of vault {vault}")]
    Away {
        /// Where.
        url: String,
        /// The vault that was there.
        vault: VaultId,
        /// What it said.
        #[source]
        error: StoreError,
    },
    /// Roster records are there, and none that a vault begins with: it is damaged or was deleted.
    #[error("the first record of the vault at {url} is damaged or gone: what is there, such as {example}, needs it")]
    NoBeginning {
        /// Where.
        url: String,
        /// One of the records.
        example: String,
    },
    /// Passphrase or words do not open it.
    #[error(transparent)]
    Unlock(#[from] UnlockError),
    /// The secret could not be had.
    #[error("{0}")]
    Secret(String),
    /// The passphrase is none.
    #[error(transparent)]
    Passphrase(#[from] PassphraseError),
    /// The device cannot open it.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// A roster record could not be made.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// The local state failed.
    #[error(transparent)]
    State(#[from] StateError),
    /// A log is not what it was.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The store shows less of the roster than this device has seen.
    #[error("the store no longer shows roster record {head:.16}, which was seen before")]
    RosterRolledBack {
        /// The record.
        head: Identity,
    },
    /// A device cannot be found by what was typed.
    #[error("the vault has no device '{text}'")]
    UnknownDevice {
        /// What was typed.
        text: String,
    },
    /// Several devices go by what was typed.
    #[error("several devices go by '{text}': {found}")]
    WhichDevice {
        /// What was typed.
        text: String,
        /// Beginnings of their ids.
        found: String,
    },
    /// What was to be shown first could not be.
    #[error("the new words could not be shown, and nothing was changed: {0}")]
    WordsNotShown(String),
    /// The record with the new words may be stored.
    #[error("the new words were shown, and may be in force or not")]
    WordsInDoubt(#[source] Box<VaultError>),
    /// Nobody is root.
    #[error("the vault has no recovery key, and nothing that could make one")]
    NoRoot,
    /// A reader reports what the store does not show: not to be built upon.
    #[error(
        "entry {seq} of device {by} names entry {head:.8} of device {about}, which the store does not show: the store withholds it, or the device lies"
    )]
    Hearsay {
        /// Who reports it.
        by: String,
        /// In which entry.
        seq: u64,
        /// Whose log it is of.
        about: String,
        /// What is reported.
        head: Identity,
    },
    /// A device that may read goes by a roster record that nobody shows.
    #[error(
        "entry {seq} of device {by} goes by a roster record ({record:.8}) that the store does not show: the store withholds it, or the device lies"
    )]
    RecordWithheld {
        /// Who goes by it.
        by: String,
        /// In which entry.
        seq: u64,
        /// The record.
        record: Identity,
    },
    /// A snapshot cannot be found by what was typed.
    #[error("{0}")]
    Snapshot(String),
    /// The vault shows no snapshot, and what could be one cannot be read.
    #[error("the vault shows no snapshots, but {count} that cannot be read", count = entries(*.0))]
    Unread(usize),
    /// The keys of an epoch are missing.
    #[error("this device has no keys of epoch {epoch}")]
    NoEpoch {
        /// The epoch.
        epoch: EpochId,
    },
    /// There is no clean epoch: a device was revoked, and no admin has started a new one.
    #[error("a device was revoked, and no new epoch has been started since")]
    NoCleanEpoch,
    /// The vault needs features that this version does not have.
    #[error("the vault needs features that this version does not know: {0}")]
    Features(String),
    /// This device may not do it.
    #[error("device {device:.8} may not {what}")]
    NotAllowed {
        /// The device.
        device: DeviceId,
        /// The verb.
        what: &'static str,
    },
    /// Only a device that may read can do it.
    #[error("device {device:.8} may only push: it cannot {what}")]
    PushOnly {
        /// The device.
        device: DeviceId,
        /// The verb.
        what: &'static str,
    },
    /// A snapshot names chunks of a domain that its device has no part in.
    #[error("device {device:.8} names chunks that are not in its domain")]
    ForeignDomain {
        /// The device.
        device: DeviceId,
    },
    /// What this device may do was changed while it ran.
    #[error("what this device may do in the vault was changed meanwhile")]
    RightsChanged,
    /// This machine's configuration and the roster do not agree about which store decides.
    #[error("{url} is not the vault's primary store, which is {primary}")]
    NotPrimary {
        /// The store that the configuration names first, or that was named.
        url: String,
        /// Where the primary was when it was added.
        primary: String,
        /// Its id.
        id: String,
    },
    /// The store that is to be the primary lacks what this machine has seen.
    #[error("{url} is {entries} entries behind what this machine has seen of the vault")]
    Behind {
        /// Where.
        url: String,
        /// How many.
        entries: u64,
    },
    /// A store that nobody added.
    #[error("{url} is none of the stores in the vault's roster")]
    UnknownStore {
        /// Where.
        url: String,
    },
    /// The store that decides is not to be taken off the list.
    #[error("{url} is the primary store of the vault, which cannot be removed")]
    RemovesPrimary {
        /// Where, or its id.
        url: String,
    },
    /// An index table is missing or damaged.
    #[error("the index table {path} cannot be used: {reason}")]
    Table {
        /// Its path.
        path: String,
        /// Why.
        reason: String,
    },
    /// Something could not be encoded.
    #[error("the vault would hold something that its format does not allow")]
    Format(#[from] FormatError),
    /// Something could not be sealed.
    #[error("cannot seal")]
    Seal(#[from] SealError),
    /// Some of a vault that this machine knows, where it has never seen it.
    #[error("{url} shows less of vault {vault} than this machine has seen: an older copy of it, or a part of one")]
    PartialCopy {
        /// Where.
        url: String,
        /// Which vault.
        vault: VaultId,
    },
    /// A roster is more than is read of it where anybody may have made it.
    #[error("the roster at {url} is more than is read of it")]
    TooMuchRead {
        /// Where.
        url: String,
    },
    /// A pack could not be made.
    #[error("cannot make a pack")]
    Pack(#[from] PackError),
    /// The local copy of the index failed.
    #[error(transparent)]
    Index(#[from] IndexError),
    /// Cryptography failed.
    #[error("a cryptographic operation failed")]
    Crypto(#[from] CryptoError),
    /// A collector deleted what this snapshot relies on, again and again.
    #[error("a collection ran at the same time and the snapshot could not be kept; push again")]
    Collected,
    /// A chunk was claimed and never stored; a defect of this program.
    #[error("{0} chunks were claimed and not stored; please report this")]
    Unstored(usize),
}

impl VaultError {
    pub(crate) fn snapshot(text: &str, reason: Unresolved) -> Self {
        Self::Snapshot(match reason {
            Unresolved::None => "the vault has no snapshots yet".into(),
            Unresolved::Unknown => format!("no snapshot has an id that begins with {text}"),
            Unresolved::Ambiguous(ids) => format!("several snapshots begin with {text}: {}", ids.join(", ")),
            Unresolved::Malformed => {
                format!("'{text}' names no snapshot: use latest, latest~1 or the first digits of an id")
            }
            Unresolved::TooFar(count) => format!("'{text}' goes back too far: there are {count} snapshots"),
        })
    }

    /// What kind of trouble this is.
    pub fn trouble(&self) -> Trouble {
        match self {
            Self::Url(_)
            | Self::WhichVault(_)
            | Self::Snapshot(_)
            | Self::UnknownDevice { .. }
            | Self::WhichDevice { .. } => Trouble::Usage,
            Self::WordsNotShown(_) => Trouble::Failed,
            Self::WordsInDoubt(error) => error.trouble(),
            Self::Exists { .. } | Self::Known { .. } | Self::NotEmpty { .. } | Self::Race { .. } => Trouble::Failed,
            Self::Store(StoreError::NotFound { .. }) => Trouble::NoVault,
            Self::Store(error) => error.trouble(),
            Self::NoVault { error: RosterError::OtherVault { .. }, .. } => Trouble::Integrity,
            Self::NoVault { .. } | Self::Suite(_) => Trouble::NoVault,
            Self::Gone { .. } => Trouble::Integrity,
            Self::Away { .. } => Trouble::Storage,
            Self::NoBeginning { .. } => Trouble::Integrity,
            Self::Unlock(error) => match error {
                UnlockError::Roster(RosterError::OtherVault { .. })
                | UnlockError::OtherVault { .. }
                | UnlockError::Withheld { .. } => Trouble::Integrity,
                UnlockError::Roster(_) => Trouble::NoVault,
                UnlockError::Open(_) => Trouble::NotAllowed,
                _ => Trouble::WrongKey,
            },
            Self::Secret(_) | Self::Passphrase(_) | Self::Write(WriteError::Slot(SlotError::Passphrase(_))) => {
                Trouble::WrongKey
            }
            Self::State(StateError::VaultBusy { .. }) => Trouble::Busy,
            Self::State(StateError::UnknownVault { .. } | StateError::Suite { .. }) => Trouble::NoVault,
            Self::Log(error) => error.trouble(),
            Self::RosterRolledBack { .. }
            | Self::Hearsay { .. }
            | Self::RecordWithheld { .. }
            | Self::Table { .. }
            | Self::Unread(_)
            | Self::PartialCopy { .. }
            | Self::TooMuchRead { .. }
            | Self::Behind { .. } => Trouble::Integrity,
            Self::Write(
                WriteError::NotAdmin { .. }
                | WriteError::NotAllowed { .. }
                | WriteError::NeedsRoot { .. }
                | WriteError::IsRoot { .. }
                | WriteError::LastAdmin { .. }
                | WriteError::LastSlot { .. }
                | WriteError::HeadEpoch { .. },
            )
            | Self::NotPrimary { .. } => Trouble::NotAllowed,
            Self::Write(
                WriteError::NotAMember { .. }
                | WriteError::WrongSort { .. }
                | WriteError::NothingNew { .. }
                | WriteError::Name,
            ) => Trouble::Usage,
            Self::UnknownStore { .. } | Self::RemovesPrimary { .. } => Trouble::Usage,
            Self::ForeignDomain { .. } => Trouble::Integrity,
            Self::PushOnly { .. }
            | Self::Open(_)
            | Self::NotAllowed { .. }
            | Self::NoCleanEpoch
            | Self::Features(_)
            | Self::NoEpoch { .. } => Trouble::NotAllowed,
            _ => Trouble::Failed,
        }
    }

    /// What to do about it.
    pub fn hints(&self) -> Vec<String> {
        let hint = match self {
            Self::Url(_) => {
                "a folder is named by its path or file:///path, a bucket as s3://bucket/prefix, gs:// or az://"
            }
            Self::WhichVault(_) => "name it with --url or ZVAULT_URL",
            Self::Exists { .. } => {
                "use it as it is: 'zvault push' asks for its passphrase on a new machine; another one beside it: --random-name"
            }
            Self::Known { .. } => "is the disk mounted? For a new vault at the same place, use another ZVAULT_HOME",
            Self::NotEmpty { .. } => {
                "choose an empty folder or one that does not exist yet, in a bucket an empty prefix; --random-name makes one"
            }
            Self::Suite(_) | Self::NoVault { error: RosterError::Suite { .. }, .. } => {
                "use a build of zvault with this suite"
            }
            Self::Race { .. } => "run 'zvault init' again if the other vault is not the one you want",
            Self::NoVault { error: RosterError::NotAVault, .. } => {
                "make one with 'zvault init', or look at the URL again"
            }
            Self::Gone { .. } => {
                "is the disk mounted, and the URL the right one? If both are so, somebody emptied the storage: look for a copy of it"
            }
            Self::Away { .. } => "is the disk mounted, does the bucket still exist, and is the URL the right one?",
            Self::NoBeginning { .. } => {
                "another store of the vault has that record: 'zvault mirror --from OTHER --to THIS --read-data' puts it right"
            }
            Self::NoVault { error: RosterError::TwoVaults { .. }, .. } => "a passphrase tells which of them is yours",
            Self::RosterRolledBack { .. } => {
                return vec![
                    "somebody rolled back the storage; do not push, and find out who has access to it".into(),
                    "if the record is lost for good: --accept-rollback puts it back, if this device has kept it".into(),
                ];
            }
            Self::Hearsay { .. } | Self::RecordWithheld { .. } => {
                "repeat the command; if this stays, look for a copy of the storage with what is missing, or go on without it: --accept-rollback"
            }
            Self::NoVault { error: RosterError::OtherVault { .. }, .. } => {
                "somebody exchanged or rolled back the storage; do not push, and find out who has access to it"
            }
            Self::NoVault { error: RosterError::NewerFormat { .. }, .. } | Self::Features(_) => "update zvault",
            Self::Unlock(UnlockError::WrongSecret(_)) => {
                "check the keyboard layout and caps lock; the 24 words of the recovery key work as well"
            }
            Self::Unlock(UnlockError::OtherVault { .. }) => "do not restore from this place and do not push to it",
            Self::NoCleanEpoch => {
                "an admin's device must run once: any command that opens the vault, such as 'zvault devices'"
            }
            Self::UnknownDevice { .. } | Self::WhichDevice { .. } => "'zvault devices' lists them with their ids",
            Self::WordsInDoubt(_) => {
                "keep the new words and the old ones; 'zvault snapshots' with either of them shows which the vault takes"
            }
            Self::NoRoot => "'zvault key add' makes another passphrase; a recovery key is made with the vault",
            Self::Open(OpenError::Revoked { .. }) => {
                "somebody who may has ended this device; what it pushed before stays in the vault"
            }
            Self::Write(WriteError::NeedsRoot { .. }) => "run it with the 24 words: --recovery-words-file FILE",
            Self::Write(WriteError::IsRoot { .. }) => "'zvault recovery new' puts another one in its place",
            Self::Write(WriteError::LastAdmin { .. }) => "make another device an admin first: 'zvault devices grant'",
            Self::Write(WriteError::LastSlot { .. }) => "add another one first: 'zvault key add'",
            Self::Write(WriteError::HeadEpoch { .. }) => "run any command on the device of another admin first",
            Self::Write(WriteError::TooManyDevices | WriteError::TooManySlots) => {
                "remove one that is not used any more"
            }
            Self::PushOnly { .. } => {
                "it can push, and list its own snapshots; what is in them opens on a device that may read, or with the passphrase"
            }
            Self::ForeignDomain { .. } => "do not rely on this snapshot, and find out who had access to that device",
            Self::RightsChanged => "run the command again",
            Self::NotPrimary { id, .. } => {
                return vec![
                    "name the primary first in zvault.toml; nothing can be pushed to another store".into(),
                    format!("if it is the primary under another URL, say so there: id = \"{id}\""),
                    "to make this one the primary: 'zvault stores primary', on an admin's device".into(),
                ];
            }
            Self::Behind { .. } => {
                "copy it from the primary with 'zvault mirror'; if the primary is lost for good: --accept-loss"
            }
            Self::UnknownStore { .. } => {
                "'zvault stores' lists those of the vault, and 'zvault stores add URL' adds one"
            }
            Self::RemovesPrimary { .. } => "make another store the primary first: 'zvault stores primary URL'",
            Self::Write(WriteError::NotAdmin { .. }) => {
                "run it on the device that made the vault, or with the 24 words"
            }
            Self::Table { .. } => "'zvault check' tells which snapshots suffer",
            Self::Unread(_) => "repeat the command; if this stays, 'zvault check' names what is damaged",
            Self::Store(error) => return error.hints(),
            Self::Log(error) => return error.hints(),
            _ => return Vec::new(),
        };
        vec![hint.into()]
    }
}

fn entries(count: usize) -> String {
    if count == 1 { "an entry of a log".into() } else { format!("{count} entries of logs") }
}
