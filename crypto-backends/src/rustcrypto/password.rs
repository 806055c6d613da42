//! Argon2id version 1.3 (RFC 9106).
use argon2::{Algorithm, Argon2, Block, Params, Version};
use zeroize::Zeroize;

use crate::Key;
use crate::contract::{PasswordKdf, PasswordParams};
use crate::error::CryptoError;
use crate::memory;
use crate::passphrase::{lowered, within};

pub(crate) struct Argon2id;

impl PasswordKdf for Argon2id {
    fn derive(&self, params: &PasswordParams, salt: &[u8], passphrase: &[u8]) -> Result<Key, CryptoError> {
        self.check_open(params)?;
        let (m_kib, t, p) = argon2id(params)?;
        if salt.len() < argon2::MIN_SALT_LEN {
            return Err(CryptoError::Length { what: "salt", expected: "8 or more", actual: salt.len() });
        }
        if !PASSPHRASE_LEN.contains(&passphrase.len()) {
            return Err(CryptoError::Length { what: "passphrase", expected: "1 to 1024", actual: passphrase.len() });
        }
        let malformed = |_| CryptoError::Malformed("set of passphrase parameters");
        let params = Params::new(m_kib, t, p, Some(KEY_LEN)).map_err(malformed)?;
        let mut blocks = Blocks::new(params.block_count())?;
        let mut key = Key::zeroed();
        Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
            .hash_password_into_with_memory(passphrase, salt, key.expose_mut(), &mut blocks)
            .map_err(malformed)?;
        Ok(key)
    }

    /// RFC 9106 section 4 recommends 64 MiB with 3 passes where memory is scarce and more where it is not.
    /// A slot must still open on the smaller machine that replaces this one, hence the modest top.
    fn fit(&self, memory_bytes: u64) -> PasswordParams {
        let m_kib = match memory_bytes {
            ..EIGHT_GIB => CREATE.m_kib,
            EIGHT_GIB..SIXTEEN_GIB => 2 * CREATE.m_kib,
            SIXTEEN_GIB.. => 4 * CREATE.m_kib,
        };
        lowest().unwrap_or(Floor { m_kib, t: CREATE.t }).params()
    }

    fn fit_low_memory(&self) -> PasswordParams {
        lowest().unwrap_or(LOW_MEMORY).params()
    }

    fn check_create(&self, params: &PasswordParams) -> Result<(), CryptoError> {
        check(params, lowest().unwrap_or(CREATE))
    }

    fn check_create_low_memory(&self, params: &PasswordParams) -> Result<(), CryptoError> {
        check(params, lowest().unwrap_or(LOW_MEMORY))
    }

    fn check_open(&self, params: &PasswordParams) -> Result<(), CryptoError> {
        check(params, lowest().unwrap_or(LOW_MEMORY))?;
        let (m_kib, ..) = argon2id(params)?;
        match memory::available() {
            Some(available) => check_memory(m_kib, available),
            // Where the system does not say, the allocation is the check.
            None => Ok(()),
        }
    }
}

fn argon2id(params: &PasswordParams) -> Result<(u32, u32, u32), CryptoError> {
    match *params {
        PasswordParams::Argon2id { m_kib, t, p } => Ok((m_kib, t, p)),
        PasswordParams::Pbkdf2 { .. } => Err(CryptoError::ForeignPasswordKdf("PBKDF2")),
    }
}

fn check(params: &PasswordParams, floor: Floor) -> Result<(), CryptoError> {
    let (m_kib, t, p) = argon2id(params)?;
    within("memory in KiB", m_kib, floor.m_kib, M_KIB_MAX)?;
    within("number of passes", t, floor.t, T_MAX)?;
    within("number of lanes", p, LANES, LANES)
}

fn check_memory(m_kib: u32, available: u64) -> Result<(), CryptoError> {
    let needed = u64::from(m_kib) * 1024;
    if needed > available {
        return Err(CryptoError::Memory { needed, available });
    }
    Ok(())
}

/// The least that a slot may cost, with [`LANES`] lanes.
#[derive(Clone, Copy)]
struct Floor {
    m_kib: u32,
    t: u32,
}

impl Floor {
    fn params(self) -> PasswordParams {
        PasswordParams::Argon2id { m_kib: self.m_kib, t: self.t, p: LANES }
    }
}

fn lowest() -> Option<Floor> {
    lowered().then_some(Floor { m_kib: 64, t: 1 })
}

/// Argon2's memory: an error where there is none, and wiped afterwards, since it follows from the passphrase.
struct Blocks(Vec<Block>);

impl Blocks {
    fn new(count: usize) -> Result<Self, CryptoError> {
        let mut blocks = Vec::new();
        blocks.try_reserve_exact(count).map_err(|_| CryptoError::Memory {
            needed: count as u64 * Block::SIZE as u64,
            available: memory::available().unwrap_or(0),
        })?;
        blocks.resize(count, Block::new());
        Ok(Self(blocks))
    }
}

impl AsMut<[Block]> for Blocks {
    fn as_mut(&mut self) -> &mut [Block] {
        &mut self.0
    }
}

impl Drop for Blocks {
    fn drop(&mut self) {
        self.0.iter_mut().for_each(Zeroize::zeroize);
    }
}

/// For a new slot: RFC 9106 section 4, second recommended option, with one lane instead of four:
/// lanes help whoever has more cores than the owner.
const CREATE: Floor = Floor { m_kib: 64 * 1024, t: 3 };

/// For a new slot with `--low-memory`, and for every slot that is opened: the OWASP Password Storage
/// Cheat Sheet's minimum for Argon2id.
const LOW_MEMORY: Floor = Floor { m_kib: 19 * 1024, t: 2 };

/// SPEC section 11.4 (4 GiB, 64 passes): above it a slot is hostile, not careful.
const M_KIB_MAX: u32 = 4 * 1024 * 1024;
const T_MAX: u32 = 64;
const LANES: u32 = 1;

/// SPEC section 11.4.
const PASSPHRASE_LEN: std::ops::RangeInclusive<usize> = 1..=1024;

const KEY_LEN: usize = 32;
const EIGHT_GIB: u64 = 8 << 30;
const SIXTEEN_GIB: u64 = 16 << 30;

// Lowering is for a whole process: its test is tests/lowered_floors.rs.
#[cfg(test)]
mod tests {
    use super::*;

    const fn params(m_kib: u32, t: u32, p: u32) -> PasswordParams {
        PasswordParams::Argon2id { m_kib, t, p }
    }

    #[test]
    fn floors_of_new_slots() {
        let mib = 1024;
        Argon2id.check_create(&params(64 * mib, 3, 1)).unwrap();
        Argon2id.check_create_low_memory(&params(19 * mib, 2, 1)).unwrap();
        for weak in [params(64 * mib - 1, 3, 1), params(64 * mib, 2, 1), params(64 * mib, 3, 0), params(0, 0, 0)] {
            assert!(matches!(Argon2id.check_create(&weak), Err(CryptoError::WeakPassword { .. })));
        }
        for weak in [params(19 * mib - 1, 2, 1), params(19 * mib, 1, 1), params(19 * mib, 2, 0)] {
            assert!(matches!(Argon2id.check_create_low_memory(&weak), Err(CryptoError::WeakPassword { .. })));
            assert!(matches!(Argon2id.check_open(&weak), Err(CryptoError::WeakPassword { .. })));
            assert!(Argon2id.derive(&weak, &[0; 32], b"passphrase").is_err());
        }
        Argon2id.check_open(&params(19 * mib, 2, 1)).unwrap();
    }

    #[test]
    fn limits_of_found_slots() {
        let most = params(M_KIB_MAX, T_MAX, 1);
        check(&most, LOW_MEMORY).unwrap();
        for hostile in [
            params(M_KIB_MAX + 1, 3, 1),
            params(u32::MAX, 3, 1),
            params(65536, T_MAX + 1, 1),
            params(65536, u32::MAX, 1),
            params(65536, 3, 2),
            params(65536, 3, u32::MAX),
        ] {
            assert!(matches!(Argon2id.check_open(&hostile), Err(CryptoError::ExcessivePassword { .. })));
            assert!(Argon2id.derive(&hostile, &[0; 32], b"passphrase").is_err());
        }
        let foreign = PasswordParams::Pbkdf2 { rounds: 600_000 };
        assert!(matches!(Argon2id.check_open(&foreign), Err(CryptoError::ForeignPasswordKdf(_))));
        assert!(matches!(Argon2id.check_create(&foreign), Err(CryptoError::ForeignPasswordKdf(_))));
    }

    #[test]
    fn more_memory_than_there_is_is_refused_with_both_numbers() {
        check_memory(65536, 64 << 20).unwrap();
        let refused = check_memory(65536, (64 << 20) - 1).unwrap_err().to_string();
        assert!(refused.contains("64 MiB") && refused.contains("63 MiB"), "{refused}");
        assert!(matches!(Blocks::new(usize::MAX / 1024), Err(CryptoError::Memory { .. })));
    }

    #[test]
    fn fits_the_machine_and_never_goes_below_the_floor() {
        for (gib, mib) in [(0, 64), (1, 64), (7, 64), (8, 128), (15, 128), (16, 256), (1024, 256)] {
            let fitted = Argon2id.fit(gib << 30);
            assert_eq!(fitted, params(mib * 1024, 3, 1), "{gib} GiB");
            Argon2id.check_create(&fitted).unwrap();
        }
        Argon2id.check_create(&Argon2id.fit(u64::MAX)).unwrap();
        Argon2id.check_create_low_memory(&Argon2id.fit_low_memory()).unwrap();
    }

    #[test]
    fn lengths_are_checked() {
        let least = Argon2id.fit_low_memory();
        for (salt, passphrase) in [(7, 10), (0, 10), (32, 0), (32, 1025)] {
            let refused = Argon2id.derive(&least, &vec![1; salt], &vec![b'x'; passphrase]);
            assert!(matches!(refused, Err(CryptoError::Length { .. })));
        }
    }

    /// RFC 9106 section 5.3, which has a secret, associated data and four lanes, so below our interface.
    #[test]
    fn rfc_9106_vector() {
        let params = argon2::ParamsBuilder::new()
            .m_cost(32)
            .t_cost(3)
            .p_cost(4)
            .data(argon2::AssociatedData::new(&[4; 12]).unwrap())
            .build()
            .unwrap();
        let mut tag = [0; 32];
        Argon2::new_with_secret(&[3; 8], Algorithm::Argon2id, Version::V0x13, params)
            .unwrap()
            .hash_password_into(&[1; 32], &[2; 16], &mut tag)
            .unwrap();
        assert_eq!(hex::encode(tag), "0d640df58d78766c08c037a34a8b53c9d01ef0452d75b65eb52520e96b01e659");
    }
}
