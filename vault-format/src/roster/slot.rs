//! Slots: how a passphrase or words open the keys of a virtual device, and what is sealed inside of one.

use super::ascending;
use crate::blob;
use crate::cbor::{Reader, Writer};
use crate::error::FormatError;
use crate::genesis::GENESIS_MAX;
use crate::ids::{Identity, VaultId};
use crate::limits;
use crate::read::{self, put_lp};
use crate::suite::Suite;

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

impl Slot {
    pub(super) fn write(&self, w: &mut Writer) {
        w.array(4);
        self.kdf.write(w);
        w.bytes(&self.salt);
        w.bytes(&self.blob);
    }

    pub(super) fn read(r: &mut Reader) -> Result<Self, FormatError> {
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

/// Parameters of a key derivation that this version does not know.
const KDF_PARAMETERS: usize = 8;
/// Bytes of the longest length before a secret.
const LP_HEAD: usize = 2;

const ARGON2ID: u8 = 1;
const PBKDF2: u8 = 2;
const WORDS: u8 = 3;

#[cfg(test)]
mod tests {
    use super::*;

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

    #[test]
    fn the_largest_slot_fits_its_blob_in_every_suite() {
        for suite in [Suite::Default, Suite::Fips] {
            let bytes = slot_plain(16).encode(suite).expect("a slot that fits");
            let plain = SlotPlain::parse(&bytes).expect("a slot");
            assert!(plain.heads.is_sorted() && plain.heads.len() == 16);
            assert!(plain.signing_secret == [4; 64] && plain.kem_secret == [5; 96] && plain.w == [3; 32]);
            assert!(plain.genesis.len() == GENESIS_MAX && plain.vault == VaultId([1; 32]));
        }
        assert!(slot_plain(17).encode(Suite::Default).is_err());
        let large = SlotPlain { kem_secret: vec![5; 4096], ..slot_plain(0) };
        assert!(large.encode(Suite::Default).is_err());
    }
}
