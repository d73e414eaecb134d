//! The look for the address of an instance that runs. Finding the instance and finding its address are
//! separate steps: whatever happens here, nothing else is started (I2).

use super::{Turn, callers, pass};
use crate::answer::{NotYet, NotYetCode};
use crate::effect::Effect;
use crate::event::{Asker, Timer};
use crate::id::InstanceId;
use crate::notice::Step;
use crate::point::Input;
use crate::point::retry_ip::{Next, Verdict};
use crate::time::Millis;
use crate::worker::{AddressWatch, Stage, Worker};

/// The bounds of "look again": faster would only spend describe calls, slower would leave callers
/// hanging.
const AGAIN_MIN: Millis = Millis::new(100);
const AGAIN_MAX: Millis = Millis::from_secs(60);
/// The longest a `give-up` answers later callers.
const GIVE_UP_VALID_MAX: Millis = Millis::from_secs(60);
/// The safe default of the point: five looks half a second apart (the choice of incident I2), then
/// "come back in 2 s".
const SAFE_TRIES: u32 = 5;
const SAFE_INTERVAL: Millis = Millis::new(500);
const SAFE_COME_BACK: Millis = Millis::from_secs(2);

/// The adopted instance runs without an address: begin to look, or go on.
pub(super) fn watch(worker: &mut Worker, turn: &mut Turn<'_>) {
    let Some(adopted) = &worker.adopted else {
        return;
    };
    let id = adopted.id.clone();
    match &mut worker.address_watch {
        Some(watch) if watch.id == id => watch.tries = watch.tries.saturating_add(1),
        watch => {
            *watch = Some(AddressWatch {
                id: id.clone(),
                tries: 1,
                since: turn.now,
                given_up: None,
            });
        }
    }
    let Some(input) = worker.retry_ip_input(turn.now) else {
        return;
    };
    turn.notice(
        worker,
        Step::GpuInstanceIpPending,
        format!("{id} runs and has no address yet (look {})", input.tries),
        &[
            ("instance_id", id.as_str()),
            ("tries", &input.tries.to_string()),
        ],
    );
    let decision = turn.decide(worker, Input::RetryIp(input));
    pass::set_stage(worker, Stage::RetryIp(decision));
}

/// In a pass that has just read the instance: goes on looking if a look was under way and there is
/// still no address. Otherwise the look is over, and `resolve` has the word.
pub(super) fn still_pending(worker: &mut Worker, turn: &mut Turn<'_>) -> bool {
    let watched = worker.address_watch.as_ref().map(|watch| &watch.id);
    let adopted = worker.adopted.as_ref().map(|adopted| &adopted.id);
    if watched.is_some() && watched == adopted && callers::address_pending(worker) {
        watch(worker, turn);
        return true;
    }
    worker.address_watch = None;
    false
}

/// Follows the verdict of `retry-ip`.
pub(super) fn decided(worker: &mut Worker, turn: &mut Turn<'_>, verdict: &Verdict) {
    match verdict.next {
        Next::Again(ms) => again(worker, turn, Millis::from(ms)),
        Next::GiveUp(ms) => {
            let valid_for = Millis::from(verdict.valid_for_ms).min(GIVE_UP_VALID_MAX);
            give_up(worker, turn, Millis::from(ms), valid_for);
        }
    }
}

/// The safe default of `retry-ip`.
pub(super) fn failed(worker: &mut Worker, turn: &mut Turn<'_>) {
    let tries = worker.address_watch.as_ref().map_or(0, |watch| watch.tries);
    if tries < SAFE_TRIES {
        again(worker, turn, SAFE_INTERVAL);
    } else {
        give_up(worker, turn, SAFE_COME_BACK, SAFE_COME_BACK);
    }
}

/// The pause is over: read the instance again.
pub(super) fn look(worker: &mut Worker, turn: &mut Turn<'_>) {
    let paused = worker
        .pass
        .as_ref()
        .is_some_and(|pass| pass.stage == Stage::AddressPause);
    if !paused {
        return;
    }
    let Some(watch) = &worker.address_watch else {
        // The instance was ended meanwhile: the pass goes on without it.
        return pass::go_on(worker, turn);
    };
    let id: InstanceId = watch.id.clone();
    pass::set_stage(worker, Stage::Instance(id.clone()));
    turn.effects.push(Effect::Query {
        asker: Asker::Worker(worker.id.clone()),
        query: worker.query_of(id),
    });
}

fn again(worker: &mut Worker, turn: &mut Turn<'_>, pause: Millis) {
    let pause = pause.clamp(AGAIN_MIN, AGAIN_MAX);
    if worker.waiters.is_empty() {
        // Nobody waits for this very pass: the slower look of the background is enough.
        return give_up(worker, turn, pause, Millis::ZERO);
    }
    pass::set_stage(worker, Stage::AddressPause);
    turn.timer(turn.now + pause, Timer::LookForAddress(worker.id.clone()));
}

fn give_up(worker: &mut Worker, turn: &mut Turn<'_>, come_back: Millis, valid_for: Millis) {
    let id = worker.address_watch.as_mut().map(|watch| {
        watch.given_up = Some((turn.now + valid_for, come_back));
        watch.id.clone()
    });
    let id = id.map(String::from).unwrap_or_default();
    let not_yet = NotYet {
        code: NotYetCode::IpPending,
        detail: format!(
            "{id} is running and its address is not assigned yet; the host goes on looking"
        ),
        retry_after: come_back,
        decision: worker.last_decision.as_ref().map(|last| last.id),
    };
    callers::turned_away(worker, turn, not_yet);
}
