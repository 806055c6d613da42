//! What can go wrong while a tree is written, and what merely should be told.
use std::fmt;
use std::io;
use std::path::PathBuf;

use rustix::io::Errno;

/// A path as raw bytes. Shown with everything escaped that is not printable: manifests are hostile, terminals gullible.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RawPath(pub Vec<u8>);

impl fmt::Display for RawPath {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return out.write_str(".");
        }
        for part in self.0.utf8_chunks() {
            for letter in part.valid().chars() {
                if letter.is_control() || is_direction(letter) {
                    write!(out, "{}", letter.escape_default())?;
                } else {
                    fmt::Write::write_char(out, letter)?;
                }
            }
            for byte in part.invalid() {
                write!(out, "\\x{byte:02x}")?;
            }
        }
        Ok(())
    }
}

impl fmt::Debug for RawPath {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "\"{self}\"")
    }
}

impl From<&[u8]> for RawPath {
    fn from(path: &[u8]) -> Self {
        Self(path.to_vec())
    }
}

/// Why one entry (or the whole target, for `Open`) could not be restored. What was there before is still there.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TargetError {
    /// The target folder cannot be opened or made.
    #[error("cannot open the target folder {}: {source}", path.display())]
    Open {
        /// The folder as given.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// A path that no honest manifest contains.
    #[error("{path}: refused, {what}")]
    BadPath {
        /// The path below the target.
        path: RawPath,
        /// What is wrong with it.
        what: &'static str,
    },
    /// An entry that contradicts itself: holes outside the file, content of another size.
    #[error("{path}: refused, {what}")]
    BadEntry {
        /// The path below the target.
        path: RawPath,
        /// What is wrong with it.
        what: &'static str,
    },
    /// A symbolic link stands where a folder is needed. It is never followed.
    #[error("{path}: the path goes through the symbolic link {link}; remove the link or restore into another folder")]
    ThroughSymlink {
        /// The path that was to be reached.
        path: RawPath,
        /// The link.
        link: RawPath,
    },
    /// Something that is neither folder nor link stands where a folder is needed.
    #[error("{path}: {file} is in the way, a folder is needed there")]
    FileInTheWay {
        /// The path that was to be reached.
        path: RawPath,
        /// What is in the way.
        file: RawPath,
    },
    /// A folder stands where something else is to be restored.
    #[error("{path}: a folder is in the way; it is removed only with --delete")]
    FolderInTheWay {
        /// The path below the target.
        path: RawPath,
    },
    /// The name leads to something that this very restore has made under another name.
    #[error("{path}: this file system does not tell the name from that of another entry; the first one was kept")]
    Collision {
        /// The path below the target.
        path: RawPath,
    },
    /// The file system or the quota is full.
    #[error("{path}: no space left on the target")]
    NoSpace {
        /// The path that was written.
        path: RawPath,
    },
    /// The database to be replaced is in use.
    #[error("{path}: the database is open{}; quit the program that uses it and restore again", open_in(*process))]
    DatabaseOpen {
        /// The path below the target.
        path: RawPath,
        /// A process that has it open, where the system tells.
        process: Option<u32>,
    },
    /// The restored copy of a database failed its check, so the existing one was kept.
    #[error(
        "{path}: the restored database is damaged ({what}), the existing one was kept; restore into an empty folder to get it anyway"
    )]
    DatabaseDamaged {
        /// The path below the target.
        path: RawPath,
        /// SQLite's first complaints.
        what: String,
    },
    /// The first name of a hard link does not hold the content of the second.
    #[error("{path}: not linked, {first} has other content")]
    LinkSource {
        /// The name to be made.
        path: RawPath,
        /// The existing name.
        first: RawPath,
    },
    /// The list of what to keep is not ascending or does not start at the root: nothing is deleted by it.
    #[error("the list of entries to keep is out of order at {path}: nothing deleted")]
    KeepOrder {
        /// The first path out of order.
        path: RawPath,
    },
    /// Any other failure of the file system.
    #[error("{path}: cannot {doing}: {source}")]
    Io {
        /// The path below the target.
        path: RawPath,
        /// What was tried.
        doing: &'static str,
        /// The cause.
        source: io::Error,
    },
}

impl TargetError {
    pub(super) fn io(path: &[u8], doing: &'static str, error: Errno) -> Self {
        match error {
            Errno::NOSPC | Errno::DQUOT => Self::NoSpace { path: path.into() },
            Errno::ISDIR => Self::FolderInTheWay { path: path.into() },
            _ => Self::Io { path: path.into(), doing, source: error.into() },
        }
    }
}

/// Something short of the content that could not be restored: the file counts, the user is told.
#[derive(Debug)]
pub struct TargetProblem {
    /// The path below the target.
    pub path: RawPath,
    /// What could not be done, as the object of "cannot".
    pub what: String,
    /// The cause.
    pub error: io::Error,
}

impl fmt::Display for TargetProblem {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}: cannot {}: {}", self.path, self.what, self.error)
    }
}

/// Marks that reverse the direction of text make one name look like another.
fn is_direction(letter: char) -> bool {
    matches!(letter, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

fn open_in(process: Option<u32>) -> String {
    process.map(|id| format!(" in process {id}")).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_show_no_control_characters() {
        let path = RawPath(b"a\x1b[2J\xff\xe2\x80\xaeb".to_vec());
        assert_eq!(path.to_string(), "a\\u{1b}[2J\\xff\\u{202e}b");
        assert_eq!(RawPath(Vec::new()).to_string(), ".");
    }
}
