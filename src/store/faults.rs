//! A store that fails on demand: for crash tests ("fail the n-th write for every n") and attacker tests.

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::{self, BoxStream, StreamExt, TryStreamExt};
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, GetResultPayload, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, Result, path::Path,
};
use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use std::{fmt, io};

/// What is counted, each from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Operation {
    /// A write.
    Put,
    /// A read of an object or a part, also of its size alone.
    Get,
    /// A listing, with or without delimiter.
    List,
    /// A deletion.
    Delete,
}

/// What happens to an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It is not done, and fails as a connection does.
    Fail,
    /// It is not done: the store is full.
    NoSpace,
    /// It is done, and the reply is lost.
    LoseReply,
    /// One bit of what is read or written is flipped, without a word; of a listing in the end of each name.
    FlipBit,
    /// Half of what is read or written is lost, without a word. Listings fail half way.
    Truncate,
    /// The process, or the store, is gone before the operation; nothing works from here on.
    KillBefore,
    /// The operation is done, and nothing works from here on.
    KillAfter,
    /// The thread that asks for it panics.
    Panic,
}

/// Decides what a [`FaultyStore`] does. Clones are the same switchboard.
#[derive(Clone, Default)]
pub struct Faults(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    counts: HashMap<Operation, u64>,
    planned: HashMap<(Operation, u64), Fault>,
    always: HashMap<Operation, Fault>,
    dead: bool,
    frozen: bool,
    hidden: BTreeSet<Path>,
}

impl Faults {
    /// No faults yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// `inner` with these faults, to be opened by [`Store::from_object_store`](super::Store::from_object_store).
    pub fn wrap(&self, inner: Arc<dyn ObjectStore>) -> Arc<dyn ObjectStore> {
        Arc::new(FaultyStore { inner, faults: self.clone() })
    }

    /// The `n`-th operation of a kind, counted from 1 since the last [`Faults::reset`].
    pub fn at(&self, operation: Operation, n: u64, fault: Fault) {
        self.state().planned.insert((operation, n), fault);
    }

    /// Every operation of a kind.
    pub fn always(&self, operation: Operation, fault: Fault) {
        self.state().always.insert(operation, fault);
    }

    /// How many operations of a kind there were since the last [`Faults::reset`].
    pub fn count(&self, operation: Operation) -> u64 {
        self.state().counts.get(&operation).copied().unwrap_or(0)
    }

    /// Listings stay as they are now: what is written from here on can be read, and is not listed.
    pub fn freeze_lists(&self) {
        self.state().frozen = true;
    }

    /// No faults, counts from 0, listings as they are.
    pub fn reset(&self) {
        *self.state() = State::default();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts an operation. `Err`: it is not to be done.
    fn next(&self, operation: Operation) -> Result<Option<Fault>> {
        let mut state = self.state();
        if state.dead {
            return Err(reset("the store is gone"));
        }
        let count = state.counts.entry(operation).or_default();
        *count += 1;
        let n = *count;
        let fault = state.planned.get(&(operation, n)).or(state.always.get(&operation)).copied();
        state.dead = matches!(fault, Some(Fault::KillBefore | Fault::KillAfter));
        match fault {
            Some(Fault::Fail | Fault::KillBefore) => Err(reset("injected failure")),
            Some(Fault::NoSpace) => Err(generic(io::ErrorKind::StorageFull.into())),
            Some(Fault::Panic) => {
                drop(state);
                panic!("injected panic")
            }
            fault => Ok(fault),
        }
    }

    fn is_hidden(&self, path: &Path) -> bool {
        self.state().hidden.contains(path)
    }
}

/// What is to be reported of an operation that was done.
fn reply<T>(fault: Option<Fault>, value: T) -> Result<T> {
    match fault {
        Some(Fault::LoseReply | Fault::KillAfter) => Err(reset("the reply is lost")),
        _ => Ok(value),
    }
}

fn spoil(fault: Option<Fault>, bytes: Bytes) -> Bytes {
    match fault {
        Some(Fault::FlipBit) if !bytes.is_empty() => {
            let mut spoilt = bytes.to_vec();
            let middle = spoilt.len() / 2;
            spoilt[middle] ^= 1;
            spoilt.into()
        }
        Some(Fault::Truncate) => bytes.slice(..bytes.len() / 2),
        _ => bytes,
    }
}

fn reset(text: &'static str) -> Error {
    generic(io::Error::new(io::ErrorKind::ConnectionReset, text))
}

fn generic(source: io::Error) -> Error {
    Error::Generic { store: "faulty", source: source.into() }
}

struct FaultyStore {
    inner: Arc<dyn ObjectStore>,
    faults: Faults,
}

impl FaultyStore {
    async fn listed(&self, prefix: Option<&Path>) -> Result<Vec<Result<ObjectMeta>>> {
        let fault = self.faults.next(Operation::List)?;
        let mut metas: Vec<ObjectMeta> = self.inner.list(prefix).try_collect().await?;
        metas.retain(|meta| !self.faults.is_hidden(&meta.location));
        if fault == Some(Fault::FlipBit) {
            for meta in &mut metas {
                let mut name = meta.location.to_string().into_bytes();
                let last = name.last_mut().expect("a name");
                // Another digit, so that it is still the name of an object.
                *last ^= if (*last ^ 1).is_ascii_hexdigit() { 1 } else { 2 };
                meta.location = Path::from(String::from_utf8(name).expect("it stays ASCII"));
            }
        }
        let mut metas = reply(fault, metas)?.into_iter().map(Ok).collect::<Vec<_>>();
        if fault == Some(Fault::Truncate) {
            metas.truncate(metas.len() / 2);
            metas.push(Err(reset("the listing is cut")));
        }
        Ok(metas)
    }
}

#[async_trait]
impl ObjectStore for FaultyStore {
    async fn put_opts(&self, location: &Path, payload: PutPayload, opts: PutOptions) -> Result<PutResult> {
        let fault = self.faults.next(Operation::Put)?;
        {
            let mut state = self.faults.state();
            if state.frozen {
                state.hidden.insert(location.clone());
            }
        }
        let payload = spoil(fault, payload.into()).into();
        reply(fault, self.inner.put_opts(location, payload, opts).await?)
    }

    async fn put_multipart_opts(&self, path: &Path, opts: PutMultipartOptions) -> Result<Box<dyn MultipartUpload>> {
        self.faults.next(Operation::Put)?;
        self.inner.put_multipart_opts(path, opts).await
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        let fault = self.faults.next(Operation::Get)?;
        let mut result = reply(fault, self.inner.get_opts(location, options.clone()).await?)?;
        if options.head || fault.is_none() {
            return Ok(result);
        }
        let (meta, range, attributes) = (result.meta.clone(), result.range.clone(), result.attributes.clone());
        let extensions = std::mem::take(&mut result.extensions);
        let bytes = spoil(fault, result.bytes().await?);
        let payload = GetResultPayload::Stream(stream::once(async move { Ok(bytes) }).boxed());
        Ok(GetResult { payload, meta, range, attributes, extensions })
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        let (inner, faults) = (self.inner.clone(), self.faults.clone());
        let delete = move |location| {
            let (inner, faults) = (inner.clone(), faults.clone());
            async move {
                let fault = faults.next(Operation::Delete)?;
                object_store::ObjectStoreExt::delete(&inner, &location).await?;
                reply(fault, location)
            }
        };
        locations.and_then(delete).boxed()
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        let this = Self { inner: self.inner.clone(), faults: self.faults.clone() };
        let prefix = prefix.cloned();
        stream::once(async move { this.listed(prefix.as_ref()).await.map(stream::iter) }).try_flatten().boxed()
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        let (mut objects, mut folders) = (Vec::new(), BTreeSet::new());
        let root = prefix.cloned().unwrap_or_default();
        for meta in self.listed(prefix).await? {
            let meta = meta?;
            let mut parts = meta.location.prefix_match(&root).into_iter().flatten();
            match (parts.next(), parts.next()) {
                (Some(folder), Some(_)) => drop(folders.insert(root.clone().join(folder))),
                _ => objects.push(meta.clone()),
            }
        }
        Ok(ListResult { common_prefixes: folders.into_iter().collect(), objects, extensions: Default::default() })
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.faults.next(Operation::Put)?;
        self.inner.copy_opts(from, to, options).await
    }
}

impl fmt::Display for FaultyStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Faulty({})", self.inner)
    }
}

impl fmt::Debug for FaultyStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// Counts requests and bytes, and makes every request take time: for tests of how few there are. Clones are the same meter.
#[derive(Clone, Default)]
pub struct Meter(Arc<Mutex<Metered>>, Arc<Mutex<Vec<Written>>>);

/// A moment in the life of a write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// The path of the object.
    pub path: String,
    /// The store has confirmed it; else it begins.
    pub confirmed: bool,
}

/// What a [`Meter`] has seen since it was made or reset.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Metered {
    /// Pages of listings, of 1,000 objects each.
    pub lists: u64,
    /// Reads of objects or parts.
    pub gets: u64,
    /// Reads of sizes alone.
    pub heads: u64,
    /// Writes.
    pub puts: u64,
    /// Deletions.
    pub deletes: u64,
    /// Bytes read.
    pub received: u64,
    /// Bytes written.
    pub sent: u64,
    /// The most requests that were under way at one time.
    pub most_at_once: u64,
    at_once: u64,
    delay: Duration,
}

impl Meter {
    /// Every request takes `delay` longer.
    pub fn new(delay: Duration) -> Self {
        Self(Arc::new(Mutex::new(Metered { delay, ..Metered::default() })), Arc::default())
    }

    /// `inner` with this meter.
    pub fn wrap(&self, inner: Arc<dyn ObjectStore>) -> Arc<dyn ObjectStore> {
        Arc::new(MeteredStore { inner, meter: self.clone() })
    }

    /// What was seen, and from 0 again.
    pub fn take(&self) -> Metered {
        let mut state = self.state();
        let seen = *state;
        *state = Metered { delay: seen.delay, at_once: seen.at_once, ..Metered::default() };
        seen
    }

    /// Beginnings and ends of all writes since this was asked last, in their order.
    pub fn take_written(&self) -> Vec<Written> {
        std::mem::take(&mut *self.written())
    }

    fn written(&self) -> MutexGuard<'_, Vec<Written>> {
        self.1.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn state(&self) -> MutexGuard<'_, Metered> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, note: impl FnOnce(&mut Metered)) {
        note(&mut self.state());
    }

    async fn begin(&self, note: impl FnOnce(&mut Metered)) -> UnderWay {
        let delay = {
            let mut state = self.state();
            note(&mut state);
            state.at_once += 1;
            state.most_at_once = state.most_at_once.max(state.at_once);
            state.delay
        };
        let under_way = UnderWay(self.clone());
        wait(delay).await;
        under_way
    }
}

/// Does not need the timer of a runtime: which one polls this is the store's business.
async fn wait(delay: Duration) {
    if !delay.is_zero() {
        let (done, waits) = futures::channel::oneshot::channel();
        std::thread::spawn(move || {
            std::thread::sleep(delay);
            let _ = done.send(());
        });
        let _ = waits.await;
    }
}

struct UnderWay(Meter);

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.state().at_once -= 1;
    }
}

struct MeteredStore {
    inner: Arc<dyn ObjectStore>,
    meter: Meter,
}

impl MeteredStore {
    async fn pages(
        meter: Meter,
        listed: BoxStream<'static, Result<ObjectMeta>>,
    ) -> Result<impl futures::Stream<Item = Result<ObjectMeta>>> {
        let metas: Vec<ObjectMeta> = listed.try_collect().await?;
        for _ in 0..metas.len().div_ceil(PAGE).max(1) {
            drop(meter.begin(|seen| seen.lists += 1).await);
        }
        Ok(stream::iter(metas.into_iter().map(Ok)))
    }
}

#[async_trait]
impl ObjectStore for MeteredStore {
    async fn put_opts(&self, location: &Path, payload: PutPayload, opts: PutOptions) -> Result<PutResult> {
        let size = payload.content_length() as u64;
        let note = |confirmed| self.meter.written().push(Written { path: location.to_string(), confirmed });
        note(false);
        let _under_way = self.meter.begin(|seen| (seen.puts, seen.sent) = (seen.puts + 1, seen.sent + size)).await;
        let result = self.inner.put_opts(location, payload, opts).await?;
        note(true);
        Ok(result)
    }

    async fn put_multipart_opts(&self, path: &Path, opts: PutMultipartOptions) -> Result<Box<dyn MultipartUpload>> {
        let _under_way = self.meter.begin(|seen| seen.puts += 1).await;
        self.inner.put_multipart_opts(path, opts).await
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        let head = options.head;
        let _under_way = self.meter.begin(|seen| if head { seen.heads += 1 } else { seen.gets += 1 }).await;
        let result = self.inner.get_opts(location, options).await?;
        if !head {
            self.meter.note(|seen| seen.received += result.range.end - result.range.start);
        }
        Ok(result)
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        let (inner, meter) = (self.inner.clone(), self.meter.clone());
        let delete = move |location| {
            let (inner, meter) = (inner.clone(), meter.clone());
            async move {
                let _under_way = meter.begin(|seen| seen.deletes += 1).await;
                object_store::ObjectStoreExt::delete(&inner, &location).await?;
                Ok(location)
            }
        };
        locations.and_then(delete).boxed()
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        stream::once(Self::pages(self.meter.clone(), self.inner.list(prefix))).try_flatten().boxed()
    }

    fn list_with_offset(&self, prefix: Option<&Path>, offset: &Path) -> BoxStream<'static, Result<ObjectMeta>> {
        let listed = self.inner.list_with_offset(prefix, offset);
        stream::once(Self::pages(self.meter.clone(), listed)).try_flatten().boxed()
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        let _under_way = self.meter.begin(|seen| seen.lists += 1).await;
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        let _under_way = self.meter.begin(|seen| seen.puts += 1).await;
        self.inner.copy_opts(from, to, options).await
    }
}

impl fmt::Display for MeteredStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Metered({})", self.inner)
    }
}

impl fmt::Debug for MeteredStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// Objects in a page of a listing, as most stores have it.
const PAGE: usize = 1000;
