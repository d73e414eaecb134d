//! G10: the mutations that a host announces, and that the provider does not refuse (V2), stay within
//! the budgets of the worker, the pool and the host. A host whose launch or start is refused pauses:
//! a second after the first refusal, twice as long after each further one in a row.

use std::collections::BTreeMap;

use reeve_core::cloud::{CloudErrorKind, Mutation, MutationKind};
use reeve_core::id::WorkerId;
use reeve_core::spec::{Budget, FleetSpec};
use reeve_core::time::{Instant, Millis};

use super::{Finding, Guarantee, Heard, Written};

/// By how much a window may look longer to a host. Its clock may run fast, and it counts from when
/// it asked for the write, which may take ten seconds.
const RATES_APART: Millis = Millis::from_secs(15);

/// The mutations that each life of a host announced. A new life counts from zero. A write of an
/// ended life may arrive during the next life, so the two are counted apart.
#[derive(Default)]
pub(super) struct Budgets {
    spent: BTreeMap<(usize, u32, String), Vec<Spent>>,
    replayed: Vec<Mutation>,
    /// The refusals in a row that a life of a host heard of.
    refused: BTreeMap<(usize, u32, WorkerId, Kind), Refused>,
}

/// Refusals in a row.
struct Refused {
    count: u32,
    is_for_good: bool,
    at: Instant,
}

/// A mutation that a host announced.
struct Spent {
    at: Instant,
    kind: Kind,
    worker: WorkerId,
}

/// The longest pause after a refusal.
const BACKOFF_MAX: Millis = Millis::from_secs(60);

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Launch,
    Start,
    Stop,
}

impl Kind {
    fn of(mutation: &Mutation) -> Option<Self> {
        match mutation.kind() {
            MutationKind::Launch => Some(Self::Launch),
            MutationKind::Start => Some(Self::Start),
            MutationKind::Stop | MutationKind::Terminate => Some(Self::Stop),
            MutationKind::WritePointer => None,
        }
    }
}

impl Budgets {
    /// Notes that an operator cleared the worker's state: hosts forget its failures.
    pub(super) fn forgotten(&mut self, worker: &WorkerId) {
        self.refused.retain(|(_, _, of, _), _| of != worker);
    }

    /// Takes what was definitely not done from what was spent, and counts refusals in a row.
    pub(super) fn heard(&mut self, at: Instant, heard: &Heard<'_>) {
        let by = heard.by;
        let Some(kind) = Kind::of(heard.mutation) else {
            return;
        };
        let key = (by.host, by.life, heard.worker.clone(), kind);
        let error = match heard.result {
            Ok(_) => {
                self.refused.remove(&key);
                return;
            }
            Err(error) => error.kind,
        };
        // A conflict of a launch may say that an earlier try was carried out.
        let is_proof = kind == Kind::Launch && error == CloudErrorKind::Conflict;
        if is_proof || !error.is_definite() {
            return;
        }
        self.give_back(heard, kind);
        let is_for_good = error.is_for_good();
        let before = self.refused.get(&key);
        let in_row = before.filter(|before| before.is_for_good == is_for_good);
        let count = in_row.map_or(0, |before| before.count) + 1;
        let row = Refused {
            count,
            is_for_good,
            at,
        };
        self.refused.insert(key, row);
    }

    /// Takes the last mutation of this kind for the worker from what the life spent.
    fn give_back(&mut self, heard: &Heard<'_>, kind: Kind) {
        let is_it = |spent: &Spent| spent.kind == kind && spent.worker == *heard.worker;
        for ((host, life, _), spent) in &mut self.spent {
            if (*host, *life) == (heard.by.host, heard.by.life)
                && let Some(place) = spent.iter().rposition(is_it)
            {
                spent.remove(place);
            }
        }
    }

    /// Checks that a launch or start does not come too soon after a refusal.
    fn check_pause(&self, written: &Written<'_>, kind: Kind) -> Finding {
        let key = (
            written.by.host,
            written.by.life,
            written.worker.clone(),
            kind,
        );
        let Some(Refused { count, at, .. }) = self.refused.get(&key) else {
            return Ok(());
        };
        let pause = Millis::new(1_000 << (count - 1).min(6)).min(BACKOFF_MAX);
        let age = written.at.since(*at);
        // A clock gains at most 0.5 s in 1000 s, which is 30 ms in the longest pause.
        if age.get() + 50 >= pause.get() {
            return Ok(());
        }
        let text = format!(
            "the host tries again {age} after the provider's refusal, number {count} in a row"
        );
        Err((Guarantee::G10, text))
    }

    pub(super) fn committed(&mut self, written: &Written<'_>, spec: &FleetSpec) -> Finding {
        let Some(mutation) = written.permit.map(|permit| permit.mutation()) else {
            return Ok(());
        };
        let Some(kind) = Kind::of(mutation) else {
            return Ok(());
        };
        if matches!(kind, Kind::Launch | Kind::Start) {
            self.check_pause(written, kind)?;
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
        spent.push(Spent {
            at: written.at,
            kind,
            worker: written.worker.clone(),
        });
        let is_within = |spent: &&Spent| {
            spent.kind == kind && written.at.since(spent.at) + RATES_APART < budget.window
        };
        let count = spent.iter().filter(is_within).count();
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
