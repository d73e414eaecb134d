//! From an event to effects, for one worker. Questions of *order* are settled here, and nowhere else:
//! what is read before what is asked, and what is asked before what is done.
//!
//! - [`callers`]: who asks, who waits, who is answered.
//! - [`pass`]: one pass: read the pointer, read the instance, scan by tag, ask `resolve`, follow it.
//! - [`adoption`]: asking `adopt`, taking an instance over, keeping the pointer true.
//! - [`address`]: the look for the address of an instance that runs.
//! - [`mutation`]: sending what was permitted, and what came of it.
//! - [`reaping`]: asking `reap` on each sweep.
//! - [`orphans`]: ending what lives on beside the adopted instance, after its grace.
//! - [`boxes`]: registers and reports of boxes and applications.
//! - [`health`]: probes and other signals, and what follows from them.
//! - [`operator`]: pausing, resuming and forgetting a worker.
//! - [`restart`]: ending a worker's instance and bringing it up again, once for however many ask.
//! - [`record`]: the worker's record in the store: written before anything is changed, recovered after a crash.

mod address;
mod adoption;
mod boxes;
mod callers;
mod health;
mod mutation;
mod operator;
mod orphans;
mod pass;
mod reaping;
mod record;
mod restart;

use crate::cloud::{CloudError, Query, Reading};
use crate::decision::{Decision, PolicyFailure};
use crate::demand::{Demand, Metric, Sample};
use crate::effect::{Effect, Question};
use crate::event::{Event, Timer};
use crate::fleet::Shared;
use crate::guard::{Proposal, Scene, Veto};
use crate::health::StatusChecks;
use crate::id::{DecisionId, InstanceId, RequestId};
use crate::instance::Instance;
use crate::journal::{Entry, Record};
use crate::notice::{Notice, Step};
use crate::point::{Input, Point, Reason, Verdict};
use crate::spec::Budget;
use crate::store::Touch;
use crate::time::{Instant, Millis};
use crate::worker::observe::Changes;
use crate::worker::{CYCLING, LastDecision, Stage, Worker};

/// One step's surroundings: the time, what workers share, and the effects so far.
pub(crate) struct Turn<'a> {
    pub(crate) now: Instant,
    pub(crate) shared: &'a mut Shared,
    pub(crate) effects: Vec<Effect>,
}

/// Takes in an event about this worker.
pub(crate) fn on_event(worker: &mut Worker, turn: &mut Turn<'_>, event: Event) {
    match event {
        Event::ResolveAsked { request, wait, .. } => callers::ask(worker, turn, request, wait),
        Event::RequestGone { request, .. } => {
            worker.waiters.remove(&request);
            boxes::gone(worker, request);
        }
        Event::Said {
            request,
            said,
            fresh,
            ..
        } => boxes::came(worker, turn, request, said, fresh),
        Event::Touched {
            request,
            touch,
            result,
            ..
        } => boxes::touched(worker, turn, request, touch, result),
        Event::Operated {
            request, command, ..
        } => operator::ask(worker, turn, request, command),
        Event::HandedOut { instance, .. } => handed_out(worker, turn, &instance),
        Event::BoxTurnedAway { .. } => worker.health.listening_since = turn.now,
        Event::DemandRead { demand, .. } => worker.demand = demand.map(Demand::told),
        Event::Probed {
            instance,
            asked_at,
            result,
            ..
        } => health::probed(worker, turn, &instance, asked_at, &result),
        Event::Queried {
            query,
            asked_at,
            result,
            ..
        } => {
            orphans::note(worker, &query, asked_at, &result);
            on_reading(worker, turn, query, asked_at, result);
            orphans::conclude(worker, turn);
        }
        Event::Decided { decision, made, .. } => on_decided(worker, turn, decision, made),
        Event::Mutated {
            decision,
            mutation,
            result,
            ..
        } => mutation::on_outcome(worker, turn, decision, &mutation, result),
        Event::RecordRead {
            asked_at, result, ..
        } => {
            record::read(worker, turn, asked_at, result);
            orphans::record_read(worker, turn, asked_at);
            health::conclude(worker, turn);
        }
        Event::Committed { result, .. } => record::written(worker, turn, result),
        Event::TimerFired(Timer::Recover(_)) => record::recover_or_look(worker, turn),
        Event::TimerFired(Timer::RenewLease(_)) => record::renew(worker, turn),
        Event::TimerFired(Timer::Drained(_)) => reaping::drained(worker, turn),
        Event::TimerFired(Timer::FollowRestart(_)) => restart::follow(worker, turn),
        Event::TimerFired(Timer::Probe(_)) => health::look(worker, turn),
        Event::TimerFired(Timer::Follow(_)) => callers::follow(worker, turn),
        Event::TimerFired(Timer::LookForAddress(_)) => address::look(worker, turn),
        Event::TimerFired(Timer::ReplayLaunch(_)) => mutation::replay_launch(worker, turn),
        Event::TimerFired(Timer::Deadline(_, request)) => callers::deadline(worker, turn, request),
        Event::Started => {
            worker.record.seen_at = turn.now;
            worker.record.read_at = turn.now;
            worker.take_activity(worker.record.activity(), turn.now);
            if !turn.shared.store_is_shared {
                reaping::revive(worker, turn, "its host has started anew");
            }
            restart::found(worker, turn);
            health::begin(worker, turn);
            record::recover_or_look(worker, turn);
        }
        Event::TimerFired(Timer::Sweep(_) | Timer::ReadDemand(_)) => {}
    }
}

/// Takes in what a tag scan found for this worker.
pub(crate) fn on_sweep(
    worker: &mut Worker,
    turn: &mut Turn<'_>,
    asked_at: Instant,
    found: Result<Vec<Instance>, CloudError>,
) {
    let scan_failed = match found {
        Ok(found) => {
            let changes = worker.observe_sweep(found, asked_at);
            apply(worker, turn, changes);
            None
        }
        Err(error) => {
            turn.cloud_failed(worker, &error);
            Some(error)
        }
    };
    boxes::after_sweep(worker, turn);
    let sweep_awaited = worker
        .pass
        .as_ref()
        .is_some_and(|pass| pass.stage == Stage::Sweep);
    let scanned = scan_failed.is_none();
    if sweep_awaited {
        pass::swept(worker, turn, scan_failed);
    } else if scanned {
        reaping::after_sweep(worker, turn);
    }
    if scanned {
        orphans::after_sweep(worker, turn);
        health::conclude(worker, turn);
    }
}

/// Takes in what EC2's status checks say of an instance of this worker; `None`: nothing.
pub(crate) fn on_status_checks(
    worker: &mut Worker,
    turn: &mut Turn<'_>,
    asked_at: Instant,
    instance: &InstanceId,
    checks: Result<Option<StatusChecks>, CloudError>,
) {
    if let Err(error) = &checks {
        turn.cloud_failed(worker, error);
    }
    let checks = checks.map_err(|error| error.to_string());
    health::checked(worker, turn, instance, asked_at, checks);
}

/// Takes in what this worker's demand metric said.
pub(crate) fn on_demand(
    worker: &mut Worker,
    turn: &mut Turn<'_>,
    asked_at: Instant,
    metric: &Metric,
    samples: Result<Vec<Sample>, CloudError>,
) {
    if let Err(error) = &samples {
        turn.cloud_failed(worker, error);
    }
    worker.observe_demand(asked_at, metric, samples.as_deref().ok());
}

fn on_reading(
    worker: &mut Worker,
    turn: &mut Turn<'_>,
    query: Query,
    asked_at: Instant,
    result: Result<Reading, CloudError>,
) {
    if let Err(error) = &result {
        turn.cloud_failed(worker, error);
    }
    match query {
        Query::Pointer { .. } => {
            match &result {
                Ok(Reading::Pointer(named)) => worker.observe_pointer(named.clone()),
                _ => worker.pointer = None,
            }
            pass::pointer_read(worker, turn, result.err());
        }
        Query::Instance { id, .. } => {
            if let Ok(Reading::Instance(reading)) = &result {
                let changes = worker.observe_instance(reading.clone(), asked_at);
                apply(worker, turn, changes);
            }
            boxes::instance_read(worker, turn, &id, asked_at, result.as_ref().err());
            pass::instance_read(worker, turn, &id, result.err());
        }
        Query::Sweep { .. } | Query::Demand { .. } | Query::StatusChecks { .. } => {}
    }
}

fn on_decided(worker: &mut Worker, turn: &mut Turn<'_>, decision: DecisionId, made: Decision) {
    turn.journal(worker, decision, Entry::Decided(Box::new(made.clone())));
    if let Err(failure) = &made.result {
        turn.policy_failed(worker, &made, failure);
    }
    worker.last_decision = Some(LastDecision {
        id: decision,
        at: turn.now,
        summary: match &made.result {
            Ok(verdict) => verdict.summary(),
            Err(_) => "safe default".to_owned(),
        },
        reason: match &made.result {
            Ok(verdict) => verdict.reason().clone(),
            Err(failure) => Reason::new(failure.code.clone(), failure.text.clone()),
        },
        digest: made.digest,
    });
    if let Some(instance) = worker.reaping.remove(&decision) {
        let verdict = match made.result {
            Ok(Verdict::Reap(verdict)) => Some(verdict),
            _ => None,
        };
        return reaping::decided(worker, turn, decision, &instance, verdict);
    }
    if made.input.point() == Point::Debounce {
        let choice = match made.result {
            Ok(Verdict::Debounce(verdict)) => Some(verdict.choice),
            _ => None,
        };
        operator::decided(worker, turn, decision, choice);
        return;
    }
    let stage = worker.pass.as_ref().map(|pass| pass.stage.clone());
    match (stage, made.result) {
        (Some(Stage::Resolve(id)), Ok(Verdict::Resolve(verdict))) if id == decision => {
            pass::resolved(worker, turn, decision, made.digest, verdict);
        }
        (Some(Stage::Resolve(id)), _) if id == decision => {
            pass::resolve_failed(worker, turn, decision);
        }
        (Some(Stage::Adopt(id)), Ok(Verdict::Adopt(verdict))) if id == decision => {
            adoption::decided(worker, turn, decision, verdict);
        }
        (Some(Stage::Adopt(id)), _) if id == decision => adoption::declined(worker, turn, 0),
        (Some(Stage::RetryIp(id)), Ok(Verdict::RetryIp(verdict))) if id == decision => {
            address::decided(worker, turn, &verdict);
        }
        (Some(Stage::RetryIp(id)), _) if id == decision => address::failed(worker, turn),
        // The answer to a question that no longer stands.
        _ => {}
    }
}

/// Tells what a reading changed.
fn apply(worker: &mut Worker, turn: &mut Turn<'_>, changes: Changes) {
    if changes.route_broken {
        turn.withdraw(worker);
    }
    for (id, state, served) in changes.lost {
        turn.notice(
            worker,
            Step::InstanceLost,
            format!("{id} went down by itself: it is {}", state.as_str()),
            &[("instance_id", id.as_str()), ("state", state.as_str())],
        );
        count_end(worker, turn, served);
    }
}

/// An instance went down: a run of instances that never served is cycling (I1).
pub(crate) fn count_end(worker: &mut Worker, turn: &mut Turn<'_>, served: bool) {
    if served {
        worker.unserved_in_row = 0;
        return;
    }
    worker.unserved_in_row = worker.unserved_in_row.saturating_add(1);
    worker.unserved_at = Some(turn.now);
    if worker.unserved_in_row >= CYCLING {
        turn.notice(
            worker,
            Step::WorkerCycling,
            format!(
                "{} instances in a row went down without ever having been handed out",
                worker.unserved_in_row
            ),
            &[("unserved_in_row", &worker.unserved_in_row.to_string())],
        );
    }
}

/// Notes that callers got the address of this instance. What other hosts and the next life must know of it is
/// refreshed in the store, to the minute: that is as exact as "not used for ten minutes" needs, and costs one
/// write a minute for a worker in use.
pub(crate) fn handed_out(worker: &mut Worker, turn: &mut Turn<'_>, id: &InstanceId) {
    const TOLD_EVERY_MAX: Millis = Millis::from_secs(60);
    // Less than the idle limit, however short that is.
    let idle_min = worker.pool.limits.idle_min.get();
    let told_every = Millis::new(idle_min / 2).min(TOLD_EVERY_MAX);
    worker.unserved_in_row = 0;
    reaping::revive(worker, turn, "its address was handed out");
    if let Some(known) = worker.instances.get_mut(id) {
        known.handed_out = known.handed_out.max(Some(turn.now));
    }
    let is_told = worker
        .handed_out_told
        .is_some_and(|at| turn.now.since(at) < told_every);
    let is_adopted = worker.is_adopted(id);
    if is_told || !is_adopted || turn.shared.dry_run {
        return;
    }
    worker.handed_out_told = Some(turn.now);
    turn.effects.push(Effect::Touch {
        worker: worker.id.clone(),
        // Nobody waits for it.
        request: RequestId::default(),
        touch: Touch::HandedOut { at: turn.now },
    });
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
    ) -> Result<crate::guard::Permit, Veto> {
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

    pub(crate) fn timer(&mut self, at: Instant, timer: Timer) {
        self.effects.push(Effect::Timer { at, timer });
    }

    /// Stops handing out the published route at once.
    pub(crate) fn withdraw(&mut self, worker: &mut Worker) {
        if worker.route.take().is_some() {
            self.effects.push(Effect::Withdraw(worker.id.clone()));
        }
    }

    fn cloud_failed(&mut self, worker: &Worker, error: &CloudError) {
        self.notice(
            worker,
            Step::CloudCallFailed,
            error.to_string(),
            &[("operation", &error.operation), ("code", &error.code)],
        );
    }

    fn policy_failed(&mut self, worker: &Worker, made: &Decision, failure: &PolicyFailure) {
        let point: Point = made.input.point();
        self.notice(
            worker,
            Step::PolicyFailed,
            format!("{}; the safe default of `{point}` holds", failure.text),
            &[("point", point.as_str()), ("code", &failure.code)],
        );
    }
}
