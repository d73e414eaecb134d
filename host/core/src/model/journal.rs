//! The journal: each decision with its facts, each intent before its mutation, the guard's answers
//! and the outcomes. One entry is one JSON line.

use serde::{Deserialize, Serialize};

use crate::model::cloud::{CloudError, Mutation, Outcome};
use crate::model::decision::{Decision, Ruling};
use crate::model::id::{DecisionId, Epoch, Generation, InstanceId, PoolName, Sender, WorkerId};
use crate::model::operator::{Command, CommandOutcome, Refused};
use crate::model::time::Instant;
use crate::model::veto::Veto;

/// The format of the journal's lines. A reader of an older line fills in what it lacks; a newer number
/// stands for a change that older readers would misread.
pub const FORMAT: u32 = 1;

/// One line of the journal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// The format of the line, [`FORMAT`] at present. A line without it is of format 0.
    #[serde(default)]
    pub format: u32,
    /// When the entry was written.
    pub at: Instant,
    /// The worker that the entry is about.
    pub worker: WorkerId,
    /// The worker's pool; empty in a line of format 0.
    #[serde(default = "no_pool")]
    pub pool: PoolName,
    /// The decision that the entry belongs to; a command of an operator has its own.
    pub decision: DecisionId,
    /// Who asked for it, if the entry is a command. `None`: the host acts by itself, or the line was
    /// written before senders were.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Sender>,
    /// What the entry says. Its field on disk is called `entry`.
    #[serde(rename = "entry")]
    pub content: Content,
}

fn no_pool() -> PoolName {
    PoolName::from("")
}

/// The kinds of entries, each with its content.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Content {
    /// A policy was asked. The whole input is kept, so that the decision can be replayed.
    Decided(Box<Decision>),
    /// The host decided by its own rule; no policy was asked.
    Ruled(Box<Ruling>),
    /// The guard permitted a mutation, which is sent next. The entry must be durable before that.
    Intent {
        /// The generation that the mutation belongs to.
        generation: Generation,
        /// The lease's epoch.
        epoch: Epoch,
        /// The mutation.
        mutation: Mutation,
    },
    /// The guard refused a proposal.
    Vetoed(Veto),
    /// The outcome of a mutation, or its failure.
    Outcome(Result<Outcome, CloudError>),
    /// A command to the host, or one that the host gives itself.
    Commanded(Command),
    /// The response to the command.
    Answered(Result<CommandOutcome, Refused>),
    /// Callers got the address of an instance. One entry a minute and instance: most callers are
    /// answered with the published route, without a decision.
    HandedOut {
        /// The instance.
        instance: InstanceId,
        /// When the first of them was counted; the entry is written about a minute later.
        since: Instant,
        /// How many callers got it.
        count: u64,
    },
}

impl Content {
    /// Whether the entry must be on disk before the next effect. This holds for an intent: if a
    /// launch's generation were lost, the launch could be made a second time.
    pub fn must_be_durable(&self) -> bool {
        matches!(self, Self::Intent { .. })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::operator::RefusedCode;

    #[test]
    fn a_command_and_its_response_are_read_back_as_written() {
        let reason = Some("disk".to_owned());
        let refused = Refused::new(RefusedCode::DryRun, "no");
        let cases = [
            (
                Content::Commanded(Command::Pause { reason }),
                r#"{"commanded":{"pause":{"reason":"disk"}}}"#,
            ),
            (
                Content::Commanded(Command::Forget),
                r#"{"commanded":"forget"}"#,
            ),
            (
                Content::Answered(Ok(CommandOutcome::ReasonChanged)),
                r#"{"answered":{"Ok":"reason_changed"}}"#,
            ),
            (
                Content::Answered(Err(refused)),
                r#"{"answered":{"Err":{"code":"dry_run","text":"no"}}}"#,
            ),
        ];
        for (content, line) in cases {
            assert_eq!(serde_json::to_string(&content).unwrap(), line);
            assert_eq!(serde_json::from_str::<Content>(line).unwrap(), content);
        }
    }
}
