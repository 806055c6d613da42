//! The device that joins.

use std::io::{self, IsTerminal, Read};
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::Serialize;
use zeroize::Zeroizing;

use super::{Done, MetLine, PairArgs, PairedLine, watched};
use crate::args::Global;
use crate::error::CommandError;
use crate::job::at_prompt;
use crate::keychain::open_home;
use crate::ui::{Ui, printable};
use zvault::pairing::{
    AlreadyMember, FinishError, Finished, Invite, JoinOptions, KeepAt, LIFETIME, Meeting, Reach, ReachOptions, finish,
    is_member, join, signed_urls,
};
use zvault::roster::capability_names;
use zvault::state::{Home, KeptIn};
use zvault::store::{OpenMode, Store, StoreError, StoreOptions, StoreUrl, settings_to_take};
use zvault::vault::VaultError;
use zvault::watch::Watch;
use zvault::{Trouble, VaultId};

pub(super) fn run(args: &PairArgs, global: &Global, ui: &Ui) -> Result<Done, CommandError> {
    let invite = Invite::parse(&secret(args)?)?;
    let home = Arc::new(open_home(&super::super::home_path(global)?, ui)?);
    if let Some(extras) = invite.extras()
        && is_member(&home, extras.vault)
    {
        return Err(CommandError::new(Trouble::Failed, AlreadyMember(extras.vault).to_string()));
    }
    let name = args.name.clone().unwrap_or_else(super::super::host_name);
    let deadline = Instant::now() + lifetime(&invite);
    let reach = ways(&invite, args, global, ui)?;
    let mut channel = Reach::new(invite.session()?, reach);
    let url = global.url.as_deref().map(|url| StoreUrl::parse(url).map(|url| url.to_string()));
    let url = url.transpose().map_err(VaultError::from)?;
    let options = store_options(global, ui)?;
    let (finished, why_not) = watched(ui, |watch, _| -> Result<_, CommandError> {
        match ui.json {
            true => ui.document(&Waiting { message_type: "waiting" })?,
            false => ui.note("looking for the other device"),
        }
        let mut told = Ok(());
        let mut met = |meeting: &Meeting| told = introduce(meeting, ui);
        let mut endpoint =
            |endpoint: &str| may_ask(endpoint, args, &options, ui).map_err(|error| error.in_one_line().into());
        let mut host = KeepAt::new(&home, url, &mut met, &mut endpoint);
        let options_of_joiner = JoinOptions { name: &name, now: zvault::now(), deadline };
        let joined = join(&invite, &options_of_joiner, &mut channel, &mut host, watch)?;
        let why_not = host.not_in_keychain().map(|error| zvault::chain(error));
        told?;
        let patience = if joined.record.is_some() { SEES_IT } else { MAY_SEE_IT };
        let finished = finish(&home, joined.keys.vault, &|_| options.clone(), patience, watch);
        finished.map(|finished| (finished, why_not)).map_err(|error| no_way_in(error, joined.record.is_some()))
    })??;
    tell(&finished, why_not.as_deref(), ui)?;
    Ok(Done::Complete)
}

/// A device can be taken in that has no credential for the storage: by the network, or by signed URLs. It is no use yet.
fn no_way_in(error: FinishError, is_member: bool) -> CommandError {
    let FinishError::Vault(VaultError::Store(source @ StoreError::Credential { .. })) = &error else {
        return error.into();
    };
    let message = match is_member {
        true => "this machine is a device of the vault now, and has no credential for its storage",
        false => "this machine has all it needs of the vault, but no credential for its storage",
    };
    CommandError::new(Trouble::Storage, message)
        .cause(source)
        .hint("give it a credential of its own (docs/stores.md); then any command finishes the pairing")
        .hint("or pair again, with --with-credentials on the device that invites")
}

/// Ends pairings that were interrupted: this machine sees itself in the roster by now, or not.
pub(in crate::commands) fn finish_earlier(global: &Global, ui: &Ui, home: &Home) -> Result<(), CommandError> {
    let options = store_options(global, ui)?;
    for vault in zvault::pairing::unfinished(home)? {
        match finish(home, vault, &|_| options.clone(), Duration::ZERO, &Watch::new()) {
            Ok(finished) => ui.note(&format!(
                "the pairing is finished: this machine is a device of vault {:.8}, {} ({:.8})",
                vault.to_string(),
                finished.name,
                finished.device
            )),
            // Others may be what is wanted.
            Err(error) if has_others(home, vault)? => ui.warning(&CommandError::from(error).in_one_line()),
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

fn has_others(home: &Home, vault: VaultId) -> Result<bool, CommandError> {
    Ok(home.vaults()?.into_iter().any(|other| other != vault && is_member(home, other)))
}

/// The ticket or the words: arguments, standard input, or typed.
fn secret(args: &PairArgs) -> Result<Zeroizing<String>, CommandError> {
    if args.secret.iter().map(String::as_str).ne(["-"]) {
        return Ok(Zeroizing::new(args.secret.join(" ")));
    }
    let failed = |error: io::Error| match error.kind() {
        io::ErrorKind::Interrupted => CommandError::new(Trouble::Interrupted, "interrupted"),
        _ => CommandError::usage("no ticket was given").cause(&error),
    };
    if io::stdin().is_terminal() {
        return at_prompt(|| rpassword::prompt_password("Ticket or words: ")).map(Zeroizing::new).map_err(failed);
    }
    // Room for all of it, so that growing leaves no copies behind.
    let mut text = Zeroizing::new(String::with_capacity(MOST + 1));
    io::stdin().lock().take(MOST as u64 + 1).read_to_string(&mut text).map_err(failed)?;
    if text.len() > MOST {
        return Err(CommandError::usage("standard input holds more than a ticket"));
    }
    Ok(text)
}

/// How long the person at the other device may take: words do not say when they end.
fn lifetime(invite: &Invite) -> Duration {
    let now = u64::try_from(zvault::now().secs).unwrap_or(0);
    invite.extras().map_or(LIFETIME, |extras| Duration::from_secs(extras.expires.saturating_sub(now).clamp(1, DAY)))
}

/// Where to look for the other device: what the ticket says, and what was typed.
fn ways(invite: &Invite, args: &PairArgs, global: &Global, ui: &Ui) -> Result<ReachOptions, CommandError> {
    let mut reach = ReachOptions::default();
    let extras = invite.extras();
    if args.via.network() {
        for typed in &args.address {
            reach.addresses.extend(resolve(typed)?);
        }
        reach.addresses.extend(extras.iter().flat_map(|extras| &extras.addresses));
        // Words say nothing, and so it may be.
        reach.mdns = extras.is_none_or(|extras| extras.mdns);
    }
    if args.via.storage() {
        let typed = global.url.as_deref();
        reach.signed = signed_urls(invite, &store_options(global, ui)?)?;
        // With signed URLs no credential of this machine is looked for, nor sent anywhere, unless its person says where.
        let of_ticket = extras.filter(|_| reach.signed.is_none());
        let url = typed.or(of_ticket.and_then(|extras| extras.store.as_deref()));
        if let Some(url) = url {
            let mut options = store_options(global, ui)?;
            let told = extras.map_or(&[][..], |extras| &extras.settings);
            for (name, value) in settings_to_take(told) {
                if name == "endpoint" {
                    may_ask(value, args, &options, ui)?;
                }
                options.settings.entry(name.clone()).or_insert_with(|| value.clone());
            }
            options.retry_max_time.get_or_insert(super::MAILBOX_RETRIES);
            match open(url, &options) {
                Ok(store) => reach.store = Some(store),
                Err(error) if typed.is_some() || reach.addresses.is_empty() => return Err(error.into()),
                // What the ticket says need not be there for everybody.
                Err(error) => ui.note(&format!("{}; trying the network", zvault::chain(&error))),
            }
        }
    }
    if reach.addresses.is_empty() && reach.store.is_none() && reach.signed.is_none() && !reach.mdns {
        let error = CommandError::usage("nothing says where the other device can be met");
        return Err(match extras {
            None => error.hint("add --url of the vault"),
            Some(_) => error.hint("the ticket has no such way: leave out --via, or add --address or --url"),
        });
    }
    Ok(reach)
}

/// Requests to the storage may carry what opens it: nobody else decides which server gets them.
fn may_ask(endpoint: &str, args: &PairArgs, options: &StoreOptions, ui: &Ui) -> Result<(), CommandError> {
    let said = options.settings.get("endpoint").is_some_and(|said| said == endpoint);
    let host = url::Url::parse(endpoint).ok();
    let local = match host.as_ref().and_then(url::Url::host) {
        Some(url::Host::Ipv4(ip)) => ip.is_loopback(),
        Some(url::Host::Ipv6(ip)) => ip.is_loopback(),
        _ => false,
    };
    if said || local || args.yes {
        return Ok(());
    }
    let question = format!(
        "The other device says that the storage is at {endpoint}. Send it requests with this machine's credentials for storage?"
    );
    ui.ask(&question).unwrap_or_else(|| {
        Err(CommandError::usage(format!(
            "the other device says that the storage is at {endpoint}, and there is no terminal to ask whether that is right"
        ))
        .hint("add --yes, or name it yourself with -o endpoint=URL"))
    })
}

fn open(url: &str, options: &StoreOptions) -> Result<Store, VaultError> {
    Ok(Store::open(&StoreUrl::parse(url)?, options, OpenMode::Existing)?)
}

fn store_options(global: &Global, ui: &Ui) -> Result<StoreOptions, CommandError> {
    super::super::store_options(global, ui)
}

fn resolve(address: &str) -> Result<Vec<SocketAddr>, CommandError> {
    let found = address.to_socket_addrs().map_err(|error| {
        CommandError::usage(format!("{address:?} is no address that can be found"))
            .cause(&error)
            .hint("write it as the other device shows it, for example 192.168.1.5:40123")
    })?;
    Ok(found.take(8).collect())
}

fn introduce(meeting: &Meeting, ui: &Ui) -> Result<(), CommandError> {
    if ui.json {
        return ui.document(&MetLine {
            message_type: "joiner",
            device_id: meeting.device.to_string(),
            fingerprint: &meeting.fingerprint,
            capabilities: capability_names(meeting.capabilities),
            more: Joiner { vault_id: meeting.vault.to_string(), sponsor_id: meeting.sponsor.to_string() },
        });
    }
    // Also when quiet: with words the fingerprint tells whose vault this is.
    ui.error_line(&format!(
        "found it; this device may {}\n\n  fingerprint  {}\n\nCompare it with what the other device shows, and say yes there.",
        capability_names(meeting.capabilities),
        printable(&meeting.fingerprint)
    ));
    Ok(())
}

/// `why_not`: why what it was given is not in the keychain.
fn tell(finished: &Finished, why_not: Option<&str>, ui: &Ui) -> Result<(), CommandError> {
    if ui.json {
        return ui.summary(&PairedLine {
            message_type: "paired",
            vault_id: finished.vault.to_string(),
            device_id: finished.device.to_string(),
            device_name: &finished.name,
            capabilities: capability_names(finished.capabilities),
            more: Paired {
                repository: &finished.url,
                credentials: finished.credentials.is_some(),
                credentials_in: finished.credentials.map(|kept| match kept {
                    KeptIn::Keychain => "keychain",
                    KeptIn::State => "state",
                }),
            },
        });
    }
    ui.say(&format!(
        "This machine is now a device of the vault.\n\n  vault   {}\n  place   {}\n  device  {} ({})\n  may     {}\n",
        finished.vault,
        printable(&finished.url),
        printable(&finished.name),
        finished.device,
        capability_names(finished.capabilities),
    ))?;
    match finished.credentials {
        Some(KeptIn::Keychain) => ui.say(IN_KEYCHAIN),
        Some(KeptIn::State) => {
            let why_not = why_not.map(|why| format!(" ({})", printable(why))).unwrap_or_default();
            ui.say(&format!("\nIts credentials for the storage are sealed in the state folder{why_not}.\n"))
        }
        None => Ok(()),
    }
}

#[derive(Serialize)]
struct Waiting {
    message_type: &'static str,
}

#[derive(Serialize)]
struct Joiner {
    vault_id: String,
    sponsor_id: String,
}

#[derive(Serialize)]
struct Paired<'a> {
    repository: &'a str,
    credentials: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    credentials_in: Option<&'static str>,
}

const IN_KEYCHAIN: &str = "
Its credentials for the storage are in the keychain; for runs without a login, see ZVAULT_KEYCHAIN in docs/pairing.md.
";
/// Bytes of the longest ticket, with room for spaces.
const MOST: usize = 64 << 10;
const DAY: u64 = 86_400;
/// How long to look for this device in the roster: where the other one said that it is there, and where it could not.
const SEES_IT: Duration = Duration::from_secs(10);
const MAY_SEE_IT: Duration = Duration::from_secs(5);
