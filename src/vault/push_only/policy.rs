//! The strictest policy of docs/least-privilege.md, enforced between a device and its store.

use std::fmt;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use futures::StreamExt;
use futures::stream::{self, BoxStream};
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};
use vault_format::DeviceId;

use crate::sync::lock;

/// What a credential may do: prefixes of paths.
#[derive(Clone, Default)]
pub(super) struct Policy {
    reads: Vec<String>,
    writes: Vec<String>,
    refused: Arc<Mutex<Vec<String>>>,
}

impl Policy {
    /// PUT below its own name, GET and LIST on the roster, shards, its own objects and the logs of collectors, no DELETE.
    pub(super) fn push_only(own: DeviceId, collectors: impl IntoIterator<Item = DeviceId>) -> Self {
        let writes: Vec<_> = ["p", "t", "i", "l"].iter().map(|kind| format!("zv1/{kind}/{own}/")).collect();
        let mut reads = vec!["zv1/r/".to_owned(), "zv1/x/".to_owned()];
        reads.extend(writes.iter().cloned());
        reads.extend(collectors.into_iter().map(|device| format!("zv1/l/{device}/")));
        Self { reads, writes, refused: Arc::default() }
    }

    /// What was asked for and refused.
    pub(super) fn refused(&self) -> Vec<String> {
        lock(&self.refused).clone()
    }

    fn check(&self, what: &str, allowed: &[String], path: &str) -> Result<()> {
        if allowed.iter().any(|prefix| path.starts_with(&**prefix)) {
            return Ok(());
        }
        lock(&self.refused).push(format!("{what} {path}"));
        Err(Error::PermissionDenied { path: path.to_owned(), source: format!("{what} is not allowed").into() })
    }
}

pub(super) struct PolicyStore {
    inner: Arc<dyn ObjectStore>,
    policy: Policy,
}

impl PolicyStore {
    pub(super) fn new(inner: Arc<dyn ObjectStore>, policy: Policy) -> Self {
        Self { inner, policy }
    }

    fn may_list(&self, prefix: Option<&Path>) -> Result<()> {
        let prefix = format!("{}/", prefix.cloned().unwrap_or_default());
        self.policy.check("LIST", &self.policy.reads, &prefix)
    }
}

#[async_trait]
impl ObjectStore for PolicyStore {
    async fn put_opts(&self, location: &Path, payload: PutPayload, opts: PutOptions) -> Result<PutResult> {
        self.policy.check("PUT", &self.policy.writes, location.as_ref())?;
        self.inner.put_opts(location, payload, opts).await
    }

    async fn put_multipart_opts(&self, path: &Path, opts: PutMultipartOptions) -> Result<Box<dyn MultipartUpload>> {
        self.policy.check("PUT", &self.policy.writes, path.as_ref())?;
        self.inner.put_multipart_opts(path, opts).await
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        self.policy.check("GET", &self.policy.reads, location.as_ref())?;
        self.inner.get_opts(location, options).await
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        let policy = self.policy.clone();
        locations
            .map(move |location| {
                let location = location?;
                policy.check("DELETE", &[], location.as_ref())?;
                Ok(location)
            })
            .boxed()
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        match self.may_list(prefix) {
            Ok(()) => self.inner.list(prefix),
            Err(error) => stream::once(async { Err(error) }).boxed(),
        }
    }

    fn list_with_offset(&self, prefix: Option<&Path>, offset: &Path) -> BoxStream<'static, Result<ObjectMeta>> {
        match self.may_list(prefix) {
            Ok(()) => self.inner.list_with_offset(prefix, offset),
            Err(error) => stream::once(async { Err(error) }).boxed(),
        }
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.may_list(prefix)?;
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.policy.check("PUT", &self.policy.writes, to.as_ref())?;
        self.inner.copy_opts(from, to, options).await
    }
}

impl fmt::Display for PolicyStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Confined({})", self.inner)
    }
}

impl fmt::Debug for PolicyStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}
