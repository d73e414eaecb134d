//! Restarts: who asks for one and why, and how far the latest has come.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::model::health::SignalKind;
use crate::model::id::InstanceId;
use crate::model::time::Instant;

/// Somebody wants the worker restarted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct RestartRequest {
    /// Why, as one word that requests of the same kind share: `secret-changed`, `probe-failed`. 1 to 64 bytes.
    pub cause: String,
    /// Who.
    pub initiator: Initiator,
    /// Why, for people.
    pub text: Option<String>,
}

/// Who asks for a restart. What holds back a program does not hold back a person (docs/incidents.md#self-fire).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Initiator {
    /// A person: not debounced, and one flight with whatever is under way.
    Person,
    /// A program: a watchdog, a probe, a changed secret.
    Program,
}

impl RestartRequest {
    /// Whether a signal of the worker's health asks for it.
    pub fn is_for_health(&self) -> bool {
        self.initiator == Initiator::Program && SignalKind::is_cause(&self.cause)
    }
}

impl fmt::Display for RestartRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let who = match self.initiator {
            Initiator::Person => "a person",
            Initiator::Program => "a program",
        };
        write!(f, "{} by {who}", self.cause)?;
        match &self.text {
            Some(text) => write!(f, ": {text}"),
            None => Ok(()),
        }
    }
}

/// The latest restart of a worker. It stays in the record when it is over: the window counts from its start.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Restart {
    /// Who asked for it, and why.
    pub request: RestartRequest,
    /// When it began, by the clock of the host that began it.
    pub started_at: Instant,
    /// The instance that was up then; `None`: none was, so there is only one to bring up.
    pub instance: Option<InstanceId>,
    /// How far it has come.
    pub stage: RestartStage,
    /// One that follows once this one is over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deferred: Option<RestartRequest>,
}

/// How far a restart has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RestartStage {
    /// The instance is being ended.
    Ending,
    /// Another life of it, or another instance, is being brought up.
    Provisioning,
    /// The worker is really there again: an address and, where boxes register, a heartbeat of the new life.
    Done,
    /// It is not, and nobody waits for it any more.
    Failed,
}

impl Restart {
    /// Whether its end is still awaited. Until then nothing is concluded from how the worker looks (docs/incidents.md#self-fire).
    pub fn is_in_flight(&self) -> bool {
        matches!(
            self.stage,
            RestartStage::Ending | RestartStage::Provisioning
        )
    }
}
