use clap::{Args, Subcommand};

use super::Done;
use crate::args::Global;
use crate::error::CommandError;
use crate::json::StoreDocument;
use crate::passphrase::Secrets;
use crate::ui::{Ui, printable};
use zvault::Trouble;
use zvault::mirror::{MirrorError, MirrorOptions, mirror};
use zvault::store::{OpenMode, Store, StoreUrl};
use zvault::vault::{Purpose, StoreConfig, Vault, VaultError, parse_store_id, store_id_text};
use zvault::watch::Watch;

/// List the stores of the vault, add or remove one, or change which is the primary
///
/// The vault itself says which stores it has and which of them is the primary: all devices push to that one, and the
/// others follow. How this machine reaches them is in zvault.toml.
#[derive(Args)]
pub(crate) struct StoresArgs {
    #[command(subcommand)]
    command: Option<StoresCommand>,
}

#[derive(Subcommand)]
enum StoresCommand {
    /// List the stores that the vault has
    List,
    /// Add a store: an empty place, or one with a copy of this vault
    Add {
        /// Where it is, or its name in zvault.toml
        #[arg(value_name = "URL", id = "place")]
        place: String,
    },
    /// Take a store off the vault's list; never the primary. What is stored there stays
    Remove {
        /// Its name in zvault.toml, its id, or where it is
        #[arg(value_name = "NAME|ID", id = "place")]
        place: String,
    },
    /// Make a store the primary; it must have everything that the primary has
    Primary {
        /// Where it is, or its name in zvault.toml
        #[arg(value_name = "URL", id = "place")]
        place: String,

        /// The primary is lost for good: go on with what this store has, also if this machine has seen more
        #[arg(long)]
        accept_loss: bool,
    },
}

pub(crate) fn run(args: StoresArgs, global: &Global, ui: &Ui) -> Result<Done, CommandError> {
    match args.command.unwrap_or(StoresCommand::List) {
        StoresCommand::List => list(global, ui),
        StoresCommand::Add { place } => add(&named(&place, global, ui)?, global, ui),
        StoresCommand::Remove { place } => remove(&place, global, ui),
        StoresCommand::Primary { place, accept_loss } => primary(&named(&place, global, ui)?, accept_loss, global, ui),
    }
}

fn list(global: &Global, ui: &Ui) -> Result<Done, CommandError> {
    let vault = super::open(global, ui, Secrets::new(&global.secret), Purpose::Read)?;
    let stores = vault.stores();
    let configured = super::stores(global, ui)?;
    let unlisted: Vec<&StoreConfig> = configured
        .iter()
        .filter(|entry| !stores.iter().any(|store| store.name.as_ref() == Some(&entry.name)))
        .collect();
    let mut output = ui.output();
    if ui.json {
        let listed = stores.iter().map(|store| StoreDocument {
            id: Some(store_id_text(&store.id)),
            name: store.name.as_deref(),
            url: store.url.as_deref(),
            primary: store.primary,
        });
        let others = unlisted.iter().map(|entry| StoreDocument {
            id: None,
            name: Some(&entry.name),
            url: Some(&entry.url),
            primary: false,
        });
        output.document(&listed.chain(others).collect::<Vec<_>>())?;
    } else {
        for store in &stores {
            let mark = if store.primary { "primary" } else { "" };
            let name = store.name.as_deref().unwrap_or("-");
            let url = store.url.as_deref().unwrap_or("(URL unknown)");
            output.text(&format!(
                "{}  {mark:<7}  {:<12}  {}\n",
                store_id_text(&store.id),
                printable(name),
                printable(url)
            ))?;
        }
    }
    output.finish()?;
    for entry in unlisted.iter().filter(|_| !ui.json) {
        let StoreConfig { name, url, .. } = entry;
        ui.note(&format!("{name} ({url}) is in zvault.toml and not in the vault: 'zvault stores add {name}'"));
    }
    Ok(Done::Complete)
}

fn add(store: &StoreConfig, global: &Global, ui: &Ui) -> Result<Done, CommandError> {
    let mut vault = super::open(global, ui, Secrets::new(&global.secret), Purpose::Read)?;
    // Nothing is written to a place that holds something else.
    let (from, to) = (open_store(vault.place(), OpenMode::Existing)?, open_store(store, OpenMode::Create)?);
    let options = MirrorOptions { vault: Some(vault.id()), dry_run: true, ..MirrorOptions::default() };
    mirror(&from, &to, &options, &Watch::new()).inspect_err(|_| to.unmake())?;
    let before = vault.stores().len();
    let id = vault.add_store(store)?;
    if vault.stores().len() == before {
        ui.say(&format!("{} is a store of the vault already\n", printable(&store.name)))?;
        return Ok(Done::Complete);
    }
    ui.say(&format!(
        "{} is now a store of the vault ({})\n'zvault mirror' fills it, and so does the next push of a machine whose zvault.toml names it:\n\n  [[store]]\n  name = \"{}\"\n  url = \"{}\"\n",
        printable(to.label()),
        store_id_text(&id),
        printable(if store.name == store.url { "second" } else { &store.name }),
        printable(to.label()),
    ))?;
    Ok(Done::Complete)
}

fn remove(place: &str, global: &Global, ui: &Ui) -> Result<Done, CommandError> {
    let mut vault = super::open(global, ui, Secrets::new(&global.secret), Purpose::Read)?;
    // What reads as an id is one, also where a folder could have that name.
    let store = match parse_store_id(place) {
        Some(_) => StoreConfig::unnamed(place),
        None => named(place, global, ui)?,
    };
    let id = vault.store_named(&store).ok_or_else(|| VaultError::UnknownStore { url: store.name.clone() })?;
    let url = vault.stores().into_iter().find(|known| known.id == id).and_then(|known| known.url);
    vault.remove_store(id)?;
    let url = url.unwrap_or_else(|| store_id_text(&id));
    ui.say(&format!(
        "{} is no store of the vault any more: take it out of zvault.toml, on every device. What is stored there stays\n",
        printable(&url)
    ))?;
    Ok(Done::Complete)
}

fn primary(store: &StoreConfig, accept_loss: bool, global: &Global, ui: &Ui) -> Result<Done, CommandError> {
    let url = Some(&*store.url);
    let mut vault = super::open_at(url, accept_loss, global, ui, Secrets::new(&global.secret), Purpose::Read)?;
    let earlier = earlier(&vault, global, ui)?;
    match &earlier {
        Some((_, Ok(earlier))) => refuse_what_is_behind(&vault, earlier)?,
        Some((url, Err(error))) => {
            ui.note(&format!("the primary at {url} cannot be looked at: {error}"));
            ui.note("what was pushed to it and not to this store since this machine last saw it, is not counted");
        }
        None => {}
    }
    vault.make_primary(accept_loss)?;
    if let Some((url, Ok(earlier))) = &earlier
        && let Err(error) = vault.tell(earlier)
    {
        ui.note(&format!("{url} was not told, and 'zvault mirror' will: {error}"));
    }
    ui.say(&format!(
        "{} is now the primary store of the vault: name it first in zvault.toml, on every device\n",
        printable(vault.url())
    ))?;
    Ok(Done::Complete)
}

/// The URL of a store, and the store if it could be opened.
type Reached = (String, Result<Store, CommandError>);

/// The store that was the primary until now, if it is another one.
fn earlier(vault: &Vault, global: &Global, ui: &Ui) -> Result<Option<Reached>, CommandError> {
    let Some(primary) = vault.stores().into_iter().find(|one| one.primary) else { return Ok(None) };
    // Where this machine reaches it, if it does under another URL.
    let mut configured = super::stores(global, ui)?.into_iter();
    let known = configured
        .find(|config| config.id == Some(primary.id) || primary.url.as_ref().is_some_and(|url| config.is_at(url)));
    let Some(store) = known.or(primary.url.map(|url| StoreConfig::unnamed(&url))) else { return Ok(None) };
    let opened = (!store.is_at(vault.url())).then(|| open_store(&store, OpenMode::Existing));
    Ok(opened.map(|opened| (store.url, opened)))
}

fn refuse_what_is_behind(vault: &Vault, earlier: &Store) -> Result<(), CommandError> {
    match vault.lacks(earlier)? {
        0 => Ok(()),
        lacks => Err(CommandError::new(
            Trouble::Failed,
            format!("{} lacks {lacks} roster records and log entries of {}", vault.url(), earlier.label()),
        )
        .hint(format!("copy them first: zvault mirror --from {} --to {}", earlier.label(), vault.url()))),
    }
}

/// What was typed: a name of the configuration, or a URL.
pub(super) fn named(place: &str, global: &Global, ui: &Ui) -> Result<StoreConfig, CommandError> {
    let entries = super::stores(global, ui)?;
    let known = entries.into_iter().find(|config| config.name == place || config.url == place);
    Ok(match known {
        Some(config) => config,
        None => {
            let url = StoreUrl::parse(place).map_err(MirrorError::from)?.to_string();
            StoreConfig { options: super::store_options(global, ui)?, ..StoreConfig::unnamed(&url) }
        }
    })
}

fn open_store(store: &StoreConfig, mode: OpenMode) -> Result<Store, CommandError> {
    let url = StoreUrl::parse(&store.url).map_err(MirrorError::from)?;
    Ok(Store::open(&url, &store.options, mode).map_err(MirrorError::from)?)
}
