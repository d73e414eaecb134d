//! G10: what a host announces stays within its budgets, for each worker, pool and the host, and a
//! rate limit that it was told of holds it back: a second after the first, twice as long after each
//! further one in a row.

use std::collections::BTreeMap;

use reeve_core::cloud::{CloudError, CloudErrorKind, Mutation, MutationKind, Outcome};
use reeve_core::id::WorkerId;
use reeve_core::spec::{Budget, FleetSpec};
use reeve_core::time::{Instant, Millis};

use super::{Finding, Guarantee, Written};
use crate::engine::{Life, Sent};

/// By how much a window may look longer: clocks run fast, and a host counts from when it asked for
/// the write, which may have taken ten seconds.
const RATES_APART: Millis = Millis::from_secs(15);

/// What each life of a host has announced. A new one begins with empty hands, and what one wrote
/// that has ended may arrive in the time of the next.
#[derive(Default)]
pub(super) struct Budgets {
    spent: BTreeMap<(usize, u32, String), Vec<(Instant, Kind)>>,
    replayed: Vec<Mutation>,
    /// Rate limits in a row that a life of a host was told of, and when the last of them was.
    limited: BTreeMap<(usize, u32, WorkerId), (u32, Instant)>,
}

/// The longest that a rate limit holds a host back.
const BACKOFF_MAX: Millis = Millis::from_secs(60);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Launch,
    Start,
    Stop,
}

impl Budgets {
    /// A worker is to be learned anew: its failures are not remembered.
    pub(super) fn forgotten(&mut self, worker: &WorkerId) {
        self.limited.retain(|(_, _, of), _| of != worker);
    }

    /// The cloud has answered.
    pub(super) fn concluded(
        &mut self,
        at: Instant,
        by: Life,
        sent: &Sent,
        result: &Result<Outcome, CloudError>,
    ) {
        if !matches!(
            sent.mutation.kind(),
            MutationKind::Launch | MutationKind::Start
        ) {
            return;
        }
        let key = (by.host, by.life, sent.worker.clone());
        match result {
            Err(error) if error.kind == CloudErrorKind::Throttled => {
                let limited = self.limited.entry(key).or_insert((0, at));
                *limited = (limited.0 + 1, at);
            }
            // Any other failure in between changes how long it waits.
            _ => {
                self.limited.remove(&key);
            }
        }
    }

    /// Whether a launch or start comes too soon after a rate limit.
    fn is_held_back(&self, written: &Written<'_>) -> Finding {
        let key = (written.by.host, written.by.life, written.worker.clone());
        let Some((count, at)) = self.limited.get(&key) else {
            return Ok(());
        };
        let pause = Millis::new(1_000 << (count - 1).min(6)).min(BACKOFF_MAX);
        let age = written.at.since(*at);
        // Clocks gain half a second in a thousand.
        if age.get() + 50 >= pause.get() {
            return Ok(());
        }
        let text = format!(
            "it tries again {age} after the provider's rate limit, number {count} in a row"
        );
        Err((Guarantee::G10, text))
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
        if matches!(kind, Kind::Launch | Kind::Start) {
            self.is_held_back(written)?;
        }
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
        let key = (written.by.host, written.by.life, level.clone());
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
