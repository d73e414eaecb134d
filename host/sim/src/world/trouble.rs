//! Trouble with the cloud's responses. Trouble lasts until it is removed, unlike a fault that
//! [`World::add_fault`] sets: one mutation uses that up.

use std::collections::{BTreeMap, BTreeSet};

use reeve_core::cloud::{CloudError, CloudErrorKind, Mutation, Query};
use reeve_core::id::InstanceId;
use reeve_core::instance::Instance;

use super::{Fault, SimInstance, World};

/// The trouble with calls. The fields are independent of each other.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trouble {
    /// Queries of these kinds get an error.
    pub unanswered: BTreeSet<Asked>,
    /// Queries of these kinds are over the provider's rate limit.
    pub throttled: BTreeSet<Asked>,
    /// Scans leave these instances out, as if a page were lost.
    pub hidden_from_scans: BTreeSet<InstanceId>,
    /// Scans show these readings of instances, which lag behind the true state.
    pub lagging_in_scans: BTreeMap<InstanceId, Instance>,
    /// The metrics of these instances are incomplete.
    pub partial_metrics: BTreeSet<InstanceId>,
    /// Every mutation of the fault's kind fails so. Of two faults of one kind, the first applies.
    pub failing: Vec<Fault>,
}

/// The kinds of query.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Asked {
    /// The value of the pointer.
    Pointer,
    /// One instance by its id.
    Instance,
    /// All instances by tag.
    Scan,
    /// Demand metrics.
    Demand,
    /// EC2's status checks.
    StatusChecks,
    /// The version of a launch template.
    TemplateVersion,
}

impl Asked {
    /// Every kind.
    pub const ALL: [Self; 6] = [
        Self::Pointer,
        Self::Instance,
        Self::Scan,
        Self::Demand,
        Self::StatusChecks,
        Self::TemplateVersion,
    ];

    fn of(query: &Query) -> Self {
        match query {
            Query::Pointer { .. } => Self::Pointer,
            Query::Instance { .. } => Self::Instance,
            Query::Scan { .. } => Self::Scan,
            Query::Demand { .. } => Self::Demand,
            Query::StatusChecks { .. } => Self::StatusChecks,
            Query::TemplateVersion { .. } => Self::TemplateVersion,
        }
    }
}

impl Trouble {
    /// The error that a query gets, if the trouble is about its kind.
    pub(super) fn error(&self, query: &Query) -> Option<CloudError> {
        let asked = Asked::of(query);
        let (kind, code) = if self.unanswered.contains(&asked) {
            (CloudErrorKind::Transient, "ServiceUnavailable")
        } else if self.throttled.contains(&asked) {
            (CloudErrorKind::Throttled, "RequestLimitExceeded")
        } else {
            return None;
        };
        Some(CloudError {
            operation: format!("{asked:?}"),
            kind,
            code: code.to_owned(),
            message: "the simulation says so".to_owned(),
            retry_after: None,
        })
    }

    /// The reading of an instance in a scan; `None`: the scan leaves it out.
    pub(super) fn in_scan(&self, instance: &SimInstance) -> Option<Instance> {
        if self.hidden_from_scans.contains(&instance.id) {
            return None;
        }
        let lagging = self.lagging_in_scans.get(&instance.id).cloned();
        Some(lagging.unwrap_or_else(|| instance.reading()))
    }
}

impl World {
    /// Sets the trouble with calls; the default is none.
    pub fn set_trouble(&mut self, trouble: Trouble) {
        self.trouble = trouble;
    }

    /// Takes the fault that this mutation meets: one that was set for the next of its kind, or one
    /// that lasts. A replayed launch gets its first instance even without capacity.
    pub(super) fn fault_of(&mut self, mutation: &Mutation) -> Option<Fault> {
        let is_replay = match mutation {
            Mutation::Launch { token, .. } => self.launched_by(token).is_some(),
            _ => false,
        };
        let applies = |fault: &Fault| {
            fault.kind == mutation.kind()
                && !(is_replay && fault.error == CloudErrorKind::NoCapacity)
        };
        let next = self.faults.iter().position(applies);
        if let Some(fault) = next.and_then(|position| self.faults.remove(position)) {
            return Some(fault);
        }
        let mut lasting = self.trouble.failing.iter();
        lasting.find(|fault| applies(fault)).cloned()
    }
}
