use std::time::Duration;

use clap::Args;
use serde::Serialize;

use super::Done;
use crate::args::Global;
use crate::error::CommandError;
use crate::keychain::open_home;
use crate::ui::{Ui, count_text, printable};
use crypto_backends::Key;
use zvault::Trouble;
use zvault::doctor::{Finding, StoreReport, Verdict, examine_machine, examine_store, not_opened, trouble};
use zvault::state::Home;
use zvault::store::{Conditional, OpenMode, Store, StoreOptions, StoreUrl};

/// Check that this machine and the storage are fit for a vault
///
/// Says which credential is used, and tries what zvault needs of the storage: to list, read and write, that listings show
/// at once what was stored, what happens when several create one object at the same moment, and to delete. No vault need
/// be there, and no key or passphrase is asked for. The objects of the test lie below zv1-doctor/, beside the vault, and
/// are deleted again.
#[derive(Args)]
pub(crate) struct DoctorArgs {
    /// Write nothing to the storage: only list and read
    #[arg(long)]
    no_write: bool,
}

pub(crate) fn run(args: DoctorArgs, global: &Global, ui: &Ui) -> Result<Done, CommandError> {
    let home = super::home_path(global)?;
    let cache = super::cache_path(global)?;
    let mut tell = |finding: &Finding| say(finding, ui);
    let mut findings = examine_machine(&home, cache.as_deref(), &mut tell);

    // A folder that is not safe is left alone: opening it would change it.
    let state = match home.exists() && trouble(&findings).is_none() {
        true => Some(open_home(&home, ui)?),
        false => None,
    };
    let vaults = state.as_ref().map(known).transpose()?.unwrap_or_default();
    for (id, url, device) in &vaults {
        let finding = Finding {
            probe: "vault",
            verdict: Verdict::Ok,
            said: format!("{id:.8} at {url}; this machine is its device {device}"),
            advice: Vec::new(),
        };
        tell(&finding);
        findings.push(finding);
    }
    for finding in state.as_ref().map(kept).transpose()?.unwrap_or_default() {
        tell(&finding);
        findings.push(finding);
    }
    let places = super::places(global, ui, state.as_ref())?;
    if places.is_empty() {
        let said = "no storage is named, and this machine knows no vault; name it with --url".to_owned();
        let finding = Finding { probe: "open", verdict: Verdict::Skipped, said, advice: Vec::new() };
        tell(&finding);
        findings.push(finding);
    }
    let mut stores = Vec::new();
    for (url, options) in places {
        stores.push(store(&url, options, args.no_write, &mut tell)?);
    }
    if ui.json {
        ui.summary(&Document::new(&findings, &stores))?;
    }
    findings.extend(stores.iter().flat_map(|store| store.report.findings.iter().cloned()));
    let count = |wanted: fn(Verdict) -> bool| findings.iter().filter(|finding| wanted(finding.verdict)).count() as u64;
    let (failed, warnings) = (count(|v| matches!(v, Verdict::Failed(_))), count(|v| v == Verdict::Warning));
    ui.say(&match (failed, warnings) {
        (0, 0) => "\neverything is fine\n".to_owned(),
        (0, warnings) => format!("\nit works, with {}\n", count_text(warnings, "warning", "warnings")),
        (failed, _) => format!("\n{} failed\n", count_text(failed, "test", "tests")),
    })?;
    Ok(trouble(&findings).map_or(Done::Complete, Done::Trouble))
}

/// The vaults of this machine: id, place, and who it is there.
fn known(home: &Home) -> Result<Vec<(String, String, String)>, CommandError> {
    let mut vaults = Vec::new();
    for id in home.vaults()? {
        // One whose state is damaged is told by the commands that need it.
        if let Ok(device) = home.device(id) {
            vaults.push((id.to_string(), device.url.clone(), device.keys.id.to_string()));
        }
    }
    Ok(vaults)
}

/// Where the credentials are that came with pairings. No keychain is asked: that happens where they are needed.
fn kept(home: &Home) -> Result<Vec<Finding>, CommandError> {
    let mut findings = Vec::new();
    for id in home.vaults()? {
        let Ok(access) = home.access(id) else { continue };
        if let (Some(kept), Some(url)) = (access.kept_in(), &access.credentials_for) {
            let said = format!("those from the pairing for {url} are {}", kept.text());
            findings.push(Finding { probe: "credentials", verdict: Verdict::Ok, said, advice: Vec::new() });
        }
    }
    Ok(findings)
}

/// A store that was looked at.
struct Examined {
    url: String,
    credential: Option<String>,
    report: StoreReport,
}

fn store(
    url: &str,
    mut options: StoreOptions,
    no_write: bool,
    tell: &mut dyn FnMut(&Finding),
) -> Result<Examined, CommandError> {
    let url = StoreUrl::parse(url).map_err(|error| CommandError::usage(error.to_string()))?;
    // Somebody waits for an answer; that a store is away is one.
    options.retry_max_time.get_or_insert(PATIENCE);
    let opened = match Store::open(&url, &options, OpenMode::Existing) {
        Ok(store) => store,
        Err(error) => {
            let finding = not_opened(&error);
            tell(&finding);
            let report = StoreReport { findings: vec![finding], ..StoreReport::default() };
            return Ok(Examined { url: url.to_string(), credential: None, report });
        }
    };
    let nonce = crypto_backends::own()
        .and_then(|own| Key::random(own.random))
        .map_err(|error| CommandError::new(Trouble::Failed, "the system gives no random numbers").cause(&error))?;
    let nonce = *nonce.expose().first_chunk().expect("a key has 32 bytes");
    let said = format!("{}: {}", url.kind(), opened.label());
    tell(&Finding { probe: "open", verdict: Verdict::Ok, said, advice: Vec::new() });
    let credential = opened.credential().map(str::to_owned);
    if let Some(credential) = &credential {
        tell(&Finding { probe: "credential", verdict: Verdict::Ok, said: credential.clone(), advice: Vec::new() });
    }
    let report = examine_store(&opened, !no_write, nonce, tell);
    Ok(Examined { url: opened.label().to_owned(), credential, report })
}

/// One finding: what was tried, how it went, and what to do on lines of their own.
fn say(finding: &Finding, ui: &Ui) {
    let word = word(finding.verdict);
    if ui.quiet && !matches!(finding.verdict, Verdict::Failed(_) | Verdict::Warning) || ui.json {
        return;
    }
    let mut text = format!("{word:<8} {:<12} {}\n", finding.probe, printable(&finding.said));
    for advice in &finding.advice {
        text += &format!("{:<21} {}\n", "", printable(advice));
    }
    let mut output = ui.output();
    // Nobody reads it: the exit code still tells.
    let _ = output.text(&text).and_then(|()| output.finish());
}

fn word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Ok => "ok",
        Verdict::Warning => "warning",
        Verdict::Failed(_) => "failed",
        Verdict::Skipped => "skipped",
    }
}

/// The document of `--json`.
#[derive(Serialize)]
struct Document<'a> {
    message_type: &'static str,
    num_errors: usize,
    num_warnings: usize,
    /// About this machine.
    findings: Vec<FindingDocument<'a>>,
    stores: Vec<StoreDocument<'a>>,
}

#[derive(Serialize)]
struct StoreDocument<'a> {
    repository: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    credential: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    conditional_create: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    latency_seconds: Option<f64>,
    /// Objects of the test that could not be deleted.
    remaining: &'a [String],
    findings: Vec<FindingDocument<'a>>,
}

#[derive(Serialize)]
struct FindingDocument<'a> {
    probe: &'static str,
    verdict: &'static str,
    message: &'a str,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    hints: &'a [String],
}

impl<'a> Document<'a> {
    fn new(findings: &'a [Finding], stores: &'a [Examined]) -> Self {
        let all = || findings.iter().chain(stores.iter().flat_map(|store| &store.report.findings));
        let count = |wanted: &str| all().filter(|finding| word(finding.verdict) == wanted).count();
        Self {
            message_type: "summary",
            num_errors: count("failed"),
            num_warnings: count("warning"),
            findings: documents(findings),
            stores: stores.iter().map(StoreDocument::new).collect(),
        }
    }
}

impl<'a> StoreDocument<'a> {
    fn new(Examined { url, credential, report }: &'a Examined) -> Self {
        Self {
            repository: url,
            credential: credential.as_deref(),
            conditional_create: report.conditional.map(|conditional| match conditional {
                Conditional::Honoured => "honoured",
                Conditional::Racy => "racy",
                Conditional::Ignored => "ignored",
                Conditional::Refused => "refused",
            }),
            latency_seconds: report.latency.map(|latency| latency.as_secs_f64()),
            remaining: &report.remain,
            findings: documents(&report.findings),
        }
    }
}

fn documents(findings: &[Finding]) -> Vec<FindingDocument<'_>> {
    findings
        .iter()
        .map(|Finding { probe, verdict, said, advice }| FindingDocument {
            probe,
            verdict: word(*verdict),
            message: said,
            hints: advice,
        })
        .collect()
}

/// How long a request is repeated unless the arguments say it.
const PATIENCE: Duration = Duration::from_secs(10);
