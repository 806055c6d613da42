//! Where the passphrase comes from: a file, a command, a descriptor, the environment, or a person.
//!
//! Nothing is read or run before the library asks for it.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, IsTerminal, Read};
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use zeroize::Zeroizing;
use zvault::keys::{Passphrase, PassphraseError, Words};

use crate::args::SecretArgs;
use crate::error::CommandError;
use crate::job::at_prompt;
use crate::{env, ui};
use zvault::Trouble;
use zvault::vault::{Unlock, UnlockSecret};

/// Gets the secret that opens a vault, when it is needed.
pub(crate) struct Secrets<'a> {
    args: &'a SecretArgs,
    /// Standard input is what is pushed: no secret can come from there.
    stdin_taken: bool,
    /// Why there is none; better than what the library can say about it.
    failed: Option<CommandError>,
}

impl<'a> Secrets<'a> {
    pub(crate) fn new(args: &'a SecretArgs) -> Self {
        Self { args, stdin_taken: false, failed: None }
    }

    /// The same, where standard input is data.
    pub(crate) fn without_stdin(mut self, taken: bool) -> Self {
        self.stdin_taken = taken;
        self
    }

    /// Whether an argument says where the secret is. A variable says so for all runs, and for none in particular.
    pub(crate) fn is_named(args: &SecretArgs) -> bool {
        let SecretArgs { passphrase_file, passphrase_command, passphrase_fd, recovery_words_file } = args;
        passphrase_file.is_some()
            || passphrase_command.is_some()
            || passphrase_fd.is_some()
            || recovery_words_file.is_some()
    }

    /// A passphrase for a new vault; typed twice if it is typed.
    pub(crate) fn create(&self) -> Result<Passphrase, CommandError> {
        match self.source()? {
            Some(Source::Words(_)) => {
                Err(CommandError::usage("a new vault gets a recovery key of its own; it cannot be given one")
                    .hint("choose a passphrase; the words are shown once the vault is made"))
            }
            Some(source) => self.passphrase(source),
            None => {
                self.may_ask("a passphrase for the new vault", &VARIABLES)?;
                ask_twice("Passphrase for the new vault: ")
            }
        }
    }

    /// Another passphrase for a vault that there is; typed twice if it is typed.
    pub(crate) fn another(&self) -> Result<Passphrase, CommandError> {
        match set_variable(&NEW_VARIABLES)? {
            Some(source) => self.passphrase(source),
            None => {
                self.may_ask("the new passphrase", &NEW_VARIABLES)?;
                ask_twice("New passphrase: ")
            }
        }
    }

    /// The 24 words: of their file, or typed.
    pub(crate) fn root(&self) -> Result<UnlockSecret, CommandError> {
        if let Some(path) = &self.args.recovery_words_file {
            return self.words(path).map(UnlockSecret::Words);
        }
        if self.stdin_taken || !io::stdin().is_terminal() {
            return Err(CommandError::usage("the 24 words are needed, and there is no terminal to ask on")
                .hint("name a file that holds them: --recovery-words-file FILE"));
        }
        let typed = ask("The 24 words of the recovery key: ")?;
        let words = Words::parse(&typed).map_err(|error| CommandError::new(Trouble::WrongKey, error.to_string()))?;
        Ok(UnlockSecret::Words(words))
    }

    /// Whatever opens the vault, although this machine needs nothing to open it.
    pub(crate) fn again(&self, vault_url: &str) -> Result<UnlockSecret, CommandError> {
        self.open(vault_url)
    }

    /// The reason why `unlock` failed here, if it did.
    pub(crate) fn take_failure(&mut self) -> Option<CommandError> {
        self.failed.take()
    }

    fn open(&self, vault_url: &str) -> Result<UnlockSecret, CommandError> {
        match self.source()? {
            Some(Source::Words(path)) => self.words(&path).map(UnlockSecret::Words),
            Some(source) => self.passphrase(source).map(UnlockSecret::Passphrase),
            None => {
                self.may_ask(&format!("the passphrase of {vault_url}"), &VARIABLES)?;
                let typed = ask(&format!("Passphrase of {}, or its 24 words: ", ui::printable(vault_url)))?;
                if typed.split_whitespace().count() == WORDS {
                    match Words::parse(&typed) {
                        Ok(words) => return Ok(UnlockSecret::Words(words)),
                        // All words are of the list: nobody has such a passphrase by chance.
                        Err(error @ zvault::keys::WordsError::Checksum) => {
                            return Err(CommandError::new(Trouble::WrongKey, error.to_string()));
                        }
                        Err(_) => {}
                    }
                }
                let passphrase =
                    Passphrase::new(&typed).map_err(|error| refused(&error, "the passphrase that was typed"))?;
                Ok(UnlockSecret::Passphrase(passphrase))
            }
        }
    }

    /// The one place that was named; None: ask.
    fn source(&self) -> Result<Option<Source>, CommandError> {
        let SecretArgs { passphrase_file, passphrase_command, passphrase_fd, recovery_words_file } = self.args;
        // An argument wins over the environment: it is the later word.
        if let Some(path) = recovery_words_file {
            return Ok(Some(Source::Words(path.clone())));
        }
        if let Some(path) = passphrase_file {
            return Ok(Some(Source::File(path.clone())));
        }
        if let Some(command) = passphrase_command {
            return Ok(Some(Source::Command(command.clone())));
        }
        if let Some(number) = passphrase_fd {
            return Ok(Some(Source::Descriptor(*number)));
        }
        set_variable(&VARIABLES)
    }

    fn passphrase(&self, source: Source) -> Result<Passphrase, CommandError> {
        match source {
            Source::Variable(name) => {
                let value = std::env::var_os(name).map(OsString::into_vec).map(Zeroizing::new).unwrap_or_default();
                let text = std::str::from_utf8(&value).map_err(|_| refused(&PassphraseError::NotUtf8, name))?;
                Passphrase::new(text).map_err(|error| refused(&error, name))
            }
            Source::File(path) => {
                let bytes =
                    read_file(&path).map_err(|error| CommandError::io("read the passphrase file", &path, &error))?;
                Passphrase::from_output(&bytes)
                    .map_err(|error| refused(&error, &format!("passphrase file {}", path.display())))
            }
            Source::Descriptor(number) => {
                if number == 0 && self.stdin_taken {
                    return Err(CommandError::usage("standard input cannot be both the passphrase and what is pushed")
                        .hint("pass the passphrase through another descriptor"));
                }
                let path = PathBuf::from(format!("/dev/fd/{number}"));
                let bytes = read_file(&path).map_err(|error| {
                    CommandError::usage(format!("cannot read the passphrase from descriptor {number}")).cause(&error)
                })?;
                Passphrase::from_output(&bytes).map_err(|error| refused(&error, &format!("descriptor {number}")))
            }
            Source::Command(line) => {
                let bytes = run(&line)?;
                Passphrase::from_output(&bytes).map_err(|error| refused(&error, "the output of the passphrase command"))
            }
            Source::Words(path) => {
                Err(CommandError::usage(format!("{} is to hold words, and no passphrase", path.display())))
            }
        }
    }

    fn words(&self, path: &Path) -> Result<Words, CommandError> {
        let bytes = read_file(path).map_err(|error| CommandError::io("read the recovery words in", path, &error))?;
        let text = std::str::from_utf8(&bytes)
            .map_err(|_| CommandError::new(Trouble::WrongKey, format!("{} holds no text", path.display())))?;
        Words::parse(text).map_err(|error| CommandError::new(Trouble::WrongKey, format!("{}: {error}", path.display())))
    }

    fn may_ask(&self, what: &str, variables: &[&str]) -> Result<(), CommandError> {
        if !self.stdin_taken && io::stdin().is_terminal() {
            return Ok(());
        }
        Err(CommandError::usage(format!("{what} is needed, and there is no terminal to ask on")).hint(
            match variables == VARIABLES {
                true => format!("set one of {}, or use --passphrase-file", variables.join(", ")),
                false => format!("set one of {}", variables.join(", ")),
            },
        ))
    }
}

impl Unlock for Secrets<'_> {
    fn unlock(&mut self, vault_url: &str) -> Result<UnlockSecret, String> {
        self.open(vault_url).map_err(|error| {
            let text = error.to_string();
            self.failed = Some(error);
            text
        })
    }
}

/// Where a secret is.
enum Source {
    Variable(&'static str),
    File(PathBuf),
    Command(String),
    Descriptor(u32),
    Words(PathBuf),
}

impl Source {
    fn from_variable(name: &'static str) -> Result<Self, CommandError> {
        let value = std::env::var_os(name).unwrap_or_default();
        Ok(match name.rsplit_once('_').map(|(_, sort)| sort) {
            Some("FILE") => Self::File(value.into()),
            Some("COMMAND") => Self::Command(
                value.into_string().map_err(|_| CommandError::usage(format!("{name} is not valid UTF-8")))?,
            ),
            Some("PASSPHRASE") => Self::Variable(name),
            _ => {
                let number = value.to_str().and_then(|text| text.parse::<u16>().ok());
                Self::Descriptor(number.map(u32::from).ok_or_else(|| {
                    CommandError::usage(format!("{name} is not the number of a file descriptor"))
                        .hint("write for example 3")
                })?)
            }
        })
    }
}

/// What the only variable that is set names; None: none is.
fn set_variable(variables: &[&'static str]) -> Result<Option<Source>, CommandError> {
    let set: Vec<&'static str> = variables.iter().copied().filter(|name| std::env::var_os(name).is_some()).collect();
    match set[..] {
        [] => Ok(None),
        [name] => Source::from_variable(name).map(Some),
        _ => Err(CommandError::usage(format!(
            "{} are both set; only one can say what the passphrase is",
            set.join(" and ")
        ))
        .hint("unset all but one")),
    }
}

/// Runs the command without a shell and returns what it prints. Nothing of that is ever shown: it may be the secret.
fn run(line: &str) -> Result<Zeroizing<Vec<u8>>, CommandError> {
    let argv = shlex::split(line).filter(|argv| !argv.is_empty()).ok_or_else(|| {
        CommandError::usage("the passphrase command cannot be split into words").hint("check its quotes")
    })?;
    let (program, arguments) = argv.split_first().expect("it is not empty");
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    for name in env::own() {
        command.env_remove(name);
    }
    let failed =
        |what: String| CommandError::new(Trouble::Failed, format!("the passphrase command {program:?} {what}"));
    let mut child = command.spawn().map_err(|error| failed("cannot be run".into()).cause(&error))?;
    let output = child.stdout.take().expect("it is piped");
    let bytes = read_bounded(output);
    if bytes.is_err() {
        // It may wait for ever for somebody to read the rest.
        let _ = child.kill();
    }
    let status = child.wait().map_err(|error| failed("cannot be waited for".into()).cause(&error))?;
    let bytes = bytes.map_err(|error| failed("prints what is no passphrase".into()).cause(&error))?;
    if !status.success() {
        return Err(
            failed(format!("failed: {status}")).hint("run it by hand to see what it says; zvault hides its output")
        );
    }
    Ok(bytes)
}

fn read_file(path: &Path) -> io::Result<Zeroizing<Vec<u8>>> {
    File::open(path).and_then(read_bounded)
}

/// Reads all of it into memory that is wiped, and refuses what cannot be a passphrase.
fn read_bounded(from: impl Read) -> io::Result<Zeroizing<Vec<u8>>> {
    // Room for all of it, so that growing leaves no copies behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(MAX_LEN + 1));
    from.take(MAX_LEN as u64 + 1).read_to_end(&mut bytes)?;
    if bytes.len() > MAX_LEN {
        return Err(io::Error::new(io::ErrorKind::InvalidData, format!("more than {MAX_LEN} bytes")));
    }
    Ok(bytes)
}

fn ask(prompt: &str) -> Result<Zeroizing<String>, CommandError> {
    at_prompt(|| rpassword::prompt_password(prompt)).map(Zeroizing::new).map_err(|error| match error.kind() {
        io::ErrorKind::Interrupted => CommandError::new(Trouble::Interrupted, "interrupted"),
        _ => CommandError::usage("no passphrase was typed").cause(&error),
    })
}

fn ask_twice(prompt: &str) -> Result<Passphrase, CommandError> {
    let typed = ask(prompt)?;
    let passphrase = Passphrase::new(&typed).map_err(|error| refused(&error, "the passphrase that was typed"))?;
    let again = ask("Once more: ")?;
    if *typed != *again {
        return Err(CommandError::usage("the two passphrases differ; nothing was made"));
    }
    Ok(passphrase)
}

fn refused(error: &PassphraseError, from: &str) -> CommandError {
    CommandError::usage(format!("{from}: {error}"))
}

const VARIABLES: [&str; 4] =
    ["ZVAULT_PASSPHRASE", "ZVAULT_PASSPHRASE_FILE", "ZVAULT_PASSPHRASE_COMMAND", "ZVAULT_PASSPHRASE_FD"];
const NEW_VARIABLES: [&str; 4] = [
    "ZVAULT_NEW_PASSPHRASE",
    "ZVAULT_NEW_PASSPHRASE_FILE",
    "ZVAULT_NEW_PASSPHRASE_COMMAND",
    "ZVAULT_NEW_PASSPHRASE_FD",
];
const WORDS: usize = 24;
/// Far more than a passphrase may have (SPEC section 11.4), or 24 words take.
const MAX_LEN: usize = 8192;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_run_without_a_shell() {
        assert_eq!(**run("printf '%s' 'a b$HOME'").as_ref().expect("it runs"), *b"a b$HOME");
        assert!(run("printf 'open").expect_err("quotes").to_string().contains("split"));
        assert!(run("").is_err());
        let CommandError::Failed(failed) = run("sh -c 'echo secret; exit 3'").expect_err("it fails") else {
            panic!("not a failure")
        };
        let said = format!("{failed:?}");
        assert!(said.contains("exit status: 3") && !said.contains("echo secret"), "{said}");
        assert!(run("/no/such/program").expect_err("no program").to_string().contains("cannot be run"));
        assert!(run("yes").is_err(), "more than a passphrase");
    }
}
