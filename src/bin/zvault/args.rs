//! What a person types, as typed.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use clap::builder::BoolishValueParser;
use clap::error::ErrorKind;
use clap::{ArgAction, Args, Parser};

use crate::commands::Command;
use crate::error::CommandError;
use crate::{exit, ui};
use zvault::Trouble;

/// Snapshots of local app state in an encrypted, deduplicated vault, on storage that is never trusted.
#[derive(Parser)]
#[command(
    name = "zvault",
    bin_name = "zvault",
    version,
    propagate_version = false,
    disable_help_subcommand = true,
    max_term_width = 110
)]
#[command(after_help = EXIT_CODES, after_long_help = EXIT_CODES_AND_VARIABLES)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What every command takes.
#[derive(Args)]
#[command(next_help_heading = "Global options")]
pub(crate) struct Global {
    /// Vault to use: a folder, or s3://bucket/prefix, gs://, az:// [default: the configured stores, or the only vault of
    /// this device]
    #[arg(long, short = 'r', visible_alias = "repo", alias = "repository", value_name = "URL", global = true)]
    #[arg(env = "ZVAULT_URL", hide_env_values = true)]
    pub(crate) url: Option<String>,

    /// Folder of this device's keys and state [default: the platform's folder for state]
    #[arg(long, value_name = "DIR", global = true, env = "ZVAULT_HOME", hide_env_values = true)]
    pub(crate) home: Option<PathBuf>,

    /// File of configuration: the vault's stores [default: zvault.toml in the folder of state]
    #[arg(long, value_name = "FILE", global = true, env = "ZVAULT_CONFIG", hide_env_values = true)]
    pub(crate) config: Option<PathBuf>,

    /// Folder of caches; they can be deleted at any time [default: the platform's folder for caches]
    #[arg(long, value_name = "DIR", global = true, env = "ZVAULT_CACHE_DIR", hide_env_values = true)]
    pub(crate) cache_dir: Option<PathBuf>,

    #[command(flatten)]
    pub(crate) secret: SecretArgs,

    /// Do not make this machine a device of the vault: use the passphrase for this run only
    #[arg(long, global = true)]
    pub(crate) ephemeral: bool,

    /// Go on although the store shows less of the vault than this device has seen: puts back what it has kept, and writes
    /// down in its log what is lost
    #[arg(long, global = true)]
    pub(crate) accept_rollback: bool,

    /// Print JSON: one document, or one line for each message of a long job
    #[arg(long, global = true)]
    pub(crate) json: bool,

    /// Print nothing but problems and the data that was asked for
    #[arg(long, short, global = true)]
    pub(crate) quiet: bool,

    /// Print every new and changed item; twice: every item
    #[arg(long, short, global = true, action = ArgAction::Count)]
    pub(crate) verbose: u8,

    /// Do not show progress
    #[arg(long, global = true, env = "ZVAULT_NO_PROGRESS", hide_env_values = true, value_parser = BoolishValueParser::new())]
    pub(crate) no_progress: bool,

    /// Print a line of progress every SECONDS, also where the output is no terminal
    #[arg(long, value_name = "SECONDS", global = true, value_parser = seconds)]
    #[arg(env = "ZVAULT_PROGRESS_INTERVAL", hide_env_values = true)]
    pub(crate) progress_interval: Option<Duration>,

    // The last one: its heading is for all that follows.
    #[command(flatten)]
    pub(crate) store: StoreArgs,
}

/// Where the passphrase comes from. Never an argument: arguments are there for all users of a machine to see.
#[derive(Args)]
pub(crate) struct SecretArgs {
    /// Read the passphrase from a file [env: ZVAULT_PASSPHRASE_FILE]
    #[arg(long, short = 'p', alias = "password-file", value_name = "FILE", global = true)]
    pub(crate) passphrase_file: Option<PathBuf>,

    /// Read the passphrase from what a command prints; it is run without a shell [env: ZVAULT_PASSPHRASE_COMMAND]
    #[arg(long, alias = "password-command", value_name = "COMMAND", global = true)]
    pub(crate) passphrase_command: Option<String>,

    /// Read the passphrase from an open file descriptor [env: ZVAULT_PASSPHRASE_FD]
    #[arg(long, value_name = "N", global = true, value_parser = clap::value_parser!(u32).range(0..=65535))]
    pub(crate) passphrase_fd: Option<u32>,

    /// Open the vault with the 24 words of its recovery key, read from a file
    #[arg(long, value_name = "FILE", global = true)]
    pub(crate) recovery_words_file: Option<PathBuf>,
}

/// How the store is spoken to. Secrets are no arguments either: they come from the environment and the files of its tools.
#[derive(Args)]
#[command(next_help_heading = "Store options")]
pub(crate) struct StoreArgs {
    /// Set an option of the store, such as endpoint, region or account (docs/stores.md has all); can be repeated
    #[arg(long, short = 'o', value_name = "KEY=VALUE", global = true, value_parser = setting)]
    pub(crate) option: Vec<String>,

    /// Trust the certificates in a file (PEM) beside those of the system
    #[arg(long, value_name = "FILE", global = true)]
    pub(crate) ca_cert: Option<PathBuf>,

    /// Send at most RATE: KiB/s, or a number with K, M or G
    #[arg(long, value_name = "RATE", global = true, value_parser = rate)]
    pub(crate) limit_upload: Option<Rate>,

    /// Receive at most RATE: KiB/s, or a number with K, M or G
    #[arg(long, value_name = "RATE", global = true, value_parser = rate)]
    pub(crate) limit_download: Option<Rate>,

    /// Have at most N requests to the store under way at once
    #[arg(long, value_name = "N", global = true, value_parser = requests)]
    pub(crate) parallel_requests: Option<usize>,

    /// Repeat a request that failed for at most DURATION, such as 30s or 10m; 0: try once
    #[arg(long, value_name = "DURATION", global = true, value_parser = up_to_a_day)]
    pub(crate) retry_max_time: Option<Duration>,
}

/// Bytes a second; no limit if None.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rate(pub(crate) Option<u64>);

impl Global {
    /// Refuses options that exclude each other. clap would not see those on both sides of the command's name.
    pub(crate) fn check(&self) -> Result<(), CommandError> {
        if self.quiet && self.verbose > 0 {
            return Err(CommandError::usage("--quiet and --verbose cannot be used together"));
        }
        // clap keeps those behind the command's name only. An option that is ignored is a wish that is ignored.
        if SETTINGS_SEEN.load(Relaxed) > self.store.option.len() {
            return Err(CommandError::usage("--option is given on both sides of the command's name")
                .hint("put all of them behind it"));
        }
        let SecretArgs { passphrase_file, passphrase_command, passphrase_fd, recovery_words_file } = &self.secret;
        let given = [
            ("--passphrase-file", passphrase_file.is_some()),
            ("--passphrase-command", passphrase_command.is_some()),
            ("--passphrase-fd", passphrase_fd.is_some()),
            ("--recovery-words-file", recovery_words_file.is_some()),
        ];
        let given: Vec<&str> = given.into_iter().filter_map(|(name, given)| given.then_some(name)).collect();
        match given[..] {
            [] | [_] => Ok(()),
            _ => Err(CommandError::usage(format!("{} cannot be used together", given.join(" and ")))),
        }
    }
}

impl Cli {
    /// Reads the arguments. `Err`: there is nothing left to do but to exit so, because help was shown or they make no sense.
    pub(crate) fn read() -> Result<Self, ExitCode> {
        Self::try_parse().map_err(|error| {
            if !error.use_stderr() {
                // Help or version. A pipe that nobody reads any more is no failure.
                let _ = error.print();
                return ExitCode::SUCCESS;
            }
            let wants_json = std::env::args_os().take_while(|arg| arg != "--").any(|arg| arg == "--json");
            if wants_json && error.kind() != ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
                let text = error.to_string();
                let said: Vec<&str> = text.lines().take_while(|line| !line.is_empty()).map(str::trim).collect();
                let said = said.join(" ");
                ui::exit_error_line(exit::code(Trouble::Usage), said.trim_start_matches("error: "), &[]);
            } else {
                let _ = error.print();
            }
            ExitCode::from(exit::code(Trouble::Usage))
        })
    }
}

/// A positive number of seconds, or a number with a unit: `30`, `0.5`, `5m`.
fn seconds(text: &str) -> Result<Duration, String> {
    match number_of_seconds(text) {
        Some(seconds) if (0.01..=86_400.0).contains(&seconds) => Ok(Duration::from_secs_f64(seconds)),
        _ => Err("write seconds between 0.01 and 86400, for example 30".into()),
    }
}

/// The same, and 0.
pub(crate) fn up_to_a_day(text: &str) -> Result<Duration, String> {
    match number_of_seconds(text) {
        Some(seconds) if (0.0..=86_400.0).contains(&seconds) => Ok(Duration::from_secs_f64(seconds)),
        _ => Err("write a time up to 24h, for example 30s, 10m or 0".into()),
    }
}

fn number_of_seconds(text: &str) -> Option<f64> {
    let (number, unit) = match text.strip_suffix(['s', 'm', 'h']) {
        Some(number) if text.ends_with('h') => (number, 3600.0),
        Some(number) if text.ends_with('m') => (number, 60.0),
        Some(number) => (number, 1.0),
        None => (text, 1.0),
    };
    number.parse::<f64>().ok().map(|number| number * unit)
}

fn rate(text: &str) -> Result<Rate, String> {
    zvault::store::parse_rate(text).map(Rate)
}

fn requests(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(requests) if PARALLEL_REQUESTS.contains(&requests) => Ok(requests),
        _ => Err("write a number from 1 to 256".into()),
    }
}

/// What may be a secret is not repeated by whoever complains about it: looked at later.
#[allow(clippy::unnecessary_wraps)] // what a parser of values is
fn setting(text: &str) -> Result<String, std::convert::Infallible> {
    SETTINGS_SEEN.fetch_add(1, Relaxed);
    Ok(text.to_owned())
}

/// What `--parallel-requests` may be.
pub(crate) const PARALLEL_REQUESTS: std::ops::RangeInclusive<usize> = 1..=256;
/// How many `--option` the command line has.
static SETTINGS_SEEN: AtomicUsize = AtomicUsize::new(0);

const EXIT_CODES: &str = "\
Exit codes:
  0 done    1 failed    2 usage    3 the snapshot is incomplete    10 no vault there    11 busy
  12 wrong passphrase    13 not allowed    14 damage or rollback    15 storage unreachable or full
  130 interrupted";

const EXIT_CODES_AND_VARIABLES: &str = "\
Exit codes:
  0    done, and every source is in the snapshot
  1    failed
  2    the request makes no sense: an unknown option, an unknown snapshot
  3    a snapshot was made, but some source or file is missing from it
  10   there is no vault
  11   another run of this device is at work on the vault
  12   wrong passphrase or recovery key
  13   this device is not allowed to do it
  14   something in the vault is damaged, missing, or older than it was
  15   the storage cannot be reached, read or written, or is full
  130  interrupted

Environment:
  ZVAULT_URL                 vault to use
  ZVAULT_PASSPHRASE          the passphrase; or one of the next three
  ZVAULT_PASSPHRASE_FILE     file that holds it
  ZVAULT_PASSPHRASE_COMMAND  command that prints it
  ZVAULT_PASSPHRASE_FD       open file descriptor to read it from
  ZVAULT_NEW_PASSPHRASE      the passphrase that 'key add' and 'key change' set; or _FILE, _COMMAND, _FD as above
  ZVAULT_HOME                folder of this device's keys and state
  ZVAULT_CONFIG              file of configuration
  ZVAULT_CACHE_DIR           folder of caches
  ZVAULT_KEYCHAIN            off: keep credentials of a pairing in the folder of state, not in the keychain
  ZVAULT_JITTER              most that an unattended push waits before its first request
  ZVAULT_NO_PROGRESS         1: do not show progress
  ZVAULT_PROGRESS_INTERVAL   seconds between lines of progress
  NO_COLOR                   no colours
  AWS_*, GOOGLE_*, AZURE_*   credentials and places, as the stores' own tools read them

Unknown variables that begin with ZVAULT_ are errors, so that a typing error does not go unnoticed.";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_consistent() {
        use clap::CommandFactory;
        Cli::command().debug_assert();
    }

    #[test]
    fn what_stores_are_told() {
        assert_eq!(rate("500"), Ok(Rate(Some(500 << 10))));
        assert_eq!(rate("0"), Ok(Rate(None)));
        assert_eq!(up_to_a_day("0"), Ok(Duration::ZERO));
        assert_eq!(up_to_a_day("10m"), Ok(Duration::from_secs(600)));
        assert_eq!(requests("8"), Ok(8));
        assert!(rate("fast").is_err() && up_to_a_day("-1s").is_err() && up_to_a_day("2d").is_err());
        assert!(requests("0").is_err() && requests("257").is_err());
    }

    #[test]
    fn intervals() {
        for (text, expected) in [("30", 30.0), ("0.5", 0.5), ("10s", 10.0), ("5m", 300.0), ("1h", 3600.0)] {
            assert_eq!(seconds(text), Ok(Duration::from_secs_f64(expected)), "{text}");
        }
        for text in ["", "0", "-1", "x", "NaN", "inf", "1d", "s", "90000"] {
            assert!(seconds(text).is_err(), "{text}");
        }
    }
}
