//! Runs the built program in a world of its own: a fresh folder for everything, and none of the caller's environment.

use std::ffi::OsStr;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::OnceLock;

use crypto_backends::rustcrypto::provider_of;
use crypto_backends::{Provider, Suite};
use serde_json::Value;
use tempfile::TempDir;

/// A machine: its home folder, a place for vaults and files, and a passphrase.
pub(crate) struct World {
    folder: TempDir,
    passphrase: &'static str,
    /// Which it runs.
    pub(crate) program: PathBuf,
}

/// How a run of the program ended.
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

/// The program: the one that was built with the tests, or another that is to pass them.
pub(crate) fn program() -> PathBuf {
    other_program().unwrap_or_else(default_program)
}

/// The one that was built with the tests.
pub(crate) fn default_program() -> PathBuf {
    env!("CARGO_BIN_EXE_zvault").into()
}

/// The FIPS program, if that is tested (scripts/fips).
pub(crate) fn other_program() -> Option<PathBuf> {
    std::env::var_os("ZVAULT_TEST_PROGRAM").map(PathBuf::from)
}

/// The RustCrypto backend of the suite that the program's vaults have unless somebody says it.
pub(crate) fn provider() -> &'static Provider {
    static SUITE: OnceLock<Suite> = OnceLock::new();
    let suite = SUITE.get_or_init(|| {
        let it: Value = serde_json::from_str(&World::new().run(["version", "--json"]).out).expect("a document");
        if it["suites"][0]["number"] == 2 { Suite::Fips } else { Suite::Default }
    });
    provider_of(*suite)
}

impl World {
    /// A machine on which nothing has happened yet.
    pub(crate) fn new() -> Self {
        let folder = TempDir::new().expect("a folder");
        fs::create_dir(folder.path().join("user")).expect("a home folder");
        Self { folder, passphrase: "correct horse battery", program: program() }
    }

    /// The same with a program of the test's choice.
    pub(crate) fn of(program: &Path) -> Self {
        Self { program: program.to_owned(), ..Self::new() }
    }

    /// The same with a vault in `vault`, and this machine its device.
    pub(crate) fn with_vault() -> Self {
        let world = Self::new();
        world.run(["init"]).expect_code(0);
        world
    }

    /// A path in this world.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a file, and the folders above it.
    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(path.parent().expect("a folder above")).expect("folders");
        fs::write(&path, content).expect("written");
        path
    }

    /// The program with the vault and the passphrase in its environment, in a fresh process.
    pub(crate) fn command<A: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = A>) -> Command {
        let mut command = self.bare(args);
        command.env("ZVAULT_URL", self.path("vault")).env("ZVAULT_PASSPHRASE", self.passphrase);
        command
    }

    /// The program with neither vault nor passphrase.
    pub(crate) fn bare<A: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = A>) -> Command {
        let mut command = Command::new(&self.program);
        command
            .args(args)
            .current_dir(self.folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command.env_clear().env("HOME", self.path("user")).env("TZ", "UTC").env("LANG", "C.UTF-8");
        // Cheap passphrases, in debug builds only; how coverage is measured.
        command.env("ZVAULT_TEST_KDF", "1");
        // Whoever runs the tests has one, and it is none of theirs.
        command.env("ZVAULT_KEYCHAIN", "off");
        // Nobody watches here, and no test is to wait for that.
        command.env("ZVAULT_JITTER", "0");
        for name in ["PATH", "TMPDIR", "LLVM_PROFILE_FILE"] {
            if let Some(value) = std::env::var_os(name) {
                command.env(name, value);
            }
        }
        command
    }

    /// Runs the program with the vault and the passphrase in its environment.
    pub(crate) fn run<A: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = A>) -> Ran {
        run(&mut self.command(args))
    }

    /// The same with `input` as its standard input.
    pub(crate) fn run_with<A: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = A>, input: &[u8]) -> Ran {
        let mut child = self.command(args).stdin(Stdio::piped()).spawn().expect("it starts");
        // A program that does not read its input is its own business.
        let _ = child.stdin.take().expect("it is piped").write_all(input);
        ended(child)
    }
}

/// Runs a command to its end.
pub(crate) fn run(command: &mut Command) -> Ran {
    command.output().expect("it starts").into()
}

/// Waits for a program.
pub(crate) fn ended(child: Child) -> Ran {
    child.wait_with_output().expect("it ends").into()
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code(),
            out: String::from_utf8(output.stdout).expect("UTF-8 on standard output"),
            err: String::from_utf8(output.stderr).expect("UTF-8 on standard error"),
        }
    }
}

impl Ran {
    /// Fails the test, with all that was said, unless the program ended so.
    #[track_caller]
    pub(crate) fn expect_code(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "\n--- out\n{}\n--- err\n{}", self.out, self.err);
        self
    }

    /// Fails the test unless standard error has this text.
    #[track_caller]
    pub(crate) fn expect_err(self, text: &str) -> Self {
        assert!(self.err.contains(text), "no {text:?} in\n{}", self.err);
        self
    }

    /// Fails the test unless standard output has this text.
    #[track_caller]
    pub(crate) fn expect_out(self, text: &str) -> Self {
        assert!(self.out.contains(text), "no {text:?} in\n{}", self.out);
        self
    }

    /// Every line of standard output as JSON.
    #[track_caller]
    pub(crate) fn json(&self) -> Vec<Value> {
        json_lines(&self.out)
    }

    /// The last line of standard output as JSON.
    #[track_caller]
    pub(crate) fn last_json(&self) -> Value {
        self.json().pop().expect("a line of JSON")
    }
}

/// Every line as JSON.
#[track_caller]
pub(crate) fn json_lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error} in {line}"))).collect()
}

/// All files below a folder with their contents, by path.
pub(crate) fn tree(folder: &Path) -> std::collections::BTreeMap<PathBuf, Vec<u8>> {
    let mut files = std::collections::BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(&next).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() && !path.is_symlink() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(folder).expect("below the folder").to_owned();
                files.insert(name, fs::read(&path).unwrap_or_default());
            }
        }
    }
    files
}

/// Cargo builds a folder of tests into one program, so a file that no `mod` names would be tests that never run.
#[test]
fn no_file_is_forgotten() {
    for tests in ["tests/it", "tests/stores"] {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join(tests);
        let mut folders = vec![root.clone()];
        let mut seen = 0;
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(&folder).expect("a folder") {
                let path = entry.expect("an entry").path();
                let name = path.file_stem().expect("a name").to_str().expect("UTF-8").to_owned();
                if path.is_dir() {
                    folders.push(path);
                    continue;
                }
                let is_top = folder == root && name == "main";
                if path.extension() != Some(OsStr::new("rs")) || name == "mod" || is_top {
                    continue;
                }
                let parent = if folder == root { root.join("main.rs") } else { folder.join("mod.rs") };
                let text = fs::read_to_string(&parent).expect("the module above");
                assert!(text.contains(&format!("mod {name};")), "{} does not say `mod {name};`", parent.display());
                seen += 1;
            }
        }
        assert!(seen > 5, "only {seen} files of {tests} were looked at");
    }
}
