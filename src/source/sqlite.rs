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
        _ => return Err(NotCapturable::NotADatabase { path: path.to_owned() }),
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
        Check::Damaged(finding) => return Err(NotCapturable::Damaged { path: path.to_owned(), finding }),
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
        let access = if way == Way::Owner { OpenFlags::SQLITE_OPEN_READ_WRITE } else { OpenFlags::SQLITE_OPEN_READ_ONLY };
        let flags = access | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_EXRESCODE;
        let connection = match way {
            Way::Alone => Connection::open_with_flags(immutable_uri(path), flags | OpenFlags::SQLITE_OPEN_URI)?,
            _ => Connection::open_with_flags(path, flags)?,
        };
        connection.busy_timeout(wait)?;
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
        let line = String::from_utf8_lossy(row.get_ref(0)?.as_bytes()?).into_owned();
        // "NULL value in t.x", "non-INTEGER value in t.x", "TEXT value in t.x": wrong values in sound pages.
        if line != "ok" && !line.contains(" value in ") {
            return Ok(Some(line));
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
                Err(error) if error.kind() == io::ErrorKind::NotFound && !side.is_empty() => continue,
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

/// Coarser than the time stamps of file systems on a running kernel (one to ten milliseconds).
const TICK: Duration = Duration::from_millis(30);

/// MAX_PATHNAME of SQLite's Unix layer, less the longest side file's ending.
const SQLITE_PATH_BYTES: usize = 512 - 9;

const COPY: &str = "database";
