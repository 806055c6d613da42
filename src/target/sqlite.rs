//! Databases: checked as written, refused while open, swapped without a moment at which old and new mix.
//!
//! The danger is a `-wal` or `-journal` of the old database beside the new one: SQLite would play it into the new file.
//! So the side files go first, and for that the old database must not need them:
//!
//! 1. Nobody has it open: no process holds the file or a side file (where the system tells), and SQLite gives us the
//!    exclusive lock at once. Taking it rolls a hot journal back.
//! 2. Under the lock the log is checkpointed into the old file and cut to nothing. Now the old file alone is whole.
//! 3. Under the lock the side files are removed; a crash from here on leaves the whole old database.
//! 4. Under the lock the new file is renamed over the old one and the folder synced: the switch, one atomic step.
//! 5. The lock ends with the connection to the old inode. It was told not to checkpoint on close, which would unlink the
//!    `-wal` by name, and that could by now belong to a program that uses the new database.
//!
//! An old file that SQLite cannot open (encrypted, damaged, not a database) or that is gone cannot be checkpointed: its
//! side files are renamed aside (`.zvault-restore-...-wal`), the new file is renamed in, and only then are they removed. A
//! crash between leaves old file and side files both in the folder.
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags};
use rustix::fs::{AtFlags, RenameFlags};
use rustix::io::Errno;
use vault_format::Kind;

use super::error::TargetError;
use super::folder::{Folder, split};
use super::meta::Seen;
use super::sink::Beside;
use super::{Action, Shared};

/// Whether changes wait beside a database that its own size and time do not show.
pub(super) fn has_pending(folder: &Folder, name: &[u8]) -> bool {
    ["-wal", "-journal"]
        .iter()
        .any(|side| Seen::at(folder, &beside(name, side)).is_ok_and(|seen| seen.is_some_and(|seen| seen.size > 0)))
}

/// Refuses a database that anybody has open, before its new content is written.
pub(super) fn refuse_open(shared: &Shared, folder: &Folder, path: &[u8]) -> Result<(), TargetError> {
    refuse_holders(folder, path)?;
    hold(shared, path, false).map(drop)
}

/// Checks the copy that was written beside. A damaged one is refused where it would take the place of a file, and where
/// nothing is to be lost the user gets it with a word about it.
pub(super) fn check_copy(shared: &Shared, folder: &Folder, temp: &[u8], path: &[u8]) -> Result<(), TargetError> {
    let (folder_path, name) = split(path);
    let mut copy = place_of(shared, folder_path);
    copy.push(OsStr::from_bytes(temp));
    let what = match integrity(&copy) {
        Integrity::Whole => return Ok(()),
        Integrity::Damaged(what) => {
            let there = Seen::at(folder, name).map_err(|error| TargetError::io(path, "look at the database", error))?;
            if there.is_some() {
                return Err(TargetError::DatabaseDamaged { path: path.into(), what });
            }
            what
        }
        Integrity::Unknown(what) => what,
    };
    shared.problem(path, "vouch for the database", std::io::Error::other(what));
    Ok(())
}

/// Puts the checked copy in place of whatever is there.
pub(super) fn swap(
    shared: &Shared,
    folder: &Folder,
    temp: &[u8],
    path: &[u8],
    place: &Beside,
) -> Result<(), TargetError> {
    let (_, name) = split(path);
    let failed = |error| TargetError::io(path, "put the database in place", error);
    refuse_holders(folder, path)?;
    let old = Seen::at(folder, name).map_err(failed)?;
    if old.is_some() && place.action == Action::Create {
        return Err(TargetError::Collision { path: path.into() });
    }
    let is_file = old.is_some_and(|old| old.kind == Kind::File);
    if let Some(held) = if is_file { hold(shared, path, true)? } else { None } {
        for side in SIDES {
            remove(folder, &beside(name, side)).map_err(failed)?;
        }
        rustix::fs::fsync(folder).map_err(failed)?;
        rustix::fs::renameat(folder, temp, folder, name).map_err(failed)?;
        rustix::fs::fsync(folder).map_err(failed)?;
        // Somebody who opened the old file while it was locked will find it is no longer the database.
        if let Some(old) = old
            && let Some(process) = holder(&[old.id], false)
        {
            let error = std::io::Error::other(format!("process {process} opened it while it was replaced, restart it"));
            shared.problem(path, "keep everybody off the old database", error);
        }
        drop(held);
        return Ok(());
    }

    let mut moved = Vec::new();
    let aside = shared.temp_name();
    let switched = (|| {
        for side in SIDES {
            let (from, to) = (beside(name, side), beside(&aside, side));
            match rustix::fs::renameat(folder, &from, folder, &to) {
                Ok(()) => moved.push((from, to)),
                Err(Errno::NOENT) => {}
                Err(error) => return Err(failed(error)),
            }
        }
        rustix::fs::fsync(folder).map_err(failed)?;
        if old.is_none() {
            // Whatever has appeared meanwhile is not ours to replace.
            match rustix::fs::renameat_with(folder, temp, folder, name, RenameFlags::NOREPLACE) {
                Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => {}
                renamed => return renamed.map_err(failed),
            }
        }
        shared.put_in_place(folder, temp, path, place.over_folder)
    })();
    if let Err(error) = switched {
        for (from, to) in &moved {
            let _ = rustix::fs::renameat(folder, to, folder, from);
        }
        return Err(error);
    }
    rustix::fs::fsync(folder).map_err(failed)?;
    for (_, to) in &moved {
        remove(folder, to).map_err(failed)?;
    }
    Ok(())
}

/// The old database under its exclusive lock, whole in its file and with an empty log if so asked.
struct Held {
    /// Its end is the end of the lock.
    _connection: Connection,
}

/// `None`: SQLite cannot make anything of the file.
fn hold(shared: &Shared, path: &[u8], checkpoint: bool) -> Result<Option<Held>, TargetError> {
    let lock_database = || -> rusqlite::Result<Held> {
        let flags =
            OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_NOFOLLOW;
        let connection = Connection::open_with_flags(place_of(shared, path), flags)?;
        connection.busy_timeout(Duration::ZERO)?;
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
        // Exclusive before the first access: then a log is used without `-shm`, and the lock outlives the transaction. Any
        // other connection to a database with a log holds a shared lock for as long as it is open, so this fails then.
        let _: String = connection.query_row("PRAGMA locking_mode = EXCLUSIVE", [], |row| row.get(0))?;
        connection.execute_batch("BEGIN EXCLUSIVE; COMMIT")?;
        let mode: String = connection.query_row("PRAGMA journal_mode", [], |row| row.get(0))?;
        if checkpoint && mode.eq_ignore_ascii_case("wal") {
            let busy: i64 = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))?;
            if busy != 0 {
                return Err(rusqlite::Error::SqliteFailure(
                    rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_BUSY),
                    None,
                ));
            }
        }
        Ok(Held { _connection: connection })
    };
    match lock_database() {
        Ok(held) => Ok(Some(held)),
        Err(error) => match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
                Err(TargetError::DatabaseOpen { path: path.into(), process: None })
            }
            _ => Ok(None),
        },
    }
}

enum Integrity {
    Whole,
    Damaged(String),
    /// SQLite cannot tell: the schema needs something that only the application has.
    Unknown(String),
}

fn integrity(copy: &Path) -> Integrity {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY
        | OpenFlags::SQLITE_OPEN_URI
        | OpenFlags::SQLITE_OPEN_NO_MUTEX
        | OpenFlags::SQLITE_OPEN_NOFOLLOW;
    let connection = match Connection::open_with_flags(immutable_uri(copy), flags) {
        Ok(connection) => connection,
        Err(error) => return Integrity::Unknown(error.to_string()),
    };
    // The schema is as hostile as the rest of the snapshot.
    for (config, value) in [
        (DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true),
        (DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false),
        (DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, false),
    ] {
        if let Err(error) = connection.set_db_config(config, value) {
            return Integrity::Unknown(error.to_string());
        }
    }
    let complaints = |pragma: &str| -> rusqlite::Result<Vec<String>> {
        connection.prepare(pragma)?.query_map([], |row| row.get::<_, String>(0))?.collect()
    };
    let mut last = String::new();
    // Collations and functions of the application are missing here; the quick check does without most of them.
    for pragma in ["PRAGMA integrity_check(3)", "PRAGMA quick_check(3)"] {
        match complaints(pragma) {
            Ok(lines) if lines == ["ok"] && last.is_empty() => return Integrity::Whole,
            Ok(lines) if lines == ["ok"] => return Integrity::Unknown(last),
            Ok(lines) => return Integrity::Damaged(lines.join("; ")),
            Err(error) => match error.sqlite_error_code() {
                Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
                    return Integrity::Damaged(error.to_string());
                }
                _ => last = error.to_string(),
            },
        }
    }
    Integrity::Unknown(last)
}

/// Immutable: no lock and no side files, also for a database in WAL mode.
fn immutable_uri(path: &Path) -> String {
    let mut uri = String::from("file:");
    for &byte in path.as_os_str().as_bytes() {
        match byte {
            b'/' | b'.' | b'-' | b'_' | b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' => uri.push(char::from(byte)),
            _ => uri.push_str(&format!("%{byte:02X}")),
        }
    }
    uri.push_str("?immutable=1");
    uri
}

fn refuse_holders(folder: &Folder, path: &[u8]) -> Result<(), TargetError> {
    let (_, name) = split(path);
    let mut ids = Vec::new();
    for side in [""].iter().chain(&SIDES) {
        let seen = Seen::at(folder, &beside(name, side));
        if let Some(seen) = seen.map_err(|error| TargetError::io(path, "look at the database", error))?
            && seen.kind == Kind::File
        {
            ids.push(seen.id);
        }
    }
    match holder(&ids, true) {
        Some(process) => Err(TargetError::DatabaseOpen { path: path.into(), process: Some(process) }),
        None => Ok(()),
    }
}

/// A process that has one of these files open. In rollback mode a connection at rest holds no lock, so SQLite alone cannot
/// tell. Processes of other users are seen by root only.
#[cfg(target_os = "linux")]
fn holder(ids: &[(u64, u64)], this_process_too: bool) -> Option<u32> {
    use std::os::unix::fs::MetadataExt;
    if ids.is_empty() {
        return None;
    }
    let processes = std::fs::read_dir("/proc").ok()?;
    processes.flatten().filter_map(|process| process.file_name().to_str()?.parse::<u32>().ok()).find(|&process| {
        if process == std::process::id() && !this_process_too {
            return false;
        }
        let Ok(files) = std::fs::read_dir(format!("/proc/{process}/fd")) else {
            return false;
        };
        files.flatten().any(|file| {
            std::fs::metadata(file.path()).is_ok_and(|file| file.is_file() && ids.contains(&(file.dev(), file.ino())))
        })
    })
}

#[cfg(not(target_os = "linux"))]
fn holder(_ids: &[(u64, u64)], _this_process_too: bool) -> Option<u32> {
    None
}

fn remove(folder: &Folder, name: &[u8]) -> Result<(), Errno> {
    match rustix::fs::unlinkat(folder, name, AtFlags::empty()) {
        Err(Errno::NOENT) => Ok(()),
        removed => removed,
    }
}

fn beside(name: &[u8], side: &str) -> Vec<u8> {
    [name, side.as_bytes()].concat()
}

fn place_of(shared: &Shared, path: &[u8]) -> PathBuf {
    let mut place = shared.place.clone();
    if !path.is_empty() {
        place.push(OsStr::from_bytes(path));
    }
    place
}

const SIDES: [&str; 3] = ["-wal", "-shm", "-journal"];

#[cfg(test)]
mod tests {
    use super::super::testing::*;
    use super::super::*;
    use super::*;
    use std::fs;
    use std::io::{BufRead, BufReader, Write};
    use std::process::{Child, Command, Stdio};
    use vault_format::{Capture, Entry};

    /// A database with one row, as the bytes of its file.
    fn database(value: &str, mode: &str) -> Vec<u8> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("db");
        make(&path, value, mode);
        fs::read(path).unwrap()
    }

    fn make(path: &Path, value: &str, mode: &str) -> Connection {
        let connection = Connection::open(path).unwrap();
        let _: String = connection.query_row(&format!("PRAGMA journal_mode={mode}"), [], |row| row.get(0)).unwrap();
        connection.execute_batch("CREATE TABLE t(v); CREATE INDEX i ON t(v)").unwrap();
        connection.execute("INSERT INTO t VALUES (?1)", [value]).unwrap();
        connection.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)").unwrap();
        connection
    }

    fn value(path: &Path) -> String {
        let connection = Connection::open(path).unwrap();
        let check: String = connection.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
        assert_eq!(check, "ok");
        connection.query_row("SELECT group_concat(v) FROM t", [], |row| row.get(0)).unwrap()
    }

    fn captured(path: &str, content: &[u8]) -> Entry {
        let mut entry = file(path, content.len());
        entry.capture = Capture::Sqlite { page_size: 4096, wal: None };
        entry.mode = 0o640;
        entry
    }

    fn restore(place: &Place, content: &[u8]) -> Result<Outcome, TargetError> {
        root(&place.target(Overwrite::Always)).write_small(&captured("db", content), content)
    }

    /// A process that has the database open, at rest.
    struct Holder(Child);

    impl Holder {
        fn start(path: &Path) -> Self {
            let mut child = Command::new(std::env::current_exe().unwrap())
                .args(["--exact", "target::sqlite::tests::holds_a_database", "--ignored", "--nocapture"])
                .env("ZVAULT_TEST_HOLD", path)
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .stderr(Stdio::null())
                .spawn()
                .unwrap();
            let lines = BufReader::new(child.stdout.take().unwrap()).lines();
            assert!(lines.map_while(Result::ok).any(|line| line.contains("holding")));
            Self(child)
        }
    }

    impl Drop for Holder {
        fn drop(&mut self) {
            let _ = self.0.kill();
            let _ = self.0.wait();
        }
    }

    #[test]
    #[ignore = "the other process of the tests below"]
    fn holds_a_database() {
        let path = std::env::var_os("ZVAULT_TEST_HOLD").expect("started by another test");
        let connection = Connection::open(path).unwrap();
        let _: i64 = connection.query_row("SELECT count(*) FROM t", [], |row| row.get(0)).unwrap();
        std::io::stdout().write_all(b"\nholding\n").unwrap();
        std::io::stdin().lines().next();
    }

    #[test]
    fn restores_beside_and_puts_in_place() {
        for mode in ["delete", "wal"] {
            let place = Place::new();
            let content = database("new", mode);
            let target = place.target(Overwrite::Always);
            let sink = sink(root(&target).begin(&captured("db", &content)).unwrap());
            sink.write_at(0, &content).unwrap();
            assert!(!place.path("db").exists(), "not there before it is checked");
            assert_eq!(place.names("").len(), 1);
            assert_eq!(mode_of_only(&place), 0o600);
            assert_eq!(sink.finish().unwrap(), Action::Create);
            assert_eq!(place.names(""), ["db"]);
            assert_eq!((super::super::testing::mode(&place.path("db")), mtime(&place.path("db"))), (0o640, MTIME));
            assert_eq!(value(&place.path("db")), "new");
            assert!(target.take_problems().is_empty());
        }
    }

    fn mode_of_only(place: &Place) -> u32 {
        super::super::testing::mode(&place.path(&place.names("")[0]))
    }

    #[test]
    fn a_closed_database_is_replaced() {
        for mode in ["delete", "wal"] {
            let place = Place::new();
            drop(make(&place.path("db"), "old", mode));
            assert_eq!(restore(&place, &database("new", mode)).unwrap(), Outcome::Done(Action::Replace));
            assert_eq!(place.names(""), ["db"]);
            assert_eq!(value(&place.path("db")), "new");
        }
    }

    #[test]
    fn a_database_open_in_this_process_is_refused() {
        for mode in ["delete", "wal"] {
            let place = Place::new();
            let open = make(&place.path("db"), "old", mode);
            let content = database("new", mode);
            let refused = std::thread::scope(|scope| scope.spawn(|| restore(&place, &content)).join().unwrap());
            assert!(matches!(refused, Err(TargetError::DatabaseOpen { .. })), "{mode}: {refused:?}");
            // The application goes on as if nothing had been.
            open.execute("INSERT INTO t VALUES ('more')", []).unwrap();
            drop(open);
            assert_eq!(value(&place.path("db")), "old,more");
            assert_eq!(place.names(""), ["db"]);
        }
    }

    #[test]
    fn a_database_open_in_another_process_is_refused() {
        for mode in ["delete", "wal"] {
            let place = Place::new();
            drop(make(&place.path("db"), "old", mode));
            let holder = Holder::start(&place.path("db"));
            match restore(&place, &database("new", mode)) {
                Err(TargetError::DatabaseOpen { process, .. }) => {
                    assert_eq!(process, Some(holder.0.id()))
                }
                other => panic!("{mode}: {other:?}"),
            }
            drop(holder);
            assert_eq!(value(&place.path("db")), "old");
            restore(&place, &database("new", mode)).unwrap();
            assert_eq!(value(&place.path("db")), "new");
        }
    }

    #[test]
    fn sqlite_itself_notices_a_log_in_use_and_a_transaction() {
        let place = Place::new();
        let target = place.target(Overwrite::Always);
        let busy = |result| matches!(result, Err(TargetError::DatabaseOpen { .. }));
        let at_rest = make(&place.path("wal"), "old", "wal");
        assert!(busy(hold(&target.shared, b"wal", true).map(drop)));
        drop(at_rest);
        assert!(hold(&target.shared, b"wal", true).unwrap().is_some());
        let writing = make(&place.path("delete"), "old", "delete");
        writing.execute_batch("BEGIN IMMEDIATE").unwrap();
        assert!(busy(hold(&target.shared, b"delete", true).map(drop)));
    }

    #[test]
    fn opened_while_it_was_written_is_refused_too() {
        let place = Place::new();
        drop(make(&place.path("db"), "old", "wal"));
        let content = database("new", "wal");
        let sink = sink(root(&place.target(Overwrite::Always)).begin(&captured("db", &content)).unwrap());
        sink.write_at(0, &content).unwrap();
        let open = Connection::open(place.path("db")).unwrap();
        open.execute("INSERT INTO t VALUES ('more')", []).unwrap();
        assert!(matches!(sink.finish(), Err(TargetError::DatabaseOpen { .. })));
        drop(open);
        assert_eq!(value(&place.path("db")), "old,more");
        assert_eq!(place.names(""), ["db"]);
    }

    /// The files of a database whose program died: the last row is only in the log.
    fn crashed(place: &Place) {
        let live = tempfile::tempdir().unwrap();
        let open = make(&live.path().join("db"), "old", "wal");
        open.execute("INSERT INTO t VALUES ('in the log')", []).unwrap();
        for side in ["", "-wal", "-shm"] {
            fs::copy(live.path().join(format!("db{side}")), place.path(&format!("db{side}"))).unwrap();
        }
        assert!(fs::metadata(place.path("db-wal")).unwrap().len() > 0);
    }

    #[test]
    fn a_stale_log_does_not_reach_the_new_database() {
        let place = Place::new();
        crashed(&place);
        restore(&place, &database("new", "wal")).unwrap();
        assert_eq!(place.names(""), ["db"]);
        assert_eq!(value(&place.path("db")), "new");
    }

    #[test]
    fn before_the_switch_the_old_database_needs_no_log() {
        let place = Place::new();
        crashed(&place);
        let target = place.target(Overwrite::Always);
        let held = hold(&target.shared, b"db", true).unwrap();
        assert!(held.is_some());
        // A crash here, with the side files removed, loses nothing.
        let copy = Place::new();
        fs::copy(place.path("db"), copy.path("db")).unwrap();
        assert_eq!(value(&copy.path("db")), "old,in the log");
        assert_eq!(fs::metadata(place.path("db-wal")).unwrap().len(), 0);
        // The end of the lock touches no file by name: that may be the log of the new database.
        fs::remove_file(place.path("db-wal")).unwrap();
        fs::write(place.path("db-wal"), "of the new database").unwrap();
        drop(held);
        assert_eq!(fs::read(place.path("db-wal")).unwrap(), b"of the new database");
    }

    #[test]
    fn a_log_without_its_database_goes() {
        let place = Place::new();
        crashed(&place);
        fs::remove_file(place.path("db")).unwrap();
        restore(&place, &database("new", "wal")).unwrap();
        assert_eq!(place.names(""), ["db"]);
        assert_eq!(value(&place.path("db")), "new");
    }

    #[test]
    fn what_sqlite_cannot_open_is_replaced_with_its_side_files() {
        let place = Place::new();
        fs::write(place.path("db"), vec![0xa5; 8192]).unwrap();
        fs::write(place.path("db-wal"), "x").unwrap();
        fs::write(place.path("db-journal"), "x").unwrap();
        restore(&place, &database("new", "wal")).unwrap();
        assert_eq!(place.names(""), ["db"]);
        assert_eq!(value(&place.path("db")), "new");
    }

    #[test]
    fn changes_in_the_log_count_as_changes() {
        let place = Place::new();
        crashed(&place);
        let content = database("new", "wal");
        let mut entry = captured("db", &content);
        entry.size = fs::metadata(place.path("db")).unwrap().len();
        entry.mtime = mtime(&place.path("db"));
        entry.mode = super::super::testing::mode(&place.path("db"));
        assert_eq!(entry.size, content.len() as u64);
        let root = root(&place.target(Overwrite::IfChanged));
        assert_eq!(root.write_small(&entry, &content).unwrap(), Outcome::Done(Action::Replace));
        assert_eq!(value(&place.path("db")), "new");
    }

    #[test]
    fn a_damaged_copy_never_replaces_a_database() {
        let mut damaged = database("new", "delete");
        let end = damaged.len();
        damaged[end - 4096..end - 3000].fill(0xff);
        let place = Place::new();
        let alone = place.target(Overwrite::Always);
        root(&alone).write_small(&captured("alone", &damaged), &damaged).unwrap();
        assert_eq!(alone.take_problems().len(), 1, "the user gets it, with a word");

        let place = Place::new();
        drop(make(&place.path("db"), "old", "wal"));
        assert!(matches!(restore(&place, &damaged), Err(TargetError::DatabaseDamaged { .. })));
        assert!(matches!(restore(&place, b"not a database"), Err(TargetError::DatabaseDamaged { .. })));
        assert_eq!(value(&place.path("db")), "old");
        assert_eq!(place.names(""), ["db"]);
    }

    #[test]
    fn names_that_need_quoting() {
        let place = Place::new();
        let content = database("new", "wal");
        let name = "a?b#c%41 d";
        for _ in 0..2 {
            let target = place.target(Overwrite::Always);
            root(&target).write_small(&captured(name, &content), &content).unwrap();
            assert!(target.take_problems().is_empty());
        }
        assert_eq!(place.names(""), [name]);
        assert_eq!(immutable_uri(Path::new("/a?b#c%")), "file:/a%3Fb%23c%25?immutable=1");
    }

    #[test]
    fn collations_of_the_application_do_not_stop_a_restore() {
        let place = Place::new();
        let made = place.path("made");
        let connection = Connection::open(&made).unwrap();
        connection
            .execute_batch(
                "CREATE TABLE t(v TEXT COLLATE NOCASE);
                 CREATE INDEX i ON t(v);
                 INSERT INTO t VALUES ('b'), ('a');
                 PRAGMA writable_schema = ON;
                 UPDATE sqlite_schema SET sql = replace(sql, 'NOCASE', 'OUR_OWN')",
            )
            .unwrap();
        drop(connection);
        let content = fs::read(&made).unwrap();
        fs::remove_file(&made).unwrap();
        drop(make(&place.path("db"), "old", "wal"));
        let target = place.target(Overwrite::Always);
        root(&target).write_small(&captured("db", &content), &content).unwrap();
        assert_eq!(target.take_problems().len(), 1);
        assert_eq!(fs::read(place.path("db")).unwrap(), content);
    }

    #[test]
    fn two_databases_of_one_name() {
        let place = Place::new();
        let root = root(&place.target(Overwrite::Always));
        let content = database("first", "delete");
        let first = sink(root.begin(&captured("db", &content)).unwrap());
        let second = sink(root.begin(&captured("db", &content)).unwrap());
        first.write_at(0, &content).unwrap();
        second.write_at(0, &database("other", "delete")).unwrap();
        first.finish().unwrap();
        assert!(matches!(second.finish(), Err(TargetError::Collision { .. })));
        assert_eq!(value(&place.path("db")), "first");
        assert_eq!(place.names(""), ["db"]);
    }
}
