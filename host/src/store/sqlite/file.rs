//! Opens the file and checks that it is a store.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, TransactionBehavior};

use super::error::StoreOpenError;
use super::{ledger, table};

/// `reev`: marks the file as one of reeve in its header.
const APPLICATION_ID: i64 = 0x7265_6576;
/// The version of the table's layout. A new version needs a migration from this one.
const SCHEMA: i64 = 1;
/// How long another program may lock the file before a call fails: longer than a backup's copy of a
/// page, shorter than a caller waits.
const BUSY: Duration = Duration::from_secs(5);

/// Opens the file, creates it if missing, and checks all of it.
///
/// # Errors
/// [`StoreOpenError`]: the file is not a store, is damaged, is of a newer reeve, or cannot be
/// written.
pub(super) fn open(path: &Path) -> Result<Connection, StoreOpenError> {
    create(path)?;
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection =
        Connection::open_with_flags(path, flags).map_err(StoreOpenError::sqlite("open", path))?;
    connection
        .busy_timeout(BUSY)
        .map_err(StoreOpenError::sqlite("set a time limit for", path))?;
    // Before the first write, so that a foreign file stays unchanged.
    recognise(&connection, path)?;
    prepare(&connection).map_err(StoreOpenError::sqlite("set up", path))?;
    check(&connection, path)?;
    lay_out(&mut connection).map_err(StoreOpenError::sqlite("write to", path))?;
    Ok(connection)
}

/// Creates an empty file, which SQLite accepts as an empty database, if none exists. Only the
/// host's user may read it, because it contains settings and ids. SQLite gives its extra files the
/// same mode.
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

/// Refuses a file that is neither a known store nor empty.
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
    // With a write-ahead log, a commit is one write and one sync, and other programs can read at
    // the same time.
    connection.query_row("PRAGMA journal_mode = WAL", [], |_| Ok(()))?;
    // In this mode, any lower level would keep commits in memory until the next checkpoint.
    connection.execute_batch("PRAGMA synchronous = FULL")?;
    // The file is data: SQLite must not run code from its schema.
    connection.execute_batch("PRAGMA trusted_schema = OFF")
}

/// Reads all pages, so that damage is found at the start and not when a worker is needed.
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

/// Creates the table if the file is empty, and checks that the file can be written.
fn lay_out(connection: &mut Connection) -> rusqlite::Result<()> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    // Another process may have created the table since the check above.
    let tables: i64 =
        transaction.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    if tables == 0 {
        transaction.execute_batch(table::CREATE)?;
        transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    }
    transaction.execute_batch(table::CREATE_NUMBERS)?;
    transaction.execute_batch(ledger::CREATE)?;
    // Always written, because beginning a transaction does not reveal a read-only file or a full
    // disk.
    transaction.pragma_update(None, "user_version", SCHEMA)?;
    transaction.commit()
}
