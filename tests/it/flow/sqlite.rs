//! Databases that an application writes to all the time.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rusqlite::Connection;

use super::look::{look, same};
use super::machine::noise;
use crate::runner::{World, tree};

#[test]
fn a_database_in_wal_mode_under_constant_writes() {
    under_constant_writes("WAL");
}

#[test]
fn a_database_in_delete_mode_under_constant_writes() {
    under_constant_writes("DELETE");
}

#[test]
fn a_database_in_persist_mode_under_constant_writes() {
    under_constant_writes("PERSIST");
}

#[test]
fn broken_and_encrypted_databases_are_marked() {
    let world = World::with_vault();
    let good = world.path("data/good.db");
    fs::create_dir(world.path("data")).expect("a folder");
    make(&good, "DELETE");
    let mut encrypted = b"SQLite format 3\0".to_vec();
    encrypted.extend_from_slice(&[16, 0, 1, 1, 0, 64, 32, 32]);
    encrypted.extend(noise(40_936, 1));
    world.write("data/encrypted.db", &encrypted);
    let mut broken = fs::read(&good).expect("a database");
    let end = broken.len();
    broken[5000..end / 2].copy_from_slice(&noise(end / 2 - 5000, 2));
    world.write("data/broken.db", &broken);
    world.write("data/broken.db-wal", "kept, because nothing has it");
    // No header at all: just a file.
    world.write("data/cipher.db", noise(40_960, 3));

    // A reader of a database with a log may leave an index of it behind, so: as it was before.
    let before = look(&world.path("data"));
    let ran = world.run(["push", "data"]).expect_code(3).expect_err("encrypted.db").expect_err("broken.db");
    assert!(ran.err.contains("read as a plain file"), "{}", ran.err);
    assert!(!ran.err.contains("good.db") && !ran.err.contains("cipher.db"), "{}", ran.err);
    world.run(["snapshots"]).expect_code(0).expect_out("incomplete");
    restore(&world, "latest", "out");
    same(&before, &look(&world.path("out")));

    // It stays marked as long as it is so, also when it did not change.
    world.run(["push", "data"]).expect_code(3).expect_err("broken.db");
    world.run(["push", "data", "--no-sqlite"]).expect_code(0);
}

#[test]
fn an_open_database_is_not_replaced() {
    let world = World::with_vault();
    fs::create_dir(world.path("data")).expect("a folder");
    let path = world.path("data/app.db");
    make(&path, "WAL");
    world.run(["push", "data"]).expect_code(0);
    let connection = Connection::open(&path).expect("opened");
    connection.execute("insert into log (note) values ('after')", []).expect("written");
    let whole = format!("latest:{}", world.path("data").to_str().expect("UTF-8"));
    let target = world.path("data").to_str().expect("UTF-8").to_owned();
    let args = ["restore", &whole, "-t", &target, "--overwrite", "always"];
    world.run(args).expect_code(1).expect_err("app.db").expect_err("open");
    let count: i64 = connection.query_row("select count(*) from log", [], |row| row.get(0)).expect("a count");
    assert_eq!(count, 1, "the database was touched");

    // A stale log beside it would be played into what was restored.
    drop(connection);
    fs::write(world.path("data/app.db-wal"), noise(40_000, 4)).expect("written");
    world.run(args).expect_code(0);
    assert!(!world.path("data/app.db-wal").exists());
    assert_eq!(verified(&path), 0);
}

/// Not a test: the application, in a process of its own. Moves money about until it is told to stop.
#[test]
#[ignore = "the second process of the tests above"]
fn the_application() {
    let path = PathBuf::from(std::env::var_os(APPLICATION).expect("a database"));
    let mut connection = Connection::open(&path).expect("opened");
    connection.busy_timeout(Duration::from_secs(20)).expect("a timeout");
    connection.pragma_update(None, "synchronous", "OFF").expect("a pragma");
    let mode: String = connection.query_row("pragma journal_mode", [], |row| row.get(0)).expect("a mode");
    // PERSIST belongs to the connection, not to the file.
    if mode != "wal" {
        let wanted = std::env::var(MODE).expect("a mode");
        connection.pragma_update(None, "journal_mode", wanted).expect("a mode");
    }
    let stop = path.with_extension("stop");
    for round in 0u64.. {
        if stop.exists() {
            return;
        }
        let transaction = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate);
        let transaction = transaction.expect("a transaction");
        let (from, to) = (round * 7919 % ACCOUNTS, round * 104_729 % ACCOUNTS);
        let step = |sql: &str, id: u64| transaction.execute(sql, [id as i64]).expect("updated");
        step("update account set balance = balance - 5 where id = ?", from);
        step("insert into log (note) values (hex(randomblob(200 + ? % 50)))", round);
        step("update account set balance = balance + 5 where id = ?", to);
        transaction.execute("update counter set rounds = rounds + 1", []).expect("updated");
        transaction.commit().expect("committed");
        if round % 500 == 0 {
            fs::write(path.with_extension("running"), "").expect("written");
        }
    }
}

fn under_constant_writes(mode: &str) {
    let world = World::with_vault();
    fs::create_dir(world.path("data")).expect("a folder");
    let path = world.path("data/app.db");
    make(&path, mode);
    let application = Application::start(&path, mode);
    for _ in 0..4 {
        let ran = world.run(["push", "data", "--json", "-e", "app.stop", "-e", "app.running"]).expect_code(0);
        assert_eq!(ran.last_json()["databases"], 1, "{}", ran.out);
        std::thread::sleep(Duration::from_millis(100));
    }
    application.stop();

    let mut before = 0;
    for back in (0..4).rev() {
        let out = format!("out{back}");
        restore(&world, &format!("latest~{back}"), &out);
        let files: Vec<_> = tree(&world.path(&out)).into_keys().collect();
        assert_eq!(files, [PathBuf::from("app.db")], "side files are inside the capture");
        let rounds = verified(&world.path(&format!("{out}/app.db")));
        assert!(rounds >= before, "{rounds} after {before}");
        before = rounds;
    }
    assert!(before > 0, "the application did nothing");
    world.run(["check", "--read-data"]).expect_code(0);
}

fn make(path: &Path, mode: &str) {
    let connection = Connection::open(path).expect("made");
    connection.pragma_update(None, "journal_mode", mode).expect("a mode");
    connection.execute_batch(
        "create table account (id integer primary key, balance integer, filler text);
         create table log (id integer primary key, note text);
         create index log_notes on log (note);
         create table counter (rounds integer);
         insert into counter values (0);",
    ).expect("tables");
    let filler = "f".repeat(300);
    connection.execute_batch("begin").expect("begun");
    for id in 0..ACCOUNTS {
        connection.execute("insert into account values (?, 100, ?)", (id as i64, &filler)).expect("inserted");
    }
    connection.execute_batch("commit").expect("committed");
}

/// The number of rounds in a restored copy, if nothing is lost or half done.
#[track_caller]
fn verified(path: &Path) -> i64 {
    let connection = Connection::open(path).expect("opened");
    let text: String = connection.query_row("pragma integrity_check", [], |row| row.get(0)).expect("a check");
    assert_eq!(text, "ok");
    let number = |sql: &str| connection.query_row(sql, [], |row| row.get::<_, i64>(0)).expect("a number");
    assert_eq!(number("select sum(balance) from account"), 100 * ACCOUNTS as i64, "money is lost");
    let rounds = number("select rounds from counter");
    assert_eq!(number("select count(*) from log"), rounds, "half a transaction");
    rounds
}

fn restore(world: &World, snapshot: &str, out: &str) {
    let part = format!("{snapshot}:{}", world.path("data").to_str().expect("UTF-8"));
    world.run(["restore", &part, "-t", out]).expect_code(0);
}

struct Application(Child, PathBuf);

impl Application {
    fn start(path: &Path, mode: &str) -> Self {
        let mut command = Command::new(std::env::current_exe().expect("this program"));
        command.args(["flow::sqlite::the_application", "--exact", "--ignored"]);
        command.env(APPLICATION, path).env(MODE, mode).stdout(Stdio::null());
        let child = command.spawn().expect("it starts");
        let end = Instant::now() + Duration::from_secs(20);
        while !path.with_extension("running").exists() {
            assert!(Instant::now() < end, "the application does not start");
            std::thread::sleep(Duration::from_millis(10));
        }
        Self(child, path.to_owned())
    }

    fn stop(mut self) {
        fs::write(self.1.with_extension("stop"), "").expect("written");
        assert!(self.0.wait().expect("it ends").success(), "the application failed");
    }
}

impl Drop for Application {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

const ACCOUNTS: u64 = 2000;
const APPLICATION: &str = "APPLICATION_DATABASE";
const MODE: &str = "APPLICATION_MODE";
