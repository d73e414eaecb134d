//! What the host remembers of a worker in addition to its instances: what is under way, what failed, who asks.

use crate::model::cloud::{CloudErrorKind, Mutation, MutationKind};
use crate::model::decision::Decision;
use crate::model::id::{DecisionId, Digest, Generation, InstanceId};
use crate::model::point::Reason;
use crate::model::point::resolve::FailureKind;
use crate::model::store::LastError;
use crate::model::time::Instant;

/// A mutation of an instance whose outcome is not known yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InFlight {
    /// What.
    pub kind: MutationKind,
    /// Of which instance; a launch has none.
    pub instance: Option<InstanceId>,
    /// The decision it rests on.
    pub decision: DecisionId,
    /// Since when.
    pub since: Instant,
    /// Whether this host sent it, in this life: then its outcome will come. What another host or an
    /// earlier life intended is recovered once its lease is void.
    pub is_ours: bool,
}

/// A launch that is replayed, token and parameters unchanged, until a definite answer comes (G1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LaunchAttempt {
    /// The launch, with its token.
    pub mutation: Mutation,
    /// Its generation.
    pub generation: Generation,
    /// The decision it rests on.
    pub decision: DecisionId,
    /// How often it was sent.
    pub sent: u32,
    /// Whether an earlier try was not answered, and may have been carried out.
    pub in_doubt: bool,
    /// When it was first sent.
    pub since: Instant,
    /// When a refusal proved that an earlier try was carried out. From then on its instance is looked for by tag, and
    /// the launch is not sent again. `None`: nothing has proved it.
    pub proved_at: Option<Instant>,
}

impl LaunchAttempt {
    /// Whether this refusal proves that an earlier try was carried out: the token was used with other parameters, or its
    /// instance is gone already (EC2 developer guide, "Ensuring idempotency").
    pub fn is_proved_by(&self, error: CloudErrorKind) -> bool {
        self.in_doubt && error == CloudErrorKind::Conflict
    }

    /// Whether this refusal ends it: none of its tries was carried out.
    pub fn is_ended_by(&self, error: CloudErrorKind) -> bool {
        match self.in_doubt {
            true => error.is_definite_of_earlier_tries(),
            false => error.is_definite(),
        }
    }
}

/// The last failure of a launch or start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Its kind.
    pub kind: FailureKind,
    /// The provider's code and sentence.
    pub text: String,
    /// When.
    pub at: Instant,
    /// How often in a row.
    pub count: u32,
    /// Before then nothing is launched or started, whatever a policy says: the provider asked for it.
    pub backs_off_until: Option<Instant>,
}

impl Failure {
    /// What the store and people are to remember of it.
    pub(crate) fn to_recorded(&self) -> LastError {
        LastError {
            code: self.kind.as_str().to_owned(),
            text: self.text.clone(),
            at: self.at,
            count: self.count,
        }
    }

    /// As the store remembers it: enough to say so, and to go on counting.
    pub(crate) fn recorded(error: &LastError) -> Self {
        Self {
            kind: FailureKind::from_code(&error.code),
            text: error.text.clone(),
            at: error.at,
            count: error.count,
            backs_off_until: None,
        }
    }
}

/// Candidates that `adopt` did not take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Declined {
    /// Which.
    pub ids: Vec<InstanceId>,
    /// Until when they are not shown again, and do not stand in the way of a launch.
    pub until: Instant,
}

impl Declined {
    /// Whether this candidate was declined, and that still holds.
    pub fn holds_for(&self, id: &InstanceId, now: Instant) -> bool {
        now < self.until && self.ids.contains(id)
    }
}

/// Who asks for the worker right now, as the resolve flow last made known. An instance that is asked for is not ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Asking {
    /// Whether callers wait for a response.
    pub has_callers: bool,
    /// Whether a pass is under way.
    pub is_looking: bool,
    /// Whether that pass waits for a complete tag scan.
    pub awaits_scan: bool,
    /// Whether the pass waits for the record.
    pub awaits_record: bool,
    /// The decision that the pass waits for.
    pub awaits: Option<DecisionId>,
    /// Instances that the pass has read by id, or reads.
    pub looks_at: Vec<InstanceId>,
    /// Candidates that `adopt` was shown and did not take.
    pub declined: Option<Declined>,
}

/// The latest decision, as the status shows it.
#[derive(Clone, Debug, PartialEq)]
pub struct LastDecision {
    /// Its id.
    pub id: DecisionId,
    /// When.
    pub at: Instant,
    /// What was proposed, in a few words.
    pub summary: String,
    /// Why.
    pub reason: Reason,
    /// Which code.
    pub digest: Option<Digest>,
}

impl LastDecision {
    /// What was decided, or that the safe default holds and why.
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
