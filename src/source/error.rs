//! What can go wrong with a whole source, and with one entry of it.

use std::fmt;
use std::io;
use std::path::PathBuf;

use rustix::io::Errno;

/// A source that cannot be read at all.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// The root does not exist or cannot be opened.
    #[error("cannot read the source {}", path.display())]
    Root {
        /// The root as the caller named it.
        path: PathBuf,
        /// Why.
        #[source]
        error: io::Error,
    },
    /// The root is the vault, the cache or the state folder itself.
    #[error("the source {} is a folder that must never be inside a source (vault, cache or state)", path.display())]
    Forbidden {
        /// The root as the caller named it.
        path: PathBuf,
    },
}

/// A single entry that could not be read, or not wholly. The walk goes on behind it.
#[derive(Debug, thiserror::Error)]
#[error("{}: {kind}", display_path(path))]
pub struct WalkProblem {
    /// Path below the root of the source, raw bytes; empty for the root.
    pub path: Vec<u8>,
    /// What the problem means for the snapshot.
    pub kind: ProblemKind,
    /// What the system said.
    #[source]
    pub error: io::Error,
}

/// What a problem means for the snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProblemKind {
    /// It was there when its folder was listed, and gone when it was looked at.
    Vanished,
    /// It could not be opened, listed or read.
    Unreadable,
    /// It became another kind of object between the walk and the reading.
    TypeChanged,
    /// Its kind or its path's length is nothing that a manifest can hold.
    Unsupported,
    /// An extended attribute is over the limit; the entry goes on without it.
    XattrTooLarge,
    /// An extended attribute could not be read; the entry goes on without it.
    XattrUnreadable,
}

impl fmt::Display for ProblemKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Vanished => "vanished while the source was read",
            Self::Unreadable => "cannot be read",
            Self::TypeChanged => "became another kind of file while the source was read",
            Self::Unsupported => "cannot be recorded",
            Self::XattrTooLarge => "an extended attribute is too large and was left out",
            Self::XattrUnreadable => "an extended attribute cannot be read and was left out",
        })
    }
}

impl WalkProblem {
    /// A problem with `path`; "no such file" becomes `Vanished`, everything else `Unreadable`.
    pub fn reading(path: Vec<u8>, error: impl Into<io::Error>) -> Self {
        let error = error.into();
        let kind = match Errno::from_io_error(&error) {
            Some(Errno::NOENT | Errno::STALE) => ProblemKind::Vanished,
            // What was a folder or a file is a symbolic link or something else now.
            Some(Errno::NOTDIR | Errno::LOOP) => ProblemKind::TypeChanged,
            _ => ProblemKind::Unreadable,
        };
        Self { path, kind, error }
    }

    pub(crate) fn new(path: Vec<u8>, kind: ProblemKind, message: impl Into<String>) -> Self {
        let error = io::Error::other(message.into());
        Self { path, kind, error }
    }
}

/// A raw path for people: not UTF-8 becomes U+FFFD, and control characters are escaped, so that a file's name cannot
/// steer a terminal.
pub fn display_path(path: &[u8]) -> String {
    if path.is_empty() {
        return ".".to_owned();
    }
    let mut shown = String::with_capacity(path.len());
    for c in String::from_utf8_lossy(path).chars() {
        if c.is_control() {
            shown.extend(c.escape_default());
        } else {
            shown.push(c);
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shown_paths_hold_no_control_characters() {
        assert_eq!(display_path(b"a\x1b[31m\nb\xff"), "a\\u{1b}[31m\\nb\u{fffd}");
        assert_eq!(display_path(b""), ".");
    }

    #[test]
    fn problems_are_sorted_by_what_the_system_said() {
        let kind = |errno: Errno| WalkProblem::reading(b"p".to_vec(), errno).kind;
        assert_eq!(kind(Errno::NOENT), ProblemKind::Vanished);
        assert_eq!(kind(Errno::NOTDIR), ProblemKind::TypeChanged);
        assert_eq!(kind(Errno::LOOP), ProblemKind::TypeChanged);
        assert_eq!(kind(Errno::ACCESS), ProblemKind::Unreadable);
        assert_eq!(kind(Errno::IO), ProblemKind::Unreadable);
    }
}
