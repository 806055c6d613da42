//! What a device with `pair` and no more makes of the roster.

use super::members::with_author;
use super::*;
use vault_format::roster::{BoxPart, Slot};

/// A vault with a device that may pair, and a reader that is to be its victim.
struct Scene {
    vault: Vault,
    founder: DeviceKeys,
    p: DeviceKeys,
    victim: DeviceKeys,
}

impl Scene {
    fn new() -> Self {
        let mut vault = Vault::new();
        let founder = vault.founder.duplicate();
        let p = vault.enroll(&founder, "p", caps(RPP));
        let victim = vault.enroll(&founder, "victim", caps(3));
        Self { vault, founder, p, victim }
    }

    /// A private part with garbage for the victim.
    fn garbage(&self, of: DeviceId) -> (EpochId, Vec<u8>) {
        let roster = self.vault.roster();
        let keys = roster.open_as(provider(), &self.p).map_err(|e| e.to_string()).expect("opens");
        let part = PrivatePart { devices: vec![(of, [7; 32], "p's own".into())], stores: Vec::new() };
        boxes::seal_private(provider(), self.vault.id, keys.current_epoch().expect("one"), &part).expect("sealed")
    }

    /// A box that opens for its device, with the true epoch and a `V` of the attacker's.
    fn false_box(&self, to: &DeviceKeys) -> BoxPart {
        let roster = self.vault.roster();
        let keys = roster.open_as(provider(), &self.p).map_err(|e| e.to_string()).expect("opens");
        let epoch = keys.current_epoch().expect("one");
        boxes::seal_reader_box(provider(), self.vault.id, &to.recipient(), epoch, &Key::new([9; 32])).expect("sealed")
    }

    fn standing(&self, record: Identity) -> Option<Standing> {
        self.vault.roster().void.iter().find(|void| void.identity == record).map(|void| void.standing)
    }
}

#[test]
fn a_readd_overwrites_no_secret_and_no_name() {
    let mut scene = Scene::new();
    let targets = [scene.victim.duplicate(), scene.founder.duplicate(), scene.vault.unlock_by_words()];
    for (target, bits) in targets.iter().flat_map(|target| [(target, 0), (target, 3)]) {
        let private = scene.garbage(target.id);
        let record = scene.vault.write(&scene.p, |record| {
            record.ops.push(add(target, caps(bits)));
            record.private = Some(private);
        });
        assert_eq!(scene.standing(record), Some(Standing::NoRight));
    }
    let keys = scene.vault.roster().open_as(provider(), &scene.founder).map_err(|e| e.to_string()).expect("opens");
    assert_eq!(keys.device_names[&scene.victim.id], "victim");
    assert!(targets.iter().all(|target| keys.secrets[&target.id].ct_eq(&target.w)));
    // The next epoch is sealed to everybody who stays.
    let epoch = scene.vault.revoke_well(&scene.founder, scene.p.id).expect("an epoch");
    for target in &targets {
        assert!(scene.vault.epochs_of(target).contains(&epoch));
    }
}

/// Beside the add, P cannot know that there is one: what an admin says counts, before and after it in the order.
#[test]
fn an_add_beside_an_admins_overwrites_nothing() {
    for _ in 0..4 {
        let mut scene = Scene::new();
        let base = scene.vault.roster().heads;
        let x = scene.vault.enroll(&scene.founder, "x", caps(3));
        let (private, boxed) = (scene.garbage(x.id), scene.false_box(&x));
        let record = scene.vault.write_after(&scene.p, base, |record| {
            record.ops.push(add(&x, caps(3)));
            record.private = Some(private);
            record.boxes.push(boxed);
        });
        assert_eq!(scene.standing(record), None, "by itself it is without fault");
        let roster = scene.vault.roster();
        let keys = roster.open_as(provider(), &scene.founder).map_err(|e| e.to_string()).expect("opens");
        assert!(keys.secrets[&x.id].ct_eq(&x.w) && keys.device_names[&x.id] == "x");
        let of_x = roster.open_as(provider(), &x).map_err(|e| e.to_string()).expect("opens");
        assert!(of_x.domain_root.ct_eq(&keys.domain_root));
        assert_eq!(roster.devices[&x.id].added_by, scene.founder.id);
    }
}

#[test]
fn boxes_and_slots_in_a_readd_are_none() {
    let mut scene = Scene::new();
    let good = scene.vault.roster().open_as(provider(), &scene.founder).map_err(|e| e.to_string()).expect("opens");
    let boxed = scene.false_box(&scene.victim);
    let slot = Slot { kdf: vault_format::roster::SlotKdf::Words, salt: [1; 32], blob: vec![0; 8192] };
    scene.vault.write(&scene.p, |record| {
        let Op::Add { id, verify_key, kem_key, capabilities, .. } = add(&scene.victim, caps(3)) else { unreachable!() };
        record.ops.push(Op::Add { id, verify_key, kem_key, capabilities, slot: Some(slot), handshake: None });
        record.boxes.push(boxed);
    });
    let roster = scene.vault.roster();
    assert!(roster.devices[&scene.victim.id].slot.is_none());
    let keys = roster.open_as(provider(), &scene.victim).map_err(|e| e.to_string()).expect("opens");
    assert!(keys.domain_root.ct_eq(&good.domain_root) && keys.disputed.is_empty());
}

/// P adds a device with another `V`: as soon as an admin has given it a box, that one counts, and the dispute is told.
#[test]
fn a_false_v_by_the_sponsor_loses_against_an_admins_box() {
    let mut scene = Scene::new();
    let good = scene.vault.roster().open_as(provider(), &scene.founder).map_err(|e| e.to_string()).expect("opens");
    let x = fresh(scene.vault.id);
    let boxed = scene.false_box(&x);
    let keys = scene.vault.roster().open_as(provider(), &scene.p).map_err(|e| e.to_string()).expect("opens");
    let part = PrivatePart { devices: vec![(x.id, *x.w.expose(), "x".into())], stores: Vec::new() };
    let private = boxes::seal_private(provider(), scene.vault.id, keys.current_epoch().expect("one"), &part);
    let record = scene.vault.write(&scene.p, |record| {
        record.ops.push(add(&x, caps(3)));
        record.boxes.push(boxed);
        record.private = Some(private.expect("sealed"));
    });
    scene.vault.revoke_well(&scene.founder, scene.victim.id).expect("an epoch");
    let keys = scene.vault.roster().open_as(provider(), &x).map_err(|e| e.to_string()).expect("opens");
    assert!(keys.domain_root.ct_eq(&good.domain_root));
    assert_eq!(keys.disputed.iter().collect::<Vec<_>>(), [&record]);
}

#[test]
fn public_keys_of_the_founder_and_of_root_give_no_rank() {
    let mut scene = Scene::new();
    let root = scene.vault.unlock_by_words();
    let own = fresh(scene.vault.id);
    for target in [&root, &scene.founder.duplicate(), &scene.victim.duplicate()] {
        let id = device_id(provider(), scene.vault.id, &target.verify_key, &own.kem_key);
        let twin = |capabilities| Op::Add {
            id,
            verify_key: target.verify_key.clone(),
            kem_key: own.kem_key.clone(),
            capabilities,
            slot: None,
            handshake: None,
        };
        let record = scene.vault.write(&scene.p, |record| record.ops.push(twin(caps(1))));
        assert_eq!(scene.standing(record), Some(Standing::NoRight));
        // Added by an admin, it is a device like others.
        scene.vault.write(&scene.founder, |record| record.ops.push(twin(caps(1))));
        assert_eq!(scene.vault.roster().devices[&id].rank, Rank::Device);
        let by = with_author(&scene.vault, &scene.founder, |author| author.revoke(id, None)).expect("revoked");
        scene.vault.store(by.record);
        assert!(!scene.vault.roster().devices[&id].is_member());
    }
    let roots = scene.vault.roster();
    let roots: Vec<DeviceId> = roots.members().filter(|(_, d)| d.rank == Rank::Root).map(|(id, _)| id).collect();
    assert_eq!(roots, [root.id]);
}

/// The founder, revoked by root, has the key for another record 0 with another id of its own.
#[test]
fn a_revoked_founder_founds_nothing_again() {
    let mut scene = Scene::new();
    let root = scene.vault.unlock_by_words();
    scene.vault.revoke_well(&root, scene.founder.id).expect("an epoch");
    let stored = &scene.vault.objects[0].1;
    let object = RecordObject::parse(stored).expect("a record");
    let mut record = Record::parse(&stored[object.body], provider().suite).expect("a record");
    let other = fresh(scene.vault.id);
    let id = device_id(provider(), scene.vault.id, &scene.founder.verify_key, &other.kem_key);
    record.ops = vec![Op::Add {
        id,
        verify_key: scene.founder.verify_key.clone(),
        kem_key: other.kem_key.clone(),
        capabilities: Capabilities::ALL,
        slot: None,
        handshake: None,
    }];
    (record.boxes, record.epoch, record.private) = (Vec::new(), None, None);
    let again = DeviceKeys { id, ..scene.founder.duplicate() };
    scene.vault.store(sign(provider(), &again, &record).expect("signed"));
    let roster = scene.vault.roster();
    assert!(!roster.devices.contains_key(&id) && !roster.devices[&scene.founder.id].is_member());
}

/// Adds so many devices in one record by hand, without boxes and with a KEM key of the caller's.
fn add_many(scene: &mut Scene, count: u16, kem_key: impl Fn(u16) -> Vec<u8>) -> Vec<DeviceId> {
    let verify_key = scene.victim.verify_key.clone();
    let mut ids = Vec::new();
    let keys: Vec<(Vec<u8>, Vec<u8>)> = (0..count)
        .map(|i| {
            let mut verify_key = verify_key.clone();
            verify_key[..2].copy_from_slice(&i.to_be_bytes());
            (verify_key, kem_key(i))
        })
        .collect();
    for some in keys.chunks(200) {
        let ops: Vec<Op> = some
            .iter()
            .map(|(verify_key, kem_key)| {
                let id = device_id(provider(), scene.vault.id, verify_key, kem_key);
                ids.push(id);
                let (verify_key, kem_key) = (verify_key.clone(), kem_key.clone());
                Op::Add { id, verify_key, kem_key, capabilities: caps(3), slot: None, handshake: None }
            })
            .collect();
        scene.vault.write(&scene.p, |record| record.ops = ops);
    }
    ids
}

#[test]
fn more_members_than_fit_keep_nobody_from_being_revoked() {
    let mut scene = Scene::new();
    let kem_key = scene.victim.kem_key.clone();
    let socks = add_many(&mut scene, 520, |_| kem_key.clone());
    assert!(scene.vault.roster().members().count() > vault_format::limits::MEMBERS);
    let alone = with_author(&scene.vault, &scene.founder, |a| a.revoke(scene.p.id, None)).expect("revoked");
    assert!(alone.no_room && alone.wants_epoch && alone.epoch.is_none());
    // Together with those that it added there is room again.
    let others: Vec<_> = socks.iter().map(|id| (*id, None)).collect();
    let revoked = with_author(&scene.vault, &scene.founder, |a| a.revoke_with(scene.p.id, None, &others));
    let revoked = revoked.expect("revoked");
    assert!(!revoked.no_room && revoked.epoch.is_some() && revoked.with.len() == 511);
    scene.vault.store(revoked.record);
    let roster = scene.vault.roster();
    assert_eq!((roster.current_epoch, roster.members().count()), (revoked.epoch, 4 + 520 - 511));
    assert!(scene.vault.epochs_of(&scene.victim).contains(&revoked.epoch.expect("one")));
}

#[test]
fn malformed_kem_keys_keep_nobody_from_being_revoked() {
    let mut scene = Scene::new();
    let len = scene.victim.kem_key.len();
    let socks = add_many(&mut scene, 1, |_| vec![0xff; len]);
    // With a `W`, so that sealing is tried.
    let part = PrivatePart { devices: vec![(socks[0], [1; 32], "sock".into())], stores: Vec::new() };
    let keys = scene.vault.roster().open_as(provider(), &scene.founder).map_err(|e| e.to_string()).expect("opens");
    let private = boxes::seal_private(provider(), scene.vault.id, keys.current_epoch().expect("one"), &part);
    scene.vault.write(&scene.founder, |record| record.private = Some(private.expect("sealed")));
    let revoked = with_author(&scene.vault, &scene.founder, |a| a.revoke(scene.p.id, None)).expect("revoked");
    assert_eq!(revoked.left_out, socks);
    scene.vault.store(revoked.record);
    assert_eq!(scene.vault.roster().current_epoch, revoked.epoch);
    assert!(with_author(&scene.vault, &scene.founder, |author| author.merge()).expect("merged").is_none());
}

#[test]
fn planted_slots_lock_out_neither_words_nor_passphrase() {
    let mut scene = Scene::new();
    let own = |roster: &Roster| roster.devices.iter().find(|(_, d)| d.rank == Rank::Root).map(|(_, d)| d.slot.clone());
    let slot_of_words = own(&scene.vault.roster()).flatten().expect("a slot");
    let passphrase = scene.vault.unlock_by_passphrase().id;
    let slot_of_passphrase = scene.vault.roster().devices[&passphrase].slot.clone().expect("a slot");
    let lowest = scene.vault.roster().slots().iter().map(|found| found.device).min().expect("some");
    // Ten of each with ids below those of the vault's own: the KEM key is ground until they are.
    let mut planted = 0u8;
    for slot in [&slot_of_words, &slot_of_passphrase] {
        for _ in 0..10 {
            planted += 1;
            let mut verify_key = scene.victim.verify_key.clone();
            verify_key[0] = planted;
            verify_key[1] ^= 1;
            let mut kem_key = scene.victim.kem_key.clone();
            let id = (0u32..)
                .map(|i| {
                    kem_key[..4].copy_from_slice(&i.to_be_bytes());
                    device_id(provider(), scene.vault.id, &verify_key, &kem_key)
                })
                .take(1 << 16)
                .find(|id| *id < lowest);
            let Some(id) = id else { continue };
            let slot = Some(slot.clone());
            scene.vault.write(&scene.p, |record| {
                record.ops.push(Op::Add { id, verify_key, kem_key, capabilities: caps(1), slot, handshake: None });
            });
        }
    }
    assert!(scene.vault.roster().slots().len() > 2 + 10);
    assert_eq!(scene.vault.unlock_by_passphrase().id, passphrase);
    scene.vault.unlock_by_words();
}
