mod invite;
mod join;

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

use clap::{Args, ValueEnum};
use serde::Serialize;
use vault_format::roster::Capabilities;

pub(super) use join::finish_earlier;

use super::Done;
use crate::args::{Global, up_to_a_day};
use crate::error::CommandError;
use crate::job::catch_interrupts;
use crate::keychain::open_home;
use crate::ui::Ui;
use zvault::Trouble;
use zvault::pairing::{FinishError, InviteError, PairError};
use zvault::watch::Watch;

/// Take another device into the vault, or join one
///
/// Without an argument this device invites: it shows a ticket, as text and as a QR code, and 12 words, and waits for the
/// other device. With a ticket or words it joins.
///
/// Whoever has the ticket or the words can ask to join: they are secrets. They are good for one device and for ten minutes,
/// which is why they may be an argument, though arguments are there for all users of a machine to see; '-' reads them from
/// standard input.
#[derive(Args)]
pub(crate) struct PairArgs {
    /// Ticket or words that the other device shows; '-' to read or type them
    #[arg(value_name = "TICKET|WORD", id = "secret")]
    secret: Vec<String>,

    /// What the new device may do: read, push, prune, pair, admin [default: read,push]
    #[arg(long, value_name = "LIST", value_parser = capabilities)]
    grant: Option<Capabilities>,

    /// Name of the new device [default: the name of the machine that joins]
    #[arg(long, value_name = "NAME")]
    name: Option<String>,

    /// How long the ticket is good for [default: 10m]
    #[arg(long, value_name = "DURATION", value_parser = expiry)]
    expires: Option<Duration>,

    /// How the two devices talk: over the network, through the vault's storage, or whatever is quicker
    #[arg(long, value_name = "WAY", value_enum, default_value_t = Via::All)]
    via: Via,

    /// Listen at this address of this machine [default: all interfaces, and a port that is free]
    #[arg(long, value_name = "IP[:PORT]", value_parser = listen)]
    listen: Option<SocketAddr>,

    /// Address of the device that invites, for words; can be repeated
    #[arg(long, value_name = "HOST:PORT")]
    address: Vec<String>,

    /// Write the QR code to a file, .png or .svg
    #[arg(long, value_name = "FILE")]
    qr: Option<PathBuf>,

    /// Do not ask: let the first device in that has the ticket or the words; when joining, take the storage server that
    /// the other device names
    #[arg(long, short)]
    yes: bool,

    /// Put signed URLs for the vault's storage into the ticket, so that the new device needs no credential to join
    #[arg(long, conflicts_with = "qr")]
    presign: bool,

    /// Give the new device the credentials for the storage that this one has in its environment
    #[arg(long)]
    with_credentials: bool,
}

/// The ways between two devices.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Via {
    /// A connection on the network
    Tcp,
    /// Objects in the vault's storage
    Mailbox,
    /// Both at once
    All,
}

impl Via {
    fn network(self) -> bool {
        self != Self::Mailbox
    }

    fn storage(self) -> bool {
        self != Self::Tcp
    }
}

pub(crate) fn run(args: PairArgs, global: &Global, ui: &Ui) -> Result<Done, CommandError> {
    if !args.secret.is_empty() {
        refuse(
            &[
                ("--grant", args.grant.is_some()),
                ("--expires", args.expires.is_some()),
                ("--listen", args.listen.is_some()),
                ("--qr", args.qr.is_some()),
                ("--presign", args.presign),
                ("--with-credentials", args.with_credentials),
            ],
            "is for the device that invites",
        )?;
        return join::run(&args, global, ui);
    }
    if args.presign && !args.via.storage() {
        return Err(CommandError::usage(
            "--presign is for the way through the vault's storage, which --via tcp leaves out",
        ));
    }
    refuse(&[("--address", !args.address.is_empty())], "is for the device that joins, with its ticket or words")?;
    if open_home(&super::home_path(global)?, ui)?.vaults()?.is_empty() && global.url.is_none() {
        return Err(CommandError::new(
            Trouble::NoVault,
            "this machine is a device of no vault, so it cannot invite another",
        )
        .hint("to join a vault: 'zvault pair' on a device of it, then 'zvault pair -' here"));
    }
    invite::run(args, global, ui)
}

fn refuse(given: &[(&str, bool)], why: &str) -> Result<(), CommandError> {
    match given.iter().find(|(_, given)| *given) {
        Some((option, _)) => Err(CommandError::usage(format!("{option} {why}"))),
        None => Ok(()),
    }
}

/// Runs a pairing that Ctrl-C ends in order, from before the person is told that it waits.
fn watched<T>(ui: &Ui, run: impl FnOnce(&Watch<'_>, &AtomicBool) -> T) -> Result<T, CommandError> {
    let interrupted = catch_interrupts()?;
    let watch = Watch::new();
    Ok(std::thread::scope(|scope| {
        let (ended, wait) = channel::<()>();
        scope.spawn({
            let (watch, interrupted) = (&watch, &interrupted);
            move || {
                while wait.recv_timeout(TICK) == Err(RecvTimeoutError::Timeout) {
                    if interrupted.load(Relaxed) && !watch.stopped() {
                        watch.stop();
                        ui.patience.end();
                    }
                }
            }
        });
        let result = run(&watch, &interrupted);
        drop(ended);
        result
    }))
}

/// A line for the other device having come, and what one side alone says of that.
#[derive(Serialize)]
struct MetLine<'a, More> {
    message_type: &'static str,
    device_id: String,
    fingerprint: &'a str,
    capabilities: String,
    #[serde(flatten)]
    more: More,
}

/// The last line: a device of the vault, and what one side alone says of that.
#[derive(Serialize)]
struct PairedLine<'a, More> {
    message_type: &'static str,
    vault_id: String,
    device_id: String,
    device_name: &'a str,
    capabilities: String,
    #[serde(flatten)]
    more: More,
}

impl From<PairError> for CommandError {
    fn from(error: PairError) -> Self {
        Self::library(&error, error.trouble(), error.hints())
    }
}

impl From<InviteError> for CommandError {
    fn from(error: InviteError) -> Self {
        match error {
            InviteError::Vault(error) => error.into(),
            InviteError::Pair(error) => error.into(),
        }
    }
}

impl From<FinishError> for CommandError {
    fn from(error: FinishError) -> Self {
        match error {
            FinishError::Pair(error) => error.into(),
            FinishError::Vault(error) => error.into(),
            FinishError::State(error) => error.into(),
            FinishError::NotYet { .. } => Self::library(&error, Trouble::Failed, vec![NOT_YET.into()]),
            error => Self::library(&error, Trouble::Failed, Vec::new()),
        }
    }
}

/// `read,push`: prune, pair and admin bring read with them.
fn capabilities(text: &str) -> Result<Capabilities, String> {
    text.split(',').map(str::trim).try_fold(Capabilities::NONE, |all, name| match name {
        "read" => Ok(all | Capabilities::READ),
        "push" => Ok(all | Capabilities::PUSH),
        "prune" => Ok(all | Capabilities::READ | Capabilities::PRUNE),
        "pair" => Ok(all | Capabilities::READ | Capabilities::PAIR),
        "admin" => Ok(all | Capabilities::READ | Capabilities::ADMIN),
        _ => Err("write read, push, prune, pair or admin, separated by commas".into()),
    })
}

fn expiry(text: &str) -> Result<Duration, String> {
    match up_to_a_day(text)? {
        Duration::ZERO => Err("a ticket is good for 1s or more".into()),
        some => Ok(some),
    }
}

fn listen(text: &str) -> Result<SocketAddr, String> {
    let ip = || text.parse::<IpAddr>().map(|ip| SocketAddr::new(ip, 0));
    text.parse().or_else(|_| ip()).map_err(|_| "write an address of this machine, for example 192.168.1.5:7000".into())
}

/// How often Ctrl-C is looked at.
const TICK: Duration = Duration::from_millis(50);
/// A way that does not answer for so long is none: there may be others, and the end of a pairing waits for it.
const MAILBOX_RETRIES: Duration = Duration::from_secs(20);
const NOT_YET: &str = "if the other device says that it is done, any command finishes it; if not, pair again";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_typed() {
        assert_eq!(capabilities("push"), Ok(Capabilities::PUSH));
        assert_eq!(capabilities("push, prune"), Ok(Capabilities::READ | Capabilities::PUSH | Capabilities::PRUNE));
        assert_eq!(capabilities("admin,pair,push,prune"), Ok(Capabilities::ALL));
        for text in ["", "all", "read,", "read;push"] {
            assert!(capabilities(text).is_err(), "{text}");
        }
        assert_eq!(listen("10.0.0.1"), Ok("10.0.0.1:0".parse().expect("an address")));
        assert_eq!(listen("[::1]:7000"), Ok("[::1]:7000".parse().expect("an address")));
        assert!(listen("localhost").is_err());
        assert!(expiry("0").is_err() && expiry("25h").is_err());
    }
}
