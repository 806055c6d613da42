use clap::Args;
use crypto_backends::{FipsStatus, Provider, Suite, provider};

use super::Done;
use crate::error::CommandError;
use crate::json::{ModuleDocument, PartDocument, SuiteDocument, Version};
use crate::ui::Ui;
use vault_format::header::MAJOR;

/// Print what this program is, and which formats and suites it knows; with -v, the algorithms
#[derive(Args)]
pub(crate) struct VersionArgs {}

pub(crate) fn run(VersionArgs {}: VersionArgs, ui: &Ui) -> Result<Done, CommandError> {
    let suites: Vec<SuiteDocument> =
        [Suite::Default, Suite::Fips].into_iter().filter_map(provider).map(suite).collect();
    if ui.json {
        ui.document(&Version {
            message_type: "version",
            version: zvault::VERSION,
            format_major: MAJOR.into(),
            os: std::env::consts::OS,
            arch: std::env::consts::ARCH,
            build: BUILD,
            suites: &suites,
        })?;
        return Ok(Done::Complete);
    }
    let (os, arch) = (std::env::consts::OS, std::env::consts::ARCH);
    let mut text = format!("zvault {}\nformat {MAJOR}\n{BUILD} build for {arch} {os}\n", zvault::VERSION);
    for suite in &suites {
        text += &format!("suite 0x{:02x}: backend {}, FIPS 140-3: {}\n", suite.number, suite.backend, suite.fips);
        if ui.verbose > 0 {
            if let Some(ModuleDocument { name, certificate }) = &suite.module {
                text += &format!("  {:<15} {name}, certificate #{certificate}\n", "module");
            }
            for part in &suite.parts {
                text += &format!("  {:<15} {:<28} FIPS 140-3: {}\n", part.job, part.algorithm, part.fips);
            }
        }
    }
    let mut output = ui.output();
    output.text(&text)?;
    output.finish()?;
    Ok(Done::Complete)
}

fn suite(provider: &'static Provider) -> SuiteDocument {
    // Exhaustive, so that a part that is added and forgotten here does not compile.
    let Provider { suite, backend, aead, hash, keyed_hash, kdf, password, kem, agreement, ml_kem, sign, random } =
        provider;
    let statuses = [
        aead.fips(),
        hash.fips(),
        keyed_hash.fips(),
        kdf.fips(),
        password.fips(),
        kem.fips(),
        agreement.fips().min(ml_kem.fips()),
        sign.fips(),
        random.fips(),
    ];
    let algorithms = match suite {
        Suite::Default => [
            "XChaCha20-Poly1305",
            "BLAKE3",
            "BLAKE3 keyed",
            "BLAKE3 derive_key",
            "Argon2id",
            "X-Wing",
            "X25519 with ML-KEM-768",
            "Ed25519 with ML-DSA-65",
            backend.randomness,
        ],
        Suite::Fips => [
            "AES-256-GCM",
            "SHA-256",
            "HMAC-SHA-256",
            "HKDF-SHA-256",
            "PBKDF2",
            "ML-KEM-768 with P-256",
            "P-256 with ML-KEM-768",
            "Ed25519 with ML-DSA-65",
            backend.randomness,
        ],
    };
    let parts = PARTS.iter().zip(algorithms).zip(statuses);
    SuiteDocument {
        number: suite.byte(),
        backend: backend.name,
        module: backend.module.map(|module| ModuleDocument { name: module.name, certificate: module.certificate }),
        fips: status_text(provider.fips()),
        parts: parts
            .map(|((job, algorithm), status)| PartDocument { job, algorithm, fips: status_text(status) })
            .collect(),
    }
}

fn status_text(status: FipsStatus) -> String {
    match status {
        FipsStatus::Unvalidated => "not validated".into(),
        FipsStatus::Pending => "validation pending".into(),
        FipsStatus::Certified { certificate } => format!("certificate {certificate}"),
    }
}

const PARTS: [&str; 9] = [
    "encryption",
    "object names",
    "chunk ids",
    "key derivation",
    "passphrases",
    "key exchange",
    "pairing",
    "signatures",
    "randomness",
];
const BUILD: &str = if cfg!(debug_assertions) { "debug" } else { "release" };
