//! Uploads beside the work on the next packs.

use super::{FullPack, Inner, StoreError, StoredPack};
use std::sync::Arc;
use tokio::task::JoinHandle;
use vault_format::name::ObjectName;

/// A pack on its way to the store. Dropping it does not stop it, and forgets whether it arrived.
#[must_use = "a pack counts as stored only when the upload was waited for"]
pub struct Upload {
    inner: Arc<Inner>,
    name: ObjectName,
    task: JoinHandle<Result<StoredPack, StoreError>>,
}

impl Upload {
    /// Waits until one of the few places for uploads is free: the bound on the memory of packs in flight.
    pub(super) fn start(inner: Arc<Inner>, pack: FullPack) -> Self {
        let name = ObjectName::Pack(pack.name);
        let place = inner.runtime.block_on(inner.uploads.clone().acquire_owned());
        let place = place.expect("the semaphore of uploads is never closed");
        let task = inner.runtime.spawn({
            let inner = inner.clone();
            async move {
                let result = inner.put_pack(pack).await;
                drop(place);
                result
            }
        });
        Self { inner, name, task }
    }

    /// Whether [`Upload::wait`] returns at once.
    pub fn is_finished(&self) -> bool {
        self.task.is_finished()
    }

    /// Waits for the store to confirm the pack.
    pub fn wait(self) -> Result<StoredPack, StoreError> {
        let Self { inner, name, task } = self;
        match inner.runtime.block_on(task) {
            Ok(result) => result,
            Err(source) => Err(StoreError::Other { at: inner.at(&name), source: source.into() }),
        }
    }
}
