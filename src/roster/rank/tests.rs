//! The attacks on ranks by name, and the model's random trials.

use super::*;
use vault_format::ids::Identity;

const READ_PUSH: Capabilities = Capabilities::READ.union(Capabilities::PUSH);
const ADMIN: Capabilities = READ_PUSH.union(Capabilities::ADMIN);
const PAIR: Capabilities = READ_PUSH.union(Capabilities::PAIR);

/// Records by name; the name is also the identity, so that ties in n go by name, as an attacker who grinds hashes would have it.
#[derive(Clone)]
struct Script(Vec<(&'static str, Vec<&'static str>, &'static str, Vec<Act>)>);

/// What the tests look at.
#[derive(Debug, PartialEq, Eq)]
struct Outcome {
    members: BTreeMap<DeviceId, Capabilities>,
    revoked: BTreeSet<DeviceId>,
    standing: BTreeMap<Identity, Standing>,
    heads: Vec<Identity>,
}

impl Script {
    /// `R` is root, `A` the founder, `B` an admin, `P` a device with pair, `C` a plain one.
    fn vault() -> Self {
        Self(vec![
            ("0", vec![], "A", vec![Act::Add(device("A"), ADMIN), Act::Add(device("R"), Capabilities::ALL)]),
            ("1", vec!["0"], "A", vec![Act::Add(device("B"), ADMIN)]),
            ("2", vec!["1"], "A", vec![Act::Add(device("P"), PAIR)]),
            ("3", vec!["2"], "A", vec![Act::Add(device("C"), READ_PUSH)]),
        ])
    }

    fn then(mut self, id: &'static str, parents: &[&'static str], signer: &'static str, act: Act) -> Self {
        self.0.push((id, parents.to_vec(), signer, vec![act]));
        self
    }

    fn judge(&self) -> Outcome {
        outcome(&self.trials())
    }

    fn trials(&self) -> Vec<Trial> {
        let trial = |(id, parents, signer, acts): &(&'static str, Vec<&'static str>, &'static str, Vec<Act>)| Trial {
            id: name(id),
            parents: parents.iter().map(|p| name(p)).collect(),
            signer: device(signer),
            acts: acts.clone(),
        };
        self.0.iter().map(trial).collect()
    }
}

impl Outcome {
    fn is(&self, id: &str) -> Standing {
        self.standing[&name(id)]
    }

    fn has(&self, id: &str) -> bool {
        self.members.contains_key(&device(id))
    }
}

/// A record that names its parents by identity, as they come out of a store.
#[derive(Clone, Debug)]
struct Trial {
    id: Identity,
    parents: Vec<Identity>,
    signer: DeviceId,
    acts: Vec<Act>,
}

fn name(text: &str) -> Identity {
    let mut id = [0; 32];
    id[..text.len()].copy_from_slice(text.as_bytes());
    Identity(id)
}

fn device(text: &str) -> DeviceId {
    let mut id = [0; 16];
    id[..text.len()].copy_from_slice(text.as_bytes());
    DeviceId(id)
}

/// Numbers and sorts the records as the graph does, and gives every device a key of its own.
fn outcome(records: &[Trial]) -> Outcome {
    let by_id: BTreeMap<Identity, &Trial> = records.iter().map(|r| (r.id, r)).collect();
    fn n(by_id: &BTreeMap<Identity, &Trial>, memo: &mut BTreeMap<Identity, u32>, id: Identity) -> u32 {
        if let Some(known) = memo.get(&id) {
            return *known;
        }
        let value = by_id[&id].parents.iter().map(|p| n(by_id, memo, *p) + 1).max().unwrap_or(0);
        memo.insert(id, value);
        value
    }
    let mut memo = BTreeMap::new();
    let mut order: Vec<(u32, Identity)> = by_id.keys().map(|id| (n(&by_id, &mut memo, *id), *id)).collect();
    order.sort();
    let place: BTreeMap<Identity, usize> = order.iter().enumerate().map(|(i, (_, id))| (*id, i)).collect();
    let node = |id: &Identity| Node { signer: by_id[id].signer, acts: by_id[id].acts.clone() };
    let nodes: Vec<Node> = order.iter().map(|(_, id)| node(id)).collect();
    let mut pasts = Pasts::default();
    for (_, id) in &order {
        pasts.push(&by_id[id].parents.iter().map(|p| place[p]).collect::<Vec<_>>());
    }
    let mut keys = BTreeMap::from([(device("A"), 0), (device("R"), 1), (device("fA"), 0), (device("fR"), 1)]);
    for node in &nodes {
        for act in &node.acts {
            let next = keys.len() - 2;
            if let Act::Add(id, _) = act
                && *id != device("fB")
            {
                keys.entry(*id).or_insert(next);
            }
        }
    }
    keys.extend(keys.get(&device("B")).copied().map(|key| (device("fB"), key)));
    let ground = Ground {
        founders: BTreeSet::from([device("A")]),
        root: Some(1),
        roots: BTreeSet::from([device("R")]),
        reserved: vec![0, 1],
        keys,
    };
    let verdict = evaluate(&ground, &nodes, &pasts);
    let revoked: BTreeSet<DeviceId> = verdict.revocations.iter().map(|(target, _)| *target).collect();
    let mut first: BTreeMap<DeviceId, usize> = BTreeMap::new();
    for (target, i) in verdict.revocations.iter().filter(|(target, _)| verdict.devices.contains_key(target)) {
        first.entry(*target).and_modify(|first| *first = *i.min(first)).or_insert(*i);
    }
    let counts = |i: &usize| match verdict.standing[*i] {
        Standing::RevocationsOnly => first.values().any(|first| first == i),
        standing => standing == Standing::Effective,
    };
    let counting: Vec<usize> = (0..nodes.len()).filter(counts).collect();
    let heads =
        counting.iter().filter(|i| !counting.iter().any(|j| pasts.sees(*j, **i))).map(|i| order[*i].1).collect();
    Outcome {
        members: verdict.devices.into_iter().filter(|(id, _)| !revoked.contains(id)).collect(),
        revoked,
        standing: order.iter().map(|(_, id)| *id).zip(verdict.standing).collect(),
        heads,
    }
}

#[test]
fn two_honest_admins_at_once() {
    let o = Script::vault()
        .then("x", &["3"], "A", Act::Add(device("D"), READ_PUSH))
        .then("y", &["3"], "B", Act::Revoke(device("C")))
        .judge();
    assert!(o.has("D") && !o.has("C"));
    assert_eq!((o.is("x"), o.is("y")), (Standing::Effective, Standing::Effective));
}

#[test]
fn backdated_sock_puppet() {
    // P is revoked, and writes a sibling of the revocation that adds another device.
    let o = Script::vault()
        .then("v", &["3"], "A", Act::Revoke(device("P")))
        .then("s", &["3"], "P", Act::Add(device("S"), READ_PUSH))
        .then("t", &["s"], "S", Act::Revoke(device("S")))
        .judge();
    assert_eq!(o.is("s"), Standing::Revoked);
    assert!(!o.has("S") && !o.has("P"));
}

#[test]
fn backdated_self_readd() {
    let o = Script::vault()
        .then("v", &["3"], "A", Act::Revoke(device("P")))
        .then("s", &["2"], "P", Act::Add(device("P"), PAIR))
        .then("t", &["v"], "A", Act::Add(device("P"), PAIR))
        .judge();
    assert_eq!(o.is("s"), Standing::Revoked);
    assert!(!o.has("P"), "a revoked id never comes back, whoever adds it");
}

#[test]
fn mutual_revocation_is_void() {
    let o = Script::vault()
        .then("v", &["3"], "A", Act::Revoke(device("B")))
        .then("u", &["3"], "B", Act::Revoke(device("A")))
        .judge();
    assert_eq!((o.is("u"), o.is("v")), (Standing::NoRight, Standing::NoRight));
    assert!(o.has("A") && o.has("B") && o.revoked.is_empty());
}

#[test]
fn nobody_but_root_reaches_root_or_admins() {
    let o = Script::vault()
        .then("v", &["3"], "A", Act::Revoke(device("R")))
        .then("w", &["3"], "P", Act::Revoke(device("C")))
        .then("x", &["3"], "P", Act::Add(device("D"), Capabilities::READ.union(Capabilities::PRUNE)))
        .then("y", &["3"], "P", Act::Add(device("E"), ADMIN))
        .then("z", &["3"], "P", Act::Administer)
        .judge();
    for id in ["v", "w", "x", "y", "z"] {
        assert_eq!(o.is(id), Standing::NoRight, "{id}");
    }
    let o = Script::vault().then("v", &["3"], "R", Act::Revoke(device("A"))).judge();
    assert!(!o.has("A") && o.has("B"));
}

#[test]
fn root_revocation_voids_sock_revocations() {
    // Root revokes the founder, who then backdates an admin that revokes C, and revokes C itself.
    let o = Script::vault()
        .then("v", &["3"], "R", Act::Revoke(device("A")))
        .then("s", &["1"], "A", Act::Add(device("S"), ADMIN))
        .then("t", &["s"], "S", Act::Revoke(device("C")))
        .then("u", &["3"], "A", Act::Revoke(device("C")))
        .judge();
    assert!(o.has("C") && !o.has("S"));
    assert_eq!((o.is("s"), o.is("t"), o.is("u")), (Standing::Revoked, Standing::NoRight, Standing::Revoked));
    assert!(o.has("B"), "what the founder did before stays");
}

#[test]
fn concurrent_promote_and_revoke() {
    for (first, second) in [("p", "v"), ("v", "p")] {
        let o = Script::vault()
            .then(
                first,
                &["3"],
                "A",
                if first == "p" { Act::Grant(device("C"), ADMIN) } else { Act::Revoke(device("C")) },
            )
            .then(
                second,
                &["3"],
                "B",
                if second == "p" { Act::Grant(device("C"), ADMIN) } else { Act::Revoke(device("C")) },
            )
            .then("z", &["p"], "C", Act::Add(device("S"), READ_PUSH))
            .judge();
        assert!(
            !o.has("C") && !o.has("S"),
            "revocation wins, and what the promoted device did without seeing it is void"
        );
        assert_eq!(o.is("z"), Standing::Revoked);
    }
}

#[test]
fn ground_low_hash_sibling() {
    // Wherever a revoked device's record sorts, it changes nothing.
    for id in ["\u{1}", "~"] {
        let o = Script::vault()
            .then("m", &["3"], "A", Act::Revoke(device("P")))
            .then(id, &["3"], "P", Act::Add(device("S"), READ_PUSH))
            .judge();
        assert!(!o.has("S"));
        assert_eq!(o.is(id), Standing::Revoked);
    }
}

#[test]
fn huge_n_sibling() {
    // A long chain of its own does not help either.
    let chain = ["a", "b", "c", "d", "e", "f"];
    let mut script = Script::vault().then("v", &["3"], "A", Act::Revoke(device("P")));
    for (i, id) in chain.into_iter().enumerate() {
        script = script.then(id, &[if i == 0 { "3" } else { chain[i - 1] }], "P", Act::Add(device("S"), READ_PUSH));
    }
    let o = script.judge();
    assert!(!o.has("S"));
    assert!(chain.iter().all(|id| o.is(id) == Standing::Revoked));
}

#[test]
fn pairing_hands_on_what_it_has() {
    let o = Script::vault().then("x", &["3"], "P", Act::Add(device("D"), READ_PUSH)).judge();
    assert_eq!(o.members.get(&device("D")), Some(&READ_PUSH));
}

#[test]
fn pairing_hands_on_no_prune_even_by_who_has_it() {
    let prune = Capabilities::READ.union(Capabilities::PRUNE);
    let o = Script::vault()
        .then("4", &["3"], "A", Act::Add(device("Q"), PAIR.union(prune)))
        .then("5", &["4"], "Q", Act::Add(device("D"), prune))
        .then("6", &["4"], "Q", Act::Add(device("E"), PAIR))
        .judge();
    assert_eq!((o.is("5"), o.is("6")), (Standing::NoRight, Standing::Effective));
}

#[test]
fn devices_may_leave() {
    let o = Script::vault().then("x", &["3"], "C", Act::Revoke(device("C"))).judge();
    assert!(!o.has("C"));
    // A revoked device that "leaves" with a short past does not take down those it had added.
    let base = Script::vault().then("d", &["3"], "P", Act::Add(device("D"), READ_PUSH)).then(
        "v",
        &["d"],
        "A",
        Act::Revoke(device("P")),
    );
    let before = base.judge();
    let after = base.then("x", &["3"], "P", Act::Revoke(device("P"))).judge();
    assert!(before.has("D"));
    assert_eq!(before.members, after.members);
}

#[test]
fn who_was_never_added_leaves_and_that_is_all() {
    // S is added by P beside P's revocation, and by A where it had not seen that.
    let base = Script::vault()
        .then("v", &["3"], "A", Act::Revoke(device("P")))
        .then("s", &["3"], "P", Act::Add(device("S"), READ_PUSH))
        .then("t", &["s"], "S", Act::Revoke(device("S")));
    let o = base.clone().judge();
    assert_eq!((o.is("s"), o.is("t")), (Standing::Revoked, Standing::RevocationsOnly));
    let o = base.clone().then("w", &["v"], "A", Act::Add(device("S"), READ_PUSH)).judge();
    assert!(!o.has("S") && o.is("w") == Standing::Effective, "who has left has left, whoever adds it");
    // Had P been a member, it would count; a revocation that comes later takes the rest of it, and leaves S out.
    let o = Script::vault()
        .then("s", &["3"], "P", Act::Add(device("S"), READ_PUSH))
        .then("t", &["s"], "S", Act::Revoke(device("S")))
        .judge();
    assert_eq!(o.is("t"), Standing::Effective);
}

/// Who came in by a passphrase and was made an admin later: an admin's word stands behind it.
#[test]
fn who_was_paired_and_then_made_an_admin_is_one() {
    let base = Script::vault()
        .then("4", &["3"], "P", Act::Add(device("D"), READ_PUSH))
        .then("5", &["4"], "A", Act::Grant(device("D"), ADMIN))
        .then("6", &["5"], "D", Act::Administer)
        .then("7", &["6"], "D", Act::Revoke(device("C")));
    let o = base.clone().then("8", &["7"], "B", Act::Revoke(device("D"))).judge();
    assert_eq!((o.is("6"), o.is("7"), o.is("8")), (Standing::Effective, Standing::Effective, Standing::NoRight));
    assert!(o.has("D") && !o.has("C"));
    // Who paired it was revoked, and nobody had seen it: it goes, and whom it had revoked stays revoked.
    let o = base.then("v", &["3"], "B", Act::Revoke(device("P"))).judge();
    assert_eq!((o.is("4"), o.is("6"), o.is("7")), (Standing::Revoked, Standing::NoRight, Standing::RevocationsOnly));
    assert!(!o.has("D") && !o.has("C"));
    // What P says of it makes nobody an admin.
    let o = Script::vault()
        .then("4", &["3"], "P", Act::Add(device("D"), READ_PUSH))
        .then("5", &["4"], "P", Act::Grant(device("D"), ADMIN))
        .then("6", &["5"], "D", Act::Administer)
        .judge();
    assert_eq!((o.is("5"), o.is("6")), (Standing::NoRight, Standing::NoRight));
}

#[test]
fn leaving_admins_take_nothing_back() {
    // A leaves; beside that it had revoked C and added D in one record.
    let mut script = Script::vault().then("x", &["3"], "A", Act::Revoke(device("A")));
    script.0.push(("y", vec!["3"], "A", vec![Act::Revoke(device("C")), Act::Add(device("D"), READ_PUSH)]));
    let o = script.judge();
    assert_eq!(o.is("y"), Standing::RevocationsOnly);
    assert!(!o.has("C") && !o.has("D") && !o.has("A"));
}

/// B left, and what it gave with its old key gets into honest pasts: void records are parents like others.
#[test]
fn gifts_of_who_has_left_keep_nobody_from_being_revoked() {
    let left = Script::vault().then("d", &["3"], "B", Act::Revoke(device("B")));
    let ended = |script: Script, carried: &'static str| {
        let o = script
            .then("h", &["d", carried], "P", Act::Add(device("E"), READ_PUSH))
            .then("v", &["h"], "A", Act::Revoke(device("C")))
            .judge();
        assert_eq!((o.is("h"), o.is("v")), (Standing::Effective, Standing::Effective), "{carried}");
        assert!(!o.has("C") && o.has("E") && o.has("P"));
    };
    ended(left.clone().then("g", &["3"], "B", Act::Grant(device("C"), ADMIN)), "g");
    ended(left.clone().then("g", &["3"], "B", Act::Add(device("C"), ADMIN)), "g");
    // Nor by way of somebody who is no device at all.
    let hop = left.then("g", &["3"], "B", Act::Grant(device("Q"), ADMIN));
    ended(hop.then("g2", &["g"], "Q", Act::Grant(device("C"), ADMIN)), "g2");
    // What it gave before it left stays given.
    let o = Script::vault()
        .then("g", &["3"], "B", Act::Grant(device("C"), ADMIN))
        .then("d", &["g"], "B", Act::Revoke(device("B")))
        .then("v", &["d"], "A", Act::Revoke(device("C")))
        .judge();
    assert!(o.is("v") == Standing::NoRight && o.has("C"));
}

/// The same for who was revoked beside its promotion, and for who is an admin that nobody adds any more.
#[test]
fn gifts_of_who_is_no_member_keep_nobody_from_being_revoked() {
    let o = Script::vault()
        .then("g", &["3"], "A", Act::Grant(device("C"), ADMIN))
        .then("u", &["3"], "B", Act::Revoke(device("C")))
        .then("g2", &["g"], "C", Act::Grant(device("P"), ADMIN))
        .then("v", &["u", "g2"], "A", Act::Revoke(device("P")))
        .judge();
    assert!(o.is("v") == Standing::Effective && !o.has("P") && !o.has("C"));
    let o = Script::vault()
        .then("x", &["3"], "P", Act::Add(device("X"), READ_PUSH))
        .then("g", &["x"], "A", Act::Grant(device("X"), ADMIN))
        .then("u", &["3"], "B", Act::Revoke(device("P")))
        .then("g2", &["g"], "X", Act::Grant(device("C"), ADMIN))
        .then("v", &["u", "g2"], "A", Act::Revoke(device("C")))
        .judge();
    assert!(o.is("v") == Standing::Effective && !o.has("C") && !o.has("X"));
}

/// What an admin gave protects from other admins, whatever becomes of the records that added the device.
#[test]
fn no_departure_helps_an_admin_to_reach_another() {
    let o = Script::vault()
        .then("x", &["3"], "P", Act::Add(device("X"), PAIR))
        .then("4", &["x"], "X", Act::Add(device("D"), READ_PUSH))
        .then("d", &["4"], "P", Act::Revoke(device("P")))
        .then("g", &["d"], "A", Act::Grant(device("D"), ADMIN))
        .then("k", &["2"], "P", Act::Revoke(device("P")))
        .then("v", &["g", "k"], "B", Act::Revoke(device("D")))
        .judge();
    assert!(o.is("v") == Standing::NoRight && !o.revoked.contains(&device("D")));
}

/// A device that nobody has revoked chooses the past of its departure freely.
#[test]
fn who_leaves_takes_nobody_along_whom_an_admin_has_seen() {
    let base = Script::vault().then("4", &["3"], "P", Act::Add(device("D"), READ_PUSH));
    let leaves = |script: Script| script.then("k", &["2"], "P", Act::Revoke(device("P")));
    let o = leaves(base.clone()).judge();
    assert!(!o.has("D") && o.is("k") == Standing::Effective, "no admin has seen that");
    let o = leaves(base.clone().then("5", &["4"], "B", Act::Administer)).judge();
    assert!(o.has("D") && !o.has("P") && o.is("4") == Standing::Effective);
    let admin = base.clone().then("5", &["4"], "A", Act::Grant(device("D"), ADMIN));
    let o = leaves(admin.then("6", &["5"], "D", Act::Administer)).judge();
    assert!(o.is("6") == Standing::Effective && o.members[&device("D")] == ADMIN);
    // Again, after it has left honestly.
    let again = base.clone().then("5", &["4"], "B", Act::Administer).then("l", &["5"], "P", Act::Revoke(device("P")));
    assert!(leaves(again).judge().has("D"));
    // A revocation by an admin takes it all the same.
    let o = base.then("5", &["4"], "B", Act::Administer).then("v", &["2"], "A", Act::Revoke(device("P"))).judge();
    assert!(!o.has("D") && o.is("4") == Standing::Revoked);
}

/// P has left, and S is what its old key adds: whatever makes an admin see that, S is no member.
#[test]
fn who_has_left_adds_nobody_by_being_followed() {
    let base = || {
        Script::vault().then("d", &["3"], "P", Act::Revoke(device("P"))).then(
            "s",
            &["2"],
            "P",
            Act::Add(device("S"), PAIR),
        )
    };
    let trials = [
        // A second departure, with a lower number, is the head that the admin follows.
        base().then("x", &["s"], "P", Act::Revoke(device("P"))).then("j", &["x"], "A", Act::Administer),
        base().then("x", &["s"], "S", Act::Revoke(device("S"))).then("j", &["d", "x"], "A", Act::Administer),
        base().then("j", &["d", "s"], "A", Act::Administer),
        // An admin that has left as well, and whom that one makes an admin.
        base().then("e", &["3"], "B", Act::Revoke(device("B"))).then("j", &["3", "s"], "B", Act::Administer),
        base()
            .then("e", &["3"], "B", Act::Revoke(device("B")))
            .then("g", &["3"], "B", Act::Grant(device("Q"), ADMIN))
            .then("j", &["g", "s"], "Q", Act::Administer),
        base()
            .then("e", &["3"], "B", Act::Revoke(device("B")))
            .then("g", &["3", "s"], "B", Act::Grant(device("S"), ADMIN))
            .then("j", &["g"], "S", Act::Administer),
    ];
    for (i, trial) in trials.into_iter().enumerate() {
        let o = trial.judge();
        assert!(!o.has("S") && !o.has("P") && o.is("s") == Standing::Revoked, "trial {i}");
    }
}

#[test]
fn pairing_adds_no_member_again() {
    let again = |id| Script::vault().then("x", &["3"], "P", Act::Add(device(id), Capabilities::READ)).judge();
    for id in ["A", "R", "B", "C", "P"] {
        assert_eq!(again(id).is("x"), Standing::NoRight, "{id}");
    }
    // Beside the record that adds it nobody can know, and an admin may.
    let o = Script::vault()
        .then("4", &["3"], "A", Act::Add(device("D"), READ_PUSH))
        .then("4b", &["3"], "P", Act::Add(device("D"), READ_PUSH))
        .then("5", &["4", "4b"], "B", Act::Add(device("D"), READ_PUSH))
        .then("6", &["5"], "P", Act::Add(device("E"), READ_PUSH))
        .judge();
    for id in ["4", "4b", "5", "6"] {
        assert_eq!(o.is(id), Standing::Effective, "{id}");
    }
}

#[test]
fn public_keys_of_founder_root_and_admins_give_no_rank() {
    // `fA`, `fR` and `fB` have the verification keys of `A`, `R` and `B`, and other KEM keys.
    for id in ["fA", "fR", "fB"] {
        let act = Act::Add(device(id), Capabilities::READ);
        let o = Script::vault().then("x", &["3"], "P", act.clone()).judge();
        assert_eq!(o.is("x"), Standing::NoRight, "{id}");
        // Not by an admin's add either: it stays below admin, and an admin reaches it.
        let o = Script::vault().then("x", &["3"], "A", act).then("y", &["x"], "B", Act::Revoke(device(id))).judge();
        assert!(!o.has(id), "{id}");
    }
}

#[test]
fn new_roots() {
    // Keys are numbered in the order of adds: N gets 5, M gets 6.
    let base = Script::vault()
        .then("4", &["3"], "R", Act::Add(device("N"), READ_PUSH))
        .then("5", &["4"], "R", Act::Add(device("M"), READ_PUSH))
        .then("6", &["5"], "R", Act::NewRoot(5));
    let o = base.clone().then("7", &["6"], "N", Act::Revoke(device("A"))).judge();
    assert!(!o.has("A"));
    // The old root beside or after the new one is an admin like others.
    for parent in ["5", "6"] {
        let o = base.clone().then("7", &[parent], "R", Act::Revoke(device("A"))).judge();
        assert!(o.has("A"), "after {parent}");
    }
    // Two new roots with no order between them: nobody is root.
    let o = base
        .then("6b", &["5"], "R", Act::NewRoot(6))
        .then("7", &["6"], "N", Act::Revoke(device("A")))
        .then("8", &["6b"], "M", Act::Revoke(device("A")))
        .then("9", &["7", "8"], "N", Act::Revoke(device("A")))
        .judge();
    assert!(o.has("A"));
}

/// The model's trials: random graphs, in which everybody does anything.
#[test]
fn growth_never_undoes_a_revocation() {
    let mut rng = Rng(7);
    let mut judged = 0;
    for _ in 0..4000 {
        let records = random_records(&mut rng);
        let full = outcome(&records);
        let mut early: Vec<Trial> = Vec::new();
        for record in &records {
            if record.parents.iter().all(|p| early.iter().any(|r| r.id == *p)) && rng.below(10) < 8 {
                early.push(record.clone());
            }
        }
        let late_root = records.iter().any(|r| r.signer == device("R") && early.iter().all(|e| e.id != r.id));
        if early.is_empty() || late_root {
            continue;
        }
        judged += 1;
        let part = outcome(&early);
        assert!(part.revoked.is_subset(&full.revoked), "later records without root brought a device back");
    }
    assert!(judged > 1000);
}

#[test]
fn nothing_of_a_root_revoked_device_counts_outside_the_past() {
    let mut rng = Rng(11);
    let mut tried = 0;
    for _ in 0..4000 {
        let records = random_records(&mut rng);
        let full = outcome(&records);
        for v in records.iter().filter(|r| r.signer == device("R")) {
            let Some(Act::Revoke(target)) = v.acts.first() else { continue };
            let seen = past(&records, v.id);
            let outside = |r: &&Trial| r.signer == *target && *target != device("R") && !seen.contains(&r.id);
            for r in records.iter().filter(outside) {
                tried += 1;
                assert!(matches!(full.standing[&r.id], Standing::Revoked | Standing::NoRight));
            }
            // Without those records, and without what was built on them by nobody else, the vault is the same.
            let kept: Vec<Trial> = records.iter().filter(|r| !outside(r)).cloned().collect();
            let closed = kept.iter().all(|r| r.parents.iter().all(|p| kept.iter().any(|k| k.id == *p)));
            if closed {
                let without = outcome(&kept);
                assert_eq!((&without.members, &without.revoked), (&full.members, &full.revoked));
            }
        }
    }
    assert!(tried > 500);
}

#[test]
fn every_permutation_same_state() {
    let mut rng = Rng(13);
    for _ in 0..500 {
        let mut records = random_records(&mut rng);
        let expected = outcome(&records);
        for i in (1..records.len()).rev() {
            records.swap(i, rng.below(i + 1));
        }
        assert_eq!(outcome(&records), expected);
    }
}

/// Who signs is judged without regard to revocations by admins, so that what it revoked stays revoked: only more is reached.
#[test]
fn what_a_record_may_hangs_on_its_past_alone() {
    let mut rng = Rng(19);
    let mut tried = 0;
    for _ in 0..3000 {
        let records = random_records(&mut rng);
        if records.iter().any(|r| r.signer == device("R")) {
            continue;
        }
        let full = outcome(&records);
        for v in &records {
            let Some(Act::Revoke(target)) = v.acts.first().filter(|_| v.acts.len() == 1) else { continue };
            let seen = past(&records, v.id);
            let part: Vec<Trial> = records.iter().filter(|r| r.id == v.id || seen.contains(&r.id)).cloned().collect();
            tried += 1;
            assert!(!outcome(&part).revoked.contains(target) || full.revoked.contains(target));
        }
    }
    assert!(tried > 500, "{tried}");
}

/// A device with `pair` and an admin have left, an admin has seen that, and somebody has their keys. Whatever these write, and however it gets into
/// what honest devices follow: nobody joins by it, nobody of those who were there goes, and an admin revokes whom it will.
#[test]
fn with_the_keys_of_who_has_left_nothing_is_done() {
    let mut rng = Rng(23);
    let (mut thefts, mut sewn) = (0, 0);
    for _ in 0..3000 {
        let mut script = Script::vault().then("4", &["3"], "P", Act::Add(device("D"), PAIR));
        script = script.then("5", &["4"], "A", Act::Administer);
        script = script.then("dP", &["5"], "P", Act::Revoke(device("P")));
        script = script.then("dB", &["dP"], "B", Act::Revoke(device("B")));
        script = script.then("6", &["dB"], "A", Act::Administer);
        let mut records = script.trials();
        let thieves = ["P", "B", "S0", "S1", "S2"];
        let count = 3 + rng.below(12);
        for k in 0..count {
            let id = name(&format!("{}{k:02}", ["a", "z"][rng.below(2)]));
            if rng.below(4) == 0 {
                // An honest one follows all heads.
                let now = outcome(&records);
                let (signer, act) = match rng.below(2) {
                    0 => ("A", Act::Administer),
                    _ => ("D", Act::Add(device(&format!("H{k}")), READ_PUSH)),
                };
                records.push(Trial { id, parents: now.heads, signer: device(signer), acts: vec![act] });
                assert_eq!(outcome(&records).standing[&id], Standing::Effective);
                continue;
            }
            let mut parents: Vec<Identity> =
                (0..1 + rng.below(3)).map(|_| records[rng.below(records.len())].id).collect();
            parents.sort();
            parents.dedup();
            let signer = device(thieves[rng.below(thieves.len())]);
            let other = device(["S0", "S1", "S2", "C"][rng.below(4)]);
            let act = match rng.below(5) {
                0 => Act::Add(other, [PAIR, ADMIN][rng.below(2)]),
                1 => Act::Grant(other, ADMIN),
                2 | 3 => Act::Revoke(signer),
                _ => Act::Administer,
            };
            records.push(Trial { id, parents, signer, acts: vec![act] });
            thefts += 1;
        }
        let parents = outcome(&records).heads;
        sewn += usize::from(past(&records, parents[0]).iter().any(|id| b"az".contains(&id.0[0])));
        records.push(Trial { id: name("v"), parents, signer: device("A"), acts: vec![Act::Revoke(device("C"))] });
        let o = outcome(&records);
        assert!(o.is("v") == Standing::Effective && !o.has("C"), "{records:#?}");
        assert!(["S0", "S1", "S2"].iter().all(|sock| !o.has(sock)), "{records:#?}");
        assert!(o.has("A") && o.has("D") && !o.has("P") && !o.has("B"), "{records:#?}");
    }
    assert!(thefts > 10_000 && sewn > 1000, "{thefts} and {sewn}");
}

/// What [`Judge::root_for`] says is what the definition says: the only one that none of the others has seen.
#[test]
fn the_last_new_root_is_one_that_no_other_has_seen() {
    let mut rng = Rng(17);
    let ground = Ground {
        founders: BTreeSet::new(),
        root: Some(99),
        roots: BTreeSet::new(),
        reserved: Vec::new(),
        keys: BTreeMap::new(),
    };
    let (mut one, mut frozen) = (0, 0);
    for _ in 0..2000 {
        let mut pasts = Pasts::default();
        let count = 1 + rng.below(9);
        for i in 0..count {
            let parents: Vec<usize> = (0..rng.below(3).min(i)).map(|_| rng.below(i)).collect();
            pasts.push(&parents);
        }
        let nodes = vec![Node { signer: device("R"), acts: Vec::new() }; count];
        let judge = Judge::new(&ground, &nodes, &pasts);
        let named: Vec<(usize, KeyTag)> = (0..count).filter(|_| rng.below(3) > 0).map(|i| (i, i)).collect();
        let known: Vec<_> = named.iter().filter(|(t, _)| t % 4 != 1).collect();
        let last = known.iter().filter(|(t, _)| !known.iter().any(|(u, _)| pasts.sees(*u, *t)));
        let last: Vec<KeyTag> = last.map(|(_, key)| *key).collect();
        let expected = match last[..] {
            [] => Root::Key(99),
            [key] => Root::Key(key),
            _ => Root::Frozen,
        };
        assert_eq!(judge.root_for(&named, |t| t % 4 != 1), expected);
        one += usize::from(last.len() == 1);
        frozen += usize::from(expected == Root::Frozen);
    }
    assert!(one > 300 && frozen > 300, "{one} and {frozen}");
}

/// New roots one after the other, and a device that is given and revoked over and over: what each record costs grows with
/// the records before it, and not with their square or with what they repeat. As it was, each of these took minutes.
#[test]
fn what_a_roster_repeats_is_judged_in_time() {
    let chain = |nodes: &[Node]| {
        let mut pasts = Pasts::default();
        (0..nodes.len()).for_each(|i| pasts.push(&i.checked_sub(1).into_iter().collect::<Vec<_>>()));
        let keys = BTreeMap::from([(device("A"), 0), (device("R"), 1), (device("C"), 2)]);
        let (founders, roots) = (BTreeSet::from([device("A")]), BTreeSet::from([device("R")]));
        let ground = Ground { founders, root: Some(1), roots, reserved: vec![0, 1], keys };
        let begun = std::time::Instant::now();
        let verdict = evaluate(&ground, nodes, &pasts);
        assert!(begun.elapsed().as_secs() < 20, "{:?}", begun.elapsed());
        verdict
    };
    let first = Node {
        signer: device("A"),
        acts: vec![Act::Add(device("A"), ADMIN), Act::Add(device("R"), Capabilities::ALL)],
    };
    let node = |signer: &str, acts: Vec<Act>| Node { signer: device(signer), acts };
    let roots = vec![node("R", vec![Act::NewRoot(1)]); 4000];
    let verdict = chain(&[vec![first.clone()], roots].concat());
    assert!(verdict.root == Root::Key(1) && verdict.standing.iter().all(|s| *s == Standing::Effective));

    let gives = vec![node("A", vec![Act::Grant(device("C"), Capabilities::READ); 1024]); 300];
    let takes = vec![node("A", vec![Act::Revoke(device("C")); 1024]); 300];
    let add = node("A", vec![Act::Add(device("C"), READ_PUSH)]);
    let verdict = chain(&[vec![first.clone(), add.clone()], gives.clone(), takes].concat());
    assert!(verdict.standing.iter().all(|s| *s == Standing::Effective));
    assert_eq!((verdict.revocations.len(), verdict.devices[&device("C")]), (300, READ_PUSH));

    // Revocations of an admin, each of which is judged by all that counts before it.
    let admin = node("A", vec![Act::Grant(device("C"), ADMIN); 1024]);
    let takes = vec![node("A", vec![Act::Revoke(device("C")); 1024]); 1000];
    let verdict = chain(&[vec![first, add, admin], gives, takes].concat());
    assert!(verdict.revocations.is_empty() && verdict.standing[1000] == Standing::NoRight);
}

fn past(records: &[Trial], id: Identity) -> BTreeSet<Identity> {
    let mut seen = BTreeSet::new();
    let mut open = vec![id];
    while let Some(id) = open.pop() {
        let parents = records.iter().filter(|r| r.id == id).flat_map(|r| r.parents.iter().copied());
        open.extend(parents.filter(|p| seen.insert(*p)).collect::<Vec<_>>());
    }
    seen
}

fn random_records(rng: &mut Rng) -> Vec<Trial> {
    let mut devices = vec![device("A")];
    let mut records = vec![Trial {
        id: name("r00"),
        parents: vec![],
        signer: device("A"),
        acts: vec![Act::Add(device("A"), ADMIN), Act::Add(device("R"), Capabilities::ALL)],
    }];
    for k in 1..4 + rng.below(9) {
        let mut parents: Vec<Identity> = (0..1 + rng.below(2)).map(|_| records[rng.below(records.len())].id).collect();
        parents.sort();
        parents.dedup();
        let signer = if rng.below(100) < 12 { device("R") } else { devices[rng.below(devices.len())] };
        let act = match rng.below(7) {
            5 => Act::Grant(devices[rng.below(devices.len())], [ADMIN, READ_PUSH][rng.below(2)]),
            6 if signer != device("R") => Act::Revoke(signer),
            0 | 1 => {
                let new = device(&format!("D{k}"));
                devices.push(new);
                Act::Add(new, [ADMIN, PAIR, READ_PUSH][rng.below(3)])
            }
            2 | 3 => Act::Revoke(devices[rng.below(devices.len())]),
            _ => Act::Administer,
        };
        records.push(Trial { id: name(&format!("r{k:02}")), parents, signer, acts: vec![act] });
    }
    records
}

/// SplitMix64: the trials are the same on every run.
struct Rng(u64);

impl Rng {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % limit as u64) as usize
    }
}
