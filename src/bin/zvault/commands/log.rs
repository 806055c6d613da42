use std::fs;
use std::io::{self, Read as _};
use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde::Serialize;

use super::Done;
use crate::args::Global;
use crate::error::CommandError;
use crate::json;
use crate::passphrase::Secrets;
use crate::ui::{Ui, printable};
use vault_format::{Time, limits};
use zvault::history::{Event, History};
use zvault::vault::Purpose;
use zvault::{Trouble, VaultId};

/// Show what devices did with the vault, verified: pushes, devices that came and went, losses that were accepted
#[derive(Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct LogArgs {
    #[command(subcommand)]
    command: Option<LogCommand>,

    /// Only what one device did: its name, or the beginning of its id
    #[arg(long, value_name = "DEVICE")]
    device: Option<String>,

    /// Only what is claimed to be from TIME on: 2026-01-31, 2026-01-31T12:00:00Z, or 7d for a week ago
    #[arg(long, value_name = "TIME", value_parser = parse_since)]
    since: Option<Time>,
}

#[derive(Subcommand)]
enum LogCommand {
    /// Write the history to a file that others can verify and read without any key
    Export {
        /// File to write; it must not be there yet
        file: PathBuf,
    },
    /// Verify an exported history, and show it; needs neither the vault nor a key
    Verify {
        /// File to read
        file: PathBuf,
        /// Id of the vault, from somebody else than who gave you the file
        #[arg(long, value_name = "ID", value_parser = super::parse_vault)]
        vault: Option<VaultId>,
    },
}

pub(crate) fn run(args: LogArgs, global: &Global, ui: &Ui) -> Result<Done, CommandError> {
    let mut only = None;
    let history = match &args.command {
        Some(LogCommand::Verify { file, vault }) => {
            let history = History::verify(&read(file)?, *vault)
                .map_err(|error| CommandError::library(&error, error.trouble(), Vec::new()))?;
            if vault.is_none() {
                ui.warning(&format!("the file says that it is of vault {}; compare that with --vault", history.vault));
            }
            history
        }
        command => {
            let vault = super::open(global, ui, Secrets::new(&global.secret), Purpose::Check)?;
            // It reads some logs and not what is in most of them: half of a history looks like all of it.
            vault.may_read("tell the history of the vault")?;
            if let Some(LogCommand::Export { file }) = command {
                let bytes = vault.export_history()?;
                write(file, &bytes)?;
                ui.say(&format!(
                    "the history of vault {} is in {}; it names paths of sources, and holds no key but those of its entries\n",
                    vault.id(),
                    file.display()
                ))?;
                return Ok(Done::Complete);
            }
            if let Some(device) = &args.device {
                only = Some(vault.find_device(device)?.id);
            }
            History::of(&vault)
        }
    };
    let wanted: Vec<&Event> = history
        .events
        .iter()
        .filter(|event| args.since.is_none_or(|since| event.time >= since))
        .filter(|event| only.is_none_or(|device| event.device == device))
        .collect();
    let mut output = ui.output();
    if ui.json {
        output.document(&HistoryDocument {
            vault_id: history.vault.to_string(),
            events: wanted.iter().map(|event| EventDocument::new(event)).collect(),
            trouble: &history.trouble,
        })?;
    } else {
        for event in wanted {
            output.text(&lines(event))?;
        }
    }
    output.finish()?;
    if !ui.json {
        history.trouble.iter().for_each(|trouble| ui.warning(trouble));
    }
    Ok(if history.trouble.is_empty() { Done::Complete } else { Done::Trouble(Trouble::Integrity) })
}

fn lines(event: &Event) -> String {
    let place = if event.is_record { "record" } else { "entry" };
    let head = format!("{}  {:.8} {place} {}", json::plain_time(event.time), event.device, event.number);
    let mut text = String::new();
    for what in &event.what {
        text += &format!("{head:<48}  {}\n", printable(what));
    }
    if let Some(trouble) = &event.trouble {
        text += &format!("{:<48}  ! {}\n", "", printable(trouble));
    }
    text
}

fn read(file: &PathBuf) -> Result<Vec<u8>, CommandError> {
    let failed = |error| CommandError::io("read", file, &error);
    let bytes = fs::File::open(file).and_then(|file| at_most(file, limits::HISTORY)).map_err(failed)?;
    let too_large = || CommandError::new(Trouble::Integrity, format!("{} is too large for a history", file.display()));
    bytes.ok_or_else(too_large)
}

/// All of it, if it is not longer. What the system says of a size is no bound: a file may grow, or be none.
fn at_most(from: impl io::Read, limit: usize) -> io::Result<Option<Vec<u8>>> {
    let mut bytes = Vec::new();
    from.take(limit as u64 + 1).read_to_end(&mut bytes)?;
    Ok((bytes.len() <= limit).then_some(bytes))
}

fn write(file: &PathBuf, bytes: &[u8]) -> Result<(), CommandError> {
    use std::io::Write as _;
    use std::os::unix::fs::OpenOptionsExt as _;
    let failed = |error| CommandError::io("write", file, &error);
    // It opens what devices said: for its owner, who hands it on.
    let mut new = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(file).map_err(failed)?;
    new.write_all(bytes).and_then(|()| new.sync_all()).map_err(failed)
}

/// A day, a time, or how long ago.
fn parse_since(text: &str) -> Result<Time, String> {
    let wrong = || "write 2026-01-31, 2026-01-31T12:00:00Z, or 7d for a week ago".to_owned();
    let ago = |unit: i64| {
        let number = text[..text.len() - 1].parse::<u32>().ok()?;
        Some(zvault::now().secs.saturating_sub(i64::from(number) * unit))
    };
    let secs = match text.chars().next_back() {
        Some('h') => ago(3600),
        Some('d') => ago(86_400),
        Some('w') => ago(604_800),
        _ => {
            let day = || text.parse::<jiff::civil::Date>().ok()?.to_zoned(jiff::tz::TimeZone::system()).ok();
            let time = text.parse::<jiff::Timestamp>().ok().or_else(|| Some(day()?.timestamp()));
            time.map(jiff::Timestamp::as_second)
        }
    };
    Ok(Time { secs: secs.ok_or_else(wrong)?, nanos: 0 })
}

#[derive(Serialize)]
struct HistoryDocument<'a> {
    vault_id: String,
    events: Vec<EventDocument<'a>>,
    trouble: &'a [String],
}

#[derive(Serialize)]
struct EventDocument<'a> {
    id: String,
    kind: &'static str,
    device_id: String,
    number: u64,
    time: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    first_seen: Option<String>,
    what: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    trouble: Option<&'a str>,
}

impl<'a> EventDocument<'a> {
    fn new(event: &'a Event) -> Self {
        Self {
            id: event.id.to_string(),
            kind: if event.is_record { "record" } else { "entry" },
            device_id: event.device.to_string(),
            number: event.number,
            time: json::time(event.time),
            first_seen: event.first_seen.map(json::time),
            what: &event.what,
            trouble: event.trouble.as_deref(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_without_an_end() {
        assert_eq!(at_most(io::repeat(7), 1000).expect("read"), None);
        assert_eq!(at_most(&[7; 1000][..], 1000).expect("read"), Some(vec![7; 1000]));
        assert_eq!(at_most(&[7; 1001][..], 1000).expect("read"), None);
    }

    #[test]
    fn times() {
        assert_eq!(parse_since("2026-01-31T12:00:00Z"), Ok(Time { secs: 1_769_860_800, nanos: 0 }));
        assert!(parse_since("7d").is_ok_and(|time| time < parse_since("6d").expect("a time")));
        assert!(parse_since("2026-01-31").is_ok());
        for text in ["", "d", "-1d", "7y", "yesterday", "2026-13-01", "ä"] {
            assert!(parse_since(text).is_err(), "{text}");
        }
    }
}
