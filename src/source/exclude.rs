//! What is left out of a source.

use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use ignore::Match;
use ignore::gitignore::{Gitignore, GitignoreBuilder};

/// What a walk leaves out. The default leaves out nothing.
#[derive(Clone, Debug, Default)]
pub struct WalkOptions {
    /// Patterns of names and paths.
    pub excludes: Excludes,
    /// Leaves out regular files of more than so many bytes.
    pub exclude_larger_than: Option<u64>,
    /// Does not enter folders on other file systems than the root's; the folder itself stays, empty.
    pub one_file_system: bool,
    /// Leaves out the content of folders with a valid `CACHEDIR.TAG`, all but the tag.
    pub exclude_caches: bool,
    /// Folders that are never inside a source, as (device, inode): the vault, the cache, the state.
    /// See `forbid`; tell the user with the help of `overlap`.
    pub forbidden: Vec<(u64, u64)>,
}

impl WalkOptions {
    /// Leaves the folder `path` out of every walk. Nothing happens if it does not exist yet.
    pub fn forbid(&mut self, path: &Path) -> io::Result<()> {
        match std::fs::metadata(path) {
            Ok(folder) => self.forbidden.push((folder.dev(), folder.ino())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }
}

/// Patterns in gitignore syntax, relative to the root of the source; of several that match, the last one decides.
/// Patterns without regard to case count as if they came after all others.
#[derive(Clone, Debug)]
pub struct Excludes {
    exact: Gitignore,
    any_case: Gitignore,
}

impl Excludes {
    /// Compiles patterns: those of `files` (one a line, `#` starts a comment), then `patterns` (`--exclude`), then
    /// `any_case` (`--iexclude`).
    pub fn new<P: AsRef<str>>(patterns: &[P], any_case: &[P], files: &[PathBuf]) -> Result<Self, ExcludeError> {
        let mut exact = GitignoreBuilder::new("");
        for path in files {
            let text = std::fs::read_to_string(path);
            let text = text.map_err(|error| ExcludeError::File { path: path.clone(), error })?;
            for (number, line) in text.trim_start_matches('\u{feff}').lines().enumerate() {
                let bad = |error| ExcludeError::Line { path: path.clone(), line: number + 1, error };
                exact.add_line(None, line).map_err(bad)?;
            }
        }
        add(&mut exact, patterns)?;
        let mut other = GitignoreBuilder::new("");
        other.case_insensitive(true).map_err(|error| ExcludeError::Pattern { pattern: String::new(), error })?;
        add(&mut other, any_case)?;
        let build = |builder: &GitignoreBuilder| {
            builder.build().map_err(|error| ExcludeError::Pattern { pattern: "all patterns together".into(), error })
        };
        Ok(Self { exact: build(&exact)?, any_case: build(&other)? })
    }

    /// Whether there is no pattern at all.
    pub fn is_empty(&self) -> bool {
        self.exact.is_empty() && self.any_case.is_empty()
    }

    /// Whether the path below the root is left out. Assumes that the folders above it are not.
    pub fn excluded(&self, path: &[u8], is_dir: bool) -> bool {
        let path = Path::new(OsStr::from_bytes(path));
        match self.any_case.matched(path, is_dir) {
            Match::None => self.exact.matched(path, is_dir).is_ignore(),
            decided => decided.is_ignore(),
        }
    }
}

impl Default for Excludes {
    fn default() -> Self {
        Self { exact: Gitignore::empty(), any_case: Gitignore::empty() }
    }
}

/// Patterns that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ExcludeError {
    /// A file of patterns cannot be read, or is not UTF-8.
    #[error("cannot read the exclude file {}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        error: io::Error,
    },
    /// A line in a file of patterns.
    #[error("line {line} of the exclude file {} is no pattern", path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// Counted from 1.
        line: usize,
        /// Why.
        #[source]
        error: ignore::Error,
    },
    /// A pattern given by itself.
    #[error("{pattern:?} is no exclude pattern")]
    Pattern {
        /// The pattern.
        pattern: String,
        /// Why.
        #[source]
        error: ignore::Error,
    },
    /// A pattern given by itself that excludes nothing: empty or a comment.
    #[error("the exclude pattern {pattern:?} excludes nothing; a name that begins with # is written \\#")]
    Nothing {
        /// The pattern.
        pattern: String,
    },
}

/// How a source and a folder that must never be inside a source lie to each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Overlap {
    /// Apart.
    None,
    /// The source is the protected folder or lies inside it: an error.
    SourceInside,
    /// The protected folder lies inside the source: it is left out (`WalkOptions::forbid`), and the user is told once.
    ProtectedInside,
}

/// Compares by canonical path, and by device and inode of every folder on the way up. A source that is a symbolic
/// link counts as the link, for that is what is stored. What does not exist yet counts by its existing parents.
pub fn overlap(source: &Path, protected: &Path) -> io::Result<Overlap> {
    let source = if std::fs::symlink_metadata(source).is_ok_and(|link| link.is_symlink()) && !ends_in_slash(source) {
        canonical_link(source)?
    } else {
        canonical(source)?
    };
    let protected = canonical(protected)?;
    if inside(&source, &protected) {
        return Ok(Overlap::SourceInside);
    }
    Ok(if inside(&protected, &source) { Overlap::ProtectedInside } else { Overlap::None })
}

fn add<P: AsRef<str>>(builder: &mut GitignoreBuilder, patterns: &[P]) -> Result<(), ExcludeError> {
    for pattern in patterns {
        let pattern = pattern.as_ref();
        if pattern.trim().is_empty() || pattern.starts_with('#') {
            return Err(ExcludeError::Nothing { pattern: pattern.to_owned() });
        }
        let bad = |error| ExcludeError::Pattern { pattern: pattern.to_owned(), error };
        builder.add_line(None, pattern).map_err(bad)?;
    }
    Ok(())
}

/// Whether `path` is `folder` or below it. Both are canonical.
fn inside(path: &Path, folder: &Path) -> bool {
    // A link that is a source has the identity of the link, not of what it points to.
    let inode = |path: &Path| std::fs::symlink_metadata(path).ok().map(|meta| (meta.dev(), meta.ino()));
    let folder_inode = inode(folder);
    path.starts_with(folder) || folder_inode.is_some() && path.ancestors().any(|above| inode(above) == folder_inode)
}

fn canonical(path: &Path) -> io::Result<PathBuf> {
    match path.canonicalize() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => canonical_link(path),
        done => done,
    }
}

/// Everything but the last component is resolved.
fn canonical_link(path: &Path) -> io::Result<PathBuf> {
    let path = std::path::absolute(path)?;
    match (path.parent(), path.file_name()) {
        (Some(parent), Some(name)) => Ok(canonical(parent)?.join(name)),
        _ => Ok(path),
    }
}

fn ends_in_slash(path: &Path) -> bool {
    path.as_os_str().as_bytes().ends_with(b"/")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn excludes(patterns: &[&str], any_case: &[&str]) -> Excludes {
        Excludes::new(patterns, any_case, &[]).expect("good patterns")
    }

    #[test]
    fn patterns_mean_what_they_mean_to_git() {
        let some = excludes(&["*.log", "!keep.log", "/top", "build/", "a/**/z", "\\#note"], &[]);
        for (path, is_dir, out) in [
            ("x.log", false, true),
            ("deep/down/x.log", false, true),
            ("deep/keep.log", false, false),
            ("top", false, true),
            ("sub/top", false, false),
            ("build", true, true),
            ("build", false, false),
            ("a/b/c/z", false, true),
            ("#note", false, true),
            ("X.LOG", false, false),
        ] {
            assert_eq!(some.excluded(path.as_bytes(), is_dir), out, "{path}");
        }
        assert!(some.excluded(b"bad\xff.log", false));
    }

    #[test]
    fn case_is_ignored_where_asked() {
        let some = excludes(&["*.tmp", "!Keep.TMP"], &["*.JPG", "!mine.jpg"]);
        assert!(some.excluded(b"a.jpg", false) && some.excluded(b"a.Jpg", false));
        assert!(!some.excluded(b"MINE.JPG", false));
        assert!(some.excluded(b"a.tmp", false) && !some.excluded(b"a.TMP", false));
    }

    #[test]
    fn useless_and_broken_patterns_are_refused() {
        let new = |pattern: &str| Excludes::new(&[pattern], &[], &[]);
        assert!(matches!(new("#x"), Err(ExcludeError::Nothing { .. })));
        assert!(matches!(new(" "), Err(ExcludeError::Nothing { .. })));
        assert!(matches!(new("a{b"), Ok(_) | Err(ExcludeError::Pattern { .. })));
        assert!(matches!(new("[z-a]"), Err(ExcludeError::Pattern { .. })));
        let missing = Excludes::new::<&str>(&[], &[], &["/no/such/file".into()]);
        assert!(matches!(missing, Err(ExcludeError::File { .. })));
    }

    #[test]
    fn files_of_patterns_come_first() {
        let temp = tempfile::tempdir().expect("temp");
        let file = temp.path().join("excludes");
        std::fs::write(&file, "\u{feff}# comment\n\n*.o\n*.a\n").expect("file");
        let some = Excludes::new(&["!libc.a"], &[], std::slice::from_ref(&file)).expect("good");
        assert!(some.excluded(b"x.o", false) && some.excluded(b"y.a", false));
        assert!(!some.excluded(b"libc.a", false));
        std::fs::write(&file, "ok\n[z-a]\n").expect("file");
        let bad = Excludes::new::<&str>(&[], &[], &[file]);
        assert!(matches!(bad, Err(ExcludeError::Line { line: 2, .. })));
    }

    #[test]
    fn overlaps_are_seen_through_links_and_before_they_exist() {
        let temp = tempfile::tempdir().expect("temp");
        let at = |name: &str| temp.path().join(name);
        std::fs::create_dir_all(at("home/vault/p")).expect("folders");
        std::fs::create_dir_all(at("home2")).expect("folder");
        std::os::unix::fs::symlink(at("home/vault"), at("way")).expect("link");
        let check = |source: &str, protected: &str| overlap(&at(source), &at(protected)).expect("paths");
        assert_eq!(check("home", "home/vault"), Overlap::ProtectedInside);
        assert_eq!(check("home", "way"), Overlap::ProtectedInside);
        assert_eq!(check("home/vault", "home/vault"), Overlap::SourceInside);
        assert_eq!(check("home/vault/p", "way"), Overlap::SourceInside);
        assert_eq!(check("way/p", "home/vault"), Overlap::SourceInside);
        assert_eq!(check("home2", "home"), Overlap::None);
        assert_eq!(check("home", "home/new/cache"), Overlap::ProtectedInside);
        assert_eq!(check("home2", "home/new/cache"), Overlap::None);
        // The link alone is stored, unless a slash asks for the folder behind it.
        assert_eq!(check("way", "home/vault"), Overlap::None);
        assert_eq!(check("way/", "home/vault"), Overlap::SourceInside);
    }
}
