//! The context of a step: the time, what the workers of a host and of a pool share, and the effects
//! so far.

use std::collections::{BTreeMap, VecDeque};

use crate::effect::{Effect, Question};
use crate::event::{Asker, Timer, WorkerTimer};
use crate::facts::{Peers, Reaps, Storm, WorkerFacts};
use crate::guard::{Permit, Proposal, Scene};
use crate::happened::Happened;
use crate::model::backoff::Throttle;
use crate::model::budget::Ledgers;
use crate::model::cloud::{CloudError, Query, Reading};
use crate::model::decision::{Decision, PolicyFailure};
use crate::model::id::{DecisionId, HostId, InstanceId, PoolName, RequestId, Sender, WorkerId};
use crate::model::journal::{Content, Entry, FORMAT};
use crate::model::notice::{Notice, Step};
use crate::model::point::{Input, Point};
use crate::model::response::Response;
use crate::model::spec::{Budget, FleetSpec, PoolSpec};
use crate::model::time::{Instant, Millis};
use crate::model::veto::Veto;
use crate::numbers::Numbers;

/// The context of one step: the time, what workers share, and the effects so far.
pub(crate) struct Turn<'a> {
    pub(crate) now: Instant,
    pub(crate) shared: &'a mut Shared,
    pub(crate) effects: Vec<Effect>,
    /// News of flows for the other flows, in the order in which it happened.
    pub(crate) news: VecDeque<Happened>,
}

/// The state that the workers of a host share.
#[derive(Clone, Debug)]
pub(crate) struct Shared {
    pub(crate) us: HostId,
    pub(crate) store_is_shared: bool,
    pub(crate) lease: Millis,
    pub(crate) dry_run: bool,
    /// The ledgers of all workers, whichever host acted for them.
    pub(crate) ledgers: Ledgers,
    /// The adopted instance of each worker.
    pub(crate) adopted: BTreeMap<WorkerId, InstanceId>,
    pub(crate) budget: Budget,
    pub(crate) pools: BTreeMap<PoolName, Pool>,
    pub(crate) decisions: Numbers,
    /// Whether each step ends with a check that no flow that has heard nothing does something.
    pub(crate) checks_itself: bool,
}

impl Shared {
    /// Notes what other workers must know of this one.
    pub(crate) fn note(&mut self, facts: &WorkerFacts) {
        self.note_ledger(facts);
        if let Some(pool) = self.pools.get_mut(&facts.spec.pool) {
            pool.peers.note(facts);
        }
        match &facts.adopted {
            Some(adopted) if self.adopted.get(&facts.id) == Some(&adopted.id) => {}
            Some(adopted) => {
                self.adopted.insert(facts.id.clone(), adopted.id.clone());
            }
            None => {
                self.adopted.remove(&facts.id);
            }
        }
    }

    /// Notes what the worker has spent of the budgets of its pool and of the host. A write in doubt
    /// may announce an act that the facts have dropped: until the record is read, what was noted
    /// before that write counts.
    fn note_ledger(&mut self, facts: &WorkerFacts) {
        if facts.record.in_doubt {
            return;
        }
        self.ledgers.note(&facts.id, &facts.ledger);
        if let Some(pool) = self.pools.get_mut(&facts.spec.pool) {
            pool.ledgers.note(&facts.id, &facts.ledger);
            pool.reaps.note(facts);
        }
    }
}

/// The state that the workers of a pool share.
#[derive(Clone, Debug)]
pub(crate) struct Pool {
    pub(crate) spec: PoolSpec,
    /// The ledgers of its workers, whichever host acted for them.
    pub(crate) ledgers: Ledgers,
    /// Which of its workers were reaped of late or are about to be.
    pub(crate) reaps: Reaps,
    /// The pace of reaps as a budget.
    pub(crate) reap_budget: Budget,
    /// Which of its workers are up.
    pub(crate) peers: Peers,
    /// Which of its workers fail, and since when.
    pub(crate) storm: Storm,
    /// Readings of pointers, which the provider limits apart from all others.
    pub(crate) pointers: Throttle,
    /// Scans, and readings of instances by id.
    pub(crate) instances: Throttle,
    pub(crate) tag_values: Vec<String>,
    pub(crate) scan_in_flight: bool,
    pub(crate) demand_in_flight: bool,
    pub(crate) status_checks_in_flight: bool,
}

impl Pool {
    pub(crate) fn new(name: &PoolName, spec: &PoolSpec, fleet: &FleetSpec) -> Self {
        let of_pool = fleet.workers.values().filter(|worker| &worker.pool == name);
        let mut tag_values: Vec<_> = of_pool.map(|worker| worker.tag_value.clone()).collect();
        let reap_budget = spec.limits.reap_pace.budget(tag_values.len());
        tag_values.sort();
        tag_values.dedup();
        Self {
            spec: spec.clone(),
            ledgers: Ledgers::default(),
            reaps: Reaps::default(),
            reap_budget,
            peers: Peers::default(),
            storm: Storm::default(),
            pointers: Throttle::default(),
            instances: Throttle::default(),
            tag_values,
            scan_in_flight: false,
            demand_in_flight: false,
            status_checks_in_flight: false,
        }
    }

    /// The pause that a query keeps. The other readings of a pool are at most one per interval.
    fn throttle(&mut self, query: &Query) -> Option<&mut Throttle> {
        match query {
            Query::Pointer { .. } => Some(&mut self.pointers),
            Query::Instance { .. } | Query::Scan { .. } | Query::TemplateVersion { .. } => {
                Some(&mut self.instances)
            }
            Query::Demand { .. } | Query::StatusChecks { .. } => None,
        }
    }
}

impl<'a> Turn<'a> {
    /// A step that begins at this instant.
    pub(crate) fn new(now: Instant, shared: &'a mut Shared) -> Self {
        Self {
            now,
            shared,
            effects: Vec::new(),
            news: VecDeque::new(),
        }
    }

    /// Has the worker's flows hear this news before the next flow is advanced.
    pub(crate) fn tell(&mut self, happened: Happened) {
        self.news.push_back(happened);
    }

    /// Has the record read.
    pub(crate) fn read_record(&mut self, facts: &WorkerFacts) {
        self.effects.push(Effect::ReadRecord(facts.id.clone()));
    }

    /// Asks the cloud a query about one worker. While the provider limits the rate of the pool's
    /// queries, the cloud is not asked, and the flows hear of the last limit at once.
    pub(crate) fn query(&mut self, facts: &WorkerFacts, query: Query) {
        let pool = self.shared.pools.get_mut(&facts.spec.pool);
        let throttle = pool.and_then(|pool| pool.throttle(&query));
        if let Some(error) = throttle.and_then(|it| it.limit(self.now)).cloned() {
            return self.tell(Happened::Queried {
                query,
                asked_at: self.now,
                result: Err(error),
            });
        }
        self.effects.push(Effect::Query {
            asker: Asker::Worker(facts.id.clone()),
            query,
        });
    }

    /// Asks the policy, and returns the id of the decision.
    pub(crate) fn decide(&mut self, facts: &WorkerFacts, mut input: Input) -> DecisionId {
        if let Some(pool) = self.shared.pools.get(&facts.spec.pool) {
            pool.peers.count(&facts.id, input.worker_mut());
        }
        let decision = self.shared.decisions.take();
        self.effects.push(Effect::Decide(Question {
            worker: facts.id.clone(),
            pool: facts.spec.pool.clone(),
            decision,
            input,
        }));
        decision
    }

    /// Asks the guard. A veto is journaled and announced.
    pub(crate) fn permit(
        &mut self,
        facts: &WorkerFacts,
        decision: DecisionId,
        proposal: &Proposal,
    ) -> Result<Permit, Veto> {
        let result = self.scene(facts, decision, |scene| scene.permit(proposal));
        if let Err(veto) = &result {
            self.vetoed(facts, decision, veto);
        }
        result
    }

    /// Builds a scene of the worker for the guard's rules.
    pub(crate) fn scene<T>(
        &self,
        facts: &WorkerFacts,
        decision: DecisionId,
        ask: impl FnOnce(Scene<'_>) -> T,
    ) -> T {
        let (nothing, no_reaps) = Default::default();
        let pool = self.shared.pools.get(&facts.spec.pool);
        ask(Scene {
            facts,
            now: self.now,
            decision,
            us: &self.shared.us,
            store_is_shared: self.shared.store_is_shared,
            lease: self.shared.lease,
            dry_run: self.shared.dry_run,
            adopted: &self.shared.adopted,
            pool: pool.map_or((&nothing, Budget::default()), |pool| {
                (&pool.ledgers, pool.spec.limits.pool_budget)
            }),
            reaps: pool.map_or((&no_reaps, Budget::default()), |pool| {
                (&pool.reaps, pool.reap_budget)
            }),
            host: (&self.shared.ledgers, self.shared.budget),
        })
    }

    /// Journals a veto and announces it.
    pub(crate) fn vetoed(&mut self, facts: &WorkerFacts, decision: DecisionId, veto: &Veto) {
        self.journal(facts, decision, Content::Vetoed(veto.clone()));
        self.notice(
            facts,
            Step::ProposalVetoed,
            veto.to_string(),
            &[
                ("rule", veto.rule.as_str()),
                ("decision", &decision.to_string()),
            ],
        );
    }

    pub(crate) fn journal(&mut self, facts: &WorkerFacts, decision: DecisionId, content: Content) {
        self.journal_from(facts, decision, None, content);
    }

    /// Journals an entry that a sender asked for.
    pub(crate) fn journal_from(
        &mut self,
        facts: &WorkerFacts,
        decision: DecisionId,
        from: Option<Sender>,
        content: Content,
    ) {
        self.effects.push(Effect::Journal(Entry {
            format: FORMAT,
            at: self.now,
            worker: facts.id.clone(),
            pool: facts.spec.pool.clone(),
            decision,
            from,
            content,
        }));
    }

    pub(crate) fn notice(
        &mut self,
        facts: &WorkerFacts,
        step: Step,
        text: String,
        fields: &[(&str, &str)],
    ) {
        let owned = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
        self.effects.push(Effect::Notice(Notice {
            worker: facts.id.clone(),
            step,
            text,
            fields: fields.iter().map(owned).collect(),
        }));
    }

    pub(crate) fn timer(&mut self, facts: &WorkerFacts, at: Instant, timer: WorkerTimer) {
        let timer = Timer::Worker(facts.id.clone(), timer);
        self.effects.push(Effect::Timer { at, timer });
    }

    pub(crate) fn respond(&mut self, facts: &WorkerFacts, request: RequestId, response: Response) {
        self.effects.push(Effect::Respond {
            worker: facts.id.clone(),
            request,
            response,
        });
    }

    pub(crate) fn cloud_failed(&mut self, facts: &WorkerFacts, error: &CloudError) {
        self.notice(
            facts,
            Step::CloudCallFailed,
            error.to_string(),
            &[("operation", &error.operation), ("code", &error.code)],
        );
    }

    pub(crate) fn policy_failed(
        &mut self,
        facts: &WorkerFacts,
        made: &Decision,
        failure: &PolicyFailure,
    ) {
        let point: Point = made.input.point();
        self.notice(
            facts,
            Step::PolicyFailed,
            format!("{}; the safe default of `{point}` holds", failure.text),
            &[("point", point.as_str()), ("code", &failure.code)],
        );
    }

    /// When the cloud is asked again, if the provider limits the rate of the pool's queries.
    pub(crate) fn asks_again_at(&self, facts: &WorkerFacts) -> Option<Instant> {
        let pool = self.shared.pools.get(&facts.spec.pool)?;
        let (pointers, instances) = (&pool.pointers, &pool.instances);
        pointers
            .opens_at(self.now)
            .max(instances.opens_at(self.now))
    }

    /// Notes whether the provider limits the rate of the pool's queries.
    pub(crate) fn note_rate(
        &mut self,
        pool: &PoolName,
        query: &Query,
        asked_at: Instant,
        answer: &Result<Reading, CloudError>,
    ) {
        let pool = self.shared.pools.get_mut(pool);
        if let Some(throttle) = pool.and_then(|pool| pool.throttle(query)) {
            throttle.note(self.now, asked_at, answer);
        }
    }

    /// Asks for a tag scan that a flow of this worker waits for. While the provider limits the rate
    /// of the pool's queries, the flows hear of the last limit at once.
    pub(crate) fn scan_for(&mut self, facts: &WorkerFacts) {
        let pool = self.shared.pools.get(&facts.spec.pool);
        let is_under_way = pool.is_some_and(|pool| pool.scan_in_flight);
        match pool
            .and_then(|pool| pool.instances.limit(self.now))
            .cloned()
        {
            Some(error) if !is_under_way => self.tell(Happened::Scanned {
                asked_at: self.now,
                error: Some(error),
            }),
            _ => self.scan(&facts.spec.pool),
        }
    }

    /// Asks for a tag scan of the pool, or joins the one under way. One scan serves all workers of
    /// the pool. While the provider limits the rate of the pool's queries, the scan is left out.
    pub(crate) fn scan(&mut self, name: &PoolName) {
        let Some(pool) = self.shared.pools.get_mut(name) else {
            return;
        };
        let is_limited = pool.instances.limit(self.now).is_some();
        if pool.scan_in_flight || pool.tag_values.is_empty() || is_limited {
            return;
        }
        pool.scan_in_flight = true;
        let query = Query::Scan {
            region: pool.spec.region.clone(),
            compute: pool.spec.compute.clone(),
            tag_key: pool.spec.tag_key.clone(),
            tag_values: pool.tag_values.clone(),
            // `fleet::tasks` names the tasks: only there are all workers of the pool in sight.
            tasks: Box::default(),
        };
        self.effects.push(Effect::Query {
            asker: Asker::Pool(name.clone()),
            query,
        });
    }
}
