//! The folder of local state with the keychain that belongs to it.

use std::path::Path;
use std::sync::Arc;

use crate::env::{KEYCHAIN, KEYCHAIN_OFF};
use crate::error::CommandError;
use crate::ui::Ui;
use zvault::keychain::{self, Keychain, SERVICE};
use zvault::state::{Home, KeychainUse};

/// Opens the state folder. The keychain is not asked for anything before it is needed.
pub(crate) fn open_home(path: &Path, ui: &Ui) -> Result<Home, CommandError> {
    let home = Home::open(path)?.with_keychain(platform(), usage());
    let ui = ui.clone();
    Ok(home.with_left_items(move |item, error| {
        ui.note(&format!(
            "item {} of {SERVICE} stays in the keychain, where nothing opens it any more: {}",
            item.account,
            zvault::chain(error)
        ));
    }))
}

/// Other values were refused at the start.
fn usage() -> KeychainUse {
    match std::env::var_os(KEYCHAIN) {
        Some(value) if value == KEYCHAIN_OFF => KeychainUse::Off,
        _ => KeychainUse::Auto,
    }
}

/// Debug builds can have another one, for the tests.
fn platform() -> Option<Arc<dyn Keychain>> {
    #[cfg(debug_assertions)]
    if let Some(folder) = std::env::var_os(crate::env::TEST_KEYCHAIN) {
        return Some(Arc::new(testing::Folder(folder.into())));
    }
    keychain::platform()
}

#[cfg(debug_assertions)]
mod testing {
    use std::path::PathBuf;
    use std::{fs, io};

    use zvault::keychain::{Item, Keychain, KeychainError};

    /// A keychain of files. One named `locked` locks it, with one named `keeps` nothing is taken out, and without the folder there
    /// is none.
    pub(super) struct Folder(pub(super) PathBuf);

    impl Folder {
        fn path(&self, item: &Item) -> Result<PathBuf, KeychainError> {
            match () {
                () if !self.0.exists() => Err(KeychainError::Absent(None)),
                () if self.0.join("locked").exists() => Err(KeychainError::Locked),
                () => Ok(self.0.join(&item.account)),
            }
        }
    }

    impl Keychain for Folder {
        fn put(&self, item: &Item, value: &str) -> Result<(), KeychainError> {
            fs::write(self.path(item)?, value).map_err(|error| KeychainError::Failed(error.into()))
        }

        fn get(&self, item: &Item) -> Result<Option<String>, KeychainError> {
            there(fs::read_to_string(self.path(item)?))
        }

        fn remove(&self, item: &Item) -> Result<(), KeychainError> {
            if self.0.join("keeps").exists() {
                return Err(KeychainError::Failed("it keeps what it has".into()));
            }
            there(fs::remove_file(self.path(item)?)).map(drop)
        }
    }

    fn there<T>(done: io::Result<T>) -> Result<Option<T>, KeychainError> {
        match done {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            done => done.map(Some).map_err(|error| KeychainError::Failed(error.into())),
        }
    }
}
