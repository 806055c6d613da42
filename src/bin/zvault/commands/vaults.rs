use clap::Args;
use serde::Serialize;

use super::Done;
use super::devices::capability_list;
use crate::args::Global;
use crate::error::CommandError;
use crate::job::{self, Job};
use crate::json;
use crate::keychain::open_home;
use crate::passphrase::Secrets;
use crate::ui::{Ui, count_text, printable};
use zvault::Trouble;
use zvault::roster::capability_names;
use zvault::state::Home;
use zvault::vault::{
    DiscoverOptions, Discovery, FoundVault, KnownVault, OpenedBy, StoreConfig, complete, discover, known_vaults,
};

/// List the vaults that this machine knows, or find those at a URL that its keys open
///
/// Without a URL no store is asked. With one, it and the places directly below it are looked at: names in a bucket tell
/// neither whose a vault is nor which device uses it. A vault is listed if this machine is a device of it, or if a
/// passphrase or the 24 words open it; others are counted.
#[derive(Args)]
pub(crate) struct VaultsArgs {
    /// Where to look: a bucket or a folder with several vaults, or a place in one
    #[arg(value_name = "URL", id = "place")]
    place: Option<String>,

    /// Try a passphrase, or the 24 words, at vaults that this machine does not know: typed, or from where --passphrase-file
    /// and the like, or the environment, say. Each of their slots takes up to a few seconds
    #[arg(long)]
    with_secret: bool,

    /// List the vaults that nothing here opens as well
    #[arg(long)]
    all: bool,

    /// Look at no more than N places
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    limit: u32,
}

pub(crate) fn run(args: VaultsArgs, global: &Global, ui: &Ui) -> Result<Done, CommandError> {
    let path = super::home_path(global)?;
    // It is made by whoever opens a vault.
    let home = if path.exists() { Some(open_home(&path, ui)?) } else { None };
    // The variable names the vault that other commands use; an option is meant for this one.
    let from_environment = std::env::var("ZVAULT_URL").ok();
    let named = global.url.as_ref().filter(|url| from_environment.as_ref() != Some(url));
    match args.place.as_ref().or(named) {
        Some(place) => find(&args, place, home.as_ref(), global, ui),
        None if args.with_secret || args.all => Err(CommandError::usage("where are vaults to be looked for?")
            .hint("name a bucket or a folder: zvault vaults s3://bucket")),
        None => list(home.as_ref(), ui),
    }
}

fn list(home: Option<&Home>, ui: &Ui) -> Result<Done, CommandError> {
    let known = home.map_or_else(|| Ok(Vec::new()), known_vaults)?;
    let mut output = ui.output();
    if ui.json {
        output.document(&known.iter().map(KnownDocument::new).collect::<Vec<_>>())?;
    } else if !known.is_empty() {
        let rows = known.iter().map(known_row).collect();
        output.text(&table(KNOWN_HEADS, rows))?;
    }
    output.finish()?;
    if known.is_empty() && !ui.json {
        ui.note("this machine knows no vault yet");
    }
    let mut ended = Done::Complete;
    for vault in &known {
        if let Err(error) = &vault.state {
            ui.problem("vaults", vault.id.to_string().as_bytes(), &zvault::chain(error));
            ended = Done::Trouble(Trouble::Failed);
        }
    }
    Ok(ended)
}

fn find(args: &VaultsArgs, place: &str, home: Option<&Home>, global: &Global, ui: &Ui) -> Result<Done, CommandError> {
    let StoreConfig { url, options: mut store, .. } = super::stores::named(place, global, ui)?;
    if let Some(home) = home
        && let Some(known) = home.find(&url)?
    {
        // What this machine was told of this very place when it was paired.
        complete(&mut store, &url, &home.access(known)?);
    }
    // An option that is ignored is a wish that is ignored.
    let wants_secret = args.with_secret || Secrets::is_named(&global.secret);
    let secret = wants_secret.then(|| Secrets::new(&global.secret).again(&url)).transpose()?;
    let found = job::run(ui, Job::Discover, None, |watch| {
        let options = DiscoverOptions { url: &url, store, home, secret: secret.as_ref(), places: args.limit as usize };
        let found = discover(options, watch)?;
        match watch.stopped() {
            true => Err(CommandError::new(Trouble::Interrupted, "interrupted; not all was looked at")),
            false => Ok(found),
        }
    })?;
    tell(args, &url, &found, ui)?;
    match found.trouble() {
        Some(trouble @ (Trouble::NoVault | Trouble::WrongKey)) => Err(nothing(&url, trouble, &found)),
        Some(trouble) => Ok(Done::Trouble(trouble)),
        None => Ok(Done::Complete),
    }
}

fn nothing(url: &str, trouble: Trouble, found: &Discovery) -> CommandError {
    let others = found.others.len() as u64;
    match trouble {
        Trouble::NoVault => {
            CommandError::new(trouble, format!("there is no vault at {url} and none directly below it"))
                .hint("look at the URL again; places further down are looked at when they are named")
        }
        _ => CommandError::new(
            trouble,
            format!("the passphrase or recovery key opens none of {}", count_text(others, "vault", "vaults")),
        )
        .hint("check the keyboard layout and caps lock"),
    }
}

fn tell(args: &VaultsArgs, url: &str, found: &Discovery, ui: &Ui) -> Result<(), CommandError> {
    for problem in &found.problems {
        ui.problem("vaults", problem.url.as_bytes(), &problem.message);
    }
    if found.left_out > 0 && !ui.json {
        let places = count_text(found.left_out, "place was", "places were");
        ui.note(&format!("{places} not looked at: name a place with fewer beside it, or set --limit"));
    }
    if found.untried > 0 && !ui.json {
        let vaults = count_text(found.untried, "vault", "vaults");
        ui.note(&format!(
            "it would take too long to try the secret at {vaults} more: name the place of the one you mean"
        ));
    }
    let mut output = ui.output();
    if ui.json {
        output.document(&FoundDocument::new(args, url, found))?;
        return output.finish();
    }
    if !found.vaults.is_empty() {
        output.text(&table(FOUND_HEADS, found.vaults.iter().map(found_row).collect()))?;
    }
    let others = found.others.len() as u64;
    if args.all {
        for other in &found.others {
            let ids: Vec<String> = other.ids.iter().map(|id| format!("{id:.8}")).collect();
            output.text(&format!("{}  opened by nothing here  {}\n", ids.join(","), printable(&other.url)))?;
        }
    }
    output.finish()?;
    if others > 0 && !args.all {
        let others = count_text(others, "other vault", "other vaults");
        let more = if found.tried { "" } else { "; --with-secret tries a passphrase or the 24 words" };
        ui.say(&format!("{others} here, opened by nothing that this machine has{more}\n"))?;
    }
    Ok(())
}

fn known_row(vault: &KnownVault) -> [String; 5] {
    let id = format!("{:.8}", vault.id);
    let Ok(state) = &vault.state else {
        return [id, "-".into(), "-".into(), "-".into(), "(its local state cannot be read)".into()];
    };
    let may = match state.capabilities {
        _ if state.joining => "(being paired)".into(),
        None => "unknown".into(),
        Some(none) if none == vault_format::roster::Capabilities::NONE => "(revoked)".into(),
        Some(capabilities) => capability_names(capabilities).replace(", ", ","),
    };
    let mark = if vault.is_default { "  (default)" } else { "" };
    [
        id,
        printable(&state.device_name).into_owned(),
        may,
        state.last_push.map_or_else(|| "-".into(), json::plain_time),
        format!("{}{mark}", printable(&state.url)),
    ]
}

fn found_row(vault: &FoundVault) -> [String; 5] {
    let device = vault.device.as_ref();
    let behind = if vault.behind { "  (behind what was seen)" } else { "" };
    [
        format!("{:.8}", vault.id),
        opened_by(vault.by).into(),
        device.map_or_else(|| "-".into(), |device| printable(&device.name).into_owned()),
        device.map_or_else(|| "-".into(), |device| capability_names(device.capabilities).replace(", ", ",")),
        format!("{}{behind}", printable(&vault.url)),
    ]
}

fn opened_by(by: OpenedBy) -> &'static str {
    match by {
        OpenedBy::Device => "this device",
        OpenedBy::Passphrase => "passphrase",
        OpenedBy::Words => "recovery key",
    }
}

fn table(heads: [&str; 5], rows: Vec<[String; 5]>) -> String {
    let widths: [usize; 5] = std::array::from_fn(|column| {
        let cells = rows.iter().map(|row| row[column].chars().count());
        cells.chain([heads[column].len()]).max().unwrap_or_default()
    });
    let line = |cells: [&str; 5]| {
        let padded: Vec<String> = cells.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        format!("{}\n", padded.join("  ").trim_end())
    };
    let rule = format!("{}\n", "-".repeat(widths.iter().sum::<usize>() + 2 * (widths.len() - 1)));
    let mut text = line(heads) + &rule;
    rows.iter().for_each(|row| text += &line(row.each_ref().map(|cell| &**cell)));
    text + &rule + &format!("{}\n", count_text(rows.len() as u64, "vault", "vaults"))
}

/// A vault of the local state in `--json`.
#[derive(Serialize)]
struct KnownDocument<'a> {
    vault_id: String,
    short_id: String,
    default: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    device_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    device_name: Option<&'a str>,
    /// Not there: unknown. Empty: revoked.
    #[serde(skip_serializing_if = "Option::is_none")]
    capabilities: Option<Vec<&'static str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_push: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    joining: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

impl<'a> KnownDocument<'a> {
    fn new(vault: &'a KnownVault) -> Self {
        let state = vault.state.as_ref().ok();
        Self {
            vault_id: vault.id.to_string(),
            short_id: format!("{:.8}", vault.id),
            default: vault.is_default,
            url: state.map(|state| &*state.url),
            device_id: state.map(|state| state.device.to_string()),
            device_name: state.map(|state| &*state.device_name),
            capabilities: state.and_then(|state| state.capabilities).map(capability_list),
            last_push: state.and_then(|state| state.last_push).map(json::time),
            joining: state.map(|state| state.joining),
            error: vault.state.as_ref().err().map(|error| zvault::chain(error)),
        }
    }
}

/// What was found at a URL, in `--json`.
#[derive(Serialize)]
struct FoundDocument<'a> {
    message_type: &'static str,
    url: &'a str,
    vaults: Vec<FoundVaultDocument<'a>>,
    /// How many there are that nothing here opens.
    others: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    other_vaults: Option<Vec<OtherDocument<'a>>>,
    problems: Vec<ProblemDocument<'a>>,
    places_looked_at: u64,
    places_left_out: u64,
    vaults_not_tried: u64,
}

#[derive(Serialize)]
struct FoundVaultDocument<'a> {
    vault_id: String,
    short_id: String,
    url: &'a str,
    opened_by: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    device_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    device_name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    capabilities: Option<Vec<&'static str>>,
    behind: bool,
}

#[derive(Serialize)]
struct OtherDocument<'a> {
    url: &'a str,
    claimed_vault_ids: Vec<String>,
}

#[derive(Serialize)]
struct ProblemDocument<'a> {
    url: &'a str,
    message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    vault_id: Option<String>,
}

impl<'a> FoundDocument<'a> {
    fn new(args: &VaultsArgs, url: &'a str, found: &'a Discovery) -> Self {
        let vault = |vault: &'a FoundVault| FoundVaultDocument {
            vault_id: vault.id.to_string(),
            short_id: format!("{:.8}", vault.id),
            url: &vault.url,
            opened_by: match vault.by {
                OpenedBy::Device => "device",
                OpenedBy::Passphrase => "passphrase",
                OpenedBy::Words => "recovery_key",
            },
            device_id: vault.device.as_ref().map(|device| device.id.to_string()),
            device_name: vault.device.as_ref().map(|device| &*device.name),
            capabilities: vault.device.as_ref().map(|device| capability_list(device.capabilities)),
            behind: vault.behind,
        };
        let other = |other: &'a zvault::vault::OtherVault| OtherDocument {
            url: &other.url,
            claimed_vault_ids: other.ids.iter().map(ToString::to_string).collect(),
        };
        let problem = |problem: &'a zvault::vault::PlaceProblem| ProblemDocument {
            url: &problem.url,
            message: &problem.message,
            vault_id: problem.known.map(|id| id.to_string()),
        };
        Self {
            message_type: "summary",
            url,
            vaults: found.vaults.iter().map(vault).collect(),
            others: found.others.len(),
            other_vaults: args.all.then(|| found.others.iter().map(other).collect()),
            problems: found.problems.iter().map(problem).collect(),
            places_looked_at: found.looked_at,
            places_left_out: found.left_out,
            vaults_not_tried: found.untried,
        }
    }
}

const KNOWN_HEADS: [&str; 5] = ["Vault", "Device", "May", "Last push", "Place"];
const FOUND_HEADS: [&str; 5] = ["Vault", "Opened by", "Device", "May", "Place"];
