//! Takes in the outcomes of mutations.

use super::adoption::{pointer_written, repair_pointer, take};
use super::ending::{count_end, end_refused, ended, tell_ending};
use super::failure::{Tried, count_failed_start, fail, failed};
use super::reboot::rebooted;
use super::spend::give_back;
use crate::event::WorkerTimer;
use crate::facts::observe::Changes;
use crate::facts::{Act, Facts, How, InFlight, WorkerFacts};
use crate::happened::{Concluded, EndOutcome};
use crate::model::backoff::backoff;
use crate::model::budget::Spending;
use crate::model::cloud::{CloudError, CloudErrorKind, Mutation, MutationKind, Outcome};
use crate::model::compute::Ending;
use crate::model::id::{DecisionId, InstanceId};
use crate::model::instance::{Instance, InstanceState, StateReason};
use crate::model::journal::Content;
use crate::model::notice::Step;
use crate::model::point::resolve::{self, FailureKind};
use crate::model::time::Instant;
use crate::record;
use crate::route;
use crate::turn::Turn;

/// Takes in the outcome of a mutation. `None` if another host has taken the lease over and recovers
/// the intent itself. The outcome goes into the record, unless a launch was not answered: then its
/// intent stays.
pub(crate) fn on_outcome(
    facts: &mut Facts,
    turn: &mut Turn<'_>,
    decision: DecisionId,
    mutation: &Mutation,
    result: Result<Outcome, CloudError>,
) -> Option<Concluded> {
    turn.journal(facts, decision, Content::Outcome(result.clone()));
    if let Err(error) = &result {
        turn.cloud_failed(facts, error);
    }
    // One decision may have two mutations in a row: a launch, and the pointer write that follows
    // it.
    let of_flight =
        |it: &InFlight| it.is_ours && it.decision == decision && it.kind == mutation.kind();
    if !facts.in_flight.as_ref().is_some_and(of_flight) {
        return None;
    }
    note_answer(facts, turn, mutation, &result);
    facts.change().in_flight = None;
    if !is_unanswered_launch(facts, mutation, &result) {
        facts.change().intent = None;
    }
    let concluded = conclude(facts, turn, decision, mutation, result);
    if facts.intent.is_none() {
        settle(facts, turn);
    }
    Some(concluded)
}

/// Notes whether the cloud refused the act. A definite refusal gives the act's share of the budgets
/// back, and begins a pause before the next try (V2). An act that may have been carried out keeps
/// its share.
fn note_answer(
    facts: &mut Facts,
    turn: &mut Turn<'_>,
    mutation: &Mutation,
    result: &Result<Outcome, CloudError>,
) {
    let act = Act::of(mutation, facts.capacity_option_tried());
    let Err(error) = result else {
        if let Some(act) = act {
            facts.change().refusals.clear(act);
        }
        return;
    };
    let attempt = facts.attempt.as_ref();
    let attempt = attempt.filter(|_| matches!(act, Some(Act::Launch(_))));
    let is_proved = attempt.is_some_and(|attempt| attempt.is_proved_by(error.kind));
    if is_proved || !error.kind.is_definite() {
        return;
    }
    if attempt.is_none_or(|attempt| attempt.is_ended_by(error.kind)) {
        give_back(facts);
    }
    if let Some(act) = act.filter(|_| error.kind.is_refusal()) {
        facts.change().refusals.note(act, error, turn.now);
    }
}

fn conclude(
    facts: &mut Facts,
    turn: &mut Turn<'_>,
    decision: DecisionId,
    mutation: &Mutation,
    result: Result<Outcome, CloudError>,
) -> Concluded {
    match (mutation, result) {
        (Mutation::Launch { .. }, Ok(Outcome::Launched(instance))) => {
            launched(facts, turn, instance);
        }
        (Mutation::Launch { .. }, Ok(Outcome::Accepted)) => {}
        (Mutation::Launch { .. }, Err(error)) => return launch_failed(facts, turn, error),
        (Mutation::Start { id, .. }, Ok(_)) => {
            facts.change().failures.clear();
            started(facts, turn, id, Step::InstanceLaunched);
        }
        (Mutation::Start { id, .. }, Err(error)) => start_failed(facts, turn, id, &error),
        (
            Mutation::Stop {
                id, clear_pointer, ..
            }
            | Mutation::Terminate {
                id, clear_pointer, ..
            },
            result,
        ) => {
            let result = result.map(|_| ());
            let ending = match mutation.kind() {
                MutationKind::Terminate => Ending::Terminate,
                _ => Ending::Stop,
            };
            ended(facts, turn, id, clear_pointer.is_some(), result.is_ok());
            tell_ending(facts, turn, decision, result.is_ok());
            if let Err(error) = &result {
                end_refused(facts, turn, id, ending, error);
            }
            return Concluded::Ended(EndOutcome {
                instance: id.clone(),
                decision,
                result,
            });
        }
        (Mutation::Reboot { id, .. }, result) => {
            let result = result.map(|_| ());
            rebooted(facts, turn.now, id, &result);
            return Concluded::Ended(EndOutcome {
                instance: id.clone(),
                decision,
                result,
            });
        }
        (Mutation::WritePointer { id, .. }, result) => {
            pointer_written(facts, turn, id, result.err());
        }
    }
    Concluded::Taken
}

/// Whether a launch was not answered. It may have been carried out, so its intent stays until a
/// definite answer arrives.
fn is_unanswered_launch(
    facts: &WorkerFacts,
    mutation: &Mutation,
    result: &Result<Outcome, CloudError>,
) -> bool {
    let attempt = facts.attempt.as_ref();
    let unanswered =
        |error: &CloudError| attempt.is_some_and(|attempt| !attempt.is_ended_by(error.kind));
    matches!(mutation, Mutation::Launch { .. }) && result.as_ref().is_err_and(unanswered)
}

fn launched(facts: &mut Facts, turn: &mut Turn<'_>, instance: Instance) {
    let (id, state) = (instance.id.clone(), instance.state);
    facts.observe_instance(instance, turn.now);
    take_launched(facts, turn, &id, state);
}

/// Adopts the instance that the launch under way created.
pub(crate) fn take_launched(
    facts: &mut Facts,
    turn: &mut Turn<'_>,
    id: &InstanceId,
    state: InstanceState,
) {
    let option = facts.capacity_option_tried();
    let attempt = facts.change().attempt.take();
    if state.is_final() {
        // A replay whose instance has ended is a definite end of the attempt.
        let why = format!("{id} is {}", state.as_str());
        let tried = Tried::launch(option);
        return fail(facts, turn, tried, FailureKind::Other, why, 1);
    }
    facts.change().failures.clear();
    let generation = attempt.map_or(facts.generation, |attempt| attempt.generation);
    take(facts, turn, id, How::Launched, Step::InstanceLaunched, None);
    if let Some(adopted) = &mut facts.change().adopted {
        adopted.generation = generation;
    }
    mark_pointer_stale(facts);
}

fn launch_failed(facts: &mut Facts, turn: &mut Turn<'_>, error: CloudError) -> Concluded {
    let tried = Tried::launch(facts.capacity_option_tried());
    let Some(attempt) = &mut facts.change().attempt else {
        return Concluded::Taken;
    };
    if attempt.is_proved_by(error.kind) {
        attempt.proved_at = Some(turn.now);
        return Concluded::CarriedOutBefore(error);
    }
    if attempt.is_ended_by(error.kind) {
        facts.change().attempt = None;
        failed(facts, turn, tried, &error);
        return Concluded::Taken;
    }
    attempt.in_doubt |= error.kind != CloudErrorKind::NotSent;
    let sent = attempt.sent;
    if error.kind.is_refusal() {
        // This try was refused, and its failure is kept. An earlier try may have been carried out.
        failed(facts, turn, tried, &error);
    }
    let refusal = facts.backs_off(facts.launch_act(), turn.now);
    let pause = refusal.map_or_else(|| backoff(sent), |it| it.until.since(turn.now));
    turn.notice(
        facts,
        Step::LaunchUnanswered,
        format!(
            "the launch was not answered ({error}); it is sent again in {pause} with the same token"
        ),
        &[("sent", &sent.to_string())],
    );
    turn.timer(facts, turn.now + pause, WorkerTimer::ReplayLaunch);
    Concluded::Taken
}

/// Without a definite answer, the start counts as done on every host until readings after it show
/// otherwise. A rate limit says nothing about the instance; any other refusal counts against it.
fn start_failed(facts: &mut Facts, turn: &mut Turn<'_>, id: &InstanceId, error: &CloudError) {
    if !error.kind.is_definite() {
        started(facts, turn, id, Step::LaunchUnanswered);
    }
    failed(facts, turn, Tried::of(resolve::Act::Start), error);
    if error.kind.is_refusal() && error.kind != CloudErrorKind::Throttled {
        count_failed_start(facts, turn, id, &error.to_string());
    }
}

/// Adopts a started instance. Readings that may show the state before the start prove nothing for a
/// while.
pub(crate) fn started(facts: &mut Facts, turn: &mut Turn<'_>, id: &InstanceId, step: Step) {
    take(facts, turn, id, How::Started, step, None);
    let known = facts.instances.get(id);
    let launched_before = known.and_then(|known| known.instance.launched_at);
    if let Some(known) = facts.change().instances.get_mut(id) {
        known.start_accepted = Some(turn.now);
        known.ended_by_host = false;
        known.handed_out = None;
    }
    let generation = facts.generation;
    if let Some(adopted) = &mut facts.change().adopted {
        adopted.generation = generation;
        adopted.launched_before = launched_before;
    }
    mark_pointer_stale(facts);
}

/// Marks the pointer as read and empty after a launch or start. So the pointer is written even if
/// it could not be read: its old value is wrong in any case.
fn mark_pointer_stale(facts: &mut Facts) {
    facts.change().pointer.get_or_insert(None);
}

/// Has the outcome written, which ends the lease. A pointer write that must follow goes with it.
pub(crate) fn settle(facts: &mut Facts, turn: &mut Turn<'_>) {
    repair_pointer(facts, turn);
    record::write(facts, turn, None);
}

/// Reports what a reading changed.
pub(crate) fn tell_changes(facts: &mut Facts, turn: &mut Turn<'_>, changes: Changes) {
    if changes.route_broken {
        route::withdraw(facts, turn);
    }
    if changes.lost.is_empty() {
        return;
    }
    facts.change().lost_unread.extend(changes.lost);
    match turn.shared.store_is_shared {
        // Another host may have handed the instance out, and ended it.
        true => turn.read_record(facts),
        false => tell_lost(facts, turn),
    }
}

/// Reports and counts the instances that went down and that no host of the fleet ended, as far as
/// the record says.
pub(crate) fn tell_lost(facts: &mut Facts, turn: &mut Turn<'_>) {
    if facts.lost_unread.is_empty() {
        return;
    }
    for lost in std::mem::take(&mut facts.change().lost_unread) {
        let is_of_its_life = |at: Option<Instant>| {
            turn.shared.store_is_shared && lost.since.is_some_and(|since| at >= Some(since))
        };
        let is_served = lost.is_served || is_of_its_life(facts.record.activity().handed_out_at);
        let is_ended = is_of_its_life(facts.ledger.last(Spending::Stop));
        let (id, state) = (lost.id, lost.state);
        let reason = facts.reason_down(&id);
        let reason = reason.map_or_else(|| "no reason given".to_owned(), StateReason::to_string);
        let text = format!(
            "{id} is {} and this host did not end it ({reason})",
            state.as_str()
        );
        let fields = [
            ("instance_id", id.as_str()),
            ("state", state.as_str()),
            ("reason", &reason),
        ];
        if !is_ended {
            turn.notice(facts, Step::InstanceLost, text, &fields);
        }
        count_end(facts, turn, &id, is_served);
    }
}
