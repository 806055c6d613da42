//! The backend by its one entrance, alone and beside the RustCrypto backend of the same suite.
#![cfg(debug_assertions)] // crypto_backends::testing is not in release builds

mod indicator;
mod known_answers;
mod other_backend;
mod refusals;

use crypto_backends::{Provider, Suite, rustcrypto};

fn module() -> &'static Provider {
    zvault_fips::provider().expect("the module passes its self-tests")
}

fn other() -> &'static Provider {
    rustcrypto::provider_of(Suite::Fips)
}
