//! Other places in the same bucket or folder, where further vaults may be. Whoever runs the store, or writes to it, decides
//! what there is: everything here is bounded in requests and in memory.

use super::folder::{Folder, entries};
use super::transport::traffic::Kind;
use super::{Inner, Listed, Store, StoreError};
use bytes::Bytes;
use futures::{StreamExt, TryStreamExt};
use object_store::{GetOptions, path::Path};
use std::collections::BTreeSet;
use std::io::Read;
use std::time::Duration;
use std::{fs, io};
use vault_format::name::ObjectName;

/// Names below a prefix of a place: the first ones, ascending, each once.
#[derive(Debug, Default)]
pub(crate) struct FirstNames {
    pub(crate) objects: Vec<Listed>,
    /// There may be more than were asked for.
    pub(crate) more: bool,
}

impl Store {
    /// The names of what is like a folder directly below this place, ascending: one listing, however much is in them.
    pub(crate) fn places(&self) -> Result<Vec<String>, StoreError> {
        let names = match &self.0.folder {
            Some(folder) => self.0.local(Kind::List, "", || folders(folder))?,
            None => self.run(self.0.places())?,
        };
        Ok(names.into_iter().collect())
    }

    /// At most the first `most` objects below a prefix of a place, such as [`vault_format::name::roster_prefix`], where there
    /// is an offset those after it. The place with an empty name is this one.
    pub(crate) fn list_in(
        &self,
        place: &str,
        prefix: &str,
        offset: Option<&str>,
        most: usize,
    ) -> Result<FirstNames, StoreError> {
        let mut names = match &self.0.folder {
            Some(folder) => self.0.local(Kind::List, &join(place, prefix), || files(folder, place, prefix, most))?,
            None => self.run(self.0.list_in(place, prefix, offset, most))?,
        };
        names.objects.sort_unstable();
        names.objects.dedup_by_key(|object| object.name);
        Ok(names)
    }

    /// A whole object of a place as the store gave it.
    pub(crate) fn get_in(&self, place: &str, name: &ObjectName) -> Result<Bytes, StoreError> {
        let got = match &self.0.folder {
            Some(folder) => self.0.local(Kind::Get, &join(place, &name.to_path()), || file(folder, place, name))?,
            None => self.run(self.0.get_in(place, name))?,
        };
        let at = || format!("{}/{}", self.label(), join(place, &name.to_path()));
        got.map_err(|size| StoreError::TooLarge { at: at(), size, limit: name.limit() })
    }
}

impl Inner {
    async fn places(&self) -> Result<BTreeSet<String>, StoreError> {
        let pages = || self.counters.read().list.requests;
        let list = || async {
            let before = pages();
            let endless = async {
                while pages().saturating_sub(before) <= PAGES {
                    tokio::time::sleep(LOOK).await;
                }
            };
            // The library collects pages for as long as the store says that there are more.
            tokio::select! {
                listed = self.once(Kind::List, self.objects.list_with_delimiter(None)) => listed.map(Some),
                () = endless => Ok(None),
            }
        };
        let listed = self.repeat(list, |failed| self.sort_list("", failed)).await?;
        let Some(listed) = listed else {
            let source = "more names are here than can be looked at: name a place with fewer of them".into();
            return Err(StoreError::Other { at: self.at_prefix(""), source });
        };
        let last = |path: &Path| path.filename().map(str::to_owned);
        Ok(listed.common_prefixes.iter().filter_map(last).collect())
    }

    async fn list_in(
        &self,
        place: &str,
        prefix: &str,
        offset: Option<&str>,
        most: usize,
    ) -> Result<FirstNames, StoreError> {
        let path = self.path_in(place, prefix)?;
        let offset = offset.map(|offset| self.path_in(place, offset)).transpose()?;
        let list = || async {
            let metas = match &offset {
                Some(offset) => self.objects.list_with_offset(Some(&path), offset),
                None => self.objects.list(Some(&path)),
            };
            let listed = self.once(Kind::List, metas.take(most).try_collect::<Vec<_>>());
            // Pages without a name on them could come for ever.
            match tokio::time::timeout(LIST_TIME, listed).await {
                Ok(listed) => listed.map(Some),
                Err(_) => Ok(None),
            }
        };
        let metas = self.repeat(list, |failed| self.sort_list(&join(place, prefix), failed)).await?;
        let metas = metas.ok_or_else(|| StoreError::Other {
            at: self.at_prefix(&join(place, prefix)),
            source: "the listing does not end".into(),
        })?;
        let base = if place.is_empty() { String::new() } else { format!("{place}/") };
        let objects = metas.iter().filter_map(|meta| {
            let name = ObjectName::parse(meta.location.as_ref().strip_prefix(&*base)?)?;
            Some(Listed { name, size: meta.size })
        });
        Ok(FirstNames { objects: objects.collect(), more: metas.len() >= most })
    }

    /// The bytes, or only the size where that is over the limit.
    async fn get_in(&self, place: &str, name: &ObjectName) -> Result<Result<Bytes, u64>, StoreError> {
        let path = self.path_in(place, &name.to_path())?;
        let get = || async {
            let read = async {
                let result = self.objects.get_opts(&path, GetOptions::default()).await?;
                match result.meta.size {
                    size if size > name.limit() => Ok(Err(size)),
                    _ => result.bytes().await.map(Ok),
                }
            };
            self.once(Kind::Get, read).await
        };
        self.repeat(get, |failed| {
            let at = format!("{}/{}", self.label, join(place, &name.to_path()));
            StoreError::sort_reply(at, failed.error, &failed.reply)
        })
        .await
    }

    /// As the store listed it, and not encoded once more.
    fn path_in(&self, place: &str, path: &str) -> Result<Path, StoreError> {
        let path = join(place, path);
        Path::parse(&path).map_err(|error| StoreError::Other { at: self.at_prefix(&path), source: error.into() })
    }
}

fn join(place: &str, path: &str) -> String {
    if place.is_empty() { path.to_owned() } else { format!("{place}/{path}") }
}

fn folders(folder: &Folder) -> io::Result<BTreeSet<String>> {
    let mut names = BTreeSet::new();
    for entry in entries(folder.root())?.take(ENTRIES) {
        let entry = entry?;
        // A name that is no text is in no URL either.
        if let (true, Ok(name)) = (entry.path().is_dir(), entry.file_name().into_string()) {
            names.insert(name);
        }
    }
    folder.check_present()?;
    Ok(names)
}

fn files(folder: &Folder, place: &str, prefix: &str, most: usize) -> io::Result<FirstNames> {
    let mut names = FirstNames::default();
    for entry in entries(&folder.root().join(place).join(prefix))?.take(ENTRIES) {
        let entry = entry?;
        let name = entry.file_name().into_string().ok().and_then(|name| ObjectName::parse(&format!("{prefix}/{name}")));
        let Some(name) = name else { continue };
        // A link is followed, as reads follow it; what went away meanwhile was not there.
        match fs::metadata(entry.path()) {
            Ok(metadata) if metadata.is_file() => names.objects.push(Listed { name, size: metadata.len() }),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    names.objects.sort_unstable();
    names.more = names.objects.len() > most;
    names.objects.truncate(most);
    Ok(names)
}

fn file(folder: &Folder, place: &str, name: &ObjectName) -> io::Result<Result<Bytes, u64>> {
    let path = folder.root().join(place).join(name.to_path());
    // A pipe in its place would be waited for.
    if !fs::metadata(&path)?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "it is no file"));
    }
    let file = fs::File::open(&path)?;
    let size = file.metadata()?.len();
    if size > name.limit() {
        return Ok(Err(size));
    }
    let mut bytes = Vec::new();
    file.take(name.limit()).read_to_end(&mut bytes)?;
    Ok(Ok(bytes.into()))
}

/// Pages of the listing of a place. S3 and Google have 1,000 names on each, Azure 5,000.
const PAGES: u64 = 64;
/// How often pages are counted.
const LOOK: Duration = Duration::from_millis(50);
/// How long the list of one place may take: a page or two.
const LIST_TIME: Duration = Duration::from_secs(120);
/// Entries of a local folder that are looked at.
const ENTRIES: usize = 1 << 17;
