//! The variables of the environment that are ours.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;

use crate::error::CommandError;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Refuses variables that begin with `ZVAULT_` and mean nothing: a misspelt one would be silently without effect.
pub(crate) fn check() -> Result<(), CommandError> {
    for (name, value) in std::env::vars_os().filter(|(name, _)| name.as_bytes().starts_with(PREFIX)) {
        check_one(&name, &value)?;
    }
    Ok(())
}

/// Our variables, which no child process may see: some of them are secrets.
pub(crate) fn own() -> Vec<OsString> {
    std::env::vars_os().map(|(name, _)| name).filter(|name| name.as_bytes().starts_with(PREFIX)).collect()
}

/// Keys are in memory, and no crash of ours is to write them to a disk. Commands that are run may ask for core files of their own.
pub(crate) fn no_core_files() {
    let Rlimit { maximum, .. } = getrlimit(Resource::Core);
    // Lowering is always allowed. A handler of core files that is a program takes no notice of it.
    let _ = setrlimit(Resource::Core, Rlimit { current: Some(0), maximum });
}

/// Makes passphrases cheap and waits short where the tests ask for it. Release builds cannot do it.
pub(crate) fn lower_costs_in_tests() {
    #[cfg(debug_assertions)]
    {
        if std::env::var_os(TEST_KDF).is_some_and(|value| value == "1") {
            crypto_backends::passphrase::lower_kdf_floors_for_tests();
        }
        let stall = std::env::var(TEST_STALL).ok().and_then(|value| value.parse().ok());
        if let Some(seconds) = stall {
            zvault::store::shorten_stalls_for_tests(std::time::Duration::from_secs(seconds));
        }
    }
}

fn check_one(name: &OsStr, value: &OsStr) -> Result<(), CommandError> {
    let name = name.to_string_lossy();
    if name == "ZVAULT_PROFILE" {
        return Err(CommandError::usage("ZVAULT_PROFILE is set, but profiles are not supported yet")
            .hint("unset it, and name what to push on the command line"));
    }
    let known = KNOWN.contains(&&*name) || cfg!(debug_assertions) && TESTS.contains(&&*name);
    if !known {
        let error = CommandError::usage(format!("unknown environment variable: {name}"));
        let near = KNOWN.iter().map(|known| (distance(known, &name), known)).min();
        return Err(match near {
            Some((0..=3, known)) => error.hint(format!("did you mean {known}?")),
            _ => error.hint(format!("known are {}", KNOWN.join(", "))),
        });
    }
    if value.is_empty() {
        return Err(CommandError::usage(format!("environment variable {name} is set, but empty"))
            .hint("unset it, or give it a value"));
    }
    if name == KEYCHAIN && value != "auto" && value != KEYCHAIN_OFF {
        return Err(
            CommandError::usage(format!("{name} is {:?}", value.to_string_lossy())).hint("it can be auto or off")
        );
    }
    Ok(())
}

/// Levenshtein's: how many letters are to be added, removed or changed.
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.bytes().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.bytes().enumerate() {
            let above = row[j + 1];
            row[j + 1] = (diagonal + usize::from(x != y)).min(above + 1).min(row[j] + 1);
            diagonal = above;
        }
    }
    row[b.len()]
}

const PREFIX: &[u8] = b"ZVAULT_";
const TEST_KDF: &str = "ZVAULT_TEST_KDF";
/// Seconds.
const TEST_STALL: &str = "ZVAULT_TEST_STALL";
/// A folder with a file for each item.
pub(crate) const TEST_KEYCHAIN: &str = "ZVAULT_TEST_KEYCHAIN";
const TESTS: [&str; 3] = [TEST_KDF, TEST_STALL, TEST_KEYCHAIN];
/// Where credentials go that come with a pairing.
pub(crate) const KEYCHAIN: &str = "ZVAULT_KEYCHAIN";
pub(crate) const KEYCHAIN_OFF: &str = "off";
const KNOWN: [&str; 16] = [
    "ZVAULT_URL",
    "ZVAULT_HOME",
    "ZVAULT_CONFIG",
    "ZVAULT_CACHE_DIR",
    KEYCHAIN,
    "ZVAULT_PASSPHRASE",
    "ZVAULT_PASSPHRASE_FILE",
    "ZVAULT_PASSPHRASE_COMMAND",
    "ZVAULT_PASSPHRASE_FD",
    "ZVAULT_NEW_PASSPHRASE",
    "ZVAULT_NEW_PASSPHRASE_FILE",
    "ZVAULT_NEW_PASSPHRASE_COMMAND",
    "ZVAULT_NEW_PASSPHRASE_FD",
    "ZVAULT_JITTER",
    "ZVAULT_NO_PROGRESS",
    "ZVAULT_PROGRESS_INTERVAL",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_what_is_unknown() {
        let error = |name: &str, value: &str| check_one(name.as_ref(), value.as_ref()).expect_err(name).to_string();
        assert!(check_one("ZVAULT_URL".as_ref(), "/v".as_ref()).is_ok());
        assert!(error("ZVAULT_ULR", "/v").contains("ZVAULT_ULR"));
        assert!(error("ZVAULT_URL", "").contains("empty"));
        assert!(error("ZVAULT_KEYCHAIN", "maybe").contains("maybe"));
        assert!(["auto", "off"].into_iter().all(|value| check_one(KEYCHAIN.as_ref(), value.as_ref()).is_ok()));
        assert!(error("ZVAULT_PROFILE", "x").contains("not supported yet"));
    }

    #[test]
    fn distances() {
        for (a, b, expected) in
            [("", "", 0), ("abc", "abc", 0), ("abc", "acb", 2), ("ab", "abc", 1), ("kitten", "sitting", 3)]
        {
            assert_eq!(distance(a, b), expected, "{a} {b}");
        }
    }
}
