//! Two machines, one vault: the real program on both sides, each with a home of its own.
mod ends;
mod joins;
mod network;
mod terminal;

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command};

use serde_json::Value;

use crate::runner::{Ran, World, ended, run, tree};

/// A machine with a vault that holds a snapshot of one file.
fn sponsor() -> World {
    let world = World::with_vault();
    let file = world.write("data/letter", "from the first machine");
    world.run(["push".as_ref(), file.as_os_str()]).expect_code(0);
    world
}

/// The same of suite `0x02`.
fn fips_sponsor() -> World {
    with_fips_vault(World::new())
}

pub(crate) fn with_fips_vault(world: World) -> World {
    world.run(["init", "--suite", "fips", "--no-recovery-key"]).expect_code(0);
    let file = world.write("data/letter", "from the first machine");
    world.run(["push".as_ref(), file.as_os_str()]).expect_code(0);
    world
}

/// A device that invites and waits.
pub(crate) struct Inviting {
    child: Child,
    lines: BufReader<ChildStdout>,
    pub(crate) ticket: String,
    words: Vec<String>,
    address: Option<String>,
}

impl Inviting {
    pub(crate) fn start(world: &World, args: &[&str]) -> Self {
        let mut all = vec!["pair", "--json", "--yes", "--listen", "127.0.0.1"];
        all.extend(args);
        Self::spawned(&mut world.command(all))
    }

    fn spawned(command: &mut Command) -> Self {
        let mut child = command.spawn().expect("it starts");
        let mut lines = BufReader::new(child.stdout.take().expect("it is piped"));
        let first = next(&mut lines);
        let Some(shown) = first.filter(|line| line["message_type"] == "ticket") else {
            panic!("no ticket: {}", Ran::from(child.wait_with_output().expect("it ends")).err);
        };
        let text = |value: &Value| value.as_str().expect("text").to_owned();
        let words = text(&shown["words"]).split(' ').map(str::to_owned).collect();
        let address = shown["addresses"].as_array().expect("a list").first().map(text);
        assert_eq!(next(&mut lines).expect("a line")["message_type"], "waiting");
        Self { child, lines, ticket: text(&shown["ticket"]), words, address }
    }

    /// The next thing that it says.
    fn next(&mut self) -> Option<Value> {
        next(&mut self.lines)
    }

    /// As if its machine had been switched off.
    pub(crate) fn stop(mut self) {
        self.child.kill().expect("it runs");
        self.child.wait().expect("it ends");
    }

    /// Waits for its end.
    pub(crate) fn end(self) -> Ran {
        ended(self.child)
    }
}

fn next(lines: &mut BufReader<ChildStdout>) -> Option<Value> {
    let mut line = String::new();
    lines.read_line(&mut line).expect("UTF-8");
    (!line.is_empty()).then(|| serde_json::from_str(&line).expect("JSON"))
}

/// A machine that knows nothing joins.
pub(crate) fn join(world: &World, args: &[&str]) -> Ran {
    let mut all = vec!["pair", "--json"];
    all.extend(args);
    run(&mut world.bare(all))
}

/// The machine is an ordinary device of the sponsor's vault: it needs neither URL nor passphrase.
#[track_caller]
pub(crate) fn assert_member(world: &World) {
    run(&mut world.bare(["ls", "latest"])).expect_code(0).expect_out("letter");
    let target = world.path("restored");
    run(&mut world.bare(["restore", "latest", "--target", target.to_str().expect("UTF-8")])).expect_code(0);
    assert!(tree(&target).values().any(|content| content == b"from the first machine"));
    let file = world.write("data/own", "from this machine");
    run(&mut world.bare(["push", file.to_str().expect("UTF-8")])).expect_code(0);
    assert!(!unfinished(world));
}

/// What this machine keeps of vaults.
fn kept(world: &World) -> Vec<PathBuf> {
    tree(&world.path("user")).into_keys().filter(|path| path.to_string_lossy().contains("vaults/")).collect()
}

fn unfinished(world: &World) -> bool {
    kept(world).iter().any(|path| path.ends_with("joining"))
}

/// Roster records in the vault.
fn records(world: &World) -> usize {
    // Whoever is killed while it writes leaves a file beside the place.
    tree(&world.path("vault/zv1/r")).keys().filter(|path| !path.to_string_lossy().contains('#')).count()
}

/// Objects that a pairing left in the vault.
fn mail(world: &World) -> usize {
    let folder = world.path("vault/zv1/m");
    if folder.exists() { tree(&folder).len() } else { 0 }
}
