//! The file: opening it, and whether it is ours.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, TransactionBehavior};

use super::error::StoreOpenError;
use super::table;

/// `reev`, in the header of the file: what program it belongs to.
const APPLICATION_ID: i64 = 0x7265_6576;
/// The layout of the table. The next one comes with the step that leads there from this one.
const SCHEMA: i64 = 1;
/// How long another program may hold the file before a call fails: longer than a backup's
/// copy of a page, shorter than a caller's patience.
const BUSY: Duration = Duration::from_secs(5);

/// Opens the file, made if it is missing, and checks all of it.
///
/// # Errors
/// [`StoreOpenError`]: it is not a store, damaged, of a newer reeve, or cannot be written.
pub(super) fn open(path: &Path) -> Result<Connection, StoreOpenError> {
    create(path)?;
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection =
        Connection::open_with_flags(path, flags).map_err(StoreOpenError::sqlite("open", path))?;
    connection
        .busy_timeout(BUSY)
        .map_err(StoreOpenError::sqlite("set a time limit for", path))?;
    // Before anything is written: what is not ours stays as it is.
    recognise(&connection, path)?;
    prepare(&connection).map_err(StoreOpenError::sqlite("set up", path))?;
    check(&connection, path)?;
    lay_out(&mut connection).map_err(StoreOpenError::sqlite("write to", path))?;
    Ok(connection)
}

/// Makes an empty file, which SQLite takes for an empty database, if there is none. Only the host's user
/// may read it: it holds settings and ids. What SQLite puts beside it gets the same mode.
fn create(path: &Path) -> Result<(), StoreOpenError> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).mode(0o600);
    match options.clone().create_new(true).open(path) {
        Ok(_) => sync_dir(path).map_err(StoreOpenError::io("make durable", path)),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => options
            .open(path)
            .map(drop)
            .map_err(StoreOpenError::io("open for reading and writing", path)),
        Err(error) => Err(StoreOpenError::io("create", path)(error)),
    }
}

/// Makes the file's name durable.
fn sync_dir(path: &Path) -> io::Result<()> {
    let dir = match path.parent() {
        Some(dir) if !dir.as_os_str().is_empty() => dir,
        _ => Path::new("."),
    };
    File::open(dir)?.sync_all()
}

/// Refuses a file that is neither a store that can be read here nor empty.
fn recognise(connection: &Connection, path: &Path) -> Result<(), StoreOpenError> {
    let number = |sql| connection.query_row(sql, [], |row| row.get::<_, i64>(0));
    let read = || -> rusqlite::Result<_> {
        Ok((
            number("PRAGMA application_id")?,
            number("PRAGMA user_version")?,
            number("SELECT count(*) FROM sqlite_schema")?,
        ))
    };
    match read().map_err(StoreOpenError::sqlite("read", path))? {
        (0, 0, 0) | (APPLICATION_ID, SCHEMA, _) => Ok(()),
        (APPLICATION_ID, found, _) if found > SCHEMA => Err(StoreOpenError::Newer {
            path: path.to_owned(),
            found,
            known: SCHEMA,
        }),
        (application_id, user_version, tables) => Err(StoreOpenError::NotAStore {
            path: path.to_owned(),
            found: format!(
                "it is an SQLite database with application id {application_id}, user version \
                 {user_version} and {tables} tables and indexes, of some other program"
            ),
        }),
    }
}

fn prepare(connection: &Connection) -> rusqlite::Result<()> {
    // With a write-ahead log a commit is one write and one sync, and other programs can read meanwhile.
    connection.query_row("PRAGMA journal_mode = WAL", [], |_| Ok(()))?;
    // In that mode anything less keeps commits in the system's memory until the next checkpoint.
    connection.execute_batch("PRAGMA synchronous = FULL")?;
    // The file is data: nothing in it is run.
    connection.execute_batch("PRAGMA trusted_schema = OFF")
}

/// Reads all pages: damage should be told at the start, and not when a worker is needed.
fn check(connection: &Connection, path: &Path) -> Result<(), StoreOpenError> {
    let found: String = connection
        .query_row("PRAGMA quick_check(1)", [], |row| row.get(0))
        .map_err(StoreOpenError::sqlite("check", path))?;
    if found == "ok" {
        return Ok(());
    }
    Err(StoreOpenError::Damaged {
        path: path.to_owned(),
        found,
    })
}

/// Makes the table if the file is empty, and finds out in any case whether it can be written.
fn lay_out(connection: &mut Connection) -> rusqlite::Result<()> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    // Whoever opened the file at the same time may have made it meanwhile.
    let tables: i64 =
        transaction.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    if tables == 0 {
        transaction.execute_batch(table::CREATE)?;
        transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    }
    // Written in any case: beginning a transaction would not tell that the file is read-only or the disk full.
    transaction.pragma_update(None, "user_version", SCHEMA)?;
    transaction.commit()
}
