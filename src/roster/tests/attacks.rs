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
