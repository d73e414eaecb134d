//! One pass of a resolve: from the first reading to an answer.

use crate::model::cloud::CloudError;
use crate::model::id::{DecisionId, InstanceId};
use crate::model::point::resolve::Adoption;
use crate::model::time::Instant;

/// One pass of a resolve.
#[derive(Clone, Debug)]
pub(super) struct Pass {
    pub(super) started: Instant,
    /// The answer that the pass waits for.
    pub(super) step: PassStep,
    /// Policy decisions in this pass.
    pub(super) decisions: u8,
    /// The result of `adopt` in this pass.
    pub(super) adoption: Adoption,
    /// Instances that this pass has read by id.
    pub(super) instances_read: Vec<InstanceId>,
    /// Whether the tag scan of this pass failed.
    pub(super) scan_failed: bool,
    /// The last error of the cloud in this pass.
    pub(super) trouble: Option<CloudError>,
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
    /// The reading of this instance, which `adopt` took in this decision and only scans have shown.
    Taken(DecisionId, InstanceId),
    /// A complete tag scan.
    Scan,
    /// The answer of the `resolve` policy.
    Resolve(DecisionId),
    /// The answer of the `adopt` policy.
    Adopt(DecisionId),
    /// The answer of the `retry-ip` policy.
    RetryIp(DecisionId),
    /// The pause before the next reading of the address, which ends at this instant.
    AddressPause(Instant),
    /// The version of the launch template, for a launch that rests on this decision.
    Template(DecisionId, u32),
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
            instances_read: Vec::new(),
            scan_failed: false,
            trouble: None,
        }
    }
}
