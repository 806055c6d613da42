//! New roster records.

mod author;
mod epoch;
mod grant;
mod revoke;
mod settings;
mod slots;

pub use author::Author;
pub use epoch::Merged;
pub(super) use grant::as_name;
pub use revoke::Revoked;
pub use slots::{SlotOptions, Slotted};

use super::{
    graph::name_of,
    state::{OpenError, Rank, ReaderKeys, Roster, RosterError, StoreId},
};
use crate::{
    keys::{
        DeviceKeys, EpochKeys, KeyPairs, NewSlot, Passphrase, SlotError, Words,
        boxes::{self, Private},
        seal_slot,
    },
    stage::SealError,
};
use crypto_backends::{CryptoError, Key, PasswordParams, Provider};
use vault_format::{
    FormatError, Header, Mode, ObjectName, ObjectType,
    entry::Time,
    genesis::{Genesis, vault_id_input},
    ids::{DeviceId, Domain, EpochId, VaultId},
    roster::{Capabilities, Op, PrivatePart, Record, Slot, record_unsigned},
};

/// A record that is ready to be stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewRecord {
    /// Its name, with the hash of its bytes.
    pub name: ObjectName,
    /// Everything, signature included.
    pub bytes: Vec<u8>,
}

/// What a new vault starts with.
pub struct FoundingOptions<'a> {
    /// Opens the vault on any machine.
    pub passphrase: &'a Passphrase,
    /// The cost of every guess at it.
    pub password_params: PasswordParams,
    /// Permits parameters below the usual floor, for machines that cannot afford it.
    pub low_memory: bool,
    /// Whether to make a recovery key of 24 words. With it the words outrank every device; without it the passphrase does.
    pub words: bool,
    /// What the first device is called.
    pub device_name: &'a str,
    /// Where the vault is.
    pub store_url: &'a str,
    /// What sort of store that is, for programs.
    pub store_kind: u8,
    /// What the store was seen to do (SPEC section 11.2); 0: it was not tried.
    pub store_verdict: u32,
    /// What time it is, claimed to everybody.
    pub time: Time,
}

/// A vault that exists as soon as its record is stored.
pub struct Founded {
    /// Record 0.
    pub record: NewRecord,
    /// The vault.
    pub vault: VaultId,
    /// The first device: an admin.
    pub device: DeviceKeys,
    /// The roster with record 0 in it.
    pub roster: Roster,
    /// What the first device opens.
    pub keys: ReaderKeys,
    /// To be shown once.
    pub words: Option<Words>,
}

/// A device to be added.
pub struct EnrollOptions<'a> {
    /// What it is called.
    pub name: &'a str,
    /// What it may do: among [`Roster::may_grant`] of the signer.
    pub capabilities: Capabilities,
    /// What time it is, claimed to everybody.
    pub time: Time,
}

/// A device that is a member as soon as the record is stored.
pub struct Enrolled {
    /// Adds it.
    pub record: NewRecord,
    /// Its keys.
    pub device: DeviceKeys,
}

/// Makes a vault.
pub fn found(provider: &'static Provider, options: &FoundingOptions<'_>) -> Result<Founded, WriteError> {
    let founder = KeyPairs::generate(provider)?;
    let passphrase = KeyPairs::generate(provider)?;
    let words =
        if options.words { Some((KeyPairs::generate(provider)?, Words::generate(provider.random)?)) } else { None };
    let root = words.as_ref().map_or(&passphrase, |(pairs, _)| pairs).verify_key.clone();
    let genesis = Genesis {
        suite: provider.suite,
        random: random(provider)?,
        founder: founder.verify_key.clone(),
        root: Some(root),
    }
    .encode();
    let vault = VaultId(provider.hash.hash(&[&vault_id_input(&genesis)]));

    let device = founder.bind(provider, vault)?;
    let device_name = grant::as_name(options.device_name);
    let mut members = vec![Member::new(device.duplicate(), Capabilities::ALL, &device_name, None)];
    let passphrase = passphrase.bind(provider, vault)?;
    let new = NewSlot::Passphrase {
        passphrase: options.passphrase,
        params: options.password_params,
        low_memory: options.low_memory,
    };
    let slot = seal_slot(provider, new, &passphrase, &genesis, &[])?;
    let by_passphrase = if options.words { PASSPHRASE } else { Capabilities::ALL };
    members.push(Member::new(passphrase, by_passphrase, "passphrase", Some(slot)));
    let words = match words {
        None => None,
        Some((pairs, words)) => {
            let keys = pairs.bind(provider, vault)?;
            let slot = seal_slot(provider, NewSlot::Words(&words), &keys, &genesis, &[])?;
            members.push(Member::new(keys, Capabilities::ALL, "recovery key", Some(slot)));
            Some(words)
        }
    };

    let epoch = EpochKeys::new(provider, EpochId(random(provider)?), Key::random(provider.random)?);
    let domain_root = Key::random(provider.random)?;
    let store = random(provider)?;
    let mut ops: Vec<Op> = members.iter().map(Member::add).collect();
    ops.push(Op::Store { id: store, kind: options.store_kind, primary: true, verdict: options.store_verdict });
    let seal_box =
        |member: &Member| boxes::seal_reader_box(provider, vault, &member.keys.recipient(), &epoch, &domain_root);
    let private = Private(PrivatePart {
        devices: members.iter().map(Member::secret).collect(),
        stores: vec![(store, options.store_url.to_owned())],
    });
    let record = Record {
        genesis: Some(genesis),
        time: options.time,
        parents: Vec::new(),
        n: 0,
        ops,
        epoch: Some(boxes::seal_epoch(provider, vault, &epoch, &[])?),
        boxes: members.iter().map(seal_box).collect::<Result<_, _>>()?,
        private: Some(boxes::seal_private(provider, vault, &epoch, &private.0)?),
    };
    let record = sign(provider, &device, &record)?;
    // Whatever is wrong with it shows now, and not when the vault is needed.
    let roster = Roster::build(provider, &[(record.name, record.bytes.clone())], Some(vault))?;
    let keys = roster.open_as(provider, &device)?;
    Ok(Founded { record, vault, device, roster, keys, words })
}

/// Adds a device that runs where its sponsor runs: a fresh machine that was opened with passphrase or words.
pub fn enroll(
    provider: &'static Provider,
    roster: &Roster,
    keys: &ReaderKeys,
    signer: &DeviceKeys,
    options: &EnrollOptions<'_>,
) -> Result<Enrolled, WriteError> {
    check_writable(roster)?;
    let allowed = roster.may_grant(signer.id);
    if !allowed.contains(options.capabilities) || options.capabilities == Capabilities::NONE {
        return Err(WriteError::NotAllowed { signer: signer.id, asked: options.capabilities, allowed });
    }
    check_room(roster, 1)?;
    let device = DeviceKeys::generate(provider, roster.vault)?;
    let name = grant::as_name(options.name);
    let member = Member::new(device.duplicate(), options.capabilities, &name, None);
    // One history does not hold the epochs of another branch, so the device gets every head that the signer has.
    let heads: Vec<&EpochKeys> =
        roster.epochs.iter().filter(|epoch| epoch.is_head).filter_map(|epoch| keys.epochs.get(&epoch.id)).collect();
    let newest = keys.current_epoch().or(heads.last().copied()).ok_or(WriteError::NoEpoch)?;
    let push_only = options.capabilities.is_push_only();
    let seal = if push_only { boxes::seal_pusher_box } else { boxes::seal_reader_box };
    let seal_box = |epoch: &&EpochKeys| seal(provider, roster.vault, &device.recipient(), epoch, &keys.domain_root);
    let private = Private(PrivatePart { devices: vec![member.secret()], stores: Vec::new() });
    let (parents, n) = roster.next_place(signer.id);
    let record = Record {
        genesis: None,
        time: options.time,
        parents,
        n,
        ops: vec![member.add()],
        epoch: None,
        boxes: heads.iter().map(seal_box).collect::<Result<_, _>>()?,
        private: Some(boxes::seal_private(provider, roster.vault, newest, &private.0)?),
    };
    Ok(Enrolled { record: sign(provider, signer, &record)?, device })
}

/// What the roster is to say of a store.
pub enum StoreChange {
    /// That it is one, or is so from now on.
    Is {
        /// The store.
        id: StoreId,
        /// What sort of store it is, for programs.
        kind: u8,
        /// Its lists decide. Ends that of every other store.
        primary: bool,
        /// What was found out about it.
        verdict: u32,
        /// Where it is, if that is new.
        url: Option<String>,
    },
    /// That it is none any more.
    Removed(StoreId),
}

/// Adds and removes stores, or changes what the roster says of them: an admin's business.
pub fn change_stores(
    provider: &'static Provider,
    roster: &Roster,
    keys: &ReaderKeys,
    signer: &DeviceKeys,
    changes: &[StoreChange],
    time: Time,
) -> Result<NewRecord, WriteError> {
    check_writable(roster)?;
    let member = roster.devices.get(&signer.id).filter(|device| device.is_member());
    if member.is_none_or(|device| device.rank < Rank::Admin) {
        return Err(WriteError::NotAdmin { signer: signer.id });
    }
    let newest = keys.current_epoch().ok_or(WriteError::NoEpoch)?;
    let op = |change: &StoreChange| match *change {
        StoreChange::Is { id, kind, primary, verdict, .. } => Op::Store { id, kind, primary, verdict },
        StoreChange::Removed(id) => Op::RemoveStore { id },
    };
    let url = |change: &StoreChange| match change {
        StoreChange::Is { id, url, .. } => Some((*id, url.clone()?)),
        StoreChange::Removed(_) => None,
    };
    let mut stores: Vec<_> = changes.iter().filter_map(url).collect();
    stores.sort();
    let private = match stores.is_empty() {
        true => None,
        false => {
            let private = Private(PrivatePart { devices: Vec::new(), stores });
            Some(boxes::seal_private(provider, roster.vault, newest, &private.0)?)
        }
    };
    let (parents, n) = roster.next_place(signer.id);
    let record = Record {
        genesis: None,
        time,
        parents,
        n,
        ops: changes.iter().map(op).collect(),
        epoch: None,
        boxes: Vec::new(),
        private,
    };
    sign(provider, signer, &record)
}

/// The id of a fresh store.
pub fn new_store_id(provider: &Provider) -> Result<StoreId, WriteError> {
    Ok(random(provider)?)
}

/// Why a record was not made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WriteError {
    /// The signer may not do this.
    #[error("device {signer} may hand on {}, and was asked for {}", capability_names(*allowed), capability_names(*asked))]
    NotAllowed {
        /// Who was to sign.
        signer: DeviceId,
        /// What was asked for.
        asked: Capabilities,
        /// What it may hand on.
        allowed: Capabilities,
    },
    /// Only an admin may do this.
    #[error("device {signer:.8} is no admin of the vault")]
    NotAdmin {
        /// Who was to sign.
        signer: DeviceId,
    },
    /// Only root, the holder of the 24 words, may do this.
    #[error("device {device:.8} is an admin, and only the recovery key reaches admins")]
    NeedsRoot {
        /// Who was to be reached.
        device: DeviceId,
    },
    /// Root is replaced, and never just removed.
    #[error("device {device:.8} is the vault's recovery key: it can be replaced and not removed")]
    IsRoot {
        /// The virtual device.
        device: DeviceId,
    },
    /// Nobody would be left to change the roster.
    #[error("device {device:.8} is the last one that may change the vault's devices")]
    LastAdmin {
        /// The device.
        device: DeviceId,
    },
    /// Nothing but devices would open the vault.
    #[error("{device:.8} is the only passphrase or recovery key of the vault")]
    LastSlot {
        /// The virtual device.
        device: DeviceId,
    },
    /// Nobody added the device, or somebody revoked it.
    #[error("device {device:.8} is no member of the vault")]
    NotAMember {
        /// The device.
        device: DeviceId,
    },
    /// A passphrase or recovery key is no machine, and a machine is no passphrase.
    #[error("{device:.8} is {}", if *is_slot { "a passphrase or recovery key, and no machine" } else { "no passphrase or recovery key" })]
    WrongSort {
        /// The device.
        device: DeviceId,
        /// What it is.
        is_slot: bool,
    },
    /// The change would change nothing.
    #[error("device {device:.8} has this already")]
    NothingNew {
        /// The device.
        device: DeviceId,
    },
    /// Who added the device kept to itself what its boxes are sealed with.
    #[error("nothing can be sealed to device {device:.8}: whoever added it did not say how")]
    NoSecret {
        /// The device.
        device: DeviceId,
    },
    /// Not what a person can read.
    #[error(
        "a device's name has 1 to {NAME} bytes, none of them a control character, and is not one that could be an id, all digits and a to f"
    )]
    Name,
    /// A record that starts an epoch must hold a box for everyone.
    #[error("a vault has at most {MEMBERS} devices, passphrases and recovery keys together")]
    TooManyDevices,
    /// No more of them would be tried when the vault is opened.
    #[error("a vault has at most {} passphrases", vault_format::limits::SLOTS_TRIED)]
    TooManySlots,
    /// The signed record does not count where it is read.
    #[error("the record would not have the effect it was made for; please report this")]
    NoEffect,
    /// The roster has operations or features that this version does not know.
    #[error("the vault uses features of a newer version and is read-only for this one: update zvault")]
    ReadOnly,
    /// Another admin started an epoch beside this one's device.
    #[error("device {signer:.8} lacks the keys of an epoch that was started beside it")]
    HeadEpoch {
        /// Who was to sign.
        signer: DeviceId,
    },
    /// The signer opens no epoch.
    #[error("the signing device has no keys of the vault's newest epoch")]
    NoEpoch,
    /// A slot was not made.
    #[error("cannot make the slot")]
    Slot(#[from] SlotError),
    /// A field is too long, or the record is.
    #[error("the record does not fit the format")]
    Format(#[from] FormatError),
    /// No randomness, or a malformed key.
    #[error(transparent)]
    Crypto(#[from] CryptoError),
    /// Sealing failed.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// The new record does not verify.
    #[error("the new record does not verify: this machine computes wrongly")]
    Roster(#[from] RosterError),
    /// Its own signer cannot open what it leads to.
    #[error("the new record does not open: this machine computes wrongly")]
    Open(#[from] OpenError),
}

/// A device on its way into a record.
struct Member<'a> {
    keys: DeviceKeys,
    capabilities: Capabilities,
    name: &'a str,
    slot: Option<Slot>,
}

impl<'a> Member<'a> {
    fn new(keys: DeviceKeys, capabilities: Capabilities, name: &'a str, slot: Option<Slot>) -> Self {
        Self { keys, capabilities, name, slot }
    }

    fn add(&self) -> Op {
        Op::Add {
            id: self.keys.id,
            verify_key: self.keys.verify_key.clone(),
            kem_key: self.keys.kem_key.clone(),
            capabilities: self.capabilities,
            slot: self.slot.clone(),
            handshake: None,
        }
    }

    fn secret(&self) -> (DeviceId, [u8; 32], String) {
        (self.keys.id, *self.keys.w.expose(), self.name.to_owned())
    }
}

/// Encodes, pads, signs and names a record.
pub(crate) fn sign(provider: &Provider, signer: &DeviceKeys, record: &Record) -> Result<NewRecord, WriteError> {
    let header = Header {
        suite: provider.suite,
        object_type: ObjectType::Roster,
        mode: Mode::Clear,
        vault: signer.vault,
        epoch: EpochId::NONE,
        domain: Domain::SHARED,
        writer: signer.id,
        salt: random(provider)?,
    };
    let mut bytes = record_unsigned(&header, &record.encode(provider.suite)?);
    let signature = signer.sign_stored(provider, ObjectType::Roster, &bytes)?;
    bytes.extend_from_slice(&signature);
    let name = name_of(record.n, provider.hash.hash(&[&bytes]));
    Ok(NewRecord { name, bytes })
}

pub(super) fn check_writable(roster: &Roster) -> Result<(), WriteError> {
    // This version has no features to know.
    if roster.has_unknown_operations || !roster.features.read.is_empty() || !roster.features.write.is_empty() {
        return Err(WriteError::ReadOnly);
    }
    Ok(())
}

/// Whether so many more members fit into the records that start epochs (SPEC section 12).
pub(super) fn check_room(roster: &Roster, more: usize) -> Result<(), WriteError> {
    if roster.members().count() + more > MEMBERS { Err(WriteError::TooManyDevices) } else { Ok(()) }
}

fn random<const N: usize>(provider: &Provider) -> Result<[u8; N], CryptoError> {
    let mut bytes = [0; N];
    provider.random.fill(&mut bytes)?;
    Ok(bytes)
}

/// What a person calls them: `read, push`.
pub fn capability_names(capabilities: Capabilities) -> String {
    let all = [
        (Capabilities::READ, "read"),
        (Capabilities::PUSH, "push"),
        (Capabilities::PRUNE, "prune"),
        (Capabilities::ADMIN, "admin"),
        (Capabilities::PAIR, "pair"),
    ];
    let held: Vec<_> = all.iter().filter(|(c, _)| capabilities.contains(*c)).map(|(_, name)| *name).collect();
    if held.is_empty() { "nothing".into() } else { held.join(", ") }
}

/// Members of a vault (SPEC section 12): a box is 1.3 KB, and all of them go into one record.
const MEMBERS: usize = vault_format::limits::MEMBERS;
/// Bytes of a device's name.
const NAME: usize = vault_format::roster::DEVICE_NAME;
/// What a passphrase may do where a recovery key is root: enrol machines, and no more (SPEC section 11.4). It holds push because a
/// device hands on only what it has.
const PASSPHRASE: Capabilities = Capabilities::READ.union(Capabilities::PUSH).union(Capabilities::PAIR);
