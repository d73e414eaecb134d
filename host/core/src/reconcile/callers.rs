//! Who asks, who waits, who is answered.

use super::{Turn, handed_out, operator, pass, reaping};
use crate::answer::{Answer, NotYet, NotYetCode, Route};
use crate::effect::Effect;
use crate::event::Timer;
use crate::id::RequestId;
use crate::instance::InstanceState;
use crate::notice::Step;
use crate::point::resolve::InFlight;
use crate::time::Millis;
use crate::worker::{How, Waiter, Worker};

/// What a caller is told to wait when nothing better is known.
const RETRY_AFTER: Millis = Millis::from_secs(2);

/// Someone asks where the worker is: from the published route, from a `give-up` that still holds, or
/// from the pass under way or begun now.
pub(super) fn ask(
    worker: &mut Worker,
    turn: &mut Turn<'_>,
    request: RequestId,
    wait: Option<Millis>,
) {
    worker.asked_at = Some(turn.now);
    reaping::revive(worker, turn, "somebody asks for it");
    let valid = worker
        .route
        .clone()
        .filter(|route| turn.now < route.valid_until);
    if let Some(route) = valid {
        handed_out(worker, turn, &route.instance);
        return answer(worker, turn, request, Answer::Served(route));
    }
    let given_up = worker
        .address_watch
        .as_ref()
        .and_then(|watch| watch.given_up);
    if let Some((until, come_back)) = given_up
        && wait.is_none()
        && turn.now < until
        && standing(worker, turn).is_some_and(|code| code == NotYetCode::IpPending)
    {
        let not_yet = NotYet {
            code: NotYetCode::IpPending,
            detail: "the host goes on looking for the address".to_owned(),
            retry_after: come_back,
            decision: worker.last_decision.as_ref().map(|last| last.id),
        };
        return answer(worker, turn, request, Answer::NotYet(not_yet));
    }
    let deadline = turn.now + wait.unwrap_or(worker.pool.limits.pass_max);
    worker.waiters.insert(
        request,
        Waiter {
            asked_at: turn.now,
            deadline,
            patient: wait.is_some(),
        },
    );
    turn.timer(deadline, Timer::Deadline(worker.id.clone(), request));
    if worker.pass.is_none() {
        pass::begin(worker, turn);
    }
}

/// A caller's patience ends: better an honest "not yet" than silence.
pub(super) fn deadline(worker: &mut Worker, turn: &mut Turn<'_>, request: RequestId) {
    if worker.waiters.remove(&request).is_none() {
        return;
    }
    let standing = standing(worker, turn);
    let not_yet = match (&worker.last_not_yet, worker.pass.is_none()) {
        (Some(last), true) => last.clone(),
        (Some(last), false) if last.code == NotYetCode::Paused => last.clone(),
        _ => NotYet {
            code: standing.unwrap_or(NotYetCode::Timeout),
            detail: "the wait ended before there was an answer; the host goes on".to_owned(),
            retry_after: RETRY_AFTER,
            decision: worker.last_decision.as_ref().map(|last| last.id),
        },
    };
    answer(worker, turn, request, Answer::NotYet(not_yet));
}

/// Ends the pass with an address: published, and given to all who wait.
pub(super) fn served(worker: &mut Worker, turn: &mut Turn<'_>, route: Route) {
    worker.pass = None;
    worker.address_watch = None;
    worker.last_not_yet = None;
    worker.route = Some(route.clone());
    turn.effects.push(Effect::Publish(route.clone()));
    let waiting: Vec<_> = std::mem::take(&mut worker.waiters).into_keys().collect();
    if !waiting.is_empty() {
        handed_out(worker, turn, &route.instance);
    }
    for request in waiting {
        answer(worker, turn, request, Answer::Served(route.clone()));
    }
}

/// Ends the pass without an address. Callers who named a wait keep waiting; the host looks again by
/// itself while they do, or while an instance is on its way.
pub(super) fn turned_away(worker: &mut Worker, turn: &mut Turn<'_>, not_yet: NotYet) {
    /// Between looks at an instance that is on its way: describe calls are cheap at one a second, and
    /// a caller who is told "in ten minutes" does not stop the host from noticing earlier.
    const FOLLOW_MIN: Millis = Millis::from_secs(1);
    const FOLLOW_MAX: Millis = Millis::from_secs(30);
    let not_yet = operator::as_told(worker, turn, not_yet);
    worker.pass = None;
    worker.last_not_yet = Some(not_yet.clone());
    let impatient: Vec<_> = worker
        .waiters
        .iter()
        .filter(|(_, waiter)| !waiter.patient)
        .map(|(request, _)| *request)
        .collect();
    for request in impatient {
        worker.waiters.remove(&request);
        answer(worker, turn, request, Answer::NotYet(not_yet.clone()));
    }
    // A restart in flight is looked after by itself.
    let on_its_way = not_yet.code != NotYetCode::Restarting
        && (worker.adopted_is_live(turn.now) || worker.in_flight.is_some());
    let somebody_waits = !worker.waiters.is_empty();
    if !on_its_way && !somebody_waits {
        return;
    }
    let pause = if on_its_way && somebody_waits {
        FOLLOW_MIN
    } else {
        not_yet.retry_after.clamp(FOLLOW_MIN, FOLLOW_MAX)
    };
    let at = turn.now + pause;
    if worker.follow_at.is_none_or(|follow_at| at < follow_at) {
        worker.follow_at = Some(at);
        turn.timer(at, Timer::Follow(worker.id.clone()));
    }
}

/// The time to look again without being asked has come. A timer that an earlier one has overtaken is
/// without effect, or each would begin a series of its own.
pub(super) fn follow(worker: &mut Worker, turn: &mut Turn<'_>) {
    if worker.follow_at.is_none_or(|at| turn.now < at) {
        return;
    }
    worker.follow_at = None;
    if worker.pass.is_none() {
        pass::begin(worker, turn);
    }
}

/// What the facts alone say about a worker that is not served, whatever a policy calls it.
pub(super) fn standing(worker: &Worker, turn: &Turn<'_>) -> Option<NotYetCode> {
    if worker.is_restarting() {
        return Some(NotYetCode::Restarting);
    }
    match worker.resolve_input(turn.now).in_flight {
        InFlight::Launching(_) => return Some(NotYetCode::Launching),
        InFlight::Starting(_) => return Some(NotYetCode::Starting),
        InFlight::Stopping(_) => return Some(NotYetCode::Stopping),
        InFlight::Nothing => {}
    }
    let adopted = worker.adopted.as_ref()?;
    let state = worker.adopted_known()?.instance.state;
    match (state, adopted.how) {
        (InstanceState::Running, _) if address_pending(worker) => Some(NotYetCode::IpPending),
        (InstanceState::Pending, How::Started) => Some(NotYetCode::Starting),
        (InstanceState::Pending, _) => Some(NotYetCode::Launching),
        (InstanceState::NotVisible | InstanceState::Unknown, How::Launched) => {
            Some(NotYetCode::Launching)
        }
        (InstanceState::Stopping, _) => Some(NotYetCode::Stopping),
        _ => None,
    }
}

/// Whether the adopted instance runs and has no address.
pub(super) fn address_pending(worker: &Worker) -> bool {
    worker.adopted_known().is_some_and(|known| {
        let instance = &known.instance;
        instance.state == InstanceState::Running && !instance.is_reachable()
    })
}

/// Answers one caller, and says in the log whether the request reached the worker's door or was turned
/// away before it (I1).
fn answer(worker: &Worker, turn: &mut Turn<'_>, request: RequestId, answer: Answer) {
    match &answer {
        Answer::Served(route) => turn.notice(
            worker,
            Step::ResolveServed,
            format!("{} is at {}", worker.id, route.url),
            &[
                ("instance_id", route.instance.as_str()),
                ("decision", &route.decision.to_string()),
            ],
        ),
        Answer::NotYet(not_yet) => turn.notice(
            worker,
            Step::ResolveTurnedAway,
            format!("{}: {}", not_yet.code, not_yet.detail),
            &[
                ("code", not_yet.code.as_str()),
                ("retry_after_ms", &not_yet.retry_after.get().to_string()),
            ],
        ),
    }
    turn.effects.push(Effect::Answer {
        worker: worker.id.clone(),
        request,
        answer,
    });
}
