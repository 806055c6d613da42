//! For stores that are started by somebody else: `scripts/test-release-stores`.

use zvault::store::{OpenMode, Store, StoreOptions, StoreUrl, contract};

#[test]
#[ignore = "needs a store: scripts/test-release-stores"]
fn the_contract_on_a_store() {
    let url = std::env::var("ZVAULT_TEST_STORE").expect("ZVAULT_TEST_STORE names an empty store");
    let store = Store::open(&StoreUrl::parse(&url).expect("a URL"), &StoreOptions::default(), OpenMode::Create)
        .expect("opened");
    let provider = crate::runner::provider();
    contract::run(&store, &|bytes| provider.hash.hash(&[bytes]));
}
