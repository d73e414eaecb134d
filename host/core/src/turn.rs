//! What a step carries: the time, what the workers of a host and of a pool share, and the effects so far.

use std::collections::BTreeMap;

use crate::effect::{Effect, Question};
use crate::event::{Asker, Timer, WorkerTimer};
use crate::guard::{Permit, Proposal, Scene};
use crate::model::budget::Ledger;
use crate::model::cloud::{CloudError, Query};
use crate::model::decision::{Decision, PolicyFailure};
use crate::model::id::{DecisionId, HostId, PoolName, RequestId};
use crate::model::journal::{Entry, Record};
use crate::model::notice::{Notice, Step};
use crate::model::point::{Input, Point};
use crate::model::response::Response;
use crate::model::spec::{Budget, FleetSpec, PoolSpec};
use crate::model::time::{Instant, Millis};
use crate::model::veto::Veto;
use crate::worker::Worker;

/// One step's surroundings: the time, what workers share, and the effects so far.
pub(crate) struct Turn<'a> {
    pub(crate) now: Instant,
    pub(crate) shared: &'a mut Shared,
    pub(crate) effects: Vec<Effect>,
}

/// What the workers of a host share.
#[derive(Clone, Debug)]
pub(crate) struct Shared {
    pub(crate) us: HostId,
    pub(crate) store_is_shared: bool,
    pub(crate) lease: Millis,
    pub(crate) name: String,
    pub(crate) dry_run: bool,
    pub(crate) ledger: Ledger,
    pub(crate) budget: Budget,
    pub(crate) pools: BTreeMap<PoolName, Pool>,
    pub(crate) decisions: DecisionId,
}

/// What the workers of a pool share.
#[derive(Clone, Debug)]
pub(crate) struct Pool {
    pub(crate) spec: PoolSpec,
    pub(crate) ledger: Ledger,
    pub(crate) tag_values: Vec<String>,
    pub(crate) scan_in_flight: bool,
    pub(crate) demand_in_flight: bool,
    pub(crate) status_checks_in_flight: bool,
}

impl Pool {
    pub(crate) fn new(name: &PoolName, spec: &PoolSpec, fleet: &FleetSpec) -> Self {
        let of_pool = fleet.workers.values().filter(|worker| &worker.pool == name);
        let mut tag_values: Vec<_> = of_pool.map(|worker| worker.tag_value.clone()).collect();
        tag_values.sort();
        tag_values.dedup();
        Self {
            spec: spec.clone(),
            ledger: Ledger::default(),
            tag_values,
            scan_in_flight: false,
            demand_in_flight: false,
            status_checks_in_flight: false,
        }
    }
}

impl Turn<'_> {
    /// Puts a question to the policy and gives the decision's id.
    pub(crate) fn decide(&mut self, worker: &Worker, input: Input) -> DecisionId {
        self.shared.decisions = self.shared.decisions.next();
        let decision = self.shared.decisions;
        self.effects.push(Effect::Decide(Question {
            worker: worker.id.clone(),
            pool: worker.spec.pool.clone(),
            decision,
            input,
        }));
        decision
    }

    /// Asks the guard. A veto is journaled and told.
    pub(crate) fn permit(
        &mut self,
        worker: &Worker,
        decision: DecisionId,
        proposal: &Proposal,
    ) -> Result<Permit, Veto> {
        let result = self.scene(worker, decision, |scene| scene.permit(proposal));
        if let Err(veto) = &result {
            self.vetoed(worker, decision, veto);
        }
        result
    }

    /// Lets the guard look at the worker as it is now.
    pub(crate) fn scene<T>(
        &self,
        worker: &Worker,
        decision: DecisionId,
        look: impl FnOnce(Scene<'_>) -> T,
    ) -> T {
        let nothing = Default::default();
        let pool = self.shared.pools.get(&worker.spec.pool);
        look(Scene {
            worker,
            now: self.now,
            decision,
            us: &self.shared.us,
            store_is_shared: self.shared.store_is_shared,
            lease: self.shared.lease,
            fleet: &self.shared.name,
            dry_run: self.shared.dry_run,
            pool: pool.map_or((&nothing, Budget::default()), |pool| {
                (&pool.ledger, pool.spec.limits.pool_budget)
            }),
            host: (&self.shared.ledger, self.shared.budget),
        })
    }

    /// Writes a veto down and tells it.
    pub(crate) fn vetoed(&mut self, worker: &Worker, decision: DecisionId, veto: &Veto) {
        self.journal(worker, decision, Entry::Vetoed(veto.clone()));
        self.notice(
            worker,
            Step::ProposalVetoed,
            veto.to_string(),
            &[
                ("rule", veto.rule.as_str()),
                ("decision", &decision.to_string()),
            ],
        );
    }

    pub(crate) fn journal(&mut self, worker: &Worker, decision: DecisionId, entry: Entry) {
        self.effects.push(Effect::Journal(Record {
            at: self.now,
            worker: worker.id.clone(),
            decision,
            entry,
        }));
    }

    pub(crate) fn notice(
        &mut self,
        worker: &Worker,
        step: Step,
        text: String,
        fields: &[(&str, &str)],
    ) {
        let owned = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
        self.effects.push(Effect::Notice(Notice {
            worker: worker.id.clone(),
            step,
            text,
            fields: fields.iter().map(owned).collect(),
        }));
    }

    pub(crate) fn timer(&mut self, worker: &Worker, at: Instant, timer: WorkerTimer) {
        let timer = Timer::Worker(worker.id.clone(), timer);
        self.effects.push(Effect::Timer { at, timer });
    }

    pub(crate) fn respond(&mut self, worker: &Worker, request: RequestId, response: Response) {
        self.effects.push(Effect::Respond {
            worker: worker.id.clone(),
            request,
            response,
        });
    }

    /// Stops handing out the published route at once.
    pub(crate) fn withdraw(&mut self, worker: &mut Worker) {
        if worker.route.take().is_some() {
            self.effects.push(Effect::Withdraw(worker.id.clone()));
        }
    }

    pub(crate) fn cloud_failed(&mut self, worker: &Worker, error: &CloudError) {
        self.notice(
            worker,
            Step::CloudCallFailed,
            error.to_string(),
            &[("operation", &error.operation), ("code", &error.code)],
        );
    }

    pub(crate) fn policy_failed(
        &mut self,
        worker: &Worker,
        made: &Decision,
        failure: &PolicyFailure,
    ) {
        let point: Point = made.input.point();
        self.notice(
            worker,
            Step::PolicyFailed,
            format!("{}; the safe default of `{point}` holds", failure.text),
            &[("point", point.as_str()), ("code", &failure.code)],
        );
    }

    /// Asks for a tag scan of the pool, or joins the one under way: one scan serves all its workers.
    pub(crate) fn scan(&mut self, name: &PoolName) {
        let Some(pool) = self.shared.pools.get_mut(name) else {
            return;
        };
        if pool.scan_in_flight || pool.tag_values.is_empty() {
            return;
        }
        pool.scan_in_flight = true;
        let query = Query::Scan {
            region: pool.spec.region.clone(),
            compute: pool.spec.compute.clone(),
            tag_key: pool.spec.tag_key.clone(),
            tag_values: pool.tag_values.clone(),
        };
        self.effects.push(Effect::Query {
            asker: Asker::Pool(name.clone()),
            query,
        });
    }
}
