//! An app that keeps its own state in a vault: `cargo run --example app_state -- STATE_FOLDER VAULT_FOLDER`.
//!
//! The first run makes the vault, every run pushes the state and restores it to a folder beside it.

#![allow(clippy::print_stdout)] // a program, not a library

use std::{env, error::Error, path::PathBuf, sync::Arc};

use zvault::keys::Passphrase;
use zvault::push::{PushOptions, push};
use zvault::restore::{RestoreOptions, restore};
use zvault::state::Home;
use zvault::vault::{InitOptions, OpenOptions, UnlockSecret, Vault};
use zvault::watch::Watch;

fn main() -> Result<(), Box<dyn Error>> {
    let [state, place] = env::args().skip(1).collect::<Vec<_>>().try_into().map_err(|_| "usage: STATE VAULT")?;
    let home = Arc::new(Home::open(&PathBuf::from(format!("{state}.zvault")))?);
    let secret = || Passphrase::new("ask the person for this one");
    let mut unlock = |_: &str| secret().map(UnlockSecret::Passphrase).map_err(|error| error.to_string());
    let mut vault = match Vault::open(OpenOptions::new(&place, &home, "my app", &mut unlock)) {
        Err(error) if error.trouble() == zvault::Trouble::NoVault => {
            Vault::init(InitOptions::new(&place, &home, "my app", secret()?))?.vault
        }
        opened => opened?,
    };
    let watch = Watch::new();
    let report = push(&mut vault, &PushOptions { paths: vec![state.clone().into()], ..Default::default() }, &watch)?;
    println!("{} files, {} bytes added", report.total_files_processed, report.data_added_packed);
    let snapshot = vault.resolve("latest")?;
    let restored = restore(&vault, &RestoreOptions::new(snapshot, format!("{state}.restored").into()), &watch)?;
    println!("{} files restored, {} as they were", restored.files_restored, restored.files_skipped);
    Ok(())
}
