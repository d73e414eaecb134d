//! A register or a report that has no response yet.

use crate::model::boxes::{ReportOutcome, Reporter, Statement};
use crate::model::id::{InstanceId, RequestId};
use crate::model::store::Refresh;
use crate::model::time::Instant;
use crate::model::token::{Secret, Token};

/// A register or a report that has no response yet.
#[derive(Clone, Debug)]
pub(super) struct Pending {
    pub(super) statement: Statement,
    /// When the request arrived. An answer to an earlier question proves nothing for it.
    pub(super) came_at: Instant,
    pub(super) waits_for: WaitsFor,
    /// Randomness for a token, used once.
    pub(super) fresh: Option<Secret>,
}

/// What a response waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum WaitsFor {
    /// The record's reading.
    Record,
    /// The reading of the instance that registers.
    Instance(InstanceId),
    /// The end of a refresh of the same kind, then of the refresh that will carry this report.
    Turn(Refresh),
    /// The refresh of the activity that was sent under this request.
    Refresh(RequestId),
    /// The write that makes its token known.
    Write {
        token: Token,
        /// The outcome of the report that the token comes with; `None`: it comes with a register.
        reported: Option<ReportOutcome>,
    },
}

impl Pending {
    /// Whether a box reports.
    pub(super) fn is_of_box(&self) -> bool {
        let Statement::Report { by, .. } = &self.statement else {
            return false;
        };
        matches!(by, Reporter::Box(_))
    }
}
