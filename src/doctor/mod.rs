//! Looks whether this machine and a store are fit for zvault, and says what to do where they are not.
//!
//! One function for each thing that is tried. Nothing that is there is changed; scratch objects lie beside the vault and
//! are deleted again.

mod machine;
mod store;

pub use machine::examine_machine;
pub use store::{StoreReport, examine_store, not_opened};

use crate::Trouble;

/// What was found out about one thing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What was tried, in one word: "list", "write", ...
    pub probe: &'static str,
    /// How it went.
    pub verdict: Verdict,
    /// What was seen.
    pub said: String,
    /// What it means, or what to do.
    pub advice: Vec<String>,
}

/// How a probe went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// As it should be.
    Ok,
    /// zvault works, and there is something to know.
    Warning,
    /// zvault does not work so.
    Failed(Trouble),
    /// It was not tried.
    Skipped,
}

impl Finding {
    fn ok(probe: &'static str, said: impl Into<String>) -> Self {
        Self { probe, verdict: Verdict::Ok, said: said.into(), advice: Vec::new() }
    }

    fn warning(probe: &'static str, said: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { probe, verdict: Verdict::Warning, said: said.into(), advice: vec![advice.into()] }
    }

    fn failed(probe: &'static str, trouble: Trouble, said: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { probe, verdict: Verdict::Failed(trouble), said: said.into(), advice: vec![advice.into()] }
    }

    fn skipped(probe: &'static str, why: impl Into<String>) -> Self {
        Self { probe, verdict: Verdict::Skipped, said: why.into(), advice: Vec::new() }
    }
}

/// The worst trouble of all findings: that of the first that failed.
pub fn trouble(findings: &[Finding]) -> Option<Trouble> {
    findings.iter().find_map(|finding| match finding.verdict {
        Verdict::Failed(trouble) => Some(trouble),
        _ => None,
    })
}
