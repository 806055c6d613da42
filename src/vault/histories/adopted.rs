//! What a device does whose own loss an admin has accepted for everybody.

use super::*;

fn seq_of(name: &ObjectName) -> u64 {
    match name {
        ObjectName::Log { seq, .. } => *seq,
        _ => panic!("no entry"),
    }
}

/// Three machines; the store has lost the last two entries of the second, and the first, an admin, has accepted that. Gives
/// the names of the second one's entries from before.
fn lost_and_accepted(world: &World, forget: bool) -> Vec<ObjectName> {
    world.push("home", 1);
    let second = world.open("second").device_id();
    for seed in 2..5 {
        world.push("second", seed);
    }
    // A machine that has listed the packs while all was there.
    world.push("third", 5);
    world.open("home");
    let of_second = |name: &ObjectName| matches!(name, ObjectName::Log { device, .. } if *device == second);
    let mine: Vec<_> = world.logs().into_iter().filter(of_second).collect();
    assert_eq!(mine.iter().map(seq_of).collect::<Vec<_>>(), [1, 2, 3]);
    world.hide(&mine[1..]);
    if forget {
        let home = world.home("second");
        let id = home.vaults().expect("listed")[0];
        let nothing = crypto_backends::SecretBytes::new(Vec::new());
        home.set_own_entries(rustcrypto::provider(), id, &nothing).expect("written");
    }
    world.accept("home");
    mine
}

#[test]
fn entries_that_an_admin_gave_up_are_put_back_by_who_wrote_them() {
    let world = World::new();
    let mine = lost_and_accepted(&world, false);
    let vault = world.open("second");
    assert!(
        warned(&vault, "2 log entries of this device that the store had lost were put back"),
        "{:?}",
        vault.warnings()
    );
    assert!(mine.iter().all(|name| world.logs().contains(name)));
    drop(vault);
    assert!(world.open("second").warnings().is_empty(), "told once");
    world.push("second", 6);
    for home in ["fresh", "home", "third"] {
        let vault = world.open(home);
        assert!(vault.warnings().is_empty(), "{home}: {:?}", vault.warnings());
        assert_eq!(vault.snapshots().len(), 6);
    }
}

#[test]
fn seq_not_reused_after_an_admin_accepts() {
    let world = World::new();
    let mine = lost_and_accepted(&world, true);
    // Looks first, and forgets by that what it had seen of its own log.
    assert!(warned(&world.open("second"), "has accepted for everybody"));
    let before = world.logs();
    world.push("second", 6);
    let new: Vec<_> = world.logs().into_iter().filter(|name| !before.contains(name)).collect();
    assert_eq!(new.iter().map(seq_of).collect::<Vec<_>>(), [4]);
    assert!(!mine.contains(&new[0]));
    world.push("second", 7);
    assert_eq!(world.open("fresh").snapshots().len(), 5);
}

#[test]
fn claims_are_dropped_by_all_who_adopt_a_loss() {
    let world = World::new();
    lost_and_accepted(&world, true);
    for home in ["second", "third"] {
        let state = world.home(home);
        let id = state.vaults().expect("listed")[0];
        assert!(state.claims(id).is_some_and(|claims| claims.listed.secs > 0), "{home}");
        let vault = world.open(home);
        assert!(warned(&vault, "has accepted for everybody"), "{home}: {:?}", vault.warnings());
        // Nor is anything carried over from what it has pushed before.
        assert!(state.claims(id).is_some_and(|claims| claims.listed.secs == 0 && claims.own_seq > 0), "{home}");
    }
}
