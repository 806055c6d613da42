use std::fmt::Write as _;
use std::path::PathBuf;
use std::sync::Arc;

use clap::{Args, ValueEnum};
use zeroize::Zeroizing;
use zvault::keys::Words;

use super::Done;
use crate::args::Global;
use crate::error::CommandError;
use crate::json;
use crate::keychain::open_home;
use crate::passphrase::Secrets;
use crate::ui::{Ui, path_text, printable};
use vault_format::Suite;
use zvault::Trouble;
use zvault::store::StoreUrl;
use zvault::vault::{InitOptions, Initialised, Vault, VaultError};

/// Create a vault, and make this machine its first device
///
/// The passphrase is asked for twice, or comes from one of the sources of a passphrase. The 24 words of the recovery
/// key are shown once, on standard output.
#[derive(Args)]
pub(crate) struct InitArgs {
    /// Where to create it: a folder, or a bucket or an empty place in one, as s3://bucket/prefix, gs:// or az://
    #[arg(value_name = "URL", id = "place")]
    place: Option<String>,

    /// Create it directly below URL under a random name, which tells nobody whose it is: for a bucket or a folder with
    /// several vaults
    #[arg(long)]
    random_name: bool,

    /// Make no recovery key: who forgets the passphrase and loses all devices has lost the vault
    #[arg(long)]
    no_recovery_key: bool,

    /// Write a page for paper with the 24 words to FILE: it ends in .html or .svg, and must not exist
    #[arg(long, value_name = "FILE", value_parser = super::recovery::sheet_path, conflicts_with = "no_recovery_key")]
    recovery_sheet: Option<PathBuf>,

    /// Name of this device, for the people who share the vault [default: the name of this machine]
    #[arg(long, value_name = "NAME")]
    device_name: Option<String>,

    /// Let the passphrase be opened on machines with little memory; guessing it becomes cheaper
    #[arg(long)]
    low_memory: bool,

    /// With which algorithms, for as long as there is the vault; a passphrase of fips has at least 14 bytes
    #[arg(long, value_enum, value_name = "SUITE", default_value_t = SuiteName::of_this_program())]
    suite: SuiteName,
}

/// The suites as a person names them.
#[derive(Clone, Copy, ValueEnum)]
enum SuiteName {
    /// XChaCha20-Poly1305, BLAKE3, Argon2id, X25519 with ML-KEM-768
    Default,
    /// Those of NIST's standards: AES-256-GCM, SHA-256, PBKDF2, P-256 with ML-KEM-768. zvault version tells whose they are
    Fips,
}

impl SuiteName {
    /// The one of which every program opens what it makes.
    fn of_this_program() -> Self {
        if cfg!(feature = "fips") { Self::Fips } else { Self::Default }
    }

    fn suite(self) -> Suite {
        match self {
            Self::Default => Suite::Default,
            Self::Fips => Suite::Fips,
        }
    }
}

pub(crate) fn run(args: InitArgs, global: &Global, ui: &Ui) -> Result<Done, CommandError> {
    let url = args.place.as_deref().or(global.url.as_deref()).ok_or_else(|| {
        CommandError::usage("where is the vault to be created?")
            .hint("name a folder or a bucket: zvault init /path, zvault init s3://bucket/prefix, or set ZVAULT_URL")
    })?;
    let below = args.random_name.then(|| random_place(url)).transpose()?;
    let url = below.as_deref().unwrap_or(url);
    let home_path = super::home_path(global)?;
    let cache = super::cache_path(global)?;
    let home = Arc::new(open_home(&home_path, ui)?);
    let Initialised { vault, words } = Vault::init(InitOptions {
        url,
        store: super::store_options(global, ui)?,
        home: &home,
        passphrase: Secrets::new(&global.secret).create()?,
        words: !args.no_recovery_key,
        device_name: args.device_name.unwrap_or_else(super::host_name),
        low_memory: args.low_memory,
        suite: args.suite.suite(),
        cache: cache.as_deref(),
    })?;
    let home_text = home_path.as_os_str().as_encoded_bytes();
    for note in vault.notes() {
        ui.note(note);
    }

    if let (Some(path), Some(words)) = (&args.recovery_sheet, &words) {
        // The words are shown whatever happens to the file.
        if let Err(error) = super::recovery::write_sheet(&vault, words, path) {
            ui.warning(&format!("the recovery sheet was not written: {}", error.in_one_line()));
        }
    }

    if ui.json {
        let document = json::Initialised {
            message_type: "initialized",
            id: vault.id().to_string(),
            repository: vault.url(),
            device_id: vault.device_id().to_string(),
            device_name: vault.device_name(),
            home: String::from_utf8_lossy(home_text),
            recovery_words: words.as_ref().map(|words| words.iter().collect()),
        };
        // With the words in it, so it is wiped like them.
        let line = Zeroizing::new(json::line(&document));
        let mut output = ui.output();
        let told = output.text(&line).and_then(|()| output.text("\n")).and_then(|()| output.finish());
        return told.map(|()| Done::Complete).map_err(not_shown);
    }

    ui.say(&format!(
        "The vault is ready.\n\n  vault   {}\n  place   {}\n  device  {} ({})\n  state   {}\n\n{KEYS_ON_DISK}\n",
        vault.id(),
        printable(vault.url()),
        printable(vault.device_name()),
        vault.device_id(),
        path_text(home_text),
    ))?;
    match words {
        // Also when quiet: they are never shown again.
        Some(words) => {
            let mut output = ui.output();
            output.text(&sheet(&words)).and_then(|()| output.finish()).map_err(not_shown)?;
        }
        None => ui.say(NO_WORDS)?,
    }
    Ok(Done::Complete)
}

/// A place with a name of its own below a URL: 128 random bits, so that no two machines have to agree on names.
fn random_place(url: &str) -> Result<String, CommandError> {
    let mut name = [0; 16];
    crypto_backends::own()
        .and_then(|own| own.random.fill(&mut name))
        .map_err(|error| CommandError::new(Trouble::Failed, "no random name can be made").cause(&error))?;
    let parent = StoreUrl::parse(url).map_err(VaultError::from)?;
    let below = parent.below(&hex::encode(name));
    below.map(|url| url.to_string()).ok_or_else(|| CommandError::usage(format!("nothing can be named below {url}")))
}

/// The vault is there, and its words are lost: the person must know.
fn not_shown(error: CommandError) -> CommandError {
    let message = "the vault is ready, but its recovery key could not be shown: standard output takes nothing";
    let failed = CommandError::new(Trouble::Failed, message)
        .hint("delete the vault and make it again, or go on without a recovery key");
    match error {
        CommandError::OutputClosed => failed,
        CommandError::Failed(reason) => failed.because(reason.causes),
    }
}

/// The words in four numbered columns, read downwards.
pub(super) fn sheet(words: &Words) -> Zeroizing<String> {
    let words: Vec<&str> = words.iter().collect();
    let rows = words.len().div_ceil(COLUMNS);
    // Room for all of it, so that growing leaves no copies behind.
    let mut text = Zeroizing::new(String::with_capacity(4096));
    text.push_str("\nRecovery key: these words open the vault without passphrase and without any device.\n\n");
    for row in 0..rows {
        for column in 0..COLUMNS {
            let at = column * rows + row;
            if let Some(word) = words.get(at) {
                let _ = write!(text, "  {:>2} {word:<9}", at + 1);
            }
        }
        let end = text.trim_end().len();
        text.truncate(end);
        text.push('\n');
    }
    text.push_str("\nThey are shown this once. Write them down on paper, and keep it where neither fire nor\ntheft takes it together with this machine. Whoever reads them can read the vault.\n");
    text
}

const COLUMNS: usize = 4;
const KEYS_ON_DISK: &str = "\
This device keeps keys of its own in its state folder, and needs no passphrase from now on.
Those keys rely on this machine's disk encryption: without it, whoever takes the disk can
read the vault.";
const NO_WORDS: &str = "\
\nThere is no recovery key. The passphrase and this device are all that opens the vault: when
both are gone, so is everything in it.\n";

#[cfg(test)]
mod tests {
    use super::*;
    use crypto_backends::Key;

    #[test]
    fn the_sheet_can_be_typed_back() {
        let words = Words::from_entropy(&Key::new([0x7f; 32])).expect("a backend");
        let text = sheet(&words);
        let (_, block) = text.split_once(".\n\n").expect("a block of words");
        let (block, _) = block.split_once("\n\n").expect("a block of words");
        assert_eq!(block.lines().count(), 6);
        let mut numbered: Vec<(usize, &str)> = Vec::new();
        let mut parts = block.split_whitespace();
        while let (Some(number), Some(word)) = (parts.next(), parts.next()) {
            numbered.push((number.parse().expect("a number"), word));
        }
        numbered.sort_unstable();
        assert_eq!(numbered.iter().map(|(_, word)| *word).collect::<Vec<_>>(), words.iter().collect::<Vec<_>>());
    }
}
