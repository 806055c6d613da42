//! One vault in three clouds: S3 is the primary, Azure and Google follow; each behind a proxy of its own.

use crate::look::{look, same};
use crate::machine::noise;
use crate::place::{Kind, Place, restore_of};
use crate::runner::{Ran, World, run};
use crate::servers::proxy::{Fault, Proxy, Rule, When};
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;
use std::process::Command;
use std::time::{Duration, Instant};

#[test]
fn a_push_reaches_all_and_who_was_away_catches_up() {
    let stores = Stores::new(&[Kind::S3, Kind::Azure, Kind::Gcs]);
    let world = &stores.world;
    stores.push();
    world.write("data/b", noise(400_000, 2));
    for store in stores.push()["stores"].as_array().expect("two stores") {
        assert!(store["caught_up"] == false && store["error"].is_null(), "{store}");
    }
    stores.are_level();

    // Away from the beginning, and from each object on that it is to take: a pack of data and of trees, a delta, an entry.
    let away = |from| Rule::when(When::From(from), Fault::ResetBefore);
    let rules = [away(1), away(1).method("PUT"), away(2).method("PUT"), away(3).method("PUT"), away(4).method("PUT")];
    for (round, rule) in rules.into_iter().enumerate() {
        world.write("data/c", noise(300_000, 10 + round as u64));
        let azure = stores.at("azure");
        let before: BTreeSet<_> = azure.direct.names().into_iter().collect();
        azure.proxy.set([rule]);
        let ran = stores.run(&["push", "data"]).expect_code(0);
        assert!(ran.err.contains("the store azure does not have this snapshot"), "{round}: {}", ran.err);
        assert!(!ran.err.contains("google"), "{}", ran.err);
        azure.proxy.set([]);
        let primary: BTreeSet<_> = stores.at("s3").direct.names().into_iter().collect();
        let there: BTreeSet<_> = azure.direct.names().into_iter().collect();
        assert!(before.is_subset(&there) && there.is_subset(&primary) && there != primary, "{round}");
        assert_eq!(there.len() - before.len(), round.saturating_sub(1));
        assert_eq!(stores.at("google").direct.objects(), stores.at("s3").direct.objects());
        // What was cut off is a valid vault, a little older.
        azure.direct.run(&World::new(), ["check", "--ephemeral"]).expect_code(0);

        // Nothing new, and all that was missed.
        let summary = stores.push();
        let caught = &summary["stores"][0];
        assert!(caught["name"] == "azure" && caught["caught_up"] == true && caught["error"].is_null(), "{summary}");
        let now = azure.direct.names().len() - there.len();
        assert_eq!(caught["objects"].as_u64(), Some(now as u64), "{summary}");
        stores.are_level();
    }
    stores.restore_from_each();
}

#[test]
fn the_primary_is_gone_and_the_others_are_read() {
    let stores = Stores::new(&[Kind::S3, Kind::Azure, Kind::Gcs]);
    let world = &stores.world;
    stores.push();
    world.write("data/b", noise(400_000, 2));
    stores.push();
    for (away, reads) in [(&["s3"][..], "reading from azure"), (&["s3", "azure"], "reading from google")] {
        for name in away {
            stores.at(name).proxy.set([Rule::when(When::From(1), Fault::ResetBefore)]);
        }
        stores.restore(reads).expect_err(reads);
        stores.run(&["ls", "latest"]).expect_code(0).expect_out("data/b").expect_err(reads);
        stores.run(&["snapshots"]).expect_code(0).expect_out("2 snapshots").expect_err(reads);
        stores.run(&["check", "--read-data"]).expect_code(0).expect_err(reads);
        // A push must reach the primary, and leaves the others as they are.
        let before = stores.at("google").direct.names();
        stores.run(&["push", "data"]).expect_code(15);
        assert_eq!(stores.at("google").direct.names(), before);
    }
    stores.forget_traffic();
    // Nothing was forgotten meanwhile.
    stores.push();
    stores.are_level();
}

#[test]
fn the_primary_goes_away_in_the_middle_of_a_restore() {
    let stores = Stores::new(&[Kind::S3, Kind::Azure]);
    let world = &stores.world;
    stores.push();
    world.write("data/b", noise(400_000, 2));
    stores.push();
    let mut helped = 0;
    for from in 2.. {
        let _ = fs::remove_dir_all(world.path("user/.cache"));
        stores.at("s3").proxy.set([Rule::when(When::From(from), Fault::ResetBefore)]);
        let ran = stores.restore(&format!("from {from}"));
        let was_hit = stores.at("s3").proxy.seen().iter().any(|seen| seen.fault.is_some());
        stores.at("s3").proxy.set([]);
        assert_eq!(was_hit, ran.err.contains("azure"), "{from}: {}", ran.err);
        helped += u32::from(was_hit);
        if !was_hit {
            break;
        }
    }
    assert!(helped > 2, "a restore is a few requests: {helped}");
}

/// Where another store may answer, nobody waits five minutes for the first.
#[test]
fn who_reads_does_not_wait_long_for_one_store() {
    let stores = Stores::new(&[Kind::S3, Kind::Azure]);
    stores.push();
    for from in [1, 4] {
        let _ = fs::remove_dir_all(stores.world.path("user/.cache"));
        stores.at("s3").proxy.set([Rule::when(When::From(from), Fault::ResetBefore)]);
        let began = Instant::now();
        let out = format!("patient {from}");
        run(&mut stores.patient(&restore_of(&stores.world, "latest", &out))).expect_code(0).expect_err("azure");
        assert!(began.elapsed() < Duration::from_secs(150), "{from}: {:?}", began.elapsed());
        same(&look(&stores.world.path("data")), &look(&stores.world.path(&out)));
    }
}

#[test]
fn a_mirror_moves_what_is_missing_and_nothing_else() {
    let stores = Stores::new(&[Kind::S3, Kind::Azure, Kind::Gcs]);
    let world = &stores.world;
    stores.push();
    stores.are_level();
    let before: BTreeSet<_> = stores.at("s3").direct.names().into_iter().collect();
    // A machine that knows of no other store.
    world.write("data/b", noise(2_000_000, 2));
    stores.at("s3").direct.run(world, ["push", "data"]).expect_code(0);
    let missing: BTreeSet<_> =
        stores.at("s3").direct.names().into_iter().filter(|name| !before.contains(name)).collect();
    let size: u64 = missing.iter().map(|name| stores.at("s3").direct.get(name).len() as u64).sum();
    assert!(missing.len() > 3 && size > 2_000_000);

    let planned = stores.run(&["mirror", "--dry-run", "--json"]).expect_code(0).json();
    assert_eq!(
        planned.iter().map(|plan| plan["objects_copied"].as_u64()).collect::<Vec<_>>(),
        [Some(missing.len() as u64); 2]
    );
    for name in ["azure", "google"] {
        stores.forget_traffic();
        stores.run(&["mirror", "--store", name]).expect_code(0).expect_out("copied");
        assert_eq!(stores.asked(name, "PUT"), missing, "{name}");
        // What is no object of the vault's data is read to be verified: records and entries, all of them small.
        assert_eq!(packs(stores.asked("s3", "GET")), packs(missing.clone()), "{name}");
        assert!(packs(stores.asked(name, "GET")).is_empty(), "{name}");
        let ((_, read), (written, _)) = (stores.at("s3").proxy.moved(), stores.at(name).proxy.moved());
        for moved in [read, written] {
            assert!(moved >= size && moved < size + SLACK, "{name}: {moved} bytes for {size}");
        }
    }
    stores.are_level();

    // Nothing is missing: nothing is written, and no pack is read.
    stores.forget_traffic();
    stores.run(&["mirror"]).expect_code(0).expect_out("nothing is missing");
    for store in &stores.all {
        assert_eq!(stores.asked(store.name, "PUT"), BTreeSet::new());
        assert!(packs(stores.asked(store.name, "GET")).is_empty(), "{}", store.name);
        let (up, down) = store.proxy.moved();
        assert!(up + down < SLACK, "{}: {up} and {down} bytes for nothing", store.name);
    }
    stores.restore_from_each();
}

/// A machine, and the stores of its vault in their order.
pub(crate) struct Stores {
    pub(crate) world: World,
    pub(crate) all: Vec<One>,
}

/// A store, and the proxy through which the machine reaches it.
pub(crate) struct One {
    pub(crate) name: &'static str,
    pub(crate) direct: Place,
    pub(crate) proxy: Proxy,
}

impl Stores {
    /// A vault in these; only the first has anything yet.
    pub(crate) fn new(kinds: &[Kind]) -> Self {
        let one = |kind: &Kind| {
            let (direct, name) = match kind {
                Kind::S3 => (Place::new(*kind), "s3"),
                Kind::Azure => (Place::new(*kind), "azure"),
                Kind::Gcs => (Place::new(*kind), "google"),
            };
            One { name, proxy: Proxy::to(direct.address()), direct }
        };
        let stores = Self { world: World::new(), all: kinds.iter().map(one).collect() };
        stores.all[0].direct.run(&stores.world, ["init"]).expect_code(0);
        stores.world.write(CONFIG, stores.configuration());
        for store in &stores.all[1..] {
            stores.run(&["stores", "add", store.name]).expect_code(0);
        }
        stores.world.write("data/a", noise(300_000, 1));
        for at in 0..5usize {
            stores.world.write(&format!("data/small/{at}"), noise(at * 700, at as u64));
        }
        stores
    }

    fn configuration(&self) -> String {
        let store = |one: &One| {
            let place = one.direct.through(&one.proxy);
            let options = place.all_options();
            let options = options.iter().filter_map(|option| option.split_once('='));
            let options: String = options.map(|(key, value)| format!("{key} = {value:?}\n")).collect();
            format!("[[store]]\nname = {:?}\nurl = {:?}\n[store.options]\n{options}\n", one.name, place.url)
        };
        self.all.iter().map(store).collect()
    }

    /// The store of this name.
    pub(crate) fn at(&self, name: &str) -> &One {
        self.all.iter().find(|one| one.name == name).expect("a store")
    }

    /// The program with the configuration, and without a URL.
    pub(crate) fn command(&self, args: &[impl AsRef<str>]) -> Command {
        let mut command = self.patient(args);
        command.args(["--retry-max-time", "1s"]);
        command
    }

    /// The same with the patience that the program has by itself.
    fn patient(&self, args: &[impl AsRef<str>]) -> Command {
        let mut command = self.world.bare(args.iter().map(AsRef::as_ref));
        for one in &self.all {
            one.direct.add_secrets(&mut command);
        }
        command
    }

    /// Runs it to its end.
    pub(crate) fn run(&self, args: &[impl AsRef<str>]) -> Ran {
        run(&mut self.command(args))
    }

    /// A push of everything, that succeeds.
    pub(crate) fn push(&self) -> Value {
        self.run(&["push", "data", "--json"]).expect_code(0).last_json()
    }

    /// A restore of the newest snapshot that succeeds.
    fn restore(&self, out: &str) -> Ran {
        let ran = self.run(&restore_of(&self.world, "latest", out)).expect_code(0);
        same(&look(&self.world.path("data")), &look(&self.world.path(out)));
        ran
    }

    /// All stores have the same objects, with the same bytes.
    #[track_caller]
    pub(crate) fn are_level(&self) {
        let first = self.all[0].direct.objects();
        assert!(first.len() > 4);
        for other in &self.all[1..] {
            assert!(other.direct.objects() == first, "{} differs", other.name);
        }
    }

    /// The newest snapshot comes back from each store alone, on a machine that has never seen it.
    fn restore_from_each(&self) {
        let guest = World::new();
        for store in &self.all {
            let args = restore_of(&self.world, "latest", store.name);
            store.direct.run(&guest, args.iter().map(String::as_str).chain(["--ephemeral"])).expect_code(0);
            same(&look(&self.world.path("data")), &look(&guest.path(store.name)));
        }
    }

    fn forget_traffic(&self) {
        for store in &self.all {
            store.proxy.set([]);
        }
    }

    /// The objects of the vault that a store was asked for with this method.
    fn asked(&self, name: &str, method: &str) -> BTreeSet<String> {
        let seen = self.at(name).proxy.seen();
        let seen = seen.iter().filter(|seen| seen.method == method);
        let seen = seen
            .filter(|seen| !seen.target.contains("prefix="))
            .map(|seen| seen.target.replace("%2F", "/").replace("%2D", "-"));
        let object = |target: String| Some(target[target.find("zv1/")?..].split('?').next()?.to_owned());
        seen.filter_map(object).collect()
    }
}

fn packs(names: BTreeSet<String>) -> BTreeSet<String> {
    names.into_iter().filter(|name| name.starts_with("zv1/p/")).collect()
}

/// Where the machine has its configuration.
pub(crate) const CONFIG: &str = "user/.local/state/zvault/zvault.toml";
/// Lists, records, entries and the heads of all requests, for two copies.
const SLACK: u64 = 200_000;
