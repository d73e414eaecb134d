//! Restarts: requests, initiators, and the stage of the latest restart.

use std::fmt;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::model::health::SignalKind;
use crate::model::id::{InstanceId, Sender};
use crate::model::spec::RestartBy;
use crate::model::store::Unknown;
use crate::model::time::Instant;

/// A request to restart the worker.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct RestartRequest {
    /// The cause, one word that requests of the same kind share: `secret-changed`, `probe-failed`.
    /// 1 to 64 bytes.
    pub cause: String,
    /// The initiator.
    pub initiator: Initiator,
    /// The reason, for people.
    pub text: Option<String>,
    /// How the worker is restarted; `None` for the way that its pool names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<RestartBy>,
    /// The adoption that the restart is to end, if the request is about that one only: signals of
    /// health, and a policy that replaces an instance. `None` if it is about whatever is adopted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub of: Option<Adoption>,
    /// Who sent it; `None` if this host asks for the restart itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Sender>,
    /// What this version does not know.
    #[serde(flatten)]
    pub unknown: Unknown,
}

/// One adoption of an instance. It ends when another instance is adopted, or this one is started
/// again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Adoption {
    /// The instance.
    pub instance: InstanceId,
    /// Since when it is adopted.
    pub since: Instant,
}

/// The initiator of a restart. The rules that hold back a program do not hold back a person
/// (docs/incidents.md#self-fire).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Initiator {
    /// A person: the request is not debounced, and joins a restart in flight.
    Person,
    /// A program: a watchdog, a probe, a changed secret.
    Program,
}

impl RestartRequest {
    /// Whether a signal of the worker's health asks for the restart.
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
        if let Some(kind) = self.kind {
            write!(f, ", as a {kind}")?;
        }
        match &self.text {
            Some(text) => write!(f, ": {text}"),
            None => Ok(()),
        }
    }
}

/// The latest restart of a worker. It stays in the record when it is over, because the window
/// counts from its start.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Restart {
    /// The request that began the restart.
    pub request: RestartRequest,
    /// When the restart began, by the clock of the host that began it.
    pub started_at: Instant,
    /// The instance that was up then; `None` if none was, so that the restart only brings one up.
    pub instance: Option<InstanceId>,
    /// The stage of the restart.
    pub stage: RestartStage,
    /// How the instance is restarted. A reboot that brings nothing up becomes a stop and a start.
    #[serde(default, skip_serializing_if = "RestartBy::is_default")]
    pub kind: RestartBy,
    /// The reboot that was sent; `None` if none was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reboot: Option<Reboot>,
    /// What this version does not know.
    #[serde(flatten)]
    pub unknown: Unknown,
}

/// A restart that is put off. It follows once, whatever restarts come before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Deferred {
    /// The request.
    pub request: RestartRequest,
    /// When it begins at the earliest, by the clock of the host that put it off.
    pub not_before: Instant,
    /// What this version does not know.
    #[serde(flatten)]
    pub unknown: Unknown,
}

/// A reboot that was sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Reboot {
    /// When the provider answered, or when it was clear that no answer comes.
    pub at: Instant,
    /// Whether the provider accepted it. An unanswered reboot may have been carried out, and is not
    /// sent again: a second one would cut off the boot that the first one began.
    pub is_accepted: bool,
    /// When the restart went on with a stop, because nothing came up; `None` if it did not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub given_up_at: Option<Instant>,
    /// What this version does not know.
    #[serde(flatten)]
    pub unknown: Unknown,
}

/// The stages of a restart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum RestartStage {
    /// The instance is being ended or rebooted.
    Ending,
    /// The same instance, or another one, is being brought up.
    Provisioning,
    /// The worker is up again: it has an address and, if boxes register, a heartbeat of the new
    /// life.
    Done,
    /// The worker did not come up in time.
    Failed,
}

impl Restart {
    /// Whether the restart is in flight. Until it is over, the host concludes nothing from the
    /// worker's signals (docs/incidents.md#self-fire).
    pub fn is_in_flight(&self) -> bool {
        matches!(
            self.stage,
            RestartStage::Ending | RestartStage::Provisioning
        )
    }

    /// The reboot that the worker comes back from; `None` if the restart has not sent one, or waits
    /// for something else.
    pub fn reboots(&self) -> Option<&Reboot> {
        let is_booting = self.stage == RestartStage::Provisioning && self.kind == RestartBy::Reboot;
        self.reboot.as_ref().filter(|_| is_booting)
    }

    /// When the present try began: the restart, or the stop after a reboot that was given up. The
    /// bounds of the restart count from here.
    pub fn tried_since(&self) -> Instant {
        let given_up_at = self.reboot.as_ref().and_then(|it| it.given_up_at);
        given_up_at.unwrap_or(self.started_at)
    }
}
