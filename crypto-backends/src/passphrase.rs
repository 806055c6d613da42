//! Rules for passphrases that hold in every backend (SPEC section 11.4): lengths, floors and limits.
use crate::error::CryptoError;

/// Makes every later slot of this process cheap and lets cheap ones be opened: for tests, whose passphrases
/// guard nothing. It is not a feature and does not exist in release builds, so nobody can ship it.
#[cfg(debug_assertions)]
pub fn lower_kdf_floors_for_tests() {
    LOWERED.store(true, std::sync::atomic::Ordering::Relaxed);
}

/// Those of PBKDF2-HMAC-SHA-256, suite `0x02`.
pub mod pbkdf2 {
    use super::{lowered, within};
    use crate::contract::PasswordParams;
    use crate::error::CryptoError;

    /// What a new slot costs; memory plays no part.
    pub fn fit() -> PasswordParams {
        PasswordParams::Pbkdf2 { rounds: floor(ROUNDS) }
    }

    /// Whether a slot may have these parameters, new or found in a vault.
    pub fn check(params: &PasswordParams) -> Result<(), CryptoError> {
        within("number of rounds", rounds(params)?, floor(ROUNDS_MIN), ROUNDS_MAX)
    }

    /// Whether salt and passphrase have lengths that this function takes.
    pub fn check_lengths(salt: &[u8], passphrase: &[u8]) -> Result<(), CryptoError> {
        if salt.len() < SALT_MIN {
            return Err(CryptoError::Length { what: "salt", expected: "16 or more", actual: salt.len() });
        }
        if !PASSPHRASE_LEN.contains(&passphrase.len()) {
            return Err(CryptoError::Length { what: "passphrase", expected: "14 to 1024", actual: passphrase.len() });
        }
        Ok(())
    }

    /// How often HMAC is called for each block.
    pub fn rounds(params: &PasswordParams) -> Result<u32, CryptoError> {
        match *params {
            PasswordParams::Pbkdf2 { rounds } => Ok(rounds),
            PasswordParams::Argon2id { .. } => Err(CryptoError::ForeignPasswordKdf("Argon2id")),
        }
    }

    fn floor(rounds: u32) -> u32 {
        if lowered() { 1 } else { rounds }
    }

    /// For a new slot: a good half of a second on a core without SHA instructions.
    const ROUNDS: u32 = 1_000_000;

    /// SPEC section 11.4: the OWASP Password Storage Cheat Sheet's minimum for PBKDF2-HMAC-SHA-256 (SP 800-132 section 5.2 asks for
    /// 1,000), and what stalls nobody for longer than a minute.
    const ROUNDS_MIN: u32 = 600_000;
    const ROUNDS_MAX: u32 = 100_000_000;

    /// SP 800-132 section 5.1: 128 bits.
    const SALT_MIN: usize = 16;

    /// SPEC section 11.4. The least is 112 bits, which modules want of every key (SP 800-131A; here of its bytes, not its entropy).
    const PASSPHRASE_LEN: std::ops::RangeInclusive<usize> = 14..=1024;
}

/// Refuses a value outside of `floor..=limit`.
pub(crate) fn within(name: &'static str, value: u32, floor: u32, limit: u32) -> Result<(), CryptoError> {
    let [value, floor, limit] = [value, floor, limit].map(u64::from);
    if value < floor {
        return Err(CryptoError::WeakPassword { name, value, floor });
    }
    if value > limit {
        return Err(CryptoError::ExcessivePassword { name, value, limit });
    }
    Ok(())
}

/// Whether tests made slots cheap.
#[cfg(debug_assertions)]
pub(crate) fn lowered() -> bool {
    LOWERED.load(std::sync::atomic::Ordering::Relaxed)
}

#[cfg(not(debug_assertions))]
pub(crate) fn lowered() -> bool {
    false
}

// Lowering is for a whole process: its test is tests/lowered_floors.rs.
#[cfg(debug_assertions)]
static LOWERED: std::sync::atomic::AtomicBool = std::sync::atomic::AtomicBool::new(false);
