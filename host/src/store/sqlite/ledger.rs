//! The table of facts that end.

use reeve_core::ports::LedgerEntry;
use reeve_core::time::Instant;
use rusqlite::{Connection, OptionalExtension, params};

use super::call::Call;
use super::error::TableError;

/// Files of earlier versions lack the table.
pub(super) const CREATE: &str = "
    CREATE TABLE IF NOT EXISTS ledger (
        key      TEXT    NOT NULL PRIMARY KEY,
        value    TEXT    NOT NULL,
        until_ms INTEGER NOT NULL
    ) STRICT";

/// The file would grow without end, so each entry makes room for itself.
const REMOVE_THOSE_OVER: &str = "DELETE FROM ledger WHERE until_ms <= ?1";

const ENTER: &str =
    "INSERT INTO ledger (key, value, until_ms) VALUES (?1, ?2, ?3) ON CONFLICT (key) DO NOTHING";

const LOOK_UP: &str = "SELECT value, until_ms FROM ledger WHERE key = ?1 AND until_ms > ?2";

/// See [`Ledger::enter`](reeve_core::ports::Ledger::enter).
pub(super) struct Enter {
    pub(super) key: String,
    pub(super) entry: LedgerEntry,
    pub(super) now: Instant,
}

/// See [`Ledger::look_up`](reeve_core::ports::Ledger::look_up).
pub(super) struct LookUp {
    pub(super) key: String,
    pub(super) now: Instant,
}

impl Call for Enter {
    type Answer = LedgerEntry;
    const CHANGES: bool = true;

    fn doing(&self) -> String {
        "enter a fact that ends".to_owned()
    }

    fn carry_out(&self, connection: &Connection) -> Result<LedgerEntry, TableError> {
        let (key, entry) = (&self.key, &self.entry);
        connection
            .prepare_cached(REMOVE_THOSE_OVER)?
            .execute([whole(self.now)])?;
        let values = params![key, entry.value, whole(entry.until)];
        connection.prepare_cached(ENTER)?.execute(values)?;
        let in_force = look_up(connection, key, Instant::from_ms(0))?;
        Ok(in_force.unwrap_or_else(|| entry.clone()))
    }
}

impl Call for LookUp {
    type Answer = Option<LedgerEntry>;
    const CHANGES: bool = false;

    fn doing(&self) -> String {
        "look a fact up that ends".to_owned()
    }

    fn carry_out(&self, connection: &Connection) -> Result<Option<LedgerEntry>, TableError> {
        look_up(connection, &self.key, self.now)
    }
}

fn look_up(
    connection: &Connection,
    key: &str,
    now: Instant,
) -> Result<Option<LedgerEntry>, TableError> {
    let mut statement = connection.prepare_cached(LOOK_UP)?;
    let found = statement.query_row(params![key, whole(now)], |row| {
        let until: i64 = row.get(1)?;
        Ok(LedgerEntry {
            value: row.get(0)?,
            until: Instant::from_ms(until.unsigned_abs()),
        })
    });
    Ok(found.optional()?)
}

/// Times of the far future end there.
fn whole(at: Instant) -> i64 {
    i64::try_from(at.as_ms()).unwrap_or(i64::MAX)
}
