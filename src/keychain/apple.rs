//! The keychain of macOS.

use super::{Item, Keychain, KeychainError, SERVICE, WAIT};
use security_framework::base::Error;
use security_framework::os::macos::keychain::{KeychainUserInteractionLock, SecKeychain};
use std::sync::{Mutex, PoisonError, mpsc};
use std::thread;

/// The default keychain of whoever runs this.
pub(super) struct AppleKeychain;

impl Keychain for AppleKeychain {
    fn put(&self, item: &Item, value: &str) -> Result<(), KeychainError> {
        let (account, value) = (item.account.clone(), value.to_owned());
        within(move |keychain| keychain.set_generic_password(SERVICE, &account, value.as_bytes()))
    }

    fn get(&self, item: &Item) -> Result<Option<String>, KeychainError> {
        let account = item.account.clone();
        let found = within(move |keychain| match keychain.find_generic_password(SERVICE, &account) {
            Ok((value, _)) => Ok(Some(value.to_vec())),
            Err(error) if error.code() == NOT_FOUND => Ok(None),
            Err(error) => Err(error),
        });
        let text =
            |value| String::from_utf8(value).map_err(|_| KeychainError::Damaged { account: item.account.clone() });
        found?.map(text).transpose()
    }

    fn remove(&self, item: &Item) -> Result<(), KeychainError> {
        let account = item.account.clone();
        within(move |keychain| match keychain.find_generic_password(SERVICE, &account) {
            // It does not say whether it could; who looks again sees it.
            Ok((_, found)) => {
                found.delete();
                match keychain.find_generic_password(SERVICE, &account) {
                    Ok(_) => Err(Error::from_code(NOT_ALLOWED)),
                    Err(error) if error.code() == NOT_FOUND => Ok(()),
                    Err(error) => Err(error),
                }
            }
            Err(error) if error.code() == NOT_FOUND => Ok(()),
            Err(error) => Err(error),
        })
    }
}

/// On a thread of its own, so that one that hangs is left behind.
fn within<T: Send + 'static>(
    work: impl FnOnce(&SecKeychain) -> Result<T, Error> + Send + 'static,
) -> Result<T, KeychainError> {
    let (tell, told) = mpsc::channel();
    thread::spawn(move || {
        let done = no_windows().and_then(|()| work(&SecKeychain::default()?));
        let _ = tell.send(done);
    });
    match told.recv_timeout(WAIT) {
        Ok(done) => done.map_err(|error| match error.code() {
            NOT_ALLOWED | AUTH_FAILED => KeychainError::Locked,
            NO_KEYCHAIN | NO_DEFAULT => KeychainError::Absent(Some(error.into())),
            _ => KeychainError::Failed(error.into()),
        }),
        Err(_) => Err(KeychainError::Slow { seconds: WAIT.as_secs() }),
    }
}

/// For this process, from now on: the setting has no owner, so a thread that was left behind and gave it back would open windows
/// for whoever comes after it.
fn no_windows() -> Result<(), Error> {
    let mut held = NO_WINDOWS.lock().unwrap_or_else(PoisonError::into_inner);
    if held.is_none() {
        *held = Some(SecKeychain::disable_user_interaction()?);
    }
    Ok(())
}

/// Windows are allowed again when it is dropped, so it never is.
static NO_WINDOWS: Mutex<Option<KeychainUserInteractionLock>> = Mutex::new(None);
/// `errSecItemNotFound`
const NOT_FOUND: i32 = -25300;
/// `errSecInteractionNotAllowed`: somebody would have to be asked.
const NOT_ALLOWED: i32 = -25308;
/// `errSecAuthFailed`
const AUTH_FAILED: i32 = -25293;
/// `errSecNoSuchKeychain`
const NO_KEYCHAIN: i32 = -25294;
/// `errSecNoDefaultKeychain`
const NO_DEFAULT: i32 = -25307;
