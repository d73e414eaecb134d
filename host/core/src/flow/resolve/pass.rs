//! One pass of a resolve: from the first look to an answer.

use crate::model::id::{DecisionId, InstanceId};
use crate::model::point::resolve::Adoption;
use crate::model::time::Instant;

/// One pass of a resolve.
#[derive(Clone, Debug)]
pub(super) struct Pass {
    pub(super) started: Instant,
    /// What it waits for.
    pub(super) step: PassStep,
    /// Policy decisions made in it.
    pub(super) decisions: u8,
    /// What `adopt` said in it.
    pub(super) adoption: Adoption,
    /// Instances read by id in it.
    pub(super) looked_at: Vec<InstanceId>,
    /// Whether the tag scan failed in it.
    pub(super) scan_failed: bool,
    /// What the cloud said instead of an answer, when a query failed in it.
    pub(super) trouble: Option<String>,
}

/// What a pass waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum PassStep {
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
    /// The time to look for the address again, which is then.
    AddressPause(Instant),
    /// The outcome of a launch or start.
    Mutation,
}

impl Pass {
    pub(super) fn new(started: Instant) -> Self {
        Self {
            started,
            step: PassStep::RecordRead,
            decisions: 0,
            adoption: Adoption::NotAsked,
            looked_at: Vec::new(),
            scan_failed: false,
            trouble: None,
        }
    }
}
