//! Push-only devices of vaults with several stores: the roster's URLs are not for them.

use std::time::Duration;

use super::*;
use crate::Trouble;
use crate::keys::DeviceKeys;
use crate::pairing::{Joined, JoinerHost, KeepAt, StorePlace, finish};
use crate::roster::AdmitOptions;
use crate::stage::testing::random_bytes;
use crate::store::StoreOptions;
use crate::vault::StoreConfig;
use vault_format::name::{deltas_prefix, logs_prefix};

/// What a store has lost that may be any of them is nobody's loss: least of all by the word of whoever cannot tell them apart.
#[test]
fn a_pusher_accepts_no_loss_on_a_store_it_cannot_name() {
    let world = World::new();
    let push = || push_source(&mut world.try_open(PUSHER, world.store(), Purpose::Push)?, &world.source(PUSHER));
    let deltas = || world.store().list(&deltas_prefix()).expect("listed").objects;
    world.write(PUSHER, "1", &random_bytes(1, 3000));
    push().expect("pushes");
    let kept = deltas();
    world.write(PUSHER, "2", &random_bytes(2, 3000));
    push().expect("pushes");
    let mut reader = world.open(READER);
    reader.add_store(&StoreConfig::unnamed("memory://push-only-copy")).expect("added");
    let primary = reader.roster.primary_store().expect("a primary");
    drop(reader);
    let own = world.open(PUSHER).device_id();
    let entries = || {
        let listed = world.store().list(&logs_prefix()).expect("listed").objects;
        listed.into_iter().map(|object| object.name).filter(|name| name.device() == Some(own)).collect::<Vec<_>>()
    };
    // With its table: it would be put back.
    let table = deltas().into_iter().find(|object| kept.iter().all(|other| other.name != object.name));
    for lost in [entries()[1], table.expect("a table").name] {
        world.store().delete(&lost).expect("lost");
    }

    let home = world.home(PUSHER);
    let id = home.vaults().expect("listed")[0];
    let open = |accept_rollback| {
        let mut unlock = unlock;
        let mut options = OpenOptions::new(URL, &home, PUSHER, &mut unlock);
        (options.accept_rollback, options.purpose) = (accept_rollback, Purpose::Push);
        Vault::open_on(world.store(), URL.into(), Some(home.device(id).expect("read")), options)
    };
    let pins = home.pins(id).expect("read");
    let error = open(true).err().expect("refused");
    assert!(matches!(error, VaultError::NotPrimary { .. }), "{error}");
    // Nothing was said, and nothing forgotten.
    assert_eq!((entries().len(), home.pins(id).expect("read")), (1, pins));
    assert_eq!(open(false).err().expect("refused").trouble(), Trouble::Integrity);

    // It may, where it knows that this is the store that decides.
    let ids = [(StoreConfig::unnamed(URL).plain_url(), primary)].into();
    home.update_access(rustcrypto::provider(), id, |access| access.ids = ids).expect("written");
    drop(open(true).expect("goes on"));
    assert_eq!(entries().len(), 2, "it says what is lost");
    let report = push().expect("pushes").0;
    assert_eq!(report.data_chunks, 1, "what the lost entry named is stored again");
    // The reader has seen what was lost, and goes on only when its person says so.
    let vault = world.open("never here");
    assert!(vault.log.suspicions().is_empty(), "{:?}", vault.log.suspicions());
    assert_eq!(world.restore_in(&vault, report.snapshot.expect("a snapshot")).0.problems, 0);
}

/// Which store it is that it was taken in by, it was told then.
#[test]
fn a_second_store_does_not_stop_a_paired_pusher() {
    lower_kdf_floors_for_tests();
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name);
    let url = |name: &str| path(name).to_str().expect("a path").to_owned();
    let homes = ["reader", "pusher"].map(|name| Arc::new(Home::open(&path(name)).expect("a home")));
    let passphrase = Passphrase::new("correct horse").expect("a passphrase");
    Vault::init(InitOptions::new(&url("vault"), &homes[0], READER, passphrase)).expect("a vault");
    let open = |n: usize, purpose| {
        let (url, mut unlock) = (url("vault"), unlock);
        let mut options = OpenOptions::new(&url, &homes[n], READER, &mut unlock);
        options.purpose = purpose;
        Vault::open(options)
    };
    let mut reader = open(0, Purpose::Read).expect("opens");

    // What the two agree upon.
    let keys = DeviceKeys::generate(rustcrypto::provider(), reader.id()).expect("keys");
    let (id, handshake) = (keys.id, Some([5; 32]));
    let admit = AdmitOptions {
        verify_key: &keys.verify_key,
        kem_key: &keys.kem_key,
        w: &keys.w,
        name: PUSHER,
        capabilities: Capabilities::PUSH,
        handshake,
        time: crate::now(),
    };
    let record = reader.admit(&admit).expect("admitted");
    let stores = reader.stores().into_iter().map(|store| {
        let url = store.url.expect("a reader knows it");
        StorePlace { id: store.id, primary: store.primary, url, settings: Vec::new() }
    });
    let joined = Joined {
        provider: rustcrypto::provider(),
        keys,
        name: PUSHER.into(),
        sponsor: reader.device_id(),
        capabilities: Capabilities::PUSH,
        handshake: [5; 32],
        stores: stores.collect(),
        roster_heads: reader.roster.heads.clone(),
        log_heads: Vec::new(),
        credentials: Vec::new(),
        record: Some(record),
    };
    KeepAt::new(&homes[1], None, &mut |_| {}, &mut |_| Ok(())).keep(&joined).expect("kept");
    let settings = |_: &str| StoreOptions::default();
    let finished = finish(&homes[1], reader.id(), &settings, Duration::ZERO, &Watch::new()).expect("a device");
    assert_eq!(finished.device, id);

    let source = path("source");
    fs::create_dir(&source).expect("made");
    let push = |n: u64| {
        fs::write(source.join(n.to_string()), random_bytes(n, 3000)).expect("written");
        let mut vault = open(1, Purpose::Push).expect("opens");
        assert_eq!((vault.device_id(), vault.is_push_only()), (id, true));
        push_source(&mut vault, &source)
    };
    push(1).expect("pushes");
    reader.refresh().expect("read again");
    reader.add_store(&StoreConfig::unnamed(&url("copy"))).expect("added");
    push(2).expect("pushes to the primary, whichever others there are");
}
