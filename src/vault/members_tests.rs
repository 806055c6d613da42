//! Several devices on one store: who leaves, who joins, and what a push does meanwhile.

use std::fs;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use crypto_backends::rustcrypto::{lower_kdf_floors_for_tests, provider};
use object_store::memory::InMemory;
use vault_format::name::{ObjectName, prefix};
use vault_format::roster::{Capabilities, Op, Record, RecordObject};
use vault_format::{DeviceId, EpochId, Header, Identity};

use super::access::Access;
use super::{InitOptions, NewWords, OpenOptions, Purpose, Unlock, UnlockSecret, Vault, VaultError};
use crate::Trouble;
use crate::check::{CheckOptions, ReadData, check};
use crate::keys::{DeviceKeys, Passphrase, Words};
use crate::push::{PushError, PushOptions, PushReport, push};
use crate::restore::{RestoreOptions, restore};
use crate::roster::{NewRecord, WriteError, sign};
use crate::stage::testing::random_bytes;
use crate::state::Home;
use crate::store::Store;
use crate::store::faults::{Fault, Faults, Operation};
use crate::sync::lock;
use crate::watch::{Event, Watch};

/// Machines with homes of their own, one store, one source.
struct World {
    folder: tempfile::TempDir,
    objects: Arc<dyn object_store::ObjectStore>,
    words: Words,
}

/// What a person knows.
enum Known {
    Passphrase(&'static str),
    Words(Words),
}

impl Unlock for Known {
    fn unlock(&mut self, _url: &str) -> Result<UnlockSecret, String> {
        Ok(self.secret())
    }
}

impl Known {
    fn secret(&self) -> UnlockSecret {
        match self {
            Self::Passphrase(text) => UnlockSecret::Passphrase(passphrase(text)),
            Self::Words(words) => UnlockSecret::Words(Words::from_entropy(&words.entropy()).expect("a backend")),
        }
    }
}

fn passphrase(text: &str) -> Passphrase {
    Passphrase::new(text).expect("a passphrase")
}

impl World {
    fn new() -> (Self, Vault) {
        lower_kdf_floors_for_tests();
        let folder = tempfile::tempdir().expect("a folder");
        let objects: Arc<dyn object_store::ObjectStore> = Arc::new(InMemory::new());
        let store = Store::from_object_store(objects.clone(), URL).expect("a store");
        let home = Arc::new(Home::open(&folder.path().join("first")).expect("a home"));
        let mut options = InitOptions::new(URL, &home, "first", passphrase(FIRST));
        options.words = true;
        let made = Vault::init_on(store, URL.into(), options).expect("a vault");
        let world = Self { folder, objects, words: made.words.expect("words") };
        fs::create_dir(world.source()).expect("made");
        (world, made.vault)
    }

    fn source(&self) -> PathBuf {
        self.folder.path().join("source")
    }

    fn write(&self, name: &str, bytes: &[u8]) {
        fs::write(self.source().join(name), bytes).expect("written");
    }

    fn store(&self) -> Store {
        Store::from_object_store(self.objects.clone(), URL).expect("a store")
    }

    fn words(&self) -> Known {
        Known::Words(Words::from_entropy(&self.words.entropy()).expect("a backend"))
    }

    fn try_open(&self, home: &str, mut known: Known) -> Result<Vault, VaultError> {
        let home_folder = Arc::new(Home::open(&self.folder.path().join(home)).expect("a home"));
        let known_vaults = home_folder.vaults().expect("listed");
        let state = known_vaults.first().map(|id| home_folder.device(*id).expect("read"));
        let mut options = OpenOptions::new(URL, &home_folder, home, &mut known);
        options.purpose = Purpose::Read;
        Vault::open_on(self.store(), URL.into(), state, options)
    }

    /// The machine of this name, which joins with the passphrase if it is new.
    fn open(&self, home: &str) -> Vault {
        self.try_open(home, Known::Passphrase(FIRST)).expect("opens")
    }

    fn options(&self) -> PushOptions {
        PushOptions { paths: vec![self.source()], host: "host".into(), workers: Some(1), ..PushOptions::default() }
    }

    fn push(&self, vault: &mut Vault) -> PushReport {
        push(vault, &self.options(), &Watch::new()).expect("pushes")
    }

    fn objects(&self) -> Vec<ObjectName> {
        self.store().list(&prefix()).expect("listed").objects.into_iter().map(|object| object.name).collect()
    }

    /// Objects that a device has written, other than records, and what each is sealed under.
    fn written_by(&self, device: DeviceId) -> Vec<(ObjectName, EpochId)> {
        let own = self.objects().into_iter().filter(|name| name.device() == Some(device));
        own.map(|name| {
            let bytes = self.store().get_unverified(&name).expect("read");
            (name, Header::parse(&bytes).expect("a header").epoch)
        })
        .collect()
    }

    /// Pushes, and does something on another machine when the last of the files is at hand and a pack is stored.
    fn push_and_meanwhile(&self, vault: &mut Vault, meanwhile: impl FnOnce() + Send) -> Result<PushReport, PushError> {
        // Two packs and a bit: something is stored before the end, and something is not.
        self.write("a", &random_bytes(1, 40 << 20));
        self.write("z", &random_bytes(2, 50_000));
        let device = vault.device_id();
        let meanwhile = Mutex::new(Some(meanwhile));
        let on_event = |event: Event<'_>| {
            if matches!(event, Event::Entry { path, .. } if path.ends_with(b"/z")) {
                let meanwhile = lock(&meanwhile).take().expect("one last file");
                while !self.objects().iter().any(|name| name.device() == Some(device)) {
                    std::thread::yield_now();
                }
                meanwhile();
            }
        };
        push(vault, &self.options(), &Watch::with_events(&on_event))
    }

    /// Many heads of one device: chains of records that add a device each.
    fn write_heads(&self, by: &Vault, place: (Vec<Identity>, u32), count: usize, length: u32) {
        for _ in 0..count {
            let (mut parents, n) = place.clone();
            for n in n..n + length {
                let DeviceKeys { id, verify_key, kem_key, .. } =
                    DeviceKeys::generate(provider(), by.id()).expect("a device");
                let (capabilities, time) = (Capabilities::READ, crate::now());
                let add = Op::Add { id, verify_key, kem_key, capabilities, slot: None, handshake: None };
                let (ops, boxes) = (vec![add], Vec::new());
                let record = Record { genesis: None, time, parents, n, ops, epoch: None, boxes, private: None };
                let NewRecord { name, bytes } = sign(provider(), by.device_keys(), &record).expect("signed");
                let object = RecordObject::parse(&bytes).expect("a record");
                parents = vec![Identity(provider().hash.hash(&[&bytes[..object.signed_len]]))];
                self.store().put(&name, bytes.into()).expect("put");
            }
        }
    }

    fn verify(&self, vault: &Vault) {
        let report = check(vault, &CheckOptions { read_data: ReadData::All }, &Watch::new());
        assert!(report.expect("checked").damaged.is_empty());
        let target = self.folder.path().join("out");
        let _ = fs::remove_dir_all(&target);
        let snapshot = vault.resolve("latest").expect("a snapshot");
        restore(vault, &RestoreOptions::new(snapshot, target.clone()), &Watch::new()).expect("restores");
        let restored = target.join(self.source().strip_prefix("/").expect("absolute"));
        for entry in fs::read_dir(self.source()).expect("listed") {
            let name = entry.expect("an entry").file_name();
            let read = |folder: &PathBuf| fs::read(folder.join(&name)).expect("a file");
            assert!(read(&restored) == read(&self.source()), "{name:?}");
        }
    }
}

#[test]
fn a_device_is_renamed_granted_and_revoked() {
    let (world, mut first) = World::new();
    world.write("file", b"one");
    let mut second = world.open("second");
    let id = second.device_id();
    let pushed = world.push(&mut second).snapshot.expect("a snapshot");
    first.refresh().expect("read again");
    assert_eq!(first.rename_device(id, "desk", None).expect("renamed"), Vec::<String>::new());
    let info = first.find_device("desk").expect("found");
    assert_eq!((info.id, info.kind, info.is_this), (id, super::DeviceKind::Machine, false));
    assert!(info.last_push.is_some() && info.revoked.is_none());
    let by_id = id.to_string();
    assert_eq!(first.find_device(&by_id[..8]).expect("found").id, id);
    assert!(matches!(first.find_device("nobody"), Err(VaultError::UnknownDevice { .. })));
    assert_eq!(first.find_device("nobody").expect_err("refused").trouble(), Trouble::Usage);
    let prune = Capabilities::READ | Capabilities::PRUNE;
    first.grant(id, prune, None).expect("granted");
    assert!(first.find_device("desk").expect("found").capabilities.contains(prune));
    // It may not itself.
    second.refresh().expect("read again");
    let refused = second.rename_device(id, "mine", None).expect_err("refused");
    assert_eq!(refused.trouble(), Trouble::NotAllowed);
    assert_eq!(second.revoke(first.device_id(), None).expect_err("refused").trouble(), Trouble::NotAllowed);

    let before = first.roster().current_epoch;
    let revoked = first.revoke(id, None).expect("revoked");
    assert_eq!(revoked.last.map(|(identity, _)| identity), Some(pushed));
    assert!(revoked.void.is_empty() && revoked.withheld.is_empty() && revoked.added.is_empty());
    assert!(revoked.epoch.is_some() && revoked.epoch != before && first.roster().current_epoch == revoked.epoch);
    assert_eq!(first.find_device("desk").expect("still listed").revoked.map(|info| info.by), Some(first.device_id()));
    assert_eq!(first.snapshots().len(), 1, "what it pushed before counts");
    assert_eq!(
        world.try_open("second", Known::Passphrase(FIRST)).err().expect("refused").trouble(),
        Trouble::NotAllowed
    );
    world.write("file", b"two");
    world.push(&mut first);
    world.verify(&first);
}

/// What a revoked device writes afterwards is void, and is no evidence against anybody.
#[test]
fn entries_after_a_revocation_are_void() {
    let (world, mut first) = World::new();
    world.write("file", b"one");
    let mut second = world.open("second");
    let adopted = world.push(&mut second).snapshot.expect("a snapshot");
    let report = first.revoke(second.device_id(), None).expect("revoked");
    assert_eq!(report.last.map(|(identity, _)| identity), Some(adopted));
    // It pays no attention.
    let entry = second.append_progress_for_tests().expect("written");
    let again = world.open("first");
    assert!(again.log().get(&entry).is_none() && again.log().get(&adopted).is_some());
    assert_eq!(again.snapshots().len(), 1);
}

#[test]
fn revocation_in_the_middle_of_a_push() {
    for progress in [false, true] {
        let (world, mut first) = World::new();
        let (mut second, third) = (world.open("second"), world.open("third"));
        second.progress_after_each_pack = progress;
        let old = second.roster().current_epoch.expect("an epoch");
        first.refresh().expect("read again");
        let mut new = None;
        let report = world.push_and_meanwhile(&mut second, || {
            new = first.revoke(third.device_id(), None).expect("revoked").epoch;
        });
        let report = report.expect("the push goes on");
        let new = new.expect("a new epoch");
        let written = world.written_by(second.device_id());
        let under = |epoch: EpochId| written.iter().filter(move |(_, under)| *under == epoch).map(|(name, _)| name);
        let packs = |epoch| under(epoch).filter(|name| matches!(name, ObjectName::Pack(_))).count() as u64;
        assert!(report.packs_under_ended_epoch >= 1, "{report:?}");
        assert_eq!(packs(old), report.packs_under_ended_epoch);
        assert!(packs(new) >= 2, "open packs of data and trees are sealed under the new epoch: {written:?}");
        let snapshot = second.log().get(&report.snapshot.expect("a snapshot")).expect("its entry").clone();
        assert_eq!(snapshot.body.roster_heads, first.roster().heads);
        let entry = second.entry_name(&snapshot.identity).expect("its name");
        assert!(under(new).any(|name| *name == entry));
        for (hash, _) in &snapshot.body.deltas {
            let delta = ObjectName::Delta { device: second.device_id(), hash: *hash };
            assert!(under(new).any(|name| *name == delta), "the index is under the new epoch");
        }
        // The revoked one has every object, and its keys open none of those.
        let keys = third.reader_keys("read").expect("a reader");
        assert!(keys.epochs.contains_key(&old) && !keys.epochs.contains_key(&new));
        world.verify(&world.open("first"));
        // The next push has nothing to store again.
        let next = world.push(&mut second);
        assert_eq!((next.data_chunks, next.packs_under_ended_epoch), (0, 0));
    }
}

#[test]
fn a_pusher_that_is_revoked_in_the_middle_writes_nothing_more() {
    for progress in [false, true] {
        let (world, mut first) = World::new();
        let mut second = world.open("second");
        second.progress_after_each_pack = progress;
        let id = second.device_id();
        first.refresh().expect("read again");
        let mut entries = 0;
        let counted = |name: &ObjectName| !matches!(name, ObjectName::Pack(_));
        let outcome = world.push_and_meanwhile(&mut second, || {
            first.revoke(id, None).expect("revoked");
            entries = world.written_by(id).iter().filter(|(name, _)| counted(name)).count();
        });
        let error = outcome.expect_err("it is no member any more");
        assert_eq!(error.trouble(), Trouble::NotAllowed, "{error}");
        let after = world.written_by(id);
        // An uploader that had looked just before may end what it had begun: one delta, and the entry that names it.
        let most = entries + if progress { 2 } else { 0 };
        assert!(after.iter().filter(|(name, _)| counted(name)).count() <= most, "{after:?}");
        let again = world.open("first");
        assert!(again.snapshots().is_empty());
        world.push(&mut { again });
    }
}

#[test]
fn two_admins_at_once_and_whoever_runs_next() {
    let (world, first) = World::new();
    let second = world.try_open("second", world.words()).expect("an admin");
    let (third, fourth) = (world.open("third"), world.open("fourth"));
    assert!(second.is_admin() && !third.is_admin());
    // Both act on what they had seen: their records know nothing of each other.
    let (mut first, mut second) = (world.open("first"), {
        drop((first, second));
        world.open("second")
    });
    let record = |vault: &mut Vault, id| {
        let revoked = vault.author(None, |author| author.revoke(id, None)).expect("revoked");
        (revoked.record.name, bytes::Bytes::from(revoked.record.bytes))
    };
    let one = record(&mut first, third.device_id());
    let two = record(&mut second, fourth.device_id());
    for (name, bytes) in [one, two] {
        world.store().put(&name, bytes).expect("stored");
    }
    // A device that is no admin cannot push now, and is told what to do.
    let fifth = world.try_open("fifth", Known::Passphrase(FIRST)).expect("joins");
    assert!(fifth.roster().current_epoch.is_none() && fifth.roster().heads.len() == 1);
    let mut fifth = fifth;
    world.write("file", b"one");
    let refused = push(&mut fifth, &world.options(), &Watch::new()).expect_err("no clean epoch");
    assert_eq!(refused.trouble(), Trouble::NotAllowed);
    // Any command of an admin's device puts it in order.
    let first = world.open("first");
    assert_eq!((first.roster().heads.len(), first.roster().current_epoch.is_some()), (1, true));
    let gone = |id: DeviceId| !first.roster().devices[&id].is_member();
    assert!(gone(third.device_id()) && gone(fourth.device_id()) && !gone(fifth.device_id()));
    world.push(&mut fifth);
    world.verify(&world.open("second"));
    let records = || world.objects().iter().filter(|name| matches!(name, ObjectName::Roster { .. })).count();
    let before = records();
    drop((world.open("first"), world.open("second")));
    assert_eq!(records(), before, "once is enough");
}

#[test]
fn a_changed_passphrase() {
    let (world, mut first) = World::new();
    let old = first.devices().into_iter().find(|device| device.kind == super::DeviceKind::Passphrase).expect("one");
    let epoch = first.roster().current_epoch;
    first.change_slot(old.id, &passphrase("second horse"), false, None).expect("changed");
    assert_ne!(first.roster().current_epoch, epoch);
    let refused = world.try_open("new", Known::Passphrase(FIRST)).err().expect("the old one is refused");
    assert_eq!(refused.trouble(), Trouble::WrongKey);
    world.try_open("new", Known::Passphrase("second horse")).expect("the new one opens it");
    let (added, _) = first.add_slot(&passphrase("third horse"), false, "third", None).expect("added");
    world.try_open("newer", Known::Passphrase("third horse")).expect("opens");
    let removed = first.remove_slot(added, None).expect("removed");
    assert_eq!(removed.added.len(), 1, "the machine that joined with it stays, and is named");
    assert!(world.try_open("newest", Known::Passphrase("third horse")).is_err());
    // Without words the passphrase of a machine that is no admin changes nothing.
    let mut other = world.open("new");
    let refused = other.add_slot(&passphrase("x"), false, "x", None);
    assert!(refused.is_ok(), "who may enrol machines may add a passphrase that does");
    let refused = other.change_slot(refused.expect("added").0, &passphrase("y"), false, None).expect_err("refused");
    assert_eq!(refused.trouble(), Trouble::NotAllowed);
    let by_words = world.words().secret();
    let x = other.devices().into_iter().find(|device| device.name.as_deref() == Some("x")).expect("there");
    other.change_slot(x.id, &passphrase("y"), false, Some(&by_words)).expect("the words may");
    world.try_open("yet another", Known::Passphrase("y")).expect("opens");
}

#[test]
fn a_name_that_is_the_beginning_of_an_id_means_nobody() {
    let (world, mut first) = World::new();
    let (second, third) = (world.open("second").device_id(), world.open("third").device_id());
    let printed = format!("{third:.8}");
    first.refresh().expect("read again");
    // No builder gives such a name any more; one that did may have been there before, or belong to somebody else.
    let refused = first.rename_device(second, &printed, None).expect_err("refused");
    assert!(matches!(refused, VaultError::Write(WriteError::Name)), "{refused}");
    let Access::Reader(keys) = &mut first.keys else { panic!("a reader") };
    keys.device_names.insert(second, printed.clone());
    assert!(matches!(first.find_device(&printed), Err(VaultError::WhichDevice { .. })));
    assert_eq!(first.find_device(&third.to_string()).expect("a whole id").id, third);
    // A machine that is called so keeps that in its name.
    let cafe = world.open("cafe").device_id();
    assert_eq!(world.open("first").find_device("device cafe").expect("found").id, cafe);
}

#[test]
fn a_device_is_ended_with_those_that_it_added() {
    let (world, mut first) = World::new();
    let old = first.devices().into_iter().find(|device| device.kind == super::DeviceKind::Passphrase).expect("one");
    let (second, third) = (world.open("second").device_id(), world.open("third").device_id());
    // Who came in by a passphrase is named when that is changed, and stays.
    let replaced = first.change_slot(old.id, &passphrase("second horse"), false, None).expect("changed");
    let mut both = vec![second, third];
    both.sort();
    assert_eq!(replaced.added, both);
    let fourth = world.try_open("fourth", Known::Passphrase("second horse")).expect("joins").device_id();
    first.refresh().expect("read again");
    let revoked = first.revoke_with_added(replaced.device, None).expect("revoked");
    assert_eq!((&revoked.with[..], revoked.added.len()), (&[fourth][..], 0));
    let is_member = |id: DeviceId| first.roster().devices[&id].is_member();
    assert!(!is_member(fourth) && is_member(second) && first.roster().current_epoch == revoked.epoch);
}

/// Whatever the moment in which it is stopped: nobody is revoked and relied on.
#[test]
fn devices_are_marked_before_they_are_revoked() {
    for stopped_at in 1.. {
        let (world, first) = World::new();
        drop(first);
        let second = world.open("second").device_id();
        let third = world.open("third").device_id();
        let faults = Faults::new();
        let store = Store::from_object_store(faults.wrap(world.objects.clone()), URL).expect("a store");
        let home = Arc::new(Home::open(&world.folder.path().join("first")).expect("a home"));
        let state = home.device(home.vaults().expect("listed")[0]).expect("read");
        let mut known = Known::Passphrase(FIRST);
        let options = OpenOptions::new(URL, &home, "first", &mut known);
        let mut first = Vault::open_on(store, URL.into(), Some(state), options).expect("opens");
        let is_passphrase = |device: &super::DeviceInfo| device.kind == super::DeviceKind::Passphrase;
        let old = first.devices().into_iter().find(is_passphrase).expect("one").id;
        assert!(first.compromised().is_empty());
        faults.reset();
        faults.at(Operation::Put, stopped_at, Fault::KillAfter);
        let result = first.revoke_compromised(old, true, None);
        let after = world.open("first");
        let is_revoked = |id: &DeviceId| !after.roster().devices[id].is_member();
        let revoked: Vec<DeviceId> = [old, second, third].into_iter().filter(is_revoked).collect();
        let marked = after.compromised();
        assert!(revoked.iter().all(|id| marked.contains_key(id)), "stopped at {stopped_at}: {revoked:?}");
        assert_eq!(marked.len(), revoked.len(), "who is a member is relied on");
        if result.is_ok() && faults.count(Operation::Put) < stopped_at {
            assert_eq!(revoked.len(), 3);
            return;
        }
    }
}

/// Who leaves with admin says of itself what it can say; the mark is there for everybody.
#[test]
fn an_admin_that_leaves_says_that_it_was_in_other_hands() {
    let (world, first) = World::new();
    drop(first);
    let mut second = world.try_open("second", world.words()).expect("an admin");
    let id = second.device_id();
    second.revoke_compromised(id, false, None).expect("left");
    assert!(world.open("first").compromised().contains_key(&id));
    let mut third = world.open("third");
    let id = third.device_id();
    third.revoke_compromised(id, false, None).expect("left");
    let mut first = world.open("first");
    assert!(!first.compromised().contains_key(&id));
    first.mark_compromised(id, None).expect("said later");
    assert!(first.compromised().contains_key(&id));
}

/// A machine with `pair` makes a hundred heads, each of which adds a device.
#[test]
fn a_device_with_a_hundred_heads_is_ended_alone_and_with_all_it_added() {
    for with_added in [false, true] {
        let (world, mut first) = World::new();
        let second = world.open("second");
        let place = second.roster().next_place(second.device_id());
        world.write_heads(&second, place, 100, 1);
        first.refresh().expect("read again");
        assert_eq!(first.roster().heads.len(), 100);
        let id = second.device_id();
        let revoked = match with_added {
            true => first.revoke_with_added(id, None),
            false => first.revoke(id, None),
        };
        let revoked = revoked.expect("revoked");
        let roster = first.roster();
        assert!(!roster.devices[&id].is_member() && roster.current_epoch == revoked.epoch);
        let stay: Vec<DeviceId> = roster.members().filter(|(_, d)| d.added_by == id).map(|(id, _)| id).collect();
        assert_eq!(revoked.added, stay, "who stays is told, and nobody else");
        assert_eq!(stay.is_empty(), with_added);
    }
}

/// A machine with `pair` writes more heads than a record follows, all of them after the add of another machine that came in by
/// the same passphrase. That one stays, whatever becomes of the passphrase.
#[test]
fn nobody_is_left_out_because_of_the_heads_of_others() {
    let (world, first) = World::new();
    drop(first);
    let second = world.open("second");
    let place = second.roster().next_place(second.device_id());
    let third = world.open("third");
    let mut first = world.open("first");
    world.write_heads(&second, place, 40, 3);
    first.refresh().expect("read again");
    assert_eq!(first.roster().heads.len(), 41);
    let is_passphrase = |device: &super::DeviceInfo| device.kind == super::DeviceKind::Passphrase;
    let old = first.devices().into_iter().find(is_passphrase).expect("one").id;
    let members = first.roster().members().count();
    let changed = first.change_slot(old, &passphrase("second horse"), false, None).expect("changed");
    assert_eq!(first.roster().members().count(), members, "a passphrase for a passphrase");
    assert!(changed.added.contains(&third.device_id()) && first.roster().heads.len() == 1);
    let mut third = third;
    third.refresh().expect("it is a member");
    world.write("file", b"one");
    world.push(&mut third);
    let removed = first.revoke(second.device_id(), None).expect("revoked");
    assert_eq!(removed.added.len(), 120);
}

/// It has left, and what is written with its key goes on revoking devices, until root has ended it.
#[test]
fn root_ends_an_admin_that_has_left() {
    let (world, mut first) = World::new();
    let mut second = world.try_open("second", world.words()).expect("an admin");
    let id = second.device_id();
    second.revoke(id, None).expect("left");
    first.refresh().expect("read again");
    let refused = first.revoke(id, None).expect_err("an admin is not enough");
    assert_eq!(refused.trouble(), Trouble::NotAllowed);
    let by_words = world.words().secret();
    first.revoke(id, Some(&by_words)).expect("the words reach it");
    assert_eq!(first.roster().devices[&id].revocations.len(), 2);
    let again = first.revoke(id, Some(&by_words)).expect_err("once is enough");
    assert!(matches!(again, VaultError::Write(WriteError::NotAMember { .. })), "{again}");
}

#[test]
fn only_the_words_reach_an_admin_and_new_words_replace_them() {
    let (world, mut first) = World::new();
    let second = world.try_open("second", world.words()).expect("an admin");
    let refused = first.revoke(second.device_id(), None).expect_err("an admin is not enough");
    assert_eq!(refused.trouble(), Trouble::NotAllowed);
    let by_words = world.words().secret();
    let revoked = first.revoke(second.device_id(), Some(&by_words)).expect("the words reach it");
    assert!(revoked.epoch.is_some());
    // Words that could not be shown are none, and the old ones stay.
    let records = || world.objects().iter().filter(|name| matches!(name, ObjectName::Roster { .. })).count();
    let before = records();
    let refused = first.new_recovery_words(&by_words, false, &mut |_| Err("paper jam".into())).expect_err("refused");
    assert!(matches!(refused, VaultError::WordsNotShown(_)), "{refused}");
    assert_eq!(records(), before);
    let mut shown = None;
    let mut show = |new: &NewWords<'_>| {
        assert_eq!(records(), before, "shown before anything is written");
        shown = Some((Words::from_entropy(&new.words.entropy()).expect("a backend"), new.device, new.added.to_vec()));
        Ok(())
    };
    let replaced = first.new_recovery_words(&by_words, false, &mut show).expect("new words");
    let (words, root, added) = shown.expect("shown");
    assert_eq!((replaced.device, &replaced.added), (root, &added));
    assert_eq!(first.root_device(), Some(root));
    assert!(world.try_open("third", world.words()).is_err(), "the old ones open nothing");
    let third = world.try_open("third", Known::Words(words)).expect("the new ones do");
    assert!(third.is_admin());
}

/// The last device is lost: paper and storage are enough.
#[test]
fn a_lost_last_device_is_recovered_with_words() {
    let (world, mut first) = World::new();
    world.write("file", b"one");
    world.push(&mut first);
    let lost = first.device_id();
    drop(first);
    fs::remove_dir_all(world.folder.path().join("first")).expect("lost");
    let mut new = world.try_open("new", world.words()).expect("opens");
    assert!(new.is_admin() && !new.is_ephemeral());
    world.verify(&new);
    // It throws the lost one out, which was the founder, and goes on.
    let by_words = world.words().secret();
    assert!(new.revoke(lost, None).is_err());
    new.revoke(lost, Some(&by_words)).expect("revoked");
    world.write("file", b"two");
    world.push(&mut new);
    world.verify(&new);
}

#[test]
fn a_machine_that_leaves_can_come_back_as_another() {
    let (world, first) = World::new();
    drop(first);
    let mut second = world.open("second");
    let id = second.device_id();
    let left = second.revoke(id, None).expect("left");
    assert!(left.wants_epoch && left.device.is_this);
    drop(second);
    let again = world.open("second");
    assert_ne!(again.device_id(), id, "a revoked id never comes back");
    let first = world.open("first");
    assert!(first.roster().current_epoch.is_some(), "an admin that ran next started a new epoch");
    assert!(!first.roster().devices[&id].is_member());
}

const URL: &str = "memory://members";
const FIRST: &str = "correct horse";
