//! What a person may say of a store beside its URL. Settings depend on the kind of store and are read where it is opened:
//! an unknown one is an error there, never a wish that is ignored.

use super::cloud::KeptCredentials;
use super::retry::Patience;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;
use std::{fmt, net::IpAddr};

/// How a store is spoken to.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct StoreOptions {
    /// Settings by name, as `-o key=value` gives them; which there are depends on the kind of store ([`known_settings`]).
    pub settings: BTreeMap<String, String>,
    /// A file of certificates (PEM) that are trusted beside those of the system.
    pub ca_cert: Option<PathBuf>,
    /// Bytes a second that are sent at most.
    pub limit_upload: Option<u64>,
    /// Bytes a second that are received at most.
    pub limit_download: Option<u64>,
    /// Requests under way at once at most.
    pub parallel_requests: Option<usize>,
    /// How long one request is tried again; zero: it is tried once.
    pub retry_max_time: Option<Duration>,
    /// Who is told while a request is tried again, and may end it.
    pub patience: Patience,
    /// What was kept of a credential; the environment counts more.
    pub credentials: KeptCredentials,
}

/// Why an option of a store cannot be used. Holds no value of a setting that may be a secret.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum OptionError {
    /// Not of the form `key=value`.
    #[error("an option of a store is written key=value")]
    Syntax,
    /// The same setting twice.
    #[error("the option {key} is given twice")]
    Twice {
        /// The setting.
        key: String,
    },
    /// This kind of store has no such setting.
    #[error("{key:?} is no option of {kind} stores, which have {known}")]
    Unknown {
        /// What was given.
        key: String,
        /// The kind of store.
        kind: &'static str,
        /// Those that it has.
        known: String,
    },
    /// Secrets are no options: command lines and configurations are read by others.
    #[error("{key} is no option: secrets are taken from the environment only: {instead}")]
    Secret {
        /// What was given.
        key: String,
        /// What to use.
        instead: &'static str,
    },
    /// The value makes no sense.
    #[error("{key}: {value:?} makes no sense: {want}")]
    Value {
        /// The setting, or the environment variable.
        key: String,
        /// Its value; empty if it may hold a secret.
        value: String,
        /// What to write.
        want: String,
    },
    /// Two settings that exclude or need each other, or one without which nothing works.
    #[error("{0}")]
    Needs(String),
    /// The file of certificates cannot be read.
    #[error("the certificates of --ca-cert cannot be used: {why}")]
    Certificates {
        /// The file.
        path: String,
        /// Why.
        why: String,
    },
}

/// The settings of a kind of store ([`super::StoreUrl::kind`]), each with what it is, for help and messages.
pub fn known_settings(kind: &str) -> &'static [(&'static str, &'static str)] {
    match kind {
        "S3" => S3,
        "GCS" => GCS,
        "Azure" => AZURE,
        _ => &[],
    }
}

impl StoreOptions {
    /// Adds a setting that was given as `key=value`.
    pub fn set(&mut self, text: &str) -> Result<(), OptionError> {
        let (key, value) = text.split_once('=').ok_or(OptionError::Syntax)?;
        let (key, value) = (key.trim(), value.trim());
        if key.is_empty() {
            return Err(OptionError::Syntax);
        }
        match self.settings.insert(key.to_owned(), value.to_owned()) {
            None => Ok(()),
            Some(_) => Err(OptionError::Twice { key: key.to_owned() }),
        }
    }

    /// Whether a store of this kind that is spoken to so is on this machine, as far as the option `endpoint` and AWS's
    /// variables tell.
    pub fn is_loopback(&self, kind: &str, environment: &dyn Fn(&str) -> Option<String>) -> bool {
        let variables: &[&str] = if kind == "S3" { &["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"] } else { &[] };
        let variable = || variables.iter().find_map(|name| environment(name).filter(|value| !value.is_empty()));
        let endpoint = self.settings.get("endpoint").cloned().or_else(variable);
        endpoint.and_then(|text| url::Url::parse(&text).ok()).is_some_and(|url| is_loopback(&url))
    }

    /// Checks the names of the settings against a kind of store.
    pub fn check(&self, kind: &'static str) -> Result<(), OptionError> {
        Settings::new(self, kind).map(drop)
    }
}

impl fmt::Debug for StoreOptions {
    /// Somebody will type a secret into a setting: names only.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            settings,
            ca_cert,
            limit_upload,
            limit_download,
            parallel_requests,
            retry_max_time,
            patience,
            credentials: _,
        } = self;
        f.debug_struct("StoreOptions")
            .field("settings", &settings.keys())
            .field("ca_cert", ca_cert)
            .field("limit_upload", limit_upload)
            .field("limit_download", limit_download)
            .field("parallel_requests", parallel_requests)
            .field("retry_max_time", retry_max_time)
            .field("patience", patience)
            .finish()
    }
}

/// Bytes a second: a plain number is KiB/s, as restic's is, and units are powers of 1024: `500`, `500K`, `1.5M`, `10MiB/s`.
/// `None` is no limit, written `0`.
pub fn parse_rate(text: &str) -> Result<Option<u64>, String> {
    let wrong = || "write KiB/s as a number, or a number with K, M or G, for example 500 or 1.5M".to_owned();
    let lower = text.trim().to_ascii_lowercase();
    let bare = lower.strip_suffix("/s").unwrap_or(&lower);
    let bare = bare.strip_suffix("ib").or_else(|| bare.strip_suffix('b')).unwrap_or(bare);
    let (number, factor) = match bare.strip_suffix(['k', 'm', 'g']) {
        Some(number) if bare.ends_with('m') => (number, 1u64 << 20),
        Some(number) if bare.ends_with('g') => (number, 1 << 30),
        Some(number) => (number, 1 << 10),
        // A number alone is one: `500b` would be a unit of its own.
        None if bare.len() == lower.len() => (bare, 1 << 10),
        None => return Err(wrong()),
    };
    let digits = number.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    match number.parse::<f64>() {
        Ok(0.0) if digits => Ok(None),
        // Less than a byte a second, or more than any network.
        Ok(value) if digits && (1.0..1e15).contains(&(value * factor as f64)) => {
            Ok(Some((value * factor as f64) as u64))
        }
        _ => Err(wrong()),
    }
}

/// The settings of one store, all of which are known to its kind.
pub(super) struct Settings<'a> {
    values: &'a BTreeMap<String, String>,
}

impl<'a> Settings<'a> {
    pub(super) fn new(options: &'a StoreOptions, kind: &'static str) -> Result<Self, OptionError> {
        let known = known_settings(kind);
        for key in options.settings.keys() {
            if known.iter().any(|(name, _)| name == key) {
                continue;
            }
            if let Some((_, instead)) = SECRETS.iter().find(|(name, _)| *name == key.replace('_', "-")) {
                return Err(OptionError::Secret { key: key.clone(), instead });
            }
            let known = match known {
                [] => "none".to_owned(),
                known => known.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", "),
            };
            return Err(OptionError::Unknown { key: key.clone(), kind, known });
        }
        Ok(Self { values: &options.settings })
    }

    /// The value of a setting. An empty one is none that anybody meant.
    pub(super) fn text(&self, key: &str) -> Result<Option<&'a str>, OptionError> {
        match self.values.get(key).map(String::as_str) {
            Some("") => Err(value(key, "", "it is empty")),
            value => Ok(value),
        }
    }

    pub(super) fn flag(&self, key: &str) -> Result<Option<bool>, OptionError> {
        match self.text(key)?.map(str::to_ascii_lowercase).as_deref() {
            None => Ok(None),
            Some("true" | "yes" | "on" | "1") => Ok(Some(true)),
            Some("false" | "no" | "off" | "0") => Ok(Some(false)),
            Some(other) => Err(value(key, other, "write true or false")),
        }
    }

    /// One of `choices`, spelt as there.
    pub(super) fn choice(&self, key: &str, choices: &[&'static str]) -> Result<Option<&'static str>, OptionError> {
        let Some(text) = self.text(key)? else { return Ok(None) };
        let found = choices.iter().find(|choice| choice.eq_ignore_ascii_case(text));
        found.copied().map(Some).ok_or_else(|| value(key, text, &format!("write {}", choices.join(", "))))
    }

    /// A name that goes into a header or a URL as it is.
    pub(super) fn word(&self, key: &str) -> Result<Option<&'a str>, OptionError> {
        match self.text(key)? {
            Some(text) if !text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.:/".contains(&b)) => {
                Err(value(key, text, "letters, digits and -_.:/ only"))
            }
            text => Ok(text),
        }
    }

    /// `key` is the setting, or the variable of the environment that `text` comes from.
    pub(super) fn endpoint(&self, key: &str, text: &str) -> Result<Endpoint, OptionError> {
        Endpoint::parse(key, text, self.flag("allow-http")?.unwrap_or(false))
    }
}

/// Where a server is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Endpoint {
    /// Without a slash at the end.
    pub(super) url: String,
    /// Whether it is spoken to without TLS.
    pub(super) http: bool,
}

impl Endpoint {
    fn parse(key: &str, text: &str, allow_http: bool) -> Result<Self, OptionError> {
        let scheme = text.split_once("://").map(|(scheme, _)| scheme);
        if !matches!(scheme, Some("http" | "https")) {
            return Err(value(key, if text.contains('@') { "" } else { text }, "write https://host or http://host"));
        }
        let url = url::Url::parse(text).map_err(|_| value(key, "", "write https://host"))?;
        if !url.username().is_empty() || url.password().is_some() || text.contains('@') {
            return Err(value(
                key,
                "",
                "a user and password do not belong there; credentials come from the environment",
            ));
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(value(key, "", "it holds no ? and no #; secrets come from the environment"));
        }
        let http = scheme == Some("http");
        if http && !allow_http && !is_loopback(&url) {
            return Err(OptionError::Needs(format!(
                "{key}: {text} is not encrypted; if that is what you want, add -o allow-http=true"
            )));
        }
        Ok(Self { url: url.as_str().trim_end_matches('/').to_owned(), http })
    }

    /// The same server with the bucket as the first part of its name. `None`: that is no name.
    pub(super) fn with_bucket(&self, bucket: &str) -> Option<String> {
        let mut url = url::Url::parse(&self.url).ok()?;
        match url.host()? {
            url::Host::Domain(name) => {
                let name = format!("{bucket}.{name}");
                url.set_host(Some(&name)).ok()?;
                Some(url.as_str().trim_end_matches('/').to_owned())
            }
            url::Host::Ipv4(_) | url::Host::Ipv6(_) => None,
        }
    }
}

/// Whether what is said to this host stays on this machine.
fn is_loopback(url: &url::Url) -> bool {
    match url.host() {
        Some(url::Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(url::Host::Ipv4(ip)) => ip.is_loopback(),
        Some(url::Host::Ipv6(ip)) => IpAddr::V6(ip).is_loopback(),
        None => false,
    }
}

/// A value that makes no sense.
pub(super) fn value(key: &str, value: &str, want: &str) -> OptionError {
    OptionError::Value { key: key.to_owned(), value: value.to_owned(), want: want.to_owned() }
}

const S3: &[(&str, &str)] = &[
    ("endpoint", "URL of the server, for everything that is not AWS"),
    ("region", "region of the bucket"),
    ("path-style", "true: the bucket in the path and not in the name of the host; default where an endpoint is given"),
    ("profile", "profile of ~/.aws/config and ~/.aws/credentials"),
    ("storage-class", "storage class of data packs; everything else stays in the default class"),
    ("sse", "server-side encryption: AES256, aws:kms, aws:kms:dsse, none"),
    ("sse-kms-key-id", "key of aws:kms and aws:kms:dsse"),
    ("bucket-key", "true: one KMS key for the bucket"),
    ("bulk-delete", "false: one request for each object that is deleted"),
    ("conditional-create", "false: do not ask the server to refuse overwriting"),
    ("checksum", "checksum that the server verifies: sha256, none"),
    ("anonymous", "true: requests are not signed"),
    ("allow-http", "true: an endpoint without TLS that is not on this machine"),
];

const GCS: &[(&str, &str)] = &[
    ("endpoint", "URL of the server, for emulators"),
    ("service-account", "file of a service account's key"),
    ("storage-class", "storage class of data packs; everything else stays in the default class"),
    ("conditional-create", "false: do not ask the server to refuse overwriting"),
    ("anonymous", "true: requests carry no credential"),
    ("allow-http", "true: an endpoint without TLS that is not on this machine"),
];

const AZURE: &[(&str, &str)] = &[
    ("account", "storage account"),
    ("endpoint", "URL of the blob service, for other clouds and emulators"),
    ("storage-class", "access tier of data packs: Hot, Cool, Cold, Archive"),
    ("use-cli", "true: the credential of the Azure CLI"),
    ("tenant-id", "tenant of the application"),
    ("client-id", "application or managed identity"),
    ("conditional-create", "false: do not ask the server to refuse overwriting"),
    ("anonymous", "true: requests carry no credential"),
    ("allow-http", "true: an endpoint without TLS that is not on this machine"),
];

/// What people take for options, and where it comes from instead.
const SECRETS: &[(&str, &str)] = &[
    ("access-key-id", "AWS_ACCESS_KEY_ID"),
    ("secret-access-key", "AWS_SECRET_ACCESS_KEY"),
    ("session-token", "AWS_SESSION_TOKEN"),
    ("access-key", "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AZURE_STORAGE_ACCOUNT_KEY"),
    ("secret-key", "AWS_SECRET_ACCESS_KEY"),
    ("password", "by the names of the store's own tools"),
    ("service-account-key", "GOOGLE_APPLICATION_CREDENTIALS, the path of a file"),
    ("token", "GOOGLE_ACCESS_TOKEN or AWS_SESSION_TOKEN"),
    ("account-key", "AZURE_STORAGE_ACCOUNT_KEY"),
    ("sas-token", "AZURE_STORAGE_SAS_TOKEN"),
    ("sas", "AZURE_STORAGE_SAS_TOKEN"),
    ("client-secret", "AZURE_CLIENT_SECRET"),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn options(settings: &[&str]) -> StoreOptions {
        let mut options = StoreOptions::default();
        for setting in settings {
            options.set(setting).expect(setting);
        }
        options
    }

    #[test]
    fn loopback_is_told_from_elsewhere() {
        let with = |endpoint: &str| {
            let mut options = StoreOptions::default();
            options.set(&format!("endpoint={endpoint}")).expect("a setting");
            options
        };
        let none = |_: &str| None;
        for url in ["http://127.0.0.1:9000", "http://localhost:1/x", "https://[::1]:3"] {
            assert!(with(url).is_loopback("S3", &none), "{url}");
            assert!(
                StoreOptions::default()
                    .is_loopback("S3", &|name| { (name == "AWS_ENDPOINT_URL").then(|| url.to_owned()) })
            );
            assert!(!StoreOptions::default().is_loopback("GCS", &|_| Some(url.to_owned())), "a variable of AWS");
        }
        assert!(!StoreOptions::default().is_loopback("S3", &none));
        assert!(!with("https://s3.example.org").is_loopback("S3", &|_| Some("http://localhost".into())));
    }

    #[test]
    fn settings_are_checked_against_the_kind() {
        options(&["region=eu", "path-style=true"]).check("S3").expect("known");
        let error = options(&["regoin=eu"]).check("S3").expect_err("a typing error").to_string();
        let expected = r#""regoin" is no option of S3 stores, which have endpoint, region, path-style, profile"#;
        assert!(error.starts_with(expected), "{error}");
        // Right elsewhere.
        for (setting, kind) in
            [("region=eu", "GCS"), ("account=a", "S3"), ("use-cli=true", "GCS"), ("endpoint=x", "folder")]
        {
            assert!(matches!(options(&[setting]).check(kind), Err(OptionError::Unknown { .. })), "{setting}");
        }
        let error = options(&["x=y"]).check("folder").expect_err("none").to_string();
        assert_eq!(error, r#""x" is no option of folder stores, which have none"#);
    }

    #[test]
    fn every_setting_is_documented() {
        let page = include_str!("../../docs/stores.md");
        for (name, _) in [S3, GCS, AZURE].concat() {
            assert!(page.contains(&format!("`{name}`")), "{name}");
        }
        for (_, variables) in SECRETS.iter().filter(|(_, instead)| !instead.contains(' ')) {
            assert!(page.contains(variables), "{variables}");
        }
    }

    #[test]
    fn secrets_are_no_options() {
        for (setting, kind, variable) in [
            ("secret-access-key=s3cr3t", "S3", "AWS_SECRET_ACCESS_KEY"),
            ("secret_access_key=s3cr3t", "S3", "AWS_SECRET_ACCESS_KEY"),
            ("sas-token=s3cr3t", "Azure", "AZURE_STORAGE_SAS_TOKEN"),
        ] {
            let options = options(&[setting]);
            let error = options.check(kind).expect_err(setting);
            assert!(error.to_string().contains(variable), "{error}");
            assert!(!format!("{error} {error:?} {options:?}").contains("s3cr3t"));
        }
    }

    #[test]
    fn every_secret_is_named_once_and_no_setting() {
        for (name, _) in SECRETS {
            assert_eq!(SECRETS.iter().filter(|(other, _)| other == name).count(), 1, "{name}");
            assert!([S3, GCS, AZURE].iter().all(|known| known.iter().all(|(key, _)| key != name)), "{name}");
        }
    }

    #[test]
    fn a_setting_is_written_once_and_with_a_value() {
        let mut options = StoreOptions::default();
        for text in ["region", "=eu", ""] {
            assert_eq!(options.set(text), Err(OptionError::Syntax), "{text}");
        }
        options.set("region = eu=x").expect("set");
        assert_eq!(options.settings["region"], "eu=x");
        assert!(matches!(options.set("region=us"), Err(OptionError::Twice { .. })));
    }

    #[test]
    fn values() {
        let options =
            options(&["path-style=Yes", "bucket-key=2", "sse=AWS:KMS", "checksum=md5", "region=", "storage-class=a b"]);
        let settings = Settings::new(&options, "S3").expect("known");
        assert_eq!(settings.flag("path-style"), Ok(Some(true)));
        assert_eq!(settings.flag("anonymous"), Ok(None));
        assert_eq!(settings.choice("sse", &["AES256", "aws:kms"]), Ok(Some("aws:kms")));
        for wrong in [
            settings.flag("bucket-key").map(drop),
            settings.choice("checksum", &["sha256", "none"]).map(drop),
            settings.text("region").map(drop),
            settings.word("storage-class").map(drop),
        ] {
            assert!(matches!(wrong, Err(OptionError::Value { .. })), "{wrong:?}");
        }
    }

    #[test]
    fn endpoints() {
        let parse = |text: &str, allow| Endpoint::parse("endpoint", text, allow);
        for (text, url, http) in [
            ("https://minio.example:9000/", "https://minio.example:9000", false),
            ("http://127.0.0.1:9000", "http://127.0.0.1:9000", true),
            ("http://localhost", "http://localhost", true),
            ("http://[::1]:80/account", "http://[::1]/account", true),
        ] {
            assert_eq!(parse(text, false), Ok(Endpoint { url: url.into(), http }), "{text}");
        }
        let named = |text, bucket| parse(text, false).expect("endpoint").with_bucket(bucket);
        assert_eq!(named("https://s3.example/", "b").as_deref(), Some("https://b.s3.example"));
        assert_eq!(named("https://s3.example:9000/x/", "b").as_deref(), Some("https://b.s3.example:9000/x"));
        assert_eq!(named("https://127.0.0.1", "b"), None);
        assert_eq!(named("https://[::1]:80", "b"), None);
        assert!(matches!(parse("http://nas.lan", false), Err(OptionError::Needs(why)) if why.contains("allow-http")));
        assert!(parse("http://nas.lan", true).is_ok_and(|endpoint| endpoint.http));
        for text in
            ["nas.lan:9000", "ftp://host", "https://", "https://me:s3cr3t@host", "https://h/?sig=s3cr3t", "me:s3cr3t@h"]
        {
            let error = parse(text, true).expect_err(text);
            assert!(matches!(error, OptionError::Value { .. }), "{text}");
            assert!(!format!("{error:?}").contains("s3cr3t"), "{error}");
        }
    }

    #[test]
    fn rates() {
        for (text, rate) in [
            ("500", Some(500 << 10)),
            ("500k", Some(500 << 10)),
            ("1.5M", Some(3 << 19)),
            ("10MiB/s", Some(10 << 20)),
            ("2 gb".replace(' ', "").as_str(), Some(2 << 30)),
            ("0", None),
            ("0M", None),
        ] {
            assert_eq!(parse_rate(text), Ok(rate), "{text}");
        }
        for text in ["", "k", "-1", "1x", "1e3", "nan", "inf", "500b", "500/s", "1.2.3", "99999999999G"] {
            assert!(parse_rate(text).is_err(), "{text}");
        }
    }
}
