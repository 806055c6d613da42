//! The clear header of every sealed object (SPEC section 5.1).

use crate::error::FormatError;
use crate::ids::{DeviceId, Domain, EpochId, VaultId};
use crate::read::Reader;
use crate::suite::Suite;

/// What an object is; each type has a prefix of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum ObjectType {
    /// Segments of file chunks.
    DataPack = 1,
    /// Segments of manifest and list nodes.
    TreePack = 2,
    /// Where the chunks of one push are.
    Delta = 3,
    /// Merged deltas.
    Shard = 4,
    /// An entry of a device's log.
    Entry = 5,
    /// A record of the roster.
    Roster = 6,
    /// A message of a pairing.
    Mail = 7,
    /// A part of a checkpoint.
    Checkpoint = 8,
}

/// How an object is sealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Mode {
    /// Under a symmetric key of the epoch.
    Symmetric = 1,
    /// To the epoch's KEM key: the writer cannot open it later. The KEM ciphertext follows the header.
    Sealed = 2,
    /// Not at all.
    Clear = 3,
}

/// The first 120 bytes of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// The vault's suite.
    pub suite: Suite,
    /// What the object is.
    pub object_type: ObjectType,
    /// How it is sealed.
    pub mode: Mode,
    /// The vault it belongs to.
    pub vault: VaultId,
    /// The epoch whose keys seal it; `EpochId::NONE` in roster records.
    pub epoch: EpochId,
    /// The devices that share the chunk ids in it.
    pub domain: Domain,
    /// The device that wrote it.
    pub writer: DeviceId,
    /// Random: makes the object's key its own.
    pub salt: [u8; 32],
}

/// What the place where an object was found demands. `None`: any.
#[derive(Clone, Copy, Debug)]
pub struct Expected {
    /// The genesis' suite.
    pub suite: Suite,
    /// The type of the prefix.
    pub object_type: ObjectType,
    /// The genesis' hash.
    pub vault: VaultId,
    /// The device of the path; roster records and mail have none there.
    pub writer: Option<DeviceId>,
    /// The domain that the reader looks in.
    pub domain: Option<Domain>,
    /// The mode, where type and domain do not say it already.
    pub mode: Option<Mode>,
}

impl Header {
    /// The bytes.
    pub fn encode(&self) -> [u8; HEADER_LEN] {
        let mut out = [0; HEADER_LEN];
        out[..4].copy_from_slice(MAGIC);
        out[4] = MAJOR;
        out[5] = self.suite.byte();
        out[6] = self.object_type as u8;
        out[7] = self.mode as u8;
        out[8..40].copy_from_slice(&self.vault.0);
        out[40..56].copy_from_slice(&self.epoch.0);
        out[56..72].copy_from_slice(&self.domain.0);
        out[72..88].copy_from_slice(&self.writer.0);
        out[88..].copy_from_slice(&self.salt);
        out
    }

    /// Reads the start of an object; what follows the 120 bytes is not looked at.
    pub fn parse(object: &[u8]) -> Result<Self, FormatError> {
        const WHAT: &str = "header";
        let mut reader = Reader::new(object);
        if &reader.array(WHAT)? != MAGIC {
            return Err(FormatError::Invalid { what: "magic" });
        }
        let newer = |field, value: u8| FormatError::NewerFormat { field, value: u64::from(value) };
        let [major, suite, object_type, mode] = reader.array(WHAT)?;
        if major != MAJOR {
            return Err(newer("major", major));
        }
        let header = Self {
            suite: Suite::from_byte(suite).ok_or(newer("suite", suite))?,
            object_type: ObjectType::from_byte(object_type).ok_or(newer("object type", object_type))?,
            mode: Mode::from_byte(mode).ok_or(newer("mode", mode))?,
            vault: VaultId(reader.array(WHAT)?),
            epoch: EpochId(reader.array(WHAT)?),
            domain: Domain(reader.array(WHAT)?),
            writer: DeviceId(reader.array(WHAT)?),
            salt: reader.array(WHAT)?,
        };
        header.check()?;
        Ok(header)
    }

    /// Bytes of the header with the KEM ciphertext of mode 2; the chain part of a log entry is not counted.
    pub fn sealed_len(&self) -> usize {
        HEADER_LEN + if self.mode == Mode::Sealed { self.suite.kem_ct_len() } else { 0 }
    }

    /// Refuses an object that is not what its place demands.
    pub fn expect(&self, expected: &Expected) -> Result<(), FormatError> {
        let Expected { suite, object_type, vault, writer, domain, mode } = *expected;
        let checks = [
            ("suite", self.suite == suite),
            ("object type", self.object_type == object_type),
            ("vault id", self.vault == vault),
            ("writer", writer.is_none_or(|writer| self.writer == writer)),
            ("domain", domain.is_none_or(|domain| self.domain == domain)),
            ("mode", mode.is_none_or(|mode| self.mode == mode)),
        ];
        match checks.iter().find(|(_, fits)| !fits) {
            Some((field, _)) => Err(FormatError::Mismatch { field }),
            None => Ok(()),
        }
    }

    /// Mode, epoch and domain that cannot go with the type.
    fn check(&self) -> Result<(), FormatError> {
        let mode_fits = match self.object_type {
            ObjectType::DataPack | ObjectType::TreePack => {
                self.mode == if self.domain.is_shared() { Mode::Symmetric } else { Mode::Sealed }
            }
            ObjectType::Delta | ObjectType::Shard => self.mode == Mode::Symmetric,
            // For readers alone, and those write it.
            ObjectType::Checkpoint => self.mode == Mode::Symmetric && self.domain.is_shared(),
            ObjectType::Entry => self.mode != Mode::Sealed,
            ObjectType::Roster | ObjectType::Mail => self.mode == Mode::Clear,
        };
        if !mode_fits {
            return Err(FormatError::Invalid { what: "mode of this type and domain" });
        }
        if self.object_type == ObjectType::Roster && !(self.epoch == EpochId::NONE && self.domain.is_shared()) {
            return Err(FormatError::Invalid { what: "epoch or domain of a roster record" });
        }
        Ok(())
    }
}

impl ObjectType {
    /// The type of a header byte, if this version knows it.
    pub const fn from_byte(byte: u8) -> Option<Self> {
        Some(match byte {
            1 => Self::DataPack,
            2 => Self::TreePack,
            3 => Self::Delta,
            4 => Self::Shard,
            5 => Self::Entry,
            6 => Self::Roster,
            7 => Self::Mail,
            8 => Self::Checkpoint,
            _ => return None,
        })
    }
}

impl Mode {
    /// The mode of a header byte, if this version knows it.
    pub const fn from_byte(byte: u8) -> Option<Self> {
        Some(match byte {
            1 => Self::Symmetric,
            2 => Self::Sealed,
            3 => Self::Clear,
            _ => return None,
        })
    }
}

/// Bytes of a header without KEM ciphertext and chain part.
pub const HEADER_LEN: usize = 120;
/// Where the suite stands in every header: what tells it before anything is known of a vault.
pub const SUITE_AT: usize = 5;
/// Bytes of the commitment after the header.
pub const COMMIT_LEN: usize = 32;
/// The first bytes of every object.
pub const MAGIC: &[u8; 4] = b"ZVLT";
/// The version of this format.
pub const MAJOR: u8 = 1;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn expect_names_the_field() {
        let header = header(3, 1, Suite::Default, Domain::SHARED, [7; 16]);
        let fits = Expected {
            suite: header.suite,
            object_type: header.object_type,
            vault: header.vault,
            writer: Some(header.writer),
            domain: Some(header.domain),
            mode: Some(header.mode),
        };
        assert_eq!(header.expect(&fits), Ok(()));
        assert_eq!(header.expect(&Expected { writer: None, domain: None, mode: None, ..fits }), Ok(()));
        for (field, other) in [
            ("suite", Expected { suite: Suite::Fips, ..fits }),
            ("object type", Expected { object_type: ObjectType::Shard, ..fits }),
            ("vault id", Expected { vault: VaultId([0; 32]), ..fits }),
            ("writer", Expected { writer: Some(DeviceId([0; 16])), ..fits }),
            ("domain", Expected { domain: Some(Domain([1; 16])), ..fits }),
            ("mode", Expected { mode: Some(Mode::Clear), ..fits }),
        ] {
            assert_eq!(header.expect(&other), Err(FormatError::Mismatch { field }));
        }
    }

    fn header(object_type: u8, mode: u8, suite: Suite, domain: Domain, epoch: [u8; 16]) -> Header {
        Header {
            suite,
            object_type: ObjectType::from_byte(object_type).expect("a type"),
            mode: Mode::from_byte(mode).expect("a mode"),
            vault: VaultId([1; 32]),
            epoch: EpochId(epoch),
            domain,
            writer: DeviceId([3; 16]),
            salt: [4; 32],
        }
    }

    proptest! {
        /// Whatever parses is written back the same, and what `check` refuses does not parse.
        #[test]
        fn round_trip(object_type in 1..=7u8, mode in 1..=3u8, fips: bool, shared: bool, epoch in proptest::array::uniform16(0..2u8)) {
            let suite = if fips { Suite::Fips } else { Suite::Default };
            let domain = if shared { Domain::SHARED } else { Domain([9; 16]) };
            let header = header(object_type, mode, suite, domain, epoch);
            prop_assert_eq!(Header::parse(&header.encode()), header.check().map(|()| header));
        }

        #[test]
        fn any_bytes_are_safe(bytes in proptest::collection::vec(any::<u8>(), 0..130)) {
            let _ = Header::parse(&bytes);
        }
    }
}
