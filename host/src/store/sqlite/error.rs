//! Errors of the store's file and of records in it.

use std::io;
use std::path::{Path, PathBuf};

use reeve_core::id::WorkerId;
use reeve_core::store::{StoreError, StoreErrorKind};
use rusqlite::ErrorCode;

/// Why the file cannot be used as a store.
#[derive(Debug, thiserror::Error)]
pub enum StoreOpenError {
    /// The system refused an operation.
    #[error("cannot {doing} {}", path.display())]
    Io {
        /// The verb of the failed operation.
        doing: &'static str,
        /// The file's path.
        path: PathBuf,
        /// The system's error.
        #[source]
        source: io::Error,
    },
    /// SQLite refused an operation, without a sign of damage.
    #[error("cannot {doing} the store {}: {advice}", path.display())]
    Sqlite {
        /// The verb of the failed operation.
        doing: &'static str,
        /// The file's path.
        path: PathBuf,
        /// What the operator can do.
        advice: &'static str,
        /// SQLite's error.
        #[source]
        source: rusqlite::Error,
    },
    /// The file is of another kind. It is not changed.
    #[error(
        "{} is not a store of reeve: {found}; name another file in the configuration, or move this \
         one away", path.display()
    )]
    NotAStore {
        /// The file's path.
        path: PathBuf,
        /// What the file is.
        found: String,
    },
    /// A newer version of reeve wrote the file.
    #[error(
        "the store {} has schema {found}, and this reeve knows schemas up to {known}; start the reeve \
         that wrote it, or move the file away: the next start recovers from the journal and the tags",
        path.display()
    )]
    Newer {
        /// The file's path.
        path: PathBuf,
        /// The schema version of the file.
        found: i64,
        /// The latest schema version that this program knows.
        known: i64,
    },
    /// The file is damaged.
    #[error(
        "the store {} is damaged: {found}; move the file away, together with its `-wal` and `-shm` files: \
         the next start recovers from the journal and the tags", path.display()
    )]
    Damaged {
        /// The file's path.
        path: PathBuf,
        /// What the check found.
        found: String,
    },
}

impl StoreOpenError {
    pub(super) fn io(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io {
            doing,
            path,
            source,
        }
    }

    pub(super) fn sqlite(doing: &'static str, path: &Path) -> impl FnOnce(rusqlite::Error) -> Self {
        let path = path.to_owned();
        move |source| match source.sqlite_error_code() {
            Some(ErrorCode::NotADatabase) => Self::NotAStore {
                path,
                found: "it is no SQLite database".to_owned(),
            },
            Some(ErrorCode::DatabaseCorrupt) => Self::Damaged {
                path,
                found: words(&source),
            },
            code => Self::Sqlite {
                doing,
                path,
                advice: advice(code),
                source,
            },
        }
    }
}

/// Why a row cannot be read or written.
#[derive(Debug)]
pub(super) enum TableError {
    /// SQLite refused the operation.
    Sqlite(rusqlite::Error),
    /// The row of this worker does not contain a record.
    Unreadable(WorkerId, String),
    /// A record has no JSON form.
    Unwritable(serde_json::Error),
}

impl From<rusqlite::Error> for TableError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

/// A [`StoreError`] without the name of the failed operation.
#[derive(Clone, Debug)]
pub(super) struct Refusal {
    kind: StoreErrorKind,
    message: String,
}

impl Refusal {
    /// An error of SQLite.
    pub(super) fn of(path: &Path, error: &rusqlite::Error) -> Self {
        let code = error.sqlite_error_code();
        Self {
            kind: kind(code),
            message: format!("{} ({}); {}", words(error), path.display(), advice(code)),
        }
    }

    /// An error of a record, or of SQLite.
    pub(super) fn of_record(path: &Path, error: &TableError) -> Self {
        match error {
            TableError::Sqlite(error) => Self::of(path, error),
            TableError::Unreadable(worker, found) => Self {
                kind: StoreErrorKind::Unreadable,
                message: format!(
                    "the record of {worker} is unreadable: {found} ({}); update reeve if a newer one wrote it, else \
                     stop the host and correct the row",
                    path.display()
                ),
            },
            TableError::Unwritable(error) => Self {
                kind: StoreErrorKind::NotWritable,
                message: format!("the record has no JSON form: {error}"),
            },
        }
    }

    /// The error of a call with this name.
    pub(super) fn during(&self, doing: String) -> StoreError {
        StoreError {
            doing,
            kind: self.kind,
            message: self.message.clone(),
        }
    }
}

const MOVE_AWAY: &str = "move the file away, together with its `-wal` and `-shm` files: the next \
     start recovers from the journal and the tags";

/// SQLite's error code and text.
fn words(error: &rusqlite::Error) -> String {
    match error.sqlite_error() {
        Some(code) => format!("SQLite error {}: {error}", code.extended_code),
        None => error.to_string(),
    }
}

fn kind(code: Option<ErrorCode>) -> StoreErrorKind {
    match code {
        Some(ErrorCode::ReadOnly | ErrorCode::DiskFull) => StoreErrorKind::NotWritable,
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => StoreErrorKind::Corrupt,
        Some(ErrorCode::PermissionDenied | ErrorCode::AuthorizationForStatementDenied) => {
            StoreErrorKind::Denied
        }
        _ => StoreErrorKind::Unavailable,
    }
}

/// What the operator can do.
fn advice(code: Option<ErrorCode>) -> &'static str {
    match code {
        Some(ErrorCode::DiskFull) => "make room on its disk",
        Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied | ErrorCode::CannotOpen) => {
            "let the host's user write the file and its directory"
        }
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            "end the other program that holds the file"
        }
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => MOVE_AWAY,
        Some(ErrorCode::SystemIoFailure) => "check its disk and the system's log",
        _ => "restart the host; if that does not help, move the file away",
    }
}
