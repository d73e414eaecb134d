//! Boxes and applications that wait for an answer to what they registered or reported.

use crate::model::boxes::{ReportOutcome, Statement};
use crate::model::id::{InstanceId, RequestId};
use crate::model::store::Touch;
use crate::model::time::Instant;
use crate::model::token::{Secret, Token};

/// One who waits, and for what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Visitor {
    /// What was said.
    pub said: Statement,
    /// When. What was asked for earlier is no answer to it.
    pub came_at: Instant,
    /// What has to come first.
    pub waits_for: WaitsFor,
    /// Randomness for a token, used once.
    pub fresh: Option<Secret>,
}

/// What an answer waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WaitsFor {
    /// The record's reading.
    Record,
    /// The reading of the instance that registers.
    Instance(InstanceId),
    /// The end of a refresh of the same kind, and then of the one that it will be part of.
    Turn(Touch),
    /// The refresh of the activity that was sent under this request.
    Touch(RequestId),
    /// The write that makes its token known.
    Write {
        /// The token.
        token: Token,
        /// What became of the report it comes with; `None`: it comes with a register.
        noted: Option<ReportOutcome>,
    },
}
