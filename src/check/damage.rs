//! Damage, by object, with the files that suffer.

use std::collections::HashMap;

use crate::watch::Watch;

/// An object that is damaged or missing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// Its path in the store; "the index" for chunks that no index names; a text for what is missing of one device beyond the
    /// first 20 tables, or packs.
    pub object: String,
    /// What is wrong with it.
    pub reason: String,
    /// The first files that suffer: short id of the snapshot, and full path. Where a part of a snapshot's tree is lost, a text
    /// names the range of paths that are unknown.
    pub files: Vec<(String, Vec<u8>)>,
    /// Further files.
    pub more_files: u64,
}

/// All damage found so far.
pub(super) struct Damages<'a> {
    watch: &'a Watch<'a>,
    list: Vec<Damage>,
    places: HashMap<String, usize>,
    /// Groups of which more is missing than is named one by one, and how much.
    missing: HashMap<String, u64>,
}

/// A number in the list.
pub(super) type DamageNumber = usize;

impl<'a> Damages<'a> {
    pub(super) fn new(watch: &'a Watch<'a>) -> Self {
        Self { watch, list: Vec::new(), places: HashMap::new(), missing: HashMap::new() }
    }

    /// An object is damaged. What was found first about it stays.
    pub(super) fn add(&mut self, object: &str, reason: &str) -> DamageNumber {
        if let Some(number) = self.places.get(object) {
            return *number;
        }
        self.watch.problem(object.as_bytes(), reason);
        self.places.insert(object.to_owned(), self.list.len());
        self.list.push(Damage {
            object: object.to_owned(),
            reason: reason.to_owned(),
            files: Vec::new(),
            more_files: 0,
        });
        self.list.len() - 1
    }

    /// An object of a group is missing. The first of each group are named, the others counted: whoever signs names can sign a
    /// million of what does not exist.
    pub(super) fn add_missing(&mut self, group: String, object: &str, reason: &str) -> DamageNumber {
        let count = self.missing.entry(group.clone()).or_default();
        *count += 1;
        if *count <= MISSING_NAMED { self.add(object, reason) } else { self.add(&group, "more of them are missing") }
    }

    pub(super) fn find(&self, object: &str) -> Option<DamageNumber> {
        self.places.get(object).copied()
    }

    /// A file suffers, or `count` of them under one name.
    pub(super) fn suffers(&mut self, number: DamageNumber, snapshot: &str, path: Vec<u8>, count: u64) {
        let damage = &mut self.list[number];
        if damage.files.len() < FILES_NAMED {
            damage.files.push((snapshot.to_owned(), path));
            damage.more_files += count.saturating_sub(1);
        } else {
            damage.more_files += count;
        }
    }

    pub(super) fn finish(mut self) -> Vec<Damage> {
        for (group, count) in &self.missing {
            if let Some(&number) = self.places.get(group) {
                self.list[number].reason = format!("{} more of them are missing", count - MISSING_NAMED);
            }
        }
        self.list
    }
}

/// Files that a report names for one object.
const FILES_NAMED: usize = 20;
/// Missing objects of one kind and device that a report names.
const MISSING_NAMED: u64 = 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_is_reported_once_and_names_twenty_files() {
        let watch = Watch::new();
        let mut damages = Damages::new(&watch);
        let a = damages.add("a", "missing");
        let b = damages.add("b", "flipped");
        assert_eq!(damages.add("a", "something else"), a);
        for n in 0..25u8 {
            damages.suffers(a, "12345678", vec![n], 1);
        }
        damages.suffers(b, "12345678", b"everything".to_vec(), 10);
        assert_eq!((damages.find("b"), damages.find("c")), (Some(b), None));
        let list = damages.finish();
        assert_eq!((list[0].reason.as_str(), list[0].files.len(), list[0].more_files), ("missing", 20, 5));
        assert_eq!((list[1].files.len(), list[1].more_files), (1, 9));
    }

    #[test]
    fn of_what_is_missing_twenty_are_named_and_the_others_counted() {
        let watch = Watch::new();
        let mut damages = Damages::new(&watch);
        for n in 0..50 {
            damages.add_missing("tables of a".into(), &format!("a/{n}"), "missing");
        }
        for n in 0..20 {
            damages.add_missing("tables of b".into(), &format!("b/{n}"), "missing");
        }
        let list = damages.finish();
        assert_eq!(list.len(), 41);
        let more = ("tables of a", "30 more of them are missing");
        assert_eq!((list[20].object.as_str(), list[20].reason.as_str()), more);
    }
}
