//! Who asks, who waits, who is answered.

use super::not_yet::{self, standing};
use crate::effect::Effect;
use crate::event::WorkerTimer;
use crate::model::id::{InstanceId, RequestId};
use crate::model::notice::Step;
use crate::model::response::{NotYet, NotYetCode, Resolution, Response, Route};
use crate::model::store::Touch;
use crate::model::time::Millis;
use crate::turn::Turn;
use crate::worker::{Waiter, Worker};

/// Someone asks where the worker is: answered from the published route, from a `give-up` that still holds, or from a pass.
/// Returns whether one is to begin.
pub(in crate::flow) fn ask(
    worker: &mut Worker,
    turn: &mut Turn<'_>,
    request: RequestId,
    wait: Option<Millis>,
) -> bool {
    worker.asked_at = Some(turn.now);
    let valid = worker
        .route
        .clone()
        .filter(|route| turn.now < route.valid_until);
    if let Some(route) = valid {
        handed_out(worker, turn, &route.instance);
        answer(worker, turn, request, Resolution::Served(route));
        return false;
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
        let detail = "the host goes on looking for the address";
        let not_yet = not_yet::not_yet(worker, NotYetCode::IpPending, detail, come_back);
        answer(worker, turn, request, Resolution::NotYet(not_yet));
        return false;
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
    turn.timer(worker, deadline, WorkerTimer::Deadline(request));
    worker.pass.is_none()
}

/// A caller's patience ends: better an honest "not yet" than silence.
pub(in crate::flow) fn deadline(worker: &mut Worker, turn: &mut Turn<'_>, request: RequestId) {
    if worker.waiters.remove(&request).is_none() {
        return;
    }
    let not_yet = not_yet::timed_out(worker, turn);
    answer(worker, turn, request, Resolution::NotYet(not_yet));
}

/// Ends the pass with an address: published, and given to all who wait.
pub(in crate::flow) fn served(worker: &mut Worker, turn: &mut Turn<'_>, route: Route) {
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
        answer(worker, turn, request, Resolution::Served(route.clone()));
    }
}

/// Ends the pass without an address. Callers who named a wait keep waiting; the host looks again by
/// itself while they do, or while an instance is on its way.
pub(super) fn turned_away(worker: &mut Worker, turn: &mut Turn<'_>, not_yet: NotYet) {
    /// Between looks at an instance that is on its way: describe calls are cheap at one a second, and
    /// a caller who is told "in ten minutes" does not stop the host from noticing earlier.
    const FOLLOW_MIN: Millis = Millis::from_secs(1);
    const FOLLOW_MAX: Millis = Millis::from_secs(30);
    let not_yet = not_yet::as_told(worker, turn, not_yet);
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
        answer(worker, turn, request, Resolution::NotYet(not_yet.clone()));
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
        turn.timer(worker, at, WorkerTimer::Follow);
    }
}

/// The time to look again without being asked has come. A timer that an earlier one has overtaken is
/// without effect, or each would begin a series of its own. Returns whether a pass is to begin.
pub(in crate::flow) fn follow(worker: &mut Worker, turn: &Turn<'_>) -> bool {
    if worker.follow_at.is_none_or(|at| turn.now < at) {
        return false;
    }
    worker.follow_at = None;
    worker.pass.is_none()
}

/// Answers one caller, and says in the log whether the request reached the worker's door or was turned
/// away before it (docs/incidents.md#stale-pointer).
fn answer(worker: &Worker, turn: &mut Turn<'_>, request: RequestId, resolution: Resolution) {
    match &resolution {
        Resolution::Served(route) => turn.notice(
            worker,
            Step::ResolveServed,
            format!("{} is at {}", worker.id, route.url),
            &[
                ("instance_id", route.instance.as_str()),
                ("decision", &route.decision.to_string()),
            ],
        ),
        Resolution::NotYet(not_yet) => turn.notice(
            worker,
            Step::ResolveTurnedAway,
            format!("{}: {}", not_yet.code, not_yet.detail),
            &[
                ("code", not_yet.code.as_str()),
                ("retry_after_ms", &not_yet.retry_after.get().to_string()),
            ],
        ),
    }
    turn.respond(worker, request, Response::Resolve(resolution));
}

/// Notes that callers got the address of this instance. What other hosts and the next life must know of it is
/// refreshed in the store, to the minute: that is as exact as "not used for ten minutes" needs, and costs one
/// write a minute for a worker in use.
pub(in crate::flow) fn handed_out(worker: &mut Worker, turn: &mut Turn<'_>, id: &InstanceId) {
    const TOLD_EVERY_MAX: Millis = Millis::from_secs(60);
    // Less than the idle limit, however short that is.
    let idle_min = worker.pool.limits.idle_min.get();
    let told_every = Millis::new(idle_min / 2).min(TOLD_EVERY_MAX);
    worker.unserved_in_row = 0;
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
