//! One call on its way through the store's thread.

use std::collections::BTreeMap;
use std::path::Path;

use reeve_core::id::WorkerId;
use reeve_core::store::{Committed, StoreError, Stored, Touch, Touched, Write};
use rusqlite::Connection;
use tokio::sync::oneshot;

use super::error::{Refusal, TableError};
use super::table;

/// What can be asked of the file.
pub(super) trait Call: Send + 'static {
    /// What it comes to.
    type Answer: Send;
    /// Whether it may change the file, and so belongs in a transaction that is made durable.
    const CHANGES: bool;

    /// What is tried, for the error that says that it was not done.
    fn doing(&self) -> String;

    /// Does it; perhaps again, when the transaction around it was undone.
    fn carry_out(&self, connection: &Connection) -> Result<Self::Answer, TableError>;
}

/// A call whose caller waits, whatever its kind.
pub(super) trait Pending: Send {
    /// [`Call::CHANGES`].
    fn changes(&self) -> bool;

    /// Carries it out and keeps the answer. What concerns this call alone, such as a record that cannot be read,
    /// is an answer.
    ///
    /// # Errors
    /// [`Refusal`]: SQLite refused, so that a transaction around it must be undone.
    fn attempt(&mut self, connection: &Connection, path: &Path) -> Result<(), Refusal>;

    /// Tells the caller the answer.
    fn answer(self: Box<Self>);

    /// Tells the caller that nothing came of it.
    fn refuse(self: Box<Self>, refusal: &Refusal);
}

/// A call, who waits for it, and the answer once there is one.
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
            // The caller may have gone: what was done stays done.
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
    type Answer = BTreeMap<WorkerId, Stored>;
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

pub(super) struct Refresh(pub(super) WorkerId, pub(super) Touch);

impl Call for Refresh {
    type Answer = Touched;
    const CHANGES: bool = true;

    fn doing(&self) -> String {
        format!("refresh the activity of {}", self.0)
    }

    fn carry_out(&self, connection: &Connection) -> Result<Self::Answer, TableError> {
        table::touch(connection, &self.0, self.1)
    }
}
