//! Roster records and what is sealed inside of them (SPEC sections 11.2 and 11.4).

use crate::blob;
use crate::cbor::{Reader, Writer};
use crate::entry::Time;
use crate::error::FormatError;
use crate::fields::{device, identity, not_empty, read_time, required, write_identities, write_time};
use crate::genesis::GENESIS_MAX;
use crate::header::{HEADER_LEN, Header, ObjectType};
use crate::ids::{DeviceId, EpochId, Identity, VaultId};
use crate::limits;
use crate::read::{self, put_lp};
use crate::signed::{clear_body, clear_object, signed_len};
use crate::suite::Suite;
use std::ops::{BitOr, Range};

/// A stored roster record, taken apart. Ranges are into the stored bytes.
///
/// ```text
/// header (writer: the signer) | body_len u32 | body | zeros | signature
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordObject {
    /// The first 120 bytes.
    pub header: Header,
    /// The body.
    pub body: Range<usize>,
    /// Bytes before the signature; their hash is the record's identity.
    pub signed_len: usize,
    /// The signature: the rest.
    pub signature: Range<usize>,
}

/// What a record says: a CBOR map.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// In record 0 only: the genesis, verbatim.
    pub genesis: Option<Vec<u8>>,
    /// When the signer says it was; trusted by nobody.
    pub time: Time,
    /// Identities of the records that this one follows: a set, empty in record 0 only.
    pub parents: Vec<Identity>,
    /// 1 + the greatest of the parents'; 0 in record 0.
    pub n: u32,
    /// In the order in which they apply.
    pub ops: Vec<Op>,
    /// A new epoch.
    pub epoch: Option<EpochPart>,
    /// Secrets of epochs for devices, ascending by (epoch, device, pusher).
    pub boxes: Vec<BoxPart>,
    /// The epoch whose key seals it, and `salt | blob`.
    pub private: Option<(EpochId, Vec<u8>)>,
}

/// One operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Op {
    /// Adds a device.
    Add {
        /// The hash of its keys.
        id: DeviceId,
        /// Of the suite's length.
        verify_key: Vec<u8>,
        /// Of the suite's length.
        kem_key: Vec<u8>,
        /// What it may do.
        capabilities: Capabilities,
        /// For a virtual device: how a passphrase or words open its keys.
        slot: Option<Slot>,
        /// The hash of the pairing's handshake.
        handshake: Option<[u8; 32]>,
    },
    /// Adds capabilities to a device.
    Grant {
        /// The device.
        id: DeviceId,
        /// What it may do from now on, too.
        capabilities: Capabilities,
    },
    /// Ends a device, for ever.
    Revoke {
        /// The device.
        id: DeviceId,
        /// The last entry of its log that counts.
        last: Option<Identity>,
    },
    /// Describes a store.
    Store {
        /// Random.
        id: [u8; 16],
        /// What sort of store: a registry that only programs read.
        kind: u8,
        /// The store whose lists decide.
        primary: bool,
        /// What `init` found out about it: bits.
        verdict: u32,
    },
    /// Features that a program must know: unions, which only grow.
    Flags {
        /// To read.
        read: Vec<String>,
        /// To write.
        write: Vec<String>,
        /// To collect.
        prune: Vec<String>,
    },
    /// Another root, signed by root.
    NewRoot {
        /// Of the suite's length.
        verify_key: Vec<u8>,
    },
    /// A value of the whole vault.
    Setting {
        /// Printable ASCII.
        key: String,
        /// As the key says.
        value: Vec<u8>,
    },
    /// Takes a store off the list, unless it is the primary then.
    RemoveStore {
        /// Which one.
        id: [u8; 16],
    },
    /// An operation of a newer version: leaves the vault read-only for this one.
    Unknown {
        /// Its number.
        code: u64,
        /// The whole operation, as CBOR.
        bytes: Vec<u8>,
    },
}

/// What a device may do: bits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Capabilities(u8);

/// How a passphrase or words open the keys of a virtual device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slot {
    /// From passphrase to key.
    pub kdf: SlotKdf,
    /// Random.
    pub salt: [u8; 32],
    /// `SLOT_BLOB` bytes; a [`SlotPlain`] is inside.
    pub blob: Vec<u8>,
}

/// The key derivation of a slot. Whether the parameters are bearable is for the reader to check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SlotKdf {
    /// Argon2id v1.3 (RFC 9106).
    Argon2id {
        /// Memory in KiB.
        m_kib: u32,
        /// Passes.
        t: u32,
        /// Lanes.
        p: u32,
    },
    /// PBKDF2-HMAC-SHA-256 (SP 800-132).
    Pbkdf2 {
        /// Rounds.
        rounds: u32,
    },
    /// None: the 24 words are a key.
    Words,
    /// One of a newer version: the slot opens nothing here.
    Unknown {
        /// Its number.
        id: u8,
        /// Its parameters.
        parameters: Vec<u64>,
    },
}

/// A new epoch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EpochPart {
    /// Random.
    pub id: EpochId,
    /// The KEM key that push-only devices seal packs to, of the suite's length.
    pub public: Vec<u8>,
    /// Blob of the other half.
    pub secret_blob: Vec<u8>,
    /// Blob of the secrets of all earlier epochs, if there are any.
    pub history: Option<Vec<u8>>,
}

/// The secrets of an epoch for one device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BoxPart {
    /// The epoch.
    pub epoch: EpochId,
    /// The device.
    pub device: DeviceId,
    /// For a push-only device.
    pub pusher: bool,
    /// `KEM ciphertext | blob`.
    pub bytes: Vec<u8>,
}

/// What only readers see of a record: the plaintext of its private part. Holds secrets.
#[derive(Default)]
pub struct PrivatePart {
    /// Device, its secret `W`, its name; a set by device.
    pub devices: Vec<(DeviceId, [u8; 32], String)>,
    /// Store, its URL; a set by store.
    pub stores: Vec<([u8; 16], String)>,
}

/// The plaintext of a slot. Holds secrets: the caller wipes them.
///
/// ```text
/// vault_id 32 | lp(genesis) | head_count u8 | roster heads 32... | W 32 | lp(signing secret) | lp(KEM secret)
/// ```
pub struct SlotPlain {
    /// The vault that the slot opens; nothing else is accepted through it.
    pub vault: VaultId,
    /// The bytes that `vault` is the hash of.
    pub genesis: Vec<u8>,
    /// Heads of the roster when the slot was made: a set.
    pub heads: Vec<Identity>,
    /// The virtual device's secret.
    pub w: [u8; 32],
    /// Its signing keys.
    pub signing_secret: Vec<u8>,
    /// Its KEM key.
    pub kem_secret: Vec<u8>,
}

/// A record without its signature: `body` is an encoded [`Record`].
pub fn record_unsigned(header: &Header, body: &[u8]) -> Vec<u8> {
    clear_object(header.encode().to_vec(), body, header.suite.signature_len())
}

impl RecordObject {
    /// Takes a stored record apart. Neither the signature is verified, nor the size's class.
    pub fn parse(stored: &[u8]) -> Result<Self, FormatError> {
        const WHAT: &str = "roster record";
        read::at_most(stored.len(), limits::RECORD_STORED, WHAT)?;
        let header = Header::parse(stored)?;
        if header.object_type != ObjectType::Roster {
            return Err(FormatError::Mismatch { field: "object type" });
        }
        let signed_len = signed_len(stored, header.suite, WHAT)?;
        let body = clear_body(&stored[..signed_len], HEADER_LEN, limits::RECORD_BODY, WHAT)?;
        Ok(Self { header, body, signed_len, signature: signed_len..stored.len() })
    }
}

impl Record {
    /// The bytes. Refuses what `parse` would refuse.
    pub fn encode(&self, suite: Suite) -> Result<Vec<u8>, FormatError> {
        let mut writer = Writer::new();
        writer.map(|map| {
            if let Some(genesis) = &self.genesis {
                map.field(0, |w| w.bytes(genesis));
            }
            map.field(1, |w| write_time(w, self.time));
            map.field(2, |w| write_identities(w, &self.parents));
            map.field(4, |w| w.uint(self.n));
            if !self.ops.is_empty() {
                map.field(6, |w| w.list(&self.ops, |w, op| op.write(w)));
            }
            if let Some(epoch) = &self.epoch {
                map.field(8, |w| epoch.write(w));
            }
            if !self.boxes.is_empty() {
                let mut boxes: Vec<_> = self.boxes.iter().collect();
                boxes.sort_by_key(|part| part.place());
                map.field(10, |w| w.list(boxes, |w, part| part.write(w)));
            }
            if let Some((epoch, field)) = &self.private {
                map.field(12, |w| {
                    w.array(2);
                    w.bytes(&epoch.0);
                    w.bytes(field);
                });
            }
        });
        let bytes = writer.finish();
        Self::parse(&bytes, suite)?;
        Ok(bytes)
    }

    /// Reads all of `bytes`.
    pub fn parse(bytes: &[u8], suite: Suite) -> Result<Self, FormatError> {
        const WHAT: &str = "body of a roster record";
        read::at_most(bytes.len(), limits::RECORD_BODY, WHAT)?;
        let mut reader = Reader::new(bytes);
        let (mut genesis, mut time, mut parents, mut n) = (None, None, None, None);
        let (mut ops, mut epoch, mut boxes, mut private) = (Vec::new(), None, Vec::new(), None);
        reader.map(WHAT, |r, key| {
            match key {
                0 => genesis = Some(r.bytes("genesis", GENESIS_MAX)?.to_vec()),
                1 => time = Some(read_time(r)?),
                2 => {
                    let parent = |r: &mut Reader| identity(r, "parents");
                    parents = Some(r.ascending("parents", limits::RECORD_PARENTS, parent)?);
                }
                4 => n = Some(r.u32("number of a record")?),
                6 => {
                    let op = |r: &mut Reader| Op::read(r, suite);
                    ops = not_empty(r.list("operations", limits::RECORD_OPERATIONS, op)?)?;
                }
                8 => epoch = Some(EpochPart::read(r, suite)?),
                10 => boxes = not_empty(read_boxes(r, suite)?)?,
                12 => {
                    private = Some(r.tuple("private part", 2, |r| {
                        let epoch = EpochId(r.array_of("epoch id")?);
                        let field = r.bytes("private part", limits::RECORD_BODY)?;
                        blob::split_private(suite, field)?;
                        Ok((epoch, field.to_vec()))
                    })?);
                }
                _ => r.unknown(WHAT, key)?,
            }
            Ok(())
        })?;
        reader.end(WHAT)?;
        let record = Self {
            genesis,
            time: required(time, "time of a record")?,
            parents: required(parents, "parents")?,
            n: required(n, "number of a record")?,
            ops,
            epoch,
            boxes,
            private,
        };
        let first = record.n == 0;
        if record.genesis.is_some() != first {
            return Err(FormatError::Invalid { what: "genesis of a record" });
        }
        if record.parents.is_empty() != first {
            return Err(FormatError::Invalid { what: "parents" });
        }
        Ok(record)
    }
}

impl Op {
    fn write(&self, w: &mut Writer) {
        match self {
            Self::Add { id, verify_key, kem_key, capabilities, slot, handshake } => {
                w.array(7);
                w.uint(ADD);
                w.bytes(&id.0);
                w.bytes(verify_key);
                w.bytes(kem_key);
                w.uint(capabilities.0);
                match slot {
                    Some(slot) => slot.write(w),
                    None => w.null(),
                }
                w.bytes_or_null(handshake.as_ref().map(AsRef::as_ref));
            }
            Self::Grant { id, capabilities } => {
                w.array(3);
                w.uint(GRANT);
                w.bytes(&id.0);
                w.uint(capabilities.0);
            }
            Self::Revoke { id, last } => {
                w.array(3);
                w.uint(REVOKE);
                w.bytes(&id.0);
                w.bytes_or_null(last.as_ref().map(AsRef::as_ref));
            }
            Self::Store { id, kind, primary, verdict } => {
                w.array(5);
                w.uint(STORE);
                w.bytes(id);
                w.uint(*kind);
                w.uint(*primary);
                w.uint(*verdict);
            }
            Self::Flags { read, write, prune } => {
                w.array(4);
                w.uint(FLAGS);
                for names in [read, write, prune] {
                    w.set(names, |w, name| w.text(name));
                }
            }
            Self::NewRoot { verify_key } => {
                w.array(2);
                w.uint(NEW_ROOT);
                w.bytes(verify_key);
            }
            Self::Setting { key, value } => {
                w.array(3);
                w.uint(SETTING);
                w.text(key);
                w.bytes(value);
            }
            Self::RemoveStore { id } => {
                w.array(2);
                w.uint(REMOVE_STORE);
                w.bytes(id);
            }
            Self::Unknown { bytes, .. } => w.raw(bytes),
        }
    }

    fn read(r: &mut Reader, suite: Suite) -> Result<Self, FormatError> {
        const WHAT: &str = "operation";
        let code = r.variant(WHAT)?;
        Ok(match code {
            ADD => r.tuple(WHAT, 7, |r| {
                r.u64(WHAT)?;
                Ok(Self::Add {
                    id: device(r)?,
                    verify_key: verify_key(r, suite)?,
                    kem_key: r.bytes_of("KEM key", suite.kem_public_len())?.to_vec(),
                    capabilities: Capabilities::read(r)?,
                    slot: r.nullable(Slot::read)?,
                    handshake: r.nullable(|r| r.array_of("hash of the handshake"))?,
                })
            })?,
            GRANT => r.tuple(WHAT, 3, |r| {
                r.u64(WHAT)?;
                Ok(Self::Grant { id: device(r)?, capabilities: Capabilities::read(r)? })
            })?,
            REVOKE => r.tuple(WHAT, 3, |r| {
                r.u64(WHAT)?;
                Ok(Self::Revoke { id: device(r)?, last: r.nullable(|r| identity(r, "last adopted identity"))? })
            })?,
            STORE => r.tuple(WHAT, 5, |r| {
                r.u64(WHAT)?;
                Ok(Self::Store {
                    id: r.array_of("store id")?,
                    kind: r.u8("store kind")?,
                    primary: r.flag("primary")?,
                    verdict: r.u32("store verdict")?,
                })
            })?,
            FLAGS => r.tuple(WHAT, 4, |r| {
                r.u64(WHAT)?;
                Ok(Self::Flags { read: read_flags(r)?, write: read_flags(r)?, prune: read_flags(r)? })
            })?,
            NEW_ROOT => r.tuple(WHAT, 2, |r| {
                r.u64(WHAT)?;
                Ok(Self::NewRoot { verify_key: verify_key(r, suite)? })
            })?,
            SETTING => r.tuple(WHAT, 3, |r| {
                r.u64(WHAT)?;
                Ok(Self::Setting { key: ascii(r, "setting")?, value: r.bytes("setting", SETTING_VALUE)?.to_vec() })
            })?,
            REMOVE_STORE => r.tuple(WHAT, 2, |r| {
                r.u64(WHAT)?;
                Ok(Self::RemoveStore { id: r.array_of("store id")? })
            })?,
            code => Self::Unknown { code, bytes: r.raw(WHAT)?.to_vec() },
        })
    }
}

impl Capabilities {
    /// Nothing.
    pub const NONE: Self = Self(0);
    /// Open everything.
    pub const READ: Self = Self(1);
    /// Write snapshots.
    pub const PUSH: Self = Self(2);
    /// Forget and collect. Implies `READ`.
    pub const PRUNE: Self = Self(4);
    /// Change the roster. Implies `READ`.
    pub const ADMIN: Self = Self(8);
    /// Add devices. Implies `READ`.
    pub const PAIR: Self = Self(16);
    /// All of them.
    pub const ALL: Self = Self(31);

    /// The capabilities of these bits. Refuses bits that this version does not know, and any that implies `READ` without it.
    pub fn from_bits(bits: u8) -> Result<Self, FormatError> {
        const WHAT: &str = "capabilities";
        if bits & !Self::ALL.0 != 0 {
            return Err(FormatError::NewerFormat { field: WHAT, value: u64::from(bits) });
        }
        let needs_read = (Self::PRUNE | Self::ADMIN | Self::PAIR).0;
        if bits & needs_read != 0 && bits & Self::READ.0 == 0 {
            return Err(FormatError::Invalid { what: WHAT });
        }
        Ok(Self(bits))
    }

    /// The bits.
    pub const fn bits(self) -> u8 {
        self.0
    }

    /// Whether all of `other` are among these.
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// These and `other`.
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether the device may push and not read.
    pub const fn is_push_only(self) -> bool {
        !self.contains(Self::READ)
    }

    fn read(r: &mut Reader) -> Result<Self, FormatError> {
        Self::from_bits(r.u8("capabilities")?)
    }
}

impl BitOr for Capabilities {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        self.union(other)
    }
}

impl Slot {
    fn write(&self, w: &mut Writer) {
        w.array(4);
        self.kdf.write(w);
        w.bytes(&self.salt);
        w.bytes(&self.blob);
    }

    fn read(r: &mut Reader) -> Result<Self, FormatError> {
        r.tuple("slot", 4, |r| {
            Ok(Self {
                kdf: SlotKdf::read(r)?,
                salt: r.array_of("salt of a slot")?,
                blob: r.bytes_of("blob of a slot", limits::SLOT_BLOB)?.to_vec(),
            })
        })
    }
}

impl SlotKdf {
    /// Number and array of parameters: two values.
    pub(crate) fn write(&self, w: &mut Writer) {
        let (id, parameters) = match self {
            Self::Argon2id { m_kib, t, p } => (ARGON2ID, [*m_kib, *t, *p].map(u64::from).to_vec()),
            Self::Pbkdf2 { rounds } => (PBKDF2, vec![u64::from(*rounds)]),
            Self::Words => (WORDS, Vec::new()),
            Self::Unknown { id, parameters } => (*id, parameters.clone()),
        };
        w.uint(id);
        w.list(parameters, |w, parameter| w.uint(parameter));
    }

    fn read(r: &mut Reader) -> Result<Self, FormatError> {
        const WHAT: &str = "key derivation of a slot";
        let id = r.u8(WHAT)?;
        Ok(match id {
            ARGON2ID => {
                r.tuple(WHAT, 3, |r| Ok(Self::Argon2id { m_kib: r.u32(WHAT)?, t: r.u32(WHAT)?, p: r.u32(WHAT)? }))?
            }
            PBKDF2 => r.tuple(WHAT, 1, |r| Ok(Self::Pbkdf2 { rounds: r.u32(WHAT)? }))?,
            WORDS => r.tuple(WHAT, 0, |_| Ok(Self::Words))?,
            id => Self::Unknown { id, parameters: r.list(WHAT, KDF_PARAMETERS, |r| r.u64(WHAT))? },
        })
    }
}

impl EpochPart {
    fn write(&self, w: &mut Writer) {
        w.map(|map| {
            map.field(0, |w| w.bytes(&self.id.0));
            map.field(2, |w| w.bytes(&self.public));
            map.field(4, |w| w.bytes(&self.secret_blob));
            if let Some(history) = &self.history {
                map.field(6, |w| w.bytes(history));
            }
        });
    }

    fn read(r: &mut Reader, suite: Suite) -> Result<Self, FormatError> {
        const WHAT: &str = "epoch";
        let (mut id, mut public, mut secret_blob, mut history) = (None, None, None, None);
        r.map(WHAT, |r, key| {
            match key {
                0 => id = Some(EpochId(r.array_of("epoch id")?)),
                2 => {
                    let key = r.bytes_of("KEM key of an epoch", suite.kem_public_len())?;
                    public = Some(key.to_vec());
                }
                4 => secret_blob = Some(read_blob(r, suite)?),
                6 => history = Some(read_blob(r, suite)?),
                _ => r.unknown(WHAT, key)?,
            }
            Ok(())
        })?;
        Ok(Self {
            id: required(id, "epoch id")?,
            public: required(public, "KEM key of an epoch")?,
            secret_blob: required(secret_blob, "secret of an epoch")?,
            history,
        })
    }
}

impl BoxPart {
    fn place(&self) -> (EpochId, DeviceId, bool) {
        (self.epoch, self.device, self.pusher)
    }

    fn write(&self, w: &mut Writer) {
        w.array(4);
        w.bytes(&self.epoch.0);
        w.bytes(&self.device.0);
        w.uint(if self.pusher { PUSHER_BOX } else { READER_BOX });
        w.bytes(&self.bytes);
    }

    fn read(r: &mut Reader, suite: Suite) -> Result<Self, FormatError> {
        r.tuple("box", 4, |r| {
            let epoch = EpochId(r.array_of("epoch id")?);
            let device = device(r)?;
            let pusher = match r.u64("kind of a box")? {
                READER_BOX => false,
                PUSHER_BOX => true,
                value => {
                    return Err(FormatError::NewerFormat { field: "kind of a box", value });
                }
            };
            let bytes = r.bytes("box", limits::RECORD_BODY)?;
            blob::split_box(suite, bytes)?;
            Ok(Self { epoch, device, pusher, bytes: bytes.to_vec() })
        })
    }
}

impl PrivatePart {
    /// The bytes. Refuses what `parse` would refuse.
    pub fn encode(&self) -> Result<Vec<u8>, FormatError> {
        let mut devices: Vec<_> = self.devices.iter().collect();
        devices.sort_by_key(|(id, ..)| *id);
        let mut stores: Vec<_> = self.stores.iter().collect();
        stores.sort_by_key(|(id, _)| *id);
        ascending(devices.iter().map(|(id, ..)| *id), "devices")?;
        ascending(stores.iter().map(|(id, _)| *id), "stores")?;
        for (_, _, name) in &devices {
            read::at_most(name.len(), DEVICE_NAME, "name of a device")?;
        }
        for (_, url) in &stores {
            read::at_most(url.len(), STORE_URL, "URL of a store")?;
        }
        let mut writer = Writer::new();
        writer.map(|map| {
            if !devices.is_empty() {
                map.field(0, |w| {
                    w.list(devices, |w, (id, secret, name)| {
                        w.array(3);
                        w.bytes(&id.0);
                        w.bytes(secret);
                        w.text(name);
                    });
                });
            }
            if !stores.is_empty() {
                map.field(2, |w| {
                    w.list(stores, |w, (id, url)| {
                        w.array(2);
                        w.bytes(id);
                        w.text(url);
                    });
                });
            }
        });
        Ok(writer.finish())
    }

    /// Reads all of `bytes`.
    pub fn parse(bytes: &[u8]) -> Result<Self, FormatError> {
        const WHAT: &str = "private part";
        read::at_most(bytes.len(), limits::RECORD_BODY, WHAT)?;
        let mut reader = Reader::new(bytes);
        let mut part = Self::default();
        reader.map(WHAT, |r, key| {
            match key {
                0 => {
                    part.devices = not_empty(r.list("devices", usize::MAX, |r| {
                        r.tuple("device", 3, |r| {
                            let id = device(r)?;
                            let secret = r.array_of("secret of a device")?;
                            let name = r.text("name of a device", DEVICE_NAME)?;
                            Ok((id, secret, name.to_owned()))
                        })
                    })?)?;
                }
                2 => {
                    part.stores = not_empty(r.list("stores", usize::MAX, |r| {
                        r.tuple("store", 2, |r| {
                            let id = r.array_of("store id")?;
                            Ok((id, r.text("URL of a store", STORE_URL)?.to_owned()))
                        })
                    })?)?;
                }
                _ => r.unknown(WHAT, key)?,
            }
            Ok(())
        })?;
        reader.end(WHAT)?;
        ascending(part.devices.iter().map(|(id, ..)| *id), "devices")?;
        ascending(part.stores.iter().map(|(id, _)| *id), "stores")?;
        Ok(part)
    }
}

impl SlotPlain {
    /// The bytes: the body of a slot's text, which zeros follow up to [`blob::slot_text_len`].
    pub fn encode(&self, suite: Suite) -> Result<Vec<u8>, FormatError> {
        let mut heads = self.heads.clone();
        heads.sort_unstable();
        check_heads(&heads)?;
        read::at_most(self.genesis.len(), GENESIS_MAX, "genesis")?;
        // Reserved whole: a buffer that grows leaves copies of secrets behind.
        let mut out = Vec::with_capacity(limits::SLOT_BLOB);
        out.extend_from_slice(&self.vault.0);
        put_lp(&mut out, &self.genesis);
        out.push(heads.len() as u8);
        out.extend(heads.iter().flat_map(|head| head.0));
        let secrets = self.w.len() + self.signing_secret.len() + self.kem_secret.len() + 2 * LP_HEAD;
        read::at_most(out.len() + secrets, slot_plain_max(suite), "slot")?;
        out.extend_from_slice(&self.w);
        put_lp(&mut out, &self.signing_secret);
        put_lp(&mut out, &self.kem_secret);
        Ok(out)
    }

    /// Reads all of `bytes`.
    pub fn parse(bytes: &[u8]) -> Result<Self, FormatError> {
        const WHAT: &str = "slot";
        let mut reader = read::Reader::new(bytes);
        let vault = VaultId(reader.array(WHAT)?);
        let genesis = reader.lp(GENESIS_MAX, "genesis")?.to_vec();
        let count = reader.u8(WHAT)?;
        let heads = (0..count).map(|_| reader.array(WHAT).map(Identity)).collect::<Result<Vec<_>, _>>()?;
        check_heads(&heads)?;
        let w = reader.array(WHAT)?;
        let signing_secret = reader.lp(limits::SLOT_BLOB, "signing secret")?.to_vec();
        let kem_secret = reader.lp(limits::SLOT_BLOB, "KEM secret")?.to_vec();
        reader.end(WHAT)?;
        Ok(Self { vault, genesis, heads, w, signing_secret, kem_secret })
    }
}

/// Bytes of the longest slot plaintext that fits.
pub const fn slot_plain_max(suite: Suite) -> usize {
    blob::slot_text_len(suite) - crate::frame::TEXT_HEAD
}

fn check_heads(heads: &[Identity]) -> Result<(), FormatError> {
    read::at_most(heads.len(), limits::RECORD_PARENTS, "roster heads")?;
    ascending(heads.iter(), "roster heads")
}

fn ascending<T: PartialOrd>(items: impl Iterator<Item = T>, what: &'static str) -> Result<(), FormatError> {
    if items.is_sorted_by(|a, b| a < b) { Ok(()) } else { Err(FormatError::Order { what }) }
}

fn verify_key(r: &mut Reader, suite: Suite) -> Result<Vec<u8>, FormatError> {
    r.bytes_of("verification key", suite.public_key_len()).map(<[u8]>::to_vec)
}

fn read_blob(r: &mut Reader, suite: Suite) -> Result<Vec<u8>, FormatError> {
    let bytes = r.bytes("blob", limits::RECORD_BODY)?;
    blob::Blob::split(suite, bytes)?;
    Ok(bytes.to_vec())
}

fn read_boxes(r: &mut Reader, suite: Suite) -> Result<Vec<BoxPart>, FormatError> {
    let boxes = r.list("boxes", usize::MAX, |r| BoxPart::read(r, suite))?;
    ascending(boxes.iter().map(BoxPart::place), "boxes")?;
    Ok(boxes)
}

fn read_flags(r: &mut Reader) -> Result<Vec<String>, FormatError> {
    r.ascending("feature flags", FEATURES, |r| ascii(r, "feature flag"))
}

/// A name of printable ASCII without spaces.
fn ascii(r: &mut Reader, what: &'static str) -> Result<String, FormatError> {
    let text = r.text(what, ASCII_NAME)?;
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(FormatError::Invalid { what });
    }
    Ok(text.to_owned())
}

/// Bytes of a device's name.
pub const DEVICE_NAME: usize = 255;
/// Bytes of a store's URL.
pub const STORE_URL: usize = 4096;
/// Names in each of the three sets of feature flags of an operation.
pub const FEATURES: usize = 256;
/// Bytes of a feature's name or of a setting's key.
pub const ASCII_NAME: usize = 64;
/// Bytes of a setting's value.
pub const SETTING_VALUE: usize = 4096;

/// Parameters of a key derivation that this version does not know.
const KDF_PARAMETERS: usize = 8;
/// Bytes of the longest length before a secret.
const LP_HEAD: usize = 2;
const ADD: u64 = 1;
const GRANT: u64 = 2;
const REVOKE: u64 = 3;
const STORE: u64 = 4;
const FLAGS: u64 = 5;
const NEW_ROOT: u64 = 6;
const SETTING: u64 = 7;
const REMOVE_STORE: u64 = 9;
const ARGON2ID: u8 = 1;
const PBKDF2: u8 = 2;
const WORDS: u8 = 3;
const READER_BOX: u64 = blob::BlobType::ReaderBox as u64;
const PUSHER_BOX: u64 = blob::BlobType::PusherBox as u64;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::Domain;
    use crate::{Mode, sizes};
    use proptest::collection::{btree_map, btree_set, vec};
    use proptest::option;
    use proptest::prelude::*;

    const SUITE: Suite = Suite::Default;

    fn capabilities() -> impl Strategy<Value = Capabilities> {
        (0..32u8).prop_map(|bits| Capabilities::from_bits(bits).unwrap_or(Capabilities::ALL))
    }

    fn slots() -> impl Strategy<Value = Slot> {
        let kdf = prop_oneof![
            any::<[u32; 3]>().prop_map(|[m_kib, t, p]| SlotKdf::Argon2id { m_kib, t, p }),
            any::<u32>().prop_map(|rounds| SlotKdf::Pbkdf2 { rounds }),
            Just(SlotKdf::Words),
            (4..=255u8, vec(any::<u64>(), 0..=8)).prop_map(|(id, parameters)| SlotKdf::Unknown { id, parameters }),
        ];
        (kdf, any::<[u8; 32]>(), any::<u8>()).prop_map(|(kdf, salt, byte)| Slot {
            kdf,
            salt,
            blob: vec![byte; limits::SLOT_BLOB],
        })
    }

    fn ops() -> impl Strategy<Value = Op> {
        let device = || any::<[u8; 16]>().prop_map(DeviceId);
        let names = || btree_set("[!-~]{1,64}", 0..4).prop_map(|set| set.into_iter().collect::<Vec<_>>());
        prop_oneof![
            (device(), any::<u8>(), capabilities(), option::of(slots()), option::of(any::<[u8; 32]>())).prop_map(
                |(id, byte, capabilities, slot, handshake)| Op::Add {
                    id,
                    verify_key: vec![byte; SUITE.public_key_len()],
                    kem_key: vec![!byte; SUITE.kem_public_len()],
                    capabilities,
                    slot,
                    handshake,
                }
            ),
            (device(), capabilities()).prop_map(|(id, capabilities)| Op::Grant { id, capabilities }),
            (device(), option::of(any::<[u8; 32]>().prop_map(Identity))).prop_map(|(id, last)| Op::Revoke { id, last }),
            (any::<[u8; 16]>(), any::<u8>(), any::<bool>(), any::<u32>())
                .prop_map(|(id, kind, primary, verdict)| Op::Store { id, kind, primary, verdict }),
            (names(), names(), names()).prop_map(|(read, write, prune)| Op::Flags { read, write, prune }),
            any::<u8>().prop_map(|byte| Op::NewRoot { verify_key: vec![byte; SUITE.public_key_len()] }),
            ("[!-~]{1,64}", vec(any::<u8>(), 0..20)).prop_map(|(key, value)| Op::Setting { key, value }),
            any::<[u8; 16]>().prop_map(|id| Op::RemoveStore { id }),
            (REMOVE_STORE + 1..u64::MAX).prop_map(|code| {
                let mut w = Writer::new();
                w.array(2);
                w.uint(code);
                w.text("of a newer version");
                Op::Unknown { code, bytes: w.finish() }
            }),
        ]
    }

    fn records() -> impl Strategy<Value = Record> {
        let blob = || vec(any::<u8>(), blob::min_len(SUITE)..200);
        let field = vec(any::<u8>(), 32 + blob::min_len(SUITE)..300);
        let epoch = (any::<[u8; 16]>(), any::<u8>(), blob(), option::of(blob())).prop_map(
            |(id, byte, secret_blob, history)| EpochPart {
                id: EpochId(id),
                public: vec![byte; SUITE.kem_public_len()],
                secret_blob,
                history,
            },
        );
        let boxes = btree_map((any::<[u8; 16]>(), any::<[u8; 16]>(), any::<bool>()), blob(), 0..3).prop_map(|boxes| {
            boxes
                .into_iter()
                .map(|((epoch, device, pusher), blob)| BoxPart {
                    epoch: EpochId(epoch),
                    device: DeviceId(device),
                    pusher,
                    bytes: [vec![7; SUITE.kem_ct_len()], blob].concat(),
                })
                .collect()
        });
        let parents = btree_set(any::<[u8; 32]>().prop_map(Identity), 0..=16);
        let private = option::of((any::<[u8; 16]>().prop_map(EpochId), field));
        (any::<i64>(), parents, 1..u32::MAX, vec(ops(), 0..4), option::of(epoch), boxes, private).prop_map(
            |(secs, parents, n, ops, epoch, boxes, private)| Record {
                genesis: parents.is_empty().then(|| b"a genesis".to_vec()),
                time: Time { secs, nanos: 1 },
                n: if parents.is_empty() { 0 } else { n },
                parents: parents.into_iter().collect(),
                ops,
                epoch,
                boxes,
                private,
            },
        )
    }

    fn slot_plain(heads: usize) -> SlotPlain {
        SlotPlain {
            vault: VaultId([1; 32]),
            genesis: vec![2; GENESIS_MAX],
            heads: (0..heads).rev().map(|n| Identity([n as u8; 32])).collect(),
            w: [3; 32],
            signing_secret: vec![4; 64],
            kem_secret: vec![5; 96],
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn records_round_trip(record in records()) {
            let bytes = record.encode(SUITE).expect("a good record");
            prop_assert_eq!(Record::parse(&bytes, SUITE), Ok(record));
        }

        #[test]
        fn records_have_one_encoding(record in records(), at: prop::sample::Index, byte: u8) {
            let mut bytes = record.encode(SUITE).expect("a good record");
            let at = at.index(bytes.len());
            prop_assume!(bytes[at] != byte);
            bytes[at] = byte;
            if let Ok(other) = Record::parse(&bytes, SUITE) {
                prop_assert_ne!(&other, &record);
            }
        }

        #[test]
        fn private_parts_round_trip(
            devices in btree_map(any::<[u8; 16]>(), (any::<[u8; 32]>(), ".{0,9}"), 0..4),
            stores in btree_map(any::<[u8; 16]>(), ".{0,9}", 0..4),
        ) {
            let part = PrivatePart {
                devices: devices.into_iter().rev().map(|(id, (w, name))| (DeviceId(id), w, name)).collect(),
                stores: stores.into_iter().rev().collect(),
            };
            let bytes = part.encode().expect("a good part");
            let mut again = PrivatePart::parse(&bytes).expect("a good part");
            again.devices.reverse();
            again.stores.reverse();
            prop_assert!(again.devices == part.devices && again.stores == part.stores);
        }

        #[test]
        fn arbitrary_bytes_never_panic(bytes: Vec<u8>) {
            let _ = Record::parse(&bytes, SUITE);
            let _ = RecordObject::parse(&bytes);
            let _ = PrivatePart::parse(&bytes);
            let _ = SlotPlain::parse(&bytes);
        }
    }

    #[test]
    fn the_largest_slot_fits_its_blob_in_every_suite() {
        for suite in [Suite::Default, Suite::Fips] {
            let bytes = slot_plain(16).encode(suite).expect("a slot that fits");
            let plain = SlotPlain::parse(&bytes).expect("a slot");
            assert!(plain.heads.is_sorted() && plain.heads.len() == 16);
            assert!(plain.signing_secret == [4; 64] && plain.kem_secret == [5; 96] && plain.w == [3; 32]);
            assert!(plain.genesis.len() == GENESIS_MAX && plain.vault == VaultId([1; 32]));
        }
        assert!(slot_plain(17).encode(SUITE).is_err());
        let large = SlotPlain { kem_secret: vec![5; 4096], ..slot_plain(0) };
        assert!(large.encode(SUITE).is_err());
    }

    #[test]
    fn capabilities_imply_read() {
        let all = Capabilities::ALL;
        assert!(all.contains(Capabilities::PAIR) && !all.is_push_only());
        assert!(Capabilities::PUSH.is_push_only() && !Capabilities::PUSH.contains(Capabilities::READ));
        assert_eq!(Capabilities::READ | Capabilities::PUSH, Capabilities::from_bits(3).expect("known bits"));
        for lone in [Capabilities::PRUNE, Capabilities::ADMIN, Capabilities::PAIR] {
            assert!(Capabilities::from_bits(lone.bits()).is_err());
            assert!(Capabilities::from_bits((lone | Capabilities::READ).bits()).is_ok());
        }
    }

    #[test]
    fn records_are_stored_in_a_size_class() {
        let header = Header {
            suite: SUITE,
            object_type: ObjectType::Roster,
            mode: Mode::Clear,
            vault: VaultId([1; 32]),
            epoch: EpochId::NONE,
            domain: Domain::SHARED,
            writer: DeviceId([3; 16]),
            salt: [4; 32],
        };
        let mut stored = record_unsigned(&header, b"body");
        let signed = stored.len();
        stored.resize(signed + SUITE.signature_len(), 9);
        assert!(sizes::is_class(stored.len()));
        let object = RecordObject::parse(&stored).expect("a record");
        assert_eq!((object.header, object.signed_len), (header, signed));
        assert_eq!(&stored[object.body], b"body");
        assert!(matches!(RecordObject::parse(&vec![0; limits::RECORD_STORED + 1]), Err(FormatError::Limit { .. })));
    }
}
