//! Who has left, and what whoever has its key now makes of the roster.

use super::attacks::{Scene, every_order_agrees};
use super::members::{new_passphrase, with_author};
use super::*;
use crate::roster::SlotOptions;

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
        roster.records().find(|(identity, ..)| *identity == record).map(|found| found.2.parents.clone()).expect("there")
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

/// B, an admin, has left in `left`. Whoever has its key now makes the victim an admin where that is not seen, and leaves once more
/// in a record that has seen it and comes first, so that admins follow that one.
struct Stolen {
    scene: Scene,
    b: DeviceKeys,
    left: Identity,
    base: Vec<Identity>,
}

impl Stolen {
    fn new() -> Self {
        let mut scene = Scene::new();
        let b = scene.vault.enroll(&scene.founder, "b", Capabilities::ALL);
        let base = scene.vault.roster().heads;
        for n in 0..8 {
            let set = with_author(&scene.vault, &scene.founder, |author| author.set("keep", &[n])).expect("set");
            scene.vault.store(set);
        }
        let left = with_author(&scene.vault, &b, |author| author.revoke(b.id, None)).expect("left");
        let left = scene.vault.store(left.record);
        Self { scene, b, left, base }
    }

    fn give(&mut self, by: &DeviceKeys, parents: Vec<Identity>, to: DeviceId) -> Identity {
        self.scene.vault.write_after(by, parents, |record| {
            record.ops.push(Op::Grant { id: to, capabilities: Capabilities::ALL });
        })
    }

    fn leave(&mut self, parents: Vec<Identity>) -> Identity {
        let b = self.b.duplicate();
        self.scene.vault.write_after(&b, parents, |record| record.ops.push(Op::Revoke { id: b.id, last: None }))
    }

    /// An admin below root follows the thief's departure, and ends the victim all the same.
    fn ends(mut self, others: &[DeviceId]) {
        let Scene { vault, founder, victim, .. } = &self.scene;
        let before = vault.roster();
        assert!(before.heads.len() == 2 && !before.heads.contains(&self.left), "{:?}", before.heads);
        assert!(before.devices[&victim.id].rank == Rank::Device);
        let others: Vec<_> = others.iter().map(|id| (*id, None)).collect();
        let revoked = with_author(vault, founder, |author| author.revoke_with(victim.id, None, &others));
        let revoked = revoked.expect("an admin reaches a device");
        assert_eq!(revoked.with.len(), others.len());
        let record = self.scene.vault.store(revoked.record);
        let roster = self.scene.vault.roster();
        assert_eq!((&roster.heads, roster.current_epoch), (&vec![record], revoked.epoch));
        let gone = |id| !roster.devices[id].is_member();
        assert!(gone(&self.scene.victim.id) && others.iter().all(|(id, _)| gone(id)));
        let parents = &roster.records().find(|(identity, ..)| *identity == record).expect("it is there").2.parents;
        assert!(parents.contains(&self.left) && parents.len() == before.heads.len() + 1);
        every_order_agrees(&mut self.scene.vault);
    }
}

#[test]
fn a_gift_that_a_departure_has_voided_protects_nobody_from_admins() {
    let mut stolen = Stolen::new();
    let (b, base, victim) = (stolen.b.duplicate(), stolen.base.clone(), stolen.scene.victim.id);
    let given = stolen.give(&b, base, victim);
    stolen.leave(vec![given]);
    stolen.ends(&[]);
}

/// Nor does what another one gives who has it from there, whether that one is ended, too, or not.
#[test]
fn nor_does_what_is_given_by_whom_it_was_given_to() {
    for with_giver in [false, true] {
        let mut stolen = Stolen::new();
        let (b, base, victim) = (stolen.b.duplicate(), stolen.base.clone(), stolen.scene.victim.id);
        let p = stolen.scene.p.duplicate();
        let mut last = base;
        for (by, to) in [(&b, p.id), (&p, victim), (&p, p.id)] {
            last = vec![stolen.give(by, last, to)];
        }
        stolen.leave(last);
        let others = [p.id];
        stolen.ends(if with_giver { &others } else { &[] });
    }
}

/// Nor does a passphrase stay that somebody else knows.
#[test]
fn a_gift_that_a_departure_has_voided_keeps_no_passphrase() {
    let mut stolen = Stolen::new();
    let (b, base) = (stolen.b.duplicate(), stolen.base.clone());
    let old = stolen.scene.vault.unlock_by_passphrase().id;
    let given = stolen.give(&b, base, old);
    stolen.leave(vec![given]);
    let (text, params) = new_passphrase("second horse");
    let options = SlotOptions {
        secret: NewSlot::Passphrase { passphrase: &text, params, low_memory: false },
        name: "passphrase",
    };
    let Scene { vault, founder, .. } = &mut stolen.scene;
    let changed = with_author(vault, founder, |author| author.replace_slot(old, None, &options, None));
    let changed = changed.expect("an admin reaches a passphrase");
    vault.store(changed.record);
    let roster = vault.roster();
    assert!(!roster.devices[&old].is_member() && roster.devices[&changed.device].is_member());
}

/// The thief's other departures come first, and each has seen another gift: the true one cuts most.
#[test]
fn of_many_departures_the_one_that_cuts_most_is_named() {
    let mut stolen = Stolen::new();
    let (b, base, victim) = (stolen.b.duplicate(), stolen.base.clone(), stolen.scene.victim.id);
    let roster = stolen.scene.vault.roster();
    let later = roster.records().find(|(_, _, record, _)| record.parents == base).expect("the first setting").0;
    let gifts: Vec<Identity> = (0..15).map(|_| stolen.give(&b, base.clone(), victim)).collect();
    stolen.leave(gifts.clone());
    for given in gifts {
        let mut parents = vec![given, later];
        parents.sort();
        let between = stolen.give(&b, parents, b.id);
        stolen.leave(vec![between]);
    }
    stolen.ends(&[]);
}

/// The thief makes devices admins by a record that does not count, and lets each of them give the victim admin and leave without
/// having seen that: of their departures each cuts more gifts than the true one does.
#[test]
fn devices_that_only_void_records_know_hide_no_departure() {
    let mut stolen = Stolen::new();
    let (b, base, victim) = (stolen.b.duplicate(), stolen.base.clone(), stolen.scene.victim.id);
    let socks: Vec<DeviceKeys> = (0..15).map(|_| fresh(stolen.scene.vault.id)).collect();
    let added = stolen.scene.vault.write_after(&b, base, |record| {
        record.ops.extend(socks.iter().map(|sock| add(sock, Capabilities::ALL)));
    });
    let mut gifts = Vec::new();
    for sock in &socks {
        gifts.extend((0..2).map(|_| stolen.give(sock, vec![added], victim)));
        stolen.scene.vault.write_after(sock, vec![added], |r| r.ops.push(Op::Revoke { id: sock.id, last: None }));
    }
    let mut gathered: Vec<Identity> = Vec::new();
    for some in gifts.chunks_mut(16) {
        some.sort();
        gathered.push(stolen.give(&b, some.to_vec(), b.id));
    }
    gathered.sort();
    stolen.leave(gathered);
    stolen.ends(&[]);
}

/// Founders are judged as one: what one of them gave is void by the departure of another id of the same key.
#[test]
fn a_departed_founder_protects_nobody_under_another_id() {
    let mut scene = Scene::new();
    let founder = scene.founder.duplicate();
    let admin = scene.vault.enroll(&founder, "admin", Capabilities::ALL);
    let base = scene.vault.roster().heads;
    for n in 0..8 {
        let set = with_author(&scene.vault, &admin, |author| author.set("keep", &[n])).expect("set");
        scene.vault.store(set);
    }
    let left = with_author(&scene.vault, &founder, |author| author.revoke(founder.id, None)).expect("left");
    let left = scene.vault.store(left.record);
    let (other, beginning) = scene.found_again();
    let mut parents = [base, vec![beginning]].concat();
    parents.sort();
    let victim = scene.victim.id;
    let given = scene.vault.write_after(&other, parents, |record| {
        record.ops.push(Op::Grant { id: victim, capabilities: Capabilities::ALL });
    });
    scene.vault.write_after(&founder, vec![given], |r| r.ops.push(Op::Revoke { id: founder.id, last: None }));
    let before = scene.vault.roster();
    assert!(!before.heads.contains(&left) && before.devices[&victim].rank == Rank::Device, "{:?}", before.heads);
    let revoked = with_author(&scene.vault, &admin, |author| author.revoke(victim, None));
    let record = scene.vault.store(revoked.expect("an admin reaches a device").record);
    let roster = scene.vault.roster();
    assert!(roster.heads == [record] && !roster.devices[&victim].is_member());
    every_order_agrees(&mut scene.vault);
}
