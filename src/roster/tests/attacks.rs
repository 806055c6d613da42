//! What a device with `pair` and no more makes of the roster.

use super::members::with_author;
use super::*;
use std::collections::BTreeSet;
use vault_format::roster::{BoxPart, Slot};

/// A vault with a device that may pair, and a reader that is to be its victim.
pub(super) struct Scene {
    pub(super) vault: Vault,
    pub(super) founder: DeviceKeys,
    pub(super) p: DeviceKeys,
    pub(super) victim: DeviceKeys,
}

impl Scene {
    pub(super) fn new() -> Self {
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

    /// Another record 0 of the founder's, with another id of its own.
    pub(super) fn found_again(&mut self) -> (DeviceKeys, Identity) {
        let stored = &self.vault.objects[0].1;
        let object = RecordObject::parse(stored).expect("a record");
        let mut record = Record::parse(&stored[object.body], provider().suite).expect("a record");
        let other = fresh(self.vault.id);
        let id = device_id(provider(), self.vault.id, &self.founder.verify_key, &other.kem_key);
        record.ops = vec![Op::Add {
            id,
            verify_key: self.founder.verify_key.clone(),
            kem_key: other.kem_key.clone(),
            capabilities: Capabilities::ALL,
            slot: None,
            handshake: None,
        }];
        (record.boxes, record.epoch, record.private) = (Vec::new(), None, None);
        let again = DeviceKeys { id, ..self.founder.duplicate() };
        let identity = self.vault.store(sign(provider(), &again, &record).expect("signed"));
        (again, identity)
    }

    pub(super) fn standing(&self, record: Identity) -> Option<Standing> {
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
    let (again, _) = scene.found_again();
    let roster = scene.vault.roster();
    assert!(!roster.devices.contains_key(&again.id) && !roster.devices[&scene.founder.id].is_member());
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

/// P is revoked. With its old key it adds devices beside that, and lets each of them leave, more than once.
#[test]
fn socks_of_a_revoked_device_leave_no_heads() {
    let mut scene = Scene::new();
    let base = scene.vault.roster().heads;
    scene.vault.revoke_well(&scene.founder, scene.p.id).expect("an epoch");
    let before = scene.vault.roster();
    for _ in 0..20 {
        let sock = fresh(scene.vault.id);
        let added = scene.vault.write_after(&scene.p, base.clone(), |record| record.ops.push(add(&sock, caps(RPP))));
        assert_eq!(scene.standing(added), Some(Standing::Revoked));
        for _ in 0..2 {
            let leave = |record: &mut Record| record.ops.push(Op::Revoke { id: sock.id, last: None });
            let left = scene.vault.write_after(&sock, vec![added], leave);
            assert_eq!(scene.standing(left), Some(Standing::RevocationsOnly));
        }
    }
    // The same by P itself.
    scene.vault.write_after(&scene.p, base, |record| record.ops.push(Op::Revoke { id: scene.p.id, last: None }));
    let after = scene.vault.roster();
    assert_eq!((&after.heads, after.heads.len()), (&before.heads, 1));
    assert_eq!(after.devices.keys().collect::<Vec<_>>(), before.devices.keys().collect::<Vec<_>>());
    every_order_agrees(&mut scene.vault);
}

/// Whoever has left may say so again and again: one of these records is a head, and a store cannot leave it out unnoticed.
#[test]
fn who_has_left_has_one_head() {
    let mut scene = Scene::new();
    let base = scene.vault.roster().heads;
    let leave = |record: &mut Record| record.ops.push(Op::Revoke { id: scene.victim.id, last: None });
    let mut left = BTreeSet::new();
    for _ in 0..20 {
        left.insert(scene.vault.write_after(&scene.victim, base.clone(), leave));
        let roster = scene.vault.roster();
        assert!(roster.heads.len() == 1 && left.contains(&roster.heads[0]));
        assert!(!roster.devices[&scene.victim.id].is_member());
    }
    every_order_agrees(&mut scene.vault);
}

/// The same for an admin that has left: what it revokes with its old key stays so, and fills nobody's list of heads.
#[test]
fn an_admin_that_has_left_has_no_more_heads_than_it_revokes() {
    let mut scene = Scene::new();
    let admin = scene.vault.enroll(&scene.founder, "admin", Capabilities::ALL);
    let base = scene.vault.roster().heads;
    let revoked = with_author(&scene.vault, &admin, |author| author.revoke(admin.id, None)).expect("left");
    scene.vault.store(revoked.record);
    for n in 0..20 {
        let id = if n % 2 == 0 { scene.victim.id } else { DeviceId([n; 16]) };
        let record = scene.vault.write_after(&admin, base.clone(), |r| r.ops.push(Op::Revoke { id, last: None }));
        assert_eq!(scene.standing(record), Some(Standing::RevocationsOnly));
    }
    let roster = scene.vault.roster();
    assert_eq!(roster.heads.len(), 2, "that it left, and whom it revoked beside that");
    assert!(!roster.devices[&scene.victim.id].is_member());
    every_order_agrees(&mut scene.vault);
}

/// P writes beside the record that adds an admin, and longer chains than that one has seen.
#[test]
fn sixteen_backdated_heads_lock_no_admin_out() {
    let mut scene = Scene::new();
    let base = scene.vault.roster().heads;
    let admin = scene.vault.enroll(&scene.founder, "admin", caps(3));
    let grant = with_author(&scene.vault, &scene.founder, |a| a.grant(admin.id, Capabilities::ALL)).expect("granted");
    scene.vault.store(grant);
    many_heads(&mut scene, &base, 17, 3);
    let roster = scene.vault.roster();
    assert!(roster.heads.len() == 18 && roster.void.is_empty());
    let set = with_author(&scene.vault, &admin, |author| author.set("keep", b"1")).expect("set");
    scene.vault.store(set);
    // As the only head that the admin's rights come from, and beside others.
    many_heads(&mut scene, &base, 17, 5);
    let late = scene.vault.enroll(&admin, "late", caps(RPP));
    assert!(scene.vault.roster().devices[&late.id].is_member());
    for device in [&late, &scene.founder.duplicate(), &admin] {
        scene.vault.enroll(device, "another", caps(3));
    }
    let revoked = with_author(&scene.vault, &admin, |author| author.revoke(scene.p.id, None)).expect("revoked");
    scene.vault.store(revoked.record);
    let roster = scene.vault.roster();
    assert!(!roster.devices[&scene.p.id].is_member() && roster.devices[&admin.id].is_member());
    assert_eq!(roster.settings["keep"].value, b"1");
    every_order_agrees(&mut scene.vault);
}

#[test]
fn a_reader_with_a_hundred_heads_is_revoked() {
    let mut scene = Scene::new();
    let base = scene.vault.roster().heads;
    many_heads(&mut scene, &base, 80, 1);
    // Behind what it adds there are heads of others, too.
    for _ in 0..20 {
        let sock = fresh(scene.vault.id);
        let added = scene.vault.write_after(&scene.p, base.clone(), |record| record.ops.push(add(&sock, caps(RPP))));
        scene.vault.write_after(&sock, vec![added], |record| {
            let another = fresh(sock.vault);
            record.ops.push(add(&another, caps(3)));
        });
    }
    let before = scene.vault.roster();
    assert!(before.heads.len() == 100 && before.void.is_empty());
    let revoked = with_author(&scene.vault, &scene.founder, |author| author.revoke(scene.p.id, None));
    let revoked = revoked.expect("revoked");
    scene.vault.store(revoked.record);
    let roster = scene.vault.roster();
    assert!(!roster.devices[&scene.p.id].is_member());
    assert_eq!(roster.current_epoch, revoked.epoch);
    assert!(scene.vault.epochs_of(&scene.victim).contains(&revoked.epoch.expect("one")));
    // What the revocation had not seen is gone with it, and no key went there.
    assert!(roster.heads.len() == 1 && roster.void.len() > 80);
    let newest = roster.records().find(|(identity, ..)| *identity == roster.heads[0]).expect("the revocation").2;
    assert!(newest.boxes.iter().all(|part| roster.devices.get(&part.device).is_some_and(|d| d.is_member())));
    every_order_agrees(&mut scene.vault);
}

/// An admin follows all that there is, one record after the other, and changes nothing by it.
#[test]
fn a_hundred_heads_are_gathered() {
    let mut scene = Scene::new();
    let base = scene.vault.roster().heads;
    let gathered = |scene: &Scene, by: &DeviceKeys| with_author(&scene.vault, by, |author| author.gather());
    many_heads(&mut scene, &base, 16, 1);
    assert!(gathered(&scene, &scene.founder).expect("nothing to do").is_none());
    many_heads(&mut scene, &base, 84, 2);
    let before = scene.vault.roster();
    let refused = gathered(&scene, &scene.p).expect_err("no admin");
    assert!(matches!(refused, WriteError::NotAdmin { .. }), "{refused}");
    let mut lengths = Vec::new();
    while let Some(record) = gathered(&scene, &scene.founder).expect("gathered") {
        scene.vault.store(record);
        lengths.push(scene.vault.roster().heads.len());
    }
    assert_eq!(lengths, [85, 70, 55, 40, 25, 10]);
    let after = scene.vault.roster();
    assert!(after.void.is_empty() && after.members().count() == before.members().count());
    assert_eq!((after.current_epoch, after.epochs.len()), (before.current_epoch, before.epochs.len()));
    every_order_agrees(&mut scene.vault);
}

/// What P has added in heads that its revocation does not follow is to end with it, and has ended already.
#[test]
fn devices_in_a_hundred_heads_are_ended_with_their_sponsor() {
    let mut scene = Scene::new();
    let base = scene.vault.roster().heads;
    many_heads(&mut scene, &base, 100, 1);
    let roster = scene.vault.roster();
    let others: Vec<_> = roster.members().filter(|(_, d)| d.added_by == scene.p.id).map(|(id, _)| (id, None)).collect();
    assert_eq!((roster.heads.len(), others.len()), (100, 100));
    let revoked = with_author(&scene.vault, &scene.founder, |a| a.revoke_with(scene.p.id, None, &others));
    let revoked = revoked.expect("revoked");
    assert_eq!(revoked.with.len(), 100);
    scene.vault.store(revoked.record);
    let roster = scene.vault.roster();
    assert!(!roster.members().any(|(id, d)| id == scene.p.id || d.added_by == scene.p.id));
    assert_eq!(roster.current_epoch, revoked.epoch);
}

/// S0 writes what is void as long as something of P counts. It counts once P is revoked, and voids what follows it.
#[test]
fn what_counts_once_another_record_is_void_keeps_nobody_from_being_revoked() {
    for (first, follows) in [(caps(3), false), (Capabilities::PUSH, false), (caps(3), true)] {
        let mut scene = Scene::new();
        let s0 = scene.vault.enroll(&scene.p, "s0", caps(RPP));
        let base = scene.vault.roster().heads;
        let (x, y) = (fresh(scene.vault.id), fresh(scene.vault.id));
        let keys = scene.vault.roster().open_as(provider(), &scene.p).map_err(|e| e.to_string()).expect("opens");
        let part = PrivatePart { devices: vec![(x.id, *x.w.expose(), "x".into())], stores: Vec::new() };
        let private = boxes::seal_private(provider(), scene.vault.id, keys.current_epoch().expect("one"), &part);
        let h1 = scene.vault.write_after(&scene.p, base.clone(), |record| {
            record.ops.push(add(&x, first));
            record.private = Some(private.expect("sealed"));
        });
        let q1 = scene.vault.write_after(&s0, vec![h1], |r| r.ops.extend([add(&x, caps(3)), add(&y, caps(3))]));
        assert_eq!(scene.standing(q1), Some(Standing::NoRight));
        if follows {
            let q2 = scene.vault.write_after(&s0, vec![q1], |record| record.ops.push(add(&y, caps(3))));
            assert_eq!(scene.standing(q2), None);
        }
        many_heads(&mut scene, &base, 17, 5);
        let revoked = with_author(&scene.vault, &scene.founder, |author| author.revoke(scene.p.id, None));
        let revoked = revoked.expect("revoked");
        scene.vault.store(revoked.record);
        let roster = scene.vault.roster();
        assert!(scene.standing(h1) == Some(Standing::Revoked) && scene.standing(q1).is_none());
        assert!(roster.devices[&y.id].is_member() && !roster.devices[&scene.p.id].is_member());
        assert_eq!(roster.current_epoch, revoked.epoch);
        assert!(scene.vault.epochs_of(&scene.victim).contains(&revoked.epoch.expect("one")));
        every_order_agrees(&mut scene.vault);
    }
}

/// P adds a device that knows how to be sealed to, in a head that the revocation of P has not seen.
#[test]
fn a_device_that_goes_with_its_sponsor_gets_no_key() {
    let mut scene = Scene::new();
    let base = scene.vault.roster().heads;
    let mut fork = scene.vault.fork();
    let sock = fork.enroll(&scene.p, "sock", caps(RPP));
    scene.vault.join(fork);
    many_heads(&mut scene, &base, 20, 2);
    assert!(scene.vault.roster().devices.contains_key(&sock.id));
    let revoked = with_author(&scene.vault, &scene.founder, |author| author.revoke(scene.p.id, None));
    let revoked = revoked.expect("revoked");
    scene.vault.store(revoked.record);
    let roster = scene.vault.roster();
    assert!(!roster.devices.contains_key(&sock.id) && roster.current_epoch == revoked.epoch);
    let boxed = roster.records().flat_map(|(.., record, _)| &record.boxes).filter(|part| part.device == sock.id);
    assert!(boxed.filter(|part| Some(part.epoch) == revoked.epoch).count() == 0);
}

/// Two admins revoke P at once; one of them has seen the device that P had added, and seals to it, the other one has not.
#[test]
fn an_epoch_with_a_box_for_nobody_is_not_clean() {
    let mut scene = Scene::new();
    let admin = scene.vault.enroll(&scene.founder, "admin", Capabilities::ALL);
    let mut other = scene.vault.fork();
    let sock = scene.vault.enroll(&scene.p, "sock", caps(3));
    let sealed = scene.vault.revoke_well(&scene.founder, scene.p.id).expect("an epoch");
    assert!(scene.vault.epochs_of(&sock).contains(&sealed), "it is a member as far as this admin knows");
    other.revoke_well(&admin, scene.p.id).expect("an epoch");
    scene.vault.join(other);
    let roster = scene.vault.roster();
    assert!(!roster.devices.contains_key(&sock.id));
    assert_ne!(roster.current_epoch, Some(sealed));
    assert!(roster.epochs.iter().any(|epoch| epoch.id == sealed && !epoch.is_clean));
    every_order_agrees(&mut scene.vault);
}

/// Whoever may pair, and grinds the identities of what it writes, takes no place from what admins wrote.
#[test]
fn needed_records_come_before_what_is_void() {
    let mut scene = Scene::new();
    let base = scene.vault.roster().heads;
    scene.vault.revoke_well(&scene.founder, scene.p.id).expect("an epoch");
    let mut parents = base;
    for _ in 0..5 {
        let sock = fresh(scene.vault.id);
        parents = vec![scene.vault.write_after(&scene.p, parents, |record| record.ops.push(add(&sock, caps(3))))];
    }
    let roster = scene.vault.roster();
    let needed = roster.needed();
    let counting: Vec<_> =
        roster.records().filter(|(.., standing)| *standing == Standing::Effective).map(|(id, ..)| id).collect();
    assert_eq!(needed, counting);
    assert_eq!(roster.void.len(), 5);
}

/// What is written with its key, and root's revocation has not seen, reaches nobody any more.
#[test]
fn an_admin_that_has_left_reaches_nobody_once_root_has_ended_it() {
    let mut scene = Scene::new();
    let admin = scene.vault.enroll(&scene.founder, "admin", Capabilities::ALL);
    let other = scene.vault.enroll(&scene.founder, "other", caps(3));
    let base = scene.vault.roster().heads;
    let left = with_author(&scene.vault, &admin, |author| author.revoke(admin.id, None)).expect("left");
    scene.vault.store(left.record);
    // What it did before that is seen stays.
    let before = scene.vault.write_after(&admin, base.clone(), |record| {
        record.ops.push(Op::Revoke { id: other.id, last: None });
    });
    let refused =
        with_author(&scene.vault, &scene.founder, |author| author.revoke(admin.id, None)).expect_err("refused");
    assert!(matches!(refused, WriteError::NeedsRoot { .. }), "{refused}");
    let root = scene.vault.unlock_by_words();
    let ended = with_author(&scene.vault, &root, |author| author.revoke(admin.id, None)).expect("root reaches it");
    assert!(ended.epoch.is_none() && !ended.wants_epoch, "it reads nothing new since it has left");
    scene.vault.store(ended.record);
    let again = with_author(&scene.vault, &root, |author| author.revoke(admin.id, None)).expect_err("refused");
    assert!(matches!(again, WriteError::NotAMember { .. }), "{again}");
    let later = scene.vault.write_after(&admin, base, |record| {
        record.ops.push(Op::Revoke { id: scene.victim.id, last: None });
    });
    assert_eq!(scene.standing(before), Some(Standing::RevocationsOnly));
    assert_eq!(scene.standing(later), Some(Standing::Revoked));
    let roster = scene.vault.roster();
    assert!(roster.devices[&scene.victim.id].is_member() && !roster.devices[&other.id].is_member());
    every_order_agrees(&mut scene.vault);
}

/// Its add is void since its sponsor was revoked, and what an admin gave it counts: its key revokes until root has ended it.
#[test]
fn root_ends_an_admin_whom_nobody_adds_any_more() {
    let mut scene = Scene::new();
    let base = scene.vault.roster().heads;
    let x = fresh(scene.vault.id);
    let added = scene.vault.write_after(&scene.p, base.clone(), |record| record.ops.push(add(&x, caps(3))));
    let granted = scene.vault.write_after(&scene.founder, vec![added], |record| {
        record.ops.push(Op::Grant { id: x.id, capabilities: Capabilities::ALL });
    });
    scene.vault.write_after(&scene.founder, base, |r| r.ops.push(Op::Revoke { id: scene.p.id, last: None }));
    assert!(!scene.vault.roster().devices.contains_key(&x.id));
    let root = scene.vault.unlock_by_words();
    let ended = with_author(&scene.vault, &root, |author| author.revoke(x.id, None)).expect("root reaches it");
    scene.vault.store(ended.record);
    let later = scene.vault.write_after(&x, vec![granted], |record| {
        record.ops.push(Op::Revoke { id: scene.victim.id, last: None });
    });
    assert_eq!(scene.standing(later), Some(Standing::Revoked));
    assert!(scene.vault.roster().devices[&scene.victim.id].is_member());
    for (signer, id) in [(&root, x.id), (&root, DeviceId([9; 16])), (&scene.founder, x.id)] {
        let refused = with_author(&scene.vault, signer, |author| author.revoke(id, None)).expect_err("refused");
        assert!(matches!(refused, WriteError::NotAMember { .. }), "{refused}");
    }
    every_order_agrees(&mut scene.vault);
}

/// It has left, and could say so again with a past of its choice.
#[test]
fn an_admin_ends_a_device_that_has_left() {
    let mut scene = Scene::new();
    let left = with_author(&scene.vault, &scene.victim, |author| author.revoke(scene.victim.id, None)).expect("left");
    scene.vault.store(left.record);
    let ended = with_author(&scene.vault, &scene.founder, |author| author.revoke(scene.victim.id, None));
    let ended = ended.expect("ended");
    assert!(ended.epoch.is_none() && !ended.wants_epoch);
    scene.vault.store(ended.record);
    assert_eq!(scene.vault.roster().devices[&scene.victim.id].revocations.len(), 2);
    let again = with_author(&scene.vault, &scene.founder, |author| author.revoke(scene.victim.id, None));
    assert!(matches!(again, Err(WriteError::NotAMember { .. })));
    every_order_agrees(&mut scene.vault);
}

#[test]
fn an_entry_names_so_many_heads_and_none_is_older_than_before() {
    let mut scene = Scene::new();
    let base = scene.vault.roster().heads;
    let mut before: Vec<Identity> = Vec::new();
    for round in 1..4 {
        many_heads(&mut scene, &base, 40, round);
        let set = with_author(&scene.vault, &scene.founder, |author| author.set(&format!("{round}"), b"1"));
        let admins = scene.vault.store(set.expect("set"));
        if round % 2 == 0 {
            // P follows it, and there are enough heads with greater numbers.
            let sock = fresh(scene.vault.id);
            scene.vault.write_after(&scene.p, vec![admins], |record| record.ops.push(add(&sock, caps(3))));
            many_heads(&mut scene, &base, 17, 3 * round);
        }
        let roster = scene.vault.roster();
        let named = roster.heads_to_name(&before, 20);
        assert!(named.is_sorted() && named.iter().all(|head| roster.heads.contains(head)));
        assert!((20..20 + round).contains(&named.len()), "{}", named.len());
        assert!(!roster.regresses(&before, &named), "round {round}");
        assert!(!roster.regresses(&[admins], &named), "P keeps nobody from telling what an admin wrote");
        let next = roster.next_place(scene.founder.id).0;
        assert!(!roster.regresses(&[admins], &next) && next.len() == vault_format::limits::RECORD_PARENTS);
        scene.vault.objects.reverse();
        assert_eq!(scene.vault.roster().heads_to_name(&before, 20), named);
        // Some of what was named is followed by others.
        for head in named.iter().take(10) {
            let sock = fresh(scene.vault.id);
            scene.vault.write_after(&scene.p, vec![*head], |record| record.ops.push(add(&sock, caps(3))));
        }
        before = named;
    }
    let all = scene.vault.roster();
    assert_eq!(all.heads_to_name(&before, 10_000), all.heads);
}

/// The passphrase, or whoever has what it opens, leaves with a past of its choice.
#[test]
fn who_leaves_takes_nobody_along_whom_an_admin_has_seen() {
    let mut scene = Scene::new();
    let base = scene.vault.roster().heads;
    let laptop = scene.vault.enroll(&scene.p, "laptop", caps(RPP));
    let granted = with_author(&scene.vault, &scene.founder, |a| a.grant(laptop.id, Capabilities::ALL));
    scene.vault.store(granted.expect("granted"));
    let epoch = scene.vault.revoke_well(&laptop, scene.victim.id).expect("an epoch");
    scene.vault.write_after(&scene.p, base, |r| r.ops.push(Op::Revoke { id: scene.p.id, last: None }));
    let roster = scene.vault.roster();
    assert!(!roster.devices[&scene.p.id].is_member());
    let laptops = roster.devices.get(&laptop.id).expect("it is a device");
    assert!(laptops.is_member() && laptops.rank == Rank::Admin);
    assert!(roster.void.is_empty() && roster.epochs.iter().any(|known| known.id == epoch));
    every_order_agrees(&mut scene.vault);
}

/// An admin's rank rests on no record of a device with `pair`: who paired it is revoked, by somebody who has not seen that.
#[test]
fn who_is_made_an_admin_stays_one_without_who_paired_it() {
    let mut scene = Scene::new();
    let by = scene.vault.enroll(&scene.founder, "by", Capabilities::ALL);
    let mut other = scene.vault.fork();
    let laptop = scene.vault.enroll(&scene.p, "laptop", caps(RPP));
    let granted = with_author(&scene.vault, &scene.founder, |a| a.grant(laptop.id, Capabilities::ALL));
    scene.vault.store(granted.expect("granted"));
    other.revoke_well(&by, scene.p.id).expect("an epoch");
    scene.vault.join(other);
    let roster = scene.vault.roster();
    let known = roster.devices.get(&laptop.id).expect("it is a device");
    assert!(known.is_member() && known.rank == Rank::Admin && known.added_by == scene.founder.id);
    let keys = roster.open_as(provider(), &scene.founder).map_err(|e| e.to_string()).expect("opens");
    assert!(keys.secrets[&laptop.id].ct_eq(&laptop.w) && keys.device_names[&laptop.id] == "laptop");
    assert!(!scene.vault.epochs_of(&laptop).is_empty());
    every_order_agrees(&mut scene.vault);
}

/// P makes so many heads: chains of `length` records that add a device each.
pub(super) fn many_heads(scene: &mut Scene, base: &[Identity], count: usize, length: usize) {
    for _ in 0..count {
        let mut parents = base.to_vec();
        for _ in 0..length {
            let sock = fresh(scene.vault.id);
            parents = vec![scene.vault.write_after(&scene.p, parents, |record| record.ops.push(add(&sock, caps(3))))];
        }
    }
}

/// Whatever comes first, everybody sees the same.
pub(super) fn every_order_agrees(vault: &mut Vault) {
    let expected = vault.roster();
    let summary = |roster: &Roster| {
        let members: Vec<_> = roster.members().map(|(id, device)| (id, device.capabilities)).collect();
        let void: Vec<_> = roster.void.clone();
        (roster.heads.clone(), members, void, roster.current_epoch, roster.next_place(DeviceId([0; 16])))
    };
    for turn in 0..4 {
        let middle = vault.objects.len() / 3;
        vault.objects.rotate_left(middle);
        if turn % 2 == 0 {
            vault.objects.reverse();
        }
        assert_eq!(summary(&vault.roster()), summary(&expected));
    }
}
