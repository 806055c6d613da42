//! One device with `prune` whose log has more open heads than anybody can name.

use super::*;
use vault_format::limits::ENTRY_HEADS;

impl World {
    /// Beside each other: each with these predecessors.
    fn fork(&self, device: &DeviceKeys, count: usize, seq: u64, prev: &[Identity]) -> Vec<Identity> {
        let vault = self.open("home");
        let body = |n: usize| {
            let time = vault_format::Time { secs: 1_700_000_000 + (seq as i64) * 1000 + n as i64, nanos: 0 };
            let (roster_heads, payload) = (vault.roster.heads.clone(), Payload::Progress);
            let (other_heads, seen) = ([].into(), Heads::new());
            let body = Body { time, roster_heads, other_heads, seen, deltas: Vec::new(), parts: [].into(), payload };
            body.encode().expect("a body")
        };
        (0..count)
            .map(|n| {
                let entry = Self::forge_in(&vault, device, seq, prev, &body(n));
                self.put(&entry);
                entry.identity
            })
            .collect()
    }

    /// How many heads of a device the newest entry of the first machine names; it is believed by all.
    #[track_caller]
    fn named_by_home(&self, device: DeviceId, suspect: bool) -> usize {
        let vault = self.open("fresh");
        let own = self.open("home").device_id();
        let suspects: Vec<_> = vault.log().suspicions().keys().copied().collect();
        assert_eq!(suspects, if suspect { vec![device] } else { Vec::new() });
        let newest = vault.log().of(own).next_back().expect("an entry");
        newest.body.seen.get(&device).map_or(0, Vec::len)
    }
}

#[test]
fn more_open_heads_than_anybody_names() {
    let world = World::new();
    world.push("home", 1);
    let mallory = world.device(Capabilities::READ | Capabilities::PRUNE);
    let first = world.fork(&mallory, ENTRY_HEADS, 100, &[]);
    world.push("home", 2);
    assert_eq!(world.named_by_home(mallory.id, false), ENTRY_HEADS);
    // Those sort before all that were named.
    world.fork(&mallory, 20, 50, &[]);
    let vault = world.open("home");
    assert_eq!(vault.log().suspicions()[&mallory.id].fault, Some(Fault::Heads));
    assert!(warned(&vault, "more than 64 open ends"), "{:?}", vault.warnings());
    drop(vault);
    world.push("home", 3);
    assert_eq!(world.named_by_home(mallory.id, true), ENTRY_HEADS);
    // Some of the named ones come together, others go on, and one of them in many ways.
    let mut some = first[..8].to_vec();
    some.sort_unstable();
    world.fork(&mallory, 1, 101, &some);
    world.fork(&mallory, 10, 101, &first[8..9]);
    world.push("home", 4);
    assert_eq!(world.named_by_home(mallory.id, true), ENTRY_HEADS);
    // Who comes together is believed again.
    let mut heads = world.open("home").log().heads(mallory.id);
    let mut seq = 200;
    while heads.len() > ENTRY_HEADS {
        world.fork(&mallory, 1, seq, &heads[..8]);
        seq += 1;
        heads = world.open("home").log().heads(mallory.id);
    }
    world.push("home", 5);
    assert!(world.named_by_home(mallory.id, false) > 8);
}
