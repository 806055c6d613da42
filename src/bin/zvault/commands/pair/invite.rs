//! The device that invites.

use std::fmt::Write as _;
use std::fs;
use std::io::{self, IsTerminal};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use crypto_backends::SecretBytes;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::termios::tcgetwinsize;
use serde::Serialize;
use vault_format::ObjectName;
use vault_format::roster::Capabilities;
use zeroize::Zeroizing;

use super::{Done, MetLine, PairArgs, PairedLine, watched};
use crate::args::Global;
use crate::error::CommandError;
use crate::json;
use crate::passphrase::Secrets;
use crate::ui::{Ui, duration_text, forget_typed, printable};
use zvault::pairing::{
    HostError, Invitation, JoinRequest, LIFETIME, Listen, ListenOptions, Places, Sponsored, Sponsoring, addresses,
    bind, invite, settings_to_tell, signing, sponsor,
};
use zvault::qr;
use zvault::roster::capability_names;
use zvault::store::{OpenMode, Store, StoreError, StoreOptions, StoreUrl, shared_credentials};
use zvault::vault::{Purpose, Vault, VaultError};

pub(super) fn run(args: PairArgs, global: &Global, ui: &Ui) -> Result<Done, CommandError> {
    let asks = !args.yes;
    if asks && (ui.json || !io::stdin().is_terminal()) {
        return Err(CommandError::usage(
            "somebody has to say whether the other device may come in, and there is no terminal to ask on",
        )
        .hint("run it on a terminal, or say --yes: then whoever has the ticket comes in"));
    }
    let mut vault = super::super::open(global, ui, Secrets::new(&global.secret), Purpose::Read)?;
    vault.may_read("take in another device")?;
    let allowed = vault.roster().may_grant(vault.device_id());
    let grant = args.grant.unwrap_or_else(|| within(Capabilities::READ | Capabilities::PUSH, allowed));
    let socket = match args.via.network() {
        true => Some(bind(args.listen).map_err(|error| {
            CommandError::usage("cannot listen for the other device")
                .cause(&error)
                .hint("choose another --listen address")
        })?),
        false => None,
    };
    let at = socket.as_ref().map(addresses).transpose();
    let at = at.map_err(|error| CommandError::usage("cannot find the addresses of this machine").cause(&error))?;
    // Nobody on the network can reach what listens for this machine only.
    let mdns = at.iter().flatten().any(|at| !at.ip().is_loopback());
    let url = vault.url().to_owned();
    let options = vault.place().options.clone();
    let parsed = StoreUrl::parse(&url).map_err(VaultError::from)?;
    let configured = super::super::stores(global, ui)?;
    let credentials = match args.with_credentials {
        true => gather(&parsed, &options)?,
        false => Vec::new(),
    };
    let settings = if args.via.storage() { settings_to_tell(&parsed, &options) } else { Vec::new() };
    let mut options = options;
    options.retry_max_time.get_or_insert(super::MAILBOX_RETRIES);
    let store = match args.via.storage() {
        true => Some(Store::open(&parsed, &options, OpenMode::Existing).map_err(VaultError::from)?),
        false => None,
    };
    let lifetime = args.expires.unwrap_or(LIFETIME);
    let invitation = invite(&mut vault, grant, lifetime, |names| Places {
        addresses: at.clone().unwrap_or_default(),
        store: args.via.storage().then(|| url.clone()),
        mdns,
        presigned: store
            .as_ref()
            .filter(|_| args.presign)
            .map(|store| sign(store, names, lifetime, ui))
            .unwrap_or_default(),
        settings,
    })?;
    let on_lost = |error: &HostError| {
        ui.note(&format!("one way to this device is lost, others remain: {}", zvault::chain(&**error)))
    };
    let addresses: Vec<String> = at.unwrap_or_default().iter().map(ToString::to_string).collect();
    let listen = ListenOptions { socket, mdns, store, on_lost: Some(&on_lost) };
    let sponsored = watched(ui, |watch, interrupted| -> Result<_, CommandError> {
        let mut channel = Listen::start(&invitation, listen).map_err(zvault::pairing::PairError::Channel)?;
        show(&invitation, &addresses, &args, &url, ui)?;
        let waiting = Waiting { message_type: "waiting", expires_in: lifetime.as_secs() };
        match ui.json {
            true => ui.document(&waiting)?,
            false => ui.note(&format!("waiting for the other device, for {}", duration_text(lifetime))),
        }
        let mut told = Ok(());
        let mut confirm = |request: &JoinRequest| {
            told = introduce(request, ui);
            let comes_in = told.is_ok() && (!asks || ask(interrupted));
            if interrupted.load(Relaxed) {
                // Here and not a moment later: it was not the person who said no.
                watch.stop();
            }
            comes_in
        };
        let mut host =
            Sponsoring { vault: &mut vault, configured, name: args.name.clone(), credentials, confirm: &mut confirm };
        let sponsored = sponsor(invitation, &mut channel, &mut host, watch);
        told.map(|()| sponsored)
    })???;
    done(&sponsored, &vault, args.name.as_deref(), ui)?;
    Ok(Done::Complete)
}

/// The URLs for a joiner without a credential. Where there are none, another with one can still join.
fn sign(store: &Store, names: &[ObjectName], lifetime: Duration, ui: &Ui) -> Vec<String> {
    let urls = store.sign(&signing(names), lifetime);
    urls.unwrap_or_else(|error| {
        ui.warning(&format!(
            "the ticket holds no signed URLs, so the other device needs the network or a credential of its own: {}",
            zvault::chain(&error)
        ));
        Vec::new()
    })
}

/// Ticket, picture and words. They are what was asked for, so they are shown also when quiet.
fn show(
    invitation: &Invitation,
    addresses: &[String],
    args: &PairArgs,
    url: &str,
    ui: &Ui,
) -> Result<(), CommandError> {
    let ticket = invitation.ticket().to_text();
    // Longer than any terminal shows, and most cameras read.
    let presigned = !invitation.ticket().extras.presigned.is_empty();
    let words: Zeroizing<String> =
        Zeroizing::new(invitation.words().map(|words| words.iter().collect::<Vec<_>>().join(" ")).unwrap_or_default());
    if let Some(path) = &args.qr {
        write_qr(&ticket, path)?;
    }
    let mut output = ui.output();
    if ui.json {
        let document = Ticket {
            message_type: "ticket",
            ticket: &ticket,
            words: &words,
            addresses,
            expires: invitation.ticket().extras.expires,
            presigned,
        };
        let line = Zeroizing::new(json::line(&document));
        output.text(&line).and_then(|()| output.text("\n"))?;
        return output.finish();
    }
    // Room for all of it, so that growing leaves no copies behind.
    let mut text = Zeroizing::new(String::with_capacity(64 << 10));
    if args.qr.is_none()
        && !presigned
        && io::stdout().is_terminal()
        && let Ok(code) = qr::terminal(&ticket)
    {
        let needed = qr::columns(&code);
        match tcgetwinsize(io::stdout()) {
            // No camera reads what the terminal breaks into pieces.
            Ok(size) if size.ws_col > 0 && usize::from(size.ws_col) < needed => ui.note(&format!(
                "the QR code is left out: it needs {needed} columns, and the terminal has {}; or --qr FILE",
                size.ws_col
            )),
            _ => drop(writeln!(text, "{code}")),
        }
    }
    let _ = writeln!(
        text,
        "On the other device:\n\n  zvault pair {}\n\nor type the words:\n\n  zvault pair{} {}\n",
        *ticket,
        how_to_reach(addresses, args, url),
        *words
    );
    output.text(&text)?;
    output.finish()
}

/// What whoever types words has to say as well.
fn how_to_reach(addresses: &[String], args: &PairArgs, url: &str) -> String {
    let is_folder = StoreUrl::parse(url).is_ok_and(|url| url.bucket().is_none());
    match addresses.first() {
        Some(address) if is_folder || !args.via.storage() => format!(" --address {address}"),
        _ => format!(" --url {}", printable(url)),
    }
}

fn write_qr(ticket: &str, path: &Path) -> Result<(), CommandError> {
    let extension = path.extension().and_then(|extension| extension.to_str()).map(str::to_ascii_lowercase);
    let bytes = match extension.as_deref() {
        Some("png") => qr::png(ticket),
        Some("svg") => qr::svg(ticket).map(String::into_bytes),
        _ => return Err(CommandError::usage("a QR code is written to a file that ends in .png or .svg")),
    };
    let bytes = Zeroizing::new(bytes.map_err(|error| CommandError::usage("cannot make a QR code").cause(&error))?);
    let mut file = tempfile_beside(path)?;
    io::Write::write_all(&mut file, &bytes).map_err(|error| CommandError::io("write", path, &error))?;
    file.persist(path).map(drop).map_err(|error| CommandError::io("write", path, &error.error))
}

/// Only for this user: the picture is the secret.
fn tempfile_beside(path: &Path) -> Result<tempfile::NamedTempFile, CommandError> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let folder = fs::canonicalize(folder).map_err(|error| CommandError::io("find", folder, &error))?;
    tempfile::NamedTempFile::new_in(&folder).map_err(|error| CommandError::io("write to", &folder, &error))
}

fn introduce(request: &JoinRequest, ui: &Ui) -> Result<(), CommandError> {
    if ui.json {
        return ui.document(&MetLine {
            message_type: "joiner",
            device_id: request.device.to_string(),
            fingerprint: &request.fingerprint,
            capabilities: capability_names(request.capabilities),
            more: Joiner { device_name: &request.name, by_words: request.by_words },
        });
    }
    // A question is asked also when quiet.
    ui.error_line(&format!(
        "\n{} wants to join, and may {}\n\n  fingerprint  {}\n\nThe other device shows the same fingerprint, or it is not the other device.",
        printable(&request.name),
        capability_names(request.capabilities),
        request.fingerprint,
    ));
    Ok(())
}

/// Yes or no from the terminal; Ctrl-C is a no.
fn ask(interrupted: &AtomicBool) -> bool {
    let stdin = io::stdin();
    forget_typed();
    let _ = io::Write::write_all(&mut io::stderr().lock(), b"Let it in? [y/N] ");
    let mut line = Vec::new();
    loop {
        if interrupted.load(Relaxed) {
            return false;
        }
        let mut fds = [PollFd::new(&stdin, PollFlags::IN)];
        if !matches!(poll(&mut fds, Some(&Timespec { tv_sec: 0, tv_nsec: 100_000_000 })), Ok(1..)) {
            continue;
        }
        let mut byte = [0];
        // Past the buffer of the standard library, which takes the rest of the line where poll does not see it.
        match rustix::io::read(&stdin, &mut byte) {
            Ok(1) if byte[0] == b'\n' => break,
            Ok(1) if line.len() < 16 => line.push(byte[0]),
            Ok(1) => {}
            _ => return false,
        }
    }
    matches!(line.trim_ascii().to_ascii_lowercase().as_slice(), b"y" | b"yes")
}

fn done(sponsored: &Sponsored, vault: &Vault, name: Option<&str>, ui: &Ui) -> Result<(), CommandError> {
    let Sponsored { request, record, told } = sponsored;
    let name = name.unwrap_or(&request.name);
    if ui.json {
        return ui.summary(&PairedLine {
            message_type: "paired",
            vault_id: vault.id().to_string(),
            device_id: request.device.to_string(),
            device_name: name,
            capabilities: capability_names(request.capabilities),
            more: Paired { record: record.to_string(), told: *told },
        });
    }
    ui.say(&format!(
        "{} ({:.8}) is now a device of the vault, and may {}\n",
        printable(name),
        request.device,
        capability_names(request.capabilities)
    ))?;
    if !told {
        ui.note("it could not be told any more, and finds out by itself when it is used");
    }
    Ok(())
}

/// The credentials for this store. Those of others stay: who runs one store is not to learn the credential of another.
fn gather(url: &StoreUrl, options: &StoreOptions) -> Result<Vec<(String, SecretBytes)>, CommandError> {
    let found = shared_credentials(url, options)
        .map_err(|source| VaultError::from(StoreError::Credential { at: url.to_string(), source }))?;
    match found.is_empty() {
        false => Ok(found),
        true => Err(CommandError::usage("there is no credential that another machine could use").hint(
            "logins, profiles and roles stay on this machine: set the variables of a key, as docs/pairing.md lists them",
        )),
    }
}

fn within(wanted: Capabilities, allowed: Capabilities) -> Capabilities {
    Capabilities::from_bits(wanted.bits() & allowed.bits()).unwrap_or(wanted)
}

#[derive(Serialize)]
struct Ticket<'a> {
    message_type: &'static str,
    ticket: &'a str,
    words: &'a str,
    addresses: &'a [String],
    expires: u64,
    presigned: bool,
}

#[derive(Serialize)]
struct Waiting {
    message_type: &'static str,
    expires_in: u64,
}

#[derive(Serialize)]
struct Joiner<'a> {
    device_name: &'a str,
    by_words: bool,
}

#[derive(Serialize)]
struct Paired {
    record: String,
    told: bool,
}
