//! Every fault, at every request of an init, a push and a restore: it succeeds with the right data, or it fails with
//! the right exit code and the next run succeeds. Nothing valid is lost, nothing invalid is accepted.

use crate::machine::noise;
use crate::place::{Kind, Place, restore_of};
use crate::runner::{Ran, World, tree};
use crate::servers::proxy::{Fault, Proxy, Reply, Rule, When};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

/// One request goes wrong, and is repeated: what passes is survived.
#[test]
fn one_request_of_s3_fails() {
    every(Kind::S3, &passing());
}

/// The same where there is another dialect of errors. What a fault does to the program is the same, so here are those
/// whose replies it has to understand.
#[test]
fn one_request_of_azure_fails() {
    every(Kind::Azure, &understood());
}

#[test]
fn one_request_of_google_fails() {
    every(Kind::Gcs, &understood());
}

/// From one request on all go wrong, and nothing is repeated: what does not pass is told, and harms nothing.
#[test]
fn the_network_is_gone_from_one_request_on() {
    let kinds = lasting();
    thread::scope(|scope| {
        for case in &kinds {
            scope.spawn(move || {
                Vault::new(Kind::S3)
                    .each(case, &["--retry-max-time", "0"], |n| Rule::when(When::From(n), case.fault.clone()));
            });
        }
    });
}

/// What an init tries the store for is no less important than the vault.
#[test]
fn an_init_that_is_disturbed_while_it_tries_the_store() {
    let direct = Place::new(Kind::S3);
    let proxy = Proxy::to(direct.address());
    for (n, fault) in [(5, Fault::ResetBefore), (8, Fault::LoseReply), (12, Fault::TruncateReply)] {
        proxy.set([Rule::nth(n, fault.clone()), Rule::nth(n + 20, fault)]);
        let (place, world) = (direct.clone().below(&format!("{n}")).through(&proxy), World::new());
        place.run(&world, ["init"]).expect_code(0);
        assert!(proxy.seen().iter().any(|seen| seen.fault.is_some()));
        proxy.set([]);
        place.run(&world, ["snapshots"]).expect_code(0);
        assert!(direct.names().iter().all(|name| !name.contains("doctor")), "{:?}", direct.names());
    }
}

/// A fault, and what may come of it.
struct Case {
    fault: Fault,
    /// Exit codes beside 0.
    codes: &'static [i32],
    /// Whether it is tried on inits, too.
    inits: bool,
}

impl Case {
    fn with_inits(self) -> Self {
        Self { inits: true, ..self }
    }
}

fn case(fault: Fault, codes: &'static [i32]) -> Case {
    Case { fault, codes, inits: false }
}

fn passing() -> Vec<Case> {
    let busy = Reply::s3(503, "SlowDown").header("Retry-After: 1");
    let more = [
        case(Fault::Latency(Duration::from_millis(300)), &[]),
        case(Fault::Reply(busy), &[]),
        case(Fault::Reply(Reply::s3(500, "InternalError")), &[]),
        case(Fault::ResetBefore, &[]).with_inits(),
        case(Fault::ResetWithin, &[]),
        case(Fault::ResetAfter, &[]),
        case(Fault::StallBefore, &[]),
        case(Fault::StallWithin, &[]),
        case(Fault::FlipRequest, &[]),
        // A list with a name that is none, and no word of what it was, is seen later, or makes a vault look damaged.
        case(Fault::FlipReply, &[10, 14, 15]).with_inits(),
    ];
    understood().into_iter().map(Case::with_inits).chain(more).collect()
}

fn understood() -> Vec<Case> {
    vec![case(Fault::ReplyAfter(Reply::status(500)), &[]), case(Fault::LoseReply, &[]), case(Fault::TruncateReply, &[])]
}

fn lasting() -> Vec<Case> {
    vec![
        case(Fault::ResetBefore, &[15]).with_inits(),
        case(Fault::LoseReply, &[15]).with_inits(),
        case(Fault::TruncateReply, &[15]),
        case(Fault::Reply(Reply::s3(503, "ServiceUnavailable")), &[15]),
        case(Fault::Reply(Reply::s3(403, "AccessDenied")), &[13]),
        case(Fault::Reply(Reply::s3(507, "QuotaExceeded")), &[15]),
        case(Fault::FlipRequest, &[15]),
        case(Fault::FlipReply, &[10, 14, 15]),
    ]
}

/// Each fault has a vault and a thread of its own: most of the time is waiting.
fn every(kind: Kind, cases: &[Case]) {
    thread::scope(|scope| {
        for case in cases {
            scope.spawn(move || {
                Vault::new(kind).each(case, &["--retry-max-time", "30s"], |n| Rule::nth(n, case.fault.clone()));
            });
        }
    });
}

/// A vault behind a proxy, and what must be in it.
struct Vault {
    world: World,
    proxy: Proxy,
    /// Where there is room for other vaults beside this one.
    bucket: Place,
    direct: Place,
    place: Place,
    /// The trees of all snapshots that were reported as done.
    done: Vec<(String, BTreeMap<PathBuf, Vec<u8>>)>,
}

impl Vault {
    fn new(kind: Kind) -> Self {
        let bucket = Place::new(kind);
        let proxy = Proxy::to(bucket.address());
        let direct = bucket.clone().below("vault");
        let (bucket, place) = (bucket.through(&proxy), direct.through(&proxy));
        let world = World::new();
        for at in 0..4usize {
            world.write(&format!("data/small/{at}"), noise(at * 9000, at as u64));
        }
        world.write("data/large", noise(3 << 20, 5));
        Self { world, proxy, bucket, direct, place, done: Vec::new() }
    }

    /// A fault at every request of a restore and of a push, and where the case says so of an init.
    fn each(mut self, case: &Case, more: &[&str], rule: impl Fn(u64) -> Rule) {
        if case.inits {
            self.inits(case, more, &rule);
        }
        self.direct.run(&self.world, ["init"]).expect_code(0);
        // While there is little to read: pushes make more of it.
        self.direct.run(&self.world, ["push", "data"]).expect_code(0);
        self.restores(case, more, &rule);
        self.pushes(case, more, &rule);
        self.proxy.set([]);
        self.direct.run(&self.world, ["check", "--read-data"]).expect_code(0);
        // What was reported as done is there, all of it. Most differ in one file only, so a few tell.
        let step = (self.done.len() / 4).max(1);
        for (at, (id, tree)) in self.done.iter().enumerate().filter(|(at, _)| at % step == 0) {
            let out = format!("out {at}");
            self.direct.run(&self.world, restore_of(&self.world, id, &out)).expect_code(0);
            assert!(crate::runner::tree(&self.world.path(&out)) == *tree, "{id} differs");
        }
        let listed = self.direct.run(&self.world, ["snapshots", "--json"]).expect_code(0).last_json();
        for (id, _) in &self.done {
            let is_there =
                |listed: &serde_json::Value| listed["id"].as_str().is_some_and(|full| full.starts_with(id.as_str()));
            assert!(listed.as_array().is_some_and(|all| all.iter().any(is_there)), "{id} is gone");
        }
    }

    /// Beside the roster, an init tries what the store can do: that is many requests, and counts as one here.
    fn inits(&self, case: &Case, more: &[&str], rule: &impl Fn(u64) -> Rule) {
        let once = |n: u64| {
            // A vault of its own each time.
            let world = World::new();
            let place = self.bucket.clone().below(&format!("init/{n}"));
            let tries = ["zv1-doctor", "?delete", "comp=batch"];
            self.proxy.set([tries.iter().fold(rule(n), |rule, part| rule.except(part))]);
            let ran = self.check(case, "init", n, &|| place.run(&world, ["init"].iter().chain(more)));
            let was_hit = self.was_hit();
            self.proxy.set([]);
            let again = place.run(&world, ["init"]);
            // What failed after all was written is done.
            let made = again.code == Some(1) && again.err.contains("already");
            assert!(again.code == Some(0) || made, "init again after {:?} at {n}: {}", case.fault, again.err);
            assert!(ran.code != Some(0) || made, "an init that was done is not there");
            place.run(&world, ["snapshots"]).expect_code(0);
            was_hit
        };
        assert!(up_to_the_end(once) > 1, "an init is more than one request");
    }

    fn pushes(&mut self, case: &Case, more: &[&str], rule: &impl Fn(u64) -> Rule) {
        let mut done = Vec::new();
        let mut keep = |ran: &Ran| {
            let id = ran.last_json()["snapshot_id"].as_str().expect("an id").to_owned();
            done.push((id, tree(&self.world.path("data"))));
        };
        let count = up_to_the_end(|n| {
            self.world.write("data/changed", noise(50_000, 1000 + n));
            self.proxy.set([rule(n)]);
            let ran = self
                .check(case, "push", n, &|| self.place.run(&self.world, ["push", "data", "--json"].iter().chain(more)));
            let was_hit = self.was_hit();
            self.proxy.set([]);
            match ran.code {
                Some(0) => keep(&ran),
                // Of one that was done, the next in the row is the proof.
                _ => keep(&self.direct.run(&self.world, ["push", "data", "--json"]).expect_code(0)),
            }
            was_hit
        });
        assert!(count > 3, "a push is at least a list, a pack, a delta and an entry: {count}");
        self.done = done;
    }

    fn restores(&self, case: &Case, more: &[&str], rule: &impl Fn(u64) -> Rule) {
        let expected = tree(&self.world.path("data"));
        let count = up_to_the_end(|n| {
            let out = format!("restored {n}");
            self.proxy.set([rule(n)]);
            // A machine that knows nothing: every object is read.
            let ran = self.check(case, "restore", n, &|| {
                let args = restore_of(&self.world, "latest", &out);
                let args = args.iter().map(String::as_str).chain(["--ephemeral"]).chain(more.iter().copied());
                crate::runner::run(self.place.command(&self.world, args).env("HOME", self.world.path("guest")))
            });
            let was_hit = self.was_hit();
            self.proxy.set([]);
            let folder = self.world.path(&out);
            if ran.code == Some(0) {
                assert!(tree(&folder) == expected, "{:?} at {n} restored something else", case.fault);
            } else if folder.exists() {
                for (name, content) in tree(&folder) {
                    assert!(
                        expected.get(&name) == Some(&content),
                        "{:?} at {n}: {} is wrong",
                        case.fault,
                        name.display()
                    );
                }
            }
            let _ = std::fs::remove_dir_all(folder);
            was_hit
        });
        assert!(count > 3, "a restore is at least a list, an entry, a delta and a pack: {count}");
    }

    /// Runs the program, which ends as the case says, and soon.
    fn check(&self, case: &Case, what: &str, n: u64, go: &dyn Fn() -> Ran) -> Ran {
        let began = Instant::now();
        let ran = go();
        let took = began.elapsed();
        let Some(code) = ran.code else { panic!("{what} died of {:?} at {n}: {}", case.fault, ran.err) };
        let is_right = code == 0 || case.codes.contains(&code);
        let seen = self.proxy.seen();
        assert!(
            is_right,
            "{what} with {:?} at {n} of {}: exit code {code}\n{}\n{seen:#?}",
            case.fault, self.direct.url, ran.err
        );
        assert!(took < Duration::from_secs(120), "{what} with {:?} at {n} took {took:?}", case.fault);
        ran
    }

    fn was_hit(&self) -> bool {
        self.proxy.seen().iter().any(|seen| seen.fault.is_some())
    }
}

/// Does it for 1, 2, 3 and so on until there was no such request any more; says how many there were.
fn up_to_the_end(mut once: impl FnMut(u64) -> bool) -> u64 {
    for n in 1..MOST {
        if !once(n) {
            return n - 1;
        }
    }
    panic!("more than {MOST} requests, for a few small files");
}

const MOST: u64 = 60;
