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
            // The same one may be in several collections. One that fails hides no other.
            let mut failure = None;
            for found in &found.unlocked {
                match found.get_secret().await.map(String::from_utf8) {
                    Ok(Ok(value)) => return Ok(Some(value)),
                    Ok(Err(_)) => failure = Some(KeychainError::Damaged { account: item.account.clone() }),
                    Err(error) => failure = Some(failed(error)),
                }
            }
            if !found.locked.is_empty() {
                return Err(KeychainError::Locked);
            }
            match failure {
                Some(failure) => Err(failure),
                // What is locked may not even show what it has.
                None => unlocked(&service).await.map(|_| None),
            }
        })
    }

    fn remove(&self, item: &Item) -> Result<(), KeychainError> {
        within(async {
            let service = connect().await?;
            let found = service.search_items(attributes(item)).await.map_err(failed)?;
            let mut done = Ok(());
            for found in &found.unlocked {
                done = done.and(found.delete().await.map_err(failed));
            }
            match (found.locked.is_empty(), found.unlocked.is_empty()) {
                (true, true) => unlocked(&service).await.map(drop),
                (true, false) => done,
                (false, _) => done.and(Err(KeychainError::Locked)),
            }
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

#[cfg(test)]
mod tests {
    use super::*;

    async fn add(alias: &str, item: &Item, value: &[u8]) -> Result<(), KeychainError> {
        let service = connect().await?;
        let collection = service.get_collection_by_alias(alias).await.map_err(failed)?;
        collection.create_item(&item.label, attributes(item), value, true, "text/plain").await.map_err(failed)?;
        Ok(())
    }

    async fn lock() -> Result<(), KeychainError> {
        let service = connect().await?;
        unlocked(&service).await?.lock().await.map_err(failed)
    }

    /// By hand, like the one in `mod.rs` and after it, and never on a keychain that somebody uses.
    #[test]
    #[ignore = "wants an unlocked keychain of a desktop, and locks it"]
    fn one_item_in_two_collections() {
        let item = |n: u8| Item { account: format!("test.two.{n}"), label: format!("zvault test {n}") };
        for (n, good, bad) in [(1, "default", "session"), (2, "session", "default")] {
            within(add(bad, &item(n), b"\xff")).expect("put");
            within(add(good, &item(n), b"value")).expect("put");
            assert_eq!(SecretServices.get(&item(n)).expect("got").as_deref(), Some("value"), "in {good}");
        }
        within(lock()).expect("locked");
        assert_eq!(SecretServices.get(&item(2)).expect("of the one that is open").as_deref(), Some("value"));
        assert!(matches!(SecretServices.remove(&item(2)), Err(KeychainError::Locked)));
        assert!(matches!(SecretServices.get(&item(2)), Err(KeychainError::Locked)), "the open one is gone");
    }
}
