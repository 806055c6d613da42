//! One file per command: an args struct and one function.

mod check;
mod completions;
mod devices;
mod doctor;
mod fips;
mod init;
mod key;
mod log;
mod ls;
mod man;
mod mirror;
mod pair;
mod push;
mod recovery;
mod restore;
mod snapshots;
mod status;
mod stores;
mod vaults;
mod version;

use std::path::PathBuf;
use std::sync::Arc;

use clap::Subcommand;

use crate::args::{Cli, Global};
use crate::config::{self, Config, Limits};
use crate::error::CommandError;
use crate::keychain::open_home;
use crate::passphrase::Secrets;
use crate::ui::Ui;
use zvault::state::{self, Home};
use zvault::store::{StoreOptions, StoreUrl};
use zvault::vault::{OpenOptions, Purpose, StoreConfig, UnlockSecret, Vault, complete};
use zvault::{Trouble, VaultId};

/// What to do.
#[derive(Subcommand)]
pub(crate) enum Command {
    Init(init::InitArgs),
    #[command(visible_alias = "backup")]
    Push(push::PushArgs),
    Restore(restore::RestoreArgs),
    Snapshots(snapshots::SnapshotsArgs),
    Log(log::LogArgs),
    Ls(ls::LsArgs),
    Check(check::CheckArgs),
    Devices(devices::DevicesArgs),
    Key(key::KeyArgs),
    Recovery(recovery::RecoveryArgs),
    Doctor(doctor::DoctorArgs),
    Pair(pair::PairArgs),
    Mirror(mirror::MirrorArgs),
    Stores(stores::StoresArgs),
    Status(status::StatusArgs),
    Vaults(vaults::VaultsArgs),
    Fips(fips::FipsArgs),
    Version(version::VersionArgs),
    Completions(completions::CompletionsArgs),
    Man(man::ManArgs),
}

impl Command {
    /// Whether it computes nothing, or tells why nothing can be computed.
    pub(crate) fn needs_no_backend(&self) -> bool {
        matches!(self, Self::Fips(_) | Self::Version(_) | Self::Completions(_) | Self::Man(_))
    }
}

/// How a command ended that did what it was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Done {
    Complete,
    /// It was done, but for some source or file, as was told.
    Incomplete,
    /// It was done, and found this; the details were told.
    Trouble(Trouble),
}

pub(crate) fn run(cli: Cli, ui: &Ui) -> Result<Done, CommandError> {
    let global = &cli.global;
    match cli.command {
        Command::Init(args) => init::run(args, global, ui),
        Command::Push(args) => push::run(args, global, ui),
        Command::Restore(args) => restore::run(args, global, ui),
        Command::Snapshots(args) => snapshots::run(args, global, ui),
        Command::Log(args) => log::run(args, global, ui),
        Command::Ls(args) => ls::run(args, global, ui),
        Command::Check(args) => check::run(args, global, ui),
        Command::Devices(args) => devices::run(args, global, ui),
        Command::Key(args) => key::run(args, global, ui),
        Command::Recovery(args) => recovery::run(args, global, ui),
        Command::Doctor(args) => doctor::run(args, global, ui),
        Command::Pair(args) => pair::run(args, global, ui),
        Command::Mirror(args) => mirror::run(args, global, ui),
        Command::Stores(args) => stores::run(args, global, ui),
        Command::Status(args) => status::run(args, global, ui),
        Command::Vaults(args) => vaults::run(args, global, ui),
        Command::Fips(args) => fips::run(args, ui),
        Command::Version(args) => version::run(args, ui),
        Command::Completions(args) => completions::run(args, ui),
        Command::Man(args) => man::run(args, ui),
    }
}

/// The folder of local state.
fn home_path(global: &Global) -> Result<PathBuf, CommandError> {
    let given = global.home.clone().or_else(|| state::home_path(&|name| std::env::var_os(name)));
    absolute(
        given
            .ok_or_else(|| CommandError::usage("there is no folder for local state").hint("set HOME or ZVAULT_HOME"))?,
    )
}

/// The stores that the configuration names, the primary first; none if there is no configuration. What the arguments say
/// counts more: limits for all of them, settings for the one that is named, or for the first.
fn stores(global: &Global, ui: &Ui) -> Result<Vec<StoreConfig>, CommandError> {
    let mut stores = config(global)?.stores;
    let said = store_options(global, ui)?;
    for (number, store) in stores.iter_mut().enumerate() {
        let named = match &global.url {
            Some(url) => store.is_at(url),
            None => number == 0,
        };
        let options = &mut store.options;
        if named {
            options.settings.extend(said.settings.clone());
        }
        options.ca_cert = said.ca_cert.clone().or(options.ca_cert.take());
        Limits::from(&global.store).set(options);
        options.patience = said.patience.clone();
    }
    Ok(stores)
}

/// The configuration: the file that was named, else the one in the folder of state.
fn config(global: &Global) -> Result<Config, CommandError> {
    match &global.config {
        Some(path) => Config::read(path),
        None => Config::read_if_there(&config::path_in(&home_path(global)?)),
    }
}

/// The folder of caches.
fn cache_path(global: &Global) -> Result<Option<PathBuf>, CommandError> {
    let given = global.cache_dir.clone().or_else(|| state::cache_path(&|name| std::env::var_os(name)));
    given.map(absolute).transpose()
}

/// Opens the vault that the arguments name, or the only one of this device. Asks for the passphrase if it must.
fn open(global: &Global, ui: &Ui, secrets: Secrets<'_>, purpose: Purpose) -> Result<Vault, CommandError> {
    open_at(global.url.as_deref(), false, global, ui, secrets, purpose)
}

/// The same at a place of the command's choice.
fn open_at(
    url: Option<&str>,
    accept_loss: bool,
    global: &Global,
    ui: &Ui,
    mut secrets: Secrets<'_>,
    purpose: Purpose,
) -> Result<Vault, CommandError> {
    let home = Arc::new(open_home(&home_path(global)?, ui)?);
    pair::finish_earlier(global, ui, &home)?;
    let cache = cache_path(global)?;
    let opened = Vault::open(OpenOptions {
        url,
        store: store_options(global, ui)?,
        stores: stores(global, ui)?,
        vault: None,
        home: &home,
        cache: cache.as_deref(),
        device_name: host_name(),
        enroll: !global.ephemeral,
        seen: Vec::new(),
        purpose,
        accept_loss,
        accept_rollback: global.accept_rollback,
        unlock: &mut secrets,
    });
    let vault = opened.map_err(|error| secrets.take_failure().unwrap_or_else(|| error.into()))?;
    if vault.enrolled_now() {
        let (name, id) = (vault.device_name(), vault.device_id());
        ui.note(&format!(
            "this machine is now a device of the vault, {name} ({id:.8}), and needs no passphrase any more"
        ));
    }
    for note in vault.notes() {
        ui.note(note);
    }
    for warning in vault.warnings() {
        ui.warning(warning);
    }
    Ok(vault)
}

/// Who signs a change of the vault's devices: the owner of the 24 words if they are named, else this machine's device.
fn signer(global: &Global, secrets: &Secrets<'_>) -> Result<Option<UnlockSecret>, CommandError> {
    match &global.secret.recovery_words_file {
        Some(_) => secrets.root().map(Some),
        None => Ok(None),
    }
}

/// Tells which other stores gave what the first one did not.
fn tell_elsewhere(vault: &Vault, ui: &Ui) {
    for note in vault.take_elsewhere_notes().into_iter().chain(vault.take_beyond_notes()) {
        ui.warning(&note);
    }
}

/// How a store is spoken to that the configuration does not name: as the arguments say, else as it says for all.
fn store_options(global: &Global, ui: &Ui) -> Result<StoreOptions, CommandError> {
    let mut options = StoreOptions {
        ca_cert: global.store.ca_cert.clone(),
        patience: ui.patience.clone(),
        ..StoreOptions::default()
    };
    config(global)?.limits.set(&mut options);
    Limits::from(&global.store).set(&mut options);
    for setting in &global.store.option {
        options.set(setting).map_err(|error| CommandError::usage(error.to_string()))?;
    }
    Ok(options)
}

/// The stores that a command would use, and how: the one that the arguments name, else those of the configuration, else
/// that of the vault that this machine uses.
fn places(global: &Global, ui: &Ui, home: Option<&Home>) -> Result<Vec<(String, StoreOptions)>, CommandError> {
    let mut configured = stores(global, ui)?;
    if let Some(url) = &global.url {
        configured.retain(|store| store.is_at(url));
    }
    if !configured.is_empty() {
        return Ok(configured.into_iter().map(|store| (store.url, store.options)).collect());
    }
    let options = store_options(global, ui)?;
    let known = match (&global.url, home) {
        (None, Some(home)) => {
            let vault = home.default_vault()?;
            vault.and_then(|vault| Some((vault, home.device(vault).ok()?.url, home)))
        }
        _ => None,
    };
    Ok(match (known, &global.url) {
        (Some((vault, url, home)), _) => {
            let mut options = options;
            // What this machine was told when it was paired.
            complete(&mut options, &url, &home.access(vault)?);
            vec![(url, options)]
        }
        (None, Some(url)) => vec![(url.clone(), options)],
        (None, None) => Vec::new(),
    })
}

/// Whether some of the vault's storage is on another machine, as far as that can be known without asking it.
fn is_far(global: &Global, ui: &Ui) -> Result<bool, CommandError> {
    let path = home_path(global)?;
    // It is made by whoever opens the vault.
    let home = if path.exists() { Some(open_home(&path, ui)?) } else { None };
    let environment = |name: &str| std::env::var(name).ok();
    let is_far = |(url, options): &(String, StoreOptions)| match StoreUrl::parse(url) {
        Ok(url) => url.bucket().is_some() && !options.is_loopback(url.kind(), &environment),
        // It is told when it is opened.
        Err(_) => false,
    };
    Ok(places(global, ui, home.as_ref())?.iter().any(is_far))
}

/// The name of this machine.
fn host_name() -> String {
    gethostname::gethostname().to_string_lossy().into_owned()
}

fn absolute(path: PathBuf) -> Result<PathBuf, CommandError> {
    std::path::absolute(&path).map_err(|error| CommandError::io("find the folder", &path, &error))
}

/// A number of bytes, with a unit if you like: `500`, `10k`, `1.5G`, `4MiB`. Units are powers of 1024, as restic's are.
fn parse_size(text: &str) -> Result<u64, String> {
    let wrong = || "write a number of bytes with k, M, G or T if you like, for example 500M".to_owned();
    let lower = text.trim().to_ascii_lowercase();
    let bare = lower.strip_suffix("ib").or_else(|| lower.strip_suffix('b')).unwrap_or(&lower);
    let (number, factor) = match bare.char_indices().next_back().ok_or_else(wrong)? {
        (at, 'k') => (&bare[..at], 1u64 << 10),
        (at, 'm') => (&bare[..at], 1 << 20),
        (at, 'g') => (&bare[..at], 1 << 30),
        (at, 't') => (&bare[..at], 1 << 40),
        _ if lower.ends_with("ib") => return Err(wrong()),
        _ => (bare, 1),
    };
    if let Ok(whole) = number.parse::<u64>() {
        return whole.checked_mul(factor).ok_or_else(wrong);
    }
    let digits = number.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    match number.parse::<f64>() {
        Ok(value) if digits && value * (factor as f64) < u64::MAX as f64 => Ok((value * factor as f64) as u64),
        _ => Err(wrong()),
    }
}

/// The id of a vault.
fn parse_vault(text: &str) -> Result<VaultId, String> {
    text.parse().map_err(|_| "the id of a vault has 64 hex digits".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        for (text, bytes) in [
            ("0", 0),
            ("500", 500),
            ("500b", 500),
            ("10k", 10 << 10),
            ("10K", 10 << 10),
            ("1.5G", 3 << 29),
            ("4MiB", 4 << 20),
            ("2tb", 2 << 40),
        ] {
            assert_eq!(parse_size(text), Ok(bytes), "{text}");
        }
        for text in ["", "k", "-1", "1x", "1e3", "12ib", "nan", "1.2.3", "99999999999999T", "inf"] {
            assert!(parse_size(text).is_err(), "{text}");
        }
    }
}
