//! Captures of databases while others write to them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rusqlite::{Connection, OpenFlags};
use zvault::source::{SqliteCapture, Stability};

#[test]
fn captures_hold_while_another_process_writes_wal() {
    captures_hold("wal");
}

#[test]
fn captures_hold_while_another_process_writes_delete() {
    captures_hold("delete");
}

#[test]
fn a_crashed_writer_leaves_something_that_can_be_captured_wal() {
    crashed("wal");
}

#[test]
fn a_crashed_writer_leaves_something_that_can_be_captured_delete() {
    crashed("delete");
}

/// The other process: moves money between accounts until it is killed. Run by the tests above.
#[test]
#[ignore = "is the child process of other tests"]
fn writer() {
    let Some(path) = std::env::var_os(DATABASE) else {
        return;
    };
    let mut connection = Connection::open(path).expect("opens");
    connection.busy_timeout(Duration::from_secs(30)).expect("timeout");
    // Large transactions spill into the file before they end: the worst case for a crash.
    connection.execute_batch("PRAGMA cache_size = 5; PRAGMA synchronous = OFF").expect("pragma");
    for round in 1_i64.. {
        let transaction = connection.transaction().expect("begins");
        for step in 0..200 {
            let (from, to) = ((round * 7 + step * 13) % ACCOUNTS, (round * 11 + step * 17) % ACCOUNTS);
            transaction.execute("UPDATE account SET sum = sum - 5 WHERE id = ?1", [from]).expect("takes");
            transaction.execute("UPDATE account SET sum = sum + 5 WHERE id = ?1", [to]).expect("gives");
        }
        transaction.execute("INSERT INTO log VALUES (?1, randomblob(2000))", [round]).expect("notes");
        transaction.commit().expect("commits");
        // Without a breath it would have the lock for itself in the rollback modes.
        std::thread::sleep(Duration::from_millis(2));
    }
}

fn captures_hold(mode: &str) {
    let temp = tempfile::tempdir().expect("temp");
    let path = create(temp.path(), mode);
    let writer = Writer::start(&path);
    let mut rounds = Vec::new();
    for _ in 0..8 {
        let before = rounds_of(&path);
        let mut capture = SqliteCapture::open(&path).expect("captures");
        assert_eq!(capture.page_size(), 4096);
        assert_eq!(capture.wal().is_some(), mode == "wal");
        // Slowly, in odd pieces: the writer has time to spoil it.
        let image = drain(&mut capture, 300_001, Duration::from_millis(5));
        assert_eq!(capture.finish().expect("finishes"), Stability::Stable);
        let round = verify(&image, mode);
        assert!(round >= before, "{round} is older than {before}");
        rounds.push(round);
        // In a rollback mode the writer had to wait.
        let end = Instant::now() + Duration::from_secs(60);
        while rounds_of(&path) <= round {
            assert!(Instant::now() < end, "the writer does not go on");
            std::thread::sleep(Duration::from_millis(2));
        }
    }
    assert!(rounds.windows(2).all(|pair| pair[0] < pair[1]), "{rounds:?}");
    drop(writer);
}

fn crashed(mode: &str) {
    let temp = tempfile::tempdir().expect("temp");
    let mut side_files = 0;
    for attempt in 0..12 {
        let folder = temp.path().join(format!("{attempt}"));
        fs::create_dir(&folder).expect("folder");
        let path = create(&folder, mode);
        let writer = Writer::start(&path);
        std::thread::sleep(Duration::from_millis(attempt * 3));
        drop(writer);
        let side = folder.join(if mode == "wal" { "app.db-wal" } else { "app.db-journal" });
        let before = (fs::read(&path).expect("file"), fs::read(&side).ok());
        side_files += usize::from(before.1.as_ref().is_some_and(|bytes| !bytes.is_empty()));
        let mut capture = SqliteCapture::open(&path).expect("captures");
        let image = drain(&mut capture, 1 << 20, Duration::ZERO);
        assert_eq!(capture.finish().expect("finishes"), Stability::Stable);
        verify(&image, mode);
        // Neither the database nor what it needs to recover was touched.
        assert!(before == (fs::read(&path).expect("file"), fs::read(&side).ok()), "attempt {attempt}");
    }
    assert!(side_files > 0, "no writer was killed within a transaction");
}

struct Writer(Child);

impl Writer {
    fn start(path: &Path) -> Self {
        let begun = rounds_of(path);
        let child = Command::new(std::env::current_exe().expect("this program"))
            .args(["--exact", "writer", "--ignored"])
            .env(DATABASE, path)
            .stdout(Stdio::null())
            .spawn()
            .expect("runs");
        let end = Instant::now() + Duration::from_secs(60);
        while rounds_of(path) == begun {
            assert!(Instant::now() < end, "the writer does not write");
            std::thread::sleep(Duration::from_millis(1));
        }
        Self(child)
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.0.kill().and_then(|()| self.0.wait()).expect("ends");
    }
}

fn create(folder: &Path, mode: &str) -> PathBuf {
    let path = folder.join("app.db");
    let connection = Connection::open(&path).expect("opens");
    connection.pragma_update(None, "journal_mode", mode).expect("mode");
    let tables = "CREATE TABLE account (id INTEGER PRIMARY KEY, sum INTEGER, note BLOB);
        CREATE TABLE log (round INTEGER PRIMARY KEY, noise BLOB);
        CREATE INDEX by_sum ON account (sum);";
    connection.execute_batch(tables).expect("tables");
    let rows = "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < ?1 - 1)
        INSERT INTO account SELECT i, 1000, randomblob(700) FROM n";
    connection.execute(rows, [ACCOUNTS]).expect("rows");
    path
}

/// How far the writer has come. In this process, but before and after captures only.
fn rounds_of(path: &Path) -> i64 {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).expect("opens");
    connection.busy_timeout(Duration::from_secs(30)).expect("timeout");
    connection.query_row("SELECT coalesce(max(round), 0) FROM log", [], |row| row.get(0)).expect("counts")
}

fn drain(capture: &mut SqliteCapture, step: usize, pause: Duration) -> Vec<u8> {
    let mut image = Vec::new();
    let mut buf = vec![0; step];
    loop {
        match capture.read(&mut buf).expect("reads") {
            0 => break,
            len => image.extend_from_slice(&buf[..len]),
        }
        std::thread::sleep(pause);
    }
    assert_eq!(image.len() as u64, capture.size());
    image
}

/// The image by itself is a sound database, in the mode that it had, with no money lost. Returns the last round.
fn verify(image: &[u8], mode: &str) -> i64 {
    let temp = tempfile::tempdir().expect("temp");
    let path = temp.path().join("restored.db");
    fs::write(&path, image).expect("file");
    let connection = Connection::open(&path).expect("opens");
    let text = |sql: &str| connection.query_row(sql, [], |row| row.get::<_, String>(0)).expect("answers");
    let number = |sql: &str| connection.query_row(sql, [], |row| row.get::<_, i64>(0)).expect("answers");
    assert_eq!(text("PRAGMA integrity_check"), "ok");
    assert_eq!(text("PRAGMA journal_mode"), mode);
    assert_eq!(number("SELECT sum(sum) FROM account"), ACCOUNTS * 1000);
    let (count, last) = (number("SELECT count(*) FROM log"), number("SELECT coalesce(max(round), 0) FROM log"));
    assert_eq!(count, last);
    last
}

const DATABASE: &str = "SOURCE_TEST_DATABASE";
const ACCOUNTS: i64 = 5000;
