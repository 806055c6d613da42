//! Owners: a node has few, and neighbours mostly share one, so the id of the entry before is looked at first.

use crate::error::FormatError;
use crate::limits;
use crate::read::{Reader, at_most, put_lp, put_varint};

/// An id that a name may exist for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Owner {
    /// A user id.
    User(u32),
    /// A group id.
    Group(u32),
}

#[derive(Default)]
pub(super) struct OwnerSet {
    ids: Vec<u32>,
    last: Option<u32>,
}

impl OwnerSet {
    pub(super) fn insert(&mut self, id: u32) {
        if self.last != Some(id) {
            self.last = Some(id);
            if let Err(at) = self.ids.binary_search(&id) {
                self.ids.insert(at, id);
            }
        }
    }

    /// `count varint | (id varint | lp(name))...`; names that a reader would refuse, or that go past the limit, are left out.
    pub(super) fn names(&self, name: impl Fn(u32) -> Option<String>) -> Vec<u8> {
        let (mut count, mut names) = (0, Vec::new());
        for &id in &self.ids {
            let name = name(id).filter(|name| !name.is_empty() && name.len() <= limits::OWNER_NAME);
            let before = names.len();
            if let Some(name) = name {
                put_varint(&mut names, u64::from(id));
                put_lp(&mut names, name.as_bytes());
                count += 1;
            }
            if names.len() > limits::OWNERS {
                names.truncate(before);
                count -= 1;
                break;
            }
        }
        let mut out = Vec::with_capacity(names.len() + 2);
        put_varint(&mut out, count);
        out.extend_from_slice(&names);
        out
    }

    pub(super) fn clear(&mut self) {
        self.ids.clear();
        self.last = None;
    }
}

pub(super) struct OwnerNames {
    names: Vec<(u32, Vec<u8>)>,
    used: Vec<bool>,
    last: Option<u32>,
}

impl OwnerNames {
    pub(super) fn read(reader: &mut Reader<'_>, entries: usize) -> Result<Self, FormatError> {
        const WHAT: &str = "owner names";
        let count = reader.varint_to(entries as u64, WHAT)? as usize;
        reader.room(count, 3, WHAT)?;
        let left = reader.left();
        let mut names: Vec<(u32, Vec<u8>)> = Vec::with_capacity(count);
        for _ in 0..count {
            let id = reader.varint_u32("owner")?;
            let name = reader.lp(limits::OWNER_NAME, "owner name")?;
            at_most(left - reader.left(), limits::OWNERS, WHAT)?;
            if name.is_empty() {
                return Err(FormatError::Invalid { what: "owner name" });
            }
            if names.last().is_some_and(|(before, _)| *before >= id) {
                return Err(FormatError::Order { what: "owners" });
            }
            names.push((id, name.to_vec()));
        }
        Ok(Self { names, used: vec![false; count], last: None })
    }

    pub(super) fn mark(&mut self, id: u32) {
        if self.last != Some(id) {
            self.last = Some(id);
            if let Ok(at) = self.names.binary_search_by_key(&id, |(id, _)| *id) {
                self.used[at] = true;
            }
        }
    }

    pub(super) fn all_used(self) -> Result<Vec<(u32, Vec<u8>)>, FormatError> {
        if self.used.iter().all(|used| *used) {
            Ok(self.names)
        } else {
            Err(FormatError::Invalid { what: "owner that no entry has" })
        }
    }
}
