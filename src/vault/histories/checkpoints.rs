//! Checkpoints: what they spare, and what whoever writes false ones gains by it.

use super::*;
use crate::check::{CheckOptions, check};
use crate::stage::EntryAgain;
use vault_format::EpochId;
use vault_format::checkpoint::{EntryRecord, RecordContent, parse_part};
use vault_format::log::{Checkpoint, CheckpointPart};

impl World {
    /// A vault whose maker has written `entries`, and two devices that have read nothing yet: one that may write checkpoints, and
    /// one that reads them.
    fn long(entries: usize) -> Self {
        let world = Self::new();
        world.progress("home", entries);
        drop(world.open("reader"));
        world.forget("reader");
        world
    }

    fn progress(&self, home: &str, entries: usize) {
        let mut vault = self.try_open(home, |options| options.purpose = Purpose::Push).expect("opens");
        for _ in 0..entries {
            vault.append_progress_for_tests().expect("stored");
        }
        vault.refresh().expect("read");
        vault.pin().expect("kept");
    }

    fn checkpoint(&self, home: &str) -> bool {
        let mut vault = self.try_open(home, |options| options.purpose = Purpose::Push).expect("opens");
        vault.write_checkpoint_after(10).expect("written")
    }

    /// Leaves a home nothing but its keys.
    fn forget(&self, home: &str) {
        for vault in fs::read_dir(self.folder.path().join(home).join("vaults")).expect("listed") {
            for file in fs::read_dir(vault.expect("listed").path()).expect("listed") {
                let file = file.expect("listed");
                if file.file_name() != "device" && file.file_name() != "lock" {
                    fs::remove_file(file.path()).expect("removed");
                }
            }
        }
    }

    /// Opened from nothing, with the number of objects that were fetched.
    fn opened_from_nothing(&self, home: &str) -> (Vault, u64) {
        self.forget(home);
        self.meter.take();
        let vault = self.open(home);
        (vault, self.meter.take().gets)
    }

    /// What reading everything one by one gives.
    fn one_by_one(&self) -> Vec<(DeviceId, u64, Identity, Body)> {
        self.forget("reader");
        let vault = self.try_open("reader", |options| options.purpose = Purpose::Check).expect("opens");
        entries(&vault)
    }

    /// The parts of the newest checkpoint, and the plain bytes of each.
    fn parts(&self) -> Vec<(CheckpointPart, Vec<u8>)> {
        let vault = self.open("home");
        let plain = |part: CheckpointPart| (part, vault.plain_part(&part).expect("read").expect("a part"));
        self.newest("home").parts.into_iter().map(plain).collect()
    }

    /// A checkpoint of the maker of the vault that says what an attacker wants.
    fn put_checkpoint(&self, plain: &[u8]) {
        self.put_checkpoint_of("home", &[plain]);
    }

    fn put_checkpoint_of(&self, home: &str, plain: &[&[u8]]) {
        let vault = self.try_open(home, |options| options.purpose = Purpose::Push).expect("opens");
        let part = |plain: &&[u8]| {
            let bytes = vault.seal_part(plain).expect("sealed");
            let (device, hash) = (vault.device_id(), ObjectHash(vault.hash(&bytes)));
            let kib = bytes.len() as u32 / 1024;
            self.store().put(&ObjectName::Checkpoint { device, hash }, Bytes::from(bytes)).expect("stored");
            CheckpointPart { hash, kib, entries: 1000 }
        };
        let mut parts: Vec<_> = plain.iter().map(part).collect();
        parts.sort_unstable();
        let frontier = vault.log.devices().map(|device| (device, vault.log.heads(device))).collect();
        vault.append(Payload::Checkpoint(Checkpoint { parts, frontier })).expect("stored");
    }

    /// A device that may do everything, and is the attacker's, or not.
    fn admin(&self, home: &str) {
        let all = Capabilities::ADMIN | Capabilities::PRUNE | Capabilities::PUSH | Capabilities::READ;
        let state = crate::state::DeviceState { keys: self.device(all), url: URL.into(), name: home.into() };
        self.home(home).set_device(rustcrypto::provider(), &state).expect("written");
    }

    fn newest(&self, home: &str) -> Checkpoint {
        let vault = self.open(home);
        vault.newest_checkpoint(vault.device_id()).expect("a checkpoint").clone()
    }
}

fn entries(vault: &Vault) -> Vec<(DeviceId, u64, Identity, Body)> {
    let entry = |entry: &crate::log::LogEntry| (entry.device, entry.seq, entry.identity, entry.body.clone());
    vault.log.entries().map(entry).collect()
}

/// All records of a part, changed, as a part again.
fn changed(world: &World, plain: &[u8], change: impl Fn(usize, &mut EntryRecord<'_>)) -> Vec<u8> {
    let vault = world.open("home");
    let mut records = parse_part(plain, vault.suite(), vault.id()).expect("a part");
    let mut out = Vec::new();
    for (n, record) in records.iter_mut().enumerate() {
        change(n, record);
        record.write(&mut out);
    }
    out
}

/// A record that is right in itself, tag and all, as any reader can make one: of an entry that its device never signed.
fn made_up(vault: &Vault, place: (DeviceId, u64), prev: &[Identity], body: &[u8], object: ObjectHash) -> Vec<u8> {
    let (device, seq) = place;
    let epoch = vault.reader_keys("test").expect("a reader").current_epoch().expect("an epoch");
    let header = Header {
        suite: vault.suite(),
        object_type: ObjectType::Entry,
        mode: Mode::Symmetric,
        vault: vault.id(),
        epoch: epoch.id,
        domain: Domain::SHARED,
        writer: device,
        salt: [seq as u8; 32],
    };
    let prefix = entry_prefix(&header, seq, prev);
    let dek = dek(vault.provider, &epoch.log, &prefix, &header.salt);
    let reserve = vault.provider.suite.signature_len();
    let mut bytes =
        seal_object(vault.provider, &header, &prefix[HEADER_LEN..], &dek, body, None, reserve).expect("sealed");
    bytes.resize(bytes.len() + reserve, 0);
    let parsed = EntryObject::parse(&bytes, vault.suite()).expect("an entry");
    let mut record = Vec::new();
    let mut again = EntryAgain::new(vault.provider);
    again.write_record(&parsed, &bytes, object, Some(&dek), &mut record).expect("a record");
    record
}

/// Records of all entries of a part, each with another content.
fn all_made_up(world: &World, plain: &[u8]) -> Vec<u8> {
    let body = world.body(|body| body.time.secs += 1);
    let vault = world.open("home");
    let records = parse_part(plain, vault.suite(), vault.id()).expect("a part");
    let of = |record: &EntryRecord<'_>| {
        let place = (record.header.writer, record.seq);
        let made = made_up(&vault, place, &record.prev, &body, record.object);
        let again = parse_part(&made, vault.suite(), vault.id()).expect("a part");
        // Some of another size than their objects, which shows at once.
        if again[0].signed_len == record.signed_len { made } else { Vec::new() }
    };
    let made: Vec<Vec<u8>> = records.iter().map(of).collect();
    assert!(made.iter().filter(|made| !made.is_empty()).count() > 10);
    made.concat()
}

#[test]
fn who_has_nothing_reads_old_entries_out_of_a_checkpoint() {
    let world = World::long(60);
    let (plain, all) = world.opened_from_nothing("reader");
    assert!(all > 60);
    let plain = entries(&plain);
    assert!(world.checkpoint("home") && !world.checkpoint("home"));
    let (vault, few) = world.opened_from_nothing("reader");
    assert!(few < 20, "{few}");
    assert_eq!(entries(&vault).len(), plain.len() + 1, "and the checkpoint");
    assert!(plain.iter().all(|entry| vault.log.get(&entry.2).is_some_and(|read| read.body == entry.3)));
    assert!(vault.log.suspicions().is_empty() && vault.warnings().is_empty());
    assert_eq!(entries(&vault), world.one_by_one());
    // And it is kept like what was fetched.
    world.meter.take();
    drop(world.open("reader"));
    assert!(world.meter.take().gets < 5);
}

#[test]
fn the_next_checkpoint_goes_on_where_the_last_one_ended() {
    let world = World::long(30);
    assert!(world.checkpoint("home"));
    let first = world.parts();
    world.progress("home", 30);
    world.push("home", 1);
    assert!(world.checkpoint("home"));
    let (count, parts) =
        (|parts: &[(CheckpointPart, Vec<u8>)]| parts.iter().map(|(part, _)| part.entries).sum::<u32>(), world.parts());
    assert!(count(&first) >= 30 && count(&parts) > count(&first) + 30, "{} {}", count(&first), count(&parts));
    assert_eq!(parts.len(), 1, "small parts are written again");
    let (vault, few) = world.opened_from_nothing("reader");
    assert!(few < 20, "{few}");
    assert_eq!(entries(&vault), world.one_by_one());
    assert_eq!(vault.snapshots().len(), 1);
}

#[test]
fn year_offline_catches_up() {
    let world = World::long(5);
    drop(world.open("reader"));
    world.progress("home", 80);
    assert!(world.checkpoint("home"));
    world.meter.take();
    let vault = world.open("reader");
    assert!(world.meter.take().gets < 20);
    assert_eq!(entries(&vault), world.one_by_one());
}

#[test]
fn a_part_that_is_missing_or_damaged_costs_requests_and_nothing_else() {
    let world = World::long(40);
    assert!(world.checkpoint("home"));
    let (part, plain) = world.parts().remove(0);
    let name = ObjectName::Checkpoint { device: world.open("home").device_id(), hash: part.hash };
    let stored = world.bytes(&name);
    let expected = world.one_by_one();
    world.store().delete(&name).expect("deleted");
    let (vault, many) = world.opened_from_nothing("reader");
    assert!(many > 40 && entries(&vault) == expected);
    let mut damaged = stored;
    damaged[500] ^= 1;
    world.store().put(&name, damaged.into()).expect("stored");
    assert!(entries(&world.opened_from_nothing("reader").0) == expected);
    // Sealed well, and no part.
    world.put_checkpoint(&plain[..plain.len() - 1]);
    world.put_checkpoint(b"");
    let expected = world.one_by_one();
    assert!(entries(&world.opened_from_nothing("reader").0) == expected);
}

/// Who may write checkpoints gives others' entries another content, with tags that are right.
#[test]
fn checkpoint_forged_root_not_restored() {
    let world = World::long(20);
    world.push("home", 1);
    world.progress("home", 20);
    assert!(world.checkpoint("home"));
    let (_, plain) = world.parts().remove(0);
    world.put_checkpoint(&all_made_up(&world, &plain));
    let expected = world.one_by_one();
    let (vault, _) = world.opened_from_nothing("reader");
    assert!(entries(&vault) == expected && vault.snapshots().len() == 1);
}

/// Whoever fills a checkpoint with what nobody vouches for does not keep others from being read.
#[test]
fn made_up_records_are_not_in_the_way_of_right_ones() {
    // Which of the two is read first their ids say.
    for _ in 0..2 {
        let world = World::long(80);
        assert!(world.checkpoint("home"));
        let (_, plain) = world.parts().remove(0);
        world.admin("other");
        world.put_checkpoint_of("other", &[&all_made_up(&world, &plain)]);
        let (vault, few) = world.opened_from_nothing("reader");
        assert!(few < 40, "{few}");
        assert!(entries(&vault) == world.one_by_one());
    }
}

/// What is shown in the place of an entry is looked at, though the checkpoint is right.
#[test]
fn an_object_in_the_place_of_another_is_looked_at() {
    let world = World::long(60);
    assert!(world.checkpoint("home"));
    let device = world.open("home").device_id();
    let victim = world.logs().into_iter().find(|name| matches!(name, ObjectName::Log { seq: 9, .. })).expect("there");
    let junk = vec![9; world.bytes(&victim).len()];
    let hash = ObjectHash(rustcrypto::provider().hash.hash(&[&junk]));
    world.hide(&[victim]);
    world.store().put(&ObjectName::Log { device, seq: 9, hash }, junk.into()).expect("stored");
    world.forget("reader");
    assert!(world.refused("reader").contains("entry 9"));
}

/// A checkpoint that leaves entries out, says that it has them all, and is the newest.
#[test]
fn checkpoint_hides_no_snapshot() {
    let world = World::long(20);
    world.push("home", 1);
    world.progress("home", 20);
    assert!(world.checkpoint("home"));
    let (_, plain) = world.parts().remove(0);
    let vault = world.open("home");
    let hidden = vault.snapshots()[0].id;
    let seq = vault.log.get(&hidden).expect("there").seq;
    let records = parse_part(&plain, vault.suite(), vault.id()).expect("a part");
    let mut left = Vec::new();
    records.iter().filter(|record| record.seq != seq).for_each(|record| record.write(&mut left));
    world.put_checkpoint(&left);
    let (vault, few) = world.opened_from_nothing("reader");
    assert!(few < 20, "{few}");
    assert_eq!(vault.resolve("latest").expect("a snapshot").info.id, hidden);
    assert!(entries(&vault) == world.one_by_one());
}

/// Records of entries that nobody signed, under names that the store shows for them.
#[test]
fn a_record_counts_only_if_its_writer_vouches_for_it() {
    let world = World::long(30);
    assert!(world.checkpoint("home"));
    let (_, plain) = world.parts().remove(0);
    let vault = world.open("home");
    let (device, victim) = (vault.device_id(), world.open("reader").device_id());
    let head = vault.log.heads(device)[0];
    let body = world.body(|_| {});
    let junk = vec![7; 4096];
    let object = ObjectHash(rustcrypto::provider().hash.hash(&[&junk]));
    // As the maker's next entry but some, and as the first of a device that never wrote one.
    let (next, first) = ((device, 200), (victim, 1));
    let forged = [plain, made_up(&vault, next, &[head], &body, object), made_up(&vault, first, &[], &body, object)];
    drop(vault);
    world.put_checkpoint(&forged.concat());
    let names = [next, first].map(|(device, seq)| ObjectName::Log { device, seq, hash: object });
    for name in &names {
        world.store().put(name, Bytes::from(junk.clone())).expect("stored");
    }
    let (read, _) = world.opened_from_nothing("reader");
    for name in &names {
        assert!(read.log.junk().iter().any(|junk| junk.path == name.to_path()));
    }
    assert!(entries(&read) == world.one_by_one());
}

/// The hash of somebody's entry is listed in another's log too, and a checkpoint says what that is.
#[test]
fn a_name_with_anothers_hash_hides_no_entry() {
    for is_head in [false, true] {
        let world = World::long(30);
        let reader = world.try_open("reader", |options| options.purpose = Purpose::Push).expect("opens");
        for _ in 0..if is_head { 1 } else { 30 } {
            reader.append_progress_for_tests().expect("stored");
        }
        drop(reader);
        assert!(world.checkpoint("home"));
        let (_, plain) = world.parts().remove(0);
        world.admin("other");
        let other = world.open("other");
        let device = other.device_id();
        let of = world.open("reader").device_id();
        let names = world.logs();
        let mut victims = names.iter().filter(|name| name.device() == Some(of));
        let victim = if is_head { victims.next_back() } else { victims.nth(3) }.expect("there").hash();
        let made = made_up(&other, (device, 9), &[], &world.body(|_| {}), victim);
        drop(other);
        let name = ObjectName::Log { device, seq: 9, hash: victim };
        world.store().put(&name, Bytes::from(vec![1; 4096])).expect("stored");
        world.put_checkpoint_of("other", &[&[plain, made].concat()]);
        let (vault, _) = world.opened_from_nothing("reader");
        assert!(entries(&vault) == world.one_by_one(), "{is_head}");
    }
}

/// A device that forks its log below what a checkpoint holds is seen to do so, by who reads the checkpoint too.
#[test]
fn a_late_fork_below_the_frontier_is_seen() {
    let world = World::long(3);
    world.clone_home("home", "clone");
    world.progress("home", 30);
    assert!(world.checkpoint("home"));
    let hidden = world.hide(&world.logs());
    // The clone goes on from where it was.
    let early: Vec<_> =
        hidden.iter().filter(|(name, _)| matches!(name, ObjectName::Log { seq, .. } if *seq <= 4)).cloned().collect();
    world.show(early);
    world.progress("clone", 3);
    world.show(hidden);
    let (vault, _) = world.opened_from_nothing("reader");
    let device = world.open("home").device_id();
    assert_eq!(vault.log.heads(device).len(), 2);
    assert!(entries(&vault) == world.one_by_one());
}

/// Of two objects in one place a checkpoint could say that the one is the other, and hide a fork.
#[test]
fn two_objects_in_one_place_are_both_looked_at() {
    let world = World::long(3);
    world.clone_home("home", "clone");
    world.progress("home", 30);
    assert!(world.checkpoint("home"));
    let (_, plain) = world.parts().remove(0);
    let hidden = world.hide(&world.logs());
    let early: Vec<_> =
        hidden.iter().filter(|(name, _)| matches!(name, ObjectName::Log { seq, .. } if *seq <= 4)).cloned().collect();
    world.show(early);
    let before = world.logs();
    world.progress("clone", 1);
    let fork = world.logs().into_iter().find(|name| !before.contains(name)).expect("stored");
    let ObjectName::Log { seq, hash, .. } = fork else { panic!("an entry") };
    world.show(hidden);
    let forged = changed(&world, &plain, |_, record| {
        if record.seq == seq {
            record.object = hash;
        }
    });
    world.put_checkpoint(&forged);
    let (vault, _) = world.opened_from_nothing("reader");
    assert_eq!(vault.log.of(world.open("home").device_id()).filter(|entry| entry.seq == seq).count(), 2);
    assert!(entries(&vault) == world.one_by_one());
}

/// The one thing that a checkpoint can do, with a store that helps it: say that an object is whole that is not. A check looks.
#[test]
fn check_finds_an_object_that_a_checkpoint_calls_whole() {
    let world = World::long(30);
    assert!(world.checkpoint("home"));
    let (_, plain) = world.parts().remove(0);
    let device = world.open("home").device_id();
    let victim = world.logs().into_iter().find(|name| matches!(name, ObjectName::Log { seq: 9, .. })).expect("there");
    let junk = vec![9; world.bytes(&victim).len()];
    let hash = ObjectHash(rustcrypto::provider().hash.hash(&[&junk]));
    world.put_checkpoint(&changed(&world, &plain, |_, record| {
        if record.seq == 9 {
            record.object = hash;
        }
    }));
    world.hide(&[victim]);
    world.store().put(&ObjectName::Log { device, seq: 9, hash }, junk.into()).expect("stored");
    let (vault, _) = world.opened_from_nothing("reader");
    let report = check(&vault, &CheckOptions::default(), &Watch::new()).expect("checked");
    let found = report.damaged.iter().any(|damage| damage.object.contains(&hash.to_string()));
    assert!(found, "{:?}", report.damaged);
    // Who was there before is told at once.
    assert!(world.try_open("home", |_| {}).is_err());
}

/// Neither a push-only device nor a reader without `prune` writes any that count.
#[test]
fn checkpoints_of_who_may_not_prune_are_not_read() {
    let world = World::long(40);
    assert!(!world.checkpoint("reader"), "it does not write one");
    // It does, and everything in it is right.
    let reader = world.try_open("reader", |options| options.purpose = Purpose::Push).expect("opens");
    let records = reader.log.entries().map(|entry| reader.record_of(entry).expect("read").expect("a record"));
    let bytes = reader.seal_part(&records.collect::<Vec<_>>().concat()).expect("sealed");
    let (device, hash) = (reader.device_id(), ObjectHash(reader.hash(&bytes)));
    let part = CheckpointPart { hash, kib: bytes.len() as u32 / 1024, entries: 41 };
    world.store().put(&ObjectName::Checkpoint { device, hash }, Bytes::from(bytes)).expect("stored");
    let payload = || Payload::Checkpoint(Checkpoint { parts: vec![part], frontier: Heads::new() });
    reader.append(payload()).expect("stored");
    drop(reader);
    let body = world.body(|body| body.payload = payload());
    let forged = world.forge(&world.device(Capabilities::PUSH), 1, &[], &body);
    world.put(&forged);
    let (vault, many) = world.opened_from_nothing("reader");
    assert!(many > 40, "{many}");
    assert_eq!(vault.log.entries().filter(|entry| entry.body.payload == payload()).count(), 2);
}

/// Somebody's checkpoint says that it holds everything, and holds nothing: others wait for a while, and write their own.
#[test]
fn a_checkpoint_that_holds_nothing_keeps_nobody_from_writing_one() {
    let world = World::long(12);
    world.admin("other");
    world.put_checkpoint_of("other", &[]);
    assert!(!world.checkpoint("home"), "one is said to be there");
    world.progress("home", 10);
    world.put_checkpoint_of("other", &[]);
    assert!(!world.checkpoint("home"));
    world.progress("home", 20);
    world.put_checkpoint_of("other", &[]);
    assert!(world.checkpoint("home"), "four times as many");
    let held: u32 = world.newest("home").parts.iter().map(|part| part.entries).sum();
    assert!(held > 40, "{held}");
    let (vault, few) = world.opened_from_nothing("reader");
    assert!(few < 20, "{few}");
    assert!(entries(&vault) == world.one_by_one());
}

/// A log that its device has forked is cut like any other, and none is left behind.
#[test]
fn forked_logs_get_into_checkpoints_too() {
    let world = World::long(3);
    world.clone_home("home", "clone");
    world.progress("home", 15);
    let hidden = world.hide(&world.logs());
    let is_early = |name: &ObjectName| matches!(name, ObjectName::Log { seq, .. } if *seq <= 3);
    world.show(hidden.iter().filter(|(name, _)| is_early(name)).cloned().collect());
    world.progress("clone", 15);
    world.show(hidden);
    let mut vault = world.try_open("home", |options| options.purpose = Purpose::Push).expect("opens");
    let device = vault.device_id();
    assert_eq!(vault.log.heads(device).len(), 2);
    let missing = vault.missing_in(&Checkpoint { parts: Vec::new(), frontier: Heads::new() });
    let all = missing.len();
    // In whatever pieces: what one leaves is what the next one takes.
    for room in [1, 2, 5, 7, all] {
        let (mut frontier, mut taken) = (Heads::new(), 0);
        loop {
            let left = vault.missing_in(&Checkpoint { parts: Vec::new(), frontier: frontier.clone() });
            let (some, next) = vault.cut(left, &frontier, room);
            if some.is_empty() {
                break;
            }
            (frontier, taken) = (next, taken + some.len());
        }
        assert_eq!(taken, all, "in pieces of {room}");
    }
    assert!(vault.write_checkpoint_after(10).expect("written"));
    drop(vault);
    // Where the two have written beside each other, all is fetched all the same.
    let (vault, _) = world.opened_from_nothing("reader");
    assert!(entries(&vault) == world.one_by_one());
}

/// Parts of its own that the store has lost are not named again: what was in them is written anew.
#[test]
fn lost_parts_are_replaced() {
    let world = World::long(40);
    assert!(world.checkpoint("home"));
    let (part, _) = world.parts().remove(0);
    let device = world.open("home").device_id();
    world.store().delete(&ObjectName::Checkpoint { device, hash: part.hash }).expect("deleted");
    world.progress("home", 20);
    assert!(world.checkpoint("home"));
    let (vault, few) = world.opened_from_nothing("reader");
    assert!(few < 20, "{few}");
    assert!(entries(&vault) == world.one_by_one());
}

/// One wrong record must not make others useless that are right.
#[test]
fn a_wrong_record_costs_one_request() {
    let world = World::long(60);
    assert!(world.checkpoint("home"));
    let (_, plain) = world.parts().remove(0);
    world.admin("other");
    // The newest of each log is left out or wrong, in what is read first.
    let newest = world.open("home").log.entries().map(|entry| entry.seq).max().expect("some");
    let forged = changed(&world, &plain, |_, record| {
        if record.seq + 3 > newest {
            record.header.salt = [9; 32];
        }
    });
    world.put_checkpoint_of("other", &[&forged]);
    let (vault, few) = world.opened_from_nothing("reader");
    assert!(few < 30, "{few}");
    assert!(entries(&vault) == world.one_by_one());
}

/// The same record many times, and the same part under many names: looked at once.
#[test]
fn repeated_records_and_parts_are_looked_at_once() {
    let world = World::long(40);
    assert!(world.checkpoint("home"));
    let (_, plain) = world.parts().remove(0);
    world.put_checkpoint_of("home", &[&plain.repeat(20), &plain, &plain.repeat(3)]);
    let vault = world.open("home");
    let expected = world.one_by_one();
    let (read, _) = world.opened_from_nothing("reader");
    assert!(entries(&read) == expected && read.log.len() == vault.log.len());
}

/// Who would have others fetch more than the entries have themselves is not followed.
#[test]
fn parts_that_are_larger_than_what_they_spare_are_not_fetched() {
    let world = World::long(40);
    let vault = world.try_open("home", |options| options.purpose = Purpose::Push).expect("opens");
    for kib in [4224, 0] {
        let parts: Vec<_> = (0..200).map(|n| CheckpointPart { hash: ObjectHash([n; 32]), kib, entries: 9 }).collect();
        vault.append(Payload::Checkpoint(Checkpoint { parts, frontier: Heads::new() })).expect("stored");
    }
    drop(vault);
    let (_, all) = world.opened_from_nothing("reader");
    assert!((40..70).contains(&all), "{all}");
}

/// Its writer has signed an entry whose tag is wrong: nobody can open it, and who reads checkpoints sees that like all others.
#[test]
fn an_entry_with_a_wrong_tag_is_unreadable_for_everybody() {
    let world = World::long(3);
    let vault = world.open("home");
    let (provider, device) = (vault.provider, vault.device_keys());
    let head = vault.log.get(&vault.log.heads(device.id)[0]).expect("there").clone();
    let body = world.body(|_| {});
    let mut forged = World::forge_in(&vault, device, head.seq + 1, &[head.identity], &body);
    let signed_len = forged.bytes.len() - provider.suite.signature_len();
    forged.bytes.truncate(signed_len);
    forged.bytes[signed_len - 1] ^= 1;
    forged.identity = Identity(vault.hash(&forged.bytes));
    forged.bytes.extend(device.sign_stored(provider, ObjectType::Entry, &forged.bytes.clone()).expect("signed"));
    let name = world.put(&forged);
    drop(vault);
    world.progress("home", 40);
    // Its record says what it would be if its tag were right.
    let vault = world.open("home");
    let mut plain = Vec::new();
    for entry in vault.log.entries() {
        let record = vault.record_of(entry).expect("read");
        assert_eq!(record.is_none(), entry.identity == forged.identity);
        plain.extend(record.unwrap_or_default());
    }
    let object = EntryObject::parse(&forged.bytes, vault.suite()).expect("an entry");
    let vault_format::log::EntryContent::Sealed { frame, .. } = &object.content else { panic!("sealed") };
    let frame = vault_format::Frame::split(vault.suite(), &forged.bytes[frame.clone()]).expect("a frame");
    let content = RecordContent::Sealed {
        nonce: frame.nonce,
        tag: frame.tag,
        codec: vault_format::Codec::Stored,
        plain_len: body.len() as u32,
        body: &body,
    };
    let (header, prev) = (object.header, object.prev.clone());
    EntryRecord { object: name.hash(), header, seq: object.seq, prev, signed_len, content }.write(&mut plain);
    drop(vault);
    world.put_checkpoint(&plain);
    let (vault, _) = world.opened_from_nothing("reader");
    assert_eq!(vault.log.get(&forged.identity).expect("there").fault, Some(Fault::Unreadable));
    assert!(vault.log.is_suspect(forged.device));
}

/// An entry that this device has seen is not to be found elsewhere by a record.
#[test]
fn a_record_does_not_stand_for_an_entry_that_is_missed() {
    let world = World::long(60);
    assert!(world.checkpoint("home"));
    drop(world.open("reader"));
    let (_, plain) = world.parts().remove(0);
    let device = world.open("home").device_id();
    let victim = world.logs().into_iter().find(|name| matches!(name, ObjectName::Log { seq: 9, .. })).expect("there");
    let junk = vec![9; world.bytes(&victim).len()];
    let hash = ObjectHash(rustcrypto::provider().hash.hash(&[&junk]));
    let moved = changed(&world, &plain, |_, record| {
        if record.seq == 9 {
            record.object = hash;
        }
    });
    // So much that is new that checkpoints are read, and theirs is the newest.
    world.progress("home", 60);
    world.put_checkpoint(&moved);
    world.hide(&[victim]);
    world.store().put(&ObjectName::Log { device, seq: 9, hash }, junk.into()).expect("stored");
    assert!(world.refused("reader").contains("entry 9"));
}

/// A log that has more ends in the middle than can be named stays out, and makes nobody write for nothing.
#[test]
fn a_log_that_cannot_be_cut_is_left_alone() {
    let world = World::long(30);
    let pusher = world.device(Capabilities::PUSH);
    let body = world.body(|_| {});
    let vault = world.open("home");
    let mut ends: Vec<Forged> =
        (0..100).map(|n| World::forge_in(&vault, &pusher, 1, &[], &world.body(|body| body.time.secs += n))).collect();
    let mut seq = 1;
    while ends.len() > 1 {
        seq += 1;
        for end in &ends {
            world.put(end);
        }
        let mut next: Vec<Forged> = Vec::new();
        for some in ends.chunks(8) {
            let mut prev: Vec<Identity> = some.iter().map(|end| end.identity).collect();
            prev.sort_unstable();
            next.push(World::forge_in(&vault, &pusher, seq, &prev, &body));
        }
        ends = next;
    }
    world.put(&ends[0]);
    drop(vault);
    assert!(world.checkpoint("home"));
    assert!(!world.checkpoint("home") && !world.checkpoint("home"));
    let (vault, _) = world.opened_from_nothing("reader");
    assert!(entries(&vault) == world.one_by_one());
}

/// Entries of kinds that this version does not know are in no checkpoint, and in nobody's way.
#[test]
fn entries_of_newer_kinds_are_passed_over() {
    let world = World::long(3);
    let device = world.device(Capabilities::READ | Capabilities::PUSH);
    let mut body = world.body(|_| {});
    body.splice(2..3, [0x18, 200]);
    let vault = world.open("home");
    let mut prev: Vec<Identity> = Vec::new();
    for seq in 1..=30 {
        let entry = World::forge_in(&vault, &device, seq, &prev, &body);
        world.put(&entry);
        prev = vec![entry.identity];
    }
    drop(vault);
    world.progress("home", 30);
    let mut vault = world.try_open("home", |options| options.purpose = Purpose::Push).expect("opens");
    let left = vault.missing_in(&Checkpoint { parts: Vec::new(), frontier: Heads::new() });
    let theirs = left.iter().copied().filter(|entry| entry.device == device.id).collect();
    let (none, passed) = vault.cut(theirs, &Heads::new(), 5);
    assert!(none.is_empty() && passed[&device.id] == vault.log.heads(device.id), "however little room there is");
    let (some, frontier) = vault.cut(left, &Heads::new(), 5);
    assert_eq!(some.len(), 5);
    let next = vault.missing_in(&Checkpoint { parts: Vec::new(), frontier });
    assert!(next.len() < 70, "{}", next.len());
    assert!(vault.write_checkpoint_after(10).expect("written"));
    drop(vault);
    let (vault, _) = world.opened_from_nothing("reader");
    assert!(entries(&vault) == world.one_by_one());
}

/// The bytes that are hashed are those that were signed: of entries in clear too.
#[test]
fn entries_in_clear_come_out_of_checkpoints_too() {
    let world = World::long(5);
    let vault = world.open("home");
    let (provider, device) = (vault.provider, vault.device_keys());
    let head = vault.log.get(&vault.log.heads(device.id)[0]).expect("there").clone();
    let body = world.body(|body| {
        body.payload = Payload::Condemn(Vec::new());
        body.seen = [(device.id, vec![head.identity])].into();
    });
    let header = Header {
        suite: provider.suite,
        object_type: ObjectType::Entry,
        mode: Mode::Clear,
        vault: vault.id(),
        epoch: EpochId::NONE,
        domain: Domain::SHARED,
        writer: device.id,
        salt: [1; 32],
    };
    let prefix = entry_prefix(&header, head.seq + 1, &[head.identity]);
    let mut bytes = vault_format::signed::clear_object(prefix, &body, provider.suite.signature_len());
    let identity = Identity(vault.hash(&bytes));
    bytes.extend(device.sign_stored(provider, ObjectType::Entry, &bytes).expect("signed"));
    world.put(&Forged { device: device.id, seq: head.seq + 1, identity, bytes });
    drop(vault);
    world.progress("home", 20);
    assert!(world.checkpoint("home"));
    let (_, plain) = world.parts().remove(0);
    let vault = world.open("home");
    let records = parse_part(&plain, vault.suite(), vault.id()).expect("a part");
    let clear = records.iter().find(|record| record.header.mode == Mode::Clear).expect("in clear");
    let mut again = EntryAgain::new(vault.provider);
    assert_eq!(Identity(vault.hash(again.signed(clear, None).expect("made"))), identity);
    let (vault, few) = world.opened_from_nothing("reader");
    assert!(few < 20, "{few}");
    assert!(vault.log.get(&identity).is_some() && entries(&vault) == world.one_by_one());
}
