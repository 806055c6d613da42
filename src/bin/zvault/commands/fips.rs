use std::path::PathBuf;

use clap::{Args, Subcommand};
use crypto_backends::{Check, FipsStatus, Module, Provider, Suite, provider};
use serde::Serialize;

use super::Done;
use crate::backend;
use crate::error::CommandError;
use crate::ui::Ui;
use zvault::Trouble;

/// What the FIPS program stands on
///
/// The FIPS program is built in fips/ and stands on a validated cryptographic module. What is claimed for it, and what is
/// not, is in fips/README.md.
#[derive(Args)]
pub(crate) struct FipsArgs {
    #[command(subcommand)]
    command: FipsCommand,
}

#[derive(Subcommand)]
enum FipsCommand {
    /// Test the module and use each of its services once, and report
    ///
    /// "approved" is what the module itself counts (FIPS 140-3 IG 2.4.C), and "excepted" is what no module does. With
    /// --json, one document. Exit code 1 if a check fails, or if this program stands on no validated module.
    SelfTest,
}

pub(crate) fn run(FipsArgs { command: FipsCommand::SelfTest }: FipsArgs, ui: &Ui) -> Result<Done, CommandError> {
    let Some(module) = backend::module() else {
        let message = "this program stands on no validated module";
        return Err(CommandError::new(Trouble::Failed, message).hint("the FIPS program is built in fips/"));
    };
    let report = Report::new(&module);
    match ui.json {
        true => ui.document(&report)?,
        false => {
            let mut output = ui.output();
            output.text(&report.text())?;
            output.finish()?;
        }
    }
    Ok(if report.passed { Done::Complete } else { Done::Trouble(Trouble::Failed) })
}

/// The document of `--json`.
#[derive(Serialize)]
struct Report {
    message_type: &'static str,
    passed: bool,
    time: String,
    version: &'static str,
    /// The file that runs.
    program: Option<PathBuf>,
    /// Of that file.
    program_sha256: Option<String>,
    module: ModuleReport,
    machine: Machine,
    /// Of the suite as a whole, as its weakest part.
    suite: u8,
    suite_fips: &'static str,
    checks: Vec<CheckReport>,
}

#[derive(Serialize)]
struct ModuleReport {
    name: &'static str,
    certificate: &'static str,
}

#[derive(Serialize)]
struct Machine {
    os: &'static str,
    arch: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    kernel: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cpu: Option<String>,
    /// Whether the kernel says that it runs in FIPS mode. Nothing here depends on it.
    #[serde(skip_serializing_if = "Option::is_none")]
    kernel_fips: Option<bool>,
}

#[derive(Serialize)]
struct CheckReport {
    name: &'static str,
    #[serde(skip_serializing_if = "str::is_empty")]
    standard: &'static str,
    /// By the module's own count, for operations.
    #[serde(skip_serializing_if = "Option::is_none")]
    approved: Option<bool>,
    passed: bool,
    message: String,
}

impl Report {
    fn new(module: &Module) -> Self {
        // None, if the module was refused: then nothing is computed with it.
        let provider = provider(Suite::Fips);
        let mut checks: Vec<CheckReport> = (module.self_test)().into_iter().map(CheckReport::from).collect();
        checks.push(installed(provider));
        checks.extend(tls());
        checks.push(suites());
        let program = std::env::current_exe().ok();
        // The file that runs, whatever is at its path by now.
        let bytes = std::fs::read("/proc/self/exe").ok();
        Self {
            message_type: "fips_self_test",
            passed: checks.iter().all(|check| check.passed),
            time: jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
            version: zvault::VERSION,
            program,
            program_sha256: provider.zip(bytes).map(|(it, bytes)| hex::encode(it.hash.hash(&[&bytes]))),
            module: ModuleReport { name: module.name, certificate: module.certificate },
            machine: Machine::this(),
            suite: Suite::Fips.byte(),
            suite_fips: match provider.map(Provider::fips) {
                None => "refused",
                Some(FipsStatus::Unvalidated) => "not validated as a whole",
                Some(FipsStatus::Pending) => "validation pending",
                Some(FipsStatus::Certified { .. }) => "services of the module only",
            },
            checks,
        }
    }

    fn text(&self) -> String {
        let ModuleReport { name, certificate } = self.module;
        let Machine { os, arch, kernel, cpu, kernel_fips } = &self.machine;
        let mut text = format!("zvault {}, FIPS self-test, {}\n\n", self.version, self.time);
        let mut line = |name: &str, value: String| text += &format!("{name:<8} {value}\n");
        if let (Some(path), Some(hash)) = (&self.program, &self.program_sha256) {
            line("program", path.display().to_string());
            line("sha256", hash.clone());
        }
        line("module", format!("{name}, certificate #{certificate}"));
        let kernel = kernel.as_deref().unwrap_or("unknown");
        let mode = kernel_fips.map_or("", |on| if on { ", in FIPS mode" } else { ", not in FIPS mode" });
        line("machine", format!("{arch}, {os} {kernel}{mode}"));
        line("cpu", cpu.clone().unwrap_or_else(|| "unknown".into()));
        line("suite", format!("0x{:02x}, {}", self.suite, self.suite_fips));
        text.push('\n');
        for check in &self.checks {
            let word = match (check.passed, check.approved) {
                (false, _) => "failed",
                (true, Some(true)) => "approved",
                (true, Some(false)) => "excepted",
                (true, None) => "ok",
            };
            text += format!("{word:<8} {:<34} {:<24} {}", check.name, check.standard, check.message).trim_end();
            text.push('\n');
        }
        let failed = self.checks.iter().filter(|check| !check.passed).count();
        text += &match failed {
            0 => format!("\nall {} checks passed\n", self.checks.len()),
            failed => format!("\n{failed} of {} checks failed\n", self.checks.len()),
        };
        text
    }
}

impl From<Check> for CheckReport {
    fn from(Check { name, standard, approved, outcome }: Check) -> Self {
        let passed = outcome.is_ok();
        let (Ok(message) | Err(message)) = outcome;
        Self { name, standard, approved, passed, message }
    }
}

impl Machine {
    fn this() -> Self {
        let read = |path| std::fs::read_to_string(path).ok();
        let cpu = read("/proc/cpuinfo").and_then(|text| {
            let line = text.lines().find(|line| line.starts_with("model name"))?;
            Some(line.split_once(':')?.1.trim().to_owned())
        });
        Self {
            os: std::env::consts::OS,
            arch: std::env::consts::ARCH,
            kernel: read("/proc/sys/kernel/osrelease").map(|text| text.trim().to_owned()),
            cpu,
            kernel_fips: read("/proc/sys/crypto/fips_enabled").map(|text| text.trim() == "1"),
        }
    }
}

fn installed(provider: Option<&Provider>) -> CheckReport {
    let (passed, message) = match provider {
        Some(provider) => (true, provider.backend.name),
        None => (false, "refused when the program started, for its module"),
    };
    CheckReport { name: "backend of suite 0x02", standard: "", approved: None, passed, message: message.into() }
}

fn tls() -> Vec<CheckReport> {
    let check = |name, passed, message| CheckReport { name, standard: "SP 800-52", approved: None, passed, message };
    match backend::tls() {
        Some(Ok(it)) => vec![
            check("TLS to stores: versions", true, it.versions.join(", ")),
            check("TLS to stores: groups", true, it.groups.join(", ")),
            check("TLS to stores: cipher suites", true, it.cipher_suites.join(", ")),
        ],
        Some(Err(error)) => vec![check("TLS to stores", false, error)],
        None => vec![check("TLS to stores", false, "not restricted to approved parameters".into())],
    }
}

fn suites() -> CheckReport {
    let passed = provider(Suite::Default).is_none();
    let message = if passed { "refused: no backend of it is in this program" } else { "this program opens it" };
    CheckReport { name: "suite 0x01", standard: "", approved: None, passed, message: message.into() }
}
