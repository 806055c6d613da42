//! `zvault.toml`: which stores the vault has, as this machine reaches them.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::error::CommandError;
use zvault::store::{StoreOptions, StoreUrl, parse_rate};
use zvault::vault::{StoreConfig, parse_store_id};

/// What the file says.
#[derive(Debug, Default)]
pub(crate) struct Config {
    /// The primary first.
    pub(crate) stores: Vec<StoreConfig>,
}

/// The file as it is written. What is not here is an error: a misspelt key is a wish that would be ignored.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct File {
    #[serde(default)]
    store: Vec<Store>,
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
        let mut stores: Vec<StoreConfig> = Vec::new();
        for store in file.store {
            let entry = store.entry()?;
            let twice = |what| format!("two stores have the {what} of {:?}", entry.name);
            if stores.iter().any(|other| other.name == entry.name) {
                return Err(twice("name"));
            }
            if stores.iter().any(|other| same_place(&other.url, &entry.url)) {
                return Err(twice("URL"));
            }
            stores.push(entry);
        }
        Ok(Self { stores })
    }
}

impl Store {
    fn entry(self) -> Result<StoreConfig, String> {
        let Self { name, url, id, options, ca_cert, limit_upload, limit_download, parallel_requests } = self;
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
        let rate = |text: Option<String>| match text {
            None => Ok(None),
            Some(text) => parse_rate(&text).map_err(|why| wrong(&why)),
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
        if parallel_requests == Some(0) {
            return Err(wrong(&"parallel-requests is 1 or more"));
        }
        let options = StoreOptions {
            settings,
            ca_cert,
            limit_upload: rate(limit_upload)?,
            limit_download: rate(limit_download)?,
            parallel_requests,
            ..StoreOptions::default()
        };
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
    fn what_is_wrong_is_named_with_its_line() {
        let error = |text: &str| Config::parse(text).expect_err(text);
        let unknown = error("[[store]]\nname = 'a'\nurl = '/v'\nulr = '/w'\n");
        assert!(unknown.contains("line 4") && unknown.contains("ulr"), "{unknown}");
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
