use std::fmt::Write as _;

use clap::{Args, Subcommand};
use serde::Serialize;
use vault_format::DeviceId;

use super::Done;
use super::devices::{DeviceDocument, tell, tell_revoked};
use crate::args::Global;
use crate::error::CommandError;
use crate::json;
use crate::passphrase::Secrets;
use crate::ui::{Ui, printable};
use zvault::Trouble;
use zvault::roster::Rank;
use zvault::vault::{DeviceInfo, DeviceKind, Purpose, Vault};

/// List the passphrases of the vault, add, change or remove one
///
/// A passphrase opens the vault on a machine that is no device of it yet, and makes it one. It changes nothing about
/// other devices: that takes an admin's device or the 24 words. The new passphrase is asked for twice, or comes from
/// ZVAULT_NEW_PASSPHRASE or one of its relatives.
#[derive(Args)]
pub(crate) struct KeyArgs {
    #[command(subcommand)]
    command: Option<KeyCommand>,
}

#[derive(Subcommand)]
enum KeyCommand {
    /// List the passphrases and the recovery key
    List,
    /// Add a passphrase
    Add {
        /// What it is called in lists
        #[arg(long, value_name = "NAME", default_value = "passphrase")]
        name: String,
        /// Let it be opened on machines with little memory; guessing it becomes cheaper
        #[arg(long)]
        low_memory: bool,
    },
    /// End a passphrase: it opens nothing that is pushed from then on
    Remove {
        /// Its name, or the beginning of its id
        key: String,
        /// Do not ask
        #[arg(long, short)]
        yes: bool,
    },
    /// Put another passphrase in the place of one
    Change {
        /// Its name, or the beginning of its id [default: the only one]
        key: Option<String>,
        /// Let it be opened on machines with little memory; guessing it becomes cheaper
        #[arg(long)]
        low_memory: bool,
    },
}

pub(crate) fn run(args: KeyArgs, global: &Global, ui: &Ui) -> Result<Done, CommandError> {
    let secrets = Secrets::new(&global.secret);
    let mut vault = super::open(global, ui, Secrets::new(&global.secret), Purpose::Read)?;
    match args.command.unwrap_or(KeyCommand::List) {
        KeyCommand::List => list(&vault, ui)?,
        KeyCommand::Add { name, low_memory } => {
            let signer = super::signer(global, &secrets)?;
            let (id, not_told) = vault.add_slot(&secrets.another()?, low_memory, &name, signer.as_ref())?;
            tell(ui, &not_told);
            let added = vault.find_device(&id.to_string())?;
            if ui.json {
                ui.document(&DeviceDocument::new(&added))?;
            }
            ui.say(&format!("the passphrase {} ({id:.8}) opens the vault from now on\n", printable(&name)))?;
        }
        KeyCommand::Remove { key, yes } => {
            let known = slot(&vault, &key)?;
            if !yes {
                ui.confirm(&format!("{} opens nothing that is pushed from now on. Go on?", shown(&known)))?;
            }
            let signer = super::signer(global, &secrets)?;
            let removed = vault.remove_slot(known.id, signer.as_ref())?;
            tell_revoked(&vault, &removed, false, ui)?;
        }
        KeyCommand::Change { key, low_memory } => {
            let known = match key {
                Some(key) => slot(&vault, &key)?,
                None => only_passphrase(&vault)?,
            };
            if known.kind == DeviceKind::RecoveryKey {
                return Err(CommandError::usage("the recovery key is no passphrase").hint("zvault recovery new"));
            }
            let mut signer = super::signer(global, &secrets)?;
            if known.rank == Rank::Root && signer.is_none() {
                // Without words it is root, and only itself can name its successor.
                signer = Some(secrets.again(vault.url())?);
            }
            let replaced = vault.change_slot(known.id, &secrets.another()?, low_memory, signer.as_ref())?;
            tell(ui, &replaced.not_told);
            if ui.json {
                ui.document(&ChangedDocument {
                    message_type: "changed",
                    old_id: known.id.to_string(),
                    device_id: replaced.device.to_string(),
                    added_by_old: replaced.added.iter().map(ToString::to_string).collect(),
                })?;
            }
            ui.say(CHANGED)?;
            ui.say(&came_in(&vault, &replaced.added))?;
        }
    }
    Ok(Done::Complete)
}

/// Which members came in by a secret that was replaced: they do not go with it.
pub(super) fn came_in(vault: &Vault, added: &[DeviceId]) -> String {
    if added.is_empty() {
        return String::new();
    }
    let mut text = String::from(CAME_IN);
    for id in added {
        let _ = writeln!(text, "      {} ({id:.8})", printable(&vault.name_of(*id)));
    }
    text
}

fn list(vault: &Vault, ui: &Ui) -> Result<(), CommandError> {
    let keys: Vec<DeviceInfo> =
        vault.devices().into_iter().filter(|device| device.kind != DeviceKind::Machine).collect();
    let mut output = ui.output();
    if ui.json {
        output.document(&keys.iter().map(DeviceDocument::new).collect::<Vec<_>>())?;
        return output.finish();
    }
    for key in &keys {
        let kind = match (key.kind, key.rank) {
            (DeviceKind::RecoveryKey, _) => "24 words",
            (_, Rank::Root) => "passphrase, in the place of a recovery key",
            _ => "passphrase",
        };
        let name = key.name.as_deref().map_or("-".into(), printable);
        let ended = key.revoked.map_or(String::new(), |revoked| format!(", ended {}", json::plain_time(revoked.time)));
        output.text(&format!("{:.8}  {name:<20} {}  {kind}{ended}\n", key.id, json::plain_time(key.added)))?;
    }
    output.finish()
}

fn slot(vault: &Vault, text: &str) -> Result<DeviceInfo, CommandError> {
    // A machine may have the same name.
    let keys =
        vault.devices().into_iter().filter(|device| device.kind != DeviceKind::Machine && device.revoked.is_none());
    let named: Vec<DeviceInfo> = keys.filter(|device| device.goes_by(text)).collect();
    let [named] = <[DeviceInfo; 1]>::try_from(named).or_else(|_| vault.find_device(text).map(|found| [found]))?;
    Ok(named)
}

fn only_passphrase(vault: &Vault) -> Result<DeviceInfo, CommandError> {
    let is_one = |device: &DeviceInfo| device.kind == DeviceKind::Passphrase && device.revoked.is_none();
    let all: Vec<DeviceInfo> = vault.devices().into_iter().filter(is_one).collect();
    match <[DeviceInfo; 1]>::try_from(all) {
        Ok([only]) => Ok(only),
        Err(all) if all.is_empty() => {
            Err(CommandError::new(Trouble::Usage, "the vault has no passphrase").hint("make one with 'zvault key add'"))
        }
        Err(_) => Err(CommandError::usage("the vault has several passphrases: which of them?")
            .hint("'zvault key list' shows their names and ids")),
    }
}

fn shown(key: &DeviceInfo) -> String {
    format!("{} ({:.8})", key.name.as_deref().map_or("a passphrase".into(), printable), key.id)
}

#[derive(Serialize)]
struct ChangedDocument {
    message_type: &'static str,
    old_id: String,
    device_id: String,
    added_by_old: Vec<String>,
}

const CHANGED: &str = "\
The new passphrase opens the vault from now on, and the old one is refused.

What the old one still opens, for whoever kept a copy of the storage or can see earlier versions
of it: everything that was pushed until now. It opens nothing that is pushed from now on.
";
const CAME_IN: &str = "
These machines and passphrases came in by the old one, and they stay: they read what is pushed from
now on as well. If it was in somebody else's hands, end those that you do not know with
'zvault devices revoke':
";
