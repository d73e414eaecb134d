//! What is wrong with the cloud's answers to queries. Queries change nothing, so unlike a
//! [`Fault`](super::Fault) of a mutation, trouble lasts until it is taken back.

use std::collections::{BTreeMap, BTreeSet};

use reeve_core::cloud::{CloudError, CloudErrorKind, Query};
use reeve_core::id::InstanceId;
use reeve_core::instance::Instance;

use super::{SimInstance, World};

/// Trouble with queries, each kind by itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trouble {
    /// Queries of these kinds are answered with an error.
    pub unanswered: BTreeSet<Asked>,
    /// Scans do not show these instances: a page that was lost.
    pub hidden_from_scans: BTreeSet<InstanceId>,
    /// Scans show these instances so, whatever has become of them: readings that lag behind.
    pub lagging_in_scans: BTreeMap<InstanceId, Instance>,
    /// The metrics of these instances come in part.
    pub partial_metrics: BTreeSet<InstanceId>,
}

/// The kinds of query.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Asked {
    /// What the pointer says.
    Pointer,
    /// One instance by its id.
    Instance,
    /// All instances by tag.
    Scan,
    /// Demand metrics.
    Demand,
    /// EC2's status checks.
    StatusChecks,
}

impl Asked {
    /// Every kind.
    pub const ALL: [Self; 5] = [
        Self::Pointer,
        Self::Instance,
        Self::Scan,
        Self::Demand,
        Self::StatusChecks,
    ];

    fn of(query: &Query) -> Self {
        match query {
            Query::Pointer { .. } => Self::Pointer,
            Query::Instance { .. } => Self::Instance,
            Query::Scan { .. } => Self::Scan,
            Query::Demand { .. } => Self::Demand,
            Query::StatusChecks { .. } => Self::StatusChecks,
        }
    }
}

impl Trouble {
    /// The error a query is answered with, if it is.
    pub(super) fn error(&self, query: &Query) -> Option<CloudError> {
        let asked = Asked::of(query);
        self.unanswered.contains(&asked).then(|| CloudError {
            operation: format!("{asked:?}"),
            kind: CloudErrorKind::Transient,
            code: "ServiceUnavailable".to_owned(),
            message: "the simulation says so".to_owned(),
            retry_after: None,
        })
    }

    /// What a scan says of an instance; `None`: it does not show it.
    pub(super) fn in_scan(&self, instance: &SimInstance) -> Option<Instance> {
        if self.hidden_from_scans.contains(&instance.id) {
            return None;
        }
        let lagging = self.lagging_in_scans.get(&instance.id).cloned();
        Some(lagging.unwrap_or_else(|| instance.reading()))
    }
}

impl World {
    /// Lets queries go wrong in this way from now on; the default is no trouble at all.
    pub fn trouble(&mut self, trouble: Trouble) {
        self.trouble = trouble;
    }
}
