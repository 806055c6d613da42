//! `--delete`: what is below the root of a source but not in its snapshot. Never anything else.
use rustix::fs::AtFlags;
use rustix::io::Errno;
use std::cmp::Ordering;
use vault_format::{Kind, path_cmp};

use super::error::{RawPath, TargetError};
use super::folder::{join, split};
use super::meta::Seen;
use super::{Root, Shared, lock};

/// Something below the root of a source that its snapshot does not have. A folder stands for all that is in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Extra {
    /// The path below the source's root.
    pub path: Vec<u8>,
    /// What it is.
    pub kind: Kind,
}

impl Root {
    /// Lists what is below this root but not among the entries of the snapshot; removes nothing.
    ///
    /// `keep` are all entries (path and kind) of the source in `path_cmp` order, the root first. An error from it, an order
    /// that is wrong or a missing root ends the search: a list that is not whole must not delete anything. Folders that
    /// this run has made are not searched, so to be called after all entries were begun, or in a dry run.
    pub fn find_extra<E: From<TargetError>>(
        &self,
        keep: impl IntoIterator<Item = Result<(Vec<u8>, Kind), E>>,
    ) -> Result<Vec<Extra>, E> {
        let mut keep = Keep { items: keep.into_iter(), next: None };
        keep.advance()?;
        match &keep.next {
            Some((path, Kind::Dir)) if path.is_empty() => {}
            // A source that is a single file has nothing below it.
            Some((path, _)) if path.is_empty() => return Ok(Vec::new()),
            other => {
                let path = other.as_ref().map(|(path, _)| path.clone()).unwrap_or_default();
                return Err(TargetError::KeepOrder { path: RawPath(path) }.into());
            }
        }
        let mut extras = Vec::new();
        let mut levels = vec![self.level(Vec::new())?];
        while let Some((folder, names)) = levels.last_mut() {
            let Some((name, kind)) = names.next() else {
                levels.pop();
                continue;
            };
            let path = join(folder, &name)?;
            match keep.find(&path)? {
                Some(Kind::Dir) if kind == Kind::Dir => levels.push(self.level(path)?),
                Some(_) => {}
                None if self.is_ours(&path)? => {}
                None => extras.push(Extra { path, kind }),
            }
        }
        // To the end: an error that comes late makes the whole list void.
        while keep.next.is_some() {
            keep.advance()?;
        }
        Ok(extras)
    }

    /// Removes what [`Root::find_extra`] listed, and returns what is gone. What cannot be removed is a problem of the
    /// target. Other file systems mounted inside are not entered. Does nothing in a dry run.
    pub fn remove_extra(&self, extras: &[Extra]) -> Vec<Extra> {
        if self.shared.options.dry_run {
            return Vec::new();
        }
        let remove = |extra: &&Extra| {
            let removed = match join(&self.base, &extra.path) {
                Ok(path) if !extra.path.is_empty() => self.shared.remove_tree(&path),
                Ok(path) => Err(TargetError::BadPath { path: RawPath(path), what: "the root itself stays" }),
                Err(error) => Err(error),
            };
            removed.map_err(|error| self.shared.problem(&extra.path, "remove it", std::io::Error::other(error))).is_ok()
        };
        extras.iter().filter(remove).cloned().collect()
    }

    /// The names in one folder below the root: none where this run started from nothing.
    fn level(&self, path: Vec<u8>) -> Result<Level, TargetError> {
        let full = join(&self.base, &path)?;
        let names = match self.shared.find_folder(&full)? {
            Some(folder) if !folder.is_fresh() && !self.shared.was_fresh(&full) => {
                folder.list().map_err(|error| TargetError::io(&full, "list the folder", error))?
            }
            _ => Vec::new(),
        };
        Ok((path, names.into_iter()))
    }

    /// Whether this run has made it, under a name that the file system takes for the same.
    fn is_ours(&self, path: &[u8]) -> Result<bool, TargetError> {
        let full = join(&self.base, path)?;
        let (folder, name) = split(&full);
        let Some(folder) = self.shared.find_folder(folder)? else {
            return Ok(false);
        };
        let seen = Seen::at(&*folder, name).map_err(|error| TargetError::io(&full, "look at it", error))?;
        Ok(seen.is_some_and(|seen| (seen.links < 2 || seen.kind == Kind::Dir) && lock(&self.shared.made).has(&seen)))
    }
}

impl Shared {
    /// Removes whatever is at `path`, folders with all they hold, without following links or entering other file systems.
    pub(super) fn remove_tree(&self, path: &[u8]) -> Result<(), TargetError> {
        let (folder_path, name) = split(path);
        let Some(folder) = self.find_folder(folder_path)? else {
            return Ok(());
        };
        let failed = |path: &[u8], error| TargetError::io(path, "remove it", error);
        let device = folder.id.0;
        match Seen::at(&*folder, name).map_err(|error| failed(path, error))? {
            None => return Ok(()),
            Some(seen) if seen.kind == Kind::Dir => {}
            Some(_) => {
                return rustix::fs::unlinkat(&*folder, name, AtFlags::empty()).map_err(|error| failed(path, error));
            }
        }
        // No recursion and no open folder a level: hostile trees are deep.
        let mut levels = vec![(path.to_vec(), self.names_to_remove(path, device)?)];
        while let Some((here, names)) = levels.last_mut() {
            if let Some((name, kind)) = names.next() {
                let child = join(here, &name)?;
                if kind == Kind::Dir {
                    let names = self.names_to_remove(&child, device)?;
                    levels.push((child, names));
                } else if let Some(folder) = self.find_folder(here)? {
                    rustix::fs::unlinkat(&*folder, &name, AtFlags::empty()).map_err(|error| failed(&child, error))?;
                }
                continue;
            }
            let (folder_path, name) = split(here);
            if let Some(folder) = self.find_folder(folder_path)? {
                rustix::fs::unlinkat(&*folder, name, AtFlags::REMOVEDIR).map_err(|error| failed(here, error))?;
            }
            self.forget_folders(here);
            levels.pop();
        }
        Ok(())
    }

    fn names_to_remove(&self, path: &[u8], device: u64) -> Result<std::vec::IntoIter<(Vec<u8>, Kind)>, TargetError> {
        let Some(folder) = self.find_folder(path)? else {
            return Ok(Vec::new().into_iter());
        };
        if folder.id.0 != device {
            return Err(TargetError::io(path, "enter another file system", Errno::XDEV));
        }
        let names = folder.list().map_err(|error| TargetError::io(path, "list the folder", error))?;
        Ok(names.into_iter())
    }
}

/// The path of a folder below the root, and the names in it yet to be looked at.
type Level = (Vec<u8>, std::vec::IntoIter<(Vec<u8>, Kind)>);

/// The entries to keep, read forward only.
struct Keep<I> {
    items: I,
    next: Option<(Vec<u8>, Kind)>,
}

impl<E: From<TargetError>, I: Iterator<Item = Result<(Vec<u8>, Kind), E>>> Keep<I> {
    fn advance(&mut self) -> Result<(), E> {
        let last = self.next.take();
        self.next = self.items.next().transpose()?;
        if let (Some((last, _)), Some((next, _))) = (&last, &self.next)
            && path_cmp(last, next) != Ordering::Less
        {
            return Err(TargetError::KeepOrder { path: RawPath(next.clone()) }.into());
        }
        Ok(())
    }

    fn find(&mut self, path: &[u8]) -> Result<Option<Kind>, E> {
        while let Some((next, kind)) = &self.next {
            match path_cmp(next, path) {
                Ordering::Less => self.advance()?,
                Ordering::Equal => return Ok(Some(*kind)),
                Ordering::Greater => break,
            }
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::*;
    use super::super::*;
    use super::*;
    use std::fs;

    fn keep(items: &[(&str, Kind)]) -> Vec<Result<(Vec<u8>, Kind), TargetError>> {
        items.iter().map(|(path, kind)| Ok((path.as_bytes().to_vec(), *kind))).collect()
    }

    fn paths(extras: &[Extra]) -> Vec<String> {
        extras.iter().map(|extra| String::from_utf8_lossy(&extra.path).into_owned()).collect()
    }

    fn tree() -> Place {
        let place = Place::new();
        fs::create_dir(place.outside()).unwrap();
        fs::write(place.outside().join("precious"), "x").unwrap();
        for folder in ["home/u/app/a", "home/u/app/gone/deep", "home/u/sibling", "home/u/app-2"] {
            fs::create_dir_all(place.path(folder)).unwrap();
        }
        for file in ["app/a/keep", "app/a/extra", "app/a-b", "app/gone/deep/f", "sibling/f", "app-2/f", "f"] {
            fs::write(place.path("home/u").join(file), "x").unwrap();
        }
        link_to(&place.outside(), place.path("home/u/app/gone/link"));
        link_to(&place.outside(), place.path("home/u/app/kept-link"));
        place
    }

    #[test]
    fn only_what_is_below_the_root_goes() {
        let place = tree();
        let target = place.target(Overwrite::Always);
        let root = target.root(b"home/u/app", OwnerMap::numeric()).unwrap();
        let list = keep(&[
            ("", Kind::Dir),
            ("a", Kind::Dir),
            ("a/keep", Kind::File),
            ("a-b", Kind::File),
            ("kept-link", Kind::Dir),
            ("kept-link/precious-not", Kind::File),
            ("missing", Kind::Dir),
            ("missing/too", Kind::File),
        ]);
        let extras = root.find_extra(list).unwrap();
        assert_eq!(paths(&extras), ["a/extra", "gone"]);
        assert!(place.path("home/u/app/gone/deep/f").exists(), "finding removes nothing");
        assert_eq!(root.remove_extra(&extras), extras);
        assert_eq!(place.names("home/u/app"), ["a", "a-b", "kept-link"]);
        assert_eq!(place.names("home/u/app/a"), ["keep"]);
        assert_eq!(place.names("home/u"), ["app", "app-2", "f", "sibling"]);
        assert!(place.path("home/u/sibling/f").exists() && place.path("home/u/app-2/f").exists());
        assert!(place.outside().join("precious").exists());
        assert!(target.take_problems().is_empty());
    }

    #[test]
    fn a_list_that_is_not_whole_deletes_nothing() {
        let place = tree();
        let root = place.target(Overwrite::Always).root(b"home/u/app", OwnerMap::numeric()).unwrap();
        let order = |list| matches!(root.find_extra(list), Err(TargetError::KeepOrder { .. }));
        assert!(order(keep(&[])));
        assert!(order(keep(&[("a", Kind::Dir)])));
        assert!(order(keep(&[("", Kind::Dir), ("z", Kind::File), ("a", Kind::Dir)])));
        assert!(order(keep(&[("", Kind::Dir), ("a-b", Kind::File), ("a/keep", Kind::File)])));
        assert!(order(keep(&[("", Kind::Dir), ("zz", Kind::File), ("zz", Kind::File)])));
        let mut broken = keep(&[("", Kind::Dir), ("zz", Kind::File)]);
        broken.push(Err(TargetError::NoSpace { path: RawPath(Vec::new()) }));
        assert!(matches!(root.find_extra(broken), Err(TargetError::NoSpace { .. })));
        assert!(root.find_extra(keep(&[("", Kind::File)])).unwrap().is_empty());
    }

    #[test]
    fn the_root_and_what_is_above_cannot_be_named() {
        let place = tree();
        let target = place.target(Overwrite::Always);
        let root = target.root(b"home/u/app", OwnerMap::numeric()).unwrap();
        for path in ["", "..", "../sibling", "a/../../sibling", "/home", "kept-link/precious"] {
            let extra = Extra { path: path.into(), kind: Kind::Dir };
            assert!(root.remove_extra(&[extra]).is_empty(), "{path}");
        }
        assert_eq!(target.take_problems().len(), 6);
        assert!(place.path("home/u/sibling/f").exists() && place.path("home/u/app/a/keep").exists());
        assert!(place.outside().join("precious").exists());
    }

    #[test]
    fn what_was_just_restored_is_no_extra() {
        let place = tree();
        let target = place.target(Overwrite::Always);
        let root = target.root(b"home/u/app", OwnerMap::numeric()).unwrap();
        // As on a file system that folds case: the name on disk is not the one in the list.
        root.write_small(&file("a/extra", 1), b"y").unwrap();
        root.write_small(&file("new/x", 1), b"y").unwrap();
        let extras = root.find_extra(keep(&[("", Kind::Dir), ("a", Kind::Dir), ("new", Kind::Dir)])).unwrap();
        assert_eq!(paths(&extras), ["a/keep", "a-b", "gone", "kept-link"]);
    }
}
