//! Who has left, and what whoever has its key now makes of the roster.

use super::attacks::{Scene, every_order_agrees};
use super::members::with_author;
use super::*;

/// P pairs a laptop and leaves. An admin does whatever it does next; afterwards P's key leaves with a past of its choice.
#[test]
fn who_has_left_takes_nobody_along_once_an_admin_has_written() {
    let mut scene = Scene::new();
    let base = scene.vault.roster().heads;
    let laptop = scene.vault.enroll(&scene.p, "laptop", caps(RPP));
    let added = scene.vault.roster().heads;
    let phone = scene.vault.enroll(&laptop, "phone", caps(3));
    let left = with_author(&scene.vault, &scene.p, |author| author.revoke(scene.p.id, None)).expect("left");
    let left = scene.vault.store(left.record);
    let parents = |scene: &Scene, record| {
        let roster = scene.vault.roster();
        let parents =
            roster.records().find(|(identity, ..)| *identity == record).expect("it is there").2.parents.clone();
        parents
    };
    // A device below admin follows the heads and nothing else.
    let other = scene.vault.enroll(&laptop, "other", caps(3));
    assert_eq!(parents(&scene, scene.vault.roster().heads[0]), [left]);
    let heads = scene.vault.roster().heads;
    let set = with_author(&scene.vault, &scene.founder, |author| author.set("keep", b"1")).expect("set");
    let set = scene.vault.store(set);
    let mut expected = [heads, added].concat();
    expected.sort();
    assert_eq!(parents(&scene, set), expected);
    // Once is enough.
    let again = with_author(&scene.vault, &scene.founder, |author| author.set("keep", b"2")).expect("set");
    let again = scene.vault.store(again);
    assert_eq!(parents(&scene, again), [set]);

    scene.vault.write_after(&scene.p, base, |r| r.ops.push(Op::Revoke { id: scene.p.id, last: None }));
    let roster = scene.vault.roster();
    let is_member = |id| roster.devices.get(&id).is_some_and(|device| device.is_member());
    assert!(is_member(laptop.id) && is_member(phone.id) && is_member(other.id) && !is_member(scene.p.id));
    every_order_agrees(&mut scene.vault);
}

/// As many as a record has room for beside its heads; the rest by the next one.
#[test]
fn a_record_names_no_more_than_it_can() {
    let mut scene = Scene::new();
    let laptop = scene.vault.enroll(&scene.founder, "laptop", caps(RPP));
    let base = scene.vault.roster().heads;
    let add_one = |scene: &mut Scene, by: &DeviceKeys, parents| {
        let sock = fresh(scene.vault.id);
        scene.vault.write_after(by, parents, |record| record.ops.push(add(&sock, caps(3))))
    };
    let p = scene.p.duplicate();
    let beside: Vec<Identity> = (0..20).map(|_| add_one(&mut scene, &p, base.clone())).collect();
    // None of P's own follows them, but its departure.
    let follow: Vec<Identity> = beside.chunks(10).map(|some| add_one(&mut scene, &laptop, some.to_vec())).collect();
    let before = scene.vault.roster().members().count();
    scene.vault.write_after(&p, follow, |r| r.ops.push(Op::Revoke { id: p.id, last: None }));
    for (times, lost) in [(0, 20), (1, 5), (2, 0)] {
        if times > 0 {
            let set = with_author(&scene.vault, &scene.founder, |author| author.set("keep", &[times])).expect("set");
            scene.vault.store(set);
        }
        let mut later = scene.vault.fork();
        later.write_after(&p, base.clone(), |r| r.ops.push(Op::Revoke { id: p.id, last: None }));
        assert_eq!(later.roster().members().count(), before - 1 - lost, "after {times} records of an admin");
    }
}
