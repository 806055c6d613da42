//! Where a store is: the one place where URLs of stores are read. One arm for each kind.

use std::{fmt, io, path::PathBuf};

/// The place of a store.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StoreUrl {
    /// `file:///path`, or a plain path: a folder.
    Folder(PathBuf),
    /// `memory://name`: lives as long as the process, for tests.
    Memory(String),
}

/// A text that names no store.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UrlError {
    /// Nothing, or white space.
    #[error("the store's URL is empty")]
    Empty,
    /// A kind of store that this program was built without.
    #[error("{scheme}:// stores are not supported by this build yet; use a folder")]
    Unsupported {
        /// The part before `://`.
        scheme: String,
    },
    /// An option that this kind of store does not have.
    #[error("unknown option {option:?} in the URL of a {kind} store")]
    UnknownOption {
        /// The option's name.
        option: String,
        /// The kind of store.
        kind: &'static str,
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
            Some(scheme) => Err(UrlError::Unsupported { scheme: scheme.to_owned() }),
        }
    }

    /// The kind, as `doctor` and the roster name it.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Folder(_) => "folder",
            Self::Memory(_) => "memory",
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

/// No kind of this build has options. An option that is ignored is a wish that is ignored.
fn refuse_options(url: &url::Url, text: &str, kind: &'static str) -> Result<(), UrlError> {
    if let Some((option, _)) = url.query_pairs().next() {
        return Err(UrlError::UnknownOption { option: option.into_owned(), kind });
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(malformed(text, "? and # are written %3F and %23"));
    }
    Ok(())
}

fn malformed(text: &str, why: &'static str) -> UrlError {
    let url = text.split(['?', '#']).next().unwrap_or_default().to_owned();
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
    fn what_names_no_store_says_why() {
        let error = |text: &str| StoreUrl::parse(text).expect_err(text);
        assert!(matches!(error(" "), UrlError::Empty));
        for text in ["s3://bucket/prefix", "s3:/bucket", "gs://b", "webdav://h/p"] {
            assert!(matches!(error(text), UrlError::Unsupported { .. }), "{text}");
        }
        assert!(error("s3://b").to_string().contains("not supported by this build yet"));
        for text in ["file:///p?fsync=no", "memory://m?x"] {
            assert!(matches!(error(text), UrlError::UnknownOption { .. }), "{text}");
        }
        for text in ["file://host/p", "file:relative", "file:///p#x", "file:///p?", "memory:m", "memory://a b"] {
            assert!(matches!(error(text), UrlError::Malformed { .. }), "{text}");
        }
    }
}
