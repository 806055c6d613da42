//! Snapshots of local app state in an encrypted, deduplicated vault, on storage that is never trusted.
pub mod check;
pub mod doctor;
pub mod history;
pub mod index;
pub mod keychain;
pub mod keys;
pub mod log;
pub mod ls;
pub mod manifest;
pub mod mirror;
pub mod pairing;
mod parallel;
pub mod push;
pub mod qr;
pub mod recovery;
pub mod restore;
pub mod roster;
pub mod source;
pub mod stage;
pub mod state;
pub mod store;
mod sync;
pub mod target;
mod trouble;
pub mod vault;
pub mod watch;

#[cfg(all(feature = "fips", feature = "rustcrypto"))]
compile_error!("the FIPS program has no other backend: it is built in fips/, see its README.md");

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

use std::time::{SystemTime, UNIX_EPOCH};

use vault_format::Time;

pub use trouble::Trouble;
pub use vault::Vault;
pub use vault_format::VaultId;

/// Version of this program.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");
/// What snapshots say of the program that made them.
pub const PROGRAM: &str = concat!("zvault ", env!("CARGO_PKG_VERSION"));

/// An error with all its causes in one line.
pub fn chain(error: &(dyn std::error::Error + '_)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        // Transparent wrappers say the same thing twice.
        if !text.ends_with(&more) {
            text.push_str(": ");
            text.push_str(&more);
        }
        cause = error.source();
    }
    text
}

/// A time in UTC, to the second, as RFC 3339 writes it.
pub fn time_text(time: Time) -> String {
    jiff::Timestamp::from_second(time.secs)
        .map_or_else(|_| format!("{} s after 1970", time.secs), |time| time.to_string())
}

/// What this machine's clock says.
pub fn now() -> Time {
    match SystemTime::now().duration_since(UNIX_EPOCH) {
        Ok(since) => Time { secs: since.as_secs() as i64, nanos: since.subsec_nanos() },
        Err(before) => {
            let before = before.duration();
            let secs = -(before.as_secs() as i64);
            match before.subsec_nanos() {
                0 => Time { secs, nanos: 0 },
                nanos => Time { secs: secs - 1, nanos: 1_000_000_000 - nanos },
            }
        }
    }
}
