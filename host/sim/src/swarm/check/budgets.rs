//! G10: the mutations that a host announces, and that the provider does not refuse (V2), stay within
//! the budgets of the worker, the pool and the host, and ends on verdicts of `reap` within the pool's
//! pace. A host whose launch or start is refused pauses: a second after the first refusal, twice as
//! long after each further one in a row.

use std::collections::{BTreeMap, BTreeSet};

use reeve_core::cloud::{CloudErrorKind, Mutation, MutationKind};
use reeve_core::guard::{Permit, Rule, Veto};
use reeve_core::id::{DecisionId, PoolName, WorkerId};
use reeve_core::journal::{Content, Entry};
use reeve_core::notice::{Notice, Step};
use reeve_core::point::Verdict;
use reeve_core::point::reap::Choice;
use reeve_core::restart::Restart;
use reeve_core::spec::{Budget, FleetSpec, PoolSpec};
use reeve_core::time::{Instant, Millis};

use super::{CLOCKS_APART, Finding, Guarantee, Heard, Written};
use crate::engine::Life;

/// By how much a window may look longer to a host. Its clock may run fast, and it counts from when
/// it asked for the write, which may take ten seconds.
const RATES_APART: Millis = Millis::from_secs(15);

/// For how long a host may still count what another host has given back: it reads the records of
/// workers that it changes nothing for with its scans, one of which may fail.
const RECORDS_APART: Millis = Millis::from_secs(75);

/// The mutations that hosts announced. A worker's are counted over all hosts and lives, because its
/// record keeps them. A host counts those of a pool over the records that it has read. In a shared
/// store they may be old, and a life that begins while the store fails lacks some: there only the
/// mutations of its own life are compared.
#[derive(Default)]
pub(super) struct Budgets {
    spent: Vec<Spent>,
    /// Reaps that the provider refused, each with the time of the refusal.
    given_back: Vec<(Instant, Spent)>,
    replayed: Vec<Mutation>,
    /// The decisions of each life to reap.
    reaps: BTreeSet<(Life, DecisionId)>,
    /// The ends that lives have last journaled, and may not have written to the record yet.
    intended: BTreeMap<(Life, WorkerId), Instant>,
    /// The refusals in a row that a life of a host heard of, by the launch template.
    refused: BTreeMap<(Tries, String), Refused>,
}

/// The tries of a life of a host for one worker.
type Tries = (usize, u32, WorkerId, Kind);

/// A mutation that a host announced.
struct Spent {
    at: Instant,
    by: Life,
    kind: Kind,
    worker: WorkerId,
    /// Whether it is an end on a verdict of `reap`.
    is_reap: bool,
    /// Whether a try had no answer, or was repeated by another life.
    in_doubt: bool,
    /// Whether the provider refused the last try, so that only a try before may have been done.
    is_refused: bool,
}

/// Refusals in a row.
struct Refused {
    count: u32,
    is_for_good: bool,
    /// Whether the provider lacked capacity, which another template may have.
    lacks_capacity: bool,
    at: Instant,
}

/// The launch template of a mutation; empty if it has none.
fn template(mutation: &Mutation) -> String {
    match mutation {
        Mutation::Launch { source, .. } => source.template().unwrap_or_default().to_owned(),
        _ => String::new(),
    }
}

/// The longest pause after a refusal.
const BACKOFF_MAX: Millis = Millis::from_secs(60);

/// The kinds that budgets count. The core has its own, and a mistake there must show here.
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
            MutationKind::Stop | MutationKind::Terminate | MutationKind::Reboot => Some(Self::Stop),
            MutationKind::WritePointer => None,
        }
    }

    fn allowed(self, budget: Budget) -> usize {
        let allowed = match self {
            Self::Launch => budget.launches,
            Self::Start => budget.starts,
            Self::Stop => budget.stops,
        };
        usize::try_from(allowed).unwrap_or(usize::MAX)
    }
}

impl Budgets {
    /// Notes that an operator cleared the worker's state: hosts forget its failures.
    pub(super) fn forgotten(&mut self, worker: &WorkerId) {
        self.refused.retain(|((_, _, of, _), _), _| of != worker);
    }

    /// Notes that a launch failed for a reading that it needs. It begins a new row if the refusal is
    /// of another kind, and what a host was told of readings is not seen here.
    pub(super) fn announced(&mut self, by: Life, notice: &Notice) {
        let is_of_mutation = ["launch failed", "start failed"]
            .iter()
            .any(|it| notice.text.starts_with(it));
        if notice.step == Step::LaunchFailed && !is_of_mutation {
            self.refused.retain(|((host, life, of, _), _), _| {
                (*host, *life, of) != (by.host, by.life, &notice.worker)
            });
        }
    }

    /// Takes what was definitely not done from what was spent, and counts refusals in a row.
    pub(super) fn heard(&mut self, at: Instant, heard: &Heard<'_>) {
        let by = heard.by;
        let Some(kind) = Kind::of(heard.mutation) else {
            return;
        };
        let tries = (by.host, by.life, heard.worker.clone(), kind);
        let error = match heard.result {
            Ok(_) => {
                self.refused.retain(|(of, _), _| *of != tries);
                return;
            }
            Err(error) => error.kind,
        };
        // A conflict of a launch may say that an earlier try was carried out. A launch that was not
        // sent is sent later.
        let is_under_way = matches!(error, CloudErrorKind::Conflict | CloudErrorKind::NotSent);
        if kind == Kind::Launch && is_under_way {
            return;
        }
        self.note_error(at, heard.worker, kind, error);
        if !error.is_refusal() {
            return;
        }
        let is_for_good = error.is_for_good();
        let key = (tries, template(heard.mutation));
        let before = self.refused.get(&key);
        let in_row = before.filter(|before| before.is_for_good == is_for_good);
        let count = in_row.map_or(0, |before| before.count) + 1;
        let row = Refused {
            count,
            is_for_good,
            lacks_capacity: error == CloudErrorKind::NoCapacity,
            at,
        };
        self.refused.insert(key, row);
    }

    /// Takes the worker's last mutation of this kind from what was spent, if it was not done.
    fn note_error(&mut self, at: Instant, worker: &WorkerId, kind: Kind, error: CloudErrorKind) {
        let is_it = |spent: &Spent| spent.kind == kind && spent.worker == *worker;
        let Some(place) = self.spent.iter().rposition(is_it) else {
            return;
        };
        let spent = &mut self.spent[place];
        match (error.is_definite(), spent.in_doubt) {
            (false, _) => spent.in_doubt = true,
            (true, true) => spent.is_refused = true,
            (true, false) => {
                let spent = self.spent.remove(place);
                self.given_back.push((at, spent));
            }
        }
    }

    /// Notes a decision to reap, and the intent of an end.
    pub(super) fn journaled(&mut self, at: Instant, by: Life, entry: &Entry) {
        match &entry.content {
            Content::Decided(made) => {
                if let Ok(Verdict::Reap(verdict)) = &made.result
                    && verdict.choice != Choice::Keep
                {
                    self.reaps.insert((by, entry.decision));
                }
            }
            Content::Intent { mutation, .. } if Kind::of(mutation) == Some(Kind::Stop) => {
                self.intended.insert((by, entry.worker.clone()), at);
            }
            _ => {}
        }
    }

    /// Whether an announced mutation is an end on a verdict of `reap`: of the life that announces it,
    /// or of the one whose drain it ends. A restart may follow a decision to reap that was vetoed.
    fn is_reap(&self, written: &Written<'_>) -> bool {
        let restart = written.write.record.restart.as_ref();
        let Some(decision) = written.permit.map(Permit::decision) else {
            return false;
        };
        let draining = written.before.record.draining.as_ref();
        let reaps = self.reaps.contains(&(written.by, decision))
            || draining.is_some_and(|draining| draining.decision == decision);
        reaps && !restart.is_some_and(Restart::is_in_flight)
    }

    /// Checks that a veto for a spent pace rests on what was done, or may have been. A veto without
    /// its end rests on drains, too.
    pub(super) fn vetoed_pace(
        &self,
        at: Instant,
        worker: &WorkerId,
        spec: &FleetSpec,
        veto: &Veto,
    ) -> Finding {
        let Some(pool) = pool_of(spec, worker) else {
            return Ok(());
        };
        if veto.rule != Rule::ReapPace || veto.opens_at.is_none() {
            return Ok(());
        }
        let (allowed, window) = pace_of(spec, pool);
        let is_of_pool = |worker: &WorkerId| pool_of(spec, worker) == Some(pool);
        let spent = self.spent.iter().filter(|spent| {
            spent.is_reap
                && is_of_pool(&spent.worker)
                && at.since(spent.at) < window + RATES_APART + CLOCKS_APART
        });
        let is_being_written = |((_, worker), since): &(&(Life, WorkerId), &Instant)| {
            is_of_pool(worker) && at.since(**since) < RATES_APART
        };
        let intended = self.intended.iter().filter(is_being_written);
        let given_back = self.given_back.iter().filter(|(given_back_at, spent)| {
            spent.is_reap && is_of_pool(&spent.worker) && at.since(*given_back_at) < RECORDS_APART
        });
        match spent.count() + intended.count() + given_back.count() >= allowed {
            true => Ok(()),
            false => Err((
                Guarantee::V2,
                format!("the pace is not used up, and {}", veto.text),
            )),
        }
    }

    /// Checks that a veto for a spent budget of a worker rests on what was done, or may have been.
    pub(super) fn vetoed(
        &self,
        at: Instant,
        worker: &WorkerId,
        pool: &PoolSpec,
        veto: &Veto,
    ) -> Finding {
        if veto.rule != Rule::BudgetSpent || !veto.text.starts_with("the worker") {
            return Ok(());
        }
        let budget = pool.limits.worker_budget;
        let is_spent = [Kind::Launch, Kind::Start, Kind::Stop]
            .into_iter()
            .any(|kind| {
                let of_kind = self.spent.iter().filter(|spent| {
                    spent.kind == kind
                        && spent.worker == *worker
                        && at.since(spent.at) < budget.window + RATES_APART + CLOCKS_APART
                });
                of_kind.count() >= kind.allowed(budget)
            });
        match is_spent {
            true => Ok(()),
            false => Err((
                Guarantee::V2,
                format!("no budget is spent, and {}", veto.text),
            )),
        }
    }

    /// Checks that a launch or start does not come too soon after a refusal.
    fn check_pause(&self, written: &Written<'_>, kind: Kind, mutation: &Mutation) -> Finding {
        let tries = (
            written.by.host,
            written.by.life,
            written.worker.clone(),
            kind,
        );
        let template = template(mutation);
        let holds = self.refused.iter().filter(|((of, at), refused)| {
            *of == tries && (*at == template || !refused.lacks_capacity)
        });
        let Some((_, Refused { count, at, .. })) = holds.max_by_key(|(_, refused)| refused.at)
        else {
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

    /// Checks an announced mutation. `is_known` says whether the host knows what its earlier lives
    /// have spent for every worker.
    pub(super) fn committed(
        &mut self,
        written: &Written<'_>,
        spec: &FleetSpec,
        is_known: bool,
    ) -> Finding {
        let Some(mutation) = written.permit.map(|permit| permit.mutation()) else {
            return Ok(());
        };
        let Some(kind) = Kind::of(mutation) else {
            return Ok(());
        };
        if matches!(kind, Kind::Launch | Kind::Start) {
            self.check_pause(written, kind, mutation)?;
        }
        if kind == Kind::Launch {
            if self.replayed.contains(mutation) {
                let is_it =
                    |spent: &&mut Spent| spent.kind == kind && spent.worker == *written.worker;
                if let Some(spent) = self.spent.iter_mut().rev().find(is_it) {
                    spent.in_doubt = true;
                    spent.is_refused = false;
                }
                return Ok(());
            }
            self.replayed.push(mutation.clone());
        }
        let is_reap = self.is_reap(written);
        self.intended.remove(&(written.by, written.worker.clone()));
        self.spent.push(Spent {
            is_reap,
            at: written.at,
            by: written.by,
            kind,
            worker: written.worker.clone(),
            in_doubt: false,
            is_refused: false,
        });
        let pool = pool_of(spec, written.worker);
        let is_counted = |spent: &Spent| {
            spent.by == written.by || (is_known && spent.by.host == written.by.host)
        };
        let limits = &written.pool.limits;
        self.within(written, kind, "worker", limits.worker_budget, |spent| {
            spent.worker == *written.worker
        })?;
        self.within(written, kind, "pool", limits.pool_budget, |spent| {
            is_counted(spent) && pool_of(spec, &spent.worker) == pool
        })?;
        if let (true, Some(pool)) = (is_reap, pool) {
            let pace = pace_of(spec, pool);
            self.within_window(written, kind, "pace of reaps", pace, |spent| {
                spent.is_reap && is_counted(spent) && pool_of(spec, &spent.worker) == Some(pool)
            })?;
        }
        self.within(written, kind, "host", spec.budget, is_counted)
    }

    /// Checks that what was spent at a level is within its budget.
    fn within(
        &self,
        written: &Written<'_>,
        kind: Kind,
        level: &str,
        budget: Budget,
        is_of_level: impl Fn(&Spent) -> bool,
    ) -> Finding {
        let allowed = (kind.allowed(budget), budget.window);
        self.within_window(written, kind, level, allowed, is_of_level)
    }

    fn within_window(
        &self,
        written: &Written<'_>,
        kind: Kind,
        level: &str,
        (allowed, window): (usize, Millis),
        is_of_level: impl Fn(&Spent) -> bool,
    ) -> Finding {
        let is_within = |spent: &&Spent| {
            let age = written.at.since(spent.at) + RATES_APART + CLOCKS_APART;
            spent.kind == kind && !spent.is_refused && age < window && is_of_level(spent)
        };
        let count = self.spent.iter().filter(is_within).count();
        if count <= allowed {
            return Ok(());
        }
        let text =
            format!("{count} of {kind:?} for the {level} within {window}; {allowed} are allowed");
        Err((Guarantee::G10, text))
    }
}

fn pool_of<'a>(spec: &'a FleetSpec, worker: &WorkerId) -> Option<&'a PoolName> {
    spec.workers.get(worker).map(|it| &it.pool)
}

/// How many reaps the pool's pace allows, and within which window. The core has its own, and a
/// mistake there must show here.
fn pace_of(spec: &FleetSpec, pool: &PoolName) -> (usize, Millis) {
    let workers = spec.workers.values().filter(|it| it.pool == *pool);
    let share = |percent: u32| workers.count() * percent as usize / 100;
    let pace = spec.pools.get(pool).map(|it| it.limits.reap_pace);
    pace.map_or((0, Millis::ZERO), |pace| {
        (share(pace.percent).max(1), pace.window)
    })
}
