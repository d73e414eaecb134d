//! The table: one row per worker, with the record as JSON and one column per attribute of its
//! activity.

use std::collections::BTreeMap;

use reeve_core::id::{DecisionId, Version, WorkerId};
use reeve_core::store::{Activity, Committed, Refresh, Refreshed, Stored, WorkerRecord, Write};
use reeve_core::time::Instant;
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::error::TableError;

/// `STRICT`: SQLite refuses values of another type. The phase has its own column because a refresh
/// depends on it. It is only written together with the record.
pub(super) const CREATE: &str = "
    CREATE TABLE workers (
        worker       TEXT    NOT NULL PRIMARY KEY,
        version      INTEGER NOT NULL CHECK (version > 0),
        phase        TEXT    NOT NULL,
        record       TEXT    NOT NULL,
        handed_out_at INTEGER,
        delivered_at INTEGER,
        delivered    INTEGER NOT NULL DEFAULT 0,
        processed_at INTEGER,
        processed    INTEGER NOT NULL DEFAULT 0,
        heartbeat_at INTEGER,
        busy_until   INTEGER
    ) STRICT";

/// The last decision id that is reserved. Files of earlier versions lack the table.
pub(super) const CREATE_NUMBERS: &str = "
    CREATE TABLE IF NOT EXISTS numbers (
        name TEXT    NOT NULL PRIMARY KEY,
        last INTEGER NOT NULL CHECK (last >= 0)
    ) STRICT";

const RESERVE: &str = "
    INSERT INTO numbers (name, last) VALUES ('decisions', ?1 + ?2)
    ON CONFLICT (name) DO UPDATE SET last = max(last, ?1) + ?2
    RETURNING last";

const READ: &str = "
    SELECT handed_out_at, delivered_at, delivered, processed_at, processed, heartbeat_at, busy_until,
           version, phase, record
    FROM workers WHERE worker = ?1";

const READ_ALL: &str = "
    SELECT handed_out_at, delivered_at, delivered, processed_at, processed, heartbeat_at, busy_until,
           version, phase, record, worker
    FROM workers";

const COMMIT: &str = "
    INSERT INTO workers (worker, version, phase, record) VALUES (?1, ?2, ?3, ?4)
    ON CONFLICT (worker) DO UPDATE
    SET version = excluded.version, phase = excluded.phase, record = excluded.record";

const READ_ACTIVITY: &str = "
    SELECT handed_out_at, delivered_at, delivered, processed_at, processed, heartbeat_at, busy_until, phase
    FROM workers WHERE worker = ?1";

const REFRESH: &str = "
    UPDATE workers
    SET delivered_at = ?2, delivered = ?3, processed_at = ?4, processed = ?5,
        heartbeat_at = ?6, busy_until = ?7, handed_out_at = ?8
    WHERE worker = ?1";

/// The rows of all workers, each with why it cannot be read, if it cannot.
pub(super) type Rows = BTreeMap<WorkerId, Result<Stored, TableError>>;

/// A row before its JSON is parsed.
struct Found {
    activity: Activity,
    version: Version,
    phase: String,
    record: String,
}

pub(super) fn read(
    connection: &Connection,
    worker: &WorkerId,
) -> Result<Option<Stored>, TableError> {
    match find(connection, worker)? {
        Some(found) => Ok(Some(found.stored(worker)?)),
        None => Ok(None),
    }
}

/// Reads all rows. An unreadable row is an entry of its own: without one, its worker would look as
/// if it had no record.
pub(super) fn read_all(connection: &Connection) -> Result<Rows, TableError> {
    let mut statement = connection.prepare(READ_ALL)?;
    let mut rows = statement.query([])?;
    let mut records = BTreeMap::new();
    while let Some(row) = rows.next()? {
        let worker = match row.get::<_, String>(10) {
            Ok(name) => WorkerId::from(name),
            Err(error) => {
                let nameless = WorkerId::from("a worker without a name");
                records.insert(nameless.clone(), Err(sort(&nameless, error)));
                continue;
            }
        };
        let stored = Found::read(row)
            .map_err(|error| sort(&worker, error))
            .and_then(|found| found.stored(&worker));
        if let Err(TableError::Sqlite(error)) = stored {
            return Err(error.into());
        }
        records.insert(worker, stored);
    }
    Ok(records)
}

/// Compares the version, then writes the record. The caller's transaction makes both one step.
pub(super) fn commit(connection: &Connection, write: &Write) -> Result<Committed, TableError> {
    let current = find(connection, &write.worker)?;
    let version = current
        .as_ref()
        .map_or(Version::default(), |found| found.version);
    if version != write.expected {
        let current = current
            .map(|found| found.stored(&write.worker))
            .transpose()?;
        return Ok(lost(current, write));
    }
    if let (Some(found), Some(test)) = (&current, write.if_idle)
        && found.activity.in_use(test)
    {
        return Ok(Committed::InUse(found.activity));
    }
    let next = write.expected.next();
    let record = serde_json::to_string(&write.record).map_err(TableError::Unwritable)?;
    let phase = write.record.phase.as_str();
    let worker = write.worker.as_str();
    let mut commit = connection.prepare_cached(COMMIT)?;
    commit.execute(params![worker, whole(next.get()), phase, record])?;
    Ok(Committed::Written(next))
}

/// The result when the stored version differs. It may differ because an earlier attempt of this
/// same write succeeded.
fn lost(current: Option<Stored>, write: &Write) -> Committed {
    match current {
        Some(stored)
            if stored.version == write.expected.next() && stored.record == write.record =>
        {
            Committed::Written(stored.version)
        }
        other => Committed::Lost(other),
    }
}

/// Reserves decision ids in the caller's transaction, and returns the last one before them.
pub(super) fn reserve(
    connection: &Connection,
    above: DecisionId,
    count: u64,
) -> Result<DecisionId, TableError> {
    let mut reserve = connection.prepare_cached(RESERVE)?;
    let parameters = params![whole(above.get()), whole(count)];
    let last = reserve.query_row(parameters, |row| number(row, 0))?;
    Ok(DecisionId::new(last.saturating_sub(count)))
}

/// Refreshes a worker's activity in the caller's transaction.
pub(super) fn refresh(
    connection: &Connection,
    worker: &WorkerId,
    refresh: Refresh,
) -> Result<Refreshed, TableError> {
    let found = connection
        .prepare_cached(READ_ACTIVITY)?
        .query_row([worker.as_str()], |row| {
            Ok((activity(row)?, row.get::<_, String>(7)?))
        })
        .optional()
        .map_err(|error| sort(worker, error))?;
    let is_taken_in = |phase: &str| refresh.phases().iter().any(|taken| taken.as_str() == phase);
    let Some((mut activity, _)) = found.filter(|(_, phase)| is_taken_in(phase)) else {
        return Ok(Refreshed::NotRunning);
    };
    activity.refresh(refresh);
    let time = |at: Option<Instant>| at.map(|at| whole(at.as_ms()));
    connection.prepare_cached(REFRESH)?.execute(params![
        worker.as_str(),
        time(activity.delivered_at),
        whole(activity.delivered),
        time(activity.processed_at),
        whole(activity.processed),
        time(activity.heartbeat_at),
        time(activity.busy_until),
        time(activity.handed_out_at),
    ])?;
    Ok(Refreshed::Written)
}

fn find(connection: &Connection, worker: &WorkerId) -> Result<Option<Found>, TableError> {
    connection
        .prepare_cached(READ)?
        .query_row([worker.as_str()], Found::read)
        .optional()
        .map_err(|error| sort(worker, error))
}

impl Found {
    fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            activity: activity(row)?,
            version: Version::new(number(row, 7)?),
            phase: row.get(8)?,
            record: row.get(9)?,
        })
    }

    fn stored(self, worker: &WorkerId) -> Result<Stored, TableError> {
        let unreadable = |found: String| TableError::Unreadable(worker.clone(), found);
        let record: WorkerRecord = serde_json::from_str(&self.record)
            .map_err(|error| unreadable(format!("its JSON: {error}")))?;
        if self.phase != record.phase.as_str() {
            return Err(unreadable(format!(
                "the column says phase {:?}, the record {:?}",
                self.phase,
                record.phase.as_str()
            )));
        }
        Ok(Stored {
            version: self.version,
            record,
            activity: self.activity,
        })
    }
}

/// The activity in the first seven columns.
fn activity(row: &Row<'_>) -> rusqlite::Result<Activity> {
    Ok(Activity {
        handed_out_at: time(row, 0)?,
        delivered_at: time(row, 1)?,
        delivered: number(row, 2)?,
        processed_at: time(row, 3)?,
        processed: number(row, 4)?,
        heartbeat_at: time(row, 5)?,
        busy_until: time(row, 6)?,
    })
}

fn time(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<Instant>> {
    let found: Option<i64> = row.get(column)?;
    let time = found.map(|found| unsigned(column, found).map(Instant::from_ms));
    time.transpose()
}

fn number(row: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
    unsigned(column, row.get(column)?)
}

fn unsigned(column: usize, found: i64) -> rusqlite::Result<u64> {
    u64::try_from(found).map_err(|_| rusqlite::Error::IntegralValueOutOfRange(column, found))
}

/// Sorts an error: a value of a wrong type affects only this worker.
fn sort(worker: &WorkerId, error: rusqlite::Error) -> TableError {
    match error {
        rusqlite::Error::FromSqlConversionFailure(..)
        | rusqlite::Error::IntegralValueOutOfRange(..)
        | rusqlite::Error::InvalidColumnType(..)
        | rusqlite::Error::Utf8Error(..) => {
            TableError::Unreadable(worker.clone(), error.to_string())
        }
        other => TableError::Sqlite(other),
    }
}

/// SQLite's integers are signed. A larger number is no real time or count.
fn whole(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
