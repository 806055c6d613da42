//! `--include` and `--exclude` of a restore, asked in path order.

use crate::manifest::{is_within, parent_of};
use crate::source::{ExcludeError, Excludes};

/// What is taken of one source.
#[derive(Clone)]
pub(super) struct Select {
    include: Option<Excludes>,
    exclude: Excludes,
    /// The folder that was included last: everything in it is taken.
    within: Option<Vec<u8>>,
    /// The folder that was excluded last: nothing in it is taken.
    without: Option<Vec<u8>>,
}

impl Select {
    /// Compiles the patterns for the source (or part) whose root has the full path `root`. Patterns may be full paths.
    pub(super) fn new(root: &[u8], include: &[String], exclude: &[String]) -> Result<Self, ExcludeError> {
        let compile = |patterns: &[String]| {
            let patterns: Vec<_> = patterns.iter().map(|pattern| below(root, pattern)).collect();
            Excludes::new(&patterns, &[], &[])
        };
        Ok(Self {
            include: (!include.is_empty()).then(|| compile(include)).transpose()?,
            exclude: compile(exclude)?,
            within: None,
            without: None,
        })
    }

    /// Whether everything is taken.
    pub(super) fn is_all(&self) -> bool {
        self.include.is_none() && self.exclude.is_empty()
    }

    /// Whether folders that are not taken themselves may hold something that is.
    pub(super) fn is_sparse(&self) -> bool {
        self.include.is_some()
    }

    /// Whether something is left out inside of folders that are taken.
    pub(super) fn leaves_out(&self) -> bool {
        !self.exclude.is_empty()
    }

    /// Whether the next entry is taken. Entries come in path order.
    pub(super) fn takes(&mut self, path: &[u8], is_dir: bool) -> bool {
        if self.is_all() {
            return true;
        }
        if self.without.as_ref().is_some_and(|top| is_within(top, path)) {
            return false;
        }
        self.without = None;
        if !path.is_empty() && self.exclude.excluded(path, is_dir) {
            self.without = is_dir.then(|| path.to_vec());
            return false;
        }
        let Some(include) = &self.include else {
            return true;
        };
        if self.within.as_ref().is_some_and(|top| is_within(top, path)) {
            return true;
        }
        self.within = None;
        let taken = !path.is_empty() && include.excluded(path, is_dir);
        if taken && is_dir {
            self.within = Some(path.to_vec());
        }
        taken
    }

    /// Whether a path is taken, by itself.
    pub(super) fn takes_alone(&self, path: &[u8], is_dir: bool) -> bool {
        let mut select = Self { within: None, without: None, ..self.clone() };
        let mut above = Vec::new();
        let mut folder = parent_of(path);
        while !folder.is_empty() {
            above.push(folder);
            folder = parent_of(folder);
        }
        above.into_iter().rev().for_each(|folder| {
            select.takes(folder, true);
        });
        select.takes(path, is_dir)
    }
}

/// A pattern that is a full path, made relative to `root`; others as they are.
fn below(root: &[u8], pattern: &str) -> String {
    let (not, bare) = match pattern.strip_prefix('!') {
        Some(bare) => ("!", bare),
        None => ("", pattern),
    };
    let Ok(root) = std::str::from_utf8(root) else {
        return pattern.to_owned();
    };
    if root == "/" || !bare.starts_with('/') {
        return pattern.to_owned();
    }
    let path = bare.trim_end_matches('/');
    if is_within(path.as_bytes(), root.as_bytes()) {
        return format!("{not}/*");
    }
    match bare.strip_prefix(root) {
        Some(rest) if rest.starts_with('/') => format!("{not}{rest}"),
        _ => pattern.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is taken of a small tree.
    fn taken(root: &str, include: &[&str], exclude: &[&str]) -> Vec<&'static str> {
        let owned = |patterns: &[&str]| patterns.iter().map(|p| (*p).to_owned()).collect::<Vec<_>>();
        let mut select = Select::new(root.as_bytes(), &owned(include), &owned(exclude)).expect("patterns");
        let tree: [(&str, bool); 8] = [
            ("", true),
            ("a", true),
            ("a/b", true),
            ("a/b/x.log", false),
            ("a/b/y", false),
            ("a/z", false),
            ("a-b", false),
            ("x.log", false),
        ];
        let alone = select.clone();
        let chosen: Vec<_> =
            tree.into_iter().filter(|(path, dir)| select.takes(path.as_bytes(), *dir)).map(|(path, _)| path).collect();
        for (path, dir) in tree.into_iter().filter(|(path, _)| !path.is_empty()) {
            assert_eq!(alone.takes_alone(path.as_bytes(), dir), chosen.contains(&path), "{path} alone");
        }
        chosen
    }

    #[test]
    fn includes_take_what_is_inside_and_excludes_win() {
        assert_eq!(taken("/r", &["a/b"], &[]), ["a/b", "a/b/x.log", "a/b/y"]);
        assert_eq!(taken("/r", &["a/b"], &["*.log"]), ["a/b", "a/b/y"]);
        assert_eq!(taken("/r", &["*.log"], &[]), ["a/b/x.log", "x.log"]);
        assert_eq!(taken("/r", &[], &["/a"]), ["", "a-b", "x.log"]);
        assert_eq!(taken("/r", &[], &["*.log", "!/x.log"]), ["", "a", "a/b", "a/b/y", "a/z", "a-b", "x.log"]);
        assert_eq!(taken("/r", &[], &[]).len(), 8);
        assert_eq!(taken("/r", &["nothing"], &[]), Vec::<&str>::new());
    }

    #[test]
    fn full_paths_are_patterns_too() {
        assert_eq!(taken("/home/me", &["/home/me/a/b/"], &[]), ["a/b", "a/b/x.log", "a/b/y"]);
        assert_eq!(taken("/home/me", &["/home/me/x.log"], &[]), ["x.log"]);
        assert_eq!(taken("/home/me", &["/home/me"], &["/home/me/a"]), ["a-b", "x.log"]);
        assert_eq!(taken("/home/me", &["/home/men/x.log"], &[]), Vec::<&str>::new());
        assert_eq!(taken("/", &["/a/z"], &[]), ["a/z"]);
    }
}
