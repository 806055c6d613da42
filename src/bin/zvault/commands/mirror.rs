use clap::Args;

use super::Done;
use crate::args::Global;
use crate::error::CommandError;
use crate::job::{self, Job};
use crate::json::MirrorSummary;
use crate::keychain::open_home;
use crate::ui::{Ui, bytes_text, count_text, printable};
use zvault::Trouble;
use zvault::mirror::{Amount, MirrorError, MirrorOptions, MirrorReport, mirror};
use zvault::state::Home;
use zvault::store::{OpenMode, Store, StoreError, StoreOptions, StoreUrl};
use zvault::vault::StoreConfig;

/// Copy the vault from one store to another: what is missing, and nothing else
///
/// Needs no key and no passphrase. Every object is verified before it is written. What is damaged in the target is
/// replaced; nothing in it is deleted, unless a device of the vault has signed that it deletes it.
#[derive(Args)]
pub(crate) struct MirrorArgs {
    /// Store to copy from, by its URL or its name in zvault.toml [default: the first one there]
    #[arg(long, value_name = "URL")]
    from: Option<String>,

    /// Store to copy to: empty, or with an older copy of the same vault [default: all others in zvault.toml]
    #[arg(long, visible_alias = "store", value_name = "URL")]
    to: Option<String>,

    /// Read all of the target as well, and replace what is damaged there
    #[arg(long)]
    read_data: bool,

    /// Write nothing, and tell what would be copied
    #[arg(long, short = 'n')]
    dry_run: bool,

    /// Copy nothing if more than SIZE is missing: a limit on what somebody may have planted in the store
    #[arg(long, value_name = "SIZE", value_parser = super::parse_size)]
    max_bytes: Option<u64>,

    /// Id of the vault, if several may be there
    #[arg(long, value_name = "ID", value_parser = super::parse_vault)]
    vault: Option<zvault::VaultId>,
}

pub(crate) fn run(args: MirrorArgs, global: &Global, ui: &Ui) -> Result<Done, CommandError> {
    let pairs = pairs(&args, global, ui)?;
    let mut ended = Ok(Done::Complete);
    for (from, to) in &pairs {
        let this = one(&args, from, to, global, ui);
        // One store that is away does not keep the others from being filled.
        match this {
            Err(error) if pairs.len() > 1 && !error.is(Trouble::Interrupted) => {
                ui.error_line(&format!(
                    "zvault: {} was not filled: {}",
                    printable(&to.name),
                    printable(&error.in_one_line())
                ));
                ended = ended.and(Err(error));
            }
            Err(error) => return Err(error),
            Ok(Done::Complete) => {}
            Ok(trouble) => ended = ended.map(|_| trouble),
        }
    }
    ended
}

/// What is to be copied to what.
fn pairs(args: &MirrorArgs, global: &Global, ui: &Ui) -> Result<Vec<(StoreConfig, StoreConfig)>, CommandError> {
    let configured = super::stores(global, ui)?;
    let from = match args.from.as_deref().or(global.url.as_deref()) {
        Some(from) => Some(super::stores::named(from, global, ui)?),
        None => configured.first().cloned(),
    };
    let targets = match &args.to {
        Some(to) => vec![super::stores::named(to, global, ui)?],
        None => configured.into_iter().filter(|store| from.as_ref() != Some(store)).collect(),
    };
    match from {
        Some(from) if !targets.is_empty() => Ok(targets.into_iter().map(|to| (from.clone(), to)).collect()),
        _ => Err(CommandError::usage("which store is to be copied to which?")
            .hint("name both: zvault mirror --from URL --to URL; or all of them in zvault.toml")),
    }
}

fn one(
    args: &MirrorArgs,
    from: &StoreConfig,
    to: &StoreConfig,
    global: &Global,
    ui: &Ui,
) -> Result<Done, CommandError> {
    let (from_url, to_url) = (parse(&from.url)?, parse(&to.url)?);
    if from_url == to_url {
        return Err(MirrorError::Same { url: from_url.to_string() }.into());
    }
    let (from_options, to_options) = (&from.options, &to.options);
    let from = Store::open(&from_url, from_options, OpenMode::Existing).map_err(MirrorError::from)?;
    let to = open_target(&to_url, to_options, args.dry_run)?;
    let known = known(global, &[&from_url, &to_url], ui)?;
    let report = copy(args, known, &from, &to, global, ui)?;
    if let (Some(vault), false) = (known.filter(|known| report.vault == Some(*known)), args.dry_run) {
        // For the next push of this machine, and for its status. Of no consequence for the copy.
        let remembered = open_home(&super::home_path(global)?, ui)
            .and_then(|home| Ok(home.remember_copy(vault, &to_url.to_string(), report.holes())?));
        if let Err(error) = remembered {
            ui.note(&format!("it is not remembered how this copy ended: {error}"));
        }
    }
    tell(&report, from.label(), &to_url.to_string(), args.dry_run, ui)
}

/// One copy, with its progress.
fn copy(
    args: &MirrorArgs,
    known: Option<zvault::VaultId>,
    from: &Store,
    to: &Store,
    global: &Global,
    ui: &Ui,
) -> Result<MirrorReport, CommandError> {
    let vault = args.vault.or(known);
    let cache = super::cache_path(global)?.zip(vault).and_then(|(cache, vault)| Home::cache_folder(&cache, vault).ok());
    let options = MirrorOptions {
        vault,
        dry_run: args.dry_run,
        read_data: args.read_data,
        max_bytes: args.max_bytes,
        cache: cache.as_deref(),
    };
    ui.say(&format!("copying {} to {}\n", printable(from.label()), printable(to.label())))?;
    job::run(ui, Job::Mirror, None, |watch| Ok(mirror(from, to, &options, watch).inspect_err(|_| to.unmake())?))
}

/// The vault that this machine knows at one of these places, if it is a device of any.
fn known(global: &Global, urls: &[&StoreUrl], ui: &Ui) -> Result<Option<zvault::VaultId>, CommandError> {
    let path = super::home_path(global)?;
    if !path.exists() {
        return Ok(None);
    }
    let home = open_home(&path, ui)?;
    for url in urls {
        // State that cannot be read is no reason not to copy: the roster's own signatures count.
        if let Ok(Some(vault)) = home.find(&url.to_string()) {
            return Ok(Some(vault));
        }
    }
    Ok(None)
}

fn open_target(url: &StoreUrl, options: &StoreOptions, dry_run: bool) -> Result<Store, CommandError> {
    let opened = match Store::open(url, options, if dry_run { OpenMode::Existing } else { OpenMode::Create }) {
        // What is not there is empty, and a dry run does not make it.
        Err(StoreError::NotFound { .. }) if dry_run => {
            Store::open(&StoreUrl::Memory("dry-run".into()), &StoreOptions::default(), OpenMode::Create)
        }
        opened => opened,
    };
    Ok(opened.map_err(MirrorError::from)?)
}

fn parse(url: &str) -> Result<StoreUrl, CommandError> {
    Ok(StoreUrl::parse(url).map_err(MirrorError::from)?)
}

fn tell(report: &MirrorReport, from: &str, to: &str, dry_run: bool, ui: &Ui) -> Result<Done, CommandError> {
    for line in &report.ignored {
        ui.note(&format!("ignored: {line}"));
    }
    if report.ignored_count > report.ignored.len() as u64 {
        ui.note(&format!("ignored: and {} more", report.ignored_count - report.ignored.len() as u64));
    }
    if report.extra_entries > 0 {
        let entries = count_text(report.extra_entries, "log entry", "log entries");
        ui.note(&format!("{to} has {entries} that {from} does not have"));
    }
    if ui.json {
        ui.summary(&MirrorSummary::new(from, to, report, dry_run))?;
    } else {
        ui.say(&summary(report, dry_run))?;
        for damaged in &report.damaged {
            ui.error_line(&printable(&format!("damaged: {}/{}: {}", damaged.store, damaged.object, damaged.reason)));
        }
    }
    if report.held_back > 0 {
        let entries = count_text(report.held_back, "log entry waits", "log entries wait");
        ui.note(&format!("{entries} for one before that could not be copied"));
    }
    if report.complete() {
        return Ok(Done::Complete);
    }
    if !ui.json {
        ui.error_line("zvault: the copy is incomplete: what is damaged was not copied");
    }
    Ok(Done::Trouble(Trouble::Integrity))
}

fn summary(report: &MirrorReport, dry_run: bool) -> String {
    let mut text = String::new();
    let mut row = |name: &str, amount: Amount| {
        if amount.objects > 0 {
            let objects = count_text(amount.objects, "object", "objects");
            text += &format!("{name:<15} {objects:>16}  {:>12}\n", bytes_text(amount.bytes));
        }
    };
    row("data packs", report.data_packs);
    row("tree packs", report.tree_packs);
    row("index", report.index);
    row("roster records", report.records);
    row("log entries", report.entries);
    row("replaced", report.healed);
    row("deleted", report.deleted);
    let copied = report.copied();
    let done = if dry_run { "would copy" } else { "copied" };
    text += &match copied.objects {
        0 => format!("nothing is missing, {} there\n", count_text(report.present, "object is", "objects are")),
        objects => format!(
            "{done} {}, {}; {} there already\n",
            count_text(objects, "object", "objects"),
            bytes_text(copied.bytes),
            count_text(report.present, "was", "were"),
        ),
    };
    text
}
