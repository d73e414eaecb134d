//! The record of one worker: the lease, the mutation under way, and the adopted instance.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::upgrade::{MustUnderstand, Unknown};
use crate::model::budget::Ledger;
use crate::model::cloud::Mutation;
use crate::model::id::{DecisionId, Epoch, Generation, HostId, InstanceId, Sender};
use crate::model::instance::StateReason;
use crate::model::point::Reason;
use crate::model::point::reap::Choice;
use crate::model::point::resolve::Act;
use crate::model::restart::{Deferred, Restart};
use crate::model::time::{Instant, Millis};
use crate::model::token::SecretHash;

/// The half of a worker's record that changes by compare-and-set.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct WorkerRecord {
    /// The fencing token; each lease that is taken gets the next one. Only rises (G6).
    pub epoch: Epoch,
    /// The host that holds the lease; `None` if it is free.
    pub lease: Option<HostId>,
    /// The host that wrote this version. The field tells two hosts apart that write the same
    /// content at the same time, because only one write succeeds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<HostId>,
    /// The latest provisioning attempt. Only rises (G1).
    pub generation: Generation,
    /// The phase of the worker's life.
    pub phase: Phase,
    /// The mutation under way. The intent is written before the mutation is sent, and cleared with
    /// the outcome.
    pub intent: Option<Intent>,
    /// The adopted instance; `None` if there is none.
    pub adopted: Option<Adopted>,
    /// The instance that was adopted last; `None` while one is adopted. Boxes of older instances
    /// were told that they are superseded, and have ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub former: Option<Former>,
    /// The last failure of a launch or start; cleared by a success.
    pub last_error: Option<LastError>,
    /// Starts that failed in a row, by their instance; a boot that succeeds clears the instance's.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub failed_starts: BTreeMap<InstanceId, FailedStarts>,
    /// Adopted instances in a row that a program outside this fleet ended soon after they had come
    /// up, the present one not counted.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub ended_elsewhere: u32,
    /// The end of the instance that is adopted, or was last, if such a program ended it. The next
    /// host may find no trace of the instance in the cloud.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_elsewhere_last: Option<EndedElsewhere>,
    /// The mutations that the budgets count, by any host (G10). `forget` keeps them.
    #[serde(default, skip_serializing_if = "Ledger::is_empty")]
    pub ledger: Ledger,
    /// The ends on verdicts of `reap`, which the pool's pace counts, by any host (G10). The ledger
    /// counts them too. `forget` keeps them.
    #[serde(default, skip_serializing_if = "Ledger::is_empty")]
    pub reaped: Ledger,
    /// The credential of the worker's box; `None` if no box has registered since the state was
    /// cleared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credential: Option<Credential>,
    /// The last register that was refused; cleared by a success.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub register_error: Option<LastError>,
    /// The set fields that a host must understand before it acts for the worker.
    #[serde(default, skip_serializing_if = "MustUnderstand::is_empty")]
    pub must_understand: MustUnderstand,
    /// An operator's pause; `None` if there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paused: Option<Paused>,
    /// The latest restart; `None` if there was none since the state was cleared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restart: Option<Restart>,
    /// The restart that is put off.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deferred: Option<Deferred>,
    /// The drain of the adopted instance before a reap; `None` if the instance does not drain. Use
    /// cancels the drain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub draining: Option<Draining>,
    /// What this version does not know.
    #[serde(flatten)]
    pub unknown: Unknown,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde calls it with a reference"
)]
fn is_zero(count: &u32) -> bool {
    *count == 0
}

/// An operator's pause: the host changes nothing in the cloud for the worker until an operator
/// resumes it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Paused {
    /// Since when, by the clock of the host that accepted the command. For people; no rule reads
    /// it.
    pub since: Instant,
    /// The operator's reason.
    pub reason: Option<String>,
    /// The host that accepted the command.
    pub by: HostId,
    /// Who gave the command; `None` if a version accepted it that did not write it down.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Sender>,
    /// What this version does not know.
    #[serde(flatten)]
    pub unknown: Unknown,
}

/// The phases of a worker's life. Activity counts in [`Phase::Running`] only.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    ToSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// No instance is adopted.
    #[default]
    Absent,
    /// A launch or start is under way.
    Provisioning,
    /// An instance is adopted.
    Running,
    /// The worker's instance is being stopped or terminated.
    Ending,
}

impl Phase {
    /// The text in the store.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Absent => "absent",
            Self::Provisioning => "provisioning",
            Self::Running => "running",
            Self::Ending => "ending",
        }
    }
}

/// A permitted mutation, with everything that a replay needs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Intent {
    /// The mutation; a launch includes its token.
    pub mutation: Mutation,
    /// The generation that the mutation belongs to.
    pub generation: Generation,
    /// The epoch that was current when the intent was committed.
    pub epoch: Epoch,
    /// The decision that the mutation rests on, by the host that committed it.
    pub decision: DecisionId,
    /// When the intent was first committed, by the clock of that host. Only that host and people
    /// use the time.
    pub since: Instant,
    /// What this version does not know.
    #[serde(flatten)]
    pub unknown: Unknown,
}

/// An adopted instance.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Adopted {
    /// The instance.
    pub id: InstanceId,
    /// The generation of the instance; 0 if another program launched it and reeve has launched none
    /// since.
    pub generation: Generation,
    /// Since when, by the clock of the host that adopted it.
    pub since: Instant,
    /// How the instance became the adopted one.
    pub how: How,
    /// Deliveries that were not reported processed at the adoption. The instance before took them,
    /// so they are no work of this one.
    #[serde(default)]
    pub unfinished_before: u64,
    /// For a started instance: when the provider last launched or started it by the last reading
    /// before the start. A reading with another time shows the life that the start began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub launched_before: Option<Instant>,
    /// What this version does not know.
    #[serde(flatten)]
    pub unknown: Unknown,
}

/// An instance that was adopted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Former {
    /// The instance.
    pub id: InstanceId,
    /// The generation of the instance.
    pub generation: Generation,
    /// What this version does not know.
    #[serde(flatten)]
    pub unknown: Unknown,
}

/// How an instance became the adopted one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum How {
    /// A host launched the instance.
    Launched,
    /// A host started the instance.
    Started,
    /// The instance was found running, by its tags or because the pointer named it.
    Found,
}

/// An end by a program outside this fleet, soon after the instance had come up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct EndedElsewhere {
    /// The provider's words for it.
    #[serde(flatten)]
    pub reason: StateReason,
    /// Since when a host knows of it.
    pub since: Instant,
    /// When the provider had launched or started the life that ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub launched_at: Option<Instant>,
    /// What this version does not know.
    #[serde(flatten)]
    pub unknown: Unknown,
}

/// The last failure of a worker: what, when, how often (docs/incidents.md#double-provision).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct LastError {
    /// A stable code, or the provider's own.
    pub code: String,
    /// The sentence for people.
    pub text: String,
    /// When the failure last happened.
    pub at: Instant,
    /// The number of failures in a row.
    pub count: u32,
    /// The act that failed; `None` if it is no launch or start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub act: Option<Act>,
    /// The capacity option of a launch; 0 for the first.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub capacity_option: u32,
    /// What this version does not know.
    #[serde(flatten)]
    pub unknown: Unknown,
}

/// Starts of one stopped instance that failed in a row. A start fails if the provider refuses it
/// for the instance's own reasons, or if the instance falls back to `stopped` or never gets an
/// address.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct FailedStarts {
    /// The number of failures in a row.
    pub count: u32,
    /// When the first of them was noticed.
    pub since: Instant,
    /// Until when the instance is not started; `None` if its start was not given up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub given_up_until: Option<Instant>,
    /// When the last start was accepted that fell back, so that no host counts it twice; `None` if
    /// none did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fell_back: Option<Instant>,
    /// What this version does not know.
    #[serde(flatten)]
    pub unknown: Unknown,
}

/// A drain: the adopted instance is not handed out, and is ended after a while unless it is used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Draining {
    /// The instance.
    pub instance: InstanceId,
    /// Since when, by the clock of the host that marked it.
    pub since: Instant,
    /// The `reap` decision behind the drain, by that host.
    pub decision: DecisionId,
    /// How the instance will be ended.
    pub choice: Choice,
    /// How long the drain lasts, if the policy asked for longer than the pool's `drain`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lasts: Option<Millis>,
    /// The reason that the policy gave.
    pub reason: DrainReason,
    /// What this version does not know.
    #[serde(flatten)]
    pub unknown: Unknown,
}

/// The reason of the `reap` decision behind a drain. A policy's [`Reason`] has no further fields;
/// the one in a record may be of a newer host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct DrainReason {
    /// The policy's code.
    pub code: String,
    /// The policy's sentence for people.
    pub text: String,
    /// What this version does not know.
    #[serde(flatten)]
    pub unknown: Unknown,
}

impl From<Reason> for DrainReason {
    fn from(reason: Reason) -> Self {
        Self {
            code: reason.code,
            text: reason.text,
            unknown: Unknown::default(),
        }
    }
}

impl DrainReason {
    /// The reason as the policy gave it.
    pub fn of_policy(&self) -> Reason {
        Reason::new(self.code.clone(), self.text.clone())
    }
}

/// The credential of a box: hashes of its tokens. At any time one token is in force. Its successor
/// may have been handed out, and its predecessor is accepted for a while.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Credential {
    /// The instance that registered.
    pub instance: InstanceId,
    /// The generation of the instance at that time.
    pub generation: Generation,
    /// The nonce of that register. A repeated register with the same nonce gets its lost response
    /// again.
    pub nonce: SecretHash,
    /// The token in force.
    pub token: SecretHash,
    /// Since when the token is in force, by the clock of the host that minted it.
    pub minted_at: Instant,
    /// The successor that the response to a heartbeat carried. Its first use puts it in force, so a
    /// lost response locks no box out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offered: Option<Offered>,
    /// The predecessor, while requests with it may be on their way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replaced: Option<Replaced>,
    /// What this version does not know.
    #[serde(flatten)]
    pub unknown: Unknown,
}

/// A token that a box was given and has not used yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Offered {
    /// The token's hash.
    pub token: SecretHash,
    /// When the token was minted.
    pub at: Instant,
    /// What this version does not know.
    #[serde(flatten)]
    pub unknown: Unknown,
}

/// A token whose successor is in force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Replaced {
    /// The token's hash.
    pub token: SecretHash,
    /// Until when the token is accepted.
    pub until: Instant,
    /// What this version does not know.
    #[serde(flatten)]
    pub unknown: Unknown,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_without_a_pause_has_no_pause_field() {
        let before = r#"{"epoch":3,"lease":"host","generation":2,"phase":"running","intent":null,"adopted":null,"last-error":null}"#;
        let record: WorkerRecord = serde_json::from_str(before).unwrap();
        assert_eq!(record.paused, None);
        assert_eq!(serde_json::to_string(&record).unwrap(), before);
    }

    /// A record of a newer version: fields that this one does not know, at the top and in a part.
    const NEWER: &str = r#"{"epoch":3,"lease":"host","generation":2,"phase":"running","intent":null,"adopted":{"id":"i-a","generation":2,"since":7,"how":"launched","unfinished-before":0,"zone":"b"},"last-error":null,"spare":{"of":[1,null]}}"#;

    #[test]
    fn fields_of_a_newer_version_are_kept_in_their_place() {
        let record: WorkerRecord = serde_json::from_str(NEWER).unwrap();
        assert_eq!(serde_json::to_string(&record).unwrap(), NEWER);
    }

    #[test]
    fn a_field_that_must_be_understood_is_understood_or_the_record_is_refused() {
        let with = |names: &str| NEWER.replacen('{', &format!("{{\"must-understand\":{names},"), 1);
        let read = |text: &str| serde_json::from_str::<WorkerRecord>(text);
        assert!(read(&with(r#"["paused"]"#)).is_ok());
        let error = read(&with(r#"["paused","frozen"]"#)).unwrap_err();
        let text =
            "`frozen` must be understood, and this version of reeve does not know it; update reeve";
        assert!(error.to_string().contains(text), "{error}");
    }
}
