//! The first bytes of a vault, whose hash is its name (SPEC section 11.1).

use crate::error::FormatError;
use crate::ids::VaultId;
use crate::read::{Reader, at_most, put_lp};
use crate::suite::Suite;

/// What a vault is made of before anything is sealed. Record 0 of the roster carries it verbatim.
///
/// ```text
/// "ZVGN" | major u8 | suite u8 | reserved 2 | random 32 | founder's verification key | has_root u8 | [root verification key]
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Genesis {
    /// The suite, for the life of the vault.
    pub suite: Suite,
    /// Makes the vault id unique.
    pub random: [u8; 32],
    /// The verification key of the first device, of the suite's length.
    pub founder: Vec<u8>,
    /// The verification key that outranks every admin, of the suite's length: that of the 24 words.
    pub root: Option<Vec<u8>>,
}

impl Genesis {
    /// The bytes. Keys that have not the suite's length give bytes that nobody accepts.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(GENESIS_MAX);
        out.extend_from_slice(MAGIC);
        out.extend([MAJOR, self.suite.byte(), 0, 0]);
        out.extend_from_slice(&self.random);
        out.extend_from_slice(&self.founder);
        out.push(u8::from(self.root.is_some()));
        out.extend_from_slice(self.root.as_deref().unwrap_or_default());
        out
    }

    /// Reads all of `bytes`.
    pub fn parse(bytes: &[u8]) -> Result<Self, FormatError> {
        const WHAT: &str = "genesis";
        at_most(bytes.len(), GENESIS_MAX, WHAT)?;
        let mut reader = Reader::new(bytes);
        if &reader.array(WHAT)? != MAGIC {
            return Err(FormatError::Invalid { what: "magic of the genesis" });
        }
        let newer = |field, value: u8| FormatError::NewerFormat { field, value: u64::from(value) };
        let [major, suite, reserved @ ..] = reader.array::<4>(WHAT)?;
        if major != MAJOR {
            return Err(newer("major of the genesis", major));
        }
        let suite = Suite::from_byte(suite).ok_or(newer("suite of the genesis", suite))?;
        if let Some(byte) = reserved.into_iter().find(|byte| *byte != 0) {
            return Err(newer("reserved byte of the genesis", byte));
        }
        let random = reader.array(WHAT)?;
        let founder = reader.take(suite.public_key_len(), WHAT)?.to_vec();
        let root = match reader.u8(WHAT)? {
            0 => None,
            1 => Some(reader.take(suite.public_key_len(), WHAT)?.to_vec()),
            other => return Err(newer("has_root of the genesis", other)),
        };
        reader.end(WHAT)?;
        Ok(Self { suite, random, founder, root })
    }
}

/// What `H` turns into the vault id.
pub fn vault_id_input(genesis: &[u8]) -> Vec<u8> {
    [b"zvault v1 genesis", genesis].concat()
}

/// What `H` turns into a device id, of which it is the first 16 bytes.
pub fn device_id_input(vault: &VaultId, verify_key: &[u8], kem_key: &[u8]) -> Vec<u8> {
    let mut out = b"zvault v1 device".to_vec();
    out.extend_from_slice(&vault.0);
    put_lp(&mut out, verify_key);
    put_lp(&mut out, kem_key);
    out
}

/// Bytes of the longest genesis: with a root key.
pub const GENESIS_MAX: usize = 4 + 4 + 32 + 2 * Suite::Default.public_key_len() + 1;
const MAGIC: &[u8; 4] = b"ZVGN";
const MAJOR: u8 = 1;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn round_trip(random: [u8; 32], byte: u8, has_root: bool, fips: bool) {
            let suite = if fips { Suite::Fips } else { Suite::Default };
            let founder = vec![byte; suite.public_key_len()];
            let root = has_root.then(|| vec![!byte; suite.public_key_len()]);
            let genesis = Genesis { suite, random, founder, root };
            let bytes = genesis.encode();
            prop_assert_eq!(Genesis::parse(&bytes), Ok(genesis));
            prop_assert!(Genesis::parse(&bytes[..bytes.len() - 1]).is_err());
        }

        #[test]
        fn arbitrary_bytes_never_panic(bytes: Vec<u8>) {
            let _ = Genesis::parse(&[&b"ZVGN\x01\x01\0\0"[..], &bytes].concat());
        }
    }

    #[test]
    fn ids_bind_the_vault_and_both_keys() {
        assert_eq!(vault_id_input(b"g"), b"zvault v1 genesisg");
        let input = device_id_input(&VaultId([7; 32]), b"vk", b"kem");
        assert_eq!(input, [&b"zvault v1 device"[..], &[7; 32], b"\x02vk\x03kem"].concat());
    }
}
