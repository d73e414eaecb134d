//! A launch that was carried out, though no reply said so. When a replay is refused because the token was used with
//! other parameters, an earlier try made an instance. It carries the attempt's generation on its tag, so a scan finds
//! it; sending the launch again cannot, and another launch would run beside it (G1).

use super::{Turn, mutation, record};
use crate::cloud::{CloudError, Outcome};
use crate::event::Timer;
use crate::instance::Instance;
use crate::journal::Entry;
use crate::notice::Step;
use crate::time::Instant;
use crate::worker::Worker;

/// Looks for the instance for the first time, and says why.
pub(super) fn look_first(worker: &mut Worker, turn: &mut Turn<'_>, error: &CloudError) {
    let text = format!(
        "the launch was refused ({error}): an earlier try was carried out, and its instance is looked for by tag"
    );
    turn.notice(worker, Step::ProvisionUnanswered, text, &[]);
    look(worker, turn);
}

/// Scans, and looks again later: a scan may not show the instance yet (EC2 developer guide, "Eventual consistency").
pub(super) fn look(worker: &mut Worker, turn: &mut Turn<'_>) {
    let Some(attempt) = &mut worker.attempt else {
        return;
    };
    attempt.sent = attempt.sent.saturating_add(1);
    let pause = mutation::backoff(attempt.sent);
    turn.sweep(&worker.spec.pool);
    turn.timer(turn.now + pause, Timer::ReplayLaunch(worker.id.clone()));
}

/// A complete scan was taken in: the launch has come to the instance that it shows. One that still shows none when
/// every fresh instance would be shown proves that the instance has come and gone.
pub(super) fn after_sweep(worker: &mut Worker, turn: &mut Turn<'_>, asked_at: Instant) {
    let Some(attempt) = &worker.attempt else {
        return;
    };
    let Some(proved_at) = attempt.proved_at else {
        return;
    };
    if !record::may_write_soon(worker, turn) {
        return;
    }
    let (decision, generation) = (attempt.decision, attempt.generation);
    let is_of_attempt =
        |instance: &&Instance| instance.generation_for(&worker.id) == Some(generation);
    let mut shown = worker.instances.values().map(|known| &known.instance);
    if let Some(instance) = shown.find(is_of_attempt).cloned() {
        worker.intent = None;
        let outcome = Entry::Outcome(Ok(Outcome::Launched(instance.clone())));
        turn.journal(worker, decision, outcome);
        mutation::take_launched(worker, turn, &instance.id, instance.state);
        return mutation::settle(worker, turn);
    }
    let grace = worker.pool.limits.not_visible_grace;
    if asked_at.since(proved_at) >= grace {
        let why = format!(
            "an earlier try of the launch of generation {generation} was carried out, and {grace} later no scan shows \
             its instance: it has come and gone"
        );
        mutation::give_up(worker, turn, why);
    }
}
