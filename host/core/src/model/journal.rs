//! What is written down, before it is done: who decided what from which facts, what the guard said,
//! what came of it. One record is one JSON line.

use serde::{Deserialize, Serialize};

use crate::model::cloud::{CloudError, Mutation, Outcome};
use crate::model::decision::{Decision, Ruling};
use crate::model::id::{DecisionId, Epoch, Generation, WorkerId};
use crate::model::operator::{Command, CommandOutcome, Refused};
use crate::model::time::Instant;
use crate::model::veto::Veto;

/// One line of the journal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// When.
    pub at: Instant,
    /// About which worker.
    pub worker: WorkerId,
    /// The decision it belongs to; a command of an operator is one of its own.
    pub decision: DecisionId,
    /// What.
    pub entry: Entry,
}

/// The kinds of records.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Entry {
    /// A policy was asked. The whole input is kept, so that the decision can be replayed.
    Decided(Box<Decision>),
    /// A rule of the host's own decided; no policy was asked.
    Ruled(Box<Ruling>),
    /// The guard permitted it; it is about to be done. Must be durable before it is.
    Intent {
        /// The generation it belongs to.
        generation: Generation,
        /// The lease's epoch.
        epoch: Epoch,
        /// What is about to be done.
        mutation: Mutation,
    },
    /// The guard refused it.
    Vetoed(Veto),
    /// It was done, or failed.
    Outcome(Result<Outcome, CloudError>),
    /// An operator told the host something. Who that was is not known: whoever reaches its socket may.
    Commanded(Command),
    /// What the operator was told.
    Answered(Result<CommandOutcome, Refused>),
}

impl Entry {
    /// Whether the record must be on disk before the next effect: an intent, because a launch whose
    /// generation is forgotten could be made a second time.
    pub fn must_be_durable(&self) -> bool {
        matches!(self, Self::Intent { .. })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::operator::RefusedCode;

    #[test]
    fn an_operators_command_and_answer_are_lines_that_are_read_back() {
        let reason = Some("disk".to_owned());
        let refused = Refused::new(RefusedCode::DryRun, "no");
        let cases = [
            (
                Entry::Commanded(Command::Pause { reason }),
                r#"{"commanded":{"pause":{"reason":"disk"}}}"#,
            ),
            (
                Entry::Commanded(Command::Forget),
                r#"{"commanded":"forget"}"#,
            ),
            (
                Entry::Answered(Ok(CommandOutcome::ReasonChanged)),
                r#"{"answered":{"Ok":"reason_changed"}}"#,
            ),
            (
                Entry::Answered(Err(refused)),
                r#"{"answered":{"Err":{"code":"dry_run","text":"no"}}}"#,
            ),
        ];
        for (entry, line) in cases {
            assert_eq!(serde_json::to_string(&entry).unwrap(), line);
            assert_eq!(serde_json::from_str::<Entry>(line).unwrap(), entry);
        }
    }
}
