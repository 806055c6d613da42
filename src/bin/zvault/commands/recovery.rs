use std::fs::OpenOptions as FileOptions;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::{Args, Subcommand};
use serde::Serialize;
use zeroize::Zeroizing;
use zvault::keys::Words;

use super::Done;
use super::devices::tell;
use crate::args::Global;
use crate::error::CommandError;
use crate::json;
use crate::keychain::open_home;
use crate::passphrase::Secrets;
use crate::ui::{Ui, count_text, printable};
use zvault::Trouble;
use zvault::qr;
use zvault::recovery::Sheet;
use zvault::roster::Rank;
use zvault::vault::{NewWords, OpenOptions, Purpose, UnlockSecret, Vault, VaultError};

/// Print the recovery sheet, make new words, or bring a vault back with them
///
/// The 24 words open the vault without any device, and reach every device of it. Together with the storage they are all
/// that is needed when everything else is lost.
#[derive(Args)]
pub(crate) struct RecoveryArgs {
    #[command(subcommand)]
    command: RecoveryCommand,
}

#[derive(Subcommand)]
enum RecoveryCommand {
    /// Print a page for paper: the vault, its place, how to get everything back, and a QR code of what is to be compared
    Print {
        /// Write a page for a browser to FILE; it must not exist
        #[arg(long, value_name = "FILE", conflicts_with = "svg")]
        html: Option<PathBuf>,
        /// Write a drawing of one page of A4 to FILE; it must not exist
        #[arg(long, value_name = "FILE")]
        svg: Option<PathBuf>,
        /// Put the 24 words on it: they are asked for, or read from --recovery-words-file; needs --html or --svg
        #[arg(long)]
        with_words: bool,
    },
    /// Make new words; the old ones open nothing that is pushed from then on
    ///
    /// It takes the old words, and in a vault that was made without them its passphrase.
    New {
        /// Do not ask
        #[arg(long, short)]
        yes: bool,
        /// Write a sheet with the new words to FILE, a page if it ends in .html and a drawing if it ends in .svg
        #[arg(long, value_name = "FILE", value_parser = sheet_path)]
        recovery_sheet: Option<PathBuf>,
    },
    /// Make this machine a device of a vault again with the 24 words: an admin, which can do everything
    Restore {
        /// Where the vault is
        #[arg(value_name = "URL", id = "place")]
        place: Option<String>,
        /// The text of the sheet's QR code: vault and roster are compared with it
        #[arg(long, value_name = "TEXT")]
        sheet: Option<Sheet>,
        /// What this machine is called [default: its own name]
        #[arg(long, value_name = "NAME")]
        device_name: Option<String>,
    },
}

pub(crate) fn run(args: RecoveryArgs, global: &Global, ui: &Ui) -> Result<Done, CommandError> {
    match args.command {
        RecoveryCommand::Print { html, svg, with_words } => print(html, svg, with_words, global, ui),
        RecoveryCommand::New { yes, recovery_sheet } => new(yes, recovery_sheet.as_deref(), global, ui),
        RecoveryCommand::Restore { place, sheet, device_name } => restore(place, sheet, device_name, global, ui),
    }
}

fn print(
    html: Option<PathBuf>,
    svg: Option<PathBuf>,
    with_words: bool,
    global: &Global,
    ui: &Ui,
) -> Result<Done, CommandError> {
    if with_words && html.is_none() && svg.is_none() {
        return Err(
            CommandError::usage("words are not printed on a terminal").hint("name a file: --html FILE or --svg FILE")
        );
    }
    let secrets = Secrets::new(&global.secret);
    let vault = super::open(global, ui, Secrets::new(&global.secret), Purpose::Read)?;
    let sheet = Sheet::of(&vault);
    let words = match with_words {
        false => None,
        true => match secrets.root()? {
            UnlockSecret::Words(words) => {
                // A sheet with words that open nothing is worse than none.
                let same = Words::from_entropy(&words.entropy()).map_err(VaultError::from)?;
                vault.check_secret(&UnlockSecret::Words(same))?;
                Some(words)
            }
            UnlockSecret::Passphrase(_) => None,
        },
    };
    let file = html.as_ref().map(|path| (path, false)).or(svg.as_ref().map(|path| (path, true)));
    if let Some((path, is_svg)) = file {
        write_page(&sheet, words.as_ref(), path, is_svg)?;
    }
    if ui.json {
        ui.document(&SheetDocument::new(&sheet))?;
    } else if let Some((path, _)) = file {
        ui.say(&format!("the recovery sheet is in {}\n", printable(&path.to_string_lossy())))?;
    } else {
        let mut output = ui.output();
        // The place comes from the roster, and whoever wrote it there is not to write on this terminal.
        let shown = Sheet { url: printable(&sheet.url).into_owned(), ..sheet.clone() };
        output.text(&shown.plain().map_err(|error| CommandError::library(&error, Trouble::Failed, Vec::new()))?)?;
        let code =
            qr::terminal(&sheet.text()).map_err(|error| CommandError::library(&error, Trouble::Failed, Vec::new()))?;
        output.text(&format!("\n{code}"))?;
        output.finish()?;
    }
    Ok(Done::Complete)
}

fn new(yes: bool, path: Option<&Path>, global: &Global, ui: &Ui) -> Result<Done, CommandError> {
    let secrets = Secrets::new(&global.secret);
    let mut vault = super::open(global, ui, Secrets::new(&global.secret), Purpose::Read)?;
    let root = vault.root_device().and_then(|id| vault.devices().into_iter().find(|device| device.id == id));
    let root = root.ok_or(zvault::vault::VaultError::NoRoot)?;
    if !yes {
        ui.confirm("The words that there are now open nothing that is pushed from then on. Go on?")?;
    }
    let by_words = root.kind == zvault::vault::DeviceKind::RecoveryKey;
    let secret = if by_words { secrets.root()? } else { secrets.again(vault.url())? };
    let mut failure = None;
    let mut show = |new: &NewWords<'_>| {
        show_words(new, path, ui).map_err(|error| {
            let text = error.in_one_line();
            failure = Some(error);
            text
        })
    };
    let replaced = match vault.new_recovery_words(&secret, false, &mut show) {
        Ok(replaced) => replaced,
        Err(error) => return Err(failure.take().unwrap_or_else(|| error.into())),
    };
    tell(ui, &replaced.not_told);
    if ui.json {
        return Ok(Done::Complete);
    }
    ui.say(if by_words { NEW_WORDS } else { FIRST_WORDS })?;
    ui.say(&super::key::came_in(&vault, &replaced.added))?;
    Ok(Done::Complete)
}

/// Has the new words on the terminal, and on the sheet, while the old ones still are in force.
fn show_words(new: &NewWords<'_>, path: Option<&Path>, ui: &Ui) -> Result<(), CommandError> {
    if let Some(path) = path {
        write_sheet(new.vault, new.words, path)?;
    }
    let mut output = ui.output();
    if ui.json {
        let document = NewDocument {
            message_type: "recovery_key",
            device_id: new.device.to_string(),
            recovery_words: new.words.iter().collect(),
            added_by_old: new.added.iter().map(ToString::to_string).collect(),
        };
        let line = Zeroizing::new(json::line(&document));
        return output.text(&line).and_then(|()| output.text("\n")).and_then(|()| output.finish());
    }
    output.text(&super::init::sheet(new.words)).and_then(|()| output.finish())
}

fn restore(
    place: Option<String>,
    sheet: Option<Sheet>,
    device_name: Option<String>,
    global: &Global,
    ui: &Ui,
) -> Result<Done, CommandError> {
    let url = place.or_else(|| global.url.clone()).or_else(|| sheet.as_ref().map(|sheet| sheet.url.clone()));
    let url = url.ok_or_else(|| {
        CommandError::usage("where is the vault?").hint("name its place, as on the sheet: zvault recovery restore URL")
    })?;
    let home = Arc::new(open_home(&super::home_path(global)?, ui)?);
    let cache = super::cache_path(global)?;
    let secrets = Secrets::new(&global.secret);
    let mut failure = None;
    let mut unlock = |_: &str| {
        secrets.root().map_err(|error| {
            let text = error.in_one_line();
            failure = Some(error);
            text
        })
    };
    let opened = Vault::open(OpenOptions {
        url: Some(&url),
        store: super::store_options(global, ui)?,
        stores: super::stores(global, ui)?,
        vault: sheet.as_ref().map(|sheet| sheet.vault),
        home: &home,
        cache: cache.as_deref(),
        device_name: device_name.unwrap_or_else(super::host_name),
        enroll: !global.ephemeral,
        seen: sheet.as_ref().map(|sheet| sheet.heads.clone()).unwrap_or_default(),
        purpose: Purpose::Read,
        accept_loss: false,
        accept_rollback: global.accept_rollback,
        unlock: &mut unlock,
    });
    let vault = match opened {
        Ok(vault) => vault,
        Err(error) => return Err(failure.take().unwrap_or_else(|| error.into())),
    };
    for note in vault.notes() {
        ui.note(note);
    }
    let compared = sheet.as_ref().map(|sheet| Compared::of(&vault, sheet));
    let me = vault.devices().into_iter().find(|device| device.is_this);
    if ui.json {
        ui.document(&RestoredDocument {
            message_type: "recovered",
            vault_id: vault.id().to_string(),
            device_id: vault.device_id().to_string(),
            enrolled: vault.enrolled_now(),
            vault_id_compared: compared.is_some(),
            newer_than_sheet: compared.as_ref().map(|compared| compared.is_newer()),
            snapshots: vault.snapshots().len(),
        })?;
        return Ok(Done::Complete);
    }
    let state = match (vault.enrolled_now(), vault.is_ephemeral()) {
        (true, _) => "this machine is a device of the vault now",
        (false, true) => "the words were used for this run only",
        (false, false) => "this machine was a device of the vault already",
    };
    let admin = me.is_some_and(|me| me.rank >= Rank::Admin);
    let mut text = format!(
        "{state}\n\n  vault      {}\n  place      {}\n  device     {} ({:.8}){}\n  snapshots  {}\n",
        vault.id(),
        printable(vault.url()),
        printable(vault.device_name()),
        vault.device_id(),
        if admin { ", an admin" } else { "" },
        vault.snapshots().len()
    );
    match compared {
        None => {
            text.push_str("  sheet      vault id not compared: give the text of the sheet's QR code with --sheet\n")
        }
        Some(compared) => {
            let newer = if compared.is_newer() {
                let entries = count_text(compared.entries, "entry", "entries");
                format!(
                    "yes, by {} and {entries} of logs",
                    count_text(compared.records, "roster record", "roster records")
                )
            } else {
                "no".into()
            };
            text.push_str("  sheet      same vault, and the roster has what the sheet names\n");
            text.push_str(&format!("  newer than your sheet: {newer}\n"));
        }
    }
    text.push_str("\nNext: 'zvault snapshots', then 'zvault restore latest --target FOLDER'. Devices that are lost for\ngood: 'zvault devices revoke', with the words.\n");
    ui.say(&text)?;
    Ok(Done::Complete)
}

/// How much newer a vault is than a sheet.
struct Compared {
    records: u64,
    entries: u64,
}

impl Compared {
    /// Entries are compared by the times that their writers claim; records by what follows those that the sheet names.
    fn of(vault: &Vault, sheet: &Sheet) -> Self {
        let own = u64::from(vault.enrolled_now());
        let records = vault.roster().records_after(&sheet.heads).saturating_sub(own);
        let entries = vault.log().entries().filter(|entry| entry.body.time.secs > sheet.time.secs).count() as u64;
        Self { records, entries }
    }

    fn is_newer(&self) -> bool {
        self.records + self.entries > 0
    }
}

/// A sheet with words in a file that only its owner reads.
pub(super) fn write_sheet(vault: &Vault, words: &Words, path: &Path) -> Result<(), CommandError> {
    write_page(&Sheet::of(vault), Some(words), path, path.extension().is_some_and(|end| end == "svg"))
}

/// What `--recovery-sheet` takes.
pub(super) fn sheet_path(text: &str) -> Result<PathBuf, String> {
    let path = PathBuf::from(text);
    match path.extension().and_then(|end| end.to_str()) {
        Some("html" | "svg") => Ok(path),
        _ => Err("the name of a sheet ends in .html or .svg".into()),
    }
}

fn write_page(sheet: &Sheet, words: Option<&Words>, path: &Path, is_svg: bool) -> Result<(), CommandError> {
    let page = if is_svg { sheet.svg(words) } else { sheet.html(words) };
    let page = page.map_err(|error| CommandError::library(&error, Trouble::Failed, Vec::new()))?;
    let write = || {
        let mut file = FileOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
        file.write_all(page.as_bytes())?;
        file.sync_all()
    };
    write().map_err(|error| CommandError::io("write the recovery sheet", path, &error))
}

#[derive(Serialize)]
struct SheetDocument<'a> {
    vault_id: String,
    url: &'a str,
    time: String,
    roster_heads: Vec<String>,
    qr_text: String,
}

impl<'a> SheetDocument<'a> {
    fn new(sheet: &'a Sheet) -> Self {
        Self {
            vault_id: sheet.vault.to_string(),
            url: &sheet.url,
            time: json::time(sheet.time),
            roster_heads: sheet.heads.iter().map(ToString::to_string).collect(),
            qr_text: sheet.text(),
        }
    }
}

#[derive(Serialize)]
struct NewDocument {
    message_type: &'static str,
    device_id: String,
    recovery_words: Vec<&'static str>,
    added_by_old: Vec<String>,
}

#[derive(Serialize)]
struct RestoredDocument {
    message_type: &'static str,
    vault_id: String,
    device_id: String,
    enrolled: bool,
    vault_id_compared: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    newer_than_sheet: Option<bool>,
    snapshots: usize,
}

const NEW_WORDS: &str = "
The old words are refused from now on. For whoever kept a copy of the storage they still open
everything that was pushed until now, and nothing that is pushed from now on.
";
const FIRST_WORDS: &str = "
The words are the vault's recovery key from now on. The passphrase stays what opens the vault on
new machines, and reaches no other device any more.
";
