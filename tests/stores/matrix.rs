//! Every fault, at every request of an init, a push and a restore: it succeeds with the right data, or it fails with
//! the right exit code and the next run succeeds. Nothing valid is lost, nothing invalid is accepted.

use crate::machine::noise;
use crate::place::{Kind, Place, restore_of};
use crate::runner::{Ran, World, run, tree};
use crate::servers::proxy::{Fault, Proxy, Reply, Rule, Seen, When};
use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

/// One request goes wrong, and is repeated: what passes is survived.
#[test]
fn one_request_of_s3_fails() {
    one_fails(Kind::S3, Share::Few);
}

#[test]
fn one_request_of_azure_fails() {
    one_fails(Kind::Azure, Share::Few);
}

#[test]
fn one_request_of_google_fails() {
    one_fails(Kind::Gcs, Share::Few);
}

/// From one request on all go wrong, and nothing is repeated: what does not pass is told, and harms nothing.
#[test]
fn s3_is_gone_from_one_request_on() {
    all_fail(Kind::S3, Share::Few);
}

#[test]
fn azure_is_gone_from_one_request_on() {
    all_fail(Kind::Azure, Share::Few);
}

#[test]
fn google_is_gone_from_one_request_on() {
    all_fail(Kind::Gcs, Share::Few);
}

/// `cargo test --test stores every_fault_at_every_request -- --ignored`
#[test]
#[ignore = "takes minutes"]
fn every_fault_at_every_request() {
    for kind in [Kind::S3, Kind::Azure, Kind::Gcs] {
        one_fails(kind, Share::All);
        all_fail(kind, Share::All);
    }
}

/// What an init tries the store for is no less important than the vault: a request that fails is repeated, and neither is
/// all the rest nor does the store seem to be another.
#[test]
fn an_init_that_is_disturbed_while_it_tries_the_store() {
    let direct = Place::new(Kind::S3);
    let undisturbed = init_through(&direct, "none", &[], false);
    assert_eq!(looks_at_the_end(&undisturbed), 0, "nobody looks for what cannot be there");
    let most = undisturbed.len() + AGAIN * 2;
    thread::scope(|scope| {
        for (number, case) in passing(Kind::S3).into_iter().enumerate().filter(|(_, case)| case.codes.is_empty()) {
            let direct = &direct;
            scope.spawn(move || {
                // Wherever in the row of requests, and twice.
                let n = 3 + number as u64 * 2;
                let rules = [Rule::nth(n, case.fault.clone()), Rule::nth(n + 10, case.fault.clone())];
                let stalls = matches!(case.fault, Fault::StallBefore | Fault::StallWithin);
                let seen = init_through(direct, &number.to_string(), &rules, stalls);
                let hits = seen.iter().filter(|seen| seen.fault.is_some()).count();
                assert_eq!(hits, 2, "{:?}", case.fault);
                assert!(seen.len() <= most, "{:?}: {} requests and not {most}", case.fault, seen.len());
            });
        }
    });
}

/// Makes a vault below this name, and says what was asked of the store for it.
fn init_through(direct: &Place, name: &str, rules: &[Rule], stalls: bool) -> Vec<Seen> {
    let proxy = Proxy::to(direct.address());
    proxy.set(rules.iter().cloned());
    let (place, world) = (direct.clone().below(name).through(&proxy), World::new());
    // Requests are counted: none is given up because the machine is busy, but for those that are never answered.
    let mut command = place.command(&world, ["init"]);
    command.env("ZVAULT_TEST_STALL", if stalls { "5" } else { "60" });
    let ran = run(&mut command).expect_code(0);
    assert!(!ran.err.contains("this store"), "{name}: {}", ran.err);
    let seen = proxy.seen();
    proxy.set([]);
    place.run(&world, ["snapshots"]).expect_code(0);
    let is_left = |other: &String| other.starts_with(&format!("{name}/")) && other.contains("doctor");
    let left: Vec<_> = direct.names().into_iter().filter(is_left).collect();
    // What was given up, the server may do when nobody looks any more: then it was looked for at the end.
    assert!(left.is_empty() || looks_at_the_end(&seen) >= 3, "{name}: {left:?} of {seen:#?}");
    seen
}

/// How often what the store was tried with was listed after the last of it was put there.
fn looks_at_the_end(seen: &[Seen]) -> usize {
    let is_try = |seen: &&Seen| seen.target.contains("zv1-doctor");
    let end = seen.iter().rev().filter(is_try).take_while(|seen| seen.method != "PUT");
    end.filter(|seen| seen.target.contains("list-type")).count()
}

/// A fault, and what may come of it.
struct Case {
    fault: Fault,
    /// Exit codes beside 0.
    codes: &'static [i32],
}

fn case(fault: Fault, codes: &'static [i32]) -> Case {
    Case { fault, codes }
}

impl Case {
    /// In a word or two.
    fn name(&self) -> String {
        match &self.fault {
            Fault::Reply(reply) => format!("Reply {}", reply.status),
            Fault::ReplyAfter(reply) => format!("ReplyAfter {}", reply.status),
            fault => format!("{fault:?}"),
        }
    }
}

fn passing(kind: Kind) -> Vec<Case> {
    vec![
        case(Fault::ReplyAfter(said(kind, Said::Late)), &[]),
        case(Fault::Reply(said(kind, Said::Busy).header("Retry-After: 1")), &[]),
        case(Fault::Reply(said(kind, Said::Broken)), &[]),
        case(Fault::LoseReply, &[]),
        case(Fault::TruncateReply, &[]),
        case(Fault::Latency(Duration::from_millis(300)), &[]),
        case(Fault::ResetBefore, &[]),
        case(Fault::ResetWithin, &[]),
        case(Fault::ResetAfter, &[]),
        case(Fault::StallBefore, &[]),
        case(Fault::StallWithin, &[]),
        case(Fault::FlipRequest, &[]),
        // A list with a name that is none, and no word of what it was, is seen later, or makes a vault look damaged or empty.
        case(Fault::FlipReply, &[2, 10, 14, 15]),
    ]
}

fn lasting(kind: Kind) -> Vec<Case> {
    vec![
        case(Fault::Reply(said(kind, Said::Unavailable)), &[15]),
        case(Fault::Reply(said(kind, Said::Denied)), &[13]),
        case(Fault::Reply(said(kind, Said::Full)), &[15]),
        case(Fault::ResetBefore, &[15]),
        case(Fault::LoseReply, &[15]),
        case(Fault::TruncateReply, &[15]),
        case(Fault::FlipRequest, &[15]),
        case(Fault::FlipReply, &[2, 10, 14, 15]),
    ]
}

/// What a server may have to say.
#[derive(Clone, Copy)]
enum Said {
    /// It did what was asked, and says that it did not.
    Late,
    Busy,
    Broken,
    Unavailable,
    Denied,
    Full,
}

/// The same in this server's words.
fn said(kind: Kind, what: Said) -> Reply {
    let (status, code) = match (what, kind) {
        (Said::Late, Kind::Azure) => (500, "OperationTimedOut"),
        (Said::Late, Kind::Gcs) => (503, "ServiceUnavailable"),
        (Said::Late, Kind::S3) => return Reply::status(500),
        (Said::Busy | Said::Unavailable, Kind::Azure) => (503, "ServerBusy"),
        (Said::Busy, Kind::S3) => (503, "SlowDown"),
        (Said::Busy, Kind::Gcs) => (429, "SlowDown"),
        // Google's front ends have a page for it.
        (Said::Broken, Kind::Gcs) => {
            return Reply::status(502).body("text/html", "<!DOCTYPE html>\n<html><title>Error 502</title></html>");
        }
        (Said::Broken, _) => (500, "InternalError"),
        (Said::Unavailable, _) => (503, "ServiceUnavailable"),
        (Said::Denied, Kind::Azure) => (403, "AuthorizationPermissionMismatch"),
        (Said::Denied, _) => (403, "AccessDenied"),
        (Said::Full, Kind::S3) => (507, "QuotaExceeded"),
        (Said::Full, _) => (507, "InsufficientStorage"),
    };
    let reply = Reply::s3(status, code);
    // Azure has its word in a header as well, and for a HEAD nowhere else.
    if kind == Kind::Azure { reply.header(format!("x-ms-error-code: {code}")) } else { reply }
}

fn one_fails(kind: Kind, share: Share) {
    every(kind, share, &passing(kind), &["--retry-max-time", "30s"], When::Nth);
}

fn all_fail(kind: Kind, share: Share) {
    every(kind, share, &lasting(kind), &["--retry-max-time", "0"], When::From);
}

/// Which requests a fault is tried at.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Share {
    All,
    /// All of S3, and most of the others where they have words of their own. What a connection does to the program does not
    /// depend on the server: there each fault has every fourth request, and each request every fourth fault.
    Few,
}

/// Each fault has a vault and a thread of its own: most of the time is waiting.
fn every(kind: Kind, share: Share, cases: &[Case], more: &[&str], when: fn(u64) -> When) {
    thread::scope(|scope| {
        for (number, case) in cases.iter().enumerate() {
            let has_words = matches!(case.fault, Fault::Reply(_) | Fault::ReplyAfter(_));
            let step = match (share, kind) {
                (Share::All, _) | (_, Kind::S3) => 1,
                (_, Kind::Azure) if has_words => 1,
                // It lists in short pages, so that each push makes the next one longer.
                (_, Kind::Gcs) if has_words => 2,
                _ => APART,
            };
            let at = At { first: 1 + number as u64 % step, step };
            scope.spawn(move || {
                let tell = |what: &str| {
                    if share == Share::All {
                        let _ = writeln!(std::io::stderr(), "{kind:?}, {}: {what}", case.name());
                    }
                };
                Vault::new(kind).each(case, at, more, &tell, |n| Rule::when(when(n), case.fault.clone()));
            });
        }
    });
}

/// The first request that a fault is tried at, and how far it is to the next.
#[derive(Clone, Copy)]
struct At {
    first: u64,
    step: u64,
}

impl At {
    /// How many requests there are at least where each is counted.
    fn least(self, count: u64) -> u64 {
        if self.step == 1 { count } else { 0 }
    }

    /// Does it for each of these requests until there is no such one any more. The last one that there was.
    fn up_to_the_end(self, mut once: impl FnMut(u64) -> bool) -> u64 {
        let mut last = 0;
        for n in (self.first..MOST).step_by(self.step as usize) {
            if !once(n) {
                return last;
            }
            last = n;
        }
        panic!("more than {MOST} requests, for a few small files");
    }
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

    /// A fault at these requests of an init, a restore and a push.
    fn each(mut self, case: &Case, at: At, more: &[&str], tell: &dyn Fn(&str), rule: impl Fn(u64) -> Rule) {
        let began = Instant::now();
        let inits = self.inits(case, at, more, &rule);
        tell(&format!("{inits} requests of an init, {:?}", began.elapsed()));
        assert!(inits >= at.least(2), "an init is more than one request: {inits}");
        self.direct.run(&self.world, ["init"]).expect_code(0);
        // While there is little to read: pushes make more of it.
        self.direct.run(&self.world, ["push", "data"]).expect_code(0);
        let restores = self.restores(case, at, more, &rule);
        assert!(restores > at.least(3), "a restore is at least a list, an entry, a delta and a pack: {restores}");
        tell(&format!("{restores} requests of a restore, {:?}", began.elapsed()));
        let pushes = self.pushes(case, at, more, &rule);
        tell(&format!("{pushes} requests of a push, {:?}", began.elapsed()));
        assert!(pushes > at.least(3), "a push is at least a list, a pack, a delta and an entry: {pushes}");
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
    fn inits(&self, case: &Case, at: At, more: &[&str], rule: &impl Fn(u64) -> Rule) -> u64 {
        let once = |n: u64| {
            // A vault of its own each time.
            let world = World::new();
            let place = self.bucket.clone().below(&format!("init/{n}"));
            // As each library writes it.
            let tries = ["zv1-doctor", "zv1%2Ddoctor", "?delete", "comp=batch"];
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
        at.up_to_the_end(once)
    }

    fn pushes(&mut self, case: &Case, at: At, more: &[&str], rule: &impl Fn(u64) -> Rule) -> u64 {
        let mut done = Vec::new();
        let mut keep = |ran: &Ran| {
            let id = ran.last_json()["snapshot_id"].as_str().expect("an id").to_owned();
            done.push((id, tree(&self.world.path("data"))));
        };
        let count = at.up_to_the_end(|n| {
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
        self.done = done;
        count
    }

    fn restores(&self, case: &Case, at: At, more: &[&str], rule: &impl Fn(u64) -> Rule) -> u64 {
        let expected = tree(&self.world.path("data"));
        at.up_to_the_end(|n| {
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
        })
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

const MOST: u64 = 100;
/// How far apart the requests are that a fault is tried at, where not at all.
const APART: u64 = 4;
/// Requests that may follow one that went wrong: a few repetitions, and a look at what it did.
const AGAIN: usize = 6;
