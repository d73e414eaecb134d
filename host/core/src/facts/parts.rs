//! Parts of the facts other than instances: the mutation under way, the last failure, the pending
//! requests, the latest decision.

use crate::model::cloud::{CloudErrorKind, Mutation, MutationKind};
use crate::model::decision::Decision;
use crate::model::id::{DecisionId, Digest, Generation, InstanceId};
use crate::model::point::Reason;
use crate::model::time::Instant;

/// A mutation of an instance whose outcome is not known yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InFlight {
    /// The kind of the mutation.
    pub kind: MutationKind,
    /// The instance that the mutation changes; `None` for a launch.
    pub instance: Option<InstanceId>,
    /// The decision it rests on.
    pub decision: DecisionId,
    /// When the mutation was announced.
    pub since: Instant,
    /// Whether this life of this host sent the mutation and so receives its outcome. A mutation
    /// that another host or an earlier life intended is recovered when its lease is void.
    pub is_ours: bool,
}

/// A launch that is replayed with the same token and parameters until a definite answer arrives
/// (G1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LaunchAttempt {
    /// The launch, with its token.
    pub mutation: Mutation,
    /// The generation that the launch creates.
    pub generation: Generation,
    /// The decision it rests on.
    pub decision: DecisionId,
    /// How many times the launch was sent.
    pub sent: u32,
    /// Whether an earlier try was not answered and may have launched an instance.
    pub in_doubt: bool,
    /// When the launch was first sent.
    pub since: Instant,
    /// When a refusal proved that an earlier try launched an instance. From then on the host looks
    /// for the instance by tag and does not send the launch again. `None` if nothing has proved it.
    pub proved_at: Option<Instant>,
}

impl LaunchAttempt {
    /// Whether this refusal proves that an earlier try launched an instance: the token was used
    /// with other parameters, or its instance has ended already (EC2 developer guide, "Ensuring
    /// idempotency").
    pub fn is_proved_by(&self, error: CloudErrorKind) -> bool {
        self.in_doubt && error == CloudErrorKind::Conflict
    }

    /// Whether this error ends the attempt: no try launched an instance. A launch that the host did
    /// not send is sent later, with the same token.
    pub fn is_ended_by(&self, error: CloudErrorKind) -> bool {
        match self.in_doubt {
            true => error.is_definite_of_earlier_tries(),
            false => error.is_refusal(),
        }
    }
}

/// Candidates that `adopt` did not take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Declined {
    /// The declined candidates.
    pub ids: Vec<InstanceId>,
    /// Until when the candidates are not shown to `adopt` again and do not block a launch.
    pub until: Instant,
}

impl Declined {
    /// Whether this candidate was declined, and that decision still holds.
    pub fn holds_for(&self, id: &InstanceId, now: Instant) -> bool {
        now < self.until && self.ids.contains(id)
    }
}

/// The pending requests for the worker and the pass of the resolve flow, as that flow last
/// published them. An instance that is asked for is not ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Asking {
    /// Whether requests are pending.
    pub has_callers: bool,
    /// Whether a pass is under way.
    pub has_pass: bool,
    /// Whether that pass waits for a complete tag scan.
    pub awaits_scan: bool,
    /// Whether the pass waits for the record.
    pub awaits_record: bool,
    /// The decision that the pass waits for.
    pub awaits: Option<DecisionId>,
    /// Instances that the pass has read, or is reading, by id.
    pub reads: Vec<InstanceId>,
    /// Candidates that `adopt` was shown and did not take.
    pub declined: Option<Declined>,
}

/// The latest decision, as the status shows it.
#[derive(Clone, Debug, PartialEq)]
pub struct LastDecision {
    /// The id of the decision in the journal.
    pub id: DecisionId,
    /// When the policy answered.
    pub at: Instant,
    /// The proposal, in a few words.
    pub summary: String,
    /// The reason that the policy gave.
    pub reason: Reason,
    /// The digest of the component that decided; `None` for the safe default.
    pub digest: Option<Digest>,
}

impl LastDecision {
    /// The verdict and its reason, or the safe default and the failure behind it.
    pub(crate) fn of(id: DecisionId, at: Instant, made: &Decision) -> Self {
        let (summary, reason) = match &made.result {
            Ok(verdict) => (verdict.summary(), verdict.reason().clone()),
            Err(failure) => (
                "safe default".to_owned(),
                Reason::new(failure.code.clone(), failure.text.clone()),
            ),
        };
        Self {
            id,
            at,
            summary,
            reason,
            digest: made.digest,
        }
    }
}

/// The announcement of a permitted end, which the provider has not answered yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Announcement {
    /// The decision that the end rests on.
    pub decision: DecisionId,
    /// The end and its reason, in one sentence.
    pub text: String,
    /// The fields of the notice.
    pub fields: Vec<(&'static str, String)>,
}
