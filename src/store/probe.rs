//! What a store really does, found out with scratch objects beside the vault.
//!
//! Nothing but objects of the grammar may be below `zv1/`, so a probe has a prefix of its own, random in each run, and
//! leaves it empty. Correctness rests on list-after-write alone (SPEC section 2); that conditional creates work is a second
//! line, and some servers say that they do and mean something else.

use super::request::{Failed, refuses_create};
use super::transport::reply::Reply;
use super::transport::traffic::Kind;
use super::{Inner, Store, StoreError};
use crate::sync::lock;
use bytes::Bytes;
use futures::{StreamExt, TryStreamExt};
use object_store::{Error as LibraryError, GetOptions, GetRange, ObjectStoreExt, PutMode, PutOptions, path::Path};
use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::{Arc, Barrier, Mutex};
use std::time::{Duration, Instant, SystemTime};

/// Scratch objects of one run. Dropping it leaves them where they are: [`Probe::clean`] is its end.
pub struct Probe {
    inner: Arc<Inner>,
    prefix: String,
    made: Mutex<BTreeSet<String>>,
    /// Names that were written and never answered for: the store may do it later, even after they were deleted.
    unsure: Mutex<BTreeSet<String>>,
}

/// How a create ended that was not to overwrite.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Created {
    /// It is stored.
    New,
    /// Something has that name.
    Exists,
    /// The store cannot write on conditions.
    Refused,
}

/// What writes that are not to overwrite do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Conditional {
    /// One of two wins, always.
    Honoured,
    /// One after the other is kept apart; at the same moment both win.
    Racy,
    /// They overwrite and say that they did not.
    Ignored,
    /// The store says that it does not have them.
    Refused,
}

/// What a store was seen to do: what a roster says about it (SPEC section 11.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoreVerdict {
    /// Rounds in which a listing showed at once what had been stored, and all rounds.
    pub listed: (u32, u32),
    /// What conditional creates do.
    pub conditional: Conditional,
}

impl Store {
    /// Scratch objects in this store. `nonce` keeps runs apart.
    pub fn probe(&self, nonce: [u8; 8]) -> Probe {
        let prefix = format!("{PROBE_PREFIX}/{}", hex::encode(nonce));
        Probe { inner: self.0.clone(), prefix, made: Mutex::default(), unsure: Mutex::default() }
    }

    /// Tries the store, and leaves nothing behind if it may delete.
    pub fn verdict(&self, nonce: [u8; 8]) -> Result<StoreVerdict, StoreError> {
        let probe = self.probe(nonce);
        let verdict = probe.list_after_write().and_then(|listed| {
            let conditional = probe.conditional_create()?;
            Ok(StoreVerdict { listed, conditional })
        });
        probe.clean();
        verdict
    }
}

impl Probe {
    /// Writes unless the name is taken.
    pub fn create(&self, name: &str, bytes: Bytes) -> Result<Created, StoreError> {
        match self.write(name, bytes, PutMode::Create) {
            Ok(()) => Ok(Created::New),
            Err(failed) => match failed.error {
                LibraryError::AlreadyExists { .. } | LibraryError::Precondition { .. } => Ok(Created::Exists),
                error if refuses_create(&error, &failed.reply) => Ok(Created::Refused),
                error => Err(self.sort(name, Failed { error, ..failed })),
            },
        }
    }

    /// Writes as a push does: with a condition where the store has them.
    pub fn put(&self, name: &str, bytes: Bytes) -> Result<(), StoreError> {
        match self.create(name, bytes.clone())? {
            Created::New => Ok(()),
            Created::Exists | Created::Refused => {
                self.write(name, bytes, PutMode::Overwrite).map_err(|failed| self.sort(name, failed))
            }
        }
    }

    /// A whole object, `None` if it is not there.
    pub fn get(&self, name: &str) -> Result<Option<Bytes>, StoreError> {
        self.read(name, None)
    }

    /// A part of an object.
    pub fn get_range(&self, name: &str, range: Range<u64>) -> Result<Option<Bytes>, StoreError> {
        self.read(name, Some(GetRange::Bounded(range)))
    }

    /// When the store says an object was written.
    pub fn written_at(&self, name: &str) -> Result<SystemTime, StoreError> {
        let meta = self.run(Kind::Head, self.inner.objects.head(&self.path(name)));
        Ok(meta.map_err(|failed| self.sort(name, failed))?.last_modified.into())
    }

    /// The names that a listing shows.
    pub fn list(&self) -> Result<Vec<String>, StoreError> {
        let prefix = Path::from(self.prefix.as_str());
        let listed = self.inner.objects.list(Some(&prefix)).take(MOST_LISTED).try_collect::<Vec<_>>();
        let metas = self.run(Kind::List, listed);
        let metas = metas.map_err(|failed| self.sort("", failed))?;
        Ok(metas.iter().filter_map(|meta| meta.location.filename().map(str::to_owned)).collect())
    }

    /// Deletes an object.
    pub fn delete(&self, name: &str) -> Result<(), StoreError> {
        match self.run(Kind::Delete, self.inner.objects.delete(&self.path(name))) {
            Ok(()) | Err(Failed { error: LibraryError::NotFound { .. }, .. }) => {
                self.made().remove(name);
                Ok(())
            }
            Err(failed) => Err(self.sort(name, failed)),
        }
    }

    /// How often a listing shows at once what was stored, in how many rounds. One that lags shows in the first rounds or
    /// under load only, so a good result is a good sign and no proof.
    pub fn list_after_write(&self) -> Result<(u32, u32), StoreError> {
        let mut seen = 0;
        for round in 0..LIST_ROUNDS {
            let name = format!("listed-{round}");
            self.again(|| self.put(&name, Bytes::from(name.clone())))?;
            seen += u32::from(self.again(|| self.list())?.contains(&name));
        }
        Ok((seen, LIST_ROUNDS))
    }

    /// How long a listing that had missed something goes on missing it; `None`: longer than was waited for.
    pub fn until_listed(&self, patience: Duration) -> Result<Option<Duration>, StoreError> {
        let began = Instant::now();
        let all: Vec<_> = self.made().iter().filter(|name| name.starts_with("listed-")).cloned().collect();
        while began.elapsed() < patience {
            let shown = self.list()?;
            if all.iter().all(|name| shown.contains(name)) {
                return Ok(Some(began.elapsed()));
            }
            std::thread::sleep(Duration::from_millis(200));
        }
        Ok(None)
    }

    /// What conditional creates do: one after the other, then two at the same moment, again and again.
    pub fn conditional_create(&self) -> Result<Conditional, StoreError> {
        let create = |bytes| self.again(|| self.create("twice", Bytes::from_static(bytes)));
        match (create(b"first")?, create(b"second")?) {
            (Created::Refused, _) | (_, Created::Refused) => return Ok(Conditional::Refused),
            (_, Created::New) => return Ok(Conditional::Ignored),
            (_, Created::Exists) => {}
        }
        // Whoever says "it exists" must also have kept it.
        if self.again(|| self.get("twice"))?.is_some_and(|kept| kept != b"first"[..]) {
            return Ok(Conditional::Ignored);
        }
        for round in 0..RACES {
            if self.again(|| self.race(&format!("race-{round}")))? > 1 {
                return Ok(Conditional::Racy);
            }
        }
        Ok(Conditional::Honoured)
    }

    /// Deletes what is left. What could not be deleted, by its full name, and why.
    pub fn clean(self) -> Vec<(String, StoreError)> {
        let names: Vec<String> = self.made().iter().cloned().collect();
        let failed = |name: String| self.delete(&name).err().map(|error| (format!("{}/{name}", self.prefix), error));
        let mut remain: Vec<_> = names.into_iter().filter_map(failed).collect();
        if remain.is_empty() {
            remain = self.clean_latecomers();
        }
        if let Some(folder) = &self.inner.folder {
            // Those of this run, and the one above unless another run is at work. They are empty or they stay.
            let _ = std::fs::remove_dir(folder.root().join(&self.prefix));
            let _ = std::fs::remove_dir(folder.root().join(PROBE_PREFIX));
        }
        remain
    }

    /// A write that was given up may reach the store after its deletion: looks for those again, for a moment.
    fn clean_latecomers(&self) -> Vec<(String, StoreError)> {
        let unsure = std::mem::take(&mut *lock(&self.unsure));
        let mut remain = Vec::new();
        for pause in LATE.iter().filter(|_| !unsure.is_empty()) {
            if self.inner.health.patience().is_over() {
                break;
            }
            std::thread::sleep(*pause);
            // A store that cannot list is told so elsewhere.
            let late = self.list().unwrap_or_default().into_iter().filter(|name| unsure.contains(name));
            let failed =
                |name: String| self.delete(&name).err().map(|error| (format!("{}/{name}", self.prefix), error));
            remain = late.filter_map(failed).collect();
        }
        remain
    }

    /// Lets several threads create one name at the same moment. How many were told that it is theirs.
    fn race(&self, name: &str) -> Result<usize, StoreError> {
        let start = Barrier::new(RACERS);
        let results: Vec<_> = std::thread::scope(|scope| {
            let racers: Vec<_> = (0..RACERS)
                .map(|racer| {
                    let start = &start;
                    scope.spawn(move || {
                        start.wait();
                        self.create(name, Bytes::from(format!("racer {racer}")))
                    })
                })
                .collect();
            racers.into_iter().map(|racer| racer.join()).collect()
        });
        let mut winners = 0;
        let mut failed = None;
        for result in results {
            match result {
                Ok(Ok(created)) => winners += usize::from(created == Created::New),
                // A store may turn away whoever comes at the same moment as another ("conflict").
                Ok(Err(error)) => failed = Some(error),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        match failed {
            Some(error) if winners == 0 => Err(error),
            _ => Ok(winners),
        }
    }

    fn write(&self, name: &str, bytes: Bytes, mode: PutMode) -> Result<(), Failed> {
        // Before, because it may be stored and the reply lost.
        let is_first = self.made().insert(name.to_owned());
        let options = PutOptions { mode, ..PutOptions::default() };
        let path = self.path(name);
        let result = self.run(Kind::Put, self.inner.objects.put_opts(&path, bytes.into(), options)).map(|_| ());
        // What was refused is not there.
        if is_first && result.as_ref().is_err_and(|failed| matches!(failed.reply.status, Some(400 | 401 | 403 | 404))) {
            self.made().remove(name);
        }
        if result.as_ref().is_err_and(|failed| failed.reply.may_be_applied()) {
            lock(&self.unsure).insert(name.to_owned());
        }
        result
    }

    fn read(&self, name: &str, range: Option<GetRange>) -> Result<Option<Bytes>, StoreError> {
        let path = self.path(name);
        let read = async {
            let options = GetOptions { range, ..GetOptions::default() };
            self.inner.objects.get_opts(&path, options).await?.bytes().await
        };
        match self.run(Kind::Get, read) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(Failed { error: LibraryError::NotFound { .. }, reply }) if !reply.is_no_bucket() => Ok(None),
            Err(failed) => Err(self.sort(name, failed)),
        }
    }

    /// Repeats what failed: that says nothing of what the store can do. A create whose reply was lost finds its own object
    /// the next time and counts as one that did not win: that can hide a race, and never makes one up.
    fn again<T>(&self, request: impl Fn() -> Result<T, StoreError>) -> Result<T, StoreError> {
        let mut retry = self.inner.health.retry();
        loop {
            match request() {
                Err(error) => self.inner.runtime.block_on(retry.after(error, &Reply::default()))?,
                done => return done,
            }
        }
    }

    /// One attempt: what is to be seen is what the store does, not what can be made of it.
    fn run<T>(&self, kind: Kind, request: impl Future<Output = Result<T, LibraryError>>) -> Result<T, Failed> {
        self.inner.runtime.block_on(self.inner.once(kind, request))
    }

    fn path(&self, name: &str) -> Path {
        Path::from(format!("{}/{name}", self.prefix))
    }

    fn sort(&self, name: &str, failed: Failed) -> StoreError {
        StoreError::sort_reply(format!("{}/{}/{name}", self.inner.label, self.prefix), failed.error, &failed.reply)
    }

    fn made(&self) -> std::sync::MutexGuard<'_, BTreeSet<String>> {
        lock(&self.made)
    }
}

impl StoreVerdict {
    /// What whoever keeps a vault there should know.
    pub fn warning(&self) -> Option<String> {
        let (seen, rounds) = self.listed;
        if seen < rounds {
            return Some(format!(
                "this store listed new objects at once only {seen} of {rounds} times: do not keep a vault there; 'zvault doctor' says more"
            ));
        }
        let what = match self.conditional {
            Conditional::Honoured => return None,
            Conditional::Racy => "lets several create one object at the same moment",
            Conditional::Ignored => "overwrites where it is told not to",
            Conditional::Refused => "cannot be told not to overwrite",
        };
        Some(format!(
            "this store {what}: zvault does not need that, but a stolen credential can overwrite objects; see docs/object-lock.md"
        ))
    }

    /// The bits of the roster (SPEC section 11.2).
    pub fn bits(&self) -> u32 {
        let listed = u32::from(self.listed.0 == self.listed.1) << 1;
        let conditional = match self.conditional {
            Conditional::Honoured => 1,
            Conditional::Racy => 2,
            Conditional::Ignored => 3,
            Conditional::Refused => 4,
        };
        1 | listed | conditional << 2
    }
}

/// Where probes are: beside `zv1/`, in which nothing but the vault may be.
pub const PROBE_PREFIX: &str = "zv1-doctor";

const LIST_ROUNDS: u32 = 5;
/// Two suffice to lose; more at once lose sooner.
const RACERS: usize = 4;
const RACES: usize = 5;
/// Far more than a probe makes.
const MOST_LISTED: usize = 1024;
/// When to look for writes that came too late: a server that lives takes no longer for a few bytes.
const LATE: [Duration; 3] = [Duration::from_millis(100), Duration::from_millis(400), Duration::from_millis(1500)];

#[cfg(test)]
mod tests {
    use super::super::faults::{Fault, Faults, Operation};
    use super::super::{OpenMode, StoreOptions, StoreUrl};
    use super::*;
    use async_trait::async_trait;
    use futures::stream::BoxStream;
    use object_store::memory::InMemory;
    use object_store::{
        CopyOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore, PutMultipartOptions, PutPayload,
        PutResult,
    };

    /// A store whose conditional creates are not what they seem.
    #[derive(Debug)]
    struct Odd {
        inner: Arc<InMemory>,
        does: Conditional,
        /// Writes of this name are not answered, and done when it was deleted.
        late: Option<&'static str>,
        under_way: Arc<Mutex<Vec<(Path, PutPayload)>>>,
    }

    impl Odd {
        fn new(does: Conditional) -> Self {
            Self { inner: Arc::default(), does, late: None, under_way: Arc::default() }
        }
    }

    impl std::fmt::Display for Odd {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("odd")
        }
    }

    #[async_trait]
    impl ObjectStore for Odd {
        async fn put_opts(&self, at: &Path, bytes: PutPayload, options: PutOptions) -> object_store::Result<PutResult> {
            if self.late.is_some_and(|late| at.filename() == Some(late)) {
                lock(&self.under_way).push((at.clone(), bytes));
                return Err(LibraryError::Generic { store: "odd", source: "no answer".into() });
            }
            let overwrite = PutOptions { mode: PutMode::Overwrite, ..options.clone() };
            match (self.does, &options.mode) {
                (Conditional::Refused, PutMode::Create) => {
                    Err(LibraryError::NotImplemented { operation: "create".into(), implementer: "odd".into() })
                }
                (Conditional::Ignored, _) => self.inner.put_opts(at, bytes, overwrite).await,
                (Conditional::Racy, PutMode::Create) => {
                    let there = self.inner.head(at).await.is_ok();
                    std::thread::sleep(Duration::from_millis(20)); // each call has a thread of its own
                    if there {
                        return Err(LibraryError::AlreadyExists { path: at.to_string(), source: "there".into() });
                    }
                    self.inner.put_opts(at, bytes, overwrite).await
                }
                _ => self.inner.put_opts(at, bytes, options).await,
            }
        }

        async fn put_multipart_opts(
            &self,
            at: &Path,
            options: PutMultipartOptions,
        ) -> object_store::Result<Box<dyn MultipartUpload>> {
            self.inner.put_multipart_opts(at, options).await
        }

        async fn get_opts(&self, at: &Path, options: GetOptions) -> object_store::Result<GetResult> {
            self.inner.get_opts(at, options).await
        }

        fn delete_stream(
            &self,
            paths: BoxStream<'static, object_store::Result<Path>>,
        ) -> BoxStream<'static, object_store::Result<Path>> {
            let (inner, under_way) = (self.inner.clone(), self.under_way.clone());
            let deleted = self.inner.delete_stream(paths).then(move |deleted| {
                let (inner, late) = (inner.clone(), std::mem::take(&mut *lock(&under_way)));
                async move {
                    for (path, bytes) in late {
                        inner.put(&path, bytes).await?;
                    }
                    deleted
                }
            });
            deleted.boxed()
        }

        fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, object_store::Result<ObjectMeta>> {
            self.inner.list(prefix)
        }

        async fn list_with_delimiter(&self, prefix: Option<&Path>) -> object_store::Result<ListResult> {
            self.inner.list_with_delimiter(prefix).await
        }

        async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> object_store::Result<()> {
            self.inner.copy_opts(from, to, options).await
        }
    }

    #[test]
    fn each_kind_of_conditional_create_is_told_apart() {
        use Conditional::{Honoured, Ignored, Racy, Refused};
        for (n, does) in [Honoured, Racy, Ignored, Refused].into_iter().enumerate() {
            let odd = Arc::new(Odd::new(does));
            let store = Store::from_object_store(odd, "odd").expect("open");
            let verdict = store.verdict([7; 8]).expect("a verdict");
            assert_eq!(verdict, StoreVerdict { listed: (LIST_ROUNDS, LIST_ROUNDS), conditional: does });
            assert_eq!(verdict.bits(), 0b11 | (n as u32 + 1) << 2);
            assert_eq!(verdict.warning().is_none(), does == Honoured);
            assert_eq!(store.probe([7; 8]).list().expect("list"), [""; 0], "{does:?}: nothing is left");
        }
    }

    #[test]
    fn a_folder_is_left_as_it_was() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let url = StoreUrl::Folder(dir.path().join("vault"));
        let store = Store::open(&url, &StoreOptions::default(), OpenMode::Create).expect("open");
        let before = std::fs::read_dir(dir.path().join("vault")).expect("list").count();
        let probe = store.probe([1; 8]);
        probe.put("x", Bytes::from_static(b"0123456789")).expect("put");
        assert_eq!(probe.get_range("x", 3..5).expect("range"), Some(Bytes::from_static(b"34")));
        assert_eq!(probe.get("y").expect("get"), None);
        let age = probe.written_at("x").expect("head").elapsed().unwrap_or_default();
        assert!(age < Duration::from_secs(60));
        assert!(probe.clean().is_empty());
        assert_eq!(store.verdict([2; 8]).expect("verdict").conditional, Conditional::Honoured);
        assert_eq!(std::fs::read_dir(dir.path().join("vault")).expect("list").count(), before);
    }

    #[test]
    fn a_listing_that_lags_is_seen() {
        let faults = Faults::new();
        let store = Store::from_object_store(faults.wrap(Arc::new(InMemory::new())), "lags").expect("open");
        faults.freeze_lists();
        assert_eq!(store.probe([3; 8]).list_after_write().expect("rounds"), (0, LIST_ROUNDS));
        let late = StoreVerdict { listed: (4, 5), conditional: Conditional::Honoured };
        assert_eq!(late.bits() & 2, 0);
        assert!(late.warning().is_some_and(|text| text.contains("4 of 5")));
    }

    #[test]
    fn a_write_that_comes_after_its_deletion_is_deleted_again() {
        let odd = Odd { late: Some("x"), ..Odd::new(Conditional::Honoured) };
        let under_way = odd.under_way.clone();
        let store = Store::from_object_store(Arc::new(odd), "late").expect("open");
        let probe = store.probe([5; 8]);
        probe.put("x", Bytes::new()).expect_err("no answer");
        probe.put("y", Bytes::new()).expect("put");
        assert!(probe.clean().is_empty());
        assert!(lock(&under_way).is_empty(), "it came in the end");
        assert_eq!(store.probe([5; 8]).list().expect("list"), [""; 0]);
    }

    #[test]
    fn what_could_not_be_deleted_is_named() {
        let faults = Faults::new();
        let store = Store::from_object_store(faults.wrap(Arc::new(InMemory::new())), "keeps").expect("open");
        let probe = store.probe([4; 8]);
        probe.put("x", Bytes::new()).expect("put");
        faults.always(Operation::Delete, Fault::Fail);
        let remain = probe.clean();
        assert_eq!(remain.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["zv1-doctor/0404040404040404/x"]);
    }
}
