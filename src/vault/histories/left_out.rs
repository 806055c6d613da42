//! Roster records that entries name and nobody shows, and exports with what does not belong to them.

use super::*;
use vault_format::name::roster_prefix;

impl World {
    fn records(&self) -> Vec<ObjectName> {
        let listing = self.store().list(&roster_prefix()).expect("listed");
        listing.objects.into_iter().map(|object| object.name).collect()
    }

    /// A record that a later entry of the first machine names, and nothing else.
    fn named_record(&self) -> ObjectName {
        let before = self.records();
        self.device(Capabilities::PUSH);
        self.push("home", 7);
        self.records().into_iter().find(|name| !before.contains(name)).expect("a new one")
    }
}

fn said(history: &History, what: &str) -> bool {
    history.trouble.iter().any(|trouble| trouble.contains(what))
}

#[test]
fn roster_record_left_out_of_an_export() {
    let world = World::new();
    world.push("home", 1);
    let record = world.bytes(&world.named_record());
    let vault = world.open("home");
    let file = vault.export_history().expect("exported");
    assert_eq!(History::verify(&file, Some(vault.id())).expect("verified").trouble, Vec::<String>::new());
    let mut parsed = HistoryFile::parse(&file).expect("parsed");
    parsed.records.retain(|stored| *stored != &record[..]);
    let read = History::verify(&parsed.encode().expect("encoded"), Some(vault.id())).expect("read");
    assert!(said(&read, "goes by roster record"), "{:?}", read.trouble);
}

/// A push-only device is no witness against a store; of a file it is.
#[test]
fn roster_record_left_out_that_only_a_pusher_names() {
    let world = World::new();
    let mallory = world.device(Capabilities::PUSH);
    let lie = world.body(|body| body.roster_heads = vec![Identity([7; 32])]);
    world.put(&world.forge(&mallory, 1, &[], &lie));
    let vault = world.open("home");
    assert!(vault.log().hearsay().is_empty() && vault.warnings().is_empty(), "{:?}", vault.warnings());
    let read = History::verify(&vault.export_history().expect("exported"), Some(vault.id())).expect("read");
    assert!(said(&read, "goes by roster record"), "{:?}", read.trouble);
}

#[test]
fn roster_record_hidden_from_who_comes_first() {
    let world = World::new();
    world.push("home", 1);
    let hidden = world.hide(&[world.named_record()]);
    let mut vault = world.open("fresh");
    assert!(warned(&vault, "goes by a roster record"), "{:?}", vault.warnings());
    let error = vault.remove_store([9; 16]).expect_err("refused");
    assert_eq!(error.trouble(), Trouble::Integrity, "{error}");
    assert!(matches!(error, VaultError::RecordWithheld { .. }), "{error}");
    drop(vault);
    world.push("fresh", 2);

    // It was there all the time: written between the listing of records and that of entries.
    let home = world.home("third");
    let mut unlock = |_: &str| {
        world.show(hidden.clone());
        Ok(UnlockSecret::Passphrase(passphrase()))
    };
    let options = OpenOptions::new(URL, &home, "third", &mut unlock);
    let vault = Vault::open_on(world.store(), URL.into(), None, options).expect("opens");
    assert!(vault.log().hearsay().is_empty() && vault.warnings().is_empty(), "{:?}", vault.warnings());
    for home in ["home", "fresh"] {
        assert!(!warned(&world.open(home), "goes by a roster record"), "{home}");
    }
}

/// Whoever may read and names what never was: a person ends that, for all if it is an admin.
#[test]
fn a_reader_that_names_a_record_that_never_was() {
    let world = World::new();
    world.push("home", 1);
    let reader = world.device(Capabilities::READ);
    let lie = world.body(|body| body.roster_heads = vec![Identity([7; 32])]);
    world.put(&world.forge(&reader, 1, &[], &lie));
    for home in ["home", "fresh"] {
        assert!(warned(&world.open(home), "goes by a roster record"), "{home}");
    }
    world.accept("home");
    for home in ["home", "fresh", "another"] {
        let vault = world.open(home);
        assert!(vault.log().hearsay().is_empty() && vault.check_hearsay().is_ok(), "{home}: {:?}", vault.warnings());
    }
}

#[test]
fn keys_exchanged_in_an_export_are_the_files_fault() {
    let world = World::new();
    world.push("home", 1);
    world.push("home", 2);
    let vault = world.open("home");
    let file = vault.export_history().expect("exported");
    let read = |change: &dyn Fn(&mut HistoryFile<'_>)| {
        let mut parsed = HistoryFile::parse(&file).expect("parsed");
        change(&mut parsed);
        History::verify(&parsed.encode().expect("encoded"), Some(vault.id())).expect("read")
    };
    let wrong = read(&|file| file.entries[0].dek = file.entries[1].dek);
    assert!(said(&wrong, "is not its key") && !said(&wrong, "not believed"), "{:?}", wrong.trouble);
    assert!(wrong.events.iter().all(|event| event.trouble.is_none()));

    // Without keys: what was said is unknown, and nobody has done anything wrong.
    let sealed = read(&|file| file.entries.iter_mut().step_by(2).for_each(|entry| entry.dek = None));
    assert_eq!(sealed.trouble, Vec::<String>::new());
    assert!(sealed.events.iter().all(|event| event.trouble.is_none()));
    assert!(sealed.events.iter().any(|event| event.what == ["wrote what cannot be read"]));
}

/// What a device has signed and is none: a fault of the device, in the file as well.
#[test]
fn a_fault_in_an_export_is_trouble() {
    let world = World::new();
    let mallory = world.device(Capabilities::PUSH);
    world.put(&world.forge(&mallory, 1, &[], b"no entry"));
    let vault = world.open("home");
    let read = History::verify(&vault.export_history().expect("exported"), Some(vault.id())).expect("read");
    assert!(said(&read, "not believed"), "{:?}", read.trouble);
    assert!(read.events.iter().any(|event| event.trouble.is_some()));
}
