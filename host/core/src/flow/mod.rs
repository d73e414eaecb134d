//! What happens in which order, for one worker. The order of work stands here, and nowhere else: what is read before what
//! is asked, what is asked before what is done, and which concern hears first of what happened. A flow is one concern, and
//! flows never import each other: what one wants of another it returns, and this file passes it on.
//!
//! | flow | concern |
//! |---|---|
//! | [`recover`] | what an earlier life, another host or a lost reply left behind |
//! | [`command`] | commands of people and programs, one at a time |
//! | [`restart`] | ending an instance and bringing it up again, once for however many ask |
//! | [`orphan`] | ending what lives on beside the adopted instance, after its grace |
//! | [`reap`] | asking `reap` after each scan, draining, ending for idleness |
//! | [`health`] | probes and other signals, and what follows from them |
//! | [`resolve`] | where the worker is: read, scan, adopt, start, launch, answer |
//! | [`report`] | registers and reports of boxes and applications |
//!
//! Below them are [`act`] (announce, send, take in the outcome) and [`record`] (the worker's record in the store), which
//! call no flow, and the guard. [`safe_default`] has what holds at each point when no policy answers.

mod command;
mod health;
mod orphan;
mod reap;
mod recover;
mod report;
mod resolve;
mod restart;
mod safe_default;

use self::recover::Recovered;
use self::resolve::Next;
use crate::act::{self, Concluded};
use crate::event::{WorkerEvent, WorkerTimer};
use crate::guard::Proposal;
use crate::model::boxes::ReportOutcome;
use crate::model::cloud::{CloudError, Mutation, Outcome, Query, Reading};
use crate::model::decision::Decision;
use crate::model::demand::Demand;
use crate::model::health::StatusChecks;
use crate::model::id::{DecisionId, InstanceId, RequestId};
use crate::model::instance::Instance;
use crate::model::journal::Entry;
use crate::model::notice::Step;
use crate::model::operator::{Command, CommandOutcome};
use crate::model::point::{Point, Verdict};
use crate::model::request::Request;
use crate::model::restart::RestartRequest;
use crate::model::store::{Committed, StoreError, Stored, Touch, Touched};
use crate::model::time::Instant;
use crate::record::{self, ReadEnd, WriteEnd};
use crate::turn::Turn;
use crate::worker::{How, LastDecision, Stage, Worker};

/// Takes in something that happened to this worker.
pub(crate) fn on_event(worker: &mut Worker, turn: &mut Turn<'_>, what: WorkerEvent) {
    match what {
        WorkerEvent::Asked { request, what } => on_request(worker, turn, request, what),
        WorkerEvent::Gone(request) => {
            worker.waiters.remove(&request);
            report::gone(worker, request);
        }
        WorkerEvent::HandedOut(instance) => {
            reap::revive(worker, turn, "its address was handed out");
            resolve::handed_out(worker, turn, &instance);
        }
        WorkerEvent::BoxTurnedAway => health::box_turned_away(worker, turn),
        WorkerEvent::DemandRead(demand) => worker.demand = demand.map(Demand::told),
        WorkerEvent::Probed {
            instance,
            asked_at,
            result,
        } => {
            let wanted = health::probed(worker, turn, &instance, asked_at, &result);
            restart_wanted(worker, turn, wanted);
        }
        WorkerEvent::Queried {
            query,
            asked_at,
            result,
        } => {
            orphan::note(worker, &query, asked_at, &result);
            on_reading(worker, turn, query, asked_at, result);
            orphan::conclude(worker, turn);
        }
        WorkerEvent::Decided { decision, made } => on_decided(worker, turn, decision, made),
        WorkerEvent::RecordRead { asked_at, result } => {
            on_record_read(worker, turn, asked_at, result);
        }
        WorkerEvent::Committed(result) => on_written(worker, turn, result),
        WorkerEvent::Touched {
            request,
            touch,
            result,
        } => on_touched(worker, turn, request, touch, result),
        WorkerEvent::Mutated {
            decision,
            mutation,
            result,
        } => on_outcome(worker, turn, decision, &mutation, result),
        WorkerEvent::TimerFired(timer) => on_timer(worker, turn, timer),
    }
}

fn on_request(worker: &mut Worker, turn: &mut Turn<'_>, request: RequestId, what: Request) {
    match what {
        Request::Resolve { wait } => {
            // Use comes first: it cancels a drain.
            reap::revive(worker, turn, "somebody asks for it");
            if resolve::ask(worker, turn, request, wait) {
                resolve::begin(worker, turn);
            }
        }
        Request::Statement { statement, fresh } => {
            report::came(worker, turn, request, statement, fresh);
        }
        Request::Command(command) => on_command(worker, turn, request, command),
    }
}

fn on_timer(worker: &mut Worker, turn: &mut Turn<'_>, timer: WorkerTimer) {
    match timer {
        WorkerTimer::Recover => recovering(worker, turn, recover::recover_or_look),
        WorkerTimer::ReplayLaunch => recovering(worker, turn, recover::replay_launch),
        WorkerTimer::RenewLease => recover::renew(worker, turn),
        WorkerTimer::FollowRestart => {
            if restart::follow(worker, turn) && worker.pass.is_none() {
                resolve::begin(worker, turn);
            }
        }
        WorkerTimer::Drained => reap::drained(worker, turn),
        WorkerTimer::Probe => {
            let wanted = health::look(worker, turn);
            restart_wanted(worker, turn, wanted);
        }
        WorkerTimer::Follow => {
            if resolve::follow(worker, turn) {
                resolve::begin(worker, turn);
            }
        }
        WorkerTimer::LookForAddress => {
            let next = resolve::look_for_address(worker, turn);
            go_on(worker, turn, next);
        }
        WorkerTimer::Deadline(request) => resolve::deadline(worker, turn, request),
    }
}

/// The host begins to work.
pub(crate) fn on_started(worker: &mut Worker, turn: &mut Turn<'_>) {
    worker.record.seen_at = turn.now;
    worker.record.read_at = turn.now;
    worker.take_activity(worker.record.activity(), turn.now);
    if !turn.shared.store_is_shared {
        reap::revive(worker, turn, "its host has started anew");
    }
    restart::found(worker, turn);
    health::begin(worker, turn);
    recovering(worker, turn, recover::recover_or_look);
}

/// Takes in what a tag scan found for this worker.
pub(crate) fn on_scan(
    worker: &mut Worker,
    turn: &mut Turn<'_>,
    asked_at: Instant,
    found: Result<Vec<Instance>, CloudError>,
) {
    let error = match found {
        Ok(found) => {
            let changes = worker.observe_scan(found, asked_at);
            act::tell_changes(worker, turn, changes);
            recovering(worker, turn, |worker, turn| {
                recover::after_scan(worker, turn, asked_at)
            });
            None
        }
        Err(error) => {
            turn.cloud_failed(worker, &error);
            Some(error)
        }
    };
    let is_complete = error.is_none();
    report::after_scan(worker, turn);
    if worker.awaits(&Stage::Scan) {
        resolve::scanned(worker, turn, error);
    } else if is_complete {
        reap::after_scan(worker, turn);
    }
    if is_complete {
        orphan::after_scan(worker, turn);
        let wanted = health::conclude(worker, turn);
        restart_wanted(worker, turn, wanted);
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
    let wanted = health::checked(worker, turn, instance, asked_at, checks);
    restart_wanted(worker, turn, wanted);
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
            resolve::pointer_read(worker, turn, result.err());
        }
        Query::Instance { id, .. } => {
            if let Ok(Reading::Instance(reading)) = &result {
                let changes = worker.observe_instance(reading.clone(), asked_at);
                act::tell_changes(worker, turn, changes);
            }
            report::instance_read(worker, turn, &id, asked_at, result.as_ref().err());
            resolve::instance_read(worker, turn, &id, result.err());
        }
        Query::Scan { .. } | Query::Demand { .. } | Query::StatusChecks { .. } => {}
    }
}

fn on_decided(worker: &mut Worker, turn: &mut Turn<'_>, decision: DecisionId, made: Decision) {
    turn.journal(worker, decision, Entry::Decided(Box::new(made.clone())));
    if let Err(failure) = &made.result {
        turn.policy_failed(worker, &made, failure);
    }
    worker.last_decision = Some(LastDecision::of(decision, turn.now, &made));
    if let Some(instance) = worker.reaping.remove(&decision) {
        let verdict = match made.result {
            Ok(Verdict::Reap(verdict)) => Some(verdict),
            _ => None,
        };
        return reap::decided(worker, turn, decision, &instance, verdict);
    }
    if made.input.point() == Point::Debounce {
        let choice = match made.result {
            Ok(Verdict::Debounce(verdict)) => verdict.choice,
            _ => safe_default::debounce(worker),
        };
        command::decided(worker, decision, choice);
        return follow_commands(worker, turn);
    }
    if resolve::would_serve(worker, decision, &made) {
        restart::finish_if_there(worker, turn);
    }
    let next = resolve::decided(worker, turn, decision, made);
    go_on(worker, turn, next);
}

/// Does what a resolve wants done, as far as the guard agrees.
fn go_on(worker: &mut Worker, turn: &mut Turn<'_>, mut next: Next) {
    loop {
        next = match next {
            Next::Waits => return,
            Next::AsksResolve => return resolve::ask_resolve(worker, turn),
            Next::GoesOn => return resolve::go_on(worker, turn),
            Next::Serves(route) => {
                if !worker.waiters.is_empty() {
                    reap::revive(worker, turn, "its address was handed out");
                }
                return resolve::served(worker, turn, route);
            }
            Next::Changes { decision, proposal } => {
                match turn.permit(worker, decision, &proposal) {
                    Ok(permit) => {
                        resolve::permitted(worker);
                        return act::send(worker, turn, permit);
                    }
                    Err(veto) => resolve::refused(worker, turn, decision, &veto),
                }
            }
            Next::Adopts { decision, id } => {
                let permit = turn.permit(worker, decision, &Proposal::Adopt(id.clone()));
                let is_taken = permit.is_ok();
                if let Ok(permit) = permit {
                    let step = Step::InstanceAdoptedByTag;
                    act::take(worker, turn, &id, How::Found, step);
                    act::send(worker, turn, permit);
                }
                resolve::adoption_judged(worker, is_taken)
            }
        };
    }
}

fn on_outcome(
    worker: &mut Worker,
    turn: &mut Turn<'_>,
    decision: DecisionId,
    mutation: &Mutation,
    result: Result<Outcome, CloudError>,
) {
    match act::on_outcome(worker, turn, decision, mutation, result) {
        Concluded::NotOurs => return,
        Concluded::Taken => {}
        Concluded::Ended { id, is_ok } => restart::ended(worker, turn, &id, is_ok),
        Concluded::CarriedOutBefore(error) => {
            recover::launch_was_carried_out(worker, turn, &error);
        }
    }
    if worker.intent.is_none() {
        act::settle(worker, turn);
    }
    resolve::mutation_ended(worker, turn);
}

/// A write of the worker's record came to an end.
fn on_written(worker: &mut Worker, turn: &mut Turn<'_>, result: Result<Committed, StoreError>) {
    let error = result.as_ref().err().cloned();
    match record::on_written(worker, turn, result) {
        WriteEnd::Unknown => return report::record_written(worker, turn, error.as_ref()),
        WriteEnd::Written => {
            command_is_durable(worker, turn);
            if !record::write_the_rest(worker, turn) {
                resolve::record_written(worker, turn);
                // What was left behind may have had to wait for this write.
                recovering(worker, turn, recover::recover);
            }
        }
        WriteEnd::Lost { is_embodied_anew } => {
            hear_news(worker, turn, is_embodied_anew);
            command::lost(worker, turn);
            follow_commands(worker, turn);
            resolve::look_again(worker, turn);
            recovering(worker, turn, recover::recover_or_look);
        }
        WriteEnd::InUse => {
            restart::found(worker, turn);
            reap::revive(worker, turn, "it came into use");
            resolve::look_again(worker, turn);
        }
        WriteEnd::NotRenewed => {}
        WriteEnd::InDoubt(error) => {
            // A restart whose end was not written is in flight again.
            restart::found(worker, turn);
            command::failed(worker, turn, &error);
            follow_commands(worker, turn);
            let pause = record::try_again(worker, turn, &error);
            resolve::store_failed(worker, turn, &error, pause);
        }
    }
    follow_commands(worker, turn);
    report::record_written(worker, turn, error.as_ref());
}

/// If the write that has ended was a command's, its giver is told, and what waited for it goes on.
fn command_is_durable(worker: &mut Worker, turn: &mut Turn<'_>) {
    let Some(operated) = command::written(worker, turn) else {
        return;
    };
    if operated == CommandOutcome::Forgotten && worker.pass.is_some() {
        resolve::begin(worker, turn);
    }
    command::done(worker, turn, operated);
    follow_commands(worker, turn);
    recovering(worker, turn, recover::recover_or_look);
    if operated == CommandOutcome::Resumed {
        if worker.in_flight.is_none() {
            recovering(worker, turn, recover::replay_launch);
        }
        if worker.pass.is_none() && !worker.waiters.is_empty() {
            resolve::begin(worker, turn);
        }
    }
}

/// The worker's record was read, or could not be.
fn on_record_read(
    worker: &mut Worker,
    turn: &mut Turn<'_>,
    asked_at: Instant,
    result: Result<Option<Stored>, StoreError>,
) {
    let error = result.as_ref().err().cloned();
    match result {
        Ok(found) => {
            let end = record::on_read(worker, turn, asked_at, found);
            if let ReadEnd::News { is_embodied_anew } = end {
                hear_news(worker, turn, is_embodied_anew);
            }
            // A pause comes before what was left undone is taken up again.
            command::record_read(worker, turn, None);
            follow_commands(worker, turn);
            if end != ReadEnd::Overtaken {
                recovering(worker, turn, recover::recover);
            }
            resolve::record_read(worker, turn);
        }
        Err(error) => {
            command::record_read(worker, turn, Some(&error));
            follow_commands(worker, turn);
            if worker.record.stored.is_some() && worker.awaits(&Stage::RecordRead) {
                // What is known goes on being served; whoever wants to change something finds out.
                record::tell(worker, turn, &error);
                resolve::record_read(worker, turn);
            } else {
                let pause = record::try_again(worker, turn, &error);
                resolve::store_failed(worker, turn, &error, pause);
            }
        }
    }
    if !worker.waiters.is_empty() {
        reap::revive(worker, turn, "somebody asks another host for it");
    }
    reap::record_read(worker, turn, asked_at);
    report::record_read(worker, turn, asked_at, error.as_ref());
    orphan::record_read(worker, turn, asked_at);
    let wanted = health::conclude(worker, turn);
    restart_wanted(worker, turn, wanted);
}

/// A refresh of the worker's activity has come to an end.
fn on_touched(
    worker: &mut Worker,
    turn: &mut Turn<'_>,
    request: RequestId,
    touch: Touch,
    result: Result<Touched, StoreError>,
) {
    let outcome = report::touched(worker, turn, touch, result);
    if outcome != ReportOutcome::NotRunning {
        restart::finish_if_there(worker, turn);
        if touch.is_use() {
            reap::revive(worker, turn, "it was used");
        }
    }
    report::answer_touched(worker, turn, request, touch, outcome);
}

fn on_command(worker: &mut Worker, turn: &mut Turn<'_>, request: RequestId, command: Command) {
    command::ask(worker, turn, request, command);
    follow_commands(worker, turn);
}

/// Follows the commands as far as they go; a restart is asked for as it is wanted.
fn follow_commands(worker: &mut Worker, turn: &mut Turn<'_>) {
    while let Some(wanted) = command::go_on(worker, turn) {
        let (decision, request) = (wanted.decision, &wanted.request);
        let asked = restart::ask(worker, turn, decision, request, wanted.choice);
        match asked {
            restart::Asked::Decides(decision) => command::restart_waits(worker, decision),
            restart::Asked::Comes(result) => command::begun(worker, turn, result),
        }
    }
}

/// A health check asks as any program does. Nobody waits for the answer: a drop and a refusal are told and journaled.
fn restart_wanted(worker: &mut Worker, turn: &mut Turn<'_>, wanted: Option<RestartRequest>) {
    if let Some(request) = wanted {
        let nobody = RequestId::default();
        on_command(worker, turn, nobody, Command::Restart(request));
    }
}

/// Another host has written the record.
fn hear_news(worker: &mut Worker, turn: &mut Turn<'_>, is_embodied_anew: bool) {
    restart::found(worker, turn);
    if is_embodied_anew {
        worker.address_watch = None;
    }
}

/// Recovers in this way, and tells what waited for it.
fn recovering(
    worker: &mut Worker,
    turn: &mut Turn<'_>,
    how: impl FnOnce(&mut Worker, &mut Turn<'_>) -> Recovered,
) {
    match how(worker, turn) {
        Recovered::Nothing => {}
        Recovered::LeftBehind => resolve::look_again(worker, turn),
        Recovered::Settled => resolve::mutation_ended(worker, turn),
    }
}
