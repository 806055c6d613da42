//! A vault from its founding on, and what attackers make of it (the design's A1 to A4, A8, A14).

use super::{
    EnrollOptions, Enrolled, Founded, FoundingOptions, IgnoredWhy, NewRecord, OpenError, Rank, Roster, RosterError,
    Standing, StoreChange, UnlockError, WriteError, change_stores, enroll, found, graph::name_of, unlock, write::sign,
};
use crate::keys::{DeviceKeys, EpochKeys, NewSlot, Passphrase, SlotSecret, Words, boxes, device_id, seal_slot};
use crypto_backends::{
    Key,
    rustcrypto::{lower_kdf_floors_for_tests, provider},
};
use vault_format::{
    ObjectName,
    entry::Time,
    ids::{DeviceId, EpochId, Identity, VaultId},
    roster::{Capabilities, Op, PrivatePart, Record, RecordObject},
    sizes,
};

mod attacks;
mod departures;
mod members;

type Objects = Vec<(ObjectName, Vec<u8>)>;

const NOW: Time = Time { secs: 1_790_000_000, nanos: 5 };
const NAME: &str = "canary-laptop";
const URL: &str = "file:///canary/vault";
const RPP: u8 = 1 | 2 | 16;

fn caps(bits: u8) -> Capabilities {
    Capabilities::from_bits(bits).expect("capabilities")
}

fn passphrase() -> Passphrase {
    Passphrase::new("correct horse").expect("a passphrase")
}

fn make(words: bool, passphrase: &Passphrase) -> Founded {
    lower_kdf_floors_for_tests();
    let options = FoundingOptions {
        passphrase,
        password_params: provider().password.fit(0),
        low_memory: false,
        words,
        device_name: NAME,
        store_url: URL,
        store_kind: 1,
        store_verdict: 0,
        time: NOW,
    };
    found(provider(), &options).expect("a vault")
}

/// A vault with its records, as a test goes on writing.
struct Vault {
    objects: Objects,
    id: VaultId,
    founder: DeviceKeys,
    words: Option<Words>,
}

impl Vault {
    fn new() -> Self {
        Self::of(make(true, &passphrase()))
    }

    fn of(founded: Founded) -> Self {
        Self {
            objects: vec![(founded.record.name, founded.record.bytes)],
            id: founded.vault,
            founder: founded.device,
            words: founded.words,
        }
    }

    fn roster(&self) -> Roster {
        Roster::build(provider(), &self.objects, Some(self.id)).expect("a roster")
    }

    fn store(&mut self, record: NewRecord) -> Identity {
        let identity = identity(&record.bytes);
        self.objects.push((record.name, record.bytes));
        identity
    }

    fn unlock_by_passphrase(&self) -> DeviceKeys {
        let passphrase = passphrase();
        let unlocked = unlock(provider(), &self.objects, None, SlotSecret::Passphrase(&passphrase));
        unlocked.map_err(|e| e.to_string()).expect("unlocked").device
    }

    fn unlock_by_words(&self) -> DeviceKeys {
        let words = self.words.as_ref().expect("the vault has words");
        let unlocked = unlock(provider(), &self.objects, None, SlotSecret::Words(words));
        unlocked.map_err(|e| e.to_string()).expect("unlocked").device
    }

    fn enroll(&mut self, signer: &DeviceKeys, name: &str, capabilities: Capabilities) -> DeviceKeys {
        let enrolled = self.try_enroll(signer, name, capabilities).expect("enrolled");
        self.store(enrolled.record);
        enrolled.device
    }

    fn try_enroll(&self, signer: &DeviceKeys, name: &str, capabilities: Capabilities) -> Result<Enrolled, WriteError> {
        let roster = self.roster();
        let keys = roster.open_as(provider(), signer).map_err(|e| e.to_string()).expect("opens");
        enroll(provider(), &roster, &keys, signer, &EnrollOptions { name, capabilities, time: NOW })
    }

    /// A record on top of all heads.
    fn write(&mut self, signer: &DeviceKeys, change: impl FnOnce(&mut Record)) -> Identity {
        let (parents, _) = self.roster().next_place(signer.id);
        self.write_after(signer, parents, change)
    }

    /// A record wherever an attacker wants it.
    fn write_after(
        &mut self,
        signer: &DeviceKeys,
        parents: Vec<Identity>,
        change: impl FnOnce(&mut Record),
    ) -> Identity {
        let n =
            self.objects.iter().filter(|(_, bytes)| parents.contains(&identity(bytes))).map(|(name, _)| match name {
                ObjectName::Roster { n, .. } => n + 1,
                _ => 0,
            });
        let mut record = Record {
            genesis: None,
            time: NOW,
            n: n.max().unwrap_or(0),
            parents,
            ops: Vec::new(),
            epoch: None,
            boxes: Vec::new(),
            private: None,
        };
        change(&mut record);
        self.store(sign(provider(), signer, &record).expect("signed"))
    }

    fn revoke(&mut self, signer: &DeviceKeys, id: DeviceId) -> Identity {
        self.write(signer, |record| record.ops.push(Op::Revoke { id, last: None }))
    }
}

fn identity(stored: &[u8]) -> Identity {
    let object = RecordObject::parse(stored).expect("a record");
    Identity(provider().hash.hash(&[&stored[..object.signed_len]]))
}

fn add(device: &DeviceKeys, capabilities: Capabilities) -> Op {
    Op::Add {
        id: device.id,
        verify_key: device.verify_key.clone(),
        kem_key: device.kem_key.clone(),
        capabilities,
        slot: None,
        handshake: None,
    }
}

fn fresh(vault: VaultId) -> DeviceKeys {
    DeviceKeys::generate(provider(), vault).expect("a device")
}

#[test]
fn a_new_vault_opens_in_three_ways() {
    let vault = Vault::new();
    let roster = vault.roster();
    assert_eq!(roster.devices.len(), 3);
    assert_eq!((roster.heads.len(), roster.void.len(), roster.ignored.len()), (1, 0, 0));
    let (by_passphrase, by_words) = (vault.unlock_by_passphrase(), vault.unlock_by_words());
    let expected = [
        (vault.founder.id, Rank::Admin, Capabilities::ALL),
        (by_passphrase.id, Rank::Device, caps(RPP)),
        (by_words.id, Rank::Root, Capabilities::ALL),
    ];
    for (id, rank, capabilities) in expected {
        let device = &roster.devices[&id];
        assert_eq!((device.rank, device.capabilities), (rank, capabilities));
    }
    let first = roster.open_as(provider(), &vault.founder).map_err(|e| e.to_string()).expect("opens");
    for device in [&vault.founder, &by_passphrase, &by_words] {
        let keys = roster.open_as(provider(), device).map_err(|e| e.to_string()).expect("opens");
        let epoch = keys.current_epoch().expect("an epoch");
        assert_eq!(Some(epoch.id), roster.current_epoch);
        assert!(epoch.data.ct_eq(&first.epochs[&epoch.id].data) && keys.domain_root.ct_eq(&first.domain_root));
        assert_eq!(keys.device_names[&vault.founder.id], NAME);
        assert_eq!(keys.store_urls.values().collect::<Vec<_>>(), [URL]);
        assert!(keys.secrets[&by_words.id].ct_eq(&by_words.w));
        let (ciphertext, shared) = provider().kem.encapsulate(&roster.epochs[0].public).expect("sealed");
        let secret = keys.kem_secret(epoch.id).expect("the epoch's secret");
        assert!(provider().kem.decapsulate(secret.expose(), &ciphertext).expect("opens").ct_eq(&shared));
    }
}

#[test]
fn without_words_the_passphrase_is_root() {
    let vault = Vault::of(make(false, &passphrase()));
    assert!(vault.words.is_none());
    let device = vault.unlock_by_passphrase();
    assert_eq!(vault.roster().devices[&device.id].rank, Rank::Root);
    assert_eq!(vault.roster().devices.len(), 2);
    let words = Words::from_entropy(&Key::new([1; 32])).expect("a backend");
    let refused = unlock(provider(), &vault.objects, None, SlotSecret::Words(&words));
    assert!(matches!(refused, Err(UnlockError::NoSlot(_))));
}

#[test]
fn records_show_no_names_and_have_a_size_of_the_table() {
    let mut vault = Vault::new();
    let founder = vault.founder.duplicate();
    vault.enroll(&founder, NAME, caps(3));
    for (name, bytes) in &vault.objects {
        assert!(sizes::is_class(bytes.len()));
        assert_eq!(ObjectName::parse(&name.to_path()), Some(*name));
        assert!(!bytes.windows(6).any(|w| w == b"canary"));
        assert!(!bytes.windows(32).any(|w| w == founder.w.expose()));
    }
}

#[test]
fn wrong_secrets_are_named_so() {
    let vault = Vault::new();
    let wrong = Passphrase::new("wrong horse").expect("a passphrase");
    let refused = unlock(provider(), &vault.objects, None, SlotSecret::Passphrase(&wrong));
    assert!(matches!(refused, Err(UnlockError::WrongSecret("passphrase"))));
    let words = Words::from_entropy(&Key::new([1; 32])).expect("a backend");
    let refused = unlock(provider(), &vault.objects, None, SlotSecret::Words(&words));
    assert!(matches!(refused, Err(UnlockError::WrongSecret("recovery key"))));
}

/// The provider has its own vault, and puts the victim's genuine slot into it.
fn foreign_vault(genuine: &Vault, slot_of: DeviceId) -> Vault {
    let own = Passphrase::new("the attacker's own").expect("a passphrase");
    let mut foreign = Vault::of(make(false, &own));
    let target = genuine.roster().devices[&slot_of].clone();
    let (attacker, roster) = (foreign.founder.duplicate(), foreign.roster());
    let keys = roster.open_as(provider(), &attacker).map_err(|e| e.to_string()).expect("opens");
    let id = device_id(provider(), foreign.id, &target.verify_key, &target.kem_key);
    let to = boxes::Recipient { id, kem_key: &target.kem_key, w: &Key::new([0; 32]) };
    let epoch = keys.current_epoch().expect("an epoch");
    let boxed = boxes::seal_reader_box(provider(), foreign.id, &to, epoch, &keys.domain_root).expect("sealed");
    foreign.write(&attacker, |record| {
        record.ops.push(Op::Add {
            id,
            verify_key: target.verify_key,
            kem_key: target.kem_key,
            capabilities: Capabilities::ALL,
            slot: target.slot,
            handshake: None,
        });
        record.boxes.push(boxed);
    });
    foreign
}

#[test]
fn genuine_slot_foreign_vault() {
    let genuine = Vault::new();
    let foreign = foreign_vault(&genuine, genuine.unlock_by_passphrase().id);
    let shown = foreign.roster();
    assert_eq!((shown.slots().len(), shown.void.len()), (2, 0), "by itself the foreign roster is without fault");
    let passphrase = passphrase();
    let refused =
        unlock(provider(), &foreign.objects, None, SlotSecret::Passphrase(&passphrase)).err().expect("refused");
    assert!(
        matches!(refused, UnlockError::OtherVault { inside, shown } if inside == genuine.id && shown == foreign.id),
        "{refused}"
    );
}

#[test]
fn recovery_pubkey_sealed_into_foreign_vault() {
    let genuine = Vault::new();
    let device = genuine.unlock_by_words();
    let foreign = foreign_vault(&genuine, device.id);
    let words = genuine.words.as_ref().expect("words");
    let refused = unlock(provider(), &foreign.objects, None, SlotSecret::Words(words)).err().expect("refused");
    assert!(
        matches!(refused, UnlockError::OtherVault { inside, shown } if inside == genuine.id && shown == foreign.id),
        "{refused}"
    );
    // The keys do not make a member of it either: their id hangs on the vault.
    assert!(matches!(foreign.roster().open_as(provider(), &device), Err(OpenError::NotAMember { .. })));
    // With both vaults under the prefix, the slot says which one it is.
    let both = [foreign.objects.clone(), genuine.objects.clone()].concat();
    let unlocked =
        unlock(provider(), &both, None, SlotSecret::Words(words)).map_err(|e| e.to_string()).expect("unlocked");
    assert_eq!((unlocked.roster.vault, unlocked.device.id), (genuine.id, device.id));
    let pinned = unlock(provider(), &both, Some(foreign.id), SlotSecret::Words(words));
    assert!(matches!(pinned, Err(UnlockError::OtherVault { .. })));
}

#[test]
fn two_genesis_one_prefix() {
    let (one, two) = (Vault::new(), Vault::new());
    let both = [one.objects.clone(), two.objects.clone()].concat();
    match Roster::build(provider(), &both, None) {
        Err(RosterError::TwoVaults { mut found }) => {
            let mut expected = [one.id, two.id];
            found.sort();
            expected.sort();
            assert_eq!(found, expected);
        }
        other => panic!("{:?}", other.map(|roster| roster.vault)),
    }
    let roster = Roster::build(provider(), &both, Some(one.id)).expect("the pinned one");
    assert_eq!(roster.vault, one.id);
    assert!(matches!(roster.ignored[0].why, IgnoredWhy::OtherVault(id) if id == two.id));
    let refused = Roster::build(provider(), &one.objects, Some(two.id));
    assert!(matches!(refused, Err(RosterError::OtherVault { .. })));
}

#[test]
fn a_genesis_of_somebody_else_founds_nothing() {
    // Record 0 copied under another founder: the genesis is genuine, the signer is not its founder.
    let vault = Vault::new();
    let stored = &vault.objects[0].1;
    let object = RecordObject::parse(stored).expect("a record");
    let mut record = Record::parse(&stored[object.body], provider().suite).expect("a record");
    let attacker = fresh(vault.id);
    record.ops.push(add(&attacker, Capabilities::ALL));
    let forged = sign(provider(), &attacker, &record).expect("signed");
    assert!(matches!(Roster::build(provider(), &[(forged.name, forged.bytes)], None), Err(RosterError::NotAVault)));
}

#[test]
fn no_vault_and_newer_vault() {
    assert!(matches!(Roster::build(provider(), &[], None), Err(RosterError::NotAVault)));
    let object = |bytes: Vec<u8>| (name_of(0, provider().hash.hash(&[&bytes])), bytes);
    assert!(matches!(Roster::build(provider(), &[object(vec![7; 4096])], None), Err(RosterError::NotAVault)));
    let vault = Vault::new();
    let mut newer = vault.objects[0].1.clone();
    newer[4] = 2;
    let newer = object(newer);
    let refused = Roster::build(provider(), std::slice::from_ref(&newer), None);
    assert!(matches!(refused, Err(RosterError::NewerFormat { .. })));
    // Beside a vault of this version it is junk: anybody can plant it.
    let beside = [vault.objects.clone(), vec![newer]].concat();
    assert_eq!(Roster::build(provider(), &beside, None).expect("a roster").ignored.len(), 1);
}

#[test]
fn added_reader_gets_box() {
    let mut vault = Vault::new();
    let by_passphrase = vault.unlock_by_passphrase();
    let laptop = vault.enroll(&by_passphrase, "laptop", caps(RPP));
    let phone = vault.enroll(&laptop, "phone", caps(3));
    let roster = vault.roster();
    assert_eq!((roster.heads.len(), roster.void.len()), (1, 0));
    assert_eq!((roster.devices[&phone.id].rank, roster.devices[&phone.id].capabilities), (Rank::Device, caps(3)));
    assert_eq!(roster.devices[&phone.id].added_n, 2);
    let keys = roster.open_as(provider(), &phone).map_err(|e| e.to_string()).expect("opens");
    assert_eq!(keys.device_names[&phone.id], "phone");
    assert!(keys.secrets[&phone.id].ct_eq(&phone.w));
    assert!(roster.current_epoch.is_some() && keys.current == roster.current_epoch);
}

#[test]
fn passphrase_hands_on_neither_prune_nor_admin() {
    let mut vault = Vault::new();
    let by_passphrase = vault.unlock_by_passphrase();
    for capability in [Capabilities::PRUNE, Capabilities::ADMIN] {
        let asked = capability | Capabilities::READ;
        let refused = vault.try_enroll(&by_passphrase, "x", asked).err().expect("refused");
        assert!(matches!(refused, WriteError::NotAllowed { .. }));
        assert!(refused.to_string().contains("read, push, pair"), "{refused}");
        // And nobody believes a record that does it all the same.
        let device = fresh(vault.id);
        vault.write(&by_passphrase, |record| record.ops.push(add(&device, asked)));
        assert!(!vault.roster().devices.contains_key(&device.id));
    }
    assert!(vault.roster().void.iter().all(|void| void.standing == Standing::NoRight));
    // Nor does a plain device hand on anything.
    let plain = vault.enroll(&by_passphrase, "plain", caps(3));
    assert!(matches!(vault.try_enroll(&plain, "x", caps(3)), Err(WriteError::NotAllowed { .. })));
}

#[test]
fn words_hand_on_everything() {
    let mut vault = Vault::new();
    let by_words = vault.unlock_by_words();
    let device = vault.enroll(&by_words, "admin", Capabilities::ALL);
    assert_eq!(vault.roster().devices[&device.id].rank, Rank::Admin);
    // Only root revokes the founder.
    vault.revoke(&device, vault.founder.id);
    assert!(vault.roster().devices[&vault.founder.id].is_member());
    vault.revoke(&by_words, vault.founder.id);
    assert!(!vault.roster().devices[&vault.founder.id].is_member());
}

#[test]
fn push_only_devices() {
    let mut vault = Vault::new();
    let founder = vault.founder.duplicate();
    let server = vault.enroll(&founder, "server", Capabilities::PUSH);
    let roster = vault.roster();
    assert!(matches!(roster.open_as(provider(), &server), Err(OpenError::NotAReader { .. })));
    assert!(matches!(roster.open_as_pusher(provider(), &founder), Err(OpenError::NotAPusher { .. })));
    let access = roster.open_as_pusher(provider(), &server).map_err(|e| e.to_string()).expect("opens");
    let reader = roster.open_as(provider(), &founder).map_err(|e| e.to_string()).expect("opens");
    let epoch = reader.current_epoch().expect("an epoch");
    assert_eq!(access.current, Some(epoch.id));
    assert!(access.epochs[&epoch.id].log.ct_eq(&epoch.pusher(server.id).log));
    assert!(access.domain.secret().ct_eq(reader.domain(server.id.into()).secret()));
    // Its revocation leaves the epoch clean.
    vault.revoke(&founder, server.id);
    assert!(vault.roster().current_epoch.is_some());
    assert!(matches!(vault.roster().open_as_pusher(provider(), &server), Err(OpenError::Revoked { .. })));
}

#[test]
fn boxes_for_others_are_an_admins() {
    let mut vault = Vault::new();
    let by_passphrase = vault.unlock_by_passphrase();
    let (epoch, root) = (EpochKeys::new(provider(), vault.roster().epochs[0].id, Key::new([1; 32])), Key::new([2; 32]));
    let boxed =
        boxes::seal_reader_box(provider(), vault.id, &vault.founder.recipient(), &epoch, &root).expect("sealed");
    let device = fresh(vault.id);
    vault.write(&by_passphrase, |record| {
        record.ops.push(add(&device, caps(3)));
        record.boxes.push(boxed);
    });
    assert!(!vault.roster().devices.contains_key(&device.id));
    assert!(vault.roster().open_as(provider(), &vault.founder).is_ok());
}

#[test]
fn a_box_with_a_false_epoch_secret_is_not_believed() {
    let mut vault = Vault::new();
    let founder = vault.founder.duplicate();
    let device = fresh(vault.id);
    let (epoch, root) = (EpochKeys::new(provider(), vault.roster().epochs[0].id, Key::new([1; 32])), Key::new([2; 32]));
    let boxed = boxes::seal_reader_box(provider(), vault.id, &device.recipient(), &epoch, &root).expect("sealed");
    vault.write(&founder, |record| {
        record.ops.push(add(&device, caps(3)));
        record.boxes.push(boxed);
    });
    assert!(vault.roster().open_as(provider(), &device).is_err());
}

/// What an admin writes to start an epoch for these devices.
fn new_epoch(vault: &Vault, signer: &DeviceKeys, readers: &[&DeviceKeys], n: u8) -> impl FnOnce(&mut Record) + use<> {
    let roster = vault.roster();
    let keys = roster.open_as(provider(), signer).map_err(|e| e.to_string()).expect("opens");
    let epoch = EpochKeys::new(provider(), EpochId([n; 16]), Key::new([n; 32]));
    let earlier: Vec<&EpochKeys> = keys.epochs.values().collect();
    let part = boxes::seal_epoch(provider(), vault.id, &epoch, &earlier).expect("sealed");
    let seal = |d: &&DeviceKeys| {
        boxes::seal_reader_box(provider(), vault.id, &d.recipient(), &epoch, &keys.domain_root).expect("sealed")
    };
    let boxed: Vec<_> = readers.iter().map(seal).collect();
    let private = PrivatePart { devices: vec![(signer.id, *signer.w.expose(), "renamed".into())], stores: vec![] };
    let private = boxes::seal_private(provider(), vault.id, &epoch, &private).expect("sealed");
    move |record| {
        record.epoch = Some(part);
        record.boxes = boxed;
        record.private = Some(private);
    }
}

#[test]
fn revoked_reader_cannot_open_new_epoch() {
    let mut vault = Vault::new();
    let founder = vault.founder.duplicate();
    let laptop = vault.enroll(&founder, "laptop", caps(3));
    let first = vault.roster().current_epoch.expect("an epoch");
    vault.revoke(&founder, laptop.id);
    assert!(matches!(vault.roster().open_as(provider(), &laptop), Err(OpenError::Revoked { .. })));
    assert_eq!(vault.roster().current_epoch, None, "sealed to somebody who was revoked: pushing stops");

    let by_words = vault.unlock_by_words();
    let change = new_epoch(&vault, &founder, &[&founder, &by_words], 7);
    vault.write(&founder, change);
    let roster = vault.roster();
    assert_eq!(roster.current_epoch, Some(EpochId([7; 16])));
    for device in [&founder, &by_words] {
        let keys = roster.open_as(provider(), device).map_err(|e| e.to_string()).expect("opens");
        assert_eq!(
            keys.epochs.keys().copied().collect::<std::collections::BTreeSet<_>>(),
            [first, EpochId([7; 16])].into()
        );
        assert_eq!(keys.device_names[&founder.id], "renamed");
    }
    // Who joins later reads the past by history alone.
    let phone = vault.enroll(&founder, "phone", caps(3));
    let keys = vault.roster().open_as(provider(), &phone).map_err(|e| e.to_string()).expect("opens");
    assert_eq!(keys.epochs.len(), 2);
    assert_eq!(keys.current, Some(EpochId([7; 16])));
}

#[test]
fn two_epochs_same_time_no_clean_epoch() {
    let mut vault = Vault::new();
    let founder = vault.founder.duplicate();
    let admin = vault.enroll(&founder, "admin", Capabilities::ALL);
    let (x, y) = (vault.enroll(&founder, "x", caps(3)), vault.enroll(&founder, "y", caps(3)));
    let base = vault.roster().heads;
    let (one, two) = (
        new_epoch(&vault, &founder, &[&founder, &admin, &y], 1),
        new_epoch(&vault, &admin, &[&founder, &admin, &x], 2),
    );
    let mut with = |signer: &DeviceKeys, id, change: Box<dyn FnOnce(&mut Record)>| {
        vault.write_after(signer, base.clone(), |record| {
            record.ops.push(Op::Revoke { id, last: None });
            change(record);
        });
    };
    with(&founder, x.id, Box::new(one));
    with(&admin, y.id, Box::new(two));
    let roster = vault.roster();
    assert_eq!(roster.epochs.iter().filter(|epoch| epoch.is_head).count(), 2);
    assert_eq!(roster.current_epoch, None);
    // A device that is added now can read both branches.
    let phone = vault.enroll(&founder, "phone", caps(3));
    let keys = vault.roster().open_as(provider(), &phone).map_err(|e| e.to_string()).expect("opens");
    assert_eq!((keys.epochs.len(), keys.current), (3, None));
    // An admin's merge starts a clean one.
    let change = new_epoch(&vault, &founder, &[&founder, &admin, &phone], 3);
    vault.write(&founder, change);
    assert_eq!(vault.roster().current_epoch, Some(EpochId([3; 16])));
    assert_eq!(vault.roster().heads.len(), 1);
    let keys = vault.roster().open_as(provider(), &phone).map_err(|e| e.to_string()).expect("opens");
    assert_eq!(keys.epochs.len(), 4);
}

#[test]
fn old_slot_from_mirror_is_void() {
    let mut vault = Vault::new();
    let by_passphrase = vault.unlock_by_passphrase();
    let founder = vault.founder.duplicate();
    vault.revoke(&founder, by_passphrase.id);
    let passphrase = passphrase();
    let refused = unlock(provider(), &vault.objects, None, SlotSecret::Passphrase(&passphrase));
    assert!(matches!(refused, Err(UnlockError::NoSlot("passphrase"))));
}

#[test]
fn a_store_that_hides_what_a_slot_has_seen() {
    let mut vault = Vault::new();
    let founder = vault.founder.duplicate();
    let hidden = vault.revoke(&founder, DeviceId([9; 16]));
    let visible: Vec<Identity> = vec![identity(&vault.objects[0].1)];
    let (device, words) = (fresh(vault.id), Words::from_entropy(&Key::new([5; 32])).expect("a backend"));
    let genesis = vault.roster().genesis;
    let slot = seal_slot(provider(), NewSlot::Words(&words), &device, &genesis, &[hidden]).expect("sealed");
    vault.write_after(&founder, visible, |record| {
        let Op::Add { id, verify_key, kem_key, capabilities, .. } = add(&device, caps(1)) else { unreachable!() };
        record.ops.push(Op::Add { id, verify_key, kem_key, capabilities, slot: Some(slot), handshake: None });
    });
    assert!(unlock(provider(), &vault.objects, None, SlotSecret::Words(&words)).is_ok());
    vault.objects.retain(|(_, bytes)| identity(bytes) != hidden);
    let refused = unlock(provider(), &vault.objects, None, SlotSecret::Words(&words));
    assert!(matches!(refused, Err(UnlockError::Withheld { head }) if head == hidden));
}

#[test]
fn planted_and_damaged_records_change_nothing() {
    let mut vault = Vault::new();
    let founder = vault.founder.duplicate();
    vault.enroll(&founder, "laptop", caps(3));
    let good = vault.roster();
    let (expected, heads) = (good.devices.keys().copied().collect::<Vec<_>>(), good.heads);
    let stranger = fresh(vault.id);
    let genuine = vault.objects[1].clone();
    let named = |n: u32, bytes: Vec<u8>| (name_of(n, provider().hash.hash(&[&bytes])), bytes);
    let changed = |at: usize| {
        let mut bytes = genuine.1.clone();
        bytes[at] ^= 1;
        bytes
    };
    let len = genuine.1.len();
    let mut by_stranger =
        Vault { objects: vault.objects.clone(), id: vault.id, founder: founder.duplicate(), words: None };
    by_stranger.write_after(&stranger, heads.clone(), |record| record.ops.push(add(&stranger, caps(3))));
    by_stranger.write_after(&founder, vec![Identity([8; 32])], |record| record.n = 5);
    by_stranger.write_after(&founder, heads.clone(), |record| record.n = 77);
    by_stranger.write_after(&founder, heads.clone(), |record| {
        let Op::Add { verify_key, kem_key, capabilities, .. } = add(&stranger, caps(3)) else { unreachable!() };
        let id = DeviceId([3; 16]);
        record.ops.push(Op::Add { id, verify_key, kem_key, capabilities, slot: None, handshake: None });
    });
    let mut planted = vec![
        (genuine.0, changed(len - 1)),           // under the genuine name
        named(1, changed(len - 1)),              // ML-DSA
        named(1, changed(len - 3373)),           // Ed25519
        named(1, changed(10)),                   // vault id
        named(1, changed(75)),                   // writer
        named(1, changed(140)),                  // body
        named(1, genuine.1[..len - 1].to_vec()), // no size of the table
        named(2, genuine.1.clone()),             // number of the name
        (ObjectName::Log { device: founder.id, seq: 1, hash: vault_format::ObjectHash([0; 32]) }, genuine.1.clone()),
    ];
    planted.extend(by_stranger.objects.drain(2..));
    let total = planted.len();
    for object in &planted {
        let roster = Roster::build(provider(), &[vault.objects.clone(), vec![object.clone()]].concat(), Some(vault.id))
            .expect("a roster");
        assert_eq!(roster.ignored.len(), 1, "{}", object.0.to_path());
        assert_eq!((roster.devices.keys().copied().collect::<Vec<_>>(), &roster.heads), (expected.clone(), &heads));
    }
    let all = Roster::build(provider(), &[planted, vault.objects.clone()].concat(), None).expect("a roster");
    assert_eq!((all.ignored.len(), all.heads), (total, heads));
}

#[test]
fn one_identity_stored_twice_is_one_record() {
    let mut vault = Vault::new();
    let founder = vault.founder.duplicate();
    let record = Record {
        genesis: None,
        time: NOW,
        parents: vault.roster().heads,
        n: 1,
        ops: vec![add(&fresh(vault.id), caps(3))],
        epoch: None,
        boxes: vec![],
        private: None,
    };
    let first = sign(provider(), &founder, &record).expect("signed").bytes;
    let unsigned = &first[..first.len() - provider().suite.signature_len()];
    let again = founder.sign_stored(provider(), vault_format::ObjectType::Roster, unsigned).expect("signed");
    let second = [unsigned, &again].concat();
    for bytes in [first, second] {
        vault.objects.push((name_of(1, provider().hash.hash(&[&bytes])), bytes));
    }
    let roster = vault.roster();
    assert_eq!((roster.heads.len(), roster.void.len(), roster.ignored.len(), roster.devices.len()), (1, 0, 0, 4));
}

#[test]
fn every_order_of_arrival_makes_the_same_roster() {
    let mut vault = Vault::new();
    let founder = vault.founder.duplicate();
    let base = vault.roster().heads;
    let laptop = vault.enroll(&founder, "laptop", caps(RPP));
    vault.enroll(&laptop, "phone", caps(3));
    vault.revoke(&founder, laptop.id);
    for (name, value) in [("keep", b"1"), ("keep", b"2")] {
        vault.write_after(&founder, base.clone(), |record| {
            record.ops.push(Op::Setting { key: name.into(), value: value.to_vec() })
        });
    }
    let expected = vault.roster();
    assert_eq!(expected.heads.len(), 3);
    assert_eq!(expected.settings["keep"].lost.len(), 1);
    for turn in 0..vault.objects.len() {
        vault.objects.rotate_left(1);
        if turn % 2 == 0 {
            vault.objects.reverse();
        }
        let roster = vault.roster();
        assert_eq!(
            (&roster.heads, &roster.settings, &roster.void),
            (&expected.heads, &expected.settings, &expected.void)
        );
        assert_eq!(roster.devices.keys().collect::<Vec<_>>(), expected.devices.keys().collect::<Vec<_>>());
        assert_eq!((roster.epochs.len(), roster.current_epoch), (expected.epochs.len(), expected.current_epoch));
    }
    // The next record merges them; a setting of its own has then seen both.
    vault.write(&founder, |record| record.ops.push(Op::Setting { key: "keep".into(), value: b"3".to_vec() }));
    let merged = vault.roster();
    assert_eq!(
        (merged.heads.len(), &merged.settings["keep"].value[..], merged.settings["keep"].lost.len()),
        (1, &b"3"[..], 0)
    );
}

#[test]
fn values_of_the_vault() {
    let mut vault = Vault::new();
    let founder = vault.founder.duplicate();
    let flags = |name: &str| Op::Flags { read: vec![], write: vec![name.into()], prune: vec![] };
    assert_eq!(vault.roster().stores.values().filter(|store| store.primary && store.kind == 1).count(), 1);
    vault.write(&founder, |record| record.ops.push(flags("b")));
    vault.write(&founder, |record| record.ops.push(flags("a")));
    let roster = vault.roster();
    assert_eq!(roster.features.write.iter().collect::<Vec<_>>(), ["a", "b"]);
    assert!(matches!(vault.try_enroll(&founder, "x", caps(3)), Err(WriteError::ReadOnly)));
    // Not by those who may not.
    let mut vault = Vault::new();
    let by_passphrase = vault.unlock_by_passphrase();
    vault.write(&by_passphrase, |record| record.ops.push(flags("x")));
    assert!(vault.roster().features.write.is_empty());
}

#[test]
fn one_store_is_primary() {
    let mut vault = Vault::new();
    let founder = vault.founder.duplicate();
    let change = |vault: &Vault, signer: &DeviceKeys, changes: &[StoreChange]| {
        let roster = vault.roster();
        let keys = roster.open_as(provider(), signer).map_err(|e| e.to_string()).expect("opens");
        change_stores(provider(), &roster, &keys, signer, changes, NOW)
    };
    let store = |id, primary, url: Option<&str>| StoreChange::Is {
        id: [id; 16],
        kind: 1,
        primary,
        verdict: 0,
        url: url.map(str::to_owned),
    };
    let first = vault.roster().primary_store().expect("init names one");
    let second = change(&vault, &founder, &[store(2, false, Some("file:///second"))]).expect("added");
    vault.store(second);
    let roster = vault.roster();
    assert_eq!((roster.stores.len(), roster.primary_store()), (2, Some(first)));
    let keys = roster.open_as(provider(), &founder).map_err(|e| e.to_string()).expect("opens");
    assert_eq!(keys.store_urls[&[2; 16]], "file:///second");
    assert_eq!(keys.store_urls[&first], URL);

    // Two admins name one each at the same moment: everybody sees the same one.
    let promote = change(&vault, &founder, &[store(2, true, None)]).expect("promoted");
    let other = change(&vault, &founder, &[store(3, true, Some("file:///third"))]).expect("promoted");
    vault.store(promote);
    assert_eq!(vault.roster().primary_store(), Some([2; 16]));
    vault.store(other);
    let roster = vault.roster();
    assert_eq!(roster.stores.values().filter(|store| store.primary).count(), 1);
    vault.objects.reverse();
    assert_eq!(vault.roster().primary_store(), roster.primary_store());

    // The primary cannot be taken off the list, any other can, and comes back if it is named again.
    let primary = roster.primary_store().expect("one");
    for id in [primary, first] {
        let removed = change(&vault, &founder, &[StoreChange::Removed(id)]).expect("written");
        vault.store(removed);
    }
    let roster = vault.roster();
    assert!(roster.stores.contains_key(&primary) && !roster.stores.contains_key(&first));
    assert_eq!(roster.primary_store(), Some(primary));
    let removed = change(&vault, &founder, &[StoreChange::Removed(primary)]).expect("written");
    let other = if primary == [2; 16] { 3 } else { 2 };
    let promoted = change(&vault, &founder, &[store(other, true, None)]).expect("written");
    // Concurrent: whichever comes first, there is a primary, and it is the one that was named.
    vault.store(removed);
    vault.store(promoted);
    let roster = vault.roster();
    assert_eq!(roster.primary_store(), Some([other; 16]));

    // Whoever is no admin cannot even write it down.
    let sponsor = vault.unlock_by_passphrase();
    let guest = vault.enroll(&sponsor, "guest", caps(RPP));
    let Err(refused) = change(&vault, &guest, &[store(4, true, None)]) else { panic!("not refused") };
    assert!(matches!(refused, WriteError::NotAdmin { .. }), "{refused}");
    // And if it does, it does not count.
    vault.write(&guest, |record| {
        record.ops = vec![Op::Store { id: [4; 16], kind: 1, primary: true, verdict: 0 }];
    });
    assert_eq!(vault.roster().primary_store(), roster.primary_store());
    let Err(refused) = change(&vault, &guest, &[StoreChange::Removed([9; 16])]) else { panic!("not refused") };
    assert!(matches!(refused, WriteError::NotAdmin { .. }), "{refused}");
}
