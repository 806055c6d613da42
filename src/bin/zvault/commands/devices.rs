use std::fmt::Write as _;

use clap::{Args, Subcommand};
use serde::Serialize;
use vault_format::roster::Capabilities;

use super::Done;
use crate::args::Global;
use crate::error::CommandError;
use crate::json;
use crate::passphrase::Secrets;
use crate::ui::{Ui, count_text, printable};
use zvault::roster::{Rank, capability_names};
use zvault::vault::{DeviceInfo, DeviceKind, Purpose, RevokedDevice, Vault};

/// List the devices of the vault, rename them, let them do more, or end them
///
/// What a device may do is held in three ways. read by keys: whoever has not got them opens nothing. prune, pair and
/// admin by signatures: what anybody else writes is ignored by all other devices. That nobody overwrites or deletes
/// objects, by the storage and its credentials alone. A device is named by its name or the beginning of its id.
#[derive(Args)]
pub(crate) struct DevicesArgs {
    #[command(subcommand)]
    command: Option<DevicesCommand>,
}

#[derive(Subcommand)]
enum DevicesCommand {
    /// List the devices, and what their records have lost or left without effect
    List,
    /// Call a device something else
    Rename {
        /// Its name, or the beginning of its id
        device: String,
        /// Its new name
        name: String,
    },
    /// Let a device do more; nothing is taken away but with the device
    Grant {
        /// Its name, or the beginning of its id
        device: String,
        /// Of read, push, prune, pair and admin, separated by commas; prune, pair and admin bring read with them
        #[arg(value_parser = capabilities)]
        capabilities: Capabilities,
        /// Do not ask
        #[arg(long, short)]
        yes: bool,
    },
    /// End a device for ever: it reads nothing that is pushed from then on, and what it writes does not count
    Revoke {
        /// Its name, or the beginning of its id
        device: String,
        /// Do not ask
        #[arg(long, short)]
        yes: bool,
        /// It may be in somebody else's hands: others rely on nothing that it has stored, and what is to be done is told
        #[arg(long)]
        compromised: bool,
        /// End all devices and passphrases that it added, and those that they did, with it
        #[arg(long)]
        with_added: bool,
    },
}

pub(crate) fn run(args: DevicesArgs, global: &Global, ui: &Ui) -> Result<Done, CommandError> {
    let secrets = Secrets::new(&global.secret);
    let mut vault = super::open(global, ui, Secrets::new(&global.secret), Purpose::Read)?;
    match args.command.unwrap_or(DevicesCommand::List) {
        DevicesCommand::List => list(&vault, ui)?,
        DevicesCommand::Rename { device, name } => {
            let known = vault.find_device(&device)?;
            let signer = super::signer(global, &secrets)?;
            tell(ui, &vault.rename_device(known.id, &name, signer.as_ref())?);
            changed(&vault, &known, ui, &format!("device {:.8} is now called {}\n", known.id, printable(&name)))?;
        }
        DevicesCommand::Grant { device, capabilities, yes } => {
            let known = vault.find_device(&device)?;
            if !yes {
                let more = capability_names(capabilities);
                ui.confirm(&format!("{} gets {more}, for as long as it is a device. Go on?", shown(&known)))?;
            }
            let signer = super::signer(global, &secrets)?;
            tell(ui, &vault.grant(known.id, capabilities, signer.as_ref())?);
            let now = vault.find_device(&known.id.to_string())?.capabilities;
            let may = capability_names(now);
            changed(&vault, &known, ui, &format!("{} may now {may}\n", shown(&known)))?;
        }
        DevicesCommand::Revoke { device, yes, compromised, with_added } => {
            let known = vault.find_device(&device)?;
            if !yes {
                let what = if with_added { ", and all that it added," } else { "" };
                ui.confirm(&format!("{}{what} is ended for ever. Go on?", shown(&known)))?;
            }
            let mut signer = super::signer(global, &secrets)?;
            let is_ended = vault.roster().is_ended(known.id);
            if compromised && known.revoked.is_some() && (is_ended || signer.is_none()) {
                tell(ui, &vault.mark_compromised(known.id, signer.as_ref())?);
                let name = shown(&known);
                ui.say(&format!("{name} was revoked already; what it has stored is relied on no longer\n"))?;
                if known.rank == Rank::Admin && !is_ended {
                    ui.note(&format!(
                        "it left by itself, and with its key devices can still be revoked: 'zvault devices revoke {:.8}' with the recovery key ends that",
                        known.id
                    ));
                }
                return Ok(Done::Complete);
            }
            if signer.is_none() && known.rank == Rank::Admin && !known.is_this && !is_ended {
                // An admin is reached by the recovery key alone, and also when it has left: its key can revoke devices yet.
                signer = Some(secrets.root()?);
            }
            let revoked = match (compromised, with_added) {
                (true, _) => vault.revoke_compromised(known.id, with_added, signer.as_ref())?,
                (false, true) => vault.revoke_with_added(known.id, signer.as_ref())?,
                (false, false) => vault.revoke(known.id, signer.as_ref())?,
            };
            tell_revoked(&vault, &revoked, compromised, ui)?;
            if compromised && known.is_this && known.rank < Rank::Admin {
                ui.note(&format!(
                    "that it was in somebody else's hands only an admin's device can say for everybody: 'zvault devices revoke {:.8} --compromised'",
                    known.id
                ));
            }
        }
    }
    Ok(Done::Complete)
}

fn list(vault: &Vault, ui: &Ui) -> Result<(), CommandError> {
    let devices = vault.devices();
    let roster = vault.roster();
    let mut output = ui.output();
    if ui.json {
        let lost = roster.settings.iter().flat_map(|(key, setting)| {
            setting.lost.iter().map(|value| LostDocument { key, value: String::from_utf8_lossy(value).into_owned() })
        });
        output.document(&ListDocument {
            devices: devices.iter().map(DeviceDocument::new).collect(),
            void_records: roster
                .void
                .iter()
                .map(|void| VoidDocument {
                    record: void.identity.to_string(),
                    signer_id: void.signer.to_string(),
                    reason: standing(void.standing),
                })
                .collect(),
            lost_settings: lost.collect(),
        })?;
        return output.finish();
    }
    output.text(&table(&devices))?;
    for void in &roster.void {
        let by = printable(&vault.name_of(void.signer)).into_owned();
        output.text(&format!("record {:.8} by {by} has no effect: {}\n", void.identity, standing(void.standing)))?;
    }
    for (key, setting) in &roster.settings {
        for lost in &setting.lost {
            let lost = String::from_utf8_lossy(lost);
            output.text(&format!(
                "setting {}: {} was set at the same time by somebody else, and lost\n",
                printable(key),
                printable(&lost)
            ))?;
        }
    }
    output.finish()
}

/// Says that something has changed, or shows the device as it is now.
fn changed(vault: &Vault, device: &DeviceInfo, ui: &Ui, text: &str) -> Result<(), CommandError> {
    if ui.json {
        return ui.document(&DeviceDocument::new(&vault.find_device(&device.id.to_string())?));
    }
    ui.say(text)
}

pub(super) fn tell(ui: &Ui, not_told: &[String]) {
    not_told.iter().for_each(|note| ui.note(note));
}

/// What was done, what is still to be done, and what cannot be.
pub(super) fn tell_revoked(
    vault: &Vault,
    revoked: &RevokedDevice,
    compromised: bool,
    ui: &Ui,
) -> Result<(), CommandError> {
    tell(ui, &revoked.not_told);
    let name = |id| format!("{} ({id:.8})", printable(&vault.name_of(id)));
    let may_read = !revoked.device.capabilities.is_push_only();
    if ui.json {
        return ui.document(&RevokedDocument {
            message_type: "revoked",
            device: DeviceDocument::new(&revoked.device),
            last_entry: revoked.last.map(|(identity, _)| identity.to_string()),
            void_entries: revoked.void.iter().map(|entry| entry.identity.to_string()).collect(),
            withheld_entries: revoked.withheld.iter().map(|entry| entry.identity.to_string()).collect(),
            new_epoch: revoked.epoch.map(|epoch| epoch.to_string()),
            pushing_stopped: revoked.wants_epoch,
            no_room: revoked.no_room,
            revoked_with_it: revoked.with.iter().map(ToString::to_string).collect(),
            left_out: revoked.left_out.iter().map(ToString::to_string).collect(),
            added_by_it: revoked.added.iter().map(ToString::to_string).collect(),
        });
    }
    let mut text = format!("{} is no device of the vault any more\n", shown(&revoked.device));
    for id in &revoked.with {
        let _ = writeln!(text, "  ended with it: {}", name(*id));
    }
    match revoked.last {
        Some((identity, seq)) => {
            let _ = writeln!(text, "  of its log counts what it wrote up to entry {seq} ({identity:.8})");
        }
        None => text.push_str("  it had not written anything\n"),
    }
    if revoked.device.is_this {
        text.push_str(
            "  this machine has forgotten its keys; whatever opens the vault here again makes it another device\n",
        );
    }
    for entry in &revoked.void {
        let what = if entry.is_snapshot { "snapshot" } else { "entry" };
        let _ = writeln!(text, "  void: {what} {:.8} of {}", entry.identity, json::plain_time(entry.time));
    }
    if revoked.epoch.is_some() {
        text.push_str("  a new epoch has begun: what is pushed from now on it cannot read\n");
    }
    text.push_str("\nStill to be done:\n  * change the storage credentials that it had; until then it can read, overwrite or delete\n    whatever they allow\n");
    if revoked.no_room {
        text.push_str("  * end more devices ('zvault devices revoke ID --with-added'): a vault has at most 512, those who stay\n    are more, and until then nobody can push\n");
    } else if revoked.wants_epoch {
        text.push_str("  * run any command, such as 'zvault devices', on another admin's device: until then nobody can\n    push\n");
    }
    if compromised {
        text.push_str("  * change the passphrases that were typed on it: 'zvault key change'\n  * look at what its snapshots hold before you restore them: whoever had it may have made them\n");
        let _ = writeln!(
            text,
            "  * verify what it has stored: 'zvault check --read-data-of {:.8}' names the snapshots that suffer. Later ones do\n    not: the next push of each device relies on nothing of it and stores again what it has",
            revoked.device.id
        );
    }
    if !revoked.added.is_empty() {
        text.push_str("  * it had added these, and they stay: revoke those that you do not know\n");
        for id in &revoked.added {
            let _ = writeln!(text, "      {}", name(*id));
        }
    }
    for id in &revoked.left_out {
        let _ = writeln!(
            text,
            "  * {} cannot open the new epoch, because whoever added it kept its secret: add it anew",
            name(*id)
        );
    }
    if may_read {
        text.push_str("\nWhat cannot be undone:\n  * everything that was pushed until now it has had the keys of, and may have read\n");
    }
    ui.say(&text)?;
    for entry in &revoked.withheld {
        ui.warning(&format!(
            "{} has seen entry {:.8} of it, which the storage does not show: either of them hides something",
            vault.name_of(entry.seen_by),
            entry.identity
        ));
    }
    Ok(())
}

fn shown(device: &DeviceInfo) -> String {
    let name = device.name.as_deref().map_or("a device without a name".into(), printable);
    format!("{name} ({:.8})", device.id)
}

fn table(devices: &[DeviceInfo]) -> String {
    let time = |time: Option<vault_format::Time>| time.map_or("-".to_owned(), json::plain_time);
    let rows: Vec<[String; 6]> = devices
        .iter()
        .map(|device| {
            let state = match (device.revoked, device.kind, device.is_this) {
                (Some(revoked), ..) => format!("revoked {}", json::plain_time(revoked.time)),
                (None, DeviceKind::Passphrase, _) => "passphrase".into(),
                (None, DeviceKind::RecoveryKey, _) => "recovery key".into(),
                (None, DeviceKind::Machine, true) => "this device".into(),
                (None, DeviceKind::Machine, false) if device.last_seen.is_none() => "never seen".into(),
                (None, DeviceKind::Machine, false) => String::new(),
            };
            [
                device.name.as_deref().map_or("-".into(), |name| printable(name).into_owned()),
                format!("{:.8}", device.id),
                capability_names(device.capabilities).replace(", ", ","),
                time(device.last_push),
                time(Some(device.added)),
                state,
            ]
        })
        .collect();
    let widths: [usize; 6] = std::array::from_fn(|column| {
        let cells = rows.iter().map(|row| row[column].chars().count());
        cells.chain([HEADS[column].len()]).max().unwrap_or_default()
    });
    let line = |cells: [&str; 6]| {
        let padded: Vec<String> = cells.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        format!("{}\n", padded.join("  ").trim_end())
    };
    let rule = format!("{}\n", "-".repeat(widths.iter().sum::<usize>() + 2 * (widths.len() - 1)));
    let members = devices.iter().filter(|device| device.revoked.is_none() && device.kind == DeviceKind::Machine);
    let mut text = line(HEADS) + &rule;
    rows.iter().for_each(|row| text += &line(row.each_ref().map(|cell| &**cell)));
    text + &rule + &format!("{}\n", count_text(members.count() as u64, "device", "devices"))
}

/// Capabilities by their names, as `--json` has them.
pub(super) fn capability_list(capabilities: Capabilities) -> Vec<&'static str> {
    NAMES.into_iter().filter(|(capability, _)| capabilities.contains(*capability)).map(|(_, name)| name).collect()
}

fn standing(standing: zvault::roster::Standing) -> &'static str {
    use zvault::roster::Standing::{Effective, NoRight, RevocationsOnly, Revoked};
    match standing {
        Effective => "it counts",
        RevocationsOnly => {
            "its signer had left, or nobody who counts had added it; its revocations count, and nothing else"
        }
        NoRight => "its signer had no right to it",
        Revoked => "its signer was revoked, and the revocation had not seen it",
    }
}

/// `read,push`: prune, pair and admin bring read with them.
fn capabilities(text: &str) -> Result<Capabilities, String> {
    let mut all = Capabilities::NONE;
    for name in text.split(',').map(str::trim) {
        all = all
            | match name {
                "read" => Capabilities::READ,
                "push" => Capabilities::PUSH,
                "prune" => Capabilities::READ | Capabilities::PRUNE,
                "pair" => Capabilities::READ | Capabilities::PAIR,
                "admin" => Capabilities::READ | Capabilities::ADMIN,
                _ => return Err("write read, push, prune, pair or admin, separated by commas".into()),
            };
    }
    Ok(all)
}

#[derive(Serialize)]
struct ListDocument<'a> {
    devices: Vec<DeviceDocument<'a>>,
    void_records: Vec<VoidDocument>,
    lost_settings: Vec<LostDocument<'a>>,
}

/// A device in `--json`.
#[derive(Serialize)]
pub(super) struct DeviceDocument<'a> {
    device_id: String,
    device_name: Option<&'a str>,
    kind: &'static str,
    capabilities: Vec<&'static str>,
    rank: &'static str,
    this_device: bool,
    added: String,
    added_by: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_push: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_seen: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    revoked: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    revoked_by: Option<String>,
}

#[derive(Serialize)]
struct VoidDocument {
    record: String,
    signer_id: String,
    reason: &'static str,
}

#[derive(Serialize)]
struct LostDocument<'a> {
    key: &'a str,
    value: String,
}

#[derive(Serialize)]
struct RevokedDocument<'a> {
    message_type: &'static str,
    device: DeviceDocument<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_entry: Option<String>,
    void_entries: Vec<String>,
    withheld_entries: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    new_epoch: Option<String>,
    pushing_stopped: bool,
    no_room: bool,
    revoked_with_it: Vec<String>,
    left_out: Vec<String>,
    added_by_it: Vec<String>,
}

impl<'a> DeviceDocument<'a> {
    pub(super) fn new(device: &'a DeviceInfo) -> Self {
        Self {
            device_id: device.id.to_string(),
            device_name: device.name.as_deref(),
            kind: match device.kind {
                DeviceKind::Machine => "machine",
                DeviceKind::Passphrase => "passphrase",
                DeviceKind::RecoveryKey => "recovery_key",
            },
            capabilities: capability_list(device.capabilities),
            rank: match device.rank {
                Rank::Device => "device",
                Rank::Admin => "admin",
                Rank::Root => "root",
            },
            this_device: device.is_this,
            added: json::time(device.added),
            added_by: device.added_by.to_string(),
            last_push: device.last_push.map(json::time),
            last_seen: device.last_seen.map(json::time),
            revoked: device.revoked.map(|revoked| json::time(revoked.time)),
            revoked_by: device.revoked.map(|revoked| revoked.by.to_string()),
        }
    }
}

const HEADS: [&str; 6] = ["Name", "ID", "May", "Last push", "Added", ""];
const NAMES: [(Capabilities, &str); 5] = [
    (Capabilities::READ, "read"),
    (Capabilities::PUSH, "push"),
    (Capabilities::PRUNE, "prune"),
    (Capabilities::PAIR, "pair"),
    (Capabilities::ADMIN, "admin"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_be_granted() {
        assert_eq!(capabilities("read,push"), Ok(Capabilities::READ | Capabilities::PUSH));
        assert_eq!(capabilities("prune"), Ok(Capabilities::READ | Capabilities::PRUNE));
        assert_eq!(capabilities("admin, pair,push,prune"), Ok(Capabilities::ALL));
        for text in ["", "all", "read,", "Read"] {
            assert!(capabilities(text).is_err(), "{text}");
        }
    }
}
