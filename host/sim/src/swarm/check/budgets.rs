//! G10: what a host announces stays within its budgets, for each worker, pool and the host.

use std::collections::BTreeMap;

use reeve_core::cloud::{Mutation, MutationKind};
use reeve_core::spec::{Budget, FleetSpec};
use reeve_core::time::{Instant, Millis};

use super::{Finding, Guarantee, Written};

/// By how much a window may look longer: clocks run fast, and a host counts from when it asked for the write, which
/// may have taken ten seconds.
const RATES_APART: Millis = Millis::from_secs(15);

/// What each host has announced in its present life.
#[derive(Default)]
pub(super) struct Budgets {
    spent: BTreeMap<(usize, String), Vec<(Instant, Kind)>>,
    replayed: Vec<Mutation>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Launch,
    Start,
    Stop,
}

impl Budgets {
    /// A new life begins with empty hands.
    pub(super) fn host_began(&mut self, host: usize) {
        self.spent.retain(|(of, _), _| *of != host);
    }

    pub(super) fn committed(&mut self, written: &Written<'_>, spec: &FleetSpec) -> Finding {
        let Some(mutation) = written.permit.map(|permit| permit.mutation()) else {
            return Ok(());
        };
        let kind = match mutation.kind() {
            MutationKind::Launch => Kind::Launch,
            MutationKind::Start => Kind::Start,
            MutationKind::Stop | MutationKind::Terminate => Kind::Stop,
            MutationKind::WritePointer => return Ok(()),
        };
        if kind == Kind::Launch {
            if self.replayed.contains(mutation) {
                return Ok(());
            }
            self.replayed.push(mutation.clone());
        }
        let pool = spec.workers.get(written.worker).map(|it| it.pool.clone());
        let pool = pool.map_or(String::new(), |pool| format!("pool {pool}"));
        let levels = [
            (
                format!("worker {}", written.worker),
                written.pool.limits.worker_budget,
            ),
            (pool, written.pool.limits.pool_budget),
            ("host".to_owned(), spec.budget),
        ];
        for (level, budget) in levels {
            self.spend(written, kind, level, budget)?;
        }
        Ok(())
    }

    fn spend(
        &mut self,
        written: &Written<'_>,
        kind: Kind,
        level: String,
        budget: Budget,
    ) -> Finding {
        let key = (written.by.host, level.clone());
        let spent = self.spent.entry(key).or_default();
        spent.push((written.at, kind));
        let within = spent
            .iter()
            .filter(|(at, of)| *of == kind && written.at.since(*at) + RATES_APART < budget.window);
        let count = within.count();
        let allowed = match kind {
            Kind::Launch => budget.launches,
            Kind::Start => budget.starts,
            Kind::Stop => budget.stops,
        };
        if count <= usize::try_from(allowed).unwrap_or(usize::MAX) {
            return Ok(());
        }
        let text = format!(
            "{count} of {kind:?} for {level} within {}; {allowed} are allowed",
            budget.window
        );
        Err((Guarantee::G10, text))
    }
}
