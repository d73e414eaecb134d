//! What the host remembers of a worker beside its instances: who embodies it, what is under way, who
//! waits.

use crate::model::cloud::{CloudErrorKind, Mutation, MutationKind};
use crate::model::decision::Decision;
use crate::model::id::{DecisionId, Digest, Generation, InstanceId, RequestId};
use crate::model::operator::{Command, CommandOutcome};
use crate::model::point::Reason;
use crate::model::point::debounce::Choice;
use crate::model::point::resolve::{Adoption, FailureKind};
use crate::model::store::LastError;
use crate::model::time::{Instant, Millis};

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

/// The look for the address of the adopted instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddressWatch {
    /// The instance.
    pub id: InstanceId,
    /// Readings without an address so far.
    pub tries: u32,
    /// When the first of them was asked for.
    pub since: Instant,
    /// A `give-up` that still answers callers: until when, and when they are to come back.
    pub given_up: Option<(Instant, Millis)>,
}

/// Candidates that `adopt` did not take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Declined {
    /// Which.
    pub ids: Vec<InstanceId>,
    /// Until when they are not shown again, and do not stand in the way of a launch.
    pub until: Instant,
}

/// A caller who waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Waiter {
    /// When the caller asked.
    pub asked_at: Instant,
    /// When an answer must be given at the latest.
    pub deadline: Instant,
    /// Whether a "not yet" of a finished pass is kept from the caller until the deadline.
    pub patient: bool,
}

/// One pass of a resolve: from the first look to an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pass {
    /// When it began.
    pub started: Instant,
    /// What it waits for.
    pub stage: Stage,
    /// Policy decisions made in it.
    pub decisions: u8,
    /// What `adopt` said in it.
    pub adoption: Adoption,
    /// Instances read by id in it.
    pub looked_at: Vec<InstanceId>,
    /// Whether the tag scan failed in it.
    pub scan_failed: bool,
    /// What the cloud said instead of an answer, when a query failed in it.
    pub trouble: Option<String>,
}

/// What a pass waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stage {
    /// The record's reading.
    RecordRead,
    /// The record's write.
    RecordWritten,
    /// The pointer's reading.
    Pointer,
    /// The reading of this instance.
    Instance(InstanceId),
    /// A complete tag scan.
    Scan,
    /// The answer of the `resolve` policy.
    Resolve(DecisionId),
    /// The answer of the `adopt` policy.
    Adopt(DecisionId),
    /// The answer of the `retry-ip` policy.
    RetryIp(DecisionId),
    /// The time to look for the address again.
    AddressPause,
    /// The outcome of a launch or start.
    Mutation,
}

/// A command of an operator that is not answered yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operation {
    /// Whom to answer.
    pub request: RequestId,
    /// Under which it stands in the journal.
    pub decision: DecisionId,
    /// What is to be done.
    pub command: Command,
    /// How far it has come.
    pub stage: OperationStage,
    /// Whether its write was lost to another host once.
    pub was_lost: bool,
}

/// How far a command has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OperationStage {
    /// Nothing was done yet.
    Queued,
    /// The record is being read.
    Reading,
    /// It is followed as soon as no write of the record is under way.
    Ready,
    /// The `debounce` policy is asked.
    Deciding(DecisionId),
    /// It has answered; followed as soon as no write of the record is under way.
    Decided(Choice),
    /// Its own write is under way; what it comes to once that is durable.
    Writing(CommandOutcome),
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
