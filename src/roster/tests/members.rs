//! Builders of records, alone and two at once.

use super::*;
use crate::roster::{Author, SlotOptions};
use std::collections::BTreeSet;
use vault_format::limits;

/// Who writes on top of what a vault has now.
pub(super) fn with_author<T>(vault: &Vault, signer: &DeviceKeys, write: impl FnOnce(&Author<'_>) -> T) -> T {
    let roster = vault.roster();
    let keys = roster.open_as(provider(), signer).map_err(|e| e.to_string()).expect("opens");
    let objects = &vault.objects;
    write(&Author { provider: provider(), objects, roster: &roster, keys: &keys, signer, time: NOW })
}

impl Vault {
    /// The same vault as another device sees it.
    pub(super) fn fork(&self) -> Self {
        let words = self.words.as_ref().map(|words| Words::from_entropy(&words.entropy()).expect("a backend"));
        Self { objects: self.objects.clone(), id: self.id, founder: self.founder.duplicate(), words }
    }

    /// What both have written.
    pub(super) fn join(&mut self, other: Self) {
        let new: Vec<_> = other.objects.into_iter().filter(|(name, _)| !self.names().contains(name)).collect();
        self.objects.extend(new);
    }

    fn names(&self) -> Vec<ObjectName> {
        self.objects.iter().map(|(name, _)| *name).collect()
    }

    pub(super) fn revoke_well(&mut self, signer: &DeviceKeys, id: DeviceId) -> Option<EpochId> {
        let revoked = with_author(self, signer, |author| author.revoke(id, None)).expect("revoked");
        self.store(revoked.record);
        revoked.epoch
    }

    fn merge(&mut self, signer: &DeviceKeys) -> Option<crate::roster::Merged> {
        let merged = with_author(self, signer, |author| author.merge()).expect("merged")?;
        let record = NewRecord { name: merged.record.name, bytes: merged.record.bytes.clone() };
        self.store(record);
        Some(merged)
    }

    pub(super) fn epochs_of(&self, device: &DeviceKeys) -> BTreeSet<EpochId> {
        let keys = self.roster().open_as(provider(), device).map_err(|e| e.to_string()).expect("opens");
        keys.epochs.into_keys().collect()
    }
}

pub(super) fn new_passphrase(text: &str) -> (Passphrase, crypto_backends::PasswordParams) {
    (Passphrase::new(text).expect("a passphrase"), provider().password.fit(0))
}

#[test]
fn a_revoked_reader_opens_no_box_of_the_new_epoch() {
    let mut vault = Vault::new();
    let founder = vault.founder.duplicate();
    let laptop = vault.enroll(&founder, "laptop", caps(3));
    let server = vault.enroll(&founder, "server", Capabilities::PUSH);
    let before = vault.epochs_of(&laptop);
    let epoch = vault.revoke_well(&founder, laptop.id).expect("a new epoch");
    let roster = vault.roster();
    assert_eq!((roster.current_epoch, roster.heads.len(), roster.void.len()), (Some(epoch), 1, 0));
    assert!(matches!(roster.open_as(provider(), &laptop), Err(OpenError::Revoked { .. })));
    // With every box there is, whoever it is for, it opens nothing of the new epoch.
    let record = Record::parse(
        &vault.objects.last().expect("a record").1
            [RecordObject::parse(&vault.objects.last().expect("one").1).expect("a record").body],
        provider().suite,
    )
    .expect("a record");
    assert_eq!(record.boxes.len(), 4, "founder, passphrase, words and server");
    for part in &record.boxes {
        assert_ne!(part.device, laptop.id);
        assert!(boxes::open_reader_box(provider(), &laptop, part).is_err());
    }
    assert!(!before.contains(&epoch));
    // Everybody who stayed reads old and new.
    for device in [&founder, &vault.unlock_by_passphrase(), &vault.unlock_by_words()] {
        assert_eq!(vault.epochs_of(device).len(), 2);
    }
    let access = roster.open_as_pusher(provider(), &server).map_err(|e| e.to_string()).expect("opens");
    assert_eq!(access.current, Some(epoch));
    // A push-only device reads nothing anyway: no new epoch.
    assert_eq!(vault.revoke_well(&founder, server.id), None);
    assert_eq!(vault.roster().current_epoch, Some(epoch));
    assert_eq!(vault.roster().devices[&server.id].revocations[0].by, founder.id);
}

#[test]
fn who_may_revoke_whom() {
    let mut vault = Vault::new();
    let founder = vault.founder.duplicate();
    let (admin, plain) = (vault.enroll(&founder, "admin", Capabilities::ALL), vault.enroll(&founder, "x", caps(RPP)));
    let root = vault.unlock_by_words();
    let refused = |signer: &DeviceKeys, id| with_author(&vault, signer, |a| a.revoke(id, None)).expect_err("refused");
    assert!(matches!(refused(&founder, admin.id), WriteError::NeedsRoot { .. }));
    assert!(matches!(refused(&plain, admin.id), WriteError::NotAdmin { .. }));
    assert!(matches!(refused(&plain, vault.unlock_by_passphrase().id), WriteError::NotAdmin { .. }));
    assert!(matches!(refused(&founder, root.id), WriteError::IsRoot { .. }));
    assert!(matches!(refused(&root, root.id), WriteError::IsRoot { .. }));
    assert!(matches!(refused(&founder, DeviceId([9; 16])), WriteError::NotAMember { .. }));
    // Everybody may leave, alone in its record, and what is sealed to it stops pushes until an admin has run.
    let left = with_author(&vault, &plain, |author| author.revoke(plain.id, None)).expect("left");
    assert!(left.wants_epoch && left.epoch.is_none());
    vault.store(left.record);
    assert_eq!(vault.roster().current_epoch, None);
    let merged = vault.merge(&founder).expect("something to do");
    assert_eq!(vault.roster().current_epoch, merged.epoch);
    assert!(vault.merge(&founder).is_none(), "once is enough");
    // Root reaches admins, the founder too.
    for id in [admin.id, founder.id] {
        assert!(vault.revoke_well(&root, id).is_some());
        assert!(!vault.roster().devices[&id].is_member());
    }
}

#[test]
fn the_last_one_that_can_change_anything_stays() {
    let mut vault = Vault::of(make(false, &passphrase()));
    let founder = vault.founder.duplicate();
    let root = vault.unlock_by_passphrase();
    // The passphrase is root here; without it the founder would be the last.
    let left = with_author(&vault, &founder, |author| author.revoke(founder.id, None)).expect("root stays");
    vault.store(left.record);
    assert!(vault.merge(&root).is_some_and(|merged| merged.epoch.is_some()));
    let refused = with_author(&vault, &root, |author| author.remove_slot(root.id, None)).expect_err("refused");
    assert!(matches!(refused, WriteError::LastSlot { .. }), "{refused}");
}

#[test]
fn who_was_paired_and_then_made_an_admin_is_one() {
    let mut vault = Vault::new();
    let founder = vault.founder.duplicate();
    let sponsor = vault.unlock_by_passphrase();
    let (machine, other) = (vault.enroll(&sponsor, "machine", caps(RPP)), vault.enroll(&sponsor, "other", caps(3)));
    let grant = with_author(&vault, &founder, |author| author.grant(machine.id, Capabilities::ALL)).expect("granted");
    vault.store(grant);
    let epoch = vault.revoke_well(&machine, other.id).expect("an epoch");
    let roster = vault.roster();
    assert!(roster.void.is_empty() && !roster.devices[&other.id].is_member());
    assert_eq!(roster.current_epoch, Some(epoch));
    assert!(vault.epochs_of(&founder).contains(&epoch));
}

/// Whatever two admins write at once, both changes survive, in every order of arrival.
#[test]
fn two_admins_at_once_lose_nothing() {
    let mut vault = Vault::new();
    let founder = vault.founder.duplicate();
    let admin = vault.enroll(&founder, "admin", Capabilities::ALL);
    let (x, y) = (vault.enroll(&founder, "x", caps(3)), vault.enroll(&founder, "y", caps(3)));
    let server = vault.enroll(&founder, "server", Capabilities::PUSH);
    let mut other = vault.fork();
    let set = |vault: &mut Vault, signer: &DeviceKeys, value: &[u8]| {
        let record = with_author(vault, signer, |author| author.set("keep", value)).expect("set");
        vault.store(record);
    };
    // One revokes, grants and sets; the other one renames, enrols and sets.
    vault.revoke_well(&founder, x.id);
    let grant = with_author(&vault, &founder, |author| author.grant(server.id, caps(3))).expect("granted");
    vault.store(grant);
    set(&mut vault, &founder, b"1");
    let renamed = with_author(&other, &admin, |author| author.rename(y.id, "why")).expect("renamed");
    other.store(renamed);
    let phone = other.enroll(&admin, "phone", caps(3));
    set(&mut other, &admin, b"2");
    vault.join(other);

    let expected = vault.roster();
    assert_eq!((expected.heads.len(), expected.void.len()), (2, 0));
    assert!(!expected.devices[&x.id].is_member() && expected.devices[&phone.id].is_member());
    assert_eq!(expected.devices[&server.id].capabilities, caps(3));
    assert_eq!(expected.settings["keep"].lost.len(), 1, "the loser is shown, and not forgotten");
    for turn in 0..vault.objects.len() {
        vault.objects.rotate_left(1);
        if turn % 2 == 0 {
            vault.objects.reverse();
        }
        let roster = vault.roster();
        assert_eq!((&roster.heads, &roster.settings), (&expected.heads, &expected.settings));
        assert_eq!(roster.current_epoch, expected.current_epoch);
        let members = |roster: &Roster| roster.members().map(|(id, d)| (id, d.capabilities)).collect::<Vec<_>>();
        assert_eq!(members(&roster), members(&expected));
    }
    // Merged by whichever admin runs next: nothing of either is gone, and who was added has the newest keys.
    assert!(!vault.epochs_of(&phone).contains(&expected.current_epoch.expect("a clean one")));
    let merged = vault.merge(&founder).expect("two heads");
    assert_eq!((merged.epoch, &merged.given[..]), (None, &[phone.id][..]));
    let roster = vault.roster();
    assert_eq!((roster.heads.len(), roster.current_epoch), (1, expected.current_epoch));
    assert_eq!(vault.epochs_of(&phone), vault.epochs_of(&founder));
    assert_eq!(vault.epochs_of(&server), vault.epochs_of(&founder), "who got read has the keys of what was before");
    let keys = roster.open_as(provider(), &phone).map_err(|e| e.to_string()).expect("opens");
    assert_eq!((&*keys.device_names[&y.id], &*keys.device_names[&phone.id]), ("why", "phone"));
}

#[test]
fn added_reader_gets_box_after_merge() {
    let mut vault = Vault::new();
    let founder = vault.founder.duplicate();
    let sponsor = vault.unlock_by_passphrase();
    let x = vault.enroll(&founder, "x", caps(3));
    let mut other = vault.fork();
    let epoch = vault.revoke_well(&founder, x.id).expect("an epoch");
    // Beside that, a machine is enrolled by a passphrase, and a server is added.
    let machine = other.enroll(&sponsor, "machine", caps(RPP));
    let server = other.enroll(&founder, "server", Capabilities::PUSH);
    vault.join(other);
    let roster = vault.roster();
    assert_eq!(roster.current_epoch, Some(epoch));
    let keys = roster.open_as(provider(), &machine).map_err(|e| e.to_string()).expect("opens");
    assert_eq!(keys.current, None, "it cannot use the epoch that everybody else uses");
    let merged = vault.merge(&founder).expect("something to do");
    assert_eq!(merged.given.iter().collect::<BTreeSet<_>>(), [&machine.id, &server.id].into());
    let roster = vault.roster();
    let keys = roster.open_as(provider(), &machine).map_err(|e| e.to_string()).expect("opens");
    assert_eq!(keys.current, Some(epoch));
    let access = roster.open_as_pusher(provider(), &server).map_err(|e| e.to_string()).expect("opens");
    assert_eq!(access.current, Some(epoch));
    assert!(vault.merge(&founder).is_none());
}

#[test]
fn two_revocations_at_once_and_the_merge_that_follows() {
    let mut vault = Vault::new();
    let founder = vault.founder.duplicate();
    let admin = vault.enroll(&founder, "admin", Capabilities::ALL);
    let (x, y) = (vault.enroll(&founder, "x", caps(3)), vault.enroll(&founder, "y", caps(3)));
    let mut other = vault.fork();
    vault.revoke_well(&founder, x.id).expect("an epoch");
    other.revoke_well(&admin, y.id).expect("an epoch");
    vault.join(other);
    let roster = vault.roster();
    assert_eq!((roster.current_epoch, roster.void.len()), (None, 0), "each is sealed to whom the other revoked");
    assert!(!roster.devices[&x.id].is_member() && !roster.devices[&y.id].is_member());
    let merged = vault.merge(&admin).expect("two heads and no clean epoch");
    let roster = vault.roster();
    assert_eq!((roster.current_epoch, roster.heads.len()), (merged.epoch, 1));
    assert!(vault.merge(&founder).is_none());
    for device in [&founder, &admin, &vault.unlock_by_words()] {
        assert_eq!(vault.epochs_of(device).len(), 4, "both branches and what was before and after");
    }
    for gone in [&x, &y] {
        assert!(vault.roster().open_as(provider(), gone).is_err());
    }
}

#[test]
fn an_admin_that_was_added_beside_an_epoch() {
    let mut vault = Vault::new();
    let founder = vault.founder.duplicate();
    let (x, y) = (vault.enroll(&founder, "x", caps(3)), vault.enroll(&founder, "y", caps(3)));
    let root = vault.unlock_by_words();
    let mut other = vault.fork();
    let epoch = vault.revoke_well(&founder, x.id).expect("an epoch");
    let admin = other.enroll(&root, "admin", Capabilities::ALL);
    vault.join(other);
    // It cannot start an epoch whose history has everything, so its revocation comes without one: pushes wait.
    let revoked = with_author(&vault, &admin, |author| author.revoke(y.id, None)).expect("revoked");
    assert!(revoked.wants_epoch && revoked.epoch.is_none());
    vault.store(revoked.record);
    assert!(!vault.roster().devices[&y.id].is_member());
    assert_eq!(vault.roster().current_epoch, None, "the one before was sealed to whoever left");
    let refused = with_author(&vault, &admin, |author| author.merge().map(|_| ())).expect_err("refused");
    assert!(matches!(refused, WriteError::HeadEpoch { .. }));
    // Whoever has the keys goes on.
    let merged = vault.merge(&founder).expect("no clean epoch");
    assert_eq!((vault.roster().current_epoch, vault.roster().heads.len()), (merged.epoch, 1));
    assert!(vault.epochs_of(&admin).contains(&epoch));
    assert!(vault.merge(&admin).is_none());
}

#[test]
fn both_revoke_the_same_one() {
    let mut vault = Vault::new();
    let founder = vault.founder.duplicate();
    let admin = vault.enroll(&founder, "admin", Capabilities::ALL);
    let x = vault.enroll(&founder, "x", caps(3));
    let mut other = vault.fork();
    let one = vault.revoke_well(&founder, x.id).expect("an epoch");
    let two = other.revoke_well(&admin, x.id).expect("an epoch");
    vault.join(other);
    let roster = vault.roster();
    assert_eq!(roster.devices[&x.id].revocations.len(), 2);
    assert!([one, two].map(Some).contains(&roster.current_epoch), "both are clean, and everybody takes the same one");
    let merged = vault.merge(&founder).expect("two heads");
    assert_eq!((merged.epoch, vault.roster().heads.len()), (None, 1));
    assert!(vault.merge(&admin).is_none());
    assert_eq!(vault.epochs_of(&founder), vault.epochs_of(&admin));
    assert_eq!(vault.epochs_of(&founder).len(), 3);
}

#[test]
fn mutual_revocation_is_void() {
    let mut vault = Vault::new();
    let founder = vault.founder.duplicate();
    let admin = vault.enroll(&founder, "admin", Capabilities::ALL);
    // No builder makes such a record, so both write it by hand.
    let base = vault.roster().heads;
    for (signer, target) in [(&founder, &admin), (&admin, &founder)] {
        vault.write_after(signer, base.clone(), |r| r.ops.push(Op::Revoke { id: target.id, last: None }));
    }
    let roster = vault.roster();
    assert!(roster.devices[&founder.id].is_member() && roster.devices[&admin.id].is_member());
    assert_eq!((roster.void.len(), &roster.heads, roster.current_epoch.is_some()), (2, &base, true));
    // Builders go on, on top of what counts.
    let renamed = with_author(&vault, &admin, |author| author.rename(founder.id, "first")).expect("renamed");
    vault.store(renamed);
    assert_eq!(vault.roster().heads.len(), 1);
}

#[test]
fn backdated_records_of_the_revoked_are_void() {
    let mut vault = Vault::new();
    let founder = vault.founder.duplicate();
    let (p, stays) = (vault.enroll(&founder, "p", caps(RPP)), vault.enroll(&founder, "stays", caps(3)));
    let base = vault.roster().heads;
    let epoch = vault.revoke_well(&founder, p.id);
    // It goes on with what it had seen: a sock puppet, itself again, its revoker.
    let sock = fresh(vault.id);
    vault.write_after(&p, base.clone(), |record| record.ops.push(add(&sock, caps(3))));
    vault.write_after(&p, base.clone(), |record| record.ops.push(add(&p, caps(RPP))));
    vault.write_after(&p, base.clone(), |record| record.ops.push(Op::Revoke { id: founder.id, last: None }));
    vault.write_after(&p, base, |record| record.ops.push(Op::Revoke { id: p.id, last: None }));
    let roster = vault.roster();
    assert!(!roster.devices.contains_key(&sock.id) && !roster.devices[&p.id].is_member());
    assert!(roster.devices[&founder.id].is_member());
    assert_eq!((roster.current_epoch, roster.heads.len(), roster.void.len()), (epoch, 1, 4));
    assert!(vault.merge(&founder).is_none(), "void records are nothing to merge");
    assert_eq!(vault.epochs_of(&stays).len(), 2);
}

#[test]
fn grants_only_add() {
    let mut vault = Vault::new();
    let founder = vault.founder.duplicate();
    let server = vault.enroll(&founder, "server", Capabilities::PUSH);
    let x = vault.enroll(&founder, "x", caps(3));
    vault.revoke_well(&founder, x.id);
    let grant = |vault: &mut Vault, signer: &DeviceKeys, id, more| {
        let record = with_author(vault, signer, |author| author.grant(id, more));
        record.map(|record| vault.store(record))
    };
    assert!(matches!(grant(&mut vault, &founder, server.id, Capabilities::PUSH), Err(WriteError::NothingNew { .. })));
    grant(&mut vault, &founder, server.id, Capabilities::READ).expect("granted");
    assert_eq!(vault.roster().devices[&server.id].capabilities, caps(3));
    assert_eq!(vault.epochs_of(&server), vault.epochs_of(&founder), "what was pushed before it could read, too");
    grant(&mut vault, &founder, server.id, Capabilities::READ | Capabilities::ADMIN).expect("granted");
    assert_eq!(vault.roster().devices[&server.id].rank, Rank::Admin);
    // Who is an admin now can do the same; a passphrase is none and does not become one.
    let sponsor = vault.unlock_by_passphrase();
    let refused = grant(&mut vault, &server, sponsor.id, Capabilities::READ | Capabilities::ADMIN);
    assert!(matches!(refused, Err(WriteError::WrongSort { is_slot: true, .. })));
    let machine = vault.enroll(&sponsor, "machine", caps(RPP));
    let refused = grant(&mut vault, &machine, machine.id, Capabilities::READ | Capabilities::ADMIN);
    assert!(matches!(refused, Err(WriteError::NotAdmin { .. })));
}

#[test]
fn names_of_devices() {
    let mut vault = Vault::new();
    let founder = vault.founder.duplicate();
    let x = vault.enroll(&founder, "x", caps(RPP));
    let rename = |vault: &Vault, name: &str| with_author(vault, &founder, |author| author.rename(x.id, name));
    for name in ["", "\u{1b}[2Jx", "a\nb", "\u{9b}x", &"n".repeat(256)] {
        assert!(matches!(rename(&vault, name), Err(WriteError::Name)), "{name:?}");
    }
    let (one, two) = (rename(&vault, "one").expect("renamed"), rename(&vault, "two").expect("renamed"));
    let greatest = if identity(&one.bytes) > identity(&two.bytes) { "one" } else { "two" };
    vault.store(one);
    vault.store(two);
    for _ in 0..2 {
        let keys = vault.roster().open_as(provider(), &x).map_err(|e| e.to_string()).expect("opens");
        assert_eq!(keys.device_names[&x.id], greatest);
        vault.objects.reverse();
    }
    // It still gets boxes: the secret behind the name is the same.
    let y = vault.enroll(&founder, "y", caps(3));
    vault.revoke_well(&founder, y.id).expect("an epoch");
    assert_eq!(vault.epochs_of(&x).len(), 2);
    let refused = with_author(&vault, &x, |author| author.rename(x.id, "mine")).expect_err("refused");
    assert!(matches!(refused, WriteError::NotAdmin { .. }));
}

/// Who adds a device and keeps its `W` to itself cannot keep anybody in the vault by that.
#[test]
fn a_member_that_nobody_can_seal_to_blocks_nothing() {
    let mut vault = Vault::new();
    let founder = vault.founder.duplicate();
    let sponsor = vault.enroll(&founder, "sponsor", caps(RPP));
    let sock = fresh(vault.id);
    vault.write(&sponsor, |record| record.ops.push(add(&sock, caps(3))));
    let revoked = with_author(&vault, &founder, |author| author.revoke(sponsor.id, None)).expect("revoked");
    assert_eq!(revoked.left_out, [sock.id]);
    vault.store(revoked.record);
    assert_eq!(vault.roster().current_epoch, revoked.epoch);
    assert!(vault.merge(&founder).is_none());
    let refused = with_author(&vault, &founder, |author| author.rename(sock.id, "sock")).expect_err("refused");
    assert!(matches!(refused, WriteError::NoSecret { .. }));
}

#[test]
fn passphrases_are_added_changed_and_removed() {
    let mut vault = Vault::new();
    let founder = vault.founder.duplicate();
    let first = vault.unlock_by_passphrase().id;
    let unlock_with = |vault: &Vault, text: &str| {
        let (passphrase, _) = new_passphrase(text);
        unlock(provider(), &vault.objects, None, SlotSecret::Passphrase(&passphrase))
    };
    let (second, params) = new_passphrase("second horse");
    let secret = |passphrase| NewSlot::Passphrase { passphrase, params, low_memory: false };
    let options = SlotOptions { secret: secret(&second), name: "second" };
    let added = with_author(&vault, &founder, |author| author.add_slot(&options)).expect("added");
    vault.store(added.record);
    let opened = unlock_with(&vault, "second horse").map_err(|e| e.to_string()).expect("opens");
    assert_eq!(opened.device.id, added.device);
    assert_eq!(vault.epochs_of(&opened.device).len(), 1);
    let before = vault.objects.clone();

    let (third, _) = new_passphrase("third horse");
    let options = SlotOptions { secret: secret(&third), name: "third" };
    let changed = with_author(&vault, &founder, |author| author.replace_slot(first, None, &options, None));
    let changed = changed.expect("changed");
    vault.store(changed.record);
    assert_eq!(vault.roster().current_epoch, changed.epoch);
    // The old one is refused on the new roster, and opens the old one, as is said.
    assert!(matches!(unlock_with(&vault, "correct horse"), Err(UnlockError::WrongSecret(_))));
    let third = unlock_with(&vault, "third horse").map_err(|e| e.to_string()).expect("opens").device;
    assert_eq!(vault.epochs_of(&third).len(), 2);
    assert_eq!(vault.roster().devices[&third.id].capabilities, caps(RPP));
    let passphrase = passphrase();
    assert!(unlock(provider(), &before, None, SlotSecret::Passphrase(&passphrase)).is_ok());
    // The new slot does not open a roster from before it: the store cannot roll it back.
    let refused = unlock_with(&Vault { objects: before, ..vault.fork() }, "third horse");
    assert!(refused.is_err());

    let removed = with_author(&vault, &founder, |author| author.remove_slot(added.device, None)).expect("removed");
    vault.store(removed.record);
    assert!(matches!(unlock_with(&vault, "second horse"), Err(UnlockError::WrongSecret(_))));
    let refused = with_author(&vault, &founder, |author| author.remove_slot(founder.id, None)).expect_err("refused");
    assert!(matches!(refused, WriteError::WrongSort { is_slot: false, .. }));
    // Each that is tried costs a second on opening.
    let add_more = |vault: &mut Vault| {
        let added = with_author(vault, &founder, |author| author.add_slot(&options));
        added.map(|added| vault.store(added.record))
    };
    for _ in 1..limits::SLOTS_TRIED {
        add_more(&mut vault).expect("added");
    }
    assert!(matches!(add_more(&mut vault), Err(WriteError::TooManySlots)));
}

#[test]
fn new_words_for_old() {
    let mut vault = Vault::new();
    let founder = vault.founder.duplicate();
    let admin = vault.enroll(&founder, "admin", Capabilities::ALL);
    let old = vault.unlock_by_words();
    let words = Words::generate(provider().random).expect("words");
    let options = SlotOptions { secret: NewSlot::Words(&words), name: "recovery key" };
    let by = |vault: &Vault, signer: &DeviceKeys| {
        with_author(vault, signer, |author| author.replace_slot(old.id, None, &options, None))
    };
    assert!(matches!(by(&vault, &founder), Err(WriteError::NeedsRoot { .. })), "an admin is not enough");
    let replaced = by(&vault, &old).expect("replaced");
    vault.store(replaced.record);
    let refused = unlock(provider(), &vault.objects, None, SlotSecret::Words(vault.words.as_ref().expect("words")));
    assert!(matches!(refused, Err(UnlockError::WrongSecret(_))));
    vault.words = Some(words);
    let root = vault.unlock_by_words();
    assert_eq!((root.id, vault.roster().devices[&root.id].rank), (replaced.device, Rank::Root));
    assert_eq!(vault.roster().current_epoch, replaced.epoch);
    assert!(vault.revoke_well(&root, admin.id).is_some(), "it outranks admins");
    // The old words' holder writes what it can: nothing counts.
    vault.write(&old, |record| record.ops.push(Op::Revoke { id: founder.id, last: None }));
    assert!(vault.roster().devices[&founder.id].is_member());
}

#[test]
fn words_for_a_vault_whose_passphrase_is_root() {
    let mut vault = Vault::of(make(false, &passphrase()));
    let old = vault.unlock_by_passphrase();
    let words = Words::generate(provider().random).expect("words");
    let (kept, params) = new_passphrase("correct horse");
    let options = SlotOptions { secret: NewSlot::Words(&words), name: "recovery key" };
    let secret = NewSlot::Passphrase { passphrase: &kept, params, low_memory: false };
    let beside = SlotOptions { secret, name: "passphrase" };
    let replaced = with_author(&vault, &old, |author| author.replace_slot(old.id, None, &options, Some(&beside)));
    vault.store(replaced.expect("replaced").record);
    vault.words = Some(words);
    let roster = vault.roster();
    let (root, passphrase) = (vault.unlock_by_words(), vault.unlock_by_passphrase());
    assert_eq!((roster.devices[&root.id].rank, roster.devices[&passphrase.id].rank), (Rank::Root, Rank::Device));
    assert_eq!(roster.devices[&passphrase.id].capabilities, caps(RPP));
    assert!(!roster.devices[&old.id].is_member());
    assert_eq!(vault.epochs_of(&passphrase).len(), 2);
}

/// As many as fit into the record that a revocation is.
#[test]
fn as_many_members_as_the_format_has_room_for() {
    let mut vault = Vault::new();
    let founder = vault.founder.duplicate();
    let (laptop, members) = (vault.enroll(&founder, "laptop", caps(3)), vault.roster().members().count());
    let mut devices: Vec<DeviceKeys> = (members..limits::MEMBERS).map(|_| fresh(vault.id)).collect();
    for some in devices.chunks(128) {
        let roster = vault.roster();
        let keys = roster.open_as(provider(), &founder).map_err(|e| e.to_string()).expect("opens");
        let part = PrivatePart {
            devices: some.iter().map(|d| (d.id, *d.w.expose(), "n".repeat(255))).collect(),
            stores: Vec::new(),
        };
        let private = boxes::seal_private(provider(), vault.id, keys.current_epoch().expect("one"), &part);
        vault.write(&founder, |record| {
            record.ops = some.iter().map(|device| add(device, caps(3))).collect();
            record.private = Some(private.expect("sealed"));
        });
    }
    assert_eq!(vault.roster().members().count(), limits::MEMBERS);
    assert!(matches!(vault.try_enroll(&founder, "x", caps(3)), Err(WriteError::TooManyDevices)));
    assert!(vault.revoke_well(&founder, laptop.id).is_some());
    let last = devices.pop().expect("a device");
    assert!(vault.epochs_of(&last).contains(&vault.roster().current_epoch.expect("an epoch")));
    vault.enroll(&founder, "in its place", caps(3));
}
