//! The requests of a store, each with its repetitions: what a failure means, and what is done about it.

use super::error;
use super::folder::Folder;
use super::retry::Retry;
use super::transport::reply::{self, CALL, Call, Failure, Reply};
use super::transport::traffic::Kind;
use super::{FullPack, Inner, Listed, Listing, PROBE_PREFIX, StoreError, StoredPack};
use bytes::Bytes;
use futures::{StreamExt, TryStreamExt};
use object_store::{
    Attribute, Error as LibraryError, GetOptions, GetRange, ObjectMeta, ObjectStoreExt, PutMode, PutOptions, path::Path,
};
use std::io;
use std::ops::Range;
use std::sync::atomic::Ordering::Relaxed;
use vault_format::name::{self, ObjectName, PackName};

/// A request that failed, and what the transport saw of it.
pub(super) struct Failed {
    pub(super) error: LibraryError,
    pub(super) reply: Reply,
}

impl Inner {
    pub(super) async fn put_pack(&self, pack: FullPack) -> Result<StoredPack, StoreError> {
        let size = pack.bytes.len() as u64;
        self.put(&ObjectName::Pack(pack.name), pack.bytes).await?;
        Ok(StoredPack::new(pack.name, size, pack.segments))
    }

    /// Stores an object under its own name. Whatever the store says, what counts is what it has then.
    pub(super) async fn put(&self, name: &ObjectName, bytes: Bytes) -> Result<(), StoreError> {
        // Whether an attempt of ours was applied and spoilt what it wrote.
        let mut spoilt = false;
        let result = self.put_until_stored(name, bytes.clone(), &mut spoilt).await;
        // Looked at once more: a last attempt, or somebody else, may have put the right bytes there. What cannot be deleted is
        // compared with its name before it is relied on.
        if result.is_err() && spoilt && matches!(self.compare_once(name, &bytes).await, Err(StoreError::Damaged { .. }))
        {
            let _ = self.once(Kind::Delete, self.objects.delete(&Self::path(name))).await;
        }
        result
    }

    async fn put_until_stored(&self, name: &ObjectName, bytes: Bytes, spoilt: &mut bool) -> Result<(), StoreError> {
        let size = bytes.len() as u64;
        if size > name.limit() {
            return Err(StoreError::TooLarge { at: self.at(name), size, limit: name.limit() });
        }
        let mut retry = self.health.retry();
        // Whether an attempt of ours may have been applied.
        let mut maybe_ours = false;
        loop {
            let creates = self.creates.load(Relaxed) && !*spoilt;
            let mode = if creates { PutMode::Create } else { PutMode::Overwrite };
            let Err(Failed { error, reply }) = self.write(name, bytes.clone(), mode).await else { return Ok(()) };
            let error = match error {
                error if creates && refuses_create(&error, &reply) => {
                    self.creates.store(false, Relaxed);
                    continue;
                }
                LibraryError::AlreadyExists { .. } | LibraryError::Precondition { .. } if reply.is_final_conflict() => {
                    match self.compare(name, &bytes).await {
                        // Another writer was faster, and failed, or deleted it.
                        Err(StoreError::NotFound { at }) => StoreError::Unreachable {
                            at,
                            source: "the store refuses to create what is not there".into(),
                        },
                        // Names are hashes: nobody else stores these bytes wrong by accident.
                        Err(StoreError::Damaged { .. }) if maybe_ours => {
                            *spoilt = true;
                            continue;
                        }
                        result => return result,
                    }
                }
                error => self.sort(name, Failed { error, reply: reply.clone() }),
            };
            // Swift has a page for the slower of two who write one object at once, and so has a proxy in the way.
            if matches!(error, StoreError::NotAStore { .. }) {
                return self.compare_once(name, &bytes).await.map_err(|_| error);
            }
            if !matches!(error, StoreError::Unreachable { .. } | StoreError::Other { .. }) {
                return Err(error);
            }
            let is_ambiguous = reply.may_be_applied();
            maybe_ours |= is_ambiguous;
            *spoilt |= reply.failure == Some(Failure::Checksum);
            if let Err(error) = retry.after(error, &reply).await {
                // The reply may be lost and not the write: look before deciding.
                return match is_ambiguous && !*spoilt {
                    true => self.compare_once(name, &bytes).await.map_err(|_| error),
                    false => Err(error),
                };
            }
            self.counters.retry();
            // It is cheaper to look than to send a pack again.
            if is_ambiguous && !*spoilt && size > WORTH_A_LOOK && self.has_size(name, size).await {
                match self.compare(name, &bytes).await {
                    Err(StoreError::NotFound { .. }) => {}
                    Err(StoreError::Damaged { .. }) => *spoilt = true,
                    result => return result,
                }
            }
        }
    }

    /// Puts the right bytes in the place of wrong ones.
    pub(super) async fn overwrite(&self, name: &ObjectName, bytes: Bytes) -> Result<(), StoreError> {
        self.repeat(|| self.write(name, bytes.clone(), PutMode::Overwrite), |failed| self.sort(name, failed)).await
    }

    pub(super) async fn get(&self, name: &ObjectName) -> Result<Bytes, StoreError> {
        let got = self.repeat(|| self.read(name), |failed| self.sort(name, failed)).await?;
        self.within_limit(name, got)
    }

    pub(super) async fn get_range(&self, name: &ObjectName, range: Range<u64>) -> Result<Bytes, StoreError> {
        let len = range.end - range.start;
        if len > name.limit() {
            return Err(StoreError::TooLarge { at: self.at(name), size: len, limit: name.limit() });
        }
        let short = || self.damaged(name, "it is shorter than what is said to be in it");
        let mut retry = self.health.retry();
        loop {
            let failed = match self.read_range(name, range.clone()).await {
                Ok(bytes) if bytes.len() as u64 == len => return Ok(bytes),
                Ok(_) => return Err(short()),
                Err(failed) => failed,
            };
            let reply = failed.reply.clone();
            let error = self.sort(name, failed);
            // A range beyond the end is an error without a name in the library.
            if reply.status == Some(416) {
                return Err(short());
            }
            let is_clear = error.is_transient() && self.remote.is_some();
            if !is_clear && matches!(self.look(name).await, Ok(size) if size < range.end) {
                return Err(short());
            }
            retry.after(error, &reply).await?;
            self.counters.retry();
        }
    }

    pub(super) async fn head(&self, name: &ObjectName) -> Result<u64, StoreError> {
        self.repeat(|| self.look(name), |failed| self.sort(name, failed)).await
    }

    pub(super) async fn delete(&self, name: &ObjectName) -> Result<(), StoreError> {
        let delete = || async { self.once(Kind::Delete, self.objects.delete(&Self::path(name))).await };
        self.repeat(delete, |failed| self.sort(name, failed)).await
    }

    /// The names of the folders directly below a prefix.
    pub(super) async fn folders(&self, prefix: &str) -> Result<Vec<String>, StoreError> {
        let path = Path::from(prefix);
        let list = || async { self.once(Kind::List, self.objects.list_with_delimiter(Some(&path))).await };
        let result = self.repeat(list, |failed| self.sort_list(prefix, failed)).await?;
        let last = |path: &Path| path.filename().unwrap_or_default().to_owned();
        Ok(result.common_prefixes.iter().map(last).collect())
    }

    /// Everything below a prefix, from an offset on where there is one. A listing that breaks off goes on where it was.
    pub(super) async fn list(&self, prefix: &str, offset: Option<String>) -> Result<Listing, StoreError> {
        let path = Path::from(prefix);
        let mut pages = Pages::after(offset.map(Path::from));
        let mut retry = self.health.retry();
        loop {
            let before = pages.seen;
            let failed = match self.once(Kind::List, self.list_on(&path, &mut pages)).await {
                Ok(Ok(())) => return Ok(pages.listing),
                Ok(Err(what)) => return Err(StoreError::Listing { at: self.at_prefix(prefix), what }),
                Err(failed) => failed,
            };
            let reply = failed.reply.clone();
            let error = self.sort_list(prefix, failed);
            match pages.sorted {
                true if pages.seen > before => retry.progressed(),
                true => {}
                // Nobody knows what was left out.
                false => pages = Pages::after(pages.offset),
            }
            retry.after(error, &reply).await?;
            self.counters.retry();
        }
    }

    /// The first names of a listing of everything. One page is enough: where the vault's own names begin, they are found
    /// as such.
    pub(super) async fn strangers(&self) -> Result<Vec<String>, StoreError> {
        let (prefix, probes) = (Path::from(name::prefix()), Path::from(PROBE_PREFIX));
        let first = || async {
            let names = self.objects.list(None).take(MOST_PROBED).map_ok(|meta| meta.location).try_take_while(|path| {
                let stranger = !path.prefix_matches(&prefix);
                futures::future::ready(Ok(stranger))
            });
            let names = names.try_filter(|path| futures::future::ready(!path.prefix_matches(&probes)));
            let names = names.take(8).map_ok(|path| path.to_string()).try_collect();
            self.once(Kind::List, names).await
        };
        self.repeat(first, |failed| self.sort_list("", failed)).await
    }

    /// An operation on a folder that does without the library.
    pub(super) fn local<T>(&self, kind: Kind, path: &str, f: impl FnOnce() -> io::Result<T>) -> Result<T, StoreError> {
        self.counters.request(kind);
        f().map_err(|e| StoreError::sort_io(self.at_prefix(path), e.into()))
    }

    pub(super) fn at(&self, name: &ObjectName) -> String {
        format!("{}/{}", self.label, name.to_path())
    }

    pub(super) fn damaged(&self, name: &ObjectName, what: &'static str) -> StoreError {
        StoreError::Damaged { at: self.at(name), name: *name, what }
    }

    /// Whether what is stored is what was to be stored.
    async fn compare(&self, name: &ObjectName, bytes: &Bytes) -> Result<(), StoreError> {
        self.is_same(name, bytes, self.get(name).await?)
    }

    async fn compare_once(&self, name: &ObjectName, bytes: &Bytes) -> Result<(), StoreError> {
        let got = self.read(name).await.map_err(|failed| self.sort(name, failed))?;
        self.is_same(name, bytes, self.within_limit(name, got)?)
    }

    fn is_same(&self, name: &ObjectName, bytes: &Bytes, stored: Bytes) -> Result<(), StoreError> {
        if stored != bytes {
            return Err(self.damaged(name, "other bytes are stored under its name"));
        }
        let sync = |folder: &Folder| folder.sync(&name.to_path());
        self.folder.as_ref().map_or(Ok(()), sync).map_err(|e| StoreError::sort_io(self.at(name), e.into()))
    }

    async fn has_size(&self, name: &ObjectName, size: u64) -> bool {
        matches!(self.look(name).await, Ok(shown) if shown == size)
    }

    /// Makes a request until it succeeds, or there is no use.
    pub(super) async fn repeat<T, F>(
        &self,
        request: impl Fn() -> F,
        sort: impl Fn(Failed) -> StoreError,
    ) -> Result<T, StoreError>
    where
        F: Future<Output = Result<T, Failed>>,
    {
        let mut retry: Retry<'_> = self.health.retry();
        loop {
            let failed = match request().await {
                Ok(value) => return Ok(value),
                Err(failed) => failed,
            };
            let reply = failed.reply.clone();
            retry.after(sort(failed), &reply).await?;
            self.counters.retry();
        }
    }

    /// One attempt, in its turn, with what the transport saw of it.
    pub(super) async fn once<T>(
        &self,
        kind: Kind,
        request: impl Future<Output = Result<T, LibraryError>>,
    ) -> Result<T, Failed> {
        let place = match &self.gate {
            Some(gate) => Some(gate.enter().await),
            None => None,
        };
        if self.remote.is_none() {
            self.counters.request(kind);
        }
        let call = Call::default();
        let result = CALL.scope(call.clone(), request).await;
        let reply = call.reply();
        match place {
            Some(place) if reply.throttled => place.throttled(),
            Some(place) if result.is_ok() => place.well(),
            _ => {}
        }
        if result.is_ok() {
            self.health.is_well();
        }
        result.map_err(|error| Failed { error, reply })
    }

    async fn write(&self, name: &ObjectName, bytes: Bytes, mode: PutMode) -> Result<(), Failed> {
        let mut options = PutOptions { mode, ..PutOptions::default() };
        // What every command reads stays where it can be read at once.
        let class = self.remote.as_ref().and_then(|remote| remote.pack_class.clone());
        if let (ObjectName::Pack(PackName { tree: false, .. }), Some(class)) = (name, class) {
            options.attributes.insert(Attribute::StorageClass, class.into());
        }
        let (path, size) = (Self::path(name), bytes.len() as u64);
        self.once(Kind::Put, self.objects.put_opts(&path, bytes.into(), options)).await?;
        if self.remote.is_none() {
            self.counters.sent(Kind::Put, size);
        }
        Ok(())
    }

    /// A whole object; only its size where that is over the limit.
    async fn read(&self, name: &ObjectName) -> Result<Result<Bytes, u64>, Failed> {
        let path = Self::path(name);
        let read = async {
            let result = self.objects.get_opts(&path, GetOptions::default()).await?;
            match result.meta.size {
                size if size > name.limit() => Ok(Err(size)),
                _ => result.bytes().await.map(Ok),
            }
        };
        let got = self.once(Kind::Get, read).await?;
        if let (true, Ok(bytes)) = (self.remote.is_none(), &got) {
            self.counters.received(Kind::Get, bytes.len() as u64);
        }
        Ok(got)
    }

    fn within_limit(&self, name: &ObjectName, got: Result<Bytes, u64>) -> Result<Bytes, StoreError> {
        got.map_err(|size| StoreError::TooLarge { at: self.at(name), size, limit: name.limit() })
    }

    async fn read_range(&self, name: &ObjectName, range: Range<u64>) -> Result<Bytes, Failed> {
        let path = Self::path(name);
        let options = GetOptions { range: Some(GetRange::Bounded(range)), ..GetOptions::default() };
        let read = async { self.objects.get_opts(&path, options).await?.bytes().await };
        let bytes = self.once(Kind::Get, read).await?;
        if self.remote.is_none() {
            self.counters.received(Kind::Get, bytes.len() as u64);
        }
        Ok(bytes)
    }

    async fn look(&self, name: &ObjectName) -> Result<u64, Failed> {
        let path = Self::path(name);
        let failed = match self.once(Kind::Head, self.objects.head(&path)).await {
            Ok(meta) => return Ok(meta.size),
            Err(failed) => failed,
        };
        // A refusal of a HEAD has no body to say why; that of a GET has.
        let is_mute = failed.reply.code.is_none() && !failed.reply.html;
        if !(is_mute && matches!(failed.reply.status, Some(400 | 401 | 403 | 409 | 301 | 307))) {
            return Err(failed);
        }
        let options = GetOptions { range: Some(GetRange::Bounded(0..1)), ..GetOptions::default() };
        let size = self.once(Kind::Get, async { Ok(self.objects.get_opts(&path, options).await?.meta.size) }).await;
        size.map_err(|told| if told.reply.code.is_some() { told } else { failed })
    }

    /// The pages from where the listing is now, or why nobody waits for their end.
    async fn list_on(&self, prefix: &Path, pages: &mut Pages) -> Result<Result<(), &'static str>, LibraryError> {
        let mut metas = match &pages.start() {
            Some(offset) => self.objects.list_with_offset(Some(prefix), offset),
            None => self.objects.list(Some(prefix)),
        };
        while let Some(meta) = metas.try_next().await? {
            reply::note_name();
            if let Err(what) = pages.add(meta) {
                return Ok(Err(what));
            }
        }
        Ok(Ok(()))
    }

    fn path(name: &ObjectName) -> Path {
        Path::from(name.to_path())
    }

    /// "Not found" is what the store says, and not what an unplugged disk does.
    pub(super) fn sort(&self, name: &ObjectName, failed: Failed) -> StoreError {
        match (StoreError::sort_reply(self.at(name), failed.error, &failed.reply), &self.folder) {
            (StoreError::NotFound { at }, Some(folder)) => match folder.check_present() {
                Ok(()) => StoreError::NotFound { at },
                Err(source) => StoreError::Unreachable { at: self.label.clone(), source: source.into() },
            },
            (error, _) => error,
        }
    }

    pub(super) fn sort_list(&self, prefix: &str, failed: Failed) -> StoreError {
        match StoreError::sort_reply(self.at_prefix(prefix), failed.error, &failed.reply) {
            // A prefix that nothing is below is an empty listing. What is missing is the bucket.
            StoreError::NotFound { at } if self.remote.is_some() => {
                StoreError::NoBucket { at, source: error::Said(&failed.reply).to_string().into() }
            }
            error => error,
        }
    }

    pub(super) fn at_prefix(&self, prefix: &str) -> String {
        match prefix {
            "" => format!("{}/", self.label),
            prefix => format!("{}/{prefix}/", self.label),
        }
    }
}

impl Reply {
    /// Whether what is missing is the bucket, and not the object.
    pub(super) fn is_no_bucket(&self) -> bool {
        self.code.as_deref().is_some_and(error::means_no_bucket)
    }

    /// Whether something exists, and not that two requests got into each other's way.
    fn is_final_conflict(&self) -> bool {
        !matches!(self.code.as_deref(), Some("ConditionalRequestConflict" | "OperationAborted"))
    }

    /// Whether the store may have done what was asked. Where nothing is known, it may.
    pub(super) fn may_be_applied(&self) -> bool {
        let was_not_sent = matches!(self.failure, Some(Failure::Dns | Failure::Refused | Failure::ConnectTimeout));
        !was_not_sent && (self.failure.is_some() || !matches!(self.status, Some(300..=499 | 503)))
    }
}

/// A listing under way.
struct Pages {
    listing: Listing,
    /// After which path it began.
    offset: Option<Path>,
    last: Option<Path>,
    /// Whether paths ascended so far.
    sorted: bool,
    /// Names that came, also those that came again.
    seen: usize,
    /// What is kept of them, in about the bytes of a name of the vault's.
    weight: usize,
    /// At how many kept names to look whether they are different ones.
    look_at: usize,
}

impl Pages {
    fn after(offset: Option<Path>) -> Self {
        Self { listing: Listing::default(), offset, last: None, sorted: true, seen: 0, weight: 0, look_at: 2 * FEW }
    }

    fn len(&self) -> usize {
        self.listing.objects.len() + self.listing.strange.len()
    }

    /// After which path to go on: the last, if the store sorts.
    fn start(&self) -> Option<Path> {
        self.last.as_ref().filter(|_| self.sorted).or(self.offset.as_ref()).cloned()
    }

    /// Takes a name. The error: why this is no listing of a vault, however it goes on.
    fn add(&mut self, meta: ObjectMeta) -> Result<(), &'static str> {
        self.sorted &= self.last.as_ref().is_none_or(|last| *last <= meta.location);
        self.seen += 1;
        self.weight += 1;
        match ObjectName::parse(meta.location.as_ref()) {
            Some(name) => self.listing.objects.push(Listed { name, size: meta.size }),
            None => {
                self.weight += meta.location.as_ref().len() / size_of::<Listed>();
                self.listing.strange.push(meta.location.to_string());
            }
        }
        self.last = Some(meta.location);
        if self.weight > MOST_NAMES {
            return Err("it has more names than any vault");
        }
        if self.len() < self.look_at {
            return Ok(());
        }
        // A store need not sort, and may show a name twice. One that goes round in a circle never ends.
        let before = self.len();
        self.listing.objects.sort_unstable();
        self.listing.objects.dedup_by_key(|object| object.name);
        self.listing.strange.sort_unstable();
        self.listing.strange.dedup();
        self.look_at = 2 * self.len().max(FEW);
        if self.len() <= before / 2 { Err("the same names come again and again") } else { Ok(()) }
    }
}

/// File systems without hard links say "not permitted" (FAT, exFAT) or "not supported"; stores without conditions
/// say "not implemented". Names are unique, so an overwrite does no harm there.
pub(super) fn refuses_create(error: &LibraryError, reply: &Reply) -> bool {
    const EPERM: i32 = 1;
    matches!(error, LibraryError::NotImplemented { .. } | LibraryError::NotSupported { .. })
        || reply.status == Some(501)
        || error::io_error(error)
            .is_some_and(|e| e.kind() == std::io::ErrorKind::Unsupported || e.raw_os_error() == Some(EPERM))
}

/// A vault of so many objects has 256 TiB. Tests have no time for them.
const MOST_NAMES: usize = if cfg!(test) { 1 << 16 } else { 1 << 24 };
/// Names of which it does not matter that some come again.
const FEW: usize = 4096;
/// Names of scratch objects that are looked past.
const MOST_PROBED: usize = 1 << 16;
/// Bytes from which on it is cheaper to ask whether an object is there than to send it again.
const WORTH_A_LOOK: u64 = 64 << 10;
