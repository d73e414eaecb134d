//! The requests of callers, boxes, applications and operators.

use crate::model::boxes::Statement;
use crate::model::id::{InstanceId, Sender};
use crate::model::operator::Command;
use crate::model::time::Millis;
use crate::model::token::Secret;

/// A request about one worker. The core responds once, with the
/// [`Response`](crate::model::response::Response) of its kind.
#[derive(Clone, Debug, PartialEq)]
pub enum Request {
    /// A caller asks where the worker is.
    Resolve {
        /// How long the caller waits at most; `None` for the length of one pass.
        wait: Option<Millis>,
    },
    /// A box registers, or a box or an application reports.
    Statement {
        /// The register or the report.
        statement: Statement,
        /// Randomness for a token that the response may carry. The shell draws it, because the core
        /// draws none.
        fresh: Secret,
    },
    /// A command of a person or a program.
    Command {
        /// The command.
        command: Command,
        /// Who gave it.
        from: Sender,
    },
    /// A caller says that the address of this instance does not answer.
    Unreachable {
        /// The instance, as the caller got it.
        instance: InstanceId,
    },
}

/// The kinds of requests. A request's response is of the same kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequestKind {
    /// See [`Request::Resolve`].
    Resolve,
    /// See [`Request::Statement`].
    Statement,
    /// See [`Request::Command`].
    Command,
    /// See [`Request::Unreachable`].
    Unreachable,
}

impl Request {
    /// The kind of the request.
    pub fn kind(&self) -> RequestKind {
        match self {
            Self::Resolve { .. } => RequestKind::Resolve,
            Self::Statement { .. } => RequestKind::Statement,
            Self::Command { .. } => RequestKind::Command,
            Self::Unreachable { .. } => RequestKind::Unreachable,
        }
    }
}
