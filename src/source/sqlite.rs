//! SQLite databases: captured through SQLite under one read transaction, page by page.
//!
//! A copy of a database file and its `-wal` made while an application writes is no backup. The capture is the database
//! as of one moment, checked, with every page where it was; it needs none of the side files. The application's
//! database is never written to, never checkpointed.
//!
//! **Beware of POSIX locks.** They belong to the process: closing *any* descriptor of a database file drops the locks
//! that SQLite holds on it. So while a `SqliteCapture` lives, nothing in this process may open and close the plain
//! file: read the header with a `FileReader`, drop that, and only then capture (with the reader still alive under
//! another name, `SqliteCapture::open` would wait for it in vain). `FileReader` keeps away from files with several
//! hard links that are being captured; two sources that overlap must not be read at the same time.
//!
//! **What other processes feel.** In WAL mode nothing. In the rollback modes writers can prepare their transactions
//! but wait with the commit until the capture is dropped: read it fast, and drop it as soon as it is read.
//!
//! **Side files.** `-wal`, `-shm` and `-journal` of a captured database are inside the capture and must be left out of
//! the snapshot. The walk yields `app.db` before `app.db-wal`, in the same folder but not always next to it (`app.db0`
//! comes between). So whoever consumes the walk decides about a database before the next entries, notes the names of
//! the captured ones for as long as the walk is in that folder, and asks `is_side_file`. The side files of a database
//! that had to be read as a file are kept.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags};
use rustix::fs::{CWD, statat};
use tempfile::{NamedTempFile, TempDir};
use vault_format::entry::{Capture, Entry, Time};

use super::dir::{Meta, STAT, c_string};
use super::file::Stability;
use super::inode_guard::InodeGuard;
use super::walk::Found;

/// Whether the first bytes of a file are those of a SQLite database. Give at least `HEADER_BYTES`.
pub fn is_database(head: &[u8]) -> bool {
    page_size_of(head).is_some()
}

/// The database that `name` would be a side file of.
pub fn side_file_of(name: &[u8]) -> Option<&[u8]> {
    SIDE_FILES.iter().find_map(|end| name.strip_suffix(*end)).filter(|database| !database.is_empty())
}

/// Whether `name` is a side file of one of the databases that were captured in the same folder.
pub fn is_side_file(name: &[u8], captured_in_folder: &HashSet<Vec<u8>>) -> bool {
    side_file_of(name).is_some_and(|database| captured_in_folder.contains(database))
}

/// Size and modification time of the database's `-wal` file, if it has one that is not empty. A database is unchanged
/// when its own metadata and this are what they were at the last capture.
pub fn wal_state(found: &Found) -> Option<(u64, Time)> {
    let name = c_string(&[found.name(), b"-wal"].concat()).ok()?;
    wal_of(&found.dir.stat(&name).ok()?)
}

/// A consistent image of a database. Holds the read transaction until it is dropped.
#[derive(Debug)]
pub struct SqliteCapture {
    pages: Pages,
    page_size: u32,
    count: u32,
    /// The next byte of the image.
    at: u64,
    /// A page that was asked for in pieces: its number and its bytes.
    piece: (u32, Vec<u8>),
    wal: Option<(u64, Time)>,
    /// Nobody may have written to the file while it was captured, if its metadata is here.
    still: Option<(PathBuf, Meta)>,
    before: Meta,
    unchecked: Vec<String>,
    // Dropped after the connection.
    _copy: Option<TempDir>,
    _guard: InodeGuard,
}

impl SqliteCapture {
    /// Takes the snapshot and checks it. A symbolic link is followed, as SQLite does: the side files are beside what
    /// it points to. Waits for a locked database, but not for ever.
    pub fn open(path: &Path) -> Result<Self, NotCapturable> {
        Self::open_within(path, BUSY_WAIT)
    }

    /// The same, with the time to wait for a lock.
    pub fn open_within(path: &Path, wait: Duration) -> Result<Self, NotCapturable> {
        capture(path, wait, true)
    }

    /// Bytes of a page.
    pub fn page_size(&self) -> u32 {
        self.page_size
    }

    /// Bytes of the image: whole pages.
    pub fn size(&self) -> u64 {
        u64::from(self.page_size) * u64::from(self.count)
    }

    /// Size and modification time of the `-wal` file before the capture.
    pub fn wal(&self) -> Option<(u64, Time)> {
        self.wal
    }

    /// Tables that could not be checked because they need something that only the application has (a collation, a
    /// function, a module). Their pages were captured like all others.
    pub fn unchecked(&self) -> &[String] {
        &self.unchecked
    }

    /// Writes what is known of the capture into the database's entry: size, metadata as of before the capture, mark.
    pub fn describe(&self, entry: &mut Entry) {
        self.before.update(entry);
        entry.size = self.size();
        entry.holes = Vec::new();
        entry.capture = Capture::Sqlite { page_size: self.page_size, wal: self.wal };
    }

    /// The next bytes of the image; 0 at the end. Fastest with buffers of many pages.
    pub fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.size() - self.at).unwrap_or(usize::MAX).min(buf.len());
        let buf = &mut buf[..left];
        let filled = match &self.pages {
            Pages::File(file) => {
                file.read_exact_at(buf, self.at)?;
                left
            }
            Pages::Table(connection) => {
                let mut statement = connection.prepare_cached(ONE_PAGE).map_err(io::Error::other)?;
                let page_bytes = u64::from(self.page_size);
                let mut filled = 0;
                while filled < left {
                    let at = self.at + filled as u64;
                    let number = u32::try_from(at / page_bytes).unwrap_or(u32::MAX).saturating_add(1);
                    let skip = usize::try_from(at % page_bytes).unwrap_or(usize::MAX);
                    let whole = self.page_size as usize;
                    let rest = &mut buf[filled..];
                    if skip == 0 && rest.len() >= whole {
                        read_page(&mut statement, number, &mut rest[..whole])?;
                        filled += whole;
                        continue;
                    }
                    if self.piece.0 != number {
                        self.piece.1.resize(whole, 0);
                        read_page(&mut statement, number, &mut self.piece.1)?;
                        self.piece.0 = number;
                    }
                    let part = &self.piece.1[skip..];
                    let len = part.len().min(rest.len());
                    rest[..len].copy_from_slice(&part[..len]);
                    filled += len;
                }
                filled
            }
        };
        self.at += filled as u64;
        Ok(filled)
    }

    /// To be called after the last byte. `Changed`: a writer got in despite the lock, or there was no lock because no
    /// application had the database open; what was read may be torn, so capture once more, and if that changes too,
    /// read it as a file.
    pub fn finish(self) -> io::Result<Stability> {
        if self.at != self.size() {
            return Err(io::Error::other("the capture was not read to its end"));
        }
        match &self.still {
            // `stat` by path opens nothing.
            Some((path, before)) => Ok(Stability::of(look_at(path)?.differs(before))),
            None => Ok(Stability::Stable),
        }
    }
}

/// Why a file that looks like a database has to be read as a file, and marked `Capture::SqliteFallback`.
#[derive(Debug, thiserror::Error)]
pub enum NotCapturable {
    /// It has no header of a SQLite database.
    #[error("{} is no SQLite database", path.display())]
    NotADatabase {
        /// The file.
        path: PathBuf,
    },
    /// Somebody kept it locked for too long.
    #[error("the database {} stayed locked", path.display())]
    Busy {
        /// The database.
        path: PathBuf,
    },
    /// SQLite cannot read it: it is damaged, or encrypted by the application.
    #[error("SQLite cannot read the database {}: it is damaged or encrypted", path.display())]
    Unreadable {
        /// The database.
        path: PathBuf,
        /// What SQLite says.
        #[source]
        error: rusqlite::Error,
    },
    /// It can be read, but the check found damage.
    #[error("the database {} is damaged: {finding}", path.display())]
    Damaged {
        /// The database.
        path: PathBuf,
        /// The first thing that is wrong.
        finding: String,
    },
    /// SQLite takes paths of up to 511 bytes.
    #[error("the path of the database {} is too long for SQLite", path.display())]
    PathTooLong {
        /// The database.
        path: PathBuf,
    },
    /// The file or a temporary copy of it cannot be read or written.
    #[error("cannot read the database {}", path.display())]
    Io {
        /// The database.
        path: PathBuf,
        /// Why.
        #[source]
        error: io::Error,
    },
}

/// Where the pages of an image come from.
#[derive(Debug)]
enum Pages {
    /// The table `sqlite_dbpage`, under the connection's read transaction.
    Table(Connection),
    /// An image that has lost its name.
    File(File),
}

fn capture(path: &Path, wait: Duration, table: bool) -> Result<SqliteCapture, NotCapturable> {
    let end = Instant::now() + wait;
    let io = |error| NotCapturable::Io { path: path.to_owned(), error };
    let real = path.canonicalize().map_err(io)?;
    let before = settled(&real).map_err(io)?;
    let busy = || NotCapturable::Busy { path: path.to_owned() };
    let guard = InodeGuard::acquire((before.device, before.inode), wait).ok_or_else(busy)?;
    // Before SQLite has locks that closing this file would drop.
    let mut head = [0; HEADER_BYTES];
    let header = File::open(&real).and_then(|file| file.read_exact_at(&mut head, 0));
    match header {
        Err(error) if error.kind() != io::ErrorKind::UnexpectedEof => return Err(io(error)),
        Ok(()) if is_database(&head) => {}
        _ => {
            return Err(NotCapturable::NotADatabase { path: path.to_owned() });
        }
    }
    if real.as_os_str().len() > SQLITE_PATH_BYTES {
        return Err(NotCapturable::PathTooLong { path: path.to_owned() });
    }
    let wal = look_at(&beside(&real, "-wal")).ok().and_then(|wal| wal_of(&wal));
    let journal = look_at(&beside(&real, "-journal")).is_ok();
    let wal_mode = head[18] == 2;

    let mut copy = None;
    // In WAL mode the file itself only changes when the log is written back. Without a log it is the whole database,
    // and reading it as it is leaves no side files behind, which an ordinary reader does.
    let alone = wal_mode && wal.is_none() && !journal && before.settled();
    let opened = if alone { Opened::new(&real, Way::Alone, wait) } else { Opened::new(&real, Way::Reader, wait) };
    let opened = match opened {
        // A crashed application's log or journal: SQLite has to write to make use of it. It may write to a copy.
        Err(error) if needs_writing(&error) => {
            let folder = copy_of(&real, end).map_err(io)?.ok_or_else(busy)?;
            let opened = Opened::new(&folder.path().join(COPY), Way::Owner, wait);
            copy = Some(folder);
            opened
        }
        opened => opened,
    };
    let failed = |error: rusqlite::Error| match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => busy(),
        _ => NotCapturable::Unreadable { path: path.to_owned(), error },
    };
    let Opened { mut connection, page_size, count } = opened.map_err(failed)?;
    // From here on nobody writes to the file: in a rollback mode we hold the lock that forbids it.
    let still = match &copy {
        None if alone => Some((real, before)),
        None if !wal_mode => Some((real.clone(), look_at(&real).map_err(io)?)),
        _ => None,
    };
    let unchecked = match check(&connection).map_err(failed)? {
        Check::Damaged(finding) => {
            return Err(NotCapturable::Damaged { path: path.to_owned(), finding });
        }
        Check::Sound { unchecked } => unchecked,
    };
    let pages = if table && has_page_table(&connection).map_err(failed)? {
        Pages::Table(connection)
    } else {
        let image = backup(&mut connection).map_err(|error| match error {
            BackupError::Sqlite(error) => failed(error),
            BackupError::Io(error) => io(error),
        })?;
        Pages::File(image)
    };
    Ok(SqliteCapture {
        pages,
        page_size,
        count,
        at: 0,
        piece: (0, Vec::new()),
        wal,
        still,
        before,
        unchecked,
        _copy: copy,
        _guard: guard,
    })
}

/// How a database is opened.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    /// As one of several users, only reading.
    Reader,
    /// As a file that nobody writes to: no locks, no side files. `finish` verifies it.
    Alone,
    /// A copy of our own.
    Owner,
}

/// A connection with a read transaction.
struct Opened {
    connection: Connection,
    page_size: u32,
    count: u32,
}

impl Opened {
    fn new(path: &Path, way: Way, wait: Duration) -> rusqlite::Result<Self> {
        let access =
            if way == Way::Owner { OpenFlags::SQLITE_OPEN_READ_WRITE } else { OpenFlags::SQLITE_OPEN_READ_ONLY };
        let flags = access | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_EXRESCODE;
        let mut connection = match way {
            Way::Alone => Connection::open_with_flags(immutable_uri(path), flags | OpenFlags::SQLITE_OPEN_URI)?,
            _ => Connection::open_with_flags(path, flags)?,
        };
        // SQLite's own handler sleeps up to 100 ms: beside a busy writer it would find the lock free once in a blue moon.
        let end = Instant::now() + wait;
        connection.busy_handler(Some(move |_: i32| {
            std::thread::sleep(BUSY_STEP);
            Instant::now() < end
        }))?;
        // The database may be hostile, and it is not ours: nothing in it runs, nothing of it changes.
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, false)?;
        connection.execute_batch("PRAGMA ignore_check_constraints = ON; PRAGMA cell_size_check = ON; BEGIN")?;
        // The first read takes the snapshot.
        let number = |pragma| connection.pragma_query_value(None, pragma, |row| row.get::<_, u32>(0));
        number("schema_version")?;
        let (page_size, count) = (number("page_size")?, number("page_count")?);
        Ok(Self { connection, page_size, count })
    }
}

enum Check {
    Sound { unchecked: Vec<String> },
    Damaged(String),
}

/// `quick_check` of the snapshot. Values that break the application's own rules are its business, not damage.
fn check(connection: &Connection) -> rusqlite::Result<Check> {
    let error = match findings(connection, "PRAGMA main.quick_check(100)") {
        Ok(found) => {
            return Ok(found.map_or(Check::Sound { unchecked: Vec::new() }, Check::Damaged));
        }
        Err(error) => error,
    };
    // Something is missing that only the application has. Table by table, then.
    if error.sqlite_error_code() != Some(ErrorCode::Unknown) {
        return Err(error);
    }
    let mut unchecked = Vec::new();
    let mut list = connection.prepare("SELECT name FROM main.sqlite_schema WHERE type = 'table'")?;
    let names = list.query_map([], |row| row.get::<_, String>(0))?.collect::<Result<Vec<_>, _>>()?;
    for name in names {
        let quoted = name.replace('\'', "''");
        match findings(connection, &format!("PRAGMA main.quick_check('{quoted}')")) {
            Ok(None) => {}
            Ok(Some(finding)) => return Ok(Check::Damaged(finding)),
            Err(error) if error.sqlite_error_code() == Some(ErrorCode::Unknown) => unchecked.push(name),
            Err(error) => return Err(error),
        }
    }
    Ok(Check::Sound { unchecked })
}

/// The first line of a check that tells of damage.
fn findings(connection: &Connection, pragma: &str) -> rusqlite::Result<Option<String>> {
    let mut statement = connection.prepare(pragma)?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let text = String::from_utf8_lossy(row.get_ref(0)?.as_bytes()?).into_owned();
        // One row may hold many findings, a line each, under a heading of stars.
        // "NULL value in t.x", "non-INTEGER value in t.x", "TEXT value in t.x": wrong values in sound pages.
        let damage =
            |line: &&str| *line != "ok" && !line.is_empty() && !line.contains(" value in ") && !line.starts_with("***");
        if let Some(line) = text.lines().find(damage) {
            return Ok(Some(line.chars().take(FINDING_CHARS).collect()));
        }
    }
    Ok(None)
}

/// Whether this SQLite was built with the table (`.cargo/config.toml` sees to it, `cargo install` does not).
fn has_page_table(connection: &Connection) -> rusqlite::Result<bool> {
    let count = "SELECT count(*) FROM pragma_module_list WHERE name = 'sqlite_dbpage'";
    connection.query_row(count, [], |row| row.get::<_, bool>(0))
}

fn read_page(statement: &mut rusqlite::Statement<'_>, number: u32, page: &mut [u8]) -> io::Result<()> {
    let wrong = || io::Error::other(format!("page {number} of the database has a wrong size"));
    let mut rows = statement.query([number]).map_err(io::Error::other)?;
    let row = rows.next().map_err(io::Error::other)?.ok_or_else(wrong)?;
    let data = row.get_ref(0).map_err(io::Error::other)?.as_blob().map_err(io::Error::other)?;
    if data.len() != page.len() {
        return Err(wrong());
    }
    page.copy_from_slice(data);
    Ok(())
}

enum BackupError {
    Sqlite(rusqlite::Error),
    Io(io::Error),
}

/// An image by the Online Backup API, in a temporary file without a name. Differs from the original in the counters of
/// page 1.
fn backup(connection: &mut Connection) -> Result<File, BackupError> {
    let place = NamedTempFile::new().map_err(BackupError::Io)?;
    let copy = || -> rusqlite::Result<()> {
        let mut image = Connection::open(place.path())?;
        image.execute_batch("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF")?;
        let backup = rusqlite::backup::Backup::new(connection, &mut image)?;
        backup.step(-1).map(drop)
    };
    copy().map_err(BackupError::Sqlite)?;
    Ok(place.into_file())
}

fn needs_writing(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::ReadOnly | ErrorCode::CannotOpen))
}

/// A copy of the database and what it needs to recover, if nobody wrote meanwhile. Only without a connection.
fn copy_of(real: &Path, end: Instant) -> io::Result<Option<TempDir>> {
    loop {
        let folder = tempfile::tempdir()?;
        let mut steady = true;
        for side in ["", "-wal", "-journal"] {
            let from = beside(real, side);
            let before = match look_at(&from) {
                Ok(before) => before,
                Err(error) if error.kind() == io::ErrorKind::NotFound && !side.is_empty() => {
                    continue;
                }
                Err(error) => return Err(error),
            };
            let to = folder.path().join(format!("{COPY}{side}"));
            fs::copy(&from, &to)?;
            // The copy has the original's mode, and that may forbid to write.
            fs::set_permissions(&to, std::os::unix::fs::PermissionsExt::from_mode(0o600))?;
            steady &= !look_at(&from)?.differs(&before);
        }
        if steady {
            return Ok(Some(folder));
        }
        if Instant::now() >= end {
            return Ok(None);
        }
    }
}

fn look_at(path: &Path) -> io::Result<Meta> {
    Ok(Meta::new(&statat(CWD, path, STAT)?))
}

/// Metadata, read when the last change is long enough ago for the next one to show in the time stamps.
fn settled(path: &Path) -> io::Result<Meta> {
    let meta = look_at(path)?;
    if meta.settled() {
        return Ok(meta);
    }
    std::thread::sleep(TICK);
    look_at(path)
}

impl Meta {
    fn settled(&self) -> bool {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let changed = self.ctime.max(self.mtime);
        let changed = Duration::new(u64::try_from(changed.secs).unwrap_or(0), changed.nanos);
        // A time in the future says nothing.
        now.checked_sub(changed).is_some_and(|age| age >= TICK)
    }
}

fn wal_of(wal: &Meta) -> Option<(u64, Time)> {
    (wal.size > 0).then_some((wal.size, wal.mtime))
}

fn beside(database: &Path, side: &str) -> PathBuf {
    let mut path = database.as_os_str().to_owned();
    path.push(side);
    path.into()
}

fn immutable_uri(path: &Path) -> PathBuf {
    let mut uri = b"file:".to_vec();
    for &byte in path.as_os_str().as_bytes() {
        if byte.is_ascii_alphanumeric() || b"/._-".contains(&byte) {
            uri.push(byte);
        } else {
            uri.extend_from_slice(format!("%{byte:02X}").as_bytes());
        }
    }
    uri.extend_from_slice(b"?immutable=1");
    PathBuf::from(OsStr::from_bytes(&uri))
}

/// The page size in a header, if it is one. <https://sqlite.org/fileformat.html>, section 1.3.
fn page_size_of(head: &[u8]) -> Option<u32> {
    if head.len() < HEADER_BYTES || !head.starts_with(MAGIC) {
        return None;
    }
    let size = match u16::from_be_bytes([head[16], head[17]]) {
        1 => 65_536,
        size => u32::from(size),
    };
    // Then the fixed payload fractions.
    (size.is_power_of_two() && size >= 512 && head[21..24] == [64, 32, 32]).then_some(size)
}

/// Bytes of the header of a database.
pub const HEADER_BYTES: usize = 100;

const MAGIC: &[u8; 16] = b"SQLite format 3\0";

const SIDE_FILES: [&[u8]; 3] = [b"-wal", b"-shm", b"-journal"];

const ONE_PAGE: &str = "SELECT data FROM sqlite_dbpage WHERE pgno = ?1";

/// How long a locked database is waited for.
const BUSY_WAIT: Duration = Duration::from_secs(10);

/// How often it is tried.
const BUSY_STEP: Duration = Duration::from_millis(1);

/// Coarser than the time stamps of file systems on a running kernel (one to ten milliseconds).
const TICK: Duration = Duration::from_millis(30);

/// MAX_PATHNAME of SQLite's Unix layer, less the longest side file's ending.
const SQLITE_PATH_BYTES: usize = 512 - 9;

const COPY: &str = "database";

/// What a message shows of a finding.
const FINDING_CHARS: usize = 200;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::{Walk, WalkOptions};

    fn database(folder: &Path, mode: &str, sql: &str) -> (PathBuf, Connection) {
        let path = folder.join("app.db");
        let connection = Connection::open(&path).expect("opens");
        connection.pragma_update(None, "journal_mode", mode).expect("mode");
        connection.execute_batch("CREATE TABLE t (x, y); CREATE INDEX i ON t (y)").expect("table");
        let rows = "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 2000)
            INSERT INTO t SELECT i, hex(randomblob(50)) FROM n";
        connection.execute_batch(rows).expect("rows");
        connection.execute_batch(sql).expect("statements");
        (path, connection)
    }

    fn drain(capture: &mut SqliteCapture, step: usize) -> Vec<u8> {
        let (mut image, mut buf) = (Vec::new(), vec![0; step]);
        loop {
            match capture.read(&mut buf).expect("reads") {
                0 => return image,
                len => image.extend_from_slice(&buf[..len]),
            }
        }
    }

    fn image_of(path: &Path) -> Vec<u8> {
        let mut capture = SqliteCapture::open(path).expect("captures");
        let image = drain(&mut capture, 100_000);
        assert_eq!(capture.finish().expect("finishes"), Stability::Stable);
        image
    }

    fn sound(image: &[u8]) -> i64 {
        let temp = tempfile::tempdir().expect("temp");
        let path = temp.path().join("image");
        fs::write(&path, image).expect("file");
        let connection = Connection::open(&path).expect("opens");
        let check: String = connection.query_row("PRAGMA integrity_check", [], |row| row.get(0)).expect("checks");
        assert_eq!(check, "ok");
        connection.query_row("SELECT count(*) FROM t", [], |row| row.get(0)).expect("counts")
    }

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).expect("folder");
        let mut names: Vec<_> =
            entries.map(|entry| entry.expect("entry").file_name().into_string().expect("name")).collect();
        names.sort();
        names
    }

    #[test]
    fn headers_are_told_from_others() {
        let temp = tempfile::tempdir().expect("temp");
        let (path, _connection) = database(temp.path(), "delete", "");
        let head = fs::read(path).expect("file")[..HEADER_BYTES].to_vec();
        assert!(is_database(&head));
        assert!(!is_database(&head[..99]));
        for (at, value) in [(0, b's'), (15, 1), (16, 3), (17, 1), (21, 0)] {
            let mut other = head.clone();
            other[at] = value;
            assert!(!is_database(&other), "{at}");
        }
    }

    #[test]
    fn side_files_belong_to_captured_databases_only() {
        let captured = HashSet::from([b"app.db".to_vec()]);
        for name in ["app.db-wal", "app.db-shm", "app.db-journal"] {
            assert!(is_side_file(name.as_bytes(), &captured));
        }
        for name in ["app.db", "app.db-walx", "other.db-wal", "-wal", "app.db-wal-wal", "xapp.db-wal"] {
            assert!(!is_side_file(name.as_bytes(), &captured), "{name}");
        }
    }

    #[test]
    fn an_idle_database_is_captured_byte_for_byte_and_nothing_is_left_beside_it() {
        for mode in ["delete", "wal", "truncate", "persist"] {
            let temp = tempfile::tempdir().expect("temp");
            let (path, connection) = database(temp.path(), mode, "");
            drop(connection);
            let before = names(temp.path());
            let folder = look_at(temp.path()).expect("stat");
            assert_eq!(image_of(&path), fs::read(&path).expect("file"), "{mode}");
            assert_eq!(names(temp.path()), before);
            assert!(!look_at(temp.path()).expect("stat").differs(&folder));
        }
    }

    #[test]
    fn all_page_sizes_and_odd_buffers() {
        for size in [512, 1024, 4096, 65_536] {
            let temp = tempfile::tempdir().expect("temp");
            let path = temp.path().join("app.db");
            let connection = Connection::open(&path).expect("opens");
            connection.pragma_update(None, "page_size", size).expect("size");
            connection.execute_batch("CREATE TABLE t (x); INSERT INTO t VALUES (zeroblob(300000))").expect("rows");
            drop(connection);
            let file = fs::read(&path).expect("file");
            for step in [1000, 512, 70_001, 1 << 20] {
                let mut capture = SqliteCapture::open(&path).expect("captures");
                assert_eq!((capture.page_size(), capture.size()), (size, file.len() as u64));
                assert!(drain(&mut capture, step) == file, "{size} {step}");
            }
        }
    }

    #[test]
    fn what_is_in_the_log_is_in_the_capture() {
        let temp = tempfile::tempdir().expect("temp");
        let (path, connection) =
            database(temp.path(), "wal", "PRAGMA wal_checkpoint(TRUNCATE); DELETE FROM t WHERE x >= 5");
        let file = fs::read(&path).expect("file");
        let log = fs::metadata(temp.path().join("app.db-wal")).expect("log");
        let mut capture = SqliteCapture::open(&path).expect("captures");
        assert_eq!(capture.wal().map(|wal| wal.0), Some(log.len()));
        // Written after the snapshot: not in it.
        connection.execute_batch("DELETE FROM t").expect("deletes");
        let image = drain(&mut capture, 9999);
        assert_eq!(capture.finish().expect("finishes"), Stability::Stable);
        assert_eq!(sound(&image), 5);
        assert_eq!(image[18..20], [2, 2]);
        assert_eq!(fs::read(&path).expect("file"), file, "nothing was checkpointed");
        let mut found = Walk::start(&path, WalkOptions::default()).expect("root").next().expect("one").expect("found");
        assert!(wal_state(&found).is_some_and(|wal| wal.0 > log.len()));
        let capture = SqliteCapture::open(&path).expect("captures");
        capture.describe(&mut found.entry);
        assert_eq!(found.entry.size, capture.size());
        assert_eq!(found.entry.capture, Capture::Sqlite { page_size: 4096, wal: wal_state(&found) });
    }

    #[test]
    fn the_backup_interface_does_as_well() {
        for mode in ["delete", "wal"] {
            let temp = tempfile::tempdir().expect("temp");
            let (path, connection) = database(temp.path(), mode, "DELETE FROM t WHERE x >= 7");
            let mut capture = capture(&path, BUSY_WAIT, false).expect("captures");
            assert!(matches!(capture.pages, Pages::File(_)));
            let image = drain(&mut capture, 5000);
            drop(connection);
            assert_eq!(sound(&image), 7);
            assert_eq!(image[18], if mode == "wal" { 2 } else { 1 });
        }
    }

    #[test]
    fn this_build_reads_pages_through_sqlite() {
        // Without this the build has lost .cargo/config.toml.
        let connection = Connection::open_in_memory().expect("opens");
        assert!(has_page_table(&connection).expect("asks"));
    }

    #[test]
    fn a_write_to_a_file_that_had_no_users_is_noticed() {
        let temp = tempfile::tempdir().expect("temp");
        let (path, connection) = database(temp.path(), "wal", "");
        drop(connection);
        let mut capture = SqliteCapture::open(&path).expect("captures");
        let _ = capture.read(&mut [0; 5000]).expect("reads");
        let other = Connection::open(&path).expect("opens");
        other.execute_batch("DELETE FROM t; PRAGMA wal_checkpoint(TRUNCATE)").expect("writes");
        while capture.read(&mut [0; 5000]).is_ok_and(|len| len > 0) {}
        capture.at = capture.size();
        assert_eq!(capture.finish().expect("finishes"), Stability::Changed);
        // The second time the application is there, and locks are used.
        assert_eq!(sound(&image_of(&path)), 0);
    }

    #[test]
    fn an_exclusive_lock_is_waited_for_and_then_given_up() {
        let temp = tempfile::tempdir().expect("temp");
        let (path, connection) = database(temp.path(), "delete", "BEGIN EXCLUSIVE");
        let begun = Instant::now();
        let locked = SqliteCapture::open_within(&path, Duration::from_millis(300));
        assert!(matches!(locked, Err(NotCapturable::Busy { .. })));
        assert!(begun.elapsed() >= Duration::from_millis(250));
        let other = path.clone();
        let waiting = std::thread::spawn(move || image_of(&other).len());
        std::thread::sleep(Duration::from_millis(100));
        connection.execute_batch("COMMIT").expect("commits");
        assert!(waiting.join().expect("captures") > 0);
    }

    #[test]
    fn damaged_and_encrypted_databases_are_refused() {
        let temp = tempfile::tempdir().expect("temp");
        let (path, connection) = database(temp.path(), "delete", "");
        drop(connection);
        let good = fs::read(&path).expect("file");
        let refused = |bytes: &[u8]| {
            fs::write(&path, bytes).expect("file");
            SqliteCapture::open(&path).err()
        };
        let mut torn = good.clone();
        torn[3 * 4096..7 * 4096].fill(0x5a);
        assert!(matches!(refused(&torn), Some(NotCapturable::Damaged { .. } | NotCapturable::Unreadable { .. })));
        // An encryption that leaves the header.
        let mut encrypted = good.clone();
        encrypted[100..].iter_mut().enumerate().for_each(|(at, byte)| *byte ^= (at * 31 % 255) as u8 + 1);
        assert!(matches!(refused(&encrypted), Some(NotCapturable::Unreadable { .. } | NotCapturable::Damaged { .. })));
        assert!(matches!(
            refused(&good[..10_000]),
            Some(NotCapturable::Unreadable { .. } | NotCapturable::Damaged { .. })
        ));
        assert!(matches!(refused(&good[..50]), Some(NotCapturable::NotADatabase { .. })));
        assert!(matches!(refused(&vec![1; 5000]), Some(NotCapturable::NotADatabase { .. })));
        assert!(refused(&good).is_none());
        fs::remove_file(&path).expect("removed");
        assert!(matches!(SqliteCapture::open(&path), Err(NotCapturable::Io { .. })));
    }

    #[test]
    fn what_only_the_application_knows_is_no_damage() {
        let temp = tempfile::tempdir().expect("temp");
        let odd = "CREATE TABLE c (x INTEGER NOT NULL CHECK (x > 0), y);
            PRAGMA ignore_check_constraints = ON;
            INSERT INTO c VALUES (-5, 1);
            PRAGMA writable_schema = ON;
            INSERT INTO sqlite_schema VALUES ('table', 'v', 'v', 0, 'CREATE VIRTUAL TABLE v USING nosuch(a)');
            UPDATE sqlite_schema SET sql = 'CREATE TABLE c (x INTEGER NOT NULL CHECK (own(x)), y NOT NULL COLLATE unicase)'
                WHERE name = 'c';";
        let (path, connection) = database(temp.path(), "delete", odd);
        drop(connection);
        let capture = SqliteCapture::open(&path).expect("captures");
        assert!(!capture.unchecked().contains(&"t".to_owned()));
    }

    #[test]
    fn links_and_odd_names_lead_to_the_database() {
        let temp = tempfile::tempdir().expect("temp");
        let folder = temp.path().join(OsStr::from_bytes(b"a?b%c#\xff &mode=rw"));
        fs::create_dir(&folder).expect("folder");
        let (path, connection) = database(&folder, "wal", "DELETE FROM t WHERE x >= 3");
        let link = temp.path().join("link.db");
        std::os::unix::fs::symlink(&path, &link).expect("link");
        let mut capture = SqliteCapture::open(&link).expect("captures");
        assert!(capture.wal().is_some());
        assert_eq!(sound(&drain(&mut capture, 5000)), 3);
        drop(capture);
        drop(connection);
        assert_eq!(sound(&image_of(&link)), 3);
    }

    #[test]
    fn hard_links_are_not_opened_during_a_capture() {
        let temp = tempfile::tempdir().expect("temp");
        let (path, connection) = database(temp.path(), "delete", "");
        let other = temp.path().join("other.db");
        fs::hard_link(&path, &other).expect("hard link");
        let capture = SqliteCapture::open(&path).expect("captures");
        let reader = std::thread::spawn(move || {
            let mut found =
                Walk::start(&other, WalkOptions::default()).expect("root").next().expect("one").expect("found");
            crate::source::FileReader::open(&mut found).map(drop).expect("opens");
            Instant::now()
        });
        std::thread::sleep(Duration::from_millis(200));
        // The lock is still there: a writer cannot commit.
        connection.busy_timeout(Duration::ZERO).expect("timeout");
        assert!(connection.execute_batch("BEGIN; DELETE FROM t; COMMIT").is_err());
        let dropped = Instant::now();
        drop(capture);
        assert!(reader.join().expect("reads") >= dropped);
        connection.execute_batch("COMMIT").expect("commits");
    }

    #[test]
    fn a_log_in_a_folder_that_cannot_be_written_is_captured_from_a_copy() {
        let temp = tempfile::tempdir().expect("temp");
        let (path, _connection) = database(temp.path(), "wal", "DELETE FROM t WHERE x >= 9");
        let fixed = temp.path().join("fixed");
        fs::create_dir(&fixed).expect("folder");
        for name in ["app.db", "app.db-wal"] {
            fs::copy(temp.path().join(name), fixed.join(name)).expect("copies");
        }
        let flags = |change: &str| std::process::Command::new("chattr").arg(change).arg(&fixed).output();
        if !flags("+i").is_ok_and(|done| done.status.success()) {
            #[allow(clippy::print_stderr)]
            return eprintln!("skipped: no right to make a folder immutable");
        }
        let path_in = fixed.join("app.db");
        let result = SqliteCapture::open(&path_in).map(|mut capture| drain(&mut capture, 5000));
        let left = names(&fixed);
        flags("-i").expect("runs");
        assert_eq!(sound(&result.expect("captures")), 9);
        assert_eq!(left, ["app.db", "app.db-wal"]);
        assert_ne!(path, path_in);
    }
}
