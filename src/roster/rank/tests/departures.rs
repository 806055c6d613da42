//! What a departure takes along, and what an admin's record keeps from it.

use super::*;

/// P has added X, and left in the record that `d` is.
fn left() -> Script {
    Script::vault().then("s", &["3"], "P", Act::Add(device("X"), PAIR)).then("d", &["s"], "P", Act::Revoke(device("P")))
}

/// Whoever has P's key now leaves once more, and has seen nothing of what P did.
fn again(script: Script) -> Outcome {
    script.then("k", &["2"], "P", Act::Revoke(device("P"))).judge()
}

#[test]
fn who_has_left_takes_nobody_along_by_leaving_again() {
    assert_eq!(left().judge().unkept, [name("s")]);
    // An admin's next record names what counts and nobody has kept yet.
    let named = left().then("j", &["d", "s"], "A", Act::Administer);
    assert_eq!(named.judge().unkept, []);
    let o = again(named.clone());
    assert!(o.has("X") && o.is("s") == Standing::Effective && !o.has("P"));
    let o = again(named.clone().then("t", &["j"], "X", Act::Add(device("Y"), READ_PUSH)));
    assert!(o.has("X") && o.has("Y"));
    // An admin's revocation voids it all the same.
    let o = named.then("v", &["2"], "B", Act::Revoke(device("P"))).judge();
    assert!(!o.has("X") && o.is("s") == Standing::Revoked);
    // Without such a record X goes: nobody can tell this from what a thief adds before it leaves
    // (`who_has_left_adds_nobody_by_being_followed`).
    assert!(!again(left()).has("X"));
    assert!(!again(left().then("j", &["d"], "A", Act::Administer)).has("X"));
    // Nor is a device's own word, or that of an admin who has left, one of an admin.
    assert!(!again(left().then("j", &["d", "s"], "C", Act::Administer)).has("X"));
    let gone = left().then("e", &["3"], "B", Act::Revoke(device("B")));
    assert!(!again(gone.then("j", &["d", "s"], "B", Act::Administer)).has("X"));
}

#[test]
fn naming_the_last_record_of_who_has_left_keeps_those_before() {
    let base = Script::vault()
        .then("s", &["3"], "P", Act::Add(device("X"), PAIR))
        .then("t", &["s"], "X", Act::Add(device("Y"), READ_PUSH))
        .then("u", &["t"], "P", Act::Add(device("Z"), READ_PUSH))
        .then("d", &["u"], "P", Act::Revoke(device("P")));
    assert_eq!(base.judge().unkept, [name("s"), name("u")]);
    let o = again(base.then("j", &["d", "u"], "B", Act::Administer));
    assert!(o.unkept.is_empty() && ["X", "Y", "Z"].iter().all(|id| o.has(id)));
}

/// P has left in `d`. Its key adds S, and leaves once more in `x`, which has seen that.
#[test]
fn what_is_added_after_a_departure_is_kept_by_nobody_who_knows_of_it() {
    let stolen = || {
        Script::vault()
            .then("d", &["3"], "P", Act::Revoke(device("P")))
            .then("g", &["3"], "P", Act::Add(device("S"), PAIR))
            .then("x", &["g"], "P", Act::Revoke(device("P")))
    };
    assert_eq!(stolen().judge().unkept, [], "it is void, and no honest admin names it");
    // Of those who have seen it with both departures, or with the thief's alone, because that one is the head that they follow,
    // none keeps it; nor does it help to name it where the first departure is known.
    for parents in [&["d", "x"][..], &["x"], &["d", "g", "x"], &["d", "g"], &["g", "x", "3"][..2]] {
        let o = stolen().then("j", parents, "A", Act::Administer).judge();
        let is_named_blindly = parents == ["g", "x"];
        // Who names it and has seen nothing of the first departure was shown a vault in which it counts.
        assert_eq!((o.has("S"), o.has("P")), (is_named_blindly, false), "{parents:?}");
    }
    // Once an admin has seen the first departure, whatever follows has seen it.
    let known = stolen().then("j", &["d"], "A", Act::Administer);
    for parents in [&["j", "x"][..], &["g", "j", "x"]] {
        let o = known.clone().then("l", parents, "B", Act::Administer).judge();
        assert!(!o.has("S") && o.is("g") == Standing::Revoked, "{parents:?}");
    }
}

/// An admin's departure is a revocation by an admin: it voids what it has not seen, whoever has built on that.
#[test]
fn an_admin_answers_for_what_it_alone_has_added() {
    let base = |given| {
        Script::vault()
            .then("s", &["3"], "B", Act::Add(device("X"), given))
            .then("j", &["s"], "A", Act::Administer)
            .then("d", &["j"], "B", Act::Revoke(device("B")))
            .then("l", &["d"], "A", Act::Administer)
    };
    for given in [READ_PUSH, ADMIN] {
        assert!(base(given).judge().has("X"));
        let again = |script: Script| script.then("k", &["2"], "B", Act::Revoke(device("B"))).judge();
        assert!(!again(base(given)).has("X"));
        // A grant is no add, whoever gives it; an add is one, before or after.
        assert!(!again(base(given).then("g", &["l"], "A", Act::Grant(device("X"), ADMIN))).has("X"));
        assert!(again(base(given).then("g", &["l"], "A", Act::Add(device("X"), given))).has("X"));
        assert!(again(base(given).then("g", &["2"], "A", Act::Add(device("X"), given))).has("X"));
    }
}

/// The next record of an admin that follows all heads and names what nobody keeps brings nobody in, and afterwards no departure
/// of who has left takes anybody along.
#[test]
fn an_admins_next_record_keeps_who_is_there_and_nobody_else() {
    let mut rng = Rng(29);
    let (mut kept, mut stable) = (0, 0);
    for _ in 0..6000 {
        let mut records = random_records(&mut rng);
        // Often somebody who may pair adds somebody and leaves.
        let pairs = outcome(&records).members.into_iter().find(|(_, given)| *given == PAIR);
        if let Some((signer, _)) = pairs {
            for (id, act) in [("p", Act::Add(device("X"), PAIR)), ("q", Act::Revoke(signer))] {
                let parents = outcome(&records).heads;
                records.push(Trial { id: name(id), parents, signer, acts: vec![act] });
            }
        }
        let now = outcome(&records);
        if !now.members.contains_key(&device("A")) {
            continue;
        }
        let mut parents = [now.heads.clone(), now.unkept.clone()].concat();
        parents.sort();
        parents.dedup();
        records.push(Trial { id: name("j"), parents, signer: device("A"), acts: vec![Act::Administer] });
        let after = outcome(&records);
        assert_eq!((&after.members, &after.revoked), (&now.members, &now.revoked), "{records:#?}");
        assert_eq!((after.heads, after.unkept), (vec![name("j")], vec![]), "{records:#?}");
        kept += usize::from(!now.unkept.is_empty());
        for k in 0..3 {
            let left = |r: &&Trial| r.acts.len() == 1 && matches!(r.acts[0], Act::Revoke(id) if id == r.signer);
            let left: Vec<DeviceId> = records.iter().filter(left).map(|r| r.signer).collect();
            // Who was ever an admin answers for what it alone has added.
            let admin = |act: &Act, of: DeviceId| matches!(act, Act::Add(id, given) | Act::Grant(id, given) if *id == of && given.contains(Capabilities::ADMIN));
            let below = |of: &&DeviceId| !records.iter().flat_map(|r| &r.acts).any(|act| admin(act, **of));
            let Some(signer) = left.iter().filter(below).nth(rng.below(3)).copied() else { continue };
            let parents = vec![records[rng.below(records.len())].id];
            let id = name(&format!("{}{k}", ["a", "z"][rng.below(2)]));
            records.push(Trial { id, parents, signer, acts: vec![Act::Revoke(signer)] });
            stable += 1;
        }
        assert_eq!(outcome(&records).members, now.members, "{records:#?}");
    }
    assert!(kept > 300 && stable > 1000, "{kept} and {stable}");
}

/// Departures, admins' records that name what they have not seen, and records: each costs what those before it are, and no
/// product of the three.
#[test]
fn thousands_of_departures_are_judged_in_time() {
    const EACH: usize = 1200;
    let (mut nodes, mut pasts) = (Vec::new(), Pasts::default());
    let mut push = |signer: &str, parents: &[usize], act: Act| {
        let mut acts = vec![act];
        if parents.is_empty() {
            acts.push(Act::Add(device("R"), Capabilities::ALL));
        }
        pasts.push(parents);
        nodes.push(Node { signer: device(signer), acts });
        nodes.len() - 1
    };
    push("A", &[], Act::Add(device("A"), ADMIN));
    push("A", &[0], Act::Add(device("P"), PAIR));
    let first = push("A", &[1], Act::Add(device("B"), ADMIN));
    let mut keys = BTreeMap::from([(device("A"), 0), (device("R"), 1), (device("P"), 2), (device("B"), 3)]);
    let mut adds = Vec::new();
    for k in 0..EACH {
        let sock = device(&format!("s{k}"));
        keys.insert(sock, 4 + k);
        adds.push(push("P", &[adds.last().copied().unwrap_or(first)], Act::Add(sock, READ_PUSH)));
    }
    let departures: Vec<usize> = adds.iter().rev().map(|add| push("P", &[*add], Act::Revoke(device("P")))).collect();
    let mut last = first;
    for k in 0..EACH {
        // The departure that has seen least is known last, so that most of the others have seen what is named.
        let mut parents = vec![last, departures[k]];
        parents.extend((0..14).map(|l| adds[EACH - 1 - (k + l) % EACH]));
        last = push("A", &parents, Act::Administer);
    }
    // Each of these is judged by all that counts before it.
    for _ in 0..40 {
        last = push("A", &[last], Act::Revoke(device("B")));
    }
    let (founders, roots) = (BTreeSet::from([device("A")]), BTreeSet::from([device("R")]));
    let ground = Ground { founders, root: Some(1), roots, reserved: vec![0, 1], keys };
    let begun = std::time::Instant::now();
    let verdict = evaluate(&ground, &nodes, &pasts);
    assert!(begun.elapsed().as_secs() < 30, "{:?}", begun.elapsed());
    assert_eq!(verdict.revocations.len(), EACH);
    assert_eq!(verdict.standing[last], Standing::NoRight);
}
