//! The look for the address of an instance that runs. Finding the instance and finding its address are
//! separate steps: whatever happens here, nothing else is started (docs/incidents.md#ip-race).

use super::callers;
use super::next::Next;
use super::not_yet::{self, address_pending};
use crate::effect::Effect;
use crate::event::{Asker, WorkerTimer};
use crate::flow::safe_default;
use crate::model::id::InstanceId;
use crate::model::notice::Step;
use crate::model::point::Input;
use crate::model::point::retry_ip::{self, Verdict};
use crate::model::response::NotYetCode;
use crate::model::time::Millis;
use crate::turn::Turn;
use crate::worker::{AddressWatch, Stage, Worker};

/// The bounds of "look again": faster would only spend describe calls, slower would leave callers
/// hanging.
const AGAIN_MIN: Millis = Millis::new(100);
const AGAIN_MAX: Millis = Millis::from_secs(60);
/// The longest a `give-up` answers later callers.
const GIVE_UP_VALID_MAX: Millis = Millis::from_secs(60);
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
        Step::AddressPending,
        format!("{id} runs and has no address yet (look {})", input.tries),
        &[
            ("instance_id", id.as_str()),
            ("tries", &input.tries.to_string()),
        ],
    );
    let decision = turn.decide(worker, Input::RetryIp(input));
    worker.set_stage(Stage::RetryIp(decision));
}

/// In a pass that has just read the instance: goes on looking if a look was under way and there is
/// still no address. Otherwise the look is over, and `resolve` has the word.
pub(super) fn still_pending(worker: &mut Worker, turn: &mut Turn<'_>) -> bool {
    let watched = worker.address_watch.as_ref().map(|watch| &watch.id);
    let adopted = worker.adopted.as_ref().map(|adopted| &adopted.id);
    if watched.is_some() && watched == adopted && address_pending(worker) {
        watch(worker, turn);
        return true;
    }
    worker.address_watch = None;
    false
}

/// Follows the verdict of `retry-ip`; `None`: it gave no usable answer.
pub(super) fn decided(worker: &mut Worker, turn: &mut Turn<'_>, verdict: Option<&Verdict>) {
    let tries = worker.address_watch.as_ref().map_or(0, |watch| watch.tries);
    let (next, valid_for) = match verdict {
        Some(verdict) => {
            let valid_for = Millis::from(verdict.valid_for_ms).min(GIVE_UP_VALID_MAX);
            (verdict.next, valid_for)
        }
        None => (safe_default::retry_ip(tries), safe_default::GIVE_UP_VALID),
    };
    match next {
        retry_ip::Next::Again(ms) => again(worker, turn, Millis::from(ms)),
        retry_ip::Next::GiveUp(ms) => give_up(worker, turn, Millis::from(ms), valid_for),
    }
}

/// The pause is over: read the instance again.
pub(super) fn look(worker: &mut Worker, turn: &mut Turn<'_>) -> Next {
    let paused = worker
        .pass
        .as_ref()
        .is_some_and(|pass| pass.stage == Stage::AddressPause);
    if !paused {
        return Next::Waits;
    }
    let Some(watch) = &worker.address_watch else {
        // The instance was ended meanwhile: the pass goes on without it.
        return Next::GoesOn;
    };
    let id: InstanceId = watch.id.clone();
    worker.set_stage(Stage::Instance(id.clone()));
    turn.effects.push(Effect::Query {
        asker: Asker::Worker(worker.id.clone()),
        query: worker.query_of(id),
    });
    Next::Waits
}

fn again(worker: &mut Worker, turn: &mut Turn<'_>, pause: Millis) {
    let pause = pause.clamp(AGAIN_MIN, AGAIN_MAX);
    if worker.waiters.is_empty() {
        // Nobody waits for this very pass: the slower look of the background is enough.
        return give_up(worker, turn, pause, Millis::ZERO);
    }
    worker.set_stage(Stage::AddressPause);
    turn.timer(worker, turn.now + pause, WorkerTimer::LookForAddress);
}

fn give_up(worker: &mut Worker, turn: &mut Turn<'_>, come_back: Millis, valid_for: Millis) {
    let id = worker.address_watch.as_mut().map(|watch| {
        watch.given_up = Some((turn.now + valid_for, come_back));
        watch.id.clone()
    });
    let id = id.map(String::from).unwrap_or_default();
    let detail =
        format!("{id} is running and its address is not assigned yet; the host goes on looking");
    let not_yet = not_yet::not_yet(worker, NotYetCode::IpPending, detail, come_back);
    callers::turned_away(worker, turn, not_yet);
}
