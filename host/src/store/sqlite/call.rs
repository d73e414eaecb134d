//! One call on its way through the store's thread.

use std::path::Path;

use reeve_core::id::{DecisionId, WorkerId};
use reeve_core::store::{Committed, Refresh, Refreshed, StoreError, Stored, Write};
use rusqlite::Connection;
use tokio::sync::oneshot;

use super::error::{Refusal, TableError};
use super::table::{self, Rows};

/// An operation on the file.
pub(super) trait Call: Send + 'static {
    /// The call's result.
    type Answer: Send;
    /// Whether the call may change the file, and so belongs in a transaction that is made durable.
    const CHANGES: bool;

    /// What the call does, for the error if it fails.
    fn doing(&self) -> String;

    /// Carries the call out. It may run again if the transaction around it was rolled back.
    fn carry_out(&self, connection: &Connection) -> Result<Self::Answer, TableError>;
}

/// A call of any kind with a waiting caller.
pub(super) trait Pending: Send {
    /// [`Call::CHANGES`].
    fn changes(&self) -> bool;

    /// Carries the call out and keeps the result. An error of this call alone, such as an
    /// unreadable record, is a result.
    ///
    /// # Errors
    /// [`Refusal`]: SQLite refused, so the transaction around the call must be rolled back.
    fn attempt(&mut self, connection: &Connection, path: &Path) -> Result<(), Refusal>;

    /// Sends the result to the caller.
    fn answer(self: Box<Self>);

    /// Tells the caller that the call failed.
    fn refuse(self: Box<Self>, refusal: &Refusal);
}

/// A call, its caller, and its result once there is one.
pub(super) struct Waiting<C: Call> {
    call: C,
    reply: oneshot::Sender<Result<C::Answer, StoreError>>,
    answer: Option<Result<C::Answer, StoreError>>,
}

impl<C: Call> Waiting<C> {
    pub(super) fn new(call: C, reply: oneshot::Sender<Result<C::Answer, StoreError>>) -> Self {
        Self {
            call,
            reply,
            answer: None,
        }
    }
}

impl<C: Call> Pending for Waiting<C> {
    fn changes(&self) -> bool {
        C::CHANGES
    }

    fn attempt(&mut self, connection: &Connection, path: &Path) -> Result<(), Refusal> {
        self.answer = Some(match self.call.carry_out(connection) {
            Ok(answer) => Ok(answer),
            Err(TableError::Sqlite(error)) => return Err(Refusal::of(path, &error)),
            Err(error) => Err(Refusal::of_record(path, &error).during(self.call.doing())),
        });
        Ok(())
    }

    fn answer(self: Box<Self>) {
        if let Some(answer) = self.answer {
            // The caller may have left; the change stays.
            let _ = self.reply.send(answer);
        }
    }

    fn refuse(self: Box<Self>, refusal: &Refusal) {
        let error = refusal.during(self.call.doing());
        let _ = self.reply.send(Err(error));
    }
}

pub(super) struct Read(pub(super) WorkerId);

impl Call for Read {
    type Answer = Option<Stored>;
    const CHANGES: bool = false;

    fn doing(&self) -> String {
        format!("read the record of {}", self.0)
    }

    fn carry_out(&self, connection: &Connection) -> Result<Self::Answer, TableError> {
        table::read(connection, &self.0)
    }
}

pub(super) struct ReadAll;

impl Call for ReadAll {
    type Answer = Rows;
    const CHANGES: bool = false;

    fn doing(&self) -> String {
        "read all records".to_owned()
    }

    fn carry_out(&self, connection: &Connection) -> Result<Self::Answer, TableError> {
        table::read_all(connection)
    }
}

impl Call for Write {
    type Answer = Committed;
    const CHANGES: bool = true;

    fn doing(&self) -> String {
        format!("commit the record of {}", self.worker)
    }

    fn carry_out(&self, connection: &Connection) -> Result<Self::Answer, TableError> {
        table::commit(connection, self)
    }
}

pub(super) struct RefreshOne(pub(super) WorkerId, pub(super) Refresh);

impl Call for RefreshOne {
    type Answer = Refreshed;
    const CHANGES: bool = true;

    fn doing(&self) -> String {
        format!("refresh the activity of {}", self.0)
    }

    fn carry_out(&self, connection: &Connection) -> Result<Self::Answer, TableError> {
        table::refresh(connection, &self.0, self.1)
    }
}

pub(super) struct Reserve(pub(super) DecisionId, pub(super) u64);

impl Call for Reserve {
    type Answer = DecisionId;
    const CHANGES: bool = true;

    fn doing(&self) -> String {
        "reserve decision ids".to_owned()
    }

    fn carry_out(&self, connection: &Connection) -> Result<Self::Answer, TableError> {
        table::reserve(connection, self.0, self.1)
    }
}
