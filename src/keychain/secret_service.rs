//! The keychain of Linux and BSD desktops: whoever answers as `org.freedesktop.secrets` on the session bus.

use super::{Item, Keychain, KeychainError, SERVICE, WAIT};
use secret_service::{Collection, EncryptionType, Error, SecretService};
use std::collections::HashMap;

/// GNOME's, KDE's, KeePassXC's.
pub(super) struct SecretServices;

impl Keychain for SecretServices {
    fn put(&self, item: &Item, value: &str) -> Result<(), KeychainError> {
        within(async {
            let service = connect().await?;
            // Only where nobody needs to be asked.
            let open = unlocked(&service).await?;
            open.create_item(&item.label, attributes(item), value.as_bytes(), true, "text/plain")
                .await
                .map_err(failed)?;
            Ok(())
        })
    }

    fn get(&self, item: &Item) -> Result<Option<String>, KeychainError> {
        within(async {
            let service = connect().await?;
            let found = service.search_items(attributes(item)).await.map_err(failed)?;
            if let Some(found) = found.unlocked.first() {
                let value = found.get_secret().await.map_err(failed)?;
                return String::from_utf8(value)
                    .map(Some)
                    .map_err(|_| KeychainError::Damaged { account: item.account.clone() });
            }
            if found.locked.is_empty() {
                // What is locked may not even show what it has.
                unlocked(&service).await?;
                return Ok(None);
            }
            Err(KeychainError::Locked)
        })
    }

    fn remove(&self, item: &Item) -> Result<(), KeychainError> {
        within(async {
            let service = connect().await?;
            let found = service.search_items(attributes(item)).await.map_err(failed)?;
            if !found.locked.is_empty() {
                return Err(KeychainError::Locked);
            }
            if found.unlocked.is_empty() {
                unlocked(&service).await?;
            }
            for found in &found.unlocked {
                found.delete().await.map_err(failed)?;
            }
            Ok(())
        })
    }
}

/// In clear on the bus, which is this user's own: values are sealed before they come here.
async fn connect() -> Result<SecretService<'static>, KeychainError> {
    SecretService::connect(EncryptionType::Plain).await.map_err(|error| KeychainError::Absent(Some(error.into())))
}

/// The collection that new items go to.
async fn unlocked<'a>(service: &'a SecretService<'static>) -> Result<Collection<'a>, KeychainError> {
    let collection = match service.get_default_collection().await {
        Ok(collection) => collection,
        Err(Error::NoResult) => return Err(KeychainError::Locked),
        Err(error) => return Err(failed(error)),
    };
    match collection.is_locked().await.map_err(failed)? {
        true => Err(KeychainError::Locked),
        false => Ok(collection),
    }
}

fn attributes(item: &Item) -> HashMap<&str, &str> {
    HashMap::from([("service", SERVICE), ("account", &*item.account)])
}

fn failed(error: Error) -> KeychainError {
    match error {
        Error::Locked | Error::Prompt => KeychainError::Locked,
        error => KeychainError::Failed(error.into()),
    }
}

fn within<T>(work: impl Future<Output = Result<T, KeychainError>>) -> Result<T, KeychainError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| KeychainError::Absent(Some(error.into())))?;
    let done = runtime.block_on(async { tokio::time::timeout(WAIT, work).await });
    // A bus that does not answer is not waited for here either.
    runtime.shutdown_background();
    done.unwrap_or(Err(KeychainError::Slow { seconds: WAIT.as_secs() }))
}
