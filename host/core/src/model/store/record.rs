//! The record of one worker: who acts for it, what is under way, and which instance embodies it.

use serde::{Deserialize, Serialize};

use crate::model::cloud::Mutation;
use crate::model::id::{DecisionId, Epoch, Generation, HostId, InstanceId};
use crate::model::point::Reason;
use crate::model::point::reap::Choice;
use crate::model::restart::Restart;
use crate::model::time::Instant;
use crate::model::token::SecretHash;

/// What changes by compare-and-set.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct WorkerRecord {
    /// The fencing token: the next one for each lease that is taken. Only rises (G6).
    pub epoch: Epoch,
    /// Who may act for the worker; `None`: whoever takes the lease next.
    pub lease: Option<HostId>,
    /// Who wrote this. It tells two hosts apart that write the same content at the same time: only one of them has
    /// written it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<HostId>,
    /// The latest provisioning attempt. Only rises (G1).
    pub generation: Generation,
    /// Where the worker stands in its life.
    pub phase: Phase,
    /// The mutation under way; written before it is sent, cleared with its outcome.
    pub intent: Option<Intent>,
    /// The instance that embodies the worker.
    pub adopted: Option<Adopted>,
    /// The one that embodied it last, while none does: a box of an older one was told that it is superseded, and
    /// has ended for good.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub former: Option<Former>,
    /// The last failure, until something succeeds.
    pub last_error: Option<LastError>,
    /// What the worker's box has registered; `None`: none has since the worker was forgotten.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credential: Option<Credential>,
    /// The last register that was refused, until one succeeds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub register_error: Option<LastError>,
    /// An operator's pause; `None`: there is none. Left out of the JSON then, so that a host which knows of no
    /// pauses reads every other record, and refuses this one instead of acting for the worker.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paused: Option<Paused>,
    /// The latest restart; `None`: there was none since the worker was forgotten.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restart: Option<Restart>,
    /// The adopted instance is about to be reaped, unless it comes into use; `None`: it is not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub draining: Option<Draining>,
}

/// Nothing is changed in the cloud for the worker, whoever asks, until an operator resumes it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Paused {
    /// Since when, by the clock of the host that took the command. For people; no rule looks at it.
    pub since: Instant,
    /// Why, in the operator's words.
    pub reason: Option<String>,
    /// The host that took the command.
    pub by: HostId,
}

/// Where a worker stands in its life. Activity counts in [`Phase::Running`] only.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// Nothing embodies it.
    #[default]
    Absent,
    /// A launch or start is under way.
    Provisioning,
    /// An instance is adopted.
    Running,
    /// Its instance is being stopped or terminated.
    Ending,
}

impl Phase {
    /// The text the store keeps.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Absent => "absent",
            Self::Provisioning => "provisioning",
            Self::Running => "running",
            Self::Ending => "ending",
        }
    }
}

/// A mutation that was permitted, with all that it takes to send it again unchanged.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Intent {
    /// What is about to be done; a launch with its token.
    pub mutation: Mutation,
    /// The generation it belongs to.
    pub generation: Generation,
    /// The epoch that was current when it was committed.
    pub epoch: Epoch,
    /// The decision it rests on, of the host that committed it.
    pub decision: DecisionId,
    /// When it was first committed, by the clock of that host. For that host and for people; no other host goes by it.
    pub since: Instant,
}

/// The instance that embodies a worker.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Adopted {
    /// Which.
    pub id: InstanceId,
    /// Its generation; 0 when something else launched it and reeve has launched nothing since.
    pub generation: Generation,
    /// Since when, by the clock of the host that adopted it.
    pub since: Instant,
    /// How it came about.
    pub how: How,
    /// Deliveries that were not reported processed when it was adopted. The instance before took them with
    /// it, so they are no work of this one.
    #[serde(default)]
    pub unfinished_before: u64,
}

/// An instance that embodied a worker.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Former {
    /// Which.
    pub id: InstanceId,
    /// Its generation.
    pub generation: Generation,
}

/// How an instance became the adopted one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum How {
    /// Launched by a host.
    Launched,
    /// Started by a host.
    Started,
    /// Found running, by its tags or because the pointer named it.
    Found,
}

/// The last failure of a worker: what, when, how often (docs/incidents.md#double-provision).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct LastError {
    /// A stable code, or the provider's own.
    pub code: String,
    /// The sentence for people.
    pub text: String,
    /// When it came up last.
    pub at: Instant,
    /// How often in a row.
    pub count: u32,
}

/// The adopted instance is not handed out any more, and is ended after a while if nobody used it meanwhile.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Draining {
    /// The instance.
    pub instance: InstanceId,
    /// Since when, by the clock of the host that marked it.
    pub since: Instant,
    /// What the `reap` policy has said, of that host.
    pub decision: DecisionId,
    /// What is to be done with it.
    pub choice: Choice,
    /// Why.
    pub reason: Reason,
}

/// What a box may show for an instance: hashes of its tokens. At any time one is in force, its successor may
/// have been handed out, and its predecessor is still good for what was on its way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Credential {
    /// The instance that registered.
    pub instance: InstanceId,
    /// The generation it was then.
    pub generation: Generation,
    /// The nonce of that register: a reply that was lost is made good for the same one.
    pub nonce: SecretHash,
    /// The token in force.
    pub token: SecretHash,
    /// Since when, by the clock of the host that minted it.
    pub minted_at: Instant,
    /// The successor that a heartbeat was answered with. It comes into force when it is first shown, so that
    /// a reply that is lost locks nobody out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offered: Option<Offered>,
    /// The predecessor, while requests that show it may be on their way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replaced: Option<Replaced>,
}

/// A token that a box was given and has not shown yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Offered {
    /// Its hash.
    pub token: SecretHash,
    /// When it was minted.
    pub at: Instant,
}

/// A token whose successor is in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Replaced {
    /// Its hash.
    pub token: SecretHash,
    /// Until when it is still good.
    pub until: Instant,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_without_a_pause_looks_as_it_did_before_there_were_pauses() {
        let before = r#"{"epoch":3,"lease":"host","generation":2,"phase":"running","intent":null,"adopted":null,"last-error":null}"#;
        let record: WorkerRecord = serde_json::from_str(before).unwrap();
        assert_eq!(record.paused, None);
        assert_eq!(serde_json::to_string(&record).unwrap(), before);
    }

    #[test]
    fn a_pause_is_a_field_that_a_host_without_pauses_refuses_to_read() {
        let paused = Paused {
            since: Instant::from_ms(7),
            reason: None,
            by: HostId::from("host"),
        };
        let record = WorkerRecord {
            paused: Some(paused),
            ..WorkerRecord::default()
        };
        let text = serde_json::to_string(&record).unwrap();
        assert!(
            text.ends_with(r#""paused":{"since":7,"reason":null,"by":"host"}}"#),
            "{text}"
        );
        assert_eq!(serde_json::from_str::<WorkerRecord>(&text).unwrap(), record);
        let unknown = text.replace("paused", "a-field-of-a-newer-reeve");
        assert!(serde_json::from_str::<WorkerRecord>(&unknown).is_err());
    }
}
