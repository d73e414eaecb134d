//! The worker's health over time: when it is looked at, what is taken in, what is concluded, and what follows.
//!
//! ```text
//! timer ─▶ heartbeat read ─┐
//!     └──▶ probe sent … answered ─┤
//! scan ─▶ status checks … read ──┼─▶ taken in, if it is of the present life ─▶ rule ─▶ confirmed ─▶ told, once a turn
//!                                                                                                 └─▶ restart asked for
//! ```
//!
//! A conclusion is confirmed before it is one: the cloud has shown the instance running since the failures began, and,
//! where other hosts write the record, it was read since and knows of no restart. So an instance that somebody stopped, a
//! restart on another host and a host without a network are not taken for a hung worker.

use crate::effect::Effect;
use crate::event::WorkerTimer;
use crate::model::health::{
    self, HealthSpec, Observation, Probed, RestartRule, Sign, SignalKind, Signals, StatusChecks,
};
use crate::model::id::InstanceId;
use crate::model::notice::Step;
use crate::model::restart::{Initiator, RestartRequest};
use crate::model::time::Instant;
use crate::turn::Turn;
use crate::worker::Worker;

/// The host begins to work.
pub(super) fn begin(worker: &mut Worker, turn: &mut Turn<'_>) {
    worker.health.listening_since = turn.now;
    worker.health.restart_seen = worker.restart.as_ref().map(|restart| restart.started_at);
    if let Some(spec) = worker.pool.health.clone() {
        schedule(worker, turn, &spec);
    }
}

/// This host turned connections away that may have been the worker's box: its silence counts from now.
pub(super) fn box_turned_away(worker: &mut Worker, turn: &Turn<'_>) {
    worker.health.listening_since = turn.now;
}

fn schedule(worker: &mut Worker, turn: &mut Turn<'_>, spec: &HealthSpec) {
    let round = worker.health.round;
    let at = turn.now + health::pause(&turn.shared.us, &worker.id, round, spec.every);
    worker.health.round = round.wrapping_add(1).max(1);
    worker.health.due_at = Some(at);
    turn.timer(worker, at, WorkerTimer::Probe);
}

/// It is time to look.
pub(super) fn look(worker: &mut Worker, turn: &mut Turn<'_>) -> Option<RestartRequest> {
    let spec = worker.pool.health.clone()?;
    let due_at = worker.health.due_at.unwrap_or(turn.now);
    if turn.now.since(due_at) >= spec.every {
        // The host itself stood still, and nobody can have spoken to it.
        worker.health.listening_since = turn.now;
    }
    schedule(worker, turn, &spec);
    worker.watch_present_life(turn.now);
    if !worker.is_health_asked() {
        return None;
    }
    let heartbeat = worker.heartbeat_observation(turn.now, turn.shared.store_is_shared);
    if let Some((observation, at)) = heartbeat {
        // Silence may be this host's alone.
        if observation.sign != Sign::Good {
            read_record(worker, turn);
        }
        worker.take_health(SignalKind::Heartbeat, observation, at);
    }
    if worker.paused.is_some() {
        // Silence while somebody works on the box is no silence afterwards.
        worker.health.listening_since = turn.now;
    }
    probe(worker, turn, &spec);
    conclude(worker, turn)
}

fn probe(worker: &mut Worker, turn: &mut Turn<'_>, spec: &HealthSpec) {
    let Some(probe) = &spec.probe else {
        return;
    };
    let Some(target) = worker.probe_target(probe) else {
        return;
    };
    let Some(watch) = &mut worker.health.watch else {
        return;
    };
    let before = watch.probe_asked_at.replace(turn.now);
    turn.effects.push(Effect::Probe {
        worker: worker.id.clone(),
        instance: watch.life.instance.clone(),
        asked_at: turn.now,
        target,
    });
    if before.is_some() {
        // A probe takes less than the time between two, so it was the host that had no time for it.
        let late = "this host did not get round to the probe before";
        let observation = Observation::unavailable(late);
        worker.take_health(probe.kind.signal(), observation, turn.now);
    }
}

/// A probe came to an end. It counts if it is the one that the present watch waits for: one of an earlier life, or from
/// before or during a restart, is not.
pub(super) fn probed(
    worker: &mut Worker,
    turn: &mut Turn<'_>,
    instance: &InstanceId,
    asked_at: Instant,
    probed: &Probed,
) -> Option<RestartRequest> {
    let spec = worker.pool.health.clone()?;
    worker.watch_present_life(turn.now);
    let watch = worker.health.watch.as_mut()?;
    let is_awaited = watch.probe_asked_at == Some(asked_at) && &watch.life.instance == instance;
    let probe = spec.probe.as_ref().filter(|_| is_awaited)?;
    watch.probe_asked_at = None;
    if !worker.is_health_asked() {
        return None;
    }
    let observation = probe.kind.observation(probed);
    worker.take_health(probe.kind.signal(), observation, asked_at);
    conclude(worker, turn)
}

/// EC2's status checks of this instance were read; `None`: the answer says nothing of it.
pub(super) fn checked(
    worker: &mut Worker,
    turn: &mut Turn<'_>,
    instance: &InstanceId,
    asked_at: Instant,
    checks: Result<Option<StatusChecks>, String>,
) -> Option<RestartRequest> {
    worker.watch_present_life(turn.now);
    let watch = worker.health.watch.as_ref();
    let watch = watch.filter(|_| worker.pool.has_status_checks())?;
    let is_of_this_life = &watch.life.instance == instance && asked_at >= watch.since;
    if !is_of_this_life || !worker.is_health_asked() {
        return None;
    }
    let observation = match checks {
        Ok(Some(checks)) => checks.observation(),
        Ok(None) => Observation::unavailable("EC2's answer says nothing of this instance"),
        Err(error) => Observation::unavailable(error),
    };
    worker.take_health(SignalKind::StatusChecks, observation, asked_at);
    conclude(worker, turn)
}

/// Draws the conclusion that the signals allow now, if anything has changed that it waits for. Returns the restart that
/// follows from it, which is asked for as any program asks.
pub(super) fn conclude(worker: &mut Worker, turn: &mut Turn<'_>) -> Option<RestartRequest> {
    let rule = worker.pool.health.as_ref().map(|spec| spec.restart)?;
    worker.watch_present_life(turn.now);
    let watch = worker.health.watch.as_ref()?;
    if worker.health_hold().is_some() {
        return None;
    }
    match health::bad_signal(rule, &watch.signals) {
        Some(kind) => return unhealthy(worker, turn, rule, kind),
        None if health::is_well(rule, &watch.signals) => well(worker, turn),
        None => {}
    }
    None
}

fn unhealthy(
    worker: &mut Worker,
    turn: &mut Turn<'_>,
    rule: RestartRule,
    kind: SignalKind,
) -> Option<RestartRequest> {
    if !is_confirmed(worker, turn, kind) {
        return None;
    }
    let watch = worker.health.watch.as_mut()?;
    let signal = watch.signals.get(&kind)?;
    let (bad_since, told) = (signal.row_since, words(&watch.signals));
    if watch.unhealthy_since.is_none() {
        watch.unhealthy_since = Some(turn.now);
        let instance = watch.life.instance.clone();
        worker.health.told = true;
        let fields = [
            ("instance_id", instance.as_str()),
            ("cause", kind.cause()),
            ("signal", kind.as_str()),
        ];
        turn.notice(worker, Step::WorkerUnhealthy, told.clone(), &fields);
    }
    if rule == RestartRule::Never {
        return None;
    }
    restart_for(worker, turn, kind, bad_since, told)
}

/// Whether nothing else can be behind it than the worker itself, as far as anybody can know by now.
fn is_confirmed(worker: &mut Worker, turn: &mut Turn<'_>, kind: SignalKind) -> bool {
    let signals = worker.health.watch.as_ref().map(|watch| &watch.signals);
    let Some(signal) = signals.and_then(|signals| signals.get(&kind)) else {
        return false;
    };
    let (first, last) = (signal.row_since, signal.at);
    let seen_at = worker.adopted_known().and_then(|known| known.read_at);
    if seen_at.is_none_or(|seen_at| seen_at < first) {
        return false;
    }
    if turn.shared.store_is_shared && worker.record.read_at < last {
        read_record(worker, turn);
        return false;
    }
    true
}

/// Has the record read, once in a step, where other hosts write it too.
fn read_record(worker: &mut Worker, turn: &mut Turn<'_>) {
    let Some(watch) = &mut worker.health.watch else {
        return;
    };
    if turn.shared.store_is_shared && watch.record_asked_at != Some(turn.now) {
        watch.record_asked_at = Some(turn.now);
        turn.effects.push(Effect::ReadRecord(worker.id.clone()));
    }
}

/// The restart to ask for: at most once in a turn to unhealthy, and again when the pause is over and nothing has become
/// better.
fn restart_for(
    worker: &mut Worker,
    turn: &Turn<'_>,
    kind: SignalKind,
    bad_since: Instant,
    told: String,
) -> Option<RestartRequest> {
    let held_off = worker.health_restart_held_off(turn.now, bad_since);
    if !worker.may_ask_for_restart(turn.now) || held_off.is_some() {
        return None;
    }
    worker.health.restart_asked_at = Some(turn.now);
    Some(RestartRequest {
        cause: kind.cause().to_owned(),
        initiator: Initiator::Program,
        text: Some(told),
    })
}

fn well(worker: &mut Worker, turn: &mut Turn<'_>) {
    worker.health.restarts_in_row = 0;
    let Some(watch) = &mut worker.health.watch else {
        return;
    };
    watch.unhealthy_since = None;
    if !worker.health.told {
        return;
    }
    worker.health.told = false;
    let (told, instance) = (words(&watch.signals), watch.life.instance.clone());
    let fields = [("instance_id", instance.as_str())];
    turn.notice(worker, Step::WorkerRecovered, told, &fields);
}

/// All signals in one sentence.
fn words(signals: &Signals) -> String {
    let told = signals.iter().map(|(kind, signal)| {
        let (kind, sign) = (kind.as_str(), signal.sign.as_str());
        match signal.failures() {
            0 | 1 => format!("{kind} is {sign} ({})", signal.text),
            failures => format!(
                "{kind} is {sign}, {failures} times in a row ({})",
                signal.text
            ),
        }
    });
    told.collect::<Vec<_>>().join("; ")
}
