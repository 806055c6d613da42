//! Where a store is: the one place where URLs of stores are read. One arm for each kind.

use object_store::path::Path as ObjectPath;
use std::{fmt, io, path::PathBuf};

/// The place of a store.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StoreUrl {
    /// `file:///path`, or a plain path: a folder.
    Folder(PathBuf),
    /// `memory://name`: lives as long as the process, for tests.
    Memory(String),
    /// `s3://bucket/prefix`: Amazon S3, and what speaks its protocol.
    S3(Bucket),
    /// `gs://bucket/prefix`: Google Cloud Storage.
    Gcs(Bucket),
    /// `az://container/prefix`: Azure Blob Storage. The account is an option.
    Azure(Bucket),
}

/// A bucket, or a container, and where in it the vault is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bucket {
    /// Its name.
    pub name: String,
    /// What the keys of the vault's objects begin with, without slashes around it; may be empty.
    pub prefix: String,
}

/// A text that names no store.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UrlError {
    /// Nothing, or white space.
    #[error("the store's URL is empty")]
    Empty,
    /// No kind of store that this program knows.
    #[error("{scheme}:// is no kind of store: there are paths of folders, s3://, gs:// and az://")]
    Unsupported {
        /// The part before `://`.
        scheme: String,
    },
    /// An option in the URL.
    #[error("the URL of a {kind} store has no options: give {option:?} another way, such as -o key=value")]
    UnknownOption {
        /// The option's name.
        option: String,
        /// The kind of store.
        kind: &'static str,
    },
    /// A user name or password in the URL, which is stored and shown in many places. Neither is repeated here.
    #[error("{scheme}://{rest}: a URL holds no user and no password: credentials come from the environment")]
    Secret {
        /// The part before `://`.
        scheme: String,
        /// What follows the user and password.
        rest: String,
    },
    /// Not a URL of its scheme.
    #[error("{url:?} is not a URL of a store: {why}")]
    Malformed {
        /// The text without what may be a password.
        url: String,
        /// What is wrong, or what to write instead.
        why: &'static str,
    },
    /// The current folder, from which a relative path starts, is gone.
    #[error("the path of the store cannot be made absolute")]
    NoCurrentFolder(#[source] io::Error),
}

impl StoreUrl {
    /// Reads a URL or a path. A relative path is made absolute.
    pub fn parse(text: &str) -> Result<Self, UrlError> {
        if text.trim().is_empty() {
            return Err(UrlError::Empty);
        }
        match scheme(text) {
            None => std::path::absolute(text).map(Self::Folder).map_err(UrlError::NoCurrentFolder),
            Some("file") => folder(text),
            Some("memory") => memory(text),
            Some("s3") => bucket(text, "S3", "write s3://bucket/prefix").map(Self::S3),
            Some("gs") => bucket(text, "GCS", "write gs://bucket/prefix").map(Self::Gcs),
            Some("az") => bucket(text, "Azure", "write az://container/prefix").map(Self::Azure),
            Some("azure") => Err(malformed(text, "write az://container/prefix")),
            Some("http" | "https") => {
                Err(malformed(text, "write s3://bucket/prefix, and the server as -o endpoint=https://..."))
            }
            Some(scheme) => Err(UrlError::Unsupported { scheme: scheme.to_owned() }),
        }
    }

    /// The kind, as `doctor` and the roster name it.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Folder(_) => "folder",
            Self::Memory(_) => "memory",
            Self::S3(_) => "S3",
            Self::Gcs(_) => "GCS",
            Self::Azure(_) => "Azure",
        }
    }

    /// The place of this name directly below. `None`: no URL names it, or not in a way that can be typed again.
    pub fn below(&self, name: &str) -> Option<Self> {
        if name.is_empty() || name.contains('/') || matches!(name, "." | "..") {
            return None;
        }
        let in_bucket = |bucket: &Bucket| {
            let prefix = if bucket.prefix.is_empty() { name.to_owned() } else { format!("{}/{name}", bucket.prefix) };
            Bucket { name: bucket.name.clone(), prefix }
        };
        let below = match self {
            Self::Folder(path) => Self::Folder(path.join(name)),
            Self::Memory(store) => Self::Memory(format!("{store}/{name}")),
            Self::S3(bucket) => Self::S3(in_bucket(bucket)),
            Self::Gcs(bucket) => Self::Gcs(in_bucket(bucket)),
            Self::Azure(bucket) => Self::Azure(in_bucket(bucket)),
        };
        Self::parse(&below.to_string()).is_ok_and(|again| again == below).then_some(below)
    }

    /// The bucket or container, if it is in one.
    pub fn bucket(&self) -> Option<&Bucket> {
        match self {
            Self::S3(bucket) | Self::Gcs(bucket) | Self::Azure(bucket) => Some(bucket),
            Self::Folder(_) | Self::Memory(_) => None,
        }
    }
}

impl fmt::Display for StoreUrl {
    /// A URL that parses to the same place from any current folder. Holds no secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Folder(path) => match url::Url::from_file_path(path) {
                Ok(url) => url.fmt(f),
                Err(()) => path.display().fmt(f),
            },
            Self::Memory(name) => write!(f, "memory://{name}"),
            Self::S3(bucket) => write!(f, "s3://{bucket}"),
            Self::Gcs(bucket) => write!(f, "gs://{bucket}"),
            Self::Azure(bucket) => write!(f, "az://{bucket}"),
        }
    }
}

impl fmt::Display for Bucket {
    /// As in a URL, behind the scheme.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.prefix.as_str() {
            "" => f.write_str(&self.name),
            prefix => write!(f, "{}/{prefix}", self.name),
        }
    }
}

impl std::str::FromStr for StoreUrl {
    type Err = UrlError;

    fn from_str(text: &str) -> Result<Self, UrlError> {
        Self::parse(text)
    }
}

/// `None`: a plain path. `s3:/bucket` is taken for a URL with a typing error and not for a path.
fn scheme(text: &str) -> Option<&str> {
    let (scheme, rest) = text.split_once(':')?;
    let is_scheme = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.chars().all(|c| c.is_ascii_alphanumeric() || "+.-".contains(c));
    (is_scheme && (rest.starts_with("//") || KNOWN.contains(&scheme))).then_some(scheme)
}

fn folder(text: &str) -> Result<StoreUrl, UrlError> {
    let malformed = |why| malformed(text, why);
    if !text.starts_with("file://") {
        return Err(malformed("write file:///path"));
    }
    let url = url::Url::parse(text).map_err(|_| malformed("write file:///path"))?;
    if url.host_str().is_some_and(|host| host != "localhost") {
        return Err(malformed("the path must be absolute: file:///path"));
    }
    refuse_options(&url, text, "folder")?;
    url.to_file_path().map(StoreUrl::Folder).map_err(|()| malformed("the path must be absolute: file:///path"))
}

fn memory(text: &str) -> Result<StoreUrl, UrlError> {
    let malformed = |why| malformed(text, why);
    let name = text.strip_prefix("memory://").ok_or_else(|| malformed("write memory://name"))?;
    let url = url::Url::parse(text).map_err(|_| malformed("write memory://name"))?;
    refuse_options(&url, text, "memory")?;
    if !name.bytes().all(|b| b.is_ascii_alphanumeric() || b"/-_.".contains(&b)) {
        return Err(malformed("a name has letters, digits and /-_. only"));
    }
    Ok(StoreUrl::Memory(name.to_owned()))
}

/// The prefix is taken as it is typed, as every tool for buckets does: `%20` is three characters.
fn bucket(text: &str, kind: &'static str, write: &'static str) -> Result<Bucket, UrlError> {
    let (scheme, rest) = text.split_once("://").ok_or_else(|| malformed(text, write))?;
    let (name, prefix) = rest.split_once('/').unwrap_or((rest, ""));
    // First of all: what is quoted below holds no secret any more. A password may have a slash in it.
    if let Some((_, rest)) = rest.rsplit_once('@').filter(|(user, _)| name.contains('@') || user.contains(':')) {
        let rest = rest.split(['?', '#']).next().unwrap_or_default().to_owned();
        return Err(UrlError::Secret { scheme: scheme.to_owned(), rest });
    }
    if let Some((_, query)) = rest.split_once('?') {
        let option = query.split(['=', '&', '#']).next().unwrap_or_default().to_owned();
        return Err(UrlError::UnknownOption { option, kind });
    }
    if rest.contains('#') {
        return Err(malformed(text, "a prefix holds no # and no ?"));
    }
    if name.is_empty() {
        return Err(malformed(text, write));
    }
    if name.contains(':') || name.ends_with(".amazonaws.com") || name.ends_with(".windows.net") {
        return Err(malformed(text, "the name of a bucket comes first; a server is named by -o endpoint=https://..."));
    }
    if !name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._$".contains(&b)) {
        return Err(malformed(text, "the name of a bucket has letters, digits and -._ only"));
    }
    let prefix = prefix.strip_suffix('/').unwrap_or(prefix);
    // The library would write other characters than were typed; empty parts and dots are typing errors.
    let as_typed = ObjectPath::parse(prefix).is_ok_and(|path| path.as_ref() == prefix);
    if !as_typed || (rest.contains("//") && !prefix.is_empty()) || (prefix.is_empty() && rest.ends_with("//")) {
        return Err(malformed(text, "a prefix has no empty parts, no parts . and .., and no control characters"));
    }
    Ok(Bucket { name: name.to_owned(), prefix: prefix.to_owned() })
}

/// An option that is ignored is a wish that is ignored.
fn refuse_options(url: &url::Url, text: &str, kind: &'static str) -> Result<(), UrlError> {
    if let Some((option, _)) = url.query_pairs().next() {
        return Err(UrlError::UnknownOption { option: option.into_owned(), kind });
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(malformed(text, "? and # are written %3F and %23"));
    }
    Ok(())
}

/// Whatever it is: nothing before an @ and nothing behind a ? is repeated.
fn malformed(text: &str, why: &'static str) -> UrlError {
    let shown = text.split(['?', '#']).next().unwrap_or_default();
    let url = match (shown.split_once(':'), shown.rsplit_once('@')) {
        (Some((scheme, _)), Some((_, rest))) => format!("{scheme}://{rest}"),
        _ => shown.to_owned(),
    };
    UrlError::Malformed { url, why }
}

/// Schemes that are one also without the two slashes.
const KNOWN: [&str; 8] = ["file", "memory", "s3", "gs", "az", "azure", "http", "https"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_and_urls_of_folders() {
        let folder = |path: &str| StoreUrl::Folder(path.into());
        for (text, path) in [
            ("/srv/vault", "/srv/vault"),
            ("file:///srv/vault", "/srv/vault"),
            ("file://localhost/srv/vault", "/srv/vault"),
            ("file:///srv/my%20vault%23", "/srv/my vault#"),
            ("/srv/a:b", "/srv/a:b"),
        ] {
            let url = StoreUrl::parse(text).expect(text);
            assert_eq!(url, folder(path), "{text}");
            assert_eq!(StoreUrl::parse(&url.to_string()).expect("round trip"), url);
        }
        let here = std::env::current_dir().expect("a current folder");
        for relative in ["vault", "a:b/c", "./s3:x"] {
            let StoreUrl::Folder(path) = StoreUrl::parse(relative).expect(relative) else {
                panic!("{relative} is no folder");
            };
            assert!(path.is_absolute() && path.starts_with(&here), "{}", path.display());
        }
    }

    #[test]
    fn buckets_and_prefixes() {
        for (text, kind, name, prefix) in [
            ("s3://bucket", "S3", "bucket", ""),
            ("s3://bucket/", "S3", "bucket", ""),
            ("s3://my.bucket/a/b/", "S3", "my.bucket", "a/b"),
            ("gs://b_1/My vaults/ü%20@home", "GCS", "b_1", "My vaults/ü%20@home"),
            ("az://$root/p", "Azure", "$root", "p"),
        ] {
            let url = StoreUrl::parse(text).expect(text);
            let bucket = url.bucket().expect("a bucket");
            assert_eq!((url.kind(), &*bucket.name, &*bucket.prefix), (kind, name, prefix), "{text}");
            assert_eq!(url.to_string(), text.trim_end_matches('/'));
            assert_eq!(StoreUrl::parse(&url.to_string()).expect("round trip"), url);
        }
    }

    #[test]
    fn places_below_are_named_as_they_are_typed() {
        let below = |url: &str, name: &str| StoreUrl::parse(url).expect(url).below(name).map(|url| url.to_string());
        for (url, name, expected) in [
            ("/srv", "my vault#", Some("file:///srv/my%20vault%23")),
            ("s3://b", "a", Some("s3://b/a")),
            ("gs://b/a/", "ü%20", Some("gs://b/a/ü%20")),
            ("memory://m", "a", Some("memory://m/a")),
            ("s3://b/a", "", None),
            ("s3://b/a", "x/y", None),
            ("s3://b/a", "..", None),
            ("/srv", "..", None),
            // What a store lists may be any text.
            ("s3://b", "p?x=y", None),
            ("s3://b", "a#b", None),
            ("s3://b", "a\nb", None),
            ("s3://b", "me:x@host", None),
        ] {
            assert_eq!(below(url, name).as_deref(), expected, "{url} {name:?}");
        }
    }

    #[test]
    fn a_url_never_carries_secrets() {
        for text in [
            "s3://AKIA:s3cr3t@bucket/p",
            "s3://AKIA:s3c/r3t@bucket/p?x=s3cr3t",
            "gs://s3cr3t@bucket",
            "az://c/p?sv=1&sig=s3cr3t",
            "https://me:s3cr3t@host/bucket",
            "s3:me:s3cr3t@bucket",
            "file://me:s3cr3t@host/p",
        ] {
            let error = StoreUrl::parse(text).expect_err(text);
            assert!(!format!("{error} {error:?}").contains("r3t"), "{error}");
        }
        let error = StoreUrl::parse("s3://AKIA:s3cr3t@bucket/p").expect_err("a secret").to_string();
        assert_eq!(error, "s3://bucket/p: a URL holds no user and no password: credentials come from the environment");
    }

    #[test]
    fn what_names_no_store_says_why() {
        let error = |text: &str| StoreUrl::parse(text).expect_err(text);
        assert!(matches!(error(" "), UrlError::Empty));
        for text in ["webdav://h/p", "sftp://h/p"] {
            assert!(matches!(error(text), UrlError::Unsupported { .. }), "{text}");
        }
        for text in ["file:///p?fsync=no", "memory://m?x", "s3://b/p?region=eu", "gs://b?"] {
            assert!(matches!(error(text), UrlError::UnknownOption { .. }), "{text}");
        }
        for text in ["file://host/p", "file:relative", "file:///p#x", "file:///p?", "memory:m", "memory://a b"] {
            assert!(matches!(error(text), UrlError::Malformed { .. }), "{text}");
        }
        for text in [
            "s3:/bucket",
            "s3:bucket",
            "s3://",
            "s3:///p",
            "s3://b//p",
            "s3://b/p//",
            "s3://b//",
            "s3://b/p/../q",
            "s3://b/./q",
            "s3://b/a\nb",
            "s3://b/p#x",
            "s3://localhost:9000/b",
            "s3://s3.eu-west-1.amazonaws.com/b",
            "gs://a b/p",
            "azure://c",
            "https://host/b",
            "http:host",
        ] {
            assert!(matches!(error(text), UrlError::Malformed { .. }), "{text}: {:?}", error(text));
        }
    }
}
