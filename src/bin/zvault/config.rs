//! `zvault.toml`: which stores the vault has, as this machine reaches them.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;

use crate::args::{PARALLEL_REQUESTS, StoreArgs, up_to_a_day};
use crate::error::CommandError;
use zvault::store::{StoreOptions, StoreUrl, parse_rate};
use zvault::vault::{StoreConfig, parse_store_id};

/// What the file says.
#[derive(Debug, Default)]
pub(crate) struct Config {
    /// The primary first.
    pub(crate) stores: Vec<StoreConfig>,
    /// For stores that are not in the file; those that are have them already.
    pub(crate) limits: Limits,
}

/// How stores are spoken to unless they say otherwise: what the options of the same names set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Limits {
    /// Bytes a second. `Some(None)`: no limit.
    upload: Option<Option<u64>>,
    download: Option<Option<u64>>,
    parallel_requests: Option<usize>,
    retry_max_time: Option<Duration>,
}

/// The file as it is written. What is not here is an error: a misspelt key is a wish that would be ignored.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct File {
    #[serde(default)]
    store: Vec<Store>,
    limit_upload: Option<String>,
    limit_download: Option<String>,
    parallel_requests: Option<usize>,
    retry_max_time: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Store {
    name: String,
    url: String,
    id: Option<String>,
    #[serde(default)]
    options: BTreeMap<String, toml::Value>,
    ca_cert: Option<PathBuf>,
    limit_upload: Option<String>,
    limit_download: Option<String>,
    parallel_requests: Option<usize>,
    retry_max_time: Option<String>,
}

impl Config {
    /// Reads the file that was named: it must be there.
    pub(crate) fn read(path: &Path) -> Result<Self, CommandError> {
        let text = fs::read_to_string(path).map_err(|error| CommandError::io("read", path, &error))?;
        Self::parse(&text).map_err(|why| {
            CommandError::usage(format!("the configuration {} cannot be used", path.display())).because(vec![why])
        })
    }

    /// Reads a file that need not be there.
    pub(crate) fn read_if_there(path: &Path) -> Result<Self, CommandError> {
        match fs::metadata(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Self::default()),
            _ => Self::read(path),
        }
    }

    /// The error says where in the text and what is wrong.
    fn parse(text: &str) -> Result<Self, String> {
        let file: File = toml::from_str(text).map_err(|error| one_line(text, &error))?;
        let File { store, limit_upload, limit_download, parallel_requests, retry_max_time } = file;
        let limits = Limits::parse(limit_upload, limit_download, parallel_requests, retry_max_time)?;
        let mut stores: Vec<StoreConfig> = Vec::new();
        for store in store {
            let entry = store.entry(limits)?;
            let twice = |what| format!("two stores have the {what} of {:?}", entry.name);
            if stores.iter().any(|other| other.name == entry.name) {
                return Err(twice("name"));
            }
            if stores.iter().any(|other| same_place(&other.url, &entry.url)) {
                return Err(twice("URL"));
            }
            stores.push(entry);
        }
        Ok(Self { stores, limits })
    }
}

impl Limits {
    fn parse(
        upload: Option<String>,
        download: Option<String>,
        parallel_requests: Option<usize>,
        retry_max_time: Option<String>,
    ) -> Result<Self, String> {
        let rate = |key: &str, text: Option<String>| match text {
            None => Ok(None),
            Some(text) => parse_rate(&text).map(Some).map_err(|why| format!("{key}: {why}")),
        };
        if parallel_requests.is_some_and(|number| !PARALLEL_REQUESTS.contains(&number)) {
            return Err("parallel-requests: write a number from 1 to 256".into());
        }
        let time = |text: String| up_to_a_day(&text).map_err(|why| format!("retry-max-time: {why}"));
        Ok(Self {
            upload: rate("limit-upload", upload)?,
            download: rate("limit-download", download)?,
            parallel_requests,
            retry_max_time: retry_max_time.map(time).transpose()?,
        })
    }

    /// Sets what it says, and leaves the rest.
    pub(crate) fn set(&self, options: &mut StoreOptions) {
        options.limit_upload = self.upload.unwrap_or(options.limit_upload);
        options.limit_download = self.download.unwrap_or(options.limit_download);
        options.parallel_requests = self.parallel_requests.or(options.parallel_requests);
        options.retry_max_time = self.retry_max_time.or(options.retry_max_time);
    }
}

impl From<&StoreArgs> for Limits {
    fn from(args: &StoreArgs) -> Self {
        Self {
            upload: args.limit_upload.map(|rate| rate.0),
            download: args.limit_download.map(|rate| rate.0),
            parallel_requests: args.parallel_requests,
            retry_max_time: args.retry_max_time,
        }
    }
}

impl Store {
    /// `limits`: of all stores.
    fn entry(self, limits: Limits) -> Result<StoreConfig, String> {
        let Self { name, url, id, options, ca_cert, limit_upload, limit_download, parallel_requests, retry_max_time } =
            self;
        let plain = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c));
        if !plain {
            return Err(format!("{name:?} is no name of a store: use letters, digits, '-', '_' and '.'"));
        }
        let wrong = |why: &dyn std::fmt::Display| format!("store {name}: {why}");
        let kind = StoreUrl::parse(&url).map_err(|error| wrong(&error))?.kind();
        let id = match id {
            None => None,
            Some(text) => Some(
                parse_store_id(&text)
                    .ok_or_else(|| format!("store {name}: an id has 32 hex digits, see 'zvault stores'"))?,
            ),
        };
        let mut settings = BTreeMap::new();
        for (key, value) in options {
            let text = match value {
                toml::Value::String(text) => text,
                toml::Value::Integer(number) => number.to_string(),
                toml::Value::Boolean(yes) => yes.to_string(),
                _ => return Err(wrong(&format!("the option {key} is a text, a number, true or false"))),
            };
            settings.insert(key, text);
        }
        let mut options = StoreOptions { settings, ca_cert, ..StoreOptions::default() };
        limits.set(&mut options);
        let own = Limits::parse(limit_upload, limit_download, parallel_requests, retry_max_time);
        own.map_err(|why| wrong(&why))?.set(&mut options);
        options.check(kind).map_err(|error| wrong(&error))?;
        Ok(StoreConfig { name, url, id, options })
    }
}

fn same_place(one: &str, other: &str) -> bool {
    match (StoreUrl::parse(one), StoreUrl::parse(other)) {
        (Ok(one), Ok(other)) => one == other,
        _ => one == other,
    }
}

/// The line, and what is wrong with it.
fn one_line(text: &str, error: &toml::de::Error) -> String {
    let message = error.message().trim();
    match error.span() {
        Some(span) => {
            let line = 1 + text.as_bytes()[..span.start.min(text.len())].iter().filter(|byte| **byte == b'\n').count();
            format!("line {line}: {message}")
        }
        None => message.to_owned(),
    }
}

/// Where the configuration of a home is.
pub(crate) fn path_in(home: &Path) -> PathBuf {
    home.join("zvault.toml")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stores_in_their_order() {
        let text = r#"
            [[store]]
            name = "disk"
            url = "/srv/vault"

            [[store]]
            name = "cellar"
            url = "file:///srv/other"
            id = "000102030405060708090a0b0c0d0e0f"

            [[store]]
            name = "far"
            url = "s3://bucket/prefix"
            limit-upload = "2M"
            parallel-requests = 4
            [store.options]
            region = "eu-central-1"
        "#;
        let config = Config::parse(text).expect("a configuration");
        let names: Vec<&str> = config.stores.iter().map(|store| &*store.name).collect();
        assert_eq!(names, ["disk", "cellar", "far"]);
        let far = &config.stores[2].options;
        assert_eq!((far.limit_upload, far.parallel_requests), (Some(2 << 20), Some(4)));
        assert_eq!(far.settings["region"], "eu-central-1");
        assert_eq!(config.stores[1].id.expect("an id")[15], 15);
        assert!(Config::parse("").expect("empty").stores.is_empty());
    }

    #[test]
    fn a_store_says_otherwise_than_the_limits_of_all() {
        let text = r#"
            limit-upload = "2M"
            limit-download = "5M"
            parallel-requests = 8
            retry-max-time = "10m"

            [[store]]
            name = "disk"
            url = "/srv/vault"

            [[store]]
            name = "far"
            url = "s3://bucket/prefix"
            limit-upload = "0"
            parallel-requests = 2
            retry-max-time = "30s"
        "#;
        let config = Config::parse(text).expect("a configuration");
        let limits = |options: &StoreOptions| {
            (options.limit_upload, options.limit_download, options.parallel_requests, options.retry_max_time)
        };
        let seconds = |n| Some(Duration::from_secs(n));
        assert_eq!(limits(&config.stores[0].options), (Some(2 << 20), Some(5 << 20), Some(8), seconds(600)));
        assert_eq!(limits(&config.stores[1].options), (None, Some(5 << 20), Some(2), seconds(30)));
        // A store that is not in the file.
        let mut other = StoreOptions::default();
        config.limits.set(&mut other);
        assert_eq!(limits(&other), (Some(2 << 20), Some(5 << 20), Some(8), seconds(600)));
        // Nothing said is nothing changed.
        Limits::default().set(&mut other);
        assert_eq!(limits(&other), (Some(2 << 20), Some(5 << 20), Some(8), seconds(600)));
        let error = |text: &str| Config::parse(text).expect_err(text);
        assert!(error("retry-max-time = 'soon'\n").contains("retry-max-time: write a time"));
        assert!(error("retry-max-time = 5\n").contains("line 1"));
        assert!(error("limit-download = 'fast'\n").contains("limit-download: write KiB/s"));
        for number in [0, 257] {
            assert!(error(&format!("parallel-requests = {number}\n")).contains("1 to 256"));
        }
        let store = error("[[store]]\nname = 'a'\nurl = '/v'\nretry-max-time = '2d'\n");
        assert!(store.contains("store a: retry-max-time"), "{store}");
        let unknown = error("retry-max-tme = '5s'\n");
        for known in
            ["line 1", "retry-max-tme", "retry-max-time", "limit-upload", "limit-download", "parallel-requests"]
        {
            assert!(unknown.contains(known), "{unknown}");
        }
    }

    #[test]
    fn what_is_wrong_is_named_with_its_line() {
        let error = |text: &str| Config::parse(text).expect_err(text);
        let unknown = error("[[store]]\nname = 'a'\nurl = '/v'\nulr = '/w'\n");
        for part in ["line 4", "ulr", "`url`", "`retry-max-time`", "`options`"] {
            assert!(unknown.contains(part), "{unknown}");
        }
        let option = error("[[store]]\nname = 'a'\nurl = 's3://b/p'\noptions = { reigon = 'x' }\n");
        assert!(option.contains("reigon"), "{option}");
        assert!(error("[[store]]\nname = 'a'\nurl = '/v'\nlimit-upload = 'fast'\n").contains("store a"));
        assert!(error("[storage]\n").contains("line 1"));
        assert!(error("[[store]]\nname = 'a'\n").contains("url"));
        assert!(error("[[store]]\nname = 'a'\nurl = 7\n").contains("line 3"));
        assert!(error("[[store]]\nname = 'a b'\nurl = '/v'\n").contains("a b"));
        assert!(error("[[store]]\nname = 'a'\nurl = 'file:relative'\n").contains("file:///"));
        assert!(error("[[store]]\nname = 'a'\nurl = '/v'\nid = 'x'\n").contains("32 hex"));
        let twice = |name, url| format!("[[store]]\nname='a'\nurl='/v'\n[[store]]\nname='{name}'\nurl='{url}'\n");
        assert!(error(&twice("a", "/w")).contains("name"));
        assert!(error(&twice("b", "file:///v")).contains("URL"));
    }
}
